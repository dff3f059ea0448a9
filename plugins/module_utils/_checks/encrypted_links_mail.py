# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: mailboxes and outgoing mail that programs on other machines log in to.

A door is encrypted only where it speaks TLS from the first byte, or lets nobody log in and hand in anything before
STARTTLS. Port 25 is where strangers' servers bring mail for the provider's own domains; RFC 3207, section 4, forbids
a public one to insist on TLS. So mail for its own domains may come in plain there, and nothing else.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Question
from .._services import dovecot as dovecots
from .._services import postfix as postfixes
from .._services import postfix_access as access
from .._services.addresses import own_addresses, shortened
from .._services.dovecot import Block, Dovecot
from .._services.listeners import unknown_listeners
from .._services.mail import strangers
from .._services.mail_before_tls import Door, Seen, look
from .._services.postfix import Postfix, Service
from .._services.postfix_tables import rows, shown, words
from .._services.postfix_tls import old_versions, server_level
from .._services.tunnels import through
from ._sites import Judged, plain, worst

MAILBOXES = ("imap", "pop3", "managesieve")
EXPECTED = "from other machines nothing is let in before TLS, and TLS 1.2 at least"
_DOORS = "listening sockets, doveconf and postconf"
_KEYS = (
    *("ssl", "disable_plaintext_auth", "auth_allow_cleartext"),
    *("auth_mechanisms", "login_trusted_networks"),
)
# Dovecot 2.3.19 and 2.4.1 refuse these before TLS; any other mechanism logs in there, unless ssl = required
_REFUSED_PLAIN = ("plain", "login", "xoauth2", "oauthbearer")
_ENOUGH = ("tlsv1.2", "tlsv1.3", "latest")


