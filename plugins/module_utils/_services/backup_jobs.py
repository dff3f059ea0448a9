# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes backups by itself: the calls of restic in timers and cron, with the environment that they get there.

Shell text is followed as far as it is plain: assignments, files that are sourced, scripts called by their path. What is
not understood is told, never guessed.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .._host import Host, Unseen
from . import jobs as running
from .jobs import Job

SETTINGS = "/etc/privacy-hosting/data_backup/settings.json"  # of the role's own program
PROGRAM = "privacy-hosting-data-backup"
STATE = "/var/lib/privacy-hosting/data_backup"

# other programs that make backups; what they do is not judged
OTHERS = {
    "autorestic": "autorestic", "backrest": "Backrest", "bareos-fd": "Bareos", "bacula-fd": "Bacula",
    "barman": "Barman",
    "borg": "Borg", "borgmatic": "borgmatic", "bup": "bup", "cbagentd": "Comet", "duplicacy": "Duplicacy",
    "duplicati-cli": "Duplicati", "duplicati-server": "Duplicati", "duplicity": "duplicity", "duply": "duply",
    "kopia": "Kopia", "pgbackrest": "pgBackRest", "proxmox-backup-client": "Proxmox Backup",
    "rdiff-backup": "rdiff-backup", "resticprofile": "resticprofile", "rsnapshot": "rsnapshot",
    "rustic": "rustic", "tarsnap": "Tarsnap",
    "urbackupclientbackend": "UrBackup", "veeamservice": "Veeam", "veeamagent": "Veeam", "veeamconfig": "Veeam",
    "wal-g": "WAL-G", "zfs-autobackup": "zfs-autobackup", "sanoid": "sanoid", "syncoid": "syncoid",
}  # fmt: skip
# these copy files elsewhere, as a backup perhaps
_COPIERS = ("rclone", "rsync", "lftp", "s3cmd")
# programs that may send data to another machine, beside those above
_SENDERS = (
    "aws", "curl", "ftp", "gsutil", "mc", "nc", "ncat", "ncftpput", "netcat", "s5cmd", "scp", "sftp", "socat", "ssh",
    "sshpass", "tnftp", "wput",
)  # fmt: skip

_WRAPPERS = {  # programs that run another one: their options that take a value
    "nice": "n", "ionice": "cnp", "nohup": "", "exec": "", "command": "", "chronic": "", "time": "", "setsid": "",
    "timeout": "ks", "flock": "wE", "env": "u", "sudo": "ughpC", "runuser": "ugs", "systemd-inhibit": "",
    "stdbuf": "ioe",
    "systemd-cat": "tp", "cpulimit": "l", "trickle": "du", "setpriv": "",
}  # fmt: skip
_WORDS_BEFORE = frozenset(["if", "elif", "while", "until", "!", "then", "else", "do", "{"])
_SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ash"])
_ENDS = frozenset([";", "&&", "||", "&", "|", "\n", "(", ")", "|&", ";;"])
_DEPTH = 4  # of scripts that call scripts
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_QUOTED, _LITERAL = "\x0e", "\x0f"  # a dollar sign in double quotes, and in single ones
UNKNOWN = "\x07"  # stands for a part of a value that only the shell knows

