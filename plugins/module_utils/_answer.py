# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answer what promises ask about a host: options → question → checks → findings.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ._finding import ERROR, Finding
from ._host import Host, Limits, Unseen
from ._measure import Check, Measure, Question


def checks_of(measure: str) -> tuple[Check, ...]:
    """The checks of a measure; imported by name, for a host has those of the asked measures only."""
    checks: tuple[Check, ...] = importlib.import_module(f"{__package__}._checks.{measure}").CHECKS
    return checks


def measure_named(name: str) -> Measure:
    """The table of a measure, imported by name. Raises KeyError where there is none."""
    try:
        measure: Measure = importlib.import_module(f"{__package__}._measures.{name}").MEASURE
    except ModuleNotFoundError as error:
        if str(error.name).endswith(f"._measures.{name}"):
            raise KeyError(name) from None
        raise
    return measure


def unanswered(measure: str, option: str, check: str, reason: str) -> Finding:
    """The finding for something that could not be judged."""
    return Finding(measure, check, option, "this host", ERROR, "", "can be judged", reason, "")


def fault(error: Exception) -> str:
    """What to say of an error of our own: where, and of what kind. Its text may hold what the host said."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    line = f"{os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno}" if where else "?"
    return f"the check failed by itself at {line} ({type(error).__name__}); this is a fault of privacy.hosting"


def run_check(host: Host, check: Check, question: Question, measure: str, option: str) -> Iterator[Finding]:
    """The findings of one check; a check that fails by itself gives one finding 'error' with the reason."""
    begun = time.monotonic()
    try:
        for finding in check.run(host, question, option):
            ended = time.monotonic()
            yield finding.timed(ended - begun)
            begun = ended
    except Unseen as unseen:
        yield unanswered(measure, option, check.name, str(unseen)).timed(time.monotonic() - begun)
    except Exception as error:  # noqa: BLE001 - a check's own fault must not take the other rows with it
        yield unanswered(measure, option, check.name, fault(error)).timed(time.monotonic() - begun)


def pose(measure: Measure, options: Mapping[str, Any], params: Mapping[str, Any]) -> Question:
    """The question that a promise's options make. Raises ValueError for a value that an option does not take."""
    asked = {name: measure.option(name).parse(value) for name, value in options.items()}
    told = params["settings"].get(measure.name, {})
    settings = {option.name: option.default for option in measure.options}
    settings.update({name: measure.option(name).parse(value) for name, value in told.items()})
    settings.update(asked)
    return Question(asked, settings, tuple(params["own_sites"]), params["probe"])


