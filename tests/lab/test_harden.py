"""harden, audit and undo as administrators run them: partly, as others, cut off, and back again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.lab.fleet import Fleet, promise, verdicts

WEB_LOG = "traffic-recorded"
RETENTION = "traffic-kept-two-years"

# Every file that harden may touch, with content, mode, owner and age of change; but for what an authority issued, which
# undo leaves: a server that somebody has point to it since must not lose its certificate.
FILES = r"""
find /etc /var/lib/logrotate /usr/local /var/www -regextype egrep \
    -regex '/etc/letsencrypt/(accounts|archive|csr|keys|live|renewal)' -prune \
    -o \( -type f -o -type l \) -printf '%p %y %m %u %g %l ' \
    \( -type f -exec sha256sum -b {} \; -o -printf '\n' \) | sort
systemctl list-unit-files --no-legend --plain | grep -v transient
"""
SERVICES = {"web1": "nginx", "web2": "apache2"}


def state(fleet: Fleet) -> dict[str, str]:
    """What undo must bring back, by host."""
    return {host: fleet.shell(host, FILES) for host in fleet.hosts}


def serving(fleet: Fleet, host: str) -> bool:
    """Whether the host's web server runs, has a valid configuration, and answers."""
    test = {"nginx": "nginx -t -q", "apache2": "apachectl -t 2>/dev/null"}[SERVICES[host]]
    fleet.shell(host, f"systemctl is-active --quiet {SERVICES[host]} && {test} && curl -s -o /dev/null http://127.0.0.1/")
    return True


def test_check_mode_shows_all_and_changes_nothing(untouched: Fleet):
    before = state(untouched)
    played = untouched.play("harden", "--check", "--diff")
    assert played.status == 0, played.output
    assert all(counts["changed"] > 0 for counts in played.recap.values())
    assert "+++ " in played.output and "access_log" in played.output
    assert state(untouched) == before


def test_undo_puts_every_file_back_byte_for_byte(untouched: Fleet):
    before = state(untouched)
    assert untouched.play("harden").status == 0
    assert state(untouched) != before
    played = untouched.play("undo")
    assert played.status == 0, played.output
    after = state(untouched)
    for host in untouched.hosts:
        assert after[host].splitlines() == before[host].splitlines()
        assert serving(untouched, host)


@pytest.mark.only("bookworm")
def test_undo_leaves_what_somebody_edited_since(hardened: Fleet):
    edited = hardened.shell("web1", "grep -rl log_format /etc/nginx | head -1").strip()
    hardened.shell("web1", f"echo '# my own line' >> {edited}")
    played = hardened.play("undo", "--limit", "web1")
    assert "my own line" in hardened.shell("web1", f"cat {edited}"), played.output
    assert edited in played.output
    assert serving(hardened, "web1")


@pytest.mark.only("bookworm")
def test_limit_touches_the_other_host_not_and_says_partial(untouched: Fleet):
    before = state(untouched)["web2"]
    assert untouched.play("harden", "--limit", "web1").status == 0
    assert state(untouched)["web2"] == before
    _played, records = untouched.audited("limited", "--limit", "web1")
    assert set(records) == {"web1"}
    assert records["web1"]["partial"] is True
    assert json.loads((untouched.reports / "limited" / "fleet.json").read_text())["partial"] is True


@pytest.mark.only("bookworm")
def test_tags_choose_measures(untouched: Fleet):
    assert untouched.play("harden", "--tags", "web_log").status == 0
    records = untouched.audit("tagged", "--tags", "web_log")
    for host in untouched.hosts:
        assert promise(records[host], WEB_LOG)["verdict"] == "kept"
        assert promise(records[host], RETENTION)["verdict"] == "unproven"
    assert "rotate 14" in untouched.shell("web1", "cat /etc/logrotate.d/nginx")


