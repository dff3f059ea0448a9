# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine beneath the lab: its packages, one private mount namespace, and podman inside it.

Everything the lab makes lies below `.lab/`. Podman's storage, networks and mounts live in a mount namespace of
their own, in which `.lab/` is bound to /mnt (a short path: sockets allow 107 characters) and, where the machine
still has cgroup v1, a pure cgroup2 tree is mounted. The namespace exists as long as one process holds it.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

REPOSITORY = Path(__file__).resolve().parent.parent
STATE = REPOSITORY / ".lab"
INSIDE = Path("/mnt")  # where the namespace sees STATE
_IN_USE = "in-use.lock"  # of STATE: each command that uses the namespace holds it, shared
KEEPER = "privacy-hosting-lab-keeper"
KEEPER_LIMIT = 10  # seconds for the keeper to begin, and to end
MAX_OPEN_FILES = 10000
MAX_PROCESSES = 16000

_PREPARE_NAMESPACE = """
set -e
mount --make-rprivate /
mount --bind "$1" /mnt
mount -t tmpfs -o mode=0711 tmpfs /mnt/run
mkdir /mnt/run/netns
# Podman keeps a few things at fixed places: here they are its own, and empty.
resolver=$(readlink -f /etc/resolv.conf)
cp "$resolver" /mnt/run/resolv.conf
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
[ -e "$resolver" ] || install -D -m 0644 /mnt/run/resolv.conf "$resolver"
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
touch /mnt/run/ready
exec -a "$2" sleep infinity
"""

_CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
pids_limit = 0
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = "/mnt/run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "/mnt/storage/networks"
"""


class LabError(Exception):
    """One line that says what is wrong and what would be right."""


_STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a progress line with the seconds since the command began."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", flush=True)


def run(
    command: Sequence[str],
    *,
    stdin: bytes | None = None,
    limit: float = 900,
    name: str | None = None,
    folder: Path | None = None,
) -> str:
    """Run a command and return its output; a failure becomes one LabError with its last line of complaint.

    `limit` is in seconds; `name` stands for the command in that error; `folder` is where it runs.
    """
    name = name or " ".join(command)[:120]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=limit, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise LabError(f"{name}: no answer within {limit:.0f} s") from None
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no message"]
        raise LabError(f"{name}: {complaint[-1]} (exit code {done.returncode})")
    return done.stdout.decode(errors="replace")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` among all lab commands of this clone."""
    STATE.mkdir(mode=0o711, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def in_use(state: Path) -> bool:
    """Whether a lab command runs that uses the namespace of the clone whose STATE this is."""
    try:
        with (state / _IN_USE).open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


# --- packages ---------------------------------------------------------------------------------------------------


def required_packages() -> list[str]:
    """Debian packages that the lab needs on this machine."""
    lines = (REPOSITORY / "lab" / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def missing_packages() -> list[str]:
    """Those of `required_packages` that are not installed."""
    if not shutil.which("dpkg-query"):
        raise LabError("the lab runs on Debian 12 or 13: there is no dpkg-query on this machine")
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *required_packages()]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in required_packages() if package not in installed]


def provide_packages(*, install: bool) -> None:
    """Install what is missing, after naming it; else say in one line what is missing. Needs root."""
    missing = missing_packages()
    if os.geteuid() != 0:
        needs = f", and these Debian packages: {' '.join(missing)}" if missing else ""
        raise LabError(f"the lab's servers are containers that only root can make: it needs root{needs}")
    if missing and not install:
        raise LabError(f"Debian packages are missing that `lab/lab up` installs: {' '.join(missing)}")
    if missing:
        _install(missing)


