# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention of mail logs: one place has to keep every line, and all have to destroy it."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError, Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import journal_limits
from ansible_collections.privacy.hosting.plugins.module_utils._changes.logrotate_edit import without
from ansible_collections.privacy.hosting.plugins.module_utils._checks import log_retention_mail
from ansible_collections.privacy.hosting.plugins.module_utils._checks.log_retention import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._finding import RUNNING, Finding, Layer
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result
from ansible_collections.privacy.hosting.plugins.module_utils._log_destroyer import Rules, find
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.log_retention import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    cleaners,
    dovecot,
    jobs,
    journald,
    listeners,
    logfamilies,
    logfile,
    mail_logs,
    origin,
    postfix,
    rsyslog_rules,
    webmail,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from ansible_collections.privacy.hosting.plugins.module_utils._services.journald import Room
from ansible_collections.privacy.hosting.plugins.module_utils._services.logrotate import Rules as Rotation
from ansible_collections.privacy.hosting.plugins.module_utils._services.logrotate import Stanza
from ansible_collections.privacy.hosting.plugins.module_utils._services.mail_logs import MailLogs, Program
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import (
    MAIL,
    MAIL_PART,
    SHARED,
    LogFile,
)

NOW = dt.datetime(2026, 11, 20, 17, 0, tzinfo=dt.timezone.utc)
LOADED = Layer(RUNNING, True, "loaded")
LIMITS = {"MaxRetentionSec": "185d", "MaxFileSec": "1d", "SystemMaxFiles": "10000", "SystemMaxUse": "4G"}


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


