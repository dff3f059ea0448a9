# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab: its hosts, from the data in hosts.yml to running servers, and back to how they were."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import images, machine, network, seeding
from lab.accounts import Account, File
from lab.certificates import Certificates
from lab.machine import LabError, say

RELEASES = ("bookworm", "trixie")
INSTALLED_AT_HOUR = 9  # of the day, UTC
BOOT_LIMIT = 90  # seconds
ACCOUNT = "debian"
PRISTINE = "pristine"
TRUST = "/etc/lab"  # where a server has the authorities of the lab
ISSUING = "/run/authorities.pem"  # where the ACME server has those that it issues from
FILES = machine.REPOSITORY / "lab" / "files"

# What root has on a server; a container keeps the capabilities that reach the machine itself from it.
_CAPABILITIES = (
    "AUDIT_CONTROL,AUDIT_WRITE,DAC_READ_SEARCH,IPC_LOCK,LEASE,LINUX_IMMUTABLE,MKNOD,NET_ADMIN,NET_RAW,SYS_ADMIN,"
    "SYS_NICE,SYS_PTRACE"
)

_OWNERS = {"root": 0, "adm": 4, "www-data": 33, ACCOUNT: 1000}

# Makes accounts, lays a tar stream over a container's files, and makes the traces of its installation as old as the
# server says it is.
_FURNISH = """
set -e
root=$("$@" mount "$CONTAINER")
eval "$ACCOUNTS"
tar -x -p --numeric-owner --overwrite -C "$root"
cd "$root"
for log in var/log/dpkg.log var/log/alternatives.log var/log/apt/history.log var/log/apt/term.log; do
    [ -e "$log" ] || continue
    sed -i -E "s/[0-9]{4}-[0-9]{2}-[0-9]{2}/${INSTALLED%%T*}/" "$log"
    touch -d "$INSTALLED" "$log"
done
touch -d "$INSTALLED" etc/machine-id etc/hostname etc/ssh/ssh_host_*_key* var/log/apt var/lib/dpkg/info/*.list
"$@" umount "$CONTAINER" > /dev/null
"""


