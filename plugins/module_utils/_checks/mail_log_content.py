# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: subjects, bodies and passwords do not stand in mail logs.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Question
from .._services import dovecot as dovecots
from .._services import logfile
from .._services.dovecot import Dovecot
from .._services.mail import content_filters, strangers
from .._services.mail_sinks import Sink, newest_lines
from .._services.postfix import Postfix
from .._services.webmail import roundcube, webmails
from ._mail import configured, dovecot_sinks, finding, postfix_sinks, servers
from ._sites import Judged, worst

EXPECTED = "no subject, no text of a message and no password stands in the log"
# what shows a subject in a line: Postfix's of a rule that matched, Dovecot's of what happened to a message. Names and
# addresses are left out, for strangers choose them: they stand in <>
_SUBJECTS = (
    re.compile(r"\bpostfix[\w./-]*\[\d+\]: [^:]+: (?:\w+: )?header subject:", re.IGNORECASE),
    re.compile(r"\bdovecot(?:\[\d+\])?: (?:lmtp|lda|imap|pop3|sieve|managesieve)\(.*\bsubject[=:]", re.IGNORECASE),
    re.compile(r"\bdovecot(?:\[\d+\])?: stats: .*message_subject", re.IGNORECASE),
)
_NAMED = re.compile(r"<[^<>]*>")