# flags of restic's that take a value, beside what it takes as --flag=value; single letters where it has one
_VALUED = {
    "r": "repo", "repo": "repo", "p": "password-file", "password-file": "password-file",
    "o": "option", "option": "option",
    "repository-file": "repository-file", "password-command": "password-command", "key-hint": "key-hint",
    "cacert": "cacert", "tls-client-cert": "tls-client-cert", "cache-dir": "cache-dir", "limit-upload": "",
    "limit-download": "", "compression": "", "pack-size": "", "http-user-agent": "", "stuck-request-timeout": "",
    "retry-lock": "", "verbose": "",
    "e": "exclude", "exclude": "exclude", "iexclude": "iexclude", "exclude-file": "exclude-file",
    "iexclude-file": "iexclude-file", "exclude-if-present": "exclude-if-present",
    "exclude-larger-than": "exclude-larger-than", "files-from": "files-from",
    "files-from-verbatim": "files-from-verbatim",
    "files-from-raw": "files-from-raw", "tag": "tag", "H": "host", "host": "host", "hostname": "host", "parent": "",
    "stdin-filename": "stdin-filename", "time": "time", "read-concurrency": "", "group-by": "group-by", "g": "group-by",
    "path": "path", "read-data-subset": "read-data-subset", "l": "keep-last", "keep-last": "keep-last",
    **{f"keep-{span}": f"keep-{span}" for span in ("hourly", "daily", "weekly", "monthly", "yearly", "within", "tag")},
    **{f"keep-within-{span}": f"keep-within-{span}" for span in ("hourly", "daily", "weekly", "monthly", "yearly")},
    "d": "keep-daily", "w": "keep-weekly", "m": "keep-monthly", "y": "keep-yearly",
    "max-unused": "", "max-repack-size": "", "from-repo": "from-repo", "from-password-file": "", "target": "", "t": "",
    "include": "", "i": "", "new-host": "", "user": "",
}  # fmt: skip
# what is passed on when the repository is asked
_ACCESS = ("option", "cacert", "tls-client-cert")
_ACCESS_SWITCHES = ("insecure-tls", "insecure-no-password")
_COMMANDS = frozenset(
    word
    for words in (
        "backup cache cat check copy diff dump features find forget generate init key list ls migrate mount options",
        "prune rebuild-index recover repair restore rewrite self-update snapshots stats tag unlock version help",
    )
    for word in words.split()
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of restic in a job.

    flags: long name -> values, a switch has none; arguments: what follows the command (backup, forget).
    environment: with secrets, so it is shown nowhere. fed: the words of the command whose output it reads.
    strict: whether the job fails where this call does.
    """

    job: Job
    program: str
    command: str
    flags: Mapping[str, tuple[str, ...]]
    arguments: tuple[str, ...]
    user: str
    source: str
    environment: Mapping[str, str] = field(repr=False)
    fed: tuple[str, ...] = ()
    strict: bool = True

    def values(self, flag: str) -> tuple[str, ...]:
        return self.flags.get(flag, ())

    @property
    def clear(self) -> bool:
        """Whether all its words are known."""
        return not any(UNKNOWN in word for words in (self.arguments, *self.flags.values()) for word in words)


@dataclass(frozen=True, eq=False)
class Command:
    """A call of another program that may send data, in a job. environment: with secrets; fed: by another's output."""

    words: tuple[str, ...] = field(repr=False)
    user: str
    source: str
    environment: Mapping[str, str] = field(repr=False)
    fed: bool = False


@dataclass(frozen=True)
class Found:
    """What was found in all jobs.

    others: other backup programs, with where; unread: what was not understood; commands: those that may send data, of
    jobs that are not switched off.
    """

    calls: tuple[Call, ...]
    others: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]
    commands: tuple[Command, ...] = ()


def found(host: Host) -> Found:
    """The calls of restic in all that the host runs regularly, and other programs that make backups. Raises Unseen."""
    return host.once("backup jobs", lambda: _found(host))


def _found(host: Host) -> Found:
    walk = _Walk(host)
    walk.all(running.jobs(host))
    commands = tuple(walk.commands)
    # a timer that was switched off is told where nothing else backs up: one that was replaced by another is history
    stopped = running.unloaded(host)
    backs_up = any(call.command == "backup" for call in walk.calls)
    walk.all([job for job in stopped if not backs_up or job.name.startswith(PROGRAM)])
    for process in host.processes():
        name = os.path.basename(process.program)
        if name in OTHERS and not process.contained:
            walk.others.setdefault(OTHERS[name], f"process {name}")
    return Found(tuple(walk.calls), tuple(walk.others.items()), tuple(dict.fromkeys(walk.unread)), commands)


