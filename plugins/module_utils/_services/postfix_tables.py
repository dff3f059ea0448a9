# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix's lookup tables hold, as postmap tells it.

Tables of this host alone: no directory or database is asked.

PRIVATE to the collection.
"""

from __future__ import annotations

import re

from .._host import Host, Unseen
from .postfix import DIRECTORY, Postfix

ROWS = 500
# of these postmap can tell every row, and of the others the answer to a key
_LISTED = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash", "inline")
_PATTERNS = ("regexp", "pcre", "cidr")
# what a line of such a table begins with: blanks may stand in it, between two equal signs
_PATTERN = re.compile(r"(!?([^\w\s!])(?:(?!\2)[^\\]|\\.)*\2[a-zA-Z]*|\S+)\s*(.*)", re.DOTALL)
_ASKED = (*_LISTED, *_PATTERNS, "static")


def tables(text: str) -> list[str]:
    """The tables that a setting names: 'hash:/etc/postfix/transport', 'inline:{a=b}'. What is none is left out."""
    return [word for word in words(text) if re.match(r"\w+:", word)]


def words(text: str) -> list[str]:
    """The words of a setting, separated by blanks or commas; what stands in braces is one."""
    found, depth, word = [], 0, ""
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if depth <= 0 and (letter.isspace() or letter == ","):
            found.append(word)
            word = ""
        else:
            word += letter
    return [one for one in [*found, word] if one]


def shown(table: str) -> str:
    """A table as a report may name it: without what it holds itself."""
    return re.sub(r"\{.*\}", "{…}", table)


def rows(host: Host, sender: Postfix, table: str) -> list[tuple[str, str]]:
    """All that a table holds, as key (or pattern) and value. Raises Unseen: of a kind that cannot tell, too many."""
    kind, _colon, name = _plain(table).partition(":")
    if kind == "static":
        return [("*", name.strip("{} "))]
    if kind in _PATTERNS:
        found = _pattern_rows(host.read(name))
    elif kind in _LISTED:
        try:
            text = host.run(*_command(sender), "-s", _plain(table)).stdout
        except Unseen as unseen:
            raise Unseen(str(unseen).replace(_plain(table), shown(_plain(table)))) from None
        pairs = (line.partition("\t") for line in text.splitlines())
        found = [(key, value.strip()) for key, tab, value in pairs if tab]
    else:
        raise Unseen(f"what {kind}: tables hold is not read")
    if len(found) > ROWS:
        raise Unseen(f"{shown(table)} holds more than {ROWS} rows")
    return found


def lookup(host: Host, sender: Postfix, table: str, key: str) -> str:
    """What a table answers to a key, '' for nothing. Raises Unseen."""
    kind = _plain(table).partition(":")[0]
    if kind not in _ASKED:
        raise Unseen(f"what {kind}: tables hold is not read")
    told = host.run(*_command(sender), "-q", key, _plain(table), ok=(0, 1))
    if told.rc and told.stderr.strip():
        raise Unseen(f"'postmap -q' failed at {shown(table)}: {told.complaint}")
    return told.stdout.strip()


def _plain(table: str) -> str:
    """The table behind 'proxy:', which only says who opens it."""
    return table.removeprefix("proxy:")


def _command(sender: Postfix) -> tuple[str, ...]:
    return ("postmap",) if sender.directory == DIRECTORY else ("postmap", "-c", sender.directory)


def _pattern_rows(text: str) -> list[tuple[str, str]]:
    """The patterns of a table of patterns and what they lead to; lines that begin with a blank go on."""
    joined = re.sub(r"\n[ \t]+(?=\S)", " ", re.sub(r"(?m)^\s*#.*\n?", "", text))
    found = []
    for line in joined.splitlines():
        match = _PATTERN.match(line.strip())
        pattern, value = (match[1], match[3]) if match else ("", "")
        if pattern and pattern.lower() not in ("if", "endif") and not pattern.lower().startswith(("if/", "if!")):
            found.append((pattern, value.strip()))
    return found
