# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypting a device: nothing is formatted that holds anything, and no database is lost or left down."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError
from ansible_collections.privacy.hosting.plugins.module_utils._changes import (
    disk_device,
    disk_encryption,
    disk_move,
    disk_places,
    disk_swap,
    disk_unlock,
    disk_volume,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_device import named, prove_empty
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_move import Group, MoveError, Mover, Place
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_places import Planner, Wanted
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_swap import Swaps
from ansible_collections.privacy.hosting.plugins.module_utils._changes.disk_volume import Volumes
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result

MIB = 1 << 20
USERS_OF = disk_move.users_of
PASSPHRASE = "correct horse battery staple"  # noqa: S105  of no device


def answer(argv: Sequence[str], rc: int = 0, stdout: str = "", stderr: str = "") -> Result:
    return Result(tuple(argv), rc, stdout, stderr)


class Commands:
    """Answers commands by how they begin, the longest beginning first; keeps what was called."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        self.answers = {name.replace("_", " "): told for name, told in answers.items()}
        self.called: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Result:
        line = " ".join(argv)
        self.called.append(line)
        for beginning in sorted(self.answers, key=len, reverse=True):
            if line.startswith(beginning):
                return answer(argv, *self.answers[beginning])
        return answer(argv)


# -- the device -------------------------------------------------------------------------------------------------


def block(name: str, **more: Any) -> dict[str, Any]:
    """A device as lsblk tells it."""
    told = {"name": name, "path": f"/dev/{name}", "type": "disk", "serial": None, "wwn": None, "size": 4 << 30}
    return {**told, "ro": False, "fstype": None, "pttype": None, "mountpoints": [None], **more}


LSBLK = [
    block("vda", serial="root-1", pttype="gpt", children=[block("vda1", type="part", mountpoints=["/"])]),
    block("vdb", serial="DATA-1", wwn="0x5000c500a1b2c3d4"),
    block("vdc", serial="old-1", fstype="xfs"),
    block("vdd", serial="same"),
    block("vde", serial="same"),
    block("vdf", serial="swap-1", fstype="swap", mountpoints=["[SWAP]"]),
    block("vdg", serial="lvm-1", fstype="LVM2_member", children=[block("vg-data", type="lvm")]),
]


def known(tree: Sequence[dict[str, Any]] = LSBLK) -> list[disk_device.Device]:
    return disk_device.devices(Commands(lsblk=(0, json.dumps({"blockdevices": tree}))), by_id="/nowhere")


@pytest.mark.parametrize("name", ["DATA-1", "0x5000c500a1b2c3d4"])
def test_a_device_is_found_by_a_name_that_lasts(name):
    assert named(name, known()).path == "/dev/vdb"


def test_a_device_is_found_by_its_name_below_by_id(tmp_path):
    (tmp_path / "virtio-DATA-1").symlink_to("/dev/vdb")
    found = disk_device.devices(Commands(lsblk=(0, json.dumps({"blockdevices": LSBLK}))), by_id=str(tmp_path))
    assert named("virtio-DATA-1", found).path == named("/dev/disk/by-id/virtio-DATA-1", found).path == "/dev/vdb"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/dev/vdb", "call it 0x5000c500a1b2c3d4"),
        ("nvme0n1", "may be another device after the next start"),
        ("DATA-2", "devices that look empty: /dev/vdb \\(serial DATA-1, 4.0 GiB\\)"),
        ("same", "is the name of /dev/vdd .* and /dev/vde"),
    ],
)
def test_other_names_are_refused(name, told):
    with pytest.raises(ChangeError, match=told):
        named(name, known())


def empty(tmp_path: Path, size: int = 40 * MIB) -> disk_device.Device:
    """A device of zeros, which is really a file."""
    path = tmp_path / "device"
    with path.open("wb") as stream:
        stream.truncate(size)
    return disk_device.Device(str(path), "disk", "DATA-1", "", size, (), ())


NOTHING = {"wipefs": (0, ""), "blkid": (2, "")}


def test_zeros_are_empty(tmp_path):
    prove_empty(empty(tmp_path), Commands(**NOTHING))


@pytest.mark.parametrize("offset", [0, 511, MIB - 1, 20 * MIB, 40 * MIB - 1])
def test_one_byte_is_not_empty(tmp_path, offset):
    device = empty(tmp_path)
    with open(device.path, "r+b") as stream:
        stream.seek(offset)
        stream.write(b"\x01")
    with pytest.raises(ChangeError, match=r"data of an unknown kind .*left as it is"):
        prove_empty(device, Commands(**NOTHING))


@pytest.mark.parametrize(
    ("serial", "told"),
    [
        ("root-1", "a partition table \\(gpt\\); part vda1"),
        ("old-1", "holds xfs"),
        ("swap-1", "swap in use"),
        ("lvm-1", "lvm vg-data"),
    ],
)
def test_what_lsblk_shows_is_named(serial, told):
    with pytest.raises(ChangeError, match=told):
        prove_empty(named(serial, known()), Commands(**NOTHING), probe=lambda device: "")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"wipefs": (0, '{"signatures": [{"type": "zfs_member", "offset": "0x3f000"}]}')}, "zfs_member at 0x3f000"),
        ({"blkid": (8, "")}, "more than one kind"),
        ({"blkid": (0, "TYPE=drbd")}, "a signature that blkid knows"),
        ({"wipefs": (1, "")}, "nobody knows what is on"),
        ({"blkid": (4, "")}, "nobody knows what is on"),
    ],
)
def test_what_cannot_be_seen_or_is_signed_is_not_empty(tmp_path, answers, told):
    with pytest.raises(ChangeError, match=told):
        prove_empty(empty(tmp_path), Commands(**{**NOTHING, **answers}))


@pytest.mark.parametrize("line", ["{} /srv ext4 defaults 0 2", "cryptswap {} /dev/urandom swap"])
def test_what_configuration_means_is_not_empty(tmp_path, monkeypatch, line):
    # below /dev, as all devices are: where tables name others, those are not meant
    device = replace(empty(tmp_path), path="/dev/null")
    table = tmp_path / "fstab"
    table.write_text(f"# {line.format('/dev/null')}\nUUID=1 / ext4\n{line.format('/dev/null')}\n")
    assert list(disk_device._mentions(device, (str(table), str(tmp_path / "absent")))) == [f"what {table}:3 means"]
    assert list(disk_device._mentions(replace(device, path="/dev/zero"), (str(table),))) == []


# -- the volume -------------------------------------------------------------------------------------------------


class Cryptsetup(Commands):
    """cryptsetup, blkid and mount on a file that plays the device; ends itself at a command when told to."""

    def __init__(self, device: disk_device.Device) -> None:
        super().__init__()
        self.device, self.uuid, self.ends_at = device, "", ""
        self.open = self.mounted = False

    def __call__(self, argv: Sequence[str]) -> Result:
        line = " ".join(argv)
        self.called.append(line)
        if self.ends_at and self.ends_at in line:
            self.ends_at = ""
            raise KeyboardInterrupt
        if argv[0] == "lsblk":
            node = block("vdb", path=self.device.path, serial="DATA-1", size=self.device.size)
            return answer(argv, 0, json.dumps({"blockdevices": [node]}))
        if argv[0] == "wipefs":
            found = [{"type": "crypto_LUKS", "offset": "0"}] if self.uuid else []
            return answer(argv, 0, json.dumps({"signatures": found}))
        if argv[0] == "blkid":
            return answer(argv, 0 if self.uuid else 2, self.uuid)
        self.open = (self.open or argv[:2] == ("cryptsetup", "open")) and argv[:2] != ("cryptsetup", "close")
        self.mounted = self.mounted or argv[0] == "mount"
        return answer(argv)

    def tell(self, argv: Sequence[str], secret: str) -> Result:
        result = self(argv)
        assert secret == PASSPHRASE
        if "luksFormat" in argv:
            self.uuid = argv[argv.index("--uuid") + 1]
        return result


@pytest.fixture
def luks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Volumes, Cryptsetup]]:
    device = Cryptsetup(empty(tmp_path, 300 * MIB))
    monkeypatch.setattr(disk_volume, "MOUNTED", str(tmp_path / "encrypted"))
    (tmp_path / "encrypted").mkdir()
    (tmp_path / "fstab").write_text("UUID=1 / ext4 defaults 0 1")

    class Mine(Volumes):
        def is_open(self) -> bool:
            return device.open

        def is_mounted(self) -> bool:
            return device.mounted

    def made(passphrase: str = PASSPHRASE, check: bool = False) -> tuple[Volumes, Cryptsetup]:
        state, fstab = str(tmp_path / "state"), str(tmp_path / "fstab")
        return Mine(passphrase, check, state, fstab, device, device.tell), device

    return made


def test_an_empty_device_becomes_the_volume_once(luks, tmp_path):
    volumes, device = luks()
    assert "is encrypted with LUKS2" in volumes.ensure("DATA-1", MIB)[0]
    formatting = next(line for line in device.called if "luksFormat" in line)
    assert "--type luks2 --cipher aes-xts-plain64 --key-size 512" in formatting and "argon2id" in formatting
    assert not any(PASSPHRASE in line for line in device.called)
    assert PASSPHRASE not in repr(volumes)
    line = (tmp_path / "fstab").read_text().splitlines()[1]
    assert line.endswith("ext4 noauto,nofail,x-systemd.device-timeout=1s 0 2")
    assert volumes.ensure("DATA-1", MIB) == []
    assert sum("luksFormat" in line for line in device.called) == 1


def test_check_mode_writes_nothing(luks, tmp_path):
    volumes, device = luks(check=True)
    assert volumes.ensure("DATA-1", MIB)
    assert {line.split()[0] for line in device.called} <= {"lsblk", "wipefs", "blkid"}
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("passphrase", "told"), [("", "is not set"), ("short", "at least 16"), ("two lines\nof a passphrase", "one line")]
)
def test_a_bad_passphrase_is_refused_before_anything_is_written(luks, passphrase, told):
    volumes, device = luks(passphrase)
    with pytest.raises(ChangeError, match=told) as raised:
        volumes.ensure("DATA-1", MIB)
    assert not passphrase or passphrase not in str(raised.value)
    assert not any("cryptsetup" in line for line in device.called)


def test_a_device_that_is_too_small_is_refused(luks):
    volumes, device = luks()
    with pytest.raises(ChangeError, match="too small"):
        volumes.ensure("DATA-1", 200 * MIB)
    assert device.uuid == ""


@pytest.mark.parametrize("moment", ["luksFormat", "cryptsetup open", "mkfs.ext4", "systemctl daemon-reload", "mount"])
def test_making_that_was_cut_off_is_ended_by_the_next_run(luks, moment):
    volumes, device = luks()
    device.ends_at = moment
    with pytest.raises(KeyboardInterrupt):
        volumes.ensure("DATA-1", MIB)
    first = device.uuid
    assert volumes.ensure("DATA-1", MIB)
    assert volumes.known().phase == "ready" and device.mounted
    assert not first or device.uuid == first


def test_an_encrypted_device_of_somebody_else_is_not_formatted(luks):
    volumes, device = luks()
    device.uuid = "6f9a1c3e-0000-4000-8000-000000000000"
    with pytest.raises(ChangeError, match="crypto_LUKS"):
        volumes.ensure("DATA-1", MIB)
    # nor where our own making was cut off on another device before
    volumes._note(disk_volume.Volume("/dev/x", "00000000-0000-4000-8000-000000000001", "", "formatting"))
    with pytest.raises(ChangeError, match="crypto_LUKS"):
        volumes.ensure("DATA-1", MIB)
    assert not any("luksFormat" in line for line in device.called)


def test_another_device_than_the_volume_is_refused(luks):
    volumes, device = luks()
    volumes.ensure("DATA-1", MIB)
    device.uuid = "6f9a1c3e-0000-4000-8000-000000000000"
    with pytest.raises(ChangeError, match="was made on"):
        volumes.ensure("DATA-1", MIB)


# -- moving -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing of it runs any more."""


class Server:
    """A host with one database server, as far as moving needs it. Mounts are links aside of the directories.

    ends_at: the number of the command at which the mover is killed; refuses: a command that fails; starts: whether the
    server starts on the copy; loses: whether it then lists other databases; spoils: what befalls the copy.
    """

    def __init__(self, top: Path) -> None:
        self.top, self.calls = top, 0
        self.data, self.volume = top / "lib" / "mysql", top / "encrypted"
        self.active, self.masked, self.mounted = True, False, set()
        self.ends_at, self.refuses, self.starts, self.loses = 0, "", True, False
        self.spoils: Callable[[Path], None] = lambda copy: None
        (self.data / "shop").mkdir(parents=True)
        (self.data / "shop" / "orders").write_bytes(os.urandom(3 * 4096))
        (self.data / "current").symlink_to("shop")
        (self.data / "shop").chmod(0o700)
        self.volume.mkdir()
        (top / "state").mkdir()
        (top / "fstab").write_text("UUID=1 / ext4 defaults 0 1\n")

    def group(self) -> Group:
        place = Place(str(self.data), f"{self.volume}/mysql", f"{self.data}.unencrypted")
        line = f"{place.copy} {place.path} none bind,noauto,nofail 0 0"
        drop_in = {str(self.top / "units" / "drop-in.conf"): "[Unit]\n"}
        return Group("MariaDB", "run-1", ("mariadb.service",), ((("ask",),),), (place,), (line,), drop_in, {})

    def __call__(self, argv: Sequence[str]) -> tuple[int, str, str]:
        self.calls += 1
        if self.calls == self.ends_at:
            raise Killed
        line = " ".join(argv)
        if self.refuses and self.refuses in line:
            return 1, "", "no such luck"
        if argv[0] == "cp":
            shutil.copytree(argv[-2], argv[-1], symlinks=True)
            self.spoils(Path(argv[-1]))
        return getattr(self, f"_{argv[0]}", self._nothing)(*argv[1:])

    def _nothing(self, *_words: str) -> tuple[int, str, str]:
        return 0, "", ""

    def _ask(self) -> tuple[int, str, str]:
        if not self.active:
            return 1, "", "it does not run"
        return 0, "other\n" if self.loses and self.mounted else "shop\n", ""

    def _mount(self, _bind: str, copy: str, path: str) -> tuple[int, str, str]:
        assert os.listdir(path) == []  # the empty mount point
        self.mounted.add(path)
        return 0, "", ""

    def _umount(self, path: str) -> tuple[int, str, str]:
        self.mounted.remove(path)
        return 0, "", ""

    def _systemctl(self, verb: str, *words: str) -> tuple[int, str, str]:
        if verb in ("mask", "unmask"):
            self.masked = verb == "mask"
        elif verb == "stop":
            self.active = False
        elif verb == "start":
            if self.masked or (self.mounted and not self.starts):
                return 1, "", "it does not start"
            self.active = True
        elif verb == "is-active":
            return (0 if self.active else 3), "", ""
        elif verb == "is-system-running":
            return 0, "running\n", ""
        return 0, "", ""

    # -- what must hold ---------------------------------------------------------------------------------------

    def is_as_before(self) -> bool:
        return (
            self.active and not self.masked and not self.mounted
            and (self.data / "shop" / "orders").stat().st_size == 3 * 4096
            and not Path(f"{self.data}.unencrypted").exists()
            and (self.top / "fstab").read_text() == "UUID=1 / ext4 defaults 0 1\n"
            and not (self.top / "units" / "drop-in.conf").exists()
            and not (self.top / "state" / "moving.json").exists()
        )  # fmt: skip

    def is_moved(self) -> bool:
        return (
            self.active and not self.masked and self.mounted == {str(self.data)}
            and os.listdir(self.data) == []
            and (self.volume / "mysql" / "shop" / "orders").stat().st_size == 3 * 4096
            and Path(f"{self.data}.unencrypted", "shop", "orders").exists()
            and str(self.volume) in (self.top / "fstab").read_text()
            and (self.top / "units" / "drop-in.conf").exists()
            and not (self.top / "state" / "moving.json").exists()
        )  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    points = made.mounted
    monkeypatch.setattr(disk_move, "_ANSWER_S", 0.0)
    monkeypatch.setattr(disk_move, "users_of", lambda top: iter(()))  # asks every process of this machine
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in points or str(path) == str(made.volume))
    return made


