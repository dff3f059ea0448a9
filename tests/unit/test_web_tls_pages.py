# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls over http: redirects, HSTS, cookies and forms of virtual hosts that real servers on loopback answer for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import web_tls_pages
from ansible_collections.privacy.hosting.plugins.module_utils._checks.web_tls import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._checks.web_tls_pages import seconds
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Host, Listener
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.web_tls import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import web_pages, web_security
from tests.unit import web_host
from tests.unit.http_site import NOT_FOUND, Answer, Server, moved, page

YEAR = "Strict-Transport-Security: max-age=31536000"
HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;'
TO_HTTPS = "return 301 https://$host$request_uri;"


class Site:
    """One site on two real servers, and an nginx configuration that says so."""

    def __init__(self, plain: Mapping[str, Answer] | None, tls: Mapping[str, Answer] | None) -> None:
        self.plain = Server(plain) if plain is not None else None
        self.tls = Server(tls, tls=True) if tls is not None else None
        for server in filter(None, (self.plain, self.tls)):
            server.https_port = self.tls.port if self.tls else 443

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and target of all requests."""
        every = [*(self.plain.asked if self.plain else []), *(self.tls.asked if self.tls else [])]
        return [(method, target) for method, _host, target in every]

    def config(self, plain: str, tls: str, name: str = "a.example") -> str:
        text = ""
        if self.plain:
            text += f"server {{ listen {self.plain.port}; server_name {name}; {plain} }}\n"
        if self.tls:
            text += f"server {{ listen {self.tls.port} ssl; server_name {name}; {tls} }}\n"
        return text


Make = Callable[..., Site]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Site] = []

    def one(plain: Mapping[str, Answer] | None = None, tls: Mapping[str, Answer] | None = None) -> Site:
        made.append(Site(plain, tls))
        return made[-1]

    monkeypatch.setattr(web_tls_pages, "reached_at", lambda *_of: "127.0.0.1")
    monkeypatch.setattr(web_tls_pages, "resolved", lambda names: {})
    monkeypatch.setattr(web_security, "resolved", lambda names: {})
    yield one
    for each in made:
        for server in filter(None, (each.plain, each.tls)):
            server.close()


def host_of(tmp_path: Path, http: str, **how: Any) -> Host:
    """A host whose nginx has this in its http block."""
    config = tmp_path / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{\n{http}\n}}\n")
    return web_host.nginx(config, **how)


def asked(
    host: Host, check: str, own: tuple[str, ...] = ("a.example",), probe: bool = True, **settings: Any
) -> list[Finding]:
    """What one check finds."""
    table = {one.name: one.default for one in MEASURE.options}
    question = Question(settings, {**table, **settings}, own, probe)
    (run,) = [one.run for one in CHECKS if one.name == check]
    found = list(run(host, question, check))
    assert all(one.option == one.check == check and one.measure == "web_tls" for one in found)
    return found


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.status, one.proof) for one in found]


GOOD_PLAIN: dict[str, Answer] = {"*": lambda target: moved(f"https://a.example{target}")}
GOOD_TLS: dict[str, Answer] = {
    "TRACE *": page("", YEAR, status=405),
    "/": page("<a href=/contact>c</a>", YEAR),
    "/contact": page("<form method=post action=/send>", YEAR, "Set-Cookie: sid=SECRET; Secure"),
    "*": page("", YEAR, status=404),
}


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies", "forms"])
def test_a_good_site_passes_by_what_was_seen(tmp_path: Path, site: Make, check: str) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    found = asked(host_of(tmp_path, one.config(TO_HTTPS, f"{HSTS} root /srv;")), check)
    assert {finding.status for finding in found} == {"pass"}
    assert "observed" in {finding.proof for finding in found}
    assert all(finding.remedy == "" for finding in found)


@pytest.mark.parametrize(
    ("plain", "tls", "failing"),
    [
        ("Redirect permanent / https://a.example/", "Header always set", ""),
        ("DocumentRoot /srv", "Header always set", "redirect"),
        ("Redirect permanent / https://a.example/", "Header set", "hsts"),
    ],
)
def test_apache_is_judged_as_nginx_is(tmp_path: Path, site: Make, plain: str, tls: str, failing: str) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    assert one.plain
    assert one.tls
    config = tmp_path / "apache2.conf"
    modules = "\n".join(f"LoadModule {name}_module /m/mod_{name}.so" for name in ("alias", "headers", "ssl"))
    config.write_text(
        f"{modules}\nListen {one.plain.port}\nListen {one.tls.port} https\n"
        f"<VirtualHost *:{one.plain.port}>\nServerName a.example\n{plain}\n</VirtualHost>\n"
        f"<VirtualHost *:{one.tls.port}>\nServerName a.example\nSSLEngine on\n"
        f'{tls} Strict-Transport-Security "max-age=31536000"\n</VirtualHost>\n'
    )
    host = web_host.apache(config)
    for check in ("redirect", "hsts", "cookies", "forms"):
        found = {finding.status for finding in asked(host, check)}
        assert ("fail" in found) is (check == failing), check
        assert "error" not in found
        assert "pass" in found or check == failing


def test_nothing_is_asked_for_twice(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    host = host_of(tmp_path, one.config(TO_HTTPS, f"{HSTS} root /srv;"))
    for check in ("redirect", "hsts", "cookies", "forms"):
        asked(host, check)
    for server in filter(None, (one.plain, one.tls)):
        assert len(server.asked) == len(set(server.asked))
    assert len(one.asked) == 7  # two paths and the page with a form on both servers, and TRACE


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies"])
def test_without_probes_the_configuration_answers(tmp_path: Path, site: Make, check: str) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    found = asked(host_of(tmp_path, one.config(TO_HTTPS, f"{HSTS} root /srv;")), check, probe=False)
    assert {finding.status for finding in found} == {"pass"}
    assert {finding.proof for finding in found} == {"running"}
    assert one.asked == []


def test_without_probes_forms_cannot_be_told(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    (found,) = asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "forms", probe=False)
    assert found.status == "error"
    assert "pages were not asked for" in found.observed
    assert one.asked == []


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies", "forms"])
def test_other_sites_are_asked_for_nothing_that_an_application_answers(
    tmp_path: Path, site: Make, check: str
) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    config = one.config("location / { proxy_pass http://127.0.0.1:9; }", f"{HSTS} root /srv;")
    asked(host_of(tmp_path, config), check, own=("other.example",))
    assert {method for method, _target in one.asked} <= {"TRACE"}


def test_other_sites_whose_errors_an_application_tells_are_asked_for_nothing(tmp_path: Path, site: Make) -> None:
    one = site(None, GOOD_TLS)
    config = one.config("", f"{HSTS} error_page 404 405 /error.php; root /srv;")
    assert told(asked(host_of(tmp_path, config), "hsts", own=())) == [("pass", "running")]
    assert one.asked == []


def test_what_the_configuration_does_not_tell_cannot_be_told(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN)
    config = one.config("location /.well-known/acme-challenge/ { root /srv; } location / { internal; }", "")
    assert told(asked(host_of(tmp_path, config), "redirect", probe=False)) == [("error", "")]


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies", "forms"])
@pytest.mark.parametrize("seconds_ago", [-60, 3600])
def test_what_runs_is_not_what_the_files_say(tmp_path: Path, site: Make, check: str, seconds_ago: int) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    host = host_of(tmp_path, one.config(TO_HTTPS, f"{HSTS} root /srv;"), age_s=seconds_ago)
    found = asked(host, check, own=("other.example",))
    expected = "pass" if seconds_ago < 0 else "error"
    assert {finding.status for finding in found} == ({expected} if check != "forms" else {"not_applicable"})
    assert ("GET", "/") not in one.asked


def test_no_evidence_holds_what_is_private(tmp_path: Path, site: Make) -> None:
    plain: dict[str, Answer] = {"*": page("<form action='http://u:p@b.example/x?mail=jan'>", "Set-Cookie: c=SECRET")}
    one = site(plain, {"*": page("<input value=SECRET><form>", "Set-Cookie: c=SECRET")})
    host = host_of(tmp_path, one.config("root /srv;", "root /srv;"))
    checks = ("redirect", "hsts", "cookies", "forms")
    texts = "".join(repr(finding) for check in checks for finding in asked(host, check))
    assert "b.example/x" in texts
    for secret in ("SECRET", "mail=jan", "u:p@"):
        assert secret not in texts


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies", "forms"])
def test_a_host_without_web_servers_has_nothing_to_judge(check: str) -> None:
    (found,) = asked(web_host.WebHost(), check)
    assert found.status == "not_applicable"


@pytest.mark.parametrize("check", ["redirect", "hsts", "cookies", "forms"])
def test_an_unknown_listener_cannot_be_told(tmp_path: Path, site: Make, check: str) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    host = host_of(tmp_path, one.config(TO_HTTPS, f"{HSTS} root /srv;"), age_s=-60)
    assert isinstance(host, web_host.WebHost)
    host.running.append(web_host.process("caddy", "caddy", pid=4711))
    host.listening.append(Listener("tcp", "0.0.0.0", 8443, (4711,)))  # noqa: S104
    found = asked(host, check)
    assert "unknown listener caddy on :8443" in [finding.observed for finding in found if finding.status == "error"]


# -- redirect ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "config", "status", "seen"),
    [
        (moved("https://a.example/", status=302), "return 302 https://a.example/;", "pass", "302 to https://a.example"),
        (moved("https://a.example/", status=308), TO_HTTPS, "pass", "308 to https"),
        (b"", TO_HTTPS, "pass", "closed without an answer"),
        (b"", "return 444;", "not_applicable", "no virtual host answers visitors"),
        (NOT_FOUND, "return 404;", "pass", "refused with 404"),
        (page("welcome"), TO_HTTPS, "fail", "answered 200 over plain http"),
        (page("", status=401), TO_HTTPS, "fail", "answered 401 over plain http"),
        (moved("https://www.a.example/"), TO_HTTPS, "fail", "another name before https of its own"),
        (moved("http://www.a.example/"), TO_HTTPS, "fail", "which is not https"),
        (moved("/nl/"), TO_HTTPS, "fail", "which is not https"),
        (moved("https://a.example/"), "return 301 https://www.a.example/;", "fail", "another name than was asked for"),
        (moved("https://a.example/"), "root /srv;", "fail", "answers over plain http"),
        (page("", status=503), TO_HTTPS, "pass", "503, which tells nothing"),
        (moved("https://a.example/"), "location / { proxy_pass http://x; }", "error", "passed on to an application"),
    ],
)
def test_redirect(tmp_path: Path, site: Make, answer: Answer, config: str, status: str, seen: str) -> None:
    one = site({"*": answer})
    (found,) = asked(host_of(tmp_path, one.config(config, "")), "redirect")
    assert found.status == status
    assert seen in found.observed


def test_a_place_without_the_redirect_is_found(tmp_path: Path, site: Make) -> None:
    one = site({"/downloads": page("files"), **GOOD_PLAIN})
    config = f"location / {{ {TO_HTTPS} }} location /downloads/ {{ root /srv; }}"
    (found,) = asked(host_of(tmp_path, one.config(config, "")), "redirect")
    assert (found.status, found.source) == ("fail", f"{tmp_path}/nginx.conf:3")
    assert "location /downloads/: answers over plain http" in found.observed
    assert any(target == "/downloads/privacy-hosting-audit" for _method, target in one.asked)


def test_proofs_for_acme_may_be_answered_over_plain_http(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN)
    config = f"location / {{ {TO_HTTPS} }} location /.well-known/acme-challenge/ {{ root /srv; }}"
    assert told(asked(host_of(tmp_path, one.config(config, "")), "redirect")) == [("pass", "observed")]


def test_a_site_of_others_that_redirects_by_configuration_is_asked(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN)
    found = asked(host_of(tmp_path, one.config(TO_HTTPS, "")), "redirect", own=())
    assert told(found) == [("pass", "observed")]
    assert len(one.asked) == 1


def test_the_default_of_port_80_answers_for_sites_that_have_https_only(tmp_path: Path, site: Make) -> None:
    one = site(None, GOOD_TLS)
    default = "server { listen 80 default_server; server_name _; root /var/www/html; }"
    found = asked(host_of(tmp_path, default + one.config("", HSTS)), "redirect", scope="own")
    assert [(finding.status, "default of" in finding.observed) for finding in found] == [("fail", True)]


def test_a_family_of_ip_without_the_redirect_is_found(tmp_path: Path, site: Make) -> None:
    default = "server { listen 80 default_server; listen [::]:80 default_server; server_name _; root /var/www; }"
    for tls, status in [("listen 443", "pass"), ("listen 443 ssl; listen [::]:443", "fail")]:
        secure = f"server {{ {tls} ssl; server_name a.example; root /srv; }}"
        plain = f"server {{ listen 80; server_name a.example; {TO_HTTPS} }}"
        found = asked(host_of(tmp_path, default + plain + secure), "redirect", probe=False, scope="own")
        assert [finding.status for finding in found] == ["pass", status]


def test_those_who_ask_for_a_name_that_nobody_has_may_be_led_to_another(tmp_path: Path, site: Make) -> None:
    one = site({"*": moved("https://www.b.example/")})
    config = one.config("return 301 https://www.b.example/;", "", name="_")
    assert told(asked(host_of(tmp_path, config), "redirect", own=())) == [("pass", "observed")]


def test_a_promise_that_asks_for_no_redirect_is_kept(tmp_path: Path, site: Make) -> None:
    one = site({"*": page("plain")})
    assert told(asked(host_of(tmp_path, one.config("", "")), "redirect", redirect=False)) == [("pass", "configured")]


def test_a_proxy_of_another_machine_is_judged_there(
    tmp_path: Path, site: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = site({"*": page("<form>")})
    http = one.config("set_real_ip_from 192.0.2.1; root /srv;", "")
    monkeypatch.setattr(web_security, "resolved", lambda names: dict.fromkeys(names, ("192.0.2.1",)))
    for check in ("redirect", "hsts", "cookies", "forms"):
        assert told(asked(host_of(tmp_path, http), check)) == [("error", "")]
        (found,) = asked(host_of(tmp_path, http), check, terminators=["front1 192.0.2.1"])
        assert (found.status, "judged on front1" in found.observed) == ("not_applicable", True)
    assert one.asked == []


# -- hsts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "wanted"), [("1 year", 31_536_000), ("2 years", 63_072_000), ("6 months", 15_552_000), ("1 day", 86_400)]
)
def test_periods_are_counted_as_max_age_is(period: str, wanted: int) -> None:
    assert seconds(period) == wanted


@pytest.mark.parametrize(
    ("headers", "status", "seen"),
    [
        (["Strict-Transport-Security: max-age=63072000; includeSubDomains; preload"], "pass", ""),
        (['strict-transport-security: Max-Age="31536000"'], "pass", ""),
        ([], "fail", "no Strict-Transport-Security"),
        ([YEAR, "Strict-Transport-Security: max-age=86400"], "pass", ""),  # the first counts
        (["Strict-Transport-Security: max-age=86400", YEAR], "fail", "max-age=86400, which is less than 31536000"),
        (["Strict-Transport-Security: max-age=86400"], "fail", "max-age=86400, which is less than 31536000"),
        (["Strict-Transport-Security: max-age=31536000; max-age=1"], "fail", "browsers do not understand"),
        (["Strict-Transport-Security: includeSubDomains"], "fail", "browsers do not understand"),
        (["Strict-Transport-Security: max-age=-1"], "fail", "browsers do not understand"),
        (["Strict-Transport-Security: max-age=31536000, max-age=31536000"], "fail", "browsers do not understand"),
    ],
)
def test_hsts_headers(tmp_path: Path, site: Make, headers: list[str], status: str, seen: str) -> None:
    one = site(None, {**GOOD_TLS, "/": page("front", *headers)})
    (found,) = asked(host_of(tmp_path, one.config("", HSTS)), "hsts")
    assert found.status == status
    assert seen in found.observed


@pytest.mark.parametrize("where", ["*", "/contact"])
def test_hsts_must_be_on_every_kind_of_answer(tmp_path: Path, site: Make, where: str) -> None:
    one = site(None, {**GOOD_TLS, where: page("x", status=404)})
    (found,) = asked(host_of(tmp_path, one.config("", HSTS)), "hsts")
    assert (found.status, found.proof) == ("fail", "observed")


def test_a_refusal_of_trace_without_hsts_is_no_fault(tmp_path: Path, site: Make) -> None:
    one = site(None, {**GOOD_TLS, "TRACE *": page("x", status=405)})
    (found,) = asked(host_of(tmp_path, one.config("", f"location / {{ {HSTS} }}")), "hsts")
    assert (found.status, found.proof) == ("pass", "observed")
    assert "its refusal of TRACE has no Strict-Transport-Security" in found.observed


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ("root /srv;", "it has no Strict-Transport-Security"),
        ('add_header Strict-Transport-Security "max-age=31536000";', "error pages have no"),
        (f"{HSTS} location /x/ {{ add_header X-Y z; }}", "location /x/: it has no"),
        (f"{HSTS} location /x/ {{ add_header X-Y z; proxy_pass http://x; }}", "location /x/: its error pages have no"),
        ('add_header Strict-Transport-Security "max-age=300" always;', "max-age=300, which is less"),
    ],
)
def test_hsts_is_judged_by_configuration_too(tmp_path: Path, site: Make, config: str, seen: str) -> None:
    one = site(None, GOOD_TLS)
    (found,) = asked(host_of(tmp_path, one.config("", config)), "hsts", probe=False)
    assert (found.status, found.proof) == ("fail", "configured")
    assert seen in found.observed
    assert "always;" in found.remedy


def test_hsts_of_a_variable_cannot_be_told(tmp_path: Path, site: Make) -> None:
    one = site(None, GOOD_TLS)
    config = "add_header Strict-Transport-Security $made_elsewhere always;"
    assert told(asked(host_of(tmp_path, one.config("", config)), "hsts")) == [("error", "")]


def test_a_site_without_https_has_no_hsts(tmp_path: Path, site: Make) -> None:
    one = site({"*": page("plain", YEAR)})
    assert told(asked(host_of(tmp_path, one.config("root /srv;", "")), "hsts")) == [("fail", "configured")]


# -- cookies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "tls", "status", "seen"),
    [
        ([], ["Set-Cookie: a=1; secure; HttpOnly"], "pass", "set a, sid, Secure"),
        ([], ["Set-Cookie: a=1; HttpOnly"], "fail", "the cookie a is not Secure"),
        ([], ["Set-Cookie: secure=1; Path=/secure"], "fail", "the cookie secure is not Secure"),
        (["Set-Cookie: a=1; Secure"], [], "fail", "the cookie a is set over plain http"),
    ],
)
def test_cookies(tmp_path: Path, site: Make, plain: list[str], tls: list[str], status: str, seen: str) -> None:
    front = page("<a href=/contact>c</a>", YEAR, *tls)
    one = site({"*": moved("https://a.example/", *plain)}, {**GOOD_TLS, "/": front})
    found = asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "cookies")
    worst = min(found, key=lambda finding: ("fail", "pass").index(finding.status))
    assert worst.status == status
    assert seen in "".join(finding.observed for finding in found if finding.status == status)


def test_cookies_that_the_server_sets_are_read_from_its_files(tmp_path: Path, site: Make) -> None:
    one = site(None, GOOD_TLS)
    for config, status in [("userid on;", "fail"), ("userid on; userid_flags secure;", "pass")]:
        (found,) = asked(host_of(tmp_path, one.config("", config)), "cookies", own=())
        assert found.status == status


def test_cookies_of_pages_beyond_a_bound_cannot_be_told(
    tmp_path: Path, site: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_pages, "PAGES", 20)
    one = site(None, {"*": lambda target: page(f"<a href={target}x>more</a>", YEAR)})
    assert told(asked(host_of(tmp_path, one.config("", HSTS)), "cookies")) == [("error", "")]


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "status", "seen"),
    [
        ("<form action=/send>", "pass", "2 pages seen from the front page on, with 1 forms on https"),
        ("<form action=https://pay.example/x>", "pass", "1 forms"),
        ("<form action=http://a.example/send?x=1>", "fail", "a form goes to http://a.example/send (action)"),
        ("<base href=http://a.example/><form action=send>", "fail", "http://a.example/send (action)"),
        ("<form><button formaction=http://b.example/>", "fail", "http://b.example/ (formaction)"),
        ("<form action=mailto:info@a.example>", "error", "no web address"),
        ("<iframe src=http://other.example/form></iframe>", "error", "of another site, over plain http"),
        ("<a href=/gone>g</a>", "pass", ""),
        ("<a href=/broken>g</a>", "error", "answered 500"),
        ("<a href=/nonsense>g</a>", "error", "no proper answer"),
        ("<a href=/secret>g</a>", "pass", "1 pages behind a login not seen"),
        ("<a href=/logout>g</a>", "pass", "1 links that look like acting not followed"),
        ("<p>" * 400_000, "error", "larger than 1 MiB"),
    ],
)
def test_forms(tmp_path: Path, site: Make, html: str, status: str, seen: str) -> None:
    more: dict[str, Answer] = {
        "/broken": page("", status=500),
        "/secret": page("", status=401),
        "/nonsense": b"what?\r\n\r\n",
    }
    one = site(GOOD_PLAIN, {**more, "/": page(html), "*": NOT_FOUND})
    (found,) = asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "forms")
    assert (found.subject, found.status) == ("a.example", status)
    assert found.proof == ("" if status == "error" else "observed")
    assert seen in found.observed


def test_a_page_with_a_form_that_plain_http_shows_is_found(tmp_path: Path, site: Make) -> None:
    one = site({"/contact": page("<form>"), **GOOD_PLAIN}, GOOD_TLS)
    (found,) = asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "forms")
    assert (found.status, found.source.endswith("/contact")) == ("fail", True)
    assert "a page with a form is answered over plain http" in found.observed


def test_a_site_that_does_not_answer_cannot_be_told(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN, {"*": b""})
    assert told(asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "forms")) == [("error", "")]


def test_a_site_without_end_cannot_be_told(tmp_path: Path, site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_pages, "PAGES", 20)
    one = site(None, {"*": lambda target: page(f"<a href={target}x>more</a>")})
    (found,) = asked(host_of(tmp_path, one.config("", HSTS)), "forms")
    assert (found.status, "the limit of 20 pages" in found.observed) == ("error", True)


def test_an_alias_that_only_redirects_has_no_forms(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN, {"*": moved("https://b.example/")})
    assert told(asked(host_of(tmp_path, one.config(TO_HTTPS, TO_HTTPS)), "forms")) == [("pass", "observed")]


@pytest.mark.parametrize(
    "tls",
    [
        {"/": moved("https://login.b.example/"), "*": NOT_FOUND},  # an application behind another site's login
        {"*": moved("https://a.example/")},
        {"*": page("", status=401)},
    ],
)
def test_a_site_of_which_no_page_was_seen_cannot_be_told(tmp_path: Path, site: Make, tls: dict[str, Answer]) -> None:
    one = site(GOOD_PLAIN, tls)
    (found,) = asked(host_of(tmp_path, one.config(TO_HTTPS, HSTS)), "forms")
    assert (found.status, "no page could be seen" in found.observed) == ("error", True)


def test_sites_that_other_hosts_serve_are_no_subject(tmp_path: Path, site: Make) -> None:
    one = site(GOOD_PLAIN, GOOD_TLS)
    host = host_of(tmp_path, one.config(TO_HTTPS, HSTS))
    assert told(asked(host, "forms", own=("elsewhere.example",))) == [("not_applicable", "")]
    assert told(asked(host, "forms", own=())) == [("error", "")]
    assert one.asked == []


def test_an_own_site_that_leads_here_without_a_virtual_host_is_the_default_s(
    tmp_path: Path, site: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = site({"*": page("<form>")})
    monkeypatch.setattr(web_tls_pages, "resolved", lambda names: {"new.example": ("192.0.2.7",)})
    monkeypatch.setattr(web_tls_pages, "own_addresses", lambda host: ["192.0.2.7"])
    (found,) = asked(host_of(tmp_path, one.config("root /srv;", "")), "forms", own=("new.example",))
    assert (found.subject, found.status) == ("new.example", "fail")


def test_terminal_sequences_do_not_reach_the_report(tmp_path: Path, site: Make) -> None:
    one = site({"*": page("<form action='http://b.example/\x1b[31m\u202e'>", "Set-Cookie: \x1b[2J=1")})
    host = host_of(tmp_path, one.config("root /srv;", ""))
    for check in ("redirect", "cookies", "forms"):
        for finding in asked(host, check):
            assert all(text.isprintable() for text in (finding.observed, finding.source, finding.remedy))
