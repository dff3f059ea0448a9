# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""ssh_two_factor: every way in that one factor opens is found and named, and no other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._answer import run_check
from ansible_collections.privacy.hosting.plugins.module_utils._checks.ssh_two_factor import CHECKS, shortened
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.ssh_two_factor import MEASURE
from tests.unit.ssh_host import (
    BOTH,
    CODES,
    CONFIG,
    DEBIAN_12,
    DEBIAN_13,
    KEY,
    SK,
    STARTED,
    TITLE,
    Made,
    process,
)

FACTS: Mapping[str, Any] = {
    "automation_accounts": ["debian"], "customer_groups": ["customers"], "controllers": ["192.0.2.10/32"],
}  # fmt: skip
FACTOR = "/var/lib/factors/anna"
ANNAS = "/home/anna/.ssh/authorized_keys"
TWO = {"kbdinteractiveauthentication": "yes", "authenticationmethods": BOTH}
# a host on which all is well: staff gives a code, automation's key is limited
GOOD = {"/etc/pam.d/sshd": CODES, FACTOR: "", "/home/debian/.ssh/authorized_keys": f'from="192.0.2.10" {KEY}'}
CODE_OF_GOOD = "/etc/pam.d/sshd"


def asked(host: Made, check: str, **settings: Any) -> list[Finding]:
    """What one check finds."""
    table = {one.name: one.default for one in MEASURE.options}
    values = {**table, **FACTS, **settings}
    (run,) = [one.run for one in CHECKS if one.name == check]
    return list(run(host, Question({"required_of": values["required_of"]}, values), "required_of"))


def anna(files: Mapping[str, str | None] | None = None, sets: Mapping[str, str] | None = None, **more: Any) -> Finding:
    """What is found of anna's ways in."""
    settings = more.pop("settings", {})
    host = Made({**GOOD, **(files or {})}, {**TWO, **(sets or {})}, **more)
    (found,) = [one for one in asked(host, "ways_in", **settings) if "anna" in one.subject]
    return found


# -- ways in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", [DEBIAN_12, DEBIAN_13])
def test_a_key_and_a_code_are_two_factors(release: str) -> None:
    found = anna(release=release)
    assert (found.status, found.proof) == ("pass", "running")
    assert found.observed.startswith("each way in asks key and one-time code; loaded at 2026-11-10")


@pytest.mark.parametrize("release", [DEBIAN_12, DEBIAN_13])
def test_a_fresh_debian_lets_staff_in_by_a_key(release: str) -> None:
    host = Made(release=release)
    root, staff = asked(host, "ways_in")
    assert (root.status, root.observed[:22]) == ("pass", "there is no way in (no")
    assert (staff.status, staff.proof, staff.source) == ("fail", "configured", CONFIG)
    assert staff.observed == f"enough is a key alone [publickey: {ANNAS}:1]"
    assert staff.subject == "anna (sshd on :22)"


PLAIN_SK, VERIFIED_SK = {ANNAS: SK}, {ANNAS: f"verify-required {SK}"}
HASH = {"/etc/shadow": "anna:$y$j9T$abc$def:20000::::::\n"}
STOCK = {"/etc/pam.d/sshd": "@include common-auth\n@include common-account\n"}
OPEN = {"authenticationmethods": "any"}
BY_KEY = {"authenticationmethods": "publickey"}
TOLD = {"authorizedkeyscommand": "/usr/bin/sss_ssh"}
NULLOK = CODES.replace("user=root", "nullok\nauth required pam_permit.so")
UNKNOWN = "auth required pam_duo.so\n" + CODES.replace("required pam_google", "optional pam_google")


