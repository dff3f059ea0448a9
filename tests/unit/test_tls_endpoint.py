# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a TLS server accepts: of OpenSSL's own server in many settings, and of servers that misbehave."""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Limits
from ansible_collections.privacy.hosting.plugins.module_utils._services import tls_endpoint
from ansible_collections.privacy.hosting.plugins.module_utils._services.tls_endpoint import (
    Endpoint,
    endpoint,
    endpoints,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.tls_messages import old_suites, suite_name
from tests.unit.tls_servers import (
    Hello,
    Issued,
    choose,
    issue,
    openssl_server,
    own_server,
    read_hello,
    refuse,
)

ROOT = issue(authority=True, subject="Root of the tests")
BETWEEN = issue(authority=True, subject="Between", by=ROOT)
ELLIPTIC = issue("shop.example", by=BETWEEN)
RSA = issue("shop.example", by=BETWEEN, key="2048")
OTHER = issue("other.example", by=ROOT)

ANYTHING = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
MODERN = ("-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20")
HOSTS_OPENSSL = ssl.OPENSSL_VERSION_INFO


def ask(port: int, name: str | None = "shop.example", address: str = "127.0.0.1") -> Endpoint:
    """Ask a server on loopback."""
    return endpoint(Host(), address, port, name)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Start OpenSSL's server with a certificate and options, and ask it."""

    def start(issued: Issued, *options: str, name: str | None = "shop.example", at: str = "127.0.0.1") -> Endpoint:
        with openssl_server(tmp_path, issued, *options, at=f"[{at}]" if ":" in at else at) as port:
            return ask(port, name, at)

    return start


# -- protocols and suites -------------------------------------------------------------------------------------------


def test_a_modern_server(served: Callable[..., Endpoint]) -> None:
    found = served(ELLIPTIC, *MODERN)
    assert found.unseen == ""
    assert found.protocols == {"SSLv3": False, "TLSv1": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}
    assert {protocol: sorted(suites) for protocol, suites in found.suites.items()} == {
        "TLSv1.3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
        "TLSv1.2": [
            "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"
        ],
    }  # fmt: skip
    assert (found.ems, found.renegotiation, found.compression, found.early_data) == (True, False, False, False)
    assert found.signature_hashes == ["SHA-256", "SHA-224"]
    assert found.chains == [(ELLIPTIC.der, BETWEEN.der)]
    assert (found.dh_bits, found.asks_certificate, found.notes) == (None, False, {})


def test_an_old_server(served: Callable[..., Endpoint]) -> None:
    """Old protocols and broken suites are seen, whatever this host's own OpenSSL would use."""
    found = served(RSA, *ANYTHING, "-no_tls1_3")
    assert found.accepted == ["TLSv1", "TLSv1.1", "TLSv1.2"]
    assert {"AES128-SHA", "ADH-AES256-SHA", "NULL-SHA", "DHE-RSA-CAMELLIA128-SHA"} <= set(found.suites["TLSv1"])
    assert found.suites["TLSv1"] == found.suites["TLSv1.1"]
    assert {"AES128-GCM-SHA256", "DHE-RSA-AES256-CCM8", "ECDHE-ARIA128-GCM-SHA256"} <= set(found.suites["TLSv1.2"])
    assert found.signature_hashes is not None and "SHA-1" in found.signature_hashes
    assert found.dh_bits is not None and found.dh_bits >= 1024


@pytest.mark.parametrize(
    ("flag", "protocol"), [("-tls1", "TLSv1"), ("-tls1_1", "TLSv1.1"), ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")]
)
def test_one_protocol_alone(flag: str, protocol: str, served: Callable[..., Endpoint]) -> None:
    found = served(RSA, flag, *ANYTHING)
    assert found.accepted == [protocol]
    assert list(found.suites) == [protocol]
    assert None not in found.protocols.values()
    assert found.chains == [(RSA.der, BETWEEN.der)]
    assert found.renegotiation is False
    assert found.notes == {}


def test_ssl_3() -> None:
    """No OpenSSL of today speaks it, so that only a hello of our own can ask for it."""

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0300 and not hello.extensions and 0x0005 in hello.suites:
            choose(sock, 0x0300, 0x0005, RSA.der)
        else:
            refuse(sock, 70)

    with own_server(answer) as port:
        found = ask(port)
    assert found.protocols == {"SSLv3": True, "TLSv1": False, "TLSv1.1": False, "TLSv1.2": False, "TLSv1.3": False}
    assert found.suites == {"SSLv3": ["RC4-SHA"]}
    assert found.chains == [(RSA.der,)]
    assert found.ems is False
    assert found.renegotiation is None
    assert found.notes == {"renegotiation": "SSL 3 cannot be completed by openssl"}


def test_all_suites_that_openssl_has_are_known_by_its_names() -> None:
    import subprocess

    every = ["openssl", "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    lines = subprocess.run(every, check=True, capture_output=True, text=True).stdout.splitlines()
    listed = {int(words[0].replace(",0x", ""), 16): words[2] for words in map(str.split, lines)}
    wanted = {code: name for code, name in listed.items() if not any(word in name for word in ("PSK", "SRP"))}
    assert len(wanted) > 60
    assert {code: suite_name(code) for code in wanted} == wanted
    assert {code for code in wanted if code >> 8 != 0x13} <= set(old_suites())


def test_a_server_that_closes_instead_of_refusing() -> None:
    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites:
            choose(sock, 0x0303, 0x009C, RSA.der)

    with own_server(answer) as port:
        found = ask(port)
    assert found.accepted == ["TLSv1.2"]
    assert found.protocols["TLSv1"] is False
    assert found.suites == {"TLSv1.2": ["AES128-GCM-SHA256"]}
    assert found.ems is False
    assert found.groups == []


def test_an_alert_that_says_nothing_about_a_protocol_is_no_refusal() -> None:
    """unrecognized_name, decode_error and the like: the protocol could not be asked."""

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites:
            choose(sock, 0x0303, 0x009C, RSA.der)
        else:
            refuse(sock, 50 if hello.version == 0x0301 else 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.protocols["TLSv1"] is None
    assert found.notes["TLSv1"] == "the server answers with the alert decode_error"
    assert found.protocols["TLSv1.1"] is False


def test_a_protocol_that_gets_no_answer_could_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_endpoint, "ANSWER_S", 0.3)

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0301:
            sock.recv(1)
        elif hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites:
            choose(sock, 0x0303, 0x009C, RSA.der)
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.accepted == ["TLSv1.2"]
    assert found.protocols["TLSv1"] is None
    assert found.notes["TLSv1"].startswith("the server did not answer within")


def test_a_server_that_goes_away_meanwhile() -> None:
    """What was seen stays, the rest could not be asked."""
    asked = itertools.count()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _connection in asked:
            sock, _peer = listening.accept()
            with sock:
                if read_hello(sock).versions:
                    refuse(sock, 70)
                else:
                    listening.close()
                    choose(sock, 0x0303, 0x009C, RSA.der)
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    found = ask(listening.getsockname()[1])
    thread.join(5)
    assert found.accepted == ["TLSv1.2"]
    gone = "no connection: Connection refused"
    assert found.protocols == {"SSLv3": None, "TLSv1": None, "TLSv1.1": None, "TLSv1.2": True, "TLSv1.3": False}
    assert {found.notes[key] for key in ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2 suites", "compression")} == {gone}
    assert found.renegotiation is None


def test_a_server_that_has_had_enough() -> None:
    """That it closes every connection from some moment on refuses no suite."""
    accepted = [0x009C, 0x009D, 0x003C, 0x002F, 0x0035, 0x000A]
    connections = itertools.count()

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        common = [code for code in accepted if code in hello.suites]
        if next(connections) >= 10:
            return
        if hello.version == 0x0303 and not hello.versions and common:
            choose(sock, 0x0303, common[0], RSA.der)
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.accepted == ["TLSv1.2"]
    assert 1 < len(found.suites["TLSv1.2"]) < len(accepted)
    assert found.notes["TLSv1.2 suites"] == "the server no longer accepts what it accepted before"
    assert found.compression is None


def test_a_list_of_suites_that_breaks_off_says_so() -> None:
    """A server that chooses what it was not offered cannot keep the audit going round."""

    def answer(sock: socket.socket) -> None:
        if read_hello(sock).version == 0x0303:
            choose(sock, 0x0303, 0x009C, RSA.der)

    with own_server(answer) as port:
        found = ask(port)
    assert found.suites == {"TLSv1.2": ["AES128-GCM-SHA256"]}
    assert found.notes["TLSv1.2 suites"] == "the server chose AES128-GCM-SHA256, which was not offered"


# -- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issued", [ELLIPTIC, RSA], ids=["ecdsa", "rsa"])
@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_groups(issued: Issued, protocol: str, served: Callable[..., Endpoint]) -> None:
    found = served(issued, protocol, *MODERN, "-groups", "X25519:P-384:P-256")
    assert found.groups is not None and sorted(found.groups) == ["X25519", "prime256v1", "secp384r1"]


def test_groups_of_a_server_that_has_its_own_order(served: Callable[..., Endpoint]) -> None:
    """It prefers its certificate's curve, which has to be offered: whether it has others cannot be told."""
    found = served(ELLIPTIC, "-tls1_2", *MODERN, "-serverpref", "-groups", "P-256:P-384")
    assert found.groups is None
    assert found.notes["groups"] == "groups that the server likes less than that of its certificate cannot be told"


def test_groups_in_the_servers_order_are_told_by_tls_1_3(served: Callable[..., Endpoint]) -> None:
    found = served(ELLIPTIC, *MODERN, "-serverpref", "-groups", "P-256:P-384")
    assert found.groups is not None and sorted(found.groups) == ["prime256v1", "secp384r1"]


@pytest.mark.parametrize("order", [(), ("-serverpref",)], ids=["client", "server"])
def test_groups_without_that_of_the_certificate(order: tuple[str, ...], served: Callable[..., Endpoint]) -> None:
    assert served(ELLIPTIC, "-tls1_2", *MODERN, *order, "-groups", "P-384").groups == ["secp384r1"]


def test_the_group_of_the_certificate_alone(served: Callable[..., Endpoint]) -> None:
    assert served(ELLIPTIC, *MODERN, "-groups", "P-256").groups == ["prime256v1"]


def test_a_group_that_this_hosts_openssl_does_not_have() -> None:
    """X25519MLKEM768 is offered by number, and the server asks for it; more than that it does not do here."""

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if 0x0304 in hello.versions and 0x1301 in hello.suites:
            for group in (0x11EC, 0x001D):
                if group in hello.groups:
                    return retry(sock, group)
        return refuse(sock, 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.groups == ["X25519MLKEM768", "X25519"]
    assert found.protocols["TLSv1.3"] is None
    assert found.notes["TLSv1.3"].startswith("openssl s_client: ")
    assert found.unseen == found.notes["TLSv1.3"]


def test_a_server_that_asks_for_other_keys_and_then_has_no_certificate() -> None:
    """Some look for the certificate of a name only once they have the keys: that they want keys accepts nothing."""

    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if 0x0304 in hello.versions and 0x1301 in hello.suites and len(hello.extensions[51]) == 2:
            retry(sock, 0x001D)
        else:
            refuse(sock, 80 if 0x0304 in hello.versions else 70)

    assert unseen(answer) == "every handshake is refused (alert internal_error, alert protocol_version)"


def test_a_server_that_wants_keys_which_cannot_be_sent_at_once(served: Callable[..., Endpoint]) -> None:
    found = served(RSA, "-tls1_3", "-groups", "P-521")
    assert found.accepted == ["TLSv1.3"]
    assert found.groups == ["secp521r1"]
    assert found.notes == {}


def test_a_server_without_a_second_try_is_asked_with_keys_at_once() -> None:
    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if 0x0304 in hello.versions and 0x1301 in hello.suites and len(hello.extensions[51]) > 2:
            choose(sock, 0x0303, 0x1301, extensions=struct.pack(">HHHHHH", 43, 2, 0x0304, 51, 2, 0x001D))
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.accepted == ["TLSv1.3"]
    assert found.groups is None
    assert found.notes["groups"] == "the server asks for no other key exchange than the one that was begun"


def retry(sock: socket.socket, group: int) -> None:
    """Ask the client to try again with another group."""
    extensions = struct.pack(">HHHHHH", 43, 2, 0x0304, 51, 2, group)
    choose(sock, 0x0303, 0x1301, extensions=extensions, retry=True)


# -- what else a handshake tells ------------------------------------------------------------------------------------


def test_compression() -> None:
    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites:
            choose(sock, 0x0303, 0x009C, RSA.der, compression=1 if 1 in hello.compression else 0)
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        assert ask(port).compression is True


def test_compression_that_could_not_be_asked() -> None:
    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites and hello.compression == b"\0":
            choose(sock, 0x0303, 0x009C, RSA.der)
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        found = ask(port)
    assert found.compression is None
    assert found.notes["compression"] == "the server refused a handshake that offers compression"


def test_the_extended_master_secret() -> None:
    def answer(sock: socket.socket) -> None:
        hello = read_hello(sock)
        if hello.version == 0x0303 and not hello.versions and 0x009C in hello.suites and 23 in hello.extensions:
            choose(sock, 0x0303, 0x009C, RSA.der, extensions=struct.pack(">HH", 23, 0))
        else:
            refuse(sock, 40)

    with own_server(answer) as port:
        assert ask(port).ems is True


def test_renegotiation(served: Callable[..., Endpoint]) -> None:
    assert served(RSA, "-client_renegotiation").renegotiation is True
    assert served(RSA).renegotiation is False
    assert served(RSA, "-client_renegotiation", "-tls1_3").renegotiation is False


def test_renegotiation_with_a_server_that_wants_a_certificate(served: Callable[..., Endpoint]) -> None:
    found = served(RSA, "-client_renegotiation", "-Verify", "2")
    assert found.asks_certificate is True
    assert found.accepted == ["TLSv1.2", "TLSv1.3"]
    assert found.chains == [(RSA.der, BETWEEN.der)]
    assert found.renegotiation is None
    assert found.notes["renegotiation"] == "the server answers openssl s_client with the alert handshake_failure"


def test_early_data(tmp_path: Path) -> None:
    with openssl_server(tmp_path, RSA, "-early_data", "-max_early_data", "16384") as port:
        assert ask(port).early_data is True


def test_no_early_data(served: Callable[..., Endpoint]) -> None:
    assert served(RSA).early_data is False
    assert served(RSA, "-tls1_2").early_data is False


def test_early_data_cannot_be_told_without_a_ticket(served: Callable[..., Endpoint]) -> None:
    found = served(RSA, "-num_tickets", "0")
    assert found.early_data is None
    assert found.notes == {"early_data": "the server sent no session ticket within 0.5 s"}


def test_signature_hashes(served: Callable[..., Endpoint]) -> None:
    weak = served(RSA, *ANYTHING, "-tls1_2", "-sigalgs", "RSA+SHA1:RSA-PSS+SHA512:RSA+SHA512").signature_hashes
    assert weak is not None and sorted(weak) == ["SHA-1", "SHA-512"]
    strong = served(RSA, *MODERN, "-sigalgs", "RSA-PSS+SHA512:RSA+SHA512").signature_hashes
    assert strong == ["SHA-512"]


# -- certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [(), ("-tls1_2",), ("-tls1_3",)], ids=["both", "1.2", "1.3"])
def test_both_of_two_certificates_are_seen(
    protocol: tuple[str, ...], served: Callable[..., Endpoint], tmp_path: Path
) -> None:
    second, key, chain = ELLIPTIC.files(tmp_path)
    found = served(RSA, *protocol, "-dcert", str(second), "-dkey", str(key), "-dcert_chain", str(chain))
    assert sorted(found.chains) == sorted([(RSA.der, BETWEEN.der), (ELLIPTIC.der, BETWEEN.der)])


@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_an_ed25519_certificate(protocol: str, served: Callable[..., Endpoint]) -> None:
    issued = issue("shop.example", key="Ed25519")
    found = served(issued, protocol)
    assert found.chains == [(issued.der,)]
    assert found.signature_hashes == ["SHA-512"]


def test_the_name_decides(served: Callable[..., Endpoint], tmp_path: Path) -> None:
    certificate, key, _chain = OTHER.files(tmp_path)
    options = ("-servername", "other.example", "-cert2", str(certificate), "-key2", str(key))
    assert [chain[0] for chain in served(ELLIPTIC, *options, name="other.example").chains] == [OTHER.der]
    assert [chain[0] for chain in served(ELLIPTIC, *options, name=None).chains] == [ELLIPTIC.der]
    assert [chain[0] for chain in served(ELLIPTIC, *options, name="127.0.0.1").chains] == [ELLIPTIC.der]


def test_a_name_that_the_server_refuses(served: Callable[..., Endpoint], tmp_path: Path) -> None:
    certificate, key, _chain = OTHER.files(tmp_path)
    options = ("-servername", "other.example", "-cert2", str(certificate), "-key2", str(key), "-servername_fatal")
    found = served(ELLIPTIC, *options, name="shop.example")
    assert found.unseen == "the server answers with the alert unrecognized_name"
    assert set(found.protocols.values()) == {None}
    assert served(ELLIPTIC, *options, name="other.example").unseen == ""


def test_a_name_in_other_letters() -> None:
    names = []

    def answer(sock: socket.socket) -> None:
        names.append(read_hello(sock).extensions.get(0, b"")[5:])
        refuse(sock, 40)

    with own_server(answer) as port:
        ask(port, "café.example")
        assert ask(port, "a b.example").unseen == "'a b.example' is no server name"
    assert b"xn--caf-dma.example" in names


def test_ipv6(served: Callable[..., Endpoint]) -> None:
    found = served(RSA, at="::1")
    assert found.accepted == ["TLSv1.2", "TLSv1.3"]
    assert found.chains == [(RSA.der, BETWEEN.der)]
    assert found.notes == {}


# -- what is no TLS server ------------------------------------------------------------------------------------------


def unseen(answer: Callable[[socket.socket], None]) -> str:
    """Why a server could not be judged, which is the same for all that could have been asked."""
    with own_server(answer) as port:
        found = ask(port)
    assert set(found.protocols.values()) == {None}
    assert found.suites == {} and found.groups is None and found.early_data is None and found.chains == []
    return found.unseen


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert ask(port).unseen == "no connection: Connection refused"


def test_plain_http() -> None:
    def answer(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert unseen(answer) == "the server does not speak TLS"


def test_a_server_that_refuses_everything() -> None:
    assert unseen(lambda sock: refuse(sock, read_hello(sock) and 40)) == (
        "every handshake is refused (alert handshake_failure)"
    )


def test_a_server_that_closes() -> None:
    assert unseen(lambda sock: read_hello(sock) and None) == "every handshake is refused (the connection is closed)"


def test_a_server_that_resets() -> None:
    def answer(sock: socket.socket) -> None:
        read_hello(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert unseen(answer) == "every handshake is refused (the connection is closed)"


def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_endpoint, "ANSWER_S", 0.3)
    started = time.monotonic()
    assert unseen(lambda sock: all(sock.recv(99) for _ever in itertools.count()) and None).startswith("the server did")
    assert time.monotonic() - started < 1


def test_a_server_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the answer does not."""
    monkeypatch.setattr(tls_endpoint, "ANSWER_S", 0.3)

    def answer(sock: socket.socket) -> None:
        for byte in itertools.chain(b"\x16\x03\x03\x40\x00\x02\x00\x3f\x00", itertools.repeat(0)):
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    assert unseen(answer).startswith("the server did not answer")
    assert time.monotonic() - started < 1


def test_a_server_that_never_stops() -> None:
    def answer(sock: socket.socket) -> None:
        while True:
            sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x0b\x00\x00\x00" * 0x1000)

    assert "instead of an answer" in unseen(answer)

    def endless(sock: socket.socket) -> None:
        read_hello(sock)
        sock.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\xff\xff\xff" + bytes(0x3FFC))
        while True:
            sock.sendall(b"\x16\x03\x03\x40\x00" + bytes(0x4000))

    assert unseen(endless) == "an answer of more than 256 KiB"


@pytest.mark.parametrize("seed", range(30))
def test_answers_that_are_damaged(seed: int) -> None:
    """Whatever comes back, it is an answer, a refusal or no TLS; nothing else is raised."""
    import random

    chance = random.Random(seed)

    class Damaging:
        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def sendall(self, data: bytes) -> None:
            damaged = bytearray(data)
            for _byte in range(chance.randint(0, 2)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            self.sock.sendall(damaged)

    def answer(sock: socket.socket) -> None:
        hello: Hello = read_hello(sock)
        choose(Damaging(sock), hello.version, chance.choice(list(hello.suites)), RSA.der)  # type: ignore[arg-type]

    with own_server(answer) as port:
        found = endpoint(Host(Limits(total_s=4)), "127.0.0.1", port, None)
    assert bool(found.unseen) == (not found.accepted)


# -- many at once, and what the host lacks --------------------------------------------------------------------------


def test_endpoints_are_asked_side_by_side_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_endpoint, "ANSWER_S", 0.5)
    over = threading.Event()
    host = Host()
    with openssl_server(tmp_path, RSA) as good, own_server(lambda _sock: over.wait(5) and None) as hanging:
        started = time.monotonic()
        asked = [("127.0.0.1", good, "shop.example"), *(("127.0.0.1", hanging, f"{i}.example") for i in range(7))]
        found = endpoints(host, asked)
        assert time.monotonic() - started < 3
        over.set()
    assert [one.unseen == "" for one in found.values()] == [True] + 7 * [False]
    # the server has gone: what is known is not asked again
    assert endpoints(host, asked) == found


def test_the_audits_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    with own_server(lambda _sock: over.wait(10) and None) as port:
        started = time.monotonic()
        found = endpoints(Host(Limits(total_s=1)), [("127.0.0.1", port, f"{i}.example") for i in range(20)])
        assert time.monotonic() - started < 2
        over.set()
    assert all(one.unseen for one in found.values())


def test_without_openssl_what_needs_it_could_not_be_asked(tmp_path: Path) -> None:
    class Bare(Host):
        def has(self, command: str) -> bool:
            return False

    with openssl_server(tmp_path, RSA) as port:
        both = endpoint(Bare(), "127.0.0.1", port, None)
    why = "the command openssl is not on the host"
    assert (both.early_data, both.renegotiation) == (None, None)
    assert both.notes == {"early_data": why, "renegotiation": why}
    assert both.chains == [(RSA.der, BETWEEN.der)]
    with openssl_server(tmp_path, RSA, "-tls1_3") as port:
        new = endpoint(Bare(), "127.0.0.1", port, None)
    assert new.notes == {"early_data": why, "chains": why}
    assert new.chains == []
