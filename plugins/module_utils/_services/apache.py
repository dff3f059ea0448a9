# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache: its configuration as the running server would load it, and which logs take effect where.

The files are read by following includes, with the modules, names and environment of the running process.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob
import math
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from .._finding import RUNNING, Layer
from .._host import Host, Process, Unseen
from .apache_format import DEFAULT_FORMAT, Context, held, piped
from .loaded import loaded, newest_change
from .units import starts_at_boot
from .virtualhost import (
    ACCESS,
    ERROR_LOG,
    FILE,
    OFF,
    PIPE,
    STREAM,
    SYSLOG,
    AccessLog,
    Directive,
    ErrorLog,
    Listen,
    LogFile,
    Place,
    Trust,
    VirtualHost,
    WebServer,
)

NAME = "apache"
_PROGRAMS = {"apache2": ("/etc/apache2", "apache2.conf"), "httpd": ("/etc/httpd", "conf/httpd.conf")}
_LINE = re.compile(r"[^\S\n]*(?P<line>(?:[^\\\n]|\\\n|\\.)*\\?)(?:\n|\Z)")
_WORD = re.compile(
    r"""\s*(?:"(?P<double>(?:\\.|[^"\\])*)"?|'(?P<single>(?:\\.|[^'\\])*)'?|(?P<plain>\S+))""", re.DOTALL
)
_DEPTH = 50
# logs beside those of mod_log_config and the error log that hold visitors' addresses
_OTHER_LOGS = ("forensiclog", "secauditlog", "scriptlog")
_BELIEVES = tuple(f"remoteip{kind}proxy{suffix}" for kind in ("trusted", "internal") for suffix in ("", "list"))
_ACCESS_LOGS = ("customlog", "transferlog", "globallog")


class Malformed(Exception):
    """A configuration that Apache would not load; the text says where and what."""


# -- reading ----------------------------------------------------------------------------------------------------------


def parse(text: str, path: str, first_line: int = 1) -> tuple[Directive, ...]:
    """The directives of one file, sections within sections. Raises Malformed."""
    ends = [found.start() for found in re.finditer("\n", text)]
    levels: list[tuple[list[Directive], Directive | None]] = [([], None)]
    position = 0
    while position < len(text):
        found = cast("re.Match[str]", _LINE.match(text, position))  # it matches anything up to a line's end
        start, position = found.start("line"), max(found.end(), position + 1)
        words = found.group("line").replace("\\\n", "").strip()
        if not words or words.startswith("#"):
            continue
        at = bisect_right(ends, start - 1) + first_line
        end = start + len(found.group("line").rstrip())
        if words.startswith("</"):
            inner, opened = levels.pop()
            if opened is None or opened.name.lower() != words[2:].rstrip("> \t").lower():
                raise Malformed(f"{path}:{at}: unexpected {words}")
            levels[-1][0].append(replace(opened, block=tuple(inner), end=end))
        elif words.startswith("<"):
            name, _blank, rest = words[1:].rstrip(" \t").removesuffix(">").partition(" ")
            levels.append(([], Directive(name, _words(rest), path, at, start, end, inside=end)))
        else:
            name, *rest_ = words.split(None, 1)
            levels[-1][0].append(Directive(name, _words(rest_[0] if rest_ else ""), path, at, start, end))
    opened = levels[-1][1]
    if opened is not None:
        raise Malformed(f"{opened.source}: <{opened.name}> is not closed")
    return tuple(levels[0][0])


def _words(text: str) -> tuple[str, ...]:
    """The arguments of a directive, quotes and their escapes resolved."""
    found = []
    for word in _WORD.finditer(text):
        quote = {"double": '"', "single": "'"}.get(word.lastgroup or "", "")
        found.append(re.sub(rf"\\([\\{quote}])", r"\1", word.group(word.lastgroup or 0)))
    return tuple(found)


