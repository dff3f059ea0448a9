# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first messages of a TLS handshake, as bytes: what a client offers, and what a server chooses (RFC 5246, 8446).

All of it is sent in clear, so any protocol, suite or group can be asked for without being able to use it. What comes
from a server is read with bounds: Malformed is raised instead of anything else.

PRIVATE to the collection.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"
VERSIONS = {SSL3: 0x0300, TLS1_0: 0x0301, TLS1_1: 0x0302, TLS1_2: 0x0303, TLS1_3: 0x0304}

ALERT, HANDSHAKE = 21, 22  # types of records
SERVER_HELLO, SESSION_TICKET, CERTIFICATE, KEY_EXCHANGE, CERTIFICATE_REQUEST, HELLO_DONE = 2, 4, 11, 12, 13, 14
CERTIFICATE_VERIFY, FINISHED = 15, 20

_NAME, _GROUPS, _POINTS, _SIGNATURES, _EMS, _EARLY, _VERSIONS, _MODES, _SHARES = 0, 10, 11, 13, 23, 42, 43, 45, 51
_RENEGOTIATION = 0xFF01
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446, 4.1.3

# Key exchange groups by OpenSSL's names, in the order in which they are offered.
GROUPS = {
    0x001D: "X25519", 0x0017: "prime256v1", 0x0018: "secp384r1", 0x0019: "secp521r1", 0x001E: "X448",
    0x11EC: "X25519MLKEM768", 0x11EB: "SecP256r1MLKEM768", 0x11ED: "SecP384r1MLKEM1024",
    0x0200: "MLKEM512", 0x0201: "MLKEM768", 0x0202: "MLKEM1024", 0x6399: "X25519Kyber768Draft00",
    0x001A: "brainpoolP256r1", 0x001B: "brainpoolP384r1", 0x001C: "brainpoolP512r1",
    0x001F: "brainpoolP256r1tls13", 0x0020: "brainpoolP384r1tls13", 0x0021: "brainpoolP512r1tls13",
    0x0100: "ffdhe2048", 0x0101: "ffdhe3072", 0x0102: "ffdhe4096", 0x0103: "ffdhe6144", 0x0104: "ffdhe8192",
    0x0016: "secp256k1", 0x0015: "secp224r1", 0x0014: "secp224k1", 0x0013: "prime192v1", 0x0012: "secp192k1",
    0x0011: "secp160r2", 0x0010: "secp160r1", 0x000F: "secp160k1", 0x000E: "sect571r1", 0x000D: "sect571k1",
    0x000C: "sect409r1", 0x000B: "sect409k1", 0x000A: "sect283r1", 0x0009: "sect283k1", 0x0008: "sect239k1",
    0x0007: "sect233r1", 0x0006: "sect233k1", 0x0005: "sect193r2", 0x0004: "sect193r1", 0x0003: "sect163r2",
    0x0002: "sect163r1", 0x0001: "sect163k1", 0x0029: "curveSM2",
}  # fmt: skip

SHARED = (0x001D, 0x0017)  # those that keys can be sent for at once

# Signature algorithms by the hash that each uses (RFC 8446, 4.2.3; RFC 5246, 7.4.1.4.1).
SIGNATURES = {
    "SHA-256": (0x0403, 0x0804, 0x0809, 0x0401, 0x0402, 0x081A),
    "SHA-384": (0x0503, 0x0805, 0x080A, 0x0501, 0x0502, 0x081B),
    "SHA-512": (0x0603, 0x0806, 0x080B, 0x0601, 0x0602, 0x081C, 0x0807),
    "SHAKE256": (0x0808, 0x0904, 0x0905, 0x0906),
    "SHA-224": (0x0303, 0x0301, 0x0302),
    "SHA-1": (0x0203, 0x0201, 0x0202),
    "MD5": (0x0101,),
}
ALL_SIGNATURES = tuple(code for codes in SIGNATURES.values() for code in codes)

_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    47: "illegal_parameter", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled",
    100: "no_renegotiation", 109: "missing_extension", 110: "unsupported_extension", 112: "unrecognized_name",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip

