"""A security key (FIDO2) of software, behind the protocol of ssh-agent: what sshd sees of one, without the hardware."""

from __future__ import annotations

import base64
import hashlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TYPE = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
TOUCHED, VERIFIED = 0x01, 0x04  # what the key vouches for: somebody touched it; it knew whom (PIN, finger)
_FAILURE, _IDENTITIES, _IDENTITIES_ANSWER, _SIGN, _SIGNED = 5, 11, 12, 13, 14


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _texts(data: bytes) -> Iterator[bytes]:
    while data:
        (length,) = struct.unpack(">I", data[:4])
        yield data[4 : 4 + length]
        data = data[4 + length :]


class SecurityKey:
    """One key. verifies: it asks for a PIN before it signs."""

    def __init__(self, *, verifies: bool) -> None:
        self._private = Ed25519PrivateKey.generate()
        self._flags = TOUCHED | (VERIFIED if verifies else 0)
        self.blob = _text(TYPE) + _text(self._private.public_key().public_bytes_raw()) + _text(APPLICATION)
        self.public = f"{TYPE.decode()} {base64.b64encode(self.blob).decode()}"

    def sign(self, message: bytes) -> bytes:
        """A signature as OpenSSH's PROTOCOL.u2f has it."""
        rest = struct.pack(">BI", self._flags, 1)
        signed = hashlib.sha256(APPLICATION).digest() + rest + hashlib.sha256(message).digest()
        return _text(TYPE) + _text(self._private.sign(signed)) + rest

    def answer(self, request: bytes) -> bytes:
        """What an agent that holds this key answers to one request."""
        if request[0] == _IDENTITIES:
            return struct.pack(">BI", _IDENTITIES_ANSWER, 1) + _text(self.blob) + _text(b"security key")
        if request[0] == _SIGN:
            blob, message = list(_texts(request[1:-4]))
            if blob == self.blob:
                return struct.pack(">B", _SIGNED) + _text(self.sign(message))
        return struct.pack(">B", _FAILURE)


@contextmanager
def plugged_in(key: SecurityKey, socket: Path) -> Iterator[Path]:
    """An agent that holds the key, at a socket."""

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            stream = cast(BinaryIO, self.rfile)
            while len(header := stream.read(4)) == 4:
                self.wfile.write(_text(key.answer(stream.read(struct.unpack(">I", header)[0]))))

    socket.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(socket), Connection) as agent:
        threading.Thread(target=agent.serve_forever, daemon=True).start()
        try:
            yield socket
        finally:
            agent.shutdown()
            socket.unlink()
