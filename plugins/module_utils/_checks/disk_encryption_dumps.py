# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption, dumps: where copies of databases are written to, as told, as jobs say, and as found.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from .._finding import CONFIGURED, NOT_APPLICABLE, OBSERVED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import block_devices, database_servers, jobs, mounts
from .._services.block_devices import Protection
from .disk_encryption_places import NAME, REMEDY, crypt_layers, finding

_EXPECTED = "dumps on devices that are encrypted with a real cipher"
_PROGRAMS = re.compile(
    r"\b(?:pg_dump(?:all)?|pg_basebackup|mysqldump|mariadb-dump|mariabackup|mariadb-backup|xtrabackup|mydumper)\b"
)
_DUMPS = re.compile(rf"(?:^|[\s/;|&(`])({_PROGRAMS.pattern}|redis-cli\s[^|;]*--rdb)(?=\s|$)")
# programs that dump to a place of their own, unless their settings say otherwise: these, as shell patterns
_PLACES = {"autopostgresqlbackup": "/var/lib/autopostgresqlbackup", "automysqlbackup": "/var/lib/automysqlbackup"}
_SETTINGS = ("/etc/default/{}", "/etc/autodbbackup.d/*.conf")
_TARGET = re.compile(
    r"(?:(?:(?<![0-9&<>])|(?<=\s1))>{1,2}\|?\s*|\btee\s+(?:-a\s+)?"
    r"|\s(?:-f|-r|-o|-D)\s*|--(?:file|result-file|pgdata|target-dir|outputdir|rdb)"
    r"[=\s]\s*)([\"']?)([^\s\"';|&)]+)\1"
)
_AWAY = re.compile(
    r"\|\s*(?:restic\b.*--stdin|ssh\s|borg\s+create.*\s-|rclone\s+rcat|aws\s+s3\s+cp\s+-|(?:sudo\s+)?(?:psql|mysql|mariadb)\b)"
)
_ELSEWHERE = re.compile(
    r"\|\s*(?:\S*sudo\s+)?(?:\S*sshpass\s[^|;&]*?)?(?:\S*/)?ssh\s(?:\"[^\"]*\"|'[^']*'|\|(?!\|)|[^;&|\"'])*"
)
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w*)=([\"']?)([^\s\"';]*)\2", re.MULTILINE)
_CHANGE = re.compile(r"(?:^|[;&]\s*)cd\s+([\"']?)([^\s\"';|&)]+)\1", re.MULTILINE)
# where people put dumps, as patterns of directories, and how dumps begin
_SEARCHED = (
    "/root",
    "/home/*",
    "/var/backups",
    "/var/backups/*",
    "/backup*",
    "/backup*/*",
    "/srv/backup*",
    "/tmp",  # noqa: S108  looked at, not written
    "/var/tmp",  # noqa: S108
)
_ENDINGS = (".sql", ".dump", ".sql.gz", ".pgdump", ".backup")
_HEADS = (
    "-- MariaDB dump",
    "-- MySQL dump",
    "-- PostgreSQL database",
    "PGDMP",
    "/*M!999999",
    "--\n-- PostgreSQL database",
)
# the role of data_backup has its dumps here while a backup is made
_OURS = ("/etc/privacy-hosting/data_backup/settings.json", "/var/lib/privacy-hosting/data_backup/dumps")
_FOUND_AT_MOST = 5


def check_dumps(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Each place that dumps are written to, and each dump that lies in the usual places."""
    if "dumps" not in question.asked[option] or not _has_servers(host):
        return
    places: dict[str, str] = dict.fromkeys(question.settings["dump_paths"], f"{NAME}_dump_paths")
    unclear: list[tuple[str, str]] = []
    for path, source in _written(host):
        if path.startswith("/"):
            places.setdefault(path, source)
        elif not question.settings["dump_paths"]:
            unclear.append((path, source))
    for path, source in places.items():
        told = _told(host, path)
        layers = [Layer(CONFIGURED, told.good, f"{path}: {told.seen}", source)]
        yield finding("dumps", option, path, _EXPECTED, [*layers, *crypt_layers(host, [told])], REMEDY)
    for what, source in unclear:
        layer = Layer(CONFIGURED, None, f"{what}; where it writes to is not understood", source)
        yield finding("dumps", option, source, _EXPECTED, [layer])
    found = list(_lying(host, tuple(places)))
    for path, told in found[:_FOUND_AT_MOST]:
        layer = Layer(OBSERVED, told.good, f"{path} is a dump of a database: {told.seen}", path)
        yield finding("dumps", option, path, _EXPECTED, [layer], f"move {path} to an encrypted device, or remove it")
    if not places and not unclear and not found:
        what = f"no job of the host dumps databases, none lies in the usual places, and {NAME}_dump_paths is empty"
        yield Finding(NAME, "dumps", option, "dumps", NOT_APPLICABLE, "", _EXPECTED, what, "")


def _has_servers(host: Host) -> bool:
    return bool(database_servers.servers(host) or database_servers.strangers(host))


def _told(host: Host, path: str) -> Protection:
    try:
        return block_devices.of_path(host, mounts.view(host), path)
    except Unseen as unseen:
        return Protection(None, str(unseen), "")


# -- what jobs write --------------------------------------------------------------------------------------------------


def _written(host: Host) -> Iterator[tuple[str, str]]:
    """Directories that jobs dump to, or in words what dumps to where nobody can tell, each with its source."""
    if host.stat(_OURS[0]) is not None:
        yield _OURS[1], _OURS[0]
    for job in jobs.jobs(host):
        for text, source in jobs.scripts_named_by(host, job):
            told = targets(text) if text else _foreign(host, source)
            yield from ((path, source) for path in told)
            for program, path in _PLACES.items():
                if re.search(rf"(?:^|[\s/]){program}(?:\s|$)", text):
                    yield from _set(host, program) or [(path, source)]


def _set(host: Host, program: str) -> list[tuple[str, str]]:
    """The places that the settings of a program name, or in words what dumps where they leave that to the shell."""
    found = []
    for file in (path for pattern in _SETTINGS for path in host.glob(pattern.format(program))):
        told = [value for name, _quote, value in _ASSIGNMENT.findall(host.read(file)) if name == "BACKUPDIR"]
        found += [(value if "$" not in value else f"{program} is run", file) for value in told[-1:] if value]
    return found


def _foreign(host: Host, path: str) -> list[str]:
    """In words what a program in another language dumps with, where its text tells."""
    try:
        program = _PROGRAMS.search(host.read(path)) if host.stat(path) is not None else None
    except Unseen:
        return []
    return [f"{program.group(0)} is run"] if program else []


def targets(text: str) -> list[str]:
    """The directories that a shell script dumps to, or in words what dumps to where that cannot be told."""
    if not _DUMPS.search(text):
        return []
    variables: dict[str, str] = {}
    for name, _quote, value in _ASSIGNMENT.findall(text):
        # one that is set to several values tells no place
        variables[name] = value if variables.get(name, value) == value else f"${{{name}}}"
    changes = [_expanded(path, variables) for _quote, path in _CHANGE.findall(text)]
    base = changes[-1] if changes else ""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        program = _DUMPS.search(line.partition(" #")[0])
        if program is None or line.lstrip().startswith("#"):
            continue
        written = _TARGET.findall(_here(line[program.start() :]))
        paths = [_expanded(path, variables) for _quote, path in written]
        paths = [path for path in paths if path != "/dev/null" and not path.startswith("&")]
        if not paths and _AWAY.search(line):
            continue
        directories = [_directory(path, base) for path in paths]
        known = [path for path in directories if path]
        found += known if known and len(known) == len(directories) else [f"{program.group(1)} is run"]
    return list(dict.fromkeys(found))


def _here(text: str) -> str:
    """What of a line runs on this host: what a dump is handed to on another machine left out."""
    return _ELSEWHERE.sub("", text)


def _expanded(path: str, variables: Mapping[str, str]) -> str:
    """A word of a shell with its plain variables put in."""
    for _round in range(4):
        path = re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found.group(1), found.group(0)), path)
    return path


def _directory(path: str, base: str) -> str:
    """The directory that a path surely lies in, '' where that cannot be told."""
    if not path.startswith("/"):
        path = f"{base}/{path}" if base.startswith("/") else path
    stem = re.split(r"[$`*?]", path)[0]
    directory = os.path.dirname(stem) if stem == path or not stem.endswith("/") else stem.rstrip("/")
    return directory if directory.startswith("/") and directory != "/" else ""


# -- what lies there --------------------------------------------------------------------------------------------------


def _lying(host: Host, judged: tuple[str, ...]) -> Iterator[tuple[str, Protection]]:
    """Dumps in the usual places, outside of those that were judged, that are not known to be encrypted."""
    for pattern in _SEARCHED:
        for directory in host.glob(pattern):
            if any(directory == place or directory.startswith(f"{place}/") for place in judged):
                continue
            for name in host.names(directory):
                path = f"{directory}/{name}"
                if name.endswith(_ENDINGS) and _is_dump(host, path):
                    told = _told(host, path)
                    if told.good is not True:
                        yield path, told


def _is_dump(host: Host, path: str) -> bool:
    """Whether a file begins as dumps do; what it begins with is not kept."""
    try:
        with host.open(path) as stream:
            head = stream.read(4096)
    except Unseen:
        return False
    if path.endswith(".gz"):
        import zlib  # where there are such files only

        try:
            head = zlib.decompressobj(31).decompress(head, 1024)
        except zlib.error:
            return False
    return head.decode("utf-8", "replace").startswith(_HEADS)
