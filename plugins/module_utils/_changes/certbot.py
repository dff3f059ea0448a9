# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certbot: certificates that it obtained, obtaining new ones, and renewing them.

PRIVATE to the collection.
"""

from __future__ import annotations

import binascii
import os
import re
import subprocess
from collections.abc import Sequence

from .._change import Transaction, UnitState
from .._host import Host, Unseen
from .._services.x509 import certificate, verify
from .sites import HEADER, Pair, Site, Wanted

CHALLENGES = "/var/lib/privacy-hosting-acme"
LIVE = "/etc/letsencrypt/live"
RENEWAL = "/etc/letsencrypt/renewal"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/privacy-hosting"
DROP_IN = "/etc/systemd/system/certbot.service.d/privacy-hosting.conf"
TIMER = "certbot.timer"

_COMMAND_S = 600
_LEAST_DAYS = 10  # certbot renews 30 days before the end; what is left later has been missed
_HOOK = f"""#!/bin/sh
{HEADER}# Web servers take up a renewed certificate.
for unit in nginx apache2; do
    if systemctl --quiet is-active "$unit"; then
        systemctl reload "$unit"
    fi
done
"""
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([^-]+)-----END")
_UNTOLD = re.compile(
    r"(?i)^(saving debug log|an unexpected error occurred|ask for help|see the logfile|some challenges have failed"
    r"|hint:|$)"
)


def pair(name: str) -> Pair:
    """The files of a certificate that certbot keeps under this name."""
    return Pair(f"{LIVE}/{name}/fullchain.pem", f"{LIVE}/{name}/privkey.pem")


def prepare(transaction: Transaction, wanted: Wanted) -> None:
    """What certificates need to be obtained and renewed: a place for proofs, the timer, a reload afterwards."""
    transaction.directory(CHALLENGES)
    if not transaction.check:
        os.makedirs(os.path.dirname(HOOK), exist_ok=True)  # certbot's own, which stays
    transaction.write(HOOK, _HOOK, 0o755)
    if wanted.acme_ca:
        transaction.directory(os.path.dirname(DROP_IN))
        transaction.write(DROP_IN, f"{HEADER}[Service]\nEnvironment=REQUESTS_CA_BUNDLE={wanted.acme_ca}\n", 0o644)
    transaction.unit(TIMER, UnitState("enabled", True))


def files() -> list[str]:
    """What prepare() writes."""
    return [CHALLENGES, HOOK, DROP_IN, os.path.dirname(DROP_IN)]


def obtain(site: Site, wanted: Wanted) -> str:
    """Have certbot obtain a certificate for a site's names. What went wrong, in one line, '' if it has one now."""
    argv = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--webroot", "--webroot-path", CHALLENGES),
        *("--cert-name", site.label, "--key-type", "ecdsa", "--elliptic-curve", "secp256r1"),
        *(_how_often(site, wanted), "--renew-with-new-domains", "--server", wanted.directory),
        *(("--email", wanted.email, "--no-eff-email") if wanted.email else ("--register-unsafely-without-email",)),
    ]
    for name in site.names:
        argv += ["--domain", name]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    if wanted.acme_ca:
        environment["REQUESTS_CA_BUNDLE"] = wanted.acme_ca
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=_COMMAND_S, check=False
        )
    except OSError as error:
        return f"certbot cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"certbot did not end within {_COMMAND_S} s"
    return "" if done.returncode == 0 else _complaint((done.stdout + b"\n" + done.stderr).decode("utf-8", "replace"))


def _how_often(site: Site, wanted: Wanted) -> str:
    """Whether certbot may keep a certificate of this name that it has: not one of another authority, nor one of RSA."""
    try:
        with open(f"{RENEWAL}/{site.label}.conf", encoding="utf-8") as stream:
            told = dict(re.findall(r"(?m)^(server|key_type) = (\S+)$", stream.read()))
    except OSError:
        return "--keep-until-expiring"
    ours = told.get("server") == wanted.directory and told.get("key_type") == "ecdsa"
    return "--keep-until-expiring" if ours else "--force-renewal"


def _complaint(output: str) -> str:
    """What certbot complained of, in one line."""
    lines = [line.strip() for line in output.splitlines()]
    details = [line for line in lines if re.match(r"(Detail|Domain|Type): ", line)]
    told = details or [line for line in lines if not _UNTOLD.match(line)]
    return "; ".join(dict.fromkeys(told[:3])) or "it told no reason; see /var/log/letsencrypt/letsencrypt.log"


def why_not_good(host: Host, found: Pair, names: Sequence[str], authorities: str = "") -> str:
    """Why a certificate will not do for these names, '' if it does.

    It must be trusted, bear the names, last some days more, and have a key that NCSC-NL (2025-05) calls sufficient: RSA
    of 3072 bits, or a curve of 256.
    """
    try:
        if host.stat(found.chain) is None:
            return "it is not there"
        chain = [binascii.a2b_base64(body) for body in _PEM.findall(host.read(found.chain))]
        for name in names:
            asked = name.replace("*", "www", 1) if name.startswith("*.") else name
            reason = verify(host, chain, asked, authorities)
            if reason:
                return reason
        leaf = certificate(chain[0])
    except (Unseen, binascii.Error) as problem:
        return str(problem)
    if leaf.days_left(host.now) < _LEAST_DAYS:
        return f"it ends within {_LEAST_DAYS} days"
    least = {"RSA": 3072, "EC": 256}.get(leaf.key_type, 0)
    return f"its key has {leaf.key_bits} bits" if leaf.key_bits is not None and leaf.key_bits < least else ""


def is_renewed(host: Host, found: Pair) -> bool:
    """Whether certbot keeps a certificate."""
    return host.real(found.chain).startswith("/etc/letsencrypt/")
