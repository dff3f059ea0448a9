# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How visitors get to a site, and what they find: handshakes that are verified, and what plain http says.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from .._host import Host
from .certbot import CHALLENGES
from .sites import Site, covered, for_visitors

_ANSWER_S = 5.0  # for one connection, at most
_RELOAD_S = 10.0  # until a reloaded server works by its new configuration
_HOPS = 5  # of redirects that are followed
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where a listener on all addresses is asked


@dataclass(frozen=True)
class Shown:
    """A handshake: the certificate that was shown (DER, b'' if it failed), and why it is not to be trusted."""

    certificate: bytes = b""
    fault: str = ""


def shake(address: str, name: str, authorities: str = "") -> Shown:
    """A handshake at port 443 of an address, verified as a browser does for this name."""
    context = ssl.create_default_context()
    try:
        if authorities:
            context.load_verify_locations(authorities)
        with (
            socket.create_connection((address, 443), timeout=_ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as encrypted,
        ):
            return Shown(encrypted.getpeercert(binary_form=True) or b"")
    except ssl.SSLCertVerificationError as error:
        return Shown(fault=f"the certificate is not trusted: {error.verify_message}")
    except OSError as error:
        return Shown(fault=error.strerror or str(error) or type(error).__name__)


def shown_to_anybody(address: str, name: str) -> bytes:
    """The certificate that is shown at port 443 of an address, trusted or not; b'' if none is."""
    context = ssl._create_unverified_context()  # noqa: S323  who answers is asked, not whether it is right
    try:
        with (
            socket.create_connection((address, 443), timeout=_ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=name) as encrypted,
        ):
            return encrypted.getpeercert(binary_form=True) or b""
    except (OSError, ValueError):
        return b""


def not_served(site: Site, authorities: str, *, patient: bool = True) -> str:
    """Why a site does not answer over https at each of its own addresses for each of its names, '' if it does.

    patient: waits until a server that was just reloaded does.
    """
    return _settled(lambda: next(_not_served(site, authorities), ""), _RELOAD_S if patient else 0)


def _not_served(site: Site, authorities: str) -> Iterator[str]:
    for vhost in site.vhosts:
        for listen in for_visitors(vhost, tls=True):
            address = _ANY.get(listen.address, listen.address)
            for name in _askable(vhost.names):
                fault = shake(address, name, authorities).fault
                if fault and (listen.address != "::" or _has_ipv6()):
                    yield f"https://{name} does not answer as it should ({address}): {fault}"


def not_reached(site: Site, authorities: str) -> str:
    """Why visitors who ask for a site's names over https may not end up here, '' if they do."""
    return next(_not_reached(site, authorities), "")


def _not_reached(site: Site, authorities: str) -> Iterator[str]:
    own = {certificate for certificate in _own_certificates(site, authorities) if certificate}
    for name in _askable(site.names):
        found = [address for address in addresses(name) if _opens(address, 80) or _opens(address, 443)]
        if not found:
            yield f"{name} leads to no address that answers"
        for address in found:
            shown = shake(address, name, authorities)
            if shown.certificate not in own:
                yield f"https://{name} is answered by another host or not at all ({shown.fault or address})"


def _own_certificates(site: Site, authorities: str) -> Iterator[bytes]:
    for vhost in site.vhosts:
        for listen in for_visitors(vhost, tls=True):
            for name in _askable(vhost.names):
                yield shake(_ANY.get(listen.address, listen.address), name, authorities).certificate


def circles(site: Site) -> str:
    """Why a redirect of a site's plain http would go in circles, '' where it would not: https leads back to http."""
    return next(_circles(site), "")


def _circles(site: Site) -> Iterator[str]:
    for vhost in site.vhosts:
        for listen in for_visitors(vhost, tls=True):
            for name in _askable(vhost.names):
                if _leads_back(_ANY.get(listen.address, listen.address), name):
                    yield f"https://{name} sends visitors back to plain http, so that a redirect would go in circles"


def _leads_back(address: str, name: str) -> bool:
    """Whether https leads by plain http, once that is redirected, to a page that was asked for already."""
    path, asked, by_http = "/", set[str](), False
    while path not in asked and len(asked) < _HOPS:
        asked.add(path)
        try:
            status, location, _body = _get(address, name, path, tls=True)
        except OSError:
            return False  # what is wrong with https is looked at elsewhere
        to = urlsplit(urljoin(f"https://{name}{path}", location))
        if status not in (301, 302, 303, 307, 308) or not location or to.hostname != name:
            return False
        by_http = by_http or to.scheme == "http"
        path = f"{to.path or '/'}?{to.query}".rstrip("?")
    return by_http and path in asked


def not_redirected(site: Site) -> str:
    """Why a site's plain http does not send visitors to https of the name they asked for, '' if it does."""
    return _settled(lambda: next(_not_redirected(site), ""))


def _not_redirected(site: Site) -> Iterator[str]:
    for vhost in site.vhosts:
        for listen in for_visitors(vhost, tls=False):
            address = _ANY.get(listen.address, listen.address)
            for name in _askable(vhost.names):
                try:
                    status, location, _body = _get(address, name, "/")
                except OSError:
                    if listen.address == "::" and not _has_ipv6():
                        continue
                    yield f"http://{name} does not answer ({address})"
                    continue
                if status not in (301, 308) or urlsplit(location).netloc != name or location[:8] != "https://":
                    yield f"http://{name} answers {status} ({address}), not a redirect to https of that name"


def not_provable(site: Site) -> str:
    """Why an authority would not find the proof that a site is ours, '' if it would.

    Puts a file where the proofs will be, asks for it by each name, and removes it. Names that lead to addresses of
    other machines are believed: from here their way back may not be open.
    """
    token = f"privacy-hosting-{secrets.token_hex(16)}"
    path = os.path.join(CHALLENGES, ".well-known", "acme-challenge", token)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    try:
        with open(path, "x", encoding="ascii") as stream:
            stream.write(token)
        os.chmod(path, 0o644)
        return _settled(lambda: next(_not_provable(site, token), ""))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
            os.rmdir(os.path.dirname(path))
            os.rmdir(os.path.dirname(os.path.dirname(path)))


def _not_provable(site: Site, token: str) -> Iterator[str]:
    for name in site.names:
        for address in filter(is_own, addresses(name)):
            if not _fetches(address, name, token):
                yield f"http://{name}/.well-known/acme-challenge/ is not answered from {CHALLENGES} at {address}"


def _fetches(address: str, name: str, token: str) -> bool:
    """Whether the token is found, at https too if http leads there."""
    path = f"/.well-known/acme-challenge/{token}"
    try:
        status, location, body = _get(address, name, path)
        if status in (301, 302, 307, 308) and location == f"https://{name}{path}":
            status, _location, body = _get(address, name, path, tls=True)
    except OSError:
        return False
    return status == 200 and body.decode("ascii", "replace").strip() == token


def _get(address: str, name: str, path: str, *, tls: bool = False) -> tuple[int, str, bytes]:
    """Status, Location and the beginning of the body of an answer. Raises OSError."""
    connection = http.client.HTTPConnection(name, timeout=_ANSWER_S)
    connection.sock = socket.create_connection((address, 443 if tls else 80), timeout=_ANSWER_S)
    if tls:
        context = ssl._create_unverified_context()  # noqa: S323  ACME's servers do not verify here either
        connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
    try:
        connection.request("GET", path, headers={"Host": name, "User-Agent": "privacy.hosting", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read(1 << 16)
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()


def _settled(judge: Callable[[], str], seconds: float = _RELOAD_S) -> str:
    """What a judge says once it is content, or the time for a reload is over."""
    end = time.monotonic() + seconds
    while True:
        fault = judge()
        if not fault or time.monotonic() > end:
            return fault
        time.sleep(0.3)


def _opens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True


def _has_ipv6() -> bool:
    return is_own("::1")


def _askable(names: tuple[str, ...]) -> list[str]:
    """Names that can be asked for; of a wildcard, one that it stands for."""
    exact = [name.replace("*", "www", 1) if name.startswith("*.") else name for name in names]
    return [name for name in exact if name not in ("", "_") and not set(name) & set("*?~^$(")]


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


def elsewhere(site: Site) -> str:
    """Why visitors' https ends on another host, '' where nothing shows it.

    A name may lead to an address that is not on this host, and yet to this host: then it shows the same certificate.
    """
    sockets = {listen.address for vhost in site.server.vhosts for listen in for_visitors(vhost, tls=True)}
    for name in _askable(site.names):
        away = [address for address in addresses(name) if not is_own(address)]
        theirs = {shown_to_anybody(address, name) for address in away} - {b""}
        if theirs and not theirs & {shown_to_anybody(_ANY.get(address, address), name) for address in sockets}:
            return f"https://{name} is answered by another host"
    return ""


def takes_from(site: Site) -> str:
    """A name whose https this site would take over if it got port 443 of its own addresses, '' if there is none.

    Servers prefer a socket of one address to that of all addresses, whichever name is asked for.
    """
    plain = {at.address for vhost in site.vhosts if not covered(vhost, site) for at in for_visitors(vhost, tls=False)}
    others = [vhost for vhost in site.server.vhosts if vhost not in site.vhosts]
    held = {listen.address for vhost in site.server.vhosts for listen in for_visitors(vhost, tls=True)}
    new = plain - held - set(_ANY)
    for vhost in others if new else ():
        if any(listen.address in _ANY for listen in for_visitors(vhost, tls=True)):
            for name in _askable(vhost.names):
                if new & set(addresses(name)):
                    return name
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
