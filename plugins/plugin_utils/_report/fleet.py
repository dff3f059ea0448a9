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
from .record import GROUNDS, SCHEMA, Record, applies, reached

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
        self.hosts: list[dict[str, Any]] = []
        self.promises: dict[str, dict[str, Any]] = {}
        self.judged: dict[str, list[dict[str, Any]]] = {}  # by host, as much of its entries as _verdict.failures reads
        self.entries: dict[str, Mapping[str, Any]] = {}  # of each promise one host's entry, without findings if any is
        self._notices: dict[tuple[str, ...], dict[str, Any]] = {}

    def add(self, record: Record, file: str) -> None:
        """Take in one host's record, whose files are named `file` plus .json and .html."""
        self.statement = self.statement or record["statement"]
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
            }
        )
        self.judged[record["host"]] = [_judged(entry) for entry in mine]
        for entry in entries:
            self._add_entry(record["host"], entry)
        for notice in notices(record):
            key = tuple(str(notice[part]) for part in ("kind", "promise", "by", "until"))
            self._notices.setdefault(key, {**notice, "hosts": []})["hosts"].append(record["host"])

    def _add_entry(self, host: str, entry: Mapping[str, Any]) -> None:
        """Take in one promise on one host."""
        known = {key: entry[key] for key in ("id", "where", "says", "gdpr")}
        promise = self.promises.setdefault(entry["id"], {**known, "hosts": {}, "waiver": None})
        if not entry["findings"] or entry["id"] not in self.entries:
            self.entries[entry["id"]] = entry
        if applies(entry):
            promise["hosts"][host] = entry["verdict"]
            if entry["verdict"] == "waived":
                until = (entry.get("waiver") or {}).get("until")
                promise["waiver"] = min(filter(None, (promise["waiver"], until)), default=None)

    def add_outside(self, hosts: Iterable[str]) -> None:
        """Name hosts of the inventory that this run was not about: rows without a verdict."""
        for host in hosts:
            row = {"name": host, "file": None, "audited_at": None, "took_s": 0.0, "partial": True}
            self.hosts.append({**row, "state": "outside", "verdict": None, "verdicts": {}})

    def as_dict(self, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The content of fleet.json. previous: that of the run before, if there was one."""
        promises = [self._promise(promise) for promise in self.promises.values()]
        times = sorted(host["audited_at"] for host in self.hosts if host["audited_at"])
        return {
            "schema": SCHEMA,
            "run": self.run,
            "made_at": self.made_at,
            "audited_from": times[0] if times else None,
            "audited_at": times[-1] if times else None,
            "partial": any(host["partial"] for host in self.hosts),
            "statement": self.statement,
            "coverage": coverage(
                [{**promise, "waiver": {"until": self.promises[promise["id"]]["waiver"]}} for promise in promises]
            ),
            "hosts": self.hosts,
            "promises": promises,
            "notices": sorted(self._notices.values(), key=lambda notice: notice["until"]),
            "previous": {key: previous[key] for key in ("run", "made_at")} if previous else None,
            "changes": self.changes(previous) if previous else [],
        }

    @staticmethod
    def _promise(promise: Mapping[str, Any]) -> dict[str, Any]:
        """One promise with the fleet's verdict."""
        kept = {key: promise[key] for key in ("id", "where", "says", "gdpr")}
        return {**kept, "verdict": fleet_verdict(promise["hosts"].values()), "hosts": promise["hosts"]}

    def changes(self, previous: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Where a verdict differs from the previous run's: host, promise, before (None: was not there), after."""
        before = verdicts_of(previous)
        found = [
            {"host": host["name"], "promise": promise, "before": before.get((host["name"], promise)), "after": after}
            for host in self.hosts
            for promise, after in host["verdicts"].items()
            if before.get((host["name"], promise)) != after
        ]
        return sorted(found, key=lambda change: VERDICTS.index(change["after"]))


def _judged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without what findings say: memory for a thousand hosts."""
    statuses = dict.fromkeys(finding["status"] for finding in entry["findings"])
    kept = {"id": entry["id"], "verdict": entry["verdict"], "planned": entry.get("planned")}
    return {**kept, "findings": [{"status": status} for status in statuses]}


def verdicts_of(fleet: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """A fleet.json's verdicts by host and promise."""
    return {
        (host["name"], promise): verdict for host in fleet["hosts"] for promise, verdict in host["verdicts"].items()
    }
