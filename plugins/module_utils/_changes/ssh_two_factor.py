# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What asks people for a second factor over SSH: a drop-in of sshd, a few lines of PAM, limits of programs' keys.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .._change import ABSENT, FILE, ChangeError, Node, Planned, Transaction, UnitState, Validation
from .._host import Host
from .._services import authorized_keys
from .._services.accounts import Account
from . import ssh_secret, ssh_session
from .ssh_people import (
    ELSEWHERE,
    PAM_MODULE,
    SECURITY_KEY,
    TOTP,
    People,
    Person,
    Rules,
    Sshd,
    automation_key_files,
    covers,
    has_pam_module,
    people,
)

SSHD_CONFIG = "/etc/ssh/sshd_config"
DROP_INS = "/etc/ssh/sshd_config.d"
DROP_IN = f"{DROP_INS}/00-privacy-hosting.conf"
GRACE = f"{DROP_INS}/00-privacy-hosting-grace.conf"  # read before the other one, so it wins
PAM = "/etc/pam.d/sshd"
GRACE_UNIT = "privacy-hosting-ssh-grace"

_HEADER = "# Made by privacy.hosting, role ssh_two_factor; ansible-playbook privacy.hosting.undo removes it.\n"
_INCLUDE = f"Include {DROP_INS}/00-privacy-hosting*.conf  # privacy.hosting\n"
_EXEMPT = "PerSourcePenaltyExemptList"
_SK_ALGORITHMS = "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com"
_BOTH = "publickey,keyboard-interactive:pam"
_MOST_SAMPLES = 50
_SETTLED = ("persourcepenaltyexemptlist",)  # what changes for everybody
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")


# -- sshd's drop-ins ------------------------------------------------------------------------------------------


def drop_in(rules: Rules, found: People, exempt: Sequence[str]) -> str:
    """The drop-in that asks for the second factor. exempt: networks that are not punished for failed logins."""
    codes = found.uses_codes(rules)
    root = next((person for person in found.asked if person.account.uid == 0 and person.factor == TOTP), None)
    named = _named(rules, found)
    blocks = [_exempt_line(exempt)]
    if found.automation:
        names, networks = (",".join(items) for items in (_names(found.automation), rules.controllers))
        blocks.append(
            "# Programs log in by key alone, from these addresses only.\n"
            f"Match User {names} Address {networks}\n    AuthenticationMethods publickey\n"
        )
    keyed = [person.account for person in found.asked if person.factor == SECURITY_KEY]
    if keyed and codes:
        blocks.append(
            "# These people have a security key that asks for a PIN or a finger: two factors in one.\n"
            f"Match User {','.join(_names(keyed))}\n{_BY_SECURITY_KEY}"
        )
    if root:
        # else sshd refuses keyboard-interactive of root; with the methods below, a password alone is no way in
        blocks.append(f"Match User {root.name}\n    PermitRootLogin yes\n{_BY_CODE}")
    asked = _BY_CODE if codes else _BY_SECURITY_KEY
    if rules.groups_asked:
        blocks.append(f"# People need two factors.\nMatch Group {','.join(rules.groups_asked)}\n{asked}")
    blocks.append(f"Match User {','.join(named)}\n{asked}")
    return _HEADER + "\n".join(filter(None, blocks))


_BY_SECURITY_KEY = f"""    PubkeyAuthentication yes
    AuthenticationMethods publickey
    PubkeyAcceptedAlgorithms {_SK_ALGORITHMS}
    PubkeyAuthOptions verify-required
"""
_BY_CODE = f"""    PubkeyAuthentication yes
    KbdInteractiveAuthentication yes
    AuthenticationMethods {_BOTH}
"""


def _named(rules: Rules, found: People) -> list[str]:
    """The accounts that are asked by name: root, people in none of the groups, and programs from elsewhere."""
    loners = [p.account for p in found.asked if p.account.groups.isdisjoint(rules.groups_asked)]
    return list(dict.fromkeys(["root", *_names(loners), *_names(found.automation)]))


