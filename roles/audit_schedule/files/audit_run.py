# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One scheduled run: audit, tell what is newly broken or went silent, forget old runs, tell the dead man's switch.

Usage: audit_run.py SETTINGS        a JSON file that the role audit_schedule writes

systemd names the folder of the runs ($STATE_DIRECTORY), and the settings that of the secrets: 'notify' (URLs of
apprise, one a line), 'ping' (a URL), 'vault_password', 'ssh_key'. An empty file is no secret. The exit status is 0 if a
report was written and every notice was taken.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN_FORM = "%Y-%m-%dT%H%M%SZ"
RUN = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
# In one notice; the report has them all.
LINES_AT_MOST = 20
PING_TRIES = 3
PING_SECONDS = 10
# A run that comes so long after the one before it has a clock that is not believed, and removes nothing. No calendar
# that anybody uses has such gaps; a machine whose clock was lost while it was off has.
DOUBTED_DAYS = 400
# Verdicts that a notice can be about, and what 'mended' says no longer holds. Unproven is neither.
BAD = ("broken", "unproven", "lapsed")
GOOD = ("kept", "attested", "not_applicable", "waived")
SILENT = {
    "unreached": "could not be reached",
    "unaudited": "gave no record",
    "gone": "is no longer in the inventory, or in this run",
}

Pairs = dict[str, list[str]]


def say(text: str) -> None:
    """A line for the journal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# -- what a report says, and what was told of it before -------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """What has been told. verdicts: hosts by promise, by verdict of BAD; silent: reasons by host; hosts: all known."""

    verdicts: Mapping[str, Pairs] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    hosts: Sequence[str] = ()

    @classmethod
    def read(cls, path: Path) -> Memory:
        """What a file holds; nothing where there is none, or none that can be read: then all is told again."""
        try:
            held = json.loads(path.read_text())
            return cls(held["verdicts"], held["silent"], held["hosts"])
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Keep it, by renaming."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"verdicts": self.verdicts, "silent": self.silent, "hosts": self.hosts}))
        fresh.replace(path)


def seen(fleet: Mapping[str, Any], before: Memory) -> Memory:
    """What holds after a run. What was told of a host stays told until an audit of it says otherwise."""
    states = {host["name"]: host["state"] for host in fleet["hosts"]}
    silent = {host: state for host, state in states.items() if state in SILENT}
    if not fleet["partial"]:
        silent.update(dict.fromkeys(set(before.hosts) - set(states), "gone"))
    silent.update({host: why for host, why in before.silent.items() if states.get(host) == "outside"})
    verdicts = {word: _with(fleet, states, before, word) for word in BAD}
    hosts = set(states) | (set(before.hosts) if fleet["partial"] else set())
    return Memory(verdicts, silent, sorted(hosts))


def _with(fleet: Mapping[str, Any], states: Mapping[str, str], before: Memory, word: str) -> Pairs:
    """Hosts by promise that have this bad verdict, or had it and have not shown better since."""
    found: dict[str, set[str]] = {}
    now = {promise["id"]: promise["hosts"] for promise in fleet["promises"]}
    for promise, hosts in now.items():
        found[promise] = {host for host, verdict in hosts.items() if verdict == word and states[host] == "audited"}
    for promise, told in before.verdicts.get(word, {}).items():
        if promise in now:
            found[promise] |= {host for host in told if _still(states.get(host), now[promise].get(host), word)}
    return {promise: sorted(hosts) for promise, hosts in found.items() if hosts}


def _still(state: str | None, verdict: str | None, word: str) -> bool:
    """Whether a host that had a bad verdict is not known to be better."""
    if state in ("unreached", "unaudited", "outside"):
        return True
    return state == "audited" and (verdict == word or (word != "unproven" and verdict == "unproven"))


def changes(before: Memory, after: Memory, fleet: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is to be told: the kind, and a line about it."""
    for word in BAD:
        for promise, hosts in _less(after.verdicts.get(word, {}), before.verdicts.get(word, {})):
            yield word, f"newly {word}: {promise} on {', '.join(hosts)}"
    for host in sorted(set(after.silent) - set(before.silent)):
        yield "silent", f"silent: {host} {SILENT[after.silent[host]]}"
    now = {promise["id"]: promise["hosts"] for promise in fleet["promises"]}
    for promise, hosts in _less(before.verdicts.get("broken", {}), after.verdicts.get("broken", {})):
        mended = [host for host in hosts if now.get(promise, {}).get(host) in GOOD]
        if mended:
            yield "mended", f"mended: {promise} on {', '.join(mended)}"
    for host in sorted(set(before.silent) - set(after.silent)):
        if host in after.hosts:
            yield "mended", f"heard again: {host}"


