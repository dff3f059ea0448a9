#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_two_factor_secret
short_description: Keep a person's secret of one-time codes on a host
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Keeps the secret in a file that only root reads. One that is there already is left as it is, since it holds which
    codes were used.
  - Ends the person's time of grace, where the host has one.
options:
  account:
    description: The account.
    type: str
    required: true
  secret:
    description: The secret, in base32. Without it, the module only tells whether there is one.
    type: str
  scratch_codes:
    description: Codes of eight digits that are good once each, without a telephone.
    type: list
    elements: str
    default: []
  again:
    description: Whether a secret that is there is replaced, because the person lost it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Tells what would be done, and changes nothing.
  diff_mode:
    support: none
    description: Shows no difference, since that would be the secret.
"""

EXAMPLES = r"""
- name: Keep the secret of anna
  privacy.hosting.ssh_two_factor_secret:
    account: anna
    secret: "{{ vault_anna_secret }}"
  no_log: true
"""

RETURN = r"""
exists:
  description: Whether the host has the account.
  returned: success
  type: bool
  sample: true
enrolled:
  description: Whether the account has a secret, or had one before.
  returned: success
  type: bool
  sample: true
"""

import contextlib
import os
import pwd
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import ChangeError, Transaction, now
from ..module_utils._changes import ssh_secret
from ..module_utils._changes.ssh_two_factor import plan_end_of_grace

SPEC = {
    "account": {"type": "str", "required": True},
    "secret": {"type": "str", "no_log": True},
    "scratch_codes": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "again": {"type": "bool", "default": False},
}


def made(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """The module's result. Raises ChangeError and OSError."""
    account = params["account"]
    if not _exists(account):
        return {"changed": False, "exists": False, "enrolled": False}
    enrolled = ssh_secret.fault(account) != "missing"
    result = {"changed": False, "exists": True, "enrolled": enrolled}
    if not params["secret"]:
        return result
    _refuse(params)
    if check:
        return {**result, "changed": not enrolled or params["again"]}
    data = ssh_secret.content(params["secret"], params["scratch_codes"])
    created = ssh_secret.create(account, data, replace=params["again"])
    with contextlib.closing(Transaction(now(), "ssh_two_factor")) as transaction:
        plan_end_of_grace(transaction, account)
        transaction.commit()
    return {**result, "changed": created or transaction.changed}


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _refuse(params: dict[str, Any]) -> None:
    if not re.fullmatch(r"[A-Z2-7]{16,}", params["secret"]):
        raise ChangeError("secret: it is no secret in base32, of 16 characters or more")
    if not all(re.fullmatch(r"[0-9]{8}", code) for code in params["scratch_codes"]):
        raise ChangeError("scratch_codes: each has eight digits")


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="ssh_two_factor needs root rights on the host: log in as root, or give --become")
    try:
        module.exit_json(**made(module.params, module.check_mode))
    except ChangeError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or ssh_secret.SECRETS}: {error.strerror}; nobody was enrolled")


if __name__ == "__main__":
    main()
