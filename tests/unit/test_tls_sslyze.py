# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The suites that we find are those that sslyze finds, protocol by protocol, at servers in many settings."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services.tls_endpoint import Endpoint, endpoint
from tests.unit.tls_servers import Issued, issue, openssl_server

SSLYZE = Path(sys.executable).parent.parent / "sslyze" / "bin" / "sslyze"
PROTOCOLS = {
    "ssl_3_0": "SSLv3", "tls_1_0": "TLSv1", "tls_1_1": "TLSv1.1", "tls_1_2": "TLSv1.2", "tls_1_3": "TLSv1.3"
}  # fmt: skip
# What it does not ask for, and OpenSSL's server accepts where everything is allowed.
UNKNOWN_TO_SSLYZE = {"ADH-CAMELLIA128-SHA256", "ADH-CAMELLIA256-SHA256"}
RSA = issue("shop.example", key="2048")
ELLIPTIC = issue("shop.example")

SERVERS: dict[str, tuple[Issued, tuple[str, ...]]] = {
    "modern": (ELLIPTIC, ("-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20")),
    "as it comes": (RSA, ()),
    "everything old": (RSA, ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")),
    "TLS 1.0 alone": (RSA, ("-tls1", "-cipher", "ALL:@SECLEVEL=0")),
    "TLS 1.3 alone": (ELLIPTIC, ("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256:TLS_AES_256_GCM_SHA384")),
    "without an elliptic curve": (RSA, ("-tls1_2", "-cipher", "DHE:kRSA", "-serverpref")),
    "one suite": (ELLIPTIC, ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-CCM8", "-serverpref")),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Endpoint, dict[str, Any]]]:
    """By server, what we saw and what sslyze saw, which looks at all of them at the same time."""
    folder = tmp_path_factory.mktemp("sslyze")
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(openssl_server(folder, issued, *options))
            for name, (issued, options) in SERVERS.items()
        }
        ours = {name: endpoint(Host(), "127.0.0.1", port, "shop.example") for name, port in ports.items()}
        asked = ["--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--sni", "shop.example"]
        said = folder / "said.json"
        targets = [f"127.0.0.1:{port}" for port in ports.values()]
        # its exit status judges the servers by Mozilla's advice
        subprocess.run([SSLYZE, "--json_out", said, *asked, *targets], capture_output=True, check=False, timeout=120)
        results = json.loads(said.read_text())["server_scan_results"]
    theirs = {result["server_location"]["port"]: result["scan_result"] for result in results}
    return {name: (ours[name], theirs[port]) for name, port in ports.items()}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("key", "protocol"), PROTOCOLS.items(), ids=PROTOCOLS.values())
def test_the_suites_are_those_of_sslyze(
    key: str, protocol: str, server: str, seen: dict[str, tuple[Endpoint, dict[str, Any]]]
) -> None:
    ours, theirs = seen[server]
    result = theirs[f"{key}_cipher_suites"]["result"]
    accepted, rejected = (
        {one["cipher_suite"]["openssl_name"] for one in result[f"{verdict}_cipher_suites"]}
        for verdict in ("accepted", "rejected")
    )
    found = set(ours.suites.get(protocol, []))
    assert ours.protocols[protocol] == bool(accepted)
    assert found - UNKNOWN_TO_SSLYZE == accepted
    assert not UNKNOWN_TO_SSLYZE & (accepted | rejected)
