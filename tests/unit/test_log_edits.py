# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logs of nginx and Apache are edited where they lack something, nowhere else, and lack nothing afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._change import ChangeError, Transaction
from ansible_collections.privacy.hosting.plugins.module_utils._changes import apache_log, nginx_log
from ansible_collections.privacy.hosting.plugins.module_utils._changes.log_edits import Wanted, faults
from ansible_collections.privacy.hosting.plugins.module_utils._finding import RUNNING, Layer
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import apache, nginx
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import WebServer

FIELDS = frozenset({"domain", "path", "user_agent", "client_ip", "time", "method", "status"})
ALL = Wanted(FIELDS, sites=["all"])
LOADED = Layer(RUNNING, True, "loaded")


class Nginx:
    """An nginx configuration in a directory of its own."""

    plan = staticmethod(nginx_log.plan)

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "sites").mkdir(parents=True)

    def main(self, text: str) -> None:
        (self.directory / "nginx.conf").write_text(text)

    def site(self, name: str, text: str) -> None:
        (self.directory / "sites" / name).write_text(text)

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def read(self, host: Host) -> WebServer:
        build = nginx._Build(f"{self.directory}/nginx.conf", str(self.directory), "/var/log/a.log", "/var/log/e.log")
        reader, config = nginx._read(host, build)
        return nginx._server(host, build, reader, config, 0, LOADED)


class Apache(Nginx):
    """An Apache configuration, laid out as Debian does."""

    plan = staticmethod(apache_log.plan)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        for name in ("conf-available", "conf-enabled", "mods-enabled", "mods-available"):
            (directory / name).mkdir()
        (directory / "mods-available" / "remoteip.load").write_text("LoadModule remoteip_module mod_remoteip.so\n")

    def main(self, text: str) -> None:
        (self.directory / "apache2.conf").write_text(text)

    def read(self, host: Host) -> WebServer:
        reader = apache._Reader(host, str(self.directory), {"APACHE_LOG_DIR": "/var/log/apache2"}, (2, 4, 67))
        reader.modules = {"mod_setenvif.c"}
        config = tuple(reader.file(f"{self.directory}/apache2.conf"))
        return apache._server(apache._Effect(reader, config), reader, config, 0, LOADED)


def harden(server: Nginx, wanted: Wanted = ALL) -> tuple[list[str], list[str]]:
    """Make the changes; the paths that changed (below the directory) and the warnings."""
    host = Host()
    transaction = Transaction("2026-01-31T12:00:00Z", "web_log", root=f"{server.directory}.undo")
    warnings = list(server.plan(host, transaction, server.read(host), wanted))
    transaction.validations.clear()
    transaction.reloads.clear()
    transaction.commit()
    transaction.close()
    return [os.path.relpath(path, server.directory) for path in transaction.changes], warnings


def still_wrong(server: Nginx, wanted: Wanted = ALL) -> list[str]:
    return [f"{fault.log.directive.source} {fault.why}" for fault in faults(server.read(Host()), wanted)]


# -- nginx ----------------------------------------------------------------------------------------------------

HTTP = """user www-data;
http {
\t# Logging
\taccess_log /var/log/nginx/access.log;
\tinclude sites/*;
}
"""
PLAIN = "server { listen 80; server_name a.example; }\n"


@pytest.fixture
def server(tmp_path: Path) -> Nginx:
    made = Nginx(tmp_path / "nginx")
    made.main(HTTP)
    made.site("a", PLAIN)
    return made


def test_the_log_of_all_virtual_hosts_is_edited_in_two_lines(server: Nginx) -> None:
    changed, warnings = harden(server, Wanted(FIELDS))
    assert changed == ["privacy-hosting.conf", "nginx.conf"], "what others use must come first"
    assert warnings == []
    expected = HTTP.replace("http {\n", f"http {{\n\tinclude {server.directory}/privacy-hosting.conf;\n")
    assert server.text("nginx.conf") == expected.replace("access.log;", "access.log privacy_hosting;")
    assert server.text("sites/a") == PLAIN
    assert still_wrong(server) == []


def test_a_second_run_changes_nothing(server: Nginx) -> None:
    harden(server)
    assert harden(server) == ([], [])


def site(inside: str) -> str:
    return f"server {{\n    listen 80;\n    server_name b.example www.b.example;\n{inside}}}\n"


