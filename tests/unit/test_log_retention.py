# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""log_retention: each check where it passes, where it fails, and where it cannot tell."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._answer import run_check
from ansible_collections.privacy.hosting.plugins.module_utils._checks.log_retention import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._finding import RUNNING, Finding, Layer
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Limits, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.log_retention import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    cleaners,
    jobs,
    journald,
    listeners,
    logfamilies,
    origin,
    web,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import (
    ACCESS,
    ERROR_LOG,
    PIPE,
    STATISTICS,
    STREAM,
    SYSLOG,
    LogFile,
)

NOW = dt.datetime(2026, 11, 20, 17, 0, tzinfo=dt.timezone.utc)
DAILY = "daily\nrotate 1000\ndateext\ncompress\ndelaycompress\nifempty\nmissingok\n"
STOCK = "daily\nrotate 14\ncompress\ndelaycompress\nnotifempty\nmissingok\n"
CRON = Job("the line in /etc/cron.d/x", "", 1.0, "/etc/cron.d/x:1")


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


class World:
    """A host with nginx and one site, whose logs and configuration lie below a temporary directory."""

    def __init__(self, path: Path) -> None:
        self.path, self.logs = path, path / "nginx"
        self.logs.mkdir()
        self.configured: list[LogFile] = []
        self.jobs: list[Job] = []
        self.servers: list[Any] = [
            SimpleNamespace(
                name="nginx", pid=1, problems=(), running=Layer(RUNNING, True, ""), vhosts=(), other_logs=()
            )
        ]
        self.unknown: list[Any] = []
        self.born: origin.Origin | None = origin.Origin(ago(10), "the host is of then")
        self.log("access.log")
        timer = Job("logrotate.timer", f"/usr/sbin/logrotate -s {path}/status {path}/logrotate.conf", 1.0, "/x.timer")
        self.jobs.append(replace(timer, unit="logrotate.service", last=ago(0.5)))
        self.rotate(DAILY)
        self.destroyer()

    def log(self, name: str, kind: str = ACCESS, pattern: str = "") -> None:
        """A log that nginx is configured to write."""
        path = pattern or str(self.logs / name)
        self.configured.append(LogFile(path, kind, "nginx", ("example.nl",), "/etc/nginx/sites-enabled/x:3"))

    def rotate(self, rules: str, pattern: str = "*.log") -> None:
        config = self.path / "logrotate.conf"
        config.write_text(f"{self.logs}/{pattern} {{\n{rules}}}\n")
        config.chmod(0o644)
        os.utime(config, (ago(100).timestamp(),) * 2)

    def destroyer(self, period: str = "2 years", **more: Any) -> None:
        told = {"web": {"period": period, "paths": [str(self.logs)], **more}}
        (self.path / "log-retention.json").write_text(json.dumps(told))
        timer = Job(cleaners.DESTROYER_TIMER, "/usr/local/sbin/privacy-hosting-log-retention", 1.0, "/d.timer")
        self.jobs.append(replace(timer, unit="d.service", last=ago(0.5)))

    def no_destroyer(self) -> None:
        (self.path / "log-retention.json").unlink()
        del self.jobs[1]

    def write(self, name: str, days: float, lines: int = 1, text: str = "", until: float | None = None) -> Path:
        """A log whose lines begin so many days ago, and whose mtime is of its last line."""
        path = self.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        last = max(days - 0.9, 0) if until is None else until
        step = (days - last) / max(lines - 1, 1)
        rows = [
            f'203.0.113.7 - - [{ago(days - step * n):%d/%b/%Y:%H:%M:%S} +0000] "GET / HTTP/1.1" 200 1'
            for n in range(lines)
        ]
        data = (text or "\n".join(rows) + "\n").encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        os.utime(path, (ago(last).timestamp(),) * 2)
        return path

    def history(self, days: int, lines: int = 30, name: str = "access.log") -> None:
        """A log with a dated archive for each day so far."""
        self.write(name, 0.7, lines)
        for day in range(1, days + 1):
            self.write(f"{name}-{ago(day - 1):%Y%m%d}.gz", day + 0.7, lines)

    def ask(self, *checks: str, host: Host | None = None, option: str = "web", **settings: Any) -> list[Finding]:
        """The findings of checks, of all by default. A period is asked by its option: web='2 years'."""
        asked = {option: settings.pop(option, "2 years")}
        question = Question(asked, {**{o.name: o.default for o in MEASURE.options}, **asked, **settings})
        seen = host or Host(now=NOW)
        return [
            finding
            for check in CHECKS
            if option in check.options and (not checks or check.name in checks)
            for finding in check.run(seen, question, option)
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = World(tmp_path)
    monkeypatch.setattr(web, "log_files", lambda host: found.configured)
    monkeypatch.setattr(web, "web_servers", lambda host: found.servers)
    monkeypatch.setattr(listeners, "unknown_listeners", lambda host: found.unknown)
    monkeypatch.setattr(jobs, "jobs", lambda host: found.jobs)
    monkeypatch.setattr(cleaners, "_TMPFILES", (str(tmp_path / "tmpfiles.d"),))
    monkeypatch.setattr(cleaners, "DESTROYER_CONFIG", str(tmp_path / "log-retention.json"))
    monkeypatch.setattr(origin, "of_host", lambda host: found.born)
    monkeypatch.setattr(origin, "of_directory", lambda host, path: None)
    monkeypatch.setattr(origin, "birth", lambda host, path: None)
    monkeypatch.setattr(logfamilies, "_PACKAGED", {})
    monkeypatch.setattr(logfamilies, "_BACKUPS", ())
    yield found


def statuses(findings: list[Finding]) -> set[str]:
    return {finding.status for finding in findings}


def one(findings: list[Finding], status: str) -> Finding:
    """The only finding of a status."""
    (found,) = [finding for finding in findings if finding.status == status]
    return found


def test_a_young_host_that_threw_nothing_away_keeps_its_promise(world: World) -> None:
    world.history(9)
    findings = world.ask()
    assert statuses(findings) == {"pass"}
    assert {finding.check for finding in findings} == {"rotation", "deleters", "history", "destruction", "timer"}


def test_an_old_host_with_just_the_period_is_seen_to_keep_it(world: World) -> None:
    world.born = origin.Origin(ago(2000), "x")
    world.history(730)
    findings = world.ask()
    assert statuses(findings) == {"pass"}
    assert {f.check for f in findings if f.proof == "observed"} == {"history", "remains"}


def test_the_stock_host(world: World) -> None:
    world.no_destroyer()
    world.rotate(STOCK)
    world.write("access.log", 0.5, 30)
    world.write("access.log.1", 1.5, 30)
    findings = world.ask()
    rotation = one([f for f in findings if f.check == "rotation"], "fail")
    assert (rotation.source, rotation.proof) == (f"{world.path}/logrotate.conf:3", "configured")
    assert "rotate 14" in rotation.observed and "write 'rotate 731'" in rotation.remedy
    assert "notifempty" in one([f for f in findings if f.check == "destruction"], "fail").observed


# -- subjects ---------------------------------------------------------------------------------------------------------


def test_no_web_server_and_no_logs(world: World) -> None:
    world.servers, world.configured = [], []
    assert statuses(world.ask()) == {"not_applicable"}
    world.write("left.access.log", 5)
    world.unknown = []
    assert "not_applicable" in statuses(world.ask()) or statuses(world.ask()) == {"pass"}


def test_what_is_not_known_is_said(world: World) -> None:
    world.history(9)
    world.unknown = [SimpleNamespace(program="caddy")]
    assert "caddy" in one(world.ask("subjects"), "error").observed
    world.unknown = []
    world.servers[0].problems = ("/etc/nginx/x cannot be read",)
    assert "cannot be read" in one(world.ask("subjects"), "error").observed
    world.servers[0].problems = ()
    for good in (False, None):
        world.servers[0].running = Layer(RUNNING, good, "not reloaded since")
        assert "not reloaded" in one(world.ask("subjects"), "error").observed
    world.servers[0].pid = 0
    assert world.ask("subjects") == []


def test_a_program_that_logs_go_to(world: World) -> None:
    world.history(9)
    handed_on(world, PIPE)
    assert one(world.ask("subjects"), "error").source == "/etc/nginx/x:9"


def test_no_period_is_set(world: World) -> None:
    findings = world.ask(web=None)
    assert one(findings, "error").observed == "no period is set"
    assert len(findings) == 1


def test_other_logs_are_not_judged_yet(world: World) -> None:
    (finding,) = world.ask(option="panel")
    assert (finding.status, finding.observed) == ("error", "panel logs are not judged yet")


def test_more_files_than_can_be_looked_at(world: World) -> None:
    for number in range(30):
        world.write(f"many/x{number}.log", 3)
    world.write("access.log", 0.5)
    world.rotate(STOCK)
    host = Host(now=NOW, limits=Limits(names=20))
    assert "more than 20 files" in one(world.ask("subjects", host=host), "error").observed
    # what could be looked at is judged all the same
    assert statuses(world.ask("rotation", host=host)) == {"fail"}


def test_a_log_in_a_directory_that_cannot_be_listed_is_not_called_absent(world: World) -> None:
    world.history(30)
    observed = one(world.ask("history", host=Host(now=NOW, limits=Limits(names=20))), "error").observed
    assert "more than 20 files" in observed
    assert "not there" not in observed


# -- kept -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules, status",
    [
        ("daily\nrotate 730\n", "pass"),
        ("daily\nrotate 729\n", "fail"),
        ("daily\nrotate -1\n", "pass"),
        ("daily\nrotate 5000\nmaxage 729\n", "pass"),
        ("daily\nrotate 5000\nmaxage 365\n", "fail"),
        ("weekly\nrotate 105\n", "pass"),
        ("weekly\nrotate 104\n", "fail"),
        ("monthly\nrotate 27\n", "pass"),
        ("monthly\nrotate 24\n", "pass"),  # the 24th rotation after a line's own comes 24 months later, or more
        ("monthly\nrotate 23\n", "fail"),
        ("monthly\nrotate 24\nmaxsize 1G\n", "fail"),
        ("yearly\nrotate 2\n", "pass"),
        ("yearly\nrotate 1\n", "fail"),
        ("size 1M\nrotate 100\n", "fail"),
        ("daily\n", "fail"),
    ],
)
def test_rotation_that_keeps_long_enough(world: World, rules: str, status: str) -> None:
    world.rotate(rules)
    world.write("access.log", 0.5)
    assert statuses(world.ask("rotation")) == {status}


