# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role log_retention changes: rotation that keeps logs, and a timer that destroys them in time.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob
import inspect
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .. import _log_destroyer, _option
from .._change import ChangeError, Planned, Transaction, UnitState, Validation
from .._host import Host
from .._log_destroyer import CONFIG, Found, Rules, believe, doubt, find, shown
from .._option import Period
from .._services import logfamilies, logfile
from .._services.logfamilies import MAIL_LOGS, WEB_LOGS, Piece, Subject, what_is_taken
from .._services.logrotate import Configuration, configuration, hindrance
from .._services.mail_logs import mail_logs
from .._services.panels import panel
from .._services.virtualhost import SHARED, STATISTICS, STREAM, SYSLOG, LogFile
from .._services.web import log_files, web_servers
from .journal_limits import limit_journal
from .logrotate_edit import edit, new_stanza, without

LOGROTATE = "/etc/logrotate.conf"
OWN_STANZAS = "/etc/logrotate.d/privacy-hosting-{}"
LIBRARY = "/usr/local/lib/privacy-hosting"
COMMAND = "/usr/local/sbin/privacy-hosting-log-retention"
UNIT = "privacy-hosting-log-retention"

# directories that belong to one server alone, by the subject of what it logs
_SERVERS_OWN = {
    "web": ("/var/log/nginx", "/var/log/apache2", "/var/log/httpd"),
    "mail": ("/var/log/roundcube", "/var/log/dovecot", "/var/log/postfix"),
}
_REOPEN = {
    "nginx": "invoke-rc.d nginx rotate >/dev/null 2>&1 || true",
    "apache": "invoke-rc.d apache2 reload >/dev/null 2>&1 || true",
    "rsyslog": "/usr/lib/rsyslog/rsyslog-rotate",
    "dovecot": "doveadm log reopen >/dev/null 2>&1 || true",
    "postfix": "postfix reload >/dev/null 2>&1 || true",
    "roundcube": ":",
    "rspamd": "invoke-rc.d rspamd rotate >/dev/null 2>&1 || true",
    "sogo": "invoke-rc.d sogo reload >/dev/null 2>&1 || true",
}
# places that hold other things than logs: no pattern for logs may mean one of them, or what is below some
_NOT_LOGS = re.compile(
    r"/|/(home|media|mnt|opt|srv|root|tmp|var)|/var/(backups|cache|lib|local|log|mail|opt|spool|tmp|www)|/home/[^/]+"
    r"|/(bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr)(/.*)?"
)
_CLOCKS_APART = dt.timedelta(days=1)  # a server's clock and that of the machine that Ansible runs on
_MOST = 0.5  # the share of all logs of a subject that one run of the role may destroy unasked
_HEADER = "# Made by privacy.hosting, role log_retention; ansible-playbook privacy.hosting.undo removes it.\n"


@dataclass(frozen=True)
class Asked:
    """What the role is asked for, about the logs of one subject.

    paths: further places with such logs; most: more than half of a host's may go at once; time: by the clock of the
    machine that Ansible runs on, None where nobody told it.
    """

    period: str
    paths: Sequence[str] = ()
    most: bool = False
    time: dt.datetime | None = None
    subject: Subject = WEB_LOGS

    @property
    def option(self) -> str:
        return f"log_retention_{self.subject.name}_paths"


def plan(host: Host, transaction: Transaction, everything: Sequence[Asked]) -> Planned:
    """Fill the transaction for the logs of a host, of each subject that is asked about. Raises Unseen, ChangeError."""
    name = panel(host)
    if name:
        return Planned({"panel": name}, [f"{name} runs this host and writes its configuration: nothing was changed"])
    warnings: list[str] = []
    told: dict[str, Rules] = {}
    found: list[Found] = []
    for asked in everything:
        _compare_clocks(host.now, asked.time)
        _refuse_other_places(host, asked.paths, asked.option)
        if asked.subject is MAIL_LOGS:
            others = next((other.period for other in everything if other.subject is WEB_LOGS), "")
            warnings += limit_journal(host, transaction, asked.period, asked.most, others)
        rules_of = _plan_files(host, transaction, asked, warnings)
        if rules_of.paths:
            told[asked.subject.name] = rules_of
            found.append(find(rules_of, host.now))
            too_many = "" if asked.most else _too_many(found[-1], len(rules_of.keep), asked.period, asked.subject)
            if too_many and not transaction.check:
                raise ChangeError(f"{too_many}; nothing was changed")
            warnings += [too_many] if too_many else []
    if not told:
        return Planned({}, warnings)
    install_destroyer(transaction, told)
    return Planned({}, warnings, lambda: destroy_now(transaction, found, host.now))


