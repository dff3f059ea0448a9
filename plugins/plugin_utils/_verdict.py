# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts: what findings, attestations, waivers and plans mean for a promise. docs/verdicts.md tells the same.

PRIVATE to the collection.

How to use it, once for each promise on each host::

    promise_row(promise, findings, statement, host, today, groups) -> the promise's entry in the host's record

which asks the table::

    verdict(answers, named=…, attested=…, waived=…, planned=…) -> one of VERDICTS

``answers`` holds one list of findings for each measure that the promise asks about, as measure_info returns them
(a list that is empty is a question nobody answered: unproven). ``attested``, ``waived`` and ``planned`` are
IN_FORCE, LAPSED or None (there is none); ``state()`` tells which from a date.
Everything here is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._statement import Promise, Statement

BROKEN, UNPROVEN, LAPSED = "broken", "unproven", "lapsed"
WAIVED, KEPT, ATTESTED, NOT_APPLICABLE = "waived", "kept", "attested", "not_applicable"
VERDICTS = (BROKEN, UNPROVEN, LAPSED, WAIVED, KEPT, ATTESTED, NOT_APPLICABLE)  # worst first

IN_FORCE = "in_force"  # the other state is LAPSED

# What each part of a promise comes to by itself. The verdict is the worst of the parts.
OF_FINDING = {"fail": BROKEN, "error": UNPROVEN, "pass": KEPT, "not_applicable": NOT_APPLICABLE}
OF_ATTESTATION = {IN_FORCE: ATTESTED, LAPSED: LAPSED}
OF_PLAN = {IN_FORCE: UNPROVEN, LAPSED: UNPROVEN}
OF_NOTHING = UNPROVEN  # no part, a question without a finding, a finding whose status nobody knows
OF_ABSENCE_WHERE_NAMED = UNPROVEN  # the promise names this host, and its subject is not there

# What a waiver in force makes of a part. A lapsed waiver changes nothing.
OF_WAIVED = {BROKEN: WAIVED, UNPROVEN: WAIVED}

# The words of audit_fail_on, and the verdict that each is about.
NEWLY_BROKEN = "newly_broken"
FAIL_ON = {BROKEN: BROKEN, UNPROVEN: UNPROVEN, LAPSED: LAPSED, NEWLY_BROKEN: BROKEN}
FAIL_ON_BY_DEFAULT = (BROKEN, UNPROVEN, LAPSED)


def state(until: date, today: date) -> str:
    """IN_FORCE through the day `until`, LAPSED after it: for attestations and waivers."""
    return IN_FORCE if today <= until else LAPSED


