# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: own_inventory
short_description: An inventory that holds one host, and what its audit needs
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - The inventory by which a host audits itself. The role P(privacy.hosting.audit_schedule#role) writes it in mode
    V(pull).
  - It holds the host with its groups, the promises and waivers of the register that are about it, and those of its
    variables that tell the audit of it what only the provider knows. No other variable is in it, and no secret.
  - What another machine must prove stays unproven in such an audit, for that machine is not in the inventory.
"""

EXAMPLES = r"""
- name: Write an inventory that holds only this host
  ansible.builtin.copy:
    content: "{{ lookup('privacy.hosting.own_inventory') | to_nice_yaml }}"
    dest: /etc/privacy-hosting/audit-inventory.yml
    mode: "0600"
"""

RETURN = r"""
_raw:
  description: One inventory, as P(ansible.builtin.yaml#inventory) reads it.
  type: list
  elements: dict
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._measures import MEASURES
from ..plugin_utils._register import STATEMENT, WAIVERS
from ..plugin_utils._statement import Statement, StatementError, cached, matches, plain

HERE = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


class LookupModule(LookupBase):
    """Makes the inventory of one host."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[Any]:
        """The inventory of the host whose variables these are."""
        self.set_options(var_options=variables, direct=options)
        known = variables or {}
        told = {name: plain(self._templar.template(known[name])) for name in wanted() if name in known}
        try:
            statement = cached(told.get(STATEMENT), told.get(WAIVERS))
        except StatementError as error:
            raise AnsibleLookupError(f"own_inventory: {error.messages[0]}") from None
        host, groups = str(known["inventory_hostname"]), [str(name) for name in known["group_names"]]
        return [inventory(host, groups, told, statement)]


def wanted() -> Iterator[str]:
    """The variables that an audit reads of a host, secrets aside."""
    yield from (STATEMENT, WAIVERS)
    for measure in MEASURES.values():
        for option in measure.options:
            if not option.promisable and option.type != "secret":
                yield f"{measure.name}_{option.name}"


def inventory(host: str, groups: Iterable[str], told: Mapping[str, Any], statement: Statement) -> dict[str, Any]:
    """The inventory. told: the variables; statement: what their register says. Raises AnsibleLookupError."""
    named = [group for group in groups if group not in ("all", "ungrouped")]
    about = {promise.id for promise in statement.promises_for(host, named)}
    waived = [one.as_dict() for one in statement.waivers if one.promise in about and matches(one.hosts, host, named)]
    narrowed = {**told, STATEMENT: narrow(told[STATEMENT], about), WAIVERS: waived}
    # as JSON has it, for dates are texts there and templates can be found
    text = json.dumps(narrowed, default=str)
    if "{{" in text or "{%" in text or "{#" in text:
        raise AnsibleLookupError("own_inventory: the register or an option holds '{{', '{%' or '{#' after templating")
    hosts = {"hosts": {host: {**HERE, **json.loads(text)}}}
    return {"all": {**hosts, "children": {group: {"hosts": {host: {}}} for group in named}} if named else hosts}


def narrow(register: Mapping[str, Any], about: Collection[str]) -> dict[str, Any]:
    """The register with these promises only, and with the conflicts that name none of the others."""
    others = {str(promise["id"]) for promise in register["promises"]} - set(about)
    narrowed = {**register, "promises": [promise for promise in register["promises"] if promise["id"] in about]}
    if "conflicts" in register:
        told = register["conflicts"]
        narrowed["conflicts"] = [conflict for conflict in told if others.isdisjoint(conflict["between"])]
    return narrowed
