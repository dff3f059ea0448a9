# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which database servers are found, how they are asked, and where they keep their files."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Process, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    database_files,
    database_servers,
    mounts,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_servers import Server
from tests.unit.disk_host import MOUNTS, DiskHost

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.timezone.utc)
READ_ONLY = "-c default_transaction_read_only=on -c statement_timeout=5s -c lock_timeout=1s"
# what Debian 12's said
VARIABLES = """\
aria_log_dir_path\t/var/lib/mysql/
datadir\t/var/lib/mysql/
general_log\tOFF
general_log_file\tdb.log
innodb_data_file_path\tibdata1:12M:autoextend
innodb_data_home_dir\t
innodb_encrypt_tables\tOFF
innodb_log_group_home_dir\t./
innodb_temp_data_file_path\tibtmp1:12M:autoextend
innodb_tmpdir\t
innodb_undo_directory\t./
log_bin\tON
log_bin_basename\t/srv/binlog/bin
log_output\tFILE
relay_log_basename\t
slave_load_tmpdir\t/tmp
slow_query_log\tOFF
slow_query_log_file\tdb-slow.log
tmpdir\t/tmp
"""


def process(name: str, pid: int, parent: int = 1, exe: str = "", argv: tuple[str, ...] = (), **how: object) -> Process:
    unit = how.pop("unit", "")
    return Process(
        pid, parent, name, argv or (name,), exe or f"/usr/sbin/{name}", f"/system.slice/{unit}", NOW,
        contained=bool(how.pop("contained", False)),
    )  # fmt: skip


@pytest.fixture
def works_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, str]], None]:
    """Give processes their working directories."""

    def give(directories: dict[int, str]) -> None:
        monkeypatch.setattr(database_servers, "_working_directory", directories.__getitem__)

    return give


def mounted(*pids: int, holds: str = "") -> dict[str, str]:
    """What /proc has of processes, and a file that they see in their data directory."""
    seen = {f"/proc/{pid}/mountinfo": MOUNTS for pid in pids}
    return {**seen, **({f"/proc/{pid}/root{holds}": "" for pid in pids} if holds else {})}


# -- finding them -----------------------------------------------------------------------------------------------------


def test_postgresql_is_found_by_its_first_process(works_in: Callable[[dict[int, str]], None]) -> None:
    works_in({403: "/var/lib/postgresql/15/main"})
    pid_file = (
        "403\n/var/lib/postgresql/15/main\n1795216292\n5432\n/var/run/postgresql\nlocalhost\n    19785 0\nready\n"
    )
    binary, unit = "/usr/lib/postgresql/15/bin/postgres", "postgresql@15-main.service"
    host = DiskHost(
        files={
            **mounted(403, holds="/var/lib/postgresql/15/main/PG_VERSION"),
            "/proc/403/root/var/lib/postgresql/15/main/postmaster.pid": pid_file,
        },
        running=[process("postgres", 403, exe=binary, unit=unit), process("postgres", 412, 403, exe=binary)],
    )
    (server,) = database_servers.servers(host)
    assert (server.kind, server.name, server.pids) == ("postgresql", "PostgreSQL 15/main", (403, 412))
    assert (server.port, server.socket) == (5432, "/var/run/postgresql/.s.PGSQL.5432")
    assert (server.data_directory, server.running, server.contained) == ("/var/lib/postgresql/15/main", True, False)


def test_redis_is_found_though_its_file_has_another_name(works_in: Callable[[dict[int, str]], None]) -> None:
    works_in({361: "/var/lib/redis"})
    one = process("redis-server", 361, exe="/usr/bin/redis-check-rdb", unit="redis-server.service")
    host = DiskHost(files=mounted(361), running=[one], listening=[Listener("tcp", "127.0.0.1", 6379, (361,))])
    (server,) = database_servers.servers(host)
    assert (server.kind, server.name, server.port, server.databases()) == ("redis", "Redis", 6379, [])


def test_a_sentinel_keeps_no_data(works_in: Callable[[dict[int, str]], None]) -> None:
    works_in({361: "/"})
    host = DiskHost(files=mounted(361), running=[process("redis-server", 361, argv=("redis-server", "--sentinel"))])
    assert database_servers.servers(host) == []


