# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom Postfix lets hand in mail without a login, by the restrictions of a service.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._host import Host, Unseen
from .postfix import Postfix, Service
from .postfix_tables import rows, words

# what a client may hand in: nothing, mail for the server's own domains, any
REFUSED, OWN, ALL = 0, 1, 2
LISTS = ("client", "sender", "relay", "recipient")  # those of helo can be left out by a client that says none
_REFUSING = ("reject", "defer", "reject_plaintext_session")
_LIMITING = ("reject_unauth_destination", "defer_unauth_destination")
_OWN = ("permit_auth_destination", "permit_mx_backup")
# they need a login, a certificate that only TLS carries, or an address of the host itself
_NOT_PLAIN = (
    "permit_sasl_authenticated",
    "permit_tls_clientcerts",
    "permit_tls_all_clientcerts",
    "permit_inet_interfaces",
)
_WITH_WORD = re.compile(r"check_|reject_rbl_client$|reject_rhsbl_|permit_dnswl_client$|permit_rhswl_client$|sleep$")
# actions of access(5) that let nobody in who would be kept out
_NOT_LETTING = re.compile(
    r"(?i)(reject|defer|defer_if_\w+|discard|dunno|hold|filter|info|warn|prepend|redirect|bcc|[45]\d\d)\b|reject_\w+$"
)


@dataclass(frozen=True)
class Bound:
    """A list lets a client hand in no more than this. doubts: restrictions before it that may let in all the same."""

    reach: int
    key: str
    doubts: tuple[str, ...] = ()


def bound(host: Host, sender: Postfix, service: Service, enough: int, *, inside: bool) -> Bound:
    """What a client without a login may hand in at most: a bound that is enough, if there is one, sure ones first.

    inside: a client of mynetworks.
    """
    found = [one for key in LISTS for one in _walk(service, f"smtpd_{key}_restrictions", inside)]
    good = [one for one in found if one.reach <= enough]
    for one in good:
        if not one.doubts:
            return one
    for one in good:
        left = tuple(doubt for doubt in one.doubts if _lets(host, sender, doubt))
        if not left:
            return Bound(one.reach, one.key)
    if good:
        return good[0]
    return min((one for one in found if not one.doubts), key=lambda one: one.reach, default=Bound(ALL, ""))


def _walk(service: Service, key: str, inside: bool) -> Iterator[Bound]:
    """What one list says, from its first restriction to the one that lets the client in."""
    least = REFUSED
    doubts: list[str] = []
    for word, following in _restrictions(service.get(key)):
        if word == "permit" or (word == "permit_mynetworks" and inside):
            return
        if word in _REFUSING:
            yield Bound(least, key, tuple(doubts))
            return
        if word in _LIMITING:
            yield Bound(OWN, key, tuple(doubts))
        elif word in _OWN:
            least = OWN
        elif word not in _NOT_PLAIN and word != "permit_mynetworks" and not word.startswith(("reject_", "sleep")):
            doubts.append(f"{word} {following}".strip())


def _restrictions(text: str) -> Iterator[tuple[str, str]]:
    """The restrictions of a list, each with the word that belongs to it."""
    left = words(text)
    while left:
        word = left.pop(0)
        if word.lower() == "warn_if_reject":
            if left and _WITH_WORD.match(left.pop(0)) and left:
                left.pop(0)
            continue
        if ":" in word:
            yield "check_access", word
        else:
            yield word.lower(), left.pop(0) if _WITH_WORD.match(word.lower()) and left else ""


def _lets(host: Host, sender: Postfix, doubt: str) -> bool:
    """Whether a restriction may let in who would be refused otherwise."""
    word, _blank, table = doubt.partition(" ")
    if not (word.startswith("check_") and word.endswith("_access")):
        return True
    try:
        return any(not _NOT_LETTING.match(value) for _key, value in rows(host, sender, table))
    except Unseen:
        return True
