# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""nginx's configuration: what is read, and which logs take effect where."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._services import nginx
from ansible_collections.privacy.hosting.plugins.module_utils._services.nginx_format import Formats
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import (
    OFF,
    QUERY,
    REWRITTEN,
    SYSLOG,
    AccessLog,
    VirtualHost,
    WebServer,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.web import log_files
from tests.unit import web_host

COMBINED = {"client_ip", "time", "method", "path", QUERY, "status", "referer", "user_agent"}


def server(tmp_path: Path, http: str, main: str = "") -> WebServer:
    """The nginx whose http block holds this text."""
    config = tmp_path / "nginx.conf"
    config.write_text(f"{main}\nevents {{}}\nhttp {{\n{http}\n}}\n")
    found = list(nginx.servers(web_host.nginx(config)))
    assert len(found) == 1
    return found[0]


def vhost(tmp_path: Path, inside: str, http: str = "") -> VirtualHost:
    """The one virtual host of an nginx."""
    found = server(tmp_path, f"{http}\nserver {{\n{inside}\n}}")
    assert not found.problems
    return found.vhosts[0]


def logged(vhost: VirtualHost) -> dict[str, list[str]]:
    """Place -> what is logged to there."""
    return {place.context: [log.path or log.kind for log in place.logs] for place in vhost.places}


def log(tmp_path: Path, words: str, http: str = "") -> AccessLog:
    """The log that an access_log directive makes."""
    return vhost(tmp_path, f"access_log {words};", http).places[0].logs[0]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_words_are_read_as_nginx_reads_them() -> None:
    text = 'a \'b c\' "d\\"e\\\\" f#g ${h}i j\\;k;# no\nlog_format x \'one;\' "{two}";\nblock ~ \\.php$ { inner; }\n'
    first, second, block = nginx.parse(text, "/c")
    assert first.args == ("b c", 'd"e\\', "f#g", "${h}i", "j\\;k")
    assert second.args == ("x", "one;", "{two}")
    assert (second.line, second.source) == (2, "/c:2")
    assert text[second.start : second.end] == "log_format x 'one;' \"{two}\";"
    assert block.args == ("~", "\\.php$")
    assert block.block is not None
    assert text[block.inside : block.end] == " inner; }"
    assert [inner.name for inner in block.block] == ["inner"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a b", "/c:1: unexpected end of file, expecting ';'"),
        ("a {\n b;\n", "/c:3: unexpected end of file, expecting '}'"),
        ("a;\n}", "/c:2: unexpected '}'"),
        ("a;\n;", "/c:2: unexpected ';'"),
        ("a 'b", "/c:1: a quoted word does not end"),
        ("a { " * 100, "/c:1: unexpected '{'"),
    ],
)
def test_what_nginx_would_not_load_is_named_by_its_line(text: str, told: str) -> None:
    with pytest.raises(nginx.Malformed) as raised:
        nginx.parse(text, "/c")
    assert str(raised.value) == told


def test_another_language_in_a_block_is_passed_over() -> None:
    first, second = nginx.parse("content_by_lua_block { if x then y = {1} end -- ' }\nnext;", "/c")
    assert (first.block, second.name) == ((), "next")


def test_includes_are_followed_in_place_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    for name, site in (("b.conf", "second"), ("a.conf", "first"), (".hidden.conf", "hidden")):
        (tmp_path / "sites" / name).write_text(f"server {{ server_name {site}; include one-log; }}")
    (tmp_path / "one-log").write_text("access_log /l/one;\n")
    found = server(tmp_path, "include sites/*.conf;\ninclude nothing/*.conf;")
    assert [one.names for one in found.vhosts] == [("first",), ("second",)]
    assert found.vhosts[1].logs[0].directive.source == f"{tmp_path}/one-log:1"
    assert found.problems == ()
    assert f"{tmp_path}/sites/a.conf" in found.files


