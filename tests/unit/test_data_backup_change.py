# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role data_backup plans on a host and its store, and what it does to a repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._backup import records
from ansible_collections.privacy.hosting.plugins.module_utils._backup.commands import Done
from ansible_collections.privacy.hosting.plugins.module_utils._backup.servers import Server
from ansible_collections.privacy.hosting.plugins.module_utils._backup.settings import Settings, load_clients
from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError, Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import data_backup as host
from ansible_collections.privacy.hosting.plugins.module_utils._changes import data_backup_store as store
from ansible_collections.privacy.hosting.plugins.module_utils._changes import data_backup_units as units
from ansible_collections.privacy.hosting.plugins.module_utils._changes.data_backup_repository import (
    ABSENT,
    Key,
    Repository,
    ensure,
)
from ansible_collections.privacy.hosting.plugins.module_utils._host import Result

RECOVERY = "a recovery password"
IDENTITY = "0da6d0cfea145f3e80ff6150a481f480819de47fb7f427d0ec2df7a365c5bcaa"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN backup of web1"
ASKED = host.Asked(
    host="web1",
    interval="1 day",
    checked="1 week",
    restored="1 month",
    directories=("/srv/files/",),
    store="backup1",
    address="192.0.2.7",
    account="backup-web1",
    host_keys=("ssh-ed25519 AAAA root@backup1",),
    identity=IDENTITY,
    recovery=RECOVERY,
)


