# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What destroys files by itself: find and rm in jobs, tmpfiles, the destroyer; and whether jobs really run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import cleaners, jobs
from ansible_collections.privacy.hosting.plugins.module_utils._services.cleaners import ANY_TIME, MTIME, Cleaner
from ansible_collections.privacy.hosting.plugins.module_utils._services.jobs import Job

JOB = Job("job", "", 1.0, "/etc/cron.d/x:1")
NOW = dt.datetime(2026, 11, 20, 17, 0, tzinfo=dt.timezone.utc)


def of(text: str) -> list[Cleaner]:
    return list(cleaners.of_script(text, JOB, "/etc/cron.daily/x"))


@pytest.mark.parametrize(
    "text, roots, days, names",
    [
        ("find /var/log/nginx -type f -mtime +730 -delete", ("/var/log/nginx",), 731, ()),
        ("/usr/bin/find /a /b/ -mtime +13 -exec rm -f {} \\;", ("/a", "/b/"), 14, ()),
        ("find /a -mtime +13 -exec rm -f '{}' +", ("/a",), 14, ()),
        ("find /a -mtime +13 -print0 | xargs -0 -r rm -f", ("/a",), 14, ()),
        ("find /a -mmin +1440 -delete", ("/a",), 1441 / 1440, ()),
        ("find /a -name '*.gz' -mtime +13 -delete", ("/a",), 14, ("*.gz",)),
        ("find /a \\( -name '*.gz' -o -name '*.[0-9]' \\) -mtime +13 -delete", ("/a",), 14, ("*.gz", "*.[0-9]")),
        ("find /a -name '*.gz' -delete", ("/a",), 0, ("*.gz",)),
        ("cd / && nice -n 19 ionice -c3 find /a -mtime +13 -delete", ("/a",), 14, ()),
        ("DIR=/var/log/nginx\nfind $DIR -mtime +13 -delete  # old ones", ("/var/log/nginx",), 14, ()),
        ('for d in /a /srv/*/logs; do\n  find "$d" -mtime +13 -delete\ndone', ("/a", "/srv/*/logs"), 14, ()),
        ("/bin/sh -c 'find /a -mtime +13 -delete'", ("/a",), 14, ()),
        ("/bin/sh -c find /a -mtime +13 -delete", ("/a",), 14, ()),  # as systemctl show prints it
        ("rm -f /var/log/nginx/*.gz", ("/var/log/nginx/*.gz",), 0, ()),
        ("truncate -s 0 /var/log/nginx/access.log", ("/var/log/nginx/access.log",), 0, ()),
    ],
)
def test_what_a_command_destroys(text: str, roots: Sequence[str], days: float, names: Sequence[str]) -> None:
    (found,) = of(text)
    assert (found.roots, found.days, found.names, found.by, found.clear) == (
        roots,
        pytest.approx(days),
        names,
        MTIME,
        True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "find /a -mtime +13 -print",
        "find /a -mtime +13 -exec gzip {} \\;",
        "find /a -mtime +13 | wc -l",
        "# find /a -mtime +13 -delete",
        "echo find /a -delete",
        "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
        "rm -f $FILE",
        "unbalanced ' quote",
    ],
)
def test_what_destroys_nothing(text: str) -> None:
    assert of(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "if [ -d /a ]; then find /a -mtime +13 -delete; fi",
        "test -f /run/x && find /a -mtime +13 -delete",
        "find /a -mtime +13 -size +1k -delete",
        "find /a -mtime 13 -delete",
        "find /a -name x -mtime +13 -o -name y -delete",
        "find /a ! -name x -mtime +13 -delete",
        "find /a -name '*.gz' -name 'access*' -mtime +13 -delete",
        "find /a \\( -name '*.gz' -o -name '*.1' \\) -name 'access*' -mtime +13 -delete",
        "find $UNKNOWN/logs -mtime +13 -delete",
        "find logs -mtime +13 -delete",
        "find /a -type d -mtime +13 -delete",
        "tmpreaper 14d /var/log/nginx",
    ],
)
def test_what_cannot_be_told(text: str) -> None:
    (found,) = of(text)
    assert not found.clear


def test_the_age_that_reading_renews_is_told_apart() -> None:
    assert of("find /a -atime +13 -delete")[0].by == ANY_TIME


def test_where_a_command_stands_in_a_script() -> None:
    (found,) = of("#!/bin/sh\n# find nothing\nset -e\nfind /a -mtime +13 -delete\n")
    assert (found.source, str(found)) == ("/etc/cron.daily/x:4", "find -mtime +13")


