# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role log_retention changes: rotation that keeps web logs, and a timer that destroys them in time.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob
import inspect
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .. import _log_destroyer, _option
from .._change import ChangeError, Planned, Transaction, UnitState, Validation
from .._host import Host
from .._log_destroyer import CONFIG, Found, Rules, believe, doubt, find, shown
from .._option import Period
from .._services import logfamilies, logfile
from .._services.logfamilies import Piece, what_is_taken
from .._services.logrotate import Configuration, configuration, hindrance
from .._services.panels import panel
from .._services.virtualhost import STATISTICS, STREAM, SYSLOG, LogFile
from .._services.web import log_files, web_servers
from .logrotate_edit import edit, new_stanza

LOGROTATE = "/etc/logrotate.conf"
OWN_STANZAS = "/etc/logrotate.d/privacy-hosting-web"
LIBRARY = "/usr/local/lib/privacy-hosting"
COMMAND = "/usr/local/sbin/privacy-hosting-log-retention"
UNIT = "privacy-hosting-log-retention"

# directories that belong to a web server alone
_SERVERS_OWN = ("/var/log/nginx", "/var/log/apache2", "/var/log/httpd")
_REOPEN = {
    "nginx": "invoke-rc.d nginx rotate >/dev/null 2>&1 || true",
    "apache": "invoke-rc.d apache2 reload >/dev/null 2>&1 || true",
}
# places that hold other things than web logs: no pattern for web logs may mean one of them, or what is below some
_NOT_LOGS = re.compile(
    r"/|/(home|media|mnt|opt|srv|root|tmp|var)|/var/(backups|cache|lib|local|log|mail|opt|spool|tmp|www)|/home/[^/]+"
    r"|/(bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr)(/.*)?"
)
_CLOCKS_APART = dt.timedelta(days=1)  # a server's clock and that of the machine that Ansible runs on
_MOST = 0.5  # the share of all web logs that one run of the role may destroy unasked
_HEADER = "# Made by privacy.hosting, role log_retention; ansible-playbook privacy.hosting.undo removes it.\n"


@dataclass(frozen=True)
class Asked:
    """What the role is asked for.

    paths: further places with web logs; most: more than half of a host's web logs may go at once; time: by the clock of
    the machine that Ansible runs on, None where nobody told it.
    """

    period: str
    paths: Sequence[str] = ()
    most: bool = False
    time: dt.datetime | None = None


def plan(host: Host, transaction: Transaction, asked: Asked) -> Planned:
    """Fill the transaction for the web logs of a host. Raises Unseen, ChangeError."""
    name = panel(host)
    if name:
        return Planned({"panel": name}, [f"{name} runs this host and writes its configuration: nothing was changed"])
    _compare_clocks(host.now, asked.time)
    _refuse_other_places(host, asked.paths)
    logs = log_files(host)
    days = Period.parse(asked.period).max_days
    warnings = list(rotate(host, transaction, logs, days))
    warnings += _elsewhere(host)
    warnings += _room(host, logs, asked, days)
    told = rules(host, logs, asked.period, asked.paths, warnings)
    if not told.paths:
        return Planned({}, warnings)
    found = find(told, host.now)
    too_many = "" if asked.most else _too_many(found, len(told.keep), asked.period)
    if too_many and not transaction.check:
        raise ChangeError(f"{too_many}; nothing was changed")
    warnings += [too_many] if too_many else []
    install_destroyer(transaction, told)
    return Planned({}, warnings, lambda: destroy_now(transaction, found, host.now))


def _compare_clocks(now: dt.datetime, other: dt.datetime | None) -> None:
    """Raises ChangeError where a wrong clock would make logs look older, or younger, than they are."""
    if other is not None and abs(now - other) > _CLOCKS_APART:
        raise ChangeError(
            f"the clock of this host says {now:%Y-%m-%d %H:%M} UTC and that of the machine that Ansible runs on "
            f"{other:%Y-%m-%d %H:%M} UTC; nothing was changed, since logs are destroyed by their age: set the clock"
        )


