# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ages of log files: time stamps as real servers write them, dates in names, and what visitors may slip in."""

from __future__ import annotations

import ast
import bz2
import datetime as dt
import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import time

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._services import logfile

UTC = dt.timezone.utc
NOW = dt.datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
MOMENT = dt.datetime(2026, 11, 20, 16, 31, 19, tzinfo=UTC)
COMBINED = '203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET / HTTP/1.1" 200 612 "-" "Mozilla/5.0"'


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    """The host's zone is UTC unless a test says otherwise."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def stamp(line, now=NOW, modified=NOW):
    return logfile.stamp(line if isinstance(line, bytes) else line.encode(), now, modified)


@pytest.mark.parametrize(
    "line",
    [
        COMBINED,
        'shop.example.nl:443 203.0.113.7 - - [20/Nov/2026:17:31:19 +0100] "GET / HTTP/2.0" 200 1 "-" "x"',
        "shop.example.nl\t203.0.113.7\t2026-11-20T17:31:19+01:00\tGET /\t200",
        '2026-11-20T16:31:19Z 203.0.113.7 "GET /"',
        "2026-11-20 16:31:19 203.0.113.7 GET /",
        "2026-11-20T16:31:19.123456+00:00 web1 nginx: 203.0.113.7 GET /",
        "1795192279.123 203.0.113.7 GET /",
        "203.0.113.7 [1795192279.123] GET /",
        "1795192279 203.0.113.7 GET /",
        "1795192279123 203.0.113.7 GET /",
        "2026/11/20 16:31:19 [error] 12#12: *1 open() failed, client: 203.0.113.7, server: example.nl",
        "[Fri Nov 20 16:31:19.123456 2026] [core:error] [pid 7:tid 7] [client 203.0.113.7:1] AH00126: Invalid URI",
        "[20-Nov-2026 16:31:19 UTC] PHP Warning:  foo in /srv/www/x.php on line 3",
        "Nov 20 16:31:19 web1 nginx: 203.0.113.7 - GET /",
        "<190>Nov 20 16:31:19 web1 nginx: 203.0.113.7 - GET /",
        '{"time":"2026-11-20T16:31:19+00:00","ip":"203.0.113.7","uri":"/?t=2020-01-01T00:00:00Z"}',
        '{"@timestamp":"2026-11-20T16:31:19.000Z","agent":"2030-01-01T00:00:00Z"}',
        '{"ts":1795192279.25,"request":{"host":"example.nl"}}',
        '{"msec":"1795192279.250","status":200}',
        '"example.nl";"2026-11-20T16:31:19+00:00";"203.0.113.7"',
        "example.nl|203.0.113.7|20/Nov/2026:16:31:19 +0000|GET /|",
    ],
)
def test_the_forms_that_web_servers_write(line):
    assert stamp(line).replace(microsecond=0) == MOMENT


@pytest.mark.parametrize(
    "line",
    [
        # a visitor asks for an address, or sends a referrer or a browser, that holds an older date
        '203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET /?d=[01/Jan/2001:00:00:00 +0000] HTTP/1.1" 200 1 "-" "-"',
        '203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET / HTTP/1.1" 200 1 "2001-01-01T00:00:00Z" "-"',
        '203.0.113.7 "GET / HTTP/1.1" "01/Jan/2001:00:00:00 +0000" [20/Nov/2026:16:31:19 +0000]',
        "203.0.113.7 /2001-01-01T00:00:00Z x [01/Jan/2001:00:00:00 +0000] [20/Nov/2026:16:31:19 +0000]",
        r'203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET / HTTP/1.1" 200 1 "a\" [01/Jan/2001:00:00:00 +0000]" "-"',
        # ... or one that lies ahead
        '203.0.113.7 - - [20/Nov/2026:16:31:19 +0000] "GET /" 200 1 "[20/Nov/2036:16:31:19 +0000]" "-"',
    ],
)
def test_a_visitor_cannot_make_a_line_older(line):
    assert stamp(line) == MOMENT


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "203.0.113.7 - - [99/Nov/2026:16:31:19 +0000] x",
        "size 1795192279 bytes",
        "[20/Nov/1970:16:31:19 +0000]",
        "{not json",
        "[1,2]",
        b"\xff\xfe\x00\x81",
    ],
)
def test_lines_without_a_time_stamp(line):
    assert stamp(line) is None


def test_syslog_takes_its_year_from_the_file():
    old = dt.datetime(2024, 3, 1, tzinfo=UTC)
    assert stamp("Dec 31 23:59:59 web1 nginx: x", modified=old).year == 2023
    assert stamp("Feb 29 12:00:00 web1 nginx: x", modified=old).year == 2024
    assert stamp("Dec 31 23:59:59 web1 nginx: x [31/Dec/2021:23:59:59 +0000] y", modified=old).year == 2021


def test_a_stamp_without_a_zone_is_of_the_host(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    time.tzset()
    assert stamp("2026/11/20 17:31:19 [error] x") == MOMENT
    assert logfile.date_in_name("a.log-20261120")[0] == dt.datetime(2026, 11, 19, 23, tzinfo=UTC)


# -- files ------------------------------------------------------------------------------------------------------------


def line_of(day, text="GET /"):
    return f'203.0.113.7 - - [{day:%d/%b/%Y:%H:%M:%S} +0000] "{text}" 200 1 "-" "-"\n'.encode()


FIRST, LAST = dt.datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC), dt.datetime(2026, 11, 2, 23, 59, 58, tzinfo=UTC)
BODY = line_of(FIRST) + line_of(FIRST + dt.timedelta(hours=5)) * 9000 + line_of(LAST)


def _zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize(
    "name, pack",
    [
        ("a.log", bytes),
        ("a.log.gz", gzip.compress),
        ("a.log.xz", lzma.compress),
        ("a.log.bz2", bz2.compress),
        ("a.log.zst", _zstd),
        ("wrongly-named", gzip.compress),
    ],
)
def test_first_and_last_line_packed_or_not(tmp_path, name, pack):
    if name.endswith(".zst"):
        assert shutil.which("zstd"), "install zstd: this test needs it"
    path = tmp_path / name
    path.write_bytes(pack(BODY))
    assert logfile.begins(str(path), NOW) == logfile.Moment(FIRST, logfile.STAMP)
    assert logfile.ends(str(path), NOW) == logfile.Moment(LAST, logfile.STAMP)


def test_garbage_before_and_after_the_lines(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"\0" * 5000 + b"\xff\xfe rubbish\n" * 50 + BODY + b"\xff rubbish\n" + b"\0" * 5000)
    assert logfile.begins(str(path), NOW).when == FIRST
    assert logfile.ends(str(path), NOW).when == LAST


def test_a_tar_of_logs(tmp_path):
    path, buffer = tmp_path / "logs.tar.gz", io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("access.log")
        info.size = len(BODY)
        tar.addfile(info, io.BytesIO(BODY))
    path.write_bytes(buffer.getvalue())
    assert logfile.begins(str(path), NOW).when == FIRST


def test_a_broken_archive_tells_what_it_still_can(tmp_path):
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(BODY + os.urandom(400_000))[:300_000])
    assert logfile.begins(str(path), NOW).when == FIRST
    path.write_bytes(gzip.compress(BODY)[:12])
    os.utime(path, (FIRST.timestamp(), FIRST.timestamp()))
    assert logfile.begins(str(path), NOW) == logfile.Moment(
        FIRST, logfile.MTIME, "no time stamp in its first lines, no date in its name"
    ) or logfile.begins(str(path), NOW).note.startswith("it cannot be unpacked")


def test_an_empty_file_holds_nothing(tmp_path):
    (tmp_path / "a.log").touch()
    assert logfile.begins(str(tmp_path / "a.log"), NOW) is None
    assert logfile.ends(str(tmp_path / "a.log"), NOW) is None


def test_evidence_in_order_stamp_name_mtime(tmp_path):
    restored, named = tmp_path / "access.log-20261105.gz", tmp_path / "access.log-20261105"
    restored.write_bytes(gzip.compress(BODY))  # mtime is now: a restore or a touch
    assert logfile.begins(str(restored), NOW) == logfile.Moment(FIRST, logfile.STAMP)
    named.write_bytes(b"no stamp here\n")
    day = dt.datetime(2026, 11, 5, tzinfo=UTC)
    assert (logfile.begins(str(named), NOW).when, logfile.begins(str(named), NOW).evidence) == (day, logfile.NAME)
    assert logfile.ends(str(named), NOW).when == day + dt.timedelta(days=1)
    plain = tmp_path / "stats.html"
    plain.write_bytes(b"<html>\n")
    os.utime(plain, (FIRST.timestamp(), FIRST.timestamp()))
    assert (logfile.begins(str(plain), NOW).when, logfile.begins(str(plain), NOW).evidence) == (FIRST, logfile.MTIME)


def test_bounds_are_said_and_not_passed(tmp_path):
    path = tmp_path / "big.log-20261105.gz"
    path.write_bytes(gzip.compress(b"x" * (8 << 20)))
    found = logfile.ends(str(path), NOW, logfile.Bounds(bytes=1 << 20))
    assert found.evidence == logfile.NAME and "larger than 1 MiB" in found.note
    assert "not read within" in logfile.ends(str(path), NOW, logfile.Bounds(seconds=0)).note


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        logfile.begins(str(tmp_path / "pipe"), NOW)


@pytest.mark.parametrize(
    "path, day, hours",
    [
        ("/v/access.log-20261120", (2026, 11, 20), 24),
        ("/v/access.log-20261120.gz", (2026, 11, 20), 24),
        ("/v/access.log-2026112016.gz", (2026, 11, 20, 16), 1),
        ("/v/access.log-20261120-1795192279.gz", (2026, 11, 20), 24),
        ("/v/access-2026-11-20.log", (2026, 11, 20), 24),
        ("/v/access.2026.11.20", (2026, 11, 20), 24),
        ("/v/access_20261120T16.log", (2026, 11, 20, 16), 1),
        ("/v/20261120_access.log", (2026, 11, 20), 24),
        ("/v/2026/11/20/access.log", (2026, 11, 20), 24),
        ("/v/2026/11/20/16/access.log", (2026, 11, 20, 16), 1),
        ("/v/2026/11/20-access.log", (2026, 11, 20), 24),
        ("/v/2026-11-20/access.log.gz", (2026, 11, 20), 24),
        ("/v/20261120/access.log.gz", (2026, 11, 20), 24),
        ("/v/access.log-2026W47", (2026, 11, 16), 168),
        ("/v/access-2026-11.log.gz", (2026, 11, 1), 720),
        ("/v/2026/11/access.log", (2026, 11, 1), 720),
        ("/v/access.log-1795192279", (2026, 11, 20, 16, 31, 19), 0),
    ],
)
def test_dates_in_names(path, day, hours):
    first, last = logfile.date_in_name(path)
    assert first == dt.datetime(*day, tzinfo=UTC)
    assert (last - first) == dt.timedelta(hours=hours)


@pytest.mark.parametrize(
    "path",
    [
        "/v/access.log",
        "/v/access.log.14.gz",
        "/v/shop1234.log",
        "/v/access.log-20261399",
        "/v/192.0.2.10-access.log",
        "/v/access.log-123456789012",
    ],
)
def test_names_without_a_date(path):
    assert logfile.date_in_name(path) is None


def test_it_stands_alone_on_python_3_9():
    with open(logfile.__file__, encoding="utf-8") as stream:
        tree = ast.parse(stream.read(), feature_version=(3, 9))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert not any(getattr(node, "level", 0) for node in imports)
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress, _zstd])
def test_a_packed_empty_log_holds_nothing(tmp_path, pack):
    path = tmp_path / "a.log.1"
    path.write_bytes(pack(b""))
    assert logfile.begins(str(path), NOW) is None
    assert logfile.ends(str(path), NOW) is None
