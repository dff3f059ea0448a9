# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab: its seeded logs are those that stock rotation would have left, its certificates and one-time codes are what
they say, its committed inventory is current."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lab import accounts, fleet, machine, mail_seeding, seeding
from lab.certificates import Certificates

NOW = datetime(2026, 11, 20, 16, 30, tzinfo=timezone.utc)
BORN = datetime(2026, 11, 11, 9, 0, tzinfo=timezone.utc)
VISITORS = {"addresses": ["203.0.113.10", "2001:db8::1"], "agents": ["curl/8.14.1"]}
STAMP = re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+]\d{4})\]")


def log(first: int, last: int, **more: Any) -> dict[str, Any]:
    """A log's description, `first` to `last` days ago."""
    traffic = [{"site": "static.example", "lines_per_day": 20, "paths": ["/", "/about.html"]}]
    described = {"path": "/var/log/nginx/access.log", "format": "combined", "owner": "www-data", "group": "adm"}
    return {**described, "days": {"from": first, "to": last}, "traffic": traffic, **more}


def text(file: seeding.SeededFile) -> str:
    """What a file holds, decompressed."""
    return (gzip.decompress(file.content) if file.path.endswith(".gz") else file.content).decode()


def stamps(file: seeding.SeededFile) -> list[datetime]:
    """The moments of a file's lines."""
    return [datetime.strptime(stamp, "%d/%b/%Y:%H:%M:%S %z") for stamp in STAMP.findall(text(file))]


def by_suffix(described: dict[str, Any]) -> dict[str, seeding.SeededFile]:
    """The seeded files by what rotation added to the log's name."""
    files = seeding.seed(described, VISITORS, NOW, BORN)
    return {file.path.removeprefix(described["path"]): file for file in files}


def test_a_log_that_goes_on_has_one_file_a_day() -> None:
    files = by_suffix(log(9, 0))
    assert sorted(files) == sorted(["", ".1", *(f".{turn}.gz" for turn in range(2, 10))])
    for suffix, days_ago in (("", 0), (".1", 1), (".2.gz", 2), (".8.gz", 8)):
        day = (NOW - timedelta(days=days_ago)).date()
        assert {stamp.date() for stamp in stamps(files[suffix])} == {day}
        assert len(stamps(files[suffix])) == 20


def test_no_line_is_older_than_the_server_or_younger_than_now() -> None:
    moments = [stamp for file in by_suffix(log(9, 0)).values() for stamp in stamps(file)]
    assert min(moments) >= BORN
    assert max(moments) < NOW


def test_a_log_that_has_ended_lies_there_with_an_empty_newest_file() -> None:
    files = by_suffix(log(799, 786))
    assert text(files[""]) == ""
    assert sorted(files) == sorted(["", ".1", *(f".{turn}.gz" for turn in range(2, 15))])
    assert {stamp.date() for stamp in stamps(files[".1"])} == {(NOW - timedelta(days=786)).date()}
    assert {stamp.date() for stamp in stamps(files[".14.gz"])} == {(NOW - timedelta(days=799)).date()}


@pytest.mark.parametrize("described", [log(9, 0), log(799, 786)])
def test_each_file_was_last_written_with_its_last_line(described: dict[str, Any]) -> None:
    for file in by_suffix(described).values():
        moments = stamps(file)
        assert moments == sorted(moments)
        if moments:
            assert file.written == moments[-1]


def test_the_same_description_gives_the_same_bytes() -> None:
    assert seeding.seed(log(9, 0), VISITORS, NOW, BORN) == seeding.seed(log(9, 0), VISITORS, NOW, BORN)


def test_a_named_client_stands_in_for_the_visitors() -> None:
    traffic = [{"site": "members.example", "lines_per_day": 5, "paths": ["/"], "client": "10.0.0.1"}]
    lines = text(by_suffix(log(1, 0, traffic=traffic))[".1"]).splitlines()
    assert {line.split()[0] for line in lines} == {"10.0.0.1"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("vhost_combined", r"static\.example:80 \S+ - - \["),
        ("nginx_error", r"2026/11/19 \d\d:\d\d:\d\d \[error\] .* client: \S+, server: static\.example, "),
        ("apache_error", r"\[Thu Nov 19 \d\d:\d\d:\d\d\.000000 2026\] \[authz_core:error\] .* \[client \S+:\d+\] "),
    ],
)
def test_formats_are_those_of_the_services(name: str, line: str) -> None:
    lines = text(by_suffix(log(1, 0, format=name))[".1"]).splitlines()
    assert len(lines) == 20
    assert all(re.match(line, one) for one in lines)


def test_rotation_status_names_the_last_rotation() -> None:
    ended = {**log(799, 786), "path": "/var/log/nginx/old.log"}
    assert seeding.rotation_status([log(9, 0), ended], NOW).splitlines() == [
        "logrotate state -- version 2",
        '"/var/log/nginx/access.log" 2026-11-20-0:0:0',
        '"/var/log/nginx/old.log" 2024-9-26-0:0:0',
    ]


