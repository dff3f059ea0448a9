# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: databases and directories that refuse plain links, accept them, or cannot be judged."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._checks import encrypted_links_doors as doors
from ansible_collections.privacy.hosting.plugins.module_utils._checks.encrypted_links import CHECKS
from ansible_collections.privacy.hosting.plugins.module_utils._finding import Finding
from ansible_collections.privacy.hosting.plugins.module_utils._host import Listener, Process, Result, Unseen
from ansible_collections.privacy.hosting.plugins.module_utils._measure import Question
from ansible_collections.privacy.hosting.plugins.module_utils._measures.encrypted_links import MEASURE
from ansible_collections.privacy.hosting.plugins.module_utils._services import (
    database_links,
    ldap,
    plain_clients,
    tls_levels,
)
from ansible_collections.privacy.hosting.plugins.module_utils._services.database_servers import Server, Stranger
from ansible_collections.privacy.hosting.plugins.module_utils._services.plain_clients import (
    ANSWERED,
    DENIED,
    OTHER,
    REFUSED,
    SILENT,
    Plain,
)
from tests.unit.disk_host import DiskHost

NOW = dt.datetime(2026, 11, 21, 3, 0, tzinfo=dt.timezone.utc)
ALL4, ALL6 = "0.0.0.0", "::"  # noqa: S104  tests' listeners
HBA = "/etc/postgresql/17/main/pg_hba.conf"
OWN = "10.214.98.14"
# what PostgreSQL 17 and 15 of Debian 13 and 12 told of a rule
RULE_17 = (
    '{"rule_number":8,"file_name":"/etc/postgresql/17/main/pg_hba.conf","line_number":133,"type":"hostssl",'
    '"database":["all"],"user_name":["all"],"address":"0.0.0.0","netmask":"0.0.0.0","auth_method":"scram-sha-256",'
    '"options":null,"error":null}'
)
RULE_15 = (
    '{"line_number":97,"type":"host","database":["all"],"user_name":["all"],"address":"127.0.0.1",'
    '"netmask":"255.255.255.255","auth_method":"scram-sha-256","options":null,"error":null}'
)
SETTINGS = {
    "hba_file": HBA,
    "ssl": "on",
    "ssl_min_protocol_version": "TLSv1.2",
    "ssl_ciphers": "HIGH:MEDIUM:+3DES:!aNULL",
    "archive_mode": "off",
    "primary_conninfo": "",
}
# what MariaDB 11.8 and 10.11 told
VARIABLES = {
    "version": "11.8.6-MariaDB-0+deb13u1",
    "require_secure_transport": "OFF",
    "have_ssl": "YES",
    "tls_version": "TLSv1.2,TLSv1.3",
    "ssl_cipher": "",
    "port": "3306",
    "extra_port": "0",
    "skip_name_resolve": "OFF",
    "skip_grant_tables": "OFF",
    "wsrep_on": "OFF",
}
LOCAL = [
    ["mariadb.sys", "localhost", '{"access":0,"plugin":"mysql_native_password","account_locked":true}'],
    [
        "root",
        "localhost",
        '{"plugin":"mysql_native_password","authentication_string":"invalid","auth_or":[{},{"plugin":"unix_socket"}]}',
    ],
]


def account(user: str, place: str, tls: int = 0, plugin: str = "mysql_native_password", **more: object) -> list[str]:
    return [user, place, json.dumps({"plugin": plugin, "ssl_type": tls, **more})]


def rule(kind: str, address: str = "all", method: str = "scram-sha-256", **more: Any) -> str:
    place, _slash, length = address.partition("/")
    mask = None
    if length:
        import ipaddress

        mask = str(ipaddress.ip_network(address, strict=False).netmask)
    told = {
        "file_name": HBA,
        "line_number": more.pop("line", 1),
        "type": kind,
        "database": ["all"],
        "user_name": ["all"],
        "address": place,
        "netmask": mask,
        "auth_method": method,
        "error": None,
    }
    return json.dumps({**told, **more})


class LinkHost(DiskHost):
    """A host with one server, which tells what it was given: part of a statement -> rows."""

    def __init__(
        self, tells: Mapping[str, list[list[str]]] | None = None, loaded_after: float = 60, **how: Any
    ) -> None:
        files = {HBA: "", "/proc/net/fib_trie": f"  |-- {OWN}\n     /32 host LOCAL\n", **how.pop("files", {})}
        super().__init__(files=files, **how)
        changed = NOW.timestamp()
        self.changed = changed
        self.tells = {
            "pg_file_settings": [],
            "pg_conf_load_time": [[str(changed + loaded_after)]],
            "JOIN pg_stat_ssl": [],
            "pg_is_in_recovery": [["f"]],
            "pg_subscription": [],
            **(tells or {}),
        }

    def stat(self, path: str) -> os.stat_result | None:
        seen = super().stat(path)
        return os.stat_result((*seen[:7], *[int(self.changed)] * 3)) if seen else None

    def with_server(
        self, kind: str, name: str, ports: Mapping[str, int] | Sequence[tuple[str, int]] = (), **how: Any
    ) -> LinkHost:
        places = list(ports)
        self.listening = [
            *self.listening,
            *(Listener("tcp6" if ":" in address else "tcp", address, port, (9,)) for address, port in places),
        ]
        server = Server(self, kind, name, how.pop("pids", (9,)), how.pop("unit", ""), "/data", 1, "process 9", **how)
        servers = [server]
        self.once("database servers", lambda: servers)
        self.once("strange databases", list)
        return self


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers tell what their host was given."""

    def ask(server: Server, statement: str, database: str = "") -> list[list[str]]:
        tells: dict[str, list[list[str]]] = server.host.tells  # type: ignore[attr-defined]
        known = [part for part in tells if part in statement]
        if not known:
            raise Unseen(f"{server.name} could not be asked: {statement}")
        return tells[max(known, key=len)]

    monkeypatch.setattr(Server, "ask", ask)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let all plain clients be answered so."""

    def give(answer: str, mariadb: bool = False, to: str = "") -> None:
        plain, other = Plain(answer, f"it is {answer}"), Plain(OTHER, "something else")
        everyone = {
            kind: (lambda _address, _port, told=plain if to in ("", kind) else other: told)
            for kind in plain_clients.CLIENTS
        }
        monkeypatch.setattr(plain_clients, "CLIENTS", everyone)
        monkeypatch.setattr(plain_clients, "ask_ldap", lambda _address, _port, _base="": plain)
        monkeypatch.setattr(plain_clients, "is_mariadb", lambda _address, _port: mariadb)
        monkeypatch.setattr(tls_levels, "old_versions", lambda *_words: [])

    return give


