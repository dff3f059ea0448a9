# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sentences of a text, each with the place by which a register points to it.

Sentences are counted within their section, lists included; paragraphs from the top, without title and headings, a list
belonging to the paragraph above it. An item that begins with a small letter below a sentence that breaks off belongs
to that sentence; a row of a table is one sentence.

PRIVATE to the collection.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .lexicon import Lexicon, lexicon
from .reading import GLUED, HEADING, ITEM, PARAGRAPH, ROW, Page, folded

_END = re.compile(r"(?:[.!?]+|…)[\"'\u201d\u2019»)\]]*\s+(?=[\"'\u201c\u2018«(\[]*[^\W_])")
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]+$")


@dataclass(frozen=True)
class Sentence:
    """A sentence and its place. parts: the sentence up to its list, then the items of that list that belong to it."""

    section: str
    number: int  # within the section
    paragraph: int
    in_paragraph: int
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.parts)

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        if self.section:
            return f"section '{self.section}', sentence {self.number}"
        return f"paragraph {self.paragraph}, sentence {self.in_paragraph}"

    def where(self) -> dict[str, str | int]:
        """Where it stands, as a register says it."""
        if self.section:
            return {"section": self.section, "sentence": self.number}
        return {"paragraph": self.paragraph, "sentence": self.in_paragraph}


def fingerprint(sentences: Sequence[Sentence]) -> str:
    """16 digits that tell whether sentences are still the same; nobody can read them back."""
    return hashlib.sha256(folded(" ".join(sentence.text for sentence in sentences)).encode()).hexdigest()[:16]


def sha256(page: Page) -> str:
    """The SHA-256 of a text, white space folded, as a register has it."""
    return hashlib.sha256(page.content.encode()).hexdigest()


def same_heading(one: str, other: str) -> bool:
    """Whether two headings are the same but for case, numbering and punctuation."""
    return _heading(one) == _heading(other)


@lru_cache(maxsize=256)
def _heading(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    while len(words) > 1 and words[0].isdigit():
        words = words[1:]
    return " ".join(words)


def sentences_of(page: Page, words: Lexicon | None = None) -> list[Sentence]:
    """All sentences of a text, in its order."""
    known = words or lexicon()
    found: list[list[str]] = []  # of each sentence its parts
    places: list[tuple[str, int]] = []  # and its section and paragraph
    section, paragraph = "", 0
    ends = False  # whether the section ends with its paragraph
    opened = False  # whether the last sentence waits for items
    fresh = True  # whether a list would have no paragraph above it in this section
    for block in page.blocks:
        if block.kind in (HEADING, GLUED):
            section, fresh, opened = block.text, True, False
            ends = block.kind == GLUED
            continue
        pieces = [block.text] if block.kind == ROW else list(split(block.text, known))
        small = pieces[0][:1].islower()
        if found and not fresh and small and (opened if block.kind == ITEM else _breaks_off(found[-1][-1])):
            opened = block.kind == ITEM
            _go_on(found[-1], pieces.pop(0), block.kind)
        elif fresh or block.kind in (PARAGRAPH, ROW):
            section = "" if ends and not fresh else section
            paragraph += 1
            fresh = False
        for piece in pieces:
            found.append([piece])
            places.append((section, paragraph))
        opened = opened if not pieces else pieces[-1].rstrip().endswith((":", ";", ","))
    return list(_numbered(found, places))


def _go_on(parts: list[str], piece: str, kind: str) -> None:
    """Let a sentence go on with an item of its list, or with the rest of what was broken off."""
    if kind == ITEM:
        parts.append(piece)
    else:
        parts[-1] = f"{parts[-1]} {piece}"


def _breaks_off(text: str) -> bool:
    return not re.search(r"[.!?:;…][\"'\u201d\u2019)]*$", text)


def _numbered(found: Sequence[Sequence[str]], places: Sequence[tuple[str, int]]) -> Iterator[Sentence]:
    in_section: dict[str, int] = {}
    in_paragraph: dict[int, int] = {}
    for parts, (section, paragraph) in zip(found, places, strict=True):
        key = _heading(section)
        in_section[key] = in_section.get(key, 0) + 1
        in_paragraph[paragraph] = in_paragraph.get(paragraph, 0) + 1
        yield Sentence(section, in_section[key], paragraph, in_paragraph[paragraph], tuple(parts))


def split(text: str, words: Lexicon) -> Iterator[str]:
    """The sentences of a text on one line."""
    begin = 0
    for end in _END.finditer(text):
        if _ends(text[begin : end.start() + 1], text[end.end() :], words):
            yield text[begin : end.end()].strip()
            begin = end.end()
    if text[begin:].strip():
        yield text[begin:].strip()


def _ends(before: str, after: str, words: Lexicon) -> bool:
    """Whether a sentence ends here: with the mark that 'before' ends in, 'after' being what follows."""
    first = re.match(r"[^\w]*(\w+)", after)
    follows = first[1] if first else ""
    if not (follows[:1].isupper() or follows[:1].isdigit()):
        return False
    if not before.endswith("."):
        return True
    found = _LAST_WORD.search(before)
    last = found[0].casefold() if found else ""
    if last in words.abbreviations:
        return False
    if last in words.abbreviations_at_end or re.fullmatch(r"(?:[^\W\d_]\.){1,4}", last):
        return follows.casefold() in words.starters
    return not (re.fullmatch(r"\d{1,2}\.", last) and len(before.split()) == 1)
