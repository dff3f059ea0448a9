# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found of backups: by a repository that answers as told, of hosts that no role has touched."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._answer import run_check
from ansible_collections.privacy.hosting.plugins.module_utils._checks import data_backup as checks
from ansible_collections.privacy.hosting.plugins.module_utils._checks import (
    data_backup_case,
    data_backup_complete,
    data_backup_where,
)
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.data_backup import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import backup_jobs, backup_store
from ansible_collections.privacy.hosting.plugins.module_utils._services.backup_store import Way
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from ansible_collections.privacy.hosting.plugins.module_utils._services.mounts import Mount, View
from tests.unit.backup_host import ENV, IDENTITY, MARIADB, NOW, PLAIN, BackupHost, at, snapshot

OPTIONS = {
    "recent": "interval", "repository": "interval", "oldest": "oldest", "databases": "complete",
    "directories": "complete",
    "elsewhere": "off_host", "verified": "checked", "restore_test": "restored", "keys": "second_key",
    "append_only": "append_only",
}  # fmt: skip
JOB = Job("restic.timer", "", 1.0, "/etc/systemd/system/restic.timer", unit="restic.service")
CHECKS = {check.name: check for check in checks.CHECKS}
RECORDS = data_backup_case.RECORDS


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine: no keys that lead to repositories, addresses, names."""
    monkeypatch.setattr(backup_store, "ways", lambda _host: [])
    monkeypatch.setattr(data_backup_where, "own_addresses", lambda _host: ["192.0.2.4", "127.0.0.1"])
    known = {"backup.example": ("192.0.2.9",), "data1.example": ("192.0.2.4",), "localhost": ("127.0.0.1",)}
    monkeypatch.setattr(
        data_backup_where,
        "addresses_of",
        lambda _host, name: known.get(name, (name,) if name[0].isdigit() else ()),
    )


@pytest.fixture
def host() -> BackupHost:
    return BackupHost()


def ask(host: BackupHost, check: str, **settings: Any) -> list[Finding]:
    """What a check finds; settings beside the defaults."""
    option = OPTIONS[check]
    table = {one.name: one.default for one in MEASURE.options}
    table["oldest"] = "3 months"
    table.update(settings)
    question = Question({option: table[option]}, table)
    return list(CHECKS[check].run(host, question, option))


def one(host: BackupHost, check: str, **settings: Any) -> Finding:
    (found,) = ask(host, check, **settings)
    return found


def env(host: BackupHost, repository: str) -> None:
    host.files["/etc/restic.env"] = ENV.replace("sftp:store@192.0.2.9:/srv/data1", repository)


def record(host: BackupHost, kind: str, **run: Any) -> None:
    told = {"kind": kind, "ended": at(20).replace(".123456789", ""), "ok": True, "repository_id": IDENTITY, **run}
    host.files[f"{RECORDS}/{kind}.json"] = json.dumps({"schema": 1, "last": told, "last_good": told})


# -- hosts without backups by restic ----------------------------------------------------------------------------------


@pytest.mark.parametrize("check", sorted(set(OPTIONS) - {"repository", "directories"}))
class TestNoBackups:
    def test_a_host_with_a_database_and_no_backup(self, host: BackupHost, check: str) -> None:
        host.jobs()
        found = one(host, check)
        assert (found.status, found.observed) == ("fail", "no timer and no line of cron makes a backup")

    def test_a_named_directory_is_enough(self, host: BackupHost, check: str) -> None:
        host.jobs()
        host.servers()
        assert one(host, check, directories=["/srv/files"]).status == "fail"

    def test_a_host_without_data(self, host: BackupHost, check: str) -> None:
        host.jobs()
        host.servers()
        assert one(host, check).status == "not_applicable"

    def test_a_host_with_a_database_that_nobody_knows(self, host: BackupHost, check: str) -> None:
        host.jobs()
        host.servers()
        host.given("strange databases", ["MongoDB is not known to us"])
        with pytest.raises(Exception, match="MongoDB"):
            ask(host, check)

    def test_backups_by_another_program(self, host: BackupHost, check: str) -> None:
        host.jobs(Job("x", "borgmatic", 1.0, "/etc/cron.d/backup:1"))
        found = one(host, check)
        assert (found.status, found.source) == ("error", "/etc/cron.d/backup:1")
        assert "borgmatic" in found.observed

    def test_a_script_that_is_not_understood(self, host: BackupHost, check: str) -> None:
        host.files["/opt/b.py"] = "#!/usr/bin/python3\nrun('restic backup')\n"
        host.jobs(Job("x", "/opt/b.py", 1.0, "/etc/cron.d/backup:1"))
        assert one(host, check).status == "error"


@pytest.mark.parametrize("check", ["recent", "oldest", "databases", "keys"])
def test_a_repository_that_does_not_answer(host: BackupHost, check: str) -> None:
    host.complaint = "ssh: connect to host 192.0.2.9 port 22: Connection refused"
    question = Question(
        {OPTIONS[check]: "1 day"}, {**{one.name: one.default for one in MEASURE.options}, "oldest": "1 day"}
    )
    (found,) = run_check(host, CHECKS[check], question, "data_backup", OPTIONS[check])
    assert found.status == "error"
    assert "the repository sftp:192.0.2.9:/srv/data1 did not answer" in found.observed
    assert "refused" in found.observed


# -- interval ---------------------------------------------------------------------------------------------------------


def test_a_recent_backup(host: BackupHost) -> None:
    found = one(host, "recent")
    assert (found.status, found.proof) == ("pass", "observed")
    assert found.subject == "/srv/files, /var/dumps in sftp:192.0.2.9:/srv/data1"
    assert "2026-11-20 06:00 UTC" in found.observed


@pytest.mark.parametrize("hours, status", [(24, "pass"), (29.9, "pass"), (30.1, "fail"), (200, "fail")])
def test_how_old_it_may_be(host: BackupHost, hours: float, status: str) -> None:
    host.snapshots = [snapshot(hours)]
    assert one(host, "recent").status == status


def test_of_a_short_interval_the_grace_is_short(host: BackupHost) -> None:
    host.snapshots = [snapshot(2.5)]
    assert one(host, "recent", interval="1 hour").status == "fail"
    host = BackupHost()
    host.snapshots = [snapshot(1.9)]
    assert one(host, "recent", interval="1 hour").status == "pass"


def test_no_snapshot_at_all(host: BackupHost) -> None:
    host.snapshots = None
    assert one(host, "recent").status == "fail"


def test_snapshots_of_others_do_not_count(host: BackupHost) -> None:
    host.snapshots = [snapshot(3, hostname="data2"), snapshot(90)]
    assert one(host, "recent").status == "fail"


@pytest.mark.parametrize("hours", [-1, -500])
def test_a_snapshot_that_is_dated_ahead(host: BackupHost, hours: float) -> None:
    host.snapshots = [snapshot(3), snapshot(hours, 2)]
    found = one(host, "recent")
    assert found.status == "fail"
    assert "dated ahead" in found.observed


def test_a_snapshot_that_claims_to_be_young(host: BackupHost) -> None:
    host.snapshots = [snapshot(3, summary={"backup_start": at(300)})]
    found = one(host, "recent")
    assert found.status == "fail"
    assert "younger than restic's clock" in found.observed


def test_a_job_that_does_not_run(host: BackupHost) -> None:
    fault = "cron does not run"
    host.jobs(Job("x", "/usr/local/sbin/backup", 1.0, "/etc/cron.d/backup:1", (fault,)))
    found = one(host, "recent")
    assert (found.status, found.observed) == ("fail", fault)


def unit(host: BackupHost, job: Job = JOB, command: str = "backup /srv/files /var/dumps") -> None:
    """Let a unit back up."""
    host.files["/etc/systemd/system/restic.service"] = f"[Service]\nExecStart=restic {command}\n"
    host.answers["systemctl", "show", "--no-pager", "-p", backup_jobs._FIELDS, "restic.service"] = (
        "EnvironmentFiles=/etc/restic.env (ignore_errors=no)\nFragmentPath=/etc/systemd/system/restic.service\n"
        "DropInPaths=\nId=restic.service\nLoadState=loaded\nUser=\n"
    )
    host.jobs(job)


def test_a_run_that_failed(host: BackupHost) -> None:
    failed = replace(JOB, failed=True, result="last run of restic.service: exit-code")
    unit(host, replace(failed, last=NOW - dt.timedelta(hours=2)))
    host._kept.pop("backup jobs", None)
    found = one(host, "recent")
    assert (found.status, found.proof) == ("fail", "running")
    host = BackupHost()
    unit(host, replace(failed, last=NOW - dt.timedelta(hours=6, minutes=1)))
    found = one(host, "recent")
    assert found.status == "pass"
    assert "though it made a snapshot" in found.observed


def test_a_job_that_runs_too_seldom_is_seen_by_its_snapshots(host: BackupHost) -> None:
    host.jobs(Job("x", "/usr/local/sbin/backup", 7.0, "/etc/cron.d/backup:1"))
    host.snapshots = [snapshot(6 + 168, 1), snapshot(6, 2)]
    assert one(host, "recent").status == "fail"
    host = BackupHost()
    host.jobs(Job("x", "/usr/local/sbin/backup", 7.0, "/etc/cron.d/backup:1"))  # Monday to Friday, say
    assert one(host, "recent").status == "pass"


def test_which_of_several_sets_a_job_makes_may_not_be_known(host: BackupHost) -> None:
    host.files["/usr/local/sbin/backup"] = (
        "#!/bin/sh\n. /etc/restic.env\nexport RESTIC_REPOSITORY RESTIC_PASSWORD\nrestic backup $1\n"
    )
    host.snapshots = [snapshot(300, 1, paths=["/a"]), snapshot(6, 2, paths=["/b"])]
    assert one(host, "recent").status == "error"
    host.given(("snapshots", "x"), None)
    host = BackupHost({"/usr/local/sbin/backup": host.files["/usr/local/sbin/backup"]})
    host.snapshots = [snapshot(7, 1, paths=["/a"]), snapshot(6, 2, paths=["/b"])]
    assert one(host, "recent").status == "pass"


@pytest.mark.parametrize("check", sorted(set(OPTIONS) - {"repository", "directories"}))
def test_a_repository_that_only_the_shell_knows(host: BackupHost, check: str) -> None:
    host.files["/usr/local/sbin/backup"] = "#!/bin/sh\nrestic -r $1 backup /srv/files\n"
    assert [found.status for found in ask(host, check)] == ["error"]


def test_what_is_missing_may_be_where_nobody_looked(host: BackupHost) -> None:
    host.files["/usr/local/sbin/backup"] += "restic -r $1 backup /srv/other /var/more\n"
    host.inside = {"/srv/files/a.txt": b"x"}
    assert one(host, "databases").status == "error"
    host.files["/srv/other/x"] = ""
    assert one(host, "directories", directories=["/srv/other"]).status == "error"


# -- the same repository ----------------------------------------------------------------------------------------------


def own_program(host: BackupHost, **more: Any) -> None:
    """Let the role's own program back up."""
    told = {
        "schema": 1, "host": "data1", "repository": "sftp:store@192.0.2.9:/srv/data1", "password_file": "/etc/p",
        "options": [], "repository_id": IDENTITY, "read_parts": 12, **more,
    }  # fmt: skip
    host.files[backup_jobs.SETTINGS] = json.dumps(told)
    name = f"{backup_jobs.PROGRAM}.service"
    host.files[f"/etc/systemd/system/{name}"] = f"[Service]\nExecStart=/usr/local/sbin/{backup_jobs.PROGRAM} backup\n"
    host.answers["systemctl", "show", "--no-pager", "-p", backup_jobs._FIELDS, name] = (
        f"EnvironmentFiles=\nFragmentPath=/etc/systemd/system/{name}\nDropInPaths=\nId={name}\nLoadState=loaded\n"
    )
    host.jobs(Job("own.timer", "", 1.0, "/x", unit=name))
    host.snapshots = [snapshot(6, tags=["privacy-hosting"], paths=[f"{backup_jobs.STATE}/dumps"])]


