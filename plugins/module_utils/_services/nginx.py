# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx: its configuration as the running master would load it, and which logs take effect where.

The files are read by following includes. Nothing is asked of nginx but its build options (-V), for 'nginx -T' makes
log files and directories.

PRIVATE to the collection.
"""

from __future__ import annotations

import glob
import math
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .._finding import RUNNING, Layer
from .._host import Host, Process, Unseen
from .loaded import loaded
from .nginx_format import Formats, Held, names_in
from .units import starts_at_boot
from .virtualhost import (
    ACCESS,
    ERROR_LOG,
    FILE,
    OFF,
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

NAME = "nginx"
_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|(?P<mark>[;{}])|(?P<word>(?!["'])(?:\\.|\$\{|[^\s;{\\])+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"""\\(["'\\trn])""")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
_SIZES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "M": 2592000.0, "y": 31536000.0}
_DEPTH = 50  # blocks in blocks, or files that include files
# directives that make variables: which of their arguments are names of variables
_MAKERS = re.compile(r"(set|geo|split_clients|perl_set|js_set|js_var|auth_request_set|set_\w+|geoip2?|.*_by_lua\w*)")
_LUA_BLOCK = re.compile(r"\w+_by_lua_block")


class Malformed(Exception):
    """A configuration that nginx would not load; the text says where and what."""


# -- reading ----------------------------------------------------------------------------------------------------------


def parse(text: str, path: str) -> tuple[Directive, ...]:
    """The directives of one file, blocks within blocks. Raises Malformed."""
    return _Parser(text, path).directives()


