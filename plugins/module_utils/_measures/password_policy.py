# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""password_policy: weak passwords are refused where they are set, and those that are kept are hashed well.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="length",
        type="choice",
        choices=("20", "16", "15", "12", "10", "8"),
        default="15",
        stricter="first",
        help="How many characters a new password has at least, also one that root sets. NIST SP 800-63B-4, 3.1.1.2 "
        "asks for 15 where a password alone lets somebody in, and for 8 where a second factor is asked as well.",
        example='"15"',
    ),
    Option(
        name="blocklist",
        type="bool",
        default=True,
        stricter="true",
        help="Whether common passwords, dictionary words, the account's name and the words below are refused, however "
        "long they are made (NIST SP 800-63B-4, 3.1.1.2).",
        example="true",
    ),
    Option(
        name="free_choice",
        type="bool",
        default=True,
        stricter="true",
        help="Whether a long password is taken without a rule on kinds of characters, and need not be changed after a "
        "time: such rules lead to weaker ones (NIST SP 800-63B-4, 3.1.1.2 forbids them; CIS asks for them).",
        example="true",
    ),
    Option(
        name="hashes",
        type="choice",
        choices=("memory_hard", "adaptive", "salted"),
        default="memory_hard",
        stricter="first",
        help="How the passwords of accounts may be hashed: memory_hard is yescrypt, gost-yescrypt and scrypt; adaptive "
        "is bcrypt with a cost of 10 or more as well; salted is SHA-256 and SHA-512 crypt as well. An empty password, "
        "one hash of two accounts, and a hash that everybody can read never do.",
        example="memory_hard",
    ),
    Option(
        name="words",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Words that people here would build a password of, such as the company's name: a password that holds one "
        "is refused. Each has four letters at least.",
        example="[voorbeeld]",
    ),
)

MEASURE = Measure(
    name="password_policy",
    title={"en": "Strong passwords on the servers", "nl": "Sterke wachtwoorden op de servers"},
    why={
        "en": "A password that can be guessed opens the servers on which personal data is kept, and a badly hashed one "
        "is found within hours once a copy leaks.",
        "nl": "Een wachtwoord dat te raden is, opent de servers waarop persoonsgegevens staan; en een slecht "
        "versleuteld wachtwoord is binnen uren gevonden zodra een kopie uitlekt.",
    },
    options=OPTIONS,
)