@pytest.mark.parametrize(
    ("http", "told"),
    [
        ("include missing.conf;", "missing.conf cannot be read: No such file or directory"),
        ("include loop.conf;", "loop.conf includes .*loop.conf, which includes it again"),
        ("include broken.conf;", "broken.conf:1: unexpected end of file"),
        ("include deep;", "deep is no regular file"),
        ("access_log /l/a nonesuch;\nserver {}", "the log format nonesuch is not defined"),
    ],
)
def test_what_could_not_be_read_is_a_problem(tmp_path: Path, http: str, told: str) -> None:
    (tmp_path / "loop.conf").write_text("include loop.conf;")
    (tmp_path / "broken.conf").write_text("server {")
    (tmp_path / "deep").mkdir()
    problems = server(tmp_path, http).problems
    assert len(problems) == 1
    assert re.search(told, problems[0])


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_bytes(b"events {}\n# \xff\xfe\nhttp { server { server_name caf\xe9.example; } }\n")
    (found,) = nginx.servers(web_host.nginx(config))
    assert found.vhosts[0].names == ("caf\N{REPLACEMENT CHARACTER}.example",)


def test_options_are_read_from_the_masters_title(tmp_path: Path) -> None:
    found = server(tmp_path, "server {}")
    assert found.files == (f"{tmp_path}/nginx.conf",)
    title = "nginx: master process nginx -p /srv/x -c conf/y.conf -g daemon off; error_log /l/e; -e /l/first"
    assert nginx._options([title]) == {
        "-p": "/srv/x",
        "-c": "conf/y.conf",
        "-g": "daemon off; error_log /l/e;",
        "-e": "/l/first",
    }


# -- which logs take effect -------------------------------------------------------------------------------------------


def test_a_level_with_logs_of_its_own_replaces_those_above(tmp_path: Path) -> None:
    one = vhost(
        tmp_path,
        """
        location / { access_log /l/a; access_log /l/b;
            location /in { }
            location /off { access_log off; }
            if ($arg_x) { access_log /l/if; }
            limit_except GET { deny all; access_log off; }
        }
        location /bare { }
        """,
        "access_log /l/http;",
    )
    assert logged(one) == {
        "server": ["/l/http"],
        "location /": ["/l/a", "/l/b"],
        "location / > location /in": ["/l/a", "/l/b"],
        "location / > location /off": [OFF],
        "location / > if ($arg_x)": ["/l/if"],
        "location / > limit_except GET": [OFF],
        "location /bare": ["/l/http"],
    }


def test_without_any_directive_nginx_logs_to_its_own_file(tmp_path: Path) -> None:
    (default,) = vhost(tmp_path, "").places[0].logs
    assert (default.path, default.fields) == ("/var/log/nginx/access.log", COMBINED)


def test_off_silences_the_other_logs_of_its_level(tmp_path: Path) -> None:
    assert logged(vhost(tmp_path, "access_log /l/a; access_log off;"))["server"] == [OFF]


def test_a_log_that_is_thrown_away_is_no_log(tmp_path: Path) -> None:
    assert log(tmp_path, "/dev/null").kind == OFF


def test_syslog_and_buffers_are_told(tmp_path: Path) -> None:
    assert log(tmp_path, "syslog:server=192.0.2.1").kind == SYSLOG
    assert log(tmp_path, "/l/a combined buffer=32k flush=1m30s").flush_s == 90
    assert log(tmp_path, "/l/a combined gzip").flush_s == math.inf
    assert log(tmp_path, "/l/a combined").flush_s == 0


def test_a_log_named_by_a_variable_has_a_pattern(tmp_path: Path) -> None:
    asked = log(tmp_path, "/l/$host/${server_name}.log combined")
    assert (asked.pattern, asked.host_names) == ("/l/*/*.log", "asked")
    assert "domain" in asked.fields


@pytest.mark.parametrize(
    ("block", "visited"),
    [
        ("location /s { access_log off; allow 127.0.0.1; allow ::1; deny all; }", False),
        ("location /s { access_log off; allow 192.0.2.0/24; deny all; }", True),
        ("location /s { access_log off; allow 127.0.0.1; deny all; satisfy any; auth_basic x; }", True),
        ("location /s { access_log off; deny all; }", False),
        ("location /s { access_log off; }", True),
    ],
)
def test_a_page_for_the_host_itself_is_no_place_of_visitors(tmp_path: Path, block: str, visited: bool) -> None:
    assert vhost(tmp_path, block).places[1].visited is visited


def test_the_server_level_counts_where_requests_end_there(tmp_path: Path) -> None:
    assert vhost(tmp_path, "location / {}").places[0].visited is False
    assert vhost(tmp_path, "location /a {}").places[0].visited is True
    assert vhost(tmp_path, "return 301 https://x/; location / {}").places[0].visited is True


