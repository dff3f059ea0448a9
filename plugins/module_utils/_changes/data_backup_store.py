# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role data_backup changes on a store, for one host whose backups it holds.

    /srv/privacy-hosting-backup/<host>/.ssh/authorized_keys   root's: one key, that adds to one repository
                                      /repository             the account's

PRIVATE to the collection.
"""

from __future__ import annotations

import glob
import hashlib
import os
import pwd
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._backup.settings import STORE_SETTINGS, Client, Trouble, clients_as_text, load_clients
from .._change import ABSENT as NOTHING
from .._change import DIRECTORY as A_DIRECTORY
from .._change import FILE, ChangeError, Node, Planned, Transaction, Validation
from .data_backup_repository import ABSENT, SHORTEST, Key, Repository, ensure
from .data_backup_units import RETENTION_COMMAND, add, install, inventory_name, retention_job

DIRECTORY = "/srv/privacy-hosting-backup"
KEYS = "/etc/privacy-hosting/data_backup_store"
_PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+( [^\n]*)?")
_LITTLE = 0.1  # the share of a store's disk that is told when less of it is free
_TO_COME = "the key that the host will make"


@dataclass(frozen=True)
class Asked:
    """What is asked for one host. retention: this machine removes its snapshots; known: its repository before."""

    host: str
    account: str
    public_key: str
    oldest: str = ""
    retention: bool = True
    known: str = ""
    password: str = field(default="", repr=False)
    recovery: str = field(default="", repr=False)


def look(host: str) -> Planned:
    """How this machine would hold a host's backups, and what is not installed. Raises ChangeError."""
    home = os.path.join(DIRECTORY, inventory_name(host))
    return Planned({"account": account(host), "home": home, "lacks": _lacks()})


def account(host: str) -> str:
    """The account of a host: 32 characters at most, and another one for another host."""
    plain = "backup-" + re.sub(r"[^a-z0-9_-]", "-", host)
    if plain == f"backup-{host}" and len(plain) <= 32:
        return plain
    return f"{plain[:23]}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def _lacks() -> list[str]:
    return [name for name in ("restic", "rclone") if not shutil.which(name)]


def plan(transaction: Transaction, asked: Asked) -> Planned:
    """Fill the transaction for one host. Raises ChangeError."""
    home = os.path.join(DIRECTORY, inventory_name(asked.host))
    repository = os.path.join(home, "repository")
    lacks = _lacks()
    if not transaction.check and (lacks or not _PUBLIC_KEY.fullmatch(asked.public_key)):
        raise ChangeError(f"{lacks[0]} is not installed" if lacks else "the host's public key is none of ed25519")
    if len(asked.recovery) < SHORTEST:
        raise ChangeError(f"data_backup_recovery_password is not set, or shorter than {SHORTEST} characters")
    _place(transaction, asked, home, repository)
    own = _retention(transaction, asked, repository) if asked.retention else ""
    result = {"host_keys": _host_keys(), "account": asked.account}
    return Planned(result, list(_room()), lambda: _made(transaction, asked, repository, own, lacks))


def _place(transaction: Transaction, asked: Asked, home: str, repository: str) -> None:
    """The account's directory, in which it owns the repository alone."""
    for directory in (DIRECTORY, home, f"{home}/.ssh"):
        transaction.directory(directory)
    line = f'restrict,command="{forced(repository)}" {asked.public_key or _TO_COME}\n'
    transaction.write(f"{home}/.ssh/authorized_keys", line, 0o644)
    if transaction.look(repository).kind == NOTHING:
        uid, gid = _owner(asked.account, transaction.check)
        transaction.put(repository, Node(A_DIRECTORY, 0o700, uid, gid))


def forced(repository: str) -> str:
    """The one command that a host's key runs: rclone lets it add and read, and delete nothing but its locks."""
    return f"rclone --config= serve restic --stdio --append-only {repository}"


def _owner(account: str, check: bool) -> tuple[int, int]:
    try:
        known = pwd.getpwnam(account)
    except KeyError:
        if check:
            return 0, 0
        raise ChangeError(f"the account {account} is not on this machine") from None
    if known.pw_uid == 0:
        raise ChangeError(f"the account {account} is root, and no host's backups are given that")
    return known.pw_uid, known.pw_gid


def _retention(transaction: Transaction, asked: Asked, repository: str) -> str:
    """What removes snapshots, and its own password of the repository."""
    path = f"{KEYS}/{asked.host}.password"
    transaction.directory(os.path.dirname(KEYS))
    transaction.directory(KEYS, 0o700)
    node = transaction.look(path)
    password = node.data.decode() if node.kind == FILE else f"{secrets.token_urlsafe(32)}\n"
    transaction.write(path, password, 0o600, brief=True)
    try:
        clients = load_clients() if transaction.look(STORE_SETTINGS).kind == FILE else {}
    except Trouble as error:
        raise ChangeError(str(error)) from None
    clients[asked.host] = Client(asked.host, asked.account, repository, path, asked.oldest)
    transaction.write(STORE_SETTINGS, clients_as_text(dict(sorted(clients.items()))), 0o600)
    install(transaction, RETENTION_COMMAND, "retention")
    add(transaction, retention_job(DIRECTORY))
    transaction.validations.append(Validation((RETENTION_COMMAND, "--check-settings")))
    return password.strip()


def _made(transaction: Transaction, asked: Asked, path: str, own: str, lacks: Sequence[str]) -> dict[str, Any]:
    """The repository and its keys, once its place is there."""
    keys = [Key(f"host@{asked.host}", asked.password)] + ([Key(f"retention@{asked.host}", own)] if own else [])
    if transaction.check and (lacks or not os.path.isdir(path) or not asked.password):
        identity, made = ABSENT, [f"a repository for {asked.host}, unless there is one"]
    else:
        if os.path.isdir(path) and os.listdir(path) and not os.path.exists(f"{path}/config"):
            raise ChangeError(f"{path} holds something that is no repository of restic; nothing was made there")
        repository = Repository(["-r", path], asked.account)
        recovery = Key(f"recovery@{asked.host}", asked.recovery)
        identity, made = ensure(repository, recovery, keys, asked.known, transaction.check)
    header = f"the repository {path}"
    diff = {
        "before": "",
        "after": "".join(f"{line}\n" for line in made),
        "before_header": header,
        "after_header": header,
    }
    return {"repository_id": identity, "changed": bool(made), "diff": [diff] if made else [], "warnings": []}


def _host_keys() -> list[str]:
    """The public keys by which this machine's sshd is known."""
    found = []
    for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")):
        with open(path, encoding="utf-8") as stream:
            found.append(stream.read().strip())
    return found


def _room() -> list[str]:
    disk = os.statvfs(DIRECTORY if os.path.isdir(DIRECTORY) else "/srv" if os.path.isdir("/srv") else "/")
    if disk.f_bavail >= _LITTLE * disk.f_blocks:
        return []
    free = disk.f_bavail * disk.f_frsize / 1e9
    return [f"{free:.1f} GB are free where backups lie, and nothing limits what a host puts there but the disk"]