def plan_state(until: date, today: date) -> str:
    """IN_FORCE before the day `until`, LAPSED from that day on: a plan's date is when the measure must be there."""
    return IN_FORCE if today < until else LAPSED


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts; of none, OF_NOTHING. Raises ValueError on a word that is no verdict."""
    return min(verdicts, key=VERDICTS.index, default=OF_NOTHING)


def verdict(
    answers: Iterable[Sequence[Mapping[str, Any]]],
    *,
    named: bool = False,
    attested: str | None = None,
    waived: str | None = None,
    planned: str | None = None,
) -> str:
    """The verdict for one promise on one host.

    answers: for each measure that the promise asks about, its findings on this host (dicts with 'status').
    named: the promise's 'hosts' names this host, so that 'not applicable' proves nothing.
    attested, waived, planned: IN_FORCE, LAPSED, or None where there is none. Raises KeyError on another word.
    """
    parts = [_of_answer(findings, named) for findings in answers]
    if attested is not None:
        parts.append(OF_ATTESTATION[attested])
    if planned is not None:
        parts.append(OF_PLAN[planned])
    parts = parts or [OF_NOTHING]
    if waived is not None and {IN_FORCE: True, LAPSED: False}[waived]:
        parts = [OF_WAIVED.get(part, part) for part in parts]
    return worst(parts)


def _of_answer(findings: Sequence[Mapping[str, Any]], named: bool) -> str:
    """What the findings of one measure come to."""
    answer = worst(OF_FINDING.get(finding["status"], OF_NOTHING) for finding in findings)
    return OF_ABSENCE_WHERE_NAMED if named and answer == NOT_APPLICABLE else answer


def promise_row(
    promise: Promise,
    findings: Sequence[Mapping[str, Any]],
    statement: Statement,
    host: str,
    today: date,
    groups: Iterable[str] = (),
) -> dict[str, Any]:
    """One promise on a host that it applies to, as it stands in the host's record (_report/host.schema.json).

    findings: those of all measures that the promise asks about, as measure_info returns them; periods that nobody
    has set are added here. groups: the host's, for the patterns of 'hosts'. today: the UTC date of the audit.
    """
    named = tuple(groups)
    unset = [finding.as_dict() for finding in promise.unset_findings()]
    waiver = statement.waiver_for(promise.id, host, named)
    grounds: dict[str, dict[str, Any]] = {}
    if waiver:
        grounds["waiver"] = {**waiver.as_dict(), "state": state(waiver.until, today)}
    if promise.attested:
        grounds["attested"] = {**promise.attested.as_dict(), "state": state(promise.attested.until, today)}
    if promise.planned:
        grounds["planned"] = {**promise.planned.as_dict(), "state": plan_state(promise.planned.until, today)}
    answers = [[found for found in findings if found["measure"] == measure] for measure in promise.measures]
    strange = [found for found in findings if found["measure"] not in promise.measures]
    return {
        "id": promise.id,
        "where": dict(promise.where),
        "says": promise.says,
        "gdpr": list(promise.gdpr),
        "verdict": verdict(
            [*answers, *([part] for part in (*strange, *unset))],
            named=promise.names(host, named),
            waived=grounds["waiver"]["state"] if "waiver" in grounds else None,
            attested=grounds["attested"]["state"] if "attested" in grounds else None,
            planned=grounds["planned"]["state"] if "planned" in grounds else None,
        ),
        "findings": [*findings, *unset],
        **({"chosen": dict(promise.chosen)} if promise.chosen else {}),
        **grounds,
    }


def fleet_verdict(verdicts: Iterable[str]) -> str:
    """The verdict for one promise over the hosts that it applies to: the worst of theirs, of no host unproven."""
    return worst(verdicts)


@dataclass(frozen=True)
class Failure:
    """A promise on a host for which the run fails; word: the member of FAIL_ON that says so."""

    host: str
    promise: str
    word: str


def failures(
    hosts: Mapping[str, Sequence[Mapping[str, Any]]],
    fail_on: Iterable[str],
    before: Mapping[tuple[str, str], str] | None = None,
) -> list[Failure]:
    """The reasons for which a run fails; none, and it passes.

    hosts: the promises of each host's record, by host. fail_on: words of FAIL_ON; raises ValueError on another.
    before: the previous run's verdicts by host and promise; what is not in it was not broken.
    """
    words = list(fail_on)
    unknown = [word for word in words if word not in FAIL_ON]
    if unknown:
        raise ValueError(f"audit_fail_on: {', '.join(map(repr, unknown))} is none of {', '.join(FAIL_ON)}")
    return [
        Failure(host, entry["id"], word)
        for host, entries in hosts.items()
        for entry in entries
        for word in [_failing_word(host, entry, words, before or {})]
        if word
    ]


def _failing_word(
    host: str, entry: Mapping[str, Any], words: Sequence[str], before: Mapping[tuple[str, str], str]
) -> str | None:
    """The first of the words for which this promise on this host fails the run."""
    for word in words:
        if entry["verdict"] != FAIL_ON[word] or only_planned(entry):
            continue
        if word != NEWLY_BROKEN or before.get((host, entry["id"])) != BROKEN:
            return word
    return None


def only_planned(entry: Mapping[str, Any]) -> bool:
    """Whether a promise of a host's record is unproven for no other reason than a plan whose date has not come."""
    plan = entry.get("planned") or {}
    if entry["verdict"] != UNPROVEN or plan.get("state") != IN_FORCE:
        return False
    return all(OF_FINDING.get(finding["status"], OF_NOTHING) != UNPROVEN for finding in entry["findings"])
