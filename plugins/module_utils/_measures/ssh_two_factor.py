# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ssh_two_factor: who logs in over SSH, or by another remote way in, needs two factors.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="required_of",
        type="choice",
        choices=("everyone", "staff"),
        default="staff",
        stricter="first",
        help="Of whom two factors are asked at a login: of staff only (root is staff), or of customers too. Two "
        "factors are two different kinds of a key, a password and a one-time code, or one FIDO2 security key that "
        "verifies its user (verify-required: possession, and a PIN or a finger). Two keys are one kind. A key and a "
        "password are two (NIST SP 800-63B-4, AAL2: something you have and something you know). A key and a code are "
        "two as well, being on two devices; NIST counts both as something you have, and a key's passphrase, which "
        "would be something you know, is seen by no server.",
        example="everyone",
    ),
    Option(
        name="methods",
        type="list",
        choices=("totp", "security_key"),
        default=["totp", "security_key"],
        judged=False,
        help="Which second factors count, and are set up: one-time codes (totp), FIDO2 security keys (security_key). "
        "With both of them a key together with a password counts too; with one of them, only a login that needs it.",
        example="[security_key]",
    ),
    Option(
        name="staff_groups",
        type="list",
        default=["sudo"],
        judged=False,
        promisable=False,
        help="Groups whose members are staff. Root is staff always. Who is staff and customer counts as staff.",
        example="[sudo, staff-ssh]",
    ),
    Option(
        name="automation_accounts",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Accounts that programs log in with, such as Ansible's own: a declared exception, by key alone. Each of "
        "their keys must be limited to the controllers (from=), and no other way in may exist. The report names them.",
        example="[debian]",
    ),
    Option(
        name="customer_groups",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Groups whose members are customers. Unless two factors are required of everyone, they log in as before. "
        "An account that can log in and is neither staff nor customer nor automation breaks the promise.",
        example="[sftp-customers]",
    ),
    Option(
        name="controllers",
        type="networks",
        default=[],
        judged=False,
        promisable=False,
        help="The addresses that automation comes from: its keys are limited to them, and sshd does not punish them "
        "for failed logins.",
        example="[192.0.2.10, 2001:db8:1::/64]",
    ),
    Option(
        name="grace_until",
        type="date",
        judged=False,
        promisable=False,
        help="Until the end of this day (UTC) a member of staff who has no second factor yet gets in with a key alone; "
        "it ends by itself. Until then the promise is broken for the accounts without a factor; they are named.",
        example="2026-01-31",
    ),
)

MEASURE = Measure(
    name="ssh_two_factor",
    title={"en": "Two factors at the login over SSH", "nl": "Twee factoren bij het inloggen over SSH"},
    why={
        "en": "A stolen password or key alone must not be enough to reach the servers on which personal data is kept.",
        "nl": "Een gestolen wachtwoord of sleutel mag niet genoeg zijn om bij servers met persoonsgegevens te komen.",
    },
    options=OPTIONS,
)
