# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: logs are kept for the whole period that was promised, and then destroyed by something automatic.

PRIVATE to the collection.
"""

from __future__ import annotations

import glob as globbing
import math
from collections.abc import Iterator

from .._finding import ERROR, NOT_APPLICABLE, OBSERVED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services import journald, listeners, logfamilies, web
from .._services.logfamilies import Family
from .._services.virtualhost import PIPE, STREAM, SYSLOG, AccessLog, ErrorLog, WebServer
from .log_retention_case import NAME, Case, case_of, some
from .log_retention_destroyed import check_destruction, check_remains, check_timer
from .log_retention_journal import destroying, keeping
from .log_retention_kept import check_deleters, check_history, check_rotation, writes

_DELETED = " (deleted)"  # behind the path of an open file that has no name any more

# -- what there is to judge ------------------------------------------------------------------------------------------


def _check_subjects(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That a period is set, that nobody unknown writes logs, and that the servers' configuration could be read."""
    case = case_of(host, question, option)
    if case is None:
        yield Finding(
            NAME, "subjects", option, f"{option} logs", ERROR, "", "a period", "no period is set", "",
            f"set measures.{NAME}.{option} in the register, with its reason",
        )  # fmt: skip
    elif option == "mail":
        from . import log_retention_mail

        yield from log_retention_mail.check_subjects(case)
    else:
        yield from _web_subjects(case)


def _web_subjects(case: Case) -> Iterator[Finding]:
    host, option = case.host, case.option
    for unknown in listeners.unknown_listeners(host):
        yield case.error(
            "subjects", str(unknown.program), f"{unknown}: whether it writes logs of visits is not known", "",
            f"if it writes web logs, name their place in {NAME}_web_paths and attest who destroys them",
        )  # fmt: skip
    unseen = case.found().unseen
    if unseen:
        yield case.error("subjects", "web logs", f"not every log was read: {some(unseen, '; ')}")
    servers = web.web_servers(host)
    for server in servers:
        for problem in server.problems:
            yield case.error("subjects", server.name, f"not every log is known: {problem}")
        for source in _piped_away(server):
            what = "a log goes to a program, and where that writes is not known"
            yield case.error("subjects", server.name, what, source)
        if server.pid and not server.running.good:
            yield case.error(
                "subjects", server.name, f"it may write other logs than its files say: {server.running.seen}",
                server.running.source, f"reload {server.name}",
            )  # fmt: skip
        for family in case.families():
            yield from _astray(case, server, family)
    if not servers and not case.families() and not listeners.unknown_listeners(host):
        yield Finding(
            NAME, "subjects", option, "web logs", NOT_APPLICABLE, "", case.kept,
            "no web server is installed, nothing unknown listens, and there is no web log", "",
        )  # fmt: skip


def _piped_away(server: WebServer) -> list[str]:
    """Where logs are configured that go to programs of which nobody knows what they write."""
    logs: list[AccessLog | ErrorLog] = []
    for vhost in server.vhosts:
        logs += [*vhost.logs]
        logs += [*vhost.error_logs]
    return sorted({log.directive.source for log in logs if log.kind == PIPE and not log.path and log.directive})


def _astray(case: Case, server: WebServer, family: Family) -> Iterator[Finding]:
    """A server that goes on writing to a log's archive, or to a file that is deleted: it was not told of rotation."""
    if not server.pid or not writes(server.name, family) or globbing.has_magic(family.log):
        return
    held = _open_files(case.host, server.pid)
    if not held or case.host.real(family.log) in held:
        return
    gone = {path for path in held if path.endswith(_DELETED)}
    gone = {path for path in gone if logfamilies.base_path(path[: -len(_DELETED)]) == family.log}
    archives = held & {piece.path for piece in family.archives}
    directory = f"/proc/{server.pid}/fd"
    if gone:
        said = f"{server.name} writes to {min(gone)}: its lines are lost"
        layer = Layer(OBSERVED, False, said, directory)
    elif archives:
        said = f"{server.name} still writes to {min(archives)}: its lines are lost when that is packed or destroyed"
        layer = Layer(OBSERVED, None, said, directory)
    else:
        return
    remedy = f"let logrotate tell {server.name} to open its logs anew (postrotate)"
    yield case.finding("subjects", family.log, case.kept, [], remedy, needed=[layer])


