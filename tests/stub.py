"""A pytest plugin for tests/mutate.py: makes the check that STUB names (measure.check) pass whatever it sees."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.privacy.hosting.plugins.module_utils import _measures
from ansible_collections.privacy.hosting.plugins.module_utils._finding import OBSERVED, PASS, Finding


def pytest_configure() -> None:
    """Put the stub where the check is declared, before a test is imported."""
    measure, _dot, name = os.environ["STUB"].partition(".")
    declared = _measures.MEASURES[measure]
    check = next(check for check in declared.checks if check.name == name)

    def always_passes(_host: Any, _question: Any, option: str) -> Iterator[Finding]:
        yield Finding(measure, name, option, "this host", PASS, OBSERVED, "all is well", "all is well", "stub")

    stub = replace(check, run=always_passes)
    stubbed = replace(declared, checks=tuple(stub if one is check else one for one in declared.checks))
    module = sys.modules[f"{_measures.__name__}.{measure}"]
    for member, value in list(vars(module).items()):
        if value is check.run:
            setattr(module, member, always_passes)
        elif value is declared:
            setattr(module, member, stubbed)
        elif value is declared.checks:
            setattr(module, member, stubbed.checks)
    _measures.MEASURES = {**_measures.MEASURES, measure: stubbed}
