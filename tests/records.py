# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Synthetic host records of a small provider, for the tests and figures of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.privacy.hosting.plugins.plugin_utils._verdict import verdict

AUDITED_AT = "2026-11-20T16:43:15Z"

ABOUT = {
    "web_log": {
        "title": {"en": "What web servers log", "nl": "Wat webservers vastleggen"},
        "why": {
            "en": "A log that lacks the visitor's address or the site cannot show what happened in a leak; a log "
            "that holds more than was promised is itself a leak.",
            "nl": "Zonder het adres van de bezoeker of de naam van de site is bij een datalek niet na te gaan wat er "
            "is gebeurd; een logboek met meer dan is toegezegd, is zelf een lek.",
        },
    },
    "log_retention": {
        "title": {"en": "How long logs are kept", "nl": "Hoe lang logboeken worden bewaard"},
        "why": {
            "en": "Personal data may be kept no longer than its purpose asks (GDPR article 5(1)(e)). Logs that go too "
            "soon break the promise as well: they are not there when a leak is investigated.",
            "nl": "Persoonsgegevens mogen niet langer worden bewaard dan nodig (AVG artikel 5, eerste lid, onder e). "
            "Te vroeg weggooien breekt de toezegging ook: het logboek ontbreekt dan bij onderzoek naar een lek.",
        },
    },
}

SAYS = {
    "views-logged": {
        "en": "Every page view is logged with the domain, the path, the browser and the visitor's IP address.",
        "nl": "Elke paginaweergave wordt vastgelegd met domein, pad, browser en IP-adres van de bezoeker.",
    },
    "kept-two-years": {
        "en": "Web traffic is kept for two years and then destroyed automatically.",
        "nl": "Webverkeer wordt twee jaar bewaard en daarna automatisch vernietigd.",
    },
    "no-query": {
        "en": "What visitors fill in is not part of the log.",
        "nl": "Wat bezoekers invullen, komt niet in het logboek.",
    },
    "error-logs": {
        "en": "Error logs are kept no longer than the traffic they belong to.",
        "nl": "Foutlogboeken worden niet langer bewaard dan het verkeer waar zij bij horen.",
    },
    "mail-logged": {
        "en": "Every login to a mailbox is logged.",
        "nl": "Elke aanmelding op een mailbox wordt vastgelegd.",
    },
    "never-sold": {"en": "Data is never sold.", "nl": "Gegevens worden nooit verkocht."},
    "processor": {
        "en": "A processor agreement is available on request.",
        "nl": "Op verzoek is een verwerkersovereenkomst beschikbaar.",
    },
    "unsubscribe-link": {
        "en": "Every newsletter holds a link to unsubscribe.",
        "nl": "Elke nieuwsbrief bevat een afmeldlink.",
    },
}


SUPPLIERS = [
    {
        "name": "Example Registrar",
        "role": "registers domain names",
        "data": ["name", "address", "e-mail"],
        "ground": "the contract, 6(1)(b)",
        "url": "https://registrar.example/privacy",
        "reviewed": "2026-01-05",
    },
    {
        "name": "Example Payments",
        "role": "takes payments",
        "data": ["name", "bank account"],
        "ground": "the contract, 6(1)(b)",
        "reviewed": "2025-01-05",
    },
]
CONFLICTS = [
    {
        "between": ["unsubscribe-link", "the GDPR, article 17"],
        "says": "a customer may have all removed, and invoices are kept seven years",
        "chosen": "invoices stay, and nothing else",
    },
    {"between": ["kept-two-years", "never-sold"], "says": "one asks for less than the other"},
]


def finding(status: str = "pass", **values: Any) -> dict[str, Any]:
    """One finding as measure_info returns it."""
    proof = "" if status in ("error", "not_applicable") else "configured"
    return {
        "measure": "web_log",
        "check": "fields",
        "option": "fields",
        "subject": "nginx example.nl",
        "status": status,
        "proof": proof,
        "expected": "domain, path, user_agent, client_ip",
        "observed": "domain, path, user_agent, client_ip" if status == "pass" else "path, user_agent, client_ip",
        "source": "/etc/nginx/sites-enabled/example.nl:14",
        "remedy": "log_format: add $host" if status == "fail" else "",
        "took_s": 0.004,
        **values,
    }


