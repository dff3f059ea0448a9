# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a container of an image one server of the lab: names, keys, accounts, certificates, sites, old logs."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lab import machine, mail_seeding, seeding, vm
from lab.accounts import Account, File, Mailbox
from lab.certificates import Certificates
from lab.network import Network

INSTALLED_AT_HOUR = 9  # of the day, UTC
ACCOUNT = "debian"  # Ansible's
TRUST = "/etc/lab"  # where a server has the authorities of the lab
OWN_AUTHORITY = "/usr/local/share/ca-certificates/lab.crt"  # where a server has it that trusts the lab's own one
FILES = machine.REPOSITORY / "lab" / "files"

_OWNERS = {"root": 0, "adm": 4, "www-data": 33, ACCOUNT: 1000}

# Makes accounts, lays a tar stream over a container's files, and makes the traces of its installation as old as the
# server says it is.
_FURNISH = """
set -e
eval "$ACCOUNTS"
tar -x -p --numeric-owner --overwrite -C "$root"
cd "$root"
for log in var/log/dpkg.log var/log/alternatives.log var/log/apt/history.log var/log/apt/term.log; do
    [ -e "$log" ] || continue
    sed -i -E "s/[0-9]{4}-[0-9]{2}-[0-9]{2}/${INSTALLED%%T*}/" "$log"
    touch -d "$INSTALLED" "$log"
done
for entries in seeded/*.journal; do
    [ -e "$entries" ] || continue
    folder=var/log/journal/$(cat etc/machine-id)
    chroot "$root" install -d -m 2755 -g systemd-journal "/$folder"
    mount --bind /proc proc
    chroot "$root" /usr/lib/systemd/systemd-journal-remote --output="/$folder/${entries#seeded/}" "/$entries"
    umount proc
    rm -r seeded
done
if [ -e "${OWN_AUTHORITY#/}" ]; then
    mount --bind /dev dev
    chroot "$root" update-ca-certificates > /dev/null 2>&1
    umount dev
fi
touch -d "$INSTALLED" etc/machine-id etc/hostname etc/ssh/ssh_host_*_key* var/log/apt var/lib/dpkg/info/*.list
"""
_FURNISH_CONTAINER = f"""
root=$("$@" mount "$CONTAINER")
{_FURNISH}
"$@" umount "$CONTAINER" > /dev/null
"""


@dataclass(frozen=True)
class Host:
    """One server of the fleet, as hosts.yml describes it.

    trusts_authority: whether its programs take certificates of the lab's authority as they take others.
    disks: size of each disk beside the first by its serial number; who has some is a virtual machine, no container.
    """

    name: str
    number: int
    image: str
    inventory: bool
    sites: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    logs: tuple[dict[str, Any], ...] = ()
    accounts: tuple[str, ...] = ()
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    trusts_authority: bool = False
    issues_certificates: bool = False
    mailboxes: tuple[str, ...] = ()
    mail_per_day: dict[str, int] = field(default_factory=dict)
    disks: dict[str, str] = field(default_factory=dict)

    @property
    def is_machine(self) -> bool:
        """Whether it is a virtual machine."""
        return bool(self.disks)


