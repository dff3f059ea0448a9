# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: what mail servers record of logins and of messages.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services import dovecot as dovecots
from .._services.addresses import own_addresses, shortened
from .._services.dovecot import Dovecot
from .._services.mail import NAMES, PROTOCOLS, Way, strangers, ways
from .._services.mail_probe import Attempt, Door, Probed, before_reload, begin, probe
from .._services.mail_sinks import Sink, newest_lines
from .._services.postfix import Postfix, Service
from ._mail import configured, dovecot_sinks, finding, kept, postfix_sinks, servers
from ._sites import Judged, worst
from .mail_log_content import check_content
from .mail_log_webmail import check_webmail

LOGIN_KEYS = (
    "auth_verbose",
    "auth_debug",
    "login_log_format",
    "login_log_format_elements",
    "log_path",
    "info_log_path",
)


# -- judging logins, as configured ------------------------------------------------------------------------------------


def dovecot_logins(host: Host, server: Dovecot, protocol: str) -> Judged:
    """Whether Dovecot writes down each login, right and wrong, with user and address."""
    told = [
        _attempts(server, protocol),
        *_login_line(server, protocol),
        kept(dovecot_sinks(host, server)),
        _dated(server),
    ]
    narrowed = server.narrowed(*LOGIN_KEYS)
    if narrowed:
        told.append(Judged(None, f"for some addresses it is configured otherwise ({narrowed[0]})", server.main))
    return _all(told, "each attempt is logged with user and address")


def _all(told: Iterable[Judged], good: str) -> Judged:
    """The worst of several things; where all are good, what they add up to, with the place that they are kept in."""
    one = worst(told)
    return Judged(True, good, one.source) if one.good else one


def _attempts(server: Dovecot, protocol: str) -> Judged:
    """Whether several wrong logins in one connection leave a line each."""
    if server.is_on("auth_verbose", protocol) or server.is_on("auth_debug", protocol):
        return Judged(True, "each wrong login leaves a line", server.source("auth_verbose"))
    source = server.source("auth_verbose")
    why = "of several wrong logins in one connection only the last leaves a line (auth_verbose = no)"
    where = source if ":" in source else server.main
    return Judged(False, why, source, f"{where}: write 'auth_verbose = yes', and reload Dovecot.")


def _login_line(server: Dovecot, protocol: str) -> Iterator[Judged]:
    """Whether the line of a login holds user and address."""
    form, source = server.get("login_log_format", protocol), server.source("login_log_format")
    if not dovecots.holds(form, "s", "elements"):
        why = "the line of a login has no elements (login_log_format)"
        yield Judged(False, why, source, f"{source}: take 'login_log_format' away, and reload Dovecot.")
    elements, source = server.get("login_log_format_elements", protocol), server.source("login_log_format_elements")
    missing = []
    if not dovecots.holds(elements, "u", "user"):
        missing.append("the user")
    if not dovecots.holds(elements, "r", "rip", "real_rip", "remote_ip", "real_remote_ip"):
        missing.append("the address (rip)")
    if missing:
        why = f"the line of a login does not hold {' and '.join(missing)} (login_log_format_elements)"
        yield Judged(False, why, source, f"{source}: take 'login_log_format_elements' away, and reload Dovecot.")
    else:
        yield Judged(True, "the line of a login holds user and address", source)


def _dated(server: Dovecot) -> Judged:
    """Whether lines in a file of its own hold the time."""
    key = "info_log_path" if server.get("info_log_path") else "log_path"
    source = server.source("log_timestamp")
    if server.get(key) == "syslog" or all(letter in server.get("log_timestamp") for letter in ("%H", "%d")):
        return Judged(True, "lines have their time", server.source(key))
    if re.search(r"%[cFTsDX+]", server.get("log_timestamp")):
        return Judged(True, "lines have their time", source)
    why = "the lines in its own file have no date and time (log_timestamp)"
    return Judged(False, why, source, f"{source}: take 'log_timestamp' away, and reload Dovecot.")