@dataclass
class _Reader:
    """Follows includes and conditions, in the order in which Apache does.

    environment: variables of the server's process; defines: its names with their values; modules: those loaded.
    files, directories: what was read and listed; problems: what could not be.
    """

    host: Host
    root: str
    environment: Mapping[str, str]
    version: tuple[int, ...]
    defines: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    files: list[str] = field(default_factory=list)
    directories: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    macros: dict[str, Directive] = field(default_factory=dict)

    def file(self, path: str, depth: int = 0) -> Iterator[Directive]:
        """The directives in effect of a file and of those that it includes, containers resolved."""
        if depth > _DEPTH:
            self.problems.append(f"{path} is included more than {_DEPTH} levels deep")
            return
        self.files.append(path)
        try:
            directives = parse(self.host.read(path), path)
        except (Unseen, Malformed) as problem:
            self.problems.append(str(problem))
            return
        yield from self.run(directives, depth)

    def run(self, directives: Iterable[Directive], depth: int) -> Iterator[Directive]:
        """Those of the directives that are in effect."""
        for directive in map(self._resolved, directives):
            act = _ACTIONS.get(directive.name.lower())
            if act:
                yield from act(self, directive, depth)
            elif directive.block is not None:
                yield replace(directive, block=tuple(self.run(directive.block, depth)))
            else:
                yield directive

    def _resolved(self, directive: Directive) -> Directive:
        if not any("${" in word for word in directive.args):
            return directive
        return replace(directive, args=tuple(re.sub(r"\$\{([^}]+)\}", self._value, word) for word in directive.args))

    def _value(self, found: re.Match[str]) -> str:
        name = found.group(1)
        return self.defines.get(name) or self.environment.get(name) or found.group()

    # -- what directives do while they are read --------------------------------------------------------------------

    def define(self, directive: Directive, depth: int) -> Iterator[Directive]:
        if directive.args:
            self.defines[directive.args[0]] = directive.args[1] if len(directive.args) > 1 else ""
        yield from ()

    def undefine(self, directive: Directive, depth: int) -> Iterator[Directive]:
        self.defines.pop(directive.args[0] if directive.args else "", None)
        yield from ()

    def load(self, directive: Directive, depth: int) -> Iterator[Directive]:
        if len(directive.args) == 2:
            name, path = directive.args
            self.modules |= {name, os.path.basename(path).removesuffix(".so") + ".c", f"mod_{name[:-7]}.c"}
            self.modules |= {name[4:-7] + ".c"} if name.startswith("mpm_") else set()
        yield from ()

    def include(self, directive: Directive, depth: int) -> Iterator[Directive]:
        pattern = os.path.join(self.root, directive.args[0] if directive.args else "")
        try:
            paths = list(self._included(pattern))
        except Unseen as unseen:
            self.problems.append(f"{directive.source}: {unseen}")
            return
        if not paths and directive.name.lower() == "include" and not glob.has_magic(pattern):
            self.problems.append(f"{directive.source}: {pattern} is not there: Apache would not load this")
        for path in paths:
            yield from self.file(path, depth + 1)

    def _included(self, pattern: str) -> Iterator[str]:
        """Files that an include names; all files below where it names a directory."""
        if glob.has_magic(pattern):
            self.directories.add(os.path.dirname(pattern))
        for path in self.host.glob(pattern.rstrip("/")):
            names = self.host.names(path) if self._is_directory(path) else None
            if names is None:
                yield path
                continue
            self.directories.add(path)
            for name in names:
                yield from self._included(glob.escape(os.path.join(path, name)))

    def _is_directory(self, path: str) -> bool:
        seen = self.host.stat(path)
        return seen is not None and (seen.st_mode & 0o170000) == 0o040000

    def _inside(self, directive: Directive, depth: int, holds: Callable[[str], bool]) -> Iterator[Directive]:
        word = directive.args[0] if directive.args else ""
        if holds(word.lstrip("!")) != word.startswith("!"):
            yield from self.run(directive.block or (), depth)

    def if_module(self, directive: Directive, depth: int) -> Iterator[Directive]:
        return self._inside(directive, depth, lambda name: name in self.modules)

    def if_define(self, directive: Directive, depth: int) -> Iterator[Directive]:
        return self._inside(directive, depth, lambda name: name in self.defines)

    def if_file(self, directive: Directive, depth: int) -> Iterator[Directive]:
        return self._inside(
            directive, depth, lambda name: self.host.stat(os.path.join(self.root, name)) is not None
        )

    def if_version(self, directive: Directive, depth: int) -> Iterator[Directive]:
        operator, wanted = (["=", *directive.args])[-2:]
        negated, operator = operator.startswith("!"), operator.lstrip("!") or "="
        if not re.fullmatch(r"\d+(\.\d+)*", wanted) or operator not in _COMPARE:
            return self.unjudged(directive, depth)
        numbers = tuple(int(number) for number in wanted.split("."))
        own = self.version if operator not in ("=", "==") else self.version[: len(numbers)]
        if _COMPARE[operator](own, numbers) != negated:
            return self.run(directive.block or (), depth)
        return iter(())

    def macro(self, directive: Directive, depth: int) -> Iterator[Directive]:
        if directive.args:
            self.macros[directive.args[0].lower()] = directive
        yield from ()

    def use(self, directive: Directive, depth: int) -> Iterator[Directive]:
        macro = self.macros.get(directive.args[0].lower() if directive.args else "")
        if macro is None or depth > _DEPTH or len(macro.args) != len(directive.args):
            self.problems.append(f"{directive.source}: no macro is defined that could be used so")
            return
        text = self.host.read(macro.file)[macro.inside : macro.end]
        text = text[: text.rindex("</")]
        for name, value in sorted(zip(macro.args[1:], directive.args[1:]), key=lambda pair: -len(pair[0])):
            text = text.replace(name, value)
        try:
            body = parse(text, macro.file, macro.line)
        except Malformed as problem:
            self.problems.append(str(problem))
            return
        yield from self.run(body, depth + 1)

    def unjudged(self, directive: Directive, depth: int) -> Iterator[Directive]:
        inner = " ".join(word.name for word in directive.block or ())
        if re.search(r"(?i)log|virtualhost|include|use\b|listen|remoteip", inner):
            self.problems.append(f"{directive.source}: <{directive.name}> cannot be judged from outside")
        yield from ()


