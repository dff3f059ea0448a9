"""The texts that the statement check is tried on: our own short ones, and those of the five registers where they are.

In the short ones '{b}' stands in each sentence that binds its author, and is no part of the text. STATEMENTS names the
folder of the five, which are their authors' and no part of the project.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.privacy.hosting.plugins.module_utils._measures import MEASURES
from ansible_collections.privacy.hosting.plugins.plugin_utils._register import OPEN, UNDECIDED
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.binding import binding
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.check import pointed_to
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.draft import draft
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.language import language
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.lexicon import lexicon
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.reading import Page, of_plain, read_page
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.sentences import sentences_of
from ansible_collections.privacy.hosting.plugins.plugin_utils._text.web_page import of_html

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/statements"
MARK = "{b}"
TODAY = dt.date(2026, 11, 21)

FOREIGN = sorted(FOLDER.glob("other_*"))
SHORT = sorted(set(FOLDER.iterdir()) - set(FOREIGN))
FIVE = ("backbone_it", "directcode", "directvps", "twentenet", "webhoster")

# Promises of ours that a text makes besides those that its reading had listed; each is in no row of the list.
FOUND_BY_THE_CHECK = {"name-and-role-kept", "contacts-told-what-is-kept", "used-for-the-service-only"}


@dataclass(frozen=True)
class Measured:
    """How the sentences that the lexicon finds compare with those that bind, in counts of sentences.

    promises: how many promises have a sentence that is found, of all_promises.
    """

    right: int
    found: int
    binding: int
    promises: int = 0
    all_promises: int = 0

    def __add__(self, other: Measured) -> Measured:
        return Measured(**{name: number + getattr(other, name) for name, number in vars(self).items()})

    @property
    def precision(self) -> float:
        return self.right / self.found

    @property
    def recall(self) -> float:
        return self.right / self.binding


def page_of(source: str, is_html: bool) -> Page:
    """A text as it is read."""
    return of_html(source) if is_html else of_plain(source)


def short_page(path: Path) -> Page:
    """One of the short texts, without its marks."""
    return page_of(path.read_text(encoding="utf-8").replace(MARK, ""), path.suffix == ".html")


def measured_short(path: Path) -> Measured:
    """The lexicon on one of the short texts, held against its marks."""
    marked = sentences_of(page_of(path.read_text(encoding="utf-8"), path.suffix == ".html"))
    page = short_page(path)
    sentences = sentences_of(page)
    assert len(sentences) == len(marked)
    found = set(binding(sentences, lexicon(), language(page, lexicon())))
    binds = {place for place, sentence in enumerate(marked) if MARK in sentence.text}
    return Measured(len(found & binds), len(found), len(binds))


def folder_of_the_five() -> Path | None:
    """Where the texts of the five registers lie, as STATEMENTS says; None where it says nothing."""
    named = os.environ.get("STATEMENTS")
    return ROOT / named if named else None


def the_five() -> list[str]:
    """The registers whose texts are there. Fails where STATEMENTS names a folder that lacks one."""
    folder = folder_of_the_five()
    missing = [name for name in FIVE if folder and not (folder / f"{name}.txt").is_file()]
    if missing:
        raise FileNotFoundError(f"STATEMENTS names {folder}, which lacks {', '.join(missing)}")
    return list(FIVE) if folder else []


@lru_cache
def statement_of(name: str) -> Statement:
    """The register of an inventory."""
    return Statement.load_file(str(ROOT / "inventories" / name / "group_vars/all/statement.yml"))


def text_of(name: str) -> Page:
    """The published text of an inventory's register."""
    if name == "lab":
        return read_page(str(ROOT / "inventories/lab/statement.md"))
    return read_page(str((folder_of_the_five() or ROOT) / f"{name}.txt"))


def measured_register(name: str) -> Measured:
    """The lexicon on the text of a register, held against the sentences that its promises point to."""
    page = text_of(name)
    sentences = sentences_of(page)
    found = set(binding(sentences, lexicon(), language(page, lexicon())))
    promises = [promise for promise in statement_of(name).promises if promise.id not in FOUND_BY_THE_CHECK]
    places = [set(pointed_to(promise.where, sentences)) for promise in promises]
    binds = set().union(*places)
    told = sum(bool(found & pointed) for pointed in places)
    return Measured(len(found & binds), len(found), len(binds), told, len(promises))


def drafted(page: Page) -> dict[str, Any]:
    """The first draft of a text, as data."""
    data = yaml.safe_load(draft(page, "text.txt", MEASURES, TODAY).text)
    assert isinstance(data, dict)
    return data


def filled(register: dict[str, Any]) -> dict[str, Any]:
    """A draft in which everything is decided that it left to be decided."""
    head = {"provider": "P", "title": "T", "published": dt.date(2026, 1, 5), "url": "https://example.nl/privacy"}
    statement = {key: head[key] if value == UNDECIDED else value for key, value in register["statement"].items()}
    statement["scope"] = {"own_sites": ["example.nl"]}
    statement["promises"] = [_filled(promise) for promise in statement["promises"]]
    return {"statement": statement}


def _filled(promise: dict[str, Any]) -> dict[str, Any]:
    made = {**promise, "says": "What it says."}
    if "planned" in made:
        made["planned"] = {"until": dt.date(2027, 6, 1), "reason": "no measure for it yet"}
    if "measures" in made:
        made["measures"] = {
            measure: {name: _decided(measure, name, value) for name, value in options.items()}
            for measure, options in made["measures"].items()
        }
    return made


def _decided(measure: str, name: str, value: Any) -> Any:
    option = MEASURES[measure].option(name)
    if value != UNDECIDED:
        return value
    if option.type == "period":
        return "1 month" if option.stricter else OPEN
    return {"bool": True, "list": list(option.choices), "choice": (*option.choices, "")[0]}[option.type]
