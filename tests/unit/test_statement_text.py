"""Published texts: how they are read, which sentences bind, what a register lacks, and what a first draft says."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils._register import UNDECIDED
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement, StatementError
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.check import compare
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.draft import draft, options
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.language import language
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.lexicon import lexicon
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.reading import (
    Block,
    Page,
    TextError,
    of_plain,
    read_page,
)
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.sentences import Sentence, sentences_of, split
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.web_page import of_html
from tests.unit.statement_texts import (
    FOLDER,
    FOREIGN,
    MARK,
    ROOT,
    SHORT,
    TODAY,
    Measured,
    drafted,
    filled,
    measured_register,
    measured_short,
    short_page,
    statement_of,
    text_of,
    the_five,
)

REGISTERS = ["lab", *the_five()]
PAGES = {path.name: short_page(path) for path in SHORT} | {name: text_of(name) for name in REGISTERS}
LATER = "is yet to be decided"


def by_name(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


# -- sentences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Wij bewaren logs, bijv. van Apache, een maand.| Daarna niet meer.",
        "Voorbeeld B.V. bewaart niets.| Wij ook niet.",
        "Gegevens gaan naar Voorbeeld B.V.| Wij bewaren ze niet.",
        "Zie art. 13 AVG, nr. 5.| Bel tel. 010 - 12 34 56 voor meer.",
        "Wij gebruiken cookies, logs, enz.| Dat doen wij al lang.",
        "Laatst gewijzigd op 1.2.2024 om 10.30 uur.| Versie 2.1 is van kracht.",
        "Kijk op https://www.example.nl/a.b?c=d.e voor meer.| Of mail naar j.de.vries@example.nl.",
        "Verkopen wij gegevens?| Nee!| Nooit.",
        "Hij zei: \"Wij wissen alles.\"| Dat is zo.",
        "We keep logs, e.g. of nginx, i.e. IP addresses.| After that we don't.",
        "The office is open from 9 a.m. to 5 p.m. on weekdays.",
        "Dat kost 1.200 euro per jaar.| 14 dagen later is het weg.",
        "Dhr. J. de Vries beheert dit.| Hij doet dat goed.",
        "Wij bewaren ... niets.| Echt niet…| Nooit.",
        "Geen punt aan het einde",
    ],
)
def test_where_sentences_end(text: str) -> None:
    assert list(split(text.replace("|", ""), lexicon())) == [piece.strip() for piece in text.split("|")]


def places(text: str, html: bool = False) -> list[tuple[str, int, int, int, str]]:
    """Each sentence's section, number, paragraph, number in it, and text."""
    page = of_html(text) if html else of_plain(text)
    return [(s.section, s.number, s.paragraph, s.in_paragraph, s.text) for s in sentences_of(page)]


PLAIN = """
Privacyverklaring

Inhoud

Bewaren ........ 2
Wissen\t3

Eerste zin. Tweede
zin.

Bewaren

Wij bewaren:
- namen;
- adressen.

Nog een zin.

WISSEN

1. Wij wissen alles.
2. Wij wissen het dagelijks. Echt waar.

Vragen
Vragen kunt u stellen per e-mail, en dan geven wij binnen een week antwoord.

Een losse alinea die bij geen kop hoort, dus die alleen een nummer heeft.
"""


def test_sentences_are_counted_within_their_section_and_paragraphs_from_the_top() -> None:
    assert places(PLAIN) == [
        ("", 1, 1, 1, "Eerste zin."),
        ("", 2, 1, 2, "Tweede zin."),
        ("Bewaren", 1, 2, 1, "Wij bewaren: namen; adressen."),
        ("Bewaren", 2, 3, 1, "Nog een zin."),
        ("WISSEN", 1, 4, 1, "Wij wissen alles."),
        ("WISSEN", 2, 4, 2, "Wij wissen het dagelijks."),
        ("WISSEN", 3, 4, 3, "Echt waar."),
        ("Vragen", 1, 5, 1, "Vragen kunt u stellen per e-mail, en dan geven wij binnen een week antwoord."),
        ("", 3, 6, 1, "Een losse alinea die bij geen kop hoort, dus die alleen een nummer heeft."),
    ]