PASSWORD = "Correct-Horse-9"  # noqa: S105  of an account that lives as long as the test
# an account that logs in by key and must give its password to sudo
ADMIN = f"""
useradd -m -G sudo -s /bin/bash admin
echo admin:{PASSWORD} | chpasswd
install -d -o admin -g admin -m 700 /home/admin/.ssh
install -o admin -g admin -m 600 /home/debian/.ssh/authorized_keys /home/admin/.ssh/
"""


@pytest.mark.only("bookworm")
def test_become_with_a_password(hardened: Fleet, kept):
    hardened.shells(dict.fromkeys(hardened.hosts, ADMIN))
    login = {"ansible_user": "admin", "ansible_become": True, "ansible_become_password": PASSWORD}
    options = json.dumps({**login, "ssh_two_factor_automation_accounts": ["debian", "admin"]})
    first = hardened.play("harden", "-e", options)
    assert first.status == 0, first.output
    played, records = hardened.audited("password", "-e", options)
    for host in hardened.hosts:
        assert verdicts(records[host]) == verdicts(kept[host])
    again = hardened.play("harden", "-e", options)
    assert again.status == 0 and all(counts["changed"] == 0 for counts in again.recap.values()), again.output
    for text in (first.output, played.output, again.output, *(json.dumps(record) for record in records.values())):
        assert PASSWORD not in text
    assert PASSWORD not in hardened.shell("web1", "journalctl --no-pager | grep -v chpasswd || true")


@pytest.mark.only("bookworm")
def test_a_user_without_root_rights_gives_one_finding_a_promise(hardened: Fleet, kept):
    hardened.shells(dict.fromkeys(hardened.hosts, "rm /etc/sudoers.d/*; gpasswd -d debian sudo; gpasswd -d debian adm"))
    played, records = hardened.audited("no-root", "-e", "ansible_become=false")
    assert played.status != 0
    for host in hardened.hosts:
        assert set(verdicts(records[host])) == set(verdicts(kept[host]))
        for name in (WEB_LOG, RETENTION):
            row = promise(records[host], name)
            assert row["verdict"] == "unproven"
            assert [finding["check"] for finding in row["findings"]] == ["rights"]
    played, records = hardened.audited("no-sudo", "-e", "ansible_become=true")
    assert played.status != 0
    for host in hardened.hosts:
        assert promise(records[host], WEB_LOG)["verdict"] == "unproven"
        assert len(promise(records[host], WEB_LOG)["findings"]) == 1


@pytest.mark.only("bookworm")
def test_a_bad_register_stops_before_any_contact(fleet: Fleet):
    for playbook in ("harden", "audit", "statement"):
        begun = time.monotonic()
        bad = {"statement": {"promises": [{"id": "x"}]}, "ansible_host": "203.0.113.1"}
        played = fleet.play(playbook, "-e", json.dumps(bad), "--tags", "web_log")
        assert played.status != 0
        assert time.monotonic() - begun < 10
        assert "UNREACHABLE" not in played.output and "x" in played.output


# -- where it cannot be done -------------------------------------------------------------------------------------

REFUSED = {
    "web1": "echo 'nonsense on;' > /etc/nginx/conf.d/zz.conf",
    "web2": "echo 'Nonsense On' > /etc/apache2/conf-enabled/zz.conf",
}


