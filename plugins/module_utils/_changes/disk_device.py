# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The device that an administrator named, and the proof that nothing is on it.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._change import Caller, ChangeError, complaint

_COLUMNS = "NAME,PATH,TYPE,SERIAL,WWN,SIZE,RO,FSTYPE,PTTYPE,MOUNTPOINTS"
_BY_ID = "/dev/disk/by-id"
_UNSTABLE = re.compile(r"(?:/dev/)?(?:[shv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|md\d+|dm-\d+)(?:p?\d+)?$")
_MIB = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 256, 1 << 16
_TABLES = ("/etc/fstab", "/etc/crypttab", "/etc/initramfs-tools/conf.d/resume")


@dataclass(frozen=True)
class Device:
    """A block device. path: what the kernel calls it now; ids: its names that last; size: bytes.

    holds: what is plainly on or over it, in a word each.
    """

    path: str
    type: str
    serial: str
    wwn: str
    size: int
    ids: tuple[str, ...]
    holds: tuple[str, ...]
    read_only: bool = False

    def __str__(self) -> str:
        named = f"serial {self.serial}" if self.serial else f"WWN {self.wwn}" if self.wwn else ", ".join(self.ids[:1])
        return f"{self.path} ({named or 'without a name that lasts'}, {self.size / (1 << 30):.1f} GiB)"

    @property
    def names(self) -> frozenset[str]:
        """All names that an administrator may call it by."""
        return frozenset(filter(None, [self.serial, self.wwn, *self.ids, *(f"{_BY_ID}/{name}" for name in self.ids)]))


def devices(run: Caller, by_id: str = _BY_ID) -> list[Device]:
    """The block devices of the host. Raises ChangeError."""
    result = run(("lsblk", "--json", "--bytes", "--output", _COLUMNS))
    if result.rc != 0:
        raise ChangeError(f"'{result.command}' failed: {complaint(result)}")
    ids: dict[str, list[str]] = {}
    for name in sorted(os.listdir(by_id)) if os.path.isdir(by_id) else ():
        ids.setdefault(os.path.realpath(os.path.join(by_id, name)), []).append(name)
    found: dict[str, Device] = {}
    for node in _nodes(json.loads(result.stdout)["blockdevices"]):
        if node["type"] not in ("rom", "loop"):
            found[node["path"]] = _device(node, ids.get(os.path.realpath(node["path"]), []))
    return list(found.values())


