# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of a register: which keys it has, what they may hold, and one line for each mistake in it.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ..module_utils._measure import Measure
from ..module_utils._option import Option, Period

Path = tuple[str | int, ...]  # where in the register: the keys and list positions from the top

STATEMENT, WAIVERS = "statement", "statement_waivers"  # the variables of an inventory
PROMISES: Path = (STATEMENT, "promises")
SUPPLIERS: Path = (STATEMENT, "suppliers")
CONFLICTS: Path = (STATEMENT, "conflicts")
REGISTER = "register"  # what a mistake is about that concerns the file as a whole

LANGUAGES = ("nl", "en")
DATABASES = ("mariadb", "mysql", "postgresql", "redis")
OPEN = "open"  # a period that the statement leaves open and that nobody has set yet
UNDECIDED = "TO BE DECIDED"  # what a first draft has where somebody must say what is right
LONGEST_ATTESTATION = "2 years"  # our own bound, like the next: somebody's word goes stale
LONGEST_PLAN = "2 years"
LONGEST_WAIVER = "1 year"

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_SITE = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})+", re.IGNORECASE)
_DATABASE = re.compile(rf"[^\s@]+@(?:{'|'.join(DATABASES)})")
_ARTICLE = re.compile(r"[1-9]\d?(?:\([1-9]\d?\))?(?:\([a-z]\))?")
_SENTENCES = re.compile(r"[1-9]\d*-[1-9]\d*")
_PATTERN = re.compile(r"!?[^\s,:&~!{}]+")


# -- mistakes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a register. about: the promise or waiver, else the statement; text: what would be right."""

    path: Path
    text: str
    about: str = STATEMENT

    def __str__(self) -> str:
        if self.about == REGISTER:
            below = self.path
        elif self.path[:2] in (PROMISES, SUPPLIERS, CONFLICTS) and len(self.path) > len(PROMISES):
            below = self.path[3:]
        else:
            below = self.path[2 if self.path[:1] == (WAIVERS,) else 1 :]
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in below)
        line = " ".join(": ".join(part for part in (self.about, key, self.text) if part).split())
        return "".join(letter if letter.isprintable() else "?" for letter in line)


class StatementError(Exception):
    """A register that cannot be used. mistakes: all that is wrong; messages: one line each."""

    def __init__(self, mistakes: Sequence[Mistake], document: Document | None = None) -> None:
        self.mistakes = list(mistakes)
        self.messages = [document.locate(mistake) if document else str(mistake) for mistake in mistakes]
        super().__init__("\n".join(self.messages))


def suggest(name: object, known: Iterable[str]) -> str:
    """What would be right instead of an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(names)}"


def shown(value: object) -> str:
    """A value in a message: short, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dt.date, int, float)):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…'"


# -- values --------------------------------------------------------------------------------------------------------
# Each takes a value and gives it in its normal form, or raises ValueError with what would be right.


def _text(value: object) -> str:
    if isinstance(value, bool):
        raise ValueError(f"{shown(value)} is no text; YAML reads on, off, yes and no so: put the word in quotes")
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{shown(value)} is no text; put it in quotes")
    return " ".join(value.split())


def _matching(form: re.Pattern[str], right: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _text(value)
        if not form.fullmatch(text):
            raise ValueError(f"{shown(text)} is not {right}")
        return text

    return read


def _texts(read: Callable[[object], str], example: str) -> Callable[[object], list[str]]:
    def read_all(value: object) -> list[str]:
        if not isinstance(value, list):
            raise ValueError(f"{shown(value)} is no list; write {example}")
        return [read(item) for item in value]

    return read_all


def _language(value: object) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"{shown(value)} is not one of {', '.join(LANGUAGES)}")
    return str(value)


