# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What web servers are configured to do for the safety of connections: TLS, redirects, headers, cookies.

Facts of each virtual host and each place in it, as its files say; judging them belongs to measures.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .._host import Host, Unseen
from .addresses import own_addresses, resolved, shortened
from .virtualhost import Directive, Listen, VirtualHost, WebServer, covers
from .web import web_servers

# what a place does with a request over plain http
REDIRECTS, REFUSES, ANSWERS, UNCLEAR = "redirects", "refuses", "answers", "unclear"

HSTS = "strict-transport-security"
# how requests are made that must not be answered in clear: pages are got, forms posted
METHODS = ("GET", "POST")
# where ACME's servers look for the proof of a domain; it must be reachable over plain http
ACME_PATH = "/.well-known/acme-challenge"


@dataclass(frozen=True)
class Socket:
    """A listening socket that a virtual host shares, and what holds for it.

    tls: connections to it are encrypted, whichever virtual host says so. default: the virtual host that answers there
    for names that no other has, and that decides about protocol versions.
    """

    listen: Listen
    tls: bool
    default: VirtualHost

    @property
    def inside(self) -> bool:
        """Whether only the host itself can reach it."""
        if self.listen.address.startswith("unix:"):
            return True
        try:
            return ipaddress.ip_address(self.listen.address).is_loopback
        except ValueError:
            return self.listen.address == "localhost"

    @property
    def private(self) -> bool:
        """Whether it listens on one address that no visitor from the internet can reach."""
        try:
            address = ipaddress.ip_address(self.listen.address)
        except ValueError:
            return False
        return address.is_private and not address.is_unspecified and not address.is_loopback

    def __str__(self) -> str:
        address = f"[{self.listen.address}]" if ":" in self.listen.address else self.listen.address
        return f"{address}:{self.listen.port}" if self.listen.port else address


@dataclass(frozen=True)
class TlsSettings:
    """The TLS settings in effect for a virtual host, as the directives that set them (None: the built-in default).

    certificates: one directive for each certificate, its first word the path (it may hold variables); managed: the
    server obtains and renews the certificate itself (mod_md); rejects: handshakes are refused; protocols: the
    directive of the virtual host that decides about them on its sockets.
    """

    certificates: tuple[Directive, ...] = ()
    protocols: Directive | None = None
    ciphers: Directive | None = None
    curves: Directive | None = None
    signatures: Directive | None = None
    early_data: Directive | None = None
    managed: Directive | None = None
    rejects: bool = False


@dataclass(frozen=True)
class PlainAnswer:
    """What is done with requests over plain http that end up at a place.

    does: REDIRECTS (to https), REFUSES (403, 404, 410 or no answer), ANSWERS (contents, or a redirect to http), or
    UNCLEAR. target: where it redirects to, as written; same_name: whether to the name that was asked for, None if that
    is unclear. code: the redirect's status, 0 if unknown; names: the asked names it is about, () for all.
    challenge: the place only holds proofs for an ACME authority; part: it is about some paths only.
    """

    context: str
    does: str
    source: str
    target: str = ""
    same_name: bool | None = None
    code: int = 0
    names: tuple[str, ...] = ()
    challenge: bool = False
    part: bool = False


@dataclass(frozen=True)
class HeaderPlace:
    """The Strict-Transport-Security header of answers from a place, over https.

    value: its text, '' where it is not sent, None where it cannot be told; always: on error pages too; application:
    answers come from a program, which may send the header itself; source: of the line that sets it, else of the
    place, or of the line that makes the place lose it.
    """

    context: str
    value: str | None
    always: bool
    application: bool
    source: str

    @property
    def max_age_s(self) -> int | None:
        """Seconds, 0 where the header is not sent; None where it cannot be told, or is no number."""
        return max_age_s(self.value)


def max_age_s(value: str | None) -> int | None:
    """The seconds of a Strict-Transport-Security header; 0 for none, None where they cannot be told."""
    if not value:
        return None if value is None else 0
    found = re.search(r"(?i)(?:^|[;\s])max-age\s*=\s*\"?(\d+)\"?\s*(?:;|$)", value)
    return int(found.group(1)) if found else None


@dataclass(frozen=True)
class CookieSet:
    """A cookie that the web server sets by itself. secure: None where it cannot be told; name: '' if unknown."""

    name: str
    secure: bool | None
    source: str
    context: str = "server"


@dataclass(frozen=True)
class Security:
    """What one virtual host is configured to do.

    plain: what happens to requests over plain http, for each place, () where it has no plain socket; headers: the
    HSTS header of each place, () where it has no TLS socket; cookies: those that it sets itself.
    behind: directives that make it likely that a proxy of another machine ends visitors' TLS connections.
    """

    sockets: tuple[Socket, ...]
    tls: TlsSettings
    plain: tuple[PlainAnswer, ...]
    headers: tuple[HeaderPlace, ...]
    cookies: tuple[CookieSet, ...]
    behind: tuple[str, ...] = ()


