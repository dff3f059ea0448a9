# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a verdict hangs on beside the host: which edits of the register and of the code are told as such."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils import _origin
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Attestation, Plan, Statement

TODAY = dt.date(2026, 11, 20)


def statement(**values):
    told = {
        "id": "kept",
        "where": {"section": "Logs", "sentence": 1},
        "says": "Logs are kept two years.",
        "hosts": "web*",
        "measures": {"log_retention": {"web": "2 years"}},
        **values,
    }
    head = {"provider": "P", "title": "T", "language": "en", "published": TODAY, "url": "https://example.nl/p"}
    return Statement.load({**head, "text_sha256": "0" * 64, "promises": [told]}, today=TODAY)


def asks(loaded, **values):
    return _origin.asks(dataclasses.replace(loaded.promises[0], **values), loaded)


EDITS = {
    "options": {"measures": {"log_retention": {"web": "1 year"}}},
    "a reason": {"measures": {"log_retention": {"web": {"period": "2 years", "reason": "abuse"}}}},
    "an open period": {"measures": {"log_retention": {"web": "open"}}},
    "hosts": {"hosts": "web1"},
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_a_verdict_hangs_on_shows(edit):
    assert asks(statement(**EDITS[edit])) != asks(statement())


def test_a_word_for_it_and_a_plan_show():
    plain = statement()
    word = Attestation("the director", TODAY, "1 year", "minutes")
    assert len({asks(plain), asks(plain, attested=word), asks(plain, planned=Plan(TODAY, "later"))}) == 3


def test_the_scope_shows():
    plain = statement()
    wider = dataclasses.replace(plain, own_sites=("example.nl",))
    assert _origin.asks(plain.promises[0], plain) != _origin.asks(wider.promises[0], wider)


def test_another_wording_or_day_does_not():
    other = statement(says="Logs are kept for two years.", where={"section": "Logging", "sentence": 2})
    assert asks(other) == asks(statement())


def test_the_code_of_each_measure_has_a_digest_of_its_own_and_shared_code_is_in_all(monkeypatch):
    before = _origin.checked_with(MEASURES)["measures"]
    assert set(before) == set(MEASURES)
    assert len(set(before.values())) == len(MEASURES)
    text = _origin.source

    def edited(changed):
        for function in (_origin._of_measure, _origin._of_file):
            function.cache_clear()
        monkeypatch.setattr(_origin, "source", lambda name: f"{text(name)}#" if name == changed else text(name))
        after = _origin.checked_with(MEASURES)["measures"]
        return {name for name in MEASURES if after[name] != before[name]}

    assert edited("_measures.web_tls") == {"web_tls"}
    assert edited("_answer") == set(MEASURES)
    assert edited("nothing") == set()


def test_the_version_is_that_of_the_manifest_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(_origin, "ROOT", tmp_path)
    read = _origin.version.__wrapped__
    (tmp_path / "galaxy.yml").write_text("namespace: x\nversion: 1.2.3\n")
    assert read() == "1.2.3"
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "1.2.4"}}))
    assert read() == "1.2.4"
