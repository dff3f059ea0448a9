# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role ssh_two_factor writes, refuses and puts back, without hosts."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import ABSENT, ChangeError, Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import (
    ssh_check,
    ssh_rollback,
    ssh_secret,
    ssh_session,
    ssh_two_factor,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.ssh_people import (
    SECURITY_KEY,
    TOTP,
    People,
    Person,
    Rules,
    Sshd,
    covers,
    people,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.ssh_rules import rules_of
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result
from ansible_collections.privacy.hosting.plugins.module_utils._services.accounts import NONE, Account

RULES = Rules(
    staff_groups=("staff-ssh",),
    automation=("debian",),
    customer_groups=("sftp",),
    controllers=("192.0.2.10/32", "2001:db8::/64"),
)
NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.timezone.utc)


def account(name: str, *groups: str, uid: int = 1001) -> Account:
    return Account(name, uid, f"/home/{name}", "/bin/bash", frozenset(groups), NONE)


def person(name: str, factor: str = TOTP, *groups: str, uid: int = 1001, has_key: bool = True) -> Person:
    return Person(account(name, *(groups or ("staff-ssh",)), uid=uid), factor, has_key)


DEBIAN = account("debian", "sudo", uid=1000)
ROOT = person("root", TOTP, "root", uid=0)


def found(*asked: Person, customers: Sequence[Account] = ()) -> People:
    return People((DEBIAN,), asked, tuple(customers))


# -- sshd's drop-in -------------------------------------------------------------------------------------------

DROP_IN = """# Made by privacy.hosting, role ssh_two_factor; ansible-playbook privacy.hosting.undo removes it.
# Failed logins from these addresses are not punished.
PerSourcePenaltyExemptList 192.0.2.10/32,2001:db8::/64

# Programs log in by key alone, from these addresses only.
Match User debian Address 192.0.2.10/32,2001:db8::/64
    AuthenticationMethods publickey

# People need two factors.
Match Group staff-ssh
    PubkeyAuthentication yes
    KbdInteractiveAuthentication yes
    AuthenticationMethods publickey,keyboard-interactive:pam

Match User root,debian
    PubkeyAuthentication yes
    KbdInteractiveAuthentication yes
    AuthenticationMethods publickey,keyboard-interactive:pam
"""


def blocks(text: str) -> dict[str, dict[str, str]]:
    """The Match blocks of a drop-in, in their order, with what they set."""
    parsed: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword == "Match":
            parsed[value] = {}
        elif line.startswith("    "):
            parsed[list(parsed)[-1]][keyword] = value
    return parsed


def test_people_are_asked_and_programs_are_not() -> None:
    assert ssh_two_factor.drop_in(RULES, found(person("anna")), RULES.controllers) == DROP_IN
    assert "PerSource" not in ssh_two_factor.drop_in(RULES, found(person("anna")), [])


def test_a_security_key_alone_is_enough_where_it_verifies_its_user() -> None:
    told = blocks(ssh_two_factor.drop_in(RULES, found(person("anna"), person("hans", SECURITY_KEY)), []))
    assert told["User hans"]["AuthenticationMethods"] == "publickey"
    assert told["User hans"]["PubkeyAuthOptions"] == "verify-required"
    assert all(name.startswith("sk-") for name in told["User hans"]["PubkeyAcceptedAlgorithms"].split(","))
    order = list(told)
    assert order.index("User hans") < order.index("Group staff-ssh")


def test_where_all_have_security_keys_nobody_is_asked_for_codes() -> None:
    told = blocks(ssh_two_factor.drop_in(RULES, found(person("hans", SECURITY_KEY)), []))
    assert told["Group staff-ssh"]["PubkeyAuthOptions"] == "verify-required"
    assert "KbdInteractiveAuthentication" not in told["Group staff-ssh"]


