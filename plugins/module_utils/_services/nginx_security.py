# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx: TLS, redirects to https, headers and cookies of one virtual host, with what its levels inherit.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._host import Host
from .nginx import named
from .virtualhost import Directive, VirtualHost, WebServer
from .web_security import (
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

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_APPLICATION = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass", "perl")
# requests that a pattern must all match to be taken for 'every request'
_TRIALS = ("/", "/index.html", "/a/b.php", "/PaTh/MaRk-1", "/blog/2026/")
_REFUSED = ("401", "403", "404", "410", "421", "444", "451")
_MOVED = ("301", "302", "303", "307", "308")
# what tells an application that the visitor came over https
_CLAIMS = {
    *((name, f"https {value}") for name in ("fastcgi_param", "uwsgi_param") for value in ("on", "1")),
    ("proxy_set_header", "x-forwarded-proto https"),
}
_MARK = "asked.invalid"  # stands for the name that was asked for
_NAMES = 500  # of one virtual host that are tried
_PASSES = "passes"  # no rewriting follows: a location decides
# what each visitor may choose or have: whatever a condition says of these, some request does not meet it
_VISITORS = re.compile(r"(http|arg|cookie|remote)_\w+|is_args|args|query_string|host|request(_uri)?|(document_)?uri")
_PATHS = ("uri", "request_uri", "document_uri")
_DOUBT = "?"  # set among the variables where it is not known whom an earlier condition met


@dataclass(frozen=True)
class _Outcome:
    """What the rewriting directives of a level do with a request: does is '' where the next ones decide.

    target: where it is sent; written: the same as the file has it.
    """

    does: str = ""
    target: str = ""
    written: str = ""
    code: int = 0
    source: str = ""


class NginxSecurity:
    """Reads one server block and the http block around it."""

    def __init__(self, _host: Host, server: WebServer, vhost: VirtualHost) -> None:
        self.vhost = vhost
        self.inside = (vhost.directive.block if vhost.directive else None) or ()
        self.http = [entry for block in named(server.config, "http") for entry in block.block or ()]
        self.maps = {entry.args[1].lstrip("$"): entry for entry in named(self.http, "map") if len(entry.args) == 2}
        # pages for errors that are answered with another status
        self.pages = [entry for entry in (*_all(self.inside), *self.http) if entry.name == "error_page"]
        self.visited = {(place.context, place.source): place.visited for place in vhost.places}

    # -- TLS ------------------------------------------------------------------------------------------------------

    def _setting(self, name: str, inside: Iterable[Directive] | None = None) -> Directive | None:
        """The directive in effect: nginx knows each of them once at a level."""
        here = named(self.inside if inside is None else inside, name) or named(self.http, name)
        return here[-1] if here else None

    def tls(self, shared: Sequence[Socket]) -> TlsSettings:
        """The settings in effect; the default virtual host of the socket decides about protocols."""
        decides = next((socket.default for socket in shared if socket.tls), self.vhost)
        block = (decides.directive.block if decides.directive else None) or ()
        certificates = named(self.inside, "ssl_certificate") or named(self.http, "ssl_certificate")
        commands = named(self.inside, "ssl_conf_command") or named(self.http, "ssl_conf_command")
        signatures = [entry for entry in commands if entry.args[:1] == ("SignatureAlgorithms",)]
        rejects = self._setting("ssl_reject_handshake")
        return TlsSettings(
            certificates=tuple(entry for entry in certificates if entry.args),
            protocols=self._setting("ssl_protocols", block),
            ciphers=self._setting("ssl_ciphers"),
            curves=self._setting("ssl_ecdh_curve"),
            signatures=signatures[-1] if signatures else None,
            early_data=self._setting("ssl_early_data"),
            rejects=rejects is not None and rejects.args[:1] == ("on",),
        )

    # -- redirects ------------------------------------------------------------------------------------------------

    def plain(self, shared: Sequence[Socket]) -> Iterator[PlainAnswer]:
        """What happens to requests over plain http, for each exact name and each place."""
        port = next((socket.listen.port for socket in shared if not socket.tls), 80)
        exact = [name.lower() for name in self.vhost.names if re.fullmatch(r"[\w.-]+", name) and name != "_"]
        others = [""] if len(exact) < len(self.vhost.names) or not exact else []
        tried = [*exact[:_NAMES], *others]
        found: dict[PlainAnswer, dict[str, None]] = {}
        for name in tried:
            for method in METHODS:
                for answer in self._asked(name, port, method):
                    found.setdefault(answer, {})[name] = None
        for answer, names in found.items():
            yield replace(answer, names=() if len(names) == len(tried) else tuple(filter(None, names)))
        if len(exact) > _NAMES:
            yield PlainAnswer("server", UNCLEAR, self.vhost.source, names=(exact[_NAMES],))

    def _asked(self, name: str, port: int, method: str) -> Iterator[PlainAnswer]:
        """What happens to requests for one name."""
        values = {
            "scheme": "http",
            "https": "",
            "ssl_protocol": "",
            "server_port": str(port),
            "host": name or _MARK,
            "http_host": name or _MARK,
            "server_name": (self.vhost.names or ("",))[0],
            "request_method": method,
            "http_x_forwarded_proto": "",
            "http_x_forwarded_ssl": "",
            "http_front_end_https": "",
        }
        passes = False
        for outcome in self._outcomes(self.inside, values):
            if outcome.does in ("", _PASSES):
                passes = True
            else:
                yield self._answer("server", outcome, name)
        if passes:
            yield from self._places(self.inside, values, name, "")

    def _places(
        self, inside: Sequence[Directive], values: Mapping[str, str], name: str, above: str
    ) -> Iterator[PlainAnswer]:
        """What the locations of a level do, and the level itself where no location takes every request."""
        locations = [entry for entry in named(inside, "location") if entry.block is not None]
        whole = any(entry.args in (("/",), ("^~", "/")) for entry in locations)
        if not above and not whole and not any(_everything(entry.args) for entry in locations):
            yield self._content("server", self.vhost.directive, self.inside, values)
        for entry in locations:
            if entry.args[:1] and entry.args[0].startswith("@"):
                continue
            context = " > ".join(filter(None, [above, " ".join(["location", *entry.args])]))
            if self.visited.get((context, entry.source), True) and not named(entry.block or (), "internal"):
                yield from self._location(entry, values, name, context)

    def _location(self, entry: Directive, values: Mapping[str, str], name: str, context: str) -> Iterator[PlainAnswer]:
        challenge = entry.args[-1:] != () and only_proofs(entry.args[-1])
        block = entry.block or ()
        # a location is chosen before anything in it is done: those within come first
        yield from self._places(block, values, name, context)
        if any(inner.args in (("/",), ("^~", "/")) for inner in named(block, "location")):
            return
        values = dict(values)
        for outcome in self._outcomes(block, values):
            if outcome.does in ("", _PASSES):
                yield replace(self._content(context, entry, block, values), challenge=challenge)
            else:
                yield replace(self._answer(context, outcome, name), challenge=challenge)

    def _content(
        self, context: str, entry: Directive | None, block: Sequence[Directive], values: Mapping[str, str]
    ) -> PlainAnswer:
        """A place that lets requests pass to files or an application, unless it refuses all."""
        rules = [(rule.name, rule.args[0]) for rule in named(block, "allow", "deny") if rule.args]
        satisfy = self._setting("satisfy", block) or self._setting("satisfy")
        password = satisfy is not None and satisfy.args[:1] == ("any",)  # lets people in all the same
        refuses = rules[:1] == [("deny", "all")] and not password
        source = entry.source if entry else self.vhost.source
        return PlainAnswer(context, REFUSES if refuses else UNCLEAR if _DOUBT in values else ANSWERS, source)

    def _answer(self, context: str, outcome: _Outcome, name: str) -> PlainAnswer:
        names = self.vhost.names
        same = same_name(outcome.target, names, name or _MARK) if outcome.does == REDIRECTS else None
        return PlainAnswer(context, outcome.does, outcome.source, outcome.written, same, outcome.code)

    def _outcomes(self, inside: Iterable[Directive], values: dict[str, str]) -> list[_Outcome]:
        """What the rewriting directives of a level may do, in their order."""
        found: list[_Outcome] = []
        for entry in inside:
            done, certain = self._step(entry, values)
            found += done
            if certain:
                return found
        return [*found, _Outcome()]

    def _step(self, entry: Directive, values: dict[str, str]) -> tuple[list[_Outcome], bool]:
        """What one directive may do, and whether it does so to every request."""
        if entry.name == "return":
            return [self._returned(entry, values)], True
        if entry.name == "break":
            return [_Outcome(_PASSES)], True
        if entry.name == "set" and len(entry.args) == 2:
            values[entry.args[0].lstrip("$")] = _expand(entry.args[1], values)
        elif entry.name == "rewrite" and len(entry.args) > 1:
            return self._rewritten(entry, values)
        elif entry.name == "if" and entry.block is not None:
            return self._conditional(entry, entry.block, values)
        return [], False

    def _conditional(
        self, entry: Directive, block: Sequence[Directive], values: dict[str, str]
    ) -> tuple[list[_Outcome], bool]:
        """What an 'if' may do, and whether it does so to every request."""
        known = {**values, **self._of_maps(entry.args, values)}
        holds = _condition(entry.args, known)
        if holds is False:
            return [], False
        if holds:
            outcomes = self._outcomes(block, values)
            inner = [outcome for outcome in outcomes if outcome.does]
            return inner, len(inner) == len(outcomes)
        # who meets the condition cannot be told: what is set there is not known any more
        inner = [outcome for outcome in self._outcomes(block, dict(values)) if outcome.does]
        for made in named(block, "set"):
            values.pop(made.args[0].lstrip("$") if made.args else "", None)
        if inner and not all(_VISITORS.fullmatch(name) for name in _variables(entry.args[:1])):
            values[_DOUBT] = "1"
        return [one if one.does != ANSWERS else replace(one, does=UNCLEAR) for one in inner], False

    def _of_maps(self, words: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
        """The values of the variables in some words that maps make of known ones."""
        chosen = {name: _mapped(self.maps[name], values) for name in _variables(words) if name in self.maps}
        return {name: value for name, value in chosen.items() if value is not None}

    def _returned(self, entry: Directive, values: Mapping[str, str]) -> _Outcome:
        code = entry.args[0] if entry.args else ""
        target = entry.args[1] if len(entry.args) > 1 else ""
        if not code.isdigit():
            code, target = "302", code
        if code in _MOVED:
            return self._moved(target, int(code), entry, values)
        answered = any(code in page.args and any(word.startswith("=") for word in page.args) for page in self.pages)
        return _Outcome(UNCLEAR if answered else REFUSES if code in _REFUSED else ANSWERS, source=entry.source)

    def _moved(self, target: str, code: int, entry: Directive, values: Mapping[str, str]) -> _Outcome:
        where = _expand(target, values)
        unknown = where.startswith("$") or re.match(r"https?$|h?t?t?p?s?\$", where)
        does = REDIRECTS if where.lower().startswith("https://") else UNCLEAR if unknown else ANSWERS
        return _Outcome(does, where, target, code, entry.source)

    def _rewritten(self, entry: Directive, values: Mapping[str, str]) -> tuple[list[_Outcome], bool]:
        pattern, target, *flags = entry.args
        every = _matches_all(pattern)
        absolute = re.match(r"(?i)https?://|\$scheme", target)
        if not absolute and not {"redirect", "permanent"} & set(flags):
            # another path within this virtual host, for which rewriting may end
            ends = {"last", "break"} & set(flags) and not only_proofs(pattern)
            return ([_Outcome(_PASSES)] if ends else []), bool(ends) and every
        moved = self._moved(target, 301 if "permanent" in flags else 302, entry, values)
        if every:
            return [moved], True
        return ([moved] if moved.does != REDIRECTS else []), False

    # -- headers --------------------------------------------------------------------------------------------------

    def headers(self) -> Iterator[HeaderPlace]:
        """The HSTS header of the virtual host itself and of each place in it that visitors can be answered from."""
        inherited = self._headers_at(self.http, ())
        here = self._headers_at(self.inside, inherited)
        block = self.vhost.directive
        if block is not None and self.visited.get(("server", block.source), True):
            yield self._header_place("server", block, here, application=False)
        yield from self._inner_headers(self.inside, here, "", application=False)

    def _headers_at(self, level: Iterable[Directive], inherited: tuple[Directive, ...]) -> tuple[Directive, ...]:
        """The header directives in effect at a level: one add_header of its own drops all inherited ones."""
        level = [entry for entry in level if entry.block is None]
        own = named(level, "add_header")
        more = named(level, "more_set_headers")
        kept = [entry for entry in inherited if entry.name != "add_header" or not own]
        return (*own, *more, *kept)

    def _inner_headers(
        self, inside: Iterable[Directive], inherited: tuple[Directive, ...], above: str, *, application: bool
    ) -> Iterator[HeaderPlace]:
        for block in inside:
            if block.name not in ("location", "if", "limit_except") or block.block is None:
                continue
            if block.name == "if" and not above:
                continue  # add_header is not allowed there
            context = " > ".join(filter(None, [above, " ".join([block.name, *block.args])]))
            if not self.visited.get((context, block.source), True):
                continue
            here = self._headers_at(block.block, inherited)
            passes = bool(named(block.block, *_APPLICATION)) or (application and block.name != "location")
            yield self._header_place(context, block, here, application=passes)
            yield from self._inner_headers(block.block, here, context, application=passes)

    def _header_place(
        self, context: str, block: Directive, here: Sequence[Directive], *, application: bool
    ) -> HeaderPlace:
        unclear = named(self.inside, "add_header_inherit") or named(self.http, "add_header_inherit")
        for entry in here:
            name, value, always = _header(entry)
            if name == HSTS:
                return HeaderPlace(context, self._value(value), always, application, entry.source)
        own = [entry for entry in named(block.block or (), "add_header") if entry.block is None]
        source = own[0].source if own and context != "server" else block.source
        return HeaderPlace(context, None if unclear else "", always=False, application=application, source=source)

    def _value(self, text: str) -> str | None:
        """A header's text over https; None where a variable in it is not known."""
        values = {"scheme": "https", "https": "on"}
        for name in {found[0] or found[1] for found in _VARIABLE.findall(text)} - values.keys():
            chosen = _mapped(self.maps[name], values) if name in self.maps else None
            if chosen is None:
                return None
            values[name] = chosen
        return _expand(text, values)

    # -- cookies --------------------------------------------------------------------------------------------------

    def cookies(self) -> Iterator[CookieSet]:
        """Cookies that nginx itself sets in this virtual host."""
        around = [entry for entry in self.http if entry.block is None]
        for entry in (*_all(self.inside), *around):
            if entry.name in ("add_header", "more_set_headers"):
                name, value, _always = _header(entry)
                if name == "set-cookie":
                    yield CookieSet(value.partition("=")[0].strip(), _is_secure(value), entry.source)
            elif entry.name == "userid" and entry.args[:1] in (("on",), ("v1",)):
                flags = self._setting("userid_flags")
                names = self._setting("userid_name")
                secure = flags is not None and "secure" in flags.args
                yield CookieSet(names.args[0] if names and names.args else "uid", secure, entry.source)

    # -- proxies in front -----------------------------------------------------------------------------------------

    def forwarded(self) -> Iterator[str]:
        """Where it takes a proxy's word that the visitor came over https, or lets nobody but a proxy in."""
        for listen in named(self.inside, "listen"):
            if "proxy_protocol" in listen.args:
                yield listen.source
        for entry in _all(self.inside):
            words = " ".join(entry.args).lower()
            asks = re.search(r"\$http_(x_forwarded_(proto|ssl|scheme)|front_end_https)\b", words)
            if asks or (entry.name, words) in _CLAIMS:
                yield entry.source
        rules = [rule for rule in named(self.inside, "allow", "deny") if rule.args]
        if rules and (rules[-1].name, rules[-1].args[0]) == ("deny", "all"):
            yield from (rule.source for rule in rules[:1] if rule.name == "allow")


def _all(directives: Iterable[Directive]) -> Iterator[Directive]:
    """All directives, those in blocks included."""
    for directive in directives:
        yield directive
        if directive.block:
            yield from _all(directive.block)


def _everything(args: Sequence[str]) -> bool:
    """Whether a location's pattern takes every request."""
    return len(args) == 2 and args[0] in ("~", "~*") and _matches_all(args[1])


def _matches_all(pattern: str) -> bool:
    """Whether a pattern takes every request; paths that it looks ahead to leave out do not, but for those of ACME."""
    if leaves_out(pattern):
        return False
    try:
        return all(re.search(pattern, trial) for trial in _TRIALS)
    except re.error:
        return False


def _expand(text: str, values: Mapping[str, str]) -> str:
    """The text with the variables that are known; others stay as they are."""
    return _VARIABLE.sub(lambda found: values.get(found.group(1) or found.group(2), found.group()), text)


def _variables(words: Iterable[str]) -> list[str]:
    return [found[0] or found[1] for word in words for found in _VARIABLE.findall(word)]


def _condition(args: Sequence[str], values: Mapping[str, str]) -> bool | None:
    """Whether the condition of an 'if' holds for a request; None where that cannot be told."""
    words = " ".join(args).strip()
    words = words[1:-1].strip() if words.startswith("(") and words.endswith(")") else words
    found = re.fullmatch(r"\$\{?(\w+)\}?(?:\s*(!?~\*?|!?=)\s*(.*))?", words, re.DOTALL)
    if found is None:
        return None
    operator, wanted = found.group(2), (found.group(3) or "").strip("\"'")
    if found.group(1) in _PATHS and only_proofs(wanted) and operator:
        return operator.startswith("!")  # it is about requests of an ACME authority only
    if found.group(1) not in values:
        return None
    value = values[found.group(1)]
    if "$" in value:
        return None
    if operator is None:
        return value not in ("", "0")
    if operator in ("=", "!="):
        return None if "$" in wanted else (value.lower() == wanted.lower()) == (operator == "=")
    if value == _MARK:
        return None
    try:
        matches = re.search(wanted, value, re.IGNORECASE if operator.endswith("*") else 0) is not None
    except re.error:
        return None
    return matches != operator.startswith("!")


def _header(entry: Directive) -> tuple[str, str, bool]:
    """Name (in small letters), text, and whether error pages have it too."""
    if entry.name == "more_set_headers":
        words = [word for word in entry.args if ":" in word]
        name, _colon, value = (words[0] if words else "").partition(":")
        return name.strip().lower(), value.strip(), not any(word in ("-s", "-t") for word in entry.args)
    name, value = (*entry.args, "", "")[:2]
    return name.lower(), value, "always" in entry.args[2:]


def _mapped(entry: Directive, values: Mapping[str, str]) -> str | None:
    """What a map gives for variables of known value; None where its own is not known."""
    asked = _expand(entry.args[0], values)
    if "$" in asked:
        return None
    rules = [(rule.name, rule.args[0]) for rule in entry.block or () if len(rule.args) == 1]
    if any(key.startswith("~") for key, _value in rules):
        return None
    return next((value for key, value in rules if key == asked), dict(rules).get("default", ""))


def _is_secure(cookie: str) -> bool | None:
    if re.search(r"(?i);\s*secure\s*(;|$)", cookie):
        return True
    return None if "$" in cookie.partition("=")[2].partition(";")[2] else False
