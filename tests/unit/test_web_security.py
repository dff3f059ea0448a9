# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S104  an address that a test names, and nobody binds to

"""What nginx and Apache are read to do: sockets with TLS, redirects, headers, cookies, proxies in front."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import web_security
from ansible_collections.privacy.hosting.plugins.module_utils._services.addresses import own_addresses, shortened
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import Listen, WebServer
from ansible_collections.privacy.hosting.plugins.module_utils._services.web import web_servers
from ansible_collections.privacy.hosting.plugins.module_utils._services.web_security import (
    Security,
    Socket,
    ends_elsewhere,
    max_age_s,
    owner,
    reached_at,
    security,
)
from tests.unit import web_host

# what Debian's packages have beside the virtual hosts
NGINX_12 = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; # Dropping SSLv3, ref: POODLE\nssl_prefer_server_ciphers on;"
APACHE = """
ServerRoot "{root}"
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so
ErrorLog /var/log/apache2/error.log
<IfModule mod_ssl.c>
SSLCipherSuite HIGH:!aNULL
SSLProtocol all -SSLv3
</IfModule>
<Directory />
    AllowOverride None
    Require all denied
</Directory>
Listen 80
<IfModule ssl_module>
    Listen 443
</IfModule>
"""


# of requests over plain http: place, what it does, whether it keeps the name
Found = list[tuple[str, str, bool | None]]


def nginx(tmp_path: Path, http: str) -> tuple[Host, WebServer]:
    """An nginx with this in its http block."""
    config = tmp_path / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{\n{http}\n}}\n")
    host = web_host.nginx(config)
    (server,) = web_servers(host)
    assert server.problems == ()
    return host, server


def apache(tmp_path: Path, text: str) -> tuple[Host, WebServer]:
    """An Apache of Debian's with this after its own lines."""
    config = tmp_path / "apache2.conf"
    config.write_text(APACHE.replace("{root}", str(tmp_path)) + text.replace("{root}", str(tmp_path)))
    host = web_host.apache(config)
    (server,) = web_servers(host)
    assert server.problems == ()
    return host, server


def read(asked: tuple[Host, WebServer], place: int = 0) -> Security:
    """What one of its virtual hosts is read to do."""
    host, server = asked
    return security(host, server, server.vhosts[place])


def does(read_: Security) -> list[tuple[str, str, bool | None]]:
    """What plain http does: place, what it does, whether it keeps the name; proofs for ACME and parts left out."""
    return [(one.context, one.does, one.same_name) for one in read_.plain if not one.challenge and not one.part]


# -- redirects of nginx -----------------------------------------------------------------------------------------------

