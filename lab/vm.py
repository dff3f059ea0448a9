# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real virtual machine as a host of the lab: qemu with two disks, its snapshots, and commands as root on it.

All of one machine lies in one folder: disks, sockets, log. qemu answers on the socket `qmp`; the guest's own agent
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

CPUS = 2
MEMORY = 1536  # MiB
# Of the first disk: sizes in MiB (the root is told with its swap), and what its two file systems are known by.
PARTITIONS = {
    "ROOT_SIZE": "4096",
    "SWAP_SIZE": "256",
    "ROOT_UUID": "6c1f8f1e-5a55-4f0a-9a57-1d5ba5e0b001",
    "SWAP_UUID": "6c1f8f1e-5a55-4f0a-9a57-1d5ba5e0b002",
}
ANSWER_LIMIT = 30  # seconds for an answer of qemu or of the agent
COMMAND_LIMIT = 600  # seconds that a command in the guest may take
END_LIMIT = 10  # seconds for qemu to end

FSTAB = "UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\nUUID={SWAP_UUID} none swap sw 0 0\n".format(**PARTITIONS)

# qemu 7.2 spoils flags in cmpxchg16b, from which Linux falls over; deep page tables are walked for nothing.
_EMULATED = "max,-cx16,-la57"

# What makes an emulated processor slow for nothing: guards against faults that it does not have, and self-tests.
_KERNEL = (
    f"root=UUID={PARTITIONS['ROOT_UUID']} rw console=ttyS0 net.ifnames=0 quiet mitigations=off nokaslr tsc=reliable "
    "no_timer_check cryptomgr.notests"
)


class VirtualMachine:
    """One machine, by the folder that holds it. link: its network device's name on this machine."""

    def __init__(self, name: str, folder: Path, link: str, hardware_address: str) -> None:
        self.name, self.folder, self._link, self._hardware_address = name, folder, link, hardware_address

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

    def create(self, image: Path, disks: Mapping[str, str], furniture: bytes) -> None:
        """Make its disks anew: one over an image, and empty ones by serial number with their sizes as qemu writes them.

        furniture: archive that is added to the initramfs.
        """
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        root = ["-b", str(image / "root.img"), "-F", "raw"]
        machine.run(["qemu-img", "create", "-q", "-f", "qcow2", *root, str(self.folder / "root.qcow2")])
        for serial, size in disks.items():
            machine.run(["qemu-img", "create", "-q", "-f", "qcow2", str(self.folder / f"{serial}.qcow2"), size])
        (self.folder / "kernel").symlink_to(image / "kernel")
        initrd = (image / "initrd").read_bytes()
        (self.folder / "initrd").write_bytes(initrd + bytes(-len(initrd) % 4) + furniture)

    def start(self, bridge: str, snapshot: str = "") -> None:
        """Start qemu, with the machine as it was at a snapshot, or from the boot; its device is put on the bridge."""
        serials = sorted({path.stem for path in self.folder.glob("*.qcow2")} - {"root"})
        command = [*self._command(serials), *(["-loadvm", snapshot] if snapshot else [])]
        machine.run(command, name=f"qemu of {self.name}", folder=self.folder)
        try:
            machine.run(["ip", "link", "set", self._link, "master", bridge, "up"])
        except BaseException:
            self.end()
            raise

    def _command(self, serials: Sequence[str]) -> list[str]:
        """qemu's command line; sockets are named from within the folder, for their paths' sake."""
        accelerator = "kvm" if _has_kvm() else "tcg,thread=multi"
        words = [
            "qemu-system-x86_64",
            f"-name {self.name}",
            "-no-user-config -nodefaults -display none -daemonize",
            f"-machine q35,hpet=off -accel {accelerator} -cpu {'host' if _has_kvm() else _EMULATED}",
            f"-smp {CPUS} -m {MEMORY}",
            "-rtc base=utc -device virtio-rng-pci",
            "-qmp unix:qmp,server=on,wait=off",
            "-chardev file,id=console,path=console.log -serial chardev:console",
            "-device virtio-serial-pci -chardev socket,id=agent,path=agent,server=on,wait=off",
            "-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            f"-netdev tap,id=net,ifname={self._link},script=no,downscript=no",
            f"-device virtio-net-pci,netdev=net,mac={self._hardware_address},romfile=",
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
        return [*split, "-append", _KERNEL, "-pidfile", str(self.folder / "pid")]

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
        """Keep memory and disks under a name."""
        self._monitor(f"savevm {snapshot}")

    def load(self, snapshot: str) -> None:
        """Put memory and disks back, and the guest's clock right."""
        self._monitor(f"loadvm {snapshot}")
        self.set_clock()

    def snapshots(self) -> list[str]:
        """Names of its snapshots."""
        listed = machine.run(["qemu-img", "info", "--force-share", "--output=json", str(self.folder / "root.qcow2")])
        return [one["name"] for one in json.loads(listed).get("snapshots", [])]

    def reset(self) -> None:
        """Reset it as by its button: nothing in it is told."""
        self._ask("qmp", {"execute": "system_reset"})

    def _monitor(self, command: str) -> None:
        """A command of qemu's monitor, which prints something only where it fails."""
        asked = {"execute": "human-monitor-command", "arguments": {"command-line": command}}
        said = self._ask("qmp", asked, limit=120).strip()
        if said:
            raise LabError(f"{self.name}: qemu's {command}: {said.splitlines()[0]}")

    # --- commands in the guest ----------------------------------------------------------------------------------

    def set_clock(self) -> None:
        """Give the guest the time of this machine."""
        self.agent("guest-set-time", {"time": time.time_ns()})

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
        with self._connection(path, limit) as lines:
            if path == "qmp":
                next(lines)  # the greeting
                lines.send({"execute": "qmp_capabilities"})
            else:
                lines.synchronise()
            return lines.send(command)

    @contextmanager
    def _connection(self, path: str, limit: float) -> Iterator[_Lines]:
        folder = os.open(self.folder, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(limit)
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

    def synchronise(self) -> None:
        """Leave behind what an earlier question was answered late."""
        mark = time.monotonic_ns()
        self._connection.sendall(b"\xff" + _line({"execute": "guest-sync-delimited", "arguments": {"id": mark}}))
        while True:
            with suppress(ValueError):
                if next(self).get("return") == mark:
                    return

    def send(self, command: Mapping[str, Any]) -> Any:
        """The answer to a question; events between are left out."""
        self._connection.sendall(_line(command))
        while True:
            answer = next(self)
            if "error" in answer:
                raise LabError(f"{command['execute']}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


def _line(command: Mapping[str, Any]) -> bytes:
    return json.dumps(command).encode() + b"\n"


def _has_kvm() -> bool:
    """Whether this machine's processor runs guests, not only its kernel's module."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return os.access("/dev/kvm", os.W_OK) and ("vmx" in flags or "svm" in flags)


def main() -> int:
    """Run a command as root in the machine whose folder is told first."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    try:
        status, output, errors = VirtualMachine(folder.name, folder, "", "").execute(words, stdin)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 255
    sys.stdout.buffer.write(output)
    sys.stderr.buffer.write(errors)
    return status


if __name__ == "__main__":
    sys.exit(main())