# Cipher suites by OpenSSL's names, or made like them where OpenSSL has none.
_SUITES = """
1301 TLS_AES_128_GCM_SHA256 1302 TLS_AES_256_GCM_SHA384 1303 TLS_CHACHA20_POLY1305_SHA256 1304 TLS_AES_128_CCM_SHA256
1305 TLS_AES_128_CCM_8_SHA256 1306 TLS_AEGIS_256_SHA512 1307 TLS_AEGIS_128L_SHA256 00C6 TLS_SM4_GCM_SM3
00C7 TLS_SM4_CCM_SM3 C0B4 TLS_SHA256_SHA256 C0B5 TLS_SHA384_SHA384
C02B ECDHE-ECDSA-AES128-GCM-SHA256 C02C ECDHE-ECDSA-AES256-GCM-SHA384 C02F ECDHE-RSA-AES128-GCM-SHA256
C030 ECDHE-RSA-AES256-GCM-SHA384 CCA8 ECDHE-RSA-CHACHA20-POLY1305 CCA9 ECDHE-ECDSA-CHACHA20-POLY1305
CCAA DHE-RSA-CHACHA20-POLY1305 CC13 ECDHE-RSA-CHACHA20-POLY1305-OLD CC14 ECDHE-ECDSA-CHACHA20-POLY1305-OLD
CC15 DHE-RSA-CHACHA20-POLY1305-OLD
C0AC ECDHE-ECDSA-AES128-CCM C0AD ECDHE-ECDSA-AES256-CCM C0AE ECDHE-ECDSA-AES128-CCM8 C0AF ECDHE-ECDSA-AES256-CCM8
C09C AES128-CCM C09D AES256-CCM C09E DHE-RSA-AES128-CCM C09F DHE-RSA-AES256-CCM
C0A0 AES128-CCM8 C0A1 AES256-CCM8 C0A2 DHE-RSA-AES128-CCM8 C0A3 DHE-RSA-AES256-CCM8
C023 ECDHE-ECDSA-AES128-SHA256 C024 ECDHE-ECDSA-AES256-SHA384 C027 ECDHE-RSA-AES128-SHA256
C028 ECDHE-RSA-AES256-SHA384 C006 ECDHE-ECDSA-NULL-SHA C007 ECDHE-ECDSA-RC4-SHA C008 ECDHE-ECDSA-DES-CBC3-SHA
C009 ECDHE-ECDSA-AES128-SHA C00A ECDHE-ECDSA-AES256-SHA C010 ECDHE-RSA-NULL-SHA C011 ECDHE-RSA-RC4-SHA
C012 ECDHE-RSA-DES-CBC3-SHA C013 ECDHE-RSA-AES128-SHA C014 ECDHE-RSA-AES256-SHA
C015 AECDH-NULL-SHA C016 AECDH-RC4-SHA C017 AECDH-DES-CBC3-SHA C018 AECDH-AES128-SHA C019 AECDH-AES256-SHA
C048 ECDHE-ECDSA-ARIA128-CBC-SHA256 C049 ECDHE-ECDSA-ARIA256-CBC-SHA384 C04C ECDHE-RSA-ARIA128-CBC-SHA256
C04D ECDHE-RSA-ARIA256-CBC-SHA384 C05C ECDHE-ECDSA-ARIA128-GCM-SHA256 C05D ECDHE-ECDSA-ARIA256-GCM-SHA384
C060 ECDHE-ARIA128-GCM-SHA256 C061 ECDHE-ARIA256-GCM-SHA384
C072 ECDHE-ECDSA-CAMELLIA128-SHA256 C073 ECDHE-ECDSA-CAMELLIA256-SHA384 C076 ECDHE-RSA-CAMELLIA128-SHA256
C077 ECDHE-RSA-CAMELLIA256-SHA384 C086 ECDHE-ECDSA-CAMELLIA128-GCM-SHA256 C087 ECDHE-ECDSA-CAMELLIA256-GCM-SHA384
C08A ECDHE-RSA-CAMELLIA128-GCM-SHA256 C08B ECDHE-RSA-CAMELLIA256-GCM-SHA384
0001 NULL-MD5 0002 NULL-SHA 0003 EXP-RC4-MD5 0004 RC4-MD5 0005 RC4-SHA 0006 EXP-RC2-CBC-MD5 0007 IDEA-CBC-SHA
0008 EXP-DES-CBC-SHA 0009 DES-CBC-SHA 000A DES-CBC3-SHA 000C DH-DSS-DES-CBC-SHA 000D DH-DSS-DES-CBC3-SHA
000F DH-RSA-DES-CBC-SHA 0010 DH-RSA-DES-CBC3-SHA 0011 EXP-DHE-DSS-DES-CBC-SHA 0012 DHE-DSS-DES-CBC-SHA
0013 DHE-DSS-DES-CBC3-SHA 0014 EXP-DHE-RSA-DES-CBC-SHA 0015 DHE-RSA-DES-CBC-SHA 0016 DHE-RSA-DES-CBC3-SHA
0017 EXP-ADH-RC4-MD5 0018 ADH-RC4-MD5 0019 EXP-ADH-DES-CBC-SHA 001A ADH-DES-CBC-SHA 001B ADH-DES-CBC3-SHA
0060 EXP1024-RC4-MD5 0061 EXP1024-RC2-CBC-MD5 0062 EXP1024-DES-CBC-SHA 0063 EXP1024-DHE-DSS-DES-CBC-SHA
0064 EXP1024-RC4-SHA 0065 EXP1024-DHE-DSS-RC4-SHA 0066 DHE-DSS-RC4-SHA
002F AES128-SHA 0030 DH-DSS-AES128-SHA 0031 DH-RSA-AES128-SHA 0032 DHE-DSS-AES128-SHA 0033 DHE-RSA-AES128-SHA
0034 ADH-AES128-SHA 0035 AES256-SHA 0036 DH-DSS-AES256-SHA 0037 DH-RSA-AES256-SHA 0038 DHE-DSS-AES256-SHA
0039 DHE-RSA-AES256-SHA 003A ADH-AES256-SHA 003B NULL-SHA256 003C AES128-SHA256 003D AES256-SHA256
003E DH-DSS-AES128-SHA256 003F DH-RSA-AES128-SHA256 0040 DHE-DSS-AES128-SHA256 0067 DHE-RSA-AES128-SHA256
0068 DH-DSS-AES256-SHA256 0069 DH-RSA-AES256-SHA256 006A DHE-DSS-AES256-SHA256 006B DHE-RSA-AES256-SHA256
006C ADH-AES128-SHA256 006D ADH-AES256-SHA256
0041 CAMELLIA128-SHA 0042 DH-DSS-CAMELLIA128-SHA 0043 DH-RSA-CAMELLIA128-SHA 0044 DHE-DSS-CAMELLIA128-SHA
0045 DHE-RSA-CAMELLIA128-SHA 0046 ADH-CAMELLIA128-SHA 0084 CAMELLIA256-SHA 0085 DH-DSS-CAMELLIA256-SHA
0086 DH-RSA-CAMELLIA256-SHA 0087 DHE-DSS-CAMELLIA256-SHA 0088 DHE-RSA-CAMELLIA256-SHA 0089 ADH-CAMELLIA256-SHA
00BA CAMELLIA128-SHA256 00BD DHE-DSS-CAMELLIA128-SHA256 00BE DHE-RSA-CAMELLIA128-SHA256 00BF ADH-CAMELLIA128-SHA256
00C0 CAMELLIA256-SHA256 00C3 DHE-DSS-CAMELLIA256-SHA256 00C4 DHE-RSA-CAMELLIA256-SHA256 00C5 ADH-CAMELLIA256-SHA256
C07A CAMELLIA128-GCM-SHA256 C07B CAMELLIA256-GCM-SHA384 C07C DHE-RSA-CAMELLIA128-GCM-SHA256
C07D DHE-RSA-CAMELLIA256-GCM-SHA384
0080 GOST94-GOST89-GOST89 0081 GOST2001-GOST89-GOST89
0096 SEED-SHA 0097 DH-DSS-SEED-SHA 0098 DH-RSA-SEED-SHA 0099 DHE-DSS-SEED-SHA 009A DHE-RSA-SEED-SHA 009B ADH-SEED-SHA
009C AES128-GCM-SHA256 009D AES256-GCM-SHA384 009E DHE-RSA-AES128-GCM-SHA256 009F DHE-RSA-AES256-GCM-SHA384
00A0 DH-RSA-AES128-GCM-SHA256 00A1 DH-RSA-AES256-GCM-SHA384 00A2 DHE-DSS-AES128-GCM-SHA256
00A3 DHE-DSS-AES256-GCM-SHA384 00A4 DH-DSS-AES128-GCM-SHA256 00A5 DH-DSS-AES256-GCM-SHA384
00A6 ADH-AES128-GCM-SHA256 00A7 ADH-AES256-GCM-SHA384
C001 ECDH-ECDSA-NULL-SHA C002 ECDH-ECDSA-RC4-SHA C003 ECDH-ECDSA-DES-CBC3-SHA C004 ECDH-ECDSA-AES128-SHA
C005 ECDH-ECDSA-AES256-SHA C00B ECDH-RSA-NULL-SHA C00C ECDH-RSA-RC4-SHA C00D ECDH-RSA-DES-CBC3-SHA
C00E ECDH-RSA-AES128-SHA C00F ECDH-RSA-AES256-SHA C025 ECDH-ECDSA-AES128-SHA256 C026 ECDH-ECDSA-AES256-SHA384
C029 ECDH-RSA-AES128-SHA256 C02A ECDH-RSA-AES256-SHA384 C02D ECDH-ECDSA-AES128-GCM-SHA256
C02E ECDH-ECDSA-AES256-GCM-SHA384 C031 ECDH-RSA-AES128-GCM-SHA256 C032 ECDH-RSA-AES256-GCM-SHA384
C050 ARIA128-GCM-SHA256 C051 ARIA256-GCM-SHA384 C052 DHE-RSA-ARIA128-GCM-SHA256 C053 DHE-RSA-ARIA256-GCM-SHA384
C056 DHE-DSS-ARIA128-GCM-SHA256 C057 DHE-DSS-ARIA256-GCM-SHA384 C03C ARIA128-CBC-SHA256 C03D ARIA256-CBC-SHA384
C044 DHE-RSA-ARIA128-CBC-SHA256 C045 DHE-RSA-ARIA256-CBC-SHA384
"""


