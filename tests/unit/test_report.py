# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report's files: what they say, that they say it safely, and how large they grow."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import itertools
import json
import re
import string
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import jsonschema
import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils import _report
from ansible_collections.privacy.hosting.plugins.plugin_utils._report import Mismatch, page, wording, write_report
from ansible_collections.privacy.hosting.plugins.plugin_utils._report.files import Names
from ansible_collections.privacy.hosting.plugins.plugin_utils._report.former import moved
from ansible_collections.privacy.hosting.plugins.plugin_utils._report.plain import plain, visible
from tests.records import ABOUT, CONFLICTS, SAYS, SUPPLIERS, finding, fleet_of, in_ordinary_state, promise, record

PAGE_BYTES = 300_000  # the design's bound for one page
MADE_AT = "2026-11-20T16:50:00+00:00"
SOURCES = Path(_report.__file__).resolve().parent


def schema(name):
    return json.loads((SOURCES / f"{name}.schema.json").read_text(encoding="utf-8"))


def valid(name, content):
    """Raises ValidationError."""
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(schema(name), format_checker=checker).validate(content)
    return content


def written(directory, records, made_at=MADE_AT, run="test", **values):
    """Write a report of these records; give its JSON files back, validated, with the pages' texts."""
    hosts = [one if isinstance(one, tuple) else (one["host"], one) for one in records]
    report = write_report(directory, run, made_at, hosts, ABOUT, **values)
    fleet = valid("fleet", json.loads((directory / "fleet.json").read_text(encoding="utf-8")))
    for host in fleet["hosts"]:
        if host["file"]:
            valid("host", json.loads((directory / f"{host['file']}.json").read_text(encoding="utf-8")))
    assert fleet == json.loads(json.dumps(report.fleet))
    return fleet


class Outline(HTMLParser):
    """The elements of a page with their attributes and texts, in order, and which details each stands in."""

    VOID = ("meta", "link", "br", "img", "hr")
    ENDS: ClassVar = {
        "td": ("td", "th"),
        "th": ("td", "th"),
        "tr": ("td", "th", "tr"),
        "li": ("li",),
    }  # what a start tag ends

    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        while self._open and self._open[-1]["tag"] in self.ENDS.get(tag, ()):
            self._open.pop()
        folded = [one for one in self._open if one["tag"] == "details"]
        element = {"tag": tag, "attrs": dict(attrs), "text": "", "folded": bool(folded)}
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def find(self, tag, css=None):
        return [e for e in self.elements if e["tag"] == tag and (not css or css in e["attrs"].get("class", "").split())]

    def texts(self, tag, css=None):
        return [" ".join(element["text"].split()) for element in self.find(tag, css)]


def host_page(given, about=ABOUT, file="web1"):
    return Outline(page.host_page(plain(given), file, about))


def article(outline, name):
    """The text of one promise on a host's page."""
    found = [e for e in outline.find("article") if e["attrs"]["id"] == page.anchor(name)]
    assert len(found) == 1
    return " ".join(found[0]["text"].split())


# --- the files ----------------------------------------------------------------------------------------------------


def test_a_run_is_a_private_directory_of_two_files_a_host_and_two_of_the_fleet(tmp_path):
    directory = tmp_path / "reports" / "lab" / "before"
    written(directory, [record("web1"), record("web2")])
    names = {"web1.json", "web1.html", "web2.json", "web2.html", "fleet.json", "index.html"}
    assert {path.name for path in directory.iterdir()} == names
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_the_hosts_json_is_the_record(tmp_path):
    given = record("web1")
    written(tmp_path, [given])
    assert json.loads((tmp_path / "web1.json").read_text(encoding="utf-8")) == given


def test_the_schemas_are_schemas_and_refuse_what_is_wrong(tmp_path):
    for name in ("host", "fleet"):
        jsonschema.Draft202012Validator.check_schema(schema(name))
    wrong = record()
    wrong["promises"][0]["verdict"] = "green"
    with pytest.raises(jsonschema.ValidationError):
        valid("host", wrong)
    fleet = written(tmp_path, [record()])
    with pytest.raises(jsonschema.ValidationError):
        valid("fleet", {**fleet, "hosts": [{**fleet["hosts"][0], "file": "../web1"}]})


ODD_NAMES = [
    "..",
    "../../etc/cron.d/x",
    "/etc/passwd",
    "index",
    "Fleet",
    "web 1",
    "[2001:db8::1]",
    "a" * 300,
    "wéb",
    "web1.json",
    ".hidden",
    "-rf",
    "nul\0",
    "web1",
    "WEB1",
    "<script>",
    "new\nline",
    "\ud800",
    "",
]


def test_odd_host_names_get_safe_files_of_their_own(tmp_path):
    names = Names()
    files = [names.of(host) for host in ODD_NAMES]
    assert len({file.lower() for file in files}) == len(ODD_NAMES)
    for file in files:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", file)
        assert file.lower() not in ("index", "fleet")
        (tmp_path / f"{file}.json").touch()
    assert len(list(tmp_path.iterdir())) == len(ODD_NAMES)
    assert files[ODD_NAMES.index("web1")] == "web1"


