# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""password_policy: what a weak password meets, what a good one meets, and how those that are kept are hashed.

libpwquality is not on every machine that runs these tests: a small stand-in reads the same settings. What the real
one does is tried on the lab's hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.password_policy import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._finding import ERROR, FAIL, PASS, Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.password_policy import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import new_passwords, password_hashes
from tests.unit.ssh_host import Made

CONF, DROP_IN = "/etc/security/pwquality.conf", "/etc/security/pwquality.conf.d/50-a.conf"
# /etc/pam.d/common-password as libpam-pwquality leaves it, on Debian 12 and 13 alike
UNIX = """\
password	[success=1 default=ignore]	pam_unix.so obscure use_authtok try_first_pass yescrypt
password	requisite			pam_deny.so
password	required			pam_permit.so
"""
STACK = "password	requisite			pam_pwquality.so retry=3\n" + UNIX
# what is refused is asked for again, and that is not judged
UNBOUND = STACK.replace("requisite", "required", 1).replace("use_authtok ", "")
STRICT = (
    "minlen = 15\nenforce_for_root\nbadwords = password p@ssw0rd wachtwoord welkom welcome qwerty iloveyou letmein \
changeme administrator 1q2w3e qazwsx hosting 12345 abcde aaaaa 98765 voorbeeld\n"
)
GOOD = "$y$j9T$abcdefgh$ijklmnopqrstuvwxyz"
SHADOW = f"root:*:20000:0:99999:7:::\nanna:{GOOD}:20000:0:99999:7:::\nklant1:!:20000:0:99999:7:::\n"