ALL = "location / { return 301 https://$host$request_uri; }"
BY_CERTBOT = "".join(
    f"if ($host = {name}) {{ return 301 https://$host$request_uri; }} " for name in ("www.a.example", "a.example")
)
NAMED = "listen 80; server_name a.example www.a.example;"


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("return 301 https://$host$request_uri;", [("server", "redirects", True)]),
        ("return https://$http_host$request_uri;", [("server", "redirects", True)]),
        ("rewrite ^ https://$host$request_uri? permanent;", [("server", "redirects", True)]),
        ("rewrite ^/(.*)$ https://$host/$1 redirect;", [("server", "redirects", True)]),
        ("return 301 https://a.example$request_uri;", [("server", "redirects", True), ("server", "redirects", False)]),
        ("return 301 https://elsewhere.example/;", [("server", "redirects", False)]),
        ("return 301 http://$host/start;", [("server", "answers", None)]),
        ("return 301 $scheme://$host/start;", [("server", "answers", None)]),
        ("return 301 $target;", [("server", "unclear", None)]),
        ("return 200 ok;", [("server", "answers", None)]),
        ("return 444;", [("server", "refuses", None)]),
        ("root /var/www;", [("server", "answers", None)]),
        ("if ($scheme = http) { return 301 https://$host$request_uri; } root /w;", [("server", "redirects", True)]),
        ("if ($https = '') { return 301 https://$host$request_uri; }", [("server", "redirects", True)]),
        ("if ($server_port != 443) { return 308 https://$host$request_uri; }", [("server", "redirects", True)]),
        ('if ($http_x_forwarded_proto != "https") { return 301 https://$host$uri; }', [("server", "redirects", True)]),
        (BY_CERTBOT + "return 404;", [("server", "redirects", True)]),
        (
            "if ($host = a.example) { return 301 https://$host$request_uri; } return 404;",
            [("server", "redirects", True), ("server", "refuses", None)],
        ),
        # whom the condition meets is not known
        (
            "if ($http_user_agent ~ bot) { return 301 https://$host$request_uri; } root /w;",
            [("server", "redirects", True), ("server", "answers", None)],
        ),
        ("if ($cookie_x) { return 200 ok; } return 301 https://$host/;",
         [("server", "unclear", None), ("server", "redirects", True)]),
        # what escapes a redirect: other paths, errors that are answered, rewriting that ends before it
        ("if ($request_uri ~ ^/health) { break; } return 301 https://$host$request_uri;",
         [("server", "redirects", True), ("server", "answers", None)]),
        ("if ($request_uri ~ ^/.well-known/acme-challenge/) { break; } return 301 https://$host$request_uri;",
         [("server", "redirects", True)]),
        ("if ($request_uri !~ ^/.well-known/acme-challenge/) { return 301 https://$host$request_uri; } root /w;",
         [("server", "redirects", True)]),
        ("rewrite ^/health /ok.html last; return 301 https://$host$request_uri;",
         [("server", "redirects", True), ("server", "answers", None)]),
        ("break; return 301 https://$host$request_uri;", [("server", "answers", None)]),
        # what else is left out beside the proofs for an authority
        ("if ($request_uri !~ ^/(.well-known/acme-challenge|api)/) { return 301 https://$host$request_uri; } root /w;",
         [("server", "redirects", True), ("server", "answers", None)]),
        ("rewrite ^/(?!.well-known/acme-challenge|api)(.*) https://$host/$1 permanent; root /w;",
         [("server", "answers", None)]),
        (f"location ~ ^/(x|.well-known/acme-challenge)/ {{ proxy_pass http://[::1]:8; }} {ALL}",
         [("location ~ ^/(x|.well-known/acme-challenge)/", "answers", None), ("location /", "redirects", True)]),
        # forms are posted: a redirect of what is only asked for does not keep them from going in clear
        ("if ($request_method = GET) { return 301 https://$host$request_uri; } root /w;",
         [("server", "redirects", True), ("server", "answers", None)]),
        ("if ($request_method !~ ^(GET|HEAD|POST)$) { return 405; } return 308 https://$host$request_uri;",
         [("server", "redirects", True)]),
        ("rewrite ^/(?!health) https://$host$request_uri permanent; root /w;", [("server", "answers", None)]),
        ("error_page 404 =200 /index.html; return 404;", [("server", "unclear", None)]),
        ("set $to 0; if ($scheme = http) { set $to 1; } if ($to = 1) { return 301 https://$host$request_uri; }",
         [("server", "redirects", True)]),
        ("set $to 1; if ($arg_x) { set $to 0; } if ($to) { return 301 https://$host$request_uri; } root /w;",
         [("server", "redirects", True), ("server", "unclear", None)]),
        ("if ($by_map) { return 301 https://$host$request_uri; } root /w;", [("server", "redirects", True)]),
        ("if ($by_other) { return 301 https://$host$request_uri; } root /w;",
         [("server", "redirects", True), ("server", "unclear", None)]),
        ("location / { return 301 https://$host$request_uri; }", [("location /", "redirects", True)]),
        (
            "location / { return 301 https://$host$request_uri; } location /api/ { proxy_pass http://[::1]:8; }",
            [("location /", "redirects", True), ("location /api/", "answers", None)],
        ),
        (f"location /.well-known/acme-challenge/ {{ root /acme; }} {ALL}", [("location /", "redirects", True)]),
        (f"location = /s {{ stub_status; allow ::1; deny all; }} {ALL}", [("location /", "redirects", True)]),
        (
            "location = /login { return 301 https://$host$request_uri; } root /var/www;",
            [("server", "answers", None), ("location = /login", "redirects", True)],
        ),
        ("rewrite ^/login https://$host/login permanent; root /w;", [("server", "answers", None)]),
        ("location / { deny all; allow 192.0.2.1; }", [("location /", "refuses", None)]),
        ("location / { deny all; }", []),  # for nobody
        # a password is asked for, and comes in clear
        ("location / { satisfy any; deny all; auth_basic x; }", [("location /", "answers", None)]),
        ("location / { try_files $uri @app; } location @app { proxy_pass http://[::1]:8; }",
         [("location /", "answers", None)]),
        ("location / { location ~ x { return 200 a; } return 301 https://$host/; }",
         [("location / > location ~ x", "answers", None), ("location /", "redirects", True)]),
    ],
)  # fmt: skip
def test_what_nginx_does_with_plain_http(tmp_path: Path, inside: str, found: Found) -> None:
    maps = "map $scheme $by_map { http 1; default 0; } map $http_x $by_other { default 1; a 0; }"
    told = does(read(nginx(tmp_path, f"{maps} server {{ {NAMED} {inside} }}")))
    assert sorted(told, key=str) == sorted(found, key=str)


