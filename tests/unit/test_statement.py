"""The register: what is read out of a good one, and the line that each mistake in a bad one gives."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._measure import Measure
from ansible_collections.privacy.hosting.plugins.module_utils._option import Option
from ansible_collections.privacy.hosting.plugins.plugin_utils._statement import Statement, StatementError

TODAY = dt.date(2026, 3, 1)
KNOWN = {
    "web_log": Measure(
        "web_log",
        title={"en": "Web log"},
        why={"en": "why"},
        options=(
            Option("fields", "list", "fields", choices=("domain", "path", "client_ip"), stricter="union"),
            Option("query_string", "choice", "query", choices=("dropped", "logged"), stricter="first"),
            Option("scope", "choice", "scope", choices=("all", "own"), judged=False, stricter="first"),
            Option("trusted_proxies", "networks", "proxies", promisable=False, judged=False),
        ),
    ),
    "log_retention": Measure(
        "log_retention",
        title={"en": "Log retention"},
        why={"en": "why"},
        options=(
            Option("web", "period", "web"),
            Option("late", "period", "late", default="3 days", judged=False, stricter="shorter"),
            Option("automatic", "bool", "automatic", stricter="true"),
            Option("least", "period", "least", stricter="longer"),
        ),
    ),
}
REGISTER: dict[str, Any] = {
    "provider": "Example Hosting",
    "title": "Privacy statement",
    "language": "nl",
    "published": dt.date(2026, 1, 5),
    "url": "https://example.nl/privacy",
    "text_sha256": "0123456789abcdef" * 4,
    "scope": {"own_sites": ["example.nl", "panel.example.nl"], "own_databases": ["crm@postgresql"]},
    "promises": [
        {
            "id": "traffic-kept",
            "where": {"section": "Web hosting", "sentence": 1},
            "says": "Web traffic is kept for two years.",
            "gdpr": ["5(1)(e)"],
            "hosts": "web*",
            "measures": {"web_log": {"fields": ["domain", "path"]}, "log_retention": {"web": "2 years"}},
        },
        {
            "id": "never-sold",
            "where": {"section": "What we do not do", "sentence": 1},
            "says": "Data is never sold.",
            "attested": {
                "by": "the director",
                "since": dt.date(2026, 1, 5),
                "for": "1 year",
                "evidence": "minutes 2026-01",
            },
        },
        {
            "id": "unsubscribe-link",
            "where": {"section": "Mailings", "sentence": 2},
            "says": "Every mailing has a link to end it.",
            "planned": {"until": dt.date(2026, 6, 1), "reason": "no measure for it yet"},
        },
    ],
}
WAIVERS: list[dict[str, Any]] = [
    {
        "promise": "traffic-kept",
        "hosts": "web2",
        "reason": "its disk is too small until it is replaced",
        "by": "the director",
        "until": dt.date(2026, 9, 1),
    }
]
HOSTS = {"web1": ["all", "web"], "web2": ["all", "web"], "db1": ["all", "databases"]}
PROMISE = "attested, gdpr, hosts, id, measures, planned, says, stands_at, where"
ID = "promise traffic-kept: "
SOLD = "promise never-sold: "
WAIVER = "waiver of traffic-kept: "

Change = Callable[[dict[str, Any], list[Any]], object]


def load(register: object = None, waivers: object = None) -> Statement:
    """The statement of a register, held against the inventory too."""
    statement = Statement.load(REGISTER if register is None else register, waivers, TODAY, KNOWN)
    statement.check_hosts(HOSTS)
    return statement


def put(path: str, value: object) -> Change:
    """Set what stands at a dotted path of the register, or of the waivers where the path begins with 'waivers'."""

    def change(register: dict[str, Any], waivers: list[Any]) -> None:
        first, *rest = path.split(".")
        node: Any = waivers if first == "waivers" else register
        keys = rest if first == "waivers" else [first, *rest]
        for key in keys[:-1]:
            node = node[int(key)] if isinstance(node, list) else node[key]
        if isinstance(node, list):
            node[int(keys[-1])] = value
        else:
            node[keys[-1]] = value

    return change


def drop(path: str) -> Change:
    """Take away what stands at a dotted path."""

    def change(register: dict[str, Any], waivers: list[Any]) -> None:
        *keys, last = path.split(".")
        node: Any = register
        if keys and keys[0] == "waivers":
            node, keys = waivers, keys[1:]
        for key in keys:
            node = node[int(key)] if isinstance(node, list) else node[key]
        del node[last]

    return change


def add(**promise: object) -> Change:
    """Add a promise like the first, with other values."""

    def change(register: dict[str, Any], waivers: list[Any]) -> None:
        register["promises"].append({**copy.deepcopy(REGISTER["promises"][0]), "id": "other", **promise})

    return change


SUPPLIER = {
    "name": "Example Registrar",
    "role": "registers domain names",
    "data": ["name", "address"],
    "ground": "the contract, 6(1)(b)",
    "url": "https://registrar.example/privacy",
    "reviewed": dt.date(2026, 2, 1),
}
CONFLICT = {"between": ["traffic-kept", "GDPR 17"], "says": "Kept for the tax, and removed on request."}
LATER = "is yet to be decided; put in what is right, or take it out"


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """The entry without one of its keys."""
    return {name: value for name, value in entry.items() if name != key}


PERIODS = "write it like '2 years', '6 months' or '14 days'"
QUOTES = "YAML reads on, off, yes and no so: put the word in quotes"

MISTAKES: list[tuple[Change, str]] = [
    # the statement
    (put("langage", "nl"), "statement: langage: no such key; did you mean 'language'?"),
    (drop("provider"), "statement: provider: missing; write provider: Example Hosting"),
    (put("title", None), "statement: title: missing; write title: Privacy statement"),
    (put("title", 5), "statement: title: 5 is no text; put it in quotes"),
    (put("provider", " "), "statement: provider: ' ' is no text; put it in quotes"),
    (put("language", "de"), "statement: language: 'de' is not one of nl, en"),
    (put("language", False), "statement: language: false is not one of nl, en"),
    (put("published", "5 January 2026"), "statement: published: '5 January 2026' is no date; write it like 2026-01-31"),
    (put("published", dt.date(2026, 3, 2)), "statement: published: 2026-03-02 is yet to come; today is 2026-03-01"),
    (
        put("url", "example.nl/privacy"),
        "statement: url: 'example.nl/privacy' is not an address; write it like https://example.nl/privacy",
    ),
    (
        put("text_sha256", "abc"),
        "statement: text_sha256: 'abc' is not a SHA-256: 64 digits and letters a to f (docs/register.md makes it)",
    ),
    (put("scope", ["example.nl"]), "statement: scope: a list is no mapping; write own_sites: …, own_databases: …"),
    (put("scope.own_site", []), "statement: scope.own_site: no such key; did you mean 'own_sites'?"),
    (
        put("scope.own_sites", "example.nl"),
        "statement: scope.own_sites: 'example.nl' is no list; write [example.nl, panel.example.nl]",
    ),
    (
        put("scope.own_sites.1", "https://example.nl/"),
        (
            "statement: scope.own_sites: 'https://example.nl/' is not the name of a site; "
            "write it like 'www.example.nl', without https:// or a path"
        ),
    ),
    (
        put("scope.own_databases.0", "crm"),
        (
            "statement: scope.own_databases: 'crm' is not a database; "
            "write it like 'crm@postgresql' (mariadb, mysql, postgresql, redis)"
        ),
    ),
    (put("promises", []), "statement: promises: a list is no list of promises; write each as '- id: …'"),
    (put("promises", {"id": "x"}), "statement: promises: a mapping is no list of promises; write each as '- id: …'"),
    # a promise
    (put("promises.0", "never sold"), "promise number 1: 'never sold' is no mapping; write id: …, where: …, says: …"),
    (drop("promises.0.id"), "promise number 1: id: missing; write id: traffic-kept-two-years"),
    (put("promises.0.id", True), f"promise number 1: id: true is no text; {QUOTES}"),
    (
        put("promises.0.id", "Traffic kept"),
        "promise Traffic kept: id: 'Traffic kept' is not a name of small letters, digits and hyphens",
    ),
    (
        put("promises.1.id", "traffic-kept"),
        "promise traffic-kept: id: promise number 1 has this id too; give each its own",
    ),
    (put("promises.0.say", "x"), f"{ID}say: no such key; did you mean 'says'?"),
    (
        put("promises.0.frobnicate", 1),
        f"{ID}frobnicate: no such key; it is one of {PROMISE}",
    ),
    (lambda register, waivers: register["promises"][0].update({True: "x"}), f"{ID}true is no key; {QUOTES}"),
    (drop("promises.0.says"), f"{ID}says: missing; write says: what it promises, in your own words"),
    (drop("promises.0.where"), f"{ID}where: missing; write where: {{section: Web hosting, sentence: 1}}"),
    (put("promises.0.where", "Web hosting"), f"{ID}where: 'Web hosting' is no mapping; write sentence: …"),
    (
        put("promises.0.where.section", 8),
        f"{ID}where.section: 8 is no heading; for a paragraph without one write paragraph: 8",
    ),
    (
        put("promises.0.where.sentence", "first"),
        f"{ID}where.sentence: 'first' is no sentence's number; count from 1, and write several as 1-3",
    ),
    (
        drop("promises.0.where.section"),
        f"{ID}where: names no place; write section: Web hosting, or paragraph: 8 where there is no heading",
    ),
    (
        put("promises.0.gdpr", ["article 5"]),
        f"{ID}gdpr: 'article 5' is no article of the GDPR; write it like '5(1)(e)' or '32'",
    ),
    (
        put("promises.0.hosts", "web:db"),
        f"{ID}hosts: 'web:db' is no pattern of hosts; write names, groups or wildcards like 'web*,!web9'",
    ),
    (put("promises.0.hosts", []), f"{ID}hosts: names no host; leave the key out where a promise is about every host"),
    (
        put("promises.0.hosts", "www*"),
        f"{ID}hosts: 'www*' matches no host of the inventory; name a host, a group or a pattern like 'web*'",
    ),
    (drop("promises.0.measures"), f"{ID}nothing keeps it; give it one of measures, stands_at, attested, planned"),
    (
        put("promises.0.planned", {"until": dt.date(2026, 6, 1), "reason": "later"}),
        f"{ID}planned: it has measures, so nothing is left to plan; take planned or measures away",
    ),
    # what it asks of measures
    (
        put("promises.0.measures", ["web_log"]),
        f"{ID}measures: a list names no measure; write {{log_retention: {{web: 2 years}}}}",
    ),
    (
        put("promises.0.measures.weblog", {"fields": ["path"]}),
        f"{ID}measures.weblog: no such measure; did you mean 'web_log'?",
    ),
    (
        put("promises.0.measures.web_log", {}),
        f"{ID}measures.web_log: a mapping sets no option; web_log has fields, query_string",
    ),
    (
        put("promises.0.measures.web_log.field", ["path"]),
        f"{ID}measures.web_log.field: no such option; did you mean 'fields'?",
    ),
    (
        put("promises.0.measures.web_log.trusted_proxies", ["192.0.2.1"]),
        (
            f"{ID}measures.web_log.trusted_proxies: no promise sets it, for it is a fact about a host; "
            "set the variable web_log_trusted_proxies"
        ),
    ),
    (
        put("promises.0.measures.web_log", {"scope": "own"}),
        f"{ID}measures.web_log: sets nothing that is checked; web_log has fields, query_string",
    ),
    (
        put("promises.0.measures.web_log.fields", ["url"]),
        f"{ID}measures.web_log.fields: 'url' is not one of domain, path, client_ip",
    ),
    (
        put("promises.0.measures.web_log.fields", "path"),
        f"{ID}measures.web_log.fields: 'path' is not a list of names; write it like [domain, path, client_ip]",
    ),
    (
        put("promises.0.measures.log_retention.web", "2 jaar"),
        f"{ID}measures.log_retention.web: '2 jaar' is no period; {PERIODS}",
    ),
    (put("promises.0.measures.log_retention.web", 730), f"{ID}measures.log_retention.web: 730 is no period; {PERIODS}"),
    (
        put("promises.0.measures.log_retention.automatic", "yes"),
        f"{ID}measures.log_retention.automatic: 'yes' is neither true nor false",
    ),
    (
        put("promises.0.measures.log_retention.web", {"period": "1 year"}),
        f"{ID}measures.log_retention.web.reason: missing; write reason: why so long",
    ),
    (
        put("promises.0.measures.log_retention.web", {"period": "soon", "reason": "x"}),
        f"{ID}measures.log_retention.web.period: 'soon' is no period; {PERIODS}",
    ),
    (
        add(measures={"log_retention": {"web": "1 year"}}),
        (
            "promise other: measures.log_retention.web: '1 year' here and '2 years' in promise traffic-kept: "
            "no host can do both; make them equal"
        ),
    ),
    (
        add(measures={"log_retention": {"web": "1 year"}}, hosts="web1"),
        (
            "promise other: measures.log_retention.web: '1 year' here and '2 years' in promise traffic-kept: "
            "no host can do both; make them equal"
        ),
    ),
    # attestations and plans
    (drop("promises.1.attested.evidence"), f"{SOLD}attested.evidence: missing; write evidence: minutes 2026-01"),
    (
        put("promises.1.attested", "the director"),
        f"{SOLD}attested: 'the director' is no mapping; write by: …, since: …, for: …, evidence: …",
    ),
    (
        put("promises.1.attested.since", dt.date(2026, 4, 1)),
        f"{SOLD}attested.since: 2026-04-01 is yet to come; today is 2026-03-01",
    ),
    (
        put("promises.1.attested.since", "01-05-2026"),
        f"{SOLD}attested.since: '01-05-2026' is no date; write it like 2026-01-31",
    ),
    (
        put("promises.1.attested.for", "10 years"),
        f"{SOLD}attested.for: '10 years' is too long; somebody's word counts for at most 2 years",
    ),
    (put("promises.1.attested.for", "always"), f"{SOLD}attested.for: 'always' is no period; {PERIODS}"),
    (
        put("promises.2.planned.until", dt.date(2029, 1, 1)),
        (
            "promise unsubscribe-link: planned.until: 2029-01-01 is too far ahead; "
            "a plan lasts at most 2 years, so to 2028-03-01"
        ),
    ),
    (
        drop("promises.2.planned.reason"),
        "promise unsubscribe-link: planned.reason: missing; write reason: no measure for it yet",
    ),
    # suppliers and conflicts
    (put("suppliers", "OVH"), "statement: suppliers: 'OVH' is no list; write each entry as '- …'"),
    (
        put("suppliers", ["OVH"]),
        "supplier number 1: 'OVH' is no mapping; write name: …, role: …, data: …, ground: …, reviewed: …",
    ),
    (
        put("suppliers", [without(SUPPLIER, "role")]),
        "supplier Example Registrar: role: missing; write role: registers domain names",
    ),
    (
        put("suppliers", [SUPPLIER, {**SUPPLIER, "data": "name"}]),
        "supplier Example Registrar: data: 'name' is no list; write [name, address]",
    ),
    (
        put("suppliers", [{**SUPPLIER, "link": "https://example.nl/"}]),
        "supplier Example Registrar: link: no such key; it is one of data, ground, name, reviewed, role, url",
    ),
    (
        put("suppliers", [{**SUPPLIER, "reviewed": dt.date(2026, 3, 2)}]),
        "supplier Example Registrar: reviewed: 2026-03-02 is yet to come; today is 2026-03-01",
    ),
    (
        put("conflicts", [{**CONFLICT, "between": ["traffic-kept"]}]),
        ("conflict number 1: between: names fewer than two; "
        "write between: [removed-on-request, seven-years-for-the-tax]"),
    ),
    (
        put("conflicts", [CONFLICT, {**CONFLICT, "between": ["trafic-kept", "GDPR 17"]}]),
        ("conflict number 2: between: no promise 'trafic-kept'; did you mean 'traffic-kept'?; "
        "a law or the like is told in words, as 'the GDPR'"),
    ),
    # what a first draft leaves open
    (put("provider", "TO BE DECIDED"), f"statement: provider: {LATER}"),
    (put("scope.own_sites", ["TO BE DECIDED"]), f"statement: scope.own_sites: {LATER}"),
    (put("suppliers", [{**SUPPLIER, "data": ["name", "TO BE DECIDED"]}]), f"supplier Example Registrar: data: {LATER}"),
    (put("promises.0.measures.log_retention.web", "TO BE DECIDED"), f"{ID}measures.log_retention.web: {LATER}"),
    (put("promises.0.measures", "TO BE DECIDED"), f"{ID}measures: {LATER}"),
    (put("promises.0.id", "TO BE DECIDED"), f"promise TO BE DECIDED: id: {LATER}"),
    (
        put("promises.0.where.fingerprint", "abc"),
        (f"{ID}where.fingerprint: 'abc' is not a fingerprint: 16 digits and letters a to f "
        "(the statement check shows it)"),
    ),
    # waivers
    (put("waivers.0", "web2"), "waiver number 1: 'web2' is no mapping; write promise: …, reason: …, by: …, until: …"),
    (
        put("waivers.0.promise", "trafic-kept"),
        "waiver of trafic-kept: promise: no such promise; did you mean 'traffic-kept'?",
    ),
    (drop("waivers.0.reason"), f"{WAIVER}reason: missing; write reason: the disk is replaced in May"),
    (drop("waivers.0.by"), f"{WAIVER}by: missing; write by: the director"),
    (
        put("waivers.0.until", dt.date(2027, 3, 2)),
        f"{WAIVER}until: 2027-03-02 is too far ahead; a waiver lasts at most 1 year, so to 2027-03-01",
    ),
    (
        put("waivers.0.hosts", "mail*"),
        f"{WAIVER}hosts: 'mail*' matches no host of the inventory; name a host, a group or a pattern like 'web*'",
    ),
    (put("waivers.0.for", "1 year"), f"{WAIVER}for: no such key; it is one of by, hosts, promise, reason, until"),
]


@pytest.mark.parametrize(("change", "line"), MISTAKES, ids=[line[:80] for _change, line in MISTAKES])
def test_a_mistake_is_one_line(change: Change, line: str) -> None:
    register, waivers = copy.deepcopy(REGISTER), copy.deepcopy(WAIVERS)
    change(register, waivers)
    with pytest.raises(StatementError) as error:
        load(register, waivers)
    assert error.value.messages == [line]


def test_the_register_that_the_mistakes_are_made_in_has_none() -> None:
    assert len(load(REGISTER, WAIVERS).promises) == 3


@pytest.mark.parametrize("register", [None, {}])
def test_a_statement_that_is_missing(register: object) -> None:
    with pytest.raises(StatementError) as error:
        Statement.load(register, None, TODAY, KNOWN)
    assert error.value.messages == ["statement: missing; write the register in group_vars/all/statement.yml"]


def test_a_statement_that_is_no_mapping() -> None:
    with pytest.raises(StatementError) as error:
        Statement.load("Data is never sold.", None, TODAY, KNOWN)
    assert error.value.messages == [
        (
            "statement: 'Data is never sold.' is no mapping; "
            "write provider: …, title: …, language: …, published: …, url: …, text_sha256: …, promises: …"
        )
    ]


def test_waivers_that_are_no_list() -> None:
    with pytest.raises(StatementError) as error:
        load(REGISTER, {"promise": "never-sold"})
    assert error.value.messages == ["waivers: a mapping is no list of waivers; write each as '- promise: …'"]


def test_several_mistakes_are_all_told() -> None:
    register = copy.deepcopy(REGISTER)
    put("language", "de")(register, [])
    put("promises.0.measures.log_retention.web", "long")(register, [])
    drop("promises.1.attested.by")(register, [])
    with pytest.raises(StatementError) as error:
        load(register, [{"promise": "x"}])
    assert error.value.messages == [
        "statement: language: 'de' is not one of nl, en",
        f"{ID}measures.log_retention.web: 'long' is no period; {PERIODS}",
        f"{SOLD}attested.by: missing; write by: the director",
        "waiver of x: reason: missing; write reason: the disk is replaced in May",
        "waiver of x: by: missing; write by: the director",
        "waiver of x: until: missing; write until: 2026-06-01",
        "waiver of x: promise: no such promise; it is one of never-sold, traffic-kept, unsubscribe-link",
    ]


@pytest.mark.parametrize("path", ["url", "promises.0.id", "promises.0.no\nsuch\x1b[31mkey"])
def test_a_strange_value_stays_on_its_line(path: str) -> None:
    register = copy.deepcopy(REGISTER)
    put(path, "no\x1b[31m\n" * 5)(register, [])
    with pytest.raises(StatementError) as error:
        load(register)
    [line] = error.value.messages
    assert line.isprintable()
    assert len(line) < 200


# -- what is read --------------------------------------------------------------------------------------------------


def test_the_head_holds_plain_values() -> None:
    assert load().head() == {
        "provider": "Example Hosting",
        "title": "Privacy statement",
        "language": "nl",
        "published": "2026-01-05",
        "url": "https://example.nl/privacy",
        "text_sha256": "0123456789abcdef" * 4,
    }


def test_the_head_tells_of_suppliers_and_conflicts_where_there_are_any() -> None:
    nameless = {**without(SUPPLIER, "url"), "name": "The accountant"}
    conflicts = [CONFLICT, {**CONFLICT, "chosen": "The tax comes first."}]
    head = load({**REGISTER, "suppliers": [SUPPLIER, nameless], "conflicts": conflicts}).head()
    assert head["suppliers"] == [
        {**SUPPLIER, "reviewed": "2026-02-01"},
        {**nameless, "reviewed": "2026-02-01"},
    ]
    assert head["conflicts"] == conflicts


def test_a_fingerprint_is_no_part_of_the_place() -> None:
    register = copy.deepcopy(REGISTER)
    register["promises"][0]["where"]["fingerprint"] = "0123456789abcdef"
    promise = load(register).promises[0]
    assert promise.fingerprint == "0123456789abcdef"
    assert "fingerprint" not in promise.where


def test_a_promise_applies_where_its_hosts_say() -> None:
    traffic, sold, _ = load().promises
    assert traffic.applies_to("web1", ["web"]) and traffic.names("web1")
    assert not traffic.applies_to("db1", ["databases"])
    assert sold.applies_to("db1") and not sold.names("db1")


@pytest.mark.parametrize(
    ("hosts", "host", "groups", "applies"),
    [
        ("web*,!web9", "web1", [], True),
        ("web*,!web9", "web9", [], False),
        ("!web9", "db1", [], True),
        ("databases", "db1", ["databases"], True),
        ("databases", "db1", [], False),
        (["web1", "db1"], "db1", [], True),
        ("all", "db1", [], True),
    ],
)
def test_patterns_of_hosts(hosts: object, host: str, groups: list[str], applies: bool) -> None:
    register = copy.deepcopy(REGISTER)
    put("promises.0.hosts", hosts)(register, [])
    assert Statement.load(register, None, TODAY, KNOWN).promises[0].applies_to(host, groups) is applies


def strictest(measure: str, option: str, *values: object) -> Any:
    """The strictest of some promises' values of one option."""
    judged = {"web_log": {"fields": ["path"]}, "log_retention": {"automatic": True}}[measure]
    register = copy.deepcopy(REGISTER)
    register["promises"] = [
        {**REGISTER["promises"][0], "id": f"p{number}", "measures": {measure: {**judged, option: value}}}
        for number, value in enumerate(values)
    ]
    return load(register).promised(measure, option)


