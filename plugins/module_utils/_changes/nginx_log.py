# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_log changes in nginx.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from .._change import Transaction, Validation
from .._host import Host
from .._services.virtualhost import FILE, OFF, Directive, WebServer
from .edits import Edits, unit, words
from .log_edits import FORMAT, HEADER, Fault, Wanted, faults, left_alone

_DEFAULT_LOG = "/var/log/nginx/access.log"
_WITHOUT_QUERY = """# What a visitor asked for, and where they came from, without what follows a question mark.
map $request_uri $privacy_hosting_path {
    "" "-";
    "~^(?<privacy_hosting_path_asked>[^?]*)" $privacy_hosting_path_asked;
}
map $http_referer $privacy_hosting_referer {
    "" "-";
    "~^(?<privacy_hosting_referer_told>[^?]*)" $privacy_hosting_referer_told;
}
"""
_LINE = """log_format {name} '$host $remote_addr - $remote_user [$time_local] "{request}" '
    '$status $body_bytes_sent "{referer}" "$http_user_agent"';
"""


def plan(host: Host, transaction: Transaction, server: WebServer, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for one nginx. Yields what an administrator must know."""
    yield from server.problems
    http = next((directive for directive in server.config if directive.name == "http"), None)
    if http is None:
        return
    main = server.files[0]
    own = os.path.join(os.path.dirname(main), "privacy-hosting.conf")
    edits = Edits(host, transaction)
    included = own in server.files
    edited = False
    shared = {(entry.file, entry.start) for entry in http.block or () if entry.name == "access_log"}
    shared.add((http.file, http.start))  # nginx's own log, where no directive sets any
    additions = [] if included else [f"include {own};"]
    for fault in faults(server, wanted):
        at = (fault.log.directive.file, fault.log.directive.start)
        why_not = "" if at in shared else left_alone(fault, wanted)
        raw = edits.text_of(fault.log.directive)
        if why_not or not raw:
            yield why_not or f"{fault.log.directive.source}: {fault.why}, and it cannot be edited; do it by hand"
            continue
        edited = True
        if fault.log.directive.name == "http":
            additions.append(f"access_log {fault.log.path} {FORMAT};")
        else:
            entry = fault.log.directive
            edits.replace(entry.file, entry.start, entry.end, _entry(raw, fault))
    yield from _overruled(server, wanted)
    if not (edited or included or wanted.proxies):
        return
    transaction.write(own, _own_file(http, own, wanted), 0o644)
    if additions:
        _insert(edits, http, additions)
    edits.make()
    transaction.validations.append(Validation(("nginx", "-t", "-q", "-c", main)))
    reloaded = unit(host, server, "nginx")
    if reloaded:
        transaction.reloads.append(reloaded)
    else:
        yield f"process {server.pid} runs outside of systemd's services; reload it by hand"


def _insert(edits: Edits, http: Directive, lines: list[str]) -> None:
    """Lines at the beginning of the http block, before whatever uses what they define."""
    inner = next(iter(http.block or ()), None)
    indent = "\t" if inner is None or inner.file != http.file else _indent(edits, http)
    edits.replace(http.file, http.inside, http.inside, "".join(f"\n{indent}{line}" for line in lines))


def _indent(edits: Edits, http: Directive) -> str:
    found = re.search(r"\n([ \t]+)\w", edits.text_of(http))
    return found.group(1) if found else "\t"


def _entry(raw: str, fault: Fault) -> str:
    """The access_log directive as it must be: everything else about it is kept."""
    if fault.log.kind == OFF:
        logs = [log for vhost in fault.vhosts for log in vhost.logs if log.kind == FILE and "$" not in log.path]
        return f"access_log {logs[0].path if logs else _DEFAULT_LOG} {FORMAT};"
    name, target, *rest = words(raw)
    options = [word for word in rest if re.match(r"(buffer|flush|gzip|if)\b", word)]
    if fault.log.always is not True:
        options = [word for word in options if not word.startswith("if=")]
    return " ".join([name, target, FORMAT, *options]) + ";"


def _own_file(http: Directive, own: str, wanted: Wanted) -> str:
    """Our own file: the format, and whom to believe about visitors' addresses."""
    request, referer = "$request_method $privacy_hosting_path $server_protocol", "$privacy_hosting_referer"
    if wanted.query:
        request, referer = "$request", "$http_referer"
    maps = "" if wanted.query else _WITHOUT_QUERY
    return HEADER + maps + _LINE.format(name=FORMAT, request=request, referer=referer) + _believed(http, own, wanted)


def _believed(http: Directive, own: str, wanted: Wanted) -> str:
    others = [entry for entry in http.block or () if entry.file != own]
    known = {word for entry in others if entry.name == "set_real_ip_from" for word in entry.args}
    missing = [network for network in wanted.proxies if network not in known and _single(network) not in known]
    if not missing:
        return ""
    lines = [f"set_real_ip_from {network};" for network in missing]
    for name, value in (("real_ip_header", "X-Forwarded-For"), ("real_ip_recursive", "on")):
        if not any(entry.name == name for entry in others):
            lines.append(f"{name} {value};")
    return "# The visitor's address, as these proxies tell it.\n" + "\n".join(lines) + "\n"


def _single(network: str) -> str:
    """A network of one address, written as an address."""
    return re.sub(r"/(32|128)$", "", network)


def _overruled(server: WebServer, wanted: Wanted) -> Iterator[str]:
    """Virtual hosts with proxies of their own, which do not inherit ours."""
    for vhost in filter(wanted.means, server.vhosts):
        own = (vhost.directive.block if vhost.directive else ()) or ()
        trusted = {word for entry in own if entry.name == "set_real_ip_from" for word in entry.args}
        missing = [net for net in wanted.proxies if trusted and net not in trusted and _single(net) not in trusted]
        if missing:
            yield f"{vhost.source}: {vhost.label} lists its own proxies; add 'set_real_ip_from {missing[0]};' there"