def finding(
    check: str, option: str, about: str, status: str, *, observed: str, expected: str = EXPECTED, source: str = "",
    proof: str = "", remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding of this measure, of printable lines."""
    about, expected, observed, source, remedy = map(plain, (about, expected, observed, source, remedy))
    return Finding("encrypted_links", check, option, about, status, proof, expected, observed, source, remedy)


def judged_finding(
    check: str, option: str, about: str, judged: Judged, others: Sequence[Layer], expected: str = EXPECTED
) -> Finding:
    """The finding of what is configured, of whether that is what runs, and of what was seen of it."""
    status, proof, seen, source = weigh([Layer(CONFIGURED, judged.good, judged.why, judged.source), *others])
    remedy = judged.mend
    unsure = [layer.seen for layer in others if layer.good is None and layer.source]
    if status == PASS and (judged.good is None or unsure):
        status, proof, seen = ERROR, "", judged.why if judged.good is None else "; ".join(unsure)
        remedy = judged.mend or "Reload the service, so that what runs is what the files say."
    elif status != PASS and judged.good and not remedy:
        remedy = "Reload the service, and look for what else decides it: blocks for some addresses, tables, a proxy."
    return finding(
        check, option, about, status, proof=proof, observed=seen, expected=expected, remedy="" if status == PASS else
        remedy, source=judged.source or source,
    )  # fmt: skip


# -- whom a network holds ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Networks:
    """Networks by whom they hold. others: other machines, whose traffic no tunnel carries; unsure: why not known."""

    others: tuple[str, ...] = ()
    unsure: str = ""


def outsiders(host: Host, question: Question, networks: Sequence[str]) -> Networks:
    """Those of some networks that hold more than the host itself. Raises Unseen."""
    own = {ipaddress.ip_address(one) for one in own_addresses(host)}
    others, unsure = [], ""
    for text in networks:
        bare = re.sub(r"[\[\]]", "", text)
        if text.startswith("!"):
            continue  # it only takes some out of the others
        try:
            network = ipaddress.ip_network(bare, strict=False)
        except ValueError:
            unsure = unsure or f"{text} is no network that is read"
            continue
        mapped = network.version == 6 and network.network_address.ipv4_mapped
        if network.is_loopback or (mapped and mapped.is_loopback):
            continue
        if network.num_addresses == 1 and network.network_address in own:
            continue
        way = through(host, question.settings["tunnels"], str(network))
        if way is None and _of_containers(host, network):
            unsure = unsure or f"{text} is a network of containers on the host, which are not looked at"
        elif way is None:
            others.append(f"{shortened(str(network.network_address))}/{network.prefixlen}")
        elif way is not None and not way.good:
            unsure = unsure or way.why
    return Networks(tuple(dict.fromkeys(others)), unsure)


def _of_containers(host: Host, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether a network lies behind a bridge that the host made for its containers. Raises Unseen."""
    if not host.has("ip"):
        return False
    for line in host.run("ip", "-o", "addr").stdout.splitlines():
        fields = line.split()
        if len(fields) > 3 and re.match(r"docker|br-|podman|cni|lxc|lxd|virbr", fields[1]) and "/" in fields[3]:
            own = ipaddress.ip_interface(fields[3]).network
            if own.version == network.version and network.subnet_of(own):  # type: ignore[arg-type]
                return True
    return False


def is_outside(host: Host, question: Question, addresses: Sequence[str]) -> bool | None:
    """Whether a socket at these addresses is reached by other machines outside tunnels; None: a tunnel is not seen."""
    seen: list[bool | None] = []
    for address in addresses:
        if ipaddress.ip_address(address).is_loopback:
            continue
        way = through(host, question.settings["tunnels"], address)
        seen.append(True if way is None else False if way.good else None)
    return True if True in seen else None if None in seen else False


# -- Dovecot ----------------------------------------------------------------------------------------------------------


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
        if block.kind in ("remote", "local"):
            nets = re.split(r"[\s,]+", block.name)
            outside = outsiders(host, question, nets)
            if not outside.others and not outside.unsure:
                exempt = exempt or block.kind == "remote"
                continue
        one = _logins(host, question, server, door, inner)
        if not one.good:
            name = shortened(block.name) if "/" not in block.name else block.name
            told.append(replace(one, why=f"in a block of its own ({block.kind} {name}): {one.why}"))
    if door.haproxy:
        why = "a proxy hands connections on to it (haproxy = yes); whether it does so encrypted was not looked at"
        told.append(Judged(None, why, server.source("haproxy_trusted_networks")))
    return Held(worst(told), exempt)


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
        why = f"clients of {_some(trusted.others)} may log in without TLS (login_trusted_networks)"
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


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(items[:3]) + more


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


# -- what was seen ----------------------------------------------------------------------------------------------------


def observed(seen: Seen | None, *, exempt: bool = False, versions: bool = True) -> list[Layer]:
    """What a door showed. exempt: the host itself may do more there than others; versions: whether they are judged."""
    if seen is None:
        return []
    bad: list[str] = []
    unsure: list[str] = []
    if seen.logins:
        how = f"it offers a login before TLS ({_some(seen.logins)})"
        (unsure if exempt else bad).append(f"{how}, and the host itself is exempt" if exempt else how)
    if seen.mail:
        bad.append("it takes mail before TLS")
    if versions and seen.old:
        bad.append(f"it accepts {seen.old}")
    if seen.bare:
        bad.append("it agrees to a suite that does not encrypt")
    if bad:
        return [Layer(OBSERVED, False, "; ".join(bad), "a connection from the host itself")]
    if seen.trouble or unsure:
        return [Layer(OBSERVED, None, "; ".join([*unsure, *([seen.trouble] if seen.trouble else [])]))]
    refused = ["nothing is offered before TLS"] if seen.logins is not None else []
    spoken = [f"{seen.version.replace('TLSv', 'TLS ')} was agreed on"] if seen.version else []
    return [Layer(OBSERVED, True, "; ".join([*refused, *spoken]) or "nothing is offered without TLS")]


def _speech(door: dovecots.Door) -> str:
    return "smtp" if door.protocol.startswith("submission") else door.protocol


# -- mailboxes --------------------------------------------------------------------------------------------------------


def check_mail_doors(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether IMAP, POP3 and ManageSieve let programs on other machines in by TLS alone."""
    kinds = [kind for kind in question.asked[option] if kind in MAILBOXES]
    if not kinds:
        return
    server = found(host, dovecots.find)
    doors = server.doors if isinstance(server, Dovecot) else []
    given: list[Finding] = []
    for kind in kinds:
        mine = [door for door in doors if door.protocol == kind]
        told = list(_of_dovecot(host, question, option, "mail_doors", server, mine, kind))
        if kind == kinds[0] and isinstance(server, Dovecot):
            told += _inner_doors(host, question, option, server, kind)
        told += _unknown(host, question, option, "mail_doors", kind, (kind,))
        given += told or [_absent("mail_doors", option, kind)]
    yield from given


def found(host: Host, find: object) -> object:
    """A server, or None where there is none or none that can be looked at; strangers() says why."""
    try:
        return find(host)  # type: ignore[operator]
    except Unseen:
        return None


def _absent(check: str, option: str, kind: str) -> Finding:
    return finding(
        check, option, kind, NOT_APPLICABLE, expected="", source=_DOORS,
        observed=f"no server of {kind} listens to more than the host itself, and nothing else there greets as one",
    )  # fmt: skip


def _unknown(
    host: Host, question: Question, option: str, check: str, kind: str, protocols: Sequence[str]
) -> Iterator[Finding]:
    """What may be of the kind, and cannot be judged."""
    nameless = {str(one) for one in unknown_listeners(host)}
    told = [one for one in strangers(host) if not one.protocols or set(protocols) & set(one.protocols)]
    why = [one.why for one in told if one.why not in nameless]
    if nameless:
        from .._services.mail_greeting import unclear

        why += unclear(host, question.probe)
    if why:
        yield finding(
            check, option, f"{kind}: other programs", ERROR, observed=_some(why), source="processes and sockets",
            remedy="Say what they are for, and attest to their encrypted connections.",
        )  # fmt: skip


def _of_dovecot(
    host: Host, question: Question, option: str, check: str, server: object, doors: Sequence[dovecots.Door], kind: str
) -> Iterator[Finding]:
    if not isinstance(server, Dovecot):
        return
    listens = server.get("listen").replace(",", " ").split()
    asked = []
    for door in doors:
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


# -- what else Dovecot listens for ------------------------------------------------------------------------------------

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


def _inner_doors(host: Host, question: Question, option: str, server: Dovecot, kind: str) -> Iterator[Finding]:
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


# -- submission -------------------------------------------------------------------------------------------------------


def check_submission(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether mail is handed in by TLS alone, but for what strangers' servers bring to port 25."""
    if "submission" not in question.asked[option]:
        return
    told: list[Finding] = []
    server, sender = found(host, dovecots.find), found(host, postfixes.find)
    if isinstance(server, Dovecot):
        doors = [door for door in server.doors if door.protocol.startswith("submission")]
        told += _of_dovecot(host, question, option, "submission", server, doors, "submission")
    if isinstance(sender, Postfix):
        told += _of_postfix(host, question, option, sender)
    told += _unknown(host, question, option, "submission", "submission", ("submission", "submissions", "relay"))
    yield from told or [_absent("submission", option, "submission")]


def _of_postfix(host: Host, question: Question, option: str, sender: Postfix) -> Iterator[Finding]:
    reached = []
    for service in sender.inet:
        outside = _is_reached(host, question, sender, service)
        if outside is not False:
            reached.append((service, outside))
    probes = {
        id(service): Door("smtp", service.port, service.is_on("smtpd_tls_wrappermode"), sender.open_at(service),
                          mail=service.port != 25)
        for service, _outside in reached
        if service.command in ("smtpd", "postscreen") and not service.get("smtpd_upstream_proxy_protocol")
    }  # fmt: skip
    seen = look(host, list(probes.values())) if question.probe and sender.master and probes else {}
    for service, outside in reached:
        probe = probes.get(id(service))
        saw = seen.get(probe) if probe else None
        judged = _postfix_door(host, question, sender, service, saw)
        if outside is None and judged.good is False:
            judged = Judged(None, f"a tunnel that is named for it was not seen; {judged.why}", judged.source)
        layers = [sender.running]
        if saw is not None:
            # before TLS, mail may be taken that is refused later
            strict = replace(saw, mail=saw.mail if _demands_tls(service) else None)
            layers += observed(strict, versions=_counts_versions(service))
        yield judged_finding("submission", option, f"submission :{service.port or service.name}", judged, layers)


def _is_reached(host: Host, question: Question, sender: Postfix, service: Service) -> bool | None:
    if sender.master is not None:
        return is_outside(host, question, sender.open_at(service))
    bound = words(service.address or sender.get("inet_interfaces"))
    here = ("loopback-only", "localhost", "127.0.0.1", "::1", "[::1]")
    return not all(one in here for one in bound) if bound else True


def _demands_tls(service: Service) -> bool:
    try:
        return server_level(service) == "encrypt"
    except Unseen:
        return False


def _counts_versions(service: Service) -> bool:
    """Whether TLS protects a login there or is demanded; strangers' mail is better off with any TLS than with none."""
    return service.is_on("smtpd_sasl_auth_enable") or _demands_tls(service)


def _postfix_door(host: Host, question: Question, sender: Postfix, service: Service, seen: Seen | None) -> Judged:
    """Whether a service takes no login, and from other machines nothing in plain that it should not."""
    if service.command == "qmqpd":
        return Judged(False, "QMQP knows no TLS", service.source, f"{service.source}: take the line away.")
    if service.command not in ("smtpd", "postscreen"):
        return Judged(None, f"what {service.command} takes there is not judged", service.source)
    behind = sender.behind(service)
    if behind is None:
        return Judged(None, "postscreen hands over to a service that master.cf does not have", service.source)
    try:
        level = server_level(behind)
        told = [_postfix_versions(sender, behind, level, seen)] if _counts_versions(behind) else []
    except Unseen as unseen:
        return Judged(None, str(unseen), service.source)
    if level == "encrypt":
        first = "it speaks TLS from the first byte" if behind.is_on("smtpd_tls_wrappermode") else (
            "nothing is let in before TLS (smtpd_tls_security_level = encrypt)")  # fmt: skip
        return worst([Judged(True, first, service.source), *told])
    return worst([_handed_in(host, question, sender, behind), _postfix_logins(sender, behind), *told])


def _postfix_versions(sender: Postfix, service: Service, level: str, seen: Seen | None) -> Judged:
    """Whether old versions of TLS and suites without encryption are kept out. Raises Unseen."""
    part = "mandatory_" if level == "encrypt" else ""
    key, grade = f"smtpd_tls_{part}protocols", f"smtpd_tls_{part}ciphers"
    where = service.source if key in service.settings else f"{sender.directory}/main.cf"
    source = service.source if key in service.settings else sender.source(key)
    if service.get(grade).lower() == "null":
        return Judged(False, f"suites without encryption are let ({grade} = null)", source, f"{where}: take it away.")
    old = old_versions(service.get(key))
    if not old or (seen is not None and seen.old == ""):
        return Judged(True, "TLS 1.2 at least", source)
    mend = f"{where}: write '{key} = >=TLSv1.2', and reload Postfix."
    return Judged(False, f"{', '.join(old)} is accepted ({key} = {service.get(key)})", source, mend)


def _postfix_logins(sender: Postfix, service: Service) -> Judged:
    """Whether no login is let in before TLS where TLS is not demanded."""
    if not service.is_on("smtpd_sasl_auth_enable"):
        return Judged(True, "it takes no logins", service.source)
    if service.is_on("smtpd_tls_auth_only"):
        return Judged(True, "no login is let in before TLS (smtpd_tls_auth_only = yes)", service.source)
    key = "smtpd_sasl_auth_enable"
    source = service.source if key in service.settings else sender.source(key)
    mend = f"{service.source}: give it '-o smtpd_tls_security_level=encrypt'"
    mend += ", or on port 25 '-o smtpd_tls_auth_only=yes'; and reload Postfix."
    return Judged(False, "passwords are let in without TLS (smtpd_tls_auth_only = no)", source, mend)


def _handed_in(host: Host, question: Question, sender: Postfix, service: Service) -> Judged:
    """Whether clients without login and TLS may hand in nothing, or on port 25 mail for the server's domains alone."""
    enough = access.OWN if service.port == 25 else access.REFUSED
    strange = access.bound(host, sender, service, enough, inside=False)
    if strange.reach > enough:
        if service.port == 25:
            why, mend = "anybody may hand in mail to anywhere, without TLS", "end it with reject_unauth_destination"
            return Judged(False, why, service.source, f"smtpd_relay_restrictions: {mend}, and reload Postfix.")
        mend = f"{service.source}: give it '-o smtpd_tls_security_level=encrypt', and reload Postfix."
        return Judged(False, "it takes mail for its own domains without TLS", service.source, mend)
    if strange.doubts:
        return _doubt(service, strange)
    networks = _mynetworks(host, question, sender, service)
    if not networks.others and not networks.unsure:
        good = "mail without TLS is taken for its own domains alone, as RFC 3207 asks of a public server"
        return Judged(True, good if service.port == 25 else "nothing is taken without TLS", service.source)
    inner = access.bound(host, sender, service, enough, inside=True)
    if inner.reach <= enough:
        kept = Judged(True, "nothing is relayed without TLS", service.source)
        return _doubt(service, inner) if inner.doubts else kept
    key = "mynetworks"
    source = service.source if key in service.settings else sender.source(key)
    if not networks.others:
        return Judged(None, f"whom mynetworks holds cannot be told: {networks.unsure}", source)
    mend = f"{source}: leave the host itself in mynetworks alone, and let other machines log in at port 465 or 587"
    return Judged(
        False, f"machines of {_some(networks.others)} hand in mail to anywhere without TLS (permit_mynetworks)", source,
        f"{mend}; or name them in 'encrypted_links_tunnels' where a tunnel carries them.",
    )  # fmt: skip


def _doubt(service: Service, bound: access.Bound) -> Judged:
    why = f"whom {shown(bound.doubts[0])} lets in without TLS was not looked at ({bound.key})"
    return Judged(None, why, service.source, f"{bound.key}: put it after the restriction that refuses the others.")


def _mynetworks(host: Host, question: Question, sender: Postfix, service: Service) -> Networks:
    """Whom mynetworks holds beside the host itself."""
    found, unsure = [], ""
    for word in words(service.get("mynetworks")):
        try:
            if word.startswith("/"):
                found += words(" ".join(line.partition("#")[0] for line in host.read(word).splitlines()))
            elif re.match(r"[a-z]+:\D", word):
                found += [key for key, _value in rows(host, sender, word)]
            else:
                found.append(word)
        except Unseen as unseen:
            unsure = str(unseen)
    told = outsiders(host, question, found)
    return Networks(told.others, unsure or told.unsure)
