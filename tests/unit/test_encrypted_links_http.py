# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: HTTP services, virtual hosts that are APIs, and what other hosts answer in plain."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.encrypted_links import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    outgoing,
    plain_clients,
    plain_mail,
    spoken,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.plain_clients import Plain
from tests.unit import web_host
from tests.unit.link_host import EVERYWHERE, LinkHost, findings, question, statuses
from tests.unit.tls_servers import issue, openssl_server, own_server

_RUN = {check.name: check.run for check in CHECKS}
check_http, check_observed = _RUN["http"], _RUN["observed"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests listen on loopback; sockets of the host are asked there."""
    monkeypatch.setattr(spoken, "own_address", lambda _host, _address: "127.0.0.1")
    monkeypatch.setattr(plain_clients, "_GREETING_S", 0.1)


def answers(data: bytes, *, asked: bool = True) -> Callable[[socket.socket], None]:
    """A server that answers whatever it is sent so, or says so by itself."""

    def serve(connection: socket.socket) -> None:
        connection.settimeout(2)
        if not asked or connection.recv(4096):
            connection.sendall(data)

    return serve


def listening(program: str, port: int) -> LinkHost:
    return LinkHost().start(f"/opt/{program}").listen(program, port)


def served(program: str, data: bytes, *, asked: bool = True, probe: bool = True) -> Finding:
    """What is found of a program that answers so."""
    with own_server(answers(data, asked=asked)) as port:
        (found,) = findings(check_http, listening(program, port), "accepts", probe=probe)
    return found


@pytest.mark.parametrize(
    ("program", "data", "status", "why"),
    [
        ("api", OK, "fail", "answers plain HTTP (status 200)"),
        ("api", b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n", "fail", "answers plain HTTP (status 301)"),
        ("api", b"HTTP/1.0 401 Unauthorized\r\n\r\n", "fail", "answers plain HTTP (status 401)"),
        ("node_exporter", OK, "fail", "answers plain HTTP"),
        ("nginx", OK, "error", "nginx"),  # whose files cannot be read
        ("api", b"HTTP/1.1 426 Upgrade Required\r\n\r\n", "pass", "refuses a plain request"),
        (
            "api", b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "pass",
            "refuses a plain request",
        ),
        ("api", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + 18 * b"\0", "fail", "HTTP/2 without TLS"),
        ("thing", b"what?\r\n", "error", "unknown listener thing"),
        ("memcached", b"ERROR\r\n", "fail", "serves without TLS"),
        ("munin-node", b"# munin\n", "error", "not judged"),
        ("rsync", b"@RSYNCD: 31.0\n", "fail", "knows no encryption"),
    ],
)  # fmt: skip
def test_what_is_answered_in_plain(program: str, data: bytes, status: str, why: str) -> None:
    found = served(program, data)
    assert found.status == status
    assert why in found.observed
    assert found.proof == ("observed" if status != "error" else "")


def test_ssh_is_encrypted() -> None:
    assert served("forgejo", b"SSH-2.0-Go\r\n", asked=False).status == "pass"


@pytest.mark.parametrize(("data", "status"), [(b"HTTP/1.1 308 Permanent Redirect\r\n\r\n", "pass"), (OK, "error")])
def test_visitors_sites_of_other_programs_are_judged_elsewhere(
    monkeypatch: pytest.MonkeyPatch, data: bytes, status: str
) -> None:
    from ansible_collections.privacy.hosting.plugins.module_utils._checks import encrypted_links_http as checks

    with own_server(answers(data)) as port:
        monkeypatch.setattr(checks, "_WEB_PORTS", (port,))
        assert statuses(check_http, listening("caddy", port), "accepts", probe=True) == [status]


def test_nobody_is_asked_without_probes() -> None:
    found = served("api", OK, probe=False)
    assert found.status == "error"
    assert "audit_probe" in found.observed


def test_a_program_that_speaks_as_mariadb_is_left_alone() -> None:
    greeting = b"\x0a11.8.3-MariaDB\0" + 60 * b"\0"
    told = len(greeting).to_bytes(3, "little") + b"\0" + greeting
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(2)
        connection.sendall(told)
        heard.append(connection.recv(4096))
        connection.sendall(b"\x09\0\0\2\xff\x15\x04#28000")

    with own_server(serve) as port:
        (found,) = findings(check_http, listening("docker-proxy", port), "accepts", probe=True)
    assert found.status == "error"
    assert "speaks as MariaDB" in found.observed
    assert not any(b"HTTP" in one or one[:1] == b"\x16" for one in heard)


@pytest.fixture
def https(tmp_path: Path) -> Iterator[int]:
    with openssl_server(tmp_path, issue("api.example")) as port:
        yield port


def test_tls_alone_passes(https: int) -> None:
    (found,) = findings(check_http, listening("api", https), "accepts", probe=True)
    assert (found.status, found.proof) == ("pass", "observed")
    assert found.subject == f"http: api :{https}"


def test_old_tls_fails(tmp_path: Path) -> None:
    with openssl_server(tmp_path, issue("api.example"), "-cipher", "ALL:@SECLEVEL=0", "-min_protocol", "TLSv1") as port:
        (found,) = findings(check_http, listening("api", port), "accepts", probe=True)
    assert found.status == "fail"
    assert "TLSv1.1 too" in found.observed


def test_whether_mongod_takes_plain_connections_too_is_not_told(https: int) -> None:
    assert statuses(check_http, listening("mongod", https), "accepts", probe=True) == ["error"]


@pytest.mark.parametrize("program", ["postgres", "mariadbd", "redis-check-rdb", "valkey-check-rdb", "slapd"])
def test_databases_that_other_checks_judge_are_not_asked(program: str) -> None:
    assert statuses(check_http, listening(program, 6379), "accepts", probe=True) == ["not_applicable"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"331 Please specify the password.\r\n", "fail"),
        (b"530 Non-anonymous sessions must use encryption.\r\n", "pass"),
        (b"530 Permission denied.\r\n", "error"),
    ],
)
def test_ftp(answer: bytes, status: str) -> None:

    def serve(connection: socket.socket) -> None:
        connection.settimeout(2)
        connection.sendall(b"220 (vsFTPd 3.0.5)\r\n")
        if connection.recv(64).startswith(b"USER"):
            connection.sendall(answer)
            connection.recv(64)

    with own_server(serve) as port:
        (found,) = findings(check_http, listening("vsftpd", port), "accepts", probe=True)
    assert found.status == status
    assert found.subject == f"other: vsftpd :{port}"


def test_what_cannot_be_seen_or_was_not_asked_is_unproven() -> None:
    host = LinkHost().start("/usr/lib/systemd/systemd").listen("/systemd", 9090)
    assert statuses(check_http, host, "accepts", probe=True) == ["error"]
    nfs = LinkHost().listen("", 2049)
    (found,) = findings(check_http, nfs, "accepts", probe=True)
    assert (found.status, found.subject) == ("error", "other: NFS :2049")


@pytest.mark.parametrize(
    "program", ["sshd", "master", "dovecot", "postgres", "mariadbd", "rsyslogd", "named", "rpcbind"]
)
def test_programs_that_others_judge_are_left_out(program: str) -> None:
    host = LinkHost().start(f"/usr/sbin/{program}").listen(program, 7)
    assert statuses(check_http, host, "accepts", probe=True) == ["not_applicable"]


def test_what_only_the_host_reaches_is_no_link() -> None:
    host = LinkHost().start("/opt/api").listen("api", 8000, "127.0.0.1").listen("api", 8000, "::1", "tcp6")
    assert statuses(check_http, host, "accepts", probe=True) == ["not_applicable"]
    assert statuses(check_http, host, "accepts", accepts=["syslog"]) == []


def test_a_tunnel_carries_a_plain_service(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.privacy.hosting.plugins.module_utils._checks import encrypted_links_http as checks
    from ansible_collections.privacy.hosting.plugins.module_utils._services.tunnels import Way

    for good, status in ((True, "pass"), (None, "error")):
        way = Way(good, "WireGuard wg0")
        monkeypatch.setattr(checks, "through", lambda _host, _networks, _place, way=way: way)
        with own_server(answers(OK)) as port:
            assert statuses(check_http, listening("api", port), "accepts", probe=True) == [status]


# -- virtual hosts that are APIs --------------------------------------------------------------------------------------

SITE = """
server {{ listen 80; listen [::]:80; server_name api.example; {plain} }}
server {{ listen 443 ssl; server_name api.example; ssl_certificate /c; ssl_certificate_key /k; }}
"""


def nginx(folder: Path, sites: str) -> Host:
    (folder / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{sites}\n}}\n")
    return web_host.nginx(folder / "nginx.conf")


@pytest.mark.parametrize(
    ("plain", "status"),
    [
        ("return 403;", "pass"),
        ("return 444;", "pass"),
        ("return 301 https://$host$request_uri;", "fail"),
        ("location / { proxy_pass http://127.0.0.1:8000; }", "fail"),
        ("location / { if ($x) { return 403; } proxy_pass http://127.0.0.1:8000; }", "error"),
    ],
)
def test_an_api_refuses_plain_requests(tmp_path: Path, plain: str, status: str) -> None:
    found = findings(check_http, nginx(tmp_path, SITE.format(plain=plain)), "accepts", apis=["api.example"])
    assert {one.status for one in found} == {status}
    assert all(one.subject == "http: api.example (nginx, port 80)" for one in found)


def test_the_default_of_a_plain_port_answers_for_an_api_too(tmp_path: Path) -> None:
    sites = SITE.format(plain="return 403;").split("\n")[2]
    assert statuses(check_http, nginx(tmp_path, sites), "accepts", apis=["api.example"]) == ["pass"]
    other = "server { listen 80; server_name www.example; return 301 https://$host$request_uri; }"
    (found,) = findings(check_http, nginx(tmp_path, f"{sites}\n{other}"), "accepts", apis=["api.example"])
    assert found.status in ("fail", "error")


def test_an_unknown_name_is_unproven(tmp_path: Path) -> None:
    (found,) = findings(
        check_http, nginx(tmp_path, SITE.format(plain="return 403;")), "accepts", apis=["other.example"]
    )
    assert found.status == "error"
    assert "no virtual host" in found.observed


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "pass"),
        (b"", "pass"),
        (OK, "fail"),
        (b"HTTP/1.1 301 Moved\r\n\r\n", "fail"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "pass"),
    ],
)
def test_an_api_is_asked_too(tmp_path: Path, data: bytes, status: str) -> None:
    with own_server(answers(data)) as port:
        host = nginx(tmp_path, f"server {{ listen {port}; server_name api.example; return 403; }}")
        (found,) = findings(check_http, host, "accepts", apis=["api.example"], probe=True)
    assert found.status == status


# -- seen from another host -------------------------------------------------------------------------------------------


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What clients get, by kind; ABSENT where nothing is told."""
    told: dict[str, str] = {}
    for module in (plain_clients, plain_mail):
        kinds = {kind: _client(kind, told) for kind in module.CLIENTS}
        monkeypatch.setattr(module, "CLIENTS", kinds)
    monkeypatch.setattr(outgoing, "resolved", lambda _names: {})
    return told


def _client(kind: str, told: dict[str, str]) -> Callable[[str, int], Plain]:
    return lambda _address, port: Plain(told.get(kind, plain_clients.ABSENT), f"told of {port}")


def seen(**settings: object) -> dict[str, str]:
    found = check_observed(Host(), question(probe=True, observes=["data1 192.0.2.14"], **settings), "accepts")
    return {one.subject: one.status for one in found}


def test_what_other_hosts_have_is_seen_from_here(answered: dict[str, str]) -> None:
    assert set(seen().values()) == {"pass"}
    assert "mariadb at data1:3306" not in seen()
    answered.update(postgresql=plain_clients.ANSWERED, imap=plain_clients.REFUSED, redis=plain_clients.OTHER)
    told = seen()
    assert told["postgresql at data1:5432"] == "fail"
    assert told["imap at data1:143"] == "pass"
    assert told["redis at data1:6379"] == "error"
    answered["ldap"] = plain_clients.DENIED
    assert "ldap at data1:389" not in seen()


def test_nothing_is_tried_that_was_not_asked(answered: dict[str, str]) -> None:
    answered["imap"] = plain_clients.ANSWERED
    assert set(seen(accepts=["pop3"])) == {"pop3 at data1:110"}
    assert list(check_observed(Host(), question(probe=False, observes=["data1 192.0.2.14"]), "accepts")) == []
    assert list(check_observed(Host(), question(probe=True), "accepts")) == []


def test_a_host_without_an_address_is_unproven(answered: dict[str, str]) -> None:
    found = list(check_observed(Host(), question(probe=True, accepts=["imap"], observes=["data1"]), "accepts"))
    assert [one.status for one in found] == ["error"]


@pytest.mark.parametrize(
    ("kind", "talk", "answer"),
    [
        ("imap", [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\nc OK done\r\n"], "answered"),
        ("imap", [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nc OK done\r\n"], "refused"),
        ("pop3", [b"+OK ready\r\n", b"+OK\r\nUSER\r\nSTLS\r\n.\r\n"], "answered"),
        ("pop3", [b"+OK ready\r\n", b"+OK\r\nSTLS\r\n.\r\n"], "refused"),
        ("managesieve", [b'"SASL" ""\r\n"STARTTLS"\r\nOK "ready"\r\n'], "refused"),
        ("managesieve", [b'"SASL" "PLAIN"\r\nOK "ready"\r\n'], "answered"),
        ("submission", [b"220 x\r\n", b"250-x\r\n250 AUTH PLAIN\r\n", b"221 bye\r\n"], "answered"),
        ("submission", [b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"221 bye\r\n"], "refused"),
        ("imap", [b"220 ftp\r\n"], "silent"),
    ],
)
def test_clients_of_mail(kind: str, talk: list[bytes], answer: str) -> None:

    def serve(connection: socket.socket) -> None:
        connection.settimeout(2)
        for number, line in enumerate(talk):
            if number:
                connection.recv(4096)
            connection.sendall(line)

    with own_server(serve) as port:
        assert plain_mail.CLIENTS[kind]("127.0.0.1", port).answer == answer


def test_what_takes_lines_is_asked_for_tls(https: int) -> None:
    assert plain_mail.ask_syslog("127.0.0.1", https).answer == plain_clients.REFUSED
    with own_server(answers(b"what?")) as port:
        assert plain_mail.ask_syslog("127.0.0.1", port).answer != plain_clients.REFUSED
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    assert plain_mail.ask_syslog("127.0.0.1", free).answer == plain_clients.ABSENT


def test_a_socket_of_all_addresses_is_asked_at_one_of_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert spoken.own_address(LinkHost(), EVERYWHERE) == "192.0.2.13"
    assert spoken.own_address(LinkHost(), "::") == "192.0.2.13"
    assert spoken.own_address(LinkHost(), "192.0.2.7") == "192.0.2.7"
