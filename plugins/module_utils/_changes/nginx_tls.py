# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_tls changes in nginx.

PRIVATE to the collection.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from .._change import Transaction, Validation
from .._host import Host
from .._services.nginx import named, parse
from .._services.virtualhost import Directive, VirtualHost, WebServer
from .._services.web_security import ANSWERS, HSTS, UNCLEAR, max_age_s, security
from .certbot import CHALLENGES
from .edits import Edits, everything, unit, users, words
from .sites import ACME, ENCRYPTED, GOOD, HEADER, WHOLE, Pair, Site, Wanted, covered, edit_if_named, for_visitors
from .tls_level import GOOD_SUITES_13, SIGNATURES, SUITES, groups, groups_reach, signatures_reach, suites_reach

_SNIPPET = "snippets/privacy-hosting-acme.conf"
_PROOFS = """# Proofs for the certificate authority (ACME).
location ^~ /.well-known/acme-challenge/ {{
    root {root};
    default_type text/plain;
    auth_basic off;
    allow all;
    try_files $uri =404;
}}
"""
# what a redirect takes over from the virtual host that it is made for: where and whom it logs
_TAKEN_OVER = (
    *("access_log", "error_log", "log_not_found", "log_subrequest"),
    *("set_real_ip_from", "real_ip_header", "real_ip_recursive"),
)


# -- what holds for all virtual hosts ---------------------------------------------------------------------------------


def plan_server(host: Host, transaction: Transaction, server: WebServer, wanted: Wanted) -> Iterator[str]:
    """Have nginx offer what reaches the level, wherever a virtual host says nothing else. Yields warnings."""
    yield from server.problems
    http = next((directive for directive in server.config if directive.name == "http"), None)
    if http is None:
        return
    edits = Edits(host, transaction)
    settings = _settings(host, wanted)
    main = server.files[0]
    own = os.path.join(os.path.dirname(main), "conf.d", "privacy-hosting-tls.conf")
    level = http.block or ()
    for entry in level:
        name = _setting_name(entry)
        if name in settings and entry.file != own and not _reaches(host, entry, wanted):
            yield from edits.put(entry, settings[name])
    for vhost in server.vhosts:
        yield from _own_settings(host, edits, server, vhost, wanted, settings)
    others = {_setting_name(entry) for entry in level if entry.file != own}
    drop_in = [line for name, line in settings.items() if name not in others]
    transaction.write(own, HEADER + "\n".join(drop_in) + "\n", 0o644)
    if own not in server.files and not _included(host, main, own):
        edits.insert(http.file, http.inside, f"\n    include {own};")
    edits.make()
    yield from finish(host, transaction, server)


def _settings(host: Host, wanted: Wanted) -> dict[str, str]:
    """The lines that are wanted, by the directive."""
    lines = {
        "ssl_protocols": " ".join(wanted.protocols),
        "ssl_ciphers": ":".join(SUITES),
        "ssl_ecdh_curve": ":".join(groups(host, wanted)),
        "ssl_conf_command SignatureAlgorithms": ":".join(SIGNATURES),
        "ssl_early_data": "off",
        "ssl_session_tickets": "off",
        "ssl_session_cache": "shared:privacy_hosting:5m",
    }
    if wanted.level == GOOD:
        lines["ssl_conf_command Ciphersuites"] = ":".join(GOOD_SUITES_13)
    return {name: f"{name} {value};" for name, value in lines.items()}


def _setting_name(entry: Directive) -> str:
    return f"{entry.name} {entry.args[0]}" if entry.name == "ssl_conf_command" and entry.args else entry.name


def _reaches(host: Host, entry: Directive, wanted: Wanted) -> bool:
    """Whether a setting reaches the level. Raises Unseen."""
    value = entry.args[0] if entry.args else ""
    if entry.name == "ssl_protocols":
        return set(entry.args) <= set(wanted.protocols)
    if entry.name == "ssl_ciphers":
        return wanted.level == GOOD or suites_reach(host, value)
    if entry.name == "ssl_ecdh_curve":
        return value != "auto" and groups_reach(value, wanted)
    if entry.name == "ssl_conf_command" and value == "SignatureAlgorithms":
        return signatures_reach(entry.args[-1])
    if entry.name == "ssl_conf_command":
        return set(entry.args[-1].split(":")) <= set(GOOD_SUITES_13)
    return entry.name != "ssl_early_data" or value == "off"