def test_a_promise_that_leaves_out_what_directs_its_judging_means_the_default() -> None:
    register = copy.deepcopy(REGISTER)
    add(measures={"log_retention": {"web": "2 years", "late": "1 week"}})(register, [])
    assert KNOWN["log_retention"].option("late").default == "3 days"
    assert load(register).promised("log_retention", "late", "web1", ["web"]) == "3 days"
    put("promises.0.measures.log_retention.late", "2 weeks")(register, [])
    assert load(register).promised("log_retention", "late", "web1", ["web"]) == "1 week"


@pytest.mark.parametrize(
    ("measure", "option", "values", "expected"),
    [
        ("web_log", "fields", [["path"], ["client_ip", "path"]], ["path", "client_ip"]),
        ("web_log", "query_string", ["logged", "dropped"], "dropped"),
        ("web_log", "scope", ["own", "all"], "all"),
        ("log_retention", "late", ["2 months", "3 days", "1 week"], "3 days"),
        ("log_retention", "least", ["2 months", "1 year", "1 week"], "1 year"),
        ("log_retention", "automatic", [False, True], True),
        ("log_retention", "automatic", [False, False], False),
        ("log_retention", "web", ["2 years", "2 years"], "2 years"),
    ],
)
def test_the_strictest_of_several_promises(measure: str, option: str, values: list[Any], expected: Any) -> None:
    assert strictest(measure, option, *values) == expected


