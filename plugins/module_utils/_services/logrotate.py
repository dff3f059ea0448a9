# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""logrotate: which rules are in effect for which log, and how long a line is kept by them.

Read as logrotate 3.21 and 3.22 read it, its oddities included: what `logrotate -d` prints does not tell everything.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import shlex
import stat as statmode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .._host import Host, Unseen, matches
from .._option import Period

STATE_FILE = "/var/lib/logrotate/status"

_TABOO = [
    ",v",
    ".bak",
    ".cfsaved",
    ".disabled",
    ".dpkg-bak",
    ".dpkg-del",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-tmp",
    ".new",
    ".old",
    ".orig",
    ".rhn-cfg-tmp-*",
    ".rpmnew",
    ".rpmorig",
    ".rpmsave",
    ".swp",
    ".ucf-dist",
    ".ucf-new",
    ".ucf-old",
    "~",
]
_NESTING = 16


@dataclass
class Rules:
    """What logrotate is told about a log. Sizes in bytes, ages in days; maxage 0: none; rotate -1: no limit."""

    rotate: int = 0
    criterion: str = "size"
    size: int = 1 << 20
    minsize: int = 0
    maxsize: int = 0
    minage: int = 0
    maxage: int = 0
    start: int = 1
    ifempty: bool = True
    missingok: bool = False
    compress: bool = False
    delaycompress: bool = False
    compressext: str = ".gz"
    dateext: bool = False
    dateformat: str = ""
    extension: str = ""
    addextension: str = ""
    olddir: str = ""
    createolddir: bool = False
    copytruncate: bool = False
    copy: bool = False
    ignoreduplicates: bool = False
    allowhardlink: bool = False
    su: str = ""
    scripts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # where the deciding keywords stand, in `source`'s file

    @property
    def leaves_lines(self) -> bool:
        """Whether a rotation leaves all lines in the log itself, beside their copy in an archive."""
        return self.copy and not self.copytruncate

    def copied(self) -> Rules:
        """The same rules, to be changed apart."""
        return replace(self, scripts=dict(self.scripts), lines={})


@dataclass
class Stanza:
    """One block of the configuration: the files that it really handles, and by which rules.

    cut: those of its patterns that end at a file of another block.
    """

    patterns: tuple[str, ...]
    files: list[str]
    path: str
    line: int
    rules: Rules
    cut: list[str] = field(default_factory=list)

    def takes(self, log: str) -> bool:
        """Whether it will handle a log that was not there when its files were looked for."""
        return any(_names(pattern, log) for pattern in self.patterns if pattern not in self.cut)

    def source(self, *keywords: str) -> str:
        """Where a keyword of it stands, or where it begins: '/etc/logrotate.d/nginx:4'."""
        lines = [self.rules.lines[keyword] for keyword in keywords if keyword in self.rules.lines]
        return f"{self.path}:{lines[0] if lines else self.line}"


@dataclass(frozen=True)
class Problem:
    """Something in the configuration that logrotate refuses. source: '/path:line'."""

    source: str
    text: str


@dataclass
class Configuration:
    """What logrotate reads, beginning at the files that its command names."""

    paths: tuple[str, ...]
    stanzas: list[Stanza] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    dropped: list[tuple[tuple[str, ...], Problem]] = field(default_factory=list)  # patterns of blocks given up, and why

    def stanza_of(self, log: str) -> Stanza | None:
        """The stanza that handles a log, or None. A log may have come since the files were looked for."""
        coming = (stanza for stanza in self.stanzas if stanza.takes(log))
        return self.holder(log) or next(coming, None)

    def holder(self, log: str) -> Stanza | None:
        """The stanza that handles a log that was there when the files were looked for, or None."""
        return next((stanza for stanza in self.stanzas if log in stanza.files), None)

    def stanza_to_be(self, log: str) -> Stanza | None:
        """The stanza that will handle a log once it is there, or None."""
        named = (stanza for stanza in self.stanzas if any(_names(one, log) for one in stanza.patterns))
        return self.stanza_of(log) or next(named, None)

    def why_not(self, log: str) -> Problem | None:
        """Why no stanza handles a log although one names it; None where none does."""
        for patterns, problem in self.dropped:
            if any(_names(pattern, log) for pattern in patterns):
                return problem
        for stanza in self.stanzas:
            if log not in stanza.files and any(_names(pattern, log) for pattern in stanza.cut):
                return Problem(stanza.source(), "logrotate leaves it out there: another block names a file before it")
        return None


