# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of a web server's files in place, as small as they can be.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator

from .._change import ChangeError, Transaction
from .._host import Host
from .._services.virtualhost import Directive, VirtualHost, WebServer

_QUOTED = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_WORD = re.compile(_QUOTED + r"""|(?:\\.|\$\{|[^\s;{\\"'])(?:\\.|\$\{|[^\s;{\\])*""", re.DOTALL)


class Edits:
    """Edits of files, by offsets; made in one go."""

    def __init__(self, host: Host, transaction: Transaction) -> None:
        self._host, self._transaction = host, transaction
        self._edits: dict[str, dict[tuple[int, int], str]] = {}

    def text_of(self, directive: Directive) -> str:
        """A directive as it stands in its file; '' where it is not to be edited.

        Its offsets do not lead to it (made by a macro, not UTF-8), or the file or its directory is a customer's.
        """
        path = self._host.real(directive.file)
        owners = {status.st_uid for status in map(self._host.stat, (path, os.path.dirname(path))) if status}
        if owners - {0, os.geteuid()}:
            return ""
        text = self._host.read(directive.file)
        raw = text[directive.start : directive.end]
        return raw if "\ufffd" not in text and raw.lstrip("<").startswith(directive.name) else ""

    def replace(self, path: str, start: int, end: int, text: str) -> None:
        """Put a text in the place of what stands between two offsets."""
        self._edits.setdefault(self._host.real(path), {})[start, end] = text

    def insert(self, path: str, offset: int, text: str) -> None:
        """Put a text at an offset, behind what was already put there."""
        edits = self._edits.setdefault(self._host.real(path), {})
        edits[offset, offset] = edits.get((offset, offset), "") + text

    def put(self, entry: Directive, line: str) -> Iterator[str]:
        """Put a line in the place of a directive. Yields what to do by hand where that cannot be."""
        if self.text_of(entry):
            self.replace(entry.file, entry.start, entry.end, line)
        else:
            yield f"{entry.source}: '{entry.name}' cannot be edited; put '{line}' there by hand"

    def remove(self, entry: Directive) -> None:
        """Take a directive away, and its line where it is alone on it."""
        text = self._host.read(entry.file)
        first = text.rfind("\n", 0, entry.start) + 1
        newline = text.find("\n", entry.end)
        newline = len(text) if newline < 0 else newline
        start, end = entry.start, entry.end
        if not text[first:start].strip() and not text[end:newline].strip():
            start, end = first, min(newline + 1, len(text))
        self.replace(entry.file, start, end, "")

    def make(self) -> None:
        """Plan the changed files, the ones that others depend on first: in the order in which they were named.

        Raises ChangeError for a file that is not UTF-8: offsets do not lead to its directives.
        """
        for path, edits in self._edits.items():
            try:
                text = self._transaction.look(path).data.decode()
            except UnicodeDecodeError as error:
                line = error.object.count(b"\n", 0, error.start) + 1
                raise ChangeError(
                    f"{path}:{line}: a character is not UTF-8, so the file cannot be edited and nothing was changed; "
                    "write it in UTF-8"
                ) from None
            for (start, end), new in sorted(edits.items(), reverse=True):
                text = text[:start] + new + text[end:]
            self._transaction.write(path, text)


def words(text: str) -> list[str]:
    """The words of a directive as they stand, quotes included."""
    return _WORD.findall(text)


def unit(host: Host, server: WebServer, usual: str) -> str:
    """The systemd unit that a server runs in; the usual one if it is stopped, '' if it runs in none."""
    groups = [process.cgroup for process in host.processes() if server.pid and process.pid == server.pid]
    names = [name for group in groups for name in group.split("/") if name.endswith(".service")]
    return (names[-1:] or [""])[0].removesuffix(".service") if groups else usual


def is_named(vhost: VirtualHost, names: Iterable[str]) -> bool:
    """Whether a virtual host has one of these names, which may hold wildcards."""
    own = [name.lower() for name in vhost.names] or [vhost.label]
    return any(fnmatch.fnmatchcase(mine, name.lower()) for name in names for mine in own)


def everything(directives: Iterable[Directive]) -> Iterator[Directive]:
    """All directives, those in blocks included."""
    for directive in directives:
        yield directive
        if directive.block:
            yield from everything(directive.block)


def users(server: WebServer, entry: Directive) -> list[VirtualHost]:
    """The virtual hosts that a directive stands in; a file may be included by several."""
    at = (entry.file, entry.start)
    return [
        vhost
        for vhost in server.vhosts
        if vhost.directive and any((e.file, e.start) == at for e in everything(vhost.directive.block or ()))
    ]
