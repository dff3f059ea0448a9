# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_log: what web servers record of each request.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host
from .._measure import Check, Measure, Question
from .._option import Option
from .._services.listeners import unknown_listeners
from .._services.web import ASKED, FIELDS, FILE, OFF, OWN, PIPE, QUERY, AccessLog, VirtualHost, WebServer, web_servers
from .._services.web_probe import FLUSH_S, Probed, Trace, probe, shown

OPTIONS = (
    Option(
        name="fields",
        type="list",
        choices=FIELDS,
        default=["domain", "path", "user_agent", "client_ip", "time", "method", "status"],
        stricter="union",
        help="What the access log holds of every request. The domain counts as held where the log holds the name that "
        "the visitor asked for, or where one file belongs to one virtual host with one name.",
        example="[domain, path, user_agent, client_ip]",
    ),
    Option(
        name="query_string",
        type="choice",
        choices=("dropped", "logged"),
        default="dropped",
        stricter="first",
        help="Whether query strings may stand in the access log. They often hold personal data, and no statement says "
        "that they are recorded: 'dropped' goes beyond the text. The referer holds query strings too.",
        example="dropped",
    ),
    Option(
        name="scope",
        type="choice",
        choices=("all", "own"),
        default="all",
        judged=False,
        stricter="first",
        help="Which virtual hosts are meant: all of the host, or only those of the register's own_sites.",
        example="own",
    ),
    Option(
        name="sites",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Names of the virtual hosts whose files the role may edit, or [all]. Others are left as they are, and the "
        "report says what would have to change.",
        example="[example.nl, panel.example.nl]",
    ),
    Option(
        name="trusted_proxies",
        type="networks",
        default=[],
        judged=False,
        promisable=False,
        help="The addresses of front proxies that may say for whom they ask. The visitor's address is believed from "
        "these only; none where visitors reach the host directly.",
        example="[192.0.2.10, 2001:db8:1::/64]",
    ),
)

# -- which virtual hosts are meant -------------------------------------------------------------------------------------


def _subjects(host: Host, question: Question) -> list[tuple[WebServer, VirtualHost]]:
    """The virtual hosts that a promise speaks of. Raises Unseen."""
    found = [(server, vhost) for server in web_servers(host) for vhost in server.vhosts]
    if question.settings["scope"] == "all":
        return found
    return [(server, vhost) for server, vhost in found if any(_answers(vhost, site) for site in question.own_sites)]


def _answers(vhost: VirtualHost, site: str) -> bool:
    """Whether a virtual host is meant to answer for a site's name."""
    return any(_names(name.lower(), site.lower()) for name in vhost.names)


def _names(name: str, site: str) -> bool:
    if name.startswith("~"):
        try:
            return re.search(re.sub(r"\(\?<(?![=!])", "(?P<", name[1:]), site) is not None
        except re.error:
            return True
    parts = [".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", name.lstrip("."))]
    return re.fullmatch(("(.*\\.)?" if name.startswith(".") else "") + "".join(parts), site) is not None