@pytest.mark.parametrize(
    "cleaner, path, reached",
    [
        (Cleaner("x", ("/v/a",), 1, MTIME, JOB, ""), "/v/a/b/c.log", True),
        (Cleaner("x", ("/v/a",), 1, MTIME, JOB, ""), "/v/ab.log", False),
        (Cleaner("x", ("/v/a/",), 1, MTIME, JOB, ""), "/v/a/c.log", True),
        (Cleaner("x", ("/v/a",), 1, MTIME, JOB, "", deep=False), "/v/a/b/c.log", False),
        (Cleaner("x", ("/srv/*/logs",), 1, MTIME, JOB, ""), "/srv/x/logs/c.log", True),
        (Cleaner("x", ("/srv/*/logs",), 1, MTIME, JOB, ""), "/srv/x/y/logs/c.log", False),
        (Cleaner("x", ("/v/*.gz",), 1, MTIME, JOB, ""), "/v/c.log.gz", True),
        (Cleaner("x", ("/v",), 1, MTIME, JOB, "", names=("*.gz",)), "/v/c.log", False),
        (Cleaner("x", ("/v",), 1, MTIME, JOB, "", spared=("/v/keep",)), "/v/keep/c.log", False),
    ],
)
def test_which_files_it_reaches(cleaner: Cleaner, path: str, reached: bool) -> None:
    assert cleaner.reaches(path) is reached