def asked(host: LinkHost, check: str, option: str = "accepts", probe: bool = False, **settings: Any) -> list[Finding]:
    """What one check finds of its own kind."""
    table = {one.name: one.default for one in MEASURE.options}
    values: dict[str, Any] = {"accepts": [check], "sends": ["replication"], "peer_verified": True}
    (run,) = [one.run for one in CHECKS if one.name == check]
    return list(run(host, Question(values, {**table, **values, **settings}, (), probe), option))


def one(host: LinkHost, check: str, option: str = "accepts", probe: bool = False, **settings: Any) -> Finding:
    (found,) = asked(host, check, option, probe, **settings)
    return found


# -- hosts without such a door ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", ["postgresql", "mariadb", "redis", "ldap"])
def test_a_host_that_has_none_is_told_so(check: str) -> None:
    host = LinkHost()
    host.once("database servers", list)
    found = one(host, check)
    assert (found.status, found.option) == ("not_applicable", "accepts")


@pytest.mark.parametrize(("check", "port"), [("postgresql", 5432), ("mariadb", 3306), ("redis", 6379)])
def test_a_server_that_only_the_host_reaches_is_not_judged(check: str, port: int) -> None:
    host = LinkHost().with_server(check, "It", [("127.0.0.1", port), ("::1", port)])
    assert one(host, check).status == "not_applicable"


@pytest.mark.parametrize("check", ["postgresql", "mariadb", "redis"])
def test_a_server_in_a_container_or_at_rest_is_not_judged(check: str) -> None:
    assert one(LinkHost().with_server(check, "It", contained=True), check).status == "error"
    assert one(LinkHost().with_server(check, "It", pids=()), check).status == "error"
    assert one(LinkHost().with_server(check, "It", pids=(), starts=False), check).status == "not_applicable"


def test_other_kinds_than_those_asked_for_are_left_out() -> None:
    host = LinkHost().with_server("postgresql", "It", [(ALL4, 5432)])
    (run,) = [one.run for one in CHECKS if one.name == "postgresql"]
    assert list(run(host, Question({"accepts": ["redis"]}, {}), "accepts")) == []


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgresql(
    *rules: str, places: Sequence[str] = (ALL4, ALL6), settings: Mapping[str, str] = {}, **how: Any
) -> LinkHost:
    tells = {
        "pg_hba_file_rules": [[one] for one in rules],
        "FROM pg_settings WHERE": [[name, value] for name, value in {**SETTINGS, **settings}.items()],
        **how.pop("tells", {}),
    }
    host = LinkHost(tells, **how)
    return host.with_server("postgresql", "PostgreSQL 17/main", [(place, 5432) for place in places])


@pytest.mark.parametrize(
    "rules",
    [
        [RULE_15, RULE_17],
        [rule("hostssl", "10.0.0.0/8"), rule("hostgssenc", "::/0")],
        [rule("host", "samehost"), rule("host", "10.214.98.14/32"), rule("local", "")],
        [rule("hostnossl", "all", "reject"), rule("host", "all")],
        [rule("hostnossl", "0.0.0.0/0", "reject"), rule("host", "10.0.0.0/8", user_name=["web"])],
        [
            rule("host", "10.0.0.0/9", "reject"),
            rule("host", "10.128.0.0/9", "reject"),
            rule("host", "10.0.0.0/8"),
        ],
        [
            rule("host", "10.0.0.0/8", "reject", database=["all", "replication"]),
            rule("host", "10.1.0.0/16", database=["replication"]),
        ],
        [rule("hostnossl", "all", "reject"), rule("host", "app.example")],
        [],
    ],
)  # fmt: skip
def test_rules_that_let_no_other_machine_in_plainly_pass(rules: list[str]) -> None:
    found = one(postgresql(*rules), "postgresql")
    assert (found.status, found.proof) == ("pass", "running"), found
    assert found.subject == "PostgreSQL 17/main :5432"


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ([rule("host", "0.0.0.0/0", line=7)], 7),
        ([rule("hostnossl", "192.0.2.0/24", line=7)], 7),
        ([rule("hostnogssenc", "all", line=7)], 7),
        ([rule("host", "samenet", "trust", line=7)], 7),
        ([rule("host", ".example", line=7)], 7),
        ([rule("hostssl", "all", "reject"), rule("host", "all", line=7)], 7),  # it takes those with TLS away alone
        ([rule("host", "all", line=6), rule("host", "all", "reject")], 6),
        ([rule("hostnossl", "0.0.0.0/0", "reject"), rule("host", "::/0", line=7)], 7),
        ([rule("hostnossl", "all", "reject"), rule("host", "all", database=["replication"], line=7)], 7),
        ([rule("hostnossl", "all", "reject", user_name=["web"]), rule("host", "all", line=7)], 7),
        ([rule("host", "10.0.0.0/9", "reject"), rule("host", "10.0.0.0/8", line=7)], 7),
    ],
)
def test_a_rule_that_lets_another_machine_in_plainly_fails_and_is_named(rules: list[str], line: int) -> None:
    found = one(postgresql(RULE_15, *rules), "postgresql")
    assert (found.status, found.source) == ("fail", f"{HBA}:{line}")
    assert "hostssl" in found.remedy
    assert "192.0.2.0" not in found.observed


def test_rules_of_ipv6_do_not_count_where_nothing_listens_in_it() -> None:
    assert one(postgresql(rule("host", "::/0"), places=[ALL4]), "postgresql").status == "pass"


@pytest.mark.parametrize(
    "host",
    [
        postgresql(RULE_17, loaded_after=-60),  # the file is newer than what the server loaded
        postgresql(RULE_17, rule("", "", error='invalid connection type "hots"', line=9)),
        postgresql(RULE_17, settings={"ssl_min_protocol_version": ""}),
        postgresql(rule("hostnossl", "all", "reject", user_name=["+web"]), rule("host", "all", user_name=["shop"])),
        postgresql(rule("host", "nowhere.invalid")),
        postgresql(rule("hostssl"), files={HBA: 'hostnossl "all" all 0.0.0.0/0 reject\n'}),
        LinkHost().with_server("postgresql", "PostgreSQL", [(ALL4, 5432)]),  # it does not answer
    ],
)
def test_what_postgresql_does_not_tell_clearly_is_an_error(host: LinkHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ansible_collections.privacy.hosting.plugins.module_utils._checks.encrypted_links_databases.resolved",
        lambda _names: {},
    )
    assert one(host, "postgresql").status == "error"


