# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read a page of HTML into headings, paragraphs, items and rows, without what stands around its text.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .reading import (
    GLUED,
    HEADING,
    ITEM,
    PARAGRAPH,
    Block,
    Page,
    TextError,
    blocks_of,
    flowing_blocks,
    folded,
    is_heading,
    page_of,
    table_rows,
    without_contents,
)

NEEDS_PARSER = "an HTML text needs BeautifulSoup; run: pip install beautifulsoup4 (in Ansible's own Python)"
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt", "legend"))
_BLOCK_NAMES = """
address article aside blockquote body caption dd details div dl fieldset figcaption figure footer form head header
hr html li main nav ol p pre section table tbody td tfoot th thead tr ul
"""
_UNREAD_NAMES = """
audio button canvas iframe input link map meta noscript object option script select style svg template textarea title
video
"""
_BLOCKS, _UNREAD = frozenset(_BLOCK_NAMES.split()), frozenset(_UNREAD_NAMES.split())
AROUND_MAIN = "all around the page's main part"
_AROUND = {"nav": "navigation", "footer": "footer", "aside": "side column", "header": "header"}
_ROLES = {
    "navigation": "navigation",
    "banner": "header",
    "contentinfo": "footer",
    "search": "search",
    "complementary": "side column",
}
_CONSENT = re.compile(
    r"(?:cookie|consent|gdpr|cmp|cky|cmplz|onetrust)\w*[-_]?(?:banner|bar|box|consent|dialog|law|message|modal|notice|"
    r"overlay|popup|sdk|wall|window)|cc-window|cybotcookiebot",
    re.IGNORECASE,
)
LONGEST_CELL = 600  # characters; a table with longer ones is the page's layout
LONGEST_BANNER = 1500  # characters; more than that under such a name is the statement itself


def of_html(text: str) -> Page:
    """A page of HTML, without what stands around its text. Raises TextError where the parser is not installed."""
    try:
        from bs4 import BeautifulSoup
    except ImportError:
        raise TextError(NEEDS_PARSER) from None
    soup = BeautifulSoup(text, "html.parser")
    title = folded(soup.title.get_text(" ")) if soup.title else ""
    walk = _Walk()
    main = _main_part(soup)
    try:
        walk.into(main)
    except RecursionError:
        raise TextError("its elements are nested too deep; save its text as .txt") from None
    walk.end()
    if main is not soup:
        walk.left_out.append(AROUND_MAIN)
    blocks = without_contents(walk.blocks)
    content = folded(" ".join(block.text for block in blocks))
    return page_of(title, blocks, content, ", ".join(dict.fromkeys(walk.left_out)))


def _main_part(soup: Any) -> Any:
    """The one main part of a page, else its one article, else all of it."""
    for found in (soup.find_all("main"), soup.find_all(attrs={"role": "main"}), soup.find_all("article")):
        if len(found) == 1 and len(found[0].get_text()) > len(soup.get_text()) / 4:
            return found[0]
    return soup


