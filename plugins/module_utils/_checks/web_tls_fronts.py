# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, fronts: programs and other machines that end visitors' connections in front of the web server.

Caddy, HAProxy and the like on this host, whose configuration is not read, are judged by handshakes for the names that
the register or the virtual hosts know. Machines in front are judged by their own audit.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._finding import ERROR, NOT_APPLICABLE
from .._host import Host
from .._measure import Question
from .._services.addresses import is_address
from .._services.listeners import unread_web_servers
from .._services.tls_endpoint import NO_TLS, Endpoint, endpoints
from .._services.virtualhost import VirtualHost
from .._services.web import web_servers
from .._services.web_security import Security, all_led_to, ends_elsewhere, leads_here, looked_up
from ._sites import bare, sample

NAMES = 100  # that a front is asked for


@dataclass(frozen=True)
class Front:
    """A socket of a program that serves web pages or ends TLS connections, and whose configuration is not read."""

    program: str
    address: str
    port: int


def _sockets(host: Host) -> list[Front]:
    found = []
    for program, listener in unread_web_servers(host):
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  a comparison
        found.append(Front(program, loopback.get(listener.address, listener.address), listener.port))
    return list(dict.fromkeys(found))


def _names(host: Host, question: Question) -> list[str]:
    """The names that a front is asked for: own sites', and those of all virtual hosts behind it."""
    names = [site.lower() for site in question.own_sites]
    if question.settings["scope"] == "all":
        for server in web_servers(host):
            for vhost in server.vhosts:
                names += [name for name in map(sample, map(bare, vhost.names)) if "." in name]
    names = list(dict.fromkeys(names))
    led = looked_up(host, names)
    return [name for name in names if not led[name] or leads_here(host, name)]


def front_handshakes(host: Host, question: Question) -> list[tuple[str, int, str | None]]:
    """The handshakes that show what fronts do: address, port and name. Raises Unseen."""
    sockets = _sockets(host)
    names = _names(host, question)[:NAMES] if sockets else []
    return [(front.address, front.port, name) for front in sockets for name in names]


def fronts(host: Host, question: Question) -> dict[Front, list[tuple[str, Endpoint]]]:
    """For each socket of a front, the names that it has a certificate for. Raises Unseen."""
    found: dict[Front, list[tuple[str, Endpoint]]] = {}
    asked = endpoints(host, front_handshakes(host, question)) if question.probe else {}
    for front in _sockets(host):
        for (address, port, name), endpoint in asked.items():
            # Caddy begins handshakes for names that it does not have, but shows no certificate then
            if (address, port) == (front.address, front.port) and endpoint.chains:
                found.setdefault(front, []).append((name or "", endpoint))
    return found


def judged_fronts(host: Host, question: Question) -> frozenset[str]:
    """The programs that handshakes judge, though nobody reads their configuration.

    Every socket of theirs that speaks TLS has to show a certificate for some name that is known, and every such name
    has to be asked for. None, where all sites are promised: which other names they have only their configuration says.
    """
    if question.settings["scope"] == "all" or not question.probe:
        return frozenset()
    if not _sockets(host) or len(_names(host, question)) > NAMES:
        return frozenset()
    judged = fronts(host, question)
    unjudged = {front.program for front in _sockets(host) if front not in judged and _speaks_tls(host, question, front)}
    return frozenset(front.program for front in judged) - unjudged


def _speaks_tls(host: Host, question: Question, front: Front) -> bool:
    """Whether a socket may speak TLS: nobody knows with whom until one has asked."""
    names: list[str | None] = [*_names(host, question)] or [None]
    asked = endpoints(host, [(front.address, front.port, name) for name in names])
    return any(endpoint.unseen != NO_TLS for endpoint in asked.values())


# -- other machines ----------------------------------------------------------------------------------------------------


def judged_elsewhere(host: Host, question: Question, vhost: VirtualHost, told: Security) -> dict[str, str] | None:
    """What to say of a virtual host whose visitors' connections end on another machine; None where they end here."""
    sign = ends_elsewhere(host, vhost, told, look_up=question.probe)
    if not sign:
        return None
    named: Sequence[str] = question.settings["terminators"]
    machines = _terminators(host, named, all_led_to(host, vhost) if question.probe else ())
    if machines:
        return {
            "status": NOT_APPLICABLE, "expected": "", "source": "web_tls_terminators",
            "observed": f"visitors' connections end on another machine ({sign}); judged on {', '.join(machines)}",
        }  # fmt: skip
    doubt = "" if not named else (
        f", and its names do not lead to {', '.join(item.split()[0] for item in named)} alone"
        if question.probe else ", and where its names lead was not asked (audit_probe)"
    )  # fmt: skip
    return {
        "status": ERROR, "source": vhost.source, "expected": "what visitors get is judged where their connections end",
        "observed": f"visitors' connections seem to end on another machine ({sign}){doubt}",
        "remedy": "Name that machine in web_tls_terminators, with the addresses at which visitors reach it, and audit "
        "it, or serve https here.",
    }  # fmt: skip


def _terminators(host: Host, named: Sequence[str], addresses: Sequence[str]) -> list[str]:
    """The named machines that have all of these addresses; none where another machine has one, or none is known.

    named: a machine's name and its addresses, or names that lead to them, in one text each.
    """
    rest, found = set(addresses), []
    for item in named:
        machine, *places = item.split()
        own = {one for place in places for one in ([place] if is_address(place) else looked_up(host, [place])[place])}
        if rest & own:
            found.append(machine)
            rest -= own
    return [] if rest else found
