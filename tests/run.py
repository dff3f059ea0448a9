"""Run all checks and tests, and end in one line: how many passed and how many failed.

Usage: tests/run.py check   what needs no hosts
       tests/run.py all     that, then what needs the lab's hosts

Every pytest suite counts its tests, every other step counts as one. A skipped test counts as failed: what was
not tried has not passed. The exit status is 0 if something passed and nothing failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LOGS = ROOT / ".cache" / "tests"

# What is shipped to the audited servers, whose Python may be older than ours.
ON_SERVERS = "plugins/modules plugins/module_utils"


# The checkers call each other by name, and write to a file.
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Step:
    """One command of the run. ``limit``: seconds after which it is ended and has failed."""

    name: str
    command: Sequence[str]
    limit: int = 180
    pytest: bool = False


def tool(name: str, command: str, limit: int = 180) -> Step:
    """A step that is one program of the virtual environment; its exit status decides."""
    program, *arguments = command.split()
    return Step(name, [str(BIN / program), *arguments], limit)


def suite(name: str, path: str, limit: int = 180) -> Step:
    """A step that is one pytest suite, whose tests are counted one by one."""
    return Step(name, [str(BIN / "pytest"), path], limit, pytest=True)


# The longest comes first, for two run at a time.
CHECKS = [
    tool("sanity", "python tests/sanity.py"),
    tool("ansible-lint", "ansible-lint"),
    suite("unit", "tests/unit"),
    suite("tree", "tests/tree"),
    tool("mypy", "mypy -p ansible_collections.privacy.hosting.plugins"),
    tool("docs", "antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck ."),
    tool("generated", "python tools/generate.py --check"),
    tool("python3.9", f"vermin --target=3.9- --violations --no-tips {ON_SERVERS}"),
    tool("changelog", "antsibull-changelog lint"),
    tool("ruff", "ruff check --output-format=concise"),
]

# These share the lab's hosts: one at a time.
HOST_TESTS = [
    suite("lab", "tests/lab", limit=3600),
    tool("mutate", "python tests/mutate.py", limit=1800),
]


@dataclass(frozen=True)
class Outcome:
    """What a step came to: counts, seconds, and the text it printed."""

    step: Step
    passed: int
    failed: int
    took: float
    output: str


def counts(junit: Path) -> tuple[int, int]:
    """The tests of a pytest run that passed, and those that failed, broke or were skipped."""
    if not junit.exists():
        return 0, 0
    passed = failed = 0
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314  pytest wrote it just now
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
            failed += 1
        else:
            passed += 1
    return passed, failed


def execute(command: Sequence[str], log: Path, limit: int) -> int | None:
    """Run a command with its output in a file. The exit status, or None when the limit was reached."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=ENVIRONMENT, start_new_session=True,
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()


def run(step: Step) -> Outcome:
    """Run one step to its end."""
    log, junit = LOGS / f"{step.name}.log", LOGS / f"{step.name}.xml"
    junit.unlink(missing_ok=True)
    command = [*step.command, f"--junitxml={junit}"] if step.pytest else step.command
    started = time.monotonic()
    status = execute(command, log, step.limit)
    took = time.monotonic() - started
    output = log.read_text(errors="replace")
    if status is None:
        output += f"\nerror: not done after {step.limit} seconds\n"
    if not step.pytest:
        return Outcome(step, int(status == 0), int(status != 0), took, output)
    passed, failed = counts(junit)
    if status != 0 and not failed:
        failed = 1
    return Outcome(step, passed, failed, took, output)


def run_all(steps: Sequence[Step], at_a_time: int) -> Iterator[Outcome]:
    """Run steps and print each as it ends: its name, counts and seconds, and its output if it failed."""
    with ThreadPoolExecutor(at_a_time) as pool:
        for future in as_completed([pool.submit(run, step) for step in steps]):
            outcome = future.result()
            if outcome.failed:
                print(outcome.output.rstrip())
            verdict = "FAILED" if outcome.failed else "ok"
            tests = f"{outcome.passed} passed, {outcome.failed} failed" if outcome.step.pytest else ""
            print(f"{verdict:<7}{outcome.step.name:<16}{outcome.took:6.1f} s  {tests}".rstrip(), flush=True)
            yield outcome


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in (["check"], ["all"]):
        print(__doc__)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    outcomes = list(run_all(CHECKS, at_a_time=2))
    if arguments[0] == "all":
        outcomes += run_all(HOST_TESTS, at_a_time=1)
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
