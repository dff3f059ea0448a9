"""A measure that was made by following docs/adding-a-measure.md works, and takes the edit of two lists.

The files below added/ lie where they belong; edits.yml tells what the two lists get. Both go into a copy of the
tree, which is then checked, and run on the lab's hosts. What needs no copy is checked where it lies: ansible-lint
looks at the role below added/ as at every other.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import cases, fleet
from tests.lab.fleet import Fleet, verdicts

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
MEASURE, PROMISE = "login_notice", "logins-told"
LISTS = {"plugins/module_utils/_measures/__init__.py", "playbooks/harden.yml"}
GENERATED = {"docs/options.md"}
UNIT_TESTS = f"tests/unit/test_{MEASURE}.py"
ON_SERVERS = " ".join(
    f"plugins/module_utils/{name}.py"
    for name in (f"_measures/{MEASURE}", f"_checks/{MEASURE}", "_services/login_banner")
)


def git(tree: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", f"safe.directory={tree}"]
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout


def run(tree: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the virtual environment's programs in a tree."""
    program, *words = command.split()
    told = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment}
    return subprocess.run(
        [str(BIN / program), *words], cwd=tree, env=told, check=False, timeout=180,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, committed, with the measure added and not yet committed."""
    copy = tmp_path_factory.mktemp("tree")
    listing = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file() and not (ROOT / name).is_relative_to(HERE):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    namespace = copy / ".collections/ansible_collections/privacy"
    namespace.mkdir(parents=True)
    (namespace / "hosting").symlink_to("../../..")
    git(copy, "init", "--quiet")
    git(copy, "add", ".")
    git(copy, "commit", "--quiet", "--message", "The tree before")
    shutil.copytree(HERE / "added", copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edit in yaml.safe_load((HERE / "edits.yml").read_text()).items():
        edited(copy / name, edit)
    done = run(copy, "python tools/generate.py")
    assert done.returncode == 0, done.stdout
    return copy


def edited(path: Path, edit: dict[str, Any]) -> None:
    """Make one edit of edits.yml. Raises AssertionError where the list does not look as it says."""
    text = path.read_text()
    if "at_the_end" in edit:
        path.write_text(text + textwrap.indent(edit["at_the_end"], "    ", str.strip))
        return
    longer, places = re.subn(rf"^( *){edit['after']}\n", rf"\g<0>\g<1>{edit['line']}\n", text, flags=re.MULTILINE)
    assert places == edit["places"]
    path.write_text(longer)


def test_two_lists_are_edited_and_nothing_else(tree):
    changed = set(git(tree, "diff", "--name-only").split())
    assert changed == LISTS | GENERATED
    new = git(tree, "ls-files", "--others", "--exclude-standard").split()
    added = {str(path.relative_to(HERE / "added")) for path in (HERE / "added").rglob("*.*") if path.suffix != ".pyc"}
    assert set(new) == {name for name in added if (HERE / "added" / name).is_file()} | {
        f"roles/{MEASURE}/defaults/main.yml",
        f"roles/{MEASURE}/meta/argument_specs.yml",
    }


@pytest.mark.parametrize(
    "command",
    [
        "python tools/generate.py --check",
        f"pytest -q {UNIT_TESTS} tests/tree/test_measures.py tests/tree/test_source.py",
        f"ruff check --output-format=concise plugins {UNIT_TESTS}",
        f"vermin --target=3.9- --violations --no-tips {ON_SERVERS}",
    ],
    ids=lambda command: command.split()[0],
)
def test_the_copy_passes(command, tree):
    done = run(tree, command)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("check", ["notice", "exceptions"])
def test_its_unit_tests_miss_a_check_that_always_passes(check, tree):
    done = run(tree, f"pytest -q -p tests.stub {UNIT_TESTS}", STUB=f"{MEASURE}.{check}")
    assert done.returncode == 1, done.stdout


@pytest.fixture(scope="module")
def hosts(tree: Path) -> Iterator[Fleet]:
    """The lab's hosts, never touched, under the copy's playbooks, promises and cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "ROOT", tree)
        patch.setattr(cases, "TESTS", tree / "tests")
        patch.setenv("LAB_NAME", "example")
        lab = Fleet(os.environ.get("LAB_RELEASE", "trixie")).only(fleet.WEB)
        lab.lab.up(lab.hosts, fresh=True)
        yield lab
        lab.lab.down()


def test_on_hosts_it_is_broken_then_kept_and_its_faults_are_found(hosts):
    before = hosts.audit("before", "--tags", MEASURE)
    assert {verdicts(record)[PROMISE] for record in before.values()} == {"broken"}
    first, second = (hosts.play("harden", "--tags", MEASURE) for _time in range(2))
    assert (first.status, second.status) == (0, 0), first.output + second.output
    assert {counts["changed"] for counts in second.recap.values()} == {0}
    after = hosts.audit("after", "--tags", MEASURE)
    assert {verdicts(record)[PROMISE] for record in after.values()} == {"kept"}
    faults = cases.rounds([fault for fault in cases.sabotage() if fault.measure == MEASURE])[0]
    hosts.shells({fault.host: fault.script for fault in faults})
    sabotaged = hosts.audit("sabotaged", "--tags", MEASURE)
    complaints = [line for fault in faults for line in fault.complaints(sabotaged[fault.host])]
    assert not complaints, "\n".join(complaints)
