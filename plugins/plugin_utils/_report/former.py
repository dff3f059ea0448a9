# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs before: which they are, what each host's verdicts were, and why a verdict is another now.

PRIVATE to the collection.

Two runs are compared in what both asked. A host that was out of reach or left out, and a promise whose measures were
left out by --tags, count as not asked: what an earlier run found out about them is looked up in the one before that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._verdict import ATTESTED, BROKEN, KEPT, LAPSED, NOT_APPLICABLE, UNPROVEN, VERDICTS, WAIVED
from .files import Past

LOOK_BACK = 10  # runs that are read in whole, at most

Pair = tuple[str, str]  # a host and a promise

# Why a verdict is not what it was, in the order in which a reader wants to know.
NEWLY_BROKEN = "newly_broken"  # the server, and nothing else, is another
MENDED = "mended"
OTHERWISE = "otherwise"
RAN_OUT = "ran_out"  # a waiver or an attestation did, and nothing else is another
CHECKS = "checks"  # the code that judges it is another: the server need not be
REGISTER = "register"  # what the register says of it is another
FIRST = "first"  # it was never asked there before
KINDS = (NEWLY_BROKEN, OTHERWISE, RAN_OUT, CHECKS, REGISTER, FIRST, MENDED)

_MENDED_FROM = (BROKEN, WAIVED)
_MENDED_TO = (KEPT, ATTESTED, NOT_APPLICABLE)


@dataclass(frozen=True)
class Told:
    """What a run told of one promise on one host, and by what it judged."""

    verdict: str
    asks: str | None
    waiver: str | None
    checks: frozenset[tuple[str, str]]
    made_at: str


@dataclass
class Former:
    """The runs before this one, as far as they say something of it.

    fleet: the fleet.json that changes are told against: the newest whole one on the statement, else the newest; None
    where there is none. told: by host and promise what it says, or where it did not ask, the newest that did.
    """

    fleet: Mapping[str, Any] | None = None
    told: dict[Pair, Told] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[Pair, str]:
        """The verdicts alone, as _verdict.failures takes them."""
        return {pair: told.verdict for pair, told in self.told.items()}


def former(past: Sequence[Past], fleet: Mapping[str, Any]) -> Former:
    """What earlier runs said of what this one asked. past: newest first; fleet: this run's fleet.json."""
    same = [one for one in past if one.about(fleet["statement"]) and one.made_at < fleet["made_at"]]
    ordered = sorted(same, key=lambda one: one.partial)  # stable: whole ones before partial ones, newest first
    read = ((one, content) for one in ordered if (content := one.read()))
    first, base = next(read, (None, None))
    if first is None or base is None:
        return Former()
    known = {host["name"] for host in base["hosts"]}
    wanted = {pair for pair, _told in asked(fleet) if pair[0] in known}
    found = Former(base, {pair: told for pair, told in asked(base) if pair in wanted})
    older = sorted((one for one in same if one is not first), key=lambda one: one.made_at, reverse=True)
    for one in older[: LOOK_BACK - 1]:
        left = wanted - found.told.keys()
        if not left:
            break
        found.told |= {pair: told for pair, told in asked(one.read() or {"hosts": []}) if pair in left}
    return found


def asked(fleet: Mapping[str, Any]) -> Iterator[tuple[Pair, Told]]:
    """What a fleet.json tells of the promises that were asked on hosts that answered."""
    checks = (fleet.get("checked_with") or {}).get("measures", {})
    promises = {one["id"]: one for one in fleet.get("promises", ())}
    judged_by = {
        name: frozenset((measure, str(checks.get(measure))) for measure in one.get("measures", ()))
        for name, one in promises.items()
    }
    for host in fleet["hosts"]:
        if host.get("state") != "audited":
            continue
        waivers, unasked = host.get("waivers", {}), _unasked(host)
        for name, verdict in host["verdicts"].items():
            if name not in unasked and verdict in VERDICTS:
                asks = promises.get(name, {}).get("asks")
                told = Told(verdict, asks, waivers.get(name), judged_by.get(name, frozenset()), str(fleet["made_at"]))
                yield (host["name"], name), told


