# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Destroys log files whose last line is past the period that was promised, and nothing else.

The role log_retention installs this file on servers, with the two that it imports, and a systemd timer runs it daily:

    privacy-hosting-log-retention [--dry-run]

A file goes only when it is proven past its time by its newest time stamp, else the date in its name, else its mtime.
A file that a process holds open, and a log that a server is configured to write, always stay. Nothing goes while
the clock is further from the last run than any pause explains: a clock set wrong would make every log look old.

PRIVATE to the collection.
"""

from __future__ import annotations

import argparse
import contextlib
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
SEEN = "/var/lib/privacy-hosting/log-retention/seen"  # the clock at the last run

_LONGEST_PAUSE = dt.timedelta(days=31)  # between two runs, without a person who says that the clock is right
_OLDEST = dt.datetime(1995, 1, 1, tzinfo=dt.timezone.utc)  # a date before web servers is a clock that was not set
_LINKS = 40  # on the way to one directory, as Linux itself counts
_DEPTH = 6  # how far below a directory files are looked for
_DATE = r"[-._](19|20)\d\d[-._]?[01]\d([-._]?[0-3]\d([-._T]?\d\d){0,3})?(-1\d{9})?(\.log)?"
_PACKED = r"(\.(gz|xz|bz2|zst|lz4|Z))?$"
_WORD = r"(.*[._-])?(access|error|logs?|accesslog|errorlog)"
# what files are called in a directory of web logs alone, and archives of a log anywhere else
_LOG_NAME = re.compile(rf"{_WORD}(([._-].*)?(\.\d{{1,4}}|{_DATE}))?{_PACKED}", re.IGNORECASE)
_ARCHIVE_NAME = re.compile(rf".*(\.log|_log|\.\d{{1,4}}|{_DATE}){_PACKED}")


@dataclass(frozen=True)
class Rules:
    """Which logs of one kind are destroyed when.

    period: as promises write it; paths: files, shell patterns and directories (with all that is below them) where every
    file is a log or a copy of one; logs_only: those of the paths where only what is recognised as a log is meant;
    visits_only: those where a name alone is no proof; keep: logs that a service is configured to write; subject: whose
    lines they are, web or mail.
    """

    period: str
    paths: Sequence[str]
    logs_only: Sequence[str] = ()
    visits_only: Sequence[str] = ()
    keep: Sequence[str] = ()
    subject: str = "web"


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
            if rule.subject not in logfile.LINES:
                raise ValueError(f"'{rule.subject}' is no kind of log")
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
            os.close(_open_directory(os.path.dirname(path)))
            identity = _identity(os.lstat(path))
            last = _last(path, found.before, now)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.troubles.append(_told(path, error))
            continue
        if last is None or not _OLDEST <= last.when < found.before:
            continue
        if identity[:2] in opened:
            found.held.append(path)
        else:
            found.past.append(Past(path, last, identity))
    return found


def _last(path: str, before: dt.datetime, now: dt.datetime) -> logfile.Moment | None:
    """The moment of a log's last line, or of its first one when that tells enough."""
    first = logfile.begins(path, now)
    modified = dt.datetime.fromtimestamp(os.lstat(path).st_mtime, dt.timezone.utc)
    if first is None:  # empty: it holds nobody's data, and goes when nobody used it for so long
        return logfile.Moment(modified, logfile.MTIME, "it is empty")
    if first.when >= before:
        return first  # the last line is younger still; a large archive need not be unpacked
    last = logfile.ends(path, now)
    if last is not None and last.when < before <= modified:
        return logfile.newest(path, now)  # somebody wrote to it since: its lines may be out of order
    return last


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# -- what is looked at ------------------------------------------------------------------------------------------------


def _candidates(rules: Rules, found: Found, now: dt.datetime) -> Iterator[str]:
    for pattern in rules.paths:
        for path in glob.glob(pattern):
            if os.path.islink(path):
                continue
            if os.path.isfile(path) and _is_meant(path, pattern, rules, now, _ARCHIVE_NAME):
                yield path
            for below in _files_below(path, found) if os.path.isdir(path) else ():
                if _is_meant(below, pattern, rules, now, _LOG_NAME):
                    yield below