@pytest.mark.parametrize(
    ("files", "sets", "status", "observed"),
    [
        # methods and their alternatives
        ({}, {"authenticationmethods": f"{BOTH} publickey"}, "fail", f"enough is a key alone [publickey: {ANNAS}:1]"),
        ({}, {"authenticationmethods": "publickey,publickey"}, "fail", "a key alone [publickey,publickey"),
        ({}, {"authenticationmethods": "keyboard-interactive:pam"}, "fail", "a one-time code alone"),
        ({}, OPEN, "fail", f"a key alone [publickey: {ANNAS}:1]; or a one-time code alone [password, keyboard"),
        ({ANNAS: None}, OPEN, "fail", "enough is a one-time code alone"),
        ({ANNAS: None}, {**OPEN, "passwordauthentication": "no", "kbdinteractiveauthentication": "no"}, "pass", "no "),
        ({}, {"authenticationmethods": "publickey,keyboard-interactive:bsdauth"}, "pass", "there is no way in"),
        ({}, {"usepam": "no"}, "pass", "there is no way in"),
        ({}, {"kbdinteractiveauthentication": "no"}, "pass", "there is no way in"),
        ({}, {"pubkeyauthentication": "no"}, "pass", "there is no way in"),
        # passwords
        ({**STOCK, **HASH}, {"authenticationmethods": "publickey,password"}, "pass", "asks key and password"),
        ({**STOCK, **HASH}, {"authenticationmethods": "password"}, "fail", "a password alone [password: pam_unix.so"),
        ({**STOCK, **HASH}, {"authenticationmethods": BOTH}, "pass", "each way in asks key and password"),
        ({**HASH, "/etc/pam.d/sshd": "auth required pam_unix.so\n" + CODES}, {**OPEN, "pubkeyauthentication": "no"},
         "pass", "each way in asks password and one-time code"),
        ({"/etc/shadow": "anna:$6$a$b:1::::::\n"}, {**OPEN, "usepam": "no"}, "fail", "or a password alone [password]"),
        ({"/etc/shadow": "anna::1::::::\n"}, {**OPEN, "usepam": "no", "permitemptypasswords": "yes"}, "fail",
         "nothing at all [password: an empty password]"),
        ({"/etc/shadow": "anna:!:1::::::\n"}, {**OPEN, "usepam": "no"}, "pass", "there is no way in (no password"),
        # PAM
        ({FACTOR: None}, {}, "pass", "there is no way in"),
        ({FACTOR: None, "/etc/pam.d/sshd": CODES.replace("user=root", "nullok")}, {}, "pass", "there is no way in"),
        ({FACTOR: None, "/etc/pam.d/sshd": NULLOK}, {}, "fail", "no secret, and nullok (/etc/pam.d/sshd:"),
        ({"/etc/pam.d/sshd": UNKNOWN}, {}, "error", "perhaps enough is a key alone"),
        # keys
        (PLAIN_SK, BY_KEY, "fail", "a security key that does not verify its user alone"),
        (VERIFIED_SK, BY_KEY, "pass", "security key that verifies its user"),
        (PLAIN_SK, {**BY_KEY, "pubkeyauthoptions": "verify-required"}, "pass", "verifies"),
        (PLAIN_SK, {**BY_KEY, "pubkeyauthoptions": "touch-required verify-required"}, "pass", "verifies"),
        ({}, {**BY_KEY, "pubkeyauthoptions": "verify-required"}, "fail", "a key alone"),
        (PLAIN_SK, {}, "pass", "each way in asks security key and one-time code"),
        ({ANNAS: f"verify-required {SK}{KEY}"}, BY_KEY, "fail", f"a key alone [publickey: {ANNAS}:2]"),
        ({ANNAS: f"verify-required {SK}{KEY}"},
         {**BY_KEY, "pubkeyacceptedalgorithms": "sk-ssh-ed25519@openssh.com"}, "pass", "verifies"),
        ({ANNAS: f'expiry-time="20260101" {KEY}'}, BY_KEY, "pass", "no way in"),
        ({ANNAS: f"cert-authority {KEY}"}, BY_KEY, "error", "certificates of the authority"),
        ({ANNAS: f'from="10.0.0.0/8" {KEY}'}, BY_KEY, "fail", "from such as 10.0.0.x"),
        ({ANNAS: f'from="*.example.nl" {KEY}'}, BY_KEY, "error", "perhaps enough is a key"),
        ({}, {**BY_KEY, "authorizedkeysfile": "/keys/%u"}, "pass", "no way in"),
        ({ANNAS: None}, {**BY_KEY, **TOLD}, "error",
         "keys that AuthorizedKeysCommand /usr/bin/sss_ssh tells"),
        ({}, {**TOLD}, "pass", "each way in asks key and one-time code"),
        ({ANNAS: None}, {**BY_KEY, "trustedusercakeys": "/etc/ssh/ca"}, "error",
         "certificates of the authority in /etc/ssh/ca"),
        # other methods
        ({"/etc/hosts.equiv": ""}, {**OPEN, "hostbasedauthentication": "yes"}, "fail", "another machine's key alone"),
        ({}, {"authenticationmethods": "hostbased", "hostbasedauthentication": "yes"}, "pass", "no way in"),
        ({"/etc/krb5.keytab": ""}, {"authenticationmethods": "gssapi-with-mic", "gssapiauthentication": "yes"}, "error",
         "perhaps enough is a Kerberos ticket alone"),
        # who is not let in
        ({}, {**OPEN, "denyusers": "anna"}, "pass", "no way in"),
        ({}, {**OPEN, "allowgroups": "wheel"}, "pass", "no way in"),
        ({"/etc/shadow": "anna:*:1:::::2:\n"}, OPEN, "pass", "there is no way in (its last day is over)"),
        ({"/bin/bash": None}, OPEN, "pass", "no way in"),
        ({"/etc/pam.d/sshd": CODES + "account required pam_deny.so\n"}, OPEN, "pass", "no way in"),
        # what cannot be read
        ({"/etc/pam.d/common-account": None}, {}, "error", "sshd includes common-account, which is not there"),
        ({CONFIG: None}, {}, "error", f"{CONFIG} cannot be read"),
    ],
)  # fmt: skip
def test_every_way_in_counts(
    files: Mapping[str, str | None], sets: Mapping[str, str], status: str, observed: str
) -> None:
    found = anna(files, sets)
    assert found.status == status, found.observed
    assert observed in found.observed
    assert bool(found.remedy) == (status != "pass")


