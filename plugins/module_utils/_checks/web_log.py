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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .._finding import CONFIGURED, ERROR, FAIL, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host
from .._measure import Check, Question
from .._services.virtualhost import (
    ASKED,
    FIELDS,
    FILE,
    OFF,
    OWN,
    PIPE,
    QUERY,
    REWRITTEN,
    STREAM,
    SYSLOG,
    AccessLog,
    VirtualHost,
    WebServer,
)
from .._services.web import web_servers
from .._services.web_probe import FLUSH_S, Probed, Trace, probe, shown
from ._sites import Judged, best, plain, subject, subjects, whole, worst

# -- findings ---------------------------------------------------------------------------------------------------------


def _finding(
    option: str, about: str, status: str, *, observed: str, expected: str, source: str, proof: str = "",
    remedy: str = "", check: str = "",
) -> Finding:  # fmt: skip
    texts = (plain(text) for text in (about, expected, observed, source, remedy))
    about, expected, observed, source, remedy = texts
    return Finding("web_log", check or option, option, about, status, proof, expected, observed, source, remedy)


# -- judging what is configured ----------------------------------------------------------------------------------------


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
    host that is declared the default, or has no name, takes requests for any: nobody knows by which it was visited.
    """
    if log.host_names == ASKED and "domain" in log.fields:
        return True
    if log.host_names != OWN and not sites.alone(log):
        return None if "domain" in log.unclear else False
    names = bare_names(vhost) - {"", "_"}
    takes_any = any(listen.declared or (listen.default and not names) for listen in vhost.listens)
    if len(names) > 1 or any(re.search(r"[*~]|^\.", name) for name in names):
        return False
    return None if takes_any else bool(names)


def believed(vhost: VirtualHost, trusted: Sequence[str]) -> Judged:
    """Whether a virtual host believes exactly the named proxies about the visitor's address."""
    named = [_network(text) for text in trusted]
    networks = []
    for trust in vhost.trusts:
        try:
            networks += [(_network(trust.network), trust)] if trust.network != "unix:" else []
        except ValueError:
            why = "it believes a proxy that is not named by an address"
            return Judged(None, why, trust.source, f"{trust.source}: write the proxy's address.")
    others = [(network, trust) for network, trust in networks if not network.is_loopback]
    for network, trust in others:
        if network.prefixlen == 0:
            why = f"{vhost.claims} is believed from everybody ({network}), so that any visitor can forge an address"
            return Judged(False, why, trust.source, f"{trust.source}: write {_trusting(vhost, trusted)}.")
        if not _within(network, named):
            told = "does not name" if named else "names nobody of"
            why = f"{vhost.claims} is believed from addresses that web_log_trusted_proxies {told}"
            mend = f"{trust.source}: write {_trusting(vhost, trusted)}, or name the proxy in web_log_trusted_proxies."
            return Judged(False if named else None, why, trust.source, mend)
    if any(not _within(network, [own for own, _trust in networks]) for network in named):
        why = "the front proxy is not believed, so that the proxy's address is logged as the visitor's"
        return Judged(False, why, vhost.source, f"{vhost.source}: add {_trusting(vhost, trusted)}.")
    why = "exactly the named proxies are believed" if named else "only the connection's own address is believed"
    return Judged(True, why, others[0][1].source if others else vhost.source)


