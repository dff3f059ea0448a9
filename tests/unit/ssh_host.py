# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""A host of texts: accounts, keys, PAM, and an sshd that answers -T as Debian's do."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen
from tests.unit.sshd_answers import COMMON_ACCOUNT, COMMON_AUTH, DEBIAN_12, DEBIAN_13, PAM_SSHD

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.timezone.utc)
WRITTEN = dt.datetime(2026, 11, 1, tzinfo=dt.timezone.utc)
STARTED = dt.datetime(2026, 11, 10, tzinfo=dt.timezone.utc)
CONFIG = "/etc/ssh/sshd_config"
TITLE = "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7 somebody\n"
SK = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1 somebody\n"
BOTH = "publickey,keyboard-interactive:pam"
# what asks for a code: in place of Debian's password
CODES = PAM_SSHD.replace(
    "@include common-auth",
    "auth required pam_google_authenticator.so secret=/var/lib/factors/${USER} user=root",
)

ACCOUNTS = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
debian:x:1000:1000::/home/debian:/bin/bash
anna:x:1001:1001::/home/anna:/bin/bash
klant1:x:1003:1003::/home/klant1:/bin/bash
"""
GROUP = """\
root:x:0:
daemon:x:1:
sudo:x:27:debian,anna
customers:x:900:klant1
debian:x:1000:
anna:x:1001:
klant1:x:1003:
"""
SHADOW = """\
root:*:20000:0:99999:7:::
daemon:*:20000:0:99999:7:::
debian:!:20000:0:99999:7:::
anna:!:20000:0:99999:7:::
klant1:$y$j9T$abc$def:20000:0:99999:7:::
"""
FILES = {
    "/etc/passwd": ACCOUNTS, "/etc/group": GROUP, "/etc/shadow": SHADOW, "/etc/nsswitch.conf": "passwd: files\n",
    "/etc/pam.d/sshd": PAM_SSHD, "/etc/pam.d/common-auth": COMMON_AUTH, "/etc/pam.d/common-account": COMMON_ACCOUNT,
    "/etc/pam.d/common-session": "", "/etc/pam.d/common-password": "",
    CONFIG: "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n",
    "/bin/bash": "", "/usr/sbin/nologin": "", "/usr/sbin/sshd": "", "/home/debian/.ssh/authorized_keys": KEY,
    "/home/anna/.ssh/authorized_keys": KEY,
}  # fmt: skip


class Made(Host):
    """A host of files (path -> text), whose modes and owners are those of `nodes` (path -> (mode, uid)).

    The settings of sshd are those of a fresh Debian, with `sets` instead, and `matches`: (user pattern, address's
    beginning, settings) for those who come so; a Match block for each must stand in the files.
    """

    def __init__(
        self,
        files: Mapping[str, str | None] | None = None,
        sets: Mapping[str, str] | None = None,
        matches: Sequence[tuple[str, str, Mapping[str, str]]] = (),
        release: str = DEBIAN_13,
        **more: Any,
    ) -> None:
        super().__init__(now=NOW)
        self.files = {path: text for path, text in {**FILES, **(files or {})}.items() if text is not None}
        self.sets, self.matches, self.base = dict(sets or {}), matches, release
        self.titles: Sequence[str] = more.get("titles", (TITLE,))
        self.others: Sequence[Process] = more.get("others", ())
        self.nodes: Mapping[str, tuple[int, int]] = more.get("nodes", {})
        self.changed: Mapping[str, dt.datetime] = more.get("changed", {})
        self.commands: Mapping[str, str] = more.get("commands", {})
        self.listening: Sequence[Listener] = more.get(
            "listening", [Listener("tcp", "0.0.0.0", 22 + 2200 * i, (100 + i,)) for i, _one in enumerate(self.titles)]
        )
        self.asked: list[tuple[str, ...]] = []

    def read(self, path: str) -> str:
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def stat(self, path: str) -> Any:
        directory = any(name.startswith(f"{path.rstrip('/')}/") for name in self.files)
        if path not in self.files and not directory and not path.startswith("/proc/"):
            return None
        mode, uid = self.nodes.get(path, (0o755, 0))
        when = self.changed.get(path, WRITTEN).timestamp()
        return SimpleNamespace(st_mode=mode, st_uid=uid, st_gid=uid, st_mtime=when, st_ctime=when)

    def real(self, path: str) -> str:
        return path

    def glob(self, pattern: str) -> list[str]:
        there = {str(path) for name in self.files for path in (PurePosixPath(name), *PurePosixPath(name).parents)}
        return sorted(path for path in there if fnmatch.fnmatch(path, pattern))

    def names(self, directory: str) -> list[str]:
        below = [path[len(directory) + 1 :] for path in self.files if path.startswith(f"{directory}/")]
        return sorted({path.partition("/")[0] for path in below})

    def run(self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None) -> Result:
        self.asked.append(argv)
        if argv[0] == "/usr/sbin/sshd":
            return Result(argv, 0, self._settings(argv), "")
        for command in (" ".join(argv), " ".join(argv[:2]), argv[0]):
            if command in self.commands:
                return Result(argv, 0, self.commands[command], "")
        raise Unseen(f"the command {argv[0]} is not on the host")

    def _settings(self, argv: Sequence[str]) -> str:
        values = dict(self.sets)
        if "-C" in argv:
            about = dict(part.split("=", 1) for part in argv[argv.index("-C") + 1].split(","))
            for user, address, settings in reversed(self.matches):
                if fnmatch.fnmatch(about["user"], user) and about["addr"].startswith(address):
                    values.update(settings)
        text = self.base
        for keyword, value in values.items():
            text = re.sub(rf"^{keyword} .*\n", "", text, flags=re.MULTILINE) + f"{keyword} {value}\n"
        return text

    def processes(self) -> list[Process]:
        mine = [
            Process(100 + i, 1, "sshd", (title,), "/usr/sbin/sshd", "/system.slice/ssh.service", STARTED, False)
            for i, title in enumerate(self.titles)
        ]
        return [*mine, *self.others]

    def listeners(self) -> list[Listener]:
        return list(self.listening)


def process(name: str, *argv: str, pid: int = 500, contained: bool = False) -> Process:
    """Another process."""
    return Process(pid, 1, name, argv or (name,), f"/usr/bin/{name}", "", STARTED, contained)


__all__ = ["BOTH", "CODES", "CONFIG", "DEBIAN_12", "DEBIAN_13", "KEY", "SK", "Made", "process"]
