"""The audits that were made of sabotaged hosts, kept so that tests/mutate.py can judge them anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "rounds"


@dataclass(frozen=True)
class Recorded:
    """One audit: the names of the cases that it was made of, and the hosts' records."""

    cases: tuple[str, ...]
    records: Mapping[str, Any]


def keep(release: str, name: str, cases: Sequence[str], records: Mapping[str, Any]) -> None:
    """Write one round's audit to disk."""
    folder = FOLDER / release
    folder.mkdir(parents=True, exist_ok=True)
    told = {"code": digest(), "cases": list(cases), "records": records}
    (folder / f"{name}.json").write_text(json.dumps(told))


def rounds(kind: str) -> list[Recorded]:
    """The rounds of a kind that this very code audited; those of other code are left out."""
    told = [json.loads(path.read_text()) for path in sorted(FOLDER.glob(f"*/{kind}-*.json"))]
    return [Recorded(tuple(one["cases"]), one["records"]) for one in told if one["code"] == digest()]


def digest() -> str:
    """What tells apart the code that audits and hardens, and the cases."""
    found = hashlib.sha256()
    for folder in ("plugins", "roles", "playbooks", "inventories/lab", "tests/sabotage", "tests/promises", "tests/lab"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yml", ".j2"):
                found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()
