# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links, observed: plain connections from this host to the services of others that it is told to try.

Only at the ports that these services have by custom, and with a made-up user. MariaDB is left out: it counts such
connections, and locks out who makes many. An answer that tells
nothing of others gives no finding. Without probes there is none: what
the other host is configured to do stands with that host.

PRIVATE to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .._finding import ERROR, FAIL, OBSERVED, PASS, Finding
from .._host import Host
from .._measure import Question
from .._services.addresses import is_address
from .encrypted_links_sent import finding

if TYPE_CHECKING:
    from .._services.plain_clients import Plain

CHECK = "observed"
TOTAL_S = 10.0  # for all of them, side by side
AT_MOST = 100  # connections
_EXPECTED = "a plain connection from this host gets nothing there"
# beside those of databases, which plain_clients names
_PORTS: Mapping[str, tuple[int, ...]] = {
    "imap": (143,),
    "pop3": (110,),
    "managesieve": (4190,),
    "submission": (587, 25),
    "syslog": (514, 601),
}


def check_observed(host: Host, question: Question, option: str) -> Iterable[Finding]:
    """Whether other hosts refuse plain connections from this one."""
    observes = question.settings["observes"]
    if not observes or not question.probe:
        return
    from .._services.plain_clients import DENIED

    tries = list(_tries(host, [kind for kind in question.asked["accepts"] if kind != "mariadb"], observes))
    answers = _at_once(tries[:AT_MOST])
    for one in tries:
        told = answers.get(one)
        if told is None or told.answer != DENIED:
            yield _judged(option, one, told)


class _Try:
    """One connection: which kind of service at which host, address and port."""

    def __init__(self, kind: str, machine: str, address: str, port: int) -> None:
        self.kind, self.machine, self.address, self.port = kind, machine, address, port


def _tries(host: Host, kinds: Iterable[str], observes: Iterable[str]) -> Iterator[_Try]:
    from .._services import plain_clients
    from .._services.outgoing import addresses_of

    for item in observes:
        machine, *places = str(item).split()
        addresses = list(dict.fromkeys(one for place in places or [machine] for one in addresses_of(host, place)))
        for kind in kinds:
            ports = (plain_clients.PORTS[kind],) if kind in plain_clients.PORTS else _PORTS.get(kind, ())
            for port in ports:
                for address in addresses or [""]:
                    yield _Try(kind, machine, address, port)


def _judged(option: str, one: _Try, told: Plain | None) -> Finding:
    from .._services import plain_clients as clients

    subject = f"{one.kind} at {one.machine}:{one.port}"
    source = f"connection to {one.machine}, port {one.port}"
    if not is_address(one.address):
        why = f"no address of {one.machine} is known"
        return finding(CHECK, option, subject, ERROR, expected=_EXPECTED, observed=why, source=source)
    if told is None:
        return finding(CHECK, option, subject, ERROR, expected=_EXPECTED, observed="no answer in time", source=source)
    status = {clients.REFUSED: PASS, clients.ABSENT: PASS, clients.ANSWERED: FAIL}.get(told.answer, ERROR)
    return finding(
        CHECK, option, subject, status, proof="" if status == ERROR else OBSERVED, expected=_EXPECTED,
        observed=told.seen, source=source,
        remedy="" if status == PASS else f"Let {one.machine} refuse it, and audit that host for the same promise.",
    )  # fmt: skip


def _at_once(tries: Iterable[_Try]) -> dict[_Try, Plain]:
    """The answers to all connections, made side by side."""
    import threading

    found: dict[_Try, Plain] = {}

    def work(one: _Try) -> None:
        found[one] = _client(one.kind)(one.address, one.port)

    threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in tries if is_address(one.address)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + TOTAL_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _client(kind: str) -> Callable[[str, int], Plain]:
    from .._services import plain_clients, plain_mail

    return plain_clients.CLIENTS.get(kind) or plain_mail.CLIENTS[kind]
