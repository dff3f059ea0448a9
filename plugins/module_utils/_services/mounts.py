# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is mounted where, as a process sees it: a unit or container may see other file systems than the host does.

PRIVATE to the collection.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._host import Host, Unseen

_ESCAPED = re.compile(r"\\([0-7]{3})")
_FSTAB = "/etc/fstab"
_LINKS = 40  # as many as Linux follows in one path


@dataclass(frozen=True)
class Mount:
    """A mounted file system, or a part of one. numbers: 'major:minor'; root: which directory of it is mounted."""

    id: int
    parent: int
    numbers: str
    root: str
    point: str
    type: str
    source: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.point} ({self.type} on {self.source})"


@dataclass(frozen=True)
class View:
    """What a process sees of the file systems: 0 is this one. root: the path by which we reach its root directory."""

    pid: int
    root: str
    mounts: tuple[Mount, ...]

    def mount_of(self, path: str) -> Mount:
        """The mount that a path without links lies in. Raises Unseen."""
        inside = [mount for mount in self.mounts if _is_below(path, mount.point)]
        if not inside:
            raise Unseen(f"no mount holds {path}")
        longest = max(len(mount.point) for mount in inside)
        # the last one of those on the same point lies on top
        return [mount for mount in inside if len(mount.point) == longest][-1]

    def below(self, path: str) -> list[Mount]:
        """The mounts below a directory, itself left out."""
        return [mount for mount in self.mounts if mount.point != path and _is_below(mount.point, path)]

    def here(self, path: str) -> str:
        """The path by which we reach what the process calls path."""
        return self.root + path

    def real(self, path: str) -> str:
        """A path of the process with all links followed as it would. Raises Unseen."""
        todo, done, followed = path.split("/")[::-1], "", 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            try:
                target = os.readlink(self.here(f"{done}/{name}"))
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
                    raise Unseen(f"{done}/{name} cannot be looked at: {os.strerror(error.errno or 0)}") from None
                done = f"{done}/{name}"
                continue
            followed += 1
            if followed > _LINKS:
                raise Unseen(f"{path} leads through more than {_LINKS} links")
            done = "" if target.startswith("/") else done
            todo += target.split("/")[::-1]
        return done or "/"


def view(host: Host, pid: int = 0) -> View:
    """What a process sees, 0 for ourselves. Raises Unseen."""
    return host.once(("view", pid), lambda: _view(host, pid))


def _view(host: Host, pid: int) -> View:
    directory = f"/proc/{pid}" if pid else "/proc/self"
    parsed = tuple(parse(host.read(f"{directory}/mountinfo")))
    foreign = pid and (_link(f"{directory}/ns/mnt") != _link("/proc/self/ns/mnt") or _link(f"{directory}/root") != "/")
    return View(pid, f"{directory}/root" if foreign else "", parsed)


def on_demand(host: Host, path: str, mount: Mount, kinds: re.Pattern[str]) -> Mount:
    """What fstab mounts where a path lies, if that is of these kinds and not mounted now; else what is mounted."""
    lines = host.read(_FSTAB).splitlines() if host.stat(_FSTAB) is not None else []
    for device, point, kind, *options in (line.split() for line in lines if len(line.split()) > 2):
        inside = _is_below(path, point.rstrip("/") or "/") and not device.startswith("#")
        deeper = len(point.rstrip("/")) > len(mount.point) or (mount.type == "autofs" and point == mount.point)
        if inside and deeper and kinds.fullmatch(kind):
            given = dict(one.partition("=")[::2] for one in (options or [""])[0].split(","))
            mount = replace(mount, type=kind, source=device, point=point, options=given)
    return mount


def parse(text: str) -> list[Mount]:
    """The mounts of a text like /proc/self/mountinfo."""
    found = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, after = left.split(), right.split()
        if not separator or len(fields) < 6 or len(after) < 2:
            continue
        options = dict(option.partition("=")[::2] for option in (after[2] if len(after) > 2 else "").split(","))
        found.append(
            Mount(
                id=int(fields[0]),
                parent=int(fields[1]),
                numbers=fields[2],
                root=_plain(fields[3]),
                point=_plain(fields[4]),
                type=after[0],
                source=_plain(after[1]),
                options={name: _plain(value) for name, value in options.items()},
            )
        )
    return found


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _plain(text: str) -> str:
    """A field of mountinfo or fstab without its octal escapes."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 8)), text)


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
