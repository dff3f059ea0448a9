# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between a file and the disks that hold it, and whether each way down leads through encryption.

Encrypted means: by dm-crypt with a real cipher, as the kernel's own table says, or by ZFS itself. What a disk or a
provider does below what the host sees cannot be seen.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen
from . import mounts
from .mounts import Mount, View

_SYSFS = "/sys/class/block"
_NUMBERS = re.compile(r"\d+:\d+")
# ciphers that nobody is known to break, and names for none
_GOOD_CIPHERS = {"aes", "serpent", "twofish", "camellia", "aria", "sm4", "adiantum", "aegis128", "chacha20", "rfc7539"}
_NO_CIPHERS = {"cipher_null", "null", "ecb_null"}
_PATTERNS = {"ecb"}  # a mode in which equal blocks look equal
_NOTHING_STORED = ("zero", "error")
_MEMORY = ("tmpfs", "ramfs", "devtmpfs", "hugetlbfs")
_ELSEWHERE = (
    "nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone",
    "9p", "virtiofs", "afs", "ocfs2", "gfs2", "lustre", "davfs", "fuse.davfs2", "fuse.ceph", "vboxsf",
    "fuse.vmhgfs-fuse",
)  # fmt: skip
_BY_ITSELF = {
    "ecryptfs": "eCryptfs",
    "fuse.gocryptfs": "gocryptfs",
    "fuse.encfs": "EncFS",
    "fuse.cryfs": "CryFS",
    "fuse.securefs": "securefs",
    "bcachefs": "bcachefs",
}
_DEPTH = 30  # layers between a file and a disk


@dataclass(frozen=True)
class Device:
    """A block device as the kernel shows it. below: names of the devices that it is made of.

    backing: the file behind a loop device, or the device behind zram; table: the lines of the device mapper, None
    where they cannot be seen.
    """

    name: str
    numbers: str
    below: tuple[str, ...] = ()
    dm_name: str = ""
    dm_uuid: str = ""
    backing: str | None = None
    table: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        return f"/dev/mapper/{self.dm_name}" if self.dm_name else f"/dev/{self.name}"


@dataclass(frozen=True)
class Protection:
    """Whether something is encrypted on every disk below it; None where that cannot be told.

    seen: what decides, from the top down; source: where that was seen; crypts: names of the encrypted devices that it
    is reached through.
    """

    good: bool | None
    seen: str
    source: str
    crypts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """All block devices of a host, by name."""

    devices: Mapping[str, Device]

    def numbered(self, numbers: str) -> Device | None:
        """The device of these numbers ('major:minor')."""
        return next((device for device in self.devices.values() if device.numbers == numbers), None)


def worst(all_of: Sequence[Protection]) -> Protection:
    """What is worth no more than the worst of these: bad, then unknown, then good."""
    crypts = tuple(dict.fromkeys(name for one in all_of for name in one.crypts))
    for good in (False, None):
        for one in all_of:
            if one.good is good:
                return Protection(good, one.seen, one.source, crypts)
    seen = "; ".join(dict.fromkeys(one.seen for one in all_of))
    return Protection(True, seen, all_of[0].source if all_of else "", crypts)


# -- reading the picture ----------------------------------------------------------------------------------------------


def picture(host: Host) -> Picture:
    """All block devices of the host. Raises Unseen."""
    return host.once("block devices", lambda: _picture(host))


def _picture(host: Host) -> Picture:
    names = host.names(_SYSFS)
    if not names:
        raise Unseen(f"{_SYSFS} names no device")
    tables = _tables(host) if any(name.startswith("dm-") for name in names) else None
    return Picture({name: _device(host, name, tables) for name in names})


def _tables(host: Host) -> dict[str, tuple[str, ...]] | None:
    """The lines of the device mapper's tables by the device's numbers, keys left out; None where it does not answer.

    Keys are hidden by dmsetup (unless --showkeys is given), and dropped here once more.
    """
    try:
        numbers = {
            line.split("|")[0]: line.split("|")[1]
            for line in host.run("dmsetup", "info", "-c", "--noheadings", "--separator", "|", "-o", "name,devno").stdout
            .splitlines()
            if "|" in line
        }  # fmt: skip
        found: dict[str, list[str]] = {}
        for line in host.run("dmsetup", "table").stdout.splitlines():
            name, colon, rest = line.rpartition(": ") if " crypt " not in line else line.partition(": ")
            if colon and name in numbers:
                found.setdefault(numbers[name], []).append(without_key(rest))
    except Unseen:
        return None
    return {key: tuple(lines) for key, lines in found.items()}


def without_key(line: str) -> str:
    """A line of a table without the key that a crypt target has."""
    words = line.split()
    if len(words) > 4 and words[2] == "crypt":
        words[4] = "-"
    return " ".join(words)