@pytest.mark.parametrize(
    ("permit", "methods", "status", "observed"),
    [
        ("prohibit-password", "any", "fail", "a key alone [publickey"),
        ("without-password", BOTH, "pass", "no way in"),  # sshd refuses keyboard-interactive of root then
        ("yes", BOTH, "pass", "each way in asks key and one-time code"),
        ("yes", "any", "fail", "or a one-time code alone"),
        ("no", "any", "pass", "there is no way in (PermitRootLogin no)"),
        ("forced-commands-only", "any", "fail", "/root/.ssh/authorized_keys:2"),
    ],
)
def test_root_is_staff(permit: str, methods: str, status: str, observed: str) -> None:
    files = {**GOOD, "/root/.ssh/authorized_keys": f'{KEY}command="backup" {KEY}', "/var/lib/factors/root": ""}
    host = Made(files, {**TWO, "permitrootlogin": permit, "authenticationmethods": methods})
    (found,) = [one for one in asked(host, "ways_in") if "root" in one.subject]
    assert found.status == status
    assert observed in found.observed


@pytest.mark.parametrize(
    ("block", "user", "address", "status", "said"),
    [
        ("Match User anna", "anna", "", "fail", "a key alone [publickey"),
        ("Match Group sudo", "[ad]*", "", "fail", "a key alone"),
        ("Match User bert", "bert", "", "pass", "key and one-time code"),
        ("Match Address 198.51.100.0/24", "*", "198.51.100.", "fail", ", Match address 198.51.100.x"),
        ("Match User anna Address 198.51.100.7", "anna", "198.51.100.", "fail", "Match user anna address 198.51.100.x"),
    ],
)
def test_each_match_block_is_tried_with_its_own_values(
    block: str, user: str, address: str, status: str, said: str
) -> None:
    files = {CONFIG: f"AuthenticationMethods {BOTH}\n{block}\n  AuthenticationMethods publickey\n"}
    found = anna(files, matches=[(user, address, BY_KEY)])
    assert found.status == status
    assert said in found.observed
    assert found.source == (f"{CONFIG}:3" if status == "fail" else f"{CONFIG}:1")


