"""What holds for every measure: it is in both lists, and has every piece that docs/adding-a-measure.md names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.module_utils._answer import checks_of
from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from tests.lab import register

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"sabotage": 10, "honest": 4}
LANGUAGES = {"nl", "en"}
OTHER_ROLES = {"audit_schedule"}  # that keep no promise of their own, and write their options by hand


def imported() -> list[str]:
    """The measures of the one list: what _measures/__init__.py imports beside Measure."""
    tree = ast.parse((ROOT / "plugins/module_utils/_measures/__init__.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1 and not node.module]
    return [alias.name for node in found for alias in node.names]


def hardened() -> dict[str, dict[str, Any]]:
    """The tasks of the other list, by the role that they include: playbooks/harden.yml."""
    (play,) = yaml.safe_load((ROOT / "playbooks/harden.yml").read_text())
    included = [task for task in play["tasks"] if "ansible.builtin.include_role" in task]
    return {task["ansible.builtin.include_role"]["name"].removeprefix("privacy.hosting."): task for task in included}


def cases(root: Path, kind: str, measure: str) -> list[dict[str, Any]]:
    path = root / "tests" / kind / f"{measure}.yml"
    return yaml.safe_load(path.read_text()) or [] if path.exists() else []


def missing(root: Path, measure: str) -> Iterator[str]:
    """What a measure lacks in a tree, in words."""
    role = f"roles/{measure}"
    ours = "plugins/module_utils"
    table, checks = f"{ours}/_measures/{measure}.py", f"{ours}/_checks/{measure}.py"
    for name in (f"{role}/tasks/main.yml", f"{role}/README.md", table, checks):
        if not (root / name).is_file():
            yield f"there is no {name}"
    if not list((root / "tests/unit").glob(f"test_{measure}*.py")):
        yield f"there is no tests/unit/test_{measure}.py"
    for kind, least in LEAST.items():
        found = len([case for case in cases(root, kind, measure) if case.get("verdict", "broken") == "broken"])
        if found < least:
            counted = "faults that break a promise" if kind == "sabotage" else "cases"
            yield f"tests/{kind}/{measure}.yml has {found} {counted}, and must have {least}"


def promised(case: dict[str, Any]) -> list[str]:
    """The ids of the promises that a case is about."""
    told = case.get("promises") or case["promise"]
    return [told] if isinstance(told, str) else list(told)


# -- the two lists ----------------------------------------------------------------------------------------------


def test_the_two_lists_are_equal():
    assert sorted(imported()) == sorted(hardened()) == sorted(MEASURES)


def test_no_role_no_table_and_no_file_of_checks_stands_outside_of_them():
    roles = {path.parent.parent.name for path in ROOT.glob("roles/*/tasks/main.yml")} - OTHER_ROLES
    tables, checks = (
        {path.stem for path in ROOT.glob(f"plugins/module_utils/{package}/[a-z]*.py")}
        for package in ("_measures", "_checks")
    )
    assert roles == tables == set(MEASURES)
    # a measure with many checks may have more files of them
    assert {name for name in checks if not name.startswith(tuple(f"{measure}_" for measure in MEASURES))} == roles


@pytest.mark.parametrize("measure", MEASURES)
def test_harden_runs_it_where_it_is_promised_and_by_its_tag(measure):
    task = hardened()[measure]
    assert task["tags"] == task["ansible.builtin.include_role"]["apply"]["tags"] == [measure]
    assert f"privacy.hosting.promised('{measure}', none, inventory_hostname, group_names)" in task["when"]


# -- the pieces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
def test_it_lacks_no_piece(measure):
    assert list(missing(ROOT, measure)) == []


@pytest.mark.parametrize(
    "piece",
    [
        "roles/some/tasks/main.yml",
        "roles/some/README.md",
        "plugins/module_utils/_measures/some.py",
        "plugins/module_utils/_checks/some.py",
        "tests/unit/test_some.py",
        "tests/sabotage/some.yml",
        "tests/honest/some.yml",
    ],
)
def test_each_piece_is_missed(piece, tmp_path):
    for name, text in {
        "roles/some/tasks/main.yml": "",
        "roles/some/README.md": "",
        "plugins/module_utils/_measures/some.py": "",
        "plugins/module_utils/_checks/some.py": "",
        "tests/unit/test_some_more.py": "",
        "tests/unit/test_some.py": "",
        "tests/sabotage/some.yml": "- {}\n" * 10,
        "tests/honest/some.yml": "- {}\n" * 4,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(missing(tmp_path, "some")) == []
    for path in tmp_path.glob("tests/unit/*" if piece.startswith("tests/unit") else piece):
        path.unlink()
    (said,) = missing(tmp_path, "some")
    assert piece in said


@pytest.mark.parametrize("measure", MEASURES)
def test_its_role_checks_its_options_first(measure):
    first, *_others = yaml.safe_load((ROOT / f"roles/{measure}/tasks/main.yml").read_text())
    assert first["privacy.hosting.statement"] == {"measure": measure}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda measure: measure.name)
def test_its_declaration_is_whole(measure):
    assert set(measure.title) == set(measure.why) == LANGUAGES
    judged = {option.name for option in measure.options if option.judged}
    checks = checks_of(measure.name)
    assert {name for check in checks for name in check.options} == judged
    assert len({check.name for check in checks}) == len(checks)
    assert all(option.promisable for option in measure.options if option.judged)


# -- other roles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(OTHER_ROLES))
def test_what_another_role_specifies_is_what_it_defaults_to(role):
    folder = ROOT / "roles" / role
    specs = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((folder / "defaults/main.yml").read_text())
    assert {name: spec.get("default") for name, spec in specs.items() if not spec.get("required")} == defaults
    assert all(name.startswith(f"{role}_") for name in specs)
    assert (folder / "README.md").is_file()


# -- the cases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", LEAST)
def test_its_cases_are_about_promises_that_it_keeps(kind, measure):
    told = cases(ROOT, kind, measure)
    promises = [*register.statement()["promises"], *(more for case in told for more in case.get("register", ()))]
    keeps = {promise["id"] for promise in promises if measure in promise.get("measures", {})}
    strange = {name for case in told for name in promised(case)} - keeps
    assert not strange, f"no promise in inventories/lab or tests/promises/{measure}.yml sets {measure}: {strange}"
