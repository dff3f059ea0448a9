"""Run `ansible-test sanity` on a copy of the collection.

It needs a copy, for ansible-test wants the path ansible_collections/<namespace>/<name> without symbolic links.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "sanity"
COPY = HOME / "ansible_collections" / "privacy" / "hosting"

# ansible-test downloads a file of this name to have pip in its environments. Python brings pip along.
GET_PIP = HOME / ".ansible" / "test" / "cache" / "get_pip_24_2.py"
GET_PIP_TEXT = "import ensurepip\nensurepip.bootstrap()\n"

# Its rules are for Ansible content; the programs that build and test ours follow those of ruff.
PROGRAMS = {".ci", "lab", "molecule", "tests", "tools"}


def content() -> list[Path]:
    """The files of the collection that git knows, or would know: nothing that .gitignore names."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    names = {Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()}
    return sorted(name for name in names if name.parts[0] not in PROGRAMS)


def copy_tree() -> None:
    """Make the copy anew."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in content():
        target = COPY / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    # A repository of its own, or ansible-test asks the one around it, which ignores all that is in .cache.
    subprocess.run(["git", "init", "--quiet", COPY], check=True)


def complaints(output: str) -> str:
    """What ansible-test found, without what pip said meanwhile."""
    return "\n".join(line for line in output.splitlines() if line.startswith(("ERROR", "FATAL")))


def main() -> int:
    GET_PIP.parent.mkdir(parents=True, exist_ok=True)
    GET_PIP.write_text(GET_PIP_TEXT)
    lock = (HOME / "lock").open("w")  # held until the end: one copy, one run
    fcntl.flock(lock, fcntl.LOCK_EX)
    copy_tree()
    ansible_test = Path(sys.executable).parent / "ansible-test"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [ansible_test, "sanity", "--local", "--python", version, "--color", "no", *sys.argv[1:]],
        cwd=COPY, env=environment | {"HOME": str(HOME)}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    print(complaints(done.stdout))
    if "All targets skipped" in done.stdout:
        print("error: ansible-test found nothing to look at")
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
