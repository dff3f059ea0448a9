# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_log: what mail servers record of logins and of messages, and what they must not record.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="logins",
        type="list",
        choices=("imap", "pop3", "submission", "submissions", "managesieve", "webmail"),
        default=["imap", "pop3", "submission", "submissions", "managesieve", "webmail"],
        stricter="union",
        help="Of which ways to log in every attempt, right or wrong, is recorded with the user, the address that it "
        "comes from and the time. submission is port 587, submissions port 465. What the host does not offer is not "
        "applicable.",
        example="[imap, submission, submissions]",
    ),
    Option(
        name="metadata",
        type="list",
        choices=("from", "to", "time", "size", "queue_id"),
        default=["from", "to", "time", "size", "queue_id"],
        stricter="union",
        help="What is recorded of every message that the host accepts, sends or delivers.",
        example="[from, to, time]",
    ),
    Option(
        name="content",
        type="choice",
        choices=("dropped", "logged"),
        default="dropped",
        stricter="first",
        help="Whether subjects, other headers' texts, bodies and passwords may stand in mail logs. A record of "
        "metadata has none of them.",
        example="dropped",
    ),
    Option(
        name="trusted_proxies",
        type="networks",
        default=[],
        judged=False,
        promisable=False,
        help="Addresses of other machines that log in for others: webmail servers and front proxies. The visitor's "
        "address is believed from these and from the host itself; none where people reach the host directly.",
        example="[192.0.2.10, 2001:db8:1::/64]",
    ),
    Option(
        name="webmails",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Names of the virtual hosts, beside the register's own_sites, with a webmail at which the audit may try "
        "to log in with a made-up user.",
        example="[webmail.example.nl]",
    ),
)

MEASURE = Measure(
    name="mail_log",
    title={"en": "What the mail server records", "nl": "Wat de mailserver vastlegt"},
    why={
        "en": "Attempts to log in show who tried to enter a mailbox, and from where; that is how a stolen password is "
        "noticed. The record says that a message was sent, and never what was in it.",
        "nl": "Inlogpogingen laten zien wie er in een mailbox probeerde te komen, en waarvandaan; zo valt een gestolen "
        "wachtwoord op. Vastgelegd wordt dat een bericht is verstuurd, en nooit wat erin stond.",
    },
    options=OPTIONS,
)
