#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Hold a host against the promises of a privacy statement
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Asks the host, in one call of M(privacy.hosting.measure_info), what the promises of the register need to know,
    and gives every promise that applies to it a verdict.
  - It changes nothing on the host and does the same in check mode.
  - A host that cannot be reached or judged does not fail. Its promises are unproven, with the reason as the finding.
  - The register is the variable C(statement), the waivers are C(statement_waivers).
options:
  probe:
    description:
      - Whether harmless requests may be made on the host to see how its services answer and what they log.
      - Without them the proof is weaker, and the findings say so.
    type: bool
    default: true
  command_seconds:
    description: The longest that one command on the host may take, in seconds.
    type: float
    default: 15
  total_seconds:
    description: The longest that the audit of the host may take, in seconds. What was not seen by then is unproven.
    type: float
    default: 120
extends_documentation_fragment:
  - privacy.hosting._read_only
attributes:
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Python 3.9 or newer on the host.
seealso:
  - module: privacy.hosting.report
  - module: privacy.hosting.measure_info
"""

EXAMPLES = r"""
- name: Hold the host against its promises
  privacy.hosting.audit:
  register: __audit
"""

RETURN = r"""
record:
  description: The host's verdicts with their evidence, in the form of the published schema of a host's report.
  returned: success
  type: dict
"""
