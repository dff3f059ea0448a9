# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a host stands: what a supplier's API told of it, held against what is promised.

The inventory privacy.hosting.ovh leaves that in the host's variables. No check on the host could see it; what ties the
two together is the address: the one that was audited must be one that the supplier told.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..module_utils._finding import ERROR, FAIL, OBSERVED, PASS, Finding
from ..module_utils._option import Period
from ._statement import Standing

MEASURE = "supplier"
ABOUT: Mapping[str, Mapping[str, str]] = {
    "title": {"nl": "Waar de servers staan", "en": "Where the servers stand"},
    "why": {
        "nl": "Wie de server huisvest, kan bij wat erop staat, en het recht van dat land geldt er. Daarom noemt een "
        "verklaring die leverancier, en moet elke server er ook echt staan.",
        "en": "Whoever houses a server can get at what is on it, and the law of that country holds there. So a "
        "statement names that supplier, and every server must really stand there.",
    },
}
LATE_CLOCK = dt.timedelta(minutes=5)  # by which the clock of the machine that asked may be ahead
NEEDED = ("ovh_supplier", "ovh_id", "ovh_asked_at")
PLACES = ("ovh_datacenter", "ovh_region", "ovh_zone")


class _Unproven(Exception):
    """It cannot be told; the text says why, and remedy what helps."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


def judge(standing: Standing, variables: Mapping[str, Any], address: str | None, now: dt.datetime) -> Finding:
    """The finding about one host.

    variables: the host's; address: the one at which it was just audited, None where it was not over a network.
    """
    expected = f"a server at {standing.supplier}" + (f", in {' or '.join(standing.places)}" if standing.places else "")

    def finding(status: str, observed: str, remedy: str = "") -> Finding:
        subject = " ".join(str(variables.get(name) or "") for name in ("ovh_kind", "ovh_name")).strip() or "this host"
        source = f"the API {variables['ovh_endpoint']}" if variables.get("ovh_endpoint") else "the inventory"
        proof = "" if status == ERROR else OBSERVED
        return Finding(MEASURE, "account", "stands_at", subject, status, proof, expected, observed, source, remedy)

    steps: tuple[Callable[..., Iterator[str]], ...] = (_told, _fresh, _same_machine, _wrong_supplier, _wrong_place)
    try:
        for step in steps:
            for wrong in step(standing, variables, address, now):
                return finding(FAIL, wrong, "move the server, or publish where it stands")
    except _Unproven as reason:
        return finding(ERROR, str(reason), reason.remedy)
    place = next((f", in {variables[name]}" for name in PLACES if variables.get(name)), "")
    asked = variables["ovh_asked_at"]
    return finding(PASS, f"its API, asked {asked}, told that the audited address is of this service{place}")


def _told(standing: Standing, variables: Mapping[str, Any], *_more: object) -> Iterator[str]:
    """See that an API told of the host at all."""
    missing = [name for name in NEEDED if not variables.get(name)]
    if missing:
        text = f"no supplier's API told of this host: its inventory has no {missing[0]}"
        raise _Unproven(text, "list the host by the inventory plugin privacy.hosting.ovh (docs/ovh.md)")
    if variables.get("ovh_incomplete"):
        raise _Unproven("the API would not tell all of this host (ovh_incomplete)", "see the inventory's warnings")
    yield from ()


def _fresh(standing: Standing, variables: Mapping[str, Any], address: object, now: dt.datetime) -> Iterator[str]:
    """See that what was told is young enough."""
    told = str(variables["ovh_asked_at"])
    try:
        asked = dt.datetime.fromisoformat(told)
    except ValueError:
        raise _Unproven(f"ovh_asked_at is no time: {told[:40]!r}", "let the inventory plugin set it") from None
    if asked.tzinfo is None:
        raise _Unproven("ovh_asked_at names no time zone", "let the inventory plugin set it")
    if asked - now > LATE_CLOCK:
        raise _Unproven(f"the API was asked in the future ({told})", "set the clocks right")
    if asked < Period.parse(standing.asked_within).before(now):
        text = f"the API was asked {told}, longer ago than {standing.asked_within}"
        raise _Unproven(text, "run with --flush-cache, or shorten the inventory's cache_timeout")
    yield from ()


def _same_machine(
    standing: Standing, variables: Mapping[str, Any], address: str | None, *_more: object
) -> Iterator[str]:
    """See that the machine that was audited is the one that was told of."""
    remedy = "let ansible_host be an address that the inventory plugin told (its option address)"
    if not address:
        raise _Unproven("the host was not audited over a network, so no address ties it to the supplier", remedy)
    try:
        audited = ipaddress.ip_address(address)
    except ValueError:
        raise _Unproven("the host was audited at a name, and not at an address that the API told", remedy) from None
    if not any(audited in network for network in _networks(variables)):
        raise _Unproven("the API did not tell the address at which the host was audited", remedy)
    yield from ()


def _networks(variables: Mapping[str, Any]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The addresses and blocks that the API told of the host."""
    for told in (variables.get("ovh_ipv4"), variables.get("ovh_ipv6"), *(variables.get("ovh_ips") or ())):
        if told:
            try:
                yield ipaddress.ip_network(str(told), strict=False)
            except ValueError:
                continue


def _wrong_supplier(standing: Standing, variables: Mapping[str, Any], *_more: object) -> Iterator[str]:
    told = str(variables["ovh_supplier"])
    if told.casefold() != standing.supplier.casefold():
        yield f"it is a server at {told}"


def _wrong_place(standing: Standing, variables: Mapping[str, Any], *_more: object) -> Iterator[str]:
    if not standing.places:
        return
    told = [str(variables[name]) for name in PLACES if variables.get(name)]
    if not told:
        raise _Unproven("the API did not tell where it stands", "leave places out, or ask the supplier")
    if not any(_is_in(place, one) for place in standing.places for one in told):
        yield f"it stands in {told[0]}"


def _is_in(place: str, told: str) -> bool:
    """Whether a place is what the API told, or the part of it before a number: gra of gra2."""
    return re.fullmatch(rf"{re.escape(place)}\d*", told, re.IGNORECASE) is not None
