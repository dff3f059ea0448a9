# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ssh_two_factor: whether each account needs two factors, in every way in that it has.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, PASS, RUNNING, Finding, Layer, weigh
from .._host import Host, Process, Unseen
from .._measure import Check, Question
from .._services import pam, ssh_ways, sshd
from .._services.accounts import LOCKED, Account, accounts
from .._services.authorized_keys import Key
from .._services.listeners import unknown_listeners
from .._services.pam import CODE, PASSWORD
from .._services.ssh_ways import KEY, MACHINE, SECURITY_KEY, TICKET, VERIFIED, Door, WayIn, doors
from .._services.sshd import Server

AUTOMATION, STAFF, CUSTOMER, NOBODY = "automation", "staff", "customer", ""
_HARDEN = "run privacy.hosting.harden with --tags ssh_two_factor"
_NAMED = 6  # how many of many things one line of evidence names

# Factors of one kind are one factor. A code is on a device of its own: see the option required_of.
_KINDS = {KEY: "have", SECURITY_KEY: "have", MACHINE: "have", CODE: "device", PASSWORD: "know", TICKET: "know",
          VERIFIED: "know"}  # fmt: skip
_WORDS = {KEY: "key", SECURITY_KEY: "security key", MACHINE: "another machine's key", CODE: "one-time code",
          PASSWORD: "password", TICKET: "Kerberos ticket"}  # fmt: skip

# Programs that let people in from a distance, wherever they listen: what they ask is not read here.
_OTHER_WAYS: Mapping[str, str] = {
    program: what
    for what, programs in {
        "a second SSH server": "dropbear",
        "the web console cockpit": "cockpit-ws cockpit-tls cockpit-session",
        "webmin": "miniserv.pl",
        "a terminal on the web": "shellinaboxd ttyd gotty wetty sshwifty code-server",
        "a login without encryption": "telnetd in.telnetd utelnetd in.rlogind in.rshd rlogind",
        "a desktop from a distance": "xrdp Xtigervnc Xvnc x11vnc guacd",
        "a tunnel": "mosh-server teleport tailscaled cloudflared sslh sslh-select sslh-fork",
    }.items()
    for program in programs.split()
}


# -- who is who -------------------------------------------------------------------------------------------------------


def kind(account: Account, question: Question) -> str:
    """The class of an account: AUTOMATION, STAFF, CUSTOMER or NOBODY."""
    if account.name in question.settings["automation_accounts"]:
        return AUTOMATION
    if account.uid == 0 or account.groups & set(question.settings["staff_groups"]):
        return STAFF
    return CUSTOMER if account.groups & set(question.settings["customer_groups"]) else NOBODY


def judged_kinds(question: Question) -> tuple[str, ...]:
    """The classes of which two factors are asked."""
    return (STAFF, CUSTOMER) if question.settings["required_of"] == "everyone" else (STAFF,)


def enough(way: WayIn, methods: Sequence[str]) -> bool:
    """Whether a way in asks two factors, and such that count."""
    if len({_KINDS[need] for need in way.needs}) < 2:
        return False
    if {"totp", "security_key"} <= set(methods):
        return True
    return ("totp" in methods and CODE in way.needs) or ("security_key" in methods and SECURITY_KEY in way.needs)


