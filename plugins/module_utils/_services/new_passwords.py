# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Setting passwords: through which PAM stacks it goes, and what each would do to a given one.

The library that judges passwords on the host is asked itself, with the configuration that PAM would give it; no
password is set, and none of a person is tried. What a stack does was held against real changes of passwords.

PRIVATE to the collection.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._host import Host, Unseen
from . import pam
from .pam import Rule
from .password_hashes import BCRYPT_COST, METHODS, OLD, UNKNOWN

QUALITY, PASSWDQC, UNIX = "pam_pwquality.so", "pam_passwdqc.so", "pam_unix.so"
_GUARDS = (QUALITY, PASSWDQC, "pam_cracklib.so")
_ELSEWHERE = ("pam_sss.so", "pam_ldap.so", "pam_krb5.so", "pam_winbind.so", "pam_systemd_home.so")
_STORES = (UNIX, *_ELSEWHERE)
# words of pam_pwquality's line that are the module's own; all others are settings of the library
_MODULE_WORDS = re.compile(r"debug$|type=|authtok_type=|use_first_pass$|use_authtok$|try_first_pass$")
_ENFORCING, _ENFORCE_ROOT = 17, 19  # numbers of settings in pwquality.h
_UNIX_LENGTH = 6  # of a password that pam_unix takes if it is not told another (pam_unix(8), minlen)
_BLOWFISH_ROUNDS = "5"  # what pam_unix takes for blowfish if it is not told another
CONF = "/etc/security/pwquality.conf"  # and what lies in its .d, which is read before
# settings of libpwquality, by what they decide on
LENGTH_KEYS = ("enforcing", "enforce_for_root", "minlen")
WORD_KEYS = ("enforcing", "badwords", "dictcheck", "usercheck")
CLASS_KEYS = ("minclass", "dcredit", "ucredit", "lcredit", "ocredit", "maxclassrepeat")
# What passwords are tried for, and are made of: no account of a person; text without a word, of which each beginning is
# one too, by kinds of characters and of lower-case letters only.
SOMEBODY = "vandermeer"
MIXED = "kV7#xq2LwZ9pTd4mRb8yGc3nHs6jFf5aQe1tUo0iWz,Bv;Mk:Nr.Xd-Pg+Ly=Sc%"
LETTERS = "dkfjslwmqozptvxgbhnycreuaidlqwpzsmvkxbtfojgnrhyuecaid"
_LEFT_OVER = re.compile(r"(~|\.bak|\.old|\.orig|\.pam-old|\.dpkg-\w+|\.ucf-\w+|\.rpm\w+|\.privacy-hosting.*)$")


