# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services are made to refuse plain connections of other machines, nobody is cut off, and doubts stop the change."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import (
    ChangeError,
    Planned,
    Transaction,
    change_parts,
    plan_undo,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes import (
    dovecot_links,
    link_certificate,
    link_edits,
    link_starttls,
    mariadb_links,
    postfix_links,
    postgresql_links,
    redis_links,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.link_edits import Wanted
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import dovecot
from ansible_collections.privacy.hosting.plugins.module_utils._services.plain_clients import (
    ANSWERED,
    DENIED,
    REFUSED,
    Plain,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.postfix import Postfix, Service

from .mail_host import NOW

RUN = "2026-01-31T12:00:00Z"
EVERYWHERE = "0.0.0.0"  # noqa: S104
OWN = "192.0.2.10"
DATABASES = Wanted(accepts=frozenset({"postgresql", "mariadb", "redis"}))
MAIL = Wanted(accepts=frozenset({"imap", "pop3", "managesieve", "submission"}), sends=frozenset({"relay"}))


class Commands:
    """What a transaction runs. answers: the first words of a command -> its exit code and output."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.answers: dict[tuple[str, ...], tuple[int, str]] = {}

    def __call__(self, argv: Sequence[str]) -> Result:
        self.ran.append(tuple(argv))
        for words, (code, text) in self.answers.items():
            if tuple(argv[: len(words)]) == words:
                return Result(tuple(argv), code, text, "")
        return Result(tuple(argv), 0, "", "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setattr(_change, "_SETTLE_S", 0)
    monkeypatch.setattr(link_edits, "_SETTLE_S", 0)
    monkeypatch.setattr(link_edits.settled, "__defaults__", (0,))
    monkeypatch.setattr(link_edits, "own_addresses", lambda host: [OWN, "127.0.0.1"])
    return Commands()


def transaction(tmp_path: Path, commands: Commands) -> Transaction:
    return Transaction(RUN, "encrypted_links", root=str(tmp_path / "undo"), caller=commands)


class Listening(Host):
    """A host where process 1 listens at a port."""

    def __init__(self, port: int, address: str = EVERYWHERE) -> None:
        super().__init__(now=NOW)
        self.port, self.address = port, address
        self.argv: tuple[str, ...] = ("server",)

    def listeners(self) -> list[Listener]:
        return [Listener("tcp", self.address, self.port, (1,))]

    def processes(self) -> list[Process]:
        return [Process(1, 0, "server", self.argv, "/usr/sbin/server", "", NOW, False)]


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

STOCK = """# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     peer
host    all             all             127.0.0.1/32            scram-sha-256
host    all             all             ::1/128                 scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    """A server that reads its rules and settings from files, as the real one's views show them."""

    host: Host
    etc: Path
    values: dict[str, str] = field(default_factory=dict)
    plain: list[list[str]] = field(default_factory=list)
    kind: str = "postgresql"
    name: str = "PostgreSQL 17/main"
    pids: tuple[int, ...] = (1,)
    unit: str = "postgresql@17-main.service"
    running: bool = True
    contained: bool = False

    def ask(self, statement: str) -> list[list[str]]:
        if "pg_hba_file_rules" in statement:
            return list(self._rules())
        if "pg_stat_activity" in statement:
            return self.plain
        if "pg_file_settings" in statement:
            return list(self._file_settings())
        told = {"server_version_num": "170000", "ssl": "on", "ssl_min_protocol_version": "TLSv1.2"}
        told.update(hba_file=f"{self.etc}/pg_hba.conf", config_file=f"{self.etc}/postgresql.conf")
        told.update(data_directory=str(self.etc), ssl_cert_file="server.crt", ssl_key_file="server.key")
        return [[key, value] for key, value in {**told, **self.values}.items()]

    def _rules(self) -> Iterator[list[str]]:
        for number, line in enumerate((self.etc / "pg_hba.conf").read_text().splitlines(), 1):
            words = re.sub(r"\s#.*|^#.*", "", line).split()
            if not words:
                continue
            kind, database, user = words[:3]
            place, method = ("", words[3]) if kind == "local" else (words[3], words[4])
            address, _slash, length = place.partition("/")
            mask = ""
            if length:
                bits = 128 if ":" in address else 32
                number_of = ((1 << int(length)) - 1) << (bits - int(length))
                mask = str(link_edits.ipaddress.ip_address(number_of.to_bytes(bits // 8, "big")))
            error = "invalid authentication method" if method == "mdx" else ""
            yield ["", str(number), kind, f"{{{database}}}", f"{{{user}}}", address, mask, method, error]

    def _file_settings(self) -> Iterator[list[str]]:
        for path in [self.etc / "postgresql.conf", *sorted((self.etc / "conf.d").glob("*.conf"))]:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r"(\w+) = '([^']*)'", line)
                if found:
                    yield [found[1], found[2], str(path), str(number), ""]


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    etc = tmp_path / "pg"
    (etc / "conf.d").mkdir(parents=True)
    (etc / "server.crt").write_text("")
    (etc / "postgresql.conf").write_text("include_dir = 'conf.d'\n")
    (etc / "pg_hba.conf").write_text(STOCK)
    found = Postgres(Listening(5432), etc)
    monkeypatch.setattr(postgresql_links, "servers", lambda host: [found])
    answers = {"host": ANSWERED, "hostssl": REFUSED, "stock": DENIED}

    def ask(*_door: object) -> Plain:
        text = (etc / "pg_hba.conf").read_text()
        last = "stock" if text == STOCK else text.splitlines()[-1].split()[0]
        return Plain(answers[last], "a plain one is let in")

    monkeypatch.setattr(postgresql_links, "ask_postgresql", ask)
    monkeypatch.setattr(postgresql_links, "_speaks_tls", lambda *door: True)
    return found


def rules(postgres: Postgres, *lines: str) -> None:
    (postgres.etc / "pg_hba.conf").write_text(STOCK + "".join(f"{line}\n" for line in lines))


def edited(postgres: Postgres) -> list[str]:
    """The rules below the stock ones."""
    return (postgres.etc / "pg_hba.conf").read_text().splitlines()[4:]


def set_up_postgresql(postgres: Postgres, tmp_path: Path, commands: Commands, **options: Any) -> bool:
    wanted = Wanted(accepts=frozenset({"postgresql"}), **options)
    with closing(transaction(tmp_path, commands)) as made:
        assert not list(postgresql_links.plan(postgres.host, made, wanted))
        return made.commit()


def test_postgresql_lets_others_in_by_tls_alone(postgres: Postgres, tmp_path: Path, commands: Commands) -> None:
    rules(postgres, "host  shop  shop  192.0.2.0/24  md5  # the shop", "host    all     all     ::/0     md5")
    assert set_up_postgresql(postgres, tmp_path, commands)
    assert edited(postgres) == [
        "hostssl  shop  shop  192.0.2.0/24  md5  # the shop",
        "hostssl all     all     ::/0     md5",
    ]
    assert ("systemctl", "reload", postgres.unit) in commands.ran
    assert not set_up_postgresql(postgres, tmp_path, commands)


def test_postgresql_keeps_loopback_and_tunnels_in_plain(postgres: Postgres, tmp_path: Path, commands: Commands) -> None:
    rules(postgres, "host replication copy all md5 # x", "host all all 10.8.0.0/25 md5", "host all all samenet md5")
    set_up_postgresql(postgres, tmp_path, commands, tunnels=["10.8.0.0/24"])
    assert edited(postgres) == [
        "host replication copy 127.0.0.1/32 md5 # x",
        "host replication copy ::1/128 md5 # x",
        "host replication copy 10.8.0.0/24 md5 # x",
        "hostssl replication copy all md5 # x",
        "host all all 10.8.0.0/25 md5",
        "hostssl all all samenet md5",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "host all all samehost md5",
        "host all all 192.0.2.0/24 reject",
        "hostgssenc all all 0.0.0.0/0 gss",
        "local x x md5",
    ],
)
def test_postgresql_leaves_rules_that_let_nobody_in_plain(
    postgres: Postgres, tmp_path: Path, commands: Commands, line: str
) -> None:
    rules(postgres, line)
    assert not set_up_postgresql(postgres, tmp_path, commands)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hostnossl all all 192.0.2.0/24 md5", "pg_hba.conf:5: 'hostnossl'"),
        ("host all all 192.0.2.0/24 gss", "hostgssenc"),
        ("host all all 192.0.2.0/24 mdx", "does not understand this rule: invalid authentication method"),
    ],
)
def test_postgresql_stops_at_rules_that_it_would_guess_at(
    postgres: Postgres, tmp_path: Path, commands: Commands, line: str, told: str
) -> None:
    rules(postgres, "host all all 192.0.2.0/24 md5", line) if "nossl" not in line else rules(postgres, line)
    before = edited(postgres)
    with pytest.raises(ChangeError, match=told):
        set_up_postgresql(postgres, tmp_path, commands)
    assert edited(postgres) == before


def test_postgresql_cuts_nobody_off(postgres: Postgres, tmp_path: Path, commands: Commands) -> None:
    rules(postgres, "host all all 192.0.2.0/24 md5")
    postgres.plain.extend([["192.0.2.7", "3"], ["127.0.0.1", "2"], ["10.8.0.2", "1"]])
    with pytest.raises(ChangeError, match=r"17/main: 4 plain connections \(10.8.0.x, 192.0.2.x\) would be refused"):
        set_up_postgresql(postgres, tmp_path, commands)
    with pytest.raises(ChangeError, match=r"3 plain connections \(192.0.2.x\)"):
        set_up_postgresql(postgres, tmp_path, commands, tunnels=["10.8.0.0/24"])
    assert set_up_postgresql(postgres, tmp_path, commands, cut_off=True)


def test_postgresql_that_the_host_alone_reaches_is_left(postgres: Postgres, tmp_path: Path, commands: Commands) -> None:
    rules(postgres, "host all all 0.0.0.0/0 md5")
    postgres.host.address = "127.0.0.1"  # type: ignore[attr-defined]
    assert not set_up_postgresql(postgres, tmp_path, commands)


def test_postgresql_gets_tls_and_no_old_version_of_it(postgres: Postgres, tmp_path: Path, commands: Commands) -> None:
    postgres.values.update(ssl="off", ssl_min_protocol_version="TLSv1")
    assert set_up_postgresql(postgres, tmp_path, commands)
    drop_in = (postgres.etc / "conf.d/zz-privacy-hosting-links.conf").read_text()
    assert drop_in.splitlines()[1:] == ["ssl = 'on'", "ssl_min_protocol_version = 'TLSv1.2'"]
    postgres.values.clear()  # it runs by them now, and they stay
    assert not set_up_postgresql(postgres, tmp_path, commands)


def test_postgresql_whose_settings_would_not_win_is_put_back(
    postgres: Postgres, tmp_path: Path, commands: Commands
) -> None:
    postgres.values["ssl"] = "off"
    (postgres.etc / "conf.d/zzz.conf").write_text("ssl = 'off'\n")
    rules(postgres, "host all all 192.0.2.0/24 md5")
    with pytest.raises(ChangeError, match=r"zzz.conf:1: 'ssl = off' wins over .*; all was put back"):
        set_up_postgresql(postgres, tmp_path, commands)
    assert edited(postgres) == ["host all all 192.0.2.0/24 md5"]


def test_postgresql_that_reads_no_drop_in_is_told_the_lines(
    postgres: Postgres, tmp_path: Path, commands: Commands
) -> None:
    postgres.values["ssl"] = "off"
    (postgres.etc / "postgresql.conf").write_text("")
    with pytest.raises(ChangeError, match=r"has no include_dir for a file of ours: write there ssl = 'on'"):
        set_up_postgresql(postgres, tmp_path, commands)


@pytest.mark.parametrize(
    ("answer", "tls", "told"),
    [(ANSWERED, True, "after the change too"), (DENIED, True, "gets no answer with TLS"), (REFUSED, False, "TLS 1.2")],
)
def test_postgresql_that_does_not_do_as_told_is_put_back(
    postgres: Postgres,
    tmp_path: Path,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    tls: bool,
    told: str,
) -> None:
    rules(postgres, "host all all 192.0.2.0/24 md5")
    answers = iter([ANSWERED, answer, answer])
    monkeypatch.setattr(postgresql_links, "ask_postgresql", lambda *door: Plain(next(answers), "a plain one is let in"))
    monkeypatch.setattr(postgresql_links, "_speaks_tls", lambda *door: tls)
    with pytest.raises(ChangeError, match=f"{told}.*; all was put back"):
        set_up_postgresql(postgres, tmp_path, commands)
    assert edited(postgres) == ["host all all 192.0.2.0/24 md5"]


def test_postgresql_without_any_certificate_is_left(
    postgres: Postgres, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.values["ssl"] = "off"
    (postgres.etc / "server.crt").unlink()
    monkeypatch.setattr(postgresql_links, "_SNAKEOIL", link_certificate.Pair(f"{tmp_path}/none", f"{tmp_path}/none"))
    with pytest.raises(ChangeError, match="has no certificate"):
        set_up_postgresql(postgres, tmp_path, commands)


# -- certificates -----------------------------------------------------------------------------------------------------


def test_a_pair_that_does_not_work_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(ChangeError, match="do not work"):
        link_certificate.given(Wanted(certificate=f"{tmp_path}/a.pem"))
    with pytest.raises(ChangeError, match="do not work: No such file"):
        link_certificate.given(Wanted(certificate=f"{tmp_path}/b.pem"))
    assert link_certificate.given(Wanted()) is None


def test_a_service_that_may_not_read_the_pair_gets_copies_that_are_renewed(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_certificate, "COPIES", f"{tmp_path}/etc/links")
    for name in ("a.pem", "a.key"):
        (tmp_path / name).write_text(name)
    pair = link_certificate.Pair(f"{tmp_path}/a.pem", f"{tmp_path}/a.key")
    made = transaction(tmp_path, commands)
    assert link_certificate.for_service(Host(), made, pair, "x", "root", "true") is pair and not made.changed
    commands.answers["setpriv",] = (1, "")
    commands.answers["systemctl", "is-active"] = (3, "")
    copies = link_certificate.for_service(Host(), made, pair, "x", "root", "systemctl reload x")
    assert copies.key == f"{tmp_path}/etc/links/x.key" and made.look(copies.key).mode == 0o600
    assert "privacy-hosting-link-x.timer" in made.changes
    unit = made.look("/etc/systemd/system/privacy-hosting-link-x.service").data.decode()
    assert f"install -o 0 -g 0 -m 0600 {pair.key} {copies.key}" in unit and "systemctl reload x" in unit
    assert "a.key\n" not in str(made.diff())
    with pytest.raises(ChangeError, match="only letters"):
        link_certificate.for_service(Host(), made, link_certificate.Pair("/a b", "/a b"), "x", "root", "true")


# -- MariaDB ----------------------------------------------------------------------------------------------------------

VARIABLES = {
    "version": "11.8.6-MariaDB-0+deb13u1 from Debian",
    "have_ssl": "YES",
    "tls_version": "TLSv1.2,TLSv1.3",
    "ssl_cert": "",
    "ssl_key": "",
    "require_secure_transport": "OFF",
    "performance_schema": "OFF",
}


@dataclass(frozen=True)
class Maria:
    """A server that answers what it is asked of."""

    host: Host
    values: dict[str, str] = field(default_factory=lambda: dict(VARIABLES))
    clients: list[list[str]] = field(default_factory=list)
    encrypted: list[list[str]] = field(default_factory=list)
    by_tls_only: list[list[str]] = field(default_factory=list)
    kind: str = "mariadb"
    name: str = "MariaDB"
    pids: tuple[int, ...] = (1,)
    unit: str = "mariadb.service"
    socket: str = "/run/mysqld/mysqld.sock"
    port: int = 3306
    running: bool = True
    contained: bool = False

    def ask(self, statement: str) -> list[list[str]]:
        if statement.startswith("SHOW"):
            return [[key, value] for key, value in self.values.items()]
        if "processlist WHERE" in statement:
            return self.clients
        return self.encrypted if "performance_schema" in statement else self.by_tls_only


@pytest.fixture
def maria(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maria:
    own = tmp_path / "mysql/zz.cnf"
    own.parent.mkdir()
    found = Maria(Listening(3306))

    def defaults(host: Host) -> dict[str, str]:
        return dict(re.findall(r"^(\w+) = (.*)$", own.read_text(), re.MULTILINE)) if own.exists() else {}

    monkeypatch.setattr(mariadb_links, "_OWN", str(own))
    monkeypatch.setattr(mariadb_links, "servers", lambda host: [found])
    monkeypatch.setattr(mariadb_links, "defaults", defaults)
    monkeypatch.setattr(mariadb_links, "ask_mariadb", lambda *door: Plain(REFUSED, ""))
    monkeypatch.setattr(mariadb_links, "_offers_tls", lambda *door: True)
    monkeypatch.setattr(mariadb_links, "_ended_on_loopback", lambda host, port: 0)
    return found


def set_up_mariadb(maria: Maria, tmp_path: Path, commands: Commands, **options: Any) -> list[str]:
    """The warnings."""

    def loads() -> str:
        maria.values["require_secure_transport"] = "ON"
        return ""

    with closing(transaction(tmp_path, commands)) as made:
        told = list(mariadb_links.plan(maria.host, made, Wanted(accepts=frozenset({"mariadb"}), **options)))
        made.proofs.insert(0, loads)
        made.commit()
    return told


def drop_in(tmp_path: Path) -> dict[str, str]:
    own = tmp_path / "mysql/zz.cnf"
    return dict(re.findall(r"^(\w+) = (.*)$", own.read_text(), re.MULTILINE)) if own.exists() else {}


def test_mariadb_is_switched_while_it_runs(maria: Maria, tmp_path: Path, commands: Commands) -> None:
    set_up_mariadb(maria, tmp_path, commands)
    assert drop_in(tmp_path) == {"require_secure_transport": "ON"}
    assert any("SET GLOBAL require_secure_transport = $wanted" in " ".join(argv) for argv in commands.ran)
    assert not any(argv[:2] == ("systemctl", "restart") for argv in commands.ran)
    commands.ran.clear()
    set_up_mariadb(maria, tmp_path, commands)
    assert not commands.ran


def test_mariadb_that_requires_tls_by_another_file_is_left(
    maria: Maria, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria.values["require_secure_transport"] = "ON"
    monkeypatch.setattr(mariadb_links, "defaults", lambda host: {"require_secure_transport": "1"})
    set_up_mariadb(maria, tmp_path, commands)
    assert drop_in(tmp_path) == {}


def test_mariadb_without_tls_needs_a_certificate_and_a_restart(
    maria: Maria, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria.values.update(version="10.11.14-MariaDB", have_ssl="DISABLED")
    with pytest.raises(ChangeError, match="has no TLS and no certificate for it: set encrypted_links_certificate"):
        set_up_mariadb(maria, tmp_path, commands)
    pair = link_certificate.Pair("/etc/ssl/a.pem", "/etc/ssl/a.key")
    monkeypatch.setattr(link_certificate, "given", lambda wanted: pair)
    monkeypatch.setattr(link_certificate, "for_service", lambda *_more: pair)
    monkeypatch.setattr(mariadb_links, "_user", lambda host, server: "mysql")
    with pytest.raises(ChangeError, match="at a restart only, so nothing was changed there"):
        set_up_mariadb(maria, tmp_path, commands)
    with pytest.raises(ChangeError, match="'have_ssl = DISABLED' after the change; all was put back"):
        set_up_mariadb(maria, tmp_path, commands, restart=True)
    restarts = [argv for argv in commands.ran if argv[:2] == ("systemctl", "restart")]
    assert len(restarts) == 2 and drop_in(tmp_path) == {}  # once more when all was put back
    (tmp_path / "mysql/60-x.cnf").write_text("")  # newer than the server
    monkeypatch.setattr(mariadb_links, "_FILES", (f"{tmp_path}/mysql/*.cnf",))
    with pytest.raises(ChangeError, match=r"60-x.cnf was changed since MariaDB was started"):
        set_up_mariadb(maria, tmp_path, commands, restart=True)
    assert len(restarts) == len([argv for argv in commands.ran if argv[:2] == ("systemctl", "restart")])


def test_mariadb_keeps_what_its_own_programs_trust(
    maria: Maria, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = link_certificate.Pair("/etc/ssl/a.pem", "/etc/ssl/a.key")
    monkeypatch.setattr(link_certificate, "given", lambda wanted: pair)
    commands.answers["openssl", "verify"] = (2, "")
    warnings = set_up_mariadb(maria, tmp_path, commands, restart=True)
    assert "does not trust the authority of /etc/ssl/a.pem" in warnings[0]
    assert drop_in(tmp_path) == {"require_secure_transport": "ON"}


def test_mariadb_cuts_nobody_off(maria: Maria, tmp_path: Path, commands: Commands) -> None:
    maria.clients.extend([["7", "192.0.2.7:41000", "shop"], ["8", "192.0.2.8:41000", "safe"]])
    maria.by_tls_only.append(["safe"])
    with pytest.raises(ChangeError, match=r"MariaDB: 1 possibly plain connection \(192.0.2.x\) would be refused"):
        set_up_mariadb(maria, tmp_path, commands)
    maria.values["performance_schema"] = "ON"
    maria.encrypted.append(["7"])
    set_up_mariadb(maria, tmp_path, commands)
    assert drop_in(tmp_path)


def test_mariadb_cuts_no_program_of_the_host_off(
    maria: Maria, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mariadb_links, "_ended_on_loopback", lambda host, port: 2)
    with pytest.raises(ChangeError, match=r"2 possibly plain connections \(127.0.0.x\)"):
        set_up_mariadb(maria, tmp_path, commands)
    set_up_mariadb(maria, tmp_path, commands, cut_off=True)
    assert drop_in(tmp_path)


def test_connections_that_just_ended_on_loopback_are_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before = mariadb_links._ended_on_loopback(Host(), port)
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _address = server.accept()
        client.close()
        accepted.close()
        end = time.monotonic() + 5
        while mariadb_links._ended_on_loopback(Host(), port) == before and time.monotonic() < end:
            time.sleep(0.01)
        assert (before, mariadb_links._ended_on_loopback(Host(), port)) == (0, 1)


def test_mariadb_of_another_make_is_left(maria: Maria, tmp_path: Path, commands: Commands) -> None:
    maria.values["version"] = "10.3.39-MariaDB"
    with pytest.raises(ChangeError, match=r"only MariaDB from 10.5.2 on"):
        set_up_mariadb(maria, tmp_path, commands)
    maria.values["version"] = VARIABLES["version"]
    maria.host.argv = ("mariadbd", "--defaults-file=/srv/my.cnf")  # type: ignore[attr-defined]
    with pytest.raises(ChangeError, match=r"\(--defaults-file=/srv/my.cnf\)"):
        set_up_mariadb(maria, tmp_path, commands)


def test_redis_is_named_and_left(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Maria(Listening(6379), kind="redis", name="Redis")
    monkeypatch.setattr(redis_links, "servers", lambda host: [server])
    monkeypatch.setattr(redis_links, "ask_redis", lambda *door: Plain(DENIED, ""))
    made = transaction(tmp_path, commands)
    (told,) = redis_links.plan(server.host, made, DATABASES)
    assert "Redis takes plain connections of other machines on :6379" in told and not made.changed
    monkeypatch.setattr(redis_links, "ask_redis", lambda *door: Plain(REFUSED, ""))
    assert not list(redis_links.plan(server.host, made, DATABASES))


# -- Dovecot ----------------------------------------------------------------------------------------------------------

CLEARTEXT = {"2.3.19.1": ("disable_plaintext_auth", "no", "yes"), "2.4.1-4": ("auth_allow_cleartext", "yes", "no")}
LINES = {
    "2.3.19.1": "imap-login: Login: user=<a@b>, method=PLAIN, rip={}, lip=192.0.2.10, mpid=1{}, session=<x>\n",
    "2.4.1-4": "imap-login: Logged in: user=<a@b>, method=PLAIN, rip={}, lip=192.0.2.10, mpid=1{}, session=<x>\n",
}


class DovecotHost(Listening):
    """A host with a Dovecot whose answers are texts."""

    def __init__(self, root: Path, version: str) -> None:
        super().__init__(143)
        self.root, self.version = root, version
        key, plain, _good = CLEARTEXT[version]
        self.settings = {"ssl": "yes", "ssl_min_protocol": "TLSv1.2", key: plain}
        self.certificate = str(root / "own.pem")
        self.journal = ""
        (root / "conf.d").mkdir(parents=True)
        (root / "own.pem").write_text("")
        (root / "dovecot.conf").write_text("!include conf.d/*.conf\n!include_try local.conf\n")
        (root / "local.conf").write_text(f"{key} = {plain}\n")
        (root / "conf.d/10-master.conf").write_text(
            "service imap-login {\n  inet_listener imaps {\n    ssl = yes\n  }\n}\n"
        )

    def has(self, command: str) -> bool:
        return command != "postconf"

    def run(self, *argv: str, **_more: object) -> Result:  # type: ignore[override]
        texts = {
            ("doveconf", "-n"): f"# {self.version} (7d8c0e5759): {self.root}/dovecot.conf\n",
            ("doveconf", "ssl_cert"): f"ssl_cert = <{self.certificate}\n",
            ("doveconf", "ssl_server"): f"ssl_server {{\n  cert_file = {self.certificate}\n}}\n",
        }
        if argv[0] == "journalctl":
            return Result(argv, 0, self.journal, "")
        return Result(argv, 0, texts.get(argv) or "".join(f"{key} = {self.settings[key]}\n" for key in argv[1:]), "")


@pytest.fixture(params=["2.3.19.1", "2.4.1-4"])
def mailbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DovecotHost:
    host = DovecotHost(tmp_path / "dovecot", request.param)
    master = host.processes()[0]
    door = dovecot.Door("imap", 143, False)
    server = dovecot.Dovecot(host, f"{host.root}/dovecot.conf", {}, dovecot.Block("", ""), master)
    server.__dict__["doors"] = [door]
    monkeypatch.setattr(dovecot, "find", lambda host: server)
    monkeypatch.setattr(dovecot_links, "ROOT", str(host.root))
    monkeypatch.setattr(dovecot_links, "own_addresses", lambda host: [OWN])
    monkeypatch.setattr(dovecot_links.link_starttls, "fault", lambda *door: "")
    return host


def set_up_dovecot(host: DovecotHost, tmp_path: Path, commands: Commands, **options: Any) -> list[str]:
    with closing(transaction(tmp_path, commands)) as made:
        assert not list(dovecot_links.plan(host, made, Wanted(accepts=frozenset({"imap"}), **options)))
        made.judges.clear()
        made.commit()
        return [change.removeprefix(f"{host.root}/") for change in made.changes]


def test_dovecot_lets_nobody_log_in_without_tls(mailbox: DovecotHost, tmp_path: Path, commands: Commands) -> None:
    key, _plain, good = CLEARTEXT[mailbox.version]
    changes = set_up_dovecot(mailbox, tmp_path, commands)
    assert changes == ["conf.d/99-privacy-hosting-links.conf", "local.conf"]
    own = (mailbox.root / "conf.d/99-privacy-hosting-links.conf").read_text()
    assert own.splitlines()[1:] == ["ssl = required", f"{key} = {good}"]
    assert (mailbox.root / "local.conf").read_text() == f"{key} = {good}\n"
    assert ("systemctl", "reload", "dovecot") in commands.ran
    again = DovecotHost.__new__(DovecotHost)
    Host.__init__(again)
    again.__dict__.update({name: mailbox.__dict__[name] for name in ("root", "version", "certificate", "journal")})
    again.__dict__.update(
        port=143, address=EVERYWHERE, argv=(), settings={**mailbox.settings, "ssl": "required", key: good}
    )
    assert set_up_dovecot(again, tmp_path, commands) == []


def test_dovecot_shuts_nobody_out(mailbox: DovecotHost, tmp_path: Path, commands: Commands) -> None:
    line = LINES[mailbox.version]
    mailbox.journal = line.format("198.51.100.4", "") + line.format("198.51.100.4", "") + line.format(OWN, ", secured")
    mailbox.journal += line.format("203.0.113.9", ", TLS") + line.format("127.0.0.1", ", secured")
    with pytest.raises(
        ChangeError, match=r"Dovecot: 1 plain login in the last 7 days \(198.51.100.x\) would be refused"
    ):
        set_up_dovecot(mailbox, tmp_path, commands)
    assert set_up_dovecot(mailbox, tmp_path, commands, cut_off=True)


def test_dovecot_that_refused_plain_passwords_already_asks_nobody(
    mailbox: DovecotHost, tmp_path: Path, commands: Commands
) -> None:
    key, _plain, good = CLEARTEXT[mailbox.version]
    mailbox.settings[key] = good
    mailbox.journal = LINES[mailbox.version].format("198.51.100.4", "")
    assert "conf.d/99-privacy-hosting-links.conf" in set_up_dovecot(mailbox, tmp_path, commands)


def test_dovecot_without_a_certificate_or_a_way_to_tls_is_put_back(
    mailbox: DovecotHost, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dovecot_links.link_starttls, "fault", lambda *door: "imap on :143 does not offer TLS")
    with pytest.raises(ChangeError, match="does not offer TLS; all was put back"):
        set_up_dovecot(mailbox, tmp_path, commands)
    assert "ssl" not in (mailbox.root / "local.conf").read_text()
    mailbox.certificate = ""
    with pytest.raises(ChangeError, match="Dovecot has no certificate"):
        set_up_dovecot(mailbox, tmp_path, commands)


@pytest.mark.parametrize(
    ("protocol", "said", "told"),
    [
        ("imap", [b"* OK ready\r\n", b"a BAD unknown\r\n"], "imap on :{} does not offer TLS"),
        ("pop3", [b"-ERR busy\r\n"], "pop3 on :{} does not greet"),
        (
            "submission",
            [b"220 hello\r\n", b"250-a\r\n250 b\r\n", b"220 go\r\n"],
            "submission on :{}: TLS does not begin",
        ),
    ],
)
def test_doors_that_do_not_lead_to_tls(protocol: str, said: list[bytes], told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection = server.accept()[0]
            with connection:
                for text in said:
                    connection.sendall(text)
                    connection.recv(4096)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        assert link_starttls.fault(protocol, "127.0.0.1", port).startswith(told.format(port))
        thread.join()


# -- Postfix ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (">=TLSv1.2", True),
        (">=TLSv1", False),
        ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", True),
        ("!SSLv2, !SSLv3", False),
        ("TLSv1.2, TLSv1.3", True),
        ("TLSv1.1 TLSv1.2", False),
        ("", False),
    ],
)
def test_protocols_of_postfix(value: str, good: bool) -> None:
    assert postfix_links.newest_only(value) is good


MASTER = """smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
# a remark
  -o smtpd_tls_security_level=may
465        inet  n       -       y       -       -       smtpd -o smtpd_tls_wrappermode=yes
"""


def service(name: str, **settings: str) -> Service:
    defaults = {"smtpd_tls_cert_file": "/etc/ssl/a.pem", "smtpd_tls_mandatory_protocols": ">=TLSv1"}
    return Service(name, "inet", "smtpd", (), settings, defaults, "/etc/postfix/master.cf:1")


def test_a_setting_of_a_service_is_put_in_its_place() -> None:
    text = postfix_links.set_override(MASTER, service("submission"), "smtpd_tls_security_level", "encrypt")
    assert text == MASTER.replace("level=may", "level=encrypt")
    text = postfix_links.set_override(MASTER, service("submission"), "smtpd_tls_auth_only", "yes")
    assert text == MASTER.replace("level=may\n", "level=may\n  -o smtpd_tls_auth_only=yes\n")
    text = postfix_links.set_override(MASTER, service("465"), "x", "y")
    assert text == MASTER.rstrip("\n") + "\n  -o x=y\n"
    with pytest.raises(ChangeError, match="braces"):
        braces = MASTER.replace("-o smtpd_tls_security_level=may", "-o { smtpd_tls_security_level = may }")
        postfix_links.set_override(braces, service("submission"), "smtpd_tls_security_level", "encrypt")
    with pytest.raises(ChangeError, match="not found"):
        postfix_links.set_override(MASTER, service("10587"), "x", "y")


def test_doors_of_postfix_take_no_password_before_tls() -> None:
    plain, submission, wrapped = service("25"), service("587"), service("465", smtpd_tls_wrappermode="yes")
    told = postfix_links._main_settings(Host(), Wanted(), [plain, submission, wrapped])
    assert told == {
        "smtpd_tls_auth_only": "yes",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
        "smtpd_tls_protocols": ">=TLSv1.2",
    }
    assert set(postfix_links._main_settings(Host(), Wanted(), [wrapped])) == {"smtpd_tls_mandatory_protocols"}
    assert postfix_links._overrides(submission) == {"smtpd_tls_security_level": "encrypt"}
    assert postfix_links._overrides(wrapped) == postfix_links._overrides(plain) == {}
    old = service("465", smtpd_tls_wrappermode="yes", smtpd_tls_mandatory_protocols=">=TLSv1")
    assert postfix_links._overrides(old) == {"smtpd_tls_mandatory_protocols": ">=TLSv1.2"}
    with pytest.raises(ChangeError, match="Postfix has no certificate"):
        postfix_links._main_settings(Host(), Wanted(), [Service("587", "inet", "smtpd", ())])


# posttls-finger of Postfix 3.10, whose exit code is 0 each time
VERIFIED = "posttls-finger: Verified TLS connection established to relay.example.nl[192.0.2.9]:587: TLSv1.3 with …\n"
UNTRUSTED = """posttls-finger: certificate verification failed for relay.example.nl[192.0.2.9]: self-signed certificate
posttls-finger: Untrusted TLS connection established to relay.example.nl[192.0.2.9]:587: TLSv1.3 with cipher …
"""
REFUSES = "posttls-finger: Failed to establish session to [relay.example.nl]:587: Connection refused\n"


def relaying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *services: Service, **settings: str) -> Postfix:
    directory = tmp_path / "postfix"
    directory.mkdir(exist_ok=True)
    (directory / "main.cf").write_text("relayhost = [relay.example.nl]:587\n")
    (directory / "master.cf").write_text(MASTER)
    told = {"relayhost": "[relay.example.nl]:587", "smtp_tls_security_level": "may", **settings}
    server = Postfix(Host(), str(directory), told, services, None)
    monkeypatch.setattr(postfix_links.postfix, "find", lambda host: server)
    monkeypatch.setattr(Host, "has", lambda self, command: True)
    return server


def set_up_relay(tmp_path: Path, commands: Commands, **options: Any) -> dict[str, str]:
    """What main.cf says after it."""
    with closing(transaction(tmp_path, commands)) as made:
        list(postfix_links.plan_relay(Host(), made, Wanted(sends=frozenset({"relay"}), **options)))
        made.commit()
    return dict(re.findall(r"^(\w+) = (.*)$", (tmp_path / "postfix/main.cf").read_text(), re.MULTILINE))


def test_a_relay_is_verified_once_its_certificate_is_right(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaying(tmp_path, monkeypatch)
    commands.answers["posttls-finger",] = (0, VERIFIED)
    assert set_up_relay(tmp_path, commands, authority="/etc/ssl/own.pem") == {
        "relayhost": "[relay.example.nl]:587",
        "smtp_tls_security_level": "secure",
        "smtp_tls_CAfile": "/etc/ssl/own.pem",
        "smtp_tls_mandatory_protocols": ">=TLSv1.2",
    }
    assert ("systemctl", "reload", "postfix") in commands.ran
    done = {"smtp_tls_security_level": "secure", "smtp_tls_mandatory_protocols": ">=TLSv1.2"}
    relaying(tmp_path, monkeypatch, **done)
    assert set_up_relay(tmp_path, commands) == {"relayhost": "[relay.example.nl]:587"}
    relaying(tmp_path, monkeypatch, **done, tls_required_enable="yes")
    assert set_up_relay(tmp_path, commands)["tls_required_enable"] == "no"


@pytest.mark.parametrize(
    ("settings", "seen", "told"),
    [
        ({}, UNTRUSTED, "self-signed certificate"),
        ({}, VERIFIED + UNTRUSTED, "self-signed certificate"),
        ({}, REFUSES, "Connection refused"),
        ({"relayhost": "example.nl"}, VERIFIED, "DNS, which may lie"),
        ({"relayhost": "[192.0.2.9]"}, VERIFIED, "a certificate is for a name"),
        ({"transport_maps": "hash:/etc/postfix/transport"}, VERIFIED, "'transport_maps' hands mail to others"),
        ({"content_filter": "smtp-amavis:[127.0.0.1]:10024"}, VERIFIED, "'content_filter' hands mail to others"),
    ],
)
def test_a_relay_that_mail_might_not_reach_is_left(
    tmp_path: Path,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    seen: str,
    told: str,
) -> None:
    relaying(tmp_path, monkeypatch, **settings)
    commands.answers["posttls-finger",] = (0, seen)
    with pytest.raises(ChangeError, match=re.escape(told)):
        set_up_relay(tmp_path, commands)


def test_a_relay_with_a_policy_of_its_own_is_left(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaying(tmp_path, monkeypatch, smtp_tls_policy_maps="hash:/etc/postfix/policy")
    commands.answers["postmap", "-q"] = (0, "secure ciphers=high\n")
    assert set(set_up_relay(tmp_path, commands)) == {"relayhost"}
    commands.answers["postmap", "-q"] = (0, "may\n")
    with pytest.raises(ChangeError, match="smtp_tls_policy_maps"):
        set_up_relay(tmp_path, commands)


def test_a_way_of_its_own_for_mail_stops_the_change(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaying(tmp_path, monkeypatch, service("smtp", content_filter="amavis:x"))
    with pytest.raises(ChangeError, match="'-o content_filter=amavis:x' makes a way of its own"):
        set_up_relay(tmp_path, commands)


# -- several services, and services without a reload ------------------------------------------------------------------


class Ended(Exception):
    """A module ended."""


class Module:
    check_mode = False
    _diff = False

    def __init__(self) -> None:
        self.params = {"run": RUN}
        self.warnings: list[str] = []
        self.result: dict[str, Any] = {}

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    def fail_json(self, **result: Any) -> None:
        self.exit_json(failed=True, **result)

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended


def test_a_service_that_fails_holds_no_other_back(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transaction.__init__, "__defaults__", (False, str(tmp_path / "undo"), commands, False))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def writes(name: str, fault: type[Exception] | None = None) -> Callable[[Transaction], Planned]:
        def plan(made: Transaction) -> Planned:
            made.write(f"{tmp_path}/{name}", name)
            if fault:
                raise fault(f"{name} stops")
            return Planned({}, [f"{name} is told"])

        return plan

    module = Module()
    with pytest.raises(Ended):
        change_parts(module, "x", [writes("a"), writes("b", ChangeError), writes("c", Unseen), writes("d")])
    assert module.result["failed"] and module.result["msg"] == "b stops; c stops" and module.result["changed"]
    assert module.result["changes"] == [f"{tmp_path}/a", f"{tmp_path}/d"] and module.warnings == [
        "a is told",
        "d is told",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d", "undo"]
    module = Module()
    with pytest.raises(Ended):
        change_parts(module, "x", [writes("a")])
    assert module.result["changed"] is False


def test_a_command_that_loads_runs_after_the_change_and_when_it_is_undone(tmp_path: Path, commands: Commands) -> None:
    made = transaction(tmp_path, commands)
    made.write(f"{tmp_path}/a", "a")
    made.loads.append(("load", "it"))
    made.commit()
    made.close()
    assert commands.ran == [("load", "it")]
    undone = plan_undo(root=str(tmp_path / "undo"), caller=commands)
    undone.transaction.commit()
    undone.transaction.close()
    assert commands.ran == [("load", "it")] * 2 and not (tmp_path / "a").exists()
    commands.answers["load",] = (1, "")
    made = transaction(tmp_path, commands)
    made.write(f"{tmp_path}/a", "a")
    made.loads.append(("load", "it"))
    with pytest.raises(ChangeError, match="'load it' failed"):
        made.commit()
    assert not (tmp_path / "a").exists()
