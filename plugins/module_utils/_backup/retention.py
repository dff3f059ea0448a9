# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store runs every day: remove the snapshots that are past their time, and no others.

    privacy-hosting-data-backup-retention [--dry-run] [--client NAME] [--known ID] [--most] [--clock-is-right]

Whoever broke into a client can add snapshots with whatever time they like, and would so make rules of restic drop the
real ones. A snapshot's age is therefore the time since its file arrived on this machine, by this machine's clock; what
the client says of it is only compared, and where that cannot be, nothing is removed and the unit fails.

PRIVATE to the collection.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._option import Period
from . import records
from .commands import Restic
from .records import Run
from .settings import STORE_SETTINGS, STORE_STATE, Client, Trouble, load_clients

_AHEAD = dt.timedelta(minutes=15)  # by which clocks of two machines may differ
_LONGEST = dt.timedelta(days=2)  # from the moment that a snapshot bears until it has arrived
_LONGEST_PAUSE = dt.timedelta(days=31)  # between two runs, without a person who says that the clock is right
_EARLY = dt.timedelta(days=2)  # so that none is past its time before the next daily run; of short periods, a quarter
_MOST, _FEW = 0.5, 7  # the share that may go at once unasked; of so few, all may


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. group: what restic calls its set, host and paths; claimed: the time that the client gave it."""

    id: str
    group: tuple[str, frozenset[str]]
    claimed: dt.datetime
    arrived: dt.datetime

    def __str__(self) -> str:
        return f"{self.id[:8]} (arrived {records.stamp(self.arrived)}, says {records.stamp(self.claimed)})"


@dataclass(frozen=True)
class Judged:
    """What is to be done. kept: past their time, but the last ones; forged: whose times cannot be."""

    due: tuple[Snapshot, ...] = ()
    kept: tuple[Snapshot, ...] = ()
    forged: tuple[Snapshot, ...] = ()


def limit(oldest: str, now: dt.datetime) -> dt.datetime:
    """The moment before which a snapshot must have arrived to be removed now."""
    begins = Period.parse(oldest).before(now)
    return begins + min(_EARLY, (now - begins) / 4)


def judge(snapshots: Sequence[Snapshot], client: Client, now: dt.datetime, known: Sequence[str] = ()) -> Judged:
    """Which snapshots are removed. known: identities whose claimed times somebody looked at."""
    forged = [
        one
        for one in snapshots
        if not one.id.startswith(tuple(known)) and not one.arrived - _LONGEST <= one.claimed <= one.arrived + _AHEAD
    ]
    past = [one for one in snapshots if client.oldest and one.arrived < limit(client.oldest, now)]
    last = _last(snapshots, client.keep)
    return Judged(
        tuple(one for one in past if one not in last), tuple(one for one in past if one in last), tuple(forged)
    )


def _last(snapshots: Sequence[Snapshot], keep: int) -> set[Snapshot]:
    """The newest snapshots of each set, by their arrival; not of a set that a newer one of the same host contains."""
    groups: dict[tuple[str, frozenset[str]], list[Snapshot]] = {}
    for one in sorted(snapshots, key=lambda one: one.arrived, reverse=True):
        groups.setdefault(one.group, []).append(one)
    found: set[Snapshot] = set()
    for (host, paths), members in groups.items():
        newer = [
            one
            for (other, more), others in groups.items()
            if other == host and paths < more
            for one in others
            if one.arrived > members[0].arrived
        ]
        found.update(members[:keep] if len(newer) < keep else [])
    return found


# -- one client -------------------------------------------------------------------------------------------------------


def retain(client: Client, run: Run, known: Sequence[str], most: bool, dry_run: bool) -> None:
    """Remove what is past its time in one repository, its data too. Raises Trouble."""
    restic = _restic(client)
    snapshots = _snapshots(restic, client)
    judged = judge(snapshots, client, run.begun, known)
    run.told.update(
        repository_id=restic.identity(),
        snapshots=len(snapshots),
        oldest=records.stamp(min(one.arrived for one in snapshots)) if snapshots else None,
        due=[one.id for one in judged.due],
        removed=0,
    )
    _see_that_times_can_be(judged, snapshots, run.begun)
    if len(judged.due) > max(_FEW, _MOST * len(snapshots)) and not most:
        raise Trouble(
            f"{len(judged.due)} of {len(snapshots)} snapshots are past {client.oldest}; nothing was removed: if that "
            "is right, run it once with --most"
        )
    if judged.due and not dry_run:
        _remove(restic, judged.due)
        run.told["removed"] = len(judged.due)
    if judged.kept:
        raise Trouble(
            f"{judged.kept[0]} is past {client.oldest}, and stays since it is among the last {client.keep} of its set: "
            "see why no newer ones arrive"
        )


def _restic(client: Client) -> Restic:
    try:
        with open(client.password_file, encoding="utf-8") as stream:
            password = stream.read().strip()
    except OSError as error:
        raise Trouble(f"{client.password_file}: {os.strerror(error.errno or 0)}") from None
    return Restic.of_store(client.path, client.account, password)


def _snapshots(restic: Restic, client: Client) -> list[Snapshot]:
    """All snapshots of a repository, with their arrival. Raises Trouble."""
    found = []
    for one in restic.snapshots():
        try:
            status = os.lstat(os.path.join(client.path, "snapshots", one["id"]))
        except OSError as error:
            raise Trouble(f"snapshot {one['id'][:8]}: {os.strerror(error.errno or 0)}") from None
        arrived = dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc)
        group = (str(one["hostname"]), frozenset(one["paths"]))
        found.append(Snapshot(one["id"], group, records.moment(one["time"]), arrived))
    return found


def _see_that_times_can_be(judged: Judged, snapshots: Sequence[Snapshot], now: dt.datetime) -> None:
    """Raises Trouble."""
    newest = max((one.arrived for one in snapshots), default=now)
    if newest > now + _AHEAD:
        raise Trouble(f"this clock says {records.stamp(now)}, and a snapshot came at {records.stamp(newest)}: set it")
    if judged.forged:
        names = ", ".join(map(str, judged.forged[:3]))
        raise Trouble(
            f"nothing was removed, for the times of {len(judged.forged)} snapshots cannot be: {names}: was the "
            f"client's clock wrong, or did somebody forge them? Once you know: --known {judged.forged[0].id[:8]}"
        )


def _remove(restic: Restic, due: Sequence[Snapshot]) -> None:
    """Forget snapshots by their identity, and take their data away. Raises Trouble."""
    restic.needed("stale locks cannot be removed", "unlock")
    restic.needed("the repository is damaged, so nothing was removed", "check")
    restic.needed("snapshots cannot be removed", "forget", *(one.id for one in due))
    restic.needed("the data of removed snapshots is still there", "prune", "--max-unused", "0")


# -- all of them ------------------------------------------------------------------------------------------------------


def doubt(now: dt.datetime, seen: str) -> str:
    """Why the clock is not believed, '' where it is."""
    try:
        with open(seen, encoding="ascii") as stream:
            last = records.moment(stream.read().strip())
    except OSError:
        return ""
    except ValueError:
        return f"{seen} does not tell when this ran last"
    if not -_AHEAD <= now - last <= _LONGEST_PAUSE:
        return f"it is {records.stamp(now)} by the clock, and the last run was at {records.stamp(last)}"
    return ""


def perform(client: Client, known: Sequence[str], most: bool, dry_run: bool, state: str = STORE_STATE) -> Run:
    """The run for one client, with its record."""
    run = Run("retention", records.now())
    with records.alone(client.name, state):
        try:
            retain(client, run, known, most, dry_run)
        except Trouble as error:
            run.trouble = str(error)
        except (OSError, ValueError, LookupError, TypeError) as error:
            run.trouble = f"{type(error).__name__}: {error}"
        if not dry_run:
            records.write(client.name, run.as_dict(records.now()), state)
    return run


def _say(run: Run, client: Client, dry_run: bool) -> None:
    told = run.told
    if run.trouble:
        sys.stderr.write(f"{client.name}: failed: {''.join(c if c.isprintable() else ' ' for c in run.trouble)}\n")
    elif not client.oldest:
        sys.stdout.write(f"{client.name}: {told['snapshots']} snapshots; no period is set, so none is removed\n")
    else:
        verb = "would be removed" if dry_run else "removed"
        sys.stdout.write(
            f"{client.name}: rule '{client.oldest}': {told['snapshots']} snapshots, {len(told['due'])} {verb}\n"
        )


def _known(words: Sequence[str], path: str) -> list[str]:
    """The beginnings of identities that somebody looked at, new ones noted. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as stream:
        words = [*stream.read().split(), *words]
    if words:
        with open(path, "w", encoding="ascii") as stream:
            stream.write("\n".join(dict.fromkeys(words)) + "\n")
    return list(words)


