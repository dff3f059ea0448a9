# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for other programs: JUnit, CSV and Prometheus say what the JSON says, and no more."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.plugin_utils._report import (
    FORMATS,
    exports,
    write_prometheus,
    write_report,
)
from ansible_collections.privacy.hosting.plugins.plugin_utils._verdict import VERDICTS
from tests.records import ABOUT, finding, record
from tests.records import promise as told_promise

MADE_AT = "2026-11-20T16:50:00+00:00"
HOSTILE = '=cmd|"/c calc"!A0</failure><x a="\'&\x1b]0;\x07'


def written(directory: Path, *records: dict, run: str = "night", formats: tuple[str, ...] = FORMATS, **values: object):
    """Write a report of these records; what fleet.json holds."""
    hosts = [(one["host"], one) for one in records]
    return write_report(directory, run, MADE_AT, hosts, ABOUT, formats=formats, **values).fleet


def promise(verdict: str, name: str = "x", findings: list | None = None) -> dict:
    """A promise with this verdict."""
    grounds = {}
    if verdict in ("attested", "waived", "lapsed"):
        state = {
            "by": "somebody",
            "since": "2026-01-01",
            "until": "2027-01-01",
            "state": "lapsed" if verdict == "lapsed" else "in_force",
            "evidence": "",
            "reason": "x",
        }
        grounds = {"waiver" if verdict == "waived" else "attested": state}
    return told_promise(name, verdict=verdict, findings=[finding()] if findings is None else findings, **grounds)


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "findings.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def junit(directory: Path) -> ET.Element:
    return ET.parse(directory / "junit.xml").getroot()  # noqa: S314  written just now


def series(text: str) -> dict[str, float]:
    """The values of a text in Prometheus' format, by name and labels. Raises AssertionError for what is none."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r'(\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})?) (-?[\d.e+]+)', line)
            assert match and match[1] not in found, line
            found[match[1]] = float(match[2])
    return found


def test_nothing_is_written_unless_asked_for(tmp_path):
    written(tmp_path, record(), formats=())
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".html"}


def test_the_files_are_private_and_whole(tmp_path):
    written(tmp_path, record())
    names = {"findings.csv", "junit.xml", "privacy_hosting.prom"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in names)
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_left_of_a_report_that_fails(tmp_path):
    other = {**record(host="web2"), "statement": {**record()["statement"], "title": "another"}}
    with pytest.raises(ValueError, match="another statement"):
        written(tmp_path, record(), other)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".csv", ".xml", ".prom", ".tmp")]


def test_csv_has_every_finding_and_every_promise(tmp_path):
    told = record(promises=[promise("kept", "a"), promise("attested", "b", [])])
    written(tmp_path, told)
    found = rows(tmp_path)
    wanted = [(entry["id"], len(entry["findings"]) or 1) for entry in told["promises"]]
    assert [(name, sum(row["promise"] == name for row in found)) for name, _count in wanted] == wanted
    first = told["promises"][0]["findings"][0]
    assert all(found[0][key] == first[key] for key in ("measure", "check", "subject", "observed", "source", "status"))
    assert {row["run"] for row in found} == {"night"}


def test_a_formula_is_text_in_a_spreadsheet(tmp_path):
    written(tmp_path, record(promises=[promise("broken", findings=[finding("fail", observed=HOSTILE)])]))
    assert rows(tmp_path)[0]["observed"].startswith("'=cmd|")


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ("broken", "failure"), ("unproven", "error"), ("lapsed", "error"), ("waived", "skipped"), ("kept", None),
        ("attested", "skipped"), ("not_applicable", "skipped"),
    ],
)  # fmt: skip
def test_junit_tells_each_verdict(tmp_path, verdict, outcome):
    written(tmp_path, record(promises=[promise(verdict, "x")]))
    suites = junit(tmp_path)
    (suite,) = suites.findall("testsuite")
    (case,) = suite.findall("testcase")
    assert (case.get("classname"), case.get("name")) == ("web1", "x")
    assert [child.tag for child in case] == ([outcome] if outcome else [])
    counts = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    assert {key: suite.get(name) for key, name in counts.items()} == {key: str(int(key == outcome)) for key in counts}
    assert suite.get("tests") == "1"


def test_junit_tells_what_fails_and_what_to_do(tmp_path):
    bad = finding("fail", observed="it is open", source="/etc/x:3", remedy="close it", subject="the door")
    written(tmp_path, record(promises=[promise("broken", findings=[finding("pass", observed="fine"), bad])]))
    (failure,) = junit(tmp_path).iter("failure")
    assert "the door: it is open (/etc/x:3). To do: close it" in str(failure.text)
    assert "fine" not in str(failure.text)


def test_hostile_text_stays_text(tmp_path):
    entry = promise("broken", findings=[finding("fail", observed=HOSTILE, subject=HOSTILE)])
    written(tmp_path, record(host='web"1\\', promises=[{**entry, "says": HOSTILE}]))
    (failure,) = junit(tmp_path).iter("failure")
    assert "</failure><x" in str(failure.text)
    assert "\x1b" not in (tmp_path / "junit.xml").read_text() + (tmp_path / "findings.csv").read_text()
    assert any(r'host="web\"1\\"' in name for name in series((tmp_path / "privacy_hosting.prom").read_text()))


def test_prometheus_tells_verdicts_and_times(tmp_path):
    hosts = [record(promises=[promise("broken")]), record(host="web2", promises=[promise("kept")])]
    fleet = written(tmp_path, *hosts)
    found = series((tmp_path / "privacy_hosting.prom").read_text())
    assert found['privacy_hosting_promise{host="web1",promise="x",verdict="broken"}'] == 1
    assert found['privacy_hosting_promise{host="web2",promise="x",verdict="kept"}'] == 1
    assert found["privacy_hosting_last_run_timestamp_seconds"] == 1795193400
    assert found["privacy_hosting_last_run_duration_seconds"] >= 0
    assert found["privacy_hosting_last_run_partial"] == 0
    assert found['privacy_hosting_host_audited{host="web1"}'] == 1
    counts = fleet["coverage"]["verdicts"]
    assert {word: found[f'privacy_hosting_promises{{verdict="{word}"}}'] for word in counts} == counts


def test_prometheus_tells_what_is_newly_broken(tmp_path):
    write_report(
        tmp_path / "a", "a", "2026-11-19T16:50:00+00:00", [("web1", record(promises=[promise("kept")]))], ABOUT
    )
    written(tmp_path / "b", record(promises=[promise("broken")]))
    found = series((tmp_path / "b" / "privacy_hosting.prom").read_text())
    assert found['privacy_hosting_changes{kind="newly_broken"}'] == 1
    assert found['privacy_hosting_changes{kind="mended"}'] == 0


def test_prometheus_holds_no_evidence(tmp_path):
    written(tmp_path, record(promises=[promise("broken", findings=[finding("fail", observed="at 203.0.113.x")])]))
    assert "203.0.113" not in (tmp_path / "privacy_hosting.prom").read_text()


def test_the_file_for_the_node_exporter_is_readable_and_replaced_whole(tmp_path):
    fleet = written(tmp_path / "run", record())
    target = tmp_path / "privacy_hosting.prom"
    target.write_text("old")
    write_prometheus(target, fleet)
    assert target.stat().st_mode & 0o777 == 0o644
    text = target.read_text()
    assert text.endswith("\n")
    assert json.loads((tmp_path / "run/fleet.json").read_text())["run"] == "night"
    assert series(text)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["privacy_hosting.prom"]


def test_every_verdict_has_an_outcome():
    assert {*exports._OUTCOMES, "kept"} == set(VERDICTS)