def _plan_files(host: Host, transaction: Transaction, asked: Asked, warnings: list[str]) -> Rules:
    """Rotation of the files of a subject; the rules by which they are destroyed."""
    days = Period.parse(asked.period).max_days
    logs, elsewhere = _LOGS[asked.subject.name](host)
    warnings += elsewhere
    own = [log for log in logs if log.kind != SHARED]
    warnings += rotate(host, transaction, own, days, asked.subject)
    warnings += _room(host, own, asked, days)
    return rules(host, own, asked.period, asked.paths, warnings, asked.subject)


def _compare_clocks(now: dt.datetime, other: dt.datetime | None) -> None:
    """Raises ChangeError where a wrong clock would make logs look older, or younger, than they are."""
    if other is not None and abs(now - other) > _CLOCKS_APART:
        raise ChangeError(
            f"the clock of this host says {now:%Y-%m-%d %H:%M} UTC and that of the machine that Ansible runs on "
            f"{other:%Y-%m-%d %H:%M} UTC; nothing was changed, since logs are destroyed by their age: set the clock"
        )


def _refuse_other_places(host: Host, patterns: Sequence[str], option: str = "log_retention_web_paths") -> None:
    """Raises ChangeError where a place for logs holds other things: all of them would be destroyed in time."""
    for pattern in patterns:
        if not pattern.startswith("/"):
            raise ChangeError(f"{option}: '{pattern}' is no absolute path; nothing was changed")
        for path in {os.path.normpath(pattern), *map(host.real, host.glob(pattern))}:
            if _NOT_LOGS.fullmatch(path):
                raise ChangeError(
                    f"{option}: '{pattern}' means {path}, which holds more than such logs, and all of it would be "
                    "destroyed in time; nothing was changed: name the places of logs alone"
                )


def _too_many(found: Found, written: int, period: str, subject: Subject = WEB_LOGS) -> str:
    """Why so many logs are not destroyed unasked, '' where they may be. written: logs that servers write now."""
    all_logs = found.looked_at + written
    if len(found.past) <= _MOST * all_logs:
        return ""
    return (
        f"{len(found.past)} of {all_logs} {subject.name} logs are past {period} and would be destroyed at once: look "
        "at them with --check --diff, and if that is right, run it once with -e log_retention_destroy_most=true"
    )


def _room(host: Host, logs: Sequence[LogFile], asked: Asked, days: int) -> Iterator[str]:
    """Where the disk is too small for a period of logs that come as fast as they do now."""
    rates: dict[int, float] = {}
    held: dict[int, int] = {}
    place: dict[int, str] = {}
    for family in logfamilies.find(host, logs, asked.paths, asked.subject).families:
        begins = [piece.begins.when for piece in family.pieces if piece.begins is not None]
        status = host.stat(os.path.dirname(family.log))
        if not family.configured or not begins or status is None:
            continue
        span = max((host.now - min(begins)).total_seconds() / 86400, 1.0)
        size = sum(piece.size for piece in family.pieces)
        rates[status.st_dev] = rates.get(status.st_dev, 0.0) + size / span
        held[status.st_dev] = held.get(status.st_dev, 0) + size
        place.setdefault(status.st_dev, os.path.dirname(family.log))
    for device, rate in rates.items():
        disk = os.statvfs(place[device])
        needed, free = rate * days - held[device], disk.f_bavail * disk.f_frsize
        if needed > free:
            yield (
                f"{asked.period} of {asked.subject.name} logs need about {needed / 1e9:.1f} GB more in "
                f"{place[device]} at today's rate "
                f"({rate / 1e6:.1f} MB a day), and {free / 1e9:.1f} GB are free: see to it before the disk is full"
            )


