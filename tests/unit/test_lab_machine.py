# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's virtual machine: what qemu is told, and the talk with qemu and with the guest's agent."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import fleet, images, vm
from lab.machine import LabError
from lab.network import Network

Answer = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A machine's folder, of a path too long for a socket's name."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    return deep


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., None]]:
    """Answer lines of JSON on a socket of the folder; the greeting, if any, comes first."""
    listening = []

    def begin(name: str, answer: Answer, greeting: bytes = b"") -> None:
        listener = socket.socket(socket.AF_UNIX)
        opened = os.open(folder, os.O_PATH)
        listener.bind(f"/proc/self/fd/{opened}/{name}")
        os.close(opened)
        listener.listen()
        listening.append(listener)
        threading.Thread(target=_serve, args=(listener, answer, greeting), daemon=True).start()

    yield begin
    for listener in listening:
        listener.close()


def _serve(listener: socket.socket, answer: Answer, greeting: bytes) -> None:
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection, connection.makefile("rb") as lines:
            connection.sendall(greeting)
            for line in lines:
                connection.sendall(json.dumps(answer(json.loads(line.lstrip(b"\xff")))).encode() + b"\n")


def agent(exitcode: int, output: bytes, seen: list[dict[str, Any]]) -> Answer:
    """A guest's agent whose every command ends at the second look."""
    looks = iter([{"exited": False}])

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        seen.append(asked)
        if asked["execute"] == "guest-sync-delimited":
            return {"return": asked["arguments"]["id"]}
        if asked["execute"] == "guest-exec":
            return {"return": {"pid": 7}}
        ended = {"exited": True, "exitcode": exitcode, "out-data": base64.b64encode(output).decode()}
        return {"return": next(looks, ended)}

    return answer


def machine_in(folder: Path) -> vm.VirtualMachine:
    """A machine of that folder."""
    return vm.VirtualMachine("db1", folder, "phlab0-15")


def test_a_command_brings_its_output_and_exit_code(folder: Path, serve: Callable[..., None]) -> None:
    seen: list[dict[str, Any]] = []
    serve("agent", agent(3, b"none\n", seen))
    assert machine_in(folder).execute(["grep", "a b"], b"text") == (3, b"none\n", b"")
    asked = next(one["arguments"] for one in seen if one["execute"] == "guest-exec")
    assert asked["arg"][-2:] == ["grep", "a b"]
    assert base64.b64decode(asked["input-data"]) == b"text"


def test_an_answer_to_nobody_is_left_out(folder: Path, serve: Callable[..., None]) -> None:
    serve("agent", agent(0, b"", []), b'{"return": {"pid": 9}}\n')  # to a question of before
    assert machine_in(folder).agent("guest-exec") == {"pid": 7}


def test_what_qemu_refuses_is_told(folder: Path, serve: Callable[..., None]) -> None:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        return {"return": "Error: no such snapshot\r\n" if "arguments" in asked else {}}

    serve("qmp", answer, b'{"QMP": {}}\n')
    with pytest.raises(LabError, match="db1: qemu's loadvm x: Error: no such snapshot"):
        machine_in(folder).load("x")


def test_a_machine_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(LabError, match="db1: no answer of the agent in it: No such file or directory"):
        machine_in(folder).execute(["true"])


def test_another_process_of_its_number_is_not_its_qemu(folder: Path) -> None:
    made = machine_in(folder)
    assert made.process() is None
    (folder / "pid").write_text(f"{os.getpid()}\n")
    assert made.process() is None
    assert made.snapshots() == []
    made.end()  # ends nothing


def test_a_command_line_that_runs_there_says_why_it_cannot(folder: Path) -> None:
    command = machine_in(folder).command(["true"])
    assert command[0] == sys.executable
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "no answer of the agent" in done.stderr


@pytest.mark.parametrize(("kvm", "cpu", "clock"), [(True, "-cpu host -smp 2", ""), (False, "-smp 1", "acpi_pm")])
def test_an_emulated_processor_is_told_more(kvm: bool, cpu: str, clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "_has_kvm", lambda: kvm)
    assert cpu in vm.processor()
    assert ("clocksource=acpi_pm" in vm.kernel_arguments()) == bool(clock)


def test_a_machine_is_made_anew_when_what_it_is_made_of_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "ingredients", lambda: ["qemu 1"])
    recipes = {"base": {"packages": ["a"]}, "machine": {"packages": ["b"]}}
    first = images.machine_name("trixie", "machine", recipes, {"lab-data": "1G"})
    assert first == images.machine_name("trixie", "machine", recipes, {"lab-data": "1G"})
    assert first.startswith("trixie-machine-")
    assert first != images.machine_name("trixie", "machine", recipes, {"lab-data": "2G"})
    monkeypatch.setattr(vm, "ingredients", lambda: ["qemu 2"])
    assert first != images.machine_name("trixie", "machine", recipes, {"lab-data": "1G"})


def test_a_package_of_one_release_is_installed_there_only() -> None:
    recipe = {"packages": ["udev", {"trixie": "systemd-cryptsetup"}]}
    assert images.packages("trixie", recipe) == ["udev", "systemd-cryptsetup"]
    assert images.packages("bookworm", recipe) == ["udev"]


def test_a_machine_has_the_address_of_its_number() -> None:
    told = Network("x", 7).configuration(15)
    assert "Address=10.214.7.15/24\n" in told
    assert "Address=fd6c:6162:0:7::f/64\n" in told
    assert len(Network("x", 254).link(254)) <= 15  # what Linux allows


def test_who_has_disks_is_a_machine() -> None:
    lab = fleet.Lab("lab", "trixie")
    assert [host.name for host in lab.hosts.values() if host.is_machine] == ["db1"]
    assert lab.hosts["db1"].disks == {"lab-data": "1G"}
