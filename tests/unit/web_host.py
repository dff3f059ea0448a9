# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose web servers are files in a directory, with the answers that real ones gave to our commands."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen

ANSWERS = {  # Debian 12
    ("/usr/sbin/nginx", "-V"): (
        "",
        (
            "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.20 7 Apr 2026\n"
            "TLS SNI support enabled\nconfigure arguments: --with-ld-opt='-Wl,-z,relro -Wl,-z,now -fPIC' "
            "--prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --http-log-path=/var/log/nginx/access.log "
            "--error-log-path=stderr --lock-path=/var/lock/nginx.lock --pid-path=/run/nginx.pid\n"
        ),
    ),
    ("/usr/sbin/apache2", "-v"): ("Server version: Apache/2.4.71 (Debian)\nServer built:   2026-11-12T08:58:41\n", ""),
    ("/usr/sbin/apache2", "-l"): (
        (
            "Compiled in modules:\n  core.c\n  mod_so.c\n  mod_watchdog.c\n  http_core.c\n  mod_log_config.c\n"
            "  mod_logio.c\n  mod_version.c\n  mod_unixd.c\n"
        ),
        "",
    ),
}


class WebHost(Host):
    """A host with these processes and listeners; files are real ones. Servers start after their files were written."""

    def __init__(self, running: Sequence[Process] = (), listening: Sequence[Listener] = ()) -> None:
        super().__init__()
        self.running = list(running)
        self.listening = list(listening)

    def processes(self) -> list[Process]:
        return self.running

    def listeners(self) -> list[Listener]:
        return self.listening

    def run(self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None) -> Result:
        if argv[0] == "find":
            return super().run(*argv, ok=ok, timeout=timeout)
        if argv not in ANSWERS:
            raise Unseen(f"the command {argv[0]} is not on the host")
        return Result(argv, 0, *ANSWERS[argv])

    def names(self, directory: str) -> list[str]:
        return [] if "/systemd/" in directory else super().names(directory)


def process(name: str, *argv: str, pid: int = 0, parent: int = 1, age_s: float = -60, exe: str = "") -> Process:
    """A process of this very machine's root directory; age_s: how long it has run, in seconds."""
    started = dt.datetime.now(dt.timezone.utc) - dt.timedelta(seconds=age_s)
    return Process(pid or os.getpid(), parent, name, argv, exe or f"/usr/sbin/{name}", "", started, contained=False)


def nginx(config: Path, *more: Process, age_s: float = -60) -> WebHost:
    """A host with an nginx that was started with this file."""
    master = process(
        "nginx", f"nginx: master process /usr/sbin/nginx -c {config} -g daemon on; user www-data;", age_s=age_s
    )
    worker = process("nginx", "nginx: worker process", pid=999999, parent=master.pid, age_s=age_s)
    return WebHost([master, worker, *more])


def apache(config: Path, *arguments: str, age_s: float = -60) -> WebHost:
    """A host with an Apache that was started with this file."""
    master = process(
        "apache2", "/usr/sbin/apache2", "-d", str(config.parent), "-f", str(config), *arguments, age_s=age_s
    )
    return WebHost([master, replace(master, pid=999999, parent=master.pid)])
