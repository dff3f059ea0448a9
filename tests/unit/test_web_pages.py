# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages of own sites: what is asked for, what is kept of answers, and how servers that mean ill are survived."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import web_pages
from ansible_collections.privacy.hosting.plugins.module_utils._services.web_forms import Contents, contents
from ansible_collections.privacy.hosting.plugins.module_utils._services.web_pages import (
    Address,
    Answer,
    Cookie,
    Crawl,
    NoAnswer,
    Site,
    ask,
    crawl,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.web_urls import looks_acting, resolved, shown
from tests.unit.http_site import Server, moved, page

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    made: list[Server] = []

    def one(answers: dict[str, object], tls: bool = False) -> Server:
        made.append(Server(answers, tls))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for server in made:
        server.close()


def at(server: Server) -> Address:
    return Address("127.0.0.1", server.port, server.context is not None)


def forms(html: str, url: str = "https://a.example/x/") -> list[list[tuple[str, str]]]:
    return [[(target.how, target.url) for target in form] for form in contents(html, url).forms]


def links(html: str, url: str = "https://a.example/x/") -> list[str]:
    return [link.url for link in contents(html, url).links if not link.acts]


# -- one answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_of_an_answer_only_what_is_judged_is_kept(serve: Serve, tls: bool) -> None:
    cookies = ["Set-Cookie: sid=SECRET; Path=/; HttpOnly", "Set-Cookie: theme=dark; secure"]
    server = serve({"/": page("<form action=/go>", "Strict-Transport-Security: max-age=1", *cookies)}, tls)
    answer = ask(at(server), "a.example")
    assert (answer.status, answer.hsts) == (200, ("max-age=1",))
    assert answer.cookies == (Cookie("sid", secure=False), Cookie("theme", secure=True))
    assert answer.page is not None
    assert len(answer.page.forms) == 1
    assert "SECRET" not in repr(answer)
    assert server.asked == [("GET", f"a.example:{server.port}", "/")]
    assert server.agents == {web_pages.USER_AGENT}


def test_a_redirect_is_told_and_not_followed(serve: Serve) -> None:
    server = serve({"/": moved("/next?user=jan")})
    answer = ask(at(server), "a.example")
    assert answer.location == f"http://a.example:{server.port}/next?user=jan"
    assert server.targets() == ["/"]


def test_nobody_who_listens_is_told_from_nobody_who_answers(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unbound:
        port = unbound.getsockname()[1]
    with pytest.raises(NoAnswer) as refused:
        ask(Address("127.0.0.1", port, tls=False), "a.example")
    assert refused.value.refused
    with pytest.raises(NoAnswer) as closed:
        ask(at(serve({"*": b""})), "a.example")
    assert closed.value.refused
    with pytest.raises(NoAnswer) as nonsense:
        ask(at(serve({"*": b"SSH-2.0-OpenSSH_9.2\r\n"})), "a.example")
    assert not nonsense.value.refused


def drips(target: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b"<p>"


def drips_headers(target: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        time.sleep(0.05)
        yield b"x"


def endless(target: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<form action=http://evil.example/>"
    while True:
        yield b"<p>" * 10000


@pytest.mark.parametrize("tls", [False, True])
def test_however_slowly_bytes_come_an_answer_has_its_time(
    serve: Serve, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_pages, "ANSWER_S", 0.4)
    begun = time.monotonic()
    slow = ask(at(serve({"*": drips}, tls)), "a.example")
    assert "took more than" in slow.cut
    with pytest.raises(NoAnswer, match="no answer within"):
        ask(at(serve({"*": drips_headers}, tls)), "a.example")
    assert time.monotonic() - begun < 2


def test_a_page_without_end_is_read_as_far_as_the_bound(serve: Serve) -> None:
    answer = ask(at(serve({"*": endless})), "a.example")
    assert answer.cut == "it is larger than 1 MiB"
    assert answer.page is not None
    assert answer.page.forms[0][0].url == "http://evil.example/"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 999\r\n\r\n<p>", "it broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "it broke off"),
        (page("\x1f\x8b", "Content-Encoding: gzip"), "it is compressed, though that was not asked for"),
    ],
)
def test_a_page_that_is_not_whole_is_said_to_be_so(serve: Serve, raw: bytes, why: str) -> None:
    assert ask(at(serve({"*": raw})), "a.example").cut == why


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 999999999999 OK\r\n\r\n",
        b"\x00\xff\x1b[31m",
    ],
)
def test_what_is_no_answer_of_http_is_none(serve: Serve, raw: bytes) -> None:
    with pytest.raises(NoAnswer):
        ask(at(serve({"*": raw})), "a.example")


