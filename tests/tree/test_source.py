"""What holds for the source as a whole: licence, layers, and what may reach an audited server."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.privacy.hosting"
LICENCE = [
    "# Copyright (c) 2026 the privacy.hosting authors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]

# What each layer may import of the collection; layers look downwards only. A file's layer is the longest prefix.
UTILS, PLUGIN_UTILS = "plugins.module_utils.", "plugins.plugin_utils."
VALUES = (f"{UTILS}_option", f"{UTILS}_finding")
LAYERS = {
    f"{UTILS}_option": (),
    f"{UTILS}_finding": (f"{UTILS}_option",),
    f"{UTILS}_host": VALUES,
    f"{UTILS}_services": (f"{UTILS}_services", f"{UTILS}_host", *VALUES),
    f"{UTILS}_measure": (f"{UTILS}_services", f"{UTILS}_host", *VALUES),
    f"{UTILS}_measures": (UTILS,),
    "plugins.modules": (UTILS,),
    f"{PLUGIN_UTILS}_statement": (UTILS, f"{PLUGIN_UTILS}_statement"),
    f"{PLUGIN_UTILS}_verdict": (*VALUES, f"{PLUGIN_UTILS}_statement", f"{PLUGIN_UTILS}_verdict"),
    f"{PLUGIN_UTILS}_report": (*VALUES, PLUGIN_UTILS),
}


def tracked() -> list[Path]:
    """The files of the project: what git knows, or would know."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    return sorted({ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()})


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


FILES = tracked()
PYTHON = [path for path in FILES if path.suffix == ".py" and path.stat().st_size]
PLUGINS = [path for path in PYTHON if name(path).startswith("plugins/")]
ON_SERVERS = [path for path in PLUGINS if name(path).startswith(("plugins/modules/", "plugins/module_utils/"))]


def module(path: Path) -> str:
    """The dotted name of a file below the collection's root."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it, with relative ones made absolute."""
    package = module(path).split(".") if path.name == "__init__.py" else module(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = [COLLECTION, *package[: len(package) - node.level + 1]] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> list[str]:
    """Those of its imports that are of this collection, named from the collection's root."""
    return [found.removeprefix(f"{COLLECTION}.") for found in imports(path) if found.startswith(f"{COLLECTION}.")]


def within(dotted: str, prefix: str) -> bool:
    return dotted == prefix or dotted.startswith(prefix if prefix.endswith(".") else f"{prefix}.")


def layer(path: Path) -> str | None:
    prefixes = [prefix for prefix in LAYERS if within(module(path), prefix)]
    return max(prefixes, key=len, default=None)


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


@pytest.mark.parametrize("path", [path for path in PLUGINS if layer(path)], ids=name)
def test_layers_look_downwards_only(path):
    allowed = LAYERS[layer(path) or ""]
    upwards = [found for found in own_imports(path) if not any(within(found, prefix) for prefix in allowed)]
    assert not upwards, f"{name(path)} may import {', '.join(allowed) or 'nothing of the collection'}"


@pytest.mark.parametrize("path", ON_SERVERS, ids=name)
def test_servers_need_the_standard_library_only(path):
    known = (*sys.stdlib_module_names, "ansible.module_utils", f"{COLLECTION}.plugins.module_utils")
    foreign = [found for found in imports(path) if not any(within(found, prefix) for prefix in known)]
    assert not foreign


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_names_the_machine_it_was_written_on(path):
    text = path.read_bytes()
    assert str(ROOT).encode() + b"/" not in text
    assert b"/work" + b"/" not in text