def mover(server: Server) -> Mover:
    return Mover(str(server.volume), str(server.top / "state"), str(server.top / "fstab"), server, lambda _s: None)


def test_a_server_is_moved_and_what_was_compared_is_written_down(server):
    mover(server).move(server.group())
    assert server.is_moved()
    (moved,) = json.loads((server.top / "state" / "moved.json").read_text())
    assert moved["figures"]["files"] == 1 and moved["figures"]["size"] == 3 * 4096
    assert moved["units"] == ["mariadb.service"] and moved["old"].endswith("mysql.unencrypted")
    assert mover(server).settle() == ""


CALLS = 14


@pytest.mark.parametrize("number", range(1, CALLS + 1))
def test_a_mover_that_is_killed_at_any_command_leaves_a_server_up_with_its_data(server, number):
    server.ends_at = number
    with pytest.raises(Killed):
        mover(server).move(server.group())
    mover(server).settle()
    assert server.is_as_before() or server.is_moved()
    # and the run after it ends the job
    if not server.is_moved():
        mover(server).move(server.group())
    assert server.is_moved()


@pytest.mark.parametrize("number", [5, 8, 10, 12])
@pytest.mark.parametrize("again", range(1, 9))
def test_putting_back_that_is_killed_too_is_ended_later(server, number, again):
    server.ends_at = number
    with pytest.raises(Killed):
        mover(server).move(server.group())
    server.starts = False
    server.ends_at = server.calls + again
    with contextlib.suppress(Killed):
        mover(server).settle()
    server.ends_at = 0
    mover(server).settle()
    assert server.is_as_before()


