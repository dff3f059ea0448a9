# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls, level and certificate: what they find on hosts that encrypt well, badly, and in ways that cannot be told."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import (
    _sites,
    web_tls,
    web_tls_certificate,
    web_tls_fronts,
    web_tls_norm,
)
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.web_tls import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import web_security, x509
from ansible_collections.privacy.hosting.plugins.module_utils._services.certificate_renewal import Renewal
from ansible_collections.privacy.hosting.plugins.module_utils._services.tls_endpoint import NO_TLS, PROTOCOLS, Endpoint
from ansible_collections.privacy.hosting.plugins.module_utils._services.web import web_servers
from tests.unit import web_host
from tests.unit.tls_servers import DAY, NOW, Issued, issue

ROOT = issue(authority=True, subject="Root of the tests")
NAMES = ("a.example", "www.a.example")
LEAF = issue(*NAMES, by=ROOT)
# what the six suites of the role make of stock servers of both releases
SUITES = {
    "TLSv1.2": ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"],
    "TLSv1.3": ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
}
TLS = "listen 443 ssl; server_name a.example www.a.example; ssl_certificate {tmp}/a.pem; ssl_ciphers x; root /w;"
REDIRECT = "server { listen 80; server_name a.example www.a.example; return 301 https://$host$request_uri; }"


def shown(issued: Issued = LEAF, **what: Any) -> Endpoint:
    """What a server that reaches the level shows, but for what is named."""
    chain = (issued.der, *(between.der for between in issued.issuers[:-1]))
    endpoint = Endpoint(
        address="192.0.2.1", port=443, name="a.example", protocols={one: one in SUITES for one in PROTOCOLS},
        suites=dict(SUITES), groups=["X25519", "prime256v1"], ems=True, renegotiation=False, compression=False,
        early_data=False, signature_hashes=["SHA-256"], chains=[chain],
    )  # fmt: skip
    return replace(endpoint, **what)


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """The addresses that names lead to."""
    table: dict[str, tuple[str, ...]] = {}
    monkeypatch.setattr(web_security, "resolved", lambda names: {name: table[name] for name in names if name in table})
    return table


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, leads: Any) -> dict[Any, Endpoint]:
    """What each handshake shows: by (address, port, name), else by None."""
    table: dict[Any, Endpoint] = {None: shown()}

    def endpoints(_host: Host, asked: Iterable[tuple[str, int, str | None]]) -> dict[Any, Endpoint]:
        return {key: table.get(key, table[None]) for key in asked}

    for module in (web_tls, web_tls_fronts):
        monkeypatch.setattr(module, "endpoints", endpoints)
    monkeypatch.setattr(web_security, "own_addresses", lambda _host: ["192.0.2.1", "2001:db8::1", "127.0.0.1"])
    nobody = Renewal("certbot", "/etc/letsencrypt/renewal/a.conf", reloads=True)
    monkeypatch.setattr(web_tls_certificate, "renewal", lambda _host, _path, _server: nobody)
    return table


def asked(
    host: Host, check: str, tmp_path: Path, own_sites: Any = (), probe: bool = True, **settings: Any
) -> list[Finding]:
    """What one check finds; the root of the tests is trusted."""
    (tmp_path / "roots.pem").write_bytes(ROOT.pem)
    table = {one.name: one.default for one in MEASURE.options}
    told = {**table, "authorities": str(tmp_path / "roots.pem"), **settings}
    (run,) = [one.run for one in web_tls.CHECKS if one.name == check]
    return list(run(host, Question({check: told[check]}, told, own_sites, probe), check))


def nginx(tmp_path: Path, http: str, issued: Issued = LEAF, **how: Any) -> Host:
    """A host whose nginx has this in its http block; {tmp}/a.pem is a certificate."""
    (tmp_path / "a.pem").write_bytes(issued.pem)
    config = tmp_path / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{\n{http.replace('{tmp}', str(tmp_path))}\n}}\n")
    return web_host.nginx(config, **how)


