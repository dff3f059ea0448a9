# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls: which encryption websites accept, with which certificates. What is seen over http is in web_tls_pages.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services.addresses import shortened
from .._services.listeners import UnknownListener
from .._services.tls_endpoint import Endpoint, endpoints
from .._services.virtualhost import VirtualHost, WebServer, covers
from .._services.web import web_servers
from .._services.web_security import (
    ANSWERS,
    UNCLEAR,
    PlainAnswer,
    Security,
    Socket,
    leads_to,
    looked_up,
    owner,
    reached_at,
    security,
)
from ._sites import Judged, answers, bare, sample, subject, subjects, whole
from .web_tls_certificate import certificate_configured, certificate_shown, certificates_in
from .web_tls_fronts import Front, front_handshakes, fronts, judged_elsewhere, judged_fronts
from .web_tls_level import level_configured, level_shown
from .web_tls_pages import CHECKS as PAGE_CHECKS
from .web_tls_pages import found_of

_NAMES = 100  # of one virtual host that handshakes are made for, where the certificate depends on the name


# -- what visitors reach -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """Where one handshake is made: at this address of the host, with this name (None: without one)."""

    socket: Socket
    address: str
    name: str | None

    @property
    def key(self) -> tuple[str, int, str | None]:
        return (self.address, self.socket.listen.port, self.name)

    def __str__(self) -> str:
        address = shortened(self.address)
        return f"{f'[{address}]' if ':' in address else address}:{self.socket.listen.port}"


@dataclass(frozen=True)
class Site:
    """A virtual host and what it is configured to do."""

    server: WebServer
    vhost: VirtualHost
    security: Security

    def sockets(self, *, tls: bool) -> list[Socket]:
        """Those of its sockets that other machines can reach."""
        return [socket for socket in self.security.sockets if socket.tls is tls and not socket.inside]

    @property
    def names(self) -> list[str]:
        """Its names that a visitor could use: those with a dot, expressions and wildcards included."""
        return [name for name in dict.fromkeys(map(bare, self.vhost.names)) if "." in name or name.startswith("~")]

    def answers_as(self, socket: Socket, name: str) -> bool:
        """Whether it, and no other virtual host, answers at a socket for a name."""
        return owner(self.server, socket.listen, name) is self.vhost

    def targets(self, host: Host) -> list[Target]:
        """The handshakes that show what visitors get from it. Raises Unseen."""
        found = []
        for socket in self.sockets(tls=True):
            address = reached_at(host, self.server, socket)
            if address and not socket.listen.proxy_protocol:
                found += [Target(socket, address, name) for name in self._askable(socket)]
        return found

    @property
    def by_name(self) -> bool:
        """Whether which certificate it shows depends on the name that is asked for."""
        return any("$" in entry.args[0] for entry in self.security.tls.certificates)

    def _askable(self, socket: Socket) -> list[str | None]:
        """Names by which it answers at a socket; each, where the certificate depends on the name. Raises Unseen."""
        names: list[str | None] = [name for name in map(sample, self.names) if name and self.answers_as(socket, name)]
        if not names and socket.default is self.vhost:
            return [None]
        if self.by_name and len(names) > _NAMES:
            raise Unseen(f"its certificate depends on the name, and of its {len(names)} names {_NAMES} could be asked")
        return names if self.by_name else names[:1]


def _sites(host: Host, question: Question) -> list[Site]:
    meant = {id(vhost): (server, vhost) for server, vhost in subjects(host, question)}
    if question.probe and question.settings["scope"] == "own":
        meant.update({id(vhost): (server, vhost) for server, vhost in _falling(host, question)})
    return [Site(server, vhost, security(host, server, vhost)) for server, vhost in meant.values()]


def _falling(host: Host, question: Question) -> Iterator[tuple[WebServer, VirtualHost]]:
    """The virtual hosts that visitors of own sites get over https though they do not name the site. Raises Unseen."""
    sites = [site.lower() for site in question.own_sites]
    looked_up(host, sites)
    for server in web_servers(host):
        for vhost in server.vhosts:
            strange = [site for site in sites if not answers(vhost, site)]
            for at in security(host, server, vhost).sockets if strange else ():
                mine = at.tls and not at.inside
                if mine and any(
                    owner(server, at.listen, site) is vhost and leads_to(host, site, at) for site in strange
                ):
                    yield server, vhost


def _handshakes(host: Host, question: Question, sites: Sequence[Site]) -> dict[tuple[str, int, str | None], Endpoint]:
    """All handshakes with all virtual hosts and fronts, at once. Raises Unseen."""
    if not question.probe:
        return {}
    wanted: list[tuple[str, int, str | None]] = []
    for site in sites:
        if site.server.pid:
            try:
                wanted += [target.key for target in site.targets(host)]
            except Unseen:
                continue  # its own finding says so
    wanted += front_handshakes(host, question)
    return endpoints(host, wanted)


