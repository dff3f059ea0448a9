# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which an account gets in through an sshd, and what each of them asks for.

PRIVATE to the collection.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .._host import Host
from . import authorized_keys, pam, sshd
from .accounts import EMPTY, LOCKED, UNKNOWN, USABLE, Account
from .authorized_keys import Key
from .pam import PASSWORD
from .sshd import Circumstance, Server, Settings

# what a way asks for, besides a password and a code
KEY, SECURITY_KEY, VERIFIED, MACHINE, TICKET = "key", "security key", "verified", "machine", "ticket"

_SINGLE = ("publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic")
_ROOT_WITHOUT_PASSWORD = ("publickey", "hostbased", "gssapi-with-mic")
_INTERACTIVE = ("kbdinteractiveauthentication", "challengeresponseauthentication")  # the latter before 8.7
_NO_SHELL = ("nologin", "false")
_KEY_FILES = ".ssh/authorized_keys .ssh/authorized_keys2"  # where AuthorizedKeysFile does not say otherwise
_MOST_WAYS = 64


@dataclass(frozen=True)
class _Login:
    """Somebody who connects: whose password and second factor, by what is in effect, from where, with whose keys."""

    host: Host
    account: Account
    settings: Settings
    at: Circumstance
    keys_of: Account


@dataclass(frozen=True)
class WayIn:
    """One way in. method: as AuthenticationMethods has it; needs: what it asks; by: files and modules that open it.

    sure: whether nothing about it is a guess.
    """

    method: str
    needs: frozenset[str]
    sure: bool = True
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Door:
    """One circumstance in which an account may connect to a server, and its ways in there."""

    server: Server
    at: Circumstance
    settings: Settings
    ways: tuple[WayIn, ...]


def doors(host: Host, server: Server, account: Account, more: Sequence[str] = ()) -> list[Door]:
    """The ways in of an account, for each kind of connection. more: networks to be told apart. Raises Unseen."""
    limits = list(_limits(host, server, account))
    found: list[Door] = []
    for at in sshd.circumstances(host, server, tuple(dict.fromkeys([*more, *limits]))):
        settings = sshd.effective(host, server, account, at)
        same = next((door.ways for door in found if door.settings is settings and not limits), None)
        found.append(Door(server, at, settings, tuple(ways(host, account, settings, at)) if same is None else same))
    return found


def _limits(host: Host, server: Server, account: Account) -> Iterator[str]:
    """The networks that the account's keys and AllowUsers and the like name. Raises Unseen."""
    files = [_KEY_FILES]
    for line in sshd.directives(host, server):
        if line.keyword in ("allowusers", "denyusers"):
            places = [word.partition("@")[2] for word in line.value.split()]
            yield from (place for place in places if authorized_keys.network(place))
        if line.keyword == "authorizedkeysfile":
            files.append(line.value)
    for value in dict.fromkeys(files):
        yield from _from(authorized_keys.keys(host, value.replace('"', " ").split(), account))


def _from(keys: Iterable[Key]) -> Iterator[str]:
    for key in keys:
        patterns = [part.lstrip("!") for value in key.options.get("from", ()) for part in value.split(",")]
        yield from (pattern for pattern in patterns if authorized_keys.network(pattern))


def ways(
    host: Host, account: Account, settings: Settings, at: Circumstance, keys_of: Account | None = None
) -> list[WayIn]:
    """The ways in of an account, by what is in effect for its connection. keys_of: who has its keys. Raises Unseen."""
    if not _admitted(host, keys_of or account, settings, at):
        return []
    lists = [line.split() for line in settings.get("authenticationmethods", ["any"])]
    alternatives = [word for words in lists for word in words]
    if alternatives == ["any"]:
        alternatives = list(_SINGLE)
    login = _Login(host, account, settings, at, keys_of or account)
    found = [way for alternative in alternatives for way in _sequence(login, alternative)]
    return list(dict.fromkeys(found))


def _admitted(host: Host, account: Account, settings: Settings, at: Circumstance) -> bool:
    """Whether anything lets the account in at all."""
    if not sshd.admitted(settings, account, at):
        return False
    if account.uid == 0 and _one(settings, "permitrootlogin") == "no":
        return False
    if _yes(settings, "usepam"):
        if not pam.lets_in(host, account, service(settings)):
            return False
    elif account.expired or account.password == LOCKED:
        return False
    if _one(settings, "chrootdirectory", "none") == "none":
        shell = host.stat(account.shell)
        if shell is None or not shell.st_mode & 0o111:
            return False
    return os.path.basename(account.shell) not in _NO_SHELL or _useful_without_shell(settings)