def test_rotation_that_is_forced_waits_for_no_month(world: World) -> None:
    world.rotate("monthly\nrotate 24\n")
    world.write("access.log", 0.5)
    world.jobs[0] = replace(world.jobs[0], text=world.jobs[0].text.replace("logrotate ", "logrotate -f ", 1))
    assert "logrotate (rotate 24, forced) keeps a line 24 days" in one(world.ask("rotation"), "fail").observed


@pytest.mark.parametrize("runs, status", [(True, "fail"), (None, "error")])
def test_rotation_that_does_not_come_after_a_start_or_comes_only_then(
    world: World, runs: bool | None, status: str
) -> None:
    world.rotate(STOCK)
    world.write("access.log", 0.5)
    world.jobs[0] = replace(world.jobs[0], faults=("logrotate.timer is not quite right",), runs=runs)
    assert "keeps a line" in one(world.ask("rotation"), status).observed


def test_rotation_that_does_not_run_is_told_but_breaks_nothing(world: World) -> None:
    world.rotate(STOCK)
    world.write("access.log", 0.5)
    world.jobs[0] = replace(world.jobs[0], faults=("logrotate.timer is masked",), runs=False)
    (finding,) = world.ask("rotation")
    assert (finding.status, "but logrotate.timer is masked" in finding.observed) == ("pass", True)


