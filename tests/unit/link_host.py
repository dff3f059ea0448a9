# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host out of texts that sends and takes: files, processes, listeners, and what commands answer."""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question

NOW = dt.datetime(2026, 11, 20, 12, 0, 0, tzinfo=dt.timezone.utc)
WRITTEN, STARTED = NOW - dt.timedelta(hours=2), NOW - dt.timedelta(hours=1)
EVERYWHERE = "0.0.0.0"  # noqa: S104
OWN = "192.0.2.13"


class LinkHost(Host):
    """A host of texts. files: path -> text; answers: a command's first words -> what it prints."""

    def __init__(self) -> None:
        super().__init__(now=NOW)
        self.files: dict[str, str] = {
            "/proc/net/fib_trie": f"    |-- {OWN}\n       /32 host LOCAL\n    |-- 127.0.0.1\n       /32 host LOCAL\n",
            "/etc/systemd/journald.conf": "[Journal]\n",
        }
        self.moments: dict[str, dt.datetime] = {}
        self.answers: dict[tuple[str, ...], str] = {}
        self.failing: dict[tuple[str, ...], int] = {}
        self.units: set[str] = set()
        self.running: list[Process] = []
        self.listening: list[Listener] = []

    def start(self, program: str, *argv: str, contained: bool = False) -> LinkHost:
        """Let a program run."""
        pid = 100 + len(self.running)
        name = os.path.basename(program)
        self.running.append(Process(pid, 1, name, (program, *argv), program, "", STARTED, contained))
        return self

    def listen(self, program: str, port: int, address: str = EVERYWHERE, protocol: str = "tcp") -> LinkHost:
        """Let a program that runs, or '' that nobody sees, listen."""
        pids = tuple(one.pid for one in self.running if one.program.endswith(program)) if program else ()
        self.listening.append(Listener(protocol, address, port, pids))
        return self

    # -- what Host asks

    def processes(self) -> list[Process]:
        return self.running

    def listeners(self) -> list[Listener]:
        return self.listening

    def has(self, command: str) -> bool:
        return True

    def run(
        self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None, env: Mapping[str, str] | None = None
    ) -> Result:
        told = max((words for words in (*self.answers, *self.failing) if argv[: len(words)] == words), default=None)
        if told is None:
            raise Unseen(f"the command {argv[0]} is not on the host")
        result = Result(argv, self.failing.get(told, 0), self.answers.get(told, ""), "")
        if result.rc not in ok:
            raise Unseen(f"'{result.command}' failed")
        return result

    def read(self, path: str) -> str:
        if path not in self.files:
            raise Unseen(f"{path} cannot be read: No such file or directory")
        return self.files[path]

    def stat(self, path: str) -> os.stat_result | None:
        if path not in self.files:
            return None
        moment = self.moments.get(path, WRITTEN).timestamp()
        return os.stat_result((0o100644, 1, 1, 1, 0, 0, len(self.files[path]), moment, moment, moment))

    def real(self, path: str) -> str:
        return path

    def names(self, directory: str) -> list[str]:
        if directory.endswith("multi-user.target.wants"):
            return sorted(self.units)
        if directory == "/etc/systemd/system":
            return ["multi-user.target.wants"]
        below = [path for path in self.files if path.startswith(f"{directory}/")]
        return sorted({path[len(directory) + 1 :].partition("/")[0] for path in below})

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.files if fnmatch.fnmatchcase(path, pattern))


KINDS = ["postgresql", "mariadb", "redis", "ldap", "imap", "pop3", "managesieve", "submission", "syslog", "http"]


def question(*, probe: bool = False, **settings: Any) -> Question:
    """What a promise of all kinds asks."""
    asked = {"accepts": KINDS, "sends": ["replication", "relay", "syslog", "backup"], "peer_verified": True}
    told = {key: settings.pop(key) for key in tuple(settings) if key in asked}
    asked.update(told)
    return Question(asked, {**asked, "tunnels": [], "apis": [], "observes": [], **settings}, (), probe)


def findings(
    check: Callable[[Host, Question, str], Iterable[Finding]], host: Host, option: str, **settings: Any
) -> list[Finding]:
    """What a check finds."""
    return list(check(host, question(**settings), option))


def statuses(
    check: Callable[[Host, Question, str], Iterable[Finding]], host: Host, option: str, **settings: Any
) -> list[str]:
    return [one.status for one in findings(check, host, option, **settings)]