@pytest.mark.parametrize(
    ("inside", "rewrites"),
    [
        ("location / { try_files $uri $uri/ =404; }", False),
        ("location / { try_files $uri /index.php?$args; }", True),
        ("location / { try_files $uri @app; }", False),
        ("rewrite ^/a /b;", True),
        ("rewrite ^/a https://x/ permanent;", False),
        ("error_page 404 /missing.html;", True),
    ],
)
def test_rewriting_is_seen(tmp_path: Path, inside: str, rewrites: bool) -> None:
    assert vhost(tmp_path, inside).rewrites is rewrites


# -- what a format holds ----------------------------------------------------------------------------------------------

MAPS = r"""
map $request_uri $path { ~^(?<p>[^?]*) $p; }
map $request_uri $path_or { default $request_uri; ~^(?<p>[^?]*)\? $p; }
map $request_uri $leaks { ~^/special(?<p>.*) $p; ~^([^?]*) $1; }
map $remote_addr $masked { ~^(?<net>\d+\.\d+\.\d+)\. $net.0; default 0.0.0.0; }
map $http_referer $page { "" "-"; ~^(?<r>[^?]*) $r; }
map $http_user_agent $agent { default $http_user_agent; ~*bot robot; }
map $http_user_agent $person { default 1; ~*bot 0; }
map $http_user_agent $everybody { default 1; ~*bot yes; }
map $remote_addr $visitor { default 1; 127.0.0.1 0; ::1 0; }
map $status $bad { ~^[45] 1; }
map $a $b { default $c; }
map $b $c { default $a; }
map $c $a { default $b; }
geo $place { default 1; }
"""


@pytest.mark.parametrize(
    ("text", "surely", "perhaps"),
    [
        ('$host "$request" $status', {"domain", "method", "path", QUERY, "status"}, set()),
        ("$uri $args", {REWRITTEN, QUERY}, set()),
        ("$http_x_forwarded_for $binary_remote_addr", set(), set()),
        ("$arg_token", {QUERY}, set()),
        ("${remote_addr}x", {"client_ip"}, set()),
        ("$path", {"path"}, set()),
        ("$path_or", {"path"}, set()),
        ("$leaks", set(), {"path", QUERY}),
        ("$masked", set(), set()),
        ("$page", {"referer"}, set()),
        ("$agent", set(), {"user_agent"}),
        ("$place", set(), {"anything"}),
        ("$nothing_special", set(), set()),
        ("$a", set(), {"anything"}),
    ],
)
def test_what_a_format_holds(tmp_path: Path, text: str, surely: set[str], perhaps: set[str]) -> None:
    one = log(tmp_path, "/l/a x", f"{MAPS}\nlog_format x '{text}';")
    assert one.fields == surely
    assert (len(one.unclear) > 5) if perhaps == {"anything"} else (one.unclear == perhaps)


@pytest.mark.parametrize(
    ("condition", "always"),
    [("$person", False), ("$everybody", True), ("$visitor", True), ("$bad", False), ("$place", None), ("$a$b", None)],
)
def test_what_a_condition_leaves_out(tmp_path: Path, condition: str, always: bool | None) -> None:
    one = log(tmp_path, f"/l/a combined if={condition}", MAPS)
    assert (one.always, one.condition) == (always, f"if={condition}")


def test_json_is_a_format_like_others(tmp_path: Path) -> None:
    one = log(tmp_path, "/l/a x", """log_format x escape=json '{"at":"$time_iso8601",' '"site":"$host"}';""")
    assert one.fields == {"time", "domain"}
    assert one.format_text.startswith('{"at"')


def test_an_expression_of_another_language_is_not_guessed_at() -> None:
    (directive,) = nginx.parse("map $request_uri $x { ~(?<a>(*ATOMIC) $a; }", "/c")
    assert "path" in Formats({}, {"x": directive}, frozenset()).held("$x").perhaps


# -- addresses, names, what runs --------------------------------------------------------------------------------------


def test_listens_and_defaults(tmp_path: Path) -> None:
    found = server(
        tmp_path,
        "server { server_name a; listen 80; listen [::]:80; }\n"
        "server { server_name b; listen 80; listen 192.0.2.1:8080 ssl proxy_protocol; }\n"
        "server { server_name c; listen 443 ssl default_server; listen unix:/run/x; }\nserver { server_name d; }",
    )
    told = {
        one.label: [(x.address, x.port, x.tls, x.default, x.declared, x.proxy_protocol) for x in one.listens]
        for one in found.vhosts
    }
    assert told == {
        "a": [("0.0.0.0", 80, False, True, False, False), ("::", 80, False, True, False, False)],
        "b": [("0.0.0.0", 80, False, False, False, False), ("192.0.2.1", 8080, True, True, False, True)],
        "c": [("0.0.0.0", 443, True, True, True, False), ("unix:/run/x", 0, False, True, False, False)],
        "d": [("0.0.0.0", 80, False, False, False, False)],
    }


