# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing databases to an encrypted volume: first the volume, then, once its header is safe, the data.

Nothing of this is a transaction that undo puts back: data that were written to the volume cannot be un-encrypted by
putting files back.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .._change import Caller, ChangeError, complaint, now
from .._host import Host, Limits
from .._services import database_servers
from . import disk_move, disk_unlock
from .disk_device import candidates, devices
from .disk_move import MoveError, Mover
from .disk_places import Planner, Wanted, is_encrypted, size_of
from .disk_swap import ENCRYPT, Swaps
from .disk_tang import Tang, parse
from .disk_unlock import MOUNTED
from .disk_volume import HEADER, UNLOCK, Volumes, tell

VOLUME, DATA = "volume", "data"
KEEP, REMOVE = "keep", "remove"
TANG = "tang"

# What is asked must be answered, on a busy host too: a move that was planned by half would be worse than none.
LIMITS = Limits(command_s=120.0, total_s=3600.0, names=5_000_000)

_POLL_S = 1.0


@dataclass(frozen=True)
class Rules:
    """What an administrator asks for, as the module's parameters tell it."""

    device: str
    servers: tuple[str, ...]
    covers: tuple[str, ...]
    dump_paths: tuple[str, ...]
    unlock: str
    swap: str
    old_copy: str
    passphrase: str = field(repr=False)
    run: str = ""
    tang_servers: tuple[str, ...] = ()


@dataclass
class Done:
    """What a step did, or in check mode would do. packages: that the host lacks for it, so that nothing was done.

    header: SHA-256 of the volume's header.
    """

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    header: str = ""


