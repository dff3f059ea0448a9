# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail servers of a host, and every place that they write their logs to.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._finding import RUNNING, Layer
from .._host import Host
from . import dovecot, postfix, rsyslog_rules, webmail
from .loaded import loaded
from .rsyslog_rules import Line
from .virtualhost import MAIL, MAIL_PART, SHARED, LogFile

# those whose logs are not read; Postfix has an smtpd of its own
_UNREAD = re.compile(r"(?<!/postfix/sbin)/(exim4?|sendmail-mta|smtpd|cyrmaster|courierd|stalwart(-mail)?|maddy)$")
_OTHER_SYSLOG = frozenset(["syslog-ng", "syslogd", "metalog", "vector", "fluent-bit"])
_FILTERS = ("/var/log/rspamd/*.log", "/var/log/sogo/*.log")
_ROUNDCUBE = "/etc/roundcube/config.inc.php"
# what it sends, the mail server logs itself
_ROUNDCUBE_FILES = {"userlogins": MAIL, "sendmail": MAIL_PART, "errors": MAIL_PART}
_ROUNDCUBE_DEFAULTS = "/etc/roundcube/defaults.inc.php"
_LOADED = Layer(RUNNING, True, "")
# a line of each, as rsyslog sees it; and lines of others, by which it shows that a file is not for mail alone
_LINES = {"dovecot": "dovecot", "postfix": "postfix/smtpd", "roundcube": "roundcube"}
_OTHERS = (Line("cron", "cron", "info"), Line("systemd", "daemon", "info"), Line("kernel", "kern", "info"))


@dataclass(frozen=True)
class Program:
    """A mail server, or a webmail. pid: of its first process, 0 if it does not run.

    facility: by which it writes to syslog, '' where it does not; source: what says so; files: that it writes itself;
    running: whether what it loaded is what its files say.
    """

    name: str
    pid: int
    facility: str
    source: str
    files: tuple[LogFile, ...] = ()
    running: Layer = _LOADED


@dataclass(frozen=True)
class MailLogs:
    """Where mail servers write to.

    journal: what says that the journal gets lines, '' where it gets none; rsyslog: whether what that loaded is what its
    files say; machines: others that get lines, with 'file:line'; problems: what is not known of it, one line each.
    """

    programs: tuple[Program, ...]
    files: tuple[LogFile, ...]
    journal: str
    rsyslog: Layer
    machines: tuple[str, ...]
    problems: tuple[str, ...]


def mail_logs(host: Host) -> MailLogs:
    """The logs of all mail servers of a host. Raises Unseen."""
    return host.once("mail logs", lambda: _mail_logs(host))


def _mail_logs(host: Host) -> MailLogs:
    programs = [*_dovecot(host), *_postfix(host), *_roundcube(host)]
    running = {one.program for one in host.processes() if not one.contained}
    names = set(map(os.path.basename, running))
    unread = sorted({one.program for one in host.processes() if _UNREAD.search(one.program)})
    problems = [f"the logs of {os.path.basename(path)} are not judged" for path in unread]
    programs += _other_webmails(host, problems)
    spoken = [program for program in programs if program.facility]
    files = [*(file for program in programs for file in program.files), *_of_filters(host)]
    machines: list[str] = []
    if spoken:
        problems += [f"what {name} does with lines is not read" for name in sorted(names & _OTHER_SYSLOG)]
        if "rsyslogd" in names:
            files += _of_rsyslog(host, spoken, problems)
            machines += _machines(host)
        elif "systemd-journald" not in names:
            problems.append("neither journald nor rsyslog runs, and lines go to syslog")
        if "systemd-journal-upload" in names:
            machines.append("a host that systemd-journal-upload names")
        namespaces = host.glob("/var/log/journal/*.*")
        problems += [f"{path} is a journal of its own, and what goes there is not read" for path in namespaces]
    return MailLogs(
        tuple(programs),
        tuple(files),
        spoken[0].source if spoken and "systemd-journald" in names else "",
        _rsyslog_loaded(host),
        tuple(machines),
        tuple(problems),
    )


# -- rsyslog ----------------------------------------------------------------------------------------------------------


def _of_rsyslog(host: Host, spoken: list[Program], problems: list[str]) -> Iterator[LogFile]:
    """The files that rsyslog writes lines of mail servers to."""
    shared = {one.path for line in _OTHERS for one in rsyslog_rules.written(host, line) if one.whole is not False}
    seen: set[str] = set()
    for program in spoken:
        for level in ("info", "err"):
            for one in rsyslog_rules.written(host, Line(_LINES[program.name], program.facility, level)):
                if one.whole is None:
                    problems.append(f"{one.source}: {one.why}")
                if one.whole is False or one.path in seen or one.path == os.devnull:
                    continue
                seen.add(one.path)
                kind = SHARED if one.path in shared else MAIL if level == "info" else MAIL_PART
                yield LogFile(one.path, kind, "rsyslog", (), one.source)


