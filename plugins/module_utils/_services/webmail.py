# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Webmails that the web servers of a host offer: which there are, and what Roundcube's files say.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Unseen
from .virtualhost import Directive, VirtualHost, WebServer
from .web import web_servers

_ROOTS = ("root", "alias", "documentroot", "scriptalias", "virtualdocumentroot", "aliasmatch", "location")
_BELOW = 200  # directories below a document root that are looked into
# what lies where a webmail is installed
_SIGNS: Mapping[str, Sequence[str]] = {
    "Roundcube": ("program/include/iniset.php", "program/include/clisetup.php"),
    "SnappyMail": ("snappymail/v",),
    "RainLoop": ("rainloop/v",),
    "SquirrelMail": ("src/redirect.php",),
    "Horde": ("imp/lib/Application.php", "lib/Horde/Registry.php"),
    "Cypht": ("hm3.ini", "modules/imap/site.js"),
    "AfterLogic WebMail": ("modules/MailWebclient",),
    "Nextcloud Mail": ("apps/mail/appinfo/info.xml", "custom_apps/mail/appinfo/info.xml"),
    "SOGo": ("SOGo.woa", "WebServerResources/js/theme.js"),
    "Zimbra": ("WEB-INF/lib/zimbrastore.jar",),
}
_PROGRAMS = {"sogod": "SOGo"}
_DEBIAN = "/usr/share/roundcube"


@dataclass
class Webmail:
    """A webmail. kind: its name; directory: where it lies; vhosts: who offers it, with the path before it."""

    kind: str
    directory: str
    vhosts: list[tuple[WebServer, VirtualHost, str]] = field(default_factory=list)
    source: str = ""


@dataclass
class Roundcube:
    """What Roundcube's files say. values: PHP's literals as texts; unclear: keys whose value depends on something."""

    files: list[str]
    values: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)
    base: str = ""

    def get(self, key: str, default: str = "") -> str:
        """A setting's value: a text without its quotes, a number, 'true', 'false' or an expression."""
        value = self.values.get(key, default)
        return value[1:-1] if re.fullmatch(r"'[^']*'|\"[^\"$]*\"", value) else value

    def source(self, key: str) -> str:
        """'file:line' of the line that decides, else the main file."""
        return self.sources.get(key, self.main)

    @property
    def main(self) -> str:
        """The file that an administrator edits."""
        return next((path for path in self.files if path.endswith("/config.inc.php")), "config.inc.php")

    @property
    def log_file(self) -> str:
        """The file that logins are written to; '' where it goes elsewhere or cannot be told."""
        directory = self.get("log_dir")
        match = re.fullmatch(r"(?:RCUBE_INSTALL_PATH|INSTALL_PATH)\s*\.\s*['\"]([^'\"]*)['\"]", directory)
        if match:
            directory = os.path.join(self.base, match.group(1))
        extension = self.get("log_file_ext", "'.log'")
        return os.path.join(directory, f"userlogins{extension}") if directory.startswith("/") else ""


def webmails(host: Host) -> list[Webmail]:
    """The webmails of a host that are recognised. Raises Unseen."""
    return host.once("webmails", lambda: _webmails(host))


def _webmails(host: Host) -> list[Webmail]:
    found: dict[str, Webmail] = {}
    for server in web_servers(host):
        for vhost in server.vhosts:
            inside = (vhost.directive.block if vhost.directive else None) or ()
            for path, prefix, source in _roots(inside, ""):
                _add(host, found, path, prefix, source, server, vhost)
        shared = [entry for entry in server.config if entry.name.lower() not in ("http", "server", "virtualhost")]
        for path, prefix, source in _roots(shared, ""):
            for vhost in server.vhosts:
                _add(host, found, path, prefix, source, server, vhost)
    for process in host.processes():
        kind = _PROGRAMS.get(os.path.basename(process.program))
        if kind and kind not in {one.kind for one in found.values()}:
            found[kind] = Webmail(kind, process.program, source=process.program)
    return list(found.values())


def _roots(entries: Sequence[Directive], prefix: str) -> Iterator[tuple[str, str, str]]:
    """The directories that pages are taken from: path, the part of the address before it, where that is set."""
    for entry in entries:
        name = entry.name.lower()
        if name in ("root", "documentroot") and entry.args:
            yield entry.args[0], "/", entry.source
        elif name == "alias" and entry.args:
            yield entry.args[-1], entry.args[0] if len(entry.args) > 1 else prefix or "/", entry.source
        if entry.block:
            inner = entry.args[-1] if name == "location" and entry.args and entry.args[-1].startswith("/") else prefix
            yield from _roots(entry.block, inner)


def _add(
    host: Host, found: dict[str, Webmail], path: str, prefix: str, source: str, server: WebServer, vhost: VirtualHost
) -> None:
    for kind, directory, below in _recognised(host, path.rstrip("/") or "/"):
        webmail = found.setdefault(directory, Webmail(kind, directory, source=source))
        address = "/".join(part.strip("/") for part in (prefix, below) if part.strip("/"))
        webmail.vhosts.append((server, vhost, f"/{address}/" if address else "/"))