def _mail_logs(host: Host) -> tuple[list[LogFile], list[str]]:
    """The files of mail servers, and what this role changes nothing about."""
    found = mail_logs(host)
    elsewhere = [
        f"{machine}: how long another machine keeps mail logs is not changed here" for machine in found.machines
    ]
    elsewhere += [f"{problem}; its mail logs were left as they are" for problem in found.problems]
    for log in found.files:
        if log.kind == SHARED:
            elsewhere.append(
                f"{log.source}: {log.path} holds mail logs among others, and is left to its own rotation; write "
                "'mail.none' into that rule where it is kept for longer than they may be"
            )
    return list(found.files), elsewhere


def _web_logs(host: Host) -> tuple[list[LogFile], list[str]]:
    """The files of web servers, and what goes where this role changes nothing."""
    return log_files(host), list(_elsewhere(host))


# by subject: a function that gives its files, and what to tell of those that are left as they are
_LOGS = {"web": _web_logs, "mail": _mail_logs}


def _elsewhere(host: Host) -> Iterator[str]:
    """Web logs that go where this role changes nothing."""
    for server in web_servers(host):
        for vhost in server.vhosts:
            for log in vhost.logs:
                if log.kind in (SYSLOG, STREAM):
                    yield (
                        f"{log.directive.source}: {vhost.label} logs to {log.kind}; how long that is kept (journald, a "
                        "log host) is not changed here"
                    )


# -- keeping ----------------------------------------------------------------------------------------------------------


def rotate(
    host: Host, transaction: Transaction, logs: Sequence[LogFile], days: int, subject: Subject = WEB_LOGS
) -> Iterator[str]:
    """Rotation that keeps every log for so many days. Yields what an administrator must do."""
    rotated = [log for log in logs if log.kind != STATISTICS]
    if not rotated:
        return
    if not host.has("logrotate"):
        yield f"logrotate is not installed: nothing rotates the {subject.name} logs, and nothing was changed in it"
        return
    found = configuration(host, LOGROTATE)
    own = OWN_STANZAS.format(subject.name)
    taken = _take_out(host, transaction, found, rotated)
    yield from _edit_stanzas(host, transaction, found, days, _paths(host, rotated) - taken, subject)
    yield from _cover(host, transaction, found, rotated, days, own, taken)
    judge = Validation(("logrotate", "-d", LOGROTATE), unless_before=True)
    transaction.validations += [] if judge in transaction.validations else [judge]
    if host.stat("/usr/lib/systemd/system/logrotate.timer") or host.stat("/lib/systemd/system/logrotate.timer"):
        transaction.unit("logrotate.timer", UnitState("enabled", True))
    else:
        yield "there is no logrotate.timer; make sure that something runs logrotate every day"


def _paths(host: Host, logs: Sequence[LogFile]) -> set[str]:
    return {path for log in logs for path in (host.glob(log.path) or [log.path])}


def _take_out(host: Host, transaction: Transaction, found: Configuration, logs: Sequence[LogFile]) -> set[str]:
    """Take logs that rsyslog writes out of stanzas that rotate other logs, too. The logs that were taken out."""
    wanted = {log.path for log in logs if log.server == "rsyslog"}
    taken: set[str] = set()
    for stanza in sorted(found.stanzas, key=lambda stanza: (stanza.path, -stanza.line)):
        mine = wanted.intersection(stanza.patterns)
        if not mine or not set(stanza.files) - wanted:
            continue
        path = host.real(stanza.path)
        text = transaction.look(path).data.decode("utf-8", "surrogateescape")
        transaction.write(path, without(text, stanza, mine))
        taken |= mine
    return taken


def _edit_stanzas(
    host: Host, transaction: Transaction, found: Configuration, days: int, logs: set[str], subject: Subject
) -> Iterator[str]:
    """Edit the stanzas that handle these logs; the last of a file first, so that line numbers stay true."""
    to_be = [found.stanza_to_be(log) for log in logs if host.stat(log) is None]
    for stanza in sorted(found.stanzas, key=lambda stanza: (stanza.path, -stanza.line)):
        if not logs.intersection(stanza.files) and not any(one is stanza for one in to_be):
            continue
        others = [file for file in stanza.files if file not in logs and not _servers_own(file, subject)]
        if others:
            yield (
                f"{stanza.source()} rotates {subject.name} logs together with {others[0]} and was left as it is: give "
                f"{subject.name} logs a stanza of their own"
            )
            continue
        path = host.real(stanza.path)
        text = transaction.look(path).data.decode("utf-8", "surrogateescape")
        transaction.write(path, edit(text, stanza, days))
        for log in stanza.files:
            hindered = hindrance(host, stanza, log)
            if hindered:
                yield f"{stanza.source()} will not rotate: {hindered}"


