#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_backup_store
short_description: Hold another host's backups, so that it cannot delete them
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Gives a host a repository of restic on this machine, in an account whose one key adds to it and deletes nothing.
  - Installs a command that removes snapshots past their time, by when they arrived, and a timer that runs it daily.
  - It makes a repository where there is none, and never replaces or removes one.
options:
  part:
    description: What is done. V(look) only tells the account's name and what is not installed; V(host) does the rest.
    type: str
    required: true
    choices: [look, host]
  host:
    description: The name in the inventory of the host that is backed up.
    type: str
    required: true
  account:
    description: The account of that host on this machine.
    type: str
    default: ''
  public_key:
    description: The public key of that host.
    type: str
    default: ''
  password:
    description: That host's own password of the repository.
    type: str
    default: ''
  recovery_password:
    description: A password that opens the repository when that host is lost. It is not stored.
    type: str
    default: ''
  repository_id:
    description: The identity of the repository that its backups went to before.
    type: str
    default: ''
  oldest:
    description: The period after which a snapshot is removed; never where it is empty.
    type: str
    default: ''
  retention:
    description: Whether this machine removes them, for which it has a password of the repository.
    type: bool
    default: true
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Tell how this machine would hold the backups of web1
  privacy.hosting.data_backup_store:
    part: look
    host: web1
"""

RETURN = r"""
account:
  description: The account of the host on this machine.
  returned: success
  type: str
  sample: backup-web1
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/srv/privacy-hosting-backup/web1/.ssh/authorized_keys]
home:
  description: The directory of that account.
  returned: when O(part=look)
  type: str
  sample: /srv/privacy-hosting-backup/web1
host_keys:
  description: The public keys by which this machine is known.
  returned: when O(part=host)
  type: list
  elements: str
  sample: [ssh-ed25519 AAAA… root@backup1]
lacks:
  description: Packages that are not installed.
  returned: when O(part=look)
  type: list
  elements: str
  sample: [restic, rclone]
repository_id:
  description: The identity of the repository; V(absent) in check mode where it would be made.
  returned: when O(part=host)
  type: str
  sample: 0da6d0cfea145f3e80ff6150a481f480819de47fb7f427d0ec2df7a365c5bcaa
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, Planned, Transaction, change_host
from ..module_utils._changes.data_backup_store import Asked, look, plan

SPEC = {
    **CHANGE_SPEC,
    "part": {"type": "str", "required": True, "choices": ["look", "host"]},
    "host": {"type": "str", "required": True},
    "account": {"type": "str", "default": ""},
    "public_key": {"type": "str", "default": "", "no_log": False},
    "password": {"type": "str", "default": "", "no_log": True},
    "recovery_password": {"type": "str", "default": "", "no_log": True},
    "repository_id": {"type": "str", "default": ""},
    "oldest": {"type": "str", "default": ""},
    "retention": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def planned(transaction: Transaction) -> Planned:
        if params["part"] == "look":
            return look(params["host"])
        asked = Asked(
            params["host"],
            params["account"],
            params["public_key"],
            params["oldest"],
            params["retention"],
            params["repository_id"],
            params["password"],
            params["recovery_password"],
        )
        return plan(transaction, asked)

    change_host(module, f"data_backup_store_{params['part']}", planned)


if __name__ == "__main__":
    main()
