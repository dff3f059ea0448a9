# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption: how what lies on a device becomes a finding.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._finding import ERROR, FAIL, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._services import block_devices, mounts
from .._services.block_devices import Protection

NAME = "disk_encryption"
FSTAB = "/etc/fstab"
REMEDY = (
    f"put it on a device that LUKS2 encrypts: give the host an empty second disk, name it in {NAME}_device and the "
    f"servers in {NAME}_servers, and run harden. A host with one disk and no room has three ways: order another disk "
    "(at OVH: a volume), free a partition or logical volume for it, or install the host anew with an encrypted root. "
    "Encryption by the provider, below what the host sees, can only be attested"
)


def finding(check: str, option: str, subject: str, expected: str, layers: Sequence[Layer], remedy: str = "") -> Finding:
    """What layers add up to; one that could not be seen leaves it unproven, unless it is only what disks hold."""
    status, proof, observed, source = weigh(layers)
    needed = [layer for layer in layers if layer.good is None and layer.proof != OBSERVED]
    if status == PASS and needed:
        status, proof, observed, source = ERROR, "", needed[0].seen, needed[0].source
    if status != PASS and len(observed) > 700:
        observed = f"{observed[:700]}…"
    return Finding(
        NAME, check, option, subject, status, proof, expected, observed, source, remedy if status == FAIL else ""
    )  # fmt: skip


def crypt_layers(host: Host, protections: Iterable[Protection]) -> list[Layer]:
    """What is seen on the disks below the encrypted devices that protect something."""
    names = dict.fromkeys(name for one in protections for name in one.crypts if not name.startswith("zfs:"))
    found = []
    for name in names:
        try:
            told = block_devices.observed(host, name)
        except Unseen as unseen:
            told = Protection(None, str(unseen), "")
        found.append(Layer(OBSERVED, told.good, told.seen, told.source))
    return found


def unmounted(host: Host, path: str) -> str:
    """In words, the file system that fstab mounts where a path lies, if it is not mounted now."""
    points = {mount.point for mount in mounts.view(host).mounts}
    try:
        lines = host.read(FSTAB).splitlines()
    except Unseen:
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        point = fields[1].rstrip("/") or "/"
        if point not in points and (path == point or path.startswith(f"{point}/")):
            return f"; {FSTAB} mounts {fields[0]} at {point}, which is not mounted"
    return ""