class _Parser:
    """One pass over the text of a file."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.ends = [found.start() for found in re.finditer("\n", text)]
        self.levels: list[tuple[list[Directive], Directive | None]] = [([], None)]
        self.words: list[str] = []
        self.first = 0  # the offset of the first word

    def line(self, offset: int) -> int:
        return bisect_right(self.ends, offset - 1) + 1

    def directives(self) -> tuple[Directive, ...]:
        position = 0
        while position < len(self.text):
            found = _TOKEN.match(self.text, position)
            if found is None:
                raise Malformed(f"{self.path}:{self.line(position)}: a quoted word does not end")
            start, position = position, found.end()
            if found.lastgroup == "mark":
                position = self._mark(found.group(), start, position)
            elif found.lastgroup != "blank":
                self.first = self.first if self.words else start
                word = found.group(found.lastgroup or 0)
                self.words.append(_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), word))
        if self.words or len(self.levels) > 1:
            missing = ";" if self.words else "}"
            raise Malformed(f"{self.path}:{self.line(position)}: unexpected end of file, expecting '{missing}'")
        return tuple(self.levels[0][0])

    def _mark(self, mark: str, start: int, position: int) -> int:
        """Take a ';', '{' or '}'. The offset to go on at."""
        closes = mark == "}"
        if closes == bool(self.words) or (closes and len(self.levels) == 1) or len(self.levels) > _DEPTH:
            raise Malformed(f"{self.path}:{self.line(start)}: unexpected '{mark}'")
        if closes:
            inner, opened = self.levels.pop()
            if opened is not None:
                self.levels[-1][0].append(replace(opened, block=tuple(inner), end=position))
            return position
        name, *args = self.words
        directive = Directive(name, tuple(args), self.path, self.line(self.first), self.first, position)
        self.words = []
        if mark == ";":
            self.levels[-1][0].append(directive)
        elif _LUA_BLOCK.fullmatch(name):
            end = _behind_braces(self.text, position)
            self.levels[-1][0].append(replace(directive, block=(), end=end, inside=position))
            return end
        else:
            self.levels.append(([], replace(directive, inside=position)))
        return position


def _behind_braces(text: str, position: int) -> int:
    """The offset behind the brace that closes the one before position, in another language."""
    depth = 1
    while depth and position < len(text):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return position


@dataclass
class _Reader:
    """Follows includes. files, directories: what was read and listed; problems: what could not be."""

    host: Host
    prefix: str
    files: dict[str, None] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    _parsed: dict[str, tuple[Directive, ...]] = field(default_factory=dict)

    def file(self, path: str, above: tuple[str, ...] = ()) -> tuple[Directive, ...]:
        """The directives of a file, with those of the files that it includes in their places."""
        if path in above or len(above) > _DEPTH:
            self.problems.append(f"{above[-1]} includes {path}, which includes it again: nginx would not load this")
            return ()
        self.files[path] = None
        try:
            if path not in self._parsed:
                self._parsed[path] = parse(self.host.read(path), path)
            return self._spliced(self._parsed[path], (*above, path))
        except (Unseen, Malformed) as problem:
            self.problems.append(str(problem))
            return ()

    def _spliced(self, directives: Iterable[Directive], above: tuple[str, ...]) -> tuple[Directive, ...]:
        found: list[Directive] = []
        for directive in directives:
            if directive.name == "include" and directive.args:
                for path in self._included(directive):
                    found += self.file(path, above)
            elif directive.block and any(inner.name == "include" or inner.block for inner in directive.block):
                found.append(replace(directive, block=self._spliced(directive.block, above)))
            else:
                found.append(directive)
        return tuple(found)

    def _included(self, directive: Directive) -> list[str]:
        pattern = os.path.join(self.prefix, directive.args[0])
        if not glob.has_magic(pattern):
            return [pattern]
        self.directories.add(os.path.dirname(pattern))
        try:
            return self.host.glob(pattern)
        except Unseen as unseen:
            self.problems.append(f"{directive.source}: {unseen}")
            return []


def named(directives: Iterable[Directive], *names: str) -> list[Directive]:
    """Those of the directives that have one of these names."""
    return [directive for directive in directives if directive.name in names]


def _all(directives: Iterable[Directive]) -> Iterator[Directive]:
    """All directives, those in blocks included."""
    for directive in directives:
        yield directive
        if directive.block:
            yield from _all(directive.block)


# -- the process ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Build:
    """What nginx was built with, and how it was started."""

    config: str
    prefix: str
    access_log: str
    error_log: str
    directives: str = ""


def _build(host: Host, exe: str, argv: Sequence[str]) -> _Build:
    """The paths of an nginx that was started so. Raises Unseen."""
    result = host.run(exe, "-V")
    built = dict(re.findall(r"--([\w-]+)=(\S+)", result.stderr))
    options = _options(argv)
    prefix = options.get("-p") or built.get("prefix", "/usr/local/nginx")
    config = os.path.join(prefix, options.get("-c") or built.get("conf-path", "conf/nginx.conf"))
    return _Build(
        config=config,
        prefix=prefix,
        access_log=os.path.join(prefix, built.get("http-log-path", "logs/access.log")),
        error_log=options.get("-e") or built.get("error-log-path", "logs/error.log"),
        directives=options.get("-g", ""),
    )


def _options(argv: Sequence[str]) -> dict[str, str]:
    """The options of a command line; nginx's own process title joins them with blanks."""
    words = " ".join(argv).split()
    found: dict[str, str] = {}
    option = ""
    for word in words:
        if re.fullmatch(r"-[cepg].*", word) and not (option == "-g" and not found[option].endswith(";")):
            option, value = word[:2], word[2:]
            found[option] = value
        elif re.fullmatch(r"-[tTvVqhs?]+", word):
            option = ""
        elif option and (option == "-g" or not found[option]):
            found[option] = f"{found[option]} {word}".strip()
    return found


def servers(host: Host) -> Iterator[WebServer]:
    """Every nginx that runs, or would be started at boot."""
    ours = [process for process in host.processes() if os.path.basename(process.program) == NAME]
    pids = {process.pid for process in ours}
    masters = [
        process
        for process in ours
        if "master process" in process.argv[0] or (process.parent not in pids and "worker" not in process.argv[0])
    ]
    for master in masters:
        yield _running(host, master, [process for process in ours if process.parent == master.pid])
    if not masters and starts_at_boot(host, "nginx.service"):
        yield _stopped(host)


