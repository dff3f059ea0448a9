# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to the host's own web servers, and what their answers show: redirects, HSTS, cookies, pages with forms.

Each is bounded in time and bytes, follows no redirect by itself, and goes to an address of the host whatever names
resolve to. Of an answer only what is named here is kept: no cookie's value, no text of a page.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, Union

from .._host import Host
from . import tls_clients
from .web_urls import is_file, looks_acting, resolved

if TYPE_CHECKING:
    from .web_forms import Contents

ANSWER_S = 5.0  # for one answer, whole
CRAWL_S = 25.0  # for all pages of a host
ASK_ALL_S = 15.0  # for all single requests
PAGE_BYTES = 1 << 20
HEAD_BYTES = 1 << 16  # of one line
HEADERS = 200
HSTS = "strict-transport-security"
PAGES = 200  # of one site
VARIANTS = 20  # of one path, by their query strings
WORKERS = 4  # requests at a time
USER_AGENT = "privacy.hosting-audit/pages"
MOVED = (301, 302, 303, 307, 308)
_PAGE_TYPES = ("text/html", "application/xhtml+xml")


class NoAnswer(Exception):
    """No answer of HTTP came; the text says why.

    absent: nobody listens there; refused: so, or the connection was closed without a word.
    """

    def __init__(self, why: str, *, refused: bool = False, absent: bool = False) -> None:
        super().__init__(why)
        self.refused = refused or absent
        self.absent = absent


# -- one request ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """Where a server is asked. ip: an address of this host; proxy_protocol: connections begin with a PROXY line."""

    ip: str
    port: int
    tls: bool
    proxy_protocol: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def family(self) -> str:
        return "IPv6" if ":" in self.ip else "IPv4"

    def url(self, name: str, target: str = "/") -> str:
        """The URL of a site's page at this port."""
        usual = {"http": 80, "https": 443}[self.scheme] == self.port
        return f"{self.scheme}://{name}{'' if usual else f':{self.port}'}{target}"


@dataclass(frozen=True)
class Cookie:
    """A cookie that an answer set; its value is not kept."""

    name: str
    secure: bool


@dataclass(frozen=True)
class Answer:
    """What is kept of an answer.

    hsts: the text of each Strict-Transport-Security header; location: where it redirects to, absolute, '' where it
    does not; page: what its HTML holds, None where it is none; cut: why not all of it was read, '' if it was.
    """

    url: str
    status: int
    hsts: tuple[str, ...] = ()
    location: str = ""
    cookies: tuple[Cookie, ...] = ()
    page: Contents | None = None
    cut: str = ""


def ask(address: Address, name: str, target: str = "/", method: str = "GET") -> Answer:
    """One request for a site's page at an address of this host. Raises NoAnswer."""
    end = time.monotonic() + ANSWER_S
    try:
        with socket.create_connection((address.ip, address.port), ANSWER_S) as plain:
            if address.proxy_protocol:
                plain.sendall(_proxy_line(address))
            if not address.tls:
                return _asked(plain, end, address, name, target, method)
            with tls_clients.with_anybody().wrap_socket(plain, server_hostname=name) as sock:
                return _asked(sock, end, address, name, target, method)
    except ConnectionRefusedError:
        raise NoAnswer("nobody listens there", absent=True) from None
    except ValueError as error:
        raise NoAnswer(str(error)) from None
    except OSError as error:
        raise NoAnswer(_reason(error)) from None


def _asked(sock: socket.socket, end: float, address: Address, name: str, target: str, method: str) -> Answer:
    host = address.url(name, "").partition("//")[2]
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {USER_AGENT}",
        "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
        "Accept-Encoding: identity",
        "Max-Forwards: 0" if method == "TRACE" else "",
        "Connection: close",
    ]
    text = "\r\n".join([*filter(None, lines), "", ""])
    if re.search(r"[^ -~\r\n]", text) or " " in target:
        raise NoAnswer("the address holds letters that no request can")
    sock.sendall(text.encode("ascii"))
    received = _Received(sock, end)
    status, headers = received.head()
    url = address.url(name, target)
    location = headers.get("location", [""])[0] if status in MOVED else ""
    page, cut = (None, "") if location else _page(received, status, headers, url)
    return Answer(
        url=url,
        status=status,
        hsts=tuple(headers.get(HSTS, [])),
        location=resolved(url, location) if location else "",
        cookies=tuple(map(_cookie, headers.get("set-cookie", []))),
        page=page,
        cut=cut,
    )


