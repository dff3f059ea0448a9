# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_log changes in Apache, as Debian lays it out.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .._change import Transaction, Validation
from .._host import Host
from .._services.virtualhost import OFF, Directive, WebServer
from .edits import Edits, unit, words
from .log_edits import FORMAT, HEADER, Fault, Wanted, faults, left_alone

ROOT = "/etc/apache2"
OWN = f"{ROOT}/conf-available/privacy-hosting-log.conf"
ENABLED = f"{ROOT}/conf-enabled/privacy-hosting-log.conf"
_DEFAULT_LOG = "${APACHE_LOG_DIR}/other_vhosts_access.log"
_PROXY_ENTRIES = ("remoteipinternalproxy", "remoteiptrustedproxy")

_WITHOUT_QUERY = """# Where visitors came from, without what follows a question mark.
<IfModule mod_setenvif.c>
    SetEnvIf Referer "^([^?]+)" privacy_hosting_referer=$1
</IfModule>
"""
_LINE = r'LogFormat "%V %a %l %u %t \"{request}\" %>s %O \"{referer}\" \"%{{User-Agent}}i\"" {name}' + "\n"


def plan(host: Host, transaction: Transaction, server: WebServer, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for one Apache. Yields what an administrator must know."""
    yield from server.problems
    if not server.files:
        return
    if server.files[0] != f"{ROOT}/apache2.conf" or host.stat(os.path.dirname(ENABLED)) is None:
        yield f"{server.files[0]} is not laid out as Debian does; Apache was left as it is"
        return
    edits = Edits(host, transaction)
    edited = False
    for fault in faults(server, wanted):
        inside = any(_within(fault.log.directive, vhost.directive) for vhost in fault.vhosts)
        why_not = left_alone(fault, wanted) if inside else ""
        raw = edits.text_of(fault.log.directive)
        if why_not or not raw:
            yield why_not or f"{fault.log.directive.source}: {fault.why}, and it cannot be edited; do it by hand"
            continue
        edited = True
        entry = fault.log.directive
        edits.replace(entry.file, entry.start, entry.end, _entry(raw, fault))
    unlogged = [vhost for vhost in server.vhosts if wanted.means(vhost) and not vhost.logs]
    ours = any(entry.file == ENABLED for vhost in server.vhosts for entry in (log.directive for log in vhost.logs))
    if not (edited or unlogged or wanted.proxies or ENABLED in server.files):
        return
    transaction.write(OWN, _own_file(server, wanted, bool(unlogged) or ours), 0o644)
    if wanted.proxies:
        transaction.link(f"{ROOT}/mods-enabled/remoteip.load", "../mods-available/remoteip.load")
    transaction.link(ENABLED, os.path.relpath(OWN, os.path.dirname(ENABLED)))
    edits.make()
    transaction.validations.append(Validation(("apache2ctl", "configtest")))
    reloaded = unit(host, server, "apache2")
    if reloaded:
        transaction.reloads.append(reloaded)
    else:
        yield f"process {server.pid} runs outside of systemd's services; reload it by hand"


def _within(entry: Directive, block: Directive | None) -> bool:
    return block is not None and _holds(block.block or (), entry)


def _holds(directives: Iterable[Directive], entry: Directive) -> bool:
    return any(
        (inner.file, inner.start) == (entry.file, entry.start) or _holds(inner.block or (), entry)
        for inner in directives
    )


def _entry(raw: str, fault: Fault) -> str:
    """The directive as it must be: everything else about it is kept."""
    name, target, *rest = words(raw)
    if fault.log.kind == OFF:
        target = _DEFAULT_LOG
    if name.lower() == "transferlog":
        name = "CustomLog"
    condition = rest[1:] if fault.log.always is True else []
    return " ".join([name, target, FORMAT, *condition])


def _own_file(server: WebServer, wanted: Wanted, log: bool) -> str:
    """Our own file: the format, a log for virtual hosts that have none, and whom to believe."""
    request, referer = "%m %U %H", "%{privacy_hosting_referer}e"
    if wanted.query:
        request, referer = "%r", "%{Referer}i"
    text = HEADER + ("" if wanted.query else _WITHOUT_QUERY)
    text += _LINE.format(name=FORMAT, request=request, referer=referer)
    if log:
        text += f"# For virtual hosts without a log of their own.\nCustomLog {_DEFAULT_LOG} {FORMAT}\n"
    return text + _believed(server, wanted)


def _believed(server: WebServer, wanted: Wanted) -> str:
    others = [entry for entry in server.config if entry.file not in (OWN, ENABLED)]
    known = {word for entry in others if entry.name.lower() in _PROXY_ENTRIES for word in entry.args}
    missing = [network for network in wanted.proxies if network not in known]
    if not missing:
        return ""
    lines = [f"RemoteIPInternalProxy {network}" for network in missing]
    if not any(entry.name.lower() == "remoteipheader" for entry in others):
        lines.insert(0, "RemoteIPHeader X-Forwarded-For")
    return "# The visitor's address, as these proxies tell it.\n" + "\n".join(lines) + "\n"