def test_a_match_block_that_cannot_be_tried_is_no_pass() -> None:
    found = anna({CONFIG: "Match RDomain vrf\n  AuthenticationMethods publickey\n"})
    assert (found.status, found.observed) == ("error", f"{CONFIG}:1: what 'Match rdomain' is true for cannot be told")


def test_the_ports_that_a_match_block_names_are_tried() -> None:
    listening = [Listener("tcp", "0.0.0.0", port, (100,)) for port in (22, 2222)]
    host = Made({**GOOD, CONFIG: "Match LocalPort 2222\n  X11Forwarding no\n"}, TWO, listening=listening)
    asked(host, "ways_in")
    assert {argv[-1].rpartition("=")[2] for argv in host.asked if "-C" in argv} == {"22", "2222"}


def test_each_sshd_is_judged() -> None:
    titles = [TITLE, "sshd: /usr/sbin/sshd -f /etc/ssh/second [listener] 0 of 10-100 startups"]
    host = Made({**GOOD, "/etc/ssh/second": "Port 2222\n"}, TWO, titles=titles)
    found = {one.subject for one in asked(host, "ways_in") if "anna" in one.subject}
    assert found == {"anna (sshd on :22)", "anna (sshd on :2222 with /etc/ssh/second)"}


def test_a_server_that_cannot_be_judged_does_not_hide_what_another_lets_in() -> None:
    titles = [TITLE, "sshd: /usr/sbin/sshd -f /etc/ssh/gone [listener] 0 of 10-100 startups"]
    found = [one for one in asked(Made(titles=titles), "ways_in") if "anna" in one.subject]
    assert {one.subject.partition("(")[2]: one.status for one in found} == {
        "sshd on :22)": "fail", "sshd on :2222 with /etc/ssh/gone)": "error",
    }  # fmt: skip


def test_what_is_not_loaded_yet_is_no_pass() -> None:
    found = anna(changed={CONFIG: STARTED + dt.timedelta(days=1)})
    assert (found.status, found.proof, found.source) == ("error", "", CONFIG)
    assert found.remedy.startswith("Reload ssh")


@pytest.mark.parametrize(
    ("methods", "keys", "asks", "status"),
    [
        (["totp"], KEY, BOTH, "pass"),
        (["security_key"], KEY, BOTH, "fail"),
        (["security_key"], SK, BOTH, "pass"),
        (["totp"], f"verify-required {SK}", "publickey", "fail"),
        (["security_key"], f"verify-required {SK}", "publickey", "pass"),
    ],
)
def test_only_the_second_factors_that_count(methods: list[str], keys: str, asks: str, status: str) -> None:
    assert anna({ANNAS: keys}, {"authenticationmethods": asks}, settings={"methods": methods}).status == status


def test_customers_are_asked_two_factors_only_where_everyone_is() -> None:
    host = Made({**GOOD, "/etc/pam.d/sshd": CODES}, {**TWO, "authenticationmethods": "password"})
    assert not [one for one in asked(host, "ways_in") if "klant1" in one.subject]
    host = Made({**STOCK}, {"authenticationmethods": "password"})
    (found,) = [one for one in asked(host, "ways_in", required_of="everyone") if "klant1" in one.subject]
    assert (found.status, "a password alone" in found.observed) == ("fail", True)


@pytest.mark.parametrize(
    ("until", "said"),
    [("2026-11-20", "and the grace period runs until"), ("2026-11-19", "and the grace period ended on")],
)
def test_a_grace_period_is_told_of_those_without_a_factor(until: str, said: str) -> None:
    settings = {"grace_until": until}
    without = anna({FACTOR: None, "/etc/pam.d/sshd": NULLOK}, settings=settings)
    assert (without.status, said in without.observed) == ("fail", True)
    assert anna({"/etc/pam.d/sshd": NULLOK}, settings=settings).status == "pass"


