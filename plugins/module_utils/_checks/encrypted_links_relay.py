# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: mail that the host hands to other machines, and what its mail servers tell others about it.

A fixed next hop (a relay, a filter, a server with mailboxes) is the provider's own or a supplier's: TLS has to be
demanded of it, and its name checked. The mail servers of everybody else are no link between the provider's programs:
RFC 7435 has mail go to them by TLS where they know it, since much of it could not be delivered otherwise. That TLS is
tried is all that is asked there.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .._finding import NOT_APPLICABLE, Finding
from .._host import Host, Unseen
from .._measure import Question
from .._services.addresses import is_address, shortened
from .._services.dovecot import Dovecot
from .._services.mail_peers import Peer
from .._services.postfix import Postfix, Service
from .._services.postfix_peers import Hop, handed, peers
from .._services.postfix_tls import OPTIONAL, Wanted, client_level, old_versions
from .._services.tunnels import through
from ._links_mail import HANDED_ON, finding, judged_finding, unclear
from ._sites import Judged, worst

KIND = "relay"
_ELSEWHERE = "mail to other domains' servers"


# -- Postfix ----------------------------------------------------------------------------------------------------------


def handed_on(host: Host, question: Question, option: str, sender: Postfix) -> Iterator[Finding]:
    """What is found of each way by which Postfix hands mail to other machines. Raises Unseen."""
    told = handed(host, sender)
    for why in dict.fromkeys([*told.unread, *told.programs]):
        yield unclear(option, f"{KIND}: other ways", why, f"{sender.directory}/main.cf")
    for hop in told.hops:
        yield _hop(host, question, option, sender, hop)
    for service in told.direct:
        yield _direct(host, option, sender, service)
    for peer in peers(host, sender):
        yield asked(host, question, option, sender, peer)
    if not (told.unread or told.programs or told.hops or told.direct):
        yield finding(
            "relay", option, KIND, NOT_APPLICABLE, expected="", source=f"{sender.directory}/main.cf",
            observed="Postfix hands no mail to other machines",
        )  # fmt: skip


def _named(place: str) -> str:
    return shortened(place) if is_address(place) else place


def _hop(host: Host, question: Question, option: str, sender: Postfix, hop: Hop) -> Finding:
    about = f"{KIND} → {hop.destination.replace(hop.place, _named(hop.place))}"
    judged = _tunnelled(host, question, hop.place)
    if judged is None or not judged.good:
        try:
            wanted = client_level(host, sender, hop.service, hop.destination)
            judge = _encrypted if option == "sends" else _checked
            own = worst([judge(host, sender, hop, wanted), _insisted(sender)])
            judged = own if judged is None or own.good else judged
        except Unseen as unseen:
            judged = judged or Judged(None, str(unseen), hop.source)
    return judged_finding("relay", option, about, judged, [sender.running], HANDED_ON[option])


def _tunnelled(host: Host, question: Question, place: str) -> Judged | None:
    way = through(host, question.settings["tunnels"], place)
    return None if way is None else Judged(way.good or None, way.why, "encrypted_links_tunnels")


def _encrypted(host: Host, sender: Postfix, hop: Hop, wanted: Wanted) -> Judged:
    """Whether nothing goes there without TLS 1.2. Raises Unseen."""
    kind = hop.service.command
    key = f"{kind}_tls_security_level"
    if wanted.level in OPTIONAL:
        why = f"TLS is not demanded there ({key} = {wanted.level})"
        return Judged(False, why, wanted.source, _mend(sender, key))
    versions, grade = f"{kind}_tls_mandatory_protocols", f"{kind}_tls_mandatory_ciphers"
    if (wanted.attributes.get("ciphers") or hop.service.get(grade)).lower() == "null":
        return Judged(False, f"suites without encryption are let ({grade} = null)", sender.source(grade))
    told = wanted.attributes.get("protocols") or hop.service.get(versions)
    old = old_versions(told)
    if old:
        mend = f"{sender.directory}/main.cf: write '{versions} = >=TLSv1.2', and reload Postfix."
        source = wanted.source if "protocols" in wanted.attributes else sender.source(versions)
        return Judged(False, f"{', '.join(old)} is let ({versions} = {told})", source, mend)
    return Judged(True, f"TLS 1.2 at least is demanded ({key} = {wanted.level})", wanted.source)


def _insisted(sender: Postfix) -> Judged:
    """Whether a message cannot ask to go without TLS (RFC 8689); Postfix 3.10 lets it, unless told not to."""
    key = "tls_required_enable"
    if sender.get(key).lower() != "yes":
        return Judged(True, "no message goes without TLS", sender.source(key))
    mend = f"{sender.directory}/main.cf: write '{key} = no', and reload Postfix."
    why = f"a message whose header says 'TLS-Required: no' goes there without TLS ({key} = yes)"
    return Judged(False, why, sender.source(key), mend)


