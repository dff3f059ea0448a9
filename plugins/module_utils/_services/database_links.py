# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How database servers let other machines connect, as they tell it themselves: settings, rules, accounts, sessions.

What is read here is not judged here. Nothing of it holds a password.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._finding import RUNNING, Layer
from .._host import Host, Listener, Unseen
from .database_servers import Server, defaults, unix_sockets
from .listeners import reachable
from .loaded import loaded

# -- sockets ----------------------------------------------------------------------------------------------------------


def doors(server: Server) -> list[Listener]:
    """The TCP sockets of a server that other machines can reach. Raises Unseen."""
    pids = set(server.pids)
    return [
        one
        for one in server.host.listeners()
        if one.protocol.startswith("tcp") and pids.intersection(one.pids) and reachable(one)
    ]


def null_ciphers(host: Host, ciphers: str) -> list[str]:
    """The names of those ciphers of an OpenSSL list that do not encrypt. Raises Unseen."""
    named = [one for one in re.split(r"[:, ]+", ciphers) if one[:1] not in ("!", "-")]
    if not any("NULL" in one or "COMPLEMENTOFALL" in one for one in named):
        return []
    listed = host.run("openssl", "ciphers", "-s", "-v", ciphers).stdout
    return [line.split()[0] for line in listed.splitlines() if "Enc=None" in line]


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