def test_root_with_a_code_may_log_in_by_keyboard_interactive() -> None:
    told = blocks(ssh_two_factor.drop_in(RULES, found(ROOT), []))
    assert told["User root"]["PermitRootLogin"] == "yes"
    assert told["User root"]["AuthenticationMethods"] == "publickey,keyboard-interactive:pam"
    # a root that does not log in, or by a security key, keeps what it has
    for asked in ([person("anna")], [person("root", SECURITY_KEY, uid=0), person("anna")]):
        assert "PermitRootLogin" not in ssh_two_factor.drop_in(RULES, found(*asked), [])


def test_people_outside_the_groups_are_asked_by_name_and_customers_where_everyone_is() -> None:
    told = blocks(ssh_two_factor.drop_in(RULES, found(person("carl", TOTP, "users")), []))
    assert "User root,carl,debian" in told
    everyone = Rules(**{**vars(RULES), "required_of": "everyone"})
    assert "Group staff-ssh,sftp" in blocks(ssh_two_factor.drop_in(everyone, found(person("anna")), []))


def test_a_name_that_cannot_stand_in_the_file_is_refused() -> None:
    with pytest.raises(ChangeError, match="cannot stand in"):
        ssh_two_factor.drop_in(RULES, found(person("an na", TOTP, "users")), [])


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n", False),
        ("# comment\n\nPort 22\ninclude sshd_config.d/*.conf\n", False),
        ('Include = "/etc/ssh/sshd_config.d/*.conf"\n', False),
        ("UsePAM yes\n", True),
        ("#Include /etc/ssh/sshd_config.d/*.conf\n", True),
        ("Match Group sftp\n  ChrootDirectory %h\nInclude /etc/ssh/sshd_config.d/*.conf\n", True),
        ("Include /etc/ssh/sshd_config.d/50-cloud-init.conf\n", True),
    ],
)
def test_sshd_is_told_of_the_drop_in_where_it_does_not_read_it(text: str, needed: bool) -> None:
    assert ssh_two_factor.needs_include(text) is needed


# -- PAM ------------------------------------------------------------------------------------------------------

PAM = """# PAM configuration for the Secure Shell service

# Standard Un*x authentication.
@include common-auth

# Disallow non-root logins when /etc/nologin exists.
account    required     pam_nologin.so
"""
LINES = [
    "auth [success=1 default=ignore] pam_succeed_if.so quiet user ingroup staff-ssh:sudo",
    "auth [success=ignore default=1] pam_succeed_if.so quiet user in root:debian",
    "auth [success=done new_authtok_reqd=done default=die] pam_google_authenticator.so secret=/x/${USER} user=root",
]


def test_pam_asks_only_those_that_sshd_asks_and_can_be_put_back() -> None:
    made = ssh_two_factor.pam(PAM, ["staff-ssh", "sudo"], ["root", "debian"], "/x")
    lines = made.splitlines()
    at = lines.index("@include common-auth")
    assert lines[at - 4 : at - 1] == LINES
    assert ssh_two_factor.pam(made, ["staff-ssh", "sudo"], ["root", "debian"], "/x") == made
    assert ssh_two_factor.without_pam(made) == PAM


def test_without_groups_pam_asks_by_name_alone() -> None:
    made = ssh_two_factor.pam(PAM, [], ["root"], "/x")
    assert "ingroup" not in made
    assert "auth [success=ignore default=1] pam_succeed_if.so quiet user in root\n" in made


def test_what_stands_before_common_auth_still_comes_first() -> None:
    made = ssh_two_factor.pam("auth required pam_faillock.so preauth\n" + PAM, ["staff-ssh"], ["root"], "/x")
    assert made.startswith("auth required pam_faillock.so preauth\n")
    own = ssh_two_factor.pam("-auth optional pam_a.so\nauth required pam_unix.so\n", ["staff-ssh"], ["root"], "/x")
    assert own.endswith("# privacy.hosting: end\n-auth optional pam_a.so\nauth required pam_unix.so\n")


def test_a_pam_file_that_authenticates_nobody_is_not_edited() -> None:
    with pytest.raises(ChangeError, match="reinstall it"):
        ssh_two_factor.pam("account required pam_nologin.so\n", [], ["root"])


# -- programs' keys -------------------------------------------------------------------------------------------


