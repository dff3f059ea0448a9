#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: measure_info
short_description: Hold a server against the options that promises set
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Looks at the state in effect on a server, and answers every question with findings.
  - It only reads. Nothing is installed, written, locked or restarted. A probe leaves a line in the log of the
    service that is probed, and nothing else.
  - The action M(privacy.hosting.audit) calls it and turns findings into verdicts; it is seldom called by itself.
options:
  questions:
    description: What promises ask. Each question is answered by a list of findings, in the order of the questions.
    type: list
    elements: dict
    required: true
    suboptions:
      measure:
        description: The name of a measure, such as V(log_retention).
        type: str
        required: true
      options:
        description: The options that one promise sets for it.
        type: dict
        required: true
  settings:
    description: By measure, what the inventory tells about the host, such as the proxies in front of it.
    type: dict
    default: {}
  own_sites:
    description: Names of the provider's own sites.
    type: list
    elements: str
    default: []
  probe:
    description: Whether harmless requests may be made to see how services answer and what they log.
    type: bool
    default: true
  command_seconds:
    description: The longest that one command on the server may take, in seconds.
    type: float
    default: 15
  total_seconds:
    description: The longest that all of it may take, in seconds. What was not seen by then is an error, never a pass.
    type: float
    default: 120
  sources:
    description:
      - The source files of what answers the questions, packed. The action of this name, and M(privacy.hosting.audit),
        add them; do not set it.
      - Ansible would analyse every file of every measure in each run. Like this a host gets those of the measures
        that it is asked about.
    type: str
    required: true
extends_documentation_fragment:
  - privacy.hosting._read_only
attributes:
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Python 3.9 or newer on the server.
"""

EXAMPLES = r"""
- name: Ask whether web logs are kept for two years and then destroyed
  privacy.hosting.measure_info:
    questions:
      - measure: log_retention
        options:
          web: 2 years
  register: answer
"""

RETURN = r"""
answers:
  description: For each question the findings, in the order of the questions.
  returned: always
  type: list
  elements: list
  sample:
    - - measure: log_retention
        check: rotation
        option: web
        subject: /var/log/nginx/access.log
        status: fail
        proof: configured
        expected: kept for 2 years
        observed: rotation throws away after 14 days
        source: /etc/logrotate.d/nginx:3
        remedy: set rotate to 1000
        took_s: 0.002
host:
  description: What the findings were made on.
  returned: always
  type: dict
  sample:
    os: Debian GNU/Linux 13 (trixie)
    python: 3.13.5
    root: true
    took_s: 0.41
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._received import answers

SPEC = {
    "questions": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "measure": {"type": "str", "required": True},
            "options": {"type": "dict", "required": True},
        },
    },
    "settings": {"type": "dict", "default": {}},
    "own_sites": {"type": "list", "elements": "str", "default": []},
    "probe": {"type": "bool", "default": True},
    "command_seconds": {"type": "float", "default": 15.0},
    "total_seconds": {"type": "float", "default": 120.0},
    "sources": {"type": "str", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    answered = answers(module.params)
    del module.params["sources"]  # the result would bring it back
    module.exit_json(changed=False, **answered)


if __name__ == "__main__":
    main()
