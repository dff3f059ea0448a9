"""What harden makes of the hosts, seen without our own audit."""

from __future__ import annotations

import subprocess
import time
import uuid

import pytest

from tests.lab import register
from tests.lab.fleet import Fleet, verdicts

# what the lab's register promises of containers
KEPT = [
    promise["id"]
    for promise in register.own_promises()
    if "measures" in promise and promise.get("hosts") != "db1"  # test_disks.py
]
# what hosts do not keep before
WEB_PROMISES = ("traffic-recorded", "traffic-kept-two-years", "own-sites-encrypted", "passwords-strong")
BROKEN = {
    "web1": ["staff-two-factors", *WEB_PROMISES],
    "web2": ["staff-two-factors", *WEB_PROMISES],
    "mail1": ["staff-two-factors", "links-encrypted", "mail-logins-recorded"],
    "data1": ["staff-two-factors", "links-encrypted", "backups-daily", "backups-elsewhere", "backups-tested"],
    "backup1": ["staff-two-factors"],
}
# of measures that the lab's register does not promise
MORE = {promise["id"]: "-".join([*promise.get("measures", {}), promise["id"]]) for promise in register.more_promises()}
# not every host need have what these are about
SOME = {"links-encrypted", *MORE}
LOGS = {"web1": "/var/log/nginx", "web2": "/var/log/apache2"}
SITES = {
    "web1": ["static.example", "www.static.example", "shop.example"],
    "web2": ["blog.example", "docs.example"],
}
AGENT = "Mozilla/5.0 (a test)"


def visit(address: str, site: str, path: str, *headers: str) -> None:
    """Ask a host for a page, from this machine."""
    options = [word for header in headers for word in ("--header", header)]
    command = ["curl", "-s", "-o", "/dev/null", "-A", AGENT, "-H", f"Host: {site}", *options, f"http://{address}{path}"]
    subprocess.run(command, check=True, timeout=20)


def lines_of(fleet: Fleet, host: str, marker: str) -> list[str]:
    """The log lines that hold a marker, once there are any (five seconds at most)."""
    for _attempt in range(50):
        found = fleet.shell(host, f"grep -rhs {marker} {LOGS[host]} || true").splitlines()
        if found:
            return found
        time.sleep(0.1)
    return []


@pytest.mark.parametrize(("name", "broken"), BROKEN.items(), ids=list(BROKEN))
def test_before_promises_of_each_measure_are_broken(name, broken, before):
    found = verdicts(before[name])
    assert {promise: found[promise] for promise in broken} == dict.fromkeys(broken, "broken")


@pytest.mark.parametrize("name", [*KEPT, *MORE], ids=lambda name: MORE.get(name, name))
def test_afterwards_every_promise_of_the_measures_is_kept(name, kept):
    found = {host: verdicts(record)[name] for host, record in kept.items() if name in verdicts(record)}
    assert "kept" in found.values(), found
    assert set(found.values()) <= ({"kept", "not_applicable"} if name in SOME else {"kept"}), found


def test_services_run_and_nothing_failed(host):
    name = {"web1": "nginx", "web2": "apache2"}[host.check_output("hostname")]
    assert host.service(name).is_running
    assert host.service(name).is_enabled
    assert host.run("systemctl --failed --no-legend").stdout == ""


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in LOGS])
def test_nothing_failed_on_other_hosts(name, fleet, kept):
    assert fleet.shell(name, "systemctl --failed --no-legend") == ""


def test_rotation_has_no_complaint(host):
    checked = host.run("logrotate --debug /etc/logrotate.conf")
    assert checked.rc == 0
    assert "error:" not in checked.stderr


@pytest.mark.parametrize(("name", "site"), [(name, site) for name, sites in SITES.items() for site in sites])
def test_a_visit_leaves_a_line_with_all_that_is_promised(name, site, fleet, kept):
    marker = uuid.uuid4().hex
    visit(fleet.address(name), site, f"/page-{marker}?secret=1")
    lines = lines_of(fleet, name, marker)
    assert any(site in line and AGENT in line and fleet.address(name)[:-2] in line for line in lines), lines
    assert not [line for line in lines if "secret=1" in line and "error" not in line.lower()]


def test_pictures_are_logged_too(fleet, kept):
    marker = uuid.uuid4().hex
    visit(fleet.address("web1"), "static.example", f"/pictures/{marker}.svg")
    assert lines_of(fleet, "web1", marker)


def test_behind_the_front_proxy_the_visitor_is_logged_and_a_liar_is_not_believed(fleet, kept):
    machine = fleet.lab.network.ipv4(1)
    through, lying = uuid.uuid4().hex, uuid.uuid4().hex
    visit(fleet.address("front1"), "members.example", f"/{through}")
    visit(fleet.address("web1"), "members.example", f"/{lying}", "X-Forwarded-For: 203.0.113.99")
    through_lines, lying_lines = lines_of(fleet, "web1", through), lines_of(fleet, "web1", lying)
    assert through_lines and all(machine in line for line in through_lines)
    assert not [line for line in through_lines if fleet.address("front1") in line]
    assert lying_lines and not [line for line in lying_lines if "203.0.113.99" in line]
