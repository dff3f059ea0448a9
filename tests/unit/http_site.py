# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small real servers on loopback that answer what a test tells them, over http or https."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

Answer = bytes | Callable[[str], bytes | Iterator[bytes]]


def page(html: str, *headers: str, status: int = 200, kind: str = "text/html; charset=utf-8") -> bytes:
    """An answer with a page in it."""
    body = html.encode()
    lines = [f"HTTP/1.1 {status} Told", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def moved(location: str, *headers: str, status: int = 301) -> bytes:
    """A redirect."""
    return page("", f"Location: {location}", *headers, status=status)


NOT_FOUND = page("<h1>Not here</h1>", status=404)


class Server:
    """Answers by path (with its query string first, then without it, then '*'); notes every request line and Host."""

    def __init__(self, answers: Mapping[str, Answer], tls: bool = False) -> None:
        self.answers = dict(answers)
        self.https_port = 443  # of the site that redirects to https://a.example/ mean
        self.asked: list[tuple[str, str, str]] = []  # method, host, target
        self.agents: set[str] = set()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.context = _context() if tls else None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def targets(self, method: str = "GET") -> list[str]:
        return [target for asked, _host, target in self.asked if asked == method]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self.socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _from = self.socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            sock = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = sock.recv(1 << 14)
                if not chunk:
                    return
                request += chunk
            method, target, headers = self._read(request.decode())
            self.asked.append((method, headers.get("host", ""), target))
            self.agents.add(headers.get("user-agent", ""))
            answer = self._of(method, target)
            for piece in (answer,) if isinstance(answer, bytes) else answer:
                sock.sendall(piece.replace(b"https://a.example/", f"https://a.example:{self.https_port}/".encode()))
            if self.context:
                sock.unwrap()  # type: ignore[attr-defined]

    def _of(self, method: str, target: str) -> bytes | Iterator[bytes]:
        path = target.partition("?")[0]
        keys = [f"{method} *", target, path, "*"]
        answer = next((self.answers[key] for key in keys if key in self.answers), NOT_FOUND)
        return answer(target) if callable(answer) else answer

    @staticmethod
    def _read(request: str) -> tuple[str, str, dict[str, str]]:
        first, *lines = request.split("\r\n")
        method, target, _version = first.split(" ")
        pairs = (line.partition(":") for line in lines if line)
        return method, target, {name.lower(): value.strip() for name, _colon, value in pairs}


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    """A certificate of its own making."""
    directory = Path(mkdtemp(prefix="privacy-hosting-tls"))
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=test", "-days", "2", "-keyout", str(directory / "key"), "-out", str(directory / "cert"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert", directory / "key")
    return context
