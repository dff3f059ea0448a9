# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for other programs: JUnit, CSV and Prometheus. They are made from the records and add no fact to them.

PRIVATE to the collection.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol, TextIO
from xml.sax.saxutils import escape, quoteattr

from .former import KINDS
from .record import Record, applies

# How a verdict shows where a test can pass, fail, be in error or be skipped. Unknown is no failure, and never a pass.
_FAILURE, _ERROR, _SKIPPED = "failure", "error", "skipped"
_OUTCOMES = {
    "broken": _FAILURE, "unproven": _ERROR, "lapsed": _ERROR, "waived": _SKIPPED, "attested": _SKIPPED,
    "not_applicable": _SKIPPED,
}  # fmt: skip
_FINDING = ("measure", "check", "option", "subject", "status", "proof", "expected", "observed", "source", "remedy")
_COLUMNS = ("run", "host", "audited_at", "promise", "verdict", *_FINDING)
_ACTS = ("=", "+", "-", "@")  # what a spreadsheet takes for a formula


class Export(Protocol):
    """A file that takes in one host's record after the other."""

    name: str

    def begin(self, out: TextIO) -> None: ...

    def add(self, out: TextIO, record: Record) -> None: ...

    def end(self, out: TextIO, fleet: Mapping[str, Any]) -> None: ...


class Csv:
    """A row for each finding of each promise on each host, and one for a promise without findings."""

    name = "findings.csv"

    def __init__(self, run: str) -> None:
        self._run = run

    def begin(self, out: TextIO) -> None:
        self._row(out, _COLUMNS)

    def add(self, out: TextIO, record: Record) -> None:
        head = [self._run, record["host"], record["audited_at"] or ""]
        for entry in record["promises"]:
            if applies(entry):
                for finding in entry["findings"] or [{}]:
                    told = [finding.get(key, "") for key in _FINDING]
                    self._row(out, [*head, entry["id"], entry["verdict"], *told])

    def end(self, out: TextIO, fleet: Mapping[str, Any]) -> None:
        """Nothing stands below the rows."""

    @staticmethod
    def _row(out: TextIO, cells: Sequence[str]) -> None:
        """One row. What a server said does nothing in a spreadsheet: an apostrophe before it makes it text."""
        csv.writer(out, lineterminator="\r\n").writerow(
            [f"'{cell}" if cell.startswith(_ACTS) else cell for cell in cells]
        )


class JUnit:
    """A test suite for each host, and in it a test case for each promise."""

    name = "junit.xml"

    def begin(self, out: TextIO) -> None:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="privacy.hosting">\n')

    def add(self, out: TextIO, record: Record) -> None:
        entries = [entry for entry in record["promises"] if applies(entry)]
        outcomes = [_OUTCOMES.get(entry["verdict"]) for entry in entries]
        attributes = {
            "name": record["host"],
            "tests": len(entries),
            "failures": outcomes.count(_FAILURE),
            "errors": outcomes.count(_ERROR),
            "skipped": outcomes.count(_SKIPPED),
            "time": record["took_s"],
            **({"timestamp": record["audited_at"]} if record["audited_at"] else {}),
        }
        out.write(f" <testsuite{_attributes(attributes)}>\n")
        for entry in entries:
            out.writelines(f"  {line}\n" for line in self._case(record["host"], entry))
        out.write(" </testsuite>\n")

    def end(self, out: TextIO, fleet: Mapping[str, Any]) -> None:
        out.write("</testsuites>\n")

    @staticmethod
    def _case(host: str, entry: Mapping[str, Any]) -> Iterator[str]:
        """A promise. Its text are the findings that do not pass, for whoever opens a failed test."""
        took = sum(finding.get("took_s", 0.0) for finding in entry["findings"])
        head = f"<testcase{_attributes({'classname': host, 'name': entry['id'], 'time': round(took, 3)})}"
        outcome = _OUTCOMES.get(entry["verdict"])
        if not outcome:
            yield f"{head}/>"
            return
        told = [_told(finding) for finding in entry["findings"] if finding["status"] in ("fail", "error")]
        message = f"{entry['verdict'].replace('_', ' ')}: {entry['says']}"
        yield f"{head}>"
        if outcome == _SKIPPED:
            yield f"<skipped{_attributes({'message': message})}/>"
        else:
            kind = {"message": message, "type": entry["verdict"]}
            yield f"<{outcome}{_attributes(kind)}>{escape(chr(10).join(told))}</{outcome}>"
        yield "</testcase>"


