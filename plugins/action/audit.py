# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold one host against every promise: questions → measure_info on the host → findings → verdicts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._finding import ERROR, Finding
from ..module_utils._measures import MEASURES
from ..plugin_utils._asking import ask
from ..plugin_utils._origin import asks as register_asks
from ..plugin_utils._origin import checked_with
from ..plugin_utils._sources import packed
from ..plugin_utils._statement import Promise, Statement, StatementError, plain, statement_of_play
from ..plugin_utils._supplier import MEASURE as SUPPLIER
from ..plugin_utils._supplier import judge
from ..plugin_utils._verdict import promise_row

SCHEMA = 1

# By this the inventory of OVH tells that another system may answer in a host's place.
RESCUE = "ovh_rescue"


class NotAsked(Exception):
    """The host gave no answers; check says at which step, the text why."""

    def __init__(self, check: str, reason: str) -> None:
        super().__init__(reason)
        self.check = check


class ActionModule(ActionBase):
    """The audit of one host. A host that cannot be audited becomes a row of the report, not an abort."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        options = self._options()
        begun = time.monotonic()
        now = dt.datetime.now(dt.timezone.utc)
        try:
            statement = statement_of_play(self._templar, variables, now.date())
        except StatementError as error:
            return {"failed": True, "msg": "\n".join(error.messages)}
        host = str(variables["inventory_hostname"])
        groups = tuple(variables.get("group_names", ()))
        promises = statement.promises_for(host, groups)
        skipped = skipped_measures(variables)
        findings = self._findings(promises, statement, skipped, options, variables)
        record = {
            "schema": SCHEMA,
            "statement": statement.head(),
            "host": host,
            "audited_at": now.isoformat(timespec="seconds"),
            "took_s": round(time.monotonic() - begun, 3),
            "partial": bool(skipped) or bool(variables.get("ansible_limit")),
            "checked_with": checked_with(measure for p in promises for measure in p.measures),
            "promises": [
                {**promise_row(p, found, statement, host, now.date(), groups), "asks": register_asks(p, statement)}
                for p, found in findings
            ],
        }
        return {"changed": False, "record": record}

    def _options(self) -> dict[str, Any]:
        _validation, options = self.validate_argument_spec(
            {
                "probe": {"type": "bool", "default": True},
                "command_seconds": {"type": "float", "default": 15.0},
                "total_seconds": {"type": "float", "default": 120.0},
            }
        )
        return dict(options)

    def _findings(
        self,
        promises: Sequence[Promise],
        statement: Statement,
        skipped: Mapping[str, str],
        options: Mapping[str, Any],
        variables: dict[str, Any],
    ) -> list[tuple[Promise, list[dict[str, Any]]]]:
        """Each promise with the findings of its own; all measures are asked in one call of the module."""
        asked = [(m, o) for p in promises for m, o in p.measures.items() if m not in skipped and m in MEASURES]
        questions = distinct(asked)
        not_asked: NotAsked | None = None
        try:
            to_ask = questions or any(promise.stands_at for promise in promises)
            answers = self._ask(questions, promises, statement, options, variables) if to_ask else []
        except NotAsked as error:
            not_asked = error
            answers = [[unjudged(m, error.check, str(error))] for m, _options in questions]

        def answer(measure: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
            if measure in skipped:
                return [unjudged(measure, "asked", skipped[measure])]
            return answers[questions.index((measure, asked))]

        def standing(promise: Promise) -> list[dict[str, Any]]:
            if not promise.stands_at:
                return []
            if not_asked:
                return [unjudged(SUPPLIER, not_asked.check, str(not_asked))]
            now = dt.datetime.now(dt.timezone.utc)
            return [judge(promise.stands_at, variables, self._address(), now).as_dict()]

        return [(p, [*(f for m, o in p.measures.items() for f in answer(m, o)), *standing(p)]) for p in promises]

    def _address(self) -> str | None:
        """The address at which the host is audited, None where it is not over a network."""
        return None if self._connection.transport == "local" else str(self._play_context.remote_addr)

    def _ask(
        self,
        questions: Sequence[tuple[str, Mapping[str, Any]]],
        promises: Sequence[Promise],
        statement: Statement,
        options: Mapping[str, Any],
        variables: dict[str, Any],
    ) -> list[list[dict[str, Any]]]:
        """The host's answers, one list of findings a question. Raises NotAsked."""
        if variables.get(RESCUE) is True:
            raise NotAsked("reach", f"the host is set to a rescue system ({RESCUE}), which is not what it serves with")
        arguments = {
            **options,
            "questions": [{"measure": measure, "options": dict(asked)} for measure, asked in questions],
            "settings": self._settings({measure for measure, _asked in questions}, promises, variables),
            "own_sites": list(statement.own_sites),
            "sources": packed({measure for measure, _asked in questions}),
        }
        try:
            result = ask(self, arguments, variables)
        except AnsibleConnectionFailure as error:
            raise NotAsked("reach", f"the host could not be reached: {one_line(error)}") from None
        except AnsibleError as error:
            raise NotAsked("run", f"the audit could not be run on the host: {one_line(error)}") from None
        return self._answers(result, len(questions))

    @staticmethod
    def _answers(result: Mapping[str, Any], expected: int) -> list[list[dict[str, Any]]]:
        if result.get("unreachable"):
            raise NotAsked("reach", f"the host could not be reached: {one_line(result.get('msg'))}")
        answers = result.get("answers")
        if result.get("failed") or not isinstance(answers, list) or len(answers) != expected:
            told = result.get("module_stderr") or result.get("module_stdout") or result.get("msg") or "no answer came"
            raise NotAsked("run", f"the audit could not be run on the host: {one_line(told)}")
        return answers

    def _settings(
        self, measures: Iterable[str], promises: Sequence[Promise], variables: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """What the inventory says of the host, for options that no promise sets. Raises NotAsked."""
        settings: dict[str, dict[str, Any]] = {}
        for measure in sorted(measures):
            told = settings.setdefault(measure, {})
            for option in MEASURES[measure].options:
                name = f"{measure}_{option.name}"
                if option.promisable or option.type == "secret" or name not in variables:
                    continue
                try:
                    told[option.name] = option.parse(plain(self._templar.template(variables[name])))
                except (AnsibleError, ValueError) as error:
                    raise NotAsked("settings", f"the variable {name} cannot be used: {one_line(error)}") from None
                if option.type == "hosts":
                    asking = [promise for promise in promises if asks(promise, measure, option.part)]
                    told[option.name] = audited(told[option.name], asking, variables)
        return settings


def distinct(asked: Iterable[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The questions without repetition, in their first order."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for question in asked:
        if question not in found:
            found.append(question)
    return found


def skipped_measures(variables: Mapping[str, Any]) -> dict[str, str]:
    """Measures that --tags or --skip-tags leaves out of this run, with the reason."""
    wanted = set(variables.get("ansible_run_tags") or ("all",)) - {"always", "untagged", "tagged"}
    unwanted = set(variables.get("ansible_skip_tags") or ())
    named = wanted & set(MEASURES)
    return {
        measure: "not asked in this run (--tags, --skip-tags)"
        for measure in MEASURES
        if measure in unwanted or (named and measure not in named)
    }


def asks(promise: Promise, measure: str, part: Sequence[str]) -> bool:
    """Whether a promise sets one of these options of a measure; any of them, where none is named."""
    return measure in promise.measures and (not part or not set(part).isdisjoint(promise.measures[measure]))


def audited(named: Iterable[str], promises: Sequence[Promise], variables: Mapping[str, Any]) -> list[str]:
    """Those of the hosts that this play holds against all of these promises too, each with its addresses.

    named: a host's name, and where visitors reach it at other addresses than Ansible does, those.
    """
    play = set(variables.get("ansible_play_hosts_all") or ())
    found = []
    for item in named:
        host, *addresses = item.split()
        groups = [group for group, members in variables.get("groups", {}).items() if host in members]
        if host in play and all(promise.applies_to(host, groups) for promise in promises):
            usual = variables["hostvars"][host].get("ansible_host", host)
            found.append(" ".join([host, *(addresses or [str(usual)])]))
    return found


def unjudged(measure: str, check: str, reason: str) -> dict[str, Any]:
    """The finding, as plain types, for a measure that could not be judged on the host."""
    return Finding(measure, check, "", "this host", ERROR, "", "can be judged", reason, "").as_dict()


def one_line(told: object) -> str:
    """The last telling line of an error, at most 300 characters."""
    lines = [line.strip() for line in str(told).splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason was given")[:300]