def test_names_with_wildcards_are_tried_too(tmp_path: Path) -> None:
    text = "if ($host = a.example) { return 301 https://$host$request_uri; } root /w;"
    told = does(read(nginx(tmp_path, f"server {{ listen 80; server_name a.example *.a.example; {text} }}")))
    assert told == [("server", "redirects", True), ("server", "answers", None)]


def test_the_name_that_a_redirect_loses_is_told(tmp_path: Path) -> None:
    told = read(nginx(tmp_path, f"server {{ {NAMED} return 301 https://a.example$request_uri; }}")).plain
    assert {one.names: one.same_name for one in told} == {("a.example",): True, ("www.a.example",): False}
    assert all(one.code == 301 and one.source.endswith(":3") for one in told)


def test_a_place_for_acme_is_marked(tmp_path: Path) -> None:
    text = f"server {{ {NAMED} location ^~ /.well-known/acme-challenge/ {{ root /w; }} location / {{ return 403; }} }}"
    assert [(one.context.split()[-1], one.challenge) for one in read(nginx(tmp_path, text)).plain] == [
        ("/.well-known/acme-challenge/", True), ("/", False)
    ]  # fmt: skip


def test_one_with_tls_only_says_nothing_of_plain_http(tmp_path: Path) -> None:
    assert read(nginx(tmp_path, "server { listen 443 ssl; root /w; }")).plain == ()


# -- redirects of Apache ----------------------------------------------------------------------------------------------

