# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role web_tls changes in Apache, as Debian lays it out.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence

from .._change import Transaction, Validation
from .._host import Host
from .._services.apache import named
from .._services.virtualhost import Directive, VirtualHost, WebServer
from .._services.web_security import ANSWERS, HSTS, UNCLEAR, max_age_s, security
from .apache_log import ROOT
from .certbot import CHALLENGES
from .edits import Edits, everything, unit
from .sites import ACME, ENCRYPTED, GOOD, HEADER, WHOLE, Pair, Site, Wanted, covered, edit_if_named, for_visitors
from .tls_level import GOOD_SUITES_13, SIGNATURES, SUITES, groups, groups_reach, signatures_reach, suites_reach

_OFFER = "privacy-hosting-tls.conf"
_PROOFS = "privacy-hosting-acme.conf"
_PROOFS_TEXT = """# Proofs for the certificate authority (ACME); virtual hosts include it.
Alias "/.well-known/acme-challenge/" "{root}/.well-known/acme-challenge/"
<IfModule mod_proxy.c>
    ProxyPass "/.well-known/acme-challenge/" "!"
</IfModule>
<Directory "{root}/.well-known/acme-challenge/">
    AllowOverride None
    Require all granted
</Directory>
# behind all other sections, so that the authority is not asked for a password
<If "%{{REQUEST_URI}} =~ m#^/\\.well-known/acme-challenge/#">
    Require all granted
</If>
"""
_MODULES = {"ssl": ("setenvif", "mime", "socache_shmcb", "ssl"), "headers": ("headers",), "alias": ("alias",)}
_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# commands to OpenSSL, by what they set
_COMMANDS = {"curves": "groups", "groups": "groups", "ecdhparameters": "groups", "signaturealgorithms": "signatures"}
# what a redirect takes over from the virtual host that it is made for: where and whom it logs, and who answers for it
_TAKEN_OVER = ("serveradmin", "errorlog", "customlog", "transferlog", "loglevel", "logformat", "usecanonicalname")
_ALL_BUT_PROOFS = r'<LocationMatch "^/(?!\.well-known/acme-challenge/)">'
_COOKIE = r'edit Set-Cookie "(?i)^((?!.*;\s*secure\s*(?:;|$)).*)$" "$1; Secure"'


# -- what holds for all virtual hosts ---------------------------------------------------------------------------------


def plan_server(host: Host, transaction: Transaction, server: WebServer, wanted: Wanted) -> Iterator[str]:
    """Have Apache offer what reaches the level, wherever a virtual host says nothing else. Yields warnings."""
    yield from server.problems
    if not server.files:
        return
    if not _is_debians(host, server):
        yield f"{server.files[0]} is not laid out as Debian does; Apache was left as it is"
        return
    if not _has_module(host, "ssl"):
        return
    edits = Edits(host, transaction)
    settings = _settings(host, wanted)
    ours = [entry for entry in named(server.config, "listen") if os.path.basename(entry.file) == _OFFER]
    _offer(transaction, settings, ["Listen 443"] if ours else [])
    for entry in server.config:
        name = _setting_name(entry)
        if name in settings and not _is_beaten(entry) and not _reaches(host, entry, wanted):
            yield from edits.put(entry, settings[name])
    for vhost in server.vhosts:
        yield from _own_settings(host, edits, server, vhost, wanted, settings)
    edits.make()
    yield from finish(host, transaction, server)


def _is_debians(host: Host, server: WebServer) -> bool:
    return server.files[0] == f"{ROOT}/apache2.conf" and host.stat(f"{ROOT}/conf-enabled") is not None


def _has_module(host: Host, name: str) -> bool:
    return host.stat(f"{ROOT}/mods-enabled/{name}.load") is not None


