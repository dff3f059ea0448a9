#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_encryption_unlock
short_description: Open the encrypted volume of a host after a restart
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Opens and mounts the volume that M(privacy.hosting.disk_encryption) made, and starts the servers whose data lie
    there.
  - Does nothing on a host that has no such volume, or whose volume is open.
options:
  passphrase:
    description: What opens the volume.
    type: str
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode), and then tells whether the volume would be opened.
  diff_mode:
    support: none
    description: Shows no difference.
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Needs Python 3.9 or newer, systemd and root rights on the server.
"""

EXAMPLES = r"""
- name: Open the encrypted volume
  privacy.hosting.disk_encryption_unlock:
    passphrase: "{{ vaulted_passphrase }}"
"""

RETURN = r"""
says:
  description: What was done, in lines.
  returned: success
  type: list
  elements: str
  sample: [the encrypted volume was opened, mariadb.service was started]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import ChangeError
from ..module_utils._changes.disk_volume import Volumes


def main() -> None:
    spec = {"passphrase": {"type": "str", "no_log": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="disk_encryption_unlock needs root rights on the host: log in as root, or give --become")
    try:
        says = Volumes(module.params["passphrase"] or "", module.check_mode).unlock()
    except ChangeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(says), says=says)


if __name__ == "__main__":
    main()