_SETTINGS = (
    "archive_command", "archive_library", "archive_mode", "hba_file", "listen_addresses", "port", "primary_conninfo",
    "restore_command", "ssl", "ssl_ciphers", "ssl_min_protocol_version", "ssl_max_protocol_version",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A rule of pg_hba.conf. kind: 'host', 'hostssl', …; address and netmask: '' where the rule names none.

    error: what the server says of a line that it does not understand.
    """

    file: str
    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    netmask: str
    method: str
    error: str

    @property
    def source(self) -> str:
        return f"{self.file}:{self.line}"


def postgresql_settings(server: Server) -> Mapping[str, str]:
    """The settings in effect that are about connections. Raises Unseen."""
    names = ", ".join(f"'{name}'" for name in _SETTINGS)
    rows = server.ask(f"SELECT name, setting FROM pg_settings WHERE name IN ({names})")  # noqa: S608  of the above
    return {row[0]: row[1] if len(row) > 1 else "" for row in rows}


def waiting_listeners(server: Server) -> str:
    """The listen_addresses that a restart brings, where they are others than now, else ''. Raises Unseen."""
    rows = server.ask(
        "SELECT f.setting FROM pg_file_settings f JOIN pg_settings s USING (name) WHERE name = 'listen_addresses' "
        "AND s.source IN ('configuration file', 'default') AND f.setting <> s.setting AND f.seqno = "
        "(SELECT max(seqno) FROM pg_file_settings WHERE name = 'listen_addresses')"
    )
    return rows[0][0] if rows else ""


def postgresql_rules(server: Server, hba_file: str) -> list[Rule]:
    """The rules of its files now, in order. Raises Unseen."""
    found = []
    for (row,) in server.ask("SELECT to_json(t) FROM pg_hba_file_rules t"):
        told = json.loads(row)
        found.append(
            Rule(
                told.get("file_name") or hba_file,
                int(told["line_number"]),
                str(told.get("type") or ""),
                tuple(told.get("database") or ()),
                tuple(told.get("user_name") or ()),
                str(told.get("address") or ""),
                str(told.get("netmask") or ""),
                str(told.get("auth_method") or ""),
                str(told.get("error") or ""),
            )
        )
    return found


def rules_loaded(server: Server, rules: Sequence[Rule], hba_file: str) -> Layer:
    """Whether the server loaded its rules after the last change of their files."""
    try:
        ((epoch,),) = server.ask("SELECT extract(epoch FROM pg_conf_load_time())")
    except (Unseen, ValueError) as unseen:
        return Layer(RUNNING, None, f"when the rules were loaded is not told: {unseen}", hba_file)
    when = dt.datetime.fromtimestamp(float(epoch), dt.timezone.utc)
    return loaded(server.host, when, dict.fromkeys([hba_file, *(rule.file for rule in rules)]), ())


def postgresql_plain_sessions(server: Server) -> list[tuple[str, bool]]:
    """Open sessions from addresses that are not encrypted: each address, and whether it fetches changes. Raises Unseen.

    Those encrypted by GSSAPI are left out.
    """
    rows = server.ask(
        "SELECT host(a.client_addr), r.pid IS NOT NULL FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) "
        "LEFT JOIN pg_stat_gssapi g USING (pid) LEFT JOIN pg_stat_replication r USING (pid) "
        "WHERE a.client_addr IS NOT NULL AND NOT s.ssl AND NOT coalesce(g.encrypted, false)"
    )
    return [(row[0], row[1] == "t") for row in rows]


def postgresql_fetchers(server: Server) -> list[str]:
    """The addresses of those that fetch changes now over encrypted connections. Raises Unseen."""
    rows = server.ask(
        "SELECT host(r.client_addr) FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid) "
        "WHERE r.client_addr IS NOT NULL AND s.ssl"
    )
    return [row[0] for row in rows]


def subscriptions(server: Server) -> list[tuple[str, str]]:
    """What the server subscribes to: each name, and how it connects (it may hold a password). Raises Unseen."""
    return [(row[0], row[1]) for row in server.ask("SELECT subname, subconninfo FROM pg_subscription")]


def conninfo(text: str) -> dict[str, str]:
    """The parameters of a connection string of libpq but for its password; an address of its own kind is parsed too.

    Raises Unseen: it cannot be parsed.
    """
    from urllib.parse import parse_qsl, urlsplit

    if re.match(r"postgres(ql)?://", text):
        parts = urlsplit(text)
        found = dict(parse_qsl(parts.query))
        hosts = [one.rpartition(":")[0] or one for one in parts.netloc.rpartition("@")[2].split(",")]
        found.setdefault("host", ",".join(one.strip("[]") for one in hosts))
    else:
        found, rest = {}, text.strip()
        while rest:
            pair = re.match(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))\s*", rest)
            if not pair:
                raise Unseen("its connection string is not understood")
            found[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] if pair[2] is not None else pair[3])
            rest = rest[pair.end() :]
    return {name: value for name, value in found.items() if name not in ("password", "sslpassword")}


# -- MariaDB and MySQL ------------------------------------------------------------------------------------------------

_VARIABLES = (
    "admin_port", "extra_port", "have_ssl", "mysqlx_port", "port", "require_secure_transport", "skip_grant_tables",
    "skip_name_resolve", "ssl_cipher", "tls_version", "version", "wsrep_cluster_address", "wsrep_on",
    "wsrep_provider_options", "wsrep_sst_method",
)  # fmt: skip
_ON = ("", "1", "on", "true", "yes")


@dataclass(frozen=True)
class Account:
    """An account of MariaDB. tls: it needs TLS ('', 'ANY', 'X509', 'SPECIFIED'); plugins: how it may log in."""

    user: str
    host: str
    tls: str
    plugins: tuple[str, ...]


def mariadb_variables(server: Server) -> dict[str, str]:
    """The variables in effect that are about connections; those that the server does not have are left out.

    Raises Unseen.
    """
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    rows = server.ask(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({names})")
    return {row[0].lower(): row[1] if len(row) > 1 else "" for row in rows}


def switched_on(server: Server, name: str) -> bool:
    """Whether its files and its own arguments switch an option on at its next start. Raises Unseen."""
    words = next((one.argv for one in server.host.processes() if one.pid == server.pids[0]), ())
    if any(word.startswith("--defaults-") for word in words):
        raise Unseen(f"{server.name} takes its options from other files than the usual ones")
    value = defaults(server.host)
    persisted = f"{server.data_directory}/mysqld-auto.cnf"  # of MySQL; what SET PERSIST kept
    if server.host.stat(persisted) is not None:
        kept = re.search(rf'"{name}"\s*:\s*\{{[^}}]*"Value"\s*:\s*"(\w*)"', server.host.read(persisted))
        value.update({name: kept[1]} if kept else {})
    for word in words[1:]:
        option, _equals, told = word.lstrip("-").partition("=")
        if word.startswith("--"):
            value[option.replace("-", "_")] = told
    on = False
    for option, told in value.items():
        bare = option.removeprefix("loose_")
        if bare == name:
            on = told.lower() in _ON
        elif bare in (f"skip_{name}", f"disable_{name}"):
            on = False
    return on


def mariadb_sessions(server: Server) -> list[str]:
    """The addresses or names from which sessions are open, but for those on its Unix socket. Raises Unseen."""
    rows = server.ask("SELECT host FROM information_schema.processlist WHERE host NOT IN ('', 'localhost')")
    return [row[0].rpartition(":")[0] or row[0] for row in rows]


def mariadb_began(server: Server) -> Layer:
    """Whether it began after the last change of its files, and what they say counted for all that is open now."""
    host = server.host
    process = next((one for one in host.processes() if one.pid == server.pids[0]), None)
    if process is None:
        return Layer(RUNNING, None, f"when {server.name} began is not known")
    places = ("/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/*.conf.d/*.cnf", "/etc/mysql/conf.d/*.cnf")
    return loaded(host, process.started, [path for place in places for path in host.glob(place)], ())


def accounts(server: Server, version: str) -> list[Account]:
    """The accounts that can log in: no roles, and none that is locked. Raises Unseen."""
    found = []
    if "mariadb" in version.lower():
        for user, host, privileges in server.ask("SELECT user, host, priv FROM mysql.global_priv"):
            told = json.loads(privileges)
            if told.get("is_role") or told.get("account_locked"):
                continue
            ways = [told, *(way for way in told.get("auth_or", ()) if isinstance(way, dict))]
            plugins = tuple(dict.fromkeys(str(way.get("plugin") or "") for way in ways if way))
            tls = ("", "ANY", "X509", "SPECIFIED")[int(told.get("ssl_type") or 0)]
            found.append(Account(user, host, tls, plugins))
        return found
    for row in server.ask("SELECT user, host, ssl_type, plugin FROM mysql.user WHERE account_locked = 'N'"):
        found.append(Account(row[0], row[1], row[2], (row[3],)))
    return found


# -- Redis ------------------------------------------------------------------------------------------------------------

_DIRECTIVES = (
    "port", "tls-port", "protected-mode", "tls-protocols", "tls-ciphers", "tls-cluster", "tls-replication",
    "cluster-enabled", "cluster-port", "replicaof",
)  # fmt: skip
_REDIS_DEFAULTS = {
    "port": "6379", "tls-port": "0", "protected-mode": "yes", "tls-protocols": "", "tls-ciphers": "",
    "tls-cluster": "no", "tls-replication": "no", "cluster-enabled": "no", "cluster-port": "0", "replicaof": "",
}  # fmt: skip


def redis_running(server: Server) -> Mapping[str, str]:
    """The directives in effect, as the server tells them. Raises Unseen."""
    host = server.host
    mine = [one for one in host.listeners() if set(one.pids) & set(server.pids) and one.protocol[:3] == "tcp"]
    inside = [one for one in mine if not reachable(one)]
    local = next((path for path in unix_sockets(host, server.pids[0]) if path.startswith("/")), "")
    if local:
        way = ["-s", local]
    elif mine:
        one = (inside or mine)[0]
        any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  no socket is opened for it
        way = ["-h", any_address.get(one.address, one.address), "-p", str(one.port)]
    else:
        raise Unseen(f"{server.name} listens nowhere that it could be asked at")
    ask = _redis_way(server, ["redis-cli" if host.has("redis-cli") else "valkey-cli", *way])
    found = {}
    for name in _DIRECTIVES:
        lines = ask(name)
        if lines[0] == name:  # else an older server, which does not have it
            found[name] = lines[1] if len(lines) > 1 else ""
    return {**_REDIS_DEFAULTS, **found}


def _redis_directive(server: Server, words: Sequence[str], env: Mapping[str, str], name: str) -> list[str]:
    """The lines that a Redis answers about a directive. Raises Unseen."""
    asked = ("--raw", "--no-auth-warning", "CONFIG", "GET", name)
    return server.host.run(*words, *asked, timeout=5, env=env).stdout.split("\n")


def _redis_way(server: Server, words: Sequence[str]) -> Callable[[str], list[str]]:
    """How its client asks it for a directive: plainly or in TLS, with its password where it needs one. Raises Unseen.

    The password is handed over in the environment, which nobody else sees.
    """
    reason = Unseen(f"{server.name} does not tell its settings")
    secret = _redis_password(server)
    for tls in ((), ("--tls", "--insecure")):
        for env in ({}, {"REDISCLI_AUTH": secret}) if secret else ({},):
            ask = functools.partial(_redis_directive, server, (*words, *tls), env)
            try:
                told = ask("port")
            except Unseen as unseen:
                reason = Unseen(f"{server.name} does not tell its settings: {str(unseen).rpartition(': ')[2]}")
                break  # not in this way
            if told[0] == "port":
                return ask
            reason = Unseen(f"{server.name} does not tell its settings ({told[0].split(' ')[0]})")
    raise reason


def _redis_password(server: Server) -> str:
    """The password that its file sets for all, '' for none."""
    try:
        lines = list(_redis_lines(server.host, redis_file(server), 0))
    except Unseen:
        return ""
    return next((words[1] for _file, _line, words in reversed(lines) if words[0].lower() == "requirepass"), "")


def redis_file(server: Server) -> str:
    """The file that its unit or its arguments name; '' where there is none. Raises Unseen."""
    words = next((one.argv for one in server.host.processes() if one.pid == server.pids[0]), ())
    if server.unit:
        shown = server.host.run("systemctl", "show", "-p", "ExecStart", "--value", server.unit).stdout
        words = tuple(shown.partition("argv[]=")[2].partition(" ;")[0].split())
    return next((word for word in words[1:2] if word.startswith("/")), "")


def redis_configured(server: Server) -> tuple[Mapping[str, str], Mapping[str, str], list[str]]:
    """The directives as its file has them, where each stands ('file:line'), and all files that it takes up.

    Raises Unseen.
    """
    path = redis_file(server)
    if not path:
        raise Unseen(f"no configuration file of {server.name} is known")
    values, sources, files = dict(_REDIS_DEFAULTS), {}, []
    for file, number, words in _redis_lines(server.host, path, 0):
        files.append(file)
        name = "replicaof" if words[0].lower() == "slaveof" else words[0].lower()
        if name in _REDIS_DEFAULTS:
            value = " ".join(words[1:])
            values[name] = "" if name == "replicaof" and value.lower() == "no one" else value
            sources[name] = f"{file}:{number}"
    return values, sources, list(dict.fromkeys([path, *files]))


def _redis_lines(host: Host, path: str, depth: int) -> Iterator[tuple[str, int, list[str]]]:
    import shlex

    if depth > 8:
        raise Unseen(f"{path} is included too deep")
    for number, line in enumerate(host.read(path).splitlines(), 1):
        try:
            words = [] if line.lstrip().startswith("#") else shlex.split(line)
        except ValueError:
            raise Unseen(f"{path}:{number} is not understood") from None
        if words and words[0].lower() == "include":
            for one in words[1:]:
                for file in host.glob(one):
                    yield from _redis_lines(host, file, depth + 1)
        elif words:
            yield path, number, words
