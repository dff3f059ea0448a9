# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role log_retention tells the destroyer, and the stanzas that it edits or leaves."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError, Transaction, UnitState
from ansible_collections.privacy.hosting.plugins.module_utils._changes import log_retention
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result
from ansible_collections.privacy.hosting.plugins.module_utils._log_destroyer import Found, Past, find
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import ACCESS, STATISTICS, LogFile

DAYS = 731
NOW = dt.datetime.now(dt.timezone.utc)
OLD = f'203.0.113.7 - - [{NOW - dt.timedelta(days=800):%d/%b/%Y:%H:%M:%S +0000}] "GET / HTTP/1.1" 200 5\n'
NEW = f'203.0.113.7 - - [{NOW - dt.timedelta(days=3):%d/%b/%Y:%H:%M:%S +0000}] "GET / HTTP/1.1" 200 5\n'


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that tests run on has logs of its own."""
    monkeypatch.setattr(log_retention, "_SERVERS_OWN", {"web": (str(tmp_path / "nginx"),)})
    monkeypatch.setattr(log_retention, "LOGROTATE", str(tmp_path / "logrotate.conf"))
    monkeypatch.setattr(log_retention, "OWN_STANZAS", str(tmp_path / "logrotate.d" / "privacy-hosting-{}"))
    (tmp_path / "logrotate.d").mkdir()
    (tmp_path / "logrotate.conf").write_text(f"weekly\nrotate 4\ninclude {tmp_path}/logrotate.d\n")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def log_file(path: Path, kind: str = ACCESS) -> LogFile:
    return LogFile(str(path), kind, "nginx", ("a.example",), "/etc/nginx/nginx.conf:4")


def past(logs: list[LogFile], paths: list[str]) -> set[str]:
    """The base names of what would be destroyed."""
    told = log_retention.rules(Host(), logs, "2 years", paths, [])
    return {Path(item.path).name for item in find(told, NOW).past}


def test_archives_removed_sites_and_strays_are_reached(tmp_path: Path) -> None:
    logs = [log_file(written(tmp_path / "nginx" / "access.log", NEW))]
    written(tmp_path / "nginx" / "access.log.5", OLD)
    written(tmp_path / "nginx" / "access.log.2", NEW)
    written(tmp_path / "nginx" / "gone.example.log", OLD)
    written(tmp_path / "nginx" / "archive" / "2023" / "gone.example.log-20230101", OLD)
    assert past(logs, []) == {"access.log.5", "gone.example.log", "gone.example.log-20230101"}


def test_in_a_directory_of_a_site_only_its_logs_are_reached(tmp_path: Path) -> None:
    site = tmp_path / "www" / "shop"
    logs = [log_file(written(site / "shop.log", NEW))]
    written(site / "shop.log.1", OLD)
    written(site / "shop-20230101.log", OLD)
    written(site / "orders.csv", OLD)
    written(site / "shop.log.php", OLD)
    assert past(logs, []) == {"shop.log.1", "shop-20230101.log"}


def test_named_places_and_statistics_are_reached(tmp_path: Path) -> None:
    stats = log_file(written(tmp_path / "stats" / "report.html", OLD), STATISTICS)
    written(tmp_path / "backup" / "whatever", OLD)
    assert "whatever" in past([stats], [str(tmp_path / "backup")])


def test_the_log_that_is_written_now_is_kept(tmp_path: Path) -> None:
    logs = [log_file(written(tmp_path / "nginx" / "quiet.log", OLD))]
    assert past(logs, []) == set()


def rotated(tmp_path: Path, logs: list[LogFile], stanza: str) -> tuple[Transaction, list[str]]:
    written(tmp_path / "logrotate.d" / "web", stanza)

    def caller(argv: object) -> Result:
        return Result((), 0, "enabled\n", "")

    transaction = Transaction("2026-01-31T12:00:00Z", "test", root=str(tmp_path / "undo"), caller=caller)
    host = Host()
    host.has = lambda command: True  # type: ignore[method-assign]
    return transaction, list(log_retention.rotate(host, transaction, logs, DAYS))


def test_a_stanza_for_web_logs_alone_is_edited(tmp_path: Path) -> None:
    logs = [log_file(written(tmp_path / "x" / "access.log", NEW))]
    transaction, _warnings = rotated(tmp_path, logs, f"{tmp_path}/x/*.log {{\n  daily\n  rotate 7\n}}\n")
    assert b"rotate 900" in transaction.look(str(tmp_path / "logrotate.d" / "web")).data


def test_a_stanza_shared_with_other_logs_is_left_and_told(tmp_path: Path) -> None:
    logs = [log_file(written(tmp_path / "x" / "access.log", NEW))]
    written(tmp_path / "x" / "mail.log", "x\n")
    transaction, warnings = rotated(tmp_path, logs, f"{tmp_path}/x/*.log {{\n  daily\n  rotate 7\n}}\n")
    assert not [change for change in transaction.changes if "logrotate.d" in change]
    assert any("together with" in warning and "mail.log" in warning for warning in warnings)


def test_a_log_without_a_stanza_gets_one(tmp_path: Path) -> None:
    log = written(tmp_path / "x" / "access.log", NEW)
    transaction, _warnings = rotated(tmp_path, [log_file(log)], "")
    own = transaction.look(log_retention.OWN_STANZAS.format("web")).data.decode()
    assert f'"{log}" {{' in own and "rotate 900" in own and "nginx rotate" in own


def test_a_stanza_that_logrotate_gives_up_is_told(tmp_path: Path) -> None:
    log = written(tmp_path / "x" / "access.log", NEW)
    broken = f"{tmp_path}/x/*.log {{\n  daily\n  rotate 7 # week\n}}\n"
    transaction, warnings = rotated(tmp_path, [log_file(log)], broken)
    assert not [change for change in transaction.changes if "logrotate.d" in change]
    assert [warning for warning in warnings if "/logrotate.d/web:3: " in warning and "mend it" in warning]


def test_two_stanzas_of_one_file_are_both_edited(tmp_path: Path) -> None:
    logs = [log_file(written(tmp_path / "x" / name, NEW)) for name in ("a.log", "b.log")]
    stanzas = f"{tmp_path}/x/a.log {{\n  rotate 7\n}}\n{tmp_path}/x/b.log {{\n  rotate 8\n}}\n"
    transaction, _warnings = rotated(tmp_path, logs, stanzas)
    assert transaction.look(str(tmp_path / "logrotate.d" / "web")).data.count(b"rotate 900") == 2


def test_the_destroyer_is_installed_as_a_package_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIBRARY", "COMMAND", "CONFIG"):
        monkeypatch.setattr(log_retention, name, str(tmp_path / "root" / getattr(log_retention, name).lstrip("/")))
    planned: dict[str, bytes] = {}
    transaction = Transaction("2026-01-31T12:00:00Z", "test", check=True, root=str(tmp_path / "undo"), caller=_absent)
    log_retention.install_destroyer(transaction, {"web": log_retention.Rules("2 years", [str(tmp_path)])})
    for path in transaction.changes:
        if path.startswith(str(tmp_path)) and transaction.look(path).kind == _change.FILE:
            planned[path] = transaction.look(path).data
            written(Path(path), planned[path].decode())
    monkeypatch.syspath_prepend(log_retention.LIBRARY)
    destroyer = importlib.import_module("privacy_hosting._log_destroyer")
    try:
        assert destroyer.main(["--config", log_retention.CONFIG, "--check-rules"]) == 0
    finally:
        for name in [name for name in sys.modules if name.startswith("privacy_hosting")]:
            del sys.modules[name]
    assert transaction.changes[-1] == "privacy-hosting-log-retention.timer"


def _absent(argv: object) -> Result:
    return Result((), 3, "", "")


def test_the_service_can_write_only_where_logs_lie() -> None:
    text = log_retention._service(
        log_retention.Rules("2 years", ["/var/log/nginx", "/srv/*/logs", "/srv/a b/x.log*", "/srv/100%/x.log"])
    )
    allowed = [line for line in text.splitlines() if line.startswith("ReadWritePaths=")]
    assert "ReadWritePaths='-/srv/a b'" in allowed
    assert "ReadWritePaths=-/srv" in allowed
    assert "ReadWritePaths=-/srv/100%%" in allowed
    assert "ProtectSystem=strict" in text and "PrivateNetwork=yes" in text


def test_units_that_run_already_are_no_change(tmp_path: Path) -> None:
    transaction = Transaction(
        "2026-01-31T12:00:00Z", "test", root=str(tmp_path / "undo"), caller=lambda argv: Result((), 0, "enabled\n", "")
    )
    transaction.unit("logrotate.timer", UnitState("enabled", True))
    assert not transaction.changed


# -- what would destroy too much --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "/",
        "/home",
        "/home/*",
        "/var/log",
        "/var/log/",
        "/var/log/../log",
        "/etc/nginx",
        "/var/www",
        "/usr/*/doc",
        "logs",
        "/*",
    ],
)
def test_places_that_hold_more_than_web_logs_are_refused(place: str) -> None:
    with pytest.raises(ChangeError, match=r"log_retention_web_paths: '.*nothing was changed"):
        log_retention._refuse_other_places(Host(), ["/srv/archive/logs", place])


def test_a_link_to_such_a_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to("/etc")
    with pytest.raises(ChangeError, match="means /etc"):
        log_retention._refuse_other_places(Host(), [str(tmp_path / "logs")])


@pytest.mark.parametrize(
    "place", ["/srv/archive/logs", "/var/lib/goaccess/*.html", "/home/*/logs", "/var/log/nginx-old"]
)
def test_places_of_web_logs_are_taken(place: str) -> None:
    log_retention._refuse_other_places(Host(), [place])


@pytest.mark.parametrize("days", [-3000, -2, 2, 3650])
def test_a_clock_apart_from_the_controllers_changes_nothing(days: int) -> None:
    log_retention._compare_clocks(NOW, None)
    log_retention._compare_clocks(NOW, NOW + dt.timedelta(hours=20))
    with pytest.raises(ChangeError, match=r"nothing was changed.*set the clock"):
        log_retention._compare_clocks(NOW, NOW + dt.timedelta(days=days))


def test_more_than_half_is_not_destroyed_unasked() -> None:
    def found(past: int, looked_at: int) -> Found:
        moment = log_retention.logfile.Moment(NOW, "mtime")
        return Found(NOW, looked_at, [Past(f"/x/{number}", moment, (0, 0, 0, 0)) for number in range(past)])

    assert log_retention._too_many(found(0, 0), 0, "2 years") == ""
    assert log_retention._too_many(found(1, 1), 1, "2 years") == ""
    assert log_retention._too_many(found(5, 8), 2, "2 years") == ""
    assert log_retention._too_many(found(6, 8), 2, "2 days").startswith("6 of 10 web logs are past 2 days")


def test_a_disk_too_small_for_the_period_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = [log_file(written(tmp_path / "nginx" / "access.log", NEW * 5000))]
    asked = log_retention.Asked("2 years")
    assert list(log_retention._room(Host(), logs, asked, DAYS)) == []

    class Disk:
        f_bavail, f_frsize = 10, 4096

    monkeypatch.setattr(log_retention.os, "statvfs", lambda path: Disk)
    told = list(log_retention._room(Host(), logs, asked, DAYS))
    assert len(told) == 1
    assert told[0].startswith("2 years of web logs need about 0.1 GB more in ") and "0.0 GB are free" in told[0]


def test_logs_that_only_their_content_shows_must_show_it_each(tmp_path: Path) -> None:
    site = tmp_path / "www" / "logs"
    logs = [log_file(written(site / "access.log", NEW)), log_file(site / "*.visits.log")]
    for name in ("access.log.1", "shop.visits.log.1", "production.log"):
        written(site / name, OLD)
    written(site / "production.log.1", OLD.replace("GET / HTTP/1.1", "nightly"))
    written(site / "mail.visits.log.1", OLD.replace("GET / HTTP/1.1", "nightly"))
    assert past(logs, []) == {"access.log.1", "shop.visits.log.1", "production.log"}