def test_a_report_of_odd_hosts_stays_in_its_directory(tmp_path):
    directory = tmp_path / "run"
    odd = [name for name in ODD_NAMES if name]
    fleet = written(directory, [record(host) for host in odd])
    assert list(tmp_path.iterdir()) == [directory]
    assert len(list(directory.iterdir())) == 2 * len(odd) + 2
    assert len(fleet["hosts"]) == len(odd)


def test_nothing_half_written_is_left_when_a_write_fails(tmp_path, monkeypatch):
    written(tmp_path, [record()])
    before = (tmp_path / "fleet.json").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_report(tmp_path, "test", MADE_AT, [("web1", record())], ABOUT)
    assert (tmp_path / "fleet.json").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


# --- what a host's page says --------------------------------------------------------------------------------------


def test_the_head_says_whose_statement_which_server_when_and_how_much():
    outline = host_page(record())
    facts = dict(zip(outline.texts("dt"), outline.texts("dd"), strict=True))
    assert facts["Provider"] == "Example Hosting"
    assert facts["Statement"] == "Privacy statement"
    assert facts["Published"] == "5 January 2026 (English)"
    assert facts["Server"] == "web1"
    assert facts["Examined"] == "20 November 2026, 16:43 UTC"
    expected = "checked 4 of 8, 1 attested, 1 waived until 10 December 2026, 1 unproven, 1 with a lapsed attestation"
    assert facts["Coverage"] == expected
    assert outline.texts("p", "headline") == ["2 of 8 promises are broken on this server."]
    assert not outline.texts("p", "partial")


def test_a_limited_audit_says_so():
    assert host_page(record(partial=True)).texts("p", "partial")[0].startswith("Partial.")


def test_the_worst_come_first_and_what_is_in_order_is_folded_with_a_count():
    outline = host_page(record())
    shown = [(e["attrs"]["class"].split("v-")[1], e["folded"]) for e in outline.find("article")]
    unfolded = [word for word, folded in shown if not folded]
    assert unfolded == ["broken", "broken", "unproven", "lapsed", "waived"]
    assert [word for word, folded in shown if folded] == ["kept", "attested", "not_applicable"]
    summaries = outline.texts("summary")
    assert "Kept: 1 promise" in summaries
    assert "Attested, not measured: 1 promise" in summaries
    assert "Not applicable here: 1 promise" in summaries
    assert not any("open" in e["attrs"] for e in outline.find("details"))


def test_every_promise_of_the_record_stands_on_the_page():
    given = record()
    outline = host_page(given)
    assert outline.texts("h3", "says") == [
        one["says"] for one in sorted(given["promises"], key=lambda e: page.VERDICTS.index(e["verdict"]))
    ]


def test_a_broken_promise_tells_what_was_seen_why_it_matters_and_what_to_do():
    text = article(host_page(record()), "kept-two-years")
    for part in (
        "broken",
        "section “Hosting”, sentence 1, GDPR article 5(1)(e)",
        SAYS["kept-two-years"]["en"],
        "At odds with this promise: 2 of 3 points examined. A further 1 could not be established.",
        "/var/log/nginx/access.log",
        "not as promised",
        "rotate 14, daily: destroyed after 14 days",
        "/etc/logrotate.d/nginx:1",
        "configured",
        "Why it matters",
        ABOUT["log_retention"]["why"]["en"],
        "keep /var/log/nginx/*.log for 2 years, and destroy what is older",
        "ansible-playbook privacy.hosting.harden --tags log_retention --limit web1",
    ):
        assert part in text


def test_what_no_role_mends_is_not_told_to_be_mended_by_one():
    entry = promise("p", [[finding("fail", measure="supplier", remedy="move it")]])
    text = article(host_page(record(promises=[entry])), "p")
    assert "move it" in text
    assert "harden" not in text


SENTENCES = [
    (promise("p", [[finding("fail"), finding()]]), "At odds with this promise: 1 of 2 points examined."),
    (promise("p", [[finding("error"), finding()]]), "1 of 2 points could not be established"),
    (promise("p", [[]]), "Nothing was examined"),
    (promise("p", [[finding()]]), "The one point examined is as promised."),
    (promise("p", [[finding(), finding(), finding("not_applicable")]]), "All 2 points examined are as promised."),
    (promise("p", [[finding("not_applicable")]]), "is not present on this server"),
    (promise("p", [[finding("not_applicable")]], verdict="unproven"), "what it is about was not found there"),
    (promise("p", [], applies=False, verdict="not_applicable"), "promises this for other servers"),
]


@pytest.mark.parametrize(("entry", "sentence"), SENTENCES)
def test_the_verdict_is_told_in_a_sentence(entry, sentence):
    assert sentence in article(host_page(record(promises=[entry])), "p")


