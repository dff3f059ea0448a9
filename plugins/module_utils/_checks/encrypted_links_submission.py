# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: whether Postfix takes logins and mail by TLS alone, but for what strangers bring to port 25.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .._finding import Finding
from .._host import Host, Unseen
from .._measure import Question
from .._services import postfix_access as access
from .._services.mail_before_tls import Door, Seen, look
from .._services.postfix import Postfix, Service
from .._services.postfix_tables import rows, shown, words
from .._services.postfix_tls import old_versions, server_level
from ._links_mail import Networks, is_outside, judged_finding, observed, outsiders, some
from ._sites import Judged, worst


def of_postfix(host: Host, question: Question, option: str, sender: Postfix) -> Iterator[Finding]:
    """What is found of each of its services that other machines reach. Raises Unseen."""
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
        False, f"machines of {some(networks.others)} hand in mail to anywhere without TLS (permit_mynetworks)", source,
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
