# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People and programs that log in on servers: their keys and passwords, made once for a lab, and their files there."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import shlex
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import machine

# Path, content (None: a folder), mode and owner of what a server is given.
File = tuple[str, "bytes | None", int, str]

# Where privacy.hosting.ssh_two_factor keeps what one-time codes are made from, and with which settings.
_FACTORS = "/var/lib/privacy-hosting/two-factor"
_FACTOR_SETTINGS = ('" RATE_LIMIT 3 30', '" WINDOW_SIZE 3', '" DISALLOW_REUSE', '" TOTP_AUTH')
# A hash as yescrypt has it: which, how costly (Debian's), and salt of 128 bits in its own alphabet.
_YESCRYPT = "$y$"
_SALT = f"./{string.digits}{string.ascii_uppercase}{string.ascii_lowercase}"
_SALT_LENGTH = 21
_STEP = 30  # seconds that a code is for (RFC 6238)


def _make_password(folder: Path) -> None:
    """Make a password and its hash, of Debian's kind, in a folder, where there is none yet."""
    password, hashed = folder / "password", folder / "password.hash"
    if not password.exists():
        password.write_text(f"{secrets.token_urlsafe(12)}\n")
    if not hashed.exists() or not hashed.read_text().startswith(_YESCRYPT):
        salt = "".join(secrets.choice(_SALT) for _ in range(_SALT_LENGTH)) + secrets.choice(_SALT[:4])
        words = f"{_YESCRYPT}j9T${salt} {password.read_text().strip()}"
        crypt = 'print crypt($2, $1), "\\n" if /(.*) (.*)/'
        hashed.write_text(machine.run(["perl", "-ne", crypt], stdin=words.encode()))


@dataclass(frozen=True)
class Mailbox:
    """A mailbox of somebody who has no account on its server."""

    address: str

    def make_secrets(self, state: Path) -> None:
        """Make its password, where there is none yet, in the lab's folder `state`."""
        self.folder(state).mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_password(self.folder(state))

    def folder(self, state: Path) -> Path:
        """Where a lab keeps its password."""
        return state / "mailboxes" / self.address

    def creation(self, state: Path) -> str:
        """The shell commands that make it below the folder $root."""
        hashed = (self.folder(state) / "password.hash").read_text().strip()
        known = shlex.quote(f"{self.address}:{{CRYPT}}{hashed}::::::")
        return (
            f'echo {known} >> "$root/etc/dovecot/users"\n'
            f'echo {shlex.quote(self.address)} OK >> "$root/etc/postfix/mailboxes"\n'
        )


@dataclass(frozen=True)
class Account:
    """One login account.

    chroot: the folder that sshd locks a customer into, or ''. enrolled: whether it has a secret for one-time codes.
    """

    name: str
    uid: int
    groups: tuple[str, ...]
    shell: str
    chroot: str = ""
    enrolled: bool = False

    def make_secrets(self, state: Path) -> None:
        """Make what the account logs in with, where there is none yet, in the lab's folder `state`."""
        folder = self.folder(state)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, factor = folder / "id_ed25519", folder / "totp"
        if not key.exists():
            machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)])
        _make_password(folder)
        if self.enrolled and not factor.exists():
            scratch_codes = [f"{secrets.randbelow(90_000_000) + 10_000_000}\n" for _ in range(5)]
            factor.write_text("".join([f"{base64.b32encode(secrets.token_bytes(20)).decode()}\n", *scratch_codes]))

    def code(self, state: Path) -> str:
        """The one-time code of this moment. Raises LabError for an account without a secret."""
        if not self.enrolled:
            raise machine.LabError(f"{self.name} has no secret for one-time codes")
        secret = base64.b32decode((self.folder(state) / "totp").read_text().split()[0])
        digest = hmac.digest(secret, int(time.time() // _STEP).to_bytes(8, "big"), "sha1")
        start = digest[-1] & 0xF
        return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"

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
        if self.enrolled:
            secret, *scratch_codes = (self.folder(state) / "totp").read_text().split()
            factor = "".join(f"{line}\n" for line in (secret, *_FACTOR_SETTINGS, *scratch_codes)).encode()
            for folder in (os.path.dirname(_FACTORS), _FACTORS):
                yield folder, None, 0o700, "root"
            yield f"{_FACTORS}/{self.name}", factor, 0o400, "root"
        if self.chroot:
            yield f"{self.chroot}/files", None, 0o755, self.name
            yield f"{self.chroot}/files/index.html", b"<!doctype html>\n<title>Mine</title>\n", 0o644, self.name
