"""No secret leaves: what is put where checks read is in no file of the report, in no output and in no log."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.plugin_utils._report import FORMATS
from tests.lab import register
from tests.lab.fleet import HARDENED, Fleet, findings

PLANTED = yaml.safe_load(Path(__file__).with_name("canaries.yml").read_text())
CANARY = re.compile(r"@(key|bsn|ip6?):([a-z0-9-]+)@")

# Secrets that the hosts have anyway. Of each file, the words that are long enough to be one.
HARVEST = """
cat /etc/ssh/ssh_host_*_key /etc/ssl/private/*.key /home/*/.google_authenticator /home/*/.ssh/id_* \
    /etc/privacy-hosting/data_backup/password /var/lib/privacy-hosting/two-factor/* 2> /dev/null
cat /etc/shadow /etc/dovecot/users 2> /dev/null | cut -d: -f2
"""
WORD = re.compile(r"[A-Za-z0-9+/=$.{}-]{16,}")

# How often each canary stands in what a run could leave on a host: in the journal, in logs and in temporary files.
LEFT = """
needles=$(mktemp -p /dev/shm) && trap 'rm -f "$needles"' EXIT
cat > "$needles" << 'END'
@NEEDLES@
END
{{
    journalctl --no-pager -o cat | grep -oFf "$needles" | sed 's/^/journal /'
    find /var/log /tmp /var/tmp /run /root/.ansible /home/*/.ansible -type f -not -path '/var/log/journal/*' \
        -not -path '/run/log/*' -print0 2> /dev/null | xargs -0r grep -aoHFf "$needles" 2> /dev/null
    find /var/log -name '*.gz' -print0 | xargs -0rn1 zgrep -aoFf "$needles" | sed 's/^/packed /'
}} | sort | uniq -c
""".replace("{{", "{").replace("}}", "}")
# What a server writes into its own log of whoever visits it, as its configuration says: a probe too.
SERVERS_OWN = ("key:log-format", "key:log-format2", "key:log-string")


def value(kind: str, name: str) -> str:
    """The value of a canary: the same for the same name, and like nothing else."""
    digest = hashlib.sha256(f"{kind} {name}".encode()).hexdigest()
    if kind == "bsn":
        return f"99{int(digest[:12], 16) % 10**7:07}"
    if kind == "ip":
        return f"203.0.113.{100 + int(digest[:4], 16) % 150}"
    if kind == "ip6":
        return f"2001:db8:{digest[:3]}f::{digest[4:7]}e"
    return f"Kanarie{digest[:17]}"


def planted() -> dict[str, str]:
    """The canaries of all hosts, by name."""
    text = "".join(host["script"] for host in PLANTED.values())
    return {f"{kind}:{name}": value(kind, name) for kind, name in CANARY.findall(text)}


def spelled(secret: str) -> Iterable[str]:
    """A secret as it may stand somewhere: as it is, or packed as base64 at any place of a text."""
    yield secret
    for shift in range(3):
        packed = base64.b64encode(b"-" * shift + secret.encode()).decode()
        yield packed[4 if shift else 0 : len(packed) - 4]


def leaks(text: str, secrets: Mapping[str, str]) -> set[str]:
    """The names of the secrets that stand in a text."""
    return {name for name, secret in secrets.items() if any(one in text for one in spelled(secret))}


def left(fleet: Fleet) -> dict[str, str]:
    """By host, where canaries stand in what a run could leave there, with how often."""
    needles = [secret for name, secret in planted().items() if name not in SERVERS_OWN]
    script = LEFT.replace("@NEEDLES@", "\n".join(needles))
    return {host: fleet.shell(host, script) for host in fleet.hosts}


def asking_all() -> dict[str, Any]:
    """The lab's statement, with a promise that asks every measure on every host."""
    told = register.statement()
    measures = {name: options for one in told["promises"] for name, options in one.get("measures", {}).items()}
    more = {**told["promises"][0], "id": "everything", "hosts": ["all", "!db1"], "measures": measures}
    return {**told, "promises": [*told["promises"], more]}


@pytest.fixture(scope="module", params=["pristine", HARDENED])
def told(request: pytest.FixtureRequest, fleet: Fleet) -> dict[str, Any]:
    """An audit of hosts with canaries, in all formats and as loud as can be: with a command, and with a module."""
    hosts = fleet.only(list(PLANTED))
    hosts.restore(request.param)
    hosts.shells({host: CANARY.sub(lambda one: value(*one.groups()), PLANTED[host]["script"]) for host in hosts.hosts})
    before = left(hosts)
    kept = {host: set(WORD.findall(hosts.shell(host, HARVEST, check=False))) for host in hosts.hosts}
    run = f"canaries-{request.param}"
    pipelining = str(int(request.param == HARDENED))
    options = json.dumps({"audit_formats": list(FORMATS), "statement": asking_all()}, default=str)
    played, records = hosts.audited(run, "-vvv", "-e", options, ANSIBLE_PIPELINING=pipelining)
    assert set(records) == set(PLANTED), played.output
    files = {path.name: path.read_text() for path in (hosts.reports / run).iterdir()}
    ours = [path.read_text().strip() for path in (hosts.lab.state / "secrets").iterdir()]
    words = {word for found in kept.values() for word in found} | {one for one in ours if len(one) > 7}
    return {
        "secrets": {**planted(), **{f"a secret of the hosts, {word[:4]}…": word for word in words}},
        "files": files,
        "output": played.output,
        "records": records,
        "before": before,
        "after": left(hosts),
    }


pytestmark = pytest.mark.only("trixie")


def test_no_file_of_the_report_holds_a_secret(told):
    assert {"findings.csv", "junit.xml", "privacy_hosting.prom", "fleet.json", "index.html"} <= set(told["files"])
    found = {name: leaks(text, told["secrets"]) for name, text in told["files"].items()}
    assert {name: names for name, names in found.items() if names} == {}


def test_the_loudest_output_holds_no_secret(told):
    assert "EXEC" in told["output"]  # it was that loud
    assert leaks(told["output"], told["secrets"]) == set()


def test_the_hosts_journal_logs_and_temporary_files_hold_none_that_they_did_not_hold(told):
    assert all("journal" in told["before"][host] or "/var/log" in told["before"][host] for host in ("web1", "mail1"))
    assert told["after"] == told["before"]


@pytest.mark.parametrize("host", PLANTED)
def test_the_audit_looked_where_they_were(told, host):
    record = told["records"][host]
    text = json.dumps(list(findings(record)))
    assert [place for place in PLANTED[host]["read"] if place not in text] == []
    errors = [one["observed"] for one in findings(record, check="run")]
    assert errors == []


def test_a_leak_would_be_seen():
    secrets = {"x": value("key", "x"), "y": value("ip", "y")}
    assert leaks(f"password={secrets['x']}", secrets) == {"x"}
    for before in ("", "a", "ab", "abc"):
        assert leaks(base64.b64encode(f"{before}{secrets['x']}abc".encode()).decode(), secrets) == {"x"}
    assert leaks("203.0.113.x", secrets) == set()
    assert len(set(planted().values())) == len(planted())