def test_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, tuple[str, ...]] = {"app.example": (OWN,)}
    monkeypatch.setattr(
        "ansible_collections.privacy.hosting.plugins.module_utils._checks.encrypted_links_databases.resolved",
        lambda _names: found,
    )
    assert one(postgresql(rule("host", "app.example")), "postgresql").status == "pass"
    found["app.example"] = ("192.0.2.9",)
    assert one(postgresql(rule("host", "app.example")), "postgresql").status == "fail"


def test_old_tls_and_ciphers_without_encryption_fail() -> None:
    found = one(postgresql(RULE_17, settings={"ssl_min_protocol_version": "TLSv1"}), "postgresql")
    assert (found.status, found.source) == ("fail", "SHOW ssl_min_protocol_version")
    ciphers = "HIGH:NULL-SHA256:@SECLEVEL=0"
    listed = "NULL-SHA256  TLSv1.2 Kx=RSA  Au=RSA  Enc=None  Mac=SHA256\n"
    host = postgresql(
        RULE_17, settings={"ssl_ciphers": ciphers}, answers={("openssl", "ciphers", "-s", "-v", ciphers): listed}
    )
    assert "NULL-SHA256" in one(host, "postgresql").observed
    assert one(host, "postgresql").status == "fail"
    without = postgresql(RULE_17, settings={"ssl_ciphers": ciphers})
    assert one(without, "postgresql").status == "error"


def test_only_hostssl_with_tls_off_lets_nobody_in() -> None:
    off = rule("hostssl", "all", error="hostssl record cannot match because SSL is disabled")
    assert one(postgresql(RULE_15, off, settings={"ssl": "off"}), "postgresql").status == "pass"


def test_sessions_that_are_open_and_plain_fail_whatever_the_rules_say() -> None:
    tells = {"JOIN pg_stat_ssl": [["192.0.2.77", "f"], [OWN, "f"], ["127.0.0.1", "f"]]}
    found = one(postgresql(RULE_17, tells=tells), "postgresql")
    assert (found.status, found.proof, found.source) == ("fail", "observed", "pg_stat_ssl")
    assert "1 open sessions" in found.observed
    assert "192.0.2.x" in found.observed
    assert one(postgresql(RULE_17, tells={"JOIN pg_stat_ssl": [[OWN, "f"]]}), "postgresql").status == "pass"


def test_a_changed_listen_addresses_is_not_in_effect_yet() -> None:
    host = postgresql(RULE_17, places=["127.0.0.1"], tells={"pg_file_settings": [["*"]]})
    assert one(host, "postgresql").status == "error"


def test_what_was_observed_counts_beside_the_rules(answers: Callable[[str], None]) -> None:
    answers(ANSWERED)
    assert one(postgresql(RULE_17), "postgresql", probe=True).proof == "observed"
    assert one(postgresql(RULE_17), "postgresql", probe=True).status == "fail"
    own = postgresql(RULE_17, rule("host", "samehost"))  # as which the plain client comes
    assert one(own, "postgresql", probe=True).status == "pass"
    answers(REFUSED)
    assert one(postgresql(RULE_17), "postgresql", probe=True).proof == "observed"
    assert one(postgresql(rule("host")), "postgresql", probe=True).status == "fail"
    assert one(postgresql(RULE_17, loaded_after=-60), "postgresql", probe=True).status == "error"


def test_a_tunnel_carries_plain_rules_and_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.privacy.hosting.plugins.module_utils._services import tunnels

    way: list[bool | None] = [True]

    def through(_host: object, named: Sequence[str], place: str) -> tunnels.Way | None:
        return tunnels.Way(way[0], "WireGuard wg0") if place.startswith("10.8.0.") and named else None

    monkeypatch.setattr(tunnels, "through", through)
    named = {"tunnels": ["10.8.0.0/24"]}
    inside = postgresql(rule("host", "10.8.0.0/24"))
    assert one(inside, "postgresql", **named).status == "pass"
    assert one(postgresql(rule("host", "10.8.0.0/24")), "postgresql").status == "fail"
    assert one(postgresql(rule("host", "10.8.0.0/16")), "postgresql", **named).status == "fail"
    socket_inside = postgresql(rule("host"), places=["10.8.0.1"])
    assert one(socket_inside, "postgresql", **named).status == "pass"
    way[0] = None
    assert one(postgresql(rule("host", "10.8.0.0/24")), "postgresql", **named).status == "error"
    assert one(postgresql(rule("host"), places=["10.8.0.1"]), "postgresql", **named).status == "error"


# -- MariaDB ----------------------------------------------------------------------------------------------------------

PRINT = ("my_print_defaults", "--mysqld")


def mariadb(
    accounts: Sequence[list[str]] = (), options: str = "", ports: Sequence[int] = (3306,), **variables: str
) -> LinkHost:
    tells = {
        "SHOW GLOBAL VARIABLES": [[name, value] for name, value in {**VARIABLES, **variables}.items()],
        "global_priv": [*LOCAL, *accounts],
        "Binlog Dump": [["0"]],
        "WHERE host NOT IN": [],
        "SLAVES STATUS": [],
    }
    host = LinkHost(tells, answers={PRINT: options})
    return host.with_server("mariadb", "MariaDB", [(ALL4, port) for port in ports])


@pytest.mark.parametrize(
    "options",
    ["--require_secure_transport=ON\n", "--require-secure-transport\n", "--loose_require_secure_transport=1\n"],
)
def test_mariadb_that_needs_tls_of_all_passes(options: str) -> None:
    host = mariadb([account("webshop", "%")], options, require_secure_transport="ON")
    found = one(host, "mariadb", probe=True)  # nothing is asked of it that it would count
    assert (found.status, found.proof) == ("pass", "running"), found


@pytest.mark.parametrize("options", ["", "--require_secure_transport=ON\n--skip_require_secure_transport\n"])
def test_what_is_only_set_while_it_runs_fails(options: str) -> None:
    found = one(mariadb([], options, require_secure_transport="ON"), "mariadb")
    assert (found.status, found.source) == ("fail", "my_print_defaults --mysqld")