WAIVER = {"by": "J. Jansen", "until": "2026-12-31", "reason": "moves house"}
WORD = {"by": "the director", "since": "2026-01-05", "until": "2027-01-05", "evidence": "minutes"}
PLAN = {"until": "2026-12-31", "reason": "none yet"}
GROUNDS = [
    ("waiver", WAIVER, "in_force", ["Accepted until 31 December 2026 by J. Jansen", "Reason: moves house"]),
    ("waiver", WAIVER, "lapsed", ["A waiver by J. Jansen lapsed on 31 December 2026", "no effect", "moves house"]),
    ("attested", WORD, "in_force", ["the director attests", "until 5 January 2027", "5 January 2026", "minutes"]),
    ("attested", WORD, "lapsed", ["that attestation lapsed on 5 January 2027", "Have the attestation renewed"]),
    ("planned", PLAN, "in_force", ["no complete measure", "to be there on 31 December 2026: none yet"]),
    ("planned", PLAN, "lapsed", ["was to be there on 31 December 2026 and is not: none yet"]),
]


@pytest.mark.parametrize(("kind", "ground", "state", "parts"), GROUNDS)
def test_waivers_declarations_and_plans_are_told_with_by_until_and_reason(kind, ground, state, parts):
    answers = [[finding("fail")]] if kind == "waiver" else []
    entry = promise("p", answers, **{kind: {**ground, "state": state}})
    text = article(host_page(record(promises=[entry])), "p")
    for part in parts:
        assert part in text


def test_a_period_that_the_provider_chose_is_told_with_its_reason():
    entry = promise("p", [[finding()]], chosen={"log_retention.web": "abuse is told of months later"})
    text = article(host_page(record(promises=[entry])), "p")
    assert "leaves log_retention.web open; the provider has chosen it, for this reason: abuse is told of" in text


def test_a_waived_promise_still_shows_what_is_broken():
    text = article(host_page(record()), "error-logs")
    assert "waived" in text
    assert (
        "At odds with this promise: 1 of 1 points examined. Accepted until 10 December 2026 by J. Jansen, operations"
        in text
    )
    assert "rotate 14, daily: destroyed after 14 days" in text


@pytest.mark.parametrize(
    ("entries", "headline"),
    [
        ([promise("p", [[finding()]])], "Every promise that was checked is kept."),
        ([promise("p", [[finding("error")]]), promise("q", [[finding()]])], "for 1 of 2 it is not shown"),
        ([promise("p", [[finding("error")]])], "No promise could be checked; for 1 of 1 it is not shown"),
        ([promise("p", [], attested={**WORD, "state": "in_force"})], "No promise was checked by measurement here."),
        ([promise("p", [[finding("not_applicable")]])], "No promise was checked by measurement here."),
        (
            [promise("p", [[finding("fail")]], waiver={**WAIVER, "state": "in_force"}), promise("q", [[finding()]])],
            "Apart from 1 waived promise, all that was checked is kept.",
        ),
        ([promise("p", [[finding("error", check="reach")]])], "could not be examined. Nothing is known of it."),
    ],
)
def test_the_headline_claims_no_more_than_the_verdicts(entries, headline):
    assert headline in host_page(record(promises=entries)).texts("p", "headline")[0]


def test_a_host_out_of_reach_says_how_to_audit_it_again():
    entry = promise("p", [[finding("error", check="reach", observed="ssh: no route to host")]])
    text = article(host_page(record("web 1", [entry])), "p")
    assert "ssh: no route to host" in text
    assert "The server could not be examined, so it is not shown" in text
    assert "ansible-playbook privacy.hosting.audit --limit 'web 1'" in text
    assert "harden" not in text


@pytest.mark.parametrize(("days", "told"), [(30, True), (31, False), (0, True)])
def test_what_lapses_within_thirty_days_is_told_beforehand(days, told):
    until = {0: "2026-11-20", 30: "2026-12-20", 31: "2026-12-21"}[days]
    entry = promise("p", [], attested={**WORD, "until": until, "state": "in_force"})
    texts = host_page(record(promises=[entry])).texts("section", "notices")
    assert bool(texts) == told
    assert not told or f"lapses in {days} days" in texts[0]


# --- the fleet ----------------------------------------------------------------------------------------------------


def fleet_page(fleet):
    return Outline(page.fleet_page(fleet))


def test_the_fleets_verdict_is_the_worst_of_the_hosts(tmp_path):
    kept, broken = promise("p", [[finding()]]), promise("p", [[finding("fail")]])
    fleet = written(tmp_path, [record("web1", [kept]), record("web2", [broken]), record("web3", [kept])])
    assert [(one["id"], one["verdict"]) for one in fleet["promises"]] == [("p", "broken")]
    outline = fleet_page(fleet)
    assert outline.texts("p", "headline") == ["1 of 1 promises is broken on at least one server."]
    assert "broken on web2" in outline.texts("li", "promise")[0]
    assert outline.texts("th")[2:] == ["web2", "web1", "web3"]  # the worst first
    assert outline.texts("td") == ["broken", "kept", "kept"]