def _refuse_other_places(host: Host, patterns: Sequence[str]) -> None:
    """Raises ChangeError where a place for web logs holds other things: all of them would be destroyed in time."""
    for pattern in patterns:
        if not pattern.startswith("/"):
            raise ChangeError(f"log_retention_web_paths: '{pattern}' is no absolute path; nothing was changed")
        for path in {os.path.normpath(pattern), *map(host.real, host.glob(pattern))}:
            if _NOT_LOGS.fullmatch(path):
                raise ChangeError(
                    f"log_retention_web_paths: '{pattern}' means {path}, which holds more than web logs, and all of it "
                    "would be destroyed in time; nothing was changed: name the places of logs alone"
                )


def _too_many(found: Found, written: int, period: str) -> str:
    """Why so many logs are not destroyed unasked, '' where they may be. written: logs that servers write now."""
    all_logs = found.looked_at + written
    if len(found.past) <= _MOST * all_logs:
        return ""
    return (
        f"{len(found.past)} of {all_logs} web logs are past {period} and would be destroyed at once: look at "
        "them with --check --diff, and if that is right, run it once with -e log_retention_destroy_most=true"
    )


def _room(host: Host, logs: Sequence[LogFile], asked: Asked, days: int) -> Iterator[str]:
    """Where the disk is too small for a period of logs that come as fast as they do now."""
    rates: dict[int, float] = {}
    held: dict[int, int] = {}
    place: dict[int, str] = {}
    for family in logfamilies.find(host, logs, asked.paths).families:
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
                f"{asked.period} of web logs need about {needed / 1e9:.1f} GB more in {place[device]} at today's rate "
                f"({rate / 1e6:.1f} MB a day), and {free / 1e9:.1f} GB are free: see to it before the disk is full"
            )


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


def rotate(host: Host, transaction: Transaction, logs: Sequence[LogFile], days: int) -> Iterator[str]:
    """Rotation that keeps every log for so many days. Yields what an administrator must do."""
    rotated = [log for log in logs if log.kind != STATISTICS]
    if not rotated:
        return
    if not host.has("logrotate"):
        yield "logrotate is not installed: nothing rotates the web logs, and nothing was changed in it"
        return
    found = configuration(host, LOGROTATE)
    yield from _edit_stanzas(host, transaction, found, days, _paths(host, rotated))
    yield from _cover(host, transaction, found, rotated, days)
    transaction.validations.append(Validation(("logrotate", "-d", LOGROTATE), unless_before=True))
    if host.stat("/usr/lib/systemd/system/logrotate.timer") or host.stat("/lib/systemd/system/logrotate.timer"):
        transaction.unit("logrotate.timer", UnitState("enabled", True))
    else:
        yield "there is no logrotate.timer; make sure that something runs logrotate every day"


def _paths(host: Host, logs: Sequence[LogFile]) -> set[str]:
    return {path for log in logs for path in (host.glob(log.path) or [log.path])}


def _edit_stanzas(
    host: Host, transaction: Transaction, found: Configuration, days: int, logs: set[str]
) -> Iterator[str]:
    """Edit the stanzas that handle these logs; the last of a file first, so that line numbers stay true."""
    for stanza in sorted(found.stanzas, key=lambda stanza: (stanza.path, -stanza.line)):
        if not logs.intersection(stanza.files):
            continue
        others = [file for file in stanza.files if file not in logs and not _servers_own(file)]
        if others:
            yield (
                f"{stanza.source()} rotates web logs together with {others[0]} and was left as it is: give web logs a "
                "stanza of their own"
            )
            continue
        path = host.real(stanza.path)
        text = transaction.look(path).data.decode("utf-8", "surrogateescape")
        transaction.write(path, edit(text, stanza, days))
        for log in stanza.files:
            hindered = hindrance(host, stanza, log)
            if hindered:
                yield f"{stanza.source()} will not rotate: {hindered}"


