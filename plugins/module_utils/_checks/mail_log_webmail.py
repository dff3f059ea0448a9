# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: logins at webmails are recorded with the visitor's address.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Sequence

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, PASS, Finding, Layer, weigh
from .._host import Host
from .._measure import Question
from .._services.mail import strangers
from .._services.mail_sinks import Sender, Sink, of_syslog, own_file
from .._services.virtualhost import covers
from .._services.web import web_servers
from .._services.webmail import Roundcube, Webmail, roundcube, webmails
from ._mail import dovecot_sinks, finding, kept, servers
from ._sites import Judged, worst

EXPECTED = "each login at the webmail, right or wrong, is logged with the user and the visitor's address"
# plugins of Roundcube that tell Dovecot for whom it logs in
_FORWARDING = ("dovecot_client_ip", "dovecot_ident", "privacy_hosting")


def check_webmail(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether logins at every webmail of the host are logged with the visitor's address."""
    if "webmail" not in question.asked.get("logins", ()):
        return
    found = webmails(host)
    for webmail in found:
        if webmail.kind != "Roundcube":
            yield finding(
                "webmail", option, webmail.kind, ERROR, expected=EXPECTED, source=webmail.source,
                observed=f"what {webmail.kind} records of logins is not judged",
                remedy=f"Let {webmail.kind} log logins with the visitor's address, and attest to it.",
            )  # fmt: skip
        else:
            yield _judged(host, question, option, webmail)
    problems = [problem for server in web_servers(host) for problem in server.problems]
    for problem in problems:
        yield finding(
            "webmail", option, "web server", ERROR, expected="the whole configuration can be read", observed=problem,
            source=problem.partition(": ")[0], remedy="Mend what the web server complains of, and reload it.",
        )  # fmt: skip
    if not found and not problems and not any(not one.protocols for one in strangers(host)):
        many = sum(len(server.vhosts) for server in web_servers(host))
        yield finding(
            "webmail", option, "webmail", NOT_APPLICABLE, source="document roots and listening sockets",
            observed=f"no webmail lies in the document roots of {many} virtual hosts",
        )  # fmt: skip


def _judged(host: Host, question: Question, option: str, webmail: Webmail) -> Finding:
    settings = roundcube(host, webmail)
    sinks = {sink.path: sink for sink in _sinks(host, settings)}
    judged = worst([recorded(host, settings), _believed(settings, question.settings["trusted_proxies"])])
    layers = [
        Layer(CONFIGURED, judged.good, judged.why, judged.source),
        _tried(host, question, webmail, settings, sinks),
    ]
    layers += [layer for layer in [_past(host, settings, question.settings["trusted_proxies"])] if layer]
    status, proof, seen, source = weigh(layers)
    if status == PASS and judged.good is None:
        status, proof, seen = ERROR, "", judged.why
    site = next((vhost.label for _server, vhost, _path in webmail.vhosts), "")
    remedy = judged.mend or "See why the login is not logged so, and audit again."
    return finding(
        "webmail", option, f"{webmail.kind} at {site}" if site else webmail.kind, status, proof=proof,
        expected=EXPECTED, observed=seen, source=judged.source if judged.good is not True else source,
        remedy="" if status == PASS else remedy,
    )  # fmt: skip


# -- as configured ----------------------------------------------------------------------------------------------------


def recorded(host: Host, settings: Roundcube) -> Judged:
    """Whether Roundcube, or Dovecot for it, writes down who logs in and from where."""
    source = settings.source("log_logins")
    if "log_logins" in settings.unclear or "log_driver" in settings.unclear:
        return Judged(None, "whether Roundcube logs logins depends on something (log_logins)", source)
    if settings.get("log_logins", "false").lower() == "true":
        judged = kept(_sinks(host, settings))
        return Judged(True, "Roundcube logs logins (log_logins)", source) if judged.good else judged
    if _forwards(host, settings):
        return Judged(True, "Roundcube tells Dovecot the visitor's address", settings.source("plugins"))
    mend = f"{settings.main}: write '$config['log_logins'] = true;'."
    return Judged(
        False, "Roundcube logs no logins (log_logins), and its own address is Dovecot's visitor", source, mend
    )


def _forwards(host: Host, settings: Roundcube) -> bool:
    """Whether Roundcube names the visitor to the host's Dovecot, and Dovecot believes it and logs it."""
    from .mail_log import dovecot_logins

    server, _sender = servers(host)
    plugins = re.findall(r"['\"](\w+)['\"]", settings.get("plugins"))
    if server is None or not set(plugins) & set(_FORWARDING):
        return False
    trusted = server.get("login_trusted_networks")
    return bool(re.search(r"127\.0\.0\.|::1", trusted)) and bool(dovecot_logins(host, server, "imap").good)


def _sinks(host: Host, settings: Roundcube) -> list[Sink]:
    """The places that Roundcube's record of logins goes to."""
    if settings.get("log_logins", "false").lower() != "true":
        server, _sender = servers(host)
        return dovecot_sinks(host, server) if server else []
    driver, source = settings.get("log_driver", "file"), settings.source("log_driver")
    if driver == "syslog":
        facility = settings.get("syslog_facility", "LOG_USER").removeprefix("LOG_").lower()
        units = [os.path.basename(path) for path in host.glob("/usr/lib/systemd/system/php*-fpm.service")]
        unit = units[0] if units else "apache2.service"
        return of_syslog(host, Sender(settings.get("syslog_id", "roundcube"), unit, facility))
    path = settings.log_file
    if driver != "file" or not path:
        return [Sink(driver, None, "where Roundcube's log goes was not understood", source)]
    sink = own_file(host, path, settings.source("log_dir"))
    if sink.good is None and host.stat(os.path.dirname(path)) is not None:
        return [Sink(path, True, f"{path} will hold them", sink.source)]  # it is made at the first login
    return [sink]


def _believed(settings: Roundcube, named: Sequence[str]) -> Judged:
    """Whether Roundcube believes nobody but named proxies about the visitor's address."""
    source = settings.source("proxy_whitelist")
    text = settings.values.get("proxy_whitelist", "[]")
    if "proxy_whitelist" in settings.unclear or not re.fullmatch(r"(\[|array\s*\()[^$()]*(\]|\))", text):
        return Judged(None, "whom Roundcube believes about addresses is not understood (proxy_whitelist)", source)
    for word in re.findall(r"['\"]([^'\"]*)['\"]", text):
        try:
            network = ipaddress.ip_network(word, strict=False)
        except ValueError:
            return Judged(None, "whom Roundcube believes about addresses is not understood (proxy_whitelist)", source)
        inside = [ipaddress.ip_network(one, strict=False) for one in named]
        if not network.is_loopback and not any(
            one.version == network.version and one.supernet_of(network)  # type: ignore[arg-type]
            for one in inside
        ):
            why = "a proxy is believed about addresses (proxy_whitelist) that mail_log_trusted_proxies does not name"
            mend = f"{source}: take it away, or name it in mail_log_trusted_proxies."
            return Judged(False if named else None, why, source, mend)
    return Judged(True, "nobody else is believed about addresses", source)


# -- as seen ----------------------------------------------------------------------------------------------------------


def _tried(host: Host, question: Question, webmail: Webmail, settings: Roundcube, sinks: dict[str, Sink]) -> Layer:
    """What a wrong login in the form left."""
    if not question.probe:
        return Layer(OBSERVED, None, "probes are switched off (audit_probe)")
    own = [*question.own_sites, *question.settings["webmails"]]
    offers = [
        (vhost, site, path)
        for _server, vhost, path in webmail.vhosts
        for site in own
        if any(covers(name, site) for name in vhost.names)
    ]
    offers.sort(key=lambda offer: not any(listen.tls for listen in offer[0].listens))
    if not offers:
        return Layer(OBSERVED, None, "it is neither an own site nor named in mail_log_webmails, so it was not tried")
    from .._services.webmail_probe import try_form

    vhost, site, path = offers[0]
    keeping = {at: sink for at, sink in sinks.items() if sink.good is not False}
    if not keeping:
        return Layer(OBSERVED, None, "its log keeps nothing, so it was not tried")
    told = host.once(("webmail_probe", webmail.directory), lambda: try_form(host, vhost, site, path, keeping))
    where = ", ".join(sink.name for sink in keeping.values())
    if told.unseen:
        return Layer(OBSERVED, None, told.unseen, where)
    seen = {
        "whole": "a wrong login in the form left a line with user and address",
        "user": "the line of a wrong login in the form has another address than the visitor's",
        "": "a wrong login in the form left no line",
    }
    return Layer(OBSERVED, told.line == "whole", seen[told.line], where)


def _past(host: Host, settings: Roundcube, named: Sequence[str]) -> Layer | None:
    """That the newest logins at the webmail seem to come from a front proxy; None where there is no sign of it."""
    path = settings.log_file
    seen = host.stat(path) if named and path else None
    if seen is None:
        return None
    with host.open(path) as stream:
        stream.seek(max(0, seen.st_size - (1 << 18)))
        lines = stream.read(1 << 18).decode("utf-8", "replace").splitlines()
    proxies = [ipaddress.ip_network(one, strict=False) for one in named]
    told = [match.group(1) for line in lines for match in [re.search(r" from ([0-9a-fA-F:.]+)[ (]", line)] if match]
    from_proxy = 0
    for word in told:
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            continue
        from_proxy += any(address.version == one.version and address in one for one in proxies)
    if from_proxy:
        why = f"{from_proxy} of the newest {len(told)} logins have a front proxy's address as the visitor's"
        return Layer(OBSERVED, False, why, path)
    return None
