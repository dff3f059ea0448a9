# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every web server has, whichever program serves: virtual hosts, the places in them, the logs in effect there.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._finding import Layer

# what a log can hold of a request, as promises name it
FIELDS = ("domain", "path", "user_agent", "client_ip", "time", "method", "status", "referer")
# what a log may hold beside them, and some promises exclude
QUERY = "query_string"
# the path after the server's own rewriting: the one asked for only where a virtual host rewrites none
REWRITTEN = "rewritten path"

# whose name a log holds: the one that the visitor asked for, or the virtual host's first
ASKED, OWN = "asked", "own"

FILE, SYSLOG, PIPE, STREAM, OFF = "file", "syslog", "pipe", "stream", "off"
ACCESS, ERROR_LOG, STATISTICS = "access", "error", "statistics"
# of mail servers: the log of all that they do; one with a part of it; one that holds lines of other programs too
MAIL, MAIL_PART, SHARED = "mail", "mail part", "shared"


@dataclass(frozen=True)
class Directive:
    """One directive as it stands in a file.

    args: its words, quotes and escapes resolved; file: path; line: from 1; start, end: offsets in characters of
    Host.read(file), from the first of its name to behind its ';', '}' or last word.
    block: the directives in its braces (or between its tags), None where it has none; inside: the offset behind the
    opening brace or tag, 0 where it has none.
    """

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    start: int
    end: int
    block: tuple[Directive, ...] | None = None
    inside: int = 0

    @property
    def source(self) -> str:
        """Where it stands: file:line."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Listen:
    """An address and port that a virtual host answers on.

    address: '0.0.0.0', '::', an address, or 'unix:/path' (port 0); default: it answers here for names that no other
    virtual host has; declared: the configuration says so, it is not just the first; proxy_protocol: each connection
    begins with a PROXY line.
    """

    address: str
    port: int
    tls: bool = False
    default: bool = False
    proxy_protocol: bool = False
    declared: bool = False


@dataclass(frozen=True)
class AccessLog:
    """A log that takes effect at a place.

    kind: FILE, SYSLOG, PIPE (path: the file that the program behind it writes, '' if unknown), STREAM (the service's
    own output, as a rule the journal) or OFF (nothing is logged; path is '/dev/null' where it was thrown away).
    path: may hold the server's own variables ('$host') or dates ('%Y'), see ``pattern``.
    fields: what it surely holds (members of FIELDS, QUERY, REWRITTEN); unclear: what the configuration does not tell.
    host_names: ASKED, OWN, or '' where it holds no name.
    condition: as written, '' where there is none; always: whether every request is logged, None if that is unknown.
    flush_s: the longest time in seconds that a line may wait, math.inf where only a full buffer is written.
    pattern: a shell pattern that matches all files it writes (the path itself where it is a plain one).
    """

    kind: str
    path: str
    format_name: str
    format_text: str
    fields: frozenset[str]
    directive: Directive
    unclear: frozenset[str] = frozenset()
    host_names: str = ""
    condition: str = ""
    always: bool | None = True
    flush_s: float = 0.0
    pattern: str = ""


@dataclass(frozen=True)
class Place:
    """Somewhere that a request can end up in, and the logs that then take effect, inherited or not.

    context: 'server', 'location /x', 'location /x > if (…)'; source: file:line of the place itself.
    visited: whether a visitor can be answered here (not: a status page for the host itself).
    """

    context: str
    logs: tuple[AccessLog, ...]
    source: str
    visited: bool = True


@dataclass(frozen=True)
class ErrorLog:
    """An error log that takes effect; its lines hold visitors' addresses. kind and path as for AccessLog."""

    kind: str
    path: str
    directive: Directive | None


@dataclass(frozen=True)
class Trust:
    """Addresses whose word about the visitor's address is believed: a network, an address, a name or 'unix:'."""

    network: str
    source: str


@dataclass(frozen=True, eq=False)
class VirtualHost:
    """One virtual host of a server. names: as configured, wildcards and expressions included; may be none.

    trusts: who is believed about the visitor's address; claims: the header or protocol that they say it with, '' if
    nobody is believed. rewrites: whether requests may be answered under another path than the one asked for.
    directive: the block that makes it (None: the server's own defaults).
    """

    server: str
    names: tuple[str, ...]
    listens: tuple[Listen, ...]
    places: tuple[Place, ...]
    error_logs: tuple[ErrorLog, ...]
    source: str
    trusts: tuple[Trust, ...] = ()
    claims: str = ""
    rewrites: bool = False
    directive: Directive | None = None

    @property
    def label(self) -> str:
        """What a report calls it: its first name, else where it listens."""
        for name in self.names:
            if name not in ("", "_"):
                return name
        listen = self.listens[0] if self.listens else None
        where = f"{listen.address}:{listen.port}" if listen else "no port"
        return f"default of {where}"

    @property
    def logs(self) -> tuple[AccessLog, ...]:
        """Every log that takes effect somewhere in it, each once."""
        return tuple(dict.fromkeys(log for place in self.places for log in place.logs))


def covers(name: str, site: str) -> bool:
    """Whether a configured name (exact, '*.example.nl', '.example.nl', 'www.*' or '~expression') is about a site's."""
    if "*" not in name and not name.startswith(("~", ".")):
        return name.lower() == site.lower()
    if name.startswith("~"):
        try:
            return re.search(re.sub(r"\(\?<(?![=!])", "(?P<", name[1:]), site) is not None
        except re.error:
            return True
    parts = [".*" if part == "*" else re.escape(part) for part in re.split(r"(\*)", name.lower().lstrip("."))]
    return re.fullmatch(("(.*\\.)?" if name.startswith(".") else "") + "".join(parts), site.lower()) is not None


@dataclass(frozen=True)
class LogFile:
    """A file that holds people's addresses, as configured. Several sites may write to one.

    path: a shell pattern where the file's name holds a variable or a date, else the path; kind: ACCESS, ERROR_LOG,
    STATISTICS, MAIL, MAIL_PART or SHARED; server: 'nginx', 'apache', or the program that writes it; sites: labels of
    the virtual hosts; source: file:line of the directive.
    """

    path: str
    kind: str
    server: str
    sites: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class WebServer:
    """One web server: a running master process, or a service that would start at boot.

    name: 'nginx' or 'apache'; pid: of the master, 0 if it does not run; starts_at_boot: None if that is unknown.
    running: whether what it loaded is what the files say; problems: what could not be seen or judged, one line each.
    files: every configuration file read; config: its directives; other_logs: files beside the virtual hosts' own.
    """

    name: str
    pid: int
    running: Layer
    problems: tuple[str, ...]
    vhosts: tuple[VirtualHost, ...]
    files: tuple[str, ...] = ()
    config: tuple[Directive, ...] = ()
    other_logs: tuple[LogFile, ...] = ()
    starts_at_boot: bool | None = None
