# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate of a service that has none of its own, and copies of it for one that may not read it.

PRIVATE to the collection.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import ssl
from dataclasses import dataclass

from .._change import FILE, ChangeError, Node, Transaction, UnitState
from .._host import Host
from .link_edits import HEADER, Wanted

COPIES = "/etc/privacy-hosting/links"
_PLACEHOLDER = "ssl-cert-snakeoil"  # Debian's, made at installation and known to no authority
_SAFE = re.compile(r"/[\w./@:+-]+")


@dataclass(frozen=True)
class Pair:
    """A certificate's file, and that of its key."""

    certificate: str
    key: str


def is_placeholder(host: Host, path: str) -> bool:
    """Whether a certificate is the one that Debian makes so that there is one."""
    return os.path.basename(host.real(path)).startswith(_PLACEHOLDER)


def given(wanted: Wanted) -> Pair | None:
    """The pair that the options tell, None where they tell none. Raises ChangeError where it does not work."""
    if not wanted.certificate and not wanted.key:
        return None
    pair = Pair(wanted.certificate, wanted.key or wanted.certificate)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key, password=lambda: "")
    except (OSError, ValueError) as error:
        told = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
        raise ChangeError(
            f"encrypted_links_certificate and encrypted_links_key ({pair.certificate}, {pair.key}) do not work: {told}"
        ) from None
    return pair


def for_service(host: Host, transaction: Transaction, pair: Pair, name: str, user: str, reload: str) -> Pair:
    """The pair as a service's user can read it: as it is, else copies that a timer renews.

    name: of the copies; reload: a command that has the service load them anew. Raises ChangeError.
    """
    if all(_reads(transaction, user, path) for path in (pair.certificate, pair.key)):
        return pair
    for path in (pair.certificate, pair.key):
        if not _SAFE.fullmatch(path):
            raise ChangeError(f"{path}: only letters, digits and ./@:+-_ may stand in a name that is to be copied")
    account = pwd.getpwnam(user)
    copies = Pair(f"{COPIES}/{name}.pem", f"{COPIES}/{name}.key")
    transaction.directory(os.path.dirname(COPIES))
    transaction.directory(COPIES)
    for source, copy, mode in ((pair.certificate, copies.certificate, 0o644), (pair.key, copies.key, 0o600)):
        _copy(transaction, source, copy, mode, account)
    _renew(transaction, pair, copies, name, account, reload)
    return copies


def _reads(transaction: Transaction, user: str, path: str) -> bool:
    argv = ("setpriv", f"--reuid={user}", f"--regid={_group(user)}", "--init-groups", "test", "-r", path)
    return transaction.call(argv).rc == 0


def _group(user: str) -> str:
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _copy(transaction: Transaction, source: str, copy: str, mode: int, account: pwd.struct_passwd) -> None:
    with open(source, "rb") as stream:
        data = stream.read()
    transaction.write(copy, data, mode, brief=True)
    node = transaction.look(copy)
    owned = Node(FILE, mode, account.pw_uid, account.pw_gid, sha256=node.sha256, data=data)
    transaction.put(copy, owned, brief=True)


def _renew(
    transaction: Transaction, pair: Pair, copies: Pair, name: str, account: pwd.struct_passwd, reload: str
) -> None:
    """A timer that copies the pair anew once it was renewed: an old copy would end the service's TLS one day."""
    unit = f"privacy-hosting-link-{name}"
    owner = f"-o {account.pw_uid} -g {account.pw_gid}"
    script = (
        f"cmp -s {pair.certificate} {copies.certificate} && cmp -s {pair.key} {copies.key} || "
        f"{{ install {owner} -m 0600 {pair.key} {copies.key} && "
        f"install {owner} -m 0644 {pair.certificate} {copies.certificate} && {reload}; }}"
    )
    transaction.write(
        f"/etc/systemd/system/{unit}.service",
        f"{HEADER}[Unit]\nDescription=Renew the copy of a certificate for {name}\n\n"
        f"[Service]\nType=oneshot\nExecStart=/bin/sh -c '{script}'\n",
    )
    transaction.write(
        f"/etc/systemd/system/{unit}.timer",
        f"{HEADER}[Unit]\nDescription=Renew the copy of a certificate for {name} daily\n\n"
        "[Timer]\nOnCalendar=daily\nRandomizedDelaySec=1h\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
    )
    transaction.unit(f"{unit}.timer", UnitState("enabled", True))
