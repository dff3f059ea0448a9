# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom Postfix hands mail to, and whom it tells or asks about it.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .._host import Host, Unseen
from .mail_peers import Peer, is_here
from .postfix import Postfix, Service
from .postfix_tables import rows, shown, tables, words

# settings that hold 'transport:nexthop', and tables that do
_TRANSPORTS = (
    *("default_transport", "relay_transport", "virtual_transport", "local_transport", "mailbox_transport"),
    *("fallback_transport", "content_filter"),
)
_TRANSPORT_MAPS = (
    *("transport_maps", "mailbox_transport_maps", "fallback_transport_maps"),
    "sender_dependent_default_transport_maps",
)
_FILTER_MAPS = ("header_checks", "mime_header_checks", "nested_header_checks", "body_checks")
_HERE = ("local", "virtual", "error", "retry", "discard")
# programs that put mail into mailboxes of the host
_STORING = ("dovecot-lda", "deliver", "maildrop", "procmail", "mailman", "true", "false")


@dataclass(frozen=True)
class Hop:
    """A fixed machine that mail is handed to. destination: as it is written, '[relay.example]:587'; source: where."""

    service: Service
    destination: str
    source: str

    @property
    def place(self) -> str:
        """The machine's name or address, without brackets and port."""
        return place(self.destination)


@dataclass
class Handed:
    """Where mail goes. direct: services that bring it to the servers of its domain; unread: what could not be told."""

    hops: list[Hop] = field(default_factory=list)
    direct: list[Service] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)


def place(destination: str) -> str:
    """The name or address in a next hop."""
    match = re.match(r"\[([^\]]+)\]", destination)
    return match.group(1) if match else destination.partition(":")[0]


def handed(host: Host, sender: Postfix) -> Handed:
    """All places that its settings and tables hand mail to, but for those on the host itself. Raises Unseen."""
    found = Handed()
    usual = sender.get("default_transport").partition(":")[0] or "smtp"
    for value, source in _told(host, sender, found):
        name, _colon, nexthop = value.partition(":")
        _deliver(host, sender, found, name or usual, nexthop, source)
    for value, source in _relayhosts(host, sender, found):
        _deliver(host, sender, found, usual, value, source)
    for service in sender.services:
        if service.command == "smtp":
            for value in words(service.get("smtp_fallback_relay")):
                _hop(host, found, service, value, sender.source("smtp_fallback_relay"))
    if not sender.get("relayhost"):
        _direct(sender, found, usual)
    return found


def _told(host: Host, sender: Postfix, found: Handed) -> Iterator[tuple[str, str]]:
    """All that is written as 'transport:nexthop', with its source."""
    for key in _TRANSPORTS:
        value = sender.get(key)
        unused = key == "relay_transport" and not sender.get("relay_domains")
        if value and not unused and (key != "default_transport" or ":" in value):
            yield value, sender.source(key)
    for service in sender.services:
        if service.settings.get("content_filter"):
            yield service.settings["content_filter"], service.source
    for table in [table for key in _TRANSPORT_MAPS for table in tables(sender.get(key))]:
        for value in _values(host, sender, table, found):
            yield value, shown(table)
    for table in _filtering(sender):
        told = _values(host, sender, table, Handed())  # most of these tables lead nowhere else
        yield from ((value[7:].strip(), shown(table)) for value in told if value.upper().startswith("FILTER "))


def _filtering(sender: Postfix) -> list[str]:
    """The tables whose rows may say FILTER."""
    told = [table for key in _FILTER_MAPS for table in tables(sender.get(key))]
    for settings in (sender.settings, *(service.settings for service in sender.services)):
        told += [
            table
            for key, value in settings.items()
            if re.fullmatch(r"smtpd_\w+_restrictions", key)
            for table in tables(value)
        ]
    return list(dict.fromkeys(told))


def _relayhosts(host: Host, sender: Postfix, found: Handed) -> Iterator[tuple[str, str]]:
    for value in words(sender.get("relayhost")):
        yield value, sender.source("relayhost")
    for table in tables(sender.get("sender_dependent_relayhost_maps")):
        for value in _values(host, sender, table, found):
            yield value, shown(table)


def _values(host: Host, sender: Postfix, table: str, found: Handed) -> list[str]:
    try:
        return list(dict.fromkeys(value for _key, value in rows(host, sender, table)))
    except Unseen as unseen:
        found.unread.append(str(unseen))
        return []


