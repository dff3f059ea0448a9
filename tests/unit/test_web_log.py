# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""web_log: what it finds on hosts that log well, badly, and in ways that cannot be judged."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks.web_log import CHECKS, _shown_target
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.web_log import MEASURE
from tests.unit import web_host

ALL = ["domain", "path", "user_agent", "client_ip", "time", "method", "status"]
GOOD = """
map $request_uri $path { ~^(?<p>[^?]*) $p; }
log_format good '$host $remote_addr [$time_iso8601] "$request_method $path" $status "$http_user_agent"';
"""


def asked(
    host: Host, check: str, option: str = "fields", own_sites: Any = (), probe: bool = False, **settings: Any
) -> list[Finding]:
    """What one check finds."""
    table = {one.name: one.default for one in MEASURE.options}
    question = Question(settings, {**table, **settings}, own_sites, probe)
    (run,) = [one.run for one in CHECKS if one.name == check]
    return list(run(host, question, option))


def host_of(tmp_path: Path, http: str, **how: Any) -> Host:
    """A host whose nginx has this in its http block."""
    config = tmp_path / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{\n{http}\n}}\n")
    return web_host.nginx(config, **how)


def told(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    """Subject (without its ports) -> status and proof."""
    return {one.subject.partition(" (")[0]: (one.status, one.proof) for one in findings}


# -- fields -----------------------------------------------------------------------------------------------------------


def test_a_log_that_holds_all_passes_and_names_what_was_not_seen(tmp_path: Path) -> None:
    (found,) = asked(host_of(tmp_path, f"{GOOD}access_log /l/a good; server {{ server_name a.example; }}"), "fields")
    assert (found.status, found.proof) == ("pass", "running")
    assert "not seen, observed: probes are switched off" in found.observed
    assert found.source.endswith("nginx.conf:6")


def test_what_a_log_lacks_is_named_with_its_line_and_the_line_that_would_do(tmp_path: Path) -> None:
    host = host_of(tmp_path, "access_log /l/a;\nserver { server_name a.example; }\nserver { server_name b.example; }")
    first, _second = asked(host, "fields")
    assert (first.status, first.proof) == ("fail", "configured")
    assert first.observed.startswith("server: the log does not hold domain")
    assert first.source == f"{tmp_path}/nginx.conf:3"
    assert f"{tmp_path}/nginx.conf:3: write 'access_log /l/a visits;'" in first.remedy
    assert "log_format visits '$host" in first.remedy


@pytest.mark.parametrize(
    ("inside", "status", "observed"),
    [
        ("location /x { access_log off; }", "fail", "location /x: requests are not logged (access_log off)"),
        ("location /x { access_log off; allow 127.0.0.1; deny all; }", "pass", ""),
        ("access_log /dev/null;", "fail", "requests are not logged (access_log /dev/null)"),
        ("access_log /l/b; access_log /l/a good;", "pass", ""),
        ("access_log /l/a good if=$arg_x;", "error", "which requests if=$arg_x leaves out"),
        ("access_log /l/a good if=$person;", "fail", "not every request is logged (condition if=$person)"),
        ("access_log /l/a good if=$person; access_log /l/b good;", "pass", ""),
        ("location / { if ($arg_y) { access_log off; } }", "fail", "location / > if ($arg_y)"),
        ("location /a { access_log off; } location /b { access_log off; }", "fail", "(and 1 more place like it)"),
        ("set $mine x; access_log /l/a mine;", "error", "whether the log holds client_ip"),
        ("access_log syslog:server=192.0.2.1 good;", "error", "what is kept of it there was not looked at"),
        ("access_log syslog:server=192.0.2.1 good; access_log /l/a good;", "pass", ""),
        ("access_log syslog:server=192.0.2.1;", "fail", "the log does not hold"),
        ("access_log /dev/stdout good;", "error", "/dev/stdout"),
        ("access_log off; return 444;", "pass", ""),
        ("access_log off; if ($arg_x) { return 200; } return 444;", "fail", "server: requests are not logged"),
        ("access_log off; location /x { return 444; }", "fail", "server: requests are not logged"),
        ("listen 127.0.0.1:81; access_log off; location /status { stub_status; }", "pass", ""),
        ("listen 81; access_log off; location /status { stub_status; }", "fail", "requests are not logged"),
        ("listen 127.0.0.1:81; access_log off; root /srv; location /s { stub_status; }", "fail", "are not logged"),
    ],
)
def test_every_place_counts(tmp_path: Path, inside: str, status: str, observed: str) -> None:
    formats = (
        f"{GOOD}map $http_user_agent $person {{ default 1; ~bot 0; }}\n"
        'log_format mine \'$host $mine [$time_iso8601] "$request_method $path" $status "$http_user_agent"\';\n'
    )
    http = f"{formats}access_log /l/a good; server {{ server_name a.example; {inside} }}"
    (found,) = asked(host_of(tmp_path, http), "fields")
    assert found.status == status
    assert observed in found.observed


@pytest.mark.parametrize(
    ("names", "listen", "status"),
    [("a.example", "80", "pass"), ("a.example b.example", "80", "fail"), ("a.example", "81", "fail")],
)
def test_a_block_whose_names_an_earlier_one_has(tmp_path: Path, names: str, listen: str, status: str) -> None:
    """nginx ignores it: 'conflicting server name "a.example" on 0.0.0.0:80, ignored'."""
    first = f"{GOOD}access_log /l/a good; server {{ server_name a.example; }}"
    second = f"server {{ listen {listen}; server_name {names}; access_log off; }}"
    assert [finding.status for finding in asked(host_of(tmp_path, first + second), "fields")] == ["pass", status]


@pytest.mark.parametrize(
    ("names", "listen", "status"),
    [
        ("a.example", "80", "pass"),
        ("a.example www.a.example", "80", "pass"),
        ("a.example b.example", "80", "fail"),
        ("a.example shop.a.example", "80", "fail"),
        ("*.a.example", "80", "fail"),
        (".a.example", "80", "fail"),
        ("~^(.+)$", "80", "fail"),
        ("_", "80", "error"),
        ("a.example", "80 default_server", "error"),
    ],
)
@pytest.mark.parametrize("log", ["/l/own", "/l/shared by_name"])
def test_a_file_or_a_name_tells_the_domain_of_one_site_only(
    tmp_path: Path, names: str, listen: str, status: str, log: str
) -> None:
    http = (
        "log_format by_name '$server_name $remote_addr';\n"
        "server { server_name other.example; access_log /l/shared by_name; listen 8080; }\n"
        f"server {{ server_name {names}; listen {listen}; access_log {log}; }}"
    )
    assert asked(host_of(tmp_path, http), "fields", fields=["domain"])[1].status == status


def test_two_blocks_of_one_site_may_share_its_file(tmp_path: Path) -> None:
    http = (
        "server { server_name a.example; listen 80; access_log /l/a; return 301 https://a.example; }\n"
        "server { server_name a.example www.a.example; listen 443 ssl; access_log /l/a; }"
    )
    assert {one.status for one in asked(host_of(tmp_path, http), "fields", fields=["domain"])} == {"pass"}


@pytest.mark.parametrize(("inside", "status"), [("", "pass"), ("try_files $uri /index.php;", "error")])
def test_the_rewritten_path_is_the_path_only_where_nothing_rewrites(tmp_path: Path, inside: str, status: str) -> None:
    http = f"log_format x '$uri'; access_log /l/a x; server {{ server_name a.example; {inside} }}"
    assert asked(host_of(tmp_path, http), "fields", fields=["path"])[0].status == status


def test_files_that_were_not_loaded_prove_nothing(tmp_path: Path) -> None:
    http = f"{GOOD}access_log /l/a good; server {{ server_name a.example; }}"
    (found,) = asked(host_of(tmp_path, http, age_s=60), "fields")
    assert found.status == "error"
    assert "after it was loaded" in found.observed
    assert found.remedy == "Reload nginx, so that what runs is what the files say."


def test_bad_files_are_bad_whatever_runs(tmp_path: Path) -> None:
    (found,) = asked(host_of(tmp_path, "server { server_name a.example; access_log off; }", age_s=60), "fields")
    assert (found.status, found.proof) == ("fail", "configured")


# -- the whole host ---------------------------------------------------------------------------------------------------


def test_a_host_without_web_server_is_proven_to_have_none() -> None:
    (found,) = asked(web_host.WebHost([web_host.process("sshd", "sshd", pid=7)]), "fields")
    assert found.status == "not_applicable"


@pytest.mark.parametrize("check", ["fields", "query_string"])
def test_an_unknown_listener_leaves_the_promise_unproven(check: str) -> None:
    host = web_host.WebHost([web_host.process("caddy", "caddy", pid=7)], [Listener("tcp", "0.0.0.0", 443, (7,))])
    (found,) = asked(host, check, option=check)
    assert (found.status, found.observed) == ("error", "unknown listener caddy on :443")


@pytest.mark.parametrize("check", ["fields", "query_string"])
def test_a_configuration_that_cannot_be_read_whole_leaves_the_promise_unproven(tmp_path: Path, check: str) -> None:
    found = asked(host_of(tmp_path, "include missing.conf;"), check, option=check)
    assert [one.status for one in found] == ["error"]
    assert "missing.conf cannot be read" in found[0].observed


def test_own_scope_means_own_sites(tmp_path: Path) -> None:
    http = (
        "server { server_name customer.example; access_log off; }\n"
        "server { server_name *.own.example; access_log off; }\n"
        "server { server_name ~^(?<sub>.+)[.]regex[.]example$; access_log off; }"
    )
    host = host_of(tmp_path, http)
    assert len(asked(host, "fields", scope="own", own_sites=["www.own.example"])) == 1
    assert len(asked(host, "fields", scope="own", own_sites=["www.own.example", "a.regex.example"])) == 2
    (none,) = asked(host, "fields", scope="own", own_sites=["elsewhere.example"])
    assert none.status == "not_applicable"
    (unnamed,) = asked(host, "fields", scope="own")
    assert (unnamed.status, unnamed.observed) == ("error", "the register names no own_sites")


def test_a_name_with_markup_and_control_characters_is_one_plain_line(tmp_path: Path) -> None:
    name = "<script>\\x{{7*7}}\x1b]0;x\x07.example"
    (found,) = asked(host_of(tmp_path, f'server {{ server_name "{name}"; access_log off; }}'), "fields")
    assert "\x1b" not in found.subject
    assert "<script>" in found.subject
    assert all(text.isprintable() for text in (found.subject, found.observed, found.source, found.remedy))


# -- query strings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "observed"),
    [
        ("$host $path", "pass", "holds no query string"),
        ("$host $request", "fail", "($request)"),
        ("$uri $args", "fail", "($args)"),
        ("$http_referer", "fail", "the page that a visitor came from has one too"),
        ("$leaks", "error", "cannot be told"),
    ],
)
def test_query_strings(tmp_path: Path, text: str, status: str, observed: str) -> None:
    leaks = "map $request_uri $leaks { ~^/special(?<q>.*) $q; ~^([^?]*) $1; }"
    http = f"{GOOD}{leaks} log_format x '{text}'; access_log /l/a x; server {{ server_name a.example; }}"
    (found,) = asked(host_of(tmp_path, http), "query_string", "query_string")
    assert found.status == status
    assert observed in found.observed
    (allowed,) = asked(host_of(tmp_path, http), "query_string", "query_string", query_string="logged")
    assert allowed.status == "pass"


