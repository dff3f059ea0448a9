# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_log changes: what web servers log of every request.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._change import Planned, Transaction
from .._host import Host
from .._services.panels import panel
from .._services.web import web_servers
from . import apache_log, nginx_log
from .log_edits import Wanted

_PLANS = {"nginx": nginx_log.plan, "apache": apache_log.plan}


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Planned:
    """Fill the transaction for the web servers of a host. Raises Unseen, ChangeError."""
    name = panel(host)
    if name:
        return Planned({"panel": name}, [f"{name} runs this host and writes its configuration: nothing was changed"])
    warnings: list[str] = []
    for server in web_servers(host):
        warnings += _PLANS[server.name](host, transaction, server, wanted)
    return Planned({}, warnings)
