# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host runs by itself, regularly: systemd's timers, cron, anacron.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
import stat as statmode
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._host import Host, Unseen
from . import units

# looked at even where nothing loaded them: a masked or disabled timer is not in the list of those loaded
KNOWN_TIMERS = ("logrotate.timer", "systemd-tmpfiles-clean.timer", "privacy-hosting-log-retention.timer")

_TIMER_FIELDS = (
    "Id,Unit,LoadState,ActiveState,UnitFileState,FragmentPath,NextElapseUSecRealtime,NextElapseUSecMonotonic,"
    "LastTriggerUSec,ActiveEnterTimestamp,TimersCalendar,TimersMonotonic"
)
_SERVICE_FIELDS = (
    "Id,LoadState,ActiveState,Result,ExecMainStatus,ExecMainExitTimestamp,ExecStart,FragmentPath,ConditionResult,"
    "ConditionTimestamp,DropInPaths,User"
)
_UNITS = "/etc/systemd/system"
_NEXT = ("NextElapseUSecRealtime", "NextElapseUSecMonotonic")
_BUSY = ("active", "activating")  # while a service runs, its timer has no next run yet
_NOT_AT_BOOT = ("disabled", "masked", "masked-runtime", "enabled-runtime", "bad")
_CRON_DIRECTORIES = {"hourly": 1 / 24, "daily": 1.0, "weekly": 7.0, "monthly": 31.0, "yearly": 366.0}
_CRON_WORDS = {
    "@hourly": 1 / 24,
    "@daily": 1.0,
    "@midnight": 1.0,
    "@weekly": 7.0,
    "@monthly": 31.0,
    "@yearly": 366.0,
    "@annually": 366.0,
}
_CRON_NAME = re.compile(r"[A-Za-z0-9_-]+")  # run-parts and cron pass over any other name
_SCRIPT_BYTES = 256 << 10
_LOCAL = ("/usr/local/sbin", "/usr/local/bin")
_SYSTEM = ("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/dev/")
_BARE = re.compile(r"[\w.+-]{1,99}")
_LANGUAGE = re.compile(r"(?:^|/)(?:(?:ba|da|k|z)?sh|python[\d.]*|perl|php[\d.]*|ruby|\.|source)$")
_DEPTH = 3  # of scripts that name scripts


@dataclass(frozen=True)
class Job:
    """Something that runs by itself.

    every_days: the longest time between two runs as configured. text: shell text of what it runs.
    faults: why it does not really run, configured or seen; good only if there is none. runs: whether it comes again;
    False is never, None not as the host is now, but perhaps after its next start.
    result: what is known of its last run, in words; failed: the last run ended badly.
    unit: the service, of a timer; command: where what it runs stands, 'file:line'; user: as whom it runs.
    """

    name: str
    text: str
    every_days: float
    source: str
    faults: tuple[str, ...] = ()
    runs: bool | None = True
    result: str = ""
    failed: bool = False
    last: dt.datetime | None = None
    unit: str = ""
    command: str = ""
    user: str = "root"


def jobs(host: Host) -> list[Job]:
    """Every job that the host is set up to run regularly. Raises Unseen."""
    return host.once("jobs", lambda: [*_timers(host), *_cron(host)])


# -- systemd ----------------------------------------------------------------------------------------------------------


def has_systemd(host: Host) -> bool:
    """Whether systemd runs the host."""
    return host.stat("/run/systemd/system") is not None


def _show(host: Host, fields: str, *names: str) -> list[dict[str, str]]:
    """The properties of units, one mapping for each unit; TimersCalendar and the like may come more than once."""
    text = host.run("systemctl", "show", "--no-pager", "-p", fields, *names).stdout
    found = []
    for block in text.split("\n\n"):
        properties: dict[str, str] = {}
        for line in block.splitlines():
            key, _equals, value = line.partition("=")
            properties[key] = f"{properties[key]} ; {value}" if key in properties else value
        if properties.get("Id"):
            found.append(properties)
    return list({unit["Id"]: unit for unit in found}.values())


def unloaded(host: Host) -> list[Job]:
    """Timers that an administrator set up and that systemd has not loaded, as nothing needs them: disabled ones."""
    return host.once("timers not loaded", lambda: list(_unloaded(host)))


def _unloaded(host: Host) -> Iterator[Job]:
    loaded = {job.name for job in jobs(host)}
    there = [name for name in host.names(_UNITS) if name.endswith(".timer") and "@" not in name]
    names = [name for name in there if name not in loaded]
    if names:
        yield from _timers(host, *names)


