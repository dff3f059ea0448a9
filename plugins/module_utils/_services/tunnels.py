# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which networks an encrypted tunnel of this host carries, as its own interfaces, routes and policies show.

WireGuard by interface and routes, IPsec by the kernel's policies and the ciphers in use. Others (OpenVPN, tinc) are
programs behind a tun interface, which tells nothing of encryption: they are not judged.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .._host import Host, Unseen

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

IPSEC = "IPsec"
_DEFAULT_TABLES = ("local", "main", "default")
_NO_CIPHER = re.compile(r"cipher_null|digest_null|\becb\(")


@dataclass(frozen=True)
class Way:
    """How a network, or an address in it, is reached. good: through a tunnel that encrypts, None: that is not seen.

    why: what carries it ('WireGuard wg0'), or why that cannot be told.
    """

    good: bool | None
    why: str


def carried(host: Host, networks: Sequence[str]) -> dict[str, str]:
    """Those of some networks that an encrypted tunnel of the host carries whole, with what carries each."""
    ways = {network: _way(host, network) for network in networks}
    return {network: way.why for network, way in ways.items() if way.good}


def through(host: Host, networks: Sequence[str], place: str) -> Way | None:
    """How an address or network is reached, if it lies in one of the named networks; None if it lies in none.

    place: '10.8.0.2' or '10.8.0.0/24'; anything else lies in none. An address of the host itself has to stand at the
    tunnel's own interface.
    """
    told = _network(place)
    if told is None:
        return None
    named = [one for one in networks if (around := _network(one)) is not None and _within(told, around)]
    if not named:
        return None
    ways = [_way(host, one) for one in named]
    best = next((way for way in ways if way.good), ways[0])
    return _at_interface(host, told, best) if best.good and told.num_addresses == 1 else best


def _way(host: Host, network: str) -> Way:
    return host.once(("tunnel", network), lambda: _asked(host, network))


def _asked(host: Host, network: str) -> Way:
    told = _network(network)
    if told is None:
        return Way(None, f"{network} is no network")
    try:
        return _by_interface(host, told) or _by_policy(host, told)
    except Unseen as unseen:
        return Way(None, f"whether a tunnel carries {network} cannot be told: {unseen}")


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


# -- what ip tells ----------------------------------------------------------------------------------------------------


def _json(host: Host, *words: str) -> list[dict[str, Any]]:
    text = host.run("ip", *words).stdout.strip()
    try:
        told = json.loads(text or "[]")
    except ValueError:
        raise Unseen(f"'ip {' '.join(words)}' gave no JSON") from None
    return [entry for entry in told if isinstance(entry, dict) and entry]


def _kinds(host: Host) -> dict[str, str]:
    """The kind of each interface that is up: 'wireguard', 'tun', …; '' for plain ones."""
    return {
        str(link.get("ifname")): str((link.get("linkinfo") or {}).get("info_kind", ""))
        for link in _json(host, "-d", "-j", "link")
        if "UP" in (link.get("flags") or ())
    }


def _at_interface(host: Host, address: Network, way: Way) -> Way:
    """An address of this host is only behind the tunnel where the tunnel's interface has it."""
    try:
        for link in _json(host, "-j", "addr"):
            own = [str(one.get("local")) for one in link.get("addr_info") or ()]
            if str(address.network_address) in own and way.why != IPSEC and link.get("ifname") not in way.why.split():
                return Way(None, f"{link.get('ifname')} has the address, and not what carries its network ({way.why})")
    except Unseen as unseen:
        return Way(None, str(unseen))
    return way


def _by_interface(host: Host, network: Network) -> Way | None:
    """WireGuard, by the routes to a network; None where they lead to no tunnel."""
    kinds = _kinds(host)
    devices = {str(route.get("dev", "several ways")) for route in _routes(host, network)}
    encrypting = {device for device in devices if kinds.get(device) == "wireguard"}
    if not encrypting:
        tunnels = sorted(f"{device} ({kinds[device]})" for device in devices if kinds.get(device) in ("tun", "tap"))
        return Way(None, f"{network} goes through {tunnels[0]}, whose program is not judged") if tunnels else None
    if devices - encrypting:
        return Way(None, f"parts of {network} do not go through {min(encrypting)}, but {min(devices - encrypting)}")
    return Way(True, f"WireGuard {' and '.join(sorted(encrypting))}")


def _routes(host: Host, network: Network) -> list[dict[str, Any]]:
    """The routes that addresses of a network may take: the narrowest around it, and all inside it. Raises Unseen."""
    family = "-6" if network.version == 6 else "-4"
    _plain_rules(host, family)
    around: list[tuple[int, dict[str, Any]]] = []
    inside: list[dict[str, Any]] = []
    for route in _json(host, family, "-j", "route", "show", "table", "all"):
        if route.get("table", "main") == "local" or route.get("type") in ("blackhole", "unreachable", "prohibit"):
            continue
        default = "::/0" if network.version == 6 else "0.0.0.0/0"
        told = _network(default if route.get("dst") == "default" else str(route.get("dst")))
        if told is None or told.version != network.version:
            continue
        if told != network and _within(told, network):
            inside.append(route)
        elif _within(network, told):
            around.append((told.prefixlen, route))
    narrowest = max((length for length, _route in around), default=-1)
    return [route for length, route in around if length == narrowest] + inside


