"""Databases on an encrypted disk of a real machine: nothing is formatted that holds anything, nothing starts empty."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.lab.conftest import Machines
from tests.lab.fleet import HARDENED, Fleet

pytestmark = pytest.mark.only("trixie")

DISK = "/dev/disk/by-id/virtio-lab-data"
ROLE = ("--tags", "disk_encryption")
ROWS = """
mariadb --skip-column-names -e 'SELECT count(*) FROM webshop.orders'
runuser -u postgres -- psql -XAt klanten -c 'SELECT count(*) FROM customer'
"""
ACTIVE = "systemctl is-active mariadb postgresql@17-main || true"
STATE = "/var/lib/privacy-hosting/disk-encryption"

# What no tool knows, in the midst of what looks empty.
UNKNOWN = f"printf secret | dd of={DISK} bs=1 seek=300000 conv=notrunc status=none"
STANDS = f"head -c 40M {DISK} | sha256sum"


def test_no_device_that_holds_anything_is_formatted(machines: Machines):
    fleet = machines.untouched
    fleet.restore("pristine")
    fleet.shell("db1", UNKNOWN)
    before = fleet.shell("db1", STANDS)
    played = fleet.play("harden", *ROLE)
    assert played.status != 0 and "data of an unknown kind" in played.output, played.output
    assert "is not empty: it holds" in played.output and "serial lab-data" in played.output
    assert fleet.shell("db1", STANDS) == before
    assert fleet.shell("db1", ACTIVE).split() == ["active", "active"]


@pytest.fixture
def moved(machines: Machines) -> Fleet:
    """The machine, hardened."""
    fleet = machines.hardened
    fleet.restore(HARDENED)
    return fleet


def test_hardened_it_lies_on_luks2_and_no_old_copy_is_left(moved: Fleet):
    header = moved.lab.state / "luks-headers" / "db1.luks-header"
    assert header.stat().st_mode & 0o777 == 0o600 and header.parent.stat().st_mode & 0o777 == 0o700
    assert header.read_bytes()[:6] == b"LUKS\xba\xbe"
    told = json.loads(moved.shell("db1", f"cryptsetup luksDump --dump-json-metadata {DISK}"))
    assert [segment["encryption"] for segment in told["segments"].values()] == ["aes-xts-plain64"]
    assert [slot["kdf"]["type"] for slot in told["keyslots"].values()] == ["argon2id"]
    assert moved.shell("db1", "ls -d /var/lib/*.unencrypted 2>/dev/null || true") == ""
    places = json.loads(moved.shell("db1", f"cat {STATE}/moved.json"))
    assert {place["path"] for place in places} == {"/var/lib/mysql", "/var/lib/postgresql"}
    assert "/dev/dm-" in moved.shell("db1", "swapon --show=NAME --noheadings")
    passphrase = (moved.lab.state / "secrets" / "disk-passphrase").read_text().strip()
    assert moved.shell("db1", f"grep -rlF '{passphrase}' /etc /var /run /root /tmp 2>/dev/null || true") == ""
    played = moved.play("harden", *ROLE)
    assert played.status == 0 and played.recap["db1"]["changed"] == 0, played.output


def test_after_a_reboot_no_database_starts_until_somebody_unlocks(moved: Fleet):
    before = moved.shell("db1", ROWS)
    moved.reboot("db1")
    assert moved.shell("db1", ACTIVE).split() == ["inactive", "inactive"]
    for unit in ("mariadb", "postgresql@17-main"):
        assert "dependency job" in moved.shell("db1", f"systemctl start {unit} 2>&1 || true")
    assert moved.shell("db1", "ls -A /var/lib/mysql /var/lib/postgresql | grep -v : || true").strip() == ""
    assert moved.shell("db1", "touch /var/lib/mysql/x 2>/dev/null || echo refused").strip() == "refused"
    played = moved.play("unlock", "-e", "disk_encryption_passphrase=another-passphrase-than-that")
    assert "does not open this host's encrypted volume" in played.output
    begun = time.monotonic()
    played = moved.play("unlock")
    assert played.status == 0, played.output
    assert "mariadb.service was started" in played.output and time.monotonic() - begun < 200
    assert moved.shell("db1", ROWS) == before
    played = moved.play("unlock")
    assert played.recap["db1"]["changed"] == 0 and "nothing was to be opened here" in played.output


TANG_PORT = 7500
# the unit that asks tang servers is not waited for at the start of a machine
UNTIL = "timeout 200 sh -c 'until {}; do sleep 1; done'"
RUN_BY_THEMSELVES = UNTIL.format("systemctl -q is-active mariadb && systemctl -q is-active postgresql@17-main")
ASKED = UNTIL.format('journalctl -b -u privacy-hosting-unlock | grep -q "no tang server"')


@pytest.fixture
def tang(moved: Fleet) -> Iterator[tuple[str, str]]:
    """Address and thumbprint of a tang server on another host of the lab."""
    moved.lab.up(["backup1"])
    moved.shell("backup1", "systemctl start tangd.socket")
    thumbprint = moved.shell("backup1", f"tang-show-keys {TANG_PORT}").strip()
    yield f"http://{moved.address('backup1')}:{TANG_PORT}", thumbprint
    moved.shell("backup1", "systemctl stop tangd.socket")


def test_a_tang_server_lets_databases_start_and_without_it_they_wait_for_somebody(
    moved: Fleet, tang: tuple[str, str]
) -> None:
    url, thumbprint = tang
    before, kept = moved.shell("db1", ROWS), moved.lab.state / "luks-headers" / "db1.luks-header"
    header = kept.read_bytes()
    server = {"disk_encryption_unlock": "tang", "disk_encryption_tang_servers": [f"{url} {thumbprint}"]}
    played = moved.play("harden", *ROLE, "--diff", "-e", json.dumps(server))
    assert played.status == 0 and f"bound to {url}" in played.output, played.output
    assert kept.read_bytes() != header
    moved.reboot("db1")
    moved.shell("db1", RUN_BY_THEMSELVES)
    assert moved.shell("db1", ROWS) == before

    moved.shell("backup1", "systemctl stop tangd.socket")
    moved.reboot("db1")
    moved.shell("db1", ASKED)
    assert moved.shell("db1", ACTIVE).split() == ["inactive", "inactive"]
    assert moved.shell("db1", "ls -A /var/lib/mysql /var/lib/postgresql | grep -v : || true").strip() == ""
    played = moved.play("unlock")
    assert played.status == 0 and "mariadb.service was started" in played.output, played.output
    assert moved.shell("db1", ROWS) == before
