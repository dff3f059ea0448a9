#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
short_description: Put back what the last hardening of a server changed
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Puts the files back that the last run of hardening replaced, removes those that it made, and gives systemd units
    their former state; lets the services' own test commands judge the result, and reloads them.
  - What somebody changed since is left as it is, and named.
  - A second call finds nothing left to put back of that run. It never goes further back by itself; name an earlier run
    for that.
  - Data that was destroyed because its time was over does not come back.
options:
  run:
    description: The run to put back, as O(ignore:earlier) names them; V(last) is the last one that changed the server.
    type: str
    default: last
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode), tells what would be changed, and touches nothing.
  diff_mode:
    support: full
    description: Shows the lines that change in files that are there, new files, and systemd units.
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Needs Python 3.9 or newer, systemd and root rights on the server.
"""

EXAMPLES = r"""
- name: Put back what the last run changed
  privacy.hosting.undo:

- name: Put an earlier run back
  privacy.hosting.undo:
    run: 2026-01-31T12:00:00Z
"""

RETURN = r"""
changes:
  description: The paths and units that were put back, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/logrotate.d/nginx]
left:
  description: The paths and units that were left as they are, since somebody changed them after the run.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf]
run:
  description: The run that was put back; empty where no run has changed the server.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
earlier:
  description: Runs before it that changed the server, the last one first.
  returned: success
  type: list
  elements: str
  sample: ["2026-01-30T12:00:00Z"]
says:
  description: What was done, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["Put back what the run of 2026-01-31T12:00:00Z changed:", "- /etc/logrotate.d/nginx"]
"""

import contextlib
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import ChangeError, Undone, exit_told, plan_undo

# what an administrator must know once a measure's changes are gone
AFTERWARDS = {
    "log_retention": "The former rotation of logs applies again; it may throw web logs away before their time.",
    "ssh_two_factor": "SSH asks nobody for a second factor any more; the secrets in "
    "/var/lib/privacy-hosting/two-factor stay, and count again once harden has run.",
    "web_tls": (
        "Sites answer over plain http again where they did; certificates stay in /etc/letsencrypt, and browsers that "
        "were told to stay at https still do."
    ),
    "web_log": "Web logs are written in their former format again; they may lack what the statement promises.",
}


def sentences(undone: Undone) -> list[str]:
    """What undo does, for an administrator."""
    transaction, earlier = undone.transaction, undone.earlier
    said = [transaction.told_recovery] if transaction.recovered else []
    if not undone.run:
        return [*said, "No run of hardening has changed this host; there is nothing to put back."]
    if transaction.changed:
        done = "Would put back" if transaction.check else "Put back"
        said += [f"{done} what the run of {undone.run} changed:", *(f"- {change}" for change in transaction.changes)]
        said += [AFTERWARDS[name] for name in undone.names if name in AFTERWARDS]
    else:
        said.append(f"Nothing is left to put back of the run of {undone.run}.")
        if earlier:
            said.append(f"The run before it was {earlier[0]}; -e undo_run={earlier[0]} puts that one back.")
    if undone.left:
        said.append(f"Left as they are, because somebody changed them since: {', '.join(undone.left)}")
    return said


def undo(wanted: str, check: bool) -> dict[str, Any]:
    """Put a run back; the module's result. Raises ChangeError."""
    undone = plan_undo(wanted, check)
    with contextlib.closing(undone.transaction):
        return _made(undone)


def _made(undone: Undone) -> dict[str, Any]:
    result = {
        "run": undone.run,
        "changes": undone.transaction.changes,
        "left": list(undone.left),
        "earlier": list(undone.earlier),
        "says": sentences(undone),
        "diff": undone.transaction.diff(),
    }
    changed = undone.transaction.commit()
    return {**result, "changed": changed or bool(undone.transaction.recovered)}


def main() -> None:
    module = AnsibleModule(argument_spec={"run": {"type": "str", "default": "last"}}, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="undo needs root rights on the host: log in as root, or give --become")
    try:
        exit_told(module, undo(module.params["run"], module.check_mode))
    except ChangeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