SITES = {
    "combined": ("    access_log /var/log/b.log combined;\n", "    access_log /var/log/b.log privacy_hosting;\n"),
    "no format": ("    access_log /var/log/b.log;\n", "    access_log /var/log/b.log privacy_hosting;\n"),
    "options": (
        "    access_log '/var/log/b.log' combined buffer=32k flush=5s;\n",
        "    access_log '/var/log/b.log' privacy_hosting buffer=32k flush=5s;\n",
    ),
    "condition": (
        "    access_log /var/log/b.log combined if=$http_x buffer=1k;\n",
        "    access_log /var/log/b.log privacy_hosting buffer=1k;\n",
    ),
    "over lines": (
        "    access_log /var/log/b.log\n        combined;\n",
        "    access_log /var/log/b.log privacy_hosting;\n",
    ),
    "off": ("    access_log off;\n", "    access_log /var/log/nginx/access.log privacy_hosting;\n"),
    "off in a location": (
        "    access_log /v/b.log;\n    location /x { access_log off; }\n",
        "    access_log /v/b.log privacy_hosting;\n    location /x { access_log /v/b.log privacy_hosting; }\n",
    ),
    "null": (
        "    location /x { access_log /dev/null; }\n",
        "    location /x { access_log /var/log/nginx/access.log privacy_hosting; }\n",
    ),
    "syslog": (
        "    access_log syslog:server=unix:/dev/log,tag=b combined;\n",
        "    access_log syslog:server=unix:/dev/log,tag=b privacy_hosting;\n",
    ),
    "two logs": (
        "    access_log /var/log/b.log combined;\n    access_log /var/log/c.log ours;\n",
        "    access_log /var/log/b.log privacy_hosting;\n    access_log /var/log/c.log ours;\n",
    ),
    "a variable in the name": (
        "    access_log /var/log/${host}.log combined;\n",
        "    access_log /var/log/${host}.log privacy_hosting;\n",
    ),
}
OURS = (
    "log_format ours '$host $request_method $uri_asked $remote_addr $time_iso8601 $status $http_user_agent';\n"
    'map $request_uri $uri_asked { "~^([^?]*)" $1; }\n'
)


@pytest.mark.parametrize("name", SITES)
def test_a_named_virtual_host_is_edited_in_place(server: Nginx, name: str) -> None:
    before, after = SITES[name]
    server.site("b", site(before))
    server.site("0-formats", OURS)
    changed, warnings = harden(server, Wanted(FIELDS, sites=["b.example"]))
    assert "sites/b" in changed
    assert warnings == []
    assert server.text("sites/b") == site(after)
    assert still_wrong(server) == []
    assert harden(server, Wanted(FIELDS, sites=["b.example"])) == ([], [])


@pytest.mark.parametrize("name", SITES)
def test_a_virtual_host_that_is_not_named_is_left_and_told(server: Nginx, name: str) -> None:
    server.site("b", site(SITES[name][0]))
    server.site("0-formats", OURS)
    _changed, warnings = harden(server, Wanted(FIELDS, sites=["a.example"]))
    assert server.text("sites/b") == site(SITES[name][0])
    assert warnings
    assert all("b.example" in warning and "web_log_sites" in warning for warning in warnings)


@pytest.mark.parametrize(
    "inside",
    [
        "    access_log /var/log/b.log ours;\n",
        "    location /status { stub_status; allow 127.0.0.1; deny all; access_log off; }\n",
    ],
)
def test_a_virtual_host_that_lacks_nothing_is_left_alone(server: Nginx, inside: str) -> None:
    server.site("b", site(inside))
    server.site("0-formats", OURS)
    _changed, warnings = harden(server)
    assert server.text("sites/b") == site(inside)
    assert warnings == []


def test_a_shared_snippet_is_edited_only_if_all_who_use_it_are_named(server: Nginx) -> None:
    (server.directory / "log.conf").write_text("access_log /var/log/shared.log combined;\n")
    server.site("b", site("include log.conf;\n"))
    server.site("c", site("include log.conf;\n").replace("b.example", "c.example"))
    _changed, warnings = harden(server, Wanted(FIELDS, sites=["b.example"]))
    assert server.text("log.conf") == "access_log /var/log/shared.log combined;\n"
    assert len(warnings) == 1 and "c.example" in warnings[0]
    assert harden(server, Wanted(FIELDS, sites=["b.example", "c.example"])) == (["log.conf"], [])
    assert still_wrong(server) == []


def test_sites_out_of_scope_are_left_alone(server: Nginx) -> None:
    server.main(HTTP.replace("access_log /var/log/nginx/access.log;", OURS + "access_log /var/log/x.log ours;"))
    server.site("b", site("    access_log off;\n"))
    assert harden(server, Wanted(FIELDS, only=["a.example"], sites=["all"])) == ([], [])


@pytest.mark.parametrize("level", ["access_log off;", "", "access_log /var/log/x.log plain;"])
def test_whatever_stands_for_all_is_mended(server: Nginx, level: str) -> None:
    formats = "log_format plain '$remote_addr';\n"
    server.main(f"http {{ {formats} {level} include sites/*; }}\n")
    _changed, warnings = harden(server, Wanted(FIELDS))
    assert (still_wrong(server), warnings) == ([], [])
    assert harden(server, Wanted(FIELDS)) == ([], [])