def postfix_logins(host: Host, sender: Postfix, server: Dovecot | None, service: Service) -> Judged:
    """Whether each login at a service of Postfix is written down, right and wrong, with user and address."""
    told = [kept(postfix_sinks(host, sender))]
    kind = service.get("smtpd_sasl_type")
    if kind != "dovecot":
        why = f"a right login that sends no message is not logged with its user (smtpd_sasl_type = {kind})"
        mend = f"{service.source}: let Dovecot check passwords (smtpd_sasl_type = dovecot) and log who logs in."
        told.append(Judged(False, why, service.source, mend))
    elif server is None or service.get("smtpd_sasl_path").startswith("inet:"):
        told.append(Judged(None, "passwords are checked by another machine, which was not looked at", service.source))
    else:
        told.append(right_logins(host, server))
    judged = _all(told, "each attempt is logged with user and address, also where no message follows")
    return replace(judged, source=service.source) if judged.good else judged


def right_logins(host: Host, server: Dovecot) -> Judged:
    """Whether Dovecot writes down right logins that it was asked about by Postfix.

    Postfix names the user only once a message is sent; Dovecot tells by an event that is off unless it is asked for.
    """
    event = "event=auth_request_finished"
    if server.is_on("auth_debug"):
        return kept(dovecot_sinks(host, server, "debug"))
    if _selects(server.get("log_debug")):
        sinks = kept(dovecot_sinks(host, server, "debug"))
        return Judged(True, "right logins are logged", server.source("log_debug")) if sinks.good else sinks
    unsure = event in server.get("log_debug")
    for metric in server.root.named("metric"):
        told = _metric(server, metric)
        if told and told.good:
            sinks = kept(dovecot_sinks(host, server))
            return told if sinks.good else sinks
        unsure = unsure or told is not None
    why = "a right login that sends no message is logged without its user"
    source = server.source("log_debug")
    mend = f"{server.main}: write 'log_debug = {event} AND success=yes', and reload Dovecot (or harden)."
    if unsure:
        return Judged(None, "which right logins Dovecot logs is not understood (filter of the event)", source, mend)
    return Judged(False, why, source, mend)


def _selects(text: str) -> bool:
    """Whether a filter of events takes every right login of submission, whatever else it takes."""
    for part in re.split(r"\bOR\b", text, flags=re.IGNORECASE):
        words = re.split(r"\s+(?:AND\s+)?", part.strip(" ()"), flags=re.IGNORECASE)
        rest = [word for word in words if word not in _HARMLESS]
        if "event=auth_request_finished" in words and not rest:
            return True
    return False


# conditions that every right login at a mail server's submission meets
_HARMLESS = ("event=auth_request_finished", "success=yes", "service=smtp", "protocol=smtp", "category=auth")


def _metric(server: Dovecot, metric: dovecots.Block) -> Judged | None:
    """Whether a metric writes right logins of submission into the log; None where it is about something else."""
    text = metric.values.get("filter", "")
    if "auth_request_finished" not in text or not metric.values.get("exporter"):
        return None
    source = _block_source(server, "metric", metric.name)
    exporter = next((b for b in server.root.named("event_exporter") if b.name == metric.values["exporter"]), None)
    driver = (exporter.values.get("driver") or exporter.values.get("transport") or exporter.name) if exporter else ""
    if driver != "log":
        return None
    fields = set(metric.values.get("fields", "").split())
    for block in metric.named("fields"):
        fields |= {name for name, value in block.values.items() if value == "yes"}
    if not _selects(text) or not {"user", "remote_ip"} <= fields:
        return Judged(None, "which right logins Dovecot logs is not understood (metric)", source)
    return Judged(True, "right logins are logged", source)


def _block_source(server: Dovecot, kind: str, name: str) -> str:
    """Where a block begins."""
    for path in server.files:
        for number, line in enumerate(server.host.read(path).splitlines(), 1):
            if re.match(rf"\s*{kind}\s+\"?{re.escape(name)}\"?\s*\{{", line):
                return f"{path}:{number}"
    return f"doveconf {kind}"


