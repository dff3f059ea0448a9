# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PAM: the stack that is in effect for a service, and with what an account gets through it.

A stack is played as libpam plays it (pam_dispatch.c): each module has outcomes, each outcome an action. What an
outcome needs (a password, a code, nothing) adds up along the way; the ways that end in success are the answer.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Unseen
from .accounts import EMPTY, UNKNOWN, USABLE, Account

PASSWORD, CODE = "password", "code"

DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d")  # the first that has the service's file
_MODULES = ("/usr/lib/*/security", "/lib/*/security", "/usr/lib/security", "/lib/security", "/usr/lib64/security")
_DEPTH = 20
_GOOGLE, _OATH, _USERS = "pam_google_authenticator.so", "pam_oath.so", "/etc/users.oath"
_WORD = re.compile(r"\[((?:[^]\\]|\\.)*)\]|(\S+)")

# results of modules, as they are written in a control
SUCCESS, IGNORE, AUTH_ERR, USER_UNKNOWN, PERM_DENIED, MODULE_UNKNOWN = (
    "success", "ignore", "auth_err", "user_unknown", "perm_denied", "module_unknown",
)  # fmt: skip
_CONTROLS: Mapping[str, Mapping[str, str]] = {
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
}


@dataclass(frozen=True)
class Rule:
    """One module of a stack, or a stack below (substack). actions: what each result does; source: 'file:line'."""

    actions: Mapping[str, str]
    module: str
    arguments: tuple[str, ...]
    source: str
    below: tuple[Rule, ...] | None = None

    def action(self, result: str) -> str:
        return self.actions.get(result, self.actions.get("default", "bad"))

    def value(self, name: str) -> str | None:
        """The value of an argument name=value; None where it is not given."""
        return next((word[len(name) + 1 :] for word in self.arguments if word.startswith(f"{name}=")), None)


@dataclass(frozen=True)
class Secret:
    """Where an account's one-time codes come from.

    reader: as whom it is read, '' is the account itself; shared: it holds those of many accounts.
    """

    path: str
    reader: str
    source: str
    shared: bool = False


@dataclass(frozen=True)
class Way:
    """A way through a stack. needs: what it asks; sure: whether nothing on it is a guess; by: what let it pass."""

    needs: frozenset[str]
    sure: bool
    by: tuple[str, ...] = ()


# -- reading ----------------------------------------------------------------------------------------------------------


def stack(host: Host, service: str, kind: str = "auth") -> tuple[Rule, ...]:
    """The rules of one kind ('auth', 'account') of a service, includes in their place. Raises Unseen.

    Those of 'other' count where the service's file has none of that kind.
    """
    return own_stack(host, service, kind) or (own_stack(host, "other", kind) if _paths(host, "other") else ())


def own_stack(host: Host, service: str, kind: str) -> tuple[Rule, ...]:
    """The rules of one kind that a service's own file has, or that of 'other' where it has no file. Raises Unseen."""
    return host.once(("pam", service, kind), lambda: tuple(_file(host, _path(host, service), kind, 0)))


def _path(host: Host, service: str) -> str:
    found = [path for name in (service.lower(), "other") for path in _paths(host, name)]
    if not found:
        raise Unseen(f"PAM has no file for {service}, and none for other")
    return found[0]


def _paths(host: Host, name: str) -> list[str]:
    """The files of that name, the one that counts first."""
    return [f"{directory}/{name}" for directory in DIRECTORIES if host.stat(f"{directory}/{name}") is not None]


def _file(host: Host, path: str, kind: str, depth: int) -> Iterator[Rule]:
    if depth > _DEPTH:
        raise Unseen(f"{path}: PAM's files include each other without end")
    for number, line in _lines(host.read(path)):
        source = f"{path}:{number}"
        words = [bracket or word for bracket, word in _WORD.findall(line)]
        if words[0] == "@include" and len(words) > 1:
            yield from _file(host, _included(host, path, words[1]), kind, depth + 1)
            continue
        if words[0].lstrip("-").lower() != kind:
            continue
        if len(words) < 3:
            raise Unseen(f"{source}: PAM does not understand this line")
        yield from _rule(host, path, kind, depth, source, words)


