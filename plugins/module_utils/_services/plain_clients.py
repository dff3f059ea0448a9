# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that speak with a service without encryption, as far as it lets them: does it refuse?

Each says as little as its protocol allows, as a user who does not exist and with no real password, ends the exchange in
order (so that no server counts an error against the host), and takes _ANSWER_S seconds at most for each step.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from . import tls_clients

REFUSED = "refused"  # it speaks its protocol, and refuses what is not encrypted; or nothing but TLS answers
ANSWERED = "answered"  # it goes on without encryption: it asks for a password, or serves
DENIED = "denied"  # it turns this client away for a reason that tells nothing of what others may
ABSENT = "absent"  # no connection can be made
OTHER = "other"  # something answers that is not this service
SILENT = "silent"  # there is a connection, and no answer

USER = "privacy-hosting-check"  # nobody's
PORTS: Mapping[str, int] = {"postgresql": 5432, "mariadb": 3306, "redis": 6379, "ldap": 389}

_CONNECT_S, _ANSWER_S = 2.0, 3.0
_BYTES = 64 << 10


@dataclass(frozen=True)
class Plain:
    """What a service answered to a plain connection. answer: as above; seen: one line, without addresses."""

    answer: str
    seen: str


class _Ended(Exception):
    """The exchange came to its end before there was an answer; args: the Plain that tells it."""


class _Line:
    """A connection, read by exact numbers of bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def patience(self, seconds: float) -> None:
        """How long to wait for what comes next."""
        self._connection.settimeout(seconds)

    def encrypt(self) -> None:
        """Go on in TLS, whoever the other is. Raises OSError."""
        self._connection = tls_clients.of_today().wrap_socket(self._connection)

    def take(self, length: int) -> bytes:
        """That many bytes. Raises _Ended where they do not come."""
        if length > _BYTES:
            raise _Ended(Plain(OTHER, "something else answers there"))
        data = b""
        while len(data) < length:
            chunk = self._connection.recv(length - len(data))
            if not chunk:
                raise _Ended(Plain(SILENT, "it closes the connection without an answer"))
            data += chunk
        return data

    def some(self) -> bytes:
        """What comes first. Raises _Ended where nothing does."""
        data = self._connection.recv(4096)
        if not data:
            raise _Ended(Plain(SILENT, "it closes the connection without an answer"))
        return data


@contextlib.contextmanager
def _connected(address: str, port: int) -> Iterator[_Line]:
    """A connection. Raises _Ended where there is none, or where it breaks."""
    try:
        connection = socket.create_connection((address, port), _CONNECT_S)
    except OSError as error:
        raise _Ended(Plain(ABSENT, f"no connection: {error.strerror or 'it was not answered in time'}")) from None
    with connection:
        connection.settimeout(_ANSWER_S)
        try:
            yield _Line(connection)
        except ConnectionError:
            raise _Ended(Plain(SILENT, "it closes the connection without an answer")) from None
        except OSError:
            raise _Ended(Plain(SILENT, "it does not answer")) from None


def _told(ask: Callable[[_Line], Plain], address: str, port: int) -> Plain:
    try:
        with _connected(address, port) as line:
            return ask(line)
    except _Ended as ended:
        told: Plain = ended.args[0]
        return told


def speaks_tls(address: str, port: int) -> bool | None:
    """Whether a service begins with TLS, of version 1.2 or newer; None where it gives no answer."""
    import ssl

    try:
        with socket.create_connection((address, port), _CONNECT_S) as connection:
            connection.settimeout(_ANSWER_S)
            with tls_clients.of_today().wrap_socket(connection, server_hostname=None):
                return True
    except ssl.SSLError as error:
        reason = error.reason or ""
        if "ALERT" in reason:  # it wants a certificate, or another version
            return True
        return None if "EOF" in reason else False
    except OSError:
        return None


def ends_in_tls(address: str, port: int) -> Plain:
    """What stands where a plain client got no answer of its service's: TLS, or something else."""
    told = speaks_tls(address, port)
    if told is None:
        return Plain(SILENT, "it answers neither plainly nor with TLS")
    return Plain(REFUSED, "nothing but TLS answers") if told else Plain(OTHER, "something else answers there")


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_STARTUP_BODY = struct.pack("!I", 196608) + f"user\0{USER}\0database\0postgres\0\0".encode()
_STARTUP = struct.pack("!I", len(_STARTUP_BODY) + 4) + _STARTUP_BODY
_TERMINATE = b"X\0\0\0\4"


