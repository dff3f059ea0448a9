"""What holds for the source as a whole: licence, layers, and what may reach an audited server."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.privacy.hosting.plugins"
LICENCE = [
    "# Copyright (c) 2026 the privacy.hosting authors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]

# The layers, lowest first: each may import of itself and of those before it.
LAYERS = [
    "doc_fragments",
    "module_utils._option",
    "module_utils._finding",
    "module_utils._host",
    "module_utils._change",
    "module_utils._services",
    "module_utils._log_destroyer",
    "module_utils._backup",
    "module_utils._changes",
    "module_utils._measure",
    "module_utils._measures",
    "module_utils._checks",
    "module_utils._answer",
    "module_utils._received",
    "modules",
    "plugin_utils._sources",
    "plugin_utils._asking",
    "plugin_utils._register",
    "plugin_utils._statement",
    "plugin_utils._text",
    "plugin_utils._origin",
    "plugin_utils._verdict",
    "plugin_utils._supplier",
    "plugin_utils._report",
    "plugin_utils._ovh",
    "plugin_utils._ovh_servers",
    "filter",
    "lookup",
    "test",
    "action",
    "inventory",
]


def tracked() -> list[Path]:
    """The files of the project: what git knows, or would know."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted({ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()})


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


FILES = tracked()
PYTHON = [path for path in FILES if path.suffix == ".py" and path.stat().st_size]
PLUGINS = [path for path in PYTHON if name(path).startswith("plugins/")]
ON_SERVERS = [path for path in PLUGINS if name(path).startswith(("plugins/modules/", "plugins/module_utils/"))]


def module(path: Path) -> list[str]:
    """The dotted name of a plugin file below plugins/, as a list."""
    parts = path.relative_to(ROOT / "plugins").with_suffix("").parts
    return list(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The names that a file imports, anywhere in it, with relative ones made absolute."""
    package = [*COLLECTION.split("."), *module(path)]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def own_imports(path: Path) -> list[str]:
    """Those of its imports that are of this collection, named from plugins/ on."""
    return [found.removeprefix(f"{COLLECTION}.") for found in imports(path) if within(found, COLLECTION)]


def within(dotted: str, prefix: str) -> bool:
    return f"{dotted}.".startswith(f"{prefix}.")


def layer(dotted: str) -> int:
    """The place of a module in the list of layers; it must have one."""
    (place,) = (place for place, prefix in enumerate(LAYERS) if within(dotted, prefix))
    return place


def test_the_source_is_found():
    assert len(ON_SERVERS) >= 5
    assert any(own_imports(path) for path in ON_SERVERS)


@pytest.mark.parametrize("path", PLUGINS, ids=name)
def test_a_plugin_names_its_licence(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#!")]
    assert lines[:3] == LICENCE


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_annotations_are_not_evaluated(path):
    tree = ast.parse(path.read_text())
    code = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    assert not code or "from __future__ import annotations" in path.read_text()


@pytest.mark.parametrize("path", PLUGINS, ids=name)
def test_layers_look_downwards_only(path):
    own = layer(".".join(module(path)))
    assert [found for found in own_imports(path) if layer(found) > own] == []


@pytest.mark.parametrize("path", ON_SERVERS, ids=name)
def test_servers_need_the_standard_library_only(path):
    known = (*sys.stdlib_module_names, "ansible.module_utils", f"{COLLECTION}.module_utils")
    foreign = [found for found in imports(path) if not any(within(found, prefix) for prefix in known)]
    assert not foreign


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_names_the_machine_it_was_written_on(path):
    text = path.read_bytes()
    assert str(ROOT).encode() + b"/" not in text
    assert b"/work" + b"/" not in text
