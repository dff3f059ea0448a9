# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that puts its former SSH configuration back by itself, unless it is told in time that all is well.

Armed, it keeps what stands at some paths, and a timer of systemd runs this very file, copied there by itself:

    /var/lib/privacy-hosting/ssh-rollback/rollback.py    this file; it needs the standard library only
                                         /armed.json     what was there; whoever renames it first, wins
                                         /replaced/      what was put aside by the last rollback, for the administrator

A restart of the host ends such a timer; so a unit puts back what is still armed before sshd starts again.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

STATE = "/var/lib/privacy-hosting/ssh-rollback"
UNIT = "privacy-hosting-ssh-rollback"
AFTER_S = 300  # seconds in which an administrator's run logs in anew
LOCK = "/var/lib/privacy-hosting/undo"  # what transactions lock
SSH = "ssh.service"
BOOT_UNIT = f"/etc/systemd/system/{UNIT}-at-boot.service"
WANTED = f"/etc/systemd/system/multi-user.target.wants/{UNIT}-at-boot.service"

TOO_LATE = "the former SSH configuration was put back already, since the run took too long; run it again"

_LOCK_S = 30.0
_COMMAND_S = 60.0
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# runs a command and returns its exit code and what it complained of
Runner = Callable[[Sequence[str]], "tuple[int, str]"]


class RollbackError(Exception):
    """What could not be done, in one line."""


def run(argv: Sequence[str]) -> tuple[int, str]:
    """Run a command, at most a minute; its exit code and the last line of its complaint."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, env=_ENVIRONMENT, cwd="/", timeout=_COMMAND_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else f"exit code {done.returncode}"


_BOOT_UNIT_TEXT = """# Made by privacy.hosting, role ssh_two_factor, for as long as it changes SSH.
[Unit]
Description=Put the former SSH configuration back, since the host was restarted before a new login worked
ConditionPathExists={state}/armed.json
Before=ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart={python} -IB {state}/rollback.py {state}

[Install]
WantedBy=multi-user.target
"""


# -- arming ---------------------------------------------------------------------------------------------------


def arm(
    paths: Sequence[str],
    units: Sequence[str] = (),
    after_s: int = AFTER_S,
    state: str = STATE,
    program: bytes = b"",
    runner: Runner = run,
    boot: tuple[str, str] = (BOOT_UNIT, WANTED),
) -> None:
    """Keep what stands at some paths, and let a timer put it back after so many seconds.

    units: timers whose state is kept, too; program: the text of this file; boot: the unit for a restart of the
    host, and its link.
    Raises RollbackError, and nothing is armed then.
    """
    armed = os.path.join(state, "armed.json")
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
        os.chmod(state, 0o700)
        _write(os.path.join(state, "rollback.py"), program)
        enabled = {unit: runner(("systemctl", "is-enabled", unit))[0] == 0 for unit in units}
        kept = {"paths": [_look(path) for path in paths], "units": enabled}
        unit = _BOOT_UNIT_TEXT.format(state=state, python=sys.executable or "/usr/bin/python3")
        # first: what is armed never outlives its timer
        _start_timer(state, after_s, runner)
        _write(boot[0], unit.encode(), 0o644)
        _remove(boot[1:])
        os.symlink(boot[0], boot[1])
        _write(armed, json.dumps(kept).encode())
    except (OSError, RollbackError) as error:
        runner(("systemctl", "stop", f"{UNIT}.timer"))
        _remove([f"{armed}.new", *boot])
        told = f"{error.filename or state}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise RollbackError(f"{told}; nothing was changed") from None


def _start_timer(state: str, after_s: int, runner: Runner) -> None:
    code, complaint = runner(
        (
            "systemd-run", "--quiet", f"--unit={UNIT}", f"--on-active={after_s}", "--timer-property=AccuracySec=100ms",
            "--description=Put the former SSH configuration back, unless a new login works",
            sys.executable or "/usr/bin/python3", "-IB", os.path.join(state, "rollback.py"), state,
        )
    )  # fmt: skip
    if code != 0:
        raise RollbackError(f"systemd-run could not arm the rollback: {complaint}")


def is_pending(runner: Runner = run) -> bool:
    """Whether a rollback waits, or is about to put back."""
    return any(runner(("systemctl", "is-active", f"{UNIT}.{kind}"))[0] == 0 for kind in ("timer", "service"))


def is_armed(state: str = STATE) -> bool:
    """Whether something would be put back."""
    return os.path.exists(os.path.join(state, "armed.json"))


def disarm(state: str = STATE, runner: Runner = run, boot: tuple[str, str] = (BOOT_UNIT, WANTED)) -> None:
    """Call the rollback off. Raises RollbackError where it came first."""
    try:
        os.rename(os.path.join(state, "armed.json"), os.path.join(state, "disarmed.json"))
    except FileNotFoundError:
        raise RollbackError(TOO_LATE) from None
    _remove(boot)
    runner(("systemctl", "stop", f"{UNIT}.timer"))
    shutil.rmtree(state, ignore_errors=True)


# -- putting back ---------------------------------------------------------------------------------------------


def put_back(
    state: str = STATE, lock: str = LOCK, runner: Runner = run, boot: tuple[str, str] = (BOOT_UNIT, WANTED)
) -> list[str]:
    """Put back what was kept, and let sshd load it. What was done, in sentences; none where nothing was armed."""
    taken = os.path.join(state, "taken.json")
    try:
        os.rename(os.path.join(state, "armed.json"), taken)
    except FileNotFoundError:
        _remove(boot)
        return []
    with open(taken, encoding="utf-8") as stream:
        kept = json.load(stream)
    with _locked(lock):
        said = list(_put_all_back(kept, os.path.join(state, "replaced"), runner))
    _remove([*boot, taken])
    return said


def _put_all_back(kept: dict[str, Any], replaced: str, runner: Runner) -> Iterator[str]:
    for unit, enabled in kept["units"].items():
        if not enabled:
            runner(("systemctl", "disable", "--now", unit))
    shutil.rmtree(replaced, ignore_errors=True)
    changed = False
    for number, before in enumerate(kept["paths"]):
        try:
            now = _look(before["path"])
            if now == before:
                _tidy(before["path"])
                continue
            _put_aside(now, os.path.join(replaced, f"{number}-{os.path.basename(before['path'])}"))
            _restore(before)
            _tidy(before["path"])
            changed = True
            yield f"put back {before['path']}"
        except OSError as error:
            yield f"could not put back {before['path']}: {error.strerror}"
    if any(before["path"].startswith("/etc/systemd/") for before in kept["paths"]):
        runner(("systemctl", "daemon-reload"))
    for unit, enabled in kept["units"].items():
        if enabled:
            runner(("systemctl", "enable", "--now", unit))
    # never without need: somebody else's edits may wait there for a moment of their choice
    if changed and runner(("systemctl", "is-active", SSH))[0] == 0:
        code, complaint = runner(("systemctl", "reload", SSH))
        yield "sshd was reloaded" if code == 0 else f"sshd could not be reloaded: {complaint}"


def _look(path: str) -> dict[str, Any]:
    """What stands at a path, with its content, as plain JSON types."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "kind": "absent"}
    node = {"path": path, "uid": status.st_uid, "gid": status.st_gid, "mode": stat.S_IMODE(status.st_mode)}
    if stat.S_ISLNK(status.st_mode):
        return {**node, "kind": "link", "target": os.readlink(path)}
    if stat.S_ISDIR(status.st_mode):
        return {**node, "kind": "directory"}
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        return {**node, "kind": "file", "content": base64.b64encode(stream.read()).decode()}


