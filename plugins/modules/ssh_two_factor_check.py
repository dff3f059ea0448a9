#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_two_factor_check
short_description: See whether people can be asked for a second factor over SSH, or are
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Fails, with one line, where asking for a second factor would lock somebody out, or where it is not asked for.
  - Changes nothing.
options:
  of:
    description:
      - V(clock) is right, where anybody is asked for one-time codes.
      - V(connection), the one that Ansible uses, could be made again; and sshd has loaded its files as they are.
      - V(people) each have a second factor and a key, or time until O(grace_until).
      - V(effect), as sshd tells it, is that people are asked; and Ansible has logged in anew, if O(since) is given.
    type: str
    choices: [clock, connection, people, effect]
    required: true
  controller_time:
    description: The time on the controller, in UTC, such as V(2026-01-31T12:00:00Z).
    type: str
  over_ssh:
    description: Whether Ansible's connection is one of SSH.
    type: bool
    default: true
  since:
    description: Seconds after the boot; Ansible must have logged in later.
    type: float
extends_documentation_fragment:
  - privacy.hosting._ssh_two_factor
  - privacy.hosting._read_only
"""

EXAMPLES = r"""
- name: See that everybody has a second factor
  privacy.hosting.ssh_two_factor_check:
    of: people
    staff_groups: [staff]
"""

RETURN = r"""
codes:
  description: Whether anybody is asked for one-time codes.
  returned: success
  type: bool
  sample: true
pam_module:
  description: Whether the PAM module of one-time codes is installed.
  returned: success
  type: bool
  sample: true
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import LIMITS, ChangeError, call
from ..module_utils._changes import ssh_check
from ..module_utils._changes.ssh_people import People, Rules, Sshd, has_pam_module, people
from ..module_utils._changes.ssh_rules import RULES_SPEC, rules_of
from ..module_utils._changes.ssh_two_factor import refuse_unready
from ..module_utils._host import Host, Unseen

SPEC = {
    **RULES_SPEC,
    "of": {"type": "str", "choices": ["clock", "connection", "people", "effect"], "required": True},
    "controller_time": {"type": "str"},
    "over_ssh": {"type": "bool", "default": True},
    "since": {"type": "float"},
}


def checked(params: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The module's result, and what a run would stop at where it is only to be told. Raises ChangeError and Unseen."""
    rules, host, sshd = rules_of(params), Host(LIMITS), Sshd(call)
    found = people(host, rules, sshd)
    codes = found.uses_codes(rules)
    stops = ""
    try:
        _check(params, rules, host, sshd, found, codes)
    except ChangeError as error:
        if not params["only_tell"]:
            raise
        stops = str(error)
    return {"changed": False, "codes": codes, "pam_module": has_pam_module()}, stops


def _check(params: dict[str, Any], rules: Rules, host: Host, sshd: Sshd, found: People, codes: bool) -> None:
    if params["of"] == "clock" and codes:
        ssh_check.clock(call, host.now, params["controller_time"])
    elif params["of"] == "connection":
        ssh_check.loaded(host)
        if params["over_ssh"]:
            ssh_check.connection(rules)
    elif params["of"] == "people":
        refuse_unready(rules, found, host.now)
    elif params["of"] == "effect":
        ssh_check.effect(rules, found, sshd, params["since"])


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="ssh_two_factor needs root rights on the host: log in as root, or give --become")
    try:
        result, stops = checked(module.params)
    except (ChangeError, Unseen) as error:
        module.fail_json(msg=str(error))
    if stops:
        module.warn(f"without --check, this would stop here: {stops}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
