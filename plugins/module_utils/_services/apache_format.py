# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache's log formats, and the files that programs behind a piped log write.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from .virtualhost import ASKED, OWN, PIPE, QUERY, SYSLOG

# mod_log_config's own, where no LogFormat without a name replaced it
DEFAULT_FORMAT = '%h %l %u %t "%r" %>s %b'

_ITEM = re.compile(r"%(?P<only>!?[\d,]*)[<>]*(?:\{(?P<what>[^}]*)\})?[<>]*(?P<letter>\^..|[A-Za-z])")
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "a": ("client_ip",),
    "m": ("method",),
    "q": (QUERY,),
    "r": ("method", "path", QUERY),
    "s": ("status",),
    "t": ("time",),
    "U": ("path",),
    "v": ("domain",),
}
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "host": ("domain",),
    "referer": ("referer", QUERY),
    "user-agent": ("user_agent",),
}
_WHOLE_DATE = re.compile(r"%[EO]?[csx+]")
_DAY, _CLOCK = re.compile(r"%[EO]?[deDFj]"), re.compile(r"%[EO]?[HIklrRTX]")


@dataclass(frozen=True)
class Context:
    """What a virtual host sets that changes the meaning of a format.

    names_asked: %V is the name that the visitor asked for (UseCanonicalName Off); looks_up: %h may be a host name;
    by_proxy: the visitor's address comes from a header, so that %{c}a is a proxy's.
    """

    names_asked: bool = True
    looks_up: bool = False
    by_proxy: bool = False


def held(text: str, context: Context) -> tuple[frozenset[str], frozenset[str], str]:
    """What a format holds of every request, what perhaps, and whose names ('asked', 'own' or '')."""
    surely: set[str] = set()
    perhaps: set[str] = set()
    host_names = set()
    for item in _ITEM.finditer(text.replace("%%", "")):
        letter, what = item.group("letter"), item.group("what") or ""
        fields = _fields(letter, what, context)
        if item.group("only") or (letter == "h" and context.looks_up):
            perhaps |= set(fields)
            continue
        surely |= set(fields)
        if "domain" in fields:
            host_names.add(OWN if letter == "v" or (letter == "V" and not context.names_asked) else ASKED)
    names = ASKED if ASKED in host_names else OWN if host_names else ""
    return frozenset(surely), frozenset(perhaps - surely), names


def _fields(letter: str, what: str, context: Context) -> tuple[str, ...]:
    if letter == "i":
        return _HEADERS.get(what.lower(), ())
    if letter == "a" and what == "c" and context.by_proxy:
        return ()
    if letter == "t" and what and not _tells_time(what):
        return ()
    if letter in ("h", "V"):
        return ("client_ip",) if letter == "h" else ("domain",)
    return _PLAIN.get(letter, ())


def _tells_time(what: str) -> bool:
    """Whether %{…}t tells day and time."""
    what = re.sub(r"^(begin|end):", "", what)
    if what in ("sec", "msec", "usec", ""):
        return True
    return bool(_WHOLE_DATE.search(what) or (_DAY.search(what) and _CLOCK.search(what)))


# options of these programs that take a value
_TAKES_VALUE = {"rotatelogs": "Lpn", "cronolog": "SHPpdz"}


def piped(command: str) -> tuple[str, str, str]:
    """Kind, path and pattern of what the program behind a pipe writes; no path where that is unknown."""
    try:
        words = shlex.split(command.lstrip("|").removeprefix("$").strip())
    except ValueError:
        return PIPE, "", ""
    if not words or re.search(r"[;&|<>`]", command.lstrip("|")):
        return PIPE, "", ""
    program = os.path.basename(words[0])
    if program == "logger":
        return SYSLOG, "", ""
    if program not in _TAKES_VALUE:
        return PIPE, "", ""
    flags, rest = "", words[1:]
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        flags += option[1:]
        if option[-1] in _TAKES_VALUE[program] and not option.startswith("--") and rest:
            rest.pop(0)
    path = rest[0] if rest else ""
    return PIPE, path, _pattern(program, path, flags)


def _pattern(program: str, path: str, flags: str) -> str:
    if "%" in path:
        return re.sub(r"\*+", "*", re.sub(r"%[EO]?[A-Za-z]", "*", path))
    if program == "rotatelogs" and path and "t" not in flags:
        return f"{path}*" if "n" in flags else f"{path}.*"
    return path