@dataclass(frozen=True)
class Host:
    """One server of the fleet, as hosts.yml describes it."""

    name: str
    number: int
    image: str
    inventory: bool
    sites: tuple[str, ...]
    links: dict[str, str] = field(default_factory=dict)
    logs: tuple[dict[str, Any], ...] = ()
    accounts: tuple[str, ...] = ()
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    issues_certificates: bool = False


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
        self._certificates = Certificates(self.state / "certificates")

    @cached_property
    def network(self) -> network.Network:
        """The lab's network."""
        return network.network_of(self.name)

    def chosen(self, names: Sequence[str]) -> list[Host]:
        """The hosts of these names, or all."""
        unknown = sorted(set(names) - set(self.hosts))
        if unknown:
            raise LabError(f"no host {', '.join(unknown)} in the lab: it has {', '.join(self.hosts)}")
        return [host for host in self.hosts.values() if not names or host.name in names]

    def container(self, host: Host) -> str:
        """Name of a host's container."""
        return f"{self.name}-{host.name}"

    # --- commands -----------------------------------------------------------------------------------------------

    def up(self, names: Sequence[str], *, fresh: bool = False) -> None:
        """Build and start what is not running; with `fresh`, put back what is."""
        hosts = [*self.chosen(names)]
        hosts += [host for host in self.hosts.values() if host.issues_certificates and host not in hosts]
        network.make_bridge(self.network)
        images.build(self.release, [host.image for host in hosts], self.data["images"])
        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            self._refuse_other_release(running)
            if not running:
                self._set_moment()
            self._make_keys()
            stale = [host for host in hosts if fresh or running.get(host.name) != self._fingerprint(host)]
            for host in hosts:
                if host not in stale:
                    say(f"{host.name}: already up")
            self._recreate_all(stale, PRISTINE)
            self.write_inventory()

    def down(self) -> None:
        """Remove the lab's containers, snapshots and network; images and keys stay for the next time."""
        if machine.has_namespace():
            with machine.locked(f"lab-{self.name}"):
                containers = [self.container(host) for host in self.hosts.values()]
                machine.podman("rm", "--force", "--ignore", "--time=0", *containers)
                of_this_lab = f"--filter=reference={self._snapshot_image_prefix}*"
                snapshots = machine.podman("images", "--format={{.Repository}}:{{.Tag}}", of_this_lab).split()
                if snapshots:
                    machine.podman("rmi", "--force", *snapshots)
                network.remove(self.network, list(self.hosts))
                if not machine.podman("ps", "--all", "--quiet").strip():
                    machine.end_namespace()
        say(f"lab {self.name}: down")

    def restore(self, names: Sequence[str], snapshot: str = PRISTINE) -> None:
        """Put hosts back to a snapshot, or to how they were right after `up`.

        Without names, the one that issues certificates stays: each start gives it other authorities.
        """
        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            if not running:
                raise LabError(f"lab {self.name} is not up: run `lab/lab up`")
            if not self._authorities.exists():
                raise LabError(f"lab {self.name} has no ACME server yet: run `lab/lab up`")
            self._refuse_other_release(running)
            hosts = [host for host in self.chosen(names) if names or not host.issues_certificates]
            for host in hosts:
                if snapshot != PRISTINE and not images.exists(self._snapshot_image(host, snapshot)):
                    raise LabError(f"{host.name}: no snapshot {snapshot}; `lab/lab snapshot {snapshot}` takes one")
            self._recreate_all(hosts, snapshot)

    def snapshot(self, name: str) -> None:
        """Keep the present state of all hosts under a name."""
        if name == PRISTINE or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", name):
            raise LabError(f"snapshot {name}: a name has small letters, digits and hyphens, and is not {PRISTINE}")

        def commit(host: Host) -> None:
            began = time.monotonic()
            self.run(host, ["sync"])
            image = self._snapshot_image(host, name)
            machine.podman("commit", "--quiet", "--pause=false", self.container(host), image)
            say(f"{host.name}: snapshot {name} taken in {time.monotonic() - began:.1f} s")

        with machine.locked(f"lab-{self.name}"):
            running = self._running()
            if not running:
                raise LabError(f"lab {self.name} is not up: run `lab/lab up`")
            self._each([host for host in self.hosts.values() if host.name in running], commit)

    def is_up(self, host: Host) -> bool:
        """Whether a host's container runs."""
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
        return machine.podman("exec", self.container(host), *command)

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
            for finished in [pool.submit(action, host) for host in hosts]:
                finished.result()

    def _running(self) -> dict[str, str]:
        """Fingerprint of each running host of this lab."""
        listed = json.loads(machine.podman("ps", "--filter", f"label=lab={self.name}", "--format=json") or "[]") or []
        return {one["Labels"]["host"]: one["Labels"]["fingerprint"] for one in listed}

    def _fingerprint(self, host: Host) -> str:
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
            self._authorities.write_text(self.run(host, ["cat", ISSUING]))
        others = [host for host in hosts if host not in issuing]
        self._each(others, lambda host: self._recreate(host, snapshot))
        if issuing:
            running = self._running()
            for host in self.hosts.values():
                if host.name in running and host not in hosts:
                    machine.podman("cp", str(self._authorities), f"{self.container(host)}:{TRUST}/authorities.pem")

    def _recreate(self, host: Host, snapshot: str = PRISTINE) -> None:
        """Make a host's container anew from its image or a snapshot, and wait until it serves."""
        began = time.monotonic()
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
            self._furnish(host)
        machine.podman("start", container)
        self._wait_until_running(host)
        self._wait_for_ssh(host)
        say(f"{host.name}: up after {time.monotonic() - began:.1f} s at {self.network.ipv4(host.number)}")

    def _wait_until_running(self, host: Host) -> None:
        """Wait for systemd to say that all services are up."""
        command = machine.podman_command("exec", self.container(host), "systemctl", "is-system-running", "--wait")
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
        return f"failed units: {' '.join(units)} ({'; '.join(self.run(host, journal).splitlines())})"

    def _wait_for_ssh(self, host: Host) -> None:
        until = time.monotonic() + BOOT_LIMIT
        while True:
            done = subprocess.run(self.ssh_command(host, "true"), capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            if time.monotonic() > until:
                raise LabError(f"{host.name}: no login over ssh after {BOOT_LIMIT} s: {done.stderr.strip()}")
            time.sleep(0.2)

    # --- what a host is furnished with --------------------------------------------------------------------------

    def _set_moment(self) -> None:
        """Fix the moment that seeded logs run up to, so that a restored host is the same again."""
        (self.state / "moment").write_text(f"{datetime.now(timezone.utc).isoformat(timespec='seconds')}\n")

    def _moments(self) -> tuple[datetime, datetime]:
        """When the servers' seeded logs end, and when the servers were installed."""
        now = datetime.fromisoformat((self.state / "moment").read_text().strip())
        return now, seeding.midnight(now, self.data["installed_days_ago"]) + timedelta(hours=INSTALLED_AT_HOUR)

    def _make_keys(self) -> None:
        """The key that logs in, each host's own key, and the file by which ssh knows the hosts."""
        self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        known = []
        for key in (self.state / "id_ed25519", *(self._host_key(host) for host in self.hosts.values())):
            if not key.exists():
                machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)])
        for host in self.hosts.values():
            words = self._host_key(host).with_suffix(".pub").read_text().split()[:2]
            known.append(" ".join([f"{self.network.ipv4(host.number)},{self.network.ipv6(host.number)}", *words]))
        (self.state / "known_hosts").write_text("\n".join(known) + "\n")
        for account in self.accounts.values():
            account.make_secrets(self.state)
        now = self._moments()[0]
        for host in self.hosts.values():
            for name, described in host.certificates.items():
                self._certificates.site(name, now, **described)

    def _host_key(self, host: Host) -> Path:
        return self.state / f"host_{host.name}"

    @property
    def _authorities(self) -> Path:
        """Root and intermediate that the lab's ACME server issues from since its last start."""
        return self.state / "authorities.pem"

    def _furnish(self, host: Host) -> None:
        installed = self._moments()[1]
        settings = {
            "CONTAINER": self.container(host),
            "INSTALLED": f"{installed:%Y-%m-%dT%H:%M:%SZ}",
            "ACCOUNTS": "".join(self.accounts[name].creation(self.state) for name in host.accounts),
        }
        shell = ["env", *(f"{key}={value}" for key, value in settings.items()), "sh", "-c"]
        furnish = [*shell, _FURNISH, "sh", *machine.PODMAN]
        machine.run(machine.enter(furnish), stdin=self._furniture(host), name=f"furnishing {host.name}")

    def _furniture(self, host: Host) -> bytes:
        """All files that make the image this host, as a tar stream."""
        stream = io.BytesIO()
        now, installed = self._moments()
        born = installed.timestamp()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            owners = {**_OWNERS, **{account.name: account.uid for account in self.accounts.values()}}
            for path, content, mode, owner in (*self._identity(host), *self._trust(host), *self._own_files(host)):
                _add(tar, path, content, mode=mode, owner=owners[owner], group=owners[owner], written=born)
            for path, target in host.links.items():
                _add_link(tar, path, target, born)
            for log in self._logs(host):
                for file in seeding.seed(log, self.data["visitors"], now, installed):
                    _add(
                        tar,
                        file.path,
                        file.content,
                        mode=file.mode,
                        owner=_OWNERS[file.owner],
                        group=_OWNERS[file.group],
                        written=file.written.timestamp(),
                    )
            last_rotation = max(seeding.midnight(now, 0), installed).timestamp()
            status = seeding.rotation_status(self._logs(host), now).encode()
            _add(tar, "/var/lib/logrotate/status", status, mode=0o640, written=last_rotation)
            _add(tar, "/var/lib/systemd/timers/stamp-logrotate.timer", b"", written=last_rotation)
        return stream.getvalue()

    def _filled_in(self, text: str) -> str:
        """The text with @name.ipv4@ replaced by that host's address."""
        for host in self.hosts.values():
            text = text.replace(f"@{host.name}.ipv4@", self.network.ipv4(host.number))
        return text

    def _logs(self, host: Host) -> list[dict[str, Any]]:
        return json.loads(self._filled_in(json.dumps(host.logs)))

    def _identity(self, host: Host) -> Iterable[File]:
        """What makes this server itself: names, keys, machine id, accounts."""
        key = self._host_key(host)
        yield "/etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600, "root"
        yield "/etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes(), 0o644, "root"
        public = (self.state / "id_ed25519.pub").read_bytes()
        yield f"/home/{ACCOUNT}/.ssh/authorized_keys", public, 0o600, ACCOUNT
        machine_id = hashlib.sha256(key.read_bytes()).hexdigest()[:32]
        yield "/etc/machine-id", f"{machine_id}\n".encode(), 0o444, "root"
        yield "/etc/hostname", f"{host.name}\n".encode(), 0o644, "root"
        yield "/etc/hosts", self._hosts_file(host).encode(), 0o644, "root"
        yield "/etc/resolv.conf", b"# The lab has no name server.\n", 0o644, "root"
        for name in host.accounts:
            yield from self.accounts[name].files(self.state)

    def _trust(self, host: Host) -> Iterable[File]:
        """The certificates of a server's sites, and what it knows the lab's ACME server and its issue by."""
        now = self._moments()[0]
        for name, described in host.certificates.items():
            pair = self._certificates.site(name, now, **described)
            yield f"/etc/ssl/certs/{name}.pem", pair.certificate.read_bytes(), 0o644, "root"
            yield f"/etc/ssl/private/{name}.key", pair.key.read_bytes(), 0o600, "root"
        yield f"{TRUST}/acme-ca.pem", self._certificates.authority(now).certificate.read_bytes(), 0o644, "root"
        if not host.issues_certificates:
            yield f"{TRUST}/authorities.pem", self._authorities.read_bytes(), 0o644, "root"

    def _hosts_file(self, host: Host) -> str:
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        for other in self.hosts.values():
            names = " ".join([other.name, *other.sites])
            lines += [f"{self.network.ipv4(other.number)} {names}", f"{self.network.ipv6(other.number)} {names}"]
        return "\n".join(lines) + "\n"

    def _own_files(self, host: Host) -> Iterable[File]:
        """The files below lab/files/all and lab/files/<host>."""
        for root in (FILES / "all", FILES / host.name):
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                yield f"/{path.relative_to(root)}", self._filled_in(path.read_text()).encode(), mode, "root"


def _frozen(value: Any) -> Any:
    """A value of hosts.yml, lists as tuples."""
    return tuple(value) if isinstance(value, list) else value


def clean() -> None:
    """Remove every lab of this clone, and all that the lab ever made but the Debian packages."""
    if not machine.STATE.exists():
        return
    if machine.has_namespace():
        machine.podman("rm", "--force", "--all", "--time=0")
        if not machine.end_namespace():
            raise LabError("another lab command runs: wait until it has ended, then clean again")
    network.remove_bridges()
    shutil.rmtree(machine.STATE)
    say("lab removed")


def _add(
    tar: tarfile.TarFile,
    path: str,
    content: bytes | None,
    *,
    mode: int = 0o644,
    owner: int = 0,
    group: int = 0,
    written: float,
) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size, entry.mode, entry.mtime = len(content or b""), mode, int(written)
    entry.uid, entry.gid = owner, group
    if content is None:
        entry.type = tarfile.DIRTYPE
    tar.addfile(entry, io.BytesIO(content or b""))


def _add_link(tar: tarfile.TarFile, path: str, target: str, written: float) -> None:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.linkname, entry.mtime = tarfile.SYMTYPE, target, int(written)
    tar.addfile(entry)
