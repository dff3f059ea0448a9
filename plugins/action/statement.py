# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check the register of a play, a register file, or a host's variables for one measure; hold a register against its
published text, or draft one of it. Contacts no host."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._measures import MEASURES
from ..plugin_utils._register import STATEMENT, WAIVERS, Mistake, StatementError, suggest
from ..plugin_utils._statement import Statement, cached, plain

if TYPE_CHECKING:
    from ..plugin_utils._text.check import Comparison

NAMED_AT_MOST = 5  # hosts in one message
ONE_STATEMENT = "one run has one statement: keep it in group_vars/all and nowhere else"
NOTHING = "null"  # the content of a variable that is not there
NO_REGISTER = "or add -e draft=PATH for a first draft of a register of that text"
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
            {name: {"type": "str" if name == "measure" else "path"} for name in ("path", "measure", "text", "draft")},
            mutually_exclusive=[("path", "measure"), ("measure", "text"), ("path", "draft")],
            required_by={"draft": "text"},
        )
        if arguments["measure"]:
            wrong = list(self._wrong_options(arguments["measure"], variables))
            return _result(wrong, f"the options of {arguments['measure']}")
        if arguments["draft"]:
            return self._draft(arguments["text"], arguments["draft"])
        try:
            statement = Statement.load_file(arguments["path"]) if arguments["path"] else _of_play(variables)
        except StatementError as error:
            hint = f"; {NO_REGISTER}" if arguments["text"] and not variables["groups"].get("all") else ""
            return _result([f"{line}{hint}" for line in error.messages], "the register")
        told = {"promises": len(statement.promises)}
        if arguments["text"]:
            return told | _compared(statement, arguments["text"])
        return _result([], f"the register of {statement.provider}") | told

    def _draft(self, text: str, dest: str) -> dict[str, Any]:
        """Write a first draft of a text's register where no file is yet. Raises AnsibleActionFail."""
        from ..plugin_utils._text.draft import draft
        from ..plugin_utils._text.reading import TextError, read_page

        if Path(dest).exists():
            raise AnsibleActionFail(f"{dest} is there already; name another file for the draft, or move that one away")
        try:
            page = read_page(text)
            made = draft(page, Path(text).name, MEASURES, dt.datetime.now(dt.timezone.utc).date())
        except TextError as error:
            raise AnsibleActionFail(f"no draft of {text}: {error}") from None
        if not self._task.check_mode:
            try:
                with open(dest, "x", encoding="utf-8") as stream:
                    stream.write(made.text)
            except OSError as error:
                raise AnsibleActionFail(f"the draft cannot be written to {dest}: {error.strerror}") from None
        told = {"changed": True, "promises": made.promises, "undecided": made.undecided, "left_out": page.left_out}
        msg = f"a first draft in {dest}: {made.promises} promises, {made.undecided} places to be decided"
        self._display.display(msg)
        return told | {"msg": msg}

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


def _compared(statement: Statement, text: str) -> dict[str, Any]:
    """The result of a register that was held against its text. Raises AnsibleActionFail."""
    from ..plugin_utils._text.check import compare
    from ..plugin_utils._text.reading import TextError, read_page

    try:
        page = read_page(text)
        found = compare(statement, page)
    except TextError as error:
        raise AnsibleActionFail(f"the register was not held against {text}: {error}") from None
    what = f"the register of {statement.provider}, held against {text}"
    sentences = {} if found.faults else {"sentences": list(_sentences(found))}
    return _result(found.faults, what) | {"left_out": page.left_out} | sentences


def _sentences(found: Comparison) -> Iterator[dict[str, Any]]:
    from ..plugin_utils._text.sentences import fingerprint

    for place, sentence in enumerate(found.sentences):
        yield {
            "where": sentence.where(),
            "fingerprint": fingerprint([sentence]),
            "binding": found.binding.get(place, []),
            "promises": found.pointed.get(place, []),
        }


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
