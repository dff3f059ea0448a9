#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: Change files, links and systemd units together, or not at all
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Keeps a copy of what it will replace, writes, lets the services' own test commands judge the result, and reloads.
    When anything fails on the way, all is put back.
  - A change that was cut off, by a lost connection or power, is put back by the next one.
  - M(privacy.hosting.undo) puts a run's changes back later.
options:
  name:
    description: What the change is for; a measure's name.
    type: str
    required: true
  directories:
    description: Directories that must exist. One that exists is left as it is.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory. Its parent exists, or stands earlier in this list.
        type: path
        required: true
      mode:
        description: Permission bits, in octal.
        type: str
        default: "0755"
  files:
    description: Files with their whole content, in the order in which they are to appear.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file. A symbolic link is followed.
        type: path
        required: true
      content:
        description: All of its content.
        type: str
        required: true
      mode:
        description: Permission bits, in octal. Without it, a new file has V(0644) and an old one keeps its own.
        type: str
  links:
    description: Symbolic links.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the link stands.
        type: path
        required: true
      target:
        description: What it points to.
        type: str
        required: true
  units:
    description: Systemd units that are to be enabled and running. One that is masked is unmasked.
    type: list
    elements: str
    default: []
  validations:
    description: Commands that must succeed after the change, each as a list of words.
    type: list
    elements: list
    default: []
  reloads:
    description: Systemd units to reload after the change. One that does not run is not started.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Log with our format in Apache
  privacy.hosting.transaction:
    name: web_log
    files:
      - path: /etc/apache2/conf-available/privacy-hosting-log.conf
        content: |
          LogFormat "%v %a %t" privacy_hosting
    links:
      - path: /etc/apache2/conf-enabled/privacy-hosting-log.conf
        target: ../conf-available/privacy-hosting-log.conf
    validations:
      - [apache2ctl, configtest]
    reloads:
      - apache2
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/apache2/conf-available/privacy-hosting-log.conf]
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, Planned, Transaction, UnitState, Validation, change_host

SPEC = {
    **CHANGE_SPEC,
    "name": {"type": "str", "required": True},
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "mode": {"type": "str", "default": "0755"}},
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str"},
        },
    },
    "links": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "target": {"type": "str", "required": True}},
    },
    "units": {"type": "list", "elements": "str", "default": []},
    "validations": {"type": "list", "elements": "list", "default": []},
    "reloads": {"type": "list", "elements": "str", "default": []},
}


def plan(transaction: Transaction, params: dict[str, Any]) -> Planned:
    """Plan what the options ask for."""
    for item in params["directories"]:
        transaction.directory(item["path"], int(item["mode"], 8))
    for item in params["files"]:
        transaction.write(item["path"], item["content"], int(item["mode"], 8) if item["mode"] else None)
    for item in params["links"]:
        transaction.link(item["path"], item["target"])
    for name in params["units"]:
        transaction.unit(name, UnitState("enabled", True))
    transaction.validations += [Validation(tuple(map(str, argv))) for argv in params["validations"]]
    transaction.reloads += params["reloads"]
    return Planned()


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    change_host(module, module.params["name"], lambda transaction: plan(transaction, module.params))


if __name__ == "__main__":
    main()