def _servers_own(path: str, subject: Subject) -> bool:
    return any(path.startswith(directory + "/") for directory in _SERVERS_OWN.get(subject.name, ()))


def _cover(
    host: Host,
    transaction: Transaction,
    found: Configuration,
    logs: Sequence[LogFile],
    days: int,
    own: str,
    taken: set[str],
) -> Iterator[str]:
    """Stanzas of our own for logs that no other stanza handles."""
    bare: dict[str, set[str]] = {}
    for log in logs:
        others = [stanza for stanza in found.stanzas if stanza.path != own]
        if log.path in taken:
            bare.setdefault(log.server, set()).add(log.path)
            continue
        if any(path in stanza.files for path in _paths(host, [log]) for stanza in others):
            continue
        to_be = found.stanza_to_be(log.path) if host.stat(log.path) is None else None
        if to_be is not None and to_be.path != own:
            continue
        problem = found.why_not(log.path)
        if problem is not None:  # a stanza of our own would be refused beside it
            yield f"{problem.source}: {problem.text}; nothing rotates {log.path}: mend it, and run this again"
            continue
        if "*" in log.path or log.path != host.real(log.path):
            yield f"{log.path} (from {log.source}) is not rotated; give it a stanza of logrotate"
        else:
            bare.setdefault(log.server, set()).add(log.path)
    if bare:
        stanzas = [new_stanza(sorted(paths), days, _REOPEN[server]) for server, paths in sorted(bare.items())]
        transaction.write(own, _HEADER + "\n".join(stanzas), 0o644)


# -- destroying -------------------------------------------------------------------------------------------------------


def rules(
    host: Host,
    logs: Sequence[LogFile],
    period: str,
    paths: Sequence[str],
    warnings: list[str],
    subject: Subject = WEB_LOGS,
) -> Rules:
    """What the destroyer is told about this host: where logs of a subject lie, and those that are written now."""
    directories = {os.path.dirname(log.path) for log in logs} | set(_SERVERS_OWN.get(subject.name, ()))
    alone = {path for path in directories if host.stat(path) and what_is_taken(path, subject) == "all"}
    found = logfamilies.find(host, logs, paths, subject)
    warnings += [f"{unseen}; {CONFIG} may lack logs that nobody writes any more" for unseen in found.unseen]
    certain = {log.path for log in logs if not glob.has_magic(log.path)}
    # what a pattern or a look at the content says is a log, each file must say again before it goes
    likely = {log.path for log in logs} | {fam.log for fam in found.families if any(map(_dated, fam.pieces))}
    by_name, by_content = (
        set().union(*(_archives(base) for base in bases if not any(base.startswith(f"{path}/") for path in alone)))
        for bases in (certain, likely - certain)
    )
    recognised = alone | by_name
    return Rules(
        period,
        sorted({*recognised, *by_content, *paths}),
        sorted(recognised - set(paths)),
        sorted(by_content - recognised - set(paths)),
        sorted(certain),
        subject.name,
    )


def _dated(piece: Piece) -> bool:
    return piece.begins is not None and piece.begins.evidence == logfile.STAMP


def _archives(log: str) -> set[str]:
    """Patterns for a log and what rotation makes of it, dates before its ending included."""
    stem, ending = os.path.splitext(log)
    year = "[-._][12][0-9][0-9][0-9]*"
    return {
        log,
        f"{log}.[0-9]*",
        f"{log}.gz",
        f"{log}.xz",
        f"{log}.bz2",
        f"{log}.zst",
        f"{log}{year}",
        f"{stem}{year}{ending}*",
    }


