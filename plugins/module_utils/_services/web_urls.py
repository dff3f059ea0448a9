# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of pages as browsers understand them, and which of them had better not be asked for.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_FILES = re.compile(
    r"(?i)\.(7z|avi|avif|bmp|bz2|css|csv|deb|doc[xm]?|eot|epub|exe|gif|gz|ico|ics|iso|jpe?g|js|json|map|mjs|mov|mp[34]"
    r"|mpe?g|od[pst]|ogg|otf|pdf|png|ppt[xm]?|rar|rpm|rtf|svgz?|tar|tgz|tiff?|ttf|txt|vcf|wav|web[mp]|woff2?|xls[xm]?"
    r"|xml|xz|zip|zst)$"
)
# words that say that a request does something, as a site's address: in Dutch and English
_ACTS = frozenset(
    [
        "logout", "logoff", "signout", "signoff", "uitloggen", "afmelden", "unsubscribe", "uitschrijven",
        "optout", "delete", "destroy", "remove", "verwijder", "verwijderen", "wissen", "purge", "trash",
        "cancel", "annuleer", "annuleren", "opzeggen", "revoke", "intrekken", "deactivate", "activate",
        "activeren", "confirm", "bevestig", "bevestigen", "approve", "reject", "goedkeuren", "afkeuren", "vote",
        "stemmen", "cron", "reset", "reboot", "restart", "shutdown", "execute",
    ]
)  # fmt: skip
_ACTING_KEYS = frozenset(
    [
        "action", "act", "do", "cmd", "command", "op", "operation", "task", "method", "token", "key", "code",
        "hash", "nonce", "sig", "signature", "add", "remove", "delete", "edit", "save", "vote", "like",
        "confirm", "activate", "logout", "unsubscribe", "replytocom",
    ]
)  # fmt: skip
_SESSION_KEYS = frozenset(["phpsessid", "sid", "jsessionid", "session", "sessionid", "cftoken", "cfid"])


def _bare(written: str) -> str:
    """An address as browsers take it: without blanks around it and line ends in it."""
    return re.sub(r"[\t\n\r]", "", written).strip("".join(map(chr, range(0x21))))


def scheme_of(written: str) -> str:
    """The scheme that an address names, in small letters; '' where it is relative."""
    found = _SCHEME.match(_bare(written))
    return found.group(1).lower() if found else ""


def resolved(base: str, written: str) -> str:
    """The absolute address that is meant on a page, in ASCII, without fragment, session or user; '' if it is none."""
    bare = _bare(written).partition("#")[0]
    path, mark, query = bare.partition("?")
    scheme = scheme_of(path)
    if scheme in ("", "http", "https"):
        path = path.replace("\\", "/")  # as browsers do
        if scheme:
            rest = path[len(scheme) + 1 :]
            same = base.startswith(f"{scheme}:") and not rest.startswith("/")
            path = rest if same else f"{scheme}://{rest.lstrip('/')}"
    try:
        whole = urlsplit(urljoin(base, f"{path}{mark}{query}"))
        if whole.scheme not in ("http", "https") or not whole.hostname:
            return f"{whole.scheme}:" if whole.scheme not in ("", "http", "https") else ""
        return _normal(whole)
    except ValueError:
        return ""


def _normal(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".").lower()
    if not name.isascii():
        name = name.encode("idna").decode("ascii")
    port = parts.port
    usual = {"http": 80, "https": 443}[parts.scheme]
    where = f"[{name}]" if ":" in name else name
    where += f":{port}" if port not in (None, usual) else ""
    path = re.sub(r"(?i);jsessionid=[^/?;]*", "", parts.path) or "/"
    query = "&".join(pair for pair in parts.query.split("&") if _key(pair) not in _SESSION_KEYS)
    kept = "%/:=&?~#+!$,;'@()*[]"
    return f"{parts.scheme}://{where}{quote(path, kept)}" + (f"?{quote(query, kept)}" if query else "")


def _key(pair: str) -> str:
    return unquote(pair.partition("=")[0]).lower().strip()


def is_file(url: str) -> bool:
    """Whether an address names a file that is no page."""
    return bool(_FILES.search(urlsplit(url).path))


def looks_acting(url: str) -> bool:
    """Whether asking for an address may do something: log out, delete, unsubscribe, ?action=…"""
    parts = urlsplit(url)
    pairs = parts.query.split("&") if parts.query else []
    keys = {re.sub(r"[^a-z]", "", word) for pair in pairs for word in [_key(pair), *_words(_key(pair))]}
    values = {word for pair in pairs for word in _words(unquote(pair.partition("=")[2]))}
    segments = [_words(unquote(segment)) for segment in parts.path.split("/")]
    short = {word for words in segments if len(words) <= 3 for word in words}
    return bool(keys & (_ACTING_KEYS | _ACTS) or (values | short | _joined(segments)) & _ACTS)


def _words(text: str) -> list[str]:
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", re.sub(r"\.[a-z]{2,5}$", "", text))
    return re.findall(r"[a-z]+", apart.lower())


def _joined(segments: Sequence[Sequence[str]]) -> set[str]:
    """Pairs of words as one: log-out, sign_out, opt-out."""
    return {first + second for words in segments for first, second in _pairs(words)}


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(words) <= 3:
        yield from zip(words, words[1:])


def shown(url: str) -> str:
    """An address for evidence: without query, user and fragment, of bounded length."""
    bare = url.partition("?")[0].partition("#")[0]
    bare = re.sub(r"^(\w+://)[^/@]*@", r"\1", bare)
    return bare if len(bare) <= 120 else f"{bare[:119]}…"