HTML = """<html><head><title>Privacy</title><body>
<h1>Privacyverklaring</h1><p>Eerste zin. Tweede
zin.<h2>Bewaren</h2><p>Wij bewaren:<ul><li>namen;<li><p>adressen.</p></ul><p>Nog een zin.</p>
<h2><span>Wissen</span></h2><ol><li>Wij wissen alles.</li><li>Wij wissen het <b>dagelijks</b>. Echt waar.</li></ol>
<div><b>Vragen</b><br>Vragen kunt u stellen per e-mail, en dan geven wij binnen een week antwoord.</div>
<p>Een losse alinea die bij geen kop hoort, dus die alleen een nummer heeft.</p>"""


def test_html_reads_as_the_same_text_does() -> None:
    plain = [(section.lower(), *rest) for section, *rest in places(PLAIN)]
    assert [(section.lower(), *rest) for section, *rest in places(HTML, html=True)] == plain


def test_what_stands_around_a_pages_text_is_left_out_and_told() -> None:
    source = (FOLDER / "page_nl.html").read_text()
    page = of_html(source.replace("<main>", "").replace("</main>", ""))
    assert page.left_out == "header, navigation, cookie banner, footer"
    assert of_html(source).left_out == "all around the page's main part"
    assert page.blocks == of_html(source).blocks
    assert not re.search(r"tien jaar|wissen nooit|winkelmand|langer dan nodig|99 jaar|Wolkenhost", page.content)


def test_a_section_on_cookies_is_no_banner() -> None:
    text = "Wij plaatsen alleen functionele cookies. " * 50
    page = of_html(f'<body><h1>Privacy</h1><div id="cookie-notice"><p>{text}</p></div></body>')
    assert len(sentences_of(page)) == 50


def test_a_row_of_a_table_is_a_sentence_with_its_columns_names() -> None:
    html = "<table><tr><th>Wat<th>Hoe lang<tr><td>Maillogs<td>3 maanden</table>"
    plain = "| Wat | Hoe lang |\n|-----|----------|\n| Maillogs | 3 maanden |\n"
    assert [place[-1] for place in places(html, html=True)] == ["Wat: Maillogs | Hoe lang: 3 maanden"]
    assert [place[-1] for place in places(plain)] == ["Wat: Maillogs | Hoe lang: 3 maanden"]


@pytest.mark.parametrize("path", SHORT[::4], ids=by_name)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encodings(path: Path, encoding: str, tmp_path: Path) -> None:
    source = path.read_text(encoding="utf-8").replace(MARK, "").replace("Wij zijn", "Één café – ’t is \xab goed \xbb:")
    fitting = source if encoding.startswith("utf") else source.encode(encoding, "ignore").decode(encoding)
    copied = tmp_path / path.name
    copied.write_bytes(fitting.encode(encoding))
    (tmp_path / f"again{path.suffix}").write_text(fitting, encoding="utf-8")
    assert read_page(str(copied)) == read_page(str(tmp_path / f"again{path.suffix}"))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", b"%PDF-1.7\n", "is a PDF; save its text as .txt or .html"),
        ("a.docx", b"PK\x03\x04", "is a packed file (docx, odt, zip); save its text as .txt or .html"),
        ("a.txt", b"a\0b", "is no text; save it as .txt or .html"),
        ("a.txt", b" \n", "holds no text"),
        ("a.html", b"<html><script>Wij bewaren alles.</script>", "holds no text"),
    ],
)
def test_what_is_no_text(tmp_path: Path, name: str, content: bytes, line: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TextError) as error:
        read_page(str(path))
    assert str(error.value) == f"{path} {line}"


def test_a_page_that_is_nested_too_deep() -> None:
    with pytest.raises(TextError, match="its elements are nested too deep; save its text as"):
        of_html("<div>" * 3000 + "Wij bewaren alles.")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"none\.txt cannot be read: No such file or directory"):
        read_page(str(tmp_path / "none.txt"))


