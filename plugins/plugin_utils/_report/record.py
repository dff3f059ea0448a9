# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host records: their form, and the row of a host that has none.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from .._verdict import IN_FORCE, LAPSED, UNPROVEN, VERDICTS, WAIVED, verdict

SCHEMA = 1  # of host records and of fleet.json: host.schema.json, fleet.schema.json

Record = dict[str, Any]

_HEAD = {"schema", "statement", "host", "audited_at", "took_s", "partial", "promises"}
_ENTRY = {"id", "where", "says", "gdpr", "verdict", "findings"}
_FINDING = {"measure", "check", "option", "subject", "status", "proof", "expected", "observed", "source", "remedy"}

GROUNDS = ("waiver", "attested", "planned")  # what a promise may stand on beside findings

REACH = "reach"  # the check whose finding stands for a host that was out of reach
RUN = "run"  # for one that was reached, but on which the audit could not be run
AUDITED = "audited"  # and for one that gave no record
ASKED = "asked"  # for a measure that this run left out
PERIOD_SET = "period_set"  # for a period that the statement leaves open and nobody has set


def fault(record: Any) -> str:
    """What is wrong with a host record, in one line; '' if nothing is. It is plain already."""
    if not isinstance(record, dict):
        return "the record is not a mapping"
    if lacking := _HEAD - record.keys():
        return f"the record lacks {', '.join(sorted(lacking))}"
    if record["schema"] != SCHEMA:
        return f"the record's schema is {record['schema']!r}, not {SCHEMA}"
    if not record["promises"]:
        return "the record holds no promise"
    return next(filter(None, map(_entry_fault, record["promises"])), "")


def _entry_fault(entry: Any) -> str:
    """What is wrong with one promise of a record."""
    if not isinstance(entry, dict) or (lacking := _ENTRY - entry.keys()):
        return "a promise is not a mapping" if not isinstance(entry, dict) else f"a promise lacks {min(lacking)}"
    if entry["verdict"] not in VERDICTS:
        return f"promise {entry['id']}: {entry['verdict']!r} is no verdict"
    if bad := [kind for kind in GROUNDS if entry.get(kind) and not _dated(entry[kind])]:
        return f"promise {entry['id']}: {bad[0]} has no date 'until', or no state"
    lacking = {key for finding in entry["findings"] for key in _FINDING - finding.keys()}
    return f"promise {entry['id']}: a finding lacks {min(lacking)}" if lacking else ""


def _dated(ground: Any) -> bool:
    """Whether a waiver, an attestation or a plan has a state and the date that goes with it."""
    try:
        return ground["state"] in (IN_FORCE, LAPSED) and bool(date.fromisoformat(ground["until"][:10]))
    except (KeyError, TypeError, ValueError):
        return False


def applies(entry: Mapping[str, Any]) -> bool:
    """Whether the statement makes the promise for this host."""
    return bool(entry.get("applies", True))


def reached(record: Mapping[str, Any]) -> bool:
    """Whether the host could be looked at."""
    return not any(
        finding["check"] in (REACH, AUDITED) for entry in record["promises"] for finding in entry["findings"]
    )


def unaudited(host: str, reason: str, statement: Mapping[str, Any], promises: Iterable[Mapping[str, Any]]) -> Record:
    """The record of a host that gave none: every promise that is measured is unproven, for the reason given.

    promises: another host's, from its record.
    """
    finding = {
        "measure": "",
        "check": AUDITED,
        "option": "",
        "subject": host,
        "status": "error",
        "proof": "",
        "expected": "an audit of this host",
        "observed": reason,
        "source": "",
        "remedy": "",
        "took_s": 0.0,
    }
    return {
        "schema": SCHEMA,
        "statement": dict(statement),
        "host": host,
        "audited_at": None,
        "took_s": 0.0,
        "partial": False,
        "promises": [_unaudited_entry(entry, finding) for entry in promises],
    }


def _unaudited_entry(entry: Mapping[str, Any], finding: Mapping[str, Any]) -> dict[str, Any]:
    """A promise on a host that was not audited. What people declare or plan does not hang on the host."""
    kept = {key: entry[key] for key in ("id", "where", "says", "gdpr")}
    grounds = {key: entry[key] for key in ("attested", "planned") if entry.get(key)}
    alone = verdict([], **{key: ground["state"] for key, ground in grounds.items()})
    if grounds and not entry["findings"] and entry["verdict"] in (alone, WAIVED):
        return {**kept, **grounds, "applies": True, "verdict": alone, "findings": []}
    return {**kept, "applies": True, "verdict": UNPROVEN, "findings": [dict(finding)]}
