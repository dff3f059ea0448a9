"""What one scheduled run tells, keeps and removes; its own program, with an audit and a receiver of notices made up."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import stat
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/audit_schedule/files/audit_run.py"
NOW = dt.datetime(2026, 11, 21, 5, 0, tzinfo=dt.timezone.utc)
RUN = "2026-11-21T050000Z"


@pytest.fixture(scope="module")
def program():
    """The program, as a module."""
    spec = importlib.util.spec_from_file_location("audit_run", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit_run"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["audit_run"]


def fleet(run=RUN, partial=False, states=None, **promises):
    """The content of a fleet.json. states: of hosts that were not audited; promises: verdicts by host."""
    states = states or {}
    hosts = {host for verdicts in promises.values() for host in verdicts} | set(states)
    return {
        "run": run,
        "partial": partial,
        "statement": {"provider": "Voorbeeld"},
        "hosts": [{"name": host, "state": states.get(host, "audited")} for host in sorted(hosts)],
        "promises": [{"id": promise, "hosts": verdicts} for promise, verdicts in promises.items()],
    }


def told(program, *fleets):
    """What the runs after each other tell, a list for each."""
    memory, lists = program.Memory(), []
    for one in fleets:
        after = program.seen(one, memory)
        lists.append([line for _kind, line in program.changes(memory, after, one)])
        memory = after
    return lists


# -- what is told ---------------------------------------------------------------------------------------------------


def test_what_is_broken_is_told_once(program):
    broken = fleet(logs={"web1": "broken", "web2": "kept"})
    assert told(program, broken, broken) == [["newly broken: logs on web1"], []]


def test_another_host_is_told_by_itself(program):
    one = fleet(logs={"web1": "broken", "web2": "kept"})
    both = fleet(logs={"web1": "broken", "web2": "broken"})
    assert told(program, one, both)[1] == ["newly broken: logs on web2"]


def test_mended_and_broken_again_is_told_twice(program):
    broken, kept = fleet(logs={"web1": "broken"}), fleet(logs={"web1": "kept"})
    assert told(program, broken, kept, broken) == [
        ["newly broken: logs on web1"],
        ["mended: logs on web1"],
        ["newly broken: logs on web1"],
    ]


@pytest.mark.parametrize("state", ["unreached", "unaudited"])
def test_a_host_that_went_silent_is_told_once_and_nothing_of_its_promises(program, state):
    broken = fleet(logs={"web1": "broken"})
    silent = fleet(states={"web1": state}, logs={"web1": "unproven"})
    lists = told(program, broken, silent, silent, broken)
    assert [len(one) for one in lists] == [1, 1, 0, 1]
    assert lists[1][0].startswith("silent: web1 ") and lists[3] == ["heard again: web1"]


def test_what_became_unproven_is_not_mended(program):
    broken, unproven = fleet(logs={"web1": "broken"}), fleet(logs={"web1": "unproven"})
    assert told(program, broken, unproven, broken) == [
        ["newly broken: logs on web1"],
        ["newly unproven: logs on web1"],
        [],
    ]


def test_a_host_that_left_the_inventory_is_told_once(program):
    both, one = fleet(logs={"web1": "kept", "web2": "kept"}), fleet(logs={"web1": "kept"})
    lists = told(program, both, one, one)
    assert [len(told) for told in lists] == [0, 1, 0] and lists[1][0].startswith("silent: web2 ")


def test_a_partial_run_says_nothing_of_hosts_that_it_left_out(program):
    both = fleet(logs={"web1": "broken", "web2": "broken"})
    limited = fleet(partial=True, states={"web2": "outside"}, logs={"web1": "broken"})
    assert told(program, both, limited, both)[1:] == [[], []]


def test_a_host_that_was_silent_stays_so_outside_of_a_partial_run(program):
    silent = fleet(states={"web2": "unreached"}, logs={"web1": "kept", "web2": "unproven"})
    limited = fleet(partial=True, states={"web2": "outside"}, logs={"web1": "kept"})
    assert told(program, silent, limited, silent)[1:] == [[], []]


def test_a_promise_that_left_the_register_is_forgotten(program):
    assert told(program, fleet(logs={"web1": "broken"}), fleet(mail={"web1": "kept"}))[1] == []


def test_waived_is_mended_and_lapsed_is_a_kind_of_its_own(program):
    broken, waived, lapsed = (fleet(logs={"web1": word}) for word in ("broken", "waived", "lapsed"))
    assert told(program, broken, waived, lapsed)[1:] == [["mended: logs on web1"], ["newly lapsed: logs on web1"]]


# -- what is removed ------------------------------------------------------------------------------------------------


def run_folder(reports, name, content=None):
    (reports / name).mkdir()
    if content is not None:
        (reports / name / "fleet.json").write_text(json.dumps(content))
    return reports / name


def test_old_runs_are_removed_and_nothing_else(program, tmp_path):
    old = "2026-01-01T050000Z"
    run_folder(tmp_path, old, fleet(old))
    for name in ("2026-11-19T050000Z", "2026-11-20T050000Z"):
        run_folder(tmp_path, name, fleet(name))
    run_folder(tmp_path, "2026-01-02T050000Z")  # no report of ours in it
    run_folder(tmp_path, "2026-01-03T050000Z", fleet("another"))  # somebody renamed it
    run_folder(tmp_path, "by-hand", fleet("by-hand"))
    outside = tmp_path / "kept"
    outside.mkdir()
    (outside / "fleet.json").write_text(json.dumps(fleet("2026-01-04T050000Z")))
    (tmp_path / "2026-01-04T050000Z").symlink_to(outside)
    before = {path.name for path in tmp_path.iterdir()}
    assert program.forget(tmp_path, 90, NOW) == [old]
    assert before - {path.name for path in tmp_path.iterdir()} == {old}


def test_the_newest_two_runs_stay(program, tmp_path):
    for day in ("01", "02", "03"):
        run_folder(tmp_path, f"2026-01-{day}T050000Z", fleet(f"2026-01-{day}T050000Z"))
    assert program.forget(tmp_path, 1, NOW) == ["2026-01-01T050000Z"]


def test_nothing_is_removed_by_a_clock_that_jumped(program, tmp_path, capfd):
    names = ["2024-10-01T050000Z", "2025-10-16T050000Z", RUN]
    for name in names:
        run_folder(tmp_path, name, fleet(name))
    assert program.forget(tmp_path, 90, NOW) == []
    assert "see whether the clock is right" in capfd.readouterr().out
    run_folder(tmp_path, "2026-11-22T050000Z", fleet("2026-11-22T050000Z"))
    assert program.forget(tmp_path, 90, NOW + dt.timedelta(days=1)) == names[:2]


def test_a_run_is_kept_for_its_whole_time(program, tmp_path):
    for name in ("2026-11-11T050000Z", "2026-11-11T045959Z", "2026-11-20T050000Z", RUN):
        run_folder(tmp_path, name, fleet(name))
    assert program.forget(tmp_path, 10, NOW) == ["2026-11-11T045959Z"]


# -- one run, from ping to ping -------------------------------------------------------------------------------------


@pytest.fixture
def switch():
    """A dead man's switch: the paths that were asked for."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_told):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(paths=paths, url=f"http://127.0.0.1:{server.server_port}/uuid")
    server.shutdown()
    server.server_close()


