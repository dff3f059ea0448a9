# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: logs are kept for the whole period that was promised, and then destroyed by something automatic.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob as globbing
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, RUNNING, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Check, Question
from .._option import Period
from .._services import cleaners as cleaning
from .._services import journald, listeners, logfamilies, logfile, logrotate, origin, retention, web
from .._services.cleaners import Cleaner
from .._services.jobs import Job
from .._services.logfamilies import Family, Piece
from .._services.retention import Rotation
from .._services.virtualhost import PIPE, STATISTICS, STREAM, SYSLOG, AccessLog, ErrorLog, LogFile, WebServer

NAME = "log_retention"
HARDEN = "run privacy.hosting.harden with --tags log_retention"

# the first visitor may come days after a log was set up; and so long a visitor may be away from a quiet site
_QUIET = dt.timedelta(days=3)
_WRITTEN = dt.timedelta(hours=1)  # a configuration is edited for as long after it took effect
# a log with this many lines a day has no three days without one; and with so many, not even a day and a half
_BUSY_LINES = 20
_VERY_BUSY_LINES = 200
_QUIET_BUSY = dt.timedelta(days=1.5)
# configured periods are compared in days; runs of timers shift by minutes to an hour
_JITTER_DAYS = 0.05
_RUNS = "it runs by itself, and did its work the last time"
_DELETED = " (deleted)"  # behind the path of an open file that has no name any more
_NAMED = 3  # how many of many things one line of evidence names


@dataclass(frozen=True)
class _Case:
    """One promise about web logs on one host.

    cutoff: lines from before it may go, and must go soon; gone: lines from before it must be gone.
    kept_days: how long a line must be kept, counted from now; gone_days: how old one may become, at most.
    """

    host: Host
    question: Question
    option: str
    period: Period

    @property
    def cutoff(self) -> dt.datetime:
        return self.period.before(self.host.now)

    @property
    def kept_days(self) -> float:
        return (self.host.now - self.cutoff).total_seconds() / 86400

    @property
    def gone_days(self) -> float:
        # by the longest that the period can last, so that '731 days' serves for '2 years' in every year
        return self.period.max_days + Period.parse(self.question.settings.get("late") or "3 days").max_days

    @property
    def gone(self) -> dt.datetime:
        return self.host.now - dt.timedelta(days=self.gone_days)

    @property
    def kept(self) -> str:
        return f"every line is kept for {self.period}"

    @property
    def destroyed(self) -> str:
        return f"no line older than {self.period} and {self.question.settings.get('late') or '3 days'}"

    def found(self) -> logfamilies.Found:
        """The web logs of the host."""
        more = tuple(self.question.settings.get("web_paths") or ())
        return logfamilies.find(self.host, _log_files(self.host), more)

    def families(self) -> list[Family]:
        return self.found().families

    def finding(
        self,
        check: str,
        subject: str,
        expected: str,
        layers: Sequence[Layer],
        remedy: str = "",
        needed: Sequence[Layer] = (),
    ) -> Finding:
        """The finding that layers add up to; it is an error where one of the needed ones was not seen."""
        status, proof, observed, source = weigh([*layers, *needed])
        unseen = [layer for layer in needed if layer.good is None]
        if status == "pass" and unseen:
            status, proof, source = ERROR, "", unseen[0].source
            observed = "; ".join(dict.fromkeys([layer.seen for layer in unseen] + [x.seen for x in layers if x.good]))
        return self._finding(
            check, subject, status, proof, expected, observed, source, "" if status == "pass" else remedy
        )

    def error(self, check: str, subject: str, observed: str, source: str = "", remedy: str = "") -> Finding:
        """A finding that says what could not be told."""
        return self._finding(check, subject, ERROR, "", f"logs kept for {self.period}", observed, source, remedy)

    def _finding(
        self, check: str, subject: str, status: str, proof: str, expected: str, observed: str, source: str, remedy: str
    ) -> Finding:
        # a path may hold bytes that are no text
        subject, observed, source, remedy = map(_as_text, (subject, observed, source, remedy))
        return Finding(NAME, check, self.option, subject, status, proof, expected, observed, source, remedy)