def _settings(host: Host, wanted: Wanted) -> dict[str, str]:
    """The lines that are wanted, by the directive in small letters, or by what a command to OpenSSL sets."""
    lines = {
        "sslprotocol": f"SSLProtocol {' '.join(['-all', *(f'+{version}' for version in wanted.protocols)])}",
        "sslciphersuite": f"SSLCipherSuite {':'.join(SUITES)}",
        "groups": f"SSLOpenSSLConfCmd Groups {':'.join(groups(host, wanted))}",
        "signatures": f"SSLOpenSSLConfCmd SignatureAlgorithms {':'.join(SIGNATURES)}",
        "sslcompression": "SSLCompression off",
        "sslinsecurerenegotiation": "SSLInsecureRenegotiation off",
        "sslsessiontickets": "SSLSessionTickets off",
    }
    if wanted.level == GOOD:
        lines["sslciphersuite tlsv1.3"] = f"SSLCipherSuite TLSv1.3 {':'.join(GOOD_SUITES_13)}"
    return lines


def _setting_name(entry: Directive) -> str:
    name, first = entry.name.lower(), (*entry.args, "")[0].lower()
    if name == "sslopensslconfcmd":
        return _COMMANDS.get(first, "")
    return f"{name} tlsv1.3" if (name, first) == ("sslciphersuite", "tlsv1.3") else name


def _reaches(host: Host, entry: Directive, wanted: Wanted) -> bool:
    """Whether a setting reaches the level. Raises Unseen."""
    name, value = _setting_name(entry), (*entry.args, "")[-1 if entry.args else 0]
    if name == "sslprotocol":
        return _offered(entry.args) <= set(wanted.protocols)
    if name == "sslciphersuite":
        return wanted.level == GOOD or suites_reach(host, entry.args[-1])
    if name == "groups":
        return groups_reach(entry.args[-1], wanted)
    if name == "signatures":
        return signatures_reach(entry.args[-1])
    if name in ("sslcompression", "sslinsecurerenegotiation"):
        return value.lower() == "off"
    return name != "sslciphersuite tlsv1.3" or set(entry.args[-1].split(":")) <= set(GOOD_SUITES_13)


def _offered(words: Iterable[str]) -> set[str]:
    """The versions that an SSLProtocol line stands for."""
    versions: set[str] = set()
    for word in words:
        sign, name = (word[0], word[1:]) if word[:1] in "+-" else ("", word)
        meant = set(_VERSIONS) if name.lower() == "all" else {name.replace("tls", "TLS")}
        versions = versions - meant if sign == "-" else versions | meant if sign else meant
    return versions


def _offer(transaction: Transaction, settings: dict[str, str], listens: Sequence[str] = ()) -> None:
    """Our own file, which comes behind those of Debian's modules and so counts."""
    body = "".join(f"    {line}\n" for line in (*listens, *settings.values()))
    transaction.write(f"{ROOT}/conf-available/{_OFFER}", f"{HEADER}<IfModule mod_ssl.c>\n{body}</IfModule>\n", 0o644)
    transaction.link(f"{ROOT}/conf-enabled/{_OFFER}", f"../conf-available/{_OFFER}")


def _is_beaten(entry: Directive) -> bool:
    """Whether our file is read after the one that an entry of the main server stands in."""
    directory, name = os.path.split(entry.file)
    if directory == f"{ROOT}/conf-enabled":
        return name <= _OFFER
    return directory in (f"{ROOT}/mods-enabled", f"{ROOT}/mods-available")


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


def _listen(host: Host, server: WebServer) -> list[str]:
    """The line that opens port 443, where Debian's ports.conf will not do so once mod_ssl is there."""
    opened = [entry for entry in named(server.config, "listen") if re.search(r"(^|:)443$", entry.args[0])]
    if any(os.path.basename(entry.file) == _OFFER for entry in opened):
        return ["Listen 443"]
    ports = f"{ROOT}/ports.conf"
    text = host.read(ports) if host.stat(ports) else ""
    usual = re.search(r"(?im)^\s*<IfModule\s+(mod_)?ssl\S*>\s*\n\s*Listen\s+443\b", text)
    return [] if opened or (usual and not _has_module(host, "ssl")) else ["Listen 443"]