ON = "RewriteEngine on\n"
SAME = "https://%{HTTP_HOST}%{REQUEST_URI}"
BUT_ACME = "RewriteCond %{HTTPS} off\nRewriteCond %{REQUEST_URI} !^/\\.well-known/acme-challenge/\n"
# certbot's own
WWW, BARE = "RewriteCond %{SERVER_NAME} =www.a.example [OR]\n", "RewriteCond %{SERVER_NAME} =a.example\n"
SITE = "ServerName a.example\nServerAlias www.a.example\nDocumentRoot {root}/www\n"


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        (f"{ON}RewriteRule ^ {SAME} [R=301,L]", [("server", "redirects", True)]),
        (f"{ON}RewriteCond %{{HTTPS}} !=on\nRewriteRule ^/?(.*) https://%{{SERVER_NAME}}/$1 [R,L]",
         [("server", "redirects", True)]),
        (f"{ON}{BUT_ACME}RewriteRule ^(.*)$ https://%{{HTTP_HOST}}$1 [R=301,L]", [("server", "redirects", True)]),
        (f"{ON}RewriteCond %{{SERVER_PORT}} ^80$\nRewriteRule .* {SAME} [R=308]", [("server", "redirects", True)]),
        (f"{ON}{WWW}{BARE}RewriteRule ^ {SAME} [END,NE,R=permanent]", [("server", "redirects", True)]),
        (f"{ON}{BARE}RewriteRule ^ {SAME} [END,NE,R=permanent]",
         [("server", "redirects", True), ("server", "answers", None)]),
        # what escapes a redirect: other paths, applications that are asked first, rewriting that ends before it
        (f"{ON}RewriteCond %{{REQUEST_URI}} !^/health\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "unclear", True), ("server", "answers", None)]),
        (f"{ON}RewriteRule ^/api/(.*)$ http://[::1]:8/$1 [P,L]\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "answers", None)]),
        (f"{ON}RewriteRule ^/health$ - [L]\nRewriteRule ^ {SAME} [R=301,L]", [("server", "answers", None)]),
        (f"{ON}RewriteRule ^/\\.well-known/acme-challenge/ - [L]\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "redirects", True)]),
        (f"{ON}RewriteRule !^/health {SAME} [R=301,L]", [("server", "answers", None)]),
        (f"{ON}RewriteCond %{{REQUEST_URI}} !^/(\\.well-known/acme-challenge|api)/\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "unclear", True), ("server", "answers", None)]),
        (f"{ON}RewriteRule ^/(api|\\.well-known/acme-challenge)/ - [L]\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "answers", None)]),
        ("RedirectMatch 301 ^/(?!\\.well-known/acme-challenge|api/)(.*)$ https://elsewhere.example/$1",
         [("server", "answers", None)]),
        (f"{ON}RewriteCond %{{REQUEST_METHOD}} !=POST\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "redirects", True), ("server", "answers", None)]),
        ("ProxyPass / http://[::1]:8/\nRedirect permanent / https://elsewhere.example/",
         [("ProxyPass /", "answers", None)]),
        ("ProxyPass /.well-known !\nRedirect permanent / https://elsewhere.example/", [("server", "redirects", False)]),
        (f"ProxyPass / http://[::1]:8/\n{ON}RewriteRule ^ {SAME} [R=301,L]", [("server", "redirects", True)]),
        (f"RewriteEngine off\nRewriteRule ^ {SAME} [R=301,L]", [("server", "answers", None)]),
        (f"{ON}RewriteCond %{{HTTP_USER_AGENT}} bot\nRewriteRule ^ {SAME} [R=301,L]",
         [("server", "unclear", True), ("server", "answers", None)]),
        ("RewriteEngine on\nRewriteRule ^ - [F]", [("server", "refuses", None)]),
        ("Redirect permanent / https://elsewhere.example/", [("server", "redirects", False)]),
        ("Redirect / https://a.example/", [("server", "redirects", True), ("server", "redirects", False)]),
        ("RedirectMatch 301 ^(?!/\\.well-known/acme-challenge/)(.*)$ https://elsewhere.example$1",
         [("server", "redirects", False)]),
        ("RedirectMatch 404 .*", [("server", "refuses", None)]),
        ("Redirect 410 /", [("server", "refuses", None)]),
        ("Redirect /old https://a.example/new", [("server", "answers", None)]),
        ("Redirect 301 / http://b.example/", [("server", "answers", None)]),
        ("<Location />\nRequire all denied\n</Location>", [("Location /", "refuses", None)]),
        ("<If \"%{HTTPS} == 'off'\">\nRedirect permanent / https://elsewhere.example/\n</If>",
         [("If %{HTTPS} == 'off'", "redirects", False)]),
        ("", [("server", "answers", None)]),
    ],
)  # fmt: skip
def test_what_apache_does_with_plain_http(tmp_path: Path, inside: str, found: Found) -> None:
    text = f"<VirtualHost *:80>\n{SITE}{inside}\n</VirtualHost>\n"
    assert does(read(apache(tmp_path, text))) == found


def test_what_lies_beside_the_document_root_is_not_redirected_with_it(tmp_path: Path) -> None:
    text = f"""Alias /icons/ "/usr/share/apache2/icons/"
    Alias /inner {{root}}/www/inner
    Alias /phpmyadmin /usr/share/phpmyadmin
    <VirtualHost *:80>
    {SITE}
    <Directory {{root}}/www>
    RewriteEngine on
    RewriteRule ^ {SAME} [R=301,L]
    </Directory>
    </VirtualHost>"""
    told = read(apache(tmp_path, text)).plain
    assert [one.does for one in told] == ["redirects", "answers"]
    assert told[1].context == "Alias /phpmyadmin"


@pytest.mark.parametrize(
    ("allowed", "htaccess", "found"),
    [
        ("All", "RewriteEngine On\nRewriteCond %{HTTPS} off\nRewriteRule ^(.*)$ https://%{HTTP_HOST}/$1 [R=301,L]",
         "redirects"),
        ("All", "<IfModule mod_rewrite.c>\nRewriteEngine On\nRewriteRule ^ https://%{HTTP_HOST}/ [R,L]\n</IfModule>",
         "redirects"),
        ("None", "RewriteEngine On\nRewriteRule ^ https://%{HTTP_HOST}/ [R=301,L]", "answers"),
        ("FileInfo", "RewriteEngine On\nRewriteCond %{HTTP_COOKIE} x\nRewriteRule ^ https://%{HTTP_HOST}/ [R,L]",
         "unclear"),
        ("All", "Options -Indexes", "answers"),
        ("All", "<Files x>", "unclear"),
    ],
)  # fmt: skip
def test_a_htaccess_file_counts_where_apache_reads_it(tmp_path: Path, allowed: str, htaccess: str, found: str) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/.htaccess").write_text(htaccess)
    text = f"<Directory {{root}}/www>\nAllowOverride {allowed}\n</Directory>\n"
    text += f"<VirtualHost *:80>\n{SITE}</VirtualHost>\n"
    assert {one[1] for one in does(read(apache(tmp_path, text)))} == {found}


REDIRECT = "RewriteEngine On\nRewriteCond %{HTTPS} off\nRewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]\n"
WORDPRESS = "<IfModule mod_rewrite.c>\nRewriteEngine On\nRewriteBase /\nRewriteRule ^index\\.php$ - [L]\n</IfModule>\n"


@pytest.mark.parametrize(
    ("files", "section", "found"),
    [
        # rewriting of a level below replaces all of the level above, in files and in sections
        ({"": REDIRECT, "blog/": WORDPRESS}, "", {"redirects", "unclear"}),
        ({"": REDIRECT, "blog/x/": "RewriteEngine Off\n"}, "", {"redirects", "unclear"}),
        ({"": WORDPRESS}, REDIRECT, {"answers"}),
        ({"blog/": WORDPRESS}, REDIRECT, {"redirects", "unclear"}),
        ({}, f"{REDIRECT}</Directory>\n<Directory {{root}}/www/blog>\n{WORDPRESS}", {"redirects", "unclear"}),
        # but what redirects itself, or has no rewriting, takes nothing away
        ({"": REDIRECT, "blog/": REDIRECT + WORDPRESS}, "", {"redirects"}),
        ({"": REDIRECT, "private/": "Require all denied\n"}, "", {"redirects"}),
        ({"blog/": "Options -Indexes\n"}, REDIRECT, {"redirects"}),
        ({"": "Redirect permanent / https://a.example/\n", "blog/": WORDPRESS}, "", {"redirects"}),
    ],
)  # fmt: skip
def test_rewriting_below_replaces_that_of_a_directory(
    tmp_path: Path, files: dict[str, str], section: str, found: set[str]
) -> None:
    for folder, text in files.items():
        (tmp_path / "www" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "www" / folder / ".htaccess").write_text(text)
    text = "<Directory {root}/www>\nAllowOverride All\n</Directory>\n<VirtualHost *:80>\n"
    text += "ServerName a.example\nDocumentRoot {root}/www\n"
    text += f"<Directory {{root}}/www>\n{section}</Directory>\n</VirtualHost>\n"
    assert {one[1] for one in does(read(apache(tmp_path, text)))} == found


# -- sockets ----------------------------------------------------------------------------------------------------------


def test_a_listen_without_ssl_shares_the_encryption_of_its_socket(tmp_path: Path) -> None:
    text = "server { listen 443 ssl; server_name a.example; } server { listen 443; server_name b.example; }"
    host, server = nginx(tmp_path, text)
    (shared,) = read((host, server), 1).sockets
    assert (shared.tls, shared.default is server.vhosts[0]) == (True, True)


def test_the_default_of_a_socket_decides_about_protocols(tmp_path: Path) -> None:
    text = f"""{NGINX_12}
    server {{ listen 443 ssl; server_name a.example; }}
    server {{ listen 443 ssl default_server; server_name b.example; ssl_protocols TLSv1.2 TLSv1.3; }}
    server {{ listen 8443 ssl; server_name c.example; }}"""
    asked = nginx(tmp_path, text)
    lines = [read(asked, place).tls.protocols for place in range(3)]
    assert [line.args if line else None for line in lines] == [
        ("TLSv1.2", "TLSv1.3"), ("TLSv1.2", "TLSv1.3"), ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    ]  # fmt: skip


def test_the_first_virtual_host_of_apaches_decides_whether_a_socket_has_tls(tmp_path: Path) -> None:
    plain = "<VirtualHost *:443>\nServerName a.example\n</VirtualHost>\n"
    with_tls = "<VirtualHost *:443>\nServerName b.example\nSSLEngine on\n</VirtualHost>\n"
    assert {one.tls for one in read(apache(tmp_path, plain + with_tls), 1).sockets} == {False}
    assert {one.tls for one in read(apache(tmp_path, with_tls + plain), 1).sockets} == {True}


def test_settings_of_apaches_main_server_hold_unless_a_virtual_host_has_its_own(tmp_path: Path) -> None:
    text = """<VirtualHost *:443>
    SSLEngine on
    SSLCertificateFile /c/rsa.pem
    SSLCertificateFile /c/ec.pem
    SSLOpenSSLConfCmd Groups X25519
    SSLCipherSuite ECDHE+AESGCM
    </VirtualHost>"""
    tls = read(apache(tmp_path, text)).tls
    assert [entry.args[0] for entry in tls.certificates] == ["/c/rsa.pem", "/c/ec.pem"]
    assert tls.protocols and tls.protocols.args == ("all", "-SSLv3")
    assert tls.ciphers and tls.ciphers.args == ("ECDHE+AESGCM",)
    assert tls.curves and tls.curves.args == ("Groups", "X25519")


def test_mod_md_has_certificates_of_its_own(tmp_path: Path) -> None:
    text = "MDomain a.example www.a.example\n<VirtualHost *:443>\nServerName a.example\nSSLEngine on\n</VirtualHost>"
    managed = read(apache(tmp_path, text)).tls.managed
    assert managed and managed.name == "MDomain"


def test_only_the_host_itself_reaches_loopback_and_unix_sockets(tmp_path: Path) -> None:
    text = "server { listen 127.0.0.1:80; listen [::1]:80; listen unix:/run/x; listen 192.168.1.5:80; listen 80; }"
    told = read(nginx(tmp_path, text)).sockets
    assert [(one.inside, one.private) for one in told] == [
        (True, False), (True, False), (True, False), (False, True), (False, False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        ("a.example", "a.example"),
        ("A.example", "a.example"),
        ("x.a.example", "*.a.example"),
        ("x.b.example", ".b.example"),
        ("x.d.example", "~^x[.]"),
        ("b.example", ".b.example"),
        ("www.c.nl", "www.*"),
        ("unknown.example", "default of 0.0.0.0:80"),
    ],
)
def test_who_answers_for_a_name_at_nginx(tmp_path: Path, asked: str, label: str) -> None:
    names = ["_", "~^x[.]", "*.a.example", "www.*", ".b.example", "a.example"]
    text = " ".join(f"server {{ listen 80; server_name {name}; }}" for name in names)
    _host, server = nginx(tmp_path, text)
    found = owner(server, Listen("0.0.0.0", 80), asked)
    assert found and found.label == label


def test_who_answers_for_a_name_at_apache_is_the_first_that_fits(tmp_path: Path) -> None:
    text = "".join(
        f"<VirtualHost *:80>\nServerName {name}\n{more}\n</VirtualHost>\n"
        for name, more in (("a.example", "ServerAlias *.example"), ("b.example", ""))
    )
    _host, server = apache(tmp_path, text)
    found = owner(server, Listen("0.0.0.0", 80), "b.example")
    assert found is server.vhosts[0]


def test_a_socket_for_all_addresses_is_reached_at_one_that_no_other_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_security, "own_addresses", lambda _host: ["192.0.2.1", "192.0.2.2", "127.0.0.1"])
    text = "server { listen 443 ssl; } server { listen 192.0.2.1:443 ssl; } server { listen [::]:443 ssl; }"
    host, server = nginx(tmp_path, text)
    at = [reached_at(host, server, read((host, server), place).sockets[0]) for place in range(3)]
    assert at == ["192.0.2.2", "192.0.2.1", ""]


def test_own_addresses_are_those_that_the_kernel_has() -> None:
    assert "127.0.0.1" in own_addresses(Host())


# -- headers ----------------------------------------------------------------------------------------------------------

YEAR = 'add_header Strict-Transport-Security "max-age=31536000"'
TLS = "listen 443 ssl; server_name a.example;"


def hsts(told: Security) -> dict[str, tuple[int | None, bool]]:
    """Seconds and 'always', by place."""
    return {one.context: (one.max_age_s, one.always) for one in told.headers}


def test_a_header_of_its_own_drops_those_that_a_place_would_inherit(tmp_path: Path) -> None:
    text = f"""{YEAR} always;
    server {{ {TLS} location / {{ index a; }} location /a {{ add_header X-A b; }}
      location /b {{ {YEAR}; if ($args) {{ add_header X-B c; }} }} location /c {{ expires 1d; }} }}"""
    told = read(nginx(tmp_path, text))
    assert hsts(told) == {
        "location /": (31536000, True),
        "location /a": (0, False),
        "location /b": (31536000, False),
        "location /b > if ($args)": (0, False),
        "location /c": (31536000, True),
    }
    assert [one.source.rpartition(":")[2] for one in told.headers if one.context == "location /a"] == ["4"]


def test_more_set_headers_is_added_to_what_is_inherited(tmp_path: Path) -> None:
    text = f"""more_set_headers "Strict-Transport-Security: max-age=600";
    server {{ {TLS} location /a {{ add_header X-A b; more_set_headers 'X-C: d'; }} root /w; }}"""
    assert hsts(read(nginx(tmp_path, text))) == {"server": (600, True), "location /a": (600, True)}


def test_a_value_out_of_a_map_of_the_scheme_is_known_and_others_are_not(tmp_path: Path) -> None:
    text = f"""map $scheme $sts {{ https "max-age=31536000"; }}
    server {{ {TLS} location /a {{ add_header Strict-Transport-Security $sts always; }}
      location /b {{ add_header Strict-Transport-Security $other always; }} location / {{ return 404; }} }}"""
    found = hsts(read(nginx(tmp_path, text)))
    assert (found["location /a"], found["location /b"]) == ((31536000, True), (None, True))


def test_a_server_that_refuses_handshakes_sends_no_header(tmp_path: Path) -> None:
    told = read(nginx(tmp_path, "server { listen 443 ssl default_server; ssl_reject_handshake on; }"))
    assert (told.headers, told.tls.rejects) == ((), True)


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ('Header always set Strict-Transport-Security "max-age=31536000"', (31536000, True)),
        ('Header set Strict-Transport-Security "max-age=31536000"', (31536000, False)),
        ('Header always set Strict-Transport-Security "max-age=600" "expr=%{HTTPS} == \'on\'"', (600, True)),
        ('Header always set Strict-Transport-Security "max-age=600" env=HTTPS', (None, True)),
        ('SSLOptions +StdEnvVars\nHeader always set Strict-Transport-Security "max-age=600" env=HTTPS', (600, True)),
        ('Header always set Strict-Transport-Security "max-age=600"\nHeader always unset Strict-Transport-Security',
         (0, False)),
        ('<Location "/">\nHeader always set Strict-Transport-Security max-age=600\n</Location>', (600, True)),
        ('Header always edit Strict-Transport-Security 1 2', (None, True)),
        ("Header set X-A b", (0, False)),
    ],
)  # fmt: skip
def test_the_header_of_apaches_virtual_host(tmp_path: Path, inside: str, found: tuple[int | None, bool]) -> None:
    text = f"<VirtualHost *:443>\n{SITE}SSLEngine on\n{inside}\n</VirtualHost>\n"
    assert hsts(read(apache(tmp_path, text)))["server"] == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Header always set Strict-Transport-Security max-age=600", (600, True)),
        ("<IfModule mod_headers.c>\nHeader set Strict-Transport-Security max-age=600\n</IfModule>", (600, False)),
        ("<Files x>", (None, False)),
    ],
)
def test_a_htaccess_file_sets_the_header_where_apache_reads_it(
    tmp_path: Path, line: str, found: tuple[int | None, bool]
) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/.htaccess").write_text(f"{line}\n")
    text = "<Directory {root}/www>\nAllowOverride All\n</Directory>\n"
    text += f"<VirtualHost *:443>\n{SITE}SSLEngine on\n</VirtualHost>\n"
    assert hsts(read(apache(tmp_path, text)))["server"] == found
    unread = text.replace("AllowOverride All", "AllowOverride None")
    assert hsts(read(apache(tmp_path, unread)))["server"] == (0, False)