def test_a_promise_for_other_hosts_does_not_count_for_this_one(tmp_path):
    elsewhere = promise("p", [], applies=False, verdict="not_applicable")
    kept = promise("p", [[finding()]])
    fleet = written(tmp_path, [record("mail1", [elsewhere]), record("web1", [kept])])
    assert fleet["promises"][0]["hosts"] == {"web1": "kept"}
    assert fleet["promises"][0]["verdict"] == "kept"


def test_a_promise_that_no_audited_host_was_asked_about_is_unproven(tmp_path):
    elsewhere = promise("p", [], applies=False, verdict="not_applicable")
    fleet = written(tmp_path, [record("mail1", [elsewhere, promise("q", [[finding()]])])])
    assert {one["id"]: one["verdict"] for one in fleet["promises"]} == {"p": "unproven", "q": "kept"}
    assert "It applies to none of the servers examined." in fleet_page(fleet).texts("li", "promise")[0]


def test_a_host_without_a_record_is_a_row_with_its_promises_unproven(tmp_path):
    fleet = written(tmp_path, [record("web1"), ("web2", "it was not audited in this run")])
    row = next(host for host in fleet["hosts"] if host["name"] == "web2")
    assert row["state"] == "unaudited"
    measured = [one["id"] for one in in_ordinary_state() if one["findings"]]
    assert {row["verdicts"][name] for name in measured} == {"unproven"}
    assert row["verdicts"]["never-sold"] == "attested"  # a declaration does not hang on the host
    assert (row["verdicts"]["processor"], row["verdicts"]["unsubscribe-link"]) == ("lapsed", "unproven")
    told = Outline((tmp_path / "web2.html").read_text(encoding="utf-8"))
    assert told.texts("p", "headline") == ["This server could not be examined. Nothing is known of it."]
    assert "it was not audited in this run" in article(told, "no-query")
    told = fleet_page(fleet)
    assert "2 servers, 1 not examined" in told.texts("dd")
    assert any("checked on every server it is about: 2 of 8" in text for text in told.texts("dd"))


def test_another_hosts_waiver_does_not_cover_a_host_that_was_not_audited(tmp_path):
    waived = promise("p", [], planned={**PLAN, "state": "in_force"}, waiver={**WAIVER, "state": "in_force"})
    fleet = written(tmp_path, [record("web1", [waived]), ("web2", "no record")])
    assert fleet["promises"][0]["hosts"] == {"web1": "waived", "web2": "unproven"}


def test_a_declaration_beside_an_unanswered_measure_does_not_speak_for_another_host(tmp_path):
    unanswered = promise("p", [[]], attested={**WORD, "state": "in_force"})
    fleet = written(tmp_path, [record("web1", [unanswered]), ("web2", "no record")])
    assert fleet["promises"][0]["hosts"]["web2"] == "unproven"


def test_an_unreachable_host_is_a_row_that_says_so(tmp_path):
    away = [promise(one["id"], [[finding("error", check="reach")]]) for one in in_ordinary_state()]
    fleet = written(tmp_path, [record("web1"), record("web2", away)])
    assert {host["name"]: host["state"] for host in fleet["hosts"]} == {"web1": "audited", "web2": "unreached"}
    outline = fleet_page(fleet)
    assert "2 servers, 1 could not be reached" in outline.texts("dd")
    assert any("web2 could not be reached" in " ".join(row["text"].split()) for row in outline.find("tr"))


def test_hosts_outside_the_run_are_named_and_make_it_partial(tmp_path):
    kept = promise("p", [[finding()]])
    fleet = written(tmp_path, [record("web1", [kept])], outside=["web2", "web3"])
    assert fleet["partial"]
    assert fleet["promises"][0]["verdict"] == "kept"
    outline = fleet_page(fleet)
    assert "Partial. This run covers 1 of 3 servers. It says nothing of the others." in outline.texts("p", "partial")
    assert sum("outside this run" in row["text"] for row in outline.find("tr")) == 2


def test_what_lapses_is_told_once_for_all_hosts(tmp_path):
    fleet = written(tmp_path, [record("web1"), record("web2")])
    told = [(one["kind"], one["promise"], one["lapsed"], one["hosts"]) for one in fleet["notices"]]
    assert told == [
        ("attested", "processor", True, ["web1", "web2"]),
        ("waiver", "error-logs", False, ["web1", "web2"]),
    ]


def with_register(given, **told):
    """The record with more of the register in its head."""
    return {**given, "statement": {**given["statement"], **told}}


def test_suppliers_are_told_with_what_they_get_and_when_they_were_last_looked_at(tmp_path):
    fleet = written(tmp_path, [with_register(record(), suppliers=SUPPLIERS)])
    rows = [" ".join(row["text"].split()) for row in fleet_page(fleet).find("tr") if "Example" in row["text"]]
    unlinked = "Example Payments the statement names no privacy statement of theirs takes payments name, bank account"
    assert rows == [
        "Example Registrar registers domain names name, address, e-mail the contract, 6(1)(b) 5 January 2026",
        f"{unlinked} the contract, 6(1)(b) 5 January 2025 more than a year ago",
    ]


