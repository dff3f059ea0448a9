# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that the modules of ssh_two_factor share.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Mapping
from typing import Any

from .._change import ChangeError
from .ssh_people import SECURITY_KEY, TOTP, Rules

RULES_SPEC: dict[str, Any] = {
    "required_of": {"type": "str", "choices": ["everyone", "staff"], "default": "staff"},
    "methods": {"type": "list", "elements": "str", "choices": [TOTP, SECURITY_KEY], "default": [TOTP, SECURITY_KEY]},
    "staff_groups": {"type": "list", "elements": "str", "default": ["sudo"]},
    "automation_accounts": {"type": "list", "elements": "str", "default": []},
    "customer_groups": {"type": "list", "elements": "str", "default": []},
    "controllers": {"type": "list", "elements": "str", "default": []},
    "grace_until": {"type": "str"},
    "only_tell": {"type": "bool", "default": False},
}


def rules_of(params: Mapping[str, Any]) -> Rules:
    """The rules that a module was given. Raises ChangeError."""
    try:
        controllers = [str(ipaddress.ip_network(item, strict=False)) for item in params["controllers"]]
        until = dt.date.fromisoformat(params["grace_until"]) if params["grace_until"] else None
    except ValueError as error:
        raise ChangeError(str(error)) from None
    return Rules(
        params["required_of"],
        tuple(params["methods"]),
        tuple(params["staff_groups"]),
        tuple(params["automation_accounts"]),
        tuple(params["customer_groups"]),
        tuple(controllers),
        until,
    )
