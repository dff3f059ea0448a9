"""Stub each check to "pass", and see the tests fail: a check that nothing misses proves nothing.

Usage: tests/mutate.py [unit|sabotage] [MEASURE[.CHECK] …]      without a word, both

Each check is stubbed twice: in the code, under which the unit tests of its measure must fail; and in the recorded
audits of the sabotaged hosts, of which at least one fault must then go unfound. A stub under which all passes has
survived, and the exit status is 1. Audits that were recorded of other code are made anew, on Debian trixie.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".collections")]

from ansible_collections.privacy.hosting.plugins.module_utils._answer import checks_of
from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils import _verdict
from tests import life
from tests.lab import cases, recorded

UNIT_LIMIT = 120  # seconds
TESTS_PASSED, TESTS_FAILED = 0, 1  # exit codes of pytest
KILLED, SURVIVED = "killed", "SURVIVED"


@dataclass(frozen=True)
class Mutant:
    """One check that always passes."""

    measure: str
    check: str

    def __str__(self) -> str:
        return f"{self.measure}.{self.check}"


def mutants(wanted: Sequence[str]) -> list[Mutant]:
    """A mutant for each check of each measure, or of those that are named."""
    every = [Mutant(measure, check.name) for measure in MEASURES for check in checks_of(measure)]
    return [one for one in every if not wanted or one.measure in wanted or str(one) in wanted]


def survives_unit_tests(mutant: Mutant) -> bool:
    """Whether the unit tests of its measure pass although the check is stubbed."""
    return passes_unit_tests(mutant.measure, str(mutant))


def passes_unit_tests(measure: str, stub: str) -> bool:
    """Whether the unit tests of a measure pass with a check stubbed, or with nothing ('')."""
    tests = sorted(map(str, (ROOT / "tests" / "unit").glob(f"test_{measure}*.py")))
    if not tests:
        return True
    plugin = ["-p", "tests.stub"] if stub else []
    command = [sys.executable, "-m", "pytest", "-q", "-x", *plugin, *tests]
    environment = {**os.environ, "STUB": stub, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=UNIT_LIMIT, check=False
    )
    if done.returncode not in (TESTS_PASSED, TESTS_FAILED):
        raise SystemExit(f"error: the unit tests of {measure} could not be run:\n{done.stdout}{done.stderr}")
    return done.returncode == TESTS_PASSED


def survives_sabotage(mutant: Mutant) -> bool:
    """Whether every fault would still have been found, had the check passed all that it looked at."""
    faults = {str(fault): fault for fault in cases.sabotage()}
    return not any(
        faults[name].complaints(stubbed(one.records[faults[name].host], mutant))
        for one in rounds()
        for name in one.cases
    )


@functools.cache
def rounds() -> list[recorded.Recorded]:
    """The audits of sabotaged hosts that this very code made."""
    return recorded.rounds("sabotage")


def sound_unit_tests(measures: Sequence[str]) -> None:
    """See that all passes while nothing is stubbed. Raises SystemExit where it does not, for then nothing is shown."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passes = list(pool.map(functools.partial(passes_unit_tests, stub=""), measures))
    if not all(passes):
        failing = measures[passes.index(False)]
        raise SystemExit(f"error: the unit tests of {failing} fail although nothing is stubbed")


def sound_sabotage(measures: Sequence[str]) -> None:
    """The same of the sabotage, whose audits are made where they are missing. Raises SystemExit."""
    for live in (functools.partial(life.live, "trixie"), life.live_on_machines):
        if unplayed(measures):
            live("-k", f"test_the_fault_is_found and ({' or '.join(measures)})")
            rounds.cache_clear()
    if unplayed(measures):
        raise SystemExit(f"error: not all faults were played; what went wrong stands above: {unplayed(measures)[0]}")
    faults = {str(fault): fault for fault in cases.sabotage()}
    for one in rounds():
        missed = [name for name in one.cases if faults[name].complaints(one.records[faults[name].host])]
        if missed:
            raise SystemExit(f"error: {missed[0]} is not found although nothing is stubbed")


@dataclass(frozen=True)
class Way:
    """One way to miss a stubbed check. sound: that it shows anything; survives: whether it misses nothing."""

    title: str
    sound: Callable[[Sequence[str]], None]
    survives: Callable[[Mutant], bool]


WAYS = {
    "unit": Way("unit tests", sound_unit_tests, survives_unit_tests),
    "sabotage": Way("sabotage", sound_sabotage, survives_sabotage),
}


def stubbed(record: Mapping[str, Any], mutant: Mutant) -> dict[str, Any]:
    """The record as it would be, had the check passed."""
    return {**record, "promises": [_stubbed_row(row, mutant) for row in record["promises"]]}


def _stubbed_row(row: Mapping[str, Any], mutant: Mutant) -> dict[str, Any]:
    findings = [_stubbed_finding(finding, mutant) for finding in row["findings"]]
    answers: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        answers.setdefault(finding["measure"], []).append(finding)
    states = {name: (row.get(member) or {}).get("state") for name, member in _STATES.items()}
    judged = _verdict.verdict(list(answers.values()), **states) if answers else row["verdict"]
    return {**row, "findings": findings, "verdict": judged}


_STATES = {"attested": "attested", "waived": "waiver", "planned": "planned"}


def _stubbed_finding(finding: Mapping[str, Any], mutant: Mutant) -> dict[str, Any]:
    if (finding["measure"], finding["check"]) != (mutant.measure, mutant.check):
        return dict(finding)
    return {**finding, "status": "pass", "observed": "all is well", "source": ""}


def judged(chosen: Sequence[Mutant], ways: Sequence[Way]) -> Iterator[tuple[Mutant, list[bool]]]:
    """Each mutant with whether it survives each of the ways."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        survived = [pool.map(way.survives, chosen) for way in ways]
        yield from zip(chosen, map(list, zip(*survived, strict=True)), strict=True)


def unplayed(measures: Sequence[str]) -> list[str]:
    """The faults of measures of which this very code has audited no host."""
    played = {name for one in rounds() for name in one.cases}
    return [str(fault) for fault in cases.sabotage() if fault.measure in measures and str(fault) not in played]


def main(arguments: Sequence[str]) -> int:
    named = [word for word in arguments[:1] if word in WAYS]
    ways, wanted = [WAYS[word] for word in named or WAYS], arguments[len(named) :]
    chosen = mutants(wanted)
    measures = sorted({mutant.measure for mutant in chosen})
    if not measures:
        raise SystemExit(f"error: no measure or check is called {' or '.join(wanted)}")
    for way in ways:
        way.sound(measures)
    left = 0
    for mutant, survived in judged(chosen, ways):
        told = [f"{way.title}: {SURVIVED if one else KILLED:<10}" for way, one in zip(ways, survived, strict=True)]
        print(f"{mutant!s:<32} {''.join(told)}".rstrip(), flush=True)
        left += any(survived)
    print(f"{len(chosen) - left} checks killed, {left} survived")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
