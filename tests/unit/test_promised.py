"""The filter that roles' defaults ask the register with."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.privacy.hosting.plugins.filter.promised import promised

REGISTER = """
promises:
  - id: recorded
    measures:
      web_log: {fields: [path, domain], scope: own}
  - id: kept
    hosts: web*
    measures:
      log_retention: {web: 2 years}
  - id: addresses
    hosts: db1
    measures:
      web_log: {fields: [client_ip]}
  - id: kept-open
    hosts: mail1
    measures:
      log_retention: {mail: open}
  - id: never-sold
    attested: {by: the director, since: 2026-01-05, for: 1 year, evidence: minutes}
"""


def tagged(text: str) -> Any:
    """YAML as Ansible reads it from an inventory, with its tags."""
    return DataLoader().load(text, file_name="/inventory/statement.yml")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("web_log", "fields"), ["domain", "path", "client_ip"]),
        (("web_log", "fields", "web1", []), ["domain", "path"]),
        (("web_log", "fields", "db1", []), ["domain", "path", "client_ip"]),
        (("web_log", "query_string", "web1", []), "dropped"),
        (("web_log", "scope"), "all"),  # what 'addresses' means, for it says nothing else
        (("web_log", "scope", "web1", []), "own"),
        (("web_log", "sites", "web1", []), []),
        (("log_retention", "web", "web1", []), "2 years"),
        (("log_retention", "web", "db1", []), None),
        (("log_retention", "web", "x1", ["webservers"]), "2 years"),
        (("log_retention", "late", "web1", []), "3 days"),
        (("web_log", None, "x1", []), True),
        (("log_retention", None, "x1", []), False),
        (("log_retention", None, "web1", []), True),
        (("log_retention", None, "mail1", []), False),
    ],
)
def test_what_is_promised(arguments: tuple[Any, ...], expected: Any) -> None:
    assert promised(tagged(REGISTER), *arguments) == expected


def test_the_values_are_plain() -> None:
    [value, *_] = promised(tagged(REGISTER), "web_log", "fields")
    assert type(value) is str
    assert type(promised(tagged(REGISTER), "log_retention", "web")) is str


@pytest.mark.parametrize("register", [{}, None, {"promises": []}])
def test_the_default_where_there_is_no_register(register: Any) -> None:
    assert promised(register, "log_retention", "late") == "3 days"
    assert promised(register, "log_retention") is False


@pytest.mark.parametrize(
    ("register", "arguments", "line"),
    [
        (REGISTER, ("web_logs", "fields"), "promised: no measure 'web_logs'; did you mean 'web_log'?"),
        (REGISTER, ("web_log", "field"), "promised: no option web_log.field; did you mean 'fields'?"),
        (
            REGISTER.replace("2 years", "2 jaar"),
            ("log_retention", "web"),
            (
                "promise kept: measures.log_retention.web: '2 jaar' is no period; "
                "write it like '2 years', '6 months' or '14 days'"
            ),
        ),
        (
            REGISTER.replace("hosts: web*", "hosts: [web1:web2]"),
            ("log_retention", "web"),
            (
                "promise kept: hosts: 'web1:web2' is no pattern of hosts; "
                "write names, groups or wildcards like 'web*,!web9'"
            ),
        ),
        (
            "promises: everything",
            ("web_log", "fields"),
            "statement: provider: missing; write provider: Example Hosting",
        ),
        ("- promises", ("web_log", "fields"), "statement: a list is no mapping; write provider: …"),
    ],
)
def test_a_mistake_stops_the_role(register: str, arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        promised(tagged(register), *arguments)
    assert str(error.value).startswith(line)


def test_promises_that_no_host_can_keep_both() -> None:
    register = REGISTER.replace("hosts: mail1", "hosts: web1").replace("mail: open", "web: 1 year")
    assert promised(tagged(register), "log_retention", "web", "web2", []) == "2 years"
    with pytest.raises(AnsibleFilterError, match=r"'1 year' here and '2 years' in promise kept"):
        promised(tagged(register), "log_retention", "web", "web1", [])