def test_conflicts_are_told_with_what_was_chosen(tmp_path):
    fleet = written(tmp_path, [with_register(record(), conflicts=CONFLICTS)])
    main = " ".join(fleet_page(fleet).find("main")[0]["text"].split())
    settled, unsettled = main.split("What cannot all be kept to the letter")[1].split("one asks for less")
    assert "Chosen: invoices stay, and nothing else" in settled
    assert "Nothing has been chosen yet." in unsettled


def test_periods_that_the_text_leaves_open_are_told(tmp_path):
    unset = finding("error", check="period_set", option="mail", observed="no period set", proof="")
    chosen = {"log_retention.web": "abuse is told of months later"}
    entries = [promise("p", [[unset]]), promise("q", [[finding()]], chosen=chosen)]
    fleet = written(tmp_path, [record(promises=entries)])
    assert fleet["open_periods"] == [
        {"promise": "p", "option": "web_log.mail", "reason": None},
        {"promise": "q", "option": "log_retention.web", "reason": "abuse is told of months later"},
    ]
    text = " ".join(fleet_page(fleet).find("main")[0]["text"].split())
    assert "What p says. web_log.mail: no period set" in text
    assert "log_retention.web: the provider has set one, for this reason: abuse is told of months later" in text


def test_a_register_that_names_nothing_of_the_kind_gets_no_such_headings(tmp_path):
    fleet = written(tmp_path, [record()])
    assert fleet["open_periods"] == []
    headings = fleet_page(fleet).texts("h2")
    assert not {"Who receives personal data", "What cannot all be kept to the letter"} & {*headings}


def test_the_coverage_tells_by_what_promises_are_judged_and_which_hosts_answered(tmp_path):
    away = [promise(one["id"], [[finding("error", check="reach")]]) for one in in_ordinary_state()]
    fleet = written(tmp_path, [record("web1"), record("web2", away), ("web3", "no record")], outside=["web4"])
    assert fleet["coverage"]["by"] == {"measures": 8, "attested": 0, "planned": 0}
    fleet = written(tmp_path / "b", [record("web1"), ("web3", "no record")], outside=["web4"])
    assert fleet["coverage"]["by"] == {"measures": 5, "attested": 2, "planned": 1}
    assert fleet["coverage"]["hosts"] == {"audited": 1, "unreached": 0, "unaudited": 1, "outside": 1}
    line = next(text for text in fleet_page(fleet).texts("dd") if "checked on every server" in text)
    assert line.endswith("Judged by measurement: 5, on somebody's word: 2, by nothing yet: 1")


BROKEN_RECORDS = [
    ([], "the record is not a mapping"),
    ({}, "the record lacks audited_at"),
    ({**record(), "schema": 2}, "the record's schema is 2, not 1"),
    ({**record(), "promises": []}, "the record holds no promise"),
    ({**record(), "promises": [{"id": "p"}]}, "a promise lacks"),
    (record(promises=[promise("p", [[finding()]], verdict="green")]), "promise p: 'green' is no verdict"),
    (record(promises=[promise("p", [[{"measure": "x", "status": "pass"}]])]), "promise p: a finding lacks check"),
    (record(promises=[promise("p", [[finding()]]) | {"waiver": {"by": "x"}}]), "promise p: waiver has no date"),
]


@pytest.mark.parametrize(("given", "reason"), BROKEN_RECORDS)
def test_a_record_that_cannot_be_read_is_a_row_that_says_why(tmp_path, given, reason):
    fleet = written(tmp_path, [record("web1"), ("web2", given)])
    assert next(host for host in fleet["hosts"] if host["name"] == "web2")["state"] == "unaudited"
    assert reason in (tmp_path / "web2.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ([], "no host has an audit record"),
        ([("web1", "it could not be reached")], "web1: it could not be reached"),
        ([("web1", record("web1")), ("web1", record("web1"))], "web1 has two records"),
        (
            [("web1", record("web1")), ("web2", record("web2", language="nl"))],
            "web2 was audited against another statement",
        ),
    ],
)
def test_what_cannot_be_one_report_is_refused_in_one_line(tmp_path, hosts, message):
    with pytest.raises(Mismatch, match=message) as caught:
        write_report(tmp_path / "run", "test", MADE_AT, hosts, ABOUT)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "index.html").exists()


# --- the run before -----------------------------------------------------------------------------------------------


def one_host(status, host="web1"):
    return record(host, [promise("p", [[finding(status)]])])


