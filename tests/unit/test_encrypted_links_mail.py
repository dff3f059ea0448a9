# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links, of mail: each check where it passes, where it fails and where it cannot tell, of both releases."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import (
    encrypted_links,
    encrypted_links_mailboxes,
    encrypted_links_submission,
)
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.encrypted_links import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import mail_before_tls, mail_greeting
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_before_tls import Door, Seen
from ansible_collections.privacy.hosting.plugins.module_utils._services.postfix_tables import words
from ansible_collections.privacy.hosting.plugins.module_utils._services.postfix_tls import old_versions
from tests.unit.mail_host import EVERYWHERE, LOADED, MailHost, process
from tests.unit.tls_servers import issue, openssl_server

RELEASES = ("bookworm", "trixie")
CHECKS = {check.name: check.run for check in encrypted_links.CHECKS}
# `postconf -x` of Postfix 3.7.11 (Debian 12) and 3.10.13 (Debian 13), what is looked at; they differ in one of these
SETTINGS = """content_filter =
default_transport = smtp
inet_interfaces = all
lmtp_tls_mandatory_ciphers = medium
lmtp_tls_mandatory_protocols = >=TLSv1
lmtp_tls_secure_cert_match = nexthop
lmtp_tls_security_level =
local_transport = local:mail.voorbeeld.example
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
relay_transport = relay
relayhost =
smtp_enforce_tls = no
smtp_tls_enforce_peername = yes
smtp_tls_mandatory_ciphers = medium
smtp_tls_mandatory_protocols = >=TLSv1
smtp_tls_secure_cert_match = nexthop, dot-nexthop
smtp_tls_security_level = may
smtp_tls_verify_cert_match = hostname
smtp_use_tls = no
smtpd_client_restrictions =
smtpd_enforce_tls = no
smtpd_recipient_restrictions =
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_sasl_auth_enable = no
smtpd_sasl_path = private/auth
smtpd_sasl_type = dovecot
smtpd_tls_auth_only = no
smtpd_tls_mandatory_ciphers = medium
smtpd_tls_mandatory_protocols = >=TLSv1
smtpd_tls_protocols = >=TLSv1
smtpd_tls_security_level = may
smtpd_tls_wrappermode = no
smtpd_use_tls = no
tls_append_default_CA = no
transport_maps =
virtual_transport = lmtp:unix:private/dovecot-lmtp
"""
AUTHORITY = {
    "bookworm": "smtp_tls_CApath = /etc/ssl/certs\n",
    "trixie": "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\ntls_required_enable = yes\n",
}
# `postconf -M` and `postconf -Px`, shortened
MASTER = """smtp       inet  n       -       y       -       -       smtpd
submission inet  n       -       y       -       -       smtpd -o smtpd_sasl_auth_enable=yes
submissions inet n       -       y       -       -       smtpd -o smtpd_tls_wrappermode=yes
smtp       unix  -       -       y       -       -       smtp
relay      unix  -       -       y       -       -       smtp
lmtp       unix  -       -       y       -       -       lmtp
local      unix  -       n       n       -       -       local
virtual    unix  -       n       n       -       -       virtual
"""
OVERRIDES = """submission/inet/smtpd_relay_restrictions = permit_sasl_authenticated,reject
submission/inet/smtpd_sasl_auth_enable = yes
submission/inet/smtpd_tls_security_level = encrypt
submissions/inet/smtpd_relay_restrictions = permit_sasl_authenticated,reject
submissions/inet/smtpd_sasl_auth_enable = yes
submissions/inet/smtpd_tls_wrappermode = yes
"""


class Links(MailHost):
    """A mail server whose settings can be changed one by one, and whose tables are texts."""

    def __init__(self, release: str = "trixie") -> None:
        super().__init__(release)
        self.settings = SETTINGS + AUTHORITY[release]
        self.master, self.overrides = MASTER, OVERRIDES
        self.files.update({"/etc/ssl/certs": "", "/etc/ssl/certs/ca-certificates.crt": "", "/etc/hosts": ""})
        self.tables: dict[str, dict[str, str]] = {}

    def setting(self, **values: str) -> Links:
        kept = [line for line in self.settings.splitlines() if line.partition(" =")[0] not in values]
        self.settings = "\n".join([*kept, *(f"{key} = {value}" for key, value in values.items())])
        return self

    def door(self, name: str, **values: str) -> Links:
        self.overrides += "".join(f"{name}/inet/{key} = {value}\n" for key, value in values.items())
        return self

    def new(self) -> Links:
        more = {"tls_required_enable": "no"} if "tls_required_enable" in self.settings else {}
        new = ">=TLSv1.2"
        return self.setting(smtpd_tls_mandatory_protocols=new, smtp_tls_mandatory_protocols=new, **more)

    def _answer(self, argv: tuple[str, ...]) -> str:
        if argv[:2] == ("postmap", "-s"):
            return "".join(f"{key}\t{value}\n" for key, value in self.tables[argv[2]].items())
        if argv[:2] == ("postmap", "-q"):
            return self.tables[argv[3]].get(argv[2], "")
        return super()._answer(argv)


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest) -> Links:
    return Links(request.param)


def question(*, probe: bool = False, tunnels: Sequence[str] = (), **asked: Any) -> Question:
    values = {one.name: one.default for one in MEASURE.options}
    return Question(asked, {**values, **asked, "tunnels": list(tunnels)}, probe=probe)


