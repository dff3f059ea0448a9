# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap that is encrypted with a key that nobody knows and that is new at each start of the host, or none at all.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._change import Caller, ChangeError, call, complaint
from . import disk_move
from .disk_places import is_encrypted

ENCRYPT, OFF, LEAVE = "encrypt", "off", "leave"

CRYPTTAB = "/etc/crypttab"
_NAME = "privacy-hosting-swap"
_KEPT = "fstab-before-swap"
_RESUME = "/etc/initramfs-tools/conf.d/resume"
_OPTIONS = "swap,cipher=aes-xts-plain64,size=512,sector-size=4096"
_GENERATOR = "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator"


@dataclass(frozen=True)
class Swap:
    """Swap that is not encrypted. path: the device or file; used: it is in use; lines: of fstab that name it."""

    path: str
    used: bool
    lines: tuple[str, ...]


@dataclass
class Swaps:
    """Reads and changes the swap of a host."""

    check: bool = False
    run: Caller = call
    state: str = disk_move.STATE
    fstab: str = disk_move.FSTAB
    crypttab: str = CRYPTTAB
    swaps: str = "/proc/swaps"

    def open_ones(self) -> list[Swap]:
        """The swap that memory is, or after the next start will be, written to in clear."""
        used = [line.split()[0].replace("\\040", " ") for line in (disk_move.read(self.swaps) or "").splitlines()[1:]]
        listed: dict[str, list[str]] = {}
        for line in (disk_move.read(self.fstab) or "").split("\n"):
            words = line.split("#")[0].split()
            if len(words) >= 3 and words[2] == "swap":
                listed.setdefault(self._device(words[0]), []).append(line)
        paths = dict.fromkeys([*(os.path.realpath(path) for path in used), *listed])
        return [
            Swap(path, path in map(os.path.realpath, used), tuple(listed.get(path, ())))
            for path in paths
            if not re.match(r"/dev/zram\d+$", path) and not (os.path.exists(path) and is_encrypted(path))
            and not path.startswith(f"/dev/mapper/{_NAME}")
        ]  # fmt: skip

    def _device(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if equals and name in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
            found = f"/dev/disk/by-{name.lower()}/{value.strip(chr(34))}"
            return os.path.realpath(found)
        return os.path.realpath(word)

    def ensure(self, wanted: str) -> list[str]:
        """Swap as it is wanted; what was or would be done, in lines. Raises ChangeError."""
        if wanted == LEAVE:
            return []
        found = self.open_ones()
        said: list[str] = []
        for swap in found:
            if wanted == ENCRYPT:
                source = self._lasting_name(swap)
                if not self.check:
                    self._encrypt(swap, self._name(source, said), source)
                said.append(f"swap on {swap.path} is encrypted with a new random key at each start")
            else:
                if not self.check:
                    self._off(swap)
                said.append(f"swap on {swap.path} is switched off")
        return said

    def warnings(self, wanted: str) -> list[str]:
        """What an administrator must do besides."""
        if wanted == LEAVE or not os.path.exists(_RESUME) or not self.open_ones():
            return []
        return [f"{_RESUME} names swap to wake up from, which cannot be; write RESUME=none, run update-initramfs -u"]

    # -- encrypting -------------------------------------------------------------------------------------------

    def _name(self, source: str, said: Sequence[str]) -> str:
        """The name of a device's encrypted swap: the one that a run which was cut off gave it, else a new one."""
        lines = (disk_move.read(self.crypttab) or "").splitlines()
        known = dict(line.split()[1::-1] for line in lines if _is_ours(line))
        if source in known:
            return known[source]
        number = len(said) if self.check else 0
        while f"{_NAME}{number}" in known.values():
            number += 1
        return f"{_NAME}{number}"

    def _lasting_name(self, swap: Swap) -> str:
        """How crypttab calls a device: what is on it is new at each start, so never by that. Raises ChangeError."""
        if not swap.path.startswith("/dev/"):
            raise ChangeError(
                f"swap lies in the file {swap.path}, which cannot be encrypted by itself; set disk_encryption_swap: "
                "off, or put the file on an encrypted file system"
            )
        if not os.path.exists(self._generator()):
            raise ChangeError("the package systemd-cryptsetup is missing, so that swap would not be opened at boot")
        kind = self.run(("blkid", "--probe", "--match-tag", "TYPE", "--output", "value", swap.path)).stdout.strip()
        if kind != "swap":
            raise ChangeError(f"{swap.path} is named as swap in {self.fstab}, but holds {kind or 'something else'}")
        uuid = self.run(("blkid", "--probe", "--match-tag", "PART_ENTRY_UUID", "--output", "value", swap.path))
        if uuid.stdout.strip():
            return f"PARTUUID={uuid.stdout.strip()}"
        folder = "/dev/disk/by-id"
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        for name in names:
            if os.path.realpath(os.path.join(folder, name)) == swap.path:
                return os.path.join(folder, name)
        raise ChangeError(f"{swap.path} has no name that lasts; set disk_encryption_swap: off")

    def _generator(self) -> str:
        other = _GENERATOR.removeprefix("/usr")
        return other if os.path.exists(other) else _GENERATOR

    def _encrypt(self, swap: Swap, name: str, source: str) -> None:
        """Each step leaves a host that starts, without swap at worst, and that the next run finds."""
        self._keep()
        disk_move.add_lines(self.crypttab, [f"{name} {source} /dev/urandom {_OPTIONS},nofail"])
        self._replace(swap, f"/dev/mapper/{name} none swap sw,nofail 0 0")
        self._must("systemctl", "daemon-reload")
        if swap.used:
            self._must("swapoff", swap.path)
        self._must("systemctl", "start", f"dev-mapper-{name.replace('-', chr(92) + 'x2d')}.swap")

    def _off(self, swap: Swap) -> None:
        self._keep()
        self._replace(swap)
        self._must("systemctl", "daemon-reload")
        if swap.used:
            self._must("swapoff", swap.path)

    def _replace(self, swap: Swap, *new: str) -> None:
        """Put lines in the place of those of fstab that name the swap."""
        lines = (disk_move.read(self.fstab) or "").rstrip("\n").split("\n")
        left = [line for line in lines if line not in swap.lines and line not in new]
        disk_move.write(self.fstab, "\n".join([*left, *new]).lstrip("\n") + "\n", 0o644, like=self.fstab)

    def _keep(self) -> None:
        path = os.path.join(self.state, _KEPT)
        if not os.path.exists(path):
            os.makedirs(self.state, mode=0o700, exist_ok=True)
            disk_move.write(path, disk_move.read(self.fstab) or "")

    def _must(self, *argv: str) -> None:
        result = self.run(argv)
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")


def _is_ours(line: str) -> bool:
    return line.startswith(_NAME) and len(line.split()) >= 2
