# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of verdicts, row by row, and what docs/verdicts.md says of it."""

from __future__ import annotations

import itertools
import re
from datetime import date
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _finding
from ansible_collections.privacy.hosting.plugins.plugin_utils import _verdict
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement
from ansible_collections.privacy.hosting.plugins.plugin_utils._verdict import (
    failures,
    fleet_verdict,
    promise_row,
    verdict,
)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "verdicts.md"


def answer(*statuses):
    return [{"status": status} for status in statuses]


# answers, attested, waived, planned, verdict: written out, so that a slip in the table shows.
CASES = [
    ([], None, None, None, "unproven"),
    ([answer()], None, None, None, "unproven"),
    ([answer("pass"), answer()], None, None, None, "unproven"),
    ([answer("pass")], None, None, None, "kept"),
    ([answer("fail")], None, None, None, "broken"),
    ([answer("error")], None, None, None, "unproven"),
    ([answer("not_applicable")], None, None, None, "not_applicable"),
    ([answer("invented")], None, None, None, "unproven"),
    ([answer("pass", "not_applicable")], None, None, None, "kept"),
    ([answer("pass", "error")], None, None, None, "unproven"),
    ([answer("pass", "error", "fail", "not_applicable")], None, None, None, "broken"),
    ([answer("pass"), answer("fail")], None, None, None, "broken"),
    ([answer("pass"), answer("not_applicable")], None, None, None, "kept"),
    # attestations
    ([], "in_force", None, None, "attested"),
    ([], "lapsed", None, None, "lapsed"),
    ([answer("pass")], "in_force", None, None, "kept"),
    ([answer("pass")], "lapsed", None, None, "lapsed"),
    ([answer("fail")], "in_force", None, None, "broken"),
    ([answer("fail")], "lapsed", None, None, "broken"),
    ([answer("error")], "in_force", None, None, "unproven"),
    ([answer("error")], "lapsed", None, None, "unproven"),
    ([answer()], "in_force", None, None, "unproven"),
    ([answer("not_applicable")], "in_force", None, None, "attested"),
    ([answer("not_applicable")], "lapsed", None, None, "lapsed"),
    # waivers
    ([answer("fail")], None, "in_force", None, "waived"),
    ([answer("error")], None, "in_force", None, "waived"),
    ([answer("pass")], None, "in_force", None, "kept"),
    ([answer("not_applicable")], None, "in_force", None, "not_applicable"),
    ([answer()], None, "in_force", None, "waived"),
    ([], None, "in_force", None, "waived"),
    ([answer("fail", "pass")], None, "in_force", None, "waived"),
    ([answer("fail")], None, "lapsed", None, "broken"),
    ([answer("error")], None, "lapsed", None, "unproven"),
    ([answer("pass")], None, "lapsed", None, "kept"),
    ([answer("fail")], "in_force", "in_force", None, "waived"),
    ([answer("fail")], "lapsed", "in_force", None, "lapsed"),
    ([], "lapsed", "in_force", None, "lapsed"),
    ([], "in_force", "lapsed", None, "attested"),
    # plans
    ([], None, None, "in_force", "unproven"),
    ([], None, None, "lapsed", "unproven"),
    ([], None, "in_force", "lapsed", "waived"),
    ([], None, "lapsed", "lapsed", "unproven"),
    ([], "in_force", None, "in_force", "unproven"),
    ([answer("pass")], None, None, "in_force", "unproven"),
    ([answer("fail")], None, None, "in_force", "broken"),
]


@pytest.mark.parametrize(("answers", "attested", "waived", "planned", "expected"), CASES)
def test_case(answers, attested, waived, planned, expected):
    assert verdict(answers, attested=attested, waived=waived, planned=planned) == expected


SPACE = list(
    itertools.product(
        [list(map(answer, s)) for s in itertools.product(["pass", "fail", "error", "not_applicable"], repeat=2)]
        + [[], [answer()]],
        [False, True],
        [None, "in_force", "lapsed"],
        [None, "in_force", "lapsed"],
        [None, "in_force", "lapsed"],
    )
)


@pytest.mark.parametrize("wanted", ["kept", "attested", "not_applicable"])
def test_nothing_bad_or_unknown_is_ever_green(wanted):
    """Over every combination: a verdict that reassures stands on nothing that failed, is unknown or has lapsed."""
    seen = 0
    for answers, named, attested, waived, planned in SPACE:
        got = verdict(answers, named=named, attested=attested, waived=waived, planned=planned)
        if got != wanted:
            continue
        seen += 1
        statuses = [finding["status"] for findings in answers for finding in findings]
        assert not {"fail", "error"} & set(statuses)
        assert planned is None
        assert attested != "lapsed"
        assert all(answers)
        assert statuses or attested == "in_force"
        assert got != "kept" or "pass" in statuses
        assert not (named and got == "not_applicable")
    assert seen


