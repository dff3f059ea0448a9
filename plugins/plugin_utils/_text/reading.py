# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a published text, plain or HTML, into headings and blocks. What counts as a sentence is told in sentences.py.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HEADING, PARAGRAPH, ITEM, ROW = "heading", "paragraph", "item", "row"
GLUED = "heading of a paragraph"  # a heading right above a paragraph: it is about that one only

LONGEST_TEXT = 5_000_000  # bytes; our own bound, far above any statement
HTML_NAMES = (".html", ".htm", ".xhtml")

_BINARY = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a packed file (docx, odt, zip)",
    b"{\\rtf": "RTF",
    b"\xd0\xcf\x11\xe0": "a Word file",
}
_LATIN = ("ascii", "us-ascii", "iso-8859-1", "latin-1", "latin1")  # what browsers read as Windows-1252

_BULLET = re.compile(r"\s*(?:[-*+•·–—◦▪●‣»✓✔]|\(?(?:\d{1,2}|[a-z])[.)]|\d{1,2}(?:\.\d{1,2}){1,2}\.?)\s+(?=\S)")
_NUMBERED = re.compile(r"\s*(?:artikel|article|§)?\s*\(?\d{1,2}(?:\.\d{1,2}){0,2}[.):]?\s+(?=\S)", re.IGNORECASE)
_MARKDOWN = re.compile(r"\s{0,3}#{1,6}\s+")
_RULE = re.compile(r"\s*([=_*~-])\s*(?:\1\s*){2,}$")
_DRAWN = re.compile(r"[\s|:+=-]*-{2,}[\s|:+=-]*")  # the line below the names of a table's columns
_COMPANY = re.compile(r"\b(?:b\.v|n\.v|v\.o\.f|inc|ltd|co|corp)\.$", re.IGNORECASE)
_COLUMNS = re.compile(r"\s*\|\s*|\t+|\s{3,}")
_CONTENTS = re.compile(r"(?:inhoud(?:sopgave)?|(?:table of )?contents)\W*", re.IGNORECASE)
_PAGE_NUMBER = re.compile(r"\W*(?:pagina|page|blz|p)?\W*\d{1,3}\W*(?:(?:van|of)\W*\d{1,3}\W*)?", re.IGNORECASE)
_DIVIDED = re.compile(r"[^\W\d_]{2}[-‐]\s*$")
_DIVIDEDS_REST = re.compile(r"\s*(?!(?:en|of|and|or)\b)[^\W\d_A-Z]")
_CONTENTS_LINE = re.compile(r".*\S(?:\s*\.{3,}\s*|\t+| {2,})\d{1,3}\s*$")
_NO_HEADING = re.compile(r"https?:|www\.|@|:\s|\b(?:19|20)\d\d\b|\d{4,}|^\W*\w?\W*$")

LONGEST_HEADING = 14  # words
GLUED_HEADING = 8  # words, of a heading right above its paragraph


class TextError(Exception):
    """A text that cannot be read. Its message is one line."""


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, an item of a list or a row of a table; its text is on one line."""

    kind: str
    text: str


@dataclass(frozen=True)
class Page:
    """A text as it was read. content: all its words, white space folded. blocks: without the title."""

    title: str
    content: str
    blocks: tuple[Block, ...]
    left_out: str = ""  # what of a page was not read, for people


def read_page(path: str) -> Page:
    """The text that a file holds. Raises TextError."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise TextError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > LONGEST_TEXT:
        raise TextError(f"{path} is longer than {LONGEST_TEXT} bytes; keep the statement alone in it")
    for start, kind in _BINARY.items():
        if data.startswith(start):
            raise TextError(f"{path} is {kind}; save its text as .txt or .html")
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_html = Path(path).suffix.lower() in HTML_NAMES or start.startswith((b"<!doctype html", b"<html"))
    text = decode(data, is_html, path)
    page = _of_html(text) if is_html else of_plain(text)
    if not page.blocks:
        raise TextError(f"{path} holds no text")
    return page


