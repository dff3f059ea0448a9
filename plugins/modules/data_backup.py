#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_backup
short_description: Back a host's databases and directories up with restic
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Installs a command that dumps every database, puts dumps and directories into a repository of restic, checks the
    repository, and tries to restore it into throwaway servers; and systemd timers that run it.
  - Nothing is ever removed from a repository.
options:
  part:
    description:
      - What is done. V(look) only sees that the options are right, and tells what is not installed; V(keys) makes the
        host's own password and key; V(host) installs programs and timers; V(first) runs what never ran well.
    type: str
    required: true
    choices: [look, keys, host, first]
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  interval:
    description: How often a backup is made, such as V(1 day).
    type: str
    default: 1 day
  checked:
    description: How long ago the last check of the repository may be.
    type: str
    default: 1 week
  restored:
    description: How long ago the last restore test may be.
    type: str
    default: 1 month
  directories:
    description: Directories whose files are backed up beside the databases.
    type: list
    elements: str
    default: []
  left_out:
    description: Paths below them, as patterns, and databases, as V(kind/name), that are not.
    type: list
    elements: str
    default: []
  store:
    description: The machine of one's own that holds the repository, by its name in the inventory.
    type: str
    default: ''
  address:
    description: The address by which the host reaches it.
    type: str
    default: ''
  port:
    description: The port of SSH there.
    type: int
    default: 22
  account:
    description: The host's account there.
    type: str
    default: ''
  host_keys:
    description: The public keys by which that machine is known.
    type: list
    elements: str
    default: []
  repository_id:
    description: The identity of the repository that was made there.
    type: str
    default: ''
  repository:
    description: The repository, where it is in a bucket of S3.
    type: str
    default: ''
  recovery_password:
    description: A password that opens the repository when the host is lost. It is not stored on the host.
    type: str
    default: ''
  s3_key_id:
    description: The access key of the bucket.
    type: str
    default: ''
  s3_secret:
    description: The secret of that access key.
    type: str
    default: ''
  wait:
    description: How many seconds V(first) waits for what it started.
    type: int
    default: 180
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: See that the options are right
  privacy.hosting.data_backup:
    part: look
    host: web1
    store: backup1
    recovery_password: "{{ vault_recovery_password }}"
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/privacy-hosting/data_backup/settings.json]
lacks:
  description: Packages that are not installed.
  returned: when O(part=look)
  type: list
  elements: str
  sample: [restic]
made:
  description: What was made in the repository, or would be in check mode.
  returned: when O(part=host)
  type: list
  elements: str
  sample: [a repository]
password:
  description: The host's own password of the repository.
  returned: when O(part=keys)
  type: str
  sample: a secret
public_key:
  description: The host's public key at its store.
  returned: when O(part=keys)
  type: str
  sample: ssh-ed25519 AAAA… backup of web1
repository_id:
  description: The identity of the repository that its backups went to before.
  returned: when O(part=keys)
  type: str
  sample: 0da6d0cfea145f3e80ff6150a481f480819de47fb7f427d0ec2df7a365c5bcaa
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
started:
  description: The units that were started, or would be in check mode.
  returned: when O(part=first)
  type: list
  elements: str
  sample: [privacy-hosting-data-backup]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, Planned, Transaction, change_host
from ..module_utils._changes.data_backup import Asked, look, plan_first, plan_host, plan_keys

SPEC = {
    **CHANGE_SPEC,
    "part": {"type": "str", "required": True, "choices": ["look", "keys", "host", "first"]},
    "host": {"type": "str", "required": True},
    "interval": {"type": "str", "default": "1 day"},
    "checked": {"type": "str", "default": "1 week"},
    "restored": {"type": "str", "default": "1 month"},
    "directories": {"type": "list", "elements": "str", "default": []},
    "left_out": {"type": "list", "elements": "str", "default": []},
    "store": {"type": "str", "default": ""},
    "address": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 22},
    "account": {"type": "str", "default": ""},
    "host_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "repository_id": {"type": "str", "default": ""},
    "repository": {"type": "str", "default": ""},
    "recovery_password": {"type": "str", "default": "", "no_log": True},
    "s3_key_id": {"type": "str", "default": ""},
    "s3_secret": {"type": "str", "default": "", "no_log": True},
    "wait": {"type": "int", "default": 180},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = {name: value for name, value in module.params.items() if name not in CHANGE_SPEC}
    part, wait = params.pop("part"), params.pop("wait")
    asked = Asked(
        recovery=params.pop("recovery_password"),
        identity=params.pop("repository_id"),
        **params,
    )

    def planned(transaction: Transaction) -> Planned:
        if part == "look":
            return look(asked)
        if part == "keys":
            return plan_keys(transaction, asked)
        if part == "host":
            return plan_host(transaction, asked)
        return plan_first(transaction, wait)

    change_host(module, f"data_backup_{part}", planned)


if __name__ == "__main__":
    main()
