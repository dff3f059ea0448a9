"""Hosts that keep a promise by means other than ours are found to keep it."""

from __future__ import annotations

import pytest

from tests.lab import cases
from tests.lab.fleet import PART, RELEASE

HOSTS = cases.honest(RELEASE, PART)


@pytest.mark.parametrize("case", HOSTS, ids=str)
def test_the_honest_host_is_found_honest(case, honest):
    played = honest.of(case)
    complaints = case.complaints(played.records[case.host])
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("measure", sorted({case.measure for case in HOSTS}))
def test_a_measure_has_enough_honest_hosts(measure):
    assert len([case for case in cases.honest(RELEASE) if case.measure == measure]) >= 4
