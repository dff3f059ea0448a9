# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves directories of stopped database servers to a mounted volume, or leaves all as it was.

systemd runs this very file on the server, copied there by itself, so that a lost connection does not matter:

    /var/lib/privacy-hosting/disk-encryption/move.py       this file; it needs the standard library only
                                             plan.json     what is to be moved, a list of groups
                                             moving.json   stands while a group is being moved, and says how far it is
                                             moved.json    the groups that were moved
                                             outcome.json  how the last run of this file ended

A group is what is moved together: the servers of one kind, their directories, and the files that keep them from
starting without the volume. It is moved in this order: the servers say which databases they have; they are stopped;
each directory is copied and the copy compared; the old directory is renamed, and the copy mounted in its place; the
servers start and must say the same. Whatever fails, or is killed, before that puts the servers back up on the old
directories.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

STATE = "/var/lib/privacy-hosting/disk-encryption"
FSTAB = "/etc/fstab"
UNIT = "privacy-hosting-disk-move"

COPYING, SWAPPING, STARTING, GOING_BACK = "copying", "swapping", "starting", "going back"

_ANSWER_S = 60.0
_CHUNK = 1 << 20
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# runs a command to its end and returns its exit code, what it printed, and what it complained of last
Runner = Callable[[Sequence[str]], "tuple[int, str, str]"]


class MoveError(Exception):
    """What went wrong, in one line."""


def run(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a command, however long it takes."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, env=_ENVIRONMENT, cwd="/", check=False
        )
    except OSError as error:
        return 127, "", f"{argv[0]}: {error.strerror}"
    complaints = done.stderr.decode("utf-8", "replace").strip().splitlines()
    told = complaints[-1] if complaints else f"exit code {done.returncode}"
    return done.returncode, done.stdout.decode("utf-8", "replace"), told


@dataclass(frozen=True)
class Place:
    """A directory that is moved. copy: the directory on the volume; old: what the old directory is renamed to."""

    path: str
    copy: str
    old: str


@dataclass(frozen=True)
class Group:
    """What is moved together.

    units: of the servers, in the order in which they start; ask: for each server, commands that list its databases, of
    which the first that succeeds counts; fstab: lines; files: path -> content; directories: path -> [owner, mode], made
    on the volume; run: the run that asked for it.
    """

    name: str
    run: str
    units: tuple[str, ...]
    ask: tuple[tuple[tuple[str, ...], ...], ...]
    places: tuple[Place, ...]
    fstab: tuple[str, ...]
    files: dict[str, str]
    directories: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, told: dict[str, Any]) -> Group:
        """A group as JSON tells it."""
        return cls(
            name=told["name"],
            run=told["run"],
            units=tuple(told["units"]),
            ask=tuple(tuple(tuple(argv) for argv in commands) for commands in told["ask"]),
            places=tuple(Place(**place) for place in told["places"]),
            fstab=tuple(told["fstab"]),
            files=told["files"],
            directories={path: (owner, mode) for path, (owner, mode) in told["directories"].items()},
        )


@dataclass(frozen=True)
class Figures:
    """What a tree holds: its files, their bytes, and a checksum (BLAKE2b) of all names, owners, modes and contents."""

    files: int
    size: int
    checksum: str


