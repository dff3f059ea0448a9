# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that hold logs on a host: each configured log with its archives, and what nobody writes to any more.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import glob as globbing
import os
import re
import stat as statmode
from collections.abc import Sequence
from dataclasses import dataclass, field

from .._host import Host, Unseen
from . import cleaners, logfile, logrotate
from .virtualhost import ACCESS, MAIL, SHARED, LogFile


@dataclass(frozen=True)
class Subject:
    """Whose logs are meant. name: as options and promises call it.

    directory: what directories for these logs alone are called; strays: patterns of what formerly lay in a directory
    for logs of all kinds.
    """

    name: str
    directory: re.Pattern[str]
    strays: tuple[str, ...] = ()


WEB_LOGS = Subject("web", re.compile(r"(?:.*[-_.])?(?:nginx|apache2?|httpd|access|accesslogs?|weblogs?)\d*"))
MAIL_LOGS = Subject(
    "mail",
    re.compile(r"(?:.*[-_.])?(?:mail|maillogs?|postfix|dovecot|roundcube|exim4?|rspamd|sogo)\d*"),
    tuple(f"/var/log/{name}*" for name in ("mail.", "mail-", "maillog", "postfix.log", "dovecot")),
)
SUBJECTS = {subject.name: subject for subject in (WEB_LOGS, MAIL_LOGS)}

# directories that Debian's packages make for logs of a subject: all that lies there is taken for one
_PACKAGED: dict[str, tuple[str, ...]] = {
    "web": ("/var/log/nginx", "/var/log/apache2"),
    "mail": ("/var/log/roundcube", "/var/log/dovecot", "/var/log/postfix"),
}
# what directories for logs of all kinds are called; others are shared with software or pages
_LOG_DIRECTORY = re.compile(r"(?:.*[-_.])?(?:web|www|vhosts?|sites?|logs?|logfiles|archives?)\d*")
# what is taken for a web log in a directory: all but what plainly is none; what shows requests or visitors; only names
# of configured logs
_ALL, _VISITS, _NAMED = "all", "visits", "named"
_LINKED = "linked"  # as _VISITS, behind a link
_COPIES = "copies"  # where copies of anything lie: only what surely shows visits
_BACKUPS = ("/var/backups",)
_OWN_REQUESTS = ("/var/log/letsencrypt",)  # where a program notes requests that it made itself: nobody's visits
_SHARED = frozenset(
    ["/", "/var", "/var/log", "/srv", "/home", "/root", "/tmp", "/var/tmp", "/run", "/dev", "/etc", "/usr", "/opt"]  # noqa: S108
)
_DEPTH = 5  # how far below a directory of logs files are looked for (2026/11/20/site/…)
_BOUNDS = logfile.Bounds(seconds=2.0, bytes=64 << 20)
_SNIFF_BYTES = 64 << 10

_ADDRESS = re.compile(
    rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:]{1,10}(?![\w:])",
    re.IGNORECASE,
)

_PACKED = re.compile(r"\.(?:gz|xz|bz2|zst|lz4|Z)$")
_NUMBER = re.compile(r"\.(\d{1,4})$")
_DATE = re.compile(
    r"[-._](?:19|20)\d\d[-._]?(?:W[0-5]\d|[01]\d(?:[-._]?[0-3]\d)?)(?:[-._T]?[0-2]\d(?:[-._]?\d\d){0,2})?(?:-1\d{9})?(?!\d)"
)
_EPOCH = re.compile(r"[-.]1\d{9}$")
_DATED_DIRECTORIES = re.compile(r"/(?:19|20)\d\d(?:[-._]?[01]\d(?:[-._]?[0-3]\d)?)?(?=/|$)(?:/[0-3]\d(?=/|$)){0,3}")


@dataclass(frozen=True)
class Piece:
    """One file of a family. number: of a numbered archive; begins: its oldest line, None where it holds none."""

    path: str
    size: int
    modified: dt.datetime
    begins: logfile.Moment | None
    number: int | None = None


