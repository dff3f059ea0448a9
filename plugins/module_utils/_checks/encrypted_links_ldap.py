# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: whether OpenLDAP refuses plain connections of other machines.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._finding import CONFIGURED, NOT_APPLICABLE, OBSERVED, RUNNING, Finding, Layer
from .._host import Host, Listener, Process, Unseen
from .._measure import Question
from .._services import ldap, tls_levels
from .._services.listeners import reachable
from .._services.loaded import loaded
from .encrypted_links_doors import (
    EXPECTED,
    NAME,
    as_layer,
    asked_at,
    finding,
    observed,
    others,
    ports,
    tunnelled,
    unclear,
)

_STRONG = 128  # bits; what 'security ssf=' has to ask for, as all suites of TLS 1.2 that NCSC-NL lists have
_REMEDY = (
    "set olcSecurity: ssf=128 and olcLocalSSF: 128 in cn=config (the latter keeps ldapi:/// usable), with a "
    "certificate, and restart slapd; or let it listen to ldaps:/// and ldapi:/// alone. TLS before 1.2 is "
    "refused by olcTLSProtocolMin: 3.3, or, where slapd is built with GnuTLS, by "
    "olcTLSCipherSuite: NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"
)


def check_ldap(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That slapd needs encryption for all that it keeps, or listens for nothing else."""
    if "ldap" not in question.asked[option]:
        return
    found = False
    processes = ldap.servers(host)
    for process in processes:
        found = True
        yield _slapd(host, question, option, process)
    for one in others(host, question, "ldap", [process.pid for process in processes], option):
        found = True
        yield one
    if not found:
        what = "no LDAP server listens here, and nothing at the network that could be one"
        yield Finding(NAME, "ldap", option, "LDAP", NOT_APPLICABLE, "", EXPECTED, what, "listening sockets")


def _slapd(host: Host, question: Question, option: str, process: Process) -> Finding:
    source = f"process {process.pid} (slapd)"
    if process.contained:
        what = "it runs in a container: which connections reach it there is not judged"
        return unclear("ldap", option, "OpenLDAP", what, source, "attest whether it refuses plain connections")
    doors = [
        one for one in host.listeners() if process.pid in one.pids and one.protocol[:3] == "tcp" and reachable(one)
    ]
    if not doors:
        what = "only the host itself reaches it: it listens on loopback or Unix sockets alone"
        return Finding(NAME, "ldap", option, "OpenLDAP", NOT_APPLICABLE, "", EXPECTED, what, "listening sockets")
    subject = f"OpenLDAP {ports(doors)}"
    ways = [tunnelled(host, question, one.address) for one in doors]
    if all(way is not None for way in ways):
        return finding("ldap", option, subject, [way for way in ways if way is not None], _REMEDY)
    try:
        layers = _layers(host, question, process, doors)
    except Unseen as unseen:
        layers = [Layer(CONFIGURED, None, str(unseen), source)]
    return finding("ldap", option, subject, layers, _REMEDY)


def _layers(host: Host, question: Question, process: Process, doors: Sequence[Listener]) -> list[Layer]:
    told = ldap.directory(host, process)
    layers: list[Layer] = []
    plain = []
    for door in doors:
        scheme = told.ports.get(door.port)
        if scheme is None:
            layers.append(Layer(CONFIGURED, None, f"what answers on port {door.port} is not judged", "slapd -h"))
        elif scheme == "ldaps":
            layers.append(Layer(RUNNING, True, f"port {door.port} speaks TLS alone (ldaps)", "slapd -h"))
        else:
            plain.append(door)
        if scheme is not None:
            layers.append(_level(host, question, door, scheme))
    if plain:
        layers += _plain(host, question, told, plain)
    return layers


def _plain(host: Host, question: Question, told: ldap.Directory, doors: Sequence[Listener]) -> Iterator[Layer]:
    """What is needed at sockets that begin without TLS."""
    good = True
    for database in told.kept:
        needs = told.needs(database)
        strong = needs.get("tls", 0) >= 1 or needs.get("ssf", 0) >= _STRONG
        if strong:
            continue
        good = False
        if database.by_access or told.databases[0].by_access:
            what = "access rules speak of encryption, and security does not ask for it: what they come to is not judged"
            yield Layer(CONFIGURED, None, what, database.source)
        elif 1 < needs.get("ssf", 0) < _STRONG:
            what = f"security asks for {needs['ssf']} bits, and not for {_STRONG}"
            yield Layer(CONFIGURED, None, what, database.source)
        else:
            part = " (security asks for it in logins alone)" if needs.get("simple_bind") else ""
            yield Layer(CONFIGURED, False, f"encryption is offered and not needed{part}", database.source)
    if not told.kept:
        yield Layer(CONFIGURED, None, "no database with entries is found in its configuration", told.files[0])
        return
    seen = [observed(host, question, "ldap", door, one.suffix or "") for door in doors for one in told.kept]
    yield from map(as_layer, seen)
    if good:
        what = f"security needs encryption in each of {len(told.kept)} databases"
        yield Layer(CONFIGURED, True, what, told.files[0])
        shown = loaded(host, told.process.started, told.files, ())
        if shown.good is None and any(one is None or one.answer != "refused" for one in seen):
            yield shown  # what it was told since it began is not always in effect before it begins anew


def _level(host: Host, question: Question, door: Listener, scheme: str) -> Layer:
    """Whether TLS before 1.2 is refused: which one slapd accepts depends on its library, and is only seen by asking."""
    address = asked_at(host, door) if question.probe else ""
    if not address:
        return Layer(CONFIGURED, None, "which TLS it accepts is not set in its files, and was not tried", "slapd")
    old = tls_levels.old_versions(address, door.port, tls_levels.BEGINNINGS["ldap"] if scheme == "ldap" else None)
    if old is None:
        return Layer(OBSERVED, None, "which TLS it accepts cannot be told", "handshakes")
    if old:
        return Layer(OBSERVED, False, f"{old[0]} is accepted", "handshakes")
    return Layer(OBSERVED, True, "TLS before 1.2 is refused", "handshakes")
