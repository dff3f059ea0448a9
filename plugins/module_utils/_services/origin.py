# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Since when a host, and a directory on it, exists.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from .._host import Host, Unseen

# written once, at a host's first start; a restore keeps their mtime
_FIRST_START = "/etc/machine-id"
_KEYS = "/etc/ssh/ssh_host_*_key"


@dataclass(frozen=True)
class Origin:
    """A moment (aware, UTC) before which something cannot have been there, and what tells so."""

    when: dt.datetime
    evidence: str


def of_host(host: Host) -> Origin | None:
    """Since when the host exists: the earliest of what its root directory, machine id and host keys say."""
    return host.once("origin", lambda: _of_host(host))


def _of_host(host: Host) -> Origin | None:
    found = []
    root = birth(host, "/")
    if root is not None:
        found.append(Origin(root, "the root directory was made then"))
    for path in (_FIRST_START, *host.glob(_KEYS)):
        status = host.stat(path)
        if status is not None and status.st_size:
            modified = dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc)
            found.append(Origin(modified, f"{path} is of then"))
    return min(found, key=lambda origin: origin.when, default=None)


def of_directory(host: Host, path: str) -> Origin | None:
    """Since when a directory exists, where that is clearly later than its host's file system; else None.

    On a restored or copied host everything is as old as the file system, which says nothing.
    """
    root, own = birth(host, "/"), birth(host, path)
    if root is None or own is None or own < root + dt.timedelta(days=1):
        return None
    return Origin(own, f"{path} was made then")


def of_file(host: Host, path: str) -> list[Origin]:
    """When a file was made, and when it was last changed; nothing where it is not there."""
    status = host.stat(path) if path.startswith("/") else None
    if status is None:
        return []
    changed = dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc)
    made = birth(host, path)
    return [Origin(when, f"{path} was written then") for when in (made, changed) if when is not None]


def birth(host: Host, path: str) -> dt.datetime | None:
    """When a file or directory was made, if its file system tells."""
    try:
        seconds = int(host.run("stat", "-L", "-c", "%W", path).stdout.strip() or 0)
    except (Unseen, ValueError):
        return None
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc) if seconds > 0 else None
