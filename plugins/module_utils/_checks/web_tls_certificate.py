# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, certificate: whether visitors trust what an endpoint shows, and whether it stays so.

PRIVATE to the collection.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

from .._host import Host, Unseen
from .._measure import Question
from .._services import x509
from .._services.certificate_renewal import Renewal, renewal
from .._services.tls_endpoint import Endpoint
from .._services.virtualhost import Directive, covers
from .._services.web_security import Security
from ._sites import Judged, worst

# ACME clients renew when a third of the lifetime is left, as Let's Encrypt advises (30 of 90 days). One that has not
# by the time that half of that third is over does not work, nor one whose last run failed by the time it was due.
RENEWED_WITH, OVERDUE_WITH = 1 / 3, 1 / 6
# Days that must be left where nobody renews: as many as ACME clients take, and as Let's Encrypt last warned with.
AMPLE_DAYS, LAST_DAYS = 30, 7
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
# programs that obtain and renew certificates by themselves
_SELF_RENEWING = ("caddy",)


def certificate_shown(
    host: Host,
    question: Question,
    found: Endpoint,
    names: Sequence[str],
    server: str,
    configured: Security | None = None,
) -> Judged:
    """What the certificates are worth that an endpoint shows. names: as configured, that they must bear."""
    if found.unseen:
        return Judged(None, f"no handshake could be made: {found.unseen}", "")
    if not found.chains:
        return Judged(None, f"no certificate was seen: {found.notes.get('chains', 'none was sent')}", "")
    entries = configured.tls.certificates if configured else ()
    source = entries[0].source if entries else ""
    judged = []
    for chain in found.chains:
        try:
            judged.append(_chain(host, question, chain, names, source))
            judged.append(_lasting(host, chain, server, configured))
        except Unseen as unseen:
            judged.append(Judged(None, str(unseen), source))
    told = worst(judged)
    if told.good:
        return Judged(True, "; ".join(dict.fromkeys(one.why for one in judged)), source)
    return told


def certificate_configured(
    host: Host, question: Question, configured: Security, names: Sequence[str], server: str
) -> Judged:
    """What the certificates are worth that the files name, where no handshake shows them."""
    entries = configured.tls.certificates
    if not entries:
        return Judged(None, "the files name no certificate; only a handshake shows which one is used", "")
    judged = []
    for entry in entries:
        try:
            chain = _in_file(host, entry)
            judged.append(_chain(host, question, chain, names, entry.source))
            judged.append(_lasting(host, chain, server, configured, entry))
        except Unseen as unseen:
            judged.append(Judged(None, str(unseen), entry.source))
    return worst(judged)


def _in_file(host: Host, entry: Directive) -> tuple[bytes, ...]:
    """The certificates (DER) in the file that a directive names. Raises Unseen."""
    path = entry.args[0]
    if "$" in path or not path.startswith("/"):
        raise Unseen(f"{path} depends on the request; only a handshake shows which certificate is used")
    found = certificates_in(host.read(path))
    if not found:
        raise Unseen(f"{path} holds no certificate")
    return found


def certificates_in(text: str) -> tuple[bytes, ...]:
    """The certificates (DER) in a text of PEM, as far as they are whole."""
    found = []
    for block in _PEM.findall(text):
        try:
            found.append(binascii.a2b_base64(block))
        except binascii.Error:
            continue
    return tuple(found)


# -- trust -------------------------------------------------------------------------------------------------------------


def _chain(host: Host, question: Question, chain: Sequence[bytes], names: Sequence[str], source: str) -> Judged:
    """Whether a chain leads to a trusted root, is in date, and bears the names. Raises Unseen."""
    leaf = x509.certificate(chain[0])
    if leaf.not_after <= host.now:
        days = -leaf.days_left(host.now)
        why = f"the certificate ended {days:.0f} days ago ({leaf.not_after:%Y-%m-%d})"
        return Judged(False, why, source, "Obtain a new certificate, and have it renewed (web_tls_certificates: acme).")
    if leaf.not_before > host.now:
        return Judged(False, f"the certificate is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC", source)
    reason = x509.verify(host, chain, None, question.settings["authorities"])
    if reason is not None:
        whose = "self-signed" if leaf.self_signed else f"issued by {leaf.issuer or 'an unnamed authority'}"
        why = f"the certificate is not trusted: {reason} ({whose})"
        mend = "Use a certificate of a public authority, with its intermediates, or name the authority in "
        return Judged(False, why, source, f"{mend}web_tls_authorities.")
    return _bears(leaf, names, source)


def _bears(leaf: x509.Certificate, names: Sequence[str], source: str) -> Judged:
    """Whether a certificate is for every name that a virtual host answers to."""
    shown = ", ".join(leaf.subject_names[:4]) + (" …" if len(leaf.subject_names) > 4 else "")
    missing = [name for name in names if _is_borne(leaf, name) is False]
    if missing:
        why = f"the certificate is for {shown or 'no name'}, not for {', '.join(missing[:3])}"
        return Judged(False, why, source, f"Obtain a certificate that is for {', '.join(missing[:3])} too.")
    unclear = [name for name in names if _is_borne(leaf, name) is None]
    if unclear:
        why = f"which names {unclear[0]} stands for cannot be told; the certificate is for {shown}"
        return Judged(None, why, source, "Write the names out, or use a certificate for all of them.")
    if not names:
        why = f"the virtual host names no site, so that it cannot be told whether visitors ask for {shown}"
        return Judged(None, why, source, f"Name the site: server_name or ServerName {shown.partition(',')[0]}.")
    return Judged(True, f"a trusted certificate for {', '.join(names[:4])}{' …' if len(names) > 4 else ''}", source)


