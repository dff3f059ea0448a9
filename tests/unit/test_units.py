# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which units systemd starts at boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Limits
from ansible_collections.privacy.hosting.plugins.module_utils._services import units


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one directory of units."""
    monkeypatch.setattr(units, "_DIRECTORIES", (str(tmp_path),))
    (tmp_path / "multi-user.target.wants").mkdir()
    return tmp_path


def test_an_enabled_unit_starts_and_another_does_not(system: Path) -> None:
    (system / "multi-user.target.wants" / "nginx.service").symlink_to("/usr/lib/systemd/system/nginx.service")
    assert units.starts_at_boot(Host(), "nginx.service") is True
    assert units.starts_at_boot(Host(), "apache2.service") is False


def test_a_masked_unit_does_not_start_though_it_is_enabled(system: Path) -> None:
    (system / "multi-user.target.wants" / "nginx.service").symlink_to("/usr/lib/systemd/system/nginx.service")
    (system / "nginx.service").symlink_to("/dev/null")
    assert units.starts_at_boot(Host(), "nginx.service") is False


def test_what_cannot_be_listed_is_not_known(system: Path) -> None:
    (system / "one").touch()
    assert units.starts_at_boot(Host(Limits(names=1)), "nginx.service") is None
