# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies in a directory that something is mounted over. debugfs opens the device for reading only.

Other file systems than ext2 to ext4 do not show it.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from .._host import Host
from . import block_devices
from .mounts import Mount, View


@dataclass(frozen=True)
class Covered:
    """A directory below a mount point. path: its path within the file system that it lies in, on device."""

    point: str
    mount: Mount
    device: str
    path: str


def below(host: Host, view: View, path: str) -> Iterator[Covered]:
    """What the path would lead to, were the mounts not there that it leads through; root's own left out."""
    mount = view.mount_of(path)
    while mount.point != "/":
        outer = view.mount_of(os.path.dirname(mount.point))
        device = block_devices.picture(host).numbered(outer.numbers)
        if outer.type in ("ext2", "ext3", "ext4") and device is not None:
            inside = os.path.relpath(path, outer.point)
            root = outer.root.rstrip("/")
            yield Covered(mount.point, outer, f"/dev/{device.name}", os.path.normpath(f"{root}/{inside}"))
        mount = outer


def exists(host: Host, one: Covered, name: str) -> bool:
    """Whether a file of that name is in the covered directory. Raises Unseen."""
    path = f"{one.path}/{name}"
    if '"' in path or not host.has("debugfs"):
        return False
    return host.run("debugfs", "-R", f'stat "{path}"', one.device).stdout.startswith("Inode:")