def told(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    """Subject (without its server) -> status and proof."""
    return {one.subject.partition(" (")[0]: (one.status, one.proof) for one in findings}


def one(findings: list[Finding], subject: str = "a.example") -> Finding:
    """The finding about a subject that has TLS, if there are two."""
    return [found for found in findings if found.subject.startswith(subject)][-1]


# -- level: what is shown ---------------------------------------------------------------------------------------------


def test_a_server_that_reaches_the_level_passes_and_its_redirect_with_it(tmp_path: Path, network: Any) -> None:
    found = asked(nginx(tmp_path, f"{REDIRECT} server {{ {TLS} }}"), "level", tmp_path)
    assert [(each.status, each.proof) for each in found] == [("pass", "running"), ("pass", "observed")]
    assert "TLS 1.2 and TLS 1.3 with 6 suites and X25519, prime256v1" in found[1].observed
    assert "EC prime256v1" in found[1].observed and "192.0.2.x:443" in found[1].observed


INSUFFICIENT = ["ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "DES-CBC3-SHA"]
PHASED_OUT = ["ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CAMELLIA128-SHA256"]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"protocols": {**shown().protocols, "TLSv1.1": True}}, "accepts protocol TLSv1.1 (insufficient)"),
        ({"protocols": {**shown().protocols, "SSLv3": True}}, "accepts protocol SSLv3 (insufficient)"),
        *(
            ({"suites": {**SUITES, "TLSv1.2": [name]}}, f"accepts suite {name} ({level})")
            for names, level in ((INSUFFICIENT, "insufficient"), (PHASED_OUT, "to be phased out"))
            for name in names
        ),
        ({"suites": {**SUITES, "TLSv1.3": ["TLS_AES_128_CCM_8_SHA256"]}}, "TLS_AES_128_CCM_8_SHA256 (insufficient)"),
        ({"groups": ["X25519", "ffdhe2048"]}, "accepts key exchange group ffdhe2048 (insufficient)"),
        ({"groups": ["secp224r1"]}, "accepts key exchange group secp224r1 (to be phased out)"),
        ({"dh_bits": 1024}, "a DHE group of 1024 bits"),
        ({"signature_hashes": ["SHA-256", "SHA-1"]}, "accepts signature hash SHA-1 (insufficient)"),
        ({"ems": False}, "does not support the extended master secret"),
        ({"compression": True}, "accepts TLS compression"),
        ({"early_data": True}, "accepts 0-RTT data"),
        ({"chains": [(issue("a.example", key="2048", by=ROOT).der,)]}, "a key of RSA 2048 bits (to be phased out)"),
        ({"chains": [(LEAF.der, issue(authority=True, subject="I", key="2048", by=ROOT).der)]},
         "an intermediate certificate has a key of RSA 2048 bits"),
        ({"chains": [(LEAF.der,), (issue("a.example", key="2048", by=ROOT).der,)]}, "RSA 2048"),
    ],
)  # fmt: skip
def test_what_does_not_reach_the_level_fails(tmp_path: Path, network: Any, what: Any, says: str) -> None:
    network[None] = shown(**what)
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "level", tmp_path))
    assert (found.status, found.proof) == ("fail", "observed")
    assert says in found.observed
    assert found.remedy.endswith("(or name the site in web_tls_sites and harden).")


def test_a_root_that_is_sent_along_is_not_judged(tmp_path: Path, network: Any) -> None:
    network[None] = shown(chains=[(LEAF.der, issue(authority=True, subject="R", key="1024").der)])
    assert one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "level", tmp_path)).status == "pass"


def test_an_authority_that_is_trusted_by_itself_is_not_judged_either(tmp_path: Path, network: Any) -> None:
    between = issue(authority=True, subject="Between", key="2048", by=ROOT)
    network[None] = shown(issue(*NAMES, by=between))
    host = nginx(tmp_path, f"server {{ {TLS} }}")
    assert one(asked(host, "level", tmp_path)).status == "fail"
    (tmp_path / "more.pem").write_bytes(ROOT.pem + between.pem)
    assert one(asked(host, "level", tmp_path, authorities=str(tmp_path / "more.pem"))).status == "pass"


def test_the_line_that_decides_is_the_source(tmp_path: Path, network: Any) -> None:
    network[None] = shown(suites={**SUITES, "TLSv1.2": ["AES128-SHA"]})
    lines = TLS.replace("; ", ";\n")
    found = one(asked(nginx(tmp_path, f"server {{\n{lines} }}"), "level", tmp_path))
    assert found.source.endswith("nginx.conf:7")
    assert found.remedy.startswith(f"{found.source}: write 'ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;'")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"notes": {"groups": "no answer"}}, "groups: no answer"),
        ({"notes": {"TLSv1.2 suites": "too slow"}}, "TLSv1.2 suites: too slow"),
        ({"groups": None}, "groups: they were not seen"),
        ({"renegotiation": True}, "whether fewer than ten times was not tried"),
        ({"chains": [(b"no certificate",)]}, "a certificate cannot be read"),
        ({"unseen": "no connection: Connection refused", "protocols": {}}, "no connection: Connection refused"),
    ],
)
def test_what_could_not_be_asked_is_an_error_and_named(tmp_path: Path, network: Any, what: Any, says: str) -> None:
    network[None] = shown(**what)
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "level", tmp_path))
    assert (found.status, found.proof) == ("error", "")
    assert says in found.observed


def test_what_nginx_never_does_need_not_be_asked(tmp_path: Path, network: Any) -> None:
    network[None] = shown(renegotiation=None, early_data=None, notes={"renegotiation": "no openssl", "early_data": "x"})
    host = nginx(tmp_path, f"server {{ {TLS} }}")
    assert one(asked(host, "level", tmp_path)).status == "pass"
    host = nginx(tmp_path, f"server {{ {TLS} ssl_early_data on; }}")
    assert "early data: x" in one(asked(host, "level", tmp_path)).observed


