# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role mail_log changes in Postfix: what writes passwords and contents, and a log that goes nowhere.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .._change import Transaction, Validation
from .._host import Host, Unseen
from .mail_edits import Wanted

ROOT = "/etc/postfix"
# from this level on, what is said within TLS is written down: RFC 4954's passwords, and messages
_WHOLE_SESSION = 4
_SHOW_HEADERS = ("header_checks", "mime_header_checks", "nested_header_checks", "smtp_header_checks")
_SHOW_BODIES = ("body_checks", "smtp_body_checks")
_SILENT = ("DUNNO", "OK", "IGNORE")  # actions that write no line
_VERBOSE = re.compile(r"(\s)-v+(?:\s+|$)")
_RULE = re.compile(r"\s*(?P<pattern>(?P<mark>[/!|%#{]).*?(?P=mark)[a-zA-Z]*|\S+)\s+(?P<action>[A-Za-z]\w*)\b")


@dataclass(frozen=True)
class _Fix:
    """A setting that may not be as it is. bad: an expression for its value; good: what is to stand there."""

    name: str
    bad: str
    good: str
    content: bool = True

    @property
    def bad_word(self) -> str:
        """The same for a value in master.cf, which ends at a blank."""
        return self.bad.replace(".+", r"\S+")


_FIXES = (
    _Fix("debug_peer_list", r".+", ""),
    *(_Fix(f"{side}_tls_loglevel", rf"[{_WHOLE_SESSION}-9]|\d\d+", "1") for side in ("smtpd", "smtp", "lmtp")),
    _Fix("maillog_file", r"/dev/null", "", content=False),
)


def plan(host: Host, transaction: Transaction, wanted: Wanted, root: str = ROOT) -> Iterator[str]:
    """Fill the transaction for Postfix. Yields what an administrator must know. Raises Unseen, ChangeError."""
    if not host.has("postconf") or host.stat(f"{root}/main.cf") is None:
        return
    values = _values(host)
    fixes = [fix for fix in _FIXES if wanted.dropped or not fix.content]
    main = text = host.read(f"{root}/main.cf")
    for fix in fixes:
        if re.fullmatch(fix.bad, values.get(fix.name, "")):
            text = set_parameter(text, fix.name, fix.good)
    services = host.read(f"{root}/master.cf")
    edited = edit_services(services, fixes, wanted.dropped)
    if text != main:
        transaction.write(f"{root}/main.cf", text)
    if edited != services:
        transaction.write(f"{root}/master.cf", edited)
    if wanted.dropped:
        yield from _shown_by_checks(host, values)
    if (text, edited) != (main, services):
        transaction.validations.append(Validation(("postfix", "check"), unless_before=True))
        transaction.reloads += [] if "postfix" in transaction.reloads else ["postfix"]


def asks_dovecot(host: Host) -> bool:
    """Whether any service of Postfix lets Dovecot judge who logs in."""
    if not host.has("postconf"):
        return False
    shown = host.run("postconf", "-n").stdout + host.run("postconf", "-P").stdout
    return re.search(r"smtpd_sasl_type ?= ?dovecot\b", shown) is not None


def _values(host: Host) -> dict[str, str]:
    """What main.cf sets. Raises Unseen where Postfix does not understand it."""
    found = (re.match(r"(\w+) =\s*(.*)", line) for line in host.run("postconf", "-n").stdout.splitlines())
    return {match[1]: match[2].strip() for match in found if match}


def set_parameter(text: str, name: str, value: str) -> str:
    """main.cf with a parameter set as `postconf -e` does it: in its place, the last where it stands more than once."""
    lines = text.split("\n")
    at = [number for number, line in enumerate(lines) if re.match(rf"{name}\s*=", line)]
    setting = f"{name} = {value}".rstrip()
    if not at:
        return f"{text.rstrip()}\n{setting}\n"
    end = at[-1] + 1
    while end < len(lines) and re.match(r"\s+\S", lines[end]):
        end += 1
    return "\n".join([*lines[: at[-1]], setting, *lines[end:]])


def edit_services(text: str, fixes: list[_Fix], dropped: bool) -> str:
    """master.cf without `-v`, which writes down whole sessions, and without overrides that may not be as they are."""
    lines = []
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            lines.append(line)
            continue
        edited = line
        for fix in fixes:
            edited = re.sub(rf"(-o\s*{fix.name}=)(?:{fix.bad_word})(?=\s|$)", rf"\g<1>{fix.good}", edited)
        if dropped and _VERBOSE.search(edited):
            edited = _VERBOSE.sub(r"\1", edited).rstrip()
        lines.append(edited)
    return "\n".join(lines)


def _shown_by_checks(host: Host, values: Mapping[str, str]) -> Iterator[str]:
    """Rules of others that write subjects, or lines of bodies, into the log."""
    for name in (*_SHOW_HEADERS, *_SHOW_BODIES):
        for path in re.findall(r"(?:regexp|pcre):\{?(/[^\s,}]+)", values.get(name, "")):
            try:
                lines = host.read(path).splitlines()
            except Unseen as unseen:
                yield f"{name}: {unseen}; whether it writes subjects into the log is not known"
                continue
            for number, line in enumerate(lines, 1):
                rule = _RULE.match(line) if not line.lstrip().startswith("#") else None
                if rule and rule["action"].upper() not in _SILENT and _shows(name, rule["pattern"]):
                    what = "subjects" if name in _SHOW_HEADERS else "lines of messages"
                    yield (
                        f"{path}:{number}: {name} writes {what} into the log ({rule['action'].upper()}); it was left "
                        "as it is, take this line away"
                    )


def _shows(name: str, pattern: str) -> bool:
    """Whether a rule may show a subject, or anything of a body."""
    body = pattern.strip()[1:].rpartition(pattern.strip()[0])[0]
    if name in _SHOW_BODIES:
        return True
    try:
        return "subject" in body.lower() or re.search(body, "Subject: x", re.IGNORECASE) is not None
    except re.error:
        return True
