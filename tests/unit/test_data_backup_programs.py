# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that the role data_backup puts on hosts: what makes a run fail, and what a store removes."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._backup import (
    commands,
    dumps,
    program,
    records,
    retention,
    servers,
    settings,
    throwaway,
)
from ansible_collections.privacy.hosting.plugins.module_utils._backup.commands import Done
from ansible_collections.privacy.hosting.plugins.module_utils._backup.dumps import Dump
from ansible_collections.privacy.hosting.plugins.module_utils._backup.retention import Snapshot, judge, limit
from ansible_collections.privacy.hosting.plugins.module_utils._backup.servers import MARIADB, POSTGRESQL, Server
from ansible_collections.privacy.hosting.plugins.module_utils._backup.settings import Client, Settings, Trouble

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)
REPOSITORY = "0da6d0cfea145f3e80ff6150a481f480819de47fb7f427d0ec2df7a365c5bcaa"
SNAPSHOT = "4274f00f106d4d23cc3aa0d1033ff2be989bcbcb005cd0d301024916be1267b7"
PG = Server(POSTGRESQL, "15-main", "/var/run/postgresql/.s.PGSQL.5432", "")
MY = Server(MARIADB, "var-lib-mysql", "/run/mysqld/mysqld.sock")

MARIADB_DUMP = """/*M!999999\\- enable the sandbox mode */
CREATE TABLE `orders` (
  `id` int(11) NOT NULL
);
INSERT INTO `orders` VALUES
(1,'a);'),
(2,'(b'),
(3,'c');
INSERT INTO `orders` VALUES
(4,'d');
CREATE TABLE `empty` (
  `id` int(11) NOT NULL
);
DELIMITER ;;
CREATE PROCEDURE `p`()
SELECT
(1),
(2);;
-- Dump completed
"""


# -- dumps ------------------------------------------------------------------------------------------------------------


def dumped(tmp_path: Path, text: str) -> str:
    path = tmp_path / "one.sql"
    path.write_text(text)
    return str(path)


def test_rows_of_a_mariadb_dump_are_counted(tmp_path: Path) -> None:
    assert dumps.rows_of_dump(dumped(tmp_path, MARIADB_DUMP), "it") == {"orders": 4, "empty": 0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MARIADB_DUMP.replace("-- Dump completed\n", ""), "it ends before its end"),
        ("", "it ends before its end"),
        ("INSERT INTO `t` VALUES (1),(2);\n-- Dump completed\n", "it is not in the form of MariaDB"),
    ],
)
def test_a_mariadb_dump_that_is_not_whole_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Trouble, match=told):
        dumps.rows_of_dump(dumped(tmp_path, text), "it")


def fake_dump(monkeypatch: pytest.MonkeyPatch, text: str, rc: int = 0, listing: str = "") -> None:
    """Clients of database servers that write this."""

    def run(argv: list[str], stdout: Any = None, **_given: Any) -> Done:
        if stdout is None:
            return Done(0, listing, "")
        stdout.write(text.encode())
        return Done(rc, "", "pg_dump: error: connection lost" if rc else "")

    monkeypatch.setattr(dumps, "run", run)


def counting(monkeypatch: pytest.MonkeyPatch, *counts: dict[str, int]) -> None:
    given = iter(counts)
    monkeypatch.setattr(dumps, "_count_mariadb", lambda _server, _name: next(given))


def mariadb(tmp_path: Path) -> Dump:
    dump = Dump(MARIADB, MY.name, "shop", "shop.sql")
    dumps._dump_mariadb(MY, dump, str(tmp_path / "shop.sql"))
    return dump


def test_a_mariadb_dump_holds_what_the_server_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dump(monkeypatch, MARIADB_DUMP)
    counting(monkeypatch, {"orders": 4, "empty": 0})
    assert mariadb(tmp_path).tables == {"orders": 4, "empty": 0}


def test_a_mariadb_dump_of_a_table_in_use_may_lie_between_two_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dump(monkeypatch, MARIADB_DUMP)
    counting(monkeypatch, {"orders": 3, "empty": 0}, {"orders": 6, "empty": 0})
    assert mariadb(tmp_path).tables["orders"] == 4