def _trusting(vhost: VirtualHost, trusted: Sequence[str]) -> str:
    """The lines that make a virtual host believe exactly the named proxies."""
    header = vhost.claims or "X-Forwarded-For"
    proxies = trusted or ["ADDRESS-OF-THE-PROXY"]
    if vhost.server == "nginx":
        return f"'{' '.join(f'set_real_ip_from {proxy};' for proxy in proxies)} real_ip_header {header};'"
    return f"'RemoteIPHeader {header}' and 'RemoteIPTrustedProxy {' '.join(proxies)}'"


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
    words = " ".join([log.directive.name, *log.directive.args])
    if log.kind == OFF:
        return Judged(False, f"requests are not logged ({words})", source, f"{source}: remove '{words}'.")
    if log.kind == PIPE and not log.path:
        return Judged(None, "the log goes to a program of which we do not know what it keeps", source)
    held = {name: name in log.fields or (None if name in log.unclear else False) for name in wanted}
    if REWRITTEN in log.fields and held.get("path") is False:
        held["path"] = None if vhost.rewrites else True
    if "domain" in held:
        held["domain"] = domain_held(log, vhost, sites)
    missing = [name for name, there in held.items() if there is False]
    unclear = [name for name, there in held.items() if there is None]
    line = _line(log, vhost, wanted)
    if missing:
        return Judged(False, f"the log does not hold {', '.join(missing)}", source, line)
    if log.always is False:
        mend = f"{source}: remove '{log.condition}'."
        return Judged(False, f"not every request is logged (condition {log.condition})", source, mend)
    if unclear or log.always is None:
        why = f"whether the log holds {', '.join(unclear)}" if unclear else f"which requests {log.condition} leaves out"
        mend = line if unclear else f"{source}: remove '{log.condition}'."
        return Judged(None, f"it cannot be told from the configuration {why}", source, mend)
    if log.kind in (SYSLOG, STREAM):
        where = "syslog" if log.kind == SYSLOG else log.path or "the service's own output"
        return Judged(None, f"the log goes to {where}, and what is kept of it there was not looked at", source)
    return Judged(True, f"the log holds {', '.join(wanted)}", source)


# what holds a field, and no query string
_ITEMS = {
    "nginx": {
        "domain": "$host",
        "client_ip": "$remote_addr",
        "time": "[$time_iso8601]",
        "method": "$request_method",
        "path": "$path_asked",
        "status": "$status",
        "user_agent": '"$http_user_agent"',
        "referer": '"$http_referer"',
    },
    "apache": {
        "domain": "%V",
        "client_ip": "%a",
        "time": "%t",
        "method": "%m",
        "path": "%U",
        "status": "%>s",
        "user_agent": r"\"%{User-Agent}i\"",
        "referer": r"\"%{Referer}i\"",
    },
}
_PATH_ASKED = "map $request_uri $path_asked { ~^(?<path_alone>[^?]*) $path_alone; }"


def _line(log: AccessLog, vhost: VirtualHost, wanted: Iterable[str]) -> str:
    """The line that makes a log hold what is wanted."""
    items = _ITEMS[vhost.server]
    text = " ".join(items[name] for name in items if name in {*wanted, *FIELDS[:5]})
    target = _shown_target(log.directive.args[0] if log.directive.name != "http" else log.path)
    at = log.directive.source
    if vhost.server == "nginx":
        where = f"{at}: write" if log.directive.name != "http" else f"{at}: add"
        return (
            f"{where} 'access_log {target} visits;', and in http {{}} "
            f"'{_PATH_ASKED} log_format visits '{text}';' (or name the site in web_log_sites and harden)."
        )
    name = "GlobalLog" if log.directive.name.lower() == "globallog" else "CustomLog"
    return f"{at}: write '{name} {target} \"{text}\"' (or name the site in web_log_sites and harden)."


def _shown_target(target: str) -> str:
    """Where a log goes; of a program its name alone, for its arguments may hold a token."""
    if not target.startswith("|"):
        return target
    program, *arguments = target.split()
    return f'"{program} …"' if arguments else f'"{program}"'


def fields_configured(vhost: VirtualHost, wanted: Sequence[str], sites: Sites) -> Judged:
    """Whether, in every place of a virtual host, some log holds all that is wanted of every request."""
    judged = []
    for place in vhost.places:
        if place.visited and not place.logs:
            judged.append(Judged(False, f"{place.context}: no log is configured", place.source))
        elif place.visited:
            held = best([_log_holds(log, vhost, wanted, sites) for log in place.logs])
            judged.append(replace(held, why=f"{place.context}: {held.why}"))
    return worst(judged) if judged else Judged(True, "no visitor can be answered here", vhost.source)


