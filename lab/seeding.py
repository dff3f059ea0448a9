# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs as a server has them that runs for some days: made from data, the same for the same data and moment.

Pure functions from descriptions to files in memory; nothing here touches a disk.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class SeededFile:
    """One file of a log: what it holds and when it was last written."""

    path: str
    content: bytes
    written: datetime
    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class Line:
    """One event that a log line tells of."""

    moment: datetime
    site: str
    client: str
    path: str
    status: int
    size: int
    agent: str


def _combined(line: Line) -> str:
    return (
        f'{line.client} - - [{line.moment:%d/%b/%Y:%H:%M:%S %z}] "GET {line.path} HTTP/1.1" '
        f'{line.status} {line.size} "-" "{line.agent}"'
    )


def _vhost_combined(line: Line) -> str:
    return f"{line.site}:80 {_combined(line)}"


def _nginx_error(line: Line) -> str:
    return (
        f"{line.moment:%Y/%m/%d %H:%M:%S} [error] 412#412: *{line.size} "
        f'open() "/var/www/{line.site}{line.path}" failed (2: No such file or directory), '
        f"client: {line.client}, server: {line.site}, "
        f'request: "GET {line.path} HTTP/1.1", host: "{line.site}"'
    )


def _apache_error(line: Line) -> str:
    return (
        f"[{line.moment:%a %b %d %H:%M:%S.000000 %Y}] [authz_core:error] [pid 512:tid 512] "
        f"[client {line.client}:{40000 + line.size}] AH01630: client denied by server configuration: "
        f"/var/www/{line.site}{line.path}"
    )


FORMATS: Mapping[str, Callable[[Line], str]] = {
    "combined": _combined,
    "vhost_combined": _vhost_combined,
    "nginx_error": _nginx_error,
    "apache_error": _apache_error,
}


def midnight(moment: datetime, days_ago: int) -> datetime:
    """The midnight that began the day `days_ago` days before the day of `moment`."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def rotated_name(path: str, turn: int) -> str:
    """Name of a log after `turn` rotations by Debian's stock rules (compressed, but for the newest)."""
    if turn == 0:
        return path
    return f"{path}.1" if turn == 1 else f"{path}.{turn}.gz"


def _lines_of_day(
    traffic: Mapping[str, Any], visitors: Mapping[str, Sequence[str]], begin: datetime, end: datetime
) -> Iterable[Line]:
    chance = random.Random(f"{traffic['site']} {begin:%Y-%m-%d} {traffic['lines_per_day']}")
    span = max(0, int((end - begin).total_seconds()) - 1)
    clients = [traffic["client"]] if "client" in traffic else visitors["addresses"]
    for _ in range(traffic["lines_per_day"] if span else 0):
        yield Line(
            moment=begin + timedelta(seconds=chance.randrange(span)),
            site=traffic["site"],
            client=chance.choice(clients),
            path=chance.choice(traffic["paths"]),
            status=traffic.get("status", 200),
            size=chance.randrange(200, 9000),
            agent=chance.choice(visitors["agents"]),
        )


def seed(
    log: Mapping[str, Any], visitors: Mapping[str, Sequence[str]], now: datetime, born: datetime
) -> list[SeededFile]:
    """The files of one log, rotated daily by Debian's stock rules.

    `log`: path, format, owner, group, `days` {from, to} (days ago, from >= to), and `traffic`: a list of site, paths,
    lines_per_day, and optionally client and status. A log whose `to` is not 0 has ended (its site was removed): its
    newest file is empty, as the last rotation left it. No line is older than `born` in a log that goes on.
    """
    first, last = log["days"]["from"], log["days"]["to"]
    goes_on = last == 0
    files = []
    for days_ago in range(first, last - 1, -1):
        begin, end = midnight(now, days_ago), min(midnight(now, days_ago - 1), now)
        if goes_on:
            begin = max(begin, born)
        lines = [line for traffic in log["traffic"] for line in _lines_of_day(traffic, visitors, begin, end)]
        lines.sort(key=lambda line: line.moment)
        text = "".join(f"{FORMATS[log['format']](line)}\n" for line in lines).encode()
        written = lines[-1].moment if lines else begin
        files.append(_file(log, rotated_name(log["path"], days_ago - last + (not goes_on)), text, written))
    if not goes_on:
        files.append(_file(log, log["path"], b"", midnight(now, last - 1)))
    return files


def _file(log: Mapping[str, Any], path: str, text: bytes, written: datetime) -> SeededFile:
    content = gzip.compress(text, mtime=int(written.timestamp())) if path.endswith(".gz") else text
    return SeededFile(path, content, written, log["owner"], log["group"], 0o640)


def rotation_status(logs: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """What logrotate's status file says of these logs: each last rotated at the midnight that began its newest day."""
    lines = ["logrotate state -- version 2"]
    for log in logs:
        last = log["days"]["to"]
        rotated = midnight(now, last - 1 if last else 0)
        lines.append(f'"{log["path"]}" {rotated.year}-{rotated.month}-{rotated.day}-0:0:0')
    return "\n".join(lines) + "\n"