def _useful_without_shell(settings: Settings) -> bool:
    """Whether somebody without a shell can do anything: forward connections, or transfer files inside sshd."""
    forwards = ("allowtcpforwarding", "allowstreamlocalforwarding", "permittunnel")
    if _one(settings, "disableforwarding") != "yes" and any(_one(settings, word, "no") != "no" for word in forwards):
        return True
    inside = [_one(settings, "forcecommand"), *(line.partition(" ")[2] for line in settings.get("subsystem", ()))]
    return any(word.startswith("internal-sftp") for word in inside)


def _sequence(login: _Login, alternative: str) -> Iterator[WayIn]:
    """The ways through methods that follow one another ('publickey,keyboard-interactive:pam')."""
    steps = [list(_method(login, name)) for name in alternative.split(",")]
    for combined in itertools.islice(itertools.product(*steps), _MOST_WAYS):
        yield WayIn(
            alternative,
            frozenset().union(*(way.needs for way in combined)),
            all(way.sure for way in combined),
            tuple(dict.fromkeys(text for way in combined for text in way.by)),
        )


def _method(login: _Login, name: str) -> Iterable[WayIn]:
    method, _colon, device = name.partition(":")
    settings = login.settings
    if login.account.uid == 0 and _one(settings, "permitrootlogin") != "yes" and method not in _ROOT_WITHOUT_PASSWORD:
        return []
    if method == "publickey":
        return _publickey(login)
    if method in ("password", "none"):
        return _password(login, method)
    if method == "keyboard-interactive":
        enabled = any(_yes(settings, word) for word in _INTERACTIVE) and _yes(settings, "usepam")
        return _pam(login, method) if enabled and device in ("", "pam") else []
    if method == "hostbased":
        return _hostbased(login)
    return _ticket(login, method)


# -- keys -------------------------------------------------------------------------------------------------------------


def usable_keys(host: Host, account: Account, settings: Settings) -> list[Key]:
    """The keys in an account's files that sshd takes, from wherever they may come. Raises Unseen."""
    if not _yes(settings, "pubkeyauthentication"):
        return []
    found = authorized_keys.keys(host, _files(settings, "authorizedkeysfile"), account)
    if account.uid == 0 and _one(settings, "permitrootlogin") == "forced-commands-only":
        forced = _one(settings, "forcecommand", "none") != "none"
        found = [key for key in found if forced or "command" in key.options]
    algorithms = _algorithms(settings)
    return [key for key in found if not key.expired(host.now) and (not algorithms or key.accepted(algorithms))]


def _algorithms(settings: Settings) -> list[str]:
    return [name for line in settings.get("pubkeyacceptedalgorithms", ()) for name in line.split(",")]


def _publickey(login: _Login) -> Iterator[WayIn]:
    """The ways in by key: keys of one kind are one way."""
    settings = login.settings
    if not _yes(settings, "pubkeyauthentication"):
        return
    always = "verify-required" in _one(settings, "pubkeyauthoptions").split()
    kinds: dict[tuple[frozenset[str], bool], list[str]] = {}
    for key in usable_keys(login.host, login.keys_of, settings):
        from_here = _from_here(key, login.at)
        if from_here is not False:
            sure = from_here is True and not key.authority
            text = f"certificates of the authority in {key.source}" if key.authority else key.source
            kinds.setdefault((_of_key(key, always), sure), []).append(text)
    for (needs, sure), sources in kinds.items():
        yield WayIn("publickey", needs, sure, tuple(sources))
    yield from _told_elsewhere(settings, _algorithms(settings), always)


def _of_key(key: Key, always: bool) -> frozenset[str]:
    """What a key is: possession, and where a security key verifies its user, more."""
    if not key.security_key or key.authority:
        return frozenset([KEY])
    verified = [VERIFIED] if always or "verify-required" in key.options else []
    return frozenset([KEY, SECURITY_KEY, *verified])


