# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Down from a path to every disk: what counts as encrypted, what does not, and what cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import block_devices, mounts
from ansible_collections.privacy.hosting.plugins.module_utils._services.block_devices import Protection
from tests.unit.disk_host import BLOCKS, MOUNTS, NAMED, TABLE, DiskHost

HEAD = str(1 << 17)


def of(path: str, **host: Any) -> Protection:
    """What a path of such a host lies on."""
    seen = DiskHost(**host)
    return block_devices.of_path(seen, mounts.view(seen), path)


def mounted(line: str, **host: Any) -> Protection:
    """What lies on a file system that is mounted at /more, by the end of its line in mountinfo."""
    return of("/more/file", mounts=f"{MOUNTS}90 22 {line}\n", **host)


def with_target(table: str, uuid: str = "LVM-x", **more: Any) -> Protection:
    """What lies on a device of the device mapper with this table."""
    blocks = {**BLOCKS, "dm-9": {"dev": "252:9", "dm/name": "nine", "dm/uuid": uuid}, **more.pop("blocks", {})}
    lines = "".join(f"nine: {line}\n" for line in table.splitlines())
    return mounted(
        "252:9 / /more rw - ext4 /dev/mapper/nine rw",
        blocks=blocks,
        table=TABLE + lines,
        named=f"{NAMED}nine|252:9\n",
        **more,
    )


# -- what is encrypted ------------------------------------------------------------------------------------------------


def test_luks2_and_luks1_below_lvm_are_encrypted() -> None:
    told = of("/enc/x")
    assert (told.good, told.crypts) == (True, ("dm-0",))
    assert told.seen == "/dev/mapper/data (LUKS2, aes-xts-plain64) on /dev/vdb"
    told = of("/lv/x")
    assert (told.good, told.crypts) == (True, ("dm-1",))
    assert told.seen == "/dev/mapper/vg-db on /dev/mapper/pv (LUKS1, aes-xts-plain64) on /dev/vdc"


def test_a_bind_mount_lies_where_its_file_system_does() -> None:
    assert of("/var/lib/mysql/ibdata1").good is True
    assert of("/var/lib/mysqlx/ibdata1").good is False


def test_thin_volumes_lie_where_their_pool_does() -> None:
    blocks = {
        "dm-3": {"dev": "252:3", "dm/name": "vg-pool_tmeta", "dm/uuid": "LVM-m"},
        "dm-4": {"dev": "252:4", "dm/name": "vg-pool_tdata", "dm/uuid": "LVM-d"},
        "dm-5": {"dev": "252:5", "dm/name": "vg-pool-tpool", "dm/uuid": "LVM-t"},
        "dm-7": {"dev": "252:7", "dm/name": "vg-thin", "dm/uuid": "LVM-v"},
    }
    table = (
        "vg-pool-tpool: 0 409600 thin-pool 252:3 252:4 128 0 0 \nvg-pool_tdata: 0 409600 linear 252:1 624640\n"
        "vg-pool_tmeta: 0 8192 linear 252:1 1034240\nvg-thin: 0 204800 thin 252:5 1\n"
    )
    named = "vg-pool_tmeta|252:3\nvg-pool_tdata|252:4\nvg-pool-tpool|252:5\nvg-thin|252:7\n"
    line = "252:7 / /more rw - ext4 /dev/mapper/vg-thin rw"
    told = mounted(line, blocks={**BLOCKS, **blocks}, table=TABLE + table, named=NAMED + named)
    assert (told.good, told.crypts) == (True, ("dm-1",))
    bare = table.replace("linear 252:1 1034240", "linear 254:0 1034240")
    told = mounted(line, blocks={**BLOCKS, **blocks}, table=TABLE + bare, named=NAMED + named)
    assert told.good is False


def test_swap_with_a_random_key_is_encrypted() -> None:
    told = with_target("0 100 crypt aes-xts-plain64 000 0 254:16 0", uuid="CRYPT-PLAIN-nine")
    assert (told.good, told.seen) == (True, "/dev/mapper/nine (PLAIN, aes-xts-plain64) on /dev/vdb")


