# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Check, Measure, Question
from ansible_collections.privacy.hosting.plugins.module_utils._option import Option
from ansible_collections.privacy.hosting.plugins.modules import measure_info

OPTIONS = (
    Option("colour", "choice", "", default="red", choices=("red", "blue")),
    Option("shade", "choice", "", default="dark", choices=("dark", "light")),
    Option("late", "period", "", default="3 days", judged=False),
    Option("places", "list", "", default=[], judged=False, promisable=False),
)


def finding(option: str, observed: str) -> Finding:
    return Finding("paint", "look", option, "the wall", "pass", "observed", "red", observed, "/wall")


def look(host: Host, question: Question, option: str) -> Iterator[Finding]:
    yield finding(option, f"{question.settings[option]}, {question.settings['late']}, {question.settings['places']}")


def hidden(host: Host, question: Question, option: str) -> Iterator[Finding]:
    yield finding(option, "one wall")
    raise Unseen("the door is shut")


def broken(host: Host, question: Question, option: str) -> Iterable[Finding]:
    raise KeyError("canary-from-the-host")


def silent(host: Host, question: Question, option: str) -> Iterable[Finding]:
    return ()


def slow(host: Host, question: Question, option: str) -> Iterable[Finding]:
    time.sleep(30)
    return ()


def paint(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    measure = Measure("paint", {}, {}, OPTIONS, checks)
    monkeypatch.setattr(measure_info, "MEASURES", {"paint": measure})
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def ask(options: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    asked = {"measure": "paint", "options": options}
    return measure_info.whole_answer(Host(), asked, {"settings": {}, "own_sites": [], "probe": True, **params})


def test_only_options_that_the_promise_sets_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("look", ("colour", "shade"), look))
    assert [(x["option"], x["observed"]) for x in ask({"colour": "blue"})] == [("colour", "blue, 3 days, []")]
    assert [x["option"] for x in ask({"colour": "blue", "shade": "dark"})] == ["colour", "shade"]


def test_directing_options_come_from_the_promise_and_facts_from_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("look", ("colour",), look))
    found = ask({"colour": "red", "late": "9 days"}, settings={"paint": {"places": ["hall"]}})
    assert found[0]["observed"] == "red, 9 days, ['hall']"


def test_what_was_found_before_something_could_not_be_seen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("hidden", ("colour",), hidden), Check("look", ("colour",), look))
    assert [(x["check"], x["status"]) for x in ask({"colour": "red"})] == [
        ("look", "pass"),
        ("hidden", "error"),
        ("look", "pass"),
    ]
    assert ask({"colour": "red"})[1]["observed"] == "the door is shut"


def test_a_check_that_fails_by_itself_is_an_error_that_names_the_place_and_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paint(monkeypatch, Check("broken", ("colour",), broken))
    (found,) = ask({"colour": "red"})
    assert found["status"] == "error"
    assert "test_measure_info.py:" in found["observed"]
    assert "canary" not in found["observed"]


def test_an_option_without_any_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("silent", ("colour",), silent))
    assert [(x["check"], x["status"], x["option"]) for x in ask({"colour": "red"})] == [("checks", "error", "colour")]


def test_without_root_rights_there_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("look", ("colour", "shade"), look))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [(x["check"], x["status"]) for x in ask({"colour": "red", "shade": "dark"})] == [("rights", "error")]


@pytest.mark.parametrize("options", [{"colour": "green"}, {"size": "large"}])
def test_an_option_that_cannot_be_understood_is_an_error(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    paint(monkeypatch, Check("look", ("colour",), look))
    assert [(x["check"], x["status"]) for x in ask(options)] == [("options", "error")]


def test_an_unknown_measure_is_an_error() -> None:
    found = measure_info.whole_answer(Host(), {"measure": "nothing", "options": {}}, {})
    assert [(x["check"], x["status"]) for x in found] == [("measure", "error")]


def test_the_last_bound_ends_a_check_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("slow", ("colour",), slow))
    begun = time.monotonic()
    measure_info.stop_at(0.3)
    try:
        found = ask({"colour": "red"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert time.monotonic() - begun < 3
    assert [x["status"] for x in found] == ["error"]
    assert "limit" in found[0]["observed"]