@pytest.mark.parametrize(
    "accounts",
    [
        [],  # nobody comes from elsewhere
        [account("webshop", "%", tls=1), account("shop", "10.0.0.%", tls=2), account("x", "192.0.2.9", tls=3)],
        [account("own", OWN), account("root", "127.0.0.1"), account("gone", "%", account_locked=True)],
        [account("role", "", is_role=True), account("sock", "%", plugin="unix_socket")],
    ],
)
def test_tls_for_each_account_from_elsewhere_passes(accounts: list[list[str]]) -> None:
    assert one(mariadb(accounts), "mariadb").status == "pass"


@pytest.mark.parametrize(
    "plain",
    [
        account("webshop", "%"),
        account("", "%"),
        account("webshop", "10.0.0.%"),
        account("webshop", "10.0.0.0/255.255.255.0"),
        account("webshop", "192.0.2.99"),
        account("webshop", "%.example"),
    ],
)
def test_an_account_from_elsewhere_without_tls_fails_and_is_named(plain: list[str]) -> None:
    found = one(mariadb([account("other", "%", tls=1), plain]), "mariadb")
    assert (found.status, found.source) == ("fail", "mysql.user")
    assert f"'{plain[0]}'@" in found.observed
    assert "192.0.2.99" not in found.observed


def test_sessions_that_may_be_older_than_the_need_for_tls_are_not_clear() -> None:
    options = "--require_secure_transport=ON\n"
    host = mariadb([], options, require_secure_transport="ON")
    host.tells["WHERE host NOT IN"] = [[f"{OWN}:40000"], ["127.0.0.1:40001"]]
    assert one(host, "mariadb").status == "pass"
    host.tells["WHERE host NOT IN"] = [["192.0.2.8:40000"]]
    assert one(host, "mariadb").status == "error"
    words = ("/usr/sbin/mariadbd",)
    host.files["/etc/mysql/my.cnf"] = ""
    host.running = [Process(9, 1, "mariadbd", words, words[0], "", NOW + dt.timedelta(seconds=60), contained=False)]
    assert one(host, "mariadb").status == "pass"  # it was needed from the beginning


def test_options_from_other_files_are_not_known() -> None:
    host = mariadb([], "--require_secure_transport=ON\n", require_secure_transport="ON")
    words = ("/usr/sbin/mariadbd", "--defaults-file=/srv/my.cnf")
    host.running = [Process(9, 1, "mariadbd", words, words[0], "", NOW, contained=False)]
    assert one(host, "mariadb").status == "error"


def test_mysql_keeps_what_it_was_told_to_persist() -> None:
    host = mariadb([], "", require_secure_transport="ON")
    host.files["/data/mysqld-auto.cnf"] = (
        '{"Version":2,"mysql_dynamic_variables":{"require_secure_transport":{"Value":"ON","Metadata":{}}}}'
    )
    assert one(host, "mariadb").status == "pass"


def test_everybody_is_let_in_without_grant_tables() -> None:
    assert one(mariadb([], skip_grant_tables="ON"), "mariadb").status == "fail"


def test_a_name_counts_only_where_names_are_looked_up() -> None:
    host = mariadb([account("webshop", "app.example")], skip_name_resolve="ON")
    assert one(host, "mariadb").status == "pass"
    everywhere = mariadb([account("webshop", "")], skip_name_resolve="ON")
    assert one(everywhere, "mariadb").status == "fail"


@pytest.mark.parametrize(
    "host",
    [
        mariadb([account("webshop", "%", tls=1, plugin="pam")]),  # its password is sent before it is refused
        mariadb([], "--require_secure_transport=ON\n", ports=[3306, 33060], require_secure_transport="ON"),
        mariadb([account("webshop", "%", tls=1)], tls_version=""),
        LinkHost().with_server("mariadb", "MariaDB", [(ALL4, 3306)]),
    ],
)
def test_what_mariadb_does_not_tell_clearly_is_an_error(host: LinkHost) -> None:
    assert one(host, "mariadb").status == "error"


def test_old_tls_of_mariadb_fails() -> None:
    found = one(mariadb([account("webshop", "%", tls=1)], tls_version="TLSv1.1,TLSv1.2"), "mariadb")
    assert (found.status, found.source) == ("fail", "SHOW VARIABLES LIKE 'tls_version'")


def test_accounts_of_mysql_are_read_from_its_own_table() -> None:
    host = mariadb(version="8.0.40", options="")
    host.tells["FROM mysql.user"] = [["shop", "%", "", "caching_sha2_password"]]
    assert one(host, "mariadb").status == "fail"


# -- Redis ------------------------------------------------------------------------------------------------------------

SHOW = ("systemctl", "show", "-p", "ExecStart", "--value", "redis-server.service")
STARTS = (
    "{ path=/usr/bin/redis-server ; argv[]=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd "
    "--daemonize no ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }\n"
)


def redis(
    ports: Sequence[int] = (6379,),
    file: str = "port 6379\n",
    running: Mapping[str, str] | None = None,
    began: float = 60,
) -> LinkHost:
    asked_of = ("redis-cli", "-h", "127.0.0.1", "-p", str(ports[0]), "--raw", "--no-auth-warning", "CONFIG", "GET")
    values = {**database_links._REDIS_DEFAULTS, **(running or {})}
    answers: dict[tuple[str, ...], str | int] = {
        (*asked_of, name): "NOAUTH Authentication required.\n\n" if running is None else f"{name}\n{value}\n"
        for name, value in values.items()
    }
    answers[SHOW] = STARTS
    process = Process(
        9, 1, "redis-server", ("/usr/bin/redis-server *:6379",), "/usr/bin/redis-check-rdb", "",
        NOW + dt.timedelta(seconds=began), contained=False,
    )  # fmt: skip
    host = LinkHost(answers=answers, files={"/etc/redis/redis.conf": file}, running=[process])
    return host.with_server("redis", "Redis", [(ALL4, port) for port in ports], unit="redis-server.service")


PLAIN = {"port": "6379", "protected-mode": "no"}
TLS = {"port": "0", "tls-port": "6379"}
TLS_FILE = "port 0\ntls-port 6379\n"


