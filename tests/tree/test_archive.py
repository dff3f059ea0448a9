"""What Galaxy would get: the archive's content, and that it works without the clone around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

# What a user of the installed collection has a use for; nothing else is in the archive.
SHIPPED = {
    "CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md",
    "changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "roles",
}
NOT_SHIPPED = ("inventories/lab", "changelogs/fragments")


def run(*command: str | Path, cwd: Path, home: Path) -> str:
    """Run a program of ansible-core with nothing of this clone or its user in sight, and return what it prints."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def archive(tmp_path_factory, home) -> Path:
    """The archive, built of the tree as it is."""
    folder = tmp_path_factory.mktemp("archive")
    run("ansible-galaxy", "collection", "build", "--output-path", folder, ROOT, cwd=folder, home=home)
    (built,) = folder.glob("privacy-hosting-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def empty(tmp_path_factory, archive, home) -> Path:
    """An empty working directory of a user who has installed the archive, without a network."""
    folder = tmp_path_factory.mktemp("empty")
    run("ansible-galaxy", "collection", "install", "--offline", archive, cwd=folder, home=home)
    return folder


def test_it_holds_what_a_user_needs_and_nothing_else(archive):
    with tarfile.open(archive) as packed:
        names = packed.getnames()
        assert not [member.name for member in packed if member.issym() or member.islnk()]
    assert {name.split("/")[0] for name in names} <= SHIPPED
    assert not [name for name in names if name.startswith(NOT_SHIPPED) or "__pycache__" in name or "/." in name]
    assert {"LICENSE", "README.md", "meta/runtime.yml"} <= set(names)


def test_it_holds_every_file_of_plugins_roles_and_playbooks(archive):
    folders = ["meta", "plugins", "roles", "playbooks"]
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    wanted = {name for name in listing.split("\0") if name and (ROOT / name).is_file()}
    with tarfile.open(archive) as packed:
        assert wanted - set(packed.getnames()) == set()


def test_every_plugin_is_documented(empty, home):
    for kind, folder in (("module", "modules"), ("filter", "filter"), ("inventory", "inventory")):
        for path in sorted((ROOT / "plugins" / folder).glob("[a-z]*.py")):
            name = f"privacy.hosting.{path.stem}"
            shown = json.loads(run("ansible-doc", "--json", "--type", kind, name, cwd=empty, home=home))
            assert shown[name]["doc"]["description"]


def test_every_role_shows_its_options(empty, home):
    listing = ("ansible-doc", "--json", "--type", "role", "--list", "privacy.hosting")
    shown = json.loads(run(*listing, cwd=empty, home=home))
    roles = {path.parent.name for path in ROOT.glob("roles/*/tasks")}
    assert {f"privacy.hosting.{role}" for role in roles} == set(shown)


@pytest.mark.parametrize("playbook", sorted(path.stem for path in (ROOT / "playbooks").glob("[a-z]*.yml")))
def test_its_playbooks_are_found(playbook, empty, home):
    run("ansible-playbook", "--syntax-check", "-i", "localhost,", f"privacy.hosting.{playbook}", cwd=empty, home=home)


@pytest.mark.parametrize("provider", sorted(path.name for path in (ROOT / "inventories").iterdir()))
def test_it_accepts_our_registers(provider, empty, home):
    inventory = ROOT / "inventories" / provider
    run("ansible-playbook", "-i", inventory, "privacy.hosting.statement", cwd=empty, home=home)


def test_its_version_is_the_changelogs_next(archive):
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    released = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    assert archive.name == f"privacy-hosting-{version}.tar.gz"
    assert version not in released or not list((ROOT / "changelogs" / "fragments").glob("*.yml"))