def _plain_rules(host: Host, family: str) -> None:
    """Raise Unseen where rules other than the kernel's own, and wg-quick's, choose among routes."""
    for rule in _json(host, family, "-j", "rule"):
        own = rule.get("table") in _DEFAULT_TABLES and rule.get("src") == "all" and "dst" not in rule
        if not own and "suppress_prefixlen" not in rule and not ("fwmark" in rule and "not" in rule):
            raise Unseen(f"the routing rule {rule.get('priority')} is not judged (ip rule)")


# -- IPsec ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Policy:
    """A policy of the kernel. templates: source and destination of the tunnel, with reqid; plain: it lets through."""

    source: Network
    destination: Network
    direction: str
    narrowed: bool
    allows: bool
    templates: tuple[tuple[str, str, str], ...]
    optional: bool


def _by_policy(host: Host, network: Network) -> Way:
    """IPsec, by the kernel's policies in both directions and the ciphers of what they use."""
    policies = list(_policies(host.run("ip", "xfrm", "policy").stdout))
    own = _own_networks(host, network.version)
    if not own:
        return Way(None, f"the host has no address by which it could reach {network}")
    used: set[tuple[str, str, str]] = set()
    for direction in ("out", "in"):
        meant = [one for one in policies if one.direction == direction and _touches(one, network)]
        covering = [one for one in meant if _covers(one, network, own)]
        if not covering:
            return Way(None, f"no tunnel of the host is seen that carries {network}")
        for one in meant:
            if one.allows and (not one.templates or one.optional):
                return Way(None, f"an IPsec policy lets traffic of {network} pass in plain (ip xfrm policy)")
            used |= set(one.templates)
    states = _states(host.run("ip", "xfrm", "state", "list", "nokeys").stdout)
    for template in sorted(used):
        ciphers = states.get(template, [])
        if not ciphers:
            return Way(None, f"the IPsec tunnel of {network} is not up: its cipher cannot be told")
        if any(not cipher or _NO_CIPHER.search(cipher) for cipher in ciphers):
            return Way(None, f"the IPsec tunnel of {network} does not encrypt (ip xfrm state)")
    return Way(True, IPSEC)


def _own_networks(host: Host, version: int) -> list[Network]:
    """The addresses of this host that other machines may reach."""
    found = []
    for link in _json(host, "-j", "addr"):
        for one in link.get("addr_info") or ():
            told = _network(str(one.get("local")))
            if told is not None and told.version == version and one.get("scope") == "global":
                found.append(told)
    return found


def _far(policy: _Policy) -> tuple[Network, Network]:
    """The network on the other side, and that on this."""
    ends = (policy.destination, policy.source)
    return ends if policy.direction == "out" else (ends[1], ends[0])


def _touches(policy: _Policy, network: Network) -> bool:
    far = _far(policy)[0]
    return far.version == network.version and far.overlaps(network)


def _covers(policy: _Policy, network: Network, own: Iterable[Network]) -> bool:
    far, near = _far(policy)
    whole = _within(network, far) and all(_within(one, near) for one in own)
    return whole and policy.allows and not policy.narrowed and bool(policy.templates)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """What 'ip xfrm' lists: the first line of each entry, and the indented ones below it."""
    first, rest = "", []
    for line in text.splitlines():
        if line[:1].isspace():
            rest.append(line.strip())
        else:
            if first:
                yield first, rest
            first, rest = line.strip(), []
    if first:
        yield first, rest


def _policies(text: str) -> Iterator[_Policy]:
    for first, rest in _blocks(text):
        match = re.match(r"src (\S+) dst (\S+)\s*(.*)", first)
        below = " ".join(rest)
        if not match or below.startswith("socket"):  # sockets of the key exchange itself
            continue
        source, destination = _network(match[1]), _network(match[2])
        direction = re.match(r"dir (\w+)", below)
        if source is None or destination is None or not direction:
            continue
        templates = re.findall(r"tmpl src (\S+) dst (\S+) proto (\w+)(?: spi \S+)? reqid (\d+)", below)
        yield _Policy(
            source, destination, direction[1],
            narrowed=bool(match[3]) or bool(re.search(r"\b(if_id|mark|security) ", below)),
            allows="action block" not in below,
            templates=tuple((one[0], one[1], one[3]) for one in templates if one[2] == "esp"),
            optional="level use" in below,
        )  # fmt: skip


def _states(text: str) -> Mapping[tuple[str, str, str], list[str]]:
    """The ciphers that tunnels use, by their ends and reqid; '' for one that has none."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for first, rest in _blocks(text):
        ends = re.match(r"src (\S+) dst (\S+)", first)
        below = " ".join(rest)
        reqid = re.search(r"proto esp spi \S+ reqid (\d+)", below)
        if ends and reqid:
            cipher = re.search(r"\b(?:enc|aead) (\S+)", below)
            found.setdefault((ends[1], ends[2], reqid[1]), []).append(cipher[1] if cipher else "")
    return found