def test_a_waiver_hides_no_more_than_broken_and_unproven():
    for answers, named, attested, _, planned in SPACE:
        plain = verdict(answers, named=named, attested=attested, planned=planned)
        waived = verdict(answers, named=named, attested=attested, planned=planned, waived="in_force")
        lapsed = verdict(answers, named=named, attested=attested, planned=planned, waived="lapsed")
        assert lapsed == plain
        if plain in ("broken", "unproven"):
            assert waived == ("lapsed" if attested == "lapsed" else "waived")
        else:
            assert waived == plain


def test_absence_proves_nothing_on_a_host_that_the_promise_names():
    assert verdict([answer("not_applicable")], named=True) == "unproven"
    assert verdict([answer("pass"), answer("not_applicable")], named=True) == "unproven"
    assert verdict([answer("pass", "not_applicable")], named=True) == "kept"
    assert verdict([answer("fail")], named=True) == "broken"
    assert verdict([], named=True, attested="in_force") == "attested"


def test_every_status_of_a_finding_has_its_verdict():
    assert set(_verdict.OF_FINDING) == set(_finding.STATUSES)


@pytest.mark.parametrize("argument", ["attested", "waived", "planned"])
def test_an_unknown_state_is_refused(argument):
    with pytest.raises(KeyError):
        verdict([answer("pass")], **{argument: "maybe"})


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "unproven"),
        (["kept", "broken", "unproven"], "broken"),
        (["kept", "unproven", "waived"], "unproven"),
        (["kept", "lapsed", "waived"], "lapsed"),
        (["kept", "waived"], "waived"),
        (["not_applicable", "kept"], "kept"),
        (["attested", "kept"], "kept"),
        (["not_applicable", "attested"], "attested"),
        (["not_applicable", "not_applicable"], "not_applicable"),
    ],
)
def test_fleet(verdicts, expected):
    assert fleet_verdict(verdicts) == expected
    assert fleet_verdict(reversed(verdicts)) == expected


def test_a_word_that_is_no_verdict_is_refused():
    with pytest.raises(ValueError):
        fleet_verdict(["kept", "green"])


@pytest.mark.parametrize(
    ("function", "the_day_itself"), [(_verdict.state, "in_force"), (_verdict.plan_state, "lapsed")]
)
def test_states_turn_on_their_day(function, the_day_itself):
    until = date(2026, 6, 1)
    assert function(until, date(2026, 5, 31)) == "in_force"
    assert function(until, until) == the_day_itself
    assert function(until, date(2026, 6, 2)) == "lapsed"


# --- a promise's entry in a record --------------------------------------------------------------------------------

REGISTER = {
    "provider": "Example",
    "title": "Privacy statement",
    "language": "en",
    "published": "2026-01-05",
    "url": "https://example.nl/privacy",
    "text_sha256": "0" * 64,
    "promises": [
        {
            "id": "logged",
            "says": "All is logged.",
            "where": {"section": "Hosting", "sentence": 1},
            "hosts": "web*",
            "measures": {"web_log": {"fields": ["domain"]}},
        },
        {
            "id": "sworn",
            "says": "Never.",
            "where": {"section": "Hosting", "sentence": 1},
            "attested": {"by": "me", "since": "2026-01-05", "for": "1 year", "evidence": "x"},
        },
        {
            "id": "later",
            "says": "Later.",
            "where": {"section": "Hosting", "sentence": 1},
            "planned": {"until": "2026-12-01", "reason": "none yet"},
        },
    ],
}
WAIVERS = [{"promise": "logged", "hosts": "shop", "reason": "moves", "by": "me", "until": "2026-11-30"}]
TODAY = date(2026, 11, 20)


def row(promise_id, findings, host="web1", today=TODAY, groups=()):
    statement = Statement.load(REGISTER, WAIVERS, today=TODAY)
    promise = next(promise for promise in statement.promises if promise.id == promise_id)
    return promise_row(promise, findings, statement, host, today, groups)


def test_a_row_has_what_the_statement_says_and_the_verdict():
    got = row("logged", [{"measure": "web_log", "status": "fail"}])
    assert got["verdict"] == "broken"
    assert (got["id"], got["says"]) == ("logged", "All is logged.")
    assert got["findings"] == [{"measure": "web_log", "status": "fail"}]
    assert not {"waiver", "attested", "planned"} & got.keys()


def test_a_measure_without_a_finding_is_unproven():
    assert row("logged", [])["verdict"] == "unproven"


def test_absence_is_unproven_on_a_host_that_the_promise_names():
    assert row("logged", [{"measure": "web_log", "status": "not_applicable"}])["verdict"] == "unproven"


def test_a_finding_of_another_measure_answers_no_question():
    got = row("logged", [{"measure": "web_tls", "status": "pass"}])
    assert got["verdict"] == "unproven"


