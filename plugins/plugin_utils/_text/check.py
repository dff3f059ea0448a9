# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold a register against the published text: sentences that no promise points to, promises whose sentence is gone.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._statement import Promise, Statement
from .binding import binding
from .language import language
from .lexicon import lexicon
from .reading import Page
from .sentences import Sentence, fingerprint, same_heading, sentences_of, sha256

LONGEST_QUOTE = 160  # characters of a sentence in a message

_KINDS = {
    "stored": "stored", "how_long": "how long", "secured": "secured", "deleted": "deleted", "logged": "logged",
    "never": "never", "only": "only", "passed_on": "passed on", "told": "told", "rights": "rights",
    "consent": "consent", "asks": "asked or advised", "law": "law", "purposes": "purposes", "dated": "dated",
    "kept_up": "kept up to date",
}  # fmt: skip


@dataclass
class Comparison:
    """A register held against a text. faults: one line each. pointed: the promises of each sentence that has some."""

    language: str
    sentences: list[Sentence]
    binding: dict[int, list[str]]
    faults: list[str] = field(default_factory=list)
    pointed: dict[int, list[str]] = field(default_factory=dict)


def compare(statement: Statement, page: Page) -> Comparison:
    """A statement's register held against its text. Raises TextError where the text cannot be judged."""
    words = lexicon()
    main = language(page, words)
    sentences = sentences_of(page, words)
    found = Comparison(main, sentences, binding(sentences, words, main))
    if main != statement.language:
        found.faults.append(f"language: the text is in {words.names[main]}, and the register says {statement.language}")
    digits = sha256(page)
    if digits != statement.text_sha256:
        text = f"the text was changed: its text_sha256 is {digits}, and the register was made for another"
        found.faults.append(f"{text}; read it again, mend the promises, then set it")
    for promise in statement.promises:
        places = pointed_to(promise.where, sentences)
        fault, now = _gone(promise, places, sentences)
        if fault:
            found.faults.append(f"promise {promise.id}: {fault}")
        for place in now:
            found.pointed.setdefault(place, []).append(promise.id)
    found.faults += _unpointed(found)
    return found


def pointed_to(where: Mapping[str, Any], sentences: Sequence[Sentence]) -> list[int]:
    """The sentences that a promise's 'where' points to, by their place in the text; those of them that there are."""
    first, dash, last = str(where["sentence"]).partition("-")
    numbers = range(int(first), int(last if dash else first) + 1)
    if "section" in where:
        return [
            place
            for place, sentence in enumerate(sentences)
            if same_heading(sentence.section, where["section"]) and sentence.number in numbers
        ]
    return [
        place
        for place, sentence in enumerate(sentences)
        if sentence.paragraph == where["paragraph"] and sentence.in_paragraph in numbers
    ]


def _gone(promise: Promise, places: Sequence[int], sentences: Sequence[Sentence]) -> tuple[str, Sequence[int]]:
    """What is wrong with the place of a promise, "" if nothing is; and where its sentences are now."""
    first, dash, last = str(promise.where["sentence"]).partition("-")
    many = int(last) - int(first) + 1 if dash else 1
    mark = promise.fingerprint
    there = fingerprint([sentences[place] for place in places])
    if len(places) == many and mark in ("", there):
        return "", places
    moved = _with_fingerprint(mark, many, sentences) if mark else None
    if moved is not None:
        text = f"its sentence stands elsewhere now: {sentences[moved].place}; correct its 'where'"
        return text, range(moved, moved + many)
    if len(places) == many:
        place = sentences[places[0]].place
        return f"its sentence was changed ({place}); read it, then set its fingerprint to {there}", places
    section = promise.where.get("section")
    if section and not any(same_heading(sentence.section, section) for sentence in sentences):
        return f"its sentence is gone: the text has no section '{section}' any more", places
    place = f"section '{section}'" if section else f"paragraph {promise.where['paragraph']}"
    return f"its sentence is gone: {place} has no sentence {promise.where['sentence']}", places


def _with_fingerprint(mark: str, many: int, sentences: Sequence[Sentence]) -> int | None:
    for place in range(len(sentences) - many + 1):
        if fingerprint(sentences[place : place + many]) == mark:
            return place
    return None


def _unpointed(found: Comparison) -> Iterator[str]:
    """A line for each sentence that binds, and that no promise points to."""
    for place, told in found.binding.items():
        if place not in found.pointed:
            sentence = found.sentences[place]
            about = ", ".join(_KINDS[kind] for kind in told)
            yield f"{sentence.place}: it binds, and no promise points to it ({about}): {quoted(sentence.text)}"


def quoted(text: str) -> str:
    """A sentence in a message: its beginning, on one line, without what a terminal would obey."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f'"{clean}"' if len(clean) <= LONGEST_QUOTE else f'"{clean[:LONGEST_QUOTE].rstrip()}…"'