def _less(one: Pairs, other: Pairs) -> Iterator[tuple[str, list[str]]]:
    """What one has and the other has not."""
    for promise, hosts in one.items():
        rest = [host for host in hosts if host not in other.get(promise, ())]
        if rest:
            yield promise, rest


# -- telling --------------------------------------------------------------------------------------------------------


def notify(targets: Iterable[str], title: str, lines: Sequence[str]) -> bool:
    """Tell every target; whether all of them took it. A target is never named: its URL holds a secret."""
    from apprise import Apprise

    taken = True
    for number, target in enumerate(targets, 1):
        told = Apprise()
        if not told.add(target) or not told.notify(body="\n".join(lines), title=title):
            say(f"error: notice target {number} did not take the notice")
            taken = False
    return taken


def ping(url: str | None, end: str = "") -> None:
    """Tell the dead man's switch. A failure is printed only: its silence is what the switch is for."""
    if not url:
        return
    reason = ""
    for trial in range(PING_TRIES):
        try:
            with urllib.request.urlopen(url.rstrip("/") + end, timeout=PING_SECONDS):  # noqa: S310  the role checks it
                return
        except (OSError, ValueError) as error:
            reason = f"status {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
        if trial + 1 < PING_TRIES:
            time.sleep(1)
    say(f"warning: the dead man's switch could not be told {end or 'of success'}: {reason}")


# -- runs -----------------------------------------------------------------------------------------------------------


def report_of(folder: Path) -> dict[str, Any] | None:
    """The content of the fleet.json that our report wrote in a folder of a run, or None."""
    if not RUN.fullmatch(folder.name) or folder.is_symlink():
        return None
    try:
        fleet = json.loads((folder / "fleet.json").read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(fleet, dict) and fleet.get("run") == folder.name and {"hosts", "promises"} <= set(fleet)
    return fleet if ours else None


def forget(reports: Path, keep_days: int, now: dt.datetime) -> list[str]:
    """Remove runs older than so many days, but never the newest two; their names. Other folders stay.

    Nothing is removed where the run before the newest is more than DOUBTED_DAYS away.
    """
    named = (folder for folder in reports.iterdir() if RUN.fullmatch(folder.name))
    runs = sorted((folder for folder in named if report_of(folder)), key=lambda folder: folder.name)
    oldest, believed = ((now - dt.timedelta(days=days)).strftime(RUN_FORM) for days in (keep_days, DOUBTED_DAYS))
    if len(runs) > 1 and runs[-2].name < believed:
        say(f"warning: the run before is of {runs[-2].name[:10]}: see whether the clock is right; no run is removed")
        return []
    removed = []
    for folder in runs[:-2]:
        if folder.name < oldest:
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed


@dataclass(frozen=True)
class Schedule:
    """What the role set. folder: where runs and memory are."""

    settings: Mapping[str, Any]
    folder: Path

    def secret(self, name: str) -> Path | None:
        """The file of a secret, where there is one that holds anything. Raises OSError where that cannot be read."""
        path = Path(self.settings["secrets"]) / name
        return path if path.exists() and path.read_bytes().strip() else None

    def lines(self, name: str) -> list[str]:
        """The lines of a secret."""
        path = self.secret(name)
        return path.read_text().split() if path else []

    def command(self, run: str) -> list[str]:
        """The command line of the audit; no secret is in it."""
        variables = {**self.settings["variables"], "audit_run": run, "audit_dest": str(self.folder / "reports" / run)}
        inventories = [f"--inventory={inventory}" for inventory in self.settings["inventories"]]
        playbook = [self.settings["ansible_playbook"], "privacy.hosting.audit", *inventories]
        return [*playbook, *self.settings["arguments"], "--extra-vars", json.dumps(variables)]

    def environment(self) -> dict[str, str]:
        """What Ansible is told beside: our collection, where it may write, and the files of secrets."""
        given = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": self.settings["collections"],
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            **self.settings["environment"],
        }
        named = {"ssh_key": "ANSIBLE_PRIVATE_KEY_FILE", "vault_password": "ANSIBLE_VAULT_PASSWORD_FILE"}
        return {**given, **{variable: str(path) for name, variable in named.items() if (path := self.secret(name))}}

    def audit(self, run: str) -> tuple[dict[str, Any] | None, str]:
        """Run the audit: what its report holds, or None and why there is none."""
        limit = self.settings["limit_s"]
        try:
            done = subprocess.run(
                self.command(run),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=limit,
            )
        except subprocess.TimeoutExpired:
            return None, f"it was not done after {limit} seconds"
        except OSError as error:
            return None, f"{self.settings['ansible_playbook']} could not be started: {error.strerror}"
        fleet = report_of(self.folder / "reports" / run)
        return fleet, "" if fleet else f"ansible-playbook ended with status {done.returncode}"