# -- languages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_the_language_of_a_text(name: str) -> None:
    dutch = "_nl" in name or name in the_five()
    assert language(PAGES[name], lexicon()) == ("nl" if dutch else "en")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("other_de.txt", "it is in German; only Dutch and English are read"),
        ("other_fr.txt", "it is in French; only Dutch and English are read"),
        ("other_pl.txt", "it is in Polish; only Dutch and English are read"),
        ("other_mixed.txt", "it is in part in German; only Dutch and English are read"),
    ],
)
def test_a_text_in_another_language_is_refused(name: str, line: str) -> None:
    assert FOLDER / name in FOREIGN
    page = of_plain((FOLDER / name).read_text())
    for use in (lambda: draft(page, name, MEASURES, TODAY), lambda: compare(statement_of("lab"), page)):
        with pytest.raises(TextError) as error:
            use()
        assert str(error.value) == line


ADDRESS = "A. B. de Boer H.O.D.N. Host E. o. s. a.\nKade 4 e\nDelfzijl\nE. info@host.example T. 010 12 34 56 F. 010"


@pytest.mark.parametrize("name", ["bullets_nl.txt", "plain_en.txt"])
def test_a_letterhead_is_no_other_language(name: str) -> None:
    page = PAGES[name]
    blocks = (*page.blocks, *of_plain(f"Contact\n\n{ADDRESS}\n\n{ADDRESS}").blocks)
    assert language(replace(page, blocks=blocks), lexicon()) == language(page, lexicon())


def test_a_text_in_dutch_and_english_is_read_in_both() -> None:
    english, dutch = PAGES["plain_en.txt"], PAGES["bullets_nl.txt"]
    both = replace(english, blocks=(*english.blocks, *dutch.blocks))
    assert language(both, lexicon()) == "en"
    apart = [set(said(page)) for page in (english, dutch)]
    assert set(said(both)) == apart[0] | apart[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Wij bewaren niets.", "it has 3 words; a statement has more"),
        ("私たちは 保存 しません。 " * 20, "its language was not recognised; only Dutch and English are read"),
        ("Xyzzy plugh foo bar baz qux. " * 9, "its language was not recognised; only Dutch and English are read"),
    ],
)
def test_a_text_whose_language_cannot_be_told(text: str, line: str) -> None:
    with pytest.raises(TextError) as error:
        language(of_plain(text), lexicon())
    assert str(error.value) == line


# -- what binds: precision and recall ------------------------------------------------------------------------------


def documented() -> dict[str, Measured]:
    """The figures that docs/statement-check.md shows."""
    numbers = r"\| (\d+) \| (\d+) \| (\d+) \| (\d+) % \| (\d+) % \|(?: (\d+) of (\d+) \|| \|)"
    row = re.compile(rf"^\| `?([\w. ,]+?)`? {numbers}$", re.MULTILINE)
    found = {}
    for name, *told in row.findall((ROOT / "docs/statement-check.md").read_text()):
        right, flagged, binds, precision, recall, promises, all_promises = (int(number or 0) for number in told)
        found[name] = Measured(right, flagged, binds, promises, all_promises)
        assert (precision, recall) == (
            round(100 * found[name].precision),
            round(100 * found[name].recall),
        ), name
    return found


def total(measured: list[Measured]) -> Measured:
    return sum(measured[1:], measured[0])


def test_the_documented_figures_are_those_of_our_own_texts() -> None:
    told = documented()
    unseen = [path for path in SHORT if path.name.startswith("unseen_")]
    assert told["lab"] == measured_register("lab")
    assert told["tests, known"] == total([measured_short(path) for path in SHORT if path not in unseen])
    assert told["tests, unseen"] == total([measured_short(path) for path in unseen])


@pytest.mark.parametrize("name", REGISTERS)
def test_the_documented_figures_are_those_of_the_registers_texts(name: str) -> None:
    assert documented()[name] == measured_register(name)


@pytest.mark.parametrize("name", REGISTERS)
def test_what_is_found_in_a_registers_text_is_nearly_always_a_promise(name: str) -> None:
    assert measured_register(name).precision >= 0.85
    assert measured_register(name).recall >= 0.65


