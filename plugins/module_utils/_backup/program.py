# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host that is backed up runs by its timers: a backup, a check of the repository, a restore test.

    privacy-hosting-data-backup backup | check | restore-test
    privacy-hosting-data-backup restic ARGUMENTS…      restic itself, with this host's repository

Each run leaves a record; one that is not good fails, and so does its unit.

PRIVATE to the collection.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import stat as statmode
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from . import records
from .commands import Restic, arguments, clean, environment
from .dumps import MANIFEST, Dump, clear, dump_all, of_manifest
from .records import Run
from .settings import DUMPS, RESTORE, SETTINGS, TAG, Settings, Trouble, load
from .throwaway import LOADERS, private

_PART = 1 << 30  # bytes that one check reads, about
_PARTS = 12  # into which a large repository is divided at most: all of it is read in as many checks
_FILES = 100  # of each directory that a restore test brings back
_FILES_BYTES = 1 << 30
_GROWS = 3.0  # a database takes so many times its dump, with indexes


def _reached(settings: Settings) -> tuple[Restic, str]:
    """The repository, and its identity. Raises Trouble where it is not the one of the backups before."""
    restic = Restic.of_host(settings)
    identity = restic.identity()
    if identity != settings.repository_id:
        raise Trouble(
            f"the repository {settings.repository} is not the one of the backups before ({identity[:8]}, not "
            f"{settings.repository_id[:8]}): see who replaced it"
        )
    restic.needed("locks of runs that were cut off cannot be removed", "unlock")
    return restic, identity


# -- backup -----------------------------------------------------------------------------------------------------------


def backup(settings: Settings, run: Run) -> None:
    """Dump all databases, and put dumps and directories into one snapshot. Raises Trouble."""
    records.see_that_the_clock_goes_on(records.read("backup")["last"], run.begun)
    restic, run.told["repository_id"] = _reached(settings)
    run.told["directories"] = _directories(settings)
    try:
        made = dump_all(settings, DUMPS)
        run.told["databases"] = [asdict(dump) for dump in made]
        words = [word for pattern in settings.excluded for word in ("--exclude", pattern)]
        done = restic(
            "backup", "--json", "--host", settings.host, "--tag", TAG, *words, "--", DUMPS, *settings.directories
        )
        if done.rc != 0:
            raise Trouble(f"restic could not back up all: {_restics_complaint(done.err)}")
        run.told["snapshot"] = _summary(done.out)["snapshot_id"]
        _see_that_dumps_arrived(restic, run.told["snapshot"], made)
    finally:
        clear(DUMPS)


def _directories(settings: Settings) -> list[dict[str, Any]]:
    """The directories with how much lies at their top. Raises Trouble for one that is absent, or was emptied."""
    known = records.read("backup")["last_good"] or {}
    before = {one["path"]: one["entries"] for one in known.get("directories", ())}
    found = []
    for path in settings.directories:
        try:
            directory = statmode.S_ISDIR(os.stat(path).st_mode)
            entries = len(os.listdir(path)) if directory else 1
        except OSError as error:
            raise Trouble(f"{path} cannot be backed up: {os.strerror(error.errno or 0)}") from None
        if not entries and before.get(path):
            raise Trouble(f"{path} is empty, and was not at the last backup: is its disk mounted?")
        found.append({"path": path, "entries": entries})
    return found


