# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wrong login of a made-up user in Roundcube's form, and the line that it leaves in the log of logins.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
import socket
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from .._host import Host, Unseen
from . import tls_clients
from .mail_probe import attempts_allowed
from .mail_sinks import Sink, Tail
from .virtualhost import VirtualHost

ANSWER_S = 25.0  # the mail server makes who errs wait
LINE_S = 2.0
_PAGE_BYTES = 1 << 20


@dataclass(frozen=True)
class Tried:
    """What a wrong login left. line: '' (none), 'user' (no address) or 'whole'; unseen: why none was tried or seen."""

    line: str = ""
    unseen: str = ""


def try_form(host: Host, vhost: VirtualHost, name: str, path: str, sinks: Mapping[str, Sink]) -> Tried:
    """Log in wrongly at a webmail, from an address of loopback that is nobody's. Raises Unseen."""
    times, why = attempts_allowed(host)
    if not times:
        return Tried(unseen=why)
    listens = [one for one in vhost.listens if one.port and ":" not in one.address and not one.proxy_protocol]
    listens.sort(key=lambda one: not one.tls)
    if not listens:
        return Tried(unseen="it listens at no address of IPv4")
    listen = listens[0]
    address = "127.0.0.1" if listen.address in ("0.0.0.0", "*", "") else listen.address  # noqa: S104
    source = ".".join(["127", *(str(2 + byte % 250) for byte in os.urandom(3))])
    tails = [Tail(host, sink) for sink in sinks.values()]
    visit = _Visit(address, listen.port, listen.tls, source, name)
    user = f"privacy-hosting-{os.urandom(6).hex()}"
    try:
        page = visit.ask("GET", f"{path}?_task=login", "")
        token = re.search(r'name="_token"\s+value="([A-Za-z0-9]+)"', page)
        if not token:
            return Tried(unseen="its page of login has no form of Roundcube's")
        fields = {
            "_token": token.group(1),
            "_task": "login",
            "_action": "login",
            "_timezone": "UTC",
            "_url": "",
            "_user": user,
            "_pass": os.urandom(9).hex(),
        }
        visit.ask("POST", f"{path}?_task=login", urllib.parse.urlencode(fields))
    except (OSError, ValueError) as error:
        return Tried(unseen=f"no answer to a wrong login: {getattr(error, 'strerror', '') or type(error).__name__}")
    return _found(tails, user, source)


def _found(tails: list[Tail], user: str, source: str) -> Tried:
    """What the places gained about a user."""
    end = time.monotonic() + LINE_S
    asked = 0
    while True:
        asked += 1
        lines = []
        for tail in tails:
            try:
                lines += [line for line in tail.gained(1000 + asked) if user in line]
            except Unseen as unseen:
                return Tried(unseen=str(unseen))
        if any(re.search(rf"(?<![\d.]){re.escape(source)}(?![\d.]*\d)", line) for line in lines):
            return Tried("whole")
        if time.monotonic() > end:
            return Tried("user" if lines else "")
        time.sleep(0.2)


@dataclass
class _Visit:
    """A visitor of one site, who keeps its cookies."""

    address: str
    port: int
    tls: bool
    source: str
    name: str

    def __post_init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: str) -> str:
        """The page that answers. Raises OSError, ValueError."""
        lines = [
            f"{method} {path} HTTP/1.0",
            f"Host: {self.name}",
            "User-Agent: privacy.hosting-audit",
            *(
                [f"Cookie: {'; '.join(f'{key}={value}' for key, value in self.cookies.items())}"]
                if self.cookies
                else []
            ),
            *(["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"] if body else []),
        ]
        answer = self._exchange("\r\n".join([*lines, "", body]))
        head, _blank, page = answer.partition("\r\n\r\n")
        if not head.startswith("HTTP/"):
            raise ValueError("no answer of HTTP")
        for key, value in re.findall(r"(?im)^set-cookie:\s*([^=;\s]+)=([^;\r\n]*)", head):
            self.cookies[key] = value
        return page

    def _exchange(self, text: str) -> str:
        with socket.create_connection((self.address, self.port), ANSWER_S, (self.source, 0)) as plain:
            sock = tls_clients.with_anybody().wrap_socket(plain, server_hostname=self.name) if self.tls else plain
            sock.sendall(text.encode("utf-8"))
            answer = b""
            while len(answer) < _PAGE_BYTES:
                try:
                    chunk = sock.recv(1 << 16)
                except OSError:
                    if not answer:
                        raise
                    break
                if not chunk:
                    break
                answer += chunk
            if self.tls:
                sock.close()
        return answer.decode("utf-8", "replace")
