# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules that change hosts have in common.

PRIVATE to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description:
      - The run that this change belongs to, a time in UTC such as V(2026-01-31T12:00:00Z). M(privacy.hosting.undo) puts
        back all changes of one run. Without it, the change is a run of its own.
    type: str
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode), tells what would be changed, and touches nothing.
  diff_mode:
    support: full
    description: Shows the lines that change in files that are there, new files, and systemd units.
  platform:
    support: full
    platforms: Debian 12, Debian 13
    description: Needs Python 3.9 or newer, systemd and root rights on the server.
  safe_file_operations:
    support: full
    description: Files are written beside their place and renamed, and put back when a service refuses them.
"""
