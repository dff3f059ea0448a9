# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restic's repositories hold, as they say themselves: asked with the environment of the jobs that use them.

Nothing is locked, cached or written, and no secret is in a command line. restic 0.14 and later.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .._host import Host, Unseen
from . import backup_jobs
from .backup_jobs import UNKNOWN, Call

T = TypeVar("T")

SECONDS = 25.0  # that one question to a repository may take; opening one takes a second by design
NODES = 400_000  # files and directories of a snapshot that are looked through
_PASSED_ON = re.compile(
    r"(RESTIC|RCLONE|AWS|B2|AZURE|GOOGLE|OS|ST|SWIFT|GS)_\w+|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|HOME|XDG_CONFIG_HOME|"
    r"SSH_AUTH_SOCK|SSL_CERT_FILE|SSL_CERT_DIR"
)
_OPENERS = {
    "password-file": ("RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND"),
    "password-command": ("RESTIC_PASSWORD_COMMAND", "RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE"),
    "key-hint": ("RESTIC_KEY_HINT",),
}
_NOT_PASSED_ON = ("RESTIC_CACHE_DIR", "RESTIC_REPOSITORY", "RESTIC_REPOSITORY_FILE", "RESTIC_PROGRESS_FPS")


@dataclass(frozen=True)
class Snapshot:
    """One backup. time: when it was made, as it says of itself; began: by the clock at that time, from 0.17 on.

    parent: the snapshot that it was compared with, which may be gone by now.
    """

    id: str
    time: dt.datetime
    hostname: str
    paths: tuple[str, ...]
    tags: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    parent: str = ""
    began: dt.datetime | None = None


@dataclass(frozen=True)
class Node:
    """A file or directory in a snapshot. size: bytes of a file, changed: when it was last written to.

    path: where it is on the host; inside: how the snapshot calls it.
    """

    path: str
    kind: str
    size: int
    changed: dt.datetime | None
    inside: str = ""