class World:
    """A host with Postfix, which writes to the journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mail = MailLogs(
            (Program("postfix", 7, "mail", "postconf maillog_file", (), LOADED),), (), "postconf", LOADED, (), ()
        )
        self.settings = dict(LIMITS)
        self.persistent, self.journald = True, LOADED
        self.oldest: dt.datetime | None = ago(10)
        self.room = Room(100 << 20, 4 << 30, 10, 10_000)
        self.jobs: list[Job] = []
        self.strangers: list[Any] = []
        self.old_lines = False

    def file(self, name: str, kind: str = MAIL, days: float = 10, server: str = "rsyslog", stanza: str = "") -> Path:
        """A log that holds a line of each day, and what rotates it."""
        path = self.path / name
        lines = [
            f"{ago(days - n):%Y-%m-%dT%H:%M:%S}.000000+00:00 h postfix/qmgr[1]: 4X: removed" for n in range(int(days))
        ]
        path.write_text("\n".join(lines) + "\n")
        os.utime(path, (ago(0.1).timestamp(),) * 2)
        log = LogFile(str(path), kind, server, (), "/etc/rsyslog.conf:5")
        self.mail = replace(self.mail, files=(*self.mail.files, log))
        if stanza:
            config = self.path / "logrotate.conf"
            config.write_text((config.read_text() if config.exists() else "") + f"{path} {{\n{stanza}\n}}\n")
            config.chmod(0o644)
            timer = Job("logrotate.timer", f"logrotate -s {self.path}/status {config}", 1.0, "/x.timer")
            self.jobs = [replace(timer, unit="logrotate.service", last=ago(0.5))]
        return path

    def ask(self, *checks: str, **settings: Any) -> list[Finding]:
        asked = {"mail": settings.pop("mail", "6 months")}
        question = Question(asked, {**{o.name: o.default for o in MEASURE.options}, **asked, **settings})
        host = Host(now=NOW)
        return [
            finding
            for check in CHECKS
            if "mail" in check.options and (not checks or check.name in checks)
            for finding in check.run(host, question, "mail")
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path)
    for module in (log_retention_mail, mail_logs, journal_limits):
        monkeypatch.setattr(module, "mail_logs", lambda host: found.mail)
    monkeypatch.setattr(listeners, "unknown_listeners", lambda host: found.strangers)
    monkeypatch.setattr(jobs, "jobs", lambda host: found.jobs)
    monkeypatch.setattr(cleaners, "_TMPFILES", (str(tmp_path / "tmpfiles.d"),))
    monkeypatch.setattr(cleaners, "DESTROYER_CONFIG", str(tmp_path / "log-retention.json"))
    monkeypatch.setattr(origin, "of_host", lambda host: origin.Origin(ago(10), "the host is of then"))
    monkeypatch.setattr(origin, "of_directory", lambda host, path: None)
    monkeypatch.setattr(origin, "birth", lambda host, path: None)
    monkeypatch.setattr(logfamilies, "_PACKAGED", {})
    monkeypatch.setattr(logfamilies, "_BACKUPS", ())
    monkeypatch.setattr(
        logfamilies, "SUBJECTS", {"mail": replace(logfamilies.MAIL_LOGS, strays=(f"{tmp_path}/mail.*",))}
    )
    monkeypatch.setattr(
        journald, "settings", lambda host: {key: (value, f"/j.conf:{key}") for key, value in found.settings.items()}
    )
    monkeypatch.setattr(journald, "is_persistent", lambda host: found.persistent)
    monkeypatch.setattr(journald, "oldest", lambda host: found.oldest)
    monkeypatch.setattr(journald, "beginnings", lambda host: [found.oldest] if found.oldest else [])
    monkeypatch.setattr(journald, "room", lambda host: found.room)
    monkeypatch.setattr(journald, "free", lambda host: 10 << 30)
    monkeypatch.setattr(journald, "running", lambda host: found.journald)
    monkeypatch.setattr(journald, "holds", lambda host, match: found.old_lines)
    return found


def told(findings: list[Finding]) -> dict[str, str]:
    return {f"{finding.check}: {finding.subject.rpartition('/')[2]}": finding.status for finding in findings}


def observed(findings: list[Finding], status: str) -> str:
    return "; ".join(finding.observed for finding in findings if finding.status == status)


# -- the journal ------------------------------------------------------------------------------------------------------


def test_a_journal_with_limits_that_serve_keeps_and_destroys(world: World) -> None:
    assert told(world.ask()) == {"journal: the journal: kept": "pass", "journal: the journal: destroyed": "pass"}


@pytest.mark.parametrize(
    "limits, kept, destroyed, why",
    [
        ({"MaxRetentionSec": "184d"}, "fail", "pass", "keeps a line 183 days"),
        ({"MaxRetentionSec": "185d", "MaxFileSec": "3d"}, "fail", "fail", "keeps a line 182 days"),
        ({"MaxRetentionSec": ""}, "pass", "fail", "no MaxRetentionSec"),
        ({"MaxRetentionSec": "188d"}, "pass", "fail", "MaxRetentionSec 188 days"),
        ({"MaxFileSec": ""}, "fail", "fail", "MaxFileSec 31 days"),
        ({"MaxFileSec": "0"}, "error", "fail", "MaxFileSec switched off"),
        ({"MaxRetentionSec": "180d", "MaxFileSec": "infinity"}, "fail", "fail", "MaxFileSec switched off"),
    ],
)
def test_limits_of_time(world: World, limits: dict[str, str], kept: str, destroyed: str, why: str) -> None:
    world.settings.update(limits)
    findings = world.ask("journal")
    assert [finding.status for finding in findings] == [kept, destroyed]
    assert why in observed(findings, "fail")


@pytest.mark.parametrize(
    "room, status, why",
    [
        (Room(100 << 20, 4 << 30, 10, 100), "fail", "SystemMaxFiles 100 with files of 1 days keeps a line 100 days"),
        (Room(1 << 30, 4 << 30, 10, 10_000), "error", "hold 40 days, and may throw entries away sooner"),
        (Room(100 << 20, 4 << 30, 1000, 10_000), "error", "hold 100 days"),
        (Room(0, 4 << 30, 0, 10_000), "pass", ""),
    ],
)
def test_limits_of_size_and_files(world: World, room: Room, status: str, why: str) -> None:
    world.room = room
    (finding, _destroyed) = world.ask("journal")
    assert finding.status == status and why in finding.observed


def test_a_journal_that_begins_after_the_host(world: World) -> None:
    world.oldest, world.room = ago(2), Room(20 << 20, 4 << 30, 2, 10_000)
    assert "cannot be told" in observed(world.ask("journal"), "error")
    findings = world.ask("journal", mail_since=f"{ago(2):%Y-%m-%d}")
    assert {finding.status for finding in findings} == {"pass"}


@pytest.mark.parametrize("days, status", [(183, "pass"), (186, "pass"), (200, "fail")])
def test_how_old_the_oldest_line_is(world: World, days: int, status: str) -> None:
    world.oldest, world.room = ago(days), Room(100 << 20, 4 << 30, days, 10_000)
    assert told(world.ask("journal")) == {
        "journal: the journal: kept": "pass",
        "journal: the journal: destroyed": status,
    }


def test_a_journal_in_memory_or_of_settings_that_are_not_loaded(world: World) -> None:
    world.persistent = False
    assert "lost at every start" in observed(world.ask("journal"), "fail")
    world.persistent, world.journald = True, Layer(RUNNING, None, "journald.conf changed after it was loaded")
    assert [finding.status for finding in world.ask("journal")] == ["error", "error"]


@pytest.mark.parametrize(
    "command, status",
    [
        ("journalctl --vacuum-time=30d", "fail"),
        ("journalctl --rotate --vacuum-size=500M", "error"),
        ("journalctl --vacuum-time=1year", "pass"),
        ("rm -rf /var/log/journal/*", "fail"),
    ],
)
def test_what_others_throw_away(world: World, command: str, status: str) -> None:
    world.jobs = [Job("the line in /etc/cron.d/x", command, 1.0, "/etc/cron.d/x:1", user="root")]
    assert told(world.ask("journal"))["journal: the journal: kept"] == status


def test_lines_of_before_are_destroyed_too(world: World) -> None:
    world.mail = replace(world.mail, programs=(), journal="")
    assert told(world.ask("journal")) == {}
    world.old_lines = True
    assert told(world.ask("journal")) == {"journal: the journal: destroyed": "pass"}


# -- files ------------------------------------------------------------------------------------------------------------

KEPT = "daily\nrotate 185\nifempty"
WEEKS = "weekly\nrotate 4\nnotifempty"


def test_a_file_keeps_what_the_journal_does_not(world: World) -> None:
    world.settings["MaxRetentionSec"] = "14d"
    world.file("mail.log", stanza=KEPT)
    assert told(world.ask()) == {
        "rotation: mail.log": "pass",
        "deleters: mail logs": "pass",
        "history: mail.log": "pass",
        "destruction: mail.log": "pass",
        "timer: logrotate.timer": "pass",
        "journal: the journal: destroyed": "pass",
    }


def test_neither_the_file_nor_the_journal_keeps(world: World) -> None:
    world.settings["MaxRetentionSec"] = "14d"
    world.file("mail.log", stanza=WEEKS)
    assert "keeps a line 28 days" in observed(world.ask("rotation"), "fail")


def test_a_copy_of_what_the_journal_keeps_need_only_be_destroyed(world: World) -> None:
    world.file("mail.log", stanza="weekly\nrotate 4\nifempty")
    assert told(world.ask()) == {
        "destruction: mail.log": "pass",
        "timer: logrotate.timer": "pass",
        "journal: the journal: kept": "pass",
        "journal: the journal: destroyed": "pass",
    }


def test_a_log_that_was_never_written_will_be_there_once_it_is_rotated(world: World) -> None:
    world.file("userlogins.log", server="roundcube", stanza=KEPT).unlink()
    assert told(world.ask("destruction", "history")) == {"destruction: userlogins.log": "pass"}


def test_a_webmails_log_begins_when_it_was_switched_on(world: World) -> None:
    switched = world.path / "privacy-hosting.inc.php"
    switched.write_text("x")
    os.utime(switched, (ago(2.9).timestamp(),) * 2)
    world.file("userlogins.log", days=2, server="roundcube", stanza=KEPT)
    log = replace(world.mail.files[0], source="/etc/roundcube/config.inc.php:1")
    world.mail = replace(world.mail, files=(log,))
    assert told(world.ask("history")) == {"history: userlogins.log": "error"}
    world.mail = replace(world.mail, files=(replace(log, source=f"{switched}:3"),))
    assert told(world.ask("history")) == {"history: userlogins.log": "pass"}


def test_a_servers_own_file_is_no_copy(world: World) -> None:
    world.file("dovecot.log", server="dovecot", stanza=WEEKS)
    assert "keeps a line 28 days" in observed(world.ask("rotation"), "fail")


def test_a_log_of_all_programs_is_never_empty(world: World) -> None:
    world.file("syslog", kind=SHARED, stanza=WEEKS)
    assert told(world.ask("destruction"))["destruction: syslog"] == "pass"
    (world.path / "logrotate.conf").unlink()
    world.file("mail.err", kind=MAIL_PART, stanza=WEEKS)
    assert told(world.ask("destruction"))["destruction: mail.err"] == "fail"


def test_what_nobody_writes_any_more_is_found_by_its_lines(world: World) -> None:
    stray = world.path / "mail.info.4"
    stray.write_text("Oct  1 10:00:00 h postfix/smtpd[1]: connect from a.example[203.0.113.9]\n")
    other = world.path / "mail.other"
    other.write_text('203.0.113.9 - - [01/Oct/2025:10:00:00 +0000] "GET /?postfix/smtpd[1]: HTTP/1.1" 200 1\n')
    for path in (stray, other):
        os.utime(path, (ago(400).timestamp(),) * 2)
    assert told(world.ask("remains")) == {"remains: mail.info (no server writes it)": "fail"}


def test_a_line_that_a_sender_wrote_makes_no_log_older(world: World) -> None:
    line = b"Nov 19 10:00:00 h postfix/cleanup[1]: 4X: message-id=<2019-01-01 00:00:00>"
    assert logfile.stamp(line, NOW, NOW) == dt.datetime(2026, 11, 19, 10).astimezone(dt.timezone.utc)


# -- what is not known ------------------------------------------------------------------------------------------------


def test_what_is_not_known_is_said(world: World) -> None:
    program = Program("dovecot", 1, "mail", "x", (), Layer(RUNNING, None, "local.conf changed after it was loaded"))
    world.mail = replace(world.mail, programs=(program,), machines=("192.0.2.9 (/r:1)",), problems=("x is not read",))
    world.strangers = [
        SimpleNamespace(program="stalwart", where=":25, :993"),
        SimpleNamespace(program="x", where=":9000"),
    ]
    findings = world.ask("subjects")
    assert [finding.subject for finding in findings] == [
        "mail logs",
        "logs sent to 192.0.2.9 (/r:1)",
        "dovecot",
        "stalwart",
    ]
    assert {finding.status for finding in findings} == {"error"}


def test_a_host_without_mail(world: World) -> None:
    world.mail = MailLogs((), (), "", LOADED, (), ())
    assert [finding.status for finding in world.ask()] == ["not_applicable"]
    assert observed(world.ask(mail=None), "error") == "no period is set"


# -- where mail servers write to --------------------------------------------------------------------------------------

DEBIAN = """*.*;auth,authpriv.none -/var/log/syslog
mail.* -/var/log/mail.log
mail.err /var/log/mail.err
user.* -/var/log/user.log
"""


class Server:
    """What dovecot.find() and postfix.find() give."""

    def __init__(self, **values: str) -> None:
        self.values, self.running = values, LOADED
        self.master = SimpleNamespace(pid=7)

    def get(self, key: str) -> str:
        return self.values.get(key, "")

    def source(self, key: str) -> str:
        return f"/etc/x:{key}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    found = SimpleNamespace(
        dovecot=Server(log_path="syslog"), postfix=Server(), programs=["systemd-journald"], webmails=[]
    )
    monkeypatch.setattr(dovecot, "find", lambda host: found.dovecot)
    monkeypatch.setattr(postfix, "find", lambda host: found.postfix)
    monkeypatch.setattr(webmail, "webmails", lambda host: found.webmails)
    monkeypatch.setattr(mail_logs, "_ROUNDCUBE", str(tmp_path / "config.inc.php"))
    monkeypatch.setattr(rsyslog_rules, "MAIN", str(tmp_path / "rsyslog.conf"))
    monkeypatch.setattr(mail_logs, "_rsyslog_loaded", lambda host: LOADED)
    monkeypatch.setattr(
        Host,
        "processes",
        lambda host: [SimpleNamespace(program=f"/usr/sbin/{name}", contained=False) for name in found.programs],
    )
    (tmp_path / "rsyslog.conf").write_text(DEBIAN)
    return found


def test_debians_mail_servers_write_to_the_journal(server: SimpleNamespace) -> None:
    found = mail_logs.mail_logs(Host())
    assert (found.journal, found.files, found.problems) == ("/etc/x:log_path", (), ())


def test_rsyslogs_files_and_which_of_them_are_for_mail_alone(server: SimpleNamespace) -> None:
    server.programs.append("rsyslogd")
    files = {file.path: file.kind for file in mail_logs.mail_logs(Host()).files}
    assert files == {"/var/log/syslog": SHARED, "/var/log/mail.log": MAIL, "/var/log/mail.err": MAIL_PART}


def test_lines_that_leave_the_host(server: SimpleNamespace, tmp_path: Path) -> None:
    server.programs.append("rsyslogd")
    (tmp_path / "rsyslog.conf").write_text(f"{DEBIAN}*.* @@192.0.2.9:514\n")
    assert mail_logs.mail_logs(Host()).machines[0].startswith("192.0.2.9")


def test_files_of_their_own(server: SimpleNamespace, tmp_path: Path) -> None:
    server.dovecot = Server(log_path="/var/log/dovecot.err", info_log_path="/var/log/dovecot.log")
    server.postfix = Server(maillog_file="/var/log/postfix.log")
    (tmp_path / "config.inc.php").write_text("<?php\n// $config['log_dir'] = '/x';\n$config['log_dir'] = '/srv/rc/';\n")
    found = mail_logs.mail_logs(Host())
    assert {file.path: file.kind for file in found.files} == {
        "/var/log/dovecot.err": MAIL_PART,
        "/var/log/dovecot.log": MAIL,
        "/var/log/postfix.log": MAIL,
        "/srv/rc/userlogins.log": MAIL,
        "/srv/rc/sendmail.log": MAIL_PART,
        "/srv/rc/errors.log": MAIL_PART,
    }
    assert found.journal == ""


def test_filters_and_webmails_beside(server: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, logs = tmp_path / "rspamd.log", tmp_path / "roundcube" / "logs"
    log.write_text("x")
    monkeypatch.setattr(mail_logs, "_FILTERS", (str(log),))
    server.webmails = [webmail.Webmail("Roundcube", str(logs.parent)), webmail.Webmail("RainLoop", "/srv/r")]
    own = webmail.Roundcube(["/srv/config.inc.php"], {"log_dir": f"'{logs}/'", "log_file_ext": "''"})
    monkeypatch.setattr(webmail, "roundcube", lambda host, one: own)
    found = mail_logs.mail_logs(Host())
    assert {Path(file.path).name: file.kind for file in found.files} == {
        "rspamd.log": MAIL_PART,
        "userlogins": MAIL,
        "sendmail": MAIL_PART,
        "errors": MAIL_PART,
    }
    assert found.problems == ("the logs of RainLoop in /srv/r are not judged",)
    own.unclear.add("log_driver")
    assert "where Roundcube logs to is not understood" in mail_logs.mail_logs(Host()).problems[0]


def test_servers_and_daemons_that_are_not_read(server: SimpleNamespace) -> None:
    server.programs += ["exim4", "syslog-ng"]
    problems = mail_logs.mail_logs(Host()).problems
    assert problems == ("the logs of exim4 are not judged", "what syslog-ng does with lines is not read")


# -- what the role changes --------------------------------------------------------------------------------------------


def limited(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[str, list[str]]:
    """Our drop-in, '' where none is made, and the warnings."""
    own = tmp_path / "journald.conf.d" / "99-privacy-hosting.conf"
    monkeypatch.setattr(journal_limits, "OWN", str(own))
    monkeypatch.setattr(journal_limits, "web_servers", lambda host: more.get("servers", []))
    transaction = Transaction("2026-01-31T12:00:00Z", "test", root=str(tmp_path / "undo"))
    of_web = more.get("of_web", "")
    told = list(journal_limits.limit_journal(Host(now=NOW), transaction, "6 months", more.get("most", False), of_web))
    assert transaction.reloads == (["systemd-journald"] if str(own) in transaction.changes else [])
    return transaction.look(str(own)).data.decode(), told


def test_limits_that_serve_are_left(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limited(world, tmp_path, monkeypatch) == ("", [])


def test_others_get_limits_for_the_period(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settings = {}
    text, warnings = limited(world, tmp_path, monkeypatch)
    assert "MaxRetentionSec=185day\nMaxFileSec=1day\nSystemMaxFiles=10000\nSystemMaxUse=4G\n" in text and not warnings
    world.room = replace(world.room, used=10 << 30)
    text, warnings = limited(world, tmp_path, monkeypatch)
    assert "SystemMaxUse=368G" in text and "need about 197.6 GB" in warnings[0]


def test_most_of_a_journal_is_not_destroyed_unasked(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settings, world.oldest = {}, ago(400)
    with pytest.raises(ChangeError, match="1 of 1 files of the journal"):
        limited(world, tmp_path, monkeypatch)
    assert "MaxRetentionSec" in limited(world, tmp_path, monkeypatch, most=True)[0]


def test_one_journal_has_one_period(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = SimpleNamespace(kind="syslog", directive=SimpleNamespace(source="/etc/nginx/x:9"))
    servers = [SimpleNamespace(vhosts=[SimpleNamespace(logs=[log])])]
    with pytest.raises(ChangeError, match=r"web logs \(kept for 2 years\) and mail logs \(6 months\) both go"):
        limited(world, tmp_path, monkeypatch, servers=servers, of_web="2 years")
    assert limited(world, tmp_path, monkeypatch, servers=servers, of_web="6 months") == ("", [])


def test_without_lines_in_the_journal_it_is_left(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settings, world.mail = {}, replace(world.mail, journal="")
    assert limited(world, tmp_path, monkeypatch) == ("", [])


@pytest.mark.parametrize(
    "head, left",
    [
        ("/l/syslog\n/l/mail.log\n/l/cron.log\n{\n", "/l/syslog\n/l/cron.log\n{\n"),
        ('/l/syslog "/l/mail.log" /l/cron.log {\n', "/l/syslog /l/cron.log {\n"),
    ],
)
def test_a_name_is_taken_out_of_a_stanza(head: str, left: str) -> None:
    stanza = Stanza(("/l/syslog", "/l/mail.log", "/l/cron.log"), [], "/x", 2, Rotation())
    assert without(f"# x\n{head}\tweekly\n}}\n", stanza, ["/l/mail.log"]) == f"# x\n{left}\tweekly\n}}\n"


def test_the_destroyer_knows_lines_of_mail(tmp_path: Path) -> None:
    mail, web = tmp_path / "mail.info.4", tmp_path / "mail.info.5"
    mail.write_text(f"{ago(400):%Y-%m-%dT%H:%M:%S}+00:00 h dovecot: imap-login: Logged in\n")
    web.write_text(f'1.2.3.4 - - [{ago(400):%d/%b/%Y:%H:%M:%S} +0000] "GET /mail.log HTTP/1.1" 200 5\n')
    paths = [str(tmp_path / "mail.info.[0-9]*")]
    rules = Rules("6 months", paths, visits_only=paths, subject="mail")
    assert [past.path for past in find(rules, NOW).past] == [str(mail)]


def test_journald_is_restarted_and_others_are_reloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def caller(argv: Any) -> Result:
        asked.append(tuple(argv))
        return Result(tuple(argv), 0, "", "")

    monkeypatch.setattr(_change, "_SETTLE_S", 0.01)
    _change._reload(["systemd-journald", "dovecot"], caller)
    done = [words[1:] for words in asked if words[1] != "is-active"]
    assert done == [("restart", "systemd-journald"), ("reload", "dovecot")]
