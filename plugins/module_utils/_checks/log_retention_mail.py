# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: where the lines of mail servers lie, and whether the journal keeps those that lie nowhere else.

Several places may hold the same lines. One of them has to keep them; all have to destroy them.

PRIVATE to the collection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from .._finding import CONFIGURED, NOT_APPLICABLE, OBSERVED, Finding, Layer
from .._services import journald, listeners, origin
from .._services.mail_logs import mail_logs
from .._services.virtualhost import MAIL, MAIL_PART, LogFile
from .log_retention_case import HARDEN, NAME, QUIET, Case, some
from .log_retention_journal import HEADER, by_time, destroying, file_days, thrown_away, where
from .log_retention_kept import since_day

_OF_MAIL = "SYSLOG_FACILITY=2"
_MAIL_PORTS = frozenset([25, 110, 143, 465, 587, 993, 995, 4190])


def logs_of(case: Case) -> list[LogFile]:
    """The files that lines of mail servers are written to; what syslog writes is a copy where the journal keeps all."""
    files = mail_logs(case.host).files
    if not any(map(_is_of_syslog, files)) or not _journal_keeps(case):
        return list(files)
    return [replace(file, kind=MAIL_PART) if _is_of_syslog(file) else file for file in files]


def _is_of_syslog(file: LogFile) -> bool:
    return file.server == "rsyslog" and file.kind == MAIL


def _journal_keeps(case: Case) -> bool:
    key = ("journal keeps", str(case.period), str(case.question.settings.get("mail_since")))
    kept = bool(mail_logs(case.host).journal) and all(layer.good for layer in _keeping(case))
    return case.host.once(key, lambda: kept)


# -- what there is to judge -------------------------------------------------------------------------------------------


def check_subjects(case: Case) -> Iterator[Finding]:
    """That it is known where mail servers write to, and that they do it as their files say."""
    host, found = case.host, mail_logs(case.host)
    for problem in found.problems:
        yield case.error("subjects", case.subject, problem, "", f"attest it, or name the place in {NAME}_mail_paths")
    for machine in found.machines:
        yield case.error(
            "subjects", f"logs sent to {machine}", "another machine keeps them, and must prove it", "",
            "audit that machine with this promise, or attest it",
        )  # fmt: skip
    unseen = case.found().unseen
    if unseen:
        yield case.error("subjects", case.subject, f"not every log was read: {some(unseen, '; ')}")
    for name, layer in [*((program.name, program.running) for program in found.programs), ("rsyslog", found.rsyslog)]:
        if not layer.good:
            what = f"it may write elsewhere than its files say: {layer.seen}"
            yield case.error("subjects", name, what, layer.source, f"reload {name}")
    strangers = [one for one in listeners.unknown_listeners(host) if _is_of_mail(one.where)]
    for stranger in strangers:
        yield case.error("subjects", stranger.program, f"{stranger}: where it writes its log is not known")
    if not found.programs and not found.problems and not strangers and not case.families():
        yield Finding(
            NAME, "subjects", case.option, case.subject, NOT_APPLICABLE, "", case.kept,
            "no mail server or webmail is installed, no stranger listens on their ports, and no mail log is there", "",
        )  # fmt: skip


def _is_of_mail(ports: str) -> bool:
    """Whether a program listens where mail servers do, or where that is not known."""
    numbers = [int(part.lstrip(":")) for part in ports.split(", ") if part.lstrip(":").isdecimal()]
    return not numbers or not _MAIL_PORTS.isdisjoint(numbers)


# -- the journal ------------------------------------------------------------------------------------------------------


def check_journal(case: Case) -> Iterator[Finding]:
    """The journal, where lines go there: it keeps them, unless a file does, and destroys them."""
    found = mail_logs(case.host)
    if not found.journal and not journald.holds(case.host, _OF_MAIL):
        return
    if found.journal and (_journal_keeps(case) or not any(map(_is_of_syslog, found.files))):
        remedy = f"{HARDEN}, which sets limits for it; one period then holds for all that is in the journal"
        yield case.finding("journal", "the journal: kept", case.kept, [], remedy, needed=_keeping(case))
    days = math.ceil(case.period.max_days) + 1
    limits = f"set MaxRetentionSec={days}day and MaxFileSec=1day in journald.conf, or {HARDEN}"
    running = journald.running(case.host)
    needed = [*destroying(case), *([] if running.good else [running])]
    yield case.finding("journal", "the journal: destroyed", case.destroyed, [], limits, needed=needed)


def _keeping(case: Case) -> list[Layer]:
    """What tells whether the journal keeps all lines: its limits of time, of size and of files, and what it has."""
    if not journald.is_persistent(case.host):
        return [Layer(CONFIGURED, False, "the journal is lost at every start of the host", where(case, "Storage"))]
    limits = [by_time(case), _by_files(case), _by_size(case)]
    return [*limits, *thrown_away(case), _so_far(case), journald.running(case.host)]


def _by_files(case: Case) -> Layer:
    most, source = journald.room(case.host).most_files, where(case, "SystemMaxFiles")
    keeps = most * file_days(case)
    if keeps < case.kept_days:
        said = f"SystemMaxFiles {most:.0f} with files of {file_days(case):.0f} days keeps a line {keeps:.0f} days"
        return Layer(CONFIGURED, False, said, source)
    return Layer(CONFIGURED, True, "SystemMaxFiles is no limit", source)


def _by_size(case: Case) -> Layer:
    oldest, room = journald.oldest(case.host), journald.room(case.host)
    source = where(case, "SystemMaxUse")
    days = max((case.host.now - oldest).total_seconds() / 86400, 1.0) if oldest else 1.0
    room_days = min(room.most / (room.used / days), room.most_files / (room.files / days)) if room.used else math.inf
    said = f"at today's rate its limits of size and files hold {min(room_days, 99999):.0f} days"
    if room_days < case.kept_days:
        return Layer(CONFIGURED, None, f"{said}, and may throw entries away sooner than promised", source)
    return Layer(CONFIGURED, True, said, source)


def _so_far(case: Case) -> Layer:
    """Whether any line is missing by now."""
    oldest = journald.oldest(case.host)
    if oldest is None:
        return Layer(OBSERVED, None, "no entry", HEADER)
    said = f"oldest entry {oldest:%Y-%m-%d}"
    if oldest <= case.cutoff + QUIET:
        return Layer(OBSERVED, True, f"{said}, as old as the period", HEADER)
    origins = [one for one in (origin.of_host(case.host), _since(case)) if one]
    latest = max(origins, key=lambda one: one.when, default=None)
    if latest is not None and oldest <= latest.when + QUIET:
        return Layer(OBSERVED, True, f"{said}; nothing older is missing: {latest.evidence}", HEADER)
    told = f"{NAME}_mail_since: '{oldest:%Y-%m-%d}'"
    return Layer(
        OBSERVED,
        None,
        f"{said}: whether older lines were thrown away cannot be told; if none were, set {told} for the host",
        HEADER,
    )


def _since(case: Case) -> origin.Origin | None:
    since = case.question.settings.get("mail_since")
    return origin.Origin(since_day(case, since), f"{NAME}_mail_since") if since else None
