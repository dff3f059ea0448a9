# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: each check where it passes, where it fails and where it cannot tell, of both releases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import mail_log
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.mail_log import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import mail, mail_probe
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_probe import Attempt, Door, Probed
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_sinks import Sink
from tests.unit.mail_host import CHANGES, EXPORTER, LOADED, MASTER, MailHost, process

RELEASES = ("bookworm", "trixie")
JOURNAL = Sink("", True, "the journal holds them", "journald.conf")


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest) -> MailHost:
    return MailHost(request.param).good()


def question(option: str = "logins", *, probe: bool = False, **settings: Any) -> Question:
    values = {one.name: one.default for one in MEASURE.options}
    asked = {option: settings.pop(option, values[option])}
    if option == "logins" and asked["logins"] == values["logins"]:
        asked["logins"] = [one for one in values["logins"] if one != "webmail"]
    return Question(asked, {**values, **settings, **asked}, probe=probe)


def ask(host: MailHost, check: str, about: Question) -> dict[str, Finding]:
    run = next(one.run for one in mail_log.CHECKS if one.name == check)
    option = next(iter(about.asked))
    return {found.subject: found for found in run(host, about, option)}  # type: ignore[arg-type]


def statuses(found: dict[str, Finding]) -> dict[str, str]:
    return {subject: one.status for subject, one in found.items()}


# -- logins ---------------------------------------------------------------------------------------------------------


def test_logins_as_the_role_leaves_them_are_kept(host: MailHost) -> None:
    found = ask(host, "logins", question())
    assert statuses(found) == {
        "IMAP, port 143 (Dovecot)": "pass",
        "IMAP, port 993 (Dovecot)": "pass",
        "ManageSieve, port 4190 (Dovecot)": "pass",
        "submission, port 587 (Postfix)": "pass",
        "submissions, port 465 (Postfix)": "pass",
        "POP3": "not_applicable",
    }
    assert {one.proof for one in found.values() if one.status == "pass"} == {"running"}


def test_right_logins_that_stand_in_the_log_are_counted(host: MailHost) -> None:
    # lines of Dovecot 2.3.19.1, of 2.4.1, and of a format without the address
    host.journal = [
        "Nov 20 23:18 mail1 dovecot[1]: imap-login: Login: user=<info>, method=PLAIN, rip=192.0.2.5, TLS",
        "Nov 20 23:18 mail1 dovecot[1]: imap-login: Logged in: user=<info>, method=PLAIN, rip=2001:db8::5, TLS",
        "Nov 20 23:18 mail1 dovecot[1]: imap-login: Login: user=<info>, method=PLAIN",
        "Nov 20 23:18 mail1 dovecot[1]: imap-login: Login aborted: (auth failed): user=<info>, rip=192.0.2.5",
    ]
    found = ask(host, "logins", question())
    imap, sieve = found["IMAP, port 993 (Dovecot)"], found["ManageSieve, port 4190 (Dovecot)"]
    assert (imap.status, imap.proof) == ("pass", "observed")
    assert "2 right logins stand in the newest lines" in imap.observed
    assert (sieve.status, sieve.proof) == ("pass", "running")
    host = MailHost(host.release)
    assert ask(host, "logins", question())["IMAP, port 993 (Dovecot)"].status == "fail"


@pytest.mark.parametrize("release", RELEASES)
def test_logins_of_an_ordinary_installation_are_broken(release: str) -> None:
    found = ask(MailHost(release), "logins", question())
    imap, submission = found["IMAP, port 143 (Dovecot)"], found["submission, port 587 (Postfix)"]
    assert (imap.status, "only the last leaves a line" in imap.observed) == ("fail", True)
    assert submission.status == "fail"
    assert "a right login that sends no message is logged without its user" in submission.observed
    assert imap.source == "/etc/dovecot/local.conf:1"


@pytest.mark.parametrize(
    "key, value, observed",
    [
        ("login_log_format_elements", "user=<%u> method=%m", "the address (rip)"),
        ("login_log_format_elements", "rip=%r", "does not hold the user"),
        ("login_log_format", "%$", "no elements"),
        ("info_log_path", "/dev/null", "/dev/null keeps nothing"),
        ("log_path", "/run/dovecot.log", "/run/dovecot.log keeps nothing"),
    ],
)
def test_lines_that_lack_what_was_promised(host: MailHost, key: str, value: str, observed: str) -> None:
    host.keys[key] = value
    found = ask(host, "logins", question())["IMAP, port 993 (Dovecot)"]
    assert (found.status, observed in found.observed) == ("fail", True), found


