# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: programs that exchange data with other machines do so over encrypted connections only.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Check
from .encrypted_links_databases import check_mariadb, check_postgresql, check_redis
from .encrypted_links_http import check_http
from .encrypted_links_ldap import check_ldap
from .encrypted_links_mail import check_mail_doors, check_relay, check_submission
from .encrypted_links_observed import check_observed
from .encrypted_links_replication import check_replication
from .encrypted_links_sent import check_backup_sent, check_syslog_received, check_syslog_sent

CHECKS: tuple[Check, ...] = (
    Check("postgresql", ("accepts",), check_postgresql),
    Check("mariadb", ("accepts",), check_mariadb),
    Check("redis", ("accepts",), check_redis),
    Check("ldap", ("accepts",), check_ldap),
    Check("replication", ("sends", "peer_verified"), check_replication),
    Check("mail_doors", ("accepts",), check_mail_doors),
    Check("submission", ("accepts",), check_submission),
    Check("relay", ("sends", "peer_verified"), check_relay),
    Check("syslog_sent", ("sends", "peer_verified"), check_syslog_sent),
    Check("syslog_received", ("accepts",), check_syslog_received),
    Check("backup_sent", ("sends", "peer_verified"), check_backup_sent),
    Check("http", ("accepts",), check_http),
    Check("observed", ("accepts",), check_observed),
)