def test_every_log_counts_for_query_strings(tmp_path: Path) -> None:
    http = f"{GOOD} access_log /l/a good; server {{ server_name a.example; location /x {{ access_log /l/b; }} }}"
    (found,) = asked(host_of(tmp_path, http), "query_string", "query_string")
    assert found.status == "fail"


# -- the visitor's address --------------------------------------------------------------------------------------------

FRONT = ["192.0.2.10", "2001:db8:1::/64"]
LINE = '{} a.example [2026-11-20T10:00:00+00:00] "GET /" 200\n'


@pytest.mark.parametrize(
    ("trusts", "proxies", "status", "observed"),
    [
        ("", [], None, ""),
        ("set_real_ip_from 127.0.0.1;", [], "pass", "only the connection's own address"),
        ("set_real_ip_from 192.0.2.10; set_real_ip_from 2001:db8:1::/64;", FRONT, "pass", "exactly the named"),
        ("set_real_ip_from 192.0.2.0/24; set_real_ip_from 2001:db8:1::/64;", FRONT, "fail", "does not name"),
        ("set_real_ip_from 192.0.2.10;", FRONT, "fail", "the front proxy is not believed"),
        ("set_real_ip_from 192.0.2.10;", [], "error", "names nobody"),
        ("set_real_ip_from front.example;", FRONT, "error", "not named by an address"),
        ("set_real_ip_from 0.0.0.0/0;", FRONT, "fail", "from everybody (0.0.0.0/0)"),
        ("set_real_ip_from ::/0;", [], "fail", "from everybody"),
        ("set_real_ip_from 192.0.2.10; set_real_ip_from 2001:db8:1::/64; set_real_ip_from unix:;", FRONT, "pass", ""),
    ],
)
def test_who_is_believed_about_the_visitors_address(
    tmp_path: Path, trusts: str, proxies: list[str], status: str | None, observed: str
) -> None:
    host = host_of(tmp_path, f"server {{ server_name a.example; {trusts} }}")
    found = asked(host, "client_address", trusted_proxies=proxies)
    assert [one.status for one in found] == ([status] if status else [])
    assert all(observed in one.observed for one in found)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([LINE.format("203.0.113.5")], "pass"),
        ([LINE.format("203.0.113.5"), LINE.format("192.0.2.10")], "fail"),
        ([LINE.format("2001:db8:1::7")], "fail"),
        ([LINE.format("192.0.2.100")], "pass"),
        ([LINE.format("192.0.2.10").replace("GET /", "TRACE /privacy-hosting/p")], "error"),
        ([], "error"),
    ],
)
def test_whether_a_proxy_asks_is_seen_in_the_log(tmp_path: Path, lines: list[str], status: str) -> None:
    (tmp_path / "log").write_text("".join(lines))
    host = host_of(tmp_path, f"access_log {tmp_path}/log; server {{ server_name a.example; }}")
    (found,) = asked(host, "client_address", trusted_proxies=FRONT)
    assert found.status == status
    assert not any(address in found.observed for address in ("203.0.113.5", "192.0.2.10", "2001:db8:1::7"))


