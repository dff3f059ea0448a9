# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet: what all hosts' records add up to. It is what fleet.json holds and index.html shows.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from .._verdict import IN_FORCE, VERDICTS, fleet_verdict, worst
from .former import Former, changes, moved
from .record import ASKED, GROUNDS, PERIOD_SET, SCHEMA, Record, applies, reached

SOON_DAYS = 30  # what lapses within this time is told beforehand (design: the report warns 30 days ahead)


def day_of(iso: str | None) -> date:
    """The UTC date of an ISO time or date; today's, where there is none."""
    if not iso:
        return datetime.now(timezone.utc).date()
    moment = datetime.fromisoformat(iso)
    return (moment.astimezone(timezone.utc) if moment.tzinfo else moment).date()


def notices(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What has lapsed or lapses within SOON_DAYS on one host, the soonest first.

    Each: kind (of GROUNDS), promise, by, until, days (till it lapses; 0 or less where it has), lapsed.
    """
    today = day_of(record["audited_at"])
    found = []
    for entry in record["promises"]:
        for kind in GROUNDS:
            ground = entry.get(kind)
            if not ground:
                continue
            days = (date.fromisoformat(ground["until"][:10]) - today).days
            lapsed = ground["state"] != IN_FORCE
            if lapsed or days <= SOON_DAYS:
                told = {"kind": kind, "promise": entry["id"], "by": ground.get("by", ""), "until": ground["until"][:10]}
                found.append({**told, "days": days, "lapsed": lapsed})
    return sorted(found, key=lambda notice: notice["until"])


def coverage(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much of what is promised was looked at: total, checked, by verdict, and until when the first waiver runs.

    Checked are promises for which something was found out: kept, broken, or nothing there to break them.
    """
    verdicts = Counter(entry["verdict"] for entry in entries)
    waived = [entry["waiver"]["until"] for entry in entries if entry["verdict"] == "waived" and entry.get("waiver")]
    return {
        "total": len(entries),
        "checked": sum(verdicts[word] for word in ("broken", "kept", "not_applicable")),
        "verdicts": {word: verdicts[word] for word in VERDICTS},
        "waived_until": min(waived, default=None),
    }


class Fleet:
    """Adds hosts' records up, one after the other, and keeps no finding of them."""

    def __init__(self, run: str, made_at: str) -> None:
        """run: the run's name; made_at: when the report is made, as ISO UTC time."""
        self.run = run
        self.made_at = made_at
        self.statement: dict[str, Any] = {}
        self.checked_with: dict[str, Any] = {"collection": None, "measures": {}}
        self.hosts: list[dict[str, Any]] = []
        self.promises: dict[str, dict[str, Any]] = {}
        self.judged: dict[str, list[dict[str, Any]]] = {}  # by host, as much of its entries as _verdict.failures reads
        self.entries: dict[str, Mapping[str, Any]] = {}  # of each promise one host's entry, without findings if any is
        self._notices: dict[tuple[str, ...], dict[str, Any]] = {}
        self._periods: dict[tuple[str, str], str | None] = {}  # the reason, or None where none is set

    def add(self, record: Record, file: str) -> None:
        """Take in one host's record, whose files are named `file` plus .json and .html."""
        self.statement = self.statement or record["statement"]
        self._add_checks(record.get("checked_with") or {})
        entries = record["promises"]
        mine = [entry for entry in entries if applies(entry)]
        self.hosts.append(
            {
                "name": record["host"],
                "file": file,
                "audited_at": record["audited_at"],
                "took_s": record["took_s"],
                "partial": bool(record["partial"]),
                "state": "unaudited" if not record["audited_at"] else "audited" if reached(record) else "unreached",
                "verdict": worst(entry["verdict"] for entry in mine),
                "verdicts": {entry["id"]: entry["verdict"] for entry in mine},
                "unasked": [entry["id"] for entry in mine if _left_out(entry)],
                "waivers": {entry["id"]: entry["waiver"]["until"][:10] for entry in mine if entry.get("waiver")},
            }
        )
        self.judged[record["host"]] = [_judged(entry) for entry in mine]
        for entry in entries:
            self._add_entry(record["host"], entry)
        for notice in notices(record):
            key = tuple(str(notice[part]) for part in ("kind", "promise", "by", "until"))
            self._notices.setdefault(key, {**notice, "hosts": []})["hosts"].append(record["host"])

    def _add_checks(self, told: Mapping[str, Any]) -> None:
        """Take in what judged one host: the same on all hosts that one controller audits at once."""
        self.checked_with["collection"] = self.checked_with["collection"] or told.get("collection")
        self.checked_with["measures"] |= told.get("measures") or {}

    def _add_entry(self, host: str, entry: Mapping[str, Any]) -> None:
        """Take in one promise on one host."""
        known = {key: entry[key] for key in ("id", "where", "says", "gdpr")}
        fresh = {**known, "asks": None, "measures": set(), "by": None, "hosts": {}, "waiver": None}
        promise = self.promises.setdefault(entry["id"], fresh)
        promise["asks"] = promise["asks"] or entry.get("asks")
        promise["measures"] |= {finding["measure"] for finding in entry["findings"] if finding["measure"]}
        promise["by"] = promise["by"] or next((kind for kind in ("planned", "attested") if entry.get(kind)), None)
        self._add_periods(entry)
        if not entry["findings"] or entry["id"] not in self.entries:
            self.entries[entry["id"]] = entry
        if applies(entry):
            promise["hosts"][host] = entry["verdict"]
            if entry["verdict"] == "waived":
                until = (entry.get("waiver") or {}).get("until")
                promise["waiver"] = min(filter(None, (promise["waiver"], until)), default=None)

    def _add_periods(self, entry: Mapping[str, Any]) -> None:
        """Take in the periods that the statement leaves open."""
        for option, reason in (entry.get("chosen") or {}).items():
            self._periods[entry["id"], option] = reason
        for finding in entry["findings"]:
            if finding["check"] == PERIOD_SET:
                self._periods[entry["id"], f"{finding['measure']}.{finding['option']}"] = None

    def add_outside(self, hosts: Iterable[str]) -> None:
        """Name hosts of the inventory that this run was not about: rows without a verdict."""
        for host in hosts:
            row = {"name": host, "file": None, "audited_at": None, "took_s": 0.0, "partial": True}
            nothing: dict[str, Any] = {"verdict": None, "verdicts": {}, "unasked": [], "waivers": {}}
            self.hosts.append({**row, "state": "outside", **nothing})

    def as_dict(self) -> dict[str, Any]:
        """The content of fleet.json, compared with no earlier run. What is told before the hosts stays small."""
        promises = [self._promise(promise) for promise in self.promises.values()]
        times = sorted(host["audited_at"] for host in self.hosts if host["audited_at"])
        states = Counter(host["state"] for host in self.hosts)
        waived = [{**one, "waiver": {"until": self.promises[one["id"]]["waiver"]}} for one in promises]
        return {
            "schema": SCHEMA,
            "run": self.run,
            "made_at": self.made_at,
            "audited_from": times[0] if times else None,
            "audited_at": times[-1] if times else None,
            "partial": any(host["partial"] for host in self.hosts),
            "statement": self.statement,
            "checked_with": self.checked_with,
            "coverage": {
                **coverage(waived),
                "by": {kind: sum(one["by"] == kind for one in promises) for kind in JUDGED_BY},
                "hosts": {state: states[state] for state in STATES},
            },
            "hosts": self.hosts,
            "promises": promises,
            "notices": sorted(self._notices.values(), key=lambda notice: notice["until"]),
            "open_periods": [
                {"promise": promise, "option": option, "reason": reason}
                for (promise, option), reason in self._periods.items()
            ],
            "previous": None,
            "moved": None,
            "changes": [],
        }

    @staticmethod
    def compared(content: Mapping[str, Any], before: Former) -> dict[str, Any]:
        """The content of fleet.json with what is another than before."""
        previous = before.fleet
        if previous is None:
            return dict(content)
        return {
            **content,
            "previous": {key: previous[key] for key in ("run", "made_at", "partial")},
            "moved": moved(content, previous),
            "changes": changes(content, before),
        }

    @staticmethod
    def _promise(promise: Mapping[str, Any]) -> dict[str, Any]:
        """One promise with the fleet's verdict."""
        kept = {key: promise[key] for key in ("id", "where", "says", "gdpr")}
        return {
            **kept,
            "verdict": fleet_verdict(promise["hosts"].values()),
            "asks": promise["asks"],
            "by": "measures" if promise["measures"] else promise["by"],
            "measures": sorted(promise["measures"]),
            "hosts": promise["hosts"],
        }


STATES = ("audited", "unreached", "unaudited", "outside")  # of a host
JUDGED_BY = ("measures", "attested", "planned")  # by what a promise is judged, the first of these that it has


def _left_out(entry: Mapping[str, Any]) -> bool:
    """Whether measures that the promise asks about were left out of the run."""
    return any(finding["check"] == ASKED for finding in entry["findings"])


def _judged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what findings say: memory for a thousand hosts."""
    statuses = dict.fromkeys(finding["status"] for finding in entry["findings"])
    kept = {"id": entry["id"], "verdict": entry["verdict"], "planned": entry.get("planned")}
    return {**kept, "findings": [{"status": status} for status in statuses]}