# -- systemd's units --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A service. lines: its ExecStart and the like, as they are written, with where; result: of its last run."""

    name: str
    user: str
    environment: Mapping[str, str] = field(repr=False)
    lines: tuple[tuple[str, str], ...]


_FIELDS = "Id,User,Environment,EnvironmentFiles,FragmentPath,DropInPaths,LoadCredential,LoadState"


def _units(host: Host, names: list[str]) -> dict[str, Unit]:
    if not names:
        return {}
    text = host.run("systemctl", "show", "--no-pager", "-p", _FIELDS, *dict.fromkeys(names)).stdout
    told = {}
    for block in text.split("\n\n"):
        properties: dict[str, list[str]] = {}
        for line in block.splitlines():
            key, _equals, value = line.partition("=")
            properties.setdefault(key, []).append(value)
        name = "".join(properties.get("Id", []))
        if properties.get("LoadState") == ["loaded"]:
            told[name] = _unit(host, name, properties)
    return told


def _unit(host: Host, name: str, properties: Mapping[str, list[str]]) -> Unit:
    user = "".join(properties.get("User", [])) or "root"
    environment = {"HOME": _home(user)}
    environment.update(_assignments(" ".join(properties.get("Environment", []))))
    for line in properties.get("EnvironmentFiles", []):
        path = re.sub(r" \(ignore_errors=\w+\)$", "", line)
        if path and (host.stat(path) is not None or "ignore_errors=no" in line):
            environment.update(environment_file(host, path))
    # a credential is there only while the unit runs: what it was loaded from tells the same
    loaded = {
        f"/run/credentials/{name}/{word.partition(':')[0]}": word.partition(":")[2]
        for line in properties.get("LoadCredential", [])
        for word in line.split()
    }
    environment = {key: loaded.get(value, value) for key, value in environment.items()}
    files = [*properties.get("FragmentPath", []), *"".join(properties.get("DropInPaths", [])).split()]
    return Unit(name, user, environment, tuple(_command_lines(host, name, files)))


_COMMAND_KEYS = ("ExecStartPre", "ExecStart", "ExecStartPost")


