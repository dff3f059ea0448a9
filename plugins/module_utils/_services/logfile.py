# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How old the lines of a log file are: by the time stamps in it, else the date in its name, else its mtime.

PRIVATE to the collection. This file stands alone (standard library of Python 3.9, no other file of the collection):
the role installs it beside its destroyer, so that what destroys and what audits agree about ages. It only reads.
"""

from __future__ import annotations

import bz2
import calendar
import datetime as dt
import gzip
import io
import json
import lzma
import os
import re
import stat as statmode
import subprocess
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Callable, cast

STAMP, NAME, MTIME = "time stamp", "name", "mtime"  # the evidence for a moment, strongest first

_OLDEST = dt.datetime(1995, 1, 1, tzinfo=dt.timezone.utc)  # the year of Apache; what is older is no time of a visit
_AHEAD = dt.timedelta(days=1)  # clocks of other zones and machines may be this far ahead
_HEAD_BYTES = 1 << 20  # how far into a file its first time stamp is looked for
_TAIL_BYTES = 256 << 10  # how far from a file's end its last time stamp is looked for
_LINE_BYTES = 16 << 10  # no more of one line is looked at
_SNIFF_BYTES = 64 << 10  # how far into a file it is looked for visits
_FIRST_CHUNK, _CHUNK = 8 << 10, 256 << 10  # bytes; most often the first lines are enough


# what shows a visit in a line: a request, or the client that an error is about
VISIT = re.compile(
    rb"[\"\t |](?:GET|POST|HEAD|PUT|OPTIONS|DELETE|PATCH|PROPFIND|CONNECT|TRACE) [/*h]\S* HTTP/\d"
    rb"|[,\[] ?client:? [0-9a-f.:]{7,}"
)
# what shows a mail server at work, at the beginning of a line: senders choose what stands further on
_BEGUN = (
    rb"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[-+]\d\d:?\d\d)?) "
    rb"(?:[\w.-]+ )?"
)
_MAIL_PROGRAM = (
    rb"(?:postfix\S*\[\d+\]: |dovecot(?:\[\d+\])?: |(?:imap|pop3|managesieve|submission)-login: |auth(?:-worker)?[:(]"
    rb"|(?:imap|pop3|lmtp|lda|managesieve|sieve)\([^)\s]*\)|roundcube(?:\[\d+\])?: )"
)
MAIL = re.compile(_BEGUN + _MAIL_PROGRAM + rb"|^\[\d\d-[A-Z][a-z]{2}-\d{4} [\d:]+ [-+]\d{4}\]: <\w+> ", re.MULTILINE)
LINES = {"web": VISIT, "mail": MAIL}
_TAR_MAGIC = slice(257, 262)


@dataclass(frozen=True)
class Bounds:
    """How much reading one file may cost: seconds, and bytes after unpacking."""

    seconds: float = 10.0
    bytes: int = 4 << 30


@dataclass(frozen=True)
class Moment:
    """A moment (aware, UTC) and the evidence for it: STAMP, NAME or MTIME.

    note: why stronger evidence is not there, '' where none is stronger.
    """

    when: dt.datetime
    evidence: str
    note: str = ""


def begins(path: str, now: dt.datetime, bounds: Bounds = Bounds()) -> Moment | None:
    """The moment of the oldest line in a log file; None where it holds nothing. Raises OSError.

    Only the first 1 MiB is looked through: servers append, so the oldest line is near the beginning.
    """
    return _edge(path, now, bounds, first=True)


def ends(path: str, now: dt.datetime, bounds: Bounds = Bounds()) -> Moment | None:
    """The moment of the newest line in a log file; None where it holds nothing. Raises OSError.

    A packed file is unpacked whole, within the bounds; where they are reached, name or mtime tell.
    """
    return _edge(path, now, bounds, first=False)


def _edge(path: str, now: dt.datetime, bounds: Bounds, first: bool) -> Moment | None:
    """The moment of the line nearest to a file's beginning, or to its end, that tells one."""
    with _open(path) as stream:
        status = os.fstat(stream.fileno())
        if status.st_size == 0:
            return None
        modified = _utc(status.st_mtime)
        unpacked = _Unpacked(stream, path, bounds)
        try:
            for line in _lines(unpacked, _HEAD_BYTES) if first else reversed(unpacked.tail()):
                found = stamp(line, now, modified)
                if found is not None:
                    return Moment(found, STAMP)
            if not unpacked.size:
                return None
            note = f"no time stamp in its {'first' if first else 'last'} lines"
        except _Unreadable as error:
            note = str(error)
    return _fallback(path, modified, note, first)


