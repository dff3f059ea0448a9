# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mail server's journal holds after some days: entries of Dovecot and Postfix, made from data.

Pure functions from descriptions to text in the journal's export format; the same for the same data and moment.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MICROSECONDS = 1_000_000
# What Dovecot says of a login: 2.3, 2.4.
_LOGGED_IN = {"bookworm": "Login", "trixie": "Logged in"}
_UNITS = {"dovecot": "dovecot.service", "postfix": "postfix@-.service"}
_PROTOCOLS = ("imap", "imap", "imap", "pop3", "managesieve")


@dataclass(frozen=True)
class Entry:
    """One entry of a journal."""

    moment: datetime
    identifier: str
    message: str


@dataclass(frozen=True)
class Server:
    """A mail server: its name and address, the mailboxes on it, who comes, and which Debian it runs."""

    name: str
    address: str
    mailboxes: Sequence[str]
    clients: Sequence[str]
    release: str


def _who(server: Server, chance: random.Random) -> str:
    user, client = chance.choice(server.mailboxes), chance.choice(server.clients)
    return f"user=<{user}>, method=PLAIN, rip={client}, lip={server.address}"


def _session(chance: random.Random) -> str:
    return f"session=<{chance.getrandbits(64):016x}>"


def _login(server: Server, moment: datetime, chance: random.Random) -> Iterator[Entry]:
    told = f"{_who(server, chance)}, mpid={chance.randrange(300, 9000)}, TLS, {_session(chance)}"
    yield Entry(moment, "dovecot", f"{chance.choice(_PROTOCOLS)}-login: {_LOGGED_IN[server.release]}: {told}")


def _wrong(server: Server, moment: datetime, chance: random.Random) -> Iterator[Entry]:
    told = f"(auth failed, 1 attempts in 2 secs): {_who(server, chance)}, TLS, {_session(chance)}"
    yield Entry(moment, "dovecot", f"{chance.choice(_PROTOCOLS)}-login: Disconnected: Connection closed {told}")


def _message(server: Server, moment: datetime, chance: random.Random) -> Iterator[Entry]:
    """A message that somebody sends by submission, and that is delivered here."""
    number, client = f"{chance.getrandbits(44):011X}", chance.choice(server.clients)
    sender, receiver = chance.choice(server.mailboxes), chance.choice(server.mailboxes)
    took = timedelta(milliseconds=chance.randrange(20, 400))
    submission = "postfix/submission/smtpd"
    yield Entry(moment, submission, f"connect from unknown[{client}]")
    yield Entry(moment, submission, f"{number}: client=unknown[{client}], sasl_method=PLAIN, sasl_username={sender}")
    yield Entry(moment, "postfix/cleanup", f"{number}: message-id=<{chance.getrandbits(64):016x}@voorbeeld.example>")
    size = chance.randrange(600, 90000)
    yield Entry(moment, "postfix/qmgr", f"{number}: from=<{sender}>, size={size}, nrcpt=1 (queue active)")
    relay = f"relay={server.name}[private/dovecot-lmtp], delay=0.1, delays=0.02/0.01/0.02/0.05, dsn=2.0.0"
    sent = f"{number}: to=<{receiver}>, {relay}, status=sent (250 2.0.0 <{receiver}> Saved)"
    yield Entry(moment + took, "postfix/lmtp", sent)
    yield Entry(moment + took, "postfix/qmgr", f"{number}: removed")


KINDS: Mapping[str, Callable[[Server, datetime, random.Random], Iterator[Entry]]] = {
    "logins": _login,
    "wrong": _wrong,
    "messages": _message,
}


def entries(per_day: Mapping[str, int], server: Server, born: datetime, now: datetime) -> list[Entry]:
    """The entries between two moments, the oldest first. per_day: how many of each of KINDS."""
    chance = random.Random(f"{server.name} {born} {now}")
    span = (now - born).total_seconds()
    found: list[Entry] = []
    for kind, count in per_day.items():
        for _ in range(round(count * span / 86400)):
            moment = born + timedelta(seconds=chance.randrange(int(span)))
            found += KINDS[kind](server, moment, chance)
    return sorted(found, key=lambda entry: entry.moment)


def exported(told: Sequence[Entry], host: str) -> str:
    """Entries as systemd-journal-remote reads them; they are of one boot of the host."""
    boot = hashlib.sha256(f"boot of {host}".encode()).hexdigest()[:32]
    blocks = []
    for entry in told:
        since_boot = int((entry.moment - told[0].moment).total_seconds() * MICROSECONDS) + 60 * MICROSECONDS
        blocks.append(
            f"__REALTIME_TIMESTAMP={int(entry.moment.timestamp() * MICROSECONDS)}\n"
            f"__MONOTONIC_TIMESTAMP={since_boot}\n"
            f"_BOOT_ID={boot}\n"
            f"_HOSTNAME={host}\n"
            "_TRANSPORT=syslog\n"
            "PRIORITY=6\n"
            "SYSLOG_FACILITY=2\n"
            f"SYSLOG_IDENTIFIER={entry.identifier}\n"
            f"_SYSTEMD_UNIT={_UNITS[entry.identifier.partition('/')[0]]}\n"
            f"MESSAGE={entry.message}\n"
        )
    return "\n".join([*blocks, ""])


def file_name(told: Sequence[Entry], host: str) -> str:
    """The name of the archived journal that holds these entries."""
    begun = int(told[0].moment.timestamp() * MICROSECONDS)
    return f"system@{hashlib.sha256(host.encode()).hexdigest()[:32]}-{1:016x}-{begun:016x}.journal"
