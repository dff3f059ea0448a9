# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the lines of a mail server stay: its own file, the journal, files of rsyslog; and what such a place holds now.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .._host import Host, Process, Unseen
from . import journald
from .loaded import newest_change

_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_VOLATILE = ("/dev/", "/run/", "/tmp/", "/proc/", "/var/run/")  # noqa: S108
# systemd's default: 10,000 lines in 30 seconds
_DEFAULT_RATE = 10_000 / 30
_NO_RATE = _DEFAULT_RATE / 10  # below that, an ordinary attack on a mail server already exceeds it
TAIL_BYTES = 1 << 20
_HANDED_ON = "/run/systemd/journal/syslog"  # where journald hands lines on to


@dataclass(frozen=True)
class Sink:
    """A place that lines go to. path: '' for the journal; good: whether all of them come there and stay.

    why: what is good or bad about it, in a few words; source: where that is set; mend: what would be right.
    """

    path: str
    good: bool | None
    why: str
    source: str
    mend: str = ""

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.path or "the journal"


@dataclass(frozen=True)
class Sender:
    """Who writes lines to syslog. unit: of systemd; level: of the least important line that counts."""

    program: str
    unit: str
    facility: str = "mail"
    level: str = "info"


def own_file(host: Host, path: str, source: str) -> Sink:
    """A file that a service writes itself."""
    real = host.real(path)
    if not real.startswith("/") or real.startswith(_VOLATILE):
        mend = f"{source}: name a file below /var/log, or syslog."
        why = f"{path} keeps nothing" if real == path else f"{path} is a link to {real}, which keeps nothing"
        return Sink(path, False, why, source, mend)
    seen = host.stat(path)
    if seen is None:
        return Sink(path, None, f"{path} is not there yet", source, "See whether the service can write it.")
    if _is_memory(host, path):
        return Sink(
            path,
            False,
            f"{path} lies in memory and is gone at the next start",
            source,
            f"{source}: name a file on a disk.",
        )
    return Sink(path, True, f"{path} holds them", source)


def of_syslog(host: Host, sender: Sender) -> list[Sink]:
    """The places that what a service hands to syslog goes to. Raises Unseen."""
    return host.once(("mail_sinks", sender), lambda: list(_of_syslog(host, sender)))


def _of_syslog(host: Host, sender: Sender) -> Iterator[Sink]:
    programs = {os.path.basename(process.program) for process in host.processes() if not process.contained}
    journal = "systemd-journald" in programs
    if journal:
        yield _journal(host, sender)
    for other in sorted({"syslog-ng", "syslogd", "busybox", "metalog", "vector", "fluent-bit"} & programs):
        if other != "busybox":
            yield Sink(other, None, f"what {other} keeps is not judged", other)
    if "rsyslogd" in programs:
        from . import rsyslog_rules as rsyslog

        reaches = _reaches_rsyslog(host, sender, journal, rsyslog.reads_journal(host))
        stale = _rsyslog_stale(host, rsyslog.files(host))
        for one in rsyslog.written(host, rsyslog.Line(sender.program, sender.facility, sender.level)):
            yield _written(host, one.path, one.whole, one.why, one.source, reaches, stale)


def _written(
    host: Host, path: str, whole: bool | None, why: str, source: str, reaches: Sink | None, stale: str
) -> Sink:
    """A file of rsyslog."""
    if whole is False:
        return Sink(path, False, f"{path} does not get them: {why}", source, f"{source}: take the rule before it away.")
    if reaches is not None and not reaches.good:
        return Sink(path, reaches.good, reaches.why, reaches.source, reaches.mend)
    own = own_file(host, path, source)
    if own.good is None and host.stat(os.path.dirname(path)) is not None:
        own = Sink(path, True, f"{path} will hold them", source)  # rsyslog makes it for the first line
    if whole is None and own.good is not False:
        return Sink(path, None, f"{path}: {why}", source, f"{source}: write the rule so that it names whole programs.")
    if own.good and stale:
        return Sink(path, None, stale, source, "Restart rsyslog.")
    return own


