# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role data_backup changes on a host that is backed up.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._backup import commands, records, servers
from .._backup.commands import run as run_program
from .._backup.settings import DIRECTORY, SETTINGS, Settings, Trouble, as_text, load
from .._change import FILE, Caller, ChangeError, Planned, Transaction, Validation
from .._change import look as look_at
from .data_backup_repository import SHORTEST, Key, Repository, ensure
from .data_backup_units import COMMAND, HEADER, UNIT, add, install, inventory_name, jobs

PASSWORD = f"{DIRECTORY}/password"
SSH_KEY = f"{DIRECTORY}/ssh_key"
SSH_CONFIG = f"{DIRECTORY}/ssh_config"
KNOWN_HOSTS = f"{DIRECTORY}/known_hosts"
ENVIRONMENT = f"{DIRECTORY}/s3.env"
_ALIAS = "store"
JOBS = {"backup": UNIT, "check": f"{UNIT}-check", "restore-test": f"{UNIT}-restore-test"}  # in this order
_BUCKET = (
    "a repository of S3 is as safe from this host as its bucket makes it: switch on versioning with Object Lock there, "
    "and remove old snapshots with another access key; the role does neither"
)


@dataclass(frozen=True)
class Asked:
    """What the role is asked for on a host.

    store: the inventory's name of the machine that holds the repository, '' where `repository` tells; address, port,
    account, host_keys: how it is reached there; identity: of the repository that the store made.
    """

    host: str
    interval: str
    checked: str
    restored: str
    directories: Sequence[str] = ()
    left_out: Sequence[str] = ()
    store: str = ""
    address: str = ""
    port: int = 22
    account: str = ""
    host_keys: Sequence[str] = ()
    identity: str = ""
    repository: str = ""
    recovery: str = field(default="", repr=False)
    s3_key_id: str = ""
    s3_secret: str = field(default="", repr=False)


def see_that_it_can_be(asked: Asked) -> None:
    """Raises ChangeError for what the role would have to guess."""
    inventory_name(asked.host)
    if bool(asked.store) == bool(asked.repository):
        raise ChangeError(
            "set data_backup_store or data_backup_repository, one of them: nowhere to put backups is known"
        )
    if asked.repository and not asked.repository.startswith("s3:https://"):
        raise ChangeError(
            f"data_backup_repository: '{asked.repository}' is none that the role makes; write s3:https://…, or name a "
            "machine of your own in data_backup_store"
        )
    if asked.repository and not (asked.s3_key_id and asked.s3_secret):
        raise ChangeError("data_backup_s3_key_id and data_backup_s3_secret are not set, which the repository needs")
    if len(asked.recovery) < SHORTEST:
        raise ChangeError(
            f"data_backup_recovery_password is not set, or shorter than {SHORTEST} characters: without it, backups are "
            "lost with the host; make one with 'openssl rand -base64 32' and keep it with ansible-vault"
        )
    for path in asked.directories:
        if not path.startswith("/") or os.path.normpath(path) != path.rstrip("/") or path == "/":
            raise ChangeError(f"data_backup_directories: '{path}' is no absolute path of a directory")


def look(asked: Asked) -> Planned:
    """What is not installed. Raises ChangeError for options that are not right."""
    see_that_it_can_be(asked)
    return Planned({"lacks": [] if shutil.which("restic") else ["restic"]})


# -- keys -------------------------------------------------------------------------------------------------------------


def plan_keys(transaction: Transaction, asked: Asked) -> Planned:
    """The host's own password of the repository, and its key at the store; made once; none in check mode."""
    see_that_it_can_be(asked)
    transaction.directory(os.path.dirname(DIRECTORY))
    transaction.directory(DIRECTORY, 0o700)
    password = _kept(transaction, PASSWORD) or f"{secrets.token_urlsafe(32)}\n"
    transaction.write(PASSWORD, password, 0o600, brief=True)
    public = ""
    if asked.store:
        private = _kept(transaction, SSH_KEY)
        public = _kept(transaction, f"{SSH_KEY}.pub")
        if not private or not public:
            private, public = ("", "") if transaction.check else _made_key(asked.host)
        transaction.write(SSH_KEY, private, 0o600, brief=True)
        transaction.write(f"{SSH_KEY}.pub", public, 0o644)
    known = load().repository_id if transaction.look(SETTINGS).kind == FILE else ""
    told = password.strip() if transaction.look(PASSWORD) == look_at(PASSWORD) or not transaction.check else ""
    return Planned({"password": told, "public_key": public.strip(), "repository_id": known})


