# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role mail_log changes in Dovecot, 2.3 and 2.4: a drop-in, and settings that would win over it.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .._change import Transaction, Validation
from .._host import Host
from . import postfix_log, roundcube_log
from .dovecot_dropin import MAIN, ROOT, assignments, let_it_be_read, not_in_effect, overrule, values, version
from .mail_edits import HEADER, Wanted

_OWN = "conf.d/99-privacy-hosting.conf"
_SELF = ("127.0.0.1", "::1")
_NOWHERE = "/dev/null"


@dataclass(frozen=True)
class _Language:
    """How one generation of Dovecot says it.

    elements: of the line of a login, by what shows that they are there; line: what that line is made of; delivered: the
    line of a delivery, subjects: what shows one in it; fields: where it is set what the plugin mail_log writes,
    shown_fields: how; exporter: of a line at each right login of a mail server that asks Dovecot, joint: its `and`,
    protocol: the field with that server's protocol.
    """

    elements: Mapping[str, str]
    line: tuple[str, ...]
    delivered: str
    subjects: str
    fields: str
    shown_fields: str
    exporter: str
    joint: str
    protocol: str


_LANGUAGES = {
    (2, 3): _Language(
        {r"%(u|\{user\})": "user=<%u>", r"%(r|\{rip\}|\{real_rip\})": "rip=%r"},
        ("%$", "%s"),
        "msgid=%m: %$",
        r"%(\d*)?s|%\{subject\}",
        "plugin/mail_log_fields",
        "plugin {{\n  mail_log_fields = {}\n}}\n",
        "  transport = log\n  format = json\n  format_args = time-rfc3339\n",
        "AND",
        "service",
    ),
    (2, 4): _Language(
        {r"%\{user\b": "user=<%{user}>", r"%\{(real_)?remote_ip\b": "rip=%{remote_ip}"},
        ("%{message}", "%{elements}"),
        "msgid=%{msgid}: %{message}",
        r"%\{subject\b",
        "mail_log_fields",
        "mail_log_fields = {}\n",
        "  driver = log\n  format = json\n  time_format = rfc3339\n",
        "and",
        "protocol",
    ),
}
# settings whose value is asked for; they are named alike in both generations
_ASKED = (
    "auth_verbose",
    "auth_verbose_passwords",
    "auth_debug_passwords",
    "login_log_format",
    "login_log_format_elements",
    "login_trusted_networks",
    "deliver_log_format",
    "rawlog_dir",
    "log_path",
    "info_log_path",
)


def plan(host: Host, transaction: Transaction, wanted: Wanted, root: str = ROOT) -> Iterator[str]:
    """Fill the transaction for Dovecot. Yields what an administrator must know. Raises Unseen, ChangeError."""
    main, own = f"{root}/{MAIN}", f"{root}/{_OWN}"
    if not host.has("doveconf") or host.stat(main) is None:
        return
    language = _language(host)
    if language is None:
        yield f"{main}: only Dovecot 2.3 and 2.4 are known; it was left as it is"
        return
    found = list(assignments(host, main, own))
    before = {entry.key for entry in found if entry.path == own}
    settings = _settings(host, language, wanted, before)
    if not settings and not before:
        return
    transaction.directory(os.path.dirname(own))
    lines = "".join(f"{key} = {value}".rstrip() + "\n" for key, value in settings.items())
    fields = _fields(host, language, before) if wanted.dropped else ""
    shown = language.shown_fields.format(fields) if fields else ""
    transaction.write(own, HEADER + lines + shown + _logins_of_postfix(host, language, wanted), 0o644)
    let_it_be_read(host, transaction, main, _OWN, found)
    alone = {"mail_log_fields": fields} if fields else {}
    nowhere = {"rawlog_dir": ""} if wanted.dropped else {}
    asked = {**nowhere, **alone, **settings}
    yield from overrule(transaction, found, own, asked, depths={"mail_log_fields": 1})
    transaction.validations.append(Validation(("doveconf", "-n")))
    transaction.judges.append(lambda: not_in_effect(transaction, settings))
    transaction.reloads.append("dovecot")
    if postfix_log.asks_dovecot(host):
        transaction.reloads.append("postfix")  # which otherwise goes on asking the process that was there before