def _rule(host: Host, path: str, kind: str, depth: int, source: str, words: Sequence[str]) -> Iterator[Rule]:
    control = words[1].lower()
    if control in ("include", "substack"):
        rules = tuple(_file(host, _included(host, path, words[2]), kind, depth + 1))
        if control == "include":
            yield from rules
        else:
            yield Rule({}, "", (), source, rules)
        return
    module = os.path.basename(words[2])
    # a '-' before the kind only keeps PAM from logging that a module is missing
    present = installed(host, words[2])
    yield Rule(_actions(control, source), module if present else "", tuple(words[3:]), source)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, with the number of each one's first line; a backslash joins lines."""
    held, begun = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(?<!\\)#.*", "", raw).rstrip()
        begun = begun or number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        if (held + line).strip():
            yield begun, (held + line).strip()
        held, begun = "", 0


def _included(host: Host, path: str, name: str) -> str:
    if name.startswith("/"):
        return name
    found = _paths(host, name)
    if not found:
        raise Unseen(f"{path} includes {name}, which is not there")
    return found[0]


def _actions(control: str, source: str) -> Mapping[str, str]:
    """What each result does, by a control word or a list of result=action."""
    if control in _CONTROLS:
        return _CONTROLS[control]
    pairs = dict(part.split("=", 1) for part in control.split() if "=" in part)
    if not pairs or len(pairs) != len(control.split()):
        raise Unseen(f"{source}: PAM does not understand the control [{control}]")
    return pairs


def installed(host: Host, module: str) -> bool:
    """Whether a module is installed; taken for granted where PAM's directories are not where we look."""
    if module.startswith("/"):
        return host.stat(module) is not None
    directories = host.once("pam_directories", lambda: [path for pattern in _MODULES for path in host.glob(pattern)])
    return not directories or any(host.stat(f"{directory}/{module}") is not None for directory in directories)


# -- playing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Login:
    """Who logs in, to a service that takes empty passwords or does not. kind: which stack is played."""

    host: Host
    account: Account
    empty_passwords: bool = False
    kind: str = "auth"


@dataclass(frozen=True)
class Outcome:
    """What a module may answer, and what was needed for that. sure: False where it is not known whether it can."""

    result: str
    needs: frozenset[str] = frozenset()
    sure: bool = True
    why: str = ""


@dataclass(frozen=True)
class _State:
    """Where a play stands, as in libpam: impression None (nothing counted yet), True or False; skip: rules to jump."""

    impression: bool | None = None
    status: str = "must_fail"
    needs: frozenset[str] = frozenset()
    sure: bool = True
    skip: int = 0
    ended: bool = False
    by: tuple[str, ...] = field(default=(), compare=False)

    @property
    def passed(self) -> bool:
        return self.impression is True and self.status == SUCCESS


def ways(login: Login, service: str) -> list[Way]:
    """The ways in which an account gets through a service's auth stack, without those that ask more than another.

    None is a stack that nobody gets through. Raises Unseen.
    """
    finals = _play(login, stack(login.host, service, login.kind), [_State()], _State())
    found = {(state.needs, state.sure): Way(state.needs, state.sure, state.by) for state in finals if state.passed}
    return [
        way
        for way in found.values()
        if not any(other.sure >= way.sure and _less(other, way) for other in found.values())
    ]


def lets_in(host: Host, account: Account, service: str) -> bool:
    """Whether the account stack of a service lets an account in, from somewhere at least. Raises Unseen."""
    return host.once(
        ("pam_lets_in", service, account), lambda: bool(ways(Login(host, account, kind="account"), service))
    )


def _less(other: Way, way: Way) -> bool:
    """Whether another way asks less, or the same and is surer."""
    return other.needs < way.needs or (other.needs == way.needs and other.sure > way.sure)


def _play(login: Login, rules: Sequence[Rule], states: Iterable[_State], entry: _State) -> list[_State]:
    """The states after some rules. entry: where 'reset' goes back to."""
    current = list(states)
    for rule in rules:
        following: dict[_State, _State] = {}
        for state in current:
            for after in _step(login, rule, state, entry):
                following.setdefault(after, after)
        current = list(following.values())
    # a jump over the end is a bad stack: libpam refuses
    return [_with(state, impression=False, skip=0) if state.skip and not state.ended else state for state in current]


