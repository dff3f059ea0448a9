# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The destroyer removes logs that are proven past their time, and nothing else."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _log_destroyer
from ansible_collections.privacy.hosting.plugins.module_utils._log_destroyer import (
    Rules,
    as_text,
    believe,
    doubt,
    find,
    load,
    main,
    run,
    shown,
)

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.timezone.utc)
LONG_AGO = dt.datetime(2024, 5, 30, 12, tzinfo=dt.timezone.utc)  # two years and two days before
LATELY = dt.datetime(2024, 6, 2, 12, tzinfo=dt.timezone.utc)  # two years less a day


def line(when: dt.datetime) -> str:
    return f'203.0.113.7 - - [{when:%d/%b/%Y:%H:%M:%S +0000}] "GET / HTTP/1.1" 200 5 "-" "x"\n'


def log(path: Path, *stamps: dt.datetime, modified: dt.datetime = NOW) -> Path:
    """A log with lines of these moments, packed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(map(line, stamps)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


@pytest.fixture
def nginx(tmp_path: Path) -> Path:
    return tmp_path / "nginx"


def past(rules: Rules) -> list[str]:
    return [os.path.basename(item.path) for item in find(rules, NOW).past]


def only_logs(nginx: Path, **more: list[str]) -> Rules:
    return Rules("2 years", [str(nginx)], [str(nginx)], **more)  # type: ignore[arg-type]


def test_the_newest_line_decides(nginx: Path) -> None:
    log(nginx / "a.log.1", LONG_AGO, LONG_AGO)
    log(nginx / "b.log.2.gz", LONG_AGO, LONG_AGO)
    log(nginx / "c.log.3.gz", LONG_AGO, LATELY, modified=LONG_AGO)
    log(nginx / "d.log", LATELY, modified=LONG_AGO)
    assert past(only_logs(nginx)) == ["a.log.1", "b.log.2.gz"]


def test_a_log_without_stamps_goes_by_its_name_and_then_its_mtime(nginx: Path) -> None:
    nginx.mkdir()
    for name, modified in {
        "error.log-20240530": NOW,
        "error.log-20240602": LONG_AGO,
        "error.log.5": LONG_AGO,
        "error.log.4": LATELY,
    }.items():
        (nginx / name).write_text("no stamp here\n")
        os.utime(nginx / name, (modified.timestamp(), modified.timestamp()))
    assert past(only_logs(nginx)) == ["error.log-20240530", "error.log.5"]


def test_an_empty_log_goes_by_its_mtime(nginx: Path) -> None:
    log(nginx / "gone.example.log", modified=LONG_AGO)
    log(nginx / "quiet.example.log", modified=LATELY)
    assert past(only_logs(nginx)) == ["gone.example.log"]


def test_what_is_no_log_stays(nginx: Path) -> None:
    nginx.mkdir()
    for name in ("index.html", "catalog.gz", "blog.sqlite", "changelog", "key.pem"):
        (nginx / name).write_bytes(b"\x1f\x8bnot really" if name.endswith(".gz") else b"text\n")
        os.utime(nginx / name, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    assert past(only_logs(nginx)) == []


def test_a_file_with_stamps_is_a_log_whatever_its_name(nginx: Path) -> None:
    log(nginx / "copy-for-the-lawyer", LONG_AGO)
    assert past(only_logs(nginx)) == ["copy-for-the-lawyer"]


def test_archives_by_pattern_are_not_pages_beside_them(tmp_path: Path) -> None:
    site = tmp_path / "site"
    log(site / "access.log", LATELY)
    log(site / "access.log.1", LONG_AGO)
    log(site / "access.log.20240101.php", modified=LONG_AGO)
    (site / "access.log.2.php").write_text("<?php")
    os.utime(site / "access.log.2.php", (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    patterns = [str(site / "access.log"), str(site / "access.log.[0-9]*")]
    assert past(Rules("2 years", patterns, patterns)) == ["access.log.1"]


def test_everything_in_a_named_place_is_a_copy(tmp_path: Path) -> None:
    archive = tmp_path / "archive" / "2024" / "05"
    archive.mkdir(parents=True)
    (archive / "report.pdf").write_bytes(b"%PDF")
    os.utime(archive / "report.pdf", (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    assert past(Rules("2 years", [str(tmp_path / "archive")])) == ["report.pdf"]


def test_links_are_not_followed(nginx: Path, tmp_path: Path) -> None:
    elsewhere = log(tmp_path / "elsewhere" / "other.log", LONG_AGO)
    nginx.mkdir()
    (nginx / "link.log").symlink_to(elsewhere)
    (nginx / "directory").symlink_to(elsewhere.parent)
    assert past(only_logs(nginx)) == []
    assert past(Rules("2 years", [str(nginx / "link.log")])) == []


def test_configured_and_open_logs_stay(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured = log(nginx / "configured.log", LONG_AGO)
    opened = log(nginx / "open.log", LONG_AGO)
    rules = only_logs(nginx, keep=[str(configured)])
    with opened.open("ab"):
        assert run("web", rules, NOW, dry_run=False) == 1
    assert configured.exists() and opened.exists()
    assert f"a process has it open: {opened}" in capsys.readouterr().out
    assert run("web", rules, NOW, dry_run=False) == 0
    assert configured.exists() and not opened.exists()


def test_a_dry_run_lists_and_removes_nothing(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = log(nginx / "old.log.1", LONG_AGO)
    assert run("web", only_logs(nginx), NOW, dry_run=True) == 0
    assert old.exists()
    told = capsys.readouterr().out
    assert f"would be destroyed: {old} (last line of 2024-05-30 by its time stamp)" in told
    assert "203.0.113" not in told


def test_the_rule_and_the_count_are_told(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(nginx / "old.log.1", LONG_AGO)
    log(nginx / "new.log.1", LATELY)
    assert run("web", only_logs(nginx), NOW, dry_run=False) == 0
    assert "rule 'web logs, 2 years': 2 files seen, 1 with a last line before" in capsys.readouterr().out
    assert [path.name for path in nginx.iterdir()] == ["new.log.1"]


def test_a_file_that_changed_meanwhile_stays(nginx: Path) -> None:
    old = log(nginx / "old.log.1", LONG_AGO)
    found = find(only_logs(nginx), NOW).past
    old.write_text(line(NOW))
    with pytest.raises(OSError, match="changed while it was looked at"):
        _log_destroyer.destroy(found[0])
    assert old.exists()


def test_what_another_run_destroyed_is_no_trouble(nginx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, there = log(nginx / "a.log.1", LONG_AGO), log(nginx / "b.log.1", LONG_AGO)
    looked = _log_destroyer.find

    def find_and_lose(*arguments: object) -> _log_destroyer.Found:
        found = looked(*arguments)  # type: ignore[arg-type]
        gone.unlink()
        return found

    monkeypatch.setattr(_log_destroyer, "find", find_and_lose)
    assert run("web", only_logs(nginx), NOW, dry_run=False) == 0
    assert not there.exists()


def test_nothing_is_destroyed_when_open_files_cannot_be_seen(
    nginx: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = log(nginx / "old.log.1", LONG_AGO)
    listdir = os.listdir

    def blind(path: str) -> list[str]:
        if path.startswith("/proc/") and path.endswith("/fd"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", blind)
    assert run("web", only_logs(nginx), NOW, dry_run=False) == 1
    assert old.exists()
    assert "Permission denied" in capsys.readouterr().err


def test_what_cannot_be_removed_is_told(
    nginx: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = log(nginx / "old.log.1", LONG_AGO)
    log(nginx / "older.log.1", LONG_AGO)
    unlink = os.unlink

    def refuse(name: str, **options: int) -> None:
        if name == old.name:
            raise PermissionError(1, "Operation not permitted")
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    assert run("web", only_logs(nginx), NOW, dry_run=False) == 1
    assert f"{old}: Operation not permitted" in capsys.readouterr().err
    assert [path.name for path in nginx.iterdir()] == [old.name]


def test_a_removed_directory_is_no_trouble(nginx: Path) -> None:
    assert run("web", only_logs(nginx), NOW, dry_run=False) == 0


def test_rules_are_written_and_read(tmp_path: Path) -> None:
    rules = {"web": Rules("2 years", ["/a", "/b*"], ["/a"], ["/b*"], ["/a/x.log"])}
    config = tmp_path / "rules.json"
    config.write_text(as_text(rules))
    assert load(str(config)) == {"web": Rules("2 years", ["/a", "/b*"], ["/a"], ["/b*"], ["/a/x.log"])}
    assert main(["--config", str(config), "--check-rules"]) == 0


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"web": {"period": "2 years"}}', '{"web": {"period": "soon", "paths": []}}', '{"web": {"x": 1}}'],
)
def test_rules_that_cannot_be_read_destroy_nothing(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "rules.json"
    config.write_text(text)
    assert main(["--config", str(config)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


# -- what is no log, and what is not proven ---------------------------------------------------------------------------


def old(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))


SQL = b"-- dump\nINSERT INTO orders VALUES (1,'2023-01-01 10:00:00','x');\n-- Dump completed on 2023-01-01 10:00:00\n"
STRANGERS = {
    "shop.sql.gz": SQL,
    "access_log.sql.gz": SQL,
    "export.csv": b"2023-01-01 10:00:00,alice,42\n",
    "access.conf": b"deny all;\n",
    "error.html": b"<h1>Sorry</h1>\n",
    "logs.db": b"SQLite format 3\0",
    "logs": b"\x7fELF\0\0",
    "error-pages.tar.gz": b"index.html".ljust(257, b"\0") + b"ustar" + bytes(250) + b"<h1>2023-01-01 10:00:00</h1>",
    "access.log.7": b"index.html".ljust(257, b"\0") + b"ustar" + bytes(250) + line(LONG_AGO).encode(),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_only_lies_among_logs_stays(nginx: Path, name: str) -> None:
    old(nginx / name, STRANGERS[name])
    assert past(only_logs(nginx)) == []


@pytest.mark.parametrize(
    "name",
    [
        "access.log",
        "a.example.log-20230101.gz",
        "ssl_access_log.2",
        "error.log.3.gz",
        "access-2023-01-01.gz",
        "copy.txt",
    ],
)
def test_what_rotation_and_people_call_a_log_goes(nginx: Path, name: str) -> None:
    old(nginx / name, line(LONG_AGO).encode())
    assert past(only_logs(nginx)) == [name]


def test_where_a_name_is_no_proof_the_content_must_be(tmp_path: Path) -> None:
    old(tmp_path / "production.log.1", b"2023-01-01 10:00:00 nightly job done\n" * 9 + line(LONG_AGO).encode())
    old(tmp_path / "production.log.2", line(LONG_AGO).encode())
    pattern = str(tmp_path / "production.log.[0-9]*")
    assert past(Rules("2 years", [pattern], [], [pattern])) == ["production.log.2"]


def test_a_newer_line_in_the_middle_keeps_a_log(nginx: Path) -> None:
    log(nginx / "all.log.1", LONG_AGO, NOW, *[LONG_AGO] * 5000)
    assert past(only_logs(nginx)) == []


def test_a_clock_that_was_not_set_is_no_evidence(nginx: Path) -> None:
    nginx.mkdir()
    for name in ("error.log.1", "error.log-19700101"):
        (nginx / name).write_text("no stamp here\n")
        os.utime(nginx / name, (0, 0))
    assert past(only_logs(nginx)) == []


# -- customers ---------------------------------------------------------------------------------------------------------


def test_a_customers_link_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = log(tmp_path / "bob" / "logs" / "access.log.1", LONG_AGO)
    (tmp_path / "alice").symlink_to(victim.parent.parent)
    rules = Rules("2 years", [str(tmp_path / "*" / "logs" / "access.log.[0-9]*")])
    assert len(past(rules)) == 2  # root's own link is followed
    os.lchown(tmp_path / "alice", 65534, 65534)
    found = find(rules, NOW)
    assert [item.path for item in found.past] == [str(victim)]
    assert found.troubles == [
        f"{tmp_path}/alice/logs/access.log.1: on the way to it, alice is a link that root did not make"
    ]


def test_a_link_put_there_after_the_look_leads_nowhere(tmp_path: Path) -> None:
    mine = log(tmp_path / "alice" / "logs" / "access.log.1", LONG_AGO)
    found = find(Rules("2 years", [str(mine)]), NOW).past[0]
    (tmp_path / "alice").rename(tmp_path / "bob")
    (tmp_path / "alice").symlink_to(tmp_path / "bob")
    os.lchown(tmp_path / "alice", 65534, 65534)
    with pytest.raises(OSError, match="root did not make"):
        _log_destroyer.destroy(found)
    assert (tmp_path / "bob" / "logs" / "access.log.1").exists()


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="a link that root did not make"):
        _log_destroyer._open_directory(str(tmp_path / "a"))


def test_a_name_writes_no_line_of_its_own(nginx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(nginx / "access\ndestroyed: everything\x1b[2J\udce9.log.1", LONG_AGO)
    assert run("web", only_logs(nginx), NOW, dry_run=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "\\ndestroyed" in lines[0]
    assert shown("a\udce9\n") == "a\\udce9\\n"


# -- the clock ---------------------------------------------------------------------------------------------------------


def told_to(tmp_path: Path, old_log: Path, *words: str) -> int:
    config = tmp_path / "rules.json"
    config.write_text(as_text({"web": Rules("2 years", [str(old_log)])}))
    return main(["--config", str(config), "--seen", str(tmp_path / "state" / "seen"), *words])


def test_nothing_is_destroyed_by_a_clock_that_leapt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen, today = str(tmp_path / "state" / "seen"), dt.datetime.now(dt.timezone.utc)
    old_log = log(tmp_path / "access.log.1", LONG_AGO - dt.timedelta(days=3650))
    assert told_to(tmp_path, old_log) == 1
    assert "does not tell when this ran last" in capsys.readouterr().err
    believe(today - dt.timedelta(days=32), seen)
    assert told_to(tmp_path, old_log) == 1
    assert old_log.exists()
    assert "nothing was destroyed: it is" in capsys.readouterr().err
    assert told_to(tmp_path, old_log, "--dry-run") == 0
    assert told_to(tmp_path, old_log, "--clock-is-right") == 0
    assert not old_log.exists()
    assert doubt(today, seen) == ""


def test_a_clock_that_went_back_is_not_believed_later(tmp_path: Path) -> None:
    seen = str(tmp_path / "state" / "seen")
    today = dt.datetime.now(dt.timezone.utc)
    believe(today + dt.timedelta(days=20), seen)
    assert told_to(tmp_path, tmp_path / "none.log") == 0
    assert doubt(today + dt.timedelta(days=40), seen) == ""


def test_where_the_clock_cannot_be_noted_logs_go_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    believe(dt.datetime.now(dt.timezone.utc), str(tmp_path / "state" / "seen"))
    old_log = log(tmp_path / "access.log.1", LONG_AGO)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_log_destroyer, "believe", full)
    assert told_to(tmp_path, old_log) == 1
    assert not old_log.exists()
    assert "seen: No space left on device" in capsys.readouterr().err