def _command_lines(host: Host, name: str, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The commands of a unit in their order, with where they stand; an empty setting takes back the ones before it."""
    lines: dict[str, list[tuple[str, str]]] = {key: [] for key in _COMMAND_KEYS}
    for path in files:
        if path.startswith("/") and host.stat(path) is not None:
            for number, key, value in _settings(host.read(path)):
                if key in lines and value:
                    lines[key].append((_specified(value, name), f"{path}:{number}"))
                elif key in lines:
                    lines[key].clear()
    for key in _COMMAND_KEYS:
        yield from lines[key]


def _settings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, key and value of a unit file's settings, continued lines joined."""
    number = 0
    lines = iter(text.splitlines())
    for line in lines:
        number += 1
        first, whole = number, line
        while whole.endswith("\\"):
            number += 1
            more = next(lines, "")
            whole = whole[:-1] + " " + ("" if more.lstrip().startswith(("#", ";")) else more)
        key, equals, value = whole.partition("=")
        if equals and not key.lstrip().startswith(("#", ";")):
            yield first, key.strip(), value.strip()


def _specified(value: str, unit: str) -> str:
    """A command line of a unit without the signs before it, its specifiers replaced."""
    stem = unit.rpartition(".")[0]
    instance = stem.partition("@")[2]
    known = {
        "%": "%",
        "n": unit,
        "N": stem,
        "i": instance,
        "I": instance.replace("-", "/"),
        "p": stem.partition("@")[0],
    }
    known["d"] = f"/run/credentials/{unit}"
    value = re.sub(r"%(.)", lambda match: known.get(match[1], UNKNOWN), value)
    return re.sub(r"^[-@:+!|]+", "", value)


def environment_file(host: Host, path: str) -> dict[str, str]:
    """What a file of assignments gives, as systemd reads it. Raises Unseen."""
    found: dict[str, str] = {}
    for line in host.read(path).replace("\\\n", "").splitlines():
        if line.strip() and not line.lstrip().startswith(("#", ";")):
            key, equals, value = line.strip().partition("=")
            if equals:
                found[key.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else "" if not words else value


def _assignments(text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return {match[1]: match[2] for match in map(_ASSIGNED.fullmatch, words) if match}


def _home(user: str) -> str:
    import pwd  # not on every system that imports this

    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        return "/"


# -- shell text -------------------------------------------------------------------------------------------------------


@dataclass
class _Frame:
    """A piece of shell text that is being followed. strict: a command that fails ends it."""

    job: Job
    source: str
    user: str
    environment: dict[str, str]
    depth: int = 0
    strict: bool = False


class _Walk:
    """Follows what jobs run."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.calls: list[Call] = []
        self.others: dict[str, str] = {}
        self.commands: list[Command] = []
        self.unread: list[str] = []

    def all(self, jobs: Sequence[Job]) -> None:
        """Follow what several jobs run."""
        units = _units(self.host, [job.unit for job in jobs if job.unit])
        for job in jobs:
            if not job.unit:
                self.cron(job)
            elif job.unit in units:
                self.unit(job, units[job.unit])

    def unit(self, job: Job, unit: Unit) -> None:
        """Follow the commands of a service; each must succeed."""
        for line, source in unit.lines:
            frame = _Frame(job, source, unit.user, dict(unit.environment), strict=True)
            try:
                words = shlex.split(line)
            except ValueError:
                self._unknown(line, source)
                continue
            words = [_expanded(word, frame.environment) for word in words]
            self.command(words, frame, (), last=True)

    def cron(self, job: Job) -> None:
        """Follow a line of cron, or a script in a directory of its."""
        environment = {"HOME": _home(job.user)}
        path, _colon, number = job.source.rpartition(":")
        if path and number.isdigit():
            for line in self.host.read(path).splitlines()[: int(number) - 1]:
                match = re.match(r"\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line)
                if match:
                    environment[match[1]] = _unquoted(match[2])
        # a script that was not read may be one of another language
        if not job.text.strip() and path == "":
            self._foreign(job.source, job.source)
        self.text(job.text, _Frame(job, job.source, job.user, environment))

    def text(self, text: str, frame: _Frame) -> None:
        """Follow shell text."""
        for number, commands in _commands(text):
            where = frame.source if re.search(r":\d+$", frame.source) else f"{frame.source}:{number}"
            for place, (words, end) in enumerate(commands):
                fed = tuple(commands[place - 1][0]) if place and commands[place - 1][1] in ("|", "|&") else ()
                told = replace(frame, source=where)
                self.command(self._expand(words, told), told, fed, last=end == "&&")
                frame.environment, frame.strict = told.environment, told.strict

    def _expand(self, words: Sequence[str], frame: _Frame) -> list[str]:
        """Words with what is known of them put in: variables, and files whose text they take."""
        found: list[str] = []
        for word in words:
            value = self._value(word, frame)
            # a variable that stands alone, without quotes, may be several words
            found += value.split() if re.fullmatch(r"\$(\w+|\{\w+\})", word) else [value]
        return found

    def _value(self, word: str, frame: _Frame) -> str:

        def content(match: re.Match[str]) -> str:
            path = _expanded(match[1], frame.environment)
            try:
                return self.host.read(path).strip() if path.startswith("/") else UNKNOWN
            except Unseen:
                return UNKNOWN

        return re.sub("\x05(.*?)\x06", content, _expanded(word, frame.environment))

    def command(self, words: list[str], frame: _Frame, fed: tuple[str, ...], last: bool) -> None:
        """Follow one simple command."""
        own, user, words = _bare(words, frame.user)
        if not words:
            frame.environment.update(own)
            return
        environment = {**frame.environment, **own}
        name = os.path.basename(words[0])
        if name in _SENDERS or name in OTHERS or name in _COPIERS:
            self.commands.append(Command(tuple(words), user, frame.source, environment, bool(fed)))
        if name == "set":
            frame.strict = frame.strict or bool(re.search(r"(^|\s)-\w*e|errexit", " ".join(words[1:])))
        elif name in (".", "source") and len(words) > 1:
            self._sourced(words[1], frame)
        elif name in _SHELLS:
            self._shell(words[1:], frame, user, environment)
        elif name == "restic":
            self._restic(words, replace(frame, user=user, environment=environment, strict=frame.strict or last), fed)
        elif name == PROGRAM:
            self._own(words[1:], frame)
        elif name in OTHERS or (name in _COPIERS and any(":" in word for word in words[1:])):
            self.others.setdefault(OTHERS.get(name, name), frame.source)
        elif name not in ("run-parts", "["):
            self._script(words[0], frame, user, environment)

    def _sourced(self, path: str, frame: _Frame) -> None:
        if path.startswith("/") and UNKNOWN not in path and self.host.stat(path) is not None and frame.depth < _DEPTH:
            inner = _Frame(frame.job, path, frame.user, frame.environment, frame.depth + 1, frame.strict)
            self.text(self.host.read(path), inner)
            frame.environment, frame.strict = inner.environment, inner.strict

    def _shell(self, words: list[str], frame: _Frame, user: str, environment: dict[str, str]) -> None:
        strict = any(re.fullmatch(r"-\w*e\w*", word) for word in words)
        if any(re.fullmatch(r"-\w*c", word) for word in words):
            place = next(at for at, word in enumerate(words) if re.fullmatch(r"-\w*c", word))
            text = words[place + 1] if len(words) > place + 1 else ""
            self.text(text, _Frame(frame.job, frame.source, user, environment, frame.depth + 1, strict))
        else:
            files = [word for word in words if word.startswith("/")]
            if files:
                self._follow(files[0], frame, user, environment)

    def _script(self, word: str, frame: _Frame, user: str, environment: dict[str, str]) -> None:
        path = word
        if "/" not in word:
            tried = (f"{directory}/{word}" for directory in ("/usr/local/sbin", "/usr/local/bin", f"{_home(user)}/bin"))
            path = next((one for one in tried if self.host.stat(one) is not None), "")
        if path.startswith("/") and UNKNOWN not in path:
            self._follow(path, frame, user, environment)

    def _follow(self, path: str, frame: _Frame, user: str, environment: dict[str, str]) -> None:
        """Follow a script; a program is left alone, a script of another language told where it speaks of restic."""
        status = self.host.stat(path)
        if status is None or path.startswith(("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/lib/", "/dev/")):
            return
        if frame.depth >= _DEPTH:
            self.unread.append(path)
            return
        if is_shell(self.host, path):
            self.text(self.host.read(path), _Frame(frame.job, path, user, dict(environment), frame.depth + 1))
        else:
            self._foreign(path, frame.source)

    def _foreign(self, path: str, source: str) -> None:
        try:
            if self.host.stat(path) is not None and re.search(
                r"\brestic\b|\bborg\b|\bduplicity\b", self.host.read(path)
            ):
                self.unread.append(path)
        except Unseen:
            self.unread.append(source)

    def _unknown(self, text: str, source: str) -> None:
        if re.search(r"restic|borg|backup", text):
            self.unread.append(source)

    def _restic(self, words: list[str], frame: _Frame, fed: tuple[str, ...]) -> None:
        command, flags, arguments = arguments_of(words[1:])
        if not command:
            self.unread.append(frame.source)
            return
        self.calls.append(
            Call(
                job=frame.job,
                program=words[0],
                command=command,
                flags=flags,
                arguments=tuple(arguments),
                user=frame.user,
                source=frame.source,
                environment=dict(frame.environment),
                fed=fed,
                strict=frame.strict,
            )
        )

    def _own(self, words: list[str], frame: _Frame) -> None:
        """The role's own program, which is told what to do by a file."""
        command = words[0] if words else ""
        try:
            told = json.loads(self.host.read(SETTINGS))
            flags = {
                "repo": (str(told["repository"]),),
                "password-file": (str(told["password_file"]),),
                "option": tuple(map(str, told.get("options", ()))),
                "host": (str(told["host"]),),
                "tag": ("privacy-hosting",),
            }
            paths = (f"{STATE}/dumps", *map(str, told.get("directories", ())))
            environment = {"HOME": "/root"}
            if told.get("environment_file"):
                environment.update(environment_file(self.host, str(told["environment_file"])))
        except (ValueError, KeyError, TypeError) as error:
            raise Unseen(f"{SETTINGS} cannot be understood: {type(error).__name__}") from None
        if command == "check":
            flags["read-data-subset"] = (f"1/{told.get('read_parts', '?')}",)
        arguments: tuple[str, ...] = paths if command == "backup" else ()
        if command == "restic":
            command, own, given = arguments_of(words[1:])
            flags, arguments = (
                {**{name: flags[name] for name in ("repo", "password-file", "option")}, **own},
                tuple(given),
            )
        if command in ("backup", "check", "restore-test", "forget"):
            self.calls.append(
                Call(frame.job, "restic", command, flags, arguments, "root", frame.source, environment, strict=True)
            )


def is_shell(host: Host, path: str) -> bool:
    """Whether a file is a script of a shell."""
    try:
        first = host.read(path).split("\n", 1)[0]
    except Unseen:
        return False
    return "\0" not in first and (not first.startswith("#!") or bool(re.search(r"\b(ba|da|k|z|a)?sh\b", first)))


_FILE_TEXT = re.compile(r"\$\(\s*(?:cat\s+|<\s*)([^()\s]+)\s*\)|`\s*cat\s+([^`\s]+)\s*`")


def _commands(text: str) -> Iterator[tuple[int, list[tuple[list[str], str]]]]:
    """The lines of shell text, each with its simple commands: their words, and the sign after them."""
    text = re.sub(r"(?<!\\)\\\n", "\x01", text)
    text = _FILE_TEXT.sub(lambda match: f"\x05{match[1] or match[2]}\x06".replace('"', "").replace("'", ""), text)
    for _nested in range(3):
        text = re.sub(r"\$\([^()\n]*\)|`[^`\n]*`", UNKNOWN, text)
    number, waiting, start = 0, "", 0
    for line in text.split("\n"):
        number += 1
        here = number
        number += line.count("\x01")
        waiting, start = (f"{waiting}\n{line}", start) if waiting else (line, here)
        try:
            commands = _split(waiting.replace("\x01", " "))
        except ValueError:
            if waiting.count("\n") < 40:  # a quoted text of several lines
                continue
            commands = []
        waiting = ""
        if commands:
            yield start, commands


def _split(line: str) -> list[tuple[list[str], str]]:
    line = _marked(re.sub(r"&>>?|\d?>&\s*[\d-]", " > ", line))
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[tuple[list[str], str]] = [([], "")]
    for word in lexer:
        if word.startswith("#"):
            break
        if word in _ENDS or set(word) <= set(";&|()"):
            commands[-1] = (commands[-1][0], word)
            commands.append(([], ""))
        else:
            commands[-1][0].append(word)
    return [(_without_redirections(words), end) for words, end in commands if words]


def _marked(line: str) -> str:
    """A line in which dollar signs tell by what quotes they stand in; the quotes themselves are taken off later."""
    found, quote, escaped = [], "", False
    for char in line:
        if escaped:
            escaped = False
            found.append(_LITERAL if char == "$" else char)
            continue
        if char == "\\" and quote != "'":
            escaped = True
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        dollar = {"": "$", "'": _LITERAL, '"': _QUOTED}[quote]
        found.append(dollar if char == "$" else char)
    return "".join(found)


def _without_redirections(words: list[str]) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif re.fullmatch(r"\d?(>>?|<)\|?", word):
            skip = True
        elif not re.match(r"\d?(>>?|<)", word):
            found.append(word)
    return found


def _bare(words: list[str], user: str) -> tuple[dict[str, str], str, list[str]]:
    """What a command sets before it runs, as whom it runs, and the command without all that stands before it."""
    own: dict[str, str] = {}
    while words:
        name = os.path.basename(words[0])
        match = _ASSIGNED.fullmatch(words[0])
        if words[0] in _WORDS_BEFORE:
            words = words[1:]
        elif match:
            own[match[1]] = match[2]
            words = words[1:]
        elif name in ("export", "declare", "readonly", "local", "typeset"):
            words = [word for word in words[1:] if not word.startswith("-")]
        elif name in _WRAPPERS:
            user, words = _unwrapped(name, words[1:], user)
        else:
            break
    return own, user, words


def _expanded(word: str, environment: Mapping[str, str]) -> str:
    """A word with the variables in it that are known; UNKNOWN for others."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        fallback = match[3]
        if name in environment:
            return environment[name] or fallback or ""
        return fallback if fallback is not None else UNKNOWN

    word = re.sub(rf"[${_QUOTED}](?:(\w+)|\{{(\w+)(?::?-([^{{}}]*))?\}})", value, word)
    word = re.sub(rf"[${_QUOTED}](\{{[^}}]*\}}|[@*#?!])", UNKNOWN, word).replace(_LITERAL, "$")
    if word.startswith("~/"):
        word = environment.get("HOME", "~") + word[1:]
    return word


def _unwrapped(name: str, words: list[str], user: str) -> tuple[str, list[str]]:
    """What a program like nice runs, and as whom."""
    valued = _WRAPPERS[name]
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        if flag == "--":
            break
        if flag in ("-u", "--user") and name in ("sudo", "runuser") and words:
            user = words.pop(0)
        elif flag.startswith(("--user=", "--reuid=")):
            user = flag.partition("=")[2]
        elif len(flag) == 2 and flag[1] in valued and words:
            words.pop(0)
    if name in ("timeout", "flock") and words:
        words = words[1:]
    return user, words


_SWITCHES = {"x": "one-file-system", "q": "quiet", "v": "verbose", "n": "dry-run", "f": "force"}


def arguments_of(words: list[str]) -> tuple[str, dict[str, tuple[str, ...]], list[str]]:
    """The command, flags and arguments of a command line of restic; '' where no command is in it."""
    flags: dict[str, tuple[str, ...]] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            queue = []
        elif word.startswith("-") and len(word) > 1:
            for name, value in _flags_of(word, queue):
                flags[name] = (*flags.get(name, ()), *(() if value is None else (value,)))
        else:
            rest.append(word)
    command = next((word for word in rest if word in _COMMANDS), "")
    if command:
        rest.remove(command)
    return command, flags, rest


def _flags_of(word: str, queue: list[str]) -> Iterator[tuple[str, str | None]]:
    """The flags in a word, each with its value, which may be the next word: then that is taken from the queue."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if equals:
            yield _VALUED.get(name) or name, value
        elif name in _VALUED and name != "verbose":
            yield _VALUED[name] or name, queue.pop(0) if queue else UNKNOWN
        else:
            yield name, None
        return
    for place, letter in enumerate(word[1:], 2):
        if letter in _VALUED:
            yield _VALUED[letter] or letter, word[place:].lstrip("=") or (queue.pop(0) if queue else UNKNOWN)
            return
        yield _SWITCHES.get(letter, letter), None


def access_words(call: Call) -> list[str]:
    """The words that make restic open the repository as a call does, what names it and opens it left out."""
    words = [f"--{flag}={value}" for flag in _ACCESS for value in call.values(flag)]
    return words + [f"--{switch}" for switch in _ACCESS_SWITCHES if switch in call.flags]