def mail_entries(release: str) -> list[mail_seeding.Entry]:
    """Ten days of a mail server."""
    boxes = ["info@voorbeeld.example", "jan@voorbeeld.example"]
    server = mail_seeding.Server("mail.voorbeeld.example", "10.0.0.13", boxes, VISITORS["addresses"], release)
    return mail_seeding.entries({"logins": 20, "wrong": 4, "messages": 6}, server, BORN, NOW)


def test_a_mail_servers_journal_is_of_its_life_and_in_order() -> None:
    found = mail_entries("trixie")
    moments = [entry.moment for entry in found]
    assert moments == sorted(moments)
    assert BORN <= moments[0] < BORN + timedelta(days=1) and NOW - timedelta(days=1) < moments[-1] < NOW
    days = (NOW - BORN) / timedelta(days=1)
    of_logins = [entry for entry in found if "-login: Logged in: user=<" in entry.message]
    assert len(of_logins) == round(20 * days)
    assert len([entry for entry in found if "(auth failed" in entry.message]) == round(4 * days)
    messages = [entry.message.split(":")[0] for entry in found if ": removed" in entry.message]
    assert len(messages) == round(6 * days)
    for number in messages:
        told = " ".join(entry.message for entry in found if entry.message.startswith(number))
        assert all(part in told for part in ("sasl_username=", "from=<", "to=<", "size=", "status=sent"))


@pytest.mark.parametrize(("release", "word"), [("bookworm", ": Login: "), ("trixie", ": Logged in: ")])
def test_each_release_says_logins_in_its_own_words(release: str, word: str) -> None:
    assert any(word in entry.message for entry in mail_entries(release))


def test_a_journal_is_exported_with_moments_of_its_entries() -> None:
    found = mail_entries("trixie")
    blocks = mail_seeding.exported(found, "mail1").split("\n\n")
    assert len(blocks) == len(found) + (blocks[-1] == "")
    fields = dict(line.split("=", 1) for line in blocks[0].splitlines())
    assert int(fields["__REALTIME_TIMESTAMP"]) == int(found[0].moment.timestamp() * 1_000_000)
    assert (fields["_HOSTNAME"], fields["MESSAGE"]) == ("mail1", found[0].message)
    assert re.fullmatch(r"system@[0-9a-f]{32}-0{15}1-[0-9a-f]{16}\.journal", mail_seeding.file_name(found, "mail1"))


def test_the_committed_inventory_is_that_of_the_default_lab() -> None:
    made = fleet.Lab("lab", "trixie").inventory("{{ inventory_dir }}/../../.lab/lab")
    committed = (machine.REPOSITORY / "inventories" / "lab" / "hosts.yml").read_text()
    assert committed.splitlines()[1:] == made.splitlines()[1:]  # the first line says where it comes from


@pytest.mark.parametrize(
    ("moment", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_one_time_codes_are_those_of_rfc_6238(
    moment: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = accounts.Account("anna", 1001, ("sudo",), "/bin/bash", enrolled=True)
    anna.folder(tmp_path).mkdir(parents=True)
    secret = base64.b32encode(b"12345678901234567890").decode()
    (anna.folder(tmp_path) / "totp").write_text(f"{secret}\n11111111\n")
    monkeypatch.setattr(accounts.time, "time", lambda: float(moment))
    assert anna.code(tmp_path) == code


def test_who_has_no_secret_has_no_code(tmp_path: Path) -> None:
    with pytest.raises(machine.LabError, match="klant1 has no secret"):
        accounts.Account("klant1", 1003, (), "/usr/sbin/nologin").code(tmp_path)


def openssl(*words: str | Path) -> int:
    """The exit status of openssl."""
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False).returncode


def test_certificates_are_of_whom_and_of_when_they_are_told_to_be(tmp_path: Path) -> None:
    made = Certificates(tmp_path / "certificates")
    authority = made.authority(NOW).certificate
    names = ["a.example", "b.example"]
    issued = made.site("a.example", NOW, names=names, key="EC:P-256", days={"from": 9, "to": -80})
    ended = made.site("c", NOW, names=["c.example"], key="RSA:2048", days={"from": 400, "to": 35}, self_signed=True)
    now = ["-attime", str(int(NOW.timestamp()))]
    for name in names:
        assert openssl("verify", *now, "-CAfile", authority, "-verify_hostname", name, issued.certificate) == 0
    assert openssl("verify", *now, "-CAfile", authority, "-verify_hostname", "x.example", issued.certificate) != 0
    assert openssl("verify", *now, "-CAfile", ended.certificate, ended.certificate) != 0
    while_good = ["-attime", str(int((NOW - timedelta(days=36)).timestamp()))]
    assert openssl("verify", *while_good, "-CAfile", ended.certificate, ended.certificate) == 0
    assert made.site("c", NOW, names=[], key="", days={}, self_signed=True) == ended