def _servers_own(path: str) -> bool:
    return any(path.startswith(directory + "/") for directory in _SERVERS_OWN)


def _cover(
    host: Host, transaction: Transaction, found: Configuration, logs: Sequence[LogFile], days: int
) -> Iterator[str]:
    """Stanzas of our own for logs that no other stanza handles."""
    bare: dict[str, set[str]] = {}
    for log in logs:
        others = [stanza for stanza in found.stanzas if stanza.path != OWN_STANZAS]
        if any(path in stanza.files for path in _paths(host, [log]) for stanza in others):
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
        transaction.write(OWN_STANZAS, _HEADER + "\n".join(stanzas), 0o644)


# -- destroying -------------------------------------------------------------------------------------------------------


def rules(host: Host, logs: Sequence[LogFile], period: str, paths: Sequence[str], warnings: list[str]) -> Rules:
    """What the destroyer is told about this host: where web logs lie, and those that are written now."""
    directories = {os.path.dirname(log.path) for log in logs} | set(_SERVERS_OWN)
    of_web = {path for path in directories if host.stat(path) and what_is_taken(path) == "all"}
    found = logfamilies.find(host, logs, paths)
    warnings += [f"{unseen}; {CONFIG} may lack logs that nobody writes any more" for unseen in found.unseen]
    certain = {log.path for log in logs if not glob.has_magic(log.path)}
    # what a pattern or a look at the content says is a web log, each file must say again before it goes
    likely = {log.path for log in logs} | {fam.log for fam in found.families if any(map(_dated, fam.pieces))}
    by_name, by_content = (
        set().union(*(_archives(base) for base in bases if not any(base.startswith(f"{path}/") for path in of_web)))
        for bases in (certain, likely - certain)
    )
    recognised = of_web | by_name
    return Rules(
        period,
        sorted({*recognised, *by_content, *paths}),
        sorted(recognised - set(paths)),
        sorted(by_content - recognised - set(paths)),
        sorted(certain),
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


def install_destroyer(transaction: Transaction, rules: Rules) -> None:
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
    transaction.write(CONFIG, _log_destroyer.as_text({"web": rules}), 0o644)
    transaction.write(f"/etc/systemd/system/{UNIT}.service", _service(rules), 0o644)
    transaction.write(f"/etc/systemd/system/{UNIT}.timer", _TIMER, 0o644)
    transaction.validations.append(Validation((COMMAND, "--check-rules")))
    transaction.unit(f"{UNIT}.timer", UnitState("enabled", True))


def _source(module: ModuleType) -> str:
    """The very text that runs here: audit, dry run and destroyer agree about what is past its time."""
    return inspect.getsource(module)


def destroy_now(transaction: Transaction, found: Found, now: dt.datetime) -> dict[str, Any]:
    """Let the service run once, in its own confines, if it is new or has anything to do. In check mode, tell what."""
    past = {item.path: str(item) for item in found.past}
    warnings = []
    if (past or transaction.changed or doubt(now)) and not transaction.check:
        believe(now)
        if transaction.call(("systemctl", "start", f"{UNIT}.service")).rc != 0:
            warnings = [f"{UNIT}.service could not do all of its work; 'journalctl -u {UNIT}' tells what and why"]
        past = {path: text for path, text in past.items() if not os.path.lexists(path)}
    header = "web logs past their time"
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
Description=Destroy web logs that are past their promised period, daily

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
"""


def _service(rules: Rules) -> str:
    """The service: it can write where logs are, and nowhere else, and has no network."""
    writable = [_fixed_part(path) for path in rules.paths]
    paths = "".join(f"ReadWritePaths={_quoted(path)}\n" for path in sorted(set(writable)))
    return f"""{_HEADER}[Unit]
Description=Destroy web logs that are past their promised period
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