def _whole(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """What keeps a promise from being judged on the whole host, or that there is nothing to judge. Raises Unseen."""
    servers = web_servers(host)
    unknown = unknown_listeners(host)
    for listener in unknown:
        yield _finding(
            option, listener.program, ERROR, observed=f"unknown listener {listener.program} on {listener.where}",
            expected="every program that listens is known, so that no web server is overlooked",
            source="listening sockets", remedy=f"Say what {listener.program} serves, or attest to its logs.",
        )  # fmt: skip
    for server in servers:
        for problem in server.problems:
            yield _finding(
                option, server.name, ERROR, observed=problem, expected="the whole configuration can be read",
                source=problem.partition(": ")[0], remedy=f"Mend what {server.name} complains of, and reload it.",
            )  # fmt: skip
    if question.settings["scope"] == "own" and not question.own_sites:
        yield _finding(
            option, "own sites", ERROR, observed="the register names no own_sites",
            expected="the register says which sites are the provider's own", source="statement.scope.own_sites",
            remedy="Name the sites in the register: scope: {own_sites: [example.nl]}.",
        )  # fmt: skip
    elif not unknown and not any(server.problems for server in servers) and not _subjects(host, question):
        own = question.settings["scope"] == "own"
        yield _finding(
            option, "own sites" if own else "web server", NOT_APPLICABLE,
            observed="no virtual host answers for the provider's own sites" if own and servers
            else "no web server runs or starts at boot, and every program that listens is known",
            expected="", source="processes, units and listening sockets",
        )  # fmt: skip


def _finding(
    option: str, subject: str, status: str, *, observed: str, expected: str, source: str, proof: str = "",
    remedy: str = "",
) -> Finding:  # fmt: skip
    texts = (_plain(text) for text in (subject, expected, observed, source, remedy))
    subject, expected, observed, source, remedy = texts
    return Finding("web_log", option, option, subject, status, proof, expected, observed, source, remedy)


def _plain(text: str) -> str:
    """A text from a host as one printable line of bounded length."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return line if len(line) <= 500 else f"{line[:499]}…"


# -- judging what is configured ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What was found about one thing: good is None where it cannot be told; why and where for the worst of it."""

    good: bool | None
    why: str
    source: str


_RANK = {False: 0, None: 1, True: 2}


def _worst(judged: Iterable[Judged]) -> Judged:
    """The worst of them, with the number of others that are as bad; they are not empty."""
    ordered = sorted(judged, key=lambda one: _RANK[one.good])
    worst = ordered[0]
    others = sum(1 for one in ordered[1:] if one.good is worst.good)
    if worst.good or not others:
        return worst
    return Judged(worst.good, f"{worst.why} (and {others} more place{'s' if others > 1 else ''} like it)", worst.source)


def _best(judged: Iterable[Judged]) -> Judged:
    return max(judged, key=lambda one: _RANK[one.good])


class Sites:
    """Which virtual hosts write to which file, and by what names they are known."""

    def __init__(self, servers: Iterable[WebServer]) -> None:
        self._writers: dict[str, set[object]] = {}
        for server in servers:
            for vhost in server.vhosts:
                for log in vhost.logs:
                    self._writers.setdefault(log.pattern, set()).add(self._identity(vhost))

    @staticmethod
    def _identity(vhost: VirtualHost) -> object:
        return bare_names(vhost) or vhost.source

    def alone(self, log: AccessLog) -> bool:
        """Whether one site writes to a log's file, and no other."""
        return log.kind in (FILE, PIPE) and bool(log.path) and len(self._writers.get(log.pattern, ())) == 1


def bare_names(vhost: VirtualHost) -> frozenset[str]:
    """A virtual host's names without 'www.'."""
    return frozenset(name.lower().rstrip(".").removeprefix("www.") for name in vhost.names)


def domain_held(log: AccessLog, vhost: VirtualHost, sites: Sites) -> bool | None:
    """Whether a log tells which domain was visited, None where that cannot be told.

    The name that the visitor asked for does. The virtual host's own name, or a file that belongs to one site only, does
    where the virtual host has one exact name (with or without 'www.'): by it, aliases cannot be told apart. A virtual
    host that is declared the default takes requests for any name, so nobody knows which ones it was visited by.
    """
    if log.host_names == ASKED and "domain" in log.fields:
        return True
    if log.host_names != OWN and not sites.alone(log):
        return None if "domain" in log.unclear else False
    names = bare_names(vhost)
    if len(names) != 1 or re.search(r"[*~_]|^\.", next(iter(names))):
        return False
    return None if any(listen.declared for listen in vhost.listens) else True


def client_held(vhost: VirtualHost, trusted: Sequence[str]) -> tuple[bool | None, str]:
    """Whether the visitor's address, and nobody's mere claim, is what a virtual host calls the client's address."""
    try:
        believed = [_network(text) for text in vhost.trusts if text != "unix:"]
    except ValueError:
        return None, "it believes a proxy that is not named by an address"
    believed = [network for network in believed if not network.is_loopback]
    named = [_network(text) for text in trusted]
    if any(network.prefixlen == 0 for network in believed):
        return False, f"it believes {vhost.claims} from any address, so that anybody can forge a visitor's address"
    strange = [network for network in believed if not _within(network, named)]
    if strange and named:
        return False, f"it believes {vhost.claims} from addresses that web_log_trusted_proxies does not name"
    if strange:
        return None, f"it believes {vhost.claims} from some addresses, but web_log_trusted_proxies names no proxy"
    if any(not _within(network, believed) for network in named):
        return False, "it does not believe the front proxy, so that the proxy's address is logged as the visitor's"
    return True, ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _within(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    others: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    return any(
        int(other.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(other.broadcast_address)
        for other in others
        if other.version == network.version
    )


def _log_holds(log: AccessLog, vhost: VirtualHost, wanted: Sequence[str], sites: Sites) -> Judged:
    """Whether one log holds all that is wanted of every request."""
    source = log.directive.source
    if log.kind == OFF:
        return Judged(False, "requests are not logged", source)
    if log.kind == PIPE and not log.path:
        return Judged(None, "the log goes to a program of which we do not know what it keeps", source)
    held = {name: name in log.fields or (None if name in log.unclear else False) for name in wanted}
    if "domain" in held:
        held["domain"] = domain_held(log, vhost, sites)
    missing = [name for name, there in held.items() if there is False]
    unclear = [name for name, there in held.items() if there is None]
    if missing:
        return Judged(False, f"the log does not hold {', '.join(missing)}", source)
    if log.always is False:
        return Judged(False, f"not every request is logged (condition {log.condition})", source)
    if unclear or log.always is None:
        why = f"whether it holds {', '.join(unclear)}" if unclear else f"which requests {log.condition} leaves out"
        return Judged(None, f"it cannot be told from the configuration {why}", source)
    return Judged(True, f"the log holds {', '.join(wanted)}", source)


def fields_configured(vhost: VirtualHost, wanted: Sequence[str], sites: Sites, trusted: Sequence[str]) -> Judged:
    """Whether, in every place of a virtual host, some log holds all that is wanted of every request."""
    judged = []
    for place in vhost.places:
        if place.visited and not place.logs:
            judged.append(Judged(False, f"{place.context}: no log is configured", place.source))
        elif place.visited:
            best = _best(_log_holds(log, vhost, wanted, sites) for log in place.logs)
            judged.append(Judged(best.good, f"{place.context}: {best.why}", best.source))
    if "client_ip" in wanted:
        good, why = client_held(vhost, trusted)
        judged += [] if good else [Judged(good, why, vhost.source)]
    return _worst(judged) if judged else Judged(True, "no visitor can be answered here", vhost.source)


def query_configured(vhost: VirtualHost) -> Judged:
    """Whether no log of a virtual host holds query strings."""
    judged = []
    for log in vhost.logs:
        if log.kind != OFF:
            held = QUERY in log.fields or (None if QUERY in log.unclear else False)
            judged.append(Judged(None if held is None else not held, _query_words(log, held), log.directive.source))
    return _worst(judged) if judged else Judged(True, "nothing is logged", vhost.source)


def _query_words(log: AccessLog, held: bool | None) -> str:
    if held is None:
        return "it cannot be told from the configuration whether the log holds query strings"
    if held and not re.search(r"\$request\b|\$request_uri\b|args|query|%r|%q", log.format_text):
        return "the log holds query strings, with the pages that visitors came from (referer)"
    return "the log holds query strings" if held else "the log holds no query string"


# -- judging what was observed -----------------------------------------------------------------------------------------


def _unseen(probed: Probed | None, question: Question, server: WebServer) -> str:
    """Why nothing was observed, '' if something was."""
    if not question.probe:
        return "probes are switched off (audit_probe)"
    if not server.pid:
        return f"{server.name} does not run"
    return probed.unseen if probed else "it was not asked"


def fields_observed(
    vhost: VirtualHost, probed: Probed, wanted: Sequence[str], sites: Sites
) -> tuple[Layer, bool]:
    """The layer of marked requests, and whether lines are being held back in a buffer."""
    seen = [_request_observed(vhost, traces, wanted, sites) for traces in _by_request(probed)]
    held_back = any(layer.good is None and "buffer" in layer.seen for layer in seen)
    bad = [layer for layer in seen if layer.good is False]
    unclear = [layer for layer in seen if layer.good is None]
    return (bad or unclear or seen)[0], held_back


def _by_request(probed: Probed) -> list[list[Trace]]:
    grouped: dict[str, list[Trace]] = {}
    for trace in probed.traces:
        grouped.setdefault(trace.request.mark, []).append(trace)
    return list(grouped.values())


def _request_observed(vhost: VirtualHost, traces: Sequence[Trace], wanted: Sequence[str], sites: Sites) -> Layer:
    """What one marked request left in the logs that must hold it."""
    layers = [_trace_observed(vhost, trace, wanted, sites) for trace in traces]
    for good in (True, None, False):
        for layer in layers:
            if layer.good is good:
                return layer
    raise AssertionError("a marked request without a log")


def _trace_observed(vhost: VirtualHost, trace: Trace, wanted: Sequence[str], sites: Sites) -> Layer:
    log, request = trace.log, trace.request
    source = log.path
    if trace.unseen:
        return Layer(OBSERVED, None, trace.unseen, source)
    if not trace.lines:
        return Layer(OBSERVED, _absent(log), _absence(log), source)
    seen = set(shown(trace, trace.lines[-1]))
    if log.host_names != ASKED and domain_held(log, vhost, sites) is not False:
        seen.add("domain")
    looked_for = [name for name in wanted if name not in ("time", "referer")]
    missing = [name for name in looked_for if name not in seen]
    if "domain" in missing and log.host_names == OWN and domain_held(log, vhost, sites) is None:
        missing.remove("domain")
    family = "IPv6" if ":" in request.source else "IPv4"
    if missing:
        forged = "client_ip" in missing and request.expected == request.source and "192.0.2.201" in trace.lines[-1]
        why = "; a forged address was believed" if forged else ""
        return Layer(OBSERVED, False, f"the line of a marked request lacks {', '.join(missing)}{why}", source)
    return Layer(OBSERVED, True, f"a marked request over {family} appeared with {', '.join(looked_for)}", source)


def _absent(log: AccessLog) -> bool | None:
    """What it means that no line appeared in a log."""
    held_back = log.flush_s > FLUSH_S or log.condition or not log.fields & {"path", "user_agent", QUERY}
    return None if held_back else False


def _absence(log: AccessLog) -> str:
    if log.flush_s > FLUSH_S:
        wait = "it is full" if log.flush_s == math.inf else f"up to {log.flush_s:.0f} s have passed"
        return f"the log is written when {wait} (buffer), so that the line of a marked request was not awaited"
    if log.condition:
        return f"a marked request was left out by the condition {log.condition}"
    if _absent(log) is None:
        return "lines of this format cannot be told apart"
    return "no line of a marked request appeared"


def query_observed(probed: Probed) -> Layer:
    """Whether the query string of a marked request stands in a log."""
    for trace in probed.traces:
        if any(QUERY in shown(trace, line) for line in trace.lines):
            return Layer(OBSERVED, False, "the query string of a marked request stands in the log", trace.log.path)
    lines = [trace for trace in probed.traces if trace.lines]
    if not lines:
        return Layer(OBSERVED, None, "no line of a marked request appeared")
    return Layer(OBSERVED, True, "a marked request appeared without its query string", lines[0].log.path)


# -- checks ------------------------------------------------------------------------------------------------------------


def _check_fields(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Every request of every virtual host is logged with the fields."""
    wanted = question.settings["fields"]
    trusted = question.settings["trusted_proxies"]
    sites = Sites(web_servers(host))

    def judge(vhost: VirtualHost) -> Judged:
        return fields_configured(vhost, wanted, sites, trusted)

    def observe(vhost: VirtualHost, probed: Probed) -> tuple[Layer, bool]:
        return fields_observed(vhost, probed, wanted, sites)

    expected = f"every request is logged with {', '.join(wanted)}"
    yield from _each(host, question, option, expected, judge, observe)


def _check_query(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """No log holds query strings, where that is promised."""
    if question.settings["query_string"] == "logged":
        for _server, vhost in _subjects(host, question):
            yield _finding(
                option, _subject(vhost), PASS, proof=CONFIGURED, source=vhost.source,
                expected="query strings may be logged", observed=query_configured(vhost).why,
            )  # fmt: skip
        yield from _whole(host, question, option)
        return

    def observe(vhost: VirtualHost, probed: Probed) -> tuple[Layer, bool]:
        return query_observed(probed), False

    yield from _each(host, question, option, "no query string is logged", query_configured, observe)


def _each(
    host: Host,
    question: Question,
    option: str,
    expected: str,
    judge: Callable[[VirtualHost], Judged],
    observe: Callable[[VirtualHost, Probed], tuple[Layer, bool]],
) -> Iterator[Finding]:
    """One finding for each virtual host that a promise speaks of, and what stands in the way of the whole."""
    servers = web_servers(host)
    probed: Mapping[VirtualHost, Probed] = probe(host, servers) if question.probe else {}
    for server, vhost in _subjects(host, question):
        judged = judge(vhost)
        layers = [Layer(CONFIGURED, judged.good, judged.why, judged.source), server.running]
        why = _unseen(probed.get(vhost), question, server)
        held_back = False
        if why:
            layers.append(Layer(OBSERVED, None, why))
        else:
            layer, held_back = observe(vhost, probed[vhost])
            layers.append(layer)
        yield _weighed(option, expected, server, vhost, layers, held_back)
    yield from _whole(host, question, option)


def _weighed(
    option: str, expected: str, server: WebServer, vhost: VirtualHost, layers: Sequence[Layer], held_back: bool
) -> Finding:
    configured, running, _observed = layers
    status, proof, seen, source = weigh(layers)
    if status == PASS and (configured.good is None or held_back or (server.pid and running.good is None)):
        # what was seen is good, but it does not stand for all: other places, other requests, what was loaded
        told = [layer.seen for layer in layers if layer.good is None]
        status, proof, seen = ERROR, "", "; ".join(told)
    return _finding(
        option, _subject(vhost), status, proof=proof, expected=expected, observed=seen,
        source=source or configured.source, remedy=_remedy(status, server, running, held_back),
    )  # fmt: skip


def _remedy(status: str, server: WebServer, running: Layer, held_back: bool) -> str:
    if status == PASS:
        return ""
    if status == ERROR and server.pid and running.good is None:
        return f"Reload {server.name}, so that what runs is what the files say."
    if status == ERROR and held_back:
        return f"Let the log be written within {FLUSH_S:.0f} seconds (flush=5s), or without a buffer."
    return "Change the line that is named, or name the site in web_log_sites and run harden --tags web_log."


def _subject(vhost: VirtualHost) -> str:
    """A virtual host as the report names it: with its ports, for one name often has two."""
    ports = sorted({str(listen.port) for listen in vhost.listens}, key=len)
    return f"{vhost.label} ({vhost.server}{', port ' + ' and '.join(ports) if ports else ''})"


CHECKS = (
    Check("fields", ("fields",), _check_fields),
    Check("query_string", ("query_string",), _check_query),
)

MEASURE = Measure(
    name="web_log",
    title={"en": "What the web server records", "nl": "Wat de webserver vastlegt"},
    why={
        "en": "The record of page views is what a data leak is investigated with. What is missing from it cannot be "
        "found again; what it holds too much of can itself leak.",
        "nl": "Met het overzicht van paginaweergaven wordt een datalek onderzocht. Wat daarin ontbreekt, is later niet "
        "meer te vinden; wat er te veel in staat, kan zelf uitlekken.",
    },
    options=OPTIONS,
    checks=CHECKS,
)
