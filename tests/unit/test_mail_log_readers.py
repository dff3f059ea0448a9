# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readers of mail_log: rsyslog's rules in their order, doveconf's output, Postfix's services, and the probe itself."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    dovecot,
    mail_probe,
    mail_sinks,
    postfix,
    rsyslog_rules,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_probe import Door
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_sinks import Sender, Sink
from tests.unit.mail_host import EVERYWHERE, LOADED, MailHost, process

DEBIAN = """module(load="imuxsock") # provides support for local system logging
$FileOwner root
$IncludeConfig /etc/rsyslog.d/*.conf
*.*;auth,authpriv.none\t\t-/var/log/syslog
auth,authpriv.*\t\t\t/var/log/auth.log
cron.*\t\t\t\t-/var/log/cron.log
mail.*\t\t\t\t-/var/log/mail.log
*.emerg\t\t\t\t:omusrmsg:*
"""


def with_rsyslog(first: str = "", *, release: str = "trixie", main: str = DEBIAN) -> MailHost:
    """A host whose rsyslog has one more file of rules, which is read before Debian's."""
    host = MailHost(release).good()
    host.files.update({"/etc/rsyslog.conf": main, "/etc/rsyslog.d/10-own.conf": first})
    host.files.update({"/var/log/mail.log": "", "/var/log/syslog": "", "/var/log/own.log": ""})
    host.files["/usr/lib/systemd/journald.conf.d/syslog.conf"] = "[Journal]\nForwardToSyslog=yes\n"
    host.directories.add("/run/systemd/journal/syslog")
    host.running.append(process(6, "/usr/sbin/rsyslogd"))
    return host


def goes_to(rules: str, program: str = "dovecot", level: str = "info") -> dict[str, bool | None]:
    told = rsyslog_rules.written(with_rsyslog(rules), rsyslog_rules.Line(program, "mail", level))
    return {one.path: one.whole for one in told}


def both(whole: bool | None) -> dict[str, bool | None]:
    return {"/var/log/syslog": whole, "/var/log/mail.log": whole}


@pytest.mark.parametrize(
    "rules, expected",
    [
        ("", both(True)),
        ("mail.info stop", both(False)),
        ("mail.* ~", both(False)),
        ("mail.=info stop", both(False)),
        ("mail.err stop", both(True)),
        ("*.* ~", both(False)),
        ("mail.none /var/log/own.log", both(True)),
        ("*.info;mail.none -/var/log/own.log", both(True)),
        ("mail.info;mail.!notice /var/log/own.log", {"/var/log/own.log": True, **both(True)}),
        ("local5.* stop", both(True)),
        (':programname, isequal, "dovecot" stop', both(False)),
        (':programname, isequal, "sshd" stop', both(True)),
        (':programname, !isequal, "sshd" stop', both(False)),
        (':syslogtag, startswith, "dovecot:" stop', both(False)),
        (':msg, contains, "auth failed" ~', both(None)),
        (':msg, contains, "x" /var/log/own.log\n& stop', {"/var/log/own.log": None, **both(None)}),
        ("mail.* /var/log/own.log\n& stop", {"/var/log/own.log": True, **both(False)}),
        ("if $programname == 'dovecot' then stop", both(False)),
        ("if $programname == 'haproxy' then stop", both(True)),
        ("if $programname == 'dovecot' and $syslogseverity > 5 then stop", both(False)),
        ("if ($programname == 'dovecot') then stop", both(False)),
        ("if $msg contains 'rip=' then stop", both(None)),
        ("if not ($programname == 'dovecot') then stop", both(None)),
        (
            'if $programname == \'dovecot\' then {\n  action(type="omfile" file="/var/log/own.log")\n  stop\n}',
            {"/var/log/own.log": True, **both(False)},
        ),
        ("if $syslogfacility-text == 'mail' then -/var/log/own.log", {"/var/log/own.log": True, **both(True)}),
        ('if $syslogfacility-text == \'mail\' then { stop } else { action(type="omfile" file="/x") }', both(None)),
        ('action(type="omfwd" target="192.0.2.1")', both(True)),
        ("*.* @@192.0.2.1", both(True)),
        ("call elsewhere", both(None)),
    ],
)
def test_rules_are_followed_in_their_order(rules: str, expected: dict[str, bool | None]) -> None:
    assert goes_to(rules) == expected


def test_a_rule_for_one_part_of_postfix_leaves_it_open() -> None:
    assert goes_to(':programname, isequal, "postfix/qmgr" stop', program="postfix") == both(None)
    assert goes_to("mail.info -/var/log/own.log", level="debug") == both(True)


def files_of(host: MailHost, level: str = "info") -> dict[str, bool | None]:
    told = mail_sinks.of_syslog(host, Sender("dovecot", "dovecot.service", "mail", level))
    return {one.path: one.good for one in told}