def test_the_docs_have_the_five() -> None:
    assert {"backbone_it", "directcode", "directvps", "twentenet", "webhoster", "all five"} <= set(documented())
    rows = documented()
    five = [rows[name] for name in ("backbone_it", "directcode", "directvps", "twentenet", "webhoster")]
    assert rows["all five"] == total(five)


# -- a register held against its text ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGISTERS)
def test_a_complete_register_lacks_nothing(name: str) -> None:
    found = compare(statement_of(name), text_of(name))
    assert found.faults == []
    assert {promise for named in found.pointed.values() for promise in named} == {
        promise.id for promise in statement_of(name).promises
    }


def of_draft(page: Page) -> Statement:
    """The register that a text's draft becomes once it is filled in."""
    return Statement.load(filled(drafted(page))["statement"], today=TODAY)


def registers() -> dict[str, tuple[Statement, Page]]:
    """Registers whose promises have fingerprints, with their texts."""
    short = {name: (of_draft(page), page) for name, page in PAGES.items() if name not in REGISTERS}
    return short | {name: (statement_of(name), PAGES[name]) for name in the_five()}


PAIRS = registers()


def within_blocks(page: Page, sentence: Sentence) -> bool:
    """Whether a sentence and its items lie each in one block, not broken by the end of a page, and nowhere else."""
    return all(sum(part in block.text for block in page.blocks) == 1 for part in sentence.parts)


def without(page: Page, sentence: Sentence) -> Page:
    """A text from which a sentence was struck."""
    blocks = list(page.blocks)
    for part in sentence.parts:
        place = next(n for n, block in enumerate(blocks) if part in block.text)
        left = blocks[place].text.replace(part, "", 1).strip()
        blocks[place] = Block(blocks[place].kind, left)
    kept = tuple(block for block in blocks if block.text)
    return replace(page, blocks=kept, content=" ".join(block.text for block in kept))


@pytest.mark.parametrize("name", PAIRS)
def test_a_promise_whose_sentence_was_struck_is_told(name: str) -> None:
    statement, page = PAIRS[name]
    sentences = sentences_of(page)
    pointed = compare(statement, page).pointed
    whole = [place for place in pointed if within_blocks(page, sentences[place])]
    assert len(whole) > len(pointed) / 2
    for place in whole[:: max(1, len(whole) // 8)]:
        sentence = sentences[place]
        faults = compare(statement, without(page, sentence)).faults
        assert any(fault.startswith("the text was changed") for fault in faults)
        for promise in pointed[place]:
            told = [fault for fault in faults if fault.startswith(f"promise {promise}: ")]
            assert len(told) == 1
            assert re.search("gone|was changed|elsewhere", told[0])


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "sentence", ["Wij bewaren uw schoenmaat gedurende negen jaar.", "We keep your shoe size for nine years."]
)
def test_a_new_sentence_that_binds_is_told(name: str, sentence: str) -> None:
    statement, page = PAIRS[name]
    blocks = (*page.blocks, Block("heading", "Schoenen"), Block("paragraph", sentence))
    faults = compare(statement, replace(page, blocks=blocks, content=f"{page.content} {sentence}")).faults
    assert len(faults) == 2
    assert faults[0].startswith("the text was changed: its text_sha256 is ")
    line = "section 'Schoenen', sentence 1: it binds, and no promise points to it (stored, how long"
    assert faults[1].startswith(line)
    assert faults[1].endswith(f': "{sentence}"')


TEXT = "\n\n".join(
    [
        "Privacy",
        "Wij hosten websites voor bedrijven in Nederland en doen dat al sinds jaar en dag met veel plezier.",
        "Bewaren",
        "Wij bewaren de webserverlogs een maand. Daarna wissen wij ze. Onze back-ups staan elders.",
        "Delen",
        "Wij verkopen nooit gegevens.",
    ]
)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            "Daarna wissen",
            "Later wissen",
            [r"promise bewaren-2: its sentence was changed \(section 'Bewaren', sentence 2\); read it, then set"],
        ),
        (
            "Daarna wissen wij ze. Onze back-ups staan elders.",
            "Onze back-ups staan elders. Daarna wissen wij ze.",
            [
                r"promise bewaren-2: its sentence stands elsewhere now: section 'Bewaren', sentence 3; correct its",
                r"promise bewaren-3: its sentence stands elsewhere now: section 'Bewaren', sentence 2; correct its",
            ],
        ),
        (
            "Delen\n\nWij verkopen nooit gegevens.",
            "",
            [r"promise delen-1: its sentence is gone: the text has no section 'Delen' any more$"],
        ),
        (
            " Onze back-ups staan elders.",
            "",
            [r"promise bewaren-3: its sentence is gone: section 'Bewaren' has no sentence 3$"],
        ),
        (
            "Bewaren\n",
            "Hoe lang wij bewaren\n",
            [rf"promise bewaren-{n}: its sentence stands elsewhere now: section 'Hoe lang" for n in (1, 2, 3)],
        ),
    ],
)
def test_what_became_of_a_sentence(old: str, new: str, lines: list[str]) -> None:
    statement = of_draft(of_plain(TEXT))
    assert compare(statement, of_plain(TEXT)).faults == []
    faults = compare(statement, of_plain(TEXT.replace(old, new))).faults[1:]
    assert len(faults) == len(lines)
    for fault, line in zip(faults, lines, strict=True):
        assert re.match(line, fault)


