# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Destroys log files whose last line is past the period that was promised, and nothing else.

The role log_retention installs this file on servers, with the two that it imports, and a systemd timer runs it daily:

    privacy-hosting-log-retention [--dry-run]

A file goes only when it is proven past its time by its newest time stamp, else the date in its name, else its mtime.
A file that a process holds open, and a log that a web server is configured to write, always stay.

PRIVATE to the collection.
"""

from __future__ import annotations

import argparse
import datetime as dt
import glob
import json
import os
import re
import stat as statmode
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from ._option import Period
from ._services import logfile

CONFIG = "/etc/privacy-hosting/log-retention.json"

_DEPTH = 6  # how far below a directory files are looked for
# what files are called in a directory of web logs alone, and archives of a log anywhere else
_LOG_NAME = re.compile(r"(^|[._-])(access|error|logs?|accesslog|errorlog)([._-]|$)", re.IGNORECASE)
_DATE = r"[-._](19|20)\d\d[-._]?[01]\d([-._]?[0-3]\d([-._T]?\d\d){0,3})?"
_ARCHIVE_NAME = re.compile(rf"(\.log|_log|\.\d{{1,4}}|{_DATE}(\.log)?)(\.(gz|xz|bz2|zst|lz4|Z))?$")


@dataclass(frozen=True)
class Rules:
    """Which logs of one kind are destroyed when.

    period: as promises write it; paths: files, shell patterns and directories (with all that is below them) where every
    file is a log or a copy of one; logs_only: those of the paths where only what is recognised as a log is meant;
    keep: logs that a service is configured to write.
    """

    period: str
    paths: Sequence[str]
    logs_only: Sequence[str] = ()
    keep: Sequence[str] = ()


def as_text(rules: Mapping[str, Rules]) -> str:
    """Rules by the kind of their logs, as they stand in the configuration file."""
    return json.dumps({kind: asdict(rule) for kind, rule in rules.items()}, indent=2, sort_keys=True) + "\n"


def load(path: str) -> dict[str, Rules]:
    """The rules of a configuration file. Raises ValueError with one line, OSError."""
    with open(path, encoding="utf-8") as stream:
        raw: dict[str, dict[str, Any]] = json.load(stream)
    try:
        rules = {kind: Rules(**rule) for kind, rule in raw.items()}
        for rule in rules.values():
            Period.parse(rule.period)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return rules


@dataclass(frozen=True)
class Past:
    """A log file that is past its time. identity: device, inode, size and mtime, by which it is known again."""

    path: str
    last: logfile.Moment
    identity: tuple[int, int, int, int]

    def __str__(self) -> str:
        return f"{self.path} (last line of {self.last.when:%Y-%m-%d} by its {self.last.evidence})"


@dataclass
class Found:
    """What the rules find. held: past their time, but open; troubles: what could not be looked at, one line each."""

    before: dt.datetime
    looked_at: int = 0
    past: list[Past] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def find(rules: Rules, now: dt.datetime) -> Found:
    """The log files that are past their time."""
    found = Found(Period.parse(rules.period).before(now))
    opened = _open_files(found)
    keep = {os.path.realpath(path) for path in rules.keep}
    for path in sorted(set(_candidates(rules, found, now)) - keep):
        found.looked_at += 1
        try:
            identity = _identity(os.lstat(path))
            last = _last(path, found.before, now)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.troubles.append(f"{path}: {os.strerror(error.errno or 0)}")
            continue
        if last is None or last.when >= found.before:
            continue
        if identity[:2] in opened:
            found.held.append(path)
        else:
            found.past.append(Past(path, last, identity))
    return found


def _last(path: str, before: dt.datetime, now: dt.datetime) -> logfile.Moment | None:
    """The moment of a log's last line, or of its first one when that tells enough."""
    first = logfile.begins(path, now)
    if first is None:  # empty: it holds nobody's data, and goes when nobody used it for so long
        modified = dt.datetime.fromtimestamp(os.lstat(path).st_mtime, dt.timezone.utc)
        return logfile.Moment(modified, logfile.MTIME, "it is empty")
    if first.when >= before:
        return first  # the last line is younger still; a large archive need not be unpacked
    return logfile.ends(path, now)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# -- what is looked at ------------------------------------------------------------------------------------------------