def test_a_mariadb_dump_that_lacks_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dump(monkeypatch, MARIADB_DUMP)
    counting(monkeypatch, {"orders": 4, "empty": 7}, {"orders": 4, "empty": 7})
    with pytest.raises(Trouble, match="holds 0 rows of empty, which has 7 to 7"):
        mariadb(tmp_path)


class FakeSession:
    """A session of PostgreSQL with two tables."""

    def __init__(self, _server: Server, _database: str) -> None:
        pass

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def ask(self, sql: str) -> str:
        return '[["public", "a", 2], ["public", "b", 0]]' if "json_agg" in sql else "00000003-1"


LISTED = (
    "215; 1259 16386 TABLE public a owner\n3456; 0 16386 TABLE DATA public a owner\n3457; 0 2 TABLE DATA public b o\n"
)


def postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dump:
    monkeypatch.setattr(dumps, "Session", FakeSession)
    dump = Dump(POSTGRESQL, PG.name, "shop", "shop.dump")
    dumps._dump_postgresql(PG, dump, str(tmp_path / "shop.dump"))
    return dump


def test_a_postgresql_dump_has_the_counts_of_its_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dump(monkeypatch, "PGDMP", listing=LISTED)
    assert postgresql(tmp_path, monkeypatch).tables == {"public.a": 2, "public.b": 0}


@pytest.mark.parametrize(
    ("text", "rc", "listing", "told"),
    [
        ("", 0, LISTED, "the dump of shop of postgresql 15-main is empty"),
        ("PGDMP", 1, LISTED, "the dump of shop of postgresql 15-main: pg_dump: error: connection lost"),
        ("PGDMP", 0, LISTED[: LISTED.index("3457")], "holds 1 of 2 tables"),
    ],
)
def test_a_postgresql_dump_that_is_not_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, rc: int, listing: str, told: str
) -> None:
    fake_dump(monkeypatch, text, rc, listing)
    with pytest.raises(Trouble, match=told):
        postgresql(tmp_path, monkeypatch)


def test_dumps_need_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps, "servers", lambda _left_out: [PG])
    monkeypatch.setattr(dumps, "size", lambda _server: 10**18)
    with pytest.raises(Trouble, match=r"dumps need about 1100000000\.0 GB"):
        dumps.dump_all(told(), str(tmp_path / "dumps"))


def test_all_databases_but_those_left_out_are_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dumps, "servers", lambda _left_out: [PG, MY])
    monkeypatch.setattr(dumps, "size", lambda _server: 10)
    monkeypatch.setattr(dumps, "databases", lambda _server: ["a/b", ".c", "scratch"])
    write: Callable[[Server, Dump, str], object] = lambda _server, _dump, path: Path(path).write_text("x")  # noqa: E731
    monkeypatch.setattr(dumps, "_DUMPERS", {POSTGRESQL: write, MARIADB: write})
    monkeypatch.setattr(dumps, "_AROUND", {})
    (tmp_path / "dumps" / "old").mkdir(parents=True)
    made = dumps.dump_all(told(left_out=("postgresql/scratch", "mariadb")), str(tmp_path / "dumps"))
    assert [dump.file for dump in made] == ["postgresql/15-main/a%2Fb.dump", "postgresql/15-main/%2Ec.dump"]
    manifest = json.loads((tmp_path / "dumps" / "manifest.json").read_text())
    assert dumps.of_manifest(manifest) == made
    assert not (tmp_path / "dumps" / "old").exists()
    assert (tmp_path / "dumps").stat().st_mode & 0o777 == 0o700


def test_a_name_is_no_connection_string() -> None:
    assert servers.connection("a b='c\\") == "dbname='a b=\\'c\\\\'"


def test_a_database_that_cannot_be_dumped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_running", lambda: [(12, "mongod")])
    monkeypatch.setattr(servers, "_stopped", lambda _running: [])
    with pytest.raises(Trouble, match=r"mongodb runs here \(process 12\), .* name mongodb in data_backup_left_out"):
        servers.servers()
    assert servers.servers(["mongodb"]) == []


def test_a_server_that_should_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_running", list)
    monkeypatch.setattr(servers.os.path, "exists", lambda _path: False)
    monkeypatch.setattr(servers, "run", lambda _argv: Done(0, "enabled\n", ""))
    with pytest.raises(Trouble, match=r"mariadb\.service is enabled and does not run"):
        servers.servers()
    assert servers.servers(["mariadb"]) == []


