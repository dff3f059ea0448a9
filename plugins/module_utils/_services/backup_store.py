# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of restic that a machine holds for others, and what those others may do to them.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen
from . import accounts, authorized_keys, sshd
from .accounts import Account
from .authorized_keys import Key

# where repositories lie, beside the homes of accounts and what forced commands name
_PLACES = (
    "/srv/*",
    "/srv/*/*",
    "/srv/*/*/*",
    "/backup/*",
    "/backups/*",
    "/data/*",
    "/mnt/*",
    "/mnt/*/*",
    "/var/backups/*",
)
_HOMES = ("/home/", "/srv/", "/var/lib/", "/var/backups/", "/backup", "/data/", "/mnt/", "/opt/")
_PARTS = ("config", "data", "index", "keys", "snapshots")
_MOST = 200  # repositories that are looked at


@dataclass(frozen=True)
class Way:
    """A way to put backups here. append_only: whether it can do nothing but add; None where that cannot be told."""

    subject: str
    append_only: bool | None
    words: str
    source: str


def ways(host: Host) -> list[Way]:
    """Every way that is known to a repository here. Raises Unseen."""
    return host.once("ways to repositories", lambda: list(_ways(host)))


def _ways(host: Host) -> Iterator[Way]:
    yield from _rest_servers(host)
    known = accounts.accounts(host).by_name
    keys = {name: _keys(host, account) for name, account in known.items() if account.uid}
    owners = _owners(host, known, [path for found in keys.values() for path in map(served, found) if path])
    for name, account in known.items():
        found = keys.get(name, [])
        own = sorted(path for path, names in owners.items() if name in names)
        if not own and not any(_command(key) and served(key) for key in found):
            continue
        forced, elsewhere = _set(host, "forcecommand", account), _set(host, "authorizedkeyscommand", account)
        yield from (_way(account, key, own, forced) for key in found)
        if elsewhere:
            yield Way(
                f"account {name}", None, "a program tells sshd its keys, and which these are is not known", elsewhere
            )
        if not found and account.password != accounts.USABLE:
            continue
        if account.password == accounts.USABLE:
            words = "the account has a password, with which one may log in and do anything"
            yield Way(f"account {name}", None if _passwords_refused(host) else False, words, "/etc/shadow")


def _set(host: Host, keyword: str, account: Account) -> str:
    """Where sshd is told something for an account, from wherever it comes; '' where it is not. Raises Unseen."""
    for server in sshd.servers(host)[0]:
        for at in sshd.circumstances(host, server):
            if sshd.effective(host, server, account, at).get(keyword, ["none"])[0].lower() != "none":
                return sshd.decides(host, server, keyword, account, at)
    return ""


def _way(account: Account, key: Key, own: Sequence[str], forced: str) -> Way:
    """What a key lets its holder do."""
    subject = f"account {account.name}"
    command = _command(key)
    if not command and forced:
        return Way(subject, None, "sshd itself forces a command, and what that may do is not known", forced)
    where = f" to {own[0]}" if own else ""
    if not command:
        return Way(subject, False, f"a key gives a login{where}, which can remove what is there", key.source)
    path = served(key)
    if not path:
        return Way(subject, None, "a key runs a command of its own, and what that may do is not known", key.source)
    flags = _words(command)
    if "--append-only" not in flags:
        return Way(subject, False, f"a key may remove what is in {path}: --append-only is missing", key.source)
    if "restrict" not in key.options and not {"no-port-forwarding", "no-pty"} <= set(key.options):
        return Way(subject, None, "a key may only add, but forward ports too: restrict is missing", key.source)
    if "SSH_ORIGINAL_COMMAND" in command or re.search(r"[;&|`$]", command):
        return Way(subject, None, "a key runs more than one command, and what they may do is not known", key.source)
    return Way(subject, True, f"a key may only add to {path} (rclone serve restic --append-only)", key.source)


def _command(key: Key) -> str:
    return "".join(key.options.get("command", ())[:1])


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def served(key: Key) -> str:
    """The directory that a key's forced command serves with rclone; '' for any other."""
    words = _words(_command(key))
    named = [word for word in words[1:] if not word.startswith("-")]
    if not words or os.path.basename(words[0]) != "rclone" or named[:2] != ["serve", "restic"]:
        return ""
    return next((word for word in named[2:] if word.startswith("/")), named[-1] if len(named) > 2 else "")


def _keys(host: Host, account: Account) -> list[Key]:
    """The keys that an account may log in with, by every file that sshd may look in. Raises Unseen."""
    files = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
    for server in sshd.servers(host)[0]:
        files += [
            word
            for directive in sshd.directives(host, server)
            if directive.keyword == "authorizedkeysfile"
            for word in directive.value.split()
        ]
    return [key for key in authorized_keys.keys(host, list(dict.fromkeys(files)), account) if not key.expired(host.now)]


def _passwords_refused(host: Host) -> bool:
    """Whether no sshd takes passwords, by its plain settings."""
    for server in sshd.servers(host)[0]:
        settings = sshd.plain(host, server)
        if settings.get("passwordauthentication", ("yes",))[0] != "no":
            return False
    return True


def _owners(host: Host, known: Mapping[str, Account], more: Sequence[str]) -> dict[str, set[str]]:
    """The repositories here, each with the accounts other than root that may change its files."""
    homes = [account.home for account in known.values() if account.uid and account.home.startswith(_HOMES)]
    patterns = [*_PLACES, *more, *(f"{one}/*" for one in more), *homes, *(f"{home}/*" for home in homes)]
    found: dict[str, set[str]] = {}
    for pattern in dict.fromkeys(patterns):
        for path in host.glob(pattern):
            if len(found) > _MOST:
                raise Unseen(f"there are more than {_MOST} repositories")
            if is_repository(host, path):
                status = host.stat(f"{path}/snapshots")
                if status is not None:
                    found[path] = {
                        account.name
                        for account in known.values()
                        if account.uid and (account.uid == status.st_uid or status.st_mode & 0o002)
                    }
    return found


def is_repository(host: Host, path: str) -> bool:
    """Whether a directory is a repository of restic."""
    try:
        return all(host.stat(f"{path}/{part}") is not None for part in _PARTS)
    except Unseen:
        return False


def _rest_servers(host: Host) -> Iterator[Way]:
    for process in host.processes():
        if os.path.basename(process.program) in ("rest-server", "rclone") and not process.contained:
            words = list(process.argv)
            if "rclone" in words[0] and (words[1:3] != ["serve", "restic"] or "--stdio" in words):
                continue
            name = os.path.basename(words[0])
            safe = "--append-only" in words
            said = "with" if safe else "without"
            yield Way(name, safe, f"{name} runs {said} --append-only", f"process {name}")
