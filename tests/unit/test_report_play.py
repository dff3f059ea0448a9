# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report action in a play: where it takes records from, what it prints, and when it fails the run."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from ansible_collections.privacy.hosting.plugins.action import report
from tests.records import finding, promise, record

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.slurp:
        src: "{{ inventory_dir }}/{{ inventory_hostname }}.json"
      register: found
      failed_when: false
    - ansible.builtin.set_fact:
        __audit: {record: "{{ found.content | b64decode | from_json }}"}
      when: found.content is defined
    - privacy.hosting.report:
        run: "{{ run | default(omit) }}"
        dest: "{{ dest | default(omit) }}"
        language: "{{ language | default(omit) }}"
        fail_on: "{{ fail_on | default(omit) }}"
      run_once: true
"""


@pytest.fixture
def play(tmp_path):
    """A function that runs the play with hosts and their records (None: it has none)."""

    def run(hosts, *arguments, **variables):
        listed = {name: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable} for name in hosts}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": listed}}))
        (tmp_path / "play.yml").write_text(PLAY)
        for name, given in hosts.items():
            (tmp_path / f"{name}.json").unlink(missing_ok=True)
            if given:
                (tmp_path / f"{name}.json").write_text(json.dumps(given))
        command = [PLAYBOOK, "-i", "hosts.yml", "play.yml", "-e", json.dumps(variables), *arguments]
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "400",
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def host(name, status, **values):
    return record(name, [promise("logged", [[finding(status)]]), promise("kept", [[finding()]])], **values)


def test_broken_promises_fail_the_run_in_one_line_after_the_report_is_written(play, tmp_path):
    status, text = play({"web1": host("web1", "pass"), "web2": host("web2", "fail")}, run="lab/before")
    assert status != 0
    index = tmp_path / "reports" / "lab" / "before" / "index.html"
    assert f"broken: logged on web2. See {index}" in text
    assert "logged  broken          web2" in text
    assert "kept    kept            all hosts" in text
    assert index.exists()
    assert index.parent.stat().st_mode & 0o777 == 0o700


def test_a_run_in_order_passes_and_changes_nothing(play, tmp_path):
    status, text = play({"web1": host("web1", "pass")}, "--check", run="night")
    assert status == 0, text
    assert "changed=0" in text
    assert (tmp_path / "reports" / "night" / "web1.html").exists()


def test_the_language_of_the_pages_can_be_chosen(play, tmp_path):
    status, text = play({"web1": host("web1", "pass")}, run="x", language="nl")
    assert status == 0, text
    assert '<html lang="nl">' in (tmp_path / "reports" / "x" / "web1.html").read_text()


def test_a_host_without_a_record_fails_the_run_as_unproven(play, tmp_path):
    status, text = play({"web1": host("web1", "pass"), "web2": None}, run="x")
    assert status != 0
    assert "unproven: logged on web2; kept on web2." in text
    assert "it was not audited in this run" in (tmp_path / "reports" / "x" / "web2.json").read_text()


def test_a_limited_run_says_so_and_is_not_failed_by_the_others(play, tmp_path):
    hosts = {"web1": host("web1", "pass", partial=True), "web2": host("web2", "fail")}
    status, text = play(hosts, "--limit", "web1", run="x")
    assert status == 0, text
    assert "2 promises, partial" in text
    assert "all hosts" not in text
    fleet = json.loads((tmp_path / "reports" / "x" / "fleet.json").read_text())
    assert {one["name"]: one["state"] for one in fleet["hosts"]} == {"web1": "audited", "web2": "outside"}


def test_newly_broken_looks_at_the_run_before(play):
    only = {"fail_on": ["newly_broken"]}
    assert play({"web1": host("web1", "fail")}, run="a", fail_on=[])[0] == 0
    assert play({"web1": host("web1", "fail")}, run="b", **only)[0] == 0
    status, text = play({"web1": host("web1", "fail"), "web2": host("web2", "fail")}, run="c", **only)
    assert status != 0
    assert "newly broken: logged on web2. See" in text


def test_newly_broken_remembers_a_host_that_did_not_answer_in_between(play):
    away = record("web1", [promise("logged", [[finding("error", check="reach")]])])
    assert play({"web1": host("web1", "fail")}, run="a", fail_on=[])[0] == 0
    assert play({"web1": away}, run="b", fail_on=["newly_broken"])[0] == 0
    status, text = play({"web1": host("web1", "fail")}, run="c", fail_on=["newly_broken"])
    assert status == 0, text


def test_an_audit_that_asked_nothing_fails(play, tmp_path):
    status, text = play({"web1": None}, dest=str(tmp_path / "out"))
    assert status != 0
    assert "no host has an audit record to report: run the audit first" in text
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"fail_on": ["borken"]}, "must be one or more of: broken, unproven, lapsed, newly_broken"),
        ({"language": "de"}, "must be one of: en, nl"),
        ({"run": "../x"}, "run '../x': write letters"),
        ({"dest": "/proc/nowhere/x"}, "the report cannot be written in /proc/nowhere/x: No such file"),
    ],
)
def test_a_mistake_is_told_in_one_line(play, variables, message):
    status, text = play({"web1": host("web1", "pass")}, **variables)
    assert status != 0
    assert message in text
    assert "Traceback" not in text


@pytest.mark.parametrize("name", ["..", ".", "/etc", "a/../b", "a//b", "a b", "-x", "a\nb", "{{ x }}", "a/"])
def test_a_run_cannot_leave_the_reports(name):
    with pytest.raises(AnsibleActionFail):
        report.run_name(name, datetime.now(timezone.utc))


def test_a_run_without_a_name_has_the_time():
    assert report.run_name(None, datetime(2026, 11, 20, 16, 43, 15, tzinfo=timezone.utc)) == "2026-11-20T164315Z"
