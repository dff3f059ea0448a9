# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites are brought over https by the smallest edits, nothing else about them changes, and a second run finds nothing.

Configurations are those of nginx 1.22 and 1.26, and of Apache 2.4, as Debian 12 and 13 and their administrators write
them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils import _change
from ansible_collections.privacy.hosting.plugins.module_utils._change import Transaction, plan_undo, runs
from ansible_collections.privacy.hosting.plugins.module_utils._changes import (
    apache_tls,
    certbot,
    nginx_tls,
    reachable,
    web_tls,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.edits import Edits
from ansible_collections.privacy.hosting.plugins.module_utils._changes.sites import (
    CHALLENGE,
    ENCRYPTED,
    OWN,
    WHOLE,
    Pair,
    Site,
    Wanted,
    sites_of,
)
from ansible_collections.privacy.hosting.plugins.module_utils._changes.tls_level import groups_reach, suites_reach
from ansible_collections.privacy.hosting.plugins.module_utils._finding import RUNNING, Layer
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Result
from ansible_collections.privacy.hosting.plugins.module_utils._services import apache, nginx
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import WebServer
from ansible_collections.privacy.hosting.plugins.module_utils._services.web_security import ANSWERS, security

PAIR = Pair("/le/fullchain.pem", "/le/privkey.pem")
ALL = Wanted(sites=["all"])
HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'
LOADED = Layer(RUNNING, True, "loaded")


class Nginx:
    """An nginx configuration in a directory of its own."""

    module = nginx_tls

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("sites", "snippets", "conf.d"):
            (directory / name).mkdir(parents=True)
        self.main("http {\n    include conf.d/*.conf;\n    include sites/*;\n}\n")

    def main(self, text: str) -> None:
        (self.directory / "nginx.conf").write_text(text)

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()

    def read(self, host: Host) -> WebServer:
        build = nginx._Build(f"{self.directory}/nginx.conf", str(self.directory), "/var/log/a.log", "/var/log/e.log")
        reader, config = nginx._read(host, build)
        return nginx._server(host, build, reader, config, 0, LOADED)


class Apache(Nginx):
    """An Apache configuration, laid out as Debian does."""

    module = apache_tls

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("sites", "conf-available", "conf-enabled", "mods-available", "mods-enabled"):
            (directory / name).mkdir(parents=True)
        for name in ("setenvif", "mime", "socache_shmcb", "ssl", "headers", "alias"):
            (directory / "mods-available" / f"{name}.load").write_text(f"LoadModule {name}_module mod_{name}.so\n")
        (directory / "ports.conf").write_text("Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n")
        self.main(
            "IncludeOptional mods-enabled/*.load\nIncludeOptional mods-enabled/*.conf\nInclude ports.conf\n"
            "IncludeOptional conf-enabled/*.conf\nIncludeOptional sites/*\n"
        )

    def main(self, text: str) -> None:
        (self.directory / "apache2.conf").write_text(text)

    def enable(self, *names: str) -> None:
        for name in names:
            (self.directory / "mods-enabled" / f"{name}.load").symlink_to(f"../mods-available/{name}.load")

    def read(self, host: Host) -> WebServer:
        reader = apache._Reader(host, str(self.directory), {"APACHE_LOG_DIR": "/var/log/apache2"}, (2, 4, 67))
        config = tuple(reader.file(f"{self.directory}/apache2.conf"))
        return apache._server(apache._Effect(reader, config), reader, config, 0, LOADED)


@pytest.fixture(autouse=True)
def _openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with OpenSSL of Debian 12, whichever tests run on."""
    asked = Host.run

    def run(host: Host, *argv: str, **options: object) -> Result:
        if argv == ("openssl", "version"):
            return Result(argv, 0, "OpenSSL 3.0.17 1 Jul 2025 (Library: OpenSSL 3.0.17 1 Jul 2025)\n", "")
        return asked(host, *argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Host, "run", run)


@pytest.fixture
def server(tmp_path: Path) -> Nginx:
    return Nginx(tmp_path / "nginx")


@pytest.fixture
def httpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apache:
    monkeypatch.setattr(apache_tls, "ROOT", str(tmp_path / "apache2"))
    return Apache(tmp_path / "apache2")


def _made(server: Nginx, plan: Callable[[Host, Transaction, WebServer], list[str]]) -> tuple[list[str], list[str]]:
    """Make what is planned; the paths that changed (below the directory) and the warnings."""
    host = Host()
    transaction = Transaction("2026-01-31T12:00:00Z", "web_tls", root=f"{server.directory}.undo")
    warnings = plan(host, transaction, server.read(host))
    transaction.validations.clear()
    transaction.reloads.clear()
    transaction.commit()
    transaction.close()
    return [os.path.relpath(path, server.directory) for path in transaction.changes], warnings


def bring(
    server: Nginx, upto: int = WHOLE, wanted: Wanted = ALL, pair: Pair | None = PAIR
) -> tuple[list[str], list[str]]:
    """Bring all named sites as far as asked."""

    def plan(host: Host, transaction: Transaction, read: WebServer) -> list[str]:
        edits = Edits(host, transaction)
        told: list[str] = []
        for site in sites_of(read, wanted):
            told += server.module.plan_site(host, edits, transaction, site, wanted, pair, upto)
        edits.make()
        return told

    return _made(server, plan)


def offer(server: Nginx, wanted: Wanted = ALL) -> tuple[list[str], list[str]]:
    """Make what holds for all virtual hosts."""
    return _made(
        server, lambda host, transaction, read: list(server.module.plan_server(host, transaction, read, wanted))
    )


def plain_answers(server: Nginx) -> list[str]:
    """The places that give more than a redirect over plain http."""
    host = Host()
    read = server.read(host)
    return [
        f"{answer.source} {answer.does}"
        for vhost in read.vhosts
        for answer in security(host, read, vhost).plain
        if answer.does == ANSWERS and not answer.challenge
    ]


def without_hsts(server: Nginx) -> list[str]:
    """The places whose answers over https do not have the header, error pages included."""
    host = Host()
    read = server.read(host)
    return [
        f"{vhost.label} {place.context}"
        for vhost in read.vhosts
        for place in security(host, read, vhost).headers
        if (place.max_age_s or 0) < 31_536_000 or not place.always
    ]


# -- nginx: sites -----------------------------------------------------------------------------------------------------

PLAIN = """server {
    listen 80;
    listen [::]:80;
    server_name a.example www.a.example;
    root /var/www/a;
}
"""
REDIRECT = """# Made by privacy.hosting, role web_tls: plain http leads to https.
server {
    listen 80;
    listen [::]:80;
    server_name a.example www.a.example;
    include snippets/privacy-hosting-acme.conf;
    if ($host !~* "^(a\\.example|www\\.a\\.example)$") {
        return 301 https://a.example$request_uri;
    }

    location / {
        return 301 https://$host$request_uri;
    }
}

"""
WHOLE_SITE = f"""{REDIRECT}server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name a.example www.a.example;
    include snippets/privacy-hosting-acme.conf;
    ssl_certificate /le/fullchain.pem;
    ssl_certificate_key /le/privkey.pem;
    {HSTS}
    root /var/www/a;
}}
"""


def test_a_site_over_plain_http_moves_to_https_and_leaves_a_redirect(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    assert bring(server) == (["snippets/privacy-hosting-acme.conf", "sites/a"], [])
    assert server.text("sites/a") == WHOLE_SITE
    assert plain_answers(server) == []
    assert without_hsts(server) == []


def test_step_by_step_it_answers_at_both_until_https_is_proven(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    bring(server, CHALLENGE)
    names = "    server_name a.example www.a.example;\n"
    include = "    include snippets/privacy-hosting-acme.conf;\n"
    assert server.text("sites/a") == PLAIN.replace(names, names + include)
    bring(server, ENCRYPTED)
    both = "    listen 80;\n    listen 443 ssl;\n    listen [::]:80;\n    listen [::]:443 ssl;\n"
    assert server.text("sites/a").startswith("server {\n" + both + names)
    assert "301" not in server.text("sites/a")
    assert "Strict-Transport-Security" not in server.text("sites/a")
    bring(server)
    assert sorted(server.text("sites/a").splitlines()) == sorted(WHOLE_SITE.splitlines())
    assert plain_answers(server) == []
    assert without_hsts(server) == []
    for upto in (CHALLENGE, ENCRYPTED, WHOLE):
        assert bring(server, upto) == ([], [])


def site(inside: str, listens: str = "    listen 80;\n") -> str:
    return f"server {{\n{listens}    server_name b.example;\n{inside}}}\n"


TLS = "    listen 443 ssl;\n"
CERTIFIED = "    ssl_certificate /le/fullchain.pem;\n    ssl_certificate_key /le/privkey.pem;\n"
OTHER = "    ssl_certificate /old.pem;\n    ssl_certificate_key /old.key;\n"
AFTER = f"    include snippets/privacy-hosting-acme.conf;\n    {HSTS}\n"
INCLUDE = "    include snippets/privacy-hosting-acme.conf;\n"

ENCRYPTED_SITES = {
    "a certificate is replaced": (OTHER, AFTER + CERTIFIED),
    "of two certificates one remains": (OTHER + OTHER.replace("old", "rsa"), AFTER + CERTIFIED),
    "a header that is too short": (
        CERTIFIED + '    add_header Strict-Transport-Security "max-age=300";\n',
        INCLUDE + CERTIFIED + f"    {HSTS}\n",
    ),
    "a header that error pages lack": (
        CERTIFIED + '    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains";\n',
        INCLUDE
        + CERTIFIED
        + '    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;\n',
    ),
    "a header that says enough": (
        CERTIFIED + '    add_header Strict-Transport-Security "max-age=63072000" always;\n',
        INCLUDE + CERTIFIED + '    add_header Strict-Transport-Security "max-age=63072000" always;\n',
    ),
    "a place with headers of its own": (
        CERTIFIED + "    location /x {\n        add_header Cache-Control no-store;\n    }\n    location /y { }\n",
        AFTER
        + CERTIFIED
        + f"    location /x {{\n        {HSTS}\n        add_header Cache-Control no-store;\n    }}\n"
        + "    location /y { }\n",
    ),
    "a place within a place": (
        CERTIFIED + "    location /x { location /x/y { add_header X-A b; } if ($arg_z) { add_header X-B c; } }\n",
        AFTER
        + CERTIFIED
        + f"    location /x {{ location /x/y {{ {HSTS} add_header X-A b; }} "
        + f"if ($arg_z) {{ {HSTS} add_header X-B c; }} }}\n",
    ),
    "a cookie that nginx sets": (
        CERTIFIED + '    add_header Set-Cookie "seen=1; Path=/" always;\n',
        AFTER + CERTIFIED + '    add_header Set-Cookie "seen=1; Path=/; Secure" always;\n',
    ),
    "visitors are counted": (
        CERTIFIED + "    userid on;\n    userid_flags httponly;\n",
        AFTER + CERTIFIED + "    userid on;\n    userid_flags httponly secure;\n",
    ),
    "an application's cookies": (
        CERTIFIED + "    location / { proxy_pass http://127.0.0.1:8000; }\n",
        AFTER + "    proxy_cookie_flags ~ secure;\n" + CERTIFIED
        + "    location / { proxy_pass http://127.0.0.1:8000; }\n",
    ),
    "proofs have a place already": (
        CERTIFIED + "    location ^~ /.well-known/acme-challenge/ { root /srv/proofs; }\n",
        f"    {HSTS}\n" + CERTIFIED + "    location ^~ /.well-known/acme-challenge/ { root /srv/proofs; }\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENCRYPTED_SITES)
def test_a_site_over_https_is_mended_where_it_lacks_something(server: Nginx, case: str) -> None:
    before, after = ENCRYPTED_SITES[case]
    server.write("sites/b", site(before, TLS))
    assert bring(server)[1] == []
    assert server.text("sites/b") == site(after, TLS)
    assert without_hsts(server) == []
    assert bring(server) == ([], [])


def test_headers_of_the_http_block_are_not_lost(server: Nginx) -> None:
    server.main('http {\n    add_header X-Frame-Options "DENY";\n    include sites/*;\n}\n')
    server.write("sites/b", site(CERTIFIED, TLS))
    bring(server)
    assert f'    add_header X-Frame-Options "DENY";\n    {HSTS}\n' in server.text("sites/b")
    assert bring(server) == ([], [])


def test_a_block_for_both_is_divided(server: Nginx) -> None:
    logs = "    access_log /var/log/b.log combined;\n    set_real_ip_from 192.0.2.1;\n"
    server.write("sites/b", site(CERTIFIED + logs, "    listen 80; listen 443 ssl;\n    listen [::]:80;\n"))
    bring(server)
    redirect, _mark, rest = server.text("sites/b").partition("}\n\nserver {\n")
    assert redirect.count("listen") == 2
    assert logs in redirect, "what was recorded of plain http must still be"
    assert rest.startswith("     listen 443 ssl;\n    server_name b.example;\n")
    assert plain_answers(server) == []
    assert bring(server) == ([], [])


def test_a_plain_block_beside_one_for_https_is_redirected_in_one_line(server: Nginx) -> None:
    plain = site("    root /var/www/other;\n")
    server.write("sites/b", plain + site(CERTIFIED + f"    {HSTS}\n" + INCLUDE, TLS))
    bring(server)
    assert "server {\n    return 301 https://$host$request_uri;\n    listen 80;\n" in server.text("sites/b")
    assert plain_answers(server) == []
    assert bring(server) == ([], [])


AWAY = "server {\n    listen 80;\n    server_name www.c.example;\n    return 301 https://c.example$request_uri;\n}\n"


def test_a_name_that_is_sent_to_another_gets_https_of_its_own_first(server: Nginx) -> None:
    server.write("sites/c", AWAY)
    bring(server, CHALLENGE)
    moved = "    location / {\n        return 301 https://c.example$request_uri;\n    }\n"
    included = "server_name www.c.example;\n    include snippets/privacy-hosting-acme.conf;\n"
    assert server.text("sites/c").endswith(included + moved + "}\n")
    bring(server, ENCRYPTED)
    bring(server)
    redirect, _mark, rest = server.text("sites/c").partition("\n\nserver {\n")
    assert "    listen 80;\n" in redirect and "return 301 https://$host$request_uri;" in redirect
    assert rest.startswith("    listen 443 ssl;\n") and moved in rest
    assert bring(server) == ([], [])


def test_a_name_that_is_sent_to_another_keeps_its_plain_port_at_once(server: Nginx) -> None:
    server.write("sites/c", AWAY)
    bring(server)
    assert "    listen 80;\n" in server.text("sites/c")
    assert "    listen 443 ssl;\n" in server.text("sites/c")
    assert bring(server) == ([], [])


CERTBOTS = """server {
    if ($host = b.example) {
        return 301 https://$host$request_uri;
    } # managed by Certbot


    listen 80;
    server_name b.example;
    return 404; # managed by Certbot
}
"""


def test_a_redirect_that_certbot_made_stays_as_it_is(server: Nginx) -> None:
    server.write("sites/b", CERTBOTS + site(CERTIFIED + f"    {HSTS}\n" + INCLUDE, TLS))
    bring(server)
    assert server.text("sites/b").startswith(CERTBOTS)
    assert bring(server) == ([], [])


LISTENS = {
    "80": "443 ssl",
    "*:80": "*:443 ssl",
    "192.0.2.7:80": "192.0.2.7:443 ssl",
    "192.0.2.7": "192.0.2.7:443 ssl",
    "[::]:80 ipv6only=off": "[::]:443 ssl ipv6only=off",
    "[2001:db8::7]:80": "[2001:db8::7]:443 ssl",
    "[2001:db8::7]": "[2001:db8::7]:443 ssl",
    "80 default_server backlog=512": "443 ssl default_server",
}


@pytest.mark.parametrize("plain", LISTENS)
def test_https_is_at_the_address_of_plain_http(server: Nginx, plain: str) -> None:
    server.write("sites/b", site("", f"    listen {plain};\n"))
    bring(server)
    assert f"    listen {plain};\n" in server.text("sites/b").partition("\n\nserver")[0]
    assert f"    listen {LISTENS[plain]};\n" in server.text("sites/b").partition("\n\nserver")[2]
    assert bring(server) == ([], [])


def test_other_ports_stay_where_they_are(server: Nginx) -> None:
    server.write("sites/b", site("", "    listen 80;\n    listen 8080;\n    listen 127.0.0.1:80;\n"))
    bring(server)
    redirect, _mark, rest = server.text("sites/b").partition("\n\nserver {\n")
    assert "8080" not in redirect and "127.0.0.1" not in redirect
    assert rest.startswith("    listen 443 ssl;\n    listen 8080;\n    listen 127.0.0.1:80;\n")


def test_a_socket_that_others_share_keeps_its_options(server: Nginx) -> None:
    other = (
        "server {\n    listen 443 ssl http2 default_server;\n    server_name c.example;\n    ssl_certificate /c;\n}\n"
    )
    server.write("sites/a", PLAIN.replace("listen 80;", "listen 80 default_server;"))
    server.write("sites/c", other)
    bring(server, wanted=Wanted(sites=["a.example"]))
    assert "    listen 443 ssl http2;\n    listen [::]:443 ssl;\n" in server.text("sites/a")
    assert server.text("sites/c") == other


def test_a_block_without_a_port_has_one_afterwards(server: Nginx) -> None:
    server.write("sites/b", site("", ""))
    bring(server)
    redirect, _mark, rest = server.text("sites/b").partition("\n\nserver {\n")
    assert "    listen 80;\n" in redirect
    assert "    listen 443 ssl;\n" in rest
    assert bring(server) == ([], [])


def test_a_certificate_from_a_snippet_is_replaced_in_the_virtual_host(server: Nginx) -> None:
    server.write("snippets/snakeoil.conf", OTHER)
    server.write("sites/b", site("    include snippets/snakeoil.conf;\n", TLS))
    assert bring(server)[1] == []
    assert server.text("snippets/snakeoil.conf") == OTHER
    assert server.text("sites/b") == site(
        f"    include snippets/privacy-hosting-acme.conf;\n{CERTIFIED}    {HSTS}\n", TLS
    )
    assert bring(server) == ([], [])


def test_a_snippet_of_others_is_left_and_the_line_is_told(server: Nginx) -> None:
    shared = "location /static/ {\n    add_header Cache-Control public;\n}\n"
    server.write("snippets/static.conf", shared)
    server.write("sites/b", site(CERTIFIED + "    include snippets/static.conf;\n", TLS))
    server.write("sites/c", site("    include snippets/static.conf;\n").replace("b.example", "c.example"))
    _changed, told = bring(server, wanted=Wanted(sites=["b.example"]))
    assert server.text("snippets/static.conf") == shared
    assert len(told) == 1
    assert HSTS in told[0] and "snippets/static.conf:1" in told[0]
    assert bring(server)[1] == []  # all that use it are named
    assert HSTS in server.text("snippets/static.conf")


def test_only_named_virtual_hosts_are_edited(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    server.write("sites/b", site(""))
    bring(server, wanted=Wanted(sites=["b.example"]))
    assert server.text("sites/a") == PLAIN
    assert server.text("sites/b") != site("")
    assert bring(server, wanted=Wanted(sites=["nobody.example"])) == ([], [])


def test_without_a_certificate_nothing_moves(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    assert bring(server, wanted=Wanted(sites=["all"], certificates=OWN), pair=None) == ([], [])
    assert server.text("sites/a") == PLAIN


def test_without_a_promised_redirect_plain_http_stays(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    bring(server, wanted=Wanted(sites=["all"], redirect=False))
    assert "301" not in server.text("sites/a")
    assert without_hsts(server) == []
    assert bring(server, wanted=Wanted(sites=["all"], redirect=False)) == ([], [])


def test_a_file_that_is_a_customers_is_not_edited(server: Nginx) -> None:
    server.write("sites/a", PLAIN)
    os.chown(server.directory / "sites" / "a", 12345, 12345)
    host = Host()
    read = server.read(host)
    trial = Transaction("", "web_tls", check=True, root="/nonexistent")
    assert "sites/a" in nginx_tls.obstacle(Edits(host, trial), next(sites_of(read, ALL)))


# -- nginx: settings --------------------------------------------------------------------------------------------------

BOOKWORMS = """http {
\tssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; # Dropping SSLv3, ref: POODLE
\tssl_prefer_server_ciphers on;
\tinclude conf.d/*.conf;
\tinclude sites/*;
}
"""
SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)


def test_debians_old_versions_go_in_place_and_the_rest_is_dropped_in(server: Nginx) -> None:
    server.main(BOOKWORMS)
    assert offer(server)[1] == []
    assert server.text("nginx.conf") == BOOKWORMS.replace("TLSv1 TLSv1.1 TLSv1.2", "TLSv1.2")
    dropped = server.text("conf.d/privacy-hosting-tls.conf")
    assert f"ssl_ciphers {SUITES};\nssl_ecdh_curve X25519:prime256v1:secp384r1;\n" in dropped
    assert "ssl_protocols" not in dropped, "twice is an error, and so is ssl_prefer_server_ciphers"
    assert "prefer" not in dropped
    assert offer(server) == ([], [])


def test_a_release_that_knows_post_quantum_groups_offers_one(server: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "run", lambda *_argv, **_options: Result((), 0, "OpenSSL 3.5.4 30 Sep 2025\n", ""))
    offer(server)
    assert "ssl_ecdh_curve X25519MLKEM768:X25519:prime256v1:secp384r1;" in server.text(
        "conf.d/privacy-hosting-tls.conf"
    )


def test_without_conf_d_the_file_is_included(server: Nginx) -> None:
    server.main("http {\n    include sites/*;\n}\n")
    offer(server)
    assert f"include {server.directory}/conf.d/privacy-hosting-tls.conf;" in server.text("nginx.conf")
    assert offer(server) == ([], [])


def test_settings_that_reach_the_level_stay(server: Nginx) -> None:
    text = "http {\n    ssl_protocols TLSv1.3;\n    ssl_ciphers ECDHE+AESGCM;\n    include conf.d/*.conf;\n}\n"
    server.main(text)
    offer(server)
    assert server.text("nginx.conf") == text
    assert "ssl_ciphers" not in server.text("conf.d/privacy-hosting-tls.conf")


def test_a_virtual_hosts_own_settings_are_edited_where_it_is_named(server: Nginx) -> None:
    own = "    ssl_protocols TLSv1 TLSv1.2;\n    ssl_ciphers HIGH:!aNULL;\n    ssl_early_data on;\n"
    server.write("sites/b", site(own, TLS))
    _changed, told = offer(server, Wanted(sites=[]))
    assert server.text("sites/b") == site(own, TLS)
    assert [line.partition(": ")[0].rpartition("/")[2] for line in told] == ["b:4", "b:5", "b:6"]
    assert "put 'ssl_protocols TLSv1.2 TLSv1.3;' there" in told[0]
    assert offer(server)[1] == []
    mended = f"    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers {SUITES};\n    ssl_early_data off;\n"
    assert server.text("sites/b") == site(mended, TLS)
    assert offer(server) == ([], [])


def test_a_command_to_openssl_does_not_drop_those_of_the_http_block(server: Nginx) -> None:
    own = "    ssl_conf_command Options PrioritizeChaCha;\n"
    server.write("sites/b", site(own, TLS))
    assert offer(server)[1] == []
    assert f"{own[:-1]} ssl_conf_command SignatureAlgorithms ECDSA+SHA256:" in server.text("sites/b")
    assert offer(server) == ([], [])


def test_signatures_with_a_weak_hash_are_replaced(server: Nginx) -> None:
    server.write("sites/b", site("    ssl_conf_command SignatureAlgorithms RSA+SHA224:RSA+SHA256;\n", TLS))
    assert offer(server)[1] == []
    assert "SHA224" not in server.text("sites/b")
    assert offer(server) == ([], [])


def test_the_good_level_offers_no_older_version_and_fewer_suites(server: Nginx) -> None:
    server.main(BOOKWORMS)
    offer(server, Wanted(level="good", sites=["all"]))
    assert "ssl_protocols TLSv1.3;" in server.text("nginx.conf")
    dropped = server.text("conf.d/privacy-hosting-tls.conf")
    assert "ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256;" in dropped
    assert offer(server, Wanted(level="good", sites=["all"])) == ([], [])


@pytest.mark.parametrize(
    ("suites", "reaches"),
    [
        (SUITES, True),
        ("ECDHE+AESGCM:ECDHE+CHACHA20", True),
        ("HIGH:!aNULL:!MD5", False),
        ("ECDHE-ECDSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256", False),
        ("no such suite", False),
    ],
)
def test_suites_are_judged_by_what_they_stand_for(suites: str, reaches: bool) -> None:
    assert suites_reach(Host(), suites) is reaches


@pytest.mark.parametrize(
    ("listed", "reaches"),
    [("X25519:prime256v1", True), ("?X25519MLKEM768:x25519/secp384r1", True), ("X25519:ffdhe2048", False)],
)
def test_groups_are_judged_one_by_one(listed: str, reaches: bool) -> None:
    assert groups_reach(listed, ALL) is reaches


# -- Apache -----------------------------------------------------------------------------------------------------------

APACHE_PLAIN = """<VirtualHost *:80>
\tServerName a.example
\tServerAlias www.a.example
\tDocumentRoot /var/www/a
\tCustomLog ${APACHE_LOG_DIR}/a.log combined
</VirtualHost>
"""
APACHE_HEADERS = (
    '\tHeader always set Strict-Transport-Security "max-age=31536000"\n'
    "\tHeader onsuccess unset Strict-Transport-Security\n"
    '\tHeader edit Set-Cookie "(?i)^((?!.*;\\s*secure\\s*(?:;|$)).*)$" "$1; Secure"\n'
    '\tHeader always edit Set-Cookie "(?i)^((?!.*;\\s*secure\\s*(?:;|$)).*)$" "$1; Secure"\n'
)
APACHE_PAIR = "\tSSLCertificateFile /le/fullchain.pem\n\tSSLCertificateKeyFile /le/privkey.pem\n"
APACHE_INCLUDE = "\tInclude conf-available/privacy-hosting-acme.conf\n"


def apache_redirect(name: str) -> str:
    return (
        f"<VirtualHost *:80>\n\tServerName {name}\n{APACHE_INCLUDE}"
        "\tCustomLog ${APACHE_LOG_DIR}/a.log combined\n"
        '\t<LocationMatch "^/(?!\\.well-known/acme-challenge/)">\n'
        f"\t\tRedirect permanent / https://{name}/\n\t</LocationMatch>\n</VirtualHost>\n"
    )


APACHE_WHOLE = (
    "<VirtualHost *:443>\n\tServerName a.example\n\tServerAlias www.a.example\n"
    + APACHE_INCLUDE
    + "\tSSLEngine on\n"
    + APACHE_PAIR
    + APACHE_HEADERS
    + "\tDocumentRoot /var/www/a\n\tCustomLog ${APACHE_LOG_DIR}/a.log combined\n</VirtualHost>\n\n"
    + "# Made by privacy.hosting, role web_tls: plain http leads to https.\n"
    + apache_redirect("a.example")
    + "\n"
    + apache_redirect("www.a.example")
)


def test_an_apache_site_moves_to_https_and_leaves_a_redirect_for_each_name(httpd: Apache) -> None:
    httpd.write("sites/a.conf", APACHE_PLAIN)
    changed, told = bring(httpd)
    assert told == []
    assert httpd.text("sites/a.conf") == APACHE_WHOLE
    assert {f"mods-enabled/{name}.load" for name in ("ssl", "headers", "alias", "socache_shmcb")} <= set(changed)
    assert "conf-enabled/privacy-hosting-tls.conf" in changed, "never with the suites of the release"
    assert plain_answers(httpd) == []
    assert without_hsts(httpd) == []
    assert bring(httpd) == ([], [])


def test_an_apache_site_answers_at_both_until_https_is_proven(httpd: Apache) -> None:
    httpd.write("sites/a.conf", APACHE_PLAIN)
    bring(httpd, CHALLENGE)
    named = APACHE_PLAIN.replace("\tDocumentRoot", APACHE_INCLUDE + "\tDocumentRoot")
    assert httpd.text("sites/a.conf") == named
    bring(httpd, ENCRYPTED)
    both = named.replace(":80>", ":443>").replace("\tDocumentRoot", f"\tSSLEngine on\n{APACHE_PAIR}\tDocumentRoot")
    assert sorted(httpd.text("sites/a.conf").split("\n")) == sorted(f"{both}\n{named}".split("\n"))
    assert len(plain_answers(httpd)) == 1
    bring(httpd)
    assert plain_answers(httpd) == []
    assert without_hsts(httpd) == []
    assert sorted(httpd.text("sites/a.conf").split("\n")) == sorted(APACHE_WHOLE.split("\n"))
    for upto in (CHALLENGE, ENCRYPTED, WHOLE):
        assert bring(httpd, upto) == ([], [])


def apache_site(inside: str, port: int = 443) -> str:
    return f"<VirtualHost *:{port}>\n\tServerName b.example\n{inside}</VirtualHost>\n"


APACHE_OTHER = "\tSSLCertificateFile /old.pem\n\tSSLCertificateKeyFile /old.key\n"
APACHE_SITES = {
    "a certificate is replaced": (APACHE_OTHER, APACHE_INCLUDE + APACHE_HEADERS + APACHE_PAIR),
    "a chain of its own goes": (
        APACHE_OTHER + "\tSSLCertificateChainFile /chain.pem\n",
        APACHE_INCLUDE + APACHE_HEADERS + APACHE_PAIR,
    ),
    "a header that error pages lack": (
        APACHE_PAIR + '\tHeader set Strict-Transport-Security "max-age=300"\n',
        APACHE_INCLUDE
        + APACHE_HEADERS.partition("unset Strict-Transport-Security\n")[2]
        + APACHE_PAIR
        + '\tHeader always set Strict-Transport-Security "max-age=31536000"\n',
    ),
    "a header that says enough": (
        APACHE_PAIR + '\tHeader always set Strict-Transport-Security "max-age=63072000; includeSubDomains"\n',
        APACHE_INCLUDE
        + APACHE_HEADERS.partition("unset Strict-Transport-Security\n")[2]
        + APACHE_PAIR
        + '\tHeader always set Strict-Transport-Security "max-age=63072000; includeSubDomains"\n',
    ),
}


@pytest.mark.parametrize("case", APACHE_SITES)
def test_an_apache_site_over_https_is_mended_where_it_lacks_something(httpd: Apache, case: str) -> None:
    before, after = APACHE_SITES[case]
    httpd.enable("ssl", "headers")
    httpd.write("sites/b.conf", apache_site("\tSSLEngine on\n" + before))
    assert bring(httpd)[1] == []
    head, _mark, tail = after.partition(APACHE_PAIR)
    assert httpd.text("sites/b.conf") == apache_site(f"{head}\tSSLEngine on\n{APACHE_PAIR}{tail}")
    assert without_hsts(httpd) == []
    assert bring(httpd) == ([], [])


def test_another_apache_section_for_plain_http_keeps_its_lines(httpd: Apache) -> None:
    httpd.enable("ssl", "headers")
    plain = apache_site("\tDocumentRoot /var/www/older\n", 80)
    httpd.write("sites/b.conf", plain + apache_site("\tSSLEngine on\n" + APACHE_PAIR))
    assert bring(httpd)[1] == []
    assert "Redirect permanent / https://b.example/\n" in httpd.text("sites/b.conf")
    assert "DocumentRoot /var/www/older" in httpd.text("sites/b.conf")
    assert plain_answers(httpd) == []
    assert bring(httpd) == ([], [])


def test_a_section_that_asks_for_passwords_is_left_and_told(httpd: Apache) -> None:
    httpd.enable("ssl", "headers")
    plain = apache_site("\t<Location />\n\t\tAuthType Basic\n\t\tRequire valid-user\n\t</Location>\n", 80)
    httpd.write("sites/b.conf", plain + apache_site("\tSSLEngine on\n" + APACHE_PAIR))
    _changed, told = bring(httpd)
    assert "Redirect" not in httpd.text("sites/b.conf")
    assert len(told) == 1 and "passwords" in told[0]


def test_an_apache_redirect_stays_as_it_is(httpd: Apache) -> None:
    httpd.enable("ssl", "headers")
    redirect = apache_site("\tRedirect permanent / https://b.example/\n", 80)
    httpd.write("sites/b.conf", redirect + apache_site("\tSSLEngine on\n" + APACHE_PAIR))
    bring(httpd)
    assert httpd.text("sites/b.conf").startswith(redirect)
    assert bring(httpd) == ([], [])


def test_an_apache_name_that_is_sent_to_another_gets_https_of_its_own_first(httpd: Apache) -> None:
    away = apache_site("\tRedirect permanent / https://c.example/\n", 80)
    httpd.write("sites/b.conf", away)
    bring(httpd, CHALLENGE)
    wrapped = (
        '\t<LocationMatch "^/(?!\\.well-known/acme-challenge/)">\n'
        "\t\tRedirect permanent / https://c.example/\n\t</LocationMatch>\n"
    )
    assert httpd.text("sites/b.conf") == apache_site(APACHE_INCLUDE + wrapped, 80)
    bring(httpd, ENCRYPTED)
    bring(httpd)
    assert wrapped in httpd.text("sites/b.conf").partition("</VirtualHost>")[0]
    assert "Redirect permanent / https://b.example/" in httpd.text("sites/b.conf").partition("</VirtualHost>")[2]
    assert bring(httpd) == ([], [])


APACHES = "SSLProtocol all -SSLv3\nSSLCipherSuite HIGH:!aNULL\n"


def test_apaches_own_settings_are_beaten_by_a_drop_in(httpd: Apache) -> None:
    httpd.enable("ssl")
    httpd.write("mods-enabled/ssl.conf", f"<IfModule mod_ssl.c>\n{APACHES}</IfModule>\n")
    assert offer(httpd)[1] == []
    assert httpd.text("mods-enabled/ssl.conf") == f"<IfModule mod_ssl.c>\n{APACHES}</IfModule>\n"
    dropped = httpd.text("conf-enabled/privacy-hosting-tls.conf")
    assert f"    SSLProtocol -all +TLSv1.2 +TLSv1.3\n    SSLCipherSuite {SUITES}\n" in dropped
    assert offer(httpd) == ([], [])


def test_what_comes_behind_the_drop_in_is_edited_in_place(httpd: Apache) -> None:
    httpd.enable("ssl")
    httpd.write("conf-enabled/zz-tls.conf", APACHES)
    offer(httpd)
    assert httpd.text("conf-enabled/zz-tls.conf") == f"SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCipherSuite {SUITES}\n"
    assert offer(httpd) == ([], [])


def test_an_apache_site_has_its_own_settings_edited_where_it_is_named(httpd: Apache) -> None:
    httpd.enable("ssl")
    httpd.write("sites/b.conf", apache_site("\tSSLEngine on\n\tSSLProtocol all -SSLv3 -TLSv1\n" + APACHE_PAIR))
    _changed, told = offer(httpd, Wanted())
    assert len(told) == 1 and "put 'SSLProtocol -all +TLSv1.2 +TLSv1.3' there" in told[0]
    assert offer(httpd)[1] == []
    assert "\tSSLProtocol -all +TLSv1.2 +TLSv1.3\n" in httpd.text("sites/b.conf")


def test_apache_without_tls_is_left_without(httpd: Apache) -> None:
    httpd.write("sites/a.conf", APACHE_PLAIN)
    assert offer(httpd) == ([], [])


def test_a_port_that_nothing_opens_is_opened(httpd: Apache) -> None:
    (httpd.directory / "ports.conf").write_text("Listen 80\n")
    httpd.write("sites/a.conf", APACHE_PLAIN)
    bring(httpd)
    assert "    Listen 443\n" in httpd.text("conf-enabled/privacy-hosting-tls.conf")
    assert bring(httpd) == ([], [])
    assert offer(httpd) == ([], [])


def test_apache_refuses_those_who_ask_for_no_site(httpd: Apache) -> None:
    httpd.write("sites/000-default.conf", "<VirtualHost *:80>\n\tDocumentRoot /var/www/html\n</VirtualHost>\n")
    bring(httpd, ENCRYPTED)
    assert "Redirect" not in httpd.text("sites/000-default.conf")
    bring(httpd)
    assert httpd.text("sites/000-default.conf").startswith("<VirtualHost *:80>\n\tRedirect 404 /\n")
    assert plain_answers(httpd) == []
    assert bring(httpd) == ([], [])


@pytest.mark.parametrize("tag", ["*:80 *:8080", "*"])
def test_a_section_for_other_ports_too_is_left(httpd: Apache, tag: str) -> None:
    (httpd.directory / "ports.conf").write_text("Listen 80\nListen 8080\n")
    httpd.write("sites/a.conf", APACHE_PLAIN.replace("*:80", tag))
    host = Host()
    trial = Transaction("", "web_tls", check=True, root="/nonexistent")
    assert "other ports" in apache_tls.obstacle(Edits(host, trial), next(sites_of(httpd.read(host), ALL)))


# -- steps ------------------------------------------------------------------------------------------------------------


class Authority:
    """certbot, and what visitors find: as tests say."""

    def __init__(self, server: Nginx, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.server, self.refuses, self.unserved, self.unreached = server, "", set[str](), set[str]()
        self.lost, self.back = "", set[str]()
        self.certificates: set[str] = set()
        self.seen: list[str] = []
        for name in ("CHALLENGES", "LIVE", "HOOK", "DROP_IN"):
            monkeypatch.setattr(certbot, name, f"{directory}/{name.lower()}")
        monkeypatch.setattr(_change, "_SETTLE_S", 0.0)
        monkeypatch.setattr(certbot, "obtain", self.obtain)
        monkeypatch.setattr(certbot, "why_not_good", self.why_not_good)
        monkeypatch.setattr(certbot, "is_renewed", lambda _host, _pair: True)
        monkeypatch.setattr(web_tls, "panel", lambda _host: "")
        monkeypatch.setattr(web_tls, "web_servers", lambda host: [host.once("servers", lambda: server.read(host))])
        monkeypatch.setattr(web_tls, "holder_of_443", lambda _host, _site: "")
        monkeypatch.setattr(web_tls, "not_provable", lambda _site: "")
        monkeypatch.setattr(web_tls, "elsewhere", lambda _site: "")
        monkeypatch.setattr(web_tls, "addresses", lambda name: [] if name == self.lost else ["192.0.2.1"])
        monkeypatch.setattr(web_tls, "not_served", self.not_served)
        monkeypatch.setattr(web_tls, "not_reached", lambda site, _roots: f"{site.label} is elsewhere" * self.away(site))
        monkeypatch.setattr(web_tls, "circles", lambda site: "it goes in circles" * (site.label in self.back))
        monkeypatch.setattr(web_tls, "not_redirected", lambda _site: "")
        self.root = str(directory / "undo")

        def transaction(run: str, name: str, check: bool = False, root: str = self.root) -> Transaction:
            return Transaction(run, name, check, root, caller=self.call)

        monkeypatch.setattr(web_tls, "Transaction", transaction)

    def call(self, argv: object) -> Result:
        return Result((), 0, "enabled" if "is-enabled" in str(argv) else "", "")

    def away(self, site: Site) -> bool:
        return site.label in self.unreached

    def obtain(self, site: Site, _wanted: Wanted) -> str:
        if site.label == self.refuses:
            return "Detail: no address"
        self.certificates.add(certbot.pair(site.label).chain)
        return ""

    def why_not_good(self, _host: Host, pair: Pair, _names: object, _roots: str = "") -> str:
        return "" if pair.chain in self.certificates else "it is not there"

    def not_served(self, site: Site, _roots: str, *, patient: bool = True) -> str:
        self.seen.append(f"{site.label} {'patient' if patient else 'at once'}")
        return "the certificate is not trusted" if site.label in self.unserved else ""

    def harden(self, wanted: Wanted = ALL, check: bool = False) -> tuple[bool, list[str]]:
        transaction = Transaction("2026-01-31T12:00:00Z", "web_tls", check, self.root, caller=self.call)
        planned = web_tls.plan_sites(Host(), transaction, wanted)
        changed = transaction.commit()
        more = planned.afterwards() if planned.afterwards else {"changed": False, "warnings": []}
        transaction.close()
        return changed or more["changed"], planned.warnings + more["warnings"]


@pytest.fixture
def authority(server: Nginx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Authority:
    server.write("sites/a", PLAIN)
    server.write("sites/b", site(""))
    return Authority(server, monkeypatch, tmp_path)


def test_all_steps_bring_all_sites_and_a_second_run_changes_nothing(authority: Authority) -> None:
    assert authority.harden() == (True, [])
    assert plain_answers(authority.server) == []
    assert without_hsts(authority.server) == []
    assert authority.harden() == (False, [])


def test_check_mode_shows_the_whole_and_touches_nothing(authority: Authority) -> None:
    changed, told = authority.harden(check=True)
    assert (changed, told) == (True, [])
    assert authority.server.text("sites/a") == PLAIN
    assert not os.path.exists(authority.root)


def test_a_site_that_the_authority_refuses_is_as_it_was_and_others_go_on(authority: Authority) -> None:
    authority.refuses = "a.example"
    changed, told = authority.harden()
    assert changed
    assert len(told) == 1 and told[0].startswith("a.example was left as it is") and "no address" in told[0]
    assert authority.server.text("sites/a") == PLAIN
    assert "listen 443 ssl;" in authority.server.text("sites/b")
    changed, told = authority.harden()
    assert (changed, len(told)) == (False, 1)


def test_no_authority_is_asked_about_a_name_that_leads_nowhere(authority: Authority) -> None:
    authority.lost = "www.a.example"
    _changed, told = authority.harden()
    assert len(told) == 1 and "www.a.example leads to no address" in told[0]
    assert authority.server.text("sites/a") == PLAIN
    assert len(authority.certificates) == 1


def test_where_the_authority_refuses_all_there_is_nothing_to_undo(authority: Authority) -> None:
    authority.refuses = "a.example"
    changed, _told = authority.harden(Wanted(sites=["a.example"]))
    assert not changed
    assert authority.server.text("sites/a") == PLAIN
    assert runs(authority.root) == []


def test_a_site_whose_https_is_not_trusted_is_put_back(authority: Authority) -> None:
    authority.unserved = {"a.example"}
    _changed, told = authority.harden()
    assert len(told) == 1 and "a.example was left as it was" in told[0] and "not trusted" in told[0]
    assert "443" not in authority.server.text("sites/a")
    assert "301" not in authority.server.text("sites/a")
    assert "listen 443 ssl;" in authority.server.text("sites/b")


def test_visitors_are_not_sent_to_https_that_they_do_not_reach(authority: Authority) -> None:
    authority.unreached = {"b.example"}
    _changed, told = authority.harden()
    assert told == [
        "b.example answers over https, but visitors of plain http were not sent there: b.example is elsewhere"
    ]
    text = authority.server.text("sites/b")
    assert "listen 443 ssl;" in text
    assert "301" not in text and "Strict-Transport-Security" not in text
    changed, told = authority.harden()
    assert (changed, len(told)) == (False, 1)


TAKES = "a.example was left as it is: port 443 of its address alone would take https from"


def test_a_site_on_one_address_takes_https_from_nobody(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = authority.server
    server.write("sites/a", "server { listen 192.0.2.1:80; server_name a.example; root /w; }")
    server.write("sites/b", site(OTHER, TLS + "    listen 80;\n"))
    authority.certificates.add("/old.pem")
    monkeypatch.setattr(reachable, "addresses", lambda _name: ["192.0.2.1"])
    before = server.text("sites/a")
    _changed, told = authority.harden(Wanted(sites=["a.example"]))
    assert any(f"{TAKES} b.example" in line for line in told)
    assert server.text("sites/a") == before
    # the others' visitors come by another address
    monkeypatch.setattr(reachable, "addresses", lambda _name: ["192.0.2.2"])
    authority.harden(Wanted(sites=["a.example"]))
    assert "listen 192.0.2.1:443 ssl;" in server.text("sites/a")


def test_visitors_are_not_sent_in_circles(authority: Authority) -> None:
    authority.back = {"b.example"}
    _changed, told = authority.harden()
    assert len(told) == 1 and told[0].endswith("were not sent there: it goes in circles")
    assert "301" not in authority.server.text("sites/b")


@pytest.mark.parametrize(
    ("answers", "circle"),
    [
        ({"/": (301, "http://a.example/")}, True),
        ({"/": (302, "http://a.example/start"), "/start": (302, "/")}, True),
        # applications that know nothing of https, and are well all the same
        ({"/": (302, "http://a.example/login"), "/login": (200, "")}, False),
        ({"/": (301, "http://www.a.example/")}, False),
        ({"/": (302, "/")}, False),  # a cookie was set
        ({"/": (200, "")}, False),
    ],
)
def test_https_that_leads_back_to_plain_http_is_seen(
    server: Nginx, monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str]], circle: bool
) -> None:
    def get(_address: str, name: str, path: str, *, tls: bool) -> tuple[int, str, bytes]:
        assert (name, tls) == ("a.example", True)
        return (*answers[path], b"")

    monkeypatch.setattr(reachable, "_get", get)
    server.write("sites/a", "server { listen 443 ssl; server_name a.example; }")
    (vhost,) = server.read(Host()).vhosts
    assert bool(reachable.circles(Site(server.read(Host()), [vhost]))) is circle


def test_an_untrusted_certificate_of_ones_own_gets_no_redirect(authority: Authority) -> None:
    server = authority.server
    server.write("sites/a", site(OTHER, TLS + "    listen 80;\n"))
    server.write("sites/b", site("").replace("b.example", "c.example"))
    before = server.text("sites/a")
    authority.unserved = {"b.example"}
    changed, told = authority.harden(Wanted(sites=["all"], certificates=OWN))
    assert not changed
    assert server.text("sites/a") == before
    assert any("not trusted" in line for line in told)
    assert any("c.example was left as it is: it has no certificate" in line for line in told)
    assert authority.seen == ["b.example at once"]


def test_what_is_not_named_is_told_with_its_line(authority: Authority) -> None:
    changed, told = authority.harden(Wanted(sites=["b.example"]))
    assert changed
    assert authority.server.text("sites/a") == PLAIN
    assert len(told) == 1 and "sites/a:1: a.example answers plain http" in told[0]


def test_a_site_behind_a_proxy_that_it_trusts_is_left(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    server = authority.server
    server.main("http {\n    set_real_ip_from 192.0.2.10;\n    include sites/*;\n}\n")
    monkeypatch.setattr(reachable, "addresses", lambda name: ["192.0.2.10" if name == "b.example" else "198.51.100.1"])
    _changed, told = authority.harden()
    assert len(told) == 1 and "b.example was left as it is: b.example leads to a proxy" in told[0]
    assert server.text("sites/b") == site("")
    assert "listen 443 ssl;" in server.text("sites/a")


@pytest.mark.parametrize(
    ("names", "reason"), [("_", "no name of its own"), ("b.example *.b.example", "wildcard"), ("~^b", "wildcard")]
)
def test_a_site_that_no_certificate_can_name_is_left(authority: Authority, names: str, reason: str) -> None:
    server = authority.server
    before = site("").replace("b.example", names)
    server.write("sites/b", before)
    _changed, told = authority.harden()
    assert server.text("sites/b") == before
    assert len(told) == 1 and reason in told[0]


def test_those_who_ask_for_no_site_are_refused_where_that_is_wanted(authority: Authority) -> None:
    server = authority.server
    before = site("").replace("b.example", "_").replace("80", "80 default_server")
    server.write("sites/b", before)
    _changed, told = authority.harden()
    assert "adding 'default of 0.0.0.0:80' to web_tls_sites" in told[0]
    assert server.text("sites/b") == before
    assert authority.harden(Wanted(sites=["all", "default of 0.0.0.0:80"])) == (True, [])
    assert server.text("sites/b") == before.replace("server {\n", "server {\n    return 404;\n")
    assert authority.harden(Wanted(sites=["all", "default of 0.0.0.0:80"])) == (False, [])


def test_what_a_server_refuses_is_put_back_site_by_site(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    server = authority.server
    called = authority.call

    def call(argv: tuple[str, ...]) -> Result:
        if argv[0] == "nginx" and "443" in server.text("sites/b"):
            return Result(argv, 1, "", "nginx: [emerg] bind() failed")
        return called(argv)

    monkeypatch.setattr(authority, "call", call)
    _changed, told = authority.harden()
    assert len(told) == 1 and "b.example was left as it was" in told[0] and "bind() failed" in told[0]
    assert "listen 443 ssl;" in server.text("sites/a")
    assert "443" not in server.text("sites/b")


@pytest.mark.parametrize(
    ("kept", "may_keep"),
    [
        ("", True),
        ("server = https://acme.example/dir\nkey_type = ecdsa\n", True),
        ("server = https://acme.example/dir\nkey_type = rsa\n", False),
        ("server = https://acme-staging.example/dir\nkey_type = ecdsa\n", False),
    ],
)
def test_a_certificate_of_another_kind_is_not_kept(
    server: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, may_keep: bool
) -> None:
    monkeypatch.setattr(certbot, "RENEWAL", str(tmp_path))
    if kept:
        (tmp_path / "a.example.conf").write_text(kept)
    server.write("sites/a", PLAIN)
    site = next(sites_of(server.read(Host()), ALL))
    how_often = certbot._how_often(site, Wanted(directory="https://acme.example/dir"))
    assert how_often == ("--keep-until-expiring" if may_keep else "--force-renewal")


def test_certbots_complaint_is_one_line() -> None:
    output = """Saving debug log to /var/log/letsencrypt/letsencrypt.log
Requesting a certificate for a.example

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: a.example
  Type:   dns
  Detail: no valid A records found for a.example

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org."""
    told = certbot._complaint(output)
    assert "no valid A records found for a.example" in told
    assert "\n" not in told


def test_undo_puts_all_steps_back(authority: Authority) -> None:
    before = {path: path.read_bytes() for path in authority.server.directory.rglob("*") if path.is_file()}
    authority.harden()
    undone = plan_undo(root=authority.root, caller=authority.call)
    undone.transaction.validations.clear()
    undone.transaction.commit()
    undone.transaction.close()
    assert undone.left == ()
    assert {path: path.read_bytes() for path in authority.server.directory.rglob("*") if path.is_file()} == before
    assert not os.path.exists(certbot.HOOK)