@dataclass
class Mover:
    """Moves groups. state: where it keeps its files; volume: where the encrypted volume is mounted."""

    volume: str
    state: str = STATE
    fstab: str = FSTAB
    run: Runner = run
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    # -- a group ----------------------------------------------------------------------------------------------

    def move(self, group: Group) -> None:
        """Move a group. Raises MoveError; the servers are then back on their old directories, or the text says not."""
        try:
            before = [self._answer(commands) for commands in group.ask]
        except MoveError as error:
            raise MoveError(f"{group.name}: {error}; it was left as it is") from None
        moving = {
            "group": asdict(group),
            "active": [unit for unit in group.units if self._is_active(unit)],
            "answers": before,
            "files_before": {path: read(path) for path in group.files},
        }
        self._note(moving, COPYING)
        try:
            figures = self._copy_all(group)
            moving["figures"] = {path: asdict(found) for path, found in figures.items()}
            self._note(moving, SWAPPING)
            for place in group.places:
                self._swap(place)
            self._write_files(group)
            self._note(moving, STARTING)
            self._start_and_compare(moving)
        except (MoveError, OSError) as error:
            raise MoveError(f"{group.name}: {_told(error)}; {self._put_back(moving)}") from None
        self._finish(moving)

    def settle(self) -> str:
        """End what was cut off: forwards where servers may run on the copy, else back. What was done; '' for nothing.

        Raises MoveError where neither can be done now.
        """
        moving = load(os.path.join(self.state, "moving.json"))
        if not moving:
            return ""
        if self.run(("systemctl", "is-system-running"))[1].strip() == "stopping":
            raise MoveError(f"{moving['group']['name']}: the host is going down; run harden again once it is up")
        if moving["phase"] == STARTING and not os.path.ismount(self.volume):
            raise MoveError(f"{moving['group']['name']} lies on the encrypted volume, which is not open")
        if moving["phase"] == STARTING:
            with contextlib.suppress(MoveError):
                self._start_and_compare(moving)
                self._finish(moving)
                return f"{moving['group']['name']}: it was moved, and runs from the encrypted volume"
        return f"{moving['group']['name']}: {self._put_back(moving)}"

    def _note(self, moving: dict[str, Any], phase: str) -> None:
        moving["phase"] = phase
        write(os.path.join(self.state, "moving.json"), json.dumps(moving, indent=1))

    def _finish(self, moving: dict[str, Any]) -> None:
        group = moving["group"]
        paths = [place["path"] for place in group["places"]]
        moved = [place for place in load(os.path.join(self.state, "moved.json")) or [] if place["path"] not in paths]
        for place in group["places"]:
            info = os.lstat(place["old"])
            moved.append(
                {
                    **place,
                    "group": group["name"],
                    "run": group["run"],
                    "units": moving["active"],
                    "files": group["files"],
                    "fstab": group["fstab"],
                    "figures": moving["figures"][place["path"]],
                    "old_inode": [info.st_dev, info.st_ino],
                }
            )
        write(os.path.join(self.state, "moved.json"), json.dumps(moved, indent=1))
        os.unlink(os.path.join(self.state, "moving.json"))

    # -- copying ----------------------------------------------------------------------------------------------

    def _copy_all(self, group: Group) -> dict[str, Figures]:
        if group.units:
            # so that nobody starts them meanwhile; a restart of the host forgets it, and starts them as before
            self._must("systemctl", "mask", "--runtime", "--quiet", *group.units)
            self._must("systemctl", "stop", *group.units)
        for place in group.places:
            user = next(users_of(place.path), "")
            if user:
                raise MoveError(f"{user} still uses {place.path}")
        return {place.path: self._copy(place) for place in group.places}

    def _copy(self, place: Place) -> Figures:
        """Copy a directory and compare. Raises MoveError."""
        shutil.rmtree(place.copy, ignore_errors=True)
        os.makedirs(os.path.dirname(place.copy), mode=0o711, exist_ok=True)
        self._must("cp", "--archive", "--one-file-system", "--no-target-directory", place.path, place.copy)
        self._must("sync", "--file-system", place.copy)
        source, copy = figures_of(place.path), figures_of(place.copy, anew=True)
        if source != copy:
            raise MoveError(f"the copy of {place.path} is not the same: {copy} instead of {source}")
        return copy

    # -- swapping ---------------------------------------------------------------------------------------------

    def _swap(self, place: Place) -> None:
        os.rename(place.path, place.old)
        os.mkdir(place.path, 0o755)
        # nothing can be put there by whoever starts a server without the volume
        self._must("chattr", "+i", place.path)
        self._must("mount", "--bind", place.copy, place.path)

    def _swap_back(self, place: Place) -> None:
        """Undo _swap wherever it was cut off."""
        while os.path.ismount(place.path):
            self._must("umount", place.path)
        if not os.path.isdir(place.old):
            return
        if os.path.isdir(place.path):
            self._must("chattr", "-i", place.path)
            os.rmdir(place.path)
        os.rename(place.old, place.path)

    def _write_files(self, group: Group) -> None:
        for path, (owner, mode) in group.directories.items():
            os.makedirs(path, exist_ok=True)
            shutil.chown(path, *owner.split(":"))
            os.chmod(path, mode)
        add_lines(self.fstab, group.fstab)
        for path, content in group.files.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write(path, content, mode=0o644)

    def _start_and_compare(self, moving: dict[str, Any]) -> None:
        group = Group.of(moving["group"])
        self._start(group, moving["active"])
        answers = [self._answer(commands) for commands in group.ask]
        if answers != moving["answers"]:
            raise MoveError("the server on the copy does not list the databases that it had")

    # -- putting back -----------------------------------------------------------------------------------------

    def _put_back(self, moving: dict[str, Any]) -> str:
        """All as before a move, the servers up again. What was done, in a sentence."""
        group = Group.of(moving["group"])
        moving["ran"] = moving.get("ran", False) or moving["phase"] == STARTING
        try:
            self._note(moving, GOING_BACK)
            if group.units:
                self.run(("systemctl", "stop", *group.units))
            for place in reversed(group.places):
                self._swap_back(place)
            lines = (read(self.fstab) or "").split("\n")
            self._restore(self.fstab, "\n".join(line for line in lines if line not in group.fstab))
            for path, content in moving["files_before"].items():
                self._restore(path, content)
            self._start(group, moving["active"])
        except (MoveError, OSError) as error:
            return f"it was NOT put back, and the server may be down: {_told(error)}"
        kept = [self._discard(place, moving["ran"]) for place in group.places]
        os.unlink(os.path.join(self.state, "moving.json"))
        return "; ".join(["the server was started again on its old directory", *filter(None, kept)])

    def _discard(self, place: Place, ran: bool) -> str:
        """Remove a copy that no server ran on; keep one where some may have, and say where."""
        if not ran or not os.path.isdir(place.copy):
            shutil.rmtree(place.copy, ignore_errors=True)
            return ""
        aside = f"{place.copy}.failed-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        os.rename(place.copy, aside)
        return f"what it wrote meanwhile is in {aside}"

    def _restore(self, path: str, content: str | None) -> None:
        if content is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        elif read(path) != content:
            write(path, content, like=path)

    # -- small steps ------------------------------------------------------------------------------------------

    def _start(self, group: Group, units: Sequence[str]) -> None:
        if group.units:
            self._must("systemctl", "unmask", "--runtime", "--no-reload", "--quiet", *group.units)
        self._must("systemctl", "daemon-reload")
        for unit in units:
            self.run(("systemctl", "reset-failed", unit))
            self._must("systemctl", "start", unit)
            if not self._is_active(unit):
                raise MoveError(f"{unit} ended when it was started")

    def _is_active(self, unit: str) -> bool:
        return self.run(("systemctl", "is-active", "--quiet", unit))[0] == 0

    def _answer(self, commands: Sequence[Sequence[str]]) -> str:
        """What the first command that succeeds prints; a server that is busy is asked again. Raises MoveError."""
        until = time.monotonic() + _ANSWER_S
        while True:
            for argv in commands:
                code, out, told = self.run(argv)
                if code == 0:
                    return out
            if time.monotonic() >= until:
                raise MoveError(f"the server could not be asked for its databases: {told}")
            self.sleep(0.5)

    def _must(self, *argv: str) -> None:
        code, _out, told = self.run(argv)
        if code != 0:
            raise MoveError(f"'{' '.join(argv)}' failed: {told}")