def test_redis_that_speaks_tls_alone_passes(answers: Callable[[str], None]) -> None:
    found = one(redis(file=TLS_FILE, running=TLS), "redis")
    assert (found.status, found.proof) == ("pass", "running"), found
    answers(REFUSED)
    assert one(redis(file=TLS_FILE, running=TLS), "redis", probe=True).proof == "observed"
    assert one(redis(file=TLS_FILE, running=None), "redis", probe=True).status == "pass"  # it wants a password


def test_a_password_is_handed_over_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    host = redis(file=TLS_FILE + "requirepass geheim\n", running=TLS)
    told = dict(host.answers)
    seen = []

    def run(*argv: str, env: Mapping[str, str] | None = None, **how: Any) -> Result:
        seen.append((argv, env))
        refused = argv[0] == "redis-cli" and not env
        return Result(argv, 0, "NOAUTH Authentication required.\n" if refused else str(told[argv]), "")

    monkeypatch.setattr(host, "run", run)
    assert one(host, "redis").status == "pass"
    assert {"REDISCLI_AUTH": "geheim"} in [env for _argv, env in seen]
    assert not any("geheim" in " ".join(argv) for argv, _env in seen)


def test_plain_redis_fails_by_its_own_word_its_file_and_its_answer(answers: Callable[[str], None]) -> None:
    assert one(redis(file="port 6379\n", running=PLAIN), "redis").status == "fail"
    found = one(redis(file="# as it was\nport 6379\nrequirepass geheim\n", running=None), "redis")
    assert (found.status, found.source) == ("fail", "/etc/redis/redis.conf:2")
    assert "geheim" not in found.observed
    answers(ANSWERED)
    assert one(redis(file=TLS_FILE, running=TLS), "redis", probe=True).status == "fail"


def test_a_redis_that_its_file_makes_plain_again_fails() -> None:
    found = one(redis(file="port 6379\n", running=TLS), "redis")
    assert (found.status, found.proof) == ("fail", "configured")
    found = one(redis([6390], file="port 6379\ntls-port 6390\n", running={"port": "0", "tls-port": "6390"}), "redis")
    assert "from its next start on" in found.observed


def test_protected_mode_refuses_other_machines_where_that_is_seen(answers: Callable[[str], None]) -> None:
    answers(DENIED)
    assert one(redis(running={"port": "6379", "protected-mode": "yes"}), "redis", probe=True).status == "pass"
    assert one(redis(running=PLAIN), "redis", probe=True).status == "fail"
    assert one(redis(running={"port": "6379", "protected-mode": "yes"}), "redis").status == "fail"


def test_old_tls_and_a_plain_cluster_of_redis_fail() -> None:
    old = redis(file=TLS_FILE, running={**TLS, "tls-protocols": "TLSv1.1 TLSv1.2"})
    assert one(old, "redis").status == "fail"
    bus = {**TLS, "cluster-enabled": "yes"}
    assert one(redis([6379, 16379], file=TLS_FILE, running=bus), "redis").status == "fail"
    good = {**bus, "tls-cluster": "yes"}
    file = TLS_FILE + "cluster-enabled yes\ntls-cluster yes\n"
    assert one(redis([6379, 16379], file=file, running=good), "redis").status == "pass"


def test_what_redis_does_not_tell_clearly_is_an_error() -> None:
    assert one(redis(file=TLS_FILE, running=None, began=-60), "redis").status == "error"  # the file is newer
    assert one(redis([6379, 7000], file=TLS_FILE, running=TLS), "redis").status == "error"
    broken = redis(file='tls-port "6379\n', running=None)
    assert one(broken, "redis").status == "error"
    broken.files.pop("/etc/redis/redis.conf")
    assert one(redis(file="include /etc/redis/redis.conf\n", running=None), "redis").status == "error"


# -- LDAP -------------------------------------------------------------------------------------------------------------

# of slapd 2.5 of Debian 12
GLOBAL = """\
# AUTO-GENERATED FILE - DO NOT EDIT!! Use ldapmodify.
# CRC32 913384bd
dn: cn=config
objectClass: olcGlobal
cn: config
olcArgsFile: /var/run/slapd/slapd.args
"""
MDB = """\
dn: olcDatabase={1}mdb
objectClass: olcDatabaseConfig
olcDatabase: {1}mdb
olcSuffix: dc=nodomain
olcAccess: {0}to attrs=userPassword by self write by anonymous auth by * none
"""
FRONT = "dn: olcDatabase={-1}frontend\nolcDatabase: {-1}frontend\n"
ROOT = "/etc/ldap/slapd.d"


def slapd(
    whole: str = "",
    database: str = "",
    urls: str = "ldap:/// ldapi:///",
    ports: Sequence[int] = (389,),
    began: float = 60,
) -> LinkHost:
    words = ("/usr/sbin/slapd", "-h", urls, "-g", "openldap", "-u", "openldap", "-F", ROOT)
    process = Process(9, 1, "slapd", words, words[0], "", NOW + dt.timedelta(seconds=began), contained=False)
    files = {
        f"{ROOT}/cn=config.ldif": GLOBAL + whole,
        f"{ROOT}/cn=config/olcDatabase={{-1}}frontend.ldif": FRONT,
        f"{ROOT}/cn=config/olcDatabase={{0}}config.ldif": "olcDatabase: {0}config\n",
        f"{ROOT}/cn=config/olcDatabase={{1}}mdb.ldif": MDB + database,
    }
    listening = [Listener("tcp", ALL4, port, (9,)) for port in ports]
    return LinkHost(files=files, running=[process], listening=listening)


@pytest.mark.parametrize(
    "host",
    [
        slapd("olcSecurity: ssf=128\n"),
        slapd("olcSecurity: tls=1 simple_bind=64\n"),
        slapd(database="olcSecurity: ssf=256\n"),
        slapd(urls="ldaps:/// ldapi:///", ports=[636]),
        slapd(urls="ldap://127.0.0.1/ ldaps://0.0.0.0:1636/", ports=[1636]),
    ],
)
def test_a_directory_that_needs_encryption_passes(host: LinkHost, answers: Callable[[str], None]) -> None:
    answers(REFUSED)
    assert one(host, "ldap", probe=True).status == "pass"