def test_what_the_journal_hands_on() -> None:
    assert files_of(with_rsyslog()) == {"": True, **both(True)}
    host = with_rsyslog()
    host.files["/usr/lib/systemd/journald.conf.d/syslog.conf"] = ""
    assert files_of(host) == {"": True, **both(False)}
    host = with_rsyslog(release="bookworm")
    host.files["/usr/lib/systemd/journald.conf.d/syslog.conf"] = ""
    assert files_of(host) == {"": True, **both(True)}
    host = with_rsyslog()
    host.directories.remove("/run/systemd/journal/syslog")
    assert files_of(host) == {"": True, **both(False)}
    host = with_rsyslog()
    host.files["/etc/systemd/journald.conf"] = "[Journal]\nStorage=none\nMaxLevelSyslog=notice\n"
    assert files_of(host) == {"": False, **both(False)}


def test_a_file_that_rsyslog_has_yet_to_make() -> None:
    host = with_rsyslog("mail.* /var/log/mail/all.log\nmail.* /var/elsewhere/all.log")
    host.directories.add("/var/log/mail")
    told = files_of(host)
    assert (told["/var/log/mail/all.log"], told["/var/elsewhere/all.log"]) == (True, None)


def test_rsyslog_and_journald_read_their_files_when_they_start() -> None:
    host = with_rsyslog()
    host.moments["/etc/rsyslog.d/10-own.conf"] = host.now
    assert files_of(host) == {"": True, **both(None)}
    host.moments["/etc/systemd/journald.conf"] = host.now
    assert files_of(with_rsyslog())[""] is True
    host = with_rsyslog()
    host.moments["/etc/systemd/journald.conf"] = host.now
    assert files_of(host)[""] is None


def test_other_programs_that_take_syslog_are_not_judged() -> None:
    host = MailHost()
    host.running.append(process(6, "/usr/sbin/syslog-ng"))
    assert files_of(host) == {"": True, "syslog-ng": None}


@pytest.mark.parametrize(
    "text, seconds",
    [("30s", 30), ("1min", 60), ("500ms", 0.5), ("0", 0), ("2h 5min", 7500), ("soon", None), ("", None)],
)
def test_spans_of_time(text: str, seconds: float | None) -> None:
    assert mail_sinks.span_seconds(text) == seconds


# -- Dovecot and Postfix --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, items, held",
    [
        ("user=<%u> rip=%r", ("u", "user"), True),
        ("user=<%Lu>", ("u",), True),
        ("user=<%{user | lower}>", ("u", "user"), True),
        ("user=<%{orig_user}>", ("u", "user"), False),
        ("%unit", ("u",), False),
        ("rip=%{remote_ip}", ("r", "remote_ip"), True),
        ("msgid=%m: %$", ("s", "subject"), False),
        ("msgid=%m %s", ("s", "subject"), True),
        ("%{session}", ("s", "subject"), False),
    ],
)
def test_what_a_format_holds(text: str, items: tuple[str, ...], held: bool) -> None:
    assert dovecot.holds(text, *items) is held


def test_both_languages_are_read_as_one_tree() -> None:
    old = dovecot.parse("plugin {\n  sieve = file:~/sieve;active=~/.dovecot.sieve\n}\nssl_dh = # hidden\n")
    assert old.named("plugin")[0].values == {"sieve": "file:~/sieve;active=~/.dovecot.sieve"}
    new = dovecot.parse('namespace inbox {\n  mailbox "Sent Messages" {\n    special_use = "\\\\Sent"\n  }\n}\nx =\n')
    assert new.named("namespace")[0].named("mailbox")[0].name == "Sent Messages"
    assert new.named("namespace")[0].named("mailbox")[0].values == {"special_use": "\\Sent"}
    assert new.values == {"x": ""}


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_doors_are_those_that_are_open(release: str) -> None:
    host = MailHost(release)
    server = dovecot.find(host)
    assert server is not None
    assert [(door.protocol, door.port, door.tls) for door in server.doors] == [
        ("imap", 143, False),
        ("imap", 993, True),
        ("managesieve", 4190, False),
    ]
    assert server.since == LOADED
    assert (server.unexplained, server.get("auth_verbose")) == ([], "no")


def test_the_main_file_of_the_running_master_counts() -> None:
    host = MailHost()
    master = process(10, "/usr/sbin/dovecot")
    host.running[1] = type(master)(**{**vars(master), "argv": ("/usr/sbin/dovecot", "-F", "-c", "/srv/dovecot.conf")})
    host.answers[("doveconf", "-c", "/srv/dovecot.conf", *dovecot.KEYS)] = "log_path = /srv/log\n"
    host.answers[("doveconf", "-c", "/srv/dovecot.conf", "-n")] = ""
    host.answers[("doveconf", "-c", "/srv/dovecot.conf", "service")] = ""
    server = dovecot.find(host)
    assert server is not None
    assert server.get("log_path") == "/srv/log"


