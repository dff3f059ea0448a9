# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks about links of mail servers have in common: findings, whom a network holds, and what a door showed.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._finding import CONFIGURED, ERROR, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host
from .._measure import Question
from .._services.addresses import own_addresses, shortened
from .._services.mail_before_tls import Seen
from .._services.tunnels import through
from ._sites import Judged, plain

EXPECTED = "from other machines nothing is let in before TLS, and TLS 1.2 at least"
# by option: what is expected of mail that is handed on
HANDED_ON = {
    "sends": "mail is handed over by TLS 1.2 at least, or not at all",
    "peer_verified": "mail is handed over once the other's certificate and name were checked",
}


def finding(
    check: str, option: str, about: str, status: str, *, observed: str, expected: str = EXPECTED, source: str = "",
    proof: str = "", remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding of this measure, of printable lines."""
    about, expected, observed, source, remedy = map(plain, (about, expected, observed, source, remedy))
    return Finding("encrypted_links", check, option, about, status, proof, expected, observed, source, remedy)


def judged_finding(
    check: str, option: str, about: str, judged: Judged, others: Sequence[Layer], expected: str = EXPECTED
) -> Finding:
    """The finding of what is configured, of whether that is what runs, and of what was seen of it."""
    status, proof, seen, source = weigh([Layer(CONFIGURED, judged.good, judged.why, judged.source), *others])
    remedy = judged.mend
    unsure = [layer.seen for layer in others if layer.good is None and layer.source]
    if status == PASS and (judged.good is None or unsure):
        status, proof, seen = ERROR, "", judged.why if judged.good is None else "; ".join(unsure)
        remedy = judged.mend or "Reload the service, so that what runs is what the files say."
    elif status != PASS and judged.good and not remedy:
        remedy = "Reload the service, and look for what else decides it: blocks for some addresses, tables, a proxy."
    return finding(
        check, option, about, status, proof=proof, observed=seen, expected=expected, remedy="" if status == PASS else
        remedy, source=judged.source or source,
    )  # fmt: skip


def unclear(option: str, about: str, why: str, source: str) -> Finding:
    """The finding that mail is handed on in a way that is not judged."""
    remedy = "Let Postfix hand it over, or attest to encrypted connections."
    expected = HANDED_ON[option]
    return finding("relay", option, about, ERROR, observed=why, expected=expected, source=source, remedy=remedy)


def some(items: Sequence[str]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(items[:3]) + more


# -- whom a network holds ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Networks:
    """Networks by whom they hold. others: other machines, whose traffic no tunnel carries; unsure: why not known."""

    others: tuple[str, ...] = ()
    unsure: str = ""


def outsiders(host: Host, question: Question, networks: Sequence[str]) -> Networks:
    """Those of some networks that hold more than the host itself. Raises Unseen."""
    own = {ipaddress.ip_address(one) for one in own_addresses(host)}
    others, unsure = [], ""
    for text in networks:
        bare = re.sub(r"[\[\]]", "", text)
        if text.startswith("!"):
            continue  # it only takes some out of the others
        try:
            network = ipaddress.ip_network(bare, strict=False)
        except ValueError:
            unsure = unsure or f"{text} is no network that is read"
            continue
        mapped = network.version == 6 and network.network_address.ipv4_mapped
        if network.is_loopback or (mapped and mapped.is_loopback):
            continue
        if network.num_addresses == 1 and network.network_address in own:
            continue
        way = through(host, question.settings["tunnels"], str(network))
        if way is None and _of_containers(host, network):
            unsure = unsure or f"{text} is a network of containers on the host, which are not looked at"
        elif way is None:
            others.append(f"{shortened(str(network.network_address))}/{network.prefixlen}")
        elif way is not None and not way.good:
            unsure = unsure or way.why
    return Networks(tuple(dict.fromkeys(others)), unsure)


def _of_containers(host: Host, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether a network lies behind a bridge that the host made for its containers. Raises Unseen."""
    if not host.has("ip"):
        return False
    for line in host.run("ip", "-o", "addr").stdout.splitlines():
        fields = line.split()
        if len(fields) > 3 and re.match(r"docker|br-|podman|cni|lxc|lxd|virbr", fields[1]) and "/" in fields[3]:
            own = ipaddress.ip_interface(fields[3]).network
            if own.version == network.version and network.subnet_of(own):  # type: ignore[arg-type]
                return True
    return False


def is_outside(host: Host, question: Question, addresses: Sequence[str]) -> bool | None:
    """Whether a socket at these addresses is reached by other machines outside tunnels; None: a tunnel is not seen."""
    seen: list[bool | None] = []
    for address in addresses:
        if ipaddress.ip_address(address).is_loopback:
            continue
        way = through(host, question.settings["tunnels"], address)
        seen.append(True if way is None else False if way.good else None)
    return True if True in seen else None if None in seen else False


# -- what was seen ----------------------------------------------------------------------------------------------------


def observed(seen: Seen | None, *, exempt: bool = False, versions: bool = True) -> list[Layer]:
    """What a door showed. exempt: the host itself may do more there than others; versions: whether they are judged."""
    if seen is None:
        return []
    bad: list[str] = []
    unsure: list[str] = []
    if seen.logins:
        how = f"it offers a login before TLS ({some(seen.logins)})"
        (unsure if exempt else bad).append(f"{how}, and the host itself is exempt" if exempt else how)
    if seen.mail:
        bad.append("it takes mail before TLS")
    if versions and seen.old:
        bad.append(f"it accepts {seen.old}")
    if seen.bare:
        bad.append("it agrees to a suite that does not encrypt")
    if bad:
        return [Layer(OBSERVED, False, "; ".join(bad), "a connection from the host itself")]
    if seen.trouble or unsure:
        return [Layer(OBSERVED, None, "; ".join([*unsure, *([seen.trouble] if seen.trouble else [])]))]
    refused = ["nothing is offered before TLS"] if seen.logins is not None else []
    spoken = [f"{seen.version.replace('TLSv', 'TLS ')} was agreed on"] if seen.version else []
    return [Layer(OBSERVED, True, "; ".join([*refused, *spoken]) or "nothing is offered without TLS")]
