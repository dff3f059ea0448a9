# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an HTML page holds of forms, and where it leads: read as browsers do, as far as its text tells.

What scripts make of a page is not seen.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from .web_urls import is_file, looks_acting, resolved, scheme_of

LINKS = 1000  # of one page; what follows is not looked at
URL_LENGTH = 2000
_FRAMES = 3  # pages written into the page itself, one in the other (srcdoc)

# what a target without a scheme of its own, or one that sends nothing, is counted as
_SENDS_NOTHING = frozenset(["javascript", "about", "data", "blob"])
# elements whose text is no markup, whatever it looks like
_TEXT_ONLY = frozenset(["textarea", "title", "xmp", "iframe", "noembed", "noframes"])


@dataclass(frozen=True)
class Target:
    """Where a form goes. how: 'action', 'formaction' or 'page' (it names none); url: absolute."""

    how: str
    url: str


@dataclass(frozen=True)
class Link:
    """Where a page leads. acts: whether a request may do something there; framed: it is shown within the page."""

    url: str
    acts: bool = False
    framed: bool = False


@dataclass(frozen=True)
class Contents:
    """What a page holds. forms: the targets of each form; fields: whether personal ones stand outside of any form.

    problem: why not all of it was read, '' if it was.
    """

    forms: tuple[tuple[Target, ...], ...] = ()
    fields: bool = False
    links: tuple[Link, ...] = ()
    problem: str = ""

    @property
    def asks(self) -> bool:
        """Whether a visitor can fill something in."""
        return bool(self.forms) or self.fields


def contents(html: str, url: str, depth: int = 0) -> Contents:
    """The forms and links of a page that was answered at an address. Never raises."""
    page = _Page(url)
    # as browsers read them, and Python does not: comments without contents, and those that end in --!>
    text = re.sub(r"<!--(-?>)", "<!---->", html).replace("--!>", "-->")
    try:
        page.feed(text)
        page.close()
    except Exception as error:  # noqa: BLE001  a page can be anything; what was read of it still counts
        page.problem = f"its HTML cannot be read ({type(error).__name__})"
    inner = []
    for frame in page.documents:
        if depth + 1 < _FRAMES:
            inner.append(contents(frame, page.base, depth + 1))
        else:
            page.problem = "frames lie too deep in one another"
    return Contents(
        (*map(tuple, page.forms), *(form for one in inner for form in one.forms)),
        page.fields or any(one.fields for one in inner),
        tuple(dict.fromkeys([*page.links, *(link for one in inner for link in one.links)])),
        page.problem or next((one.problem for one in inner if one.problem), ""),
    )


class _Page(HTMLParser):
    """One pass over a page."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.base = url
        self.based = False
        self.forms: list[list[Target]] = []
        self.fields = False
        self.links: list[Link] = []
        self.documents: list[str] = []
        self.problem = ""
        self._open: list[Target] | None = None
        self._text_only = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # in HTML, a slash does not end an element

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._text_only:
            return
        values = {name: value or "" for name, value in reversed(attrs)}  # the first of two counts
        if tag == "base" and "href" in values and not self.based:
            self.based = True
            self.base = resolved(self.url, values["href"]) or self.url
        elif tag == "form":
            self._form(values)
        elif tag in ("input", "button", "textarea"):
            self._field(tag, values)
        elif tag in ("a", "area") and "href" in values and "download" not in values:
            method = values.get("data-method", "get").lower()
            self._link(values["href"], method != "get" or "nofollow" in values.get("rel", "").lower())
        elif tag in ("iframe", "frame"):
            self._frame(values)
        elif tag == "meta" and values.get("http-equiv", "").strip().lower() == "refresh":
            self._refresh(values.get("content", ""))
        if tag in _TEXT_ONLY:
            self._text_only = tag

    def handle_endtag(self, tag: str) -> None:
        if self._text_only:
            self._text_only = "" if tag == self._text_only else self._text_only
        elif tag == "form":
            self._open = None

    def _form(self, values: Mapping[str, str]) -> None:
        if self._open is not None:
            return  # browsers ignore a form in a form
        self._open = []
        if values.get("method", "").strip().lower() != "dialog":
            action = values.get("action", "").strip()
            self._open.append(self._target("action", action) if action else Target("page", self.url))
        self.forms.append(self._open)

    def _field(self, tag: str, values: Mapping[str, str]) -> None:
        kind = values.get("type", "").strip().lower()
        if values.get("formaction", "").strip():
            target = self._target("formaction", values["formaction"])
            if self._open is None:
                self.forms.append([target])  # it belongs to a form elsewhere, by the attribute form
            else:
                self._open.append(target)
        personal = tag == "textarea" or (tag == "input" and kind in ("password", "email", "tel", "file"))
        if personal and self._open is None and not values.get("form"):
            self.fields = True

    def _target(self, how: str, written: str) -> Target:
        scheme = scheme_of(written)
        if scheme in _SENDS_NOTHING:
            return Target("page", self.url)
        return Target(how, resolved(self.base, written) or (f"{scheme}:" if scheme else self.base))

    def _frame(self, values: Mapping[str, str]) -> None:
        if "srcdoc" in values:
            self.documents.append(values["srcdoc"])
        elif values.get("src", "").strip():
            self._link(values["src"], framed=True)

    def _refresh(self, content: str) -> None:
        found = re.match(r"(?is)[\s\d.]*[;,\s]\s*(?:url\s*=\s*)?[\"']?(.+?)[\"']?\s*$", content)
        if found:
            self._link(found.group(1))

    def _link(self, written: str, acts: bool = False, framed: bool = False) -> None:
        if scheme_of(written) not in ("", "http", "https"):
            return
        url = resolved(self.base, written)
        if len(self.links) >= LINKS or len(url) > URL_LENGTH:
            self.problem = "it has more links, or longer ones, than are followed"
        elif url.startswith(("http:", "https:")) and not is_file(url):
            self.links.append(Link(url, looks_acting(url) or (acts and "?" in url), framed))
