# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""journald's settings in effect, and its oldest entry."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import journald

# journalctl --header of systemd 252 and 257, shortened
HEADER = """File path: /var/log/journal/x/system.journal
Head realtime timestamp: Fri 2026-11-20 16:59:06 UTC (660b829771ebc)
Tail realtime timestamp: Fri 2026-11-20 17:59:06 UTC (660b829771ebd)

File path: /var/log/journal/x/system@y.journal
Head realtime timestamp: Tue 2025-03-04 05:06:07 UTC (660b8296d2e56)
"""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journald, "_DIRECTORIES", (str(tmp_path / "usr"), str(tmp_path / "etc")))
    monkeypatch.setattr(journald, "_PERSISTENT", str(tmp_path / "journal"))
    for directory in ("usr/journald.conf.d", "etc/journald.conf.d"):
        (tmp_path / directory).mkdir(parents=True)
    return tmp_path


def test_drop_ins_win_and_the_stronger_directory_hides_names(etc: Path) -> None:
    (etc / "etc/journald.conf").write_text("[Journal]\n#MaxRetentionSec=1d\nMaxRetentionSec=30d\nMaxFileSec = 1day\n")
    (etc / "usr/journald.conf.d/50.conf").write_text("[Journal]\nMaxRetentionSec=1week\n")
    (etc / "usr/journald.conf.d/60.conf").write_text("[Journal]\nMaxRetentionSec=2week\n")
    (etc / "etc/journald.conf.d/60.conf").write_text("[Journal]\nMaxRetentionSec=731d\n")
    host = Host()
    assert journald.settings(host)["MaxRetentionSec"] == ("731d", f"{etc}/etc/journald.conf.d/60.conf:2")
    assert (journald.days(host, "MaxRetentionSec"), journald.days(host, "MaxFileSec")) == (731, 1)
    assert journald.days(host, "SystemMaxUse") == 0


def test_a_drop_in_that_is_masked_says_nothing(etc: Path) -> None:
    (etc / "usr/journald.conf.d/50.conf").write_text("[Journal]\nMaxRetentionSec=1week\n")
    (etc / "etc/journald.conf.d/50.conf").symlink_to("/dev/null")
    assert journald.settings(Host()) == {}


@pytest.mark.parametrize(
    "storage, directory, persistent",
    [
        ("", True, True),
        ("", False, False),
        ("auto", True, True),
        ("volatile", True, False),
        ("persistent", False, True),
    ],
)
def test_whether_entries_outlive_a_start(etc: Path, storage: str, directory: bool, persistent: bool) -> None:
    (etc / "etc/journald.conf").write_text(f"[Journal]\nStorage={storage}\n" if storage else "")
    if directory:
        (etc / "journal").mkdir()
    assert journald.is_persistent(Host()) is persistent


def told(monkeypatch: pytest.MonkeyPatch, text: str) -> Host:
    monkeypatch.setattr(Host, "run", lambda host, *argv: Result(argv, 0, text, ""))
    return Host()


def test_the_oldest_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    oldest = dt.datetime(2025, 3, 4, 5, 6, 7, tzinfo=dt.timezone.utc)
    assert journald.oldest(told(monkeypatch, HEADER)) == oldest
    assert journald.oldest(told(monkeypatch, "")) is None
    with pytest.raises(Unseen, match="no first entry"):
        journald.oldest(told(monkeypatch, "File path: /x\n"))