# -- what is not ------------------------------------------------------------------------------------------------------


def test_a_plain_disk_and_a_partition_of_it_are_not_encrypted() -> None:
    told = of("/srv")
    assert (told.good, told.seen) == (False, "/dev/vda is not encrypted, as far as this host can see")
    told = mounted("254:17 / /more rw - ext4 /dev/vdb1 rw", blocks={**BLOCKS, "vdb1": {"dev": "254:17", "disk": "vdb"}})
    assert told.good is False
    assert told.seen.startswith("/dev/vdb1 on /dev/vdb is not encrypted")


@pytest.mark.parametrize("cipher", ["cipher_null-ecb", "capi:authenc(hmac(sha256),cipher_null)-random", "null"])
def test_no_cipher_is_no_encryption(cipher: str) -> None:
    told = with_target(f"0 100 crypt {cipher} - 0 254:16 32768", uuid="CRYPT-LUKS2-0-nine")
    assert told.good is False
    assert f"{cipher} encrypts nothing" in told.seen


def test_no_cipher_over_encryption_is_encrypted() -> None:
    assert with_target("0 100 crypt cipher_null-ecb - 0 252:0 0").good is True


def test_a_mirror_with_one_plain_leg_is_not_encrypted() -> None:
    legs = {"md0": {"dev": "9:0", "slaves": "dm-0 vdc"}}
    assert mounted("9:0 / /more rw - ext4 /dev/md0 rw", blocks={**BLOCKS, **legs}).good is False
    legs = {"md0": {"dev": "9:0", "slaves": "dm-0 dm-1"}}
    told = mounted("9:0 / /more rw - ext4 /dev/md0 rw", blocks={**BLOCKS, **legs})
    assert (told.good, told.crypts) == (True, ("dm-0", "dm-1"))


def test_a_volume_with_one_plain_part_is_not_encrypted() -> None:
    assert with_target("0 100 linear 252:1 2048\n100 100 linear 254:0 0").good is False
    assert with_target("0 100 linear 252:1 2048\n100 100 linear 252:0 0").good is True


def test_a_file_system_over_two_devices_needs_both() -> None:
    at = "/sys/fs/btrfs/1b2c-3d/devices"
    line = "0:55 / /more rw - btrfs /dev/mapper/data rw,space_cache=v2"
    assert mounted(line, files={f"{at}/dm-0/.": "", f"{at}/vda/.": ""}).good is False
    assert mounted(line, files={f"{at}/dm-0/.": "", f"{at}/dm-1/.": ""}).good is True
    assert mounted(line).good is None


def test_an_external_log_of_xfs_counts() -> None:
    line = "252:0 / /more rw - xfs /dev/mapper/data rw,logdev={},noquota"
    assert mounted(line.format("/dev/vda")).good is False
    assert mounted(line.format("/dev/mapper/pv")).good is True


def test_a_loop_lies_where_its_file_does() -> None:
    line = "7:0 / /more rw - ext4 /dev/loop0 rw"

    def loop(path: str) -> Protection:
        return mounted(line, blocks={**BLOCKS, "loop0": {"dev": "7:0", "loop/backing_file": path}})

    assert loop("/srv/disk.img").good is False
    assert loop("/enc/disk.img").good is True
    assert loop("/enc/disk.img (deleted)").good is None


# -- what cannot be told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cipher", ["aes-ecb", "des3_ede-cbc-plain", "serpents-xts-plain64", "capi:xts(rot13)-plain64", ""]
)
def test_an_unknown_cipher_is_not_taken(cipher: str) -> None:
    assert block_devices.is_real(cipher) is None


@pytest.mark.parametrize(
    "cipher",
    ["aes-xts-plain64", "aes-cbc-essiv:sha256", "serpent-xts-plain64", "capi:xts(aes)-plain64",
     "capi:authenc(hmac(sha256),xts(aes))-random", "xchacha20,aes-adiantum-plain64", "aegis128-random"],
)  # fmt: skip
def test_ciphers_that_nobody_breaks_are(cipher: str) -> None:
    assert block_devices.is_real(cipher) is True


