# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of our own among Dovecot's, 2.3 and 2.4: that it is read, and that it wins.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .._change import Transaction
from .._host import Host

ROOT = "/etc/dovecot"
MAIN = "dovecot.conf"
_NESTING = 16


def version(host: Host) -> tuple[int, int]:
    """The generation of Dovecot, as (2, 4); (0, 0) where it tells none. Raises Unseen: a fault in its files."""
    told = re.match(r"# (\d+)\.(\d+)\.", host.run("doveconf", "-n").stdout)
    return (int(told[1]), int(told[2])) if told else (0, 0)


def values(text: str) -> dict[str, str]:
    """Settings as doveconf prints them, one a line."""
    found = (re.fullmatch(r"(\w+) = ?(.*)", line) for line in text.splitlines())
    return {match[1]: match[2].strip() for match in found if match}


@dataclass(frozen=True)
class Assignment:
    """A setting as it stands in a file. line: from 1; depth: of the blocks around it; key: '' marks the drop-in."""

    path: str
    line: int
    depth: int
    key: str
    value: str

    @property
    def source(self) -> str:
        return f"{self.path}:{self.line}"


def assignments(host: Host, path: str, own: str, depth: int = 0, nesting: int = 0) -> Iterator[Assignment]:
    """The settings of a file and of what it includes, in the order in which they are read; the drop-in is marked."""
    if path == own:
        yield Assignment(own, 0, depth, "", "")
        if host.stat(own) is None:
            return
    for number, line in enumerate(host.read(path).splitlines(), 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        included = re.fullmatch(r"!include(?:_try)?\s+(.+)", text)
        assigned = re.fullmatch(r"(\w+)\s*=\s*(.*)", text)
        if included and nesting < _NESTING:
            pattern = os.path.join(os.path.dirname(path), included[1])
            drop_in = [own] if fnmatch.fnmatchcase(own, pattern) else []
            for other in sorted({*host.glob(pattern), *drop_in}):
                yield from assignments(host, other, own, depth, nesting + 1)
        elif assigned:
            yield Assignment(path, number, depth, assigned[1], assigned[2])
        depth += text.endswith("{") - (text == "}")


def let_it_be_read(host: Host, transaction: Transaction, main: str, own: str, found: list[Assignment]) -> None:
    """An include of the drop-in, where the main file has none that reaches it. own: its path from there."""
    if not any(entry.key == "" for entry in found):
        transaction.write(main, f"{host.read(main).rstrip()}\n!include {own}\n")


def overrule(
    transaction: Transaction,
    found: list[Assignment],
    own: str,
    wanted: Mapping[str, str],
    depths: Mapping[str, int] | None = None,
) -> Iterator[str]:
    """Edit settings that are read after the drop-in. Yields those in blocks, which hold for a part only.

    depths: of the blocks that a setting has of itself.
    """
    marks = [place for place, entry in enumerate(found) if entry.path == own]
    for place, entry in enumerate(found):
        good = wanted.get(entry.key)
        if good is None or entry.value == good or entry.path == own:
            continue
        if entry.depth > (depths or {}).get(entry.key, 0):
            yield (
                f"{entry.source}: '{entry.key}' is set for a part of Dovecot alone and was left as it is: write "
                f"'{entry.key} = {good}' there, or take the line away"
            )
        elif marks and place > marks[-1]:
            lines = transaction.look(entry.path).data.decode("utf-8", "surrogateescape").split("\n")
            indent = lines[entry.line - 1][: -len(lines[entry.line - 1].lstrip())]
            lines[entry.line - 1] = f"{indent}{entry.key} = {good}".rstrip()
            transaction.write(entry.path, "\n".join(lines))


def not_in_effect(transaction: Transaction, settings: Mapping[str, str]) -> str:
    """What the files say otherwise after all, '' where nothing does."""
    now = values(transaction.call(("doveconf", *settings)).stdout) if settings else {}
    for key, value in settings.items():
        if now.get(key, "") != value:
            return f"Dovecot still has '{key} = {now.get(key, '')}' where '{key} = {value}' is wanted"
    return ""