class Systemd:
    """systemctl, and our own commands, which are content."""

    def __init__(self) -> None:
        self.enabled: set[str] = set()
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, argv: Sequence[str]) -> Result:
        words = tuple(argv)
        self.calls.append(words)
        if words[:2] == ("systemctl", "is-enabled"):
            return Result(words, 0, "enabled\n" if words[2] in self.enabled else "not-found\n", "")
        if words[:2] == ("systemctl", "is-active"):
            return Result(words, 0 if words[2] in self.enabled else 3, "", "")
        if words[:2] == ("systemctl", "enable"):
            self.enabled.add(words[2])
        return Result(words, 0, "", "")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The paths of both sides, below a directory of our own."""
    for module, names in (
        (host, ("DIRECTORY", "PASSWORD", "SSH_KEY", "SSH_CONFIG", "KNOWN_HOSTS", "ENVIRONMENT", "SETTINGS", "COMMAND")),
        (store, ("DIRECTORY", "KEYS", "STORE_SETTINGS", "RETENTION_COMMAND")),
        (units, ("LIBRARY", "PACKAGE", "COMMAND")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, f"{tmp_path}{getattr(module, name)}")
    monkeypatch.setattr(units, "SYSTEM", f"{tmp_path}/etc/systemd/system")
    monkeypatch.setattr(units, "_COMMAND_TEXT", units._COMMAND_TEXT.replace('"/usr/local', f'"{tmp_path}/usr/local'))
    for directory in ("etc/systemd/system", "etc/privacy-hosting", "usr/local/sbin", "usr/local/lib", "srv"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setattr(host, "_unreachable", lambda _settings: "")
    monkeypatch.setattr(host, "load", lambda: host_settings(tmp_path))
    monkeypatch.setattr(store, "load_clients", lambda: load_clients(store.STORE_SETTINGS))
    monkeypatch.setattr(store.shutil, "which", lambda name: f"/usr/bin/{name}")
    return tmp_path


def host_settings(root: Path) -> Settings:
    raw = json.loads(Path(host.SETTINGS).read_text())
    raw.pop("schema")
    return Settings(**raw)


def transaction(root: Path, check: bool = False, systemd: Systemd | None = None) -> Transaction:
    return Transaction("2026-11-20T12:00:00Z", "t", check, str(root / "undo"), systemd or Systemd())


# -- the host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"store": ""}, "set data_backup_store or data_backup_repository"),
        ({"repository": "s3:https://s3.example/b"}, "set data_backup_store or data_backup_repository"),
        ({"store": "", "repository": "sftp:x:/y"}, "'sftp:x:/y' is none that the role makes"),
        ({"store": "", "repository": "s3:https://s3.example/b"}, "data_backup_s3_key_id and data_backup_s3_secret"),
        ({"recovery": "short"}, "data_backup_recovery_password is not set, or shorter than 16 characters"),
        ({"directories": ("srv",)}, "'srv' is no absolute path"),
        ({"directories": ("/",)}, "'/' is no absolute path"),
        ({"directories": ("/srv/../etc",)}, r"'/srv/\.\./etc' is no absolute path"),
        ({"host": "../etc"}, "cannot be the name of a directory"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ChangeError, match=told):
        host.look(replace(ASKED, **changes))


def made_keys(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(host, "_made_key", lambda _host: ("private\n", f"{PUBLIC}\n"))
    keys = transaction(root)
    planned = host.plan_keys(keys, ASKED)
    keys.commit()
    keys.close()
    return planned.result


def test_keys_are_made_once_and_are_roots_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made_keys(root, monkeypatch)
    assert len(first["password"]) > 40
    assert first["public_key"] == PUBLIC
    assert made_keys(root, monkeypatch) == first
    for path, mode in ((host.PASSWORD, 0o600), (host.SSH_KEY, 0o600), (host.DIRECTORY, 0o700)):
        assert os.stat(path).st_mode & 0o777 == mode


def test_check_mode_tells_of_keys_and_makes_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_made_key", lambda _host: pytest.fail("a key was made"))
    keys = transaction(root, check=True)
    assert host.plan_keys(keys, ASKED).result["password"] == ""
    assert keys.changed
    assert not os.path.exists(host.DIRECTORY)


def test_no_secret_is_shown_in_a_difference(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_made_key", lambda _host: ("a private key\n", f"{PUBLIC}\n"))
    keys = transaction(root)
    password = host.plan_keys(keys, ASKED).result["password"]
    shown = json.dumps(keys.diff())
    assert password not in shown
    assert "a private key" not in shown


def test_the_host_gets_programs_that_run_by_themselves(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_keys(root, monkeypatch)
    systemd = Systemd()
    change = transaction(root, systemd=systemd)
    host.plan_host(change, ASKED)
    assert change.commit()
    change.close()
    settings = host_settings(root)
    assert (settings.repository, settings.directories) == ("rclone:backup1:web1", ["/srv/files"])
    assert systemd.enabled == {f"{unit}.timer" for unit in host.JOBS.values()}
    assert Path(host.KNOWN_HOSTS).read_text() == "192.0.2.7 ssh-ed25519 AAAA\n"
    argv = [sys.executable, "-IB", units.COMMAND, "--settings", host.SETTINGS, "check-settings"]
    assert subprocess.run(argv, check=False, cwd="/").returncode == 0
    again = transaction(root, systemd=systemd)
    host.plan_host(again, ASKED)
    assert again.changes == []


def test_a_host_that_does_not_reach_its_repository_is_put_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_keys(root, monkeypatch)
    monkeypatch.setattr(host, "_unreachable", lambda _settings: "the store says no")
    change = transaction(root)
    host.plan_host(change, ASKED)
    with pytest.raises(ChangeError, match="the store says no; all was put back"):
        change.commit()
    assert not os.path.exists(host.SETTINGS)
    assert not os.path.exists(units.PACKAGE)


@pytest.mark.parametrize(
    ("interval", "calendar"),
    [
        ("1 day", "*-*-* 01:00:00"),
        ("36 hours", "*-*-* 01:00:00"),
        ("2 weeks", "Sun *-*-* 01:00:00"),
        ("6 hours", "*-*-* 00/6:00:00"),
        ("5 hours", "*-*-* 00/4:00:00"),
        ("1 hour", "*-*-* 00/1:00:00"),
    ],
)
def test_backups_are_made_at_least_as_often_as_promised(interval: str, calendar: str) -> None:
    assert units.backup_calendar(interval) == calendar


@pytest.mark.parametrize(
    ("period", "calendar"),
    [
        ("1 month", "Sun *-*-* 04:00:00"),
        ("1 week", "Mon,Wed,Fri *-*-* 04:00:00"),
        ("3 days", "*-*-* 04:00:00"),
        ("1 day", "*-*-* 00/6:00:00"),
    ],
)
def test_a_check_may_fail_once_before_its_period_is_over(period: str, calendar: str) -> None:
    assert units.calendar(period, "04:00") == calendar


# -- first runs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ran(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets jobs have run on a host with one database and one directory."""
    (root / "state").mkdir()
    monkeypatch.setattr(records, "STATE", str(root / "state"))
    monkeypatch.setattr(host.time, "sleep", lambda _seconds: None)
    server = Server("mariadb", "m", "/s")
    monkeypatch.setattr(host.servers, "servers", lambda _left_out: [server])
    monkeypatch.setattr(host.servers, "databases", lambda _server: ["shop"])
    settings = Settings("web1", "r", "p", IDENTITY, directories=("/srv",))
    monkeypatch.setattr(host, "load", lambda: settings)

    def write(*kinds: str, trouble: str = "", database: str = "shop", repository: str = IDENTITY) -> None:
        for kind in kinds:
            told = {
                "repository_id": repository,
                "databases": [{"kind": "mariadb", "server": "m", "name": database}],
                "directories": [{"path": "/srv"}],
            }
            run = records.Run(kind, records.now(), told, trouble)
            records.write(kind, run.as_dict(records.now()))

    return write


