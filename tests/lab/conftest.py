"""One scenario on one release: molecule has made, hardened and kept its hosts before these tests begin."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.lab import cases, recorded, register
from tests.lab.cases import Case
from tests.lab.fleet import HARDENED, PART, RELEASE, ROOT, WEB, Fleet

_costs: dict[str, float] = defaultdict(float)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The scenario's hosts; LAB_RELEASE says which release's."""
    return Fleet(RELEASE)


class Containers:
    """The scenario's own hosts, as an audit finds them."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @cached_property
    def before(self) -> dict[str, Any]:
        """The records of their audit before anything touched them."""
        self._fleet.restore("pristine")
        return self._fleet.audit("before")

    @cached_property
    def kept(self) -> dict[str, Any]:
        """The records of their audit when hardened."""
        self._fleet.restore(HARDENED)
        return self._fleet.audit("kept")


@pytest.fixture(scope="session")
def containers(fleet: Fleet) -> Containers:
    """The scenario's own hosts; each audit is made when a test first asks for it."""
    return Containers(fleet)


@pytest.fixture(scope="session")
def before(containers: Containers) -> dict[str, Any]:
    """The records of the audit of hosts that were never touched."""
    return containers.before


@pytest.fixture(scope="session")
def kept(containers: Containers) -> dict[str, Any]:
    """The records of the audit of hardened hosts that nobody broke."""
    return containers.kept


@pytest.fixture
def hardened(fleet: Fleet) -> Fleet:
    """Web servers that are hardened, for one test to change as it likes."""
    web = fleet.only(WEB)
    web.restore(HARDENED)
    return web


@pytest.fixture
def untouched(fleet: Fleet) -> Fleet:
    """Web servers that were never touched, for one test to change as it likes."""
    web = fleet.only(WEB)
    web.restore("pristine")
    return web


@pytest.fixture(params=WEB)
def host(request: pytest.FixtureRequest, fleet: Fleet) -> testinfra.host.Host:
    """Each web server in turn, as testinfra sees it over ssh, with root rights."""
    state = fleet.lab.state
    known = f"-o UserKnownHostsFile={state}/known_hosts -o IdentitiesOnly=yes"
    return testinfra.get_host(
        f"ssh://debian@{fleet.address(request.param)}",
        ssh_identity_file=str(state / "id_ed25519"),
        ssh_extra_args=known,
        sudo=True,
    )


# -- virtual machines -----------------------------------------------------------------------------------------


class Machines:
    """The lab's virtual machines, each state of theirs made when a test first asks for it.

    They take no part in the scenario's life: what it does twice to every host would cost them minutes.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet.only(fleet.machines)

    @cached_property
    def untouched(self) -> Fleet:
        """They run, and snapshot 'pristine' is theirs."""
        self._fleet.lab.up(self._fleet.hosts)
        return self._fleet

    @cached_property
    def hardened(self) -> Fleet:
        """The same; HARDENED is theirs too. The second run removes what the first one still kept."""
        fleet = self.untouched
        fleet.restore("pristine")
        for more in ([], ["--tags=disk_encryption"]):
            played = fleet.play("harden", *more)
            assert played.status == 0, played.output
        fleet.lab.snapshot(HARDENED, fleet.hosts)
        return fleet

    @cached_property
    def before(self) -> dict[str, Any]:
        """The records of their audit before anything touched them."""
        self.untouched.restore("pristine")
        return self.untouched.audit("before-machines")

    @cached_property
    def kept(self) -> dict[str, Any]:
        """The records of their audit when hardened."""
        self.hardened.restore(HARDENED)
        return self.hardened.audit("kept-machines")


@pytest.fixture(scope="session")
def machines(fleet: Fleet) -> Machines:
    """The lab's virtual machines."""
    return Machines(fleet)


# -- rounds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """One audit of several cases at once, of their hosts. records: by host; baseline: the same, before the cases."""

    cases: Sequence[Case]
    records: dict[str, Any]
    baseline: Mapping[str, Any]


