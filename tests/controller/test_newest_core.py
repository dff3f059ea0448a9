"""The newest ansible-core, on Debian 13, as the controller: it finds the installed archive and audits as ours does.

One of the lab's servers plays the controller. It has no way out, so it is given ansible-core as files.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lab import machine
from lab.fleet import Lab

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CONTROLLER, AUDITED = "front1", "web1"
PYTHON = "3.13"  # of Debian 13
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("[a-z]*.yml"))


@pytest.fixture(scope="module")
def lab():
    """The controller and one server to audit, both as they were installed."""
    fleet = Lab(os.environ.get("LAB_NAME", "controller"), "trixie")
    fleet.up([CONTROLLER, AUDITED], fresh=True)
    yield fleet
    fleet.down()


def inside(lab, *command, given=None):
    """Run a command as root on the controller: its exit status and all that it printed."""
    whole = machine.podman_command("exec", "--interactive", lab.container(lab.hosts[CONTROLLER]), *command)
    done = subprocess.run(
        whole, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=240
    )
    return done.returncode, done.stdout.decode(errors="replace")


def newest_core(folder):
    """The newest ansible-core for Debian 13's Python, and all that it needs, as files in a folder."""
    wheels = folder / "wheels"
    platforms = [f"--platform={tag}_{platform.machine()}" for tag in ("manylinux_2_28", "manylinux2014")]
    abis = [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    subprocess.run(
        [BIN / "pip", "download", "--quiet", "--dest", wheels, "--only-binary=:all:", f"--python-version={PYTHON}",
         "--implementation=cp", *platforms, *abis, "ansible-core"],
        check=True, capture_output=True, text=True,
    )
    for wheel in wheels.iterdir():
        shutil.unpack_archive(wheel, folder / "core", "zip")
    return folder / "core"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    build = [BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, text=True, cwd=folder)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def core(lab, archive, tmp_path_factory):
    """Run a program of the newest core on the controller, in a folder with an inventory and nothing else of ours."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(newest_core(tmp_path_factory.mktemp("newest")), "opt/core")
        tar.add(archive, "root/archive.tar.gz")
        tar.add(ROOT / "inventories" / "lab", "root/inventory")
        for name in ("id_ed25519", "known_hosts"):
            tar.add(lab.state / name, f"root/lab/{name}")
    status, output = inside(lab, "tar", "-x", "-C", "/", "--no-same-owner", given=stream.getvalue())
    assert status == 0, output
    hosts = lab.inventory("/root/lab").encode()
    assert inside(lab, "sh", "-c", "cat > /root/lab/hosts.yml", given=hosts)[0] == 0

    def run(program, *words):
        environment = ["PYTHONPATH=/opt/core", "LC_ALL=C.UTF-8", "HOME=/root"]
        return inside(lab, "env", "--chdir=/root", *environment, "python3", "-m", "ansible", program, *words)

    status, output = run("galaxy", "collection", "install", "--offline", "/root/archive.tar.gz")
    assert status == 0, output
    return run


INVENTORIES = ("-i", "/root/inventory", "-i", "/root/lab/hosts.yml")


def test_it_is_newer_than_ours(core, capsys):
    status, output = core("playbook", "--version")
    assert status == 0, output
    version = tuple(int(part) for part in output.split("core ")[1].split("]")[0].split(".")[:2])
    assert version > (2, 19)
    with capsys.disabled():
        print(f"newest ansible-core: {version[0]}.{version[1]}")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_it_finds_the_playbooks(core, playbook):
    status, output = core("playbook", "--syntax-check", *INVENTORIES, f"privacy.hosting.{playbook}")
    assert status == 0, output


def verdicts(record):
    """The verdict of each promise in a host's record, and what its findings say."""
    return {
        promise["id"]: (
            promise["verdict"],
            [[finding[key] for key in ("check", "subject", "status", "observed")] for finding in promise["findings"]],
        )
        for promise in json.loads(record)["promises"]
    }


def test_it_audits_as_ours_does(lab, core, tmp_path):
    words = ["--limit", AUDITED, "-e", "audit_run=now", "privacy.hosting.audit"]
    _status, told = core("playbook", *INVENTORIES, *words)
    status, record = inside(lab, "cat", f"/root/reports/now/{AUDITED}.json")
    assert status == 0, told
    assert "privacy.hosting" not in "".join(line for line in told.splitlines() if "DEPRECATION" in line)

    ours = subprocess.run(
        [BIN / "ansible-playbook", "-i", ROOT / "inventories" / "lab", "-i", lab.state / "hosts.yml", *words],
        cwd=tmp_path, check=False, capture_output=True, text=True,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")},
    )
    ours_record = tmp_path / "reports" / "now" / f"{AUDITED}.json"
    assert ours_record.exists(), ours.stdout + ours.stderr
    assert verdicts(record) == verdicts(ours_record.read_text())
    assert "broken" in {verdict for verdict, _findings in verdicts(record).values()}
