# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The register of a published statement: what it promises, read and checked. docs/register.md tells how to write one.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from ..module_utils._finding import ERROR, Finding
from ..module_utils._measure import Measure
from ..module_utils._measures import MEASURES
from ..module_utils._option import Option, Period
from ._register import PROMISES, STATEMENT, WAIVERS, Mistake, Reader, StatementError, read_file

__all__ = ["Promise", "Statement", "StatementError", "cached", "statement_of_play"]

WHOLE = ("all", "*")  # patterns that every host matches


@dataclass(frozen=True)
class Attestation:
    """Somebody's word for a promise. until: the last day on which it counts."""

    by: str
    since: dt.date
    lasts: str
    evidence: str

    @property
    def until(self) -> dt.date:
        """The last day on which it counts."""
        return _later(self.since, Period.parse(self.lasts))

    def as_dict(self) -> dict[str, str]:
        """The attestation as plain JSON types."""
        return {
            "by": self.by,
            "since": self.since.isoformat(),
            "for": self.lasts,
            "until": self.until.isoformat(),
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class Standing:
    """Where hosts stand: at a supplier that has an API, in places as it calls them (none: anywhere).

    asked_within: how old what its API told may be.
    """

    supplier: str
    places: tuple[str, ...] = ()
    asked_within: str = "1 day"


@dataclass(frozen=True)
class Plan:
    """A promise that has no measure yet. until: the day from which that fails a run."""

    until: dt.date
    reason: str

    def as_dict(self) -> dict[str, str]:
        """The plan as plain JSON types."""
        return {"until": self.until.isoformat(), "reason": self.reason}


@dataclass(frozen=True)
class Waiver:
    """Leave to break a promise on some hosts. until: the last day on which it counts."""

    promise: str
    hosts: tuple[str, ...]
    reason: str
    by: str
    until: dt.date

    def as_dict(self) -> dict[str, str]:
        """The waiver as plain JSON types."""
        return {
            "promise": self.promise,
            "hosts": ",".join(self.hosts),
            "reason": self.reason,
            "by": self.by,
            "until": self.until.isoformat(),
        }


@dataclass(frozen=True)
class Supplier:
    """Another company that gets data, or on whose machines it stands.

    data: the fields passed on. url: its own page on what it does with them, "" where the statement names none.
    reviewed: the day on which somebody last looked at all this.
    """

    name: str
    role: str
    data: list[str]
    ground: str
    reviewed: dt.date
    url: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The supplier as plain JSON types; without 'url' where there is none, which is a fault of the text."""
        told = {**vars(self), "reviewed": self.reviewed.isoformat()}
        return {key: value for key, value in told.items() if value != "" or key != "url"}


@dataclass(frozen=True)
class Conflict:
    """Promises that pull against each other or against the law. chosen: what is done about it, "" if nothing yet.

    between: promises' ids, and what else is involved in words.
    """

    between: list[str]
    says: str
    chosen: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The conflict as plain JSON types; without 'chosen' where nothing is."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass(frozen=True)
class Promise:
    """One thing that the statement binds the provider to.

    hosts: patterns of the hosts that it is about; none means wherever its subject is found.
    measures: what it asks of each measure, by option, parsed. unset: periods that the statement leaves open and
    that nobody has set yet, as (measure, option). chosen: reasons of the periods that the provider chose, by
    '<measure>.<option>'. fingerprint: of the sentences that 'where' points to, "" where the register has none.
    """

    id: str
    where: Mapping[str, Any]
    says: str
    gdpr: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unset: tuple[tuple[str, str], ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)
    stands_at: Standing | None = None
    attested: Attestation | None = None
    planned: Plan | None = None
    fingerprint: str = ""

    def applies_to(self, host: str, groups: Iterable[str] = ()) -> bool:
        """Whether the promise is about a host that is in these groups."""
        return not self.hosts or matches(self.hosts, host, groups)

    def names(self, host: str, groups: Iterable[str] = ()) -> bool:
        """Whether the promise's 'hosts' names the host, so that its subject must be there."""
        return bool(self.hosts) and matches(self.hosts, host, groups)

    def unset_findings(self) -> list[Finding]:
        """A finding for each period that nobody has set: the promise cannot be proven."""
        return [
            Finding(
                measure=measure,
                check="period_set",
                option=option,
                subject="the register",
                status=ERROR,
                proof="",
                expected=f"a period for {measure}.{option}, with its reason",
                observed="no period set",
                source=f"{STATEMENT}, promise {self.id}",
                remedy=f"set {measure}: {{{option}: {{period: …, reason: …}}}} in the register",
            )
            for measure, option in self.unset
        ]


@dataclass(frozen=True)
class Statement:
    """A published statement and its promises, in the register's order, with the waivers."""

    provider: str
    title: str
    language: str
    published: dt.date
    url: str
    text_sha256: str
    promises: tuple[Promise, ...]
    own_sites: tuple[str, ...] = ()
    own_databases: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    suppliers: tuple[Supplier, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    known: Mapping[str, Measure] = field(default_factory=lambda: MEASURES, repr=False, compare=False)

    @classmethod
    def load(
        cls,
        raw: object,
        waivers: object = None,
        today: dt.date | None = None,
        known: Mapping[str, Measure] = MEASURES,
    ) -> Statement:
        """The statement that a register and a list of waivers hold. Raises StatementError with all mistakes."""
        return _load(plain(raw), plain(waivers), today or _today(), known)

    @classmethod
    def load_file(cls, path: str, today: dt.date | None = None, known: Mapping[str, Measure] = MEASURES) -> Statement:
        """The statement of a file of variables. Raises StatementError, whose messages have line numbers."""
        document = read_file(path)
        wrong = list(document.mistakes)
        statement = None
        try:
            statement = cls.load(document.data.get(STATEMENT), document.data.get(WAIVERS), today, known)
        except StatementError as error:
            wrong += error.mistakes
        if wrong or statement is None:
            raise StatementError(wrong, document)
        return statement

    def head(self) -> dict[str, Any]:
        """What a report says about the statement itself, as plain JSON types; lists only where they hold something."""
        lists: Mapping[str, Sequence[Supplier | Conflict]] = {"suppliers": self.suppliers, "conflicts": self.conflicts}
        return {
            "provider": self.provider,
            "title": self.title,
            "language": self.language,
            "published": self.published.isoformat(),
            "url": self.url,
            "text_sha256": self.text_sha256,
            **{name: [entry.as_dict() for entry in entries] for name, entries in lists.items() if entries},
        }

    def promises_for(self, host: str | None, groups: Iterable[str] = ()) -> list[Promise]:
        """The promises about a host, or all of them where host is None."""
        named = tuple(groups)
        return [p for p in self.promises if host is None or p.applies_to(host, named)]

    def promised(self, measure: str, option: str, host: str | None = None, groups: Iterable[str] = ()) -> Any:
        """The strictest value that the promises (about a host) set for an option, or None. Raises KeyError."""
        told = [promise.measures.get(measure, {}) for promise in self.promises_for(host, groups)]
        return strictest(self.known[measure].option(option), told)

    def promises_measure(self, measure: str, host: str | None = None, groups: Iterable[str] = ()) -> bool:
        """Whether a promise (about a host) sets an option of a measure."""
        return any(promise.measures.get(measure) for promise in self.promises_for(host, groups))

    def waiver_for(self, promise: str, host: str, groups: Iterable[str] = ()) -> Waiver | None:
        """The waiver of a promise on a host that lasts longest; it may have lapsed: compare its 'until'."""
        named = tuple(groups)
        found = [w for w in self.waivers if w.promise == promise and matches(w.hosts, host, named)]
        return max(found, key=lambda waiver: waiver.until, default=None)

    def check_hosts(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """Hold the register against an inventory: groups by host. Raises StatementError with all mistakes."""
        numbered = list(enumerate(self.promises))
        wrong = [
            Mistake((*PROMISES, number, "hosts"), _no_host(promise.hosts), f"promise {promise.id}")
            for number, promise in numbered
            if promise.hosts and not _any_host(promise.hosts, hosts)
        ]
        wrong += [
            Mistake((WAIVERS, number, "hosts"), _no_host(waiver.hosts), f"waiver of {waiver.promise}")
            for number, waiver in enumerate(self.waivers)
            if not _any_host(waiver.hosts, hosts)
        ]
        together = {tuple(n for n, p in numbered if p.applies_to(*host)) for host in hosts.items()}
        for numbers in sorted(together):
            wrong += conflicts([numbered[number] for number in numbers], self.known)
        if wrong:
            raise StatementError(list(dict.fromkeys(wrong)))


class Templar(Protocol):
    """What is asked of Ansible's templating."""

    def template(self, variable: Any) -> Any:
        """The value with its templates resolved."""


def statement_of_play(templar: Templar, variables: Mapping[str, Any], today: dt.date | None = None) -> Statement:
    """The statement of the host whose variables these are. Raises StatementError with all mistakes."""
    values = [templar.template(variables[name]) if name in variables else None for name in (STATEMENT, WAIVERS)]
    return cached(values[0], values[1], today)


def demands(raw: Any, measure: str, host: str | None = None, groups: Iterable[str] = ()) -> list[Promise]:
    """The promises of a register (about a host) that set something of one measure, with no more than that.

    Reads nothing else of the register, for every value that is read of an inventory's variable is templated then.
    Raises StatementError with what is wrong in that part, or where no host can keep all of them.
    """
    promises = raw.get("promises") if isinstance(raw, Mapping) else None
    if not isinstance(promises, list) or not all(isinstance(promise, Mapping) for promise in promises):
        return cached(raw).promises_for(host, groups) if raw else []
    parts = []
    for promise in promises:
        measures = promise.get("measures")
        if isinstance(measures, Mapping) and measure in measures:
            parts.append([promise.get("id"), promise.get("hosts"), measures[measure]])
    read = _demands(measure, json.dumps(plain(parts), default=str))
    named = tuple(groups)
    applying = [promise for promise in read if host is None or promise.applies_to(host, named)]
    clashing = list(conflicts(enumerate(applying), MEASURES)) if host is not None else []
    if clashing:
        raise StatementError(clashing)
    return applying


@lru_cache(maxsize=256)
def _demands(measure: str, content: str) -> list[Promise]:
    reader = Reader(_today(), MEASURES)
    read = [reader.demand(measure, *part) for part in json.loads(content)]
    if reader.mistakes:
        raise StatementError(reader.mistakes)
    return [Promise(where={}, says="", **fields) for fields in read]


def cached(raw: object, waivers: object = None, today: dt.date | None = None) -> Statement:
    """As Statement.load, but a register is read once however often it is asked for."""
    return _cached(json.dumps([plain(raw), plain(waivers)], default=str), today or _today())


@lru_cache(maxsize=8)
def _cached(content: str, today: dt.date) -> Statement:
    raw, waivers = json.loads(content)
    return Statement.load(raw, waivers, today)


def plain(value: Any) -> Any:
    """The value without Ansible's tags: plain dicts, lists and texts; dates and numbers stay what they are."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, bool) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


# -- hosts ---------------------------------------------------------------------------------------------------------


def matches(patterns: Sequence[str], host: str, groups: Iterable[str] = ()) -> bool:
    """Whether patterns name a host or one of its groups; '!pattern' takes away."""
    names = (host, *groups)

    def hit(pattern: str) -> bool:
        return pattern in WHOLE or any(fnmatch.fnmatchcase(name, pattern) for name in names)

    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return (not wanted or any(map(hit, wanted))) and not any(map(hit, unwanted))


def _any_host(patterns: Sequence[str], hosts: Mapping[str, Sequence[str]]) -> bool:
    return any(matches(patterns, host, groups) for host, groups in hosts.items())


def _no_host(patterns: Sequence[str]) -> str:
    return f"{','.join(patterns)!r} matches no host of the inventory; name a host, a group or a pattern like 'web*'"


# -- the strictest value -------------------------------------------------------------------------------------------


def _meant(option: Option, options: Mapping[str, Any]) -> Any:
    """The value by which a promise is judged: its own, or the default of an option that only directs; or None."""
    return options.get(option.name, None if option.judged or not options else option.default)


def _union(option: Option, values: Sequence[Any]) -> Any:
    return option.parse(list(dict.fromkeys(item for value in values for item in value)))


def _days(value: object) -> int:
    return Period.parse(value).max_days


_STRICTEST: Mapping[str, Callable[[Option, Sequence[Any]], Any]] = {
    "union": _union,
    "true": lambda option, values: any(values),
    "shorter": lambda option, values: min(values, key=_days),
    "longer": lambda option, values: max(values, key=_days),
    "first": lambda option, values: min(values, key=option.choices.index),
    "": lambda option, values: values[0],
}


def strictest(option: Option, told: Iterable[Mapping[str, Any]]) -> Any:
    """The strictest value of an option in some promises' parsed options, the first where neither is; or None."""
    values = [value for options in told for value in [_meant(option, options)] if value is not None]
    return _STRICTEST[option.stricter](option, values) if values else None


def conflicts(promises: Iterable[tuple[int, Promise]], known: Mapping[str, Measure]) -> Iterator[Mistake]:
    """A mistake for each promise that no host can keep together with an earlier one; with their numbers."""
    first: dict[tuple[str, str], Promise] = {}
    for number, promise in promises:
        for measure, options in promise.measures.items():
            for option in known[measure].options:
                value = _meant(option, options)
                if value is None or option.stricter or not option.promisable:
                    continue
                earlier = first.setdefault((measure, option.name), promise)
                other = _meant(option, earlier.measures[measure])
                if other == value:
                    continue
                told = f"{value!r} here and {other!r} in promise {earlier.id}: no host can do both; make them equal"
                path = (*PROMISES, number, "measures", measure, option.name)
                yield Mistake(path, told, f"promise {promise.id}")


# -- reading -------------------------------------------------------------------------------------------------------


def _load(raw: object, waivers: object, today: dt.date, known: Mapping[str, Measure]) -> Statement:
    reader = Reader(today, known)
    fields = reader.statement(raw)
    listed = reader.waivers(waivers, fields.get("promises", ()))
    if reader.mistakes:
        raise StatementError(reader.mistakes)
    scope = fields.pop("scope", {})
    promises = tuple(_promise(entry) for entry in fields.pop("promises"))
    suppliers = tuple(Supplier(**entry) for entry in fields.pop("suppliers"))
    named = tuple(Conflict(**entry) for entry in fields.pop("conflicts"))
    # without an inventory, promises are surely about one host where one names none or both name the same
    together = [
        [(number, p) for number, p in enumerate(promises) if not p.hosts or p.hosts == hosts]
        for hosts in dict.fromkeys(p.hosts for p in promises)
    ]
    clashing = [mistake for group in together for mistake in conflicts(group, known)]
    if clashing:
        raise StatementError(list(dict.fromkeys(clashing)))
    return Statement(
        **fields,
        promises=promises,
        own_sites=tuple(scope.get("own_sites", ())),
        own_databases=tuple(scope.get("own_databases", ())),
        suppliers=suppliers,
        conflicts=named,
        waivers=tuple(Waiver(**{"hosts": ("all",), **waiver}) for waiver in listed),
        known=known,
    )


def _promise(entry: dict[str, Any]) -> Promise:
    attested, planned = entry.pop("attested", None), entry.pop("planned", None)
    if attested:
        attested = Attestation(attested["by"], attested["since"], attested["for"], attested["evidence"])
    fingerprint = entry["where"].pop("fingerprint", "")
    planned = Plan(**planned) if planned else None
    standing = entry.pop("stands_at", None)
    standing = Standing(**{**standing, "places": tuple(standing.get("places", ()))}) if standing else None
    return Promise(**entry, attested=attested, planned=planned, fingerprint=fingerprint, stands_at=standing)


def _today() -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date()


def _later(day: dt.date, period: Period) -> dt.date:
    """The day that lies a period after another."""
    return period.after(dt.datetime(day.year, day.month, day.day)).date()  # noqa: DTZ001