def _names(accounts: Iterable[Account]) -> list[str]:
    """Names of accounts, as they may stand in sshd's and PAM's files. Raises ChangeError."""
    names = [account.name for account in accounts]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ChangeError(f"the account {name!r} has a name that cannot stand in {DROP_IN}; give it another one")
    return names


def _exempt_line(exempt: Sequence[str]) -> str:
    return f"# Failed logins from these addresses are not punished.\n{_EXEMPT} {','.join(exempt)}\n" if exempt else ""


def grace_drop_in(names: Sequence[str], ends: str) -> str:
    """The drop-in that lets accounts in by key alone for a while."""
    return (
        f"{_HEADER}# Until {ends} these people, who have no second factor yet, log in by key alone. "
        f"{GRACE_UNIT}.timer removes this file.\n"
        f"Match User {','.join(names)}\n    AuthenticationMethods publickey\n"
    )


def needs_include(text: str) -> bool:
    """Whether sshd_config does not read our drop-ins, or only under a condition."""
    for line in text.splitlines():
        words = line.partition("#")[0].replace("=", " ").replace('"', " ").split()
        if not words:
            continue
        if words[0].lower() == "match":
            return True
        if words[0].lower() == "include" and any(_reads(pattern) for pattern in words[1:]):
            return False
    return True


def _reads(pattern: str) -> bool:
    whole = os.path.join("/etc/ssh", pattern)
    return fnmatch.fnmatchcase(DROP_IN, whole) and fnmatch.fnmatchcase(GRACE, whole)


# -- PAM ------------------------------------------------------------------------------------------------------

_BEGIN = "# privacy.hosting: people give a one-time code here, after their key (role ssh_two_factor)\n"
_END = "# privacy.hosting: end\n"
_BLOCK = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_ASKS = re.compile(r"^(@include[ \t]+common-auth\b|-?auth[ \t]).*$", re.MULTILINE)


def pam(text: str, groups: Sequence[str], names: Sequence[str], secrets: str = ssh_secret.SECRETS) -> str:
    """The PAM file of sshd in which members of these groups, and these accounts, give a code, and no others.

    Raises ChangeError where it authenticates nobody.
    """
    text = without_pam(text)
    first = re.search(r"^@include[ \t]+common-auth\b", text, re.MULTILINE) or _ASKS.search(text)
    if first is None:
        raise ChangeError(f"{PAM} has no line 'auth' and no '@include common-auth'; reinstall it from openssh-server")
    return text[: first.start()] + _pam_block(groups, names, secrets) + text[first.start() :]


def without_pam(text: str) -> str:
    """The PAM file of sshd as it was before."""
    return _BLOCK.sub("", text)


def _pam_block(groups: Sequence[str], names: Sequence[str], secrets: str) -> str:
    of_groups = (
        f"auth [success=1 default=ignore] pam_succeed_if.so quiet user ingroup {':'.join(groups)}\n" if groups else ""
    )
    return (
        f"{_BEGIN}{of_groups}"
        f"auth [success=ignore default=1] pam_succeed_if.so quiet user in {':'.join(names)}\n"
        f"auth [success=done new_authtok_reqd=done default=die] {PAM_MODULE} secret={secrets}/${{USER}} user=root\n"
        f"{_END}"
    )


# -- programs' keys -------------------------------------------------------------------------------------------


def limited(text: str, controllers: Sequence[str]) -> str:
    """An authorized_keys file in which every key is limited to some addresses; one with a from= stays as it is."""
    return "".join(_limited(line, controllers) for line in text.splitlines(keepends=True))


def _limited(line: str, controllers: Sequence[str]) -> str:
    key = authorized_keys.parse(line.strip(), "")
    if key is None or "from" in key.options:
        return line
    at = len(line) - len(line.lstrip())
    return f'{line[:at]}from="{",".join(controllers)}"{"," if key.options else " "}{line[at:]}'


# -- the steps ------------------------------------------------------------------------------------------------