_COMPARE: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "=": lambda own, wanted: own == wanted,
    "==": lambda own, wanted: own == wanted,
    ">": lambda own, wanted: own > wanted,
    ">=": lambda own, wanted: own >= wanted,
    "<": lambda own, wanted: own < wanted,
    "<=": lambda own, wanted: own <= wanted,
}
_ACTIONS: Mapping[str, Callable[[_Reader, Directive, int], Iterator[Directive]]] = {
    "define": _Reader.define,
    "undefine": _Reader.undefine,
    "loadmodule": _Reader.load,
    "include": _Reader.include,
    "includeoptional": _Reader.include,
    "ifmodule": _Reader.if_module,
    "ifdefine": _Reader.if_define,
    "iffile": _Reader.if_file,
    "ifversion": _Reader.if_version,
    "ifdirective": _Reader.unjudged,
    "ifsection": _Reader.unjudged,
    "macro": _Reader.macro,
    "use": _Reader.use,
}


def named(directives: Iterable[Directive], *names: str) -> list[Directive]:
    """Those of the directives that have one of these names (in small letters) and an argument."""
    return [directive for directive in directives if directive.args and directive.name.lower() in names]


def _all(directives: Iterable[Directive]) -> Iterator[Directive]:
    for directive in directives:
        yield directive
        if directive.block:
            yield from _all(directive.block)


# -- the process ------------------------------------------------------------------------------------------------------


def servers(host: Host) -> Iterator[WebServer]:
    """Every Apache that runs, or would be started at boot."""
    ours = [process for process in host.processes() if os.path.basename(process.program) in _PROGRAMS]
    pids = {process.pid for process in ours}
    masters = [process for process in ours if process.parent not in pids]
    for master in masters:
        yield _running(host, master, [process for process in ours if process.parent == master.pid])
    if not masters and starts_at_boot(host, "apache2.service"):
        yield _stopped(host)


def _running(host: Host, master: Process, children: Sequence[Process]) -> WebServer:
    if master.contained or host.real(f"/proc/{master.pid}/root") != "/":
        why = f"Apache (process {master.pid}) runs in a container or another root directory: its files cannot be read"
        return WebServer(NAME, master.pid, Layer(RUNNING, None, why), (why,), ())
    try:
        environment = _environment(host.read(f"/proc/{master.pid}/environ").split("\0"))
        reader, config = _read(host, master.program, master.argv, environment)
    except Unseen as unseen:
        return WebServer(NAME, master.pid, Layer(RUNNING, None, str(unseen)), (str(unseen),), ())
    effect = _Effect(reader, config)
    server = _server(effect, reader, config, master.pid, Layer(RUNNING, None, "not looked at"))
    started = max(min((process.started for process in children), default=master.started), master.started)
    return replace(server, running=_in_effect(host, reader, started, effect.main_error_log()))