def test_a_site_that_is_not_behind_the_proxy_need_not_believe_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LINE.format("203.0.113.5"))
    http = (
        f"{GOOD}access_log {tmp_path}/log good; server {{ server_name a.example; }}\n"
        "server { server_name b.example; set_real_ip_from 192.0.2.10; set_real_ip_from 2001:db8:1::/64; }"
    )
    assert told(asked(host_of(tmp_path, http), "client_address", trusted_proxies=FRONT)) == {
        "a.example": ("pass", "running"),
        "b.example": ("pass", "running"),
    }
    (tmp_path / "log").write_text(LINE.format("192.0.2.10"))
    assert told(asked(host_of(tmp_path, http), "client_address", trusted_proxies=FRONT))["a.example"][0] == "fail"


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["10.0.0.1"] * 30, ["error"]),
        (["fd00::1", "192.168.1.2"] * 15, ["error"]),
        (["10.0.0.1"] * 5, []),
        (["10.0.0.1"] * 30 + ["203.0.113.5"], ["error"]),
        (["10.0.0.1"] * 30 + ["203.0.113.5"] * 10, []),
        ([f"10.0.0.{number}" for number in range(30)], ["error"]),
        (["203.0.113.5"] * 30, []),
        (["162.158.4.5", "2606:4700::5", "203.0.113.5"] * 10, ["error"]),
        (["104.28.4.5", "203.0.113.5", "203.0.113.6"] * 10, []),
    ],
)
def test_a_front_proxy_that_nobody_named_is_suspected(tmp_path: Path, addresses: list[str], status: list[str]) -> None:
    (tmp_path / "log").write_text("".join(map(LINE.format, addresses)))
    host = host_of(tmp_path, f"access_log {tmp_path}/log; server {{ server_name a.example; }}")
    found = asked(host, "client_address")
    assert [one.status for one in found] == status
    assert not any(address in one.observed for one in found for address in addresses)


