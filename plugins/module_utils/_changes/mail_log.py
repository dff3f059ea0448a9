# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role mail_log changes: what Dovecot, Postfix and Roundcube record of logins and messages.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._change import Planned, Transaction
from .._host import Host
from .._services.panels import panel
from . import dovecot_log, postfix_log, roundcube_log
from .mail_edits import Wanted


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Planned:
    """Fill the transaction for the mail servers of a host. Raises Unseen, ChangeError."""
    name = panel(host)
    if name:
        return Planned({"panel": name}, [f"{name} runs this host and writes its configuration: nothing was changed"])
    warnings = [
        *dovecot_log.plan(host, transaction, wanted),
        *postfix_log.plan(host, transaction, wanted),
        *roundcube_log.plan(host, transaction, wanted),
    ]
    return Planned({}, warnings)
