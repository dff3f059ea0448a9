# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links, sent: what the host itself sends to other machines, and the log lines that it receives.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, PASS, Finding, Layer, weigh
from .._host import Host
from .._measure import Question
from .._services.outgoing import Outgoing, addresses_of, stays_here
from .._services.tunnels import Way, through


def printable(text: str) -> str:
    """A text from a host as one printable line of bounded length."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return line if len(line) <= 500 else f"{line[:499]}…"


def finding(
    check: str, option: str, about: str, status: str, *, observed: str, expected: str = "", source: str = "",
    proof: str = "", remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding of this measure, of printable lines."""
    texts = (printable(text) for text in (about, expected, observed, source, remedy))
    about, expected, observed, source, remedy = texts
    return Finding("encrypted_links", check, option, about, status, proof, expected, observed, source, remedy)


def weighed(
    check: str, option: str, about: str, layers: Sequence[Layer], *, expected: str, remedy: str
) -> Finding:  # fmt: skip
    """The finding of several layers. What runs by former files is not known: no good then is proven."""
    status, proof, observed, source = weigh(layers)
    configured = next((layer for layer in layers if layer.proof == CONFIGURED), None)
    stale = [layer for layer in layers if layer.proof == "running" and layer.good is None]
    if status == PASS and (stale or (configured is not None and configured.good is None)):
        status, proof = ERROR, ""
        remedy = remedy or "Restart the service, so that what runs is what the files say."
        observed = stale[0].seen if stale else configured.seen if configured else observed
    return finding(
        check, option, about, status, proof=proof, expected=expected, observed=observed, source=source,
        remedy="" if status == PASS else remedy,
    )  # fmt: skip


# -- sent -------------------------------------------------------------------------------------------------------------

_EXPECTED = {
    "sends": "what leaves the host is encrypted on its way",
    "peer_verified": "the host makes sure whom it sends to",
}
_NOTHING = {"syslog": "no log lines leave the host", "backup": "no backup leaves the host"}


def check_syslog_sent(host: Host, question: Question, option: str) -> Iterable[Finding]:
    """Whether log lines that leave the host are encrypted, and whether it makes sure who gets them."""
    if "syslog" in question.settings["sends"]:
        from .._services import log_forwarding

        looked_at = "rsyslog, syslog-ng, the journal, web servers and known shippers of logs"
        yield from _sent(host, question, option, "syslog", log_forwarding.forwards(host), looked_at)


def check_backup_sent(host: Host, question: Question, option: str) -> Iterable[Finding]:
    """Whether backups that leave the host are encrypted on their way, and whether it makes sure who gets them."""
    if "backup" in question.settings["sends"]:
        from .._services import backup_transport

        looked_at = "timers, cron and backup programs that run"
        yield from _sent(host, question, option, "backup", backup_transport.sent(host), looked_at)


def _sent(
    host: Host, question: Question, option: str, what: str, ways: Iterable[Outgoing], looked_at: str
) -> Iterable[Finding]:
    check = f"{what}_sent"
    leaving = [one for one in ways if not (one.target and stays_here(host, one.target))]
    judged = [_judged(host, question, option, check, one) for one in leaving]
    yield from dict.fromkeys(judged)
    if not judged:
        yield finding(check, option, what, NOT_APPLICABLE, observed=_NOTHING[what], source=looked_at)


def _judged(host: Host, question: Question, option: str, check: str, one: Outgoing) -> Finding:
    peer = option == "peer_verified"
    good, why, mend = (
        (one.verified, one.verified_why, one.verified_mend or one.mend) if peer else (one.encrypted, one.why, one.mend)
    )  # fmt: skip
    expected = _EXPECTED[option]
    if one.encrypted is False:
        way = _tunnel(host, question, one)
        if way is not None and way.good:
            seen = f"{one.why}; {way.why} carries it, and makes sure of the other end"
            return finding(
                check, option, one.subject, PASS, proof="running", expected=expected, observed=seen, source=one.source
            )  # fmt: skip
        if way is not None:
            seen = f"{one.why}; {way.why}"
            return finding(
                check, option, one.subject, ERROR, expected=expected, observed=seen, source=one.source,
                remedy="Bring the tunnel up that encrypted_links_tunnels names, or encrypt the connection itself.",
            )  # fmt: skip
    layers = [Layer(CONFIGURED, good, why, one.source)]
    layers += [one.running] if one.running is not None and good is not None else []
    return weighed(check, option, one.subject, layers, expected=expected, remedy=mend)


def _tunnel(host: Host, question: Question, one: Outgoing) -> Way | None:
    """How the target is reached, if all its addresses lie in networks that a tunnel should carry."""
    networks = question.settings["tunnels"]
    if not networks or not one.target:
        return None
    ways = [through(host, networks, address) for address in addresses_of(host, one.target)]
    if not ways or None in ways:
        return None
    return next((way for way in ways if way is not None and not way.good), ways[0])


# -- received ---------------------------------------------------------------------------------------------------------

_REFUSES = "log lines from other machines are taken by TLS alone, version 1.2 or newer"


def check_syslog_received(host: Host, question: Question, option: str) -> Iterable[Finding]:
    """Whether the host takes log lines from other machines by TLS alone."""
    if "syslog" not in question.asked["accepts"]:
        return
    from .._services import log_receiving

    check = "syslog_received"
    doors = log_receiving.doors(host)
    for door in doors:
        way = through(host, question.settings["tunnels"], door.address)
        if way is not None and not door.tls:
            status = PASS if way.good else ERROR
            yield finding(
                check, option, door.subject, status, proof="running" if way.good else "", expected=_REFUSES,
                observed=f"{door.why}; it listens at the address of {way.why} alone" if way.good else way.why,
                source=door.source,
                remedy="" if way.good else "Bring the tunnel up that encrypted_links_tunnels names.",
            )  # fmt: skip
            continue
        layers = [Layer(CONFIGURED, door.tls, door.why, door.source)]
        layers += [door.running] if door.running is not None and door.tls is not None else []
        if door.tls:
            layers.append(log_receiving.handshake(host, door) if question.probe else log_receiving.UNPROBED)
        yield weighed(check, option, door.subject, layers, expected=_REFUSES, remedy=door.mend)
    if not doors:
        yield finding(
            check, option, "syslog", NOT_APPLICABLE,
            observed="nothing that takes log lines listens to more than the host itself", source="listening sockets",
        )  # fmt: skip