def test_several_servers_are_not_judged() -> None:
    host = MailHost()
    host.running += [process(50, "/usr/sbin/dovecot"), process(51, "/usr/lib/postfix/sbin/master")]
    for find in (dovecot.find, postfix.find):
        with pytest.raises(Unseen, match="only one can be judged"):
            find(host)


def test_services_of_postfix_with_what_master_cf_changes() -> None:
    sender = postfix.find(MailHost())
    assert sender is not None
    assert [(one.name, one.port, one.source) for one in sender.doors] == [
        ("submission", 587, "/etc/postfix/master.cf:2"),
        ("submissions", 465, "/etc/postfix/master.cf:3"),
    ]
    assert sender.doors[1].is_on("smtpd_tls_wrappermode")
    assert sender.since == LOADED


# -- the probe --------------------------------------------------------------------------------------------------------

Answer = Callable[[str], str]


def imap(line: str) -> str:
    tag, verb = line.split()[:2]
    return f"{tag} BAD no" if verb == "STARTTLS" else f"{tag} NO [AUTHENTICATIONFAILED] Authentication failed."


def pop3(line: str) -> str:
    return "+OK" if line.startswith("USER") else "-ERR no"


def sieve(line: str) -> str:
    return 'NO "Authentication failed."'


def smtp(line: str) -> str:
    return "250-x\r\n250 AUTH PLAIN LOGIN" if line.startswith("EHLO") else "535 5.7.8 Error: (reason unavailable)"


GREETINGS = {"imap": "* OK ready", "pop3": "+OK ready", "managesieve": 'OK "ready"', "smtp": "220 x", "relay": "220 x"}
SPEAKERS: dict[str, Answer] = {
    "imap": imap,
    "pop3": pop3,
    "managesieve": sieve,
    "smtp": smtp,
    "relay": lambda _: "221 x",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mail.log"
    path.write_text("older: lines\n")
    return path


def users_in(line: str) -> Iterator[str]:
    """The user that a line of a conversation names."""
    words = line.replace('"', " ").split()
    if line.startswith(("l LOGIN", "USER")):
        yield words[2] if words[0] == "l" else words[1]
    elif "PLAIN" in words:
        yield base64.b64decode(words[-1]).split(b"\0")[1].decode()


def serve(protocol: str, log: Path, keeps: int = 99) -> int:
    """A mail server for one connection, that logs the first wrong logins; its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        logged = 0
        with listening, listening.accept()[0] as connection:
            source = connection.getpeername()[0]
            stream = connection.makefile("rb")
            connection.sendall(f"{GREETINGS[protocol]}\r\n".encode())
            for raw in stream:
                line = raw.decode().strip()
                for user in users_in(line):
                    logged += 1
                    if logged <= keeps:
                        with log.open("a") as file:
                            file.write(f"auth({user},{source}): failed\n")
                connection.sendall(f"{SPEAKERS[protocol](line)}\r\n".encode())

    threading.Thread(target=run, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


@pytest.mark.parametrize("protocol", ["imap", "pop3", "managesieve", "smtp"])
def test_wrong_logins_and_the_lines_that_they_leave(protocol: str, log: Path) -> None:
    door = Door(protocol, serve(protocol, log), False, (EVERYWHERE,))
    sink = Sink(str(log), True, "", "")
    told = mail_probe.probe(Host(), [door], [sink], lambda: False)
    attempts = told.of(door)
    assert [one.answer for one in attempts] == ["", ""]
    assert all(one.source.startswith("127.") and one.source != "127.0.0.1" for one in attempts)
    assert all(told.found([sink], one.user, one.source) for one in attempts)
    assert told.secrets_in([sink]) == 0
    assert len({one.user for one in attempts} | {one.secret for one in attempts}) == 4


def test_a_login_that_leaves_no_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_probe, "LINE_S", 0.2)
    door = Door("imap", serve("imap", log, keeps=1), False, (EVERYWHERE,))
    sink = Sink(str(log), True, "", "")
    told = mail_probe.probe(Host(), [door], [sink], lambda: False)
    assert [bool(told.found([sink], one.user, one.source)) for one in told.of(door)] == [True, False]


def test_a_door_that_cannot_be_tried(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_probe, "LINE_S", 0.2)
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    doors = [Door("imap", port, False, ("127.0.0.1",)), Door("pop3", 110, False, ("::",))]
    told = mail_probe.probe(Host(), doors, [Sink(str(log), True, "", "")], lambda: False)
    assert told.attempts == []
    assert told.troubles == {doors[0]: "Connection refused", doors[1]: "it listens at no address of IPv4"}


def test_addresses_of_a_way_are_those_of_its_listeners() -> None:
    host = MailHost()
    host.listening.append(Listener("tcp6", "::", 587, (20,)))
    from ansible_collections.privacy.hosting.plugins.module_utils._services import mail

    ways = {(way.protocol, way.port): way.addresses for way in mail.ways(host)}
    assert ways["submission", 587] == (EVERYWHERE, "::")