def newest(path: str, now: dt.datetime, bounds: Bounds = Bounds(seconds=600.0)) -> Moment | None:
    """The newest moment in a log file whose lines may be out of order: all are read. Raises OSError.

    None where it holds nothing; its mtime where it cannot be read to its end.
    """
    with _open(path) as stream:
        modified = _utc(os.fstat(stream.fileno()).st_mtime)
        found: dt.datetime | None = None
        try:
            for line in _lines(_Unpacked(stream, path, bounds), None):
                when = stamp(line, now, modified)
                found = when if found is None or (when is not None and when > found) else found
        except _Unreadable as error:
            return Moment(modified, MTIME, str(error))
    return Moment(found, STAMP) if found is not None else ends(path, now, bounds)


def shows_visits(path: str, now: dt.datetime, bounds: Bounds = Bounds(), subject: str = "web") -> bool:
    """Whether most of a file's first lines are of visits, or of another subject, with their time. Raises OSError."""
    data = head(path, _SNIFF_BYTES, bounds)
    if data is None or data[_TAR_MAGIC] == b"ustar":
        return False
    lines = _split(data)[:200]
    modified = _utc(os.stat(path).st_mtime)
    visits = [line for line in lines if LINES[subject].search(line) and stamp(line, now, modified) is not None]
    return bool(visits) and 2 * len(visits) >= len(lines)


def may_be_log(path: str, bounds: Bounds = Bounds()) -> bool:
    """Whether a file that is called like a log may be one: it is no archive of files and no binary. Raises OSError."""
    data = head(path, _SNIFF_BYTES, bounds)
    # a log of a crashed machine begins with NULs, and lines follow
    return data is None or (data[_TAR_MAGIC] != b"ustar" and (b"\0" not in data or VISIT.search(data) is not None))


def head(path: str, size: int, bounds: Bounds = Bounds()) -> bytes | None:
    """The first bytes of a file, unpacked; None where it cannot be unpacked. Raises OSError."""
    with _open(path) as stream:
        data = b""
        try:
            for chunk in _Unpacked(stream, path, bounds).chunks():
                data += chunk
                if len(data) >= size:
                    break
        except _Unreadable:
            return None
    return data[:size]


def _fallback(path: str, modified: dt.datetime, note: str, first: bool) -> Moment:
    span = date_in_name(path)
    if span is not None:
        return Moment(span[0] if first else span[1], NAME, note)
    return Moment(modified, MTIME, note + ", no date in its name")


# -- reading, packed or not -----------------------------------------------------------------------------------------


class _Unreadable(Exception):
    """What a file holds cannot be told; the text says why."""


def _open(path: str) -> IO[bytes]:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        # looking at a log is no use of it: rules that go by the last access must not see it
        descriptor = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        descriptor = os.open(path, flags)
    if not statmode.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb")


def _gzip(stream: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]


def _bzip2(stream: IO[bytes]) -> IO[bytes]:
    return bz2.BZ2File(stream)


def _xz(stream: IO[bytes]) -> IO[bytes]:
    return lzma.LZMAFile(stream)


_PACKERS: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\x00", _xz),
)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)