def test_the_main_servers_header_counts_and_a_section_may_take_it_away(tmp_path: Path) -> None:
    text = f"""Header always set Strict-Transport-Security "max-age=31536000"
    <VirtualHost *:443>
    {SITE}SSLEngine on
    <Location "/x">
    Header always unset Strict-Transport-Security
    </Location>
    </VirtualHost>
    """
    assert hsts(read(apache(tmp_path, text))) == {"server": (31536000, True), "Location /x": (0, False)}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=31536000; includeSubDomains", 31536000), ('max-age="600"', 600), ("includeSubDomains; Max-Age=5", 5),
        ("", 0), (None, None), ("max-age=soon", None), ("includeSubDomains", None),
    ],
)  # fmt: skip
def test_the_seconds_of_a_header(value: str | None, seconds: int | None) -> None:
    assert max_age_s(value) == seconds


# -- cookies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ('add_header Set-Cookie "lang=nl; Path=/; Secure";', [("lang", True)]),
        ('location / { add_header Set-Cookie "lang=nl; Path=/" always; }', [("lang", False)]),
        ("userid on; userid_name visit;", [("visit", False)]),
        ("userid on; userid_flags secure httponly;", [("uid", True)]),
        ("userid log;", []),
        ('more_set_headers "Set-Cookie: a=b";', [("a", False)]),
        ("add_header X-A b;", []),
    ],
)
def test_cookies_that_nginx_sets(tmp_path: Path, inside: str, found: list[tuple[str, bool | None]]) -> None:
    told = read(nginx(tmp_path, f"server {{ {TLS} {inside} }}")).cookies
    assert [(one.name, one.secure) for one in told] == found


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ('Header always add Set-Cookie "route=1; Secure"', [("route", True)]),
        ('Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED',
         [("ROUTEID", False)]),
        ('Header add Set-Cookie "a=b"\nHeader always edit Set-Cookie (.*) "$1; Secure"', [("a", None)]),
        ("RewriteEngine on\nRewriteRule ^ - [CO=seen:1:a.example:60:/:secure]", [("seen", True)]),
        ("RewriteEngine on\nRewriteRule ^ - [CO=seen:1:a.example]", [("seen", False)]),
        ('SessionCookieName session "path=/;httponly;secure"', [("session", True)]),
        ("SessionCookieName session path=/", [("session", False)]),
        ("CookieTracking on\nCookieName visits", [("visits", False)]),
        ("Header set X-A b", []),
    ],
)  # fmt: skip
def test_cookies_that_apache_sets(tmp_path: Path, inside: str, found: list[tuple[str, bool | None]]) -> None:
    told = read(apache(tmp_path, f"<VirtualHost *:443>\n{SITE}SSLEngine on\n{inside}\n</VirtualHost>\n")).cookies
    assert [(one.name, one.secure) for one in told] == found


