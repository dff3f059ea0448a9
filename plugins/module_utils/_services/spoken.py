# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program speaks at a socket of the host that nobody configured us to know: TLS, plain HTTP, FTP, or neither.

It is asked by a handshake and by one request that no application has to understand (OPTIONS *); nobody logs in.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen
from .addresses import own_addresses
from .plain_clients import is_mariadb
from .tls_endpoint import NO_TLS, Endpoint, endpoints
from .tls_messages import TLS1_2, TLS1_3

AT_MOST = 24  # sockets that are asked
ANSWER_S = 2.0
_BYTES = 8192
# how servers say that TLS is expected where a plain request came
_WANTS_TLS = re.compile(
    rb"HTTP/\d\.\d (426|497)\b|HTTP request (was )?sent to (an )?HTTPS|"
    rb"plain HTTP to an SSL|HTTP request to an HTTPS server|(requires|must use|use) (HTTPS|TLS|SSL)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Spoken:
    """What a socket answered.

    tls: it speaks TLS; old: versions below 1.2 that it accepts; http: the status that a plain request got, 0 where the
    answer was none of HTTP; refuses: that answer says that TLS is expected; closed: a plain request got no answer;
    first: what it said instead ('SSH', 'HTTP/2', 'MariaDB'), '' where that is not known; unseen: why TLS is unknown.
    """

    tls: bool
    old: tuple[str, ...] = ()
    http: int = 0
    refuses: bool = False
    closed: bool = True
    first: str = ""
    unseen: str = ""


def own_address(host: Host, address: str) -> str:
    """An address at which a socket of the host answers as it does to other machines. Raises Unseen."""
    if address not in ("0.0.0.0", "::"):  # noqa: S104  a comparison
        return address
    own = [one for one in own_addresses(host) if not one.startswith("127.") and one != "::1"]
    fitting = [one for one in own if (":" in one) == (address == "::")] or ([] if address == "0.0.0.0" else own)  # noqa: S104
    if not fitting:
        raise Unseen("the host has no address of its own to ask it at")
    return fitting[0]


def spoken(host: Host, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Spoken]:
    """What is spoken at sockets, by address and port; asked side by side. More than AT_MOST are left out."""
    found: dict[tuple[str, int], Spoken] = {}
    asked = list(dict.fromkeys(places))[:AT_MOST]

    def is_counted(place: tuple[str, int]) -> None:
        # MariaDB counts what it does not understand against the host, and locks it out at last
        if is_mariadb(*place):
            found[place] = Spoken(tls=False, first="MariaDB")

    _side_by_side(is_counted, asked)
    others = [place for place in asked if place not in found]
    shown = endpoints(host, [(address, port, None) for address, port in others])

    def ask(place: tuple[str, int]) -> None:
        found[place] = _told(shown[(place[0], place[1], None)], _request(*place))

    _side_by_side(ask, others)
    return dict(found)


def _side_by_side(work: Callable[[tuple[str, int]], None], places: Sequence[tuple[str, int]]) -> None:
    from threading import Thread

    threads = [Thread(target=work, args=(place,), daemon=True) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * ANSWER_S)


def _told(endpoint: Endpoint, answer: bytes) -> Spoken:
    status = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})", answer)
    return Spoken(
        tls=bool(endpoint.accepted),
        old=tuple(one for one in endpoint.accepted if one not in (TLS1_2, TLS1_3)),
        http=int(status[1]) if status else 0,
        refuses=bool(_WANTS_TLS.search(answer)) or answer[:2] == b"\x15\x03",
        closed=not answer,
        first=_named(answer),
        unseen="" if endpoint.unseen == NO_TLS else endpoint.unseen,
    )


def _named(answer: bytes) -> str:
    if answer.startswith(b"SSH-2.0-"):
        return "SSH"
    return "HTTP/2" if answer[3:5] in (b"\x04\x00", b"\x07\x00") and answer[:1] == b"\x00" else ""


def _request(address: str, port: int) -> bytes:
    """The answer to one plain request; nothing where there is none."""
    host = f"[{address}]" if ":" in address else address
    text = (
        f"OPTIONS * HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: privacy.hosting audit\r\nConnection: close\r\n\r\n"
    )
    return _exchange(address, port, text.encode())


def request(address: str, port: int, name: str) -> int | None:
    """The status that a plain request for a name gets; 0 where the connection ends without an answer, None: silence."""
    text = f"OPTIONS / HTTP/1.1\r\nHost: {name}\r\nUser-Agent: privacy.hosting audit\r\nConnection: close\r\n\r\n"
    try:
        answer = _asked(address, port, text.encode())
    except (ConnectionError, EOFError):
        return 0
    except OSError:
        return None
    status = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})", answer)
    return int(status[1]) if status else 0 if not answer else None


def _exchange(address: str, port: int, data: bytes) -> bytes:
    try:
        return _asked(address, port, data)
    except OSError:
        return b""


def _asked(address: str, port: int, data: bytes) -> bytes:
    with socket.create_connection((address, port), ANSWER_S) as connection:
        connection.settimeout(ANSWER_S)
        connection.sendall(data)
        answer = b""
        while len(answer) < _BYTES:
            try:
                chunk = connection.recv(_BYTES)
            except OSError:
                if answer:
                    break
                raise
            if not chunk:
                break
            answer += chunk
            if b"\r\n\r\n" in answer and len(answer) > 512:
                break
        return answer


def ftp_lets_log_in(address: str, port: int) -> bool | None:
    """Whether an FTP server asks for a password before TLS; None where that cannot be told. The user is made up."""
    try:
        with socket.create_connection((address, port), ANSWER_S) as connection:
            connection.settimeout(ANSWER_S)
            lines = connection.makefile("rb")
            if not _reply(lines).startswith(b"220"):
                return None
            connection.sendall(b"USER privacy-hosting-check\r\n")
            answer = _reply(lines)
            connection.sendall(b"QUIT\r\n")
    except OSError:
        return None
    if answer.startswith((b"331", b"230", b"332")):
        return True
    return False if re.search(rb"(?i)\b(tls|ssl|encrypt|secure|auth)", answer) and answer[:1] in b"45" else None


def _reply(lines: object) -> bytes:
    line = b""
    for _number in range(50):
        line = lines.readline(4096)  # type: ignore[attr-defined]
        if not line or re.match(rb"\d{3} ", line):
            break
    return line