@pytest.mark.parametrize(
    "field, by, days",
    [
        ("m:731d", MTIME, 731),
        ("m:2y", MTIME, 730.5),
        ("731d", ANY_TIME, 731),
        ("~30d", ANY_TIME, 30),
        ("mM:1w", MTIME, 7),
        ("am:1w", ANY_TIME, 7),
        ("M:1w", ANY_TIME, 7),
        ("-", ANY_TIME, None),
        ("0", ANY_TIME, 0),
        ("soon", ANY_TIME, None),
    ],
)
def test_tmpfiles_ages(field: str, by: str, days: float | None) -> None:
    assert cleaners.tmpfiles_age(field) == (by, days)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host whose tmpfiles rules, crontab and destroyer lie below tmp_path, and that runs no jobs of its own."""
    monkeypatch.setattr(cleaners, "_TMPFILES", (str(tmp_path / "etc"), str(tmp_path / "usr")))
    monkeypatch.setattr(cleaners, "DESTROYER_CONFIG", str(tmp_path / "log-retention.json"))
    monkeypatch.setattr(jobs, "jobs", lambda host: [])
    return Host(now=NOW)


def test_tmpfiles_rules_in_effect(host: Host, tmp_path: Path) -> None:
    for directory in ("etc", "usr"):
        (tmp_path / directory).mkdir()
    (tmp_path / "usr/web.conf").write_text("d /v/hidden 0755 root adm m:1d\n")
    (tmp_path / "etc/web.conf").write_text(
        "# mine\nd /v/nginx 0755 root adm m:731d\nd /v/nginx/own - - - -\nx /v/nginx/keep\n"
    )
    (tmp_path / "usr/zz.conf").write_text("d /v/nginx 0755 root adm m:1d\nL /x - - - - /y\nd /plain 0755 - -\n")
    (found,) = cleaners.cleaners(host)
    assert (found.roots, found.days, found.source) == (("/v/nginx",), 731, f"{tmp_path}/etc/web.conf:2")
    assert found.reaches("/v/nginx/a.log.1")
    assert not found.reaches("/v/nginx/keep/a.log.1")
    assert not found.reaches("/v/nginx/own/a.log.1")
    assert found.job.faults == ("nothing runs systemd-tmpfiles",)


def test_tmpfiles_rules_that_are_masked_are_none(host: Host, tmp_path: Path) -> None:
    for directory in ("etc", "usr"):
        (tmp_path / directory).mkdir()
    (tmp_path / "usr/web.conf").write_text("d /v/nginx 0755 root adm m:1d\n")
    (tmp_path / "etc/web.conf").symlink_to("/dev/null")
    assert cleaners.cleaners(host) == []


DESTROYER = '{"web": {"period": "2 years", "paths": ["/v/nginx"], "keep": ["/v/nginx/a.log"]}}'


def test_the_destroyer_and_what_makes_it_nothing(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "log-retention.json"
    config.write_text(DESTROYER)
    (found,) = cleaners.cleaners(host)
    assert found.days == 730
    assert found.reaches("/v/nginx/a.log.1") and not found.reaches("/v/nginx/a.log")
    assert "is not there" in found.job.faults[0]
    timer = Job(cleaners.DESTROYER_TIMER, "/bin/true", 1.0, "/x.timer", unit="x.service", command="/x/override.conf:3")
    monkeypatch.setattr(jobs, "jobs", lambda host: [timer])
    (found,) = cleaners.cleaners(Host(now=NOW))
    assert found.job.faults == ("x.service runs /bin/true, not privacy-hosting-log-retention",)
    assert found.job.source == "/x/override.conf:3"
    config.write_text("{")
    with pytest.raises(Unseen, match="cannot be understood"):
        cleaners.cleaners(Host(now=NOW))


def test_how_logrotate_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "/usr/sbin/logrotate /etc/logrotate.conf",
        "nice /usr/sbin/logrotate -f --state=/s2 /etc/other.conf /etc/more.conf",
        "/usr/sbin/logrotate -s /s3 /etc/third.conf",
        "/usr/sbin/logrotate -d /etc/logrotate.conf",
        "/usr/sbin/logrotate -vf -l /var/log/logrotate.log /etc/fourth.conf",
        "logrotate-all",
    ]
    monkeypatch.setattr(jobs, "jobs", lambda host: [Job(text, text, 1.0, "") for text in texts])
    assert [(run.paths, run.state, run.forced) for run in cleaners.logrotate_runs(Host())] == [
        (("/etc/logrotate.conf",), "/var/lib/logrotate/status", False),
        (("/etc/other.conf", "/etc/more.conf"), "/s2", True),
        (("/etc/third.conf",), "/s3", False),
        (("/etc/fourth.conf",), "/var/lib/logrotate/status", True),
    ]


def test_jobs_that_nobody_here_knows(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    known = Job("apt-daily.timer", "/usr/lib/apt/apt.systemd.daily", 1.0, "/x", unit="apt-daily.service")
    strange = Job("tidy.timer", "/opt/tidy", 1.0, "/y", unit="tidy.service")
    monkeypatch.setattr(jobs, "jobs", lambda host: [known, strange])
    assert cleaners.unknown_jobs(host) == [strange]


@pytest.mark.parametrize("name", ["php-logs-clean.timer", "dpkg-tidy.timer", "/etc/cron.daily/accounting"])
def test_a_name_like_those_of_debians_jobs_makes_no_job_known(
    monkeypatch: pytest.MonkeyPatch, host: Host, name: str
) -> None:
    strange = Job(name, "/opt/tidy", 1.0, "/y", unit=name.replace(".timer", ".service"))
    monkeypatch.setattr(jobs, "jobs", lambda host: [strange])
    assert cleaners.unknown_jobs(host) == [strange]


@pytest.mark.parametrize(
    "text, known",
    [
        ("find /var/log/nginx -mtime +730 -delete", True),
        ("cd / && find /var/log/nginx -mtime +730 -print0 | xargs -0 rm -f", True),
        ("find /var/log/nginx -mtime +730 -delete; systemctl reload nginx", True),
        ("find /var/log/nginx -mtime +730 -delete; /opt/tidy", False),
        ("/usr/sbin/logrotate /etc/logrotate.conf", True),
        ("/usr/sbin/logrotate /etc/logrotate.conf && /opt/tidy", False),
        ("find /srv -name x | /opt/tidy", False),
        ("find /srv -name x | xargs /opt/tidy", False),
        ("ls /var/log/nginx/*.gz | xargs rm", False),
        ("cd /var/log/nginx && rm -f *.gz", False),
        ("cd /var/log/nginx && find . -name '*.gz' -delete", False),
        ("find $LOGS -name '*.gz' -delete", False),
        ("rm -f /var/log/nginx/*.9.gz", True),
        ("tmpreaper 30d /tmp", True),
        ("find /var/log/nginx -mtime +1 -exec gzip {} \\;", True),
        ("find /var/log -name '*.log' -size +100M -exec truncate -s 0 {} \\;", False),
        ("find /var/log/nginx -name '*.gz' -mtime +30 -exec sh -c 'rm -f \"$1\"' _ {} \\;", False),
        ("find /var/log/nginx -mtime +30 -execdir mv {} /srv/old +", False),
        ("find /var/log/nginx -mtime +730 -exec rm -f {} \\; -exec /opt/tidy {} \\;", False),
        ("systemctl start tidy", False),
    ],
)
def test_a_job_is_known_when_all_that_it_runs_is(
    monkeypatch: pytest.MonkeyPatch, host: Host, text: str, known: bool
) -> None:
    job = Job("the line in /etc/cron.d/x", text, 1.0, "/etc/cron.d/x:1")
    monkeypatch.setattr(jobs, "jobs", lambda host: [job])
    assert cleaners.unknown_jobs(host) == ([] if known else [job])


@pytest.mark.parametrize(
    "command, known",
    [
        ("php /usr/local/panel/cron.php", False),
        ("python3 /opt/tidy.py", False),
        ("/usr/lib/php/sessionclean", True),
        ("cd / && run-parts --report /etc/cron.hourly", True),
        ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", True),
        ("run-parts /etc/cron.nightly", False),
        ("cd / && run-parts --report /etc/cron.hourly && run-parts /root/jobs", False),
        ("mysqldump --all-databases | gzip > /srv/backup/db.sql.gz", False),  # it empties a file, if not a log
        ("restic backup /etc /var/www >/dev/null 2>&1", True),
        ("if [ -x /usr/bin/borg ]; then borg create /srv/b::x /etc; fi", True),
        ("rsync -a --remove-source-files /var/log/nginx/ backup:/logs/", False),
        ("tar -C /var/log -czf x.tgz --remove-files nginx", False),
        ("unbalanced ' quote", False),
    ],
)
def test_which_lines_of_cron_are_known(monkeypatch: pytest.MonkeyPatch, host: Host, command: str, known: bool) -> None:
    monkeypatch.setattr(jobs, "jobs", lambda host: [Job("the line in /etc/cron.d/x", command, 1.0, "/etc/cron.d/x:1")])
    destroying = [cleaner for cleaner in cleaners.cleaners(host) if cleaner.job.source == "/etc/cron.d/x:1"]
    assert (not cleaners.unknown_jobs(host) and not destroying) == known


@pytest.mark.parametrize(
    "text",
    [
        "cat /dev/null > /var/log/nginx/access.log",
        ": >/var/log/nginx/access.log",
        "cat /dev/null>/var/log/nginx/access.log",
        "webalizer /var/log/nginx/access.log && > /var/log/nginx/access.log",
        "cp /dev/null /var/log/nginx/access.log",
        "mv /var/log/nginx/access.log /srv/x",
    ],
)
def test_what_empties_or_takes_away_a_log(text: str) -> None:
    (found,) = of(text)
    assert (found.roots, found.days, found.clear) == (("/var/log/nginx/access.log",), 0, False)


@pytest.mark.parametrize(
    "text",
    ["echo x >> /var/log/a.log", "echo x>>/var/log/a.log", "true > /dev/null 2>&1", "date 2>>/a &> /dev/null"],
)
def test_what_empties_nothing(text: str) -> None:
    assert of(text) == []


# -- jobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, days",
    [
        ("*-*-* 00:00:00", 1),
        ("*-*-* *:00:00", 1 / 24),
        ("*-*-* 06,18:00:00", 1),
        ("Mon *-*-* 00:00:00", 7),
        ("*-*-01 00:00:00", 31),
        ("*-01-01 00:00:00", 366),
        ("what is this", 366),
    ],
)
def test_how_often_a_calendar_comes_round(spec: str, days: float) -> None:
    assert jobs.calendar_days(spec) == pytest.approx(days)


@pytest.mark.parametrize(
    "fields, days",
    [
        ("17 3 * * *", 1),
        ("*/5 * * * *", 1 / 24),
        ("0 0 * * 0", 7),
        ("0 0 1 * *", 31),
        ("0 0 1 1 *", 366),
        ("0 */6 * * *", 1),
    ],
)
def test_how_often_a_crontab_comes_round(fields: str, days: float) -> None:
    assert jobs.cron_days(fields.split()) == pytest.approx(days)


@pytest.mark.parametrize(
    "text, days",
    [("731d", 731), ("1y 6month", 547.875), ("2 weeks", 14), ("15min", 15 / 1440), ("90", 90 / 86400), ("soon", None)],
)
def test_spans(text: str, days: float | None) -> None:
    assert jobs.span_days(text) == (None if days is None else pytest.approx(days))


GOOD_TIMER = {
    "Id": "x.timer", "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled",
    "NextElapseUSecRealtime": "Sat 2026-11-21 00:27:36 UTC", "LastTriggerUSec": "Fri 2026-11-20 00:00:00 UTC",
    "TimersCalendar": "{ OnCalendar=*-*-* 00:00:00 ; next_elapse=x }",
}  # fmt: skip
GOOD_SERVICE = {"Id": "x.service", "LoadState": "loaded", "Result": "success", "ConditionResult": "yes"}


@pytest.mark.parametrize(
    "timer, service, told",
    [
        ({}, {}, None),
        ({"LoadState": "masked"}, {}, "x.timer is masked"),
        ({"ActiveState": "inactive"}, {}, "x.timer is not started (inactive)"),
        ({"UnitFileState": "disabled"}, {}, "x.timer is disabled, so it will not run after the next start of the host"),
        ({"UnitFileState": "static"}, {}, None),
        ({"NextElapseUSecRealtime": ""}, {}, "x.timer has no next run"),
        ({"NextElapseUSecRealtime": "", "NextElapseUSecMonotonic": "1d 2h"}, {}, None),
        ({"NextElapseUSecRealtime": ""}, {"ActiveState": "activating"}, None),
        ({}, {"LoadState": "masked"}, "x.service is masked"),
        ({}, {"ConditionResult": "no", "ConditionTimestamp": "x"}, "x.service was skipped by a condition of its unit"),
        ({"LastTriggerUSec": "Sun 2026-11-15 00:00:00 UTC"}, {}, "x.timer last ran on 2026-11-15"),
        ({"LastTriggerUSec": "", "ActiveEnterTimestamp": "Fri 2026-11-20 16:00:00 UTC"}, {}, None),
        (
            {"LastTriggerUSec": "", "ActiveEnterTimestamp": "Sun 2026-11-01 16:00:00 UTC"},
            {},
            "x.timer last ran on 2026-11-01",
        ),
    ],
)
def test_whether_a_timer_really_runs(timer: dict[str, str], service: dict[str, str], told: str | None) -> None:
    faults = list(jobs._timer_faults(Host(now=NOW), {**GOOD_TIMER, **timer}, {**GOOD_SERVICE, **service}, 1.0))
    assert faults == ([told] if told else [])


@pytest.mark.parametrize(
    "timer, service, runs",
    [
        ({}, {}, True),
        ({"UnitFileState": "disabled"}, {}, True),  # until the next start
        ({"LastTriggerUSec": "Sun 2026-11-15 00:00:00 UTC"}, {}, True),
        ({}, {"ConditionResult": "no", "ConditionTimestamp": "x"}, None),
        ({"ActiveState": "inactive"}, {}, None),
        ({"ActiveState": "inactive", "UnitFileState": "static"}, {}, None),
        ({"NextElapseUSecRealtime": ""}, {}, None),
        ({"ActiveState": "inactive", "UnitFileState": "disabled"}, {}, False),
        ({"LoadState": "masked"}, {}, False),
        ({}, {"LoadState": "masked"}, False),
    ],
)
def test_whether_a_timer_comes_again(timer: dict[str, str], service: dict[str, str], runs: bool | None) -> None:
    assert jobs._timer_runs({**GOOD_TIMER, **timer}, {**GOOD_SERVICE, **service}) is runs


def test_a_crontab(tmp_path: Path) -> None:
    table = tmp_path / "weblogs"
    table.write_text("# m h\nPATH=/bin\n13 3 * * * root find /a -mtime +13 -delete\n@weekly bob echo 100%% of it\n")
    first, second = jobs._table(Host(), str(table), jobs._Cron(()), owned=True)
    assert (first.text, first.every_days, first.source, first.user) == (
        "find /a -mtime +13 -delete", 1.0, f"{table}:3", "root"
    )  # fmt: skip
    assert (second.every_days, second.user, first.faults) == (7.0, "bob", ())
    assert (first.runs, second.runs) == (True, True)
    (stopped, *_rest) = jobs._table(Host(), str(table), jobs._Cron(("cron does not run",), None), owned=True)
    assert stopped.runs is None
    table.write_text("13 3 * * * root true")
    table.chmod(0o666)
    (job,) = jobs._table(Host(), str(table), jobs._Cron(("cron does not run",)), owned=True)
    assert [fault.partition(f"{table}: ")[2] or fault for fault in job.faults] == [
        "cron does not run", "it is writable by group or others", "its last line has no end"
    ]  # fmt: skip
    assert job.runs is False


@pytest.mark.parametrize(
    "name, mode, told",
    [
        ("weblogs", 0o755, None),
        ("weblogs.sh", 0o755, "such a name is not run"),
        ("weblogs", 0o644, "is not executable"),
    ],
)
def test_scripts_of_cron_daily(tmp_path: Path, name: str, mode: int, told: str | None) -> None:
    (tmp_path / name).write_text("#!/bin/sh\nfind /a -mtime +13 -delete\n")
    (tmp_path / name).chmod(mode)
    job = jobs._script(Host(), str(tmp_path), name, 1.0, jobs._Cron(()))
    assert job.runs is (told is None)
    assert "find /a" in job.text
    assert (told is None and not job.faults) or told in job.faults[0]