def test_without_the_device_mappers_table_nothing_is_said() -> None:
    told = of("/enc/x", table=None)
    assert told.good is None
    assert "table cannot be seen" in told.seen


def test_what_luks_opened_and_nothing_encrypts_is_not_known() -> None:
    told = with_target("0 100 linear 254:16 0", uuid="CRYPT-LUKS2-0a-nine")
    assert told.good is None
    assert "OPAL" in told.seen


def test_a_target_that_names_no_device_is_not_known() -> None:
    assert with_target("0 100 newfangled 17").good is None
    assert with_target("0 100 linear 99:99 0").good is None


@pytest.mark.parametrize(
    "line",
    [
        "0:60 / /more rw - nfs4 files:/export rw,addr=192.0.2.1",
        "0:60 / /more rw - cifs //files/share rw",
        "0:60 / /more rw - fuse.sshfs files: rw",
        "0:60 / /more rw - 9p host rw",
        "0:60 / /more rw - ecryptfs /srv/.private rw",
        "0:60 / /more rw - fuse.gocryptfs /srv/cipher rw",
        "0:60 / /more rw - overlay overlay rw,lowerdir=/l,upperdir=/nowhere/u,workdir=/w",
        "43:0 / /more rw - ext4 /dev/nbd0 rw",
        "0:60 / /more rw - somethingfs none rw",
    ],
)
def test_what_others_keep_or_encrypt_is_not_known(line: str) -> None:
    assert mounted(line, blocks={**BLOCKS, "nbd0": {"dev": "43:0"}}).good is None


def test_inside_a_container_nothing_is_said() -> None:
    told = of("/enc/x", files={"/run/.containerenv": ""})
    assert (told.good, "container (podman)" in told.seen) == (None, True)
    told = block_devices.of_swap(DiskHost(files={"/.dockerenv": ""}), "/dev/dm-0")
    assert told.good is None


# -- memory, swap, overlays, ZFS --------------------------------------------------------------------------------------


def test_memory_is_as_good_as_swap() -> None:
    assert of("/run/x").good is True
    assert of("/run/x", swaps="/dev/vda2 partition 1 0 -2\n", blocks={**BLOCKS, "vda2": {"dev": "254:2"}}).good is False
    assert of("/run/x", swaps="/dev/dm-0 partition 1 0 -2\n").good is True


def test_swap_in_memory_is_as_good_as_what_is_behind_it() -> None:
    def zram(backing: str) -> bool | None:
        blocks = {**BLOCKS, "zram0": {"dev": "251:0", "backing_dev": backing}}
        return block_devices.of_swap(DiskHost(blocks=blocks), "/dev/zram0").good

    assert (zram("none"), zram("/dev/vda"), zram("/dev/mapper/data")) == (True, False, True)


def test_a_swap_file_lies_where_its_path_does() -> None:
    host = DiskHost(swaps="/enc/swapfile file 262140 0 -2\n/swapfile file 262140 0 -3\n")
    assert block_devices.swaps(host) == ["/enc/swapfile", "/swapfile"]
    assert [block_devices.of_swap(host, path).good for path in block_devices.swaps(host)] == [True, False]


def test_an_overlay_lies_where_it_writes() -> None:
    line = "0:60 / /more rw - overlay overlay rw,lowerdir=/l,upperdir={}/u,workdir={}/w"
    assert mounted(line.format("/enc", "/enc"), files={"/enc/u/x": ""}).good is True
    assert mounted(line.format("/srv", "/srv"), files={"/srv/u/x": ""}).good is False


ZFS = ("zfs", "get", "-H", "-o", "property,value", "encryption,keystatus,keylocation", "tank/db")
POOL = ("zpool", "list", "-v", "-H", "-P", "-L", "tank")


