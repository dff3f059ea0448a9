# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates: what they say, for whom they are, and whether they are trusted; made by another library."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._services import x509
from ansible_collections.privacy.hosting.plugins.module_utils._services.x509 import certificate, names_match, verify
from tests.unit.tls_servers import DAY, NOW, Issued, issue

ROOT = issue(authority=True, subject="Root of the tests")
BETWEEN = issue(authority=True, subject="Between", by=ROOT)
LEAF = issue("shop.example", "*.shop.example", "192.0.2.7", "2001:db8::7", "xn--caf-dma.example", by=BETWEEN)


@pytest.fixture
def authorities(tmp_path: Path) -> str:
    """A file with the root of the tests."""
    path = tmp_path / "roots.pem"
    path.write_bytes(ROOT.pem)
    return str(path)


# -- what it says ---------------------------------------------------------------------------------------------------


def test_what_a_certificate_says() -> None:
    said = certificate(LEAF.der)
    assert said.subject_names == (
        "shop.example", "*.shop.example", "192.0.2.7", "2001:db8::7", "xn--caf-dma.example"
    )  # fmt: skip
    assert said.not_before == LEAF.certificate.not_valid_before_utc
    assert said.not_after == LEAF.certificate.not_valid_after_utc
    assert round(said.days_left(NOW)) == 90
    assert int(said.serial, 16) == LEAF.certificate.serial_number
    assert (said.subject, said.issuer) == ("", "CN=Between")
    assert (said.self_signed, said.authority) == (False, False)


def test_a_root() -> None:
    said = certificate(ROOT.der)
    assert said.subject_names == ()
    assert (said.self_signed, said.authority) == (True, True)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("EC", ("EC", 256, "prime256v1")),
        ("P-384", ("EC", 384, "secp384r1")),
        ("2048", ("RSA", 2048, "")),
        ("3072", ("RSA", 3072, "")),
        ("1024", ("RSA", 1024, "")),
        ("Ed25519", ("Ed25519", 256, "")),
    ],
)
def test_keys(key: str, said: tuple[str, int, str]) -> None:
    found = certificate(issue("a.example", key=key).der)
    assert (found.key_type, found.key_bits, found.curve) == said


@pytest.mark.parametrize(
    ("key", "digest", "name"),
    [
        ("EC", hashes.SHA256(), "SHA-256"),
        ("EC", hashes.SHA384(), "SHA-384"),
        ("2048", hashes.SHA512(), "SHA-512"),
        ("2048", hashes.SHA224(), "SHA-224"),
        ("Ed25519", None, "SHA-512"),
    ],
)
def test_signatures(key: str, digest: hashes.HashAlgorithm | None, name: str) -> None:
    assert certificate(issue("a.example", key=key, digest=digest).der).signature_hash == name


def test_dates_of_both_forms() -> None:
    """Until 2049 a year has two digits, from 2050 on four (RFC 5280, 4.1.2.5)."""
    start = dt.datetime(1999, 12, 31, tzinfo=dt.timezone.utc)
    end = dt.datetime(2050, 1, 1, tzinfo=dt.timezone.utc)
    said = certificate(issue("a.example", start=start, end=end).der)
    assert (said.not_before, said.not_after) == (start, end)


def test_what_is_cut_off_cannot_be_read() -> None:
    for length in range(len(LEAF.der)):
        with pytest.raises(Unseen, match="a certificate cannot be read"):
            certificate(LEAF.der[:length])
    with pytest.raises(Unseen, match="something follows it"):
        certificate(LEAF.der + b"\0")


def test_what_is_damaged_is_read_or_is_not() -> None:
    chance = random.Random(20)
    for _round in range(3000):
        damaged = bytearray(LEAF.der)
        for _byte in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            certificate(bytes(damaged))
        except Unseen as unseen:
            assert str(unseen).isprintable()


def test_the_systems_own_authorities_can_be_read() -> None:
    """Also what a public authority did in 1999; each is its own issuer, and may sign."""
    import ssl

    end = "-----END CERTIFICATE-----\n"
    parts = Path("/etc/ssl/certs/ca-certificates.crt").read_text().split(end)[:-1]
    said = [certificate(ssl.PEM_cert_to_DER_cert(part + end)) for part in parts]
    assert len(said) > 100
    assert all(one.key_bits and one.subject and one.signature_hash.startswith("SHA") for one in said)


# -- for whom it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["shop.example", "SHOP.Example.", "www.shop.example", "café.example", "xn--caf-dma.example", "192.0.2.7",
     "2001:db8::7", "2001:0db8:0:0::7"],
)  # fmt: skip
def test_names_that_it_is_for(name: str) -> None:
    assert names_match(certificate(LEAF.der), name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "example", "hop.example", "a.b.shop.example", ".shop.example", "shop.example.evil.example",
     "cafe.example", "192.0.2.70", "192.0.2", "2001:db8::70", "999.0.0.1", "*.example", "a\0.shop.example.b"],
)  # fmt: skip
def test_names_that_it_is_not_for(name: str) -> None:
    assert not names_match(certificate(LEAF.der), name)


@pytest.mark.parametrize(
    ("listed", "name"),
    [("*.example", "shop.example"), ("*", "shop"), ("w*.shop.example", "www.shop.example"),
     ("www.*.example", "www.shop.example"), ("*.0.2.7", "192.0.2.7")],
)  # fmt: skip
def test_stars_that_stand_for_nothing(listed: str, name: str) -> None:
    assert not names_match(certificate(issue(listed).der), name)