def _machines(host: Host) -> Iterator[str]:
    """The other machines that rsyslog hands lines on to, whichever these are."""
    for rule in rsyslog_rules.rules(host):
        target = re.search(r'\s@@?(?:\([^)]*\))?([\w.:\[\]-]+)|"omfwd".*?target\s*=\s*"([^"]+)"', rule.text, re.DOTALL)
        if target:
            yield f"{target[1] or target[2]} ({rule.source})"


def _rsyslog_loaded(host: Host) -> Layer:
    started = [one.started for one in host.processes() if os.path.basename(one.program) == "rsyslogd"]
    return loaded(host, max(started), rsyslog_rules.files(host), ("/etc/rsyslog.d",)) if started else _LOADED


def _of_filters(host: Host) -> Iterator[LogFile]:
    """Logs of programs that mail goes through: they tell who wrote to whom, too."""
    for path in (path for pattern in _FILTERS for path in host.glob(pattern)):
        yield LogFile(path, MAIL_PART, path.split("/")[3], (), path)


# -- who writes -------------------------------------------------------------------------------------------------------


def _dovecot(host: Host) -> Iterator[Program]:
    found = dovecot.find(host)
    if found is None:
        return
    errors = found.get("log_path") or "syslog"
    spoken = found.get("info_log_path") or errors
    places = {errors: MAIL_PART, found.get("debug_log_path") or spoken: MAIL_PART, spoken: MAIL}
    files = tuple(
        LogFile(path, kind, "dovecot", (), found.source("info_log_path" if path == spoken else "log_path"))
        for path, kind in places.items()
        if _is_file(path)
    )
    facility = (found.get("syslog_facility") or "mail") if "syslog" in places else ""
    pid, running = (found.master.pid, found.running) if found.master else (0, _LOADED)
    yield Program("dovecot", pid, facility, found.source("log_path"), files, running)


def _postfix(host: Host) -> Iterator[Program]:
    found = postfix.find(host)
    if found is None:
        return
    path, source = found.get("maillog_file"), found.source("maillog_file")
    files = (LogFile(path, MAIL, "postfix", (), source),) if _is_file(path) else ()
    facility = "" if path else found.get("syslog_facility") or "mail"
    pid, running = (found.master.pid, found.running) if found.master else (0, _LOADED)
    yield Program("postfix", pid, facility, source, files, running)


def _is_file(path: str) -> bool:
    return path.startswith("/") and not path.startswith("/dev/")


def _roundcube(host: Host) -> Iterator[Program]:
    """Debian's Roundcube. Its settings are taken as they are written, the last of a name."""
    if host.stat(_ROUNDCUBE) is None:
        return
    told = {
        "log_driver": "file",
        "log_dir": "/var/log/roundcube",
        "log_file_ext": ".log",
        "syslog_facility": "LOG_USER",
    }
    others = set(host.glob("/etc/roundcube/*.inc.php")) - {_ROUNDCUBE, _ROUNDCUBE_DEFAULTS}
    source = f"{_ROUNDCUBE}:1"
    for path in (_ROUNDCUBE, *sorted(others)):
        code = re.sub(r"(?m)^[^\S\n]*(?://|#|\*).*$", "", host.read(path))
        for setting in re.finditer(r"\$config\s*\[\s*['\"](\w+)['\"]\s*\]\s*=\s*['\"]?([^'\";]*)['\"]?\s*;", code):
            told[setting[1]] = setting[2]
            if setting[1] == "log_logins":
                source = f"{path}:{code.count(chr(10), 0, setting.start()) + 1}"
    yield from _webmail(told["log_driver"], told["log_dir"], told["log_file_ext"], told["syslog_facility"], source)


def _other_webmails(host: Host, problems: list[str]) -> Iterator[Program]:
    """The webmails that a web server offers and that are not Debian's."""
    for one in webmail.webmails(host):
        if one.kind == "SOGo":
            continue  # its log is among those of filters
        if one.kind != "Roundcube":
            problems.append(f"the logs of {one.kind} in {one.directory} are not judged")
            continue
        told = webmail.roundcube(host, one)
        if told.main == _ROUNDCUBE:
            continue
        driver, place = told.get("log_driver", "file"), told.log_file
        if {"log_driver", "log_dir", "log_file_ext"} & told.unclear or driver not in ("file", "syslog") or not place:
            problems.append(f"{told.main}: where Roundcube logs to is not understood")
            continue
        directory, name = os.path.split(place)
        ending = name.replace("userlogins", "", 1)
        source = told.source("log_logins")
        yield from _webmail(driver, host.real(directory), ending, told.get("syslog_facility", "LOG_USER"), source)


def _webmail(driver: str, directory: str, ending: str, facility: str, source: str) -> Iterator[Program]:
    """A Roundcube that logs so. source: 'file:line' that makes it log who logs in, since when its log is there."""
    if driver == "syslog":
        yield Program("roundcube", 0, facility.replace("LOG_", "").lower(), source)
    elif driver == "file":
        files = (
            LogFile(f"{directory.rstrip('/')}/{name}{ending}", kind, "roundcube", (), source)
            for name, kind in _ROUNDCUBE_FILES.items()
        )
        yield Program("roundcube", 0, "", source, tuple(files))