# -- findings ----------------------------------------------------------------------------------------------------------


def _weighed(option: str, site: Site, expected: str, judged: Judged, proof: str, unprobed: str = "") -> Finding:
    """The finding of a virtual host: what was judged, and whether the files that name it are what runs."""
    running = site.server.running
    layers = [Layer(proof, judged.good, judged.why, judged.source)]
    layers += [Layer(OBSERVED, None, unprobed)] if unprobed else []
    layers += [running] if proof != OBSERVED or running.good is None else []
    status, proven, seen, source = weigh(layers)
    remedy = judged.mend
    if judged.good is None and status != FAIL:
        status, proven, seen = ERROR, "", judged.why
    elif status == PASS and site.server.pid and running.good is None:
        # nothing bad was seen, but which virtual hosts are in effect was not seen either
        status, proven, seen = ERROR, "", running.seen
        remedy = f"Reload {site.server.name}, so that what runs is what the files say."
    return found_of(
        option, subject(site.vhost), status, proof=proven, expected=expected, observed=seen,
        source=judged.source or source, remedy="" if status == PASS else remedy,
    )  # fmt: skip


def _rest(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """What keeps the whole host from being judged, or that there is nothing to judge."""
    by_handshake = judged_fronts(host, question)

    def known(listener: UnknownListener) -> bool:
        return listener.program in by_handshake

    yield from whole(host, question, option, found_of, attest="encryption", known=known)


# -- virtual hosts without TLS -----------------------------------------------------------------------------------------


def _elsewhere(host: Host, site: Site, question: Question, option: str) -> Finding | None:
    """The finding of a virtual host whose visitors' connections end on another machine, None where they end here."""
    told = judged_elsewhere(host, question, site.vhost, site.security)
    return found_of(option, subject(site.vhost), **told) if told else None


def _without_tls(host: Host, question: Question, site: Site) -> Finding:
    """Whether a virtual host that only answers plain http does nothing that ought to be encrypted."""
    expected = "nothing is answered over plain http but a redirect to https"
    plain_sockets = site.sockets(tls=False)
    if not plain_sockets:
        return found_of(
            "level", subject(site.vhost), NOT_APPLICABLE, expected="", source=site.vhost.source,
            observed="only the host itself can reach it",
        )  # fmt: skip
    judged = _plain_only(host, question, site)
    elsewhere = None if judged.good else _elsewhere(host, site, question, "level")
    return elsewhere or _weighed("level", site, expected, judged, CONFIGURED)


def _plain_only(host: Host, question: Question, site: Site) -> Judged:
    source = site.vhost.source
    on_443 = [socket for socket in site.sockets(tls=False) if socket.listen.port == 443]
    if on_443:
        why = f"plain http is spoken at port 443 ({on_443[0].listen.port}, without TLS), so that https does not work"
        return Judged(False, why, source, f"{source}: {_TLS_LINES[site.server.name]}")
    contents = [one for one in site.security.plain if one.does in (ANSWERS, UNCLEAR) and not _moves(one)]
    if not contents:
        return Judged(True, "it answers nothing over plain http but redirects and refusals", source)
    bare = _names_without_https(host, question, site)
    if bare is not None and not bare:
        why = "the same names are answered over https as well (what plain http does is judged as redirect)"
        return Judged(True, why, source)
    unclear = [one for one in contents if one.does == UNCLEAR]
    named = f" for {', '.join(bare[:3])}" if bare else ""
    if len(unclear) == len(contents):
        why = f"it cannot be told from the configuration whether {unclear[0].context} redirects every request to https"
        return Judged(None, why, unclear[0].source)
    place = next(one for one in contents if one.does == ANSWERS)
    falls = _falls_into(site, bare or [])
    why = f"{place.context} answers over plain http, and nothing answers https{named} here{falls}"
    return Judged(False, why, place.source, f"{source}: {_TLS_LINES[site.server.name]}")


_TLS_LINES = {
    "nginx": "add 'listen 443 ssl; listen [::]:443 ssl; ssl_certificate …; ssl_certificate_key …;' and let a server "
    "block of port 80 do nothing but 'return 301 https://$host$request_uri;' (or name the site in web_tls_sites and "
    "harden).",
    "apache": "make a <VirtualHost *:443> with 'SSLEngine on', SSLCertificateFile and SSLCertificateKeyFile, and let "
    "the one of port 80 do nothing but redirect to it (or name the site in web_tls_sites and harden).",
}


def _moves(answer: PlainAnswer) -> bool:
    """Whether it is the proof for an ACME authority, a redirect, or about some paths only."""
    return answer.challenge or bool(answer.target) or answer.part


def _names_without_https(host: Host, question: Question, site: Site) -> list[str] | None:
    """Those of its names that no other virtual host or front of this host answers over https; None: it has none."""
    names = [name for name in map(sample, site.names) if name]
    if not names:
        return None
    served = {name for found in fronts(host, question).values() for name, _endpoint in found}
    return [name for name in names if name not in served and not _served(host, name)]


def _served(host: Host, name: str) -> bool:
    """Whether a virtual host has TLS for a name, and is not just the default."""
    for server in web_servers(host):
        for vhost in server.vhosts:
            if any(covers(one, name) for one in vhost.names):
                found = security(host, server, vhost).sockets
                if any(one.tls and not one.inside and owner(server, one.listen, name) is vhost for one in found):
                    return True
    return False


def _falls_into(site: Site, names: Sequence[str]) -> str:
    """Whose certificate visitors get who ask for a name over https."""
    for vhost in site.server.vhosts:
        for listen in vhost.listens:
            if listen.tls and listen.default and listen.port == 443 and vhost is not site.vhost and names:
                return f"; https for {names[0]} falls to {vhost.label}"
    return ""


# -- the checks --------------------------------------------------------------------------------------------------------


def check_level(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether all that each virtual host accepts reaches the level, by handshakes with each of its addresses."""
    wanted = question.settings["level"]
    expected = f"protocols, suites, key exchange and certificates are {_or_better(wanted)} (NCSC-NL TLS 2025-05)"
    sites = _sites(host, question)
    _handshakes(host, question, sites)
    anchors = _anchors(host, question)
    for site in sites:
        if not site.sockets(tls=True):
            yield _without_tls(host, question, site)
            continue
        elsewhere = _elsewhere(host, site, question, option)
        if elsewhere is not None:
            yield elsewhere
            continue
        judged, proof, unprobed = _shown(host, question, site, option)
        yield _weighed(option, site, expected, judged, proof, unprobed)
    for front, answered in fronts(host, question).items():
        for name, endpoint in answered:
            judged = level_shown(endpoint, wanted, front.program, anchors=anchors)
            yield _front_finding(option, front, name, expected, judged)
    yield from _rest(host, question, option)


def check_certificate(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether each virtual host shows a certificate that visitors trust, for its names, and that is renewed."""
    if not question.settings["certificate"]:
        yield found_of(
            option, "websites", PASS, proof=CONFIGURED, expected="any certificate", source="statement",
            observed="nothing is promised of it",
        )  # fmt: skip
        return
    expected = "the certificate is trusted, bears every name of the virtual host, is in date, and is renewed"
    sites = _sites(host, question)
    _handshakes(host, question, sites)
    for site in sites:
        if not site.sockets(tls=True):
            yield _no_certificate(host, question, site, option, expected)
            continue
        elsewhere = _elsewhere(host, site, question, option)
        if elsewhere is not None:
            yield elsewhere
            continue
        judged, proof, unprobed = _shown(host, question, site, option)
        yield _weighed(option, site, expected, judged, proof, unprobed)
    for front, answered in fronts(host, question).items():
        for name, endpoint in answered:
            judged = certificate_shown(host, question, endpoint, [name], front.program)
            yield _front_finding(option, front, name, expected, judged)
    yield from _rest(host, question, option)


def _no_certificate(host: Host, question: Question, site: Site, option: str, expected: str) -> Finding:
    """A virtual host without TLS: it needs no certificate if nobody reaches it, or if it does nothing by itself."""
    judged = _plain_only(host, question, site) if site.sockets(tls=False) else None
    if judged is None or judged.good:
        why = judged.why if judged else "only the host itself can reach it"
        return found_of(
            option, subject(site.vhost), NOT_APPLICABLE, expected="", source=site.vhost.source, observed=why
        )  # fmt: skip
    missing = replace(judged, why=f"it shows no certificate: {judged.why}")
    return _elsewhere(host, site, question, option) or _weighed(option, site, expected, missing, CONFIGURED)


def _anchors(host: Host, question: Question) -> frozenset[bytes]:
    """The certificates (DER) that are trusted by themselves, as roots are: those that the host's variable names."""
    path = question.settings["authorities"]
    try:
        return frozenset(certificates_in(host.read(path))) if path else frozenset()
    except Unseen:
        return frozenset()  # whether the chain is trusted cannot be told then either


def _or_better(level: str) -> str:
    return "good" if level == "good" else "good or sufficient"


def _shown(host: Host, question: Question, site: Site, option: str) -> tuple[Judged, str, str]:
    """What handshakes with a virtual host show; else what its files say. With the proof, and why none was made."""
    try:
        targets = site.targets(host)
    except Unseen as unseen:
        return Judged(None, str(unseen), site.vhost.source), OBSERVED, ""
    unprobed = _unprobed(question, site, targets)
    if unprobed:
        if option == "level":
            return level_configured(host, site.security, question.settings["level"], site.vhost), CONFIGURED, unprobed
        names = _borne(host, site, question, None)
        return certificate_configured(host, question, site.security, names, site.server.name), CONFIGURED, unprobed
    found = endpoints(host, [target.key for target in targets])
    judged: list[Judged] = []
    places: dict[str, list[str]] = {}
    for target in targets:
        endpoint = found[target.key]
        if _refused(site, target, endpoint):
            one = Judged(True, "handshakes without a known name are refused", site.vhost.source)
        elif option == "level":
            wanted = question.settings["level"]
            one = level_shown(endpoint, wanted, site.server.name, site.security, _anchors(host, question))
        else:
            one = _certificate_at(host, question, site, target, endpoint)
        judged.append(one)
        places.setdefault(one.why, []).append(str(target))
    told = min(judged, key=lambda one: (False, None, True).index(one.good))
    alike = [why for why in places if any(one.why == why and one.good is told.good for one in judged)]
    why = "; ".join(f"{why} (at {' and '.join(dict.fromkeys(places[why]))})" for why in alike)
    return replace(told, why=why, source=told.source or site.vhost.source), OBSERVED, ""


def _unprobed(question: Question, site: Site, targets: Sequence[Target]) -> str:
    """Why no handshake shows what a virtual host accepts, '' where one does."""
    if not site.server.pid:
        return f"{site.server.name} does not run, but starts at boot"
    if not question.probe:
        return "probes are switched off (audit_probe)"
    if targets:
        return ""
    if any(one.listen.proxy_protocol for one in site.sockets(tls=True)):
        return "it expects the PROXY protocol: a handshake cannot be begun from here"
    return "no name is known by which it could be asked, and it is not the default"


def _refused(site: Site, target: Target, endpoint: Endpoint) -> bool:
    """Whether a virtual host for unknown names refuses all handshakes, as its configuration says."""
    refused = re.search(r"unrecognized_name|every handshake is refused", endpoint.unseen)
    return refused is not None and site.security.tls.rejects and target.name is None


def _certificate_at(host: Host, question: Question, site: Site, target: Target, endpoint: Endpoint) -> Judged:
    """What the certificate is worth that a virtual host shows at one socket."""
    names = _borne(host, site, question, target)
    if not names and _catches_the_rest(site, target.socket):
        why = "it only answers for names that no virtual host has, for which nobody can have a certificate"
        return Judged(True, why, site.vhost.source)
    return certificate_shown(host, question, endpoint, names, site.server.name, site.security)


def _borne(host: Host, site: Site, question: Question, target: Target | None) -> list[str]:
    """The names that the certificate must bear: wildcards and expressions as configured, and own sites that lead to
    this host and fall to it as the default."""
    sockets = [target.socket] if target else site.sockets(tls=True)
    if target and target.name and site.by_name:
        return [target.name]

    def here(name: str) -> bool:
        return any(site.answers_as(socket, name) for socket in sockets)

    names = [name for name in site.names if not sample(name) or here(sample(name))]
    own = [one.lower() for one in question.own_sites if not any(covers(name, one) for name in names)]
    if question.probe:
        names += [one for one in own if any(site.answers_as(at, one) and leads_to(host, one, at) for at in sockets)]
    return list(dict.fromkeys(names))


def _catches_the_rest(site: Site, socket: Socket) -> bool:
    """Whether other virtual hosts have the names that visitors use at a socket."""
    return any(
        (listen.address, listen.port) == (socket.listen.address, socket.listen.port) and vhost is not site.vhost
        for vhost in site.server.vhosts
        for listen in vhost.listens
        if any("." in name for name in vhost.names)
    )


def _front_finding(option: str, front: Front, name: str, expected: str, judged: Judged) -> Finding:
    status = {True: PASS, False: FAIL, None: ERROR}[judged.good]
    return found_of(
        option, f"{name} ({front.program}, port {front.port})", status, proof="" if status == ERROR else OBSERVED,
        expected=expected, observed=judged.why, source=judged.source or f"handshake at port {front.port}",
        remedy="" if judged.good else f"Change it in the configuration of {front.program}.",
    )  # fmt: skip


def _checks() -> Iterable[Check]:
    yield Check("level", ("level",), check_level)
    yield Check("certificate", ("certificate",), check_certificate)
    yield from PAGE_CHECKS


CHECKS = tuple(_checks())