def _as_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _some(names: Sequence[str], between: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    return between.join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _case(host: Host, question: Question, option: str) -> _Case | None:
    """What is asked; None where the register leaves the period open."""
    period = question.asked.get(option)
    return _Case(host, question, option, Period.parse(period)) if period else None


def _log_files(host: Host) -> list[LogFile]:
    return [*web.log_files(host), *(log for server in web.web_servers(host) for log in server.other_logs)]


# -- what there is to judge ------------------------------------------------------------------------------------------


def _check_subjects(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That a period is set, that nobody unknown writes web logs, and that the servers' configuration could be read."""
    case = _case(host, question, option)
    if case is None:
        yield Finding(
            NAME, "subjects", option, "web logs", ERROR, "", "a period", "no period is set", "",
            f"set measures.{NAME}.{option} in the register, with its reason",
        )  # fmt: skip
        return
    for unknown in listeners.unknown_listeners(host):
        yield case.error(
            "subjects", str(unknown.program), f"{unknown}: whether it writes logs of visits is not known", "",
            f"if it writes web logs, name their place in {NAME}_web_paths and attest who destroys them",
        )  # fmt: skip
    unseen = case.found().unseen
    if unseen:
        yield case.error("subjects", "web logs", f"not every log was read: {_some(unseen, '; ')}")
    servers = web.web_servers(host)
    for server in servers:
        for problem in server.problems:
            yield case.error("subjects", server.name, f"not every log is known: {problem}")
        for source in _piped_away(server):
            what = "a log goes to a program, and where that writes is not known"
            yield case.error("subjects", server.name, what, source)
        if server.pid and not server.running.good:
            yield case.error(
                "subjects", server.name, f"it may write other logs than its files say: {server.running.seen}",
                server.running.source, f"reload {server.name}",
            )  # fmt: skip
        for family in case.families():
            yield from _astray(case, server, family)
    if not servers and not case.families() and not listeners.unknown_listeners(host):
        yield Finding(
            NAME, "subjects", option, "web logs", NOT_APPLICABLE, "", case.kept,
            "no web server is installed, nothing unknown listens, and there is no web log", "",
        )  # fmt: skip


def _piped_away(server: WebServer) -> list[str]:
    """Where logs are configured that go to programs of which nobody knows what they write."""
    logs: list[AccessLog | ErrorLog] = []
    for vhost in server.vhosts:
        logs += [*vhost.logs]
        logs += [*vhost.error_logs]
    return sorted({log.directive.source for log in logs if log.kind == PIPE and not log.path and log.directive})


def _astray(case: _Case, server: WebServer, family: Family) -> Iterator[Finding]:
    """A server that goes on writing to a log's archive, or to a file that is deleted: it was not told of rotation."""
    if not server.pid or not _writes(server.name, family) or globbing.has_magic(family.log):
        return
    held = _open_files(case.host, server.pid)
    if not held or case.host.real(family.log) in held:
        return
    gone = {path for path in held if path.endswith(_DELETED)}
    gone = {path for path in gone if logfamilies.base_path(path[: -len(_DELETED)]) == family.log}
    archives = held & {piece.path for piece in family.archives}
    directory = f"/proc/{server.pid}/fd"
    if gone:
        said = f"{server.name} writes to {min(gone)}: its lines are lost"
        layer = Layer(OBSERVED, False, said, directory)
    elif archives:
        said = f"{server.name} still writes to {min(archives)}: its lines are lost when that is packed or destroyed"
        layer = Layer(OBSERVED, None, said, directory)
    else:
        return
    remedy = f"let logrotate tell {server.name} to open its logs anew (postrotate)"
    yield case.finding("subjects", family.log, case.kept, [], remedy, needed=[layer])


def _open_files(host: Host, pid: int) -> frozenset[str]:
    """The paths that a process has open; none where they cannot be seen."""

    def read() -> frozenset[str]:
        try:
            directory = f"/proc/{pid}/fd"
            return frozenset(host.real(f"{directory}/{name}") for name in host.names(directory))
        except (OSError, Unseen):
            return frozenset()

    return host.once(("open files", pid), read)


def _check_later(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Kinds of log that are not judged yet: never kept."""
    yield Finding(
        NAME, "later", option, f"{option} logs", ERROR, "", f"{option} logs kept for {question.asked.get(option)}",
        f"{option} logs are not judged yet", "", "until they are, attest it, or plan it in the register",
    )  # fmt: skip


# -- kept for the whole period ----------------------------------------------------------------------------------------


def _check_rotation(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Rotation throws no page view away before its time."""
    case = _case(host, question, option)
    if case is None:
        return
    for family in case.families():
        if not _must_be_kept(case, family):
            continue
        rotations = retention.rotations(host, family)
        early = [layer for rotation in rotations for layer in _early_rotation(case, rotation)]
        fixes = [_longer(case, rotation) for rotation in rotations if list(_early_rotation(case, rotation))]
        if early:
            yield case.finding("rotation", family.log, case.kept, [_late_enough(family, rotations), *early], fixes[0])
        elif family.configured:
            yield case.finding("rotation", family.log, case.kept, [_late_enough(family, rotations)])


def _must_be_kept(case: _Case, family: Family) -> bool:
    """Whether a log holds page views of the period: a server writes them, or wrote them before the site was removed."""
    if family.configured:
        return family.is_access
    young = any(piece.modified > case.cutoff for piece in family.pieces)
    copy = any(family.log.startswith(log.path) for log in _log_files(case.host))
    return young and not copy and "error" not in os.path.basename(family.log)


def _late_enough(family: Family, rotations: Sequence[Rotation]) -> Layer:
    words = ", ".join(dict.fromkeys(f"logrotate ({rotation.words})" for rotation in rotations)) or "nothing rotates it"
    source = rotations[0].stanza.source("rotate") if rotations else family.source
    return Layer(CONFIGURED, True, f"{words}: no line goes too early", source)


def _early_rotation(case: _Case, rotation: Rotation) -> Iterator[Layer]:
    rules, job = rotation.stanza.rules, rotation.run.job
    days = logrotate.kept_days(rules, job.every_days, case.host.now)
    if days + _JITTER_DAYS >= case.kept_days:
        return
    said = f"logrotate ({rotation.words}) keeps a line {days:.0f} days"
    source = rotation.stanza.source(*_deciding(rotation))
    if job.faults:
        yield Layer(CONFIGURED, None, f"{said}, but {job.faults[0]}", source)
    else:
        yield Layer(CONFIGURED, False, said, source)


def _deciding(rotation: Rotation) -> tuple[str, ...]:
    """The keywords that decide how long rotation keeps a line, the first of them first."""
    rules = rotation.stanza.rules
    by_age = rules.maxage and rules.maxage + 1 <= logrotate.kept_days(rules, rotation.run.job.every_days)
    return ("maxage", "rotate") if by_age else ("rotate", "size")


def _longer(case: _Case, rotation: Rotation) -> str:
    """What to write so that rotation keeps a line long enough."""
    word, days = _deciding(rotation)[0], case.period.max_days
    fewest = logrotate.interval(rotation.stanza.rules, rotation.run.job.every_days)[0]
    number = days if word == "maxage" else math.ceil(days / fewest)
    return f"in {rotation.stanza.source(word)} write '{word} {number}' or more, or {HARDEN}"


def _check_deleters(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Nothing beside rotation destroys page views before their time."""
    case = _case(host, question, option)
    if case is None:
        return
    families = [family for family in case.families() if _must_be_kept(case, family)]
    early = False
    for cleaner in retention.all_cleaners(host):
        if cleaner.days + _JITTER_DAYS >= case.kept_days:
            continue
        hit = [family for family in families if any(map(cleaner.reaches, _paths(host, family)))]
        if hit:
            early = True
            yield _early_cleaner(case, cleaner, hit)
    if families and not early:
        good = Layer(
            CONFIGURED,
            True,
            "no other job, tmpfiles rule or script destroys them sooner",
            "systemctl, cron, tmpfiles.d",
        )
        unknown, vouched = _unknown_jobs(case)
        doubts = list(_unknown_deleters(case, families, unknown))
        if vouched:
            names = ", ".join(job.source or job.name for job in vouched)
            good = replace(good, seen=f"{good.seen}; the inventory vouches for {names} ({NAME}_harmless_jobs)")
        remedy = (
            "let it say what it destroys (find, rm, tmpfiles.d, logrotate), run it as a user without rights, or, if "
            f"you know that it destroys no web logs, name it in {NAME}_harmless_jobs"
        )
        yield case.finding("deleters", "web logs", case.kept, [] if doubts else [good], remedy, needed=doubts)


def _unknown_jobs(case: _Case) -> tuple[list[Job], list[Job]]:
    """Jobs of root that we do not understand: those that nobody, and those that the inventory vouches for."""
    jobs = [job for job in cleaning.unknown_jobs(case.host) if not job.faults and job.user == "root"]
    told = set(case.question.settings.get("harmless_jobs") or ())
    vouched = [job for job in jobs if told & {job.name, job.source, job.source.rpartition(":")[0]}]
    return [job for job in jobs if job not in vouched], vouched


def _unknown_deleters(case: _Case, families: Sequence[Family], jobs: Sequence[Job]) -> Iterator[Layer]:
    """A layer that names jobs which might destroy logs, as long as no log beside is old enough to show the contrary."""
    if not jobs:
        return
    old = {
        os.path.dirname(family.log)
        for family in families
        if family.oldest and family.oldest.begins and family.oldest.begins.when <= case.cutoff + _QUIET
    }
    young = [family.log for family in families if os.path.dirname(family.log) not in old]
    if young:
        names = _some([job.source or job.name for job in jobs])
        said = f"what {names} does is not known, and no log is old enough yet to show that it destroys none"
        yield Layer(CONFIGURED, None, said, jobs[0].source)


def _paths(host: Host, family: Family) -> list[str]:
    """The files of a family, and archives that it will have."""
    paths = [piece.path for piece in family.pieces] or retention.written_paths(family)
    return paths + retention.future_archives(retention.rotations(host, family))


def _early_cleaner(case: _Case, cleaner: Cleaner, hit: Sequence[Family]) -> Finding:
    logs = _some([family.log for family in hit])
    said = f"{cleaner} destroys after {cleaner.days:.0f} days: {logs}"
    oldest = [family.oldest.begins.when for family in hit if family.oldest and family.oldest.begins]
    age = (case.host.now - max(oldest)).total_seconds() / 86400 if oldest else 0.0
    if cleaner.job.faults:
        layers = [Layer(CONFIGURED, True, f"{said}; but {cleaner.job.faults[0]}", cleaner.source)]
    elif cleaner.clear:
        layers = [Layer(CONFIGURED, False, said, cleaner.source)]
    elif cleaner.days and age > cleaner.days + 2:
        kept = f"{cleaner} does not destroy them after {cleaner.days:.0f} days: all have older lines"
        layers = [Layer(OBSERVED, True, kept, cleaner.source)]
    else:
        layers = [Layer(CONFIGURED, None, f"{cleaner} may destroy too early: {logs}", cleaner.source)]
    return case.finding("deleters", cleaner.source, case.kept, layers, f"take {cleaner.source} away, or {HARDEN}")


def _check_history(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """No page view was thrown away so far: logs go back to the period's or their own beginning, without holes."""
    case = _case(host, question, option)
    if case is None:
        return
    families = case.families()
    for family in families:
        if family.is_access:
            layers, remedy = _history(case, family, families)
            if layers:
                yield case.finding("history", family.log, case.kept, [], remedy, needed=layers)
        elif _must_be_kept(case, family):
            holes = [layer for layer in _holes(case, family) if layer.good is False]
            if holes:
                yield case.finding("history", family.log, case.kept, holes)


def _history(case: _Case, family: Family, families: Sequence[Family]) -> tuple[list[Layer], str]:
    """Whether anything was thrown away so far, by what is still there; and what would make it provable."""
    oldest = family.oldest
    if oldest is None or oldest.begins is None:
        return _empty(case, family), ""
    when, evidence = oldest.begins.when, oldest.begins.evidence
    said = f"oldest line {when:%Y-%m-%d} ({evidence})"
    layers = [*_holes(case, family), *_gaps(case, family, families)]
    if when <= case.cutoff + _QUIET:
        return [Layer(OBSERVED, True, f"{said}, as old as the period", oldest.path), *layers], ""
    start, remedy = _start(case, family, families, when, said, oldest.path)
    return [start, *layers], remedy


def _empty(case: _Case, family: Family) -> list[Layer]:
    """What a log without any line tells: it was never written to, or it was emptied."""
    written = [piece for piece in family.pieces if piece.path == family.log]
    server = next(
        (server for server in web.web_servers(case.host) if server.pid and _writes(server.name, family)), None
    )
    if not family.pieces:
        unseen = [told for told in case.found().unseen if os.path.dirname(family.log) in told]
        if unseen:
            return [Layer(OBSERVED, None, unseen[0], family.source)]
        if server is not None and not globbing.has_magic(family.log):
            return [Layer(OBSERVED, None, f"{family.log} is not there although {server.name} runs", family.source)]
        return []
    born = origin.birth(case.host, written[0].path) if written else None
    if written and born is not None and written[0].modified > born + dt.timedelta(minutes=1) and not family.archives:
        day = f"{written[0].modified:%Y-%m-%d}"
        return [Layer(OBSERVED, None, f"it is empty and was changed on {day}: perhaps it was emptied", family.log)]
    return [Layer(OBSERVED, True, "it holds no line yet", family.log)]


def _writes(server: str, family: Family) -> bool:
    return any(log.server == server for log in family.configured)


def _start(
    case: _Case, family: Family, families: Sequence[Family], when: dt.datetime, said: str, path: str
) -> tuple[Layer, str]:
    """Whether a log goes back to its beginning. Nothing older can be missing then."""
    origins = _origins(case, family, when)
    latest = max(origins, key=lambda origin: origin.when, default=None)
    if latest is not None and when <= latest.when + _QUIET:
        return Layer(
            OBSERVED, True, f"{said}; nothing older is missing: {latest.evidence} ({latest.when:%Y-%m-%d})", path
        ), ""
    before = _predecessor(families, family, when)
    if before is not None:
        ended = f"{before.log} went before it, until {_newest(before):%Y-%m-%d}, and is judged for itself"
        return Layer(OBSERVED, True, f"{said}; nothing older is missing: {ended}", path), ""
    since = case.question.settings.get("web_since")
    others = [other.oldest for other in families if other.is_access]
    first = min((one.begins.when for one in others if one and one.begins), default=when)
    if since and latest is not None and first > latest.when + _QUIET:
        missing = f"{said}, but logs are kept here since {since}: the days between are missing from every log"
        return Layer(OBSERVED, False, missing, path), f"find out what took them; {HARDEN}"
    known = f", but {latest.evidence} ({latest.when:%Y-%m-%d})" if latest else ""
    name = f"{NAME}_web_since: '{when:%Y-%m-%d}'"
    of_site = f"{NAME}_web_since_sites: ['{family.sites[0] if family.sites else family.log} {when:%Y-%m-%d}']"
    return (
        Layer(OBSERVED, None, f"{said}{known}: whether older lines were thrown away cannot be told", path),
        (
            f"if nothing was thrown away since logging began, say when that was: {name} in the host's variables, "
            f"or for this log alone {of_site}"
        ),
    )


def _predecessor(families: Sequence[Family], family: Family, when: dt.datetime) -> Family | None:
    """A log that no server writes any more, and that ended when this one began: its lines moved on to this one."""
    day = dt.timedelta(days=1)
    left = [other for other in families if not other.configured and any(piece.begins for piece in other.pieces)]
    return next((other for other in left if other is not family and abs(_newest(other) - when) < day), None)


def _newest(family: Family) -> dt.datetime:
    return max(piece.modified for piece in family.pieces)


def _origins(case: _Case, family: Family, when: dt.datetime) -> list[origin.Origin]:
    """Moments before which this log cannot have had lines. when: its oldest line."""
    settings, found = case.question.settings, []
    host = origin.of_host(case.host)
    found += [host] if host else []
    if settings.get("web_since"):
        found.append(origin.Origin(_day(case, settings["web_since"]), f"{NAME}_web_since"))
    for entry in settings.get("web_since_sites") or ():
        name, _blank, day = str(entry).strip().rpartition(" ")
        if name.strip() in (*family.sites, family.log):
            found.append(origin.Origin(_day(case, day), f"{NAME}_web_since_sites"))
    directory = origin.of_directory(case.host, os.path.dirname(family.log))
    found += [directory] if directory else []
    # a new site's log begins when its configuration was written; of any other log that is long ago
    told = [one for log in family.configured for one in origin.of_file(case.host, log.source.rpartition(":")[0])]
    return [*found, *(one for one in told if one.when - _WRITTEN <= when <= one.when + _QUIET)]


def _day(case: _Case, text: object) -> dt.datetime:
    try:
        day = dt.datetime.combine(dt.date.fromisoformat(str(text)), dt.time(), dt.timezone.utc)
    except ValueError:
        raise Unseen(f"{text!r} is no date; write {NAME}_web_since_sites like 'shop.example.nl 2026-01-31'") from None
    if day > case.host.now:
        raise Unseen(f"{text} is still to come: logging cannot have begun then")
    return day


def _holes(case: _Case, family: Family) -> Iterator[Layer]:
    """Numbered archives that are missing between others, where the days beside them were busy."""
    numbered = {piece.number: piece for piece in family.archives if piece.number is not None}
    numbers = sorted(numbered)
    for younger, older in zip(numbers, numbers[1:]):
        after, before = numbered[younger], numbered[older]
        if older - younger == 1 or before.begins is None or before.begins.when < case.cutoff:
            continue
        gone = range(younger + 1, older)
        missing = _some(list(map(str, gone)))
        between = f"between {os.path.basename(after.path)} and {os.path.basename(before.path)}"
        said = f"missing {between}: archive number {missing}"
        busy = _busy(case.host, after) and _busy(case.host, before)
        yield Layer(
            OBSERVED,
            False if busy else None,
            said + ("" if busy else ": whether it held lines cannot be told"),
            before.path,
        )


def _busy(host: Host, piece: Piece) -> bool:
    """Whether a file holds so many lines for its days that no day can have been without one."""
    return _lines_a_day(host, piece) >= _BUSY_LINES


def _lines_a_day(host: Host, piece: Piece) -> float:
    """How many lines a file holds for each of its days; none where that cannot be told."""
    if piece.begins is None:
        return 0.0
    days = max(1.0, (piece.modified - piece.begins.when).total_seconds() / 86400)
    return (logfamilies.line_count(host, piece) or 0) / days


def _gaps(case: _Case, family: Family, families: Sequence[Family]) -> Iterator[Layer]:
    """Days without a line that so many lines before and after, or rotation of empty logs too, do not explain."""
    pieces = sorted((p for p in family.pieces if p.begins is not None), key=lambda piece: piece.begins.when)  # type: ignore[union-attr]
    numbers = {piece.number for piece in family.archives}
    for before, after in zip(pieces, pieces[1:]):
        if before.begins is None or after.begins is None:
            continue
        between = range((after.number or 0) + 1, before.number or 0)
        neighbours = before.number is None or after.number is None or numbers.issuperset(between)
        if after.begins.when < case.cutoff or not neighbours:
            continue  # what is missing in the numbers is told by _holes
        last = before.modified
        if last > after.begins.when + dt.timedelta(days=1):
            found = logfile.ends(before.path, case.host.now)  # a restore or a touch made it younger than it is
            last = found.when if found else last
        gap = after.begins.when - last
        if gap <= _QUIET_BUSY:
            continue
        busy = min(_lines_a_day(case.host, before), _lines_a_day(case.host, after))
        said = f"no line between {last:%Y-%m-%d} and {after.begins.when:%Y-%m-%d}"
        if busy >= _VERY_BUSY_LINES or (busy >= _BUSY_LINES and gap > _QUIET):
            said += ", and many before and after"
            if any(_has_lines_between(other, last, after.begins.when) for other in families if other is not family):
                yield Layer(OBSERVED, False, f"{said}, while other logs go on", before.path)
            else:
                yield Layer(OBSERVED, None, f"{said}: whether lines were thrown away cannot be told", before.path)
        elif gap > _QUIET and _keeps_empty_days(case, family, last, after.begins.when):
            empty = "and no archive of these days, though empty logs are rotated too"
            yield Layer(OBSERVED, None, f"{said}, {empty}: whether some were destroyed cannot be told", before.path)
    yield from _gap_until_now(case, family, pieces)


def _gap_until_now(case: _Case, family: Family, pieces: Sequence[Piece]) -> Iterator[Layer]:
    """A log of many lines that is empty, and was made or emptied long after its last archive ended."""
    current = next((piece for piece in family.pieces if piece.path == family.log and piece.begins is None), None)
    if current is None or not pieces or _lines_a_day(case.host, pieces[-1]) < _BUSY_LINES:
        return
    last = pieces[-1].modified
    between = any(piece.begins is None and piece.modified > last for piece in family.archives)
    if current.modified - last > _QUIET_BUSY and not between:
        said = f"no line since {last:%Y-%m-%d}, and many before; the log is empty since {current.modified:%Y-%m-%d}"
        yield Layer(OBSERVED, None, f"{said}: whether lines were thrown away cannot be told", current.path)


def _keeps_empty_days(case: _Case, family: Family, last: dt.datetime, first: dt.datetime) -> bool:
    """Whether an archive of each day should be there, as rotation was then set up, and none of these days is."""
    for rotation in retention.rotations(case.host, family):
        rules, told = rotation.stanza.rules, case.host.stat(rotation.stanza.path)
        daily = rules.criterion == "daily" and rules.dateext and rules.ifempty and not rotation.run.job.faults
        if daily and told is not None and dt.datetime.fromtimestamp(told.st_mtime, dt.timezone.utc) < last:
            return not any(last < piece.modified < first for piece in family.archives if piece.begins is None)
    return False


def _has_lines_between(family: Family, last: dt.datetime, first: dt.datetime) -> bool:
    """Whether another log of page views has lines of each end of a gap's inside."""
    day = dt.timedelta(days=1)
    return family.is_access and any(p.begins and last + day < p.begins.when < first - day for p in family.pieces)


# -- destroyed after it -----------------------------------------------------------------------------------------------


def _check_remains(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """No file, archive, stray or copy holds a line that is past its time."""
    case = _case(host, question, option)
    if case is None:
        return
    for family in case.families():
        layers = _over_age(case, family)
        if STATISTICS in family.kinds and family.pieces:
            layers.append(Layer(OBSERVED, None, "how old what statistics hold is cannot be told", family.log))
        if layers:
            yield case.finding("remains", _name(family), case.destroyed, [], HARDEN, needed=layers)


def _name(family: Family) -> str:
    return family.log if family.configured else f"{family.log} (no server writes it)"


def _over_age(case: _Case, family: Family) -> list[Layer]:
    holding = [piece for piece in family.pieces if piece.begins is not None]
    over = [piece for piece in holding if piece.begins is not None and piece.begins.when < case.gone]
    oldest = family.oldest
    if oldest is None or oldest.begins is None:
        return []
    begins, name = oldest.begins, os.path.basename(oldest.path)
    said = f"the oldest line is of {begins.when:%Y-%m-%d} ({begins.evidence}, {name})"
    if over:
        files = f"{len(over)} of {len(holding)} files hold" if len(holding) > 1 else "it holds"
        return [Layer(OBSERVED, False, f"{files} lines past their time; {said}", oldest.path)]
    if oldest.begins.when <= case.cutoff + _QUIET:
        return [Layer(OBSERVED, True, f"{said}: nothing is past its time on a host that is older", oldest.path)]
    return []


def _check_destruction(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Something automatic destroys what comes of age: archives, and what no server writes any more; and it runs."""
    case = _case(host, question, option)
    if case is None:
        return
    needed: dict[tuple[str, str], Job] = {}
    for family in case.families():
        if not family.configured and not any(piece.begins for piece in family.pieces):
            continue
        fate = _fate(case, family)
        needed.update({(job.name, job.source): job for job in fate.destroying})
        yield case.finding("destruction", _name(family), case.destroyed, [], fate.remedy or HARDEN, needed=fate.layers)
    for _key, job in sorted(needed.items()):
        layers = list(_job_layers(case, job, []))
        yield case.finding("destruction", job.name, _RUNS, layers, f"mend {job.name} ({job.source}), or {HARDEN}")


def _check_timer(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """What rotates the logs is started by itself, will be again, and did its work the last time."""
    case = _case(host, question, option)
    if case is None:
        return
    needed: dict[tuple[str, str], Job] = {}
    rotated: dict[tuple[str, str], list[Rotation]] = {}
    for family in case.families():
        for job in _fate(case, family).rotating:
            needed[job.name, job.source] = job
        for rotation in retention.rotations(host, family) if family.configured else ():
            rotated.setdefault((rotation.run.job.name, rotation.run.job.source), []).append(rotation)
    for key, job in sorted(needed.items()):
        layers = list(_job_layers(case, job, rotated.get(key, [])))
        yield case.finding("timer", job.name, _RUNS, layers, f"mend {job.name} ({job.source}), or {HARDEN}")


@dataclass
class _Fate:
    """What will become of a family's files. rotating, destroying: the jobs that it takes for that."""

    layers: list[Layer] = field(default_factory=list)
    rotating: list[Job] = field(default_factory=list)
    destroying: list[Job] = field(default_factory=list)
    remedy: str = ""


def _fate(case: _Case, family: Family) -> _Fate:
    fate = _Fate()
    rotations = retention.rotations(case.host, family)
    rotated_days = _rotated(case, family, rotations, fate)
    paths = [p.path for p in family.archives if p.begins is not None]
    paths += retention.future_archives(rotations)
    if family.configured and retention.is_dated(family):
        paths.append(family.log.replace("*", "0"))
    elif family.configured and not rotations:
        paths.append(f"{family.log}.1")
    if not family.configured and not any(not rotation.hindrance for rotation in rotations):
        paths += [piece.path for piece in family.pieces if piece.path == family.log and piece.begins is not None]
    unlike = {piece.path for piece in family.pieces if not _like_a_log(piece)}
    left = []
    for path in paths:
        means = _means(case, path, rotations, rotated_days, path in unlike)
        if means is None:
            left.append(path)
            continue
        jobs = fate.rotating if means.by_rotation else fate.destroying
        jobs += [] if means.job in jobs else [means.job]
        layer = Layer(CONFIGURED, True, means.words, means.source)
        fate.layers += [] if layer in fate.layers else [layer]
    if left:
        _unreached(case, family, left, rotations, rotated_days, fate)
    return fate


def _rotated(case: _Case, family: Family, rotations: Sequence[Rotation], fate: _Fate) -> float:
    """The most days that one file of a log spans; a layer where that has no limit."""
    if not family.configured or retention.is_dated(family):
        return 1.0
    sound = next((rotation for rotation in rotations if not rotation.hindrance), None)
    if sound is not None and not math.isinf(sound.every_days):
        fate.rotating.append(sound.run.job)
        return sound.every_days
    unknown = "" if rotations else _unknown(cleaning.unknown_jobs(case.host))
    if unknown and _rotated_by_others(case.host, family):
        return 1.0
    why, source = _not_by_time(case.host, family, rotations)
    fate.layers.append(Layer(CONFIGURED, None if unknown else False, f"its oldest lines stay: {why}{unknown}", source))
    fate.remedy = f"rotate it daily, or {HARDEN}"
    return math.inf


def _rotated_by_others(host: Host, family: Family) -> bool:
    """Whether something that is not logrotate began new files of a log, and did so lately."""
    day = dt.timedelta(days=1)
    recent = [piece for piece in family.archives if host.now - piece.modified < 3 * day]
    for run in cleaning.logrotate_runs(host):
        known = logrotate.last_rotations(host, run.state) if host.stat(run.state) is not None else {}
        last = known.get(family.log)
        if last is not None and host.now - last.astimezone(dt.timezone.utc) < 4 * day:
            return False
    return len(recent) > 1


def _not_by_time(host: Host, family: Family, rotations: Sequence[Rotation]) -> tuple[str, str]:
    """Why no rotation of a log comes by time, in words, and where that stands."""
    if rotations:
        by_size = f"logrotate ({rotations[0].words}) rotates it by size, not by time"
        return rotations[0].hindrance or by_size, rotations[0].stanza.source("size", "minsize")
    for run in cleaning.logrotate_runs(host):
        problem = logrotate.configuration(host, *run.paths).why_not(retention.written_paths(family)[0])
        if problem is not None:
            return f"nothing rotates it; {problem.text}", problem.source
    return "nothing rotates it", family.source


@dataclass(frozen=True)
class _Means:
    """What destroys a file in time. by_rotation: it is logrotate, in the course of rotating."""

    words: str
    source: str
    job: Job
    by_rotation: bool


def _like_a_log(piece: Piece) -> bool:
    """Whether our destroyer recognises a file as a log in a directory that other things may lie in."""
    stamped = piece.begins is not None and piece.begins.evidence == logfile.STAMP
    return stamped or bool(re.search(r"access|error|log", os.path.basename(piece.path)))


def _means(case: _Case, path: str, rotations: Sequence[Rotation], rotated_days: float, unlike: bool) -> _Means | None:
    """What destroys a file in time, what really runs before what does not; None where nothing does.

    unlike: it does not look like a log, so that what goes by the lines of logs passes over it.
    """
    span = 1.0 if math.isinf(rotated_days) else rotated_days
    found: list[_Means] = []
    for cleaner in retention.all_cleaners(case.host):
        latest = cleaner.days + cleaner.job.every_days + span
        if unlike and cleaner.by == cleaning.LINES:
            continue
        if cleaner.clear and cleaner.by != cleaning.ANY_TIME and latest <= case.gone_days and cleaner.reaches(path):
            words = f"{cleaner} destroys after {cleaner.days:.0f} days"
            found.append(_Means(words, cleaner.source, cleaner.job, by_rotation=False))
    for rotation in rotations:
        rules, job = rotation.stanza.rules, rotation.run.job
        days = logrotate.destroyed_days(rules, job.every_days)
        # where the log is gone, its archives are never looked at again
        sound = case.host.stat(rotation.log) is not None and not rotation.hindrance
        if sound and days <= case.gone_days and logrotate.reaches(rules, rotation.log, path):
            source = rotation.stanza.source(*_deciding(rotation))
            words = f"logrotate ({rotation.words}) destroys after at most {days:.0f} days"
            found.append(_Means(words, source, job, by_rotation=True))
    return min(found, key=lambda means: bool(means.job.faults or means.job.failed), default=None)


def _unreached(
    case: _Case, family: Family, left: Sequence[str], rotations: Sequence[Rotation], span: float, fate: _Fate
) -> None:
    """A layer that says that nothing destroys these files, and why what seems to does not."""
    real = [path for path in left if any(piece.path == path for piece in family.pieces)]
    what = f"{len(real)} files" if len(real) > 1 else os.path.basename((real or list(left))[0])
    reasons = []
    source = family.source
    for cleaner in retention.all_cleaners(case.host):
        if any(map(cleaner.reaches, left)) and not cleaner.clear:
            reasons.append(f"what {cleaner.source} destroys cannot be told")
        elif any(map(cleaner.reaches, left)):
            reasons.append(_too_late(cleaner, span))
            source = cleaner.source
    for rotation in rotations[:1]:
        why = rotation.hindrance or logrotate.no_end_because(rotation.stanza.rules)
        days = logrotate.destroyed_days(rotation.stanza.rules, rotation.run.job.every_days)
        reasons.append(f"logrotate ({rotation.words}): {why or f'after up to {days:.0f} days, or not these names'}")
        source = rotation.stanza.source("notifempty", "maxage", "rotate") if source == family.source else source
    unclear = any(
        (not cleaner.clear or _may_be_in_time(case, cleaner, rotations, span)) and any(map(cleaner.reaches, left))
        for cleaner in retention.all_cleaners(case.host)
    )
    # whom the inventory vouches for may still rotate, but destroys nothing
    vouched = _unknown_jobs(case)[1]
    unknown = _unknown([job for job in cleaning.unknown_jobs(case.host) if job not in vouched])
    said = f"nothing found that will destroy {what} in time"
    said += f" ({'; '.join(reasons[:_NAMED])})" if reasons else ""
    fate.layers.append(Layer(CONFIGURED, None if unclear or unknown else False, said + unknown, source))
    fate.remedy = fate.remedy or f"{HARDEN}, which destroys daily what is past its time"


def _may_be_in_time(case: _Case, cleaner: Cleaner, rotations: Sequence[Rotation], span: float) -> bool:
    """Whether a cleaner that counts from the last reading or change of a file may still come in time."""
    renamed = any(not rotation.stanza.rules.dateext for rotation in rotations)
    latest = cleaner.days + cleaner.job.every_days + span
    return cleaner.by == cleaning.ANY_TIME and not renamed and not cleaner.job.faults and latest <= case.gone_days


def _too_late(cleaner: Cleaner, span: float) -> str:
    """Why a cleaner that reaches a file does not destroy it in time."""
    if cleaner.by == cleaning.ANY_TIME:
        return f"{cleaner} counts from {cleaner.by}, which reading and renaming renew"
    if math.isinf(span):
        return f"{cleaner} never finds an old file"
    latest = cleaner.days + cleaner.job.every_days + span
    return f"{cleaner} destroys after {cleaner.days:.0f} days, when lines may be {latest:.0f} days old"


def _unknown(jobs: Sequence[Job]) -> str:
    """A clause that names jobs of which we cannot tell what they do; '' where there are none."""
    names = _some([job.source or job.name for job in jobs])
    return f"; what {names} does is not known" if jobs else ""


def _job_layers(case: _Case, job: Job, rotations: Sequence[Rotation]) -> Iterator[Layer]:
    for fault in job.faults:
        yield Layer(RUNNING if job.unit else CONFIGURED, False, fault, job.source)
    if not job.faults:
        ran = f", last on {job.last:%Y-%m-%d}" if job.last else ""
        yield Layer(
            RUNNING if job.unit else CONFIGURED,
            True,
            f"it is started and enabled{ran}" if job.unit else "cron runs it",
            job.source,
        )
    late = _not_rotated(case, rotations)
    if late:
        yield Layer(OBSERVED, False, late, rotations[0].run.state)
    elif job.failed and not rotations:
        yield Layer(OBSERVED, False, job.result, job.source)
    elif job.failed and not job.faults:
        yield Layer(OBSERVED, True, f"{job.result}, but the logs were rotated in time", job.source)


def _not_rotated(case: _Case, rotations: Sequence[Rotation]) -> str:
    """Logs that should have been rotated and were not, by logrotate's own record; '' where there is none."""
    late = []
    for rotation in rotations:
        status, rules = case.host.stat(rotation.stanza.path), rotation.stanza.rules
        if status is None or math.isinf(rotation.every_days) or case.host.stat(rotation.run.state) is None:
            continue
        last = logrotate.last_rotations(case.host, rotation.run.state).get(rotation.log)
        log = case.host.stat(rotation.log)
        patience = dt.timedelta(days=2 * rotation.every_days + 1)
        told = dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc)
        if last is None or log is None or case.host.now - told < patience or not (log.st_size or rules.ifempty):
            continue
        if case.host.now - last.astimezone(dt.timezone.utc) > patience:
            late.append(f"{rotation.log} was last rotated on {last:%Y-%m-%d}")
    return "; ".join(late[:_NAMED])


# -- logs that go to syslog or the journal ---------------------------------------------------------------------------


def _check_journal(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Web logs that are handed on: to the journal of this host, or to another machine."""
    case = _case(host, question, option)
    if case is None:
        return
    vhosts = [vhost for server in web.web_servers(host) for vhost in server.vhosts]
    views = [log for vhost in vhosts for log in vhost.logs if log.kind in (SYSLOG, STREAM)]
    errors = [log for vhost in vhosts for log in vhost.error_logs if log.kind in (SYSLOG, STREAM)]
    handed: list[AccessLog | ErrorLog] = [*views, *errors]
    for place in sorted({log.path for log in handed if not _is_local(log)}):
        yield case.error(
            "journal", f"logs sent to {place}", "another machine keeps them, and must prove it", "",
            "audit that machine with this promise, or attest it",
        )  # fmt: skip
    local = [log for log in handed if _is_local(log)]
    if not local:
        return
    source = local[0].directive.source if local[0].directive else ""
    own_files = "let the web server write files of its own"
    if any(process.name in ("rsyslogd", "syslog-ng") for process in host.processes()):
        what = "the syslog daemon writes these lines to files that are not judged"
        yield case.error("journal", "syslog", what, source, own_files)
    keeping, destroying = _journal(case, source)
    if any(map(_is_local, views)):
        yield case.finding("journal", "the journal: kept", case.kept, [], own_files, needed=keeping)
    limits = f"set MaxRetentionSec={math.ceil(case.period.max_days)}d and MaxFileSec=1d in journald.conf"
    yield case.finding("journal", "the journal: destroyed", case.destroyed, [], limits, needed=destroying)


def _is_local(log: AccessLog | ErrorLog) -> bool:
    """Whether a log goes to the host's own journal, or its own syslog."""
    local = ("unix:/run/systemd", "server=unix:/run/systemd")
    return log.kind == STREAM or not log.path or "/dev/log" in log.path or log.path.startswith(local)


def _journal(case: _Case, source: str) -> tuple[list[Layer], list[Layer]]:
    """Layers about keeping, and about destroying, of the journal that web logs are in."""
    host = case.host
    oldest, limit = journald.oldest(host), journald.days(host, "MaxRetentionSec")
    where = journald.settings(host).get("MaxRetentionSec", ("", "journald.conf"))[1]
    file_days = journald.days(host, "MaxFileSec") or 31.0
    said = f"oldest entry {oldest:%Y-%m-%d}" if oldest else "no entry"
    if not journald.is_persistent(host):
        keeping = [Layer(CONFIGURED, False, "the journal is lost at every start of the host", source)]
    elif limit and limit + _JITTER_DAYS < case.kept_days:
        keeping = [Layer(CONFIGURED, False, f"MaxRetentionSec keeps {limit:.0f} days", where)]
    elif oldest is not None and oldest <= case.cutoff + _QUIET:
        keeping = [Layer(OBSERVED, True, f"{said}, as old as the period", "journalctl --header")]
    else:
        keeping = [Layer(OBSERVED, None, f"{said}; the journal's limit of size may throw entries away sooner", source)]
    if oldest is not None and oldest < case.gone:
        return keeping, [Layer(OBSERVED, False, said, "journalctl --header")]
    if not limit or limit + file_days > case.gone_days:
        how = (
            f"MaxRetentionSec {limit:.0f} days, MaxFileSec {file_days:.0f} days"
            if limit
            else "no MaxRetentionSec is set"
        )
        return keeping, [Layer(CONFIGURED, False, f"nothing destroys entries in time: {how}", where)]
    return keeping, [
        Layer(CONFIGURED, True, f"MaxRetentionSec {limit:.0f} days, MaxFileSec {file_days:.0f} days", where)
    ]


CHECKS = (
    Check("subjects", ("web",), _check_subjects),
    Check("rotation", ("web",), _check_rotation),
    Check("deleters", ("web",), _check_deleters),
    Check("history", ("web",), _check_history),
    Check("remains", ("web",), _check_remains),
    Check("destruction", ("web",), _check_destruction),
    Check("timer", ("web",), _check_timer),
    Check("journal", ("web",), _check_journal),
    Check("later", ("mail", "panel"), _check_later),
)
