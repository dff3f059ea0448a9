# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On the host: import the sources that were sent along, and answer.

This file stands alone: it is what reaches the host first.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import zlib
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from typing import Any

PACKAGE = "privacy_hosting"  # what the sources are imported as


class Sources:
    """Imports from memory: the sources of our modules by dotted name; whatever stands above one is a package."""

    def __init__(self, packed: str) -> None:
        self._texts: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(packed)))
        self._packages = {name.rpartition(".")[0] for name in self._texts} | {PACKAGE}

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """As an importer's; None for what is not ours."""
        package = name in self._packages
        if not package and name not in self._texts:
            return None
        return ModuleSpec(name, self, origin=f"{name.replace('.', '/')}.py", is_package=package)  # type: ignore[arg-type]

    def create_module(self, _spec: ModuleSpec) -> None:
        """As a loader's; the usual kind of module serves."""

    def exec_module(self, module: Any) -> None:
        """As a loader's."""
        spec = module.__spec__
        code = compile(self._texts.get(spec.name, ""), spec.origin, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - this is what importing a source means


def answers(params: Mapping[str, Any]) -> dict[str, Any]:
    """What measure_info returns for its parameters, by the sources among them."""
    sys.meta_path.append(Sources(params["sources"]))
    answered: dict[str, Any] = importlib.import_module(f"{PACKAGE}._answer").answers(params)
    return answered