@pytest.mark.parametrize(
    ("until", "instead", "status"),
    [
        ("2026-11-19", "nullok\nauth required pam_permit.so", "fail"),
        ("2026-11-20", "nullok\nauth required pam_permit.so", ""),
        (None, "nullok\nauth required pam_permit.so", ""),
        ("2026-11-19", "user=root", ""),
        ("2026-11-19", "nullok\nauth required pam_mine.so", "error"),
    ],
)
def test_a_grace_period_that_is_over_left_nothing_open(until: str | None, instead: str, status: str) -> None:
    host = Made({**GOOD, CODE_OF_GOOD: CODES.replace("user=root", instead)}, TWO)
    found = [one for one in asked(host, "ways_in", grace_until=until) if "no second factor" in one.subject]
    assert [one.status for one in found] == [status] * bool(status)
    for one in found:
        assert one.observed.startswith("the grace period ended on 2026-11-19, and for who has no factor enough is")
        assert one.source.startswith("/etc/pam.d/sshd:")


# -- classes ----------------------------------------------------------------------------------------------------------


def test_everybody_who_can_log_in_is_in_a_class() -> None:
    (found,) = asked(Made(), "classes")
    assert found.status == "pass"
    assert found.observed == "whoever can log in is in a class: staff: anna; automation: debian; customer: klant1"


def test_an_account_in_no_class_is_named_with_its_ways_in() -> None:
    (found,) = asked(Made({"/etc/group": "sudo:x:27:debian,anna\n"}), "classes")
    assert (found.status, found.subject, found.proof) == ("fail", "klant1", "configured")
    assert found.observed.startswith("can log in with a password alone [password: pam_unix.so")


def test_without_a_shell_one_can_forward_connections_but_not_where_that_is_off() -> None:
    shell = Made()
    shell.files["/etc/passwd"] = shell.files["/etc/passwd"].replace("klant1:/bin/bash", "klant1:/usr/sbin/nologin")
    (found,) = asked(shell, "classes", customer_groups=[])
    assert found.subject == "klant1"
    shell.sets = {"disableforwarding": "yes"}
    shell._kept.clear()
    (found,) = asked(shell, "classes", customer_groups=[])
    assert found.status == "pass"
    shell.sets = {"disableforwarding": "yes", "subsystem": "sftp internal-sftp"}
    shell._kept.clear()
    assert asked(shell, "classes", customer_groups=[])[0].status == "fail"


def test_accounts_that_cannot_be_listed_are_no_pass() -> None:
    host = Made({"/etc/nsswitch.conf": "passwd: files ldap\n"})
    host.commands = {f"getent {name}": host.files[f"/etc/{name}"] for name in ("passwd", "group")}
    (found,) = asked(host, "classes")
    assert (found.status, found.observed) == ("error", "the accounts of ldap cannot all be listed")
    assert [one.status for one in asked(Made({CONFIG: None}), "classes")] == ["error"]


# -- automation -------------------------------------------------------------------------------------------------------


AUTOMATIONS = "/home/debian/.ssh/authorized_keys"


@pytest.mark.parametrize(
    ("keys", "sets", "facts", "status", "said"),
    [
        (f'from="192.0.2.10" {KEY}', {}, {}, "pass", "declared exception: a key alone lets automation in, fro"),
        (f'from="192.0.2.8/30" {KEY}', {}, {}, "fail", f"from= of the key {AUTOMATIONS}:1 allows more than"),
        (f'from="192.0.2.*" {KEY}', {}, {}, "fail", "allows more than the controllers"),
        (f'from="*" {KEY}', {}, {}, "fail", "allows more than the controllers"),
        (f'from="192.0.2.8/30" {KEY}', {}, {"controllers": ["192.0.2.0/28"]}, "pass", "declared exception"),
        (f'from="192.0.2.10" {KEY}{KEY}', {}, {}, "fail", f"the key {AUTOMATIONS}:2 is limited to no address (from=)"),
        (KEY, {}, {}, "fail", f"the key {AUTOMATIONS}:1 is limited to no address (from=)"),
        (KEY, TWO, {}, "pass", "no way in asks less than two factors"),
        (f'from="192.0.2.10" {KEY}', {}, {"controllers": []}, "fail", "ssh_two_factor_controllers names none"),
        (f'from="ansible.example.nl" {KEY}', {}, {}, "error", "which addresses from= of the key"),
        (f'from="192.0.2.10" {KEY}', {"trustedusercakeys": "/etc/ssh/ca"}, {}, "error", "certificates of the"),
        ("", {}, {}, "pass", "no way in asks less than two factors"),
    ],
)  # fmt: skip
def test_automation_is_a_declared_exception(
    keys: str, sets: Mapping[str, str], facts: Mapping[str, Any], status: str, said: str
) -> None:
    (found,) = asked(Made({AUTOMATIONS: keys}, sets), "automation", **facts)
    assert (found.subject, found.status) == ("debian", status), found.observed
    assert said in found.observed


