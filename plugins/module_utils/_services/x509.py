# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates: what one says (RFC 5280), whether it is for a name (RFC 9525), and whether its chain is trusted.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._host import Host, Unseen

VERIFY_S = 10.0

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _UTC_TIME, _TIME, _SEQUENCE, _SET = 1, 2, 3, 4, 6, 0x17, 0x18, 0x30, 0x31
# How the text of a name is encoded, by its type.
_TEXT = {
    0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip

# Public keys by object identifier; bits where these follow from the kind.
_KEYS = {
    "1.2.840.113549.1.1.1": "RSA", "1.2.840.113549.1.1.10": "RSA", "1.2.840.10045.2.1": "EC",
    "1.2.840.10040.4.1": "DSA", "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44", "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}  # fmt: skip
_KEY_BITS = {"Ed25519": 256, "Ed448": 456}

# Curves by object identifier: OpenSSL's name and bits.
_CURVES = {
    "1.2.840.10045.3.1.7": ("prime256v1", 256), "1.3.132.0.34": ("secp384r1", 384), "1.3.132.0.35": ("secp521r1", 521),
    "1.3.132.0.33": ("secp224r1", 224), "1.2.840.10045.3.1.1": ("prime192v1", 192), "1.3.132.0.10": ("secp256k1", 256),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256), "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512), "1.2.156.10197.1.301": ("SM2", 256),
}  # fmt: skip

_HASHES = {
    "1.2.840.113549.2.5": "MD5", "1.3.14.3.2.26": "SHA-1", "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256", "2.16.840.1.101.3.4.2.2": "SHA-384", "2.16.840.1.101.3.4.2.3": "SHA-512",
}  # fmt: skip
_PSS = "1.2.840.113549.1.1.10"
# Signatures by object identifier, with the hash that each uses.
_SIGNATURES = {
    "1.2.840.113549.1.1.2": "MD2", "1.2.840.113549.1.1.4": "MD5", "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.113549.1.1.14": "SHA-224", "1.2.840.113549.1.1.11": "SHA-256", "1.2.840.113549.1.1.12": "SHA-384",
    "1.2.840.113549.1.1.13": "SHA-512", "1.3.14.3.2.29": "SHA-1", "1.2.840.10040.4.3": "SHA-1",
    "2.16.840.1.101.3.4.3.1": "SHA-224", "2.16.840.1.101.3.4.3.2": "SHA-256", "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10045.4.3.1": "SHA-224", "1.2.840.10045.4.3.2": "SHA-256", "1.2.840.10045.4.3.3": "SHA-384",
    "1.2.840.10045.4.3.4": "SHA-512", "1.3.101.112": "SHA-512", "1.3.101.113": "SHAKE256",
    "2.16.840.1.101.3.4.3.17": "SHAKE256", "2.16.840.1.101.3.4.3.18": "SHAKE256",
    "2.16.840.1.101.3.4.3.19": "SHAKE256",
}  # fmt: skip
_NAME_PARTS = {"2.5.4.3": "CN", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C"}
_ALTERNATIVE_NAMES, _CONSTRAINTS = "2.5.29.17", "2.5.29.19"


@dataclass(frozen=True)
class Certificate:
    """What a certificate says.

    subject_names: DNS names (small letters, ASCII) and addresses that it is for; the subject's own name counts for
    nothing. not_before, not_after: aware, UTC. key_type: 'RSA', 'EC', 'Ed25519', 'Ed448', 'DSA', 'ML-DSA-…' or the
    object identifier of another; key_bits: None where it has no figure; curve: OpenSSL's name, '' where it has none.
    signature_hash: 'SHA-256' and the like, or the object identifier of a signature that is not known. self_signed:
    subject and issuer are the same. authority: it may sign others. serial: in hexadecimal.
    """

    subject_names: tuple[str, ...]
    not_before: dt.datetime
    not_after: dt.datetime
    key_type: str
    key_bits: int | None
    curve: str
    signature_hash: str
    subject: str
    issuer: str
    self_signed: bool
    authority: bool
    serial: str

    def days_left(self, now: dt.datetime) -> float:
        """Days until it ends, below zero once it has."""
        return (self.not_after - now).total_seconds() / 86400


def certificate(der: bytes) -> Certificate:
    """What a certificate (DER) says. Raises Unseen: it cannot be read."""
    try:
        return _certificate(der)
    except _Malformed as malformed:
        raise Unseen(f"a certificate cannot be read: {malformed}") from None


# -- DER ------------------------------------------------------------------------------------------------------------


class _Malformed(Exception):
    """Bytes that are no certificate; the text says why."""


class _Values:
    """The values in a piece of DER, one after the other. Raises _Malformed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def peek(self) -> int:
        """The tag of the next value, 0 at the end."""
        return self._data[self._at] if self.left else 0

    def next(self) -> tuple[int, bytes, bytes]:
        """Tag, content and whole of the next value."""
        start = self._at
        tag, length = self._byte(), self._byte()
        if tag & 0x1F == 0x1F:
            raise _Malformed("a tag of more than one byte")
        if length == 0x80 or length > 0x84:
            raise _Malformed("a length that DER does not have")
        if length > 0x80:
            length = int.from_bytes(self._take(length - 0x80), "big")
        content = self._take(length)
        return tag, content, self._data[start : self._at]

    def want(self, tag: int) -> bytes:
        """The content of the next value, which has to have this tag."""
        found, content, _whole = self.next()
        if found != tag:
            raise _Malformed(f"a value of type {found:#x} where {tag:#x} should be")
        return content

    def inside(self, tag: int = _SEQUENCE) -> _Values:
        """The values in the next value, which has to have this tag."""
        return _Values(self.want(tag))

    def oid(self) -> str:
        """The object identifier that comes next."""
        return _identifier(self.want(_OID))

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise _Malformed("it ends too early")
        self._at += size
        return self._data[self._at - size : self._at]


def _identifier(content: bytes) -> str:
    if not content or len(content) > 64 or content[-1] & 0x80:
        raise _Malformed("no object identifier")
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _certificate(der: bytes) -> Certificate:
    outer = _Values(der)
    whole = outer.inside()
    if outer.left:
        raise _Malformed("something follows it")
    signed = whole.inside()
    if signed.peek() == 0xA0:
        signed.next()
    serial = signed.want(_INTEGER)
    signature = signed.inside()
    _tag, issuer, _whole = signed.next()
    validity = signed.inside()
    _tag, subject, _whole = signed.next()
    key_type, key_bits, curve = _key(signed.inside())
    extensions = _extensions(signed)
    return Certificate(
        subject_names=_alternative_names(extensions.get(_ALTERNATIVE_NAMES)),
        not_before=_moment(validity),
        not_after=_moment(validity),
        key_type=key_type,
        key_bits=key_bits,
        curve=curve,
        signature_hash=_signature_hash(signature),
        subject=_name(subject),
        issuer=_name(issuer),
        self_signed=subject == issuer,
        authority=_is_authority(extensions.get(_CONSTRAINTS)),
        serial=serial.hex(),
    )


def _moment(validity: _Values) -> dt.datetime:
    tag, content, _whole = validity.next()
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME and re.fullmatch(r"[0-9]{12}Z", text):
        text = ("19" if text >= "5" else "20") + text
    elif tag != _TIME or not re.fullmatch(r"[0-9]{14}Z", text):
        raise _Malformed("a date that no certificate has")
    try:
        return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        raise _Malformed("a date that does not exist") from None


def _key(info: _Values) -> tuple[str, int | None, str]:
    """Kind, bits and curve of a public key."""
    algorithm = info.inside()
    kind = algorithm.oid()
    name = _KEYS.get(kind, kind)
    if name == "RSA":
        return name, _bits(_Values(info.want(_BITS)[1:]).inside().want(_INTEGER)), ""
    if name == "DSA":
        return name, _bits(algorithm.inside().want(_INTEGER)) if algorithm.left else None, ""
    if name == "EC":
        if algorithm.peek() != _OID:
            return name, None, "explicit"
        identifier = algorithm.oid()
        curve, bits = _CURVES.get(identifier, (identifier, None))
        return name, bits, curve
    return name, _KEY_BITS.get(name), ""


def _bits(integer: bytes) -> int:
    return int.from_bytes(integer, "big").bit_length()


def _signature_hash(algorithm: _Values) -> str:
    kind = algorithm.oid()
    if kind != _PSS:
        return _SIGNATURES.get(kind, kind)
    # without parameters, or without a hash in them, it is SHA-1 (RFC 4055)
    if not algorithm.left:
        return "SHA-1"
    parameters = algorithm.inside()
    if parameters.peek() != 0xA0:
        return "SHA-1"
    used = parameters.inside(0xA0).inside().oid()
    return _HASHES.get(used, used)


def _extensions(signed: _Values) -> dict[str, bytes]:
    """The extensions by object identifier."""
    found: dict[str, bytes] = {}
    while signed.left:
        tag, content, _whole = signed.next()
        if tag != 0xA3:
            continue
        every = _Values(content).inside()
        while every.left:
            one = every.inside()
            identifier = one.oid()
            if one.peek() == _BOOLEAN:
                one.next()
            if identifier in found:
                raise _Malformed("an extension comes twice")
            found[identifier] = one.want(_OCTETS)
    return found


def _alternative_names(extension: bytes | None) -> tuple[str, ...]:
    if extension is None:
        return ()
    names, found = _Values(extension).inside(), []
    while names.left:
        tag, content, _whole = names.next()
        if tag == 0x82:
            found.append(_printable(content.decode("ascii", "replace")).lower())
        elif tag == 0x87 and len(content) in (4, 16):
            found.append(_address(content))
    return tuple(found)


def _address(packed: bytes) -> str:
    import ipaddress

    return str(ipaddress.ip_address(packed))


def _is_authority(extension: bytes | None) -> bool:
    if extension is None:
        return False
    values = _Values(extension).inside()
    return values.peek() == _BOOLEAN and values.want(_BOOLEAN) != b"\0"


def _name(content: bytes) -> str:
    """A distinguished name in one line: the parts that say who it is."""
    parts, every = [], _Values(content)
    while every.left:
        one = every.inside(_SET)
        while one.left:
            part = one.inside()
            label = _NAME_PARTS.get(part.oid())
            tag, text, _whole = part.next()
            if label and tag in _TEXT:
                parts.append(f"{label}={_printable(text.decode(_TEXT[tag], 'replace'))}")
    return ", ".join(parts)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:255])


# -- names ----------------------------------------------------------------------------------------------------------


def names_match(found: Certificate, name: str) -> bool:
    """Whether a certificate is for this server name or address."""
    wanted = _comparable(name)
    if _is_address(wanted):
        return wanted in found.subject_names
    return bool(wanted) and any(_matches(pattern, wanted) for pattern in found.subject_names)


def _is_address(name: str) -> bool:
    return ":" in name or bool(re.fullmatch(r"[0-9.]+", name))


def _comparable(name: str) -> str:
    """A name in the letters that certificates use, an address as it is written shortest; '' for what is neither."""
    if _is_address(name):
        import ipaddress

        try:
            return str(ipaddress.ip_address(name.strip("[]")))
        except ValueError:
            return ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return name.lower().rstrip(".")


def _matches(pattern: str, wanted: str) -> bool:
    """A star stands for the whole first label only, before at least two more."""
    if not pattern.startswith("*."):
        return pattern == wanted
    label, _dot, rest = wanted.partition(".")
    return bool(label) and "." in rest and pattern[2:] == rest


# -- trust ----------------------------------------------------------------------------------------------------------


def verify(host: Host, chain: Sequence[bytes], name: str | None = None, authorities: str = "") -> str | None:
    """Why a chain (DER, leaf first, as the server sends it) is not trusted for a name; None if it is.

    authorities: a file of certificates (PEM) that are trusted besides the system's. At the moment of the audit; no
    revocation is asked for. Raises Unseen: no openssl, an unreadable file, a certificate that cannot be read.
    """
    if not chain:
        raise Unseen("the server sent no certificate")
    leaf = certificate(chain[0])
    if name and not names_match(leaf, name):
        listed = ", ".join(leaf.subject_names[:5]) or "no name at all"
        return f"it is for {listed}, not for {name}"
    key = ("x509_verify", tuple(chain), authorities)
    return host.once(key, lambda: _verified(host, chain, authorities))


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
# where OpenSSL looks for authorities, by links that bear a hash; and where Debian has those that browsers know as well
STORE, PUBLIC = "/etc/ssl/certs", "/usr/share/ca-certificates/mozilla/"


def _verified(host: Host, chain: Sequence[bytes], authorities: str) -> str | None:
    """First by the system's directory of authorities, of which few are read; by all in one file only if need be."""
    if authorities:
        host.read(authorities)
    reason = _by_openssl(host, chain, ["-CAfile", authorities] if authorities else ["-no-CAfile"])
    reason = _by_openssl(host, chain, []) if reason in _UNTRUSTED else reason
    if reason is not None or not _may_rest_on(chain, _private_anchors(host)):
        return reason
    only_public = "\n".join(map(host.read, [*filter(None, [authorities]), *_anchors(host)[0]]))
    return _PRIVATE if _by_openssl(host, chain, [], only_public) in _UNTRUSTED else None


def _anchors(host: Host) -> tuple[list[str], list[str]]:
    """The files that the system trusts: those that visitors' browsers trust as well, and others. Raises Unseen."""
    links = [name for name in host.names(STORE) if re.fullmatch(r"[0-9a-f]{8}\.\d+", name)]
    files = sorted({_file_of(host, f"{STORE}/{name}") for name in links})
    public = [path for path in files if path.startswith(PUBLIC)]
    # without any of Debian's own nothing tells them apart
    return public, [path for path in files if path not in public] if public else []


def _file_of(host: Host, link: str) -> str:
    """What a link of the store leads to; Debian's own by way of one other, which is quicker told than any."""
    import os

    try:
        target = os.readlink(os.path.join(STORE, os.readlink(link)))
    except OSError:
        target = ""
    return target if target.startswith(PUBLIC) else host.real(link)


def _private_anchors(host: Host) -> list[bytes]:
    """The certificates (DER) that this host trusts, but not its visitors: of its own, or of its company."""

    def found() -> list[bytes]:
        import binascii

        blocks = (block for path in _anchors(host)[1] for block in _PEM.findall(host.read(path)))
        return [binascii.a2b_base64(block) for block in blocks]

    return host.once("x509_private_anchors", found) if host.stat(STORE) is not None else []


def _may_rest_on(chain: Sequence[bytes], anchors: Sequence[bytes]) -> bool:
    """Whether a chain may lead to one of some authorities."""
    if not anchors:
        return False
    issuers = {certificate(der).issuer for der in chain}
    return any(der in chain or certificate(der).subject in issuers for der in anchors)


def _by_openssl(host: Host, chain: Sequence[bytes], options: Sequence[str], instead: str | None = None) -> str | None:
    """Why openssl does not trust a chain. instead: authorities (PEM), the only ones that are to be trusted."""
    import os
    import subprocess

    if not host.has("openssl"):
        raise Unseen("the command openssl is not on the host")
    # the rest of the chain in memory: nothing is written to a disk
    rest, trusted = os.memfd_create("chain"), os.memfd_create("trusted")
    try:
        os.write(rest, _pem(chain[1:]))
        argv = ["openssl", "verify", "-purpose", "sslserver", "-attime", str(int(host.now.timestamp()))]
        if instead is None:
            argv += ["-CApath", STORE, *options]
        else:
            os.write(trusted, instead.encode())
            argv += ["-no-CApath", "-no-CAstore", "-CAfile", f"/proc/self/fd/{trusted}"]
        if len(chain) > 1:
            argv += ["-untrusted", f"/proc/self/fd/{rest}"]
        ended = subprocess.run(
            argv,
            input=_pem(chain[:1]),
            capture_output=True,
            timeout=min(VERIFY_S, host.seconds_left()),
            pass_fds=[rest, trusted],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unseen(f"'openssl verify' did not end within {VERIFY_S:.0f} s") from None
    finally:
        os.close(rest)
        os.close(trusted)
    return _reason(ended.returncode, (ended.stdout + ended.stderr).decode("utf-8", "replace"))


def _pem(chain: Sequence[bytes]) -> bytes:
    import base64

    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n" for der in chain
    )


_NO_ISSUER = "its issuer is neither sent with it nor trusted here"
_SELF_SIGNED = "it is signed by itself"
_NOT_TRUSTED = "its chain ends in an authority that is not trusted here"
_PRIVATE = "only this host trusts its authority, and not its visitors"
_UNTRUSTED = (_NO_ISSUER, _SELF_SIGNED, _NOT_TRUSTED)

# What openssl's numbers mean for an administrator (X509_V_ERR_…); others in openssl's own words.
_REASONS = {
    2: _NO_ISSUER,
    9: "it is not valid yet",
    10: "it has ended",
    18: _SELF_SIGNED,
    19: _NOT_TRUSTED,
    20: _NO_ISSUER,
    21: _NO_ISSUER,
    26: "it is not meant for servers",
}


def _reason(code: int, output: str) -> str | None:
    errors = re.findall(r"^error (\d+) at (\d+) depth lookup: ?(.*)$", output, re.MULTILINE)
    if code == 0 and not errors and re.search(r": OK$", output, re.MULTILINE):
        return None
    if not errors:
        lines = output.strip().splitlines()
        raise Unseen(f"'openssl verify' failed: {_printable(lines[-1]) if lines else f'exit code {code}'}")
    number, depth, words = errors[0]
    reason = _REASONS.get(int(number), words)
    return reason if depth == "0" or reason in _UNTRUSTED else f"{reason} (certificate {int(depth) + 1} of its chain)"