def ask_postgresql(address: str, port: int) -> Plain:
    """Begin a session without asking for TLS. A refusal counts only where the same client gets on with TLS."""
    plain = _told(_postgresql, address, port)
    if plain.answer == SILENT:
        return ends_in_tls(address, port) if _tls_at(address, port) else plain
    if plain.answer == DENIED and _postgresql_over_tls(address, port).answer == ANSWERED:
        return Plain(REFUSED, "a plain connection is refused where the same with TLS is asked for a password")
    return plain


def _tls_at(address: str, port: int) -> bool:
    return bool(speaks_tls(address, port))


def _postgresql(line: _Line) -> Plain:
    line.send(_STARTUP)
    kind = line.take(1)
    length = struct.unpack("!I", line.take(4))[0]
    if kind not in (b"R", b"E", b"v", b"N") or not 4 <= length <= _BYTES:
        return Plain(OTHER, "something else answers there")
    body = line.take(length - 4)
    if kind == b"E":
        return _postgresql_error(body)
    with contextlib.suppress(OSError):
        line.send(_TERMINATE)
    if kind == b"R" and body[:4] == b"\0\0\0\0":
        return Plain(ANSWERED, "a plain connection of an unknown user is let in")
    return Plain(ANSWERED, "a plain connection is asked for a password")


def _postgresql_error(body: bytes) -> Plain:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    code, text = fields.get(b"C", ""), fields.get(b"M", "")
    if code == "28000" and "pg_hba" in text:  # 'no pg_hba.conf entry …' or 'pg_hba.conf rejects …'
        return Plain(DENIED, "no rule of pg_hba.conf lets an unknown user connect from here without encryption")
    if code == "08P01" and "SSL" in text.upper():  # what PgBouncer answers
        return Plain(REFUSED, "a plain connection is refused: SSL required")
    if code in ("28000", "28P01", "3D000", "42501"):  # it looked for the user or the database already
        return Plain(ANSWERED, f"a plain connection goes on until the user or the database is not found ({code})")
    return Plain(DENIED, f"a plain connection ends with the error {code if code.isalnum() else '?'}")


def _postgresql_over_tls(address: str, port: int) -> Plain:
    """The same session after SSLRequest."""

    def ask(line: _Line) -> Plain:
        line.send(_SSL_REQUEST)
        if line.take(1) != b"S":
            return Plain(OTHER, "there is no TLS")
        line.encrypt()
        return _postgresql(line)

    return _told(ask, address, port)


# -- MariaDB and MySQL ------------------------------------------------------------------------------------------------

_CLIENT_FLAGS = 0x00000001 | 0x00000200 | 0x00008000 | 0x00080000  # long password, 4.1, secure connection, plugins
_TLS_FLAG = 0x00000800
_GREETING_S = 1.0  # in which it greets, as it speaks first


def ask_mariadb(address: str, port: int) -> Plain:
    """Log in as an unknown user, over TLS where it is offered: whether plain logins are refused is not tried.

    MariaDB counts connections that are broken off, and 11.4 and newer plain logins that it refuses, against the address
    that they come from, and locks that out after max_connect_errors of them. A login that is denied does not count.
    """
    return _told(_mariadb, address, port)


def is_mariadb(address: str, port: int) -> bool:
    """Whether MariaDB or MySQL answers; to be asked before anything else is said to a program that nobody knows."""
    told = _told(lambda line: _mariadb(line, _GREETING_S), address, port)
    return told.answer in (ANSWERED, DENIED)


def _packet(line: _Line) -> tuple[int, bytes]:
    head = line.take(4)
    return head[3], line.take(head[0] | head[1] << 8 | head[2] << 16)