def test_each_promise_keeps_its_own_value() -> None:
    register = copy.deepcopy(REGISTER)
    add(measures={"web_log": {"fields": ["client_ip"]}})(register, [])
    statement = load(register)
    assert [p.measures.get("web_log") for p in statement.promises] == [
        {"fields": ["domain", "path"]}, None, None, {"fields": ["client_ip"]},
    ]  # fmt: skip


def test_promises_about_other_hosts_do_not_count_nor_clash() -> None:
    register = copy.deepcopy(REGISTER)
    add(measures={"log_retention": {"web": "1 year"}}, hosts="databases")(register, [])
    statement = load(register)
    assert statement.promised("log_retention", "web", "web1", ["web"]) == "2 years"
    assert statement.promised("log_retention", "web", "db1", ["databases"]) == "1 year"
    assert statement.promised("log_retention", "web", "mail1", []) is None


def test_what_no_promise_sets_is_none() -> None:
    statement = load()
    assert statement.promised("log_retention", "automatic") is None
    assert statement.promises_measure("web_log") and not statement.promises_measure("web_log", "db1")
    with pytest.raises(KeyError):
        statement.promised("log_retention", "webb")


def test_a_period_that_the_statement_leaves_open_and_nobody_set() -> None:
    register = copy.deepcopy(REGISTER)
    put("promises.0.measures", {"log_retention": {"web": "open"}})(register, [])
    statement = load(register)
    promise = statement.promises[0]
    assert promise.measures == {} and promise.unset == (("log_retention", "web"),)
    assert statement.promised("log_retention", "web") is None
    [finding] = promise.unset_findings()
    assert (finding.status, finding.observed) == ("error", "no period set")