def _is_borne(leaf: x509.Certificate, name: str) -> bool | None:
    """Whether a certificate is for all that a configured name stands for; None where that cannot be told."""
    if name.startswith("~"):
        return None
    if name.endswith(".*"):
        return None
    if name.startswith((".", "*.")):
        parent = name.lstrip("*.")
        whole = f"*.{parent}" in leaf.subject_names
        if whole:
            return True if name.startswith("*") else parent in leaf.subject_names
        return None if any(covers(name, borne) for borne in leaf.subject_names) else False
    return x509.names_match(leaf, name)


# -- lasting -----------------------------------------------------------------------------------------------------------


def _lasting(
    host: Host, chain: Sequence[bytes], server: str, configured: Security | None, entry: Directive | None = None
) -> Judged:
    """How long a certificate lasts, and whether it is renewed by then. Raises Unseen."""
    leaf = x509.certificate(chain[0])
    # a chain that is trusted though an authority's certificate in it has ended does not need that one
    others = [one for one in map(x509.certificate, chain[1:]) if not one.self_signed and one.not_after > host.now]
    ends = min(one.not_after for one in (leaf, *others))
    left = (ends - host.now).total_seconds() / 86400
    life = (leaf.not_after - leaf.not_before).total_seconds() / 86400
    entries = [entry] if entry else list(configured.tls.certificates) if configured else []
    mine = _file_of(host, leaf, chain[0], entries)
    stale = _stale(host, leaf, chain[0], entries) if mine is None else None
    if stale is not None:
        return stale
    who = _renewer(host, server, configured, mine or (entries[0] if len(entries) == 1 else None))
    return _judged_renewal(who, left, life, server, ends.strftime("%Y-%m-%d"))


def _file_of(host: Host, leaf: x509.Certificate, der: bytes, entries: Sequence[Directive]) -> Directive | None:
    """The directive whose file holds a certificate."""
    for entry in entries:
        try:
            if _in_file(host, entry)[0] == der:
                return entry
        except Unseen:
            continue
    return None


def _stale(host: Host, leaf: x509.Certificate, der: bytes, entries: Sequence[Directive]) -> Judged | None:
    """A newer certificate in the files than the one that is shown: the server was not told of it."""
    for entry in entries:
        try:
            other = x509.certificate(_in_file(host, entry)[0])
        except Unseen:
            continue
        same = (other.key_type, set(other.subject_names)) == (leaf.key_type, set(leaf.subject_names))
        if same and other.not_after > leaf.not_after:
            why = f"{entry.args[0]} holds a newer certificate (until {other.not_after:%Y-%m-%d}) than the one that is "
            why += f"shown (until {leaf.not_after:%Y-%m-%d})"
            return Judged(None, why, entry.source, "Reload the web server, and have it reloaded after each renewal.")
    return None


def _renewer(host: Host, server: str, configured: Security | None, entry: Directive | None) -> Renewal:
    if server in _SELF_RENEWING:
        return Renewal(server, f"configuration of {server}")
    if configured is not None and configured.tls.managed is not None:
        return Renewal("mod_md", configured.tls.managed.source)
    if entry is None or "$" in entry.args[0]:
        return Renewal("", "", unseen="which file the certificate comes from cannot be told")
    return renewal(host, entry.args[0], server)


def _judged_renewal(who: Renewal, left: float, life: float, server: str, ends: str) -> Judged:
    """Whether a certificate will be renewed in time, by who renews it and the days that are left."""
    until = f"{left:.0f} days left, until {ends}"
    if who.by and who.faults:
        why = f"{who.by} renews it, but {who.faults[0]}; {until}"
        return Judged(False, why, who.source, f"Let {who.by} renew it again: see '{who.faults[0]}'.")
    if who.by and not who.unseen:
        if left < life * (RENEWED_WITH if who.failed else OVERDUE_WITH):
            due = f"{life * RENEWED_WITH:.0f}"
            why = f"{who.by} should have renewed it with {due} days left, and has not ({until})"
            why += f"; {who.failed}" if who.failed else ""
            return Judged(False, why, who.source, f"See why {who.by} does not renew it.")
        if who.reloads is False:
            why = f"{who.by} renews it, but nothing was found that has {server} load the new one ({until})"
            return Judged(None, why, who.source, f"Add a deploy hook to {who.by} that reloads {server}.")
        return Judged(True, f"{who.by} renews it ({until})", who.source)
    told = who.unseen or "nothing on this host renews it"
    if left > AMPLE_DAYS:
        return Judged(True, f"{until}; {told}", who.source)
    mend = "Renew it now, and let certbot do so from now on (web_tls_certificates: acme)."
    return Judged(False if left < LAST_DAYS and not who.unseen else None, f"{until}, and {told}", who.source, mend)