def _deliver(host: Host, sender: Postfix, found: Handed, name: str, nexthop: str, source: str) -> None:
    service = sender.transport(name)
    if service is None:
        found.unread.append(f"the transport {name} is not in master.cf")
    elif service.command == "pipe":
        program = _program(service)
        if program not in _STORING:
            found.programs.append(f"{name} hands mail to {program or 'a program'}, and where that sends it is not read")
    elif service.command in ("smtp", "lmtp"):
        if service.command == "lmtp" and nexthop.startswith(("unix:", "/")):
            return
        for one in words(nexthop):
            _hop(host, found, service, one.removeprefix("inet:"), source)
        if not nexthop and service not in found.direct:
            found.direct.append(service)
    elif service.command not in _HERE:
        found.unread.append(f"what {service.command} does with mail is not judged")


def _program(service: Service) -> str:
    told = next((word[5:] for word in service.arguments if word.startswith("argv=")), "")
    return told.rpartition("/")[2]


def _hop(host: Host, found: Handed, service: Service, destination: str, source: str) -> None:
    hop = Hop(service, destination, source)
    known = {(one.service.name, one.destination) for one in found.hops}
    if is_here(host, hop.place):
        found.programs += _handing_on(host, service, destination)
    elif (service.name, destination) not in known:
        found.hops.append(hop)


def _handing_on(host: Host, service: Service, destination: str) -> Iterator[str]:
    """Programs on the host that take mail and may send it elsewhere.

    A service with a name of its own is one that somebody made for a filter, which gives mail back.
    """
    if service.name not in ("smtp", "relay"):
        return
    port = destination.rpartition(":")[2]
    programs = {one.pid: one for one in host.processes()}
    for listener in host.listeners():
        if str(listener.port) == port and listener.protocol.startswith("tcp"):
            names = {os.path.basename(programs[pid].program) for pid in listener.pids if pid in programs}
            for name in sorted(names - {"master", "dovecot"}):
                yield f"{name} on the host itself is handed mail, and where that sends it is not read"
            return
    yield "a program on the host itself is handed mail, and none listens there now"


def _direct(sender: Postfix, found: Handed, usual: str) -> None:
    """Without a relay, mail goes to the servers of its domains."""
    service = sender.transport(usual)
    if service is not None and service.command == "smtp" and ":" not in sender.get("default_transport"):
        found.direct = [service, *(one for one in found.direct if one is not service)]


# -- other programs that it speaks with -------------------------------------------------------------------------------


def peers(host: Host, sender: Postfix) -> list[Peer]:
    """Programs on other machines that filter mail or are asked about it; the protocols of these know no TLS."""
    found = []
    for key, value, source in _settings(sender):
        for what, text in _spoken(key, value):
            name = place(text)
            if not is_here(host, name):
                why = f"{what} without TLS, which that protocol does not know ({key})"
                found.append(Peer(what, name, False, False, why, source))
        found += _databases(host, key, value, source)
    return list(dict.fromkeys(found))


def _settings(sender: Postfix) -> Iterator[tuple[str, str, str]]:
    """All settings, with their sources; those that name who may open which table hold nothing new."""
    skipped = ("proxy_read_maps", "proxy_write_maps")
    for key, value in sender.settings.items():
        if ":" in value and key not in skipped:
            yield key, value, sender.source(key)
    for service in sender.services:
        for key, value in service.settings.items():
            if ":" in value:
                yield key, value, service.source


def _spoken(key: str, value: str) -> Iterable[tuple[str, str]]:
    if key in ("smtpd_milters", "non_smtpd_milters"):
        yield from (("messages go to a filter", one) for one in re.findall(r"\binet6?:([^\s,}]+)", value))
    elif key == "smtpd_proxy_filter" and not value.startswith("unix:"):
        yield "messages go to a filter", value.removeprefix("inet:")
    elif key == "smtpd_sasl_path" and value.startswith("inet:"):
        yield "passwords are asked about", value[5:]
    for one in re.findall(r"check_policy_service\s+\{?\s*inet:([^\s,}]+)", value):
        yield "addresses of messages are asked about", one
    for one in re.findall(r"\b(?:tcp|socketmap:inet):([^\s,}/]+:\d+)", value):
        yield "addresses of messages are asked about", one


def _databases(host: Host, key: str, value: str, source: str) -> Iterator[Peer]:
    """Directories and databases on other machines that tables are in; how they are asked is not judged."""
    for kind, path in re.findall(r"\b(ldap|mysql|pgsql):(/[^\s,}]+)", value):
        try:
            told = re.findall(r"(?m)^\s*(?:hosts|server_host|dbpath)\s*=\s*(.+)$", host.read(path))
        except Unseen:
            told = ["(unread)"]
        for name in words(" ".join(told)):
            bare = re.sub(r"^\w+://", "", name)
            if not bare.startswith(("/", "unix:")) and not is_here(host, place(bare)):
                why = f"{key} asks a {kind} server on another machine; whether by TLS is not judged"
                yield Peer(f"{kind} tables", place(bare), None, None, why, path)
