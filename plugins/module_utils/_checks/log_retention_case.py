# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: one promise about logs of one kind on one host, and what its checks share.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._finding import ERROR, Finding, Layer, weigh
from .._host import Host
from .._measure import Question
from .._option import Period
from .._services import logfamilies, web
from .._services.logfamilies import Family
from .._services.virtualhost import LogFile, WebServer

if TYPE_CHECKING:
    from .._services.mail_logs import Program

NAME = "log_retention"
HARDEN = "run privacy.hosting.harden with --tags log_retention"
# the first visitor may come days after a log was set up; and so long a visitor may be away from a quiet site
QUIET = dt.timedelta(days=3)
# configured periods are compared in days; runs of timers shift by minutes to an hour
JITTER_DAYS = 0.05
NAMED = 3  # how many of many things one line of evidence names


@dataclass(frozen=True)
class Case:
    """One promise about logs on one host. option: of which: web or mail.

    cutoff: lines from before it may go, and must go soon; gone: lines from before it must be gone.
    kept_days: how long a line must be kept, counted from now; gone_days: how old one may become, at most.
    """

    host: Host
    question: Question
    option: str
    period: Period

    @property
    def cutoff(self) -> dt.datetime:
        return self.period.before(self.host.now)

    @property
    def kept_days(self) -> float:
        return (self.host.now - self.cutoff).total_seconds() / 86400

    @property
    def gone_days(self) -> float:
        # by the longest that the period can last, so that '731 days' serves for '2 years' in every year
        return self.period.max_days + Period.parse(self.question.settings.get("late") or "3 days").max_days

    @property
    def gone(self) -> dt.datetime:
        return self.host.now - dt.timedelta(days=self.gone_days)

    @property
    def kept(self) -> str:
        return f"every line is kept for {self.period}"

    @property
    def destroyed(self) -> str:
        return f"no line older than {self.period} and {self.question.settings.get('late') or '3 days'}"

    @property
    def logs(self) -> list[LogFile]:
        """The files that services are configured to write."""
        if self.option == "mail":
            from . import log_retention_mail

            return log_retention_mail.logs_of(self)
        return log_files_of(self.host)

    @property
    def servers(self) -> Sequence[WebServer | Program]:
        """The services that write them."""
        if self.option == "mail":
            from .._services import mail_logs

            return mail_logs.mail_logs(self.host).programs
        return web.web_servers(self.host)

    @property
    def subject(self) -> str:
        """What all of these logs are called."""
        return f"{self.option} logs"

    def found(self) -> logfamilies.Found:
        """The logs of the host."""
        more = tuple(self.question.settings.get(f"{self.option}_paths") or ())
        return logfamilies.find(self.host, self.logs, more, logfamilies.SUBJECTS[self.option])

    def families(self) -> list[Family]:
        return self.found().families

    def finding(
        self,
        check: str,
        subject: str,
        expected: str,
        layers: Sequence[Layer],
        remedy: str = "",
        needed: Sequence[Layer] = (),
    ) -> Finding:
        """The finding that layers add up to; it is an error where one of the needed ones was not seen."""
        status, proof, observed, source = weigh([*layers, *needed])
        unseen = [layer for layer in needed if layer.good is None]
        if status == "pass" and unseen:
            status, proof, source = ERROR, "", unseen[0].source
            observed = "; ".join(dict.fromkeys([layer.seen for layer in unseen] + [x.seen for x in layers if x.good]))
        return self._finding(
            check, subject, status, proof, expected, observed, source, "" if status == "pass" else remedy
        )

    def error(self, check: str, subject: str, observed: str, source: str = "", remedy: str = "") -> Finding:
        """A finding that says what could not be told."""
        return self._finding(check, subject, ERROR, "", f"logs kept for {self.period}", observed, source, remedy)

    def _finding(
        self, check: str, subject: str, status: str, proof: str, expected: str, observed: str, source: str, remedy: str
    ) -> Finding:
        # a path may hold bytes that are no text
        subject, observed, source, remedy = map(_as_text, (subject, observed, source, remedy))
        return Finding(NAME, check, self.option, subject, status, proof, expected, observed, source, remedy)


def _as_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def some(names: Sequence[str], between: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    return between.join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def case_of(host: Host, question: Question, option: str) -> Case | None:
    """What is asked; None where the register leaves the period open."""
    period = question.asked.get(option)
    return Case(host, question, option, Period.parse(period)) if period else None


def log_files_of(host: Host) -> list[LogFile]:
    """The files that web servers are configured to write. Raises Unseen."""
    return [*web.log_files(host), *(log for server in web.web_servers(host) for log in server.other_logs)]
