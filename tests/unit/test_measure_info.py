# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _answer
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Check, Measure, Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.module_utils._option import Option
from ansible_collections.privacy.hosting.plugins.plugin_utils import _sources

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
    monkeypatch.setattr(_answer, "measure_named", lambda _name: Measure("paint", {}, {}, OPTIONS))
    monkeypatch.setattr(_answer, "checks_of", lambda _name: checks)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def ask(options: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    asked = {"measure": "paint", "options": options}
    return _answer.whole_answer(Host(), asked, {"settings": {}, "own_sites": [], "probe": True, **params})


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


def test_an_unknown_measure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = _answer.whole_answer(Host(), {"measure": "nothing", "options": {}}, {})
    assert [(x["check"], x["status"]) for x in found] == [("measure", "error")]


def test_the_last_bound_ends_a_check_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    paint(monkeypatch, Check("slow", ("colour",), slow))
    begun = time.monotonic()
    _answer.stop_at(0.3)
    try:
        found = ask({"colour": "red"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert time.monotonic() - begun < 3
    assert [x["status"] for x in found] == ["error"]
    assert "limit" in found[0]["observed"]


def test_checks_that_cannot_be_imported_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'canary'", name="canary")

    paint(monkeypatch)
    monkeypatch.setattr(_answer, "checks_of", absent)
    (found,) = ask({"colour": "red"})
    assert (found["check"], found["status"]) == ("measure", "error")
    assert "ModuleNotFoundError" in found["observed"]
    assert "canary" not in found["observed"]


# -- measures side by side ------------------------------------------------------------------------------------------


def wait(host: Host, question: Question, option: str) -> Iterator[Finding]:
    time.sleep(0.5)
    yield finding(option, "waited")


def die(host: Host, question: Question, option: str) -> Iterable[Finding]:
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


def deaf(host: Host, question: Question, option: str) -> Iterable[Finding]:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(30)
    return ()


def answers(monkeypatch: pytest.MonkeyPatch, measures: dict[str, Any], *asked: tuple[str, str], **params: Any) -> Any:
    """The answers of some measures, each with one check, about the colours asked of them."""
    monkeypatch.setattr(_answer, "measure_named", lambda name: Measure(name, {}, {}, OPTIONS))
    monkeypatch.setattr(_answer, "checks_of", lambda name: (Check("look", ("colour",), measures[name]),))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    questions = [{"measure": name, "options": {"colour": colour}} for name, colour in asked]
    given = {"settings": {}, "own_sites": [], "probe": True, "command_seconds": 5.0, "total_seconds": 20.0, **params}
    return _answer.answers({"questions": questions, **given})["answers"]


def test_answers_come_in_the_order_of_their_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [("paint", "blue"), ("paper", "red"), ("paint", "red")]
    found = answers(monkeypatch, {"paint": look, "paper": wait}, *asked)
    assert [[x["observed"] for x in one] for one in found] == [["blue, 3 days, []"], ["waited"], ["red, 3 days, []"]]


def test_a_measure_that_dies_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answers(monkeypatch, {"paint": look, "paper": die}, ("paper", "red"), ("paint", "red"), ("paper", "blue"))
    assert [one[0]["status"] for one in found] == ["error", "pass", "error"]
    assert "ended by signal 9" in found[0][0]["observed"]


def test_a_measure_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_answer, "_LAST_S", 0.0)
    begun = time.monotonic()
    found = answers(monkeypatch, {"paint": look, "paper": deaf}, ("paper", "red"), ("paint", "red"), total_seconds=1.0)
    assert time.monotonic() - begun < 10
    assert [one[0]["status"] for one in found] == ["error", "pass"]


def test_what_one_measure_starts_no_other_takes_for_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(host: Host, question: Question, option: str) -> Iterator[Finding]:
        host.run("sleep", "1.5")
        yield finding(option, "slept")

    def seek(host: Host, question: Question, option: str) -> Iterator[Finding]:
        time.sleep(0.7)
        yield finding(option, "sleep" if any("1.5" in one.argv for one in host.processes()) else "nothing")

    found = answers(monkeypatch, {"paint": start, "paper": seek}, ("paint", "red"), ("paper", "red"))
    assert [one[0]["observed"] for one in found] == ["slept", "nothing"]


def test_on_one_cpu_one_follows_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    found = answers(monkeypatch, {"paint": look, "paper": wait}, ("paper", "red"), ("paint", "red"))
    assert [one[0]["status"] for one in found] == ["pass", "pass"]


# -- what is sent to the host ---------------------------------------------------------------------------------------

ASKED = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
from _received import Sources
sys.meta_path.append(Sources(sys.stdin.read()))
answer = importlib.import_module("privacy_hosting._answer")
print(json.dumps([[check.name for check in answer.checks_of(measure)] for measure in sys.argv[2:]]))
"""


def imported(tmp_path: Path, *measures: str) -> Any:
    """The names of the checks that an interpreter finds in what is sent for some measures, with no file of ours."""
    command = [sys.executable, "-I", "-c", ASKED, str(_sources.MODULE_UTILS), *measures]
    done = subprocess.run(
        command, input=_sources.packed(measures), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_sent_for_a_measure_suffices_for_its_checks(measure: str, tmp_path: Path) -> None:
    (names,) = imported(tmp_path, measure)
    assert names == [check.name for check in _answer.checks_of(measure)]


def test_a_host_is_not_sent_what_it_is_not_asked() -> None:
    one, both = _sources.sources(["web_log"]), _sources.sources(["web_log", "log_retention"])
    assert set(one) < set(both)
    assert "_checks.log_retention" not in one
    assert set(_sources.sources(["nothing"])) == set(_sources.sources([]))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("from ._host import Host", {"_host", "_host.Host"}),
        ("from .._a import (\n    b,\n    c as d,  # why\n)", {"up._a", "up._a.b", "up._a.c"}),
        ("    from . import late, later", {"", "late", "later"}),
        ("import json\nfrom typing import Any", set()),
    ],
)
def test_imports_are_followed_wherever_they_stand(line: str, names: set[str]) -> None:
    name = "up.two.three" if ".._" in line else "one"
    assert set(_sources.imported(name, f"{line}\n")) == names