def promise(
    name: str, answers: Sequence[Sequence[dict[str, Any]]] = (), language: str = "en", **values: Any
) -> dict[str, Any]:
    """One promise of a host record, with the verdict that its findings and grounds come to."""
    grounds = {key: values[key] for key in ("waiver", "attested", "planned") if key in values}
    states = {"waived" if key == "waiver" else key: ground["state"] for key, ground in grounds.items()}
    says = SAYS.get(name, {}).get(language, f"What {name} says.")
    return {
        "id": name,
        "where": {"section": "Hosting", "sentence": 1},
        "says": says,
        "gdpr": ["5(1)(e)"],
        "applies": True,
        "verdict": verdict(answers, **states),
        "findings": [one for answer in answers for one in answer],
        **values,
    }


def record(
    host: str = "web1", promises: Sequence[dict[str, Any]] | None = None, language: str = "en", **values: Any
) -> dict[str, Any]:
    """One host's record."""
    statement = {
        "provider": "Example Hosting",
        "title": "Privacyverklaring" if language == "nl" else "Privacy statement",
        "language": language,
        "published": "2026-01-05",
        "url": "https://example.nl/privacy",
        "text_sha256": "0" * 64,
    }
    return {
        "schema": 1,
        "statement": statement,
        "host": host,
        "audited_at": AUDITED_AT,
        "took_s": 1.84,
        "partial": False,
        "promises": promises if promises is not None else in_ordinary_state(language),
        **values,
    }


def _retention(status: str, subject: str, **values: Any) -> dict[str, Any]:
    """A finding about how long a log is kept."""
    return finding(status, measure="log_retention", check="both_sides", option="web", subject=subject, **values)


def in_ordinary_state(language: str = "en") -> list[dict[str, Any]]:
    """The promises on a host as ordinary installations have it: every verdict occurs."""
    stock = _retention(
        "fail",
        "/var/log/nginx/access.log",
        expected="kept 2 years, then destroyed",
        observed="rotate 14, daily: destroyed after 14 days",
        source="/etc/logrotate.d/nginx:1",
        remedy="keep /var/log/nginx/*.log for 2 years, and destroy what is older",
    )
    stray = _retention(
        "fail",
        "/var/log/nginx/old-shop.log.1",
        proof="observed",
        expected="nothing older than 2 years",
        observed="first line of 2023-02-11, no rotation names it",
        source="/var/log/nginx/old-shop.log.1",
        remedy="destroy /var/log/nginx/old-shop.log.1, or name the reason to hold it",
    )
    busy = _retention(
        "error",
        "/srv/archive/logs",
        expected="kept 2 years, then destroyed",
        observed="over 10,000 files: the bound was reached before anything was proven",
        source="/srv/archive/logs",
        remedy="name the files that are logs",
    )
    fine = [finding(subject=f"nginx {site}", proof="observed") for site in ("example.nl", "shop.example.nl")]
    waived = {"by": "J. Jansen, operations", "until": "2026-12-10", "reason": "moved to the new log host in December"}
    until = {"by": "the director", "since": "2026-01-05", "evidence": "minutes 2026-01"}
    none = finding(
        "not_applicable",
        measure="log_retention",
        option="mail",
        subject="mail server",
        expected="mail logs",
        observed="no mail server listens",
        source="ss -lntup",
    )
    return [
        promise(
            "views-logged",
            [
                [
                    finding("fail", proof="running"),
                    *fine,
                    finding(
                        "error", subject="nginx api.example.nl", observed="the log is a pipe", remedy="log to a file"
                    ),
                ]
            ],
            language,
        ),
        promise("kept-two-years", [[stock, stray, busy]], language),
        promise("no-query", [fine], language),
        promise("error-logs", [[stock]], language, waiver={**waived, "state": "in_force"}),
        promise("mail-logged", [[none]], language),
        promise("never-sold", [], language, attested={**until, "until": "2027-01-05", "state": "in_force"}),
        promise("processor", [], language, attested={**until, "until": "2026-06-30", "state": "lapsed"}),
        promise(
            "unsubscribe-link",
            [],
            language,
            planned={"until": "2027-06-01", "reason": "no measure for it yet", "state": "in_force"},
        ),
    ]


def fleet_of(count: int, promises: int = 14, findings: int = 8, first: int = 0) -> list[dict[str, Any]]:
    """Records of many hosts, one in ten of them with faults, as a large provider has them."""
    records = []
    for number in range(first, first + count):
        bad = "fail" if number % 10 == 3 else "pass"
        entries = [
            promise(
                f"promise-{index:02}",
                [
                    [
                        finding(bad if index % 5 == 0 else "pass", subject=f"nginx site{n}.example.nl")
                        for n in range(findings)
                    ]
                ],
            )
            for index in range(promises)
        ]
        records.append(record(f"web{number:04}.example.nl", entries))
    return records
