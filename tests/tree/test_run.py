"""The runner of all checks: a run is green only if everything was tried and passed."""

from __future__ import annotations

import sys

import pytest

from tests import run

SUITE = """
import pytest

def test_passes():
    pass

def test_fails():
    assert {fails}

@pytest.mark.skipif({skips}, reason="never")
def test_is_skipped():
    pass
"""


@pytest.fixture
def outcomes(tmp_path_factory):
    """Run steps, and return what each came to."""

    def of(*steps, at_a_time=2):
        return list(run.Run(tmp_path_factory.mktemp("logs")).steps(steps, at_a_time))

    return of


def python(name, text, limit=20):
    return run.Step(name, [sys.executable, "-c", text], limit)


def suite(folder, text):
    path = folder / "test_it.py"
    path.write_text(text)
    return run.Step("suite", [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path)], pytest=True)


def test_a_tool_counts_as_one(outcomes):
    good, bad = sorted(outcomes(python("good", ""), python("bad", "raise SystemExit(3)")), key=lambda o: o.failed)
    assert (good.passed, good.failed, bad.passed, bad.failed) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("fails", "skips", "expected"), [(True, False, (3, 0)), (False, False, (2, 1)), (True, True, (2, 1))]
)
def test_a_suite_counts_its_tests_and_a_skipped_one_has_failed(outcomes, tmp_path, fails, skips, expected):
    (outcome,) = outcomes(suite(tmp_path, SUITE.format(fails=fails, skips=skips)))
    assert (outcome.passed, outcome.failed) == expected


@pytest.mark.parametrize("text", ["", "raise SystemExit", "import not_there"])
def test_a_suite_without_tests_has_failed(outcomes, tmp_path, text):
    (outcome,) = outcomes(suite(tmp_path, text))
    assert (outcome.passed, outcome.failed) == (0, 1)


def test_a_step_over_its_limit_is_ended_and_has_failed(outcomes):
    (outcome,) = outcomes(python("slow", "import time; time.sleep(60)", limit=1))
    assert outcome.failed == 1
    assert outcome.took < 15
    assert "not done after 1 seconds" in outcome.output


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_what_a_failed_step_printed_is_shown_once(outcomes, capsys, at_a_time):
    outcomes(python("bad", "print('what is wrong'); raise SystemExit(1)"), at_a_time=at_a_time)
    assert capsys.readouterr().out.count("what is wrong") == 1


@pytest.mark.parametrize(
    ("steps", "line", "status"),
    [
        ([python("a", ""), python("b", "")], "2 passed, 0 failed", 0),
        ([python("a", ""), python("b", "raise SystemExit(1)")], "1 passed, 1 failed", 1),
        ([], "0 passed, 0 failed", 1),
    ],
)
def test_a_run_ends_in_one_line_and_its_status(steps, line, status, monkeypatch, capsys):
    monkeypatch.setattr(run, "CHECKS", steps)
    assert run.main(["check"]) == status
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("begun\\nfatal: [web1]: FAILED! => no room\\nremoved", ["fatal: [web1]: FAILED! => no room"]),
        ("E   assert 1 == 2\\nFAILED tests/x.py::test_y", ["E   assert 1 == 2", "FAILED tests/x.py::test_y"]),
        ("a.py:1: error: wrong type", ["a.py:1: error: wrong type"]),
        ("something else", ["something else"]),
    ],
)
def test_a_run_says_at_its_end_why_it_failed(printed, told, monkeypatch, capsys):
    monkeypatch.setattr(run, "CHECKS", [python("bad", f"print('{printed}'); raise SystemExit(1)"), python("good", "")])
    run.main(["check"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1 - len(told) : -1] == [f"  {line}" for line in told]
    assert lines[-2 - len(told)].startswith("FAILED bad ")