def exempt_now(host: Host, sshd: Sshd, rules: Rules) -> list[str]:
    """The networks that are not to be punished: the controllers, and those that others exempted already."""
    if not rules.controllers or "persourcepenaltyexemptlist" not in sshd.settings():
        return []
    others: list[str] = []
    for path in (SSHD_CONFIG, *sorted(host.glob(f"{DROP_INS}/*.conf"))):
        if path not in (DROP_IN, GRACE):
            others += re.findall(rf"^\s*{_EXEMPT}[\s=]+([^\s#]+)", host.read(path), re.MULTILINE | re.IGNORECASE)
    return list(dict.fromkeys([*rules.controllers, *(item for items in others for item in items.split(","))]))


def plan_exempt(host: Host, transaction: Transaction, rules: Rules) -> Planned:
    """Let sshd not punish the controllers for failed logins, which Debian 13's does."""
    exempt = exempt_now(host, Sshd(transaction.call), rules)
    before = transaction.look(DROP_IN)
    text = before.data.decode("utf-8", "replace")
    if not exempt or _exempt_line(exempt) in text:
        return Planned()
    rest = re.sub(rf"^(# Failed logins .*\n)?{_EXEMPT} .*\n", "", text.replace(_HEADER, ""), flags=re.MULTILINE)
    _plan_sshd(transaction, _HEADER + _exempt_line(exempt) + ("\n" + rest.lstrip("\n") if rest.strip() else ""))
    return Planned()


def plan_require(host: Host, transaction: Transaction, rules: Rules, only_tell: bool = False) -> Planned:
    """Ask people for a second factor. Raises ChangeError where that would lock somebody out.

    only_tell: this is a dry run, which warns instead.
    """
    sshd = Sshd(transaction.call)
    found = people(host, rules, sshd)
    codes = found.uses_codes(rules)
    warnings = list(_warnings(found))
    try:
        refuse_unready(rules, found, host.now)
        _refuse_settings(rules, found, sshd)
    except ChangeError as error:
        if not (only_tell and transaction.check):
            raise
        warnings.append(f"without --check, this would stop here: {error}")
    before = {account.name: sshd.settings(account.name) for account in _samples(found)}
    _plan_sshd(transaction, drop_in(rules, found, exempt_now(host, sshd, rules)))
    _plan_grace(transaction, rules, found, host.now)
    _plan_pam(transaction, rules, found, codes)
    for _account, path in automation_key_files(host, found, sshd):
        text = transaction.look(os.path.realpath(path)).data.decode("utf-8", "surrogateescape")
        transaction.write(path, limited(text, rules.controllers))
    transaction.judges.append(lambda: next(_faults(sshd, rules, found, before), ""))
    return Planned(warnings=warnings, afterwards=_since)


def _since() -> dict[str, object]:
    """When the change was complete: a login after it proves that it works."""
    return {"since": ssh_session.now(), "changed": False, "diff": [], "warnings": []}


def _refuse_settings(rules: Rules, found: People, sshd: Sshd) -> None:
    """Raises ChangeError where sshd could not ask as it is, or programs could not be limited."""
    if found.automation and not rules.controllers:
        raise ChangeError("ssh_two_factor_controllers is empty: name the addresses that automation comes from")
    if not found.uses_codes(rules):
        return
    settings = sshd.settings()
    if settings.get("pamservicename", "sshd") != "sshd":
        raise ChangeError(f"sshd has 'PAMServiceName {settings['pamservicename']}', but {PAM} is what is edited here")
    if settings.get("usepam") != "yes":
        raise ChangeError("sshd has 'UsePAM no', so it cannot ask for codes: set 'UsePAM yes' in /etc/ssh/sshd_config")
    if not has_pam_module():
        raise ChangeError(f"{PAM_MODULE} is not installed: apt-get install --reinstall libpam-google-authenticator")