def _running(host: Host, master: Process, children: Sequence[Process]) -> WebServer:
    elsewhere = master.contained or host.real(f"/proc/{master.pid}/root") != "/"
    if elsewhere:
        why = f"nginx (process {master.pid}) runs in a container or another root directory: its files cannot be read"
        return WebServer(NAME, master.pid, Layer(RUNNING, None, why), (why,), ())
    try:
        build = _build(host, master.program, master.argv)
    except Unseen as unseen:
        return WebServer(NAME, master.pid, Layer(RUNNING, None, str(unseen)), (str(unseen),), ())
    reader, config = _read(host, build)
    workers = [process for process in children if "worker process" in process.argv[0]]
    current = [process for process in workers if "shutting down" not in process.argv[0]]
    started = min(process.started for process in current or [master])
    running = loaded(host, started, reader.files, reader.directories)
    return _server(host, build, reader, config, master.pid, running)


def _stopped(host: Host) -> WebServer:
    layer = Layer(RUNNING, None, "nginx does not run, but starts at boot")
    try:
        build = _build(host, NAME, ())
    except Unseen as unseen:
        return WebServer(NAME, 0, layer, (str(unseen),), (), starts_at_boot=True)
    reader, config = _read(host, build)
    return replace(_server(host, build, reader, config, 0, layer), starts_at_boot=True)


def _read(host: Host, build: _Build) -> tuple[_Reader, tuple[Directive, ...]]:
    reader = _Reader(host, os.path.dirname(build.config))
    config = reader.file(build.config)
    try:
        config += parse(build.directives, "-g") if build.directives else ()
    except Malformed as problem:
        reader.problems.append(str(problem))
    return reader, config


def _server(
    host: Host, build: _Build, reader: _Reader, config: tuple[Directive, ...], pid: int, running: Layer
) -> WebServer:
    effect = _Effect(host, build, config)
    vhosts = tuple(effect.virtual_hosts())
    other = tuple(effect.other_logs())
    problems = tuple(dict.fromkeys([*reader.problems, *effect.problems]))
    return WebServer(NAME, pid, running, problems, vhosts, tuple(reader.files), config, other)


# -- what is in effect ------------------------------------------------------------------------------------------------


