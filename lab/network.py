# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of one lab: a bridge on the machine, and for each host a network namespace that outlives its container.

No packet filter, no address translation, no forwarding: hosts reach each other and the machine, nothing else.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import machine
from lab.machine import LabError

DEFAULT_LAB = "lab"
PREFIX = "phlab"  # of a bridge's name
NETWORKS = 254  # the third byte of the IPv4 network: 0 is the default lab's

_MAKE_BRIDGE = """
set -e
bridge=$1 alias=$2 ipv4=$3 ipv6=$4
ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
ip link set "$bridge" alias "$alias" up
ip addr replace "$ipv4/24" dev "$bridge"
ip addr replace "$ipv6/64" dev "$bridge" nodad || true
"""

_MAKE_NAMESPACE = """
set -e
file=$1 bridge=$2 link=$3 ipv4=$4 ipv6=$5
if ! [ -e "$file" ]; then
    touch "$file"
    unshare --net="$file" true
fi
if ! nsenter --net="$file" ip link show eth0 >/dev/null 2>&1; then
    ip link add "$link" type veth peer name eth0 netns "$file"
fi
ip link set "$link" master "$bridge" up
nsenter --net="$file" sh -ec '
    ip link set lo up
    ip link set eth0 up
    ip addr replace "$1/24" dev eth0
    ip addr replace "$2/64" dev eth0 nodad || true
' sh "$ipv4" "$ipv6"
"""


@dataclass(frozen=True)
class Network:
    """Addresses of one lab."""

    lab: str
    number: int  # 0 to 254

    def ipv4(self, host: int) -> str:
        """IPv4 address of the host with this number; the machine is number 1."""
        return f"10.214.{self.number}.{host}"

    def ipv6(self, host: int) -> str:
        """IPv6 address of the host with this number; the machine is number 1."""
        return f"fd6c:6162:0:{self.number:x}::{host:x}"

    def link(self, host: int) -> str:
        """Name, on the machine, of the network device of the host with this number."""
        return f"{self.bridge}-{host}"

    def configuration(self, host: int) -> str:
        """What systemd-networkd of the host with this number is told."""
        addresses = f"Address={self.ipv4(host)}/24\nAddress={self.ipv6(host)}/64\n"
        return f"[Match]\nName=eth0\n\n[Network]\n{addresses}LinkLocalAddressing=no\nIPv6AcceptRA=no\n"

    @property
    def bridge(self) -> str:
        """Name of the bridge on the machine."""
        return f"{PREFIX}{self.number}"


def network_of(lab: str) -> Network:
    """The network of a lab: by its name, moved on where another lab of this clone has that one already."""
    record = machine.STATE / lab / "network"
    if record.exists():
        return Network(lab, int(record.read_text()))
    if lab == DEFAULT_LAB:
        number = 0
    else:
        with machine.locked("networks"):
            taken = {int(path.read_text()) for path in machine.STATE.glob("*/network")}
            number = zlib.crc32(lab.encode()) % NETWORKS + 1
            while number in taken:
                number = number % NETWORKS + 1
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(f"{number}\n")
    return Network(lab, number)


def _owner(bridge: str) -> str | None:
    """Which lab a bridge belongs to; None where there is no such bridge."""
    try:
        return Path("/sys/class/net", bridge, "ifalias").read_text().strip()
    except OSError:
        return None


def _owned_by(lab: str) -> str:
    """The owner that a lab of this clone names on its bridge."""
    return f"privacy.hosting {lab} {machine.STATE}"[:255]


def make_bridge(network: Network) -> None:
    """Make the lab's bridge, unless another clone of the repository has one under this name."""
    owner = _owned_by(network.lab)
    found = _owner(network.bridge)
    if found not in (None, "", owner):
        raise LabError(
            f"{network.bridge} belongs to another lab ({found}): end that one, or choose another LAB_NAME for this one"
        )
    machine.run(
        ["sh", "-c", _MAKE_BRIDGE, "sh", network.bridge, owner, network.ipv4(1), network.ipv6(1)],
    )


def namespace_file(network: Network, host: str) -> str:
    """Where, in the lab's mount namespace, a host's network namespace is kept."""
    return str(machine.INSIDE / "run" / "netns" / f"{network.lab}-{host}")


def make_namespace(network: Network, host: str, number: int) -> None:
    """Make a host's network namespace with its addresses, linked to the bridge."""
    file = namespace_file(network, host)
    addresses = (network.ipv4(number), network.ipv6(number))
    machine.inside(["sh", "-c", _MAKE_NAMESPACE, "sh", file, network.bridge, network.link(number), *addresses])


def remove(network: Network, hosts: Sequence[str]) -> None:
    """Remove the namespaces of these hosts and the bridge."""
    for host in hosts:
        file = namespace_file(network, host)
        machine.inside(["sh", "-c", 'umount "$1" 2>/dev/null; rm -f "$1"', "sh", file])
    _delete(network.bridge)


def remove_bridges() -> None:
    """Remove the bridges of all labs of this clone."""
    for bridge in Path("/sys/class/net").glob(f"{PREFIX}*"):
        owner = (_owner(bridge.name) or "").split(maxsplit=2)
        if len(owner) == 3 and " ".join(owner) == _owned_by(owner[1]):
            _delete(bridge.name)


def _delete(bridge: str) -> None:
    subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
