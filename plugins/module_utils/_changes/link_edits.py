# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links is told, and what its parts share.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from .._change import ChangeError
from .._host import Host
from .._services.addresses import own_addresses, shortened
from .._services.listeners import reachable

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

HEADER = "# Made by privacy.hosting, role encrypted_links; ansible-playbook privacy.hosting.undo removes it.\n"
LOOPBACK = ("127.0.0.0/8", "::1/128")
_ANY = ("0.0.0.0", "::")  # noqa: S104
_SETTLE_S = 15.0  # that a service may take to go by what it was told to load


@dataclass(frozen=True)
class Wanted:
    """What is to be refused, and sent encrypted only.

    accepts, sends: as promises name them; changes: services that may be set up; tunnels: networks whose plain
    connections stay; cut_off: although plain connections are open; restart: a database server may be restarted;
    certificate, key, authority: files, '' for none.
    """

    accepts: frozenset[str] = frozenset()
    sends: frozenset[str] = frozenset()
    peer_verified: bool = True
    changes: Sequence[str] = ()
    tunnels: Sequence[str] = ()
    cut_off: bool = False
    restart: bool = False
    certificate: str = ""
    key: str = ""
    authority: str = ""


def network(text: str, mask: str = "") -> Network | None:
    """A network out of '192.0.2.0/24' or '::1', or an address and a mask; None where it is something else."""
    try:
        if mask:
            text = f"{text}/{bin(int(ipaddress.ip_address(mask))).count('1')}"
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    return ipaddress.ip_network(f"{mapped}/{found.prefixlen - 96}") if mapped and found.prefixlen >= 96 else found


def within(inner: str, outer: Collection[str]) -> bool:
    """Whether a network or address lies in one of others."""
    told = network(inner)
    around = [one for one in map(network, outer) if one is not None]
    return told is not None and any(told.version == one.version and told.subnet_of(one) for one in around)  # type: ignore[arg-type]


def doors(host: Host, pids: Collection[int]) -> list[tuple[str, int]]:
    """Where other machines reach processes: an own address that is not loopback, and a port. Raises Unseen."""
    found = []
    others = [address for address in own_addresses(host) if not within(address, LOOPBACK)]
    for listener in host.listeners():
        if listener.protocol[:3] != "tcp" or not set(pids) & set(listener.pids) or not reachable(listener):
            continue
        family = [one for one in others if listener.address == "::" or ":" not in one]
        chosen = family[:1] if listener.address in _ANY else [listener.address]
        found += [(address, listener.port) for address in chosen]
    return list(dict.fromkeys(found))


def is_reached(host: Host, pids: Collection[int]) -> bool:
    """Whether processes listen to more than the host itself. Raises Unseen."""
    return any(one.protocol[:3] == "tcp" and set(pids) & set(one.pids) and reachable(one) for one in host.listeners())


def refuse_to_cut_off(
    wanted: Wanted, name: str, open_now: Mapping[str, int], remedy: str, what: str = "plain connection", when: str = ""
) -> None:
    """Raises ChangeError where other machines would be refused that are let in now.

    open_now: what is open, by address: their number.
    """
    if wanted.cut_off or not open_now:
        return
    number = sum(open_now.values())
    told = ", ".join(sorted({shortened(address) if network(address) else "?" for address in open_now})[:3])
    raise ChangeError(
        f"{name}: {number} {what}{'s' * (number != 1)}{when} ({told}) would be refused from now on, so nothing was "
        f"changed there; {remedy}, or set encrypted_links_cut_off: true"
    )


def settled(judge: Callable[[], str], seconds: float = _SETTLE_S) -> str:
    """What a judge says once it is content, or the time for a reload is over."""
    end = time.monotonic() + seconds
    while True:
        fault = judge()
        if not fault or time.monotonic() > end:
            return fault
        time.sleep(0.3)