def test_a_period_that_the_provider_chose_has_its_reason() -> None:
    register = copy.deepcopy(REGISTER)
    put("promises.0.measures.log_retention.web", {"period": "1 year", "reason": "a leak shows late"})(register, [])
    promise = load(register).promises[0]
    assert promise.measures["log_retention"] == {"web": "1 year"}
    assert promise.chosen == {"log_retention.web": "a leak shows late"}
    assert promise.unset_findings() == []


def test_an_attestation_ends() -> None:
    attested = load().promises[1].attested
    assert attested is not None
    assert attested.as_dict() == {
        "by": "the director",
        "since": "2026-01-05",
        "for": "1 year",
        "until": "2027-01-05",
        "evidence": "minutes 2026-01",
    }


def test_a_lapsed_attestation_plan_or_waiver_is_no_mistake() -> None:
    register, waivers = copy.deepcopy(REGISTER), copy.deepcopy(WAIVERS)
    put("promises.1.attested.since", dt.date(2024, 1, 1))(register, waivers)
    put("promises.2.planned.until", dt.date(2025, 1, 1))(register, waivers)
    put("waivers.0.until", dt.date(2025, 1, 1))(register, waivers)
    statement = load(register, waivers)
    attested, planned = statement.promises[1].attested, statement.promises[2].planned
    assert attested and planned
    assert (attested.until, planned.until) == (dt.date(2025, 1, 1), dt.date(2025, 1, 1))
    waiver = statement.waiver_for("traffic-kept", "web2")
    assert waiver and waiver.until == dt.date(2025, 1, 1)