# -- what they can do -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What is known of one account: its doors, and why those of a server could not be seen.

    A customer's are not looked at where two factors are asked of staff only.
    """

    account: Account
    kind: str
    doors: tuple[Door, ...]
    unseen: Mapping[Server, str] = field(default_factory=dict)

    @property
    def ways(self) -> list[WayIn]:
        return [way for door in self.doors for way in door.ways]


def everybody(host: Host, question: Question) -> list[Seen]:
    """All accounts with their ways in. Raises Unseen."""
    key = ("ssh_two_factor", tuple(sorted((k, str(v)) for k, v in question.settings.items())))
    return host.once(key, lambda: [_seen(host, question, one) for one in accounts(host).by_name.values()])


def _seen(host: Host, question: Question, account: Account) -> Seen:
    named = kind(account, question)
    if named == CUSTOMER and CUSTOMER not in judged_kinds(question):
        return Seen(account, named, ())
    more = question.settings["controllers"] if named == AUTOMATION else ()
    found: list[Door] = []
    unseen: dict[Server, str] = {}
    for server in sshd.servers(host)[0]:
        try:
            found += doors(host, server, account, more)
        except Unseen as reason:
            unseen[server] = str(reason)
    return Seen(account, named, tuple(found), unseen)


def _words(way: WayIn) -> str:
    """What a way in asks, in words: 'key and one-time code'."""
    needs = way.needs - {KEY} if SECURITY_KEY in way.needs else way.needs
    words = [_WORDS[need] for need in (KEY, SECURITY_KEY, MACHINE, PASSWORD, CODE, TICKET) if need in needs]
    if VERIFIED in needs:
        words = ["security key that verifies its user" if word == "security key" else word for word in words]
    elif needs == {SECURITY_KEY}:
        words = ["security key that does not verify its user"]
    return " and ".join(words)


def _told(ways: Sequence[WayIn]) -> str:
    """Ways in as evidence, of which each asks the same and is opened by the same: what, how, and by what."""
    asked = _words(ways[0])
    alone = f"a {asked}{'' if ' and ' in asked else ' alone'}" if asked else "nothing at all"
    opened = f": {', '.join(_some(ways[0].by))}" if ways[0].by else ""
    return f"{alone} [{', '.join(dict.fromkeys(way.method for way in ways))}{opened}]"


def _alike(ways: Iterable[WayIn], also: Callable[[WayIn], object] = lambda way: None) -> list[list[WayIn]]:
    """Ways in, those together that ask the same and are opened by the same."""
    found: dict[object, list[WayIn]] = {}
    for way in dict.fromkeys(ways):
        found.setdefault((way.needs, way.by, also(way)), []).append(way)
    return list(found.values())


def _some(things: Sequence[str]) -> list[str]:
    more = len(things) - _NAMED
    return [*things[:_NAMED], f"and {more} more"] if more > 0 else list(things)


def _where(host: Host, account: Account, here: Sequence[Door], having: Sequence[Door]) -> str:
    """From where a way in is there, if not from everywhere."""
    if len(having) == len(here):
        return ""
    blocks = sshd.blocks(host, having[0].server, account, having[0].at)
    return f", {shortened('Match ' + blocks[0]) if blocks else f'from such as {shortened(having[0].at.address)}'}"


_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:/\d+)?|\b[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,}(?:/\d+)?")


def shortened(text: str) -> str:
    """A text with addresses as they may stand in a report: 192.0.2.x, 2001:db8:1:…"""

    def short(found: re.Match[str]) -> str:
        words = found[0].partition("/")[0]
        return re.sub(r"\.\d+$", ".x", words) if "." in words else ":".join(words.split(":")[:3]) + ":…"

    return _ADDRESS.sub(short, text)


# -- findings ---------------------------------------------------------------------------------------------------------


def _finding(
    check: str, option: str, about: str, status: str, *, observed: str, expected: str = "", source: str = "",
    proof: str = "", remedy: str = "",
) -> Finding:  # fmt: skip
    texts = (_plain(text) for text in (about, expected, observed, source, remedy))
    about, expected, observed, source, remedy = texts
    return Finding("ssh_two_factor", check, option, about, status, proof, expected, observed, source, remedy)


def _plain(text: str) -> str:
    """A text from a host as one printable line of bounded length."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return line if len(line) <= 600 else f"{line[:599]}…"


def _weighed(
    check: str, option: str, about: str, layers: Sequence[Layer], expected: str, remedy: str
) -> Finding:  # fmt: skip
    """A finding of what is configured and whether it is loaded: what is not loaded yet is no pass."""
    configured, *loaded = layers
    if configured.good is None:
        layers = [configured]
    status, proof, observed, source = weigh(layers)
    if status == PASS:
        observed = "; ".join(dict.fromkeys(layer.seen for layer in layers))
    unloaded = [layer for layer in loaded if layer.good is None and layer.source]
    if status == PASS and unloaded:
        status, proof, source = ERROR, "", unloaded[0].source
        remedy = "Reload ssh (systemctl reload ssh), so that what the files say is in effect."
    if configured.good is not True:
        source = configured.source
    return _finding(
        check, option, about, status, observed=observed, expected=expected, source=source, proof=proof,
        remedy="" if status == PASS else remedy,
    )  # fmt: skip


