#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: measure_info
short_description: Hold a server against the options that promises set
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Looks at the state in effect on a server, and answers every question with findings.
  - It only reads. Nothing is installed, written, locked or restarted. A probe leaves a line in the log of the
    service that is probed, and nothing else.
  - The action M(privacy.hosting.audit) calls it and turns findings into verdicts; it is seldom called by itself.
options:
  questions:
    description: What promises ask. Each question is answered by a list of findings, in the order of the questions.
    type: list
    elements: dict
    required: true
    suboptions:
      measure:
        description: The name of a measure, such as V(log_retention).
        type: str
        required: true
      options:
        description: The options that one promise sets for it.
        type: dict
        required: true
  settings:
    description: By measure, what the inventory tells about the host, such as the proxies in front of it.
    type: dict
    default: {}
  own_sites:
    description: Names of the provider's own sites.
    type: list
    elements: str
    default: []
  probe:
    description: Whether harmless requests may be made to see how services answer and what they log.
    type: bool
    default: true
  command_seconds:
    description: The longest that one command on the server may take, in seconds.
    type: float
    default: 15
  total_seconds:
    description: The longest that all of it may take, in seconds. What was not seen by then is an error, never a pass.
    type: float
    default: 120
extends_documentation_fragment:
  - privacy.hosting._read_only
attributes:
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Python 3.9 or newer on the server.
"""

EXAMPLES = r"""
- name: Ask whether web logs are kept for two years and then destroyed
  privacy.hosting.measure_info:
    questions:
      - measure: log_retention
        options:
          web: 2 years
  register: answer
"""

RETURN = r"""
answers:
  description: For each question the findings, in the order of the questions.
  returned: always
  type: list
  elements: list
  sample:
    - - measure: log_retention
        check: rotation
        option: web
        subject: /var/log/nginx/access.log
        status: fail
        proof: configured
        expected: kept for 2 years
        observed: rotation throws away after 14 days
        source: /etc/logrotate.d/nginx:3
        remedy: set rotate to 1000
        took_s: 0.002
host:
  description: What the findings were made on.
  returned: always
  type: dict
  sample:
    os: Debian GNU/Linux 13 (trixie)
    python: 3.13.5
    root: true
    took_s: 0.41
"""

import os
import platform
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._finding import ERROR, Finding
from ..module_utils._host import Host, Limits, Unseen
from ..module_utils._measure import Check, Measure, Question
from ..module_utils._measures import MEASURES

SPEC = {
    "questions": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "measure": {"type": "str", "required": True},
            "options": {"type": "dict", "required": True},
        },
    },
    "settings": {"type": "dict", "default": {}},
    "own_sites": {"type": "list", "elements": "str", "default": []},
    "probe": {"type": "bool", "default": True},
    "command_seconds": {"type": "float", "default": 15.0},
    "total_seconds": {"type": "float", "default": 120.0},
}


def unanswered(measure: str, option: str, check: str, reason: str) -> Finding:
    """The finding for something that could not be judged."""
    return Finding(measure, check, option, "this host", ERROR, "", "can be judged", reason, "")


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
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        line = f"{os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno}" if where else "?"
        reason = f"the check failed by itself at {line} ({type(error).__name__}); this is a fault of privacy.hosting"
        yield unanswered(measure, option, check.name, reason).timed(time.monotonic() - begun)


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
    if name not in MEASURES:
        yield unanswered(name, "", "measure", f"no measure is called {name}; those known are {', '.join(MEASURES)}")
        return
    measure = MEASURES[name]
    if os.geteuid() != 0:
        reason = "the audit runs without root rights; set ansible_become: true or log in as root"
        yield unanswered(name, "", "rights", reason)
        return
    try:
        question = pose(measure, asked["options"], params)
    except (KeyError, ValueError) as error:
        yield unanswered(name, "", "options", f"an option cannot be understood: {error}")
        return
    for option in (option.name for option in measure.options if option.judged and option.name in question.asked):
        found = 0
        for check in measure.checks:
            if option in check.options:
                for finding in run_check(host, check, question, name, option):
                    found += 1
                    yield finding
        if not found:
            yield unanswered(name, option, "checks", "no check answered for this option")


def os_name(host: Host) -> str:
    """The operating system's name and release, as it calls itself."""
    try:
        lines = host.read("/etc/os-release").splitlines()
    except Unseen:
        return "unknown"
    named = [line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")]
    return named[0] if named else "unknown"


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


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    begun = time.monotonic()
    host = Host(Limits(command_s=params["command_seconds"], total_s=params["total_seconds"]))
    stop_at(params["total_seconds"] + 5)
    answers = [whole_answer(host, asked, params) for asked in params["questions"]]
    signal.setitimer(signal.ITIMER_REAL, 0)
    about = {
        "os": os_name(host),
        "python": platform.python_version(),
        "root": os.geteuid() == 0,
        "took_s": round(time.monotonic() - begun, 3),
    }
    module.exit_json(changed=False, answers=answers, host=about)


if __name__ == "__main__":
    main()