def _step(login: Login, rule: Rule, state: _State, entry: _State) -> Iterator[_State]:
    if state.ended:
        yield state
    elif state.skip:
        yield _with(state, skip=state.skip - 1)
    elif rule.below is not None:
        for after in _play(login, rule.below, [state], state):
            yield _with(after, ended=False)
    else:
        for outcome in _outcomes(login, rule):
            yield _after(rule, outcome, state, entry)


def _after(rule: Rule, outcome: Outcome, state: _State, entry: _State) -> _State:
    """The state after a module answered, as libpam's _pam_dispatch_aux has it."""
    action = rule.action(outcome.result)
    told = f"{rule.module} ({rule.source})" if not outcome.why else f"{rule.module}: {outcome.why} ({rule.source})"
    counts = outcome.result == SUCCESS or outcome.why
    state = _with(
        state, needs=state.needs | outcome.needs, sure=state.sure and outcome.sure,
        by=(*state.by, told) if counts else state.by,
    )  # fmt: skip
    if action == "ignore":
        return state
    if action == "reset":
        return _with(state, impression=entry.impression, status=entry.status)
    if action.isdigit():
        return _with(state, skip=int(action))
    if action in ("ok", "done"):
        return _counted(state, outcome.result, action == "done")
    status = "must_fail" if outcome.result == IGNORE else outcome.result
    if state.impression is not False:
        state = _with(state, impression=False, status=status)
    return _with(state, ended=action == "die")


def _counted(state: _State, result: str, done: bool) -> _State:
    if (state.impression is None or state.passed) and result != IGNORE:
        positive = True if state.impression is None and result == SUCCESS else state.impression
        state = _with(state, impression=positive, status=result)
    return _with(state, ended=done and state.impression is True)


def _with(state: _State, **changes: object) -> _State:
    values = {name: getattr(state, name) for name in _State.__dataclass_fields__}
    values.update(changes)
    return _State(**values)


# -- modules ----------------------------------------------------------------------------------------------------------

_NOTHING: frozenset[str] = frozenset()
_REFUSED = Outcome(AUTH_ERR)
Module = Callable[[Login, Rule], Iterable[Outcome]]


def _outcomes(login: Login, rule: Rule) -> Iterable[Outcome]:
    if not rule.module:
        return [Outcome(MODULE_UNKNOWN)]
    known = {**_KNOWN, **_ACCOUNT} if login.kind == "account" else _KNOWN
    return known.get(rule.module, _stranger)(login, rule)


def _stranger(login: Login, rule: Rule) -> Iterator[Outcome]:
    """A module of which we do not know what it asks: it may let anybody pass."""
    yield Outcome(SUCCESS, sure=False, why="what it asks is not known")
    yield from (Outcome(result, sure=False) for result in (IGNORE, AUTH_ERR, USER_UNKNOWN))


def _always(*results: str) -> Module:
    """A module that asks for nothing, and answers so."""
    outcomes = [Outcome(result) for result in results]
    return lambda login, rule: outcomes


def _perhaps(*results: str) -> Module:
    """A module that asks for nothing, and answers one of these, we do not know which."""
    outcomes = [Outcome(result, sure=False) for result in results]
    return lambda login, rule: outcomes