def _told(finding: Mapping[str, Any]) -> str:
    where = f" ({finding['source']})" if finding["source"] else ""
    mend = f" To do: {finding['remedy']}" if finding["remedy"] else ""
    return f"{finding['measure']}.{finding['check']}, {finding['subject']}: {finding['observed']}{where}.{mend}"


def _attributes(values: Mapping[str, Any]) -> str:
    return "".join(f" {key}={quoteattr(str(value))}" for key, value in values.items())


class Prometheus:
    """Gauges in the text format, for the textfile collector of a node exporter; verdicts alone, no evidence."""

    name = "privacy_hosting.prom"

    def begin(self, out: TextIO) -> None:
        """All is known at the end only."""

    def add(self, out: TextIO, record: Record) -> None:
        """The fleet has what is told of it."""

    def end(self, out: TextIO, fleet: Mapping[str, Any]) -> None:
        out.write(prometheus(fleet))


def prometheus(fleet: Mapping[str, Any]) -> str:
    """What fleet.json says of verdicts and times, as gauges. Times are in seconds."""
    made, began = _epoch(fleet["made_at"]), _epoch(fleet["audited_from"] or fleet["made_at"])
    rows: list[tuple[str, str, list[tuple[Mapping[str, str], float]]]] = [
        ("last_run_timestamp_seconds", "When the last report was made.", [({}, made)]),
        ("last_run_duration_seconds", "From the first host's audit to the report.", [({}, max(0.0, made - began))]),
        ("last_run_partial", "Whether hosts or measures were left out.", [({}, int(fleet["partial"]))]),
        ("promise", "The verdict on a promise on a host, as a label.", list(_verdicts(fleet))),
        ("promises", "How many promises of the statement have each verdict.", [
            ({"verdict": word}, count) for word, count in fleet["coverage"]["verdicts"].items()
        ]),
        ("changes", "How many verdicts are another than in the run before, by why.", [
            ({"kind": kind}, sum(one["kind"] == kind for one in fleet["changes"]))
            for kind in KINDS if fleet["previous"]
        ]),
        ("host_audited", "Whether a host of the inventory was reached and audited.", [
            ({"host": host["name"]}, int(host["state"] == "audited")) for host in fleet["hosts"]
        ]),
        ("lapses_timestamp_seconds", "When what a promise stands on ends, of what ends soon.", [
            ({"kind": one["kind"], "promise": one["promise"]}, _epoch(one["until"])) for one in _soonest(fleet)
        ]),
    ]  # fmt: skip
    return "".join(_metric(*row) for row in rows if row[2])


def _verdicts(fleet: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], float]]:
    for host in fleet["hosts"]:
        for promise, verdict in host["verdicts"].items():
            yield {"host": host["name"], "promise": promise, "verdict": verdict}, 1


def _soonest(fleet: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What lapses, once for each promise and kind: a series may stand in a file once only."""
    found = {
        (one["kind"], one["promise"]): one for one in sorted(fleet["notices"], key=lambda x: x["until"], reverse=True)
    }
    return list(found.values())


def _metric(name: str, help_text: str, values: Sequence[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP privacy_hosting_{name} {help_text}", f"# TYPE privacy_hosting_{name} gauge"]
    for labels, value in values:
        told = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
        lines.append(f"privacy_hosting_{name}{f'{{{told}}}' if told else ''} {value:.10g}")
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _epoch(iso: str) -> float:
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


FORMATS = ("csv", "junit", "prometheus")


def wanted(formats: Sequence[str], run: str) -> list[Export]:
    """The files of the named formats."""
    made: dict[str, Export] = {"csv": Csv(run), "junit": JUnit(), "prometheus": Prometheus()}
    return [made[name] for name in FORMATS if name in formats]