def test_jobs_that_did_well_are_not_started(ran: Callable[..., None]) -> None:
    ran(*host.JOBS)
    assert host.first_runs(1, False, Systemd())["started"] == []


@pytest.mark.parametrize("change", [{"database": "other"}, {"repository": "f" * 64}, {"trouble": "it failed"}])
def test_a_job_is_started_where_the_host_holds_more_or_it_failed(
    ran: Callable[..., None], change: dict[str, str]
) -> None:
    ran(*host.JOBS, **change)
    assert host.first_runs(1, True, Systemd())["started"] == list(host.JOBS.values())


def test_only_what_never_ran_is_started(ran: Callable[..., None]) -> None:
    ran("backup", "check")
    assert host.first_runs(1, True, Systemd())["started"] == [f"{units.UNIT}-restore-test"]


def test_a_first_run_that_fails_is_told(ran: Callable[..., None]) -> None:
    ran("backup", trouble="the dump of shop is empty")
    with pytest.raises(ChangeError, match=r"privacy-hosting-data-backup\.service failed: the dump of shop is empty"):
        host.first_runs(1, False, Systemd())


def test_a_first_run_that_takes_long_is_not_waited_for(ran: Callable[..., None]) -> None:
    def call(argv: Sequence[str]) -> Result:
        return Result(tuple(argv), 0, "activating\n", "")

    told = host.first_runs(0, False, call)
    assert told["started"] == [units.UNIT]
    assert told["warnings"][0].startswith("privacy-hosting-data-backup.service is still running")


# -- the store --------------------------------------------------------------------------------------------------------

THERE = store.Asked("web1", "root-like", PUBLIC, "3 months", password=RECOVERY[2:], recovery=RECOVERY)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[list[Key]]:
    """The keys that a repository is asked to have."""
    asked: list[list[Key]] = []

    def fake(_repository: Repository, recovery: Key, others: Sequence[Key], _known: str, _check: bool) -> Any:
        asked.append([recovery, *others])
        return IDENTITY, []

    monkeypatch.setattr(store, "ensure", fake)
    monkeypatch.setattr(store, "_owner", lambda _account, _check: (os.geteuid(), os.getegid()))
    return asked


def on_store(
    root: Path, asked: store.Asked = THERE, check: bool = False, systemd: Systemd | None = None
) -> tuple[Transaction, dict[str, Any]]:
    change = transaction(root, check, systemd)
    planned = store.plan(change, asked)
    change.commit()
    change.close()
    return change, planned.afterwards() if planned.afterwards else {}


