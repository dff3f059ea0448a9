# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix: its settings, its services with what master.cf changes for them, and since when it runs by them.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from .._finding import RUNNING, Layer
from .._host import Host, Process, Unseen
from .loaded import loaded
from .units import starts_at_boot

DIRECTORY = "/etc/postfix"
UNITS = ("postfix.service", "postfix@-.service")


@dataclass(frozen=True)
class Service:
    """A line of master.cf. settings: what its -o options change; tls: from the first byte; source: 'file:line'."""

    name: str
    kind: str
    command: str
    arguments: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def get(self, key: str) -> str:
        """A setting's value for this service."""
        return self.settings.get(key, self.defaults.get(key, ""))

    def is_on(self, key: str) -> bool:
        """Whether a setting is 'yes'."""
        return self.get(key).lower() == "yes"

    @property
    def verbose(self) -> bool:
        """Whether it writes down whole conversations (-v)."""
        return any(re.fullmatch(r"-[a-zA-Z]*v+", word) for word in self.arguments)

    @property
    def address(self) -> str:
        """The address that it listens at, '' for those of inet_interfaces."""
        return self.name.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port that it listens at; 0 where its name tells none."""
        name = self.name.rpartition(":")[2]
        try:
            return int(name) if name.isdigit() else socket.getservbyname(name, "tcp")
        except OSError:
            return 0


@dataclass
class Postfix:
    """One Postfix: its directory, its settings expanded, its services, and its master (None where it does not run)."""

    host: Host
    directory: str
    settings: Mapping[str, str]
    services: tuple[Service, ...]
    master: Process | None

    def get(self, key: str) -> str:
        """A setting of main.cf, else its default."""
        return self.settings.get(key, "")

    @property
    def smtpd(self) -> list[Service]:
        """The services that speak SMTP with whoever connects over the network."""
        return [s for s in self.services if s.kind == "inet" and s.command in ("smtpd", "postscreen")]

    @property
    def inet(self) -> list[Service]:
        """The services that listen to the network."""
        return [service for service in self.services if service.kind == "inet"]

    def behind(self, service: Service) -> Service | None:
        """The service with the settings that decide: postscreen hands over to one that does not listen itself."""
        if service.command != "postscreen":
            return service
        hidden = next((s for s in self.services if s.kind == "pass" and s.command == "smtpd"), None)
        return replace(service, settings=hidden.settings) if hidden else None

    @property
    def doors(self) -> list[Service]:
        """The services at which people can log in."""
        found = [self.behind(service) or service for service in self.smtpd]
        return [door for door in found if door.is_on("smtpd_sasl_auth_enable")]

    def open_at(self, service: Service) -> tuple[str, ...]:
        """The addresses that a service listens at; none where it does not run."""
        pid = self.master.pid if self.master else 0
        found = [
            one.address
            for one in self.host.listeners()
            if pid in one.pids and one.port == service.port and one.protocol.startswith("tcp")
        ]
        return (service.address,) if service.address in found else tuple(found)

    def transport(self, name: str) -> Service | None:
        """The service that delivers by a name, as transport tables and settings use it."""
        return next((s for s in self.services if s.name == name and s.kind in ("unix", "fifo")), None)

    @property
    def files(self) -> list[str]:
        """The files that it loads."""
        return [f"{self.directory}/main.cf", f"{self.directory}/master.cf"]

    @cached_property
    def since(self) -> dt.datetime | None:
        """When it last read its files: a start and a reload both begin a new queue manager; None if it does not run."""
        if self.master is None:
            return None
        pid = self.master.pid
        begun = [p.started for p in self.host.processes() if p.parent == pid and os.path.basename(p.program) == "qmgr"]
        return max(begun, default=self.master.started)

    @cached_property
    def running(self) -> Layer:
        """Whether what it loaded at its start, or last reload, is what the files say now."""
        if self.since is None:
            return Layer(RUNNING, None, "Postfix does not run")
        return loaded(self.host, self.since, self.files, ())

    def source(self, key: str) -> str:
        """'file:line' of the last line of main.cf that sets a key, else the command that tells its value."""
        found = ""
        path = f"{self.directory}/main.cf"
        for number, line in enumerate(self.host.read(path).splitlines(), 1):
            if re.match(rf"{re.escape(key)}\s*=", line):
                found = f"{path}:{number}"
        return found or f"postconf {key}"


def find(host: Host) -> Postfix | None:
    """The host's Postfix; None where none runs or starts at boot. Raises Unseen: more than one, or in a container."""
    return host.once("postfix", lambda: _find(host))


def _find(host: Host) -> Postfix | None:
    masters = [p for p in host.processes() if re.search(r"/postfix/(s?bin/)?master$", p.program)]
    if any(p.contained for p in masters):
        raise Unseen("a Postfix runs in a container, whose files and logs are not looked at")
    if len(masters) > 1:
        raise Unseen(f"{len(masters)} Postfixes run; only one can be judged")
    if not masters and (not host.has("postconf") or all(starts_at_boot(host, unit) is False for unit in UNITS)):
        return None
    return read(host, masters[0] if masters else None)


def read(host: Host, master: Process | None) -> Postfix:
    """What postconf says of the files that a master was started with. Raises Unseen."""
    directory = _directory(host, master)
    command = ("postconf", "-c", directory) if directory != DIRECTORY else ("postconf",)
    settings = _pairs(host.run(*command, "-x").stdout)
    changed = _pairs(host.run(*command, "-Px").stdout)
    lines = _lines(host.read(f"{directory}/master.cf"))
    services = []
    for line in host.run(*command, "-M").stdout.splitlines():
        words = line.split()
        if len(words) < 8:
            raise Unseen(f"a line of {directory}/master.cf was not understood")
        name, kind, called = words[0], words[1], f"{words[0]}/{words[1]}/"
        own = {key[len(called) :]: value for key, value in changed.items() if key.startswith(called)}
        number = lines.get((name, kind), 0)
        source = f"{directory}/master.cf:{number}" if number else f"{directory}/master.cf"
        services.append(Service(name, kind, words[7], tuple(words[8:]), own, settings, source))
    return Postfix(host, directory, settings, tuple(services), master)


def _directory(host: Host, master: Process | None) -> str:
    """The directory of the files that a master reads: that of its environment, else the usual one."""
    if master is None:
        return DIRECTORY
    with host.open(f"/proc/{master.pid}/environ") as stream:
        told = [word[12:] for word in stream.read(1 << 20).split(b"\0") if word.startswith(b"MAIL_CONFIG=")]
    return told[0].decode("utf-8", "replace").rstrip("/") if told else DIRECTORY


def _pairs(text: str) -> dict[str, str]:
    pairs = (line.partition(" =") for line in text.splitlines())
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Name and kind of each service of master.cf -> the number of its line."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if line[:1].strip() and not line.startswith("#") and len(words) > 1:
            found[words[0], words[1]] = number
    return found
