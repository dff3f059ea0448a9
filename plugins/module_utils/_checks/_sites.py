# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the measures about websites have in common: which virtual hosts a promise means, and how findings name them.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .._finding import ERROR, NOT_APPLICABLE, Finding
from .._host import Host
from .._measure import Question
from .._services.listeners import UnknownListener, unknown_listeners
from .._services.virtualhost import VirtualHost, WebServer, covers
from .._services.web import web_servers

# makes a finding: option, what it is about, status; then by name observed, expected, source, remedy
Make = Callable[..., Finding]


def subjects(host: Host, question: Question) -> list[tuple[WebServer, VirtualHost]]:
    """The virtual hosts that a promise speaks of. Raises Unseen."""
    found = [(server, vhost) for server in web_servers(host) for vhost in server.vhosts]
    if question.settings["scope"] == "all":
        return found
    return [(server, vhost) for server, vhost in found if any(answers(vhost, site) for site in question.own_sites)]


def answers(vhost: VirtualHost, site: str) -> bool:
    """Whether a virtual host is meant to answer for a site's name."""
    return any(covers(name, site) for name in vhost.names)


def bare(name: str) -> str:
    """A configured name in the letters that names are compared in."""
    return name.lower().rstrip(".") if not name.startswith("~") else name


def sample(name: str) -> str:
    """A name that a configured one covers, '' for an expression."""
    if name.startswith("~"):
        return ""
    if name.endswith(".*"):
        return f"{name[:-2]}.invalid"
    return f"privacy-hosting.{name.lstrip('*.')}" if name.startswith(("*", ".")) else name


def whole(
    host: Host,
    question: Question,
    option: str,
    make: Make,
    *,
    attest: str,
    known: Callable[[UnknownListener], bool] = lambda _listener: False,
) -> Iterator[Finding]:
    """What keeps a promise from being judged on the whole host, or that there is nothing to judge. Raises Unseen.

    attest: what could be attested to of a program that nobody knows; known: whether a measure judges a program by
    other means.
    """
    servers = web_servers(host)
    all_unknown = unknown_listeners(host)
    unknown = [listener for listener in all_unknown if not known(listener)]
    for listener in unknown:
        yield make(
            option, listener.program, ERROR, observed=f"unknown listener {listener.program} on {listener.where}",
            expected="every program that listens is known, so that no web server is overlooked",
            source="listening sockets", remedy=f"Say what {listener.program} serves, or attest to its {attest}.",
        )  # fmt: skip
    for server in servers:
        for problem in server.problems:
            yield make(
                option, server.name, ERROR, observed=problem, expected="the whole configuration can be read",
                source=problem.partition(": ")[0], remedy=f"Mend what {server.name} complains of, and reload it.",
            )  # fmt: skip
    if question.settings["scope"] == "own" and not question.own_sites:
        yield make(
            option, "own sites", ERROR, observed="the register names no own_sites",
            expected="the register says which sites are the provider's own", source="statement.scope.own_sites",
            remedy="Name the sites in the register: scope: {own_sites: [example.nl]}.",
        )  # fmt: skip
    elif not all_unknown and not any(server.problems for server in servers) and not subjects(host, question):
        own = question.settings["scope"] == "own"
        yield make(
            option, "own sites" if own else "web server", NOT_APPLICABLE,
            observed="no virtual host answers for the provider's own sites" if own and servers
            else "no web server runs or starts at boot, and every program that listens is known",
            expected="", source="processes, units and listening sockets",
        )  # fmt: skip


def subject(vhost: VirtualHost) -> str:
    """A virtual host as the report names it: with its ports, for one name often has two."""
    ports = sorted({str(listen.port) for listen in vhost.listens if listen.port}, key=len)
    return f"{vhost.label} ({vhost.server}{', port ' + ' and '.join(ports) if ports else ''})"


def plain(text: str) -> str:
    """A text from a host as one printable line of bounded length."""
    line = text
    if not text.isprintable():
        line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return line if len(line) <= 500 else f"{line[:499]}…"


# -- judging -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What was found about one thing: good is None where it cannot be told; why and where, and what would mend it."""

    good: bool | None
    why: str
    source: str
    mend: str = ""


_RANK = {False: 0, None: 1, True: 2}


def worst(judged: Iterable[Judged]) -> Judged:
    """The worst of them, with the number of others that are as bad; they are not empty."""
    ordered = sorted(judged, key=lambda one: _RANK[one.good])
    first = ordered[0]
    others = sum(1 for one in ordered[1:] if one.good is first.good)
    if first.good or not others:
        return first
    return replace(first, why=f"{first.why} (and {others} more place{'s' if others > 1 else ''} like it)")


def best(judged: Sequence[Judged]) -> Judged:
    """The best of them; they are not empty."""
    return max(judged, key=lambda one: _RANK[one.good])