def _timers(host: Host, *names: str) -> Iterator[Job]:
    if not has_systemd(host):
        return
    shown = _show(host, _TIMER_FIELDS, *(names or ("*.timer", *KNOWN_TIMERS)))
    timers = [timer for timer in shown if timer["LoadState"] != "not-found"]
    wanted = [timer.get("Unit") or re.sub(r"timer$", "service", timer["Id"]) for timer in timers]
    services = {unit["Id"]: unit for unit in _show(host, _SERVICE_FIELDS, *wanted)} if wanted else {}
    for timer, unit in zip(timers, wanted):
        yield _timer_job(host, timer, services.get(unit, {"Id": unit, "LoadState": "not-found"}))


def _timer_job(host: Host, timer: dict[str, str], service: dict[str, str]) -> Job:
    every = _timer_interval(timer)
    result = service.get("Result", "")
    failed = result not in ("success", "")
    return Job(
        name=timer["Id"],
        text="\n".join(_commands(service.get("ExecStart", ""))),
        every_days=every,
        source=timer.get("FragmentPath") or f"systemctl show {timer['Id']}",
        faults=tuple(_timer_faults(host, timer, service, every)),
        runs=_timer_runs(timer, service),
        result=f"last run of {service['Id']}: {result}" if failed else "",
        failed=failed,
        last=_when(timer.get("LastTriggerUSec", "")),
        unit=service["Id"],
        command=_exec_source(host, service),
        user=service.get("User") or "root",
    )


def _exec_source(host: Host, service: dict[str, str]) -> str:
    """Where the command of a service stands: the last file of the unit and its drop-ins that gives one."""
    found = ""
    for path in [service.get("FragmentPath", ""), *service.get("DropInPaths", "").split()]:
        if path.startswith("/") and host.stat(path) is not None:
            for number, line in enumerate(host.read(path).splitlines(), 1):
                found = f"{path}:{number}" if re.match(r"\s*ExecStart\s*=\s*\S", line) else found
    return found


def _commands(value: str) -> Iterator[str]:
    """The command lines of ExecStart as `systemctl show` prints it."""
    for match in re.finditer(r"argv\[\]=(.*?) ; ignore_errors=", value):
        yield match.group(1)


def _timer_faults(host: Host, timer: dict[str, str], service: dict[str, str], every: float) -> Iterator[str]:
    name = timer["Id"]
    if timer["LoadState"] != "loaded":
        yield f"{name} is {timer['LoadState']}"
        return
    if timer["ActiveState"] != "active":
        yield f"{name} is not started ({timer['ActiveState']})"
    elif not _comes(timer, service):
        yield f"{name} has no next run"
    if timer["UnitFileState"] in _NOT_AT_BOOT:
        yield f"{name} is {timer['UnitFileState']}, so it will not run after the next start of the host"
    if service.get("LoadState") != "loaded":
        yield f"{service['Id']} is {service.get('LoadState') or 'not there'}"
    if _was_skipped(service):
        yield f"{service['Id']} was skipped by a condition of its unit"
    since = _when(timer.get("LastTriggerUSec", "")) or _when(timer.get("ActiveEnterTimestamp", ""))
    if since is not None and host.now - since > dt.timedelta(days=2 * every + 1):
        yield f"{name} last ran on {since:%Y-%m-%d}"


def _comes(timer: dict[str, str], service: dict[str, str]) -> bool:
    """Whether a timer that is started has a next run, or its service runs just now."""
    return any(_ahead(timer.get(key, "")) for key in _NEXT) or service.get("ActiveState") in _BUSY


def _was_skipped(service: dict[str, str]) -> bool:
    return service.get("ConditionResult") == "no" and bool(service.get("ConditionTimestamp"))


def _timer_runs(timer: dict[str, str], service: dict[str, str]) -> bool | None:
    """Whether a timer comes again, as Job.runs."""
    if timer["LoadState"] != "loaded" or service.get("LoadState") != "loaded":
        return False
    if timer["ActiveState"] == "active" and _comes(timer, service):
        return None if _was_skipped(service) else True
    return False if timer["UnitFileState"] in _NOT_AT_BOOT else None


def _ahead(value: str) -> bool:
    return value not in ("", "0", "n/a", "infinity")