class Malformed(Exception):
    """Bytes that are no message of a TLS server; the text says why."""


@functools.lru_cache(maxsize=1)
def _suite_names() -> dict[int, str]:
    words = _SUITES.split()
    return {int(code, 16): name for code, name in zip(words[::2], words[1::2])}


def suite_name(code: int) -> str:
    """OpenSSL's name of a suite, or its number in hexadecimal where it is none that is known here."""
    return _suite_names().get(code, f"0x{code:04X}")


def new_suites() -> tuple[int, ...]:
    """All suites of TLS 1.3."""
    return tuple(code for code, name in _suite_names().items() if name.startswith("TLS_"))


@functools.lru_cache(maxsize=1)
def old_suites() -> tuple[int, ...]:
    """All suites of SSL 3 to TLS 1.2: those that have a name here, and every other number that was ever given out."""
    named = [code for code, name in _suite_names().items() if not name.startswith("TLS_")]
    rest = [*range(0x0001, 0x00C6), *range(0xC001, 0xC0B4), *range(0xCCA8, 0xCCAF), *range(0xD001, 0xD006)]
    return tuple(dict.fromkeys([*named, *rest]))


def is_elliptic(code: int) -> bool:
    """Whether a suite of TLS 1.2 or older makes its keys on a curve, for each connection anew."""
    return suite_name(code).startswith(("ECDHE-", "AECDH-"))


