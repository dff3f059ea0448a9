# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source files that a host needs to answer for some measures, packed for the module measure_info.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ..module_utils._received import PACKAGE

MODULE_UTILS = Path(__file__).resolve().parent.parent / "module_utils"

# 'from ..a.b import (c, d)' at the beginning of a line: the only way in which our files import each other
_IMPORT = re.compile(r"^[ \t]*from (\.+)([\w.]*) import (\([^)]*\)|[^\n#]*)", re.MULTILINE)
_ALIAS = re.compile(r"\bas\s+\w+|[()]|#[^\n]*")


def packed(measures: Iterable[str]) -> str:
    """The sources for some measures, as base64 of a compressed JSON object of texts by dotted name."""
    texts = {f"{PACKAGE}.{name}": text for name, text in sources(measures).items()}
    return base64.b64encode(zlib.compress(json.dumps(texts).encode())).decode()


def sources(measures: Iterable[str]) -> dict[str, str]:
    """What answers for some measures and all that it imports: texts by dotted name below module_utils.

    A measure that does not exist has no files; the host then says so.
    """
    return {name: source(name) or "" for name in closure(measures)}


def closure(measures: Iterable[str]) -> list[str]:
    """The dotted names of those files."""
    found: dict[str, None] = {}
    wanted = ["_answer", *(f"{package}.{name}" for name in measures for package in ("_measures", "_checks"))]
    while wanted:
        name = wanted.pop()
        if name not in found and source(name) is not None:
            found[name] = None
            wanted += _imports(name)
    return list(found)


@cache
def source(name: str) -> str | None:
    """The text of a module below module_utils; None where there is no such file."""
    path = MODULE_UTILS / f"{name.replace('.', '/')}.py"
    return path.read_text(encoding="utf-8") if path.is_file() else None


@cache
def _imports(name: str) -> tuple[str, ...]:
    return tuple(imported(name, source(name) or ""))


def imported(name: str, text: str) -> Iterator[str]:
    """The dotted names that a module's relative imports may mean: modules, or things in modules."""
    for dots, module, names in _IMPORT.findall(text):
        base = name.split(".")[: -len(dots)] + [part for part in module.split(".") if part]
        yield ".".join(base)
        named = (one.strip() for one in _ALIAS.sub("", names).split(","))
        yield from (".".join([*base, one]) for one in named if one)
