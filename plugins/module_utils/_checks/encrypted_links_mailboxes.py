# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: whether Dovecot lets programs on other machines in by TLS alone.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .._finding import Finding
from .._host import Host
from .._measure import Question
from .._services import dovecot as dovecots
from .._services.addresses import is_address, shortened
from .._services.dovecot import Block, Dovecot
from .._services.mail_before_tls import Door, Seen, look
from ._links_mail import Networks, is_outside, judged_finding, observed, outsiders, some
from ._sites import Judged, worst

_KEYS = (
    *("ssl", "disable_plaintext_auth", "auth_allow_cleartext"),
    *("auth_mechanisms", "login_trusted_networks"),
)
# Dovecot 2.3.19 and 2.4.1 refuse these before TLS; any other mechanism logs in there, unless ssl = required
_REFUSED_PLAIN = ("plain", "login", "xoauth2", "oauthbearer")
_ENOUGH = ("tlsv1.2", "tlsv1.3", "latest")


@dataclass(frozen=True)
class Held:
    """What Dovecot's files say of one door. exempt: they let the host itself do more than other machines."""

    judged: Judged
    exempt: bool


def dovecot_door(host: Host, question: Question, server: Dovecot, door: dovecots.Door) -> Held:
    """Whether a door lets nobody log in before TLS, for all addresses. Raises Unseen."""
    protocol = "submission" if door.protocol == "submissions" else door.protocol
    values = {key: server.get(key, protocol) for key in _KEYS}
    told, exempt = [_logins(host, question, server, door, values)], _exempts(values)
    for block, inner in _narrowed(server.root, protocol, values):
        if not _is_of_others(host, question, block):
            exempt = exempt or block.kind == "remote"
            continue
        one = _logins(host, question, server, door, inner)
        if not one.good:
            told.append(replace(one, why=f"in a block of its own ({_shown(block)}): {one.why}"))
    if door.haproxy:
        why = "a proxy hands connections on to it (haproxy = yes); whether it does so encrypted was not looked at"
        told.append(Judged(None, why, server.source("haproxy_trusted_networks")))
    return Held(worst(told), exempt)


def _shown(block: Block) -> str:
    """A block as a report may name it: without whole addresses."""
    words = (word.partition("/") for word in re.split(r"[\s,]+", block.name))
    names = [(shortened(name) if is_address(name) else name) + slash + bits for name, slash, bits in words]
    return f"{block.kind} {' '.join(names)}"


def _is_of_others(host: Host, question: Question, block: Block) -> bool:
    """Whether a block is about connections of other machines: from their addresses, or to any that is not loopback."""
    names = re.split(r"[\s,]+", block.name)
    if block.kind == "local":
        return not all(re.match(r"127\.|::1(/128)?$|localhost$", name) for name in names)
    if block.kind == "remote":
        outside = outsiders(host, question, names)
        return bool(outside.others or outside.unsure)
    return True


def _exempts(values: Mapping[str, str]) -> bool:
    return bool(values["login_trusted_networks"].strip())


def _narrowed(block: Block, protocol: str, values: Mapping[str, str]) -> Iterator[tuple[Block, dict[str, str]]]:
    """The blocks for some addresses or names that change what matters, with all values that hold in them."""
    for inner in block.blocks:
        held = {**values, **{key: value for key, value in inner.values.items() if key in _KEYS}}
        if inner.kind == "protocol":
            if dovecots.is_of(inner, protocol):
                yield from _narrowed(inner, protocol, held if block.kind else values)
        elif inner.kind in ("remote", "local", "local_name"):
            for deeper in inner.named("protocol"):
                if dovecots.is_of(deeper, protocol):
                    held.update({key: value for key, value in deeper.values.items() if key in _KEYS})
            if held != dict(values):
                yield inner, held
            yield from _narrowed(inner, protocol, held)


def _logins(host: Host, question: Question, server: Dovecot, door: dovecots.Door, values: Mapping[str, str]) -> Judged:
    """Whether these settings keep everybody out before TLS. Raises Unseen."""
    if door.tls:
        return Judged(True, "it speaks TLS from the first byte", server.source("ssl"))
    newer = bool(values["auth_allow_cleartext"])
    key, refusing = ("auth_allow_cleartext", "no") if newer else ("disable_plaintext_auth", "yes")
    required = values["ssl"].lower() == "required"
    mend = f"{_place(server, 'ssl')}: write 'ssl = required' and '{key} = {refusing}', and reload Dovecot."
    # 2.3 takes trusted clients for encrypted ones, 2.4 only where TLS is not required
    trusted = Networks() if newer and required else outsiders(host, question, _networks(values))
    if trusted.others:
        why = f"clients of {some(trusted.others)} may log in without TLS (login_trusted_networks)"
        source = server.source("login_trusted_networks")
        return Judged(False, why, source, f"{_place(server, 'login_trusted_networks')}: take these networks away.")
    if trusted.unsure:
        return Judged(None, trusted.unsure, server.source("login_trusted_networks"))
    if required:
        return Judged(True, "no login is let in before TLS (ssl = required)", server.source("ssl"))
    if values[key].lower() != refusing:
        return Judged(False, f"passwords are let in without TLS ({key} = {values[key]})", server.source(key), mend)
    others = [word for word in values["auth_mechanisms"].lower().split() if word not in _REFUSED_PLAIN]
    if others:
        why = f"{', '.join(others[:3])} logs in without TLS (ssl = {values['ssl']} does not forbid it)"
        return Judged(False, why, server.source("auth_mechanisms"), mend)
    if not values["auth_mechanisms"].split():
        return Judged(None, "'doveconf auth_mechanisms' told nothing", "doveconf auth_mechanisms")
    return Judged(True, f"no login is let in before TLS ({key} = {refusing})", server.source(key))