def test_the_same_repository(host: BackupHost) -> None:
    own_program(host)
    assert one(host, "repository").status == "pass"
    assert one(host, "recent").status == "pass"


def test_a_timer_that_was_switched_off(host: BackupHost) -> None:
    own_program(host)
    (job,) = host._kept["jobs"][0]
    host.given("timers not loaded", [replace(job, name=f"{backup_jobs.PROGRAM}.timer", faults=("it is not started",))])
    host.jobs()
    found = one(host, "recent")
    assert (found.status, found.observed) == ("fail", "it is not started")
    assert one(host, "elsewhere").status == "pass"


def test_a_timer_that_another_one_has_replaced_is_history(host: BackupHost) -> None:
    old = Job("old.timer", "", 1.0, "/x", ("old.timer is not started",), unit="old.service")
    host.given("timers not loaded", [old])
    host.answers["systemctl", "show", "--no-pager", "-p", backup_jobs._FIELDS, "old.service"] = (
        "FragmentPath=/etc/systemd/system/old.service\nId=old.service\nLoadState=loaded\n"
    )
    host.files["/etc/systemd/system/old.service"] = "[Service]\nExecStart=restic -r /old backup /srv\n"
    assert one(host, "recent").status == "pass"


def test_another_repository_in_its_place(host: BackupHost) -> None:
    own_program(host)
    host.identity = "b" * 64
    found = one(host, "repository")
    assert (found.status, found.source) == ("fail", backup_jobs.SETTINGS)


