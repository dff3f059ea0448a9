# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: mailboxes and outgoing mail that programs on other machines log in to.

A door is encrypted only where it speaks TLS from the first byte, or lets nobody log in and hand in anything before
STARTTLS. Port 25 is where strangers' servers bring mail for the provider's own domains; RFC 3207, section 4, forbids
a public one to insist on TLS. So mail for its own domains may come in plain there, and nothing else.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from .._finding import ERROR, NOT_APPLICABLE, Finding
from .._host import Host, Unseen
from .._measure import Question
from .._services import dovecot as dovecots
from .._services import postfix as postfixes
from .._services.dovecot import Dovecot
from .._services.listeners import unknown_listeners
from .._services.mail import strangers, unjudged
from .._services.postfix import Postfix
from ._links_mail import finding, some, unclear

MAILBOXES = ("imap", "pop3", "managesieve")
RELAY = "relay"
_DOORS = "listening sockets, doveconf and postconf"
# programs that take the place of a mail server, and only send
_SENDERS = ("msmtp", "ssmtp", "esmtp", "nullmailer-sendmail", "dma", "opensmtpd", "exim4", "exim", "masqmail", "xmail")


def check_mail_doors(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether IMAP, POP3 and ManageSieve let programs on other machines in by TLS alone."""
    kinds = [kind for kind in question.asked[option] if kind in MAILBOXES]
    if not kinds:
        return
    server = _found(host, dovecots.find)
    given: list[Finding] = []
    for kind in kinds:
        told: list[Finding] = []
        if isinstance(server, Dovecot):
            from .encrypted_links_mailboxes import doors, inner_doors  # most hosts have none

            told += doors(host, question, option, "mail_doors", server, kind)
            told += inner_doors(host, question, option, server, kind) if kind == kinds[0] else ()
        told += _unknown(host, question, option, "mail_doors", kind, (kind,))
        given += told or [_absent("mail_doors", option, kind)]
    yield from given


def _found(host: Host, find: object) -> object:
    """A server, or None where there is none or none that can be looked at; strangers() says why."""
    try:
        return find(host)  # type: ignore[operator]
    except Unseen:
        return None


def _absent(check: str, option: str, kind: str) -> Finding:
    return finding(
        check, option, kind, NOT_APPLICABLE, expected="", source=_DOORS,
        observed=f"no server of {kind} listens to more than the host itself, and nothing else there greets as one",
    )  # fmt: skip


def _unknown(
    host: Host, question: Question, option: str, check: str, kind: str, protocols: Sequence[str]
) -> Iterator[Finding]:
    """What may be of the kind, and cannot be judged."""
    nameless = {str(one) for one in unknown_listeners(host)}
    told = [one for one in strangers(host) if not one.protocols or set(protocols) & set(one.protocols)]
    why = [one.why for one in told if one.why not in nameless]
    if nameless:
        from .._services.mail_greeting import unasked

        why += unasked(host, question.probe)
    if why:
        yield finding(
            check, option, f"{kind}: other programs", ERROR, observed=some(why), source="processes and sockets",
            remedy="Say what they are for, and attest to their encrypted connections.",
        )  # fmt: skip


def check_submission(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether mail is handed in by TLS alone, but for what strangers' servers bring to port 25."""
    if "submission" not in question.asked[option]:
        return
    told: list[Finding] = []
    server, sender = _found(host, dovecots.find), _found(host, postfixes.find)
    if isinstance(server, Dovecot):
        from .encrypted_links_mailboxes import doors

        told += doors(host, question, option, "submission", server, "submission")
    if isinstance(sender, Postfix):
        from .encrypted_links_submission import of_postfix

        told += of_postfix(host, question, option, sender)
    told += _unknown(host, question, option, "submission", "submission", ("submission", "submissions", "relay"))
    yield from told or [_absent("submission", option, "submission")]


def check_relay(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether mail is handed to other machines by TLS alone, and to whom it is meant to."""
    if RELAY not in question.settings["sends"]:
        return
    told: list[Finding] = []
    for stranger in unjudged(host):
        told.append(unclear(option, f"{RELAY}: {stranger.name}", stranger.why, "processes and units"))
    sender, server = _found(host, postfixes.find), _found(host, dovecots.find)
    if isinstance(sender, Postfix):
        from .encrypted_links_relay import handed_on

        told += handed_on(host, question, option, sender)
    elif not told:
        told += _of_others(host, option)
    if isinstance(server, Dovecot):
        from .._services.dovecot_peers import peers
        from .encrypted_links_relay import asked

        told += [asked(host, question, option, server, peer) for peer in peers(host, server)]
    yield from told or [_nothing_sent(option)]


def _nothing_sent(option: str) -> Finding:
    return finding(
        "relay", option, RELAY, NOT_APPLICABLE, expected="", source="processes, units and /usr/sbin/sendmail",
        observed="no mail server runs or starts at boot, and no program that sends mail in its place was found",
    )  # fmt: skip


def _of_others(host: Host, option: str) -> Iterator[Finding]:
    """Programs that only send, where no Postfix runs."""
    for path in ("/usr/sbin/sendmail", "/usr/lib/sendmail"):
        name = os.path.basename(host.real(path))
        if host.stat(path) is not None and name in _SENDERS:
            why = f"{name} sends mail in a mail server's place; how, is not judged"
            yield unclear(option, f"{RELAY}: {name}", why, path)
            return