def test_changes_are_told_against_the_newest_run_beside_it(tmp_path):
    written(tmp_path / "a", [one_host("pass")], "2026-11-01T00:00:00+00:00", "a")
    written(tmp_path / "b", [one_host("fail")], "2026-11-02T00:00:00+00:00", "b")
    fleet = written(tmp_path / "c", [one_host("pass"), one_host("fail", "web2")], "2026-11-03T00:00:00+00:00", "c")
    assert fleet["previous"] == {"run": "b", "made_at": "2026-11-02T00:00:00+00:00", "partial": False}
    told = {"host": "web1", "promise": "p", "before": "broken", "after": "kept", "kind": "mended", "since": None}
    assert fleet["changes"] == [told]
    text = fleet_page(fleet).texts("section", "changes")[0]
    assert "Changed since the run of 2 November 2026, 00:00 UTC" in text
    assert "Mended broken → kept What p says. web1" in text
    assert "New server: web2." in text


def test_a_report_on_another_statement_or_one_that_cannot_be_read_is_no_previous_run(tmp_path):
    written(tmp_path / "a", [record(language="nl")], "2026-11-01T00:00:00+00:00")
    for name, text in {"b": "{", "c": "[]", "d": '{"schema": 1}', "e": '{"schema": 1, "hosts": [1]}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "fleet.json").write_text(text, encoding="utf-8")
    fleet = written(tmp_path / "f", [one_host("pass")])
    assert fleet["previous"] is None
    assert fleet["changes"] == []


def test_a_whole_run_goes_before_a_partial_one(tmp_path):
    written(tmp_path / "a", [one_host("pass"), one_host("pass", "web2")], "2026-11-01T00:00:00+00:00", "a")
    written(tmp_path / "b", [one_host("pass")], "2026-11-02T00:00:00+00:00", "b", outside=["web2"])
    fleet = written(tmp_path / "c", [one_host("pass"), one_host("pass", "web2")], "2026-11-03T00:00:00+00:00", "c")
    assert fleet["previous"]["run"] == "a"


def test_a_second_run_in_one_directory_leaves_no_page_of_a_host_that_is_gone(tmp_path):
    directory = tmp_path / "run"
    written(directory, [one_host("pass"), one_host("pass", "web2")], "2026-11-01T00:00:00+00:00")
    (directory / "notes.html").write_text("mine", encoding="utf-8")
    fleet = written(directory, [one_host("fail")])
    assert {path.name for path in directory.iterdir()} == {
        "web1.json",
        "web1.html",
        "fleet.json",
        "index.html",
        "notes.html",
    }
    assert [(one["host"], one["before"], one["after"]) for one in fleet["changes"]] == [("web1", "kept", "broken")]


# --- two languages ------------------------------------------------------------------------------------------------


def placeholders(text):
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})


@pytest.mark.parametrize("key", wording.TEXTS)
def test_every_text_is_there_in_both_languages_with_the_same_values(key):
    texts = wording.TEXTS[key]
    assert set(texts) == set(wording.LANGUAGES)
    many = [text if isinstance(text, str) else text[1] for text in texts.values()]
    assert all(text.strip() for text in many)
    assert len({tuple(placeholders(text)) for text in many}) == 1
    for one, other in (text for text in texts.values() if not isinstance(text, str)):
        assert one.strip()
        assert one != other
        assert {*placeholders(other)} - {*placeholders(one)} <= {"n"}


def test_every_text_is_used():
    """A key stands in the code whole, or its beginning does where the code makes it from a word."""
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCES.iterdir() if path.suffix in (".py", ".j2"))
    code = code.replace((SOURCES / "wording.py").read_text(encoding="utf-8").split("class Wording")[0], "")
    unused = [
        key
        for key in wording.TEXTS
        if f'"{key}"' not in code
        and not any(f'"{start}.' in code for start in itertools.accumulate(key.split("."), "{}.{}".format))
    ]
    assert unused == []


def test_the_page_is_in_the_language_of_the_statement():
    outline = host_page(record(language="nl"))
    assert outline.find("html")[0]["attrs"]["lang"] == "nl"
    assert outline.texts("p", "headline") == ["Op deze server worden 2 van de 8 toezeggingen niet nagekomen."]
    facts = dict(zip(outline.texts("dt"), outline.texts("dd"), strict=True))
    assert facts["Gepubliceerd"] == "5 januari 2026 (Nederlands)"
    assert ABOUT["log_retention"]["why"]["nl"] in article(outline, "kept-two-years")
    assert {e["attrs"].get("lang") for e in outline.find("td") if "rotate 14" in e["text"]} == {"en"}


def test_a_page_in_one_language_holds_no_word_of_the_other():
    english, dutch = (host_page(record(language=language)) for language in ("en", "nl"))
    shared = {"web1", "Server", "Example Hosting"}
    for tag in ("h2", "h4", "dt", "th", "summary"):
        headings = [set(outline.texts(tag)) - shared for outline in (english, dutch)]
        subjects = {
            text for text in headings[0] & headings[1] if "nginx" not in text and "/" not in text and "mail" not in text
        }
        assert subjects == set(), tag


def test_an_option_overrides_the_language_of_the_statement(tmp_path):
    written(tmp_path, [record()], language="nl")
    for name in ("web1.html", "index.html"):
        outline = Outline((tmp_path / name).read_text(encoding="utf-8"))
        assert outline.find("html")[0]["attrs"]["lang"] == "nl"
        assert "5 januari 2026 (Engels)" in outline.texts("dd")


