# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd's units, as far as more than one service asks for them.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._host import Host, Unseen

_DIRECTORIES = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def starts_at_boot(host: Host, unit: str) -> bool | None:
    """Whether systemd would start a unit at boot, as its links say; None where that cannot be seen."""
    if "/dev/null" in (host.real(f"{directory}/{unit}") for directory in _DIRECTORIES):
        return False  # masked
    try:
        for directory in _DIRECTORIES:
            for wants in host.names(directory):
                if wants.endswith((".wants", ".requires")) and unit in host.names(f"{directory}/{wants}"):
                    return True
    except Unseen:
        return None
    return False
