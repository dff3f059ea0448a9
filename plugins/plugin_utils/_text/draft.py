# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A first draft of a text's register. It sets what a sentence says, leaves the rest to be decided, invents nothing.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ...module_utils._measure import Measure
from ...module_utils._option import Option, Period
from .._register import UNDECIDED
from .binding import binding, words_for
from .language import language
from .lexicon import Language, Rule, lexicon
from .reading import Page
from .sentences import Sentence, fingerprint, sentences_of, sha256

WIDTH = 110  # of comments
LONGEST_ID = 50
_NUMERIC = re.compile(r"\b(?:(\d{4})-(\d\d?)-(\d\d?)|(\d\d?)[-./ ](\d\d?)[-./ ](\d{4}))\b")
_WORDED = re.compile(r"\b(?:(\d{1,2})(?:st|nd|rd|th)? (\w+),? (\d{4})|(\w+) (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}))\b")

_HEAD = """\
# A first draft of the register of {source}.
# It holds what the text says in so many words. What the text leaves open, or says in words that are not in the lexicon,
# is {undecided}; the register is refused until that is decided. A promise is kept by measures (docs/options.md),
# by people (attested) or by nothing yet (planned): docs/register.md tells how. Take out what is no promise."""


@dataclass(frozen=True)
class Draft:
    """The draft as YAML, its language, and the number of its promises and of places to be decided."""

    text: str
    language: str
    promises: int
    undecided: int


def draft(page: Page, source: str, known: Mapping[str, Measure], today: dt.date) -> Draft:
    """A first draft for a text. known: the measures that there are. Raises TextError where it cannot be read."""
    words = lexicon()
    main = language(page, words)
    sentences = sentences_of(page, words)
    told = binding(sentences, words, main)
    head = {
        "provider": UNDECIDED,
        "title": page.title or UNDECIDED,
        "language": main,
        "published": _published(page, words.languages[main], main, today) or UNDECIDED,
        "url": UNDECIDED,
        "text_sha256": sha256(page),
        "scope": {"own_sites": [UNDECIDED]},
    }
    named: set[str] = set()
    lines = ["---", _HEAD.format(source=_clean(source), undecided=UNDECIDED)]
    lines += [_yaml({"statement": head}, 0), "  promises:"]
    for place in told:
        lines += _promise(sentences[place], words_for(sentences[place], words, main), known, named)
    if not told:
        lines[-1] = f"  promises: {UNDECIDED}"
    text = "\n".join(lines) + "\n"
    return Draft(text, main, len(told), len(re.findall(rf"^(?!\s*#).*{UNDECIDED}", text, re.MULTILINE)))


def _promise(sentence: Sentence, words: Language, known: Mapping[str, Measure], named: set[str]) -> Iterator[str]:
    """The lines of one promise."""
    measures = options(sentence, words, known)
    mark = fingerprint([sentence])
    entry: dict[str, Any] = {"id": _id(sentence, named), "where": {**sentence.where(), "fingerprint": mark}}
    entry["says"] = UNDECIDED
    if measures:
        entry["measures"] = measures
    else:
        entry["planned"] = {"until": UNDECIDED, "reason": UNDECIDED}
    yield from textwrap.wrap(
        f"the text: {_clean(sentence.text)}", WIDTH, initial_indent="    # ", subsequent_indent="    # "
    )
    perhaps = [] if measures else [name for name, phrases in words.measures.items() if phrases.search(sentence.text)]
    if perhaps:
        yield f"    # perhaps: {', '.join(perhaps)}"
    yield _yaml([entry], 4)


def _yaml(value: object, indent: int) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False)
    return textwrap.indent(text.rstrip("\n"), " " * indent)


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _id(sentence: Sentence, named: set[str]) -> str:
    """An id that no other promise has, by the sentence's place."""
    ascii_only = unicodedata.normalize("NFKD", sentence.section).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_only)
    while words and len("-".join(words)) > LONGEST_ID - 4:
        words.pop()
    stem = "-".join(words) or f"paragraph-{sentence.paragraph}"
    number = sentence.number if words else sentence.in_paragraph
    while f"{stem}-{number}" in named:
        number += 1
    named.add(f"{stem}-{number}")
    return f"{stem}-{number}"


