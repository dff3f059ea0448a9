# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a mail server's plain door leads to TLS, so that nobody is shut out when nothing else is let in.

PRIVATE to the collection.
"""

from __future__ import annotations

import socket

from .._services import tls_clients

_ANSWER_S = 5
# protocol -> how its greeting ends, what is said before, what asks for TLS, how consent begins
_WORDS = {
    "imap": (b"* OK", b"", b"a STARTTLS\r\n", b"a OK"),
    "pop3": (b"+OK", b"", b"STLS\r\n", b"+OK"),
    "managesieve": (b"OK", b"", b"STARTTLS\r\n", b"OK"),
    "submission": (b"220 ", b"EHLO localhost\r\n", b"STARTTLS\r\n", b"220"),
}


def fault(protocol: str, address: str, port: int) -> str:
    """Why a plain connection cannot go over to TLS 1.2 or newer, '' if it can."""
    greeting, first, ask, consent = _WORDS[protocol]
    where = f"{protocol} on :{port}"
    try:
        with socket.create_connection((address, port), timeout=_ANSWER_S) as connection:
            lines = connection.makefile("rb", buffering=0)
            if not _line(lines, greeting):
                return f"{where} does not greet"
            if first:
                connection.sendall(first)
                if not _line(lines, b"250 "):
                    return f"{where} does not go on"
            connection.sendall(ask)
            if not _line(lines, consent):
                return f"{where} does not offer TLS"
            with tls_clients.of_today().wrap_socket(connection):
                return ""
    except OSError as error:
        return f"{where}: TLS does not begin: {getattr(error, 'reason', '') or error.strerror or error}"


def _line(lines: socket.SocketIO, begins: bytes) -> bool:
    """Whether the answer begins so; lines that tell of more to come are passed over."""
    for _count in range(40):
        line = lines.readline(4096)
        if line.startswith(begins):
            return True
        if not (line.startswith((b"* ", b'"')) or line[3:4] == b"-"):
            return False
    return False