def _kept(transaction: Transaction, path: str) -> str:
    node = transaction.look(path)
    return node.data.decode("utf-8", "replace") if node.kind == FILE else ""


def _made_key(host: str) -> tuple[str, str]:
    """A private key and its public one. Raises ChangeError."""
    with tempfile.TemporaryDirectory(prefix="privacy-hosting-", dir="/run") as place:
        path = os.path.join(place, "key")
        done = _tried(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"backup of {host}", "-f", path])
        if done.rc != 0:
            raise ChangeError(f"ssh-keygen could not make a key: {done.complaint}")
        with open(path, encoding="utf-8") as private, open(f"{path}.pub", encoding="utf-8") as public:
            return private.read(), public.read()


def _tried(argv: Sequence[str], **given: Any) -> commands.Done:
    try:
        return run_program(argv, **given)
    except Trouble as error:
        raise ChangeError(str(error)) from None


# -- the host ---------------------------------------------------------------------------------------------------------


def plan_host(transaction: Transaction, asked: Asked) -> Planned:
    """The programs, their settings and timers. Raises ChangeError."""
    see_that_it_can_be(asked)
    identity = asked.identity
    made: list[str] = []
    if asked.repository:
        identity, made = _of_s3(transaction, asked)
    settings = _settings(asked, identity)
    transaction.directory(os.path.dirname(DIRECTORY))
    transaction.directory(DIRECTORY, 0o700)
    if asked.store:
        transaction.write(SSH_CONFIG, _ssh_config(asked), 0o600)
        transaction.write(KNOWN_HOSTS, _known_hosts(asked), 0o600)
    else:
        transaction.write(ENVIRONMENT, _environment_text(asked), 0o600, brief=True)
    transaction.write(SETTINGS, as_text(settings), 0o600)
    install(transaction, COMMAND, "program")
    for job in jobs(asked.interval, asked.checked, asked.restored):
        add(transaction, job)
    transaction.validations.append(Validation((COMMAND, "check-settings")))
    transaction.judges.append(lambda: _unreachable(settings))
    return Planned({"made": made}, list(_warnings(asked)), lambda: _told(made))


def _told(made: Sequence[str]) -> dict[str, Any]:
    header = "the repository"
    diff = {
        "before": "",
        "after": "".join(f"{line}\n" for line in made),
        "before_header": header,
        "after_header": header,
    }
    return {"changed": bool(made), "diff": [diff] if made else [], "warnings": []}


def _settings(asked: Asked, identity: str) -> Settings:
    options = (f"rclone.program=ssh -F {SSH_CONFIG} {_ALIAS}",) if asked.store else ()
    return Settings(
        host=asked.host,
        repository=f"rclone:{asked.store}:{asked.host}" if asked.store else asked.repository,
        password_file=PASSWORD,
        repository_id=identity,
        options=options,
        environment_file="" if asked.store else ENVIRONMENT,
        directories=tuple(path.rstrip("/") for path in asked.directories),
        left_out=tuple(asked.left_out),
    )


def _ssh_config(asked: Asked) -> str:
    return f"""{HEADER}Host {_ALIAS}
  HostName {asked.address}
  Port {asked.port}
  User {asked.account}
  IdentityFile {SSH_KEY}
  IdentitiesOnly yes
  UserKnownHostsFile {KNOWN_HOSTS}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 30
  ServerAliveInterval 60
  ServerAliveCountMax 10
"""


def _known_hosts(asked: Asked) -> str:
    name = asked.address if asked.port == 22 else f"[{asked.address}]:{asked.port}"
    return "".join(f"{name} {' '.join(key.split()[:2])}\n" for key in asked.host_keys)


def _environment_text(asked: Asked) -> str:
    return f"AWS_ACCESS_KEY_ID={asked.s3_key_id}\nAWS_SECRET_ACCESS_KEY={asked.s3_secret}\n"