class _Unpacked:
    """The bytes of a file after unpacking, within bounds."""

    def __init__(self, stream: IO[bytes], path: str, bounds: Bounds) -> None:
        self._raw, self._path, self._bounds = stream, path, bounds
        self._end = time.monotonic() + bounds.seconds
        self.size = 0  # bytes read so far, after unpacking

    def _magic(self) -> bytes:
        return os.pread(self._raw.fileno(), 6, 0)

    def chunks(self) -> Iterator[bytes]:
        """All of it. Raises _Unreadable: no program for it, or a bound reached; a broken end just ends."""
        magic = self._magic()
        if magic.startswith(_ZSTD_MAGIC):
            yield from self._zstd()
            return
        stream: IO[bytes] = self._raw
        for prefix, unpack in _PACKERS:
            if magic.startswith(prefix):
                stream = unpack(self._raw)
        wanted = _FIRST_CHUNK
        while True:
            try:
                chunk = stream.read(wanted)
            except _BROKEN:
                if not self.size:
                    raise _Unreadable("it cannot be unpacked") from None
                return
            if not chunk:
                return
            self._count(chunk)
            wanted = _CHUNK
            yield chunk

    def _count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._bounds.bytes:
            raise _Unreadable(f"it is larger than {self._bounds.bytes >> 20} MiB")
        if time.monotonic() > self._end:
            raise _Unreadable(f"it was not read within {self._bounds.seconds:.0f} s")

    def _zstd(self) -> Iterator[bytes]:
        """Unpacked by the zstd command: the standard library does not know it before Python 3.14."""
        try:
            process = subprocess.Popen(
                ["zstd", "-dcq"], stdin=self._raw, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            raise _Unreadable("the command zstd that would unpack it is not there") from None
        unpacked = cast(io.BufferedReader, process.stdout)
        try:
            while True:
                chunk = unpacked.read1(_CHUNK)
                if not chunk:
                    break
                self._count(chunk)
                yield chunk
        finally:
            unpacked.close()
            status = process.wait()
        if not self.size and status:
            raise _Unreadable("it cannot be unpacked")

    def tail(self) -> list[bytes]:
        """The last lines. Raises _Unreadable."""
        magic = self._magic()
        size = os.fstat(self._raw.fileno()).st_size
        plain = not magic.startswith((_ZSTD_MAGIC, *(prefix for prefix, _unpack in _PACKERS)))
        if plain and size > _TAIL_BYTES:
            self.size = size
            self._raw.seek(size - _TAIL_BYTES)
            return _split(self._raw.read(_TAIL_BYTES))[1:]
        kept = b""
        for chunk in self.chunks():
            kept = (kept + chunk)[-_TAIL_BYTES:]
        return _split(kept)


def _split(data: bytes) -> list[bytes]:
    # a NUL ends a line too: tar archives and logs of a crashed machine hold runs of them
    return [line for line in re.split(rb"[\n\0]+", data) if line.strip()]


def _lines(source: _Unpacked, limit: int | None) -> Iterator[bytes]:
    """The lines of a file's first bytes; without a limit, of all."""
    rest, size = b"", 0
    for chunk in source.chunks():
        size += len(chunk)
        *whole, rest = re.split(rb"[\n\0]+", rest + chunk)
        yield from (line for line in whole if line.strip())
        if limit is not None and size >= limit:
            break
    if rest.strip():
        yield rest


# -- time stamps in lines ---------------------------------------------------------------------------------------------

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_MON = "|".join(_MONTHS)
_CLOCK = r"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)(?:[.,]\d{1,9})?"
_ZONE = r"(?P<z>Z|[+-]\d\d:?\d\d)"
_START = r"(?:^|(?<=[\s\[\"'(<|,;\t]))\[?"
_STOP = r"(?=$|[\s\]\"')>|,;])"
_DATED = tuple(
    re.compile(_START + form + _STOP)
    for form in (
        rf"(?P<d>\d\d)/(?P<b>{_MON})/(?P<Y>\d{{4}}):{_CLOCK}(?: {_ZONE})?",  # common, combined
        rf"(?P<Y>\d{{4}})-(?P<m>\d\d)-(?P<d>\d\d)[T ]{_CLOCK} ?{_ZONE}?",  # ISO 8601, RFC 5424, W3C
        rf"(?P<Y>\d{{4}})/(?P<m>\d\d)/(?P<d>\d\d) {_CLOCK}",  # nginx error log
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<b>{_MON}) +(?P<d>\d\d?) {_CLOCK} (?P<Y>\d{{4}})",  # Apache error log
        rf"(?P<d>\d\d)-(?P<b>{_MON})-(?P<Y>\d{{4}}) {_CLOCK}(?: UTC)?",  # PHP error log
    )
)
_YEARLESS = re.compile(rf"^(?:<\d+>)?(?P<b>{_MON}) +(?P<d>\d\d?) {_CLOCK}(?= )")  # syslog, RFC 3164
_EPOCH = re.compile(_START + r"(?P<seconds>1\d{9})\.\d{3,6}" + _STOP + r"|^(?P<bare>1\d{9})(?:\d{3}|\d{6})?(?=[\s,;|])")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# what a server's format, never a visitor, names a field that holds the time
_TIME_KEY = re.compile(
    r"^@?_?(time|timestamp|ts|date|datetime|msec|t|when|start|end)(_?(stamp|iso8601|local|utc|msec|unix))?$",
    re.IGNORECASE,
)


