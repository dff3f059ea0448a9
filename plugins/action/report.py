# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the report of a run from all hosts' records, and fail the run where its verdicts say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._measures import MEASURES
from ..plugin_utils._report import FORMATS, LANGUAGES, Mismatch, Report, write_prometheus, write_report
from ..plugin_utils._supplier import ABOUT as ABOUT_SUPPLIER
from ..plugin_utils._supplier import MEASURE as SUPPLIER
from ..plugin_utils._verdict import FAIL_ON, FAIL_ON_BY_DEFAULT, VERDICTS, Failure, failures

REGISTERED = "__audit"  # where the play keeps what the audit action returned
NAMED_AT_MOST = 5  # hosts, and promises, in one line

_RUN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


class ActionModule(ActionBase):
    """The report. It runs on the controller and contacts no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(
            {
                "run": {"type": "str"},
                "dest": {"type": "path"},
                "records": {"type": "list", "elements": "dict"},
                "formats": {"type": "list", "elements": "str", "choices": [*FORMATS], "default": []},
                "language": {"type": "str", "choices": [*LANGUAGES]},
                "prometheus_file": {"type": "path"},
                "fail_on": {"type": "list", "elements": "str", "choices": [*FAIL_ON], "default": [*FAIL_ON_BY_DEFAULT]},
            }
        )
        now = datetime.now(timezone.utc)
        name = run_name(options["run"], now)
        directory = Path(options["dest"] or Path("reports") / name).absolute()
        hosts, outside = _given(options["records"]) if options["records"] else _of_play(task_vars or {})
        measures = {measure.name: {"title": measure.title, "why": measure.why} for measure in MEASURES.values()}
        about = {**measures, SUPPLIER: ABOUT_SUPPLIER}
        try:
            made_at = now.isoformat(timespec="seconds")
            chosen = {key: options[key] for key in ("formats", "language")}
            report = write_report(directory, name, made_at, hosts, about, outside, **chosen)
        except Mismatch as error:
            raise AnsibleActionFail(str(error)) from None
        except OSError as error:
            raise AnsibleActionFail(f"the report cannot be written in {directory}: {error.strerror}") from None
        if options["prometheus_file"]:
            self._tell_prometheus(Path(options["prometheus_file"]), report)
        failed = failures(report.judged, options["fail_on"], report.before)
        index = directory / "index.html"
        for line in table(report.fleet, index):
            self._display.display(line)
        result = summary(report, directory)
        return {**result, "failed": True, "msg": reason(failed, index)} if failed else result

    def _tell_prometheus(self, path: Path, report: Report) -> None:
        """Write the gauges, but not of a partial run: hosts that it left out would vanish. Raises AnsibleActionFail."""
        if report.fleet["partial"]:
            self._display.warning(f"{path} was left as it is, for this run is partial")
            return
        try:
            write_prometheus(path, report.fleet)
        except OSError as error:
            raise AnsibleActionFail(f"prometheus_file {path} cannot be written: {error.strerror}") from None


def run_name(given: str | None, now: datetime) -> str:
    """The run's name, by default the time. Raises AnsibleActionFail where it is no safe path below reports/."""
    name = given or now.strftime("%Y-%m-%dT%H%M%SZ")
    if not _RUN.fullmatch(name):
        raise AnsibleActionFail(f"run {name!r}: write letters, digits, '.', '_' and '-', with '/' between them")
    return name


def _given(records: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, Any]], list[str]]:
    """The hosts of a list of records."""
    return [(str(record.get("host", f"record {number}")), record) for number, record in enumerate(records, 1)], []


def _of_play(variables: Mapping[str, Any]) -> tuple[Iterator[tuple[str, Any]], list[str]]:
    """The hosts of the play with their records, one by one, and the names of the inventory's other hosts."""
    everyone = variables["groups"]["all"]
    meant = set(variables.get("ansible_play_hosts_all") or everyone)
    hostvars = variables["hostvars"]
    hosts = ((host, _record(hostvars[host].get(REGISTERED))) for host in everyone if host in meant)
    return hosts, [host for host in everyone if host not in meant]


def _record(registered: Any) -> Any:
    """A host's record, or the reason why there is none."""
    if not isinstance(registered, Mapping):
        return "it was not audited in this run"
    if "record" in registered:
        return registered["record"]
    return "it could not be reached" if registered.get("unreachable") else "its audit failed and gave no record"


def summary(report: Report, directory: Path) -> dict[str, Any]:
    """What the action returns; all else stands in fleet.json."""
    fleet = report.fleet
    return {
        "changed": False,
        "run": fleet["run"],
        "dest": str(directory),
        "index": str(directory / "index.html"),
        "partial": fleet["partial"],
        "hosts": len(fleet["hosts"]),
        "counts": fleet["coverage"]["verdicts"],
    }


def table(fleet: Mapping[str, Any], index: Path) -> Iterator[str]:
    """The promises with their verdicts, as lines for a terminal; worst first."""
    promises = sorted(fleet["promises"], key=lambda promise: VERDICTS.index(promise["verdict"]))
    width = max(len(promise["id"]) for promise in promises)
    partial = ", partial" if fleet["partial"] else ""
    yield ""
    yield f"{fleet['statement']['provider']}, {fleet['statement']['title']}: {len(promises)} promises{partial}"
    for promise in promises:
        word = promise["verdict"]
        hosts = [host for host, verdict in promise["hosts"].items() if verdict == word]
        everywhere = len(hosts) == len(promise["hosts"]) and not fleet["partial"]
        yield f"  {promise['id']:{width}}  {word:14}  {'all hosts' if everywhere else names(hosts)}".rstrip()
    yield ""
    yield f"Report: {index}"


def reason(failed: Sequence[Failure], index: Path) -> str:
    """Why the run fails, in one line."""
    parts = []
    for word in FAIL_ON:
        hosts: dict[str, list[str]] = {}
        for one in failed:
            if one.word == word:
                hosts.setdefault(one.promise, []).append(one.host)
        if hosts:
            told = names([f"{promise} on {names(of)}" for promise, of in hosts.items()], "; ")
            parts.append(f"{word.replace('_', ' ')}: {told}")
    return f"{'. '.join(parts)}. See {index}"


def names(given: Iterable[str], between: str = ", ") -> str:
    """Some of the names, and how many more there are."""
    listed = list(given)
    more = f" and {len(listed) - NAMED_AT_MOST} more" if len(listed) > NAMED_AT_MOST else ""
    return between.join(listed[:NAMED_AT_MOST]) + more