def test_where_nothing_was_written_down_nothing_is_told(host: BackupHost) -> None:
    assert ask(host, "repository") == []


def test_a_repository_that_does_not_tell_its_id(host: BackupHost) -> None:
    own_program(host)
    host.complaint = "ssh: connect to host 192.0.2.9 port 22: Connection refused"
    question = Question({"interval": "1 day"}, {one.name: one.default for one in MEASURE.options})
    (found,) = run_check(host, CHECKS["repository"], question, "data_backup", "interval")
    assert (found.status, found.check) == ("error", "repository")
    assert "the repository sftp:192.0.2.9:/srv/data1 did not answer" in found.observed
    assert "refused" in found.observed


# -- oldest -----------------------------------------------------------------------------------------------------------


def forgetting(host: BackupHost, flags: str) -> None:
    host.files["/usr/local/sbin/backup"] += f"restic forget {flags}\n"


@pytest.mark.parametrize(
    "flags, status",
    [
        ("--keep-within 30d", "pass"),
        ("--keep-within 2m15d", "pass"),
        ("--keep-within 1y", "fail"),
        ("--keep-daily 7 --keep-weekly 4", "pass"),
        ("--keep-daily 7 --keep-monthly 12", "fail"),
        ("--keep-last 10", "error"),
        ("--keep-within 30d --keep-tag forever", "error"),
        ("--keep-within 30d --dry-run", "error"),
    ],
)
def test_how_long_snapshots_are_kept(host: BackupHost, flags: str, status: str) -> None:
    forgetting(host, flags)
    assert one(host, "oldest").status == status


