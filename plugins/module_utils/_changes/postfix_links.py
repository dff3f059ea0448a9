# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links changes in Postfix: who logs in to send, and the relay that mail is handed to.

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .._change import LIMITS, ChangeError, Transaction, Validation
from .._host import Host
from .._services import postfix
from .._services.postfix import Postfix, Service
from . import link_certificate, link_starttls
from .link_edits import Wanted, doors, settled
from .postfix_log import set_parameter

_NEWEST = ">=TLSv1.2"
_OLD = frozenset(["SSLv3", "TLSv1", "TLSv1.1"])
_SMTP = 25
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_ELSEWHERE = (  # what hands mail to others than the relay
    *("transport_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"),
    *("smtp_fallback_relay", "content_filter", "smtp_tls_policy_maps"),
)
_SENDERS_SAY = "tls_required_enable"  # a message may ask to go in plain (RFC 8689); Postfix 3.10 lets it
_VERIFYING = ("secure", "verify", "fingerprint", "dane-only")


def newest_only(value: str) -> bool:
    """Whether a list of protocols has none that is older than TLS 1.2."""
    words = [word for word in re.split(r"[\s,:]+", value) if word]
    least = [word[2:] for word in words if word.startswith(">=")]
    if least:
        return least[-1] in ("TLSv1.2", "TLSv1.3", "0303", "0304")
    named = {word for word in words if word[0] not in "!<>"}
    return not named & (_OLD | {"SSLv2"}) if named else {word[1:] for word in words if word[0] == "!"} >= _OLD


# -- who logs in to send ----------------------------------------------------------------------------------------------


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for doors of Postfix. Yields what an administrator must know. Raises Unseen, ChangeError."""
    server = postfix.find(host) if "submission" in wanted.accepts and host.has("postconf") else None
    if server is None:
        return
    if server.master is None:
        yield "Postfix does not run, and was left as it is"
        return
    reached = doors(host, [server.master.pid])
    ports = {port for _address, port in reached}
    meant = [door for door in server.doors if door.port in ports]
    if not meant:
        return
    main, services = _texts(transaction, server)
    for name, value in _main_settings(host, wanted, meant).items():
        main = set_parameter(main, name, value)
    for door in meant:
        for name, value in _overrides(door).items():
            services = set_override(services, door, name, value)
    transaction.write(f"{server.directory}/main.cf", main)
    transaction.write(f"{server.directory}/master.cf", services)
    if not transaction.changed:
        return
    transaction.validations.append(Validation(("postfix", "check"), unless_before=True))
    transaction.judges.append(lambda: _left(server, meant))
    transaction.reloads.append("postfix")
    plain = {door.port for door in meant if not door.is_on("smtpd_tls_wrappermode")}
    tried = list({port: ("submission", address, port) for address, port in reversed(reached) if port in plain}.values())
    transaction.proofs.append(
        lambda: settled(lambda: next(filter(None, (link_starttls.fault(*door) for door in tried)), ""))
    )


def _texts(transaction: Transaction, server: Postfix) -> tuple[str, str]:
    names = (f"{server.directory}/main.cf", f"{server.directory}/master.cf")
    main, services = (transaction.look(name).data.decode("utf-8", "surrogateescape") for name in names)
    return main, services


def _encrypts(door: Service) -> bool:
    return door.is_on("smtpd_tls_wrappermode") or door.get("smtpd_tls_security_level") == "encrypt"


def _main_settings(host: Host, wanted: Wanted, meant: Sequence[Service]) -> dict[str, str]:
    """What main.cf is to say for all doors. Raises ChangeError where there is no certificate."""
    found: dict[str, str] = {}
    values = meant[0].defaults
    if any(not _encrypts(door) and "smtpd_tls_auth_only" not in door.settings for door in meant):
        found["smtpd_tls_auth_only"] = "yes"
    if any(door.port == _SMTP and not door.get("smtpd_tls_security_level") for door in meant):
        found["smtpd_tls_security_level"] = "may"
    found["smtpd_tls_mandatory_protocols"] = _NEWEST
    if any(door.port == _SMTP and not _encrypts(door) for door in meant):
        found["smtpd_tls_protocols"] = _NEWEST  # else a program may log in over an older one
    kept = {
        name: value
        for name, value in found.items()
        if values.get(name, "").lower() != value and not ("protocols" in name and newest_only(values.get(name, "")))
    }
    return {**kept, **_certificate(host, wanted, values)}


def _certificate(host: Host, wanted: Wanted, values: Mapping[str, str]) -> dict[str, str]:
    """The certificate that it gets, nothing where it keeps its own."""
    chain, own = values.get("smtpd_tls_chain_files", ""), values.get("smtpd_tls_cert_file", "")
    pair = link_certificate.given(wanted)
    if chain or (own and pair is None):
        return {}
    if pair is None:
        raise ChangeError("Postfix has no certificate: set encrypted_links_certificate and encrypted_links_key")
    if own and not link_certificate.is_placeholder(host, own):
        return {}
    return {"smtpd_tls_cert_file": pair.certificate, "smtpd_tls_key_file": pair.key}


def _overrides(door: Service) -> dict[str, str]:
    """What a door's lines in master.cf are to say."""
    found: dict[str, str] = {}
    if door.port != _SMTP and not _encrypts(door):
        found["smtpd_tls_security_level"] = "encrypt"
    if not _encrypts(door) and "smtpd_tls_auth_only" in door.settings and not door.is_on("smtpd_tls_auth_only"):
        found["smtpd_tls_auth_only"] = "yes"
    for name in ("smtpd_tls_mandatory_protocols", "smtpd_tls_protocols"):
        if name in door.settings and not newest_only(door.settings[name]):
            found[name] = _NEWEST
    return found


