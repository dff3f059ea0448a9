"""The lab's hosts as the tests use them: break, audit, look, put back."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.fleet import Lab
from tests.lab import register

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RELEASES = ("bookworm", "trixie")
RELEASE = os.environ.get("LAB_RELEASE", "trixie")  # that of this run
PART = os.environ.get("LAB_PART", "")  # of the hosts that this run is about, cases.CONTAINERS_PART or …; '' is all
WEB = ("web1", "web2")  # nginx, Apache
HARDENED = "hardened"  # the snapshot that the scenario takes once harden has run twice
PLAY_LIMIT = 240  # seconds
MACHINE_PLAY_LIMIT = 900  # seconds, on a virtual machine whose processor is emulated
RELOAD_S = 1.5  # in which a web server that was told to reload has done it, on a busy machine too


@dataclass(frozen=True)
class Played:
    """What a playbook run came to. status: its exit code; took: seconds."""

    status: int
    output: str
    took: float

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts of PLAY RECAP, by host."""
        lines = self.output.rpartition("PLAY RECAP")[2].splitlines()[1:]
        rows = [line.split(":", 1) for line in lines if " ok=" in line]
        return {
            host.strip(): {key: int(value) for key, value in (word.split("=") for word in counts.split())}
            for host, counts in rows
        }


class Fleet:
    """The hosts of one scenario, on one Debian release, under the statement of inventories/lab.

    hosts: the containers of its inventory; machines: its virtual machines, which take part where a test asks for them.
    """

    def __init__(self, release: str) -> None:
        self.release = release
        self.lab = Lab(os.environ.get("LAB_NAME", f"test-{release}"), release)
        # the later one names this lab's addresses and keys
        self.inventories = (ROOT / "inventories" / "lab", self.lab.state / "hosts.yml")
        self.reports = self.lab.state / "reports"
        register.write(self.lab.state, ROOT)
        audited = [host for host in self.lab.hosts.values() if host.inventory]
        self.hosts = [host.name for host in audited if not host.is_machine]
        self.machines = [host.name for host in audited if host.is_machine]

    def only(self, hosts: Sequence[str]) -> Fleet:
        """The same with these hosts of the lab: others are neither put back nor played on."""
        limited = copy.copy(self)
        limited.hosts = [host.name for host in self.lab.chosen(hosts)]
        return limited

    # -- hosts ------------------------------------------------------------------------------------------------

    def shell(self, host: str, script: str, *, check: bool = True) -> str:
        """What a script prints that root runs on a host. Raises AssertionError where it fails."""
        command = self.lab.root_command(self.lab.hosts[host], "bash", "-eu", "-s")
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, errors="replace", timeout=PLAY_LIMIT, check=False
        )
        assert not check or done.returncode == 0, f"on {host}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def shells(self, scripts: Mapping[str, str]) -> None:
        """Run one script on each of several hosts, side by side; servers that they reload have begun anew after it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self.shell(host, scripts[host]), scripts))
        if any("reload" in script or "graceful" in script for script in scripts.values()):
            # `systemctl reload` returns when a server was told to, not when it has done it
            time.sleep(RELOAD_S)

    def restore(self, snapshot: str, hosts: Sequence[str] = ()) -> None:
        """Put hosts back to a snapshot: 'pristine' (never touched by us) or HARDENED."""
        self.lab.restore(list(hosts) or self.hosts, snapshot)

    def reboot(self, host: str, *, hard: bool = False) -> str:
        """Reboot a virtual machine, or reset it as by its button; returns systemd's word for it once it has booted."""
        return self.lab.machine(self.lab.hosts[host]).reboot(hard=hard)

    def address(self, host: str) -> str:
        """The IPv4 address of a host."""
        return self.lab.network.ipv4(self.lab.hosts[host].number)

    # -- playbooks --------------------------------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        """The environment in which playbooks are run: nothing of our own ansible.cfg."""
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.lab.state),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": str(self.lab.state / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            **more,
        }

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """The command line that runs a playbook on the scenario's hosts."""
        inventories = [f"--inventory={inventory}" for inventory in self.inventories]
        playbooks = [str(BIN / "ansible-playbook"), f"privacy.hosting.{playbook}"]
        return [*playbooks, *inventories, f"--limit={','.join(self.hosts)}", *arguments]

    def play(self, playbook: str, *arguments: str, **environment: str) -> Played:
        """Run one of the collection's playbooks; a failed run is for the caller to judge, a traceback is not."""
        begun = time.monotonic()
        done = subprocess.run(
            self.command(playbook, *arguments),
            cwd=self.lab.state,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=MACHINE_PLAY_LIMIT if set(self.hosts) & set(self.machines) else PLAY_LIMIT,
            check=False,
        )
        assert "Traceback (most recent call last)" not in done.stdout, done.stdout
        return Played(done.returncode, done.stdout, time.monotonic() - begun)

    def audit(self, run: str, *arguments: str, **environment: str) -> dict[str, Any]:
        """Audit, and return the hosts' records by name. Raises AssertionError where no report was written."""
        played, records = self.audited(run, *arguments, **environment)
        assert records, played.output
        return records

    def audited(self, run: str, *arguments: str, **environment: str) -> tuple[Played, dict[str, Any]]:
        """Audit, and return how the run went and the records that its report holds."""
        options = {"audit_run": run, "audit_dest": str(self.reports / run)}
        played = self.play("audit", "-e", json.dumps(options), *arguments, **environment)
        return played, self.records(run)

    def records(self, run: str) -> dict[str, Any]:
        """The hosts' records of a run's report."""
        files = (path for path in (self.reports / run).glob("*.json") if path.name != "fleet.json")
        return {record["host"]: record for record in map(load, sorted(files))}


def load(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def promise(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The row of one promise in a host's record. Raises KeyError where it is missing."""
    return {row["id"]: row for row in record["promises"]}[name]


def python_of_files(path: str, python: str) -> str:
    """Shell text that makes an interpreter which takes no program as its input: the audit then sends a module."""
    return f"""
cat > {path} << 'END'
#!/bin/sh
for last; do :; done
[ "$last" = - ] && exit 1
exec {python} "$@"
END
chmod 755 {path}
"""


def verdicts(record: Mapping[str, Any]) -> dict[str, str]:
    """The verdicts of a host's record, by promise."""
    return {row["id"]: row["verdict"] for row in record["promises"]}


def findings(record: Mapping[str, Any], **wanted: str) -> Iterable[dict[str, Any]]:
    """The findings of a record whose members have these values, each once."""
    seen = []
    for row in record["promises"]:
        for finding in row["findings"]:
            if all(finding[key] == value for key, value in wanted.items()) and finding not in seen:
                seen.append(finding)
    return seen