def test_a_server_that_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_running", lambda: [(12, "mariadbd")])
    monkeypatch.setattr(servers, "_sockets", lambda _pid: [])
    with pytest.raises(
        Trouble, match=r"a server of mariadb runs \(process 12\) that listens on no socket of this host"
    ):
        servers.servers()


# -- backups ----------------------------------------------------------------------------------------------------------


def told(**more: Any) -> Settings:
    return Settings("web1", "rclone:store:web1", "/nowhere", REPOSITORY, **more)


FAKE_RESTIC = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
  *'cat config'*) echo '{{"id": "{identity}"}}';;
  *' backup '*) {backup};;
  *' ls '*) echo '{{"struct_type": "snapshot"}}'; echo '{{"type": "file", "path": "{dumps}/a.dump", "size": 3}}';;
  *' stats '*) echo '{{"total_size": {size}}}';;
  *' check '*) exit {check};;
esac
"""
SUMMARY = f"""echo '{{"message_type": "status"}}'; echo '{{"message_type": "summary", "snapshot_id": "{SNAPSHOT}"}}'"""


class World:
    """A host with a fake restic."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self._monkeypatch = tmp_path, monkeypatch
        self.state, self.log, self.dumps = tmp_path / "state", tmp_path / "log", tmp_path / "dumps"
        self.state.mkdir()
        (tmp_path / "bin").mkdir()
        monkeypatch.setattr(commands, "_PATH", f"{tmp_path}/bin:{commands._PATH}")
        monkeypatch.setattr(records, "STATE", str(self.state))
        monkeypatch.setattr(program, "DUMPS", str(self.dumps))
        self.restic()
        self.dump(3)

    def restic(self, backup: str = SUMMARY, identity: str = REPOSITORY, size: int = 10, check: int = 0) -> None:
        fake = self.path / "bin" / "restic"
        text = FAKE_RESTIC.format(
            log=self.log, identity=identity, backup=backup, dumps=self.dumps, size=size, check=check
        )
        fake.write_text(text)
        fake.chmod(0o755)

    def dump(self, size: int) -> None:
        def dump_all(_settings: Settings, directory: str) -> list[Dump]:
            dumps.clear(directory)
            (Path(directory) / "a.dump").write_text("x" * size)
            return [Dump(POSTGRESQL, "15-main", "a", "a.dump", size, {"public.t": 1})]

        self._monkeypatch.setattr(program, "dump_all", dump_all)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_backup_is_one_snapshot_of_dumps_and_directories(world: World) -> None:
    (world.path / "files").mkdir()
    run = program.perform("backup", told(directories=(f"{world.path}/files",), left_out=(f"{world.path}/files/cache",)))
    assert run.trouble == ""
    (call,) = [call for call in world.calls if " backup " in call]
    assert call.endswith(
        f"backup --json --host web1 --tag privacy-hosting --exclude {world.path}/files/cache -- {world.dumps} "
        f"{world.path}/files"
    )
    last = records.read("backup")["last_good"]
    assert (last["snapshot"], last["repository_id"]) == (SNAPSHOT, REPOSITORY)
    assert last["databases"][0]["tables"] == {"public.t": 1}
    assert list(world.dumps.iterdir()) == []


def failed(world: World, settings: Settings | None = None) -> str:
    """What a backup that must fail says; nothing of its dumps stays."""
    run = program.perform("backup", settings or told())
    assert not world.dumps.exists() or list(world.dumps.iterdir()) == []
    record = records.read("backup")
    assert not record["last"]["ok"]
    return run.trouble


def test_a_backup_that_restic_could_not_complete_fails(world: World) -> None:
    error = '{"message_type":"error","error":{"message":"permission denied"},"item":"/srv/x"}'
    world.restic(backup=f"echo '{error}' >&2; {SUMMARY}; exit 3")
    assert failed(world) == "restic could not back up all: /srv/x: permission denied"


def test_a_dump_that_did_not_arrive_whole_fails_the_backup(world: World) -> None:
    world.dump(4)
    assert failed(world) == "the snapshot does not hold a.dump as it was dumped"


