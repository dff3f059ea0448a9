"""The audit by a timer: on a control node that audits itself and another host, and on a host for itself.

backup1 plays the control node. It has no way out, so it is given Python's packages as files; what takes notices and the
pings of the dead man's switch runs beside it.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.fleet import BIN, PLAY_LIMIT, RELEASE, ROOT, Fleet, Played, findings, verdicts

pytestmark = pytest.mark.only("trixie")

CONTROL, AUDITED = "backup1", "web1"
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}[RELEASE]
UNIT = "privacy-hosting-audit"
RUNS = "/var/lib/privacy-hosting-audit/reports"
OLD_RUN = "2026-01-01T050000Z"
EXPOSURE = 15  # tenths, as systemd-analyze takes them; 11 were seen
TOKEN, UUID, VAULT = "canary-token", "canary-uuid", "canary-vault-password"

REGISTER = """
statement:
  provider: Voorbeeld Hosting
  title: Privacy statement
  language: en
  published: 2026-01-05
  url: https://voorbeeld.example/privacy
  text_sha256: bc8bdb3e5a8e9eea52e34a75496dd090928afc8be8ade525c6e2a2e73c92f955
  promises:
    - id: passwords-hashed
      where: {section: How we protect data, sentence: 7}
      says: Servers keep passwords only in a form that is slow to guess.
      hosts: all
      measures:
        password_policy: {hashes: memory_hard}
    - id: servers-at-supplier
      where: {section: Suppliers, sentence: 1}
      says: The servers stand at OVH.
      hosts: all
      stands_at: {supplier: OVH, places: [gra]}
"""

# Takes every request, and writes down which.
SINK = """
import http.server, json

class Sink(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open("/run/sink", "a") as file:
            file.write(json.dumps([self.path, body]) + "\\n")
        self.send_response(200)
        self.end_headers()
    do_POST = do_GET

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Sink).serve_forever()
"""

PLAY = f"""
- hosts: {CONTROL}
  gather_facts: false
  roles: [privacy.hosting.audit_schedule]
"""


class Node:
    """The control node."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self._folder = fleet, folder
        self.options: dict[str, Any] = {
            "audit_schedule_collection": str(archive(folder)),
            "audit_schedule_pip_arguments": ["--no-index", "--find-links=/srv/wheels"],
            "audit_schedule_notify": [f"json://127.0.0.1:8080/notice/{TOKEN}"],
            "audit_schedule_ping_url": f"http://127.0.0.1:8080/{UUID}",
        }
        self.options_of_control = {
            "audit_schedule_inventory": ["/srv/inventory"],
            "audit_schedule_vault_password": VAULT,
            "audit_schedule_ssh_key": (fleet.lab.state / "id_ed25519").read_text(),
            "audit_schedule_known_hosts": (fleet.lab.state / "known_hosts").read_text().splitlines(),
        }
        (folder / "play.yml").write_text(PLAY)

    def shell(self, script: str) -> str:
        """What a script prints that root runs on it."""
        return self.fleet.shell(CONTROL, script)

    def schedule(self, *arguments: str, **options: Any) -> Played:
        """Run the role; options: beside those of every run."""
        inventories = [f"--inventory={inventory}" for inventory in self.fleet.inventories]
        told = self._folder / "options.json"
        told.write_text(json.dumps({**self.options, **options}))
        done = subprocess.run(
            [BIN / "ansible-playbook", self._folder / "play.yml", *inventories, f"--extra-vars=@{told}", *arguments],
            env=self.fleet.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=PLAY_LIMIT, check=False,
        )
        return Played(done.returncode, done.stdout, 0)

    def control(self, *arguments: str) -> Played:
        """Run the role in mode control."""
        return self.schedule(*arguments, **self.options_of_control)

    def run(self) -> list[list[str]]:
        """Start a run and wait for its end: what the sink was sent, as paths with bodies."""
        # nobody starts it so often: systemd would refuse the sixth time within ten seconds
        self.shell(f"rm -f /run/sink; systemctl reset-failed {UNIT}; systemctl start {UNIT} || true")
        return [json.loads(line) for line in self.shell("cat /run/sink").splitlines()]

    def notices(self) -> list[str]:
        """The texts that one run sent; the switch was told of its begin and of its success."""
        sent = self.run()
        assert [path for path, _body in sent if "notice" not in path] == [f"/{UUID}/start", f"/{UUID}"], sent
        return [json.loads(body)["message"] for path, body in sent if "notice" in path]

    def runs(self) -> list[str]:
        """The names of the runs that are kept, the newest last."""
        return self.shell(f"ls {RUNS}").split()