@pytest.mark.parametrize(("browsers", "addresses", "status"), [(9, 2, ["error"]), (3, 2, []), (9, 5, [])])
def test_one_address_with_many_browsers_may_be_a_proxy(
    tmp_path: Path, browsers: int, addresses: int, status: list[str]
) -> None:
    line = '203.0.113.{} - - [20/Nov/2026:17:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "Browser/{}"\n'
    (tmp_path / "log").write_text("".join(line.format(n % addresses, n % browsers) for n in range(100)))
    host = host_of(tmp_path, f"access_log {tmp_path}/log; server {{ server_name a.example; }}")
    assert [one.status for one in asked(host, "client_address")] == status


# -- marked requests --------------------------------------------------------------------------------------------------

Answer = Callable[[str, dict[str, str], str], str]  # request line, headers, address -> line of the log


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answer, int], int]]:
    """A server on loopback that answers 405 and logs as it is told; its port."""
    sockets = []

    def start(log: Answer, status: int = 405) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        threading.Thread(target=answer, args=(listening, log, status), daemon=True).start()
        return int(listening.getsockname()[1])

    def answer(listening: socket.socket, log: Answer, status: int) -> None:
        while True:
            try:
                connection, (address, _port) = listening.accept()
            except OSError:
                return
            with connection:
                first, *rest = connection.recv(65536).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in rest if ": " in line)
                with (tmp_path / "log").open("a") as stream:
                    stream.write(log(first, headers, address))
                connection.sendall(f"HTTP/1.1 {status} No\r\nConnection: close\r\n\r\n".encode())

    yield start
    for one in sockets:
        one.close()