def test_good_asks_for_more_than_sufficient(tmp_path: Path, network: Any) -> None:
    host = nginx(tmp_path, f"server {{ {TLS} }}")
    found = one(asked(host, "level", tmp_path, level="good"))
    assert "protocol TLSv1.2 (sufficient)" in found.observed and "TLS_AES_128_GCM_SHA256" in found.observed
    network[None] = shown(
        protocols={**shown().protocols, "TLSv1.2": False}, suites={"TLSv1.3": ["TLS_AES_256_GCM_SHA384"]},
        groups=["X25519MLKEM768"],
    )  # fmt: skip
    assert one(asked(host, "level", tmp_path, level="good")).status == "pass"


def test_one_bad_address_among_good_ones_fails_and_is_named(tmp_path: Path, network: Any) -> None:
    network["2001:db8::1", 443, "a.example"] = shown(ems=False)
    host = nginx(tmp_path, f"server {{ {TLS} listen [::]:443 ssl; }}")
    found = one(asked(host, "level", tmp_path))
    assert found.status == "fail"
    assert "(at [2001:0db8:0000:…]:443)" in found.observed and "192.0.2.x" not in found.observed


def test_files_that_changed_since_they_were_loaded_leave_it_open(tmp_path: Path, network: Any) -> None:
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}", age_s=60), "level", tmp_path))
    assert (found.status, found.proof) == ("error", "")
    assert found.remedy.startswith("Reload nginx")


def test_a_server_that_does_not_run_is_unproven(tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host = nginx(tmp_path, f"server {{ {TLS} }}")
    (server,) = web_servers(host)
    monkeypatch.setattr(_sites, "web_servers", lambda _host: [replace(server, pid=0)])
    found = one(asked(host, "level", tmp_path))
    assert found.status == "error"


def test_an_unknown_name_that_is_refused_passes(tmp_path: Path, network: Any) -> None:
    network["192.0.2.1", 443, None] = Endpoint("192.0.2.1", 443, "", unseen="every handshake is refused")
    default = "server { listen 443 ssl default_server; ssl_reject_handshake on; }"
    host = nginx(tmp_path, f"{default} server {{ {TLS} }}")
    assert told(asked(host, "level", tmp_path)) == {
        "default of 0.0.0.0:443": ("pass", "observed"), "a.example": ("pass", "observed")
    }  # fmt: skip


def test_a_virtual_host_that_nobody_can_ask_is_an_error(tmp_path: Path, network: Any) -> None:
    host = nginx(tmp_path, f"server {{ {TLS} }} server {{ listen 443 ssl; server_name ~^x\\d; ssl_certificate /x; }}")
    assert one(asked(host, "level", tmp_path), "~").status == "error"


def test_without_probes_the_files_may_do(tmp_path: Path, network: Any) -> None:
    lines = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1;"

    class WithOpenssl(web_host.WebHost):
        def run(self, *argv: str, ok: Any = (0,), timeout: Any = None) -> Any:
            return Host.run(self, *argv) if argv[0] == "openssl" else super().run(*argv, ok=ok, timeout=timeout)

    def level(text: str) -> Finding:
        base = nginx(tmp_path, f"server {{ {text} }}")
        assert isinstance(base, web_host.WebHost)
        return one(asked(WithOpenssl(base.running), "level", tmp_path, probe=False))

    found = level(TLS.replace("ssl_ciphers x", "ssl_ciphers ECDHE+AESGCM") + lines)
    assert (found.status, found.proof) == ("pass", "running")
    assert "probes are switched off" in found.observed
    # Debian 12's nginx.conf lists what its OpenSSL refuses
    old = level(TLS.replace("ssl_ciphers x", "ssl_ciphers ECDHE+AESGCM") + lines.replace("TLSv1.2", "TLSv1 TLSv1.2"))
    assert old.status == "error" and "TLSv1" in old.observed
    assert level(TLS.replace("ssl_ciphers x", "ssl_ciphers HIGH") + lines).status == "error"
    assert level(TLS.replace("ssl_ciphers x;", "")).status == "error"


# -- level: virtual hosts without TLS ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("http", "status"),
    [
        ("server { listen 80; server_name a.example; root /w; }", "fail"),
        ("server { listen 80; root /w; }", "fail"),
        ("server { listen 80; server_name a.example; return 301 https://$host$request_uri; }", "pass"),
        ("server { listen 80; server_name a.example; return 301 http://www.a.example/; }", "pass"),
        ("server { listen 80; return 444; }", "pass"),
        ("server { listen 80; return 404; }", "pass"),
        ("server { listen 80; location /.well-known/acme-challenge/ { root /w; } location / { return 403; } }", "pass"),
        ("server { listen 80; if ($cookie_a) { return 200; } return 301 https://$host/; }", "error"),
        ("server { listen 443; server_name a.example; return 301 https://b.example/; }", "fail"),
        ("server { listen 127.0.0.1:80; server_name a.example; root /w; }", "not_applicable"),
        ("server { listen 80; server_name a.example; set_real_ip_from 192.0.2.9; root /w; }", "error"),
        ("server { listen 10.1.2.3:80; server_name a.example; root /w; }", "error"),
        ("set_real_ip_from 192.0.2.9; server { listen 80; return 301 https://$host$request_uri; }", "pass"),
    ],
)
def test_plain_http_alone(tmp_path: Path, network: Any, http: str, status: str) -> None:
    found = one(asked(nginx(tmp_path, http), "level", tmp_path), "")
    assert found.status == status


