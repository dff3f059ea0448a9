# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs that count visitors keep of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import visitor_statistics


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory below which the programs look for their configuration."""
    below = tuple(
        replace(program, configured=tuple(f"{tmp_path}{path}" for path in program.configured))
        for program in visitor_statistics._PROGRAMS
    )
    monkeypatch.setattr(visitor_statistics, "_PROGRAMS", below)
    (tmp_path / "etc/awstats").mkdir(parents=True)
    (tmp_path / "etc/webalizer").mkdir()
    (tmp_path / "data").mkdir()
    return tmp_path


def test_files_that_are_there_are_listed_with_the_line_that_names_them(configured: Path) -> None:
    (configured / "etc/awstats/awstats.a.example.conf").write_text(f'LogFile="/l/a"\nDirData="{configured}/data"\n')
    (configured / "etc/webalizer/b.conf").write_text(f"OutputDir      {configured}/data\n")
    (configured / "data/awstats112026.a.example.txt").write_text("")
    (configured / "data/usage_202611.html").write_text("")
    told = [(file.path, file.kind, file.server, file.source) for file in visitor_statistics.statistics_files(Host())]
    assert told == [
        (
            f"{configured}/data/awstats*.txt",
            "statistics",
            "awstats",
            f"{configured}/etc/awstats/awstats.a.example.conf:2",
        ),
        (f"{configured}/data/usage_*.html", "statistics", "webalizer", f"{configured}/etc/webalizer/b.conf:1"),
    ]


def test_a_program_that_wrote_nothing_is_no_copy(configured: Path) -> None:
    (configured / "etc/awstats/awstats.conf").write_text(f'DirData="{configured}/data"\n')
    (configured / "etc/webalizer/b.conf").write_text("#OutputDir /nowhere\n")
    assert list(visitor_statistics.statistics_files(Host())) == []
