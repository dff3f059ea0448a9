"""The inventory by which a host audits itself: all that is about it, and nothing else."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.privacy.hosting.plugins.lookup import own_inventory
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement


def promise(name, **more):
    return {"id": name, "where": {"section": "A", "sentence": 1}, "says": "What it says.", **more}


def attested():
    return {"by": "the director", "since": dt.date(2026, 11, 2), "for": "1 year", "evidence": "minutes"}


@pytest.fixture
def told():
    """Variables of a host, as Ansible has them."""
    return {
        "statement": {
            "provider": "Voorbeeld", "title": "Privacy statement", "language": "en", "published": dt.date(2026, 1, 5),
            "url": "https://voorbeeld.example", "text_sha256": "0" * 64,
            "promises": [
                promise("everywhere", attested=attested()),
                promise("on-web", hosts="web", measures={"log_retention": {"web": "2 years"}}),
                promise("on-mail", hosts="mail*", measures={"mail_log": {"logins": ["imap"]}}),
            ],
        },
        "statement_waivers": [
            {"promise": name, "hosts": hosts, "reason": "moving", "by": "the director", "until": dt.date(2026, 12, 1)}
            for name, hosts in [("on-web", "web1"), ("on-web", "web2"), ("on-mail", "mail1")]
        ],
        "log_retention_web_since": dt.date(2026, 1, 1),
    }


def made(told, groups=("all", "ungrouped", "web")):
    statement = Statement.load(told["statement"], told["statement_waivers"], today=dt.date(2026, 11, 21))
    return own_inventory.inventory("web1", groups, told, statement)


def test_it_holds_the_host_with_its_groups(told):
    inventory = made(told)["all"]
    assert list(inventory["hosts"]) == ["web1"]
    assert inventory["children"] == {"web": {"hosts": {"web1": {}}}}
    assert inventory["hosts"]["web1"]["ansible_connection"] == "local"
    assert inventory["hosts"]["web1"]["log_retention_web_since"] == "2026-01-01"


def test_it_holds_what_is_about_the_host_alone(told):
    variables = made(told)["all"]["hosts"]["web1"]
    assert [one["id"] for one in variables["statement"]["promises"]] == ["everywhere", "on-web"]
    assert [(one["promise"], one["hosts"]) for one in variables["statement_waivers"]] == [("on-web", "web1")]


def test_the_host_reads_it_as_the_control_node_does(told):
    inventory = json.loads(json.dumps(made(told)))
    variables = inventory["all"]["hosts"]["web1"]
    today = dt.date(2026, 11, 21)
    read = Statement.load(variables["statement"], variables["statement_waivers"], today)
    read.check_hosts({"web1": ["web"]})
    whole = Statement.load(told["statement"], told["statement_waivers"], today)
    assert read.promises_for("web1", ["web"]) == whole.promises_for("web1", ["web"])
    assert read.head() == whole.head()
    assert read.waiver_for("on-web", "web1", ["web"]) == whole.waiver_for("on-web", "web1", ["web"])


def test_no_secret_is_asked_for():
    wanted = set(own_inventory.wanted())
    assert "log_retention_web_since" in wanted
    assert "data_backup_recovery_password" not in wanted and "disk_encryption_passphrase" not in wanted
    assert not [name for name in wanted if name.startswith("ansible_")]


def test_conflicts_with_promises_elsewhere_are_left_out(told):
    told["statement"]["conflicts"] = [
        {"between": ["everywhere", "on-web"], "says": "one"},
        {"between": ["everywhere", "on-mail"], "says": "two"},
        {"between": ["on-web", "the GDPR"], "says": "three"},
    ]
    assert [one["says"] for one in made(told)["all"]["hosts"]["web1"]["statement"]["conflicts"]] == ["one", "three"]


def test_what_would_be_a_template_is_refused(told):
    told["statement"]["promises"][0]["says"] = "We keep {{ everything }}."
    with pytest.raises(AnsibleLookupError, match="after templating"):
        made(told)
