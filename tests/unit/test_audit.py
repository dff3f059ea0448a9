# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit action: which other hosts a host may point to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.action.audit import audited

GROUPS = {"all": ["web1", "front1", "front2"], "fronts": ["front1", "front2"]}


def promise(*hosts: str) -> Any:
    """A promise about some hosts or groups."""
    return SimpleNamespace(applies_to=lambda host, groups: bool({host, *groups} & set(hosts)))


@pytest.mark.parametrize(
    ("promises", "play", "left"),
    [
        ([promise("all")], ["web1", "front1"], ["front1"]),
        ([promise("fronts", "web1")], ["web1", "front1"], ["front1"]),
        ([promise("all"), promise("web1")], ["web1", "front1"], []),
        ([promise("all")], ["web1"], []),
    ],
    ids=["audited too", "in a group that is promised", "not promised all of it", "outside --limit"],
)
def test_only_hosts_that_are_held_against_the_same_promises_count(
    promises: list[Any], play: list[str], left: list[str]
) -> None:
    assert audited(["front1", "unknown9"], promises, {"groups": GROUPS, "ansible_play_hosts_all": play}) == left