def test_zfs_is_asked_whether_it_encrypts() -> None:
    line = "0:61 / /more rw - zfs tank/db rw,xattr"
    told = mounted(line, answers={ZFS: "encryption\taes-256-gcm\nkeystatus\tavailable\nkeylocation\tprompt\n"})
    assert (told.good, told.crypts) == (True, ("zfs:tank/db",))
    off = "encryption\toff\nkeystatus\t-\nkeylocation\tnone\n"
    listed = (
        "tank\t960M\t1M\t959M\t-\t-\t0%\t0%\t1.00x\tONLINE\t-\n\t/dev/{}\t1G\t1M\t959M\t-\t-\t0%\t0.1%\t-\tONLINE\n"
    )
    assert mounted(line, answers={ZFS: off, POOL: listed.format("dm-0")}).good is True
    assert mounted(line, answers={ZFS: off, POOL: listed.format("vda")}).good is False
    assert mounted(line, answers={ZFS: "encryption\trot13\nkeystatus\tavailable\n"}).good is None
    with pytest.raises(Unseen):
        mounted(line)


# -- seeing it --------------------------------------------------------------------------------------------------------


def test_the_heads_of_device_and_disk_are_compared() -> None:
    zero = ("cmp", "-s", "-n", HEAD, "/dev/dm-0", "/dev/zero")
    same = ("cmp", "-s", "-n", HEAD, "-i", "0:16777216", "/dev/dm-0", "/dev/vdb")
    assert block_devices.observed(DiskHost(answers={zero: 1, same: 1}), "dm-0").good is True
    assert block_devices.observed(DiskHost(answers={zero: 1, same: 0}), "dm-0").good is False
    assert block_devices.observed(DiskHost(answers={zero: 0}), "dm-0").good is None
    assert block_devices.observed(DiskHost(), "dm-2").good is None


def test_no_key_is_kept() -> None:
    table = block_devices.picture(DiskHost()).devices["dm-0"].table
    assert table == ("0 2064384 crypt aes-xts-plain64 - 0 254:16 32768",)


def test_the_devices_below_encryption_are_named() -> None:
    assert [one.name for one in block_devices.underlying(DiskHost(), ["dm-0", "dm-1"])] == ["vdb", "vdc"]


def test_the_worst_of_several_decides() -> None:
    good, bad, unknown = (Protection(told, str(told), "") for told in (True, False, None))
    assert block_devices.worst([good, unknown, bad]).good is False
    assert block_devices.worst([good, unknown]).good is None
    assert block_devices.worst([good, good]).good is True


# -- mounts -----------------------------------------------------------------------------------------------------------


def test_the_last_mount_on_a_point_lies_on_top() -> None:
    view = mounts.View(0, "", tuple(mounts.parse(f"{MOUNTS}91 22 254:0 /x /enc rw - ext4 /dev/vda rw\n")))
    assert view.mount_of("/enc/file").numbers == "254:0"
    assert [mount.point for mount in view.below("/var/lib")] == ["/var/lib/mysql", "/var/lib/postgresql"]


def test_blanks_in_mounts_are_read() -> None:
    (mount,) = mounts.parse("9 1 8:1 / /srv/my\\040disk rw - ext4 /dev/sda1 rw,errors=remount-ro\n")
    assert (mount.point, mount.options["errors"]) == ("/srv/my disk", "remount-ro")


def test_links_are_followed_as_the_process_would(tmp_path: Path) -> None:
    (tmp_path / "srv/real").mkdir(parents=True)
    (tmp_path / "srv/absolute").symlink_to("/srv/real")
    (tmp_path / "srv/relative").symlink_to("../srv/absolute")
    (tmp_path / "srv/round").symlink_to("round")
    view = mounts.View(7, str(tmp_path), ())
    assert view.real("/srv/relative/../real/file") == "/srv/real/file"
    assert view.real("/srv/absolute/x") == "/srv/real/x"
    with pytest.raises(Unseen):
        view.real("/srv/round")
