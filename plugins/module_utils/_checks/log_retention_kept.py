# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: whether logs are there for the whole period that was promised.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob as globbing
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .._finding import CONFIGURED, OBSERVED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import cleaners as cleaning
from .._services import logfamilies, logfile, logrotate, origin, retention
from .._services.cleaners import Cleaner
from .._services.jobs import Job
from .._services.logfamilies import Family, Piece
from .._services.retention import Rotation
from .log_retention_case import HARDEN, JITTER_DAYS, NAME, QUIET, Case, case_of, some

_WRITTEN = dt.timedelta(hours=1)  # a configuration is edited for as long after it took effect
# a log with this many lines a day has no three days without one; and with so many, not even a day and a half
_BUSY_LINES = 20
_VERY_BUSY_LINES = 200
_QUIET_BUSY = dt.timedelta(days=1.5)


def check_rotation(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Rotation throws no page view, and no line of a mail server, away before its time."""
    case = case_of(host, question, option)
    if case is None:
        return
    for family in case.families():
        if not _must_be_kept(case, family):
            continue
        rotations = retention.rotations(host, family)
        early = [(rotation, layer) for rotation in rotations for layer in _early_rotation(case, rotation)]
        if early:
            layers = [_late_enough(family, rotations), *(layer for _rotation, layer in early)]
            # what stands still for now may begin again
            doubts = [layer for rotation, layer in early if rotation.run.job.runs is None]
            fix = _longer(case, early[0][0])
            yield case.finding("rotation", family.log, case.kept, layers, fix, needed=doubts)
        elif family.configured:
            yield case.finding("rotation", family.log, case.kept, [_late_enough(family, rotations)])


def _must_be_kept(case: Case, family: Family) -> bool:
    """Whether a log holds what must be kept: a server writes it, or wrote it before the site was removed."""
    if family.configured:
        return family.is_access
    young = any(piece.modified > case.cutoff for piece in family.pieces)
    copy = any(family.log.startswith(log.path) for log in case.logs)
    return young and not copy and "error" not in os.path.basename(family.log)


def _late_enough(family: Family, rotations: Sequence[Rotation]) -> Layer:
    words = ", ".join(dict.fromkeys(f"logrotate ({rotation.words})" for rotation in rotations)) or "nothing rotates it"
    source = rotations[0].stanza.source("rotate") if rotations else family.source
    return Layer(CONFIGURED, True, f"{words}: no line goes too early", source)


def _early_rotation(case: Case, rotation: Rotation) -> Iterator[Layer]:
    rules, job = rotation.stanza.rules, rotation.run.job
    days = logrotate.kept_days(rules, job.every_days, case.host.now)
    if days + JITTER_DAYS >= case.kept_days:
        return
    said = f"logrotate ({rotation.words}) keeps a line {days:.0f} days"
    source = rotation.stanza.source(*deciding(rotation))
    if job.runs:
        yield Layer(CONFIGURED, False, said, source)
    else:
        yield Layer(CONFIGURED, None, f"{said}, but {job.faults[0]}", source)


def deciding(rotation: Rotation) -> tuple[str, ...]:
    """The keywords that decide how long rotation keeps a line, the first of them first."""
    rules = rotation.stanza.rules
    by_age = rules.maxage and rules.maxage + 1 <= logrotate.kept_days(rules, rotation.run.job.every_days)
    return ("maxage", "rotate") if by_age else ("rotate", "size")


def _longer(case: Case, rotation: Rotation) -> str:
    """What to write so that rotation keeps a line long enough."""
    word, days = deciding(rotation)[0], case.period.max_days
    fewest = logrotate.interval(rotation.stanza.rules, rotation.run.job.every_days)[0]
    number = days if word == "maxage" else math.ceil(days / fewest)
    return f"in {rotation.stanza.source(word)} write '{word} {number}' or more, or {HARDEN}"


def check_deleters(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Nothing beside rotation destroys what must be kept before its time."""
    case = case_of(host, question, option)
    if case is None:
        return
    families = [family for family in case.families() if _must_be_kept(case, family)]
    paths = [(family, _paths(host, family)) for family in families]
    early = False
    for cleaner in retention.all_cleaners(host):
        if cleaner.days + JITTER_DAYS >= case.kept_days:
            continue
        # whether it follows links in its own paths hangs on how it is written
        behind_links = replace(cleaner, roots=tuple(map(host.real, cleaner.roots)), clear=False)
        for reaching in (cleaner, behind_links):
            hit = [family for family, files in paths if any(map(reaching.reaches, files))]
            if hit:
                early = True
                yield _early_cleaner(case, reaching, hit)
                break
    if families and not early:
        good = Layer(
            CONFIGURED,
            True,
            "no other job, tmpfiles rule or script destroys them sooner",
            "systemctl, cron, tmpfiles.d",
        )
        unknown, vouched = unknown_jobs(case)
        doubts = list(_unknown_deleters(case, families, unknown))
        if vouched:
            names = ", ".join(job.source or job.name for job in vouched)
            good = replace(good, seen=f"{good.seen}; the inventory vouches for {names} ({NAME}_harmless_jobs)")
        remedy = (
            "let it say what it destroys (find, rm, tmpfiles.d, logrotate), run it as a user without rights, or, if "
            f"you know that it destroys no {case.subject}, name it in {NAME}_harmless_jobs"
        )
        yield case.finding("deleters", case.subject, case.kept, [] if doubts else [good], remedy, needed=doubts)


def unknown_jobs(case: Case) -> tuple[list[Job], list[Job]]:
    """Jobs of root that we do not understand: those that nobody, and those that the inventory vouches for."""
    jobs = [job for job in cleaning.unknown_jobs(case.host) if job.runs is not False and job.user == "root"]
    told = set(case.question.settings.get("harmless_jobs") or ())
    vouched = [job for job in jobs if told & {job.name, job.source, job.source.rpartition(":")[0]}]
    return [job for job in jobs if job not in vouched], vouched


def _unknown_deleters(case: Case, families: Sequence[Family], jobs: Sequence[Job]) -> Iterator[Layer]:
    """A layer that names jobs which might destroy logs, as long as no log beside is old enough to show the contrary."""
    if not jobs:
        return
    old = {
        os.path.dirname(family.log)
        for family in families
        if family.oldest and family.oldest.begins and family.oldest.begins.when <= case.cutoff + QUIET
    }
    young = [family.log for family in families if os.path.dirname(family.log) not in old]
    if young:
        names = some([job.source or job.name for job in jobs])
        said = f"what {names} does is not known, and no log is old enough yet to show that it destroys none"
        yield Layer(CONFIGURED, None, said, jobs[0].source)


def _paths(host: Host, family: Family) -> list[str]:
    """The files of a family, and archives that it will have; also as they are called without links above them."""
    paths = [piece.path for piece in family.pieces] or retention.written_paths(family)
    paths = paths + retention.future_archives(retention.rotations(host, family))
    real = {directory: host.real(directory) for directory in map(os.path.dirname, paths)}
    return [*paths, *(os.path.join(real[os.path.dirname(path)], os.path.basename(path)) for path in paths)]


def _early_cleaner(case: Case, cleaner: Cleaner, hit: Sequence[Family]) -> Finding:
    logs = some([family.log for family in hit])
    said = f"{cleaner} destroys after {cleaner.days:.0f} days: {logs}"
    oldest = [family.oldest.begins.when for family in hit if family.oldest and family.oldest.begins]
    age = (case.host.now - max(oldest)).total_seconds() / 86400 if oldest else 0.0
    if not cleaner.job.runs:
        good = True if cleaner.job.runs is False else None  # what stands still for now may begin again
        layers = [Layer(CONFIGURED, good, f"{said}; but {cleaner.job.faults[0]}", cleaner.source)]
    elif cleaner.clear:
        layers = [Layer(CONFIGURED, False, said, cleaner.source)]
    elif cleaner.days and age > cleaner.days + 2:
        kept = f"{cleaner} does not destroy them after {cleaner.days:.0f} days: all have older lines"
        layers = [Layer(OBSERVED, True, kept, cleaner.source)]
    else:
        layers = [Layer(CONFIGURED, None, f"{cleaner} may destroy too early: {logs}", cleaner.source)]
    return case.finding("deleters", cleaner.source, case.kept, layers, f"take {cleaner.source} away, or {HARDEN}")


def check_history(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Nothing was thrown away so far: logs go back to the period's or their own beginning, without holes."""
    case = case_of(host, question, option)
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


def _history(case: Case, family: Family, families: Sequence[Family]) -> tuple[list[Layer], str]:
    """Whether anything was thrown away so far, by what is still there; and what would make it provable."""
    oldest = family.oldest
    if oldest is None or oldest.begins is None:
        return _empty(case, family), ""
    when, evidence = oldest.begins.when, oldest.begins.evidence
    said = f"oldest line {when:%Y-%m-%d} ({evidence})"
    layers = [*_holes(case, family), *_gaps(case, family, families)]
    if when <= case.cutoff + QUIET:
        return [Layer(OBSERVED, True, f"{said}, as old as the period", oldest.path), *layers], ""
    start, remedy = _start(case, family, families, when, said, oldest.path)
    return [start, *layers], remedy


def _empty(case: Case, family: Family) -> list[Layer]:
    """What a log without any line tells: it was never written to, or it was emptied."""
    written = [piece for piece in family.pieces if piece.path == family.log]
    server = next((server for server in case.servers if server.pid and writes(server.name, family)), None)
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


def writes(server: str, family: Family) -> bool:
    return any(log.server == server for log in family.configured)


def _start(
    case: Case, family: Family, families: Sequence[Family], when: dt.datetime, said: str, path: str
) -> tuple[Layer, str]:
    """Whether a log goes back to its beginning. Nothing older can be missing then."""
    origins = _origins(case, family, when)
    latest = max(origins, key=lambda origin: origin.when, default=None)
    if latest is not None and when <= latest.when + QUIET:
        return Layer(
            OBSERVED, True, f"{said}; nothing older is missing: {latest.evidence} ({latest.when:%Y-%m-%d})", path
        ), ""
    before = _predecessor(families, family, when)
    if before is not None:
        ended = f"{before.log} went before it, until {_newest(before):%Y-%m-%d}, and is judged for itself"
        return Layer(OBSERVED, True, f"{said}; nothing older is missing: {ended}", path), ""
    since = case.question.settings.get(f"{case.option}_since")
    others = [other.oldest for other in families if other.is_access]
    first = min((one.begins.when for one in others if one and one.begins), default=when)
    if since and latest is not None and first > latest.when + QUIET:
        missing = f"{said}, but logs are kept here since {since}: the days between are missing from every log"
        return Layer(OBSERVED, False, missing, path), f"find out what took them; {HARDEN}"
    known = f", but {latest.evidence} ({latest.when:%Y-%m-%d})" if latest else ""
    name = f"{NAME}_{case.option}_since: '{when:%Y-%m-%d}'"
    of_site = f"{NAME}_web_since_sites: ['{family.sites[0] if family.sites else family.log} {when:%Y-%m-%d}']"
    return (
        Layer(OBSERVED, None, f"{said}{known}: whether older lines were thrown away cannot be told", path),
        (
            f"if nothing was thrown away since logging began, say when that was: {name} in the host's variables"
            + (f", or for this log alone {of_site}" if case.option == "web" else "")
        ),
    )


def _predecessor(families: Sequence[Family], family: Family, when: dt.datetime) -> Family | None:
    """A log that no server writes any more, and that ended when this one began: its lines moved on to this one."""
    day = dt.timedelta(days=1)
    left = [other for other in families if not other.configured and any(piece.begins for piece in other.pieces)]
    return next((other for other in left if other is not family and abs(_newest(other) - when) < day), None)


def _newest(family: Family) -> dt.datetime:
    return max(piece.modified for piece in family.pieces)


def _origins(case: Case, family: Family, when: dt.datetime) -> list[origin.Origin]:
    """Moments before which this log cannot have had lines. when: its oldest line."""
    settings, found = case.question.settings, []
    host = origin.of_host(case.host)
    found += [host] if host else []
    since = f"{case.option}_since"
    if settings.get(since):
        found.append(origin.Origin(since_day(case, settings[since]), f"{NAME}_{since}"))
    for entry in settings.get(f"{case.option}_since_sites") or ():
        name, _blank, day = str(entry).strip().rpartition(" ")
        if name.strip() in (*family.sites, family.log):
            found.append(origin.Origin(since_day(case, day), f"{NAME}_web_since_sites"))
    directory = origin.of_directory(case.host, os.path.dirname(family.log))
    found += [directory] if directory else []
    # a new site's log begins when its configuration was written; of any other log that is long ago
    told = [one for log in family.configured for one in origin.of_file(case.host, log.source.rpartition(":")[0])]
    return [*found, *(one for one in told if one.when - _WRITTEN <= when <= one.when + QUIET)]


def since_day(case: Case, text: object) -> dt.datetime:
    """The beginning of the day that an option names. Raises Unseen."""
    try:
        day = dt.datetime.combine(dt.date.fromisoformat(str(text)), dt.time(), dt.timezone.utc)
    except ValueError:
        raise Unseen(f"{text!r} is no date; write {NAME}_web_since_sites like 'shop.example.nl 2026-01-31'") from None
    if day > case.host.now:
        raise Unseen(f"{text} is still to come: logging cannot have begun then")
    return day


def _holes(case: Case, family: Family) -> Iterator[Layer]:
    """Numbered archives that are missing between others, where the days beside them were busy."""
    numbered = {piece.number: piece for piece in family.archives if piece.number is not None}
    numbers = sorted(numbered)
    for younger, older in zip(numbers, numbers[1:]):
        after, before = numbered[younger], numbered[older]
        if older - younger == 1 or before.begins is None or before.begins.when < case.cutoff:
            continue
        gone = range(younger + 1, older)
        missing = some(list(map(str, gone)))
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


def _gaps(case: Case, family: Family, families: Sequence[Family]) -> Iterator[Layer]:
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
        if busy >= _VERY_BUSY_LINES or (busy >= _BUSY_LINES and gap > QUIET):
            said += ", and many before and after"
            if any(_has_lines_between(other, last, after.begins.when) for other in families if other is not family):
                yield Layer(OBSERVED, False, f"{said}, while other logs go on", before.path)
            else:
                yield Layer(OBSERVED, None, f"{said}: whether lines were thrown away cannot be told", before.path)
        elif gap > QUIET and _keeps_empty_days(case, family, last, after.begins.when):
            empty = "and no archive of these days, though empty logs are rotated too"
            yield Layer(OBSERVED, None, f"{said}, {empty}: whether some were destroyed cannot be told", before.path)
    yield from _gap_until_now(case, family, pieces)


def _gap_until_now(case: Case, family: Family, pieces: Sequence[Piece]) -> Iterator[Layer]:
    """A log of many lines that is empty, and was made or emptied long after its last archive ended."""
    current = next((piece for piece in family.pieces if piece.path == family.log and piece.begins is None), None)
    if current is None or not pieces or _lines_a_day(case.host, pieces[-1]) < _BUSY_LINES:
        return
    last = pieces[-1].modified
    between = any(piece.begins is None and piece.modified > last for piece in family.archives)
    if current.modified - last > _QUIET_BUSY and not between:
        said = f"no line since {last:%Y-%m-%d}, and many before; the log is empty since {current.modified:%Y-%m-%d}"
        yield Layer(OBSERVED, None, f"{said}: whether lines were thrown away cannot be told", current.path)


def _keeps_empty_days(case: Case, family: Family, last: dt.datetime, first: dt.datetime) -> bool:
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
