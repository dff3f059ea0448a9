# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot 2.3 and 2.4: what its files say, where it listens, and since when it runs by them.

doveconf reads the files, so it tells what is configured; its two languages differ in names and in how values are
written, not in how it prints them: 'key = value', and 'name {' to '}'.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .._finding import RUNNING, Layer
from .._host import Host, Process, Unseen
from .loaded import loaded
from .units import starts_at_boot

MAIN = "/etc/dovecot/dovecot.conf"
UNIT = "dovecot.service"
# the service that takes logins -> the protocol
_LOGIN = {
    "imap-login": "imap",
    "pop3-login": "pop3",
    "submission-login": "submission",
    "managesieve-login": "managesieve",
}
# what blocks of one protocol are called
_PROTOCOL = {"managesieve": "sieve", "submissions": "submission"}
# settings that are asked for by name: so defaults are told too
KEYS = (
    *("auth_verbose", "auth_debug", "auth_verbose_passwords", "auth_debug_passwords", "log_debug"),
    *("log_path", "info_log_path", "debug_log_path", "syslog_facility", "log_timestamp"),
    *("login_log_format", "login_log_format_elements", "login_trusted_networks", "haproxy_trusted_networks"),
    *("deliver_log_format", "mail_plugins", "mail_log_fields", "rawlog_dir", "sieve_trace_dir", "sieve_trace_level"),
    *("protocols", "syslog_name", "instance_name"),
    *("ssl", "ssl_min_protocol", "disable_plaintext_auth", "auth_allow_cleartext", "auth_mechanisms", "listen"),
)


@dataclass
class Block:
    """A block of the configuration: its kind ('service'), its name ('imap-login'), its values and inner blocks."""

    kind: str
    name: str
    values: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def named(self, kind: str) -> list[Block]:
        """The inner blocks of a kind."""
        return [block for block in self.blocks if block.kind == kind]

    def all(self) -> Iterator[Block]:
        """All blocks inside, also deeper ones."""
        for block in self.blocks:
            yield block
            yield from block.all()


@dataclass(frozen=True)
class Door:
    """Where people log in. protocol: an option's name; tls: from the first byte; addresses: that it listens at."""

    protocol: str
    port: int
    tls: bool
    addresses: tuple[str, ...] = ()
    haproxy: bool = False


