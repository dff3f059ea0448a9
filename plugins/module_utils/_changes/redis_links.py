# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links says of Redis and Valkey: it changes nothing there.

A port is plain for the host itself and for others alike, and whoever uses it on the host would be cut off unseen.

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._change import Transaction
from .._host import Host
from .._services.database_servers import REDIS, servers
from .._services.plain_clients import ANSWERED, DENIED, ask_redis
from .link_edits import Wanted, doors


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Yields the lines to write where other machines reach Redis in plain. Raises Unseen."""
    if REDIS not in wanted.accepts:
        return
    for server in servers(host):
        if server.kind != REDIS or not server.running:
            continue
        for address, port in doors(host, server.pids):
            if ask_redis(address, port).answer in (ANSWERED, DENIED):
                yield (
                    f"{server.name} takes plain connections of other machines on :{port} and was left as it is: write "
                    "'bind 127.0.0.1 -::1' where only the host itself needs it, else 'port 0', 'tls-port "
                    f"{port}', 'tls-cert-file', 'tls-key-file', 'tls-ca-cert-file' and what 'tls-auth-clients' needs"
                )
                break