def test_keys_of_programs_are_limited_and_all_else_stays() -> None:
    text = (
        "# Ansible\n\n"
        "ssh-ed25519 AAAAC3 ansible\n"
        'no-pty,command="echo \\"from=\\" here" ssh-rsa AAAAB3 backup\n'
        'from="198.51.100.7" ssh-ed25519 AAAAC4 other\n'
        "not a key"
    )
    made = ssh_two_factor.limited(text, ["192.0.2.10/32", "2001:db8::/64"])
    assert made.splitlines() == [
        "# Ansible",
        "",
        'from="192.0.2.10/32,2001:db8::/64" ssh-ed25519 AAAAC3 ansible',
        'from="192.0.2.10/32,2001:db8::/64",no-pty,command="echo \\"from=\\" here" ssh-rsa AAAAB3 backup',
        'from="198.51.100.7" ssh-ed25519 AAAAC4 other',
        "not a key",
    ]
    assert ssh_two_factor.limited(made, ["192.0.2.10/32"]) == made


# -- who could not log in any more ----------------------------------------------------------------------------


def refused(rules: Rules, *asked: Person) -> str:
    try:
        ssh_two_factor.refuse_unready(rules, found(*asked), NOW)
    except ChangeError as error:
        return str(error)
    return ""


def test_who_has_no_factor_is_named() -> None:
    assert refused(RULES, person("anna"), person("hans", SECURITY_KEY)) == ""
    told = refused(RULES, person("anna"), person("bert", ""), person("carl", ""))
    assert told.startswith("no second factor yet: bert, carl; enrol each by")


def test_a_time_of_grace_lasts_to_the_end_of_its_last_day() -> None:
    grace = Rules(**{**vars(RULES), "grace_until": dt.date(2026, 1, 31)})
    assert refused(grace, person("bert", "")) == ""
    over = Rules(**{**vars(RULES), "grace_until": dt.date(2026, 1, 30)})
    assert "no second factor yet: bert" in refused(over, person("bert", ""))


def test_who_has_no_key_is_named_in_a_time_of_grace_too() -> None:
    grace = Rules(**{**vars(RULES), "grace_until": dt.date(2030, 1, 31)})
    assert refused(grace, person("bert", "", has_key=False)).startswith("bert: logs in by password only")


def test_a_secret_that_pam_would_refuse_is_told() -> None:
    wrong = Person(account("bert", "staff-ssh"), "", True, "/x/bert is not root's alone")
    assert refused(RULES, wrong) == "/x/bert is not root's alone"


# -- who logs in ----------------------------------------------------------------------------------------------

