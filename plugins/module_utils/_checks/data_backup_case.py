# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup: what all of its checks need to know of a host: what there is to keep, and what makes backups of it.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob as globbing
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._finding import ERROR, FAIL, NOT_APPLICABLE, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Question
from .._option import Period
from .._services import backup_jobs, database_servers, restic
from .._services.backup_jobs import Call
from .._services.database_servers import Server
from .._services.restic import Repository, Snapshot

NAME = "data_backup"
NAMED = 3  # how many of many are named in one finding
RECORDS = backup_jobs.STATE
SKEW = dt.timedelta(minutes=5)  # that clocks may differ
HARDEN = f"ansible-playbook privacy.hosting.harden --tags {NAME}"


def some(names: Sequence[str]) -> str:
    """A few of several names, and how many more there are."""
    told = ", ".join(names[:NAMED])
    return told + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


@dataclass(frozen=True)
class Set:
    """What one call of restic backs up: its snapshots in one repository, oldest first.

    sure: these are its snapshots; else those of the host that may be. namesakes: all that bear the host's name.
    """

    repository: Repository
    call: Call
    snapshots: tuple[Snapshot, ...]
    sure: bool
    namesakes: tuple[Snapshot, ...] = ()

    def newest(self, now: dt.datetime) -> Snapshot | None:
        """The newest one that is not dated ahead."""
        past = [snapshot for snapshot in self.snapshots if snapshot.time <= now + SKEW]
        return max(past, key=made, default=None)


def made(snapshot: Snapshot) -> dt.datetime:
    """When a snapshot was made: what it says, but no later than its program's clock said then."""
    return snapshot.time if snapshot.began is None else min(snapshot.time, snapshot.began)