def is_finite(code: int) -> bool:
    """Whether a suite of TLS 1.2 or older makes its keys in a finite field, for each connection anew."""
    return suite_name(code).startswith(("DHE-", "ADH-", "EXP-DHE-", "EXP-ADH-", "EXP1024-DHE-"))


def signature_hash(code: int) -> str:
    """The hash that a signature algorithm uses, or its number in hexadecimal."""
    return next((name for name, codes in SIGNATURES.items() if code in codes), f"0x{code:04X}")


def alert_name(code: int) -> str:
    """What an alert is called."""
    return _ALERTS.get(code, f"alert {code}")


# -- what a client says ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """What a client hello offers. name: the server's name, '' for none; shares: send keys for X25519 and P-256."""

    protocol: str
    suites: Sequence[int]
    name: str = ""
    groups: Sequence[int] = tuple(GROUPS)
    signatures: Sequence[int] = ALL_SIGNATURES
    compression: bool = False
    shares: bool = False

    def record(self) -> bytes:
        """The record that asks for it."""
        new = self.protocol == TLS1_3
        version = min(VERSIONS[self.protocol], 0x0303)
        # 0x00FF says for SSL 3, which has no extensions, that renegotiation is understood (RFC 5746)
        suites = self.suites if self.protocol != SSL3 else [*self.suites, 0x00FF]
        body = struct.pack(">H", version) + os.urandom(32)
        body += _short(os.urandom(32) if new else b"", 1)
        body += _short(_words(suites), 2)
        body += _short(b"\x01\x00" if self.compression else b"\x00", 1)
        if self.protocol != SSL3:
            body += _short(b"".join(self._extensions(new)), 2)
        message = b"\x01" + struct.pack(">I", len(body))[1:] + body
        return struct.pack(">BHH", HANDSHAKE, min(version, 0x0301), len(message)) + message

    def _extensions(self, new: bool) -> Iterable[bytes]:
        if self.name:
            yield _extension(_NAME, _short(b"\0" + _short(self.name.encode("ascii"), 2), 2))
        yield _extension(_GROUPS, _short(_words(self.groups), 2))
        if self.protocol in (TLS1_2, TLS1_3):
            yield _extension(_SIGNATURES, _short(_words(self.signatures), 2))
        if new:
            yield _extension(_VERSIONS, _short(_words([VERSIONS[TLS1_3]]), 1))
            yield _extension(_MODES, b"\x01\x01")
            yield _extension(_SHARES, _short(_shares() if self.shares else b"", 2))
        else:
            yield _extension(_POINTS, b"\x01\x00")
            yield _extension(_EMS, b"")
            yield _extension(_RENEGOTIATION, b"\x00")


