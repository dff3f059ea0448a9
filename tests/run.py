"""Run all checks and tests, and end in one line: how many passed and how many failed.

Usage: tests/run.py check   what needs no hosts
       tests/run.py all     that, and what needs the lab's hosts

Every pytest suite counts its tests, every other step counts as one. A skipped test counts as failed: what was
not tried has not passed. The exit status is 0 if something passed and nothing failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CACHE = ROOT / ".cache"

# What is shipped to the audited servers, whose Python may be older than ours.
ON_SERVERS = "plugins/modules plugins/module_utils"

# The lines of tests/lab that say what each measure cost.
COSTS = re.compile(r"^cost: .*\n", re.MULTILINE)

# Of a failed step's output, what tells why; and of that so many characters a line, and so many lines.
REASONS = re.compile(r"^(?:E  |FAILED |ERROR |error:|fatal: |.*: error: ).*", re.MULTILINE)
REASON_LENGTH, REASON_LINES = 300, 8

# The checkers call each other by name, print to a file, and leave files in the home directory; git is to answer
# also where the clone is another user's.
ENVIRONMENT = os.environ | {
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "NO_COLOR": "1",
    "HOME": str(CACHE / "home"),
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": str(ROOT),
}


@dataclass(frozen=True)
class Step:
    """One command of the run.

    ``limit``: seconds after which it is ended and has failed. ``pytest``: it is a suite, whose tests are counted.
    """

    name: str
    command: Sequence[str]
    limit: int = 180
    pytest: bool = False


def tool(name: str, command: str, limit: int = 180) -> Step:
    """A step that is one program of the virtual environment; its exit status decides."""
    program, *arguments = command.split()
    return Step(name, [str(BIN / program), *arguments], limit)


def suite(name: str, path: str, limit: int = 180) -> Step:
    """A step that is one pytest suite."""
    return Step(name, [str(BIN / "pytest"), path], limit, pytest=True)


# The longest comes first; three run at a time, since some tests wait.
CHECKS = [
    suite("unit", "tests/unit", limit=600),
    tool("sanity", "python tests/sanity.py", limit=600),
    tool("ansible-lint", "ansible-lint"),
    suite("tree", "tests/tree"),
    tool("mypy", "mypy -p ansible_collections.privacy.hosting.plugins"),
    tool("docs", "antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck ."),
    tool("generated", "python tools/generate.py --check"),
    tool("python3.9", f"vermin --target=3.9- --violations --no-tips {ON_SERVERS}"),
    tool("changelog", "antsibull-changelog lint"),
    tool("ruff", "ruff check --output-format=concise"),
]

def scenario(name: str) -> Step:
    """A step that is the life of the hosts of one release, or of its machines; its tests are those of tests/lab."""
    return Step(f"lab-{name}", [sys.executable, "tests/life.py", name], 3600, pytest=True)


# All, three at a time: each of those with hosts has its own, and waits now and then. The longest comes first.
WHOLE = [
    scenario("machines"),
    *CHECKS,
    scenario("trixie"),
    scenario("bookworm"),
    suite("newest-core", "tests/controller", limit=900),
    suite("example", "tests/example_measure/test_example.py", limit=900),
    suite("browser", "tests/browser", limit=900),
    tool("mutate-unit", "python tests/mutate.py unit", limit=900),
]

# Judges the audits that were made of sabotaged hosts.
AFTER = [tool("mutate-sabotage", "python tests/mutate.py sabotage", limit=1800)]


@dataclass(frozen=True)
class Outcome:
    """What a step came to: counts, seconds, and the text it printed."""

    step: Step
    passed: int
    failed: int
    took: float
    output: str

    def __str__(self) -> str:
        verdict = "FAILED" if self.failed else "ok"
        tests = f"{self.passed} passed, {self.failed} failed" if self.step.pytest else ""
        return f"{verdict:<7}{self.step.name:<16}{self.took:6.1f} s  {tests}".rstrip()

    @property
    def reasons(self) -> list[str]:
        """Why it failed, in a few lines: the last ones of its output that say so, else the last ones."""
        found = REASONS.findall(self.output) or self.output.splitlines()
        return [line[:REASON_LENGTH] for line in found[-REASON_LINES:]]


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


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started; by force, where asking does not help within ten seconds."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                continue


class Run:
    """A run of steps, with an empty folder for what they print; an end of the run (a key, a signal) ends them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: list[subprocess.Popen[bytes]] = []

    def steps(self, steps: Sequence[Step], at_a_time: int) -> Iterator[Outcome]:
        """Run steps and tell each as it ends: its name, seconds and counts, and what it printed if it failed."""
        live = at_a_time == 1
        with ThreadPoolExecutor(at_a_time) as pool:
            try:
                for future in as_completed([pool.submit(self._step, step, live) for step in steps]):
                    outcome = future.result()
                    if outcome.failed and not live:
                        print(outcome.output.rstrip())
                    elif not live:
                        print(*COSTS.findall(outcome.output), sep="", end="")
                    print(outcome, flush=True)
                    yield outcome
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in self._processes:
                    end(process)
                raise

    def _step(self, step: Step, live: bool) -> Outcome:
        log, junit = self._logs / f"{step.name}.log", self._logs / f"{step.name}.xml"
        command = [*step.command, f"--junitxml={junit}"] if step.pytest else step.command
        started = time.monotonic()
        status = self._execute(command, log, step.limit, live)
        took = time.monotonic() - started
        output = log.read_text(errors="replace")
        if status is None:
            output += f"\nerror: not done after {step.limit} seconds\n"
        if not step.pytest:
            return Outcome(step, int(status == 0), int(status != 0), took, output)
        passed, failed = counts(junit)
        if not failed and (status != 0 or not passed):
            failed = 1
        return Outcome(step, passed, failed, took, output)

    def _execute(self, command: Sequence[str], log: Path, limit: int, live: bool) -> int | None:
        """Run a command with its output in a file. Its exit status, or None when the limit was reached."""
        with log.open("wb") as output, log.open("rb") as shown:
            process = subprocess.Popen(
                command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
            self._processes.append(process)
            last = time.monotonic() + limit
            while process.poll() is None and time.monotonic() < last:
                time.sleep(0.2)
                if live:
                    print(shown.read().decode(errors="replace"), end="", flush=True)
            if process.poll() is None:
                end(process)
                return None
            if live:
                print(shown.read().decode(errors="replace"), end="", flush=True)
            return process.returncode


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in (["check"], ["all"]):
        print(__doc__)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    (CACHE / "home").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tests-", dir=CACHE) as logs:
        run = Run(Path(logs))
        whole = arguments[0] == "all"
        outcomes = list(run.steps(WHOLE if whole else CHECKS, at_a_time=3))
        if whole:
            outcomes += run.steps(AFTER, at_a_time=1)
    for outcome in outcomes:
        if outcome.failed:
            print(outcome, *outcome.reasons, sep="\n  ")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("error: ended before all was tried")
