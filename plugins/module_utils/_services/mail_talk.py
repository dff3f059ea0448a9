# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A conversation with a mail server, in lines, plain or by TLS.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from . import tls_clients


@dataclass
class Talk:
    """A conversation in lines."""

    sock: socket.socket

    def __post_init__(self) -> None:
        self._file = self.sock.makefile("rb")

    def say(self, line: str) -> None:
        self.sock.sendall(line.encode("ascii") + b"\r\n")

    def hear(self, until: str) -> str:
        """Lines until one that fits. Raises EOFError, OSError."""
        heard = ""
        for _number in range(200):
            line = self._file.readline(1 << 14).decode("utf-8", "replace")
            if not line:
                raise EOFError("the connection was closed")
            heard += line
            if re.match(until, line):
                return heard
        raise ValueError("an answer without an end")

    def ask(self, line: str, until: str) -> str:
        self.say(line)
        return self.hear(until)

    def take(self, size: int) -> bytes:
        """So many bytes. Raises EOFError, OSError."""
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError("the connection was closed")
        return data

    def begin_tls(self) -> None:
        self.sock = tls_clients.with_anybody().wrap_socket(self.sock)
        self._file = self.sock.makefile("rb")