def test_headings_are_compared_without_case_numbers_and_marks() -> None:
    statement = of_draft(of_plain(TEXT))
    faults = compare(statement, of_plain(TEXT.replace("\nBewaren\n", "\n2. BEWAREN:\n"))).faults
    assert len(faults) == 1
    assert "text_sha256" in faults[0]


def test_a_register_in_another_language_than_its_text() -> None:
    statement = replace(of_draft(of_plain(TEXT)), language="en")
    line = "language: the text is in Dutch, and the register says en"
    assert compare(statement, of_plain(TEXT)).faults == [line]


def test_a_strange_sentence_stays_on_its_line() -> None:
    page = of_plain(f"{TEXT}\n\nWij bewaren \x1b[31m{'alles ' * 60}voor altijd.")
    fault = compare(of_draft(of_plain(TEXT)), page).faults[-1]
    assert fault.isprintable()
    assert fault.endswith('…"')


# -- a first draft -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_draft_is_refused_until_all_is_decided_and_then_is_a_register(name: str) -> None:
    register = drafted(PAGES[name])
    with pytest.raises(StatementError) as error:
        Statement.load(copy.deepcopy(register["statement"]), today=TODAY)
    assert all(LATER in message for message in error.value.messages)
    places = sum(line.count(UNDECIDED) for line in yaml.safe_dump(register, width=9999).splitlines())
    assert len(error.value.messages) == places == draft(PAGES[name], "x", MEASURES, TODAY).undecided
    statement = Statement.load(filled(register)["statement"], today=TODAY)
    assert compare(statement, PAGES[name]).faults == []


def said(page: Page) -> dict[str, list[Any]]:
    """All that a text's draft sets, by '<measure>.<option>', without what it leaves to be decided."""
    found: dict[str, list[Any]] = {}
    for promise in drafted(page)["statement"]["promises"]:
        for measure, values in promise.get("measures", {}).items():
            for name, value in values.items():
                if value != UNDECIDED:
                    found.setdefault(f"{measure}.{name}", []).append(value)
    return found


