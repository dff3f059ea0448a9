# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The encrypted volume: one device, LUKS2, with one ext4 file system on it.

    /var/lib/privacy-hosting/disk-encryption/volume.json    which device, and how far its making is
    /var/lib/privacy-hosting/encrypted                      where it is mounted
    /run/privacy-hosting-luks-header                        its header, for as long as a run copies it off the host

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from .._change import Caller, ChangeError, call, complaint
from .._host import Result
from . import disk_move
from .disk_device import Device, devices, named, prove_empty
from .disk_unlock import ALREADY, MAPPED, MOUNTED, WRONG

HEADER = "/run/privacy-hosting-luks-header"
UNLOCK = "/usr/local/sbin/privacy-hosting-unlock"
CIPHER, KEY_BITS, PBKDF = "aes-xts-plain64", 512, "argon2id"
KEYSLOTS = "2m"  # room for seven passphrases, and a header whose copy off the host is small
SHORTEST = 16  # characters of a passphrase
ROOM = 128 << 20  # bytes that a volume has beside what is moved to it, for LUKS and ext4

FORMATTING, FORMATTED, READY = "formatting", "formatted", "ready"

_LIMIT_S = 600.0
FSTAB = f"/dev/mapper/{MAPPED} {MOUNTED} ext4 noauto,nofail,x-systemd.device-timeout=1s 0 2"

# runs a command that reads a secret from its standard input
Teller = Callable[[Sequence[str], str], Result]


def tell(argv: Sequence[str], secret: str = "") -> Result:
    """Run a command with a secret on its standard input, at most ten minutes: disks may be large, and slow."""
    return call(argv, secret, _LIMIT_S)


@dataclass(frozen=True)
class Volume:
    """The volume as it was written down. luks, ext4: UUIDs, chosen before anything is written to the device."""

    device: str
    luks: str
    ext4: str
    phase: str