def refuse_unready(rules: Rules, found: People, now: dt.datetime) -> None:
    """Raises ChangeError, naming them, where people could not log in any more."""
    without_key = [person.name for person in found.asked if not person.has_key]
    if without_key:
        raise ChangeError(
            f"{', '.join(without_key)}: logs in by password only; two factors are a key and a code here, so give them "
            "an SSH key first, or take the password"
        )
    wrong = [person.wrong for person in found.asked if person.wrong and not person.factor]
    if wrong:
        raise ChangeError("; ".join(wrong))
    if found.without_factor and not (rules.grace_ends and now < rules.grace_ends):
        raise ChangeError(
            f"no second factor yet: {', '.join(found.without_factor)}; enrol each by 'ansible-playbook "
            "privacy.hosting.enrol -e account=NAME', or let ssh_two_factor_grace_until name a last day without"
        )


def _warnings(found: People) -> Iterator[str]:
    if not found.asked:
        yield (
            "nobody but automation and customers logs in on this host: whoever is to repair it from another address "
            "needs an account in ssh_two_factor_staff_groups, with a key and a second factor"
        )
    if found.unknown:
        yield f"ssh_two_factor_automation_accounts names who is not on this host: {', '.join(found.unknown)}"


def _samples(found: People) -> list[Account]:
    """One customer of each set of groups."""
    return list({customer.groups: customer for customer in found.customers}.values())[:_MOST_SAMPLES]


def _plan_sshd(transaction: Transaction, text: str) -> None:
    if needs_include(transaction.look(SSHD_CONFIG).data.decode("utf-8", "replace")):
        old = transaction.look(SSHD_CONFIG)
        if old.kind == ABSENT:
            raise ChangeError(f"{SSHD_CONFIG} is not there; only OpenSSH's sshd is configured by this role")
        transaction.write(SSHD_CONFIG, _INCLUDE.encode() + old.data)
    transaction.directory(DROP_INS)
    transaction.write(DROP_IN, text, 0o644)
    transaction.validations.append(Validation(("sshd", "-t")))
    transaction.reloads.append("ssh")


def _plan_grace(transaction: Transaction, rules: Rules, found: People, now: dt.datetime) -> None:
    """Let those without a factor in until the grace is over, and a timer end it."""
    timer = f"/etc/systemd/system/{GRACE_UNIT}.timer"
    ends = rules.grace_ends
    if not found.without_factor or ends is None or now >= ends:
        if transaction.look(GRACE).kind != ABSENT:
            transaction.put(GRACE, Node())
        if transaction.look(timer).kind == FILE:
            transaction.unit(f"{GRACE_UNIT}.timer", UnitState("disabled", False))
        return
    moment = f"{ends:%Y-%m-%d %H:%M:%S} UTC"
    transaction.write(GRACE, grace_drop_in(found.without_factor, moment), 0o644)
    transaction.write(timer.replace(".timer", ".service"), _GRACE_SERVICE, 0o644)
    transaction.write(timer, _GRACE_TIMER.format(moment=moment), 0o644)
    transaction.unit(f"{GRACE_UNIT}.timer", UnitState("enabled", True))


def plan_end_of_grace(transaction: Transaction, account: str) -> None:
    """Ask one person for the second factor that they have now, although others have time until later."""
    now = transaction.look(GRACE).data.decode("utf-8", "replace")
    names = re.findall(r"^Match User (.*)$", now, re.MULTILINE)
    listed = names[0].split(",") if names else []
    if account not in listed:
        return
    left = [name for name in listed if name != account]
    transaction.validations.append(Validation(("sshd", "-t")))
    transaction.reloads.append("ssh")
    if left:
        transaction.write(GRACE, now.replace(names[0], ",".join(left)))
    else:
        transaction.put(GRACE, Node())


