# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption: what it finds on hosts whose databases are encrypted, are not, or that cannot be judged."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.disk_encryption import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._checks.disk_encryption_dumps import targets
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Process, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.disk_encryption import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import crypttab
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_files import OpenFile, Place
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_servers import Server, Stranger
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from tests.unit.disk_host import BLOCKS, MOUNTS, DiskHost

PARTS = ["data", "logs", "temporary", "dumps", "swap"]
GOOD, PLAIN = "/var/lib/mysql", "/srv/mysql"
KEY = "/etc/keys/volume"


def asked(host: DiskHost, check: str, option: str = "covers", covers: Any = PARTS, **settings: Any) -> list[Finding]:
    """What one check finds."""
    table = {one.name: one.default for one in MEASURE.options}
    values = {"covers": covers, "key_apart": True}
    (run,) = [one.run for one in CHECKS if one.name == check]
    return list(run(host, Question(values, {**table, **values, **settings}), option))


def told(findings: list[Finding]) -> dict[str, str]:
    return {one.subject: one.status for one in findings}


def with_server(
    directory: str = GOOD,
    *places: Place,
    host: DiskHost | None = None,
    kind: str = "mariadb",
    pids: tuple[int, ...] = (354,),
    held: tuple[OpenFile, ...] = (OpenFile("/var/lib/mysql/ibdata1", "252:0", "/proc/354/fd/12"),),
    variables: Mapping[str, str] | None = None,
) -> DiskHost:
    """A host with one server, whose places are known."""
    host = host or DiskHost()
    server = Server(host, kind, "MariaDB", pids, "", directory, 3306, "process 354 (mariadbd)", starts=bool(pids))
    host.once("database servers", lambda: [server])
    host.once("strange databases", list)
    host.know(server, *held)
    told_places = places or (
        Place("data", directory, "datadir"),
        Place("wal", directory, "innodb_log_group_home_dir"),
        Place("temporary", directory, "tmpdir"),
    )
    host.once(("places", "MariaDB", pids), lambda: list(told_places))
    host.variables = variables or {}  # type: ignore[attr-defined]
    host.with_jobs()
    return host


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers have the variables that their host was given."""
    monkeypatch.setattr(
        "ansible_collections.privacy.hosting.plugins.module_utils._services.database_files.mariadb_variables",
        _variables,
    )


def _variables(server: Server) -> Mapping[str, str]:
    if "unasked" in server.host.variables:  # type: ignore[attr-defined]
        raise Unseen("MariaDB could not be asked")
    return server.host.variables  # type: ignore[attr-defined, no-any-return]


# -- servers ----------------------------------------------------------------------------------------------------------


def test_a_host_without_any_database_is_none_of_this_measures_business() -> None:
    (found,) = asked(DiskHost(), "servers")
    assert found.status == "not_applicable"
    assert asked(DiskHost(), "swap") == asked(DiskHost(), "dumps") == asked(DiskHost(), "keys", "key_apart") == []


def test_what_is_not_known_is_not_passed_over() -> None:
    now = dt.datetime(2026, 11, 20, tzinfo=dt.timezone.utc)
    mongod = Process(7, 1, "mongod", ("mongod",), "/usr/bin/mongod", "", now, contained=False)
    assert told(asked(DiskHost(running=[mongod]), "servers")) == {"MongoDB": "error"}
    odd = Process(8, 1, "oddball", ("oddball",), "/opt/oddball", "", now, contained=False)
    host = DiskHost(running=[odd], listening=[Listener("tcp", "0.0.0.0", 7000, (8,))])  # noqa: S104  a test's listener
    assert told(asked(host, "servers")) == {"oddball": "error"}


def test_a_known_server_is_left_to_the_other_checks() -> None:
    assert asked(with_server(), "servers") == []


# -- files ------------------------------------------------------------------------------------------------------------


def test_all_of_a_server_on_an_encrypted_device_passes_as_observed() -> None:
    found = asked(with_server(), "files")
    assert told(found) == {"MariaDB: data": "pass", "MariaDB: logs": "pass", "MariaDB: temporary": "pass"}
    assert {one.proof for one in found} == {"observed"}
    assert "/dev/mapper/data (LUKS2, aes-xts-plain64) on /dev/vdb" in found[0].observed
    assert "what /dev/vdb holds differs" in found[0].observed


def test_only_the_parts_that_were_promised_are_judged() -> None:
    assert told(asked(with_server(PLAIN), "files", covers=["logs"])) == {"MariaDB: logs": "fail"}


def test_one_place_on_a_plain_disk_fails_and_is_named() -> None:
    host = with_server(
        GOOD,
        Place("data", GOOD, "datadir"),
        Place("tablespace", "/srv/ts", "/d/pg_tblspc/16400"),
        Place("wal", GOOD, "x"),
        Place("temporary", GOOD, "x"),
    )  # fmt: skip
    found = {one.subject: one for one in asked(host, "files")}
    assert found["MariaDB: data"].status == "fail"
    assert found["MariaDB: data"].source == "/d/pg_tblspc/16400"
    assert found["MariaDB: data"].observed.startswith("/srv/ts: /dev/vda is not encrypted")
    assert "order another disk" in found["MariaDB: data"].remedy
    assert found["MariaDB: logs"].status == "pass"


def test_a_file_that_is_open_on_a_plain_disk_fails_though_its_path_is_good() -> None:
    held = OpenFile("/var/lib/mysql/ibdata1", "254:0", "/proc/354/fd/12")
    (found,) = asked(with_server(held=(held,)), "files", covers=["data"])
    assert (found.status, found.proof, found.source) == ("fail", "observed", "/proc/354/fd/12")


def test_a_bare_mount_point_is_named() -> None:
    fstab = "/dev/mapper/data /srv/mysql ext4 noauto 0 0\n/dev/vda / ext4 defaults 0 1\n"
    (found,) = asked(with_server(PLAIN, held=(), host=DiskHost(files={"/etc/fstab": fstab})), "files", covers=["data"])
    assert found.status == "fail"
    assert "/etc/fstab mounts /dev/mapper/data at /srv/mysql, which is not mounted" in found.observed


def test_what_is_only_configured_fails_before_it_happens() -> None:
    places = (Place("data", GOOD, "datadir"), Place("data", PLAIN, "my_print_defaults --mysqld: datadir", "configured"))
    (found,) = asked(with_server(GOOD, *places), "files", covers=["data"])
    assert (found.status, found.proof) == ("fail", "configured")
    assert "/srv/mysql from its next start on" in found.observed


def test_a_disk_that_holds_the_same_in_clear_fails() -> None:
    size = str(1 << 17)
    same: dict[tuple[str, ...], str | int] = {
        ("cmp", "-s", "-n", size, "-i", "0:16777216", "/dev/dm-0", "/dev/vdb"): 0,
    }
    (found,) = asked(with_server(host=DiskHost(answers=same)), "files", covers=["data"])
    assert (found.status, found.proof) == ("fail", "observed")


def test_what_cannot_be_told_is_an_error() -> None:
    host = with_server("/more", host=DiskHost(mounts=f"{MOUNTS}90 22 0:60 / /more rw - nfs4 files:/x rw\n"), held=())
    assert set(told(asked(host, "files")).values()) == {"error"}
    assert set(told(asked(with_server(host=DiskHost(table=None)), "files")).values()) == {"error"}
    inside = with_server(host=DiskHost(files={"/run/systemd/container": "lxc\n"}))
    assert "cannot be seen from inside it" in asked(inside, "files")[0].observed


def test_a_server_that_cannot_be_asked_is_an_error_or_worse() -> None:
    def unasked(directory: str, held: OpenFile) -> dict[str, str]:
        host = with_server(directory, held=(held,), variables={"unasked": "ON"})
        del host._kept["places", "MariaDB", (354,)]
        return told(asked(host, "files", covers=["data"]))

    good, plain = OpenFile("/var/lib/mysql/a", "252:0", "/proc/354/fd/3"), OpenFile("/a", "254:0", "/proc/354/fd/3")
    assert unasked(GOOD, good) == {"MariaDB: data": "error"}
    assert unasked(PLAIN, plain) == {"MariaDB: data": "fail"}


def test_a_server_that_does_not_run_is_judged_by_what_it_left() -> None:
    stopped = with_server(PLAIN, pids=(), host=DiskHost(files={f"{PLAIN}/ibdata1": ""}))
    assert told(asked(stopped, "files", covers=["data"])) == {"MariaDB: data": "fail"}
    locked = with_server(PLAIN, pids=())
    (found,) = asked(locked, "files", covers=["data"])
    assert (found.status, "open it" in found.observed) == ("error", True)


def test_tables_that_mariadb_encrypts_itself_are_not_judged() -> None:
    host = with_server(PLAIN, held=(), variables={"innodb_encrypt_tables": "ON"})
    assert told(asked(host, "files", covers=["data", "logs"])) == {"MariaDB: data": "error", "MariaDB: logs": "fail"}


def test_a_part_that_a_server_does_not_have_is_not_applicable() -> None:
    host = with_server(GOOD, Place("data", GOOD, "x"), held=())
    assert told(asked(host, "files", covers=["data", "logs"])) == {
        "MariaDB: data": "pass",
        "MariaDB: logs": "not_applicable",
    }


# -- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_on_a_plain_disk_fails_and_one_on_an_encrypted_one_does_not() -> None:
    left = {"/var/lib/mysql.unencrypted/ibdata1": "", "/srv/pg.old/PG_VERSION": "", "/srv/pg.old/base/1/PG_VERSION": ""}
    here = with_server(host=DiskHost(files={**left, "/var/lib/mysql/ibdata1": ""}))
    assert told(asked(here, "copies")) == {"/var/lib/mysql.unencrypted": "fail", "/srv/pg.old": "fail"}
    moved = with_server(host=DiskHost(files={"/enc/old/ibdata1": "", "/var/lib/mysql/ibdata1": ""}))
    assert asked(moved, "copies") == []


def test_what_harden_left_behind_is_a_copy_until_it_is_gone() -> None:
    old = "/srv/binlog.unencrypted"
    moved = {"/var/lib/privacy-hosting/disk-encryption/moved.json": json.dumps([{"path": "/srv/binlog", "old": old}])}
    assert asked(with_server(host=DiskHost(files=moved)), "copies") == []
    host = with_server(host=DiskHost(files={**moved, f"{old}/bin.000001": ""}))
    assert told(asked(host, "copies")) == {old: "fail"}


def test_a_copy_below_the_mount_point_is_found_where_the_file_system_shows_it() -> None:
    stat = ("debugfs", "-R", 'stat "/var/lib/mysql/ibdata1"', "/dev/vda")
    found = asked(with_server(host=DiskHost(answers={stat: "Inode: 131   Type: regular    Mode:  0660\n"})), "copies")
    assert told(found) == {"MariaDB: below /var/lib/mysql": "fail"}
    marks = ("ibdata1", "aria_log_control", "mysql")
    none = {("debugfs", "-R", f'stat "/var/lib/mysql/{mark}"', "/dev/vda"): "" for mark in marks}
    assert asked(with_server(host=DiskHost(answers=none)), "copies") == []


def test_an_open_file_in_a_place_of_its_own_is_of_that_part() -> None:
    places = (Place("data", GOOD, "datadir"), Place("binlog", "/lv/binlog", "log_bin"))
    held = (
        OpenFile("/var/lib/mysql/a", "252:0", "/proc/354/fd/3"),
        OpenFile("/lv/binlog/b.1", "254:0", "/proc/354/fd/4"),
    )
    found = asked(with_server(GOOD, *places, held=held), "files", covers=["data", "logs"])
    assert told(found) == {"MariaDB: data": "pass", "MariaDB: logs": "fail"}


def test_a_servers_own_log_is_no_data_unless_queries_are_logged() -> None:
    held = OpenFile("/var/log/mysql/all.log", "254:0", "/proc/354/fd/4")
    places = [Place("data", GOOD, "datadir"), Place("wal", GOOD, "x")]
    assert told(asked(with_server(GOOD, *places, held=(held,)), "files", covers=["logs"])) == {"MariaDB: logs": "pass"}
    places.append(Place("log", "/var/log/mysql/all.log", "general_log_file"))
    assert told(asked(with_server(GOOD, *places, held=(held,)), "files", covers=["logs"])) == {"MariaDB: logs": "fail"}


def test_a_copy_that_cannot_be_judged_is_an_error() -> None:
    host = with_server(host=DiskHost(files={"/lv/x": "", "/srv/old/ibdata1": "", "/.dockerenv": ""}))
    assert told(asked(host, "copies")) == {"/srv/old": "error"}


# -- dumps ------------------------------------------------------------------------------------------------------------


def job(text: str) -> Job:
    return Job("/etc/cron.d/dump", text, 1.0, "/etc/cron.d/dump", command="/etc/cron.d/dump:2")


def test_jobs_and_options_name_where_dumps_go() -> None:
    host = with_server()
    assert told(asked(host, "dumps")) == {"dumps": "not_applicable"}
    host._kept["jobs"] = (
        [job("pg_dump klanten | gzip > /var/backups/k.sql.gz"), job("mysqldump x > /enc/x.sql")],
        None,
    )
    found = asked(host, "dumps")
    assert told(found) == {"/var/backups": "fail", "/enc": "pass"}
    assert found[0].source == "/etc/cron.d/dump:2"
    assert told(asked(with_server(), "dumps", dump_paths=["/lv/dumps", "/home/d"])) == {
        "/lv/dumps": "pass",
        "/home/d": "fail",
    }


def test_a_job_that_dumps_nobody_knows_where_is_an_error_unless_places_are_named() -> None:
    host = with_server()
    host._kept["jobs"] = ([job('pg_dump klanten > "$1"')], None)
    assert told(asked(host, "dumps")) == {"/etc/cron.d/dump:2": "error"}
    assert told(asked(host, "dumps", dump_paths=["/enc/dumps"])) == {"/enc/dumps": "pass"}


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("sh /opt/nightly", {"/opt/nightly": "mysqldump x > /home/d/x.sql\n"}),
        ("sh ~/nightly.sh", {"/root/nightly.sh": "mysqldump x > /home/d/x.sql\n"}),
        ("bash nightly", {"/usr/local/bin/nightly": "mysqldump x > /home/d/x.sql\n"}),
        ("sh /opt/all", {"/opt/all": "sh /opt/db\n", "/opt/db": "#!/bin/bash\nmysqldump x > /home/d/x.sql\n"}),
    ],
)
def test_a_script_that_a_job_names_in_another_way_is_read_too(line: str, files: Mapping[str, str]) -> None:
    host = with_server(host=DiskHost(files=files))
    host._kept["jobs"] = ([job(line)], None)
    assert told(asked(host, "dumps")) == {"/home/d": "fail"}


def test_programs_that_dump_by_themselves_dump_to_where_they_are_told_to() -> None:
    usual = {"/etc/default/automysqlbackup": 'DBHOST=localhost\nBACKUPDIR="/var/lib/automysqlbackup"\n'}
    moved = {"/etc/default/automysqlbackup": 'BACKUPDIR="/enc/dumps"\n'}
    for files, expected in (
        ({}, {"/var/lib/automysqlbackup": "fail"}),
        (usual, {"/var/lib/automysqlbackup": "fail"}),
        (moved, {"/enc/dumps": "pass"}),
    ):
        host = with_server(host=DiskHost(files=files))
        host._kept["jobs"] = ([job("test -x /usr/sbin/automysqlbackup || exit 0\n/usr/sbin/automysqlbackup")], None)
        assert told(asked(host, "dumps")) == expected


def test_a_script_in_another_language_that_dumps_is_not_understood() -> None:
    text = '#!/usr/bin/python3\nsubprocess.run(["mysqldump", "x"], stdout=target)\n'
    host = with_server(host=DiskHost(files={"/opt/dump.py": text}))
    host._kept["jobs"] = ([job("python3 /opt/dump.py")], None)
    assert told(asked(host, "dumps")) == {"/opt/dump.py": "error"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pg_dump -Fc -f /srv/a/b.dump klanten", ["/srv/a"]),
        ("mysqldump --result-file=/srv/a.sql --all-databases", ["/srv"]),
        ('DIR=/srv/dumps\nDAY=$(date +%u)\nmariadb-dump x 2>/dev/null | gzip > "$DIR/x-$DAY.sql.gz"', ["/srv/dumps"]),
        ("if full\nthen\n  DIR=/srv/a\nelse\n  DIR=/srv/b\nfi\npg_dump x > $DIR/x.sql", ["pg_dump is run"]),
        ("DIR=/srv/a\nDIR=/srv/a\nF=x\nF=y\npg_dump $F > $DIR/$F.sql", ["/srv/a"]),
        ("cd /srv/here\npg_dumpall > all.sql", ["/srv/here"]),
        ("pg_basebackup -D /srv/base/$(date +%F) -X stream", ["/srv/base"]),
        ("redis-cli --rdb /srv/r/dump.rdb", ["/srv/r"]),
        ("pg_dump x | restic backup --stdin --stdin-filename x.sql", []),
        ("pg_dump x | ssh elsewhere 'cat > x.sql'", []),
        ("pg_dump x | ssh elsewhere 'cat > /srv/x.sql'", []),
        ('mysqldump x | tee /srv/a/x.sql | gzip | ssh elsewhere "cat > /there/x-$(date +%F).gz"', ["/srv/a"]),
        ("pg_dump x | ssh elsewhere 'cat > /there/x.sql'; pg_dump y > /srv/a/y.sql", ["/srv/a"]),
        ("# pg_dump x > /srv/x.sql", []),
        ("mysqldump x > /srv/a/x.sql 2>> /var/log/dump.log", ["/srv/a"]),
        ("pg_dumpall 2>>/var/log/dump.log 1>>/srv/a/x.sql", ["/srv/a"]),
        ("mysqldump x >| /srv/a/x.sql", ["/srv/a"]),
        ("pg_dump x", ["pg_dump is run"]),
        ("tar czf /srv/site.tgz /var/www", []),
    ],
)
def test_scripts_tell_where_they_dump_to(text: str, expected: list[str]) -> None:
    found = targets(text)
    assert found == expected or (expected == [] and all(not one.startswith("/") for one in found))


def test_dumps_that_lie_about_are_found_by_how_they_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.sql").write_text("-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB\n")
    (tmp_path / "b.sql.gz").write_bytes(gzip.compress(b"--\n-- PostgreSQL database dump\n--\n"))
    (tmp_path / "c.dump").write_bytes(b"PGDMP\x01\x0e")
    (tmp_path / "d.sql").write_text("CREATE TABLE schema_of_an_application (id int);\n")
    monkeypatch.setattr(
        "ansible_collections.privacy.hosting.plugins.module_utils._checks.disk_encryption_dumps._SEARCHED",
        (str(tmp_path),),
    )
    host = with_server(
        host=DiskHost(files={f"{tmp_path}/{name}": "" for name in ("a.sql", "b.sql.gz", "c.dump", "d.sql")})
    )
    names = {one.subject.rpartition("/")[2]: one.status for one in asked(host, "dumps")}
    assert names == {"a.sql": "fail", "b.sql.gz": "fail", "c.dump": "fail"}


# -- swap -------------------------------------------------------------------------------------------------------------


def test_swap_now_and_at_the_next_start_is_judged() -> None:
    assert told(asked(with_server(), "swap")) == {"swap": "not_applicable"}
    swaps = "/swapfile file 8188 0 -2\n/dev/dm-1 partition 8188 0 -3\n"
    assert told(asked(with_server(host=DiskHost(swaps=swaps)), "swap")) == {"/swapfile": "fail", "/dev/dm-1": "pass"}
    files = {"/etc/fstab": "UUID=1-2 none swap sw 0 0\n/dev/mapper/w none swap sw 0 0\n", "/dev/disk/by-uuid/1-2": "",
             "/etc/crypttab": "w /dev/vda2 /dev/urandom swap,cipher=aes-xts-plain64\n"}  # fmt: skip
    host = with_server(host=DiskHost(files=files, links={"/dev/disk/by-uuid/1-2": "/dev/vda"}))
    found = asked(host, "swap")
    assert told(found) == {"/dev/disk/by-uuid/1-2": "fail", "/dev/mapper/w": "pass"}
    assert {one.proof for one in found} == {"configured"}
    assert found[0].source == "/etc/fstab:1"


def test_swap_that_is_not_there_cannot_be_told() -> None:
    host = with_server(host=DiskHost(files={"/etc/fstab": "/dev/sdx9 none swap sw 0 0\n"}))
    assert told(asked(host, "swap")) == {"/dev/sdx9": "error"}
    assert asked(host, "swap", covers=["data"]) == []


def test_strangers_memory_is_swapped_too() -> None:
    host = DiskHost(swaps="/swapfile file 8188 0 -2\n")
    host.once("database servers", list)
    host.once("strange databases", lambda: [Stranger("MongoDB", "process 7")])
    assert told(asked(host, "swap")) == {"/swapfile": "fail"}


# -- keys -------------------------------------------------------------------------------------------------------------

DD = ("dd", "if=/dev/vdb", "bs=65536", "count=1", "status=none")


def header(*tokens: Mapping[str, Any]) -> str:
    """The first bytes of a LUKS2 device, as they are read: what is no text is replaced."""
    metadata = {"keyslots": {}, "tokens": {str(n): token for n, token in enumerate(tokens)}, "segments": {}}
    return (
        "LUKS��\x00\x02\x00\x00\x00\x00\x00\x00@\x00"
        + "\x00" * 80
        + json.dumps(metadata, separators=(",", ":"))
        + "\x00" * 99
    )


def clevis(pin: str, **settings: Any) -> dict[str, Any]:
    return {"type": "clevis", "keyslots": ["1"], "jwe": {"protected": protected(pin, **settings), "tag": "x"}}


def protected(pin: str, **settings: Any) -> str:
    head = json.dumps({"alg": "dir", "clevis": {"pin": pin, pin: settings}})
    return base64.urlsafe_b64encode(head.encode()).decode().rstrip("=")


def keys(*tokens: Mapping[str, Any], files: Mapping[str, str] | None = None, **host: Any) -> Finding:
    """What is found of the keys of the device that the server lies on."""
    seen = DiskHost(files=files, answers={DD: header(*tokens), **host.pop("answers", {})}, **host)
    (found,) = asked(with_server(host=seen), "keys", "key_apart")
    assert found.subject == "/dev/mapper/data"
    return found


def test_a_device_that_an_operator_opens_passes() -> None:
    assert keys().status == "pass"
    assert (
        keys(files={"/etc/crypttab": "data UUID=2cfd0bf0-af16-4721-a3ec-70215d08f010 none luks,noauto\n"}).status
        == "pass"
    )


@pytest.mark.parametrize("name", ["data", "other"])
def test_a_key_file_on_a_plain_disk_fails_by_whatever_name_the_device_goes(name: str) -> None:
    line = f"# keys\n{name} UUID=2cfd0bf0-af16-4721-a3ec-70215d08f010 {KEY} luks\n"
    found = keys(files={"/etc/crypttab": line, KEY: "secret"})
    assert (found.status, found.source) == ("fail", "/etc/crypttab:2")
    assert "secret" not in found.observed


def test_a_device_may_be_named_by_its_label() -> None:
    files = {"/etc/crypttab": f'other LABEL="Klanten" {KEY} luks\n', KEY: ""}
    assert keys(files=files, links={"/dev/disk/by-label/Klanten": "/dev/vdb"}).status == "fail"


def test_a_key_file_on_an_encrypted_disk_passes_and_one_that_is_gone_does_not() -> None:
    line = "data /dev/vdb {} luks\n"
    assert keys(files={"/etc/crypttab": line.format("/enc/key"), "/enc/key": ""}).status == "pass"
    assert keys(files={"/etc/crypttab": line.format(KEY)}).status == "error"
    assert keys(files={"/etc/crypttab": line.format("/key:UUID=1-2")}).status == "error"


def test_a_key_that_everybody_has_is_none() -> None:
    assert keys(files={"/etc/crypttab": "data /dev/vdb /dev/zero plain\n"}).status == "fail"
    assert (
        keys(files={"/etc/crypttab": "data /dev/vdb /dev/disk/by-id/usb-stick luks,keyfile-size=64\n"}).status
        == "error"
    )
    assert keys(files={"/etc/crypttab": "data /dev/vdb /dev/urandom plain\n"}).status == "pass"


def test_a_key_of_another_device_is_no_concern() -> None:
    assert keys(files={"/etc/crypttab": f"films /dev/vdc {KEY} luks\n", KEY: ""}).status == "pass"


def test_a_key_that_systemd_takes_by_itself_fails() -> None:
    assert keys(files={"/etc/cryptsetup-keys.d/data.key": ""}).status == "fail"


def test_a_key_in_the_initramfs_fails_though_its_file_is_encrypted() -> None:
    files = {"/etc/crypttab": "data /dev/vdb /enc/key luks\n", "/enc/key": "",
             "/etc/cryptsetup-initramfs/conf-hook": "#\nKEYFILE_PATTERN=/enc/*\n"}  # fmt: skip
    found = keys(files=files)
    assert (found.status, found.source) == ("fail", "/etc/cryptsetup-initramfs/conf-hook:2")


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("decrypt_keyctl", "pass"),
        ("/lib/cryptsetup/scripts/decrypt_derived", "pass"),
        ("/usr/local/sbin/get-key", "error"),
    ],
)
def test_keyscripts_are_known_or_not(script: str, status: str) -> None:
    assert keys(files={"/etc/crypttab": f"data /dev/vdb none luks,keyscript={script}\n"}).status == status


# what the host's own addresses are, and where names lead
TRIE = "Local:\n  |-- 192.0.2.15\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host LOCAL\n"
LEADS = {
    ("getent", "ahosts", "tang1.example.net"): "192.0.2.44      STREAM tang1.example.net\n192.0.2.44      DGRAM  \n",
    ("getent", "ahosts", "localhost"): "::1             STREAM localhost\n",
    ("getent", "ahosts", "db1.example.net"): "192.0.2.15      STREAM db1.example.net\n",
    ("getent", "ahosts", "gone.example.net"): 2,
}


def shared(needed: object, *heads: str) -> dict[str, Any]:
    """A token of a shared secret of these parts."""
    return clevis("sss", t=needed, p="x", jwe=[f"{head}.x.y" for head in heads])


TANG, TPM, NULL = (
    protected("tang", url="http://192.0.2.44"), protected("tpm2", hash="sha256"), protected("null")
)  # fmt: skip


@pytest.mark.parametrize(
    ("token", "status", "seen"),
    [
        (clevis("tang", url="http://tang1.example.net"), "pass", "tang server tang1.example.net"),
        (clevis("tang", url="http://192.0.2.44:7500"), "pass", "192.0.2.x"),
        (clevis("tang", url="http://localhost:7500"), "fail", "which is this host"),
        (clevis("tang", url="localhost:7500"), "fail", "which is this host"),
        (clevis("tang", url="http://127.1.2.3"), "fail", "which is this host"),
        (clevis("tang", url="http://[::1]:7500"), "fail", "which is this host"),
        (clevis("tang", url="http://192.0.2.15"), "fail", "which is this host"),
        (clevis("tang", url="http://db1.example.net"), "fail", "which is this host"),
        (clevis("tang", url="http://gone.example.net"), "error", "leads nowhere"),
        (clevis("tang"), "error", "not understood"),
        (shared(1, TANG, TPM), "pass", "1 of 2 parts opens it"),
        (shared(1, TANG, NULL), "fail", "stands in the header"),
        (shared(2, TANG, NULL), "pass", "2 of 2 parts"),
        (shared(1, TANG, protected("yubikey")), "error", "not known"),
        (shared(2, TANG, NULL, protected("yubikey")), "error", "not known"),
        (shared(1, protected("sss", t=2, jwe=[f"{NULL}.x", f"{NULL}.y"]), TANG), "fail", "2 of 2 parts"),
        (shared("x", TANG, NULL), "error", "of how many"),
        (shared(0, TANG, NULL), "error", "of how many"),
        (clevis("null"), "fail", "stands in the header"),
        (clevis("tpm2", hash="sha256"), "pass", "whoever takes the whole machine"),
        (clevis("yubikey"), "error", "not known"),
        ({"type": "clevis", "jwe": "???"}, "error", "not understood"),
        ({"type": "systemd-tpm2", "tpm2-pcrs": []}, "pass", "whatever it starts"),
        ({"type": "systemd-fido2"}, "pass", "FIDO2"),
        ({"type": "own-invention"}, "error", "own-invention"),
    ],
)
def test_tokens_tell_who_opens_it(token: Mapping[str, Any], status: str, seen: str) -> None:
    found = keys(token, files={"/proc/net/fib_trie": TRIE}, answers=LEADS)
    assert (found.status, seen in found.observed) == (status, True), found.observed


SCRIPT = "/usr/local/sbin/open-it"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("echo hunter2 | cryptsetup open /dev/vdb data", "fail"),
        ("printf '%s' hunter2 | cryptsetup luksOpen UUID=2cfd0bf0-af16-4721-a3ec-70215d08f010 data -", "fail"),
        ("cryptsetup open /dev/vdb data <<< hunter2", "fail"),
        (f"cryptsetup open --key-file {KEY} /dev/vdb data", "fail"),
        (f"cryptsetup luksOpen -d {KEY} /dev/vdb data", "fail"),
        (f"cat {KEY} | cryptsetup open /dev/vdb data --key-file -", "fail"),
        (f"cryptsetup open /dev/vdb data < {KEY}", "fail"),
        ("cryptsetup open --key-file /enc/key /dev/vdb data", "pass"),
        ("cryptsetup open --key-file - /dev/vdb data", "pass"),
        ("cryptsetup open /dev/vdb data", "pass"),
        (f"cryptsetup open --key-file {KEY} /dev/vdc films", "pass"),
        ("# echo hunter2 | cryptsetup open /dev/vdb data", "pass"),
        ('echo "$PASSWORD" | cryptsetup open /dev/vdb data', "error"),
        (f'cryptsetup open --key-file {KEY} "$1" "$2"', "error"),
        ('cryptsetup open --key-file "$KEY" /dev/vdb data', "error"),
    ],
)
def test_scripts_tell_what_they_give_as_a_key_and_it_is_never_quoted(line: str, status: str) -> None:
    found = keys(files={SCRIPT: f"#!/bin/sh\n{line}\n", KEY: "", "/enc/key": ""})
    assert found.status == status, found.observed
    assert "hunter2" not in found.observed
    if status == "fail":
        assert found.source == f"{SCRIPT}:2"


def test_a_device_is_not_taken_for_another_whose_name_begins_alike() -> None:
    plain = {**BLOCKS["dm-1"], "dm/name": "data-swap1", "dm/uuid": "CRYPT-PLAIN-data-swap1"}
    files = {
        SCRIPT: "echo hunter2 | cryptsetup open /dev/vdb data\n",
        "/etc/crypttab": "data-swap1 /dev/vdc /dev/urandom swap\n",
    }
    answers: dict[tuple[str, ...], str | int] = {DD: header(), ("dd", "if=/dev/vdc", *DD[2:]): "\x00"}
    host = DiskHost({**BLOCKS, "dm-1": plain}, swaps="/dev/dm-1 partition 1 0 -2\n", answers=answers, files=files)
    found = told(asked(with_server(host=host), "keys", "key_apart"))
    assert found == {"/dev/mapper/data": "fail", "/dev/mapper/data-swap1": "pass"}


def test_nothing_encrypted_has_no_key_to_be_judged() -> None:
    (found,) = asked(with_server(PLAIN, held=()), "keys", "key_apart")
    assert found.status == "error"


def test_an_unreadable_header_is_an_error() -> None:
    seen = DiskHost()
    (found,) = asked(with_server(host=seen), "keys", "key_apart")
    assert found.status == "error"
    assert crypttab.parse_header("LUKS��\x00\x02" + "\x00" * 90).unseen
    assert crypttab.parse_header("LUKS��\x00\x01aes" + "\x00" * 90).version == 1
    assert crypttab.parse_header("\x00" * 90).version == 0


def test_zfs_tells_where_its_key_is() -> None:
    get = ("zfs", "get", "-H", "-o", "property,value", "encryption,keystatus,keylocation", "tank/db")
    where = ("zfs", "get", "-H", "-o", "value", "keylocation", "tank/db")

    def found(location: str) -> Finding:
        answers = {get: "encryption\taes-256-gcm\nkeystatus\tavailable\n", where: f"{location}\n"}
        host = DiskHost(mounts=f"{MOUNTS}90 22 0:61 / /tank rw - zfs tank/db rw\n", answers=answers, files={KEY: ""})
        (one,) = asked(with_server("/tank", host=host, held=()), "keys", "key_apart")
        return one

    assert (found("prompt").status, found(f"file://{KEY}").status) == ("pass", "fail")
    assert found("newfangled:x").status == "error"


def test_keys_of_swap_count_too() -> None:
    answers = {DD: header(), ("dd", "if=/dev/vdc", *DD[2:]): "LUKS��\x00\x01aes"}
    files = {"/etc/crypttab": f"pv /dev/vdc {KEY} luks\n", KEY: ""}
    host = DiskHost(swaps="/dev/dm-1 partition 1 0 -2\n", answers=answers, files=files)
    assert told(asked(with_server(host=host), "keys", "key_apart")) == {
        "/dev/mapper/data": "pass",
        "/dev/mapper/pv": "fail",
    }
