# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, and servers on loopback that use them: OpenSSL's own, and ones that misbehave."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.timezone.utc)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and those that it was issued by, nearest first."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    issuers: tuple[Issued, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def files(self, folder: Path) -> tuple[Path, Path, Path]:
        """Its certificate, its key and its issuers below the root, as files."""
        stem = f"{self.certificate.serial_number:x}"
        paths = folder / f"{stem}.pem", folder / f"{stem}.key", folder / f"{stem}.chain"
        paths[0].write_bytes(self.pem)
        form = serialization.PrivateFormat.PKCS8
        paths[1].write_bytes(self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        paths[2].write_bytes(b"".join(one.pem for one in self.issuers[:-1]))
        return paths


def new_key(kind: str = "EC") -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    """A key: 'EC' (P-256), 'P-384', 'Ed25519', or the bits of RSA."""
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.isdigit():
        return rsa.generate_private_key(65537, int(kind))
    return ec.generate_private_key(ec.SECP384R1() if kind == "P-384" else ec.SECP256R1())


def issue(
    *names: str,
    by: Issued | None = None,
    key: str = "EC",
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + 90 * DAY,
    authority: bool = False,
    subject: str = "",
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    digest: hashes.HashAlgorithm | None = None,
) -> Issued:
    """A certificate for DNS names and addresses, issued by another or by itself."""
    secret = new_key(key)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(by.certificate.subject if by else called)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    signer = by.key if by else secret
    used = None if isinstance(signer, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return Issued(builder.sign(signer, used), secret, (by, *by.issuers) if by else ())


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@contextlib.contextmanager
def openssl_server(folder: Path, issued: Issued, *options: str, at: str = "127.0.0.1") -> Iterator[int]:
    """`openssl s_server` with a certificate and its chain; its port."""
    certificate, key, chain = issued.files(folder)
    argv = ["openssl", "s_server", "-accept", f"{at}:0", "-cert", certificate, "-key", key]
    argv += ["-cert_chain", chain] if issued.issuers[:-1] else []
    with subprocess.Popen(
        [*argv, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith(b"ACCEPT "):
                    break
            assert said and said[-1].startswith(b"ACCEPT "), said
            drain = threading.Thread(target=process.stdout.read, daemon=True)
            drain.start()
            yield int(said[-1].rpartition(b":")[2])
        finally:
            process.kill()
            drain.join(5)


@contextlib.contextmanager
def own_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that does with each connection what a function does; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    sock, _peer = listening.accept()
                    threading.Thread(target=serve, args=(sock,), daemon=True).start()

        def serve(sock: socket.socket) -> None:
            with sock, contextlib.suppress(OSError):
                answer(sock)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


# -- a server that speaks the first messages only, and chooses as it is told ------------------------------------------


@dataclass(frozen=True)
class Hello:
    """What a client offered. groups: in its order; versions: of TLS 1.3, () where it does not name any."""

    version: int
    suites: Sequence[int]
    compression: bytes
    extensions: dict[int, bytes]

    @property
    def groups(self) -> list[int]:
        return _words(self.extensions.get(10, b"\0\0")[2:])

    @property
    def versions(self) -> list[int]:
        return _words(self.extensions.get(43, b"\0")[1:])


def read_hello(sock: socket.socket) -> Hello:
    """A client's hello, read without the code that is tested."""
    _kind, _version, size = struct.unpack(">BHH", _exactly(sock, 5))
    data = _exactly(sock, size)[4:]
    at = 34 + 1 + data[34]
    (length,) = struct.unpack(">H", data[at : at + 2])
    suites = _words(data[at + 2 : at + 2 + length])
    at += 2 + length
    compression = data[at + 1 : at + 1 + data[at]]
    at += 1 + data[at] + 2
    extensions = {}
    while at < len(data):
        kind, length = struct.unpack(">HH", data[at : at + 4])
        extensions[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return Hello(struct.unpack(">H", data[:2])[0], suites, compression, extensions)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError
        data += chunk
    return data


def _words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))


def refuse(sock: socket.socket, alert: int) -> None:
    """Send an alert."""
    sock.sendall(bytes([21, 3, 1, 0, 2, 2, alert]))


def choose(
    sock: socket.socket,
    version: int,
    suite: int,
    certificate: bytes = b"",
    compression: int = 0,
    extensions: bytes = b"",
    retry: bool = False,
) -> None:
    """Send a server's hello, certificate and end of hello; or, for TLS 1.3, the request to try again."""
    random = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c") if retry else bytes(32)
    hello = struct.pack(">H", version) + random + b"\0" + struct.pack(">HB", suite, compression)
    if extensions:
        hello += struct.pack(">H", len(extensions)) + extensions
    messages = _message(2, hello)
    if not retry:
        entry = len(certificate).to_bytes(3, "big") + certificate
        messages += _message(11, len(entry).to_bytes(3, "big") + entry) + _message(14, b"")
    # one record for each 100 bytes: nothing says that a message is in one piece
    for start in range(0, len(messages), 100):
        piece = messages[start : start + 100]
        sock.sendall(struct.pack(">BHH", 22, version, len(piece)) + piece)


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body
