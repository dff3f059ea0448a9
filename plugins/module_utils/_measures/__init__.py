# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The measures that exist: one file each, entered twice below.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._measure import Measure
from . import (
    data_backup,
    disk_encryption,
    encrypted_links,
    log_retention,
    mail_log,
    password_policy,
    ssh_two_factor,
    web_log,
    web_tls,
)

MEASURES: Mapping[str, Measure] = {
    module.MEASURE.name: module.MEASURE
    for module in (
        data_backup,
        disk_encryption,
        encrypted_links,
        log_retention,
        mail_log,
        password_policy,
        ssh_two_factor,
        web_log,
        web_tls,
    )
}