# -- what it is now ---------------------------------------------------------------------------------------------------


def _language(host: Host) -> _Language | None:
    """The generation of Dovecot. Raises Unseen where its configuration has a fault already."""
    return _LANGUAGES.get(version(host))


# -- what it shall be -------------------------------------------------------------------------------------------------


def _settings(host: Host, language: _Language, wanted: Wanted, own: Collection[str]) -> dict[str, str]:
    """The settings of the drop-in. own: those that it has already, which stay: without them others would return."""
    now = values(host.run("doveconf", *_ASKED).stdout)
    found: dict[str, str] = {"auth_verbose": "yes"} if wanted.logins else {}
    if wanted.dropped:
        found.update({"auth_verbose_passwords": "no", "auth_debug_passwords": "no"})
        if re.search(language.subjects, now.get("deliver_log_format", "")) or "deliver_log_format" in own:
            found["deliver_log_format"] = language.delivered
        if now.get("rawlog_dir") or "rawlog_dir" in own:
            found["rawlog_dir"] = ""
    if wanted.logins:
        found.update(_login_line(now, language, own))
    for key, good in (("log_path", "syslog"), ("info_log_path", "")):
        if now.get(key) == _NOWHERE or key in own:
            found[key] = good
    trusted = _trusted(host, wanted, now.get("login_trusted_networks", "").split())
    if trusted:
        found["login_trusted_networks"] = " ".join(trusted)
    return found


def _login_line(now: Mapping[str, str], language: _Language, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """The format of the line of each login, where it lacks who it was or from where."""
    elements, line = now.get("login_log_format_elements", ""), now.get("login_log_format", "")
    missing = [good for form, good in language.elements.items() if not re.search(form, elements)]
    if missing or "login_log_format_elements" in own:
        yield "login_log_format_elements", " ".join([*missing, elements]).strip()
    if any(part not in line for part in language.line) or "login_log_format" in own:
        yield "login_log_format", ": ".join(language.line)


def _trusted(host: Host, wanted: Wanted, now: Collection[str]) -> list[str]:
    """Who is believed about the address of whom they log in for; nothing where nobody more than before need be."""
    needed = [*wanted.proxies]
    if "webmail" in wanted.logins and roundcube_log.connects_here(host):
        needed += [*_SELF]
    return list(dict.fromkeys([*now, *needed])) if needed else []


def _fields(host: Host, language: _Language, own: Collection[str]) -> str:
    """What the plugin mail_log may write of messages: all that it writes now but subjects. '' where it writes none."""
    shown = host.run("doveconf", language.fields).stdout
    words = re.findall(r"[\w-]+", shown.partition("=")[2]) if "{" not in shown else []
    words = words or re.findall(r"^\s+([\w-]+) = yes$", shown, re.MULTILINE)
    told = "subject" in words or "mail_log_fields" in own
    return " ".join(word for word in words if word != "subject") if told else ""


def _logins_of_postfix(host: Host, language: _Language, wanted: Wanted) -> str:
    """A line at each right login of Postfix: itself it names nobody who logs in and sends nothing."""
    if not wanted.logins & {"submission", "submissions"} or not postfix_log.asks_dovecot(host):
        return ""
    joint = f" {language.joint} "
    events = joint.join(["event=auth_request_finished", "success=yes", f"{language.protocol}=smtp"])
    return f"""# Whoever logs in to send, whether or not a message follows.
event_exporter privacy_hosting {{
{language.exporter}}}
metric privacy_hosting_logins {{
  exporter = privacy_hosting
  filter = {events}
  fields = user {language.protocol} mechanism remote_ip success
}}
"""
