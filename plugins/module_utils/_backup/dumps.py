# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dumps of databases, each of one moment, and refused where it is not whole.

    dumps/manifest.json
         /postgresql/15-main/shop.dump   pg_dump's custom format; roles.sql, tablespaces.sql beside it
         /mariadb/var-lib-mysql/blog.sql users.sql beside it
         /redis/6379/all.rdb

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .commands import needed, run
from .servers import MARIADB, POSTGRESQL, Server, Session, databases, filed, first_program, query, servers, size
from .settings import SCHEMA, Settings, Trouble

MANIFEST = "manifest.json"
_ROOM = 1.1  # dumps are rarely larger than the databases; what else writes on that disk must go on
_SPARE = 0.05  # the share of the disk that stays free

# tables whose rows pg_dump writes: not those that an extension brings
COUNT_ROWS = (
    "xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %I.%I', n.nspname, c.relname), false, "
    "true, ''))"
)
TABLES = (
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence <> 't' "
    "AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE "
    "d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
_PG_COUNTS = (
    f"SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, ({COUNT_ROWS})[1]::text::int8)), '[]') {TABLES}"
)
_PG_DATA = re.compile(r"^\d+; \d+ \d+ TABLE DATA ", re.MULTILINE)
_TABLES_MARIADB = (
    "SELECT HEX(table_name) FROM information_schema.tables WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') "
    "AND table_schema = "
)
_DUMP_END = b"-- Dump completed"
_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO `((?:[^`]|``)+)` ")


@dataclass
class Dump:
    """A database in a file below the dumps' directory. tables: rows by table, as counted at that moment."""

    kind: str
    server: str
    name: str
    file: str
    bytes: int = 0
    tables: dict[str, int] = field(default_factory=dict)


def dump_all(settings: Settings, directory: str) -> list[Dump]:
    """Dump every database of every server into an empty directory. Raises Trouble where one is not whole."""
    clear(directory)
    there = servers(settings.left_out)
    _see_that_there_is_room(there, directory)
    made: list[Dump] = []
    for server in there:
        place = os.path.join(directory, server.kind, server.name)
        os.makedirs(place, mode=0o700)
        for name in databases(server):
            if settings.leaves_out(server.kind, name):
                continue
            dump = Dump(
                server.kind, server.name, name, f"{server.kind}/{server.name}/{filed(name)}{_ENDING[server.kind]}"
            )
            _DUMPERS[server.kind](server, dump, os.path.join(directory, dump.file))
            dump.bytes = os.path.getsize(os.path.join(directory, dump.file))
            made.append(dump)
        _AROUND.get(server.kind, _nothing)(server, place)
    manifest = {"schema": SCHEMA, "databases": [asdict(dump) for dump in made]}
    Path(directory, MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return made


def clear(directory: str) -> None:
    """Remove all dumps; the directory itself stays, with nobody but root in it. Raises OSError."""
    if os.path.isdir(directory):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    else:
        os.makedirs(directory, mode=0o700)
    os.chmod(directory, 0o700)


def of_manifest(told: Mapping[str, Any]) -> list[Dump]:
    """The dumps that a manifest lists. Raises Trouble."""
    try:
        return [Dump(**one) for one in told["databases"]]
    except (KeyError, TypeError) as error:
        raise Trouble(f"the manifest of the snapshot cannot be read: {error}") from None


def _see_that_there_is_room(there: list[Server], directory: str) -> None:
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize - _SPARE * disk.f_blocks * disk.f_frsize
    wanted = _ROOM * sum(map(size, there))
    if wanted > free:
        raise Trouble(
            f"dumps need about {wanted / 1e9:.1f} GB in {directory}, and {max(free, 0) / 1e9:.1f} GB can be used there"
        )


def _nothing(server: Server, place: str) -> None:
    """A server that has nothing beside its databases."""


def _whole(path: str, what: str) -> None:
    """Raises Trouble for an empty file."""
    if os.path.getsize(path) == 0:
        raise Trouble(f"{what} is empty")


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def _dump_postgresql(server: Server, dump: Dump, path: str) -> None:
    """Dump and count in one snapshot of the database, so that the counts are those of the dump."""
    what = f"the dump of {dump.name} of {server}"
    with Session(server, dump.name) as session, open(path, "xb") as file:
        session.ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SELECT 1")
        moment = session.ask("SELECT pg_catalog.pg_export_snapshot()")
        argv = [server.program("pg_dump"), "-Fc", "-Z0", f"--snapshot={moment}", *server.reach(dump.name)]
        needed(run(argv, account=server.account, stdout=file), what)
        counted = json.loads(session.ask(_PG_COUNTS))
    dump.tables = {f"{schema}.{table}": int(rows) for schema, table, rows in counted}
    _whole(path, what)
    with open(path, "rb") as file:
        listing = needed(run([server.program("pg_restore"), "--list"], stdin=file), f"{what} cannot be read").out
    listed = len(_PG_DATA.findall(listing))
    if listed < len(dump.tables):
        raise Trouble(f"{what} holds {listed} of {len(dump.tables)} tables")


def _around_postgresql(server: Server, place: str) -> None:
    """Roles, and where tablespaces lie: they belong to no database."""
    for name in ("roles", "tablespaces"):
        with open(os.path.join(place, f"{name}.sql"), "xb") as file:
            argv = [server.program("pg_dumpall"), "-w", f"--{name}-only", *server.place]
            needed(run(argv, account=server.account, stdout=file), f"the {name} of {server}")
        _whole(file.name, f"the list of {name} of {server}")


# -- MariaDB ----------------------------------------------------------------------------------------------------------


def _dump_mariadb(server: Server, dump: Dump, path: str) -> None:
    what = f"the dump of {dump.name} of {server}"
    before = _count_mariadb(server, dump.name)
    with open(path, "xb") as file:
        argv = [
            *server.client("mariadb-dump", "mysqldump"), "--single-transaction", "--quick", "--routines", "--events",
            "--triggers", "--hex-blob", "--skip-dump-date", "--max-allowed-packet=1G",
            "--default-character-set=utf8mb4", "--databases", "--", dump.name,
        ]  # fmt: skip
        needed(run(argv, stdout=file), what)
    _whole(path, what)
    dumped = rows_of_dump(path, what)
    after = before if dumped == before else _count_mariadb(server, dump.name)
    for table in sorted(before.keys() & after.keys()):
        low, high = sorted((before[table], after[table]))
        if not low <= dumped.get(table, 0) <= high:
            raise Trouble(f"{what} holds {dumped.get(table, 0)} rows of {table}, which has {low} to {high}")
    dump.tables = {table: rows for table, rows in dumped.items() if table in {**before, **after}}


def rows_of_dump(path: str, what: str) -> dict[str, int]:
    """The rows by table of a dump of mariadb-dump, one on each line. Raises Trouble where its end is missing."""
    tables: dict[str, int] = {}
    table, last, within = "", b"", False
    with open(path, "rb") as file:
        for line in file:
            if within:
                tables[table] = tables.get(table, 0) + 1
                within = not line.rstrip().endswith(b");")
            elif line.startswith(b"CREATE TABLE `"):
                tables.setdefault(_unquoted(line[len(b"CREATE TABLE `") :].rpartition(b"`")[0]), 0)
            elif line.startswith(b"INSERT "):
                found = _INSERT.match(line)
                table, within = _unquoted(found[1]) if found else "", True
                if not line.rstrip().endswith(b"VALUES"):
                    raise Trouble(f"{what} is not in the form of MariaDB 10.6 or newer")
            last = line if line.strip() else last
    if not last.startswith(_DUMP_END):
        raise Trouble(f"{what} ends before its end")
    return tables


