# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check may ask of the host that it runs on: commands, files, processes, listening sockets.

Everything is bounded (seconds, bytes, names), asked once and shared, and nothing is ever written.
What cannot be seen raises Unseen, which becomes a finding 'error', never a pass.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fnmatch
import glob as globbing
import os
import selectors
import shutil
import signal
import socket
import stat as statmode
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

T = TypeVar("T")

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Unseen(Exception):
    """Something that a check needs could not be seen; the text says what and why, in one line."""


class _Enough(Exception):
    """Who takes a command's output needs no more of it."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one audit of one host."""

    command_s: float = 15.0
    total_s: float = 120.0
    output_bytes: int = 4 << 20
    file_bytes: int = 4 << 20
    names: int = 500_000


@dataclass(frozen=True)
class Result:
    """What a command did: its exit code and its decoded output."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def command(self) -> str:
        """The command as an administrator would type it."""
        return " ".join(self.argv)

    @property
    def complaint(self) -> str:
        """The last line that the command complained with, or its exit code."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.rc}"


@dataclass(frozen=True)
class Process:
    """A running process. started: aware datetime (UTC); contained: it runs in a container on this host."""

    pid: int
    parent: int
    name: str
    argv: tuple[str, ...]
    exe: str
    cgroup: str
    started: dt.datetime
    contained: bool

    @property
    def program(self) -> str:
        """The path of the file that it runs, also where that was replaced meanwhile; '' where it cannot be seen."""
        return self.exe.removesuffix(" (deleted)")


@dataclass(frozen=True)
class Listener:
    """A listening socket and the processes that hold it. protocol: 'tcp', 'tcp6', 'udp', 'udp6'."""

    protocol: str
    address: str
    port: int
    pids: tuple[int, ...]