class Furniture:
    """What the servers of one lab are given; secrets are made once and kept in the lab's folder.

    data: hosts.yml; release: Debian's; state: the lab's folder.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        release: str,
        hosts: Mapping[str, Host],
        accounts: Mapping[str, Account],
        network: Network,
        state: Path,
    ) -> None:
        self._data, self._release = data, release
        self._hosts, self._accounts, self._network, self._state = hosts, accounts, network, state
        self._certificates = Certificates(state / "certificates")

    @property
    def authorities(self) -> Path:
        """Root and intermediate that the lab's ACME server issues from since its last start."""
        return self._state / "authorities.pem"

    def set_moment(self) -> None:
        """Fix the moment that seeded logs run up to, so that a restored host is the same again."""
        (self._state / "moment").write_text(f"{datetime.now(timezone.utc).isoformat(timespec='seconds')}\n")

    def _moments(self) -> tuple[datetime, datetime]:
        """When the servers' seeded logs end, and when the servers were installed."""
        now = datetime.fromisoformat((self._state / "moment").read_text().strip())
        return now, seeding.midnight(now, self._data["installed_days_ago"]) + timedelta(hours=INSTALLED_AT_HOUR)

    def make_secrets(self) -> None:
        """Make what is missing of keys, passwords and certificates, and the file by which ssh knows the hosts."""
        for key in (self._state / "id_ed25519", *map(self._host_key, self._hosts.values())):
            if not key.exists():
                machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)])
        self._know_hosts()
        for secret in (self._state / "secrets" / name for name in self._data["secrets"]):
            if not secret.exists():
                secret.parent.mkdir(mode=0o700, exist_ok=True)
                secret.write_text(secrets.token_urlsafe(24))
        mailboxes = [Mailbox(address) for host in self._hosts.values() for address in host.mailboxes]
        for owner in (*self._accounts.values(), *mailboxes):
            owner.make_secrets(self._state)
        now = self._moments()[0]
        for host in self._hosts.values():
            for name, described in host.certificates.items():
                self._certificates.site(name, now, **described)

    def _know_hosts(self) -> None:
        """Write the file by which ssh knows the hosts."""
        known = []
        for host in self._hosts.values():
            words = self._host_key(host).with_suffix(".pub").read_text().split()[:2]
            known.append(" ".join([f"{self._network.ipv4(host.number)},{self._network.ipv6(host.number)}", *words]))
        (self._state / "known_hosts").write_text("\n".join(known) + "\n")

    def _host_key(self, host: Host) -> Path:
        return self._state / f"host_{host.name}"

    def give(self, host: Host, container: str) -> None:
        """Furnish a host's container, which has not started yet."""
        settings = {"CONTAINER": container, **self._settings(host)}
        shell = ["env", *(f"{key}={value}" for key, value in settings.items()), "sh", "-ec"]
        furnish = machine.enter([*shell, _FURNISH_CONTAINER, "sh", *machine.PODMAN])
        machine.run(furnish, stdin=self._archive(host), name=f"furnishing {host.name}")

    def give_machine(self, host: Host, made: vm.VirtualMachine) -> None:
        """Furnish a host's virtual machine, which runs."""
        settings = "".join(f"{key}={shlex.quote(value)}\n" for key, value in self._settings(host).items())
        made.furnish(f"root=/\n{settings}{_FURNISH}", self._archive(host))

    def _settings(self, host: Host) -> dict[str, str]:
        """What the shell text that furnishes a host is told."""
        return {
            "OWN_AUTHORITY": OWN_AUTHORITY,
            "INSTALLED": f"{self._moments()[1]:%Y-%m-%dT%H:%M:%SZ}",
            "ACCOUNTS": "".join(
                [
                    *(self._accounts[name].creation(self._state) for name in host.accounts),
                    *(Mailbox(address).creation(self._state) for address in host.mailboxes),
                ]
            ),
        }

    def _archive(self, host: Host) -> bytes:
        """All files that make the image this host, as a tar stream."""
        stream = io.BytesIO()
        now, installed = self._moments()
        born = installed.timestamp()
        owners = {**_OWNERS, **{account.name: account.uid for account in self._accounts.values()}}
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, content, mode, owner in (*self._identity(host), *self._trust(host), *self._own_files(host)):
                _add(tar, path, content, mode=mode, owner=owners[owner], group=owners[owner], written=born)
            for path, target in host.links.items():
                _add_link(tar, path, target, born)
            logs = json.loads(self._filled_in(json.dumps(host.logs)))
            for file in (file for log in logs for file in seeding.seed(log, self._data["visitors"], now, installed)):
                owner, group, written = _OWNERS[file.owner], _OWNERS[file.group], file.written.timestamp()
                _add(tar, file.path, file.content, mode=file.mode, owner=owner, group=group, written=written)
            for path, content in self._journal(host):
                _add(tar, path, content, written=born)
            last_rotation = max(seeding.midnight(now, 0), installed).timestamp()
            status = seeding.rotation_status(logs, now).encode()
            _add(tar, "/var/lib/logrotate/status", status, mode=0o640, written=last_rotation)
            _add(tar, "/var/lib/systemd/timers/stamp-logrotate.timer", b"", written=last_rotation)
        return stream.getvalue()

    def _journal(self, host: Host) -> Iterable[tuple[str, bytes]]:
        """The entries that a mail server's journal has had, for the shell text that furnishes it to put there."""
        if host.mail_per_day:
            now, installed = self._moments()
            address, clients = self._network.ipv4(host.number), self._data["visitors"]["addresses"]
            server = mail_seeding.Server(host.sites[0], address, host.mailboxes, clients, self._release)
            told = mail_seeding.entries(host.mail_per_day, server, installed, now)
            yield f"/seeded/{mail_seeding.file_name(told, host.name)}", mail_seeding.exported(told, host.name).encode()

    def _filled_in(self, text: str) -> str:
        """The text with @name.ipv4@ replaced by that host's address."""
        for host in self._hosts.values():
            text = text.replace(f"@{host.name}.ipv4@", self._network.ipv4(host.number))
        return text

    def _identity(self, host: Host) -> Iterable[File]:
        """What makes this server itself: names, keys, machine id, accounts."""
        key = self._host_key(host)
        yield "/etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600, "root"
        yield "/etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes(), 0o644, "root"
        public = (self._state / "id_ed25519.pub").read_bytes()
        yield f"/home/{ACCOUNT}/.ssh/authorized_keys", public, 0o600, ACCOUNT
        if not host.is_machine:  # that has its own, which its journal is kept under
            machine_id = hashlib.sha256(key.read_bytes()).hexdigest()[:32]
            yield "/etc/machine-id", f"{machine_id}\n".encode(), 0o444, "root"
        yield "/etc/hostname", f"{host.name}\n".encode(), 0o644, "root"
        yield "/etc/hosts", self._hosts_file().encode(), 0o644, "root"
        yield "/etc/resolv.conf", b"# The lab has no name server.\n", 0o644, "root"
        for name in host.accounts:
            yield from self._accounts[name].files(self._state)
        if host.is_machine:
            yield "/etc/fstab", vm.FSTAB.encode(), 0o644, "root"
            yield "/etc/systemd/network/lab.network", self._network.configuration(host.number).encode(), 0o644, "root"

    def _trust(self, host: Host) -> Iterable[File]:
        """The certificates of a server's sites, and what it knows the lab's ACME server and its issue by."""
        now = self._moments()[0]
        for name, described in host.certificates.items():
            pair = self._certificates.site(name, now, **described)
            yield f"/etc/ssl/certs/{name}.pem", pair.certificate.read_bytes(), 0o644, "root"
            yield f"/etc/ssl/private/{name}.key", pair.key.read_bytes(), 0o600, "root"
        authority = self._certificates.authority(now).certificate.read_bytes()
        for path in (f"{TRUST}/acme-ca.pem", *([OWN_AUTHORITY] if host.trusts_authority else [])):
            yield path, authority, 0o644, "root"
        if not host.issues_certificates:
            yield f"{TRUST}/authorities.pem", self.authorities.read_bytes(), 0o644, "root"

    def _hosts_file(self) -> str:
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        for host in self._hosts.values():
            names = " ".join([host.name, *host.sites])
            lines += [f"{self._network.ipv4(host.number)} {names}", f"{self._network.ipv6(host.number)} {names}"]
        return "\n".join(lines) + "\n"

    def _own_files(self, host: Host) -> Iterable[File]:
        """The files below lab/files/all, lab/files/<host> and lab/files/<host>-<release>."""
        for root in (FILES / "all", FILES / host.name, FILES / f"{host.name}-{self._release}"):
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                yield f"/{path.relative_to(root)}", self._filled_in(path.read_text()).encode(), mode, "root"


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
