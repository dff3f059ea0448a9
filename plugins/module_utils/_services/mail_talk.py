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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


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
        self.sock = tls_context().wrap_socket(self.sock)
        self._file = self.sock.makefile("rb")


def tls_context() -> ssl.SSLContext:
    """Whatever the server speaks: who it is does not matter here, only what it writes down."""
    import ssl  # most hosts never get here
    import warnings

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