_GRACE_SERVICE = f"""{_HEADER}[Unit]
Description=End the time in which people log in over SSH without a second factor
After=ssh.service

[Service]
Type=oneshot
ExecStart=/bin/rm -f {GRACE}
ExecStart=/bin/systemctl reload ssh.service
Restart=on-failure
RestartSec=5min
"""
_GRACE_TIMER = f"""{_HEADER}[Unit]
Description=End the time in which people log in over SSH without a second factor

[Timer]
OnCalendar={{moment}}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""


def _plan_pam(transaction: Transaction, rules: Rules, found: People, codes: bool) -> None:
    text = transaction.look(os.path.realpath(PAM)).data.decode("utf-8", "surrogateescape")
    if not codes:
        transaction.write(PAM, without_pam(text))
        return
    transaction.write(PAM, pam(text, rules.groups_asked, _named(rules, found)))


# -- judging --------------------------------------------------------------------------------------------------


def _faults(sshd: Sshd, rules: Rules, found: People, before: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Where sshd would not do what is wanted, of each class of accounts."""
    yield from faults(sshd, rules, found)
    for name, settings in before.items():
        now = sshd.settings(name)
        changed = sorted(k for k in {*now, *settings} - {*_SETTLED} if now.get(k) != settings.get(k))
        if changed:
            yield f"'sshd -T -C user={name}' says that a customer would log in in another way: {', '.join(changed)}"


def faults(sshd: Sshd, rules: Rules, found: People) -> Iterator[str]:
    """Where people would be asked for less or more than two factors, or programs for more than a key."""
    for person in found.asked:
        settings = sshd.settings(person.name)
        for keyword, wanted in _wanted(rules, found, person).items():
            if not _is(settings.get(keyword, ""), wanted):
                yield _told(person.name, ELSEWHERE, keyword, settings.get(keyword, ""), wanted)
    for account in found.automation:
        address = rules.controllers[0].partition("/")[0]
        for keyword, wanted in {"authenticationmethods": "publickey", "pubkeyauthentication": "yes"}.items():
            value = sshd.settings(account.name, address).get(keyword, "")
            if value != wanted:
                yield _told(account.name, address, keyword, value, wanted)


def _is(value: str, wanted: str | Callable[[str], bool]) -> bool:
    return wanted(value) if callable(wanted) else value == wanted


def _told(name: str, address: str, keyword: str, value: str, wanted: object) -> str:
    what = wanted if isinstance(wanted, str) else "those of security keys only"
    return (
        f"'sshd -T -C user={name},addr={address}' says '{keyword} {value or 'nothing'}' instead of '{what}': another "
        f"file decides before {DROP_IN}"
    )


def _wanted(rules: Rules, found: People, person: Person) -> dict[str, str | Callable[[str], bool]]:
    """What sshd must say of a person's login."""
    if not person.factor:
        return {"authenticationmethods": "publickey", "pubkeyauthentication": "yes"}
    if person.factor == SECURITY_KEY:
        return {
            "authenticationmethods": "publickey",
            "pubkeyauthentication": "yes",
            "pubkeyauthoptions": "verify-required",
            "pubkeyacceptedalgorithms": _only_security_keys,
        }
    wanted: dict[str, str | Callable[[str], bool]] = {
        "authenticationmethods": _BOTH,
        "pubkeyauthentication": "yes",
        "kbdinteractiveauthentication": "yes",
        "usepam": "yes",
    }
    return {**wanted, "permitrootlogin": "yes"} if person.account.uid == 0 else wanted


def _only_security_keys(value: str) -> bool:
    return bool(value) and all(name.startswith("sk-") for name in value.split(","))


def foreign_address(rules: Rules, session: ssh_session.Session) -> str:
    """Why the running connection could not be made again, '' where it could."""
    if session.account not in rules.automation:
        return (
            f"this run logs in as {session.account}, which would be asked for a second factor: name the account that "
            f"Ansible logs in with in ssh_two_factor_automation_accounts ([{session.account}], or one of its own)"
        )
    if not covers(rules.controllers, session.address):
        return (
            f"this run comes from {session.address}, which ssh_two_factor_controllers does not name: "
            f"{', '.join(rules.controllers) or 'it is empty'}"
        )
    return ""
