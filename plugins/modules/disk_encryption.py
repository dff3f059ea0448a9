#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_encryption
short_description: Move databases to an encrypted device
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Encrypts a named device with LUKS2, after it has proven that nothing is on it, and moves the data of database
    servers there. A server is stopped while its data are copied and compared; whatever fails puts it back up where it
    was.
  - Servers do not start without the volume, which somebody opens after each restart of the host, with
    M(privacy.hosting.disk_encryption_unlock), or tang servers do.
  - What it does cannot be undone by M(privacy.hosting.undo).
options:
  step:
    description:
      - V(volume) makes the volume, opens it, and writes its header where the controller can fetch it.
      - V(data) moves data there, has swap encrypted, and removes old copies.
    type: str
    choices: [volume, data]
    required: true
  device:
    description:
      - Serial number, WWN or name below C(/dev/disk/by-id) of the empty device. Without it no device is touched.
    type: str
    default: ""
  servers:
    description: Which database servers' data are moved.
    type: list
    elements: str
    choices: [all, postgresql, mariadb, redis]
    default: []
  covers:
    description: Which parts of them are moved, besides their data directories.
    type: list
    elements: str
    choices: [data, logs, temporary, dumps, swap]
    default: [data, logs, temporary, dumps, swap]
  dump_paths:
    description: Directories with dumps of databases, which are moved too.
    type: list
    elements: str
    default: []
  unlock:
    description:
      - Who opens the volume after a restart. V(tang) binds it to O(tang_servers), and V(operator) ends that; the
        passphrase opens it in any case.
    type: str
    choices: [operator, tang]
    default: operator
  tang_servers:
    description:
      - Address and thumbprint (SHA-256) of each tang server, with a space between. Any one of them opens the volume.
      - All of them must answer when it is bound.
    type: list
    elements: str
    default: []
  swap:
    description: What is done with swap that is not encrypted.
    type: str
    choices: [encrypt, 'off', leave]
    default: leave
  old_copy:
    description: What is done with the directories that were copied. Only a later run removes them.
    type: str
    choices: [keep, remove]
    default: keep
  passphrase:
    description: What opens the volume; one line of 16 characters or more.
    type: str
  run:
    description: The name of the run, a time in UTC such as V(2026-01-31T12:00:00Z).
    type: str
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode), tells what would be done, and touches nothing.
  diff_mode:
    support: full
    description: Shows what is done, a line for each step.
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Needs Python 3.9 or newer, systemd and root rights on the server.
"""

EXAMPLES = r"""
- name: Make the encrypted volume
  privacy.hosting.disk_encryption:
    step: volume
    device: /dev/disk/by-id/virtio-databases
    servers: [all]
    passphrase: "{{ vaulted_passphrase }}"

- name: Move the databases there
  privacy.hosting.disk_encryption:
    step: data
    device: /dev/disk/by-id/virtio-databases
    servers: [all]
"""

RETURN = r"""
changes:
  description: What was done, or would be in check mode, in lines.
  returned: success
  type: list
  elements: str
  sample: ["MariaDB: /var/lib/mysql moves to the encrypted volume, and stays as /var/lib/mysql.unencrypted"]
packages:
  description: Packages that the host lacks; nothing was done without them.
  returned: success
  type: list
  elements: str
  sample: [cryptsetup-bin]
header:
  description:
    - SHA-256 of the volume's header, which lies in C(/run/privacy-hosting-luks-header) until the step V(data) removes
      it; empty without a volume.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import ChangeError
from ..module_utils._changes.disk_encryption import DATA, LIMITS, VOLUME, Encryption, Rules
from ..module_utils._changes.disk_move import MoveError
from ..module_utils._host import Host, Unseen

SPEC = {
    "step": {"type": "str", "choices": [VOLUME, DATA], "required": True},
    "device": {"type": "str", "default": ""},
    "servers": {
        "type": "list", "elements": "str", "choices": ["all", "postgresql", "mariadb", "redis"], "default": [],
    },
    "covers": {
        "type": "list", "elements": "str", "choices": ["data", "logs", "temporary", "dumps", "swap"],
        "default": ["data", "logs", "temporary", "dumps", "swap"],
    },
    "dump_paths": {"type": "list", "elements": "str", "default": []},
    "unlock": {"type": "str", "choices": ["operator", "tang"], "default": "operator"},
    "tang_servers": {"type": "list", "elements": "str", "default": []},
    "swap": {"type": "str", "choices": ["encrypt", "off", "leave"], "default": "leave"},
    "old_copy": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
    "passphrase": {"type": "str", "no_log": True},
    "run": {"type": "str"},
}  # fmt: skip


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="disk_encryption needs root rights on the host: log in as root, or give --become")
    given = {name: module.params[name] for name in SPEC if name not in ("step", "passphrase", "run")}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    rules = Rules(**given, passphrase=module.params["passphrase"] or "", run=module.params["run"] or "")
    encryption = Encryption(Host(LIMITS), rules, module.check_mode)
    try:
        done = encryption.volume() if module.params["step"] == VOLUME else encryption.data()
    except (ChangeError, MoveError, Unseen, OSError) as error:
        module.fail_json(msg=str(error))
    for line in done.warnings:
        module.warn(line)
    result = {"changed": bool(done.lines), "changes": done.lines, "packages": done.packages, "header": done.header}
    if module._diff and done.lines:
        result["diff"] = {"prepared": "".join(f"{line}\n" for line in done.lines)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