@dataclass
class Host:
    """The host, read-only. ``now`` is the moment of the audit (aware, UTC)."""

    limits: Limits = field(default_factory=Limits)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc))

    def __post_init__(self) -> None:
        self._kept: dict[Any, Any] = {}
        self._ends = time.monotonic() + self.limits.total_s

    # -- shared work ------------------------------------------------------------------------------------------

    def once(self, key: Any, build: Callable[[], T]) -> T:
        """What build() returned or raised the first time that this key was asked for."""
        if key not in self._kept:
            try:
                self._kept[key] = (build(), None)
            except Unseen as unseen:
                self._kept[key] = (None, unseen)
        value, failure = self._kept[key]
        if failure is not None:
            raise failure
        return value  # type: ignore[no-any-return]

    def seconds_left(self) -> float:
        """Seconds until the whole audit's limit. Raises Unseen when none are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Unseen(f"the audit's limit of {self.limits.total_s:.0f} s was reached")
        return left

    # -- commands ---------------------------------------------------------------------------------------------

    def has(self, command: str) -> bool:
        """Whether the host has such a command."""
        return shutil.which(command, path=_ENVIRONMENT["PATH"]) is not None

    def run(
        self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None, env: Mapping[str, str] | None = None
    ) -> Result:
        """Run a command that only reads, once. Raises Unseen: absent, too slow, too much output, exit code not ok.

        env: more of its environment, where a secret may stand; nobody else sees it, and it is not in the result.
        """
        key = ("run", argv, *sorted((env or {}).items()))
        result = self.once(key, lambda: self._run(argv, timeout or self.limits.command_s, env or {}))
        if result.rc not in ok:
            raise Unseen(f"'{result.command}' failed: {result.complaint}")
        return result

    def feed(
        self,
        take: Callable[[bytes], bool],
        *argv: str,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command that only reads and hand its output on piece by piece, until the taker says that it has enough.

        The result has no output. Raises Unseen: absent, too slow, exit code not 0.
        """
        result = self._run(argv, timeout or self.limits.command_s, env or {}, take)
        if result.rc != 0:
            raise Unseen(f"'{result.command}' failed: {result.complaint}")
        return result

    def _run(
        self,
        argv: tuple[str, ...],
        timeout: float,
        env: Mapping[str, str],
        take: Callable[[bytes], bool] | None = None,
    ) -> Result:
        if not self.has(argv[0]):
            raise Unseen(f"the command {argv[0]} is not on the host")
        seconds = min(timeout, self.seconds_left())
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_ENVIRONMENT, **env},
            cwd="/",
            start_new_session=True,
            umask=0o077,  # some work on a file of their own for a moment, such as Dovecot's
        ) as process:
            try:
                out, err = self._collect(process, argv, time.monotonic() + seconds, seconds, take)
            except _Enough:
                _kill_group(process)
                return Result(argv, 0, "", "")
            finally:
                _kill_group(process)
        return Result(argv, process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def _collect(
        self,
        process: subprocess.Popen[bytes],
        argv: tuple[str, ...],
        end: float,
        seconds: float,
        take: Callable[[bytes], bool] | None,
    ) -> tuple[bytes, bytes]:
        """Both outputs of a process, whole, but for what is taken. Raises Unseen at the limit of seconds or bytes."""
        chunks: dict[Any, list[bytes]] = {process.stdout: [], process.stderr: []}
        size = 0
        with selectors.DefaultSelector() as selector:
            for stream in chunks:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready:
                    raise Unseen(f"'{' '.join(argv)}' did not end within {seconds:.0f} s")
                for key, _events in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif take is not None and key.fileobj is process.stdout:
                        if not take(chunk):
                            raise _Enough
                        continue
                    chunks[key.fileobj].append(chunk)
                    size += len(chunk)
                if size > self.limits.output_bytes:
                    raise Unseen(f"'{' '.join(argv)}' printed more than {self.limits.output_bytes >> 20} MiB")
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Unseen(f"'{' '.join(argv)}' did not end within {seconds:.0f} s") from None
        return b"".join(chunks[process.stdout]), b"".join(chunks[process.stderr])

    # -- files ------------------------------------------------------------------------------------------------

    def read(self, path: str) -> str:
        """A text file, whole. Raises Unseen: absent, unreadable, no regular file, larger than the limit."""
        return self.once(("read", path), lambda: self._read(path))

    def _read(self, path: str) -> str:
        with self.open(path) as stream:
            data = stream.read(self.limits.file_bytes + 1)
        if len(data) > self.limits.file_bytes:
            raise Unseen(f"{path} is larger than {self.limits.file_bytes >> 20} MiB")
        return data.decode("utf-8", "replace")

    def open(self, path: str) -> IO[bytes]:
        """A regular file for reading bytes; never waits at a pipe or device. Raises Unseen."""
        self.seconds_left()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise Unseen(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
        if not statmode.S_ISREG(os.fstat(descriptor).st_mode) and not path.startswith("/proc/"):
            os.close(descriptor)
            raise Unseen(f"{path} is no regular file")
        return os.fdopen(descriptor, "rb")

    def stat(self, path: str) -> os.stat_result | None:
        """What the path points to, links followed; None where nothing is there. Raises Unseen."""
        try:
            return os.stat(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise Unseen(f"{path} cannot be looked at: {os.strerror(error.errno or 0)}") from None

    def real(self, path: str) -> str:
        """The path with all links followed."""
        return os.path.realpath(path)

    def names(self, directory: str) -> list[str]:
        """The names in a directory, sorted; none where it is absent. Raises Unseen: unreadable, too many."""
        return self.once(("names", directory), lambda: self._names(directory))

    def _names(self, directory: str) -> list[str]:
        self.seconds_left()
        found: list[str] = []
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    found.append(entry.name)
                    if len(found) > self.limits.names:
                        raise Unseen(f"{directory} holds more than {self.limits.names} files")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return []
            raise Unseen(f"{directory} cannot be listed: {os.strerror(error.errno or 0)}") from None
        return sorted(found)

    def glob(self, pattern: str) -> list[str]:
        """The paths that a shell pattern (*, ?, [a-z]) names, sorted. Raises Unseen: unreadable, too many."""
        if not globbing.has_magic(pattern):
            return [pattern] if self.stat(pattern) is not None else []
        directory, last = os.path.split(pattern)
        parents = self.glob(directory) if globbing.has_magic(directory) else [directory]
        found: list[str] = []
        for parent in parents:
            if globbing.has_magic(last):
                names = [name for name in self.names(parent) if matches(name, last)]
                found += [os.path.join(parent, name) for name in names]
            elif self.stat(os.path.join(parent, last)) is not None:
                found.append(os.path.join(parent, last))
            if len(found) > self.limits.names:
                raise Unseen(f"{pattern} names more than {self.limits.names} files")
        return sorted(found)

    # -- processes and sockets --------------------------------------------------------------------------------

    def processes(self) -> list[Process]:
        """All running processes, by pid."""
        return self.once("processes", lambda: list(self._processes()))

    def _processes(self) -> Iterator[Process]:
        boot = _boot_time()
        own_namespace = _link("/proc/self/ns/pid")
        for pid in sorted(int(name) for name in self.names("/proc") if name.isdigit()):
            try:
                name, parent, ticks = _stat_fields(_slurp(f"/proc/{pid}/stat").decode("utf-8", "replace"))
                argv = _slurp(f"/proc/{pid}/cmdline").decode("utf-8", "replace").rstrip("\0").split("\0")
                cgroup = _slurp(f"/proc/{pid}/cgroup").decode("utf-8", "replace").strip().splitlines()
            except (OSError, ValueError):
                continue  # it ended meanwhile
            started = boot + dt.timedelta(seconds=ticks / os.sysconf("SC_CLK_TCK"))
            namespace = _link(f"/proc/{pid}/ns/pid")
            yield Process(
                pid=pid,
                parent=parent,
                name=name,
                argv=tuple(argv),
                exe=_link(f"/proc/{pid}/exe"),
                cgroup=cgroup[-1].rpartition(":")[2] if cgroup else "",
                started=started,
                contained=bool(namespace) and namespace != own_namespace,
            )

    def listeners(self) -> list[Listener]:
        """All listening TCP and bound UDP sockets of this network namespace. Raises Unseen."""
        return self.once("listeners", self._listeners)

    def _listeners(self) -> list[Listener]:
        holders = self._socket_holders()
        found: list[Listener] = []
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            path = f"/proc/net/{protocol}"
            if self.stat(path) is None:
                continue
            with self.open(path) as stream:
                lines = stream.read().decode("ascii", "replace").splitlines()[1:]
            found += [
                Listener(protocol, *_address(fields[1]), pids=tuple(sorted(holders.get(fields[9], ()))))
                for fields in map(str.split, lines)
                if fields[3] == ("0A" if protocol.startswith("tcp") else "07")
            ]
        return found

    def _socket_holders(self) -> dict[str, set[int]]:
        """Socket inode -> pids that hold it."""
        holders: dict[str, set[int]] = {}
        for process in self.processes():
            try:
                descriptors = os.listdir(f"/proc/{process.pid}/fd")
            except OSError:
                continue
            for descriptor in descriptors:
                target = _link(f"/proc/{process.pid}/fd/{descriptor}")
                if target.startswith("socket:["):
                    holders.setdefault(target[8:-1], set()).add(process.pid)
        return holders


def matches(name: str, pattern: str) -> bool:
    """Whether a shell pattern names a file, as glob(3) has it: '*' does not stand for a first dot."""
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _slurp(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _boot_time() -> dt.datetime:
    """When the host started, by the clock that /proc counts processes' starts in (btime is in whole seconds)."""
    return dt.datetime.fromtimestamp(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), dt.timezone.utc)


def _stat_fields(text: str) -> tuple[str, int, int]:
    """Name, parent's pid and start in clock ticks, of /proc/PID/stat (the name may hold blanks and brackets)."""
    head, _bracket, tail = text.rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], int(fields[1]), int(fields[19])


def _address(field: str) -> tuple[str, int]:
    """Address and port of a field of /proc/net/tcp or tcp6."""
    raw, _colon, port = field.partition(":")
    words = [struct.pack("=I", int(raw[i : i + 8], 16)) for i in range(0, len(raw), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)