def _stopped(host: Host) -> WebServer:
    layer = Layer(RUNNING, None, "Apache does not run, but starts at boot")
    try:
        reader, config = _read(host, "apache2", ("apache2",), _envvars(host))
    except Unseen as unseen:
        return WebServer(NAME, 0, layer, (str(unseen),), (), starts_at_boot=True)
    return replace(_server(_Effect(reader, config), reader, config, 0, layer), starts_at_boot=True)


def _environment(lines: Iterable[str]) -> dict[str, str]:
    """The variables that the configuration may name: those of Apache, and no other that may be a secret."""
    pairs = (line.partition("=") for line in lines if line.startswith("APACHE_"))
    return {name: value for name, _equals, value in pairs}


def _envvars(host: Host) -> dict[str, str]:
    """What Debian's /etc/apache2/envvars exports, as far as its plain lines tell."""
    found: dict[str, str] = {}
    for line in host.read("/etc/apache2/envvars").splitlines():
        matched = re.match(r"\s*export\s+(\w+)=(\S*)", line)
        if matched:
            value = matched.group(2).strip("\"'")
            found[matched.group(1)] = re.sub(r"\$\{?(\w+)\}?", lambda word: found.get(word.group(1), ""), value)
    return found


def _read(
    host: Host, program: str, argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[_Reader, tuple[Directive, ...]]:
    """The configuration of an Apache that was started so. Raises Unseen."""
    root, name = _PROGRAMS[os.path.basename(program)]
    options: dict[str, list[str]] = {}
    words = iter(argv[1:])
    for word in words:
        if re.match(r"-[dfDcCkeE]", word):
            options.setdefault(word[1], []).append(word[2:] or next(words, ""))
    root = (options.get("d") or [root])[-1]
    path = os.path.join(root, (options.get("f") or [name])[-1])
    version = re.search(r"Apache/([\d.]+)", host.run(program, "-v").stdout)
    reader = _Reader(
        host=host,
        root=root,
        environment=environment,
        version=tuple(int(number) for number in version.group(1).split(".")) if version else (),
        defines=dict.fromkeys(options.get("D", ()), ""),
        modules=_static_modules(host.run(program, "-l").stdout),
    )
    try:
        before, after = (parse("\n".join(options.get(letter, ())), f"-{letter}") for letter in "Cc")
    except Malformed as problem:
        raise Unseen(str(problem)) from None
    config = [*reader.run(before, 0)]
    for directive in reader.file(path):
        if directive.name.lower() == "serverroot" and directive.args:
            reader.root = directive.args[0]
        config.append(directive)
    return reader, (*config, *reader.run(after, 0))


def _static_modules(text: str) -> set[str]:
    files = re.findall(r"^\s+(\w+\.c)$", text, re.MULTILINE)
    return {*files, *(re.sub(r"^mod_|\.c$", "", name) + "_module" for name in files), "http_module"}


def _in_effect(host: Host, reader: _Reader, started: dt.datetime, error_log: str) -> Layer:
    """The running layer. Children are replaced on reload, but now and then also without one: the error log decides."""
    layer = loaded(host, started, reader.files, reader.directories)
    resumed = _resumed(host, error_log)
    if layer.good and resumed is not None:
        when, path = newest_change(host, reader.files, reader.directories)
        if resumed < when:
            return Layer(RUNNING, None, f"{path} changed at {when:%Y-%m-%d %H:%M:%S} UTC, after it was loaded", path)
    return layer


def _resumed(host: Host, error_log: str) -> dt.datetime | None:
    """When the server last said in its error log that it took up work with a configuration; None if it does not."""
    if not error_log:
        return None
    try:
        with host.open(error_log) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - (1 << 18)))
            text = stream.read().decode("utf-8", "replace")
    except (Unseen, OSError):
        return None
    stamps = re.findall(r"^\[\w{3} (\w{3} [\d ]\d \d\d:\d\d:\d\d\.\d+ \d{4})\].* AH00489:", text, re.MULTILINE)
    if not stamps:
        return None
    try:
        return dt.datetime.strptime(stamps[-1], "%b %d %H:%M:%S.%f %Y").astimezone(dt.timezone.utc)
    except ValueError:
        return None