def test_another_repository_is_not_written_to(world: World) -> None:
    world.restic(identity="f" * 64)
    assert "is not the one of the backups before (ffffffff, not 0da6d0cf)" in failed(world)
    assert not any(" backup " in call for call in world.calls)


def test_a_clock_that_was_put_back_fails_the_backup(world: World) -> None:
    ahead = records.now() + dt.timedelta(days=2)
    records.write("backup", records.Run("backup", ahead).as_dict(ahead))
    assert "set the clock" in failed(world)


def test_a_directory_that_is_absent_or_was_emptied_fails_the_backup(world: World) -> None:
    files = world.path / "files"
    settings = told(directories=(str(files),))
    assert failed(world, settings) == f"{files} cannot be backed up: No such file or directory"
    files.mkdir()
    (files / "one").touch()
    assert program.perform("backup", settings).trouble == ""
    (files / "one").unlink()
    assert failed(world, settings) == f"{files} is empty, and was not at the last backup: is its disk mounted?"
    assert records.read("backup")["last_good"]["directories"] == [{"path": str(files), "entries": 1}]


def test_checks_read_another_part_each_time(world: World) -> None:
    world.restic(size=3 * 2**30)
    assert [program.perform("check", told()).told["subset"] for _time in range(4)] == ["1/3", "2/3", "3/3", "1/3"]
    assert "--read-data-subset=3/3" in "".join(world.calls)


def test_a_damaged_repository_fails_the_check(world: World) -> None:
    world.restic(check=1)
    assert "the repository is damaged" in program.perform("check", told()).trouble
    assert records.read("check")["last_good"] is None


def test_a_restore_test_compares_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Dump(MARIADB, "m", name, f"{name}.sql", 3, {"t": 5, "u": 1}) for name in ("good", "bad")]
    monkeypatch.setattr(program, "RESTORE", str(world.path))
    monkeypatch.setattr(throwaway, "RESTORE_ACCOUNT", "root")
    monkeypatch.setattr(program, "_newest", lambda _restic, _host: {"id": SNAPSHOT, "time": "2026-11-20T01:00:00Z"})
    monkeypatch.setattr(program, "_restored_dumps", lambda *_given: made)
    monkeypatch.setitem(program.LOADERS, MARIADB, lambda _dumps, wanted, _at: zip(wanted, (6, 5), strict=True))
    run = program.perform("restore-test", told())
    assert run.trouble == "mariadb bad: 5 rows came back of 6"
    assert [(one["name"], one["rows"], one["restored_rows"], one["ok"]) for one in run.told["databases"]] == [
        ("good", 6, 6, True),
        ("bad", 6, 5, False),
    ]
    assert not (world.path / "throwaway").exists()


def test_a_second_run_of_a_kind_waits_for_nobody(world: World) -> None:
    with records.alone("backup"), pytest.raises(Trouble, match="another backup is running"):
        program.perform("backup", told())


def test_paths_that_look_like_patterns_mean_themselves() -> None:
    assert program._literally("/srv/a*[b]?") == "/srv/a\\*\\[b\\]\\?"


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("null\n", []),
        ("[]\n", []),
        ('[{"id": "a"}]', [{"id": "a"}]),
        ('[\n{"id": "a"}\n]', [{"id": "a"}]),
        ("reading repository password from stdin\n[]", []),
    ],
)
def test_lists_of_both_releases_are_read(out: str, found: list[Any]) -> None:
    restic = commands.Restic(["-r", "/r"], runner=lambda _argv, **_given: Done(0, out, ""))
    assert restic.snapshots() == found


def test_a_locked_repository_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([Done(1, "", "unable to create lock in backend: repository is already locked"), Done(0, "", "")])
    slept: list[float] = []
    monkeypatch.setattr(commands.time, "sleep", slept.append)
    assert commands.Restic([], runner=lambda _argv, **_given: next(given))("check").rc == 0
    assert slept == [60.0]


# what restic 0.18 prints where a bucket refuses it
REFUSED = "Stat(<config/>) returned error, retrying after 1.26s: Stat: The signature does not match."