def ask(host: Links, check: str, option: str = "accepts", **more: Any) -> dict[str, Finding]:
    usual = next(one.default for one in MEASURE.options if one.name == option)
    about = question(**{option: more.pop(option, usual)}, **more)
    return {one.subject: one for one in CHECKS[check](host, about, option)}  # type: ignore[arg-type]


def statuses(found: Mapping[str, Finding]) -> dict[str, str]:
    return {subject: one.status for subject, one in found.items()}


# -- mailboxes --------------------------------------------------------------------------------------------------------


def test_the_doors_of_an_ordinary_installation_let_nobody_in_before_tls(host: Links) -> None:
    found = ask(host, "mail_doors")
    assert statuses(found) == {
        "imap :143": "pass",
        "imap :993": "pass",
        "pop3": "not_applicable",
        "managesieve :4190": "pass",
    }
    assert found["imap :143"].proof == "running"
    assert "no login is let in before TLS" in found["imap :143"].observed
    assert {one.measure for one in found.values()} == {"encrypted_links"}


@pytest.mark.parametrize("release, key, value", [
    ("bookworm", "disable_plaintext_auth", "no"),
    ("trixie", "auth_allow_cleartext", "yes"),
])  # fmt: skip
def test_passwords_without_tls(release: str, key: str, value: str) -> None:
    host = Links(release)
    host.keys[key] = value
    host.files["/etc/dovecot/local.conf"] = f"{key} = {value}\n"
    found = ask(host, "mail_doors")["imap :143"]
    assert (found.status, found.source) == ("fail", "/etc/dovecot/local.conf:1")
    assert f"passwords are let in without TLS ({key} = {value})" in found.observed
    assert "ssl = required" in found.remedy
    assert ask(host, "mail_doors")["imap :993"].status == "pass"


@pytest.mark.parametrize("mechanisms, good", [
    ("plain login", True),
    ("plain xoauth2 oauthbearer", True),
    ("plain cram-md5", False),
    ("plain scram-sha-256", False),
    ("plain external", False),
    ("anonymous", False),
])  # fmt: skip
def test_mechanisms_that_log_in_without_tls(host: Links, mechanisms: str, good: bool) -> None:
    host.keys["auth_mechanisms"] = mechanisms
    assert ask(host, "mail_doors")["managesieve :4190"].status == ("pass" if good else "fail")
    other = Links(host.release)
    other.keys.update({"auth_mechanisms": mechanisms, "ssl": "required"})
    assert ask(other, "mail_doors")["managesieve :4190"].status == "pass"


def test_trusted_clients_are_let_in_plain(host: Links) -> None:
    host.keys["login_trusted_networks"] = "192.0.2.0/24"
    found = ask(host, "mail_doors")["imap :143"]
    assert (found.status, "clients of 192.0.2.x/24 may log in without TLS" in found.observed) == ("fail", True)


@pytest.mark.parametrize("release, status", [("bookworm", "fail"), ("trixie", "pass")])
def test_trusted_clients_where_tls_is_required(release: str, status: str) -> None:
    # 2.3.19 answers '+' to AUTHENTICATE from such an address, 2.4.1 '[PRIVACYREQUIRED]'
    host = Links(release)
    host.keys.update({"login_trusted_networks": "192.0.2.0/24", "ssl": "required"})
    assert ask(host, "mail_doors")["imap :143"].status == status


def test_the_host_itself_may_be_trusted(host: Links) -> None:
    host.keys["login_trusted_networks"] = "127.0.0.0/8, ::1"
    assert ask(host, "mail_doors")["imap :143"].status == "pass"


def test_blocks_for_some_addresses_are_followed(host: Links) -> None:
    key, value = ("disable_plaintext_auth", "no") if host.release == "bookworm" else ("auth_allow_cleartext", "yes")
    host.keys["ssl"] = "required"
    host.changed += f"remote 198.51.100.0/24 {{\n  {key} = {value}\n  ssl = yes\n}}\n"
    found = ask(host, "mail_doors")["imap :143"]
    assert (found.status, "in a block of its own (remote 198.51.100.x/24)" in found.observed) == ("fail", True)
    other = Links(host.release)
    other.changed += f"remote 127.0.0.0/8 {{\n  {key} = {value}\n}}\n"
    assert ask(other, "mail_doors")["imap :143"].status == "pass"


@pytest.mark.parametrize("name, status", [("192.0.2.1", "fail"), ("127.0.0.1", "pass"), ("::1", "pass")])
def test_blocks_for_connections_to_an_address(host: Links, name: str, status: str) -> None:
    key, value = ("disable_plaintext_auth", "no") if host.release == "bookworm" else ("auth_allow_cleartext", "yes")
    host.files["/proc/net/fib_trie"] = "           |-- 192.0.2.1\n              /32 host LOCAL\n"
    host.changed += f"local {name} {{\n  {key} = {value}\n}}\n"
    assert ask(host, "mail_doors")["imap :143"].status == status
    # what comes from that address is the host's own
    other = Links(host.release)
    other.files["/proc/net/fib_trie"] = host.files["/proc/net/fib_trie"]
    other.changed += f"remote {name} {{\n  {key} = {value}\n}}\n"
    assert ask(other, "mail_doors")["imap :143"].status == "pass"


def test_a_block_inside_of_a_block(host: Links) -> None:
    key, value = ("disable_plaintext_auth", "no") if host.release == "bookworm" else ("auth_allow_cleartext", "yes")
    host.changed += f"remote 198.51.100.7 {{\n  protocol imap {{\n    {key} = {value}\n  }}\n}}\n"
    found = ask(host, "mail_doors")
    assert (found["imap :143"].status, found["managesieve :4190"].status) == ("fail", "pass")
    assert "198.51.100.x" in found["imap :143"].observed