class Quality:
    """libpwquality, as far as these tests need it."""

    def __init__(self, host: Made, arguments: Sequence[str]) -> None:
        self.set: dict[str, str] = {}
        for path in new_passwords.pwquality_files(host):
            self.set.update(new_passwords.pwquality_line(line) for line in host.read(path).splitlines())
        self.set.update(new_passwords.pwquality_line(word) for word in arguments)

    def refuses(self, password: str, account: str, root: bool) -> bool:
        if self.set.get("enforcing") == "0" or (root and "enforce_for_root" not in self.set):
            return False
        classes = sum(any(test(letter) for letter in password) for test in (str.islower, str.isupper, str.isdigit))
        words = [*self.set.get("badwords", "").split(), account]
        return (
            len(password) < int(self.set.get("minlen", "8"))
            or classes < int(self.set.get("minclass", "0"))
            or any(word in password.lower() for word in words)
        )


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for libpwquality."""
    monkeypatch.setattr(new_passwords, "quality", lambda host, guard: Quality(host, guard.arguments))


def host(stack: str = STACK, strict: str = STRICT, **files: str | None) -> Made:
    """A host whose passwords are set by one stack; files by name: conf, defs, passwd, shadow, service."""
    paths = {"conf": CONF, "defs": "/etc/login.defs", "passwd": "/etc/passwd", "shadow": "/etc/shadow"}
    named = {paths.get(name, name): text for name, text in files.items()}
    return Made(
        {
            "/etc/pam.d/common-password": stack,
            "/etc/pam.d/passwd": "@include common-password\n",
            "/etc/pam.d/sshd": "",
            DROP_IN: strict,
            "/etc/login.defs": "PASS_MAX_DAYS\t99999\nENCRYPT_METHOD YESCRYPT\n",
            "/etc/shadow": SHADOW,
            **named,
        },
        nodes={"/etc/shadow": (0o640, 0)},
    )


def judged(check: str, made: Made, **asked: Any) -> list[Finding]:
    """The findings of one check."""
    found = next(one for one in CHECKS if one.name == check)
    settings = {option.name: option.default for option in MEASURE.options} | asked
    return list(found.run(made, Question(asked, settings), found.options[0]))


def only(check: str, made: Made, **asked: Any) -> Finding:
    """The one finding of a check."""
    (finding,) = judged(check, made, **asked)
    return finding


# -- length -----------------------------------------------------------------------------------------------------------


def test_a_short_password_is_refused_of_root_too() -> None:
    finding = only("length", host())
    assert (finding.status, finding.proof) == (PASS, "observed")
    assert finding.source == f"{DROP_IN}:2"


@pytest.mark.parametrize(
    ("made", "seen"),
    [
        (host(strict=""), "of people: 8 characters; when root sets it: 1 character"),
        (host(strict="minlen = 15\n"), "of people: 15 characters; when root sets it: 1 character"),
        (host(UNIX.replace("use_authtok ", "")), "of people: 6 characters; when root sets it: 1 character"),
        (host(conf="enforcing = 0\n"), "of people: 6 characters; when root"),
        (host(conf="minlen = 9\n"), "of people: 9 characters; when root sets it: 9 characters"),
        (host(STACK.replace("retry=3", "retry=3 minlen=10")), "of people: 10 characters"),
        (host(UNBOUND), "6 characters"),
    ],
)  # fmt: skip
def test_short_passwords_that_are_taken_are_told(made: Made, seen: str) -> None:
    finding = only("length", made)
    assert finding.status == FAIL
    assert seen in finding.observed
    assert "pwquality.conf" in finding.remedy


def test_what_binds_without_ending_the_stack() -> None:
    assert only("length", host(STACK.replace("requisite", "required", 1))).status == PASS


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (host("password [success=1 default=ignore] pam_succeed_if.so uid < 1000\n" + STACK), "passes over"),
        (host("password requisite pam_passwdqc.so min=15,15,15,15,7\n" + UNIX), "of 14 characters is not known"),
        (host(UNIX), "none can be set"),
        (host("password requisite pam_cracklib.so\n" + UNIX), "what pam_cracklib.so"),
        (host("password requisite pam_passwdqc.so config=/etc/passwdqc.conf\n" + UNIX), "is not read"),
    ],
)
def test_what_length_is_asked_cannot_be_told(made: Made, why: str) -> None:
    finding = only("length", made)
    assert finding.status == ERROR
    assert why in finding.observed


def test_passwdqc_is_judged_by_its_shortest() -> None:
    stack = "password requisite pam_passwdqc.so min=disabled,15,15,15,15\n" + UNIX
    assert only("length", host(stack)).status == PASS
    assert only("length", host(stack.replace("15\n", "15 enforce=users\n"))).status == FAIL
    assert only("blocklist", host(stack)).status == ERROR


def test_a_library_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_host: Made, _guard: object) -> Quality:
        raise Unseen("the library cannot be loaded")

    monkeypatch.setattr(new_passwords, "quality", missing)
    assert [only(name, host()).status for name in ("length", "blocklist", "free_choice")] == [ERROR] * 3


def test_a_module_that_is_missing_is_told() -> None:
    made = host(**{"/usr/lib/x86_64-linux-gnu/security/pam_unix.so": ""})
    assert only("length", made).status == ERROR


def test_stacks_are_told_once_each() -> None:
    made = host(
        **{
            "/etc/pam.d/login": "@include common-password\n",
            "/etc/pam.d/own": UNIX.replace("use_authtok ", ""),
            "/etc/pam.d/x.dpkg-old": UNIX,
        }
    )
    found = judged("length", made)
    assert [(one.subject, one.status) for one in found] == [
        ("passwords set by login, passwd", PASS), ("passwords set by own", FAIL),
    ]  # fmt: skip


def test_passwords_that_are_kept_elsewhere_are_not_judged() -> None:
    stack = STACK.replace(
        "password	requisite			pam_deny",
        "password sufficient pam_sss.so use_authtok\npassword requisite pam_deny",
    )
    assert [one.status for one in judged("length", host(stack))] == [PASS, ERROR]


# -- blocklist --------------------------------------------------------------------------------------------------------


def test_common_passwords_are_refused() -> None:
    finding = only("blocklist", host())
    assert finding.status == PASS
    assert finding.source == f"{DROP_IN}:3"


def test_common_passwords_that_are_taken_are_told() -> None:
    finding = only("blocklist", host(strict="minlen = 15\nenforce_for_root\n"))
    assert finding.status == FAIL
    assert "are taken, such as 'password1234567'" in finding.observed
    assert only("blocklist", host(strict=STRICT.replace("enforce_for_root\n", ""))).status == FAIL


def test_own_words_are_tried() -> None:
    assert only("blocklist", host(), words=["voorbeeld"]).status == PASS
    assert "'ander2026ander2026" in only("blocklist", host(), words=["ander"]).observed


def test_short_ones_are_tried_where_short_ones_may_be() -> None:
    strict = STRICT.replace("15", "8")
    assert only("blocklist", host(strict=strict), length="8").status == PASS
    assert "password1'" in only("blocklist", host(strict="minlen = 8\n"), length="8").observed


# -- free choice ------------------------------------------------------------------------------------------------------


def test_long_passwords_are_taken() -> None:
    assert only("free_choice", host()).status == PASS


def test_rules_on_kinds_of_characters_are_told() -> None:
    finding = only("free_choice", host(conf="minclass = 3\n"))
    assert finding.status == FAIL
    assert "lower-case letters, five words with spaces" in finding.observed
    assert finding.source == f"{CONF}:1"


def test_passwords_that_end_are_told() -> None:
    assert [one.status for one in judged("aging", host())] == [PASS, PASS]
    found = judged("aging", host(shadow=SHADOW.replace("99999", "365"), defs="PASS_MAX_DAYS 90\n"))
    assert [(one.status, one.source) for one in found] == [(FAIL, "/etc/shadow:2"), (FAIL, "/etc/login.defs:1")]
    assert "anna" in found[0].observed
    with pytest.raises(Unseen):
        judged("aging", host(shadow=None))


# -- hashes -----------------------------------------------------------------------------------------------------------


def test_good_hashes() -> None:
    finding = only("stored", host())
    assert finding.status == PASS
    assert finding.observed == "1 of them: yescrypt"


@pytest.mark.parametrize(
    ("field", "seen", "also"),
    [
        ("$6$salt$hash", "SHA-512 crypt: anna", "salted"),
        ("$2b$12$saltandhash", "bcrypt: anna", "adaptive"),
        ("$2b$08$saltandhash", "bcrypt with a cost below 10: anna", ""),
        ("$1$salt$hash", "MD5 crypt: anna", ""),
        ("abXYZ01234567", "DES: anna", ""),
        ("", "empty: anna", ""),
    ],
)
def test_bad_hashes_are_told(field: str, seen: str, also: str) -> None:
    shadow = SHADOW.replace(GOOD, field)
    finding = only("stored", host(shadow=shadow))
    assert finding.status == FAIL
    assert finding.observed == f"hashed with {seen}"
    assert finding.source == "/etc/shadow:2"
    for name in ("adaptive", "salted"):
        wanted = PASS if also and (name == "salted" or name == also) else FAIL
        assert judged("stored", host(shadow=shadow), hashes=name)[0].status == wanted


def test_hashes_never_leave() -> None:
    shadow = SHADOW.replace("klant1:!", f"klant1:{GOOD}").replace("root:*", "root:$6$salty$hashed")
    found = judged("stored", host(shadow=shadow))
    assert [one.observed for one in found] == [
        "hashed with SHA-512 crypt: root",
        "one hash for several accounts: anna, klant1",
    ]
    assert not any(part in str(found) for part in ("salty", "hashed$", "abcdefgh", "$6$", "$y$"))


def test_a_hash_in_passwd_is_told() -> None:
    made = host()
    made.files["/etc/passwd"] = made.files["/etc/passwd"].replace("anna:x:", "anna:abXYZ01234567:")
    observed = [one.observed for one in judged("stored", made)]
    assert "in /etc/passwd, which everybody reads: anna" in observed


def test_hashes_that_everybody_reads_are_told() -> None:
    made = host()
    made.nodes = {"/etc/shadow": (0o644, 0)}
    assert only("stored", made).observed == "everybody can read /etc/shadow: anna"


def test_what_is_not_known_is_no_pass() -> None:
    finding = only("stored", host(shadow=SHADOW.replace(GOOD, "$9$new$kind")))
    assert finding.status == ERROR
    assert "$9$" not in finding.observed


def test_accounts_from_elsewhere_are_not_judged() -> None:
    made = host(**{"/etc/nsswitch.conf": "passwd: files sss\n"})
    made.commands = {"getent passwd": made.files["/etc/passwd"], "getent group": made.files["/etc/group"]}
    assert [one.status for one in judged("stored", made)] == [PASS, ERROR]
    kept_here, new, elsewhere = judged("aging", made)
    assert (kept_here.status, new.status) == (PASS, PASS)
    assert (elsewhere.status, elsewhere.source) == (ERROR, "/etc/nsswitch.conf")
    assert "accounts of sss have their passwords in another place" in elsewhere.observed


@pytest.mark.parametrize(
    ("words", "defs", "status"),
    [
        ("yescrypt", "ENCRYPT_METHOD SHA512", PASS),
        ("sha512", "ENCRYPT_METHOD YESCRYPT", FAIL),
        ("sha512 yescrypt", "", PASS),  # the last one counts: tried on Debian 12 and 13
        ("", "ENCRYPT_METHOD YESCRYPT", PASS),
        ("", "ENCRYPT_METHOD SHA512", FAIL),
        ("", "", FAIL),  # DES: tried on Debian 12 and 13
        ("", "ENCRYPT_METHOD ARGON9", ERROR),
        # of login.defs the first one counts: tried on Debian 12
        ("", "ENCRYPT_METHOD SHA512\nENCRYPT_METHOD YESCRYPT", FAIL),
        ("", "ENCRYPT_METHOD YESCRYPT\nENCRYPT_METHOD SHA512", PASS),
    ],
)
def test_how_new_passwords_are_hashed(words: str, defs: str, status: str) -> None:
    assert only("method", host(STACK.replace("yescrypt", words), defs=f"{defs}\n")).status == status


@pytest.mark.parametrize(
    ("words", "defs", "status"),
    [
        # tried on Debian 12: a cost of 5 where none is given, and DES for a name that PAM does not know
        ("blowfish", "", FAIL),
        ("blowfish rounds=9", "", FAIL),
        ("blowfish rounds=10", "", PASS),
        ("", "ENCRYPT_METHOD BLOWFISH", FAIL),
        ("rounds=12", "ENCRYPT_METHOD BLOWFISH", PASS),
        ("", "ENCRYPT_METHOD BCRYPT", ERROR),
    ],
)
def test_the_cost_of_bcrypt_counts(words: str, defs: str, status: str) -> None:
    made = host(STACK.replace("yescrypt", words), defs=f"{defs}\n")
    assert only("method", made, hashes="adaptive").status == status


def test_kinds_are_ordered() -> None:
    assert set(password_hashes.ENOUGH["memory_hard"]) < set(password_hashes.ENOUGH["adaptive"])
    assert set(password_hashes.ENOUGH["adaptive"]) < set(password_hashes.ENOUGH["salted"])