def set_override(text: str, service: Service, name: str, value: str) -> str:
    """master.cf with a setting of one service, in its place or in a line of its own. Raises ChangeError."""
    lines = text.split("\n")
    start = next(
        (n for n, line in enumerate(lines) if line.split()[:2] == [service.name, service.kind] and line[:1].strip()), -1
    )
    if start < 0:
        raise ChangeError(f"{service.source}: the service was not found; write '-o {name}={value}' there")
    last = start
    for number in range(start + 1, len(lines)):
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            if not lines[number][:1].isspace():
                break
            last = number
    pattern = re.compile(rf"(-o\s*{name}=)\S*")
    for number in range(start, last + 1):
        if re.search(rf"\{{\s*{name}\s*=", lines[number]):
            raise ChangeError(f"{service.source}: '{name}' stands in braces; write '-o {name}={value}' there")
        if pattern.search(lines[number]) and not lines[number].lstrip().startswith("#"):
            lines[number] = pattern.sub(rf"\g<1>{value}", lines[number])
            return "\n".join(lines)
    return "\n".join([*lines[: last + 1], f"  -o {name}={value}", *lines[last + 1 :]])


def _left(server: Postfix, meant: Sequence[Service]) -> str:
    """What the files, as Postfix reads them, still say otherwise; '' if nothing."""
    now = postfix.read(Host(LIMITS), server.master)
    names = {door.name for door in meant}
    for door in now.doors:
        if door.name not in names:
            continue
        if not _encrypts(door) and (door.port != _SMTP or not door.is_on("smtpd_tls_auth_only")):
            return f"{door.source}: a program may still log in here without TLS"
        used = "smtpd_tls_mandatory_protocols" if _encrypts(door) else "smtpd_tls_protocols"
        if not newest_only(door.get(used)):
            return f"{door.source}: '{used} = {door.get(used)}' still holds here"
    return ""


# -- the relay --------------------------------------------------------------------------------------------------------