def security(host: Host, server: WebServer, vhost: VirtualHost) -> Security:
    """What a virtual host of a server is configured to do. Cached."""
    return host.once(("web_security", id(vhost)), lambda: _security(host, server, vhost))


class _Reader(Protocol):
    """What a web server's own file here answers about one virtual host."""

    def tls(self, shared: Sequence[Socket]) -> TlsSettings: ...
    def plain(self, shared: Sequence[Socket]) -> Iterator[PlainAnswer]: ...
    def headers(self) -> Iterator[HeaderPlace]: ...
    def cookies(self) -> Iterator[CookieSet]: ...
    def forwarded(self) -> Iterator[str]: ...


def _reader(host: Host, server: WebServer, vhost: VirtualHost) -> _Reader:
    """The reader of a server's own kind; few hosts have both."""
    if server.name == "nginx":
        from .nginx_security import NginxSecurity

        return NginxSecurity(host, server, vhost)
    from .apache_security import ApacheSecurity

    return ApacheSecurity(host, server, vhost)


def _security(host: Host, server: WebServer, vhost: VirtualHost) -> Security:
    reader = _reader(host, server, vhost)
    shared = sockets(server, vhost)
    tls = reader.tls(shared)
    return Security(
        sockets=shared,
        tls=tls,
        plain=tuple(reader.plain(shared)) if any(not one.tls for one in shared) else (),
        headers=tuple(reader.headers()) if any(one.tls for one in shared) and not tls.rejects else (),
        cookies=tuple(reader.cookies()),
        behind=tuple(dict.fromkeys(_behind(shared, vhost, reader))),
    )


def sockets(server: WebServer, vhost: VirtualHost) -> tuple[Socket, ...]:
    """The sockets of a virtual host, with what other virtual hosts on them decide."""
    found = []
    for listen in vhost.listens:
        sharing = [
            (other, theirs)
            for other in server.vhosts
            for theirs in other.listens
            if (theirs.address, theirs.port) == (listen.address, listen.port)
        ]
        default = next((other for other, theirs in sharing if theirs.default), vhost)
        # nginx: one listen with ssl makes the socket encrypted; Apache: its first virtual host decides
        says = [theirs.tls for other, theirs in sharing if server.name == "nginx" or other is default]
        found.append(Socket(listen, any(says), default))
    return tuple({(one.listen.address, one.listen.port): one for one in found}.values())


def owner(server: WebServer, listen: Listen, name: str) -> VirtualHost | None:
    """The virtual host that answers at a socket for a name; None where the socket has none."""
    there = [
        (vhost, at.default)
        for vhost in server.vhosts
        for at in vhost.listens
        if (at.address, at.port) == (listen.address, listen.port)
    ]
    for kind in _PRECEDENCE[server.name]:
        matching = [
            (len(one), -place, vhost)
            for place, (vhost, _default) in enumerate(there)
            for one in vhost.names
            if re.match(kind, one) and covers(one, name)
        ]
        if matching:
            first = (lambda match: match[1]) if kind in ("~", "") else (lambda match: match[:2])
            return max(matching, key=first)[2]
    return next((vhost for vhost, default in there if default), None)


# which kind of names nginx prefers: exact ones, the longest that begin or end with a star, expressions in their order;
# Apache takes the first virtual host with a name that fits
_PRECEDENCE = {"nginx": (r"[^*.~][^*]*$", r"[*.]", r"[^~].*\*$", "~"), "apache": ("",)}


def reached_at(host: Host, server: WebServer, at: Socket) -> str:
    """An address of this host by which the socket is reached, '' where there is none. Raises Unseen."""
    try:
        address = ipaddress.ip_address(at.listen.address)
    except ValueError:
        raise Unseen(f"{at} is named by a name: which address that is was not looked up") from None
    if not address.is_unspecified:
        return str(address)
    taken = {one.address for vhost in server.vhosts for one in vhost.listens if one.port == at.listen.port}
    own = [one for one in own_addresses(host) if one not in taken and (":" in one) == (address.version == 6)]
    return own[0] if own else ""


