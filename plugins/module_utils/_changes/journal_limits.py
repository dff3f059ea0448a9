# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits of journald under which it keeps every line for a period, and then destroys it.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Iterator, Mapping

from .._change import ChangeError, Transaction
from .._host import Host
from .._option import Period
from .._services import journald
from .._services.mail_logs import mail_logs
from .._services.virtualhost import STREAM, SYSLOG
from .._services.web import web_servers

OWN = "/etc/systemd/journald.conf.d/99-privacy-hosting.conf"
_HEADER = "# Made by privacy.hosting, role log_retention; ansible-playbook privacy.hosting.undo removes it.\n"
_LATE_DAYS = 3  # a line may be there for so many days more
_FILES = 10_000  # a file a day, and some for each user; journald itself ends at 100
_SPARE = 2.0  # so many times what a period needs at today's rate
_LEAST = 1 << 30  # bytes
_MOST = 0.5  # the share of the journal's files that one run may destroy unasked


def limit_journal(host: Host, transaction: Transaction, period: str, most: bool, of_web: str) -> Iterator[str]:
    """Limits for the journal, where mail servers write to it and those in effect do not serve.

    most: more than half of it may go at once; of_web: the period of web logs, '' where none is promised. Yields what an
    administrator must know. Raises ChangeError, Unseen.
    """
    if not mail_logs(host).journal:
        return
    days = Period.parse(period).max_days
    _refuse_two_periods(host, period, of_web)
    if _serves(host, days):
        return
    _refuse_losses(host, transaction, days, period, most)
    wanted, warning = _wanted(host, days)
    yield from [warning] if warning else []
    transaction.directory(os.path.dirname(OWN))
    transaction.write(
        OWN, _HEADER + "[Journal]\n" + "".join(f"{key}={value}\n" for key, value in wanted.items()), 0o644
    )
    transaction.judges.append(lambda: _overruled(wanted))
    transaction.reloads.append("systemd-journald")


def _refuse_two_periods(host: Host, period: str, of_web: str) -> None:
    logs = [log for server in web_servers(host) for vhost in server.vhosts for log in vhost.logs]
    shared = next((log for log in logs if log.kind in (STREAM, SYSLOG)), None)
    if shared is not None and of_web and Period.parse(of_web) != Period.parse(period):
        raise ChangeError(
            f"{shared.directive.source}: web logs (kept for {of_web}) and mail logs ({period}) both go to the journal, "
            "which keeps all for one period; nothing was changed: let the web server write files of its own"
        )


def _serves(host: Host, days: int) -> bool:
    """Whether the limits in effect keep and destroy as promised already."""
    limit, span = journald.days(host, "MaxRetentionSec"), journald.days(host, "MaxFileSec")
    if not limit or not span or not journald.is_persistent(host):
        return False
    room = journald.room(host)
    needed, _files = _rate(host)
    in_time = days <= limit - span and limit + span <= days + _LATE_DAYS
    return in_time and room.most_files * span >= days and room.most >= needed * days


def _rate(host: Host) -> tuple[float, float]:
    """Bytes and files a day that the journal takes."""
    oldest, room = journald.oldest(host), journald.room(host)
    span = max((host.now - oldest).total_seconds() / 86400, 1.0) if oldest else 1.0
    return room.used / span, room.files / span


def _refuse_losses(host: Host, transaction: Transaction, days: int, period: str, most: bool) -> None:
    begun = journald.beginnings(host)
    past = [when for when in begun if when < host.now - dt.timedelta(days=days + 1)]
    if len(past) > _MOST * len(begun) and not most and not transaction.check:
        raise ChangeError(
            f"{len(past)} of {len(begun)} files of the journal hold lines past {period} and would be destroyed at "
            "once; nothing was changed: if that is right, run it once with -e log_retention_destroy_most=true"
        )


def _wanted(host: Host, days: int) -> tuple[dict[str, str], str]:
    """The settings, and a warning where the disk is too small for them."""
    room = journald.room(host)
    needed = _rate(host)[0] * days
    size = max(_LEAST, math.ceil(needed * _SPARE / _LEAST) * _LEAST)
    wanted = {
        "Storage": "persistent",
        "MaxRetentionSec": f"{days + 1}day",
        "MaxFileSec": "1day",
        "SystemMaxFiles": str(_FILES),
        "SystemMaxUse": f"{size >> 30}G",
    }
    free = journald.free(host)
    if needed <= room.used + free:
        return wanted, ""
    return wanted, (
        f"{days} days of the journal need about {needed / 1e9:.1f} GB at today's rate, and "
        f"{(room.used + free) / 1e9:.1f} GB are there for it: see to it before the disk is full"
    )


def _overruled(wanted: Mapping[str, str]) -> str:
    """Which other file wins over ours, '' where none does."""
    now = journald.settings(Host())
    for key, value in wanted.items():
        other, source = now.get(key, ("", "journald.conf"))
        if other != value:
            return f"{source} sets {key}={other}, which wins over {value}; take that line away"
    return ""
