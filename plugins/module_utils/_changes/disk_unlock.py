# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens the encrypted volume after a restart of the host, mounts what lies on it, and starts its servers.

It is kept on the host as /usr/local/sbin/privacy-hosting-unlock, and needs the standard library only:

    ssh -t HOST sudo privacy-hosting-unlock          asks for the passphrase
    … | ssh HOST sudo privacy-hosting-unlock         reads it as the first line of its input
    privacy-hosting-unlock --tang                    asks the tang servers that the volume is bound to, once

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

STATE = "/var/lib/privacy-hosting/disk-encryption"
MAPPED = "privacy-hosting"
MOUNTED = "/var/lib/privacy-hosting/encrypted"
UNIT = "privacy-hosting-unlock.service"  # runs this with --tang at each start of the host, where it was bound

ALREADY = "everything is open and runs already"
WRONG = "the passphrase is wrong"
LATER = 75  # the exit code by which the unit knows that it can try again

_TANG_S = 60  # in which tang servers must have answered
_JWE = ("protected", "encrypted_key", "iv", "ciphertext", "tag")  # its compact form, in this order
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# runs a command that may ask on the terminal; its exit code
Runner = Callable[[Sequence[str]], int]
# runs a command with bytes as its input; its exit code and what it printed
Asker = Callable[[Sequence[str], bytes], "tuple[int, bytes]"]


class UnlockError(Exception):
    """What is not open or does not run, in one line."""


class LaterError(UnlockError):
    """The same, where it can become better by itself."""


def run(argv: Sequence[str]) -> int:
    """Run a command on our own terminal or input."""
    return subprocess.run(list(argv), env=_ENVIRONMENT, cwd="/", check=False).returncode


def ask(argv: Sequence[str], told: bytes = b"") -> tuple[int, bytes]:
    """Run a command whose input and output nobody else sees."""
    try:
        done = subprocess.run(
            list(argv), input=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_ENVIRONMENT, cwd="/",
            check=False,
        )  # fmt: skip
    except OSError:
        return 127, b""
    return done.returncode, done.stdout


def unlock(state: str = STATE, runner: Runner = run, tang: bool = False, asker: Asker = ask) -> Iterator[str]:
    """Open, mount and start; what was done, in sentences. Raises UnlockError.

    tang: the key comes from tang servers, not from whoever runs this.
    """
    volume = _load(os.path.join(state, "volume.json"), None)
    if volume is None or volume["phase"] != "ready":
        raise UnlockError("no encrypted volume was made on this host")
    device = f"/dev/disk/by-uuid/{volume['luks']}"
    # before the lock, so that nobody who has the passphrase waits for servers that do not answer
    found = _by_tang(device, asker) if tang and not _is_open() else None
    with _alone(state):
        if not _is_open():
            if not os.path.exists(device):
                raise LaterError(f"the device of the encrypted volume, {volume['device']}, is not there")
            _open(device, runner, asker, found)
            yield "the encrypted volume was opened" + (" with a tang server's help" if found else "")
        moved = _load(os.path.join(state, "moved.json"), [])
        for path in [MOUNTED, *(place["path"] for place in moved)]:
            if os.path.ismount(path):
                continue
            if runner(("mount", path)) != 0:
                raise UnlockError(f"{path} could not be mounted; nothing was started")
            yield f"{path} was mounted"
        yield from _started(dict.fromkeys(unit for place in moved for unit in place["units"]), runner)


def _is_open() -> bool:
    return os.path.exists(f"/dev/mapper/{MAPPED}")


@contextlib.contextmanager
def _alone(state: str) -> Iterator[None]:
    """Let nobody else open, mount or start meanwhile."""
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _open(device: str, runner: Runner, asker: Asker, found: tuple[str, bytes] | None) -> None:
    if found:
        slot, key = found
        open_it = ("cryptsetup", "open", "--type", "luks2", "--key-slot", slot, "--key-file=-", device, MAPPED)
        code = asker(open_it, key)[0]
    else:
        code = runner(("cryptsetup", "open", "--type", "luks2", device, MAPPED))
    if code != 0:
        raise UnlockError(WRONG if code == 2 and not found else f"cryptsetup ended with exit code {code}")


# -- tang servers ---------------------------------------------------------------------------------------------


def tokens(device: str, asker: Asker = ask) -> list[dict[str, Any]]:
    """What the header of a device has of Clevis, with the key slot that each opens. Raises LaterError."""
    code, text = asker(("cryptsetup", "luksDump", "--dump-json-metadata", device), b"")
    if code != 0:
        raise LaterError(f"the header of {device} cannot be read")
    found = sorted(json.loads(text)["tokens"].items(), key=lambda one: int(one[0]))
    return [token for _number, token in found if token["type"] == "clevis" and token["keyslots"]]


def recover(token: Mapping[str, Any], asker: Asker = ask) -> bytes:
    """The key that servers give for a token, empty where none does. It opens the volume: it is never shown."""
    compact = ".".join(token["jwe"].get(part, "") for part in _JWE)
    code, key = asker(("timeout", "--kill-after=5", str(_TANG_S), "clevis", "decrypt"), compact.encode())
    return key if code == 0 else b""


def _by_tang(device: str, asker: Asker) -> tuple[str, bytes]:
    """A key slot and its key. Raises LaterError where no server gives one."""
    for token in tokens(device, asker):
        key = recover(token, asker)
        if key:
            return token["keyslots"][0], key
    raise LaterError("no tang server gave the key of the encrypted volume; its databases stay down")


# -- servers --------------------------------------------------------------------------------------------------


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
    """What an administrator or, with --tang, the unit runs."""
    tang = sys.argv[1:] == ["--tang"]
    if sys.argv[1:] and not tang:
        sys.stderr.write("usage: privacy-hosting-unlock [--tang]\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("this needs root rights: sudo privacy-hosting-unlock\n")
        return 1
    done = False
    try:
        for line in unlock(tang=tang):
            done = True
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except UnlockError as error:
        sys.stderr.write(f"{error}\n")
        return LATER if isinstance(error, LaterError) and tang else 1
    if not tang and os.path.exists(f"/etc/systemd/system/{UNIT}"):
        ask(("systemctl", "reset-failed", UNIT))  # that it found no server is no fault any more
    if not done:
        sys.stdout.write(f"{ALREADY}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