@pytest.mark.parametrize("name", ["rotation", "deleters", "destruction", "timer"])
def test_a_rotations_file_that_a_script_ran_wild_in(world: World, name: str) -> None:
    world.history(3)
    with (world.path / "logrotate.conf").open("a") as config:
        config.write("# written over and over again\n" * 40_000)
    host = Host(now=NOW, limits=Limits(file_bytes=1 << 20))
    (check,) = [one for one in CHECKS if one.name == name]
    question = Question({"web": "2 years"}, {one.name: one.default for one in MEASURE.options})
    (found,) = run_check(host, check, question, "log_retention", "web")
    assert (found.check, found.status) == (name, "error")
    assert found.observed == f"{world.path}/logrotate.conf is larger than 1 MiB"


@pytest.mark.parametrize(
    "command, status",
    [
        ("find LOGS -mtime +730 -delete", "pass"),
        ("find LOGS -mtime +30 -delete", "fail"),
        ("find LOGS -name '*.gz' -mtime +30 -delete", "fail"),
        ("find /elsewhere -mtime +30 -delete", "pass"),
        ("rm -f LOGS/*.gz", "fail"),
        ("truncate -s 0 LOGS/access.log", "fail"),
        ("find LOGS -mtime +3 -size +1G -delete", "pass"),  # older lines are there: it evidently leaves them
        ("find LOGS -mtime +300 -size +1G -delete", "error"),
    ],
)
def test_other_deleters(world: World, command: str, status: str) -> None:
    world.history(9)
    world.jobs.append(replace(CRON, text=command.replace("LOGS", str(world.logs))))
    assert statuses(world.ask("deleters")) == {status}


def moved(world: World) -> Path:
    """The logs' directory, moved to another place and linked to from where it was."""
    place = world.path / "disk"
    world.logs.rename(place)
    world.logs.symlink_to(place)
    return place


@pytest.mark.parametrize("by_link", [False, True])
def test_a_deleter_that_calls_the_logs_by_another_name(world: World, by_link: bool) -> None:
    world.history(9)
    place = moved(world)
    if by_link:
        world.configured[:] = []
        world.log("", pattern=str(place / "access.log"))
    named = world.logs if by_link else place
    world.jobs.append(replace(CRON, text=f"find {named}/ -mtime +30 -delete"))
    assert statuses(world.ask("deleters")) == {"error" if by_link else "fail"}


@pytest.mark.parametrize("rules, rotation, destruction", [(STOCK, "fail", "fail"), (DAILY, "pass", "pass")])
def test_rotation_that_calls_the_logs_by_another_name(
    world: World, rules: str, rotation: str, destruction: str
) -> None:
    world.no_destroyer()
    world.history(9)
    place = moved(world)
    world.rotate(rules + ("maxage 730\n" if rules == DAILY else ""))
    config = world.path / "logrotate.conf"
    config.write_text(config.read_text().replace(str(world.logs), str(place)))
    assert statuses(world.ask("rotation")) == {rotation}
    assert destruction in statuses(world.ask("destruction"))


def test_a_destroyer_that_was_given_less_breaks_the_promise(world: World) -> None:
    world.history(9)
    world.destroyer("1 year")
    finding = one(world.ask("deleters"), "fail")
    assert "1 year" in finding.observed
    assert statuses(world.ask("deleters", web="1 year")) == {"pass"}