class _Effect:
    """Works out what a whole configuration means, level by level."""

    def __init__(self, host: Host, build: _Build, config: tuple[Directive, ...]) -> None:
        self.host = host
        self.build = build
        self.config = config
        self.problems: list[str] = []
        self.https = named(config, "http")
        http = [directive for block in self.https for directive in block.block or ()]
        self.http = http
        self.http_settings = [directive for directive in http if directive.block is None]
        self.http_rewrites = any(map(_redirects_within, self.http_settings))
        maps = {entry.args[1].lstrip("$"): entry for entry in named(http, "map") if len(entry.args) == 2}
        self.formats = Formats(dict(self._log_formats(http)), maps, frozenset(self._made()))

    @staticmethod
    def _log_formats(http: Iterable[Directive]) -> Iterator[tuple[str, str]]:
        for entry in named(http, "log_format"):
            if entry.args:
                texts = entry.args[1:]
                yield entry.args[0], "".join(texts[1:] if texts and texts[0].startswith("escape=") else texts)

    def _made(self) -> Iterator[str]:
        """Names of variables that the configuration makes by other means than maps."""
        for directive in _all(self.config):
            if _MAKERS.fullmatch(directive.name):
                for word in directive.args:
                    yield from (word[1:],) if word.startswith("$") else ()
                for inner in directive.block or ():
                    yield from (inner.name[1:],) if inner.name.startswith("$") else ()
            elif directive.name in ("server_name", "location", "if", "rewrite"):
                for word in directive.args:
                    yield from re.findall(r"\(\?P?<(\w+)>", word)

    # -- logs -----------------------------------------------------------------------------------------------------

    def _logs_at(self, block: Iterable[Directive]) -> tuple[AccessLog, ...] | None:
        """The logs that a level sets, None where it inherits."""
        entries = named(block, "access_log")
        if not entries:
            return None
        off = [entry for entry in entries if entry.args[:1] == ("off",)]
        if off:
            return (AccessLog(OFF, "", "", "", frozenset(), off[0]),)
        return tuple(self._log(entry) for entry in entries if entry.args)

    def _log(self, entry: Directive) -> AccessLog:
        options = [word for word in entry.args[1:] if re.match(r"(buffer|flush|gzip|if)\b", word)]
        formats = [word for word in entry.args[1:] if word not in options]
        name = formats[0] if formats else "combined"
        text = self.formats.texts.get(name)
        if text is None:
            self.problems.append(f"{entry.source}: the log format {name} is not defined: nginx would not load this")
        settings = {word.partition("=")[0]: word.partition("=")[2] for word in options}
        kind, path = self._target(entry.args[0])
        held = self.formats.held(text or "")
        if path:
            held = held | _in_path(self.formats.held(path))
        condition = f"if={settings['if']}" if "if" in settings else ""
        buffered = "buffer" in settings or "gzip" in settings
        return AccessLog(
            kind=kind,
            path=path,
            format_name=name,
            format_text=text or "",
            fields=held.surely,
            directive=entry,
            unclear=held.perhaps,
            host_names=held.host_names,
            condition=condition,
            always=self.formats.condition(settings["if"]) if condition else True,
            flush_s=_seconds(settings["flush"]) if "flush" in settings else math.inf if buffered else 0.0,
            pattern=_pattern(path),
        )

    def _target(self, word: str) -> tuple[str, str]:
        """Kind and path of a log's target."""
        if word.startswith("syslog:"):
            return SYSLOG, ""
        path = os.path.join(self.build.prefix, word)
        if path == "/dev/null":
            return OFF, path
        if re.match(r"/dev/(stdout|stderr|fd/\d+)$|/proc/self/fd/\d+$", path):
            return STREAM, path
        return FILE, path

    def _default_logs(self) -> tuple[AccessLog, ...]:
        block = self.https[0]
        return (self._log(replace(block, args=(self.build.access_log,), block=None)),)

    # -- virtual hosts --------------------------------------------------------------------------------------------

    def virtual_hosts(self) -> Iterator[VirtualHost]:
        """Every server block, in order."""
        if not self.https:
            return
        inherited = self._logs_at(self.http) or self._default_logs()
        errors = self._error_logs(self.http, self._error_logs(self.config, ()))
        blocks = named(self.http, "server")
        taken: set[tuple[str, int]] = set()
        owned: set[tuple[str, int, str]] = set()
        explicit = {
            (listen.address, listen.port) for block in blocks for listen in self._listens(block) if listen.default
        }
        for block in blocks:
            listens = []
            for listen in self._listens(block):
                at = (listen.address, listen.port)
                listens.append(replace(listen, default=listen.default or (at not in explicit and at not in taken)))
                taken.add(at)
            names = [name.lower() for entry in named(block.block or (), "server_name") for name in entry.args]
            asked = {(listen.address, listen.port, name) for listen in listens for name in names}
            # nginx ignores a name that an earlier block has at the same address
            heard = not names or not asked <= owned or any(listen.default for listen in listens)
            owned |= asked
            vhost = self._virtual_host(block, tuple(listens), inherited, errors)
            if not heard or _closes(block.block or ()) or _tells_its_status(block.block or (), listens):
                vhost = replace(vhost, places=tuple(replace(place, visited=False) for place in vhost.places))
            yield vhost

    def _virtual_host(
        self,
        block: Directive,
        listens: tuple[Listen, ...],
        inherited: tuple[AccessLog, ...],
        errors: tuple[ErrorLog, ...],
    ) -> VirtualHost:
        inside = block.block or ()
        names = tuple(dict.fromkeys(name for entry in named(inside, "server_name") for name in entry.args))
        trusts, claims = self._trusted(inside)
        return VirtualHost(
            server=NAME,
            names=tuple(name for name in names if name),
            listens=listens,
            places=tuple(self._places(block, inherited)),
            error_logs=tuple(dict.fromkeys(self._all_error_logs(inside, errors))),
            source=block.source,
            trusts=trusts,
            claims=claims,
            rewrites=self._rewrites(inside),
            directive=block,
        )

    @staticmethod
    def _listens(block: Directive) -> list[Listen]:
        found = []
        for entry in named(block.block or (), "listen"):
            if entry.args:
                address, port = _address(entry.args[0])
                words = entry.args[1:]
                found.append(
                    Listen(
                        address=address,
                        port=port,
                        tls="ssl" in words or "quic" in words or bool(_on(block.block or (), "ssl")),
                        default="default_server" in words or "default" in words,
                        proxy_protocol="proxy_protocol" in words,
                        declared="default_server" in words or "default" in words,
                    )
                )
        return found or [Listen("0.0.0.0", 80)]  # noqa: S104  what nginx does

    def _trusted(self, server: Sequence[Directive]) -> tuple[tuple[Trust, ...], str]:
        """Who is believed, and by what they claim."""
        here = named(server, "set_real_ip_from") or named(self.http_settings, "set_real_ip_from")
        deeper = [entry for inner in server for entry in _all(inner.block or ()) if entry.name == "set_real_ip_from"]
        trusts = tuple(Trust(entry.args[0], entry.source) for entry in (*here, *deeper) if entry.args)
        headers = named(server, "real_ip_header") or named(self.http_settings, "real_ip_header")
        return trusts, (headers[-1].args[0] if headers and headers[-1].args else "X-Real-IP") if trusts else ""

    def _rewrites(self, server: Sequence[Directive]) -> bool:
        """Whether requests may be answered under another path than the one asked for."""
        return self.http_rewrites or any(_redirects_within(entry) for entry in _all(server))

    # -- places ---------------------------------------------------------------------------------------------------

    def _places(self, server: Directive, inherited: tuple[AccessLog, ...]) -> Iterator[Place]:
        inside = server.block or ()
        logs = self._logs_at(inside)
        logs = inherited if logs is None else logs
        everywhere = any(inner.name == "location" and inner.args in (("/",), ("^~", "/")) for inner in inside)
        answers = any(inner.name in ("return", "if", "rewrite") for inner in inside)
        yield Place("server", logs, server.source, visited=answers or not everywhere)
        yield from self._inner_places(inside, logs, "", visited=True)

    def _inner_places(
        self, inside: Iterable[Directive], inherited: tuple[AccessLog, ...], above: str, visited: bool
    ) -> Iterator[Place]:
        for block in inside:
            if block.name not in ("location", "if", "limit_except") or block.block is None:
                continue
            if block.name == "if" and not above:
                continue  # access_log is not allowed there
            context = " > ".join(filter(None, [above, " ".join([block.name, *block.args])]))
            logs = self._logs_at(block.block)
            logs = inherited if logs is None else logs
            open_to_all = visited and not _for_itself(block.block)
            yield Place(context, logs, block.source, visited=open_to_all)
            yield from self._inner_places(block.block, logs, context, open_to_all)

    # -- other logs -----------------------------------------------------------------------------------------------

    def _error_logs(self, block: Iterable[Directive], inherited: tuple[ErrorLog, ...]) -> tuple[ErrorLog, ...]:
        entries = named(block, "error_log")
        if not entries:
            return inherited or (self._error_log(self.build.error_log, None),)
        written = [entry for entry in entries if entry.args and not entry.args[0].startswith("memory:")]
        return tuple(self._error_log(entry.args[0], entry) for entry in written)

    def _error_log(self, word: str, entry: Directive | None) -> ErrorLog:
        kind, path = (STREAM, "") if word == "stderr" else self._target(word)
        return ErrorLog(kind, path, entry)

    def _all_error_logs(self, server: Sequence[Directive], errors: tuple[ErrorLog, ...]) -> Iterator[ErrorLog]:
        here = self._error_logs(server, errors)
        yield from here
        for inner in server:
            if inner.block:
                yield from self._all_error_logs(inner.block, here)

    def other_logs(self) -> Iterator[LogFile]:
        """Files that no virtual host may write to now: inherited ones, the main error log, those of other protocols."""
        for log in self._error_logs(self.config, ()):
            if log.kind == FILE:
                source = log.directive.source if log.directive else self.build.config
                yield LogFile(log.path, ERROR_LOG, NAME, (), source)
        for block in named(self.config, "http", "stream", "mail"):
            for entry in _all(block.block or ()):
                if entry.name in ("access_log", "error_log") and entry.args and entry.args[0] not in ("off", "stderr"):
                    kind, path = self._target(entry.args[0])
                    if kind == FILE:
                        what = ACCESS if entry.name == "access_log" else ERROR_LOG
                        yield LogFile(_pattern(path), what, NAME, (), entry.source)
                if entry.name == "server" and block.name == "stream":
                    self._stream_server(entry)

    def _stream_server(self, block: Directive) -> None:
        for entry in named(block.block or (), "listen"):
            port = _address(entry.args[0])[1] if entry.args else 0
            if port in (80, 443, 8080, 8443) and named(block.block or (), "proxy_pass"):
                why = f"nginx passes connections to port {port} on unread: their requests are logged elsewhere"
                self.problems.append(f"{entry.source}: {why}")