def test_the_waiver_of_a_host_is_the_one_that_lasts_longest() -> None:
    longer = {**WAIVERS[0], "until": dt.date(2026, 12, 1), "hosts": "web"}
    statement = load(REGISTER, [WAIVERS[0], longer])
    waiver = statement.waiver_for("traffic-kept", "web2", ["web"])
    assert waiver and waiver.as_dict()["until"] == "2026-12-01"
    assert statement.waiver_for("traffic-kept", "db1", ["databases"]) is None
    assert statement.waiver_for("never-sold", "web2") is None


# -- files ---------------------------------------------------------------------------------------------------------

FILE = """---
statement:
  provider: Example Hosting
  title: Privacy statement
  language: nl
  published: 2026-01-05
  url: https://example.nl/privacy
  text_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  promises:
    - id: never-sold
      where: {section: What we do not do, sentence: 1}
      says: Data is never sold.
      attested: {by: the director, since: 2026-01-05, for: 1 year, evidence: !vault x}
statement_waivers:
  - promise: never-sold
    reason: none
    by: the director
    until: 2026-09-01
"""


def messages(tmp_path: Path, text: str | bytes) -> list[str]:
    """The messages about a file, without its path."""
    path = tmp_path / "statement.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StatementError) as error:
        Statement.load_file(str(path), TODAY, KNOWN)
    assert all(message.startswith(f"{path}:") for message in error.value.messages)
    return [message.removeprefix(f"{path}:") for message in error.value.messages]


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "statement.yml"
    path.write_text(FILE)
    assert [waiver.promise for waiver in Statement.load_file(str(path), TODAY, KNOWN).waivers] == ["never-sold"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  language: nl", "  language: de", "5: statement: language: 'de' is not one of nl, en"),
        ("  language: nl\n", "", "2: statement: language: missing; write language: nl"),
        (
            "1 year",
            "9 years",
            "13: promise never-sold: attested.for: '9 years' is too long; somebody's word counts for at most 2 years",
        ),
        (
            "  title: Privacy statement",
            "  title: Privacy: statement",
            (
                "4: register: is no YAML: mapping values are not allowed here; "
                "look at the indentation and the quotes here and just above"
            ),
        ),
        (
            "  language: nl",
            "\tlanguage: nl",
            (
                "5: register: is no YAML: found character '\\t' that cannot start any token; "
                "look at the indentation and the quotes here and just above"
            ),
        ),
        ("  url:", "  title: Privacy\n  url:", "7: statement: title: stands here twice, first on line 4; keep one"),
        (
            "      says: Data",
            "      says: Nothing.\n      says: Data",
            "13: promise never-sold: says: stands here twice, first on line 12; keep one",
        ),
        (
            "    reason: none\n",
            "",
            "15: waiver of never-sold: reason: missing; write reason: the disk is replaced in May",
        ),
        ("statement:\n", "statment:\n", "1: statement: missing; write the register in group_vars/all/statement.yml"),
    ],
)
def test_a_mistake_in_a_file_has_its_line(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert FILE.count(old) == 1
    assert messages(tmp_path, FILE.replace(old, new)) == [line]


def test_duplicate_keys_and_other_mistakes_are_told_together(tmp_path: Path) -> None:
    text = FILE.replace("  url:", "  title: Privacy\n  url:").replace("nl\n", "de\n", 1)
    assert messages(tmp_path, text) == [
        "7: statement: title: stands here twice, first on line 4; keep one",
        "5: statement: language: 'de' is not one of nl, en",
    ]


def test_files_that_are_no_register(tmp_path: Path) -> None:
    assert messages(tmp_path, "- a\n") == ["1: register: holds a list; it must begin with 'statement:'"]
    assert messages(tmp_path, "") == ["1: register: holds nothing; it must begin with 'statement:'"]
    [line] = messages(tmp_path, b"provider: caf\xe9\n")
    assert line == "1: register: cannot be read: it is not UTF-8; save it as UTF-8"
    with pytest.raises(StatementError) as error:
        Statement.load_file(str(tmp_path / "none.yml"), TODAY, KNOWN)
    assert error.value.messages == [f"{tmp_path}/none.yml:1: register: cannot be read: No such file or directory"]
