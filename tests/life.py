"""Run the scenario's life on one release: destroy, create, check, converge, idempotence, verify (tests/lab), destroy.

Usage: tests/life.py RELEASE [PYTEST ARGUMENT …]      RELEASE is bookworm or trixie
       tests/life.py machines [PYTEST ARGUMENT …]     the virtual machines, on one release; what it does to hosts twice
                                                      would cost them minutes, so that tests bring them up themselves
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.lab import cases, register

BIN = Path(sys.executable).parent
RELEASES = ("bookworm", "trixie")
MACHINES_RELEASE = "trixie"


def environment(release: str, part: str, *arguments: str) -> dict[str, str]:
    """What molecule, the lab and pytest are told: which hosts, where their own files go, and pytest's arguments."""
    lab = os.environ.get("LAB_NAME", f"test-{part if part == cases.MACHINES_PART else release}")
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "LAB_NAME": lab,
        "LAB_RELEASE": release,
        "LAB_PART": part,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".lab" / lab / "molecule"),
        "ANSIBLE_HOME": str(ROOT / ".lab" / lab / "ansible"),
        "NO_COLOR": "1",
        "PYTEST_ADDOPTS": shlex.join(arguments),
    }


def live(release: str, *arguments: str) -> int:
    """Live it once; the exit status of molecule."""
    command = [str(BIN / "molecule"), "test", "--scenario-name", "default"]
    return _lived(environment(release, cases.CONTAINERS_PART, *arguments), command)


def live_on_machines(*arguments: str) -> int:
    """Try what is about virtual machines, and remove them; the exit status of pytest."""
    lived_in = environment(MACHINES_RELEASE, cases.MACHINES_PART, *arguments)
    status = _lived(lived_in, [str(BIN / "pytest"), "tests/lab"])
    removed = subprocess.run([ROOT / "lab/lab", "down"], env=lived_in, check=False)
    return status or removed.returncode


def _lived(lived_in: Mapping[str, str], command: Sequence[str]) -> int:
    """Run a command that reads the lab's inventory before the lab is up; its exit status."""
    written = subprocess.run([ROOT / "lab/lab", "inventory"], env=lived_in, check=False, stdout=subprocess.DEVNULL)
    if written.returncode:
        return written.returncode
    register.write(ROOT / ".lab" / lived_in["LAB_NAME"])
    return subprocess.run(command, cwd=ROOT, env=lived_in, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == cases.MACHINES_PART:
        return live_on_machines(*arguments[1:])
    if arguments and arguments[0] in RELEASES:
        return live(*arguments)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
