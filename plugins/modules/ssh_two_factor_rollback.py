#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_two_factor_rollback
short_description: Let a host put its SSH configuration back by itself
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Keeps what stands at some paths, and arms a timer of systemd that puts it back and reloads sshd, unless it is
    disarmed before.
  - What it put back stands in the journal of C(privacy-hosting-ssh-rollback).
options:
  state:
    description:
      - V(armed) arms it; V(disarmed) calls it off, and fails where it came first.
      - V(settled) puts back at once what a run that was cut off left armed; otherwise it does nothing.
    type: str
    choices: [armed, disarmed, settled]
    required: true
  changes:
    description: The paths and units that are about to be changed.
    type: list
    elements: str
    default: []
  after:
    description: Seconds after which it puts back.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: Arms and changes nothing in C(check_mode).
  diff_mode:
    support: none
    description: Shows no difference.
"""

EXAMPLES = r"""
- name: Arm the rollback
  privacy.hosting.ssh_two_factor_rollback:
    state: armed
    changes: [/etc/ssh/sshd_config.d/00-privacy-hosting.conf, /etc/pam.d/sshd]

- name: Call the rollback off
  privacy.hosting.ssh_two_factor_rollback:
    state: disarmed
"""

RETURN = r"""
said:
  description: What was put back, in sentences.
  returned: success
  type: list
  elements: str
  sample: [put back /etc/pam.d/sshd, sshd was reloaded]
"""

import inspect
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._changes import ssh_rollback

SPEC = {
    "state": {"type": "str", "choices": ["armed", "disarmed", "settled"], "required": True},
    "changes": {"type": "list", "elements": "str", "default": []},
    "after": {"type": "int", "default": ssh_rollback.AFTER_S},
}
_PUTTING_BACK_S = 60.0


def made(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """The module's result. Raises RollbackError."""
    if params["state"] == "settled":
        return _settled(check)
    if check:
        return {"changed": False, "said": []}
    if params["state"] == "armed":
        paths = [change for change in params["changes"] if change.startswith("/")]
        units = [change for change in params["changes"] if not change.startswith("/")]
        program = inspect.getsource(ssh_rollback).encode()
        ssh_rollback.arm(paths, units, params["after"], program=program)
    else:
        ssh_rollback.disarm()
    return {"changed": True, "said": []}


def _settled(check: bool) -> dict[str, Any]:
    """Put back what is armed still; let a rollback that has begun end."""
    if not ssh_rollback.is_pending():
        return {"changed": False, "said": []}
    if check:
        return {"changed": True, "said": ["would put back what an earlier run left armed"]}
    said = ssh_rollback.put_back()
    end = time.monotonic() + _PUTTING_BACK_S
    ssh_rollback.run(("systemctl", "stop", f"{ssh_rollback.UNIT}.timer"))
    while ssh_rollback.is_pending() and time.monotonic() < end:
        time.sleep(0.2)
    return {"changed": True, "said": said}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="ssh_two_factor needs root rights on the host: log in as root, or give --become")
    try:
        result = made(module.params, module.check_mode)
    except ssh_rollback.RollbackError as error:
        module.fail_json(msg=str(error))
    if result["said"]:
        module.warn(f"an earlier run was cut off while it changed SSH: {', '.join(result['said'])}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
