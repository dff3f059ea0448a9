# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: customer_password
short_description: Make a strong password for a customer
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Draws a password from the system's random numbers. The role P(privacy.hosting.password_policy#role) has it taken.
  - Each character is one of 56 with the same chance. They are letters and digits without C(0), C(1), C(I), C(O), C(l),
    C(o), which look alike. That is log2(56), or 5.8, bits a character, and 92.9 bits in 16 characters.
  - Nothing is stored, and each call makes another password. Hand it to the customer over an encrypted connection, once.
options:
  _terms:
    description: For whom; as many passwords as names. Without any, one.
    type: list
    elements: str
  length:
    description: How many characters the password has.
    type: int
    default: 16
"""

EXAMPLES = r"""
- name: Make an account with a password that nobody else has
  ansible.builtin.set_fact:
    mailbox_password: "{{ lookup('privacy.hosting.customer_password') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The passwords.
  type: list
  elements: str
"""

import math
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

ALPHABET = "".join(letter for letter in string.ascii_letters + string.digits if letter not in "01IOlo")
SHORTEST = 15  # characters: what NIST SP 800-63B-4, 3.1.1.2 asks of a password that lets somebody in alone


def bits(length: int) -> float:
    """The entropy of a password of so many characters, in bits."""
    return length * math.log2(len(ALPHABET))


class LookupModule(LookupBase):
    """Makes passwords."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        """One password for each term, one where there is none."""
        self.set_options(var_options=variables, direct=options)
        length = self.get_option("length")
        if length < SHORTEST:
            raise AnsibleError(f"customer_password: length is {length}; a strong password has {SHORTEST} or more")
        return ["".join(secrets.choice(ALPHABET) for _letter in range(length)) for _term in terms or [""]]
