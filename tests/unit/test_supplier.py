"""Where a host stands: what a supplier's API told, held against the promise; and the register's key for it."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Standing, Statement, StatementError
from ansible_collections.privacy.hosting.plugins.plugin_utils._supplier import judge

NOW = dt.datetime(2026, 11, 21, 5, 0, tzinfo=dt.timezone.utc)
AT_OVH = Standing("OVH")
TOLD = {
    "ovh_supplier": "OVH",
    "ovh_endpoint": "ovh-eu",
    "ovh_kind": "dedicated",
    "ovh_name": "ns1",
    "ovh_id": "ns1.example",
    "ovh_asked_at": "2026-11-21T04:00:00+00:00",
    "ovh_incomplete": False,
    "ovh_datacenter": "gra2",
    "ovh_region": "eu-west-gra",
    "ovh_ipv4": "192.0.2.10",
    "ovh_ipv6": "2001:db8:1::1",
    "ovh_ips": ["192.0.2.10/32", "198.51.100.16/28", "2001:db8:1::/64"],
    "ovh_private_ips": ["10.0.0.5"],
}


def judged(standing=AT_OVH, address="192.0.2.10", **changed):
    return judge(standing, {**TOLD, **changed}, address, NOW)


@pytest.mark.parametrize("address", ["192.0.2.10", "198.51.100.17", "2001:db8:1::1", "2001:db8:1::25"])
def test_an_address_that_the_api_told_proves_it(address):
    finding = judged(address=address)
    assert (finding.status, finding.proof) == ("pass", "observed")
    assert "gra2" in finding.observed and finding.subject == "dedicated ns1" and finding.source == "the API ovh-eu"


@pytest.mark.parametrize("places", [("gra",), ("GRA2",), ("rbx", "gra"), ("eu-west-gra",)])
def test_a_place_may_be_named_as_the_api_does_or_without_its_number(places):
    assert judged(Standing("ovh", places)).status == "pass"


@pytest.mark.parametrize(
    ("standing", "observed"),
    [
        (Standing("Another"), "it is a server at OVH"),
        (Standing("OVH", ("rbx", "bhs")), "it stands in gra2"),
        (Standing("OVH", ("gr",)), "it stands in gra2"),
        (Standing("OVH", ("gra1",)), "it stands in gra2"),
    ],
)
def test_another_supplier_or_place_breaks_it(standing, observed):
    finding = judged(standing)
    assert (finding.status, finding.observed) == ("fail", observed)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"address": "203.0.113.9"}, "did not tell the address"),
        ({"address": "10.0.0.5"}, "did not tell the address"),
        ({"address": "ns1.example"}, "at a name"),
        ({"address": None}, "not audited over a network"),
        ({"ovh_supplier": None}, "has no ovh_supplier"),
        ({"ovh_asked_at": ""}, "has no ovh_asked_at"),
        ({"ovh_asked_at": "2026-11-20T04:59:59+00:00"}, "longer ago than 1 day"),
        ({"ovh_asked_at": "2026-11-21T05:06:00+00:00"}, "in the future"),
        ({"ovh_asked_at": "2026-11-21T04:00:00"}, "no time zone"),
        ({"ovh_asked_at": "yesterday"}, "is no time"),
        ({"ovh_incomplete": True}, "ovh_incomplete"),
        ({"standing": Standing("OVH", ("gra",)), "ovh_datacenter": None, "ovh_region": ""}, "did not tell where"),
    ],
)
def test_what_cannot_be_told_is_unproven(changed, reason):
    finding = judged(**changed)
    assert finding.status == "error" and reason in finding.observed and finding.remedy


def test_a_longer_time_may_be_promised():
    assert judged(Standing("OVH", (), "2 days"), ovh_asked_at="2026-11-19T05:00:01Z").status == "pass"


def register(stands_at, suppliers=None):
    promise = {"id": "at-supplier", "where": {"section": "A", "sentence": 1}, "says": "There.", "stands_at": stands_at}
    told = {
        "provider": "Voorbeeld", "title": "Privacy", "language": "nl", "published": "2026-01-05",
        "url": "https://voorbeeld.example", "text_sha256": "0" * 64, "promises": [promise],
    }
    return {**told, **({"suppliers": suppliers} if suppliers else {})}


SUPPLIERS = [
    {"name": "OVH / So you Start", "role": "servers", "data": ["all"], "ground": "contract", "reviewed": "2026-01-05"}
]


def test_the_register_names_it():
    told = {"supplier": "OVH", "places": ["gra"], "asked_within": "2 days"}
    (promise,) = Statement.load(register(told, SUPPLIERS), today=NOW.date()).promises
    assert promise.stands_at == Standing("OVH", ("gra",), "2 days")


@pytest.mark.parametrize(
    ("stands_at", "suppliers", "reason"),
    [
        ({"places": ["gra"]}, None, "supplier: missing"),
        ({"supplier": "OVH", "place": "gra"}, None, "place"),
        ({"supplier": "OVH", "asked_within": "soon"}, None, "no period"),
        ({"supplier": "Another"}, SUPPLIERS, "no supplier is called 'Another'"),
    ],
)
def test_the_register_refuses_what_it_does_not_mean(stands_at, suppliers, reason):
    with pytest.raises(StatementError) as refused:
        Statement.load(register(stands_at, suppliers), today=NOW.date())
    assert reason in "\n".join(refused.value.messages)
