# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the register of a play, a register file, or a host's variables for one measure. Contacts no host."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._measures import MEASURES
from ..plugin_utils._register import STATEMENT, WAIVERS, Mistake, StatementError, suggest
from ..plugin_utils._statement import Statement, cached, plain

NAMED_AT_MOST = 5  # hosts in one message
ONE_STATEMENT = "one run has one statement: keep it in group_vars/all and nowhere else"
NOTHING = "null"  # the content of a variable that is not there
NO_HOSTS = "has no hosts; name it with -i, or check a file by itself with -e register_file=PATH"


class ActionModule(ActionBase):
    """The check; it fails with one line for each mistake."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, arguments = self.validate_argument_spec(
            {"path": {"type": "path"}, "measure": {"type": "str"}},
            mutually_exclusive=[("path", "measure")],
        )
        if arguments["measure"]:
            wrong = list(self._wrong_options(arguments["measure"], variables))
            return _result(wrong, f"the options of {arguments['measure']}")
        try:
            statement = Statement.load_file(arguments["path"]) if arguments["path"] else _of_play(variables)
        except StatementError as error:
            return _result(error.messages, "the register")
        return _result([], f"the register of {statement.provider}") | {"promises": len(statement.promises)}

    def _wrong_options(self, name: str, variables: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with a host's variables for a measure, one line each."""
        if name not in MEASURES:
            raise AnsibleActionFail(f"no measure {name!r}; {suggest(name, MEASURES)}")
        options = {f"{name}_{option.name}": option for option in MEASURES[name].options}
        host = variables["inventory_hostname"]
        for variable in sorted(variables):
            if variable.startswith(f"{name}_") and variable not in options:
                yield f"host {host}: {variable}: no such option; {suggest(variable, options)}"
        for variable, option in options.items():
            try:
                value = plain(self._templar.template(variables.get(variable)))
                if value is not None:
                    option.parse(value)
            except (AnsibleError, ValueError) as error:
                yield f"host {host}: {variable}: {_first_line(error)}"


def _result(wrong: Sequence[str], what: str) -> dict[str, Any]:
    if not wrong:
        return {"changed": False, "msg": f"{what} has no mistakes"}
    count = "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
    return {"failed": True, "changed": False, "msg": "\n".join([f"{count} in {what}", *wrong])}


def _of_play(variables: Mapping[str, Any]) -> Statement:
    """The one statement of all hosts of the inventory. Raises StatementError with all mistakes."""
    members: dict[str, list[str]] = defaultdict(list)
    for group, hosts in variables["groups"].items():
        for host in hosts:
            members[host].append(group)
    hosts = variables["groups"].get("all", [])
    if not hosts:
        raise StatementError([Mistake((), NO_HOSTS, "inventory")])
    wrong: list[Mistake] = []
    raw = {host: variables["hostvars"].raw_get(host) for host in hosts}
    values = [_common(name, raw, variables["hostvars"], wrong) for name in (STATEMENT, WAIVERS)]
    try:
        statement = cached(*values)
        statement.check_hosts(members)
    except StatementError as error:
        wrong += error.mistakes
    if wrong:
        raise StatementError(wrong)
    return statement


def _common(name: str, raw: Mapping[str, Mapping[str, Any]], hostvars: Mapping[str, Any], wrong: list[Mistake]) -> Any:
    """The value that a variable has on the hosts; those where it is another than on most are wrong.

    raw: the variables by host, templates unresolved. Hosts share what group_vars/all holds, so that is read once.
    """
    contents: dict[int, str] = {}
    having: dict[str, list[str]] = defaultdict(list)
    for host, variables in raw.items():
        value = variables.get(name)
        try:
            content = contents.get(id(value)) or json.dumps(plain(hostvars[host].get(name)) or None, default=str)
        except AnsibleError as error:
            wrong.append(Mistake((), f"{name}: {_first_line(error)}", f"host {host}"))
            continue
        if "{{" not in str(value) and "{%" not in str(value):
            contents[id(value)] = content
        having[content].append(host)
    common = max(having, key=lambda content: (content != NOTHING, len(having[content])), default=NOTHING)
    for content, odd in having.items():
        if content != common:
            is_wrong = "is missing there" if content == NOTHING else f"is not that of {having[common][0]}"
            wrong.append(Mistake((), f"{name} {is_wrong}; {ONE_STATEMENT}", f"host {_names(odd)}"))
    return json.loads(common)


def _names(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - NAMED_AT_MOST} more" if len(hosts) > NAMED_AT_MOST else ""
    return f"{', '.join(hosts[:NAMED_AT_MOST])}{more}"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
