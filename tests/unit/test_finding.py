# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding, Layer, weigh


def layers(configured: bool | None, running: bool | None, observed: bool | None) -> list[Layer]:
    told = {"configured": configured, "running": running, "observed": observed}
    return [Layer(proof, good, f"{proof} seen", f"/etc/{proof}") for proof, good in told.items()]


@pytest.mark.parametrize(
    ("seen", "status", "proof"),
    [
        ((True, True, True), "pass", "observed"),
        ((True, True, None), "pass", "running"),
        ((True, None, None), "pass", "configured"),
        ((None, None, True), "pass", "observed"),
        ((True, False, True), "fail", "running"),
        ((False, True, True), "fail", "configured"),
        ((False, False, False), "fail", "observed"),
        ((False, None, None), "fail", "configured"),
        ((None, None, None), "error", ""),
    ],
)
def test_bad_in_any_layer_fails_and_nothing_seen_is_an_error(
    seen: tuple[bool | None, bool | None, bool | None], status: str, proof: str
) -> None:
    assert weigh(layers(*seen))[:2] == (status, proof)


def test_a_layer_that_could_not_be_seen_is_named() -> None:
    _status, _proof, observed, source = weigh(layers(True, None, True))
    assert observed == "observed seen; configured seen; not seen, running: running seen"
    assert source == "/etc/observed"


def test_the_evidence_of_a_fail_is_that_of_the_layers_that_say_bad() -> None:
    assert weigh(layers(True, False, True))[2:] == ("running seen", "/etc/running")


def test_no_layers_are_an_error() -> None:
    assert weigh([])[0] == "error"


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="'ok'"):
        Finding("m", "c", "o", "s", "ok", "running", "", "", "")