# -- trees ------------------------------------------------------------------------------------------------------


def figures_of(top: str, anew: bool = False) -> Figures:
    """What a tree holds, links not followed; sockets and pipes do not count. anew: read it from the disk again."""
    total, files, size = hashlib.blake2b(), 0, 0
    for relative, path in _walk(top):
        info = os.lstat(path)
        told = [relative, stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid]
        if stat.S_ISLNK(info.st_mode):
            told += [os.readlink(path)]
        elif stat.S_ISREG(info.st_mode):
            files, size = files + 1, size + info.st_size
            told += [info.st_size, _checksum(path, anew)]
        elif not stat.S_ISDIR(info.st_mode):
            if stat.S_ISSOCK(info.st_mode) or stat.S_ISFIFO(info.st_mode):
                continue
            raise MoveError(f"{path} is a device, and is not copied")
        told += [[name, os.getxattr(path, name, follow_symlinks=False).hex()] for name in _attributes(path)]
        total.update(json.dumps(told).encode("utf-8", "surrogateescape") + b"\n")
    return Figures(files, size, total.hexdigest())


def _walk(top: str) -> Iterator[tuple[str, str]]:
    """All below a directory, and itself as '.', sorted."""
    yield ".", top
    for folder, directories, names in os.walk(top, onerror=_raise):
        directories.sort()
        for name in sorted([*directories, *names]):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, top), path
        directories[:] = [name for name in directories if not os.path.islink(os.path.join(folder, name))]


