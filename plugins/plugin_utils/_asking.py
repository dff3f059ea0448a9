# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a host: one command that leaves nothing behind, where the connection allows it; else a module as any other.

The command's input is the whole program, as with Ansible's pipelining. A host is so asked without a temporary file,
also where its disk is full, and in a third of the time.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ._sources import MODULE_UTILS

MODULE = "privacy.hosting.measure_info"
_MAIN = "\nprint(json.dumps(answers(json.loads({arguments!r}))))\n"


def ask(action: ActionBase, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the host answers to the arguments of measure_info. Raises AnsibleError, AnsibleConnectionFailure."""
    answered = _by_command(action, arguments, variables)
    if answered is not None:
        return answered
    # a module's arguments would otherwise be written to the host's system log
    quiet = {**variables, "ansible_no_target_syslog": True}
    result: dict[str, Any] = action._execute_module(module_name=MODULE, module_args=dict(arguments), task_vars=quiet)
    return result


def _by_command(
    action: ActionBase, arguments: Mapping[str, Any], variables: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The answer of the one command; None where there is none, for whatever reason: the module will tell it."""
    connection = action._connection
    if not connection.has_pipelining or not getattr(connection.become, "pipelining", True):
        return None
    program = (MODULE_UTILS / "_received.py").read_text(encoding="utf-8") + _MAIN.format(
        arguments=json.dumps(arguments)
    )
    done = action._low_level_execute_command(command(interpreters(action, variables)), in_data=program.encode())
    if done["rc"] != 0:
        return None
    try:
        answered = json.loads(done["stdout"].strip().rpartition("\n")[2])
    except ValueError:
        return None
    return answered if isinstance(answered, dict) else None


def interpreters(action: ActionBase, variables: Mapping[str, Any]) -> list[str]:
    """The Python that the inventory or the configuration names for a host, or those that Ansible would try."""
    told = constants.config.get_config_value("INTERPRETER_PYTHON", variables=variables)
    named = str(action._templar.template(told))
    if not named.startswith("auto"):
        return [named]
    found = (variables.get("ansible_facts") or {}).get("discovered_interpreter_python")
    usual = constants.config.get_config_value("INTERPRETER_PYTHON_FALLBACK", variables=variables)
    return [str(found)] if found else [str(one) for one in usual]


def command(pythons: Sequence[str]) -> str:
    """Shell text that runs its input by the first of some interpreters that is there, apart from users' settings."""
    tried = [
        f"command -v {shlex.join(words[:1])} >/dev/null 2>&1 && exec {shlex.join(words)} -I -S -"
        for words in map(shlex.split, pythons)
    ]
    return "; ".join([*tried, "exit 127"])
