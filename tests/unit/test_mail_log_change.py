# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot, Postfix and Roundcube are made to record logins, in each one's language, and edited nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import (
    dovecot_log,
    mail_log,
    postfix_log,
    roundcube_log,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.mail_edits import Wanted
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result, Unseen

ALL = Wanted(frozenset({"imap", "pop3", "submission", "submissions", "managesieve", "webmail"}))
ELEMENTS = {
    "2.3.19.1": "user=<%u> method=%m rip=%r lip=%l mpid=%e %c session=<%{session}>",
    "2.4.1-4": "user=<%{user}> method=%{mechanism} rip=%{remote_ip} lip=%{local_ip} %{secured}",
}
LINE = {"2.3.19.1": "%$: %s", "2.4.1-4": "%{message}: %{elements}"}
DELIVERED = {"2.3.19.1": "msgid=%m: %$", "2.4.1-4": "msgid=%{msgid}: %{message}"}
STOCK = "!include_try /usr/share/dovecot/protocols.d/*\nauth_x = y\n!include conf.d/*.conf\n!include_try local.conf\n"


class MailHost(Host):
    """A host whose Dovecot and Postfix are texts. What is in effect is not worked out from files: `dovecot` tells."""

    def __init__(self, root: Path, version: str = "2.4.1-4") -> None:
        super().__init__()
        self.root, self.version = root, version
        self.dovecot = {
            "auth_verbose": "no",
            "auth_verbose_passwords": "no",
            "auth_debug_passwords": "no",
            "login_log_format": LINE[version],
            "login_log_format_elements": ELEMENTS[version],
            "login_trusted_networks": "",
            "deliver_log_format": DELIVERED[version],
            "rawlog_dir": "",
            "log_path": "syslog",
            "info_log_path": "",
        }
        self.fields = ""
        self.postfix = "smtpd_sasl_type = dovecot\n"
        self.services = ""
        self.broken = False
        for directory in ("dovecot/conf.d", "postfix", "roundcube"):
            (root / directory).mkdir(parents=True)
        (root / "dovecot/dovecot.conf").write_text(STOCK)
        (root / "postfix/main.cf").write_text("# x\nmyhostname = a\nsmtpd_sasl_type = dovecot\n")
        (root / "postfix/master.cf").write_text("smtp inet n - y - - smtpd\n")

    def has(self, command: str) -> bool:
        return command != "php"

    def run(self, *argv: str, **_more: object) -> Result:  # type: ignore[override]
        if self.broken:
            raise Unseen(f"'{' '.join(argv)}' failed: Expecting '{{'")
        text = {
            ("doveconf", "-n"): f"# {self.version} (7d8c0e5759): /etc/dovecot/dovecot.conf\n",
            ("doveconf", "plugin/mail_log_fields"): self.fields,
            ("doveconf", "mail_log_fields"): self.fields,
            ("postconf", "-n"): self.postfix,
            ("postconf", "-P"): self.services,
        }.get(argv)
        if text is None:
            text = "".join(f"{key} = {self.dovecot[key]}\n" for key in argv[1:])
        return Result(argv, 0, text, "")