def _enable(host: Host, transaction: Transaction, module: str) -> None:
    """A module and those that it needs, as a2enmod does it."""
    for name in _MODULES[module]:
        for suffix in ("load", "conf"):
            if host.stat(f"{ROOT}/mods-available/{name}.{suffix}") is None:
                continue
            if host.stat(f"{ROOT}/mods-enabled/{name}.{suffix}") is None:
                transaction.link(f"{ROOT}/mods-enabled/{name}.{suffix}", f"../mods-available/{name}.{suffix}")


def finish(host: Host, transaction: Transaction, server: WebServer) -> Iterator[str]:
    """Have the files tested, and loaded if they are good."""
    transaction.validations.append(Validation(("apache2ctl", "configtest")))
    reloaded = unit(host, server, "apache2")
    if reloaded:
        transaction.reloads.append(reloaded)
    elif transaction.changed:
        yield f"process {server.pid} runs outside of systemd's services; reload it by hand"


def told(host: Host, server: WebServer, vhost: VirtualHost, wanted: Wanted) -> Iterator[str]:
    """What an administrator must do in a virtual host that is not named, in exact lines."""
    facts = security(host, server, vhost)
    answers = wanted.redirect and any(answer.does == ANSWERS and not answer.challenge for answer in facts.plain)
    if answers and not vhost.names:
        yield (
            f"{vhost.source}: {vhost.label} answers plain http for names that no virtual host has, and was left as it "
            f"is; put 'Redirect 404 /' there, or add '{vhost.label}' to web_tls_sites"
        )
    elif answers:
        yield (
            f"{vhost.source}: {vhost.label} answers plain http and was left as it is; name it in web_tls_sites, or "
            f"give its names a virtual host with 'SSLEngine on' and a certificate, and put 'Redirect permanent / "
            f"https://{vhost.label}/' here"
        )
    elif any(place.max_age_s == 0 for place in facts.headers) and for_visitors(vhost, tls=True):
        yield (
            f"{vhost.source}: {vhost.label} does not tell browsers to stay at https and was left as it is; name it in "
            f"web_tls_sites, or put '{_hsts(wanted)}' there"
        )


def _hsts(wanted: Wanted) -> str:
    return f'Header always set Strict-Transport-Security "{wanted.hsts}"'


# -- one site ---------------------------------------------------------------------------------------------------------


def obstacle(edits: Edits, site: Site) -> str:
    """Why the files of a site cannot be edited, '' where they can."""
    if site.server.files[0] != f"{ROOT}/apache2.conf":
        return f"{site.server.files[0]} is not laid out as Debian does"
    for vhost in site.vhosts:
        if vhost.directive is None or not edits.text_of(vhost.directive):
            return f"{vhost.source} cannot be edited"
        plain = for_visitors(vhost, tls=False)
        if plain and not all(re.search(r":(80|443)$", word) for word in vhost.directive.args):
            return f"{vhost.source} is for other ports than 80, too; divide it"
        if plain and any(set(name) & set("*?") for name in vhost.names) and not covered(vhost, site):
            return (
                f"{vhost.source} is for a wildcard name; give it a virtual host with 'SSLEngine on' and a certificate"
            )
    return ""


def pairs(site: Site) -> list[Pair]:
    """The certificates that a site shows, each once."""
    found = []
    main = [entry for entry in site.server.config if entry.name.lower() != "virtualhost"]
    for vhost in site.vhosts:
        if not for_visitors(vhost, tls=True):
            continue
        inside = (vhost.directive.block if vhost.directive else ()) or ()
        level = inside if named(inside, "sslcertificatefile") else main
        chains = [os.path.join(ROOT, entry.args[0]) for entry in named(level, "sslcertificatefile")]
        keys = [os.path.join(ROOT, entry.args[0]) for entry in named(level, "sslcertificatekeyfile")]
        found += [Pair(chain, key) for chain, key in zip(chains, [*keys, *chains[len(keys) :]])]
    return list(dict.fromkeys(found))