def _server(
    effect: _Effect, reader: _Reader, config: tuple[Directive, ...], pid: int, running: Layer
) -> WebServer:
    vhosts = tuple(effect.virtual_hosts())
    other = tuple(effect.other_logs())
    problems = tuple(dict.fromkeys([*reader.problems, *effect.problems]))
    return WebServer(NAME, pid, running, problems, vhosts, tuple(reader.files), config, other)


# -- what is in effect ------------------------------------------------------------------------------------------------


class _Effect:
    """Works out what a whole configuration means, for the main server and each virtual host."""

    def __init__(self, reader: _Reader, config: tuple[Directive, ...]) -> None:
        self.reader = reader
        self.config = config
        self.problems: list[str] = []
        self.blocks = named(config, "virtualhost")
        self.main = [directive for directive in config if directive.name.lower() != "virtualhost"]
        self.everything = list(_all(config))
        self.formats = self._formats(self.main)
        self.buffered = any(entry.args[0].lower() == "on" for entry in named(self.main, "bufferedlogs"))
        allowed = [word for entry in named(self.everything, "allowoverride") for word in entry.args]
        self.overrides = any(re.match(r"(?i)all|fileinfo", word) for word in allowed)

    @staticmethod
    def _formats(block: Iterable[Directive]) -> dict[str, str]:
        """Formats by their names; the one without a name is that of TransferLog."""
        return {(entry.args[1] if len(entry.args) > 1 else ""): entry.args[0] for entry in named(block, "logformat")}

    # -- logs -----------------------------------------------------------------------------------------------------

    def _logs(
        self, block: Sequence[Directive], formats: Mapping[str, str], context: Context, *names: str
    ) -> list[AccessLog]:
        return [self._log(entry, formats, context) for entry in named(block, *names)]

    def _log(self, entry: Directive, formats: Mapping[str, str], context: Context) -> AccessLog:
        name = entry.args[1] if len(entry.args) > 1 and entry.name.lower() != "transferlog" else ""
        text = formats.get(name, name or DEFAULT_FORMAT)
        condition = entry.args[2] if len(entry.args) > 2 else ""
        kind, path, pattern = self._target(entry.args[0])
        fields, unclear, host_names = held(text, context)
        return AccessLog(
            kind=kind,
            path=path,
            format_name=name if name in formats else "",
            format_text=text,
            fields=fields,
            directive=entry,
            unclear=unclear,
            host_names=host_names,
            condition=condition,
            always=self._always(condition) if condition else True,
            flush_s=math.inf if self.buffered and kind != SYSLOG else 0.0,
            pattern=pattern,
        )

    def _target(self, word: str) -> tuple[str, str, str]:
        """Kind, path and pattern of a log's target."""
        if word.startswith("|"):
            return piped(word)
        if re.match(r"(?i)(syslog|journald)(:|$)", word):
            return SYSLOG, "", ""
        path = os.path.join(self.reader.root, word)
        if path == "/dev/null":
            return OFF, path, path
        if re.match(r"/dev/(stdout|stderr|fd/\d+)$|/proc/self/fd/\d+$", path):
            return STREAM, path, path
        if "${" in path:
            self.problems.append(f"the log {word} is named by a variable that is not known here")
        return FILE, path, path

    def _always(self, condition: str) -> bool | None:
        """Whether a log with a condition holds every request; None where that cannot be told."""
        if condition.startswith("expr=") and re.search(r"REQUEST_|HTTP|QUERY_STRING|THE_REQUEST", condition):
            return False
        found = re.fullmatch(r"env=(!?)(\S+)", condition)
        if not found or not found.group(1):
            return None
        makers = [entry for entry in self.everything if self._makes(entry, found.group(2))]
        visitors = [entry for entry in makers if not _about_itself(entry)]
        if visitors:
            return False
        return None if self.overrides else True

    @staticmethod
    def _makes(entry: Directive, variable: str) -> bool:
        # names of variables, and flags of mod_rewrite, are the same in small and capital letters
        name = entry.name.lower()
        if name in ("setenv", "passenv"):
            return variable.lower() in map(str.lower, entry.args[:1])
        if name.startswith(("setenvif", "browsermatch")):
            return any(re.match(rf"(?i)!?{re.escape(variable)}(=|$)", word) for word in entry.args)
        return name in ("rewriterule", "header", "requestheader") and any(
            re.search(rf"(?i)\b(E|env)={re.escape(variable)}\b", word) for word in entry.args
        )

    # -- virtual hosts --------------------------------------------------------------------------------------------

    def virtual_hosts(self) -> Iterator[VirtualHost]:
        """Every virtual host, in order, and the main server where some port has no virtual host."""
        opened = [self._opened(entry) for entry in named(self.main, "listen")]
        taken: set[tuple[str, str]] = set()
        answered: set[tuple[str, int]] = set()
        for block in self.blocks:
            listens = list(self._listens(block, opened, taken))
            answered |= {(listen.address, listen.port) for listen in listens}
            yield self._virtual_host(block, block.block or (), tuple(_both_families(listens)))
        rest = [Listen(*at, self._tls(()), default=True) for at in opened if at not in answered]
        if rest:
            yield self._virtual_host(None, (), tuple(_both_families(rest)))

    @staticmethod
    def _opened(entry: Directive) -> tuple[str, int]:
        address, _colon, port = entry.args[0].rpartition(":")
        return address.strip("[]") or "*", int(port) if port.isdigit() else 0

    def _listens(
        self, block: Directive, opened: Sequence[tuple[str, int]], taken: set[tuple[str, str]]
    ) -> Iterator[Listen]:
        inside = block.block or ()
        for word in block.args:
            address, port = _specified(word)
            default = (address, port) not in taken
            taken.add((address, port))
            for at in opened:
                if _matches(address, port, at):
                    shown = at[0] if address == "*" else address
                    proxied = self._on(inside, "remoteipproxyprotocol")
                    yield Listen(shown, at[1], self._tls(inside), default, proxied)

    def _tls(self, block: Sequence[Directive]) -> bool:
        entries = named(block, "sslengine") or named(self.main, "sslengine")
        return bool(entries) and entries[-1].args[0].lower() != "off"

    def _on(self, block: Sequence[Directive], name: str) -> bool:
        entries = named(block, name) or named(self.main, name)
        return bool(entries) and entries[-1].args[0].lower() == "on"

    def _virtual_host(
        self, block: Directive | None, inside: Sequence[Directive], listens: tuple[Listen, ...]
    ) -> VirtualHost:
        names = [re.sub(r"^\w+://|:\d+$", "", entry.args[0]) for entry in named(inside or self.main, "servername")[-1:]]
        names += [word for entry in named(inside, "serveralias") for word in entry.args]
        trusts, claims = self._trusted(inside)
        context = Context(
            names_asked=not self._says(inside, "usecanonicalname", "on", "dns"),
            looks_up=self._says(inside, "hostnamelookups", "on", "double"),
            by_proxy=bool(claims),
        )
        source = block.source if block else self.main[0].file if self.main else ""
        return VirtualHost(
            server=NAME,
            names=tuple(dict.fromkeys(names)),
            listens=listens,
            places=(Place("server", tuple(self._effective(inside, context)), source),),
            error_logs=self._error_logs(inside),
            source=source,
            trusts=trusts,
            claims=claims,
            directive=block,
        )

    def _effective(self, inside: Sequence[Directive], context: Context) -> list[AccessLog]:
        """The logs of a virtual host: its own and the global ones; the main server's where it has none of its own."""
        formats = {**self.formats, **self._formats(inside)}
        own = self._logs(inside, formats, context, "customlog", "transferlog")
        # a log without a format takes the one of the virtual host that uses it, the others have the main server's
        inherited = {**self.formats, "": formats[""]} if "" in formats else self.formats
        if own:
            return own + self._logs(self.main, inherited, context, "globallog")
        return self._logs(self.main, inherited, context, "customlog", "transferlog", "globallog")

    def _says(self, inside: Sequence[Directive], name: str, *words: str) -> bool:
        """Whether a setting has one of these values in a virtual host, or in any directory of it or of the server."""
        deep = named(_all(inside), name) or named(_all(self.main), name)
        return any(entry.args[0].lower() in words for entry in deep)

    def _trusted(self, inside: Sequence[Directive]) -> tuple[tuple[Trust, ...], str]:
        """Who is believed, and by what they claim; mod_remoteip believes everybody where nobody is listed."""
        headers = named(inside, "remoteipheader") or named(self.main, "remoteipheader")
        entries = named(inside, *_BELIEVES) or named(self.main, *_BELIEVES)
        if not headers or "remoteip_module" not in self.reader.modules:
            return (), ""
        trusts: list[Trust] = []
        for entry in entries:
            networks = self._listed(entry) if entry.name.lower().endswith("list") else entry.args
            trusts += [Trust(network, entry.source) for network in networks]
        everybody = [Trust(network, headers[-1].source) for network in ("0.0.0.0/0", "::/0")]
        return tuple(trusts or everybody), headers[-1].args[0]

    def _listed(self, entry: Directive) -> list[str]:
        path = os.path.join(self.reader.root, entry.args[0])
        try:
            lines = self.reader.host.read(path).splitlines()
        except Unseen as unseen:
            self.problems.append(f"{entry.source}: {unseen}")
            return []
        self.reader.files.append(path)
        return [word for line in lines for word in line.partition("#")[0].split()]

    # -- other logs -----------------------------------------------------------------------------------------------

    def _error_logs(self, inside: Sequence[Directive]) -> tuple[ErrorLog, ...]:
        entries = named(inside, "errorlog")[-1:] or named(self.main, "errorlog")[-1:]
        if not entries:
            return (ErrorLog(FILE, os.path.join(self.reader.root, "logs/error_log"), None),)
        kind, _path, pattern = self._target(entries[0].args[0])
        return (ErrorLog(FILE if kind == PIPE and pattern else kind, pattern, entries[0]),)

    def main_error_log(self) -> str:
        """The file of the main server's error log, '' if it is none."""
        log = self._error_logs(())[0]
        return log.path if log.kind == FILE else ""

    def other_logs(self) -> Iterator[LogFile]:
        """Files that no virtual host may write to now: the main server's logs, and those of other modules."""
        for log in self._error_logs(()):
            if log.kind == FILE:
                yield LogFile(log.path, ERROR_LOG, NAME, (), log.directive.source if log.directive else "")
        for entry in named(self.everything, *_ACCESS_LOGS, *_OTHER_LOGS):
            kind, _path, pattern = self._target(entry.args[0])
            if kind in (FILE, PIPE) and pattern:
                what = ACCESS if entry.name.lower() in _ACCESS_LOGS else ERROR_LOG
                yield LogFile(pattern, what, NAME, (), entry.source)