def _unix(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_unix: a hash that a password can fit, or none at all where empty passwords are taken."""
    if login.account.password == EMPTY:
        if "nullok" in rule.arguments and login.empty_passwords:
            yield Outcome(SUCCESS, why="the password is empty, and nullok")
    elif login.account.password in (USABLE, UNKNOWN):
        yield Outcome(SUCCESS, frozenset([PASSWORD]))
    yield _REFUSED


def _directory(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_sss and the like: a password that is kept elsewhere, of accounts that are, too."""
    if not login.account.local or rule.module == "pam_krb5.so":
        yield Outcome(SUCCESS, frozenset([PASSWORD]), sure=not login.account.local)
    yield from (Outcome(result) for result in (AUTH_ERR, USER_UNKNOWN, IGNORE))


def _codes(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_google_authenticator: a code where there is a secret; nullok passes over those who have none."""
    secret = google_secret(login.account, rule)
    if secret is None:
        yield from _stranger(login, rule)
        return
    status = login.host.stat(secret.path)
    if status is None:
        nullok = "nullok" in rule.arguments
        yield Outcome(IGNORE, why="no secret, and nullok") if nullok else _REFUSED
        return
    yield Outcome(SUCCESS, frozenset([CODE]))
    if rule.value("grace_period") not in (None, "0"):
        yield Outcome(SUCCESS, why="grace_period asks no code again from the same address")
    yield _REFUSED


def google_secret(account: Account, rule: Rule) -> Secret | None:
    """Where pam_google_authenticator looks for an account's secret; None where that cannot be told."""
    path = rule.value("secret") or "~/.google_authenticator"
    home = account.home.rstrip("/") or "/"
    if path.startswith("~/"):
        path = home + path[1:]
    for token, value in (("${HOME}", home), ("${USER}", account.name), ("%h", home), ("%u", account.name)):
        path = path.replace(token, value)
    if "$" in path or not path.startswith("/"):
        return None
    return Secret(path, rule.value("user") or "", rule.source)


def secrets(host: Host, service: str, account: Account) -> list[Secret]:
    """Where a service's codes for an account are kept, whether or not they are there. Raises Unseen."""
    found = [google_secret(account, rule) for rule in _flat(stack(host, service)) if rule.module == _GOOGLE]
    oath = [rule for rule in _flat(stack(host, service)) if rule.module == _OATH]
    shared = [Secret(rule.value("usersfile") or _USERS, "", rule.source, shared=True) for rule in oath]
    return [secret for secret in [*found, *shared] if secret is not None]


def _flat(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield from _flat(rule.below) if rule.below is not None else [rule]


def source(told: str) -> str:
    """The file and line in what Way.by says; '' where it has none."""
    found = re.search(r"\((/[^()]*:\d+)\)$", told)
    return found[1] if found else ""


def _oath(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_oath: a code of those that its file names."""
    lines = login.host.read(rule.value("usersfile") or _USERS).splitlines()
    if any(line.split()[1:2] == [login.account.name] for line in lines if not line.startswith("#")):
        yield Outcome(SUCCESS, frozenset([CODE]))
        yield _REFUSED
    else:
        yield Outcome(USER_UNKNOWN)


def _faillock(login: Login, rule: Rule) -> Iterator[Outcome]:
    if "authfail" in rule.arguments:
        return iter([_REFUSED])
    return iter([Outcome(SUCCESS)])


def _listfile(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_listfile: whether a file holds the account or one of its groups."""
    item, sense, path = rule.value("item"), rule.value("sense"), rule.value("file")
    names = {"user": {login.account.name}, "group": set(login.account.groups)}.get(item or "")
    if names is None or sense not in ("allow", "deny") or not path:
        yield from _perhaps(SUCCESS, AUTH_ERR)(login, rule)
        return
    try:
        listed = {line.strip() for line in login.host.read(path).splitlines()}
    except Unseen:
        yield Outcome(SUCCESS if rule.value("onerr") == "succeed" else AUTH_ERR)
        return
    passes = bool(listed & names) == (sense == "allow")
    yield Outcome(SUCCESS, why="its list lets the account pass") if passes else _REFUSED


def _access(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_access: whether its file lets the account in from anywhere, by the first line about it; if none, it does."""
    path = rule.value("accessfile") or "/etc/security/access.conf"
    lines = login.host.read(path).splitlines() if login.host.stat(path) is not None else []
    for line in lines:
        sign, users, origins = ([part.strip() for part in line.partition("#")[0].split(":", 2)] + ["", ""])[:3]
        if "EXCEPT" in line.split():
            yield from _perhaps(SUCCESS, PERM_DENIED)(login, rule)
            return
        if sign not in ("+", "-") or not _named(users, login.account):
            continue
        if origins == "ALL":
            yield Outcome(SUCCESS if sign == "+" else PERM_DENIED)
            return
        if sign == "+" and origins != "LOCAL":
            yield Outcome(SUCCESS, why=f"{path} lets the account pass from some addresses")
    yield Outcome(SUCCESS, why=f"{path} keeps the account out from nowhere or from some addresses only")


def _named(users: str, account: Account) -> bool:
    words = set(users.split())
    return bool(words & {"ALL", account.name, *account.groups, *(f"({group})" for group in account.groups)})


_QUIET_WORDS = ("debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit")


def _succeed_if(login: Login, rule: Rule) -> Iterator[Outcome]:
    """pam_succeed_if: conditions about the account."""
    words = [word for word in rule.arguments if word not in _QUIET_WORDS]
    answers = [_condition(login.account, words[i : i + 3]) for i in range(0, len(words), 3)]
    if False in answers:
        yield _REFUSED
    elif None in answers or not answers:
        yield from _perhaps(SUCCESS, AUTH_ERR)(login, rule)
    else:
        yield Outcome(SUCCESS, why=f"{' '.join(words)}, and it is")


def _condition(account: Account, words: Sequence[str]) -> bool | None:
    """Whether one condition ('user ingroup sudo', 'uid >= 1000') holds; None where we do not know it."""
    if len(words) != 3:
        return None
    left, operator, right = words
    groups = set(right.split(":"))
    told: dict[tuple[str, str], Callable[[], bool]] = {
        ("user", "ingroup"): lambda: bool(groups & account.groups),
        ("user", "notingroup"): lambda: not groups & account.groups,
        ("user", "="): lambda: account.name == right,
        ("user", "!="): lambda: account.name != right,
        ("user", "in"): lambda: account.name in groups,
        ("user", "notin"): lambda: account.name not in groups,
        ("shell", "="): lambda: account.shell == right,
        ("shell", "!="): lambda: account.shell != right,
    }
    if left == "uid" and right.isdigit():
        number = int(right)
        numbers = {"eq": account.uid == number, "ne": account.uid != number, "lt": account.uid < number,
                   "le": account.uid <= number, "gt": account.uid > number, "ge": account.uid >= number,
                   "=": account.uid == number, "!=": account.uid != number, "<": account.uid < number,
                   "<=": account.uid <= number, ">": account.uid > number, ">=": account.uid >= number}  # fmt: skip
        return numbers.get(operator)
    answer = told.get((left, operator))
    return answer() if answer else None


_KNOWN: Mapping[str, Module] = {
    "pam_permit.so": _always(SUCCESS),
    "pam_deny.so": _always(AUTH_ERR),
    "pam_rootok.so": lambda login, rule: [Outcome(SUCCESS, why="sshd is root, so it lets anybody pass")],
    "pam_unix.so": _unix,
    _GOOGLE: _codes,
    _OATH: _oath,
    "pam_faillock.so": _faillock,
    "pam_listfile.so": _listfile,
    "pam_access.so": _access,
    "pam_succeed_if.so": _succeed_if,
    "pam_cap.so": _perhaps(SUCCESS, IGNORE),
    "pam_tally2.so": _perhaps(SUCCESS, IGNORE, AUTH_ERR),
    "pam_shells.so": _perhaps(SUCCESS, AUTH_ERR),
    "pam_securetty.so": _perhaps(SUCCESS, IGNORE, AUTH_ERR),
    "pam_localuser.so": lambda login, rule: [Outcome(SUCCESS if login.account.local else PERM_DENIED)],
    **dict.fromkeys(["pam_sss.so", "pam_ldap.so", "pam_krb5.so", "pam_winbind.so", "pam_systemd_home.so"], _directory),
    **dict.fromkeys(
        (f"pam_{name}.so" for name in (
            "ecryptfs", "echo", "env", "faildelay", "gnome_keyring", "group", "issue", "keyinit", "kwallet5", "lastlog",
            "limits", "loginuid", "mail", "mkhomedir", "motd", "mount", "nologin", "selinux", "warn",
        )),
        _always(IGNORE),
    ),
}  # fmt: skip
# in account stacks the same modules ask nothing, and say whether the account may be used
_ACCOUNT: Mapping[str, Module] = {
    "pam_unix.so": lambda login, rule: [_REFUSED if login.account.expired else Outcome(SUCCESS)],
    "pam_nologin.so": _perhaps(SUCCESS, IGNORE),
    "pam_faillock.so": _always(SUCCESS),
    **dict.fromkeys(["pam_sss.so", "pam_ldap.so", "pam_winbind.so", "pam_krb5.so"], _perhaps(SUCCESS, IGNORE)),
}
