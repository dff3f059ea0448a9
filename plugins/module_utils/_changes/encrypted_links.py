# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links changes: services refuse what other machines send in plain.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from .._change import LIMITS, Planned, Transaction
from .._host import Host
from .._services.panels import panel
from . import dovecot_links, mariadb_links, postfix_links, postgresql_links, redis_links
from .link_edits import Wanted

Plan = Callable[[Host, Transaction, Wanted], Iterable[str]]
_PLANS: Mapping[str, Sequence[Plan]] = {
    "postgresql": (postgresql_links.plan,),
    "mariadb": (mariadb_links.plan,),
    "redis": (redis_links.plan,),
    "dovecot": (dovecot_links.plan,),
    "postfix": (postfix_links.plan, postfix_links.plan_relay),
}


def parts(wanted: Wanted) -> Iterator[Callable[[Transaction], Planned]]:
    """What to plan for each service that may be changed, one after another."""
    host = Host(LIMITS)
    name = panel(host)
    if name:
        told = f"{name} runs this host and writes its configuration: nothing was changed"
        yield lambda transaction: Planned({"panel": name}, [told])
        return
    for service in wanted.changes:
        for plan in _PLANS[service]:
            yield partial(_planned, plan, wanted)


def _planned(plan: Plan, wanted: Wanted, transaction: Transaction) -> Planned:
    return Planned({}, list(plan(Host(LIMITS), transaction, wanted)))