def install_destroyer(transaction: Transaction, rules: Mapping[str, Rules]) -> None:
    """The command that destroys, what it imports, its rules and its timer."""
    package = f"{LIBRARY}/privacy_hosting"
    for directory in (LIBRARY, package, f"{package}/_services", os.path.dirname(CONFIG)):
        transaction.directory(directory)
    transaction.write(f"{package}/__init__.py", "", 0o644)
    transaction.write(f"{package}/_services/__init__.py", "", 0o644)
    transaction.write(f"{package}/_services/logfile.py", _source(logfile), 0o644, brief=True)
    transaction.write(f"{package}/_option.py", _source(_option), 0o644, brief=True)
    transaction.write(f"{package}/_log_destroyer.py", _source(_log_destroyer), 0o644, brief=True)
    transaction.write(COMMAND, _COMMAND_TEXT, 0o755)
    transaction.write(CONFIG, _log_destroyer.as_text(rules), 0o644)
    transaction.write(f"/etc/systemd/system/{UNIT}.service", _service(*rules.values()), 0o644)
    transaction.write(f"/etc/systemd/system/{UNIT}.timer", _TIMER, 0o644)
    transaction.validations.append(Validation((COMMAND, "--check-rules")))
    transaction.unit(f"{UNIT}.timer", UnitState("enabled", True))


def _source(module: ModuleType) -> str:
    """The very text that runs here: audit, dry run and destroyer agree about what is past its time."""
    return inspect.getsource(module)


def destroy_now(transaction: Transaction, found: Sequence[Found], now: dt.datetime) -> dict[str, Any]:
    """Let the service run once, in its own confines, if it is new or has anything to do. In check mode, tell what."""
    past = {item.path: str(item) for one in found for item in one.past}
    warnings = []
    if (past or transaction.changed or doubt(now)) and not transaction.check:
        believe(now)
        if transaction.call(("systemctl", "start", f"{UNIT}.service")).rc != 0:
            warnings = [f"{UNIT}.service could not do all of its work; 'journalctl -u {UNIT}' tells what and why"]
        past = {path: text for path, text in past.items() if not os.path.lexists(path)}
    header = "logs past their time"
    diff = {"before": "".join(f"{shown(text)}\n" for text in past.values()), "after": "", "before_header": header}
    return {
        "destroyed": sorted(map(shown, past)),
        "changed": bool(past),
        "diff": [{**diff, "after_header": f"{header}, destroyed"}] if past else [],
        "warnings": warnings,
    }


_COMMAND_TEXT = f"""#!/usr/bin/python3 -IB
{_HEADER}import sys

sys.path.insert(0, "{LIBRARY}")
from privacy_hosting._log_destroyer import main

sys.exit(main())
"""

_TIMER = f"""{_HEADER}[Unit]
Description=Destroy logs that are past their promised period, daily

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
"""


def _service(*rules: Rules) -> str:
    """The service: it can write where logs are, and nowhere else, and has no network."""
    writable = [_fixed_part(path) for rule in rules for path in rule.paths]
    paths = "".join(f"ReadWritePaths={_quoted(path)}\n" for path in sorted(set(writable)))
    return f"""{_HEADER}[Unit]
Description=Destroy logs that are past their promised period
Documentation=file:{CONFIG}

[Service]
Type=oneshot
ExecStart={COMMAND}
Nice=10
IOSchedulingClass=idle
TimeoutStartSec=4h
StateDirectory=privacy-hosting/log-retention
StateDirectoryMode=0700
UMask=0077
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_SYS_PTRACE
NoNewPrivileges=yes
ProtectSystem=strict
{paths}PrivateDevices=yes
PrivateNetwork=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=none
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""


def _fixed_part(pattern: str) -> str:
    """The directory above the first wildcard of a pattern, or the pattern itself if it is a directory."""
    if not any(char in pattern for char in "*?["):
        return pattern if os.path.isdir(pattern) else os.path.dirname(pattern)
    return os.path.dirname(pattern[: min(pattern.index(char) for char in "*?[" if char in pattern)])


def _quoted(path: str) -> str:
    """A path in a unit file: '-' lets it be absent, '%' stands for itself."""
    if "\n" in path:
        raise ChangeError(f"the path {path!r} cannot stand in a unit file")
    return shlex.quote("-" + path.replace("%", "%%")) if " " in path else "-" + path.replace("%", "%%")
