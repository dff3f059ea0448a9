# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts of a host: who is there, in which groups, and whether a password or a date keeps them out.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._host import Host, Unseen

USABLE, EMPTY, LOCKED, NONE, UNKNOWN = "usable", "empty", "locked", "none", "unknown"
_FILES = frozenset(["files", "compat", "systemd", "altfiles"])  # sources whose accounts can all be listed
_HASH = re.compile(r"\$|_|[./0-9A-Za-z]{13}$")  # what crypt(3) may have made


@dataclass(frozen=True)
class Account:
    """One account. groups: names of all groups; password: USABLE, EMPTY, LOCKED ('!'), NONE ('*') or UNKNOWN.

    expired: its end date (of /etc/shadow) is over; local: it stands in /etc/passwd.
    """

    name: str
    uid: int
    home: str
    shell: str
    groups: frozenset[str]
    password: str
    expired: bool = False
    local: bool = True


@dataclass(frozen=True)
class Accounts:
    """All accounts that can be listed, by name. unlisted: the sources whose accounts cannot be."""

    by_name: Mapping[str, Account]
    unlisted: tuple[str, ...] = ()


def accounts(host: Host) -> Accounts:
    """The host's accounts. Raises Unseen."""
    return host.once("accounts", lambda: _accounts(host))


def _accounts(host: Host) -> Accounts:
    sources = _sources(host, "passwd") | _sources(host, "group")
    foreign = sorted(sources - _FILES)
    text, groups = host.read("/etc/passwd"), host.read("/etc/group")
    if any(line.startswith(("+", "-")) for line in text.splitlines()):
        foreign.append("nis (+ in /etc/passwd)")
    local = {row[0] for row in _rows(text, 7)}
    if foreign or _has_records(host):
        text, groups = host.run("getent", "passwd").stdout, host.run("getent", "group").stdout
    named, members = _memberships(groups)
    text += _named_only(host, text, members) if foreign else ""
    shadow = {row[0]: row for row in reversed(_rows(host.read("/etc/shadow"), 8))}
    today = host.now.timestamp() // 86400
    found: dict[str, Account] = {}
    for name, field, uid, gid, _gecos, home, shell in _rows(text, 7):
        if name not in found and uid.isdigit():
            # only an x sends PAM to /etc/shadow
            row = [name, field, *[""] * 6] if name in local and field != "x" else shadow.get(name)
            belongs = {named.get(gid, gid), *(group for group, names in members.items() if name in names)}
            password, expired = _shadow(row, today)
            found[name] = Account(
                name, int(uid), home, shell or "/bin/sh", frozenset(belongs), password, expired, local=name in local
            )  # fmt: skip
    return Accounts(found, tuple(foreign))


def _has_records(host: Host) -> bool:
    """Whether systemd knows accounts that stand in no file of ours."""
    records = [path for directory in ("/etc/userdb", "/run/userdb") for path in host.glob(f"{directory}/*.user")]
    return bool(records) or any(process.name == "systemd-homed" for process in host.processes())


def _sources(host: Host, database: str) -> set[str]:
    """Where the host looks for accounts or groups, by nsswitch.conf."""
    try:
        text = host.read("/etc/nsswitch.conf")
    except Unseen:
        return {"files"}
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    told = next((line.partition(":")[2] for line in lines if re.match(rf"{database}\s*:", line)), "files")
    return set(re.sub(r"\[[^]]*\]", " ", told).split())


def _memberships(text: str) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Group's name by its number, and members by group's name, of lines as in /etc/group."""
    named: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for name, _x, number, listed in _rows(text, 4):
        named.setdefault(number, name)
        members.setdefault(name, set()).update(filter(None, listed.split(",")))
    return named, members


def _named_only(host: Host, text: str, members: Mapping[str, Iterable[str]]) -> str:
    """The lines of accounts that a group names but no list holds."""
    listed = {row[0] for row in _rows(text, 7)}
    missing = sorted({name for names in members.values() for name in names} - listed)
    return "\n" + host.run("getent", "passwd", *missing, ok=(0, 2)).stdout if missing else ""


def _rows(text: str, fields: int) -> list[list[str]]:
    """The lines of a colon-separated file, cut or filled to so many fields."""
    rows = [line.split(":") for line in text.splitlines() if line and not line.startswith(("#", "+", "-"))]
    return [(row + [""] * fields)[:fields] for row in rows]


def _shadow(row: list[str] | None, today: float) -> tuple[str, bool]:
    """What a line of /etc/shadow says of the password, and whether the account's last day is over."""
    if row is None:
        return UNKNOWN, False
    secret, ends = row[1], row[7]
    expired = ends.isdigit() and today > int(ends)
    if not secret:
        return EMPTY, expired
    if secret.startswith("!"):
        return LOCKED, expired
    return (USABLE if _HASH.match(secret) else NONE), expired