def test_plain_http_beside_https_of_the_same_name_is_left_to_redirect(tmp_path: Path, network: Any) -> None:
    text = f"server {{ listen 80; server_name a.example; root /w; }} server {{ {TLS} }}"
    assert [found.status for found in asked(nginx(tmp_path, text), "level", tmp_path)] == ["pass", "pass"]


def test_plain_http_of_a_name_that_https_does_not_have_fails_and_says_where_it_falls(
    tmp_path: Path, network: Any
) -> None:
    text = f"server {{ listen 80; server_name b.example; root /w; }} server {{ {TLS} }}"
    found = one(asked(nginx(tmp_path, text), "level", tmp_path), "b.example")
    assert found.status == "fail"
    assert "https for b.example falls to a.example" in found.observed and "listen 443 ssl" in found.remedy


PROXIED = "server { listen 80; server_name a.example; set_real_ip_from 192.0.2.9; root /w; }"


@pytest.mark.parametrize(
    ("terminators", "addresses", "status"),
    [
        (["front1 198.51.100.9"], ["198.51.100.9"], "not_applicable"),
        (["front1 front1.example"], ["198.51.100.9"], "not_applicable"),
        (["front1 198.51.100.9 2001:db8::9"], ["198.51.100.9", "2001:db8::9"], "not_applicable"),
        (["front1 198.51.100.9", "front2 198.51.100.10"], ["198.51.100.9", "198.51.100.10"], "not_applicable"),
        (["front1 198.51.100.9"], ["203.0.113.80"], "error"),
        (["front1 198.51.100.9"], ["198.51.100.9", "203.0.113.80"], "error"),
        (["front1 198.51.100.9"], [], "error"),
    ],
)
def test_a_named_machine_in_front_judges_what_leads_to_it(
    tmp_path: Path,
    network: Any,
    monkeypatch: pytest.MonkeyPatch,
    terminators: list[str],
    addresses: list[str],
    status: str,
) -> None:
    known = {"a.example": tuple(addresses), "front1.example": ("198.51.100.9",)}
    monkeypatch.setattr(web_security, "resolved", lambda names: {name: known[name] for name in names if known[name]})
    for check in ("level", "certificate"):
        found = one(asked(nginx(tmp_path, PROXIED), check, tmp_path, terminators=terminators))
        assert (found.status, found.proof) == (status, "")
        assert ("judged on front1" in found.observed) is (status == "not_applicable")


def test_without_look_ups_no_machine_in_front_is_known_to_be_the_named_one(tmp_path: Path, network: Any) -> None:
    found = one(asked(nginx(tmp_path, PROXIED), "level", tmp_path, probe=False, terminators=["front1 198.51.100.9"]))
    assert found.status == "error"
    assert "where its names lead was not asked" in found.observed


def test_names_that_lead_elsewhere_make_it_unproven(
    tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_security, "resolved", lambda _names: {"a.example": ("198.51.100.9",)})
    host = nginx(tmp_path, f"server {{ {TLS} }}")
    for check in ("level", "certificate"):
        found = one(asked(host, check, tmp_path))
        assert found.status == "error"
        assert "a.example leads to 198.51.100.x, another machine" in found.observed


def test_apache_is_judged_like_nginx(tmp_path: Path, network: Any) -> None:
    (tmp_path / "a.pem").write_bytes(LEAF.pem)
    config = tmp_path / "apache2.conf"
    config.write_text(
        f"""Listen 80
Listen 443
<VirtualHost *:80>
ServerName a.example
Redirect permanent / https://a.example/
</VirtualHost>
<VirtualHost *:443>
ServerName a.example
SSLEngine on
SSLCertificateFile {tmp_path}/a.pem
</VirtualHost>
<VirtualHost *:80>
ServerName b.example
DocumentRoot /w
</VirtualHost>
"""
    )
    found = asked(web_host.apache(config), "level", tmp_path)
    assert [each.status for each in found] == ["pass", "pass", "fail"]
    assert "SSLEngine on" in found[2].remedy
    found = asked(web_host.apache(config), "certificate", tmp_path)
    assert [each.status for each in found] == ["not_applicable", "pass", "fail"]


# -- the rest of the host ---------------------------------------------------------------------------------------------