def test_a_tmpfiles_rule_that_destroys_early(world: World) -> None:
    world.history(9)
    (world.path / "tmpfiles.d").mkdir()
    (world.path / "tmpfiles.d/web.conf").write_text(f"d {world.logs} 0755 root adm 30d\n")
    world.jobs.append(
        Job(
            "systemd-tmpfiles-clean.timer", "systemd-tmpfiles --clean", 1.0, "/t", unit="systemd-tmpfiles-clean.service"
        )
    )
    assert one(world.ask("deleters"), "fail").source == str(world.path / "tmpfiles.d/web.conf:1")


def test_a_script_of_a_stanza_that_destroys_early(world: World) -> None:
    world.history(9)
    world.rotate(DAILY + f"lastaction\n find {world.logs} -mtime +90 -delete\nendscript\n")
    assert "find -mtime +90" in one(world.ask("deleters"), "fail").observed


def test_a_job_about_the_journal_destroys_no_file(world: World) -> None:
    world.no_destroyer()
    world.history(9)
    world.rotate(DAILY.replace("rotate 1000", "rotate 9000"))
    world.jobs.append(replace(CRON, text="journalctl --quiet --vacuum-time=30d"))
    assert statuses(world.ask("deleters")) == {"pass"}
    assert statuses(world.ask("destruction")) == {"fail"}


@pytest.mark.parametrize("runs, status", [(True, "fail"), (None, "error"), (False, "pass")])
def test_a_job_that_destroys_early_and_may_or_may_not_come_again(
    world: World, runs: bool | None, status: str
) -> None:
    world.history(9)
    early = f"find {world.logs} -mtime +30 -delete"
    world.jobs.append(replace(CRON, text=early, faults=("x.timer is not quite right",), runs=runs))
    assert "find -mtime +30" in one(world.ask("deleters"), status).observed


@pytest.mark.parametrize("days, user, status", [(5, "root", "error"), (731, "root", "pass"), (5, "www-data", "pass")])
def test_a_job_that_nobody_knows(world: World, days: int, user: str, status: str) -> None:
    world.history(days)
    world.jobs.append(replace(CRON, text="php /usr/local/panel/cron.php", user=user))
    assert statuses(world.ask("deleters")) == {status}


def test_a_job_that_the_inventory_vouches_for(world: World) -> None:
    world.history(9)
    world.jobs.append(replace(CRON, text="php /usr/local/panel/cron.php"))
    unknown = one(world.ask("deleters"), "error")
    assert "log_retention_harmless_jobs" in unknown.remedy
    for name in (CRON.source, CRON.source.rpartition(":")[0], CRON.name):
        vouched = one(world.ask("deleters", harmless_jobs=[name]), "pass")
        assert f"the inventory vouches for {CRON.source}" in vouched.observed
    assert statuses(world.ask("deleters", harmless_jobs=["/etc/cron.d/another", "x"])) == {"error"}


def test_a_job_that_is_vouched_for_is_no_excuse_where_nothing_destroys(world: World) -> None:
    world.no_destroyer()
    world.history(9)
    world.rotate(DAILY.replace("rotate 1000", "rotate 9000"))
    world.jobs.append(replace(CRON, text="php /usr/local/panel/cron.php"))
    assert statuses(world.ask("destruction")) == {"error"}
    assert statuses(world.ask("destruction", harmless_jobs=[CRON.name])) == {"fail"}


def test_logs_that_begin_later_than_the_host(world: World) -> None:
    world.born = origin.Origin(ago(100), "the host is of then")
    world.history(9)
    finding = one(world.ask("history"), "error")
    assert "cannot be told" in finding.observed
    since = f"{ago(9.7):%Y-%m-%d}"
    assert f"log_retention_web_since: '{since}'" in finding.remedy
    assert statuses(world.ask("history", web_since=since)) == {"pass"}
    assert statuses(world.ask("history", web_since_sites=[f"example.nl {since}"])) == {"pass"}
    assert statuses(world.ask("history", web_since_sites=[f"other.nl {since}"])) == {"error"}


def test_a_known_start_that_no_log_reaches(world: World) -> None:
    world.born = origin.Origin(ago(100), "the host is of then")
    world.history(9)
    finding = one(world.ask("history", web_since=f"{ago(60):%Y-%m-%d}"), "fail")
    assert "missing from every log" in finding.observed
    with pytest.raises(Unseen, match="still to come"):
        world.ask("history", web_since="2027-01-01")


@pytest.mark.parametrize("written, status", [(9.8, "pass"), (12, "pass"), (14, "error"), (5, "error"), (0.1, "error")])
def test_a_new_sites_log_begins_with_its_configuration(world: World, written: float, status: str) -> None:
    world.born = origin.Origin(ago(100), "the host is of then")
    world.history(9)
    site = world.path / "new.conf"
    site.touch()
    os.utime(site, (ago(written).timestamp(),) * 2)
    world.configured = [replace(world.configured[0], source=f"{site}:3")]
    assert statuses(world.ask("history")) == {status}


