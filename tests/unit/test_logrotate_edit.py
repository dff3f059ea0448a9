# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stanzas of logrotate are edited as little as possible, and then keep every day for the period."""

from __future__ import annotations

import difflib
import math
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._changes.logrotate_edit import edit, new_stanza, rotations
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services.logrotate import (
    Configuration,
    configuration,
    kept_days,
)

DAYS = 731

DEBIAN = """/var/log/nginx/*.log {
\tdaily
\tmissingok
\trotate 14
\tcompress
\tdelaycompress
\tnotifempty
\tcreate 0640 www-data adm
\tsharedscripts
\tprerotate
\t\tif [ -d /etc/logrotate.d/httpd-prerotate ]; then \\
\t\t\trun-parts /etc/logrotate.d/httpd-prerotate; \\
\t\tfi \\
\tendscript
\tpostrotate
\t\tinvoke-rc.d nginx rotate >/dev/null 2>&1
\tendscript
}
"""


def read(path: Path, text: str, before: str = "") -> Configuration:
    path.write_text(text)
    paths = [str(path)]
    if before:
        path.with_name("before.conf").write_text(before)
        paths.insert(0, str(path.with_name("before.conf")))
    return configuration(Host(), *paths)


def edited(tmp_path: Path, text: str, before: str = "") -> tuple[str, Configuration]:
    """The text with all of its stanzas edited, and what logrotate then makes of it."""
    path = tmp_path / "stanzas"
    mine = [stanza for stanza in read(path, text, before).stanzas if stanza.path == str(path)]
    for stanza in sorted(mine, key=lambda stanza: -stanza.line):
        text = edit(text, stanza, DAYS)
    return text, read(path, text, before)


def difference(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def test_debians_stanza_changes_in_four_lines(tmp_path: Path) -> None:
    text, _found = edited(tmp_path, DEBIAN)
    assert difference(DEBIAN, text) == [
        "+\tdateext",
        "-\trotate 14",
        "+\trotate 900",
        "-\tnotifempty",
        "+\tifempty",
    ]


CASES = {
    "weekly": "/x/a.log {\n  weekly\n  rotate 52\n}\n",
    "by size": "/x/a.log {\n  daily\n  size 10M\n  rotate 5\n}\n",
    "size before daily": "/x/a.log {\n  size 10M\n  daily\n  rotate 5\n}\n",
    "maxage": "/x/a.log {\n  daily\n  rotate 1000\n  maxage 30\n  dateext\n}\n",
    "minsize and minage": "/x/a.log {\n  daily\n  rotate 1000\n  minsize 1M\n  minage 7\n  dateext\n}\n",
    "monthly file names": "/x/a.log {\n  daily\n  rotate 1000\n  dateext\n  dateformat -%Y%m\n}\n",
    "no dates": "/x/a.log {\n  daily\n  rotate 1000\n  nodateext\n}\n",
    "nothing of its own": "/x/a.log {\n}\n",
    "on one line": "/x/a.log { weekly\n  rotate 4\n}\n",
    "brace on the next line": "/x/a.log\n{\n  weekly\n  rotate 4\n}\n",
    "brace in a comment": "# not { this\n/x/a.log\n# nor { this\n/x/b.log {\n  weekly # no comment to logrotate\n}\n",
    "two stanzas": "/x/a.log {\n  weekly\n}\n\n/x/b.log {\n  notifempty\n  rotate 3\n}\n",
    "twice the same": "/x/a.log {\n  rotate 7\n  weekly\n  rotate 14\n  daily\n}\n",
    "script with keywords": "/x/a.log {\n  postrotate\n    echo rotate 1 weekly {\n  endscript\n  rotate 2\n}\n",
    "many on one line": "/x/a.log { monthly missingok compress\n  notifempty delaycompress # ifempty\n  rotate 4\n}\n",
    "keywords in a path": "/x/weekly/rotate.log { weekly\n  rotate 4\n}\n",
    "all on one line": "/x/a.log { monthly }\n",
    "quoted": '"/x/my daily logs/a.log" { missingok yearly\n  rotate 4\n}\n',
    "other line separators": "# \x0c \x85 \u2028\n/x/a.log {\n  weekly\n  rotate 4\n}\n",
    "no newline at the end": "/x/a.log {\n  rotate 4\n  weekly\n}",
    "equals signs": "/x/a.log {\n  rotate=2\n  daily\n}\n",
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "brace in a comment"])
@pytest.mark.parametrize("before", ["", "weekly\nrotate 4\nmaxage 20\nminsize 4k\nnotifempty\n"])
def test_every_stanza_keeps_every_day(tmp_path: Path, name: str, before: str) -> None:
    text, found = edited(tmp_path, CASES[name], before)
    assert not found.problems
    assert found.stanzas
    for stanza in found.stanzas:
        rules = stanza.rules
        assert kept_days(rules, 1.0) > DAYS, text
        assert rules.criterion == "daily" and rules.ifempty and rules.dateext, text
        assert not rules.minsize and not rules.minage
        assert not rules.dateformat or "%d" in rules.dateformat