def listening(host: Host, program: str, port: int) -> Host:
    """The same host with another program that listens."""
    assert isinstance(host, web_host.WebHost)
    host.running.append(web_host.process(program, program, pid=424242, exe=f"/usr/bin/{program}"))
    host.listening.append(Listener("tcp", "0.0.0.0", port, (424242,)))  # noqa: S104  nobody binds to it
    return host


def test_without_a_web_server_it_is_not_applicable(tmp_path: Path, network: Any) -> None:
    for check in ("level", "certificate"):
        assert told(asked(web_host.WebHost(), check, tmp_path)) == {"web server": ("not_applicable", "")}


def test_an_unknown_listener_is_an_error(tmp_path: Path, network: Any) -> None:
    for check in ("level", "certificate"):
        assert one(asked(listening(web_host.WebHost(), "webthing", 443), check, tmp_path), "webthing").status == "error"


def test_a_front_is_judged_by_handshakes_for_the_names_that_are_known(tmp_path: Path, network: Any) -> None:
    host = listening(nginx(tmp_path, "server { listen 127.0.0.1:80; server_name a.example; root /w; }"), "caddy", 443)
    own: dict[str, Any] = {"own_sites": ["a.example"], "scope": "own"}
    for check in ("level", "certificate"):
        found = one(asked(host, check, tmp_path, **own), "a.example (caddy")
        assert (found.status, found.proof) == ("pass", "observed")
        assert not any(each.status == "error" for each in asked(host, check, tmp_path, **own))
        # which other sites it has nobody knows
        assert one(asked(host, check, tmp_path), "a.example (caddy").status == "pass"
        assert one(asked(host, check, tmp_path), "caddy").status == "error"
    network[None] = shown(ems=False, chains=[(issue("a.example").der,)])
    for check in ("level", "certificate"):
        assert one(asked(host, check, tmp_path), "a.example (caddy").status == "fail"


def test_a_front_that_no_known_name_is_answered_by_stays_unknown(tmp_path: Path, network: Any) -> None:
    network[None] = Endpoint("127.0.0.1", 443, "", unseen="every handshake is refused")
    found = one(asked(listening(web_host.WebHost(), "caddy", 443), "level", tmp_path, own_sites=["a.example"]), "caddy")
    assert found.status == "error" and "unknown listener caddy on :443" in found.observed


def test_a_front_with_another_port_is_only_known_if_that_is_plain_http_or_judged(tmp_path: Path, network: Any) -> None:
    def level(port: int) -> set[str]:
        host = listening(listening(web_host.WebHost(), "caddy", 443), "caddy", port)
        return {found.status for found in asked(host, "level", tmp_path, own_sites=["a.example"], scope="own")}

    network["127.0.0.1", 80, "a.example"] = Endpoint("127.0.0.1", 80, "", unseen=NO_TLS)
    network["127.0.0.1", 8443, "a.example"] = Endpoint("127.0.0.1", 8443, "", unseen="every handshake is refused")
    assert (level(80), level(8443)) == ({"pass"}, {"pass", "error"})


def test_https_by_a_front_on_this_host_counts_for_plain_http_behind_it(tmp_path: Path, network: Any) -> None:
    host = listening(nginx(tmp_path, "server { listen 8080; server_name a.example; root /w; }"), "haproxy", 443)
    found = asked(host, "level", tmp_path, own_sites=["a.example"], scope="own")
    assert [each.status for each in found] == ["pass", "pass"]


# -- certificate ------------------------------------------------------------------------------------------------------


def certified(tmp_path: Path, network: Any, issued: Issued, http: str = "", **settings: Any) -> Finding:
    """What is found of a certificate that is in the file and shown."""
    network[None] = shown(issued)
    host = nginx(tmp_path, http or f"server {{ {TLS} }}", issued)
    return one(asked(host, "certificate", tmp_path, **settings))


def test_a_trusted_certificate_for_all_names_that_certbot_renews_passes(tmp_path: Path, network: Any) -> None:
    found = certified(tmp_path, network, LEAF)
    assert (found.status, found.proof) == ("pass", "observed")
    assert "a trusted certificate for a.example, www.a.example" in found.observed
    assert re.search(r"certbot renews it \((89|90) days left, until ", found.observed)


@pytest.mark.parametrize(
    ("issued", "says"),
    [
        (issue(*NAMES), "is not trusted"),
        (issue(*NAMES, by=issue(authority=True, subject="Another")), "issued by CN=Another"),
        (issue("a.example", by=ROOT), "the certificate is for a.example, not for www.a.example"),
        (issue("b.example", by=ROOT), "not for a.example, www.a.example"),
        (issue(by=ROOT, subject="a.example"), "is for no name"),
        (issue(*NAMES, by=ROOT, start=NOW - 90 * DAY, end=NOW - 3 * DAY), "ended 3 days ago"),
        (issue(*NAMES, by=ROOT, start=NOW + DAY), "is not valid before"),
        (issue(*NAMES, by=issue(authority=True, subject="Between", by=ROOT)), "a trusted certificate"),
    ],
)
def test_what_visitors_would_not_trust_fails(tmp_path: Path, network: Any, issued: Issued, says: str) -> None:
    found = certified(tmp_path, network, issued)
    assert found.status == ("pass" if says.startswith("a trusted") else "fail")
    assert says in found.observed