def _shares() -> bytes:
    """Keys that nobody could use, but a server can: a number for X25519, and P-256's own base point."""
    point = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    point += "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    keys = zip(SHARED, (os.urandom(32), b"\x04" + bytes.fromhex(point)))
    return b"".join(struct.pack(">H", group) + _short(key, 2) for group, key in keys)


def _words(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(numbers)}H", *numbers)


def _short(data: bytes, size: int) -> bytes:
    """Data after its length, in so many bytes."""
    return len(data).to_bytes(size, "big") + data


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">H", kind) + _short(data, 2)


# -- what a server says ----------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a server chose. suite, group, signature: numbers; chain: certificates (DER) as sent.

    early_data: bytes that a session ticket allows before the next handshake is done, None where no ticket came.
    """

    version: int = 0
    suite: int = 0
    group: int | None = None
    signature: int | None = None
    dh_bits: int | None = None
    ems: bool = False
    compression: int = 0
    chain: tuple[bytes, ...] = ()
    asks_certificate: bool = False
    retry: bool = False
    early_data: int | None = None
    seen: list[int] = field(default_factory=list)

    def add(self, kind: int, body: bytes) -> None:
        """Take in one more handshake message. Raises Malformed."""
        self.seen.append(kind)
        reader = _Reader(body)
        if kind == SERVER_HELLO:
            self._hello(reader)
        elif kind == CERTIFICATE:
            self._certificates(reader)
        elif kind == KEY_EXCHANGE:
            self._key_exchange(reader)
        elif kind == CERTIFICATE_REQUEST:
            self.asks_certificate = True
        elif kind == CERTIFICATE_VERIFY:
            self.signature = reader.number(2)
        elif kind == SESSION_TICKET and self.version == VERSIONS[TLS1_3]:
            self._ticket(reader)

    def _hello(self, reader: _Reader) -> None:
        self.version = reader.number(2)
        self.retry = reader.take(32) == _RETRY
        reader.block(1)
        self.suite = reader.number(2)
        self.compression = reader.number(1)
        for kind, data in reader.extensions() if reader.left else ():
            if kind == _VERSIONS:
                self.version = _Reader(data).number(2)
            elif kind == _SHARES:
                self.group = _Reader(data).number(2)
            elif kind == _EMS:
                self.ems = True

    def _certificates(self, reader: _Reader) -> None:
        new = self.version == VERSIONS[TLS1_3]
        if new:
            reader.block(1)
        entries, chain = _Reader(reader.block(3)), []
        while entries.left:
            chain.append(entries.block(3))
            if new:
                entries.block(2)
        self.chain = tuple(chain)

    def _key_exchange(self, reader: _Reader) -> None:
        if is_elliptic(self.suite):
            # 3 is a curve with a name, the others give its equation
            self.group = reader.number(2) if reader.number(1) == 3 else 0
            reader.block(1)
        elif is_finite(self.suite):
            self.dh_bits = int.from_bytes(reader.block(2), "big").bit_length()
            reader.block(2)
            reader.block(2)
        else:
            return
        if self.version == VERSIONS[TLS1_2] and reader.left:
            self.signature = reader.number(2)

    def _ticket(self, reader: _Reader) -> None:
        reader.take(8)
        reader.block(1)
        reader.block(2)
        allowed = [_Reader(data).number(4) for kind, data in reader.extensions() if kind == _EARLY]
        self.early_data = max([self.early_data or 0, *allowed])


class _Reader:
    """Bytes from the front. Raises Malformed where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise Malformed("a message of the handshake ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> bytes:
        return self.take(self.number(size))

    def extensions(self) -> list[tuple[int, bytes]]:
        inner, found = _Reader(self.block(2)), []
        while inner.left:
            found.append((inner.number(2), inner.block(2)))
        return found