def test_a_log_that_took_over_from_another(world: World) -> None:
    world.born = origin.Origin(ago(30), "the host is of then")
    world.history(2)
    assert statuses(world.ask("history")) == {"error"}
    world.write("old.access.log", 29, until=2.8)
    assert "went before it" in one(world.ask("history"), "pass").observed


def test_a_hole_in_the_numbers(world: World) -> None:
    world.rotate("daily\nrotate 1000\ncompress\n")
    world.write("access.log", 0.5, 30)
    for number in (1, 2, 3, 6, 7, 8, 9):
        world.write(f"access.log.{number}.gz", number + 0.5, 30)
    finding = one(world.ask("history"), "fail")
    assert "number 4, 5" in finding.observed
    assert finding.source.endswith("access.log.6.gz")


def test_a_hole_in_the_numbers_of_a_quiet_log_cannot_be_told(world: World) -> None:
    world.rotate("daily\nrotate 1000\ncompress\n")
    world.write("access.log", 0.5, 2)
    for number in (1, 2, 3, 6, 7, 8, 9):
        world.write(f"access.log.{number}.gz", number + 0.5, 2)
    assert statuses(world.ask("history")) == {"error"}


def test_missing_days_of_a_busy_log(world: World) -> None:
    world.history(9)
    for day in (2, 3, 4, 5):
        next(world.logs.glob(f"access.log-{ago(day):%Y%m%d}.gz")).unlink()
    finding = one(world.ask("history"), "error")
    assert "whether lines were thrown away cannot be told" in finding.observed
    world.log("shop.log")
    world.history(9, name="shop.log")
    finding = one(world.ask("history"), "fail")
    assert "while other logs go on" in finding.observed


@pytest.mark.parametrize("empty, status", [("notifempty", "pass"), ("ifempty", "error")])
def test_missing_days_of_a_quiet_log(world: World, empty: str, status: str) -> None:
    """Where empty logs are rotated too, there is an archive of each day, or it was taken away."""
    world.rotate(DAILY.replace("ifempty", empty))
    world.history(9, lines=3)
    gone = [next(world.logs.glob(f"access.log-{ago(day):%Y%m%d}.gz")) for day in (2, 3, 4, 5)]
    for path in gone:
        path.unlink()
    assert statuses(world.ask("history")) == {status}
    for days, path in zip((2.1, 3.1, 4.1, 5.1), gone, strict=True):
        path.write_bytes(gzip.compress(b""))
        os.utime(path, (ago(days).timestamp(),) * 2)
    assert statuses(world.ask("history")) == {"pass"}


@pytest.mark.parametrize("then, status", [("keep", "error"), ("pack", "fail"), ("new", None)])
def test_a_server_that_was_not_told_of_rotation(world: World, then: str, status: str | None) -> None:
    log = world.write("access.log", 0.5)
    world.servers[0].pid = os.getpid()
    with log.open("a"):
        log.rename(world.logs / "access.log.1")
        if then == "pack":
            (world.logs / "access.log.1").unlink()
        log.touch()
        with (world.logs / ("access.log" if then == "new" else "other.log")).open("a"):
            found = world.ask("subjects")
    assert [finding.status for finding in found] == ([status] if status else [])


def test_archives_that_are_empty_between_busy_ones(world: World) -> None:
    world.rotate("daily\nrotate 1000\ncompress\n")
    world.write("access.log", 0.5, 30)
    for number in range(1, 10):
        world.write(f"access.log.{number}.gz", number + 0.5, 30)
    assert statuses(world.ask("history")) == {"pass"}
    for number in range(3, 8):
        path = world.logs / f"access.log.{number}.gz"
        status = path.stat()
        path.write_bytes(gzip.compress(b""))
        os.utime(path, (status.st_mtime,) * 2)
    assert "many before and after" in one(world.ask("history"), "error").observed


@pytest.mark.parametrize("lines, status", [(30, "pass"), (300, "error")])
def test_two_missing_days(world: World, lines: int, status: str) -> None:
    world.history(9, lines=lines)
    for day in (3, 4):
        next(world.logs.glob(f"access.log-{ago(day):%Y%m%d}.gz")).unlink()
    assert statuses(world.ask("history")) == {status}


@pytest.mark.parametrize("emptied, status", [(0.1, "error"), (3.6, "pass")])
def test_an_empty_log_whose_last_archives_are_missing(world: World, emptied: float, status: str) -> None:
    world.history(9)
    for day in (0, 1, 2, 3):
        next(world.logs.glob(f"access.log-{ago(day):%Y%m%d}.gz")).unlink()
    log = world.logs / "access.log"
    log.write_bytes(b"")
    os.utime(log, (ago(emptied).timestamp(),) * 2)
    assert statuses(world.ask("history")) == {status}


def test_restored_archives_with_a_new_mtime_make_no_gap(world: World) -> None:
    world.history(9)
    for path in world.logs.glob("*.gz"):
        os.utime(path, (NOW.timestamp(),) * 2)
    assert statuses(world.ask("history")) == {"pass"}


