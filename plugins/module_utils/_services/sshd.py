# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSH's servers: which of them listen, with which files, and what each does for a connection.

`sshd -T -C` reads the files and tells what is in effect for one connection; which connections differ is told by
the patterns of the Match blocks.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import ipaddress
import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._finding import RUNNING, Layer
from .._host import Host, Process, Unseen
from .accounts import Account
from .authorized_keys import Network, network, within
from .loaded import loaded

CONFIGURATION = "/etc/ssh/sshd_config"
_TITLE = re.compile(r"(?:sshd: )?(?P<program>/\S*sshd)(?P<options>(?: .*)?)")
_WITH_VALUE = "CEbcfghkopu"  # options of sshd that have a value
_KEPT = "fo46"  # those that say what is configured, and are told to sshd -T
_UNIT_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_MOST_CIRCUMSTANCES = 200
_ELSEWHERE = ("192.0.2.77", "198.51.100.77", "203.0.113.77", "9.9.9.77", "77.77.77.77", "2001:db8:77::77", "2a00::77")
_NOBODY = "privacy-hosting-nobody"
_CRITERIA = frozenset(["all", "user", "group", "host", "address", "localaddress", "localport"])

Settings = Mapping[str, Sequence[str]]  # keyword in small letters -> its values


@dataclass(frozen=True)
class Server:
    """An OpenSSH server. options: of its command line, as far as they configure; ports: on which it listens now.

    pid: of what listens, 0 where systemd waits for it or where it only starts at boot; unit: systemd's, or ''.
    started: when that process began (aware, UTC); state: what it does if it does not run.
    """

    program: str
    options: tuple[str, ...]
    configuration: str
    ports: tuple[int, ...]
    pid: int = 0
    unit: str = ""
    started: dt.datetime | None = None
    state: str = ""

    @property
    def name(self) -> str:
        """How a report calls it."""
        where = ", ".join(f":{port}" for port in self.ports)
        own = "" if self.configuration == CONFIGURATION else f" with {self.configuration}"
        return f"sshd{f' on {where}' if where else ''}{own}{f' ({self.state})' if self.state else ''}"

    @property
    def command(self) -> tuple[str, ...]:
        return (self.program, "-T", *self.options)


@dataclass(frozen=True)
class Stranger:
    """An sshd that cannot be judged, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Directive:
    """One line of sshd's configuration. conditions: (criterion, value) of the Match block that it stands in."""

    keyword: str
    value: str
    conditions: tuple[tuple[str, str], ...]
    source: str

    @property
    def match(self) -> str:
        return " ".join(f"{name} {value}".strip() for name, value in self.conditions)


@dataclass(frozen=True)
class Circumstance:
    """From where and to where somebody connects: what Match blocks may ask. host: the name of the address."""

    address: str
    host: str
    local_address: str
    port: int


# -- which servers there are ------------------------------------------------------------------------------------------


def servers(host: Host) -> tuple[list[Server], list[Stranger]]:
    """Every sshd that listens, that systemd would start for a connection or at boot, and those not to be judged."""
    return host.once("sshd_servers", lambda: _servers(host))


def _servers(host: Host) -> tuple[list[Server], list[Stranger]]:
    found: list[Server] = []
    strangers: list[Stranger] = []
    held: dict[int, set[int]] = {}
    for listener in host.listeners():
        if listener.protocol.startswith("tcp"):
            for pid in listener.pids:
                held.setdefault(pid, set()).add(listener.port)
    for process in host.processes():
        if os.path.basename(process.exe) != "sshd" and process.name != "sshd":
            continue
        if process.contained:
            strangers.append(Stranger("sshd in a container", "what a container's sshd asks was not looked at"))
        elif _listens(process):
            one = _running(host, process, tuple(sorted(held.get(process.pid, ()))))
            (found if isinstance(one, Server) else strangers).append(one)  # type: ignore[arg-type]
    for waiting in _units(host):
        if not any(server.command == waiting.command for server in found):
            found.append(waiting)
    return found, list(dict.fromkeys(strangers))


def _listens(process: Process) -> bool:
    """Whether a process is an sshd that waits for connections, not one that serves one."""
    title = process.argv[0]
    if not title.startswith("sshd: "):
        return os.path.basename(title) == "sshd" and "-i" not in process.argv
    return "[listener]" in title