def test_an_old_snapshot(host: BackupHost) -> None:
    forgetting(host, "--keep-within 30d")
    host.snapshots = [snapshot(24 * 120, 1), snapshot(6, 2)]
    found = one(host, "oldest")
    assert (found.status, found.proof) == ("fail", "observed")


def test_nothing_that_removes_old_ones(host: BackupHost) -> None:
    found = one(host, "oldest")
    assert found.status == "error"
    assert "nothing was found that removes old ones" in found.observed


def test_old_ones_that_are_gone_show_that_somebody_removes_them(host: BackupHost) -> None:
    host.snapshots = [snapshot(30, 1, parent="f" * 64), snapshot(6, 2)]
    assert one(host, "oldest").status == "pass"


def test_the_machine_that_holds_them_may_remove_them(host: BackupHost) -> None:
    assert one(host, "oldest", store=["backup1 192.0.2.9"]).status == "pass"


def test_old_ones_by_another_name(host: BackupHost) -> None:
    forgetting(host, "--keep-within 30d")
    host.snapshots = [snapshot(24 * 400, 1, hostname="old-data1"), snapshot(6, 2)]
    assert one(host, "oldest").status == "error"


# -- databases --------------------------------------------------------------------------------------------------------


def test_a_database_that_is_whole_in_the_newest_snapshot(host: BackupHost) -> None:
    found = one(host, "databases")
    assert (found.status, found.subject) == ("pass", "postgresql/klanten")


@pytest.mark.parametrize(
    "name",
    [
        "klanten.sql", "klanten-2026-11-20.sql", "klanten_20261120_0215.sql.gz", "pg_klanten.sql",
        "backup-klanten.dump",
        "postgresql/klanten.sql", "db_dump_klanten-2026-11-20T02:15:00Z.sql",
    ],
)  # fmt: skip
def test_names_that_dumps_have(host: BackupHost, name: str) -> None:
    data = PLAIN.encode()
    host.inside = {f"/var/dumps/{name}": gzip.compress(data) if name.endswith("gz") else data}
    assert one(host, "databases").status == "pass"


def test_several_dumps_are_read_at_once(host: BackupHost) -> None:
    host.servers(
        host.server("postgresql", "PostgreSQL 15/main", ["klanten", "b"]),
        host.server("mariadb", "MariaDB", ["webshop"]),
    )
    host.inside.update({"/var/dumps/b.sql": b"", "/var/dumps/webshop.sql": MARIADB.encode()})
    found = ask(host, "databases")
    assert [(finding.subject, finding.status) for finding in found] == [
        ("postgresql/klanten", "pass"), ("postgresql/b", "fail"), ("mariadb/webshop", "pass"),
    ]  # fmt: skip
    assert len([argv for argv, _env in host.asked if "dump" in argv]) == 1


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "it is empty"),
        (PLAIN[:150].encode(), "its end is missing"),
        (gzip.compress(b""), "it is empty"),
        (PLAIN.replace("COPY", "--").encode(), "no rows"),
    ],
)
def test_a_dump_that_is_worth_nothing(host: BackupHost, data: bytes, words: str) -> None:
    host.inside["/var/dumps/klanten.sql"] = data
    found = one(host, "databases")
    assert found.status == "fail"
    assert words in found.observed
    assert found.source.startswith("/var/dumps/klanten.sql in ")


@pytest.mark.parametrize("there, status", [(1, "pass"), (2, "error"), (0, "pass")])
def test_a_dump_of_some_tables(host: BackupHost, monkeypatch: pytest.MonkeyPatch, there: int, status: str) -> None:
    monkeypatch.setattr(data_backup_complete, "_tables", lambda _server, _name: there)
    found = one(host, "databases")
    assert found.status == status
    assert ("makes 1 tables, where there are 2 now" in found.observed) is (there == 2)


def test_an_old_dump_in_a_new_snapshot(host: BackupHost) -> None:
    host.changed_hours_ago = 50
    found = one(host, "databases")
    assert (found.status, "its dump is of 2026-11-18" in found.observed) == ("fail", True)


def test_a_dump_of_another_server_s_database(host: BackupHost) -> None:
    host.inside["/var/dumps/klanten.sql"] = MARIADB.replace("webshop", "klanten").encode()
    assert one(host, "databases").status == "fail"


@pytest.mark.parametrize("name", ["klanten_old.sql", "notklanten.sql", "x.sql"])
def test_a_dump_of_something_else(host: BackupHost, name: str) -> None:
    host.inside = {f"/var/dumps/{name}": PLAIN.encode()}
    assert one(host, "databases").status == "fail"


def test_a_file_that_may_be_a_dump_of_it(host: BackupHost) -> None:
    host.inside = {"/var/dumps/klanten.sql.zst": b"\x28\xb5\x2f\xfd...."}
    assert one(host, "databases").status == "error"


