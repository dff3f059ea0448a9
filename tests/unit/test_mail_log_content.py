# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: what configurations and lines of mail servers tell of contents, of both releases."""

from __future__ import annotations

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import mail_log
from tests.unit.mail_host import MailHost, process
from tests.unit.test_mail_log import RELEASES, ask, question, tried

ABOUT = question("content")


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest) -> MailHost:
    return MailHost(request.param).good()


def test_an_ordinary_installation_writes_no_contents(host: MailHost) -> None:
    found = ask(host, "content", ABOUT)
    assert {subject: one.status for subject, one in found.items()} == {
        "Dovecot": "pass",
        "Postfix": "pass",
        "newest lines": "pass",
    }


def test_contents_may_be_promised_to_be_logged(host: MailHost) -> None:
    assert ask(host, "content", question("content", content="logged"))["mail logs"].status == "pass"


@pytest.mark.parametrize(
    "key, value",
    [
        ("auth_verbose_passwords", "plain"),
        ("auth_verbose_passwords", "sha1:6"),
        ("auth_debug_passwords", "yes"),
        ("login_log_format_elements", "user=<%u> rip=%r pass=%w"),
        ("login_log_format_elements", "user=<%{user}> rip=%{remote_ip} pass=%{password}"),
        ("deliver_log_format", "msgid=%m, %s: %$"),
        ("deliver_log_format", "msgid=%{msgid} %{subject}: %{message}"),
        ("rawlog_dir", "/var/mail/rawlog"),
    ],
)
def test_settings_of_dovecot_that_show_contents(host: MailHost, key: str, value: str) -> None:
    host.keys[key] = value
    host.files["/etc/dovecot/local.conf"] += f"{key} = {value}\n"
    found = ask(host, "content", ABOUT)["Dovecot"]
    assert (found.status, found.source) == ("fail", "/etc/dovecot/local.conf:2"), found


@pytest.mark.parametrize(
    "block, status",
    [
        ("plugin {\n  mail_log_fields = uid box subject\n}\n", "pass"),  # nothing loads it
        (
            "plugin {\n  mail_log_fields = uid subject\n}\nprotocol imap {\n  mail_plugins = notify mail_log\n}\n",
            "fail",
        ),
        ("mail_log_fields {\n  subject = yes\n}\nmail_plugins {\n  mail_log = yes\n}\n", "fail"),
        ("mail_log_fields {\n  subject = no\n}\nmail_plugins {\n  mail_log = yes\n}\n", "pass"),
        ("protocol lmtp {\n  deliver_log_format = %s\n}\n", "fail"),
        ("plugin {\n  sieve_trace_dir = ~/trace\n  sieve_trace_level = matching\n}\n", "fail"),
        ("plugin {\n  sieve_trace_dir = ~/trace\n  sieve_trace_level = actions\n}\n", "pass"),
        ("event_exporter log {\n}\nmetric m {\n  exporter = log\n  fields = message_subject\n}\n", "fail"),
        (
            "event_exporter log {\n}\nmetric m {\n  exporter = log\n  filter = event=mail_delivery_finished\n}\n",
            "error",
        ),
        ("remote 192.0.2.1 {\n  auth_verbose_passwords = plain\n}\n", "error"),
    ],
)
def test_blocks_of_dovecot_that_show_contents(host: MailHost, block: str, status: str) -> None:
    host.changed += block
    assert ask(host, "content", ABOUT)["Dovecot"].status == status


def test_sessions_of_a_service_that_are_written_down(host: MailHost) -> None:
    host.services = host.services.replace("executable = imap-login", "executable = imap-login -R rawlogs")
    assert "whole sessions of imap-login" in ask(host, "content", ABOUT)["Dovecot"].observed


@pytest.mark.parametrize(
    "key, rule, status",
    [
        ("header_checks", "/^Subject:/ INFO", "fail"),
        ("header_checks", "/^subject: .*free/i REJECT spam", "fail"),
        ("header_checks", "/./ WARN", "fail"),
        ("header_checks", "/^(To|From|Sub.*):/ HOLD", "fail"),
        ("header_checks", "/^Subject: .*free/\n# spam\n    REJECT spam", "fail"),
        ("header_checks", "~^Subject: .*a/b~i WARN", "fail"),
        ("header_checks", "!/^Subject: .* ham/ WARN", "fail"),
        ("header_checks", "!/^Received: from a/ WARN", "fail"),
        ("header_checks", "if /^Subject: .*free/\n/x/ DUNNO\nendif", "pass"),
        ("body_checks", "|free stuff here|\n  WARN", "fail"),
        ("header_checks", "/^Subject:/ IGNORE", "pass"),
        ("header_checks", "# /^Subject:/ INFO", "pass"),
        ("header_checks", "/^Received: from localhost/ REDIRECT x@example.nl", "pass"),
        ("mime_header_checks", "/^Content-Disposition:.*[.]exe/ REJECT", "error"),
        ("body_checks", "/bitcoin/ WARN", "fail"),
        ("body_checks", "/bitcoin/ DUNNO", "pass"),
    ],
)
def test_tables_of_postfix(host: MailHost, key: str, rule: str, status: str) -> None:
    host.files["/etc/postfix/checks"] = f"\n{rule}\n"
    host.settings += f"{key} = pcre:/etc/postfix/checks\n"
    found = ask(host, "content", ABOUT)["Postfix"]
    assert (found.status, status == "pass" or found.source == "/etc/postfix/checks:2") == (status, True), found