@dataclass
class Volumes:
    """Makes, opens and mounts the volume of a host."""

    passphrase: str = field(default="", repr=False)
    check: bool = False
    state: str = disk_move.STATE
    fstab: str = disk_move.FSTAB
    run: Caller = tell
    tell: Teller = field(default=tell, repr=False)

    # -- what is there ----------------------------------------------------------------------------------------

    @property
    def _file(self) -> str:
        return os.path.join(self.state, "volume.json")

    def known(self) -> Volume | None:
        """The volume that an earlier run made, or began to make."""
        try:
            with open(self._file, encoding="utf-8") as stream:
                return Volume(**json.load(stream))
        except FileNotFoundError:
            return None

    def is_made(self) -> bool:
        volume = self.known()
        return volume is not None and volume.phase == READY

    def header_on(self) -> str:
        """The name that lasts of the device with the volume's header; '' until it is made."""
        volume = self.known()
        if volume is None or volume.phase != READY:
            return ""
        self.run(("udevadm", "settle"))
        return f"/dev/disk/by-uuid/{volume.luks}"

    def is_open(self) -> bool:
        return os.path.exists(f"/dev/mapper/{MAPPED}")

    def is_mounted(self) -> bool:
        return os.path.ismount(MOUNTED)

    # -- making it so -----------------------------------------------------------------------------------------

    def ensure(self, name: str, room: int) -> list[str]:
        """The named device is the volume, open and mounted; what was or would be done, in lines.

        room: bytes that it must hold. Raises ChangeError.
        """
        volume = self.known()
        device = named(name, devices(self.run))
        if volume and volume.phase == READY:
            self._see_that_it_is(volume, device)
            return self._opened(device)
        if device.read_only:
            raise ChangeError(f"{device} cannot be written to")
        begun = volume is not None and self._is_half_made(volume, device)
        if not begun:
            prove_empty(device, self.run)
            if device.size < room + ROOM:
                raise ChangeError(f"{device} is too small: it must hold {(room + ROOM) / (1 << 30):.1f} GiB")
        self._see_passphrase()
        if not self.check:
            self._make(device, volume if begun and volume else None)
        return [f"{device} is encrypted with LUKS2 ({CIPHER}, {KEY_BITS} bits) and mounted at {MOUNTED}"]

    def _see_passphrase(self) -> None:
        if not self.passphrase:
            raise ChangeError("disk_encryption_passphrase is not set; give it in a file of ansible-vault")
        if len(self.passphrase) < SHORTEST or not self.passphrase.isprintable():
            raise ChangeError(f"disk_encryption_passphrase must be one line of at least {SHORTEST} characters")

    def _uuid_on(self, device: Device) -> str:
        """The UUID of the LUKS header on a device; '' where there is none."""
        result = self.run(("blkid", "--probe", "--match-tag", "UUID", "--match-types", "crypto_LUKS",
                           "--output", "value", device.path))  # fmt: skip
        return result.stdout.strip()

    def _see_that_it_is(self, volume: Volume, device: Device) -> None:
        if self._uuid_on(device) != volume.luks:
            raise ChangeError(
                f"disk_encryption_device names {device}, but this host's encrypted volume was made on {volume.device}; "
                "name that one"
            )

    def _is_half_made(self, volume: Volume, device: Device) -> bool:
        """Whether a run that was cut off had begun to make the volume on this very device.

        The UUID was made up for this device, right after it was proven empty.
        """
        return self._uuid_on(device) == volume.luks

    def _make(self, device: Device, begun: Volume | None) -> None:
        volume = begun or Volume(str(device), str(uuid.uuid4()), str(uuid.uuid4()), FORMATTING)
        if volume.phase == FORMATTING:
            if self.is_open():
                self._must("cryptsetup", "close", MAPPED)
            self._note(volume)
            if not begun:
                prove_empty(device, self.run)  # nothing comes between this and the next line
            self._format(device, volume)
            volume = replace(volume, phase=FORMATTED)
            self._note(volume)
        if not self.is_mounted():
            self._open(device)
            self._must("mkfs.ext4", "-q", "-F", "-m", "1", "-U", volume.ext4, f"/dev/mapper/{MAPPED}")
            self._mount()
        self._note(replace(volume, phase=READY))

    def _format(self, device: Device, volume: Volume) -> None:
        self._secretly(
            "cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--cipher", CIPHER, "--key-size",
            str(KEY_BITS), "--hash", "sha256", "--pbkdf", PBKDF, "--luks2-keyslots-size", KEYSLOTS,
            "--uuid", volume.luks, "--key-file=-", device.path,
        )  # fmt: skip

    def _opened(self, device: Device) -> list[str]:
        """Open and mount what is made already, as after a restart of the host."""
        if self.is_mounted():
            return []
        self.unlock()
        return [f"{device} is opened, and mounted at {MOUNTED}; its servers are started"]

    def unlock(self) -> list[str]:
        """Open the volume, mount it and start its servers; what was done, none where nothing was to do."""
        volume = self.known()
        if volume is None or volume.phase != READY:
            return []
        if not self.is_open():
            self._see_passphrase()
        if self.check:
            return [] if self.is_mounted() else ["the encrypted volume would be opened"]
        said = self._secretly(UNLOCK).stdout.splitlines()
        return [] if said == [ALREADY] else said

    def _open(self, device: Device) -> None:
        if self.is_open():
            return
        self._secretly("cryptsetup", "open", "--type", "luks2", "--key-file=-", device.path, MAPPED)

    def _mount(self) -> None:
        if not os.path.isdir(MOUNTED):
            os.makedirs(MOUNTED, mode=0o711)
            self._must("chattr", "+i", MOUNTED)
        disk_move.add_lines(self.fstab, [FSTAB])
        self._must("systemctl", "daemon-reload")
        self._must("mount", MOUNTED)
        os.chmod(MOUNTED, 0o711)  # noqa: S103  servers pass through it

    def save_header(self) -> str:
        """Write the header to where the controller takes it from; its SHA-256. Raises ChangeError."""
        volume = self.known()
        if volume is None:
            return ""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(HEADER)
        self.run(("udevadm", "settle"))
        self._must("cryptsetup", "luksHeaderBackup", f"/dev/disk/by-uuid/{volume.luks}", "--header-backup-file", HEADER)
        with open(HEADER, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()

    # -- small steps ------------------------------------------------------------------------------------------

    def _note(self, volume: Volume) -> None:
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        disk_move.write(self._file, json.dumps(asdict(volume), indent=1))

    def _must(self, *argv: str) -> None:
        result = self.run(argv)
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")

    def _secretly(self, *argv: str) -> Result:
        result = self.tell(argv, self.passphrase)
        if (result.rc == 2 and "open" in argv) or WRONG in result.stderr:
            raise ChangeError("disk_encryption_passphrase does not open this host's encrypted volume")
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")
        return result