@dataclass
class Encryption:
    """The steps of the role on a host. Each raises ChangeError, Unseen or MoveError."""

    host: Host
    rules: Rules
    check: bool = False
    run: Caller = tell
    state: str = disk_move.STATE

    # -- the volume -------------------------------------------------------------------------------------------

    def volume(self) -> Done:
        """The named device is an encrypted volume, open and mounted; its header is ready to be copied off the host."""
        done = Done(packages=self._packages())
        if not self.rules.device:
            done.warnings += self._without_device()
            return done
        self._see_rules()
        self._see_no_move()
        volumes = Volumes(self.rules.passphrase, self.check, self.state, run=self.run)
        tang = self._tang(volumes)
        if tang.servers:
            tang.see_servers(self.host)
        if done.packages and not self.check:
            return done
        if not self.check:
            _write_unlock()
        groups = [] if volumes.is_made() else self._planner().groups()
        done.lines += volumes.ensure(self.rules.device, sum(size_of(group.places) for group in groups))
        tang = self._tang(volumes)
        done.lines += (tang.ensure if tang.servers else tang.remove)(done.warnings.append)
        if not self.check:
            done.header = volumes.save_header()
        return done

    def _tang(self, volumes: Volumes) -> Tang:
        servers = parse(self.rules.tang_servers) if self.rules.unlock == TANG else []
        return Tang(servers, volumes.header_on(), self.rules.passphrase, self.check, self.state, run=self.run)

    def _packages(self) -> list[str]:
        wanted = {"cryptsetup-bin": "cryptsetup"} if self.rules.device or self.rules.swap == ENCRYPT else {}
        wanted.update({"e2fsprogs": "mkfs.ext4"} if self.rules.device else {})
        wanted.update({"clevis-luks": "clevis-luks-bind"} if self.rules.device and self.rules.unlock == TANG else {})
        found = [package for package, command in wanted.items() if not self.host.has(command)]
        generators = ("/usr/lib/systemd/system-generators", "/lib/systemd/system-generators")
        there = any(os.path.exists(f"{folder}/systemd-cryptsetup-generator") for folder in generators)
        return found + (["systemd-cryptsetup"] if self.rules.swap == ENCRYPT and not there else [])

    def _see_rules(self) -> None:
        if not self.rules.servers and not self.rules.dump_paths:
            raise ChangeError(
                "disk_encryption_servers is empty: say which servers' data go to the device, for example [all]"
            )
        if self.run(("systemd-detect-virt", "--quiet", "--container")).rc == 0:
            raise ChangeError(
                "this host is a container, which has no devices to encrypt; encrypt the disk of the machine that it "
                "runs on, and leave disk_encryption_device empty here"
            )

    def _see_no_move(self) -> None:
        if self.run(("systemctl", "is-active", "--quiet", disk_move.UNIT)).rc == 0:
            raise ChangeError(
                "an earlier run still moves databases on this host, and ends by itself; wait for it: "
                f"journalctl -fu {disk_move.UNIT}"
            )

    def _without_device(self) -> list[str]:
        """What to do where no device is named and databases are not encrypted, in a line."""
        own = [server for server in database_servers.servers(self.host) if not server.contained]
        clear = [s.name for s in own if os.path.exists(s.data_directory) and not is_encrypted(s.data_directory)]
        if not clear:
            return []
        if self.run(("systemd-detect-virt", "--quiet", "--container")).rc == 0:
            free = "a container has none of its own: encrypt the disk of the machine that it runs on"
        else:
            free = candidates(devices(self.run))
            if free.startswith("no device"):
                free += ": attach a second disk, free a logical volume, or install the host anew on an encrypted disk"
        return [f"{', '.join(clear)} is not encrypted; name an empty device as disk_encryption_device ({free})"]

    # -- the data ---------------------------------------------------------------------------------------------

    def data(self) -> Done:
        """Servers' data lie on the volume, swap is as wanted, and old copies too."""
        done = Done()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(HEADER)
        if self.rules.device:
            self._see_no_move()
            self._settle(done)
            self._move(done)
            self._repair(done)
            self._old_copies(done)
        swaps = Swaps(self.check, self.run, self.state)
        done.warnings += swaps.warnings(self.rules.swap)
        done.lines += swaps.ensure(self.rules.swap)
        return done

    def _planner(self) -> Planner:
        rules = self.rules
        wanted = Wanted(rules.servers, rules.covers, rules.dump_paths, rules.run or now())
        return Planner(self.host, wanted, [place["path"] for place in self._moved()], self.run)

    def _moved(self) -> list[dict[str, Any]]:
        return disk_move.load(os.path.join(self.state, "moved.json")) or []

    def _settle(self, done: Done) -> None:
        """Put back, or end, what a run that was cut off left."""
        if self.check:
            if os.path.exists(os.path.join(self.state, "moving.json")):
                done.lines.append("what a run that was cut off left is put back, or ended")
            return
        told = Mover(MOUNTED, self.state).settle()
        if told:
            done.lines.append(told)
            done.warnings.append(f"an earlier run was cut off while it moved databases: {told}")

    def _move(self, done: Done) -> None:
        planner = self._planner()
        groups = planner.groups()
        done.warnings += planner.warnings
        for group in groups:
            for place in group.places:
                done.lines.append(f"{group.name}: {place.path} moves to the encrypted volume, and stays as {place.old}")
            done.lines += [f"{path} is written" for path in group.files]
        if self.check or not groups:
            return
        if not os.path.ismount(MOUNTED):
            raise ChangeError(f"the encrypted volume is not mounted at {MOUNTED}; nothing was moved")
        needed, free = sum(size_of(group.places) for group in groups), shutil.disk_usage(MOUNTED).free
        if needed * 1.02 > free:
            raise ChangeError(
                f"the encrypted volume has {free >> 20} MiB left for {needed >> 20} MiB; nothing was moved"
            )
        self._let_systemd_move([asdict(group) for group in groups])

    def _let_systemd_move(self, groups: Sequence[dict[str, Any]]) -> None:
        """Run disk_move as a unit, which goes on without us, and which settles itself where it is killed."""
        program, outcome = (os.path.join(self.state, name) for name in ("move.py", "outcome.json"))
        disk_move.write(program, inspect.getsource(disk_move))
        plan = {"volume": MOUNTED, "groups": groups}
        disk_move.write(os.path.join(self.state, "plan.json"), json.dumps(plan, indent=1))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(outcome)
        python = sys.executable or "/usr/bin/python3"
        result = self.run(
            (
                "systemd-run", "--quiet", "--collect", f"--unit={disk_move.UNIT}",
                "--description=Move databases to the encrypted volume",
                "--property=TimeoutStopSec=infinity",
                f"--property=ExecStopPost={python} -IB {program} settle {self.state}",
                python, "-IB", program, "move", self.state,
            )
        )  # fmt: skip
        if result.rc != 0:
            raise ChangeError(f"systemd-run could not start the move: {complaint(result)}; nothing was moved")
        while self.run(("systemctl", "show", "--property=ActiveState", "--value", disk_move.UNIT)).stdout.strip() in (
            "active", "activating", "deactivating", "reloading",
        ):  # fmt: skip
            time.sleep(_POLL_S)
        told = disk_move.load(outcome)
        if told is None:
            # killed with all that it started, what settles included
            done = Mover(MOUNTED, self.state).settle()
            raise MoveError(f"the move was cut off; {done or f'see journalctl -u {disk_move.UNIT}'}")
        if told["failed"]:
            raise MoveError(told["failed"])

    def _repair(self, done: Done) -> None:
        """What keeps servers from starting without the volume is there still."""
        if os.path.exists(os.path.join(self.state, "moving.json")):
            return
        changed = []
        for place in self._moved():
            for path, content in place["files"].items():
                if disk_move.read(path) != content:
                    changed.append(path)
                    if not self.check:
                        os.makedirs(os.path.dirname(path), exist_ok=True)
                        disk_move.write(path, content, 0o644)
        lines = [line for place in self._moved() for line in place["fstab"]]
        if not set(lines) <= set((disk_move.read(disk_move.FSTAB) or "").split("\n")):
            changed.append(disk_move.FSTAB)
            if not self.check:
                disk_move.add_lines(disk_move.FSTAB, lines)
        done.lines += [f"{path} is written again" for path in dict.fromkeys(changed)]
        if changed and not self.check:
            self.run(("systemctl", "daemon-reload"))

    # -- old copies -------------------------------------------------------------------------------------------

    def _old_copies(self, done: Done) -> None:
        for place in self._moved():
            if not os.path.isdir(place["old"]):
                continue
            if self.rules.old_copy == KEEP:
                done.warnings.append(
                    f"{place['old']} still holds, in clear, what was moved by the run of {place['run']}; set "
                    "disk_encryption_old_copy: remove once you do not need it"
                )
                continue
            reason = self._not_yet(place)
            if reason:
                done.warnings.append(f"{place['old']} was not removed: {reason}")
                continue
            done.lines.append(f"{place['old']} is overwritten and removed")
            if not self.check:
                wipe(place["old"])

    def _not_yet(self, place: dict[str, Any]) -> str:
        """Why an old copy must stay, '' where it need not."""
        if place["run"] == self.rules.run:
            return "this very run moved it; the next one removes it"
        info = os.lstat(place["old"])
        if [info.st_dev, info.st_ino] != place["old_inode"] or not stat.S_ISDIR(info.st_mode):
            return "it is not the directory that was moved"
        if not os.path.ismount(place["path"]) or not is_encrypted(place["path"]):
            return f"{place['path']} does not lie on the encrypted volume"
        down = [unit for unit in place["units"] if self.run(("systemctl", "is-active", "--quiet", unit)).rc != 0]
        if down:
            return f"{down[0]} does not run"
        user = next(disk_move.users_of(place["old"]), "")
        return f"{user} uses it" if user else ""


def wipe(top: str) -> None:
    """Write zeros over all files of a directory, and remove it. Other file systems in it stay, and stop it."""
    device = os.lstat(top).st_dev
    for folder, directories, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode) and info.st_nlink == 1 and info.st_dev == device:
                _overwrite(path, info.st_size)
        if any(os.path.ismount(os.path.join(folder, name)) for name in directories):
            raise ChangeError(f"something is mounted in {folder}; {top} was not removed")
    os.sync()  # else what was never written to the disk would just be forgotten with the files
    shutil.rmtree(top)


def _overwrite(path: str, size: int) -> None:
    zeros = bytes(1 << 20)
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        for offset in range(0, size, len(zeros)):
            stream.write(zeros[: size - offset])


def _write_unlock() -> None:
    """The command by which an administrator opens the volume after a restart."""
    text = "#!/usr/bin/python3 -I\n" + inspect.getsource(disk_unlock)
    if disk_move.read(UNLOCK) != text:
        disk_move.write(UNLOCK, text, 0o755)
