# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, level: what an endpoint accepts, held against the norm.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen
from .._services import x509
from .._services.tls_endpoint import Endpoint
from .._services.virtualhost import Directive, VirtualHost
from .._services.web_security import Security, TlsSettings
from . import web_tls_norm as norm
from ._sites import Judged

# how servers are told, with OpenSSL's names; the order of groups is the server's own preference
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
GROUPS = "X25519:prime256v1:secp384r1"
SIGNATURES = "ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384"
_LINES = {
    "nginx": {
        "protocols": "ssl_protocols TLSv1.2 TLSv1.3;",
        "ciphers": f"ssl_ciphers {SUITES};",
        "curves": f"ssl_ecdh_curve {GROUPS};",
        "signatures": f"ssl_conf_command SignatureAlgorithms {SIGNATURES};",
        "early_data": "ssl_early_data off;",
    },
    "apache": {
        "protocols": "SSLProtocol -all +TLSv1.2 +TLSv1.3",
        "ciphers": f"SSLCipherSuite {SUITES}",
        "curves": f"SSLOpenSSLConfCmd Groups {GROUPS}",
        "signatures": f"SSLOpenSSLConfCmd SignatureAlgorithms {SIGNATURES}",
        "early_data": "",
    },
}
_KEY_LINE = (
    "use a certificate with an ECDSA key of P-256 (certbot's default), of an authority whose own keys reach the level"
)
# what neither of these servers does, where a handshake could not show it
_NEVER = {"nginx": ("renegotiation", "compression"), "apache": ("renegotiation", "early_data")}
_SHOWN = 3  # names in one line


@dataclass(frozen=True)
class _Fault:
    """One thing that does not reach the level. setting: the field of TlsSettings that decides about it."""

    text: str
    setting: str


def level_shown(
    found: Endpoint,
    wanted: str,
    server: str,
    configured: Security | None = None,
    anchors: frozenset[bytes] = frozenset(),
) -> Judged:
    """Whether all that an endpoint accepts reaches a level.

    server: 'nginx', 'apache', or another program's name; anchors: certificates (DER) that are trusted by themselves.
    """
    if found.unseen:
        return Judged(None, f"no handshake could be made: {found.unseen}", "")
    faults = list(_faults(found, wanted, anchors))
    tls = configured.tls if configured else TlsSettings()
    if faults:
        decides = _directive(tls, faults[0].setting)
        why = "; ".join(fault.text for fault in faults)
        return Judged(False, why, decides.source if decides else "", _remedy(faults, tls, server))
    doubts = list(_doubts(found, wanted, server, tls))
    if doubts:
        return Judged(None, f"not judged: {'; '.join(doubts)}", "", "See why this cannot be asked, and audit again.")
    return Judged(True, _summary(found), "")


def _directive(tls: TlsSettings, setting: str) -> Directive | None:
    if setting == "certificates":
        return tls.certificates[0] if tls.certificates else None
    found: Directive | None = getattr(tls, setting)
    return found


def _remedy(faults: Sequence[_Fault], tls: TlsSettings, server: str) -> str:
    """The lines that mend the faults, with where they stand."""
    lines = []
    for setting in dict.fromkeys(fault.setting for fault in faults):
        if setting == "certificates":
            lines.append(_KEY_LINE)
            continue
        line = _LINES.get(server, {}).get(setting, "")
        directive = _directive(tls, setting)
        at = f"{directive.source}: write" if directive else "add"
        lines.append(f"{at} '{line}'" if line else f"switch {setting.replace('_', ' ')} off")
    return "; ".join(lines) + " (or name the site in web_tls_sites and harden)."


def _bad(kind: str, names: Iterable[str], wanted: str) -> dict[str, str]:
    """The names that do not reach a level, with the level that each has."""
    levels = {name: norm.level(kind, name) for name in names}
    return {name: level for name, level in levels.items() if not norm.reaches(level, wanted)}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _told(what: str, bad: dict[str, str]) -> str:
    """'accepts …, which is insufficient', by level."""
    by_level = {level: [name for name in bad if bad[name] == level] for level in norm.LEVELS}
    parts = [f"{_listed(names)} ({level})" for level, names in reversed(by_level.items()) if names]
    return f"accepts {what} {', '.join(parts)}"


def _faults(found: Endpoint, wanted: str, anchors: frozenset[bytes]) -> Iterator[_Fault]:
    protocols = _bad("protocol", found.accepted, wanted)
    if protocols:
        yield _Fault(_told("protocol", protocols), "protocols")
    rest = [name for protocol in found.accepted if protocol not in protocols for name in found.suites.get(protocol, ())]
    suites = _bad("suite", dict.fromkeys(rest), wanted)
    if suites:
        yield _Fault(_told("suite", suites), "ciphers")
    groups = _bad("group", found.groups or (), wanted)
    if groups:
        yield _Fault(_told("key exchange group", groups), "curves")
    if found.dh_bits is not None and found.dh_bits < norm.DH_PHASE_OUT_BITS:
        yield _Fault(f"uses a DHE group of {found.dh_bits} bits (insufficient)", "ciphers")
    hashes = _bad("hash", found.signature_hashes or (), wanted)
    if hashes:
        yield _Fault(_told("signature hash", hashes), "signatures")
    if found.ems is False:
        yield _Fault("does not support the extended master secret (RFC 7627)", "protocols")
    if found.compression:
        yield _Fault("accepts TLS compression", "protocols")
    if found.early_data:
        yield _Fault("accepts 0-RTT data, which can be replayed", "early_data")
    if found.renegotiation and wanted == norm.GOOD:
        yield _Fault("accepts renegotiation by the client", "protocols")
    yield from _certificate_faults(found, wanted, anchors)


