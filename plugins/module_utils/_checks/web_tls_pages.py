# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, what is seen over http: redirects, HSTS, cookies and forms.

Pages are asked for on the provider's own sites only. Of others, web servers are asked what they answer by themselves
(TRACE), and a page only where their configuration, as it runs, redirects every request before an application sees it.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host, Unseen
from .._measure import Check, Question
from .._option import Period
from .._services.addresses import own_addresses, resolved
from .._services.virtualhost import VirtualHost, WebServer, covers
from .._services.web import web_servers
from .._services.web_pages import (
    MOVED,
    Address,
    Answer,
    Crawl,
    NoAnswer,
    Request,
    Site,
    Visit,
    ask_all,
    crawl,
)
from .._services.web_probe import answers_itself
from .._services.web_security import (
    ANSWERS,
    REDIRECTS,
    REFUSES,
    HeaderPlace,
    PlainAnswer,
    Security,
    Socket,
    max_age_s,
    owner,
    reached_at,
    security,
)
from .._services.web_urls import looks_acting, shown
from ._sites import answers, plain, whole
from ._sites import subject as label_of
from .web_tls_fronts import judged_elsewhere

NAMES = 20  # of one virtual host that are asked for
PLACES = 20  # of one virtual host that are asked for
_MARK = "/privacy-hosting-audit"  # a path that no site has
_NOBODY = "privacy-hosting-audit.invalid"  # a name that nobody has
_TYPED = re.compile(r"[\w-]+(\.[\w-]+)+")  # names that visitors can type
_PERMANENT = (301, 308)
_PASSES_ON = re.compile(r"(?i)\w+_pass|proxypass(match)?")


# -- which virtual hosts are meant -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A virtual host that visitors can reach. own: the names of own sites that it answers to."""

    server: WebServer
    vhost: VirtualHost
    security: Security
    own: tuple[str, ...]

    @property
    def label(self) -> str:
        """What the report calls it."""
        return label_of(self.vhost)

    def sockets(self, tls: bool) -> list[Socket]:
        """Those of its sockets that other machines can reach."""
        return [socket for socket in self.security.sockets if socket.tls is tls and not socket.inside]


def _subjects(host: Host, question: Question) -> list[Subject]:
    """The virtual hosts that a promise speaks of, and that visitors can be answered by. Raises Unseen."""
    found = []
    nameless = _led_here(host, question)
    for server in web_servers(host):
        for vhost in server.vhosts:
            told = security(host, server, vhost)
            open_to_all = [socket for socket in told.sockets if not socket.inside]
            own = [site.lower() for site in question.own_sites if answers(vhost, site)]
            own += [
                site for site in nameless if any(owner(server, socket.listen, site) is vhost for socket in open_to_all)
            ]
            meant = own or question.settings["scope"] == "all"
            if meant and open_to_all and any(place.visited for place in vhost.places):
                found.append(Subject(server, vhost, told, tuple(own)))
    return found


def _led_here(host: Host, question: Question) -> list[str]:
    """Own sites that no virtual host has as a name, but whose names lead to this host. Raises Unseen."""
    vhosts = [vhost for server in web_servers(host) for vhost in server.vhosts]
    sites = [site.lower() for site in question.own_sites if not any(answers(vhost, site) for vhost in vhosts)]
    if not sites or not vhosts or not question.probe:
        return []
    known = host.once(("resolved_names", tuple(sites)), lambda: resolved(sites))
    mine = set(own_addresses(host))
    return [site for site in sites if mine & set(known.get(site, ()))]


def _judged_elsewhere(host: Host, option: str, question: Question, subject: Subject) -> Finding | None:
    """The finding of a virtual host whose visitors' connections end on another machine, None where they end here."""
    if not question.settings["terminators"] and not subject.sockets(True) and _leads_on(subject):
        return None
    told = judged_elsewhere(host, question, subject.vhost, subject.security)
    return found_of(option, subject.label, **told) if told else None


def _complete(host: Host, question: Question, option: str, found: Iterable[Finding], nothing: str) -> Iterator[Finding]:
    """The findings, and what keeps the whole host from being judged; or that there is nothing to judge."""
    some = False
    for finding in found:
        yield finding
        some = True
    for finding in whole(host, question, option, found_of, attest="pages"):
        yield finding
        some = True
    if not some:
        yield found_of(
            option, "websites", NOT_APPLICABLE, expected="", observed=nothing, source="configuration of the web servers"
        )