def test_a_hosts_key_can_do_one_thing(root: Path, keys: list[list[Key]]) -> None:
    on_store(root)
    repository = f"{store.DIRECTORY}/web1/repository"
    path = Path(store.DIRECTORY, "web1", ".ssh", "authorized_keys")
    assert path.read_text() == (
        f'restrict,command="rclone --config= serve restic --stdio --append-only {repository}" {PUBLIC}\n'
    )
    assert os.stat(repository).st_mode & 0o777 == 0o700


def test_a_store_has_a_key_of_its_own_where_it_removes_snapshots(root: Path, keys: list[list[Key]]) -> None:
    systemd = Systemd()
    _change_made, told = on_store(root, systemd=systemd)
    assert [key.name for key in keys[0]] == ["recovery@web1", "host@web1", "retention@web1"]
    client = load_clients(store.STORE_SETTINGS)["web1"]
    assert Path(client.password_file).read_text().strip() == keys[0][2].password
    assert os.stat(client.password_file).st_mode & 0o777 == 0o600
    assert (client.oldest, told["repository_id"]) == ("3 months", IDENTITY)
    again, _told = on_store(root, systemd=systemd)
    assert again.changes == []


def test_a_store_without_retention_holds_no_password(root: Path, keys: list[list[Key]]) -> None:
    on_store(root, replace(THERE, retention=False))
    assert [key.name for key in keys[0]] == ["recovery@web1", "host@web1"]
    assert not os.path.exists(store.KEYS)


def test_a_second_host_does_not_disturb_the_first(root: Path, keys: list[list[Key]]) -> None:
    on_store(root)
    on_store(root, replace(THERE, host="web2", oldest="1 year"))
    clients = load_clients(store.STORE_SETTINGS)
    assert {name: client.oldest for name, client in clients.items()} == {"web1": "3 months", "web2": "1 year"}


def test_a_directory_that_holds_something_else_is_left(root: Path, keys: list[list[Key]]) -> None:
    place = Path(store.DIRECTORY, "web1", "repository")
    place.mkdir(parents=True)
    (place / "letters.txt").touch()
    with pytest.raises(ChangeError, match="holds something that is no repository of restic"):
        on_store(root)
    assert keys == []


@pytest.mark.parametrize("key", ["", "ssh-rsa AAAA x", f'{PUBLIC}\nssh-ed25519 AAAA "', 'command="x" ssh-ed25519 AAAA'])
def test_a_key_of_another_form_is_refused(root: Path, keys: list[list[Key]], key: str) -> None:
    with pytest.raises(ChangeError, match="public key is none of ed25519"):
        on_store(root, replace(THERE, public_key=key))


def test_a_store_in_check_mode_touches_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ensure", lambda *_given: pytest.fail("the repository was asked"))
    change, told = on_store(root, replace(THERE, account="backup-web1", public_key="", password=""), check=True)
    assert told["repository_id"] == ABSENT
    assert f"{store.DIRECTORY}/web1/repository" in change.changes
    assert not os.path.exists(store.DIRECTORY)


@pytest.mark.parametrize("name", ["web.1", "web-1", "WEB-1", "a" * 40, "a" * 41])
def test_each_host_has_an_account_of_its_own(name: str) -> None:
    others = {store.account(other) for other in ("web.1", "web-1", "WEB-1", "a" * 40, "a" * 41) if other != name}
    assert store.account(name) not in others
    assert len(store.account(name)) <= 32
    assert store.account("web1") == "backup-web1"


# -- the repository ---------------------------------------------------------------------------------------------------