# -- options -------------------------------------------------------------------------------------------------------


def options(sentence: Sentence, words: Language, known: Mapping[str, Measure]) -> dict[str, dict[str, Any]]:
    """The options by measure that a sentence names, with their values or UNDECIDED."""
    found: dict[str, dict[str, Any]] = {}
    for text in _clauses(sentence):
        for rule in () if words.customer.search(text) else words.rules:
            for measure, values in _named(rule, text, words, known).items():
                for name, value in values.items() if not (rule.once and measure in found) else ():
                    _merge(found.setdefault(measure, {}), name, value)
    return found


def _clauses(sentence: Sentence) -> list[str]:
    """What is read by itself, so that one clause's period is not taken for another's: items with what leads to them."""
    lead, *items = sentence.parts
    return [f"{lead} {item}" for item in items] or re.split(r";\s+", lead)


def _merge(values: dict[str, Any], name: str, value: Any) -> None:
    """Add an option's value; lists add up, and what does not agree is undecided."""
    if name in values and isinstance(value, list) and isinstance(values[name], list):
        values[name] += [item for item in value if item not in values[name]]
    elif values.setdefault(name, value) != value:
        values[name] = UNDECIDED


def _named(rule: Rule, text: str, words: Language, known: Mapping[str, Measure]) -> dict[str, dict[str, Any]]:
    """The options that a rule names in a text; none where the text is not about it."""
    if not all(phrase.search(text) for phrase in rule.about):
        return {}
    unsure = any(phrase.search(text) for phrase in rule.unless)
    found = {}
    for measure, told in rule.sets.items():
        if measure not in known:
            continue
        values = {name: _value(known[measure].option(name), value, text, words, unsure) for name, value in told.items()}
        values = {name: value for name, value in values.items() if value is not None}
        if any(known[measure].option(name).judged for name in values):
            found[measure] = values
    return found


def _value(option: Option, told: Any, text: str, words: Language, unsure: bool) -> Any:
    """What a text says of an option: its value, UNDECIDED, or None where it says nothing of it."""
    if isinstance(told, Mapping):
        said = [name for name, phrase in told.items() if phrase.search(text)]
        if option.type == "list":
            return (UNDECIDED if unsure else said) if said else None
        if not said and option.type == "choice":
            return None
        return said[0] if len(said) == 1 and not unsure else UNDECIDED
    if told == "period":
        return UNDECIDED if unsure else _length(text, words)
    if unsure or told == "undecided":
        return UNDECIDED
    return list(option.choices) if told == "all" else told


def _length(text: str, words: Language) -> str:
    """The one period of a text, as an option has it; UNDECIDED where it has several, or bounds it in some way."""
    found = {(match["number"].casefold(), match["unit"].casefold()) for match in words.period.finditer(text)}
    if len(found) != 1 or words.bounded.search(text):
        return UNDECIDED
    ((number, unit),) = found
    amount = words.numbers.get(number) or int(number)
    return str(Period(**{words.units[unit]: amount})) if amount else UNDECIDED


# -- the day -------------------------------------------------------------------------------------------------------


def _published(page: Page, words: Language, main: str, today: dt.date) -> dt.date | None:
    """The day that a text says it is of; None where it says none, or one that can be read in two ways."""
    days = set()
    for block in page.blocks:
        label = words.dated.search(block.text)
        if label:
            near = block.text[label.end() : label.end() + 40]
            days |= set(_days(near, words, main))
    (day,) = days if len(days) == 1 else (None,)
    return day if day and day <= today else None


def _days(text: str, words: Language, main: str) -> Iterator[dt.date]:
    for match in _NUMERIC.finditer(text):
        year, month, day = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
        if match[1] or main != "en" or day == month or int(day) > 12:
            yield from _day(year, int(month), day)
    for match in _WORDED.finditer(text):
        day, name, year = match.group(1, 2, 3) if match[1] else match.group(5, 4, 6)
        if name.casefold() in words.months:
            yield from _day(year, words.months[name.casefold()], day)


def _day(year: str, month: int, day: str) -> Sequence[dt.date]:
    try:
        return [dt.date(int(year), month, int(day))]
    except ValueError:
        return []