def _about_itself(entry: Directive) -> bool:
    """Whether a condition can only be met by the host itself."""
    if not entry.name.lower().startswith("setenvif") or len(entry.args) < 2:
        return False
    about, pattern = entry.args[0].lower(), entry.args[1].replace("\\", "").strip("^$")
    return about in ("remote_addr", "server_addr") and pattern in ("127.0.0.1", "::1", "127.0.0.", "127.")


def _specified(word: str) -> tuple[str, str]:
    """Address ('*' for all) and port ('*' for all) of a VirtualHost."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d+|\*))?", word)
    address, port = (found.group(1), found.group(2) or "*") if found else (word, "*")
    return ("*" if address in ("*", "_default_", "") else address.strip("[]")), port


def _matches(address: str, port: str, opened: tuple[str, int]) -> bool:
    return port in ("*", str(opened[1])) and (
        address == "*" or opened[0] in ("*", "0.0.0.0", "::", address)  # noqa: S104  a comparison
    )


def _both_families(listens: Iterable[Listen]) -> Iterator[Listen]:
    """A listen without an address is one of IPv4 and one of IPv6."""
    for listen in listens:
        for address in ("0.0.0.0", "::") if listen.address == "*" else (listen.address,):  # noqa: S104  what Apache does
            yield replace(listen, address=address)
