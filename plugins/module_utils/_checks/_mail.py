# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the checks about mail have in common: their findings, the servers, and where these servers' lines stay.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._finding import CONFIGURED, ERROR, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._services import dovecot as dovecots
from .._services import postfix as postfixes
from .._services.dovecot import Dovecot
from .._services.mail_sinks import Sender, Sink, of_syslog, own_file, unit_of
from .._services.postfix import Postfix
from ._sites import Judged, plain

# -- findings ---------------------------------------------------------------------------------------------------------


def finding(
    check: str, option: str, about: str, status: str, *, observed: str, expected: str = "", source: str = "",
    proof: str = "", remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding of this measure, of printable lines."""
    texts = (plain(text) for text in (about, expected, observed, source, remedy))
    about, expected, observed, source, remedy = texts
    return Finding("mail_log", check, option, about, status, proof, expected, observed, source, remedy)


def configured(
    check: str, option: str, about: str, expected: str, judged: Judged, running: Sequence[Layer], unprobed: str = ""
) -> Finding:
    """The finding of what is configured, and of whether that is what runs."""
    layers = [Layer(CONFIGURED, judged.good, judged.why, judged.source), *running]
    layers += [Layer(OBSERVED, None, unprobed)] if unprobed else []
    status, proof, seen, _source = weigh(layers)
    remedy = judged.mend
    stale = [layer for layer in running if layer.good is None and layer.source]
    if status == PASS and (judged.good is None or stale):
        # nothing bad was seen, but what is in effect was not seen either
        status, proof = ERROR, ""
        seen = "; ".join([judged.why] if judged.good is None else [layer.seen for layer in stale])
        remedy = judged.mend or "Reload the service, so that what runs is what the files say."
    return finding(
        check, option, about, status, proof=proof, expected=expected, observed=seen, source=judged.source,
        remedy="" if status == PASS else remedy,
    )  # fmt: skip


# -- where lines stay -------------------------------------------------------------------------------------------------


def dovecot_sinks(host: Host, server: Dovecot, level: str = "info") -> list[Sink]:
    """The places that Dovecot's lines go to. Raises Unseen."""
    keys = ("info_log_path", "log_path") if level == "info" else ("debug_log_path", "info_log_path", "log_path")
    key = next((key for key in keys if server.get(key)), "log_path")
    path = server.get(key)
    if path == "syslog":
        facility = server.get("syslog_facility") or "mail"
        program = server.get("instance_name") or "dovecot"
        return of_syslog(host, Sender(program, unit_of(server.master, dovecots.UNIT), facility, level))
    if path in ("/dev/stderr", "/dev/stdout"):
        return [Sink(path, None, "it writes to its own output; where that ends was not looked at", server.source(key))]
    return [own_file(host, path, server.source(key))]


def postfix_sinks(host: Host, sender: Postfix) -> list[Sink]:
    """The places that Postfix's lines go to. Raises Unseen."""
    path, source = sender.get("maillog_file"), sender.source("maillog_file")
    if not path:
        unit = unit_of(sender.master, "postfix.service")
        return of_syslog(host, Sender("postfix", unit, sender.get("syslog_facility") or "mail"))
    if path in ("/dev/stderr", "/dev/stdout"):
        return [Sink(path, None, "it writes to its own output; where that ends was not looked at", source)]
    if not any(service.name == "postlog" and service.command == "postlogd" for service in sender.services):
        mend = f"{sender.directory}/master.cf: add 'postlog unix-dgram n - n - 1 postlogd'."
        return [Sink(path, False, "master.cf has no postlogd, which would write it", source, mend)]
    return [own_file(host, path, source)]


def kept(sinks: Sequence[Sink]) -> Judged:
    """Whether lines stay in one place at least."""
    if not sinks:
        return Judged(False, "its lines go nowhere", "syslog", "Let rsyslog or the journal keep them.")
    for good in (True, None, False):
        for sink in sinks:
            if sink.good is good:
                others = [] if good else list(dict.fromkeys(s.why for s in sinks if s.good is good and s is not sink))
                return Judged(good, "; ".join([sink.why, *others]), sink.source, sink.mend)
    raise ValueError("a place is good, bad or neither")


# -- the servers ------------------------------------------------------------------------------------------------------


def servers(host: Host) -> tuple[Dovecot | None, Postfix | None]:
    """Dovecot and Postfix, as far as they can be looked at; why not otherwise, the check of strangers says."""
    found: list[Dovecot | Postfix | None] = []
    for find in (dovecots.find, postfixes.find):
        try:
            found.append(find(host))
        except Unseen:
            found.append(None)
    return found[0], found[1]  # type: ignore[return-value]