def _running(host: Host, process: Process, ports: tuple[int, ...]) -> Server | Stranger:
    """The server that a process is. Root's programs only are asked anything."""
    text = " ".join(process.argv).partition(" [listener]")[0]
    told = _TITLE.match(text)
    program = process.exe
    name = f"sshd on {', '.join(f':{port}' for port in ports)}"
    owner = host.stat(f"/proc/{process.pid}")
    if owner is not None and owner.st_uid != 0:
        return Stranger(name, "it runs without root's rights, as somebody's own program")
    if told is None or not _trusted(host, program):
        return Stranger(name, f"its program {program} is not one that is asked as root: replaced, or not root's alone")
    server = _of_words([program, *_words(told["options"])])
    unit = next((part for part in reversed(process.cgroup.split("/")) if part.endswith(".service")), "")
    return replace(server, ports=ports, pid=process.pid, unit=unit, started=process.started)


def _trusted(host: Host, program: str) -> bool:
    """Whether a program, and each directory above it, is root's alone."""
    path = program
    while True:
        status = host.stat(path)
        if status is None or status.st_uid != 0 or status.st_mode & 0o022:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def _words(text: str) -> list[str]:
    """The words of a process title, where an option's value may hold blanks ('-o Port 22')."""
    words: list[str] = []
    for word in text.split():
        if words and words[-1] != "-o" and len(words) > 1 and words[-2] == "-o" and not word.startswith("-"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _of_words(words: Sequence[str]) -> Server:
    """The server that a command line starts, without what it does not configure."""
    kept: list[str] = []
    configuration = CONFIGURATION
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-") or len(word) < 2:
            continue
        value = word[2:] if word[1] in _WITH_VALUE else ""
        if word[1] in _WITH_VALUE and not value:
            value = next(rest, "")
        if word[1] == "f":
            configuration = value
        if word[1] in _KEPT or word[1] == "p":
            kept += [f"-{word[1]}", value] if word[1] in _WITH_VALUE else [word]
    return Server(words[0], tuple(kept), configuration, ())


def _units(host: Host) -> Iterator[Server]:
    """The servers that systemd's units start at boot, or for a connection."""
    seen: set[str] = set()
    for directory in _UNIT_DIRECTORIES:
        for wants in host.names(directory):
            if wants.endswith((".wants", ".requires")):
                names = host.names(f"{directory}/{wants}")
                seen.update(name for name in names if name.endswith((".service", ".socket")))
    if any(listener.pids == (1,) for listener in host.listeners()):
        told = host.run("systemctl", "list-sockets", "--all", "--full", "--no-legend", "--no-pager").stdout
        seen.update(word for line in told.splitlines() for word in line.split()[1:2] if word.endswith(".socket"))
    for name in sorted(seen):
        yield from _starts(host, name) if name.endswith(".service") else _waits(host, name)


def _waits(host: Host, name: str) -> Iterator[Server]:
    """The server that a socket unit starts when somebody connects over the network."""
    text = _unit_text(host, name)
    ports = [int(port) for port in re.findall(r"^ListenStream\s*=\s*(?!vsock)(?:\S*:)?(\d+)\s*$", text, re.MULTILINE)]
    if not ports:
        return
    stem = name[: -len(".socket")]
    named_ = re.search(r"^Service\s*=\s*(\S+)", text, re.MULTILINE)
    each = re.search(r"^Accept\s*=\s*(yes|true|on|1)\s*$", text, re.MULTILINE)
    service = named_[1] if named_ else f"{stem}@.service" if each else f"{stem}.service"
    for server in _starts(host, service):
        yield replace(server, ports=tuple(dict.fromkeys(ports)), state=f"{name} waits for connections")


def _starts(host: Host, name: str) -> Iterator[Server]:
    """The server that a service unit starts."""
    text = _unit_text(host, name)
    commands: list[str] = []
    for line in re.findall(r"^ExecStart[ \t]*=[ \t]*(.*)$", text, re.MULTILINE):
        commands = [*commands, line.lstrip("-@:+!")] if line.strip() else []  # an empty one takes those before it away
    for line in commands:
        if re.match(r"\S*/sshd(?:\s|$)", line):
            words = _expanded(line, _environment(host, text)).replace('"', "").split()
            yield replace(_of_words(words), unit=name, state=f"as {name} starts it at boot")


def _expanded(line: str, variables: Mapping[str, str]) -> str:
    """A command line of systemd with its variables' values; those that are not set are nothing."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], ""), line)


def _unit_text(host: Host, name: str) -> str:
    """A unit's file, and what its drop-ins add."""
    for directory in _UNIT_DIRECTORIES:
        path = f"{directory}/{name}"
        if host.stat(path) is not None and host.real(path) != "/dev/null":
            parts = [host.read(path), *(host.read(drop) for drop in _drop_ins(host, name))]
            return "\n".join(parts).replace("\\\n", " ")
        if host.real(path) == "/dev/null":
            return ""
    return ""


def _drop_ins(host: Host, name: str) -> list[str]:
    """The drop-ins of a unit, in systemd's order: of files of one name the first directory's counts."""
    found = [drop for base in reversed(_UNIT_DIRECTORIES) for drop in host.glob(f"{base}/{name}.d/*.conf")]
    ordered = sorted({os.path.basename(drop): drop for drop in found}.items())
    return [drop for _name, drop in ordered if host.real(drop) != "/dev/null"]


def _environment(host: Host, text: str) -> dict[str, str]:
    """The variables of a unit's environment files, such as SSHD_OPTS of /etc/default/ssh."""
    found: dict[str, str] = {}
    for path in re.findall(r"^EnvironmentFile\s*=\s*-?(\S+)", text, re.MULTILINE):
        if host.stat(path) is not None:
            for line in host.read(path).splitlines():
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name] = value.strip("\"'")
    return found


