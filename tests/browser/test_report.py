# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a browser: it loads by itself, fits a phone and a sheet of paper, folds what is in order, can be
walked through by keyboard, and axe finds nothing in it that keeps somebody out.

pytest tests/browser --screenshot=docs/report.png --page=reports/lab/before/web1.html also writes the README's picture.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from ansible_collections.privacy.hosting.plugins.plugin_utils._report import write_report
from tests.records import ABOUT, CONFLICTS, SUPPLIERS, finding, fleet_of, in_ordinary_state, promise, record

CHROMIUM = "/usr/bin/chromium"  # Debian's
PAGES = ("index.html", "web1.html")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1200, "height": 1000}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=["en", "nl"])
def report(request, tmp_path_factory):
    """A directory with the report of four hosts: faults, none, out of reach, and one that shows hostile names."""
    directory = tmp_path_factory.mktemp(request.param) / "after"
    write(directory, request.param)
    return directory


def write(directory, language):
    """The report, and before it one of another state: every part of a page has something to show."""
    ordinary = in_ordinary_state(language)
    fine = [entry for entry in ordinary if entry["verdict"] in ("kept", "attested")]
    unset = finding("error", check="period_set", option="mail", observed="no period set", proof="")
    chosen = {"log_retention.web": "abuse is told of months later"}
    more = [
        promise("period-open", [[unset]], language),
        promise("period-chosen", [[finding()]], language, chosen=chosen),
        promise("no-query", says="<img src=//198.51.100.1/x onerror=alert(1)> " + "long" * 60),
    ]
    hosts = [
        ("web1", made("web1", [*ordinary, more[0]], language)),
        ("web2", made("web2", [*fine, more[1]], language)),
        ("web3", "it could not be reached"),
        ("x" * 120, made("x" * 120, more[2:], language)),
    ]
    other = [{**entry, "verdict": verdict} for entry, verdict in zip(ordinary, BEFORE, strict=True)]
    other[1]["asks"] = "1" * 16
    then = [("web1", made("web1", other, language)), ("web3", made("web3", fine, language))]
    then.append(("old1", made("old1", fine, language)))
    write_report(directory.parent / "before", "before", "2026-11-19T12:00:00+00:00", then, ABOUT)
    write_report(directory, "after", "2026-11-20T17:00:00+00:00", hosts, ABOUT, outside=["db1"])


BEFORE = ("kept", "kept", "broken", "broken", "kept", "attested", "attested", "kept")  # of in_ordinary_state


def made(name, entries, language):
    """A host's record whose head has suppliers and conflicts."""
    given = record(name, [{"asks": "0" * 16, **entry} for entry in entries], language)
    told = {**given["statement"], "suppliers": SUPPLIERS, "conflicts": CONFLICTS}
    checked = {"collection": "0.1.0", "measures": {"web_log": "0" * 16, "log_retention": "0" * 16}}
    return {**given, "statement": told, "checked_with": checked}


@pytest.fixture
def visit(browser):
    """A function that opens a page offline and checks that it asked for nothing and complained of nothing."""
    contexts = []

    def opened(path, viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, offline=True, **options)
        page, asked, complaints = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        contexts.append((context, path, asked, complaints))
        return page

    yield opened
    for context, path, asked, complaints in contexts:
        assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []
        assert complaints == []
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_without_a_network_and_with_its_style(report, visit, name):
    page = visit(report / name)
    assert page.locator("h1").count() == 1
    assert page.evaluate("getComputedStyle(document.querySelector('.tag')).borderRadius") == "4px"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 600}, DESK])
def test_nothing_sticks_out_sideways(report, visit, name, viewport):
    page = visit(report / name, viewport)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    cut = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, .skip'))
        .filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_what_is_in_order_is_folded_and_opens(report, visit):
    page = visit(report / "web1.html")
    kept = page.locator("details.v-kept")
    assert not kept.locator("article").is_visible()
    assert page.locator("article.v-broken").first.is_visible()
    kept.locator("summary").first.click()
    assert kept.locator("article").is_visible()


