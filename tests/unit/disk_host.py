# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose disks, mounts and files are texts: what real ones of both releases showed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_files import OpenFile
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_servers import Server
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job

# /proc/self/mountinfo of a Debian 12 with two encrypted devices; PostgreSQL's and Redis's data are mounted by bind
MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 22 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
25 22 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=733456k,nr_inodes=183364,mode=755
27 22 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=149756k,mode=755
40 22 252:0 / /enc rw,relatime shared:40 - ext4 /dev/mapper/data rw
41 22 252:2 / /lv rw,relatime shared:41 - ext4 /dev/mapper/vg-db rw
42 22 252:0 /mysql /var/lib/mysql rw,relatime shared:40 - ext4 /dev/mapper/data rw
43 22 252:0 /postgresql /var/lib/postgresql rw,relatime shared:40 - ext4 /dev/mapper/data rw
"""
TABLE = """\
data: 0 2064384 crypt aes-xts-plain64 :64:logon:cryptsetup:2cfd0bf0-af16-4721-a3ec-70215d08f010-d0 0 254:16 32768
pv: 0 2093056 crypt aes-xts-plain64 0000000000000000000000000000000000000000000000000000000000000000 0 254:32 4096
vg-db: 0 614400 linear 252:1 2048
"""
NAMED = "data|252:0\npv|252:1\nvg-db|252:2\n"
BLOCKS: Mapping[str, Mapping[str, str]] = {  # /sys/class/block: name -> files; slaves and disk stand for directories
    "vda": {"dev": "254:0"},
    "vdb": {"dev": "254:16"},
    "vdc": {"dev": "254:32"},
    "dm-0": {
        "dev": "252:0",
        "slaves": "vdb",
        "dm/name": "data",
        "dm/uuid": "CRYPT-LUKS2-2cfd0bf0af164721a3ec70215d08f010-data",
    },
    "dm-1": {
        "dev": "252:1",
        "slaves": "vdc",
        "dm/name": "pv",
        "dm/uuid": "CRYPT-LUKS1-0a34b32ae99c474e8f813b8b04216d29-pv",
    },
    "dm-2": {
        "dev": "252:2",
        "slaves": "dm-1",
        "dm/name": "vg-db",
        "dm/uuid": "LVM-nQIKW8uqXXdMy1qxvCOJsawvdvinJYRVuBV0DrjHKNPWgytPgJE7UozgVvUzJU9Z",
    },
}
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
_INFO = ("dmsetup", "info", "-c", "--noheadings", "--separator", "|", "-o", "name,devno")


class DiskHost(Host):
    """A host of texts. files: path -> text; answers: command -> output, or exit code where nothing is printed."""

    def __init__(
        self,
        blocks: Mapping[str, Mapping[str, str]] = BLOCKS,
        mounts: str = MOUNTS,
        table: str | None = TABLE,
        named: str = NAMED,
        files: Mapping[str, str] | None = None,
        answers: Mapping[tuple[str, ...], str | int] | None = None,
        links: Mapping[str, str] | None = None,
        swaps: str = "",
        running: Sequence[Process] = (),
        listening: Sequence[Listener] = (),
    ) -> None:
        super().__init__()
        self.files = {"/proc/self/mountinfo": mounts, "/proc/swaps": SWAPS + swaps, **(files or {})}
        self.answers: dict[tuple[str, ...], str | int] = {}
        if table is not None:
            self.answers = {_INFO: named, ("dmsetup", "table"): table}
        self.answers.update(answers or {})
        self.links = {
            f"/dev/mapper/{one['dm/name']}": f"/dev/{name}" for name, one in blocks.items() if "dm/name" in one
        }
        self.links.update(links or {})
        self.running, self.listening = running, listening
        for name, told in blocks.items():
            for file, text in told.items():
                place = f"/sys/class/block/{name}/{file}"
                if file == "slaves":
                    self.files.update({f"{place}/{one}/.": "" for one in text.split()})
                elif file == "disk":
                    self.files[f"/sys/class/block/{name}/partition"] = "1"
                    self.links[f"/sys/class/block/{name}"] = f"/sys/devices/{text}/{name}"
                else:
                    self.files[place] = text + "\n"

    def know(self, server: Server, *open_files: OpenFile) -> None:
        """Let a server hold these files open, and see the same mounts."""
        self.once(("open for writing", server.pids), lambda: list(open_files))
        if server.pids:
            self.files[f"/proc/{server.pids[0]}/mountinfo"] = self.files["/proc/self/mountinfo"]

    def with_jobs(self, *jobs: Job) -> None:
        """Let the host run these jobs, and no others."""
        self.once("jobs", lambda: list(jobs))

    def _read(self, path: str) -> str:
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def stat(self, path: str) -> os.stat_result | None:
        known = path in self.files or any(one.startswith(f"{path}/") for one in self.files)
        return os.stat_result((0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0)) if known else None

    def real(self, path: str) -> str:
        return self.links.get(path, path)

    def _names(self, directory: str) -> list[str]:
        head = directory.rstrip("/") + "/"
        return sorted({one[len(head) :].partition("/")[0] for one in self.files if one.startswith(head)} - {"."})

    def processes(self) -> list[Process]:
        return list(self.running)

    def listeners(self) -> list[Listener]:
        return list(self.listening)

    def has(self, command: str) -> bool:
        return any(argv[0] == command for argv in self.answers)

    def run(self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None, **more: object) -> Result:
        told = self.answers.get(argv)
        if told is None and argv[0] == "cmp":  # the heads of two devices differ
            told = 1
        if told is None and self.has(argv[0]):
            raise Unseen(f"'{' '.join(argv)}' failed: Access denied")
        if told is None:
            raise Unseen(f"the command {argv[0]} is not on the host")
        result = Result(argv, told if isinstance(told, int) else 0, told if isinstance(told, str) else "", "")
        if result.rc not in ok:
            raise Unseen(f"'{result.command}' failed: {result.complaint}")
        return result