class Rounds:
    """The rounds of one folder of cases; each is played when its first case is asked for."""

    def __init__(
        self,
        fleet: Fleet,
        kind: str,
        told: Sequence[Case],
        snapshot: str,
        containers: Callable[[], Mapping[str, Any]],
        machines: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._fleet, self._kind, self._snapshot = fleet, kind, snapshot
        self._containers, self._machines = containers, machines
        self._rounds = cases.rounds(told)
        self._played: dict[int, Round] = {}

    def of(self, case: Case) -> Round:
        """The round that the case is played in."""
        return self.number(next(number for number, one in enumerate(self._rounds) if case in one))

    def number(self, number: int) -> Round:
        """A round by its number, from 0."""
        if number not in self._played:
            self._played[number] = self._play(number)
        return self._played[number]

    def _play(self, number: int) -> Round:
        together = self._rounds[number]
        named = [case.host for case in together]
        hosts = self._fleet.only([*named, *(cases.KEEPERS[host] for host in named if host in cases.KEEPERS)])
        baseline = self._before(hosts)
        begun = time.monotonic()
        hosts.restore(self._snapshot)
        scripts: dict[str, str] = {}
        for case in together:
            scripts[case.host] = scripts.get(case.host, "") + f"# {case}\n{case.script}\n"
        hosts.shells(scripts)
        run = f"{self._kind}-{number}"
        records = hosts.audit(run, *self._register(together))
        for case in together:
            _costs[case.measure] += (time.monotonic() - begun) / len(together)
        played = Round(together, records, baseline)
        recorded.keep(self._fleet.lab.name, run, list(map(str, together)), records)
        return played

    def _before(self, hosts: Fleet) -> Mapping[str, Any]:
        """What an audit says of hosts before the cases; virtual machines are brought up when a case needs one."""
        machines = set(hosts.hosts) & set(hosts.machines)
        records = dict(self._containers()) if set(hosts.hosts) - machines else {}
        records.update(self._machines() if machines else {})
        return {host: records[host] for host in hosts.hosts}

    @staticmethod
    def _register(together: Sequence[Case]) -> list[str]:
        """What tells the audit of promises beside the lab's own."""
        more = [promise for case in together for promise in case.register]
        if not more:
            return []
        told = register.statement(ROOT)
        told["promises"] += more
        return ["-e", json.dumps({"statement": told}, default=str)]


@pytest.fixture(scope="session")
def sabotaged(fleet: Fleet, containers: Containers, machines: Machines) -> Rounds:
    """The rounds of tests/sabotage."""
    told = cases.sabotage(fleet.release, PART)
    return Rounds(fleet, "sabotage", told, HARDENED, lambda: containers.kept, lambda: machines.kept)


@pytest.fixture(scope="session")
def honest(fleet: Fleet, containers: Containers, machines: Machines) -> Rounds:
    """The rounds of tests/honest."""
    told = cases.honest(fleet.release, PART)
    return Rounds(fleet, "honest", told, "pristine", lambda: containers.before, lambda: machines.before)


# -- what it cost ---------------------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each measure cost."""
    for measure, seconds in sorted(_costs.items()):
        terminalreporter.write_line(f"cost: {measure} on {RELEASE}: {seconds:.0f} s for its sabotage and honest hosts")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of tests that no release of Debian makes a difference to."""
    config.addinivalue_line("markers", "only(release): the same on all releases, and so tried on one of them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is tried elsewhere; begin with hosts that nobody changes, which need no restore."""
    elsewhere = [item for item in items if _of_another_release(item) or _of_another_part(item)]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]
    items.sort(key=lambda item: Path(item.fspath).stem != "test_hardened")


def _of_another_release(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("only")
    return bool(mark) and mark.args != (RELEASE,)


def _of_another_part(item: pytest.Item) -> bool:
    """Whether it is about other hosts than this run's; cases were chosen before."""
    if not PART or Path(item.fspath).stem in ("test_sabotage", "test_honest"):
        return False
    part = cases.MACHINES_PART if "machines" in item.fixturenames else cases.CONTAINERS_PART
    return part != PART
