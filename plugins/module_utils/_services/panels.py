# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control panels that write the configuration of web servers themselves, and would write over ours.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._host import Host

_PLACES = {
    "Plesk": ("/usr/local/psa/version", "/etc/psa/psa.conf"),
    "DirectAdmin": ("/usr/local/directadmin/directadmin", "/usr/local/directadmin/conf"),
    "cPanel": ("/usr/local/cpanel/cpanel", "/usr/local/cpanel/version"),
    "ISPConfig": ("/usr/local/ispconfig/server", "/usr/local/ispconfig/interface"),
}


def panel(host: Host) -> str:
    """The name of the panel that runs this host, '' where none does. Raises Unseen."""
    for name, paths in _PLACES.items():
        if any(host.stat(path) for path in paths):
            return name
    return ""