def test_a_link_is_followed_and_kept(server: Nginx, tmp_path: Path) -> None:
    available = tmp_path / "available"
    available.write_text(site("    access_log off;\n"))
    (server.directory / "sites" / "b").symlink_to(available)
    changed, _warnings = harden(server)
    assert "../available" in changed
    assert (server.directory / "sites" / "b").is_symlink()
    assert "privacy_hosting" in available.read_text()


def test_query_strings_stay_where_they_may(server: Nginx) -> None:
    server.site("b", site(""))  # so that the log of all lacks the domain
    harden(server, Wanted(FIELDS, query=True, sites=["all"]))
    own = server.text("privacy-hosting.conf")
    assert '"$request"' in own and "map" not in own
    assert still_wrong(server, Wanted(FIELDS, query=True)) == []


def test_proxies_are_believed_at_the_top(server: Nginx) -> None:
    wanted = Wanted(FIELDS, proxies=["192.0.2.10/32", "2001:db8::/32"])
    harden(server, wanted)
    vhost = server.read(Host()).vhosts[0]
    assert [trust.network for trust in vhost.trusts] == ["192.0.2.10/32", "2001:db8::/32"]
    assert vhost.claims == "X-Forwarded-For"
    assert harden(server, wanted) == ([], [])


def test_proxies_that_are_known_already_are_not_told_twice(server: Nginx) -> None:
    server.main(
        HTTP.replace("# Logging", "set_real_ip_from 192.0.2.10; real_ip_header X-Real-IP; real_ip_recursive on;")
    )
    harden(server, Wanted(FIELDS, proxies=["192.0.2.10/32", "192.0.2.11/32"]))
    own = server.text("privacy-hosting.conf")
    assert "set_real_ip_from 192.0.2.11/32;" in own
    assert "192.0.2.10" not in own and "real_ip_header" not in own and "real_ip_recursive" not in own


def test_a_virtual_host_with_its_own_proxies_is_told(server: Nginx) -> None:
    server.site("b", site("    set_real_ip_from 198.51.100.1;\n"))
    _changed, warnings = harden(server, Wanted(FIELDS, proxies=["192.0.2.10/32"], sites=["all"]))
    assert any("add 'set_real_ip_from 192.0.2.10/32;'" in warning for warning in warnings)


@pytest.mark.parametrize("name", ["b", ""])
def test_a_customers_file_is_left_and_told(server: Nginx, name: str) -> None:
    server.site("b", site("    access_log off;\n"))
    os.chown(server.directory / "sites" / name, 65534, 65534)
    changed, warnings = harden(server)
    assert "sites/b" not in changed
    assert any("cannot be edited; do it by hand" in warning for warning in warnings)


def test_a_main_file_that_is_not_utf8_is_named(server: Nginx) -> None:
    server.site("b", site("    access_log off;\n"))
    with (server.directory / "nginx.conf").open("ab") as stream:
        stream.write(b"# caf\xe9\n")
    with pytest.raises(ChangeError, match=r"nginx\.conf:\d+: a character is not UTF-8.*nothing was changed"):
        harden(server)


def test_what_is_not_utf8_is_left_and_told(server: Nginx) -> None:
    raw = b"# caf\xe9\n" + site("    access_log off;\n").encode()
    (server.directory / "sites" / "b").write_bytes(raw)
    _changed, warnings = harden(server)
    assert (server.directory / "sites" / "b").read_bytes() == raw
    assert any("cannot be edited; do it by hand" in warning for warning in warnings)


# -- Apache ---------------------------------------------------------------------------------------------------

MAIN = """Listen 80
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" vhost_combined
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
LogFormat "%V %a %t %m %U %>s %{User-Agent}i" ours
IncludeOptional mods-enabled/*.load
IncludeOptional conf-enabled/*.conf
IncludeOptional sites/*
"""
OTHER = "CustomLog ${APACHE_LOG_DIR}/other_vhosts_access.log vhost_combined\n"


@pytest.fixture
def httpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apache:
    made = Apache(tmp_path / "apache2")
    for name in ("ROOT", "OWN", "ENABLED"):
        value = getattr(apache_log, name).replace("/etc/apache2", str(made.directory))
        monkeypatch.setattr(apache_log, name, value)
    made.main(MAIN)
    (made.directory / "conf-enabled" / "other.conf").write_text(OTHER)
    made.site("a", vhost("a.example", ""))
    return made


def vhost(name: str, inside: str) -> str:
    return f"<VirtualHost *:80>\n    ServerName {name}\n{inside}</VirtualHost>\n"