def test_a_log_that_is_not_there_or_was_emptied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is not there although nginx runs" in one(world.ask("history"), "error").observed
    log = world.logs / "access.log"
    log.touch()
    assert one(world.ask("history"), "pass").observed == "it holds no line yet"
    monkeypatch.setattr(origin, "birth", lambda host, path: ago(40))
    assert "perhaps it was emptied" in one(world.ask("history"), "error").observed


def test_page_views_of_a_removed_site_are_kept_too(world: World) -> None:
    world.history(9)
    world.write("gone.access.log", 20, 30)
    world.jobs.append(replace(CRON, text=f"find {world.logs} -name 'gone*' -mtime +30 -delete"))
    assert "gone.access.log" in one(world.ask("deleters"), "fail").observed


def test_error_logs_need_not_be_kept(world: World) -> None:
    world.history(9)
    world.log("error.log", ERROR_LOG)
    world.write("error.log", 3)
    world.rotate("daily\nrotate 14\n", "error.log")
    assert statuses(world.ask("rotation", "history")) == {"pass"}


# -- destroyed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, days, status",
    [
        ("access.log-20240101.gz", 733, "pass"),
        ("access.log-20240101.gz", 735, "fail"),
        ("gone.access.log.3.gz", 800, "fail"),
        ("copy of a log", 800, "fail"),
        ("sub/dir/access.log", 800, "fail"),
        ("error.log.1", 800, "fail"),
    ],
)
def test_what_is_past_its_time(world: World, name: str, days: float, status: str) -> None:
    world.history(3)
    os.utime(world.write(name, days), (NOW.timestamp(),) * 2)  # restored, or touched
    findings = world.ask("remains")
    assert statuses(findings) == {status}
    if status == "fail":
        finding = one(findings, "fail")
        assert finding.source == str(world.logs / name)
        assert f"{ago(days):%Y-%m-%d} (time stamp" in finding.observed
        assert "203.0" not in str(finding)


def test_past_its_time_by_name_or_mtime(world: World) -> None:
    path = world.write("access.log-20200105", 3, text="client 203.0.113.7 without a time\n")
    assert "2020-01-05 (name" in one(world.ask("remains"), "fail").observed
    path.unlink()
    path = world.write("backup.zip", 900, text="PK\x03\x04\0\0 203.0.113.7")
    assert "(mtime" in one(world.ask("remains"), "fail").observed
    path.unlink()
    world.write("README", 900, text="nothing here of anybody\n")
    (world.logs / "empty-20200105").touch()
    assert world.ask("remains") == []


def test_more_places(world: World, tmp_path: Path) -> None:
    world.history(3)
    (tmp_path / "archive").mkdir()
    world.write("../archive/old.txt", 800)
    assert world.ask("remains") == []
    assert one(world.ask("remains", web_paths=[str(tmp_path / "archive")]), "fail")
    assert one(world.ask("remains", web_paths=[str(tmp_path / "arch*/*.txt")]), "fail")


def test_statistics_cannot_be_judged(world: World) -> None:
    world.log("report.html", STATISTICS)
    world.write("report.html", 2, text="<html>203.0.113.7\n")
    assert "cannot be told" in one(world.ask("remains"), "error").observed


@pytest.mark.parametrize(
    "rules, status",
    [
        ("daily\nrotate 731\nifempty\n", "pass"),
        ("daily\nrotate 731\nnotifempty\n", "fail"),
        ("daily\nrotate 5000\nmaxage 730\nifempty\n", "pass"),
        ("daily\nrotate 5000\nifempty\n", "fail"),
        ("daily\nrotate -1\n", "fail"),
        ("weekly\nrotate 105\n", "fail"),
        ("size 1M\nrotate 1000\n", "fail"),
        ("daily\nrotate 731\ncopy\n", "fail"),  # the log itself keeps all its lines
        ("daily\nrotate 731\ncopytruncate\n", "pass"),
    ],
)
def test_destruction_by_logrotate_alone(world: World, rules: str, status: str) -> None:
    world.no_destroyer()
    world.rotate(rules)
    world.write("access.log", 0.5)
    world.write("access.log.1", 1.5)
    assert statuses(world.ask("destruction")) == {status}


def test_logrotate_never_comes_back_for_a_log_that_is_gone(world: World) -> None:
    world.no_destroyer()
    world.rotate("daily\nrotate 731\nifempty\n")
    world.write("access.log", 0.5)
    world.write("gone.log.1", 1.5)
    finding = one(world.ask("destruction"), "fail")
    assert "gone.log" in finding.subject
    world.write("gone.log", 0.5)
    assert statuses(world.ask("destruction")) == {"pass"}


