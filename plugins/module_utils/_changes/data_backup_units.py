# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units and programs that the role data_backup puts on hosts, on those that are backed up and on their stores.

PRIVATE to the collection.
"""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from types import ModuleType

from .. import _option
from .._backup import commands, dumps, program, records, retention, servers, settings, throwaway
from .._change import ChangeError, Transaction, UnitState
from .._option import Period

LIBRARY = "/usr/local/lib/privacy-hosting"
PACKAGE = f"{LIBRARY}/privacy_hosting_backup"
COMMAND = "/usr/local/sbin/privacy-hosting-data-backup"
SYSTEM = "/etc/systemd/system"
UNIT = "privacy-hosting-data-backup"
RETENTION = "privacy-hosting-data-backup-retention"
HEADER = "# Made by privacy.hosting, role data_backup; ansible-playbook privacy.hosting.undo removes it.\n"

_MODULES = (settings, commands, records, servers, dumps, throwaway, program, retention)


_ROOTS = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID CAP_SYS_PTRACE"


@dataclass(frozen=True)
class Job:
    """A service with a timer. more: lines of its [Service]."""

    unit: str
    description: str
    command: str
    calendar: str
    delay: str
    more: str = ""


def install(transaction: Transaction, command: str, module: str) -> None:
    """The package, and the command that runs one of its modules."""
    for directory in (LIBRARY, PACKAGE, f"{PACKAGE}/_backup"):
        transaction.directory(directory)
    for name in ("__init__.py", "_backup/__init__.py"):
        transaction.write(f"{PACKAGE}/{name}", "", 0o644)
    transaction.write(f"{PACKAGE}/_option.py", _source(_option), 0o644, brief=True)
    for one in _MODULES:
        name = one.__name__.rpartition(".")[2]
        transaction.write(f"{PACKAGE}/_backup/{name}.py", _source(one), 0o644, brief=True)
    transaction.write(command, _COMMAND_TEXT.format(module=module), 0o755)


def _source(module: ModuleType) -> str:
    return inspect.getsource(module)


def add(transaction: Transaction, job: Job) -> None:
    """A job's units, its timer enabled."""
    transaction.write(f"{SYSTEM}/{job.unit}.service", _service(job), 0o644)
    transaction.write(f"{SYSTEM}/{job.unit}.timer", _timer(job), 0o644)
    transaction.unit(f"{job.unit}.timer", UnitState("enabled", True))


def jobs(interval: str, checked: str, restored: str) -> tuple[Job, ...]:
    """The jobs of a host that is backed up. Raises ChangeError for an interval that is too short."""
    return (
        Job(UNIT, "Back this host up", f"{COMMAND} backup", backup_calendar(interval), "30min", _BACKUP),
        Job(
            f"{UNIT}-check", "Check this host's backups", f"{COMMAND} check", calendar(checked, "04:00"), "1h", _BACKUP
        ),
        Job(
            f"{UNIT}-restore-test",
            "Try to restore this host's backups",
            f"{COMMAND} restore-test",
            calendar(restored, "05:15"),
            "1h",
            _RESTORE,
        ),
    )


def retention_job(directory: str) -> Job:
    """The job of a store that removes snapshots. directory: where its repositories lie."""
    return Job(
        RETENTION, "Remove backups that are past their time", RETENTION_COMMAND, "*-*-* 07:00:00", "1h",
        _STORE.format(directory=directory),
    )  # fmt: skip


def backup_calendar(interval: str) -> str:
    """When backups begin. Raises ChangeError."""
    period = Period.parse(interval)
    hours = period.hours + 24 * (period.days + 7 * period.weeks) + 24 * 28 * (period.months + 12 * period.years)
    if hours >= 24 * 7:
        return "Sun *-*-* 01:00:00"
    if hours >= 24:
        return "*-*-* 01:00:00"
    every = max(number for number in (1, 2, 3, 4, 6, 8, 12) if number <= hours)
    return f"*-*-* 00/{every}:00:00"


def calendar(period: str, hour: str) -> str:
    """When something runs that must never be longer ago than a period, though it takes its time and may fail once."""
    days = Period.parse(period).max_days
    for least, told in ((28, "Sun *-*-*"), (7, "Mon,Wed,Fri *-*-*"), (2, "*-*-*")):
        if days >= least:
            return f"{told} {hour}:00"
    return f"*-*-* 00/6:{hour[-2:]}:00"


_COMMAND_TEXT = f"""#!/usr/bin/python3 -IB
{HEADER}import sys

sys.path.insert(0, "{LIBRARY}")
from privacy_hosting_backup._backup.{{module}} import main

sys.exit(main())
"""


def _timer(job: Job) -> str:
    return f"""{HEADER}[Unit]
Description={job.description}, regularly

[Timer]
OnCalendar={job.calendar}
RandomizedDelaySec={job.delay}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _service(job: Job) -> str:
    return f"""{HEADER}[Unit]
Description={job.description}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={job.command}
TimeoutStartSec=20h
UMask=0077
{job.more}NoNewPrivileges=yes
ProtectSystem=strict
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service unshare
SystemCallErrorNumber=EPERM
"""


_STATES = """StateDirectory=privacy-hosting/data_backup privacy-hosting-restore
StateDirectoryMode=0711
CacheDirectory=privacy-hosting/data_backup
CacheDirectoryMode=0700
Nice=10
"""
_BACKUP = f"""{_STATES}IOSchedulingPriority=7
CapabilityBoundingSet={_ROOTS}
ProtectHome=read-only
RestrictNamespaces=yes
"""
_RESTORE = f"""{_STATES}IOSchedulingClass=idle
CPUWeight=20
MemoryMax=2G
TasksMax=200
CapabilityBoundingSet={_ROOTS} CAP_SETPCAP CAP_SYS_ADMIN
ProtectHome=read-only
PrivateTmp=yes
RestrictNamespaces=net
"""
_STORE = """StateDirectory=privacy-hosting/data_backup_store
StateDirectoryMode=0700
ReadWritePaths={directory}
Nice=10
IOSchedulingClass=idle
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETGID CAP_SETUID
ProtectHome=yes
PrivateTmp=yes
PrivateNetwork=yes
RestrictNamespaces=yes
"""
RETENTION_COMMAND = f"/usr/local/sbin/{RETENTION}"


def inventory_name(name: str) -> str:
    """A host's name, if it can be that of a directory. Raises ChangeError."""
    allowed = all(char.isascii() and (char.isalnum() or char in "._-") for char in name)
    if not name or not allowed or name.startswith((".", "-")) or os.path.basename(name) != name:
        raise ChangeError(f"the inventory calls this host '{name}', and that cannot be the name of a directory")
    return name
