#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: statement
short_description: Check the register of a privacy statement
version_added: 0.1.0
author:
  - the privacy.hosting authors (!UNKNOWN)
description:
  - Checks the register of the play, the variables C(statement) and C(statement_waivers), against its form and against
    the inventory. All hosts of the inventory must have the same one, whatever C(--limit) says.
  - With O(path) it checks a file by itself, and names the line of each mistake.
  - With O(measure) it checks the host's variables for that measure.
  - It fails with one line for each mistake, and contacts no host.
options:
  path:
    description: Path of a file of variables that holds C(statement), and C(statement_waivers) where there are any.
    type: path
  measure:
    description: Name of a measure, whose variables C(<measure>_<option>) are checked.
    type: str
extends_documentation_fragment:
  - privacy.hosting._read_only
attributes:
  platform:
    support: full
    platforms: all
    description: Runs on the controller.
seealso:
  - module: privacy.hosting.audit
"""

EXAMPLES = r"""
# in a play on hosts: all, without gathering facts
- name: Check the register before any host is contacted
  privacy.hosting.statement:
  run_once: true
  tags: always

- name: Check a register file by itself
  privacy.hosting.statement:
    path: inventories/example/group_vars/all/statement.yml

- name: Check the options of a role
  privacy.hosting.statement:
    measure: web_log
"""

RETURN = r"""
promises:
  description: The number of promises in the register.
  returned: success, without O(measure)
  type: int
"""
