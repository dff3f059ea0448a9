# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites of a web server, what is wanted of them, and what keeps a site from being edited.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .._host import Host
from .._services.virtualhost import Listen, VirtualHost, WebServer
from .edits import is_named

HEADER = "# Made by privacy.hosting, role web_tls; ansible-playbook privacy.hosting.undo removes it.\n"

# How far a site is brought: its authority can ask it for proofs; it answers over https as well; it sends all visitors
# there, and tells them to stay.
CHALLENGE, ENCRYPTED, WHOLE = 1, 2, 3

GOOD, SUFFICIENT = "good", "sufficient"
ACME, OWN = "acme", "own"

# what NCSC-NL (2025-05) calls sufficient, by the names of OpenSSL; what it calls good is a part of TLS 1.3
SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
GOOD_SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_POST_QUANTUM = "X25519MLKEM768"
_GROUPS = ("X25519", "prime256v1", "secp384r1")
_SUFFICIENT_GROUPS = {
    *("x25519", "x448", "prime256v1", "secp256r1", "p-256", "secp384r1", "p-384", "secp521r1", "p-521"),
    *("x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024"),
}
_GOOD_GROUPS = {"x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024"}


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a host's sites.

    certificate, redirect, cookies: whether these are promised; hsts_s: seconds; only: names of the sites that are
    meant, None for all; sites: names of the virtual hosts whose files may be edited, or 'all'; certificates: ACME or
    OWN; directory, email, acme_ca: of the ACME account; authorities: a file with roots that visitors trust besides the
    system's, or ''; terminators: whether other hosts end visitors' connections for this one.
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
    terminators: Sequence[str] = ()

    def means(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host is in scope."""
        return self.only is None or is_named(vhost, self.only)

    def may_edit(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host's own files may be edited."""
        return self.means(vhost) and ("all" in self.sites or is_named(vhost, self.sites))

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


# -- settings ---------------------------------------------------------------------------------------------------------


def groups(host: Host, wanted: Wanted) -> list[str]:
    """The groups for the exchange of keys to offer, the best first. Raises Unseen."""
    version = re.search(r"OpenSSL (\d+)\.(\d+)", host.run("openssl", "version").stdout)
    knows = version is not None and (int(version[1]), int(version[2])) >= (3, 5)
    if wanted.level == GOOD:
        return [_POST_QUANTUM] if knows else ["X25519"]
    return [*([_POST_QUANTUM] if knows else []), *_GROUPS]


def groups_reach(value: str, wanted: Wanted) -> bool:
    """Whether all groups of a list reach the level."""
    allowed = _GOOD_GROUPS if wanted.level == GOOD else _SUFFICIENT_GROUPS
    return all(group.lstrip("*?").lower() in allowed for group in re.split(r"[:/]", value))


def suites_reach(host: Host, value: str) -> bool:
    """Whether all TLS 1.2 suites that a list stands for are sufficient. Raises Unseen."""
    result = host.run("openssl", "ciphers", "-s", "-tls1_2", value, ok=(0, 1))
    names = result.stdout.strip().split(":")
    return result.rc == 0 and all(name in SUITES or name.startswith("TLS_") for name in names)


# -- where visitors come in -------------------------------------------------------------------------------------------


def addresses(name: str) -> list[str]:
    """The addresses that a name leads to, seen from this host; none where it cannot be resolved."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_own(address: str) -> bool:
    """Whether an address is this host's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def proxies(site: Site) -> str:
    """Why a site's visitors come by way of a proxy, '' where nothing says so."""
    for vhost in site.vhosts:
        if any(listen.proxy_protocol for listen in vhost.listens):
            return "a proxy in front of it announces visitors by the PROXY protocol"
        trusted = list(_networks(trust.network for trust in vhost.trusts))
        for name in site.names if trusted else ():
            if any(ipaddress.ip_address(found) in network for found in addresses(name) for network in trusted):
                return f"{name} leads to a proxy that it trusts"
    return ""


def _networks(texts: Iterable[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in texts:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if not network.is_loopback:
            yield network


def holder_of_443(host: Host, site: Site) -> str:
    """The other program that listens on port 443, '' if none does. Raises Unseen."""
    own = {process.pid for process in host.processes() if site.server.pid in (process.pid, process.parent)}
    for listener in host.listeners():
        if listener.port == 443 and listener.protocol.startswith("tcp") and not own & set(listener.pids):
            return next((p.name for p in host.processes() if p.pid in listener.pids), "another program")
    return ""


def in_names(name: str, names: Iterable[str]) -> bool:
    """Whether a name is among names, of which some may be wildcards."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in names)
