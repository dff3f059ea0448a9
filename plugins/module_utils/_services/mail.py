# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail servers of a host: where people log in, which program takes them, and which of them nobody here can judge.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._host import Host, Unseen
from . import dovecot, postfix
from .listeners import unknown_listeners
from .units import starts_at_boot

PROTOCOLS = ("imap", "pop3", "submission", "submissions", "managesieve")
# ports at which mail programs talk, whoever listens there
_PORTS = {
    25: "relay",
    110: "pop3",
    143: "imap",
    465: "submissions",
    587: "submission",
    993: "imap",
    995: "pop3",
    4190: "managesieve",
}
# other mail servers, by what their file is called, and units that start them
_OTHERS = {
    "Exim": ("exim", "exim4", "exim4.service"),
    "sendmail": ("sendmail-mta", "sm-mta", "sendmail.service"),
    "OpenSMTPD": ("smtpd", "opensmtpd.service"),
    "Courier": (
        "couriertcpd",
        "courierlogger",
        "authdaemond",
        "courier-imap.service",
        "courier-pop.service",
        "courier.service",
    ),
    "Cyrus IMAP": ("cyrmaster", "cyrus-imapd.service"),
    "Stalwart": ("stalwart", "stalwart-mail", "stalwart-mail.service"),
    "Maddy": ("maddy", "maddy.service"),
    "DBMail": ("dbmail-imapd", "dbmail-imapd.service"),
    "Kopano": ("kopano-gateway", "kopano-gateway.service"),
    "Grommunio": ("gromox-imap", "gromox-imap.service"),
    "Axigen": ("axigen", "axigen.service"),
    "Zimbra": ("zmmailboxd", "zimbra.service"),
    "James": ("james", "james.service"),
}
# what looks at contents and keeps a log of its own
_FILTERS = {
    "rspamd": "rspamd",
    "amavisd-new": "amavis",
    "amavisd": "amavis",
    "amavi": "amavis",
    "mailscanner": "MailScanner",
}


@dataclass(frozen=True)
class Way:
    """A way to log in. protocol: an option's name; program: 'Dovecot' or 'Postfix'; tls: from the first byte.

    addresses: that it listens at, none where it does not run; haproxy: a proxy says for whom it speaks.
    service: Postfix's line of master.cf.
    """

    protocol: str
    program: str
    port: int
    tls: bool
    addresses: tuple[str, ...] = ()
    haproxy: bool = False
    service: postfix.Service | None = None

    @property
    def label(self) -> str:
        """What the report calls it."""
        return f"{NAMES[self.protocol]}, port {self.port} ({self.program})"


NAMES = {
    "imap": "IMAP",
    "pop3": "POP3",
    "submission": "submission",
    "submissions": "submissions",
    "managesieve": "ManageSieve",
    "webmail": "webmail",
}


@dataclass(frozen=True)
class Stranger:
    """A program that takes mail or logins and cannot be judged. protocols: of which it may take logins, () for all."""

    name: str
    why: str
    protocols: tuple[str, ...] = ()


def ways(host: Host) -> list[Way]:
    """All ways to log in that Dovecot and Postfix offer. Raises Unseen."""
    return host.once("mail_ways", lambda: list(_ways(host)))


def _ways(host: Host) -> Iterator[Way]:
    server = dovecot.find(host)
    for door in server.doors if server else ():
        yield Way(door.protocol, "Dovecot", door.port, door.tls, door.addresses, door.haproxy)
    sender = postfix.find(host)
    for service in sender.doors if sender else ():
        tls = service.is_on("smtpd_tls_wrappermode")
        addresses = _addresses(host, sender.master.pid if sender and sender.master else 0, service.port)
        proxied = bool(service.get("smtpd_upstream_proxy_protocol"))
        yield Way("submissions" if tls else "submission", "Postfix", service.port, tls, addresses, proxied, service)


def _addresses(host: Host, pid: int, port: int) -> tuple[str, ...]:
    return tuple(
        one.address
        for one in host.listeners()
        if pid in one.pids and one.port == port and one.protocol.startswith("tcp")
    )


def strangers(host: Host) -> list[Stranger]:
    """All that may take logins or messages and cannot be judged. Raises Unseen."""
    return host.once("mail_strangers", lambda: list(_strangers(host)))


def unjudged(host: Host) -> Iterator[Stranger]:
    """Mail servers that cannot be judged, also where they only send."""
    for find in (dovecot.find, postfix.find):
        try:
            find(host)
        except Unseen as unseen:
            yield Stranger("mail server", str(unseen))
    yield from _others(host)


def _strangers(host: Host) -> Iterator[Stranger]:
    yield from unjudged(host)
    yield from _foreign_ports(host)
    yield from _unexplained(host)
    for listener in unknown_listeners(host):
        yield Stranger(listener.program, str(listener))


def _others(host: Host) -> Iterator[Stranger]:
    """Mail servers that are known by name, running or started at boot."""
    running = {os.path.basename(p.program): p.program for p in host.processes()}
    for name, signs in _OTHERS.items():
        programs = [sign for sign in signs if sign in running and "/postfix/" not in running[sign]]
        units = [sign for sign in signs if sign.endswith(".service") and _may_start(host, sign)]
        if programs or units:
            how = "runs" if programs else f"may start at boot ({units[0]})"
            yield Stranger(name, f"{name} {how}, and is not judged")


def _may_start(host: Host, unit: str) -> bool:
    return starts_at_boot(host, unit) is not False


def _foreign_ports(host: Host) -> Iterator[Stranger]:
    """Programs other than Dovecot and Postfix that listen at a port of mail."""
    programs = {p.pid: os.path.basename(p.program) or p.name for p in host.processes()}
    own = {p.pid for p in host.processes() if "/postfix/" in p.program or "dovecot" in p.program}
    found: dict[tuple[str, int], None] = {}
    for listener in host.listeners():
        if listener.protocol.startswith("tcp") and listener.port in _PORTS and not own & set(listener.pids):
            who = sorted({programs.get(pid, "") for pid in listener.pids} - {""}) or ["a process that cannot be seen"]
            found[who[0], listener.port] = None
    for program, port in found:
        protocol = _PORTS[port]
        reach = ("submission", "submissions", "relay") if protocol == "relay" else (protocol,)
        yield Stranger(program, f"{program} listens on :{port}, and is not judged", reach)


def _unexplained(host: Host) -> Iterator[Stranger]:
    """Ports at which Dovecot or Postfix listens and that its files do not name."""
    try:
        server, sender = dovecot.find(host), postfix.find(host)
    except Unseen:
        return
    for port in server.unexplained if server else ():
        yield Stranger("Dovecot", f"Dovecot listens on :{port}, which its files do not name")
    if sender and sender.master:
        named = {service.port for service in sender.services if service.kind == "inet"}
        open_at = {one.port for one in host.listeners() if sender.master.pid in one.pids}
        for port in sorted(open_at - named):
            yield Stranger("Postfix", f"Postfix listens on :{port}, which master.cf does not name")


def content_filters(host: Host) -> list[str]:
    """Programs that look into messages and write logs of their own."""
    names = {
        name
        for p in host.processes()
        for name in (
            os.path.basename(p.program),
            p.name,
            re.sub(r"\W.*", "", p.argv[0].rpartition("/")[2]) if p.argv else "",
        )
    }
    return sorted({told for name, told in _FILTERS.items() if name.lower() in {one.lower() for one in names}})