# -- what it is configured to do --------------------------------------------------------------------------------------


def directives(host: Host, server: Server) -> list[Directive]:
    """The lines of a server's files, those of included ones in their place. Raises Unseen."""
    path = server.configuration
    return host.once(("sshd_directives", path), lambda: list(_lines(host, path, ())))


def files(host: Host, server: Server) -> list[str]:
    """The files that a server's configuration consists of. Raises Unseen."""
    found = [server.configuration]
    for line in directives(host, server):
        found.append(line.source.rpartition(":")[0])
    return list(dict.fromkeys(found))


def _lines(host: Host, path: str, outer: tuple[tuple[str, str], ...], depth: int = 0) -> Iterator[Directive]:
    """The lines of a file, those of included ones in their place. outer: the conditions that it is included under."""
    conditions = outer
    if depth > 16:
        raise Unseen(f"{path}: sshd's files include each other without end")
    for number, line in enumerate(host.read(path).splitlines(), 1):
        words = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*\S)", line)
        if not words:
            continue
        keyword, value = words[1].lower(), words[2]
        source = f"{path}:{number}"
        if keyword == "match":
            conditions = (*outer, *_criteria(value, source))
        if keyword == "include":
            for pattern in _split(value):
                for included in host.glob(os.path.join("/etc/ssh", pattern)):
                    yield from _lines(host, included, conditions, depth + 1)
        yield Directive(keyword, value, conditions, source)


def _split(text: str) -> list[str]:
    """The words of a line, which may be quoted; a comment ends it."""
    words = re.findall(r'"([^"]*)"|(#.*)|([^\s"]+)', text)
    return [quoted or plain for quoted, comment, plain in words if not comment]


def _criteria(text: str, source: str) -> Iterator[tuple[str, str]]:
    """The conditions of a Match line. Raises Unseen for one that cannot be tried."""
    words = iter(_split(re.sub(r"(?<=\w)\s*=\s*", " ", text)))
    for word in words:
        name = word.lower()
        if name not in _CRITERIA:
            raise Unseen(f"{source}: what 'Match {name}' is true for cannot be told")
        yield name, "" if name == "all" else next(words, "")


def patterns(host: Host, server: Server, criterion: str) -> list[str]:
    """Every pattern that a Match block has for a criterion, without '!'. Raises Unseen."""
    blocks = dict.fromkeys(line.conditions for line in directives(host, server) if line.keyword == "match")
    values = (value for conditions in blocks for name, value in conditions if name == criterion)
    return list(dict.fromkeys(part.lstrip("!") for value in values for part in value.split(",") if part.lstrip("!")))


