# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a service that is no website accepts TLS before 1.2, seen by a hello in each, also where TLS begins later.

PRIVATE to the collection.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping

_S = 2.0  # for a connection, and for each answer

START_TLS_OID = b"1.3.6.1.4.1.1466.20037"


def _ldap_begins(connection: socket.socket) -> bool:
    """StartTLS of LDAP (RFC 4511, 4.14)."""
    name = bytes([0x80, len(START_TLS_OID)]) + START_TLS_OID
    operation = bytes([0x77, len(name)]) + name
    body = b"\x02\x01\x01" + operation
    connection.sendall(bytes([0x30, len(body)]) + body)
    answer = connection.recv(4096)
    at = answer.find(b"\x78")
    return at > 0 and answer[at + 2 : at + 5] == b"\x0a\x01\x00"


BEGINNINGS: Mapping[str, Callable[[socket.socket], bool]] = {"ldap": _ldap_begins}


def old_versions(address: str, port: int, begin: Callable[[socket.socket], bool] | None = None) -> list[str] | None:
    """Those of TLS 1.0 and 1.1 that a server accepts; None where that cannot be told (or it has no TLS).

    begin: what is said before the hello, and whether the server agrees to TLS.
    """
    from .tls_messages import TLS1_0, TLS1_1, TLS1_2, VERSIONS, Offer, old_suites

    found = []
    for protocol in (TLS1_2, TLS1_1, TLS1_0):
        try:
            told = _chosen(address, port, begin, Offer(protocol, old_suites()).record())
        except OSError:
            return None
        if protocol == TLS1_2 and told is None:
            continue  # a server of TLS 1.3 alone
        if told == VERSIONS[protocol] and protocol != TLS1_2:
            found.append(protocol)
        if told == -1:
            return None
    return found


def _chosen(address: str, port: int, begin: Callable[[socket.socket], bool] | None, hello: bytes) -> int | None:
    """The version of a server's hello; None where it refuses, -1 where it does not speak TLS. Raises OSError."""
    with socket.create_connection((address, port), _S) as connection:
        connection.settimeout(_S)
        if begin is not None and not begin(connection):
            return -1
        connection.sendall(hello)
        data = b""
        try:
            while len(data) < 11:
                chunk = connection.recv(4096)
                if not chunk:
                    return None
                data += chunk
                if data[:1] == b"\x15":
                    return None
        except ConnectionError:
            return None
    if data[:1] != b"\x16" or data[5:6] != b"\x02":
        return -1
    version: int = struct.unpack("!H", data[9:11])[0]
    return version