def _of_html(text: str) -> Page:
    from .web_page import of_html

    return of_html(text)


def decode(data: bytes, is_html: bool = False, name: str = "the text") -> str:
    """The text of a file: UTF-8, UTF-16 with its mark, what an HTML page declares, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise TextError(f"{name} is no text; save it as .txt or .html")
    declared = re.search(rb"charset\s*=\s*[\"']?([\w.:-]+)", data[:4096], re.IGNORECASE) if is_html else None
    encodings = ["utf-8-sig", *([declared[1].decode("ascii")] if declared else [])]
    for encoding in encodings:
        try:
            return data.decode("cp1252" if encoding.lower() in _LATIN else encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("cp1252", "replace")


def folded(text: str) -> str:
    """A text on one line, white space folded."""
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())


# -- plain text ----------------------------------------------------------------------------------------------------


def of_plain(text: str) -> Page:
    """A plain text, hard-wrapped or not; Markdown's headings are known."""
    return page_of("", without_contents(blocks_of(text)), folded(text))


def blocks_of(text: str) -> list[Block]:
    """The blocks of a plain text, a table of contents among them."""
    return [block for group in _groups(text.splitlines()) for block in _group_blocks(group)]


def flowing_blocks(text: str) -> list[Block]:
    """The paragraphs and items of a text that has no headings."""
    return [block for group in _groups(text.splitlines()) for block in _flowing(group)]


def page_of(title: str, blocks: Sequence[Block], content: str, left_out: str = "") -> Page:
    """The page of blocks. A heading that begins them is its title, whatever another title said."""
    rest = list(blocks)
    if rest and rest[0].kind == HEADING:
        title = rest[0].text
    named = _bare(title)
    rest = [block for block in rest if block.kind != HEADING or _bare(block.text) != named]
    return Page(title, content, tuple(rest), left_out)