@pytest.fixture(params=["2.3.19.1", "2.4.1-4"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailHost:
    found = MailHost(tmp_path / "etc", request.param)
    monkeypatch.setattr(roundcube_log.connects_here, "__defaults__", (str(tmp_path / "etc/roundcube/config.inc.php"),))
    return found


def harden(host: MailHost, wanted: Wanted = ALL) -> tuple[list[str], list[str]]:
    """Make the changes; the paths that changed, below the root, and the warnings."""
    transaction = Transaction("2026-01-31T12:00:00Z", "mail_log", root=str(host.root.parent / "undo"))
    warnings = [
        *dovecot_log.plan(host, transaction, wanted, str(host.root / "dovecot")),
        *postfix_log.plan(host, transaction, wanted, str(host.root / "postfix")),
        *roundcube_log.plan(
            host, transaction, wanted, str(host.root / "roundcube/config.inc.php"), str(host.root / "plugins")
        ),
    ]
    transaction.validations.clear()
    transaction.judges.clear()
    transaction.reloads.clear()
    (host.root / "plugins").mkdir(exist_ok=True)
    changes = [change.removeprefix(f"{host.root}/") for change in transaction.changes]
    transaction.commit()
    transaction.close()
    return changes, warnings


def own(host: MailHost) -> str:
    return (host.root / "dovecot/conf.d/99-privacy-hosting.conf").read_text()


def settings(host: MailHost) -> dict[str, str]:
    return dict(re.findall(r"^(\w+) = ?(.*)$", own(host), re.MULTILINE))


def again(host: MailHost) -> MailHost:
    """The same host, of which nothing is remembered, with what the drop-in says in effect."""
    told = MailHost.__new__(MailHost)
    Host.__init__(told)
    told.__dict__.update(
        {key: host.__dict__[key] for key in ("root", "version", "postfix", "services", "broken", "fields")}
    )
    told.dovecot = {**host.dovecot, **{key: value for key, value in settings(host).items() if key in host.dovecot}}
    return told


def test_every_attempt_and_every_right_login_of_postfix_leaves_a_line(host: MailHost) -> None:
    changes, warnings = harden(host)
    assert changes == ["dovecot/conf.d/99-privacy-hosting.conf"] and not warnings
    assert settings(host) == {"auth_verbose": "yes", "auth_verbose_passwords": "no", "auth_debug_passwords": "no"}
    words = {"2.3.19.1": ("transport = log", "AND service=smtp"), "2.4.1-4": ("driver = log", "and protocol=smtp")}
    assert all(word in own(host) for word in words[host.version])
    assert harden(again(host)) == ([], [])


def test_without_postfix_asking_dovecot_there_is_no_such_line(host: MailHost) -> None:
    host.postfix = "smtpd_sasl_type = cyrus\n"
    harden(host)
    assert "event_exporter" not in own(host)


def test_only_what_is_wrong_of_the_rest_is_set_and_then_stays(host: MailHost) -> None:
    subject = {"2.3.19.1": "msgid=%m, subject=%s: %$", "2.4.1-4": "%{msgid} %{subject}: %{message}"}
    wrong = {
        "deliver_log_format": subject[host.version],
        "rawlog_dir": "/var/raw",
        "info_log_path": "/dev/null",
        "login_log_format_elements": "session=<%{session}>",
        "login_log_format": "login",
    }
    host.dovecot.update(wrong)
    harden(host)
    found = settings(host)
    assert found["deliver_log_format"] == DELIVERED[host.version]
    assert (found["rawlog_dir"], found["info_log_path"]) == ("", "")
    assert found["login_log_format_elements"].startswith("user=<%") and "> rip=%" in found["login_log_format_elements"]
    assert found["login_log_format"] == LINE[host.version]
    assert harden(again(host)) == ([], [])


def test_subjects_are_taken_from_what_the_plugin_writes(host: MailHost) -> None:
    shown = {"2.3.19.1": "plugin/mail_log_fields = uid subject msgid\n"}
    host.fields = shown.get(host.version, "mail_log_fields {\n  uid = yes\n  subject = yes\n  msgid = yes\n}\n")
    harden(host)
    assert re.search(r"^ *mail_log_fields = uid msgid$", own(host), re.MULTILINE)


def test_what_is_read_later_is_edited_and_what_is_read_before_is_left(host: MailHost) -> None:
    local, early = host.root / "dovecot/local.conf", host.root / "dovecot/conf.d/10-auth.conf"
    local.write_text("# mine\nauth_verbose = no\nkeep = me\n")
    early.write_text("auth_verbose = no\n")
    assert harden(host)[0] == ["dovecot/conf.d/99-privacy-hosting.conf", "dovecot/local.conf"]
    assert local.read_text() == "# mine\nauth_verbose = yes\nkeep = me\n"


def test_a_setting_in_a_block_is_named_and_left(host: MailHost) -> None:
    (host.root / "dovecot/local.conf").write_text("protocol imap {\n  rawlog_dir = /tmp/raw\n}\n")
    changes, warnings = harden(host)
    assert changes == ["dovecot/conf.d/99-privacy-hosting.conf"]
    assert len(warnings) == 1 and "local.conf:2: 'rawlog_dir'" in warnings[0]


def test_a_single_file_gets_an_include(host: MailHost) -> None:
    main = host.root / "dovecot/dovecot.conf"
    main.write_text("auth_verbose = no\nprotocols = imap\n")
    harden(host)
    assert main.read_text() == "auth_verbose = no\nprotocols = imap\n!include conf.d/99-privacy-hosting.conf\n"


def test_whoever_logs_in_for_others_is_believed(host: MailHost) -> None:
    host.dovecot["login_trusted_networks"] = "192.0.2.1"
    (host.root / "roundcube/config.inc.php").write_text("<?php\n$config['imap_host'] = ['localhost:143'];\n")
    harden(host, Wanted(ALL.logins, proxies=["192.0.2.10/32"]))
    assert settings(host)["login_trusted_networks"] == "192.0.2.1 192.0.2.10/32 127.0.0.1 ::1"


def test_a_setting_that_does_not_take_effect_is_told(host: MailHost) -> None:
    transaction = Transaction("2026-01-31T12:00:00Z", "mail_log", root=str(host.root.parent / "undo"))
    list(dovecot_log.plan(host, transaction, ALL, str(host.root / "dovecot")))
    transaction.call = lambda argv: host.run(*argv)
    assert transaction.judges[0]() == "Dovecot still has 'auth_verbose = no' where 'auth_verbose = yes' is wanted"
    host.dovecot["auth_verbose"] = "yes"
    assert transaction.judges[0]() == ""


def test_a_dovecot_that_is_broken_or_unknown_is_left(host: MailHost) -> None:
    host.version = "2.5.0"
    assert host.root and "only Dovecot 2.3 and 2.4 are known" in harden(host)[1][0]
    host.broken = True
    with pytest.raises(Unseen, match="doveconf -n"):
        harden(host)


# -- Postfix ----------------------------------------------------------------------------------------------------------


def test_postfix_stops_writing_sessions(host: MailHost) -> None:
    host.postfix += (
        "smtpd_tls_loglevel = 4\ndebug_peer_list = 192.0.2.1\nsmtp_tls_loglevel = 1\nmaillog_file = /dev/null\n"
    )
    (host.root / "postfix/main.cf").write_text("smtpd_tls_loglevel = 4\ndebug_peer_list =\n  192.0.2.1\nlast = 1\n")
    (host.root / "postfix/master.cf").write_text(
        "# smtpd -v\nsubmission inet n - y - - smtpd -v\n  -o smtpd_tls_loglevel=4\n  -o syslog_name=post/sub\n"
    )
    changes, warnings = harden(host)
    assert changes[1:] == ["postfix/main.cf", "postfix/master.cf"] and not warnings
    main = (host.root / "postfix/main.cf").read_text()
    assert main == "smtpd_tls_loglevel = 1\ndebug_peer_list =\nlast = 1\nmaillog_file =\n"
    assert (host.root / "postfix/master.cf").read_text() == (
        "# smtpd -v\nsubmission inet n - y - - smtpd\n  -o smtpd_tls_loglevel=1\n  -o syslog_name=post/sub\n"
    )


def test_postfix_is_left_where_contents_may_be_logged(host: MailHost) -> None:
    host.postfix += "smtpd_tls_loglevel = 4\nheader_checks = regexp:/x\n"
    changes, warnings = harden(host, Wanted(ALL.logins, dropped=False))
    assert changes == ["dovecot/conf.d/99-privacy-hosting.conf"] and not warnings
    assert "passwords" not in own(host)


@pytest.mark.parametrize(
    "rule, told",
    [
        ("/^Subject: (.*)/ WARN $1", True),
        ("/./ INFO", True),
        ("/^subject/i PREPEND X-Y: z", True),
        ("/^Subject:/ IGNORE", False),
        ("/^Received:/ REJECT", False),
        ("#/^Subject:/ WARN", False),
    ],
)
def test_rules_that_show_subjects_are_named(host: MailHost, rule: str, told: bool) -> None:
    table = host.root / "postfix/header_checks"
    table.write_text(f"# table\n{rule}\n")
    host.postfix += f"header_checks = regexp:{table}\n"
    _changes, warnings = harden(host)
    assert [warning.partition(": ")[0] for warning in warnings] == ([f"{table}:2"] if told else [])
    assert table.read_text() == f"# table\n{rule}\n"


# -- Roundcube --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "\n?>\n"])
def test_roundcube_gets_a_file_and_a_plugin(host: MailHost, end: str) -> None:
    config = host.root / "roundcube/config.inc.php"
    config.write_text(f"<?php\n$config = [];\n$config['imap_host'] = 'tls://127.0.0.1';{end}")
    harden(host)
    line = f"include '{host.root}/roundcube/privacy-hosting.inc.php';"
    assert config.read_text().rstrip().removesuffix("?>").rstrip().endswith(line)
    assert "'log_logins'] = true" in (config.parent / "privacy-hosting.inc.php").read_text()
    assert "x-originating-ip" in (host.root / "plugins/privacy_hosting/privacy_hosting.php").read_text()
    assert harden(again(host)) == ([], [])


def test_roundcube_of_another_machine(host: MailHost) -> None:
    (host.root / "roundcube/config.inc.php").write_text("<?php\n$config['imap_host'] = 'ssl://imap.example.nl:993';\n")
    _changes, warnings = harden(host)
    assert len(warnings) == 1 and "another machine" in warnings[0]
    assert "login_trusted_networks" not in own(host)


def test_roundcube_that_is_not_asked_about_or_not_understood(host: MailHost) -> None:
    config = host.root / "roundcube/config.inc.php"
    config.write_text("<?php\n$rcmail_config['x'] = 1;\n")
    assert "it sets no $config" in harden(host)[1][0]
    config.write_text("<?php\n$config['imap_host'] = 'localhost';\n")
    assert harden(again(host), Wanted(ALL.logins - {"webmail"})) == ([], [])


def test_a_host_of_a_panel_is_left(host: MailHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_log, "panel", lambda host: "Plesk")
    planned = mail_log.plan(host, Transaction("2026-01-31T12:00:00Z", "mail_log", root=str(host.root / "undo")), ALL)
    assert planned.result == {"panel": "Plesk"} and "nothing was changed" in planned.warnings[0]