def test_the_files_of_a_running_server_are_no_backup(host: BackupHost) -> None:
    host.inside = {"/var/lib/postgresql/15/main/base/5/PG_VERSION": b"15"}
    found = one(host, "databases")
    assert found.status == "fail"
    assert "do not fit each other" in found.observed


def test_a_base_backup_is_not_judged(host: BackupHost) -> None:
    host.inside = {"/srv/base/backup_manifest": b"{}"}
    assert one(host, "databases").status == "error"


def test_a_database_that_was_made_since(host: BackupHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.servers(host.server("postgresql", "PostgreSQL 15/main", ["klanten", "fresh"]))
    monkeypatch.setattr(data_backup_complete, "_created", lambda _server, _name: NOW - dt.timedelta(hours=2))
    found = ask(host, "databases")
    assert [finding.status for finding in found] == ["pass", "error"]
    assert "after the newest snapshot" in found[1].observed
    monkeypatch.setattr(data_backup_complete, "_created", lambda _server, _name: NOW - dt.timedelta(hours=12))
    assert [finding.status for finding in ask(host, "databases")] == ["pass", "fail"]


def test_a_database_that_is_left_out_is_told(host: BackupHost) -> None:
    host.servers(host.server("postgresql", "PostgreSQL 15/main", ["klanten", "scratch"]))
    found = ask(host, "databases", left_out=["postgresql/scratch"])
    assert [finding.status for finding in found] == ["pass", "not_applicable"]
    assert "postgresql/scratch" in found[1].observed


def test_a_large_dump_needs_a_restore_test(host: BackupHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_backup_complete, "MOST", 50)
    monkeypatch.setattr(data_backup_complete.dumps, "HEAD", 50)
    assert one(host, "databases").status == "error"
    loaded = [{"kind": "postgresql", "name": "klanten", "ok": True, "rows": 1}]
    record(host, "restore-test", databases=loaded)
    found = one(host, "databases")
    assert (found.status, "a restore test on" in found.observed) == ("pass", True)
    record(host, "restore-test", databases=loaded, repository_id="b" * 64)
    host._kept.pop(("read", f"{RECORDS}/restore-test.json"))
    assert one(host, "databases").status == "error"


def test_a_dump_that_restic_itself_runs(host: BackupHost) -> None:
    host.files["/usr/local/sbin/backup"] = (
        "#!/bin/sh\nset -a\n. /etc/restic.env\n"
        "restic backup --stdin-filename klanten.dump --stdin-from-command -- pg_dump -Fc klanten\n"
    )
    host.snapshots = [snapshot(6, paths=["/klanten.dump"])]
    host.inside = {"/klanten.dump": b"\x28\xb5\x2f\xfd...."}
    assert one(host, "databases").status == "pass"


def test_redis_that_holds_keys(host: BackupHost) -> None:
    host.servers(replace(host.server("redis", "Redis", []), port=6379))
    host.answers["redis-cli", "-p", "6379", "INFO", "keyspace"] = "# Keyspace\ndb0:keys=3,expires=0\n"
    assert one(host, "databases").status == "fail"
    host = BackupHost()
    host.servers(replace(host.server("redis", "Redis", []), port=6379))
    host.answers["redis-cli", "-p", "6379", "INFO", "keyspace"] = "# Keyspace\n"
    assert one(host, "databases").status == "not_applicable"


# -- directories ------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with files that are older than the snapshots."""
    for name in ("mail/a", "mail/b", "files/c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "one").write_text("x")
    return tmp_path


def old(path: str) -> os.stat_result:
    """What a file has, but for its times."""
    status = os.lstat(path)
    return os.stat_result((*status[:9], 0))


@pytest.fixture
def back(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BackupHost]:
    """A host that backs up a tree; but: what its snapshot lacks."""
    monkeypatch.setattr(data_backup_complete, "_status", old)
    monkeypatch.setattr(
        data_backup_complete.mounts, "view", lambda _host: View(0, "", (Mount(1, 0, "", "/", "/", "ext4", "x", {}),))
    )

    def make(flags: str = "", but: str = "", files: dict[str, str] | None = None) -> BackupHost:
        host = BackupHost(files)
        host.files["/usr/local/sbin/backup"] = f"#!/bin/sh\nset -a\n. /etc/restic.env\nrestic backup {flags} {tree}\n"
        host.snapshots = [snapshot(6, paths=[str(tree)])]
        host.inside = {
            str(path): b"x" for path in [tree, *tree.rglob("*")] if not but or not str(path).startswith(f"{tree}/{but}")
        }
        return host

    return make


def test_a_directory_that_is_whole(back: Callable[..., BackupHost], tree: Path) -> None:
    found = one(back(), "directories", directories=[str(tree)])
    assert (found.status, found.proof) == ("pass", "observed")


@pytest.mark.parametrize("flags", ["--exclude mail", "--exclude '*/mail'", "--exclude '**/mail/**'"])
def test_a_pattern_that_drops_mail(back: Callable[..., BackupHost], tree: Path, flags: str) -> None:
    found = one(back(flags, but="mail"), "directories", directories=[str(tree)])
    assert found.status == "fail"
    assert "missing" in found.observed
    assert "/a" not in found.observed.replace(str(tree), "")  # names of mailboxes are nobody's business


def test_a_pattern_in_a_file_is_named_by_its_line(back: Callable[..., BackupHost], tree: Path) -> None:
    host = back("--exclude-file=/etc/no", but="mail", files={"/etc/no": f"# not these\n{tree}/mail\n"})
    found = one(host, "directories", directories=[str(tree)])
    assert (found.status, found.source) == ("fail", "/etc/no:2")


def test_a_pattern_elsewhere_does_no_harm(back: Callable[..., BackupHost], tree: Path) -> None:
    assert one(back("--exclude /var/cache"), "directories", directories=[str(tree)]).status == "pass"
    assert one(back("--exclude '*.tmp'"), "directories", directories=[str(tree)]).status == "pass"


@pytest.mark.parametrize("flags", ["--exclude $X", "--exclude-larger-than 1M", "--exclude-if-present .no"])
def test_what_may_leave_out_a_part(back: Callable[..., BackupHost], tree: Path, flags: str) -> None:
    assert one(back(flags), "directories", directories=[str(tree)]).status == "error"


def test_too_many_files_to_look_for_a_pattern(
    back: Callable[..., BackupHost], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_backup_complete, "FILES", 2)
    assert one(back("--exclude '*.tmp'"), "directories", directories=[str(tree)]).status == "error"


def test_what_the_inventory_leaves_out(back: Callable[..., BackupHost], tree: Path) -> None:
    found = ask(back("--exclude mail", but="mail"), "directories", directories=[str(tree)], left_out=[f"{tree}/mail"])
    assert [finding.status for finding in found] == ["pass", "not_applicable"]


def test_a_file_system_that_is_mounted_in_it(
    back: Callable[..., BackupHost], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Mount(1, 0, "", "/", f"{tree}/mail", "ext4", "x", {})
    monkeypatch.setattr(data_backup_complete.mounts, "view", lambda _host: View(0, "", (there,)))
    found = one(back("--one-file-system"), "directories", directories=[str(tree)])
    assert (found.status, "is mounted in it" in found.observed) == ("fail", True)


def test_a_directory_in_no_snapshot(host: BackupHost) -> None:
    host.files["/srv/other/x"] = ""
    assert one(host, "directories", directories=["/srv/other"]).status == "fail"


def test_a_directory_that_is_not_there(host: BackupHost) -> None:
    assert one(host, "directories", directories=["/srv/none"]).status == "error"


def test_a_run_that_may_have_passed_over_files(back: Callable[..., BackupHost], tree: Path) -> None:
    host = back()
    failed = replace(JOB, failed=True, result="last run of restic.service: exit-code", last=NOW)
    unit(host, failed, f"backup {tree}")
    assert one(host, "directories", directories=[str(tree)]).status == "error"


@pytest.mark.parametrize(
    "pattern, path, left_out",
    [
        ("*.tmp", "/a/b.tmp", True),
        ("cache", "/a/cache/b", True),
        ("/a/*", "/a/b", True),
        ("/a/*", "/b/a", False),
        ("a/b", "/x/a/b/c", True),
        ("/a/**/d", "/a/b/c/d", True),
        ("b", "/abc", False),
    ],
)
def test_what_a_pattern_leaves_out(pattern: str, path: str, left_out: bool) -> None:
    assert data_backup_complete.matches(pattern, path) is left_out


# -- off_host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repository, status",
    [
        ("sftp:store@backup.example:/srv", "pass"),
        ("sftp://store@backup.example:2222//srv", "pass"),
        ("sftp:data1.example:/srv", "fail"),
        ("sftp:nowhere.example:/srv", "error"),
        ("rest:https://me:pass@backup.example/x", "pass"),
        ("rest:http://localhost:8000/", "fail"),
        ("s3:https://backup.example/bucket", "pass"),
        ("s3:http://127.0.0.1:9000/bucket", "fail"),
        ("b2:bucket:x", "pass"),
        ("/srv/backup", "fail"),
        ("strange:x", "error"),
        ("rclone:remote:x", "error"),
    ],
)
def test_where_it_lies(host: BackupHost, monkeypatch: pytest.MonkeyPatch, repository: str, status: str) -> None:
    mount = Mount(1, 0, "", "/", "/", "ext4", "/dev/sda1", {})
    monkeypatch.setattr(data_backup_where.mounts, "view", lambda _host: View(0, "", (mount,)))
    env(host, repository)
    found = one(host, "elsewhere")
    assert found.status == status
    assert "pass" not in found.subject + found.observed


@pytest.mark.parametrize(
    "kind, source, status",
    [
        ("nfs4", "backup.example:/x", "pass"),
        ("nfs", "localhost:/x", "fail"),
        ("fuse.rclone", "x:", "error"),
        ("xfs", "/dev/sdb", "fail"),
    ],
)
def test_on_which_file_system_it_lies(
    host: BackupHost, monkeypatch: pytest.MonkeyPatch, kind: str, source: str, status: str
) -> None:
    mount = Mount(1, 0, "", "/", "/mnt", kind, source, {})
    monkeypatch.setattr(data_backup_where.mounts, "view", lambda _host: View(0, "", (mount,)))
    env(host, "/mnt/backup")
    assert one(host, "elsewhere").status == status


@pytest.mark.parametrize(
    "kind, fstab",
    [("autofs", ""), ("autofs", "backup.example:/x /mnt nfs noauto,x-systemd.automount\n"),
     ("ext4", "backup.example:/x /mnt/backup nfs noauto 0 0\n")],
)  # fmt: skip
def test_what_is_mounted_on_demand_is_not_known(
    host: BackupHost, monkeypatch: pytest.MonkeyPatch, kind: str, fstab: str
) -> None:
    mount = Mount(1, 0, "", "/", "/mnt" if kind == "autofs" else "/", kind, "x", {})
    monkeypatch.setattr(data_backup_where.mounts, "view", lambda _host: View(0, "", (mount,)))
    host.files["/etc/fstab"] = fstab
    env(host, "/mnt/backup")
    assert one(host, "elsewhere").status == "error"


@pytest.mark.parametrize(
    "option, status",
    [
        ("rclone.program='ssh -F /c backup.example'", "pass"),
        ("rclone.program='ssh data1.example'", "fail"),
        ("rclone.program='/usr/local/bin/odd'", "error"),
    ],
)
def test_a_program_that_leads_to_it(host: BackupHost, option: str, status: str) -> None:
    env(host, "rclone:x:y")
    host.files["/usr/local/sbin/backup"] = (
        f"#!/bin/sh\nset -a\n. /etc/restic.env\nrestic -o {option} backup /srv/files\n"
    )
    assert one(host, "elsewhere").status == status


def test_a_remote_of_rclone_is_followed(host: BackupHost) -> None:
    env(host, "rclone:secret:x")
    host.files["/root/.config/rclone/rclone.conf"] = (
        "[box]\ntype = sftp\nhost = backup.example\npass = hush\n[secret]\ntype = crypt\nremote = box:dir\n"
    )
    found = one(host, "elsewhere")
    assert (found.status, "hush" in found.observed) == ("pass", False)


def test_without_a_password_it_is_not_encrypted(host: BackupHost) -> None:
    host.files["/usr/local/sbin/backup"] = (
        "#!/bin/sh\nset -a\n. /etc/restic.env\nrestic --insecure-no-password backup /srv/files\n"
    )
    assert one(host, "elsewhere").status == "fail"


# -- checked ----------------------------------------------------------------------------------------------------------


def test_a_check_that_was_recorded(host: BackupHost) -> None:
    record(host, "check", subset="3/12")
    assert one(host, "verified").status == "pass"


@pytest.mark.parametrize(
    "run, status",
    [
        ({"ok": False}, "fail"),
        ({"ended": "2026-10-01T00:00:00Z"}, "fail"),
        ({"ended": "2027-10-01T00:00:00Z"}, "fail"),
        ({"repository_id": "b" * 64}, "fail"),
        ({"subset": ""}, "fail"),
        ({"ended": "soon"}, "error"),
    ],
)
def test_a_record_that_shows_none(host: BackupHost, run: dict[str, Any], status: str) -> None:
    record(host, "check", **{"subset": "3/12", **run})
    assert one(host, "verified").status == status


def test_nothing_checks(host: BackupHost) -> None:
    assert one(host, "verified").status == "fail"


def test_a_check_by_cron_leaves_no_trace(host: BackupHost) -> None:
    host.files["/usr/local/sbin/backup"] += "restic check --read-data-subset=5%\n"
    assert one(host, "verified").status == "error"


@pytest.mark.parametrize(
    "command, shown, status",
    [
        (
            "check --read-data",
            "Result=success\nExecMainStatus=0\nExecMainExitTimestamp=Wed 2026-11-18 03:00:00 UTC\n",
            "pass",
        ),
        (
            "check --read-data",
            "Result=success\nExecMainStatus=0\nExecMainExitTimestamp=Sun 2026-11-01 03:00:00 UTC\n",
            "fail",
        ),
        ("check --read-data", "Result=success\nExecMainStatus=0\nExecMainExitTimestamp=\n", "error"),
        ("check", "Result=success\nExecMainStatus=0\nExecMainExitTimestamp=Wed 2026-11-18 03:00:00 UTC\n", "fail"),
    ],
)
def test_a_unit_that_checks(host: BackupHost, command: str, shown: str, status: str) -> None:
    unit(host)
    host.files["/etc/systemd/system/restic.service"] += f"ExecStart=restic {command}\n"
    host.answers["systemctl", "show", "-p", "Result,ExecMainStatus,ExecMainExitTimestamp", "restic.service"] = shown
    assert one(host, "verified").status == status


def test_after_a_restart_the_journal_knows(host: BackupHost) -> None:
    unit(host, command="check --read-data")
    host.files["/etc/systemd/system/restic.service"] += "ExecStart=restic backup /srv/files\n"
    host.answers["systemctl", "show", "-p", "Result,ExecMainStatus,ExecMainExitTimestamp", "restic.service"] = ""
    query = "-u restic.service MESSAGE_ID=39f53479d3a045ac8e11786248231fbf -n 1 -o json --no-pager"
    stamp = int((NOW - dt.timedelta(days=1)).timestamp() * 1e6)
    told = {"__REALTIME_TIMESTAMP": str(stamp), "JOB_RESULT": "done", "JOB_TYPE": "start"}
    fields = "--output-fields=JOB_RESULT,JOB_TYPE"
    host.answers["journalctl", *query.split(), fields] = json.dumps(told) + "\n"
    assert one(host, "verified").status == "pass"


# -- restored ---------------------------------------------------------------------------------------------------------

GOOD = {"databases": [{"kind": "postgresql", "name": "klanten", "rows": 9, "restored_rows": 9, "ok": True}]}


def test_a_restore_test_with_figures(host: BackupHost) -> None:
    record(host, "restore-test", **GOOD)
    found = one(host, "restore_test")
    assert (found.status, "1 databases with 9 rows" in found.observed) == ("pass", True)


@pytest.mark.parametrize(
    "run, words",
    [
        ({"ok": False}, "failed"),
        ({"ended": "2026-08-01T00:00:00Z"}, "went well on 2026-08-01"),
        ({"ended": "2027-08-01T00:00:00Z"}, "dated ahead"),
        ({"repository_id": "b" * 64}, "not in use"),
        ({"databases": []}, "no row"),
        ({"databases": [{**GOOD["databases"][0], "restored_rows": 0}]}, "fewer rows"),
        ({"databases": [{**GOOD["databases"][0], "ok": False}]}, "could not be restored"),
        ({"snapshot_time": "2027-08-01T00:00:00Z"}, "dated ahead"),
    ],
)
def test_a_restore_test_that_shows_nothing(host: BackupHost, run: dict[str, Any], words: str) -> None:
    record(host, "restore-test", **{**GOOD, **run})
    found = one(host, "restore_test")
    assert (found.status, words in found.observed) == ("fail", True)


def test_no_restore_test(host: BackupHost) -> None:
    assert one(host, "restore_test").status == "fail"


def test_a_record_that_is_not_understood(host: BackupHost) -> None:
    host.files[f"{RECORDS}/restore-test.json"] = "{"
    with pytest.raises(Exception, match="cannot be understood"):
        ask(host, "restore_test")


def test_a_record_of_somebody_else(host: BackupHost) -> None:
    record(host, "restore-test", **GOOD)
    host.files["/srv/test.json"] = host.files.pop(f"{RECORDS}/restore-test.json")
    assert one(host, "restore_test", records=["/srv/test.json"]).status == "pass"


# -- second_key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys, status", [([{"id": "a"}, {"id": "b"}], "pass"), ([{"id": "a"}], "fail")])
def test_how_many_keys_open_it(host: BackupHost, keys: list[dict[str, str]], status: str) -> None:
    host.keys = keys
    assert one(host, "keys").status == status


def test_the_key_that_the_password_opens_is_tried_first(host: BackupHost) -> None:
    host.keys = [{"id": "aa", "current": False}, {"id": "bb", "current": True}]
    ask(host, "recent")
    ask(host, "databases")
    asked = [(argv, env) for argv, env in host.asked if "restic" in argv]
    assert {("key" in argv, env.get("RESTIC_KEY_HINT")) for argv, env in asked} == {(True, None), (False, "bb")}


# -- append_only ------------------------------------------------------------------------------------------------------


def test_the_machine_that_holds_them_is_asked(host: BackupHost) -> None:
    found = one(host, "append_only", store=["backup1 192.0.2.9"])
    assert (found.status, "judged on backup1" in found.observed) == ("not_applicable", True)


@pytest.mark.parametrize("store", [[], ["backup2 192.0.2.77"]])
def test_a_machine_that_is_not_asked(host: BackupHost, store: list[str]) -> None:
    assert one(host, "append_only", store=store).status == "error"


def test_on_the_host_itself_all_can_be_removed(host: BackupHost, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = Mount(1, 0, "", "/", "/", "ext4", "/dev/sda1", {})
    monkeypatch.setattr(data_backup_where.mounts, "view", lambda _host: View(0, "", (mount,)))
    env(host, "/srv/backup")
    assert one(host, "append_only").status == "fail"


@pytest.mark.parametrize("safe, status", [(True, "pass"), (False, "fail"), (None, "error")])
def test_on_the_machine_that_holds_them(
    host: BackupHost, monkeypatch: pytest.MonkeyPatch, safe: bool | None, status: str
) -> None:
    host.jobs()
    host.servers()
    monkeypatch.setattr(backup_store, "ways", lambda _host: [Way("account store", safe, "so it is", "/k:1")])
    found = one(host, "append_only")
    assert (found.status, found.source) == (status, "/k:1")


def test_a_machine_that_should_hold_some_and_shows_none(host: BackupHost) -> None:
    host.jobs()
    host.servers()
    assert "error" in [found.status for found in ask(host, "append_only", clients=["data1"])]