def _is_meant(path: str, pattern: str, rules: Rules, now: dt.datetime, names: re.Pattern[str]) -> bool:
    """Whether a file that a pattern reaches is one of those that the rules mean by it."""
    by_name = names.match(os.path.basename(path)) is not None and pattern not in rules.visits_only
    try:
        if pattern in rules.logs_only or pattern in rules.visits_only:
            return logfile.may_be_log(path) if by_name else logfile.shows_visits(path, now, subject=rules.subject)
    except OSError:
        return by_name  # the trouble is told where its age is looked for
    return True


def _files_below(directory: str, found: Found, depth: int = _DEPTH) -> Iterator[str]:
    """Every regular file below a directory; links are not followed."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        found.troubles.append(_told(directory, error))
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
            found.troubles.append(_told(directory, error))
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
    descriptor = _open_directory(directory)
    try:
        if _identity(os.stat(name, dir_fd=descriptor, follow_symlinks=False)) != past.identity:
            raise OSError("it changed while it was looked at")
        os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _open_directory(path: str) -> int:
    """A descriptor of a directory, reached over no link but root's own: a customer's could lead to others' logs.

    Raises OSError.
    """
    parts, links = path.split("/")[::-1], 0
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while parts:
            name = parts.pop()
            if name in ("", "."):
                continue
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if statmode.S_ISLNK(status.st_mode):
                links += 1
                if status.st_uid not in (0, os.geteuid()) or links > _LINKS:
                    raise OSError(f"on the way to it, {name} is a link that root did not make")
                target = os.readlink(name, dir_fd=descriptor)
                parts += target.split("/")[::-1]
                name = "/" if target.startswith("/") else "."
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


# -- the clock --------------------------------------------------------------------------------------------------------


def doubt(now: dt.datetime, seen: str = SEEN) -> str:
    """Why the clock is not believed, '' where it is: its last run is too long ago, or was never told."""
    last = _seen(seen)
    if last is None:
        return f"{seen} does not tell when this ran last"
    if now - last > _LONGEST_PAUSE:
        return f"it is {now:%Y-%m-%d} by the clock, and the last run was on {last:%Y-%m-%d}"
    return ""


def believe(now: dt.datetime, seen: str = SEEN) -> None:
    """Note that the clock was right at this moment. Raises OSError."""
    os.makedirs(os.path.dirname(seen), mode=0o700, exist_ok=True)
    with open(f"{seen}.new", "w", encoding="ascii") as stream:
        stream.write(now.isoformat() + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(f"{seen}.new", seen)


def _seen(path: str) -> dt.datetime | None:
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as stream:
        moment = dt.datetime.fromisoformat(stream.read(100).strip())
        return moment if moment.tzinfo else None
    return None


# -- saying what was done ---------------------------------------------------------------------------------------------


def _told(path: str, error: OSError) -> str:
    return f"{path}: {os.strerror(error.errno) if error.errno else error}"


def shown(text: str) -> str:
    """A text in one line: what a customer put into a name ends no line and is no control character."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _say(text: str, file: TextIO | None = None) -> None:
    (file or sys.stdout).write(shown(text) + "\n")


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
        except FileNotFoundError:
            continue  # another run, or an administrator, was faster
        except OSError as error:
            found.troubles.append(_told(past.path, error))
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
    parser = argparse.ArgumentParser(description="Destroy logs that are past the promised period.")
    parser.add_argument("--config", default=CONFIG, help=f"the rules (default: {CONFIG})")
    parser.add_argument("--dry-run", action="store_true", help="only list what would be destroyed")
    parser.add_argument("--check-rules", action="store_true", help="only see that the rules can be read")
    parser.add_argument("--clock-is-right", action="store_true", help="after a pause of more than a month")
    parser.add_argument("--seen", default=SEEN, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    try:
        rules = load(options.config)
    except (OSError, ValueError) as error:
        _say(f"error: {error}", file=sys.stderr)
        return 2
    if options.check_rules:
        return 0
    now = dt.datetime.now(dt.timezone.utc)
    if not options.dry_run:
        doubted = "" if options.clock_is_right else doubt(now, options.seen)
        if doubted:
            _say(
                f"error: nothing was destroyed: {doubted}; if the clock is right, run this once with --clock-is-right",
                file=sys.stderr,
            )
            return 1
    status = max([run(kind, rule, now, options.dry_run) for kind, rule in rules.items()], default=0)
    if options.dry_run:
        return status
    try:
        believe(now if options.clock_is_right else max(now, _seen(options.seen) or now), options.seen)
    except OSError as error:
        _say(f"could not be done: {_told(options.seen, error)}", file=sys.stderr)
        return 1
    return status
