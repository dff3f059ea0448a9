#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write the compliance report of an audit
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Takes the records that M(privacy.hosting.audit) made of all hosts, and writes one page and one JSON file for each
    of them, C(index.html) and C(fleet.json). It runs on the controller and contacts no host.
  - The directory gets mode 0700 and the files 0600. The pages hold everything in themselves and request nothing.
  - They are in the language of the statement, Dutch or English, or in that of O(language).
  - A host of the play without a record becomes a row of the report with its promises unproven. Hosts of the inventory
    that the play is not about are named, and the report then says that it is partial.
  - It prints the promises with their verdicts, and fails where O(fail_on) says so, after everything is written.
options:
  run:
    description:
      - The name of the run. A V(/) in it makes directories.
      - By default the time, in UTC.
    type: str
  dest:
    description: The directory to write to. By default C(reports) and the O(run) below the working directory.
    type: path
  records:
    description:
      - The hosts' records.
      - By default what the play's hosts registered as C(__audit).
    type: list
    elements: dict
  formats:
    description:
      - Files to write besides. V(csv) is C(findings.csv), a row for each finding. V(junit) is C(junit.xml), a test
        suite for each host with a test case for each promise. V(prometheus) is C(privacy_hosting.prom).
      - They hold what the pages hold, for other programs, and no fact more.
    type: list
    elements: str
    choices: [csv, junit, prometheus]
    default: []
  language:
    description:
      - The language of the pages. Findings are in English.
      - By default that of the statement, as the register tells it.
    type: str
    choices: [en, nl]
  prometheus_file:
    description:
      - A file for the textfile collector of a node exporter, such as
        C(/var/lib/prometheus/node-exporter/privacy_hosting.prom). It is written by renaming, with mode 0644, and holds
        verdicts and times alone. A partial run leaves it as it is.
    type: path
  fail_on:
    description:
      - The verdicts for which the run fails. None at all, and it never does.
      - With V(unproven), a promise that is only planned fails from the day that its plan names.
      - V(newly_broken) is what is broken now and was not when it was last asked. That is looked up in the earlier
        reports on the same statement in O(dest) and in the directories beside it.
    type: list
    elements: str
    choices: [broken, unproven, lapsed, newly_broken]
    default: [broken, unproven, lapsed]
extends_documentation_fragment:
  - privacy.hosting._read_only
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
seealso:
  - module: privacy.hosting.audit
"""

EXAMPLES = r"""
- name: Write the report, and fail for what was not broken before
  privacy.hosting.report:
    run: nightly
    fail_on: [newly_broken]
  run_once: true
"""

RETURN = r"""
run:
  description: The name of the run.
  returned: success or failure by O(fail_on)
  type: str
dest:
  description: The directory of the report.
  returned: success or failure by O(fail_on)
  type: str
index:
  description: The page to begin with.
  returned: success or failure by O(fail_on)
  type: str
partial:
  description: Whether the run left out hosts or measures.
  returned: success or failure by O(fail_on)
  type: bool
hosts:
  description: How many hosts the report names.
  returned: success or failure by O(fail_on)
  type: int
counts:
  description: How many promises have each verdict over all hosts.
  returned: success or failure by O(fail_on)
  type: dict
"""
