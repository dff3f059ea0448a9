# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wrong logins of made-up users at every mail service, several in one connection, and the lines that they leave.

Each connection comes from an address of loopback of its own (127.x.y.z): whoever counts wrong logins by address, the
server itself or what bans, finds nobody who exists. No real account and no real password is tried.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Unseen
from . import tls_clients
from .mail_sinks import Sink, Tail
from .mail_talk import Talk

ANSWER_S = 20.0  # for one answer: a server makes who errs wait
TOTAL_S = 40.0  # for all of them, side by side
LINE_S = 3.0  # for lines after the last answer
SETTLE_S = 8.0  # Dovecot ends what ran before a reload after some 6 seconds
# what bans addresses, beside fail2ban, of which the threshold can be asked
_GUARDS = ("sshguard", "crowdsec", "lfd", "denyhosts", "ossec-analysisd")
# a jail counts two lines for one wrong login at most
_LINES_EACH = 2


@dataclass(frozen=True)
class Door:
    """Where to try. protocol: imap, pop3, managesieve, smtp; tls: from the first byte; addresses: it listens at."""

    protocol: str
    port: int
    tls: bool
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One wrong login. answer: '' where it was refused as it must be, else what happened instead."""

    door: Door
    number: int
    user: str
    secret: str
    source: str
    answer: str = ""


@dataclass
class Probed:
    """All wrong logins. unseen: why none was made; sources: by door, the address of its connection."""

    attempts: list[Attempt] = field(default_factory=list)
    unseen: str = ""
    sources: dict[Door, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    troubles: dict[Door, str] = field(default_factory=dict)

    def of(self, door: Door) -> list[Attempt]:
        """The wrong logins at one door, in their order."""
        return sorted((one for one in self.attempts if one.door == door), key=lambda one: one.number)

    def found(self, sinks: Sequence[Sink], *words: str) -> list[str]:
        """The lines of these places that hold all of the words."""
        forms = [re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w]|\.\d)") for word in words]
        lines = [line for sink in sinks for line in self.lines.get(sink.path, [])]
        return [line for line in lines if all(form.search(line) for form in forms)]

    def secrets_in(self, sinks: Sequence[Sink]) -> int:
        """How many lines hold a password that was tried, in clear, as a digest or as it was sent."""
        import hashlib

        told = set()
        for one in self.attempts:
            digest = hashlib.sha1(one.secret.encode(), usedforsecurity=False).hexdigest()
            told |= {one.secret, digest, _plain(one.user, one.secret)}
        lines = [line for sink in sinks for line in self.lines.get(sink.path, [])]
        return sum(1 for line in lines if any(secret in line for secret in told))


@dataclass
class _Begun:
    """Wrong logins that are under way. end: when they are given up, on the monotonic clock."""

    probed: Probed
    tails: dict[str, Tail]
    threads: Mapping[Door, threading.Thread]
    end: float


def begin(host: Host, doors: Sequence[Door], sinks: Sequence[Sink], stale: Callable[[], bool]) -> None:
    """Try all doors side by side, in the background. stale: whether a service still runs as before a reload."""
    host.once("mail_probe_begun", lambda: _begin(host, doors, sinks, stale))


def probe(host: Host, doors: Sequence[Door], sinks: Sequence[Sink], stale: Callable[[], bool]) -> Probed:
    """What wrong logins at all doors left, once they are over. Raises Unseen."""
    begun = host.once("mail_probe_begun", lambda: _begin(host, doors, sinks, stale))
    return host.once("mail_probe", lambda: _end(begun))


def _begin(host: Host, doors: Sequence[Door], sinks: Sequence[Sink], stale: Callable[[], bool]) -> _Begun:
    times, why = attempts_allowed(host)
    end = time.monotonic() + min(TOTAL_S, host.seconds_left() / 2)
    begun = _Begun(Probed(unseen=why), {}, {}, end)
    if not times:
        return begun
    for sink in sinks:
        try:
            begun.tails[sink.path] = Tail(host, sink)
        except Unseen as unseen:
            begun.probed.unread[sink.path] = str(unseen)
    settled = threading.Event()
    begun.threads = {
        door: threading.Thread(target=_try, args=(door, times, begun.probed, settled), daemon=True) for door in doors
    }
    for thread in (threading.Thread(target=_settle, args=(stale, settled), daemon=True), *begun.threads.values()):
        thread.start()
    return begun


def _settle(stale: Callable[[], bool], settled: threading.Event) -> None:
    """Wait until no service runs as before a reload any more, or as long as that may take."""
    patience = time.monotonic() + SETTLE_S
    try:
        while stale() and time.monotonic() < patience:
            time.sleep(0.5)
    finally:
        settled.set()


def _end(begun: _Begun) -> Probed:
    for thread in begun.threads.values():
        thread.join(max(0.0, begun.end - time.monotonic()))
    for door, thread in begun.threads.items():
        if thread.is_alive():
            begun.probed.troubles[door] = "no answer in time"
    if begun.threads:
        _read(begun.probed, begun.tails)
    return begun.probed


def attempts_allowed(host: Host) -> tuple[int, str]:
    """How many wrong logins a connection may make without a ban of its address, and why not more. Raises Unseen."""
    running = {os.path.basename(p.program) for p in host.processes()} | {p.name for p in host.processes()}
    if "fail2ban-server" in running:
        fewest = _fewest_retries(host)
        if fewest <= _LINES_EACH:
            return 0, f"fail2ban bans an address after {fewest} wrong logins, so none was tried"
        return (2, "") if fewest > 2 * _LINES_EACH else (1, "")
    return (1, "") if running & set(_GUARDS) else (2, "")


def _fewest_retries(host: Host) -> int:
    """The fewest wrong logins after which a jail of fail2ban bans. Raises Unseen."""
    listed = re.search(r"Jail list:\s*(.*)", host.run("fail2ban-client", "status").stdout)
    jails = re.split(r"[,\s]+", listed.group(1).strip()) if listed and listed.group(1).strip() else []
    told = [host.run("fail2ban-client", "get", jail, "maxretry").stdout.strip() for jail in jails]
    if not all(text.isdigit() for text in told):
        raise Unseen("'fail2ban-client get … maxretry' told no number")
    return min(map(int, told), default=100)


def _read(probed: Probed, tails: Mapping[str, Tail]) -> None:
    """Read what the places gained, until all wrong logins stand somewhere or the time for it is over."""
    end = time.monotonic() + LINE_S
    asked = 0
    while True:
        asked += 1
        for path, tail in tails.items():
            try:
                probed.lines[path] = tail.gained(asked)
            except Unseen as unseen:
                probed.unread[path] = str(unseen)
        everything = "\n".join(line for lines in probed.lines.values() for line in lines)
        if all(one.user in everything for one in probed.attempts) and asked > 1:
            return
        if time.monotonic() > end:
            return
        time.sleep(0.3)


# -- trying -----------------------------------------------------------------------------------------------------------


def _try(door: Door, times: int, probed: Probed, settled: threading.Event) -> None:
    """Several wrong logins in one connection."""
    settled.wait(SETTLE_S + 2)
    address, source = _way(door)
    if not address:
        probed.troubles[door] = "it listens at no address of IPv4"
        return
    probed.sources[door] = source
    tried: list[Attempt] = []
    try:
        with socket.create_connection((address, door.port), ANSWER_S, (source, 0)) as plain:
            talk = Talk(tls_clients.with_anybody().wrap_socket(plain) if door.tls else plain)
            _SPEECHES[door.protocol](talk, door, source, times, tried.append)
            talk.sock.close()
    except (OSError, ValueError, EOFError) as error:
        probed.troubles[door] = getattr(error, "strerror", "") or str(error) or type(error).__name__
    probed.attempts += tried


def _way(door: Door) -> tuple[str, str]:
    """An address at which a door is open, and the one to come from."""
    source = ".".join(["127", *(str(2 + byte % 250) for byte in os.urandom(3))])
    for text in door.addresses or ("127.0.0.1",):
        address = ipaddress.ip_address(text)
        if address.version == 4:
            return ("127.0.0.1" if address.is_unspecified else text), source
    return "", ""


def _made_up() -> tuple[str, str]:
    """A user who does not exist and a password that nobody has."""
    return f"privacy-hosting-{os.urandom(6).hex()}", os.urandom(9).hex()


def _plain(user: str, secret: str) -> str:
    return base64.b64encode(f"\0{user}\0{secret}".encode()).decode()


Keep = Callable[[Attempt], None]


def _wrong(
    talk: Talk, door: Door, source: str, times: int, keep: Keep, speak: Callable[[Talk, str, str], str], refused: str
) -> None:
    """Wrong logins by one way to say it. refused: how the answer to one begins."""
    for number in range(times):
        user, secret = _made_up()
        answer = speak(talk, user, secret).strip()
        last = answer.splitlines()[-1] if answer else ""
        outcome = "" if re.match(refused, last) and not _UNASKED.search(last) else _SHORT.sub("", last)[:60]
        keep(Attempt(door, number, user, secret, source, outcome))


_UNASKED = re.compile(r"PRIVACYREQUIRED|ENCRYPT-NEEDED|disallowed|\[UNAVAILABLE\]|\[SYS/", re.IGNORECASE)
_SHORT = re.compile(r"[^\x20-\x7e]")


def _imap(talk: Talk, door: Door, source: str, times: int, keep: Keep) -> None:
    talk.hear(r"\* ")
    if not door.tls and re.search(r"(?m)^s OK", talk.ask("s STARTTLS", "s ")):
        talk.begin_tls()
    _wrong(talk, door, source, times, keep, lambda t, u, p: t.ask(f"l LOGIN {u} {p}", "l "), "l NO")


def _pop3(talk: Talk, door: Door, source: str, times: int, keep: Keep) -> None:
    talk.hear(r"[+-]")
    if not door.tls and talk.ask("STLS", r"[+-]").startswith("+OK"):
        talk.begin_tls()

    def speak(t: Talk, user: str, secret: str) -> str:
        told = t.ask(f"USER {user}", r"[+-]")
        return t.ask(f"PASS {secret}", r"[+-]") if told.startswith("+") else told

    _wrong(talk, door, source, times, keep, speak, "-ERR")


def _managesieve(talk: Talk, door: Door, source: str, times: int, keep: Keep) -> None:
    end = r"(OK|NO|BYE)\b"
    if "STARTTLS" in talk.hear(end) and not door.tls and talk.ask("STARTTLS", end).startswith("OK"):
        talk.begin_tls()
        talk.hear(end)
    _wrong(
        talk, door, source, times, keep,
        lambda t, u, p: t.ask(f'AUTHENTICATE "PLAIN" "{_plain(u, p)}"', end), "NO",
    )  # fmt: skip


def _smtp(talk: Talk, door: Door, source: str, times: int, keep: Keep) -> None:
    end = r"\d{3}(?!-)"
    talk.hear(end)
    told = talk.ask("EHLO privacy-hosting.invalid", end)
    if "STARTTLS" in told and not door.tls and talk.ask("STARTTLS", end).startswith("220"):
        talk.begin_tls()
        told = talk.ask("EHLO privacy-hosting.invalid", end)
    if not re.search(r"(?m)^250[- ]AUTH[ =].*\bPLAIN\b", told):
        raise ValueError("it offers no way to log in (AUTH PLAIN) from the host itself")
    _wrong(talk, door, source, times, keep, lambda t, u, p: t.ask(f"AUTH PLAIN {_plain(u, p)}", end), "535")


def _relay(talk: Talk, door: Door, source: str, times: int, keep: Keep) -> None:
    """A connection alone: it is for what a server writes of each."""
    end = r"\d{3}(?!-)"
    talk.hear(end)
    talk.ask("QUIT", end)


_SPEECHES: Mapping[str, Callable[[Talk, Door, str, int, Keep], None]] = {
    "imap": _imap,
    "pop3": _pop3,
    "managesieve": _managesieve,
    "smtp": _smtp,
    "relay": _relay,
}


def before_reload(host: Host, master: int, since: dt.datetime) -> bool:
    """Whether children of a master that answer logins are older than its last reload."""
    return any(
        process.parent == master and os.path.basename(process.program) == "auth" and process.started < since
        for process in Host(host.limits).processes()
    )