def _device(host: Host, name: str, tables: Mapping[str, tuple[str, ...]] | None) -> Device:
    place = f"{_SYSFS}/{name}"
    numbers = _line(host, f"{place}/dev")
    below = tuple(host.names(f"{place}/slaves"))
    if host.stat(f"{place}/partition") is not None:
        below = (os.path.basename(os.path.dirname(host.real(place))),)
    backing = None
    if name.startswith("loop"):
        backing = _line(host, f"{place}/loop/backing_file")
    elif name.startswith("zram"):
        backing = _line(host, f"{place}/backing_dev")
    return Device(
        name=name,
        numbers=numbers,
        below=below,
        dm_name=_line(host, f"{place}/dm/name"),
        dm_uuid=_line(host, f"{place}/dm/uuid"),
        backing=backing,
        table=None if tables is None else tables.get(numbers),
    )


def _line(host: Host, path: str) -> str:
    try:
        return host.read(path).strip() if host.stat(path) is not None else ""
    except Unseen:
        return ""


def container(host: Host) -> str:
    """What kind of container the host itself is, '' where it is none."""
    for path, kind in (("/run/.containerenv", "podman"), ("/.dockerenv", "Docker")):
        if host.stat(path) is not None:
            return kind
    return _line(host, "/run/systemd/container")


# -- judging a device -------------------------------------------------------------------------------------------------


def of_device(host: Host, name: str, depth: int = 0) -> Protection:
    """Whether all that is written to a device is encrypted on every disk below it. Raises Unseen."""
    device = picture(host).devices.get(name)
    if device is None:
        return Protection(None, f"the device {name} is not known to the kernel", _SYSFS)
    if depth > _DEPTH:
        return Protection(None, f"more than {_DEPTH} devices lie below each other", _SYSFS)
    if name.startswith("dm-") or device.dm_uuid:
        return _of_mapped(host, device, depth)
    if name.startswith("loop"):
        return _of_loop(host, device, depth)
    if name.startswith("zram"):
        return _of_zram(host, device, depth)
    if device.below:
        return _under(device, [of_device(host, one, depth + 1) for one in device.below])
    return _of_disk(device)


def _under(device: Device, below: Sequence[Protection]) -> Protection:
    told = worst(below)
    return Protection(told.good, f"{device.title} on {told.seen}", told.source, told.crypts)


def _of_disk(device: Device) -> Protection:
    source = f"{_SYSFS}/{device.name}"
    if re.match(r"(nbd|rbd|drbd)\d", device.name):
        return Protection(None, f"{device.title} is kept by another machine, which must prove it", source)
    if re.match(r"ram\d", device.name):
        return Protection(True, f"{device.title} is memory", source)
    what = "is not encrypted, as far as this host can see"
    return Protection(False, f"{device.title} {what}", source)


def _of_loop(host: Host, device: Device, depth: int) -> Protection:
    source = f"{_SYSFS}/{device.name}/loop/backing_file"
    if not device.backing or device.backing.endswith(" (deleted)"):
        return Protection(None, f"{device.title} has a file behind it that cannot be found", source)
    told = of_path(host, mounts.view(host), device.backing, depth + 1)
    return Protection(told.good, f"{device.title} in {device.backing} on {told.seen}", told.source, told.crypts)


def _of_zram(host: Host, device: Device, depth: int) -> Protection:
    if device.backing in (None, "", "none"):
        return Protection(True, f"{device.title} is memory", f"{_SYSFS}/{device.name}")
    told = of_device(host, os.path.basename(host.real(str(device.backing))), depth + 1)
    return Protection(told.good, f"{device.title}, whose backing_dev is {told.seen}", told.source, told.crypts)


def _of_mapped(host: Host, device: Device, depth: int) -> Protection:
    source = f"dmsetup table {device.dm_name}"
    if not device.table:
        return Protection(None, f"{device.title}: the device mapper's table cannot be seen", source)
    told = worst([_of_segment(host, device, line, depth) for line in device.table])
    return told if told.seen.startswith(device.title) else _under(device, [told])


def _of_segment(host: Host, device: Device, line: str, depth: int) -> Protection:
    source = f"dmsetup table {device.dm_name}"
    words = line.split()
    target, arguments = (words[2], words[3:]) if len(words) > 2 else ("", [])
    if target == "crypt":
        return _of_cipher(host, device, arguments[0] if arguments else "", source, depth, arguments)
    if target in _NOTHING_STORED:
        return Protection(True, "nothing is stored", source)
    below = [picture(host).numbered(word) for word in arguments if _NUMBERS.fullmatch(word)]
    known = [one for one in below if one is not None]
    if not known or len(known) != len(below):
        return Protection(None, f"which devices '{target}' uses cannot be told", source)
    told = worst([of_device(host, one.name, depth + 1) for one in known])
    if told.good is False and device.dm_uuid.startswith("CRYPT-LUKS"):
        kind = "opened by LUKS, and nothing encrypts it: decrypted meanwhile, or left to the disk itself (OPAL)"
        return Protection(None, f"{device.title}: {kind}", source, told.crypts)
    return told


