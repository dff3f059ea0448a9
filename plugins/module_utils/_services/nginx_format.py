# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's log formats: what a format surely holds of each request, through its own variables and through maps.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .virtualhost import ASKED, FIELDS, OWN, QUERY, REWRITTEN, Directive

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

# What nginx's own variables hold. $http_x_forwarded_for is not here: anybody can write it.
_HOLDS: Mapping[str, frozenset[str]] = {
    name: frozenset(holds)
    for holds, names in (
        (("path", "method", QUERY), ("request",)),
        (("path", QUERY), ("request_uri",)),
        ((QUERY,), ("args", "query_string")),
        ((REWRITTEN,), ("uri", "document_uri")),
        (("client_ip",), ("remote_addr", "proxy_add_x_forwarded_for")),
        (("time",), ("time_local", "time_iso8601", "msec")),
        (("method",), ("request_method",)),
        (("status",), ("status",)),
        (("user_agent",), ("http_user_agent",)),
        (("referer", QUERY), ("http_referer",)),
        (("domain",), ("host", "http_host", "server_name")),
    )
    for name in names
}
_HOST_NAMES = {"host": ASKED, "http_host": ASKED, "server_name": OWN}

# one request that no rule was written for; what of it shows in the result of a map was let through
_PATH, _QUERY, _AGENT, _REFERER = "/PaTh/MaRk", "QuErY=MaRk", "AgEnT/1.0 (mark)", "rEfErEr.example"
_REQUESTS: Sequence[Mapping[str, str]] = [
    {
        "request": f"GET {uri} HTTP/1.1",
        "request_uri": uri,
        "uri": uri.partition("?")[0],
        "document_uri": uri.partition("?")[0],
        "args": uri.partition("?")[2],
        "query_string": uri.partition("?")[2],
        "is_args": "?" if "?" in uri else "",
        "request_method": "GET",
        "http_referer": f"https://{_REFERER}/" + ("?" + uri.partition("?")[2] if "?" in uri else ""),
        "http_user_agent": _AGENT,
        "remote_addr": "203.0.113.77",
        "host": "hOsT.example",
        "http_host": "hOsT.example",
        "server_name": "hOsT.example",
        "status": "200",
    }
    for uri in (
        _PATH,
        f"{_PATH}?{_QUERY}",
        f"{_PATH}.php?{_QUERY}&b=2",
        f"{_PATH}/?a=1?{_QUERY}",
        f"{_PATH};a=%20?x=%3F&{_QUERY}#c",
        f"//{_PATH}?{_QUERY}",
    )
]
_MARKS: Mapping[str, str] = {
    "path": _PATH,
    QUERY: _QUERY,
    "user_agent": _AGENT,
    "referer": _REFERER,
    "client_ip": "203.0.113.77",
    "domain": "hOsT.example",
}


@dataclass(frozen=True)
class Held:
    """What a text holds of every request: surely, and perhaps. host_names: 'asked', 'own' or ''."""

    surely: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()
    host_names: str = ""

    def __or__(self, other: Held) -> Held:
        surely = self.surely | other.surely
        names = ASKED if ASKED in (self.host_names, other.host_names) else self.host_names or other.host_names
        return Held(surely, (self.perhaps | other.perhaps) - surely, names)


NOTHING = Held()
ANYTHING = Held(frozenset(), frozenset((*FIELDS, QUERY)))


def names_in(text: str) -> Iterator[str]:
    """The variables in a text."""
    for found in _VARIABLE.finditer(text):
        yield found.group(1) or found.group(2)


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables' values; unknown ones are empty."""
    return _VARIABLE.sub(lambda found: values.get(found.group(1) or found.group(2), ""), text)


@dataclass(frozen=True)
class _Rule:
    """One line of a map. pattern: None for a plain key ('' is the empty one) and for the default."""

    key: str
    pattern: re.Pattern[str] | None
    value: str
    default: bool = False

    @property
    def takes_all(self) -> bool:
        """Whether no input can pass it by."""
        ends = self.pattern is not None and re.search(r"\$|\\[zZbB]|\(\?(?:[=!]|<[=!])", self.key)
        return self.default or bool(self.pattern and not ends and self.pattern.search(""))


class _Chain(dict):  # type: ignore[type-arg]
    """Variables' values: those given, those of a request, and those that maps make of it when they are asked for."""

    def __init__(
        self, given: Mapping[str, str], request: Mapping[str, str], maps: Mapping[str, Map] | None = None
    ) -> None:
        super().__init__({**getattr(request, "request", request), **given})
        self.request = dict(self)
        self.maps = dict(maps or getattr(request, "maps", {}))

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        if name in self:
            return str(self[name])
        table = self.maps.pop(name, None)  # at most once: maps may go round in a circle
        return table.choose(self)[1] if table else default