def test_a_password_of_automation_is_another_way_in() -> None:
    files = {**GOOD, "/etc/shadow": "debian:$6$a$b:1::::::\n", "/etc/pam.d/sshd": STOCK["/etc/pam.d/sshd"]}
    (found,) = asked(Made(files), "automation")
    assert (found.status, "a password alone" in found.observed) == ("fail", True)


def test_automation_whose_keys_cannot_be_read_is_no_pass() -> None:
    (found,) = asked(Made({**GOOD, CONFIG: None}, TWO), "automation")
    assert found.status == "error"


# -- secrets ----------------------------------------------------------------------------------------------------------

HOME = "/home/anna/.google_authenticator"
IN_HOME = CODES.replace(" secret=/var/lib/factors/${USER} user=root", "")


@pytest.mark.parametrize(
    ("path", "nodes", "status", "said"),
    [
        (FACTOR, {FACTOR: (0o100400, 0)}, "pass", "nobody else"),
        (FACTOR, {FACTOR: (0o100444, 0)}, "fail", "its mode is 0444"),
        (FACTOR, {FACTOR: (0o100440, 1001)}, "fail", "its mode is 0440"),
        (FACTOR, {FACTOR: (0o100400, 1001)}, "fail", "its owner is not root"),
        (FACTOR, {FACTOR: (0o100400, 0), "/var/lib/factors": (0o40777, 0)}, "fail", "/var/lib/factors may be written"),
        (FACTOR, {FACTOR: (0o100400, 0), "/var/lib/factors": (0o40700, 1001)}, "fail", "/var/lib/factors may be"),
        (HOME, {HOME: (0o100400, 1001), "/home/anna": (0o40700, 1001)}, "pass", "nobody else"),
        (HOME, {HOME: (0o100400, 1002), "/home/anna": (0o40700, 1001)}, "fail", "neither root nor the account"),
        (HOME, {HOME: (0o100604, 1001), "/home/anna": (0o40700, 1001)}, "fail", "its mode is 0604"),
    ],
)
def test_who_may_read_or_replace_a_secret(
    path: str, nodes: Mapping[str, tuple[int, int]], status: str, said: str
) -> None:
    stack = CODES if path == FACTOR else IN_HOME
    host = Made({**GOOD, FACTOR: None, path: "", CODE_OF_GOOD: stack}, TWO, nodes=nodes)
    (found,) = asked(host, "secrets")
    assert (found.subject, found.status, found.source) == ("anna", status, path)
    assert said in found.observed


def test_a_file_with_the_secrets_of_many_is_roots() -> None:
    stack = CODES.replace("pam_google_authenticator.so secret=/var/lib/factors/${USER} user=root", "pam_oath.so")
    files = {**GOOD, CODE_OF_GOOD: stack, "/etc/users.oath": "HOTP/T30/6 anna - 00\n"}
    for nodes, status in (((0o100600, 0), "pass"), ((0o100600, 1001), "fail"), ((0o100644, 0), "fail")):
        found = asked(Made(files, TWO, nodes={"/etc/users.oath": nodes}), "secrets")
        assert {one.status for one in found} == {status}
        assert all("HOTP" not in one.observed for one in found)


def test_where_the_stack_is_not_understood_no_secret_passes() -> None:
    host = Made({**GOOD, "/etc/pam.d/common-session": None}, TWO)
    assert asked(host, "secrets") == []
    assert {one.status for one in asked(host, "ways_in")} == {"error"}


class Hidden(Made):
    """A host on which secrets cannot be looked at."""

    def stat(self, path: str) -> Any:
        if path == FACTOR and self.looked:
            raise Unseen(f"{path} cannot be looked at: Input/output error")
        return super().stat(path)

    looked = False


