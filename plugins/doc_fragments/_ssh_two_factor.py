# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of whom two factors are asked over SSH: what the modules of ssh_two_factor have in common.

PRIVATE to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  required_of:
    description: Of whom two factors are asked.
    type: str
    choices: [everyone, staff]
    default: staff
  methods:
    description: Which second factors count.
    type: list
    elements: str
    choices: [totp, security_key]
    default: [totp, security_key]
  staff_groups:
    description: Groups whose members are staff.
    type: list
    elements: str
    default: [sudo]
  automation_accounts:
    description: Accounts that programs log in with, by key alone.
    type: list
    elements: str
    default: []
  customer_groups:
    description: Groups whose members are customers.
    type: list
    elements: str
    default: []
  controllers:
    description: Addresses or networks that automation comes from.
    type: list
    elements: str
    default: []
  only_tell:
    description: Whether a warning tells where a run would stop, as a dry run should, instead of a failure.
    type: bool
    default: false
  grace_until:
    description: The last day (UTC) on which people without a second factor get in with a key alone.
    type: str
"""