def test_a_log_of_its_own_is_kept_where_it_is_there_and_has_the_time(host: MailHost) -> None:
    host.keys["log_path"] = "/var/log/dovecot.log"
    assert ask(host, "logins", question())["IMAP, port 143 (Dovecot)"].status == "error"
    host = MailHost(host.release).good()
    host.keys["log_path"] = "/var/log/dovecot.log"
    host.files["/var/log/dovecot.log"] = ""
    assert ask(host, "logins", question())["IMAP, port 143 (Dovecot)"].status == "pass"
    host = MailHost(host.release).good()
    host.keys.update({"log_path": "/var/log/dovecot.log", "log_timestamp": "%H:%M "})
    host.files["/var/log/dovecot.log"] = ""
    assert "no date and time" in ask(host, "logins", question())["IMAP, port 143 (Dovecot)"].observed


def test_an_edit_without_a_reload_is_unproven(host: MailHost) -> None:
    host.moments["/etc/dovecot/local.conf"] = LOADED + dt.timedelta(minutes=5)
    found = ask(host, "logins", question())["IMAP, port 143 (Dovecot)"]
    assert (found.status, "after it was loaded" in found.observed) == ("error", True)
    assert "Reload" in found.remedy


def test_a_protocol_that_has_a_value_of_its_own(host: MailHost) -> None:
    host.changed += "protocol imap {\n  auth_verbose = no\n}\n"
    found = statuses(ask(host, "logins", question()))
    assert (found["IMAP, port 143 (Dovecot)"], found["ManageSieve, port 4190 (Dovecot)"]) == ("fail", "pass")


def test_what_holds_for_some_addresses_is_not_followed(host: MailHost) -> None:
    host.changed += "remote 192.0.2.0/24 {\n  auth_verbose = no\n}\n"
    found = ask(host, "logins", question())["IMAP, port 143 (Dovecot)"]
    assert (found.status, "remote 192.0.2.0/24 { auth_verbose }" in found.observed) == ("error", True)


@pytest.mark.parametrize(
    "log_debug, status",
    [
        ("event=auth_request_finished", "pass"),
        ("event=auth_request_finished AND success=yes", "pass"),
        ("category=mail OR (event=auth_request_finished AND success=yes)", "pass"),
        ("event=auth_request_finished AND user=info", "error"),
        ("event=auth_request_finished AND success=no", "error"),
        ("category=mail", "fail"),
    ],
)
def test_right_logins_by_an_event(log_debug: str, status: str) -> None:
    host = MailHost()
    host.keys.update({"auth_verbose": "yes", "log_debug": log_debug})
    assert ask(host, "logins", question())["submission, port 587 (Postfix)"].status == status


@pytest.mark.parametrize(
    "changed, status",
    [
        (
            lambda text: text.replace("transport = log", "transport = http-post").replace(
                "driver = log", "driver = file"
            ),
            "fail",
        ),
        (lambda text: text.replace(" remote_ip", ""), "error"),
        (lambda text: text.replace("success=yes", "success=no"), "error"),
        (lambda text: text.replace("auth_request_finished", "imap_command_finished"), "fail"),
    ],
)
def test_right_logins_by_a_metric_that_does_not_tell_them(changed: Callable[[str], str], status: str) -> None:
    for release in RELEASES:
        host = MailHost(release)
        host.keys["auth_verbose"] = "yes"
        host.changed += changed(EXPORTER[release])
        assert ask(host, "logins", question())["submission, port 587 (Postfix)"].status == status


def test_debug_lines_that_do_not_get_into_the_log() -> None:
    host = MailHost()
    host.keys.update({"auth_verbose": "yes", "auth_debug": "yes"})
    host.files["/etc/systemd/journald.conf"] = "[Journal]\nMaxLevelStore=info\n"
    found = ask(host, "logins", question())
    assert found["IMAP, port 143 (Dovecot)"].status == "pass"
    assert "no debug lines" in found["submission, port 587 (Postfix)"].observed