@dataclass
class Family:
    """A log and its archives. log: the path that is written to, or was; configured: by web servers, as they say."""

    log: str
    configured: tuple[LogFile, ...] = ()
    pieces: list[Piece] = field(default_factory=list)

    @property
    def kinds(self) -> set[str]:
        """The kinds of log that the servers write there."""
        return {log.kind for log in self.configured}

    @property
    def is_access(self) -> bool:
        """Whether page views are written to it, or all that a mail server does."""
        return bool({ACCESS, MAIL} & self.kinds)

    @property
    def is_shared(self) -> bool:
        """Whether it is known to hold lines of other programs, which are not the subject's."""
        return self.kinds == {SHARED}

    @property
    def source(self) -> str:
        """Where it is configured, else itself."""
        return self.configured[0].source if self.configured else self.log

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites whose lines it holds."""
        return tuple(sorted({site for log in self.configured for site in log.sites}))

    @property
    def archives(self) -> list[Piece]:
        """Its files but the one that is written to."""
        return [piece for piece in self.pieces if piece.path != self.log]

    @property
    def oldest(self) -> Piece | None:
        """The file with the oldest line."""
        holding = [piece for piece in self.pieces if piece.begins is not None]
        return min(holding, key=_begin, default=None)


def _begin(piece: Piece) -> dt.datetime:
    """When a file's oldest line was written; of a file without lines, when it was changed."""
    return piece.begins.when if piece.begins is not None else piece.modified


@dataclass(frozen=True)
class Found:
    """All families of a subject, configured ones first. unseen: what could not be looked at, one line each."""

    families: list[Family]
    unseen: list[str]


def families(host: Host, logs: Sequence[LogFile], more: Sequence[str] = ()) -> list[Family]:
    """All families of web logs that could be looked at, configured ones first. more: patterns of further places."""
    return find(host, logs, more).families


def find(host: Host, logs: Sequence[LogFile], more: Sequence[str] = (), subject: Subject = WEB_LOGS) -> Found:
    """The logs of a subject on a host, and what could not be looked at. more: patterns of further places."""
    key = ("families", subject.name, tuple(more), tuple((log.path, log.kind) for log in logs))
    return host.once(key, lambda: _Search(host, logs, more, subject).search())


def base_path(path: str) -> str:
    """The log that a file belongs to by its name: without packing, number and date, in names and directories."""
    directory, name = os.path.split(path)
    name = _PACKED.sub("", name)
    name = _DATE.sub("", _EPOCH.sub("", _NUMBER.sub("", name))) or name
    directory = _DATED_DIRECTORIES.sub("", directory) or directory
    return os.path.join(directory, name)