def main(words: Sequence[str] | None = None, act: Callable[..., Run] = perform) -> int:
    """The command line. Exit code 1: something could not be done; 2: it could not begin."""
    parser = argparse.ArgumentParser(description="Remove snapshots that are past the promised period.")
    parser.add_argument("--settings", default=STORE_SETTINGS, help=f"default: {STORE_SETTINGS}")
    parser.add_argument("--state", default=STORE_STATE, help=argparse.SUPPRESS)
    parser.add_argument("--client", help="only this one")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    parser.add_argument("--known", action="append", default=[], help="a snapshot whose time somebody looked at")
    parser.add_argument("--most", action="store_true", help="even where most snapshots are past their time")
    parser.add_argument("--clock-is-right", action="store_true", help="after a pause of more than a month")
    parser.add_argument("--check-settings", action="store_true", help="only see that the settings can be read")
    options = parser.parse_args(words)
    seen, now = os.path.join(options.state, "seen"), records.now()
    try:
        clients = load_clients(options.settings)
        for client in clients.values():
            limit(client.oldest or "1 day", now)
        if options.check_settings:
            return 0
        doubted = "" if options.clock_is_right else doubt(now, seen)
        if doubted:
            raise Trouble(f"nothing was removed: {doubted}; if the clock is right, run it once with --clock-is-right")
        known = _known(options.known, os.path.join(options.state, "known"))
    except (Trouble, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    chosen = [client for client in clients.values() if options.client in (None, client.name)]
    runs: Mapping[str, Any] = {
        one.name: act(one, known, options.most, options.dry_run, options.state) for one in chosen
    }
    for client in chosen:
        _say(runs[client.name], client, options.dry_run)
    if not options.dry_run:
        with open(f"{seen}.new", "w", encoding="ascii") as stream:
            stream.write(records.stamp(now) + "\n")
        os.replace(f"{seen}.new", seen)
    return 1 if any(run.trouble for run in runs.values()) else 0
