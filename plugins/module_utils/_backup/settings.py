# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the backup programs are told: where the repository is, what belongs in it, what a store removes when.

The role data_backup copies this package to hosts as it is: standard library of Python 3.9 only.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DIRECTORY = "/etc/privacy-hosting/data_backup"
SETTINGS = f"{DIRECTORY}/settings.json"
STATE = "/var/lib/privacy-hosting/data_backup"
DUMPS = f"{STATE}/dumps"
CACHE = "/var/cache/privacy-hosting/data_backup"
STORE_SETTINGS = "/etc/privacy-hosting/data_backup_store.json"
STORE_STATE = "/var/lib/privacy-hosting/data_backup_store"
TAG = "privacy-hosting"
RESTORE = "/var/lib/privacy-hosting-restore"  # where throwaway servers have their data
RESTORE_ACCOUNT = "privacy-hosting-restore"  # runs them, and owns nothing else
SCHEMA = 1


class Trouble(Exception):
    """Something that keeps a backup from being good; the text is one line for an administrator."""


@dataclass(frozen=True)
class Settings:
    """What a host that is backed up is told.

    host: its name in snapshots; options: what restic is given by -o; environment_file: lines NAME=value for restic, ''
    for none; repository_id: of the one repository that its backups go to; left_out: paths, as patterns, and databases
    as 'kind/name', or 'kind' for all of that kind.
    """

    host: str
    repository: str
    password_file: str
    repository_id: str
    options: tuple[str, ...] = ()
    environment_file: str = ""
    directories: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def leaves_out(self, kind: str, name: str) -> bool:
        """Whether a database need not be in the backups."""
        return not {kind, f"{kind}/{name}"}.isdisjoint(self.left_out)

    @property
    def excluded(self) -> tuple[str, ...]:
        """The patterns of paths that are left out."""
        return tuple(item for item in self.left_out if item.startswith("/"))


@dataclass(frozen=True)
class Client:
    """A host whose backups a store keeps.

    path: of its repository; oldest: the period after which a snapshot is removed, as promises write it, '' for never;
    keep: how many snapshots of each set stay whatever their age.
    """

    name: str
    account: str
    path: str
    password_file: str
    oldest: str = ""
    keep: int = 3


def as_text(told: Settings) -> str:
    """Settings as they stand in their file."""
    return json.dumps({"schema": SCHEMA, **asdict(told)}, indent=2, sort_keys=True) + "\n"


def load(path: str = SETTINGS) -> Settings:
    """The settings of a file. Raises Trouble."""
    raw = _read(path)
    for name in ("options", "directories", "left_out"):
        raw[name] = tuple(raw.get(name, ()))
    settings: Settings = _made(Settings, raw, path)
    return settings


def clients_as_text(clients: Mapping[str, Client]) -> str:
    """The clients of a store as they stand in its file."""
    told = {name: asdict(client) for name, client in clients.items()}
    return json.dumps({"schema": SCHEMA, "clients": told}, indent=2, sort_keys=True) + "\n"


def load_clients(path: str = STORE_SETTINGS) -> dict[str, Client]:
    """The clients of a store's file, by name. Raises Trouble."""
    raw = _read(path).get("clients", {})
    return {name: _made(Client, told, path) for name, told in raw.items()}


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            raw = json.load(stream)
    except (OSError, ValueError) as error:
        raise Trouble(f"{path}: {error}") from None
    if not isinstance(raw, dict) or raw.pop("schema", None) != SCHEMA:
        raise Trouble(f"{path}: its schema is not {SCHEMA}; run harden again")
    return raw


def _made(kind: Any, raw: dict[str, Any], path: str) -> Any:
    try:
        return kind(**raw)
    except TypeError as error:
        raise Trouble(f"{path}: {error}") from None