def test_there_are_no_more_commands_to_be_killed_at(server):
    mover(server).move(server.group())
    assert server.calls == CALLS


@pytest.mark.parametrize(
    "refused", ["systemctl mask", "systemctl stop", "cp ", "sync", "chattr +i", "mount --bind", "daemon-reload"]
)
def test_what_fails_puts_the_server_back_up(server, refused):
    server.refuses = refused
    if refused == "daemon-reload":  # which putting back needs as well: it says what is not as it was
        with pytest.raises(MoveError, match="NOT put back"):
            mover(server).move(server.group())
        server.refuses = ""
        mover(server).settle()
    else:
        with pytest.raises(MoveError, match="no such luck; the server was started again on its old directory"):
            mover(server).move(server.group())
    assert server.is_as_before() or server.is_moved()


@pytest.mark.parametrize(("what", "value"), [("starts", False), ("loses", True)])
def test_a_server_that_does_not_run_well_on_the_copy_goes_back_and_the_copy_is_kept(server, what, value):
    setattr(server, what, value)
    with pytest.raises(MoveError, match="what it wrote meanwhile is in"):
        mover(server).move(server.group())
    assert server.is_as_before()
    assert len(list(server.volume.glob("mysql.failed-*"))) == 1


def spoil_content(top: Path) -> None:
    (top / "shop" / "orders").write_bytes(b"\0" * 3 * 4096)


