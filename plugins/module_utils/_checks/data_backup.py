# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup: data is copied to another machine regularly, can be had back, and is not kept there for ever.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Check
from .data_backup_complete import check_databases, check_directories
from .data_backup_times import check_oldest, check_recent, check_repository, check_restore_test, check_verified
from .data_backup_where import check_append_only, check_elsewhere, check_keys

CHECKS = (
    Check("recent", ("interval",), check_recent),
    Check("repository", ("interval",), check_repository),
    Check("oldest", ("oldest",), check_oldest),
    Check("databases", ("complete",), check_databases),
    Check("directories", ("complete",), check_directories),
    Check("elsewhere", ("off_host",), check_elsewhere),
    Check("verified", ("checked",), check_verified),
    Check("restore_test", ("restored",), check_restore_test),
    Check("keys", ("second_key",), check_keys),
    Check("append_only", ("append_only",), check_append_only),
)