def _reaches_rsyslog(host: Host, sender: Sender, journal: bool, from_journal: bool) -> Sink | None:
    """Why lines do not reach rsyslog; None where they do."""
    if not journal:
        return None
    unit = _unit_level(host, sender)
    if unit is not None:
        return unit
    if from_journal:
        own = _journal(host, sender)
        return own if own.good is False and "Storage" in own.why + own.source else None
    value, source = journald.settings(host).get("ForwardToSyslog", ("", ""))
    if not value:
        return (
            None
            if _forwards_by_default(host)
            else Sink("", False, "the journal hands nothing to syslog", "journald.conf")
        )
    if value.lower() not in ("yes", "true", "1", "on", "y", "t"):
        return Sink("", False, "the journal hands nothing to syslog", source, f"{source}: write 'ForwardToSyslog=yes'.")
    if host.stat(_HANDED_ON) is None:
        why = f"rsyslog takes nothing from the journal ({_HANDED_ON} is not there)"
        return Sink("", False, why, "rsyslog.service", "systemctl enable --now syslog.socket rsyslog")
    most, source = journald.settings(host).get("MaxLevelSyslog", ("debug", ""))
    if not _takes(most, sender.level):
        return Sink(
            "", False, f"the journal hands no {sender.level} lines to syslog", source, f"{source}: take the line away."
        )
    return None


def _forwards_by_default(host: Host) -> bool:
    """Debian 12 has ForwardToSyslog=yes compiled in; from 13 on a file says so."""
    try:
        return bool(re.search(r'VERSION_ID="?(1[012])"?\b', host.read("/etc/os-release")))
    except Unseen:
        return False


def _takes(most: str, level: str) -> bool:
    """Whether a level is among those up to the least important one that is taken."""
    most = {"warn": "warning", "error": "err", "panic": "emerg"}.get(most.lower(), most.lower())
    number = int(most) if most.isdigit() and int(most) < len(_LEVELS) else -1
    limit = _LEVELS.index(most) if most in _LEVELS else number
    return limit >= _LEVELS.index(level)


def _rsyslog_stale(host: Host, files: Sequence[str]) -> str:
    """That rsyslog still runs by former files, '' where it does not: it reads them when it starts, and only then."""
    started = [p.started for p in host.processes() if os.path.basename(p.program) == "rsyslogd" and not p.contained]
    when, path = newest_change(host, files, {os.path.dirname(name) for name in files})
    if started and max(started) + dt.timedelta(milliseconds=25) < when:
        return f"{path} changed after rsyslog was started"
    return ""


# -- the journal ------------------------------------------------------------------------------------------------------


def _journal(host: Host, sender: Sender) -> Sink:
    """The journal as a place for the lines of a service."""
    doubts = [
        _unit_level(host, sender),
        _storage(host),
        _level(host, sender),
        _rate(host, sender),
        _dropped(host, sender),
        _journald_stale(host),
    ]
    told = [doubt for doubt in doubts if doubt is not None]
    bad = [doubt for doubt in told if doubt.good is False]
    return (bad or told or [Sink("", True, "the journal holds them", "journald.conf")])[0]


def _storage(host: Host) -> Sink | None:
    storage, source = journald.settings(host).get("Storage", ("auto", "journald.conf"))
    mend = f"{source}: write 'Storage=persistent', and restart systemd-journald."
    if storage == "none":
        return Sink("", False, "the journal keeps nothing (Storage=none)", source, mend)
    if not journald.is_persistent(host):
        return Sink("", False, f"the journal is gone at the next start (Storage={storage})", source, mend)
    if _is_memory(host, "/var/log/journal"):
        return Sink("", False, "/var/log/journal lies in memory and is gone at the next start", "/proc/mounts")
    return None


def _level(host: Host, sender: Sender) -> Sink | None:
    most, source = journald.settings(host).get("MaxLevelStore", ("debug", ""))
    if _takes(most, sender.level):
        return None
    why = f"the journal keeps no {sender.level} lines (MaxLevelStore={most})"
    return Sink("", False, why, source, f"{source}: take the line away, and restart systemd-journald.")


