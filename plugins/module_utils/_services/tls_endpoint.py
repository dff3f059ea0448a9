# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a TLS server accepts, seen by beginning handshakes with it.

A hello is written as bytes and the server's choice read from its answer: so every protocol, suite and group is really
offered, whatever the host's own OpenSSL is allowed to use. What only shows once a handshake is complete (the
certificates of TLS 1.3, session tickets, renegotiation) is asked by `openssl s_client`. No certificate is verified,
no request is sent, nothing is written. Suites of shared secrets are offered by number, without a secret.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, TypeVar, cast

from .._host import Host, Unseen
from .tls_messages import (
    ALERT,
    ALL_SIGNATURES,
    FINISHED,
    GROUPS,
    HANDSHAKE,
    HELLO_DONE,
    SERVER_HELLO,
    SHARED,
    SIGNATURES,
    SSL3,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    VERSIONS,
    Answer,
    Malformed,
    Offer,
    alert_name,
    is_elliptic,
    is_finite,
    new_suites,
    old_suites,
    signature_hash,
    suite_name,
)
from .x509 import certificate

T = TypeVar("T")

CONNECT_S = 2.0  # for a connection
ANSWER_S = 2.0  # for an answer
TICKET_S = 0.5  # for a session ticket, once the handshake is done
ENDPOINT_S = 8.0  # for all that is asked of one endpoint
TOTAL_S = 30.0  # for all endpoints
AT_ONCE = 8
ANSWER_BYTES = 256 << 10

NO_TLS = "the server does not speak TLS"  # of Endpoint.unseen

PROTOCOLS = (SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3)
OLD_PROTOCOLS = (TLS1_2, TLS1_1, TLS1_0, SSL3)  # newest first
WEAK_HASHES = ("MD5", "SHA-1", "SHA-224")

# Alerts by which a server refuses what was offered: handshake_failure, illegal_parameter, protocol_version,
# insufficient_security. internal_error, like a connection that ends without an alert, means it if it comes twice.
_REFUSING = (40, 47, 70, 71)
_DOUBTFUL = (80,)


@dataclass
class Endpoint:
    """What one server accepts at one address, port and server name.

    unseen: why nothing could be judged (then nothing else is known); '' if at least one protocol is accepted.
    protocols: whether each is accepted, None where that could not be asked. suites: by protocol that is accepted,
    OpenSSL's names (a number such as 0xC0B5 for one that has none). groups: OpenSSL's names. ems: the extended master
    secret (always in TLS 1.3). renegotiation: a client's is accepted (never in TLS 1.3). signature_hashes: of the
    signature under the key exchange; first the one chosen from all, then weak ones (MD5, SHA-1, SHA-224) that the
    server agrees to where a client offers nothing better (OpenSSL does to SHA-224, unless it is forbidden).
    chains: each chain of certificates (DER) that was sent, leaf first. dh_bits: the shortest prime of a DHE key
    exchange. asks_certificate: of the client.
    notes: what could not be asked, each with its reason; keys are a protocol's name, a protocol's name with
    ' suites' (these may be more than those listed), or the name of another field here.
    """

    address: str
    port: int
    name: str
    unseen: str = ""
    protocols: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(PROTOCOLS))
    suites: dict[str, list[str]] = field(default_factory=dict)
    groups: list[str] | None = None
    ems: bool | None = None
    renegotiation: bool | None = None
    compression: bool | None = None
    early_data: bool | None = None
    signature_hashes: list[str] | None = None
    chains: list[tuple[bytes, ...]] = field(default_factory=list)
    dh_bits: int | None = None
    asks_certificate: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> list[str]:
        """The protocols that are accepted, oldest first."""
        return [protocol for protocol in PROTOCOLS if self.protocols[protocol]]


def endpoint(host: Host, address: str, port: int, server_name: str | None) -> Endpoint:
    """Ask one server. Never raises for what the server does; see Endpoint.unseen."""
    return endpoints(host, [(address, port, server_name)])[(address, port, server_name)]