def test_an_intermediate_that_is_not_sent_breaks_the_chain(tmp_path: Path, network: Any) -> None:
    issued = issue(*NAMES, by=issue(authority=True, subject="Between", by=ROOT))
    network[None] = shown(chains=[(issued.der,)])
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}", issued), "certificate", tmp_path))
    assert found.status == "fail" and "is not trusted" in found.observed


@pytest.mark.parametrize(
    ("name", "bears", "status"),
    [
        ("*.a.example", ["*.a.example"], "pass"),
        ("*.a.example", ["x.a.example"], "error"),
        ("*.a.example", ["b.example"], "fail"),
        (".a.example", ["*.a.example", "a.example"], "pass"),
        (".a.example", ["*.a.example"], "fail"),
        ("x.a.example", ["*.a.example"], "pass"),
        ("~^(x|y)[.]a[.]example$", ["x.a.example"], "error"),
        ("x.a.example _", ["x.a.example"], "pass"),
        ("www.a.*", ["www.a.example"], "error"),
    ],
)
def test_names_with_wildcards_and_expressions(
    tmp_path: Path, network: Any, name: str, bears: list[str], status: str
) -> None:
    text = f'server {{ listen 443 ssl default_server; server_name "{name.replace(" ", chr(34) + " " + chr(34))}"; '
    issued = issue(*bears, by=ROOT)
    network[None] = shown(issued)
    host = nginx(tmp_path, f"{text} ssl_certificate {{tmp}}/a.pem; root /w; }}", issued)
    assert one(asked(host, "certificate", tmp_path), "").status == status


def test_a_default_for_unknown_names_may_show_any_certificate_beside_others(
    tmp_path: Path, network: Any, leads: dict[str, tuple[str, ...]]
) -> None:
    network["192.0.2.1", 443, None] = shown(issue("snakeoil.invalid"))
    default = "server { listen 443 ssl default_server; server_name _; ssl_certificate /x; return 404; }"
    http = f"{default} server {{ {TLS} }}"
    host = nginx(tmp_path, http)
    assert {found.status for found in asked(host, "certificate", tmp_path)} == {"pass"}
    # nor does an own site matter that is on another host, but one that leads here does
    found = asked(host, "certificate", tmp_path, own_sites=["c.example"])
    assert one(found, "default of").status == "pass"
    leads["c.example"] = ("192.0.2.1",)
    found = asked(nginx(tmp_path, http), "certificate", tmp_path, own_sites=["c.example"])
    assert one(found, "default of").status == "fail"


@pytest.mark.parametrize("check", ["level", "certificate"])
def test_an_own_site_that_falls_to_anothers_virtual_host_is_judged(
    tmp_path: Path, network: Any, leads: dict[str, tuple[str, ...]], check: str
) -> None:
    leads.update({"a.example": ("192.0.2.1",), "c.example": ("192.0.2.1",), "d.example": ("198.51.100.1",)})
    network["192.0.2.1", 443, "b.example"] = shown(issue("b.example", key="2048"))
    default = "server { listen 443 ssl default_server; server_name b.example; ssl_certificate /x; root /w; }"
    host = nginx(tmp_path, f"{default} server {{ {TLS} }}")
    found = asked(host, check, tmp_path, own_sites=["a.example", "c.example"], scope="own")
    assert [told(found)[name][0] for name in ("a.example", "b.example")] == ["pass", "fail"]
    # one that leads to another machine is nobody's here
    host = nginx(tmp_path, f"{default} server {{ {TLS} }}")
    found = asked(host, check, tmp_path, own_sites=["a.example", "d.example"], scope="own")
    assert [each.status for each in found] == ["pass"]


def test_an_only_virtual_host_without_names_is_judged_by_own_sites(
    tmp_path: Path, network: Any, leads: dict[str, tuple[str, ...]]
) -> None:
    leads.update({"a.example": ("192.0.2.1",), "c.example": ("192.0.2.1",)})
    text = "server { listen 443 ssl; server_name _; ssl_certificate {tmp}/a.pem; root /w; }"
    host = nginx(tmp_path, text)
    found = one(asked(host, "certificate", tmp_path), "")
    assert found.status == "error" and "names no site" in found.observed
    assert one(asked(host, "certificate", tmp_path, own_sites=["a.example"]), "").status == "pass"
    assert one(asked(host, "certificate", tmp_path, own_sites=["c.example"]), "").status == "fail"