def _mariadb(line: _Line, seconds: float = _ANSWER_S) -> Plain:
    line.patience(seconds)
    number, greeting = _packet(line)
    if number == 0 and greeting[:1] == b"\xff":  # this host may not connect, or there are too many
        return Plain(DENIED, f"a connection ends with the error {_number(greeting)} before it begins")
    if number != 0 or greeting[:1] != b"\x0a" or b"\0" not in greeting:
        return Plain(OTHER, "something else answers there")
    line.patience(_ANSWER_S)
    flags = greeting[greeting.index(b"\0") + 14 :][:2]
    tls = bool(int.from_bytes(flags, "little") & _TLS_FLAG)
    start = struct.pack("<IIB23x", _CLIENT_FLAGS | (_TLS_FLAG if tls else 0), _BYTES, 45)
    number += 1
    if tls:
        line.send(_numbered(start, number))
        line.encrypt()
        number += 1
    line.send(_numbered(start + USER.encode() + b"\0\0mysql_native_password\0", number))
    for _round in range(3):
        number, answer = _packet(line)
        if answer[:1] == b"\xff":
            how = "over TLS " if tls else ""
            return Plain(DENIED, f"a login {how}ends with the error {_number(answer)}; a plain one is not tried")
        if answer[:1] == b"\0":
            line.send(b"\1\0\0\0\1")  # quit
            if tls:
                return Plain(DENIED, "an unknown user is let in over TLS; a plain login is not tried")
            return Plain(ANSWERED, "a plain connection of an unknown user is let in")
        line.send(_numbered(b"", number + 1))  # another way to log in is asked for: no password
    return Plain(DENIED, "a login is asked for more than once")


def _numbered(body: bytes, number: int) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def _number(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "little")


# -- Redis ------------------------------------------------------------------------------------------------------------


def ask_redis(address: str, port: int) -> Plain:
    """Send PING."""
    plain = _told(_redis, address, port)
    return ends_in_tls(address, port) if plain.answer in (SILENT, OTHER) else plain


def _redis(line: _Line) -> Plain:
    line.send(b"*1\r\n$4\r\nPING\r\n")
    answer = line.some()
    if answer.startswith((b"+PONG", b"-NOAUTH", b"-NOPERM", b"-LOADING", b"-MASTERDOWN", b"-BUSY")):
        word = "PONG" if answer[:1] == b"+" else answer[1:].split()[0].decode()
        return Plain(ANSWERED, f"a plain PING is answered with {word}")
    if answer.startswith(b"-DENIED"):  # protected mode: no password is set, and only the host itself may connect
        return Plain(DENIED, "a plain PING is answered with DENIED: protected mode lets only the host itself in")
    if answer.startswith(b"-ERR max number"):
        return Plain(DENIED, "a plain PING is answered with an error: too many clients")
    return Plain(OTHER, "something else answers there")


# -- LDAP -------------------------------------------------------------------------------------------------------------

_BUSY, _CONFIDENTIALITY, _UNAVAILABLE = 51, 13, 52
_KEPT = 5  # of what a server keeps, that are asked for


def ask_ldap(address: str, port: int, base: str = "") -> Plain:
    """Log in as an unknown name below an entry, then read that entry, without StartTLS.

    base: the entry; '' for all that the server says that it keeps, of which the worst is told. (A name outside of that
    would be refused before encryption is looked at.)
    """
    if base:
        plain = _told(lambda line: _ldap(line, base), address, port)
        return ends_in_tls(address, port) if plain.answer in (SILENT, OTHER) else plain
    kept: list[str] = []
    plain = _told(lambda line: _ldap(line, "", kept), address, port)
    if plain.answer in (SILENT, OTHER):
        return ends_in_tls(address, port)
    if plain.answer != ANSWERED:
        return plain
    told = [ask_ldap(address, port, one) for one in kept[:_KEPT]]
    unclear = Plain(DENIED, "it answers plainly, and does not tell what it keeps")
    order = (ANSWERED, ABSENT, SILENT, OTHER, DENIED, REFUSED)
    return min(told, key=lambda one: order.index(one.answer)) if told else unclear