def spoil_mode(top: Path) -> None:
    (top / "shop").chmod(0o755)


def spoil_link(top: Path) -> None:
    (top / "current").unlink()
    (top / "current").symlink_to("elsewhere")


def spoil_name(top: Path) -> None:
    (top / "shop" / "orders").rename(top / "shop" / "invoices")


def test_a_server_that_does_not_answer_is_not_even_stopped(server):
    server.refuses = "ask"
    with pytest.raises(MoveError, match=r"MariaDB: the server could not be asked .*; it was left as it is"):
        mover(server).move(server.group())
    assert server.is_as_before() and server.calls == 1


@pytest.mark.parametrize("spoil", [spoil_content, spoil_mode, spoil_link, spoil_name])
def test_a_copy_that_differs_is_not_used(server, spoil):
    server.spoils = spoil
    with pytest.raises(MoveError, match="is not the same"):
        mover(server).move(server.group())
    assert server.is_as_before()
    assert not list(server.volume.iterdir())


def test_a_directory_that_somebody_uses_is_not_moved(server, monkeypatch):
    monkeypatch.setattr(disk_move, "users_of", USERS_OF)
    with (server.data / "shop" / "orders").open("rb"):
        with pytest.raises(MoveError, match=rf"\({os.getpid()}\) still uses"):
            mover(server).move(server.group())
        assert server.is_as_before()


