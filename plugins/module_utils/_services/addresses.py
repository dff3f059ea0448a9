# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses: those of this host, those that names lead to, and how a report shows them.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Mapping

from .._host import Host, Unseen

LOOK_UPS, LOOK_UP_S, AT_ONCE = 200, 3.0, 8  # names at most, and seconds for all of them


def own_addresses(host: Host) -> list[str]:
    """All addresses of this host, those that other machines can reach first. Raises Unseen."""
    return host.once("own_addresses", lambda: _own_addresses(host))


def _own_addresses(host: Host) -> list[str]:
    found = set()
    if host.stat("/proc/net/fib_trie") is not None:
        trie = host.read("/proc/net/fib_trie")
        found |= set(re.findall(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", trie))
    if host.stat("/proc/net/if_inet6") is not None:
        for line in host.read("/proc/net/if_inet6").splitlines():
            address = ipaddress.ip_address(int(line.split()[0], 16).to_bytes(16, "big"))
            found |= set() if address.is_link_local else {str(address)}
    ordered = sorted(map(ipaddress.ip_address, found), key=lambda one: (one.is_loopback, one.is_private, str(one)))
    return [str(address) for address in ordered]


def resolved(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The addresses that names lead to; names that lead nowhere, or not in time, are not in it.

    Loopback is left out: where /etc/hosts has a name so, it tells nothing of where others are led to.
    """
    import threading

    found: dict[str, tuple[str, ...]] = {}
    waiting = list(dict.fromkeys(names))[:LOOK_UPS]

    def work() -> None:
        while waiting:
            try:
                name = waiting.pop(0)
                told = {str(entry[4][0]) for entry in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}
            except (OSError, UnicodeError, IndexError):
                continue
            found[name] = tuple(sorted(one for one in told if not ipaddress.ip_address(one).is_loopback))

    threads = [threading.Thread(target=work, daemon=True) for _worker in range(min(AT_ONCE, len(waiting)))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + LOOK_UP_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def leads_here(host: Host, name: str) -> bool | None:
    """Whether a name or an address is this host; None where it leads nowhere, or that cannot be looked up."""
    try:
        found = {name}
        if not is_address(name):
            told = host.run("getent", "ahosts", name, timeout=LOOK_UP_S).stdout
            found = {line.split()[0] for line in told.splitlines() if line.strip()}
        addresses = {_plain(address) for address in found}
        own = {_plain(address) for address in own_addresses(host)}
    except (Unseen, ValueError):
        return None
    if not addresses:
        return None
    return any(one.is_loopback or one.is_unspecified or one in own for one in addresses)


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address without its zone, and as IPv4 where it only carries one."""
    told = ipaddress.ip_address(address.partition("%")[0])
    return getattr(told, "ipv4_mapped", None) or told


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def shortened(address: str) -> str:
    """An address as it may stand in a report: 192.0.2.x, 2001:db8:1:…."""
    if ":" in address:
        return ":".join(ipaddress.ip_address(address).exploded.split(":")[:3]) + ":…"
    return re.sub(r"\.\d+$", ".x", address)
