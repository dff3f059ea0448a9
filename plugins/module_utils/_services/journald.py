# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""journald: how long it keeps entries as configured, how old its oldest entry is, and for how much more there is room.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._finding import RUNNING, Layer
from .._host import Host, Unseen
from . import jobs
from .loaded import loaded

_DIRECTORIES = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")  # weakest first
_PERSISTENT = "/var/log/journal"
_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P", "E"))}
# where nothing is set: shares of the file system, and no more than 4 GiB (journald.conf(5))
_USE_SHARE, _FREE_SHARE, _MOST = 0.10, 0.15, 4 << 30
_FILES = 100  # SystemMaxFiles


def settings(host: Host) -> Mapping[str, tuple[str, str]]:
    """The keys of journald.conf and its drop-ins that are in effect: key -> (value, 'file:line'). Raises Unseen."""
    return host.once("journald", lambda: _settings(host))


def files(host: Host) -> list[str]:
    """The files that say so, weakest first. Raises Unseen."""
    main = next((f"{d}/journald.conf" for d in reversed(_DIRECTORIES) if host.stat(f"{d}/journald.conf")), None)
    drop_ins: dict[str, str] = {}
    for directory in _DIRECTORIES:
        for name in host.names(f"{directory}/journald.conf.d"):
            if name.endswith(".conf"):
                drop_ins[name] = f"{directory}/journald.conf.d/{name}"
    found = [*([main] if main else []), *(drop_ins[name] for name in sorted(drop_ins))]
    return [path for path in found if host.real(path) != "/dev/null"]  # which only hides the one of that name


def _settings(host: Host) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for path in files(host):
        for number, line in enumerate(host.read(path).splitlines(), 1):
            match = re.fullmatch(r"\s*([A-Za-z]+)\s*=\s*(.*?)\s*", line)
            if match:
                found[match.group(1)] = (match.group(2), f"{path}:{number}")
    return found


def holds(host: Host, match: str) -> bool:
    """Whether it holds an entry with such a field ('FIELD=value'). Raises Unseen."""
    asked = ("journalctl", "--quiet", "--no-pager", "--lines=1", "--output=json", "--output-fields=_PID", match)
    return bool(host.run(*asked).stdout.strip())


def running(host: Host) -> Layer:
    """Whether what journald loaded is what its files say now. Raises Unseen."""
    started = [
        one.started for one in host.processes() if one.program.endswith("/systemd-journald") and not one.contained
    ]
    if not started:
        return Layer(RUNNING, None, "journald does not run")
    directories = [f"{directory}/journald.conf.d" for directory in _DIRECTORIES]
    files = [f"{directory}/{name}" for directory in directories for name in host.names(directory)]
    files += [f"{directory}/journald.conf" for directory in _DIRECTORIES]
    return loaded(host, max(started), files, directories)


def days(host: Host, key: str) -> float:
    """A time span of the configuration in days; 0 where it is not set."""
    value = settings(host).get(key, ("", ""))[0]
    return jobs.span_days(value) or 0.0 if value else 0.0


def is_persistent(host: Host) -> bool:
    """Whether entries outlive a restart of the host."""
    storage = settings(host).get("Storage", ("auto", ""))[0]
    return storage == "persistent" or (storage == "auto" and host.stat(_PERSISTENT) is not None)


def oldest(host: Host) -> dt.datetime | None:
    """The moment of the oldest entry (aware, UTC); None where there is none. Raises Unseen."""
    return min(beginnings(host), default=None)


def beginnings(host: Host) -> list[dt.datetime]:
    """The moment of the first entry of each file (aware, UTC). Raises Unseen."""
    text = host.run("journalctl", "--no-pager", "--header").stdout
    found = re.findall(r"^Head [Rr]ealtime [Tt]imestamp: .*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", text, re.MULTILINE)
    if not found and text.strip():
        raise Unseen("'journalctl --header' tells no first entry")
    stamps = [dt.datetime.strptime(when, "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.timezone.utc) for when in found]
    return [when for when in stamps if when.year > 1980]


@dataclass(frozen=True)
class Room:
    """What the journal's limits leave. used, most: bytes that it holds and may hold; files: likewise."""

    used: int
    most: int
    files: int
    most_files: float


def room(host: Host) -> Room:
    """How much the journal on the disk holds, and may hold. Raises Unseen."""
    found = host.glob(f"{_PERSISTENT}/*/*.journal*")
    used = sum(status.st_blocks * 512 for status in map(host.stat, found) if status)
    size, unused = _disk(host)
    most = _bytes(host, "SystemMaxUse") or min(int(size * _USE_SHARE), _MOST)
    kept_free = _bytes(host, "SystemKeepFree") or min(int(size * _FREE_SHARE), _MOST)
    told = settings(host).get("SystemMaxFiles", (str(_FILES), ""))[0]
    if not told.isdecimal():
        raise Unseen(f"SystemMaxFiles={told} of journald is no number")
    return Room(used, min(most, used + unused - kept_free), len(found), int(told) or float("inf"))


def free(host: Host) -> int:
    """Bytes that are free where the journal lies, and that it may use by its own limits of that. Raises Unseen."""
    size, unused = _disk(host)
    return max(0, unused - (_bytes(host, "SystemKeepFree") or min(int(size * _FREE_SHARE), _MOST)))


def _disk(host: Host) -> tuple[int, int]:
    """Bytes of the file system that the journal lies on, and those that are free."""
    place = _PERSISTENT if host.stat(_PERSISTENT) else "/var/log"
    unit, blocks, unused = map(int, host.run("stat", "-f", "-c", "%S %b %a", place).stdout.split())
    return unit * blocks, unit * unused


def _bytes(host: Host, key: str) -> int:
    """A size of the configuration in bytes; 0 where it is not set. Raises Unseen."""
    value = settings(host).get(key, ("", ""))[0]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)B?", value)
    if value and not match:
        raise Unseen(f"{key}={value} of journald is no size")
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0
