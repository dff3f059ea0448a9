#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_log
short_description: Make mail servers record logins and messages, and never what is in them
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Makes Dovecot, Postfix and Roundcube record every attempt to log in, right or wrong, with the user, the address
    that it comes from and the time, and takes away what writes passwords, subjects and contents into logs.
  - Dovecot gets a drop-in, Postfix the smallest edits in place, and Roundcube a file of its own with a plugin that
    tells Dovecot the visitor's address.
  - Tables of Postfix's header and body checks are left as they are; a warning names the line that writes subjects.
  - A mail server that is not there is not installed. A host that a control panel runs is left as it is.
options:
  logins:
    description: Of which ways to log in every attempt is recorded.
    type: list
    elements: str
    choices: [imap, pop3, submission, submissions, managesieve, webmail]
    required: true
  content:
    description: Whether passwords, subjects and contents may stand in mail logs.
    type: str
    choices: [dropped, logged]
    default: dropped
  trusted_proxies:
    description: Addresses or networks of other machines that are believed about the address of whom they log in for.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Record every attempt to log in at the mail server
  privacy.hosting.mail_log:
    logins: [imap, pop3, submission, submissions, managesieve, webmail]
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/dovecot/conf.d/99-privacy-hosting.conf]
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
from ..module_utils._changes.mail_edits import Wanted
from ..module_utils._changes.mail_log import plan
from ..module_utils._host import Host

LOGINS = ("imap", "pop3", "submission", "submissions", "managesieve", "webmail")

SPEC = {
    **CHANGE_SPEC,
    "logins": {"type": "list", "elements": "str", "choices": list(LOGINS), "required": True},
    "content": {"type": "str", "choices": ["dropped", "logged"], "default": "dropped"},
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
        wanted = Wanted(frozenset(params["logins"]), params["content"] == "dropped", proxies)
        return plan(Host(LIMITS), transaction, wanted)

    change_host(module, "mail_log", planned)


if __name__ == "__main__":
    main()
