# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What those who put backups on a machine may do to them."""

from __future__ import annotations

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._services import backup_store
from ansible_collections.privacy.hosting.plugins.module_utils._services.accounts import (
    LOCKED,
    USABLE,
    Account,
    Accounts,
)
from tests.unit.backup_host import BackupHost
from tests.unit.web_host import process

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample data1"
FORCED = 'restrict,command="rclone serve restic --stdio --append-only /srv/store/data1" '


def store_host(line: str, password: str = LOCKED) -> BackupHost:
    """A machine with an account for backups, whose keys stand in this line."""
    parts = {f"/srv/store/data1/{part}": "" for part in backup_store._PARTS}
    host = BackupHost({**parts, "/srv/store/.ssh/authorized_keys": line and f"{line}\n"})
    host.directories.add("/srv/store/data1")
    host.given(
        "accounts",
        Accounts(
            {
                "root": Account("root", 0, "/root", "/bin/bash", frozenset(), USABLE),
                "store": Account("store", 1500, "/srv/store", "/bin/sh", frozenset(), password),
                "anna": Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(), USABLE),
            }
        ),
    )
    host.given("sshd", ([], []))
    return host


@pytest.fixture(autouse=True)
def no_sshd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_store.sshd, "servers", lambda _host: ([], []))
    monkeypatch.setattr(backup_store, "_owners", lambda _host, _known, _more: {"/srv/store/data1": {"store"}})


@pytest.mark.parametrize(
    "options, append_only, words",
    [
        (FORCED, True, "may only add to /srv/store/data1"),
        (FORCED.replace("rclone", "/usr/bin/rclone --config="), True, "may only add to /srv/store/data1"),
        (FORCED.replace(" --append-only", ""), False, "--append-only is missing"),
        (FORCED.replace("restrict,", ""), None, "restrict is missing"),
        (FORCED.replace("restrict", "no-pty,no-port-forwarding"), True, "may only add"),
        ("restrict ", False, "gives a login"),
        ("", False, "gives a login"),
        ('restrict,command="/usr/local/bin/wrapper" ', None, "not known"),
        (FORCED.replace("rclone", "true; rclone"), None, "not known"),
        (FORCED.replace("/srv/store/data1", "/srv/store/data1; $SSH_ORIGINAL_COMMAND"), None, "more than one command"),
    ],
)
def test_what_a_key_may_do(options: str, append_only: bool | None, words: str) -> None:
    (way,) = backup_store.ways(store_host(options + KEY))
    assert (way.subject, way.append_only, way.source) == (
        "account store", append_only, "/srv/store/.ssh/authorized_keys:1",
    )  # fmt: skip
    assert words in way.words


@pytest.mark.parametrize("keyword", ["ForceCommand", "AuthorizedKeysCommand"])
def test_what_sshd_does_for_a_key_is_not_known(monkeypatch: pytest.MonkeyPatch, keyword: str) -> None:
    told = {"forcecommand": "", "authorizedkeyscommand": "", keyword.lower(): "/etc/ssh/sshd_config:9"}
    monkeypatch.setattr(backup_store, "_set", lambda _host, asked, _account: told[asked])
    host = store_host(KEY if keyword == "ForceCommand" else FORCED + KEY)
    assert [(way.append_only, way.source) for way in backup_store.ways(host)][-1] == (None, "/etc/ssh/sshd_config:9")


def test_what_sshd_forces_on_others_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    forced = {"anna": {"forcecommand": ["internal-sftp"]}, "store": {"forcecommand": ["none"]}}
    monkeypatch.setattr(backup_store.sshd, "servers", lambda _host: (["sshd"], []))
    monkeypatch.setattr(backup_store.sshd, "directives", lambda _host, _server: [])
    monkeypatch.setattr(backup_store.sshd, "circumstances", lambda _host, _server: ["anywhere"])
    monkeypatch.setattr(backup_store.sshd, "effective", lambda _host, _server, account, _at: forced[account.name])
    (way,) = backup_store.ways(store_host(KEY))
    assert (way.append_only, "gives a login" in way.words) == (False, True)


def test_each_key_is_judged() -> None:
    ways = backup_store.ways(store_host(f"{FORCED}{KEY}\n{KEY}"))
    assert [way.append_only for way in ways] == [True, False]


def test_a_password_is_another_way() -> None:
    ways = backup_store.ways(store_host(FORCED + KEY, USABLE))
    assert [way.subject for way in ways] == ["account store", "account store"]
    assert ways[1].source == "/etc/shadow"


def test_a_machine_that_holds_none_has_no_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_store, "_owners", lambda _host, _known, _more: {})
    assert backup_store.ways(store_host("")) == []
    assert backup_store.ways(store_host(KEY)) == []  # an ordinary account


@pytest.mark.parametrize("flags, safe", [(["--append-only"], True), ([], False)])
def test_a_server_over_http_is_known_by_its_flag(flags: list[str], safe: bool) -> None:
    host = store_host("")
    host.running = [process("rest-server", "rest-server", "--path", "/srv", *flags)]
    (way,) = backup_store.ways(host)
    assert (way.append_only, way.subject) == (safe, "rest-server")


def test_who_owns_a_repository() -> None:
    host = store_host("")
    (path,) = [path for path in host.directories if backup_store.is_repository(host, path)]
    assert path == "/srv/store/data1"
    assert not backup_store.is_repository(host, "/srv/store")
