#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_two_factor
short_description: Ask people for a second factor over SSH
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Writes a drop-in of sshd that asks members of some groups for a key and a one-time code, or for a security key that
    verifies its user; the lines of PAM that ask for the code; and limits the keys of programs to their addresses.
  - Customers log in as before. What C(sshd -t) and C(sshd -T) do not confirm for every class of accounts is put back.
  - It refuses, and names them, where accounts would be locked out. The role M(privacy.hosting.ssh_two_factor) goes with
    it arms a rollback first, and logs in anew afterwards.
options:
  step:
    description:
      - V(require) asks for the second factor.
      - V(exempt) only lets sshd not punish the O(controllers) for failed logins, which Debian 13's does.
    type: str
    choices: [exempt, require]
    default: require
extends_documentation_fragment:
  - privacy.hosting._ssh_two_factor
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Ask staff for a second factor
  privacy.hosting.ssh_two_factor:
    staff_groups: [staff]
    automation_accounts: [debian]
    controllers: [192.0.2.10]
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/00-privacy-hosting.conf, /etc/pam.d/sshd]
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
since:
  description: Seconds after the boot at which the change was complete.
  returned: success, with O(step=require)
  type: float
  sample: 1234.5
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, LIMITS, Planned, Transaction, change_host
from ..module_utils._changes.ssh_rules import RULES_SPEC, rules_of
from ..module_utils._changes.ssh_two_factor import plan_exempt, plan_require
from ..module_utils._host import Host

SPEC = {
    **CHANGE_SPEC,
    **RULES_SPEC,
    "step": {"type": "str", "choices": ["exempt", "require"], "default": "require"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)

    def planned(transaction: Transaction) -> Planned:
        host, rules = Host(LIMITS), rules_of(module.params)
        if module.params["step"] == "exempt":
            return plan_exempt(host, transaction, rules)
        return plan_require(host, transaction, rules, module.params["only_tell"])

    change_host(module, "ssh_two_factor", planned)


if __name__ == "__main__":
    main()