# -- proxies in front -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "shows"),
    [
        ("set_real_ip_from 192.0.2.10;", True),
        ("set_real_ip_from 127.0.0.1;", False),
        ("fastcgi_param HTTPS on;", True),
        ("proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;", True),
        ("proxy_set_header X-Forwarded-Proto $scheme;", False),
        ("allow 192.0.2.10; deny all;", True),
        ("", False),
    ],
)
def test_what_shows_a_proxy_in_front_of_nginx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, shows: bool
) -> None:
    monkeypatch.setattr(web_security, "resolved", lambda _names: {})
    host, server = nginx(tmp_path, f"server {{ listen 80; server_name a.example; {inside} }}")
    told = read((host, server))
    assert bool(ends_elsewhere(host, server.vhosts[0], told, look_up=True)) is shows


@pytest.mark.parametrize(
    ("inside", "shows"),
    [
        ("SetEnvIf X-Forwarded-Proto https HTTPS=on", True),
        ("RemoteIPHeader X-Forwarded-For\nRemoteIPTrustedProxy 192.0.2.10", True),
        ("<Location />\nRequire ip 192.0.2.10\n</Location>", True),
        ("RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}", False),
        ("", False),
    ],
)
def test_what_shows_a_proxy_in_front_of_apache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, shows: bool
) -> None:
    monkeypatch.setattr(web_security, "resolved", lambda _names: {})
    host, server = apache(tmp_path, f"<VirtualHost *:80>\n{SITE}{inside}\n</VirtualHost>\n")
    assert bool(ends_elsewhere(host, server.vhosts[0], read((host, server)), look_up=True)) is shows