def _ber(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack("!H", len(body))
    return bytes([tag]) + size + body


def _ldap_message(number: int, operation: bytes) -> bytes:
    return _ber(0x30, _ber(2, bytes([number])), operation)


def _ldap(line: _Line, base: str, kept: list[str] | None = None) -> Plain:
    name, password = (f"cn={USER},{base}".encode(), b"none") if base else (b"", b"")
    line.send(_ldap_message(1, _ber(0x60, _ber(2, b"\3"), _ber(4, name), _ber(0x80, password))))
    bound = _ldap_result(line)
    line.send(
        _ldap_message(
            2,
            _ber(
                0x63, _ber(4, base.encode()), _ber(10, b"\0"), _ber(10, b"\0"), _ber(2, b"\1"), _ber(2, b"\2"),
                _ber(1, b"\0"), _ber(0x87, b"objectClass"), _ber(0x30, _ber(4, b"1.1" if base else b"namingContexts")),
            ),
        )
    )  # fmt: skip
    read = _ldap_result(line, kept)
    with contextlib.suppress(OSError):
        line.send(_ldap_message(3, b"\x42\0"))
    if bound == read == _CONFIDENTIALITY:
        return Plain(REFUSED, "a plain login and a plain search are refused: confidentiality required")
    if bound in (_BUSY, _UNAVAILABLE) or read in (_BUSY, _UNAVAILABLE):
        return Plain(DENIED, f"the server is busy (result {bound}, {read})")
    if bound != _CONFIDENTIALITY:
        return Plain(ANSWERED, f"a plain login is not refused for being plain (result {bound})")
    return Plain(ANSWERED, f"a plain search is not refused for being plain (result {read})")


def _ldap_result(line: _Line, kept: list[str] | None = None) -> int:
    """The result code of the next answer that ends an operation; values of an entry go to kept. Raises _Ended."""
    for _message in range(16):
        tag, body = _element(line)
        if tag != 0x30:
            raise _Ended(Plain(OTHER, "something else answers there"))
        tag, _number, rest = _inner(body)
        if tag != 2:
            raise _Ended(Plain(OTHER, "something else answers there"))
        tag, operation, _rest = _inner(rest)
        if tag == 0x78:  # a notice that it ends the connection
            code = _inner(operation)[1]
            raise _Ended(Plain(DENIED, f"the server ends the connection (result {int.from_bytes(code, 'big')})"))
        if tag == 0x64 and kept is not None:
            kept += _values(operation)
        if tag in (0x61, 0x65):  # of a login, the end of a search; not an entry that it found
            return int.from_bytes(_inner(operation)[1], "big")
    raise _Ended(Plain(OTHER, "something else answers there"))


def _values(entry: bytes) -> list[str]:
    """The values of the first attribute of an entry. Raises _Ended."""
    attributes = _inner(_inner(entry)[2])[1]
    values = _inner(_inner(_inner(attributes)[1])[2])[1] if attributes else b""
    found = []
    while values:
        _tag, value, values = _inner(values)
        found.append(value.decode("utf-8", "replace"))
    return [one for one in found if one]


def _element(line: _Line) -> tuple[int, bytes]:
    tag, size = line.take(2)
    if tag != 0x30:
        raise _Ended(Plain(OTHER, "something else answers there"))
    if size & 0x80:
        size = int.from_bytes(line.take(size & 0x7F), "big")
    return tag, line.take(size)


def _inner(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element of some bytes, and what comes after it. Raises _Ended."""
    if len(data) < 2:
        raise _Ended(Plain(OTHER, "something else answers there"))
    start, size = 2, data[1]
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return data[0], data[start : start + size], data[start + size :]


CLIENTS: Mapping[str, Callable[[str, int], Plain]] = {
    "postgresql": ask_postgresql,
    "mariadb": ask_mariadb,
    "redis": ask_redis,
    "ldap": ask_ldap,
}
