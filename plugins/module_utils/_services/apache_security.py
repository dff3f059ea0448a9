# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache: TLS, redirects to https, headers and cookies of one virtual host, with what it has from the main server.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .._host import Host, Unseen
from .apache import Malformed, named, parse
from .virtualhost import Directive, VirtualHost, WebServer
from .web_security import (
    ACME_PATH,
    ANSWERS,
    HSTS,
    METHODS,
    REDIRECTS,
    REFUSES,
    UNCLEAR,
    CookieSet,
    HeaderPlace,
    PlainAnswer,
    Socket,
    TlsSettings,
    leaves_out,
    only_proofs,
    same_name,
)

_TRIALS = ("/", "/index.html", "/a/b.php", "/PaTh/MaRk-1", "/blog/2026/")
_MARK = "asked.invalid"  # stands for the name that was asked for
_NAMES = 500  # of one virtual host that are tried
_STATUS = {"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}
_MOVED = (301, 302, 303, 307, 308)
_SECTIONS = ("directory", "directorymatch", "location", "locationmatch", "files", "filesmatch", "if", "elseif", "else")
_VARIABLE = re.compile(r"%\{([\w:-]+)\}")
# conditions of an <If> that hold for every request over plain http
_PLAIN = re.compile(
    r"%\{https\}\s*(?:(==|-eq)\s*'off'|(!=|-ne)\s*'on')\s*|%\{request_scheme\}\s*(==\s*'http'|!=\s*'https')\s*"
)
# each of these in a directory or .htaccess file puts its rewriting in the place of all that a level above has
_REWRITING = ("rewriteengine", "rewritebase", "rewritecond", "rewriterule", "rewriteoptions")
_SEARCH_S = 5.0  # for the .htaccess files within a document root
_ASKS = ("rewritecond", "setenvif", "setenvifnocase", "setenvifexpr", "if")
_FORWARDED = re.compile(r"(?i)x-forwarded-(proto|ssl|scheme)|front-end-https")


@dataclass(frozen=True)
class _Request:
    """A request over plain http. name: asked for; port: of the socket; relative: paths lack their first slash."""

    name: str
    port: int
    method: str = "GET"
    relative: bool = False

    def value(self, variable: str) -> str | None:
        """The value of a server variable, None where it is not known."""
        values = {
            "https": "off",
            "server_port": str(self.port),
            "http_host": self.name or _MARK,
            "server_name": self.name or _MARK,
            "request_scheme": "http",
            "request_method": self.method,
            "http:x-forwarded-proto": "",
            "http:x-forwarded-ssl": "",
            "http:x-forwarded-scheme": "",
            "http:front-end-https": "",
        }
        return values.get(variable.lower())

    @property
    def trials(self) -> tuple[str, ...]:
        return tuple(trial[1:] for trial in _TRIALS) if self.relative else _TRIALS


class ApacheSecurity:
    """Reads one VirtualHost section and the main server around it."""

    def __init__(self, host: Host, server: WebServer, vhost: VirtualHost) -> None:
        self.host = host
        self.vhost = vhost
        self.main = [entry for entry in server.config if entry.name.lower() != "virtualhost"]
        self.inside = list((vhost.directive.block if vhost.directive else None) or ())

    def _setting(self, *names: str) -> Directive | None:
        """The directive in effect: the last of the virtual host, else of the main server."""
        entries = named(self.inside, *names) or named(self.main, *names)
        return entries[-1] if entries else None

    @property
    def document_root(self) -> str:
        entry = self._setting("documentroot")
        return entry.args[0].rstrip("/") if entry else ""

    # -- TLS ------------------------------------------------------------------------------------------------------

    def tls(self, shared: Sequence[Socket]) -> TlsSettings:
        """The settings in effect."""
        files = named(self.inside, "sslcertificatefile") or named(self.main, "sslcertificatefile")
        commands = [*named(self.main, "sslopensslconfcmd"), *named(self.inside, "sslopensslconfcmd")]
        curves = [entry for entry in commands if entry.args[0].lower() in ("curves", "groups", "ecdhparameters")]
        signatures = [entry for entry in commands if entry.args[0].lower() == "signaturealgorithms"]
        return TlsSettings(
            certificates=tuple(files),
            protocols=self._setting("sslprotocol"),
            ciphers=self._setting("sslciphersuite"),
            curves=curves[-1] if curves else None,
            signatures=signatures[-1] if signatures else None,
            managed=None if files else self._managed(),
        )

    def _managed(self) -> Directive | None:
        """The line that has mod_md obtain a certificate for one of the names."""
        names = {name.lower() for name in self.vhost.names}
        sections = [entry for entry in (*self.main, *self.inside) if entry.name.lower() == "mdomainset"]
        for entry in (*named((*self.main, *self.inside), "mdomain", "manageddomain"), *sections):
            if names & {word.lower() for word in entry.args}:
                return entry
        return None

    # -- redirects ------------------------------------------------------------------------------------------------

    def plain(self, shared: Sequence[Socket]) -> Iterator[PlainAnswer]:
        """What happens to requests over plain http, for each exact name and each place."""
        port = next((socket.listen.port for socket in shared if not socket.tls), 80)
        exact = [name.lower() for name in self.vhost.names if re.fullmatch(r"[\w.-]+", name)]
        found: dict[PlainAnswer, dict[str, None]] = {}
        others = [""] if len(exact) < len(self.vhost.names) or not exact else []
        tried = [*exact[:_NAMES], *others]
        for name in tried:
            for method in METHODS:
                for answer in self._asked(_Request(name, port, method)):
                    found.setdefault(answer, {})[name] = None
        for answer, names in found.items():
            yield replace(answer, names=() if len(names) == len(tried) else tuple(filter(None, names)))
        if len(exact) > _NAMES:
            yield PlainAnswer("server", UNCLEAR, self.vhost.source, names=(exact[_NAMES],))

    def _asked(self, request: _Request) -> Iterator[PlainAnswer]:
        """What happens to requests for one name: rewriting, then aliases, then sections, then files."""
        for entries, context in ((self.inside, "server"), *self._whole_sections()):
            ends = False
            passed_on = self._proxied() if context == "server" else ()
            moved = self._aliased(entries, request, context)
            rewritten = self._rewritten(entries, request, context)
            if context.lower().startswith("directory"):
                rewritten = self._rewritten_within(entries, request, context)
            for answer in (*rewritten, *passed_on, *moved):
                yield answer
                ends = ends or not (answer.part or answer.challenge or answer.does == UNCLEAR)
                if ends:
                    yield from self._beside() if context.lower().startswith("directory") else ()
                    return
        inherited = self._setting("rewriteoptions")
        if inherited is not None and "inherit" in " ".join(inherited.args).lower():
            yield PlainAnswer("server", UNCLEAR, inherited.source)
            return
        yield from self._aliased(self.main, request, "server")
        content = self._content(request)
        yield content
        if content.does == REDIRECTS:
            yield from self._beside()
            yield from self._rewritten_below(request) if self._by_rewriting(content) else ()

    def _rewritten_within(
        self, entries: Iterable[Directive], request: _Request, context: str
    ) -> Iterator[PlainAnswer]:
        """What rewriting of the document root's directory does, where no .htaccess file replaces it."""
        try:
            if named(self._htaccess_entries(), *_REWRITING):
                return
        except (Unseen, Malformed):
            return  # what is asked next says so
        answers = list(self._rewritten(entries, replace(request, relative=True), context))
        yield from self._rewritten_below(request) if answers else ()
        yield from answers

    def _rewritten_below(self, request: _Request) -> Iterator[PlainAnswer]:
        """Places within the document root with rewriting of their own, which the redirect above does not reach."""
        inner = replace(request, relative=True)
        try:
            for context, source, entries in self._levels_below():
                if not named(entries, *_REWRITING):
                    continue
                answers = [*self._rewritten(entries, inner, context), *self._aliased(entries, request, context)]
                whole = [answer for answer in answers if not answer.part]
                if not whole or whole[0].does not in (REDIRECTS, REFUSES):
                    yield PlainAnswer(context, UNCLEAR, source)
        except (Unseen, Malformed):
            yield PlainAnswer(f".htaccess files in {self.document_root}", UNCLEAR, self.vhost.source)

    def _levels_below(self) -> Iterator[tuple[str, str, list[Directive]]]:
        """Sections and .htaccess files of directories within the document root. Raises Unseen, Malformed."""
        for section in (*self.main, *self.inside):
            path = section.args[0] if section.name.lower() == "directory" and section.args else ""
            if path.rstrip("/").startswith(f"{self.document_root}/"):
                yield f"Directory {path}", section.source, list(_flat(section.block or ()))
        if self.host.stat(self.document_root) is None:
            return
        search = ("find", "-H", self.document_root, "-xdev", "-mindepth", "2", "-name", ".htaccess")
        for path in self.host.run(*search, timeout=_SEARCH_S).stdout.splitlines():
            if self._overrides(os.path.dirname(path)):
                yield path, path, list(_flat(parse(self.host.read(path), path)))

    def _proxied(self) -> Iterator[PlainAnswer]:
        """What is passed on to an application; mod_proxy takes its paths before Redirect does."""
        for entry in named((*self.inside, *self.main), "proxypass", "proxypassmatch"):
            if len(entry.args) > 1 and entry.args[1] != "!":
                yield PlainAnswer(f"{entry.name} {entry.args[0]}", ANSWERS, entry.source)

    def _beside(self) -> Iterator[PlainAnswer]:
        """What lies beside the document root, and so beyond what is said of its directory; not Apache's own icons."""
        names = ("alias", "aliasmatch", "scriptalias", "scriptaliasmatch")
        for entry in named((*self.inside, *self.main), *names):
            path = f"{entry.args[-1].rstrip('/')}/"
            if not path.startswith((f"{self.document_root}/", "/usr/share/apache2/icons/")):
                challenge = only_proofs(entry.args[0])
                yield PlainAnswer(f"{entry.name} {entry.args[0]}", ANSWERS, entry.source, challenge=challenge)

    def _whole_sections(self) -> Iterator[tuple[Sequence[Directive], str]]:
        """Sections of the virtual host that are about every request to it."""
        for entry in self.inside:
            if entry.block is not None and self._whole(entry):
                yield entry.block, " ".join([entry.name, *entry.args])

    def _whole(self, section: Directive) -> bool:
        name, first = section.name.lower(), (*section.args, "")[0]
        if name == "location":
            return first == "/"
        if name == "locationmatch":
            return _matches_all(first, _TRIALS)
        if name == "directory":
            path = first.rstrip("/")
            return bool(self.document_root) and (self.document_root == path or path == "")
        if name == "if":
            words = " ".join(section.args).lower().replace('"', "'")
            return _PLAIN.fullmatch(words) is not None
        return False

    def _content(self, request: _Request) -> PlainAnswer:
        """What a request gets that nothing redirects."""
        for entries, context in self._whole_sections():
            refused = [entry for entry in named(entries, "require") if entry.args[:2] == ("all", "denied")]
            if refused and not context.lower().startswith("directory"):
                return PlainAnswer(context, REFUSES, refused[0].source)
        source = self.vhost.source
        return self._htaccess(request) or PlainAnswer("server", ANSWERS, source)

    @property
    def _htaccess_path(self) -> str:
        return os.path.join(self.document_root, ".htaccess")

    def _htaccess_entries(self) -> list[Directive]:
        """What the .htaccess file of the document root says, if Apache reads it. Raises Unseen, Malformed."""
        if not self.document_root or not self._overrides(self.document_root):
            return []
        path = self._htaccess_path
        return [] if self.host.stat(path) is None else list(_flat(parse(self.host.read(path), path)))

    def _htaccess(self, request: _Request) -> PlainAnswer | None:
        """What the .htaccess file of the document root does."""
        path = self._htaccess_path
        try:
            entries = self._htaccess_entries()
        except (Unseen, Malformed):
            return PlainAnswer(path, UNCLEAR, path)
        inner = replace(request, relative=True)
        answers = [*self._rewritten(entries, inner, path), *self._aliased(entries, request, path)]
        whole = [answer for answer in answers if not answer.part]
        if whole:
            return whole[0]
        return PlainAnswer(path, UNCLEAR, path) if answers else None

    def _by_rewriting(self, answer: PlainAnswer) -> bool:
        """Whether a rule of the .htaccess file of the document root makes an answer."""
        return any(rule.source == answer.source for rule in named(self._htaccess_entries(), "rewriterule"))

    def _overrides(self, directory: str) -> bool:
        """Whether .htaccess files of a directory may redirect: the last Directory section around it says so."""
        allowed = False
        best = -1
        for section in (*self.main, *self.inside):
            if section.name.lower() != "directory" or not section.args:
                continue
            path = section.args[0].rstrip("/")
            inside = directory == path or directory.startswith(f"{path}/")
            entries = named(section.block or (), "allowoverride")
            if inside and entries and len(path) >= best:
                best = len(path)
                allowed = bool({"all", "fileinfo"} & {word.lower() for word in entries[-1].args})
        return allowed

    def _rewritten(self, entries: Iterable[Directive], request: _Request, context: str) -> Iterator[PlainAnswer]:
        """What rewriting rules of one level do, in their order."""
        entries = list(entries)
        engine = named(entries, "rewriteengine")
        if not engine or engine[-1].args[0].lower() != "on":
            return
        conditions: list[Directive] = []
        for entry in named(entries, "rewritecond", "rewriterule"):
            if entry.name.lower() == "rewritecond":
                conditions.append(entry)
                continue
            holds, conditions = _conditions(conditions, request), []
            if holds is False or len(entry.args) < 2:
                continue
            answer = self._rule(entry, request, context, holds)
            if answer is not None:
                yield answer
            if answer is not None and not (answer.part or answer.challenge or answer.does == UNCLEAR):
                return

    def _rule(self, entry: Directive, request: _Request, context: str, holds: bool | None) -> PlainAnswer | None:
        """What one rule does, None where the request goes on within the virtual host."""
        pattern, target = entry.args[:2]
        flags = {flag.strip().upper() for flag in (*entry.args, "", "")[2].strip("[]").split(",")}
        every = _matches_all(pattern, request.trials)
        challenge = only_proofs(pattern)
        code = next((_status(flag.partition("=")[2] or "302") for flag in flags if re.match(r"R(EDIRECT)?\b", flag)), 0)
        where = self._expanded(target, request)
        if flags & {"F", "FORBIDDEN", "G", "GONE"}:
            return PlainAnswer(context, REFUSES, entry.source) if holds and every else None
        if flags & {"P", "PROXY"} or not (code or re.match(r"(?i)https?://", where)):
            ends = flags & {"L", "LAST", "END", "P", "PROXY", "PT", "PASSTHROUGH"}
            does = ANSWERS if holds else UNCLEAR
            return PlainAnswer(context, does, entry.source, challenge=challenge) if ends else None
        if not every and where.lower().startswith("https://"):
            return None  # some paths go to https: the others decide
        moved = self._moved(target, code or 302, entry, context, request)
        return replace(moved, part=not every, does=moved.does if holds else UNCLEAR)

    def _moved(self, target: str, code: int, entry: Directive, context: str, request: _Request) -> PlainAnswer:
        where = self._expanded(target, request)
        https = where.lower().startswith("https://")
        does = REDIRECTS if https else ANSWERS
        same = same_name(where, self.vhost.names, request.name or _MARK) if https else None
        return PlainAnswer(context, does, entry.source, target, same, code)

    @staticmethod
    def _expanded(text: str, request: _Request) -> str:
        return _VARIABLE.sub(lambda found: _or(request.value(found.group(1)), found.group()), text)

    def _aliased(self, entries: Iterable[Directive], request: _Request, context: str) -> Iterator[PlainAnswer]:
        """What Redirect and RedirectMatch of one level do."""
        for entry in named(entries, "redirect", "redirectmatch", "redirectpermanent", "redirecttemp"):
            words = list(entry.args)
            code = {"redirectpermanent": 301, "redirecttemp": 302}.get(entry.name.lower(), 0)
            if not code and (words[0] in _STATUS or words[0].isdigit()):
                code = _status(words.pop(0))
            path, target = (*words, "", "")[:2]
            if len(words) == 1 and context != "server" and code in (0, *_MOVED):
                path, target = "/", words[0]
            every = path in ("", "/") if entry.name.lower() != "redirectmatch" else _matches_all(path, _TRIALS)
            code = code or 302
            https = self._expanded(target, request).lower().startswith("https://")
            if code not in _MOVED:
                if every:
                    yield PlainAnswer(context, REFUSES if code >= 400 else ANSWERS, entry.source, code=code)
            elif every or not https:
                yield replace(self._moved(target, code, entry, context, request), part=not every)

    # -- headers --------------------------------------------------------------------------------------------------

    def headers(self) -> Iterator[HeaderPlace]:
        """The HSTS header of the virtual host, and of each section that changes it."""
        base = [*named(self.main, "header"), *named(self.inside, "header")]
        for section in (*self.main, *self.inside):
            if section.block is not None and self._about_all(section):
                base += named(section.block, "header")
        proxied = named(_all(self.inside), "proxypass", "proxypassmatch")
        application = bool(proxied) or any(
            "proxy:" in " ".join(entry.args) for entry in named(_all(self.inside), "sethandler")
        )
        try:
            base += [] if proxied else named(self._htaccess_entries(), "header")
            value, always, source = self._sent(base)
        except (Unseen, Malformed):
            value, always, source = None, False, self._htaccess_path
        yield HeaderPlace("server", value, always, application, source or self.vhost.source)
        for section in (*self.main, *self.inside):
            if section.block is None or section.name.lower() not in _SECTIONS or self._about_all(section):
                continue
            entries = [entry for entry in named(_all(section.block), "header") if _about(entry, HSTS)]
            if entries:
                value, always, source = self._sent([*base, *entries])
                context = " ".join([section.name, *section.args])
                yield HeaderPlace(context, value, always, application, source or section.source)

    def _about_all(self, section: Directive) -> bool:
        name = section.name.lower()
        return name in ("location", "locationmatch", "directory") and self._whole(section)

    def _sent(self, entries: Iterable[Directive]) -> tuple[str | None, bool, str]:
        """Value, whether on error pages too, and source of the header after a series of directives."""
        tables: dict[bool, tuple[str | None, str]] = {}
        for entry in entries:
            words = list(entry.args)
            always = words[0].lower() == "always"
            words = words[1:] if words[0].lower() in ("always", "onsuccess") else words
            action, name, value, condition = (*words, "", "", "", "")[:4]
            if name.lower() != HSTS:
                continue
            if action.lower() == "unset":
                tables[always] = ("", entry.source)
            elif action.lower() in ("set", "add", "append", "merge", "setifempty"):
                tables[always] = (value if self._met(condition) else None, entry.source)
            else:
                tables[always] = (None, entry.source)
        sent = {always: pair for always, pair in tables.items() if pair[0] != ""}
        if True in sent:
            return sent[True][0], True, sent[True][1]
        if False in sent:
            return sent[False][0], False, sent[False][1]
        return "", False, next((source for _value, source in tables.values()), "")

    def _met(self, condition: str) -> bool:
        """Whether a condition surely holds over https."""
        if not condition:
            return True
        words = condition.lower().replace('"', "'")
        if re.fullmatch(r"expr=\s*(%\{https\}\s*(==|-eq)\s*'on'|%\{request_scheme\}\s*(==|-eq)\s*'https')\s*", words):
            return True
        options = [word for entry in named(self.inside, "ssloptions") for word in entry.args]
        return words == "env=https" and "+stdenvvars" in map(str.lower, options)

    # -- cookies --------------------------------------------------------------------------------------------------

    def cookies(self) -> Iterator[CookieSet]:
        """Cookies that Apache itself sets in this virtual host."""
        everything = [*_all(self.main), *_all(self.inside)]
        marked = any(_marks(entry) for entry in named(everything, "header"))
        for entry in named(everything, "header"):
            words = [word for word in entry.args if word.lower() not in ("always", "onsuccess")]
            action, name, value = (*words, "", "", "")[:3]
            if name.lower() == "set-cookie" and action.lower() in ("set", "add", "append", "merge", "setifempty"):
                secure = bool(re.search(r"(?i);\s*secure\s*(;|$)", value))
                yield CookieSet(value.partition("=")[0].strip(), secure or (None if marked else False), entry.source)
        for entry in named(everything, "rewriterule"):
            for made in re.findall(r"(?i)\b(?:co|cookie)=([^,\]]+)", (*entry.args, "", "")[2]):
                parts = re.split(r":" if not made.startswith(";") else ";", made.lstrip(";"))
                secure = len(parts) > 5 and parts[5].lower() in ("secure", "true", "1")
                yield CookieSet(parts[0], secure or (None if marked else False), entry.source)
        for entry in named(everything, "sessioncookiename", "sessioncookiename2"):
            secure = any(re.search(r"(?i)(^|;)\s*secure\s*(;|$)", word) for word in entry.args[1:])
            yield CookieSet(entry.args[0], secure or (None if marked else False), entry.source)
        for entry in named(everything, "cookietracking"):
            if entry.args[0].lower() == "on":
                says = self._setting("cookiesecure")
                called = self._setting("cookiename")
                secure = says is not None and says.args[0].lower() == "on"
                label = called.args[0] if called else "Apache"
                yield CookieSet(label, secure or (None if marked else False), entry.source)

    # -- proxies in front -----------------------------------------------------------------------------------------

    def forwarded(self) -> Iterator[str]:
        """Where it takes a proxy's word that the visitor came over https, or lets nobody but a proxy in."""
        for entry in _all(self.inside):
            name, words = entry.name.lower(), " ".join(entry.args).lower()
            asks = name in _ASKS and _FORWARDED.search(words)
            claims = name == "requestheader" and _FORWARDED.search(words) and re.search(r"\bhttps\b", words)
            if asks or claims or (name, words) in (("setenv", "https on"), ("remoteipproxyprotocol", "on")):
                yield entry.source
        for section, _context in self._whole_sections():
            rules = named(section, "require")
            if rules and all(rule.args[0].lower() == "ip" for rule in rules):
                yield rules[0].source


def _all(directives: Iterable[Directive]) -> Iterator[Directive]:
    for directive in directives:
        yield directive
        if directive.block:
            yield from _all(directive.block)


def _flat(directives: Iterable[Directive]) -> Iterator[Directive]:
    """The directives of a .htaccess file; sections that are there for a module are taken as there."""
    for directive in directives:
        if directive.name.lower() == "ifmodule":
            yield from _flat(directive.block or ())
        else:
            yield directive


def _about(entry: Directive, header: str) -> bool:
    return header in (word.lower() for word in entry.args[:3])


def _marks(entry: Directive) -> bool:
    """Whether a directive adds Secure to cookies that others set."""
    words = " ".join(entry.args).lower()
    return bool(re.search(r"\bedit\*? set-cookie\b", words)) and "secure" in words


def _matches(pattern: str, trial: str) -> bool:
    negated = pattern.startswith("!")
    try:
        return (re.search(pattern[negated:], trial) is not None) != negated
    except re.error:
        return False


def _matches_all(pattern: str, trials: Iterable[str]) -> bool:
    """Whether a pattern takes every request; paths that it looks ahead to leave out do not, but for those of ACME."""
    if leaves_out(pattern):
        return False
    return all(_matches(pattern, trial) for trial in trials)


def _status(word: str) -> int:
    lower = word.lower()
    return int(lower) if lower.isdigit() else _STATUS.get(lower, 302)


def _or(value: str | None, other: str) -> str:
    return other if value is None else value


def _conditions(entries: Sequence[Directive], request: _Request) -> bool | None:
    """Whether the conditions before a rule hold; None where that cannot be told."""
    groups: list[list[bool | None]] = [[]]
    for entry in entries:
        flags = [flag.strip().upper() for flag in (*entry.args, "", "")[2].strip("[]").split(",")]
        groups[-1].append(_holds(entry, request, nocase="NC" in flags or "NOCASE" in flags))
        if not {"OR", "ORNEXT"} & set(flags):
            groups.append([])
    results = [
        True if True in group else None if None in group else False for group in groups if group
    ]
    return False if False in results else None if None in results else True


def _holds(entry: Directive, request: _Request, *, nocase: bool) -> bool | None:
    test, pattern = (*entry.args, "", "")[:2]
    if test.lower() in ("%{request_uri}", "%{the_request}"):
        if only_proofs(pattern):
            return pattern.startswith("!")  # it is about requests of an ACME authority only
        outcomes = {_compared(trial, pattern, nocase=True) for trial in _TRIALS}
        everything = pattern in ("^", "^/", ".*", "^.*$", "^(.*)$", "^/(.*)$", ".", "/")
        return True if everything and outcomes == {True} else None
    unknown = [name for name in _VARIABLE.findall(test) if request.value(name) is None]
    if unknown or not _VARIABLE.search(test):
        return None
    value = ApacheSecurity._expanded(test, request)
    if _MARK in value and ACME_PATH not in pattern:
        return None
    return _compared(value, pattern, nocase=nocase)


def _compared(value: str, pattern: str, *, nocase: bool) -> bool | None:
    """A value against a condition's pattern: =text, !=text, an expression or its negation."""
    negated, pattern = pattern.startswith("!"), pattern.lstrip("!")
    if pattern.startswith("="):
        wanted = pattern[1:].strip('"')
        equal = value.lower() == wanted.lower() if nocase else value == wanted
        return equal != negated
    if pattern.startswith(("-", "<", ">")):
        return None
    try:
        found = re.search(pattern, value, re.IGNORECASE if nocase else 0)
    except re.error:
        return None
    return (found is not None) != negated