@pytest.mark.parametrize("name", CASES)
def test_a_second_edit_changes_nothing(tmp_path: Path, name: str) -> None:
    text, _found = edited(tmp_path, CASES[name])
    assert edited(tmp_path, text)[0] == text


def test_what_stands_beside_a_keyword_is_kept(tmp_path: Path) -> None:
    rules = edited(tmp_path, CASES["many on one line"])[1].stanzas[0].rules
    assert rules.missingok and rules.compress and rules.delaycompress
    text, found = edited(tmp_path, CASES["keywords in a path"])
    assert found.stanzas[0].patterns == ("/x/weekly/rotate.log",), text
    assert edited(tmp_path, CASES["quoted"])[1].stanzas[0].patterns == ("/x/my daily logs/a.log",)
    assert "delaycompress # ifempty\n" in edited(tmp_path, CASES["many on one line"])[0]


def test_scripts_and_comments_are_kept(tmp_path: Path) -> None:
    text, _found = edited(tmp_path, CASES["script with keywords"])
    assert "    echo rotate 1 weekly {\n" in text
    text, _found = edited(tmp_path, CASES["brace in a comment"])
    assert text.startswith("# not { this\n/x/a.log\n# nor { this\n/x/b.log {\n")


@pytest.mark.parametrize(
    "text",
    [
        "/x/a.log {\n  daily\n  rotate 800\n  dateext\n  ifempty\n}\n",
        "/x/a.log {\n  daily\n  rotate -1\n  dateext\n  ifempty\n  maxage 740\n}\n",
        "/x/a.log {\n  hourly\n  rotate 20000\n  dateext\n  ifempty\n  dateformat -%Y%m%d%H\n}\n",
    ],
)
def test_what_keeps_already_is_left_alone(tmp_path: Path, text: str) -> None:
    assert edited(tmp_path, text)[0] == text


def test_hourly_rotation_stays_hourly(tmp_path: Path) -> None:
    text, found = edited(tmp_path, "/x/a.log {\n  hourly\n  rotate 24\n  dateext\n}\n")
    assert "hourly" in text
    assert kept_days(found.stanzas[0].rules, 1 / 24) > DAYS


def test_a_stanza_of_our_own_keeps_every_day(tmp_path: Path) -> None:
    found = read(tmp_path / "own", new_stanza(["/x/a b.log", "/x/c.log"], DAYS, "true"))
    assert not found.problems
    assert found.stanzas[0].patterns == ("/x/a b.log", "/x/c.log")
    assert DAYS < kept_days(found.stanzas[0].rules, 1.0) < math.inf


@pytest.mark.parametrize(("days", "most"), [(14, 200), (731, 900), (800, 900), (801, 1000)])
def test_rotations_are_round_and_outlive_the_period(days: int, most: int) -> None:
    assert rotations(days) == most