def _mend(sender: Postfix, key: str) -> str:
    return f"{sender.directory}/main.cf: write '{key} = secure' (or a policy of that level), and reload Postfix."


def _checked(host: Host, sender: Postfix, hop: Hop, wanted: Wanted) -> Judged:
    """Whether mail waits until the other's certificate and name were checked. Raises Unseen."""
    kind, level, service = hop.service.command, wanted.level, hop.service
    key = f"{kind}_tls_security_level"
    good = Judged(True, f"the other is checked ({key} = {level})", wanted.source)
    if level in (*OPTIONAL, "encrypt", "half-dane"):
        why = f"whose certificate it is, is not checked ({key} = {level})"
        return Judged(False, why, wanted.source, _mend(sender, key))
    if level == "dane-only":
        if service.get(f"{kind}_dns_support_level") == "dnssec":
            return good
        why = f"without {kind}_dns_support_level = dnssec nothing can be checked by DANE"
        return Judged(None, why, wanted.source)
    if level == "fingerprint":
        named = wanted.attributes.get("match") or service.get(f"{kind}_tls_fingerprint_cert_match")
        return good if named else Judged(None, "no fingerprint is named", wanted.source)
    return worst([good, _authority(host, service, kind, wanted), _name(service, kind, hop, wanted)])


def _authority(host: Host, service: Service, kind: str, wanted: Wanted) -> Judged:
    """Whether there is an authority to check by; without one, nothing is delivered."""
    told = [wanted.attributes.get("tafile", "")]
    told += [service.get(f"{kind}_tls_{part}") for part in ("CAfile", "CApath", "trust_anchor_file")]
    paths = [path for path in told if path]
    if service.is_on("tls_append_default_CA") or any(host.stat(path) is not None for path in paths):
        return Judged(True, "an authority is there", wanted.source)
    return Judged(None, f"there is no authority to check by ({kind}_tls_CAfile)", wanted.source)


def _name(service: Service, kind: str, hop: Hop, wanted: Wanted) -> Judged:
    """Whether the name that is checked is the one that is written, not one that DNS told without proof."""
    usual = service.get(f"{kind}_tls_{wanted.level}_cert_match")
    matched = re.split(r"[\s,:]+", wanted.attributes.get("match") or usual)
    if "hostname" not in matched or hop.destination.startswith("["):
        return Judged(True, "the name is checked", wanted.source)
    why = "the name that is checked is what DNS says without proof (no brackets around the next hop)"
    return Judged(None, why, wanted.source, f"{hop.source}: write the name in brackets, or the level 'secure'.")


def _direct(host: Host, option: str, sender: Postfix, service: Service) -> Finding:
    """Mail that is brought to the servers of its domains: nobody's program but a stranger's."""
    key = f"{service.command}_tls_security_level"
    try:
        wanted = client_level(host, sender, service, "privacy-hosting.invalid")
    except Unseen as unseen:
        return unclear(option, f"{KIND}: {_ELSEWHERE}", str(unseen), sender.source(key))
    about = f"{KIND}: {_ELSEWHERE}" + (f" ({service.name})" if service.name != "smtp" else "")
    if wanted.level == "none" and option == "sends":
        mend = f"{sender.directory}/main.cf: write '{key} = may' (or dane), and reload Postfix."
        judged = Judged(False, f"TLS is not even tried ({key} = none)", wanted.source, mend)
        return judged_finding("relay", option, about, judged, [sender.running], "TLS is tried")
    return finding(
        "relay", option, about, NOT_APPLICABLE, expected="", source=wanted.source,
        observed="no relay is set; other domains' servers are strangers', to which TLS is used where they know it "
        f"(RFC 7435; {key} = {wanted.level})",
    )  # fmt: skip


# -- others that are told or asked ------------------------------------------------------------------------------------


def asked(host: Host, question: Question, option: str, server: Postfix | Dovecot, peer: Peer) -> Finding:
    """What is found of a machine that mail, or what is about mail, goes to by another way. Raises Unseen."""
    good = peer.encrypted if option == "sends" else peer.verified
    judged = Judged(good, peer.why, peer.source, "" if good else "Demand TLS of it, or bring it onto the host itself.")
    tunnel = _tunnelled(host, question, peer.place)
    if tunnel is not None and not good:
        judged = replace(tunnel, mend=judged.mend)
    return judged_finding(
        "relay", option, f"{KIND} → {_named(peer.place)}: {peer.what}", judged, [server.running], HANDED_ON[option]
    )
