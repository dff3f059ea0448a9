#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: password_policy
short_description: Have weak new passwords refused, and good ones hashed well
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Sets what C(pam_pwquality) refuses, for root too, by a drop-in, and corrects the lines that would count more.
  - Has new passwords hashed with yescrypt where a method is set that does not do.
  - The password of nobody is changed. A warning names the accounts that need a new one.
options:
  part:
    description: V(packages) only tells whether a package is missing; V(settings) does the rest.
    type: str
    choices: [packages, settings]
    default: settings
  length:
    description: How many characters a new password has at least. One that is asked already and is longer stays.
    type: int
    default: 15
  blocklist:
    description: Whether passwords are refused that hold common words, the account's name or one of O(words).
    type: bool
    default: true
  free_choice:
    description: Whether rules on kinds of characters, and on changing passwords after a time, are taken away.
    type: bool
    default: true
  hashes:
    description: What hashes will do.
    type: str
    choices: [memory_hard, adaptive, salted]
    default: memory_hard
  words:
    description: Words that no password may hold, of four characters at least.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Refuse weak passwords
  privacy.hosting.password_policy:
    length: 15
    words: [voorbeeld]
"""

RETURN = r"""
changes:
  description: The paths that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/security/pwquality.conf.d/99-privacy-hosting.conf]
needs_pwquality:
  description: Whether C(pam_pwquality) or its dictionary is missing.
  returned: with O(part=packages)
  type: bool
  sample: false
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, LIMITS, Planned, Transaction, change_host
from ..module_utils._changes.password_policy import Wanted, can_judge, plan
from ..module_utils._host import Host
from ..module_utils._services.password_hashes import ENOUGH

SPEC = {
    **CHANGE_SPEC,
    "part": {"type": "str", "choices": ["packages", "settings"], "default": "settings"},
    "length": {"type": "int", "default": 15},
    "blocklist": {"type": "bool", "default": True},
    "free_choice": {"type": "bool", "default": True},
    "hashes": {"type": "str", "choices": ["memory_hard", "adaptive", "salted"], "default": "memory_hard"},
    "words": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def planned(transaction: Transaction) -> Planned:
        if params["part"] == "packages":
            return Planned({"needs_pwquality": not can_judge(Host(LIMITS))})
        wanted = Wanted(
            length=params["length"],
            blocklist=params["blocklist"],
            free_choice=params["free_choice"],
            hashes=ENOUGH[params["hashes"]],
            words=tuple(params["words"]),
        )
        return plan(Host(LIMITS), transaction, wanted)

    change_host(module, "password_policy", planned)


if __name__ == "__main__":
    main()