def _groups(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines between blank ones; a heading's own line, and a line drawn, are groups too."""
    group: list[str] = []
    for given in lines:
        line = "" if _RULE.fullmatch(given) else given
        if line != given and len(group) == 1 and given.strip()[0] in "=-":
            group = [f"# {group[0].strip()}"]
        marked = _MARKDOWN.match(line)
        if group and (not line.strip() or marked):
            yield group
            group = []
        if marked:
            yield [line]
        elif line.strip():
            group.append(line)
    if group:
        yield group


def _group_blocks(group: list[str]) -> Iterator[Block]:
    """The blocks that lines without a blank one between them hold."""
    if _MARKDOWN.match(group[0]):
        yield Block(HEADING, _plain(_MARKDOWN.sub("", group[0]).rstrip("# ")))
        return
    listed = [line for line in group if _BULLET.match(line)]
    if len(group) == 1 and (not listed or _NUMBERED.match(group[0])) and is_heading(group[0]):
        yield Block(HEADING, _plain(group[0]))
        return
    if not listed and _is_capitals(" ".join(group)):
        yield from _capitals(_plain(" ".join(group)))
        return
    rows = [line for line in group if not _DRAWN.fullmatch(line)]
    if not listed and rows and all(len(_columns(line)) > 1 or _CONTENTS_LINE.fullmatch(line) for line in rows):
        yield from table_rows([_columns(line) for line in rows], len(rows) < len(group) and rows[0] == group[0])
        return
    lines = group
    if _has_glued_heading(group):
        yield Block(GLUED, _plain(group[0]))
        lines = group[1:]
    yield from _flowing(lines)


def _flowing(lines: Iterable[str]) -> Iterator[Block]:
    """Paragraphs and items of lines that may be wrapped."""
    kind, words = PARAGRAPH, ""
    for line in lines:
        bullet = _BULLET.match(line)
        if bullet and words and not (kind == PARAGRAPH and re.match(r"\s*[–—-]\s", line) and _runs_on(words)):
            yield Block(kind, _plain(words))
            words = ""
        if bullet and not words:
            kind, words = ITEM, line[bullet.end() :]
        else:
            words = _joined(words, line)
    if words.strip():
        yield Block(kind, _plain(words))


def _joined(words: str, line: str) -> str:
    """Words and the line that goes on with them, also in the midst of a word that was divided."""
    if _DIVIDED.search(words) and _DIVIDEDS_REST.match(line):
        return f"{words.rstrip()[:-1]}{line.lstrip()}"
    return f"{words} {line}"


def _runs_on(words: str) -> bool:
    """Whether a paragraph breaks off in the midst of a sentence, so that a dash goes on with it."""
    return not words.rstrip().endswith((":", ".", ";", "?", "!", ","))


def table_rows(rows: Sequence[Sequence[str]], named: bool) -> Iterator[Block]:
    """The rows of a table, each cell with its column's name where the first row has those."""
    rows = [[_plain(cell) for cell in row] for row in rows]
    names = rows[0] if named else []
    for row in rows[1:] if named else rows:
        cells = [
            f"{names[place]}: {text}" if place < len(names) and names[place] else text
            for place, text in enumerate(row)
            if text
        ]
        if cells:
            yield Block(ROW, " | ".join(cells))


def _columns(line: str) -> list[str]:
    return [cell for cell in _COLUMNS.split(line.strip().strip("|")) if cell.strip("-:= ")]


def _has_glued_heading(group: Sequence[str]) -> bool:
    """Whether the first line is a heading right above its paragraph."""
    if len(group) < 2 or not is_heading(group[0]) or len(group[0].split()) > GLUED_HEADING:
        return False
    below = group[1].strip()
    return below[:1].isupper() and len(below) > len(group[0]) and len(" ".join(group[1:])) >= 60


def is_heading(line: str) -> bool:
    """Whether a line by itself reads as a heading: short, not ended as a sentence, beginning as one does."""
    text = _NUMBERED.sub("", _plain(line), count=1) if _NUMBERED.match(_plain(line)) else _plain(line)
    if not text or len(text.split()) > LONGEST_HEADING or _NO_HEADING.search(text):
        return False
    if text[-1] in ".,;!" and not _COMPANY.search(text):
        return False
    if text.endswith(":") and len(text.split()) > 3 and not _is_capitals(text):
        return False
    return text[0].isupper() or text[0] in "'\"\u2018\u201c¿"


def _is_capitals(text: str) -> bool:
    letters = [letter for letter in re.sub(r"https?:\S+", "", text) if letter.isalpha()]
    return len(letters) > 3 and sum(letter.isupper() for letter in letters) / len(letters) > 0.75


def _capitals(text: str) -> Iterator[Block]:
    """A heading in capitals, and the sentences that follow in it."""
    first, dot, rest = text.partition(". ")
    short = len(first.split()) <= LONGEST_HEADING
    yield Block(HEADING if short else PARAGRAPH, first.rstrip(":") if short else text)
    if short and dot and rest.strip():
        yield Block(PARAGRAPH, rest)


def _plain(text: str) -> str:
    """Words without Markdown's stars and underscores."""
    return folded(re.sub(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=\w)_(?!\w)", "", text))


def _bare(heading: str) -> str:
    """A heading as it is compared: small letters and digits."""
    return " ".join(re.findall(r"\w+", heading.casefold()))


def without_contents(blocks: Sequence[Block]) -> list[Block]:
    """The blocks without page numbers and a table of contents: its heading, and the lines that end in such a number."""
    kept: list[Block] = []
    inside = False
    for block in blocks:
        if _CONTENTS.fullmatch(block.text):
            inside = True
            continue
        in_row = block.kind == ROW and re.search(r"\|?\s*\d{1,3}$", block.text)
        numbered = bool(_CONTENTS_LINE.fullmatch(block.text) or in_row)
        inside = inside and (numbered or block.kind == ITEM or not kept)
        if not inside and len(re.findall(r"\w", block.text)) > 1 and not _PAGE_NUMBER.fullmatch(block.text):
            kept.append(block)
    return kept
