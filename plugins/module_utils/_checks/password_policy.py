# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""password_policy: what is done to a weak password, a long one, and how those that accounts have are hashed.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from .._finding import CONFIGURED, ERROR, FAIL, OBSERVED, PASS, Finding
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services import new_passwords, password_hashes
from .._services.accounts import accounts
from .._services.new_passwords import (
    CLASS_KEYS,
    LENGTH_KEYS,
    LETTERS,
    MIXED,
    QUALITY,
    SOMEBODY,
    WORD_KEYS,
    Setting,
)
from .._services.password_hashes import ENOUGH, NEVER, UNKNOWN, Stored

_HARDEN = "run privacy.hosting.harden with --tags password_policy"
_NAMED = 6  # how many of many things one line of evidence names
# besides those that decide on kinds of characters
_RUN_KEYS = ("maxrepeat", "maxsequence")
# Long ones that people choose freely: NIST SP 800-63B-4, 3.1.1.2 wants spaces, and 64 characters at least, to be taken.
_FREE = {
    "lower-case letters": LETTERS[:24],
    "five words with spaces": "ladder mango tulip forest brick",
    "64 characters": MIXED[:64],
}  # fmt: skip
# What people make of common words where a password must be long. All of them, and what they are made of, have leaked.
_COMMON = (
    "password1", "qwerty123", "welkom01", "iloveyou2", "wachtwoord", "letmein123", "changeme1", "qazwsx123",
    "password1234567", "passwordpassword", "P@ssw0rdP@ssw0rd", "wachtwoord12345", "welkom01welkom01",
    "welcome2026welcome", "123456789012345", "1234567890123456789012", "qwertyuiopasdfghjkl", "qwerty123qwerty123",
    "abcdefghijklmnopqrstuvwxyz", "aaaaaaaaaaaaaaaaaaaaaa", "iloveyouiloveyou1234", "letmeinletmein12345",
    "changemechangeme2026", "administrator1234567", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm",
    "hosting2026hosting2026",
)  # fmt: skip


# -- new passwords ----------------------------------------------------------------------------------------------------


def _each(
    name: str, expected: str, judged: Callable[[Host, Setting, Question], tuple[str, str, str]], *keys: str
) -> Callable[[Host, Question, str], Iterable[Finding]]:
    """A check of every stack through which passwords are set.

    judged: status, what was seen, what to do; keys: the settings of libpwquality that decide.
    """

    def check(host: Host, question: Question, asked: str) -> Iterator[Finding]:
        told = expected.format(**question.settings)
        settings = new_passwords.settings(host)
        if not settings:
            why = "no PAM stack sets passwords here"
            yield _finding(name, asked, "this host", ERROR, told, why, "/etc/pam.d")
        for setting in settings:
            subject = f"passwords set by {_some(setting.services)}"
            try:
                status, seen, remedy = judged(host, setting, question)
            except Unseen as unseen:
                status, seen, remedy = ERROR, str(unseen), ""
            source = new_passwords.decided_by(host, setting, *keys)
            yield _finding(name, asked, subject, status, told, seen, source, remedy)
            if status == PASS and setting.elsewhere:
                why = f"{', '.join(setting.elsewhere)} keeps passwords in another place, whose rules are not seen here"
                yield _finding(name, asked, f"{subject}, kept elsewhere", ERROR, told, why, setting.source)

    return check


def _finding(
    check: str, option: str, subject: str, status: str, expected: str, observed: str, source: str, remedy: str = "",
    proof: str = OBSERVED,
) -> Finding:  # fmt: skip
    proof = proof if status in (PASS, FAIL) else ""
    return Finding(
        "password_policy", check, option, subject, status, proof, expected, observed, source,
        remedy if status != PASS else "",
    )  # fmt: skip


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _shortest(host: Host, setting: Setting, root: bool) -> int:
    """How many characters the shortest password has that is taken; one more than were tried where none is."""
    for length in range(1, len(MIXED) + 1):
        for sample in (MIXED, LETTERS):
            if length <= len(sample) and new_passwords.takes(host, setting, sample[:length], SOMEBODY, root):
                return length
    return len(MIXED) + 1


