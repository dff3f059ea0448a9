# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit action: which other hosts a host may point to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.action.audit import asks, audited

HOSTVARS: dict[str, dict[str, str]] = {"web1": {}, "front1": {"ansible_host": "192.0.2.9"}, "front2": {}}
GROUPS = {"all": ["web1", "front1", "front2"], "fronts": ["front1", "front2"]}


def promise(*hosts: str) -> Any:
    """A promise about some hosts or groups."""
    return SimpleNamespace(applies_to=lambda host, groups: bool({host, *groups} & set(hosts)))


@pytest.mark.parametrize(
    ("promises", "play", "left"),
    [
        ([promise("all")], ["web1", "front1"], ["front1 192.0.2.9"]),
        ([promise("fronts", "web1")], ["web1", "front1"], ["front1 192.0.2.9"]),
        ([promise("all"), promise("web1")], ["web1", "front1"], []),
        ([promise("all")], ["web1"], []),
    ],
    ids=["audited too", "in a group that is promised", "not promised all of it", "outside --limit"],
)
def test_only_hosts_that_are_held_against_the_same_promises_count(
    promises: list[Any], play: list[str], left: list[str]
) -> None:
    variables = {"groups": GROUPS, "ansible_play_hosts_all": play, "hostvars": HOSTVARS}
    assert audited(["front1", "unknown9"], promises, variables) == left


def test_addresses_that_are_named_count_in_the_stead_of_ansibles() -> None:
    play = ["web1", "front1", "front2"]
    variables = {"groups": GROUPS, "ansible_play_hosts_all": play, "hostvars": HOSTVARS}
    named = ["front1 203.0.113.1 2001:db8::1", "front2"]
    assert audited(named, [promise("all")], variables) == ["front1 203.0.113.1 2001:db8::1", "front2 front2"]


@pytest.mark.parametrize(
    ("sets", "part", "asked"),
    [
        ({"data_backup": {"append_only": True}}, ("append_only",), True),
        ({"data_backup": {"interval": "1 day"}}, ("append_only",), False),
        ({"data_backup": {"interval": "1 day"}}, (), True),
        ({"web_tls": {"append_only": True}}, ("append_only",), False),
        ({"web_tls": {}}, (), False),
    ],
)
def test_which_promises_ask_for_the_part_that_other_hosts_keep(
    sets: dict[str, Any], part: tuple[str, ...], asked: bool
) -> None:
    assert asks(SimpleNamespace(measures=sets), "data_backup", part) is asked  # type: ignore[arg-type]