_Headers = Mapping[str, Sequence[str]]  # by names in small letters


class _Received:
    """What a server sends, read no longer than until a moment, however slowly it drips."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self.sock, self.end = sock, end
        self.bytes = bytearray()
        self.started = False

    def more(self) -> bool:
        """Whether more came; not where the connection was closed. Raises OSError."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        try:
            came = self.sock.recv(1 << 16)
        except OSError as error:
            if type(error).__name__ not in ("SSLZeroReturnError", "SSLEOFError"):
                raise
            came = b""  # closed without a word
        self.bytes += came
        self.started = self.started or bool(came)
        return bool(came)

    def line(self) -> str:
        """The next line. Raises NoAnswer: there is none; ValueError: it is too long."""
        searched = 0
        while True:
            at = self.bytes.find(b"\n", searched)
            if at >= 0:
                break
            searched = len(self.bytes)
            if searched > HEAD_BYTES:
                raise ValueError("a line is too long")
            if not self.more():
                raise NoAnswer("the connection was closed without an answer", refused=not self.started)
        line = self.take(at + 1)
        return line.decode("latin-1").rstrip("\r\n")

    def take(self, count: int) -> bytes:
        taken = bytes(self.bytes[:count])
        del self.bytes[:count]
        return taken

    def head(self) -> tuple[int, _Headers]:
        """Status and headers, those passed over that only announce an answer. Raises NoAnswer, OSError, ValueError."""
        while True:
            found = re.fullmatch(r"HTTP/\d\.\d (\d{3})(?: .*)?", self.line())
            if not found:
                raise ValueError("no proper answer of HTTP")
            headers: dict[str, list[str]] = {}
            for _number in range(HEADERS):
                line = self.line()
                if not line:
                    break
                name, _colon, value = line.partition(":")
                headers.setdefault(name.strip().lower(), []).append(value.strip())
            else:
                raise ValueError("no proper answer of HTTP: too many headers")
            if found.group(1)[0] != "1":
                return int(found.group(1)), headers

    def body(self, headers: _Headers) -> tuple[bytes, str]:
        """The body as far as it was read, and why it was not read to its end."""
        whole = bytearray()
        try:
            for piece in self._pieces(headers):
                whole += piece
                if len(whole) > PAGE_BYTES:
                    return bytes(whole[:PAGE_BYTES]), f"it is larger than {PAGE_BYTES >> 20} MiB"
        except OSError as error:
            return bytes(whole), f"it took more than {ANSWER_S:.0f} s" if _late(error) else "it broke off"
        except (ValueError, NoAnswer):
            return bytes(whole), "it broke off"
        return bytes(whole), ""

    def _pieces(self, headers: _Headers) -> Iterator[bytes]:
        if "chunked" in headers.get("transfer-encoding", [""])[-1].lower():
            while True:
                size = int(self.line().partition(";")[0].strip(), 16)
                if size <= 0:
                    return
                yield from self._exactly(size)
                self.line()
        length = headers.get("content-length", [""])[0]
        if length:
            yield from self._exactly(int(length))
            return
        yield self.take(len(self.bytes))
        while self.more():
            yield self.take(len(self.bytes))

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count > 0:
            if not self.bytes and not self.more():
                raise ValueError("less came than was announced")
            piece = self.take(count)
            count -= len(piece)
            yield piece


def _page(received: _Received, status: int, headers: _Headers, url: str) -> tuple[Contents | None, str]:
    """What a page holds, and why not all of it was read."""
    from .web_forms import Contents, contents

    kind, _semicolon, parameters = headers.get("content-type", [""])[0].lower().partition(";")
    if status in (204, 304) or (kind and kind.strip() not in _PAGE_TYPES):
        return None, ""
    body, cut = received.body(headers)
    if not kind and body.lstrip()[:1] != b"<":
        return None, cut
    if headers.get("content-encoding", ["identity"])[0].lower() not in ("", "identity"):
        return Contents(), "it is compressed, though that was not asked for"
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", parameters)
    found = contents(_text(body, charset.group(1) if charset else ""), url)
    return found, cut or found.problem