def test_a_link_to_a_promise_leads_there_and_back_to_all_servers(report, visit):
    page = visit(report / "web1.html")
    page.locator("section.notices a").first.click()
    page.wait_for_function("location.hash.length > 1")
    assert page.locator(":target").is_visible()
    assert page.locator("p.up a").get_attribute("href") == "index.html"


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_the_table_is_a_table_to_a_screen_reader(report, visit, viewport):
    page = visit(report / "web1.html", viewport)
    table = page.locator("article.v-broken").first.get_by_role("table").first
    assert table.get_by_role("row").count() == 3
    assert table.get_by_role("columnheader").count() == 6
    assert table.get_by_role("cell").count() == 10
    assert page.get_by_role("main").count() == 1


def test_on_paper_what_was_folded_is_printed(report, visit, tmp_path):
    page = visit(report / "web1.html")
    seen = "[...document.querySelectorAll('details article')].map(one => one.checkVisibility())"
    assert page.evaluate(seen) == [False] * 3
    page.emulate_media(media="print")
    assert page.evaluate(seen) == [True] * 3
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


def test_the_fleet_of_a_thousand_hosts_fits_a_phone(tmp_path, visit):
    write_report(tmp_path, "large", "2026-11-20T17:00:00+00:00", ((one["host"], one) for one in fleet_of(200)), ABOUT)
    page = visit(tmp_path / "index.html", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(report, visit, name, scheme, viewport):
    """All that axe has: WCAG 2.2 A, AA and AAA, and what it holds for good practice; also in what is folded."""
    page = visit(report / name, viewport, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page, options={"resultTypes": ["violations"], "rules": STRICTER})
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 20


# rules that axe leaves off unless they are asked for
STRICTER = {name: {"enabled": True} for name in ("target-size", "css-orientation-lock", "label-content-name-mismatch")}


@pytest.mark.parametrize("name", PAGES)
def test_all_can_be_reached_and_opened_with_the_keyboard(report, visit, name):
    page = visit(report / name)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    wanted = page.evaluate(f"[...document.querySelectorAll('{FOCUSABLE}')].filter(one => one.checkVisibility()).length")
    reached = set()
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur(); getSelection().removeAllRanges()")
    page.locator("a.skip").focus()
    for _press in range(wanted + 5):
        reached.add(page.evaluate(f"[...document.querySelectorAll('{FOCUSABLE}')].indexOf(document.activeElement)"))
        seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert page.evaluate("document.activeElement === document.body") or seen != "none"
        page.keyboard.press("Tab")
    assert len(reached - {-1}) == wanted
    page.locator("details:not(:has(details)) > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1


FOCUSABLE = "a[href], summary, [tabindex]"


def test_the_fleets_page_tells_all_there_is(report, visit):
    page = visit(report / "index.html")
    found = [page.locator(f"section[aria-labelledby={name}]").count() for name in SECTIONS]
    assert found == [1] * len(SECTIONS)
    assert page.locator("section.changes h3").count() == 6


SECTIONS = ("changes", "notices", "promises", "matrix", "periods", "conflicts", "suppliers")


def test_dark_and_light_differ(report, visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (visit(report / "web1.html", color_scheme=scheme).evaluate(ground) for scheme in ("light", "dark"))
    assert light == "rgb(255, 255, 255)"
    assert dark != light


def test_the_picture_of_the_readme(report, visit, request):
    """A picture of the report's beginning, in English; written only where --screenshot says so."""
    shown = Path(request.config.getoption("--page") or report / "web1.html").resolve()
    page = visit(shown, {"width": 1200, "height": 1180}, device_scale_factor=1.5)
    picture = page.screenshot()
    assert picture.startswith(b"\x89PNG")
    target = request.config.getoption("--screenshot")
    if target and report.parent.name.startswith("en"):
        with open(target, "wb") as file:
            file.write(picture)
