# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, the norm: what NCSC-NL's 'IT Security Guidelines for Transport Layer Security' of 2025-05 calls what.

As Internet.nl 1.11 reads the guidelines for websites. What is in no list here is insufficient. Names are OpenSSL's.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SOURCE = "NCSC-NL TLS 2025-05"

GOOD, SUFFICIENT, PHASE_OUT, INSUFFICIENT = "good", "sufficient", "to be phased out", "insufficient"
LEVELS = (GOOD, SUFFICIENT, PHASE_OUT, INSUFFICIENT)  # best first

# guideline 3.3.1
_PROTOCOLS = {GOOD: "TLSv1.3", SUFFICIENT: "TLSv1.2"}
# appendix B, from 3.3.3 and 3.3.4
_SUITES = {
    GOOD: "TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256",
    SUFFICIENT: "TLS_AES_128_GCM_SHA256 TLS_AES_128_CCM_SHA256 "
    "ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-CCM "
    "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-CCM "
    "ECDHE-RSA-CHACHA20-POLY1305 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256",
}
_OLD_SUITES = re.compile(
    r"ECDHE-(ECDSA|RSA)-((AES|CAMELLIA)(128-SHA256|256-SHA384)|ARIA(128|256)-(CBC-)?(GCM-)?SHA(256|384)"
    r"|CAMELLIA(128|256)-(GCM-)?SHA(256|384))|ECDHE-ARIA(128|256)-GCM-SHA(256|384)"
    r"|DHE-RSA-(CHACHA20-POLY1305|(AES|CAMELLIA|ARIA)(128|256)-((CBC-|GCM-)?SHA(256|384)|CCM))"
)
# guideline 3.3.3.1; hybrids of a curve and ML-KEM keep what is recorded today from the computers of tomorrow
_GROUPS = {
    GOOD: "X25519MLKEM768 SecP256r1MLKEM768 SecP384r1MLKEM1024",
    SUFFICIENT: "prime256v1 secp384r1 secp521r1 X25519 X448 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1 "
    "brainpoolP256r1tls13 brainpoolP384r1tls13 brainpoolP512r1tls13",
    PHASE_OUT: "secp224r1 ffdhe3072 ffdhe4096 ffdhe6144 ffdhe8192",
}
# guideline 3.3.5, of the key exchange's signature and of certificates; 3.3.2.1, of certificates' keys. Nothing better
# than these is named, so they reach both levels.
_HASHES = {GOOD: "SHA-256 SHA-384 SHA-512 SHAKE256 SHA256 SHA384 SHA512", PHASE_OUT: "SHA-224 SHA224"}
_CURVES = {
    GOOD: "prime256v1 secp256r1 P-256 secp384r1 P-384 secp521r1 P-521 brainpoolP256r1 brainpoolP384r1 brainpoolP512r1",
    PHASE_OUT: "secp224r1 P-224",
}
_EDWARDS = ("Ed25519", "Ed448")
RSA_BITS, RSA_PHASE_OUT_BITS = 3072, 2048
DH_PHASE_OUT_BITS = 3072


def _by_name(table: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): level for level, names in table.items() for name in names.split()}


_LEVEL_OF = {
    kind: _by_name(table)
    for kind, table in (
        ("protocol", _PROTOCOLS), ("suite", _SUITES), ("group", _GROUPS), ("hash", _HASHES), ("curve", _CURVES),
    )
}  # fmt: skip


def level(kind: str, name: str) -> str:
    """The level of a 'protocol', 'suite', 'group', 'hash' or 'curve'."""
    told = _LEVEL_OF[kind].get(name.lower())
    if told is None and kind == "suite" and _OLD_SUITES.fullmatch(name):
        return PHASE_OUT
    return told or INSUFFICIENT


def key_level(key_type: str, bits: int, curve: str) -> str:
    """The level of a certificate's key: its type ('RSA', 'EC', 'Ed25519', …), bits, and the name of its curve."""
    if key_type.upper().startswith("RSA"):
        return GOOD if bits >= RSA_BITS else PHASE_OUT if bits >= RSA_PHASE_OUT_BITS else INSUFFICIENT
    if key_type.upper() in ("EC", "ECDSA"):
        return level("curve", curve)
    return GOOD if key_type in _EDWARDS else INSUFFICIENT


def worst(levels: Iterable[str]) -> str:
    """The worst of some levels, GOOD of none."""
    return max(levels, key=LEVELS.index, default=GOOD)


def reaches(found: str, wanted: str) -> bool:
    """Whether one level is as good as another."""
    return LEVELS.index(found) <= LEVELS.index(wanted)