def well(first: str, headers: dict[str, str], address: str) -> str:
    method, target, _version = first.split()
    path = target.partition("?")[0]
    return f'{headers["Host"]} {address} [2026-11-20T10:00:00+00:00] "{method} {path}" 405 "{headers["User-Agent"]}"\n'


def probed(tmp_path: Path, port: int, option: str = "fields", words: str = "good", **settings: Any) -> list[Finding]:
    """What marked requests to that port show."""
    http = f"{GOOD}access_log {tmp_path}/log {words}; server {{ server_name a.example; listen 127.0.0.1:{port}; }}"
    return asked(host_of(tmp_path, http), "probe", option, probe=True, **settings)


def test_a_marked_request_that_appears_with_all_proves_it(tmp_path: Path, serve: Callable[..., int]) -> None:
    requests: list[str] = []

    def log(first: str, headers: dict[str, str], address: str) -> str:
        requests.append(f"{first} {headers['Max-Forwards']}")
        return well(first, headers, address)

    (found,) = probed(tmp_path, serve(log))
    assert (found.status, found.proof, found.source) == ("pass", "observed", f"{tmp_path}/log")
    assert "a marked request over IPv4 appeared with domain, path" in found.observed
    assert len(requests) == 1
    assert requests[0].startswith("TRACE /privacy-hosting/")
    assert requests[0].endswith(" 0")


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (lambda line: line.replace("a.example", "-"), "domain"),
        (lambda line: line.replace("privacy.hosting-audit", "-").replace("/u", "-"), "user_agent"),
        (lambda line: line.replace(".", "-"), "domain, user_agent, client_ip"),
        (lambda line: line.replace("127.", "10."), "client_ip"),
        (lambda line: line.replace("405", "-"), "status"),
        (lambda line: line.replace("TRACE", "-"), "method"),
    ],
)
def test_what_a_line_lacks_is_named(
    tmp_path: Path, serve: Callable[..., int], change: Callable[[str], str], lacks: str
) -> None:
    (found,) = probed(tmp_path, serve(lambda *request: change(well(*request))))
    assert (found.status, found.proof) == ("fail", "observed")
    assert lacks.rsplit(", ", maxsplit=1)[-1] in found.observed