class FakeRestic:
    """restic, as far as passwords go. opens: those of the repository, None where there is none."""

    def __init__(self, opens: list[str] | None, fault: str = "") -> None:
        self.opens, self.fault = opens, fault
        self.argv: list[list[str]] = []

    def __call__(self, argv: list[str], stdin: bytes = b"", **_given: Any) -> Done:
        self.argv.append(argv)
        password = stdin.decode().strip()
        if self.fault:
            return Done(1, "", self.fault)
        if argv[-1] == "init":
            self.opens = [password]
        elif self.opens is None:
            return Done(1, "", "Fatal: unable to open config file: no such file or directory\nIs there a repository?")
        elif password not in self.opens:
            return Done(1, "", "Fatal: wrong password or no key found")
        elif "add" in argv:
            self.opens.append(Path(argv[argv.index("--new-password-file") + 1]).read_text().strip())
        # as 0.14 prints it
        return Done(0, "reading repository password from stdin\n" + json.dumps({"id": IDENTITY}), "")


WRONG_KEY, NO_BUCKET = (
    f"Fatal: unable to open config file: Stat: {why}\nIs there a repository at the following location?\ns3:https://s/b"
    for why in (
        "The Access Key Id you provided does not exist in our records.",
        "The specified bucket does not exist",
    )
)


def ensured(restic: FakeRestic, known: str = "", check: bool = False) -> tuple[str, list[str]]:
    recovery, others = Key("recovery@web1", RECOVERY), [Key("host@web1", "own"), Key("retention@web1", "store's")]
    return ensure(Repository(["-r", "/r"], runner=restic), recovery, others, known, check)


def test_a_repository_is_made_with_all_keys() -> None:
    restic = FakeRestic(None)
    assert ensured(restic)[0] == IDENTITY
    assert restic.opens == [RECOVERY, "own", "store's"]
    assert ensured(restic, IDENTITY) == (IDENTITY, [])
    assert not any(RECOVERY in word or "own" in word for argv in restic.argv for word in argv)


@pytest.mark.parametrize(
    "told",
    [
        "Fatal: repository does not exist: unable to open config file: stat /r/config: no such file or directory",
        "Fatal: unable to open config file: Lstat: stat /r/config: no such file or directory",
        "Fatal: unable to open config file: Stat: The specified key does not exist.",
    ],
)
def test_what_is_not_there_is_known_by_what_restic_says(told: str) -> None:
    assert Repository(["-r", "/r"], runner=FakeRestic(None, told)).identity(RECOVERY) == ABSENT


def test_check_mode_makes_no_repository() -> None:
    restic = FakeRestic(None)
    identity, told = ensured(restic, check=True)
    assert (identity, restic.opens, len(told)) == (ABSENT, None, 3)


def test_a_new_recovery_password_is_added_by_a_key_that_opens() -> None:
    restic = FakeRestic(["former", "own", "store's"])
    assert ensured(restic)[1] == ["a key of recovery@web1"]
    assert restic.opens == ["former", "own", "store's", RECOVERY]


@pytest.mark.parametrize(
    ("restic", "known", "told"),
    [
        (FakeRestic(["former"]), "", "neither data_backup_recovery_password nor a key of the role opens"),
        (FakeRestic(None), IDENTITY, "is not there any more"),
        (FakeRestic([RECOVERY, "own", "store's"]), "f" * 64, "that of the backups before was ffffffff"),
        (FakeRestic(None, "Fatal: connection refused"), "", "cannot be opened: Fatal: connection refused"),
        (FakeRestic(None, WRONG_KEY), IDENTITY, "cannot be opened: .* Key Id you provided does not exist"),
        (FakeRestic(None, NO_BUCKET), "", "cannot be opened: .* The specified bucket does not exist"),
    ],
)
def test_no_repository_is_made_in_the_place_of_another(restic: FakeRestic, known: str, told: str) -> None:
    before = restic.opens
    with pytest.raises(ChangeError, match=told):
        ensured(restic, known)
    assert restic.opens == before
    assert not any(argv[-1] == "init" for argv in restic.argv)


def test_the_spare_file_of_a_new_password_is_removed() -> None:
    restic = FakeRestic(None)
    ensured(restic)
    paths = [argv[argv.index("--new-password-file") + 1] for argv in restic.argv if "--new-password-file" in argv]
    assert len(paths) == 2
    assert not any(os.path.exists(os.path.dirname(path)) for path in paths)
