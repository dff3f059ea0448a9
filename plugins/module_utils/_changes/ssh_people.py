# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who logs in over SSH: programs, people who are asked for a second factor, and customers who are not.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import glob
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._change import Caller, ChangeError, complaint
from .._host import Host
from .._services import authorized_keys
from .._services.accounts import EMPTY, USABLE, Account, accounts
from .._services.sshd import named
from . import ssh_secret

TOTP, SECURITY_KEY = "totp", "security_key"
ELSEWHERE = "192.0.2.1"  # an address that is nobody's (RFC 5737)
PAM_MODULE = "pam_google_authenticator.so"
_PAM_PLACES = ("/lib/*/security", "/usr/lib/*/security", "/lib/security", "/usr/lib/security", "/usr/lib64/security")


@dataclass(frozen=True)
class Rules:
    """What is asked of whom; the options of the measure. controllers: networks; grace_until: the last day of it."""

    required_of: str = "staff"
    methods: tuple[str, ...] = (TOTP, SECURITY_KEY)
    staff_groups: tuple[str, ...] = ("sudo",)
    automation: tuple[str, ...] = ()
    customer_groups: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    grace_until: dt.date | None = None

    @property
    def groups_asked(self) -> tuple[str, ...]:
        """The groups whose members are asked for a second factor."""
        more = self.customer_groups if self.required_of == "everyone" else ()
        return tuple(dict.fromkeys((*self.staff_groups, *more)))

    @property
    def grace_ends(self) -> dt.datetime | None:
        """The moment after the last day of grace."""
        if self.grace_until is None:
            return None
        return dt.datetime.combine(self.grace_until, dt.time(), dt.timezone.utc) + dt.timedelta(days=1)

    def leaves_alone(self, account: Account) -> bool:
        """Whether an account is a customer's, who logs in as before."""
        customer = not account.groups.isdisjoint(self.customer_groups)
        return account.uid != 0 and customer and account.groups.isdisjoint(self.groups_asked)


@dataclass(frozen=True)
class Person:
    """An account that is asked for a second factor. factor: TOTP, SECURITY_KEY, or '' where there is none yet.

    has_key: it has a public key to begin with; wrong: what is the matter with its secret.
    """

    account: Account
    factor: str
    has_key: bool
    wrong: str = ""

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name


@dataclass(frozen=True)
class People:
    """Who logs in on a host. unknown: accounts named as automation that are not there."""

    automation: tuple[Account, ...]
    asked: tuple[Person, ...]
    customers: tuple[Account, ...]
    unknown: tuple[str, ...] = ()

    @property
    def without_factor(self) -> list[str]:
        """The names of those who are asked for a second factor and have none."""
        return [person.name for person in self.asked if not person.factor]

    def uses_codes(self, rules: Rules) -> bool:
        """Whether anybody is asked for one-time codes: not where all have security keys."""
        if TOTP not in rules.methods:
            return False
        return any(person.factor != SECURITY_KEY for person in self.asked) or not self.asked


