# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program on another machine that mail, or what is about mail, is sent to.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .._host import Host, Unseen
from .addresses import own_addresses

_NAMES = ("localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost")


@dataclass(frozen=True)
class Peer:
    """A program on another machine. what: goes there; place: a name or address; why and source: what says so.

    encrypted, verified: whether that is so, None where it cannot be told.
    """

    what: str
    place: str
    encrypted: bool | None
    verified: bool | None
    why: str
    source: str


def is_here(host: Host, name: str) -> bool:
    """Whether a name or address is the host's own. Raises Unseen."""
    bare = name.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(bare.removeprefix("ipv6:"))
    except ValueError:
        return bare in _NAMES or bare in _loopback_names(host)
    return address.is_loopback or str(address) in own_addresses(host)


def _loopback_names(host: Host) -> set[str]:
    """The names that /etc/hosts gives to loopback."""
    try:
        lines = host.read("/etc/hosts").splitlines()
    except Unseen:
        return set()
    fields = [line.partition("#")[0].split() for line in lines]
    return {name.lower() for words in fields if words and re.match(r"127\.|::1$", words[0]) for name in words[1:]}