def test_a_server_that_may_run_on_a_locked_volume_is_not_put_back(server, monkeypatch):
    moving = {"group": asdict(server.group()), "phase": "starting", "active": [], "answers": [], "files_before": {}}
    (server.top / "state" / "moving.json").write_text(json.dumps(moving))
    monkeypatch.setattr(os.path, "ismount", lambda path: False)
    with pytest.raises(MoveError, match="not open"):
        mover(server).settle()
    assert (server.top / "state" / "moving.json").exists()


def test_the_moving_program_stands_alone(server, tmp_path, capsys):
    """As systemd runs it: what is planned in a file, and how it went in another."""
    state = tmp_path / "state"
    (state / "plan.json").write_text(json.dumps({"volume": str(server.volume), "groups": []}))
    assert disk_move.main(["move", str(state)]) == 0
    assert json.loads((state / "outcome.json").read_text()) == {"said": [], "failed": ""}
    source = Path(disk_move.__file__).read_text()
    assert "from ." not in source and "from ansible" not in source


# -- swap -------------------------------------------------------------------------------------------------------


@pytest.fixture
def swaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Swaps, Commands]]:
    (tmp_path / "fstab").write_text("UUID=1 / ext4 defaults 0 1\n/dev/null none swap sw 0 0\n")
    (tmp_path / "crypttab").write_text("# <target name>\n")
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n/dev/null partition 262140 0 -2\n")
    (tmp_path / "generator").touch()
    monkeypatch.setattr(disk_swap, "is_encrypted", lambda path: False)
    monkeypatch.setattr(Swaps, "_generator", lambda self: str(tmp_path / "generator"))
    commands = Commands(**{"blkid --probe --match-tag TYPE": (0, "swap\n"), "blkid --probe": (0, "3dbe472e-01\n")})
    paths = [str(tmp_path / name) for name in ("state", "fstab", "crypttab", "swaps")]
    yield Swaps(False, commands, *paths), commands


