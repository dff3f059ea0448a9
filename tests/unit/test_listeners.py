# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""Listeners: which belong to a service that is known, and which do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener
from ansible_collections.privacy.hosting.plugins.module_utils._services.listeners import unknown_listeners
from tests.unit.web_host import WebHost, process


@pytest.mark.parametrize(
    ("program", "listener", "told"),
    [
        ("sshd", Listener("tcp", "0.0.0.0", 22, (7,)), []),
        ("caddy", Listener("tcp6", "::", 443, (7,)), ["unknown listener caddy on :443"]),
        ("caddy", Listener("udp", "0.0.0.0", 443, (7,)), ["unknown listener caddy on :443"]),
        ("python3.11", Listener("tcp", "127.0.0.1", 8000, (7,)), []),
        ("python3.11", Listener("tcp6", "::1", 8000, (7,)), []),
        ("python3.11", Listener("tcp", "192.0.2.1", 8000, (7,)), ["unknown listener python3.11 on :8000"]),
        ("dhclient", Listener("udp", "0.0.0.0", 68, (7,)), []),
        ("systemd", Listener("tcp6", "::", 22, (7,)), []),
        ("systemd", Listener("tcp6", "::", 9090, (7,)), ["unknown listener systemd (a socket unit) on :9090"]),
        ("docker-proxy", Listener("tcp", "0.0.0.0", 80, (7,)), ["unknown listener docker-proxy on :80"]),
        ("sshd", Listener("tcp", "0.0.0.0", 2049, ()), []),
        ("sshd", Listener("tcp", "0.0.0.0", 80, ()), ["unknown listener (a process that cannot be seen) on :80"]),
    ],
)
def test_a_listener(program: str, listener: Listener, told: list[str]) -> None:
    host = WebHost([process(program, program, pid=7, exe=f"/usr/bin/{program} (deleted)")], [listener])
    assert [str(one) for one in unknown_listeners(host)] == told


def test_one_program_on_several_ports_is_told_once() -> None:
    ports = [Listener("tcp", "0.0.0.0", port, (7,)) for port in (443, 80)]
    host = WebHost([process("haproxy", "haproxy", pid=7)], ports)
    assert [str(one) for one in unknown_listeners(host)] == ["unknown listener haproxy on :80, :443"]


def test_a_web_server_in_a_container_is_told_though_its_ports_are_out_of_sight() -> None:
    contained = replace(process("caddy", "caddy", pid=7), contained=True)
    assert [str(one) for one in unknown_listeners(WebHost([contained]))] == [
        "unknown listener caddy on a container's ports"
    ]
