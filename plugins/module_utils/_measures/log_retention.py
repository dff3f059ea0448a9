# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: logs are kept for the whole period that was promised, and then destroyed by something automatic.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        "web",
        "period",
        "How long the lines of web servers' logs (access, error, statistics) are kept; then they are destroyed.",
        example="2 years",
    ),
    Option(
        "mail",
        "period",
        "How long the lines of mail servers' and webmails' logs are kept, in files and in the journal; then they are "
        "destroyed. The journal has one period for all that is in it.",
        example="6 months",
    ),
    Option(
        "panel",
        "period",
        "How long the lines of control panels' logs are kept; then they are destroyed. Not judged yet: it is unproven.",
        example="1 year",
    ),
    Option(
        "late",
        "period",
        "How long after the period the last line may still be there. A log is destroyed as a whole, so its oldest line "
        "stays for one rotation more (a day), and for one run of what destroys (a day), and that may come late.",
        default="3 days",
        judged=False,
        stricter="shorter",
    ),
    Option(
        "web_paths",
        "list",
        "More places with web logs, or copies of them, as patterns: archives, statistics output. A directory stands "
        "for all that is below it.",
        default=[],
        judged=False,
        promisable=False,
        example="[/srv/archive/logs, /var/lib/goaccess/*.html]",
    ),
    Option(
        "mail_paths",
        "list",
        "The same for mail logs. All files there are taken for mail logs.",
        default=[],
        judged=False,
        promisable=False,
        example="[/srv/archive/mail]",
    ),
    Option(
        "destroy_most",
        "bool",
        "Whether more than half of a host's web or mail logs may be destroyed by one run of harden. Otherwise it stops "
        "before it changes anything where so many are past their time: a period written wrongly would do that.",
        default=False,
        judged=False,
        promisable=False,
    ),
    Option(
        "web_since",
        "date",
        "Since when the host keeps its web logs, where that is later than the host itself shows: nothing older is "
        "expected to be there. The report names it.",
        judged=False,
        promisable=False,
        example="2026-01-31",
    ),
    Option(
        "web_since_sites",
        "list",
        "The same for single sites or log files that are younger than the others: 'name date'.",
        default=[],
        judged=False,
        promisable=False,
        example="[shop.example.nl 2026-05-03]",
    ),
    Option(
        "mail_since",
        "date",
        "Since when the host keeps its mail logs, where that is later than the host itself shows. The report names it.",
        judged=False,
        promisable=False,
        example="2026-01-31",
    ),
    Option(
        "harmless_jobs",
        "list",
        "Timers, scripts and files of cron of which you know that they destroy no logs, as the report names them. "
        "Without it a job whose commands are not understood leaves the promise unproven until the logs are old enough "
        "to show it. The report says that you vouched.",
        default=[],
        judged=False,
        promisable=False,
        example="[/etc/cron.d/backup, panel-tasks.timer]",
    ),
)

MEASURE = Measure(
    name="log_retention",
    title={"nl": "Bewaartermijn van logbestanden", "en": "How long logs are kept"},
    why={
        "nl": "Een log met adressen van bezoekers zegt wie wat bekeek. Wie belooft hem een tijd te bewaren, kan "
        "daarmee een datalek uitzoeken; wie belooft hem daarna te vernietigen, mag hem niet laten liggen.",
        "en": "A log with visitors' addresses tells who looked at what. Promised to be kept for a time, it is there to "
        "investigate a data breach; promised to be destroyed after that, it must not be left lying about.",
    },
    options=OPTIONS,
)