class _Search:
    """Finds the files, once each, and puts them into families."""

    def __init__(self, host: Host, logs: Sequence[LogFile], more: Sequence[str], subject: Subject) -> None:
        self.host, self.logs, self.more, self.subject = host, logs, more, subject
        self.found: dict[str, Family] = {}
        self.seen: set[tuple[int, int]] = set()
        self.unseen: list[str] = []
        self.patterns = sorted({log.path for log in logs if globbing.has_magic(log.path)})
        self.archive_of = self._olddirs()

    def search(self) -> Found:
        for log in self.logs:
            family = self.found.setdefault(log.path, Family(log.path))
            family.configured = (*family.configured, log)
        for directory, what in self._directories().items():
            self._look(directory, 0 if what == _NAMED else _DEPTH, what)
        for pattern in self.subject.strays:
            for path in self._glob(pattern):
                self._look(path, _DEPTH, _VISITS)
        for pattern in self.more:
            for path in self._glob(pattern):
                self._look(path, _DEPTH, _ALL)
        for family in self.found.values():
            family.pieces.sort(key=lambda piece: piece.path)
        found = sorted(self.found.values(), key=lambda family: (not family.configured, family.log))
        return Found(found, list(dict.fromkeys(self.unseen)))

    def _glob(self, pattern: str) -> list[str]:
        if not pattern.startswith("/"):
            self.unseen.append(f"{pattern!r} is no path from the root on")
            return []
        try:
            return self.host.glob(pattern)
        except Unseen as unseen:
            self.unseen.append(str(unseen))
            return []

    def _look(self, path: str, depth: int, taken: str) -> None:
        """Take a file, or what is in a directory; what cannot be seen is noted, and the search goes on."""
        try:
            status = self.host.stat(path)
            if status is not None and statmode.S_ISDIR(status.st_mode):
                self._walk(path, depth, taken)
            elif status is not None:
                self._take(path, taken)
        except Unseen as unseen:
            self.unseen.append(str(unseen))

    # -- where to look

    def _is_directory(self, path: str) -> bool:
        status = self.host.stat(path)
        return status is not None and statmode.S_ISDIR(status.st_mode)

    def _log_directories(self) -> list[str]:
        """The directories that configured logs, and logrotate's archives of them, lie in."""
        found = [os.path.dirname(log.path) for log in self.logs]
        found = [re.sub(r"/[^/]*[*?\[].*", "", path) if globbing.has_magic(path) else path for path in found]
        return sorted({path for path in (*found, *self.archive_of) if path.startswith("/")})

    def _directories(self) -> dict[str, str]:
        """The directories to look into, and what is taken for a log there; the least choosy ones first."""
        found = {path: _ALL for path in _PACKAGED.get(self.subject.name, ()) if self._is_directory(path)}
        logs = self._log_directories()
        taken_from = {path: what_is_taken(path, self.subject) for path in logs}
        found.update({path: taken for path, taken in taken_from.items() if taken == _ALL})
        for path, taken in taken_from.items():
            found.setdefault(path, taken)
            if taken != _NAMED:
                for beside in self._beside(path):
                    found.setdefault(beside, _VISITS)
        for path in self._rotated_directories():
            found.setdefault(path, _VISITS)
        for path in self._named_after([path for path, taken in found.items() if taken == _ALL]):
            found.setdefault(path, _VISITS)
        for path in filter(self._is_directory, _BACKUPS):
            found.setdefault(path, _COPIES)
        return found

    def _named_after(self, directories: Sequence[str]) -> list[str]:
        """What lies beside directories of web logs and is called after them: /var/log/nginx.old, nginx-2024.tar.gz."""
        return [path for directory in directories for path in self._glob(f"{globbing.escape(directory)}[-._]*")]

    def _rotated_directories(self) -> list[str]:
        """Directories that logrotate's rules name: those of a removed site often stay behind."""
        patterns = {
            os.path.dirname(pattern)
            for configuration in self._logrotate()
            for stanza in configuration.stanzas
            for pattern in stanza.patterns
            if pattern.startswith("/")
        }
        found = {path for pattern in patterns for path in self._glob(pattern)}
        passed_by = {*_SHARED, *_OWN_REQUESTS}
        return sorted(path for path in found if path not in passed_by and self._is_directory(path))

    def _logrotate(self) -> list[logrotate.Configuration]:
        try:
            return [logrotate.configuration(self.host, *run.paths) for run in cleaners.logrotate_runs(self.host)]
        except Unseen:
            return []  # the checks that need it say so themselves

    def _beside(self, path: str) -> list[str]:
        """The directories that other sites have in the same place: /srv/www/*/logs for /srv/www/shop/logs."""
        parent, name = os.path.split(path)
        grand = os.path.dirname(parent)
        if grand in ("/", "/var", "/home") or parent in _SHARED or not name.startswith(("log", "access")):
            return []
        return [beside for beside in self._glob(f"{globbing.escape(grand)}/*/{name}") if self._is_directory(beside)]

    def _olddirs(self) -> dict[str, str]:
        """Directory of archives -> directory of the logs, where logrotate's olddir says so."""
        found: dict[str, str] = {}
        for configuration in self._logrotate():
            for log in self.logs:
                stanza = configuration.stanza_of(log.path)
                if stanza is not None and stanza.rules.olddir:
                    directory = os.path.normpath(logrotate.archive_directory(stanza.rules, log.path))
                    found[directory] = os.path.dirname(log.path)
        return found

    # -- what is there

    def _walk(self, directory: str, depth: int, taken: str) -> None:
        status = self.host.stat(directory)
        if status is None or (status.st_dev, status.st_ino) in self.seen:
            return
        self.seen.add((status.st_dev, status.st_ino))
        for name in self.host.names(directory):
            path = os.path.join(directory, name)
            if taken == _NAMED and self._configured(path) is None:
                continue
            if not self._is_directory(path):
                self._look(path, 0, taken)
            elif os.path.islink(path):
                # a link may lead anywhere, so only what shows visits is taken there
                self._look(path, min(depth - 1, 1), _LINKED)
            elif depth:
                self._look(path, depth - 1, taken)
            elif taken not in (_NAMED, _LINKED):
                self.unseen.append(f"{path} lies too deep")

    def _configured(self, path: str) -> Family | None:
        base = base_path(path)
        directory = self.archive_of.get(os.path.dirname(base))
        for candidate in (path, base, os.path.join(directory, os.path.basename(base)) if directory else base):
            family = self.found.get(candidate)
            if family is not None and family.configured:
                return family
        return next((self.found[pattern] for pattern in self.patterns if _fits(path, pattern)), None)

    def _take(self, path: str, taken: str) -> None:
        status = self.host.stat(path)
        if status is None or not statmode.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in self.seen:
            return
        self.seen.add((status.st_dev, status.st_ino))
        if len(self.seen) > self.host.limits.names:
            raise Unseen(
                f"there are more than {self.host.limits.names} files in the directories of logs: not all were read"
            )
        family = self._configured(path)
        piece = self._piece(path, status)
        if family is None:
            if not self._is_log(path, piece, taken):
                return
            family = self.found.setdefault(base_path(path), Family(base_path(path)))
        family.pieces.append(piece)

    def _piece(self, path: str, status: os.stat_result) -> Piece:
        self.host.seconds_left()
        try:
            begins = logfile.begins(path, self.host.now, _BOUNDS)
        except OSError as error:
            raise Unseen(f"{path} cannot be read: {error.strerror or error}") from None
        number = _NUMBER.search(_PACKED.sub("", path))
        modified = dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc)
        return Piece(path, status.st_size, modified, begins, int(number.group(1)) if number else None)

    def _is_log(self, path: str, piece: Piece, taken: str) -> bool:
        """Whether a file that no server is configured to write may hold visitors' addresses."""
        if taken == _NAMED:
            return False
        if piece.begins is None:
            return taken == _ALL or any(
                os.path.basename(base_path(path)) == os.path.basename(log.path) for log in self.logs
            )
        if taken == _ALL and piece.begins.evidence == logfile.STAMP:
            return True
        try:
            head = logfile.head(path, _SNIFF_BYTES, _BOUNDS)
        except OSError as error:
            raise Unseen(f"{path} cannot be read: {error.strerror or error}") from None
        line = logfile.LINES[self.subject.name]
        if taken == _COPIES:
            return head is not None and line.search(head) is not None
        # what cannot be unpacked, or is no text, may be a copy of anything
        if head is None or b"\0" in head:
            return taken == _ALL or bool(_PACKED.search(path)) or path.endswith((".tgz", ".tar", ".zip", ".7z"))
        return bool(line.search(head) or (taken == _ALL and _ADDRESS.search(head)))


def what_is_taken(directory: str, subject: Subject = WEB_LOGS) -> str:
    """Which files of a directory that a log lies in are taken for the subject's, by the directory's name."""
    name = os.path.basename(directory)
    if directory in _SHARED:
        return _NAMED
    if subject.directory.fullmatch(name):
        return _ALL
    return _VISITS if _LOG_DIRECTORY.fullmatch(name) else _NAMED


def _fits(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    if len(parts) != len(wanted):
        return False
    if all(fnmatch.fnmatchcase(part, one) for part, one in zip(parts, wanted)):
        return True
    bare = _NUMBER.sub("", _PACKED.sub("", path)).split("/")
    return all(fnmatch.fnmatchcase(part, one) for part, one in zip(bare, wanted))


def line_count(host: Host, piece: Piece) -> int | None:
    """The number of lines in a file; None where telling costs too much."""
    if piece.begins is None:
        return 0
    try:
        head = logfile.head(piece.path, 4 << 20, _BOUNDS)
    except OSError:
        return None
    return None if head is None else head.count(b"\n")
