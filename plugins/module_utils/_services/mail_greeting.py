# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the programs that nobody knows may be a mail server: a mail server speaks first.

A request of the web follows, since most of them are web servers, which say nothing before.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
import socket

from .._host import Host
from . import tls_clients
from .addresses import own_addresses
from .listeners import unknown_listeners, unknown_sockets
from .mail_before_tls import Door, address_of

AT_MOST = 8  # sockets
_CONNECT_S, _WAIT_S, _ANSWER_S = 2.0, 0.5, 4.0
_MAIL = re.compile(rb'\* (OK|PREAUTH|BYE)\b|\+OK\b|220[ -]|421[ -]|554[ -]|"IMPLEMENTATION"')
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def unasked(host: Host, probe: bool) -> list[str]:
    """Those that may be one, in words; probe: whether they may be asked. Raises Unseen."""
    return host.once(("mail_greeting", probe), lambda: _unasked(host, probe))


def _unasked(host: Host, probe: bool) -> list[str]:
    sockets = [(program, one) for program, one in unknown_sockets(host) if one.protocol.startswith("tcp")]
    ports: dict[int, tuple[str, list[str]]] = {}
    for program, one in sockets:
        ports.setdefault(one.port, (program, []))[1].append(one.address)
    contained = [str(one) for one in unknown_listeners(host) if not re.search(r":\d", one.where)]
    if not probe:
        return [*(f"unknown listener {program} on :{port}" for port, (program, _all) in ports.items()), *contained]
    answers = _ask(host, {port: addresses for port, (_program, addresses) in list(ports.items())[:AT_MOST]})
    told = []
    for port, (program, _addresses) in ports.items():
        speaks = answers.get(port)
        if speaks is not False:
            how = "greets as a mail server" if speaks else "does not say what it is"
            told.append(f"unknown listener {program} on :{port} {how}")
    return told + contained


def _ask(host: Host, ports: dict[int, list[str]]) -> dict[int, bool | None]:
    """Whether each is a mail server, side by side; None where that cannot be told."""
    import threading

    own = own_addresses(host)
    found: dict[int, bool | None] = {}

    def work(port: int, addresses: list[str]) -> None:
        try:
            found[port] = speaks_mail(address_of(Door("", port, False, tuple(addresses)), own), port)
        except (OSError, ValueError):
            found[port] = None

    threads = [threading.Thread(target=work, args=one, daemon=True) for one in ports.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_CONNECT_S + 2 * _ANSWER_S)
    return dict(found)


def speaks_mail(address: str, port: int) -> bool | None:
    """Whether a program greets as a mail server before TLS; None where it says nothing. Raises OSError."""
    from .plain_clients import is_mariadb

    if is_mariadb(address, port):
        return False
    told = _first_words(address, port)
    if told:
        return bool(_MAIL.match(told))
    return False if _speaks_tls(address, port) else None


def _first_words(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), _CONNECT_S) as sock:
        sock.settimeout(_WAIT_S)
        try:
            return sock.recv(64)
        except (socket.timeout, TimeoutError):
            pass
        sock.settimeout(_ANSWER_S)
        try:
            sock.sendall(_REQUEST)
            return sock.recv(64)
        except OSError:
            return b""


def _speaks_tls(address: str, port: int) -> bool:
    with socket.create_connection((address, port), _CONNECT_S) as sock:
        sock.settimeout(_ANSWER_S)
        try:
            with tls_clients.with_anybody().wrap_socket(sock):
                return True
        except OSError:
            return False