@dataclass(frozen=True, eq=False)
class Repository:
    """Where backups are put. url: where it is, without credentials; location: with them, shown nowhere."""

    url: str
    location: str = field(repr=False)
    calls: tuple[Call, ...] = field(repr=False, default=())
    password: str = field(repr=False, default="")

    def __str__(self) -> str:
        return self.url

    @property
    def scheme(self) -> str:
        """'local', 'sftp', 'rclone', 'rest', 's3' and so on."""
        scheme = self.location.partition(":")[0]
        return scheme if ":" in self.location and not self.location.startswith("/") else "local"

    def options(self) -> dict[str, str]:
        """Settings of the way to it (-o), by name."""
        return dict(word.partition("=")[::2] for word in self.calls[0].values("option"))

    # -- asking it ----------------------------------------------------------------------------------------------------

    def _argv(self, words: Sequence[str], hint: str = "") -> tuple[list[str], dict[str, str]]:
        call = self.calls[0]
        environment = {
            name: value
            for name, value in call.environment.items()
            if _PASSED_ON.fullmatch(name) and name not in _NOT_PASSED_ON and UNKNOWN not in value
        }
        environment["RESTIC_REPOSITORY"] = self.location
        if hint:
            environment.setdefault("RESTIC_KEY_HINT", hint)
        # what opens it goes by the environment, where nobody else sees it; restic takes a flag before a variable
        for flag, (variable, *others) in _OPENERS.items():
            if call.values(flag):
                environment = {name: value for name, value in environment.items() if name not in others}
                environment[variable] = call.values(flag)[-1]
        argv = [call.program, *backup_jobs.access_words(call), "--no-lock", "--no-cache", *words]
        if call.user != "root":
            # as whom the job runs: its files may tell restic to run commands
            argv = ["setpriv", f"--reuid={call.user}", "--init-groups", f"--regid={_group(call.user)}", *argv]
        return argv, environment

    def ask(self, host: Host, *words: str) -> Any:
        """What restic answers, as JSON. Raises Unseen."""
        argv, environment = self._argv([*words, "--json"] if words[0] != "cat" else words, self._hint(host, words))
        try:
            result = host.run(*argv, timeout=SECONDS, env=environment, ok=tuple(range(256)))
        except Unseen as unseen:
            raise Unseen(self.complaint(words[0], str(unseen))) from None
        if result.rc != 0:
            raise Unseen(self.complaint(words[0], result.stderr or result.stdout))
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise Unseen(f"{self} gave no JSON to 'restic {words[0]}'") from None

    def feed(self, host: Host, take: Callable[[bytes], bool], *words: str) -> None:
        """Hand on what restic prints, until the taker has enough. Raises Unseen."""
        argv, environment = self._argv(words, self._hint(host, words))
        try:
            host.feed(take, *argv, timeout=SECONDS, env=environment)
        except Unseen as unseen:
            raise Unseen(self.complaint(words[0], str(unseen))) from None

    def complaint(self, command: str, text: str) -> str:
        """Why a repository did not answer, in words of ours: restic's may hold its address with the password."""
        for pattern, reason in _REASONS:
            if re.search(pattern, text, re.IGNORECASE):
                return f"the repository {self} did not answer 'restic {command}': {reason}"
        return f"the repository {self} did not answer 'restic {command}'"

    def snapshots(self, host: Host) -> list[Snapshot]:
        """All its snapshots, oldest first. Raises Unseen."""
        return host.once(("snapshots", self.location, self.password), lambda: snapshots_of(self.ask(host, "snapshots")))

    def identity(self, host: Host) -> str:
        """The id that it got when it was made. Raises Unseen."""
        return str(host.once(("identity", self.location), lambda: self.ask(host, "cat", "config"))["id"])

    def keys(self, host: Host) -> int:
        """How many keys open it. Raises Unseen."""
        return len(self._keys(host))

    def _keys(self, host: Host) -> list[dict[str, Any]]:
        keys: list[dict[str, Any]] = host.once(("keys", self.location), lambda: self.ask(host, "key", "list"))
        return keys

    def _hint(self, host: Host, words: Sequence[str]) -> str:
        """Which key the password opens; else restic tries one after the other, each of which takes it half a second."""
        if words[0] == "key":
            return ""
        try:
            return next((str(key.get("id", "")) for key in self._keys(host) if key.get("current")), "")
        except Unseen:
            return ""

    def nodes(self, host: Host, snapshot: Snapshot) -> list[Node]:
        """Everything in a snapshot. Raises Unseen: too much."""
        return host.once(("nodes", self.location, snapshot.id), lambda: self._nodes(host, snapshot))

    def _nodes(self, host: Host, snapshot: Snapshot) -> list[Node]:
        found: list[Node] = []
        rest = b""

        def take(chunk: bytes) -> bool:
            nonlocal rest
            *lines, rest = (rest + chunk).split(b"\n")
            found.extend(node for node in map(node_of, lines) if node is not None)
            return len(found) <= NODES

        self.feed(host, take, "ls", "--json", snapshot.id)
        if len(found) > NODES:
            raise Unseen(f"the newest snapshot in {self} holds more than {NODES} files")
        return list(_at_their_places(found, snapshot))


_REASONS = (
    (r"wrong password|no key found", "the password does not open it"),
    (r"did not end within", "it took too long"),
    (r"connection refused", "the connection was refused"),
    (r"no route to host|network is unreachable", "there is no way to it"),
    (r"permission denied \(publickey|Host key verification failed|permission denied", "the way to it is refused"),
    (r"could not resolve|no such host|name resolution", "its name leads nowhere"),
    (r"timed? ?out", "it took too long"),
    (r"is not on the host|executable file not found", "a program that leads to it is not on the host"),
    (r"empty password|resolving password|password.*does not exist", "its password was not found"),
    (r"subprocess (ssh|rclone)|(ssh|rclone) .*exited|exit status", "the program that leads to it found no way"),
    # restic says so whatever keeps it from the repository's configuration
    (r"unable to open config|repository does not exist|Is there a repository", "there is no repository there"),
)  # fmt: skip


def _group(user: str) -> str:
    import pwd  # not on every system that imports this

    try:
        return str(pwd.getpwnam(user).pw_gid)
    except KeyError:
        raise Unseen(f"there is no account {user}, as which a backup should run") from None


# -- what it answers --------------------------------------------------------------------------------------------------

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")


def moment(text: object) -> dt.datetime | None:
    """A time as Go writes it, in whole seconds; None where it is none."""
    match = _TIME.match(str(text))
    if not match:
        return None
    try:
        return dt.datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):
        return None