@pytest.mark.parametrize(
    "host",
    [
        slapd(),
        slapd("olcSecurity: simple_bind=128\n"),
        slapd("olcSecurity: update_ssf=128\n"),
        slapd("olcSecurity: ssf=128\n", "olcSecurity: ssf=0\n"),
        slapd("olcSecurity: ssf=1\n"),
        slapd(urls="ldap:/// ldaps:///", ports=[389, 636]),
    ],
)
def test_a_directory_that_only_offers_encryption_fails(host: LinkHost, answers: Callable[[str], None]) -> None:
    answers(REFUSED)
    assert one(host, "ldap", probe=True).status == "fail"


def test_old_tls_of_a_directory_fails(answers: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    answers(REFUSED)
    monkeypatch.setattr(tls_levels, "old_versions", lambda *_words: ["TLSv1.1", "TLSv1"])
    found = one(slapd("olcSecurity: ssf=128\n"), "ldap", probe=True)
    assert (found.status, found.observed[:19]) == ("fail", "TLSv1.1 is accepted")


def test_what_a_directory_answers_counts_beside_its_files(answers: Callable[[str], None]) -> None:
    answers(ANSWERED)
    assert one(slapd("olcSecurity: ssf=128\n"), "ldap", probe=True).status == "fail"


@pytest.mark.parametrize(
    "host",
    [
        slapd("olcSecurity: ssf=64\n"),
        slapd("olcSecurity: ssf=strong\n"),
        slapd(database="olcAccess: {1}to * by ssf=128 users read\n"),
        slapd("olcSecurity: ssf=128\n", ports=[389, 10389]),
        slapd("olcSecurity: ssf=128\n", began=-60),
    ],
)
def test_what_a_directory_does_not_tell_clearly_is_an_error(host: LinkHost, answers: Callable[[str], None]) -> None:
    answers(SILENT)
    assert one(host, "ldap", probe=True).status == "error"


def test_without_probes_the_level_of_a_directory_is_not_known() -> None:
    assert one(slapd("olcSecurity: ssf=128\n"), "ldap").status == "error"


def test_slapd_conf_is_read_with_what_it_includes() -> None:
    files = {
        "/etc/ldap/slapd.conf": "include /etc/ldap/more.conf\nsecurity\n  ssf=128\ndatabase mdb\nsuffix dc=example\n",
        "/etc/ldap/more.conf": "# of all\nloglevel none\n",
    }
    words = ("slapd", "-f", "/etc/ldap/slapd.conf")
    told = ldap.directory(LinkHost(files=files), Process(9, 1, "slapd", words, "", "", NOW, contained=False))
    assert told.ports == {389: "ldap"}
    assert told.needs(told.kept[0]) == {"ssf": 128}
    assert list(told.files) == ["/etc/ldap/slapd.conf", "/etc/ldap/more.conf"]


def test_a_directory_on_loopback_is_not_judged() -> None:
    host = slapd()
    host.listening = [Listener("tcp", "127.0.0.1", 389, (9,))]
    assert one(host, "ldap").status == "not_applicable"


# -- other programs ---------------------------------------------------------------------------------------------------


def with_program(name: str, port: int) -> LinkHost:
    process = Process(30, 1, name, (name,), f"/usr/sbin/{name}", "", NOW, contained=False)
    host = LinkHost(running=[process], listening=[Listener("tcp", ALL4, port, (30,))])
    host.once("database servers", list)
    return host


@pytest.mark.parametrize(
    ("check", "program"),
    [
        ("postgresql", "pgbouncer"),
        ("postgresql", "docker-proxy"),
        ("mariadb", "proxysql"),
        ("redis", "keydb-server"),
        ("ldap", "ns-slapd"),
        ("postgresql", "oddball"),
    ],
)
def test_a_program_that_could_be_one_is_an_error_until_it_answers(
    check: str, program: str, answers: Callable[..., None]
) -> None:
    found = one(with_program(program, 7777), check)
    assert (found.status, program in found.observed) == ("error", True)
    answers(SILENT, mariadb=check == "mariadb")
    assert one(with_program(program, 7777), check, probe=True).status == "error"
    answers(OTHER)
    assert one(with_program(program, 7777), check, probe=True).status == "not_applicable"
    answers(ANSWERED, to=check)
    assert one(with_program(program, 7777), check, probe=True).status == (
        "not_applicable" if check == "mariadb" else "fail"
    )


def test_a_forwarder_to_another_service_is_none_of_this_one(answers: Callable[..., None]) -> None:
    answers(ANSWERED, to="redis")
    assert one(with_program("socat", 6380), "redis", probe=True).status == "fail"
    assert one(with_program("socat", 6380), "postgresql", probe=True).status == "not_applicable"
    assert one(with_program("socat", 6380), "ldap", probe=True).status == "not_applicable"


def test_nothing_else_is_said_to_what_greets_as_mariadb(answers: Callable[..., None]) -> None:
    answers(ANSWERED, mariadb=True)
    assert one(with_program("docker-proxy", 3306), "postgresql", probe=True).status == "not_applicable"


@pytest.mark.parametrize("program", ["sshd", "master", "dovecot", "mariadbd", "rsyslogd"])
def test_programs_that_are_known_to_be_something_else_are_passed_over(program: str) -> None:
    assert one(with_program(program, 7777), "redis").status == "not_applicable"


def test_sentinels_are_not_passed_over(answers: Callable[..., None]) -> None:
    process = Process(
        30, 1, "redis-sentinel", ("/usr/bin/redis-sentinel *:26379 [sentinel]",), "/usr/bin/redis-check-rdb", "", NOW,
        contained=False,
    )  # fmt: skip
    host = LinkHost(running=[process], listening=[Listener("tcp", ALL4, 26379, (30,))])
    host.once("database servers", list)
    assert one(host, "redis").status == "error"
    answers(ANSWERED)
    assert one(host, "redis", probe=True).status == "fail"


# -- replication ------------------------------------------------------------------------------------------------------


def test_a_host_that_does_not_replicate_is_told_so() -> None:
    for host in (postgresql(), mariadb(), redis(running={})):
        assert one(host, "replication", "sends").status == "not_applicable"
        assert one(host, "replication", "peer_verified").status == "not_applicable"


@pytest.mark.parametrize(
    ("text", "sends", "verified"),
    [
        ("host=db2.invalid user=replica password=geheim sslmode=verify-full", "pass", "pass"),
        ("host=192.0.2.5 sslmode=verify-ca", "pass", "fail"),
        ("host=192.0.2.5 sslmode=require", "pass", "fail"),
        ("host=192.0.2.5 password='a b\\'c'", "fail", "fail"),
        ("host=192.0.2.5 sslmode=prefer", "fail", "fail"),
        ("postgresql://u:geheim@192.0.2.5:5433/db?sslmode=verify-full", "pass", "pass"),
        ("host=192.0.2.5 sslrootcert=system", "pass", "pass"),
        ("host=192.0.2.5 gssencmode=require", "pass", "error"),
        ("service=primary", "error", "error"),
        ("host=192.0.2.5 sslmode", "error", "error"),
        ("host=/var/run/postgresql user=x", "not_applicable", "not_applicable"),
        (f"host={OWN}", "not_applicable", "not_applicable"),
    ],
)
def test_how_postgresql_fetches_from_another(text: str, sends: str, verified: str) -> None:
    for tells, settings in (
        ({"pg_is_in_recovery": [["t"]]}, {"primary_conninfo": text}),
        ({"pg_subscription": [["shop", text]]}, {}),
    ):
        host = postgresql(tells=tells, settings=settings)
        found = [one(host, "replication", option) for option in ("sends", "peer_verified")]
        assert [each.status for each in found] == [sends, verified]
        assert not any(re.search(r"geheim|a b|192\.0\.2\.5", str(each.as_dict())) for each in found)


def test_those_who_fetch_from_postgresql_are_seen() -> None:
    plain = {"JOIN pg_stat_ssl s USING (pid) LEFT": [["192.0.2.8", "t"], ["192.0.2.9", "f"]]}
    found = one(postgresql(tells={**plain, "r.client_addr IS": []}), "replication", "sends")
    assert (found.status, found.subject) == ("fail", "PostgreSQL 17/main: to 192.0.2.x")
    host = postgresql(tells={"JOIN pg_stat_ssl s USING (pid) WHERE": [["192.0.2.8"]]})
    assert one(host, "replication", "sends").status == "pass"
    assert one(host, "replication", "peer_verified").status == "not_applicable"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("test ! -f /srv/wal/%f && cp %p /srv/wal/%f", "not_applicable"),
        ("(disabled)", "not_applicable"),
        ("rsync -a %p backup@192.0.2.7:wal/%f", "error"),
        ("cp %p /srv/wal/%f && /usr/local/bin/ship %f", "error"),
        ("`cat /etc/way` %p", "error"),
    ],
)
def test_who_gets_archived_changes(command: str, status: str) -> None:
    host = postgresql(settings={"archive_mode": "on", "archive_command": command})
    assert one(host, "replication", "sends").status == status


