# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways by which data leaves a host, whichever program sends it, and whether they end at the host itself.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .._finding import Layer
from .._host import Host
from .addresses import is_address, own_addresses, resolved, shortened


@dataclass(frozen=True)
class Outgoing:
    """A way to another machine.

    what: is sent ('syslog', 'backup'); target: name or address of the other, '' where that is not known; port: its
    port, may be ''. encrypted, verified: None where that cannot be told; why, verified_why: one line each, of what was
    seen. running: whether the program that sends works by these files. mend, verified_mend: what would be right.
    label: what a report calls it where it has no target.
    """

    what: str
    program: str
    target: str
    port: str
    encrypted: bool | None
    why: str
    verified: bool | None
    verified_why: str
    source: str
    mend: str = ""
    verified_mend: str = ""
    running: Layer | None = None
    label: str = ""

    @property
    def subject(self) -> str:
        """What a report calls it, addresses shortened."""
        where = shortened(self.target) if is_address(self.target) else self.target
        port = f":{self.port}" if self.port and where else ""
        return f"{self.what} → {where}{port}" if where else f"{self.what}: {self.label or self.program}"


def unknown(what: str, program: str, why: str, source: str, target: str = "") -> Outgoing:
    """A way of which nothing can be told."""
    return Outgoing(what, program, target, "", None, why, None, why, source, label=program)


def addresses_of(host: Host, target: str) -> tuple[str, ...]:
    """The addresses that a name leads to, without those of loopback; an address is itself. None that are known: ()."""
    if is_address(target):
        return (target,)
    return host.once(("outgoing", target), lambda: resolved([target])).get(target, ())


def stays_here(host: Host, target: str) -> bool:
    """Whether what is sent to a target does not leave the host."""
    bare = target.strip("[]").lower()
    if bare in ("localhost", "localhost.localdomain", "ip6-localhost") or bare.startswith("/"):
        return True
    if is_address(bare):
        return ipaddress.ip_address(bare).is_loopback or bare in own_addresses(host)
    if not re.fullmatch(r"[\w.-]+", bare):
        return False
    led: dict[str, tuple[str, ...]] = dict(host.once(("outgoing", bare), lambda: resolved([bare])))
    # a name that leads to loopback alone is there without addresses
    return bare in led and all(address in own_addresses(host) for address in led[bare])