def test_a_service_whose_passwords_cyrus_checks(host: MailHost) -> None:
    host.master += "2587 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=cyrus\n"
    host.files["/etc/postfix/master.cf"] = host.master
    host.overrides += "2587/inet/smtpd_sasl_auth_enable = yes\n2587/inet/smtpd_sasl_type = cyrus\n"
    found = ask(host, "logins", question())["submission, port 2587 (Postfix)"]
    assert (found.status, found.source) == ("fail", f"/etc/postfix/master.cf:{len(MASTER.splitlines()) + 1}")


def test_nothing_that_takes_logins_is_not_applicable() -> None:
    host = MailHost()
    host.running, host.listening, host.units = [], [], set()
    assert set(statuses(ask(host, "logins", question())).values()) == {"not_applicable"}
    host.units = {"dovecot.service"}
    assert ask(host, "logins", question())["POP3"].status == "not_applicable"


def test_a_stopped_server_that_starts_at_boot_is_judged_by_its_files() -> None:
    host = MailHost()
    host.running, host.listening = host.running[:1], []
    assert ask(host, "logins", question())["IMAP, port 143 (Dovecot)"].status == "fail"


# -- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "networks, named, status",
    [
        ("", [], "pass"),
        ("127.0.0.1 ::1", [], "pass"),
        ("192.0.2.10", ["192.0.2.10/32"], "pass"),
        ("192.0.2.10", [], "error"),
        ("192.0.2.99", ["192.0.2.10/32"], "fail"),
        ("", ["192.0.2.10/32"], "fail"),
        ("0.0.0.0/0", [], "fail"),
        ("webmail.example", [], "error"),
    ],
)
def test_whom_dovecot_believes(host: MailHost, networks: str, named: list[str], status: str) -> None:
    host.keys["login_trusted_networks"] = networks
    found = ask(host, "client_address", question(trusted_proxies=named))["Dovecot"]
    assert found.status == status, found
    assert "192.0.2.99" not in found.observed


@pytest.mark.parametrize(
    "value, status", [("", "pass"), ("127.0.0.0/8", "pass"), ("0.0.0.0/0", "fail"), ("a.example", "error")]
)
def test_whom_postfix_believes(host: MailHost, value: str, status: str) -> None:
    host.settings = host.settings.replace(
        "smtpd_authorized_xclient_hosts =", f"smtpd_authorized_xclient_hosts = {value}"
    )
    assert ask(host, "client_address", question())["Postfix"].status == status


def test_a_front_proxy_of_postfix_must_be_named(host: MailHost) -> None:
    host.overrides = CHANGES + "submission/inet/smtpd_upstream_proxy_protocol = haproxy\n"
    assert ask(host, "client_address", question())["Postfix"].status == "error"
    host = MailHost(host.release).good()
    host.overrides = CHANGES + "submission/inet/smtpd_upstream_proxy_protocol = haproxy\n"
    assert ask(host, "client_address", question(trusted_proxies=["192.0.2.1/32"]))["Postfix"].status == "pass"


# -- the probe ------------------------------------------------------------------------------------------------------

# lines that Dovecot 2.3.19.1, 2.4.1 and Postfix wrote, with users and addresses put in
BOOKWORM = (
    "Nov 20 23:18:08 mail1 dovecot: auth-worker(275): conn unix:auth-worker (pid=267,uid=102): auth-worker<2>: "
    "pam({user},{ip},<D/r7d71gOcJ/ISwB>): pam_authenticate() failed: Authentication failure (Password mismatch?)"
)
TRIXIE = (
    "Nov 20 23:18:07 mail1 dovecot: auth-worker({user},{ip})<356><tKz5d71gxYB/ISwB>: request [2]: pam: "
    "pam_authenticate() failed: Authentication failure (Password mismatch?)"
)
LAST = (
    "Nov 20 23:18:09 mail1 dovecot: imap-login: Login aborted: Logged out (auth failed, 2 attempts in 11 secs) "
    "(auth_failed): user=<{user}>, method=PLAIN, rip={ip}, lip=127.0.0.1, TLS, session=<tKz5d71gxYB/ISwB>"
)
SUBMISSION = (
    "Nov 20 23:18:10 mail1 postfix/submission/smtpd[344]: warning: unknown[{ip}]: SASL PLAIN authentication failed: "
    "(reason unavailable), sasl_username={user}"
)
IMAP, SMTP = Door("imap", 143, False, ("0.0.0.0",)), Door("smtp", 587, False, ("0.0.0.0",))  # noqa: S104


