# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail service lets a client do before TLS, and which TLS it speaks then.

No user is named and no password is sent: what is offered is read, and a refusal of mail is asked for. Each connection
goes to an address that other machines use, from one of loopback: Dovecot takes a client that comes from the very
address it comes to for the host itself, and exempts it.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .._host import Host
from . import tls_clients
from .addresses import own_addresses
from .mail_talk import Talk

ANSWER_S = 8.0  # for one answer; postscreen makes strangers wait for 6 seconds
TOTAL_S = 20.0  # for all doors, side by side
_SMTP_END = r"\d{3}(?!-)"
_SIEVE_END = r"(OK|NO|BYE)\b"


@dataclass(frozen=True)
class Door:
    """Where to ask. protocol: imap, pop3, managesieve, smtp; tls: from the first byte; addresses: it listens at.

    mail: whether to ask, before TLS, to be let hand in mail.
    """

    protocol: str
    port: int
    tls: bool
    addresses: tuple[str, ...] = ()
    mail: bool = False


@dataclass
class Seen:
    """What a door said. trouble: why not all of it was seen.

    logins: the ways to log in that it offers before TLS, None where not seen; mail: whether it takes mail before TLS;
    version: of an ordinary handshake, '' where there is none; old: a version below TLS 1.2 that it accepts, '' if none;
    bare: whether it agrees to a suite that does not encrypt. None: not seen.
    """

    trouble: str = ""
    logins: tuple[str, ...] | None = None
    mail: bool | None = None
    version: str = ""
    old: str | None = None
    bare: bool | None = None


def look(host: Host, doors: Sequence[Door]) -> Mapping[Door, Seen]:
    """What all doors say, side by side; each is asked once an audit. Raises Unseen."""
    known: dict[Door, Seen] = host.once("mail_before_tls", dict)
    waiting = [door for door in dict.fromkeys(doors) if door not in known]
    if waiting:
        import threading

        end = time.monotonic() + min(TOTAL_S, host.seconds_left() / 2)
        own = own_addresses(host)
        found = {door: Seen("no answer in time") for door in waiting}
        threads = [
            threading.Thread(target=_look, args=(door, own, end, found.__setitem__), daemon=True) for door in waiting
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end + 0.5 - time.monotonic()))
        known.update(found)
    return {door: known[door] for door in doors}


def _look(door: Door, own: Sequence[str], end: float, keep: Callable[[Door, Seen], None]) -> None:
    seen = Seen()
    try:
        _ask(door, address_of(door, own), end, seen)
    except (OSError, ValueError, EOFError) as error:
        seen.trouble = getattr(error, "strerror", "") or str(error) or type(error).__name__
    keep(door, seen)


def address_of(door: Door, own: Sequence[str]) -> str:
    """The address to connect to. Raises ValueError."""
    outside = [one for one in own if not ipaddress.ip_address(one).is_loopback]
    for text in sorted(door.addresses or ("0.0.0.0",), key=lambda one: ":" in one):  # noqa: S104
        address = ipaddress.ip_address(text)
        candidates = [text]
        if address.is_unspecified:  # '::' takes IPv4 too, if nothing else does
            candidates = [one for one in outside if address.version == 6 or ":" not in one]
        if candidates:
            return candidates[0]
    raise ValueError("it listens at no address that other machines use")


def _connect(door: Door, address: str, end: float) -> Talk:
    """A connection from another address each time: whoever counts what was begun in vain finds one."""
    left = min(ANSWER_S, end - time.monotonic())
    if left <= 0:
        raise ValueError("no answer in time")
    source = "::1" if ":" in address else ".".join(["127", *(str(2 + byte % 250) for byte in os.urandom(3))])
    return Talk(socket.create_connection((address, door.port), left, (source, 0)))


def _ask(door: Door, address: str, end: float, seen: Seen) -> None:
    """All questions, each in a connection of its own. Raises OSError, ValueError, EOFError."""
    starts = door.tls
    if not door.tls:
        talk = _connect(door, address, end)
        with contextlib.closing(talk.sock):
            starts = _SPEECHES[door.protocol](talk, door, seen)
    if not starts:
        return
    try:
        talk = _connect(door, address, end)
        with contextlib.closing(talk.sock) as sock:
            _start(talk, door)
            with tls_clients.with_anybody().wrap_socket(sock) as encrypted:
                seen.version = encrypted.version() or ""
    except OSError as error:  # it may still agree to what an ordinary client does not offer
        seen.trouble = f"no handshake: {error.strerror or error}"
    from . import tls_messages as tls

    chosen = _offer(door, address, end, tls.Offer(tls.TLS1_1, tls.old_suites()).record())
    seen.old = {0x0300: "SSL 3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1"}.get(chosen, "")
    bare = [code for code in tls.old_suites() if "NULL" in tls.suite_name(code)]
    seen.bare = _offer(door, address, end, tls.Offer(tls.TLS1_2, bare).record()) != 0