def query_configured(vhost: VirtualHost) -> Judged:
    """Whether no log of a virtual host holds query strings."""
    judged = []
    for log in vhost.logs:
        if log.kind != OFF:
            held = QUERY in log.fields or (None if QUERY in log.unclear else False)
            mend = _line(log, vhost, log.fields - {QUERY, REWRITTEN, "referer"}) if held is not False else ""
            why = _query_words(log, held)
            judged.append(Judged(None if held is None else not held, why, log.directive.source, mend))
    return worst(judged) if judged else Judged(True, "nothing is logged", vhost.source)


def _query_words(log: AccessLog, held: bool | None) -> str:
    if not held:
        unclear = "it cannot be told from the configuration whether the log holds query strings"
        return "the log holds no query string" if held is False else unclear
    items = _QUERY_ITEM.findall(log.format_text)
    referer = re.search("(?i)referer", " ".join(items))
    hint = "; the page that a visitor came from has one too" if referer else ""
    return f"the log holds query strings ({', '.join(dict.fromkeys(items)) or log.format_name}{hint})"


# the parts of nginx's and Apache's formats that hold a query string
_QUERY_ITEM = re.compile(
    r"(?i)(\$(?:request|request_uri|args|query_string|arg_\w+|http_referer)\b|%[<>]?(?:r|q)\b|%\{referer\}i)"
)


# -- judging what was observed -----------------------------------------------------------------------------------------


def fields_observed(vhost: VirtualHost, probed: Probed, wanted: Sequence[str], sites: Sites) -> list[Layer]:
    """What each marked request left in the logs that must hold it."""
    return [_request_observed(vhost, traces, wanted, sites) for traces in _by_request(probed)]


def _by_request(probed: Probed) -> list[list[Trace]]:
    grouped: dict[str, list[Trace]] = {}
    for trace in probed.traces:
        grouped.setdefault(trace.request.mark, []).append(trace)
    return list(grouped.values())


def _request_observed(vhost: VirtualHost, traces: Sequence[Trace], wanted: Sequence[str], sites: Sites) -> Layer:
    """What one marked request left in the logs that must hold it."""
    layers = [_trace_observed(vhost, trace, wanted, sites) for trace in traces]
    return next(layer for good in (True, None, False) for layer in layers if layer.good is good)


def _trace_observed(vhost: VirtualHost, trace: Trace, wanted: Sequence[str], sites: Sites) -> Layer:
    log, request = trace.log, trace.request
    source = log.path
    if trace.unseen:
        return Layer(OBSERVED, None, trace.unseen, source)
    if not trace.lines:
        return Layer(OBSERVED, _absent(log), _absence(log), source)
    seen = set(shown(trace, trace.lines[-1]))
    by_file = re.search(r"\$\{?\w", log.path) and "host" not in log.format_text  # the name is the file's
    if domain_held(log, vhost, sites) is not False and (log.host_names != ASKED or by_file):
        seen.add("domain")
    looked_for = [name for name in wanted if name not in ("time", "referer")]
    seen_too = f" with {', '.join(looked_for)}" if looked_for else ""
    missing = [name for name in looked_for if name not in seen]
    if "domain" in missing and log.host_names == OWN and domain_held(log, vhost, sites) is None:
        missing.remove("domain")
    family = "IPv6" if ":" in request.source else "IPv4"
    if missing:
        forged = "client_ip" in missing and request.expected == request.source and "192.0.2.201" in trace.lines[-1]
        why = "; a forged address was believed" if forged else ""
        return Layer(OBSERVED, False, f"the line of a marked request lacks {', '.join(missing)}{why}", source)
    return Layer(OBSERVED, True, f"a marked request over {family} appeared{seen_too}", source)


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


def query_observed(probed: Probed) -> list[Layer]:
    """Whether the query strings of marked requests stand in a log."""
    return [_query_of(trace) for trace in probed.traces]