def test_a_server_in_a_container_is_found_and_not_asked(works_in: Callable[[dict[int, str]], None]) -> None:
    works_in({9: "/var/lib/mysql"})
    host = DiskHost(files=mounted(9, holds="/var/lib/mysql/ibdata1"), running=[process("mariadbd", 9, contained=True)])
    (server,) = database_servers.servers(host)
    assert server.contained
    assert server.name.endswith("in a container")
    with pytest.raises(Unseen, match="container"):
        server.databases()


def test_a_cluster_that_does_not_run_is_found_where_it_starts_or_left_data() -> None:
    conf = "data_directory = '/srv/pg/15/main'\t\t# use data in another directory\n"
    files = {"/etc/postgresql/15/main/postgresql.conf": conf, "/etc/postgresql/15/main/start.conf": "# how\nmanual\n"}
    assert database_servers.servers(DiskHost(files=files)) == []
    (server,) = database_servers.servers(DiskHost(files={**files, "/srv/pg/15/main/PG_VERSION": "15\n"}))
    assert (server.running, server.starts, server.data_directory) == (False, False, "/srv/pg/15/main")
    files["/etc/postgresql/15/main/start.conf"] = "auto\n"
    files["/etc/systemd/system/multi-user.target.wants/postgresql.service"] = ""
    (server,) = database_servers.servers(DiskHost(files=files))
    assert server.starts is True
    with pytest.raises(Unseen, match="does not run"):
        server.databases()


def test_mariadb_that_does_not_run_is_where_its_files_say() -> None:
    answers: dict[tuple[str, ...], str | int] = {("my_print_defaults", "--mysqld"): "--datadir=/srv/mysql\n"}
    files = {"/usr/sbin/mariadbd": "", "/srv/mysql/ibdata1": ""}
    (server,) = database_servers.servers(DiskHost(files=files, answers=answers))
    assert (server.kind, server.data_directory, server.starts) == ("mariadb", "/srv/mysql", False)


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (process("mongod", 7), "MongoDB"),
        (process("slapd", 7), "OpenLDAP"),
        (
            process("java", 7, exe="/usr/bin/java", argv=("java", "-cp", "/usr/share/elasticsearch/lib")),
            "Elasticsearch",
        ),
        (process("beam.smp", 7, argv=("beam.smp", "--", "-couch_ini")), ""),
        (process("java", 7, argv=("java", "-jar", "shop.jar")), ""),
    ],
)
def test_others_are_known_by_name(one: Process, name: str) -> None:
    found = [stranger.name for stranger in database_servers.strangers(DiskHost(running=[one]))]
    assert found == ([name] if name else [])


def test_others_that_start_at_boot_are_known_by_their_unit() -> None:
    host = DiskHost(files={"/etc/systemd/system/multi-user.target.wants/mongod.service": ""})
    assert [one.name for one in database_servers.strangers(host)] == ["MongoDB"]


def test_a_server_that_only_starts_is_not_judged_by_where_it_starts(works_in: Callable[[dict[int, str]], None]) -> None:
    works_in({403: "/"})
    with pytest.raises(Unseen, match="it starts"):
        database_servers.servers(DiskHost(files=mounted(403), running=[process("postgres", 403)]))


# -- asking them ------------------------------------------------------------------------------------------------------


def postgresql(host: DiskHost, directory: str = "/var/lib/postgresql/15/main") -> Server:
    """A server that runs as this very process's user."""
    return Server(
        host, "postgresql", "PostgreSQL 15/main", (os.getpid(),), "postgresql@15-main.service", directory, 5432, "ps",
        socket="/var/run/postgresql/.s.PGSQL.5432",
    )  # fmt: skip


def psql(statement: str, client: str = "psql") -> tuple[str, ...]:
    """The command that asks it: as its own user, reading only, within a time limit, without a password."""
    where = "host=/var/run/postgresql port=5432 dbname=postgres user=root connect_timeout=5"
    return (
        "setpriv", "--reuid=root", "--regid=0", "--init-groups", client, "--no-psqlrc", "--no-password", "--no-align",
        "--tuples-only", "--quiet", "--field-separator=\x1f", "--record-separator=\x1e", "--command", statement,
        f"{where} options='{READ_ONLY}'",
    )  # fmt: skip


NAMES = "SELECT datname FROM pg_database WHERE NOT (datistemplate AND datname LIKE 'template_')"


