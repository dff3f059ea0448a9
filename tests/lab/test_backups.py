"""Backups of a real host on a real store: what is made, what cannot be undone from the host, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.fleet import HARDENED, Fleet

PROGRAM = "privacy-hosting-data-backup"
RETENTION = "privacy-hosting-data-backup-retention"
DUMPS = "/var/lib/privacy-hosting/data_backup/dumps"
REPOSITORY = "/srv/privacy-hosting-backup/data1/repository"
LISTED = f"{PROGRAM} restic snapshots --no-lock --json 2>/dev/null"


@pytest.fixture(scope="module")
def pair(fleet: Fleet) -> Fleet:
    """A host that is backed up and its store, hardened; the tests below leave each other what they need."""
    both = fleet.only(("data1", "backup1"))
    both.restore(HARDENED)
    return both


def snapshots(pair: Fleet) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pair.shell("data1", LISTED))
    return found


def record(pair: Fleet, kind: str, host: str = "data1", directory: str = "data_backup") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pair.shell(host, f"cat /var/lib/privacy-hosting/{directory}/{kind}.json"))
    return found


def start(pair: Fleet, unit: str, host: str = "data1") -> str:
    """Run a unit to its end; what systemd says of it then."""
    return pair.shell(host, f"systemctl start {unit} || true; systemctl is-failed {unit} || true").strip()


def test_harden_made_a_backup_and_tried_to_restore_it(pair: Fleet):
    assert len(snapshots(pair)) == 1
    restored = record(pair, "restore-test")["last_good"]
    rows = {one["name"]: (one["rows"], one["restored_rows"]) for one in restored["databases"]}
    assert rows["klanten"] == (22000, 22000)
    assert rows["webshop"] == (5200, 5200)
    assert restored["directories"] == [{"path": "/srv/files", "files": 3, "restored": 3, "ok": True}]
    assert record(pair, "check")["last_good"]["subset"] == "1/1"
    left = pair.shell(
        "data1", f"find {DUMPS} /var/lib/privacy-hosting-restore -mindepth 1; pgrep -u privacy-hosting-restore || true"
    )
    assert left == ""


@pytest.mark.only("trixie")
def test_no_secret_is_readable_by_others_or_in_arguments(pair: Fleet):
    for host, directory in (
        ("data1", "/etc/privacy-hosting/data_backup"),
        ("backup1", "/etc/privacy-hosting/data_backup_store"),
    ):
        assert pair.shell(host, f"stat -c '%U %a' {directory}").split() == ["root", "700"]
    units = pair.shell("data1", f"systemctl cat {PROGRAM} {PROGRAM}-check {PROGRAM}-restore-test")
    password = pair.shell("data1", "cat /etc/privacy-hosting/data_backup/password").strip()
    assert len(password) > 30
    assert password not in units
    logged = pair.shell("data1", "journalctl --no-pager -o cat; cat /etc/privacy-hosting/data_backup/settings.json")
    assert password not in logged


# side by side, for restic tries again and again what it is refused
ATTACKS = f"""
cd /root
{LISTED} | grep -o '"id":"[0-9a-f]*' | cut -d'"' -f4 > ids
{PROGRAM} restic key list 2>/dev/null | grep retention | grep -o '[0-9a-f]*' | head -1 > key
test -s ids && test -s key
timeout 10 {PROGRAM} restic forget $(cat ids) &
timeout 10 {PROGRAM} restic key remove $(cat key) &
CONFIG=/etc/privacy-hosting/data_backup/ssh_config
timeout 10 ssh -n -F $CONFIG store 'rm -rf repository; echo it went through' &
echo 'rm repository/config' | timeout 10 sftp -F $CONFIG -b - store && echo it went through &
wait
"""


def test_a_host_cannot_remove_its_backups(pair: Fleet):
    keys = pair.shell("backup1", f"ls {REPOSITORY}/keys {REPOSITORY}/config")
    before = [one["id"] for one in snapshots(pair)]
    assert "it went through" not in pair.shell("data1", ATTACKS)
    assert [one["id"] for one in snapshots(pair)] == before
    assert pair.shell("backup1", f"ls {REPOSITORY}/keys {REPOSITORY}/config") == keys


def test_a_dump_that_fails_or_is_empty_fails_the_run(pair: Fleet):
    before = [one["id"] for one in snapshots(pair)]
    # a dump that ends well and is empty, and one of which a default of the client takes the rows away
    breaks = {
        "is empty": (
            "cd /usr/lib/postgresql/*/bin; mv pg_dump real; printf '#!/bin/sh\\n' > pg_dump; chmod 755 pg_dump",
            "cd /usr/lib/postgresql/*/bin; mv real pg_dump",
        ),
        "holds 0 rows of orders": (
            "printf '[mariadb-dump]\\nwhere=1=0\\n[mysqldump]\\nwhere=1=0\\n' > /root/.my.cnf",
            "rm /root/.my.cnf",
        ),
        "cannot be dumped": (
            "systemctl stop mariadb.socket mariadb 2>/dev/null || systemctl stop mariadb",
            "systemctl start mariadb",
        ),
    }
    for told, (broken, mended) in breaks.items():
        pair.shell("data1", broken)
        assert start(pair, PROGRAM) == "failed"
        pair.shell("data1", mended)
        assert told in record(pair, "backup")["last"]["trouble"]
        assert pair.shell("data1", f"ls -A {DUMPS}") == ""
    assert [one["id"] for one in snapshots(pair)] == before
    assert start(pair, PROGRAM) == "inactive"
    assert len(snapshots(pair)) == len(before) + 1


@pytest.mark.only("trixie")
def test_a_restore_test_notices_what_does_not_come_back(pair: Fleet):
    pair.shell(
        "data1",
        f"{PROGRAM} restic restore latest --no-lock --target / --include {DUMPS} >/dev/null\n"
        f"sed -i '/^(17,/d' {DUMPS}/mariadb/*/webshop.sql\n"
        f"{PROGRAM} restic backup --host data1 --tag privacy-hosting {DUMPS} /srv/files >/dev/null; rm -r {DUMPS}/*",
    )
    assert start(pair, f"{PROGRAM}-restore-test") == "failed"
    assert "webshop: 5198 rows came back of 5200" in record(pair, "restore-test")["last"]["trouble"]
    assert start(pair, PROGRAM) == "inactive"


def test_a_dropped_database_and_a_removed_directory_come_back(pair: Fleet):
    # as the role's README tells an administrator
    pair.shell(
        "data1", "runuser -u postgres -- dropdb klanten; mariadb -e 'DROP DATABASE webshop'; rm -r /srv/files/contracts"
    )
    restored = pair.shell(
        "data1",
        f"""
        D={DUMPS}; C=$(basename $({PROGRAM} restic ls latest $D/postgresql 2>/dev/null | grep -m1 'main$'))
        {PROGRAM} restic dump latest $D/postgresql/$C/klanten.dump > /root/klanten.dump
        runuser -u postgres -- pg_restore --create --exit-on-error --dbname=postgres < /root/klanten.dump
        {PROGRAM} restic dump latest $D/mariadb/var-lib-mysql/webshop.sql > /root/webshop.sql
        mariadb --binary-mode < /root/webshop.sql
        {PROGRAM} restic restore latest --target / --include /srv/files/contracts > /dev/null
        runuser -u postgres -- psql -XAt klanten -c 'SELECT count(*) FROM invoice' \\
          -c "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'klanten'"
        mariadb -N -e 'SELECT COUNT(*) FROM webshop.orders'; ls /srv/files/contracts
        """,  # noqa: S608
    )
    assert restored.split() == ["20000", "klanten", "5000", "customer1.txt", "customer2.txt"]


def add(pair: Fleet, *days: int) -> list[str]:
    """Snapshots of the same set that the host says were made so many days ago; their identities, in that order."""
    before = {one["id"] for one in snapshots(pair)}
    backup = f"{PROGRAM} restic backup --quiet --host data1 --tag privacy-hosting"
    for number in days:
        at = f"\"$(date '+%F %T' -d '{number} days ago')\""
        pair.shell("data1", f"{backup} --time {at} {DUMPS} /srv/files")
    made = [one for one in snapshots(pair) if one["id"] not in before]
    assert len(made) == len(days)
    return [one["id"] for one in sorted(made, key=lambda one: one["time"], reverse=True)]


@pytest.mark.only("trixie")
def test_retention_removes_what_is_past_its_time_and_is_not_led_by_forged_times(pair: Fleet):
    new = [one["id"] for one in snapshots(pair)]
    new += add(pair, *(0, 1)[: 3 - len(new)])
    forged, old, backdated = add(pair, -3650, 120, 2000)
    pair.shell("backup1", f"touch -d '120 days ago' {REPOSITORY}/snapshots/{old}")

    assert start(pair, RETENTION, "backup1") == "failed"
    trouble = record(pair, "data1", "backup1", "data_backup_store")["last"]["trouble"]
    assert "nothing was removed, for the times of 2 snapshots cannot be" in trouble
    assert {one["id"] for one in snapshots(pair)} == {*new, old, forged, backdated}

    pair.shell("backup1", f"{RETENTION} --known {forged[:8]} --known {backdated[:8]}")
    assert {one["id"] for one in snapshots(pair)} == {*new, forged, backdated}
    assert start(pair, RETENTION, "backup1") == "inactive"
    assert start(pair, f"{PROGRAM}-check") == "inactive"


@pytest.mark.only("trixie")
def test_undo_takes_the_programs_back_and_no_backup(pair: Fleet):
    before = [one["id"] for one in snapshots(pair)]
    files = pair.shell("backup1", f"ls {REPOSITORY}/snapshots").split()
    played = pair.play("undo")
    assert played.status == 0, played.output
    assert pair.shell("data1", f"ls /usr/local/sbin /etc/systemd/system | grep {PROGRAM} || true") == ""
    assert pair.shell("backup1", f"ls /usr/local/sbin /etc/systemd/system | grep {RETENTION} || true") == ""
    assert set(before) == set(files) == set(pair.shell("backup1", f"ls {REPOSITORY}/snapshots").split())
