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
from .files import Directory, Names, appearing, past_beside, read_fleet
from .fleet import Fleet
from .former import former
from .page import About, fleet_page, host_page
from .plain import plain
from .record import Record, fault, unaudited
from .wording import LANGUAGES

__all__ = ["FORMATS", "LANGUAGES", "Mismatch", "Report", "write_prometheus", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written: the content of fleet.json; the verdicts of earlier runs by host and promise, as far as this
    one asked for them again; and the promises of each host as _verdict.failures takes them."""

    fleet: Mapping[str, Any]
    before: Mapping[tuple[str, str], str]
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
    language: str | None = None,
) -> Report:
    """Write one run's report.

    hosts: names with their records, or with a text that says why there is none; taken one by one, so that a
    generator keeps memory low. made_at: now, in ISO form, UTC. about: title and reason of each measure, by language.
    outside: hosts that this run is not about; formats: those of FORMATS that are written as well; language: that of
    the pages, by default the statement's. Raises Mismatch and OSError.
    """
    with contextlib.ExitStack() as stack:
        exports = Exports(directory, wanted(formats, run), stack)
        return _write_report(Fleet(run, made_at), hosts, outside, _Writer(directory, about, language, exports))


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


class _Writer:
    """Writes hosts' files and the fleet's; the directory is made with the first of them."""

    def __init__(self, directory: Path, about: About, language: str | None, exports: Exports) -> None:
        self.directory = directory
        self._about, self._language, self._exports = about, language, exports
        self._names = Names()
        self._target: Directory | None = None

    def host(self, record: Record, fleet: Fleet) -> None:
        """Write one host's files and add it to the fleet."""
        self._target = self._target or Directory(self.directory)
        file = self._names.of(record["host"])
        self._target.write_json(f"{file}.json", record)
        self._target.write(f"{file}.html", host_page(record, file, self._about, self._language))
        fleet.add(record, file)
        self._exports.add(record)

    def fleet(self, content: Mapping[str, Any], here: Mapping[str, Any] | None) -> None:
        """Write the fleet's files. here: the fleet.json that they replace, if there was one."""
        target = self._target or Directory(self.directory)
        target.write_json("fleet.json", content)
        target.write("index.html", fleet_page(content, self._language))
        self._exports.end(content)
        if here:
            target.drop_stale(here, content)


def _write_report(fleet: Fleet, hosts: Iterable[tuple[str, Any]], outside: Iterable[str], writer: _Writer) -> Report:
    without = []
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
        writer.host({**record, "host": host}, fleet)
    if not fleet.hosts:
        told = f"; {without[0][0]}: {without[0][1]}" if without else ""
        raise Mismatch(f"no host has an audit record to report: run the audit first{told}")
    for host, reason in without:
        writer.host(unaudited(host, reason, fleet.statement, list(fleet.entries.values())), fleet)
    fleet.add_outside(plain(list(outside)))
    content = fleet.as_dict()
    before = former(past_beside(writer.directory), content)
    content = fleet.compared(content, before)
    writer.fleet(content, read_fleet(writer.directory))
    return Report(content, before.verdicts, fleet.judged)


def _same_statement(fleet: Fleet, record: Record) -> None:
    """Refuse records of two statements: a run has one."""
    if fleet.statement and record["statement"] != fleet.statement:
        raise Mismatch(
            f"{record['host']} was audited against another statement: a report has one, audit all hosts anew"
        )


def write_prometheus(path: Path, fleet: Mapping[str, Any]) -> None:
    """Write the gauges where a node exporter, which is another account, reads them: mode 0644. Raises OSError."""
    with appearing(path, 0o644) as file:
        file.write(prometheus(fleet))