class Map:
    """A map block: how one variable is made of others."""

    def __init__(self, directive: Directive) -> None:
        self.source = directive.args[0]
        self.readable = True
        entries = [entry for entry in directive.block or () if entry.name not in ("hostnames", "volatile")]
        self.rules = [self._rule(entry) for entry in entries]

    def _rule(self, entry: Directive) -> _Rule:
        value = entry.args[0] if entry.args else ""
        if entry.name == "default":
            return _Rule("", None, value, default=True)
        if not entry.name.startswith("~"):
            return _Rule(entry.name.removeprefix("\\").lower(), None, value)
        key = entry.name[1:]
        flags = re.IGNORECASE if key.startswith("*") else 0
        try:
            pattern = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", key.lstrip("*") if flags else key), flags)
        except re.error:
            self.readable = False
            return _Rule(key, None, value)
        return _Rule(key, pattern, value)

    def ordered(self) -> list[_Rule]:
        """The rules as nginx tries them: plain keys, expressions, the default; up to the one that takes all."""
        plain = [rule for rule in self.rules if rule.pattern is None and not rule.default]
        patterns = [rule for rule in self.rules if rule.pattern is not None]
        defaults = [rule for rule in self.rules if rule.default] or [_Rule("", None, "", default=True)]
        reachable = plain
        for rule in (*patterns, *defaults):
            reachable.append(rule)
            if rule.takes_all:
                break
        return reachable

    def choose(self, values: Mapping[str, str]) -> tuple[_Rule, str]:
        """The rule that a request whose variables have these values comes to, and its result."""
        text = expand(self.source, values)
        for rule in self.ordered():
            found = rule.pattern.search(text) if rule.pattern else None
            if found:
                captures = {str(number): group or "" for number, group in enumerate(found.groups(), 1)}
                captures.update({name: group or "" for name, group in found.groupdict().items()})
                return rule, expand(rule.value, _Chain(captures, values))
            if rule.default or (rule.pattern is None and rule.key == text.lower()):
                return rule, expand(rule.value, values)
        return self.rules[-1], ""


class Formats:
    """All that a configuration defines about log lines: formats, and the variables that are not nginx's own.

    made: the names of variables that some directive makes, beside maps.
    """

    def __init__(self, formats: Mapping[str, str], maps: Mapping[str, Directive], made: frozenset[str]) -> None:
        self.texts = {"combined": COMBINED, **formats}
        self._maps = {name: Map(directive) for name, directive in maps.items()}
        self._made = made
        self._known: dict[str, Held] = {}

    def held(self, text: str, depth: int = 0) -> Held:
        """What a format text, or the name of a log file, holds of a request."""
        if text not in self._known:
            held = NOTHING
            for name in names_in(text):
                held = held | self._variable(name, depth)
            self._known[text] = held
        return self._known[text]

    def _variable(self, name: str, depth: int) -> Held:
        if name in self._maps and depth < 5:
            return self._mapped(self._maps[name], depth)
        if name in self._maps or name in self._made:
            return ANYTHING
        if name.startswith("arg_"):
            return Held(frozenset({QUERY}))
        return Held(_HOLDS.get(name, frozenset()), frozenset(), _HOST_NAMES.get(name, ""))

    def _mapped(self, table: Map, depth: int) -> Held:
        """What the result of a map holds: tried with requests, and rules that none of them came to read by eye."""
        if not table.readable:
            return ANYTHING
        outcomes = [table.choose(_Chain({}, request, self._maps)) for request in _REQUESTS]
        came_to = [rule for rule, _text in outcomes]
        results = [text for _rule, text in outcomes]
        surely = {name for name, mark in _MARKS.items() if name != QUERY and all(mark in text for text in results)}
        if REWRITTEN in self._within([table.source, *(rule.value for rule in table.ordered())], depth):
            surely -= {"path"}  # the mark may have come by the rewritten path
        surely |= {QUERY} if any(_QUERY in text for text in results) else set()
        source = self.held(table.source, depth + 1)
        for name in (*FIELDS, REWRITTEN):  # a value as such, of which no mark can be made
            if name not in _MARKS and all(name in self.held(rule.value, depth + 1).surely for rule in came_to):
                surely.add(name)
        perhaps: set[str] = set()
        for rule in table.ordered():
            if rule in came_to or (rule.pattern is None and not rule.default and not rule.key):
                continue
            within = self.held(rule.value, depth + 1)
            perhaps |= within.surely | within.perhaps
            if rule.pattern and list(names_in(rule.value)):
                perhaps |= source.surely | source.perhaps
            perhaps |= surely - within.surely
            surely &= within.surely | {QUERY}
        dropped = {name for name, mark in _MARKS.items() if name != QUERY and any(mark not in text for text in results)}
        unclear = source.perhaps.union(*(self.held(rule.value, depth + 1).perhaps for rule in came_to))
        surely -= unclear - source.surely
        perhaps = (perhaps - dropped) | unclear
        return Held(frozenset(surely), frozenset(perhaps - surely), ASKED if "domain" in surely else "")

    def _within(self, texts: Sequence[str], depth: int) -> frozenset[str]:
        return frozenset().union(*(self.held(text, depth + 1).surely for text in texts))

    def condition(self, text: str) -> bool | None:
        """Whether a log with if=text logs every request: True, False, or None where that cannot be told."""
        names = list(names_in(text))
        if len(names) != 1 or text not in (f"${names[0]}", f"${{{names[0]}}}"):
            return None if names else text not in ("", "0")
        table = self._maps.get(names[0])
        if table is None or not table.readable:
            return None
        itself = ("127.0.0.1", "::1") if table.source in ("$remote_addr", "${remote_addr}") else ()
        values = [rule.value for rule in table.ordered() if rule.pattern or rule.default or rule.key not in itself]
        if any(list(names_in(value)) for value in values):
            return None
        return all(value not in ("", "0") for value in values)
