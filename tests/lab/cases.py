"""Cases as data: faults that must be found, and honest hosts that must be found honest.

A file below tests/sabotage or tests/honest belongs to one measure. Several cases share a round: each host is put
back, all scripts of the round run, and one audit looks at what they left. Two cases of one kind of measure (web_log and
web_tls, which begin alike) share a host only where they say that they change different parts: else they edit the same
files. Nor do two where one may break what the other keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TESTS = Path(__file__).resolve().parents[1]
MACHINES = ("db1",)  # virtual machines, whose cases are a part of their own
CONTAINERS_PART, MACHINES_PART = "containers", "machines"
# what a host leaves on another one, or sees of it, which is put back and audited with it
KEEPERS = {"data1": "backup1", "mail1": "backup1"}
STATUS = {"broken": "fail", "unproven": "error", "kept": "pass", "not_applicable": "not_applicable"}


@dataclass(frozen=True)
class Evidence:
    """The finding that a report must hold: which check made it, and what its source and observed text must match."""

    check: str
    status: str
    source: str = ""
    observed: str = ""
    subject: str = ""

    def fits(self, finding: Mapping[str, Any]) -> bool:
        """Whether a finding is that evidence."""
        return (
            finding["check"] == self.check
            and finding["status"] == self.status
            and all(re.search(getattr(self, part), finding[part]) for part in ("source", "observed", "subject"))
        )


@dataclass(frozen=True)
class Case:
    """One way a host can be.

    promises: the verdict that each named promise must get on that host; also: other promises that may change with
    them; register: promises that the statement has beside the lab's own while this case is played; only: the one
    release of Debian that it is tried on, where both would cost minutes and make no difference; '' is all; part: what
    of its kind of service it changes, where it can be played at once with what changes another part; '' is all of it;
    apart: other cases of its host by name that it is not played with all the same, since one would hide the other.
    """

    measure: str
    name: str
    host: str
    script: str
    promises: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    also: tuple[str, ...] = ()
    register: tuple[Mapping[str, Any], ...] = ()
    only: str = ""
    part: str = ""
    apart: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.measure}: {self.name}"

    @property
    def kind(self) -> str:
        """The kind of service that it changes, which is the first word of its measure.

        The logs and the links of a mail server are of one kind with the server.
        """
        kind = self.measure.partition("_")[0]
        return "mail" if self.host == "mail1" and kind in ("log", "encrypted") else kind

    def hinders(self, other: Case) -> bool:
        """Whether it and another case cannot be played at once.

        They change one part, or want another verdict of a promise, or one may break what the other keeps, or hide what
        the other shows.
        """
        if self.host != other.host:
            return False
        return (
            (self.kind == other.kind and (not self.part or not other.part or self.part == other.part))
            or any(other.promises.get(name, verdict) != verdict for name, verdict in self.promises.items())
            or any(one.disturbed_by(its) for one, its in ((self, other), (other, self)))
        )

    def disturbed_by(self, other: Case) -> bool:
        """Whether another case may change the verdict that this one wants, or the evidence of it."""
        common = set(self.promises) & set(other.also)
        return bool(common) and (not other.part or any(self.promises[name] == "kept" for name in common))

    def complaints(self, record: Mapping[str, Any], beside: Sequence[Case] = ()) -> list[str]:
        """What a host's record says otherwise than this case wants, in lines; none where all is as it must be.

        beside: the other cases that made the record; what shows one of them is no evidence of this.
        """
        others = [evidence for case in beside if case.host == self.host and case != self for evidence in case.evidence]
        rows = {row["id"]: row for row in record["promises"]}
        wrong: list[str] = []
        for name, wanted in self.promises.items():
            if rows[name]["verdict"] != wanted:
                wrong += [f"{name} is {rows[name]['verdict']}, not {wanted}:", *self._told(rows[name])]
        for evidence in self.evidence:
            found = [f for name in self.promises for f in rows[name]["findings"] if f["measure"] == self.measure]
            own = [finding for finding in found if not any(other.fits(finding) for other in others)]
            if not any(evidence.fits(finding) for finding in own):
                wrong.append(f"no finding is {evidence}, but:")
                wrong += [_short(finding) for finding in found if finding["check"] == evidence.check]
        return wrong

    @staticmethod
    def _told(row: Mapping[str, Any]) -> list[str]:
        return [_short(finding) for finding in row["findings"] if finding["status"] != "pass"]


def _short(finding: Mapping[str, Any]) -> str:
    parts = (finding[key] for key in ("check", "subject", "status", "observed", "source"))
    return " | ".join(map(str, parts))


def sabotage(release: str = "", part: str = "") -> list[Case]:
    """The faults of all measures, by file and order; with a release or a part, those that are tried there."""
    return _tried(release, part, [_fault(measure, told) for measure, told in _told("sabotage")])


def honest(release: str = "", part: str = "") -> list[Case]:
    """The honest hosts of all measures, by file and order; with a release or a part, those that are tried there."""
    return _tried(release, part, [_honest(measure, told) for measure, told in _told("honest")])


def _tried(release: str, part: str, told: list[Case]) -> list[Case]:
    return [
        case
        for case in told
        if (not release or case.only in ("", release))
        and (not part or part == (MACHINES_PART if case.host in MACHINES else CONTAINERS_PART))
    ]


def _told(folder: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for path in sorted((TESTS / folder).glob("*.yml")):
        for told in yaml.safe_load(path.read_text()):
            yield path.stem, told


def _fault(measure: str, told: Mapping[str, Any]) -> Case:
    verdict = told.get("verdict", "broken")
    names = told["promise"] if isinstance(told["promise"], list) else [told["promise"]]
    return Case(
        measure=measure,
        name=told["fault"],
        host=told["host"],
        script=told["break"],
        promises=dict.fromkeys(names, verdict),
        evidence=(Evidence(status=STATUS[verdict], **told["evidence"]),),
        also=tuple(told.get("also", ())),
        register=tuple(told.get("register", ())),
        only=told.get("only", ""),
        part=told.get("part", ""),
        apart=tuple(told.get("apart", ())),
    )


def _honest(measure: str, told: Mapping[str, Any]) -> Case:
    return Case(
        measure=measure,
        name=told["honest"],
        host=told["host"],
        script=told["make"],
        promises=dict.fromkeys(told["promises"], "kept"),
        evidence=tuple(Evidence(status="pass", **one) for one in told.get("evidence", ())),
        also=tuple(told.get("also", ())),
        only=told.get("only", ""),
    )


def rounds(cases: Sequence[Case]) -> list[list[Case]]:
    """The cases in few rounds, in which none hinders another, and each host has about as many cases in each."""
    packed: list[list[Case]] = []
    # those that leave no room beside them first, then those that most others hinder
    for case in sorted(cases, key=lambda case: (bool(case.part), -sum(case.hinders(other) for other in cases))):
        if not any(_fits(case, one) for one in packed):
            packed.append([])
        fitting = [one for one in packed if _fits(case, one)]
        min(fitting, key=lambda one: sum(other.host == case.host for other in one)).append(case)
    return [sorted(one, key=cases.index) for one in packed]


def _fits(case: Case, one: Sequence[Case]) -> bool:
    return not any(case.hinders(other) or case.name in other.apart or other.name in case.apart for other in one)


def touched(cases: Iterable[Case]) -> set[tuple[str, str]]:
    """Host and promise of every verdict that the cases may change."""
    return {(case.host, name) for case in cases for name in (*case.promises, *case.also)}
