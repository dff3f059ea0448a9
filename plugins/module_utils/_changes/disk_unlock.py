# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens the encrypted volume after a restart of the host, mounts what lies on it, and starts its servers.

It is kept on the host as /usr/local/sbin/privacy-hosting-unlock, and needs the standard library only:

    ssh -t HOST sudo privacy-hosting-unlock          asks for the passphrase
    … | ssh HOST sudo privacy-hosting-unlock         reads it as the first line of its input

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

STATE = "/var/lib/privacy-hosting/disk-encryption"
MAPPED = "privacy-hosting"
MOUNTED = "/var/lib/privacy-hosting/encrypted"

ALREADY = "everything is open and runs already"
WRONG = "the passphrase is wrong"

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# runs a command that may ask on the terminal; its exit code
Runner = Callable[[Sequence[str]], int]


class UnlockError(Exception):
    """What is not open or does not run, in one line."""


def run(argv: Sequence[str]) -> int:
    """Run a command on our own terminal or input."""
    return subprocess.run(list(argv), env=_ENVIRONMENT, cwd="/", check=False).returncode


def unlock(state: str = STATE, runner: Runner = run) -> Iterator[str]:
    """Open, mount and start; what was done, in sentences. Raises UnlockError."""
    volume = _load(os.path.join(state, "volume.json"), None)
    if volume is None or volume["phase"] != "ready":
        raise UnlockError("no encrypted volume was made on this host")
    if not os.path.exists(f"/dev/mapper/{MAPPED}"):
        device = f"/dev/disk/by-uuid/{volume['luks']}"
        if not os.path.exists(device):
            raise UnlockError(f"the device of the encrypted volume, {volume['device']}, is not there")
        code = runner(("cryptsetup", "open", "--type", "luks2", device, MAPPED))
        if code != 0:
            raise UnlockError(WRONG if code == 2 else f"cryptsetup ended with exit code {code}")
        yield "the encrypted volume was opened"
    moved = _load(os.path.join(state, "moved.json"), [])
    for path in [MOUNTED, *(place["path"] for place in moved)]:
        if os.path.ismount(path):
            continue
        if runner(("mount", path)) != 0:
            raise UnlockError(f"{path} could not be mounted; nothing was started")
        yield f"{path} was mounted"
    yield from _started(dict.fromkeys(unit for place in moved for unit in place["units"]), runner)


def _started(units: Sequence[str] | dict[str, Any], runner: Runner) -> Iterator[str]:
    """Start what ran when it was moved, unless it was disabled since."""
    failed = []
    for unit in units:
        if runner(("systemctl", "is-active", "--quiet", unit)) == 0:
            continue
        if runner(("systemctl", "is-enabled", "--quiet", unit)) != 0:
            yield f"{unit} is not enabled, and was not started"
            continue
        runner(("systemctl", "reset-failed", unit))
        if runner(("systemctl", "start", unit)) == 0:
            yield f"{unit} was started"
        else:
            failed.append(unit)
    if failed:
        raise UnlockError(f"{', '.join(failed)} did not start; see journalctl -u {failed[0]}")


def _load(path: str, otherwise: Any) -> Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return otherwise


def main() -> int:
    """What an administrator runs."""
    if os.geteuid() != 0:
        sys.stderr.write("this needs root rights: sudo privacy-hosting-unlock\n")
        return 1
    done = False
    try:
        for line in unlock():
            done = True
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except UnlockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not done:
        sys.stdout.write(f"{ALREADY}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
