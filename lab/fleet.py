# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab: its hosts, from the data in hosts.yml to running servers, and back to how they were."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import images, machine, network, vm
from lab.accounts import Account
from lab.furniture import ACCOUNT, TRUST, Furniture, Host
from lab.machine import LabError, say

RELEASES = ("bookworm", "trixie")
BOOT_LIMIT = 90  # seconds
PRISTINE = "pristine"
ISSUING = "/run/authorities.pem"  # where the ACME server has those that it issues from

# why units fail that say nothing: containers share one number of watched folders
NO_REASON = "no reason told; if labs are many, try `sysctl fs.inotify.max_user_instances=512`"

# What root has on a server; a container keeps the capabilities that reach the machine itself from it.
_CAPABILITIES = (
    "AUDIT_CONTROL,AUDIT_WRITE,DAC_READ_SEARCH,IPC_LOCK,LEASE,LINUX_IMMUTABLE,MKNOD,NET_ADMIN,NET_RAW,SYS_ADMIN,"
    "SYS_NICE,SYS_PTRACE"
)


class Lab:
    """A fleet under one name; several stand side by side."""

    def __init__(self, name: str, release: str) -> None:
        """`release` is bookworm or trixie; raises LabError on a name or release that cannot be."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise LabError(f"LAB_NAME={name}: a name has small letters, digits and hyphens, and begins with a letter")
        if release not in RELEASES:
            raise LabError(f"LAB_RELEASE={release}: must be one of {', '.join(RELEASES)}")
        import yaml  # `lab/lab` may just have installed it

        self.name = name
        self.release = release
        self.data = yaml.safe_load((machine.REPOSITORY / "lab" / "hosts.yml").read_text())
        self.hosts = {
            host: Host(name=host, **{key: _frozen(value) for key, value in described.items()})
            for host, described in self.data["hosts"].items()
        }
        self.accounts = {
            account: Account(account, **{key: _frozen(value) for key, value in described.items()})
            for account, described in self.data["accounts"].items()
        }
        self.state = machine.STATE / name

    @cached_property
    def network(self) -> network.Network:
        """The lab's network."""
        return network.network_of(self.name)

    @cached_property
    def _furniture(self) -> Furniture:
        return Furniture(self.data, self.release, self.hosts, self.accounts, self.network, self.state)

    def chosen(self, names: Sequence[str]) -> list[Host]:
        """The hosts of these names, or all."""
        unknown = sorted(set(names) - set(self.hosts))
        if unknown:
            raise LabError(f"no host {', '.join(unknown)} in the lab: it has {', '.join(self.hosts)}")
        return [host for host in self.hosts.values() if not names or host.name in names]

    def container(self, host: Host) -> str:
        """Name of a host's container."""
        return f"{self.name}-{host.name}"

    def machine(self, host: Host) -> vm.VirtualMachine:
        """A host's virtual machine, which may not be there yet."""
        return vm.VirtualMachine(host.name, self.state / "machines" / host.name, self.network.link(host.number))

    # --- commands -----------------------------------------------------------------------------------------------

    def up(self, names: Sequence[str], *, fresh: bool = False) -> None:
        """Build and start what is not running; with `fresh`, put back what is."""
        hosts = [*self.chosen(names)]
        hosts += [host for host in self.hosts.values() if host.issues_certificates and host not in hosts]
        network.make_bridge(self.network)
        machines = {host.image: host.disks for host in hosts if host.is_machine}
        images.build(self.release, [host.image for host in hosts], self.data["images"], machines)
        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            self._refuse_other_release(running)
            self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not running:
                self._furniture.set_moment()
            self._furniture.make_secrets()
            stale = [host for host in hosts if fresh or running.get(host.name) != self._fingerprint(host)]
            for host in hosts:
                if host not in stale:
                    say(f"{host.name}: already up")
            for host in stale:
                if host.is_machine and running.get(host.name) != self._fingerprint(host):
                    self.machine(host).remove()
            self._recreate_all(stale, PRISTINE)
            self.write_inventory()

    def down(self) -> None:
        """Remove the lab's servers, snapshots and network; images and keys stay for the next time."""
        for made in vm.machines_in(self.state / "machines"):
            made.remove()
        if machine.has_namespace():
            with machine.locked(f"lab-{self.name}"):
                containers = [self.container(host) for host in self._containers()]
                machine.podman("rm", "--force", "--ignore", "--time=0", *containers)
                of_this_lab = f"--filter=reference={self._snapshot_image_prefix}*"
                snapshots = machine.podman("images", "--format={{.Repository}}:{{.Tag}}", of_this_lab).split()
                if snapshots:
                    machine.podman("rmi", "--force", *snapshots)
                network.remove_namespaces(self.network, list(self.hosts))
                if not machine.podman("ps", "--all", "--quiet").strip():
                    machine.end_namespace()
        network.remove_bridge(self.network)
        say(f"lab {self.name}: down")

    def restore(self, names: Sequence[str], snapshot: str = PRISTINE) -> None:
        """Put hosts back to a snapshot, or to how they were right after `up`.

        Without names, the one that issues certificates stays: each start gives it other authorities.
        """
        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            if not running:
                raise LabError(f"lab {self.name} is not up: run `lab/lab up`")
            if not self._furniture.authorities.exists():
                raise LabError(f"lab {self.name} has no ACME server yet: run `lab/lab up`")
            self._refuse_other_release(running)
            hosts = [host for host in self.chosen(names) if names or not host.issues_certificates]
            for host in hosts:
                if snapshot != PRISTINE and not self._has_snapshot(host, snapshot):
                    raise LabError(f"{host.name}: no snapshot {snapshot}; `lab/lab snapshot {snapshot}` takes one")
            self._recreate_all(hosts, snapshot)

    def snapshot(self, name: str, names: Sequence[str] = ()) -> None:
        """Keep the present state of these hosts, or of all, under a name."""
        if name == PRISTINE or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", name):
            raise LabError(f"snapshot {name}: a name has small letters, digits and hyphens, and is not {PRISTINE}")

        def commit(host: Host) -> None:
            began = time.monotonic()
            self.run(host, ["sync"])
            if host.is_machine:
                self.machine(host).save(name)
            else:
                image = self._snapshot_image(host, name)
                machine.podman("commit", "--quiet", "--pause=false", self.container(host), image)
            say(f"{host.name}: snapshot {name} taken in {time.monotonic() - began:.1f} s")

        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            if not running:
                raise LabError(f"lab {self.name} is not up: run `lab/lab up`")
            self._each([host for host in self.chosen(names) if host.name in running], commit)

    def is_up(self, host: Host) -> bool:
        """Whether a host runs."""
        return machine.has_namespace() and host.name in self._running()

    def status(self) -> list[tuple[str, str, str, str]]:
        """Per host: name, state, IPv4 address and sites."""
        running = self._running() if machine.has_namespace() else {}
        rows = []
        for host in self.hosts.values():
            state = f"up ({self._release_of(running)})" if host.name in running else "down"
            rows.append((host.name, state, self.network.ipv4(host.number), " ".join(host.sites)))
        return rows

    def run(self, host: Host, command: Sequence[str]) -> str:
        """Run a command as root on a host and return its output."""
        return machine.run(self.root_command(host, *command), name=f"{command[0]} on {host.name}")

    def root_command(self, host: Host, *command: str, terminal: bool = False) -> list[str]:
        """The command line that runs a command as root on a host, with the input that it is given itself."""
        if host.is_machine:
            return self.machine(host).command(command)
        options = ["--interactive", *(["--tty"] if terminal else [])]
        return machine.podman_command("exec", *options, self.container(host), *command)

    def ssh_command(self, host: Host, *command: str, account: str = ACCOUNT) -> list[str]:
        """The ssh command line that logs in on a host; whoever has a second factor is asked for it."""
        automation = account == ACCOUNT
        key = self.state / "id_ed25519" if automation else self.accounts[account].folder(self.state) / "id_ed25519"
        options = [*self._ssh_options(self.state), *(["BatchMode=yes"] if automation else [])]
        return [
            "ssh",
            "-i",
            str(key),
            *(word for option in options for word in ("-o", option)),
            f"{account}@{self.network.ipv4(host.number)}",
            *command,
        ]

    # --- inventory ----------------------------------------------------------------------------------------------

    def inventory(self, state: str) -> str:
        """The lab's inventory as YAML; `state` is the folder of its keys as Ansible shall see it."""
        options = " ".join(f"-o '{option}'" for option in self._ssh_options(state))
        lines = [
            "# The lab's servers, made by `lab/lab inventory`.",
            "all:",
            "  vars:",
            f"    ansible_user: {ACCOUNT}",
            "    ansible_become: true",
            f"    ansible_ssh_private_key_file: {json.dumps(f'{state}/id_ed25519')}",
            f"    ansible_ssh_common_args: {json.dumps(options)}",
            "    ansible_python_interpreter: /usr/bin/python3",
        ]
        lines.append(f"    lab_state: {json.dumps(state)}")
        for family, address in (("ipv4", self.network.ipv4(1)), ("ipv6", self.network.ipv6(1))):
            lines.append(f"    lab_machine_{family}: {json.dumps(address)}")
        for host in self.hosts.values():
            if not host.inventory:
                lines.append(f"    lab_{host.name}_ipv4: {self.network.ipv4(host.number)}")
        lines.append("  hosts:")
        for host in self.hosts.values():
            if host.inventory:
                lines += [f"    {host.name}:", f"      ansible_host: {self.network.ipv4(host.number)}"]
        return "\n".join(lines) + "\n"

    def write_inventory(self) -> Path:
        """Write the lab's inventory beside its keys and return where."""
        path = self.state / "hosts.yml"
        path.write_text(self.inventory(str(self.state)))
        return path

    @staticmethod
    def _ssh_options(state: Path | str) -> list[str]:
        return [f'UserKnownHostsFile="{state}/known_hosts"', "IdentitiesOnly=yes"]

    # --- making a host ------------------------------------------------------------------------------------------

    def _each(self, hosts: Sequence[Host], action: Callable[[Host], None]) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            begun = [pool.submit(action, host) for host in hosts]
            try:
                for one in begun:
                    one.result()
            except BaseException:
                while not all(one.done() for one in begun):
                    self._end_unfinished_machines(hosts)
                    time.sleep(0.2)
                self._end_unfinished_machines(hosts)
                raise

    def _end_unfinished_machines(self, hosts: Sequence[Host]) -> None:
        """End machines that are only being made, so that whoever waits for them waits no longer."""
        for host in hosts:
            if host.is_machine and not self.machine(host).fingerprint:
                self.machine(host).end()

    def _running(self) -> dict[str, str]:
        """Fingerprint of each running host of this lab."""
        listed = json.loads(machine.podman("ps", "--filter", f"label=lab={self.name}", "--format=json") or "[]") or []
        containers = {one["Labels"]["host"]: one["Labels"]["fingerprint"] for one in listed}
        machines = {host.name: self.machine(host) for host in self.hosts.values() if host.is_machine}
        return containers | {
            name: one.fingerprint for name, one in machines.items() if one.process() and one.fingerprint
        }

    def _fingerprint(self, host: Host) -> str:
        if host.is_machine:
            return images.machine_name(self.release, host.image, self.data["images"], host.disks)
        return images.reference(self.release, host.image, self.data["images"]).rpartition("/")[2]

    @staticmethod
    def _release_of(running: dict[str, str]) -> str:
        return next(iter(running.values())).partition("-")[0]

    def _refuse_other_release(self, running: dict[str, str]) -> None:
        if running and self._release_of(running) != self.release:
            raise LabError(
                f"lab {self.name} runs {self._release_of(running)}: set LAB_RELEASE={self._release_of(running)}, "
                f"or run `lab/lab down` first, or choose another LAB_NAME"
            )

    def _has_snapshot(self, host: Host, name: str) -> bool:
        return (
            name in self.machine(host).snapshots()
            if host.is_machine
            else images.exists(self._snapshot_image(host, name))
        )

    def _containers(self) -> list[Host]:
        return [host for host in self.hosts.values() if not host.is_machine]

    @property
    def _snapshot_image_prefix(self) -> str:
        return f"localhost/privacy-hosting-lab-snapshots/{self.name}/"

    def _snapshot_image(self, host: Host, name: str) -> str:
        return f"{self._snapshot_image_prefix}{host.name}:{name}"

    def _recreate_all(self, hosts: Sequence[Host], snapshot: str) -> None:
        """Recreate hosts side by side, but first the one that issues certificates: others are given its authorities."""
        issuing = [host for host in hosts if host.issues_certificates]
        for host in issuing:
            self._recreate(host, snapshot)
            self._furniture.authorities.write_text(self.run(host, ["cat", ISSUING]))
        others = [host for host in hosts if host not in issuing]
        self._each(others, lambda host: self._recreate(host, snapshot))
        if issuing:
            running = self._running()
            for host in self._containers():
                if host.name in running and host not in hosts:
                    machine.podman(
                        "cp", str(self._furniture.authorities), f"{self.container(host)}:{TRUST}/authorities.pem"
                    )

    def _recreate(self, host: Host, snapshot: str = PRISTINE) -> None:
        """Make a host anew from its image or a snapshot, and wait until it serves."""
        began = time.monotonic()
        if host.is_machine:
            self._recreate_machine(host, snapshot)
        else:
            self._recreate_container(host, snapshot)
        self._wait_until_running(host)
        self._wait_for_ssh(host)
        say(f"{host.name}: up after {time.monotonic() - began:.1f} s at {self.network.ipv4(host.number)}")

    def _recreate_container(self, host: Host, snapshot: str) -> None:
        pristine = snapshot == PRISTINE
        image = (
            images.reference(self.release, host.image, self.data["images"])
            if pristine
            else self._snapshot_image(host, snapshot)
        )
        container = self.container(host)
        machine.podman("rm", "--force", "--ignore", "--time=0", container)
        network.make_namespace(self.network, host.name, host.number)
        machine.podman(
            "create",
            f"--name={container}",
            f"--hostname={host.name}",
            f"--label=lab={self.name}",
            f"--label=host={host.name}",
            f"--label=fingerprint={self._fingerprint(host)}",
            "--systemd=always",
            f"--cap-add={_CAPABILITIES}",
            "--security-opt=apparmor=unconfined",
            f"--network=ns:{network.namespace_file(self.network, host.name)}",
            "--no-hosts",
            "--dns=none",
            "--log-driver=none",
            image,
            "/sbin/init",
        )
        if pristine:
            self._furniture.give(host, container)
        machine.podman("start", container)

    def _recreate_machine(self, host: Host, snapshot: str) -> None:
        """Put a machine's memory and disks back, or make it of its image's."""
        made = self.machine(host)
        if snapshot in made.snapshots():
            if made.process():
                made.load(snapshot)
            else:
                made.start(self.network.bridge, snapshot)
            return
        recipes = self.data["images"]
        made.copy(images.build_machine(self.release, host.image, recipes, host.disks))
        try:
            made.start(self.network.bridge, vm.BOOTED)
            self._furniture.give_machine(host, made)
            self._wait_for_ssh(host)
            made.save(PRISTINE)
        except BaseException:
            made.end()
            raise
        made.fingerprint = self._fingerprint(host)

    def _wait_until_running(self, host: Host) -> None:
        """Wait for systemd to say that all services are up."""
        command = self.root_command(host, "systemctl", "is-system-running", "--wait")
        until = time.monotonic() + BOOT_LIMIT
        answer = ""
        while time.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                done = subprocess.run(command, capture_output=True, text=True, timeout=BOOT_LIMIT, check=False)
                answer = done.stdout.strip()
            if answer == "running":
                return
            if not answer and not self.is_up(host):
                raise LabError(f"{host.name}: systemd has ended by itself right after its start")
            if answer == "degraded":
                raise LabError(f"{host.name}: {self._failure(host)}")
            time.sleep(0.1)
        raise LabError(f"{host.name}: systemd is not up after {BOOT_LIMIT} s, but {answer or 'silent'}")

    def _failure(self, host: Host) -> str:
        """The units that failed, and what systemd said of them last."""
        listed = self.run(host, ["systemctl", "--failed", "--plain", "--no-legend"]).splitlines()
        units = [line.split()[0] for line in listed if line]
        journal = ["journalctl", "--quiet", "--output=cat", "--lines=3", *(f"--unit={unit}" for unit in units)]
        said = "; ".join(self.run(host, journal).splitlines())
        return f"failed units: {' '.join(units)} ({said or NO_REASON})"

    def _wait_for_ssh(self, host: Host) -> None:
        until = time.monotonic() + BOOT_LIMIT
        while True:
            done = subprocess.run(self.ssh_command(host, "true"), capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            if time.monotonic() > until:
                raise LabError(f"{host.name}: no login over ssh after {BOOT_LIMIT} s: {done.stderr.strip()}")
            time.sleep(0.2)


def _frozen(value: Any) -> Any:
    """A value of hosts.yml, lists as tuples."""
    return tuple(value) if isinstance(value, list) else value


def clean() -> None:
    """Remove every lab of this clone, and all that the lab ever made but the Debian packages."""
    if not machine.STATE.exists():
        return
    for folder in [machine.STATE / "machines", *machine.STATE.glob("*/machines")]:
        for made in vm.machines_in(folder):
            made.end()
    if machine.has_namespace():
        machine.podman("rm", "--force", "--all", "--time=0")
        if not machine.end_namespace():
            raise LabError("another lab command runs: wait until it has ended, then clean again")
    network.remove_bridges()
    shutil.rmtree(machine.STATE)
    say("lab removed")