def _offer(door: Door, address: str, end: float, hello: bytes) -> int:
    """The version that a server chooses for a hello, 0 where it refuses. Raises OSError, ValueError, EOFError."""
    talk = _connect(door, address, end)
    with contextlib.closing(talk.sock) as sock:
        _start(talk, door)
        sock.sendall(hello)
        try:
            data = talk.take(7)
            if data[:1] == b"\x15":  # an alert
                return 0
            # a record of kind 22 begins with a message of kind 2: the server's hello, with its version
            if data[:1] == b"\x16" and data[5:6] == b"\x02":
                return int(struct.unpack(">H", talk.take(4)[2:])[0])
        except (ConnectionResetError, EOFError):
            return 0
    raise ValueError("it answers a handshake with something else")


# -- before TLS -------------------------------------------------------------------------------------------------------


def _start(talk: Talk, door: Door) -> None:
    """Come to where TLS begins. Raises ValueError where the server does not let."""
    if door.tls:
        return
    greeting, ask, end, agreed = _STARTS[door.protocol]
    talk.hear(greeting)
    if door.protocol == "smtp":
        talk.ask("EHLO privacy-hosting.invalid", end)
    if not re.search(agreed, talk.ask(ask, end)):
        raise ValueError("it does not begin TLS where it is asked to")


# by protocol: the end of the greeting, how TLS is asked for, the end of the answer to that, and how one agrees
_STARTS: Mapping[str, tuple[str, str, str, str]] = {
    "imap": (r"\* ", "s STARTTLS", "s ", r"(?m)^s OK"),
    "pop3": (r"[+-]", "STLS", r"[+-]", r"^\+OK"),
    "managesieve": (_SIEVE_END, "STARTTLS", _SIEVE_END, r"^OK"),
    "smtp": (_SMTP_END, "STARTTLS", _SMTP_END, r"^220"),
}


def _imap(talk: Talk, _door: Door, seen: Seen) -> bool:
    talk.hear(r"\* ")
    told = talk.ask("c CAPABILITY", "c ").upper().replace("\r", " ").split()
    offered = [word[5:] for word in told if word.startswith("AUTH=")]
    seen.logins = (*([] if "LOGINDISABLED" in told else ["LOGIN"]), *offered)
    return "STARTTLS" in told


def _pop3(talk: Talk, _door: Door, seen: Seen) -> bool:
    greeting = talk.hear(r"[+-]")
    told = talk.ask("CAPA", r"(\.\r?\n|-)").upper().splitlines()
    offered = [word for line in told if line.startswith("SASL") for word in line.split()[1:]]
    plain = ["USER"] if any(line.strip() == "USER" for line in told) else []
    challenge = ["APOP"] if re.search(r"<[^<> ]+@[^<> ]+>", greeting) else []
    seen.logins = (*plain, *challenge, *offered)
    return any(line.strip() == "STLS" for line in told)


def _managesieve(talk: Talk, _door: Door, seen: Seen) -> bool:
    told = talk.hear(_SIEVE_END).upper()
    offered = re.search(r'(?m)^"SASL" "(.*?)"', told)
    seen.logins = tuple(offered.group(1).split()) if offered else ()
    return '"STARTTLS"' in told


def _smtp(talk: Talk, door: Door, seen: Seen) -> bool:
    talk.hear(_SMTP_END)
    told = talk.ask("EHLO privacy-hosting.invalid", _SMTP_END).upper()
    seen.logins = tuple(word for line in re.findall(r"(?m)^250[- ]AUTH[ =](.*)$", told) for word in line.split())
    if door.mail:
        seen.mail = talk.ask("MAIL FROM:<>", _SMTP_END).startswith("250")
    talk.ask("QUIT", _SMTP_END)
    return bool(re.search(r"(?m)^250[- ]STARTTLS\b", told))


_SPEECHES: Mapping[str, Callable[[Talk, Door, Seen], bool]] = {
    "imap": _imap,
    "pop3": _pop3,
    "managesieve": _managesieve,
    "smtp": _smtp,
}


def offered(protocol: str, connection: socket.socket) -> Seen:
    """What is offered before TLS at the other end of a connection. Raises OSError, ValueError, EOFError."""
    seen = Seen()
    _SPEECHES[protocol](Talk(connection), Door(protocol, 0, tls=False), seen)
    return seen
