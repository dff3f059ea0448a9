# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which TLS Postfix asks of others: of those who connect to it, and of those whom it connects to.

What is configured counts: Postfix lowers OpenSSL's own level to 0, so nothing else keeps old versions out.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._host import Host, Unseen
from .postfix import Postfix, Service
from .postfix_tables import lookup, shown, tables

_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_HEX = {"0002": "SSLv2", "0300": "SSLv3", "0301": "TLSv1", "0302": "TLSv1.1", "0303": "TLSv1.2", "0304": "TLSv1.3"}
_OLD = ("SSLv3", "TLSv1", "TLSv1.1")  # SSL 2 is in no OpenSSL that Postfix builds with any more
OPTIONAL = ("none", "may", "dane")  # a connection may stay plain, or become so
LEVELS = (*OPTIONAL, "encrypt", "dane-only", "half-dane", "verify", "secure", "fingerprint")


def old_versions(text: str) -> list[str]:
    """The versions below TLS 1.2 that a list such as '>=TLSv1.2' or '!SSLv3, !TLSv1' lets. Raises Unseen."""
    least, included, excluded = 0, set(), set()
    for word in re.split(r"[\s,:]+", text.strip()):
        match = re.fullmatch(r"(>=|<=|!)?(\S+)", word)
        if not match:
            continue
        sign, name = match.groups()
        known = {one.lower(): one for one in _VERSIONS}
        version = known.get(name.lower()) or _HEX.get(name.lower().removeprefix("0x").zfill(4))
        if version is None:
            raise Unseen(f"the protocol {name} is not known")
        if sign == ">=":
            least = _VERSIONS.index(version)
        elif sign == "!":
            excluded.add(version)
        elif sign is None:
            included.add(version)
    allowed = included or set(_VERSIONS)
    return [one for one in _OLD if one in allowed - excluded and _VERSIONS.index(one) >= least]


def server_level(service: Service) -> str:
    """Whether a service wants TLS: 'none', 'may' or 'encrypt'. Raises Unseen."""
    level = service.get("smtpd_tls_security_level").lower()
    if not level:
        level = "may" if service.is_on("smtpd_use_tls") else "none"
        level = "encrypt" if service.is_on("smtpd_enforce_tls") else level
    if service.is_on("smtpd_tls_wrappermode") or level in ("verify", "secure", "fingerprint"):
        return "encrypt"
    if level == "dane":
        return "may"
    if level not in ("none", "may", "encrypt"):
        raise Unseen(f"smtpd_tls_security_level = {level} is not known")
    return level


@dataclass(frozen=True)
class Wanted:
    """What a client wants of one destination. level: one of LEVELS; source: what says so; attributes: of a policy."""

    level: str
    source: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def client_level(host: Host, sender: Postfix, service: Service, destination: str) -> Wanted:
    """What a service that sends (smtp, lmtp) wants of a destination, as a next hop is written. Raises Unseen."""
    kind = service.command
    if service.get(f"{kind}_tls_per_site"):
        raise Unseen(f"{kind}_tls_per_site is not read; smtp_tls_policy_maps is")
    for key in _policy_keys(destination):
        for table in tables(service.get(f"{kind}_tls_policy_maps")):
            told = lookup(host, sender, table, key)
            if told:
                return _policy(told, table)
    key = f"{kind}_tls_security_level"
    level = service.get(key).lower()
    if not level:
        level = "may" if service.is_on(f"{kind}_use_tls") else "none"
        if service.is_on(f"{kind}_enforce_tls"):
            level = "verify" if service.is_on(f"{kind}_tls_enforce_peername") else "encrypt"
    if level not in LEVELS:
        raise Unseen(f"{key} = {level} is not known")
    return Wanted(level, service.source if key in service.settings else sender.source(key))


def _policy_keys(destination: str) -> list[str]:
    """What a policy is looked up by: the next hop as it is written, and for a bare name the domains above it."""
    if re.search(r"[\[\]:]", destination):
        return [destination]
    labels = destination.split(".")
    return [destination, *("." + ".".join(labels[number:]) for number in range(1, len(labels)))]


def _policy(text: str, table: str) -> Wanted:
    level, *rest = text.split()
    pairs = (word.partition("=") for word in rest)
    if level.lower() not in LEVELS:
        raise Unseen(f"{shown(table)} holds a level that is not known")
    return Wanted(level.lower(), shown(table), {key.lower(): value for key, _equals, value in pairs})
