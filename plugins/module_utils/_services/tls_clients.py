# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How connections of our own speak TLS where who answers is not what they are for.

PRIVATE to the collection.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@lru_cache(maxsize=1)
def with_anybody() -> ssl.SSLContext:
    """Whatever version and ciphers a server speaks: they, and its certificate, are judged elsewhere."""
    import ssl  # takes some milliseconds, and most hosts never get here
    import warnings

    context = _unverified()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@lru_cache(maxsize=1)
def of_today() -> ssl.SSLContext:
    """TLS 1.2 or newer, with whoever answers."""
    import ssl

    context = _unverified()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unverified() -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
