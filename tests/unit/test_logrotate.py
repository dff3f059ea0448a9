# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""logrotate's configuration, read as logrotate 3.21 and 3.22 were seen to read it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import logrotate
from ansible_collections.privacy.hosting.plugins.module_utils._services.logrotate import Configuration, Rules

LOGS = ("a.log", "b.log", "c.log", "x.err")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "log"
    directory.mkdir()
    for name in LOGS:
        (directory / name).write_text("x\n")
    return directory


def read(tmp_path: Path, main: str, parts: Mapping[str, str] | None = None) -> Configuration:
    """The configuration of a main file and what lies in its include directory; 'LOG' is the directory of the logs."""
    (tmp_path / "d").mkdir(exist_ok=True)
    texts = {
        "main": main.replace("include D", f"include {tmp_path}/d"),
        **{f"d/{k}": v for k, v in (parts or {}).items()},
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace("LOG", str(tmp_path / "log")))
        (tmp_path / name).chmod(0o644)
    return logrotate.configuration(Host(), str(tmp_path / "main"))


def handled(configuration: Configuration) -> dict[str, tuple[str, int]]:
    """Each log's name, with what rotates it and how often it is kept."""
    return {
        os.path.basename(file): (stanza.rules.criterion, stanza.rules.rotate)
        for stanza in configuration.stanzas
        for file in stanza.files
    }


def problems(configuration: Configuration) -> list[str]:
    return [f"{os.path.basename(problem.source)} {problem.text}" for problem in configuration.problems]


def test_debians_nginx_file(tmp_path: Path, logs: Path) -> None:
    text = """LOG/*.log {
	daily
	missingok
	rotate 14
	compress
	delaycompress
	notifempty
	create 0640 www-data adm
	sharedscripts
	prerotate
		if [ -d /etc/logrotate.d/httpd-prerotate ]; then \\
			run-parts /etc/logrotate.d/httpd-prerotate; \\
		fi \\
	endscript
	postrotate
		invoke-rc.d nginx rotate >/dev/null 2>&1
	endscript
}
"""
    found = read(tmp_path, "weekly\nrotate 4\ncreate\ninclude D\n", {"nginx": text})
    assert handled(found) == {"a.log": ("daily", 14), "b.log": ("daily", 14), "c.log": ("daily", 14)}
    stanza = found.stanza_of(str(logs / "b.log"))
    assert stanza is not None
    rules = stanza.rules
    assert (rules.ifempty, rules.compress, rules.delaycompress, rules.missingok) == (False, True, True, True)
    assert stanza.source("rotate") == f"{tmp_path}/d/nginx:4"
    assert "invoke-rc.d nginx rotate" in rules.scripts["postrotate"]
    assert found.problems == []


def test_globals_count_from_where_they_stand_on(tmp_path: Path, logs: Path) -> None:
    main = "rotate 4\nLOG/a.log {\n}\nrotate 7\nmonthly\nLOG/b.log {\n daily\n}\n"
    assert handled(read(tmp_path, main)) == {"a.log": ("size", 4), "b.log": ("daily", 7)}


def test_a_log_that_comes_after_the_look_is_handled_by_the_block_that_will_take_it(tmp_path: Path, logs: Path) -> None:
    found = read(tmp_path, "LOG/b.log {\n rotate 1\n}\nLOG/*.err {\n rotate 9\n}\nLOG/?.log {\n rotate 3\n}\n")
    stanza = found.stanza_of(str(logs / "new.err"))
    assert stanza is not None
    assert stanza.rules.rotate == 9
    assert found.why_not(str(logs / "new.err")) is None
    for other in ("below/new.err", ".err"):
        assert found.stanza_of(str(logs / other)) is None
        assert found.stanza_to_be(str(logs / other)) is None
    # a pattern that ends at another block's file may leave it out
    assert found.stanza_of(str(logs / "d.log")) is None
    assert "leaves it out" in getattr(found.why_not(str(logs / "d.log")), "text", "")