def _when(text: str) -> dt.datetime | None:
    """A moment as systemctl prints it under TZ=UTC: 'Fri 2026-11-20 00:00:00 UTC'."""
    match = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", text)
    if not match:
        return None
    return dt.datetime.strptime(match.group(1), "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.timezone.utc)


def _timer_interval(timer: dict[str, str]) -> float:
    """The days between two runs of a timer, by its calendar or by its spans; a day where it is masked."""
    if timer["LoadState"] != "loaded":
        return 1.0
    found = [calendar_days(spec) for spec in re.findall(r"OnCalendar=(.*?) ;", timer.get("TimersCalendar", ""))]
    spans = re.findall(r"On(?:UnitActive|UnitInactive)USec=(.*?) ;", timer.get("TimersMonotonic", ""))
    found += [days for days in map(span_days, spans) if days]
    return min(found, default=366.0)


def calendar_days(spec: str) -> float:
    """The most days between two moments of a calendar expression in its normal form, roughly."""
    match = re.fullmatch(
        r"(?:(?P<week>[A-Z][a-z]{2}[^ ]*) )?(?P<y>[^-]+)-(?P<m>[^-]+)-(?P<d>\S+) (?P<H>[^:]+):.*", spec
    )
    if not match:
        return 366.0
    if match["m"] != "*" or match["y"] != "*":
        return 366.0
    if match["d"] != "*":
        return 31.0
    if match["week"]:
        return 7.0
    return 1 / 24 if match["H"] == "*" else 1.0


_SPAN = {
    "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hr": 3600, "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800, "M": 2629800,
    "month": 2629800, "y": 31557600, "year": 31557600, "": 1,
}  # fmt: skip


def span_days(text: str) -> float | None:
    """A time span as systemd writes it ('731d', '1y 6month', '2 weeks'), in days; None where it is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
    if not parts or re.sub(r"\d+(?:\.\d+)?\s*[A-Za-z]*\s*", "", text).strip():
        return None
    seconds = 0.0
    for number, unit in parts:
        size = _SPAN.get(unit, _SPAN.get(unit[:-1] if unit.endswith("s") else "?"))
        if size is None:
            return None
        seconds += float(number) * size
    return seconds / 86400


# -- cron -------------------------------------------------------------------------------------------------------------


@dataclass
class _Cron:
    """What runs cron's tables. faults: why nothing does; runs: as of a job."""

    faults: tuple[str, ...]
    runs: bool | None = True
    run_directories: dict[str, tuple[str, ...]] = field(default_factory=dict)  # directory -> faults of what runs it


def _cron(host: Host) -> Iterator[Job]:
    cron = _Cron(tuple(_daemon_faults(host)), _daemon_runs(host))
    system = [
        *_table(host, "/etc/crontab", cron, owned=True),
        *(
            job
            for name in host.names("/etc/cron.d")
            if not name.startswith(".")
            for job in _table(host, f"/etc/cron.d/{name}", cron, owned=True)
        ),
    ]
    users = "/var/spool/cron/crontabs"
    private = [job for name in host.names(users) for job in _table(host, f"{users}/{name}", cron, owned=False)]
    yield from system
    yield from private
    for word, days in _CRON_DIRECTORIES.items():
        directory = f"/etc/cron.{word}"
        for name in host.names(directory):
            if name != ".placeholder":
                yield _script(host, directory, name, days, _runner(host, directory, system, cron))


def _is_started(host: Host) -> bool:
    return any(process.name in ("cron", "crond") and not process.contained for process in host.processes())


def _daemon_runs(host: Host) -> bool | None:
    if _is_started(host):
        return True
    return False if has_systemd(host) and units.starts_at_boot(host, "cron.service") is False else None


def _daemon_faults(host: Host) -> Iterator[str]:
    if not _is_started(host):
        yield "cron does not run"
    elif has_systemd(host) and units.starts_at_boot(host, "cron.service") is False:
        yield "cron does not start at boot"


def _runner(host: Host, directory: str, system: list[Job], cron: _Cron) -> _Cron:
    """What runs a directory of scripts."""
    table = host.read("/etc/anacrontab") if host.stat("/etc/anacrontab") is not None else ""
    if host.has("anacron") and re.search(rf"^[^#].*{directory}\b", table, re.MULTILINE):
        anacron = [job for job in _timers(host) if job.name == "anacron.timer"]
        if any(not job.faults for job in anacron) or not cron.faults:
            return _Cron(())
        faults = (*(fault for job in anacron for fault in job.faults), *cron.faults)
        return _Cron(faults, _any_runs([*(job.runs for job in anacron), cron.runs]))
    runners = [job for job in system if directory in job.text and "run-parts" in job.text]
    if not runners:
        return _Cron((f"nothing runs {directory}",), runs=False)
    return _Cron(min((job.faults for job in runners), key=len), _any_runs([job.runs for job in runners]))


def _any_runs(runs: list[bool | None]) -> bool | None:
    return True if True in runs else None if None in runs else False


def _table(host: Host, path: str, cron: _Cron, owned: bool) -> Iterator[Job]:
    """The jobs of a crontab. owned: it has a column for the user and must belong to root."""
    status = host.stat(path)
    if status is None or not statmode.S_ISREG(status.st_mode):
        return
    text = host.read(path)
    own = list(_table_faults(path, text, status.st_mode, status.st_uid, owned))
    faults, runs = (*cron.faults, *own), False if own else cron.runs
    columns = 6 if owned else 5
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(None, columns)
        if not words or words[0].startswith("#") or re.match(r"\s*[A-Za-z_]\w*\s*=", line):
            continue
        if words[0].startswith("@"):
            words = line.split(None, columns - 4)
            days, rest = _CRON_WORDS.get(words[0], 366.0), words[columns - 4 :]
        else:
            days, rest = cron_days(words[:5]), words[columns:]
        user = words[columns - 1 if not words[0].startswith("@") else 1] if owned and rest else path.rpartition("/")[2]
        if rest:
            command = re.sub(r"(?<!\\)%.*", "", rest[0]).replace("\\%", "%")  # what follows a % is input
            yield Job(f"the line in {path}", command, days, f"{path}:{number}", faults, runs, user=user)


def _table_faults(path: str, text: str, mode: int, owner: int, owned: bool) -> Iterator[str]:
    name = path.rpartition("/")[2]
    if path.startswith("/etc/cron.d/") and not _CRON_NAME.fullmatch(name):
        yield f"cron passes over {path}: such a name is not read"
    if owned and owner != 0:
        yield f"cron refuses {path}: it does not belong to root"
    if owned and mode & 0o022:
        yield f"cron refuses {path}: it is writable by group or others"
    if text and not text.endswith("\n"):
        yield f"cron refuses {path}: its last line has no end"


def cron_days(fields: list[str]) -> float:
    """The most days between two runs of a crontab's five time fields, roughly."""
    if len(fields) < 5:
        return 366.0
    _minute, hour, day, month, week = fields
    if month not in ("*", "*/1", "1-12"):
        return 366.0
    if day not in ("*", "*/1", "1-31"):
        return 31.0
    if week not in ("*", "*/1", "0-6", "1-7", "0-7"):
        return 7.0
    return 1 / 24 if hour in ("*", "*/1", "0-23") else 1.0


def _script(host: Host, directory: str, name: str, days: float, runner: _Cron) -> Job:
    path = f"{directory}/{name}"
    status = host.stat(path)
    own: list[str] = []
    if status is None:
        own.append(f"{path} points nowhere")
    elif not status.st_mode & 0o111:
        own.append(f"{path} is not executable")
    if not _CRON_NAME.fullmatch(name):
        own.append(f"run-parts passes over {path}: such a name is not run")
    runs = False if own else runner.runs
    return Job(path, _script_text(host, path), days, path, (*own, *runner.faults), runs)


def _script_text(host: Host, path: str) -> str:
    """The text of a shell script; '' for a program, or a script that leaves the work to systemd where that runs."""
    try:
        text = host.read(path) if host.stat(path) is not None else ""
    except Unseen:
        return ""
    first = text.split("\n", 1)[0]
    if (
        "\0" in text
        or len(text) > _SCRIPT_BYTES
        or (first.startswith("#!") and not re.search(r"\b(ba|da|k|z)?sh\b", first))
    ):
        return ""
    if re.search(r"-d /run/systemd/system", text) and has_systemd(host):
        return ""
    return text


def scripts_of(host: Host, job: Job) -> list[tuple[str, str]]:
    """What a job runs, with where it stands: its own text, and that of shell scripts that it calls by their path."""
    found = [(job.text, job.command or job.source)]
    for line in job.text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        for word in words:
            if word.startswith("/") and not word.startswith(("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/dev/")):
                status = host.stat(word)
                if status is not None and statmode.S_ISREG(status.st_mode) and status.st_mode & 0o111:
                    found.append((_script_text(host, word), word))
    return found


def scripts_named_by(host: Host, job: Job) -> list[tuple[str, str]]:
    """What a job may run, with where it stands: its own text, that of every script that it names, and of theirs.

    Of a script in another language the text is ''.
    """
    found = {job.command or job.source: job.text}
    waiting = [(job.text, 0)]
    while waiting:
        text, depth = waiting.pop(0)
        for path in _named(host, text, job.user):
            if path not in found and path != job.source:
                found[path] = _script_text(host, path)
                waiting += [(found[path], depth + 1)] if depth < _DEPTH else []
    return [(text, source) for source, text in found.items()]


def _named(host: Host, text: str, user: str) -> Iterator[str]:
    """The files that a shell text may run: named whole, by a name in /usr/local, or to a language's program."""
    home = "/root" if user == "root" else f"/home/{user}"
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        for before, word in zip(["", *words], words):
            path = re.sub(r"^(~|\$HOME|\$\{HOME\})/", f"{home}/", word)
            tried = [f"{directory}/{path}" for directory in _LOCAL] if _BARE.fullmatch(path) else [path]
            for one in tried:
                status = host.stat(one) if one.startswith("/") and not one.startswith(_SYSTEM) else None
                runs = status is not None and (status.st_mode & 0o111 or _LANGUAGE.search(before))
                if status is not None and runs and statmode.S_ISREG(status.st_mode):
                    yield one