def configuration(host: Host, *paths: str) -> Configuration:
    """The configuration in effect when logrotate is run with these files. Raises Unseen: one cannot be read."""
    return host.once(("logrotate", paths), lambda: _Reader(host, paths).read())


# -- keywords ---------------------------------------------------------------------------------------------------------

_FLAGS: dict[str, tuple[str, object]] = {
    "compress": ("compress", True),
    "nocompress": ("compress", False),
    "delaycompress": ("delaycompress", True),
    "nodelaycompress": ("delaycompress", False),
    "allowhardlink": ("allowhardlink", True),
    "noallowhardlink": ("allowhardlink", False),
    "copytruncate": ("copytruncate", True),
    "nocopytruncate": ("copytruncate", False),
    "copy": ("copy", True),
    "nocopy": ("copy", False),
    "ifempty": ("ifempty", True),
    "notifempty": ("ifempty", False),
    "dateext": ("dateext", True),
    "nodateext": ("dateext", False),
    "missingok": ("missingok", True),
    "nomissingok": ("missingok", False),
    "ignoreduplicates": ("ignoreduplicates", True),
    "noolddir": ("olddir", ""),
    "nocreateolddir": ("createolddir", False),
    "hourly": ("criterion", "hourly"),
    "daily": ("criterion", "daily"),
    "monthly": ("criterion", "monthly"),
    "yearly": ("criterion", "yearly"),
}
_SILENT = frozenset(
    [
        "shred",
        "noshred",
        "sharedscripts",
        "nosharedscripts",
        "renamecopy",
        "norenamecopy",
        "dateyesterday",
        "datehourago",
        "mailfirst",
        "maillast",
        "nomail",
        "nocreate",
    ]
)
_NUMBERS = {"rotate": -1, "start": 0, "minage": 0, "maxage": 0}  # the lowest that is accepted
_TEXTS = frozenset(["dateformat", "extension", "addextension", "olddir", "compressext", "su"])
_SIZES = frozenset(["size", "minsize", "maxsize"])
_LINES = frozenset(["mail", "create", "errors", "compresscmd", "uncompresscmd", "compressoptions", "shredcycles"])
_SCRIPTS = frozenset(["prerotate", "postrotate", "firstaction", "lastaction", "preremove"])
_UNITS = {"k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _number(text: str) -> int:
    """A number as C's strtol with base 0 reads it. Raises ValueError."""
    match = re.fullmatch(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|\d+)", text)
    if not match:
        raise ValueError(text)
    digits = match.group(2)
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") and len(digits) > 1 else 10
    return int(digits, base) * (-1 if match.group(1) == "-" else 1)


class _BadKeywordError(Exception):
    """A keyword that makes logrotate give up the block (or, outside blocks, the file) that it stands in."""


class _BadFileError(Exception):
    """Something that makes logrotate give up the rest of a file."""


class _Reader:
    """Reads the configuration, one file after the other, into a Configuration."""

    def __init__(self, host: Host, paths: tuple[str, ...]) -> None:
        self.host = host
        self.found = Configuration(paths)
        self.taboo = ["*" + ending for ending in _TABOO]
        self.depth = 0

    def read(self) -> Configuration:
        rules = Rules()
        for path in self.found.paths:
            rules = self.path(path, rules)[1]
        return self.found

    def problem(self, source: str, text: str) -> None:
        self.found.problems.append(Problem(source, text))

    def path(self, path: str, rules: Rules) -> tuple[bool, Rules]:
        """Read a file or a directory of files: whether all went well, and the rules as they left them."""
        status = self.host.stat(path)
        if status is None:
            self.problem(path, "is not there")
            return False, rules
        if not statmode.S_ISDIR(status.st_mode):
            return self._guarded(path, rules)
        well = True
        for name in self.host.names(path):
            if any(matches(name, pattern) for pattern in self.taboo):
                continue
            good, rules = self._guarded(os.path.join(path, name), rules)
            well = well and good
        return well, rules

    def _guarded(self, path: str, rules: Rules) -> tuple[bool, Rules]:
        """Read one file; what a bad one changed outside its blocks is forgotten."""
        changed = rules.copied()
        good = self._file(path, changed)
        return good, (changed if good else rules)

    def _file(self, path: str, rules: Rules) -> bool:
        status = self.host.stat(path)
        if status is None:
            self.problem(path, "is not there")
            return False
        if not statmode.S_ISREG(status.st_mode):
            return True
        if status.st_mode & 0o022:
            self.problem(path, "logrotate ignores it: it is writable by group or others")
            return False
        if status.st_uid != 0:
            self.problem(path, "logrotate ignores it: it does not belong to root")
            return False
        self.found.files.append(path)
        return _File(self, path, self.host.read(path), rules).read()

    def include(self, path: str, rules: Rules, source: str) -> tuple[bool, Rules]:
        """Read what an include names."""
        if self.depth >= _NESTING:
            self.problem(source, "includes are nested too deep")
            return False, rules
        self.depth += 1
        try:
            return self.path(path, rules)
        finally:
            self.depth -= 1

    def files(self, stanza: Stanza) -> None:
        """Find the files that a stanza's patterns name; a file that another stanza has ends its pattern there."""
        for pattern in stanza.patterns:
            matches = self.host.glob(os.path.expanduser(pattern)) or [pattern]  # as glob(3) with GLOB_NOCHECK
            for file in matches:
                status = self.host.stat(file)
                if status is not None and statmode.S_ISDIR(status.st_mode) and not os.path.islink(file):
                    continue
                holder = self.found.holder(file)
                if holder is None and file not in stanza.files:
                    stanza.files.append(file)
                elif holder is None or not holder.rules.ignoreduplicates:
                    other = (holder or stanza).source()
                    self.problem(stanza.source(), f"ignored for {file} and what follows it: {other} names it too")
                    stanza.cut.append(pattern)
                    break

    def olddir_is_missing(self, stanza: Stanza) -> bool:
        """Whether the directory for archives of one of its files is not there, nor made by logrotate."""
        rules = stanza.rules
        if not rules.olddir or rules.createolddir:
            return False
        for file in stanza.files:
            directory = os.path.dirname(file)
            if self.host.stat(directory) is None and rules.missingok:
                continue
            if self.host.stat(os.path.join(directory, rules.olddir)) is None:
                return True
        return False


def _names(pattern: str, path: str) -> bool:
    """Whether a shell pattern names a path, as glob(3) has it: '*' does not cross a '/'."""
    names, patterns = path.split("/"), os.path.expanduser(pattern).split("/")
    return len(names) == len(patterns) and all(map(matches, names, patterns))


_DEFAULT, _SKIP_LINE, _AFTER_BLOCK, _SKIP_BLOCK, _SCRIPT = "default", "line", "after", "block", "script"


class _File:
    """One file, read character by character with the states that logrotate itself goes through."""

    def __init__(self, reader: _Reader, path: str, text: str, rules: Rules) -> None:
        self.reader, self.path, self.text = reader, path, text
        self.outer, self.rules = rules, rules
        self.at, self.state, self.skipping = 0, _DEFAULT, False
        self.stanza: Stanza | None = None
        self.script, self.script_from = "", 0
        self.fault: Problem | None = None  # why the block that is being read is given up
        self.well = True

    def read(self) -> bool:
        """Whether all went well. What was read before a fault stays in effect."""
        step: dict[str, Callable[[], None]] = {
            _DEFAULT: self._default,
            _SKIP_LINE: self._skip_line,
            _AFTER_BLOCK: self._after_block,
            _SKIP_BLOCK: self._skip_block,
            _SCRIPT: self._in_script,
        }
        try:
            while self.at < len(self.text):
                try:
                    step[self.state]()
                except _BadKeywordError as fault:
                    self._give_up(str(fault))
                self.at += 1
            if self.script:
                raise _BadFileError(f"{self.script} without endscript")
        except _BadFileError as fault:
            self._complain(f"logrotate skips the rest of the file: {fault}")
            if self.stanza is not None:
                self._drop(self.stanza)
        return self.well

    def _drop(self, stanza: Stanza) -> None:
        """Take a block out again; the last problem says why."""
        self.reader.found.stanzas.remove(stanza)
        self.reader.found.dropped.append((stanza.patterns, self.fault or self.reader.found.problems[-1]))

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _complain(self, text: str) -> None:
        self.well = False
        self.reader.problem(f"{self.path}:{self._line()}", text)

    def _give_up(self, why: str) -> None:
        """Skip the block that is being read, or the file where none is."""
        if self.stanza is None:
            raise _BadFileError(why)
        self._complain(f"logrotate skips the block: {why}")
        self.fault = self.reader.found.problems[-1]
        self.at += 1
        self.state, self.skipping = _SKIP_BLOCK, True

    def _char(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    # -- words and values

    def _word(self) -> str:
        while self._char() and self._char() in " \t":
            self.at += 1
        match = re.compile(r"[A-Za-z]*").match(self.text, self.at)
        word = match.group() if match else ""
        self.at += len(word)
        return word

    def _rest_of_line(self) -> str:
        """The rest of the line, stripped at its end; the position is then the last character before the newline."""
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        value = self.text[self.at : end].rstrip()
        self.at = end - 1
        return value

    def _value(self, keyword: str) -> str:
        match = re.compile(r"[ \t]*(?:=[ \t]*)?").match(self.text, self.at)
        self.at = match.end() if match else self.at
        if self._char() == "\n":
            raise _BadKeywordError(f"{keyword} has no value")
        return self._rest_of_line()

    # -- states

    def _default(self) -> None:
        char = self._char()
        if char in " \t\n":
            return
        if char == "#":
            self.state = _SKIP_LINE
        elif char.isascii() and char.isalpha():
            self._keyword()
        elif char in "/\"'~":
            self._names()
        elif char == "}":
            self._end_of_block()
        else:
            raise _BadKeywordError("lines must begin with a keyword or a file name")

    def _skip_line(self) -> None:
        if self._char() == "\n":
            self.state = _SCRIPT if self.script else _SKIP_BLOCK if self.skipping else _DEFAULT

    def _after_block(self) -> None:
        if self._char() in " \t":
            return
        self.state = _DEFAULT
        if self._char() != "\n":
            self.reader.problem(f"{self.path}:{self._line()}", "unexpected text after }, ignored")
            self.state = _SKIP_LINE

    def _skip_block(self) -> None:
        if self._char() == "}":
            self.state, self.skipping = _DEFAULT, False
            if self.stanza is not None:
                self._drop(self.stanza)
            self.stanza, self.rules, self.fault = None, self.outer, None
            return
        word = self._word()
        if word in _SCRIPTS:
            self.script, self.script_from, self.state = word, self.at, _SCRIPT
        elif self._char() not in ("\n", ""):
            self.state = _SKIP_LINE

    def _in_script(self) -> None:
        if self._word() == "endscript":
            if not self.skipping:
                body = self.text[self.script_from : self.at - len("endscript")]
                self.rules.scripts[self.script] = body.rpartition("\n")[0]
            self.script = ""
            self.state = _SKIP_BLOCK if self.skipping else _DEFAULT
        elif self._char() != "\n":
            self.state = _SKIP_LINE

    def _names(self) -> None:
        if self.stanza is not None:
            self.at += 1
            raise _BadKeywordError("a file name inside a block")
        line = self._line()
        head = re.compile(r"(?:[ \t]*#[^\n]*(?:\n|\Z)|[^{}\n]*(?:\n|\Z|(?=[{}])))*?(?=[{}]|\Z)").match(
            self.text, self.at
        )
        text = head.group() if head else ""
        self.at += len(text)
        if self._char() != "{":
            raise _BadFileError("{ expected after log file names")
        names = "\n".join(row for row in text.split("\n") if not row.lstrip().startswith("#"))
        try:
            patterns = tuple(shlex.split(names))
        except ValueError:
            raise _BadFileError("the log file names cannot be read") from None
        self.rules = self.outer.copied()
        self.stanza = Stanza(patterns, [], self.path, line, self.rules)
        problems = len(self.reader.found.problems)
        self.reader.files(self.stanza)
        self.well = self.well and problems == len(self.reader.found.problems)
        self.reader.found.stanzas.append(self.stanza)

    def _end_of_block(self) -> None:
        if self.stanza is None:
            raise _BadFileError("unexpected }")
        if self.reader.olddir_is_missing(self.stanza):
            raise _BadFileError(f"olddir {self.rules.olddir} is not there")
        self.stanza, self.rules = None, self.outer
        self.state = _AFTER_BLOCK

    def _keyword(self) -> None:
        line = self._line()
        keyword = self._word()
        if self._char() and not self._char().isspace() and self._char() != "=":
            raise _BadKeywordError(f"keyword {keyword} is not properly separated")
        if keyword in _SCRIPTS:
            self.script, self.script_from, self.state = keyword, self.at, _SCRIPT
            self.rules.lines[keyword] = line
            return
        self._set(keyword)
        if self.state == _DEFAULT:
            # the newline after a keyword is read by the state itself
            self.at -= 1 if self._char() == "\n" else 0
        self.rules.lines[keyword] = line

    def _set(self, keyword: str) -> None:
        setters = (
            (_FLAGS, self._set_flag),
            (_NUMBERS, self._set_number),
            (_SIZES, self._set_size),
            (_TEXTS, self._set_text),
            (("weekly",), self._set_weekly),
            (("createolddir",), self._set_createolddir),
            (("tabooext", "taboopat"), self._set_taboo),
            (("include",), self._include),
            (_LINES, self._skip_value),
            (_SILENT, self._ignore),
        )
        setter = next((setter for keywords, setter in setters if keyword in keywords), self._set_unknown)
        setter(keyword)

    def _set_flag(self, keyword: str) -> None:
        setattr(self.rules, *_FLAGS[keyword])

    def _set_text(self, keyword: str) -> None:
        value = self._rest_of_line().strip() if keyword == "su" else self._value(keyword)
        setattr(self.rules, keyword, value)

    def _set_createolddir(self, keyword: str) -> None:
        self._rest_of_line()
        self.rules.createolddir = True

    def _skip_value(self, keyword: str) -> None:
        self._rest_of_line()

    def _ignore(self, keyword: str) -> None:
        """A keyword that changes nothing about how long a log is kept."""

    def _set_unknown(self, keyword: str) -> None:
        self.reader.problem(f"{self.path}:{self._line()}", f"logrotate does not know '{keyword}' and ignores the line")
        if self._char() != "\n":
            self.state = _SKIP_LINE

    def _include(self, keyword: str) -> None:
        source = f"{self.path}:{self._line()}"
        good, rules = self.reader.include(os.path.expanduser(self._value(keyword)), self.rules, source)
        self.well = self.well and good
        vars(self.rules).update(vars(rules))

    def _set_number(self, keyword: str) -> None:
        value = self._value(keyword)
        digits = re.match(r"\s*[+-]?(0[xX][0-9a-fA-F]+|\d+)|", value)
        setattr(self.rules, keyword, _number(digits.group()) if digits and digits.group() else 0)
        try:
            number = _number(value)
        except ValueError:
            number = -2
        if number < _NUMBERS[keyword]:
            raise _BadKeywordError(f"{keyword} '{value}' is no number")

    def _set_size(self, keyword: str) -> None:
        value = self._value(keyword)
        if not value:
            return
        multiplier = _UNITS.get(value[-1], 1)
        try:
            size = _number(value[:-1] if value[-1] in _UNITS else value) * multiplier
        except ValueError:
            raise _BadKeywordError(f"{keyword} '{value}' is no size") from None
        setattr(self.rules, keyword, size)
        if keyword == "size":
            self.rules.criterion = "size"

    def _set_weekly(self, keyword: str) -> None:
        value = self._rest_of_line().strip()
        self.rules.criterion = "weekly"
        if value and not re.fullmatch("[0-7]", value):
            raise _BadFileError(f"weekly '{value}' is no day of the week")

    def _set_taboo(self, keyword: str) -> None:
        if self.stanza is not None:
            raise _BadKeywordError(f"{keyword} inside a block")
        value = self._value(keyword)
        if value.startswith("+"):
            value = value[1:]
        else:
            self.reader.taboo.clear()
        words = [word for word in re.split(r"[\s,]+", value) if word]
        self.reader.taboo += ["*" + word if keyword == "tabooext" else word for word in words]


# -- what the rules do ------------------------------------------------------------------------------------------------

# days between two rotations, at least and at most
INTERVALS = {
    "hourly": (1 / 24, 1 / 24),
    "daily": (1.0, 1.0),
    "weekly": (7.0, 7.0),
    "monthly": (28.0, 31.0),
    "yearly": (365.0, 366.0),
    "size": (0.0, math.inf),
    "forced": (0.0, 0.0),  # logrotate -f
}


def forced(stanza: Stanza) -> Stanza:
    """A stanza as `logrotate -f` takes it: each run rotates, whatever it says of when."""
    # one that says hourly stays so, for its archives carry the hour in their names
    criterion = "hourly" if stanza.rules.criterion == "hourly" else "forced"
    return replace(stanza, rules=replace(stanza.rules, criterion=criterion, minsize=0, minage=0))


# how often an archive's name changes, by the finest part of its date
_NAME_DAYS = (*((code, 0.0) for code in "sSMH"), ("d", 1.0), ("V", 7.0), ("m", 31.0), ("Y", 366.0))


def interval(rules: Rules, run_days: float) -> tuple[float, float]:
    """The fewest and the most days between two rotations of a log that is there, when logrotate runs every run_days."""
    fewest, most = INTERVALS[rules.criterion]
    if rules.maxsize or rules.criterion == "size":
        fewest = 0.0
    if rules.minsize or rules.minage or not rules.ifempty:
        most = math.inf
    if rules.dateext and rules.dateformat:
        # while there is an archive of that name, rotation is skipped
        most = max(most, next((days for code, days in _NAME_DAYS if f"%{code}" in rules.dateformat), math.inf))
    return max(fewest, run_days), max(most, run_days)


# rotations that come with the calendar: months between them
_CALENDAR = {"monthly": 1, "yearly": 12}


def _calendar(rules: Rules) -> Period | None:
    """How long `rotate N` is where rotation comes once in a month or a year; None where it comes otherwise."""
    if rules.criterion not in _CALENDAR or rules.maxsize or rules.rotate < 1:
        return None
    return Period.parse(f"{rules.rotate * _CALENDAR[rules.criterion]} months")


def kept_days(rules: Rules, run_days: float, now: dt.datetime | None = None) -> float:
    """How many days a line is kept at least; infinite where logrotate never removes it.

    A line written just before a rotation is removed by `rotate N` at the N-th rotation after it, by `maxage N` at the
    first rotation when its file is N + 1 whole days old. now: where months count, those before it are meant.
    """
    fewest = interval(rules, run_days)[0]
    by_count = math.inf if rules.rotate < 0 else rules.rotate * fewest
    period = _calendar(rules)
    if period is not None and now is not None:
        by_count = max(by_count, (now - period.before(now)).total_seconds() / 86400)
    by_age = rules.maxage + 1 if rules.maxage else math.inf
    return min(by_count, by_age)


def destroyed_days(rules: Rules, run_days: float) -> float:
    """How many days old a line is at most when logrotate removes it; infinite where nothing makes sure of it.

    Holds while the log itself is there, and for archives that carry the names the rules give.
    """
    most = interval(rules, run_days)[1]
    by_count = math.inf if rules.rotate < 0 else (rules.rotate + 1) * most
    period = _calendar(rules)
    by_count = min(by_count, period.max_days + most) if period is not None and run_days <= 1 else by_count
    by_age = rules.maxage + 1 + 2 * most if rules.maxage else math.inf
    return min(by_count, by_age)


def no_end_because(rules: Rules) -> str:
    """Why destroyed_days is infinite, in words; '' where it is not."""
    if not math.isinf(destroyed_days(rules, 1.0)):
        return ""
    if rules.rotate < 0 and not rules.maxage:
        return "rotate -1 without maxage keeps archives for ever"
    if not rules.ifempty:
        return "notifempty: no rotation, and so no removal, while the log is empty"
    if rules.criterion == "size":
        return "it rotates by size, not by time"
    if not rules.minsize and not rules.minage:
        return f"dateformat {rules.dateformat} gives every archive the same name"
    return f"{'minsize' if rules.minsize else 'minage'} puts rotation off without a limit"


_DATE_CODES = {"Y": r"\d{4}", "s": r"\d{10}", "z": r"[-+]\d{4}", **dict.fromkeys("mdHMSV", r"\d\d")}


_SOME_DAY = {"Y": "2026", "m": "01", "d": "31", "H": "00", "M": "00", "S": "00", "V": "05", "s": "1769817600"}
_SOME_DAY["z"] = "+0000"


def archive_directory(rules: Rules, log: str) -> str:
    """The directory that a log's archives are put into."""
    return os.path.join(os.path.dirname(log), rules.olddir) if rules.olddir else os.path.dirname(log)


def _split(rules: Rules, log: str) -> tuple[str, str]:
    """What stands before and behind the number or date in the names of a log's archives."""
    name, ending = os.path.basename(log), ""
    for extension in filter(None, (rules.addextension, rules.extension)):
        if name.endswith(extension):
            name = name[: -len(extension)]
            ending = extension
        elif extension == rules.addextension:
            ending = extension
    return name, ending


def future_archive(rules: Rules, log: str) -> str:
    """The path of an archive that a log will have some day."""
    name, ending = _split(rules, log)
    form = rules.dateformat.lstrip(" ") or ("-%Y%m%d%H" if rules.criterion == "hourly" else "-%Y%m%d")
    middle = re.sub("%([YmdHMSVsz])", lambda code: _SOME_DAY[code[1]], form) if rules.dateext else ".2"
    packed = rules.compressext if rules.compress else ""
    return os.path.normpath(os.path.join(archive_directory(rules, log), f"{name}{middle}{ending}{packed}"))


def archive_names(rules: Rules, log: str) -> re.Pattern[str]:
    """The base names of a log's archives under these rules; numbered ones have a group 'number'."""
    name, ending = _split(rules, log)
    middle = _date_pattern(rules) if rules.dateext else r"\.(?P<number>\d+)"
    packed = f"(?P<packed>{re.escape(rules.compressext)})?" if rules.compress else ""
    return re.compile(re.escape(name) + middle + re.escape(ending) + packed)


def _date_pattern(rules: Rules) -> str:
    if not rules.dateformat:
        return r"-\d{10}" if rules.criterion == "hourly" else r"-\d{8}"
    parts = re.split(r"%([YmdHMSVsz])", rules.dateformat.lstrip(" "))
    return "".join(_DATE_CODES[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))


def reaches(rules: Rules, log: str, archive: str) -> bool:
    """Whether the rules ever remove this archive: it lies where they look and carries a name that they look for."""
    if os.path.dirname(archive) != os.path.normpath(archive_directory(rules, log)):
        return False
    match = archive_names(rules, log).fullmatch(os.path.basename(archive))
    if match is None:
        return False
    number = match.groupdict().get("number")
    if rules.compress and not match["packed"]:
        # only what was rotated last is packed or replaced, and with delaycompress whatever has a date
        return int(number) == rules.start if number else rules.delaycompress
    return number is None or rules.rotate < 0 or int(number) <= rules.start + rules.rotate


def hindrance(host: Host, stanza: Stanza, log: str) -> str:
    """Why logrotate will not rotate a log although a stanza names it; '' where nothing hinders."""
    if os.path.islink(log):
        return f"{log} is a symbolic link, which logrotate never rotates"
    status, directory = host.stat(log), host.stat(os.path.dirname(log))
    if status is not None and status.st_nlink > 1 and not stanza.rules.allowhardlink:
        return f"{log} has several hard links"
    if directory is None or stanza.rules.su:
        return ""
    loose = directory.st_mode & 0o002 or (directory.st_mode & 0o020 and directory.st_gid != 0)
    return f"{os.path.dirname(log)} is writable by others and the stanza has no 'su'" if loose else ""


def last_rotations(host: Host, path: str = STATE_FILE) -> dict[str, dt.datetime]:
    """When each log was last rotated (or first seen) by the state file: naive, the host's own time. Raises Unseen."""
    return host.once(("logrotate state", path), lambda: dict(_rotations(host.read(path))))


def _rotations(text: str) -> Iterator[tuple[str, dt.datetime]]:
    for match in re.finditer(r'^"((?:[^"\\]|\\.)*)" (\d+)-(\d+)-(\d+)(?:-(\d+):(\d+):(\d+))?$', text, re.MULTILINE):
        name = re.sub(r"\\(.)", r"\1", match.group(1))
        try:
            yield name, dt.datetime(*[int(part or 0) for part in match.groups()[1:]])  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError as error:
            raise Unseen(f"{STATE_FILE} holds no date for {name}: {error}") from None
