# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smallest edits that make a logrotate stanza keep every day for a period.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .._services.logrotate import Rules, Stanza

# so many rotations more than the period has days: somebody may rotate by hand, and the destroyer is to come first
_SPARE = 100


def rotations(days: int, hourly: bool = False) -> int:
    """A round number of rotations that outlives a period of so many days."""
    return -(-(days + _SPARE) // 100) * 100 * (24 if hourly else 1)


_VALUED = frozenset(["size", "rotate", "maxage", "dateformat", "minsize", "minage"])
_NAMES = ("/", '"', "'", "~", "{")  # what the line that opens a block begins with


@dataclass(frozen=True)
class Fix:
    """keywords: those that decide the matter, of which the last in a block wins; line: what is to stand instead."""

    keywords: tuple[str, ...]
    line: str


def fixes(rules: Rules, days: int) -> Iterator[Fix]:
    """What must change in rules so that every day is a file of its own and is kept for so many days."""
    hourly = rules.criterion == "hourly"
    if rules.criterion not in ("daily", "hourly"):
        yield Fix(("size", "weekly", "monthly", "yearly", "daily", "hourly"), "daily")
    if 0 <= rules.rotate < (days + 1) * (24 if hourly else 1):
        yield Fix(("rotate",), f"rotate {rotations(days, hourly)}")
    if 0 < rules.maxage <= days:
        yield Fix(("maxage",), "maxage 0")
    if not rules.ifempty:
        yield Fix(("notifempty", "ifempty"), "ifempty")
    if not rules.dateext:
        yield Fix(("nodateext", "dateext"), "dateext")
    if rules.dateformat and not re.search(r"%d|%s", rules.dateformat):
        yield Fix(("dateformat",), "dateformat -%Y%m%d")
    if rules.minsize:
        yield Fix(("minsize",), "minsize 0")
    if rules.minage:
        yield Fix(("minage",), "minage 0")


def edit(text: str, stanza: Stanza, days: int) -> str:
    """The text of a stanza's file with that stanza keeping its logs for so many days."""
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)  # lines as logrotate counts them, whatever else ends one elsewhere
    added: list[str] = []
    for fix in fixes(stanza.rules, days):
        standing = [stanza.rules.lines[word] for word in fix.keywords if word in stanza.rules.lines]
        if standing:
            _replace(lines, max(standing) - 1, fix)
        else:
            added.append(fix.line)
    if added:
        _insert(lines, stanza.line - 1, added)
    return "".join(lines)


def _replace(lines: list[str], index: int, fix: Fix) -> None:
    """A keyword, and its value to the end of the line where it has one; what else stands in the line is kept."""
    head, brace, rest = lines[index].partition("{") if lines[index].lstrip()[:1] in _NAMES else ("", "", lines[index])
    rest, mark, comment = rest.partition("#")
    for word in fix.keywords:
        value = r"[^\n]*" if word in _VALUED else ""
        rest = re.sub(rf"(?:^|(?<=[\s}}])){word}(?=[\s=}}]|\Z){value}", fix.line, rest)
    lines[index] = head + brace + rest + mark + comment


def _insert(lines: list[str], index: int, added: list[str]) -> None:
    """New lines behind the brace that opens the block, indented as the line that follows it."""
    while "{" not in lines[index] or lines[index].lstrip().startswith("#"):
        index += 1
    head, _brace, rest = lines[index].partition("{")
    following = lines[index + 1] if index + 1 < len(lines) else ""
    indent = re.match(r"[ \t]*", following).group() or "\t"  # type: ignore[union-attr]
    block = "".join(f"{indent}{line}\n" for line in added)
    lines[index] = f"{head}{{\n{block}" + (f"{indent}{rest.lstrip()}" if rest.strip() else "")


def new_stanza(paths: list[str], days: int, rotated: str) -> str:
    """A stanza for logs that have none. rotated: the command that makes the server open its logs anew."""
    words = " ".join(f'"{path}"' for path in paths)
    return f"""{words} {{
\tdaily
\trotate {rotations(days)}
\tdateext
\tifempty
\tmissingok
\tcompress
\tdelaycompress
\tcreate
\tsharedscripts
\tpostrotate
\t\t{rotated}
\tendscript
}}
"""


def without(text: str, stanza: Stanza, paths: Iterable[str]) -> str:
    """The text of a stanza's file with these names taken from those that the stanza begins with."""
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    index = stanza.line - 1
    while index < len(lines) and not lines[index].lstrip().startswith("{"):
        names, brace, rest = lines[index].partition("{")
        for path in paths:
            names = re.sub(rf"""(?:^|(?<=\s))(["']?){re.escape(path)}\1(?=\s|$)[ \t]*""", "", names)
        lines[index] = names + brace + rest if (names + rest).strip() or brace else ""
        if brace:
            break
        index += 1
    return "".join(lines)