def test_the_first_entry_for_a_log_counts_and_takes_the_rest_of_the_later_pattern_along(
    tmp_path: Path, logs: Path
) -> None:
    found = read(tmp_path, "LOG/b.log {\n rotate 1\n daily\n}\nLOG/*.log LOG/x.err {\n rotate 9\n weekly\n}\n")
    # a.log comes before the duplicate, c.log after it: logrotate leaves c.log alone
    assert handled(found) == {"b.log": ("daily", 1), "a.log": ("weekly", 9), "x.err": ("weekly", 9)}
    assert "main:1 names it too" in problems(found)[0]


def test_ignoreduplicates_of_the_first_entry_lets_the_others_through(tmp_path: Path, logs: Path) -> None:
    main = "LOG/b.log {\n rotate 1\n ignoreduplicates\n}\nLOG/*.log {\n rotate 9\n}\n"
    assert handled(read(tmp_path, main)) == {"b.log": ("size", 1), "a.log": ("size", 9), "c.log": ("size", 9)}


@pytest.mark.parametrize(
    "line, told",
    [
        ("rotate x", "rotate 'x' is no number"),
        ("rotate 4 # four weeks", "rotate '4 # four weeks' is no number"),
        ("maxage z", "maxage 'z' is no number"),
        ("size 5Q", "size '5Q' is no size"),
        ("tabooext + .x", "tabooext inside a block"),
    ],
)
def test_a_bad_value_drops_the_block_and_only_that(tmp_path: Path, logs: Path, line: str, told: str) -> None:
    found = read(tmp_path, f"LOG/a.log {{\n daily\n {line}\n}}\nLOG/b.log {{\n rotate 2\n}}\n")
    assert handled(found) == {"b.log": ("size", 2)}
    assert problems(found) == [f"main:3 logrotate skips the block: {told}"]


def test_an_unknown_word_costs_its_line_only(tmp_path: Path, logs: Path) -> None:
    found = read(tmp_path, "LOG/a.log {\n bogus 3\n rotate 5\n}\n")
    assert handled(found) == {"a.log": ("size", 5)}
    assert problems(found) == ["main:2 logrotate does not know 'bogus' and ignores the line"]


def test_an_unfinished_block_counts_as_far_as_it_was_read(tmp_path: Path, logs: Path) -> None:
    found = read(tmp_path, "include D\n", {"a": "LOG/a.log {\n rotate 3\n", "b": "LOG/b.log {\n rotate 2\n}\n"})
    assert handled(found) == {"a.log": ("size", 3), "b.log": ("size", 2)}


def test_braces_and_keywords_in_scripts_and_comments_are_none(tmp_path: Path, logs: Path) -> None:
    main = "LOG/a.log # {\nLOG/b.log {\n # rotate 1 }\n postrotate\n  rotate 9 }\n  x {\n endscript\n rotate 3\n}\n"
    assert handled(read(tmp_path, main.replace(" # {", ""))) == {"a.log": ("size", 3), "b.log": ("size", 3)}


def test_a_word_without_its_value_swallows_the_next_block(tmp_path: Path, logs: Path) -> None:
    assert handled(read(tmp_path, "LOG/a.log {\n daily\n rotate\n}\nLOG/b.log {\n rotate 2\n}\n")) == {}


def test_names_in_quotes_and_on_several_lines(tmp_path: Path, logs: Path) -> None:
    found = read(tmp_path, '"LOG/a.log"\nLOG/b.log LOG/[x].err\n{\n rotate=5\n compress delaycompress\n}\n')
    assert handled(found) == {"a.log": ("size", 5), "b.log": ("size", 5), "x.err": ("size", 5)}
    assert found.stanzas[0].rules.delaycompress


def test_a_pattern_with_braces_costs_the_rest_of_the_file(tmp_path: Path, logs: Path) -> None:
    assert handled(read(tmp_path, "LOG/{a,b}.log {\n rotate 5\n}\nLOG/c.log {\n rotate 2\n}\n")) == {}


@pytest.mark.parametrize(
    "mode, owner, told", [(0o664, 0, "writable by group or others"), (0o644, 1000, "belong to root")]
)
def test_files_that_others_may_write_are_passed_over(
    tmp_path: Path, logs: Path, mode: int, owner: int, told: str
) -> None:
    read(tmp_path, "include D\n", {"web": "LOG/a.log {\n rotate 3\n}\n"})
    (tmp_path / "d/web").chmod(mode)
    os.chown(tmp_path / "d/web", owner, -1)
    found = logrotate.configuration(Host(), str(tmp_path / "main"))
    assert handled(found) == {}
    assert told in found.problems[0].text