def test_swap_gets_a_new_key_at_each_start(swaps, tmp_path):
    made, commands = swaps
    assert made.ensure("encrypt") == ["swap on /dev/null is encrypted with a new random key at each start"]
    line = (tmp_path / "crypttab").read_text().splitlines()[-1]
    assert line.startswith("privacy-hosting-swap0 PARTUUID=3dbe472e-01 /dev/urandom swap,cipher=aes-xts-plain64")
    assert (tmp_path / "fstab").read_text() == (
        "UUID=1 / ext4 defaults 0 1\n/dev/mapper/privacy-hosting-swap0 none swap sw,nofail 0 0\n"
    )
    assert commands.called.index("swapoff /dev/null") < len(commands.called) - 1


def test_swap_that_is_still_used_after_a_cut_keeps_its_name(swaps, tmp_path):
    made, commands = swaps
    commands.answers["swapoff"] = (1, "")
    with pytest.raises(ChangeError, match="swapoff"):
        made.ensure("encrypt")
    commands.answers.pop("swapoff")
    made.ensure("encrypt")
    assert (tmp_path / "crypttab").read_text().count("privacy-hosting-swap") == 1
    assert (tmp_path / "fstab").read_text().count("privacy-hosting-swap0") == 1


def test_swap_is_switched_off_or_left(swaps, tmp_path):
    made, commands = swaps
    assert made.ensure("leave") == []
    assert made.ensure("off") == ["swap on /dev/null is switched off"]
    assert (tmp_path / "fstab").read_text() == "UUID=1 / ext4 defaults 0 1\n"
    assert "swapoff /dev/null" in commands.called


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"blkid --probe --match-tag TYPE": (0, "ext4\n")}, "holds ext4"),
        ({"blkid --probe --match-tag PART": (2, "")}, "no name that lasts"),
    ],
)
def test_swap_that_is_none_or_has_no_lasting_name_is_refused(swaps, tmp_path, answers, told):
    made, commands = swaps
    commands.answers.update(answers)
    with pytest.raises(ChangeError, match=told):
        made.ensure("encrypt")
    assert (tmp_path / "crypttab").read_text() == "# <target name>\n"