class Sshd:
    """What sshd is configured to do, as its own test mode tells. Changes with the files: nothing is remembered."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def settings(self, user: str = "", address: str = ELSEWHERE) -> dict[str, str]:
        """The settings of a login, by keyword in small letters. Raises ChangeError."""
        login = ("-C", f"user={user},host={address},addr={address},laddr={address},lport=22") if user else ()
        result = self._call(("sshd", "-T", *login))
        if result.rc != 0:
            told = [line.strip() for line in result.stderr.splitlines() if re.search(r"\bline \d+: ", line)]
            raise ChangeError(f"'sshd -T' says: {told[0] if told else complaint(result)}")
        found: dict[str, str] = {}
        for line in result.stdout.splitlines():
            keyword, _blank, value = line.partition(" ")
            found[keyword] = f"{found[keyword]}\n{value}" if keyword in found else value
        return found


def people(host: Host, rules: Rules, sshd: Sshd) -> People:
    """Who logs in on this host. Raises ChangeError and Unseen."""
    everyone = accounts(host).by_name
    automation = [everyone[name] for name in rules.automation if name in everyone]
    rest = [account for account in everyone.values() if account not in automation and not account.expired]
    customers = [account for account in rest if rules.leaves_alone(account)]
    asked = [_person(host, rules, sshd, account) for account in rest if account not in customers]
    return People(
        tuple(automation),
        tuple(person for person in asked if person is not None),
        tuple(customers),
        tuple(name for name in rules.automation if name not in everyone),
    )


def _person(host: Host, rules: Rules, sshd: Sshd, account: Account) -> Person | None:
    """How an account logs in; None for one that cannot."""
    password = account.password in (USABLE, EMPTY)
    settings = sshd.settings(account.name)
    keys = [key for key in _keys(host, settings, account) if not key.expired(host.now)]
    elsewhere = settings.get("authorizedkeyscommand", "none") != "none" or settings.get("trustedusercakeys") != "none"
    from_elsewhere = elsewhere and not account.groups.isdisjoint(rules.groups_asked)
    root = settings.get("permitrootlogin", "yes") if account.uid == 0 else "yes"
    by_password = password and root == "yes" and _takes_passwords(settings)
    by_key = bool(keys or from_elsewhere) and root != "no"
    if not _may_come(settings, account) or not (by_password or by_key):
        return None
    factor, wrong = "", ""
    if TOTP in rules.methods:
        wrong = ssh_secret.fault(account.name)
        factor = "" if wrong else TOTP
    if not factor and SECURITY_KEY in rules.methods and any(map(verifies_its_user, keys)):
        factor = SECURITY_KEY
    return Person(account, factor, by_key, "" if wrong == "missing" else wrong)


def _may_come(settings: Mapping[str, str], account: Account) -> bool:
    """Whether AllowUsers, DenyUsers, AllowGroups and DenyGroups let an account in from anywhere."""
    lists = {name: settings.get(name, "").split() for name in ("allowusers", "denyusers", "allowgroups", "denygroups")}
    if lists["allowusers"] and not any(named(account.name, one.partition("@")[0]) for one in lists["allowusers"]):
        return False
    if lists["allowgroups"] and not _in_any(account, lists["allowgroups"]):
        return False
    return not any(named(account.name, one) for one in lists["denyusers"]) and not _in_any(account, lists["denygroups"])


def _in_any(account: Account, patterns: Sequence[str]) -> bool:
    return any(named(group, pattern) for group in account.groups for pattern in patterns)


def verifies_its_user(key: authorized_keys.Key) -> bool:
    """Whether a key is on a security key that asks for a PIN or a finger."""
    return key.security_key and "verify-required" in key.options


def _keys(host: Host, settings: Mapping[str, str], account: Account) -> list[authorized_keys.Key]:
    return authorized_keys.keys(host, settings.get("authorizedkeysfile", "").split(), account)


def _takes_passwords(settings: Mapping[str, str]) -> bool:
    methods = settings.get("authenticationmethods", "any")
    return "yes" in (settings.get("passwordauthentication"), settings.get("kbdinteractiveauthentication")) and (
        methods == "any" or any(not way.startswith("publickey") for way in methods.split())
    )


def has_pam_module() -> bool:
    """Whether the PAM module of one-time codes is installed."""
    return any(glob.glob(f"{place}/{PAM_MODULE}") for place in _PAM_PLACES)


def covers(networks: Iterable[str], address: str) -> bool:
    """Whether an address is in one of these networks."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(one, "ipv4_mapped", None)
    return any((mapped or one) in ipaddress.ip_network(network) for network in networks)


def automation_key_files(host: Host, people: People, sshd: Sshd) -> Iterator[tuple[Account, str]]:
    """The files that hold the keys of programs."""
    for account in people.automation:
        files: Sequence[str] = sshd.settings(account.name).get("authorizedkeysfile", "").split()
        for path in dict.fromkeys(authorized_keys.paths(files, account)):
            if host.stat(path) is not None:
                yield account, path
