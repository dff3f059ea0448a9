"""Backups of a real host on a real store: what is made, what cannot be undone from the host, and what comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from lab.certificates import Certificates
from tests.lab.fleet import BIN, HARDENED, Fleet, Played, findings

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


# -- in a bucket ------------------------------------------------------------------------------------------------------

S3, S3_PORT, S3_LIMIT = "s3.example", 9000, 10  # seconds until it answers
KEY_ID, SECRET, CANARY = "lab", "s3-canary/of+data1=", "s3-canary"
LOCATION = f"s3:https://{S3}:{S3_PORT}/backups/data1"
# every command line on the host, from now on
WATCH = "systemd-run -q --unit watch sh -c 'while :; do ps -ewwo args; sleep 0.3; done > /run/seen'"


@dataclass(frozen=True)
class Bucket:
    """A bucket, and a host that knows its server. files: what is in it."""

    fleet: Fleet
    folder: Path

    @property
    def files(self) -> Path:
        return self.folder / "served" / "backups"

    def options(self, secret: str = SECRET) -> str:
        """The file that tells a playbook of it."""
        told = self.folder / "options.json"
        told.write_text(json.dumps({
            "data_backup_store": [], "data_backup_retention": "elsewhere", "data_backup_repository": LOCATION,
            "data_backup_s3_key_id": KEY_ID, "data_backup_s3_secret": secret,
            "data_backup_left_out": ["mariadb", "redis"],  # they take their time, and are tried above
        }))  # fmt: skip
        return f"@{told}"

    def harden(self, *arguments: str, secret: str = SECRET) -> Played:
        return self.fleet.play("harden", "--tags", "data_backup", "-e", self.options(secret), *arguments)


def answers(address: tuple[str, int]) -> bool:
    """Whether something listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(address) == 0


@pytest.fixture(scope="module")
def bucket(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket on the machine that holds the lab, whose server refuses what is not signed with its key."""
    bucket = Bucket(fleet.only(["data1"]), tmp_path_factory.mktemp("s3"))
    bucket.files.mkdir(parents=True)
    days = {"from": 1, "to": -720}
    pair = Certificates(fleet.lab.state / "certificates").site(
        S3, datetime.now(timezone.utc), names=[S3], key="EC:P-256", days=days
    )
    address = (fleet.lab.network.ipv4(1), S3_PORT)
    serve = [BIN / "rclone", "--config=", "serve", "s3", "--addr={}:{}".format(*address), f"--cert={pair.certificate}",
             f"--key={pair.key}", bucket.files.parent]  # fmt: skip
    known = {"HOME": str(bucket.folder), "RCLONE_AUTH_KEY": f'"{KEY_ID},{SECRET}"'}
    bucket.fleet.restore("pristine")
    with subprocess.Popen(serve, env=known, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + S3_LIMIT
            while server.poll() is None and time.monotonic() < end and not answers(address):
                time.sleep(0.1)
            bucket.fleet.shell("data1", f"echo '{address[0]} {S3}' >> /etc/hosts; {WATCH}")
            yield bucket
        finally:
            server.terminate()


@pytest.mark.only("trixie")
def test_a_wrong_key_of_a_bucket_is_told_and_nothing_is_left_behind(bucket: Bucket):
    played = bucket.harden("-vvv", secret=f"{CANARY}-wrong")
    assert played.status != 0
    assert "the repository cannot be opened: The request signature we calculated does not match" in played.output
    assert CANARY not in played.output
    units = bucket.fleet.shell("data1", f"ls /etc/systemd/system /usr/local/sbin | grep {PROGRAM} || true")
    assert (units, list(bucket.files.iterdir())) == ("", [])


@pytest.mark.only("trixie")
def test_a_bucket_holds_backups_that_come_back_and_nobody_learns_its_key(bucket: Bucket):
    host = bucket.fleet
    first, again = bucket.harden("--diff", "-vvv"), bucket.harden("--diff")
    assert first.status == again.status == 0, first.output + again.output
    assert again.recap["data1"]["changed"] == 0, again.output
    assert "the role does neither" in first.output  # it says what it leaves to the bucket
    units = [f"{PROGRAM}{which}" for which in ("", "-check", "-restore-test")]
    timers = host.shell("data1", f"systemctl is-active {' '.join(f'{unit}.timer' for unit in units)}")
    ended = host.shell("data1", f"systemctl show --value -p ExecMainExitTimestampMonotonic {' '.join(units)}")
    assert timers.split() == ["active"] * 3
    assert 0 not in map(int, ended.split()), "a first run was none of its unit"
    assert len(snapshots(host)) == 1

    record = host.audit("bucket", "-e", bucket.options())["data1"]
    told = {one["check"]: one for one in findings(record, measure="data_backup") if LOCATION in str(one)}
    assert {check: one["status"] for check, one in told.items()} == {
        "recent": "pass", "repository": "pass", "databases": "pass", "directories": "pass", "elsewhere": "pass",
        "verified": "pass", "restore_test": "pass", "keys": "pass",
        # what only the bucket could tell, and whoever removes old snapshots
        "append_only": "error", "oldest": "error",
    }  # fmt: skip
    assert "2 databases with 22000 rows, and 3 files, came back" in told["restore_test"]["observed"]
    sent = {one["observed"]: one["status"] for one in findings(record, check="backup_sent")}
    assert sent == {"restic sends over TLS": "pass", "certificate and name are checked": "pass"}

    # as the role's README tells whoever has lost the host, with nothing of it but the recovery password
    recovery = (host.lab.state / "secrets" / "backup-recovery").read_text().strip()
    restored = host.shell(
        "data1",
        f"""
        export AWS_ACCESS_KEY_ID='{KEY_ID}' AWS_SECRET_ACCESS_KEY='{SECRET}' RESTIC_PASSWORD='{recovery}'
        restic -r {LOCATION} --no-lock --no-cache restore latest --target /root/restored > /dev/null
        find /root/restored/srv /root/restored{DUMPS} -type f -printf '%f\\n'
        """,
    )
    assert {"customer1.txt", "klanten.dump"} <= set(restored.split())

    seen = host.shell("data1", "systemctl stop watch; sort -u /run/seen")
    assert LOCATION in seen
    logged = host.shell("data1", "journalctl --no-pager")
    reports = "".join(path.read_text() for path in (host.reports / "bucket").iterdir() if path.is_file())
    for shown in (first.output, again.output, seen, logged, reports):
        assert CANARY not in shown
    holders = host.shell("data1", f"grep -rlIs '{CANARY}' /etc /root /run /tmp /usr/local /var || true").split()
    assert holders == ["/etc/privacy-hosting/data_backup/s3.env"]
    assert host.shell("data1", f"stat -c '%U %a' {holders[0]}").split() == ["root", "600"]