REPLICA = {"Connection_name": "", "Master_Host": "192.0.2.7", "Master_User": "u", "Master_Port": "3306"}


@pytest.mark.parametrize(
    ("allowed", "checks", "sends", "verified"),
    [
        ("Yes", "Yes", "pass", "pass"),
        ("Yes", "No", "pass", "fail"),
        ("No", "No", "fail", "fail"),
        ("", "", "error", "error"),
    ],
)
def test_how_mariadb_replicates(allowed: str, checks: str, sends: str, verified: str) -> None:
    host = mariadb()
    row = {**REPLICA, "Master_SSL_Allowed": allowed, "Master_SSL_Verify_Server_Cert": checks}
    host.tells["SLAVES STATUS"] = [list(row), list(row.values())]
    assert one(host, "replication", "sends").status == sends
    assert one(host, "replication", "peer_verified").status == verified
    assert one(host, "replication", "sends").subject == "MariaDB: replica from 192.0.2.x"


def test_replicas_of_mariadb_are_connected_as_all_clients_are() -> None:
    for required, status in (("ON", "pass"), ("OFF", "error")):
        host = mariadb(require_secure_transport=required)
        host.tells["Binlog Dump"] = [["2"]]
        assert one(host, "replication", "sends").status == status


def test_galera_between_nodes() -> None:
    options = "base_dir = /var/lib/mysql/; socket.ssl = {}; socket.ssl_cipher = ; "
    for on, status in (("NO", "fail"), ("YES", "error")):
        host = mariadb(
            wsrep_on="ON", wsrep_cluster_address="gcomm://a,b", wsrep_provider_options=options.format(on),
            wsrep_sst_method="rsync",
        )  # fmt: skip
        assert one(host, "replication", "sends").status == status


def test_how_redis_replicates() -> None:
    for tls, sends in (("no", "fail"), ("yes", "pass")):
        host = redis(running={"replicaof": "192.0.2.7 6379", "tls-replication": tls})
        assert one(host, "replication", "sends").status == sends
        assert one(host, "replication", "peer_verified").status == "fail"
    assert one(redis(running={"replicaof": "127.0.0.1 6380"}), "replication", "sends").status == "not_applicable"
    silent = redis(running=None, file="port 6379\n")
    assert one(silent, "replication", "sends").status == "error"  # it may copy another, and does not tell
    closed = redis(running=None, file="replicaof 192.0.2.7 6379\n")
    assert one(closed, "replication", "sends").source == "/etc/redis/redis.conf:1"


@pytest.mark.parametrize(
    ("copy", "sends", "verified"),
    [
        ("provider=ldaps://dir.invalid credentials=geheim", "pass", "pass"),
        ("provider=ldap://192.0.2.3 starttls=critical tls_reqcert=never", "pass", "fail"),
        ("provider=ldap://192.0.2.3 starttls=yes", "fail", "fail"),
        ("provider=ldap://192.0.2.3", "fail", "fail"),
        ("provider=odd", "error", "error"),
    ],
)
def test_how_a_directory_copies_another(copy: str, sends: str, verified: str) -> None:
    host = slapd(database=f'olcSyncrepl: {{0}}rid=001 {copy} binddn="cn=a"\n')
    host.once("database servers", list)
    host.once("strange databases", list)
    assert one(host, "replication", "sends").status == sends
    assert one(host, "replication", "peer_verified").status == verified


def test_servers_that_cannot_be_asked_how_they_replicate_are_errors() -> None:
    host = LinkHost().with_server("postgresql", "PostgreSQL", contained=True)
    assert one(host, "replication", "sends").status == "error"
    host = LinkHost().with_server("mariadb", "MariaDB")
    assert one(host, "replication", "sends").status == "error"
    host = LinkHost()
    host.once("database servers", list)
    host.once("strange databases", lambda: [Stranger("MongoDB", "process 3 (mongod)")])
    assert one(host, "replication", "sends").subject == "MongoDB"


