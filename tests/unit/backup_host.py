# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose files and answers are told, and a repository of restic on another machine that answers as told."""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
import os
import stat as statmode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_servers import Server
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.timezone.utc)
IDENTITY = "5d2f9a63" * 8
ENV = "RESTIC_REPOSITORY=sftp:store@192.0.2.9:/srv/data1\nRESTIC_PASSWORD=very-secret\n"
SCRIPT = "#!/bin/sh -e\nset -a\n. /etc/restic.env\nrestic backup /srv/files /var/dumps\n"

PLAIN = (
    "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE public.t (\n    a integer\n);\n"
    "COPY public.t (a) FROM stdin;\n1\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n"
)
MARIADB = (
    "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.18-MariaDB\n--\n"
    "-- Host: localhost    Database: webshop\n-- ------\nCREATE TABLE `t` (\n);\n"
    "-- Dumping data for table `t`\nINSERT INTO `t` VALUES (1);\n-- Dump completed on 2026-11-20  2:15:01\n"
)


def at(hours_ago: float) -> str:
    """A time as restic writes it."""
    return (NOW - dt.timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def snapshot(hours_ago: float, number: int = 1, **more: Any) -> dict[str, Any]:
    """A snapshot as 'restic snapshots --json' tells it."""
    return {
        "time": at(hours_ago),
        "tree": "0" * 64,
        "paths": ["/srv/files", "/var/dumps"],
        "hostname": "data1",
        "username": "root",
        "id": f"{number:064x}",
        **more,
    }


class BackupHost(Host):
    """A host of told files. answers: what commands print; repository: what restic answers, by its command."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        super().__init__(now=NOW)
        self.files: dict[str, str] = {
            "/etc/restic.env": ENV,
            "/usr/local/sbin/backup": SCRIPT,
            "/etc/cron.d/backup": "x\n",
            **(files or {}),
        }
        self.directories: set[str] = set()
        self.answers: dict[tuple[str, ...], str] = {("uname", "-n"): "data1\n"}
        self.running: list[Process] = []
        self.asked: list[tuple[tuple[str, ...], dict[str, str]]] = []
        self.snapshots: Any = [snapshot(30, 1), snapshot(6, 2)]
        self.keys: Any = [{"id": "a"}, {"id": "b"}]
        self.identity = IDENTITY
        self.inside: dict[str, bytes] = {"/srv/files/a.txt": b"x", "/var/dumps/klanten.sql": PLAIN.encode()}
        self.changed_hours_ago = 6.0
        self.complaint = ""
        self.jobs(Job("the line in /etc/cron.d/backup", "/usr/local/sbin/backup", 1.0, "/etc/cron.d/backup:1"))
        self.servers(self.server("postgresql", "PostgreSQL 15/main", ["klanten"]))

    # -- what services found ------------------------------------------------------------------------------------------

    def given(self, key: Any, value: Any) -> None:
        """What a service has found already."""
        self._kept[key] = (value, None)

    def jobs(self, *jobs: Job) -> None:
        self.given("jobs", list(jobs))
        self._kept.setdefault("timers not loaded", ([], None))

    def server(self, kind: str, name: str, databases: Sequence[str]) -> Server:
        self.given(("databases", name, (7,)), list(databases))
        directory = {"postgresql": "/var/lib/postgresql/15/main"}.get(kind, f"/var/lib/{kind}")
        return Server(self, kind, name, (7,), f"{kind}.service", directory, 0, "process 7")

    def servers(self, *servers: Server) -> None:
        self.given("database servers", list(servers))
        self.given("strange databases", [])

    # -- files --------------------------------------------------------------------------------------------------------

    def real(self, path: str) -> str:
        return path

    def stat(self, path: str) -> os.stat_result | None:
        if path in self.files:
            return os.stat_result((statmode.S_IFREG | 0o755, 1, 1, 1, 0, 0, len(self.files[path]), 0, 0, 0))
        if path in self.directories or any(name.startswith(path.rstrip("/") + "/") for name in self.files):
            return os.stat_result((statmode.S_IFDIR | 0o755, 1, 1, 1, 0, 0, 0, 0, 0, 0))
        return super().stat(path) if path.startswith("/tmp/") else None  # noqa: S108  a test's own directory

    def _read(self, path: str) -> str:
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def glob(self, pattern: str) -> list[str]:
        found = {path for path in [*self.files, *self.directories] if fnmatch.fnmatchcase(path, pattern)}
        return sorted({path for path in found if path.count("/") == pattern.count("/")})

    def names(self, directory: str) -> list[str]:
        if directory.startswith("/tmp/"):  # noqa: S108  a test's own directory
            return super().names(directory)
        start = directory.rstrip("/") + "/"
        return sorted({path[len(start) :].split("/")[0] for path in self.files if path.startswith(start)})

    # -- processes and commands ---------------------------------------------------------------------------------------

    def processes(self) -> list[Process]:
        return self.running

    def listeners(self) -> list[Listener]:
        return []

    def has(self, command: str) -> bool:
        return command in ("restic", "ssh", "systemctl", "redis-cli")

    def _run(
        self,
        argv: tuple[str, ...],
        timeout: float,
        env: Mapping[str, str],
        take: Callable[[bytes], bool] | None = None,
    ) -> Result:
        self.asked.append((argv, dict(env)))
        if argv in self.answers:
            return Result(argv, 0, self.answers[argv], "")
        if argv[:2] == ("ssh", "-G"):
            return Result(argv, 0, f"hostname {argv[-1].rpartition('@')[2]}\nport 22\nproxycommand none\n", "")
        if "restic" in argv and self.complaint:
            return Result(argv, 1, "", self.complaint)
        if "restic" in argv:
            return self._restic(argv, take)
        raise Unseen(f"the command {argv[0]} is not on the host")

    def _restic(self, argv: tuple[str, ...], take: Callable[[bytes], bool] | None) -> Result:
        words = [word for word in argv[argv.index("restic") + 1 :] if not word.startswith("-")]
        if words[0] == "snapshots":
            return Result(argv, 0, json.dumps(self.snapshots), "")
        if words[0] == "cat":
            return Result(argv, 0, json.dumps({"version": 2, "id": self.identity}), "")
        if words[0] == "key":
            return Result(argv, 0, json.dumps(self.keys), "")
        if words[0] == "ls" and take is not None:
            self._hand("".join(self._lines()).encode(), take)
        elif take is not None:
            self._hand(self._dumped(words[2]), take)
        return Result(argv, 0, "", "")

    def _hand(self, data: bytes, take: Callable[[bytes], bool]) -> None:
        for start in range(0, len(data), 100):
            if not take(data[start : start + 100]):
                return

    def _lines(self) -> list[str]:
        told = {"struct_type": "node", "mtime": at(self.changed_hours_ago)}
        nodes = [
            {"type": "file", "path": path, "size": len(data), **told} for path, data in sorted(self.inside.items())
        ]
        return [json.dumps(node, separators=(",", ":")) + "\n" for node in nodes]

    def _dumped(self, path: str) -> bytes:
        if path in self.inside:
            return self.inside[path]
        import io
        import tarfile

        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, data in sorted(self.inside.items()):
                if name.startswith(path + "/"):
                    member = tarfile.TarInfo(name.lstrip("/"))
                    member.size, member.mtime = len(data), 1.5
                    archive.addfile(member, io.BytesIO(data))
        return stream.getvalue()