def _date(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.date(value.year, value.month, value.day)
    try:
        if not isinstance(value, str):
            raise ValueError
        return dt.date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{shown(value)} is no date; write it like 2026-01-31") from None


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{shown(value)} is no number; count from 1")
    return int(value)


def _sentence(value: object) -> int | str:
    if isinstance(value, str) and _SENTENCES.fullmatch(value):
        return str(value)
    try:
        return _number(value)
    except ValueError:
        raise ValueError(f"{shown(value)} is no sentence's number; count from 1, and write several as 1-3") from None


def _section(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value} is no heading; for a paragraph without one write paragraph: {value}")
    return _text(value)


def _article(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if not _ARTICLE.fullmatch(text) or int(re.split(r"\D", text)[0]) > 99:
        raise ValueError(f"{shown(text)} is no article of the GDPR; write it like '5(1)(e)' or '32'")
    return text


def _articles(value: object) -> tuple[str, ...]:
    return tuple(_article(item) for item in (value if isinstance(value, list) else [value]))


def _hosts(value: object) -> tuple[str, ...]:
    patterns = value if isinstance(value, list) else _text(value).split(",")
    texts = [_text(pattern) for pattern in patterns]
    for text in texts:
        if not _PATTERN.fullmatch(text):
            raise ValueError(
                f"{shown(text)} is no pattern of hosts; write names, groups or wildcards like 'web*,!web9'"
            )
    if not texts:
        raise ValueError("names no host; leave the key out where a promise is about every host")
    return tuple(texts)


def _period(value: object) -> str:
    return str(Period.parse(value))


_site = _matching(_SITE, "the name of a site; write it like 'www.example.nl', without https:// or a path")
_database = _matching(_DATABASE, f"a database; write it like 'crm@postgresql' ({', '.join(DATABASES)})")


@dataclass(frozen=True)
class Key:
    """A key of a mapping: how its value is read, or the keys of the mapping that it holds; and how one is written."""

    example: str
    read: Callable[[object], Any] = _text
    keys: Mapping[str, Key] = field(default_factory=dict)
    required: bool = True


def _raw(value: object) -> object:
    return value


_url = _matching(_URL, "an address; write it like https://example.nl/privacy")
_words = _texts(_text, "[name, address]")

SUPPLIER_KEYS: Mapping[str, Key] = {
    "name": Key("Example Registrar"),
    "role": Key("registers domain names"),
    "data": Key("[name, address]", _words),
    "ground": Key("the contract, 6(1)(b)"),
    "url": Key("https://registrar.example/privacy", _url, required=False),
    "reviewed": Key("2026-01-31", _date),
}
CONFLICT_KEYS: Mapping[str, Key] = {
    "between": Key("[removed-on-request, seven-years-for-the-tax]", _words),
    "says": Key("what one asks and the other forbids"),
    "chosen": Key("what is done about it", required=False),
}
STATEMENT_KEYS: Mapping[str, Key] = {
    "provider": Key("Example Hosting"),
    "title": Key("Privacy statement"),
    "language": Key("nl", _language),
    "published": Key("2026-01-05", _date),
    "url": Key("https://example.nl/privacy", _url),
    "text_sha256": Key(
        "the 64 digits that docs/register.md tells how to make",
        _matching(re.compile(r"[0-9a-f]{64}"), "a SHA-256: 64 digits and letters a to f (docs/register.md makes it)"),
    ),
    "scope": Key(
        "{own_sites: [example.nl]}",
        required=False,
        keys={
            "own_sites": Key("[example.nl]", _texts(_site, "[example.nl, panel.example.nl]"), required=False),
            "own_databases": Key("[crm@postgresql]", _texts(_database, "[crm@postgresql]"), required=False),
        },
    ),
    "suppliers": Key("a list of suppliers", _raw, required=False),
    "conflicts": Key("a list of conflicts", _raw, required=False),
    "promises": Key("a list of promises", _raw),
}
PROMISE_KEYS: Mapping[str, Key] = {
    "id": Key("traffic-kept-two-years", _matching(_ID, "a name of small letters, digits and hyphens")),
    "where": Key(
        "{section: Web hosting, sentence: 1}",
        keys={
            "section": Key("Web hosting", _section, required=False),
            "paragraph": Key("8", _number, required=False),
            "sentence": Key("1", _sentence),
            "fingerprint": Key(
                "the 16 digits that the statement check shows",
                _matching(_FINGERPRINT, "a fingerprint: 16 digits and letters a to f (the statement check shows it)"),
                required=False,
            ),
        },
    ),
    "says": Key("what it promises, in your own words"),
    "gdpr": Key('["5(1)(e)"]', _articles, required=False),
    "hosts": Key("web*", _hosts, required=False),
    "measures": Key("{log_retention: {web: 2 years}}", _raw, required=False),
    "stands_at": Key(
        "{supplier: OVH}",
        required=False,
        keys={
            "supplier": Key("OVH"),
            "places": Key("[gra, rbx]", _texts(_text, "[gra, rbx]"), required=False),
            "asked_within": Key("1 day", _period, required=False),
        },
    ),
    "attested": Key(
        "{by: the director, since: 2026-01-05, for: 1 year, evidence: minutes 2026-01}",
        required=False,
        keys={
            "by": Key("the director"),
            "since": Key("2026-01-05", _date),
            "for": Key("1 year", _period),
            "evidence": Key("minutes 2026-01"),
        },
    ),
    "planned": Key(
        "{until: 2027-06-01, reason: no measure for it yet}",
        required=False,
        keys={"until": Key("2027-06-01", _date), "reason": Key("no measure for it yet")},
    ),
}
WAIVER_KEYS: Mapping[str, Key] = {
    "promise": Key("traffic-kept-two-years"),
    "hosts": Key("web1", _hosts, required=False),
    "reason": Key("the disk is replaced in May"),
    "by": Key("the director"),
    "until": Key("2026-06-01", _date),
}
CHOSEN_KEYS: Mapping[str, Key] = {
    "period": Key("1 year", _raw),
    "reason": Key("why so long"),
}
KEPT_BY = ("measures", "stands_at", "attested", "planned")


# -- the reader ----------------------------------------------------------------------------------------------------


class Reader:
    """Reads a register into plain values and collects its mistakes."""

    def __init__(self, today: dt.date, known: Mapping[str, Measure]) -> None:
        self.today = today
        self.known = known
        self.mistakes: list[Mistake] = []
        self._undecided: set[Path] = set()

    def wrong(self, path: Path, about: str, text: str) -> None:
        """Note a mistake; not where something is yet to be decided, which is told by itself."""
        if not any(path[: len(place)] == place for place in self._undecided):
            self.mistakes.append(Mistake(path, text, about))

    def undecided(self, raw: object) -> None:
        """Note what a first draft leaves to be decided, anywhere in a statement."""
        for path in _places(raw, UNDECIDED, (STATEMENT,)):
            text = "is yet to be decided; put in what is right, or take it out"
            self.wrong(path, _about(path, {STATEMENT: raw}), text)
            self._undecided.add(path)

    def keys(self, raw: object, keys: Mapping[str, Key], path: Path, about: str) -> dict[str, Any]:
        """The values of a mapping's keys, those that could be read."""
        if not isinstance(raw, Mapping):
            example = ", ".join(f"{name}: …" for name, key in keys.items() if key.required or not _any_required(keys))
            self.wrong(path, about, f"{shown(raw)} is no mapping; write {example}")
            return {}
        for name in raw:
            if name not in keys:
                self.unknown_key(name, keys, path, about)
        values: dict[str, Any] = {}
        for name, key in keys.items():
            if raw.get(name) is None:
                if key.required or name in raw:
                    self.wrong((*path, name), about, f"missing; write {name}: {key.example}")
            elif key.keys:
                values[name] = self.keys(raw[name], key.keys, (*path, name), about)
            else:
                self.value(raw[name], key.read, (*path, name), about, values)
        return values

    def unknown_key(self, name: object, keys: Iterable[str], path: Path, about: str) -> None:
        """Note a key that does not exist."""
        if isinstance(name, bool) or name in ("true", "false"):
            text = f"{str(name).lower()} is no key; YAML reads on, off, yes and no so: put the word in quotes"
            self.wrong(path, about, text)
        else:
            self.wrong((*path, str(name)), about, f"no such key; {suggest(name, keys)}")

    def value(self, raw: object, read: Callable[[object], Any], path: Path, about: str, values: dict[str, Any]) -> None:
        """Read one value into values, under the last part of its path."""
        try:
            values[str(path[-1])] = read(raw)
        except ValueError as error:
            self.wrong(path, about, str(error))

    def within(self, day: dt.date | None, longest: str, path: Path, about: str, what: str) -> None:
        """Note a day that lies further ahead than a period."""
        last = Period.parse(longest).after(dt.datetime(self.today.year, self.today.month, self.today.day))  # noqa: DTZ001
        if day and day > last.date():
            self.wrong(path, about, f"{day} is too far ahead; {what} lasts at most {longest}, so to {last.date()}")

    def past(self, day: dt.date | None, path: Path, about: str) -> None:
        """Note a day that is yet to come."""
        if day and day > self.today:
            self.wrong(path, about, f"{day} is yet to come; today is {self.today}")

    def statement(self, raw: object) -> dict[str, Any]:
        """The statement's fields, with the promises as a list of fields."""
        path: Path = (STATEMENT,)
        if raw is None or raw == {}:
            self.wrong(path, STATEMENT, "missing; write the register in group_vars/all/statement.yml")
            return {}
        self.undecided(raw)
        fields = self.keys(raw, STATEMENT_KEYS, path, STATEMENT)
        self.past(fields.get("published"), (*path, "published"), STATEMENT)
        promises = fields.get("promises")
        if promises is not None:
            fields["promises"] = self.promises(promises, PROMISES)
        fields["suppliers"] = self.listed(fields.get("suppliers"), SUPPLIERS, self.supplier)
        fields["conflicts"] = self.listed(fields.get("conflicts"), CONFLICTS, self.conflict)
        self.conflicting(fields["conflicts"], [entry.get("id") for entry in fields.get("promises", ())])
        self.standing(fields["suppliers"], fields.get("promises", ()))
        return fields

    def listed(self, raw: object, path: Path, read: Callable[[object, Path], dict[str, Any]]) -> list[dict[str, Any]]:
        """The fields of all entries of a list that may be missing."""
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.wrong(path, STATEMENT, f"{shown(raw)} is no list; write each entry as '- …'")
            return []
        return [read(entry, (*path, number)) for number, entry in enumerate(raw)]

    def supplier(self, raw: object, path: Path) -> dict[str, Any]:
        """The fields of one supplier."""
        about = _about(path, {STATEMENT: {path[1]: {path[2]: raw}}})
        fields = self.keys(raw, SUPPLIER_KEYS, path, about)
        self.past(fields.get("reviewed"), (*path, "reviewed"), about)
        return fields

    def conflict(self, raw: object, path: Path) -> dict[str, Any]:
        """The fields of one conflict."""
        about = f"conflict number {int(path[-1]) + 1}"
        fields = self.keys(raw, CONFLICT_KEYS, path, about)
        if len(fields.get("between", ("", ""))) < 2:
            text = f"names fewer than two; write between: {CONFLICT_KEYS['between'].example}"
            self.wrong((*path, "between"), about, text)
        return fields

    def conflicting(self, conflicts: Sequence[Mapping[str, Any]], ids: Sequence[object]) -> None:
        """Note the conflicts of promises that there are not. ids: those of the promises."""
        known = [str(name) for name in ids if name]
        for number, conflict in enumerate(conflicts):
            unknown = [name for name in conflict.get("between", ()) if _ID.fullmatch(name) and name not in known]
            for name in unknown if len(known) == len(ids) else ():
                text = f"no promise {name!r}; {suggest(name, known)}; a law or the like is told in words, as 'the GDPR'"
                self.wrong((*CONFLICTS, number, "between"), f"conflict number {number + 1}", text)

    def standing(self, suppliers: Sequence[Mapping[str, Any]], promises: Sequence[Mapping[str, Any]]) -> None:
        """Note the promises about a supplier that the register's list of suppliers lacks, where it has one."""
        listed = [str(entry.get("name", "")).casefold() for entry in suppliers]
        for number, promise in enumerate(promises):
            name = promise.get("stands_at", {}).get("supplier")
            if name and listed and not any(name.casefold() in entry for entry in listed):
                path = (*PROMISES, number, "stands_at", "supplier")
                self.wrong(path, f"promise {promise.get('id')}", f"no supplier is called {name!r}; add it to suppliers")

    def promises(self, raw: object, path: Path) -> list[dict[str, Any]]:
        """The fields of all promises."""
        if not isinstance(raw, list) or not raw:
            self.wrong(path, STATEMENT, f"{shown(raw)} is no list of promises; write each as '- id: …'")
            return []
        first: dict[str, int] = {}
        found = []
        for number, entry in enumerate(raw):
            fields = self.promise(entry, (*path, number), f"promise number {number + 1}")
            name = fields.get("id")
            if name and first.setdefault(name, number) != number:
                text = f"promise number {first[name] + 1} has this id too; give each its own"
                self.wrong((*path, number, "id"), f"promise {name}", text)
            found.append(fields)
        return found

    def promise(self, raw: object, path: Path, about: str) -> dict[str, Any]:
        """The fields of one promise."""
        if isinstance(raw, Mapping) and isinstance(raw.get("id"), str):
            about = f"promise {raw['id']}"
        fields = self.keys(raw, PROMISE_KEYS, path, about)
        if not isinstance(raw, Mapping):
            return fields
        kept_by = [key for key in KEPT_BY if raw.get(key) is not None]
        if not kept_by:
            self.wrong(path, about, f"nothing keeps it; give it one of {', '.join(KEPT_BY)}")
        if {"measures", "planned"} <= set(kept_by):
            text = "it has measures, so nothing is left to plan; take planned or measures away"
            self.wrong((*path, "planned"), about, text)
        where = raw.get("where")
        if isinstance(where, Mapping) and not {"section", "paragraph"} & set(where):
            text = "names no place; write section: Web hosting, or paragraph: 8 where there is no heading"
            self.wrong((*path, "where"), about, text)
        self.attested(fields.get("attested", {}), (*path, "attested"), about)
        self.within(fields.get("planned", {}).get("until"), LONGEST_PLAN, (*path, "planned", "until"), about, "a plan")
        if fields.get("measures") is not None:
            fields |= self.measures(fields["measures"], (*path, "measures"), about)
        return fields

    def attested(self, fields: Mapping[str, Any], path: Path, about: str) -> None:
        """Note what is wrong with an attestation's days."""
        self.past(fields.get("since"), (*path, "since"), about)
        lasts = fields.get("for")
        if lasts and Period.parse(lasts).max_days > Period.parse(LONGEST_ATTESTATION).max_days:
            text = f"{lasts!r} is too long; somebody's word counts for at most {LONGEST_ATTESTATION}"
            self.wrong((*path, "for"), about, text)

    def measures(self, raw: object, path: Path, about: str) -> dict[str, Any]:
        """The options that a promise sets: 'measures', and the periods that are 'unset' or 'chosen'."""
        found: dict[str, Any] = {"measures": {}, "unset": (), "chosen": {}}
        if not isinstance(raw, Mapping) or not raw:
            self.wrong(path, about, f"{shown(raw)} names no measure; write {PROMISE_KEYS['measures'].example}")
            return found
        for name, options in raw.items():
            measure = self.known.get(name)
            if isinstance(name, bool) or measure is None:
                self.wrong((*path, str(name)), about, f"no such measure; {suggest(name, self.known)}")
            elif not isinstance(options, Mapping) or not options:
                self.wrong((*path, name), about, f"{shown(options)} sets no option; {_options(measure)}")
            else:
                self.options(measure, options, (*path, name), about, found)
        return found

    def demand(self, measure: str, name: object, hosts: object, options: object) -> dict[str, Any]:
        """The fields of a promise that come of what it sets of one measure, and on which hosts."""
        about = f"promise {name}"
        fields: dict[str, Any] = {"id": str(name)}
        if hosts is not None:
            self.value(hosts, _hosts, (*PROMISES, 0, "hosts"), about, fields)
        return fields | self.measures({measure: options}, (*PROMISES, 0, "measures"), about)

    def options(
        self, measure: Measure, raw: Mapping[object, object], path: Path, about: str, found: dict[str, Any]
    ) -> None:
        """Read what a promise sets of one measure into found."""
        promisable = [option.name for option in measure.options if option.promisable]
        values: dict[str, Any] = {}
        judged = False
        for name, value in raw.items():
            option = next((option for option in measure.options if option.name == name), None)
            if option is None:
                self.wrong((*path, str(name)), about, f"no such option; {suggest(name, promisable)}")
            elif not option.promisable:
                text = f"no promise sets it, for it is a fact about a host; set the variable {measure.name}_{name}"
                self.wrong((*path, option.name), about, text)
            else:
                self.option(option, value, (*path, option.name), about, values, found)
            judged = judged or option is None or option.judged
        if not judged:
            self.wrong(path, about, f"sets nothing that is checked; {_options(measure)}")
        if values:
            found["measures"][measure.name] = values

    def option(
        self, option: Option, raw: object, path: Path, about: str, values: dict[str, Any], found: dict[str, Any]
    ) -> None:
        """Read one option into values; a period that the statement leaves open also into found."""
        measure = str(path[-2])
        if option.type == "period" and raw == OPEN:
            found["unset"] += ((measure, option.name),)
            return
        if option.type == "period" and isinstance(raw, Mapping):
            chosen = self.keys(raw, CHOSEN_KEYS, path, about)
            if "reason" in chosen:
                found["chosen"][f"{measure}.{option.name}"] = chosen["reason"]
            if "period" not in chosen:
                return
            raw, path = chosen["period"], (*path, "period")
        try:
            values[option.name] = option.parse(raw)
        except ValueError as error:
            self.wrong(path, about, str(error))

    def waivers(self, raw: object, promises: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The fields of all waivers. promises: the fields of the promises that there are."""
        path: Path = (WAIVERS,)
        if raw is None:
            return []
        if not isinstance(raw, list):
            self.wrong(path, "waivers", f"{shown(raw)} is no list of waivers; write each as '- promise: …'")
            return []
        return [self.waiver(entry, (*path, number), promises) for number, entry in enumerate(raw)]

    def waiver(self, raw: object, path: Path, promises: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The fields of one waiver."""
        about = f"waiver number {int(path[-1]) + 1}"
        if isinstance(raw, Mapping) and isinstance(raw.get("promise"), str):
            about = f"waiver of {raw['promise']}"
        fields = self.keys(raw, WAIVER_KEYS, path, about)
        ids = [entry["id"] for entry in promises if "id" in entry]
        if ids and len(ids) == len(promises) and fields.get("promise") not in (None, *ids):
            self.wrong((*path, "promise"), about, f"no such promise; {suggest(fields['promise'], ids)}")
        self.within(fields.get("until"), LONGEST_WAIVER, (*path, "until"), about, "a waiver")
        return fields


def _places(value: object, wanted: str, path: Path) -> Iterator[Path]:
    """Where a text stands in nested mappings and lists; of a list of texts, the list."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _places(item, wanted, (*path, str(name)))
    elif isinstance(value, list):
        if wanted in value:
            yield path
        for number, item in enumerate(value):
            if not isinstance(item, str):
                yield from _places(item, wanted, (*path, number))
    elif value == wanted:
        yield path


def _any_required(keys: Mapping[str, Key]) -> bool:
    return any(key.required for key in keys.values())


def _options(measure: Measure) -> str:
    names = [option.name for option in measure.options if option.promisable and option.judged]
    return f"{measure.name} has {', '.join(names)}"


# -- files ---------------------------------------------------------------------------------------------------------


@dataclass
class Document:
    """A file of variables. lines: the line of each key, by path; mistakes: what was wrong with it as YAML."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def locate(self, mistake: Mistake) -> str:
        """The mistake with the file and the line that it stands on."""
        path = mistake.path
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}: {mistake}"


class _Loader(yaml.SafeLoader):
    """YAML as inventories have it: !vault and !unsafe are texts."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


def read_file(name: str) -> Document:
    """A file of variables with its lines and duplicate keys. Raises StatementError when it is no YAML mapping."""
    document = Document(name)

    def unreadable(text: str, line: int = 1) -> StatementError:
        document.lines[()] = line
        return StatementError([Mistake((), text, REGISTER)], document)

    try:
        with open(name, encoding="utf-8") as stream:
            text = stream.read()
        node = yaml.compose(text, _Loader)
        data = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise unreadable(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise unreadable("cannot be read: it is not UTF-8; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = f"is no YAML: {error.problem}; look at the indentation and the quotes here and just above"
        raise unreadable(reason, mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise unreadable(f"is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(data, dict):
        raise unreadable(f"holds {shown(data)}; it must begin with 'statement:'")
    document.data = data
    _map_lines(node, (), document)
    return document


def _map_lines(node: yaml.Node | None, path: Path, document: Document) -> None:
    """Note the line of each key below a node, and the keys that stand there twice."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            where = (*path, number)
            document.lines[where] = item.start_mark.line + 1
            _map_lines(item, where, document)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[Path, int] = {}
    for key, value in node.value:
        where = (*path, str(key.value))
        line = key.start_mark.line + 1
        if where in seen:
            text = f"stands here twice, first on line {seen[where]}; keep one"
            document.mistakes.append(Mistake(where, text, _about(path, document.data)))
        seen.setdefault(where, line)
        document.lines[where] = line
        _map_lines(value, where, document)


_NAMED = {PROMISES: ("promise", "id"), SUPPLIERS: ("supplier", "name"), CONFLICTS: ("conflict", "")}


def _about(path: Path, data: Any) -> str:
    """The entry of one of the register's lists that a path leads into."""
    kind, name = _NAMED.get(path[:2], ("", ""))
    if kind and len(path) > 2:
        entry = data[STATEMENT][path[1]][path[2]]
        told = entry.get(name) if isinstance(entry, Mapping) else None
        return f"{kind} {told}" if isinstance(told, str) else f"{kind} number {int(path[2]) + 1}"
    if path[:1] == (WAIVERS,) and len(path) > 1:
        return f"waiver number {int(path[1]) + 1}"
    return STATEMENT if path[:1] == (STATEMENT,) else REGISTER