def found_of(
    option: str, about: str, status: str, *, observed: str, expected: str, source: str, proof: str = "",
    remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding of web_tls about a virtual host or site; all that comes from the host is made plain."""
    about, expected, observed, source, remedy = (plain(text) for text in (about, expected, observed, source, remedy))
    return Finding("web_tls", option, option, about, status, proof, expected, observed, source, remedy)


def _nothing_asked(option: str) -> Finding:
    """The finding where a promise says that this need not be."""
    return found_of(
        option, "websites", PASS, proof=CONFIGURED, expected="nothing", source="the promise",
        observed=f"the promise does not ask for {option}",
    )  # fmt: skip


# -- weighing ----------------------------------------------------------------------------------------------------------


def _weighed(
    option: str, subject: Subject, expected: str, configured: Sequence[Layer], observed: Sequence[Layer],
    remedy: str, bounds: Sequence[str] = (),
) -> Finding:  # fmt: skip
    """One finding of what is configured, what runs and what was seen. All that is configured must be understood.

    bounds: what ended the looking early.
    """
    running = subject.server.running
    configured = configured or [Layer(CONFIGURED, None, "the configuration does not tell", subject.vhost.source)]
    layers = [*configured, running, *observed]
    status, proof, seen, source = weigh(_summed(layers))
    source = next((layer.source for layer in configured if layer.good is (status == PASS)), "") or source
    unclear = [layer for layer in configured if layer.good is None]
    unclear += [Layer(OBSERVED, None, bound) for bound in bounds]
    stale = [running] if subject.server.pid and running.good is None else []
    if status == PASS and (unclear or stale):
        # nothing bad was seen, but what is in effect everywhere was not seen either
        status, proof, seen = ERROR, "", _listed([layer.seen for layer in unclear + stale])
        source = next((layer.source for layer in unclear + stale if layer.source), source)
        remedy = remedy if unclear else f"Reload {subject.server.name}, so that what runs is what the files say."
    return found_of(
        option, subject.label, status, proof=proof, expected=expected, observed=seen,
        source=source or subject.vhost.source, remedy="" if status == PASS else remedy,
    )  # fmt: skip


def _summed(layers: Sequence[Layer]) -> list[Layer]:
    """One layer of each proof and kind: the text of the first, and how many more there are."""
    groups: dict[tuple[str, bool | None], list[Layer]] = {}
    for layer in layers:
        groups.setdefault((layer.proof, layer.good), []).append(layer)
    summed = []
    for (proof, good), group in groups.items():
        source = next((layer.source for layer in group if layer.source), "")
        summed.append(Layer(proof, good, _listed([layer.seen for layer in group]), source))
    return summed


def _listed(texts: Iterable[str]) -> str:
    """The first three texts, and the number of others."""
    told = list(dict.fromkeys(text for text in texts if text))
    return "; ".join(told[:3]) + (f" (and {len(told) - 3} more like it)" if len(told) > 3 else "")


# -- asking ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What single requests to one virtual host were answered, over plain http and over https.

    unasked: why no page of it was asked for over plain http, '' where one was.
    """

    plain: Mapping[Request, Answer | NoAnswer]
    tls: Mapping[Request, Answer | NoAnswer]
    unasked: str = ""


_UNREACHED = "no virtual host answers visitors"
_SWITCHED_OFF = "probes are switched off (audit_probe)"
_NOT_OWN = "its pages were not asked for, for it is not an own site"


def _seen(host: Host, question: Question, subject: Subject) -> Seen:
    """What was answered to single requests; all virtual hosts are asked together, once."""
    if not question.probe:
        return Seen({}, {}, _SWITCHED_OFF)
    if not subject.server.pid:
        return Seen({}, {}, f"{subject.server.name} does not run")
    key = ("web_tls_seen", tuple(question.own_sites), question.settings["scope"])
    nothing = Seen({}, {}, "it was not asked")
    return host.once(key, lambda: _asked(host, question)).get(id(subject.vhost), nothing)


def _asked(host: Host, question: Question) -> dict[int, Seen]:
    subjects = [subject for subject in _subjects(host, question) if subject.server.pid]
    planned = {id(subject.vhost): list(_requests(host, subject)) for subject in subjects}
    answers = ask_all(host, [request for requests in planned.values() for request in requests])
    found = {}
    for subject in subjects:
        mine = {request: answers[request] for request in planned[id(subject.vhost)]}
        found[id(subject.vhost)] = Seen(
            {request: answer for request, answer in mine.items() if not request.address.tls},
            {request: answer for request, answer in mine.items() if request.address.tls},
            "" if subject.own or _redirects_all(subject) else _NOT_OWN,
        )
    return found


def _askable(subject: Subject, socket: Socket) -> list[str]:
    """Names by which this virtual host and no other answers on a socket: those of own sites, else one of any."""

    def mine(name: str) -> bool:
        return owner(subject.server, socket.listen, name) is subject.vhost

    if subject.own:
        return [name for name in subject.own if mine(name)][:NAMES]
    plain_names = (re.sub(r"^(\*\.|\.)", "privacy-hosting.", name.lower()) for name in subject.vhost.names)
    valid = (name for name in plain_names if re.fullmatch(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?", name) and "." in name)
    found = next((name for name in valid if mine(name)), "")
    return [found] if found else [_NOBODY] if socket.default is subject.vhost else []


def _requests(host: Host, subject: Subject) -> Iterator[Request]:
    """The few requests that show how a virtual host answers."""
    traced = bool(subject.own) or answers_itself(subject.server, subject.vhost)
    for socket in [*subject.sockets(False), *subject.sockets(True)]:
        for at in _address(host, subject, socket):
            for name in _askable(subject, socket):
                if traced and (socket.tls or subject.server.name == "apache"):
                    yield Request(at, name, _MARK, "TRACE")
                if subject.own:
                    for target in ("/", _MARK, *_place_targets(subject)):
                        yield Request(at, name, target)
                elif not socket.tls and _redirects_all(subject):
                    yield Request(at, name, _MARK)


def _address(host: Host, subject: Subject, socket: Socket) -> Iterator[Address]:
    """Where a socket is reached from this host; nothing where that cannot be told."""
    try:
        ip = reached_at(host, subject.server, socket)
    except Unseen:
        return
    if ip:
        yield Address(ip, socket.listen.port, socket.tls, socket.listen.proxy_protocol)


def _place_targets(subject: Subject) -> list[str]:
    """A made-up path in each place that a path leads to."""
    contexts = [place.context for place in subject.security.headers]
    contexts += [answer.context for answer in subject.security.plain]
    found = []
    for context in contexts:
        matched = re.fullmatch(r"(?i)location (?:\^~ )?(/[\w./-]*?)/?", context.rpartition(" > ")[2])
        if matched and matched.group(1) != "/":
            found += [] if looks_acting(f"http://x{matched.group(1)}") else [f"{matched.group(1)}{_MARK}"]
    return list(dict.fromkeys(found))[:PLACES]


def _leads_on(subject: Subject) -> bool:
    """Whether every request over plain http is redirected or refused, as configured."""
    answers = [answer for answer in subject.security.plain if not answer.challenge]
    return bool(answers) and all(answer.does in (REDIRECTS, REFUSES) for answer in answers)


def _redirects_all(subject: Subject) -> bool:
    """Whether every request over plain http is redirected by the server itself, as it runs."""
    return _leads_on(subject) and subject.server.running.good is True


# -- redirect ----------------------------------------------------------------------------------------------------------


def check_redirect(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether plain http does nothing but send visitors to https of the same name first.

    NCSC-NL and internet.nl ask for it by name: the first redirect must keep the name. Any redirect that browsers
    follow counts, permanent (301, 308) or not (302, 303, 307): HSTS is what browsers remember. An answer that holds
    nothing (403, 404, a closed connection) sends nothing in clear.
    """
    if not question.settings["redirect"]:
        yield _nothing_asked(option)
        return
    yield from _complete(host, question, option, _redirects(host, question, option), _UNREACHED)


def _redirects(host: Host, question: Question, option: str) -> Iterator[Finding]:
    expected = "plain http redirects to https of the same name first, or is not answered"
    for subject in _subjects(host, question):
        elsewhere = _judged_elsewhere(host, option, question, subject)
        if elsewhere:
            yield elsewhere
            continue
        configured = [_plain_layer(subject, answer) for answer in subject.security.plain if not answer.challenge]
        configured += _without_own_plain(host, subject)
        seen = _seen(host, question, subject)
        observed = _over_families(seen.plain)
        if subject.sockets(False) and not observed:
            observed = [Layer(OBSERVED, None, seen.unasked or "no answer over plain http tells")]
        yield _weighed(option, subject, expected, configured, observed, _redirect_remedy(subject))


def _plain_layer(subject: Subject, answer: PlainAnswer) -> Layer:
    """What the configuration says about one place."""
    where = f"{answer.context}{f' for {_listed(answer.names)}' if answer.names else ''}"
    if answer.does == REFUSES:
        return Layer(CONFIGURED, True, f"{where}: refuses plain http", answer.source)
    if answer.does == REDIRECTS:
        told = f"{where}: redirects to {_without_query(answer.target)}"
        if answer.same_name is False and any(map(_TYPED.fullmatch, subject.vhost.names)):
            return Layer(CONFIGURED, False, f"{told}, another name than was asked for", answer.source)
        unclear = "; whether that keeps the asked name cannot be told" if answer.same_name is None else ""
        return Layer(CONFIGURED, None if unclear else True, f"{told}{unclear}", answer.source)
    if answer.does == ANSWERS and _passed_on(subject.vhost, answer.source):
        told = f"{where}: plain http is passed on to an application, and what that redirects cannot be told"
        return Layer(CONFIGURED, None, told, answer.source)
    if answer.does == ANSWERS:
        return Layer(CONFIGURED, False, f"{where}: answers over plain http", answer.source)
    return Layer(CONFIGURED, None, f"{where}: whether plain http is redirected cannot be told", answer.source)


def _passed_on(vhost: VirtualHost, source: str) -> bool:
    """Whether the place that stands there hands requests to an application."""
    blocks = [vhost.directive] if vhost.directive else []
    found: list[str] = []
    while blocks:
        block = blocks.pop()
        if block.source == source:
            found += [entry.name for entry in block.block or ()]
        blocks += [entry for entry in block.block or () if entry.block]
    return any(map(_PASSES_ON.fullmatch, found))


def _without_own_plain(host: Host, subject: Subject) -> list[Layer]:
    """What answers for its names at port 80, where it has no socket itself; over the families of IP that it has."""
    names = [name for name in subject.vhost.names if _TYPED.fullmatch(name)]
    families = {":" in socket.listen.address for socket in subject.security.sockets if not socket.inside}
    for server, socket in _at_port_80(host):
        for name in names if (":" in socket.listen.address) in families else ():
            vhost = owner(server, socket.listen, name)
            if vhost is None or vhost is subject.vhost or any(covers(one, name) for one in vhost.names):
                continue
            other = Subject(server, vhost, security(host, server, vhost), ())
            if not _leads_on(other) and any(place.visited for place in vhost.places):
                told = f"over plain http {other.label} answers for {name}, and does not redirect"
                return [Layer(CONFIGURED, False, told, vhost.source)]
    if subject.sockets(False):
        return []
    return [Layer(CONFIGURED, True, "it has no plain http of its own", subject.vhost.source)]


def _at_port_80(host: Host) -> list[tuple[WebServer, Socket]]:
    """The sockets of plain http that visitors reach by default, each once. Raises Unseen."""
    return host.once("web_tls_port_80", lambda: list(_plain_sockets(host)))


def _plain_sockets(host: Host) -> Iterator[tuple[WebServer, Socket]]:
    for server in web_servers(host):
        known = set()
        for vhost in server.vhosts:
            for socket in security(host, server, vhost).sockets:
                at = socket.listen.address
                if socket.listen.port == 80 and not socket.tls and not socket.inside and at not in known:
                    known.add(at)
                    yield server, socket


def _over_families(answers: Mapping[Request, Answer | NoAnswer]) -> list[Layer]:
    """What answers over plain http show; what is the same over IPv4 and IPv6 is told once."""
    families: dict[Layer, list[str]] = {}
    for request, answer in answers.items():
        layer = _redirect_seen(request, answer)
        if layer:
            families.setdefault(layer, []).append(request.address.family)
    return [
        Layer(OBSERVED, layer.good, f"{layer.seen} (over {' and '.join(dict.fromkeys(over))})", layer.source)
        for layer, over in families.items()
    ]


def _redirect_seen(request: Request, answer: Answer | NoAnswer) -> Layer | None:
    """What an answer over plain http shows; nothing where a server's own answer to TRACE says nothing."""
    where = shown(request.url)
    if isinstance(answer, NoAnswer):
        return Layer(OBSERVED, True if answer.refused else None, f"{where}: {answer}", where)
    if answer.status in MOVED:
        return _moved_seen(request, answer, where)
    if request.method == "TRACE":
        return None  # answered before redirects are looked at
    if answer.status in (400, 403, 404, 405, 410, 421, 426, 451):
        return Layer(OBSERVED, True, f"{where}: refused with {answer.status}", where)
    if answer.status >= 500 or answer.status == 429:
        return Layer(OBSERVED, None, f"{where}: {answer.status}, which tells nothing", where)
    return Layer(OBSERVED, False, f"{where}: answered {answer.status} over plain http", where)


def _moved_seen(request: Request, answer: Answer, where: str) -> Layer:
    target = shown(answer.location) if answer.location else "nowhere"
    told = f"{where}: {answer.status} to {target}"
    found = re.match(r"https://([^/:?]+)", answer.location)
    if not found:
        return Layer(OBSERVED, False, f"{told}, which is not https", where)
    if found.group(1) != request.name and request.name != _NOBODY:
        return Layer(OBSERVED, False, f"{told}, another name before https of its own", where)
    kind = "" if answer.status in _PERMANENT else " (not permanent, which suffices)"
    return Layer(OBSERVED, True, f"{told}{kind}", where)


def _redirect_remedy(subject: Subject) -> str:
    bad = [one for one in subject.security.plain if one.does != REFUSES and not one.challenge and not one.same_name]
    at = bad[0].source if bad else subject.vhost.source
    if not any(map(_TYPED.fullmatch, subject.vhost.names)) and not subject.own:
        return _refusing(subject)
    line = (
        "'return 301 https://$host$request_uri;' in a server block that only listens to plain http"
        if subject.server.name == "nginx"
        else "'RedirectMatch 301 ^(?!/\\.well-known/acme-challenge/)(.*)$ https://NAME$1' in its host of port 80"
    )
    return f"{at}: write {line} (or name the site in web_tls_sites and harden)."


def _refusing(subject: Subject) -> str:
    """What mends a virtual host that answers plain http for names that no other has."""
    line = "return 404;" if subject.server.name == "nginx" else "Redirect 404 /"
    return f"{subject.vhost.source}: write '{line}' there, for nobody is meant to come by it, or remove it."


# -- hsts --------------------------------------------------------------------------------------------------------------


def seconds(period: str) -> int:
    """The seconds of a period as max-age counts them: a year has 365 days (NCSC-NL, internet.nl), a month 30."""
    parsed = Period.parse(period)
    days = parsed.years * 365 + parsed.months * 30 + parsed.weeks * 7 + parsed.days
    return days * 86400 + parsed.hours * 3600


def check_hsts(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether every answer over https tells browsers to come back over https only, for long enough."""
    nothing = "no virtual host answers visitors but by leading them to others"
    yield from _complete(host, question, option, _hsts(host, question, option), nothing)


def _hsts(host: Host, question: Question, option: str) -> Iterator[Finding]:
    wanted = seconds(question.settings["hsts"])
    expected = f"every answer over https has a Strict-Transport-Security header with max-age={wanted} or more"
    for subject in _subjects(host, question):
        elsewhere = _judged_elsewhere(host, option, question, subject)
        if elsewhere:
            yield elsewhere
        elif subject.sockets(True):
            configured = [_header_layer(place, wanted) for place in subject.security.headers]
            observed = _hsts_seen(host, question, subject, wanted)
            yield _weighed(option, subject, expected, configured, observed, _hsts_remedy(subject, wanted))
        elif _without_https(host, subject):
            yield found_of(
                option, subject.label, FAIL, proof=CONFIGURED, expected=expected, source=subject.vhost.source,
                observed=f"there is no https for {_without_https(host, subject)} that could tell browsers anything",
                remedy=f"{subject.vhost.source}: let it listen with TLS (or name it in web_tls_sites and harden)."
                if subject.own or any(map(_TYPED.fullmatch, subject.vhost.names)) else _refusing(subject),
            )  # fmt: skip


def _without_https(host: Host, subject: Subject) -> str:
    """Who visits a virtual host of plain http, and is answered over https by none of this host; '' if nobody."""
    encrypted = host.once("web_tls_encrypted", lambda: _encrypted_names(host))
    names = [name for name in subject.vhost.names if _TYPED.fullmatch(name)]
    bare = [name for name in names if not any(covers(one, name) for one in encrypted)]
    return _listed(bare) if names else "" if _leads_on(subject) else "those who come by any name"


def _encrypted_names(host: Host) -> list[str]:
    """The names of all virtual hosts that answer visitors over https. Raises Unseen."""
    return [
        name
        for server in web_servers(host)
        for vhost in server.vhosts
        if any(socket.tls and not socket.inside for socket in security(host, server, vhost).sockets)
        for name in vhost.names
    ]


def _header_layer(place: HeaderPlace, wanted: int) -> Layer:
    """What the configuration says about the answers of one place."""
    if place.value is None:
        told = f"{place.context}: what its Strict-Transport-Security header is cannot be told"
        return Layer(CONFIGURED, None, told, place.source)
    if not place.value:
        whose = "its error pages have" if place.application else "it has"
        return Layer(CONFIGURED, False, f"{place.context}: {whose} no Strict-Transport-Security", place.source)
    fault = _hsts_fault([place.value], wanted)
    if not fault and not place.always:
        fault = "its error pages have no Strict-Transport-Security (without 'always')"
    told = fault or f"max-age={max_age_s(place.value)}"
    return Layer(CONFIGURED, not fault, f"{place.context}: {told}", place.source)


def _hsts_fault(headers: Sequence[str], wanted: int) -> str:
    """What is wrong with an answer's headers, '' if nothing is (RFC 6797, 6.1; of several the first counts, 8.1)."""
    if not headers:
        return "no Strict-Transport-Security"
    names = [part.partition("=")[0].strip().lower() for part in headers[0].split(";") if part.strip()]
    ages = re.findall(r"(?i)(?:^|;)\s*max-age\s*=\s*(?:\"(\d{1,12})\"|(\d{1,12}))\s*(?=;|$)", headers[0])
    if names.count("max-age") != 1 or len(ages) != 1 or len(set(names)) != len(names):
        return "a Strict-Transport-Security that browsers do not understand"
    age = int("".join(ages[0]))
    return "" if age >= wanted else f"max-age={age}, which is less than {wanted}"


def _hsts_seen(host: Host, question: Question, subject: Subject, wanted: int) -> list[Layer]:
    """What answers over https had."""
    seen = _seen(host, question, subject)
    made = [(request.url, request.method, answer) for request, answer in seen.tls.items()]
    for crawled in _crawls(host, question, subject):
        made += [(visit.url, "GET", visit.answer) for visit in crawled.visits if visit.address.tls]
    layers: list[Layer] = []
    kinds: set[str] = set()
    good = 0
    for url, method, answer in made:
        where = shown(url)
        if isinstance(answer, NoAnswer):
            layers.append(Layer(OBSERVED, None, f"{where}: {answer}", where))
            continue
        kind = f"{answer.status}{' of the server itself' if method == 'TRACE' else ''}"
        fault = _hsts_fault(answer.hsts, wanted)
        if fault and method == "TRACE":
            # no browser asks so, and what is set in sections for pages does not reach this answer
            layers.append(
                Layer(OBSERVED, None, f"its refusal of TRACE has {fault}, which says nothing of pages", where)
            )
        elif fault:
            layers.append(Layer(OBSERVED, False, f"{where} ({kind}): {fault}", where))
        else:
            good += 1
            kinds.add(kind)
    if good:
        layers.append(Layer(OBSERVED, True, f"{good} answers had it ({', '.join(sorted(kinds))})", "https"))
    if not subject.own or not made:
        layers.append(Layer(OBSERVED, None, seen.unasked or _NOT_OWN))
    return layers


def _hsts_remedy(subject: Subject, wanted: int) -> str:
    bad = [place for place in subject.security.headers if (place.max_age_s or 0) < wanted or not place.always]
    at = bad[0].source if bad else subject.vhost.source
    line = (
        f"'add_header Strict-Transport-Security \"max-age={wanted}\" always;'"
        if subject.server.name == "nginx"
        else f"'Header always set Strict-Transport-Security \"max-age={wanted}\"'"
    )
    return f"{at}: write {line}, once for each answer (or name the site in web_tls_sites and harden)."


# -- cookies -----------------------------------------------------------------------------------------------------------


def check_cookies(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether no cookie is set that browsers may send over plain http."""
    if not question.settings["cookies"]:
        yield _nothing_asked(option)
        return
    yield from _complete(host, question, option, _cookies(host, question, option), _UNREACHED)


def _cookies(host: Host, question: Question, option: str) -> Iterator[Finding]:
    expected = "cookies that the server sets, or own sites are seen to set, are Secure and set over https"
    for subject in _subjects(host, question):
        elsewhere = _judged_elsewhere(host, option, question, subject)
        if elsewhere:
            yield elsewhere
            continue
        configured = [
            Layer(CONFIGURED, cookie.secure, _cookie_told(cookie.name, cookie.secure, cookie.context), cookie.source)
            for cookie in subject.security.cookies
        ] or [Layer(CONFIGURED, True, "the server itself sets no cookie", subject.vhost.source)]
        observed, bounds = _cookies_seen(host, question, subject)
        yield _weighed(option, subject, expected, configured, observed, _cookie_remedy(subject), bounds)


def _cookie_told(name: str, secure: bool | None, where: str) -> str:
    how = {True: "is Secure", False: "is not Secure", None: "is Secure or not, which cannot be told"}[secure]
    return f"{where}: the cookie {name or '(of unknown name)'} {how}"


def _cookies_seen(host: Host, question: Question, subject: Subject) -> tuple[list[Layer], list[str]]:
    """Which cookies answers set, and what ended the looking. Of other sites there are the server's own answers only."""
    seen = _seen(host, question, subject)
    made = [*seen.plain.values(), *seen.tls.values()]
    bounds: list[str] = []
    for crawled in _crawls(host, question, subject):
        made += [visit.answer for visit in crawled.visits if subject.sockets(visit.address.tls)]
        bounds += crawled.bounds
    came = [answer for answer in made if isinstance(answer, Answer)]
    faults = [layer for answer in came for layer in _cookie_faults(answer)]
    if faults:
        return faults, bounds
    if not subject.own or not came:
        return [Layer(OBSERVED, None, seen.unasked or _NOT_OWN)], bounds
    names = sorted({cookie.name for answer in came for cookie in answer.cookies})
    told = f"set {', '.join(names[:5])}, Secure" if names else "set no cookie"
    return [Layer(OBSERVED, True, f"{len(came)} answers without a login {told}", subject.own[0])], bounds


def _cookie_faults(answer: Answer) -> Iterator[Layer]:
    where = shown(answer.url)
    for cookie in answer.cookies:
        if answer.url.startswith("http:"):
            yield Layer(OBSERVED, False, f"{where}: the cookie {cookie.name} is set over plain http", where)
        elif not cookie.secure:
            yield Layer(OBSERVED, False, f"{where}: the cookie {cookie.name} is not Secure", where)


def _cookie_remedy(subject: Subject) -> str:
    bad = [cookie for cookie in subject.security.cookies if not cookie.secure]
    at = bad[0].source if bad else subject.vhost.source
    line = (
        "'userid_flags secure;', 'proxy_cookie_flags ~ secure;' or '; Secure' in the header"
        if subject.server.name == "nginx"
        else '\'Header always edit Set-Cookie "(?i)^((?:(?!;\\s*secure).)+)$" "$1; Secure"\''
    )
    return f"{at}: write {line}, or let the application mark its cookies Secure."


# -- forms -------------------------------------------------------------------------------------------------------------


def check_forms(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether every form of own sites that this host serves is on https, and goes there."""
    if not question.settings["forms"]:
        yield _nothing_asked(option)
        return
    expected = "every form stands on a page that only https shows, and is sent to https"
    if not question.own_sites:
        yield found_of(
            option, "own sites", ERROR, observed="the register names no own_sites", expected=expected,
            source="statement.scope.own_sites",
            remedy="Name the sites in the register: scope: {own_sites: [example.nl]}.",
        )  # fmt: skip
        return
    nothing = "no virtual host answers for the provider's own sites, and their names do not lead here"
    yield from _complete(host, question, option, _forms(host, question, option, expected), nothing)


def _forms(host: Host, question: Question, option: str, expected: str) -> Iterator[Finding]:
    subjects = _subjects(host, question)
    for site in dict.fromkeys(site.lower() for site in question.own_sites):
        serving = [subject for subject in subjects if site in subject.own]
        elsewhere = [_judged_elsewhere(host, option, question, subject) for subject in serving]
        if serving and all(elsewhere):
            yield from (finding for finding in elsewhere[:1] if finding)
        elif serving:
            yield _forms_finding(host, question, option, site, serving[0], expected)


def _forms_finding(host: Host, question: Question, option: str, site: str, subject: Subject, expected: str) -> Finding:
    if not question.probe or not subject.server.pid:
        why = "pages were not asked for: " + (_SWITCHED_OFF if subject.server.pid else "the server does not run")
        return found_of(
            option, site, ERROR, observed=why, expected=expected, source=subject.vhost.source,
            remedy="Audit with audit_probe: true." if subject.server.pid else f"Start {subject.server.name}.",
        )  # fmt: skip
    found = _crawl(host, question, site)
    faults = list(dict.fromkeys(_form_faults(found)))
    unclear = list(dict.fromkeys(_form_doubts(found)))
    where = faults[0][0] if faults else next((shown(visit.url) for visit, _page in found.pages), f"https://{site}/")
    if faults:
        return found_of(
            option, site, FAIL, proof=OBSERVED, expected=expected, source=where,
            observed=f"{_listed(f'{page}: {fault}' for page, fault in faults)}; {_extent(found)}",
            remedy="Let the page be redirected to https, and the form go to an https address.",
        )  # fmt: skip
    if unclear:
        return found_of(
            option, site, ERROR, expected=expected, source=where, observed=f"{_listed(unclear)}; {_extent(found)}",
            remedy="Look at what was not seen, and attest to it, or make the site so that all of it can be seen.",
        )  # fmt: skip
    return found_of(option, site, PASS, proof=OBSERVED, expected=expected, source=where, observed=_extent(found))


def _crawls(host: Host, question: Question, subject: Subject) -> list[Crawl]:
    """What was seen of the own sites of a virtual host. Raises Unseen."""
    asked = question.probe and subject.server.pid
    return [_crawl(host, question, site) for site in subject.own] if asked else []


def _crawl(host: Host, question: Question, site: str) -> Crawl:
    """What was seen of one own site; all that this host serves are visited together, once. Raises Unseen."""
    every = tuple(question.own_sites)
    return host.once(("web_tls_crawl", every), lambda: _crawled(host, question)).get(site, Crawl())


def _crawled(host: Host, question: Question) -> dict[str, Crawl]:
    places: dict[str, dict[Address, None]] = {}
    known: dict[Request, Answer | NoAnswer] = {}
    for subject in _subjects(host, question):
        seen = _seen(host, question, subject)
        known.update({**seen.plain, **seen.tls})
        away = _judged_elsewhere(host, "forms", question, subject)
        for site in subject.own if subject.server.pid and not away else ():
            for socket in (*subject.sockets(True), *subject.sockets(False)):
                if owner(subject.server, socket.listen, site) is subject.vhost:
                    places.setdefault(site, {}).update(dict.fromkeys(_address(host, subject, socket)))
    return crawl(host, [Site(name, tuple(at)) for name, at in places.items()], _MARK, known)


def _form_faults(found: Crawl) -> Iterator[tuple[str, str]]:
    """Pages with forms over plain http, and forms that go there."""
    for visit, page in found.pages:
        where = shown(visit.url)
        if page.asks and not visit.address.tls:
            yield where, "a page with a form is answered over plain http"
        for target in (target for form in page.forms for target in form):
            if target.url.startswith("http:") and (visit.address.tls or target.how != "page"):
                yield where, f"a form goes to {shown(target.url)} ({target.how})"


def _form_doubts(found: Crawl) -> Iterator[str]:
    """What keeps a site from being judged."""
    yield from found.bounds
    for visit in found.visits:
        doubt = _doubt(visit)
        if doubt:
            yield f"{shown(visit.url)}: {doubt}"
    for visit, page in found.pages:
        for target in (target for form in page.forms for target in form):
            if not target.url.startswith(("http:", "https:")):
                yield f"{shown(visit.url)}: a form goes to {shown(target.url)}, which is no web address"
    for frame, url in found.frames.items():
        yield f"{shown(url)}: it shows {shown(frame)} of another site, over plain http"
    if not _shows_pages(found) and not _leads_away(found):
        yield "no page could be seen"


def _shows_pages(found: Crawl) -> bool:
    came = [visit.answer for visit in found.visits if isinstance(visit.answer, Answer)]
    return any(answer.page is not None and answer.status == 200 for answer in came)


def _leads_away(found: Crawl) -> bool:
    """Whether a site has no pages, but leads every visitor to another."""
    came = [(visit.site, visit.answer.location) for visit in found.visits if isinstance(visit.answer, Answer)]
    away = [not re.match(rf"https?://{re.escape(site)}[:/]", location) for site, location in came]
    return all(location for _site, location in came) and any(away)


def _doubt(visit: Visit) -> str:
    """Why a page was not seen that there may be."""
    answer = visit.answer
    if isinstance(answer, NoAnswer):
        return "" if answer.absent or (answer.refused and not visit.address.tls) else str(answer)
    if answer.status >= 500 or answer.status == 429:
        return f"answered {answer.status}"
    return answer.cut


def _extent(found: Crawl) -> str:
    """How far was looked."""
    pages = {visit.url for visit, _page in found.pages}
    forms = sum({visit.url: len(page.forms) for visit, page in found.pages if visit.address.tls}.values())
    came = [visit.answer for visit in found.visits if isinstance(visit.answer, Answer)]
    closed = {answer.url for answer in came if answer.status in (401, 403)}
    parts = [f"{len(pages)} pages seen from the front page on, with {forms} forms on https"]
    parts += [f"{len(found.skipped)} links that look like acting not followed"] if found.skipped else []
    parts += [f"{len(closed)} pages behind a login not seen"] if closed else []
    parts += ["nothing behind a login or made by scripts seen"]
    return ", ".join(parts)


def _without_query(target: str) -> str:
    return target.partition("?")[0]


CHECKS = (
    Check("redirect", ("redirect",), check_redirect),
    Check("hsts", ("hsts",), check_hsts),
    Check("cookies", ("cookies",), check_cookies),
    Check("forms", ("forms",), check_forms),
)
