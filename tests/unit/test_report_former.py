# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed since the run before: what is told apart, and what two runs are compared in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.plugin_utils._report import write_report
from ansible_collections.privacy.hosting.plugins.plugin_utils._report.files import Past, past_beside
from ansible_collections.privacy.hosting.plugins.plugin_utils._report.former import LOOK_BACK
from tests.records import ABOUT, finding, fleet_of, promise, record

ONE, OTHER = "0" * 16, "1" * 16  # digests
WAIVER = {"by": "the director", "reason": "it moves", "until": "2026-12-31", "state": "in_force"}
WORD = {"by": "the director", "since": "2025-11-01", "until": "2026-11-20"}


def told(status, name="p", asks=ONE, **values):
    """A promise that is judged by web_log with a finding of this status; None: this run left the measure out."""
    given = finding(status) if status else finding("error", check="asked")
    return promise(name, [[given]], asks=asks, **values)


def attested(state):
    return promise("p", [], asks=ONE, attested={**WORD, "state": state})


def host(name, *promises, checks=ONE, version="0.1.0", **values):
    checked = {"collection": version, "measures": {"web_log": checks}}
    return record(name, list(promises), checked_with=checked, **values)


class Runs:
    """Reports beside each other, a day apart."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._day = directory, 0

    def __call__(self, *hosts, **values):
        self._day += 1
        given = [one if isinstance(one, tuple) else (one["host"], one) for one in hosts]
        made_at = f"2026-11-{self._day:02}T02:00:00+00:00"
        return write_report(self._directory / f"run-{self._day}", str(self._day), made_at, given, ABOUT, **values)


@pytest.fixture
def run(tmp_path):
    return Runs(tmp_path)


def kinds(report):
    return [(one["host"], one["promise"], one["kind"]) for one in report.fleet["changes"]]


AWAY = finding("error", check="reach")
CHANGES = [
    (told("pass"), told("fail"), "newly_broken"),
    (told("error"), told("fail"), "newly_broken"),
    (told("fail"), told("pass"), "mended"),
    (told("fail"), told("not_applicable"), "mended"),
    (told("pass"), told("error"), "otherwise"),
    (told("fail"), told("error"), "otherwise"),
    (told("error"), told("pass"), "otherwise"),
    (told("pass"), told("fail", asks=OTHER), "register"),
    (told("fail"), told("fail", waiver=WAIVER), "register"),
    (told("fail", waiver=WAIVER), told("fail"), "register"),
    (told("fail", waiver=WAIVER), told("fail", waiver={**WAIVER, "state": "lapsed"}), "ran_out"),
    (told("fail", waiver=WAIVER), told("pass", waiver=WAIVER), "mended"),
    (attested("in_force"), attested("lapsed"), "ran_out"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "kind"), CHANGES)
def test_the_reason_of_a_change_is_told(run, before, after, kind):
    run(host("web1", before))
    assert kinds(run(host("web1", after))) == [("web1", "p", kind)]


def test_other_checks_are_told_apart_from_another_server(run):
    run(host("web1", told("pass")))
    report = run(host("web1", told("fail"), checks=OTHER, version="0.2.0"))
    assert kinds(report) == [("web1", "p", "checks")]
    assert (report.fleet["moved"]["collection"], report.fleet["moved"]["checks"]) == (["0.1.0", "0.2.0"], ["web_log"])


def test_checks_of_another_measure_do_not_excuse_a_server(run):
    run(host("web1", told("pass")))
    after = host("web1", told("fail"))
    after["checked_with"]["measures"]["log_retention"] = OTHER
    assert kinds(run(after)) == [("web1", "p", "newly_broken")]


def test_a_verdict_that_is_the_same_is_no_change_whatever_else_is_another(run):
    run(host("web1", told("fail")))
    assert kinds(run(host("web1", told("fail", asks=OTHER), checks=OTHER, version="2"))) == []


def test_a_report_of_before_there_were_digests_blames_the_checks(run, tmp_path):
    run(host("web1", told("pass")))
    path = tmp_path / "run-1" / "fleet.json"
    old = json.loads(path.read_text())
    for key in ("checked_with", "open_periods", "moved"):
        del old[key]
    old["promises"] = [{k: v for k, v in one.items() if k not in ("asks", "by", "measures")} for one in old["promises"]]
    old["hosts"] = [{k: v for k, v in one.items() if k not in ("unasked", "waivers")} for one in old["hosts"]]
    path.write_text(json.dumps(old))
    report = run(host("web1", told("fail")))
    assert kinds(report) == [("web1", "p", "checks")]
    assert report.fleet["moved"]["promises_changed"] == []


def test_hosts_and_promises_that_come_and_go_are_told_once_and_not_verdict_by_verdict(run):
    run(host("web1", told("pass"), told("pass", "q")), host("web2", told("pass"), told("pass", "q")))
    report = run(host("web1", told("pass"), told("fail", "r")), host("web3", told("fail"), told("fail", "r")))
    moved = report.fleet["moved"]
    assert (moved["hosts_new"], moved["hosts_gone"]) == (["web3"], ["web2"])
    assert (moved["promises_new"], moved["promises_gone"]) == (["r"], ["q"])
    assert kinds(report) == [("web1", "r", "first")]


# --- what is compared ---------------------------------------------------------------------------------------------


def test_a_host_out_of_reach_is_silent_and_its_verdicts_are_compared_with_when_it_last_answered(run):
    run(host("web1", told("pass")), host("web2", told("pass")))
    away = host("web2", promise("p", [[AWAY]], asks=ONE))
    report = run(host("web1", told("pass")), away)
    assert kinds(report) == []
    assert report.fleet["moved"]["hosts_silent"] == ["web2"]
    run(host("web1", told("pass")), ("web2", "it could not be reached"))
    report = run(host("web1", told("pass")), host("web2", told("fail")))
    assert report.fleet["moved"]["hosts_back"] == ["web2"]
    (change,) = report.fleet["changes"]
    assert (change["before"], change["kind"], change["since"]) == ("kept", "newly_broken", "2026-11-01T02:00:00+00:00")
    assert report.before == {("web1", "p"): "kept", ("web2", "p"): "kept"}


def test_a_server_that_was_broken_before_it_fell_silent_is_not_newly_broken(run):
    run(host("web1", told("fail")))
    run(host("web1", promise("p", [[AWAY]], asks=ONE)))
    report = run(host("web1", told("fail")))
    assert kinds(report) == []
    assert report.before[("web1", "p")] == "broken"


def test_a_limited_run_is_compared_in_what_it_asked(run, tmp_path):
    run(host("web1", told("pass"), told("pass", "q")), host("web2", told("pass"), told("pass", "q")))
    report = run(host("web1", told("fail"), told(None, "q"), partial=True), outside=["web2"])
    assert kinds(report) == [("web1", "p", "newly_broken")]
    assert not any(report.fleet["moved"][key] for key in ("hosts_gone", "promises_gone", "hosts_silent"))
    assert report.fleet["hosts"][0]["unasked"] == ["q"]
    assert "One of the two runs was limited" in (tmp_path / "run-2" / "index.html").read_text()


def test_after_limited_runs_alone_only_what_both_asked_is_compared(run):
    run(host("web1", told("pass"), told(None, "q"), partial=True), outside=["web2"])
    report = run(host("web1", told("fail"), told("fail", "q")), host("web2", told("fail"), told("fail", "q")))
    assert kinds(report) == [("web1", "p", "newly_broken")]
    assert report.fleet["moved"]["hosts_new"] == []


def test_what_the_last_whole_run_could_not_ask_is_looked_up_in_a_later_limited_one(run):
    run(host("web1", promise("p", [[AWAY]], asks=ONE)), host("web2", told("pass")))
    run(host("web1", told("fail"), partial=True), outside=["web2"])
    report = run(host("web1", told("pass")), host("web2", told("pass")))
    assert report.fleet["previous"]["run"] == "1"
    assert kinds(report) == [("web1", "p", "mended")]


def test_a_run_made_later_than_this_one_is_not_one_before(run, tmp_path):
    run(host("web1", told("pass")))
    future = tmp_path / "run-1" / "fleet.json"
    future.write_text(future.read_text().replace("2026-11-01T02", "2099-11-01T02"))
    assert run(host("web1", told("fail"))).fleet["previous"] is None


def test_a_year_of_runs_is_not_read_in_whole(run, monkeypatch):
    for _number in range(LOOK_BACK + 5):
        run(host("web1", promise("p", [[AWAY]], asks=ONE)))
    read = []
    whole = Past.read
    monkeypatch.setattr(Past, "read", lambda past: read.append(past.path) or whole(past))
    assert kinds(run(host("web1", told("fail")))) == [("web1", "p", "first")]
    assert len(read) == LOOK_BACK


def test_the_beginning_of_a_large_run_is_read_and_no_more(tmp_path):
    hosts = [(one["host"], one) for one in fleet_of(200)]
    write_report(tmp_path / "a", "a", "2026-11-01T02:00:00+00:00", hosts, ABOUT)
    path = tmp_path / "a" / "fleet.json"
    text = path.read_text()
    path.write_text(text[: text.index('"hosts":') + 1000])  # what follows is not looked at
    (past,) = past_beside(tmp_path / "b")
    assert (past.made_at, past.partial, past.title) == ("2026-11-01T02:00:00+00:00", False, "Privacy statement")
    assert past.read() is None
