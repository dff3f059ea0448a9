# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mail servers are to record, as the role mail_log is told.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNDONE_BY = "Made by privacy.hosting, role mail_log; ansible-playbook privacy.hosting.undo removes it."
HEADER = f"# {UNDONE_BY}\n"


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded.

    logins: ways to log in, as promises name them; dropped: contents, subjects and passwords may not be logged; proxies:
    networks of other machines that are believed about the address of whom they log in for.
    """

    logins: frozenset[str] = frozenset()
    dropped: bool = True
    proxies: Sequence[str] = ()
