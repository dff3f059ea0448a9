#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_retention
short_description: Keep web and mail logs for a period, and then destroy them
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Makes logrotate keep every day of the logs for longer than the period, by the smallest edits of the stanzas that
    handle them, and gives a stanza to logs that have none.
  - Installs a command that destroys logs once their last line is past the period, and a systemd timer that runs it
    every day. It runs once at the end, too.
  - Where mail servers write to the journal, gives journald limits under which it keeps all lines for O(mail) and then
    destroys them; that holds for all that is in the journal.
  - A host that a control panel runs is left as it is.
  - Nothing is changed where the host's clock is more than a day from O(controller_time), since logs are destroyed by
    their age, nor where more than half of a host's web logs, or mail logs, would be destroyed at once without
    O(destroy_most).
options:
  web:
    description: How long web logs are kept, such as V(2 years), V(6 months) or V(14 days). Without it they are left.
    type: str
  web_paths:
    description:
      - More places with web logs, or copies of them, as shell patterns; a directory stands for all that is below it.
      - All files there are taken for logs, and destroyed once they are past the period.
    type: list
    elements: str
    default: []
  mail:
    description: How long mail logs are kept, as O(web).
    type: str
  mail_paths:
    description: More places with mail logs, as O(web_paths).
    type: list
    elements: str
    default: []
  destroy_most:
    description: Whether more than half of such logs may be destroyed at once. In check mode a warning tells it.
    type: bool
    default: false
  controller_time:
    description: The time on the controller, such as V(2026-01-31T12:00:00Z).
    type: str
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Keep web logs for two years and mail logs for six months, and then destroy them
  privacy.hosting.log_retention:
    web: 2 years
    mail: 6 months
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/logrotate.d/nginx, logrotate.timer]
destroyed:
  description: The logs past their time that were destroyed, or would be in check mode.
  returned: success, on a host with such logs
  type: list
  elements: str
  sample: [/var/log/nginx/old.example.access.log.2.gz]
panel:
  description: The control panel that runs the host.
  returned: when one does
  type: str
  sample: Plesk
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

import datetime as dt

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, LIMITS, ChangeError, Planned, Transaction, change_host
from ..module_utils._changes.log_retention import Asked, plan
from ..module_utils._host import Host
from ..module_utils._option import Period
from ..module_utils._services.logfamilies import SUBJECTS

SPEC = {
    **CHANGE_SPEC,
    "web": {"type": "str"},
    "web_paths": {"type": "list", "elements": "str", "default": []},
    "mail": {"type": "str"},
    "mail_paths": {"type": "list", "elements": "str", "default": []},
    "destroy_most": {"type": "bool", "default": False},
    "controller_time": {"type": "str"},
}


def _period(text: str, name: str) -> str:
    """Raises ChangeError."""
    try:
        return str(Period.parse(text))
    except ValueError as error:
        raise ChangeError(f"{name}: {error}") from None


def _time(text: str | None) -> dt.datetime | None:
    """Raises ChangeError."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc) if text else None
    except ValueError:
        raise ChangeError(f"controller_time: '{text}' is no time in UTC; write it like 2026-01-31T12:00:00Z") from None


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def planned(transaction: Transaction) -> Planned:
        time = _time(params["controller_time"])
        asked = [
            Asked(_period(params[name], name), params[f"{name}_paths"], params["destroy_most"], time, subject)
            for name, subject in SUBJECTS.items()
            if params[name]
        ]
        return plan(Host(LIMITS), transaction, asked)

    change_host(module, "log_retention", planned)


if __name__ == "__main__":
    main()