def test_the_subjects_own_name_counts_for_nothing() -> None:
    assert not names_match(certificate(issue(subject="shop.example").der), "shop.example")


# -- trust ----------------------------------------------------------------------------------------------------------


def test_a_chain_that_is_trusted(authorities: str) -> None:
    assert verify(Host(), [LEAF.der, BETWEEN.der], "shop.example", authorities) is None
    assert verify(Host(), [LEAF.der, BETWEEN.der, ROOT.der], None, authorities) is None


NO_ISSUER = "its issuer is neither sent with it nor trusted here"


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ([LEAF, BETWEEN], NO_ISSUER),
        ([LEAF, BETWEEN, ROOT], "its chain ends in an authority that is not trusted here"),
        ([issue("shop.example")], "it is signed by itself"),
    ],
)
def test_an_authority_that_is_not_trusted(chain: list[Issued], reason: str) -> None:
    assert verify(Host(), [one.der for one in chain], "shop.example") == reason


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ([LEAF], NO_ISSUER),
        ([issue("shop.example")], "it is signed by itself"),
        ([issue("a.example", "b.example", by=ROOT)], "it is for a.example, b.example, not for shop.example"),
        ([issue(subject="shop.example", by=ROOT)], "it is for no name at all, not for shop.example"),
        ([issue("shop.example", by=ROOT, end=NOW - DAY / 2)], "it has ended"),
        ([issue("shop.example", by=ROOT, start=NOW + DAY)], "it is not valid yet"),
        ([issue("shop.example", by=ROOT, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)], "it is not meant for servers"),
    ],
)
def test_a_chain_that_is_not_trusted(chain: list[Issued], reason: str, authorities: str) -> None:
    assert verify(Host(), [one.der for one in chain], "shop.example", authorities) == reason


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system's directory of authorities: one that browsers have, and one that only this host trusts."""
    for name, issued in (("public", PUBLIC_ROOT), ("private", ROOT), ("snakeoil", SNAKEOIL)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_bytes(issued.pem)
        (tmp_path / "certs").mkdir(exist_ok=True)
        (tmp_path / f"certs/{name}.pem").symlink_to(tmp_path / name / "ca.crt")
    subprocess.run(["openssl", "rehash", tmp_path / "certs"], check=True)
    monkeypatch.setattr(x509, "STORE", str(tmp_path / "certs"))
    monkeypatch.setattr(x509, "PUBLIC", f"{tmp_path}/public/")
    return tmp_path / "certs"


PUBLIC_ROOT = issue(authority=True, subject="Public root")
SNAKEOIL = issue("shop.example", subject="shop.example")


def test_what_only_the_host_trusts_visitors_do_not(store: Path, authorities: str) -> None:
    assert verify(Host(), [issue("shop.example", by=PUBLIC_ROOT).der], "shop.example") is None
    # Debian's ssl-cert has the certificate that it makes trusted, and update-ca-certificates whatever lies there
    private = "only this host trusts its authority, and not its visitors"
    assert verify(Host(), [SNAKEOIL.der], "shop.example") == private
    assert verify(Host(), [LEAF.der, BETWEEN.der], "shop.example") == private
    # unless it is named
    assert verify(Host(), [LEAF.der, BETWEEN.der], "shop.example", authorities) is None


def test_an_authority_of_the_same_name_takes_no_trust_away(store: Path) -> None:
    double = issue(authority=True, subject="Public root")
    (store / "double.pem").write_bytes(double.pem)
    subprocess.run(["openssl", "rehash", store], check=True)
    assert verify(Host(), [issue("shop.example", by=PUBLIC_ROOT).der], "shop.example") is None
    assert verify(Host(), [issue("shop.example", by=double).der], "shop.example") is not None


def test_an_issuer_that_has_ended(authorities: str) -> None:
    over = issue(by=ROOT, authority=True, subject="Over", end=NOW - DAY / 2)
    leaf = issue("a.example", by=over)
    assert verify(Host(), [leaf.der, over.der], "a.example", authorities) == "it has ended (certificate 2 of its chain)"


def test_a_leaf_that_signs_another_is_no_authority(authorities: str) -> None:
    false = issue("b.example", by=LEAF)
    assert verify(Host(), [false.der, LEAF.der, BETWEEN.der], "b.example", authorities) is not None


def test_a_signature_that_is_not_its_issuers(authorities: str) -> None:
    other = issue(authority=True, subject="Root of the tests")
    reason = verify(Host(), [issue("a.example", by=other).der], "a.example", authorities)
    assert reason == "certificate signature failure"


def test_dates_are_judged_at_the_moment_of_the_audit(authorities: str) -> None:
    later = Host(now=NOW + 91 * DAY)
    assert verify(later, [LEAF.der, BETWEEN.der], "shop.example", authorities) is not None


def test_what_cannot_be_verified() -> None:
    with pytest.raises(Unseen, match="sent no certificate"):
        verify(Host(), [], "a.example")
    with pytest.raises(Unseen, match="cannot be read"):
        verify(Host(), [b"no certificate"], "a.example")
    with pytest.raises(Unseen, match=r"/nonexistent\.pem cannot be read"):
        verify(Host(), [LEAF.der], "shop.example", "/nonexistent.pem")


def test_no_openssl() -> None:
    class Bare(Host):
        def has(self, command: str) -> bool:
            return False

    with pytest.raises(Unseen, match="the command openssl is not on the host"):
        verify(Bare(), [LEAF.der], "shop.example")


def test_authorities_that_are_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    with pytest.raises(Unseen, match="openssl verify"):
        verify(Host(), [LEAF.der, BETWEEN.der], "shop.example", str(empty))
