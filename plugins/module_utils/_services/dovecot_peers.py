# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines that Dovecot speaks with by itself: those it hands users on to, and those it asks about them.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from .._host import Host, Unseen
from .dovecot import Block, Dovecot
from .mail_peers import Peer, is_here

_YES = ("yes", "y", "true", "1")
# what is fetched or handed on: the prefix of its settings
_CLIENTS = {
    "submission_relay": "messages are handed on",
    "imapc": "mailboxes are fetched",
    "pop3c": "mailboxes are fetched",
}
_VERIFIED = ("verify-ca", "verify-full")
_ENCRYPTED = ("require", *_VERIFIED)


def peers(host: Host, server: Dovecot) -> list[Peer]:
    """All of them that are on other machines. Raises Unseen."""
    found = [*_clients(server), *_replicas(server)]
    for block in server.root.all():
        if block.kind in ("passdb", "userdb"):
            found += _of_users(host, server, block)
        elif block.kind in ("mysql", "pgsql", "cassandra") and block.name:
            yes = {"mysql": block.values.get("ssl", ""), "pgsql": ""}
            found.append(
                _database(block.kind, block.name, {**block.values, "ssl": yes.get(block.kind, "")}, server.main)
            )
    if server.get("ldap_uris"):
        starts = server.is_on("ldap_starttls")
        checks = server.get("ssl_client_require_valid_cert").lower() != "no"
        found += _directory(server.get("ldap_uris").split(), starts, checks, server.source("ldap_uris"))
    return [one for one in dict.fromkeys(found) if not one.place.startswith("/") and not is_here(host, one.place)]


def _clients(server: Dovecot) -> Iterator[Peer]:
    checks = server.get("ssl_client_require_valid_cert").lower() != "no"
    for prefix, what in _CLIENTS.items():
        place = server.get(f"{prefix}_host")
        if place:
            told = server.get(f"{prefix}_ssl") or "no"
            encrypted = told.lower() in ("imaps", "pop3s", "smtps", "starttls")
            verified = encrypted and checks and server.get(f"{prefix}_ssl_verify").lower() != "no"
            why = f"{what} ({prefix}_ssl = {told})"
            yield Peer(what, place, encrypted, verified, why, server.source(f"{prefix}_host"))
    place = server.get("submission_host").partition(":")[0]
    if place:
        told = server.get("submission_ssl") or "no"
        encrypted = told.lower() in ("smtps", "submissions", "starttls")
        why = f"messages are handed on (submission_ssl = {told})"
        yield Peer(
            "messages are handed on", place, encrypted, encrypted and checks, why, server.source("submission_host")
        )


def _replicas(server: Dovecot) -> Iterator[Peer]:
    for plugin in server.root.named("plugin"):
        told = plugin.values.get("mail_replica", "")
        kind, _colon, rest = told.partition(":")
        if kind in ("tcp", "tcps"):
            encrypted = kind == "tcps" or server.is_on("doveadm_ssl")
            why = f"mailboxes are replicated (mail_replica by {kind})"
            place, source = rest.rpartition(":")[0] or rest, server.source("mail_replica")
            yield Peer("mailboxes are replicated", place, encrypted, encrypted or False, why, source)


def _of_users(host: Host, server: Dovecot, block: Block) -> Iterator[Peer]:
    """What one passdb or userdb leads to: a file with a connection, or a machine that users are handed on to."""
    inner = [value for one in block.all() for value in (f"{key}={text}" for key, text in one.values.items())]
    text = " ".join([block.values.get("args", ""), block.values.get("default_fields", ""),
                     block.values.get("override_fields", ""), *inner])  # fmt: skip
    if re.search(r"\bproxy(_maybe)?(=y\w*)?(?=\s|$)", text):
        yield _proxied(text, server.main)
    driver = block.values.get("driver", "") or block.name
    if driver in ("sql", "ldap") and block.values.get("args"):
        yield from _from_file(host, driver, block.values["args"].split()[-1])


def _proxied(text: str, source: str) -> Peer:
    pairs: dict[str, str] = dict(re.findall(r"\b(host|ssl|starttls)=(\S+)", text))
    told = pairs.get("ssl") or pairs.get("starttls") or "no"
    encrypted = told != "no"
    what = "users are handed on"
    if "host" not in pairs:
        return Peer(what, "(a machine of each user)", None, None, f"{what}, to whom is not read", source)
    return Peer(what, pairs["host"], encrypted, encrypted and told != "any-cert", f"{what} (ssl={told})", source)


def _from_file(host: Host, driver: str, path: str) -> Iterator[Peer]:
    """The connection that a file of Dovecot 2.3 tells of."""
    try:
        lines = host.read(path).splitlines()
    except Unseen as unseen:
        yield Peer("users are asked about", "(unread)", None, None, str(unseen), path)
        return
    pairs = {key.strip(): value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals}
    if driver == "ldap":
        uris = pairs.get("uris", "").split() or [f"ldap://{one}" for one in pairs.get("hosts", "").split()]
        checks = pairs.get("tls_require_cert", "").lower() in ("hard", "demand")
        yield from _directory(uris, pairs.get("tls", "").lower() in _YES, checks, path)
    elif pairs.get("driver") != "sqlite":
        told = dict(re.findall(r"(\w+)=(\S+)", pairs.get("connect", "")))
        for place in re.findall(r"\bhost(?:addr)?=(\S+)", pairs.get("connect", "")):
            yield _database(pairs.get("driver", "sql"), place, told, path)


def _database(kind: str, place: str, told: Mapping[str, str], source: str) -> Peer:
    what = "users are asked about"
    mode = told.get("sslmode", "") or dict(re.findall(r"(\w+)=(\S+)", told.get("parameters", ""))).get("sslmode", "")
    if kind == "pgsql":
        return Peer(what, place, mode in _ENCRYPTED, mode in _VERIFIED, f"{what} (sslmode={mode or 'prefer'})", source)
    if kind == "mysql" and not any(key.startswith("ssl") and told[key] not in ("", "no") for key in told):
        return Peer(what, place, False, False, f"{what}, without a setting for TLS", source)
    return Peer(what, place, None, None, f"{what}; whether {kind} is spoken by TLS is not judged", source)


def _directory(uris: list[str], starts: bool, checks: bool, source: str) -> Iterator[Peer]:
    what = "users are asked about"
    for uri in uris:
        parts = urlsplit(uri)
        encrypted = parts.scheme == "ldaps" or starts
        if parts.scheme != "ldapi":
            why = f"{what} (LDAP {'by TLS' if encrypted else 'without TLS'})"
            yield Peer(what, parts.hostname or "localhost", encrypted, encrypted and checks, why, source)