def _in_path(held: Held) -> Held:
    """What the name of a log file tells; nothing else of a request counts there."""
    if "domain" not in held.surely:
        return Held()
    return Held(frozenset({"domain"}), frozenset(), held.host_names)


def _pattern(path: str) -> str:
    """A shell pattern for all files that a path with variables stands for."""
    if not list(names_in(path)):
        return path
    return re.sub(r"\*+", "*", re.sub(r"\$(?:\{\w+\}|\w+)", "*", path))


def _redirects_within(entry: Directive) -> bool:
    """Whether a directive may answer a request under another path; an index file of a directory is still that page."""
    last = entry.args[-1] if entry.args else ""
    if entry.name == "rewrite":
        target = entry.args[1] if len(entry.args) > 1 else ""
        return last not in ("redirect", "permanent") and not re.match(r"https?://|\$scheme", target)
    if entry.name in ("try_files", "error_page"):
        return last.startswith(("/", "$")) and last not in ("$uri", "$uri/")
    return entry.name == "perl" or entry.name.startswith("js_") or "_by_lua" in entry.name


def _on(block: Iterable[Directive], name: str) -> bool:
    return any(entry.args[:1] == ("on",) for entry in named(block, name))


def _for_itself(block: Iterable[Directive]) -> bool:
    """Whether a location answers only the host itself, and refuses visitors."""
    if any(entry.args[:1] == ("any",) for entry in named(block, "satisfy")):
        return False
    rules = [(entry.name, entry.args[0]) for entry in named(block, "allow", "deny") if entry.args]
    allowed = [who for verb, who in rules if verb == "allow"]
    itself = ("127.0.0.1", "::1", "127.0.0.0/8", "unix:")
    return rules[-1:] == [("deny", "all")] and all(who in itself for who in allowed)