def _query_of(trace: Trace) -> Layer:
    if not trace.lines:
        return Layer(OBSERVED, None, trace.unseen or _absence(trace.log), trace.log.path)
    if any(QUERY in shown(trace, line) for line in trace.lines):
        return Layer(OBSERVED, False, "the query string of a marked request stands in the log", trace.log.path)
    return Layer(OBSERVED, True, "a marked request appeared without its query string", trace.log.path)


# -- checks ------------------------------------------------------------------------------------------------------------


def check_fields(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether every request of every virtual host is logged with the fields, as configured and loaded."""
    wanted, sites = question.settings["fields"], Sites(web_servers(host))
    for server, vhost in subjects(host, question):
        judged = fields_configured(vhost, wanted, sites)
        expected = f"every request is logged with {', '.join(wanted)}"
        yield _configured("fields", option, expected, server, vhost, judged, _unprobed(host, question, server, vhost))
    yield from whole(host, question, option, _finding, attest="logs")


def check_query_string(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether no log holds query strings, as configured and loaded."""
    allowed = question.settings["query_string"] == "logged"
    expected = "query strings may be logged" if allowed else "no query string is logged"
    for server, vhost in subjects(host, question):
        judged = query_configured(vhost)
        judged = Judged(True, judged.why, judged.source) if allowed else judged
        unprobed = _unprobed(host, question, server, vhost)
        yield _configured("query_string", option, expected, server, vhost, judged, unprobed)
    yield from whole(host, question, option, _finding, attest="logs")


def check_client_address(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the logged address is the visitor's own: front proxies are believed, and nobody else is."""
    trusted = question.settings["trusted_proxies"]
    if "client_ip" not in question.settings["fields"]:
        return
    servers = web_servers(host)
    anybody = any(vhost.trusts for server in servers for vhost in server.vhosts)
    sites = Sites(servers)
    expected = "the visitor's address is believed from the named front proxies, and from nobody else"
    for server, vhost in subjects(host, question):
        if not vhost.trusts and not trusted:
            unnamed = _asked_by_few(host, vhost, sites)
            if unnamed:
                yield _configured("client_address", option, expected, server, vhost, unnamed, "")
            continue  # visitors come directly
        judged = believed(vhost, trusted)
        if trusted and not vhost.trusts:
            judged = _asked_by_proxy(host, vhost, trusted, sites, anybody, judged)
        yield _configured("client_address", option, expected, server, vhost, judged, "")


def check_probe(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether marked requests appear in the logs as promised."""
    if not question.probe or (option == "query_string" and question.settings["query_string"] == "logged"):
        return
    wanted, sites = question.settings["fields"], Sites(web_servers(host))
    expected = {
        "fields": f"a marked request appears in the log with {', '.join(wanted)}",
        "query_string": "a marked request appears in the log without its query string",
    }[option]
    for _server, vhost in subjects(host, question):
        probed = _probed(host, vhost)
        if probed.unseen:
            continue
        layers = query_observed(probed) if option == "query_string" else fields_observed(vhost, probed, wanted, sites)
        yield from _observed(option, expected, vhost, layers)


def _probed(host: Host, vhost: VirtualHost) -> Probed:
    return probe(host, web_servers(host)).get(vhost, Probed(unseen="the server does not run"))


def _unprobed(host: Host, question: Question, server: WebServer, vhost: VirtualHost) -> str:
    """Why no marked request shows what a virtual host does, '' where one does."""
    if not question.probe:
        return "probes are switched off (audit_probe)"
    return _probed(host, vhost).unseen


def _configured(
    check: str,
    option: str,
    expected: str,
    server: WebServer,
    vhost: VirtualHost,
    judged: Judged,
    unprobed: str,
) -> Finding:
    """The finding of what is configured, and of whether that is what runs."""
    layers = [Layer(CONFIGURED, judged.good, judged.why, judged.source), server.running]
    layers += [Layer(OBSERVED, None, unprobed)] if unprobed else []
    status, proof, seen, _source = weigh(layers)
    remedy = judged.mend
    if status == PASS and (judged.good is None or (server.pid and server.running.good is None)):
        # nothing bad was seen, but what is in effect everywhere was not seen either
        status, proof = ERROR, ""
        seen = "; ".join(layer.seen for layer in layers[:2] if layer.good is None)
        if judged.good:
            remedy = f"Reload {server.name}, so that what runs is what the files say."
    return _finding(
        option, subject(vhost), status, check=check, proof=proof, expected=expected, observed=seen,
        source=judged.source, remedy="" if status == PASS else remedy,
    )  # fmt: skip


def _observed(option: str, expected: str, vhost: VirtualHost, layers: Sequence[Layer]) -> Iterator[Finding]:
    """One finding of all marked requests to a virtual host; none where no line could be expected."""
    told = [layer for good in (False, None, True) for layer in layers if layer.good is good]
    if not told:
        return
    worst = told[0]
    status = {False: FAIL, None: ERROR, True: PASS}[worst.good]
    seen = "; ".join(dict.fromkeys(layer.seen for layer in told if layer.good is worst.good))
    buffered = f"Let the log be written within {FLUSH_S:.0f} seconds (flush=5s), or without a buffer."
    remedies = {
        FAIL: "See whether the server was reloaded since its files changed, and whether it can write the log.",
        ERROR: buffered if "(buffer)" in seen else "See why no line of the request is there, and audit again.",
        PASS: "",
    }
    yield _finding(
        option, subject(vhost), status, check="probe", proof="" if status == ERROR else OBSERVED, expected=expected,
        observed=seen, source=worst.source, remedy=remedies[status],
    )  # fmt: skip


def _asked_by_proxy(
    host: Host, vhost: VirtualHost, trusted: Sequence[str], sites: Sites, anybody: bool, judged: Judged
) -> Judged:
    """Whether a named front proxy asks a virtual host that believes nobody: its address then stands in the log.

    anybody: whether another virtual host believes a proxy; where none does, a line need not name its site to count.
    """
    named = [_network(text) for text in trusted]
    lines = seen = 0
    for log in vhost.logs:
        if log.kind != FILE or log.pattern != log.path:
            continue
        tail = _tail(host, log.path)
        lines += len(tail)
        from_proxy = [line for line in tail if _speaks_for(line, named)]
        if anybody and from_proxy and not sites.alone(log):
            if log.host_names != ASKED:
                why = "a front proxy's address stands in a log of several sites, and its lines do not name them"
                return Judged(None, why, log.path, judged.mend)
            from_proxy = [line for line in from_proxy if any(name.lower() in line.lower() for name in vhost.names)]
        seen += len(from_proxy)
    if seen:
        why = f"a front proxy's address stands in {seen} of the last {lines} lines as the visitor's"
        return replace(judged, why=f"{judged.why}: {why}")
    if not lines and not anybody:
        return Judged(None, "the front proxy is not believed; whether it asks cannot be told yet", vhost.source)
    none = f"stands in none of the last {lines} lines" if lines else "stands in no line yet"
    why = f"nobody is believed, and a front proxy's address {none}"
    return Judged(True, why, vhost.source)


def _asked_by_few(host: Host, vhost: VirtualHost, sites: Sites) -> Judged | None:
    """A doubt whether visitors come directly, though no front proxy is named: by the addresses of the newest lines."""
    for log in vhost.logs:
        if log.kind != FILE or log.pattern != log.path or "client_ip" not in log.fields:
            continue
        lines = _tail(host, log.path, _GLANCE_BYTES)
        if log.host_names == ASKED and not sites.alone(log):
            lines = [line for line in lines if any(name.lower() in line.lower() for name in vhost.names)]
        doubt = _of_a_proxy(lines) if len(lines) >= _ENOUGH_LINES else ""
        if doubt:
            why = f"{doubt}: whether these are visitors or a front proxy cannot be told"
            mend = "Name the front proxy in web_log_trusted_proxies, and let the virtual host believe it."
            return Judged(None, why, log.path, mend)
    return None


def _of_a_proxy(lines: Sequence[str]) -> str:
    """What makes it likely that a front proxy asks for visitors, '' where nothing does."""
    firsts = (next(filter(_is_address, _ADDRESS.findall(line)), "") for line in lines)
    told = Counter(first for first in firsts if first)
    different = len(told)
    inner = _of_networks(told, _INNER)
    if inner >= 0.9 * len(lines):
        many = "all" if inner == len(lines) else str(inner)
        return f"{many} of the last {len(lines)} lines hold one of {different} addresses, of an inner network"
    delivery = _of_networks(told, _CLOUDFLARE)
    if delivery > 0.5 * len(lines):
        return f"{delivery} of the last {len(lines)} lines hold an address of Cloudflare's"
    browsers = {quoted[-1] for quoted in map(_QUOTED.findall, lines) if quoted}
    few = different <= _FEW_ADDRESSES and sum(told.values()) == len(lines) >= _MANY_LINES
    if few and len(browsers) >= _MANY_BROWSERS:
        return f"all of the last {len(lines)} lines hold one of {different} addresses, with {len(browsers)} browsers"
    return ""


def _of_networks(told: Mapping[str, int], networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> int:
    """How many of the lines, counted by their addresses, are of these networks."""
    return sum(count for word, count in told.items() if _within(_network(word), networks))


# addresses that no visitor from the internet has: RFC 1918, 6598, 4193, 4291, 1122
_INNER_IPV4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")
_INNER = [_network(text) for text in (*_INNER_IPV4, "fc00::/7", "fe80::/10", "::1")]
# https://www.cloudflare.com/ips/
_CLOUDFLARE_IPV4 = (
    *("103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "104.16.0.0/13", "104.24.0.0/14", "108.162.192.0/18"),
    *("131.0.72.0/22", "141.101.64.0/18", "162.158.0.0/15", "172.64.0.0/13", "173.245.48.0/20", "188.114.96.0/20"),
    *("190.93.240.0/20", "197.234.240.0/22", "198.41.128.0/17"),
)
_CLOUDFLARE_IPV6 = (
    *("2400:cb00::/32", "2405:8100::/32", "2405:b500::/32", "2606:4700::/32", "2803:f800::/32", "2a06:98c0::/29"),
    "2c0f:f248::/32",
)
_CLOUDFLARE = [_network(text) for text in (*_CLOUDFLARE_IPV4, *_CLOUDFLARE_IPV6)]
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ENOUGH_LINES, _MANY_LINES, _FEW_ADDRESSES, _MANY_BROWSERS, _GLANCE_BYTES = 20, 50, 2, 8, 1 << 14


def _speaks_for(line: str, named: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    """Whether a line holds an address of the front proxies."""
    return any(_is_address(word) and _within(_network(word), named) for word in _ADDRESS.findall(line))


_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:]+)(?![\w.:])")
_TAIL_BYTES = 1 << 18


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _tail(host: Host, path: str, size: int = _TAIL_BYTES) -> list[str]:
    """The last lines of a log but those of our own requests; none where it is not there. Raises Unseen."""

    def read() -> list[str]:
        seen = host.stat(path)
        if seen is None:
            return []
        with host.open(path) as stream:
            stream.seek(max(0, seen.st_size - size))
            lines = stream.read(size).decode("utf-8", "replace").splitlines()[1 if seen.st_size > size else 0 :]
        return [line for line in lines if "privacy-hosting" not in line and "privacy.hosting" not in line]

    return host.once(("tail", path, size), read)


CHECKS = (
    Check("fields", ("fields",), check_fields),
    Check("client_address", ("fields",), check_client_address),
    Check("query_string", ("query_string",), check_query_string),
    Check("probe", ("fields", "query_string"), check_probe),
)