def _unreachable(settings: Settings) -> str:
    """Why the host does not get at its repository, '' where it does."""
    try:
        identity = commands.Restic.of_host(settings).identity()
    except Trouble as error:
        return f"with the host's own key, {error}"
    if identity != settings.repository_id:
        return f"the store gives the repository {identity[:8]}, and {settings.repository_id[:8]} was made for this host"
    return ""


def _warnings(asked: Asked) -> list[str]:
    if asked.repository:
        return [_BUCKET]
    try:
        here = ipaddress.ip_address(asked.address).is_loopback
    except ValueError:
        here = asked.address == "localhost"
    return ["the store is this very host: whoever loses it loses the backups too"] if here else []


def _of_s3(transaction: Transaction, asked: Asked) -> tuple[str, list[str]]:
    """The repository in a bucket, with its keys. Raises ChangeError."""
    environment = dict(line.split("=", 1) for line in _environment_text(asked).splitlines())
    known = load().repository_id if transaction.look(SETTINGS).kind == FILE else ""
    own = Key(f"host@{asked.host}", _kept(transaction, PASSWORD).strip())
    if not shutil.which("restic") or not own.password:
        return "", ["a repository"]  # check mode on a host that was never touched
    repository = Repository(["-r", asked.repository], environment=environment)
    return ensure(repository, Key("recovery", asked.recovery), [own], known, transaction.check)


# -- the first runs ---------------------------------------------------------------------------------------------------


def plan_first(transaction: Transaction, wait: float) -> Planned:
    """Let each job run once that has not yet done well with what the host holds now.

    wait: seconds in all. Raises ChangeError, when it is done, for one that failed.
    """
    return Planned(afterwards=lambda: first_runs(wait, transaction.check, transaction.call))


def first_runs(wait: float, check: bool, call: Caller) -> dict[str, Any]:
    """Start what must run, one after the other, and wait within bounds. Raises ChangeError for one that failed."""
    started: list[str] = []
    warnings: list[str] = []
    end = time.monotonic() + wait
    for kind, unit in JOBS.items():
        if warnings or not (started or _lacking(kind)):
            continue
        started.append(unit)
        if check:
            continue
        call(("systemctl", "reset-failed", f"{unit}.service"))
        call(("systemctl", "start", "--no-block", f"{unit}.service"))
        if _ends(unit, end, call):
            _see_that_it_went_well(kind, unit)
        else:
            warnings.append(f"{unit}.service is still running; 'systemctl status {unit}' tells how it ends")
    return {"started": started, "changed": bool(started), "diff": [], "warnings": warnings}


def _ends(unit: str, end: float, call: Caller) -> bool:
    """Whether a unit that was started ends by then, a moment of time.monotonic()."""
    while True:
        time.sleep(0.5)
        if not _is_running(unit, call):
            return True
        if time.monotonic() > end:
            return False


def _see_that_it_went_well(kind: str, unit: str) -> None:
    """Raises ChangeError."""
    last = records.read(kind)["last"]
    if not last or not last["ok"]:
        why = last["trouble"] if last else f"'journalctl -u {unit}' tells why"
        raise ChangeError(f"{unit}.service failed: {why}")


def _is_running(unit: str, call: Caller) -> bool:
    told = call(("systemctl", "show", "--value", "-p", "ActiveState", f"{unit}.service")).stdout.strip()
    return told in ("activating", "active", "deactivating")


def _lacking(kind: str) -> str:
    """Why a job must run now, '' where it need not."""
    record = records.read(kind)
    last, good = record["last"], record["last_good"]
    if not good or not last or not last["ok"]:
        return "it never did well, or failed the last time"
    try:
        settings = load()
        if good["repository_id"] != settings.repository_id:
            return "there is another repository"
        if kind == "backup":
            held = {(one["kind"], one["server"], one["name"]) for one in good["databases"]}
            there = {
                (server.kind, server.name, name)
                for server in servers.servers(settings.left_out)
                for name in servers.databases(server)
                if not settings.leaves_out(server.kind, name)
            }
            if there - held or {one["path"] for one in good["directories"]} != set(settings.directories):
                return "something is not in the last backup"
    except (Trouble, KeyError) as error:
        return str(error)
    return ""
