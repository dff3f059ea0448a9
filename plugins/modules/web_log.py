#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: web_log
short_description: Make web servers log what is promised of every request
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Gives the logs of nginx and Apache a format of our own where theirs lack a field, or hold query strings, by the
    smallest edits in place.
  - Logs that are set for all virtual hosts are edited; those of single virtual hosts only where O(sites) names them.
    For the others a warning says what would have to change.
  - A web server that is not there is not installed. A host that a control panel runs is left as it is.
options:
  fields:
    description: What the line of every request holds.
    type: list
    elements: str
    choices: [domain, path, user_agent, client_ip, time, method, status, referer]
    required: true
  query_string:
    description: Whether query strings may stand in the log.
    type: str
    choices: [dropped, logged]
    default: dropped
  only_sites:
    description: Names of the sites that are meant. Without it, all are.
    type: list
    elements: str
  sites:
    description: Names of the virtual hosts whose own files may be edited, or V(all).
    type: list
    elements: str
    default: []
  trusted_proxies:
    description: Addresses or networks of front proxies that are believed about the visitor's address.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Log domain, page, browser and address of every page view
  privacy.hosting.web_log:
    fields: [domain, path, user_agent, client_ip]
    sites: [all]
    trusted_proxies: [192.0.2.10]
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/privacy-hosting.conf, /etc/nginx/nginx.conf]
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

import ipaddress

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, LIMITS, ChangeError, Planned, Transaction, change_host
from ..module_utils._changes.log_edits import Wanted
from ..module_utils._changes.web_log import plan
from ..module_utils._host import Host
from ..module_utils._services.virtualhost import FIELDS

SPEC = {
    **CHANGE_SPEC,
    "fields": {"type": "list", "elements": "str", "choices": list(FIELDS), "required": True},
    "query_string": {"type": "str", "choices": ["dropped", "logged"], "default": "dropped"},
    "only_sites": {"type": "list", "elements": "str"},
    "sites": {"type": "list", "elements": "str", "default": []},
    "trusted_proxies": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def planned(transaction: Transaction) -> Planned:
        try:
            proxies = [str(ipaddress.ip_network(item, strict=False)) for item in params["trusted_proxies"]]
        except ValueError as error:
            raise ChangeError(f"trusted_proxies: {error}") from None
        wanted = Wanted(
            fields=frozenset(params["fields"]),
            query=params["query_string"] == "logged",
            only=params["only_sites"],
            sites=params["sites"],
            proxies=proxies,
        )
        return plan(Host(LIMITS), transaction, wanted)

    change_host(module, "web_log", planned)


if __name__ == "__main__":
    main()
