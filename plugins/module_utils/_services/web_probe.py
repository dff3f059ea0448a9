# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marked requests to every virtual host, and the lines that they leave in the logs.

The request is TRACE with Max-Forwards 0: nginx answers it itself (405), and so does Apache, also where it is a proxy
and whether TraceEnable is on or off. No application sees it, and it leaves nothing but the line.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Unseen
from . import tls_clients
from .virtualhost import FILE, PIPE, QUERY, AccessLog, Listen, VirtualHost, WebServer

ANSWER_S = 2.0  # for one answer
LINE_S = 2.0  # for a line that is not held back
FLUSH_S = 10.0  # for lines that wait in a buffer, where they do not wait longer
TOTAL_S = 25.0  # for all of it
TAIL_BYTES = 32 << 20  # of what a log gains meanwhile
_NUMBERS = re.compile(r"\d[\d.]*(?<!\.)")
_MARK = re.compile(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")
# who the marked request claims to come from: an address of documentation (RFC 5737)
CLAIMED = "192.0.2.201"


@dataclass(frozen=True)
class Request:
    """One marked request. source: the address that it comes from; expected: the one that the log must hold.

    mark: in its path (p…), query string (q…) and browser (u…); name: the name that it asks for.
    answer: the answer's status, or why there was none.
    """

    name: str
    mark: str
    source: str
    expected: str
    listen: Listen
    answer: int | str = ""

    @property
    def answered(self) -> bool:
        return isinstance(self.answer, int)


@dataclass(frozen=True)
class Trace:
    """What a marked request left in one log: its lines, and why they could not be seen if they were not."""

    request: Request
    log: AccessLog
    lines: tuple[str, ...]
    unseen: str = ""


@dataclass(frozen=True)
class Probed:
    """All marked requests to one virtual host. unseen: why none could be made or seen; '' if some were."""

    traces: tuple[Trace, ...] = ()
    unseen: str = ""


_ERROR_PAGES = ("error_page", "errordocument")
_BY_A_PAGE = Probed(unseen="a page of the site answers what the server refuses (405), so it was not asked")


@dataclass
class _Tail:
    """What files gain from now on, by a shell pattern."""

    host: Host
    pattern: str
    before: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self._paths():
            self.before[path] = self._state(path)

    def _paths(self) -> list[str]:
        if not re.search(r"[*?\[]", self.pattern):
            return [self.pattern]
        directory, name = os.path.split(self.pattern)
        if re.search(r"[*?\[]", directory):
            raise Unseen(f"the directories of {self.pattern} have no fixed names")
        return [os.path.join(directory, name) for name in _listed(directory, name)]

    def _state(self, path: str) -> tuple[int, int]:
        seen = self.host.stat(path)
        return (seen.st_ino, seen.st_size) if seen else (0, 0)

    def gained(self) -> list[str]:
        """The lines that were added. Raises Unseen: unreadable, too much."""
        lines: list[str] = []
        for path in self._paths():
            inode, size = self._state(path)
            old_inode, old_size = self.before.get(path, (0, 0))
            start = old_size if inode == old_inode and size >= old_size else 0
            if size - start > TAIL_BYTES:
                raise Unseen(f"{path} gained more than {TAIL_BYTES >> 20} MiB meanwhile")
            if size > start:
                with self.host.open(path) as stream:
                    stream.seek(start)
                    lines += stream.read(size - start).decode("utf-8", "replace").splitlines()
        return lines


def _listed(directory: str, pattern: str) -> list[str]:
    try:
        return sorted(fnmatch.filter(os.listdir(directory), pattern))[:1000]
    except OSError:
        return []


def probe(host: Host, servers: Sequence[WebServer]) -> Mapping[VirtualHost, Probed]:
    """Ask every virtual host of the running servers once for each kind of address, and collect the lines. Cached."""
    return host.once("web_probe", lambda: _probe(host, [server for server in servers if server.pid]))


def answers_itself(server: WebServer, vhost: VirtualHost) -> bool:
    """Whether the server's refusal of TRACE (405) is a page of its own, and no application's."""
    http = [entry for block in server.config if block.name == "http" for entry in block.block or ()]
    inside = (vhost.directive.block if vhost.directive else None) or ()
    pages = [entry for entry in (*server.config, *http, *inside) if entry.name.lower() in _ERROR_PAGES]
    return not any("405" in entry.args[:-1] for entry in pages)


def _probe(host: Host, servers: Sequence[WebServer]) -> dict[VirtualHost, Probed]:
    itself = {vhost: answers_itself(server, vhost) for server in servers for vhost in server.vhosts}
    vhosts = [vhost for vhost, asked in itself.items() if asked]
    logs = {log for vhost in vhosts for log in _asked_logs(vhost)}
    tails: dict[str, _Tail | str] = {}
    for log in logs:
        try:
            tails[log.pattern] = _Tail(host, log.pattern)
        except Unseen as unseen:
            tails[log.pattern] = str(unseen)
    end = time.monotonic() + min(TOTAL_S, host.seconds_left() / 2)
    asked = _ask(vhosts, end)
    gained = _await(tails, asked, end)
    probed = {vhost: _collected(vhost, requests, gained) for vhost, requests in asked.items()}
    return {**dict.fromkeys(itself, _BY_A_PAGE), **probed}


def _asked_logs(vhost: VirtualHost) -> list[AccessLog]:
    """The logs that must hold a marked request: TRACE is answered before a location is looked for."""
    return [log for log in vhost.places[0].logs if log.kind in (FILE, PIPE) and log.pattern]


# -- asking -----------------------------------------------------------------------------------------------------------


def _ask(vhosts: Sequence[VirtualHost], end: float) -> dict[VirtualHost, list[Request]]:
    own = _own_addresses() if len(vhosts) <= 100 else {}
    owners: dict[tuple[str, str, int, str], VirtualHost] = {}
    for vhost in vhosts:
        for listen in vhost.listens:
            for name in vhost.names:
                owners.setdefault((vhost.server, listen.address, listen.port, name.lower()), vhost)
    asked: dict[VirtualHost, list[Request]] = {}
    for vhost in vhosts:
        asked[vhost] = []
        for listen in vhost.listens:
            name = _askable(vhost, listen, owners)
            for address, source in _ways(listen, own) if name else ():
                late = time.monotonic() > end
                asked[vhost].append(_sent(vhost, listen, name, address, source, late))
    return asked


def _askable(
    vhost: VirtualHost, listen: Listen, owners: Mapping[tuple[str, str, int, str], VirtualHost]
) -> str:
    """A name by which this virtual host and no other answers there, '' if there is none."""
    for name in vhost.names:
        plain = re.sub(r"^(\*\.|\.)", "privacy-hosting.", name.lower())
        if not re.fullmatch(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?", plain) or "." not in plain:
            continue
        if owners.get((vhost.server, listen.address, listen.port, name.lower())) is vhost:
            return plain
    return f"privacy-hosting-{os.urandom(4).hex()}.invalid" if listen.default else ""


def _own_addresses() -> dict[int, str]:
    """One address of the host itself for each family, beside loopback: what a route to the outside would use."""
    found = {}
    for family, far in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((far, 9))  # of a datagram socket: nothing is sent
                found[int(family)] = sock.getsockname()[0]
        except OSError:
            continue
    return found


def _ways(listen: Listen, own: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    """The addresses to ask at, each with the source address to ask from."""
    try:
        address = ipaddress.ip_address(listen.address)
    except ValueError:
        return  # a unix socket, or a name
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    local = ".".join(["127", *(str(2 + byte % 250) for byte in os.urandom(3))])
    if not address.is_unspecified:
        yield listen.address, local if address.version == 4 else listen.address
        return
    yield ("127.0.0.1", local) if address.version == 4 else ("::1", "::1")
    if int(family) in own:
        yield own[int(family)], own[int(family)]


def _sent(vhost: VirtualHost, listen: Listen, name: str, address: str, source: str, late: bool) -> Request:
    mark = os.urandom(8).hex()
    if late:
        return Request(name, mark, source, source, listen, f"the limit of {TOTAL_S:.0f} s was reached")
    # nginx answers TRACE before it asks for whom a proxy speaks
    believed = vhost.server != "nginx" and _believes(vhost, source)
    expected = CLAIMED if believed else source
    headers = {vhost.claims, "X-Forwarded-For", "X-Real-IP"} - {"", "proxy_protocol"}
    lines = [
        f"TRACE /privacy-hosting/p{mark}?privacy-hosting=q{mark} HTTP/1.1",
        f"Host: {name}",
        f"User-Agent: privacy.hosting-audit/u{mark}",
        "Max-Forwards: 0",
        "Connection: close",
        *(f"{header}: {CLAIMED}" for header in sorted(headers)),
    ]
    text = "\r\n".join([*lines, "", ""])
    try:
        answer: int | str = _exchange(address, listen, source, name, text)
    except (OSError, ValueError) as error:
        answer = getattr(error, "strerror", "") or type(error).__name__
    return Request(name, mark, source, expected, listen, answer)


def _believes(vhost: VirtualHost, source: str) -> bool:
    """Whether a server takes the word of this address about whom it asks for."""
    for trust in vhost.trusts:
        try:
            if ipaddress.ip_address(source) in ipaddress.ip_network(trust.network, strict=False):
                return True
        except ValueError:
            continue
    return False


def _exchange(address: str, listen: Listen, source: str, name: str, text: str) -> int:
    """Send a request and read the status of the answer. Raises OSError or ValueError."""
    with socket.create_connection((address, listen.port), ANSWER_S, (source, 0)) as plain:
        if listen.proxy_protocol:
            family = "TCP6" if ":" in address else "TCP4"
            claimed = CLAIMED if family == "TCP4" else f"::ffff:{CLAIMED}"
            plain.sendall(f"PROXY {family} {claimed} {address} 40000 {listen.port}\r\n".encode())
        if not listen.tls:
            return _status(plain, text)
        with tls_clients.with_anybody().wrap_socket(plain, server_hostname=name) as sock:
            return _status(sock, text)


def _status(sock: socket.socket, text: str) -> int:
    sock.sendall(text.encode("ascii"))
    answer = b""
    while len(answer) < 1 << 16:
        try:
            chunk = sock.recv(1 << 14)
        except OSError:
            if not answer:
                raise
            break
        if not chunk:
            break
        answer += chunk
    found = re.match(rb"HTTP/\d\.\d (\d{3})", answer)
    if not found:
        raise ValueError("no answer of HTTP")
    return int(found.group(1))


# -- reading ----------------------------------------------------------------------------------------------------------


@dataclass
class _Gained:
    """What one log gained: its lines, and which of them hold which marks. unseen: why it could not be read."""

    lines: list[str] = field(default_factory=list)
    unseen: str = ""
    by_mark: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tail: _Tail | str) -> _Gained:
        if isinstance(tail, str):
            return cls(unseen=tail)
        try:
            found = cls(tail.gained())
        except Unseen as unseen:
            return cls(unseen=str(unseen))
        for line in found.lines:
            for mark in set(_MARK.findall(line)):
                found.by_mark.setdefault(mark, []).append(line)
        return found


def _await(
    tails: Mapping[str, _Tail | str], asked: Mapping[VirtualHost, Sequence[Request]], end: float
) -> dict[str, _Gained]:
    """What each log gained, once every marked request stands in its logs or the time for it is over."""
    started = time.monotonic()
    wanted: dict[str, set[str]] = {}
    patience: dict[str, float] = {}
    for vhost, requests in asked.items():
        for log in _asked_logs(vhost):
            marks = {request.mark for request in requests if request.answered}
            wanted.setdefault(log.pattern, set()).update(marks)
            wait = log.flush_s + 1 if 0 < log.flush_s <= FLUSH_S else LINE_S
            patience[log.pattern] = max(patience.get(log.pattern, 0.0), wait)
    gained: dict[str, _Gained] = {}
    waiting = dict(tails)
    while waiting:
        for pattern, tail in list(waiting.items()):
            gained[pattern] = found = _Gained.of(tail)
            late = time.monotonic() > min(started + patience.get(pattern, 0.0), end + LINE_S)
            if late or found.unseen or wanted.get(pattern, set()) <= found.by_mark.keys():
                del waiting[pattern]
        if waiting:
            time.sleep(0.02)
    return gained


def _collected(vhost: VirtualHost, requests: Sequence[Request], gained: Mapping[str, _Gained]) -> Probed:
    answered = [request for request in requests if request.answered]
    if not answered:
        whys = [str(request.answer) for request in requests]
        return Probed(unseen=f"no answer to a marked request: {whys[0]}" if whys else "it could not be asked by a name")
    logs = _asked_logs(vhost)
    if not logs:
        return Probed(unseen="no log of it is a file")
    return Probed(tuple(_trace(request, log, gained[log.pattern]) for request in answered for log in logs))


def _trace(request: Request, log: AccessLog, gained: _Gained) -> Trace:
    """The lines of a request; where the format holds no mark, those with the address that only it came from."""
    found = gained.by_mark.get(request.mark, [])
    if not found and request.source.startswith("127."):
        found = [line for line in gained.lines if _holds(line, request.source)]
    return Trace(request, log, tuple(found), gained.unseen)


def _holds(line: str, word: str) -> bool:
    """Whether a line holds a word of digits and dots by itself."""
    return word in _NUMBERS.findall(line)


def shown(trace: Trace, line: str) -> frozenset[str]:
    """What of its marked request a line holds: members of FIELDS, and QUERY."""
    request = trace.request
    signs: Mapping[str, bool] = {
        "path": f"p{request.mark}" in line,
        QUERY: f"q{request.mark}" in line,
        "user_agent": f"u{request.mark}" in line,
        "client_ip": _holds_address(line, request.expected),
        "domain": request.name in line.lower(),
        "method": "TRACE" in line,
        "status": _holds(line, str(request.answer)),
    }
    return frozenset(name for name, there in signs.items() if there)


def _holds_address(line: str, address: str) -> bool:
    return _holds(line, address) if "." in address else address in line
