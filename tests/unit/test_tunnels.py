# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which networks an encrypted tunnel carries: WireGuard by routes, IPsec by policies and ciphers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services.tunnels import Way, carried, through

RULES = [{"priority": 0, "src": "all", "table": "local"}, {"priority": 32766, "src": "all", "table": "main"}]
# wg-quick's, of a peer that carries everything
QUICK_RULES = [
    {"priority": 32764, "src": "all", "table": "main", "suppress_prefixlen": 0},
    {"priority": 32765, "not": None, "src": "all", "fwmark": "0xca6c", "table": "51820"},
]
LINKS = [
    {"ifname": "lo", "flags": ["LOOPBACK", "UP"]},
    {"ifname": "eth0", "flags": ["BROADCAST", "UP"], "linkinfo": {"info_kind": "veth"}},
    {"ifname": "wg0", "flags": ["POINTOPOINT", "UP"], "linkinfo": {"info_kind": "wireguard"}},
    {"ifname": "tun0", "flags": ["POINTOPOINT", "UP"], "linkinfo": {"info_kind": "tun"}},
]
ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.13", "scope": "global"}]},
    {"ifname": "wg0", "addr_info": [{"local": "10.8.0.1", "scope": "global"}]},
]
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "flags": []},
    {"dst": "192.0.2.0/24", "dev": "eth0", "flags": []},
    {"dst": "10.8.0.0/24", "dev": "wg0", "flags": []},
    {"dst": "10.7.0.0/24", "dev": "tun0", "flags": []},
    {"type": "local", "dst": "10.8.0.1", "dev": "wg0", "table": "local"},
]
# as 'ip xfrm' of iproute2 6.1 and 6.15 prints them
POLICY = """\
src {own} dst 10.9.0.0/24
\tdir out priority 0 ptype main
\ttmpl src 192.0.2.13 dst 192.0.2.99
\t\tproto esp reqid 1 mode tunnel
src 10.9.0.0/24 dst {own}
\tdir in priority 0 ptype main
\ttmpl src 192.0.2.99 dst 192.0.2.13
\t\tproto esp reqid 1 mode tunnel
src 0.0.0.0/0 dst 0.0.0.0/0
\tsocket in priority 0 ptype main
"""
STATE = """\
src {source} dst {target}
\tproto esp spi 0x00001001 reqid 1 mode tunnel
\treplay-window 0
\tauth-trunc hmac(sha256) <<Keys hidden>> 128
\tenc {cipher} <<Keys hidden>>
\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
"""
SETUP = POLICY.format(own="192.0.2.13/32")


def states(cipher: str = "cbc(aes)") -> str:
    both = (("192.0.2.13", "192.0.2.99"), ("192.0.2.99", "192.0.2.13"))
    return "".join(STATE.format(source=source, target=target, cipher=cipher) for source, target in both)


class TunnelHost(Host):
    """A host whose 'ip' says what a test wants it to."""

    def __init__(self, policies: str = "", state: str = "", **told: Any) -> None:
        super().__init__()
        self.told = {"link": LINKS, "addr": ADDRESSES, "route": ROUTES, "rule": RULES, **told}
        self.texts: Mapping[str, str] = {"policy": policies, "state": state}

    def run(self, *argv: str, ok: Sequence[int] = (0,), timeout: float | None = None, env: Any = None) -> Result:
        for word in argv:
            if word in self.texts:
                return Result(argv, 0, self.texts[word], "")
            if word in self.told:
                return Result(argv, 0, json.dumps(self.told[word]), "")
        raise Unseen("the command ip is not on the host")


def only_eth0() -> list[dict[str, Any]]:
    return ADDRESSES[:2]


def test_wireguard_carries_what_its_routes_lead_to() -> None:
    assert carried(TunnelHost(), ["10.8.0.0/24", "192.0.2.0/24", "10.7.0.0/24"]) == {"10.8.0.0/24": "WireGuard wg0"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"link": LINKS[:2]}, "no tunnel of the host is seen"),
        ({"route": [*ROUTES, {"dst": "10.8.0.128/25", "dev": "eth0"}]}, "not go through wg0, but eth0"),
        ({"rule": [*RULES, {"priority": 5, "src": "all", "dst": "10.8.0.0", "table": "77"}]}, "routing rule 5"),
        ({"route": ROUTES[:2]}, "no tunnel of the host is seen"),
    ],
)
def test_what_wireguard_does_not_carry_is_not_proven(told: dict[str, Any], why: str) -> None:
    way = through(TunnelHost(**told), ["10.8.0.0/24"], "10.8.0.2")
    assert way is not None
    assert way.good is None
    assert why in way.why


def test_rules_of_wg_quick_are_known() -> None:
    assert carried(TunnelHost(rule=[*RULES, *QUICK_RULES]), ["10.8.0.0/24"])


@pytest.mark.parametrize("place", ["10.8.0.2", "10.8.0.16/28", "10.8.0.0/24", "10.8.0.1"])
def test_a_place_in_a_carried_network_is_behind_the_tunnel(place: str) -> None:
    assert through(TunnelHost(), ["10.1.0.0/16", "10.8.0.0/24"], place) == Way(True, "WireGuard wg0")


@pytest.mark.parametrize("place", ["10.8.1.2", "10.0.0.0/8", "0.0.0.0/0", "all", "samenet", "2001:db8::1"])
def test_a_place_outside_the_named_networks_is_not(place: str) -> None:
    assert through(TunnelHost(), ["10.8.0.0/24"], place) is None


def test_an_own_address_stands_at_the_tunnels_interface() -> None:
    moved = [{"ifname": "eth0", "addr_info": [{"local": "10.8.0.1", "scope": "global"}]}]
    way = through(TunnelHost(addr=moved), ["10.8.0.0/24"], "10.8.0.1")
    assert way is not None
    assert way.good is None


def test_ipsec_carries_what_its_policies_cover_both_ways() -> None:
    host = TunnelHost(SETUP, states(), addr=only_eth0())
    assert carried(host, ["10.9.0.0/24", "10.9.1.0/24"]) == {"10.9.0.0/24": "IPsec"}


@pytest.mark.parametrize(
    ("policies", "state", "why"),
    [
        (SETUP, "", "is not up"),
        (SETUP, states("ecb(cipher_null)"), "does not encrypt"),
        (SETUP.split("src 10.9")[0], states(), "no tunnel of the host is seen"),
        (SETUP.replace("mode tunnel", "mode tunnel\n\t\tlevel use"), states(), "pass in plain"),
        (SETUP.replace("10.9.0.0/24\n", "10.9.0.0/24 proto tcp dport 5432\n"), states(), "no tunnel of the host"),
        (SETUP.replace("proto esp", "proto ah"), states(), "no tunnel of the host is seen"),
        (POLICY.format(own="192.0.2.14/32"), states(), "no tunnel of the host is seen"),
        (f"src 192.0.2.13/32 dst 10.9.0.7/32\n\tdir out priority 9 ptype main\n{SETUP}", states(), "pass in plain"),
    ],
)
def test_what_ipsec_does_not_carry_is_not_proven(policies: str, state: str, why: str) -> None:
    way = through(TunnelHost(policies, state, addr=only_eth0()), ["10.9.0.0/24"], "10.9.0.7")
    assert way is not None
    assert way.good is None
    assert why in way.why


def test_a_host_without_ip_tells_nothing() -> None:
    host = TunnelHost()
    host.told, host.texts = {}, {}
    way = through(host, ["10.8.0.0/24"], "10.8.0.2")
    assert way is not None
    assert way.good is None