@pytest.mark.parametrize(("count", "expected"), [("0", ["klanten", "shop"]), ("3", ["klanten", "postgres", "shop"])])
def test_postgresql_names_its_databases(count: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    host = DiskHost()
    server = postgresql(host)

    def ask(_self: Server, statement: str) -> list[list[str]]:
        return [["postgres"], ["shop"], ["klanten"]] if statement == NAMES else [[count]]

    monkeypatch.setattr(Server, "ask", ask)
    assert server.databases() == expected


def test_postgresql_is_asked_so_that_it_can_only_read() -> None:
    files = {f"/proc/{os.getpid()}/status": ""}
    host = DiskHost(files=files, answers={psql("SELECT 1, 2"): "1\x1f2\x1e3\x1f4\x1e\n"})
    assert postgresql(host).ask("SELECT 1, 2") == [["1", "2"], ["3", "4"]]


def test_postgresql_is_asked_by_the_client_that_came_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = "/usr/lib/postgresql/17/bin"
    files = {f"/proc/{os.getpid()}/status": "", f"{programs}/psql": ""}
    host = DiskHost(files=files, answers={psql("SELECT 1", f"{programs}/psql"): "1\n"})
    runs = process("postgres", os.getpid(), exe=f"{programs}/postgres")
    monkeypatch.setattr(DiskHost, "processes", lambda _self: [runs])
    assert postgresql(host).ask("SELECT 1") == [["1"]]


def test_mariadb_is_asked_by_its_socket_and_then_by_the_files_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*how: str) -> tuple[str, ...]:
        tail = ("--batch", "--skip-column-names", "--disable-tee", "--connect-timeout=5",
                "--init-command=SET SESSION TRANSACTION READ ONLY", "--database=", "--execute",
                "SELECT schema_name FROM information_schema.schemata")  # fmt: skip
        socket = ("--protocol=socket", "--socket=/run/mysqld/mysqld.sock")
        return ("mariadb", how[0], *socket, *how[1:], *tail)

    answer = "information_schema\nmysql\nperformance_schema\nsys\nweb\\nshop\n"
    for command in (asked("--no-defaults", "--user=root"), asked("--defaults-file=/root/.my.cnf")):
        host = DiskHost(answers={command: answer}, files={"/root/.my.cnf": ""})
        server = Server(host, "mariadb", "MariaDB", (5,), "", "/d", 0, "", socket="/run/mysqld/mysqld.sock")
        assert server.databases() == ["web\nshop"]
    host = DiskHost(answers={asked("--no-defaults", "--user=nobody"): ""})
    with pytest.raises(Unseen, match=r"^MariaDB could not be asked: failed: Access denied$"):
        Server(host, "mariadb", "MariaDB", (5,), "", "/d", 0, "", socket="/run/mysqld/mysqld.sock").databases()
    with pytest.raises(Unseen):
        Server(DiskHost(), "mariadb", "MariaDB", (5,), "", "/d", 0, "", socket="/run/x").databases()


# -- where their files are --------------------------------------------------------------------------------------------


def test_postgresql_keeps_files_where_its_links_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, outside = tmp_path / "main", tmp_path / "outside"
    for directory in ("base", "global", "pg_tblspc"):
        (data / directory).mkdir(parents=True)
    for name in ("wal", "space", "base5"):
        (outside / name).mkdir(parents=True)
    (data / "pg_wal").symlink_to(outside / "wal")
    (data / "pg_tblspc/16400").symlink_to(outside / "space")
    (data / "base/5").symlink_to(outside / "base5")
    settings = [["logging_collector", "off"], ["log_statement", "none"], ["archive_mode", "on"],
                ["archive_command", "test ! -f /mnt/arch/%f && cp %p /mnt/arch/%f"]]  # fmt: skip
    host = DiskHost()
    host._names = lambda directory: sorted(os.listdir(directory)) if os.path.isdir(directory) else []  # type: ignore[method-assign]
    server = postgresql(host, str(data))
    host.know(server)
    monkeypatch.setattr(Server, "ask", lambda _self, _statement: settings)
    monkeypatch.setattr(Server, "view", lambda _self: mounts.View(0, "", tuple(mounts.parse(MOUNTS))))
    paths = server.paths()
    assert paths["tablespace"] == [f"{outside}/space"]
    assert paths["wal"] == ["/mnt/arch", f"{outside}/wal"]
    assert paths["data"] == [str(data), f"{outside}/base5"]
    assert paths["temporary"] == [f"{data}/base/pgsql_tmp", f"{outside}/space/pgsql_tmp"]
    assert database_files.unclear(server) == []
    settings[3][1] = "/usr/local/bin/archive %p"
    other = postgresql(DiskHost(), str(data))
    assert [what for _role, what, _source in database_files.unclear(other)] == [
        "where archive_command copies its log to is not understood"
    ]


