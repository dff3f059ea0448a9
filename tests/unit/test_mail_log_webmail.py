# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: what Roundcube's files tell, which webmails are recognised, and what a wrong login in the form left."""

from __future__ import annotations

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import mail_log_webmail as checked
from ansible_collections.privacy.hosting.plugins.module_utils._finding import RUNNING, Layer
from ansible_collections.privacy.hosting.plugins.module_utils._services import webmail as webmails
from ansible_collections.privacy.hosting.plugins.module_utils._services import webmail_probe
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import (
    Directive,
    Listen,
    VirtualHost,
    WebServer,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.webmail_probe import Tried
from tests.unit.mail_host import MailHost
from tests.unit.test_mail_log import ask, question

ROOT, CONFIG = "/var/lib/roundcube", "/etc/roundcube"
DEFAULTS = """<?php
// $config['log_logins'] = true;
$config['log_driver'] = 'file';
$config['log_logins'] = false;
$config['log_dir'] = RCUBE_INSTALL_PATH . 'logs/';
$config['proxy_whitelist'] = [];
"""
SITE = "webmail.voorbeeld.example"
ABOUT = question(logins=["webmail"], probe=True, webmails=[SITE])


def directive(name: str, *args: str, block: tuple[Directive, ...] | None = None) -> Directive:
    return Directive(name, args, "/etc/nginx/sites-enabled/webmail", 7, 0, 0, block)


def offer(monkeypatch: pytest.MonkeyPatch, *roots: Directive) -> None:
    """Let the host's nginx have a virtual host with these roots."""
    block = directive("server", block=roots)
    vhost = VirtualHost("nginx", (SITE,), (Listen("0.0.0.0", 443, True),), (), (), "nginx:1", directive=block)  # noqa: S104
    server = WebServer("nginx", 1, Layer(RUNNING, True, "loaded"), (), (vhost,))
    for module in (webmails, checked):  # both have it by name
        monkeypatch.setattr(module, "web_servers", lambda _host: [server])


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> MailHost:
    found = MailHost().good()
    found.files.update({f"{ROOT}/program/include/iniset.php": "", f"{ROOT}/config/defaults.inc.php": DEFAULTS})
    found.files[f"{ROOT}/config/config.inc.php"] = "<?php\n$config['log_logins'] = true;\n"
    found.directories |= {f"{ROOT}/logs"}
    offer(monkeypatch, directive("root", f"{ROOT}/public_html"))
    monkeypatch.setattr(webmail_probe, "try_form", lambda *_: Tried("whole"))
    return found


def configured(host: MailHost, text: str) -> MailHost:
    host.files[f"{ROOT}/config/config.inc.php"] = f"<?php\n{text}\n"
    return host


def test_logins_with_the_visitors_address_are_kept(host: MailHost) -> None:
    found = ask(host, "webmail", ABOUT)[f"Roundcube at {SITE}"]
    assert (found.status, found.proof) == ("pass", "observed"), found


@pytest.mark.parametrize(
    "text, status, observed",
    [
        ("$config['x'] = 1;", "fail", "Roundcube logs no logins"),
        ("$config['log_logins'] = true; /* $config['log_logins'] = false; */", "pass", ""),
        ("$config['log_logins'] = true;\n$config['log_logins'] = false;", "fail", "logs no logins"),
        ("if ($_SERVER['HTTPS']) { $config['log_logins'] = true; }", "error", "depends on something"),
        ("foreach (['log_logins'] as $name) { $config[$name] = true; }", "pass", ""),
        ("$config['log_logins'] = true; $config['log_dir'] = '/dev/shm';", "fail", "keeps nothing"),
        ("$config['log_logins'] = true; $config['log_driver'] = 'syslog';", "pass", ""),
        ("$config['log_logins'] = true; $config['log_driver'] = 'stdout';", "error", "was not understood"),
        ("$config['log_logins'] = true; $config['proxy_whitelist'] = ['192.0.2.1'];", "error", "proxy_whitelist"),
        ("$config['log_logins'] = true; $config['proxy_whitelist'] = ['127.0.0.1'];", "pass", ""),
        ("$config['log_logins'] = true; $config['proxy_whitelist'] = proxies();", "error", "proxy_whitelist"),
        ("$config['url'] = 'https://x.example/#'; $config['log_logins'] = true;", "pass", ""),
    ],
)
def test_what_its_configuration_says(host: MailHost, text: str, status: str, observed: str) -> None:
    found = ask(configured(host, text), "webmail", ABOUT)[f"Roundcube at {SITE}"]
    assert (found.status, observed in found.observed) == (status, True), found


@pytest.mark.parametrize(
    "text, status",
    [
        ("$config['imap_debug'] = true;", "fail"),
        ("if (x()) { $config['imap_debug'] = false; }", "error"),
        ("$config['imap_debug'] = false;", "pass"),
        ("foreach (['imap_debug', 'smtp_debug'] as $name) {\n    $config[$name] = false;\n}", "pass"),
    ],
)
def test_whole_conversations(host: MailHost, text: str, status: str) -> None:
    assert ask(configured(host, text), "content", question("content"))[f"Roundcube in {ROOT}"].status == status


def test_an_included_file_counts_where_it_stands(host: MailHost) -> None:
    host.files["/etc/own.php"] = "<?php $config['log_logins'] = false;"
    assert ask(configured(host, "$config['log_logins'] = true;\ninclude '/etc/own.php';"), "webmail", ABOUT)[
        f"Roundcube at {SITE}"
    ].source == "/etc/own.php:1"  # fmt: skip


@pytest.mark.parametrize("trusted, status", [("127.0.0.1 ::1", "pass"), ("", "fail")])
def test_a_plugin_that_tells_dovecot_for_whom(host: MailHost, trusted: str, status: str) -> None:
    host.keys["login_trusted_networks"] = trusted
    configured(host, "$config['plugins'] = ['managesieve'];\n$config['plugins'][] = 'dovecot_client_ip';")
    assert ask(host, "webmail", ABOUT)[f"Roundcube at {SITE}"].status == status


@pytest.mark.parametrize("line, observed", [("", "left no line"), ("user", "has another address")])
def test_what_a_wrong_login_left(host: MailHost, line: str, observed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webmail_probe, "try_form", lambda *_: Tried(line))
    found = ask(host, "webmail", ABOUT)[f"Roundcube at {SITE}"]
    assert (found.status, observed in found.observed) == ("fail", True)


def test_only_own_sites_and_named_webmails_are_tried(host: MailHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webmail_probe, "try_form", lambda *_: pytest.fail("it was tried"))
    found = ask(host, "webmail", question(logins=["webmail"], probe=True))[f"Roundcube at {SITE}"]
    assert (found.status, found.proof, "neither an own site nor named" in found.observed) == (
        "pass",
        "configured",
        True,
    )


def test_a_front_proxys_address_is_nobodys(host: MailHost) -> None:
    path = f"{ROOT}/logs/userlogins.log"
    host.files[path] = (
        "[20-Nov-2026 23:00:00 +0000]: <x> Successful login for a@b.example (ID: 1) from 192.0.2.7 in session x\n"
    )
    about = question(logins=["webmail"], trusted_proxies=["192.0.2.7/32"])
    found = ask(host, "webmail", about)[f"Roundcube at {SITE}"]
    assert (found.status, "1 of the newest 1 logins" in found.observed) == ("fail", True)
    assert "192.0.2.7" not in found.observed


def test_other_webmails_are_recognised_and_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    host = MailHost()
    host.files.update({"/srv/www/mail/snappymail/v/1": "", "/srv/www/index.html": ""})
    host.directories.add("/srv/www/mail/snappymail/v")
    offer(monkeypatch, directive("root", "/srv/www"))
    assert ask(host, "webmail", ABOUT)["SnappyMail"].status == "error"


def test_no_webmail_is_not_applicable(monkeypatch: pytest.MonkeyPatch) -> None:
    host = MailHost()
    host.files["/srv/www/index.html"] = ""
    offer(monkeypatch, directive("root", "/srv/www"))
    assert ask(host, "webmail", ABOUT)["webmail"].status == "not_applicable"
    assert ask(host, "webmail", question(logins=["imap"])) == {}