def test_a_secret_that_cannot_be_looked_at_is_unseen() -> None:
    host = Hidden(GOOD, TWO)
    asked(host, "ways_in")
    host.looked = True
    (check,) = [one for one in CHECKS if one.name == "secrets"]
    values = {**{one.name: one.default for one in MEASURE.options}, **FACTS}
    question = Question({"required_of": values["required_of"]}, values)
    (found,) = run_check(host, check, question, "ssh_two_factor", "required_of")
    assert (found.status, found.proof) == ("error", "")
    assert found.observed == f"{FACTOR} cannot be looked at: Input/output error"


def test_a_secret_may_be_its_readers() -> None:
    stack = CODES.replace("user=root", "user=daemon")
    for owner, status in ((1, "pass"), (1001, "fail")):
        nodes = {FACTOR: (0o100400, owner), "/var/lib/factors": (0o40700, 1)}
        (found,) = asked(Made({**GOOD, CODE_OF_GOOD: stack}, TWO, nodes=nodes), "secrets")
        assert found.status == status


def test_where_a_secret_is_that_cannot_be_told_is_no_pass() -> None:
    stack = CODES.replace("${USER}", "$MINE/x")
    assert anna({CODE_OF_GOOD: stack}).status == "error"


# -- other ways in ----------------------------------------------------------------------------------------------------


def test_sshd_alone_is_no_other_way_in() -> None:
    (found,) = asked(Made(), "other_ways")
    assert (found.status, found.proof) == ("pass", "running")


@pytest.mark.parametrize(
    ("other", "port", "said"),
    [
        (process("dropbear"), 2222, "a second SSH server runs"),
        (process("shellinaboxd"), 4200, "a terminal on the web runs"),
        (process("ttyd"), 0, "a terminal on the web runs"),
        (process("perl", "/usr/bin/perl", "/usr/share/webmin/miniserv.pl"), 10000, "webmin runs"),
        (process("cockpit-tls"), 9090, "the web console cockpit runs"),
        (process("telnetd"), 23, "a login without encryption runs"),
        (process("gogs"), 3000, "unknown listener gogs on :3000"),
        (process("sshd", TITLE, contained=True), 0, "a container's sshd"),
    ],
)
def test_another_way_in_is_named_and_no_pass(other: Any, port: int, said: str) -> None:
    listening = [Listener("tcp", "0.0.0.0", 22, (100,)), *([Listener("tcp", "0.0.0.0", port, (500,))] if port else [])]
    found = asked(Made(others=[other], listening=listening), "other_ways")
    assert {one.status for one in found} == {"error"}
    assert any(said in one.observed for one in found)


def test_proftpd_may_be_a_second_ssh_server() -> None:
    for text, status in (("SFTPEngine on\n", "error"), ("# SFTPEngine on\n", "pass")):
        host = Made({"/etc/proftpd/sftp.conf": text}, others=[process("proftpd")])
        assert {one.status for one in asked(host, "other_ways")} == {status}


def test_no_sshd_is_not_applicable_where_all_listeners_are_known() -> None:
    host = Made(titles=[])
    assert [one.status for one in asked(host, "other_ways")] == ["not_applicable"]
    for check in ("ways_in", "classes", "secrets"):
        assert asked(host, check) == []


# -- what stands in a report ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Match address 198.51.100.7", "Match address 198.51.100.x"),
        ("10.0.0.0/8,2001:db8:1:2::3", "10.0.0.x,2001:db8:1:…"),
        ("user anna group a:b", "user anna group a:b"),
    ],
)
def test_addresses_are_shortened(text: str, short: str) -> None:
    assert shortened(text) == short


def test_no_finding_holds_a_key_a_hash_or_a_whole_address() -> None:
    files = {CONFIG: "Match Address 198.51.100.7\n  X11Forwarding no\n", "/home/debian/.ssh/authorized_keys": KEY}
    host = Made(files)
    found = [str(one.as_dict()) for check in CHECKS for one in asked(host, check.name)]
    for text in ("AAAAC3", "j9T", "198.51.100.7", "192.0.2.10"):
        assert all(text not in one for one in found)