def test_taboo_names_and_hidden_ones(tmp_path: Path, logs: Path) -> None:
    block = "LOG/a.log {{\n rotate {}\n}}\n"
    parts = {
        "web.dpkg-dist": block.format(1),
        "web~": block.format(2),
        "x.cfg": block.format(3),
        ".web": block.format(4),
    }
    assert handled(read(tmp_path, "include D\n", parts)) == {"a.log": ("size", 4)}
    (tmp_path / "d/.web").unlink()
    assert handled(read(tmp_path, "tabooext + .cfg\ninclude D\n", {"x.cfg": block.format(3)})) == {}


def test_a_missing_olddir_drops_the_block_and_the_rest_of_the_file(tmp_path: Path, logs: Path) -> None:
    parts = {"a": "LOG/a.log {\n olddir /nonexistent\n}\nLOG/b.log {\n}\n", "c": "LOG/c.log {\n rotate 1\n}\n"}
    assert handled(read(tmp_path, "include D\n", parts)) == {"c.log": ("size", 1)}


def test_a_number_may_be_octal(tmp_path: Path, logs: Path) -> None:
    assert handled(read(tmp_path, "LOG/a.log {\n rotate 010\n}\n")) == {"a.log": ("size", 8)}


# -- what rules do ----------------------------------------------------------------------------------------------------

DAILY = {"criterion": "daily"}


@pytest.mark.parametrize(
    "rules, archive",
    [
        (Rules(), "/l/access.log.2"),
        (Rules(compress=True, compressext=".xz", olddir="old"), "/l/old/access.log.2.xz"),
        (Rules(dateext=True, compress=True), "/l/access.log-20260131.gz"),
        (Rules(dateext=True, criterion="hourly"), "/l/access.log-2026013100"),
        (Rules(dateext=True, dateformat="-%Y-%m-%d", extension=".log"), "/l/access-2026-01-31.log"),
        (Rules(dateext=True, dateformat=".%s"), "/l/access.log.1769817600"),
    ],
)
def test_archives_to_come_are_reached_by_their_own_rules(rules: Rules, archive: str) -> None:
    assert logrotate.future_archive(rules, "/l/access.log") == archive
    assert logrotate.reaches(Rules(**{**vars(rules), "rotate": 5}), "/l/access.log", archive)


@pytest.mark.parametrize(
    "rules, run_days, kept, destroyed",
    [
        (Rules(rotate=14, **DAILY), 1, 14, 15),
        (Rules(rotate=14, ifempty=False, **DAILY), 1, 14, math.inf),
        (Rules(rotate=731, **DAILY), 1, 731, 732),
        (Rules(rotate=104, criterion="weekly"), 1, 728, 735),
        (Rules(rotate=24, criterion="monthly"), 1, 672, 731 + 31),
        (Rules(rotate=1000, maxage=730, **DAILY), 1, 731, 733),
        (Rules(rotate=7, maxage=730, **DAILY), 1, 7, 8),  # rotate beats maxage
        (Rules(rotate=-1, maxage=730, **DAILY), 1, 731, 733),
        (Rules(rotate=-1, **DAILY), 1, math.inf, math.inf),
        (Rules(rotate=0, **DAILY), 1, 0, 1),
        (Rules(rotate=30, criterion="size"), 1, 30, math.inf),
        (Rules(rotate=30, criterion="size"), 1 / 24, 1.25, math.inf),
        (Rules(rotate=30, maxsize=1, criterion="weekly"), 1, 30, 217),
        (Rules(rotate=30, criterion="hourly"), 1, 30, 31),  # hourly means daily when it is run daily
        (Rules(rotate=720, criterion="hourly"), 1 / 24, 30, 721 / 24),
        (Rules(rotate=30, minsize=1, **DAILY), 1, 30, math.inf),
        (Rules(rotate=30, dateext=True, dateformat="-%Y%m", **DAILY), 1, 30, 31 * 31),
        (Rules(rotate=30, dateext=True, dateformat="-%Y%m%d-%s", **DAILY), 1, 30, 31),
        (Rules(rotate=30, dateext=True, dateformat=".old", **DAILY), 1, 30, math.inf),
    ],
)
def test_how_long_a_line_is_kept(rules: Rules, run_days: float, kept: float, destroyed: float) -> None:
    assert logrotate.kept_days(rules, run_days) == pytest.approx(kept)
    assert logrotate.destroyed_days(rules, run_days) == pytest.approx(destroyed)
    assert bool(logrotate.no_end_because(rules)) == math.isinf(logrotate.destroyed_days(rules, 1.0))