@pytest.mark.only("bookworm")
def test_where_the_server_refuses_its_configuration_nothing_is_changed_or_kept(untouched: Fleet):
    untouched.shells(REFUSED)
    before = state(untouched)
    played = untouched.play("harden", "--tags", "web_log")
    assert played.status != 0
    assert "nonsense" in played.output.lower()
    assert state(untouched) == before
    records = untouched.audit("refused")
    for host in untouched.hosts:
        assert untouched.shell(host, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/").strip() != "000"
        assert promise(records[host], WEB_LOG)["verdict"] != "kept"


# No room beside the files that are to be changed.
FULL = """
for folder in /etc/nginx /etc/apache2 /etc/logrotate.d; do
    [ -d $folder ] || continue
    mount -t tmpfs -o size=4m,mode=755 tmpfs /mnt
    cp -a $folder/. /mnt/
    mount --move /mnt $folder
    cat /dev/zero > $folder/full 2> /dev/null || true
done
"""


@pytest.mark.only("bookworm")
def test_on_a_full_disk_nothing_is_changed_or_lost(untouched: Fleet):
    untouched.shells(dict.fromkeys(untouched.hosts, FULL))
    before = state(untouched)
    played = untouched.play("harden")
    assert played.status != 0
    assert "No space left on device" in played.output
    assert state(untouched) == before
    assert all(serving(untouched, host) for host in untouched.hosts)


# -- cut off ----------------------------------------------------------------------------------------------------

# A command of the host's that waits when it is called like this, and says so; the connection is cut meanwhile.
WAITING = """
cat > /usr/local/sbin/{command} << 'END'
#!/bin/sh
case " $* " in
    {call}) touch /run/waiting; sleep 100 ;;
esac
exec /usr/{folder}/{command} "$@"
END
chmod 755 /usr/local/sbin/{command}
"""
# Moments of a run of the measures about logs: the commands that wait then, their folder below /usr, and the call.
LOGS = ("--tags", "web_log,log_retention")
MOMENTS = {
    "while web servers test their files": [("nginx", "sbin", "*' -t '*"), ("apache2ctl", "sbin", "*configtest*")],
    "when web servers are to reload": [("systemctl", "bin", "*' reload '*")],
    "while logrotate tests its files": [("logrotate", "sbin", "*' -d '*")],
    "when what destroys is to start": [("systemctl", "bin", "*' start privacy-hosting'*")],
}
LET_GO = """
rm -f /run/waiting /usr/local/sbin/nginx /usr/local/sbin/apache2ctl /usr/local/sbin/logrotate /usr/local/sbin/systemctl
"""


def cut_off(fleet: Fleet, moment: str) -> None:
    """Start harden, and kill it and all that it started on the hosts at some moment of its run."""
    waiting = [
        WAITING.format(command=command, folder=folder, call=call)
        for command, folder, call in MOMENTS[moment]
    ]
    fleet.shells(dict.fromkeys(fleet.hosts, "".join(waiting)))
    process = subprocess.Popen(
        fleet.command("harden", *LOGS), cwd=fleet.lab.state, env=fleet.environment(), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    reached = "for _ in $(seq 600); do [ -e /run/waiting ] && exit 0; sleep 0.1; done; exit 1"
    fleet.shells(dict.fromkeys(fleet.hosts, reached))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    fleet.shells(dict.fromkeys(fleet.hosts, f"systemctl kill --signal=KILL user-1000.slice\n{LET_GO}"))


@pytest.mark.only("bookworm")
@pytest.mark.parametrize(("moment", "then"), [*((moment, "undo") for moment in MOMENTS), (list(MOMENTS)[-1], "harden")])
def test_harden_cut_off_loses_nothing(moment: str, then: str, untouched: Fleet):
    """It is run again and has done all, or it is undone and has done nothing."""
    before = state(untouched)
    logs = "find /var/log -name '*.log*' ! -name 'oldshop*' | sort"
    lines = {host: untouched.shell(host, logs) for host in untouched.hosts}
    cut_off(untouched, moment)
    for host in untouched.hosts:
        assert serving(untouched, host)
        assert untouched.shell(host, logs) == lines[host]
    played = untouched.play(then, *(LOGS if then == "harden" else ()))
    assert played.status == 0, played.output
    assert all(serving(untouched, host) for host in untouched.hosts)
    if then == "undo":
        assert state(untouched) == before
        return
    records = untouched.audit("cut-off")
    for host in untouched.hosts:
        assert promise(records[host], WEB_LOG)["verdict"] == "kept"
        assert promise(records[host], RETENTION)["verdict"] == "kept"