def _of_cipher(
    host: Host, device: Device, cipher: str, source: str, depth: int, arguments: Sequence[str]
) -> Protection:
    kind = device.dm_uuid.split("-")[1] if device.dm_uuid.startswith("CRYPT-") else "dm-crypt"
    below = [picture(host).numbered(word) for word in arguments if _NUMBERS.fullmatch(word)]
    disks = ", ".join(one.title for one in below if one is not None) or "a device that is not known"
    what = f"{device.title} ({kind}, {cipher}) on {disks}"
    good = is_real(cipher)
    if good:
        return Protection(True, what, source, (device.name,))
    if good is None:
        return Protection(None, f"{what}: whether that is a real cipher is not known", source, (device.name,))
    deeper = [of_device(host, one.name, depth + 1) for one in below if one is not None]
    told = worst(deeper) if deeper else Protection(None, "", source)
    if told.good:  # encrypted once more below
        return Protection(True, f"{what} on {told.seen}", told.source, told.crypts)
    return Protection(told.good, f"{what}: {cipher} encrypts nothing", source, (device.name, *told.crypts))


def is_real(cipher: str) -> bool | None:
    """Whether a cipher of dm-crypt hides what is written; None for one that is not known."""
    words = set(re.findall(r"[a-z0-9_]+", cipher.lower()))
    if words & _NO_CIPHERS:
        return False
    return True if words & _GOOD_CIPHERS and not words & _PATTERNS else None


# -- judging a path ---------------------------------------------------------------------------------------------------


def of_path(host: Host, view: View, path: str, depth: int = 0) -> Protection:
    """Whether what is written to a path, as a process sees it, is encrypted on every disk below it. Raises Unseen."""
    inside = container(host)
    if inside:
        return Protection(None, f"the host is a container ({inside}), whose disks cannot be seen from inside it", "")
    return of_mount(host, view.mount_of(view.real(path)), depth)


def of_mount(host: Host, mount: Mount, depth: int = 0) -> Protection:
    """Whether what is written to a mounted file system is encrypted on every disk below it. Raises Unseen."""
    source = f"mount of {mount.point}"
    if depth > _DEPTH:
        return Protection(None, f"more than {_DEPTH} devices lie below each other", source)
    if mount.type in _MEMORY:
        return _of_memory(host, mount, source, depth)
    if mount.type in _ELSEWHERE or mount.type.startswith("nfs"):
        return Protection(None, f"{mount}: another machine keeps it, and must prove it", source)
    if mount.type in _BY_ITSELF:
        return Protection(None, f"{mount}: whether and how {_BY_ITSELF[mount.type]} encrypts is not judged", source)
    if mount.type == "zfs":
        return _of_zfs(host, mount, depth)
    if mount.type == "overlay":
        return _of_overlay(host, mount, source, depth)
    devices = _devices_of(host, mount)
    if not devices:
        return Protection(None, f"which devices hold {mount} cannot be told", source)
    return worst([of_device(host, name, depth + 1) for name in devices])


def _devices_of(host: Host, mount: Mount) -> list[str]:
    """The names of the devices that a file system lies on; none where that cannot be told."""
    if mount.type == "btrfs":
        return _btrfs_devices(host, os.path.basename(host.real(mount.source)))
    device = picture(host).numbered(mount.numbers)
    # XFS may keep its log and its large files on other devices
    others = [mount.options[name] for name in ("logdev", "rtdev") if mount.options.get(name)]
    return [device.name, *(os.path.basename(host.real(one)) for one in others)] if device else []


def _btrfs_devices(host: Host, one: str) -> list[str]:
    for path in host.glob("/sys/fs/btrfs/*-*/devices"):
        names = host.names(path)
        if one in names:
            return names
    return []


def _of_memory(host: Host, mount: Mount, source: str, depth: int) -> Protection:
    """tmpfs: memory, and swap where the host has any."""
    told = [of_swap(host, path, depth + 1) for path in swaps(host)] if mount.type == "tmpfs" else []
    if not told or worst(told).good:
        return Protection(True, f"{mount.point} is memory ({mount.type})", source)
    bad = worst(told)
    return Protection(bad.good, f"{mount.point} is memory ({mount.type}), and swap: {bad.seen}", bad.source, bad.crypts)