def test_mariadb_keeps_files_where_its_variables_and_links_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, outside = tmp_path / "mysql", tmp_path / "outside"
    (data / "shop").mkdir(parents=True)
    outside.mkdir()
    (data / "old").symlink_to(outside)
    (data / "shop/orders.isl").write_text("/srv/orders.ibd\n")
    host = DiskHost(files={str(data / "shop/orders.isl"): "/srv/orders.ibd\n"})
    host._names = lambda directory: sorted(os.listdir(directory)) if os.path.isdir(directory) else []  # type: ignore[method-assign]
    server = Server(host, "mariadb", "MariaDB", (5,), "", str(data), 3306, "process 5 (mariadbd)")
    rows = [line.split("\t") for line in VARIABLES.splitlines()]
    monkeypatch.setattr(Server, "ask", lambda _self, _statement: rows)
    monkeypatch.setattr(Server, "view", lambda _self: mounts.View(0, "", tuple(mounts.parse(MOUNTS))))
    paths = server.paths()
    assert paths["binlog"] == ["/srv/binlog"]
    assert paths["temporary"] == ["/tmp", str(data)]  # noqa: S108
    assert sorted(paths["wal"]) == sorted(["/var/lib/mysql", str(data)])
    assert set(paths["data"]) == {"/srv/orders.ibd", "/var/lib/mysql", str(data), str(outside)}
    assert "log" not in paths


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/tmp/#20872 (deleted)", "temporary"),  # noqa: S108
        ("/d/ibtmp1", "temporary"),
        ("/d/base/pgsql_tmp/pgsql_tmp7.0", "temporary"),
        ("/d/pg_wal/000000010000000000000001", "wal"),
        ("/d/ib_logfile0", "wal"),
        ("/var/log/postgresql/postgresql-15-main.log", "log"),
        ("/d/base/5/1259", "data"),
        ("/d/base/5/1259 (deleted)", "data"),
    ],
)
def test_open_files_have_a_role(path: str, role: str) -> None:
    server = Server(DiskHost(), "postgresql", "PostgreSQL", (5,), "", "/d", 0, "")
    assert database_files.role_of(server, path) == role


def test_only_files_that_are_open_for_writing_count(tmp_path: Path) -> None:
    path = tmp_path / "ibdata1"
    server = Server(DiskHost(), "mariadb", "MariaDB", (os.getpid(),), "", str(tmp_path), 0, "")
    server.host._names = os.listdir  # type: ignore[method-assign]
    with path.open("w"):
        numbers = path.stat().st_dev
        (found,) = [one for one in database_files._open_files(server) if one.path == str(path)]
        assert found.numbers == f"{os.major(numbers)}:{os.minor(numbers)}"
    with path.open():
        assert str(path) not in [one.path for one in database_files._open_files(server)]


def test_redis_that_stores_nothing_has_no_places() -> None:
    def paths(save: str, *files: str) -> dict[str, list[str]]:
        answers: dict[tuple[str, ...], str | int] = {
            ("redis-cli", "-p", "6379", "CONFIG", "GET", "save"): f"save\n{save}\n",
            ("redis-cli", "-p", "6379", "CONFIG", "GET", "appendonly"): "appendonly\nno\n",
        }
        host = DiskHost(files=dict.fromkeys(files, ""), answers=answers)
        server = Server(host, "redis", "Redis", (5,), "", "/var/lib/redis", 6379, "process 5 (redis-server)")
        host.know(server)
        return server.paths()

    assert paths("") == {}
    assert paths("3600 1")["data"] == ["/var/lib/redis"]
    assert paths("", "/var/lib/redis/dump.rdb")["data"] == ["/var/lib/redis"]
    assert paths("", "/var/lib/redis/appendonlydir/a")["wal"] == ["/var/lib/redis/appendonlydir"]