def test_a_protocol_with_a_value_of_its_own(host: Links) -> None:
    key, value = ("disable_plaintext_auth", "no") if host.release == "bookworm" else ("auth_allow_cleartext", "yes")
    host.changed += f"protocol imap {{\n  {key} = {value}\n}}\n"
    found = ask(host, "mail_doors")
    assert (found["imap :143"].status, found["managesieve :4190"].status) == ("fail", "pass")


def test_a_proxy_in_front_is_not_looked_at(host: Links) -> None:
    host.services = host.services.replace("inet_listener imap {\n", "inet_listener imap {\n    haproxy = yes\n")
    host.services = host.services.replace("    haproxy = no\n    port = 143", "    port = 143")
    found = ask(host, "mail_doors")["imap :143"]
    assert (found.status, "a proxy hands connections on" in found.observed) == ("error", True)


def test_old_versions_of_tls_are_what_was_seen(host: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    host.keys["ssl_min_protocol"] = "TLSv1"
    assert ask(host, "mail_doors")["imap :993"].status == "error"
    for old, status in (("", "pass"), ("TLS 1.0", "fail")):
        seen(monkeypatch, Seen(logins=(), version="TLSv1.3", old=old, bare=False))
        found = ask(fresh(host), "mail_doors", probe=True)["imap :993"]
        assert (found.status, found.proof) == (status, "observed")


def fresh(host: Links) -> Links:
    """The same host, asked anew."""
    other = Links(host.release)
    other.keys, other.settings, other.overrides = host.keys, host.settings, host.overrides
    return other


def seen(monkeypatch: pytest.MonkeyPatch, told: Seen) -> list[Door]:
    """Have every door show the same."""
    asked: list[Door] = []

    def look(_host: Host, doors: Sequence[Door]) -> Mapping[Door, Seen]:
        asked.extend(doors)
        return dict.fromkeys(doors, told)

    for module in (encrypted_links_mailboxes, encrypted_links_submission):
        monkeypatch.setattr(module, "look", look)
    return asked


def test_what_a_door_offers_counts_more_than_what_is_configured(host: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    doors = seen(monkeypatch, Seen(logins=("LOGIN", "PLAIN"), version="TLSv1.3", old="", bare=False))
    found = ask(host, "mail_doors", probe=True)
    assert (found["imap :143"].status, found["imap :143"].proof) == ("fail", "observed")
    assert "it offers a login before TLS (LOGIN, PLAIN)" in found["imap :143"].observed
    assert {(door.protocol, door.port, door.tls) for door in doors} == {
        ("imap", 143, False), ("imap", 993, True), ("managesieve", 4190, False),
    }  # fmt: skip


def test_what_the_host_itself_is_offered_says_nothing_where_it_is_exempt(
    host: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(monkeypatch, Seen(logins=("LOGIN",), version="TLSv1.3", old="", bare=False))
    host.keys["login_trusted_networks"] = "127.0.0.0/8"
    found = ask(host, "mail_doors", probe=True)["imap :143"]
    assert (found.status, found.proof) == ("pass", "running")
    assert "the host itself is exempt" in found.observed


def test_a_suite_that_does_not_encrypt(host: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, Seen(logins=(), version="TLSv1.2", old="", bare=True))
    found = ask(host, "mail_doors", probe=True)["imap :993"]
    assert (found.status, "does not encrypt" in found.observed) == ("fail", True)


def test_an_edit_without_a_reload_is_unproven(host: Links) -> None:
    host.moments["/etc/dovecot/local.conf"] = LOADED + dt.timedelta(minutes=5)
    found = ask(host, "mail_doors")["imap :143"]
    assert (found.status, "after it was loaded" in found.observed) == ("error", True)


def test_doors_on_loopback_are_no_links(host: Links) -> None:
    host.listening = [Listener("tcp", "127.0.0.1", port, (10,)) for port in (143, 993, 4190)]
    assert set(statuses(ask(host, "mail_doors")).values()) == {"not_applicable"}


@pytest.mark.parametrize("service, status", [("lmtp", "fail"), ("auth", "fail"), ("stats", "error")])
def test_listeners_for_dovecots_own_parts(host: Links, service: str, status: str) -> None:
    host.services += f"service {service} {{\n  inet_listener x {{\n    port = 2424\n  }}\n}}\n"
    host.listening.append(Listener("tcp", EVERYWHERE, 2424, (10,)))
    assert ask(host, "mail_doors")[f"imap: {service} of Dovecot :2424"].status == status
    other = Links(host.release)
    other.services, other.listening = host.services.replace("port = 2424", "port = 2424\n ssl = yes"), host.listening
    assert ask(other, "mail_doors")[f"imap: {service} of Dovecot :2424"].status == "pass"


def test_other_mail_servers_are_not_judged(host: Links) -> None:
    host.running.append(process(90, "/usr/sbin/cyrmaster"))
    found = ask(host, "mail_doors")
    assert {found[f"{kind}: other programs"].status for kind in ("imap", "pop3", "managesieve")} == {"error"}
    assert "Cyrus IMAP runs, and is not judged" in found["imap: other programs"].observed
    assert "pop3" not in found


def test_only_what_is_asked_for_is_told(host: Links) -> None:
    assert set(ask(host, "mail_doors", accepts=["pop3", "redis"])) == {"pop3"}
    assert ask(host, "mail_doors", accepts=["redis"]) == {}
    assert ask(host, "submission", accepts=["imap"]) == {}
    assert ask(host, "relay", "sends", sends=["backup"]) == {}


def test_a_tunnel_that_is_named_and_not_seen(host: Links) -> None:
    host.listening = [Listener("tcp", "10.8.0.1", 143, (10,))]
    key, value = ("disable_plaintext_auth", "no") if host.release == "bookworm" else ("auth_allow_cleartext", "yes")
    host.keys[key] = value
    assert ask(host, "mail_doors", accepts=["imap"])["imap :143"].status == "fail"
    found = ask(fresh_at(host), "mail_doors", accepts=["imap"], tunnels=["10.8.0.0/24"])["imap :143"]
    assert (found.status, "a tunnel that is named for it was not seen" in found.observed) == ("error", True)


def fresh_at(host: Links) -> Links:
    other = fresh(host)
    other.listening = host.listening
    return other


# -- submission -------------------------------------------------------------------------------------------------------


def test_postfix_as_debian_has_it_accepts_old_tls(host: Links) -> None:
    # seen on both releases: a client that may speak TLS 1.0 does so at 587 and 465
    found = ask(host, "submission")
    assert statuses(found) == {"submission :25": "pass", "submission :587": "fail", "submission :465": "fail"}
    assert "TLSv1, TLSv1.1 is accepted (smtpd_tls_mandatory_protocols = >=TLSv1)" in found["submission :587"].observed
    assert "RFC 3207" in found["submission :25"].observed


def test_submission_that_demands_new_tls(host: Links) -> None:
    found = ask(host.new(), "submission")
    assert set(statuses(found).values()) == {"pass"}
    assert "nothing is let in before TLS (smtpd_tls_security_level = encrypt)" in found["submission :587"].observed
    assert "it speaks TLS from the first byte" in found["submission :465"].observed


def test_a_login_at_port_25_without_tls(host: Links) -> None:
    found = ask(host.new().setting(smtpd_sasl_auth_enable="yes"), "submission")["submission :25"]
    assert (found.status, "passwords are let in without TLS" in found.observed) == ("fail", True)
    other = Links(host.release).new()
    other.setting(smtpd_sasl_auth_enable="yes", smtpd_tls_auth_only="yes", smtpd_tls_protocols="!SSLv3 !TLSv1 !TLSv1.1")
    assert ask(other, "submission")["submission :25"].status == "pass"


def test_machines_of_mynetworks_hand_in_mail_in_plain(host: Links) -> None:
    found = ask(host.new().setting(mynetworks="127.0.0.0/8 192.0.2.0/28"), "submission")["submission :25"]
    assert (found.status, "machines of 192.0.2.x/28 hand in mail" in found.observed) == ("fail", True)
    other = (
        Links(host.release)
        .new()
        .setting(
            mynetworks="127.0.0.0/8 192.0.2.0/28",
            smtpd_relay_restrictions="permit_sasl_authenticated, reject_unauth_destination",
        )
    )
    assert ask(other, "submission")["submission :25"].status == "pass"


def test_networks_that_cannot_be_read(host: Links) -> None:
    found = ask(host.new().setting(mynetworks="127.0.0.0/8 ldap:/etc/postfix/nets.cf"), "submission")
    assert found["submission :25"].status == "error"
    assert "cannot be told: what ldap: tables hold is not read" in found["submission :25"].observed


@pytest.mark.parametrize("restrictions, status", [
    ("permit_sasl_authenticated,reject", "pass"),
    ("permit_mynetworks, permit_sasl_authenticated, reject", "pass"),
    ("reject_plaintext_session, permit_mynetworks, reject_unauth_destination", "pass"),
    ("permit_sasl_authenticated, check_client_access hash:/etc/postfix/in, reject", "error"),
    ("permit_sasl_authenticated, check_client_access hash:/etc/postfix/out, reject", "pass"),
    ("check_policy_service unix:private/policy, reject", "error"),
    ("permit_mynetworks, reject_unauth_destination", "fail"),
    ("permit", "fail"),
])  # fmt: skip
def test_submission_that_only_offers_tls(host: Links, restrictions: str, status: str) -> None:
    host.new().door(
        "submission", smtpd_tls_security_level="may", smtpd_tls_auth_only="yes", smtpd_tls_protocols=">=TLSv1.2",
        smtpd_relay_restrictions=restrictions,
    )  # fmt: skip
    host.tables = {
        "hash:/etc/postfix/in": {"192.0.2.5": "OK"},
        "hash:/etc/postfix/out": {"192.0.2.5": "REJECT", "192.0.2.6": "554 no", "192.0.2.7": "DUNNO"},
    }
    found = ask(host, "submission")["submission :587"]
    assert found.status == status, found
    assert "192.0.2.5" not in found.observed


def test_an_open_relay(host: Links) -> None:
    found = ask(host.new().setting(smtpd_relay_restrictions="permit_mynetworks"), "submission")["submission :25"]
    assert (found.status, "anybody may hand in mail to anywhere" in found.observed) == ("fail", True)


def test_postscreen_hands_over_to_a_service_that_decides(host: Links) -> None:
    host.new().master = MASTER.replace("smtpd\nsub", "postscreen\nsub") + "smtpd pass - - y - - smtpd\n"
    assert ask(host, "submission")["submission :25"].status == "pass"
    host = Links(host.release).new()
    host.master = MASTER.replace("smtpd\nsub", "postscreen\nsub") + "smtpd pass - - y - - smtpd\n"
    host.overrides += "smtpd/pass/smtpd_sasl_auth_enable = yes\n"
    assert ask(host, "submission")["submission :25"].status == "fail"


@pytest.mark.parametrize("line, status", [
    ("628 inet n - y - - qmqpd", "fail"), ("628 inet n - y - - spawn user=x", "error")
])  # fmt: skip
def test_what_else_postfix_listens_for(host: Links, line: str, status: str) -> None:
    host.new().master += line + "\n"
    host.listening.append(Listener("tcp", EVERYWHERE, 628, (20,)))
    assert ask(host, "submission")["submission :628"].status == status


def test_mail_that_is_taken_before_tls_is_seen(host: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    doors = seen(monkeypatch, Seen(logins=(), mail=True, version="TLSv1.3", old="TLS 1.0", bare=False))
    found = ask(host.new(), "submission", probe=True)
    assert (found["submission :587"].status, found["submission :587"].proof) == ("fail", "observed")
    assert "it takes mail before TLS; it accepts TLS 1.0" in found["submission :587"].observed
    # where strangers bring mail, neither is a fault
    assert found["submission :25"].status == "pass"
    assert {(door.port, door.mail, door.tls) for door in doors} == {
        (25, False, False), (587, True, False), (465, True, True)
    }  # fmt: skip


def test_postfix_that_only_the_host_itself_reaches(host: Links) -> None:
    host.listening = [Listener("tcp", "127.0.0.1", 25, (20,))]
    assert statuses(ask(host, "submission")) == {"submission": "not_applicable"}


def test_another_program_at_a_port_of_mail(host: Links) -> None:
    host.running.append(process(91, "/usr/sbin/exim4"))
    found = ask(host.new(), "submission")
    assert found["submission: other programs"].status == "error"


@pytest.mark.parametrize("text, old", [
    (">=TLSv1", ["TLSv1", "TLSv1.1"]),
    (">=TLSv1.2", []),
    ("TLSv1.2", []),
    ("TLSv1.3, TLSv1.2", []),
    ("!SSLv2, !SSLv3", ["TLSv1", "TLSv1.1"]),
    ("!SSLv2 !SSLv3 !TLSv1 !TLSv1.1", []),
    (">=0303", []),
    (">=TLSv1.2, <=TLSv1.3", []),
    ("", ["SSLv3", "TLSv1", "TLSv1.1"]),
])  # fmt: skip
def test_versions_that_a_list_lets(text: str, old: list[str]) -> None:
    assert old_versions(text) == old
    with pytest.raises(Unseen):
        old_versions("TLSv9")


def test_words_of_a_setting() -> None:
    text = "permit_mynetworks, check_policy_service { inet:a:1, timeout=5s }, reject"
    assert words(text) == ["permit_mynetworks", "check_policy_service", "{ inet:a:1, timeout=5s }", "reject"]


# -- relay ------------------------------------------------------------------------------------------------------------

HOP = "relay → [relay.example]:587"
ELSEWHERE = "relay: mail to other domains' servers"


def relay(host: Links, **more: Any) -> tuple[dict[str, Finding], dict[str, Finding]]:
    """What is found of a host, as to encryption and as to who the other is."""
    return ask(host, "relay", "sends", **more), ask(host, "relay", "peer_verified", **more)


@pytest.mark.parametrize("level, encrypted, checked", [
    ("none", "fail", "fail"),
    ("may", "fail", "fail"),
    ("dane", "fail", "fail"),
    ("encrypt", "pass", "fail"),
    ("verify", "pass", "pass"),
    ("secure", "pass", "pass"),
    ("dane-only", "pass", "error"),
    ("fingerprint", "pass", "error"),
])  # fmt: skip
def test_a_relay_by_level(host: Links, level: str, encrypted: str, checked: str) -> None:
    host.new().setting(relayhost="[relay.example]:587", smtp_tls_security_level=level)
    sends, peer = relay(host)
    assert (set(sends), set(peer)) == ({HOP}, {HOP})
    assert (sends[HOP].status, peer[HOP].status) == (encrypted, checked)


def test_a_relay_that_may_speak_old_tls(host: Links) -> None:
    # seen on both releases: posttls-finger of such a level speaks TLS 1.0 with who knows no newer
    sends, _peer = relay(host.setting(relayhost="[relay.example]:587", smtp_tls_security_level="secure"))
    assert (sends[HOP].status, "TLSv1, TLSv1.1 is let" in sends[HOP].observed) == ("fail", True)


def test_messages_that_ask_to_go_without_tls() -> None:
    # seen with 3.10.13: such a message is handed to who offers no TLS, at the level encrypt; 3.7.11 keeps it
    host = Links("trixie").new()
    host.setting(relayhost="[relay.example]:587", smtp_tls_security_level="secure", tls_required_enable="yes")
    for found in relay(host):
        assert (found[HOP].status, "TLS-Required: no" in found[HOP].observed) == ("fail", True)
        assert "tls_required_enable = no" in found[HOP].remedy


def test_a_policy_for_the_relay(host: Links) -> None:
    host.new().setting(relayhost="[relay.example]:587", smtp_tls_policy_maps="hash:/etc/postfix/tls")
    host.setting(smtp_tls_mandatory_protocols=">=TLSv1")
    host.tables["hash:/etc/postfix/tls"] = {"[relay.example]:587": "secure protocols=>=TLSv1.2"}
    sends, peer = relay(host)
    assert (sends[HOP].status, peer[HOP].status) == ("pass", "pass")
    host.tables["hash:/etc/postfix/tls"] = {"relay.example": "secure"}  # brackets and port belong to it
    assert relay(host)[0][HOP].status == "fail"


def test_a_name_that_dns_tells(host: Links) -> None:
    host.new().setting(relayhost="relay.example:587", smtp_tls_security_level="verify")
    found = relay(host)[1]["relay → relay.example:587"]
    assert (found.status, "without proof" in found.observed) == ("error", True)


def test_a_relay_without_an_authority(host: Links) -> None:
    host.new().setting(
        relayhost="[relay.example]:587", smtp_tls_security_level="secure", smtp_tls_CAfile="", smtp_tls_CApath=""
    )
    assert "no authority to check by" in relay(host)[1][HOP].observed


def test_levels_that_master_cf_changes(host: Links) -> None:
    host.new().setting(relayhost="[relay.example]:587", smtp_tls_security_level="secure")
    host.overrides += "smtp/unix/smtp_tls_security_level = may\n"
    sends, _peer = relay(host)
    assert (sends[HOP].status, sends[HOP].source) == ("fail", "/etc/postfix/master.cf")


def test_other_domains_are_no_links(host: Links) -> None:
    for found in relay(host):
        assert statuses(found) == {ELSEWHERE: "not_applicable"}
        assert "RFC 7435" in found[ELSEWHERE].observed
    sends, peer = relay(Links(host.release).setting(smtp_tls_security_level="none"))
    assert (sends[ELSEWHERE].status, peer[ELSEWHERE].status) == ("fail", "not_applicable")
    assert "TLS is not even tried" in sends[ELSEWHERE].observed


def test_tables_of_transports(host: Links) -> None:
    host.new().setting(transport_maps="hash:/etc/postfix/transport", relayhost="[127.0.0.1]:10025")
    host.tables["hash:/etc/postfix/transport"] = {
        "a.example": "smtp:[192.0.2.9]", "b.example": ":[relay.example]:587", "c.example": "lmtp:inet:box.example:24",
        "d.example": "local:", "e.example": "lmtp:unix:private/x", "f.example": "error:no", "g.example": "uucp:h",
    }  # fmt: skip
    found = statuses(relay(host)[0])
    assert found == {
        "relay → [192.0.2.x]": "fail",
        "relay → [relay.example]:587": "fail",
        "relay → box.example:24": "fail",
        "relay: other ways": "error",
    }


def test_a_pattern_with_blanks_that_leads_elsewhere(host: Links) -> None:
    host.new().setting(header_checks="regexp:/etc/postfix/headers", relayhost="[127.0.0.1]:10025")
    host.files["/etc/postfix/headers"] = (
        "/^Subject: .*an invoice/ FILTER smtp:[192.0.2.9]:25\n~^X-Way: a/b~i\tFILTER smtp:[relay.example]:587\n"
        "if !/^To: me/\n/^From: x\\/y z/\n  FILTER smtp:[other.example]\nendif\n"
    )
    found = statuses(relay(host)[0])
    assert found.pop("relay: other ways") == "error"  # whatever listens at the relay's port
    assert found == {
        "relay → [192.0.2.x]:25": "fail",
        "relay → [relay.example]:587": "fail",
        "relay → [other.example]": "fail",
    }


def test_tables_that_are_not_read(host: Links) -> None:
    found = relay(host.setting(transport_maps="mysql:/etc/postfix/transport.cf"))[0]["relay: other ways"]
    assert (found.status, "what mysql: tables hold is not read" in found.observed) == ("error", True)


def test_a_program_on_the_host_that_hands_on(host: Links) -> None:
    host.setting(relayhost="[127.0.0.1]:2525")
    assert "none listens there now" in relay(host)[0]["relay: other ways"].observed
    other = Links(host.release).setting(relayhost="[127.0.0.1]:2525")
    other.running.append(process(95, "/usr/bin/stunnel4"))
    other.listening.append(Listener("tcp", "127.0.0.1", 2525, (95,)))
    found = relay(other)[0]["relay: other ways"]
    assert (found.status, "stunnel4 on the host itself is handed mail" in found.observed) == ("error", True)


@pytest.mark.parametrize("key, value, seen", [
    ("smtpd_milters", "unix:/run/x.sock, inet:192.0.2.3:8891", "messages go to a filter"),
    ("smtpd_proxy_filter", "192.0.2.3:10025", "messages go to a filter"),
    ("smtpd_recipient_restrictions", "check_policy_service { inet:192.0.2.3:10031, timeout=2s }", "are asked about"),
    ("smtpd_sasl_path", "inet:192.0.2.3:12345", "passwords are asked about"),
    ("virtual_mailbox_maps", "tcp:192.0.2.3:9999", "are asked about"),
])  # fmt: skip
def test_protocols_that_know_no_tls(host: Links, key: str, value: str, seen: str) -> None:
    host.setting(**{key: value})
    for found in relay(host):
        (one,) = (one for subject, one in found.items() if subject.startswith("relay → 192.0.2.x"))
        assert (one.status, seen in one.observed) == ("fail", True)
    here = Links(host.release).setting(**{key: value.replace("192.0.2.3", "127.0.0.1")})
    assert statuses(relay(here)[0]) == {ELSEWHERE: "not_applicable"}


def test_databases_that_tables_are_in(host: Links) -> None:
    host.files["/etc/postfix/users.cf"] = "hosts = db.example\npassword = hidden\n"
    found = relay(host.setting(virtual_mailbox_maps="proxy:mysql:/etc/postfix/users.cf"))[0]
    one = found["relay → db.example: mysql tables"]
    assert (one.status, "hidden" in one.observed) == ("error", False)
    host.files["/etc/postfix/users.cf"] = "hosts = unix:/run/mysqld/mysqld.sock localhost\n"
    assert statuses(relay(host)[0]) == {ELSEWHERE: "not_applicable"}


def test_users_that_dovecot_asks_others_about() -> None:
    for connect, encrypted, checked in [
        ("host=db.example dbname=x password=hidden", "fail", "fail"),
        ("host=db.example sslmode=require", "pass", "fail"),
        ("host=db.example sslmode=verify-full", "pass", "pass"),
    ]:
        host = Links("bookworm")
        host.changed += "passdb {\n  args = /etc/dovecot/dovecot-sql.conf.ext\n  driver = sql\n}\n"
        host.files["/etc/dovecot/dovecot-sql.conf.ext"] = f"driver = pgsql\nconnect = {connect}\n"
        sends, peer = relay(host)
        about = "relay → db.example: users are asked about"
        assert (sends[about].status, peer[about].status) == (encrypted, checked)
        assert "hidden" not in sends[about].observed
    host = Links("bookworm")
    host.changed += "passdb {\n  args = /etc/dovecot/dovecot-sql.conf.ext\n  driver = sql\n}\n"
    host.files["/etc/dovecot/dovecot-sql.conf.ext"] = "driver = pgsql\nconnect = host=/run/postgresql dbname=x\n"
    assert statuses(relay(host)[0]) == {ELSEWHERE: "not_applicable"}


@pytest.mark.parametrize("args, encrypted, checked", [
    ("proxy=y host=192.0.2.4 nopassword=y", "fail", "fail"),
    ("proxy=y host=192.0.2.4 ssl=any-cert", "pass", "fail"),
    ("proxy=y host=192.0.2.4 starttls=yes", "pass", "pass"),
    ("proxy=y", "error", "error"),
])  # fmt: skip
def test_users_that_dovecot_hands_on(args: str, encrypted: str, checked: str) -> None:
    host = Links("bookworm")
    host.changed += f"passdb {{\n  args = {args}\n  driver = static\n}}\n"
    sends, peer = relay(host)
    (one,), (other,) = ([x for x in found.values() if "handed on" in x.subject] for found in (sends, peer))
    assert (one.status, other.status) == (encrypted, checked)


def test_dovecot_fetches_and_replicates(host: Links) -> None:
    host.changed += "imapc_host = box.example\nimapc_ssl = no\nplugin {\n  mail_replica = tcp:twin.example:4711\n}\n"
    found = statuses(relay(host)[0])
    assert found["relay → box.example: mailboxes are fetched"] == "fail"
    assert found["relay → twin.example: mailboxes are replicated"] == "fail"


def test_hosts_without_a_mail_server(host: Links) -> None:
    host.running, host.listening = [], []
    host.units = set()
    for found in relay(host):
        assert statuses(found) == {"relay": "not_applicable"}
    host.files["/usr/sbin/sendmail"] = ""
    host.links["/usr/sbin/sendmail"] = "/usr/bin/msmtp"
    assert statuses(relay(host)[0]) == {"relay: msmtp": "error"}


def test_another_mail_server_may_relay(host: Links) -> None:
    host.running = [process(91, "/usr/sbin/exim4")]
    host.listening, host.units = [], set()
    assert statuses(relay(host)[0]) == {"relay: Exim": "error"}


# -- what doors show --------------------------------------------------------------------------------------------------

# what Dovecot 2.3.19 and 2.4.1, and Postfix 3.7 and 3.10, say before TLS; the rest is theirs too, shortened
GREETING = {
    "imap": "* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.",
    "pop3": "+OK Dovecot ready.",
    "managesieve": '"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"SASL" "{}"\r\nOK "Dovecot ready."',
    "smtp": "220 mail.voorbeeld.example ESMTP Postfix (Debian)",
}
CLOSED: dict[str, Callable[[str], str]] = {
    "imap": lambda _: "* CAPABILITY IMAP4rev1 SASL-IR LOGINDISABLED\r\nc OK Pre-login capabilities listed.",
    "pop3": lambda _: "+OK\r\nCAPA\r\nTOP\r\nSASL\r\n.",
    "managesieve": lambda _: "NO",
    "smtp": lambda line: "530 5.7.0 Must issue STARTTLS" if line[:4] == "MAIL" else "250-x\r\n250 DSN",
}
OPEN: dict[str, Callable[[str], str]] = {
    "imap": lambda _: "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nc OK Pre-login capabilities listed.",
    "pop3": lambda _: "+OK\r\nCAPA\r\nUSER\r\nSASL PLAIN\r\n.",
    "managesieve": lambda _: "NO",
    "smtp": lambda line: "250 2.1.0 Ok" if line[:4] == "MAIL" else "250-x\r\n250-AUTH PLAIN\r\n250 DSN",
}


@pytest.fixture
def serve() -> Iterator[Callable[[str, Callable[[str], str], str], tuple[int, list[str]]]]:
    opened: list[socket.socket] = []

    def run(listening: socket.socket, greeting: str, answer: Callable[[str], str], heard: list[str]) -> None:
        with listening.accept()[0] as connection:
            connection.sendall(f"{greeting}\r\n".encode())
            for raw in connection.makefile("rb"):
                heard.append(raw.decode().strip())
                connection.sendall(f"{answer(heard[-1])}\r\n".encode())

    def begin(protocol: str, answer: Callable[[str], str], sasl: str) -> tuple[int, list[str]]:
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)
        heard: list[str] = []
        greeting = GREETING[protocol].format(sasl)
        threading.Thread(target=run, args=(listening, greeting, answer, heard), daemon=True).start()
        return listening.getsockname()[1], heard

    yield begin
    for listening in opened:
        listening.close()


@pytest.mark.parametrize("protocol", list(CLOSED))
def test_what_doors_offer_before_tls(protocol: str, serve: Callable[..., tuple[int, list[str]]]) -> None:
    logins = {"imap": ("LOGIN", "PLAIN"), "pop3": ("USER", "PLAIN"), "managesieve": ("PLAIN",), "smtp": ("PLAIN",)}
    for answers, sasl, offered, takes in ((CLOSED, "", (), False), (OPEN, "PLAIN", logins[protocol], True)):
        port, heard = serve(protocol, answers[protocol], sasl)
        door = Door(protocol, port, False, ("127.0.0.1",), mail=True)
        told = mail_before_tls.look(Host(), [door])[door]
        assert (told.trouble, told.logins, told.version) == ("", offered, "")
        assert told.mail == (takes if protocol == "smtp" else None)
        assert not any("LOGIN" in line or "PASS" in line for line in heard), heard


@pytest.mark.parametrize(
    "options, version, old, bare",
    [
        (("-tls1_2", "-cipher", "ALL:@SECLEVEL=0"), "TLSv1.2", "", False),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "TLSv1.1", "TLS 1.1", False),
        (("-tls1_2", "-cipher", "NULL:@SECLEVEL=0"), "", "", True),
    ],
)
def test_what_tls_a_door_speaks(tmp_path: Path, options: tuple[str, ...], version: str, old: str, bare: bool) -> None:
    with openssl_server(tmp_path, issue("x.example"), *options) as port:
        door = Door("imap", port, True, ("127.0.0.1",))
        told = mail_before_tls.look(Host(), [door])[door]
    assert (told.version, told.old, told.bare, bool(told.trouble)) == (version, old, bare, not version)


def test_a_door_that_cannot_be_asked() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    door = Door("imap", port, False, ("127.0.0.1",))
    assert mail_before_tls.look(Host(), [door])[door].trouble == "Connection refused"


# -- programs that nobody knows ---------------------------------------------------------------------------------------


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, bytes], int]]:
    """A server that says something at first and something to what it is asked; it takes as many clients as come."""
    monkeypatch.setattr(mail_greeting, "_WAIT_S", 0.1)
    monkeypatch.setattr(mail_greeting, "_ANSWER_S", 0.3)
    opened: list[socket.socket] = []

    def run(listening: socket.socket, greeting: bytes, answer: bytes) -> None:
        while True:
            try:
                connection = listening.accept()[0]
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    connection.sendall(greeting)
                    if connection.recv(64):
                        connection.sendall(answer)
                    while not answer and connection.recv(64):
                        pass
                except OSError:
                    continue

    def begin(greeting: bytes, answer: bytes) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)
        threading.Thread(target=run, args=(listening, greeting, answer), daemon=True).start()
        port: int = listening.getsockname()[1]
        return port

    yield begin
    for listening in opened:
        listening.close()