def plan_relay(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for mail that is handed to a relay; only once the relay's certificate is seen to serve.

    Yields what an administrator must know. Raises Unseen, ChangeError.
    """
    server = postfix.find(host) if "relay" in wanted.sends and host.has("postconf") else None
    relay = server.get("relayhost") if server is not None else ""
    if server is None or not relay:
        return
    level = server.get("smtp_tls_security_level")
    good = level in _VERIFYING or (level == "encrypt" and not wanted.peer_verified)
    asked = server.get(_SENDERS_SAY).lower() == "yes"
    if good and newest_only(server.get("smtp_tls_mandatory_protocols")) and not asked:
        return
    if _has_policy(transaction, server, relay, wanted):
        return
    _refuse_to_guess(server, relay)
    shall = level if good else "secure" if wanted.peer_verified else "encrypt"
    settings = {} if good else {"smtp_tls_security_level": shall}
    authority = server.get("smtp_tls_CAfile")
    if not good and wanted.peer_verified:
        authority = wanted.authority or authority or _AUTHORITIES
        if authority != server.get("smtp_tls_CAfile"):
            settings["smtp_tls_CAfile"] = authority
    if not newest_only(server.get("smtp_tls_mandatory_protocols")):
        settings["smtp_tls_mandatory_protocols"] = _NEWEST
    if asked:
        settings[_SENDERS_SAY] = "no"
    if shall in ("secure", "verify", "encrypt"):
        _see_relay(transaction, server, relay, shall, authority)
    main = _texts(transaction, server)[0]
    for name, value in settings.items():
        main = set_parameter(main, name, value)
    transaction.write(f"{server.directory}/main.cf", main)
    transaction.validations.append(Validation(("postfix", "check"), unless_before=True))
    transaction.reloads.append("postfix")
    yield from ()


def _has_policy(transaction: Transaction, server: Postfix, relay: str, wanted: Wanted) -> bool:
    """Whether a table of policies already asks enough of the relay."""
    enough = _VERIFYING if wanted.peer_verified else (*_VERIFYING, "encrypt", "dane")
    for table in re.split(r"[\s,]+", server.get("smtp_tls_policy_maps")):
        told = transaction.call(("postmap", "-q", relay, table)).stdout.split() if table else []
        if told:
            return told[0] in enough
    return False


def _refuse_to_guess(server: Postfix, relay: str) -> None:
    """Raises ChangeError where mail would be lost, or what is to be verified cannot be told."""
    host = re.fullmatch(r"\[([^\]]+)\](?::\w+)?", relay)
    if host is None:
        raise ChangeError(
            f"Postfix: relayhost = {relay}: its servers' names come from DNS, which may lie; write the server itself, "
            "as [smtp.example.nl]:587"
        )
    if re.fullmatch(r"[0-9.]+|(ipv6:)?[0-9a-fA-F:]*:[0-9a-fA-F:]*", host[1]):
        raise ChangeError(f"Postfix: relayhost = {relay}: a certificate is for a name; write the relay's name there")
    for name in _ELSEWHERE:
        if server.get(name):
            raise ChangeError(
                f"Postfix: '{name}' hands mail to others than the relay, which may have no such certificate: set "
                f"'smtp_tls_policy_maps' with '{relay} secure' by hand; nothing was changed for the relay"
            )
    for service in server.services:
        for name in ("content_filter", "smtp_tls_security_level", "relayhost"):
            if service.settings.get(name):
                raise ChangeError(
                    f"{service.source}: '-o {name}={service.settings[name]}' makes a way of its own for mail; set "
                    f"'smtp_tls_policy_maps' with '{relay} secure' by hand; nothing was changed for the relay"
                )


def _see_relay(transaction: Transaction, server: Postfix, relay: str, level: str, authority: str) -> None:
    """Connect to the relay as Postfix will. Raises ChangeError where mail would not get there."""
    argv = ["posttls-finger", "-c", "-l", level, "-p", _NEWEST, "-h", server.get("smtp_host_lookup") or "dns"]
    argv += ["-F", authority] if authority else []
    argv += ["-P", server.get("smtp_tls_CApath")] if server.get("smtp_tls_CApath") else []
    argv += ["-w"] if server.get("smtp_tls_wrappermode") == "yes" else []
    result = transaction.call((*argv, relay))
    told = [line.partition("posttls-finger: ")[2] or line for line in (result.stderr + result.stdout).splitlines()]
    trusted = [found[1] for line in told for found in [re.match(r"(\w+) TLS connection established", line)] if found]
    if trusted and (level == "encrypt" or set(trusted) == {"Verified"}):  # its exit code tells nothing
        return
    why = next((line for line in told if re.search("verif|untrusted|refused|timed|not |fail", line)), result.complaint)
    raise ChangeError(
        f"Postfix: the relay {relay} cannot be reached by TLS that is proven to be its own ({why[:160]}), so nothing "
        "was changed for it: mail would stay here; have it show a certificate for its name, or set "
        "encrypted_links_authority"
    )
