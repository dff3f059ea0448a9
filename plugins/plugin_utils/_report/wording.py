# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the pages say, in Dutch and in English.

PRIVATE to the collection.

A text is a string, or a pair: for one and for any other number, chosen by the value `n`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

LANGUAGES = ("en", "nl")

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "nl": [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
}

Text = str | tuple[str, str]
TEXTS: Mapping[str, Mapping[str, Text]] = {
    # verdicts and statuses
    "verdict.broken": {"en": "broken", "nl": "niet nagekomen"},
    "verdict.unproven": {"en": "unproven", "nl": "niet aangetoond"},
    "verdict.lapsed": {"en": "attestation lapsed", "nl": "verklaring verlopen"},
    "verdict.waived": {"en": "waived", "nl": "uitzondering"},
    "verdict.kept": {"en": "kept", "nl": "nagekomen"},
    "verdict.attested": {"en": "attested", "nl": "verklaard"},
    "verdict.not_applicable": {"en": "not applicable", "nl": "niet van toepassing"},
    "status.fail": {"en": "not as promised", "nl": "niet zoals toegezegd"},
    "status.error": {"en": "not established", "nl": "niet vastgesteld"},
    "status.pass": {"en": "as promised", "nl": "zoals toegezegd"},
    "status.not_applicable": {"en": "not present", "nl": "niet aanwezig"},
    "proof.configured": {"en": "configured", "nl": "ingesteld"},
    "proof.running": {"en": "running", "nl": "geladen"},
    "proof.observed": {"en": "observed", "nl": "waargenomen"},
    "proof.": {"en": "–", "nl": "–"},
    # the head
    "kind.host": {"en": "Report on one server", "nl": "Rapport over één server"},
    "kind.fleet": {"en": "Report on all servers", "nl": "Rapport over alle servers"},
    "title.host": {"en": "{host}: privacy report, {provider}", "nl": "{host}: privacyrapport, {provider}"},
    "title.fleet": {"en": "Privacy report, {provider}", "nl": "Privacyrapport, {provider}"},
    "heading.fleet": {"en": "Is the privacy statement kept?", "nl": "Wordt de privacyverklaring nagekomen?"},
    "skip": {"en": "Skip to the findings", "nl": "Naar de bevindingen"},
    "partial": {"en": "Partial", "nl": "Gedeeltelijk"},
    "partial.host": {
        "en": "This audit was limited: it covers part of what the statement promises or of the servers.",
        "nl": "Deze controle was beperkt: zij beslaat een deel van de toezeggingen of van de servers.",
    },
    "partial.fleet": {
        "en": "This run covers {n} of {total} servers. It says nothing of the others.",
        "nl": "Deze controle beslaat {n} van de {total} servers. Over de andere zegt zij niets.",
    },
    "fact.provider": {"en": "Provider", "nl": "Aanbieder"},
    "fact.statement": {"en": "Statement", "nl": "Verklaring"},
    "fact.published": {"en": "Published", "nl": "Gepubliceerd"},
    "fact.language": {"en": "Language of the statement", "nl": "Taal van de verklaring"},
    "fact.host": {"en": "Server", "nl": "Server"},
    "fact.hosts": {"en": "Servers", "nl": "Servers"},
    "fact.audited": {"en": "Examined", "nl": "Onderzocht"},
    "fact.coverage": {"en": "Coverage", "nl": "Dekking"},
    "fact.run": {"en": "Run", "nl": "Controle"},
    "language.nl": {"en": "Dutch", "nl": "Nederlands"},
    "language.en": {"en": "English", "nl": "Engels"},
    "never": {"en": "not examined", "nl": "niet onderzocht"},
    "between": {"en": "{first} to {last}", "nl": "{first} tot {last}"},
    "servers": {
        "en": ("{n} server", "{n} servers"),
        "nl": ("{n} server", "{n} servers"),
    },
    "servers.unreached": {
        "en": "{n} could not be reached",
        "nl": ("{n} was onbereikbaar", "{n} waren onbereikbaar"),
    },
    "servers.unaudited": {
        "en": "{n} not examined",
        "nl": "{n} niet onderzocht",
    },
    "coverage.host.checked": {"en": "checked {n} of {total}", "nl": "{n} van de {total} getoetst"},
    "coverage.fleet.checked": {
        "en": "checked on every server it is about: {n} of {total}",
        "nl": "getoetst op elke server die het aangaat: {n} van de {total}",
    },
    "coverage.attested": {"en": "{n} attested", "nl": "{n} verklaard"},
    "coverage.waived": {
        "en": ("{n} waived until {day}", "{n} waived, the first until {day}"),
        "nl": ("{n} uitzondering tot en met {day}", "{n} uitzonderingen, de eerste tot en met {day}"),
    },
    "coverage.unproven": {"en": "{n} unproven", "nl": "{n} niet aangetoond"},
    "coverage.lapsed": {
        "en": "{n} with a lapsed attestation",
        "nl": "{n} met een verlopen verklaring",
    },
    "counts": {"en": "Promises by verdict", "nl": "Toezeggingen naar oordeel"},
    # the headline
    "headline.unreached": {
        "en": "This server could not be examined. Nothing is known of it.",
        "nl": "Deze server kon niet worden onderzocht. Er is niets over bekend.",
    },
    "headline.host.broken": {
        "en": (
            "{n} of {total} promises is broken on this server.",
            "{n} of {total} promises are broken on this server.",
        ),
        "nl": (
            "Op deze server wordt {n} van de {total} toezeggingen niet nagekomen.",
            "Op deze server worden {n} van de {total} toezeggingen niet nagekomen.",
        ),
    },
    "headline.fleet.broken": {
        "en": (
            "{n} of {total} promises is broken on at least one server.",
            "{n} of {total} promises are broken on at least one server.",
        ),
        "nl": (
            "Op ten minste één server wordt {n} van de {total} toezeggingen niet nagekomen.",
            "Op ten minste één server worden {n} van de {total} toezeggingen niet nagekomen.",
        ),
    },
    "headline.open": {
        "en": (
            "No promise was found broken; for {n} of {total} it is not shown that it is kept.",
            "No promise was found broken; for {n} of {total} it is not shown that they are kept.",
        ),
        "nl": "Er is geen schending gevonden; van {n} van de {total} toezeggingen is de naleving niet aangetoond.",
    },
    "headline.unchecked": {
        "en": "No promise could be checked; for {n} of {total} it is not shown that they are kept.",
        "nl": "Er kon geen toezegging worden getoetst; van {n} van de {total} is de naleving niet aangetoond.",
    },
    "headline.waived": {
        "en": (
            "Apart from {n} waived promise, all that was checked is kept.",
            "Apart from {n} waived promises, all that was checked is kept.",
        ),
        "nl": (
            "Op {n} uitzondering na wordt alles wat is getoetst nagekomen.",
            "Op {n} uitzonderingen na wordt alles wat is getoetst nagekomen.",
        ),
    },
    "headline.kept": {
        "en": "Every promise that was checked is kept.",
        "nl": "Elke toezegging die is getoetst, wordt nagekomen.",
    },
    "headline.unmeasured": {
        "en": "No promise was checked by measurement here.",
        "nl": "Hier is geen toezegging door meting getoetst.",
    },
    # one promise
    "where.section": {"en": "section \u201c{value}\u201d", "nl": "onderdeel \u2018{value}\u2019"},
    "where.paragraph": {"en": "paragraph {value}", "nl": "alinea {value}"},
    "where.sentence": {"en": "sentence {value}", "nl": "zin {value}"},
    "where.other": {"en": "{name} {value}", "nl": "{name} {value}"},
    "gdpr": {
        "en": ("GDPR article {value}", "GDPR articles {value}"),
        "nl": ("AVG artikel {value}", "AVG artikelen {value}"),
    },
    "says.broken": {
        "en": "At odds with this promise: {n} of {total} points examined.",
        "nl": "In strijd met deze toezegging: {n} van de {total} onderzochte punten.",
    },
    "says.also_unknown": {
        "en": "A further {n} could not be established.",
        "nl": ("Nog {n} punt kon niet worden vastgesteld.", "Nog {n} punten konden niet worden vastgesteld."),
    },
    "says.unproven.away": {
        "en": "The server could not be examined, so it is not shown that this promise is kept.",
        "nl": "De server kon niet worden onderzocht. Naleving is daarmee niet aangetoond.",
    },
    "says.unproven.error": {
        "en": "{n} of {total} points could not be established, so it is not shown that this promise is kept.",
        "nl": (
            "{n} van de {total} punten kon niet worden vastgesteld. Naleving is daarmee niet aangetoond.",
            "{n} van de {total} punten konden niet worden vastgesteld. Naleving is daarmee niet aangetoond.",
        ),
    },
    "says.unproven.planned": {
        "en": "There is no complete measure for this promise yet, so it is not shown that it is kept.",
        "nl": "Voor deze toezegging is er nog geen volledige maatregel. Naleving is daarmee niet aangetoond.",
    },
    "says.unproven.nothing": {
        "en": "Nothing was examined that could show whether this promise is kept.",
        "nl": "Er is niets onderzocht waaruit naleving kan blijken.",
    },
    "says.unproven.absent": {
        "en": "The statement promises this for this server, but what it is about was not found there.",
        "nl": "De toezegging geldt voor deze server, maar waar zij over gaat is er niet aangetroffen.",
    },
    "says.lapsed": {
        "en": "It was attested that this promise is kept, but that attestation lapsed on {day}.",
        "nl": "Naleving was verklaard, maar die verklaring is verlopen op {day}.",
    },
    "says.waived.fail": {
        "en": "At odds with this promise: {n} of {total} points examined. Accepted until {day} by {by}.",
        "nl": "In strijd met deze toezegging: {n} van de {total} onderzochte punten. Aanvaard tot en met {day} "
        "door {by}.",
    },
    "says.waived.open": {
        "en": "It is not shown that this promise is kept. Accepted until {day} by {by}.",
        "nl": "Naleving is niet aangetoond. Aanvaard tot en met {day} door {by}.",
    },
    "says.kept": {
        "en": ("The one point examined is as promised.", "All {n} points examined are as promised."),
        "nl": ("Het ene onderzochte punt is zoals toegezegd.", "Alle {n} onderzochte punten zijn zoals toegezegd."),
    },
    "says.attested": {
        "en": "Not measured: {by} attests that this promise is kept. The attestation holds until {day}.",
        "nl": "Niet gemeten: {by} verklaart dat deze toezegging wordt nagekomen. De verklaring geldt tot en met {day}.",
    },
    "says.not_applicable": {
        "en": "What this promise is about is not present on this server.",
        "nl": "Waar deze toezegging over gaat, is op deze server niet aanwezig.",
    },
    "says.elsewhere": {
        "en": "The statement promises this for other servers.",
        "nl": "Deze toezegging geldt voor andere servers.",
    },
    "ground.waiver.in_force": {
        "en": "Waived by {by} until {day}: {reason}",
        "nl": "Uitzondering, gemaakt door {by}, tot en met {day}: {reason}",
    },
    "ground.waiver.lapsed": {
        "en": "A waiver by {by} lapsed on {day} and has no effect any more: {reason}",
        "nl": "Een uitzondering, gemaakt door {by}, is verlopen op {day} en werkt niet meer: {reason}",
    },
    "ground.attested.in_force": {
        "en": "Attested by {by} on {since}, valid until {day}.",
        "nl": "Verklaard door {by} op {since}, geldig tot en met {day}.",
    },
    "ground.attested.lapsed": {
        "en": "Attested by {by} on {since}; lapsed on {day}.",
        "nl": "Verklaard door {by} op {since}; verlopen op {day}.",
    },
    # the same where the sentence of the verdict has told by whom and until when
    "ground.waiver.told": {"en": "Reason: {reason}", "nl": "Reden: {reason}"},
    "ground.attested.told": {"en": "Attested by {by} on {since}.", "nl": "Verklaard door {by} op {since}."},
    "ground.evidence": {"en": "Evidence: {evidence}", "nl": "Bewijs: {evidence}"},
    "ground.chosen": {
        "en": "The statement leaves {option} open; the provider has chosen it, for this reason: {reason}",
        "nl": "De verklaring laat {option} open; de aanbieder heeft die gekozen, om deze reden: {reason}",
    },
    "ground.planned.in_force": {
        "en": "A measure is to be there on {day}: {reason}",
        "nl": "Een maatregel moet er zijn op {day}: {reason}",
    },
    "ground.planned.lapsed": {
        "en": "A measure was to be there on {day} and is not: {reason}",
        "nl": "Een maatregel moest er zijn op {day}, en is er niet: {reason}",
    },
    "seen": {"en": "What was seen", "nl": "Wat is gezien"},
    "seen.rest": {
        "en": ("{n} further point, as promised or not present", "{n} further points, as promised or not present"),
        "nl": ("Nog {n} punt, zoals toegezegd of niet aanwezig", "Nog {n} punten, zoals toegezegd of niet aanwezig"),
    },
    "seen.more": {
        "en": "And {n} more, all in {file}.",
        "nl": "En nog {n}, te vinden in {file}.",
    },
    "column.subject": {"en": "Subject", "nl": "Onderwerp"},
    "column.status": {"en": "Result", "nl": "Uitkomst"},
    "column.expected": {"en": "Expected", "nl": "Verwacht"},
    "column.observed": {"en": "Seen", "nl": "Gezien"},
    "column.proof": {"en": "Proof", "nl": "Bewijs"},
    "column.source": {"en": "Where", "nl": "Waar"},
    "why": {"en": "Why it matters", "nl": "Waarom dit ertoe doet"},
    "todo": {"en": "What to do", "nl": "Wat te doen"},
    "todo.harden": {
        "en": "To let the collection set this right (add --check --diff to see first what would change):",
        "nl": "Om dit door de collectie te laten herstellen (met --check --diff erbij toont zij eerst wat zou "
        "wijzigen):",
    },
    "todo.audit": {
        "en": "Find out why the server could not be examined, and audit it again:",
        "nl": "Zoek uit waarom de server niet kon worden onderzocht, en controleer opnieuw:",
    },
    "todo.attest": {
        "en": "Have the attestation renewed by somebody who can answer for it, and record it in the register of the"
        " statement.",
        "nl": "Laat de verklaring vernieuwen door iemand die ervoor kan instaan, en leg haar vast in het register.",
    },
    "todo.planned": {
        "en": "Keep the date in the register true, or keep this promise by another measure.",
        "nl": "Zorg dat de datum in het register klopt, of kom de toezegging met een andere maatregel na.",
    },
    "todo.more": {
        "en": ("And {n} other step, in {file}.", "And {n} other steps, in {file}."),
        "nl": ("En nog {n} stap, in {file}.", "En nog {n} stappen, in {file}."),
    },
    # groups of promises
    "group.bad": {"en": "Needs attention", "nl": "Vraagt aandacht"},
    "group.good": {"en": "In order", "nl": "In orde"},
    "group.kept": {
        "en": ("Kept: {n} promise", "Kept: {n} promises"),
        "nl": ("Nagekomen: {n} toezegging", "Nagekomen: {n} toezeggingen"),
    },
    "group.attested": {
        "en": ("Attested, not measured: {n} promise", "Attested, not measured: {n} promises"),
        "nl": ("Verklaard, niet gemeten: {n} toezegging", "Verklaard, niet gemeten: {n} toezeggingen"),
    },
    "group.not_applicable": {
        "en": ("Not applicable here: {n} promise", "Not applicable here: {n} promises"),
        "nl": ("Hier niet van toepassing: {n} toezegging", "Hier niet van toepassing: {n} toezeggingen"),
    },
    "group.none_bad": {"en": "Nothing needs attention.", "nl": "Niets vraagt aandacht."},
    # notices
    "notices": {"en": "Lapsing and lapsed", "nl": "Verloopt of is verlopen"},
    "notice.waiver.soon": {
        "en": ("Waiver by {by} lapses in {n} day, on {day}", "Waiver by {by} lapses in {n} days, on {day}"),
        "nl": (
            "Uitzondering van {by} verloopt over {n} dag, op {day}",
            "Uitzondering van {by} verloopt over {n} dagen, op {day}",
        ),
    },
    "notice.waiver.over": {"en": "Waiver by {by} lapsed on {day}", "nl": "Uitzondering van {by} is verlopen op {day}"},
    "notice.attested.soon": {
        "en": ("Attestation by {by} lapses in {n} day, on {day}", "Attestation by {by} lapses in {n} days, on {day}"),
        "nl": (
            "Verklaring van {by} verloopt over {n} dag, op {day}",
            "Verklaring van {by} verloopt over {n} dagen, op {day}",
        ),
    },
    "notice.attested.over": {
        "en": "Attestation by {by} lapsed on {day}",
        "nl": "Verklaring van {by} is verlopen op {day}",
    },
    "notice.planned.soon": {
        "en": ("Planned measure is due in {n} day, on {day}", "Planned measure is due in {n} days, on {day}"),
        "nl": (
            "Geplande maatregel moet er zijn over {n} dag, op {day}",
            "Geplande maatregel moet er zijn over {n} dagen, op {day}",
        ),
    },
    "notice.planned.over": {
        "en": "Planned measure was due on {day}",
        "nl": "Geplande maatregel moest er zijn op {day}",
    },
    # the fleet
    "promises": {"en": "Promise by promise", "nl": "Toezegging voor toezegging"},
    "on": {"en": "{verdict} on {hosts}", "nl": "{verdict} op {hosts}"},
    "on.all": {
        "en": ("{verdict} on the one server", "{verdict} on all {n} servers"),
        "nl": ("{verdict} op de ene server", "{verdict} op alle {n} servers"),
    },
    "on.none": {
        "en": "It applies to none of the servers examined.",
        "nl": "Zij geldt voor geen van de onderzochte servers.",
    },
    "and_more": {"en": "and {n} more", "nl": "en nog {n}"},
    "matrix": {"en": "Server by server", "nl": "Server voor server"},
    "matrix.caption": {
        "en": "Verdict per server, promises {first} to {last}",
        "nl": "Oordeel per server, toezeggingen {first} tot en met {last}",
    },
    "matrix.more": {
        "en": ("{n} further server, with its worst verdict", "{n} further servers, with their worst verdict"),
        "nl": ("Nog {n} server, met het slechtste oordeel", "Nog {n} servers, met hun slechtste oordeel"),
    },
    "cell.elsewhere": {"en": "other servers", "nl": "andere servers"},
    "row.unreached": {"en": "could not be reached", "nl": "onbereikbaar"},
    "row.unaudited": {"en": "not examined", "nl": "niet onderzocht"},
    "row.outside": {"en": "outside this run", "nl": "buiten deze controle"},
    "changes": {"en": "Changed since the run of {day}", "nl": "Veranderd sinds de controle van {day}"},
    "changes.none": {"en": "No verdict has changed.", "nl": "Geen oordeel is veranderd."},
    "changes.partial": {
        "en": "One of the two runs was limited: they are compared in what both asked.",
        "nl": "Een van beide controles was beperkt: zij zijn vergeleken in wat beide hebben bekeken.",
    },
    "changes.newly_broken": {"en": "Newly broken", "nl": "Nieuwe schendingen"},
    "changes.otherwise": {"en": "Other changes on the servers", "nl": "Andere veranderingen op de servers"},
    "changes.ran_out": {
        "en": "A waiver or an attestation ran out",
        "nl": "Een uitzondering of verklaring is verlopen",
    },
    "changes.checks": {
        "en": "Judged by other checks than before; the servers need not have changed",
        "nl": "Door andere controles beoordeeld dan eerst; de servers hoeven niet te zijn veranderd",
    },
    "changes.register": {
        "en": "The register asks or allows something else than before",
        "nl": "Het register vraagt iets anders, of staat iets anders toe",
    },
    "changes.first": {"en": "Asked there for the first time", "nl": "Daar voor het eerst bekeken"},
    "changes.mended": {"en": "Mended", "nl": "Hersteld"},
    "change": {"en": "{before} → {after}", "nl": "{before} → {after}"},
    "change.since": {
        "en": "compared with the run of {day}, the last that could tell",
        "nl": "vergeleken met de controle van {day}, de laatste die dit kon zeggen",
    },
    "moved.hosts_silent": {
        "en": "No longer answering, so not compared: {names}.",
        "nl": "Geeft geen antwoord meer, en is dus niet vergeleken: {names}.",
    },
    "moved.hosts_back": {"en": "Answering again: {names}.", "nl": "Geeft weer antwoord: {names}."},
    "moved.hosts_new": {
        "en": ("New server: {names}.", "New servers: {names}."),
        "nl": ("Nieuwe server: {names}.", "Nieuwe servers: {names}."),
    },
    "moved.hosts_gone": {
        "en": ("Server no longer in the inventory: {names}.", "Servers no longer in the inventory: {names}."),
        "nl": ("Server niet meer in de inventaris: {names}.", "Servers niet meer in de inventaris: {names}."),
    },
    "moved.promises_new": {
        "en": ("New promise in the register: {names}.", "New promises in the register: {names}."),
        "nl": ("Nieuwe toezegging in het register: {names}.", "Nieuwe toezeggingen in het register: {names}."),
    },
    "moved.promises_gone": {
        "en": ("Promise no longer in the register: {names}.", "Promises no longer in the register: {names}."),
        "nl": ("Toezegging niet meer in het register: {names}.", "Toezeggingen niet meer in het register: {names}."),
    },
    "moved.promises_changed": {
        "en": "The register asks something else than before for: {names}.",
        "nl": "Het register vraagt iets anders dan eerst voor: {names}.",
    },
    "moved.text": {
        "en": "The register is about another version of the statement's text.",
        "nl": "Het register gaat over een andere versie van de tekst van de verklaring.",
    },
    "moved.collection": {
        "en": "The collection that examines the servers went from version {before} to {after}.",
        "nl": "De collectie die de servers onderzoekt ging van versie {before} naar {after}.",
    },
    "moved.unknown": {"en": "an unknown one", "nl": "een onbekende"},
    "moved.checks": {
        "en": "Other code than before examines: {names}.",
        "nl": "Door andere code onderzocht dan eerst: {names}.",
    },
    # what the register says beside promises
    "judged": {"en": "Judged {parts}", "nl": "Beoordeeld {parts}"},
    "judged.measures": {"en": "by measurement: {n}", "nl": "door meting: {n}"},
    "judged.attested": {"en": "on somebody's word: {n}", "nl": "op iemands woord: {n}"},
    "judged.planned": {"en": "by nothing yet: {n}", "nl": "nog nergens door: {n}"},
    "suppliers": {"en": "Who receives personal data", "nl": "Wie persoonsgegevens ontvangt"},
    "supplier.name": {"en": "Supplier", "nl": "Leverancier"},
    "supplier.role": {"en": "What it does", "nl": "Wat zij doet"},
    "supplier.data": {"en": "Data passed on", "nl": "Doorgegeven gegevens"},
    "supplier.ground": {"en": "Ground", "nl": "Grondslag"},
    "supplier.reviewed": {"en": "Last reviewed", "nl": "Laatst beoordeeld"},
    "supplier.old": {"en": "more than a year ago", "nl": "langer dan een jaar geleden"},
    "supplier.no_url": {
        "en": "the statement names no privacy statement of theirs",
        "nl": "de verklaring noemt hun privacyverklaring niet",
    },
    "conflicts": {"en": "What cannot all be kept to the letter", "nl": "Wat niet allemaal letterlijk kan"},
    "conflict.chosen": {"en": "Chosen: {chosen}", "nl": "Gekozen: {chosen}"},
    "conflict.open": {"en": "Nothing has been chosen yet.", "nl": "Er is nog niets gekozen."},
    "periods": {"en": "Periods that the statement leaves open", "nl": "Termijnen die de verklaring open laat"},
    "period.open": {"en": "no period set", "nl": "geen termijn ingesteld"},
    "period.chosen": {
        "en": "the provider has set one, for this reason: {reason}",
        "nl": "de aanbieder heeft er een ingesteld, om deze reden: {reason}",
    },
    # the foot
    "foot": {"en": "How to read this report", "nl": "Hoe dit rapport te lezen"},
    "foot.kept": {
        "en": "Kept means: at the time given, in what the named checks looked at, nothing was at odds with the "
        "promise. A privacy statement is a legal text; this is a technical examination of servers. It is no "
        "legal judgement, says nothing of other moments, and nothing of what no check looks at.",
        "nl": "Nagekomen betekent: op het genoemde tijdstip was in wat de genoemde controles bekeken niets in "
        "strijd met de toezegging. Een privacyverklaring is een juridische tekst; dit is een technisch "
        "onderzoek van servers. Het is geen juridisch oordeel, en zegt niets over andere momenten of over wat"
        " geen controle bekijkt.",
    },
    "foot.unproven": {
        "en": "Unproven means that it could not be established. It is not counted as kept. Attested means that "
        "somebody answers for it and nothing was measured. Waived means that somebody has accepted, until a "
        "date, that it is broken or unproven; the check is still made.",
        "nl": "Niet aangetoond betekent dat het niet kon worden vastgesteld; het telt niet als nagekomen. Verklaard"
        " betekent dat iemand ervoor instaat en dat niets is gemeten. Uitzondering betekent dat iemand tot "
        "een datum aanvaardt dat iets niet is nagekomen of niet is aangetoond; de controle wordt wel gedaan.",
    },
    "foot.proof": {
        "en": "Proof: configured is what the files say that a service would load; running is what it has loaded; "
        "observed is what it was seen to do. A point passes only if none of these says otherwise.",
        "nl": "Bewijs: ingesteld is wat een dienst volgens de bestanden zou laden; geladen is wat hij geladen "
        "heeft; waargenomen is wat hij is gezien te doen. Een punt slaagt alleen als geen van deze iets "
        "anders zegt.",
    },
    "foot.language": {
        "en": "This page asks nothing of any other computer.",
        "nl": "Bevindingen zijn in het Engels. Deze pagina vraagt niets op bij een andere computer.",
    },
    "foot.files": {"en": "The same facts for programs: {file}", "nl": "Dezelfde feiten voor programma\u2019s: {file}"},
    "foot.fleet": {"en": "All servers", "nl": "Alle servers"},
}


class Wording:
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        """language: a member of LANGUAGES; any other gives English."""
        self.language = language if language in LANGUAGES else "en"

    def __call__(self, key: str, /, **values: Any) -> str:
        """The text of that key with its values filled in; `n` also chooses between one and many."""
        text = TEXTS[key][self.language]
        if isinstance(text, tuple):
            text = text[0 if values["n"] == 1 else 1]
        return text.format_map(values)

    def day(self, iso: str | None) -> str:
        """A date, or the date of a time, in words: '2026-01-05' is '5 January 2026'. What is no date stays "
        "as it is."""
        try:
            moment = datetime.fromisoformat(str(iso))
        except ValueError:
            return str(iso or "–")
        return f"{moment.day} {MONTHS[self.language][moment.month - 1]} {moment.year}"

    def moment(self, iso: str | None) -> str:
        """A UTC time in words, to the minute."""
        return f"{self.day(iso)}, {str(iso)[11:16]} UTC" if iso else self("never")
