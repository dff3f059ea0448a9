# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: how long the journal keeps lines, and whether it then destroys them.

PRIVATE to the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from .._finding import CONFIGURED, OBSERVED, Layer
from .._services import jobs, journald, retention
from .log_retention_case import JITTER_DAYS, QUIET, Case

HEADER = "journalctl --header"
_FILE_DAYS = 31.0  # of MaxFileSec, where nothing sets it
_ARCHIVED = "/var/log/journal/0123456789abcdef0123456789abcdef/system@0123456789abcdef-0000000000000001.journal"


def file_days(case: Case) -> float:
    """The most days that one file of the journal spans; infinite where 0 switches that limit off."""
    told = journald.settings(case.host).get("MaxFileSec", ("", ""))[0]
    days = math.inf if told == "infinity" else jobs.span_days(told)
    return _FILE_DAYS if days is None else days or math.inf


def where(case: Case, key: str) -> str:
    """Where a setting stands."""
    return journald.settings(case.host).get(key, ("", "journald.conf"))[1]


def by_time(case: Case) -> Layer:
    """Whether the limit of time leaves lines long enough."""
    limit, span, source = journald.days(case.host, "MaxRetentionSec"), file_days(case), where(case, "MaxRetentionSec")
    if not limit:
        return Layer(CONFIGURED, True, "no limit of time", source)
    if limit - span + JITTER_DAYS < case.kept_days:
        # a file goes once its first line is too old, and the last one with it
        days = f"files of {span:.0f} days keeps a line {limit - span:.0f} days"
        days = days if math.isfinite(span) else "files of any age keeps a line for an unknown time"
        said = f"MaxRetentionSec {limit:.0f} days with {days}"
        told = math.isfinite(span) or limit + JITTER_DAYS < case.kept_days
        return Layer(CONFIGURED, False if told else None, said, source)
    return Layer(CONFIGURED, True, f"MaxRetentionSec {limit:.0f} days, MaxFileSec {span:.0f} days", source)


def keeping(case: Case, source: str) -> list[Layer]:
    """What tells whether the journal keeps lines long enough. source: of what writes into it."""
    oldest = journald.oldest(case.host)
    said = f"oldest entry {oldest:%Y-%m-%d}" if oldest else "no entry"
    if not journald.is_persistent(case.host):
        return [Layer(CONFIGURED, False, "the journal is lost at every start of the host", source)]
    limit = by_time(case)
    if limit.good is not True:
        return [limit]
    if oldest is not None and oldest <= case.cutoff + QUIET:
        return [Layer(OBSERVED, True, f"{said}, as old as the period", HEADER), *thrown_away(case)]
    said += "; the journal's limit of size may throw entries away sooner"
    return [Layer(OBSERVED, None, said, source), *thrown_away(case)]


def destroying(case: Case) -> list[Layer]:
    """What tells whether the journal destroys lines in time."""
    oldest, limit = journald.oldest(case.host), journald.days(case.host, "MaxRetentionSec")
    if oldest is not None and oldest < case.gone:
        return [Layer(OBSERVED, False, f"oldest entry {oldest:%Y-%m-%d}", HEADER)]
    span, source = file_days(case), where(case, "MaxRetentionSec")
    files = f"MaxFileSec {span:.0f} days" if math.isfinite(span) else "MaxFileSec switched off"
    how = f"MaxRetentionSec {limit:.0f} days, {files}" if limit else "no MaxRetentionSec is set"
    if not limit or limit + span > case.gone_days:
        return [Layer(CONFIGURED, False, f"nothing destroys entries in time: {how}", source)]
    return [Layer(CONFIGURED, True, how, source)]


def thrown_away(case: Case) -> Iterator[Layer]:
    """What destroys lines of the journal beside journald itself, and too early."""
    for cleaner in retention.all_cleaners(case.host):
        if cleaner.days + JITTER_DAYS < case.kept_days and cleaner.reaches(_ARCHIVED) and cleaner.job.runs is not False:
            said = f"{cleaner} destroys files of the journal after {cleaner.days:.0f} days"
            yield Layer(CONFIGURED, False if cleaner.clear and cleaner.job.runs else None, said, cleaner.source)
    for job in jobs.jobs(case.host):
        for text, source in jobs.scripts_of(case.host, job) if job.runs is not False else ():
            for word, value in re.findall(r"\bjournalctl\b[^\n;|&]*?--vacuum-(time|size|files)[= ](\S+)", text):
                days = jobs.span_days(value.strip("'\"")) if word == "time" else None
                if days is None or days + JITTER_DAYS < case.kept_days:
                    said = f"journalctl --vacuum-{word}={value} throws older lines away"
                    yield Layer(CONFIGURED, None if days is None or not job.runs else False, said, source or job.source)
