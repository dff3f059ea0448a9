# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets of one-time codes, as pam_google_authenticator keeps them: one file of root's for each account.

The file holds state (codes that were used, attempts): it is made once and never written over.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Sequence

SECRETS = "/var/lib/privacy-hosting/two-factor"

# At most 3 attempts in 30 seconds; the codes before and after the present one; each once.
_OPTIONS = ('" RATE_LIMIT 3 30', '" WINDOW_SIZE 3', '" DISALLOW_REUSE', '" TOTP_AUTH')
_SECRET = re.compile(r"[A-Z2-7]{16,}")


def content(secret: str, scratch_codes: Sequence[str]) -> bytes:
    """The file of a secret (in base32) and its scratch codes (8 digits each)."""
    return "".join(f"{line}\n" for line in (secret, *_OPTIONS, *scratch_codes)).encode()


def fault(account: str, secrets: str = SECRETS) -> str:
    """What is wrong with an account's secret, '' if nothing, 'missing' where there is none."""
    path = os.path.join(secrets, account)
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return f"{path} is not a file"
        with open(path, encoding="ascii", errors="replace") as stream:
            first = stream.readline().strip()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"{path}: {error.strerror}"
    if status.st_uid != 0 or stat.S_IMODE(status.st_mode) & 0o077:
        return f"{path} is not root's alone: chown root: {path} && chmod 0400 {path}"
    return "" if _SECRET.fullmatch(first) else f"{path} does not begin with a secret in base32"


def make_room(secrets: str = SECRETS) -> bool:
    """The directory of secrets, which only root may look into. True where it was made or changed."""
    try:
        status = os.lstat(secrets)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(secrets), mode=0o700, exist_ok=True)
        os.mkdir(secrets, 0o700)
        return True
    if status.st_uid == 0 and stat.S_IMODE(status.st_mode) == 0o700:
        return False
    os.chown(secrets, 0, 0)
    os.chmod(secrets, 0o700)
    return True


def create(account: str, data: bytes, secrets: str = SECRETS, replace: bool = False) -> bool:
    """Keep an account's secret, unless there is one. True where it was made. Raises OSError."""
    make_room(secrets)
    path, temporary = os.path.join(secrets, account), os.path.join(secrets, f".{account}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        if replace:
            os.replace(temporary, path)
            return True
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