@dataclass
class Dovecot:
    """One Dovecot: its main file, what doveconf says, and its processes (none where it does not run)."""

    host: Host
    main: str
    values: Mapping[str, str]
    root: Block
    master: Process | None

    def get(self, key: str, protocol: str = "") -> str:
        """A setting's value, as a protocol's block changes it; '' where it is not set."""
        for block in self.root.named("protocol"):
            if protocol and key in block.values and is_of(block, protocol):
                return block.values[key]
        return self.values.get(key, "")

    def is_on(self, key: str, protocol: str = "") -> bool:
        """Whether a setting is 'yes'."""
        return self.get(key, protocol).lower() in ("yes", "y", "1", "true")

    def narrowed(self, *keys: str) -> list[str]:
        """The blocks for some addresses or names (remote, local, filters) that change one of the keys."""
        return [
            f"{block.kind} {block.name} {{ {key} }}"
            for block in self.root.all()
            if block.kind in ("remote", "local", "local_name") or block.name.startswith("!")
            for inner in (block, *block.all())
            for key in keys
            if key in inner.values
        ]

    @cached_property
    def files(self) -> list[str]:
        """The files that it would load, main file first."""
        return list(_included(self.host, self.main, 0))

    @property
    def directories(self) -> list[str]:
        """The directories that these files lie in: they change with the names in them."""
        return sorted({os.path.dirname(path) for path in self.files})

    @cached_property
    def running(self) -> Layer:
        """Whether what it loaded at its start, or last reload, is what the files say now."""
        since = self.since
        if since is None:
            return Layer(RUNNING, None, "Dovecot does not run")
        return loaded(self.host, since, self.files, self.directories)

    @cached_property
    def since(self) -> dt.datetime | None:
        """When it last read its files: a start and a reload both begin a new 'dovecot/log'; None if it does not run."""
        if self.master is None:
            return None
        pid = self.master.pid
        logs = [p.started for p in self.host.processes() if p.parent == pid and os.path.basename(p.program) == "log"]
        return max(logs, default=None)

    def source(self, key: str) -> str:
        """'file:line' of the last line that sets a key, else the command that tells its value."""
        found = ""
        for path in self.files:
            for number, line in enumerate(self.host.read(path).splitlines(), 1):
                if re.match(rf"\s*{re.escape(key)}\s*[={{]", line):
                    found = f"{path}:{number}"
        return found or f"doveconf {key}"

    @cached_property
    def doors(self) -> list[Door]:
        """Where it takes logins: the listening sockets, else what it would listen to."""
        told = list(self._configured_doors())
        if self.master is None:
            return told
        open_at = self._open_ports()
        return [
            Door(door.protocol, door.port, door.tls, tuple(open_at[door.port]), door.haproxy)
            for door in told
            if door.port in open_at
        ]

    @cached_property
    def inner_doors(self) -> list[Door]:
        """Where it takes what its own parts on other machines say; protocol: the service's name."""
        found = []
        open_at = self._open_ports()
        for service in self.root.named("service"):
            for listener in service.named("inet_listener") if service.name not in _LOGIN else ():
                port = _port(listener, "")
                if port and (self.master is None or port in open_at):
                    tls = listener.values.get("ssl", "no") == "yes"
                    found.append(Door(service.name, port, tls, tuple(open_at.get(port, ()))))
        return found

    @cached_property
    def unexplained(self) -> list[int]:
        """Ports that it listens at and that its files do not name."""
        if self.master is None:
            return []
        explained = {door.port for door in self._configured_doors()}
        explained |= {
            _port(block, block.name)
            for service in self.root.named("service")
            for block in service.named("inet_listener")
        }
        return sorted(port for port in self._open_ports() if port not in explained)

    def _open_ports(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        pids = {self.master.pid} if self.master else set()
        for listener in self.host.listeners():
            if listener.protocol.startswith("tcp") and pids & set(listener.pids):
                found.setdefault(listener.port, []).append(listener.address)
        return found

    def _configured_doors(self) -> Iterator[Door]:
        """All listeners of services that take logins, of protocols that are switched on."""
        spoken = self._protocols()
        for service in self.root.named("service"):
            protocol = _LOGIN.get(service.name)
            if protocol is None or _PROTOCOL.get(protocol, protocol) not in spoken:
                continue
            for listener in service.named("inet_listener"):
                port = _port(listener, listener.name)
                if port:
                    tls = listener.values.get("ssl", "yes" if listener.name in _TLS else "no") == "yes"
                    named = "submissions" if protocol == "submission" and tls else protocol
                    yield Door(named, port, tls, haproxy=listener.values.get("haproxy") == "yes")

    def _protocols(self) -> set[str]:
        for block in self.root.named("protocols"):  # 2.4
            return {name for name, value in block.values.items() if value == "yes"}
        return set(self.values.get("protocols", "").split())  # 2.3


_TLS = ("imaps", "pop3s", "submissions")
# inet_listeners of Dovecot whose port need not be written
_PORTS = {
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
    "submission": 587,
    "submissions": 465,
}


def _port(listener: Block, name: str) -> int:
    value = listener.values.get("port", "")
    return int(value) if value.isdigit() else _PORTS.get(name, 0)


def find(host: Host) -> Dovecot | None:
    """The host's Dovecot; None where none runs or starts at boot. Raises Unseen: more than one, or in a container."""
    return host.once("dovecot", lambda: _find(host))


def _find(host: Host) -> Dovecot | None:
    masters = [p for p in host.processes() if os.path.basename(p.program) == "dovecot"]
    pids = {p.pid for p in masters}
    masters = [p for p in masters if p.parent not in pids]
    if any(p.contained for p in masters):
        raise Unseen("a Dovecot runs in a container, whose files and logs are not looked at")
    if len(masters) > 1:
        raise Unseen(f"{len(masters)} Dovecots run; only one can be judged")
    if not masters and (not host.has("dovecot") or starts_at_boot(host, UNIT) is False):
        return None
    return read(host, masters[0] if masters else None)


def read(host: Host, master: Process | None) -> Dovecot:
    """What doveconf says of the files that a master was started with. Raises Unseen."""
    main = _main_file(master)
    named = ["-c", main] if main != MAIN else []
    values = parse(host.run("doveconf", *named, *KEYS).stdout)
    root = parse(host.run("doveconf", *named, "-n").stdout)
    services = parse(host.run("doveconf", *named, "service").stdout)  # with the listeners that are defaults
    root.blocks = [block for block in root.blocks if block.kind != "service"] + services.named("service")
    told = {**root.values, **values.values}
    if not told.get("log_path"):
        raise Unseen("'doveconf log_path' told nothing")
    for block in values.blocks:  # mail_log_fields of 2.4 is a block of its own
        if block.kind not in {known.kind for known in root.blocks}:
            root.blocks.append(block)
    return Dovecot(host, main, told, root, master)


def is_of(block: Block, protocol: str) -> bool:
    """Whether a block 'protocol NAME' is of a protocol, by an option's name; '!NAME' is of all others."""
    names, inner = block.name.strip('"').split(), _PROTOCOL.get(protocol, protocol)
    negated = [name[1:] for name in names if name.startswith("!")]
    return inner not in negated if negated else inner in names


def _main_file(master: Process | None) -> str:
    argv = master.argv if master else ()
    for word, following in zip(argv, argv[1:]):
        if word == "-c":
            return following
    return MAIN


def parse(text: str) -> Block:
    """What doveconf prints, as a tree."""
    root = Block("", "")
    stack = [root]
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        opened = re.fullmatch(r"(!?\S+)(?: (.*?))? ?\{", line)
        pair = re.match(r"(\S+?) ?=(?: (.*))?$", line)
        if opened and not (pair and "=" in opened.group(1)):
            block = Block(opened.group(1), _plain(opened.group(2) or ""))
            stack[-1].blocks.append(block)
            stack.append(block)
        elif line == "}":
            if len(stack) > 1:
                stack.pop()
        elif pair:
            stack[-1].values[pair.group(1).strip('"')] = _plain(pair.group(2) or "")
    return root


def _plain(value: str) -> str:
    """A value without the quotes of 2.4."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value.strip() if not value.strip() else value


def _included(host: Host, path: str, depth: int) -> Iterator[str]:
    """A file and those that it includes."""
    if depth > 10:
        raise Unseen(f"{path} is included too deep")
    yield path
    for line in host.read(path).splitlines():
        match = re.match(r"\s*!include(_try)?\s+(\S+)", line)
        if match:
            pattern = os.path.join(os.path.dirname(path), match.group(2))
            for name in host.glob(pattern):
                yield from _included(host, name, depth + 1)


def holds(text: str, *items: str) -> bool:
    """Whether a log format holds one of these items: a letter (%u), or a long name (%{user}, %{user | lower})."""
    short = [item for item in items if len(item) == 1]
    long = [item for item in items if len(item) > 1]
    # modifiers of 2.3 stand before the letter: %Lu, %-10u
    return any(re.search(rf"%[-0-9.A-Z]*{item}(?![a-z])", text) for item in short) or any(
        re.search(rf"%[A-Z]*\{{\s*{item}\s*[|}}]", text) for item in long
    )


def trusted(values: Sequence[str]) -> list[str]:
    """The networks of settings that list them with blanks or commas."""
    return [word for value in values for word in re.split(r"[\s,]+", value) if word]