@dataclass(frozen=True)
class Case:
    """One question about one host."""

    host: Host
    question: Question
    option: str

    # -- findings -------------------------------------------------------------------------------------------------

    def finding(self, check: str, subject: str, status: str, observed: str, source: str, **more: str) -> Finding:
        """A finding of this measure. more: expected, remedy, proof."""
        proof = more.get("proof", "observed") if status in (PASS, FAIL) else ""
        return Finding(
            NAME, check, self.option, subject, status, proof, more.get("expected", ""), observed, source,
            "" if status in (PASS, NOT_APPLICABLE) else more.get("remedy", ""),
        )  # fmt: skip

    def weighed(self, check: str, subject: str, layers: Sequence[Layer], **more: str) -> Finding:
        """A finding out of layers."""
        status, proof, observed, source = weigh(layers)
        return self.finding(check, subject, status, observed, source, **{**more, "proof": proof})

    # -- times ----------------------------------------------------------------------------------------------------

    def period(self, option: str = "") -> Period:
        return Period.parse(self.question.settings[option or self.option])

    def limit(self) -> dt.datetime:
        """Before when the last backup must not have begun."""
        interval = Period.parse(self.question.settings["interval"])
        now = self.host.now
        grace = Period.parse(self.question.settings["grace"])
        return max(grace.before(interval.before(now)), interval.before(interval.before(now)))

    # -- what there is to keep ------------------------------------------------------------------------------------

    def servers(self) -> list[Server]:
        """The database servers whose data is to be kept. Raises Unseen."""
        return database_servers.servers(self.host)

    @property
    def directories(self) -> list[str]:
        return [str(path).rstrip("/") or "/" for path in self.question.settings["directories"]]

    def is_left_out(self, name: str) -> bool:
        """Whether the inventory leaves out a path or a database ('kind/name', or all of a kind)."""
        import fnmatch  # few hosts have anything to leave out

        for pattern in self.question.settings["left_out"]:
            clean = pattern.rstrip("/")
            if fnmatch.fnmatchcase(name, clean) or name.startswith(clean + "/"):
                return True
        return False

    def nothing_to_keep(self) -> bool:
        """Whether the host has no data that belongs in backups, and makes none. Raises Unseen."""
        strange = database_servers.strangers(self.host)
        if strange:
            raise Unseen(f"{some([str(one) for one in strange])}: whether its data is in backups is not judged")
        return not self.servers() and not self.directories and not self.backups()

    # -- what makes backups ---------------------------------------------------------------------------------------

    def backups(self) -> list[Call]:
        """The calls that back up. Raises Unseen."""
        return [call for call in backup_jobs.found(self.host).calls if call.command == "backup"]

    def repositories(self) -> list[Repository]:
        """The repositories that something is backed up to. Raises Unseen."""
        return [
            repository
            for repository in restic.repositories(self.host)
            if any(call.command in ("backup", "copy") for call in repository.calls)
        ]

    def calls(self, *commands: str) -> list[Call]:
        return [call for call in backup_jobs.found(self.host).calls if call.command in commands]

    def none(self, check: str) -> Finding | None:
        """The one finding of a host on which nothing can be judged; None where something makes backups by restic."""
        expected = "backups are made"
        if self.repositories():
            return None
        if self.backups():
            call = self.backups()[0]
            seen = f"which repository {call.job.name} backs up to is not understood"
            return self.finding(check, "this host", ERROR, seen, call.source, expected=expected)
        found = backup_jobs.found(self.host)
        if found.others:
            names = some([f"{name} ({source})" for name, source in found.others])
            seen = f"backups by {names} are not judged"
            return self.finding(check, "this host", ERROR, seen, found.others[0][1], expected=expected)
        if found.unread:
            seen = f"what {some(found.unread)} does with backups is not understood"
            return self.finding(check, "this host", ERROR, seen, found.unread[0], expected=expected)
        if self.nothing_to_keep():
            seen = "it has no database server, and no directory is named whose files belong in backups"
            return self.finding(check, "this host", NOT_APPLICABLE, seen, "processes, units")
        seen = "no timer and no line of cron makes a backup"
        remedy = f"Name a repository in {NAME}_repository or a machine in {NAME}_store, and run: {HARDEN}"
        return self.finding(
            check, "this host", FAIL, seen, "systemctl list-timers, /etc/crontab, /etc/cron.*", expected=expected,
            remedy=remedy, proof="configured",
        )  # fmt: skip

    def unjudged(self) -> str:
        """What else may make backups, and is not judged; '' where there is nothing. Raises Unseen."""
        found = backup_jobs.found(self.host)
        if found.others:
            return f"backups by {some([name for name, _source in found.others])} are not judged"
        if found.unread:
            return f"what {some(found.unread)} does with backups is not understood"
        placed = [call for repository in self.repositories() for call in repository.calls]
        lost = [call.source for call in self.backups() if call not in placed]
        return f"which repository {some(lost)} backs up to is not understood" if lost else ""

    def ask_all(self) -> None:
        """Ask all repositories everything that checks will want to know, side by side; what fails is told later.

        First for their keys: the other questions are answered sooner then.
        """
        self.host.once("asked of all repositories", self._ask_all)

    def _ask_all(self) -> bool:
        repositories = self.repositories()
        questions: dict[Any, Any] = {}
        for repository in repositories:
            questions[repository.location, "keys"] = lambda one=repository: one.keys(self.host)
        restic.at_once(questions)
        questions = {}
        for repository in repositories:
            questions[repository.location, "snapshots"] = lambda one=repository: one.snapshots(self.host)
            questions[repository.location, "identity"] = lambda one=repository: one.identity(self.host)
        restic.at_once(questions)
        return True

    def hostnames(self, call: Call) -> tuple[str, ...]:
        """The name that a call's snapshots bear."""
        own = self.host.run("uname", "-n").stdout.strip()
        return call.values("host")[-1:] or (call.environment.get("RESTIC_HOST") or own,)

    def sets(self) -> Iterator[Set]:
        """Each call that backs up, with its snapshots. Raises Unseen: a repository does not answer."""
        self.ask_all()
        for repository in self.repositories():
            for call in repository.calls:
                if call.command == "backup":
                    yield self.set_of(repository, call)

    def set_of(self, repository: Repository, call: Call) -> Set:
        """The snapshots that a call made. Raises Unseen."""
        names, tags = self.hostnames(call), _tags(call)
        alike = tuple(one for one in repository.snapshots(self.host) if one.hostname in names)
        own = [snapshot for snapshot in alike if tags <= set(snapshot.tags)]
        paths = paths_of(self.host, call)
        if paths is None:
            return Set(repository, call, tuple(own), len({one.paths for one in own}) == 1, alike)
        exact = [snapshot for snapshot in own if set(snapshot.paths) == set(paths)]
        if exact or not own:
            return Set(repository, call, tuple(exact), True, alike)
        return Set(repository, call, tuple(own), False, alike)

    # -- records of runs ------------------------------------------------------------------------------------------

    def records(self, kind: str) -> list[tuple[Mapping[str, Any], str]]:
        """The last recorded runs of a kind (check, restore-test, backup), each with its file. Raises Unseen."""
        named = [f"{RECORDS}/{kind}.json", *self.question.settings["records"]]
        found: list[tuple[Mapping[str, Any], str]] = []
        for path in named:
            if self.host.stat(path) is None:
                continue
            try:
                told = json.loads(self.host.read(path))
                last = told.get("last")
            except (ValueError, AttributeError):
                raise Unseen(f"{path} cannot be understood") from None
            if isinstance(last, dict) and last.get("kind") == kind:
                found.append((last, path))
        return found


def _tags(call: Call) -> set[str]:
    return {tag for value in call.values("tag") for tag in value.split(",") if backup_jobs.UNKNOWN not in tag}


def paths_of(host: Host, call: Call) -> tuple[str, ...] | None:
    """The paths that a call backs up, as its snapshots will name them; None where that cannot be told."""
    if "stdin" in call.flags or "stdin-from-command" in call.flags:
        names = call.values("stdin-filename") or ("stdin",)
        return None if backup_jobs.UNKNOWN in names[-1] else ("/" + names[-1].lstrip("/"),)
    listed = list(call.arguments)
    if any(call.values(flag) for flag in ("files-from", "files-from-verbatim", "files-from-raw")):
        return None
    if not listed or not call.clear:
        return None
    if any(globbing.has_magic(path) or not path.startswith("/") for path in listed):
        return None
    return tuple(dict.fromkeys(os.path.normpath(path) for path in listed))


def shown_paths(paths: Sequence[str]) -> str:
    """The paths of a set, as a subject."""
    return some(sorted(paths)) or "all"


def subject_of(found: Set) -> str:
    """What a set is called in findings."""
    snapshot = found.snapshots[-1] if found.snapshots else None
    paths = snapshot.paths if snapshot else found.call.arguments
    return f"{shown_paths(paths)} in {found.repository}"
