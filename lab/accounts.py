# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People and programs that log in on servers: their keys and passwords, made once for a lab, and their files there."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import machine

# Path, content (None: a folder), mode and owner of what a server is given.
File = tuple[str, "bytes | None", int, str]


@dataclass(frozen=True)
class Account:
    """One login account. chroot: the folder that sshd locks a customer into, or ''."""

    name: str
    uid: int
    groups: tuple[str, ...]
    shell: str
    chroot: str = ""

    def make_secrets(self, state: Path) -> None:
        """Make a key pair and a password, where there is none yet, in the lab's folder `state`."""
        folder = self.folder(state)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, password = folder / "id_ed25519", folder / "password"
        if not key.exists():
            machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)])
        if not password.exists():
            password.write_text(f"{secrets.token_urlsafe(12)}\n")
            hashed = machine.run(["openssl", "passwd", "-6", "-stdin"], stdin=password.read_bytes())
            (folder / "password.hash").write_text(hashed)

    def folder(self, state: Path) -> Path:
        """Where a lab keeps this account's secrets."""
        return state / "accounts" / self.name

    def creation(self, state: Path) -> str:
        """The shell commands that make the account below the folder $root."""
        hashed = (self.folder(state) / "password.hash").read_text().strip()
        groups = "\n".join(f'chroot "$root" groupadd --force --system {shlex.quote(group)}' for group in self.groups)
        useradd = [
            "useradd", f"--uid={self.uid}", "--create-home", f"--shell={self.shell}",
            f"--groups={','.join(self.groups)}", f"--password={hashed}", self.name,
        ]  # fmt: skip
        return f'{groups}\nchroot "$root" {shlex.join(useradd)}\n'

    def files(self, state: Path) -> Iterable[File]:
        """What stands in the account's folders."""
        public = (self.folder(state) / "id_ed25519.pub").read_bytes()
        yield f"/home/{self.name}/.ssh", None, 0o700, self.name
        yield f"/home/{self.name}/.ssh/authorized_keys", public, 0o600, self.name
        if self.chroot:
            yield f"{self.chroot}/files", None, 0o755, self.name
            yield f"{self.chroot}/files/index.html", b"<!doctype html>\n<title>Mine</title>\n", 0o644, self.name
