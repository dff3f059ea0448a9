"""The installed archive, from an empty directory, with nothing of the clone around it but the inventory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.fleet import BIN, ROOT, Fleet, load, verdicts

pytestmark = pytest.mark.only("trixie")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Path:
    """The home of a user who has installed the archive; there is nothing else in it."""
    folder, packed = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("packed")
    environment = {**fleet.environment(HOME=str(folder), ANSIBLE_HOME=str(folder / ".ansible"))}
    del environment["ANSIBLE_COLLECTIONS_PATH"]
    galaxy = [str(BIN / "ansible-galaxy"), "collection"]
    for words in (["build", "--output-path", str(packed), str(ROOT)], ["install", "--offline"]):
        archives = [str(path) for path in packed.glob("*.tar.gz")] if words[0] == "install" else []
        subprocess.run([*galaxy, *words, *archives], cwd=packed, env=environment, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("playbook", ["harden", "audit", "undo", "statement"])
def test_the_playbook_works(playbook: str, home: Path, hardened: Fleet, kept, tmp_path: Path):
    environment = hardened.environment(HOME=str(home), ANSIBLE_HOME=str(home / ".ansible"))
    del environment["ANSIBLE_COLLECTIONS_PATH"]
    words = ["-e", '{"audit_fail_on": [], "audit_run": "first"}']
    words += ["--check"] if playbook == "undo" else []
    done = subprocess.run(
        hardened.command(playbook, *words), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if playbook != "audit":
        assert not list(tmp_path.iterdir())
        return
    folder = tmp_path / "reports" / "first"
    assert folder.stat().st_mode & 0o777 == 0o700
    for host in hardened.hosts:
        assert verdicts(load(folder / f"{host}.json")) == verdicts(kept[host])