def ends_elsewhere(host: Host, vhost: VirtualHost, told: Security, *, look_up: bool) -> str:
    """What shows that visitors' connections end on another machine than this one; '' where nothing does.

    The addresses that its names lead to decide, if they are known (look_up: they may be asked for); else what the
    configuration says of a proxy in front.
    """
    addresses = led_to(host, vhost) if look_up else []
    if any(address in own_addresses(host) for address in addresses):
        return ""
    if addresses and not all(map(_translated(host), addresses)):
        return f"{_typed(vhost)[0]} leads to {shortened(addresses[0])}, another machine"
    plain_only = not any(one.tls and not one.inside for one in told.sockets)
    proxied = [listen for listen in vhost.listens if listen.proxy_protocol]
    believed = [trust.source for trust in vhost.trusts if trust.network != "unix:" and not _loopback(trust.network)]
    signs = told.behind if plain_only or proxied else believed
    return signs[0] if signs else ""


def led_to(host: Host, vhost: VirtualHost) -> list[str]:
    """The addresses that a virtual host's first names lead to."""
    every = [name for server in web_servers(host) for one in server.vhosts for name in _typed(one)[:3]]
    known = looked_up(host, every)
    return [address for name in _typed(vhost)[:3] for address in known.get(name, ())]


def all_led_to(host: Host, vhost: VirtualHost) -> list[str]:
    """The addresses that all of a virtual host's names lead to; none where one of them leads nowhere that is known."""
    known = looked_up(host, _typed(vhost))
    led = [known[name] for name in _typed(vhost)]
    return [address for addresses in led for address in addresses] if all(led) else []


def looked_up(host: Host, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The addresses that names lead to; each is looked up once an audit."""
    known: dict[str, tuple[str, ...]] = host.once("looked_up", dict)
    missing = [name for name in names if name not in known]
    if missing:
        known.update(dict.fromkeys(missing, ()), **resolved(missing))
    return known


def leads_here(host: Host, name: str) -> bool:
    """Whether a name leads to an address of this host. Raises Unseen."""
    return any(address in own_addresses(host) for address in looked_up(host, [name])[name])


def leads_to(host: Host, name: str, at: Socket) -> bool:
    """Whether a name leads to a socket of this host. Raises Unseen."""
    own = [address for address in looked_up(host, [name])[name] if address in own_addresses(host)]
    try:
        listens = ipaddress.ip_address(at.listen.address)
    except ValueError:
        return bool(own)  # which address that is was not looked up
    if not listens.is_unspecified:
        return str(listens) in own
    return any((":" in address) == (listens.version == 6) for address in own)


def _typed(vhost: VirtualHost) -> list[str]:
    """The names that a visitor can type for a virtual host."""
    return [name.lower() for name in vhost.names if re.fullmatch(r"[\w-]+(\.[\w-]+)+", name)]


def _translated(host: Host) -> Callable[[str], bool]:
    """Whether an address may be this host's, translated on the way: a public one, where it has none itself."""
    inner = all(ipaddress.ip_address(address).is_private for address in own_addresses(host))
    return lambda address: inner and not ipaddress.ip_address(address).is_private


def _behind(shared: Sequence[Socket], vhost: VirtualHost, reader: _Reader) -> Iterator[str]:
    """Directives and addresses that show a proxy of another machine in front."""
    for trust in vhost.trusts:
        if trust.network == "unix:" or _loopback(trust.network):
            continue
        yield trust.source
    yield from reader.forwarded()
    plain = [one for one in shared if not one.tls and not one.inside]
    if plain and all(one.private for one in plain):
        yield f"it listens on the private address {shortened(plain[0].listen.address)} only"


def _loopback(network: str) -> bool:
    try:
        return ipaddress.ip_network(network, strict=False).is_loopback
    except ValueError:
        return network == "localhost"


def only_proofs(pattern: str) -> bool:
    """Whether a path or pattern is about the proofs for an ACME authority, and nothing else."""
    plain = pattern.replace("\\", "")
    return ACME_PATH in plain and _each_known(plain)


def leaves_out(pattern: str) -> bool:
    """Whether a pattern, by looking ahead or negated, leaves out other paths than those of proofs for an authority."""
    if pattern.startswith("!"):
        return not _each_known(pattern)
    return any(not _each_known(left.partition(")")[0]) for left in pattern.split("(?!")[1:])


def _each_known(alternatives: str) -> bool:
    return all("well-known" in one for one in alternatives.split("|"))


def same_name(target: str, names: Sequence[str], asked: str) -> bool | None:
    """Whether a redirect's target has the name that was asked for.

    target: an https address, the server's variable for the asked name resolved to ``asked``; names: those that can
    be asked for.
    """
    # what follows the name as a variable begins with a slash: the path that was asked for
    found = re.match(r"(?i)https://([^/:?#$%{}]+)(?::443)?(?:[/?#$%]|$)", target)
    if found is None:
        return None
    name = found.group(1).lower()
    if name == asked.lower():
        return True
    if not names:
        return None
    exact = {one.lower().rstrip(".") for one in names}
    return exact == {name.rstrip(".")}
