# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that make statistics of web logs: what they write holds visitors' addresses too.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._host import Host
from .virtualhost import STATISTICS, LogFile


@dataclass(frozen=True)
class _Program:
    """Where a program is configured, which setting names its directory, and which files there hold addresses."""

    name: str
    configured: tuple[str, ...]
    setting: str
    directory: str
    files: tuple[str, ...]


_PROGRAMS = (
    _Program(
        "awstats",
        ("/etc/awstats/awstats*.conf",),
        "DirData",
        "/var/lib/awstats",
        ("awstats*.txt", "dnscachelastupdate*.txt"),
    ),
    _Program(
        "webalizer",
        ("/etc/webalizer.conf", "/etc/webalizer/*.conf"),
        "OutputDir",
        "",
        ("webalizer.current", "usage_*.html"),
    ),
    _Program("goaccess", ("/etc/goaccess/goaccess.conf", "/etc/goaccess.conf"), "db-path", "", ("*.db",)),
)


def statistics_files(host: Host) -> Iterator[LogFile]:
    """The files with visitors' addresses that such programs wrote, as patterns. Raises Unseen."""
    for program in _PROGRAMS:
        for path in (path for pattern in program.configured for path in host.glob(pattern)):
            text = host.read(path)
            found = re.search(rf'(?m)^\s*{program.setting}[\s=]+"?([^"\s]+)', text)
            directory = found.group(1) if found else program.directory
            line = text[: found.start(1)].count("\n") + 1 if found else 1
            for name in program.files:
                pattern = os.path.join(directory, name)
                if directory.startswith("/") and host.glob(pattern):
                    yield LogFile(pattern, STATISTICS, program.name, (), f"{path}:{line}")