def archive(folder: Path) -> Path:
    """The collection's archive, built of the tree as it is."""
    build = [BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True, cwd=folder)
    return next(folder.glob("*.tar.gz"))


def inventory(fleet: Fleet, folder: Path) -> Path:
    """An inventory of the two hosts, a part of it kept by ansible-vault."""
    variables = folder / "inventory" / "group_vars" / "all"
    variables.mkdir(parents=True)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    hosts = {host: {"ansible_host": fleet.address(host)} for host in (CONTROL, AUDITED)}
    # as the inventory of OVH tells of one of them; of the other no API told
    told = {"id": "ns1", "supplier": "OVH", "asked_at": now, "datacenter": "gra2", "ipv4": fleet.address(AUDITED)}
    hosts[AUDITED].update({f"ovh_{name}": value for name, value in told.items()})
    login = {"ansible_user": "debian", "ansible_become": True, "ansible_python_interpreter": "/usr/bin/python3"}
    (folder / "inventory" / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": login}}))
    (variables / "statement.yml").write_text(REGISTER)
    (variables / "vault.yml").write_text("some_secret: canary-of-the-inventory\n")
    (folder / "password").write_text(VAULT)
    lock = [BIN / "ansible-vault", "encrypt", f"--vault-password-file={folder / 'password'}", variables / "vault.yml"]
    subprocess.run(lock, check=True, capture_output=True, env=fleet.environment())
    return folder / "inventory"


def wheels(folder: Path) -> Path:
    """What the role's list of Python packages names, as files for the control node's Python."""
    platforms = [f"--platform={tag}_x86_64" for tag in ("manylinux_2_28", "manylinux2014")]
    abis = [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    subprocess.run(
        [BIN / "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", f"--python-version={PYTHON}", *abis,
         *platforms, f"--requirement={ROOT / 'roles/audit_schedule/files/requirements.txt'}",
         f"--dest={folder / 'wheels'}"],
        check=True, capture_output=True,
    )
    return folder / "wheels"


@pytest.fixture(scope="module")
def node(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The control node with what it needs, and nothing of the role yet."""
    folder = tmp_path_factory.mktemp("node")
    hosts = fleet.only([CONTROL, AUDITED])
    hosts.restore("pristine")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(inventory(fleet, folder), "srv/inventory", filter=readable)
        tar.add(wheels(folder), "srv/wheels", filter=readable)
    unpack = fleet.lab.root_command(fleet.lab.hosts[CONTROL], "tar", "-x", "-C", "/", "--no-same-owner")
    subprocess.run(unpack, input=stream.getvalue(), check=True, capture_output=True)
    node = Node(hosts, folder)
    node.shell(f"cat > /srv/sink.py << 'END'\n{SINK}\nEND\nsystemd-run -q --unit sink python3 /srv/sink.py")
    yield node
    hosts.restore("pristine")


def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A member that every account may read."""
    member.mode = 0o755 if member.isdir() else 0o644
    return member


@pytest.fixture(scope="module")
def check(node: Node) -> tuple[Played, str]:
    """The role in check mode on a host that it never touched, and what it left there."""
    played = node.control("--check", "--diff")
    return played, node.shell(f"ls -d /opt/{UNIT}* /var/lib/{UNIT}* /etc/systemd/system/{UNIT}* 2>/dev/null || true")


@pytest.fixture(scope="module")
def scheduled(node: Node, check: tuple[Played, str]) -> Node:
    """The control node with its timer."""
    played = node.control()
    assert played.status == 0, played.output
    return node


def test_check_mode_changes_nothing(check):
    played, left = check
    assert played.status == 0 and played.recap[CONTROL]["changed"] > 0, played.output
    assert left == ""
    assert TOKEN not in played.output and UUID not in played.output and VAULT not in played.output


def test_a_second_run_changes_nothing(scheduled):
    again = scheduled.control()
    assert again.status == 0 and again.recap[CONTROL]["changed"] == 0, again.output
    assert TOKEN not in again.output and UUID not in again.output and VAULT not in again.output


def test_the_timer_waits_for_its_time(scheduled):
    shown = scheduled.shell(f"systemctl is-enabled {UNIT}.timer; systemctl show {UNIT}.timer --property "
                            "ActiveState,Persistent,RandomizedDelayUSec,NextElapseUSecRealtime")
    assert shown.splitlines()[0] == "enabled"
    told = dict(line.split("=", 1) for line in shown.splitlines()[1:])
    assert told["ActiveState"] == "active" and told["Persistent"] == "yes" and told["RandomizedDelayUSec"] == "30min"
    assert told["NextElapseUSecRealtime"]


def test_the_service_can_do_little(scheduled):
    scheduled.shell(f"systemd-analyze security --no-pager --threshold={EXPOSURE} {UNIT}.service > /dev/null")
    # what it may write, tried as it would: with its account, and with its settings of the file system
    properties = " ".join(
        f"-p {line}" for line in scheduled.shell(f"systemctl cat {UNIT}").splitlines()
        if line.startswith(("Protect", "Private", "User=", "StateDirectory=", "NoNewPrivileges"))
    )
    tries = "; ".join(
        f"touch {path}/t 2>/dev/null && echo {path}"
        for path in ("/etc/privacy-hosting/audit-schedule", f"/opt/{UNIT}", "/srv/inventory", f"/var/lib/{UNIT}")
    )
    wrote = scheduled.shell(f"systemd-run -q --wait --pipe {properties} sh -c '{tries}; true'; rm -f /var/lib/{UNIT}/t")
    assert wrote.split() == [f"/var/lib/{UNIT}"]


def test_secrets_are_for_the_service_alone(scheduled):
    modes = scheduled.shell("stat -c '%a %U' /etc/privacy-hosting/audit-schedule /etc/privacy-hosting/audit-schedule/*")
    assert modes.splitlines() == ["750 root", *[f"400 {UNIT}"] * 4]
    everywhere = f"grep -rlE '{TOKEN}|{UUID}|{VAULT}' /etc /opt/{UNIT}/installed /usr/lib/systemd || true"
    assert {Path(path).parent.name for path in scheduled.shell(everywhere).split()} == {"audit-schedule"}


def test_it_tells_once_what_changes(scheduled):
    web = scheduled.fleet
    assert scheduled.notices() == []
    assert scheduled.shell(f"stat -c '%a %U' {RUNS} {RUNS}/*").split() == ["700", UNIT] * 2

    web.shell(AUDITED, "sed -i 's/yescrypt/sha512/' /etc/pam.d/common-password")
    (told,) = scheduled.notices()
    assert told.splitlines()[0] == "newly broken: passwords-hashed on web1" and len(told.splitlines()) == 2
    assert scheduled.notices() == []

    web.shell(AUDITED, "systemctl stop ssh.socket ssh")
    (told,) = scheduled.notices()
    assert told.splitlines()[0] == "silent: web1 could not be reached" and len(told.splitlines()) == 2
    assert scheduled.notices() == []
    web.shell(AUDITED, "systemctl start ssh")
    # it is broken as before, which was told
    assert scheduled.notices() == []

    newest = scheduled.runs()[-1]
    fleet = json.loads(scheduled.shell(f"cat {RUNS}/{newest}/fleet.json"))
    assert {host["name"]: host["state"] for host in fleet["hosts"]} == {CONTROL: "audited", AUDITED: "audited"}
    (standing,) = (promise for promise in fleet["promises"] if promise["id"] == "servers-at-supplier")
    assert standing["hosts"] == {CONTROL: "unproven", AUDITED: "kept"}
    journal = scheduled.shell(f"journalctl --no-pager -u {UNIT}")
    assert "passwords-hashed" in journal
    assert not [secret for secret in (TOKEN, UUID, VAULT, "canary-of-the-inventory") if secret in journal]


def test_old_runs_are_removed(scheduled):
    scheduled.run()
    newest = scheduled.runs()[-1]
    scheduled.shell(f"""
cd {RUNS}
cp -a {newest} {OLD_RUN} && sed -i 's/"{newest}"/"{OLD_RUN}"/' {OLD_RUN}/fleet.json
cp -a {newest} {OLD_RUN.replace("-01T", "-02T")}
mkdir {OLD_RUN.replace("-01T", "-03T")}
""")
    before = scheduled.runs()
    assert len(scheduled.run()) == 2
    after = scheduled.runs()
    assert set(before) - set(after) == {OLD_RUN} and len(set(after) - set(before)) == 1


def test_a_run_that_fails_is_told(scheduled):
    scheduled.shell("mv /srv/inventory/group_vars/all/statement.yml /srv/")
    sent = scheduled.run()
    scheduled.shell(f"mv /srv/statement.yml /srv/inventory/group_vars/all/; systemctl is-failed {UNIT}")
    assert [path for path, _body in sent] == [f"/{UUID}/start", f"/notice/{TOKEN}", f"/{UUID}/fail"]
    assert json.loads(sent[1][1])["title"] == "Privacy audit: no report"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"audit_schedule_inventory": []}, "names no inventory"),
        ({"audit_schedule_inventory": ["/home/debian/inventory"]}, "lies where the service cannot see it"),
        ({"audit_schedule_inventory": ["/srv/none"]}, "there is no /srv/none on backup1"),
        ({"audit_schedule_ping_url": f"ping.example/{UUID}"}, '"msg": "audit_schedule_ping_url must begin with https://'),
        ({"audit_schedule_calendar": "now and then"}, "Failed to parse calendar"),
    ],
)
def test_what_cannot_work_is_refused(scheduled, options, told):
    played = scheduled.schedule("--check", "-vvv", **{**scheduled.options_of_control, **options})
    assert played.status != 0 and told in played.output, played.output
    assert not [secret for secret in (TOKEN, UUID, VAULT, "BEGIN OPENSSH") if secret in played.output]
    assert played.recap[CONTROL]["changed"] == 0