class Quality:
    """libpwquality as pam_pwquality would ask it, with the arguments of its line. Raises Unseen."""

    def __init__(self, arguments: Sequence[str]) -> None:
        try:
            self._library = ctypes.CDLL("libpwquality.so.1")
        except OSError:
            raise Unseen("the library of pam_pwquality, libpwquality.so.1, cannot be loaded") from None
        self._declare()
        self._settings = ctypes.c_void_p(self._library.pwquality_default_settings())
        trouble = ctypes.c_void_p()
        self.malformed = self._library.pwquality_read_config(self._settings, None, ctypes.byref(trouble)) != 0
        for word in arguments:
            if not _MODULE_WORDS.match(word):
                self._library.pwquality_set_option(self._settings, word.encode())

    def _declare(self) -> None:
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        self._library.pwquality_default_settings.restype = pointer
        self._library.pwquality_read_config.argtypes = [pointer, text, ctypes.POINTER(pointer)]
        self._library.pwquality_set_option.argtypes = [pointer, text]
        self._library.pwquality_get_int_value.argtypes = [pointer, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
        self._library.pwquality_check.argtypes = [pointer, text, text, text, pointer]

    def _setting(self, number: int) -> int:
        value = ctypes.c_int()
        if self._library.pwquality_get_int_value(self._settings, number, ctypes.byref(value)) != 0:
            raise Unseen("libpwquality does not tell what it was told")
        return value.value

    def refuses(self, password: str, account: str, root: bool) -> bool:
        """Whether a new password of an account is refused; root: where root sets it."""
        if not self._setting(_ENFORCING) or (root and not self._setting(_ENFORCE_ROOT)):
            return False
        return bool(self._library.pwquality_check(self._settings, password.encode(), None, account.encode(), None) < 0)


@dataclass(frozen=True)
class Setting:
    """A stack that sets passwords. services: which use it; rules: it, without what does not count."""

    services: tuple[str, ...]
    rules: tuple[Rule, ...]

    @property
    def stores(self) -> list[Rule]:
        """The modules that keep the password."""
        return [rule for rule in self.rules if rule.module in _STORES]

    @property
    def guards(self) -> list[Rule]:
        """The modules that judge it before it is kept."""
        first = self.rules.index(self.stores[0])
        return [rule for rule in self.rules[:first] if rule.module in _GUARDS]

    @property
    def source(self) -> str:
        """The line that decides."""
        return (self.guards or self.stores)[0].source

    @property
    def elsewhere(self) -> list[str]:
        """The modules that keep passwords of accounts in another place than this host."""
        return [rule.module for rule in self.stores if rule.module in _ELSEWHERE]


def settings(host: Host) -> list[Setting]:
    """The stacks through which a password can be set, each once. Raises Unseen."""
    return host.once("password_settings", lambda: list(_settings(host)))


def _settings(host: Host) -> Iterator[Setting]:
    stacks: dict[tuple[str, ...], tuple[Rule, ...]] = {}
    services: dict[tuple[str, ...], list[str]] = {}
    names = {name for directory in pam.DIRECTORIES for name in host.names(directory)}
    for name in sorted(names):
        if name.startswith(("common-", ".")) or _LEFT_OVER.search(name):
            continue
        rules = tuple(_flat(pam.own_stack(host, name, "password")))
        if any(rule.module in _STORES for rule in rules):
            lines = tuple(rule.source for rule in rules)
            stacks[lines] = rules
            services.setdefault(lines, []).append(name)
    for lines, using in services.items():
        yield Setting(tuple(using), stacks[lines])


def _flat(rules: Sequence[Rule]) -> Iterator[Rule]:
    for rule in rules:
        if rule.below is None:
            yield rule
        else:
            yield from _flat(rule.below)


def takes(host: Host, setting: Setting, password: str, account: str, root: bool) -> bool:
    """Whether a stack would set this password for an account; root: where root sets it. Raises Unseen."""
    for rule in setting.rules:
        if not rule.module and rule.action("module_unknown") in ("bad", "die"):
            raise Unseen(f"{rule.source} names a module that is not installed: no password can be set")
    first = setting.stores[0]
    if not setting.guards and "use_authtok" in first.arguments:
        raise Unseen(f"{first.source} takes a password that nothing before it asks for: none can be set")
    judges = [*setting.guards, first]
    return not any(_refuses(host, setting, guard, password, account, root) for guard in judges)


def _refuses(host: Host, setting: Setting, guard: Rule, password: str, account: str, root: bool) -> bool:
    if guard.module == UNIX:
        return not root and len(password) < int(guard.value("minlen") or _UNIX_LENGTH)
    if guard.module in _ELSEWHERE or not _binds(setting, guard):
        return False
    if guard.module == QUALITY:
        return quality(host, guard).refuses(password, account, root)
    if guard.module == PASSWDQC:
        return _passwdqc_refuses(guard, password, root)
    raise Unseen(f"what {guard.module} ({guard.source}) refuses is not known")


def quality(host: Host, guard: Rule) -> Quality:
    """The library with the arguments of one line. Raises Unseen."""
    return host.once(("pwquality", guard.arguments), lambda: Quality(guard.arguments))


def _binds(setting: Setting, guard: Rule) -> bool:
    """Whether what a guard refuses is not set. Raises Unseen where a rule before it may jump over it.

    It is not set where the stack ends there, or where all that keep passwords take the one that the guard let pass.
    """
    for rule in setting.rules[: setting.rules.index(guard)]:
        if any(action.isdigit() or action == "done" for action in rule.actions.values()) and rule.module not in _GUARDS:
            raise Unseen(f"whether {rule.module} ({rule.source}) passes over {guard.module} cannot be told")
    if guard.action("authtok_err") == guard.action("maxtries") == "die":
        return True
    return all("use_authtok" in store.arguments for store in setting.stores)


def _passwdqc_refuses(guard: Rule, password: str, root: bool) -> bool:
    """What passwdqc surely refuses, by length; what else it refuses is its own secret."""
    if guard.value("config"):
        raise Unseen(f"{guard.source}: the file that config= names is not read")
    enforce = guard.value("enforce") or "everyone"
    if enforce == "none" or (root and enforce == "users"):
        return False
    lengths = [int(word) for word in (guard.value("min") or "disabled,24,11,8,7").split(",") if word.isdigit()]
    if lengths and len(password) >= min(lengths):
        raise Unseen(f"whether passwdqc ({guard.source}) takes a password of {len(password)} characters is not known")
    return True


def pwquality_files(host: Host) -> list[str]:
    """The files of settings that libpwquality reads, in its order: of a key that several set, the last one counts."""
    dropped_in = [path for path in host.glob(f"{CONF}.d/*.conf") if host.stat(path) is not None]
    return [*dropped_in, *([CONF] if host.stat(CONF) is not None else [])]


def pwquality_line(line: str) -> tuple[str, str]:
    """Key and value of a line of settings; ('', '') of one that sets nothing."""
    key, _equals, value = line.partition("#")[0].partition("=")
    return key.strip(), value.strip()


def decided_by(host: Host, setting: Setting, *keys: str) -> str:
    """'file:line' of what decides on one of some settings of libpwquality: PAM's line, else the last of its files."""
    guards = [guard for guard in setting.guards if guard.module == QUALITY]
    if not guards or any(word.partition("=")[0] in keys for word in guards[0].arguments):
        return setting.source
    for path in reversed(pwquality_files(host)):
        for number, line in reversed(list(enumerate(host.read(path).splitlines(), 1))):
            if pwquality_line(line)[0] in keys:
                return f"{path}:{number}"
    return setting.source


def hash_method(setting: Setting) -> tuple[str, str]:
    """How a stack hashes new passwords, and where it says so; ('', source) where login.defs decides."""
    unix = [rule for rule in setting.stores if rule.module == UNIX]
    if not unix:
        return "", setting.source
    return next((word for word in reversed(unix[0].arguments) if word in _METHODS), ""), unix[0].source


def hash_strength(setting: Setting, method: str) -> str:
    """How hard the hashes are to guess that a stack makes with a method, at the cost that its line gives."""
    unix = [rule for rule in setting.stores if rule.module == UNIX]
    rounds = [word[7:] for rule in unix[:1] for word in rule.arguments if re.fullmatch(r"rounds=\d+", word)]
    if method == "blowfish" and int((rounds or [_BLOWFISH_ROUNDS])[-1]) < BCRYPT_COST:
        return OLD
    return METHODS.get(method, UNKNOWN)


_METHODS = ("yescrypt", "gost_yescrypt", "blowfish", "sha512", "sha256", "md5", "bigcrypt")