def stamp(line: bytes, now: dt.datetime, modified: dt.datetime) -> dt.datetime | None:
    """The time stamp that a server wrote into a line (aware, UTC), or None.

    A visitor chooses much of a line (address asked for, referrer, browser), so a stamp must be a field of its own; of
    several the newest counts, which an invented one cannot make older. modified: gives syslog's lines their year.
    """
    text = line[:_LINE_BYTES].decode("latin-1").strip()
    if MAIL.match(line):  # the rest may be a sender's: names of users, addresses, message ids
        return _leading(text, now, modified)
    if text.startswith("{"):
        found = _in_json(text)
        if found:
            return _newest(found, now)
    unquoted = _QUOTED.sub(
        lambda match: match.group(0) if len(match.group(1)) <= 40 and _whole(match.group(1)) else '""', text
    )
    found = [_dated(match) for form in _DATED for match in form.finditer(unquoted)]
    newest = _newest(found, now)
    if newest is not None:
        return newest
    match = _YEARLESS.match(text)
    if match:
        return _newest([_with_year(match, modified)], now)
    found = [_utc(float(match.group("seconds") or match.group("bare"))) for match in _EPOCH.finditer(unquoted)]
    return _newest(found, now)


def _leading(text: str, now: dt.datetime, modified: dt.datetime) -> dt.datetime | None:
    """The time stamp that a line begins with."""
    dated = next(filter(None, (form.match(text) for form in _DATED)), None)
    yearless = _YEARLESS.match(text)
    found = _dated(dated) if dated else _with_year(yearless, modified) if yearless else None
    return _newest([found], now)


def _whole(text: str) -> bool:
    return any(form.fullmatch(text) for form in (*_DATED, _EPOCH))


def _newest(found: list[dt.datetime | None], now: dt.datetime) -> dt.datetime | None:
    plausible = [when for when in found if when is not None and _OLDEST <= when <= now + _AHEAD]
    return max(plausible, default=None)


def _in_json(text: str) -> list[dt.datetime | None]:
    try:
        record = json.loads(text)
    except ValueError:
        return []
    if not isinstance(record, dict):
        return []
    return [_of_value(value) for key, value in record.items() if _TIME_KEY.match(key)]


def _of_value(value: Any) -> dt.datetime | None:
    """The moment that a JSON field of time holds."""
    text = str(value)
    if re.fullmatch(r"1\d{9}(\.\d+)?", text):
        return _utc(float(text))
    if re.fullmatch(r"1\d{12}|1\d{15}", text):
        return _utc(int(text[:10]))
    for form in _DATED:
        match = form.fullmatch(text)
        if match:
            return _dated(match)
    return None


def _dated(match: re.Match[str]) -> dt.datetime | None:
    """A moment that a form with a year tells; one without a zone is of the host's own."""
    part = match.groupdict()
    month = _MONTHS[part["b"]] if part.get("b") else int(part["m"])
    try:
        naive = _naive(int(part["Y"]), month, int(part["d"]), int(part["H"]), int(part["M"]), min(int(part["S"]), 59))
        return _in_zone(naive, part.get("z"))
    except (ValueError, OverflowError, OSError):
        return None


