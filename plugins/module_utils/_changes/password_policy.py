# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role password_policy changes: which new passwords are taken, and how they are hashed.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .._change import ChangeError, Planned, Transaction
from .._host import Host, Unseen
from .._services import new_passwords, pam, password_hashes
from .._services.new_passwords import (
    CLASS_KEYS,
    CONF,
    LETTERS,
    QUALITY,
    SOMEBODY,
    UNIX,
    Setting,
    pwquality_files,
    pwquality_line,
)
from .._services.pam import Rule
from .._services.password_hashes import NEVER

DROP_IN = f"{CONF}.d/99-privacy-hosting.conf"
DICTIONARY = "/var/cache/cracklib/cracklib_dict.pwd"  # Debian's, of cracklib-runtime
_ROOM = 1000  # bytes; libpwquality 1.4.5 does not read on after a line of more than 1,023
_METHOD = "yescrypt"
# Words that common passwords are made of, as people write them and with the usual digits for letters.
_WORDS = (
    "password", "passw0rd", "p@ssword", "p@ssw0rd", "wachtwoord", "w@chtwoord", "welkom", "welcome", "iloveyou",
    "qwerty", "azerty", "qazwsx", "1q2w3e", "1qaz2wsx", "letmein", "changeme", "administrator", "geheim", "secret",
    "hosting", "server", "football", "voetbal", "sunshine", "princess", "monkey", "dragon", "superman", "january",
    "januari", "zomer", "summer", "winter", "12345", "54321", "11111", "00000", "abcde",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is promised of passwords. length: characters; method: strengths of hashes that will do."""

    length: int = 15
    blocklist: bool = True
    free_choice: bool = True
    hashes: tuple[str, ...] = ("memory_hard",)
    words: tuple[str, ...] = ()


def can_judge(host: Host) -> bool:
    """Whether pam_pwquality is there, and the dictionary without which it refuses every password."""
    return pam.installed(host, QUALITY) and host.stat(DICTIONARY) is not None


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Planned:
    """Fill the transaction. Raises Unseen, ChangeError."""
    _check_words(wanted)
    warnings: list[str] = []
    settings = new_passwords.settings(host)
    desired = _desired(host, settings, wanted)
    _write_drop_in(transaction, desired)
    for path in pwquality_files(host):
        if os.path.basename(path) > os.path.basename(DROP_IN) or path == CONF:
            _correct(host, transaction, path, desired)
    for setting in settings:
        warnings += _correct_stack(host, transaction, setting, desired, wanted)
    _correct_login_defs(host, transaction, settings, wanted)
    if settings and any(guard.module == QUALITY for setting in settings for guard in setting.guards):
        transaction.judges.append(_proven)
    return Planned({}, [*dict.fromkeys(warnings), *_told(host, wanted)])


def _check_words(wanted: Wanted) -> None:
    for word in wanted.words:
        if not re.fullmatch(r"[^\s#]{4,}", word):
            raise ChangeError(f"words: '{word}' is no word of four characters or more, without blanks and '#'")


# -- libpwquality -----------------------------------------------------------------------------------------------------


def _desired(host: Host, settings: list[Setting], wanted: Wanted) -> dict[str, str]:
    """The settings that shall count; '' is that of one without a value. What is stricter already stays."""
    now = _in_effect(host, settings)
    length = max([wanted.length, *(int(n) for n in [now.get("minlen", "")] if n.isdigit())])
    desired = {"minlen": str(length), "enforcing": "1", "enforce_for_root": ""}
    if wanted.blocklist:
        kept = now.get("badwords", "").split()
        words = list(dict.fromkeys([*kept, *wanted.words, *_WORDS]))
        desired.update({"dictcheck": "1", "usercheck": "1", "badwords": " ".join(words)})
        if len(f"badwords = {desired['badwords']}".encode()) > _ROOM:
            raise ChangeError(
                f"{CONF}: badwords and password_policy_words have no room in {_ROOM} bytes; leave some out"
            )
    if wanted.free_choice:
        desired.update(dict.fromkeys(CLASS_KEYS, "0"))
    return desired


def _in_effect(host: Host, settings: list[Setting]) -> dict[str, str]:
    """What is set now, by key."""
    found: dict[str, str] = {}
    for path in pwquality_files(host):
        found.update(pwquality_line(line) for line in host.read(path).splitlines())
    for setting in settings:
        for guard in setting.guards:
            found.update(pwquality_line(word) for word in guard.arguments if guard.module == QUALITY)
    return found


def _write_drop_in(transaction: Transaction, desired: Mapping[str, str]) -> None:
    transaction.directory(os.path.dirname(DROP_IN))
    lines = ["# Written by privacy.hosting.password_policy; pwquality.conf, which is read after it, counts more."]
    lines += [f"{key} = {value}" if value else key for key, value in desired.items()]
    transaction.write(DROP_IN, "\n".join(lines) + "\n", 0o644)


def _correct(host: Host, transaction: Transaction, path: str, desired: Mapping[str, str]) -> None:
    """Make the lines of a file that is read after ours say the same as ours."""
    lines = []
    for line in host.read(path).splitlines():
        key, value = pwquality_line(line)
        differs = key in desired and value != desired[key]
        lines.append(f"{key} = {desired[key]}".removesuffix(" = ") if differs else line)
    transaction.write(path, "\n".join(lines) + "\n")


# -- PAM --------------------------------------------------------------------------------------------------------------


def _correct_stack(
    host: Host, transaction: Transaction, setting: Setting, desired: Mapping[str, str], wanted: Wanted
) -> Iterator[str]:
    """Edit the lines of a stack that say otherwise; a warning for what has to be done by hand."""
    guards = [guard for guard in setting.guards if guard.module == QUALITY]
    for guard in guards:
        words = [
            w
            for w in guard.arguments
            if desired.get(pwquality_line(w)[0], pwquality_line(w)[1]) != pwquality_line(w)[1]
        ]
        if words:
            yield from _edit(transaction, guard, dict.fromkeys(words, ""))
    if not guards and can_judge(host):
        yield from _insert(transaction, setting)
    unix = next((rule for rule in setting.stores if rule.module == UNIX), None)
    if unix is not None:
        method = new_passwords.hash_method(setting)[0]
        if method and new_passwords.hash_strength(setting, method) not in wanted.hashes:
            yield from _edit(transaction, unix, {method: _METHOD})


def _edit(transaction: Transaction, rule: Rule, words: Mapping[str, str]) -> Iterator[str]:
    """Replace words of a rule's line, or take them out."""
    path, _colon, number = rule.source.rpartition(":")
    lines = transaction.look(os.path.realpath(path)).data.decode("utf-8", "surrogateescape").split("\n")
    line = lines[int(number) - 1]
    for old, new in words.items():
        edited = re.sub(rf"(\s){re.escape(old)}(?=\s|$)", rf"\g<1>{new}" if new else "", line)
        if edited == line:
            yield f"{rule.source}: edit it by hand: {f'write {new} for {old}' if new else f'take {old} out'}"
        line = edited
    lines[int(number) - 1] = line
    transaction.write(path, "\n".join(lines))


def _insert(transaction: Transaction, setting: Setting) -> Iterator[str]:
    """Put pam_pwquality before what keeps the password, where no rule before it jumps."""
    store = setting.stores[0]
    before = setting.rules[: setting.rules.index(store)]
    path, _colon, number = store.source.rpartition(":")
    added = f"password\trequisite\t\t\t{QUALITY} retry=3"
    if any(action.isdigit() for rule in before for action in rule.actions.values()):
        yield f"{store.source}: a rule before it jumps; add by hand, where it is always reached: {added.expandtabs(1)}"
        return
    lines = transaction.look(os.path.realpath(path)).data.decode("utf-8", "surrogateescape").split("\n")
    if added not in lines:
        lines.insert(int(number) - 1, added)
        transaction.write(path, "\n".join(lines))


# -- login.defs -------------------------------------------------------------------------------------------------------


def _correct_login_defs(host: Host, transaction: Transaction, settings: list[Setting], wanted: Wanted) -> None:
    if wanted.free_choice:
        days, source = password_hashes.login_defs(host, "PASS_MAX_DAYS")
        if days.isdigit() and int(days) < NEVER:
            _set_login_def(transaction, source, "PASS_MAX_DAYS", "99999")
    silent = [setting for setting in settings if not new_passwords.hash_method(setting)[0]]
    if silent:
        method, source = password_hashes.login_defs(host, "ENCRYPT_METHOD")
        made = {new_passwords.hash_strength(setting, method.lower() or "des") for setting in silent}
        if not made <= set(wanted.hashes):
            _set_login_def(transaction, source, "ENCRYPT_METHOD", _METHOD.upper())


def _set_login_def(transaction: Transaction, source: str, key: str, value: str) -> None:
    """source: '/etc/login.defs:12' of the line that sets the key, or the file alone where none does."""
    path, _colon, number = source.rpartition(":")
    text = transaction.look(os.path.realpath(path or source)).data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if path:
        lines[int(number) - 1] = f"{key}\t{value}"
    else:
        lines.insert(len(lines) - 1, f"{key}\t{value}")
    transaction.write(path or source, "\n".join(lines))


# -- proofs -----------------------------------------------------------------------------------------------------------


def _proven() -> str:
    """What is wrong with what new passwords meet now; '' if a long one is taken, or that cannot be told."""
    host = Host()
    try:
        for setting in new_passwords.settings(host):
            if not all(new_passwords.takes(host, setting, LETTERS, SOMEBODY, root) for root in (False, True)):
                lacks = "" if host.stat(DICTIONARY) else "; the package cracklib-runtime is missing"
                return f"no password would be taken any more, not even {len(LETTERS)} letters{lacks} ({setting.source})"
    except Unseen:
        return ""
    return ""


def _told(host: Host, wanted: Wanted) -> Iterator[str]:
    """Whose password has to be set anew by themselves: no role knows another."""
    weak = [one for one in password_hashes.passwords(host) if one.strength not in wanted.hashes]
    for one in weak:
        yield f"{one.account}: the password is hashed with {one.kind}; have a new one set: passwd {one.account}"
    for one in password_hashes.passwords(host) if wanted.free_choice else ():
        if one.max_days is not None:
            yield f"{one.account}: must change the password after {one.max_days} days; chage --maxdays -1 {one.account}"