def test_what_fails_again_and_again_is_ended_with_its_reason() -> None:
    again = f"read word; while :; do echo '{REFUSED}' >&2; sleep 0.1; done"
    done = commands.run(["sh", "-c", again], stdin=b"hush\n", timeout=30, tries=3)
    assert done.rc != 0
    assert done.complaint == "The signature does not match."


def test_what_fails_once_and_goes_on_is_waited_for() -> None:
    once = f"read word; echo '{REFUSED}' >&2; sleep 0.3; echo \"read $word\""
    done = commands.run(["sh", "-c", once], stdin=b"hush\n", timeout=30, tries=3)
    assert (done.rc, done.out) == (0, "read hush\n")


def test_what_never_ends_is_ended_in_time() -> None:
    with pytest.raises(Trouble, match="sleep did not end within 1 s"):
        commands.run(["sleep", "60"], stdin=b"", timeout=1, tries=3)


def test_moments_of_restic_are_read() -> None:
    assert records.moment("2026-11-20T13:00:00.870804333+01:00") == NOW
    assert records.moment("2026-11-20T12:00:00Z") == NOW


def test_settings_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(settings.as_text(told(directories=("/srv",))))
    assert settings.load(str(path)) == told(directories=("/srv",))
    path.write_text('{"schema": 9}')
    with pytest.raises(Trouble, match="its schema is not 1"):
        settings.load(str(path))


# -- retention --------------------------------------------------------------------------------------------------------

CLIENT = Client("web1", "backup-web1", "/srv/r", "/etc/p", "3 months")
SET = ("web1", frozenset({"/dumps", "/srv"}))


def snapshot(number: int, days: float, claims: float | None = None, group: Any = SET) -> Snapshot:
    """A snapshot that arrived so many days ago, and claims so many."""
    arrived = NOW - dt.timedelta(days=days)
    return Snapshot(f"{number:064x}", group, NOW - dt.timedelta(days=days if claims is None else claims), arrived)


def numbers(found: Any) -> list[int]:
    return sorted(int(one.id, 16) for one in found)


def test_what_arrived_before_the_period_is_removed() -> None:
    judged = judge([snapshot(days, days) for days in (1, 2, 3, 80, 95, 200)], CLIENT, NOW)
    assert (numbers(judged.due), judged.kept, judged.forged) == ([95, 200], (), ())


def test_none_is_past_its_time_before_the_next_run() -> None:
    assert NOW - limit("3 months", NOW) == dt.timedelta(days=90)
    assert NOW - limit("2 days", NOW) == dt.timedelta(days=1.5)


def test_without_a_period_nothing_is_removed() -> None:
    client = Client("web1", "backup-web1", "/srv/r", "/etc/p")
    assert judge([snapshot(number, 900) for number in range(9)], client, NOW).due == ()


def test_the_last_of_a_set_stay() -> None:
    judged = judge([snapshot(number, 100 + number) for number in range(5)], CLIENT, NOW)
    assert (numbers(judged.due), numbers(judged.kept)) == ([3, 4], [0, 1, 2])


def test_the_last_of_a_set_go_when_a_newer_set_holds_all_of_it() -> None:
    fewer = ("web1", frozenset({"/dumps"}))
    old = [snapshot(number, 100, group=fewer) for number in (1, 2)]
    newer = [snapshot(number, 5) for number in (3, 4, 5)]
    assert numbers(judge([*old, *newer], CLIENT, NOW).due) == [1, 2]
    assert numbers(judge([*old, *newer[:2]], CLIENT, NOW).due) == []
    other = [snapshot(one, 5, group=("web2", SET[1])) for one in (3, 4, 5)]
    assert numbers(judge([*old, *other], CLIENT, NOW).due) == []


@pytest.mark.parametrize(("days", "claims"), [(1, -3650), (1, -0.1), (1, 3.5), (1, 2000)])
def test_times_that_cannot_be_are_found(days: float, claims: float) -> None:
    judged = judge([snapshot(1, 1), snapshot(2, days, claims)], CLIENT, NOW)
    assert numbers(judged.forged) == [2]
    assert judge([snapshot(2, days, claims)], CLIENT, NOW, known=[f"{2:064x}"[:64]]).forged == ()


def test_a_forged_time_makes_no_real_snapshot_go() -> None:
    real = [snapshot(number, number) for number in (1, 2, 3)]
    forged = [snapshot(9, 0.1, -36500), snapshot(10, 0.1, 36500)]
    assert judge([*real, *forged], CLIENT, NOW).due == ()


