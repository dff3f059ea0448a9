"""What the pages show is so: their links lead somewhere, and the README's register is one."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_links_lead_somewhere(page):
    assert [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()] == []


def test_the_readmes_register_has_no_mistake():
    (block,) = re.findall(r"```yaml\n(statement:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(Statement.load(yaml.safe_load(block)["statement"], today=dt.date(2026, 11, 1)).promises) == 3
