# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Visitors are never sent to https that does not answer, whatever goes wrong on the way there."""

from __future__ import annotations

import pytest

from tests.lab.fleet import Fleet

SITES = {"web1": ("shop.example", "static.example"), "web2": ("docs.example",)}
FILES = "find /etc/nginx /etc/apache2 -type f -o -type l | xargs sha256sum 2> /dev/null | sort"
# what a visitor ends up with who types the name, trusting whom the lab's visitors trust
ASKED = "curl -sL --cacert /etc/lab/authorities.pem -o /dev/null -w '%{http_code} %{scheme} %{num_redirects}' http://"
SERIAL = """
echo | openssl s_client -connect docs.example:443 -servername docs.example 2> /dev/null | openssl x509 -noout -serial
"""


def asked(fleet: Fleet, host: str) -> dict[str, str]:
    """What visitors of a host's sites end up with: status, scheme, redirects on the way."""
    return {site: fleet.shell(host, f"{ASKED}{site}/").lower() for site in SITES[host]}


@pytest.mark.only("bookworm")
@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("web_tls_acme_directory=https://acme1.example:1/dir", "has got no certificate"),
        ("web_tls_authorities=/etc/ssl/certs/ca-certificates.crt", "is not to be used"),
        ("web_tls_certificates=own", "was left as it"),
    ],
    ids=["no authority", "an authority that nobody trusts", "no certificate"],
)
def test_without_a_certificate_that_is_trusted_sites_are_as_they_were(untouched: Fleet, option: str, told: str):
    # what sites offer is changed before, and stays
    assert untouched.play("harden", "--tags", "web_tls", "-e", "web_tls_certificates=own").status == 0
    before = {host: (untouched.shell(host, FILES), asked(untouched, host)) for host in SITES}
    played = untouched.play("harden", "--tags", "web_tls", "-e", option)
    assert played.status == 0, played.output
    assert all(f"{site} was left as it" in played.output for sites in SITES.values() for site in sites), played.output
    assert told in played.output
    assert {host: (untouched.shell(host, FILES), asked(untouched, host)) for host in SITES} == before


def test_visitors_end_up_at_https_and_a_renewed_certificate_is_taken_up(hardened: Fleet):
    for host, sites in SITES.items():
        assert asked(hardened, host) == dict.fromkeys(sites, "200 https 1")
    before = hardened.shell("web2", SERIAL)
    hardened.shell("web2", "systemctl is-enabled --quiet certbot.timer")
    service = "systemctl show --property=Environment --value certbot.service"
    renew = "certbot -q renew --force-renewal --no-random-sleep-on-renew --cert-name docs.example"
    hardened.shell("web2", f"env $({service}) {renew}; sleep 2")
    assert hardened.shell("web2", SERIAL) != before


@pytest.mark.only("trixie")
def test_undo_lets_sites_answer_as_they_did(untouched: Fleet):
    before = {host: (untouched.shell(host, FILES), asked(untouched, host)) for host in SITES}
    assert untouched.play("harden", "--tags", "web_tls").status == 0
    assert {host: asked(untouched, host) for host in SITES} == {
        host: dict.fromkeys(sites, "200 https 1") for host, sites in SITES.items()
    }
    assert untouched.play("undo").status == 0
    assert {host: (untouched.shell(host, FILES), asked(untouched, host)) for host in SITES} == before