def _restics_complaint(text: str) -> str:
    """What restic says under --json, or its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if told.get("message_type") == "error":
            return f"{told.get('item', '')}: {(told.get('error') or {}).get('message', told['error'])}"[:300]
        if told.get("message_type") == "exit_error":
            return str(told["message"])[:300]
    return lines[-1][:300] if lines else "it does not say why"


def _summary(text: str) -> dict[str, Any]:
    for line in reversed(text.splitlines()):
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("message_type") == "summary":
            return dict(told)
    raise Trouble("restic does not tell which snapshot it made")


def _see_that_dumps_arrived(restic: Restic, snapshot: str, made: Sequence[Dump]) -> None:
    stored = {
        node["path"]: node.get("size", 0) for node in _listed(restic, snapshot, DUMPS) if node.get("type") == "file"
    }
    for dump in made:
        if stored.get(f"{DUMPS}/{dump.file}") != dump.bytes:
            raise Trouble(f"the snapshot does not hold {dump.file} as it was dumped")


def _listed(restic: Restic, snapshot: str, *paths: str) -> Iterator[dict[str, Any]]:
    """The files of a snapshot below some paths."""
    text = restic.needed("the snapshot cannot be listed", "ls", "--json", "--no-lock", snapshot, *_recursive(paths)).out
    for line in text.splitlines():
        node = json.loads(line)
        if "type" in node:
            yield node


def _recursive(paths: Sequence[str]) -> list[str]:
    return ["--recursive", *paths] if paths else []


# -- check ------------------------------------------------------------------------------------------------------------


def check(settings: Settings, run: Run) -> None:
    """Check the repository, and read a part of its data, another one each time. Raises Trouble."""
    restic, run.told["repository_id"] = _reached(settings)
    stored = restic.json("the size of the repository", "stats", "--mode", "raw-data", "--no-lock")["total_size"]
    parts = min(_PARTS, max(1, math.ceil(stored / _PART)))
    before = (records.read("check")["last_good"] or {}).get("subset", "0/1")
    number = int(before.partition("/")[0]) % parts + 1
    run.told["subset"] = f"{number}/{parts}"
    restic.needed("the repository is damaged", "check", f"--read-data-subset={number}/{parts}")


# -- restore test -----------------------------------------------------------------------------------------------------


def restore_test(settings: Settings, run: Run) -> None:
    """Load the newest snapshot's dumps into throwaway servers, and bring files back. Raises Trouble."""
    restic, run.told["repository_id"] = _reached(settings)
    snapshot = _newest(restic, settings.host)
    run.told.update({"snapshot": snapshot["id"], "snapshot_time": snapshot["time"], "databases": [], "directories": []})
    troubles: list[str] = []
    with private(f"{RESTORE}/files") as directory:
        os.chown(directory, 0, 0)
        dumps = _restored_dumps(restic, snapshot["id"], directory)
        for kind in LOADERS:
            for server in sorted({dump.server for dump in dumps if dump.kind == kind}):
                wanted = [dump for dump in dumps if (dump.kind, dump.server) == (kind, server)]
                try:
                    _try(kind, wanted, f"{directory}{DUMPS}", run, troubles)
                except Trouble as error:
                    troubles.append(str(error))
        for path in settings.directories:
            told = _try_files(restic, snapshot["id"], path, f"{directory}/files")
            run.told["directories"].append(told)
            if not told["ok"]:
                troubles.append(f"of {path}, {told['restored']} of {told['files']} files could be restored")
    if troubles:
        raise Trouble("; ".join(troubles))


def _newest(restic: Restic, host: str) -> dict[str, Any]:
    listed = [one for one in restic.snapshots("--host", host, "--tag", TAG) if DUMPS in one["paths"]]
    if not listed:
        raise Trouble(f"there is no snapshot of {host} yet")
    return dict(max(listed, key=lambda one: records.moment(one["time"])))


def _restored_dumps(restic: Restic, snapshot: str, directory: str) -> list[Dump]:
    """Restore the dumps of a snapshot; what its manifest says of them. Raises Trouble."""
    size = sum(node.get("size", 0) for node in _listed(restic, snapshot, DUMPS))
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize * 0.95
    if size * (1 + _GROWS) > free:
        raise Trouble(f"a restore test needs about {size * (1 + _GROWS) / 1e9:.1f} GB in {directory}")
    restic.needed(
        "the dumps cannot be restored", "restore", snapshot, "--no-lock", "--target", directory, "--include", DUMPS
    )
    try:
        with open(f"{directory}{DUMPS}/{MANIFEST}", encoding="utf-8") as stream:
            return of_manifest(json.load(stream))
    except (OSError, ValueError) as error:
        raise Trouble(f"the snapshot has no manifest of its dumps: {error}") from None