def _length(host: Host, setting: Setting, question: Question) -> tuple[str, str, str]:
    wanted = int(question.settings["length"])
    if all(_too_short_refused(host, setting, wanted, root) for root in (False, True)):
        return PASS, f"shorter ones than {wanted} characters are refused, of root too", ""
    people, root = (_told_shortest(host, setting, root) for root in (False, True))
    return FAIL, f"the shortest that is taken of people: {people}; when root sets it: {root}", _remedy(setting, wanted)


def _too_short_refused(host: Host, setting: Setting, wanted: int, root: bool) -> bool:
    return not any(
        new_passwords.takes(host, setting, sample[: wanted - 1], SOMEBODY, root) for sample in (MIXED, LETTERS)
    )


def _told_shortest(host: Host, setting: Setting, root: bool) -> str:
    try:
        length = _shortest(host, setting, root)
    except Unseen:
        return "not known"
    return f"{length} character{'' if length == 1 else 's'}" if length <= len(MIXED) else "none"


def _remedy(setting: Setting, wanted: int) -> str:
    lines = f"/etc/security/pwquality.conf: 'minlen = {wanted}' and 'enforce_for_root'"
    if any(guard.module == QUALITY for guard in setting.guards):
        return f"{lines}; or {_HARDEN}"
    return f"install libpam-pwquality, and in {lines}; or {_HARDEN}"


def _blocklist(host: Host, setting: Setting, question: Question) -> tuple[str, str, str]:
    samples = _common(question)
    taken = [
        sample
        for sample in samples
        if any(new_passwords.takes(host, setting, sample, SOMEBODY, root) for root in (False, True))
    ]
    if not taken:
        return PASS, f"all of {len(samples)} common passwords that were tried are refused, of root too", ""
    seen = f"{len(taken)} of {len(samples)} common passwords that were tried are taken, such as '{taken[0]}'"
    return FAIL, seen, f"{_HARDEN}: it sets badwords in /etc/security/pwquality.conf.d"


def _common(question: Question) -> list[str]:
    """Common passwords that are long enough not to be refused for that."""
    wanted = int(question.settings["length"])
    words = [*question.settings["words"], SOMEBODY]
    own = [f"{word}2026{word}2026{word}2026" for word in words]
    return [sample for sample in (*_COMMON, *own) if len(sample) >= wanted]


def _free(host: Host, setting: Setting, question: Question) -> tuple[str, str, str]:
    refused = [
        name
        for name, sample in _FREE.items()
        if not all(new_passwords.takes(host, setting, sample, SOMEBODY, root) for root in (False, True))
    ]
    if refused:
        mend = "take minclass, minimum credits (dcredit, ucredit, lcredit, ocredit) and max… out of pwquality.conf"
        return FAIL, f"a long password is refused that is made of {', '.join(refused)}", f"{mend}; or {_HARDEN}"
    return PASS, f"long passwords are taken that are made of {', '.join(_FREE)}", ""


# -- passwords that are there -----------------------------------------------------------------------------------------