def _unquoted(name: bytes) -> str:
    return name.decode("utf-8", "replace").replace("``", "`")


def _count_mariadb(server: Server, database: str) -> dict[str, int]:
    """Rows by table, as the server counts them now."""
    found = {
        bytes.fromhex(line).decode("utf-8", "replace"): 0
        for line in query(
            server,
            _TABLES_MARIADB + _text(database),
        )
    }
    statements = count_rows(database, found)
    counts = query(server, "\n".join(statements)) if statements else []
    return dict(zip(found, map(int, counts)))


def count_rows(database: str, tables: Iterable[str]) -> list[str]:
    """Statements that count the rows of tables of MariaDB."""
    return [f"SELECT COUNT(*) FROM {quoted(database)}.{quoted(table)};" for table in tables]  # noqa: S608


def quoted(name: str) -> str:
    """A name as it stands in a statement of MariaDB."""
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    return f"CONVERT(X'{value.encode('utf-8', 'surrogateescape').hex()}' USING utf8mb4)"


def _around_mariadb(server: Server, place: str) -> None:
    """Accounts and what they may: they belong to no database."""
    with open(os.path.join(place, "users.sql"), "xb") as file:
        argv = [*server.client("mariadb-dump", "mysqldump"), "--system=users"]
        needed(run(argv, stdout=file), f"the accounts of {server}")
    _whole(file.name, f"the list of accounts of {server}")


# -- Redis ------------------------------------------------------------------------------------------------------------


def _dump_redis(server: Server, dump: Dump, path: str) -> None:
    """A copy as a replica gets it; it blocks nobody."""
    what = f"the dump of {server}"
    argv = [first_program("redis-cli", "valkey-cli"), *redis_place(server)]
    environment = dict(_redis_password(server))
    needed(run([*argv, "--rdb", path], environment=environment), what)
    _whole(path, what)
    checked = needed(run([first_program("redis-check-rdb", "valkey-check-rdb"), path]), what).out
    keys = re.search(r"(\d+) keys read", checked)
    dump.tables = {"keys": int(keys[1]) if keys else 0}


def redis_place(server: Server) -> list[str]:
    """How redis-cli is told where a server is."""
    return ["-s", server.at] if server.at.startswith("/") else ["-p", server.at]


def _redis_password(server: Server) -> Iterator[tuple[str, str]]:
    """The password of the server's own configuration, for the environment of redis-cli."""
    for path in ("/etc/redis/redis.conf", "/etc/valkey/valkey.conf"):
        text = Path(path).read_text(encoding="utf-8", errors="replace") if os.path.exists(path) else ""
        port = re.search(r"^port\s+(\d+)", text, re.MULTILINE)
        found = re.search(r'^requirepass\s+"?([^"\n]+?)"?\s*$', text, re.MULTILINE)
        if found and (port is None or port[1] == server.name or server.name == "socket"):
            yield "REDISCLI_AUTH", found[1]


_DUMPERS = {POSTGRESQL: _dump_postgresql, MARIADB: _dump_mariadb, "redis": _dump_redis}
_AROUND = {POSTGRESQL: _around_postgresql, MARIADB: _around_mariadb}
_ENDING = {POSTGRESQL: ".dump", MARIADB: ".sql", "redis": ".rdb"}
