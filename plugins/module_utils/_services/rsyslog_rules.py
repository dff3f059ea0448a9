# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rsyslog's rules, followed in their order as one program's lines would go: which files get them, and what is dropped.

A rule whose condition is not understood makes what follows uncertain; it is never taken for harmless.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen

MAIN = "/etc/rsyslog.conf"
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_ALIASES = {"panic": "emerg", "error": "err", "warn": "warning"}
_DISCARD = ("~", "stop", "discard")
# what only sets something up
_SETUP = re.compile(r"(module|global|template|input|main_queue|lookup_table|timezone|parser|ruleset|set|unset)\s*[( $]")
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(?:^|\s)#.*')  # what is quoted is none
_INCLUDE = re.compile(r'\s*(?:\$IncludeConfig\s+(\S+)|include\(.*?file\s*=\s*"([^"]+)")', re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """The lines that are asked about: their program (as its tag begins), facility and level."""

    program: str
    facility: str
    level: str


@dataclass(frozen=True)
class Written:
    """A file that such lines go to. whole: all of them; False: none; None: that cannot be told; why: of these."""

    path: str
    whole: bool | None
    source: str
    why: str = ""


@dataclass(frozen=True)
class Rule:
    """A statement of the configuration, and where it stands."""

    text: str
    source: str


@dataclass
class _State:
    """Whether the lines get as far as the next rule."""

    passes: bool | None = True
    why: str = ""


def files(host: Host) -> list[str]:
    """The files of the configuration. Raises Unseen."""
    return list(dict.fromkeys(path for path, _text, _first in _texts(host, MAIN, 0)))


def rules(host: Host) -> list[Rule]:
    """All statements, in the order in which they are read. Raises Unseen."""
    return host.once("rsyslog_rules", lambda: [rule for told in _texts(host, MAIN, 0) for rule in _rules(*told)])


def reads_journal(host: Host) -> bool:
    """Whether it takes its lines from the journal itself. Raises Unseen."""
    return any("imjournal" in rule.text for rule in rules(host))


def written(host: Host, line: Line) -> list[Written]:
    """The files that such lines go to. Raises Unseen."""
    found: list[Written] = []
    _walk(rules(host), line, True, _State(), found)
    best: dict[str, Written] = {}
    for one in found:
        if one.path not in best or (one.whole and not best[one.path].whole):
            best[one.path] = one
    return list(best.values())


# -- reading ----------------------------------------------------------------------------------------------------------


def _texts(host: Host, path: str, depth: int) -> Iterator[tuple[str, list[str], int]]:
    """Pieces of the files in the order in which they are read: path, lines, number of the first line."""
    if depth > 8:
        raise Unseen(f"{path} is included too deep")
    lines = host.read(path).splitlines()
    start = 0
    for number, line in enumerate(lines):
        match = _INCLUDE.match(line)
        if match:
            yield path, lines[start:number], start + 1
            for name in host.glob(match.group(1) or match.group(2)):
                yield from _texts(host, name, depth + 1)
            start = number + 1
    yield path, lines[start:], start + 1


def _rules(path: str, lines: Sequence[str], first: int) -> Iterator[Rule]:
    """The statements of some lines; one goes on until its brackets are closed."""
    held, begun, depth = "", 0, 0
    for number, line in enumerate(lines, first):
        bare = _COMMENT.sub(lambda found: found.group(1) or "", line).strip()
        if not bare:
            continue
        begun = begun or number
        held = f"{held} {bare}".strip()
        unquoted = re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', '""', bare)
        depth += len(re.findall(r"[({]", unquoted)) - len(re.findall(r"[)}]", unquoted))
        if depth <= 0 and not re.match(r"if\b(?!.*\bthen\b\s*\S)", held):
            yield Rule(held, f"{path}:{begun}")
            held, begun, depth = "", 0, 0
    if held:
        yield Rule(held, f"{path}:{begun}")


def _statements(text: str) -> list[str]:
    """The statements of a block, which stands in one line by now."""
    rest = text.strip(" ;")
    parts: list[str] = []
    forms = (
        r"if\b.*?\bthen\s*\{[^{}]*\}(?:\s*else\s*\{[^{}]*\})?",
        r"action\((?:\"[^\"]*\"|[^()\"])*\)",
        r"(?:stop|~)(?=\s|;|$)",
        r"-?/\S+",
    )
    while rest:
        match = next((found for form in forms if (found := re.match(form, rest))), None)
        if match is None:
            return [*parts, rest]  # one that is not understood takes the rest with it
        parts.append(match.group(0))
        rest = rest[match.end() :].strip(" ;")
    return parts


# -- following --------------------------------------------------------------------------------------------------------


def _walk(told: Sequence[Rule], line: Line, outer: bool | None, state: _State, found: list[Written]) -> None:
    """Follow rules as such a line would go. outer: whether it gets into this block at all."""
    last: bool | None = outer
    for rule in told:
        text = rule.text
        if text.startswith("$") or _SETUP.match(text):
            continue
        if text.startswith("&"):
            matches, action = last, text[1:].strip()
        else:
            condition, action = _split(text)
            matches = last = _and(outer, _matches(condition, line))
        if re.search(r"\}\s*else\b", action):
            matches = None  # which of both is too much to follow
        if matches is not False:
            _act(action, rule, line, matches, state, found)


def _act(action: str, rule: Rule, line: Line, matches: bool | None, state: _State, found: list[Written]) -> None:
    """What one action does with such a line."""
    block = re.match(r"\{(.*)\}", action)
    if block:
        inner = [Rule(text, rule.source) for text in _statements(block.group(1))]
        _walk(inner, line, matches, state, found)
    elif action.lower() in _DISCARD:
        _discard(rule, matches, state)
    elif _path(action):
        whole = _and(matches, state.passes)
        why = state.why if state.passes is not True else "which lines it gets is not understood"
        found.append(Written(_path(action), whole, rule.source, "" if whole else why))
    elif not re.match(r"(:omusrmsg:|@|action\(|\||\^|-?\?|:om\w+:|\*|[a-z][\w,-]*$)", action) and state.passes:
        state.passes, state.why = None, f"what {rule.source} does is not understood"


def _discard(rule: Rule, matches: bool | None, state: _State) -> None:
    if matches and state.passes is not False:
        state.passes, state.why = False, f"they are thrown away at {rule.source}"
    elif matches is None and state.passes:
        state.passes, state.why = None, f"which of them {rule.source} throws away cannot be told"


def _path(action: str) -> str:
    """The file that an action writes to; '' where it writes to none."""
    match = re.match(r"-?(/[^\s;]+)", action)
    if match is None and re.match(r"action\(", action) and re.search(r'type\s*=\s*"omfile"', action):
        match = re.search(r'\bfile\s*=\s*"([^"]+)"', action, re.IGNORECASE)
    return match.group(1) if match else ""


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


# -- conditions -------------------------------------------------------------------------------------------------------


def _split(text: str) -> tuple[str, str]:
    """The condition of a statement ('' if it has none) and its action."""
    match = re.match(r"if\s*(.*?)\s*\bthen\s*(.*)$", text)
    if match:
        return f"if {match.group(1)}", match.group(2)
    match = re.match(r'(:\s*[\w$!.-]+\s*,\s*!?\s*\w+\s*(?:,\s*"(?:[^"\\]|\\.)*")?)\s*(.*)$', text)
    if match and not text.startswith(":om"):
        return match.group(1), match.group(2)
    if re.match(r"(action\(|call\s|stop$|~$|foreach|\{|-?/|if\b)", text):
        return "", text
    selector, _blank, action = re.sub(r"\s*;\s*", ";", text).replace("\t", " ").partition(" ")
    return selector, action.strip()


def _matches(condition: str, line: Line) -> bool | None:
    """Whether such a line meets a condition; None where that depends on what is in it, or is not understood."""
    if not condition:
        return True
    if condition.startswith(":"):
        return _property(condition, line)
    if condition.startswith("if "):
        return _expression(condition[3:].strip(), line)
    return _selector(condition, line)


def _property(condition: str, line: Line) -> bool | None:
    match = re.match(r':\s*([\w$!.-]+)\s*,\s*(!?)\s*(\w+)\s*,\s*"((?:[^"\\]|\\.)*)"', condition)
    if not match:
        return None
    name, negated, operation, value = match.groups()
    told = _compare(name.lower(), operation.lower(), value, line)
    return told if told is None or not negated else not told


def _expression(text: str, line: Line) -> bool | None:
    """One comparison, or several that 'and' or 'or' joins; all else is not understood."""
    if text.count("(") == 1:
        text = re.sub(r"^\(\s*(.*?)\s*\)$", r"\1", text)
    if "(" in text:
        return None
    for word, absorbing in (("or", True), ("and", False)):
        parts = re.split(rf"\s+{word}\s+", text)
        if len(parts) > 1:
            several = [_expression(part, line) for part in parts]
            if absorbing in several:
                return absorbing
            return None if None in several else not absorbing
    match = re.match(
        r"""(not\s+)?\$([\w!-]+)\s*(==|!=|startswith|contains|isequal|<=|>=|<|>)\s*["']?([^"']*)["']?$""", text
    )
    if not match:
        return None
    negated, name, operation, value = match.groups()
    told = _compare(name.lower(), operation, value, line)
    return told if told is None or not negated else not told


def _compare(name: str, operation: str, value: str, line: Line) -> bool | None:
    """A comparison with what is known of the lines: their program, facility and level."""
    if name in ("programname", "syslogtag", "app-name"):
        return _program(operation, value, line.program)
    if operation in ("==", "isequal", "!="):
        known = {"syslogfacility-text": line.facility, "syslogseverity-text": line.level}.get(name)
        return None if known is None else (_ALIASES.get(value, value) == known) is not (operation == "!=")
    if name == "syslogseverity" and value.isdigit():
        own, other = _LEVELS.index(line.level), int(value)
        told = {"<=": own <= other, ">=": own >= other, "<": own < other, ">": own > other}
        return told.get(operation)
    return None


def _program(operation: str, value: str, program: str) -> bool | None:
    """A comparison with a program's name. Postfix's are many (postfix/smtpd): of one alone it cannot be told."""
    bare = value.rstrip(":[")
    some = bare.startswith(f"{program}/")
    if operation in ("==", "isequal", "!="):
        told = bare == program or (None if some else False)
        return told if told is None else told is not (operation == "!=")
    if operation == "startswith":
        return True if program.startswith(bare) else (None if some else False)
    if operation == "contains":
        return True if bare in program else (None if some or program in bare else False)
    return None


def _selector(text: str, line: Line) -> bool | None:
    """A selector of facilities and levels: 'mail.info;mail.!err', '*.*;auth.none'."""
    held = False
    for part in text.split(";"):
        facilities, dot, level = part.rpartition(".")
        match = re.fullmatch(r"(!?)(=?)([a-z]+|\*)", level.strip().lower())
        name = _ALIASES.get(match.group(3), match.group(3)) if match else ""
        if not dot or name not in (*_LEVELS, "*", "none"):
            return None
        if not {"*", line.facility} & {one.strip().lower() for one in facilities.split(",")}:
            continue
        if name == "none":
            held = False
            continue
        own = _LEVELS.index(line.level)
        exact = bool(match and match.group(2))
        hit = name == "*" or (own == _LEVELS.index(name) if exact else own <= _LEVELS.index(name))
        held = (held and not hit) if match and match.group(1) else (held or hit)
    return held