@pytest.mark.parametrize(
    ("leads_to", "own", "says"),
    [
        (("192.0.2.1",), ["192.0.2.1"], ""),
        (("192.0.2.1", "198.51.100.9"), ["192.0.2.1"], ""),
        (("198.51.100.9",), ["5.6.7.8"], "a.example leads to 198.51.100.x, another machine"),
        (("10.0.0.9",), ["10.0.0.1"], "a.example leads to 10.0.0.x, another machine"),
        (("5.6.7.8",), ["10.0.0.1"], ""),  # translated on the way
        ((), ["5.6.7.8"], ""),
    ],
)
def test_where_names_lead_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leads_to: tuple[str, ...], own: list[str], says: str
) -> None:
    monkeypatch.setattr(web_security, "resolved", lambda _names: {"a.example": leads_to})
    monkeypatch.setattr(web_security, "own_addresses", lambda _host: own)
    host, server = nginx(tmp_path, "server { listen 443 ssl; server_name a.example; }")
    told = read((host, server))
    assert ends_elsewhere(host, server.vhosts[0], told, look_up=True) == says
    assert ends_elsewhere(host, server.vhosts[0], told, look_up=False) == ""


def test_an_address_is_shortened() -> None:
    assert [shortened(one) for one in ("192.0.2.77", "2001:db8:1:2::3")] == ["192.0.2.x", "2001:0db8:0001:…"]


def test_a_socket_is_named_as_people_write_it() -> None:
    assert str(Socket(Listen("::", 443), tls=True, default=None)) == "[::]:443"  # type: ignore[arg-type]