def test_a_swap_file_is_refused(swaps, tmp_path):
    made, _commands = swaps
    (tmp_path / "fstab").write_text("/swapfile none swap sw 0 0\n")
    (tmp_path / "swaps").write_text("Filename\n")
    with pytest.raises(ChangeError, match="the file /swapfile"):
        made.ensure("encrypt")


# -- places -----------------------------------------------------------------------------------------------------


@pytest.fixture
def planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    monkeypatch.setattr(Planner, "_is_safe", lambda self, path: False)
    return Planner(Host(), Wanted(["all"], ["data", "logs", "temporary", "dumps"], [], "run-1"), [], Commands())


def test_what_lies_in_a_home_of_servers_moves_as_a_whole(planner, tmp_path, monkeypatch):
    home = tmp_path / "postgresql"
    (home / "15" / "main").mkdir(parents=True)
    (tmp_path / "space" / "PG_15").mkdir(parents=True)
    monkeypatch.setitem(disk_places._HOMES, "postgresql", str(home))
    paths = [f"{home}/15/main", f"{home}/15/main/pg_wal", str(tmp_path / "space"), str(tmp_path / "space" / "PG_15")]
    assert [place.path for place in planner._places("postgresql", paths)] == [str(home), str(tmp_path / "space")]


@pytest.mark.parametrize("path", ["/", "/var/log", "/tmp"])  # noqa: S108
def test_what_others_use_too_is_not_moved(planner, path):
    with pytest.raises(ChangeError, match="not the server's alone"):
        planner._places("mariadb", [path])


def test_a_file_system_inside_is_refused(planner):
    with pytest.raises(ChangeError, match="a file system of its own"):
        planner._place("/proc/sys" if os.path.ismount("/proc/sys") else "/dev/pts")


def test_an_old_copy_in_the_way_is_refused(planner, tmp_path):
    (tmp_path / "mysql").mkdir()
    (tmp_path / "mysql.unencrypted").mkdir()
    with pytest.raises(ChangeError, match="in the way"):
        planner._place(str(tmp_path / "mysql"))


# -- old copies and unlocking -----------------------------------------------------------------------------------


def test_an_old_copy_is_overwritten_before_it_goes(tmp_path, monkeypatch):
    old = tmp_path / "mysql.unencrypted"
    (old / "shop").mkdir(parents=True)
    (old / "shop" / "orders").write_bytes(b"x" * (MIB + 5))
    os.link(old / "shop" / "orders", tmp_path / "seen")
    (old / "current").symlink_to("/etc/hostname")
    (old / "other").write_bytes(b"y" * 10)
    overwritten = []
    monkeypatch.setattr(disk_encryption, "_overwrite", lambda path, size: overwritten.append((path, size)))
    disk_encryption.wipe(str(old))
    assert overwritten == [(str(old / "other"), 10)]  # a file with another name elsewhere is somebody's
    assert not old.exists() and (tmp_path / "seen").read_bytes()[:1] == b"x"


def test_overwriting_leaves_zeros(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * (MIB + 5))
    disk_encryption._overwrite(str(tmp_path / "file"), MIB + 5)
    assert (tmp_path / "file").read_bytes() == bytes(MIB + 5)


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., disk_encryption.Done]:
    """An old copy that lies there, and what a run does with it."""
    (tmp_path / "mysql").mkdir()
    old = tmp_path / "mysql.unencrypted"
    old.mkdir()
    (tmp_path / "state").mkdir()
    info = old.lstat()
    place = {"path": str(tmp_path / "mysql"), "old": str(old), "run": "run-1", "units": ["mariadb.service"]}
    place.update(files={}, fstab=[], old_inode=[info.st_dev, info.st_ino])
    monkeypatch.setattr(disk_encryption, "is_encrypted", lambda path: True)
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(tmp_path / "mysql"))

    def done(old_copy: str = "remove", run: str = "run-2", commands: Commands | None = None, **more: Any):
        (tmp_path / "state" / "moved.json").write_text(json.dumps([{**place, **more}]))
        rules = disk_encryption.Rules("DATA-1", ("all",), (), (), "operator", "leave", old_copy, "", run)
        said = disk_encryption.Done()
        encryption = disk_encryption.Encryption(Host(), rules, False, commands or Commands(), str(tmp_path / "state"))
        encryption._old_copies(said)
        return said

    return done