def named(name: str, pattern: str) -> bool:
    """Whether OpenSSH's pattern (*, ?) names something."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def covers(pattern: str, address: str) -> bool:
    """Whether a pattern for addresses (192.0.2.1, 192.0.2.0/24, 192.0.2.*) names an address."""
    net = network(pattern)
    return ipaddress.ip_address(address) in net if net is not None else named(address, pattern)


# -- for whom it does what --------------------------------------------------------------------------------------------


def circumstances(host: Host, server: Server, more: tuple[str, ...] = ()) -> list[Circumstance]:
    """One connection of each kind that a server's Match blocks may tell apart, the plain one first.

    more: further networks whose addresses are to be told apart. Raises Unseen.
    """
    return host.once(("sshd_circumstances", server, more), lambda: _circumstances(host, server, more))


def _circumstances(host: Host, server: Server, more: Sequence[str]) -> list[Circumstance]:
    default_port = server.ports or tuple(int(port) for port in plain(host, server).get("port", ["22"]))
    ports = default_port if patterns(host, server, "localport") else default_port[:1]
    asked = [*patterns(host, server, "address"), *(p for p in patterns(host, server, "host") if network(p)), *more]
    addresses = representatives(asked)
    names = [name for name in patterns(host, server, "host") if not network(name)]
    hosts = ["", *(re.sub(r"[*?]", "x", name) for name in names)] if names else [""]
    locals_ = _own_addresses(host) if patterns(host, server, "localaddress") else ["127.0.0.1"]
    found = [
        Circumstance(address, name or address, local, port)
        for address, name, local, port in itertools.product(addresses, hosts, locals_, ports)
    ]
    if len(found) > _MOST_CIRCUMSTANCES:
        raise Unseen(f"{server.configuration}: its Match blocks tell more than {_MOST_CIRCUMSTANCES} connections apart")
    return found


def representatives(asked: Sequence[str]) -> list[str]:
    """An address of none of these networks, and one of each that is in no smaller one of them. Raises Unseen."""
    nets = [net for net in map(network, asked) if net is not None]
    unclear = [pattern for pattern in asked if network(pattern) is None and pattern.strip("*?.:")]
    if unclear:
        raise Unseen(f"which addresses the pattern '{unclear[0]}' of sshd's files names cannot be told")
    outside = [text for text in _ELSEWHERE if not any(ipaddress.ip_address(text) in net for net in nets)]
    versions = {ipaddress.ip_address(text).version: text for text in reversed(outside)}
    found = [
        versions[version] for version in (4, 6) if version in versions and (nets or version == 4 or 4 not in versions)
    ]
    for net in dict.fromkeys(nets):
        smaller = [other for other in nets if other != net and within(other, net)]
        found += itertools.islice((str(one) for one in _some(net) if not any(one in other for other in smaller)), 1)
    return list(dict.fromkeys(found))


def _some(net: Network) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Some addresses of a network, spread over it."""
    step = max(1, net.num_addresses // 64)
    return (net[min(i * step + 1, net.num_addresses - 1)] for i in range(64))


def _own_addresses(host: Host) -> list[str]:
    lines = host.run("ip", "-o", "addr", "show").stdout.splitlines()
    return [word.partition("/")[0] for line in lines for word in line.split()[3:4]]


def plain(host: Host, server: Server) -> Settings:
    """What is in effect for nobody in particular, such as the ports. Raises Unseen."""
    return _asked(host, server, _NOBODY, Circumstance(_ELSEWHERE[0], _ELSEWHERE[0], "127.0.0.1", 22), ())


def effective(host: Host, server: Server, account: Account, at: Circumstance) -> Settings:
    """What is in effect for an account's connection: keyword -> its values. Raises Unseen.

    sshd is asked once for all accounts and circumstances that no pattern of a Match block tells apart.
    """
    kind = tuple(_flags(line, account, at) for line in directives(host, server) if line.keyword == "match")
    return _asked(host, server, account.name, at, kind)


def _asked(host: Host, server: Server, user: str, at: Circumstance, kind: tuple[object, ...]) -> Settings:
    """The answer of sshd -T, which wants to hear of a connection where there are Match blocks, and only there."""
    connection = f"user={user},host={at.host},addr={at.address},laddr={at.local_address},lport={at.port}"
    about = ["-C", connection] if any(line.keyword == "match" for line in directives(host, server)) else []
    return host.once(("sshd_settings", server, kind), lambda: _told(host.run(*server.command, *about).stdout))


def _flags(line: Directive, account: Account, at: Circumstance) -> tuple[bool, ...]:
    """Which patterns of a Match block are true; none where the block is about other accounts."""
    found: list[bool] = []
    for criterion, value in line.conditions:
        parts = value.split(",")
        if criterion in ("user", "group") and not any(_true(criterion, p, account, at) for p in parts if p[:1] != "!"):
            return ()
        found += [_true(criterion, part.lstrip("!"), account, at) for part in parts]
    return tuple(found)


def _true(criterion: str, pattern: str, account: Account, at: Circumstance) -> bool:
    """Whether one pattern of a Match block, without '!', names an account's connection."""
    if criterion == "user":
        return named(account.name, pattern)
    if criterion == "group":
        return any(named(group, pattern) for group in account.groups)
    if criterion == "address":
        return covers(pattern, at.address)
    if criterion == "localaddress":
        return covers(pattern, at.local_address)
    if criterion == "localport":
        return pattern == str(at.port)
    if criterion == "host":
        return covers(pattern, at.address) if network(pattern) else named(at.host.lower(), pattern.lower())
    return True  # all


def _told(text: str) -> Settings:
    """The answer of sshd -T: keyword in small letters -> the values of its lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _blank, value = line.partition(" ")
        found.setdefault(name.lower(), []).append(value)
    return found


def decides(host: Host, server: Server, keyword: str, account: Account, at: Circumstance) -> str:
    """The line that sets a keyword for an account's connection; the file where none does, and the default holds."""
    lines = [line for line in directives(host, server) if line.keyword == keyword]
    inside = [line for line in lines if line.conditions and _applies(line, account, at)]
    outside = [line for line in lines if not line.conditions]
    return next((line.source for line in [*inside, *outside]), server.configuration)


def blocks(host: Host, server: Server, account: Account, at: Circumstance) -> list[str]:
    """The Match conditions that name more than an account, and that are true for its connection from there."""
    lines = [line for line in directives(host, server) if line.keyword == "match" and _applies(line, account, at)]
    return [line.match for line in lines if {name for name, _value in line.conditions} - {"user", "group", "all"}]


def _applies(line: Directive, account: Account, at: Circumstance) -> bool:
    """Whether a line's conditions are true: of each list one pattern, and none that has '!'."""
    for criterion, value in line.conditions:
        parts = value.split(",")
        if any(_true(criterion, part[1:], account, at) for part in parts if part.startswith("!")):
            return False
        if not any(_true(criterion, part, account, at) for part in parts if not part.startswith("!")):
            return False
    return True


def admitted(settings: Settings, account: Account, at: Circumstance) -> bool:
    """Whether AllowUsers, DenyUsers, AllowGroups and DenyGroups let an account in from there."""

    def users(keyword: str, otherwise: bool) -> bool:
        return any(
            _is_user(word, account, at, otherwise) for line in settings.get(keyword, ()) for word in line.split()
        )

    def groups(keyword: str) -> bool:
        listed = [word for line in settings.get(keyword, ()) for word in line.split()]
        return any(named(group, word) for group in account.groups for word in listed)

    if users("denyusers", False) or groups("denygroups"):
        return False
    if settings.get("allowusers") and not users("allowusers", True):
        return False
    return not settings.get("allowgroups") or groups("allowgroups")


def _is_user(word: str, account: Account, at: Circumstance, otherwise: bool) -> bool:
    """Whether user or user@host means an account's connection; otherwise: the answer where host is a name."""
    user, sign, place = word.partition("@")
    if not named(account.name, user):
        return False
    if not sign:
        return True
    return covers(place, at.address) if network(place) or not place.strip("*?.:") else otherwise


# -- what it has loaded -----------------------------------------------------------------------------------------------


def running(host: Host, server: Server) -> Layer:
    """The running layer: whether a server loaded its files after the newest change of them."""
    if not server.pid or server.started is None:
        return Layer(RUNNING, None, "it is not running")
    try:
        named_files = files(host, server)
        included = [line.value for line in directives(host, server) if line.keyword == "include"]
    except Unseen as unseen:
        return Layer(RUNNING, None, str(unseen))
    directories = {
        os.path.dirname(os.path.join("/etc/ssh", pattern)) for value in included for pattern in _split(value)
    }
    layer = loaded(host, server.started, named_files, sorted(directories))
    for reloaded in (_unit_changed, _last_restart):
        if layer.good:
            break
        when = reloaded(host, server)
        if when is not None:
            layer = loaded(host, when, named_files, sorted(directories))
    return layer


def _unit_changed(host: Host, server: Server) -> dt.datetime | None:
    """When systemd last started or reloaded a server's unit."""
    if not server.unit:
        return None
    try:
        told = host.run("systemctl", "show", "-p", "StateChangeTimestampMonotonic,MainPID", server.unit).stdout
    except Unseen:
        return None
    properties = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    moment = properties.get("StateChangeTimestampMonotonic", "")
    if properties.get("MainPID") != str(server.pid) or not moment.isdigit():
        return None
    ago = time.clock_gettime(time.CLOCK_MONOTONIC) - int(moment) / 1e6
    return dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=ago)


def _last_restart(host: Host, server: Server) -> dt.datetime | None:
    """When a server last said in the journal that it listens, which it does after each reload."""
    try:
        told = host.run(
            "journalctl", "-q", "--no-pager", "-o", "short-unix", "-n", "1", f"_PID={server.pid}",
            "-g", "^Server listening on", ok=(0, 1),
        ).stdout  # fmt: skip
    except Unseen:
        return None
    moment = re.match(r"(\d+\.\d+) ", told)
    return dt.datetime.fromtimestamp(float(moment[1]), dt.timezone.utc) if moment else None