def test_a_waiver_holds_for_its_group_through_its_last_day():
    fail = [{"measure": "web_log", "status": "fail"}]
    assert row("logged", fail, groups=["shop"])["verdict"] == "waived"
    assert row("logged", fail, groups=["shop"], today=date(2026, 11, 30))["verdict"] == "waived"
    after = row("logged", fail, groups=["shop"], today=date(2026, 12, 1))
    assert (after["verdict"], after["waiver"]["state"]) == ("broken", "lapsed")


def test_attested_and_planned_rows_carry_their_grounds():
    sworn, later = row("sworn", []), row("later", [])
    assert (sworn["verdict"], sworn["attested"]["by"], sworn["attested"]["state"]) == ("attested", "me", "in_force")
    assert (later["verdict"], later["planned"]["state"]) == ("unproven", "in_force")
    assert row("sworn", [], today=date(2027, 1, 6))["verdict"] == "lapsed"
    assert row("later", [], today=date(2026, 12, 1))["planned"]["state"] == "lapsed"


# --- which verdicts fail a run ------------------------------------------------------------------------------------


def entry(word, *statuses, promise="p", **grounds):
    return {"id": promise, "verdict": word, "findings": answer(*statuses), **grounds}


def words(entries, fail_on, before=None):
    return [failure.word for failure in failures({"web1": entries}, fail_on, before)]


@pytest.mark.parametrize("fail_on", _verdict.FAIL_ON)
@pytest.mark.parametrize("word", _verdict.VERDICTS)
def test_each_word_fails_for_its_own_verdict(fail_on, word):
    expected = [fail_on] if {"newly_broken": "broken"}.get(fail_on, fail_on) == word else []
    assert words([entry(word)], [fail_on]) == expected


def test_by_default_all_that_is_not_in_order_fails():
    bad = {word for word in _verdict.VERDICTS if words([entry(word)], _verdict.FAIL_ON_BY_DEFAULT)}
    assert bad == {"broken", "unproven", "lapsed"}


def test_no_word_never_fails():
    assert words([entry("broken"), entry("unproven")], []) == []


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match="'borken' is none of broken, unproven, lapsed, newly_broken"):
        words([entry("kept")], ["borken"])


@pytest.mark.parametrize("previous", [None, "kept", "unproven", "waived"])
def test_newly_broken_is_what_was_not_broken_before(previous):
    before = {("web1", "p"): previous} if previous else {}
    assert words([entry("broken")], ["newly_broken"], before) == ["newly_broken"]


def test_broken_before_is_not_newly_broken_but_still_broken():
    before = {("web1", "p"): "broken", ("web2", "q"): "broken"}
    assert words([entry("broken")], ["newly_broken"], before) == []
    assert words([entry("broken")], ["newly_broken", "broken"], before) == ["broken"]
    assert words([entry("broken", promise="q")], ["newly_broken"], before) == ["newly_broken"]  # elsewhere it was


def test_a_plan_fails_the_run_from_its_date_only():
    plan = {"until": "2026-06-01", "state": "in_force"}
    assert words([entry("unproven", planned=plan)], ["unproven"]) == []
    assert words([entry("unproven", "pass", planned=plan)], ["unproven"]) == []
    assert words([entry("unproven", planned={**plan, "state": "lapsed"})], ["unproven"]) == ["unproven"]


def test_a_plan_excuses_nothing_but_itself():
    plan = {"until": "2026-06-01", "state": "in_force"}
    assert words([entry("unproven", "pass", "error", planned=plan)], ["unproven"]) == ["unproven"]
    assert words([entry("broken", "fail", planned=plan)], ["broken"]) == ["broken"]


# --- the published table ------------------------------------------------------------------------------------------


def tables():
    """The rows of docs/verdicts.md's tables by heading: the words in backquotes, cell by cell."""
    found, heading = {}, ""
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and "`" in line:
            cells = [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return found


def pairs(rows):
    return [(key, verdicts[0]) for keys, verdicts, *_ in rows for key in keys]


def test_the_published_order_is_the_order():
    assert [row[0][0] for row in tables()["The verdicts, worst first"]] == list(_verdict.VERDICTS)


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("What a finding means", _verdict.OF_FINDING),
        ("What an attestation means", _verdict.OF_ATTESTATION),
        ("What a plan means", _verdict.OF_PLAN),
        ("What a waiver in force changes", _verdict.OF_WAIVED),
        ("When a run fails", _verdict.FAIL_ON),
    ],
)
def test_the_published_table_is_the_table(heading, table):
    rows = pairs(tables()[heading])
    assert dict(rows) == table
    assert len(rows) == len(table)


def test_the_published_default_is_the_default():
    line = next(line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("By default"))
    assert tuple(re.findall(r"`([a-z_]+)`", line)[1:]) == _verdict.FAIL_ON_BY_DEFAULT
