# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: whether logs are gone soon after the promised period, by something automatic.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .._finding import CONFIGURED, OBSERVED, RUNNING, Finding, Layer
from .._host import Host
from .._measure import Question
from .._services import cleaners as cleaning
from .._services import logfile, logrotate, retention
from .._services.cleaners import Cleaner
from .._services.jobs import Job
from .._services.logfamilies import Family, Piece
from .._services.retention import Rotation
from .._services.virtualhost import MAIL, MAIL_PART, STATISTICS
from .log_retention_case import HARDEN, NAMED, QUIET, Case, case_of, some
from .log_retention_kept import deciding, unknown_jobs

_RUNS = "it runs by itself, and did its work the last time"


def check_remains(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """No file, archive, stray or copy holds a line that is past its time."""
    case = case_of(host, question, option)
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


def _over_age(case: Case, family: Family) -> list[Layer]:
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
    if oldest.begins.when <= case.cutoff + QUIET:
        return [Layer(OBSERVED, True, f"{said}: nothing is past its time on a host that is older", oldest.path)]
    return []


def check_destruction(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Something automatic destroys what comes of age: archives, and what no server writes any more; and it runs."""
    case = case_of(host, question, option)
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


def check_timer(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """What rotates the logs is started by itself, will be again, and did its work the last time."""
    case = case_of(host, question, option)
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
        mend = f"mend {job.name} ({job.source}), or {HARDEN}"
        yield case.finding("timer", job.name, _RUNS, [], mend, needed=layers)


@dataclass
class _Fate:
    """What will become of a family's files. rotating, destroying: the jobs that it takes for that."""

    layers: list[Layer] = field(default_factory=list)
    rotating: list[Job] = field(default_factory=list)
    destroying: list[Job] = field(default_factory=list)
    remedy: str = ""


def _fate(case: Case, family: Family) -> _Fate:
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
        means = _means(case, family, path, rotations, rotated_days, path in unlike)
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


def _rotated(case: Case, family: Family, rotations: Sequence[Rotation], fate: _Fate) -> float:
    """The most days that one file of a log spans; a layer where that has no limit."""
    if not family.configured or retention.is_dated(family):
        return 1.0
    sound = next((rotation for rotation in rotations if not rotation.hindrance), None)
    if sound is not None:
        most = logrotate.interval(_never_empty(sound.stanza.rules, family), sound.run.job.every_days)[1]
        every_days = most if family.is_shared and not sound.stanza.rules.leaves_lines else sound.every_days
        if not math.isinf(every_days):
            fate.rotating.append(sound.run.job)
            return every_days
    unknown = "" if rotations else _unknown(cleaning.unknown_jobs(case.host))
    if unknown and _rotated_by_others(case.host, family):
        return 1.0
    why, source = _not_by_time(case.host, family, rotations)
    emptied = sound is not None and sound.stanza.rules.leaves_lines and _may_be_emptied(case.host, family)
    good = None if unknown or emptied else False
    fate.layers.append(Layer(CONFIGURED, good, f"its oldest lines stay: {why}{unknown}", source))
    fate.remedy = f"rotate it daily, or {HARDEN}"
    return math.inf


def _may_be_emptied(host: Host, family: Family) -> bool:
    """Whether something takes the lines out of the log itself."""
    return any(cleaner.reaches(family.log) for cleaner in retention.all_cleaners(host) if cleaner.by == cleaning.MTIME)


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
        if not rotations[0].hindrance and rotations[0].stanza.rules.leaves_lines:
            copies = f"logrotate ({rotations[0].words}) copies it and leaves its lines where they are"
            return copies, rotations[0].stanza.source("copy")
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


def _never_empty(rules: logrotate.Rules, family: Family) -> logrotate.Rules:
    """Rules for a log that many programs write to, so that it is never empty when it is looked at."""
    return replace(rules, ifempty=True) if family.is_shared else rules


def _is_to_come(family: Family) -> bool:
    """Whether a mail log has not been written to at all: a webmail makes its own at the first login."""
    return not family.pieces and not {MAIL, MAIL_PART}.isdisjoint(family.kinds)


def _means(
    case: Case, family: Family, path: str, rotations: Sequence[Rotation], rotated_days: float, unlike: bool
) -> _Means | None:
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
        days = logrotate.destroyed_days(_never_empty(rules, family), job.every_days)
        # where the log is gone, its archives are never looked at again
        there = case.host.stat(rotation.log) is not None or _is_to_come(family)
        sound = there and not rotation.hindrance
        if sound and days <= case.gone_days and logrotate.reaches(rules, rotation.log, path):
            source = rotation.stanza.source(*deciding(rotation))
            words = f"logrotate ({rotation.words}) destroys after at most {days:.0f} days"
            found.append(_Means(words, source, job, by_rotation=True))
    return min(found, key=lambda means: bool(means.job.faults or means.job.failed), default=None)


def _unreached(
    case: Case, family: Family, left: Sequence[str], rotations: Sequence[Rotation], span: float, fate: _Fate
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
    vouched = unknown_jobs(case)[1]
    unknown = _unknown([job for job in cleaning.unknown_jobs(case.host) if job not in vouched])
    said = f"nothing found that will destroy {what} in time"
    said += f" ({'; '.join(reasons[:NAMED])})" if reasons else ""
    fate.layers.append(Layer(CONFIGURED, None if unclear or unknown else False, said + unknown, source))
    fate.remedy = fate.remedy or f"{HARDEN}, which destroys daily what is past its time"


def _may_be_in_time(case: Case, cleaner: Cleaner, rotations: Sequence[Rotation], span: float) -> bool:
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
    names = some([job.source or job.name for job in jobs])
    return f"; what {names} does is not known" if jobs else ""


def _job_layers(case: Case, job: Job, rotations: Sequence[Rotation]) -> Iterator[Layer]:
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
    unrecorded = _unrecorded(case, rotations) if job.failed else []
    if late:
        yield Layer(OBSERVED, False, late, rotations[0].run.state)
    elif job.failed and not rotations:
        yield Layer(OBSERVED, False, job.result, job.source)
    elif unrecorded:
        said = f"{job.result}, and whether it rotates {some(unrecorded)} cannot be told: it has no record of that"
        yield Layer(OBSERVED, None, said, rotations[0].run.state)
    elif job.failed and not job.faults:
        yield Layer(OBSERVED, True, f"{job.result}, but the logs were rotated in time", job.source)


def _not_rotated(case: Case, rotations: Sequence[Rotation]) -> str:
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
    return "; ".join(late[:NAMED])


def _unrecorded(case: Case, rotations: Sequence[Rotation]) -> list[str]:
    """Logs that are there and that logrotate's own record does not name: it has not even looked at them."""
    found = []
    for rotation in rotations:
        there = case.host.stat(rotation.run.state) is not None
        known = logrotate.last_rotations(case.host, rotation.run.state) if there else {}
        if rotation.log not in known and not rotation.hindrance and case.host.stat(rotation.log) is not None:
            found.append(rotation.log)
    return found