def _restore(before: dict[str, Any]) -> None:
    """Give a path what it had. A directory that is new stays: somebody may have put something into it."""
    path = before["path"]
    if before["kind"] == "directory" or (os.path.isdir(path) and not os.path.islink(path)):
        return
    if before["kind"] == "absent":
        os.unlink(path)
        return
    # by the directory's descriptor: its owner may be another than root, and may exchange it meanwhile
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        name = os.path.basename(path)
        temporary = f".{name}.privacy-hosting-rollback"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        if before["kind"] == "link":
            os.symlink(before["target"], temporary, dir_fd=directory)
        else:
            _write_at(directory, temporary, before)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    finally:
        os.close(directory)


def _tidy(path: str) -> None:
    """Remove what a transaction that was cut off left beside a path: it is put back by this rollback already."""
    folder, name = os.path.split(path)
    room = os.path.join(folder, ".privacy-hosting")
    if os.path.islink(room):
        return
    for which in ("new", "old"):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(room, f"{which}-{name}"))
    with contextlib.suppress(OSError):
        os.rmdir(room)


def _write_at(directory: int, name: str, before: dict[str, Any]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchown(descriptor, before["uid"], before["gid"])
        os.fchmod(descriptor, before["mode"])
        stream.write(base64.b64decode(before["content"]))
        stream.flush()
        os.fsync(descriptor)


def _put_aside(now: dict[str, Any], path: str) -> None:
    """Keep what is about to be replaced, as far as there is room for it."""
    if now["kind"] != "file":
        return
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _write(path, base64.b64decode(now["content"]))


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Let a transaction that is under way end first; one that hangs is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        end = time.monotonic() + _LOCK_S
        while time.monotonic() < end:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _remove(paths: Sequence[str]) -> None:
    """Remove what is there of these."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _write(path: str, data: bytes, mode: int = 0o600) -> None:
    """A file of root's, there with all of its content or not at all."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)


def main(arguments: Sequence[str]) -> int:
    """What the timer runs; what it prints is for the journal."""
    said = put_back(arguments[0] if arguments else STATE)
    if not said:
        sys.stdout.write("Nothing is to be put back.\n")
        return 0
    lines = ["No new login followed the change of the SSH configuration; what was there before was put back:", *said]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if any(line.startswith("could not") for line in said) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