def _open_files(host: Host, pid: int) -> frozenset[str]:
    """The paths that a process has open; none where they cannot be seen."""

    def read() -> frozenset[str]:
        try:
            directory = f"/proc/{pid}/fd"
            return frozenset(host.real(f"{directory}/{name}") for name in host.names(directory))
        except (OSError, Unseen):
            return frozenset()

    return host.once(("open files", pid), read)


def _check_later(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Kinds of log that are not judged yet: never kept."""
    yield Finding(
        NAME, "later", option, f"{option} logs", ERROR, "", f"{option} logs kept for {question.asked.get(option)}",
        f"{option} logs are not judged yet", "", "until they are, attest it, or plan it in the register",
    )  # fmt: skip


# -- logs that go to syslog or the journal ---------------------------------------------------------------------------


def _check_journal(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Logs that are handed on: to the journal of this host, or to another machine."""
    case = case_of(host, question, option)
    if case is not None and option == "mail":
        from . import log_retention_mail

        yield from log_retention_mail.check_journal(case)
    elif case is not None:
        yield from _web_in_journal(host, case)


def _web_in_journal(host: Host, case: Case) -> Iterator[Finding]:
    vhosts = [vhost for server in web.web_servers(host) for vhost in server.vhosts]
    views = [log for vhost in vhosts for log in vhost.logs if log.kind in (SYSLOG, STREAM)]
    errors = [log for vhost in vhosts for log in vhost.error_logs if log.kind in (SYSLOG, STREAM)]
    handed: list[AccessLog | ErrorLog] = [*views, *errors]
    for place in sorted({log.path for log in handed if not _is_local(log)}):
        yield case.error(
            "journal", f"logs sent to {place}", "another machine keeps them, and must prove it", "",
            "audit that machine with this promise, or attest it",
        )  # fmt: skip
    local = [log for log in handed if _is_local(log)]
    if not local:
        return
    source = local[0].directive.source if local[0].directive else ""
    own_files = "let the web server write files of its own"
    if any(process.name in ("rsyslogd", "syslog-ng") for process in host.processes()):
        what = "the syslog daemon writes these lines to files that are not judged"
        yield case.error("journal", "syslog", what, source, own_files)
    running = journald.running(host)
    unloaded = [] if running.good else [running]
    if any(map(_is_local, views)):
        kept = [*keeping(case, source), *unloaded]
        yield case.finding("journal", "the journal: kept", case.kept, [], own_files, needed=kept)
    limits = f"set MaxRetentionSec={math.ceil(case.period.max_days)}d and MaxFileSec=1d in journald.conf"
    destroyed = [*destroying(case), *unloaded]
    yield case.finding("journal", "the journal: destroyed", case.destroyed, [], limits, needed=destroyed)


def _is_local(log: AccessLog | ErrorLog) -> bool:
    """Whether a log goes to the host's own journal, or its own syslog."""
    local = ("unix:/run/systemd", "server=unix:/run/systemd")
    return log.kind == STREAM or not log.path or "/dev/log" in log.path or log.path.startswith(local)


CHECKS = (
    Check("subjects", ("web", "mail"), _check_subjects),
    Check("rotation", ("web", "mail"), check_rotation),
    Check("deleters", ("web", "mail"), check_deleters),
    Check("history", ("web", "mail"), check_history),
    Check("remains", ("web", "mail"), check_remains),
    Check("destruction", ("web", "mail"), check_destruction),
    Check("timer", ("web", "mail"), check_timer),
    Check("journal", ("web", "mail"), _check_journal),
    Check("later", ("panel",), _check_later),
)
