# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that change hosts: what they plan, what they return, and what they say when they cannot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import (
    ChangeError,
    Planned,
    Transaction,
    change_host,
)
from ansible_collections.privacy.hosting.plugins.module_utils._host import Unseen
from ansible_collections.privacy.hosting.plugins.modules import transaction as transaction_module
from ansible_collections.privacy.hosting.plugins.modules import undo as undo_module

RUN = "2026-01-31T12:00:00Z"


class Ended(Exception):
    """A module ended; result: what it returned."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(str(result))
        self.result = result


class Module:
    """What change_host asks of an AnsibleModule."""

    def __init__(self, check: bool = False, diff: bool = True, **params: Any) -> None:
        self.params, self._diff = {"run": RUN, **params}, diff
        self.check_mode = check
        self.warnings: list[str] = []

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def exit_json(self, **result: Any) -> NoReturn:
        raise Ended(result)

    def fail_json(self, **result: Any) -> NoReturn:
        raise Ended({"failed": True, **result})


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions keep their copies below the test's directory."""
    root = str(tmp_path / "undo")
    monkeypatch.setattr(Transaction.__init__, "__defaults__", (False, root, _change.call, False))
    monkeypatch.setattr(_change.plan_undo, "__defaults__", ("last", False, root, _change.call))


def run(module: Module, plan: Any) -> dict[str, Any]:
    with pytest.raises(Ended) as ended:
        change_host(module, "test", plan)
    return ended.value.result


def one_file(path: Path) -> Any:
    def plan(transaction: Transaction) -> Planned:
        transaction.write(str(path), "new\n")
        return Planned({"more": 1}, ["mind this"])

    return plan


def test_a_change_is_told_with_its_diff_and_its_warnings(tmp_path: Path) -> None:
    module = Module()
    result = run(module, one_file(tmp_path / "file"))
    assert (result["changed"], result["changes"], result["run"], result["more"]) == (
        True,
        [str(tmp_path / "file")],
        RUN,
        1,
    )
    assert result["diff"][0]["after"] == "new\n"
    assert module.warnings == ["mind this"]
    assert run(Module(), one_file(tmp_path / "file"))["changed"] is False


def test_content_leaves_the_host_only_where_a_diff_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("password secret\n")
    assert "secret" not in str(run(Module(diff=False, check=True), one_file(tmp_path / "file")))
    result = run(Module(diff=False), one_file(tmp_path / "file"))
    assert result["changed"] is True and "diff" not in result and "secret" not in str(result)


def test_check_mode_tells_the_same_and_changes_nothing(tmp_path: Path) -> None:
    result = run(Module(check=True), one_file(tmp_path / "file"))
    assert result["changed"] is True and result["diff"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [ChangeError("one line"), Unseen("one line")])
def test_what_fails_is_told_in_one_line(fault: Exception) -> None:
    def plan(transaction: Transaction) -> Planned:
        raise fault

    assert run(Module(), plan) == {"failed": True, "msg": "one line"}


def test_without_root_rights_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = run(Module(), one_file(tmp_path / "file"))
    assert result["failed"] and "log in as root, or give --become" in result["msg"]
    assert not (tmp_path / "file").exists()


def test_what_comes_afterwards_counts(tmp_path: Path) -> None:
    def plan(transaction: Transaction) -> Planned:
        more = {"changed": True, "diff": [{"before": "x", "after": ""}], "warnings": ["late"], "destroyed": ["x"]}
        return Planned(afterwards=lambda: more)

    module = Module()
    result = run(module, plan)
    assert (result["changed"], result["destroyed"], len(result["diff"])) == (True, ["x"], 1)
    assert module.warnings == ["late"]


def test_the_transaction_module_makes_what_it_is_told(tmp_path: Path) -> None:
    params = {
        "directories": [{"path": str(tmp_path / "d"), "mode": "0750"}],
        "files": [{"path": str(tmp_path / "d" / "f"), "content": "x\n", "mode": "0600"}],
        "links": [{"path": str(tmp_path / "l"), "target": "d/f"}],
        "units": [],
        "validations": [["grep", "x", str(tmp_path / "l")]],
        "reloads": [],
    }
    module = Module(**params)
    assert run(module, lambda transaction: transaction_module.plan(transaction, params))["changed"] is True
    assert (tmp_path / "l").read_text() == "x\n"
    params["files"][0]["content"] = "y\n"
    params["validations"] = [["grep", "-q", "x", str(tmp_path / "l")]]
    result = run(module, lambda transaction: transaction_module.plan(transaction, params))
    assert result["failed"] and "all was put back" in result["msg"]
    assert (tmp_path / "l").read_text() == "x\n"


def test_undo_says_what_it_did_and_what_to_mind(tmp_path: Path) -> None:
    with pytest.raises(Ended):
        change_host(Module(), "log_retention", one_file(tmp_path / "file"))
    told = undo_module.undo("last", check=True)
    assert told["says"][:2] == [f"Would put back what the run of {RUN} changed:", f"- {tmp_path}/file"]
    assert (tmp_path / "file").exists()
    done = undo_module.undo("last", check=False)
    assert done["changed"] and not (tmp_path / "file").exists()
    assert any("throw web logs away before their time" in line for line in done["says"])
    again = undo_module.undo("last", check=False)
    assert (again["changed"], again["says"]) == (False, [f"Nothing is left to put back of the run of {RUN}."])


def test_undo_without_a_run_says_so() -> None:
    assert undo_module.undo("last", check=False)["says"] == [
        "No run of hardening has changed this host; there is nothing to put back."
    ]