def tried(*forms: str, ip: str = "127.33.44.1", door: Door = IMAP, answer: str = "") -> Probed:
    """Two wrong logins at a door, and lines of these forms, of the first, the second, …"""
    attempts = [Attempt(door, n, f"privacy-hosting-{n}", f"secret{n}", "127.33.44.1", answer) for n in (0, 1)]
    lines = [form.format(user=f"privacy-hosting-{n}", ip=ip) for n, form in enumerate(forms) if form]
    return Probed(attempts, sources={door: "127.33.44.1"}, lines={"": lines})


@pytest.mark.parametrize(
    "told, good, seen",
    [
        (tried(BOOKWORM, BOOKWORM), True, "each of 2"),
        (tried(TRIXIE, LAST), True, "each of 2"),
        (tried(SUBMISSION, SUBMISSION), True, "each of 2"),
        (tried("", LAST), False, "1 of 2 wrong logins in one connection left no line"),
        (tried(), False, "2 of 2"),
        (tried(TRIXIE, TRIXIE, ip="192.0.2.1"), False, "has its user and not the address"),
        (tried(TRIXIE.replace("{user}", "-"), TRIXIE.replace("{user}", "-")), False, "not the user"),
        (tried(TRIXIE, TRIXIE, ip="127.33.44.12"), False, "not the address"),
        (tried(TRIXIE, TRIXIE, answer="a OK Logged in"), None, "was answered with"),
        (Probed(unseen="fail2ban bans an address after 2 wrong logins, so none was tried"), None, "fail2ban"),
        (Probed(troubles={IMAP: "Connection refused"}), None, "Connection refused"),
        (Probed(tried().attempts, unread={"": "'journalctl' did not end within 15 s"}), None, "did not end"),
    ],
)
def test_what_wrong_logins_left(told: Probed, good: bool | None, seen: str) -> None:
    layer = mail_log.observed(told, IMAP, [JOURNAL])
    assert (layer.good, seen in layer.seen) == (good, True), layer
    assert "privacy-hosting-" not in layer.seen