ALL_LOGINS = list(MEASURES["mail_log"].option("logins").choices)
SAID: dict[str, dict[str, list[Any]]] = {
    "bullets_en.txt": {"web_tls.forms": [True], "log_retention.web": ["6 months"]},
    "bullets_nl.txt": {
        "log_retention.web": ["6 months"],
        "log_retention.mail": ["30 days"],
        "data_backup.interval": ["1 day"],
    },
    "conditional_nl.txt": {},
    "hard_wrapped_nl.txt": {
        "web_log.fields": [["client_ip", "time", "path"]],
        "web_log.scope": ["own"],
        "log_retention.web": ["90 days"],
        "mail_log.logins": [ALL_LOGINS],
    },
    "informal_nl.txt": {},
    "legalese_nl.txt": {"disk_encryption.covers": [["data"]]},
    "one_paragraph_nl.txt": {},
    "page_en.html": {},
    "page_nl.html": {"log_retention.web": ["14 days"], "log_retention.mail": ["3 months"], "web_tls.forms": [True]},
    "pdf_like_nl.txt": {
        "web_log.fields": [["client_ip"]],
        "log_retention.web": ["1 year"],
        "data_backup.interval": ["1 week"],
    },
    "plain_en.txt": {
        "web_log.fields": [["client_ip", "user_agent", "time"]],
        "web_log.scope": ["own"],
        "log_retention.web": ["2 weeks"],
        "mail_log.logins": [ALL_LOGINS],
        "log_retention.mail": ["90 days"],
        "data_backup.interval": ["1 day"],
        "data_backup.oldest": ["30 days"],
    },
    "questions_nl.txt": {"web_tls.forms": [True], "web_tls.scope": ["own"]},
    "unseen_1_nl.txt": {},
    "unseen_2_en.html": {},
    "unseen_3_nl.txt": {},
    "village_1_nl.txt": {},
    "village_2_nl.html": {},
    "village_3_en.txt": {"web_log.fields": [["time"]]},
    "village_4_en.txt": {},
    "backbone_it": {
        "web_log.fields": [["client_ip"]],
        "web_log.scope": ["own"],
        "mail_log.logins": [ALL_LOGINS],
        "web_tls.forms": [True],
        "web_tls.scope": ["own"],
        "disk_encryption.covers": [["data"]],
    },
    "directcode": {},
    "twentenet": {"web_tls.forms": [True], "web_tls.scope": ["own"]},
    "webhoster": {"log_retention.web": ["2 years"], "web_log.fields": [["client_ip", "user_agent", "domain", "path"]]},
}
SAID["directvps"] = SAID["backbone_it"]


@pytest.mark.parametrize("name", [name for name in PAGES if name != "lab"])
def test_a_draft_sets_what_the_text_says_and_nothing_else(name: str) -> None:
    assert said(PAGES[name]) == SAID[name]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Webserverlogs bewaren wij gedurende twee jaar.", {"log_retention": {"web": "2 years"}}),
        ("Webserverlogs bewaren wij gedurende twee (2) jaar.", {"log_retention": {"web": "2 years"}}),
        ("Webserverlogs bewaren wij maximaal twee jaar.", {"log_retention": {"web": UNDECIDED}}),
        ("Webserverlogs bewaren wij minstens twee jaar.", {"log_retention": {"web": UNDECIDED}}),
        ("Webserverlogs bewaren wij niet twee jaar.", {"log_retention": {"web": UNDECIDED}}),
        ("Webserverlogs bewaren wij een jaar of twee jaar.", {"log_retention": {"web": UNDECIDED}}),
        ("Webserverlogs bewaren wij, en facturen zeven jaar.", {"log_retention": {"web": UNDECIDED}}),
        ("Webserverlogs bewaren wij; facturen bewaren wij zeven jaar.", {}),
        ("Facturen bewaren wij gedurende zeven jaar.", {}),
        ("Wij bewaren uw gegevens gedurende twee jaar.", {}),
        ("Sinds twee jaar bewaren wij webserverlogs.", {"log_retention": {"web": UNDECIDED}}),
        ("U kunt webserverlogs twee jaar bewaren.", {}),
        ("Access logs are kept for up to six months.", {"log_retention": {"web": UNDECIDED}}),
        ("Access logs are deleted after six months.", {"log_retention": {"web": "6 months"}}),
        ("Access logs are kept for one month, invoices for 7 years.", {"log_retention": {"web": UNDECIDED}}),
        ("Ons bestelformulier gebruikt SSL.", {"web_tls": {"forms": UNDECIDED}}),
        ("Elk formulier gebruikt SSL.", {"web_tls": {"forms": True}}),
        ("Niet elk formulier gebruikt SSL.", {"web_tls": {"forms": UNDECIDED}}),
        ("Met het formulier vraagt u een SSL-certificaat aan.", {}),
        ("Onze website gebruikt https.", {"web_tls": {"redirect": UNDECIDED}}),
        ("Wij maken elke dag en elke week back-ups.", {"data_backup": {"interval": UNDECIDED}}),
        ("Wij maken regelmatig back-ups.", {"data_backup": {"interval": UNDECIDED}}),
        ("Wij controleren dagelijks of back-ups gelukt zijn.", {}),
        ("Wij bewaren back-ups twee weken.", {"data_backup": {"oldest": "2 weeks"}}),
        ("Back-ups die wij maken, worden dagelijks gewist.", {"data_backup": {"interval": UNDECIDED}}),
        ("Every week we make sure that backups are good.", {"data_backup": {"interval": UNDECIDED}}),
        ("Back-ups van databases staan op versleutelde servers.", {"disk_encryption": {"covers": UNDECIDED}}),
        ("Elk formulier van onze klanten gebruikt https.", {"web_tls": {"forms": UNDECIDED}}),
        ("Google bewaart de webserverlogs 26 maanden.", {"log_retention": {"web": UNDECIDED}}),
        (
            "Wij verwijderen webserverlogs na 30 dagen uit de back-ups.",
            {"log_retention": {"web": UNDECIDED}, "data_backup": {"oldest": UNDECIDED}},
        ),
        ("Alle inlogpogingen in het klantenpaneel en e-mail worden gelogd.", {"mail_log": {"logins": UNDECIDED}}),
        ("Wij leggen alle mislukte inlogpogingen op de mailserver vast.", {"mail_log": {"logins": UNDECIDED}}),
        ("In de toegangslogs slaan wij geen IP-adres op.", {"web_log": {"fields": UNDECIDED}}),
    ],
)
def test_an_option_is_set_only_where_the_sentence_says_it(sentence: str, expected: dict[str, Any]) -> None:
    main = "nl" if re.search(r"\b(wij|ons|onze|u|niet|elk|het|de|van)\b", sentence, re.IGNORECASE) else "en"
    found = options(Sentence("", 1, 1, 1, (sentence,)), lexicon().languages[main], MEASURES)
    assert found == expected