@pytest.mark.parametrize("value", ["mysql:/etc/postfix/sql.cf", "regexp:/etc/postfix/absent", "hash:/etc/postfix/h"])
def test_tables_that_cannot_be_read(host: MailHost, value: str) -> None:
    host.settings += f"header_checks = {value}\n"
    assert ask(host, "content", ABOUT)["Postfix"].status == "error"


@pytest.mark.parametrize("line", ["debug_peer_list = 192.0.2.1", "smtpd_tls_loglevel = 4"])
def test_conversations_that_postfix_writes_down(host: MailHost, line: str) -> None:
    host.settings += f"{line}\n"
    assert ask(host, "content", ABOUT)["Postfix"].status == "fail"


def test_a_verbose_service_of_postfix(host: MailHost) -> None:
    host.master += "587 inet n - y - - smtpd -v\n"
    assert "passwords too (-v)" in ask(host, "content", ABOUT)["Postfix"].observed


def test_what_filters_write_is_not_judged(host: MailHost) -> None:
    host.running.append(process(80, "/usr/bin/rspamd"))
    assert ask(host, "content", ABOUT)["rspamd"].status == "error"


HEADER = (
    "2026-11-20T{time}+00:00 mail1 postfix/cleanup[99]: A1B2C3D4E5: info: header Subject: geheim; from=<a@b.example>"
)
DELIVERED = "2026-11-20T{time}+00:00 mail1 dovecot: lmtp(info)<1>: msgid=<x> subject=geheim: saved mail to INBOX"


@pytest.mark.parametrize("form", [HEADER, DELIVERED])
@pytest.mark.parametrize("time, status", [("11:30:00", "fail"), ("09:30:00", "error")])
def test_subjects_in_lines_count_from_the_last_reload_on(host: MailHost, form: str, time: str, status: str) -> None:
    host.journal = [form.format(time=time), "2026-11-20T11:00:00+00:00 mail1 postfix/qmgr[1]: A1: removed"]
    found = ask(host, "content", ABOUT)["newest lines"]
    assert (found.status, found.observed.startswith("1 of the newest 2 lines")) == (status, True)
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "mail1 dovecot: imap-login: Login aborted: (auth failed, 1 attempts): user=<subject=x>, rip=192.0.2.1",
        "mail1 dovecot: auth-worker(subject: x,192.0.2.1)<1><y>: request [1]: pam: failed",
        "mail1 dovecot: lmtp(info)<1>: msgid=<subject=x@a.example>: saved mail to INBOX",
        "mail1 postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550; helo=<header Subject: x>",
        "mail1 postfix/smtp[9]: Trusted TLS connection established: subject_CN=a.example",
        "mail1 nginx: subject=x",
    ],
)
def test_what_a_stranger_puts_into_a_line_is_no_subject(host: MailHost, line: str) -> None:
    host.journal = [f"2026-11-20T11:30:00+00:00 {line}"]
    assert ask(host, "content", ABOUT)["newest lines"].status == "pass"


@pytest.mark.parametrize("form", ["password: {0}", "given password: {1}"])
def test_passwords_that_were_tried_are_not_in_lines(host: MailHost, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "bb2e75a6b79a9f4ff1f5b6d9c9b5a2c5"  # of nothing
    told = tried("x")
    monkeypatch.setattr(mail_log, "probe", lambda *_: told)
    about = question("content", probe=True)
    assert ask(MailHost(host.release).good(), "content", about)["newest lines"].status == "pass"
    told.lines[""] = [form.format("secret0", "5e0e46f0e2bbb5ed4a2a64ea4aa5f0ef") + digest]
    found = ask(host, "content", about)["newest lines"]
    assert found.status == ("fail" if "{0}" in form else "pass")
    assert "secret0" not in repr(found)