@pytest.fixture
def notices(monkeypatch):
    """What apprise was given; `takes` decides whether it takes a notice."""
    told = SimpleNamespace(sent=[], takes=True)

    class Apprise:
        def add(self, target):
            self.target = target
            return True

        def notify(self, body, title):
            told.sent.append((self.target, title, body))
            return told.takes

    monkeypatch.setitem(sys.modules, "apprise", SimpleNamespace(Apprise=Apprise))
    return told


@pytest.fixture
def schedule(program, tmp_path, switch, monkeypatch):
    """A schedule whose ansible-playbook does what a script of the test says."""
    secrets, audit = tmp_path / "secrets", tmp_path / "ansible-playbook"
    secrets.mkdir()
    for name, content in {"ping": switch.url, "notify": "json://one/?token=canary", "vault_password": ""}.items():
        (secrets / name).write_text(content)
    monkeypatch.setattr(program, "PING_TRIES", 1)
    settings = {
        "ansible_playbook": str(audit), "collections": "/nowhere", "secrets": str(secrets), "inventories": ["/srv/i"],
        "arguments": [], "variables": {}, "environment": {}, "keep_days": 90, "limit_s": 5, "where": "control1",
        "tells": ["broken", "silent", "failed"], "journal": "journalctl -u it",
    }

    def script(python):
        audit.write_text(f"#!{sys.executable}\nimport json, os, pathlib, sys, time\n{python}")
        audit.chmod(0o700)

    return SimpleNamespace(made=program.Schedule(settings, tmp_path), script=script, settings=settings)


def reporting(content):
    """A script that writes a report, as the audit does, and fails as it does where something is broken."""
    return f"""
variables = json.loads(sys.argv[sys.argv.index("--extra-vars") + 1])
folder = pathlib.Path(variables["audit_dest"])
folder.mkdir()
(folder / "fleet.json").write_text(json.dumps({{**{content!r}, "run": variables["audit_run"]}}))
(folder / "asked.json").write_text(json.dumps([sys.argv, dict(os.environ)]))
sys.exit(2)
"""