class _Walk:
    """Goes through a page in its order and collects blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.left_out: list[str] = []
        self._words: list[str] = []
        self._kind = PARAGRAPH
        self._bold: list[bool] = []  # of each piece of words, whether it is bold

    def into(self, element: Any, bold: bool = False) -> None:
        """Go through what an element holds."""
        for child in list(element.children):
            if not isinstance(child, str):
                self._element(child, bold)
            elif type(child).__name__ == "NavigableString":  # neither a comment nor a script
                self._say(str(child), bold)

    def _element(self, child: Any, bold: bool) -> None:
        """Go through an element, or leave it out."""
        around = _around(child)
        kind = HEADING if child.name in _HEADINGS else ITEM if child.name == "li" else PARAGRAPH
        if around:
            self.left_out.append(around)
        elif child.name in _UNREAD or _is_contents(child):
            return
        elif child.name == "br":
            self._words.append("\n")
            self._bold.append(True)
        elif child.name == "pre":
            self.end()
            self.blocks += blocks_of(child.get_text())
        elif child.name == "table" and _is_table_of_data(child):
            self._table(child)
        elif child.name in _BLOCKS or kind == HEADING:
            self._block(child, kind)
        else:
            self.into(child, bold or child.name in ("b", "strong", "u") or _is_bold(child))

    def _say(self, words: str, bold: bool) -> None:
        self._words.append(words.replace("\n", " "))
        self._bold.append(bold or not words.strip())

    def _block(self, element: Any, kind: str) -> None:
        self.end()
        if kind != PARAGRAPH or self._kind not in (HEADING, ITEM):  # else the first paragraph of an item is that item
            self._kind = kind
        self.into(element)
        self.end()
        self._kind = PARAGRAPH

    def end(self) -> None:
        """End the block that is being read."""
        pieces, bold, kind = self._words, self._bold, self._kind
        self._words, self._bold = [], []
        whole = "".join(pieces)
        if not whole.strip():
            return
        self._kind = PARAGRAPH  # what follows inside an item or a heading is none of its own
        if kind == HEADING:
            self.blocks.append(Block(HEADING, folded(whole)))
        elif kind == ITEM:
            self.blocks.append(Block(ITEM, folded(whole)))
        elif all(bold) and is_heading(whole):
            self.blocks.append(Block(HEADING, folded(whole)))
        else:
            self._lines(pieces, bold)

    def _lines(self, pieces: Sequence[str], bold: Sequence[bool]) -> None:
        """The blocks of a paragraph with line breaks: a bold first line is its heading; lines may be items."""
        if "\n" not in pieces:
            self.blocks.append(Block(PARAGRAPH, folded("".join(pieces))))
            return
        first = pieces.index("\n")
        head = "".join(pieces[:first])
        if head.strip() and all(bold[:first]) and is_heading(head):
            self.blocks.append(Block(GLUED, folded(head)))
            pieces = pieces[first:]
        self.blocks += flowing_blocks("".join(pieces))

    def _table(self, table: Any) -> None:
        """Each row of a table of data, its cells with the names of their columns."""
        self.end()
        rows = [(row, _cells(row)) for row in table.find_all("tr")]
        rows = [(row, cells) for row, cells in rows if cells]
        first, names = rows[0]
        named = all(cell.name == "th" for cell in names) or bool(first.find_parent("thead"))
        self.blocks += table_rows([[_own_text(cell) for cell in cells] for _row, cells in rows], named)


def _is_bold(element: Any) -> bool:
    return bool(re.search(r"font-weight\s*:\s*(?:bold|[6-9]00)", str(element.get("style", "")), re.IGNORECASE))


def _around(element: Any) -> str:
    """What an element is that stands around the text; "" if it does not."""
    roles = [_ROLES[role] for role in str(element.get("role", "")).split() if role in _ROLES]
    if roles:
        return roles[0]
    heads_text = element.name == "header" and element.find_parent(["main", "article", "section"])
    if element.name in _AROUND and not heads_text:
        return _AROUND[element.name]
    names = " ".join([str(element.get("id", "")), *element.get("class", [])])
    if _CONSENT.search(names) and len(element.get_text()) <= LONGEST_BANNER:
        return "cookie banner"
    return ""


def _is_contents(element: Any) -> bool:
    """Whether a list holds nothing but links into the page itself."""
    if element.name not in ("ul", "ol"):
        return False
    links = element.find_all("a")
    linked = sum(len(folded(link.get_text())) for link in links)
    inside = all(str(link.get("href", "")).startswith("#") for link in links)
    return len(links) > 1 and inside and linked >= 0.9 * len(folded(element.get_text()))


def _is_table_of_data(table: Any) -> bool:
    """Whether a table holds data: short cells, in more than one column; not the page's own layout."""
    if table.find(["table", "h1", "h2", "h3", "h4", "ul", "ol"]):
        return False
    rows = [_cells(row) for row in table.find_all("tr")]
    short = all(len(_own_text(cell)) <= LONGEST_CELL for row in rows for cell in row)
    return short and any(len(row) > 1 for row in rows)


def _cells(row: Any) -> list[Any]:
    """The cells of a row, also where end tags were left out and so each lies in the one before."""
    return [cell for cell in row.find_all(["td", "th"]) if cell.find_parent("tr") is row]


def _own_text(cell: Any) -> str:
    return folded(" ".join(piece for piece in cell.find_all(string=True) if piece.find_parent(["td", "th"]) is cell))