def _text(body: bytes, charset: str) -> str:
    for mark, coding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if body.startswith(mark):
            return body[len(mark) :].decode(coding, "replace")
    if not charset:
        found = re.search(rb"(?i)<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]+)", body[:1024])
        charset = found.group(1).decode("ascii", "replace") if found else "utf-8"
    try:
        return body.decode(charset, "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def _cookie(header: str) -> Cookie:
    pair, *attributes = header.split(";")
    name = re.sub(r"[^!-~]", "?", pair.partition("=")[0].strip())[:60]
    return Cookie(name, any(word.strip().lower() == "secure" for word in attributes))


def _proxy_line(address: Address) -> bytes:
    family = "TCP6" if ":" in address.ip else "TCP4"
    return f"PROXY {family} {address.ip} {address.ip} 40000 {address.port}\r\n".encode()


def _late(error: OSError) -> bool:
    return isinstance(error, TimeoutError) or "timed out" in str(error)  # until Python 3.9 they are two


def _reason(error: OSError) -> str:
    if _late(error):
        return f"no answer within {ANSWER_S:.0f} s"
    return getattr(error, "reason", "") or getattr(error, "strerror", "") or type(error).__name__


@dataclass(frozen=True)
class Request:
    """One request that is to be made."""

    address: Address
    name: str
    target: str
    method: str = "GET"

    @property
    def url(self) -> str:
        return self.address.url(self.name, self.target)

    def answer(self) -> Answer | NoAnswer:
        """Make it."""
        try:
            return ask(self.address, self.name, self.target, self.method)
        except NoAnswer as none:
            return none


_Answers = Mapping[Request, Union[Answer, NoAnswer]]


# -- all pages of own sites -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """One of the provider's own sites, and every address of this host that visitors reach it at."""

    name: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Visit:
    """One request that was made of a site. answer: what came, or why nothing did."""

    site: str
    url: str
    address: Address
    answer: Answer | NoAnswer


@dataclass
class Crawl:
    """All that was seen of one site. bounds: what ended the search early; skipped: links that look like acting."""

    visits: list[Visit] = field(default_factory=list)
    bounds: dict[str, None] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    frames: dict[str, str] = field(default_factory=dict)  # of other sites over plain http: its URL → the page's

    @property
    def pages(self) -> list[tuple[Visit, Contents]]:
        """The pages that were seen."""
        found = []
        for visit in self.visits:
            if isinstance(visit.answer, Answer) and visit.answer.page is not None:
                found.append((visit, visit.answer.page))
        return found


def crawl(host: Host, sites: Sequence[Site], marker: str, known: _Answers | None = None) -> dict[str, Crawl]:
    """Visit the pages of sites that their front pages lead to, over http and https. Raises Unseen: no time left.

    marker: a made-up path, whose answer is a site's error page; known: answers that need not be asked for again.
    """
    return _Crawler(sites, marker, time.monotonic() + min(CRAWL_S, host.seconds_left() / 2), known or {}).run()


_Step = tuple[str, str, Address]  # site, URL, where it is asked


class _Crawler:
    """Breadth first, so that a bound leaves out what lies deepest."""

    def __init__(self, sites: Sequence[Site], marker: str, end: float, answers: _Answers) -> None:
        self.answers = answers
        self.sites = {site.name: site for site in sites}
        self.end = end
        self.found = {site.name: Crawl() for site in sites}
        self.known: set[tuple[str, Address]] = set()
        self.steps: list[_Step] = []
        self.variants: dict[tuple[str, str], int] = {}
        self.count: dict[tuple[str, Address], int] = {}
        for site in sites:
            for address in site.addresses:
                for target in ("/", marker):
                    self._add(site.name, address.url(site.name, target), address)

    def run(self) -> dict[str, Crawl]:
        while self.steps:
            if time.monotonic() > self.end:
                for name in {name for name, _url, _address in self.steps}:
                    self.found[name].bounds[f"the limit of {CRAWL_S:.0f} s was reached"] = None
                break
            batch, self.steps = self.steps[: WORKERS * 2], self.steps[WORKERS * 2 :]
            for visit in _side_by_side(self._visit, batch):
                self._take(visit)
        return self.found

    def _take(self, visit: Visit) -> None:
        """Note what a visit found, and where it leads."""
        crawl = self.found[visit.site]
        crawl.visits.append(visit)
        answer = visit.answer
        if isinstance(answer, NoAnswer):
            return
        if answer.location and not is_file(answer.location):
            self._follow(visit, answer.location, looks_acting(answer.location))
        for link in answer.page.links if answer.page else ():
            self._follow(visit, link.url, link.acts, link.framed)
        if answer.page and answer.page.asks and visit.address.tls:
            self._also_plain(visit)

    def _follow(self, visit: Visit, url: str, acts: bool, framed: bool = False) -> None:
        scheme, _slashes, rest = url.partition("://")
        name, port = _name_and_port(rest.partition("/")[0].partition("?")[0], scheme)
        if name not in self.sites:
            if framed and scheme == "http":
                self.found[visit.site].frames[url] = visit.url
            return
        if acts:
            self.found[name].skipped.add(url)
            return
        places = [at for at in self.sites[name].addresses if at.port == port and at.tls == (scheme == "https")]
        if not places:  # another program's port, or nobody's
            places = [Address(visit.address.ip, port, scheme == "https")]
        for address in places[:1] if scheme == "https" else places:
            self._add(name, url, address)

    def _also_plain(self, visit: Visit) -> None:
        """Ask for a page with a form over plain http too."""
        target = re.sub(r"^https://[^/]*", "", visit.url)
        for address in self.sites[visit.site].addresses:
            if not address.tls:
                self._add(visit.site, address.url(visit.site, target), address)

    def _add(self, name: str, url: str, address: Address) -> None:
        if (url, address) in self.known:
            return
        crawl, path = self.found[name], url.partition("?")[0]
        self.known.add((url, address))
        if "?" in url:
            place = (path, address.ip)
            self.variants[place] = self.variants.get(place, 0) + 1
            if self.variants[place] > VARIANTS:
                crawl.bounds[f"a page has more than {VARIANTS} variants by query strings"] = None
                return
        kind = (name, address)
        if self.count.get(kind, 0) >= PAGES:
            crawl.bounds[f"the limit of {PAGES} pages was reached"] = None
            return
        self.count[kind] = self.count.get(kind, 0) + 1
        self.steps.append((name, url, address))

    def _visit(self, step: _Step) -> Visit:
        name, url, address = step
        request = Request(address, name, re.sub(r"^https?://[^/?]*", "", url) or "/")
        return Visit(name, url, address, self.answers.get(request) or request.answer())


def _name_and_port(where: str, scheme: str) -> tuple[str, int]:
    """The name and port of a URL's authority."""
    name, _colon, port = where.partition(":")
    return name, int(port) if port.isdigit() else {"http": 80, "https": 443}.get(scheme, 0)


# -- single requests to many sites ------------------------------------------------------------------------------------


def ask_all(host: Host, requests: Iterable[Request]) -> dict[Request, Answer | NoAnswer]:
    """The answers to many requests, made side by side. Raises Unseen: no time left."""
    wanted = list(dict.fromkeys(requests))
    end = time.monotonic() + min(ASK_ALL_S, host.seconds_left() / 2)

    def answer(request: Request) -> Answer | NoAnswer:
        late = time.monotonic() > end
        return NoAnswer(f"the limit of {ASK_ALL_S:.0f} s was reached") if late else request.answer()

    return dict(zip(wanted, _side_by_side(answer, wanted)))


_In = TypeVar("_In")
_Out = TypeVar("_Out")


def _side_by_side(work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
    """What work gives for each item, in their order; a few at a time. The audit's end does not wait for it."""
    import threading

    waiting = list(enumerate(items))[::-1]
    done: dict[int, _Out] = {}

    def run() -> None:
        while waiting:
            try:
                place, item = waiting.pop()
            except IndexError:
                return
            done[place] = work(item)

    threads = [threading.Thread(target=run, daemon=True) for _number in range(min(WORKERS, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [done[place] for place in range(len(items))]
