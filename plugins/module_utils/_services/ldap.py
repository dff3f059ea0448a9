# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenLDAP's server: what it listens for, which encryption each of its databases needs, and whom it copies from.

Its configuration is read from its files, of both kinds (slapd.d, slapd.conf): it writes those of slapd.d itself.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Process, Unseen

_PORTS = {"ldap": 389, "ldaps": 636}
_OWN = ("config", "frontend", "monitor")  # databases of the server about itself
_DEFAULT = "/etc/ldap/slapd.d"  # of Debian's, where its arguments name none


@dataclass
class Database:
    """A database, or what is set for all of them (suffix None). security: factor -> strength ('ssf' -> 128).

    by_access: access rules speak of encryption too. copies: its syncrepl settings, without credentials.
    """

    kind: str
    source: str
    suffix: str | None = None
    security: dict[str, int] = field(default_factory=dict)
    by_access: bool = False
    copies: list[Mapping[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Directory:
    """A running slapd. ports: port -> 'ldap' or 'ldaps'; databases: first what is set for all; files: all read."""

    process: Process
    ports: Mapping[int, str]
    databases: Sequence[Database]
    files: Sequence[str]

    def needs(self, database: Database) -> dict[str, int]:
        """The strengths that a database needs, those for all included."""
        return {**self.databases[0].security, **database.security}

    @property
    def kept(self) -> list[Database]:
        """The databases that hold entries of somebody."""
        return [one for one in self.databases[1:] if one.kind not in _OWN]


def servers(host: Host) -> list[Process]:
    """The processes of slapd, those in containers included."""
    return [one for one in host.processes() if (os.path.basename(one.program) or one.name) == "slapd"]


def directory(host: Host, process: Process) -> Directory:
    """What a process of slapd was told. Raises Unseen."""
    words = list(process.argv)
    urls = _argument(words, "-h") or "ldap:///"
    ports = {}
    for url in urls.split():
        told = re.match(r"(ldaps?)://([^/]*)", url)
        if told:
            port = re.search(r":(\d+)$", told[2])
            ports[int(port[1]) if port else _PORTS[told[1]]] = told[1]
    flat = _argument(words, "-f")
    if flat and not _argument(words, "-F"):
        databases, files = _flat(host, flat)
    else:
        databases, files = _tree(host, _argument(words, "-F") or _DEFAULT)
    return Directory(process, ports, databases, files)


def _argument(words: Sequence[str], name: str) -> str:
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(name) and len(word) > len(name):
            return word[len(name) :]
    return ""


def _strengths(words: Sequence[str]) -> dict[str, int]:
    """Of 'security ssf=128 simple_bind=64'. Raises Unseen."""
    found = {}
    for word in words:
        name, _equals, value = word.partition("=")
        if not value.isdigit():
            raise Unseen(f"the security setting {name!r} of slapd is not understood")
        found[name.lower()] = int(value)
    return found


def _copy(text: str) -> Mapping[str, str]:
    """A syncrepl setting by its parameters, without what it logs in with."""
    try:
        words = shlex.split(re.sub(r"^\{\d+\}", "", text))
    except ValueError:
        raise Unseen("a syncrepl setting of slapd is not understood") from None
    pairs = (word.partition("=") for word in words)
    return {name.lower(): value for name, _equals, value in pairs if name.lower() != "credentials"}


def _apply(database: Database, name: str, value: str) -> None:
    """Take up one setting. Raises Unseen."""
    if name == "security":
        database.security.update(_strengths(value.split()))
    elif name == "suffix":
        database.suffix = value.strip().strip('"')
    elif name in ("access", "olcaccess"):
        database.by_access = database.by_access or "ssf=" in value
    elif name == "syncrepl":
        database.copies.append(_copy(value))


def _tree(host: Host, root: str) -> tuple[list[Database], list[str]]:
    """From slapd.d. Raises Unseen."""
    files = [f"{root}/cn=config.ldif", *host.glob(f"{root}/cn=config/olcDatabase=*.ldif")]
    if host.stat(files[0]) is None:
        raise Unseen(f"{files[0]} is not there")
    found = []
    for path in files:
        kind = re.search(r"olcDatabase=(?:\{-?\d+\})?(\w+)", path)
        database = Database(kind[1] if kind else "", path)
        for name, value in _attributes(host.read(path)):
            if name.lower().startswith("olc"):
                _apply(database, name[3:].lower(), value)
        found.append(database)
    whole = found[0]
    for front in [one for one in found if one.kind == "frontend"]:
        whole.security.update(front.security)
        whole.by_access = whole.by_access or front.by_access
    return found, files


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """The attributes of an LDIF file."""
    for line in re.sub(r"\n ", "", text).splitlines():
        name, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        if value.startswith(":"):
            try:
                value = base64.b64decode(value[1:]).decode("utf-8", "replace")
            except binascii.Error:
                continue
        yield name, value.strip()


def _flat(host: Host, path: str) -> tuple[list[Database], list[str]]:
    """From slapd.conf. Raises Unseen."""
    whole = Database("", path)
    found, files = [whole], [path]
    for words in _directives(host, path, files, 0):
        name, rest = words[0].lower(), words[1:]
        if name == "database":
            found.append(Database(rest[0].lower() if rest else "", path))
        else:
            _apply(found[-1], name, " ".join(rest) if name != "syncrepl" else shlex.join(rest))
    for front in [one for one in found[1:] if one.kind == "frontend"]:
        whole.security.update(front.security)
    return found, files


def _directives(host: Host, path: str, files: list[str], depth: int) -> Iterator[list[str]]:
    if depth > 8:
        raise Unseen(f"{path} is included too deep")
    text = re.sub(r"(?m)^#.*\n?", "", host.read(path))
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        try:
            words = shlex.split(line)
        except ValueError:
            raise Unseen(f"{path} is not understood") from None
        if words and words[0].lower() == "include" and len(words) > 1:
            files.append(words[1])
            yield from _directives(host, words[1], files, depth + 1)
        elif words:
            yield words