@pytest.mark.parametrize(
    "command, status",
    [
        ("find LOGS -type f -mtime +730 -delete", "pass"),
        ("find LOGS -type f -mtime +800 -delete", "fail"),
        ("find LOGS -name '*.gz' -mtime +730 -delete", "fail"),
        ("find LOGS -type f -atime +730 -delete", "error"),
        ("find LOGS -type f -mtime +730 -user www-data -delete", "error"),
        ("/opt/tidy-logs", "error"),
        ("certbot renew", "fail"),
    ],
)
def test_destruction_by_a_job(world: World, command: str, status: str) -> None:
    world.no_destroyer()
    world.history(3)
    world.write("stray", 9)
    world.jobs.append(replace(CRON, text=command.replace("LOGS", str(world.logs))))
    assert status in statuses(world.ask("destruction"))
    assert statuses(world.ask("destruction")) <= {status, "pass"}


def test_a_stray_that_the_destroyer_does_not_recognise(world: World) -> None:
    world.history(3)
    world.write("report.html", 3, text="<html>203.0.113.7\n")
    assert "report.html" in one(world.ask("destruction"), "fail").observed


def test_weekly_rotation_comes_too_late(world: World) -> None:
    world.rotate("weekly\nrotate 1000\n")
    world.write("access.log", 5)
    assert "738 days old" in one(world.ask("destruction"), "fail").observed
    assert statuses(world.ask("destruction", late="2 weeks")) == {"pass"}


def test_a_log_that_nothing_rotates(world: World) -> None:
    world.rotate(DAILY, "other.log")
    world.write("access.log", 5)
    assert "nothing rotates it" in one(world.ask("destruction"), "fail").observed
    world.write("access.log.1", 1.5)
    assert "nothing rotates it" in one(world.ask("destruction"), "fail").observed
    world.jobs.append(replace(CRON, text="/opt/rotate-logs"))
    assert "/etc/cron.d/x:1 does is not known" in one(world.ask("destruction"), "error").observed
    world.write("access.log.2", 2.5)  # something rotates it, and it is not logrotate
    assert statuses(world.ask("destruction")) == {"pass"}
    record = f'logrotate state -- version 2\n"{world.logs}/access.log" {ago(1):%Y-%m-%d}-0:0:0\n'
    (world.path / "status").write_text(record)
    assert "error" in statuses(world.ask("destruction"))


def test_a_log_that_is_still_to_come_will_be_rotated(world: World) -> None:
    assert statuses(world.ask("rotation", "destruction")) == {"pass"}
    world.rotate(STOCK)
    assert "fail" in statuses(world.ask("rotation"))


def test_a_block_that_logrotate_gives_up_is_named(world: World) -> None:
    world.history(3)
    world.rotate(DAILY + "rotate lots\n")
    finding = one(world.ask("destruction"), "fail")
    assert "nothing rotates it; logrotate skips the block: rotate 'lots' is no number" in finding.observed
    assert finding.source == f"{world.path}/logrotate.conf:9"


def test_logs_with_the_day_in_their_path_need_no_rotation(world: World) -> None:
    world.configured = []
    world.log("", pattern=f"{world.logs}/*/*/*/visits.log")
    for day in range(1, 9):
        world.write(f"{ago(day):%Y/%m/%d}/visits.log", day, 30)
    world.jobs.pop(0)
    assert statuses(world.ask()) == {"pass"}


@pytest.mark.parametrize(
    "change, told",
    [
        ({"faults": ("d.timer is masked",)}, "d.timer is masked"),
        ({"failed": True, "result": "last run of d.service: exit-code"}, "exit-code"),
        ({"text": "/bin/true"}, "runs /bin/true"),
    ],
)
def test_a_destroyer_that_does_not_run(world: World, change: dict[str, Any], told: str) -> None:
    world.history(3)
    world.jobs[1] = replace(world.jobs[1], **change)
    assert told in one(world.ask("destruction"), "fail").observed


# -- the timer --------------------------------------------------------------------------------------------------------


def rotated(world: World, days: float) -> None:
    """Let logrotate's own record say when it last rotated the log."""
    record = f'logrotate state -- version 2\n"{world.logs}/access.log" {ago(days):%Y-%m-%d}-0:0:0\n'
    (world.path / "status").write_text(record)


def test_rotation_that_does_not_run(world: World) -> None:
    world.history(3)
    world.jobs[0] = replace(world.jobs[0], faults=("logrotate.timer is masked",))
    finding = one(world.ask("timer"), "fail")
    assert (finding.proof, finding.subject) == ("running", "logrotate.timer")


def test_logrotate_that_fails_elsewhere_but_rotates(world: World) -> None:
    world.history(3)
    world.jobs[0] = replace(world.jobs[0], failed=True, result="last run of logrotate.service: exit-code")
    rotated(world, 1)
    assert "were rotated in time" in one(world.ask("timer"), "pass").observed
    rotated(world, 9)
    assert "was last rotated on" in one(world.ask("timer"), "fail").observed


@pytest.mark.parametrize("record", [None, "logrotate state -- version 2\n", "garbage\n"])
def test_logrotate_that_fails_and_has_no_record_of_a_log(world: World, record: str | None) -> None:
    world.history(3)
    world.jobs[0] = replace(world.jobs[0], failed=True, result="last run of logrotate.service: exit-code")
    if record is not None:
        (world.path / "status").write_text(record)
    found = one(world.ask("timer"), "error")
    assert (found.proof, found.source) == ("", f"{world.path}/status")
    assert found.observed.startswith("last run of logrotate.service: exit-code, and whether it rotates")
    assert f"{world.logs}/access.log cannot be told" in found.observed


