# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links changes in Dovecot, 2.3 and 2.4: nobody logs in without TLS from another machine.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .._change import ChangeError, Transaction, Validation
from .._host import Host, Unseen
from .._services import dovecot
from .._services.addresses import own_addresses
from . import link_certificate, link_starttls, postfix_log
from .dovecot_dropin import MAIN, ROOT, assignments, let_it_be_read, not_in_effect, overrule, values, version
from .link_edits import HEADER, LOOPBACK, Wanted, doors, refuse_to_cut_off, settled, within

_OWN = "conf.d/99-privacy-hosting-links.conf"
_KINDS = frozenset(["imap", "pop3", "managesieve", "submission"])
_WEAK = ("ANY", "SSLv3", "TLSv1", "TLSv1.1")
_BACK = "7 days"
_LOGIN = re.compile(
    r"-login: (?:Info: )?(?:Login|Logged in): .*user=<(?P<user>[^>]*)>.*\brip=(?P<address>[0-9a-fA-F.:]+)"
)


@dataclass(frozen=True)
class _Language:
    """How one generation says it.

    cleartext: the setting that lets passwords pass in plain, and how it says no; asked: what shows the certificate.
    """

    cleartext: tuple[str, str]
    certificate: str
    key: str
    shown: str
    asked: str


_LANGUAGES: Mapping[tuple[int, int], _Language] = {
    (2, 3): _Language(("disable_plaintext_auth", "yes"), "ssl_cert", "ssl_key", "<{}", "ssl_cert"),
    (2, 4): _Language(
        ("auth_allow_cleartext", "no"), "ssl_server_cert_file", "ssl_server_key_file", "{}", "ssl_server"
    ),
}


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for Dovecot. Yields what an administrator must know. Raises Unseen, ChangeError."""
    if not _KINDS & wanted.accepts or not host.has("doveconf"):
        return
    server = dovecot.find(host)
    if server is None:
        return
    if server.master is None:
        yield "Dovecot does not run, and was left as it is"
        return
    asked = {door.port: door.protocol for door in server.doors if not door.tls and door.protocol in wanted.accepts}
    reached = [(address, port) for address, port in doors(host, [server.master.pid]) if port in asked]
    if not reached:
        return
    language = _LANGUAGES.get(version(host))
    if language is None or server.main != f"{ROOT}/{MAIN}":
        yield f"{server.main}: only Dovecot 2.3 and 2.4 in {ROOT} are known; it was left as it is"
        return
    yield from _plan(host, transaction, wanted, language)
    if transaction.changed:
        doors_to_try = list({port: (asked[port], address, port) for address, port in reversed(reached)}.values())
        transaction.proofs.append(
            lambda: settled(lambda: next(filter(None, (link_starttls.fault(*door) for door in doors_to_try)), ""))
        )


def _plan(host: Host, transaction: Transaction, wanted: Wanted, language: _Language) -> Iterator[str]:
    main, own = f"{ROOT}/{MAIN}", f"{ROOT}/{_OWN}"
    # 'ssl' of a listener is another setting
    found = [entry for entry in assignments(host, main, own) if entry.key != "ssl" or entry.depth < 2]
    before = {entry.key for entry in found if entry.path == own}
    now = values(host.run("doveconf", "ssl", "ssl_min_protocol", language.cleartext[0]).stdout)
    settings = _settings(now, language, before)
    settings.update(_certificate(host, wanted, language, before, now))
    if not settings and not before:
        return
    if now.get(language.cleartext[0]) != language.cleartext[1]:
        remedy = "have those people's programs use TLS first"
        refuse_to_cut_off(wanted, "Dovecot", _plain_logins(host), remedy, "plain login", f" in the last {_BACK}")
    transaction.directory(os.path.dirname(own))
    transaction.write(own, HEADER + "".join(f"{key} = {value}\n" for key, value in settings.items()), 0o644)
    let_it_be_read(host, transaction, main, _OWN, found)
    yield from overrule(transaction, found, own, settings)
    transaction.validations.append(Validation(("doveconf", "-n")))
    shown = {key: value for key, value in settings.items() if key not in (language.certificate, language.key)}
    transaction.judges.append(lambda: not_in_effect(transaction, shown))
    if language.certificate in settings:
        transaction.judges.append(lambda: _other_certificate(transaction, language, wanted))
    transaction.reloads.append("dovecot")
    if postfix_log.asks_dovecot(host):
        transaction.reloads.append("postfix")  # which otherwise goes on asking the process that was there before


def _settings(now: Mapping[str, str], language: _Language, before: Collection[str]) -> dict[str, str]:
    """The settings that are not as they shall be, and those that the drop-in has already."""
    found = {}
    if now.get("ssl") != "required" or "ssl" in before:
        found["ssl"] = "required"
    cleartext, good = language.cleartext
    if now.get(cleartext) != good or cleartext in before:
        found[cleartext] = good
    if now.get("ssl_min_protocol") in _WEAK or "ssl_min_protocol" in before:
        found["ssl_min_protocol"] = "TLSv1.2"
    return found


def _certificate(
    host: Host, wanted: Wanted, language: _Language, before: Collection[str], now: Mapping[str, str]
) -> dict[str, str]:
    """The certificate that it gets, nothing where it keeps its own. Raises ChangeError where there is none."""
    shown = _certificate_in(host.run("doveconf", language.asked).stdout)
    there = bool(shown) and host.stat(shown) is not None
    pair = link_certificate.given(wanted)
    if pair is not None and (
        not there or language.certificate in before or link_certificate.is_placeholder(host, shown)
    ):
        return {
            language.certificate: language.shown.format(pair.certificate),
            language.key: language.shown.format(pair.key),
        }
    if not there:
        raise ChangeError(
            "Dovecot has no certificate that is there: set encrypted_links_certificate and encrypted_links_key"
        )
    return {}


def _certificate_in(told: str) -> str:
    """The certificate's file in what doveconf prints, '' for none."""
    found = re.search(r'^\s*(?:ssl_cert|cert_file) = <?"?([^"\n]+)', told, re.MULTILINE)
    return found[1] if found else ""


def _other_certificate(transaction: Transaction, language: _Language, wanted: Wanted) -> str:
    """Which certificate Dovecot has after all, '' where it is the one that it was given."""
    shown = _certificate_in(transaction.call(("doveconf", language.asked)).stdout)
    return "" if shown == wanted.certificate else f"Dovecot still has the certificate {shown}, not {wanted.certificate}"


def _plain_logins(host: Host) -> dict[str, int]:
    """The number of people of other machines who logged in without TLS of late, by address, as the journal knows it."""
    try:
        told = host.run(
            *("journalctl", "--quiet", "--no-pager", "--output=cat", "--unit=dovecot.service"),
            *(f"--since=-{_BACK.replace(' ', '')}", "--grep=-login: .*(Login|Logged in): "),
            ok=(0, 1),
        ).stdout
    except Unseen:
        return {}
    own = (*LOOPBACK, *own_addresses(host))
    found: dict[str, set[str]] = {}
    for line in told.splitlines():
        login = _LOGIN.search(line)
        if login and not re.search(r"\b(TLS|secured)\b", line) and not within(login["address"], own):
            found.setdefault(login["address"], set()).add(login["user"])
    return {address: len(users) for address, users in found.items()}