def _try(kind: str, wanted: Sequence[Dump], dumps: str, run: Run, troubles: list[str]) -> None:
    """Load the dumps of one server, and compare the rows. Raises Trouble."""
    with private(f"{RESTORE}/throwaway") as directory:
        for dump, restored in LOADERS[kind](dumps, wanted, directory):
            rows = sum(dump.tables.values())
            run.told["databases"].append(
                {
                    "kind": kind,
                    "server": dump.server,
                    "name": dump.name,
                    "tables": len(dump.tables),
                    "rows": rows,
                    "restored_rows": restored,
                    "ok": rows == restored,
                }
            )
            if rows != restored:
                troubles.append(f"{kind} {dump.name}: {restored} rows came back of {rows}")


def _try_files(restic: Restic, snapshot: str, path: str, target: str) -> dict[str, Any]:
    """Bring back files of a directory, spread over it, and compare their sizes. restic compares what is in them."""
    files = [node for node in _listed(restic, snapshot, path) if node.get("type") == "file"]
    step = max(1, len(files) // _FILES)
    chosen, room = [], _FILES_BYTES
    for node in files[::step][:_FILES]:
        if node.get("size", 0) <= room:
            chosen.append(node)
            room -= node.get("size", 0)
    if chosen:
        words = [word for node in chosen for word in ("--include", _literally(node["path"]))]
        restic.needed(f"{path} cannot be restored", "restore", snapshot, "--no-lock", "--target", target, *words)
    good = [node for node in chosen if _size(target + node["path"]) == node.get("size", 0)]
    ok = len(good) == len(chosen) and (bool(chosen) or not files)
    return {"path": path, "files": len(chosen), "restored": len(good), "ok": ok}


def _literally(path: str) -> str:
    """A path as a pattern of restic that means nothing else."""
    return "".join("\\" + char if char in "\\*?[]" else char for char in path)


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return -1


# -- the command line -------------------------------------------------------------------------------------------------

_RUNS: dict[str, Callable[[Settings, Run], None]] = {"backup": backup, "check": check, "restore-test": restore_test}


def perform(kind: str, settings: Settings) -> Run:
    """One run, with its record."""
    run = Run(kind, records.now())
    with records.alone(kind):
        try:
            _RUNS[kind](settings, run)
        except Trouble as error:
            run.trouble = shown(str(error))
        except (OSError, ValueError, LookupError, TypeError) as error:
            run.trouble = shown(f"{type(error).__name__}: {error}")
        records.write(kind, run.as_dict(records.now()))
    return run


def shown(text: str) -> str:
    """A text in one line, without control characters."""
    return "".join(char if char.isprintable() else " " for char in text)[:1000]


def _told(run: Run) -> str:
    """What a run came to, in one line for the journal."""
    if run.trouble:
        return f"{run.kind} failed: {run.trouble}"
    told = run.told
    if run.kind == "check":
        return f"check: no faults; part {told['subset']} of the data was read"
    databases = ", ".join(f"{one['kind']} {one['name']}" for one in told["databases"]) or "no databases"
    return f"{run.kind}: snapshot {told['snapshot'][:8]}: {databases}; {len(told['directories'])} directories"


def main(words: Sequence[str] | None = None) -> int:
    """The command line. Exit code 1: the run failed; 2: it could not begin."""
    parser = argparse.ArgumentParser(description="Back this host up, check its backups, and try to restore them.")
    parser.add_argument("--settings", default=SETTINGS, help=f"default: {SETTINGS}")
    parser.add_argument("what", choices=[*_RUNS, "restic", "check-settings"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of restic")
    options = parser.parse_args(words)
    try:
        settings = load(options.settings)
        if options.what == "check-settings":
            return 0
        if options.what == "restic":
            argv = ["restic", *arguments(settings), *options.arguments]
            os.execvpe("restic", argv, clean("", environment(settings)))  # noqa: S606
        run = perform(options.what, settings)
    except (Trouble, OSError) as error:
        sys.stderr.write(f"error: {shown(str(error))}\n")
        return 2
    (sys.stderr if run.trouble else sys.stdout).write(_told(run) + "\n")
    return 1 if run.trouble else 0
