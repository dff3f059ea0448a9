# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an HTML page holds of forms, and where it leads: read as browsers do, as far as its text tells.

What scripts make of a page is not seen. The tags are read here, by the rules of HTML's standard, because the time that
html.parser takes grows with the square of a page that means ill: minutes for one of 100 KiB.

PRIVATE to the collection.
"""

from __future__ import annotations

import html as markup
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .web_urls import is_file, looks_acting, resolved, scheme_of

LINKS = 1000  # of one page; what follows is not looked at
URL_LENGTH = 2000
VALUE_LENGTH = 1 << 16  # of an attribute
_FRAMES = 3  # pages written into the page itself, one in the other (srcdoc)

# what a target without a scheme of its own, or one that sends nothing, is counted as
_SENDS_NOTHING = frozenset(["javascript", "about", "data", "blob"])
# elements whose text is no markup, whatever it looks like, and where it ends; noscript's is, to some
_TEXT_ONLY = {
    name: re.compile(rf"(?i)</{name}(?=[\s/>])")
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_READ = frozenset(["base", "form", "input", "button", "textarea", "a", "area", "iframe", "frame", "meta", *_TEXT_ONLY])
_FOREIGN = ("svg", "math")
_COMMENT_END = re.compile(r"--!?>")
_NAME = re.compile(r"[^\s/>]*")
_BETWEEN = re.compile(r"[\s/]*")
_ATTRIBUTE = re.compile(r"[^\s/>][^\s/>=]*")
_EQUALS = re.compile(r"\s*=\s*")
_BARE = re.compile(r"[^\s>]*")


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
    try:
        for tag, values in tags(html):
            page.take(tag, values)
    except ValueError as error:
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


def tags(html: str) -> Iterator[tuple[str, Mapping[str, str] | None]]:
    """The tags of a page: name and attributes, None where a tag ends an element. Takes time as the page is long."""
    texts = _Texts(html)
    at = html.find("<")
    while 0 <= at < len(html) - 1:
        after = html[at + 1]
        if html.startswith("<!--", at):
            end = _behind_comment(html, at)
        elif after.isascii() and after.isalpha():
            tag, values, end = _tag(html, at + 1)
            if end:
                yield tag, values
                end = texts.behind(tag, at, end)
        elif after == "/" and html[at + 2 : at + 3].isalpha():
            tag, _values, end = _tag(html, at + 2)
            if end:
                yield tag, None
                texts.close(tag)
        else:
            end = html.find(">", at) + 1 if after in "!?/" else at + 1
        if not end:
            return  # it does not end: browsers show nothing of it
        at = html.find("<", end)


class _Texts:
    """Elements whose text is no markup, which they are not within drawings and formulas, where any may be empty too."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.foreign = 0
        self.unclosed: set[str] = set()

    def behind(self, tag: str, start: int, end: int) -> int:
        """The offset behind the text of an element whose tag stands from start to end, 0 if it does not end."""
        empty = self.html.endswith("/>", start, end)
        self.foreign += tag in _FOREIGN and not empty
        closing = _TEXT_ONLY.get(tag)
        if closing is None or tag in self.unclosed or (self.foreign and empty):
            return end
        found = closing.search(self.html, end)
        if found:
            return found.start()
        self.unclosed.add(tag)
        return end if self.foreign else 0

    def close(self, tag: str) -> None:
        """Take an end tag."""
        self.foreign -= tag in _FOREIGN and self.foreign > 0


def _behind_comment(html: str, at: int) -> int:
    """The offset behind a comment, 0 if it does not end."""
    for empty in ("<!-->", "<!--->"):
        if html.startswith(empty, at):
            return at + len(empty)
    found = _COMMENT_END.search(html, at + 4)
    return found.end() if found else 0


def _tag(html: str, at: int) -> tuple[str, dict[str, str], int]:
    """Name and attributes of the tag whose name begins there, and the offset behind it, 0 if it does not end."""
    tag, at = _matched(_NAME, html, at)
    values: dict[str, str] = {}
    if tag.lower() not in _READ:
        end = html.find(">", at)
        if end < 0 or not ('"' in html[at:end] or "'" in html[at:end]):
            return tag.lower(), values, end + 1
    while True:
        _blank, at = _matched(_BETWEEN, html, at)
        if html.startswith(">", at):
            return tag.lower(), values, at + 1
        name, at = _matched(_ATTRIBUTE, html, at)
        if not name:
            return "", {}, 0
        value, at = _value(html, at)
        if at < 0:
            return "", {}, 0
        if len(value) > VALUE_LENGTH:
            raise ValueError("an attribute is too long")
        values.setdefault(name.lower(), markup.unescape(value))  # the first of two counts


def _value(html: str, at: int) -> tuple[str, int]:
    """The value of the attribute whose name ends there, and the offset behind it, -1 if it does not end."""
    equals, behind = _matched(_EQUALS, html, at)
    if not equals:
        return "", at
    quote = html[behind : behind + 1]
    if quote in ('"', "'") and quote:
        end = html.find(quote, behind + 1)
        return html[behind + 1 : end], end + 1 if end > 0 else -1
    return _matched(_BARE, html, behind)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, int]:
    """What matches there, '' if nothing does, and the offset behind it."""
    found = pattern.match(text, at)
    return (found.group(), found.end()) if found else ("", at)


class _Page:
    """What the tags of a page add up to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.base = url
        self.based = False
        self.forms: list[list[Target]] = []
        self.fields = False
        self.links: list[Link] = []
        self.documents: list[str] = []
        self.problem = ""
        self._open: list[Target] | None = None
        self._written: set[str] = set()

    def take(self, tag: str, values: Mapping[str, str] | None) -> None:
        """Take the next tag."""
        if values is None:
            self._open = None if tag == "form" else self._open
        elif tag == "base" and "href" in values and not self.based:
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
            self._refresh(values.get("content", "")[:URL_LENGTH].strip())

    def _form(self, values: Mapping[str, str]) -> None:
        action = values.get("action", "").strip()
        target = self._target("action", action) if action else Target("page", self.url)
        if self._open is None:
            self._open = [target] if values.get("method", "").strip().lower() != "dialog" else []
            self.forms.append(self._open)
        elif not target.url.startswith("https:"):
            self.problem = "a form lies in another, which most browsers ignore, but not in every place"

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
        found = re.match(r"(?is)[\d.]*\s*[;,]?\s*(?:url\s*=\s*)?[\"']?([^\"']+)", content)
        if found and not re.fullmatch(r"[\d.]*", content):
            self._link(found.group(1))

    def _link(self, written: str, acts: bool = False, framed: bool = False) -> None:
        if written in self._written or scheme_of(written[:URL_LENGTH]) not in ("", "http", "https"):
            return
        if len(self._written) >= LINKS or len(written) > URL_LENGTH:
            self.problem = "it has more links, or longer ones, than are followed"
            return
        self._written.add(written)
        url = resolved(self.base, written)
        if url.startswith(("http:", "https:")) and not is_file(url):
            self.links.append(Link(url, looks_acting(url) or (acts and "?" in url), framed))