def test_a_cookie_s_name_cannot_paint_the_terminal(serve: Serve) -> None:
    (cookie,) = ask(at(serve({"*": page("", "Set-Cookie: \x1b[31mred=1")})), "a.example").cookies
    assert cookie.name.isprintable()


def test_text_that_no_page_is_made_of_is_not_read_for_forms(serve: Serve) -> None:
    server = serve({"/t": page("<form>", kind="text/plain"), "/n": b"HTTP/1.1 200 OK\r\n\r\n <form>"})
    assert ask(at(server), "a.example", "/t").page is None
    assert ask(at(server), "a.example", "/n").page == contents("<form>", f"http://a.example:{server.port}/n")


def test_a_page_in_another_encoding_is_read(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    server = serve({"/16": head + b"\xff\xfe" + "<form action=/a>".encode("utf-16-le"), "/x": head + b"<form>"})
    answer = ask(at(server), "a.example", "/16")
    assert answer.page is not None
    assert answer.page.forms


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "targets"),
    [
        ("<form>", [[("page", "https://a.example/x/")]]),
        ("<form action='  '>", [[("page", "https://a.example/x/")]]),
        ("<FORM ACTION='HTTP://b.example/y?z'>", [[("action", "http://b.example/y?z")]]),
        ("<form action=y>", [[("action", "https://a.example/x/y")]]),
        ("<form action='//b.example/y'>", [[("action", "https://b.example/y")]]),
        ("<form action=' ht\ntp://b.example'>", [[("action", "http://b.example/")]]),
        ("<form action='http:\\\\b.example/y'>", [[("action", "http://b.example/y")]]),
        ("<form action='http:/b.example/y'>", [[("action", "http://b.example/y")]]),
        ("<form action='https:y'>", [[("action", "https://a.example/x/y")]]),
        ("<form action='&#104;ttp://b.example/'>", [[("action", "http://b.example/")]]),
        ("<form action='javascript:send()'>", [[("page", "https://a.example/x/")]]),
        ("<form action='mailto:info@a.example'>", [[("action", "mailto:")]]),
        ("<form action=/a action=http://b.example/>", [[("action", "https://a.example/a")]]),
        ("<form method=dialog action=http://b.example/>", [[]]),
        ("<base href='http://a.example/'><form action=y>", [[("action", "http://a.example/y")]]),
        ("<base href='http://a.example/'><form>", [[("page", "https://a.example/x/")]]),
        ("<form action=/a><form action=/b>", [[("action", "https://a.example/a")]]),
        (
            "<form action=/a><button formaction='http://b.example/'>",
            [[("action", "https://a.example/a"), ("formaction", "http://b.example/")]],
        ),
        ("<input type=submit form=f formaction=http://b.example/>", [[("formaction", "http://b.example/")]]),
        ("<iframe srcdoc='&lt;form action=http://b.example/>'>", [[("action", "http://b.example/")]]),
        ("<!-- <form action=http://b.example/> -->", []),
        ("<!--><form action=http://b.example/>", [[("action", "http://b.example/")]]),
        ("<textarea><form action=http://b.example/></textarea>", []),
        ("<script>'<form action=http://b.example/>'</script>", []),
        ("<noscript><form action=http://b.example/></noscript>", [[("action", "http://b.example/")]]),
        ("<form action='http://[::bad'>", [[("action", "http:")]]),
        ("</p><form action=/a <b><form", [[("action", "https://a.example/a")]]),
    ],
)
def test_a_form_s_targets_are_those_of_browsers(html: str, targets: list[list[tuple[str, str]]]) -> None:
    assert forms(html) == targets