def _naive(*parts: int) -> dt.datetime:
    """A moment without a zone: of the host's own until somebody says otherwise."""
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def _in_zone(naive: dt.datetime, zone: str | None) -> dt.datetime:
    if not zone:
        return naive.astimezone(dt.timezone.utc)
    if zone == "Z":
        return naive.replace(tzinfo=dt.timezone.utc)
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    offset = dt.timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    return naive.replace(tzinfo=dt.timezone(offset)).astimezone(dt.timezone.utc)


def _with_year(match: re.Match[str], modified: dt.datetime) -> dt.datetime | None:
    """A syslog stamp in the newest year that does not put it after the file's last change."""
    for year in (modified.year + 1, modified.year, modified.year - 1):
        try:
            naive = _naive(
                year, _MONTHS[match["b"]], int(match["d"]), int(match["H"]), int(match["M"]), int(match["S"])
            )
        except ValueError:
            continue  # 29 February
        when = naive.astimezone(dt.timezone.utc)
        if when <= modified + _AHEAD:
            return when
    return None


def _utc(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)


# -- dates in names ---------------------------------------------------------------------------------------------------

_YEAR, _MONTH, _DAY = r"(?P<Y>(?:19|20)\d\d)", r"(?P<m>0[1-9]|1[0-2])", r"(?P<d>0[1-9]|[12]\d|3[01])"
# in the last part of the path first, then in the directories above it
_NAME_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?<!\d){_YEAR}([-._]?){_MONTH}\2{_DAY}(?:[-._T]?(?P<H>[01]\d|2[0-3])(?:[-._]?\d\d){{0,2}})?(?!\d)",
        rf"(?<!\d){_YEAR}([-._]?){_MONTH}\2{_DAY}(?=[-._])",  # and then something else: -20261120-1700000000
        r"(?<!\d)(?P<s>1\d{9})(?!\d)",  # logrotate's dateformat %s
        rf"(?<!\d){_YEAR}-?W(?P<V>[0-5]\d)(?!\d)",
        rf"(?<!\d){_YEAR}[-._]?{_MONTH}(?!\d)",
    )
)
_DIRECTORY_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"/{_YEAR}/{_MONTH}/{_DAY}/(?:(?P<H>[01]\d|2[0-3])/)?(?:[^/]*)$",
        rf"/{_YEAR}/{_MONTH}/{_DAY}[-._][^/]*$",
        rf"/{_YEAR}([-._]?){_MONTH}\2{_DAY}/[^/]*$",
        rf"/{_YEAR}/{_MONTH}(?:/[^/]*)$",
        rf"/{_YEAR}[-._]?{_MONTH}/[^/]*$",
    )
)


def date_in_name(path: str) -> tuple[dt.datetime, dt.datetime] | None:
    """From when until when a file's lines are by the date in its path, in the host's zone; None without a date."""
    name = os.path.basename(path)
    for form, text in [(form, name) for form in _NAME_FORMS] + [(form, path) for form in _DIRECTORY_FORMS]:
        match = form.search(text)
        span = _span(match.groupdict()) if match else None
        if span is not None:
            return span
    return None


def _span(part: dict[str, str | None]) -> tuple[dt.datetime, dt.datetime] | None:
    try:
        if part.get("s"):
            moment = _utc(int(part["s"] or 0))
            return moment, moment
        year, hour = int(part["Y"] or 0), part.get("H")
        if part.get("V"):
            first = dt.datetime.combine(dt.date.fromisocalendar(year, int(part["V"] or 0), 1), dt.time())
            last = first + dt.timedelta(weeks=1)
        elif part.get("d"):
            first = _naive(year, int(part["m"] or 0), int(part["d"] or 0), int(hour or 0))
            last = first + (dt.timedelta(hours=1) if hour else dt.timedelta(days=1))
        else:
            month = int(part["m"] or 0)
            first = _naive(year, month, 1)
            last = _naive(year + month // 12, month % 12 + 1, 1)
        return first.astimezone(dt.timezone.utc), last.astimezone(dt.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