def _install(missing: Sequence[str]) -> None:
    say(f"installing Debian packages: {' '.join(missing)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            complaint = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
            raise LabError(f"apt-get {command[0]} failed: {complaint}")
    say("packages installed")


# --- the namespace ----------------------------------------------------------------------------------------------


def _sees_state(pid: int) -> bool:
    """Whether a process has STATE at /mnt."""
    try:
        return os.path.samefile(STATE, f"/proc/{pid}/root{INSIDE}")
    except OSError:
        return False


def _is_keeper(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == KEEPER.encode()
    except OSError:
        return False


def _namespace_processes() -> list[int]:
    """Processes in the namespace: the keeper first, then container monitors, which may outlive it."""
    found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _sees_state(int(entry))]
    return sorted(found, key=lambda pid: (not _is_keeper(pid), pid))


def _write_containers_conf() -> None:
    runtime = "runc" if shutil.which("runc") else "crun"
    text = _CONTAINERS_CONF.format(
        files=min(MAX_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        processes=min(MAX_PROCESSES, resource.getrlimit(resource.RLIMIT_NPROC)[1]),
        runtime=runtime,
    )
    (STATE / "containers.conf").write_text(text)


def _start_keeper() -> int:
    for directory in (STATE, STATE / "run", STATE / "storage"):
        directory.mkdir(mode=0o711, exist_ok=True)
    _write_containers_conf()
    command = ["unshare", "--mount", "bash", "-c", _PREPARE_NAMESPACE, KEEPER, str(STATE), KEEPER]
    quiet = subprocess.DEVNULL
    with (STATE / "keeper.log").open("w") as log:
        keeper = subprocess.Popen(
            command, stdin=quiet, stdout=log, stderr=log, start_new_session=True, cwd="/", close_fds=True
        )
    until = time.monotonic() + KEEPER_LIMIT
    while keeper.poll() is None and time.monotonic() < until:
        if Path(f"/proc/{keeper.pid}/root{INSIDE}/run/ready").exists():
            return keeper.pid
        time.sleep(0.02)
    complaint = (STATE / "keeper.log").read_text().strip().splitlines() or ["no message"]
    raise LabError(f"could not make the lab's mount namespace: {complaint[-1]}")


_namespace: int | None = None
_in_use: TextIO | None = None  # held open, with a shared lock, as long as this process may use the namespace


def namespace() -> int:
    """Id of a process in the lab's mount namespace; makes the namespace when there is none."""
    global _namespace, _in_use
    if _namespace is None or not _sees_state(_namespace):
        with locked("keeper"):
            if _in_use is None:
                _in_use = (STATE / _IN_USE).open("w")
                fcntl.flock(_in_use, fcntl.LOCK_SH)
            processes = _namespace_processes()
            _namespace = processes[0] if processes else _start_keeper()
    return _namespace


def has_namespace() -> bool:
    """Whether the lab's mount namespace exists now."""
    return bool(_namespace_processes())


def end_namespace() -> bool:
    """End the keeper, and with it all mounts of the lab, unless another command uses them.

    Containers must be gone before. Returns whether the namespace has ended.
    """
    global _namespace
    namespace()
    assert _in_use is not None
    with locked("keeper"):
        try:
            fcntl.flock(_in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(_in_use, fcntl.LOCK_SH)
            return False
        until = time.monotonic() + KEEPER_LIMIT
        while (processes := _namespace_processes()) and time.monotonic() < until:
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        _namespace = None
        fcntl.flock(_in_use, fcntl.LOCK_SH)
    return True


def inside(command: Sequence[str], *, stdin: bytes | None = None, limit: float = 900) -> str:
    """Run a command as root in the lab's mount namespace and return its output."""
    return run(enter(command), stdin=stdin, limit=limit)


def enter(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` in the lab's mount namespace."""
    return ["nsenter", f"--mount=/proc/{namespace()}/ns/mnt", "--wdns=/", "--", *command]


PODMAN = (
    "env",
    f"CONTAINERS_CONF={INSIDE}/containers.conf",
    "podman",
    f"--root={INSIDE}/storage/root",
    f"--runroot={INSIDE}/run/containers",
    "--storage-driver=overlay",
    "--cgroup-manager=cgroupfs",
)


def podman(*arguments: str, stdin: bytes | None = None, limit: float = 900) -> str:
    """Run podman on the lab's own storage and return its output."""
    return run(podman_command(*arguments), stdin=stdin, limit=limit, name=f"podman {arguments[0]}")


def podman_command(*arguments: str) -> list[str]:
    """The command line of such a podman call, for callers that need its own input and output."""
    return enter([*PODMAN, *arguments])
