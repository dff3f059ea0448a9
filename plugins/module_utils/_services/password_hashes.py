# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passwords that accounts have: how they are hashed, whether two share one, and when they must be changed.

A hash never leaves this file.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._host import Host, Unseen

MEMORY_HARD, ADAPTIVE, SALTED, OLD, EMPTY, UNKNOWN = "memory_hard", "adaptive", "salted", "old", "empty", "unknown"
PASSWD, SHADOW, LOGIN_DEFS = "/etc/passwd", "/etc/shadow", "/etc/login.defs"
_OF_PAM = ("ENCRYPT_METHOD",)  # keys of login.defs that PAM reads
NEVER = 10_000  # days: who must change a password after 27 years need not change it
BCRYPT_COST = 10  # OWASP Password Storage Cheat Sheet, bcrypt: a work factor of 10 at least
# what hashes of each kind begin with (crypt(5)), how they are called, and how hard they are to guess
_KINDS = (
    (re.compile(r"\$y\$"), "yescrypt", MEMORY_HARD),
    (re.compile(r"\$gy\$"), "gost-yescrypt", MEMORY_HARD),
    (re.compile(r"\$7\$"), "scrypt", MEMORY_HARD),
    (re.compile(r"\$2[aby]\$"), "bcrypt", ADAPTIVE),
    (re.compile(r"\$2x\$"), "bcrypt with its old fault", OLD),
    (re.compile(r"\$6\$"), "SHA-512 crypt", SALTED),
    (re.compile(r"\$5\$"), "SHA-256 crypt", SALTED),
    (re.compile(r"\$sha1\$"), "SHA-1 crypt", OLD),
    (re.compile(r"\$(1|md5)[$,]"), "MD5 crypt", OLD),
    (re.compile(r"\$3\$"), "NT hash", OLD),
    (re.compile(r"_[./0-9A-Za-z]{19}$"), "extended DES", OLD),
    (re.compile(r"[./0-9A-Za-z]{13}$"), "DES", OLD),
)
# which strengths will do where one is asked
ENOUGH = {
    "memory_hard": (MEMORY_HARD,),
    "adaptive": (MEMORY_HARD, ADAPTIVE),
    "salted": (MEMORY_HARD, ADAPTIVE, SALTED),
}
# methods as pam_unix and login.defs name them
METHODS = {
    "yescrypt": MEMORY_HARD, "gost_yescrypt": MEMORY_HARD, "blowfish": ADAPTIVE, "sha512": SALTED,
    "sha256": SALTED, "md5": OLD, "bigcrypt": OLD, "des": OLD,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """The password of one account. kind: its hash's name; strength: MEMORY_HARD … UNKNOWN; source: 'file:line'.

    shared_with: accounts with the same hash; max_days: after how many days it must be changed, None for never.
    """

    account: str
    kind: str
    strength: str
    source: str
    shared_with: tuple[str, ...] = ()
    max_days: int | None = None


def passwords(host: Host) -> list[Stored]:
    """The passwords with which accounts of this host can log in: those that are not locked. Raises Unseen."""
    rows = [*_rows(host, PASSWD, 7), *_rows(host, SHADOW, 8)]
    accounts = {row[0] for path, _number, row in rows if path == PASSWD}
    owners: dict[str, list[str]] = {}
    for _path, _number, row in rows:
        if _usable(row[1]) and row[1]:
            owners.setdefault(row[1], []).append(row[0])
    found = []
    for path, number, row in rows:
        if row[0] in accounts and _usable(row[1]):
            kind, strength = _kind(row[1])
            others = tuple(sorted(set(owners.get(row[1], ())) - {row[0]}))
            days = _days(row[4]) if path == SHADOW else None
            found.append(Stored(row[0], kind, strength, f"{path}:{number}", others, days))
    return found


def readable_by_all(host: Host) -> str:
    """The file of hashes that everybody can read; '' where none is. Raises Unseen."""
    for path in (SHADOW, f"{SHADOW}-"):
        status = host.stat(path)
        if status is not None and status.st_mode & 0o004:
            return path
    return ""


def login_defs(host: Host, key: str) -> tuple[str, str]:
    """The value of a key of /etc/login.defs and its 'file:line'; ('', the file) where it is not set. Raises Unseen.

    Where it is set more than once, PAM goes by the first line, and useradd by the last.
    """
    value, source = "", LOGIN_DEFS
    if host.stat(LOGIN_DEFS) is not None:
        for number, line in enumerate(host.read(LOGIN_DEFS).splitlines(), 1):
            words = line.partition("#")[0].split(None, 1)
            if len(words) == 2 and words[0] == key and not (value and key in _OF_PAM):
                value, source = words[1].strip().strip('"'), f"{LOGIN_DEFS}:{number}"
    return value, source


def _rows(host: Host, path: str, fields: int) -> Iterator[tuple[str, int, list[str]]]:
    for number, line in enumerate(host.read(path).splitlines(), 1):
        if line and not line.startswith(("#", "+", "-")):
            row = line.split(":")
            if len(row) < fields:
                raise Unseen(f"{path}:{number} is no line of accounts")
            yield path, number, row


def _usable(field: str) -> bool:
    """Whether some password fits: not 'x' (it stands in shadow), not locked, not '*'."""
    return not field.startswith(("!", "*")) and field != "x"


def _kind(secret: str) -> tuple[str, str]:
    if not secret:
        return "empty", EMPTY
    for begins, name, strength in _KINDS:
        if begins.match(secret):
            if name == "bcrypt" and int((re.match(r"\$2.\$(\d\d)\$", secret) or [0, 0])[1]) < BCRYPT_COST:
                return f"bcrypt with a cost below {BCRYPT_COST}", OLD
            return name, strength
    return "a kind that is not known", UNKNOWN


def _days(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) < NEVER else None