def _loaded(host: Host, servers: Iterable[Server]) -> list[Layer]:
    """The running layers of servers; that of one that does not run is told by its name already."""
    return [sshd.running(host, server) for server in dict.fromkeys(servers) if server.pid]


# -- the checks -------------------------------------------------------------------------------------------------------


def check_ways_in(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether every way in of those who are meant asks two factors."""
    servers, _strangers = sshd.servers(host)
    meant = [one for one in everybody(host, question) if one.kind in judged_kinds(question)]
    for server in servers:
        alike: dict[tuple[str, str], list[tuple[Finding, str]]] = {}
        for one in meant:
            found = _judge(host, question, option, server, one)
            alike.setdefault((found.status, found.observed), []).append((found, one.account.name))
        for same in alike.values():
            found, _name = same[0]
            names = [name for _found, name in same]
            yield replace(found, subject=_plain(f"{', '.join(_some(names))} ({server.name})"))
        yield from _left_open(host, question, option, server, meant)


_EXPECTED = "every way in asks two factors"


def _judge(host: Host, question: Question, option: str, server: Server, one: Seen) -> Finding:
    """What one account's ways in through one server are."""
    about = one.account.name
    if server in one.unseen:
        return _finding(
            "ways_in", option, about, ERROR, observed=one.unseen[server], expected=_EXPECTED,
            source=server.configuration, remedy="Mend what cannot be read, and audit again.",
        )  # fmt: skip
    here = [door for door in one.doors if door.server == server]
    methods = question.settings["methods"]
    poor = _poor(here, methods)
    layers = [_layer(host, one, here, poor, methods), *_loaded(host, [server])]
    if layers[0].good is False:
        layers[0] = replace(layers[0], seen=layers[0].seen + _grace(host, question, one))
    return _weighed("ways_in", option, about, layers, _EXPECTED, _remedy(one))


def _poor(here: Sequence[Door], methods: Sequence[str]) -> dict[WayIn, list[Door]]:
    """The ways in that ask too little, and from where."""
    found: dict[WayIn, list[Door]] = {}
    for door in here:
        for way in door.ways:
            if not enough(way, methods):
                found.setdefault(way, []).append(door)
    return found


def _layer(
    host: Host, one: Seen, here: Sequence[Door], poor: Mapping[WayIn, Sequence[Door]], methods: Sequence[str]
) -> Layer:  # fmt: skip
    """What is configured for an account."""
    sure = {way: having for way, having in poor.items() if way.sure}
    if poor:
        told = [
            _told(ways) + _where(host, one.account, here, poor[ways[0]])
            for ways in _alike(sure or poor, lambda way: len(poor[way]))
        ]
        way, having = next(iter((sure or poor).items()))
        enough_is = f"{'enough' if sure else 'perhaps enough'} is {'; or '.join(_some(told))}"
        return Layer(CONFIGURED, False if sure else None, enough_is, _source(host, one, way, having[0]))
    ways = sorted({_words(way) for door in here for way in door.ways})
    source = sshd.decides(host, here[0].server, "authenticationmethods", one.account, here[0].at) if here else ""
    seen = f"each way in asks {' or '.join(ways)}" if ways else f"there is no way in{_why_none(here, one.account)}"
    return Layer(CONFIGURED, True, seen, source)


def _why_none(here: Sequence[Door], account: Account) -> str:
    """Why an account has no way in, as far as that is told by itself."""
    if account.expired:
        return " (its last day is over)"
    if account.uid == 0 and all(door.settings.get("permitrootlogin", [""])[0] == "no" for door in here):
        return " (PermitRootLogin no)"
    no_password = "no password, " if account.password == LOCKED else ""
    return f" ({no_password}no key, or no second factor where one is asked)"


def _source(host: Host, one: Seen, way: WayIn, door: Door) -> str:
    """The line that decides that a way in asks so little: PAM's, where it lets pass who gives nothing."""
    passed = [pam.source(text) for text in way.by if pam.source(text)]
    if passed and not {CODE, PASSWORD} & way.needs:
        return passed[0]
    methods = door.settings.get("authenticationmethods", ["any"])
    if methods != ["any"] or way.method == "publickey":
        return sshd.decides(host, door.server, "authenticationmethods", one.account, door.at)
    keyword = {"password": "passwordauthentication", "keyboard-interactive": "kbdinteractiveauthentication",
               "hostbased": "hostbasedauthentication"}.get(way.method, "gssapiauthentication")  # fmt: skip
    return sshd.decides(host, door.server, keyword, one.account, door.at)


def _remedy(one: Seen) -> str:
    """What to do about a way in that asks too little."""
    if one.kind == STAFF:
        return f"Ask two methods of the account (AuthenticationMethods publickey,keyboard-interactive:pam): {_HARDEN}."
    return "Ask two methods of the account (AuthenticationMethods), and set up its second factor."


def _over(host: Host, question: Question) -> bool:
    """Whether a grace period is over."""
    until = question.settings["grace_until"]
    return bool(until) and host.now.date() > dt.date.fromisoformat(until)


def _grace(host: Host, question: Question, one: Seen) -> str:
    """What the grace period has to do with an account that one factor lets in."""
    until = question.settings["grace_until"]
    if not until or any({CODE, SECURITY_KEY} & way.needs for way in one.ways):
        return ""
    if _over(host, question):
        return f"; it has no second factor, and the grace period ended on {until}"
    return f"; it has no second factor yet, and the grace period runs until {until}"


def _left_open(
    host: Host, question: Question, option: str, server: Server, meant: Sequence[Seen]
) -> Iterator[Finding]:  # fmt: skip
    """What a grace period that is over left open for the next member of staff, who has no second factor yet."""
    if not _over(host, question):
        return
    until, methods = question.settings["grace_until"], question.settings["methods"]
    for one in meant:
        factors = {CODE, SECURITY_KEY}
        if one.kind != STAFF or one.account.uid == 0 or not any(factors & way.needs for way in one.ways):
            continue
        stranger = ssh_ways.without_secret(one.account)
        for door in (door for door in one.doors if door.server == server):
            found = ssh_ways.ways(host, stranger, door.settings, door.at, keys_of=one.account)
            for way in (way for way in found if SECURITY_KEY not in way.needs and not enough(way, methods)):
                yield _finding(
                    "ways_in", option, f"who has no second factor ({server.name})", FAIL if way.sure else ERROR,
                    proof=CONFIGURED if way.sure else "", expected=_EXPECTED,
                    observed=f"the grace period ended on {until}, and for who has no factor enough is {_told([way])}",
                    source=_source(host, one, way, door),
                    remedy=f"Take nullok and what stands in for it out of PAM's file: {_HARDEN}.",
                )  # fmt: skip
                return


def check_classes(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether each account that can log in is staff, a customer or automation."""
    expected = "each account that can log in is staff, a customer or automation, and all can be listed"
    for source in accounts(host).unlisted:
        yield _finding(
            "classes", option, source, ERROR, observed=f"the accounts of {source} cannot all be listed",
            expected=expected, source="/etc/nsswitch.conf",
            remedy="Keep those who are not meant out with AllowGroups, or audit the directory, and attest to it.",
        )  # fmt: skip
    able = [one for one in everybody(host, question) if one.ways]
    strangers: dict[str, list[Seen]] = {}
    for one in (one for one in able if one.kind == NOBODY):
        strangers.setdefault("; or ".join(_told(ways) for ways in _alike(one.ways)), []).append(one)
    for ways, same in strangers.items():
        yield _finding(
            "classes", option, ", ".join(_some([one.account.name for one in same])), FAIL, proof=CONFIGURED,
            expected=expected, observed=f"can log in with {ways}, and in none of the classes",
            source=_source(host, same[0], same[0].ways[0], same[0].doors[0]),
            remedy="Put the account into a group of ssh_two_factor_customer_groups or ssh_two_factor_staff_groups, "
            "name it in ssh_two_factor_automation_accounts, or keep it out (usermod --expiredate 1, AllowGroups).",
        )  # fmt: skip
    unseen = list(dict.fromkeys(why for one in everybody(host, question) for why in one.unseen.values()))
    if unseen:
        yield _finding(
            "classes", option, "accounts", ERROR, observed="; ".join(_some(unseen)), expected=expected,
            source=", ".join(server.configuration for server in sshd.servers(host)[0]),
            remedy="Mend what cannot be read, and audit again.",
        )  # fmt: skip
    elif sshd.servers(host)[0] and not accounts(host).unlisted and not strangers:
        told = list(_members(everybody(host, question)))
        yield _finding(
            "classes", option, "accounts", PASS, proof=CONFIGURED, expected=expected,
            observed=f"whoever can log in is in a class: {'; '.join(told) or 'nobody can'}",
            source="/etc/passwd, /etc/group",
        )  # fmt: skip


def _members(seen: Sequence[Seen]) -> Iterator[str]:
    """Who is in each class, of those who can log in."""
    for named in (STAFF, AUTOMATION, CUSTOMER):
        names = [one.account.name for one in seen if one.kind == named and (one.ways or not one.doors)]
        if names:
            yield f"{named}: {', '.join(_some(names))}"


def check_automation(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether automation gets in by key alone, and from the controllers only: a declared exception."""
    for one in everybody(host, question):
        if one.kind != AUTOMATION:
            continue
        expected = "declared exception: automation gets in by key alone, from the controllers only, and in no other way"
        for server, why in one.unseen.items():
            source = server.configuration
            yield _finding(
                "automation", option, one.account.name, ERROR, observed=why, expected=expected, source=source
            )
        if one.unseen:
            continue
        yield _weighed(
            "automation", option, one.account.name,
            [_automation(host, question, one), *_loaded(host, [door.server for door in one.doors])], expected,
            "Limit each of the account's keys to the controllers (from=, ssh_two_factor_controllers), and leave it no "
            f"other method: {_HARDEN}.",
        )  # fmt: skip


def _automation(host: Host, question: Question, one: Seen) -> Layer:
    """What is configured for an automation account."""
    controllers = question.settings["controllers"]
    open_doors = (door for door in one.doors if door.ways)
    keys = {key.source: key for door in open_doors for key in ssh_ways.usable_keys(host, one.account, door.settings)}
    ordered = list(keys.values())
    wrong = list(_unlimited(ordered, controllers))
    for door in one.doors:
        for way in door.ways:
            by_key = KEY in way.needs and way.sure
            if not by_key and not enough(way, question.settings["methods"]):
                wrong.append((way.sure, f"enough is {_told([way])}", _source(host, one, way, door)))
    if wrong:
        certain = [one for one in wrong if one[0]]
        texts = list(dict.fromkeys(text for _certain, text, _source in certain or wrong))
        none = "" if controllers else "; ssh_two_factor_controllers names none"
        return Layer(CONFIGURED, False if certain else None, "; ".join(_some(texts)) + none, (certain or wrong)[0][2])
    if not ordered:
        source = one.doors[0].server.configuration if one.doors else ""
        return Layer(CONFIGURED, True, "no way in asks less than two factors", source)
    places = dict.fromkeys(part for key in ordered for value in key.options["from"] for part in value.split(","))
    text = f"declared exception: a key alone lets automation in, from {shortened(', '.join(_some(list(places))))} only"
    return Layer(CONFIGURED, True, text, ", ".join(_some([key.source for key in ordered])))


def _unlimited(keys: Iterable[Key], controllers: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """What keeps keys from being limited to the controllers: whether that is certain, why, and where."""
    for key in keys:
        limited = key.limited_to(controllers)
        if "from" not in key.options:
            yield True, f"the key {key.source} is limited to no address (from=)", key.source
        elif limited is False:
            yield True, f"from= of the key {key.source} allows more than the controllers", key.source
        elif limited is None:
            yield False, f"which addresses from= of the key {key.source} names cannot be told", key.source


def check_secrets(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the secrets of codes can be read or replaced by nobody but root, and by their owner at most."""
    expected = "a code's secret is readable by nobody else, and its user cannot replace one that root keeps"
    for one in everybody(host, question):
        if one.kind not in judged_kinds(question):
            continue
        good: list[str] = []
        for secret in _secrets(host, one):
            faults = _faults(host, one.account, secret)
            if faults:
                yield _finding(
                    "secrets", option, one.account.name, FAIL, proof=CONFIGURED, expected=expected,
                    observed="; ".join(faults), source=secret.path,
                    remedy=f"chown root:root {secret.path} && chmod 0400 {secret.path}, and enrol the account anew: "
                    "whoever read the secret can make its codes.",
                )  # fmt: skip
            else:
                good.append(secret.path)
        if good:
            yield _finding(
                "secrets", option, one.account.name, PASS, proof=CONFIGURED, expected=expected,
                observed="nobody else can read or replace the secret", source=", ".join(good),
            )  # fmt: skip


def _secrets(host: Host, one: Seen) -> list[pam.Secret]:
    """The secrets that an account's codes are checked by, those that are there. Raises Unseen."""
    services = {ssh_ways.service(door.settings) for door in one.doors}
    found = [secret for service in services for secret in pam.secrets(host, service, one.account)]
    return [secret for secret in dict.fromkeys(found) if host.stat(secret.path) is not None]


def _faults(host: Host, account: Account, secret: pam.Secret) -> list[str]:
    """What is wrong with a secret's owner and modes, and those of its directory."""
    status, directory = host.stat(secret.path), host.stat(os.path.dirname(secret.path))
    if status is None or directory is None:
        return []
    in_home = not secret.shared and not secret.reader  # as google-authenticator makes it
    reader = accounts(host).by_name.get(secret.reader)
    allowed = {0, *([account.uid] if in_home else []), *([reader.uid] if reader and reader.uid != account.uid else [])}
    told = []
    if status.st_mode & 0o077 and (status.st_gid != 0 or status.st_mode & 0o027):
        told.append(f"its mode is {status.st_mode & 0o777:04o}: others than its owner may read or write it")
    if status.st_uid not in allowed:
        told.append(
            "its owner is neither root nor the account" if in_home else "its owner is not root: he can replace it"
        )
    if directory.st_uid not in allowed or (directory.st_mode & 0o022 and not directory.st_mode & 0o1000):
        told.append(f"{os.path.dirname(secret.path)} may be written by others: they can replace it")
    return told


def check_other_ways(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether there is another way in from a distance than the OpenSSH servers that are judged."""
    expected = "nobody gets in from a distance but through an sshd that was looked at"
    servers, strangers = sshd.servers(host)
    told = [(one.name, one.why, "processes") for one in strangers]
    told += [(name, f"{what} runs: how many factors it asks is not seen here", "processes")
             for name, what in _others(host)]  # fmt: skip
    known = {name for name, _why, _source in told}
    told += [
        (one.program, f"{one}: whether it lets anybody in is not known", "listening sockets")
        for one in unknown_listeners(host)
        if one.program not in known
    ]
    for name, why, source in told:
        yield _finding(
            "other_ways", option, name, ERROR, observed=why, expected=expected, source=source,
            remedy=f"Switch {name} off, or say how it asks for two factors, and attest to it.",
        )  # fmt: skip
    if told:
        return
    if servers:
        names = ", ".join(server.name for server in servers)
        yield _finding(
            "other_ways", option, "other ways in", PASS, proof=RUNNING, expected=expected, source="processes, sockets",
            observed=f"every program that listens is known, and only {names} lets anybody log in",
        )  # fmt: skip
    else:
        yield _finding(
            "other_ways", option, "sshd", NOT_APPLICABLE, source="processes, units and listening sockets",
            observed="no sshd runs or starts at boot, and every program that listens is known",
        )  # fmt: skip


def _others(host: Host) -> Iterator[tuple[str, str]]:
    """Programs that run and let people in from a distance, once each, and what they are."""
    seen: set[str] = set()
    for process in host.processes():
        for name in _names(process):
            if name in _OTHER_WAYS and name not in seen:
                seen.add(name)
                yield name, _OTHER_WAYS[name]
    if any(process.name == "proftpd" for process in host.processes()) and any(
        re.search(r"^\s*SFTPEngine\s+on\b", host.read(path), re.IGNORECASE | re.MULTILINE)
        for path in [*host.glob("/etc/proftpd/*.conf"), *host.glob("/etc/proftpd/conf.d/*.conf")]
    ):
        yield "proftpd", "a second SSH server (mod_sftp)"


def _names(process: Process) -> set[str]:
    """The names under which a process may be known: of its file, and of the script that an interpreter runs."""
    first = [os.path.basename(word) for word in process.argv[:2]]
    return {process.name, os.path.basename(process.exe.replace(" (deleted)", "")), *first}


CHECKS = (
    Check("ways_in", ("required_of",), check_ways_in),
    Check("classes", ("required_of",), check_classes),
    Check("automation", ("required_of",), check_automation),
    Check("secrets", ("required_of",), check_secrets),
    Check("other_ways", ("required_of",), check_other_ways),
)