def _unasked(host: Mapping[str, Any]) -> set[str]:
    """The promises that were not, or not wholly, asked on a host; in a report that does not tell, all that may be."""
    if "unasked" in host:
        return set(host["unasked"])
    return {name for name, verdict in host["verdicts"].items() if host.get("partial") and verdict == UNPROVEN}


def changes(now: Mapping[str, Any], before: Former) -> list[dict[str, Any]]:
    """Verdicts that are not what they were: host, promise, before, after, kind (of KINDS), and the run it was then.

    now: this run's fleet.json. Hosts that are new stand in `moved`; what was not asked now or then is left out.
    """
    if before.fleet is None:
        return []
    known = {host["name"] for host in before.fleet["hosts"]}
    whole = not before.fleet["partial"]
    found = []
    for (host, promise), told in asked(now):
        then = before.told.get((host, promise))
        if host not in known or (then is None and not whole) or (then and then.verdict == told.verdict):
            continue
        since = then.made_at if then and then.made_at != before.fleet["made_at"] else None
        change = {"host": host, "promise": promise, "before": then.verdict if then else None, "after": told.verdict}
        found.append({**change, "kind": kind(then, told), "since": since})
    return sorted(found, key=lambda one: (KINDS.index(one["kind"]), VERDICTS.index(one["after"])))


def kind(then: Told | None, now: Told) -> str:
    """Why a verdict is not what it was."""
    if then is None:
        return FIRST
    if None not in (then.asks, now.asks) and (then.asks, then.waiver) != (now.asks, now.waiver):
        return REGISTER
    if then.checks != now.checks:
        return CHECKS
    if now.verdict == LAPSED or (then.verdict == WAIVED and now.verdict in (BROKEN, UNPROVEN)):
        return RAN_OUT
    if now.verdict == BROKEN:
        return NEWLY_BROKEN
    return MENDED if then.verdict in _MENDED_FROM and now.verdict in _MENDED_TO else OTHERWISE


def moved(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What is another than in the run before, beside verdicts; of a limited run, what can be told of it."""
    whole = not (now["partial"] or before["partial"])
    hosts = {one["name"]: one.get("state") for one in now["hosts"]}
    former_hosts = {one["name"]: one.get("state") for one in before["hosts"]}
    promises = {one["id"]: one.get("asks") for one in now["promises"]}
    former_promises = {one["id"]: one.get("asks") for one in before.get("promises", ())}
    silent = ("unreached", "unaudited")
    return {
        "hosts_new": [name for name, state in hosts.items() if name not in former_hosts and state != "outside"],
        "hosts_gone": [name for name in former_hosts if name not in hosts] if whole else [],
        "hosts_silent": _between(hosts, former_hosts, ("audited",), silent),
        "hosts_back": _between(hosts, former_hosts, silent, ("audited",)),
        "promises_new": [name for name in promises if name not in former_promises] if whole else [],
        "promises_gone": [name for name in former_promises if name not in promises] if whole else [],
        "promises_changed": [name for name, asks in promises.items() if _both_differ(asks, former_promises.get(name))],
        "text": now["statement"].get("text_sha256") != before["statement"].get("text_sha256"),
        "collection": _other(_version(before), _version(now)),
        "checks": _other_checks(now, before),
    }


def _between(now: Mapping[str, Any], before: Mapping[str, Any], then: Sequence[str], today: Sequence[str]) -> list[str]:
    """The hosts that went from one of some states to one of others."""
    return [name for name, state in now.items() if state in today and before.get(name) in then]


def _both_differ(one: str | None, other: str | None) -> bool:
    return None not in (one, other) and one != other


def _version(fleet: Mapping[str, Any]) -> str | None:
    told = (fleet.get("checked_with") or {}).get("collection")
    return None if told is None else str(told)


def _other(before: str | None, after: str | None) -> list[str | None] | None:
    """Both, where they differ."""
    return [before, after] if before != after else None


def _other_checks(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The measures that both runs asked and that other code judged."""
    mine, theirs = ((fleet.get("checked_with") or {}).get("measures", {}) for fleet in (now, before))
    return [name for name in sorted(mine) if _both_differ(mine[name], theirs.get(name))]
