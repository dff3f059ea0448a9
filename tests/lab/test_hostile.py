"""Broken and hostile hosts: no traceback, nothing runs away, and the report says what could not be seen."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.lab.fleet import BIN, Fleet, findings, promise, python_of_files, verdicts

pytestmark = pytest.mark.only("trixie")

WEB_LOG = "traffic-recorded"  # the promises of inventories/lab that web_log and log_retention keep
RETENTION = "traffic-kept-two-years"


def unproven(record: dict, name: str) -> str:
    """What the findings 'error' of a promise observed; the promise must be unproven."""
    row = promise(record, name)
    assert row["verdict"] == "unproven", row
    return "; ".join(finding["observed"] for finding in row["findings"] if finding["status"] == "error")


# -- programs that misbehave ------------------------------------------------------------------------------------

# Something that no promise turns on, and that asks for nothing but patience: each command of the services hangs.
HANGING = """
for command in systemctl journalctl systemd-tmpfiles systemd-analyze nginx apache2 apache2ctl apachectl logrotate; do
    real=$(command -v $command) || continue
    mv $real $real.real
    printf '#!/bin/sh\\nsleep 1234 &\\nsleep 1234\\n' > $real
    chmod 755 $real
done
"""
FLOODING = HANGING.replace("sleep 1234 &\\nsleep 1234", "head -c 52428800 /dev/zero")


def asked(fleet: Fleet, **limits: float) -> dict[str, list[dict]]:
    """What each host answers about log retention within tighter limits than a playbook's."""
    question = {"measure": "log_retention", "options": {"web": "2 years"}}
    command = [
        str(BIN / "ansible"),
        ",".join(fleet.hosts),
        "--module-name",
        "privacy.hosting.measure_info",
        "--one-line",
    ]
    command += [f"--inventory={inventory}" for inventory in fleet.inventories]
    command += ["--args", json.dumps({"questions": [question], **limits})]
    done = subprocess.run(
        command, cwd=fleet.lab.state, env=fleet.environment(), capture_output=True, text=True, timeout=120, check=True
    )
    answers = [line.split(" => ", 1) for line in done.stdout.splitlines() if " => " in line]
    return {head.split(" |")[0]: json.loads(told)["answers"][0] for head, told in answers}


def test_a_command_that_hangs_is_ended_with_all_that_it_started(hardened: Fleet):
    hardened.shells(dict.fromkeys(hardened.hosts, HANGING))
    begun = time.monotonic()
    answers = asked(hardened, command_seconds=1, total_seconds=30)
    assert time.monotonic() - begun < 60
    for host in hardened.hosts:
        told = [finding["observed"] for finding in answers[host] if finding["status"] == "error"]
        assert any("did not end within 1 s" in line for line in told), answers[host]
        assert not hardened.shell(host, "pgrep -f 'sleep 1234' || true")
        # what is asked of the hanging command cannot be told, by any check
        assert {finding["status"] for finding in answers[host] if finding["check"] == "timer"} == {"error"}


def test_a_command_that_prints_without_end_is_ended(hardened: Fleet):
    hardened.shells(dict.fromkeys(hardened.hosts, FLOODING))
    for findings_of_host in asked(hardened).values():
        assert any("printed more than" in one["observed"] for one in findings_of_host if one["status"] == "error")


def test_without_python_the_host_is_a_row(hardened: Fleet):
    hardened.shell("web1", "for p in /usr/bin/python3*; do mv $p /root/; done")
    records = hardened.audit("no-python")
    assert "could not be run" in unproven(records["web1"], WEB_LOG)
    assert promise(records["web2"], WEB_LOG)["verdict"] == "kept"


# Nothing more can be written where Python and Ansible put their own files.
FULL = """
cp -a /home/debian/.ssh /run/ssh-of-debian
for folder in /tmp /var/tmp /root /home/debian; do
    mount -t tmpfs -o size=64k,mode=1777 tmpfs $folder
done
cp -a /run/ssh-of-debian /home/debian/.ssh
chown debian:debian /home/debian
chmod 755 /home/debian
for folder in /tmp /var/tmp /root /home/debian; do
    cat /dev/zero > $folder/full || true
done
"""


def test_a_host_that_has_no_room_for_temporary_files_is_judged(hardened: Fleet):
    hardened.shell("web1", FULL)
    records = hardened.audit("full")
    assert {promise(records[host], WEB_LOG)["verdict"] for host in hardened.hosts} == {"kept"}


def test_a_full_disk_is_said_where_a_module_must_be_sent(hardened: Fleet):
    hardened.shell("web1", FULL)
    hardened.shell("web1", python_of_files("/usr/local/bin/of-files", "/usr/bin/python3"))
    records = hardened.audit("full-module", "-e", "ansible_python_interpreter=/usr/local/bin/of-files")
    assert unproven(records["web1"], WEB_LOG)


# -- too many, too strange --------------------------------------------------------------------------------------


