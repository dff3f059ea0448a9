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
_DEVICES = Path("/sys/class/net")
_OWNER = "privacy.hosting"  # begins the alias of a bridge, before the lab's name and its clone
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
    """The network of a lab: by its name, moved on where another lab has that one already, of this clone or another.

    The default lab's stays: inventories/lab names its addresses.
    """
    if lab == DEFAULT_LAB:
        return Network(lab, 0)
    record = machine.STATE / lab / "network"
    with machine.locked("networks"):
        taken = {int(path.read_text()) for path in machine.STATE.glob("*/network") if path != record}
        number = int(record.read_text()) if record.exists() else zlib.crc32(lab.encode()) % NETWORKS + 1
        while number in taken or _held_by_another(Network(lab, number)):
            number = number % NETWORKS + 1
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f"{number}\n")
    return Network(lab, number)


def _owner(bridge: str) -> str | None:
    """Which lab a bridge belongs to; None where there is no such bridge."""
    try:
        return (_DEVICES / bridge / "ifalias").read_text().strip()
    except OSError:
        return None


def _owned_by(lab: str) -> str:
    """The owner that a lab of this clone names on its bridge."""
    return f"{_OWNER} {lab} {machine.STATE}"[:255]


def _held_by_another(network: Network) -> str:
    """The owner of the lab's bridge, if that is another one that lives; '' for its own, a left one, or none."""
    owner = _owner(network.bridge) or ""
    if owner in ("", _owned_by(network.lab)) or _is_left(network.bridge, owner):
        return ""
    return owner


def _is_left(bridge: str, owner: str) -> bool:
    """Whether a lab that was killed left this bridge: nothing is linked to it, and no command of its clone runs."""
    state = Path(owner.removeprefix(f"{_OWNER} ").partition(" ")[2])
    return not any((_DEVICES / bridge / "brif").iterdir()) and not machine.in_use(state)


def make_bridge(network: Network) -> None:
    """Make the lab's bridge; raises LabError where another clone of the repository has one under this name."""
    owner = _owned_by(network.lab)
    if holder := _held_by_another(network):
        raise LabError(
            f"{network.bridge} belongs to another lab ({holder}): end that one, or choose another LAB_NAME for this one"
        )
    if _owner(network.bridge) != owner:
        _delete(network.bridge)
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


def remove_namespaces(network: Network, hosts: Sequence[str]) -> None:
    """Remove the namespaces of these hosts."""
    for host in hosts:
        file = namespace_file(network, host)
        machine.inside(["sh", "-c", 'umount "$1" 2>/dev/null; rm -f "$1"', "sh", file])


def remove_bridge(network: Network) -> None:
    """Remove the lab's bridge; one of another clone stays."""
    if _owner(network.bridge) == _owned_by(network.lab):
        _delete(network.bridge)


def remove_bridges() -> None:
    """Remove the bridges of all labs of this clone."""
    for bridge in _DEVICES.glob(f"{PREFIX}*"):
        owner = (_owner(bridge.name) or "").split(maxsplit=2)
        if len(owner) == 3 and " ".join(owner) == _owned_by(owner[1]):
            _delete(bridge.name)


def _delete(bridge: str) -> None:
    subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