def _closes(server: Sequence[Directive]) -> bool:
    """Whether every connection is closed without an answer (444)."""
    decided = named(server, "return", "rewrite", "if", "break", "location")
    return bool(decided) and decided[0].name == "return" and decided[0].args[:1] == ("444",)


_CONTENT = ("root", "alias", "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass")


def _tells_its_status(server: Sequence[Directive], listens: Iterable[Listen]) -> bool:
    """Whether a virtual host does nothing but tell the host itself how nginx does (stub_status)."""
    local = all(listen.address in ("::1", "localhost") or listen.address.startswith("127.") for listen in listens)
    inner = list(_all(server))
    return local and bool(named(inner, "stub_status")) and not named(inner, *_CONTENT)


def _address(word: str) -> tuple[str, int]:
    """Address and port of a listen directive; port 0 for a unix socket."""
    if word.startswith("unix:"):
        return word, 0
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d+))?", word) if not word.isdigit() else None
    address = found.group(1).strip("[]") if found else ""
    port = int((found.group(2) if found else word) or 80)
    return {"": "0.0.0.0", "*": "0.0.0.0"}.get(address, address), port  # noqa: S104  what nginx does


def _seconds(text: str) -> float:
    """The seconds of a time as nginx writes it: 5m, 1h30m, 500ms, 60."""
    parts = re.findall(r"(\d+)\s*(ms|[smhdwMy]?)", text)
    return sum(int(number) * _SIZES[unit or "s"] for number, unit in parts)
