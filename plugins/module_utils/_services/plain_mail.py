# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients that speak with mail services and takers of log lines without encryption: is one let log in, or send?

They read what is offered, and neither log in nor send mail or lines.

PRIVATE to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from .mail_before_tls import offered
from .plain_clients import ABSENT, ANSWERED, OTHER, REFUSED, SILENT, Plain, speaks_tls

_CONNECT_S = 2.0
_ANSWER_S = 3.0
_SMTP_S = 8.0  # postscreen makes strangers wait for 6 seconds


def _mail(protocol: str, seconds: float) -> Callable[[str, int], Plain]:

    def ask(address: str, port: int) -> Plain:
        try:
            connection = socket.create_connection((address, port), _CONNECT_S)
        except OSError as error:
            return Plain(ABSENT, f"no connection: {error.strerror or 'it was not answered in time'}")
        with connection:
            connection.settimeout(seconds)
            try:
                seen = offered(protocol, connection)
            except (OSError, EOFError) as error:
                return Plain(SILENT, f"it does not answer as {protocol} does ({type(error).__name__})")
            except ValueError:
                return Plain(OTHER, "something else answers there")
        if seen.logins is None:
            return Plain(OTHER, "what it offers is not understood")
        if seen.logins:
            return Plain(ANSWERED, f"logins are offered without encryption ({', '.join(seen.logins)})")
        return Plain(REFUSED, "no login is offered before TLS")

    return ask


def ask_syslog(address: str, port: int) -> Plain:
    """Whether what takes log lines wants TLS first; no line is sent."""
    try:
        socket.create_connection((address, port), _CONNECT_S).close()
    except OSError as error:
        return Plain(ABSENT, f"no connection: {error.strerror or 'it was not answered in time'}")
    told = speaks_tls(address, port)
    if told:
        return Plain(REFUSED, "it begins with TLS")
    if told is None:
        return Plain(SILENT, "it does not answer")
    return Plain(ANSWERED, "it takes connections without TLS")


CLIENTS: Mapping[str, Callable[[str, int], Plain]] = {
    "imap": _mail("imap", _ANSWER_S),
    "pop3": _mail("pop3", _ANSWER_S),
    "managesieve": _mail("managesieve", _ANSWER_S),
    "submission": _mail("smtp", _SMTP_S),
    "syslog": ask_syslog,
}
