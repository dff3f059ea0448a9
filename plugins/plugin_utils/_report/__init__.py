# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: hosts' records in, a directory of JSON files and pages out.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from .exports import FORMATS, Export, prometheus, wanted
from .files import Directory, Names, appearing, fleets_beside, previous_of, read_fleet
from .fleet import Fleet, verdicts_of
from .page import About, fleet_page, host_page
from .plain import plain
from .record import Record, fault, unaudited

__all__ = ["FORMATS", "Mismatch", "Report", "verdicts_of", "write_prometheus", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written: the content of fleet.json, that of the previous run if there was one, and the promises of
    each host as _verdict.failures takes them."""

    fleet: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    judged: Mapping[str, Sequence[Mapping[str, Any]]]


class Mismatch(ValueError):
    """What was given cannot be one report; the text is one line."""


def write_report(
    directory: Path,
    run: str,
    made_at: str,
    hosts: Iterable[tuple[str, Any]],
    about: About,
    outside: Iterable[str] = (),
    formats: Sequence[str] = (),
) -> Report:
    """Write one run's report.

    hosts: names with their records, or with a text that says why there is none; taken one by one, so that a
    generator keeps memory low. made_at: now, in ISO form, UTC. about: title and reason of each measure, by language.
    outside: hosts that this run is not about; formats: those of FORMATS that are written as well. Raises Mismatch
    and OSError.
    """
    with contextlib.ExitStack() as stack:
        return _write_report(
            directory, run, made_at, hosts, about, outside, Exports(directory, wanted(formats, run), stack)
        )


class Exports:
    """Files of other formats, which take in hosts one by one and appear at the end."""

    def __init__(self, directory: Path, chosen: Sequence[Export], stack: contextlib.ExitStack) -> None:
        self._directory, self._chosen, self._stack = directory, chosen, stack
        self._files: list[tuple[Export, TextIO]] = []

    def add(self, record: Record) -> None:
        """Take in one host; with the first one the files begin."""
        if not self._files:
            self._files = [
                (one, self._stack.enter_context(appearing(self._directory / one.name))) for one in self._chosen
            ]
            for one, file in self._files:
                one.begin(file)
        for one, file in self._files:
            one.add(file, record)

    def end(self, fleet: Mapping[str, Any]) -> None:
        for one, file in self._files:
            one.end(file, fleet)


def _write_report(
    directory: Path,
    run: str,
    made_at: str,
    hosts: Iterable[tuple[str, Any]],
    about: About,
    outside: Iterable[str],
    others: Exports,
) -> Report:
    earlier, here = fleets_beside(directory), read_fleet(directory)
    fleet, names, without = Fleet(run, made_at), Names(), []
    target: Directory | None = None
    for name, given in hosts:
        host = plain(name)
        if host in fleet.judged:
            raise Mismatch(f"{host} has two records: a report has one of each host")
        record = plain(given) if not isinstance(given, str) else None
        reason = plain(given) if record is None else fault(record)
        if record is None or reason:
            without.append((host, reason))
            continue
        _same_statement(fleet, record)
        target = target or Directory(directory)
        _write_host(target, fleet, names, {**record, "host": host}, about, others)
    if target is None:
        told = f"; {without[0][0]}: {without[0][1]}" if without else ""
        raise Mismatch(f"no host has an audit record to report: run the audit first{told}")
    for host, reason in without:
        promises = list(fleet.entries.values())
        _write_host(target, fleet, names, unaudited(host, reason, fleet.statement, promises), about, others)
    fleet.add_outside(plain(list(outside)))
    previous = previous_of(earlier, fleet.statement)
    content = fleet.as_dict(previous)
    target.write_json("fleet.json", content)
    target.write("index.html", fleet_page(content))
    others.end(content)
    if here:
        target.drop_stale(here, content)
    return Report(content, previous, fleet.judged)


def _same_statement(fleet: Fleet, record: Record) -> None:
    """Refuse records of two statements: a run has one."""
    if fleet.statement and record["statement"] != fleet.statement:
        raise Mismatch(
            f"{record['host']} was audited against another statement: a report has one, audit all hosts anew"
        )


def _write_host(target: Directory, fleet: Fleet, names: Names, record: Record, about: About, others: Exports) -> None:
    """Write one host's files and add it to the fleet."""
    file = names.of(record["host"])
    target.write_json(f"{file}.json", record)
    target.write(f"{file}.html", host_page(record, file, about))
    fleet.add(record, file)
    others.add(record)


def write_prometheus(path: Path, fleet: Mapping[str, Any]) -> None:
    """Write the gauges where a node exporter, which is another account, reads them: mode 0644. Raises OSError."""
    with appearing(path, 0o644) as file:
        file.write(prometheus(fleet))
