"""The register in a play: it is checked before any host is contacted, whatever the command line says.

The hosts have addresses that nobody answers, and a program in ssh's place that notes that it was called.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement, StatementError

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
REGISTER: dict[str, Any] = yaml.safe_load((ROOT / "inventories/lab/group_vars/all/statement.yml").read_text())
HOSTS = ("web1", "web2", "mail1", "data1", "backup1", "db1")
PLAY = """
- import_playbook: privacy.hosting.statement
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
      tags: web_log
"""

Run = Callable[..., "Outcome"]


class Outcome:
    """What a run of ansible-playbook came to: its exit status, its text, and whether a host was contacted."""

    def __init__(self, process: subprocess.CompletedProcess[str], contacted: bool) -> None:
        self.status = process.returncode
        self.lines = [line.strip() for line in (process.stdout + process.stderr).splitlines()]
        self.contacted = contacted


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory with the lab's register and its hosts, which cannot be reached."""
    folder = tmp_path / "inventory"
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/contacted\nexit 255\n")
    ssh.chmod(0o755)
    hosts = {name: {"ansible_host": f"192.0.2.{number}"} for number, name in enumerate(HOSTS, 1)}
    write(folder / "hosts.yml", {"all": {"hosts": hosts, "vars": {"ansible_ssh_executable": str(ssh)}}})
    write(folder / "group_vars/all/statement.yml", REGISTER)
    return folder


