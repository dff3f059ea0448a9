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
  - With O(text) it holds the register against the published text as well. It fails where the text was changed, where a
    sentence binds and no promise points to it, and where a promise's sentence is gone.
  - With O(draft) it makes a first draft of a register out of a text instead.
  - It fails with one line for each mistake, and contacts no host.
options:
  path:
    description: Path of a file of variables that holds C(statement), and C(statement_waivers) where there are any.
    type: path
  measure:
    description: Name of a measure, whose variables C(<measure>_<option>) are checked.
    type: str
  text:
    description:
      - Path of the published text on the controller, plain text or HTML, in Dutch or English.
      - HTML needs BeautifulSoup (C(pip install beautifulsoup4)) in the controller's Python.
    type: path
    version_added: 0.2.0
  draft:
    description: Path to write a first draft of a register of O(text) to. A file that is there is not overwritten.
    type: path
    version_added: 0.2.0
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

- name: Hold it against the published text
  privacy.hosting.statement:
    path: inventories/example/group_vars/all/statement.yml
    text: statement.html

- name: Make a first draft
  privacy.hosting.statement:
    text: statement.html
    draft: statement.yml

- name: Check the options of a role
  privacy.hosting.statement:
    measure: web_log
"""

RETURN = r"""
promises:
  description: The number of promises in the register, or in the draft.
  returned: success, without O(measure)
  type: int
undecided:
  description: The number of places that the draft leaves to be decided.
  returned: with O(draft)
  type: int
left_out:
  description: What of an HTML page was not read as its text, such as its navigation.
  returned: with O(text)
  type: str
sentences:
  description: The sentences of the text.
  returned: success, with O(text), without O(draft)
  type: list
  elements: dict
  contains:
    where:
      description: The place, as a promise's C(where) has it.
      type: dict
    fingerprint:
      description: For the promise's C(where), so that a changed sentence is noticed.
      type: str
    binding:
      description: What the sentence binds its author to, as kinds of phrases; none where it does not bind.
      type: list
      elements: str
    promises:
      description: The promises that point to it.
      type: list
      elements: str
"""
