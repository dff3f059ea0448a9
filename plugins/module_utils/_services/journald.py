# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""journald: how long it keeps entries as configured, and how old its oldest entry is.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from .._host import Host, Unseen
from . import jobs

_DIRECTORIES = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")  # weakest first
_PERSISTENT = "/var/log/journal"


def settings(host: Host) -> Mapping[str, tuple[str, str]]:
    """The keys of journald.conf and its drop-ins that are in effect: key -> (value, 'file:line'). Raises Unseen."""
    return host.once("journald", lambda: _settings(host))


def _settings(host: Host) -> dict[str, tuple[str, str]]:
    main = next((f"{d}/journald.conf" for d in reversed(_DIRECTORIES) if host.stat(f"{d}/journald.conf")), None)
    files: dict[str, str] = {}
    for directory in _DIRECTORIES:
        for name in host.names(f"{directory}/journald.conf.d"):
            if name.endswith(".conf"):
                files[name] = f"{directory}/journald.conf.d/{name}"
    found: dict[str, tuple[str, str]] = {}
    for path in [*([main] if main else []), *(files[name] for name in sorted(files))]:
        for number, line in enumerate(host.read(path).splitlines(), 1):
            match = re.fullmatch(r"\s*([A-Za-z]+)\s*=\s*(.*?)\s*", line)
            if match:
                found[match.group(1)] = (match.group(2), f"{path}:{number}")
    return found


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
    text = host.run("journalctl", "--no-pager", "--header").stdout
    found = re.findall(r"^Head [Rr]ealtime [Tt]imestamp: .*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", text, re.MULTILINE)
    if not found and text.strip():
        raise Unseen("'journalctl --header' tells no first entry")
    stamps = [dt.datetime.strptime(when, "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.timezone.utc) for when in found]
    return min((when for when in stamps if when.year > 1980), default=None)