def snapshots_of(answer: Any) -> list[Snapshot]:
    """The snapshots in an answer to 'snapshots --json', oldest first. Raises Unseen."""
    found = []
    for told in answer or ():
        time = moment(told.get("time"))
        if time is None:
            raise Unseen("a snapshot has a time that cannot be understood")
        found.append(
            Snapshot(
                id=str(told["id"]),
                time=time,
                hostname=str(told.get("hostname", "")),
                paths=tuple(map(str, told.get("paths") or ())),
                tags=tuple(map(str, told.get("tags") or ())),
                excludes=tuple(map(str, told.get("excludes") or ())),
                parent=str(told.get("parent") or ""),
                began=moment((told.get("summary") or {}).get("backup_start")),
            )
        )
    return sorted(found, key=lambda snapshot: snapshot.time)


def node_of(line: bytes) -> Node | None:
    """A line of 'ls --json'; None for what is no file or directory."""
    if b'"struct_type":"node"' not in line:
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    path = str(told["path"])
    return Node(path, str(told.get("type", "")), int(told.get("size") or 0), moment(told.get("mtime")), path)


def _at_their_places(nodes: Sequence[Node], snapshot: Snapshot) -> Iterator[Node]:
    """The nodes by the paths that they have on the host: those backed up by a relative path stand at the root."""
    tops = {node.path.split("/")[1] for node in nodes if node.path.startswith("/")}
    known = {path.split("/")[1] for path in snapshot.paths if path.startswith("/") and len(path) > 1}
    moved = {
        os.path.basename(path): os.path.dirname(path)
        for path in snapshot.paths
        if os.path.basename(path) in tops - known
    }
    for node in nodes:
        top = node.path.split("/")[1] if node.path.startswith("/") else ""
        if top in moved:
            yield replace(node, path=moved[top].rstrip("/") + node.path)
        else:
            yield node


# -- which there are --------------------------------------------------------------------------------------------------


def repositories(host: Host) -> list[Repository]:
    """Every repository that jobs of the host use, with their calls; the ones that back up first. Raises Unseen."""
    return host.once("repositories", lambda: list(_repositories(host)))


def _repositories(host: Host) -> Iterator[Repository]:
    by_place: dict[tuple[str, str], list[Call]] = {}
    for call in sorted(backup_jobs.found(host).calls, key=lambda call: call.command != "backup"):
        place = location(host, call)
        if place:
            by_place.setdefault((place, call.user), []).append(call)
    for (place, _user), calls in by_place.items():
        yield Repository(shown(place), place, tuple(calls))


def location(host: Host, call: Call) -> str:
    """The repository that a call names, '' where that is not understood. Raises Unseen."""
    named = call.values("repo")
    files = call.values("repository-file") or (call.environment.get("RESTIC_REPOSITORY_FILE", ""),)
    place = named[-1] if named else call.environment.get("RESTIC_REPOSITORY", "")
    if not named and not place and files[-1]:
        place = host.read(files[-1]).strip() if files[-1].startswith("/") else ""
    return "" if UNKNOWN in place else place.strip()


def shown(place: str) -> str:
    """A repository's location as it may stand in a report: without user names and passwords."""
    place = re.sub(r"^(\w+:(?:https?:)?//|https?://)[^/@]*@", r"\1", place)
    place = re.sub(r"^sftp:[^/@:]*@", "sftp:", place)
    place = re.sub(r"[?#].*$", "", place)
    return re.sub(r"[^\x20-\x7e]", "?", place)


# -- several questions at once ----------------------------------------------------------------------------------------

AT_ONCE = 4


def at_once(questions: Mapping[Any, Callable[[], T]]) -> dict[Any, T | Unseen]:
    """The answers to several questions, or why there is none; asked side by side."""
    import threading

    waiting = list(questions.items())
    found: dict[Any, T | Unseen] = {}

    def work() -> None:
        while True:
            try:
                key, question = waiting.pop(0)
            except IndexError:
                return
            try:
                found[key] = question()
            except Unseen as unseen:
                found[key] = unseen
            except Exception as error:  # noqa: BLE001 - it must not end the thread unnoticed
                found[key] = Unseen(f"a question to a repository failed by itself ({type(error).__name__})")

    threads = [threading.Thread(target=work, daemon=True) for _worker in range(min(AT_ONCE, len(waiting)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
