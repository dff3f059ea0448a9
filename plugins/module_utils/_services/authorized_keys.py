# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that an account may log in with: OpenSSH's authorized_keys, with their options.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from .._host import Host
from .accounts import Account

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_TYPE = re.compile(r"(sk-|webauthn-sk-)?(ssh|ecdsa)-[\w@.-]+|rsa-sha2-(256|512)")
_OPTION = re.compile(r'([\w@.-]+)(?:="((?:[^"\\]|\\.)*)")?,?')
_WILDCARD = re.compile(r"\d{1,3}(\.\d{1,3}){0,2}\.\*")
_RSA = ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512")


@dataclass(frozen=True)
class Key:
    """One line of authorized_keys. options: name in small letters -> its values; source: 'file:line'."""

    type: str
    options: Mapping[str, tuple[str, ...]]
    source: str

    @property
    def security_key(self) -> bool:
        """Whether it is on a FIDO2 security key."""
        return self.type.startswith(("sk-", "webauthn-sk-"))

    @property
    def authority(self) -> bool:
        """Whether it is not a key to log in with, but one that signs certificates."""
        return "cert-authority" in self.options

    def accepted(self, algorithms: Sequence[str]) -> bool:
        """Whether sshd takes a key of this kind (PubkeyAcceptedAlgorithms); of a certificate's, any kind."""
        if self.authority:
            return any("-cert-" in name for name in algorithms)
        return any(name in algorithms for name in (_RSA if self.type == "ssh-rsa" else (self.type,)))

    def expired(self, now: dt.datetime) -> bool:
        """Whether its expiry-time is over; a day counts as lasting, whatever the time zone."""
        for value in self.options.get("expiry-time", ()):
            try:
                last = dt.datetime.strptime(value[:8], "%Y%m%d").replace(tzinfo=dt.timezone.utc)
            except ValueError:
                continue
            if now > last + dt.timedelta(days=2):
                return True
        return False

    def limited_to(self, networks: Sequence[str]) -> bool | None:
        """Whether from= allows addresses of these networks only; None where it names what is no address."""
        parts = [part for value in self.options.get("from", ()) for part in value.split(",")]
        named = [part for part in parts if part and not part.startswith("!")]
        if not named or any(not part.strip("*?.:") for part in named):
            return False
        found = [network(part) for part in named]
        inside = [ipaddress.ip_network(name) for name in networks]
        known = [one for one in found if one is not None]
        if not all(any(within(one, other) for other in inside) for one in known):
            return False
        return None if len(known) < len(found) else True


def within(one: Network, other: Network) -> bool:
    """Whether all addresses of a network are in another one."""
    return one.version == other.version and other.prefixlen <= one.prefixlen and one.network_address in other


def network(pattern: str) -> Network | None:
    """The addresses that a pattern of OpenSSH names (192.0.2.1, 192.0.2.0/24, 192.0.2.*); None for names."""
    if _WILDCARD.fullmatch(pattern):
        octets = pattern.split(".")[:-1]
        pattern = ".".join([*octets, *["0"] * (4 - len(octets))]) + f"/{8 * len(octets)}"
    try:
        return ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return None


def is_address(pattern: str) -> bool:
    """Whether a pattern can only be meant for addresses, not for names."""
    return network(pattern) is not None or not pattern.strip("*?.:")


def paths(files: Sequence[str], account: Account) -> list[str]:
    """The files that AuthorizedKeysFile (or AuthorizedPrincipalsFile) names for an account."""
    tokens = {"%h": account.home, "%u": account.name, "%U": str(account.uid), "%%": "%"}
    named = (re.sub("%[huU%]", lambda token: tokens[token[0]], path) for path in files if path != "none")
    return [path if path.startswith("/") else f"{account.home.rstrip('/')}/{path}" for path in named]


def keys(host: Host, files: Sequence[str], account: Account) -> list[Key]:
    """The keys in those files. Raises Unseen: a file that is there cannot be read."""
    found: list[Key] = []
    for path in dict.fromkeys(paths(files, account)):
        if host.stat(path) is not None:
            found += host.once(("authorized_keys", path), lambda path=path: list(_keys(host, path)))  # type: ignore[misc]
    return found


def _keys(host: Host, path: str) -> Iterator[Key]:
    for number, line in enumerate(host.read(path).splitlines(), 1):
        key = parse(line.strip(), f"{path}:{number}")
        if key is not None:
            yield key


def parse(line: str, source: str) -> Key | None:
    """The key of one line; None for a comment, an empty line, and what sshd takes for no key either."""
    if not line or line.startswith("#"):
        return None
    options: dict[str, tuple[str, ...]] = {}
    if not re.match(rf"(?:{_TYPE.pattern})\s", line):
        end = 0
        while end < len(line) and not line[end].isspace():
            option = _OPTION.match(line, end)
            if option is None or option.end() == end:
                return None
            name, value = option[1].lower(), re.sub(r"\\(.)", r"\1", option[2] or "")
            options[name] = (*options.get(name, ()), value)
            end = option.end()
        line = line[end:].lstrip()
    words = line.split()
    if len(words) < 2 or not _TYPE.fullmatch(words[0]):
        return None
    return Key("ssh-rsa" if words[0] in _RSA else words[0], options, source)