def test_a_forged_address_that_is_believed_is_found(tmp_path: Path, serve: Callable[..., int]) -> None:
    def log(first: str, headers: dict[str, str], address: str) -> str:
        return well(first, headers, headers["X-Forwarded-For"])

    (found,) = probed(tmp_path, serve(log))
    assert found.status == "fail"
    assert "a forged address was believed" in found.observed


def test_a_line_that_does_not_appear_is_a_fault_unless_it_waits_in_a_buffer(
    tmp_path: Path, serve: Callable[..., int]
) -> None:
    port = serve(lambda *_request: "another line\n")
    (absent,) = probed(tmp_path, port)
    assert (absent.status, absent.observed) == ("fail", "no line of a marked request appeared")
    (waiting,) = probed(tmp_path, port, words="good buffer=64k flush=5m")
    assert waiting.status == "error"
    assert "up to 300 s have passed (buffer)" in waiting.observed
    (left_out,) = probed(tmp_path, port, words="good if=$arg_x")
    assert left_out.status == "error"
    assert "left out by the condition if=$arg_x" in left_out.observed


def test_the_query_string_of_a_marked_request(tmp_path: Path, serve: Callable[..., int]) -> None:
    (dropped,) = probed(tmp_path, serve(well), "query_string")
    assert (dropped.status, dropped.proof) == ("pass", "observed")
    (kept,) = probed(tmp_path, serve(lambda first, headers, _address: f"{first}\n"), "query_string")
    assert (kept.status, kept.proof) == ("fail", "observed")
    assert probed(tmp_path, serve(well), "query_string", query_string="logged") == []


def test_without_an_answer_nothing_is_said_but_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert probed(tmp_path, port) == []
    http = f"{GOOD}access_log {tmp_path}/log good; server {{ server_name a.example; listen 127.0.0.1:{port}; }}"
    (found,) = asked(host_of(tmp_path, http), "fields", probe=True)
    assert found.status == "pass"
    assert "not seen, observed: no answer to a marked request: Connection refused" in found.observed


@pytest.mark.parametrize("where", ["http", "server"])
def test_a_site_whose_own_page_would_answer_is_not_asked(tmp_path: Path, serve: Callable[..., int], where: str) -> None:
    requests: list[str] = []
    page = "error_page 404 405 /error.php;"
    server = f"server {{ server_name a.example; listen 127.0.0.1:{serve(lambda *asked: requests.append(asked[0]))};"
    http = f"{GOOD}access_log {tmp_path}/log good; " + (
        f"{page} {server} }}" if where == "http" else f"{server} {page} }}"
    )
    (found,) = asked(host_of(tmp_path, http), "fields", probe=True)
    assert found.status == "pass"
    assert "not seen, observed: a page of the site answers what the server refuses" in found.observed
    assert requests == []


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/var/log/apache2/x.log", "/var/log/apache2/x.log"),
        ("|/usr/local/bin/ship", '"|/usr/local/bin/ship"'),
        ("|/usr/local/bin/ship --token=geheim", '"|/usr/local/bin/ship …"'),
    ],
)
def test_a_remedy_shows_no_argument_of_a_program_that_logs(target, shown):
    assert _shown_target(target) == shown
