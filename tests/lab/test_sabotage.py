"""Every fault that people make turns the promise that it breaks, with evidence, and no other."""

from __future__ import annotations

import pytest

from tests.lab import cases
from tests.lab.fleet import PART, RELEASE, verdicts

FAULTS = cases.sabotage(RELEASE, PART)
ROUNDS = cases.rounds(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_fault_is_found(fault, sabotaged):
    played = sabotaged.of(fault)
    complaints = fault.complaints(played.records[fault.host], played.cases)
    assert not complaints, "\n".join(complaints)


def called(number: int) -> str:
    """A round by its number and the measures whose faults it plays, so that a measure's name chooses it."""
    return "-".join([str(number), *sorted({fault.measure for fault in ROUNDS[number]})])


@pytest.mark.parametrize("number", range(len(ROUNDS)), ids=called)
def test_the_other_promises_stay_as_they_were(number, sabotaged):
    played = sabotaged.number(number)
    touched = cases.touched(played.cases)
    changed = {
        (host, promise): (verdict, verdicts(record)[promise])
        for host, record in played.records.items()
        for promise, verdict in verdicts(played.baseline[host]).items()
        if (host, promise) not in touched and verdicts(record)[promise] != verdict
    }
    assert not changed


@pytest.mark.parametrize("measure", sorted({fault.measure for fault in FAULTS}))
def test_a_measure_has_enough_faults(measure):
    told = [fault for fault in cases.sabotage(RELEASE) if fault.measure == measure]
    found = [fault for fault in told if "broken" in fault.promises.values()]
    assert len(found) >= 10