def test_the_probe_gives_a_finding_for_each_way(host: MailHost, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {True: tried(TRIXIE, TRIXIE), False: tried("", LAST)}
    for good, status in ((True, "pass"), (False, "fail")):
        fresh = MailHost(host.release).good()
        monkeypatch.setattr(mail_log, "probe", lambda *_, told=told[good]: told)
        found = ask(fresh, "probe", question(logins=["imap"], probe=True))
        assert found["IMAP, port 143 (Dovecot)"].status == status
        assert found["IMAP, port 993 (Dovecot)"].status == "error"  # nothing was tried there
    assert ask(MailHost(), "probe", question(logins=["imap"])) == {}


@pytest.mark.parametrize("retries, times", [("5", 2), ("4", 1), ("3", 1), ("2", 0), ("1", 0)])
def test_nobody_is_banned_for_it(retries: str, times: int) -> None:
    host = MailHost()
    host.running.append(process(90, "/usr/bin/fail2ban-server"))
    host.answers[("fail2ban-client", "status")] = "Status\n|- Number of jail:\t2\n`- Jail list:\tdovecot, sshd\n"
    host.answers[("fail2ban-client", "get", "dovecot", "maxretry")] = f"{retries}\n"
    host.answers[("fail2ban-client", "get", "sshd", "maxretry")] = "10\n"
    assert mail_probe.attempts_allowed(host)[0] == times
    host.answers[("fail2ban-client", "get", "sshd", "maxretry")] = "?"
    with pytest.raises(Unseen):
        mail_probe.attempts_allowed(host)


# -- metadata -------------------------------------------------------------------------------------------------------

MESSAGE = """Nov 20 23:16:13 mail1 postfix/submissions/smtpd[268]: E00BD240180: client=unknown[192.0.2.5]
Nov 20 23:16:13 mail1 postfix/qmgr[242]: E00BD240180: from=<info@voorbeeld.example>, size=362, nrcpt=1 (queue active)
Nov 20 23:16:13 mail1 postfix/local[284]: E00BD240180: to=<jan@voorbeeld.example>, relay=local, dsn=2.0.0, status=sent
Nov 20 23:16:13 mail1 postfix/qmgr[242]: E00BD240180: removed
Nov 20 23:16:14 mail1 postfix/qmgr[242]: 4Tn5Qp1tLBz2xQ4: from=<>, size=362, nrcpt=1 (queue active)"""


def test_messages_that_lines_tell_all_of() -> None:
    assert mail_log.messages(MESSAGE.splitlines()) == (1, 1)


def test_metadata_are_kept_by_the_journal(host: MailHost, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(host, "metadata", question("metadata"))["Postfix"].status == "pass"
    relay = Door("relay", 25, False)
    seen = Probed(sources={relay: "127.1.2.3"}, lines={"": ["postfix/smtpd[1]: connect from unknown[127.1.2.3]"]})
    monkeypatch.setattr(mail_log, "probe", lambda *_: seen)
    host = MailHost(host.release).good()
    host.journal = MESSAGE.splitlines()
    found = ask(host, "metadata", question("metadata", probe=True))["Postfix"]
    assert (found.status, found.proof) == ("pass", "observed")
    assert "1 messages in the newest lines" in found.observed
    seen.lines[""] = []
    found = ask(MailHost(host.release).good(), "metadata", question("metadata", probe=True))["Postfix"]
    assert (found.status, "left no line in the journal" in found.observed) == ("fail", True)


@pytest.mark.parametrize(
    "path, text, status, observed",
    [
        ("/etc/systemd/journald.conf", "[Journal]\nStorage=none\n", "fail", "Storage=none"),
        ("/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\n", "fail", "gone at the next start"),
        ("/etc/systemd/journald.conf", "[Journal]\nMaxLevelStore=notice\n", "fail", "no info lines"),
        ("/etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=100\n", "fail", "100 lines in 30 s"),
        ("/etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=5000\n", "error", "5000 lines in 30 s"),
        ("/etc/systemd/journald.conf", "[Journal]\nRateLimitIntervalSec=0\n", "pass", ""),
        ("/proc/self/mounts", "x / ext4 rw 0 0\nt /var/log/journal tmpfs rw 0 0\n", "fail", "lies in memory"),
    ],
)
def test_what_the_journal_keeps(host: MailHost, path: str, text: str, status: str, observed: str) -> None:
    host.files[path] = text
    found = ask(host, "metadata", question("metadata"))["Postfix"]
    assert (found.status, observed in found.observed) == (status, True), found


def test_what_the_unit_lets_through(host: MailHost) -> None:
    host.unit = host.unit.replace("LogLevelMax=-1", "LogLevelMax=4")
    assert "LogLevelMax" in ask(host, "metadata", question("metadata"))["Postfix"].observed
    host = MailHost(host.release).good()
    host.unit = host.unit.replace("LogNamespace=", "LogNamespace=mail")
    assert ask(host, "metadata", question("metadata"))["Postfix"].status == "error"


def test_lines_that_the_journal_left_out(host: MailHost) -> None:
    host.suppressed = "Suppressed 12 messages from dovecot.service\nSuppressed 30 messages from cron.service\n"
    found = ask(host, "logins", question())["IMAP, port 143 (Dovecot)"]
    assert (found.status, "left out 12 lines of dovecot.service" in found.observed) == ("fail", True)
    assert ask(host, "metadata", question("metadata"))["Postfix"].status == "pass"


def test_the_unit_is_that_of_the_process(host: MailHost) -> None:
    host.running[3] = replace(host.running[3], cgroup="/system.slice/system-postfix.slice/postfix@-.service")
    host.suppressed = "Suppressed 12 messages from postfix@-.service\n"
    assert "postfix@-.service" in ask(host, "metadata", question("metadata"))["Postfix"].observed
    host = MailHost(host.release).good()
    host.unit += "LogFilterPatterns=~SASL\n"
    assert ask(host, "metadata", question("metadata"))["Postfix"].status == "error"


def test_a_file_that_is_a_link_to_nowhere(host: MailHost) -> None:
    host.settings = host.settings.replace("maillog_file =", "maillog_file = /var/log/mail.log")
    host.files["/var/log/mail.log"], host.links["/var/log/mail.log"] = "", "/dev/null"
    found = ask(host, "metadata", question("metadata"))["Postfix"]
    assert (found.status, "is a link to /dev/null" in found.observed) == ("fail", True)


def test_logins_behind_postscreen(host: MailHost) -> None:
    host.master = MASTER.replace("smtp       inet  n       -       y       -       -       smtpd", (
        "smtp       inet  n       -       y       -       1       postscreen\n"
        "smtpd      pass  -       -       y       -       -       smtpd -o smtpd_sasl_auth_enable=yes"
    ))  # fmt: skip
    host.overrides += "smtpd/pass/smtpd_sasl_auth_enable = yes\n"
    assert ask(host, "logins", question())["submission, port 25 (Postfix)"].status == "pass"


def test_a_file_of_postfix_itself(host: MailHost) -> None:
    host.settings = host.settings.replace("maillog_file =", "maillog_file = /var/log/postfix.log")
    host.files["/var/log/postfix.log"] = ""
    host.files["/etc/postfix/main.cf"] = "maillog_file = /var/log/postfix.log\n"
    assert ask(host, "metadata", question("metadata"))["Postfix"].status == "pass"
    host = MailHost(host.release).good()
    host.settings = host.settings.replace("maillog_file =", "maillog_file = /var/log/postfix.log")
    host.master = "\n".join(MASTER.splitlines()[:-1])
    found = ask(host, "metadata", question("metadata"))["Postfix"]
    assert (found.status, "no postlogd" in found.observed) == ("fail", True)


def test_no_mail_server_at_all() -> None:
    host = MailHost()
    host.running, host.listening, host.units = [], [], set()
    assert ask(host, "metadata", question("metadata"))["mail server"].status == "not_applicable"
    assert ask(host, "content", question("content"))["mail server"].status == "not_applicable"


# -- what cannot be judged --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program, port, options",
    [
        ("/usr/sbin/exim4", 25, {"logins", "metadata", "content"}),
        ("/usr/sbin/couriertcpd", 1143, {"logins", "metadata", "content"}),
        ("/usr/sbin/nginx", 993, {"logins", "content"}),
        ("/usr/bin/unheard-of", 8025, {"logins", "metadata", "content"}),
    ],
)
def test_other_programs_are_named(program: str, port: int, options: set[str]) -> None:
    host = MailHost()
    host.running.append(process(70, program))
    host.listening.append(Listener("tcp", "0.0.0.0", port, (70,)))  # noqa: S104
    for option in ("logins", "metadata", "content"):
        found = ask(host, "strangers", question(option))
        assert bool(found) == (option in options), (option, found)
        assert set(statuses(found).values()) <= {"error"}


def test_a_protocol_that_another_program_may_speak_is_not_ruled_out() -> None:
    host = MailHost()
    host.running.append(process(70, "/usr/sbin/nginx"))
    host.listening.append(Listener("tcp", "0.0.0.0", 995, (70,)))  # noqa: S104
    assert "POP3" not in ask(host, "logins", question())
    assert ask(host, "strangers", question(logins=["imap"])) == {}


@pytest.mark.parametrize("program", ["/usr/sbin/dovecot", "/usr/lib/postfix/sbin/master"])
def test_a_server_in_a_container_is_not_judged(program: str) -> None:
    host = MailHost()
    host.running.append(process(70, program, contained=True))
    found = ask(host, "strangers", question())
    assert any("container" in one.observed for one in found.values())


def test_a_port_that_no_file_names() -> None:
    host = MailHost()
    host.listening += [Listener("tcp", "0.0.0.0", 1430, (10,)), Listener("tcp", "0.0.0.0", 2525, (20,))]  # noqa: S104
    told = [one.why for one in mail.strangers(host)]
    assert told == [
        "Dovecot listens on :1430, which its files do not name",
        "Postfix listens on :2525, which master.cf does not name",
    ]