@pytest.mark.parametrize(
    "rules, archive, reached",
    [
        (Rules(rotate=14, compress=True), "a.log.3.gz", True),
        (Rules(rotate=14, compress=True), "a.log.1", True),
        (Rules(rotate=14, compress=True), "a.log.30.gz", False),  # left from a longer rotation
        (Rules(rotate=14, compress=True), "a.log.3", False),  # left from before it was compressed
        (Rules(rotate=14, compress=True, delaycompress=True), "a.log.3", False),
        (Rules(rotate=14, compress=True, start=0), "a.log.0", True),
        (Rules(rotate=14, compress=True, dateext=True), "a.log-20261120", False),
        (Rules(rotate=14, compress=True, dateext=True), "a.log-20261120.gz", True),
        (Rules(rotate=14, compress=True, delaycompress=True, dateext=True), "a.log-20261120", True),  # packs them all
        (Rules(rotate=14), "a.log.3.gz", False),  # left from when it was compressed
        (Rules(rotate=14, dateext=True), "a.log.3", False),  # left from before dateext
        (Rules(rotate=14, dateext=True), "a.log-20261120", True),
        (Rules(rotate=14, dateext=True, dateformat=".%Y-%m-%d"), "a.log-20261120", False),
        (Rules(rotate=14, dateext=True, dateformat=".%Y-%m-%d"), "a.log.2026-11-20", True),
        (Rules(rotate=14, dateext=True, extension=".log"), "a-20261120.log", True),
        (Rules(rotate=14, olddir="old"), "a.log.1", False),
        (Rules(rotate=14, olddir="old"), "old/a.log.1", True),
        (Rules(rotate=14), "b.log.1", False),
        (Rules(rotate=14), "a.log.keep", False),
    ],
)
def test_which_archives_the_rules_ever_reach(rules: Rules, archive: str, reached: bool) -> None:
    assert logrotate.reaches(rules, "/v/a.log", f"/v/{archive}") is reached


def test_what_hinders_rotation(tmp_path: Path, logs: Path) -> None:
    found = read(tmp_path, "LOG/*.log {\n rotate 3\n}\n")
    stanza = found.stanzas[0]
    logs.chmod(0o755)
    assert logrotate.hindrance(Host(), stanza, str(logs / "a.log")) == ""
    os.link(logs / "b.log", logs / "hard")
    assert "hard links" in logrotate.hindrance(Host(), stanza, str(logs / "b.log"))
    (logs / "link.log").symlink_to("a.log")
    assert "symbolic link" in logrotate.hindrance(Host(), stanza, str(logs / "link.log"))
    logs.chmod(0o777)
    assert "writable by others" in logrotate.hindrance(Host(), stanza, str(logs / "a.log"))
    stanza.rules.su = "root adm"
    assert logrotate.hindrance(Host(), stanza, str(logs / "a.log")) == ""


def test_logrotates_own_record(tmp_path: Path) -> None:
    state = tmp_path / "status"
    state.write_text('logrotate state -- version 2\n"/v/a.log" 2026-11-20-0:0:0\n"/v/b \\"c.log" 2024-9-26-1:2:3\n')
    found = logrotate.last_rotations(Host(), str(state))
    assert {name: f"{when:%Y-%m-%d %H}" for name, when in found.items()} == {
        "/v/a.log": "2026-11-20 00",
        '/v/b "c.log': "2024-09-26 01",
    }