def _rate(host: Host, sender: Sender) -> Sink | None:
    """Why the journal may leave out lines that come fast; None where its limit is systemd's default or higher."""
    settings = journald.settings(host)
    interval, at = settings.get("RateLimitIntervalSec", settings.get("RateLimitInterval", ("30s", "")))
    burst, burst_at = settings.get("RateLimitBurst", ("10000", ""))
    unit = _unit(host, sender.unit)
    if unit.get("LogRateLimitBurst", "0") not in ("0", "", "[not set]"):
        burst, burst_at = unit["LogRateLimitBurst"], f"systemctl show {sender.unit}"
    if unit.get("LogRateLimitIntervalUSec", "0") not in ("0", "", "infinity", "[not set]"):
        interval, at = unit["LogRateLimitIntervalUSec"], f"systemctl show {sender.unit}"
    seconds = span_seconds(interval)
    if seconds == 0 or burst == "0":
        return None
    if seconds is None or not burst.isdigit():
        return Sink("", None, "how many lines the journal takes in a time is not understood", burst_at or at)
    rate = int(burst) / seconds
    if rate >= _DEFAULT_RATE * 0.99:
        return None
    source = burst_at or at
    why = f"the journal drops what exceeds {burst} lines in {seconds:g} s"
    mend = f"{source}: take the line away, and restart systemd-journald."
    return Sink("", False if rate < _NO_RATE else None, why, source, mend)


def _dropped(host: Host, sender: Sender) -> Sink | None:
    """That the journal did leave out lines of a unit since journald was started; it says so itself."""
    argv = ("journalctl", "-q", "--no-pager", "-o", "cat", "--lines=500", "SYSLOG_IDENTIFIER=systemd-journald")
    started = [p.started for p in host.processes() if os.path.basename(p.program) == "systemd-journald"]
    since = (f"--since=@{max(started).timestamp():.0f}",) if started else ()
    told = host.run(*argv, *since, ok=(0, 1)).stdout
    counts = re.findall(rf"^Suppressed (\d+) messages from (?:/\S*/)?{re.escape(sender.unit)}$", told, re.MULTILINE)
    if not counts:
        return None
    why = f"the journal left out {sum(map(int, counts))} lines of {sender.unit}, which came too fast"
    mend = "/etc/systemd/journald.conf: write 'RateLimitBurst=100000', and restart systemd-journald."
    return Sink("", False, why, "journalctl -t systemd-journald", mend)


def unit_of(process: Process | None, default: str) -> str:
    """The unit of systemd that a process belongs to."""
    name = process.cgroup.rpartition("/")[2] if process else ""
    return name if name.endswith(".service") else default


def span_seconds(text: str) -> float | None:
    """A time span as systemd writes it, in seconds; None where it is not understood."""
    units = {
        "us": 1e-6,
        "ms": 1e-3,
        "": 1,
        "s": 1,
        "sec": 1,
        "m": 60,
        "min": 60,
        "h": 3600,
        "hr": 3600,
        "d": 86400,
        "day": 86400,
    }
    total = 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not parts or re.sub(r"\d+(?:\.\d+)?\s*[a-z]*|\s", "", text.strip().lower()):
        return None
    for number, unit in parts:
        factor = units.get(unit, units.get(unit.removesuffix("s")))
        if factor is None:
            return None
        total += float(number) * factor
    return total


def _unit(host: Host, unit: str) -> dict[str, str]:
    """What a unit sets about its log. Raises Unseen."""
    keys = ("LogLevelMax", "LogRateLimitIntervalUSec", "LogRateLimitBurst", "LogNamespace", "LogFilterPatterns")
    words = [word for key in keys for word in ("-p", key)]
    pairs = (line.partition("=") for line in host.run("systemctl", "show", unit, *words).stdout.splitlines())
    return {key: value for key, _equals, value in pairs}


