# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that servers have before anybody asks an ACME server: self-signed, or of the lab's own authority.

They are made once for a lab, by openssl, and kept beside its keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lab import machine

AUTHORITY = "authority"  # name of the lab's own
_AUTHORITY_DAYS = {"from": 30, "to": -3650}  # days ago

_CONFIGURATION = """
[ca]
default_ca = issue
[issue]
database = $ENV::FOLDER/issued
new_certs_dir = $ENV::FOLDER
rand_serial = yes
unique_subject = no
default_md = sha256
policy = subject
[subject]
commonName = supplied
[site]
basicConstraints = CA:false
subjectAltName = $ENV::NAMES
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its private key."""

    certificate: Path
    key: Path


class Certificates:
    """A lab's certificates, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def authority(self, now: datetime) -> Pair:
        """The lab's own authority, which no system trusts by itself."""
        return self._pair(AUTHORITY, [], "EC:P-256", _AUTHORITY_DAYS, now)

    def site(
        self,
        name: str,
        now: datetime,
        *,
        names: Sequence[str],
        key: str,
        days: Mapping[str, int],
        self_signed: bool = False,
    ) -> Pair:
        """A site's certificate.

        `names`: those that it is for. `key`: RSA:<bits> or EC:<curve>. `days`: `from` and `to`, in days ago, negative
        where they are to come. The lab's authority issued it, unless it is `self_signed`.
        """
        return self._pair(name, names, key, days, now, None if self_signed else self.authority(now))

    def _pair(
        self,
        name: str,
        names: Sequence[str],
        key: str,
        days: Mapping[str, int],
        now: datetime,
        issuer: Pair | None = None,
    ) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        if not pair.certificate.exists():
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._configure()
            self._make_key(pair.key, key)
            request = pair.certificate.with_suffix(".csr")
            self._openssl("req", "-new", "-key", pair.key, "-subj", f"/CN={name}", "-out", request)
            by = (
                ["-cert", issuer.certificate, "-keyfile", issuer.key] if issuer else ["-selfsign", "-keyfile", pair.key]
            )
            begin, end = (f"{now - timedelta(days=days[which]):%Y%m%d%H%M%SZ}" for which in ("from", "to"))
            self._openssl(
                "ca", "-batch", "-notext", *by, "-in", request, "-out", pair.certificate,
                "-extensions", "site" if names else AUTHORITY, "-startdate", begin, "-enddate", end,
                names=names,
            )  # fmt: skip
        return pair

    def _configure(self) -> None:
        (self._folder / "openssl.cnf").write_text(_CONFIGURATION)
        (self._folder / "issued").touch()

    def _make_key(self, path: Path, key: str) -> None:
        algorithm, _, size = key.partition(":")
        option = {"RSA": "rsa_keygen_bits", "EC": "ec_paramgen_curve"}[algorithm]
        self._openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", f"{option}:{size}", "-out", path)

    def _openssl(self, *words: str | Path, names: Sequence[str] = ()) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "OPENSSL_CONF": str(self._folder / "openssl.cnf"),
            "FOLDER": str(self._folder),
            "NAMES": ",".join(f"DNS:{name}" for name in names) or "DNS:none.invalid",
        }
        machine.run(["env", *(f"{key}={value}" for key, value in environment.items()), "openssl", *map(str, words)])