def _nodes(tree: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in tree:
        yield node
        yield from _nodes(node.get("children", ()))


def _device(node: dict[str, Any], ids: Sequence[str]) -> Device:
    mounts = [mount for mount in node["mountpoints"] or () if mount]
    holds = [f"{node['fstype']}"] if node["fstype"] else []
    holds += [f"a partition table ({node['pttype']})"] if node["pttype"] else []
    holds += [f"{child['type']} {child['name']}" for child in node.get("children", ())]
    holds += ["swap in use" if mount == "[SWAP]" else f"what is mounted at {mount}" for mount in mounts]
    return Device(
        path=node["path"],
        type=node["type"],
        serial=(node["serial"] or "").strip(),
        wwn=(node["wwn"] or "").strip(),
        size=int(node["size"] or 0),
        ids=tuple(ids),
        holds=tuple(holds),
        read_only=bool(node["ro"]),
    )


def named(name: str, known: Sequence[Device]) -> Device:
    """The one device of a name. Raises ChangeError that lists those that could be meant."""
    if _UNSTABLE.match(name):
        other = next((device for device in known if name in (device.path, os.path.basename(device.path))), None)
        told = f"call it {min(other.names)}" if other and other.names else "call it by its serial number"
        raise ChangeError(
            f"disk_encryption_device: {name} may be another device after the next start of the host; {told}"
        )
    found = [device for device in known if name in device.names]
    if not found:
        raise ChangeError(f"no device of this host has the serial number, WWN or name {name}; {candidates(known)}")
    if len(found) > 1:
        which = " and ".join(map(str, found))
        raise ChangeError(f"{name} is the name of {which}; name one of them as it is called below {_BY_ID}")
    return found[0]


def candidates(known: Sequence[Device]) -> str:
    """The devices that hold nothing at first sight, in a clause."""
    free = [str(device) for device in known if not device.holds and device.size > 64 * _MIB and device.type != "crypt"]
    return f"devices that look empty: {'; '.join(free)}" if free else "no device of this host looks empty"


# -- the proof ------------------------------------------------------------------------------------------------


def prove_empty(device: Device, run: Caller, probe: Callable[[Device], str] | None = None) -> None:
    """See that nothing is on a device and nobody means it. Raises ChangeError that names what is.

    probe: reads the device itself, and says what is wrong with it.
    """
    told = "; ".join([*device.holds, *_signatures(device, run), *_mentions(device), *_holders(device)])
    told = told or (probe or _contents)(device)
    if told:
        raise ChangeError(
            f"{device} is not empty: it holds {told}. It was left as it is; name an empty device as "
            "disk_encryption_device, or empty this one by hand if nobody needs what is on it"
        )


def _signatures(device: Device, run: Caller) -> Iterator[str]:
    result = run(("wipefs", "--no-act", "--json", device.path))
    if result.rc != 0:
        raise ChangeError(f"'{result.command}' failed, so that nobody knows what is on {device}: {complaint(result)}")
    told = json.loads(result.stdout)["signatures"] if result.stdout.strip() else []
    yield from (f"a signature of {item['type']} at {item['offset']}" for item in told)
    result = run(("blkid", "--probe", device.path))
    if result.rc == 8:
        yield "signatures of more than one kind"
    elif result.rc == 0 and not told:
        yield "a signature that blkid knows"
    elif result.rc not in (0, 2):
        raise ChangeError(f"'{result.command}' failed, so that nobody knows what is on {device}: {complaint(result)}")


def _holders(device: Device) -> Iterator[str]:
    """What the kernel has over a device: partitions, RAID, LVM."""
    name = os.path.basename(os.path.realpath(device.path))
    folder = f"/sys/class/block/{name}"
    for holder in sorted(os.listdir(f"{folder}/holders")) if os.path.isdir(f"{folder}/holders") else ():
        yield f"the device {holder} over it"
    parts = os.listdir(folder) if os.path.isdir(folder) else []
    yield from (f"the partition {part}" for part in sorted(parts) if os.path.exists(f"{folder}/{part}/partition"))


def _mentions(device: Device, tables: Sequence[str] = _TABLES) -> Iterator[str]:
    """Where configuration of the host means the device."""
    own = os.path.realpath(device.path)
    for table in tables:
        try:
            with open(table, encoding="utf-8", errors="replace") as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError:
            continue
        for number, line in enumerate(lines, 1):
            words = [] if line.lstrip().startswith("#") else re.split(r"[\s,]+", line)
            if any(os.path.realpath(path) == own for word in words for path in _meant(word)):
                yield f"what {table}:{number} means"


def _meant(word: str) -> Iterator[str]:
    """The paths of devices that a word of fstab or crypttab can mean."""
    name, equals, value = word.partition("=")
    if equals and name in ("UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID", "RESUME"):
        yield f"/dev/disk/by-{name.lower()}/{value.strip(chr(34))}"
    for text in (word, value):
        if text.startswith("/dev/"):
            yield text


def _contents(device: Device) -> str:
    """What else than zeros a device has in its first and last MiB and in samples between; '' for nothing."""
    try:
        # exclusively: the kernel refuses where anything uses the device
        descriptor = os.open(device.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        return f"something that uses it now ({error.strerror})"
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        for offset, length in _pieces(device.size):
            stream.seek(offset)
            left = length
            while left and (chunk := stream.read(min(left, _MIB))):
                if chunk.count(0) != len(chunk):
                    return f"data of an unknown kind (bytes that are not zero near {offset >> 20} MiB)"
                left -= len(chunk)
            if left:
                return f"less than it says (it ends near {offset >> 20} MiB)"
    return ""


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Offsets and lengths that are looked at."""
    yield 0, min(_MIB, size)
    yield max(0, size - _MIB), min(_MIB, size)
    step = size // _SAMPLES // 4096 * 4096
    if step > _SAMPLE_BYTES:
        yield from ((number * step, _SAMPLE_BYTES) for number in range(1, _SAMPLES))