def check_content(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether nothing of what messages hold, and no password, is written into logs."""
    if question.asked.get("content") == "logged":
        yield finding(
            "content", option, "mail logs", PASS, proof=CONFIGURED, expected="contents may be logged",
            observed="contents may be logged", source="the statement",
        )  # fmt: skip
        return
    server, sender = servers(host)
    if server is not None:
        yield configured("content", option, "Dovecot", EXPECTED, dovecot_content(server), [server.running])
    if sender is not None:
        yield configured("content", option, "Postfix", EXPECTED, postfix_content(host, sender), [sender.running])
    yield from _webmails(host, option)
    for name in content_filters(host):
        yield finding(
            "content", option, name, ERROR, expected=EXPECTED, source="processes",
            observed=f"{name} looks into messages and keeps a log of its own, which is not judged",
            remedy=f"See to it that {name} logs no subjects, and attest to it.",
        )  # fmt: skip
    if server is None and sender is None and not strangers(host):
        yield finding(
            "content", option, "mail server", NOT_APPLICABLE, source="processes, units and listening sockets",
            observed="no mail server runs or starts at boot, and every program that listens is known",
        )  # fmt: skip
    yield from _lines(host, question, option, server, sender)


_DEBUGGING = ("imap_debug", "smtp_debug", "sql_debug", "ldap_debug", "memcache_debug", "redis_debug", "apc_debug")


def _webmails(host: Host, option: str) -> Iterator[Finding]:
    """Whether webmails write down whole conversations."""
    for webmail in webmails(host):
        if webmail.kind != "Roundcube":
            continue  # the check of webmails says that it is not judged
        settings = roundcube(host, webmail)
        told = [Judged(True, "no conversation is logged", settings.main)]
        for key in _DEBUGGING:
            source = settings.source(key)
            if settings.get(key, "false").lower() not in ("false", "0"):
                mend = f"{source}: write '$config['{key}'] = false;'."
                told.append(Judged(False, f"whole conversations are logged ({key})", source, mend))
            elif key in settings.unclear:
                told.append(Judged(None, f"whether conversations are logged depends on something ({key})", source))
        yield configured("content", option, f"Roundcube in {webmail.directory}", EXPECTED, worst(told), [])


# -- Dovecot ----------------------------------------------------------------------------------------------------------


def dovecot_content(server: Dovecot) -> Judged:
    """Whether Dovecot writes down no password, no subject and no session."""
    told = [*_passwords(server), *_subjects(server), *_sessions(server), *_events(server)]
    return worst(told) if told else Judged(True, "no password, subject or session is logged", server.main)


def _off(server: Dovecot, key: str, why: str) -> Judged:
    source = server.source(key)
    return Judged(False, f"{why} ({key} = {server.get(key)})", source, f"{source}: take it away, and reload Dovecot.")


def _passwords(server: Dovecot) -> Iterator[Judged]:
    if server.get("auth_verbose_passwords") not in ("no", ""):
        yield _off(server, "auth_verbose_passwords", "passwords of wrong logins are logged")
    if server.is_on("auth_debug_passwords"):
        yield _off(server, "auth_debug_passwords", "passwords are logged")
    for key in ("login_log_format_elements", "login_log_format"):
        if dovecots.holds(server.get(key), "w", "password"):
            yield _off(server, key, "passwords are logged")
    narrowed = server.narrowed("auth_verbose_passwords", "auth_debug_passwords")
    if narrowed:
        yield Judged(None, f"for some addresses it is configured otherwise ({narrowed[0]})", server.main)


def _blocks(server: Dovecot, key: str) -> list[str]:
    """The values that a setting has anywhere."""
    return [server.get(key), *(block.values[key] for block in server.root.all() if key in block.values)]


def _subjects(server: Dovecot) -> Iterator[Judged]:
    if any(dovecots.holds(value, "s", "subject") for value in _blocks(server, "deliver_log_format")):
        yield _off(server, "deliver_log_format", "subjects are logged of each delivery")
    fields = {word for value in _blocks(server, "mail_log_fields") for word in re.split(r"[\s,]+", value)}
    for block in server.root.all():
        if block.kind == "mail_log_fields":
            fields |= {name for name, value in block.values.items() if value == "yes"}
    plugins = " ".join(_blocks(server, "mail_plugins"))
    loaded = "mail_log" in plugins or any(
        block.kind == "mail_plugins" and block.values.get("mail_log") == "yes" for block in server.root.all()
    )
    if loaded and "subject" in fields:
        source = server.source("mail_log_fields")
        mend = f"{source}: leave 'subject' out, and reload Dovecot."
        yield Judged(False, "subjects are logged of what happens to messages (mail_log_fields)", source, mend)


def _sessions(server: Dovecot) -> Iterator[Judged]:
    """Whole conversations, with passwords and messages."""
    if any(_blocks(server, "rawlog_dir")):
        yield _off(server, "rawlog_dir", "whole sessions are written down")
    for service in server.root.named("service"):
        if re.search(r"\s-R\b", service.values.get("executable", "")):
            source = server.source("executable")
            mend = f"{source}: leave '-R' out, and reload Dovecot."
            yield Judged(False, f"whole sessions of {service.name} are written down (-R)", source, mend)
    trace, level = server.get("sieve_trace_dir"), server.get("sieve_trace_level")
    plugin = [block.values for block in server.root.named("plugin")]
    trace = trace or next((values["sieve_trace_dir"] for values in plugin if values.get("sieve_trace_dir")), "")
    level = level or next((values["sieve_trace_level"] for values in plugin if values.get("sieve_trace_level")), "")
    if trace and level in ("tests", "matching"):
        source = server.source("sieve_trace_dir")
        mend = f"{source}: take it away, and reload Dovecot."
        yield Judged(False, "what mail filters compare, subjects too, is written down (sieve_trace_dir)", source, mend)


def _events(server: Dovecot) -> Iterator[Judged]:
    """Events that are written out with the subjects of messages."""
    written = {b.name for b in server.root.named("event_exporter")}
    for metric in server.root.named("metric"):
        if metric.values.get("exporter") not in written:
            continue
        fields = set(metric.values.get("fields", "").split())
        for block in metric.named("fields"):
            fields |= {name for name, value in block.values.items() if value == "yes"}
        if {"message_subject", "subject"} & fields:
            source = server.source("fields")
            yield Judged(
                False, "subjects are written out by an event (message_subject)", source, f"{source}: leave it out."
            )
        elif not fields and "event=auth_request_finished" not in metric.values.get("filter", ""):
            yield Judged(None, f"what the metric {metric.name} writes out cannot be told", server.main)


# -- Postfix ----------------------------------------------------------------------------------------------------------

_HEADERS = ("header_checks", "mime_header_checks", "nested_header_checks", "milter_header_checks", "smtp_header_checks")
_BODIES = ("body_checks", "smtp_body_checks", "smtp_mime_header_checks", "smtp_nested_header_checks")
_SILENT = ("DUNNO", "OK", "IGNORE")
# headers that tell of a message's way, not of what is in it
_ENVELOPE = re.compile(
    r"(?i)^\^?\(?(received|return-path|delivered-to|x-originating-ip|x-mailer|user-agent|x-php|date|message-id)\b"
)


def postfix_content(host: Host, sender: Postfix) -> Judged:
    """Whether Postfix writes down no conversation, no subject and no body."""
    told = [*_verbose(sender), *_tables(host, sender)]
    return worst(told) if told else Judged(True, "no conversation, subject or body is logged", sender.files[0])


def _verbose(sender: Postfix) -> Iterator[Judged]:
    for service in sender.services:
        if service.verbose:
            why = f"whole conversations of {service.name} ({service.command}) are logged, passwords too (-v)"
            yield Judged(False, why, service.source, f"{service.source}: leave '-v' out, and reload Postfix.")
        for key in ("smtpd_tls_loglevel", "smtp_tls_loglevel"):
            if service.get(key).isdigit() and int(service.get(key)) >= 4 and key in service.settings:
                yield Judged(False, f"what is said within TLS is logged ({key})", service.source)
    for key, bad in (("debug_peer_list", r".+"), ("smtpd_tls_loglevel", r"[4-9]"), ("smtp_tls_loglevel", r"[4-9]")):
        if re.fullmatch(bad, sender.get(key)):
            source = sender.source(key)
            why = f"whole conversations are logged ({key} = {sender.get(key)})"
            yield Judged(False, why, source, f"{source}: take it away, and reload Postfix.")


def _tables(host: Host, sender: Postfix) -> Iterator[Judged]:
    """What tables of headers and bodies write into the log."""
    for key in (*_HEADERS, *_BODIES):
        values = {sender.get(key), *(service.settings.get(key, "") for service in sender.services)}
        for word in {word for value in values for word in re.split(r"[,\s]+", value) if word}:
            kind, _colon, path = word.partition(":")
            if kind not in ("regexp", "pcre") or not path.startswith("/"):
                yield Judged(None, f"what {key} writes into the log cannot be told ({kind})", sender.source(key))
                continue
            try:
                lines = host.read(path).splitlines()
            except Unseen as unseen:
                yield Judged(None, str(unseen), sender.source(key))
                continue
            yield from _rules(key, path, lines)


def _rules(key: str, path: str, lines: Sequence[str]) -> Iterator[Judged]:
    """The rules of a table that write the line that they match into the log."""
    for number, line in _logical(lines):
        match = re.match(r"(!?)([^\w\s!])((?:(?!\2)[^\\]|\\.)*)\2[a-zA-Z]*\s+([A-Za-z]+)\b", line)
        if not match or match.group(4).upper() in _SILENT:
            continue
        negated, pattern, action = bool(match.group(1)), match.group(3), match.group(4).upper()
        source = f"{path}:{number}"
        mend = f"{source}: take the rule away, or let it be silent (IGNORE, DUNNO), and reload Postfix."
        if key in _BODIES and "body" in key:
            yield Judged(False, f"lines of messages are logged ({key}, {action})", source, mend)
        elif _meets_subject(pattern, negated):
            yield Judged(False, f"subjects are logged ({key}, {action})", source, mend)
        elif negated or not _ENVELOPE.search(pattern):
            yield Judged(
                None,
                f"a header of messages is logged ({key}, {action}); whether it tells of contents is not known",
                source,
                mend,
            )


def _logical(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines of a table with their numbers, those that begin with a blank put behind the one that they go on."""
    first, held = 0, ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if held and line[0].isspace():
            held += f" {line.strip()}"
            continue
        if held:
            yield first, held
        first, held = number, line.strip()
    if held:
        yield first, held


def _meets_subject(pattern: str, negated: bool = False) -> bool:
    """Whether a rule may match a subject."""
    if "subject" in pattern.lower() and not negated:
        return True
    try:
        return (re.search(pattern, "Subject: x", re.IGNORECASE) is None) is negated
    except re.error:
        return False


# -- what stands in the logs ------------------------------------------------------------------------------------------


def _lines(
    host: Host, question: Question, option: str, server: Dovecot | None, sender: Postfix | None
) -> Iterator[Finding]:
    """What the newest lines of the logs hold."""
    sinks: dict[str, tuple[Sink, dt.datetime | None]] = {}
    since = [one.since for one in (server, sender) if one is not None and one.since is not None]
    for place in [*(dovecot_sinks(host, server) if server else []), *(postfix_sinks(host, sender) if sender else [])]:
        if place.good is not False:
            sinks[place.path] = (place, max(since, default=None))
    if not sinks:
        return
    layers = []
    for sink, loaded in sinks.values():
        try:
            lines = newest_lines(host, sink, r"dovecot|postfix")
        except Unseen as unseen:
            layers.append(Layer(OBSERVED, None, str(unseen), sink.name))
            continue
        layers.append(_telling(lines, sink, loaded, host.now))
    if question.probe and question.settings.get("logins"):
        layers += _secrets(host, [sink for sink, _loaded in sinks.values()])
    status, proof, seen, source = weigh(layers)
    if status == PASS and any(layer.good is None for layer in layers):
        status, proof = ERROR, ""
        seen = "; ".join(layer.seen for layer in layers if layer.good is None)
    yield finding(
        "content", option, "newest lines", status, proof=proof, expected=EXPECTED, observed=seen, source=source,
        remedy={PASS: "", FAIL: "See which setting writes them, and destroy these lines."}.get(
            status, "Destroy the lines of before, or wait until they are past their time."
        ),
    )  # fmt: skip


def _telling(lines: Sequence[str], sink: Sink, loaded: dt.datetime | None, now: dt.datetime) -> Layer:
    """Whether lines of mail servers hold subjects; those from before the last reload are what was configured then."""
    telling = [line for line in lines if _shows_subject(line)]
    late = [line for line in telling if loaded is None or _written(line, now) is None or _written(line, now) >= loaded]  # type: ignore[operator]
    if late:
        return Layer(OBSERVED, False, f"{len(late)} of the newest {len(lines)} lines hold a subject", sink.name)
    if telling:
        seen = f"{len(telling)} of the newest {len(lines)} lines, from before the last reload, hold a subject"
        return Layer(OBSERVED, None, seen, sink.name)
    return Layer(OBSERVED, True, f"none of the newest {len(lines)} lines holds a subject", sink.name)


def _shows_subject(line: str) -> bool:
    bare = _NAMED.sub("<>", line) if "ubject" in line.lower() else ""
    return any(form.search(bare) for form in _SUBJECTS)


def _written(line: str, now: dt.datetime) -> dt.datetime | None:
    return logfile.stamp(line.encode(), now, now)


def _secrets(host: Host, sinks: Sequence[Sink]) -> list[Layer]:
    """Whether the passwords that the audit tried stand in the log."""
    from .mail_log import probed

    told, _of_dovecot, _of_postfix = probed(host)
    if not told.attempts:
        return []
    many = told.secrets_in(sinks)
    if many:
        return [Layer(OBSERVED, False, f"{many} lines hold the password of a wrong login", sinks[0].name)]
    return [Layer(OBSERVED, True, "no line holds the password of a wrong login", sinks[0].name)]