def test_100000_log_files_are_judged(hardened: Fleet):
    hardened.shell("web1", "cd /var/log/nginx && seq -f 'shop.access.log-%.0f.gz' 100000 199999 | xargs touch")
    begun = time.monotonic()
    records = hardened.audit("many-files")
    assert time.monotonic() - begun < 150
    assert promise(records["web1"], WEB_LOG)["verdict"] == "kept"
    assert promise(records["web1"], RETENTION)["verdict"] == "kept"


ODD_BYTES = {
    "web1": r"""
printf '# caf\xe9 \xff\xfe\n' | cat - /etc/nginx/sites-available/static.example > /tmp/x
cat /tmp/x > /etc/nginx/sites-available/static.example
printf '203.0.113.9 - \xe9\xff "GET /\xc3\x28 HTTP/1.1"\n' >> /var/log/nginx/error.log
systemctl reload nginx
""",
    "web2": r"""
printf '# caf\xe9 \xff\xfe\n' | cat - /etc/apache2/sites-available/blog.example.conf > /tmp/x
cat /tmp/x > /etc/apache2/sites-available/blog.example.conf
printf '203.0.113.9 - \xe9\xff "GET /\xc3\x28 HTTP/1.1"\n' >> /var/log/apache2/error.log
systemctl reload apache2
""",
}


def test_text_that_is_not_utf8_changes_no_verdict(hardened: Fleet, kept):
    hardened.shells(ODD_BYTES)
    records = hardened.audit("odd-bytes")
    for host in hardened.hosts:
        assert verdicts(records[host]) == verdicts(kept[host])


NAMES = {
    "web1": r"""
cat > /etc/nginx/sites-enabled/evil << 'END'
server_names_hash_bucket_size 512;
server {
    listen 80;
    server_name "<script>alert(1)</script>" "{{ lookup('pipe','touch @OWNED@') }}";
    access_log /var/log/nginx/evil.log combined;
}
server {
    listen 80;
    server_name "{{ lookup('pipe','touch @OWNED@') }}.example" "{% raw %}";
    access_log /var/log/nginx/evil.log combined;
}
END
printf 'server { listen 80; server_name "e\033]0;owned\007\033[2J"; access_log off; }\n' \
    >> /etc/nginx/sites-enabled/evil
nginx -t && systemctl reload nginx
""",
    "web2": r"""
cat > /etc/apache2/sites-enabled/evil.conf << 'END'
<VirtualHost *:80>
    ServerName "<script>alert(1)</script>"
    CustomLog "/var/log/apache2/{{ 7*7 }}.log" "%h"
</VirtualHost>
<VirtualHost *:80>
    ServerName "{{ lookup('pipe','touch @OWNED@') }}.example"
    CustomLog /var/log/apache2/access.log "%h <b>bold</b>"
</VirtualHost>
END
apachectl configtest && systemctl reload apache2
""",
}


def test_names_from_a_host_are_shown_and_nothing_more(hardened: Fleet):
    owned = hardened.lab.state / "owned"
    hardened.shells({host: script.replace("@OWNED@", str(owned)) for host, script in NAMES.items()})
    played, records = hardened.audited("names")
    assert promise(records["web1"], WEB_LOG)["verdict"] == "broken"
    assert not owned.exists()
    assert "\x1b" not in played.output and "\x07" not in played.output
    folder = hardened.reports / "names"
    for page in folder.glob("*.html"):
        text = page.read_text()
        assert "<script>alert" not in text and "<b>bold" not in text
        assert "\x1b" not in text and "\x07" not in text
    for record in folder.glob("*.json"):
        text = record.read_text()
        assert "\x1b" not in text and "\\u001b" not in text
    shown = json.dumps([finding["subject"] for finding in findings(records["web1"], measure="web_log")])
    assert "script" in shown


# -- hosts that cannot be reached -------------------------------------------------------------------------------


def test_an_unreachable_host_is_a_row_and_the_others_are_audited(hardened: Fleet, kept):
    hardened.shell("web1", "systemctl stop ssh.socket ssh; pkill sshd || true")
    played, records = hardened.audited("unreachable")
    assert played.status != 0
    assert set(records) == set(hardened.hosts)
    assert set(verdicts(records["web1"])) == set(verdicts(kept["web1"]))
    row = promise(records["web1"], WEB_LOG)
    assert row["verdict"] == "unproven"
    assert [finding["check"] for finding in row["findings"]] == ["reach"]
    assert verdicts(records["web2"]) == verdicts(kept["web2"])


def test_where_no_host_is_reached_the_report_is_written_and_the_run_fails(hardened: Fleet):
    hardened.shells(dict.fromkeys(hardened.hosts, "systemctl stop ssh.socket ssh; pkill sshd || true"))
    played, records = hardened.audited("none-reached")
    assert played.status != 0
    assert set(records) == set(hardened.hosts)
    assert (hardened.reports / "none-reached" / "index.html").exists()
    assert all(unproven(record, RETENTION) for record in records.values())
