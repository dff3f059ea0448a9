# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What words mean, out of lexicon.yml: which tell a language, which bind, which name an option of a measure.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("lexicon.yml")
GAP = r"(?:[^.;:!?]|[.:](?=\w)){0,90}?"  # what a '~' stands for: words of the same sentence

Pattern = re.Pattern[str]


@dataclass(frozen=True)
class Rule:
    """What a sentence has to say, and not to say, for a first draft to name an option of a measure.

    sets: options by measure with their values; a value may be the word 'period' (that of the sentence), 'undecided', or
    a mapping of items to phrases. unless: phrases that make every value of the rule undecided. once: whether the rule
    is left out where an earlier one named the measure.
    """

    about: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    sets: Mapping[str, Mapping[str, Any]]
    once: bool = False


@dataclass(frozen=True)
class Language:
    """The words of one of the languages that are read. binding: phrases by what they tell of."""

    binding: Mapping[str, Pattern]
    binding_heading: Pattern
    strong: frozenset[str]
    excused: Pattern
    numbers: Mapping[str, int]
    units: Mapping[str, str]
    bounded: Pattern
    customer: Pattern
    rules: tuple[Rule, ...]
    measures: Mapping[str, Pattern]
    dated: Pattern
    months: Mapping[str, int]

    @property
    def period(self) -> Pattern:
        """A length of time: its number or number's word, and its unit."""
        return _period(tuple(self.numbers), tuple(self.units))


@dataclass(frozen=True)
class Lexicon:
    """All of lexicon.yml."""

    languages: Mapping[str, Language]
    function_words: Mapping[str, frozenset[str]]
    names: Mapping[str, str]
    abbreviations: frozenset[str]
    abbreviations_at_end: frozenset[str]
    starters: frozenset[str]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon that comes with the collection."""
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Lexicon(
        languages={name: _language(told) for name, told in raw["languages"].items()},
        function_words={name: frozenset(words.split()) for name, words in raw["function_words"].items()},
        names=raw["names"],
        abbreviations=frozenset(raw["abbreviations"].split()),
        abbreviations_at_end=frozenset(raw["abbreviations_at_end"].split()),
        starters=frozenset(raw["starters"].split()),
    )


def _language(raw: Mapping[str, Any]) -> Language:
    numbers = {str(word): int(number) for word, number in raw["numbers"].items()}
    units = {word: unit for unit, words in raw["units"].items() for word in words.split()}
    period = _period(tuple(numbers), tuple(units)).pattern

    def one(phrases: Iterable[str]) -> Pattern:
        return compiled(phrases, period)

    def many(phrases: Sequence[str] | str) -> tuple[Pattern, ...]:
        return tuple(one([phrase]) for phrase in ([phrases] if isinstance(phrases, str) else phrases))

    return Language(
        binding={kind: one(phrases) for kind, phrases in raw["binding"].items()},
        binding_heading=one(raw["binding_heading"]),
        strong=frozenset(raw["strong"]),
        excused=one(raw["excused"]),
        numbers=numbers,
        units=units,
        bounded=one(raw["bounded"]),
        customer=one(raw["customer"]),
        rules=tuple(
            Rule(
                many(rule["about"]), many(rule.get("unless", [])), _values(rule["sets"], one), rule.get("once", False)
            )
            for rule in raw["rules"]
        ),
        measures={name: one(phrases) for name, phrases in raw["measures"].items()},
        dated=one(raw["dated"]),
        months={word: number for number, words in enumerate(raw["months"], 1) for word in words.split()},
    )


def _values(sets: Mapping[str, Any], one: Any) -> dict[str, dict[str, Any]]:
    """A rule's values, their phrases compiled."""

    def value(told: Any) -> Any:
        return {item: one([phrase]) for item, phrase in told.items()} if isinstance(told, Mapping) else told

    return {measure: {name: value(told) for name, told in options.items()} for measure, options in sets.items()}


@lru_cache(maxsize=8)
def _period(numbers: tuple[str, ...], units: tuple[str, ...]) -> Pattern:
    def alternatives(words: Iterable[str]) -> str:
        return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))

    written = r"(?:\s*\(\s*(?:\w+)\s*\))?"  # 'twee (2) jaar'
    return re.compile(
        rf"(?<![\w.,])(?P<number>\d{{1,4}}|{alternatives(numbers)}){written}[\s-]+(?P<unit>{alternatives(units)})(?!\w)",
        re.IGNORECASE,
    )


def compiled(phrases: Iterable[str], period: str = "") -> Pattern:
    """A pattern that finds any of some phrases.

    In a phrase '*' is any ending of a word, '~' some words of the same sentence, '(a|b)' one of two, '(a)?' may be
    left out, '{period}' a length of time, and a blank any white space. Behind a '|' it may go on on the next line.
    """
    length = re.sub(r"\?P<\w+>", "?:", period)
    return re.compile("|".join(_pattern(phrase, length) for phrase in phrases), re.IGNORECASE)


def _pattern(phrase: str, period: str) -> str:
    signs = {"*": r"\w*", "~": rf"\b{GAP}(?<!\w)", " ": r"\s+", ".": r"\.", "-": "[-‑ ]?"}
    text = "".join(signs.get(letter, letter) for letter in phrase.replace(" ~ ", "~").replace("| ", "|"))
    return rf"(?<!\w){text}(?!\w)".replace("{period}", rf"(?:{period})")