PLAIN = {
    "authorizedkeysfile": ".ssh/authorized_keys",
    "authorizedkeyscommand": "none",
    "trustedusercakeys": "none",
    "permitrootlogin": "without-password",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "authenticationmethods": "any",
    "pubkeyauthentication": "yes",
    "usepam": "yes",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPj8ndd1zajbErrGcDTHKY4GqpYD x"
SK = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t x"


def sshd(by_user: dict[str, dict[str, str]] | None = None, **more: str) -> Sshd:
    """An sshd whose test mode says this; by_user: and other things of some users."""

    def call(argv: Sequence[str]) -> Result:
        user = argv[3].partition("user=")[2].partition(",")[0] if "-C" in argv else ""
        told = {**PLAIN, **more, **(by_user or {}).get(user, {})}
        return Result(tuple(argv), 0, "".join(f"{key} {value}\n" for key, value in told.items()), "")

    return Sshd(call)


class FakeHost(Host):
    """A host with these files."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(now=NOW)
        self.files = files

    def read(self, path: str, *_more: object, **_options: object) -> str:
        return self.files[path]

    def stat(self, path: str, *_more: object, **_options: object) -> os.stat_result | None:
        return os.stat("/") if path in self.files else None

    def processes(self) -> list:  # type: ignore[type-arg]
        return []

    def glob(self, pattern: str) -> list[str]:
        return [path for path in self.files if path.startswith(os.path.dirname(pattern))]


LISTED = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
debian:x:1000:1000::/home/debian:/bin/bash
anna:x:1001:1001::/home/anna:/bin/bash
hans:x:1002:1002::/home/hans:/bin/bash
klant1:x:1003:1003::/home/klant1:/usr/sbin/nologin
carl:x:1004:1004::/home/carl:/bin/bash
"""
FILES = {
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
    "/etc/passwd": LISTED,
    "/etc/group": "sudo:x:27:debian,anna\nstaff-ssh:x:994:anna,hans\nsftp:x:993:klant1\n",
    "/etc/shadow": "root:*:1::::::\nanna:$y$x:1::::::\nklant1:$y$x:1::::::\ncarl:!:1::::::\n",
    "/home/debian/.ssh/authorized_keys": KEY,
    "/home/anna/.ssh/authorized_keys": KEY,
    "/home/hans/.ssh/authorized_keys": f"{KEY}\nverify-required {SK}\n",
    "/home/klant1/.ssh/authorized_keys": KEY,
}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The directory of secrets, with those of some accounts."""
    folder = tmp_path / "two-factor"
    monkeypatch.setattr(ssh_secret.fault, "__defaults__", (str(folder),))

    def make(*accounts: str) -> Path:
        for name in accounts:
            ssh_secret.create(name, ssh_secret.content("A" * 32, []), str(folder))
        return folder

    return make


def logs_in(rules: Rules = RULES, files: dict[str, str] | None = None, **settings: str) -> People:
    return people(FakeHost({**FILES, **(files or {})}), rules, sshd(**settings))


def test_accounts_are_told_apart(secrets: Callable[..., Path]) -> None:
    secrets("anna")
    told = logs_in()
    assert [one.name for one in told.automation] == ["debian"]
    assert {one.name: one.factor for one in told.asked} == {"anna": TOTP, "hans": SECURITY_KEY}
    assert [one.name for one in told.customers] == ["klant1"]


def test_who_is_staff_and_customer_is_staff(secrets: Callable[..., Path]) -> None:
    both = {"/etc/group": "staff-ssh:x:994:anna,klant1\nsftp:x:993:klant1\n"}
    assert "klant1" in {one.name for one in logs_in(files=both).asked}


def test_of_everyone_customers_too(secrets: Callable[..., Path]) -> None:
    everyone = Rules(**{**vars(RULES), "required_of": "everyone"})
    assert logs_in(everyone).without_factor == ["anna", "klant1"]


def test_an_account_in_no_class_counts_as_a_person(secrets: Callable[..., Path]) -> None:
    assert "carl" in logs_in(files={"/home/carl/.ssh/authorized_keys": KEY}).without_factor
    assert "carl" not in logs_in().without_factor, "it has neither key nor password"


def test_root_logs_in_where_it_has_a_key_and_sshd_lets_it(secrets: Callable[..., Path]) -> None:
    with_key = {"/root/.ssh/authorized_keys": KEY}
    assert "root" in logs_in(files=with_key).without_factor
    assert "root" not in logs_in(files=with_key, permitrootlogin="no").without_factor
    assert "root" not in logs_in().without_factor


def test_a_password_is_a_way_in_where_sshd_takes_it(secrets: Callable[..., Path]) -> None:
    no_key = {"/home/anna/.ssh/authorized_keys": ""}
    assert "anna" not in {one.name for one in logs_in(files=no_key).asked}
    (anna,) = (one for one in logs_in(files=no_key, passwordauthentication="yes").asked if one.name == "anna")
    assert not anna.has_key


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"allowusers": "anna@192.0.2.* debian"}, ["anna"]),
        ({"allowusers": "a*"}, ["anna"]),
        ({"denyusers": "hans"}, ["anna"]),
        ({"denyusers": "hans@198.51.100.7"}, ["anna", "hans"]),
        ({"allowgroups": "sudo sftp"}, ["anna"]),
        ({"denygroups": "staff-*"}, []),
    ],
)
def test_whom_sshd_lets_in_from_nowhere_needs_no_factor(
    secrets: Callable[..., Path], settings: dict[str, str], asked: list[str]
) -> None:
    assert [one.name for one in logs_in(**settings).asked] == asked


def test_which_factors_count_is_an_option(secrets: Callable[..., Path]) -> None:
    secrets("anna")
    keys_only = Rules(**{**vars(RULES), "methods": (SECURITY_KEY,)})
    assert logs_in(keys_only).without_factor == ["anna"]
    codes_only = Rules(**{**vars(RULES), "methods": (TOTP,)})
    assert logs_in(codes_only).without_factor == ["hans"]


def test_a_security_key_that_does_not_verify_is_one_factor(secrets: Callable[..., Path]) -> None:
    assert "hans" in logs_in(files={"/home/hans/.ssh/authorized_keys": SK}).without_factor


# -- what sshd says of it -------------------------------------------------------------------------------------

ASKED = {"authenticationmethods": "publickey,keyboard-interactive:pam", "kbdinteractiveauthentication": "yes"}
ALONE = {"authenticationmethods": "publickey"}


def faults(by_user: dict[str, dict[str, str]], *asked: Person) -> list[str]:
    return list(ssh_two_factor.faults(sshd(by_user), RULES, found(*asked)))


def test_sshd_is_believed_where_it_asks_everybody() -> None:
    verified = {**ALONE, "pubkeyauthoptions": "verify-required", "pubkeyacceptedalgorithms": "sk-a,sk-b"}
    said = {"anna": ASKED, "debian": ALONE, "hans": verified, "bert": ALONE}
    assert faults(said, person("anna"), person("hans", SECURITY_KEY), person("bert", "")) == []


@pytest.mark.parametrize(
    ("said", "who", "told"),
    [
        ({"debian": ALONE}, person("anna"), "user=anna,addr=192.0.2.1' says 'authenticationmethods any' instead"),
        ({"debian": ALONE, "anna": {**ASKED, "usepam": "no"}}, person("anna"), "'usepam no' instead of 'yes'"),
        ({"anna": ASKED}, person("anna"), "user=debian,addr=192.0.2.10' says 'authenticationmethods any'"),
        ({"debian": ALONE, "root": ASKED}, ROOT, "'permitrootlogin without-password' instead of 'yes'"),
        (
            {"debian": ALONE, "hans": {**ALONE, "pubkeyauthoptions": "verify-required",
                                       "pubkeyacceptedalgorithms": "sk-a,ssh-ed25519"}},
            person("hans", SECURITY_KEY), "instead of 'those of security keys only'",
        ),
        ({"debian": ALONE, "hans": ALONE}, person("hans", SECURITY_KEY), "'pubkeyauthoptions nothing' instead of"),
    ],
)  # fmt: skip
def test_sshd_that_asks_for_less_is_not_believed(said: dict[str, dict[str, str]], who: Person, told: str) -> None:
    assert any(told in fault for fault in faults(said, who))


def test_what_sshd_complains_of_is_one_line() -> None:
    complaint = "/etc/ssh/sshd_config.d/zz.conf: line 1: Bad configuration option: Nonsense\r\nterminating, 1 bad\r\n"
    with pytest.raises(ChangeError, match=r"^'sshd -T' says: .*zz\.conf: line 1: Bad .* Nonsense$"):
        Sshd(lambda argv: Result(tuple(argv), 255, "", complaint)).settings()


# -- exemption from penalties ---------------------------------------------------------------------------------


def test_penalties_are_exempted_together_with_others_and_only_where_sshd_knows_them() -> None:
    host = FakeHost({"/etc/ssh/sshd_config": "PerSourcePenaltyExemptList 198.51.100.0/24,192.0.2.10/32 # office\n"})
    knows = sshd(persourcepenaltyexemptlist="none")
    assert ssh_two_factor.exempt_now(host, knows, RULES) == ["192.0.2.10/32", "2001:db8::/64", "198.51.100.0/24"]
    assert ssh_two_factor.exempt_now(host, sshd(), RULES) == []


# -- grace ----------------------------------------------------------------------------------------------------


def test_a_person_leaves_the_time_of_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = tmp_path / "grace.conf"
    monkeypatch.setattr(ssh_two_factor, "GRACE", str(grace))
    text = ssh_two_factor.grace_drop_in(["bert", "carl"], "2026-02-01 00:00:00 UTC")
    grace.write_text(text)
    for name, left in (("anna", text), ("bert", text.replace("bert,carl", "carl"))):
        transaction = Transaction("2026-01-31T12:00:00Z", "test", root=str(tmp_path / "undo"))
        ssh_two_factor.plan_end_of_grace(transaction, name)
        assert transaction.look(str(grace)).data.decode() == left
        assert transaction.changed is (left != text)
    grace.write_text(text.replace("bert,carl", "bert"))
    transaction = Transaction("2026-01-31T12:00:00Z", "test", root=str(tmp_path / "undo"))
    ssh_two_factor.plan_end_of_grace(transaction, "bert")
    assert transaction.look(str(grace)).kind == ABSENT


# -- secrets --------------------------------------------------------------------------------------------------


def test_a_secret_is_made_once_and_never_written_over(secrets: Callable[..., Path]) -> None:
    folder = secrets("anna")
    file = folder / "anna"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = file.read_bytes()
    assert not ssh_secret.create("anna", ssh_secret.content("B" * 32, []), str(folder))
    assert file.read_bytes() == before
    assert ssh_secret.create("anna", ssh_secret.content("B" * 32, ["12345678"]), str(folder), replace=True)
    assert file.read_text().splitlines() == [
        "B" * 32, '" RATE_LIMIT 3 30', '" WINDOW_SIZE 3', '" DISALLOW_REUSE', '" TOTP_AUTH', "12345678",
    ]  # fmt: skip
    assert os.listdir(folder) == ["anna"]


def test_what_pam_would_not_take_is_told(secrets: Callable[..., Path]) -> None:
    folder = secrets("anna", "bert", "carl")
    assert ssh_secret.fault("anna") == ""
    assert ssh_secret.fault("nobody") == "missing"
    (folder / "bert").chmod(0o440)
    assert "not root's alone" in ssh_secret.fault("bert")
    (folder / "carl").chmod(0o600)
    (folder / "carl").write_text("no secret\n")
    assert "does not begin with a secret" in ssh_secret.fault("carl")
    (folder / "link").symlink_to("anna")
    assert "is not a file" in ssh_secret.fault("link")


# -- the running connection -----------------------------------------------------------------------------------


def process(proc: Path, pid: int, name: str, parent: int, start_s: float = 0, environ: str = "") -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    rest = ["S", str(parent), *["0"] * 17, str(int(start_s * ssh_session.TICKS)), "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(rest)}\n")
    (folder / "environ").write_text(environ.replace(" ", "\0"))


def test_the_login_is_found_through_sudo(tmp_path: Path) -> None:
    process(tmp_path, 1, "systemd", 0)
    process(tmp_path, 10, "sshd", 1)
    process(tmp_path, 20, "sshd-session: d) x", 10, 40)
    process(tmp_path, 30, "sh", 20, 41, "A=b SSH_CONNECTION=192.0.2.10")
    process(tmp_path, 40, "sudo", 30, 42, "SUDO_USER=debian")
    process(tmp_path, 50, "python3", 40, 43)
    assert ssh_session.session(str(tmp_path), 50) == ssh_session.Session("root", "192.0.2.10", 40)


def test_what_did_not_come_over_ssh_is_no_login(tmp_path: Path) -> None:
    process(tmp_path, 1, "systemd", 0)
    process(tmp_path, 50, "python3", 1, 43, "SSH_CONNECTION=192.0.2.10")
    assert ssh_session.session(str(tmp_path), 50) is None


@pytest.mark.parametrize(
    ("who", "address", "told"),
    [
        ("debian", "192.0.2.10", ""),
        ("debian", "2001:db8::77", ""),
        ("debian", "::ffff:192.0.2.10", ""),
        ("debian", "198.51.100.7", "this run comes from 198.51.100.7, which ssh_two_factor_controllers does not name"),
        ("anna", "192.0.2.10", "this run logs in as anna, which would be asked for a second factor"),
    ],
)
def test_a_connection_that_could_not_be_made_again_stops_the_run(who: str, address: str, told: str) -> None:
    assert ssh_two_factor.foreign_address(RULES, ssh_session.Session(who, address, 0)).startswith(told)
    assert bool(told) or not ssh_two_factor.foreign_address(RULES, ssh_session.Session(who, address, 0))


def test_what_is_no_address_is_in_no_network() -> None:
    assert not covers(RULES.controllers, "UNKNOWN")


def test_a_login_from_before_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said = sshd({"anna": ASKED, "debian": ALONE})
    monkeypatch.setattr(ssh_session, "session", lambda: ssh_session.Session("debian", "192.0.2.10", 40.0))
    monkeypatch.setattr(ssh_rollback, "is_armed", lambda: True)
    ssh_check.effect(RULES, found(person("anna")), said, 39.0)
    ssh_check.effect(RULES, found(person("anna")), said, None)
    with pytest.raises(ChangeError, match="did not log in anew"):
        ssh_check.effect(RULES, found(person("anna")), said, 41.0)
    with pytest.raises(ChangeError, match="authenticationmethods any"):
        ssh_check.effect(RULES, found(person("bert")), said, None)
    monkeypatch.setattr(ssh_rollback, "is_armed", lambda: False)
    with pytest.raises(ChangeError, match="was put back already"):
        ssh_check.effect(RULES, found(person("anna")), said, 39.0)


# -- the clock ------------------------------------------------------------------------------------------------


def clock(synchronised: str, contained: bool, controller: str | None) -> str:
    def call(argv: Sequence[str]) -> Result:
        if argv[0] == "timedatectl":
            return Result(tuple(argv), 0, f"{synchronised}\n", "")
        return Result(tuple(argv), 0 if contained else 1, "", "")

    try:
        ssh_check.clock(call, NOW, controller)
    except ChangeError as error:
        return str(error)
    return ""


def test_the_clock_is_kept_right_and_is_the_controllers() -> None:
    assert clock("yes", False, "2026-01-31T12:00:15Z") == ""
    assert clock("no", True, "2026-01-31T11:59:45Z") == ""
    assert clock("no", False, "2026-01-31T12:00:00Z").startswith("the clock is not synchronised")
    assert clock("", False, None).startswith("the clock is not synchronised")
    assert clock("yes", False, "2026-01-31T12:00:45Z").startswith("the clock differs by 45 s")
    assert "is no time like" in clock("yes", False, "noon")


# -- the rollback ---------------------------------------------------------------------------------------------


class Systemd:
    """systemctl and systemd-run, which note what they are asked."""

    def __init__(self, **codes: int) -> None:
        self.codes, self.asked = codes, list[str]()

    def __call__(self, argv: Sequence[str]) -> tuple[int, str]:
        self.asked.append(" ".join(argv))
        return self.codes.get(argv[0].replace("-", "_"), 0), "it failed"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "pam").write_text("as it was\n")
    (etc / "pam").chmod(0o640)
    (etc / "link").symlink_to("pam")
    return etc


def boot(etc: Path) -> tuple[str, str]:
    return str(etc.parent / "boot.service"), str(etc.parent / "boot.link")


def put_back(etc: Path, runner: Systemd) -> list[str]:
    return ssh_rollback.put_back(str(etc.parent / "state"), str(etc / "nolock"), runner, boot(etc))


def arm(etc: Path, runner: Systemd, *names: str, units: Sequence[str] = ()) -> Path:
    state = etc.parent / "state"
    ssh_rollback.arm([str(etc / name) for name in names], units, 300, str(state), b"print()", runner, boot(etc))
    return state


def tree(etc: Path) -> dict[str, object]:
    return {
        path.name: os.readlink(path) if path.is_symlink() else (path.read_text(), stat.S_IMODE(path.stat().st_mode))
        for path in etc.iterdir()
    }


def test_a_rollback_puts_back_what_was_changed_removed_and_made(etc: Path) -> None:
    systemd = Systemd()
    before = tree(etc)
    state = arm(etc, systemd, "pam", "link", "new", units=["grace.timer"])
    assert any("systemd-run" in asked and "--on-active=300" in asked for asked in systemd.asked)
    assert stat.S_IMODE((state / "armed.json").stat().st_mode) == 0o600
    (etc / "pam").write_text("changed\n")
    (etc / "link").unlink()
    (etc / "new").write_text("ours\n")
    (etc / ".privacy-hosting").mkdir()
    (etc / ".privacy-hosting" / "old-pam").write_text("left by a transaction that was cut off\n")
    said = put_back(etc, systemd)
    assert tree(etc) == before
    assert said == [*(f"put back {etc / name}" for name in ("pam", "link", "new")), "sshd was reloaded"]
    assert systemd.asked[-3:] == [
        "systemctl enable --now grace.timer", "systemctl is-active ssh.service", "systemctl reload ssh.service",
    ]  # fmt: skip
    assert (state / "replaced" / "0-pam").read_text() == "changed\n", "what it replaces is kept"
    assert not list(etc.parent.glob("boot*"))
    assert put_back(etc, systemd) == [], "once"


def test_a_rollback_that_finds_all_as_it_was_reloads_nothing(etc: Path) -> None:
    """Somebody's own edits may wait there, and a reload would put them into effect."""
    systemd = Systemd()
    arm(etc, systemd, "pam")
    assert put_back(etc, systemd) == []
    assert not [asked for asked in systemd.asked if "reload" in asked]


def test_a_rollback_that_is_called_off_does_nothing(etc: Path) -> None:
    systemd = Systemd()
    state = arm(etc, systemd, "pam")
    (etc / "pam").write_text("changed\n")
    ssh_rollback.disarm(str(state), systemd, boot(etc))
    assert systemd.asked[-1] == f"systemctl stop {ssh_rollback.UNIT}.timer"
    assert not state.exists() and not list(etc.parent.glob("boot*"))
    assert put_back(etc, systemd) == []
    assert (etc / "pam").read_text() == "changed\n"


def test_a_rollback_that_came_first_cannot_be_called_off(etc: Path) -> None:
    systemd = Systemd()
    state = arm(etc, systemd, "pam")
    put_back(etc, systemd)
    with pytest.raises(ssh_rollback.RollbackError, match="put back already"):
        ssh_rollback.disarm(str(state), systemd, boot(etc))


def test_what_cannot_be_armed_is_not_armed_at_all(etc: Path) -> None:
    with pytest.raises(ssh_rollback.RollbackError, match="could not arm the rollback: it failed; nothing was changed"):
        arm(etc, Systemd(systemd_run=1), "pam")
    assert not (etc.parent / "state" / "armed.json").exists() and not list(etc.parent.glob("boot*"))


def test_a_directory_that_was_exchanged_for_a_link_is_not_followed(etc: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pam").write_text("a key\n")
    state = tmp_path / "state"
    ssh_rollback.arm([str(home / "pam")], (), 300, str(state), b"", Systemd(), boot(etc))
    (home / "pam").unlink()
    home.rename(tmp_path / "was")
    home.symlink_to(etc)
    (etc / "pam").write_text("somebody else's\n")
    said = put_back(etc, Systemd())
    assert "could not put back" in said[0]
    assert (etc / "pam").read_text() == "somebody else's\n"


# -- options --------------------------------------------------------------------------------------------------

PARAMS = {
    "required_of": "staff", "methods": [TOTP], "staff_groups": ["sudo"], "automation_accounts": [],
    "customer_groups": [], "controllers": ["192.0.2.10", "2001:db8::1/64"], "grace_until": "2026-01-31",
}  # fmt: skip


def test_options_become_rules() -> None:
    rules = rules_of(PARAMS)
    assert rules.controllers == ("192.0.2.10/32", "2001:db8::/64")
    assert rules.grace_ends == dt.datetime(2026, 2, 1, tzinfo=dt.timezone.utc)
    assert rules_of({**PARAMS, "grace_until": None}).grace_ends is None
    for wrong in ({"controllers": ["office"]}, {"grace_until": "soon"}):
        with pytest.raises(ChangeError):
            rules_of({**PARAMS, **wrong})

