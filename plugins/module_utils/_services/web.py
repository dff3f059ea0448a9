# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The web servers of a host, and every file that they write visitors' addresses to.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .._host import Host
from .units import starts_at_boot
from .virtualhost import ACCESS, ERROR_LOG, FILE, PIPE, LogFile, VirtualHost, WebServer
from .visitor_statistics import statistics_files


def web_servers(host: Host) -> list[WebServer]:
    """All web servers that we know how to read, running ones and those that would start at boot. Raises Unseen."""
    return host.once("web_servers", lambda: list(_web_servers(host)))


def _web_servers(host: Host) -> Iterator[WebServer]:
    # a reader is imported where its server may be: most hosts have one of them
    if _may_be(host, "nginx.service", "nginx"):
        from . import nginx

        yield from nginx.servers(host)
    if _may_be(host, "apache2.service", "apache2", "httpd"):
        from . import apache

        yield from apache.servers(host)


def _may_be(host: Host, unit: str, *programs: str) -> bool:
    """Whether a server runs, or may start at boot."""
    running = any(os.path.basename(process.program) in programs for process in host.processes())
    return running or starts_at_boot(host, unit) is not False


def log_files(host: Host) -> list[LogFile]:
    """Every file that the configured web servers write visitors' addresses to, by path. Raises Unseen."""
    return host.once("log_files", lambda: _log_files(web_servers(host), statistics_files(host)))


def _log_files(servers: Iterable[WebServer], statistics: Iterable[LogFile]) -> list[LogFile]:
    found: dict[tuple[str, str, str], tuple[set[str], str]] = {}
    for server in servers:
        for vhost in server.vhosts:
            for path, kind, source in _written(vhost):
                sites, _source = found.setdefault((path, kind, server.name), (set(), source))
                sites.add(vhost.label)
        for log in server.other_logs:
            found.setdefault((log.path, log.kind, log.server), (set(), log.source))
    for log in statistics:
        found.setdefault((log.path, log.kind, log.server), (set(), log.source))
    return [
        LogFile(path, kind, name, tuple(sorted(sites)), source)
        for (path, kind, name), (sites, source) in sorted(found.items())
    ]


def _written(vhost: VirtualHost) -> Iterator[tuple[str, str, str]]:
    """Path pattern, kind and source of each file that a virtual host writes."""
    for log in vhost.logs:
        if log.kind in (FILE, PIPE) and log.path:
            yield log.pattern or log.path, ACCESS, log.directive.source
    for error_log in vhost.error_logs:
        if error_log.kind == FILE and error_log.path:
            yield error_log.path, ERROR_LOG, error_log.directive.source if error_log.directive else vhost.source