def test_a_newer_certificate_in_the_file_than_shown_asks_for_a_reload(tmp_path: Path, network: Any) -> None:
    network[None] = shown(issue(*NAMES, by=ROOT, end=NOW + 40 * DAY))
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "certificate", tmp_path))
    assert found.status == "error" and "holds a newer certificate" in found.observed


@pytest.mark.parametrize(
    ("who", "days", "status"),
    [
        (Renewal("certbot", "x", reloads=True), 60, "pass"),
        (Renewal("certbot", "x", reloads=True), 29, "pass"),
        (Renewal("certbot", "x", reloads=True), 14, "fail"),
        (Renewal("certbot", "x", reloads=True, failed="exit-code"), 60, "pass"),
        (Renewal("certbot", "x", reloads=True, failed="exit-code"), 29, "fail"),
        (Renewal("certbot", "x", reloads=False), 60, "error"),
        (Renewal("certbot", "x", reloads=None), 60, "pass"),
        (Renewal("certbot", "x", faults=("nothing runs certbot renew regularly",), reloads=True), 80, "fail"),
        (Renewal("", "x"), 60, "pass"),
        (Renewal("", "x"), 29, "error"),
        (Renewal("", "x"), 6, "fail"),
        (Renewal("", "x", unseen="systemctl failed"), 60, "pass"),
        (Renewal("", "x", unseen="systemctl failed"), 6, "error"),
        (Renewal("copy", "x", unseen="copy names the file"), 29, "error"),
    ],
)
def test_who_renews_and_how_many_days_are_left(
    tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch, who: Renewal, days: int, status: str
) -> None:
    monkeypatch.setattr(web_tls_certificate, "renewal", lambda _host, _path, _server: who)
    end = NOW + days * DAY + dt.timedelta(hours=1)
    found = certified(tmp_path, network, issue(*NAMES, by=ROOT, start=end - 90 * DAY, end=end))
    assert found.status == status
    assert f"{days} days left" in found.observed or "days left, and has not" in found.observed


def test_an_intermediate_that_ends_first_counts(tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_tls_certificate, "renewal", lambda _host, _path, _server: Renewal("", "x"))
    between = issue(authority=True, subject="Between", by=ROOT, end=NOW + 5 * DAY)
    assert certified(tmp_path, network, issue(*NAMES, by=between)).status == "fail"


def test_an_ended_certificate_that_the_chain_does_not_need_does_not_count(tmp_path: Path, network: Any) -> None:
    ended = issue(authority=True, subject="Crossed", by=ROOT, start=NOW - 9 * DAY, end=NOW - DAY)
    network[None] = shown(chains=[(LEAF.der, ended.der)])
    assert one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "certificate", tmp_path)).status == "pass"


def test_mod_md_and_caddy_renew_by_themselves(tmp_path: Path, network: Any) -> None:
    config = tmp_path / "apache2.conf"
    config.write_text(
        "Listen 443\nMDomain a.example www.a.example\n<VirtualHost *:443>\nServerName a.example\nSSLEngine on\n"
        "</VirtualHost>\n"
    )
    found = one(asked(web_host.apache(config), "certificate", tmp_path))
    assert found.status == "pass" and "mod_md renews it" in found.observed
    front = one(asked(listening(web_host.WebHost(), "caddy", 443), "certificate", tmp_path, own_sites=["a.example"]))
    assert front.status == "pass" and "caddy renews it" in front.observed


def test_without_probes_the_files_certificates_are_judged(tmp_path: Path, network: Any) -> None:
    network.clear()  # no handshake may be made
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}"), "certificate", tmp_path, probe=False))
    assert (found.status, found.proof) == ("pass", "running")
    found = one(asked(nginx(tmp_path, f"server {{ {TLS} }}", issue("b.example", by=ROOT)), "certificate", tmp_path,
                      probe=False))  # fmt: skip
    assert found.status == "fail"
    text = TLS.replace("{tmp}/a.pem", "$ssl_server_name.pem")
    assert one(asked(nginx(tmp_path, f"server {{ {text} }}"), "certificate", tmp_path, probe=False)).status == "error"


def test_each_name_is_asked_for_where_the_certificate_depends_on_it(tmp_path: Path, network: Any) -> None:
    text = TLS.replace("{tmp}/a.pem", "/certificates/$ssl_server_name.pem")
    network["192.0.2.1", 443, "a.example"] = shown(issue("a.example", by=ROOT))
    ended = issue("www.a.example", by=ROOT, end=NOW - DAY, start=NOW - 9 * DAY)
    network["192.0.2.1", 443, "www.a.example"] = shown(ended)
    found = one(asked(nginx(tmp_path, f"server {{ {text} }}"), "certificate", tmp_path))
    assert found.status == "fail" and "ended 1 days ago" in found.observed