def later(minutes=0):
    return lambda: NOW + dt.timedelta(minutes=minutes)


def test_a_run_tells_and_a_second_one_has_nothing_to_tell(program, schedule, switch, notices):
    schedule.script(reporting(fleet(logs={"web1": "broken"})))
    assert program.once(schedule.made, later())
    ((target, title, body),) = notices.sent
    assert target == "json://one/?token=canary"
    assert title == "Privacy audit, Voorbeeld: 1 broken"
    assert body.splitlines()[0] == "newly broken: logs on web1"
    assert body.splitlines()[-1] == f"Report: control1:{schedule.made.folder}/reports/{RUN}/index.html"
    assert program.once(schedule.made, later(1))
    assert len(notices.sent) == 1
    assert switch.paths == ["/uuid/start", "/uuid", "/uuid/start", "/uuid"]


def test_a_notice_that_nobody_took_is_told_again(program, schedule, switch, notices, capfd):
    schedule.script(reporting(fleet(logs={"web1": "broken"})))
    notices.takes = False
    assert not program.once(schedule.made, later())
    assert switch.paths == ["/uuid/start", "/uuid/fail"]
    notices.takes = True
    assert program.once(schedule.made, later(1))
    assert [body.splitlines()[0] for _target, _title, body in notices.sent] == ["newly broken: logs on web1"] * 2
    assert "canary" not in "".join(capfd.readouterr())


def test_a_run_without_a_report_is_told(program, schedule, switch, notices):
    schedule.script("sys.exit(4)")
    assert not program.once(schedule.made, later())
    ((_target, title, body),) = notices.sent
    assert title == "Privacy audit: no report"
    assert "ended with status 4" in body and "journalctl -u it" in body
    assert switch.paths == ["/uuid/start", "/uuid/fail"]


def test_a_run_that_does_not_end_is_ended(program, schedule, switch, notices):
    schedule.settings["limit_s"] = 0.5
    schedule.script("time.sleep(60)")
    assert not program.once(schedule.made, later())
    assert "not done after 0.5 seconds" in notices.sent[0][2]
    assert switch.paths[-1] == "/uuid/fail"


def test_kinds_that_nobody_wants_are_not_told(program, schedule, notices):
    schedule.settings["tells"] = ["failed"]
    schedule.script(reporting(fleet(logs={"web1": "broken"})))
    assert program.once(schedule.made, later())
    assert notices.sent == []


def test_a_long_notice_is_cut_and_says_so(program, schedule, notices):
    schedule.script(reporting(fleet(**{f"promise-{number:02}": {"web1": "broken"} for number in range(30)})))
    assert program.once(schedule.made, later())
    lines = notices.sent[0][2].splitlines()
    assert len(lines) == 22 and lines[20] == "and 10 more"


def test_a_switch_that_is_down_fails_no_run(program, schedule, notices, capfd):
    Path(schedule.settings["secrets"], "ping").write_text("http://127.0.0.1:9/canary")
    schedule.script(reporting(fleet(logs={"web1": "kept"})))
    assert program.once(schedule.made, later())
    printed = "".join(capfd.readouterr())
    assert "dead man's switch could not be told" in printed and "canary" not in printed


def test_secrets_are_named_by_file_and_only_where_there_are_any(program, schedule, notices):
    key = Path(schedule.settings["secrets"], "ssh_key")
    key.write_text("canary")
    schedule.script(reporting(fleet(logs={"web1": "kept"})))
    assert program.once(schedule.made, later())
    arguments, environment = json.loads((schedule.made.folder / "reports" / RUN / "asked.json").read_text())
    assert environment["ANSIBLE_PRIVATE_KEY_FILE"] == str(key)
    assert "ANSIBLE_VAULT_PASSWORD_FILE" not in environment
    assert "canary" not in json.dumps([arguments, environment])


def test_memory_that_cannot_be_read_tells_everything_again(program, schedule, notices):
    schedule.script(reporting(fleet(logs={"web1": "broken"})))
    assert program.once(schedule.made, later())
    (schedule.made.folder / "told.json").write_text("{")
    assert program.once(schedule.made, later(1))
    assert len(notices.sent) == 2


def test_runs_are_its_own_accounts_alone(program, schedule, notices):
    schedule.script(reporting(fleet(logs={"web1": "kept"})))
    assert program.once(schedule.made, later())
    assert stat.S_IMODE((schedule.made.folder / "reports").stat().st_mode) == 0o700