class Store:
    """A store with a repository of which a fake restic tells."""

    def __init__(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshots: list[tuple[int, float, float]]
    ) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.root = tmp_path
        (tmp_path / "snapshots").mkdir()
        (tmp_path / "state").mkdir()
        (tmp_path / "password").write_text("secret\n")
        now, listed = records.now(), []
        for number, days, claims in snapshots:
            identity = f"{number:064x}"
            path = tmp_path / "snapshots" / identity
            path.touch()
            os.utime(path, ((now - dt.timedelta(days=days)).timestamp(),) * 2)
            time = (now - dt.timedelta(days=claims)).isoformat()
            listed.append({"id": identity, "time": time, "hostname": "web1", "paths": ["/srv"]})
        self.listed = listed
        client = Client("web1", "", str(tmp_path), str(tmp_path / "password"), "3 months")
        (tmp_path / "settings.json").write_text(settings.clients_as_text({"web1": client}))
        monkeypatch.setattr(
            retention, "_restic", lambda _client: commands.Restic(["-r", str(tmp_path)], None, "", "secret", self.run)
        )

    def run(self, argv: list[str], **_given: Any) -> Done:
        words = tuple(argv[3:])
        self.calls.append(words)
        if words[0] == "snapshots":
            return Done(0, json.dumps(self.listed), "")
        return Done(0, json.dumps({"id": REPOSITORY}), "")

    def main(self, *words: str) -> int:
        given = ["--settings", str(self.root / "settings.json"), "--state", str(self.root / "state")]
        return retention.main([*given, *words])

    @property
    def removals(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] in ("forget", "prune")]


RECENT = [(number, number, number) for number in range(1, 9)]


def test_a_store_forgets_by_identity_after_a_check_and_prunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, monkeypatch, [*RECENT, (95, 95, 95)])
    assert store.main() == 0
    assert store.calls[-4:] == [
        ("unlock",), ("check",), ("forget", f"{95:064x}"), ("prune", "--max-unused", "0")
    ]  # fmt: skip
    record = records.read("web1", str(tmp_path / "state"))["last_good"]
    assert (record["removed"], record["snapshots"]) == (1, 9)


def test_a_store_removes_nothing_where_times_are_forged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, monkeypatch, [*RECENT, (95, 95, 95), (99, 1, -400)])
    assert store.main() == 1
    assert "nothing was removed, for the times of 1 snapshots cannot be" in capsys.readouterr().err
    assert store.removals == []
    assert store.main("--known", f"{99:064x}") == 0
    assert store.main() == 0  # it is remembered
    assert ("forget", f"{95:064x}") in store.removals


def test_a_store_does_not_remove_most_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, monkeypatch, [(1, 1, 1), *((number, number, number) for number in range(95, 110))])
    assert store.main() == 1
    assert "13 of 16 snapshots are past 3 months" in capsys.readouterr().err
    assert store.removals == []
    assert store.main("--most") == 1  # two of the last three are past their time, and stay
    assert len(store.removals[0]) == 14


def test_a_store_does_not_believe_a_clock_that_jumped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, monkeypatch, [*RECENT, (95, 95, 95)])
    for last in (records.now() - dt.timedelta(days=40), records.now() + dt.timedelta(days=1)):
        (tmp_path / "state" / "seen").write_text(records.stamp(last))
        assert store.main() == 2
        assert "if the clock is right, run it once with --clock-is-right" in capsys.readouterr().err
    assert store.calls == []
    assert store.main("--clock-is-right") == 0
    assert store.main() == 0


def test_a_snapshot_from_the_future_says_that_the_clock_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, monkeypatch, [*RECENT, (95, 95, 95), (99, -1, -1)])
    assert store.main() == 1
    assert "set it" in capsys.readouterr().err
    assert store.removals == []


def test_a_dry_run_removes_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, monkeypatch, [*RECENT, (95, 95, 95)])
    assert store.main("--dry-run") == 0
    assert "9 snapshots, 1 would be removed" in capsys.readouterr().out
    assert store.removals == []
    assert [path.name for path in (tmp_path / "state").iterdir()] == [".web1.lock"]