def answer(host: Host, asked: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings for one question. Every judged option that is asked has one at least."""
    name = asked["measure"]
    if os.geteuid() != 0:
        reason = "the audit runs without root rights; set ansible_become: true or log in as root"
        yield unanswered(name, "", "rights", reason)
        return
    try:
        measure, checks = measure_named(name), checks_of(name)
    except KeyError:
        yield unanswered(name, "", "measure", f"no measure is called {name}; docs/options.md names those that are")
        return
    except Exception as error:  # noqa: BLE001 - checks that this Python cannot import must not take other rows with them
        yield unanswered(name, "", "measure", fault(error))
        return
    try:
        question = pose(measure, asked["options"], params)
    except (KeyError, ValueError) as error:
        yield unanswered(name, "", "options", f"an option cannot be understood: {error}")
        return
    for option in (option.name for option in measure.options if option.judged and option.name in question.asked):
        found = [
            finding
            for check in checks
            if option in check.options
            for finding in run_check(host, check, question, name, option)
        ]
        yield from found or [unanswered(name, option, "checks", "no check answered for this option")]


def stop_at(seconds: float) -> None:
    """Raise Unseen in whatever runs when the seconds are over, as the last bound of all."""

    def out_of_time(_signal: int, _frame: object) -> NoReturn:
        raise Unseen(f"the audit's limit of {seconds:.0f} s was reached")

    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)


def whole_answer(host: Host, asked: Mapping[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All findings for one question as plain types; the last bound of time may strike at any line."""
    try:
        return [finding.as_dict() for finding in answer(host, asked, params)]
    except Unseen as unseen:
        return [unanswered(asked["measure"], "", "limit", str(unseen)).as_dict()]


def os_name(host: Host) -> str:
    """The operating system's name and release, as it calls itself."""
    try:
        lines = host.read("/etc/os-release").splitlines()
    except Unseen:
        return "unknown"
    named = [line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")]
    return named[0] if named else "unknown"


def answers(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the module measure_info returns for its parameters: the findings by question, and what they were made on."""
    begun = time.monotonic()
    asked = params["questions"]
    measures = dict.fromkeys(question["measure"] for question in asked)
    host = Host(Limits(command_s=params["command_seconds"], total_s=params["total_seconds"]))
    # what all measures look at, before their own commands (nginx -V, sshd -T) are among the processes
    for see in (host.processes, host.listeners):
        with contextlib.suppress(Unseen):
            see()
    found = {name: iter(told) for name, told in _side_by_side(list(measures), host, params).items()}
    about = {
        "os": os_name(host),
        "python": ".".join(map(str, sys.version_info[:3])),
        "root": os.geteuid() == 0,
        "took_s": round(time.monotonic() - begun, 3),
    }
    return {"answers": [next(found[question["measure"]]) for question in asked], "host": about}


# -- measures side by side ----------------------------------------------------------------------------------------

# a list of findings for each question
Answers = Sequence[Sequence[Mapping[str, Any]]]

_LAST_S = 10.0  # after the limit of all, until a child that does not end by itself is killed


@dataclass
class _Child:
    """A process that answers the questions about one measure. said: what came through its pipe so far."""

    pid: int
    pipe: int
    said: bytes = b""


def _side_by_side(measures: Sequence[str], host: Host, params: Mapping[str, Any]) -> dict[str, Answers]:
    """The answers about each measure, in the order of its questions; a process for each, as many as there are CPUs.

    A measure whose process comes to grief takes no other one's answers with it.
    """
    if len(measures) == 1:
        return {measures[0]: _about(measures[0], host, params)}
    end = time.monotonic() + params["total_seconds"] + _LAST_S
    waiting, ended = list(measures), {}
    running: dict[str, _Child] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < len(os.sched_getaffinity(0)):
                name = waiting.pop(0)
                running[name] = child = _fork(name, host, params)
                selector.register(child.pipe, selectors.EVENT_READ, name)
            left = end - time.monotonic()
            for key, _events in selector.select(max(left, 0.0)):
                chunk = os.read(key.fd, 1 << 20)
                running[key.data].said += chunk
                if not chunk:
                    selector.unregister(key.fd)
                    ended[key.data] = _end(running.pop(key.data), key.data, params)
            if left <= 0:
                for name, child in running.items():
                    os.kill(child.pid, signal.SIGKILL)
                    ended[name] = _end(child, name, params)
                ended.update({name: _none(name, params, "the audit's limit was reached") for name in waiting})
                break
    return ended


def _about(measure: str, host: Host, params: Mapping[str, Any]) -> Answers:
    """The answers to all questions about a measure."""
    try:
        stop_at(host.seconds_left() + 5)
    except Unseen as unseen:
        return _none(measure, params, str(unseen))
    told = [whole_answer(host, asked, params) for asked in params["questions"] if asked["measure"] == measure]
    signal.setitimer(signal.ITIMER_REAL, 0)
    return told


def _fork(measure: str, host: Host, params: Mapping[str, Any]) -> _Child:
    """A new process that writes the answers about a measure into a pipe, as JSON, and ends."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _Child(pid, reading)
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "wb") as stream:
            stream.write(json.dumps(_about(measure, host, params)).encode())
        code = 0
    finally:
        os._exit(code)  # and run nothing of what the parent has left to do


def _end(child: _Child, measure: str, params: Mapping[str, Any]) -> Answers:
    """What a child that ended has answered; it must have done so whole."""
    os.close(child.pipe)
    _pid, status = os.waitpid(child.pid, 0)
    if status == 0:
        told: Answers = json.loads(child.said)
        return told
    how = f"ended by signal {status & 0x7F}" if status & 0x7F else "failed"
    return _none(measure, params, f"the process that judged it {how}; this is a fault of privacy.hosting")


def _none(measure: str, params: Mapping[str, Any], reason: str) -> Answers:
    """That none of the questions about a measure was answered."""
    row = unanswered(measure, "", "limit", reason).as_dict()
    return [[row] for asked in params["questions"] if asked["measure"] == measure]
