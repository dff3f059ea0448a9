"""Where containers run the playbooks: what ansible-builder makes of our definition, and what docs/awx.md tells AWX."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DEFINITION = ROOT / "docs" / "execution-environment.yml"


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's tag for what is no template yet."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    build = [BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, cwd=folder)
    return next(folder.glob("*.tar.gz"))


def test_ansible_builder_takes_the_definition(archive, tmp_path):
    shutil.copy(archive, tmp_path)
    shutil.copy(DEFINITION, tmp_path)
    create = [BIN / "ansible-builder", "create", "--file", DEFINITION.name, "--context", "context"]
    done = subprocess.run(create, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "context"
    (collection,) = yaml.safe_load((made / "_build/requirements.yml").read_text())["collections"]
    # the Containerfile copies _build to /build
    assert (made / "_build" / Path(collection["name"]).relative_to("/build")).read_bytes() == archive.read_bytes()
    containerfile = (made / "Containerfile").read_text()
    assert "COPY _build /build" in containerfile
    pinned = yaml.safe_load(DEFINITION.read_text())["dependencies"]["ansible_core"]["package_pip"]
    assert pinned in containerfile
    assert pinned in (ROOT / "requirements.txt").read_text().splitlines()


def test_ansible_builder_finds_what_the_collection_needs(archive, tmp_path):
    install = ["collection", "install", "--force", "--offline", "--collections-path", tmp_path, archive]
    subprocess.run([BIN / "ansible-galaxy", *install], check=True, capture_output=True, cwd=tmp_path)
    introspect = [BIN / "ansible-builder", "introspect", tmp_path]
    done = subprocess.run(introspect, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = yaml.safe_load(done.stdout[done.stdout.index("---") :])
    for kind, file in (("python", "ee-requirements.txt"), ("system", "ee-bindep.txt")):
        needed = [line for line in (ROOT / "meta" / file).read_text().splitlines() if not line.startswith("#")]
        assert sorted(entry.split("  #")[0].strip() for entry in found[kind]) == sorted(needed)


def test_the_schedules_core_is_the_same():
    pinned = (ROOT / "roles/audit_schedule/files/requirements.txt").read_text().splitlines()
    assert yaml.safe_load(DEFINITION.read_text())["dependencies"]["ansible_core"]["package_pip"] in pinned


# -- AWX ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def templates():
    """The job templates of docs/awx.md, by playbook."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/awx.md").read_text(), re.DOTALL)
    (play,) = yaml.load(next(block for block in blocks if "awx.awx" in block), _Loader)  # noqa: S506
    jobs = [task["awx.awx.job_template"] for task in play["tasks"] if "awx.awx.job_template" in task]
    return {job["playbook"]: job for job in jobs}


def test_awx_runs_both_playbooks(templates):
    assert set(templates) == {"audit.yml", "harden.yml"}
    text = (ROOT / "docs/awx.md").read_text()
    for name in templates:
        assert f"# {name}\n- import_playbook: privacy.hosting.{name.removesuffix('.yml')}\n" in text
        assert (ROOT / "playbooks" / name).exists()


def test_surveys_ask_for_variables_that_there_are(templates):
    audit = (ROOT / "playbooks/audit.yml").read_text()
    options = {f"{measure.name}_{option.name}" for measure in MEASURES.values() for option in measure.options}
    for job in templates.values():
        variables = {question["variable"] for question in job["survey_spec"]["spec"]} | set(job.get("extra_vars", ()))
        assert variables and all(name in options or f"{{{{ {name} |" in audit for name in variables)


def test_hardening_is_a_check_unless_somebody_says_otherwise(templates):
    assert templates["harden.yml"]["job_type"] == "check"