# -- plain clients ----------------------------------------------------------------------------------------------------


@pytest.fixture
def serving() -> Iterator[Callable[..., int]]:
    """Serve connections from a list: each is what to say first (b'' for nothing), then after each message."""
    sockets: list[socket.socket] = []

    def serve(*connections: Sequence[bytes]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def work() -> None:
            for says in connections:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    for number, data in enumerate(says):
                        if number and not connection.recv(4096):
                            break
                        connection.sendall(data)

        threading.Thread(target=work, daemon=True).start()
        return int(listener.getsockname()[1])

    yield serve
    for one_socket in sockets:
        one_socket.close()


# what PostgreSQL 17 and 15 answered
REJECTED = (
    b'E\0\0\0\xacSFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host "10.214.98.1", user '
    b'"privacy-hosting-check", database "postgres", no encryption\0Fauth.c\0L541\0RClientAuthentication\0\0'
)
PASSWORD = b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"


def test_postgresql_answers_a_plain_client(serving: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain_clients.ask_postgresql("127.0.0.1", serving([b"", PASSWORD])).answer == ANSWERED
    assert plain_clients.ask_postgresql("127.0.0.1", serving([b"", REJECTED], [b"", b"N"])).answer == DENIED
    no_user = b"E\0\0\0\x21C28P01\0Mpassword failed\0Rx\0aa\0\0"
    assert plain_clients.ask_postgresql("127.0.0.1", serving([b"", no_user])).answer == ANSWERED
    monkeypatch.setattr(plain_clients, "_postgresql_over_tls", lambda *_where: Plain(ANSWERED, ""))
    assert plain_clients.ask_postgresql("127.0.0.1", serving([b"", REJECTED])).answer == REFUSED
    assert plain_clients.ask_postgresql("127.0.0.1", serving([b"", b"HTTP/1.1 400 Bad Request\r\n"])).answer == OTHER


# MariaDB's greeting without TLS (the flag 0x0800), and a login that is denied
GREETING = (
    b"W\0\0\0\n5.5.5-10.11.18-MariaDB\0\x1c\0\0\0tW5D8(_)\0\xfe\xf7-\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0M&t:b^1v#Es4\0"
    b"mysql_native_password\0"
)
NO_ENTRY = b"\x0f\0\0\2\xff\x15\x04#28000Denied"


def test_mariadb_is_asked_so_that_nobody_is_locked_out(serving: Callable[..., int]) -> None:
    greeting = bytes([len(GREETING) - 4]) + GREETING[1:]
    assert plain_clients.ask_mariadb("127.0.0.1", serving([greeting, NO_ENTRY])).seen.endswith(
        "ends with the error 1045; a plain one is not tried"
    )
    assert plain_clients.is_mariadb("127.0.0.1", serving([greeting, NO_ENTRY]))
    assert not plain_clients.is_mariadb("127.0.0.1", serving([b"SSH-2.0-OpenSSH_10.0p2 Debian-7\r\n"]))
    blocked = b"\x0a\0\0\0\xffi\x04Host is "
    assert plain_clients.ask_mariadb("127.0.0.1", serving([blocked])).answer == DENIED


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        (b"+PONG\r\n", ANSWERED),
        (b"-NOAUTH Authentication required.\r\n", ANSWERED),
        (b"-DENIED Redis is running in protected mode because\r\n", DENIED),
    ],
)
def test_redis_answers_a_plain_client(serving: Callable[..., int], says: bytes, answer: str) -> None:
    assert plain_clients.ask_redis("127.0.0.1", serving([b"", says])).answer == answer


# what slapd 2.5 answered: a login that is taken or refused, a search likewise, and what it keeps
BOUND, UNBOUND = b"0\x0c\2\1\1a\7\n\1\0\4\0\4\0", b"0$\2\1\1a\x1f\n\1\r\4\0\4\x18confidentiality required"
UNREAD = b"0$\2\1\2e\x1f\n\1\r\4\0\4\x18confidentiality required"
KEPT = b"0*\2\1\2d%\4\x000!0\x1f\4\x0enamingContexts1\r\4\x0bdc=nodomain" + b"0\x0c\2\1\2e\7\n\1\0\4\0\4\0"


def test_a_directory_answers_a_plain_client(serving: Callable[..., int]) -> None:
    assert plain_clients.ask_ldap("127.0.0.1", serving([b"", UNBOUND, UNREAD])).answer == REFUSED
    closed = serving([b"", BOUND, KEPT], [b"", UNBOUND, UNREAD])  # only what it keeps needs encryption
    assert plain_clients.ask_ldap("127.0.0.1", closed).answer == REFUSED
    opened = serving([b"", BOUND, KEPT], [b"", UNBOUND, b"0\x0c\2\1\2e\7\n\1\0\4\0\4\0"])
    assert plain_clients.ask_ldap("127.0.0.1", opened).answer == ANSWERED
    assert plain_clients.ask_ldap("127.0.0.1", serving([b"", BOUND, UNREAD])).answer == DENIED


def test_no_server_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for kind, client in plain_clients.CLIENTS.items():
        assert client("127.0.0.1", port).answer == plain_clients.ABSENT, kind


def test_old_tls_is_seen_by_what_a_hello_is_answered_with(serving: Callable[..., int]) -> None:
    def hello(version: bytes) -> bytes:
        return b"\x16\3\3\0\x30\x02\0\0\x2c" + version + bytes(40)

    alert = b"\x15\3\1\0\2\2\x46"
    assert tls_levels.old_versions("127.0.0.1", serving([b"", hello(b"\3\3")], [b"", alert], [b"", alert])) == []
    accepted = serving([b"", hello(b"\3\3")], [b"", hello(b"\3\2")], [b"", alert])
    assert tls_levels.old_versions("127.0.0.1", accepted) == ["TLSv1.1"]
    assert tls_levels.old_versions("127.0.0.1", serving([b"", b"+OK\r\n+OK\r\n+OK"])) is None


def test_a_socket_is_told_without_its_whole_address() -> None:
    assert doors.at(Listener("tcp", "192.0.2.7", 5432, ())) == "192.0.2.x:5432"
    assert doors.at(Listener("tcp6", "::", 5432, ())) == ":5432"