def _own_settings(
    host: Host, edits: Edits, server: WebServer, vhost: VirtualHost, wanted: Wanted, settings: dict[str, str]
) -> Iterator[str]:
    """Settings that a virtual host has of its own: edited where it is named, told where it is not."""
    if not wanted.means(vhost) or vhost.directive is None:
        return
    for entry in vhost.directive.block or ():
        name = _setting_name(entry)
        if name in settings and not _reaches(host, entry, wanted):
            yield from edit_if_named(edits, server, wanted, entry, settings[name])
    commands = named(vhost.directive.block or (), "ssl_conf_command")
    lost = [line for name, line in settings.items() if name not in map(_setting_name, commands)]
    lost = [line for line in lost if line.startswith("ssl_conf_command ")]
    if commands and lost:  # one of its own drops those of the http block
        last = commands[-1]
        line = (
            _line(edits, last)
            if _setting_name(last) not in settings or _reaches(host, last, wanted)
            else settings[_setting_name(last)]
        )
        yield from edit_if_named(edits, server, wanted, last, " ".join([line, *lost]))


def _included(host: Host, main: str, path: str) -> bool:
    """Whether the http block of the main file includes a path."""
    http = named(parse(host.read(main), main), "http")
    patterns = [entry.args[0] for block in http for entry in named(block.block or (), "include") if entry.args]
    return any(fnmatch.fnmatchcase(path, os.path.join(os.path.dirname(main), pattern)) for pattern in patterns)


def finish(host: Host, transaction: Transaction, server: WebServer) -> Iterator[str]:
    """Have the files tested, and loaded if they are good."""
    transaction.validations.append(Validation(("nginx", "-t", "-q", "-c", server.files[0])))
    reloaded = unit(host, server, "nginx")
    if reloaded:
        transaction.reloads.append(reloaded)
    elif transaction.changed:
        yield f"process {server.pid} runs outside of systemd's services; reload it by hand"


def told(host: Host, server: WebServer, vhost: VirtualHost, wanted: Wanted) -> Iterator[str]:
    """What an administrator must do in a virtual host that is not named, in exact lines."""
    facts = security(host, server, vhost)
    answers = wanted.redirect and any(answer.does == ANSWERS and not answer.challenge for answer in facts.plain)
    if answers and not set(vhost.names) - {"", "_"}:
        yield (
            f"{vhost.source}: {vhost.label} answers plain http for names that no virtual host has, and was left as it "
            f"is; put 'return 404;' there, or add '{vhost.label}' to web_tls_sites"
        )
    elif answers:
        yield (
            f"{vhost.source}: {vhost.label} answers plain http and was left as it is; name it in web_tls_sites, or "
            "give its names a virtual host with 'listen 443 ssl;' and 'ssl_certificate', and put "
            "'return 301 https://$host$request_uri;' here"
        )
    elif any(place.max_age_s == 0 for place in facts.headers) and for_visitors(vhost, tls=True):
        yield (
            f"{vhost.source}: {vhost.label} does not tell browsers to stay at https and was left as it is; name it in "
            f"web_tls_sites, or put 'add_header Strict-Transport-Security \"{wanted.hsts}\" always;' there"
        )


# -- one site ---------------------------------------------------------------------------------------------------------


def obstacle(edits: Edits, site: Site) -> str:
    """Why the files of a site cannot be edited, '' where they can."""
    for vhost in site.vhosts:
        if vhost.directive is None or not edits.text_of(vhost.directive):
            return f"{vhost.source} cannot be edited"
        for entry in named(vhost.directive.block or (), "listen", "ssl"):
            if entry.file != vhost.directive.file or not edits.text_of(entry):
                return f"{entry.source}: the line stands in a file of its own"
    return ""


def pairs(site: Site) -> list[Pair]:
    """The certificates that a site shows, each once."""
    found = []
    for vhost in site.vhosts:
        level = _certificate_level(site.server, vhost) if for_visitors(vhost, tls=True) else ()
        keys = [entry.args[0] for entry in named(level, "ssl_certificate_key") if entry.args]
        chains = [entry.args[0] for entry in named(level, "ssl_certificate") if entry.args]
        root = os.path.dirname(site.server.files[0])
        found += [Pair(os.path.join(root, chain), os.path.join(root, key)) for chain, key in zip(chains, keys)]
    return list(dict.fromkeys(found))