def test_apaches_log_for_all_is_edited(httpd: Apache) -> None:
    changed, warnings = harden(httpd, Wanted(FIELDS))
    assert warnings == []
    assert changed == [
        "conf-available/privacy-hosting-log.conf",
        "conf-enabled/privacy-hosting-log.conf",
        "conf-enabled/other.conf",
    ]
    assert httpd.text("conf-enabled/other.conf") == OTHER.replace("vhost_combined", "privacy_hosting")
    assert still_wrong(httpd) == []
    assert harden(httpd, Wanted(FIELDS)) == ([], [])


VHOSTS = {
    "combined": (
        "    CustomLog ${APACHE_LOG_DIR}/b.log combined\n",
        "    CustomLog ${APACHE_LOG_DIR}/b.log privacy_hosting\n",
    ),
    "quoted": (
        '    CustomLog "${APACHE_LOG_DIR}/b c.log" "%h \\"%r\\""\n',
        '    CustomLog "${APACHE_LOG_DIR}/b c.log" privacy_hosting\n',
    ),
    "condition": (
        "    SetEnvIf Request_URI png quiet\n    CustomLog /var/log/b.log combined env=!quiet\n",
        "    SetEnvIf Request_URI png quiet\n    CustomLog /var/log/b.log privacy_hosting\n",
    ),
    "pipe": (
        '    CustomLog "|/usr/bin/rotatelogs -l /var/log/b.%Y%m%d 86400" combined\n',
        '    CustomLog "|/usr/bin/rotatelogs -l /var/log/b.%Y%m%d 86400" privacy_hosting\n',
    ),
    "transfer log": ("    TransferLog /var/log/b.log\n", "    CustomLog /var/log/b.log privacy_hosting\n"),
    "null": (
        "    CustomLog /dev/null combined\n",
        "    CustomLog ${APACHE_LOG_DIR}/other_vhosts_access.log privacy_hosting\n",
    ),
    "small letters": ("    customlog /var/log/b.log combined\n", "    customlog /var/log/b.log privacy_hosting\n"),
}


@pytest.mark.parametrize("name", VHOSTS)
def test_a_named_apache_virtual_host_is_edited_in_place(httpd: Apache, name: str) -> None:
    before, after = VHOSTS[name]
    httpd.site("b", vhost("b.example", before))
    changed, warnings = harden(httpd, Wanted(FIELDS, sites=["b.*"]))
    assert "sites/b" in changed
    assert warnings == []
    assert httpd.text("sites/b") == vhost("b.example", after)
    assert still_wrong(httpd) == []
    assert harden(httpd, Wanted(FIELDS, sites=["b.*"])) == ([], [])


@pytest.mark.parametrize("name", VHOSTS)
def test_an_apache_virtual_host_that_is_not_named_is_left_and_told(httpd: Apache, name: str) -> None:
    httpd.site("b", vhost("b.example", VHOSTS[name][0]))
    _changed, warnings = harden(httpd, Wanted(FIELDS))
    assert httpd.text("sites/b") == vhost("b.example", VHOSTS[name][0])
    assert len(warnings) == 1 and "b.example" in warnings[0]


def test_an_apache_virtual_host_that_lacks_nothing_is_left_alone(httpd: Apache) -> None:
    text = vhost("b.example", "    CustomLog /var/log/b.log ours\n")
    httpd.site("b", text)
    assert harden(httpd)[1] == []
    assert httpd.text("sites/b") == text


def test_apache_gets_a_log_where_it_has_none(httpd: Apache) -> None:
    (httpd.directory / "conf-enabled" / "other.conf").unlink()
    harden(httpd, Wanted(FIELDS))
    assert "CustomLog" in httpd.text("conf-available/privacy-hosting-log.conf")
    assert still_wrong(httpd) == []
    assert all(vhost.logs for vhost in httpd.read(Host()).vhosts)
    assert harden(httpd, Wanted(FIELDS)) == ([], [])


def test_apache_believes_named_proxies(httpd: Apache) -> None:
    wanted = Wanted(FIELDS, proxies=["192.0.2.10/32"])
    harden(httpd, wanted)
    read = httpd.read(Host()).vhosts[0]
    assert [trust.network for trust in read.trusts] == ["192.0.2.10/32"]
    assert read.claims == "X-Forwarded-For"
    assert os.readlink(httpd.directory / "mods-enabled" / "remoteip.load") == "../mods-available/remoteip.load"
    assert harden(httpd, wanted) == ([], [])


def test_another_layout_than_debians_is_left_and_told(httpd: Apache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache_log, "ROOT", "/etc/apache2")
    changed, warnings = harden(httpd)
    assert changed == []
    assert len(warnings) == 1 and "not laid out as Debian does" in warnings[0]


@pytest.mark.parametrize("kind", ["server", "httpd"])
def test_nothing_is_written_where_nothing_is_wrong(kind: str, request: pytest.FixtureRequest) -> None:
    made: Nginx = request.getfixturevalue(kind)
    assert harden(made, Wanted(frozenset({"client_ip"}), query=True)) == ([], [])
