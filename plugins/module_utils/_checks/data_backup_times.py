# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup, times: how old the newest and the oldest snapshot are, and when they were last checked and restored.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._finding import CONFIGURED, ERROR, FAIL, OBSERVED, PASS, RUNNING, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._option import Period
from .._services import backup_jobs
from .._services.backup_jobs import Call
from .._services.jobs import Job
from .._services.restic import Repository, Snapshot, moment
from .data_backup_case import HARDEN, NAME, SKEW, Case, Set, made, some, subject_of

# -- interval ---------------------------------------------------------------------------------------------------------


def check_recent(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether each job's newest snapshot is recent, and the job will run again by itself."""
    case = Case(host, question, option)
    nothing = case.none("recent")
    if nothing is not None:
        yield nothing
        return
    case.ask_all()
    unplaced = [call for call in case.backups() if not any(call in one.calls for one in case.repositories())]
    for call in unplaced:
        seen = "which repository it backs up to is not understood"
        yield case.finding("recent", call.job.name, ERROR, seen, call.source, expected=_recent(case))
    for repository in case.repositories():
        for call in repository.calls:
            if call.command == "backup":
                yield _recent_of(case, repository, call)


def _recent(case: Case) -> str:
    return f"a backup in the last {case.question.settings['interval']}, at most {case.question.settings['grace']} late"


def _recent_of(case: Case, repository: Repository, call: Call) -> Finding:
    layers = list(_job_layers(call.job, call.source))
    try:
        found = case.set_of(repository, call)
    except Unseen as unseen:
        bad = [layer for layer in layers if layer.good is False]
        # what makes the backups being good tells nothing of whether they are there
        layers = [*bad, Layer(OBSERVED, None, str(unseen))]
        return case.weighed("recent", f"{call.job.name} to {repository}", layers, expected=_recent(case))
    newest = found.newest(case.host.now)
    layers += list(_age_layers(case, found, newest))
    if call.job.failed:
        late = newest is None or (call.job.last is not None and made(newest) < call.job.last - SKEW)
        clause = "" if late else ", though it made a snapshot"
        layers.append(Layer(RUNNING, not late, call.job.result + clause, call.job.source))
    if not any(layer.proof == OBSERVED and layer.good for layer in layers):
        layers = [layer for layer in layers if not layer.good]  # a job that runs is no backup
    return case.weighed(
        "recent", subject_of(found), layers, expected=_recent(case), remedy=f"See why {call.job.name} makes none."
    )


def _job_layers(job: Job, source: str) -> Iterator[Layer]:
    proof = RUNNING if job.unit else CONFIGURED
    for fault in job.faults:
        yield Layer(proof, False, fault, job.source)
    if not job.faults:
        yield Layer(proof, True, f"{job.name} runs by itself", source)


def _age_layers(case: Case, found: Set, newest: Snapshot | None) -> Iterator[Layer]:
    now, source = case.host.now, f"restic snapshots ({found.repository})"
    ahead = [snapshot for snapshot in found.namesakes if snapshot.time > now + SKEW]
    if ahead:
        last = f"{ahead[-1].time:%Y-%m-%d %H:%M} UTC"
        seen = f"{len(ahead)} snapshots are dated ahead of now, up to {last}: a clock was set, or they are forged"
        yield Layer(OBSERVED, False, seen, source)
    forged = [one for one in found.namesakes if one.began and one.time - one.began > dt.timedelta(hours=1)]
    if forged and not ahead:
        seen = f"{len(forged)} claim to be younger than restic's clock said when it made them"
        yield Layer(OBSERVED, False, seen, source)
    if newest is None:
        yield Layer(OBSERVED, False, "there is no snapshot", source)
        return
    seen = f"the newest snapshot is of {made(newest):%Y-%m-%d %H:%M} UTC"
    if not found.sure and made(newest) >= case.limit():
        groups = {snapshot.paths for snapshot in found.snapshots}
        # where every set that this name ever had is recent, the job's is too
        latest = [max(made(one) for one in found.snapshots if one.paths == paths) for paths in groups]
        good = True if min(latest) >= case.limit() else None
        seen += "" if good else f", but whether it is one of {found.call.job.name} cannot be told"
        yield Layer(OBSERVED, good, seen, source)
        return
    yield Layer(OBSERVED, made(newest) >= case.limit(), seen, source)
    yield from _rhythm(case, found, newest, source)


def _rhythm(case: Case, found: Set, newest: Snapshot, source: str) -> Iterator[Layer]:
    """That a job which seems to run too seldom really does, as the two last snapshots tell."""
    span = case.host.now - case.limit()
    earlier = [made(one) for one in found.snapshots if made(one) < made(newest) - SKEW]
    if found.call.job.every_days <= span.total_seconds() / 86400 or not earlier:
        return
    gap = made(newest) - max(earlier)
    if gap > span:
        seen = f"the one before it is {gap.total_seconds() / 86400:.1f} days older, as the job runs that seldom"
        yield Layer(OBSERVED, False, seen, source)


def check_repository(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether it is still the same repository: one put in its place has a past of its own."""
    case = Case(host, question, option)
    if case.none("repository") is not None:
        return
    case.ask_all()
    for repository in case.repositories():
        known = known_identities(case, repository)
        if not known:
            continue
        there = repository.identity(host)
        (identity, source), same = known[0], [one for one, _source in known if one == there]
        seen = f"its id begins with {there[:8]}"
        seen += "" if same else f", and was {identity[:8]} before: another one was put in its place"
        yield case.finding(
            "repository", str(repository), PASS if same else FAIL, seen, source,
            expected="the repository that backups went to from the start",
            remedy="Find out who replaced it and where the former one is; what was in that one is not in this one.",
        )  # fmt: skip


def known_identities(case: Case, repository: Repository) -> list[tuple[str, str]]:
    """The ids that a repository had by what was written down on the host, each with where. Raises Unseen."""
    found = []
    if any(call.job.unit.startswith(backup_jobs.PROGRAM) for call in repository.calls):
        path = backup_jobs.SETTINGS
        if case.host.stat(path) is not None:
            try:
                identity = json.loads(case.host.read(path)).get("repository_id")
            except (ValueError, AttributeError):
                raise Unseen(f"{path} cannot be understood") from None
            found += [(str(identity), path)] if identity else []
        if not found:
            found += [(str(run.get("repository_id")), path) for run, path in case.records("backup")]
    return [(identity, path) for identity, path in found if re.fullmatch(r"[0-9a-f]{64}", identity)]


# -- oldest -----------------------------------------------------------------------------------------------------------


def check_oldest(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the oldest snapshot is younger than what was promised, and something sees to it."""
    case = Case(host, question, option)
    nothing = case.none("oldest")
    if nothing is not None:
        yield nothing
        return
    case.ask_all()
    for repository in case.repositories():
        yield _oldest_of(case, repository)


def _oldest_of(case: Case, repository: Repository) -> Finding:
    period = case.period()
    bound = period.before(case.host.now)
    source = f"restic snapshots ({repository})"
    expected = f"no snapshot older than {period}"
    remedy = f"Remove older ones: restic forget --keep-within, or set {NAME}_oldest and run: {HARDEN}"
    names = {name for call in repository.calls for name in case.hostnames(call)}
    snapshots = repository.snapshots(case.host)
    own = [snapshot for snapshot in snapshots if snapshot.hostname in names]
    if not own:
        return case.finding(
            "oldest", str(repository), ERROR, "there is no snapshot of this host", source, expected=expected
        )
    layers = []
    oldest = min(own, key=made)
    seen = f"the oldest snapshot is of {made(oldest):%Y-%m-%d}"
    layers.append(Layer(OBSERVED, made(oldest) >= bound - dt.timedelta(days=1), seen, source))
    strange = sorted({one.hostname for one in snapshots if one not in own and made(one) < bound - dt.timedelta(days=1)})
    if strange and layers[0].good:
        seen = f"{len(strange)} other names have older ones in it; whether one of them was this host's is not known"
        return case.finding("oldest", str(repository), ERROR, seen, source, expected=expected, remedy=remedy)
    layers += list(_removal(case, repository, snapshots, period))
    # what will remove them is part of the question
    if all(layer.good is not False for layer in layers) and any(layer.good is None for layer in layers):
        seen = "; ".join(layer.seen for layer in layers)
        return case.finding("oldest", str(repository), ERROR, seen, source, expected=expected, remedy=remedy)
    return case.weighed("oldest", str(repository), layers, expected=expected, remedy=remedy)


def _removal(case: Case, repository: Repository, snapshots: Sequence[Snapshot], period: Period) -> Iterator[Layer]:
    """What removes snapshots: a job here, another machine, or somebody, as the gap that they left tells."""
    there = {snapshot.id for snapshot in snapshots}
    trimmed = any(snapshot.parent and snapshot.parent not in there for snapshot in snapshots)
    forgets = [call for call in repository.calls if call.command == "forget" and "dry-run" not in call.flags]
    for call in forgets:
        days = kept_days(call)
        if call.job.faults:
            yield Layer(CONFIGURED, False, f"what removes old ones: {call.job.faults[0]}", call.source)
        elif days is None:
            yield Layer(
                CONFIGURED, True if trimmed else None, "how long 'restic forget' keeps them is not certain", call.source
            )
        else:
            limit = (case.host.now - period.before(case.host.now)).total_seconds() / 86400 + 1
            seen = f"'restic forget' keeps them for {days:.0f} days at most"
            yield Layer(CONFIGURED, days <= limit, seen, call.source)
        return
    if trimmed:
        yield Layer(OBSERVED, True, "older ones were removed", f"restic snapshots ({repository})")
    elif case.question.settings["store"]:
        names = some([item.split()[0] for item in case.question.settings["store"]])
        yield Layer(CONFIGURED, True, f"{names} holds the repository, and is asked who removes old ones")
    else:
        yield Layer(CONFIGURED, None, "nothing was found that removes old ones")


_SPAN_DAYS = {"y": 366.0, "m": 31.0, "d": 1.0, "h": 1 / 24}
_KEEP_DAYS = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 31.0, "yearly": 366.0}


def kept_days(call: Call) -> float | None:
    """The most days that 'restic forget' keeps a snapshot, roughly; None where a number of them is kept instead."""
    longest = 0.0
    for flag, values in call.flags.items():
        if flag == "keep-tag" or (flag == "keep-last" and values):
            return None
        if not flag.startswith("keep-") or not values:
            continue
        if flag.startswith("keep-within"):
            parts = re.findall(r"(\d+)([ymdh])", values[-1])
            if not parts:
                return None
            longest = max(longest, sum(int(number) * _SPAN_DAYS[unit] for number, unit in parts))
        elif flag[5:] in _KEEP_DAYS:
            if not values[-1].isdigit():
                return None
            longest = max(longest, (int(values[-1]) + 1) * _KEEP_DAYS[flag[5:]])
    return longest or None


# -- checked ----------------------------------------------------------------------------------------------------------


def check_verified(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether a check that read stored data went well lately."""
    case = Case(host, question, option)
    nothing = case.none("verified")
    if nothing is not None:
        yield nothing
        return
    case.ask_all()
    period, bound = case.period(), case.period().before(host.now) - dt.timedelta(days=1)
    expected = f"a check that reads stored data in the last {period}"
    remedy = "Run 'restic check --read-data-subset=1/12' by a timer of its own, and mend what it finds."
    for repository in case.repositories():
        layers = [*_record_layers(case, repository, "check", bound), *_check_jobs(case, repository, bound)]
        if not layers:
            layers = [Layer(CONFIGURED, False, "nothing checks the repository", "systemctl list-timers, cron")]
        yield case.weighed("verified", str(repository), layers, expected=expected, remedy=remedy)


def _record_layers(case: Case, repository: Repository, kind: str, bound: dt.datetime) -> Iterator[Layer]:
    """What a record tells of the last run of a kind."""
    for run, path in case.records(kind):
        ended = moment(run.get("ended") or run.get("begun"))
        identity = str(run.get("repository_id") or "")
        if identity and identity != repository.identity(case.host):
            yield Layer(OBSERVED, False, f"the last one was of another repository ({identity[:8]})", path)
        elif ended is None:
            yield Layer(OBSERVED, None, "the record has no time", path)
        elif ended > case.host.now + SKEW:
            yield Layer(OBSERVED, False, f"the record is dated ahead of now ({ended:%Y-%m-%d})", path)
        elif run.get("ok") is not True:
            yield Layer(OBSERVED, False, f"the last one, on {ended:%Y-%m-%d}, failed", path)
        elif kind == "check" and not (run.get("subset") or run.get("read")):
            yield Layer(OBSERVED, False, f"the last one, on {ended:%Y-%m-%d}, read no stored data", path)
        else:
            yield Layer(OBSERVED, ended >= bound, f"the last one went well on {ended:%Y-%m-%d}", path)


def _check_jobs(case: Case, repository: Repository, bound: dt.datetime) -> Iterator[Layer]:
    """What jobs that check tell by how they last ended."""
    calls = [call for call in repository.calls if call.command == "check"]
    reading = [call for call in calls if {"read-data", "read-data-subset"} & set(call.flags)]
    if calls and not reading:
        yield Layer(CONFIGURED, False, "'restic check' reads no stored data", calls[0].source)
    for call in reading[:1]:
        for fault in call.job.faults:
            yield Layer(CONFIGURED, False, fault, call.job.source)
        if not call.job.unit:
            yield Layer(OBSERVED, None, "cron keeps no record of how it ended", call.source)
        elif call.job.failed:
            yield Layer(RUNNING, False, call.job.result, call.job.source)
        elif call.job.unit.startswith(backup_jobs.PROGRAM):
            continue  # which has a record
        else:
            ended = last_success(case.host, call.job.unit)
            if ended is None:
                yield Layer(RUNNING, None, f"when {call.job.unit} last ended well is not known", call.source)
            elif not call.strict:
                yield Layer(
                    RUNNING, None, f"{call.job.unit} ends well also where the check in it does not", call.source
                )
            else:
                yield Layer(RUNNING, ended >= bound, f"{call.job.unit} ended well on {ended:%Y-%m-%d}", call.source)


def last_success(host: Host, unit: str) -> dt.datetime | None:
    """When a service last ended well, by systemd or its journal; None where neither knows."""
    fields = "Result,ExecMainStatus,ExecMainExitTimestamp"
    told = dict(
        line.partition("=")[::2] for line in host.run("systemctl", "show", "-p", fields, unit).stdout.splitlines()
    )
    match = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", told.get("ExecMainExitTimestamp", ""))
    if match and told.get("Result") == "success" and told.get("ExecMainStatus") == "0":
        return moment(f"{match[1]}T{match[2]}Z")
    # after a restart of the host systemd has forgotten, and the journal has not: 'Finished …'
    query = (
        "journalctl",
        "-u",
        unit,
        "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf",
        "-n",
        "1",
        "-o",
        "json",
        "--no-pager",
    )
    try:
        line = host.run(*query, "--output-fields=JOB_RESULT,JOB_TYPE").stdout.strip()
        entry: Mapping[str, Any] = json.loads(line) if line else {}
    except (Unseen, ValueError):
        return None
    if entry.get("JOB_RESULT") != "done":
        return None
    return dt.datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) // 1_000_000, dt.timezone.utc)


# -- restored ---------------------------------------------------------------------------------------------------------


def check_restore_test(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether databases were really restored lately, with rows in them."""
    case = Case(host, question, option)
    nothing = case.none("restore_test")
    if nothing is not None:
        yield nothing
        return
    case.ask_all()
    period, bound = case.period(), case.period().before(host.now) - dt.timedelta(days=1)
    expected = f"a restore test in the last {period}, with figures"
    remedy = f"Run privacy-hosting-data-backup-restore-test.service, or name another test's record in {NAME}_records."
    records = case.records("restore-test")
    if not records:
        seen = "no restore test was recorded"
        yield case.finding("restore_test", "this host", FAIL, seen, "", expected=expected, remedy=remedy)
        return
    repositories = case.repositories()
    for run, path in records:
        identity = str(run.get("repository_id") or "")
        of = [one for one in repositories if one.identity(host) == identity]
        if not of:
            seen = f"the last one was of a repository that is not in use ({identity[:8] or 'no id'})"
            yield case.finding("restore_test", "this host", FAIL, seen, path, expected=expected, remedy=remedy)
            continue
        layers = [*_record_layers(case, of[0], "restore-test", bound), *_figures(case, run, path, of[0])]
        layers = [layer for layer in layers if layer.source == path]
        yield case.weighed("restore_test", str(of[0]), layers, expected=expected, remedy=remedy)


def _figures(case: Case, run: Mapping[str, Any], path: str, repository: Repository) -> Iterator[Layer]:
    """What was restored, and whether that was all."""
    databases = [one for one in run.get("databases") or () if isinstance(one, dict)]
    directories = [one for one in run.get("directories") or () if isinstance(one, dict)]
    bad = [str(one.get("name") or one.get("path")) for one in (*databases, *directories) if one.get("ok") is False]
    if bad:
        yield Layer(OBSERVED, False, f"{some(bad)} could not be restored", path)
    rows = sum(_number(one.get("restored_rows", one.get("rows"))) for one in databases)
    fewer = [str(one.get("name")) for one in databases if _number(one.get("restored_rows")) < _number(one.get("rows"))]
    if fewer and "restored_rows" in databases[0]:
        yield Layer(OBSERVED, False, f"{some(fewer)}: fewer rows came back than were dumped", path)
    servers = [server for server in case.servers() if server.kind != "redis"]
    if servers and not rows:
        yield Layer(OBSERVED, False, "no row of a database was restored", path)
    snapshot_at = moment(run.get("snapshot_time"))
    if snapshot_at is not None and snapshot_at > case.host.now + SKEW:
        yield Layer(OBSERVED, False, "it restored a snapshot that is dated ahead of now", path)
    files = sum(_number(one.get("restored", one.get("files"))) for one in directories)
    if databases or directories:
        yield Layer(OBSERVED, True, f"{len(databases)} databases with {rows} rows, and {files} files, came back", path)
    else:
        yield Layer(OBSERVED, False, "it tells of nothing that was restored", path)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