def test_a_form_within_a_form_that_goes_elsewhere_cannot_be_told() -> None:
    found = contents("<form action=/a><form action=http://b.example/>", "https://a.example/")
    assert found.problem.startswith("a form lies in another")


def test_an_empty_title_of_a_drawing_hides_nothing() -> None:
    assert forms("<svg><title/><style/></svg><form action=/a>") == [[("action", "https://a.example/a")]]
    assert forms("<title>t<form action=/a>") == []


def test_a_password_field_makes_a_form_of_any_page() -> None:
    assert contents("<input type=password>", "https://a.example/").asks
    assert not contents("<input type=checkbox><button>menu</button>", "https://a.example/").asks


def test_frames_that_hold_themselves_end() -> None:
    html = "<form>"
    for _level in range(6):
        html = html.replace("&", "&amp;").replace('"', "&quot;")
        html = f'<iframe srcdoc="{html}">'
    assert contents(html, "https://a.example/").problem == "frames lie too deep in one another"


BROKEN = ["<" * 99_999, "<!--" * 250_000, "<a " * 300_000, "<a href='" + "x" * 500_000, "<![CDATA[ <form> ]]>", "\0"]


@pytest.mark.parametrize("html", BROKEN)
def test_broken_html_ends_quickly(html: str) -> None:
    begun = time.monotonic()
    assert isinstance(contents(html, "https://a.example/"), Contents)
    assert time.monotonic() - begun < 5


def test_links_are_those_to_pages() -> None:
    html = """<a href=b>b</a><a href='#c'>c</a><a href=mailto:x@a.example>m</a><area href=/d><a href=/e.pdf>e</a>
    <iframe src=f></iframe><meta http-equiv=refresh content="0; url='/g'"><a href=/h download>h</a><a href='/i#j'>i</a>
    <a href="/sh;jsessionid=12?PHPSESSID=3&p=1">s</a>"""
    wanted = ["x/b", "x/", "d", "x/f", "g", "i", "sh?p=1"]
    assert links(html) == [f"https://a.example/{path}" for path in wanted]


@pytest.mark.parametrize(
    "url",
    [
        "/logout", "/log-out", "/user/sign_out", "/uitloggen.php", "/account/delete/5", "/deleteUser", "/?action=x",
        "/wp-login.php?action=logout", "/nieuwsbrief/afmelden", "/unsubscribe", "/x?add-to-cart=5", "/x?token=9",
        "/cron.php", "/%6cogout", "/p?q=delete", "/newsletter-unsubscribe/", "/confirm/ab12", "/?do=1",
    ],
)  # fmt: skip
def test_what_looks_like_acting_is_not_asked_for(url: str) -> None:
    assert looks_acting(f"https://a.example{url}")


@pytest.mark.parametrize(
    "url", ["/", "/contact", "/order", "/login", "/blog/how-to-delete-your-cookies", "/?page=2", "/a?p=1&lang=nl"]
)
def test_what_does_not_look_like_acting_is_asked_for(url: str) -> None:
    assert not looks_acting(f"https://a.example{url}")


def test_addresses_are_ascii_and_shown_without_what_may_be_private() -> None:
    assert resolved("https://a.example/", "/é é?x=ü") == "https://a.example/%C3%A9%20%C3%A9?x=%C3%BC"
    assert resolved("https://a.example/", "https://user:pass@B.EXAMPLE:443/x") == "https://b.example/x"
    assert resolved("https://a.example/", "/x\r\nHost: evil") == "https://a.example/xHost:%20evil"
    assert shown("https://user:pass@a.example/reset?token=9#z") == "https://a.example/reset"
    assert len(shown("https://a.example/" + "x" * 999)) == 120


# -- all pages --------------------------------------------------------------------------------------------------------


def visited(*servers: Server, name: str = "a.example") -> Crawl:
    return crawl(Host(), [Site(name, tuple(map(at, servers)))], "/made-up")[name]


def seen(found: Crawl) -> set[str]:
    return {visit.url.partition("/")[2].partition("/")[2].partition("/")[2] for visit, _page in found.pages}