def test_who_is_believed(tmp_path: Path) -> None:
    found = server(
        tmp_path,
        "set_real_ip_from 192.0.2.1; real_ip_header X-Forwarded-For;\nserver { server_name a; }\n"
        "server { server_name b; set_real_ip_from 0.0.0.0/0; real_ip_header X-Real-IP; }\n"
        "server { server_name c; location / { set_real_ip_from 198.51.100.1; } }",
    )
    told = {one.label: ([trust.network for trust in one.trusts], one.claims) for one in found.vhosts}
    assert told == {
        "a": (["192.0.2.1"], "X-Forwarded-For"),
        "b": (["0.0.0.0/0"], "X-Real-IP"),
        "c": (["192.0.2.1", "198.51.100.1"], "X-Forwarded-For"),
    }
    assert found.vhosts[1].trusts[0].source == f"{tmp_path}/nginx.conf:6"


def test_files_that_changed_after_the_workers_started_are_not_what_runs(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text("events {}\nhttp { server {} }\n")
    (fresh,) = nginx.servers(web_host.nginx(config, age_s=-60))
    (stale,) = nginx.servers(web_host.nginx(config, age_s=60))
    assert fresh.running.good is True
    assert stale.running.good is None
    assert f"{config} changed at" in stale.running.seen


def test_workers_that_are_ending_do_not_count(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text("events {}\nhttp { server {} }\n")
    old = web_host.process("nginx", "nginx: worker process is shutting down", pid=999998, parent=1, age_s=600)
    host = web_host.nginx(config)
    host.running.append(replace(old, parent=host.running[0].pid))
    (found,) = nginx.servers(host)
    assert found.running.good is True


def test_each_running_nginx_is_one_and_a_contained_one_cannot_be_judged(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text("events {}\nhttp { server {} }\n")
    host = web_host.nginx(config)
    contained = replace(host.running[0], pid=999997, contained=True)
    host.running.append(contained)
    first, second = nginx.servers(host)
    assert first.vhosts
    assert not first.problems
    assert not second.vhosts
    assert "container" in second.problems[0]


def test_web_traffic_that_is_passed_on_unread_is_a_problem(tmp_path: Path) -> None:
    stream = "stream { server { listen 443; proxy_pass 192.0.2.1:443; } server { listen 5432; proxy_pass x; } }"
    (problem,) = server(tmp_path, "", stream).problems
    assert "443 on unread" in problem


def test_every_file_that_holds_addresses_is_listed(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text(
        "error_log /l/main.err;\nevents {}\nhttp { access_log /l/all.log; access_log syslog:server=x;\n"
        "server { server_name a; access_log /l/a.log; location /x { error_log /l/x.err; access_log /l/$host.log; } }\n"
        "server { server_name b; access_log /l/a.log; location /y { access_log off; } } }\n"
        "stream { access_log /l/stream.log basic; }\n"
    )
    told = {(one.path, one.kind, one.sites) for one in log_files(web_host.nginx(config))}
    assert told == {
        ("/l/main.err", "error", ("a", "b")),
        ("/l/x.err", "error", ("a",)),
        ("/l/a.log", "access", ("a", "b")),
        ("/l/*.log", "access", ("a",)),
        ("/l/all.log", "access", ()),
        ("/l/stream.log", "access", ()),
    }


def test_ten_thousand_sites_are_read_in_a_few_seconds(tmp_path: Path) -> None:
    site = (
        "server {{ listen 80; listen [::]:80; server_name s{0}.example www.s{0}.example; root /srv/{0};\n"
        "access_log /l/s{0}.log combined; location / {{ try_files $uri =404; }}\n"
        "location ~ \\.php$ {{ include fastcgi; fastcgi_pass unix:/run/{0}.sock; }} }}\n"
    )
    (tmp_path / "fastcgi").write_text("".join(f"fastcgi_param NAME{n} $value{n};\n" for n in range(20)))
    text = "".join(map(site.format, range(10_000)))
    begun = time.process_time()
    assert len(server(tmp_path, text).vhosts) == 10_000
    assert time.process_time() - begun < 15
