# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network: which number it has beside labs of other clones, alive or killed."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import machine, network
from lab.machine import LabError

LAB = "test-trixie"


@pytest.fixture(autouse=True)
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the machine's network devices stand: an empty folder; and a clone of our own."""
    devices = tmp_path / "net"
    devices.mkdir()
    monkeypatch.setattr(network, "_DEVICES", devices)
    monkeypatch.setattr(machine, "STATE", tmp_path / "clone" / ".lab")
    machine.STATE.mkdir(parents=True)
    return devices


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """What another clone keeps of its lab."""
    state = tmp_path / "other" / ".lab"
    state.mkdir(parents=True)
    (state / "in-use.lock").touch()
    return state


@pytest.fixture
def bridge(devices: Path) -> Callable[..., None]:
    """Make a bridge as the kernel shows it: whose it is, and what is linked to it."""

    def make(name: str, alias: str, *linked: str) -> None:
        (devices / name / "brif").mkdir(parents=True)
        (devices / name / "ifalias").write_text(f"{alias}\n")
        for device in linked:
            (devices / name / "brif" / device).touch()

    return make


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run, in order; none is."""
    commands: list[list[str]] = []
    monkeypatch.setattr(machine, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    return commands


def test_a_lab_keeps_its_number():
    chosen = network.network_of(LAB)
    assert chosen.number == network.network_of(LAB).number
    assert chosen.number != network.network_of("test-bookworm").number


def test_a_lab_keeps_its_number_beside_its_own_bridge(bridge):
    chosen = network.network_of(LAB)
    bridge(chosen.bridge, f"privacy.hosting {LAB} {machine.STATE}", f"{chosen.bridge}-11")
    assert network.network_of(LAB) == chosen


def test_a_lab_moves_on_where_one_of_another_clone_has_hosts(bridge, other):
    chosen = network.network_of(LAB)
    bridge(chosen.bridge, f"privacy.hosting {LAB} {other}", f"{chosen.bridge}-11")
    assert network.network_of(LAB).number == chosen.number % network.NETWORKS + 1


def test_a_lab_moves_on_where_another_clone_has_just_begun(bridge, other):
    chosen = network.network_of(LAB)
    bridge(chosen.bridge, f"privacy.hosting {LAB} {other}")
    with (other / "in-use.lock").open() as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        assert network.network_of(LAB).number != chosen.number


@pytest.mark.parametrize("clone", ["other", "gone"])
def test_the_bridge_of_a_killed_lab_is_replaced(bridge, other, ran, clone):
    chosen = network.network_of(LAB)
    bridge(chosen.bridge, f"privacy.hosting {LAB} {other if clone == 'other' else other / 'gone'}")
    assert network.network_of(LAB) == chosen
    network.make_bridge(chosen)
    assert ran[0] == ["ip", "link", "delete", chosen.bridge]
    assert f"privacy.hosting {LAB} {machine.STATE}" in ran[1]


def test_the_default_lab_does_not_move(bridge, other, ran):
    bridge("phlab0", f"privacy.hosting lab {other}", "phlab0-11")
    with pytest.raises(LabError, match=f"phlab0 belongs to another lab .*{other}.*: end that one, or choose"):
        network.make_bridge(network.network_of("lab"))
    assert not ran


@pytest.mark.parametrize(("clone", "removed"), [("clone", True), ("other", False)])
def test_only_an_own_bridge_is_removed(bridge, tmp_path, ran, clone, removed):
    chosen = network.network_of(LAB)
    bridge(chosen.bridge, f"privacy.hosting {LAB} {tmp_path / clone / '.lab'}", f"{chosen.bridge}-11")
    network.remove_bridge(chosen)
    assert ran == ([["ip", "link", "delete", chosen.bridge]] if removed else [])