def _of_overlay(host: Host, mount: Mount, source: str, depth: int) -> Protection:
    """An overlay's files are written to its upper directory."""
    upper = mount.options.get("upperdir", "")
    if not upper.startswith("/") or host.stat(upper) is None:
        return Protection(None, f"where {mount} writes to cannot be seen", source)
    told = of_path(host, mounts.view(host), upper, depth + 1)
    return Protection(told.good, f"{mount.point} in {upper} on {told.seen}", told.source, told.crypts)


def of_zfs_answer(text: str) -> tuple[str, str]:
    """The values of encryption and keystatus in what 'zfs get' printed, '' for what it did not."""
    values = dict(line.split("\t")[:2] for line in text.splitlines() if line.count("\t") >= 1)
    return values.get("encryption", ""), values.get("keystatus", "")


def _of_zfs(host: Host, mount: Mount, depth: int) -> Protection:
    source = f"zfs get encryption {mount.source}"
    answer = host.run("zfs", "get", "-H", "-o", "property,value", "encryption,keystatus,keylocation", mount.source)
    encryption, status = of_zfs_answer(answer.stdout)
    if encryption not in ("", "off", "-"):
        real = re.match(r"aes-(128|192|256)-(ccm|gcm)$", encryption)
        good = True if real and status == "available" else None
        return Protection(good, f"{mount.source} (ZFS, {encryption}, key {status})", source, (f"zfs:{mount.source}",))
    pool = mount.source.partition("/")[0]
    listed = host.run("zpool", "list", "-v", "-H", "-P", "-L", pool).stdout
    paths = [word for line in listed.splitlines() for word in line.split("\t") if word.startswith("/")]
    if not paths:
        return Protection(None, f"which devices hold the ZFS pool {pool} cannot be told", source)
    told = worst([_of_vdev(host, path, depth + 1) for path in paths])
    return Protection(told.good, f"{mount.source} (ZFS, not encrypted itself) on {told.seen}", told.source, told.crypts)


def _of_vdev(host: Host, path: str, depth: int) -> Protection:
    if path.startswith("/dev/"):
        return of_device(host, os.path.basename(host.real(path)), depth)
    return of_path(host, mounts.view(host), path, depth)


# -- swap -------------------------------------------------------------------------------------------------------------


def swaps(host: Host) -> list[str]:
    """The files and devices that the host swaps to now. Raises Unseen."""
    return [line.split()[0].replace("\\040", " ") for line in host.read("/proc/swaps").splitlines()[1:] if line.split()]


def of_swap(host: Host, path: str, depth: int = 0) -> Protection:
    """Whether what is swapped to a file or device is encrypted. Raises Unseen."""
    inside = container(host)
    if inside:
        return Protection(None, f"the host is a container ({inside}), whose swap cannot be seen from inside it", "")
    if path.startswith("/dev/"):
        return of_device(host, os.path.basename(host.real(path)), depth)
    return of_path(host, mounts.view(host), path, depth)


# -- seeing it on the disk --------------------------------------------------------------------------------------------


def observed(host: Host, name: str) -> Protection:
    """Whether the first 128 KiB of an encrypted device stand otherwise on the device below it. Raises Unseen.

    They are compared, and not shown: they hold the head of a file system or of swap.
    """
    device = picture(host).devices[name]
    words = (device.table or ("",))[0].split()
    where = [index for index, word in enumerate(words) if _NUMBERS.fullmatch(word)]
    if len(words) < 6 or words[0] != "0" or words[2] != "crypt" or not where or not words[where[0] + 1].isdigit():
        return Protection(None, f"{device.title} starts with nothing that could be compared", "")
    below = picture(host).numbered(words[where[0]])
    if below is None:
        return Protection(None, f"the device below {device.title} is not known", "")
    size, skip = str(1 << 17), int(words[where[0] + 1]) * 512
    top, bottom = f"/dev/{device.name}", f"/dev/{below.name}"
    if host.run("cmp", "-s", "-n", size, top, "/dev/zero", ok=(0, 1)).rc == 0:
        return Protection(None, f"{device.title} starts with nothing that could be compared", "")
    same = host.run("cmp", "-s", "-n", size, "-i", f"0:{skip}", top, bottom, ok=(0, 1)).rc == 0
    source = f"cmp {top} {bottom}"
    if same:
        return Protection(False, f"what is on {device.title} stands on {bottom} as it is", source, (name,))
    return Protection(True, f"what {bottom} holds differs from what is on {device.title}", source, (name,))


def underlying(host: Host, names: Iterable[str]) -> list[Device]:
    """The devices that encrypted devices keep what they encrypt on. Raises Unseen."""
    found = []
    for name in names:
        device = picture(host).devices.get(name)
        for line in device.table or () if device else ():
            words = line.split()
            if len(words) > 2 and words[2] == "crypt":
                below = [picture(host).numbered(word) for word in words[3:] if _NUMBERS.fullmatch(word)]
                found += [one for one in below if one is not None]
    return found