def test_pages_are_found_from_the_front_page_on(serve: Serve) -> None:
    server = serve(
        {
            "/": page("<a href=/a>a</a><a href=/logout>x</a><a href=https://other.example/>o</a><a href=/f.pdf>f</a>"),
            "/a": moved("/b?x=1"),
            "/b": page("<iframe src=/c></iframe>"),
            "/c": page("<form>"),
        },
        tls=True,
    )
    found = visited(server)
    assert seen(found) == {"", "made-up", "b?x=1", "c"}
    assert not found.bounds
    assert len(found.skipped) == 1
    assert sorted(server.targets()) == ["/", "/a", "/b?x=1", "/c", "/made-up"]


def test_a_page_with_a_form_is_asked_for_over_plain_http_too(serve: Serve) -> None:
    front = page("<a href=/form>f</a><a href=/text>t</a>")
    tls = serve({"/": front, "/form": page("<form>"), "/text": page("x")}, True)
    plain = serve({"*": moved("https://a.example/")})
    visited(tls, plain)
    assert sorted(plain.targets()) == ["/", "/form", "/made-up"]


def calendar(target: str) -> bytes:
    day = int(target.rpartition("/day/")[2] or 0) if "/day/" in target else 0
    return page(f"<a href=/day/{day + 1}>next</a><a href=/day/{day + 2}>later</a>")


def by_query(target: str) -> bytes:
    day = int(target.rpartition("=")[2] or 0) if "=" in target else 0
    return page("".join(f"<a href=/cal?day={day + more}>x</a>" for more in range(1, 9)))


@pytest.mark.parametrize(
    ("answers", "bound", "most"),
    [
        ({"*": calendar}, "the limit of 200 pages was reached", 200),
        ({"*": by_query}, "a page has more than 20 variants by query strings", 25),
        ({"*": lambda target: moved(target + "x")}, "the limit of 200 pages was reached", 200),
        ({"/": page("".join(f"<a href=/{n}>x</a>" for n in range(1500)))}, "the limit of 200 pages was reached", 200),
    ],
)
def test_sites_without_end_end_at_a_bound(serve: Serve, answers: dict[str, object], bound: str, most: int) -> None:
    server = serve(answers)
    found = visited(server)
    assert list(found.bounds) == [bound]
    assert len(server.asked) <= most


def test_a_site_that_takes_too_long_is_left(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(target: str) -> bytes:
        time.sleep(0.1)
        return calendar(target)

    monkeypatch.setattr(web_pages, "CRAWL_S", 0.5)
    found = visited(serve({"*": slowly}))
    assert any("was reached" in bound for bound in found.bounds)


def test_loops_end_by_themselves(serve: Serve) -> None:
    server = serve({"/": moved("/a"), "/a": moved("/b"), "/b": moved("/a")})
    assert not visited(server).bounds
    assert sorted(server.targets()) == ["/", "/a", "/b", "/made-up"]


def test_a_site_that_does_not_answer_is_no_site_without_forms(serve: Serve) -> None:
    found = visited(serve({"*": b"nonsense\r\n\r\n"}))
    assert all(isinstance(visit.answer, NoAnswer) for visit in found.visits)


def test_own_sites_lead_to_one_another_and_to_no_others(serve: Serve) -> None:
    one = serve({"/": page("<a href=http://b.example:PORT/only>b</a>")})
    two = serve({"/only": page("<form>")})
    one.answers["/"] = page(f"<a href=http://b.example:{two.port}/only>b</a>")
    found = crawl(Host(), [Site("a.example", (at(one),)), Site("b.example", (at(two),))], "/made-up")
    assert "/only" in two.targets()
    assert any(page.forms for _visit, page in found["b.example"].pages)
    assert threading.active_count() < 50


def test_many_requests_are_made_side_by_side(serve: Serve) -> None:
    def slowly(target: str) -> bytes:
        time.sleep(0.2)
        return page("")

    server = serve({"*": slowly})
    wanted = [web_pages.Request(at(server), "a.example", f"/{number}") for number in range(8)]
    begun = time.monotonic()
    answers = web_pages.ask_all(Host(), wanted)
    assert all(isinstance(answer, Answer) for answer in answers.values())
    assert time.monotonic() - begun < 1
