# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of a web server's logs must change for what was promised.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .._services.virtualhost import FILE, OFF, QUERY, AccessLog, Place, VirtualHost, WebServer
from .edits import is_named

FORMAT = "privacy_hosting"
HEADER = "# Made by privacy.hosting, role web_log; ansible-playbook privacy.hosting.undo removes it.\n"


@dataclass(frozen=True)
class Wanted:
    """What is to be logged, and where.

    fields: what every request's line holds; query: whether query strings may be logged; only: names of the sites that
    are meant, None for all; sites: names of the virtual hosts whose files may be edited, or 'all'; proxies: networks.
    """

    fields: frozenset[str]
    query: bool = False
    only: Sequence[str] | None = None
    sites: Sequence[str] = ()
    proxies: Sequence[str] = ()

    def means(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host is in scope."""
        return self.only is None or is_named(vhost, self.only)

    def may_edit(self, vhost: VirtualHost) -> bool:
        """Whether a virtual host's own files may be edited."""
        return "all" in self.sites or is_named(vhost, self.sites)

    def lacks(self, log: AccessLog, alone: bool) -> str:
        """What is wrong with a log, '' if nothing. alone: only one virtual host with one name writes to it."""
        if log.kind == OFF:
            return "logs nothing"
        if log.always is not True:
            return f"does not log every request ({log.condition})"
        missing = self.fields - log.fields - ({"domain"} if alone else set())
        if missing:
            return f"lacks {', '.join(sorted(missing))}"
        return self.has_too_much(log)

    def has_too_much(self, log: AccessLog) -> str:
        """Whether a log holds what it may not, '' if it does not."""
        return "holds query strings" if not self.query and QUERY in log.fields | log.unclear else ""


@dataclass
class Fault:
    """A log that must change. vhosts: those that it takes effect in."""

    log: AccessLog
    why: str
    vhosts: list[VirtualHost] = field(default_factory=list)


def faults(server: WebServer, wanted: Wanted) -> list[Fault]:
    """The logs of a server that must change, each once."""
    users: dict[str, set[str]] = {}
    for vhost in server.vhosts:
        for log in vhost.logs:
            names = vhost.names or (vhost.label,)
            users.setdefault(log.path, set()).update(names)
    found: dict[tuple[str, int], Fault] = {}
    for vhost in filter(wanted.means, server.vhosts):
        for place in (place for place in vhost.places if place.visited):
            for log, why in _wrong(place, wanted, users):
                at = (log.directive.file, log.directive.start)
                fault = found.setdefault(at, Fault(log, why))
                fault.vhosts += [vhost] if vhost not in fault.vhosts else []
    return list(found.values())


def _wrong(place: Place, wanted: Wanted, users: dict[str, set[str]]) -> Iterator[tuple[AccessLog, str]]:
    """The logs that must change so that one log holds everything, and none holds too much."""
    verdicts = [(log, wanted.lacks(log, len(users.get(log.path, ())) == 1)) for log in place.logs]
    if verdicts and all(why for _log, why in verdicts):
        # a file that is written already; a place that logs nothing at all where there is none
        verdicts.sort(key=lambda verdict: (verdict[0].kind == OFF, verdict[0].kind != FILE))
        yield verdicts[0]
        verdicts = verdicts[1:]
    for log, _why in verdicts:
        too_much = log.kind != OFF and wanted.has_too_much(log)
        if too_much:
            yield log, too_much


def left_alone(fault: Fault, wanted: Wanted) -> str:
    """Why a virtual host's log is not edited, '' where it may be."""
    strangers = [vhost.label for vhost in fault.vhosts if not wanted.may_edit(vhost)]
    if not strangers:
        return ""
    return (
        f"{fault.log.directive.source}: the log of {', '.join(strangers)} {fault.why}; it was left as it is, name the "
        "virtual host in web_log_sites to have it edited"
    )