@pytest.mark.parametrize(
    "greeting, answer, speaks",
    [
        (b"* OK ready\r\n", b"GET BAD\r\n", True),
        (b"220 x ESMTP\r\n", b"500 what\r\n", True),
        (b"", b"HTTP/1.0 404 Not Found\r\n", False),
        (b"SSH-2.0-x\r\n", b"", False),
        (b"", b"\x15\x03\x01\x00\x02\x02\x46", False),
        (b"", b"", None),
    ],
)
def test_a_mail_server_greets(say: Callable[[bytes, bytes], int], greeting: bytes, answer: bytes, speaks: Any) -> None:
    assert mail_greeting.speaks_mail("127.0.0.1", say(greeting, answer)) is speaks


@pytest.mark.parametrize("speaks, status", [(True, "error"), (None, "error"), (False, "not_applicable")])
def test_programs_that_nobody_knows_are_asked(
    host: Links, monkeypatch: pytest.MonkeyPatch, speaks: bool | None, status: str
) -> None:
    seen(monkeypatch, Seen(logins=(), version="TLSv1.3", old="", bare=False))
    monkeypatch.setattr(mail_greeting, "speaks_mail", lambda *_: speaks)
    monkeypatch.setattr(mail_greeting, "own_addresses", lambda _: ["192.0.2.1"])
    host.running.append(process(99, "/opt/app/appd"))
    host.listening.append(Listener("tcp", EVERYWHERE, 9000, (99,)))
    found = ask(host, "mail_doors", accepts=["pop3"], probe=True)
    assert {one.status for one in found.values()} == {status}
    if status == "error":
        assert "unknown listener appd on :9000" in found["pop3: other programs"].observed
    assert ask(fresh_like(host), "mail_doors", accepts=["pop3"])["pop3: other programs"].status == "error"


def fresh_like(host: Links) -> Links:
    other = fresh_at(host)
    other.running = host.running
    return other


def test_networks_of_containers_are_not_looked_at(host: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    host.new().setting(mynetworks="127.0.0.0/8 172.17.0.0/16")
    assert ask(host, "submission")["submission :25"].status == "fail"
    host = Links(host.release).new().setting(mynetworks="127.0.0.0/8 172.17.0.0/16")
    host.answers["ip", "-o", "addr"] = "3: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0"
    monkeypatch.setattr(host, "has", lambda command: command in ("ip", "doveconf", "postconf"))
    found = ask(host, "submission")["submission :25"]
    assert (found.status, "a network of containers" in found.observed) == ("error", True)