@pytest.mark.parametrize(
    ("line", "day"),
    [
        ("Laatst bijgewerkt: 12 maart 2025", "2025-03-12"),
        ("Laatst gewijzigd op 2025-03-12.", "2025-03-12"),
        ("Versie van 12-3-2025", "2025-03-12"),
        ("Laatst bijgewerkt: maart 2025", UNDECIDED),
        ("Laatst bijgewerkt: 31-2-2025", UNDECIDED),
        ("Laatst bijgewerkt: 12 maart 2099", UNDECIDED),
        ("Opgericht op 12 maart 2025", UNDECIDED),
        ("Laatst bijgewerkt: 12 maart 2025, versie 13 maart 2025", UNDECIDED),
    ],
)
def test_the_day_of_a_text(line: str, day: str) -> None:
    assert str(drafted(of_plain(f"{TEXT}\n\n{line}"))["statement"]["published"]) == day


def test_an_english_day_that_reads_two_ways_is_left_open() -> None:
    text = "Privacy\n\nWe keep your data and never sell it to anybody, and we tell you what we do when you ask.\n\n"
    days = {"Last updated: 05/06/2025": UNDECIDED, "Last updated: June 5, 2025": "2025-06-05"}
    days["Last updated: 25/06/2025"] = "2025-06-25"
    for line, day in days.items():
        assert str(drafted(of_plain(f"{text}{text}{line}"))["statement"]["published"]) == day


def test_ids_of_a_draft_are_their_own() -> None:
    text = "\n\n".join(["Privacy", *["Één kop", "Wij bewaren niets van u en delen ook niets met anderen."] * 3])
    ids = [promise["id"] for promise in drafted(of_plain(text))["statement"]["promises"]]
    assert ids == ["een-kop-1", "een-kop-2", "een-kop-3"]


def test_a_text_that_binds_to_nothing_has_a_draft_without_promises() -> None:
    text = "Over ons\n\n" + "De winkel is open op maandag en de koffie staat klaar voor wie op bezoek komt. " * 4
    assert drafted(of_plain(text))["statement"]["promises"] == UNDECIDED
