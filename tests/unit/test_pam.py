# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PAM's stacks ask for, played as libpam does."""

from __future__ import annotations

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import pam
from ansible_collections.privacy.hosting.plugins.module_utils._services.accounts import (
    EMPTY,
    LOCKED,
    USABLE,
    Account,
)
from tests.unit.ssh_host import Made

GA = "pam_google_authenticator.so secret=/var/lib/factors/${USER} user=root"
JUMP = "auth [success=1 default=ignore] pam_succeed_if.so"
SECRET = {"/var/lib/factors/anna": "never read"}


def asked(stack: str, files: dict[str, str] | None = None, password: str = USABLE, empty: bool = False) -> set[str]:
    """What each way through a stack asks, as 'password+code', with '?' where it is a guess."""
    host = Made({"/etc/pam.d/sshd": stack, **(files or {})})
    account = Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(["anna", "sudo"]), password)
    ways = pam.ways(pam.Login(host, account, empty), "sshd")
    return {"+".join(sorted(way.needs)) + ("" if way.sure else "?") for way in ways}


@pytest.mark.parametrize(
    ("stack", "enrolled", "without"),
    [
        # the table of what was tried with real logins on Debian 12 and 13
        (f"auth required {GA}", {"code"}, set()),
        (f"auth required {GA} nullok", {"code"}, set()),
        (f"auth required {GA} nullok\nauth required pam_permit.so", {"code"}, {""}),
        (f"auth required {GA} nullok\n@include common-auth", {"code+password"}, {"password"}),
        (f"auth required {GA}\n@include common-auth", {"code+password"}, set()),
        ("@include common-auth", {"password"}, {"password"}),
        # one of two is enough
        (f"auth sufficient {GA}\n@include common-auth", {"code", "password"}, {"password"}),
        (f"auth sufficient pam_unix.so\nauth required {GA}", {"password", "code"}, {"password"}),
        (f"auth [success=done default=die] {GA}\n@include common-auth", {"code"}, set()),
        (f"auth [success=1 default=ignore] {GA}\nauth requisite pam_deny.so\nauth required pam_permit.so",
         {"code"}, set()),
        (f"auth required {GA} grace_period=3600", {""}, set()),
        ("auth sufficient pam_rootok.so\nauth required pam_deny.so", {""}, {""}),
        ("auth required pam_env.so", set(), set()),
        (f"auth required pam_faillock.so preauth\nauth optional {GA}", {"", }, {""}),
        ("auth required pam_deny.so\nauth sufficient pam_permit.so", set(), set()),
        # jumps
        (f"{JUMP} user ingroup sudo\nauth required {GA}\nauth required pam_permit.so", {""}, {""}),
        (f"{JUMP} quiet user notingroup sudo:adm\nauth required {GA}\nauth required pam_permit.so", {"code"}, set()),
        ("auth [success=2 default=ignore] pam_permit.so\nauth required pam_deny.so", set(), set()),
        ("auth [success=1 default=ignore] pam_permit.so\nauth required pam_deny.so", set(), set()),
        # includes
        ("auth include common-auth", {"password"}, {"password"}),
        (f"auth substack common-auth\nauth required {GA}", {"code+password"}, set()),
        (f"auth include sufficient\nauth required {GA}", {"password", "code"}, {"password"}),
        (f"auth substack sufficient\nauth required {GA}", {"code"}, set()),
        # lines and modules that are not there
        (f"auth required \\\n  {GA} # nullok", {"code"}, set()),
        (f"-auth sufficient pam_gone.so\nauth required {GA}", {"code"}, set()),
        (f"-auth [success=ok ignore=ignore default=bad] pam_gone.so\nauth required {GA}", set(), set()),
        (f"auth sufficient pam_gone.so\nauth required {GA}", {"code"}, set()),
        # what we do not know may let anybody pass
        (f"auth sufficient pam_mine.so\nauth required {GA}", {"?"}, {"?"}),
        (f"auth required pam_mine.so\nauth required {GA}", {"code?"}, set()),
    ],
)  # fmt: skip
def test_what_a_stack_asks(stack: str, enrolled: set[str], without: set[str]) -> None:
    modules = (
        "google_authenticator", "permit", "deny", "unix", "rootok", "env", "faillock", "succeed_if", "mine", "nologin"
    )  # fmt: skip
    files = {f"/usr/lib/x86_64-linux-gnu/security/pam_{name}.so": "" for name in modules}
    files["/etc/pam.d/sufficient"] = "auth [success=done default=ignore] pam_unix.so\nauth required pam_permit.so\n"
    assert asked(stack, {**files, **SECRET}) == enrolled
    assert asked(stack, files) == without


