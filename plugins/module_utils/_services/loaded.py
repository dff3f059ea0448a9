# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what a process loaded is what its files say now.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from .._finding import RUNNING, Layer
from .._host import Host, Unseen

# /proc tells starts in clock ticks (10 ms), file systems changes in timer ticks (up to 10 ms)
_PRECISION = dt.timedelta(milliseconds=25)


def newest_change(host: Host, files: Iterable[str], directories: Iterable[str]) -> tuple[dt.datetime, str]:
    """When the newest of some files changed, and which; directories change with the names in them. Raises Unseen.

    A file's change is that of its content or its attributes: a file that is moved into place keeps the former.
    """
    changes = [(max(seen.st_mtime, seen.st_ctime), path) for path in files if (seen := host.stat(path))]
    changes += [(seen.st_mtime, path) for path in directories if (seen := host.stat(path))]
    if not changes:
        raise Unseen("none of the configuration files is there")
    when, path = max(changes)
    return dt.datetime.fromtimestamp(when, dt.timezone.utc), path


def loaded(host: Host, started: dt.datetime, files: Iterable[str], directories: Iterable[str]) -> Layer:
    """The running layer of a service that loaded its files when it (or its workers) started.

    good is None where a file changed later: then nobody can tell from outside what is in effect.
    """
    try:
        when, path = newest_change(host, files, directories)
    except Unseen as unseen:
        return Layer(RUNNING, None, str(unseen))
    if started + _PRECISION >= when:
        return Layer(RUNNING, True, f"loaded at {started:%Y-%m-%d %H:%M:%S} UTC, after the last change")
    return Layer(RUNNING, None, f"{path} changed at {when:%Y-%m-%d %H:%M:%S} UTC, after it was loaded", path)
