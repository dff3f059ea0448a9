"""Run the scenario's life on one release: create, check, converge, idempotence, verify (tests/lab), destroy.

Usage: tests/life.py RELEASE [PYTEST ARGUMENT …]      RELEASE is bookworm or trixie
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.lab import register

BIN = Path(sys.executable).parent
RELEASES = ("bookworm", "trixie")


def environment(release: str, *arguments: str) -> dict[str, str]:
    """What molecule, the lab and pytest are told: which lab, where their own files go, and pytest's arguments."""
    lab = os.environ.get("LAB_NAME", f"test-{release}")
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "LAB_NAME": lab,
        "LAB_RELEASE": release,
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".lab" / lab / "molecule"),
        "ANSIBLE_HOME": str(ROOT / ".lab" / lab / "ansible"),
        "NO_COLOR": "1",
        "PYTEST_ADDOPTS": shlex.join(arguments),
    }


def live(release: str, *arguments: str) -> int:
    """Live it once; the exit status of molecule."""
    lived_in = environment(release, *arguments)
    # molecule reads the lab's inventory before the lab is up
    written = subprocess.run([ROOT / "lab/lab", "inventory"], env=lived_in, check=False, stdout=subprocess.DEVNULL)
    if written.returncode:
        return written.returncode
    register.write(ROOT / ".lab" / lived_in["LAB_NAME"])
    command = [str(BIN / "molecule"), "test", "--scenario-name", "default"]
    return subprocess.run(command, cwd=ROOT, env=lived_in, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in RELEASES:
        print(__doc__)
        return 2
    return live(*arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