@pytest.mark.parametrize(
    ("password", "empty", "ways"),
    [(EMPTY, True, {""}), (EMPTY, False, set()), (LOCKED, True, set()), (USABLE, True, {"password"})],
)
def test_an_empty_password_passes_only_where_pam_and_sshd_take_it(password: str, empty: bool, ways: set[str]) -> None:
    assert asked("auth required pam_unix.so nullok", password=password, empty=empty) == ways


@pytest.mark.parametrize(
    ("access", "ways"),
    [
        ("+ : ALL : 192.0.2.0/24\n- : ALL : ALL", {""}),
        ("+ : anna : 192.0.2.1\n- : ALL : ALL", {""}),
        ("+ : (customers) : ALL\n- : ALL : ALL", {"code"}),
        ("- : ALL : ALL", {"code"}),
        ("+ : ALL EXCEPT root : ALL", {"?"}),
        ("", {""}),
    ],
)
def test_an_address_list_that_spares_somebody_the_code(access: str, ways: set[str]) -> None:
    stack = (
        "auth [success=1 default=ignore] pam_access.so accessfile=/etc/security/local.conf\n"
        f"auth required {GA}\nauth required pam_permit.so"
    )
    assert asked(stack, {"/etc/security/local.conf": access, **SECRET}) == ways


def test_a_password_of_a_directory_is_for_accounts_that_are_there() -> None:
    host = Made({"/etc/pam.d/sshd": "auth sufficient pam_sss.so\nauth required pam_deny.so"})
    for local, needs in ((True, []), (False, [{"password"}])):
        account = Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(), "unknown", local=local)
        assert [set(way.needs) for way in pam.ways(pam.Login(host, account), "sshd")] == needs


def test_a_code_of_pam_oath_is_for_those_in_its_file() -> None:
    stack = "auth required pam_oath.so usersfile=/etc/users.oath"
    assert asked(stack, {"/etc/users.oath": "HOTP/T30/6 anna - 00\n"}) == {"code"}
    assert asked(stack, {"/etc/users.oath": "HOTP/T30/6 bert - 00\n#HOTP anna\n"}) == set()


@pytest.mark.parametrize("stack", ["auth required", "auth [nonsense] pam_unix.so", "@include gone", "@include sshd"])
def test_a_stack_that_is_not_understood_is_unseen(stack: str) -> None:
    with pytest.raises(Unseen):
        asked(stack)


def test_a_secret_is_looked_for_where_the_module_does() -> None:
    stack = "auth required pam_google_authenticator.so nullok\nauth required pam_permit.so"
    assert asked(stack, {"/home/anna/.google_authenticator": ""}) == {"code"}
    assert asked(stack, {"/home/bert/.google_authenticator": ""}) == {""}
    assert asked(stack.replace(".so nullok", ".so secret=/s/%u nullok"), {"/s/anna": ""}) == {"code"}


def test_the_file_of_other_counts_where_a_service_has_none() -> None:
    host = Made({"/etc/pam.d/sshd": None, "/etc/pam.d/other": "auth required pam_deny.so"})
    (rule,) = pam.stack(host, "sshd")
    assert (rule.module, rule.source) == ("pam_deny.so", "/etc/pam.d/other:1")


def test_the_file_of_other_counts_for_a_kind_that_a_service_says_nothing_of() -> None:
    files = {"/etc/pam.d/other": "auth required pam_unix.so\naccount required pam_permit.so\n"}
    assert asked("session required pam_limits.so", files) == {"password"}
    host = Made({**files, "/etc/pam.d/sshd": "auth required pam_deny.so"})
    assert pam.lets_in(host, Account("anna", 1001, "/home/anna", "/bin/bash", frozenset(), USABLE), "sshd")
    assert pam.stack(Made({"/etc/pam.d/sshd": "session required pam_limits.so"}), "sshd") == ()