def write(path: Path, data: object) -> None:
    """Write YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a playbook's text, or a playbook of the collection, in an empty directory."""

    def runner(playbook: str, *arguments: str) -> Outcome:
        if not playbook.startswith("privacy."):
            (tmp_path / "play.yml").write_text(playbook)
            playbook = "play.yml"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_NOCOLOR": "1",
        }
        process = subprocess.run(
            [PLAYBOOK, playbook, *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Outcome(process, (tmp_path / "contacted").exists())

    return runner


def spoil(inventory: Path) -> None:
    """Put two mistakes into the register."""
    path = inventory / "group_vars/all/statement.yml"
    path.write_text(path.read_text().replace("language: en", "language: de").replace("2 years", "2 jaar", 1))


MISTAKES = [
    "statement: language: 'de' is not one of nl, en",
    (
        "promise traffic-kept-two-years: measures.log_retention.web: '2 jaar' is no period; "
        "write it like '2 years', '6 months' or '14 days'"
    ),
]


def test_a_good_register_lets_the_play_go_on(run: Run, inventory: Path) -> None:
    outcome = run(PLAY, "-i", str(inventory))
    assert outcome.contacted
    assert outcome.status == 4  # unreachable


@pytest.mark.parametrize(
    "arguments", [["--limit", "db1"], ["--tags", "web_log"], ["--check", "--limit", "web2", "-t", "x"]]
)
def test_a_bad_register_stops_the_play_before_any_host(run: Run, inventory: Path, arguments: list[str]) -> None:
    spoil(inventory)
    outcome = run(PLAY, "-i", str(inventory), *arguments)
    assert outcome.status == 2
    assert not outcome.contacted
    assert [line for line in outcome.lines if line in MISTAKES] == MISTAKES


def test_yaml_that_does_not_parse_stops_the_play_before_any_host(run: Run, inventory: Path) -> None:
    (inventory / "group_vars/all/statement.yml").write_text("statement:\n  title: a: b\n")
    outcome = run(PLAY, "-i", str(inventory))
    assert outcome.status != 0
    assert not outcome.contacted


@pytest.mark.parametrize(
    ("name", "variables", "line"),
    [
        (
            "host_vars/db1.yml",
            {"statement": {**REGISTER["statement"], "provider": "Another"}},
            (
                "host db1: statement is not that of web1; "
                "one run has one statement: keep it in group_vars/all and nowhere else"
            ),
        ),
        (
            "host_vars/web2.yml",
            {"statement_waivers": []},
            (
                "host web2: statement_waivers is missing there; "
                "one run has one statement: keep it in group_vars/all and nowhere else"
            ),
        ),
        (
            "host_vars/web1.yml",
            {"statement": None},
            (
                "host web1: statement is missing there; "
                "one run has one statement: keep it in group_vars/all and nowhere else"
            ),
        ),
        (
            "group_vars/all/waivers.yml",
            {"statement_waivers": [{**REGISTER["statement_waivers"][0], "hosts": "mail7"}]},
            (
                f"waiver of {REGISTER['statement_waivers'][0]['promise']}: hosts: 'mail7' matches no host of the "
                "inventory; name a host, a group or a pattern like 'web*'"
            ),
        ),
        (
            "host_vars/web2.yml",
            {"statement": "{{ nothing }}"},
            "host web2: statement: 'nothing' is undefined",
        ),
    ],
)
def test_what_only_the_inventory_shows(
    run: Run, inventory: Path, name: str, variables: dict[str, Any], line: str
) -> None:
    write(inventory / name, variables)
    outcome = run(PLAY, "-i", str(inventory), "--limit", "web1")
    assert line in outcome.lines
    assert (outcome.status, outcome.contacted) == (2, False)


def test_an_inventory_without_a_register(run: Run, inventory: Path) -> None:
    (inventory / "group_vars/all/statement.yml").unlink()
    outcome = run("privacy.hosting.statement", "-i", str(inventory))
    assert "statement: missing; write the register in group_vars/all/statement.yml" in outcome.lines
    assert (outcome.status, outcome.contacted) == (2, False)


def test_no_inventory_at_all(run: Run) -> None:
    outcome = run("privacy.hosting.statement")
    assert outcome.status == 2
    assert any(line.startswith("inventory: has no hosts; name it with -i") for line in outcome.lines)


def test_a_register_file_by_itself(run: Run, inventory: Path) -> None:
    path = inventory / "group_vars/all/statement.yml"
    assert run("privacy.hosting.statement", "-e", f"register_file={path}").status == 0
    spoil(inventory)
    text = path.read_text()
    path.write_text(f"{text}statement_waivers: []\n")
    outcome = run("privacy.hosting.statement", "-e", f"register_file={path}")
    assert outcome.status == 2
    found = [line.removeprefix(f"{path}:") for line in outcome.lines if line.startswith(f"{path}:")]
    first = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("statement_waivers:"))
    last = len(text.splitlines()) + 1
    assert found[0] == f"{last}: register: statement_waivers: stands here twice, first on line {first}; keep one"
    assert [line.split(": ", 1)[1] for line in found[1:]] == MISTAKES
    assert all(line.split(":")[0].isdigit() for line in found)


TEXT = ROOT / "inventories/lab/statement.md"
DUTCH = """Privacy

Wij hosten websites voor bedrijven in Nederland, en wij doen dat met veel plezier voor iedereen die dat wil.

Bewaren

De webserverlogs bewaren wij gedurende twee jaar. Wij verkopen uw gegevens nooit aan anderen.
"""


def test_a_register_and_its_text(run: Run, inventory: Path) -> None:
    outcome = run("privacy.hosting.statement", "-i", str(inventory), "-e", f"text={TEXT}")
    assert (outcome.status, outcome.contacted) == (0, False)
    assert not any("sentence" in line for line in outcome.lines)


@pytest.mark.parametrize("how", ["inventory", "file"])
def test_a_text_that_was_changed(run: Run, inventory: Path, tmp_path: Path, how: str) -> None:
    text = tmp_path / "statement.txt"
    text.write_text(f"{TEXT.read_text()}\nWe keep your shoe size for nine years.\n")
    register = inventory / "group_vars/all/statement.yml"
    named = ["-i", str(inventory)] if how == "inventory" else ["-e", f"register_file={register}"]
    outcome = run("privacy.hosting.statement", *named, "-e", "text=statement.txt")
    assert (outcome.status, outcome.contacted) == (2, False)
    assert any(line.startswith("the text was changed: its text_sha256 is ") for line in outcome.lines)
    (line,) = [line for line in outcome.lines if line.endswith('"We keep your shoe size for nine years."')]
    assert "it binds, and no promise points to it (stored, how long): " in line


def test_a_text_without_a_register(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(DUTCH)
    outcome = run("privacy.hosting.statement", "-e", "text=text.txt")
    assert outcome.status == 2
    assert any("add -e draft=PATH for a first draft of a register of that text" in line for line in outcome.lines)


def test_a_first_draft(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.html").write_bytes(f"<html><pre>{DUTCH}</pre></html>".encode())
    drafting = ("privacy.hosting.statement", "-e", "text=text.html", "-e", "draft=draft.yml")
    outcome = run(*drafting, "--check")
    assert outcome.status == 0
    assert not (tmp_path / "draft.yml").exists()
    outcome = run(*drafting)
    assert (outcome.status, outcome.contacted) == (0, False)
    assert "a first draft in draft.yml: 2 promises, 8 places to be decided" in outcome.lines
    written = (tmp_path / "draft.yml").read_text()
    first, second = yaml.safe_load(written)["statement"]["promises"]
    assert first["measures"] == {"log_retention": {"web": "2 years"}}
    assert second["planned"] == {"until": "TO BE DECIDED", "reason": "TO BE DECIDED"}
    with pytest.raises(StatementError) as refused:
        Statement.load_file(str(tmp_path / "draft.yml"))
    line = next(n for n, line in enumerate(written.splitlines(), 1) if line.strip().startswith("provider:"))
    named = f"draft.yml:{line}: statement: provider: is yet to be decided; put in what is right, or take it out"
    assert refused.value.messages[0].endswith(f"/{named}")
    outcome = run(*drafting)
    assert outcome.status == 2
    assert any("draft.yml is there already; name another file for the draft" in line for line in outcome.lines)
    assert (tmp_path / "draft.yml").read_text() == written


@pytest.mark.parametrize("draft", [True, False])
def test_a_text_in_another_language(run: Run, inventory: Path, draft: bool) -> None:
    text = ROOT / "tests/statements/other_de.txt"
    how = ["-e", "draft=draft.yml"] if draft else ["-i", str(inventory)]
    outcome = run("privacy.hosting.statement", "-e", f"text={text}", *how)
    assert outcome.status == 2
    assert any(line.endswith("it is in German; only Dutch and English are read") for line in outcome.lines)


def test_html_without_its_parser(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bs4.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "text.html").write_text(f"<html><pre>{DUTCH}</pre></html>")
    outcome = run("privacy.hosting.statement", "-e", "text=text.html", "-e", "draft=draft.yml")
    assert outcome.status == 2
    needs = "an HTML text needs BeautifulSoup; run: pip install beautifulsoup4 (in Ansible's own Python)"
    assert any(line.endswith(needs) for line in outcome.lines)


OPTIONS_PLAY = """
- hosts: web1
  gather_facts: false
  tasks:
    - privacy.hosting.statement:
        measure: log_retention
    - privacy.hosting.statement:
        measure: web_log
"""


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ("log_retention_late='3 dagen'", "log_retention_late: '3 dagen' is no period; "),
        ("log_retention_lat='3 days'", "log_retention_lat: no such option; did you mean 'log_retention_late'?"),
        ('{"web_log_trusted_proxies": ["proxy"]}', "web_log_trusted_proxies: 'proxy' does not appear to be an IPv4"),
    ],
)
def test_a_hosts_variables_for_a_measure(run: Run, inventory: Path, variables: str, line: str) -> None:
    outcome = run(OPTIONS_PLAY, "-i", str(inventory), "-e", variables)
    assert outcome.status == 2
    assert any(found.startswith(f"host web1: {line}") for found in outcome.lines)
    assert not outcome.contacted


def test_a_host_whose_variables_are_right(run: Run, inventory: Path) -> None:
    write(inventory / "host_vars/web1.yml", {"log_retention_late": "4 days", "web_log_sites": ["all"]})
    assert run(OPTIONS_PLAY, "-i", str(inventory)).status == 0


FILTER_PLAY = """
- hosts: web*,db1
  gather_facts: false
  vars:
    promised_web: >-
      {{ statement | default({})
      | privacy.hosting.promised('log_retention', 'web', inventory_hostname, group_names) }}
  tasks:
    - ansible.builtin.assert:
        that:
          - promised_web == expected[inventory_hostname]
          - (statement | privacy.hosting.promised('web_log', host=inventory_hostname)) == (inventory_hostname != 'db1')
          - (none | default({}, true) | privacy.hosting.promised('web_log')) is false
          - "(statement | privacy.hosting.promised('web_log', 'fields'))
             == ['domain', 'path', 'user_agent', 'client_ip', 'time', 'status']"
      vars:
        expected: {web1: 2 years, web2: 2 years, db1: null}
"""


def test_the_filter_in_a_play(run: Run, inventory: Path) -> None:
    outcome = run(FILTER_PLAY, "-i", str(inventory))
    assert outcome.status == 0, "\n".join(outcome.lines)
    spoil(inventory)
    outcome = run(FILTER_PLAY, "-i", str(inventory))
    assert outcome.status == 2
    assert any(MISTAKES[1] in line for line in outcome.lines)