def _networks(values: Mapping[str, str]) -> list[str]:
    return dovecots.trusted([values["login_trusted_networks"]])


def _place(server: Dovecot, key: str) -> str:
    source = server.source(key)
    return source if ":" in source else server.main


def _versions(server: Dovecot, protocol: str, seen: Seen | None) -> Judged:
    """Whether Dovecot keeps old versions out: by its files, else as it was seen. OpenSSL refuses more than it says."""
    told, source = server.get("ssl_min_protocol", protocol), server.source("ssl_min_protocol")
    for block in server.root.all():
        own = block.values.get("ssl_min_protocol", "")
        if block.kind in ("remote", "local", "local_name") and own and own.lower() not in _ENOUGH:
            why = f"TLS below 1.2 is not forbidden in a block of its own ({block.kind}, ssl_min_protocol = {own})"
            return Judged(None, why, source)
    if told.lower() in _ENOUGH:
        return Judged(True, "TLS 1.2 at least", source)
    if seen is not None and seen.old == "":
        return Judged(True, "TLS below 1.2 was refused", source)
    mend = f"{_place(server, 'ssl_min_protocol')}: write 'ssl_min_protocol = TLSv1.2', and reload Dovecot."
    good = None if seen is None or seen.old is None else False
    return Judged(good, f"TLS below 1.2 is not forbidden (ssl_min_protocol = {told})", source, mend)


# -- doors ------------------------------------------------------------------------------------------------------------


def doors(host: Host, question: Question, option: str, check: str, server: Dovecot, kind: str) -> Iterator[Finding]:
    """What is found of the doors of a kind that other machines reach. Raises Unseen."""
    listens = server.get("listen").replace(",", " ").split()
    asked = []
    for door in (one for one in server.doors if one.protocol in (kind, f"{kind}s")):
        addresses = door.addresses or tuple(one for one in listens if one[:1].isdigit())
        outside = is_outside(host, question, addresses) if addresses else True
        if outside is not False:
            asked.append((door, outside))
    probes = {door: Door(_speech(door), door.port, door.tls, door.addresses) for door, _outside in asked}
    seen = look(host, list(probes.values())) if question.probe and server.master and probes else {}
    for door, outside in asked:
        held = dovecot_door(host, question, server, door)
        saw = None if door.haproxy else seen.get(probes[door])
        judged = worst([held.judged, _versions(server, door.protocol, saw)])
        if outside is None and judged.good is False:
            judged = Judged(None, f"a tunnel that is named for it was not seen; {judged.why}", judged.source)
        layers = [server.running, *observed(saw, exempt=held.exempt)]
        yield judged_finding(check, option, f"{kind} :{door.port}", judged, layers)


def _speech(door: dovecots.Door) -> str:
    return "smtp" if door.protocol.startswith("submission") else door.protocol


# -- what else it listens for -----------------------------------------------------------------------------------------


# by service: what goes through it in plain
_INNER = {
    "lmtp": "messages",
    "auth": "logins",
    "doveadm": "mailboxes and commands",
    "dict": "what it knows of users",
    "director": "who uses which mailbox",
    "quota-status": "addresses of messages",
    "replicator": "who uses which mailbox",
    "imap-urlauth": "messages",
}


def inner_doors(host: Host, question: Question, option: str, server: Dovecot, kind: str) -> Iterator[Finding]:
    """Listeners of Dovecot for its own parts on other machines: LMTP, logins, commands."""
    for door in server.inner_doors:
        outside = is_outside(host, question, door.addresses) if door.addresses else True
        if outside is False:
            continue
        if door.tls:
            judged = Judged(True, "it speaks TLS from the first byte", server.main)
        elif outside is None:
            judged = Judged(None, "a tunnel that is named for it was not seen", server.main)
        else:
            passing = _INNER.get(door.protocol)
            why = f"{passing} pass without TLS" if passing else "what passes there is not known"
            mend = f"{server.main}: give its inet_listener 'ssl = yes' or an address of the host itself alone."
            judged = Judged(False if passing else None, why, server.main, mend)
        judged = worst([judged, *([_versions(server, "", None)] if door.tls else [])])
        about = f"{kind}: {door.protocol} of Dovecot :{door.port}"
        yield judged_finding("mail_doors", option, about, judged, [server.running])
