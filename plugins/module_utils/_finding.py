# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings: what a check saw, and how the layers that it looked at become one status.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

PASS, FAIL, ERROR, NOT_APPLICABLE = "pass", "fail", "error", "not_applicable"
STATUSES = (PASS, FAIL, ERROR, NOT_APPLICABLE)

CONFIGURED, RUNNING, OBSERVED = "configured", "running", "observed"
PROOFS = (CONFIGURED, RUNNING, OBSERVED)  # weakest first


@dataclass(frozen=True)
class Finding:
    """One answer to one question about one subject on a host.

    status: one of STATUSES; proof: one of PROOFS, or '' where nothing was proven (error, not applicable).
    expected, observed, remedy: one English line each, without secrets, whole addresses or stored values.
    source: where it was seen, '/path/to/file:line' or a command.
    """

    measure: str
    check: str
    option: str
    subject: str
    status: str
    proof: str
    expected: str
    observed: str
    source: str
    remedy: str = ""
    took_s: float = 0.0

    def __post_init__(self) -> None:
        if self.status not in STATUSES or self.proof not in (*PROOFS, ""):
            raise ValueError(f"finding {self.check}: status {self.status!r} or proof {self.proof!r} is unknown")

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON types."""
        return asdict(self)

    def timed(self, seconds: float) -> Finding:
        """The same finding with the time that it took, in seconds."""
        return replace(self, took_s=round(seconds, 3))


@dataclass(frozen=True)
class Layer:
    """What one layer (a member of PROOFS) says about a subject.

    good: True, False, or None where the layer could not be seen; seen: one line of what was seen, or why not.
    """

    proof: str
    good: bool | None
    seen: str
    source: str = ""


def weigh(layers: Sequence[Layer]) -> tuple[str, str, str, str]:
    """The status, proof, observed text and source that layers add up to.

    Bad in any layer is a fail, proven by the strongest layer that says so. Good needs no layer that says bad,
    and is proven by the strongest layer seen; layers that could not be seen are named. Nothing seen is an error.
    """
    ordered = sorted(layers, key=lambda layer: PROOFS.index(layer.proof), reverse=True)
    bad = [layer for layer in ordered if layer.good is False]
    good = [layer for layer in ordered if layer.good]
    unseen = [layer for layer in ordered if layer.good is None]
    told = bad or good or unseen
    if not told:
        return ERROR, "", "no layer was looked at", ""
    texts = [layer.seen for layer in told] + [f"not seen, {x.proof}: {x.seen}" for x in unseen if told is not unseen]
    sources = [layer.source for layer in told if layer.source]
    status = FAIL if bad else PASS if good else ERROR
    proof = "" if status == ERROR else told[0].proof
    return status, proof, "; ".join(dict.fromkeys(texts)), sources[0] if sources else ""