def _raise(error: OSError) -> None:
    raise error


def _attributes(path: str) -> list[str]:
    try:
        return sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:
        return []


def _checksum(path: str, anew: bool) -> str:
    digest = hashlib.blake2b()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as stream:
        if anew:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def users_of(top: str, proc: str = "/proc") -> Iterator[str]:
    """The processes that have something open below a directory, as 'name (pid)'."""
    inside = top.rstrip("/") + "/"
    for pid in filter(str.isdigit, os.listdir(proc)):
        links = [f"{proc}/{pid}/cwd", f"{proc}/{pid}/root"]
        with contextlib.suppress(OSError):
            links += [f"{proc}/{pid}/fd/{name}" for name in os.listdir(f"{proc}/{pid}/fd")]
        if any(f"{_link(link)}/".startswith(inside) for link in links):
            yield f"{(read(f'{proc}/{pid}/comm') or 'a process').strip()} ({pid})"


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


# -- files ------------------------------------------------------------------------------------------------------


def read(path: str) -> str | None:
    """A text file; None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def load(path: str) -> Any:
    """What a JSON file holds; None where there is none."""
    text = read(path)
    return None if text is None else json.loads(text)


def write(path: str, text: str, mode: int = 0o600, like: str = "") -> None:
    """A file of root's, there with all of its content or not at all, and on the disk."""
    if like and os.path.exists(like):
        mode = stat.S_IMODE(os.stat(like).st_mode)
    temporary = f"{path}.privacy-hosting-new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        os.fchmod(descriptor, mode)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def add_lines(path: str, lines: Sequence[str]) -> None:
    """Add lines to the end of a file, those that it has not."""
    text = read(path) or ""
    known = text.split("\n")
    new = [line for line in lines if line not in known]
    if new:
        write(path, text + ("" if text.endswith("\n") or not text else "\n") + "\n".join(new) + "\n", 0o644, like=path)


def _told(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the disk'}: {error.strerror}"
    return str(error)


def main(arguments: Sequence[str]) -> int:
    """What systemd runs: 'move' what is planned, or 'settle' what was cut off. What is written is for the journal."""
    step, state = arguments[0], arguments[1] if len(arguments) > 1 else STATE
    plan = load(os.path.join(state, "plan.json")) or {"volume": "", "groups": []}
    mover = Mover(plan["volume"], state)
    said: list[str] = []
    failed = ""
    if step == "settle":
        try:
            done = mover.settle()
        except (MoveError, OSError) as error:
            done = _told(error)
        if done:
            failed = f"the move was cut off; {done}"
            said.append(failed)
    else:
        for told in plan["groups"]:
            try:
                mover.move(Group.of(told))
                said.append(f"{told['name']}: moved")
            except (MoveError, OSError) as error:
                failed = _told(error)
                said.append(failed)
                break
    if step == "move" or failed:
        write(os.path.join(state, "outcome.json"), json.dumps({"said": said, "failed": failed}))
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
