# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answer what promises ask about a host: options → question → checks → findings.

PRIVATE to the collection.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
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
    host = Host(Limits(command_s=params["command_seconds"], total_s=params["total_seconds"]))
    stop_at(params["total_seconds"] + 5)
    answered = [whole_answer(host, asked, params) for asked in params["questions"]]
    signal.setitimer(signal.ITIMER_REAL, 0)
    about = {
        "os": os_name(host),
        "python": ".".join(map(str, sys.version_info[:3])),
        "root": os.geteuid() == 0,
        "took_s": round(time.monotonic() - begun, 3),
    }
    return {"answers": answered, "host": about}