def _candidates(rules: Rules, found: Found, now: dt.datetime) -> Iterator[str]:
    for pattern in rules.paths:
        for path in glob.glob(pattern):
            if os.path.islink(path):
                continue
            if os.path.isfile(path) and (pattern not in rules.logs_only or _is_log(path, now, _ARCHIVE_NAME)):
                yield path
            for below in _files_below(path, found) if os.path.isdir(path) else ():
                if pattern not in rules.logs_only or _is_log(below, now, _LOG_NAME):
                    yield below


def _is_log(path: str, now: dt.datetime, names: re.Pattern[str]) -> bool:
    """Whether a file is a log: its name says so, or there are time stamps in its first lines."""
    if names.search(os.path.basename(path)):
        return True
    try:
        first = logfile.begins(path, now)
    except OSError:
        return False
    return first is not None and first.evidence == logfile.STAMP


def _files_below(directory: str, found: Found, depth: int = _DEPTH) -> Iterator[str]:
    """Every regular file below a directory; links are not followed."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        found.troubles.append(f"{directory}: {os.strerror(error.errno or 0)}")
        return
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            yield entry.path
        elif entry.is_dir(follow_symlinks=False) and depth:
            yield from _files_below(entry.path, found, depth - 1)


def _open_files(found: Found) -> set[tuple[int, ...]]:
    """Device and inode of every file that a process holds open."""
    opened: set[tuple[int, ...]] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        directory = f"/proc/{pid}/fd"
        try:
            descriptors = os.listdir(directory)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended
        except OSError as error:
            found.troubles.append(f"{directory}: {os.strerror(error.errno or 0)}")
            continue
        for descriptor in descriptors:
            try:
                status = os.stat(f"{directory}/{descriptor}")
            except OSError:
                continue  # it was closed
            if statmode.S_ISREG(status.st_mode):
                opened.add((status.st_dev, status.st_ino))
    return opened


# -- destroying -------------------------------------------------------------------------------------------------------


def destroy(past: Past) -> None:
    """Remove a file, if it is still the one that was looked at. Raises OSError."""
    directory, name = os.path.split(past.path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _identity(os.stat(name, dir_fd=descriptor, follow_symlinks=False)) != past.identity:
            raise OSError(f"{past.path} changed while it was looked at")
        os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _say(text: str, file: TextIO | None = None) -> None:
    (file or sys.stdout).write(text + "\n")


def run(kind: str, rules: Rules, now: dt.datetime, dry_run: bool) -> int:
    """Destroy what is past its time, and say so, one line each; the exit code."""
    found = find(rules, now)
    unsure = [trouble for trouble in found.troubles if trouble.startswith("/proc/")]
    destroyed = 0
    for past in found.past:
        if dry_run or unsure:
            _say(f"{'would be destroyed' if dry_run else 'not destroyed'}: {past}")
            continue
        try:
            destroy(past)
        except OSError as error:
            found.troubles.append(f"{past.path}: {os.strerror(error.errno) if error.errno else error}")
        else:
            destroyed += 1
            _say(f"destroyed: {past}")
    for path in found.held:
        _say(f"not destroyed, a process has it open: {path}")
    for trouble in found.troubles:
        _say(f"could not be done: {trouble}", file=sys.stderr)
    _say(
        f"rule '{kind} logs, {rules.period}': {found.looked_at} files seen, {len(found.past)} with a last line before "
        f"{found.before:%Y-%m-%d %H:%M} UTC, {destroyed} destroyed"
    )
    return 1 if found.troubles or found.held else 0


def main(words: Sequence[str] | None = None) -> int:
    """The command line. Exit code 1: something could not be done; 2: the configuration is wrong."""
    parser = argparse.ArgumentParser(description="Destroy web logs that are past the promised period.")
    parser.add_argument("--config", default=CONFIG, help=f"the rules (default: {CONFIG})")
    parser.add_argument("--dry-run", action="store_true", help="only list what would be destroyed")
    parser.add_argument("--check-rules", action="store_true", help="only see that the rules can be read")
    options = parser.parse_args(words)
    try:
        rules = load(options.config)
    except (OSError, ValueError) as error:
        _say(f"error: {error}", file=sys.stderr)
        return 2
    if options.check_rules:
        return 0
    now = dt.datetime.now(dt.timezone.utc)
    return max([run(kind, rule, now, options.dry_run) for kind, rule in rules.items()], default=0)
