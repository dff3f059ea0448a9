# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites of a web server, and what is wanted of them.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .._services.virtualhost import Directive, Listen, VirtualHost, WebServer
from .edits import Edits, is_named, users

HEADER = "# Made by privacy.hosting, role web_tls; ansible-playbook privacy.hosting.undo removes it.\n"

# How far a site is brought: its authority can ask it for proofs; it answers over https as well; it sends all visitors
# there, and tells them to stay.
CHALLENGE, ENCRYPTED, WHOLE = 1, 2, 3

GOOD, SUFFICIENT = "good", "sufficient"
ACME, OWN = "acme", "own"


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a host's sites.

    certificate, redirect, cookies: whether these are promised; hsts_s: seconds; only: names of the sites that are
    meant, None for all; sites: names of the virtual hosts whose files may be edited, or 'all'; certificates: ACME or
    OWN; directory, email, acme_ca: of the ACME account; authorities: a file with roots that visitors trust besides the
    system's, or ''.
    """

    level: str = SUFFICIENT
    certificate: bool = True
    redirect: bool = True
    hsts_s: int = 31_536_000
    cookies: bool = True
    only: Sequence[str] | None = None
    sites: Sequence[str] = ()
    certificates: str = ACME
    directory: str = ""
    email: str = ""
    acme_ca: str = ""
    authorities: str = ""

    def means(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host is in scope."""
        return self.only is None or is_named(vhost, self.only)

    def may_edit(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host's own files may be edited."""
        return self.means(vhost) and ("all" in self.sites or self.names(vhost))

    def names(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host is named itself, be it by what messages call it."""
        return is_named(vhost, self.sites) or any(fnmatch.fnmatchcase(vhost.label, name) for name in self.sites)

    @property
    def protocols(self) -> tuple[str, ...]:
        """The versions of TLS to offer."""
        return ("TLSv1.3",) if self.level == GOOD else ("TLSv1.2", "TLSv1.3")

    @property
    def hsts(self) -> str:
        """The value of the Strict-Transport-Security header."""
        return f"max-age={self.hsts_s}"


@dataclass(frozen=True)
class Pair:
    """The files of a certificate with its chain, and of its key."""

    chain: str
    key: str


@dataclass
class Site:
    """Virtual hosts of one server that share names, and so a certificate."""

    server: WebServer
    vhosts: list[VirtualHost] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the first virtual host's first one first; without the ones that stand for no name."""
        found = dict.fromkeys(name.lower().rstrip(".") for vhost in self.vhosts for name in vhost.names)
        return tuple(name for name in found if name not in ("", "_"))

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.vhosts[0].label

    @property
    def key(self) -> tuple[str, str]:
        """By which it is found again after its files changed."""
        return self.server.name, self.label

    @property
    def plain_names(self) -> bool:
        """Whether all of its names are exact, without wildcards and patterns."""
        return all(re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name) for name in self.names)


def sites_of(server: WebServer, wanted: Wanted) -> Iterator[Site]:
    """The sites of a server whose virtual hosts may all be edited."""
    return (site for site in _grouped(server) if all(map(wanted.may_edit, site.vhosts)))


def _grouped(server: WebServer) -> list[Site]:
    found: list[Site] = []
    for vhost in server.vhosts:
        site = Site(server, [vhost])
        for other in [other for other in found if set(other.names) & set(site.names)]:
            site.vhosts = other.vhosts + site.vhosts
            found.remove(other)
        found.append(site)
    return found


def for_visitors(vhost: VirtualHost, *, tls: bool) -> list[Listen]:
    """The sockets at the usual port on which visitors may come."""
    port = 443 if tls else 80
    return [
        listen
        for listen in vhost.listens
        if listen.tls == tls and listen.port == port and not listen.address.startswith(("127.", "localhost", "unix:"))
        if listen.address != "::1"
    ]


def covered(vhost: VirtualHost, site: Site) -> bool:
    """Whether another virtual host, or this one, answers over https to the names of a plain one."""
    return any(
        for_visitors(other, tls=True) and set(vhost.names) <= set(other.names) for other in (vhost, *site.vhosts)
    )


def edit_if_named(edits: Edits, server: WebServer, wanted: Wanted, entry: Directive, line: str) -> Iterator[str]:
    """Put a line in the place of a directive, if all virtual hosts that it stands in may be edited.

    Yields what an administrator must do where it is left as it is.
    """
    strangers = [vhost.label for vhost in users(server, entry) if not wanted.may_edit(vhost)]
    if strangers:
        yield (
            f"{entry.source}: '{entry.name}' of {', '.join(strangers)} was left as it is; put '{line}' there, or name "
            "the virtual host in web_tls_sites"
        )
    else:
        yield from edits.put(entry, line)
