# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: audit a fleet in its ordinary state, harden it, audit it again, and show both."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import machine
from lab.fleet import Lab
from lab.machine import LabError, say
from lab.network import DEFAULT_LAB

BEFORE, AFTER = "before", "after"
SOCKET_FOLDER_LENGTH = 70  # characters that are left of a socket's 107 for its folder
SENTENCE_WIDTH = 68  # characters of a promise's text in the table

# What Ansible finds and leaves in the clone; each may be set otherwise by whoever calls.
_ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(machine.REPOSITORY / "ansible.cfg"),
    "ANSIBLE_HOME": str(machine.REPOSITORY / ".cache" / "ansible"),
    "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
    "ANSIBLE_FORKS": "10",  # all servers at once: the slow one need not wait for its turn
}


@dataclass(frozen=True)
class _Played:
    """What a playbook run came to. status: its exit code; output: its command line, and what was not shown of it."""

    status: int
    output: str


def demo(lab: Lab) -> bool:
    """Run the demonstration; returns whether no promise is broken at its end."""
    reports = machine.REPOSITORY / "reports" / lab.name
    for run in (BEFORE, AFTER):
        shutil.rmtree(reports / run, ignore_errors=True)
    say(f"building the lab: {', '.join(lab.hosts)} on Debian {lab.release}")
    lab.up([], fresh=True)
    say("holding the register against the statement's text")
    _prove(_play(lab, "statement", "-e", "text=inventories/lab/statement.md"), "statement")
    say("auditing the servers as they are; this changes nothing on them")
    before = _audit(lab, reports, BEFORE)
    machines = ",".join(host.name for host in lab.hosts.values() if host.inventory and host.is_machine)
    say(f"hardening them; {machines}, which is slow, beside the others, and its output after theirs")
    with ThreadPoolExecutor() as pool:
        beside = pool.submit(_harden_machines, lab, machines)
        try:
            _harden(lab, "--limit", f"all,!{machines}")
        finally:
            print(beside.result().output, flush=True)
    _prove(beside.result())
    say("auditing them again")
    after = _audit(lab, reports, AFTER)
    print("\n".join(["", *_table(before, after), "", *_closing(lab, reports)]), flush=True)
    broken = [promise["id"] for promise in after["promises"] if promise["verdict"] == "broken"]
    if broken:
        say(f"still broken after hardening: {', '.join(broken)}")
    return not broken


def _harden(lab: Lab, *arguments: str) -> None:
    _prove(_play(lab, "harden", *arguments))


def _harden_machines(lab: Lab, machines: str) -> _Played:
    """Harden virtual machines out of sight.

    The second run removes what the first one keeps of databases until they have worked from their encrypted disk.
    """
    first = _play(lab, "harden", "--limit", machines, shown=False)
    if first.status != 0:
        return first
    second = _play(lab, "harden", "--limit", machines, "--tags", "disk_encryption", shown=False)
    return _Played(second.status, first.output + second.output)


def _prove(played: _Played, playbook: str = "harden") -> None:
    if played.status != 0:
        raise LabError(f"privacy.hosting.{playbook} failed; its own messages are above")


def _audit(lab: Lab, reports: Path, run: str) -> dict[str, Any]:
    """Audit, report into the folder of this run, and return what its fleet.json holds."""
    folder = (reports / run).relative_to(machine.REPOSITORY)
    options = {"audit_dest": str(folder), "audit_run": run, "audit_fail_on": []}
    played = _play(lab, "audit", "-e", json.dumps(options))
    fleet = reports / run / "fleet.json"
    if played.status != 0 or not fleet.exists():
        raise LabError("privacy.hosting.audit failed; its own messages are above")
    return json.loads(fleet.read_text())


def _inventories(lab: Lab) -> list[str]:
    """The default lab's inventory is a part of the tree; another lab's addresses stand beside its keys."""
    own = [] if lab.name == DEFAULT_LAB else ["-i", str((lab.state / "hosts.yml").relative_to(machine.REPOSITORY))]
    return ["-i", "inventories/lab", *own]


def _play(lab: Lab, playbook: str, *arguments: str, shown: bool = True) -> _Played:
    """Run a playbook, with its output in sight where it is `shown`; what is not shown is returned."""
    command = ["ansible-playbook", f"privacy.hosting.{playbook}", *_inventories(lab), *arguments]
    heading = f"\n$ {shlex.join(command)}\n"
    binary = machine.REPOSITORY / ".venv" / "bin" / command[0]
    if not binary.exists():
        raise LabError("there is no .venv/bin/ansible-playbook: run `make demo`, which makes it")
    if shown:
        print(heading, end="", flush=True)
    done = subprocess.run(
        [str(binary), *command[1:]],
        cwd=machine.REPOSITORY,
        env=_environment(lab),
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
        check=False,
    )
    return _Played(done.returncode, heading + (done.stdout or ""))


def _environment(lab: Lab) -> dict[str, str]:
    """Ansible's environment: what it keeps lies in the clone, its connections' sockets too where their path fits."""
    sockets = str(lab.state / "cp")
    kept = {"ANSIBLE_SSH_CONTROL_PATH_DIR": sockets} if len(sockets) <= SOCKET_FOLDER_LENGTH else {}
    return {**_ENVIRONMENT, **kept, **os.environ}


def _table(before: dict[str, Any], after: dict[str, Any]) -> Sequence[str]:
    """The promises with their verdicts before and after, one line each."""
    earlier = {promise["id"]: promise["verdict"] for promise in before["promises"]}
    rows = [
        (earlier.get(promise["id"], "-"), promise["verdict"], _shortened(promise["says"]))
        for promise in after["promises"]
    ]
    return [f"{was:<15} {now:<15} {says}" for was, now, says in [("BEFORE", "AFTER", "PROMISE"), *rows]]


def _shortened(sentence: str) -> str:
    folded = " ".join(sentence.split())
    return folded if len(folded) <= SENTENCE_WIDTH else f"{folded[: SENTENCE_WIDTH - 1]}…"


def _closing(lab: Lab, reports: Path) -> Sequence[str]:
    shown = reports.relative_to(machine.REPOSITORY)
    name = "" if lab.name == DEFAULT_LAB else f"LAB_NAME={lab.name} "
    return [
        f"The reports: {shown / BEFORE / 'index.html'} and {shown / AFTER / 'index.html'}",
        "The servers stay up, so try things yourself:",
        "  . .venv/bin/activate",
        f"  ansible-playbook privacy.hosting.audit {' '.join(_inventories(lab))}",
        f"  {name}lab/lab ssh web1            # as Ansible does",
        f"  {name}lab/lab ssh anna@web1       # as staff, with the code that `{name}lab/lab code anna` tells",
        f"  {name}lab/lab restore            # the servers as they were before",
        "`make clean` removes all of it, but for the Debian packages.",
    ]