def test_an_unknown_language_is_shown_in_english_and_named():
    given = record()
    given["statement"]["language"] = "fy"
    outline = host_page(given)
    assert outline.find("html")[0]["attrs"]["lang"] == "en"
    assert "5 January 2026 (fy)" in outline.texts("dd")


def test_every_measure_has_its_title_and_reason_in_both_languages():
    for measure in MEASURES.values():
        for texts in (measure.title, measure.why):
            assert {language for language, text in texts.items() if text.strip()} >= set(wording.LANGUAGES), (
                measure.name
            )


# --- what comes from hosts is not trusted -------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }} {% raw %} {# gone #}",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202ekcab\u202c \u2066x\u2069",
    "nul\x00 del\x7f c1\x9b31m",
    "lone \ud83d half",
    "zero\u200bwidth\ufeff",
    "line\u2028sep\nnew\r\tx",
    "{t} {0} %s %(x)s",
    "javascript:alert(1)",
]


def hostile_record(text):
    """A record whose every text from a host or an inventory is hostile."""
    fields = ("subject", "expected", "observed", "source", "remedy", "check", "option")
    bad = [finding(status, **dict.fromkeys(fields, text)) for status in ("fail", "error", "pass", "not_applicable")]
    entries = [
        promise("p", [bad], says=text, where={"section": text, text: text}, gdpr=[text]),
        promise("q", [bad], waiver={"by": text, "until": "2026-12-01", "reason": text, "state": "in_force"}),
        promise("r", [], attested={**WORD, "by": text, "evidence": text, "state": "in_force"}),
        promise("s", [], planned={"until": "2026-12-01", "reason": text, "state": "in_force"}),
    ]
    given = record(f"web{text}", entries)
    given["statement"] = {**given["statement"], "provider": text, "title": text, "url": text}
    return given


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(tmp_path, text):
    clean = record("web1", [promise("p", [[finding()]], says="plain")])
    clean["statement"] = hostile_record(text)["statement"]
    fleet = written(tmp_path, [hostile_record(text), clean], outside=[text])
    hostile = next(host["file"] for host in fleet["hosts"] if host["name"] == visible(f"web{text}"))
    for name in (f"{hostile}.html", "index.html"):
        markup = (tmp_path / name).read_text(encoding="utf-8")
        outline = Outline(markup)
        assert not outline.find("script")
        assert not outline.find("img")
        assert len(outline.find("style")) == 1
        attributes = {attribute for element in outline.elements for attribute in element["attrs"]}
        assert not {attribute for attribute in attributes if attribute.startswith("on") or attribute == "style"}
        links = [e["attrs"]["href"] for e in outline.find("a")]
        assert not [link for link in links if "script:" in link]
        assert visible(text) in html.unescape(markup)
    for path in tmp_path.iterdir():
        content = path.read_text(encoding="utf-8")
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", content
        )


def test_characters_that_act_are_spelled_out():
    assert visible("a\x1b[1mb\u202ec\n\ud83d é €") == "a\\x1b[1mb\\u202ec\\n\\ud83d é €"


def test_values_become_plain():
    class Tagged(str):
        __slots__ = ()

    got = plain({Tagged("k\x1b"): (Tagged("v"), 1, 2.5, True, None, float("nan"), b"\xff\x1b")})
    assert got == {"k\\x1b": ["v", 1, 2.5, True, None, None, "\\udcff\\x1b"]}
    assert {type(text) for text in (*got, got["k\\x1b"][0])} == {str}


def test_a_link_is_made_of_a_web_address_only():
    for url, links in (("https://example.nl/p", 1), ("javascript:alert(1)", 0), ("data:text/html,x", 0), ("", 0)):
        given = record()
        given["statement"]["url"] = url
        assert len([a for a in host_page(given).find("a") if a["text"] == "Privacy statement"]) == links


# --- one file, no request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_a_page_is_whole_in_itself_and_its_policy_allows_nothing_else(tmp_path, language):
    written(tmp_path, [record(language=language)])
    for name in ("web1.html", "index.html"):
        markup = (tmp_path / name).read_text(encoding="utf-8")
        outline = Outline(markup)
        style = outline.find("style")[0]["text"]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = next(m["attrs"]["content"] for m in outline.find("meta") if m["attrs"].get("http-equiv"))
        assert (
            policy
            == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
        )
        assert "url(" not in style
        assert "@import" not in style
        assert not [e for e in outline.elements if "src" in e["attrs"] or e["tag"] in ("script", "iframe", "form")]
        outgoing = {e["attrs"]["href"] for e in outline.elements if ":" in e["attrs"].get("href", "")}
        assert outgoing == {"data:,", "https://example.nl/privacy"}