# -- checks of logins -------------------------------------------------------------------------------------------------


def check_logins(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether every login is logged with user and address, as configured and loaded."""
    asked = [protocol for protocol in question.asked.get("logins", ()) if protocol in PROTOCOLS]
    server, sender = servers(host)
    offered = ways(host) if server or sender else []
    if question.probe and offered:
        with contextlib.suppress(Unseen):  # the check of the probe says so
            probed(host, begin)  # servers make those who err wait: meanwhile other things are looked at
    expected = "each attempt to log in, right or wrong, is logged with user, address and time"
    for way in offered:
        if way.protocol in asked:
            judged, running = _judged(host, way, server, sender)
            unprobed = "" if question.probe else "probes are switched off (audit_probe)"
            yield configured("logins", option, way.label, expected, judged, running, unprobed)
    doubtful = [stranger.protocols for stranger in strangers(host)]
    for protocol in asked:
        hidden = any(not reach or protocol in reach for reach in doubtful)
        if not hidden and protocol not in {way.protocol for way in offered}:
            yield finding(
                "logins", option, NAMES[protocol], NOT_APPLICABLE, source="processes, units and listening sockets",
                observed="nothing takes logins by it, and every program that listens is known",
            )  # fmt: skip


def _judged(host: Host, way: Way, server: Dovecot | None, sender: Postfix | None) -> tuple[Judged, list[Layer]]:
    """What is configured for a way to log in, and whether what is asked there runs by it."""
    if way.service is None and server is not None:
        seen = right_logins_seen(host, server, way.protocol)
        return dovecot_logins(host, server, way.protocol), [server.running, *([seen] if seen else [])]
    if way.service is not None and sender is not None:
        layers = [sender.running]
        if server is not None and way.service.get("smtpd_sasl_type") == "dovecot":
            layers.append(server.running)
        return postfix_logins(host, sender, server, way.service), layers
    raise Unseen("a way to log in without a server")


_RIGHT = re.compile(r"\b(imap|pop3|submission|managesieve)-login(?:\[\d+\])?: (?:Login|Logged in): (.*)")


def right_logins_seen(host: Host, server: Dovecot, protocol: str) -> Layer | None:
    """That real right logins stand in the newest lines with user and address; None where there is none.

    Nobody's password is tried, so these are what shows it. Lines of another format are not counted.
    """
    many = 0
    spoken = "submission" if protocol == "submissions" else protocol
    sinks = [sink for sink in dovecot_sinks(host, server) if sink.good]
    for sink in sinks[:1]:
        for line in newest_lines(host, sink, r"dovecot|-login:"):
            match = _RIGHT.search(line)
            if match and match.group(1) == spoken:
                many += bool(re.search(r"user=<[^>]+>.*\brip=[0-9a-fA-F.:]+", match.group(2)))
    if not many:
        return None
    return Layer(OBSERVED, True, f"{many} right logins stand in the newest lines with user and address", sinks[0].name)


def check_client_address(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the logged address is the person's own: nobody but the host and named proxies is believed."""
    server, sender = servers(host)
    named = question.settings["trusted_proxies"]
    asked = [
        way for way in (ways(host) if server or sender else []) if way.protocol in question.asked.get("logins", ())
    ]
    expected = "the address is believed from the host itself and the named proxies, and from nobody else"
    by_dovecot = [way for way in asked if way.service is None]
    if server is not None and by_dovecot:
        judged = believed(host, server, named, any(way.haproxy for way in by_dovecot))
        yield configured("client_address", option, "Dovecot", expected, judged, [server.running])
    by_postfix = [way for way in asked if way.service is not None]
    if sender is not None and by_postfix:
        judged = worst([postfix_believes(host, sender, way, named) for way in by_postfix])
        yield configured("client_address", option, "Postfix", expected, judged, [sender.running])


def believed(host: Host, server: Dovecot, named: Sequence[str], haproxy: bool) -> Judged:
    """Whether Dovecot believes exactly the host itself and the named proxies about addresses."""
    keys = ("login_trusted_networks", *(("haproxy_trusted_networks",) if haproxy else ()))
    told = []
    trusted: list[str] = []
    for key in keys:
        networks = dovecots.trusted([server.get(key)])
        trusted += networks
        told.append(_trust(host, networks, named, key, server.source(key)))
    missing = [proxy for proxy in named if not _covered(proxy, trusted)]
    if missing:
        source = server.source("login_trusted_networks")
        why = "a named proxy is not believed, so that its address is logged instead of the person's"
        mend = f"{server.main}: write 'login_trusted_networks = {' '.join([*trusted, *missing])}', and reload Dovecot."
        told.append(Judged(False, why, source, mend))
    return worst(told)


def _trust(host: Host, networks: Sequence[str], named: Sequence[str], key: str, source: str) -> Judged:
    """Whether nobody is believed but the host itself and who is named."""
    own = [*own_addresses(host), "127.0.0.0/8", "::1"]
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return Judged(None, f"{key} names somebody otherwise than by address", source)
        if network.prefixlen == 0:
            why = f"everybody is believed about the address that they come from ({key})"
            return Judged(False, why, source, f"{source}: name only machines that log in for others.")
        if not _covered(text, own) and not _covered(text, named):
            shown = shortened(str(network.network_address))
            why = f"{shown} is believed about addresses ({key}), and mail_log_trusted_proxies does not name it"
            mend = f"{source}: take it away, or name it in mail_log_trusted_proxies."
            return Judged(False if named else None, why, source, mend)
    return Judged(True, "nobody else is believed about addresses", source)


def _covered(text: str, networks: Sequence[str]) -> bool:
    """Whether a network lies in one of others."""
    one = ipaddress.ip_network(text, strict=False)
    for other in networks:
        try:
            wide = ipaddress.ip_network(other, strict=False)
        except ValueError:
            continue
        inside = int(wide.network_address) <= int(one.network_address)
        if one.version == wide.version and inside and int(one.broadcast_address) <= int(wide.broadcast_address):
            return True
    return False


def postfix_believes(host: Host, sender: Postfix, way: Way, named: Sequence[str]) -> Judged:
    """Whether Postfix takes nobody's word for an address but that of named proxies."""
    service = way.service
    if service is None:
        return Judged(True, "nobody else is believed about addresses", sender.directory)
    if way.haproxy and not named:
        why = f"port {way.port} takes the address from a front proxy, and mail_log_trusted_proxies names none"
        return Judged(None, why, service.source, "Name the proxy in mail_log_trusted_proxies.")
    hosts = dovecots.trusted([service.get("smtpd_authorized_xclient_hosts")])
    judged = _trust(host, hosts, named, "smtpd_authorized_xclient_hosts", service.source)
    return judged if hosts else Judged(True, "nobody else is believed about addresses", service.source)


# -- the probe --------------------------------------------------------------------------------------------------------


def probed(host: Host, ask: Callable[..., Probed | None] | None = None) -> tuple[Probed, list[Sink], list[Sink]]:
    """What wrong logins at every way left, and the places where lines of Dovecot and of Postfix stay.

    ask: begin them, instead of waiting for what they left.
    """
    server, sender = servers(host)
    of_dovecot = [sink for sink in dovecot_sinks(host, server) if sink.good is not False] if server else []
    of_postfix = [sink for sink in postfix_sinks(host, sender) if sink.good is not False] if sender else []
    sinks = {sink.path: sink for sink in (*of_dovecot, *of_postfix)}
    doors = [door(way) for way in ways(host) if way.addresses]
    doors += [Door("relay", relay[0], False, relay[1]) for relay in _relays(host, sender)]

    def stale() -> bool:
        if server is None or server.master is None or server.since is None:
            return False
        return before_reload(host, server.master.pid, server.since)

    told = (ask or probe)(host, doors, list(sinks.values()), stale)
    return told or Probed(), of_dovecot, of_postfix


def door(way: Way) -> Door:
    """Where to try a way."""
    speech = {"submission": "smtp", "submissions": "smtp"}.get(way.protocol, way.protocol)
    return Door("smtp" if way.service is not None else speech, way.port, way.tls, way.addresses)


def _relays(host: Host, sender: Postfix | None) -> list[tuple[int, tuple[str, ...]]]:
    """Ports at which Postfix takes messages: port and addresses, one of them."""
    if sender is None or sender.master is None:
        return []
    for service in sorted(sender.smtpd, key=lambda one: one.port != 25):
        open_at = [one for one in host.listeners() if sender.master.pid in one.pids and one.port == service.port]
        proxied = service.get("smtpd_upstream_proxy_protocol") or service.get("postscreen_upstream_proxy_protocol")
        if open_at and not proxied and not service.is_on("smtpd_tls_wrappermode"):
            return [(service.port, tuple(one.address for one in open_at))]
    return []


def check_probe(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether wrong logins of made-up users appear, each with its user and address."""
    server, sender = servers(host)
    asked = [
        way for way in (ways(host) if server or sender else []) if way.protocol in question.asked.get("logins", ())
    ]
    if not question.probe or not asked:
        return
    told, of_dovecot, of_postfix = probed(host)
    for way in asked:
        sinks = of_dovecot if way.service is None else [*of_dovecot, *of_postfix]
        if not way.addresses or not sinks:
            continue  # the check of what is configured says so
        layer = observed(told, door(way), sinks)
        status = {True: PASS, False: FAIL, None: ERROR}[layer.good]
        remedies = {
            PASS: "",
            FAIL: "See whether the service was reloaded since its files changed, and whether the log can be written.",
            ERROR: "See why it could not be tried, and audit again.",
        }
        yield finding(
            "probe", option, way.label, status, proof=OBSERVED if status != ERROR else "", observed=layer.seen,
            expected="each wrong login of a made-up user leaves a line with user and address",
            source=layer.source, remedy=remedies[status],
        )  # fmt: skip


def observed(told: Probed, at: Door, sinks: Sequence[Sink]) -> Layer:
    """What the wrong logins at one door left."""
    where = ", ".join(dict.fromkeys(sink.name for sink in sinks))
    attempts = told.of(at)
    odd = [one for one in attempts if one.answer]
    unread = [told.unread[sink.path] for sink in sinks if sink.path in told.unread]
    if told.unseen or not attempts:
        why = told.unseen or f"no wrong login could be tried: {told.troubles.get(at, 'no answer')}"
        return Layer(OBSERVED, None, why, where)
    if odd:
        return Layer(OBSERVED, None, f"a wrong login was answered with: {odd[0].answer}", where)
    missing = [one for one in attempts if not told.found(sinks, one.user, one.source)]
    if missing and (unread or told.troubles.get(at)):
        return Layer(OBSERVED, None, "; ".join([*unread, told.troubles.get(at, "")]).strip("; "), where)
    if missing:
        return Layer(OBSERVED, False, _missing(told, sinks, missing, len(attempts)), where)
    many = "each of 2 wrong logins in one connection" if len(attempts) > 1 else "a wrong login"
    return Layer(OBSERVED, True, f"{many} left a line with user and address", where)


def _missing(told: Probed, sinks: Sequence[Sink], missing: Sequence[Attempt], of: int) -> str:
    """What is missing of wrong logins that left no whole line."""
    by_user = [one for one in missing if told.found(sinks, one.user)]
    by_source = told.found(sinks, missing[0].source)
    if by_user:
        return f"the line of a wrong login has its user and not the address that it came from ({len(missing)} of {of})"
    if by_source and of == len(missing):
        return f"the lines of {of} wrong logins have the address and not the user"
    return f"{len(missing)} of {of} wrong logins in one connection left no line with user and address"


# -- metadata ---------------------------------------------------------------------------------------------------------


def check_metadata(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether Postfix's record of messages is kept, as configured, loaded and seen."""
    _server, sender = servers(host)
    wanted = question.asked.get("metadata", ())
    expected = f"every message is logged with {', '.join(wanted)}"
    if sender is None:
        if not any(not one.protocols or "relay" in one.protocols for one in strangers(host)):
            yield finding(
                "metadata", option, "mail server", NOT_APPLICABLE, source="processes, units and listening sockets",
                observed="no mail server runs or starts at boot, and every program that listens is known",
            )  # fmt: skip
        return
    sinks = postfix_sinks(host, sender)
    judged = kept(sinks)
    if judged.good:
        judged = Judged(True, "Postfix logs them of each message, and nothing throws them away", judged.source)
    told = configured("metadata", option, "Postfix", expected, judged, [sender.running])
    if told.status != PASS or not question.probe or sender.master is None:
        yield told
        return
    yield _metadata_seen(host, sender, [sink for sink in sinks if sink.good], told, wanted)


def _metadata_seen(host: Host, sender: Postfix, sinks: Sequence[Sink], told: Finding, wanted: Sequence[str]) -> Finding:
    """The same with what was observed: a connection of the audit's own, and messages in the newest lines."""
    seen, _of_dovecot, _of_postfix = probed(host)
    layers = [Layer(CONFIGURED, True, told.observed, told.source)]
    relays = [one for one in seen.sources if one.protocol == "relay"]
    for relay in relays:
        where = ", ".join(sink.name for sink in sinks)
        if seen.troubles.get(relay) or any(sink.path in seen.unread for sink in sinks):
            layers.append(
                Layer(OBSERVED, None, f"port {relay.port}: {seen.troubles.get(relay) or 'log not read'}", where)
            )
        elif seen.found(sinks, seen.sources[relay]):
            layers.append(Layer(OBSERVED, True, f"a connection to port {relay.port} left its line in {where}", where))
        else:
            layers.append(Layer(OBSERVED, False, f"a connection to port {relay.port} left no line in {where}", where))
    lines = [line for sink in sinks for line in newest_lines(host, sink, r"postfix")]
    whole, torn = messages(lines)
    if whole or torn:
        text = f"{whole} messages in the newest lines have sender, recipient, size and queue id"
        layers.append(Layer(OBSERVED, True if whole else None, text, sinks[0].name))
    status, proof, text, source = weigh(layers)
    return finding(
        "metadata", told.option, told.subject, status, proof=proof, expected=told.expected, observed=text,
        source=source or told.source, remedy="" if status == PASS else "See why Postfix's lines do not get there.",
    )  # fmt: skip


def messages(lines: Iterable[str]) -> tuple[int, int]:
    """How many messages the lines tell all of, and of how many only a part."""
    parts: dict[str, set[str]] = {}
    for line in lines:
        match = re.search(
            r"postfix[\w./-]*\[\d+\]: ([0-9A-F]{6,}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{11,}): (.*)", line
        )
        if match:
            found = parts.setdefault(match.group(1), set())
            found |= {key for key in ("from", "size", "to") if re.search(rf"(?:^|, ){key}=", match.group(2))}
    whole = sum(1 for found in parts.values() if found == {"from", "size", "to"})
    return whole, len(parts) - whole


# -- what cannot be judged --------------------------------------------------------------------------------------------


def check_strangers(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """What keeps the promise from being judged on the whole host."""
    asked = set(question.asked.get("logins", ())) if option == "logins" else set()
    for stranger in strangers(host):
        reach = set(stranger.protocols)
        if option == "logins" and reach and not reach & asked:
            continue
        if option == "metadata" and reach and "relay" not in reach:
            continue
        yield finding(
            "strangers", option, stranger.name, ERROR, observed=stranger.why,
            expected="every program that takes logins or messages is one that can be judged",
            source="processes, units and listening sockets",
            remedy=f"Say what {stranger.name} is for, or attest to what it records.",
        )  # fmt: skip


CHECKS = (
    Check("logins", ("logins",), check_logins),
    Check("client_address", ("logins",), check_client_address),
    Check("webmail", ("logins",), check_webmail),
    Check("probe", ("logins",), check_probe),
    Check("metadata", ("metadata",), check_metadata),
    Check("content", ("content",), check_content),
    Check("strangers", ("logins", "metadata", "content"), check_strangers),
)
