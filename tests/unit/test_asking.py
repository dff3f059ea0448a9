# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a host is asked: by one command where the connection allows it, else by the module."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.plugin_utils import _asking
from ansible_collections.privacy.hosting.plugins.plugin_utils._sources import packed

QUESTION = {"measure": "nothing", "options": {}}
ARGUMENTS = {
    "questions": [QUESTION],
    "settings": {},
    "own_sites": [],
    "probe": False,
    "command_seconds": 5.0,
    "total_seconds": 20.0,
    "sources": packed([]),
}


class Action:
    """An action whose host is this machine, through a shell. said: what stands before the program's own output."""

    def __init__(self, pipelining: bool = True, become: Any = None, said: str = "") -> None:
        self._connection = SimpleNamespace(has_pipelining=pipelining, become=become)
        self._templar = SimpleNamespace(template=lambda value: value)
        self.said, self.modules = said, 0

    def _low_level_execute_command(self, command: str, in_data: bytes) -> dict[str, Any]:
        done = subprocess.run(["/bin/sh", "-c", command], input=in_data, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": self.said + done.stdout.decode()}

    def _execute_module(self, module_args: dict[str, Any], task_vars: dict[str, Any], **_named: Any) -> dict[str, Any]:
        self.modules += 1
        assert task_vars["ansible_no_target_syslog"] is True
        assert module_args == ARGUMENTS
        return {"answers": ["of the module"]}


def ask(action: Action, python: str = sys.executable) -> dict[str, Any]:
    return _asking.ask(action, ARGUMENTS, {"ansible_python_interpreter": python})  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["", "Welcome to host 7\n"], ids=["nothing else", "a shell that greets"])
def test_one_command_answers_and_no_module_runs(said: str) -> None:
    action = Action(said=said)
    answered = ask(action)
    assert answered["host"]["python"] == ".".join(map(str, sys.version_info[:3]))
    ((finding,),) = answered["answers"]
    assert finding["measure"] == "nothing"
    assert finding["status"] == "error"
    assert action.modules == 0


@pytest.mark.parametrize(
    ("action", "python"),
    [
        (Action(pipelining=False), sys.executable),
        (Action(become=SimpleNamespace(pipelining=False)), sys.executable),
        (Action(), "/nonexistent/python3"),
        (Action(), "/bin/false"),
        (Action(), "/bin/echo"),
    ],
    ids=["a connection without input", "a way to become root without input", "no Python", "it fails", "no answer"],
)
def test_the_module_is_asked_where_the_command_cannot_answer(action: Action, python: str) -> None:
    assert ask(action, python) == {"answers": ["of the module"]}
    assert action.modules == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ansible_python_interpreter": "/opt/python/bin/python3"}, ["/opt/python/bin/python3"]),
        (
            {"ansible_python_interpreter": "auto_silent", "ansible_facts": {"discovered_interpreter_python": "/p"}},
            ["/p"],
        ),
    ],
)
def test_the_interpreter_that_is_named_is_used(variables: dict[str, Any], expected: list[str]) -> None:
    assert _asking.interpreters(Action(), variables) == expected  # type: ignore[arg-type]


def test_without_a_name_those_that_ansible_would_try_are_tried_in_turn() -> None:
    tried = _asking.interpreters(Action(), {})  # type: ignore[arg-type]
    assert any(one.endswith("python3") for one in tried)
    text = _asking.command(["/nonexistent/python3", f"{sys.executable} -W ignore"])
    done = subprocess.run(["/bin/sh", "-c", text], input="print(7)", capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"