def test_what_is_read_aloud_has_its_structure():
    outline = host_page(record())
    assert len(outline.find("h1")) == 1
    levels = [int(e["tag"][1]) for e in outline.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert {e["attrs"]["scope"] for e in outline.find("th")} == {"col", "row"}
    ids = [e["attrs"]["id"] for e in outline.elements if "id" in e["attrs"]]
    assert len(ids) == len(set(ids))
    assert {e["attrs"]["aria-labelledby"] for e in outline.find("article")} <= set(ids)
    assert {link["attrs"]["href"][1:] for link in outline.find("a") if link["attrs"]["href"].startswith("#")} <= set(
        ids
    )


def luminance(colour):
    digits = colour * 2 if len(colour) == 3 else colour
    digits = "".join(c * 2 for c in colour) if len(colour) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_can_be_told_from_its_ground(scheme):
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    css = (SOURCES / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(blocks) == 3
    colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6})", blocks[scheme]))
    words = ("broken", "unproven", "waived", "kept", "attested", "none")
    pairs = [(word, ground) for word in words for ground in ("paper", f"{word}-bg")]
    pairs += [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("ink", "tint"), ("ink", "unproven-bg")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


# --- how large, how fast ------------------------------------------------------------------------------------------


def test_a_hundred_thousand_findings_make_a_small_page_that_says_what_it_leaves_out():
    many = [finding("fail", subject=f"nginx site{n}.example.nl", remedy=f"mend {n}") for n in range(90_000)]
    entries = [promise("p", [many]), promise("q", [[finding(subject=f"s{n}") for n in range(10_000)]])]
    markup = page.host_page(record(promises=entries), "web1", ABOUT)
    assert len(markup.encode()) < PAGE_BYTES
    outline = Outline(markup)
    shown = sum("nginx site" in row["text"] for row in outline.find("tr"))
    assert shown >= 50
    text = article(outline, "p")
    assert f"And {90_000 - shown} more, all in web1.json." in text
    assert "At odds with this promise: 90000 of 90000 points examined." in text
    assert "And 89995 other steps, in web1.json." in text


@pytest.mark.parametrize("character", ["x", '"', "<", "€", "\x1b"])
def test_a_page_stays_small_whatever_its_findings_say(character):
    fields = ("subject", "expected", "observed", "source", "remedy")
    long = [finding("fail", **dict.fromkeys(fields, f"{n}{character * 3000}")) for n in range(20)]
    entries = [promise(f"promise-{number}", [long]) for number in range(60)]
    markup = page.host_page(plain(record(promises=entries)), "web1", ABOUT)
    assert len(markup.encode()) < PAGE_BYTES
    assert len(Outline(markup).find("article")) == 60


def test_the_fleets_page_of_a_thousand_hosts_and_forty_promises_stays_small(tmp_path):
    names = [f"promise-{n}" for n in range(40)]
    rows = [
        {
            "waivers": {},
            "unasked": [],
            "name": f"web{n}.customers.example.nl",
            "file": f"web{n}.customers.example.nl",
            "state": "audited",
            "partial": False,
            "verdict": "broken" if n % 3 else "kept",
            "verdicts": dict.fromkeys(names, "broken" if n % 3 else "kept"),
        }
        for n in range(1000)
    ]
    fleet = copy.deepcopy(written(tmp_path, [record("web0", [promise(name, [[finding()]]) for name in names])]))
    fleet["hosts"] = rows
    for one in fleet["promises"]:
        one["hosts"] = {row["name"]: row["verdict"] for row in rows}
    fleet["changes"] = [
        {"host": row["name"], "promise": name, "before": "kept", "after": after, "kind": "newly_broken", "since": None}
        for row in rows
        for name in names
        for after in ("broken", "unproven")
    ]
    fleet["previous"] = {"run": "a", "made_at": MADE_AT, "partial": False}
    fleet["moved"] = {**moved(fleet, fleet), "hosts_new": [row["name"] for row in rows], "promises_new": names}
    fleet["statement"] = {
        **fleet["statement"],
        "suppliers": [{**SUPPLIERS[0], "name": "x" * 1000}] * 200,
        "conflicts": [{"between": ["p", "q"], "says": "y" * 1000}] * 200,
    }
    markup = page.fleet_page(fleet)
    assert len(markup.encode()) < PAGE_BYTES
    outline = Outline(markup)
    hosts = {e["attrs"]["href"] for e in outline.find("a") if e["attrs"]["href"].endswith(".html")}
    more = re.search(r"And (\d+) more, all in fleet.json", outline.find("main")[0]["text"])
    assert len(hosts) + (int(more[1]) if more else 0) == 1000
    assert "and 40 more" in outline.find("section", "changes")[0]["text"]


def test_a_thousand_hosts_take_seconds(tmp_path):
    records = fleet_of(1000)
    begun = time.process_time()
    report = write_report(tmp_path, "test", MADE_AT, ((one["host"], one) for one in records), ABOUT)
    assert time.process_time() - begun < 10
    assert len(report.fleet["hosts"]) == 1000
    assert (tmp_path / "index.html").stat().st_size < PAGE_BYTES
    assert max(path.stat().st_size for path in tmp_path.glob("*.html")) < PAGE_BYTES
