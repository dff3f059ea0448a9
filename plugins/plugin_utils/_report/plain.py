# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain values: what comes from hosts and from Ansible, made safe to show anywhere.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

# Characters that act instead of showing: controls, line separators, zero-width and bidirectional marks, halves of
# surrogate pairs, private use, tags, what is no character at all. In a page or a terminal they could hide or fake text.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000e0000-\U0010ffff]+"
)
LONGEST = 10_000  # characters of one text: a finding is one line


class _Spelled(dict[str, str]):
    """Characters that act, spelled out as Python would: ESC is the four characters \\x1b."""

    def __missing__(self, character: str) -> str:
        code = ord(character)
        self[character] = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        return self[character]


_SPELLED = _Spelled({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def visible(text: str) -> str:
    """The text as one line of characters that show: ESC becomes the four characters \\x1b, and so on.

    What is longer than LONGEST is cut, and says by how much.
    """
    left = len(text) - LONGEST
    return _ACTING.sub(_spelled, str.__str__(text)[:LONGEST]) + (f" … (+{left})" if left > 0 else "")


def _spelled(match: re.Match[str]) -> str:
    """A run of characters that act, spelled out."""
    return "".join(map(_SPELLED.__getitem__, match.group()))


def plain(value: Any) -> Any:
    """The value in JSON's types alone, without Ansible's tags, every text made visible; dates in ISO form."""
    if isinstance(value, str):
        return visible(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    if isinstance(value, bytes):
        return visible(value.decode("utf-8", "surrogateescape"))
    if isinstance(value, Mapping):
        return {visible(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else visible(str(value))
