"""The registers that come with the collection."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Promise, Statement

WRITTEN = dt.date(2026, 12, 1)  # what lapses in the lab's register had not lapsed then
INVENTORIES = Path(__file__).resolve().parents[2] / "inventories"
REGISTERS = sorted(INVENTORIES.glob("*/group_vars/all/statement.yml"))


def load(name: str) -> Statement:
    """The statement of an inventory, held against the real measures."""
    return Statement.load_file(str(INVENTORIES / name / "group_vars/all/statement.yml"))


@pytest.mark.parametrize("path", REGISTERS, ids=lambda path: path.parts[-4])
def test_a_register_has_no_mistake(path: Path) -> None:
    assert Statement.load_file(str(path)).promises


@pytest.mark.parametrize(
    ("name", "promises", "measured"),
    [("directvps", 23, 7), ("backbone_it", 25, 7), ("directcode", 19, 1), ("twentenet", 14, 3), ("webhoster", 13, 2)],
)
def test_the_five_texts_have_their_promises(name: str, promises: int, measured: int) -> None:
    found = load(name).promises
    assert (len(found), sum(bool(promise.measures) for promise in found)) == (promises, measured)


def test_a_period_that_a_text_leaves_open_is_open_or_has_its_reason() -> None:
    told = {promise.id: promise for promise in load("directvps").promises}
    assert told["mail-logins-recorded"].unset
    assert not told["backups-made"].unset
    assert {"interval", "oldest"} <= set(told["backups-made"].measures["data_backup"])


FIVE = ("directvps", "backbone_it", "directcode", "twentenet", "webhoster")


@pytest.mark.parametrize("name", FIVE)
def test_each_of_the_five_names_suppliers_and_conflicts(name: str) -> None:
    statement = load(name)
    assert statement.suppliers
    assert statement.conflicts
    assert all(promise.fingerprint for promise in statement.promises)
    linked = {supplier.name for supplier in statement.suppliers if supplier.url}
    assert bool(linked) == (name == "backbone_it")  # the other texts link to no supplier: a fault of theirs


@pytest.mark.parametrize("name", ["directvps", "backbone_it"])
def test_links_are_a_measure_where_a_text_promises_them(name: str) -> None:
    told = {promise.id: promise for promise in load(name).promises}
    assert {"accepts", "sends", "peer_verified"} == set(told["links-encrypted"].measures["encrypted_links"])
    assert not told["links-encrypted"].planned


def test_webhoster_has_all_its_promises() -> None:
    assert {promise.where.get("section") or promise.where["paragraph"] for promise in load("webhoster").promises} == {
        "Administratie", "Domeinnamen", "SSL certificaten", 3, 7, 8, 9, 10,
    }  # fmt: skip
    assert len(load("webhoster").promises) == 13


def test_the_labs_register_shows_every_way_to_keep_a_promise() -> None:
    statement = load("lab")
    waived = {waiver.promise for waiver in statement.waivers if waiver.until >= WRITTEN}

    def ways(promise: Promise) -> set[str]:
        found = set(promise.measures)
        if promise.attested:
            found.add("attested" if promise.attested.until >= WRITTEN else "lapsed")
        if promise.planned:
            found.add("planned")
        return found | ({"waived"} if promise.id in waived else set())

    assert len(statement.promises) >= 8
    shown = set().union(*map(ways, statement.promises))
    assert shown >= {*MEASURES, "attested", "lapsed", "planned", "waived"}


def test_the_labs_register_is_about_the_text_beside_it() -> None:
    text = (INVENTORIES / "lab/statement.md").read_text()
    assert load("lab").text_sha256 == hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
    for promise in load("lab").promises:
        assert f"## {promise.where['section']}\n" in text