def _from_here(key: Key, at: Circumstance) -> bool | None:
    """Whether a key may be used from an address; None where that hangs on a host's name."""
    values = key.options.get("from", ())
    answers: list[bool | None] = []
    for value in values:
        parts = [part.strip() for part in value.split(",")]
        if any(sshd.covers(part[1:], at.address) for part in parts if part.startswith("!")):
            return False
        wanted = [part for part in parts if part and not part.startswith("!")]
        if any(sshd.covers(part, at.address) for part in wanted):
            answers.append(True)
        else:
            answers.append(None if any(not authorized_keys.is_address(part) for part in wanted) else False)
    return False if False in answers else None if None in answers else True


def _told_elsewhere(settings: Settings, algorithms: Sequence[str], always: bool) -> Iterator[WayIn]:
    """Keys and certificates that no file of the account names: what they are is not seen here."""
    command = _one(settings, "authorizedkeyscommand", "none")
    if command != "none":
        yield WayIn("publickey", frozenset([KEY]), False, (f"keys that AuthorizedKeysCommand {command} tells",))
    authority = _one(settings, "trustedusercakeys", "none")
    certificates = [name for name in algorithms if "-cert-" in name] or ([] if algorithms else ["any"])
    if authority != "none" and certificates:
        security = all(name.startswith("sk-") for name in certificates)
        needs = [KEY, *([SECURITY_KEY] if security else []), *([VERIFIED] if security and always else [])]
        text = f"certificates of the authority in {authority} (how many factors their issue asks is not seen here)"
        yield WayIn("publickey", frozenset(needs), False, (text,))


# -- passwords, PAM and others ----------------------------------------------------------------------------------------


def _password(login: _Login, method: str) -> Iterable[WayIn]:
    account, settings = login.account, login.settings
    if not _yes(settings, "passwordauthentication"):
        return []
    empty = _yes(settings, "permitemptypasswords")
    if method == "none" and not (empty and account.password == EMPTY):
        return []
    if _yes(settings, "usepam"):
        return _pam(login, method)
    if account.password == EMPTY and empty:
        return [WayIn(method, frozenset(), by=("an empty password",))]
    there = account.password in (USABLE, UNKNOWN) or _yes(settings, "kerberosauthentication")
    return [WayIn(method, frozenset([PASSWORD]))] if there else []


def _pam(login: _Login, method: str) -> Iterator[WayIn]:
    asked = pam.Login(login.host, login.account, _yes(login.settings, "permitemptypasswords"))
    name = service(login.settings)
    key = ("pam_ways", name, login.account, asked.empty_passwords)
    for way in login.host.once(key, lambda: pam.ways(asked, name)):
        yield WayIn(method, way.needs, way.sure, way.by)


def service(settings: Settings) -> str:
    """The PAM service that sshd asks: its own name, unless PAMServiceName (since 10.0) says otherwise."""
    return _one(settings, "pamservicename", "sshd")


def _hostbased(login: _Login) -> Iterator[WayIn]:
    account, settings = login.account, login.settings
    if not _yes(settings, "hostbasedauthentication"):
        return
    paths = [] if account.uid == 0 else ["/etc/ssh/shosts.equiv", "/etc/hosts.equiv"]
    if _one(settings, "ignorerhosts") != "yes":
        paths.append(f"{account.home}/.shosts")
    if _one(settings, "ignorerhosts") == "no":
        paths.append(f"{account.home}/.rhosts")
    there = tuple(path for path in paths if login.host.stat(path) is not None)
    if there:
        yield WayIn("hostbased", frozenset([MACHINE]), by=there)


def _ticket(login: _Login, method: str) -> Iterator[WayIn]:
    """Kerberos: what its server asks before it gives a ticket is not seen here."""
    if _yes(login.settings, "gssapiauthentication") and login.host.stat("/etc/krb5.keytab") is not None:
        yield WayIn(method, frozenset([TICKET]), False, ("Kerberos tickets (what their server asks is not seen here)",))


def _files(settings: Settings, keyword: str) -> list[str]:
    return [word for line in settings.get(keyword, ()) for word in line.split()]


def _one(settings: Settings, keyword: str, otherwise: str = "") -> str:
    return next(iter(settings.get(keyword, ())), otherwise)


def _yes(settings: Settings, keyword: str) -> bool:
    return _one(settings, keyword) == "yes"


def without_secret(account: Account) -> Account:
    """An account like this one, for which no second factor is set up."""
    return replace(account, name="privacy-hosting-nobody", home="/nonexistent", password=LOCKED)