def test_logrotate_needs_no_record_of_what_it_does_not_rotate(world: World) -> None:
    world.history(3)
    world.jobs[0] = replace(world.jobs[0], failed=True, result="last run of logrotate.service: exit-code")
    rotated(world, 1)
    world.log("to-come.log")
    world.log("linked.log")
    os.link(world.write("linked.log", 2), world.path / "linked")
    assert "has several hard links" in one(world.ask("destruction"), "fail").observed
    assert "were rotated in time" in one(world.ask("timer"), "pass").observed


# -- the journal ------------------------------------------------------------------------------------------------------


def handed_on(world: World, kind: str, path: str = "") -> None:
    log = SimpleNamespace(kind=kind, path=path, directive=SimpleNamespace(source="/etc/nginx/x:9"))
    world.servers[0].vhosts = (SimpleNamespace(logs=(log,), error_logs=()),)


def test_logs_sent_to_another_machine(world: World) -> None:
    handed_on(world, SYSLOG, "server=192.0.2.1:514")
    assert "another machine" in one(world.ask("journal"), "error").observed


@pytest.mark.parametrize(
    "oldest, settings, wanted",
    [
        (730, {"MaxRetentionSec": "731d", "MaxFileSec": "1d", "Storage": "persistent"}, ["pass", "pass"]),
        (9, {"MaxRetentionSec": "731d", "MaxFileSec": "1d", "Storage": "persistent"}, ["error", "pass"]),
        (9, {"MaxRetentionSec": "30d", "MaxFileSec": "1d", "Storage": "persistent"}, ["fail", "pass"]),
        (730, {"Storage": "persistent"}, ["pass", "fail"]),
        (800, {"MaxRetentionSec": "731d", "MaxFileSec": "1d", "Storage": "persistent"}, ["pass", "fail"]),
        (730, {"MaxRetentionSec": "731d", "MaxFileSec": "1month", "Storage": "persistent"}, ["fail", "fail"]),
        (729, {"MaxRetentionSec": "731d", "MaxFileSec": "3d", "Storage": "persistent"}, ["fail", "pass"]),
        (730, {"MaxRetentionSec": "10y", "MaxFileSec": "0", "Storage": "persistent"}, ["error", "fail"]),
        (9, {"MaxRetentionSec": "731d", "MaxFileSec": "1d", "Storage": "volatile"}, ["fail", "pass"]),
        (9, {"MaxRetentionSec": "700d", "MaxFileSec": "0", "Storage": "persistent"}, ["fail", "fail"]),
    ],
)
def test_logs_in_the_journal(
    world: World, monkeypatch: pytest.MonkeyPatch, oldest: int, settings: dict[str, str], wanted: list[str]
) -> None:
    handed_on(world, STREAM)
    monkeypatch.setattr(journald, "settings", lambda host: {key: (value, "/j:1") for key, value in settings.items()})
    monkeypatch.setattr(journald, "oldest", lambda host: ago(oldest))
    monkeypatch.setattr(Host, "processes", lambda host: [])
    monkeypatch.setattr(journald, "running", lambda host: Layer(RUNNING, True, "loaded"))
    assert [finding.status for finding in world.ask("journal")] == wanted
    monkeypatch.setattr(journald, "running", lambda host: Layer(RUNNING, None, "journald.conf changed", "/j"))
    assert "pass" not in statuses(world.ask("journal"))


@pytest.mark.parametrize(
    "command, status",
    [
        ("journalctl --vacuum-time=30d", "fail"),
        ("journalctl --vacuum-time=800d", "pass"),
        ("journalctl -q --vacuum-size 500M", "error"),
        ("rm -rf /var/log/journal/*", "fail"),
    ],
)
def test_what_others_throw_away_of_the_journal(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str, status: str
) -> None:
    handed_on(world, STREAM)
    settings = {"MaxRetentionSec": "731d", "MaxFileSec": "1d", "Storage": "persistent"}
    monkeypatch.setattr(journald, "settings", lambda host: {key: (value, "/j:1") for key, value in settings.items()})
    monkeypatch.setattr(journald, "oldest", lambda host: ago(730))
    monkeypatch.setattr(Host, "processes", lambda host: [])
    monkeypatch.setattr(journald, "running", lambda host: Layer(RUNNING, True, "loaded"))
    world.jobs.append(replace(CRON, text=command))
    assert [finding.status for finding in world.ask("journal")] == [status, "pass"]
    # one that stands still may begin again, and one that never comes does nothing
    world.jobs[-1] = replace(world.jobs[-1], faults=("x",), runs=None)
    assert [finding.status for finding in world.ask("journal")] == ["pass" if status == "pass" else "error", "pass"]
    world.jobs[-1] = replace(world.jobs[-1], runs=False)
    assert [finding.status for finding in world.ask("journal")] == ["pass", "pass"]