def test_an_old_copy_is_removed_by_a_later_run(moved, tmp_path):
    assert "is overwritten and removed" in moved().lines[0]
    assert not (tmp_path / "mysql.unencrypted").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"old_copy": "keep"}, "still holds, in clear"),
        ({"run": "run-1"}, "this very run moved it"),
        ({"old_inode": [1, 2]}, "not the directory that was moved"),
        ({"commands": Commands(systemctl=(3, ""))}, "mariadb.service does not run"),
        ({"path": "/nowhere"}, "does not lie on the encrypted volume"),
    ],
)
def test_an_old_copy_stays_where_anything_is_amiss(moved, tmp_path, more, told):
    done = moved(**more)
    assert told in done.warnings[0] and not done.lines
    assert (tmp_path / "mysql.unencrypted").exists()


@pytest.mark.parametrize("settled", ["MariaDB: the server was started again on its old directory", ""])
def test_a_move_of_which_all_was_killed_is_settled_and_told(tmp_path, monkeypatch, settled):
    monkeypatch.setattr(Mover, "settle", lambda self: settled)
    rules = disk_encryption.Rules("DATA-1", ("all",), (), (), "operator", "leave", "keep", "", "run-1")
    encryption = disk_encryption.Encryption(Host(), rules, False, Commands(), str(tmp_path))
    with pytest.raises(disk_move.MoveError, match=settled or "see journalctl"):
        encryption._let_systemd_move([])


def unlocking(tmp_path: Path, opens: int = 0, starts: int = 0, enabled: int = 0) -> tuple[list[str], list[str]]:
    """What unlocking says, and what it calls."""
    (tmp_path / "volume.json").write_text(json.dumps({"luks": "null", "device": "/dev/vdb", "phase": "ready"}))
    (tmp_path / "moved.json").write_text(json.dumps([{"path": str(tmp_path), "units": ["mariadb.service"]}]))
    called: list[str] = []

    def run(argv: Sequence[str]) -> int:
        called.append(" ".join(argv))
        codes = {"cryptsetup open": opens, "systemctl start": starts, "systemctl is-enabled": enabled}
        return 1 if argv[1] == "is-active" else codes.get(" ".join(argv[:2]), 0)

    try:
        return list(disk_unlock.unlock(str(tmp_path), run)), called
    except disk_unlock.UnlockError as error:
        return [str(error)], called


@pytest.fixture
def device_there(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: True if "by-uuid" in str(path) else real(path))


def test_unlocking_opens_mounts_and_starts_in_this_order(tmp_path, device_there):
    said, called = unlocking(tmp_path)
    assert said[0] == "the encrypted volume was opened" and said[-1] == "mariadb.service was started"
    kinds = [line.split()[0] for line in called]
    assert kinds == ["cryptsetup", "mount", "mount", *["systemctl"] * 4]


def test_a_wrong_passphrase_starts_nothing(tmp_path, device_there):
    said, called = unlocking(tmp_path, opens=2)
    assert said == ["the passphrase is wrong"]
    assert not any("mount" in line or "start" in line for line in called)


def test_a_server_that_does_not_start_is_told_and_one_that_is_disabled_is_left(tmp_path, device_there):
    assert "did not start" in unlocking(tmp_path, starts=1)[0][-1]
    said, called = unlocking(tmp_path, enabled=1)
    assert said[-1] == "mariadb.service is not enabled, and was not started"
    assert not any("systemctl start" in line for line in called)


def test_a_device_that_is_gone_is_told(tmp_path):
    assert "is not there" in unlocking(tmp_path)[0][0]