def plan_site(
    host: Host, edits: Edits, transaction: Transaction, site: Site, wanted: Wanted, pair: Pair | None, upto: int
) -> Iterator[str]:
    """Bring a site as far as asked. pair: the certificate to use, None to keep its own. Yields warnings."""
    for vhost in site.vhosts:
        if vhost.directive is None:
            continue
        edit = _Section(host, edits, transaction, site, vhost, vhost.directive, wanted)
        if not site.names:
            if upto == WHOLE and wanted.redirect:
                edit.refuse()
        elif for_visitors(vhost, tls=True):
            yield from edit.encrypted(pair, upto)
        elif for_visitors(vhost, tls=False):
            yield from edit.plain(pair, upto)


class _Section:
    """Edits of one VirtualHost section."""

    def __init__(
        self,
        host: Host,
        edits: Edits,
        transaction: Transaction,
        site: Site,
        vhost: VirtualHost,
        block: Directive,
        wanted: Wanted,
    ) -> None:
        self.host, self.edits, self.transaction = host, edits, transaction
        self.site, self.vhost, self.block, self.wanted = site, vhost, block, wanted
        self.inside = block.block or ()
        self.whole = host.read(block.file)
        self.text = self.whole[block.start : block.end]
        blank = re.search(r"\n([ \t]+)\S", self.whole[block.inside : block.end])
        self.indent = blank.group(1) if blank else "\t"
        outer = re.search(r"[ \t]*\Z", self.whole[: block.start])
        self.outer = outer.group() if outer else ""

    def plain(self, pair: Pair | None, upto: int) -> Iterator[str]:
        """A section for plain http."""
        proofs = self._proofs()
        covers = covered(self.vhost, self.site)
        if upto >= ENCRYPTED and not covers and pair is not None:
            for module in ("ssl", "headers", "alias"):
                _enable(self.host, self.transaction, module)
            _offer(self.transaction, _settings(self.host, self.wanted), _listen(self.host, self.site.server))
            twin = self._twin([*self._certificate(pair), *([] if upto < WHOLE else self._all_headers())], proofs)
            if upto == WHOLE and self.wanted.redirect:
                self._substitute(f"{twin}\n\n{self.outer}{self._redirects()}")
            else:
                self._substitute(f"{twin}\n\n{self.outer}{self._with(proofs)}")
        elif upto == WHOLE and covers and self.wanted.redirect and self._answers():
            yield from self._redirected(proofs)
        elif proofs:
            self._substitute(self._with(proofs))

    def encrypted(self, pair: Pair | None, upto: int) -> Iterator[str]:
        """A section for https."""
        lines = self._proofs()
        if upto >= ENCRYPTED and pair is not None:
            missing = yield from self._certified(pair)
            lines += missing
        if upto == WHOLE:
            _enable(self.host, self.transaction, "headers")
            missing = yield from self._kept()
            lines += missing
        self._insert(lines)

    def refuse(self) -> None:
        """Nothing at all over plain http, for those who ask for names that no virtual host has."""
        if for_visitors(self.vhost, tls=False) and self._answers():
            self._insert(["Redirect 404 /"])

    # -- lines ----------------------------------------------------------------------------------------------------

    def _proofs(self) -> list[str]:
        """The line for the authority's proofs, where it is wanted and not there."""
        if self.wanted.certificates != ACME or not self.wanted.certificate:
            return []
        if any("/.well-known/acme-challenge" in entry.args[0] for entry in named(self.inside, "alias", "aliasmatch")):
            return []
        if for_visitors(self.vhost, tls=False) and covered(self.vhost, self.site) and not self._answers():
            return []  # the proofs are asked for over https, too
        text = HEADER + _PROOFS_TEXT.format(root=CHALLENGES)
        self.transaction.write(f"{ROOT}/conf-available/{_PROOFS}", text, 0o644)
        return [f"Include conf-available/{_PROOFS}"]

    def _answers(self) -> bool:
        """Whether plain http does more than to redirect to https of the same name."""
        answers = security(self.host, self.site.server, self.vhost).plain
        return any(
            (answer.does in (ANSWERS, UNCLEAR) or answer.same_name is False) and not answer.challenge
            for answer in answers
        )

    @staticmethod
    def _certificate(pair: Pair) -> list[str]:
        return ["SSLEngine on", f"SSLCertificateFile {pair.chain}", f"SSLCertificateKeyFile {pair.key}"]

    def _all_headers(self) -> list[str]:
        return [*self._hsts_lines(), *(self._cookie_lines() if self.wanted.cookies else [])]

    def _hsts_lines(self) -> list[str]:
        # what an application sends of it goes, so that browsers get one
        return [_hsts(self.wanted), "Header onsuccess unset Strict-Transport-Security"]

    @staticmethod
    def _cookie_lines() -> list[str]:
        return [f"Header {_COOKIE}", f"Header always {_COOKIE}"]

    # -- https ----------------------------------------------------------------------------------------------------

    def _certified(self, pair: Pair) -> Generator[str, None, list[str]]:
        """The certificate in the place of what stood there. Returns the lines for which there was no place."""
        wanted = dict(zip(("sslcertificatefile", "sslcertificatekeyfile"), self._certificate(pair)[1:]))
        own = named(self.inside, "sslcertificatefile", "sslcertificatekeyfile", "sslcertificatechainfile")
        if [" ".join([entry.name, *entry.args]).lower() for entry in own] == [line.lower() for line in wanted.values()]:
            return []
        if any(entry.file != self.block.file for entry in own):
            yield f"{own[0].source}: the certificate stands in a file of other virtual hosts; replace it by hand"
            return []
        for entry in own:
            line = wanted.pop(entry.name.lower(), "")
            if line:
                yield from self.edits.put(entry, line)
            else:
                self.edits.remove(entry)
        return list(wanted.values())

    def _kept(self) -> Generator[str, None, list[str]]:
        """Headers that are there already are mended. Returns the lines that are missing."""
        missing: list[str] = []
        entries = [
            entry for entry in named(everything(self.inside), "header") if HSTS in map(str.lower, entry.args[:3])
        ]
        sets = [entry for entry in entries if "unset" not in map(str.lower, entry.args[:2])]
        for entry in sets:
            if not self._tells(entry):
                yield from edit_if_named(self.edits, self.site.server, self.wanted, entry, _hsts(self.wanted))
        if not any(entry in self.inside for entry in sets):
            missing += self._hsts_lines()
        marks = [entry for entry in named(self.inside, "header") if _marks(entry)]
        if self.wanted.cookies and not marks:
            missing += self._cookie_lines()
        return missing

    def _tells(self, entry: Directive) -> bool:
        seconds = max_age_s(entry.args[-1])
        return seconds is not None and seconds >= self.wanted.hsts_s and entry.args[0].lower() == "always"

    # -- plain http -----------------------------------------------------------------------------------------------

    def _redirected(self, proofs: Sequence[str]) -> Iterator[str]:
        """Nothing but redirects, where another section answers over https."""
        if any(self._is_twin(vhost) for vhost in self.site.vhosts):
            self._substitute(self._redirects())
        elif any(entry.name.lower() in ("authtype", "sslrequiressl") for entry in everything(self.inside)):
            yield (
                f"{self.block.source}: {self.vhost.label} asks for passwords over plain http and was left as it is; "
                f"put 'Redirect permanent / https://{self.vhost.label}/' in the place of its contents"
            )
        else:
            self._insert([*proofs, *self._redirect(_target(self.vhost))])

    def _is_twin(self, other: VirtualHost) -> bool:
        """Whether another section has the same contents, but for what https needs."""
        if other.directive is None or not for_visitors(other, tls=True):
            return False
        return _contents(self.inside) == _contents(other.directive.block or ())

    def _redirects(self) -> str:
        """A section for each name; what reaches none of them is sent to the first."""
        note = "# Made by privacy.hosting, role web_tls: plain http leads to https.\n" + self.outer
        return note + f"\n\n{self.outer}".join(self._redirect_section(name) for name in self.vhost.names)

    def _redirect_section(self, name: str) -> str:
        lines = [f"ServerName {name}"]
        if self.wanted.certificates == ACME and self.wanted.certificate:
            lines.append(f"Include conf-available/{_PROOFS}")
        for entry in self.inside:
            if entry.name.lower() in _TAKEN_OVER or entry.name.lower().startswith("remoteip"):
                lines.append(self.edits.text_of(entry) or " ".join([entry.name, *(f'"{arg}"' for arg in entry.args)]))
        lines += self._redirect(f"https://{name}/")
        body = "".join(f"{self.indent}{line}\n" for line in lines)
        return f"{self.text.splitlines()[0]}\n{body}{self.outer}</{self.block.name}>"

    def _redirect(self, target: str) -> list[str]:
        path = "" if target.endswith("}") else "/ "
        return [_ALL_BUT_PROOFS, f"{self._step()}Redirect permanent {path}{target}", "</LocationMatch>"]

    # -- text -----------------------------------------------------------------------------------------------------

    def _twin(self, lines: Sequence[str], proofs: Sequence[str]) -> str:
        """The section for port 443, with these lines."""
        first, _newline, _rest = self.text.partition("\n")
        tag = re.sub(r":80(?=[\s>])", ":443", first)
        return tag + self._with([*proofs, *lines])[len(first) :]

    def _with(self, lines: Sequence[str]) -> str:
        """The section with lines behind its names; a redirect of everything makes room for the proofs."""
        offset = self._behind_names() - self.block.start
        edits = [(offset, offset, "".join(f"\n{self.indent}{line}" for line in lines))]
        for entry in named(self.inside, "redirect", "redirectpermanent", "redirecttemp") if lines else ():
            raw = self.edits.text_of(entry)
            if "/" in entry.args[:-1] and entry.file == self.block.file and raw:
                wrapped = f"\n{self.indent}".join([_ALL_BUT_PROOFS, f"{self._step()}{raw}", "</LocationMatch>"])
                edits.append((entry.start - self.block.start, entry.end - self.block.start, wrapped))
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _step(self) -> str:
        return self.indent[len(self.outer) :] or "\t"

    def _behind_names(self) -> int:
        names = [entry for entry in named(self.inside, "servername", "serveralias") if entry.file == self.block.file]
        within = [entry.end for entry in names if self.block.start < entry.end < self.block.end]
        return max(within, default=self.block.inside)

    def _insert(self, lines: Sequence[str]) -> None:
        if lines:
            inserted = "".join(f"\n{self.indent}{line}" for line in lines)
            self.edits.insert(self.block.file, self._behind_names(), inserted)

    def _substitute(self, text: str) -> None:
        self.edits.replace(self.block.file, self.block.start, self.block.end, text)


def _target(vhost: VirtualHost) -> str:
    return f"https://{vhost.label}/" if len(vhost.names) == 1 else "https://%{SERVER_NAME}%{REQUEST_URI}"


def _contents(entries: Iterable[Directive]) -> list[tuple[object, ...]]:
    """What a section does, but for its encryption and what this role adds."""
    found: list[tuple[object, ...]] = []
    for entry in entries:
        name, first = entry.name.lower(), (*entry.args, "")[0]
        proofs = os.path.basename(entry.file) == _PROOFS
        if proofs or name.startswith("ssl") or name == "protocols" or "/.well-known/acme-challenge" in first:
            continue
        if name == "header" and {"strict-transport-security", "set-cookie"} & set(map(str.lower, entry.args[:3])):
            continue
        found.append((name, entry.args, tuple(_contents(entry.block or ()))))
    return found


def _marks(entry: Directive) -> bool:
    """Whether a directive adds Secure to cookies that others set."""
    words = " ".join(entry.args).lower()
    return re.search(r"\bedit\*? set-cookie\b", words) is not None and "secure" in words
