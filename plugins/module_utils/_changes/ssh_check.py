# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be so before people are asked for a second factor, and once they are. Each raises ChangeError.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt

from .._change import Caller, ChangeError
from .._host import Host
from .._services.sshd import running, servers
from . import ssh_rollback, ssh_session
from .ssh_people import People, Rules, Sshd
from .ssh_two_factor import faults, foreign_address

# A code is good for 30 s before and after its own 30 s; the run itself takes seconds to ask the host.
CLOCKS_DIFFER_S = 20.0


def clock(call: Caller, now: dt.datetime, controller_time: str | None) -> None:
    """The host's clock is kept right, and agrees with the controller's."""
    told = call(("timedatectl", "show", "--property=NTPSynchronized", "--value")).stdout.strip()
    # a container's clock is its machine's; nothing in it could keep it right
    contained = call(("systemd-detect-virt", "--quiet", "--container")).rc == 0
    if told != "yes" and not contained:
        raise ChangeError(
            f"the clock is not synchronised ('timedatectl' says NTPSynchronized={told or 'nothing'}), so one-time "
            "codes could be refused: start systemd-timesyncd, or chrony"
        )
    if not controller_time:
        return
    differ = abs((now - _moment(controller_time)).total_seconds())
    if differ > CLOCKS_DIFFER_S:
        raise ChangeError(
            f"the clock differs by {differ:.0f} s from the controller's, so one-time codes could be refused: set "
            "right the one that is wrong"
        )


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        raise ChangeError(f"controller_time: {text!r} is no time like 2026-01-31T12:00:00Z") from None


def connection(rules: Rules) -> None:
    """Ansible can log in again, once people are asked for a second factor."""
    session = ssh_session.session()
    if session is None:
        raise ChangeError(
            "the SSH login of this run is not to be seen among the parents of its processes, so nobody can tell "
            "whether it would be let in again; become root by sudo or su"
        )
    wrong = foreign_address(rules, session)
    if wrong:
        raise ChangeError(wrong)


def loaded(host: Host) -> None:
    """No edit of somebody else's waits to be loaded: our reload would put it into effect, and might end all logins."""
    for server in servers(host)[0]:
        layer = running(host, server)
        if layer.good is not True and layer.source:
            raise ChangeError(
                f"{server.name} has not loaded its files as they are ({layer.seen}): reload it, see that you can log "
                "in, and run again"
            )


def effect(rules: Rules, found: People, sshd: Sshd, since: float | None) -> None:
    """Sshd asks people for two factors and lets programs in; this run has logged in since then."""
    if since is not None and not ssh_rollback.is_armed():
        raise ChangeError(ssh_rollback.TOO_LATE)
    for fault in faults(sshd, rules, found):
        raise ChangeError(fault)
    if since is None:
        return
    session = ssh_session.session()
    if session is None or session.since < since:
        raise ChangeError(
            "Ansible did not log in anew, but used a connection from before the change, so nothing is proven and all "
            "is put back in some minutes: end it ('ssh -O exit'; see ControlMaster in ~/.ssh/config) and run again"
        )