def test_more_names_than_can_be_asked_for_are_not_passed_over(tmp_path: Path, network: Any) -> None:
    names = " ".join(f"s{number}.example" for number in range(101))
    text = f"listen 443 ssl; server_name {names}; ssl_certificate /c/$ssl_server_name.pem;"
    found = asked(nginx(tmp_path, f"server {{ {text} }}"), "certificate", tmp_path)[0]
    assert found.status == "error" and "of its 101 names 100 could be asked" in found.observed
    text = f"server {{ listen 127.0.0.1:80; server_name {names}; }}"
    found = asked(listening(nginx(tmp_path, text), "caddy", 443), "level", tmp_path)
    assert one(found, "caddy").status == "error"


def test_openssl_that_is_not_there_leaves_trust_open(
    tmp_path: Path, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(*_what: Any) -> None:
        raise Unseen("the command openssl is not on the host")

    monkeypatch.setattr(x509, "verify", unseen)
    found = certified(tmp_path, network, LEAF)
    assert found.status == "error" and "openssl is not on the host" in found.observed


def test_where_nothing_has_tls_the_certificate_is_missing(tmp_path: Path, network: Any) -> None:
    host = nginx(tmp_path, "server { listen 80; server_name a.example; root /w; } server { listen [::1]:8; root /w; }")
    assert told(asked(host, "certificate", tmp_path)) == {
        "a.example": ("fail", "configured"), "default of ::1:8": ("not_applicable", "")
    }  # fmt: skip


def test_one_that_only_leads_elsewhere_needs_no_certificate(tmp_path: Path, network: Any) -> None:
    host = nginx(tmp_path, "server { listen 80; server_name a.example; return 301 https://b.example$request_uri; }")
    assert told(asked(host, "certificate", tmp_path)) == {"a.example": ("not_applicable", "")}


def test_a_certificate_that_nothing_is_promised_of(tmp_path: Path, network: Any) -> None:
    host = nginx(tmp_path, f"server {{ {TLS} }}", issue("b.example"))
    assert {found.status for found in asked(host, "certificate", tmp_path, certificate=False)} == {"pass"}


# -- the norm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "level"),
    [
        ("protocol", "TLSv1.3", "good"), ("protocol", "TLSv1.2", "sufficient"), ("protocol", "TLSv1.1", "insufficient"),
        ("suite", "TLS_AES_256_GCM_SHA384", "good"), ("suite", "TLS_AES_128_GCM_SHA256", "sufficient"),
        ("suite", "ECDHE-RSA-CHACHA20-POLY1305", "sufficient"), ("suite", "ECDHE-ECDSA-AES128-CCM", "sufficient"),
        ("suite", "ECDHE-ECDSA-AES128-CCM8", "insufficient"), ("suite", "ECDHE-RSA-AES256-SHA", "insufficient"),
        ("suite", "ECDHE-RSA-AES256-SHA384", "to be phased out"), ("suite", "AES256-GCM-SHA384", "insufficient"),
        ("suite", "DHE-RSA-AES128-CCM", "to be phased out"), ("suite", "DHE-RSA-AES128-CCM8", "insufficient"),
        ("suite", "ECDHE-ARIA256-GCM-SHA384", "to be phased out"), ("suite", "ADH-AES256-GCM-SHA384", "insufficient"),
        ("suite", "DHE-DSS-AES256-GCM-SHA384", "insufficient"), ("suite", "0xC0B5", "insufficient"),
        ("suite", "ECDHE-RSA-CAMELLIA256-SHA384", "to be phased out"), ("suite", "PSK-AES256-CBC-SHA", "insufficient"),
        ("group", "X25519MLKEM768", "good"), ("group", "prime256v1", "sufficient"), ("group", "X448", "sufficient"),
        ("group", "ffdhe3072", "to be phased out"), ("group", "ffdhe2048", "insufficient"),
        ("group", "secp256k1", "insufficient"), ("hash", "SHA-256", "good"), ("hash", "SHA-224", "to be phased out"),
        ("hash", "SHA-1", "insufficient"), ("hash", "1.2.3.4", "insufficient"),
    ],
)  # fmt: skip
def test_the_level_of_a_name(kind: str, name: str, level: str) -> None:
    assert web_tls_norm.level(kind, name) == level


@pytest.mark.parametrize(
    ("key", "level"),
    [
        (("RSA", 4096, ""), "good"), (("RSA", 3072, ""), "good"), (("RSA", 3071, ""), "to be phased out"),
        (("RSA", 2048, ""), "to be phased out"), (("RSA", 1024, ""), "insufficient"),
        (("EC", 256, "prime256v1"), "good"), (("EC", 224, "secp224r1"), "to be phased out"),
        (("EC", 256, "secp256k1"), "insufficient"), (("Ed25519", 256, ""), "good"), (("DSA", 3072, ""), "insufficient"),
        (("ML-DSA-65", 0, ""), "insufficient"),
    ],
)  # fmt: skip
def test_the_level_of_a_key(key: tuple[str, int, str], level: str) -> None:
    assert web_tls_norm.key_level(*key) == level