def _certificate_faults(found: Endpoint, wanted: str, anchors: frozenset[bytes]) -> Iterator[_Fault]:
    """Keys and hashes of every certificate that is sent, but those that are trusted by themselves (guideline 3.3.2)."""
    seen = set()
    for chain in found.chains:
        for place, der in enumerate(chain):
            try:
                told = x509.certificate(der)
            except Unseen:
                continue  # a doubt
            if der in seen or (place and (told.self_signed or der in anchors)):
                continue
            seen.add(der)
            whose = "the certificate" if not place else "an intermediate certificate"
            key = norm.key_level(told.key_type, told.key_bits or 0, told.curve)
            if not norm.reaches(key, wanted):
                size = told.curve or f"{told.key_bits or '?'} bits"
                yield _Fault(f"{whose} has a key of {told.key_type} {size} ({key})", "certificates")
            hashed = norm.level("hash", told.signature_hash)
            if not norm.reaches(hashed, wanted):
                yield _Fault(f"{whose} is signed with {told.signature_hash} ({hashed})", "certificates")


def _doubts(found: Endpoint, wanted: str, server: str, tls: TlsSettings) -> Iterator[str]:
    """What could not be asked, and is not known otherwise."""
    never = [*_NEVER.get(server, ())]
    if server == "nginx" and (tls.early_data is None or tls.early_data.args[:1] == ("off",)):
        never.append("early_data")
    for what, why in found.notes.items():
        if what not in never:
            yield f"{what.replace('_', ' ')}: {why}"
    if found.renegotiation and wanted != norm.GOOD:
        yield "renegotiation: it is accepted from clients, and whether fewer than ten times was not tried"
    for chain in found.chains:
        for der in chain:
            try:
                x509.certificate(der)
            except Unseen as unseen:
                yield str(unseen)
    if found.groups is None and "groups" not in found.notes:
        yield "groups: they were not seen"


def _summary(found: Endpoint) -> str:
    """What was accepted, in one line."""
    suites = {name for names in found.suites.values() for name in names}
    key = ""
    if found.chains:
        leaf = x509.certificate(found.chains[0][0])
        key = f"; the certificate has a key of {leaf.key_type} {leaf.curve or f'{leaf.key_bits} bits'}"
    versions = " and ".join(protocol.replace("TLSv", "TLS ") for protocol in found.accepted)
    return f"accepts {versions} with {len(suites)} suites and {_listed(found.groups or [])}{key}"


# -- without a handshake -----------------------------------------------------------------------------------------------


def level_configured(host: Host, configured: Security, wanted: str, vhost: VirtualHost) -> Judged:
    """What the files tell of the level: enough only where they name protocols, suites and groups that reach it.

    More than that is no fault yet: Debian's OpenSSL refuses what nginx.conf of Debian 12 still lists.
    """
    tls = configured.tls
    listed = {
        "protocols": ("protocol", _protocols(tls.protocols)),
        "ciphers": ("suite", _suites(host, tls.ciphers, wanted)),
        "curves": ("group", _groups(tls.curves)),
    }
    for setting, (kind, names) in listed.items():
        directive = _directive(tls, setting)
        source = directive.source if directive else vhost.source
        if names is None:
            why = f"the files do not name the {setting} that are accepted; only a handshake shows them"
            return Judged(None, why, source, "Audit with audit_probe: true.")
        bad = _bad(kind, names, wanted)
        if bad:
            why = f"the {setting} listed are more than the level allows ({_listed(list(bad))})"
            why += "; whether they are accepted only a handshake shows"
            return Judged(None, why, source, "Audit with audit_probe: true.")
    return Judged(True, "the files name protocols, suites and groups of the level only", vhost.source)


def _protocols(directive: Directive | None) -> list[str] | None:
    """The protocols that ssl_protocols or SSLProtocol lists."""
    if directive is None:
        return None
    words = [word.lower() for word in directive.args]
    if directive.name == "ssl_protocols":
        return list(directive.args)
    if any(word.lstrip("+") == "all" for word in words) or not words:
        return None
    names = {"tlsv1.2": "TLSv1.2", "tlsv1.3": "TLSv1.3"}
    return [names.get(word.lstrip("+"), word) for word in words if not word.startswith("-")]


def _suites(host: Host, directive: Directive | None, wanted: str) -> list[str] | None:
    """The suites before TLS 1.3 that OpenSSL makes of an expression; those of TLS 1.3 are all sufficient, not good."""
    if directive is None or not directive.args or wanted == norm.GOOD:
        return None
    try:
        told = host.run("openssl", "ciphers", "-s", "-tls1_2", directive.args[-1])
    except Unseen:
        return None
    return [name for name in told.stdout.strip().split(":") if name]


def _groups(directive: Directive | None) -> list[str] | None:
    if directive is None or not directive.args or directive.args[-1] == "auto":
        return None
    return [name.lstrip("?*-") for name in directive.args[-1].replace("/", ":").split(":") if name]