def _unit_level(host: Host, sender: Sender) -> Sink | None:
    """Why the unit itself keeps lines from the journal and from syslog."""
    unit = _unit(host, sender.unit)
    most, source = unit.get("LogLevelMax", ""), f"systemctl show {sender.unit}"
    if most not in ("", "-1", "[not set]") and not _takes(most, sender.level):
        return Sink(
            "",
            False,
            f"{sender.unit} lets no {sender.level} lines through (LogLevelMax)",
            source,
            f"systemctl edit {sender.unit}: take LogLevelMax away.",
        )
    if unit.get("LogFilterPatterns"):
        why = f"which lines of {sender.unit} are left out cannot be told (LogFilterPatterns)"
        return Sink("", None, why, source, f"systemctl edit {sender.unit}: take LogFilterPatterns away.")
    if unit.get("LogNamespace"):
        return Sink("", None, f"{sender.unit} writes into a journal of its own, which was not looked at", source)
    return None


def _journald_stale(host: Host) -> Sink | None:
    """That journald still runs by former files: it reads them when it starts."""
    started = [
        p.started for p in host.processes() if os.path.basename(p.program) == "systemd-journald" and not p.contained
    ]
    files = journald.files(host)
    if not files or not started:
        return None
    when, path = newest_change(host, files, ())
    if max(started) + dt.timedelta(milliseconds=25) < when:
        return Sink("", None, f"{path} changed after journald was started", path, "Restart systemd-journald.")
    return None


def _is_memory(host: Host, path: str) -> bool:
    """Whether a path lies on a file system in memory."""
    best, kind = "", ""
    for line in host.read("/proc/self/mounts").splitlines():
        words = line.split()
        point = words[1].rstrip("/") + "/"
        if (host.real(path) + "/").startswith(point) and len(point) >= len(best):
            best, kind = point, words[2]
    return kind in ("tmpfs", "ramfs", "devtmpfs")


# -- what is in there -------------------------------------------------------------------------------------------------


@dataclass
class Tail:
    """What a place gains from now on."""

    host: Host
    sink: Sink
    begun: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.timezone.utc))
    before: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.sink.path:
            self.before = self._state()

    def _state(self) -> tuple[int, int]:
        seen = self.host.stat(self.sink.path)
        return (seen.st_ino, seen.st_size) if seen else (0, 0)

    def gained(self, asked: int) -> list[str]:
        """The lines that were added. asked: makes every question a new one. Raises Unseen."""
        if not self.sink.path:
            since = f"--since=@{self.begun.timestamp():.6f}"
            # the number of lines is only there to ask anew
            lines = f"--lines={200_000 + asked}"
            told = self.host.run("journalctl", "-q", "--no-pager", "-o", "short-iso", since, lines)
            return told.stdout.splitlines()
        inode, size = self._state()
        start = self.before[1] if inode == self.before[0] and size >= self.before[1] else 0
        if size - start > TAIL_BYTES * 16:
            raise Unseen(f"{self.sink.path} gained more than 16 MiB meanwhile")
        if size <= start:
            return []
        with self.host.open(self.sink.path) as stream:
            stream.seek(start)
            return stream.read(size - start).decode("utf-8", "replace").splitlines()


def newest_lines(host: Host, sink: Sink, programs: str, most: int = 5000) -> list[str]:
    """The newest lines of mail servers in a place. programs: an expression for what writes them. Raises Unseen."""
    if not sink.path:
        fields = ["SYSLOG_FACILITY=2"]  # mail
        for unit in ("dovecot.service", "postfix.service", "postfix@-.service"):
            fields += ["+", f"_SYSTEMD_UNIT={unit}"]
        argv = ("journalctl", "-q", "--no-pager", "-o", "short-iso", f"--lines={most}", *fields)
        return host.run(*argv, ok=(0, 1)).stdout.splitlines()
    return host.once(("newest_lines", sink.path, programs), lambda: _end_of(host, sink.path, programs))


def _end_of(host: Host, path: str, programs: str) -> list[str]:
    seen = host.stat(path)
    if seen is None:
        return []
    with host.open(path) as stream:
        stream.seek(max(0, seen.st_size - TAIL_BYTES))
        lines = stream.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()
    return [line for line in lines[1 if seen.st_size > TAIL_BYTES else 0 :] if re.search(programs, line)]
