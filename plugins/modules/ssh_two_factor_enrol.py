#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_two_factor_enrol
short_description: Hand a person the secret of their one-time codes
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Makes a secret and scratch codes, and shows them once on the terminal that C(ansible-playbook) runs in, as a QR code
    where the Python package C(segno) is on the controller; or writes them into a file of ansible-vault.
  - They go to the terminal itself, not into Ansible's output or log. The task needs C(no_log), since they are returned.
  - Contacts no host; M(privacy.hosting.ssh_two_factor_secret) keeps the secret there.
options:
  account:
    description: The account.
    type: str
    required: true
  issuer:
    description: What the authenticator app calls the provider.
    type: str
    default: SSH
  file:
    description: A file that is written by ansible-vault instead. One that is there already is used again.
    type: path
  handed:
    description: Whether anything is made. If not, it is only seen whether it could be handed over.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Makes and shows nothing in C(check_mode).
  diff_mode:
    support: none
    description: Shows no difference.
  platform:
    support: full
    platforms: all
    description: Runs on the controller.
seealso:
  - module: privacy.hosting.ssh_two_factor_secret
"""

EXAMPLES = r"""
- name: Hand anna her secret
  privacy.hosting.ssh_two_factor_enrol:
    account: anna
  run_once: true
  no_log: true
  register: made
"""

RETURN = r"""
secret:
  description: The secret, in base32.
  returned: success, with O(handed), not in check mode
  type: str
scratch_codes:
  description: Codes that are good once each.
  returned: success, with O(handed), not in check mode
  type: list
  elements: str
"""
