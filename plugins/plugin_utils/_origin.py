# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verdict hangs on beside the host: the register's words and the checks' code. A report that compares two
runs tells by it whether a server changed, or what was asked of it.

PRIVATE to the collection.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from ._sources import closure, source
from ._statement import Promise, Statement

ROOT = Path(__file__).resolve().parents[2]
DIGITS = 16  # of a digest: two runs are told apart by it, nobody is kept from making a second one


def asks(promise: Promise, statement: Statement) -> str:
    """A digest of all in the register that a promise's verdict hangs on, but for waivers: they are a host's."""
    told = {field.name: getattr(promise, field.name) for field in fields(promise) if field.name not in _NAMES_IT}
    return _digest(json.dumps([told, statement.own_sites, statement.own_databases], sort_keys=True, default=str))


# What only says which promise it is.
_NAMES_IT = ("id", "where", "says", "gdpr", "fingerprint")


def checked_with(measures: Iterable[str]) -> dict[str, Any]:
    """The collection's version, and for each of some measures a digest of the code that judges it."""
    return {"collection": version(), "measures": {name: _of_measure(name) for name in sorted(set(measures))}}


@cache
def version() -> str:
    """The collection's version: of an installed one as its manifest says, else as its sources say."""
    try:
        manifest = json.loads((ROOT / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except FileNotFoundError:
        found = re.search(r"^version: *(\S+)", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
        return found[1] if found else "unknown"


@cache
def _of_measure(name: str) -> str:
    return _digest("".join(f"{module}\0{_of_file(module)}\n" for module in sorted(closure([name]))))


@cache
def _of_file(module: str) -> str:
    return _digest(source(module) or "")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