def _aging(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether anybody has to change a password after a time."""
    expected = "no password has to be changed after a time"
    pressed = [one for one in password_hashes.passwords(host) if one.max_days is not None]
    subject, source = "passwords that accounts have", "/etc/shadow"
    if pressed:
        seen = f"must be changed after {min(one.max_days or 0 for one in pressed)} days or more: {_named(pressed)}"
        mend = f"chage --maxdays -1 {pressed[0].account}"
        yield _finding("aging", option, subject, FAIL, expected, seen, pressed[0].source, mend, CONFIGURED)
    else:
        yield _finding(
            "aging", option, subject, PASS, expected, "no account's password has an end", source, "", CONFIGURED
        )
    days, source = password_hashes.login_defs(host, "PASS_MAX_DAYS")
    subject = "passwords of new accounts"
    if days.isdigit() and int(days) < NEVER:
        mend = f"{source}: 'PASS_MAX_DAYS 99999'; or {_HARDEN}"
        yield _finding(
            "aging", option, subject, FAIL, expected, f"they end after {days} days", source, mend, CONFIGURED
        )
    else:
        yield _finding("aging", option, subject, PASS, expected, "they have no end", source, "", CONFIGURED)
    yield from _kept_elsewhere(host, "aging", option, expected)


def _stored(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """How the passwords of accounts are hashed; each fault is a finding of its own."""
    enough = ENOUGH[question.settings["hashes"]]
    expected = f"every password is hashed ({question.settings['hashes']}), by itself, and read by root only"
    found = password_hashes.passwords(host)
    faults: list[tuple[str, Sequence[Stored], str]] = [
        (f"hashed with {kind}", [one for one in found if one.kind == kind], "set a new password: passwd ACCOUNT")
        for kind in dict.fromkeys(one.kind for one in found if one.strength not in (*enough, UNKNOWN))
    ]
    faults.append(
        ("one hash for several accounts", [x for x in found if x.shared_with], "set each a password of its own")
    )
    in_passwd = [one for one in found if one.source.startswith("/etc/passwd:")]
    faults.append(("in /etc/passwd, which everybody reads", in_passwd, "run pwconv"))
    readable = password_hashes.readable_by_all(host)
    faults.append((f"everybody can read {readable}", found if readable else [], f"chmod 640 {readable}"))
    broken = [(what, which, mend) for what, which, mend in faults if which]
    subject = "passwords that accounts have"
    for what, which, mend in broken:
        yield _finding("stored", option, subject, FAIL, expected, f"{what}: {_named(which)}", which[0].source, mend)
    unknown = [one for one in found if one.strength == UNKNOWN]
    if unknown:
        seen = f"hashed in a way that is not known: {_named(unknown)}"
        yield _finding("stored", option, subject, ERROR, expected, seen, unknown[0].source)
    if not broken and not unknown:
        kinds = ", ".join(sorted({one.kind for one in found})) or "no account has a password"
        count = f"{len(found)} of them: {kinds}" if found else kinds
        yield _finding("stored", option, subject, PASS, expected, count, "/etc/shadow")
    yield from _kept_elsewhere(host, "stored", option, expected)


def _kept_elsewhere(host: Host, check: str, option: str, expected: str) -> Iterator[Finding]:
    """That the passwords of some accounts are not in this host's own files, and so not judged."""
    foreign = accounts(host).unlisted
    if foreign:
        why = f"accounts of {', '.join(foreign)} have their passwords in another place, which is not seen here"
        yield _finding(check, option, "passwords that are kept elsewhere", ERROR, expected, why, "/etc/nsswitch.conf")


def _named(which: Iterable[Stored]) -> str:
    return _some(dict.fromkeys(one.account for one in which))


def _method(host: Host, setting: Setting, question: Question) -> tuple[str, str, str]:
    """How new passwords are hashed."""
    method, source = new_passwords.hash_method(setting)
    if not method:
        method, source = password_hashes.login_defs(host, "ENCRYPT_METHOD")
        method = method.lower() or "des"  # what pam_unix does where nobody says
    strength = new_passwords.hash_strength(setting, method)
    if strength == UNKNOWN:
        return ERROR, f"{source} names a method that is not known", ""
    if strength in ENOUGH[question.settings["hashes"]]:
        return PASS, f"new passwords are hashed with {method} ({source})", ""
    what = "DES, for nothing names a method" if method == "des" else method
    return FAIL, f"new passwords are hashed with {what} ({source})", f"{source}: write yescrypt; or {_HARDEN}"


CHECKS = (
    Check(
        "length",
        ("length",),
        _each("length", "no password below {length} characters can be set", _length, *LENGTH_KEYS),
    ),
    Check("blocklist", ("blocklist",), _each("blocklist", "common passwords are refused", _blocklist, *WORD_KEYS)),
    Check(
        "free_choice",
        ("free_choice",),
        _each("free_choice", "any long password is taken", _free, *CLASS_KEYS, *_RUN_KEYS),
    ),
    Check("aging", ("free_choice",), _aging),
    Check("stored", ("hashes",), _stored),
    Check("method", ("hashes",), _each("method", "new passwords are hashed: {hashes}", _method)),
)
