# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH login that this very process came in by.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Session:
    """A login. account: who logged in; address: where from; since: seconds after the boot."""

    account: str
    address: str
    since: float


def now() -> float:
    """Seconds since the boot, as the starts of processes are told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def session(proc: str = "/proc", pid: int | None = None) -> Session | None:
    """The login that a process (this one) descends from; None where it did not come in over SSH."""
    address = ""
    for one in _ancestors(proc, os.getpid() if pid is None else pid):
        name, _parent, since = _stat(proc, one)
        if name.startswith("sshd"):
            account = pwd.getpwuid(os.stat(f"{proc}/{one}").st_uid).pw_name
            return Session(account, address, since) if address else None
        address = _address(proc, one) or address
    return None


def _ancestors(proc: str, pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        try:
            pid = _stat(proc, pid)[1]
        except (OSError, ValueError):
            return


def _stat(proc: str, pid: int) -> tuple[str, int, float]:
    """Name, parent and start (seconds after the boot) of a process."""
    with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        before, _bracket, after = stream.read().rpartition(")")
    fields = after.split()
    return before.partition("(")[2], int(fields[1]), int(fields[19]) / TICKS


def _address(proc: str, pid: int) -> str:
    """Where a process's login came from, by its environment."""
    try:
        with open(f"{proc}/{pid}/environ", "rb") as stream:
            variables = stream.read().split(b"\0")
    except OSError:
        return ""
    told = next((item for item in variables if item.startswith(b"SSH_CONNECTION=")), b"")
    return told.partition(b"=")[2].decode("ascii", "replace").partition(" ")[0].partition("%")[0]