def endpoints(
    host: Host, asked: Iterable[tuple[str, int, str | None]]
) -> dict[tuple[str, int, str | None], Endpoint]:
    """Ask servers, several at once: by (address, port, server name or None for none). Each is asked once an audit."""
    import threading

    known: dict[tuple[str, int, str | None], Endpoint] = host.once("tls_endpoints", dict)
    wanted = list(dict.fromkeys(asked))
    waiting = [key for key in wanted if key not in known]
    if waiting:
        end = time.monotonic() + min(TOTAL_S, host.seconds_left() / 2)
        openssl = host.has("openssl")

        def work() -> None:
            while waiting:
                try:
                    key = waiting.pop(0)
                except IndexError:
                    return
                known[key] = _Asking(*key, openssl=openssl, end=end).endpoint

        threads = [threading.Thread(target=work, daemon=True) for _worker in range(min(AT_ONCE, len(waiting)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {key: known[key] for key in wanted}


def _asked_name(name: str | None) -> str:
    """A name as a hello carries it; '' for none and for an address, which may not be sent. Raises Unseen."""
    if not name or re.fullmatch(r"[0-9.]+|.*:.*", name):
        return ""
    try:
        plain = name.rstrip(".") if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unseen(f"{name!r} is no server name") from None
    if len(plain) > 255 or re.search(r"[\x00-\x20\x7f]", plain):
        raise Unseen(f"{name!r} is no server name")
    return plain


class _NoServer(Unseen):
    """There is nothing to ask there."""


class _Asking:
    """All questions to one endpoint, in the order of which one needs the other's answer."""

    def __init__(self, address: str, port: int, name: str | None, openssl: bool, end: float) -> None:
        self.endpoint = Endpoint(address, port, name or "")
        self._openssl = openssl
        self._shares = False
        try:
            self._wire = _Wire(address, port, _asked_name(name), min(end, time.monotonic() + ENDPOINT_S))
            self._protocols()
        except Unseen as unseen:
            self.endpoint.unseen = str(unseen)
            self.endpoint.protocols = dict.fromkeys(PROTOCOLS)
            return
        self._accepted()

    def _noted(self, what: str, ask: Callable[[], T]) -> T | None:
        """What was found; None, with a note, where it could not be asked."""
        try:
            return ask()
        except Unseen as unseen:
            self.endpoint.notes[what] = str(unseen)
            return None

    # -- protocols --------------------------------------------------------------------------------------------

    def _protocols(self) -> None:
        """Which protocols are accepted, and the first answer in each. Raises Unseen if none is."""
        found = self.endpoint.protocols
        self._first: dict[str, Answer] = {}
        for protocol in (TLS1_3, *OLD_PROTOCOLS):
            try:
                answer = self._newest() if protocol == TLS1_3 else self._offer(protocol)
            except Unseen as unseen:
                self.endpoint.notes[protocol] = str(unseen)
                # no server, or one that twice gives no answer: the rest would only take time
                if not self._first and (isinstance(unseen, _NoServer) or len(self.endpoint.notes) > 1):
                    raise
                continue
            found[protocol] = answer is not None
            if answer:
                self._first[protocol] = answer
        if not self._first:
            refused = f"every handshake is refused ({', '.join(self._wire.refusals)})"
            raise Unseen(next(iter(self.endpoint.notes.values()), refused))

    def _newest(self) -> Answer | None:
        """The first answer in TLS 1.3; afterwards it is asked without keys, where the server then asks for them.

        A server that asks for other keys has not looked for a certificate yet: one for keys that it refused is none.
        """
        answer = self._offer(TLS1_3, shares=True)
        again = self._offer(TLS1_3)
        self._shares = again is None
        return answer or (again if again and again.group not in SHARED else None)

    def _offer(
        self,
        protocol: str,
        suites: Sequence[int] = (),
        groups: Sequence[int] = tuple(GROUPS),
        signatures: Sequence[int] = ALL_SIGNATURES,
        compression: bool = False,
        shares: bool = False,
    ) -> Answer | None:
        """The server's choice in one protocol, None if it refuses all that is offered. Raises Unseen."""
        offered = tuple(suites) or (new_suites() if protocol == TLS1_3 else old_suites())
        offer = Offer(protocol, offered, self._wire.name, groups, signatures, compression, shares or self._shares)
        answer = self._wire.ask(offer)
        if answer is None and self._wire.doubtful:
            self._still_served()
        if answer is None or answer.version != VERSIONS[protocol]:
            return None
        if answer.suite not in offered:
            raise Unseen(f"the server chose {suite_name(answer.suite)}, which was not offered")
        self._keep(answer)
        return answer

    def _still_served(self) -> None:
        """Raise Unseen if the server now refuses what it accepted: then a refusal says nothing about the offer."""
        for protocol, first in self._first.items():
            if not self._wire.ask(Offer(protocol, [first.suite], self._wire.name, shares=protocol == TLS1_3)):
                raise Unseen("the server no longer accepts what it accepted before")
            return

    def _keep(self, answer: Answer) -> None:
        """What every answer tells by the way."""
        if answer.chain and answer.chain not in self.endpoint.chains:
            self.endpoint.chains.append(answer.chain)
        if answer.dh_bits:
            self.endpoint.dh_bits = min(answer.dh_bits, self.endpoint.dh_bits or answer.dh_bits)
        self.endpoint.asks_certificate |= answer.asks_certificate

    # -- what holds for an accepted protocol ------------------------------------------------------------------

    def _accepted(self) -> None:
        self._suites()
        self.endpoint.groups = self._noted("groups", self._groups)
        self.endpoint.compression = self._noted("compression", self._compression)
        self.endpoint.signature_hashes = self._noted("signature_hashes", self._signature_hashes)
        old = self._newest_old()
        self.endpoint.ems = self._first[old].ems if old else True
        talks = _Talks(self._wire, list(self._first), self._openssl)
        for answer in talks.answers():
            self._keep(answer)
            self._signed(answer)
        self.endpoint.early_data = self._noted("early_data", talks.early_data)
        self.endpoint.renegotiation = self._noted("renegotiation", talks.renegotiation)
        if TLS1_3 in self._first and self._first[TLS1_3].retry and not talks.answers():
            self.endpoint.protocols[TLS1_3] = None
            self.endpoint.notes[TLS1_3] = talks.complaint()
            self.endpoint.unseen = "" if self.endpoint.accepted else self.endpoint.notes[TLS1_3]
        if not self.endpoint.chains:
            self.endpoint.notes["chains"] = talks.complaint() or "the server sent no certificate"

    def _newest_old(self) -> str:
        """The newest protocol before TLS 1.3 that is accepted, '' if none is."""
        return next((protocol for protocol in OLD_PROTOCOLS if protocol in self._first), "")

    def _suites(self) -> None:
        self._codes: dict[str, list[int]] = {}
        for protocol, answer in self._first.items():
            codes = self._codes[protocol] = [answer.suite]
            self._noted(f"{protocol} suites", functools.partial(self._more, protocol, codes))
            self.endpoint.suites[protocol] = [suite_name(code) for code in codes]

    def _more(self, protocol: str, codes: list[int]) -> None:
        """Add the suites that are accepted once the ones that are known are not offered any more."""
        every = new_suites() if protocol == TLS1_3 else old_suites()
        while rest := [code for code in every if code not in codes]:
            answer = self._offer(protocol, rest)
            if answer is None:
                return
            codes.append(answer.suite)

    def _compression(self) -> bool:
        old = self._newest_old()
        if not old:
            return False
        answer = self._offer(old, self._codes[old], compression=True)
        if answer is None:
            raise Unseen("the server refused a handshake that offers compression")
        return answer.compression != 0

    # -- groups -----------------------------------------------------------------------------------------------

    def _groups(self) -> list[str]:
        found: list[int] = []
        if TLS1_3 in self._first:
            found += self._chosen_groups(TLS1_3, ())
        old = self._newest_old()
        suites = [code for code in self._codes.get(old, ()) if is_elliptic(code)]
        if suites and old != SSL3:
            found += self._old_groups(old, suites, complete=bool(found))
        return [GROUPS.get(code, "explicit") for code in dict.fromkeys(found)]

    def _chosen_groups(self, protocol: str, suites: Sequence[int]) -> list[int]:
        """The groups that are chosen, each from those that were not chosen yet."""
        if protocol == TLS1_3 and self._shares:
            raise Unseen("the server asks for no other key exchange than the one that was begun")
        found: list[int] = []
        while rest := [code for code in GROUPS if code not in found]:
            answer = self._offer(protocol, suites, groups=rest)
            if answer is None or answer.group is None:
                break
            if answer.group not in rest:
                return [*found, answer.group]
            found.append(answer.group)
        return found

    def _old_groups(self, protocol: str, suites: Sequence[int], complete: bool) -> list[int]:
        """The groups up to TLS 1.2. complete: those of TLS 1.3 are known, which a server shares with TLS 1.2.

        A certificate with a curve is only used if the client names that curve as well: then it is offered last, and
        which groups a server has that it likes less than this one cannot be told.
        """
        free = [code for code in suites if "ECDSA" not in suite_name(code)]
        kept = self._certificate_group()
        if free or kept is None:
            return self._chosen_groups(protocol, free or suites)
        found: list[int] = []
        while rest := [code for code in GROUPS if code not in found and code != kept]:
            answer = self._offer(protocol, suites, groups=[*rest, kept])
            if answer is None or answer.group is None:
                return found
            if answer.group not in rest:
                break
            found.append(answer.group)
        if not complete and not self._by_clients_order(protocol, suites, kept, found):
            raise Unseen("groups that the server likes less than that of its certificate cannot be told")
        return [*found, kept]

    def _certificate_group(self) -> int | None:
        """The group that is the curve of a certificate's key, None if no key is on such a curve."""
        curves = [certificate(chain[0]).curve for chain in self.endpoint.chains]
        return next((code for code, name in GROUPS.items() if name in curves), None)

    def _by_clients_order(self, protocol: str, suites: Sequence[int], kept: int, found: Sequence[int]) -> bool:
        """Whether the server takes the first group that it can, of those that a client names."""
        if not found:
            return False
        answer = self._offer(protocol, suites, groups=[kept, found[0]])
        return answer is not None and answer.group == kept

    # -- signatures -------------------------------------------------------------------------------------------

    def _signed(self, answer: Answer) -> None:
        hashes = self.endpoint.signature_hashes
        if answer.signature is not None and hashes is not None:
            name = signature_hash(answer.signature)
            if name not in hashes:
                hashes.append(name)

    def _signature_hashes(self) -> list[str]:
        """The hashes of TLS 1.2's key exchange: the one that is chosen from all, and weak ones if asked for."""
        found: list[str] = []
        suites = [code for code in self._codes.get(TLS1_2, ()) if is_elliptic(code) or is_finite(code)]
        if suites:
            for codes in (ALL_SIGNATURES, *(SIGNATURES[name] for name in WEAK_HASHES)):
                answer = self._offer(TLS1_2, suites, signatures=codes)
                if answer is not None and answer.signature is not None:
                    found.append(signature_hash(answer.signature))
        return list(dict.fromkeys(found))


# -- hellos -----------------------------------------------------------------------------------------------------------


@dataclass
class _Wire:
    """Connections to one endpoint. refusals: in which ways the server refused; doubtful: whether the last one was
    not by an alert that says so."""

    address: str
    port: int
    name: str
    end: float
    refusals: list[str] = field(default_factory=list)
    doubtful: bool = False

    def ask(self, offer: Offer) -> Answer | None:
        """The server's answer, None if it refuses. Raises Unseen: no server, not TLS, too slow, an alert that says
        nothing about what was offered."""
        hello = offer.record()
        for last in (False, True):
            alert, answer = self._exchange(hello)
            if answer:
                return answer
            self._note_refusal("the connection is closed" if alert is None else f"alert {alert_name(alert)}")
            self.doubtful = alert not in _REFUSING
            if alert in _REFUSING or (last and (alert is None or alert in _DOUBTFUL)):
                return None
            if alert is not None and alert not in _DOUBTFUL:
                raise Unseen(f"the server answers with the alert {alert_name(alert)}")
        return None

    def _note_refusal(self, how: str) -> None:
        if how not in self.refusals:
            self.refusals.append(how)

    def _exchange(self, hello: bytes) -> tuple[int | None, Answer | None]:
        """One connection: an alert, an answer, or neither where the server closes it."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise Unseen(f"the server did not answer all within {ENDPOINT_S:.0f} s")
        with self._connected(min(left, CONNECT_S)) as sock:
            sock.settimeout(min(left, ANSWER_S))
            try:
                sock.sendall(hello)
                return self._read(sock, min(self.end, time.monotonic() + ANSWER_S))
            except (socket.timeout, TimeoutError):
                raise Unseen(f"the server did not answer within {min(left, ANSWER_S):.0f} s") from None
            except OSError:
                return None, None
            except Malformed as malformed:
                raise _NoServer(str(malformed)) from None

    def _connected(self, seconds: float) -> socket.socket:
        try:
            return socket.create_connection((self.address, self.port), seconds)
        except (socket.timeout, TimeoutError):
            raise _NoServer(f"no connection within {seconds:.0f} s") from None
        except OSError as error:
            raise _NoServer(f"no connection: {os.strerror(error.errno or 0)}") from None

    def _read(self, sock: socket.socket, end: float) -> tuple[int | None, Answer | None]:
        stream = _Stream(sock, end)
        answer, pending = Answer(), b""
        while (record := stream.record()) is not None:
            kind, data = record
            if kind == ALERT:
                if len(data) != 2:
                    raise Malformed("an alert has another length than an alert has")
                if data[0] == 2 or data[1] == 0:
                    return data[1], None
                continue
            if kind != HANDSHAKE:
                raise Malformed(f"a record of type {kind} instead of an answer")
            pending += data
            while len(pending) >= 4:
                size = 4 + int.from_bytes(pending[1:4], "big")
                if not answer.seen and pending[0] != SERVER_HELLO:
                    raise Malformed(f"a handshake message of type {pending[0]} instead of an answer")
                if len(pending) < size:
                    break
                answer.add(pending[0], pending[4:size])
                pending = pending[size:]
                if answer.version == VERSIONS[TLS1_3] or answer.seen[-1] == HELLO_DONE:
                    return None, answer
        return None, None


class _Stream:
    """Records from a connection, within a time and a number of bytes."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._sock = sock
        self._end = end
        self._data = b""
        self._total = 0

    def record(self) -> tuple[int, bytes] | None:
        """Type and content of the next record, None at the end. Raises Malformed, socket.timeout."""
        if not self._fill(1):
            return None
        head = self._data[:5]
        if head[0] not in (20, ALERT, HANDSHAKE, 23) or (len(head) > 1 and head[1] != 3):
            raise Malformed(NO_TLS)
        if not self._fill(5):
            return None
        kind, _version, size = struct.unpack(">BHH", self._data[:5])
        if not self._fill(5 + size):
            return None
        content, self._data = self._data[5 : 5 + size], self._data[5 + size :]
        return kind, content

    def _fill(self, size: int) -> bool:
        while len(self._data) < size:
            left = self._end - time.monotonic()
            if left <= 0:
                raise socket.timeout
            self._sock.settimeout(left)
            chunk = self._sock.recv(1 << 16)
            if not chunk:
                return False
            self._data += chunk
            self._total += len(chunk)
            if self._total > ANSWER_BYTES:
                raise Malformed(f"an answer of more than {ANSWER_BYTES >> 10} KiB")
        return True


# -- handshakes by openssl ------------------------------------------------------------------------------------------


_ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
# What a server may sign with decides which of its certificates it sends. RSA without PSS signs certificates only.
_SIGNERS = {
    "RSA": "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512",
    "EC": "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA+SHA256:RSA+SHA384:RSA+SHA512",
}
_MESSAGE = r"(?m)^([<>]{3}) [^\n]*?, (Handshake|Alert) \[length [0-9a-f]+\](?:, [^\n]*)?\n((?: {4}[^\n]*\n)*)"
_ERROR = r"(?m)^[0-9A-F]+:error:[^:\n]*:[^:\n]*:[^:\n]*:([^:\n]*)"


class _Talk:
    """One handshake by `openssl s_client`, whose messages are read as it prints them."""

    def __init__(self, argv: Sequence[str], said: bytes, done: Callable[[_Talk], bool]) -> None:
        self._done = done
        self.output = b""
        self.ended = False
        self.finished_at: float | None = None
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
        )
        self.stdin, self.stdout = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)
        with contextlib.suppress(BrokenPipeError):
            self.stdin.write(said)
            self.stdin.flush()

    def read(self) -> None:
        """Take what it printed."""
        chunk = os.read(self.stdout.fileno(), 1 << 16)
        self.output += chunk
        self.ended = not chunk or len(self.output) > 8 * ANSWER_BYTES
        if self.finished_at is None and FINISHED in [data[0] for data in self.received()]:
            self.finished_at = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether all is known that it can tell."""
        return self.ended or self._done(self)

    def end(self) -> None:
        """End the process."""
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.kill()
        self.process.wait()

    def messages(self) -> list[tuple[str, str, bytes]]:
        """Direction ('<<<' from the server), 'Handshake' or 'Alert', and the bytes."""
        found = re.findall(_MESSAGE, self.output.decode("utf-8", "replace"))
        return [(way, kind, _unhex(lines)) for way, kind, lines in found]

    def received(self) -> list[bytes]:
        """The server's handshake messages."""
        return [data for way, kind, data in self.messages() if (way, kind) == ("<<<", "Handshake") and data]

    def alert(self) -> str:
        """The server's last alert that is no goodbye, or the line by which openssl complains."""
        alerts = [data[1] for way, kind, data in self.messages() if (way, kind) == ("<<<", "Alert") and data[1:]]
        if any(alerts):
            return f"the server answers openssl s_client with the alert {alert_name([*filter(None, alerts)][-1])}"
        errors = re.findall(_ERROR, self.output.decode("utf-8", "replace"))
        if errors:
            return f"openssl s_client: {errors[-1]}"
        return "the server closes the connection of openssl s_client" if self.ended else "openssl s_client was too slow"

    def answer(self) -> Answer:
        """What the messages come to."""
        answer = Answer()
        try:
            for data in self.received():
                answer.add(data[0], data[4:])
        except Malformed:
            self.ended = True
        return answer


def _unhex(lines: str) -> bytes:
    try:
        return bytes.fromhex(lines)
    except ValueError:
        return b""


class _Talks:
    """The handshakes that are completed with one endpoint, at the same time."""

    def __init__(self, wire: _Wire, accepted: Sequence[str], openssl: bool) -> None:
        self._accepted = accepted
        self._new: dict[str, _Talk] = {}
        self._old: _Talk | None = None
        self._why = "" if openssl else "the command openssl is not on the host"
        if not openssl:
            return
        at = f"[{wire.address}]" if ":" in wire.address else wire.address
        # nothing is verified: to read all authorities would take longer than the handshake
        command = ["openssl", "s_client", "-connect", f"{at}:{wire.port}", "-msg", "-no-CAfile", "-no-CApath"]
        command += ["-cipher", _ALL]
        command += ["-servername", wire.name] if wire.name else ["-noservername"]
        try:
            if TLS1_3 in accepted:
                for kind, signers in _SIGNERS.items():
                    argv = [*command, "-tls1_3", "-sigalgs", signers, "-quiet"]
                    self._new[kind] = _Talk(argv, b"", _ticket_came)
            old = next((protocol for protocol in (TLS1_2, TLS1_1, TLS1_0) if protocol in accepted), "")
            if old:
                flag = {TLS1_2: "-tls1_2", TLS1_1: "-tls1_1", TLS1_0: "-tls1"}[old]
                # R begins a renegotiation; it is read once the handshake is done
                argv = [*command, flag, "-legacy_server_connect", "-legacy_renegotiation"]
                self._old = _Talk(argv, b"R\n", _renegotiation_known)
            self._wait(min(wire.end, time.monotonic() + ANSWER_S))
        except OSError as error:
            self._why = f"openssl cannot be started: {os.strerror(error.errno or 0)}"
        finally:
            for talk in self._all:
                talk.end()

    @property
    def _all(self) -> list[_Talk]:
        return [*self._new.values(), *([self._old] if self._old else [])]

    def _wait(self, end: float) -> None:
        """Read until all is known, or the time is up; a server may want the end of one before it begins the next."""
        import selectors

        with selectors.DefaultSelector() as selector:
            for talk in self._all:
                selector.register(talk.stdout, selectors.EVENT_READ, talk)
            while selector.get_map() and time.monotonic() < end:
                for key, _events in selector.select(0.05):
                    key.data.read()
                for key in list(selector.get_map().values()):
                    if key.data.done:
                        selector.unregister(key.fileobj)
                        key.data.end()

    def answers(self) -> list[Answer]:
        """What was seen, of each handshake that got as far as a certificate."""
        return [answer for answer in (talk.answer() for talk in self._all) if answer.chain]

    def complaint(self) -> str:
        """Why a handshake did not succeed."""
        return self._why or next((talk.alert() for talk in self._all), "")

    def early_data(self) -> bool:
        """Whether a session ticket of TLS 1.3 allows early data. Raises Unseen."""
        if TLS1_3 not in self._accepted:
            return False
        tickets = [answer.early_data for answer in (talk.answer() for talk in self._new.values())]
        known = [allowed for allowed in tickets if allowed is not None]
        if known:
            return any(known)
        if any(talk.finished_at for talk in self._new.values()):
            raise Unseen(f"the server sent no session ticket within {TICKET_S} s")
        raise Unseen(self.complaint())

    def renegotiation(self) -> bool:
        """Whether a client's renegotiation up to TLS 1.2 is accepted. Raises Unseen."""
        if all(protocol == TLS1_3 for protocol in self._accepted):
            return False
        if self._old is None:
            raise Unseen(self._why or "SSL 3 cannot be completed by openssl")
        if not _asked_again(self._old):
            raise Unseen(self._old.alert())
        finished = [data[0] for data in self._old.received()].count(FINISHED)
        if finished < 2 and not self._old.done:
            raise Unseen(f"the server did not answer a renegotiation within {ANSWER_S:.0f} s")
        return finished > 1


def _ticket_came(talk: _Talk) -> bool:
    if talk.finished_at is None:
        return False
    return talk.answer().early_data is not None or time.monotonic() > talk.finished_at + TICKET_S


def _asked_again(talk: _Talk) -> bool:
    """Whether the client began a second handshake."""
    hellos = [data for way, kind, data in talk.messages() if (way, kind) == (">>>", "Handshake")]
    return sum(1 for data in hellos if data[:1] == b"\x01") > 1


def _renegotiation_known(talk: _Talk) -> bool:
    if not _asked_again(talk):
        return False
    if [data[0] for data in talk.received()].count(FINISHED) > 1:
        return True
    return any((way, kind) == ("<<<", "Alert") for way, kind, _data in talk.messages())
