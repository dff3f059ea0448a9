# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real virtual machine as a host of the lab: qemu with two disks, its snapshots, and commands as root on it.

All of one machine lies in one folder: disks, sockets, log. A booted one is kept for each image, and copied: to load it
takes a tenth of the time that booting takes. qemu answers on the socket `qmp`; the guest's own agent
(Debian's qemu-guest-agent) answers on `agent`, without network and login, while sshd may be broken or locked.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import machine
from lab.machine import LabError

MEMORY = 1536  # MiB
# Of the first disk: sizes in MiB (the root is told with its swap), and what its two file systems are known by.
PARTITIONS = {
    "ROOT_SIZE": "4096",
    "SWAP_SIZE": "256",
    "ROOT_UUID": "6c1f8f1e-5a55-4f0a-9a57-1d5ba5e0b001",
    "SWAP_UUID": "6c1f8f1e-5a55-4f0a-9a57-1d5ba5e0b002",
}
BOOTED = "booted"  # the snapshot of a machine that nobody has been given yet
BOOT_LIMIT = 600  # seconds, for an emulated processor beside much other work
ANSWER_LIMIT = 10  # seconds for an answer of qemu or of the agent
COMMAND_LIMIT = 600  # seconds that a command in the guest may take
END_LIMIT = 10  # seconds for qemu to end

FSTAB = "UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\nUUID={SWAP_UUID} none swap sw 0 0\n".format(**PARTITIONS)

# One emulated processor: two would wait for each other's locks while this machine runs neither. qemu 7.2 spoils flags
# in cmpxchg16b, from which Linux falls over. A processor of before AVX: what programs and dm-crypt do with longer
# registers where they find some is emulated many times slower.
_EMULATED = "-accel tcg -cpu Nehalem,+aes,+pclmulqdq,-cx16 -smp 1"

_HARDWARE_ADDRESS = "52:54:00:d6:00:0f"  # of all machines, each alone on its lab's bridge

# Before a machine is kept for later: nothing is half written, no timer is due on the day when it is loaded, and logins
# of Ansible's account do not each start a manager of its own.
_SETTLE = """
loginctl enable-linger debian
systemctl list-units --type=timer --state=active --plain --no-legend | cut -d' ' -f1 > /run/timers
xargs -r systemctl stop < /run/timers
sync
"""
_BEGIN = """
hostname "$(cat /etc/hostname)"
touch /var/lib/systemd/timers/stamp-*
xargs -r systemctl start < /run/timers
systemctl restart systemd-networkd ssh
"""

_KERNEL = f"root=UUID={PARTITIONS['ROOT_UUID']} rw console=ttyS0 net.ifnames=0 quiet"
# An emulated processor spends its time on guards against faults that it does not have, and on self-tests; the speed of
# its own counter is measured wrongly while others use the real one, and then its clock runs several times too fast.
_KERNEL_EMULATED = "mitigations=off nokaslr no_timer_check cryptomgr.notests tsc=unstable clocksource=acpi_pm"


class VirtualMachine:
    """One machine, by the folder that holds it. link: its network device's name on this machine."""

    def __init__(self, name: str, folder: Path, link: str) -> None:
        self.name, self.folder, self._link = name, folder, link

    # --- its process --------------------------------------------------------------------------------------------

    def process(self) -> int | None:
        """Id of its qemu; None where none runs."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / "pid").read_text())
            if os.fsencode(str(self.folder / "pid")) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        return None

    @property
    def fingerprint(self) -> str:
        """What it was made from; '' where it was not made to the end."""
        with suppress(OSError):
            return (self.folder / "fingerprint").read_text()
        return ""

    @fingerprint.setter
    def fingerprint(self, told: str) -> None:
        (self.folder / "fingerprint").write_text(told)

    def make(self, disks: Mapping[str, str]) -> None:
        """Boot it for the first time, from what its folder holds, and keep it at the snapshot BOOTED.

        disks: size, as qemu writes it, of each empty disk by its serial number.
        """
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        machine.run([*create, "-b", "root.img", "-F", "raw", "root.qcow2"], folder=self.folder)
        for serial, size in disks.items():
            machine.run([*create, f"{serial}.qcow2", size], folder=self.folder)
        try:
            self.start()
            self.wait_until_booted()
            self._prove(*self.execute(["sh", "-ec", _SETTLE]))
            self.save(BOOTED)
        finally:
            self.end()

    def copy(self, template: Path) -> None:
        """Make it anew as a copy of a machine that was made before."""
        self.remove()
        self.folder.mkdir(mode=0o700, parents=True)
        for name in ("kernel", "initrd", "root.img"):
            (self.folder / name).symlink_to(template / name)
        disks = [str(path) for path in template.glob("*.qcow2")]
        machine.run(["cp", "--sparse=always", "--reflink=auto", *disks, str(self.folder)])

    def furnish(self, script: str, files: bytes) -> None:
        """Run a script in the machine that was loaded at BOOTED, with files as its input, and begin what is timed."""
        self._prove(*self.execute(["sh", "-ec", f"{script}{_BEGIN}"], files))

    def _prove(self, status: int, _: bytes, errors: bytes) -> None:
        if status:
            complaint = errors.decode(errors="replace").strip().splitlines() or ["no message"]
            raise LabError(f"{self.name}: {complaint[-1]} (exit code {status})")

    def start(self, bridge: str = "", snapshot: str = "") -> None:
        """Start qemu, with the machine as it was at a snapshot, or from the boot; its device is put on the bridge."""
        command = [*self._command(), *(["-loadvm", snapshot] if snapshot else [])]
        machine.run(command, name=f"qemu of {self.name}", folder=self.folder)
        try:
            machine.run(["ip", "link", "set", self._link, *(["master", bridge] if bridge else []), "up"])
            if snapshot:
                self.set_clock()
        except BaseException:
            self.end()
            raise

    def _command(self) -> list[str]:
        """qemu's command line; sockets are named from within the folder, for their paths' sake."""
        serials = sorted({path.stem for path in self.folder.glob("*.qcow2")} - {"root"})
        words = [
            "qemu-system-x86_64",
            f"-name {self.name}",
            "-no-user-config -nodefaults -display none -daemonize",
            processor(),
            "-rtc base=utc -device virtio-rng-pci",
            "-qmp unix:qmp,server=on,wait=off",
            "-chardev file,id=console,path=console.log -serial chardev:console",
            "-device virtio-serial-pci -chardev socket,id=agent,path=agent,server=on,wait=off",
            "-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            f"-netdev tap,id=net,ifname={self._link},script=no,downscript=no",
            f"-device virtio-net-pci,netdev=net,mac={_HARDWARE_ADDRESS},romfile=",
            "-drive if=none,id=root,file=root.qcow2,format=qcow2,cache=unsafe,discard=unmap",
            "-device virtio-blk-pci,drive=root,serial=lab-root",
            *(
                f"-drive if=none,id={serial},file={serial}.qcow2,format=qcow2,cache=unsafe,discard=unmap "
                f"-device virtio-blk-pci,drive={serial},serial={serial}"
                for serial in serials
            ),
            "-kernel kernel -initrd initrd",
        ]
        split = [word for line in words for word in line.split()]
        return [*split, "-append", kernel_arguments(), "-pidfile", str(self.folder / "pid")]

    def end(self) -> None:
        """End qemu, and with it the network device; its disks stay."""
        pid = self.process()
        if pid is None:
            return
        until = time.monotonic() + END_LIMIT
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(pid, how)
            while self.process() == pid and time.monotonic() < until:
                time.sleep(0.02)
            until += END_LIMIT

    def remove(self) -> None:
        """End it and remove its disks."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- snapshots ----------------------------------------------------------------------------------------------

    def save(self, snapshot: str) -> None:
        """Keep memory and disks under a name. Logins end: whoever holds one would wait for an answer after `load`."""
        self.execute(["pkill", "--full", "^sshd(-session)?: [a-z]"])
        self._monitor(f"savevm {snapshot}")

    def load(self, snapshot: str) -> None:
        """Put memory and disks back, and the guest's clock right."""
        self._monitor(f"loadvm {snapshot}")
        self.set_clock()

    def snapshots(self) -> list[str]:
        """Names of its snapshots."""
        if not (self.folder / "root.qcow2").exists():
            return []
        listed = machine.run(["qemu-img", "info", "--force-share", "--output=json", str(self.folder / "root.qcow2")])
        return [one["name"] for one in json.loads(listed).get("snapshots", [])]

    def reset(self) -> None:
        """Reset it as by its button: nothing in it is told."""
        self._ask("qmp", {"execute": "system_reset"})

    def reboot(self, *, hard: bool = False) -> str:
        """Reboot it, or with `hard` reset it; returns what systemd calls its state once it has booted."""
        before = self._boot()
        if hard:
            self.reset()
        else:
            with suppress(LabError):  # the agent may have ended before it says that the command has
                self.execute(["systemctl", "reboot"])
        until = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < until:
            with suppress(LabError):
                if self._boot() != before:
                    return self.wait_until_booted()
            time.sleep(0.5)
        raise LabError(f"{self.name}: has not rebooted within {BOOT_LIMIT} s")

    def _boot(self) -> str:
        """What tells one boot from another."""
        return self.execute(["cat", "/proc/sys/kernel/random/boot_id"])[1].decode().strip()

    def wait_until_booted(self, limit: float = BOOT_LIMIT) -> str:
        """Wait for systemd to have started all that it will; returns how it calls its state (running, degraded)."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            with suppress(LabError):
                said = self.execute(["systemctl", "is-system-running", "--wait"], limit=limit)[1].decode().strip()
                if said in ("running", "degraded"):
                    return said
            time.sleep(0.5)
        raise LabError(f"{self.name}: not booted after {limit:.0f} s; its console: {self.folder / 'console.log'}")

    def _monitor(self, command: str) -> None:
        """A command of qemu's monitor, which prints something only where it fails."""
        asked = {"execute": "human-monitor-command", "arguments": {"command-line": command}}
        said = self._ask("qmp", asked, limit=120).strip()
        if said:
            raise LabError(f"{self.name}: qemu's {command}: {said.splitlines()[0]}")

    # --- commands in the guest ----------------------------------------------------------------------------------

    def set_clock(self) -> None:
        """Give the guest the time of this machine."""
        self.execute(["date", f"--set=@{time.time():.6f}"])

    def agent(self, command: str, arguments: Mapping[str, Any] | None = None, limit: float = ANSWER_LIMIT) -> Any:
        """Ask the guest's agent. Raises LabError where it does not answer within `limit` seconds, or refuses."""
        return self._ask("agent", {"execute": command, "arguments": arguments or {}}, limit=limit)

    def execute(
        self, words: Sequence[str], stdin: bytes = b"", limit: float = COMMAND_LIMIT
    ) -> tuple[int, bytes, bytes]:
        """Run a command as root in the guest; returns exit code, output and errors."""
        asked: dict[str, Any] = {
            "path": "/usr/bin/env",
            "arg": ["-i", "-C", "/root", "HOME=/root", "LANG=C.UTF-8", f"PATH={PATH}", *words],
            "capture-output": True,
            "input-data": base64.b64encode(stdin).decode(),
        }
        pid = self.agent("guest-exec", asked)["pid"]
        until, pause = time.monotonic() + limit, 0.02
        while time.monotonic() < until:
            done = self.agent("guest-exec-status", {"pid": pid})
            if done["exited"]:
                output, errors = (base64.b64decode(done.get(key, "")) for key in ("out-data", "err-data"))
                return done.get("exitcode", 128 + done.get("signal", 0)), output, errors
            time.sleep(pause)
            pause = min(0.25, pause * 1.5)
        raise LabError(f"{self.name}: {shlex.join(words)[:80]} has not ended within {limit:.0f} s")

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that does the same with its own input, output and exit code."""
        return [sys.executable, "-B", str(Path(__file__).resolve()), str(self.folder), *words]

    # --- sockets ------------------------------------------------------------------------------------------------

    def _ask(self, path: str, command: Mapping[str, Any], limit: float = ANSWER_LIMIT) -> Any:
        with self._connection(path) as lines:
            lines.begin(agent=path == "agent")
            return lines.send(command, limit)

    @contextmanager
    def _connection(self, path: str) -> Iterator[_Lines]:
        folder = os.open(self.folder, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_LIMIT)
                connection.connect(f"/proc/self/fd/{folder}/{path}")
                yield _Lines(connection)
        except OSError as error:
            asked = "qemu" if path == "qmp" else "the agent in it"
            raise LabError(f"{self.name}: no answer of {asked}: {error.strerror or error}") from None
        finally:
            os.close(folder)


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Lines:
    """Questions and answers in lines of JSON."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._stream = connection, connection.makefile("rb")

    def __next__(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise ConnectionResetError(0, "the connection has ended")
        return json.loads(line.rpartition(b"\xff")[2])

    def begin(self, *, agent: bool) -> None:
        """Say hello: an agent may still answer a question that nobody waits for any more."""
        if not agent:
            next(self)
            self.send({"execute": "qmp_capabilities"}, ANSWER_LIMIT)
            return
        mark = time.monotonic_ns()
        self._connection.settimeout(ANSWER_LIMIT)
        self._connection.sendall(b"\xff" + _line({"execute": "guest-sync-delimited", "arguments": {"id": mark}}))
        while True:
            with suppress(ValueError):
                if next(self).get("return") == mark:
                    return

    def send(self, command: Mapping[str, Any], limit: float) -> Any:
        """The answer to a question within `limit` seconds; events between are left out."""
        self._connection.settimeout(limit)
        self._connection.sendall(_line(command))
        while True:
            answer = next(self)
            if "error" in answer:
                raise LabError(f"{command['execute']}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


def _line(command: Mapping[str, Any]) -> bytes:
    return json.dumps(command).encode() + b"\n"


def machines_in(folder: Path) -> list[VirtualMachine]:
    """The machines whose folders lie in this one."""
    return [VirtualMachine(path.name, path, "") for path in sorted(folder.glob("*/"))]


def processor() -> str:
    """What qemu is told of the processor and memory, on which a snapshot depends."""
    kind = "-accel kvm -cpu host -smp 2" if _has_kvm() else _EMULATED
    return f"-machine q35,hpet=off {kind} -m {MEMORY}"


def kernel_arguments() -> str:
    """What its kernel is told."""
    return _KERNEL if _has_kvm() else f"{_KERNEL} {_KERNEL_EMULATED}"


def ingredients() -> list[str]:
    """What a machine that was booted depends on beside its disks."""
    return [machine.run(["qemu-system-x86_64", "--version"]).splitlines()[0], processor(), kernel_arguments(), _SETTLE]


def _has_kvm() -> bool:
    """Whether this machine's processor runs guests, not only its kernel's module."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return os.access("/dev/kvm", os.W_OK) and ("vmx" in flags or "svm" in flags)


def main() -> int:
    """Run a command as root in the machine whose folder is told first."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    try:
        status, output, errors = VirtualMachine(folder.name, folder, "").execute(words, stdin)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 255
    sys.stdout.buffer.write(output)
    sys.stderr.buffer.write(errors)
    return status


if __name__ == "__main__":
    sys.exit(main())