def test_a_host_audits_itself_as_a_control_node_would(scheduled):
    """The last one: it makes another kind of node of the host, and then none."""
    records = scheduled.fleet.only([CONTROL]).audit("pushed")
    played = scheduled.schedule(audit_schedule_mode="pull")
    assert played.status == 0, played.output
    sent = scheduled.run()
    newest = scheduled.runs()[-1]
    own = json.loads(scheduled.shell(f"cat {RUNS}/{newest}/{CONTROL}.json"))
    assert verdicts(own) == verdicts(records[CONTROL])
    assert {key(one) for one in findings(own)} == {key(one) for one in findings(records[CONTROL])}
    assert [path for path, _body in sent][-1] == f"/{UUID}"
    inventory = scheduled.shell("cat /etc/privacy-hosting/audit-inventory.yml")
    assert not [secret for secret in (TOKEN, UUID, VAULT, "BEGIN OPENSSH") if secret in inventory]

    assert scheduled.schedule(audit_schedule_state="absent").status == 0
    made = f"/opt/{UNIT} /etc/systemd/system/{UNIT}* /etc/privacy-hosting/audit* {RUNS}"
    assert scheduled.shell(f"ls -d {made} 2> /dev/null || true").split() == [RUNS]


def key(finding: dict[str, Any]) -> tuple[str, ...]:
    """What a finding is about, and what it says."""
    return tuple(finding[name] for name in ("measure", "check", "subject", "status"))