def _certificate_level(server: WebServer, vhost: VirtualHost) -> Sequence[Directive]:
    """The directives of the level that a virtual host's certificates are set at."""
    own = (vhost.directive.block if vhost.directive else ()) or ()
    if named(own, "ssl_certificate"):
        return own
    return [entry for block in named(server.config, "http") for entry in block.block or ()]


def plan_site(
    host: Host, edits: Edits, transaction: Transaction, site: Site, wanted: Wanted, pair: Pair | None, upto: int
) -> Iterator[str]:
    """Bring a site as far as asked. pair: the certificate to use, None to keep its own. Yields warnings."""
    for vhost in site.vhosts:
        if vhost.directive is None:
            continue
        edit = _ServerBlock(host, edits, site, vhost, vhost.directive, wanted)
        if site.names:
            yield from edit.bring(transaction, pair, upto)
        elif upto == WHOLE and wanted.redirect:
            edit.refuse()


class _ServerBlock:
    """Edits of one server block."""

    def __init__(
        self, host: Host, edits: Edits, site: Site, vhost: VirtualHost, block: Directive, wanted: Wanted
    ) -> None:
        self.host, self.edits, self.site, self.vhost, self.wanted = host, edits, site, vhost, wanted
        self.server = site.server
        self.block = block
        self.inside = self.block.block or ()
        self.text = host.read(self.block.file)
        self.indent = self._indent()
        self.listens = [entry for entry in named(self.inside, "listen") if entry.args]

    def bring(self, transaction: Transaction, pair: Pair | None, upto: int) -> Iterator[str]:
        """The block as far as asked. Yields warnings."""
        encrypted = bool(for_visitors(self.vhost, tls=True))
        twin = bool(for_visitors(self.vhost, tls=False)) and not covered(self.vhost, self.site) and pair is not None
        redirects = upto == WHOLE and self.wanted.redirect
        if self.wanted.certificates == ACME and self.wanted.certificate:
            self.prove(transaction)
        if upto >= ENCRYPTED and pair is not None and (twin or encrypted):
            yield from self.certify(pair)
        if upto >= ENCRYPTED and twin:
            self.encrypt(keep_plain=not redirects)
        if redirects and (twin or covered(self.vhost, self.site)):
            self.redirect(split=twin or encrypted, surely=twin)
        if upto == WHOLE and (twin or encrypted):
            yield from self.keep_visitors()
            if self.wanted.cookies:
                yield from self.secure_cookies()

    def _indent(self) -> str:
        first = next((entry for entry in self.inside if entry.file == self.block.file), None)
        before = self.text[: first.start] if first else ""
        blank = re.search(r"\n([ \t]+)\Z", before)
        return blank.group(1) if blank else "    "

    def _top(self, *lines: str) -> None:
        """Lines at the beginning of the block."""
        self._insert(self.block.inside, lines)

    def _add(self, *lines: str) -> None:
        """Lines of the server block itself, behind its names."""
        names = [entry for entry in named(self.inside, "server_name") if entry.file == self.block.file]
        self._insert(names[-1].end if names else self.block.inside, lines)

    def _insert(self, offset: int, lines: Iterable[str]) -> None:
        self.edits.insert(self.block.file, offset, "".join(f"\n{self.indent}{line}" for line in lines))

    # -- challenge ------------------------------------------------------------------------------------------------

    def prove(self, transaction: Transaction) -> None:
        """A place for the authority's proofs, where the virtual host does not have one or sends all away."""
        has = [entry for entry in named(self.inside, "location") if "/.well-known/acme-challenge" in entry.args[-1]]
        returns = named(self.inside, "return")
        if has or (returns and not self._makes_room(returns)):
            return
        snippet = os.path.join(os.path.dirname(self.server.files[0]), _SNIPPET)
        transaction.directory(os.path.dirname(snippet))
        transaction.write(snippet, HEADER + _PROOFS.format(root=CHALLENGES), 0o644)
        self._add(f"include {_SNIPPET};")

    def _makes_room(self, returns: Sequence[Directive]) -> bool:
        """Have a block that sends all away do so in a location, beside which another has room."""
        others = named(self.inside, "location", "if", "rewrite")
        if covered(self.vhost, self.site) or others or len(returns) > 1 or not self.edits.text_of(returns[0]):
            return False
        line = self.edits.text_of(returns[0])
        step = self.indent if self.indent.strip(" ") == "" else "\t"
        text = f"location / {{\n{self.indent}{step}{line}\n{self.indent}}}"
        self.edits.replace(returns[0].file, returns[0].start, returns[0].end, text)
        return True

    # -- https ----------------------------------------------------------------------------------------------------

    def certify(self, pair: Pair) -> Iterator[str]:
        """The certificate in the place of what stood there."""
        lines = (f"ssl_certificate {pair.chain};", f"ssl_certificate_key {pair.key};")
        own = named(self.inside, "ssl_certificate", "ssl_certificate_key")
        if [" ".join([entry.name, *entry.args]) + ";" for entry in own] == list(lines):
            return
        elsewhere = {entry.file for entry in own if entry.file != self.block.file}
        for path in elsewhere:
            include = self._include_of(path, own)
            if include is None:
                yield f"{own[0].source}: the certificate stands in a file of other virtual hosts; replace it by hand"
                return
            self.edits.remove(include)
        kept = [entry for entry in own if entry.file == self.block.file]
        for entry in kept[2:]:
            self.edits.remove(entry)
        for entry, line in zip(kept, lines):
            self.edits.replace(entry.file, entry.start, entry.end, line)
        missing = lines[len(kept) :]
        if missing:
            self._add(*missing)

    def _include_of(self, path: str, own: Iterable[Directive]) -> Directive | None:
        """The include in this block that brings a file with nothing but the certificate."""
        brought = [entry for entry in self.inside if entry.file == path]
        if any(entry not in own for entry in brought):
            return None
        for outer in everything(parse(self.text, self.block.file)):
            if outer.start == self.block.start:
                for entry in named(outer.block or (), "include"):
                    if os.path.join(os.path.dirname(self.server.files[0]), entry.args[0]) == path:
                        return entry
        return None

    def encrypt(self, *, keep_plain: bool) -> None:
        """https at the addresses of plain http, beside it or in its place."""
        plain = [entry for entry in self.listens if _is_plain(entry)]
        for entry in plain:
            line = self._encrypted(entry)
            if keep_plain:
                self.edits.insert(entry.file, entry.end, f"\n{self.indent}{line}")
            else:
                self.edits.replace(entry.file, entry.start, entry.end, line)
        if not plain and not self.listens:  # nginx's default
            self._top(*(["listen 80;"] if keep_plain else []), "listen 443 ssl;")

    def _encrypted(self, entry: Directive) -> str:
        """A listen directive for https, at the address of one for http."""
        word = entry.args[0]
        target = "443" if word.isdigit() else re.sub(r"(?<!:):80$|(?<=\]):80$", "", word) + ":443"
        others = [
            other
            for vhost in self.server.vhosts
            for other in named((vhost.directive.block if vhost.directive else ()) or (), "listen")
            if other.args and _socket(other.args[0]) == _socket(target)
        ]
        options = ["ssl"]
        if any("http2" in other.args for other in others):
            options.append("http2")  # one word for the whole socket
        for option in entry.args[1:]:
            taken = any(option in other.args for other in others)
            is_default = option == "default_server" and not taken
            if is_default or (option.startswith("ipv6only=") and not others):
                options.append(option)
        return " ".join(["listen", target, *options]) + ";"

    def refuse(self) -> None:
        """Nothing at all over plain http, for those who ask for names that no virtual host has."""
        if for_visitors(self.vhost, tls=False) and self._answers():
            self._top("return 404;")

    # -- redirect -------------------------------------------------------------------------------------------------

    def redirect(self, *, split: bool, surely: bool) -> None:
        """Nothing but a redirect over plain http.

        split: the block serves https as well, so that plain http moves to a block of its own; surely: whatever it does.
        """
        if not (surely or self._answers()):
            return
        if not split:
            self._top("return 301 https://$host$request_uri;")
            return
        plain = [entry for entry in self.listens if _is_plain(entry)]
        for entry in plain:
            if for_visitors(self.vhost, tls=True):
                self.edits.remove(entry)
        listens = [" ".join(words(self.edits.text_of(entry).rstrip(";"))) + ";" for entry in plain] or ["listen 80;"]
        self.edits.insert(self.block.file, self._line_start(self.block.start), self._redirect_block(listens))

    def _answers(self) -> bool:
        """Whether plain http does more than to redirect to https of the same name."""
        answers = security(self.host, self.server, self.vhost).plain
        return any(
            (answer.does in (ANSWERS, UNCLEAR) or answer.same_name is False) and not answer.challenge
            for answer in answers
        )

    def _redirect_block(self, listens: Sequence[str]) -> str:
        outer = self.text[self._line_start(self.block.start) : self.block.start]
        outer = outer if not outer.strip() else ""
        step = self.indent[len(outer) :] if self.indent.startswith(outer) and self.indent != outer else "    "
        lines = [*listens]
        names = [word for entry in named(self.inside, "server_name") for word in entry.args]
        lines += [f"server_name {' '.join(names)};"] if names else []
        if self.wanted.certificates == ACME and self.wanted.certificate:
            lines.append(f"include {_SNIPPET};")
        for entry in self.inside:
            if entry.name in _TAKEN_OVER and entry.block is None:
                lines.append(" ".join(words(self.edits.text_of(entry).rstrip(";"))) + ";")
        lines += self._strangers(step)
        lines += ["", "location / {", f"{step}return 301 https://$host$request_uri;", "}"]
        body = "".join(f"{outer}{step}{line}\n" if line else "\n" for line in lines)
        note = f"{outer}# Made by privacy.hosting, role web_tls: plain http leads to https.\n"
        return f"{note}{outer}server {{\n{body}{outer}}}\n\n"

    def _strangers(self, step: str) -> list[str]:
        """Where names end up here that are not its own: they are sent to the first that is."""
        if not any(listen.default for listen in for_visitors(self.vhost, tls=False)):
            return []
        names = [name for name in self.vhost.names if name not in ("", "_")]
        if not names or any(set(name) & set("*~") or name.startswith(".") for name in names):
            return []
        pattern = "|".join(re.escape(name).replace("\\-", "-") for name in names)
        first = names[0]
        return [f'if ($host !~* "^({pattern})$") {{', f"{step}return 301 https://{first}$request_uri;", "}"]

    # -- headers --------------------------------------------------------------------------------------------------

    def keep_visitors(self) -> Iterator[str]:
        """The header that tells visitors' browsers to stay at https, wherever a place has headers of its own."""
        line = f'add_header Strict-Transport-Security "{self.wanted.hsts}" always;'
        yield from self._headers(self.block, self.inside, line, top=True)

    def _headers(self, place: Directive, inside: Sequence[Directive], line: str, *, top: bool = False) -> Iterator[str]:
        own = [entry for entry in named(inside, "add_header") if len(entry.args) > 1]
        told = [entry for entry in own if entry.args[0].lower() == HSTS]
        if told:
            for entry in [entry for entry in told[1:] if entry.file == self.block.file]:
                self.edits.remove(entry)
            yield from self._told(told[0], line)
        elif own or top:
            inherited = self._inherited() if top and not own else []
            if not any(entry.args[0].lower() == HSTS and self._tells(entry) for entry in inherited):
                yield from self._add_to(place, [*(_line(self.edits, entry) for entry in inherited), line], top=top)
        for inner in inside:
            if inner.block and inner.name in ("location", "if") and not (top and inner.name == "if"):
                yield from self._headers(inner, inner.block, line)

    def _inherited(self) -> list[Directive]:
        """Headers of the http block, which a header in the server block would drop."""
        http = [entry for block in named(self.server.config, "http") for entry in block.block or ()]
        return [entry for entry in named(http, "add_header") if len(entry.args) > 1]

    def _tells(self, entry: Directive) -> bool:
        seconds = max_age_s(entry.args[1])
        return seconds is not None and seconds >= self.wanted.hsts_s and "always" in entry.args[2:]

    def _told(self, entry: Directive, line: str) -> Iterator[str]:
        """A header that is there already: kept where it says enough, on error pages too."""
        if self._tells(entry):
            return
        seconds = max_age_s(entry.args[1])
        if seconds is not None and seconds >= self.wanted.hsts_s:
            line = f'add_header {entry.args[0]} "{entry.args[1]}" always;'
        yield from edit_if_named(self.edits, self.server, self.wanted, entry, line)

    def _add_to(self, place: Directive, lines: Sequence[str], *, top: bool = False) -> Iterator[str]:
        if top:
            self._add(*lines)
            return
        strangers = [vhost.label for vhost in users(self.server, place) if not self.wanted.may_edit(vhost)]
        if strangers or not self.edits.text_of(place):
            yield f"{place.source}: the place has headers of its own and was left as it is; put '{lines[-1]}' there"
            return
        first = next((entry for entry in place.block or () if entry.file == place.file), None)
        text = self.host.read(place.file)
        blank = re.search(r"\n([ \t]*)\Z", text[: first.start]) if first else None
        if blank:
            inserted = "".join(f"\n{blank.group(1)}{line}" for line in lines)
        else:
            inserted = "".join(f" {line}" for line in lines)
        self.edits.insert(place.file, place.inside, inserted)

    # -- cookies --------------------------------------------------------------------------------------------------

    def secure_cookies(self) -> Iterator[str]:
        """Cookies that nginx sets or passes on are for https only."""
        inner = list(everything(self.inside))
        for entry in named(inner, "add_header"):
            if entry.args[:1] and entry.args[0].lower() == "set-cookie" and not _is_secure(entry.args[1]):
                always = " always" if "always" in entry.args[2:] else ""
                yield from edit_if_named(
                    self.edits,
                    self.server,
                    self.wanted,
                    entry,
                    f'add_header Set-Cookie "{entry.args[1]}; Secure"{always};',
                )
        yield from self._visitor_numbers()
        if named(inner, "proxy_pass") and not named(inner, "proxy_cookie_flags"):
            self._add("proxy_cookie_flags ~ secure;")

    def _visitor_numbers(self) -> Iterator[str]:
        """The cookie by which nginx counts visitors (userid)."""
        http = [entry for block in named(self.server.config, "http") for entry in block.block or ()]
        counted = [*everything(self.inside), *http]
        if not any(entry.args[:1] in (("on",), ("v1",)) for entry in named(counted, "userid")):
            return
        flags = named(self.inside, "userid_flags")
        if flags and "secure" not in flags[0].args:
            kept = [word for word in flags[0].args if word != "off"]
            yield from edit_if_named(
                self.edits, self.server, self.wanted, flags[0], " ".join(["userid_flags", *kept, "secure"]) + ";"
            )
        elif not flags and not any("secure" in entry.args for entry in named(http, "userid_flags")):
            kept = [word for entry in named(http, "userid_flags") for word in entry.args if word != "off"]
            self._add(" ".join(["userid_flags", *kept, "secure"]) + ";")

    # -- lines ----------------------------------------------------------------------------------------------------

    def _line_start(self, offset: int) -> int:
        return self.text.rfind("\n", 0, offset) + 1


def _line(edits: Edits, entry: Directive) -> str:
    return edits.text_of(entry) or " ".join([entry.name, *(f'"{word}"' for word in entry.args)]) + ";"


def _is_plain(entry: Directive) -> bool:
    """Whether a listen directive is for visitors over plain http."""
    address, port = _socket(entry.args[0])
    inside = address.startswith(("127.", "localhost", "unix:")) or address == "[::1]"
    return port == "80" and not inside and not {"ssl", "quic"} & set(entry.args)


def _socket(word: str) -> tuple[str, str]:
    """Address and port of a listen directive, as far as two of them are told apart by it."""
    if word.startswith("unix:"):
        return word, ""
    if word.isdigit():
        return "*", word
    address, _colon, port = word.rpartition(":")
    if not port.isdigit() or word.endswith("]"):
        address, port = word, "80"
    return ("*" if address in ("", "*", "0.0.0.0") else address), port  # noqa: S104  a comparison


def _is_secure(cookie: str) -> bool:
    return re.search(r"(?i);\s*secure\s*(;|$)", cookie) is not None