def once(schedule: Schedule, now: Callable[[], dt.datetime]) -> bool:
    """One run, from ping to ping; whether a report came and every notice was taken."""
    switch = next(iter(schedule.lines("ping")), None)
    ping(switch, "/start")
    try:
        good = _run(schedule, now())
    except BaseException:
        ping(switch, "/fail")
        raise
    ping(switch, "" if good else "/fail")
    return good


def _run(schedule: Schedule, now: dt.datetime) -> bool:
    run, reports, settings = now.strftime(RUN_FORM), schedule.folder / "reports", schedule.settings
    reports.mkdir(mode=0o700, exist_ok=True)
    fleet, reason = schedule.audit(run)
    if fleet is None:
        say(f"error: the audit made no report: {reason}")
        if "failed" in settings["tells"]:
            lines = [f"The audit of {now:%Y-%m-%d %H:%M} UTC made no report: {reason}.", f"See {settings['journal']}."]
            notify(schedule.lines("notify"), "Privacy audit: no report", lines)
        return False
    taken = _tell(schedule, fleet, f"Report: {settings['where']}:{reports / run / 'index.html'}")
    for old in forget(reports, settings["keep_days"], now):
        say(f"removed the run {old}, which is older than {settings['keep_days']} days")
    return taken


def _tell(schedule: Schedule, fleet: Mapping[str, Any], where: str) -> bool:
    """Tell what changed since it was last told, in one notice; whether there was nothing to tell or it was taken."""
    kept = schedule.folder / "told.json"
    before = Memory.read(kept)
    after = seen(fleet, before)
    found = [(kind, line) for kind, line in changes(before, after, fleet) if kind in schedule.settings["tells"]]
    lines = [line for _kind, line in found[:LINES_AT_MOST]]
    if len(found) > LINES_AT_MOST:
        lines.append(f"and {len(found) - LINES_AT_MOST} more")
    targets = schedule.lines("notify")
    taken = not found or notify(targets, title(fleet, [kind for kind, _line in found]), [*lines, where])
    if taken:
        after.write(kept)
    say(f"{len(found)} changes to tell, {len(targets)} targets")
    return taken


def title(fleet: Mapping[str, Any], kinds: Sequence[str]) -> str:
    """The subject of a notice: whose promises, and how many changes of each kind."""
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return f"Privacy audit, {fleet['statement']['provider']}: {counts}"


def main(arguments: Sequence[str]) -> int:
    """Make one run with the settings of a file; the exit status."""
    if len(arguments) != 1:
        say(__doc__ or "")
        return 2
    os.umask(0o077)
    signal.signal(signal.SIGTERM, lambda *_told: sys.exit("error: ended by a signal"))
    schedule = Schedule(json.loads(Path(arguments[0]).read_text()), Path(os.environ["STATE_DIRECTORY"]))
    return 0 if once(schedule, lambda: dt.datetime.now(dt.timezone.utc)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
