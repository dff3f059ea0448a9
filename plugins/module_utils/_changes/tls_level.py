# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What NCSC-NL's guidelines for TLS (2025-05) ask, as lists of what to offer.

PRIVATE to the collection.
"""

from __future__ import annotations

import re

from .._host import Host
from .sites import GOOD, Wanted

# what NCSC-NL (2025-05) calls sufficient, by the names of OpenSSL; what it calls good is a part of TLS 1.3
SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
GOOD_SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
# without such a list OpenSSL agrees to SHA-224, too, with clients that offer nothing better
SIGNATURES = (
    *("ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512", "ed25519", "ed448"),
    *("RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512", "RSA+SHA256", "RSA+SHA384", "RSA+SHA512"),
)
_POST_QUANTUM = "X25519MLKEM768"
_GROUPS = ("X25519", "prime256v1", "secp384r1")
_SUFFICIENT_GROUPS = {
    *("x25519", "x448", "prime256v1", "secp256r1", "p-256", "secp384r1", "p-384", "secp521r1", "p-521"),
    *("x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024"),
}
_GOOD_GROUPS = {"x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024"}


def knows_post_quantum(host: Host) -> bool:
    """Whether OpenSSL has groups for the exchange of keys that withstand quantum computers (3.5). Raises Unseen."""
    version = re.search(r"OpenSSL (\d+)\.(\d+)", host.run("openssl", "version").stdout)
    return version is not None and (int(version[1]), int(version[2])) >= (3, 5)


def groups(host: Host, wanted: Wanted) -> list[str]:
    """The groups for the exchange of keys to offer, the best first. Raises Unseen."""
    best = [_POST_QUANTUM] if knows_post_quantum(host) else []
    if wanted.level == GOOD:
        return best or ["X25519"]
    return [*best, *_GROUPS]


def groups_reach(value: str, wanted: Wanted) -> bool:
    """Whether all groups of a list reach the level."""
    allowed = _GOOD_GROUPS if wanted.level == GOOD else _SUFFICIENT_GROUPS
    return all(group.lstrip("*?").lower() in allowed for group in re.split(r"[:/]", value))


def signatures_reach(value: str) -> bool:
    """Whether no signature of a list is made with a weak hash."""
    return re.search(r"(?i)(md5|sha-?1|sha-?224)(:|$)", value) is None


def suites_reach(host: Host, value: str) -> bool:
    """Whether all TLS 1.2 suites that a list stands for are sufficient. Raises Unseen."""
    result = host.run("openssl", "ciphers", "-s", "-tls1_2", value, ok=(0, 1))
    names = result.stdout.strip().split(":")
    return result.rc == 0 and all(name in SUITES or name.startswith("TLS_") for name in names)
