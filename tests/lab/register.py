"""The register under which the lab's hosts are tested: the lab's own, and what measures beside it ask for.

A measure that the lab's register does not promise has its promises in tests/promises/<measure>.yml, so that its
cases have something to turn.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def more_promises(root: Path = ROOT) -> list[dict[str, Any]]:
    """The promises of tests/promises, by file and order."""
    files = sorted((root / "tests" / "promises").glob("*.yml"))
    return [promise for path in files for promise in yaml.safe_load(path.read_text())]


def own_promises(root: Path = ROOT) -> list[dict[str, Any]]:
    """The promises of the lab's own register."""
    told = yaml.safe_load((root / "inventories/lab/group_vars/all/statement.yml").read_text())
    return told["statement"]["promises"]


def statement(root: Path = ROOT) -> dict[str, Any]:
    """The lab's statement with those promises at its end."""
    told = yaml.safe_load((root / "inventories/lab/group_vars/all/statement.yml").read_text())["statement"]
    return {**told, "promises": [*told["promises"], *more_promises(root)]}


def write(state: Path, root: Path = ROOT) -> None:
    """Put it beside the inventory in a lab's folder, from where it counts; nothing where the lab's own says it all."""
    folder = state / "group_vars"
    shutil.rmtree(folder, ignore_errors=True)
    if more_promises(root):
        (folder / "all").mkdir(parents=True)
        (folder / "all" / "statement.yml").write_text(yaml.safe_dump({"statement": statement(root)}, sort_keys=False))