def _recognised(host: Host, path: str) -> Iterator[tuple[str, str, str]]:
    """The webmails in a directory, the one above (for a root that is called public_html), and those right below."""
    return iter(host.once(("webmails", path), lambda: list(_look(host, path))))


def _look(host: Host, path: str) -> Iterator[tuple[str, str, str]]:
    if "$" in path or not path.startswith("/"):
        return
    above = [os.path.dirname(host.real(path))] if os.path.basename(path) in ("public_html", "public", "www") else []
    for directory in (path, *above):
        kind = _kind(host, directory)
        if kind:
            yield kind, directory, ""
            return
    names = host.names(path)
    if len(names) > _BELOW:
        raise Unseen(f"{path} holds more than {_BELOW} names, which were not all looked into for a webmail")
    for name in names:
        directory = os.path.join(path, name)
        kind = _kind(host, directory) or (
            _kind(host, os.path.dirname(host.real(directory))) if name == "roundcube" else ""
        )
        if kind:
            yield kind, directory, name


def _kind(host: Host, directory: str) -> str:
    """Which webmail lies in a directory, '' if none."""
    for kind, signs in _SIGNS.items():
        if any(host.stat(os.path.join(directory, sign)) for sign in signs):
            return kind
    return ""


# -- Roundcube --------------------------------------------------------------------------------------------------------


def roundcube(host: Host, webmail: Webmail) -> Roundcube:
    """What the files of a Roundcube say. Raises Unseen."""
    return host.once(("roundcube", webmail.directory), lambda: _roundcube(host, webmail.directory))


def _roundcube(host: Host, directory: str) -> Roundcube:
    found = Roundcube([], base=directory)
    folder = host.real(os.path.join(directory, "config"))
    if host.stat(os.path.join(folder, "config.inc.php")) is None:
        folder = "/etc/roundcube" if host.real(directory).startswith(_DEBIAN) else folder
    for name in ("defaults.inc.php", "config.inc.php"):
        path = os.path.join(folder, name)
        if host.stat(path) is not None:
            _read(host, path, found, 0)
    if found.main not in found.files:
        raise Unseen(f"{folder}/config.inc.php, which sets up Roundcube, is not there")
    return found


_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|//[^\n]*|#[^\n\[][^\n]*|/\*.*?\*/", re.DOTALL)
_STATEMENT = re.compile(
    r"\$(?:config|rcmail_config)\s*\[\s*(['\"])(?P<key>\w+)\1\s*\]\s*(?P<more>\[\s*\]\s*)?=(?!=)\s*"
    r"(?P<value>(?:'[^']*'|\"[^\"]*\"|[^;'\"])*);"
    r"|(?:include|require)(?:_once)?\s*\(?\s*(['\"])(?P<file>[^'\"]+)\5\s*\)?\s*;"
    r"|foreach\s*\(\s*\[(?P<keys>[^\]]*)\]\s*as\s*\$(?P<name>\w+)\s*\)\s*\{\s*\$config\[\$(?P=name)\]\s*=\s*"
    r"(?P<all>[^;]*);\s*\}"
    r"|(?P<open>\{)|(?P<close>\})"
)


def _read(host: Host, path: str, found: Roundcube, depth: int) -> None:
    """Take in the assignments of a file of PHP in their order, those of files that it includes in between."""
    if depth > 5:
        raise Unseen(f"{path} is included too deep")
    found.files.append(path)
    text = _TOKEN.sub(_without_comment, host.read(path))
    nesting = 0
    for match in _STATEMENT.finditer(text):
        source = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        if match.group("open") or match.group("close"):
            nesting += 1 if match.group("open") else -1
        elif match.group("file"):
            _include(host, path, match.group("file"), found, depth)
        elif match.group("more"):
            key = match.group("key")
            found.values[key] = f"{found.values.get(key, '')} {match.group('value').strip()}"
            found.sources[key] = source
        else:
            keys = [match.group("key")] if match.group("key") else re.findall(r"['\"](\w+)['\"]", match.group("keys"))
            value = (match.group("value") if match.group("key") else match.group("all")).strip()
            for key in keys:
                found.values[key], found.sources[key] = value, source
                (found.unclear.add if nesting > 0 else found.unclear.discard)(key)


def _include(host: Host, path: str, named: str, found: Roundcube, depth: int) -> None:
    target = os.path.join(os.path.dirname(path), named)
    if host.stat(target) is not None:
        _read(host, target, found, depth + 1)


def _without_comment(match: re.Match[str]) -> str:
    """A text stays as it is; of a comment the line ends stay."""
    word = match.group(0)
    return word if word[0] in "'\"" else "\n" * word.count("\n")
