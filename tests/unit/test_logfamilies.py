# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which file belongs to which log, which directories hold web logs, and since when a host exists."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import cleaners, logfamilies, origin
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import ACCESS, LogFile

VISIT = '203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET / HTTP/1.1" 200 612\n'


@pytest.mark.parametrize(
    "path, log",
    [
        ("/v/access.log", "/v/access.log"),
        ("/v/access.log.1", "/v/access.log"),
        ("/v/access.log.2.gz", "/v/access.log"),
        ("/v/access.log-20261120.gz", "/v/access.log"),
        ("/v/access.log-20261120-1795192279.gz", "/v/access.log"),
        ("/v/access.log-2026112016", "/v/access.log"),
        ("/v/access.log-1795192279", "/v/access.log"),
        ("/v/access-2026-11-20.log", "/v/access.log"),
        ("/v/access-2026-11.log.gz", "/v/access.log"),
        ("/v/2026/11/20/access.log", "/v/access.log"),
        ("/v/2026-11-20/access.log.gz", "/v/access.log"),
        ("/v/shop2026.log", "/v/shop2026.log"),
        ("/v/192.0.2.10-access.log", "/v/192.0.2.10-access.log"),
    ],
)
def test_the_log_that_a_file_is_of(path: str, log: str) -> None:
    assert logfamilies.base_path(path) == log


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(logfamilies, "_PACKAGED", {})
    monkeypatch.setattr(logfamilies, "_BACKUPS", ())
    monkeypatch.setattr(cleaners, "logrotate_runs", lambda host: [])
    return Host()


def logs_of(host: Host, *paths: Path) -> dict[str, int]:
    """Each log that is found for configured ones, with the number of its files."""
    configured = [LogFile(str(path), ACCESS, "nginx", ("x",), "/etc/nginx/x:1") for path in paths]
    return {family.log: len(family.pieces) for family in logfamilies.families(host, configured)}


def write(path: Path, text: str = VISIT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_requests_that_a_program_made_itself_are_nobodys_visits(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "nginx" / "access.log")
    rotated = [write(tmp_path / name / "requests.log") for name in ("removed", "letsencrypt")]
    rules = write(tmp_path / "rules", "".join(f"{path.parent}/*.log {{\n    weekly\n}}\n" for path in rotated))
    monkeypatch.setattr(cleaners, "logrotate_runs", lambda host: [SimpleNamespace(paths=(str(rules),))])
    assert set(logs_of(host, log)) == {str(log), *map(str, rotated)}
    monkeypatch.setattr(logfamilies, "_OWN_REQUESTS", (str(rotated[1].parent),))
    assert set(logs_of(Host(), log)) == {str(log), str(rotated[0])}


def test_all_of_a_directory_for_web_logs_but_what_plainly_is_none(host: Host, tmp_path: Path) -> None:
    web = tmp_path / "nginx"
    log = write(web / "access.log")
    for name in ("access.log.1", "gone.log", "copy", "deep/er/x.log"):
        write(web / name)
    write(web / "README", "nobody is in here\n")
    assert logs_of(host, log) == {str(log): 2, f"{web}/gone.log": 1, f"{web}/copy": 1, f"{web}/deep/er/x.log": 1}


def test_copies_beside_a_directory_for_web_logs(host: Host, tmp_path: Path) -> None:
    log = write(tmp_path / "nginx/access.log")
    write(tmp_path / "nginx.old/gone.log")
    write(tmp_path / "nginx-copy")
    write(tmp_path / "nginx-exporter.log", "2020-01-01T00:00:00Z started\n")
    write(tmp_path / "nginxes")
    found = logs_of(host, log)
    assert found == {str(log): 1, f"{tmp_path}/nginx.old/gone.log": 1, f"{tmp_path}/nginx-copy": 1}


def test_copies_among_backups(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, backups = write(tmp_path / "nginx/access.log"), tmp_path / "backups"
    monkeypatch.setattr(logfamilies, "_BACKUPS", (str(backups),))
    for name in ("weblog.gz", "old/x"):
        write(backups / name).write_bytes(gzip.compress(VISIT.encode()))
    (backups / "dpkg.status.1.gz").write_bytes(gzip.compress(b"Package: nginx\n"))
    (backups / "alternatives.tar.1.gz").write_bytes(gzip.compress(b"dpkg\0\0\0ustar"))
    (backups / "empty").touch()
    assert logs_of(host, log) == {str(log): 1, f"{backups}/weblog": 1, f"{backups}/old/x": 1}


def test_only_visits_in_a_directory_for_logs_of_all_kinds(host: Host, tmp_path: Path) -> None:
    log = write(tmp_path / "app/logs/access.log")
    write(log.parent / "gone.log")
    write(log.parent / "app.log", "2020-01-01T00:00:00Z job 203.0.113.7 done\n")
    write(log.parent / "php.log", "[01-Jan-2020 00:00:00 UTC] PHP Warning: x\n")
    assert logs_of(host, log) == {str(log): 1, f"{log.parent}/gone.log": 1}


def test_only_archives_in_a_directory_that_is_shared(host: Host, tmp_path: Path) -> None:
    log = write(tmp_path / "data/visits.log")
    for name in ("visits.log.1", "visits.log-20261120.gz", "other.log", "sub/visits.log"):
        write(log.parent / name)
    assert logs_of(host, log) == {str(log): 3}


def test_the_places_that_other_sites_have_their_logs_in(host: Host, tmp_path: Path) -> None:
    log = write(tmp_path / "sites/shop/logs/access.log")
    gone = write(tmp_path / "sites/gone/logs/access.log.3")
    write(tmp_path / "sites/gone/pages/access.log")
    assert logs_of(host, log) == {str(log): 1, str(gone)[:-2]: 1}


def test_links_and_pipes_lead_nowhere(host: Host, tmp_path: Path) -> None:
    log = write(tmp_path / "nginx/access.log")
    os.mkfifo(log.parent / "pipe")
    (log.parent / "self").symlink_to(".")
    (log.parent / "dangling").symlink_to("/nonexistent")
    (log.parent / "again").symlink_to("access.log")
    write(tmp_path / "conf/site.conf", "allow 203.0.113.7;\n")
    (log.parent / "conf").symlink_to(tmp_path / "conf")
    assert logs_of(host, log) == {str(log): 1}


def test_a_file_that_cannot_be_read_is_told(host: Host, tmp_path: Path) -> None:
    found = logfamilies.find(host, [], ["logs/of/nothing"])
    assert found.families == []
    assert found.unseen == ["'logs/of/nothing' is no path from the root on"]


def test_since_when_a_host_exists(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc)
    births = {"/": made, "/v/new": made + dt.timedelta(days=40), "/v/old": made}
    monkeypatch.setattr(origin, "birth", lambda host, path: births.get(path))
    monkeypatch.setattr(origin, "_FIRST_START", str(write(tmp_path / "machine-id")))
    monkeypatch.setattr(origin, "_KEYS", str(tmp_path / "nothing*"))
    os.utime(tmp_path / "machine-id", (made.timestamp() - 86400 * 9,) * 2)  # a restore made the root anew
    found = origin.of_host(host)
    assert found is not None and found.when == made - dt.timedelta(days=9)
    new = origin.of_directory(host, "/v/new")
    assert new is not None and new.when == births["/v/new"]
    assert origin.of_directory(host, "/v/old") is None  # as old as the file system: that says nothing
    assert origin.of_directory(host, "/v/unknown") is None
