# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which database servers run on a host or would, how to ask them without changing anything, and what they hold.

Databases that are part of a program (SQLite) have no server, and are not found.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._host import Host, Process, Unseen
from . import mounts, units

POSTGRESQL, MARIADB, REDIS = "postgresql", "mariadb", "redis"
TITLES = {POSTGRESQL: "PostgreSQL", MARIADB: "MariaDB", REDIS: "Redis"}
PROGRAMS = {
    "postgres": POSTGRESQL,
    "postmaster": POSTGRESQL,
    "mariadbd": MARIADB,
    "mysqld": MARIADB,
    "redis-server": REDIS,
    "valkey-server": REDIS,
}
# programs that keep data of others, and that nobody here can ask
_STRANGERS = {
    "arangod": "ArangoDB",
    "clickhouse": "ClickHouse",
    "clickhouse-server": "ClickHouse",
    "cockroach": "CockroachDB",
    "db2sysc": "Db2",
    "dragonfly": "Dragonfly",
    "etcd": "etcd",
    "ferretdb": "FerretDB",
    "firebird": "Firebird",
    "immudb": "immudb",
    "influxd": "InfluxDB",
    "keydb-server": "KeyDB",
    "manticore-searchd": "Manticore",
    "meilisearch": "Meilisearch",
    "mongod": "MongoDB",
    "ndbd": "MySQL Cluster",
    "ndbmtd": "MySQL Cluster",
    "ns-slapd": "389 Directory Server",
    "oracle": "Oracle Database",
    "questdb": "QuestDB",
    "rethinkdb": "RethinkDB",
    "scylla": "ScyllaDB",
    "searchd": "Sphinx or Manticore",
    "slapd": "OpenLDAP",
    "sqlservr": "SQL Server",
    "surreal": "SurrealDB",
    "tidb-server": "TiDB",
    "tikv-server": "TiKV",
    "typesense-server": "Typesense",
    "virtuoso-t": "Virtuoso",
}
# what tells of a database in the arguments of a program that runs others
_STRANGE_ARGUMENTS = {
    "beam.smp": {"couchdb": "CouchDB"},
    "java": {
        "elasticsearch": "Elasticsearch",
        "opensearch": "OpenSearch",
        "cassandra": "Cassandra",
        "solr": "Solr",
        "neo4j": "Neo4j",
        "hsqldb": "HSQLDB",
        "org.h2": "H2",
        "derby": "Derby",
    },
}
_STRANGE_UNITS = {
    "arangodb3.service": "ArangoDB",
    "cassandra.service": "Cassandra",
    "clickhouse-server.service": "ClickHouse",
    "couchdb.service": "CouchDB",
    "elasticsearch.service": "Elasticsearch",
    "influxdb.service": "InfluxDB",
    "mongod.service": "MongoDB",
    "mongodb.service": "MongoDB",
    "neo4j.service": "Neo4j",
    "opensearch.service": "OpenSearch",
    "slapd.service": "OpenLDAP",
    "solr.service": "Solr",
}
_UNITS = {  # of servers with one instance: unit -> kind, name, what is installed with it
    "mariadb.service": (MARIADB, "MariaDB", ("/usr/sbin/mariadbd", "/usr/sbin/mysqld")),
    "mysql.service": (MARIADB, "MySQL", ("/usr/sbin/mysqld",)),
    "redis-server.service": (REDIS, "Redis", ("/usr/bin/redis-server",)),
    "valkey-server.service": (REDIS, "Valkey", ("/usr/bin/valkey-server",)),
}
SYSTEM_DATABASES: Mapping[str, frozenset[str]] = {
    POSTGRESQL: frozenset(["template0", "template1"]),
    MARIADB: frozenset(["information_schema", "performance_schema", "mysql", "sys"]),
    REDIS: frozenset(),
}
# files that tell a data directory
MARKS = {
    POSTGRESQL: ("PG_VERSION",),
    MARIADB: ("ibdata1", "aria_log_control", "mysql"),
    REDIS: ("dump.rdb", "appendonlydir", "appendonly.aof"),
}
_SECONDS = 5  # that a statement may take
_ASKING_S = 30.0  # that asking may take, on a machine that is busy
_READ_ONLY = f"-c default_transaction_read_only=on -c statement_timeout={_SECONDS}s -c lock_timeout=1s"
_DEFAULTS = ("", "/root/.my.cnf", "/etc/mysql/debian.cnf")  # where a password for root may stand, '' for none
_AFTER_COMMAND = "' "  # a command is quoted where it is told of
_NAMED = "/* with names */ "  # begins a statement whose columns' names are wanted
_QUOTE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True)
class Server:
    """A database server. pids: its processes, the first one its main one; none where it does not run.

    starts: it starts at boot, None where that cannot be told. port: 0 where it listens to none, or does not run.
    contained: it runs in a container on this host. data_directory: as the server itself calls it, links followed.
    socket: the Unix socket that it answers on.
    """

    host: Host = field(repr=False, compare=False)
    kind: str
    name: str
    pids: tuple[int, ...]
    unit: str
    data_directory: str
    port: int
    source: str
    starts: bool | None = True
    contained: bool = False
    socket: str = ""

    @property
    def running(self) -> bool:
        return bool(self.pids)

    @property
    def system_databases(self) -> frozenset[str]:
        """Names of databases that the server has of itself."""
        return SYSTEM_DATABASES[self.kind]

    def view(self) -> mounts.View:
        """What the server sees of the file systems; where it does not run, what we see. Raises Unseen."""
        return mounts.view(self.host, self.pids[0] if self.pids else 0)

    def databases(self) -> list[str]:
        """The names of its databases without those of the server itself; Redis has none by name. Raises Unseen.

        'postgres' is among them where tables of somebody are in it.
        """
        return self.host.once(("databases", self.name, self.pids), lambda: _databases(self))

    def ask(self, statement: str, database: str = "") -> list[list[str]]:
        """Rows of fields that a statement yields, in a database; it can only read. Raises Unseen."""
        if not self.pids:
            raise Unseen(f"{self.name} does not run, and cannot be asked")
        if self.contained:
            raise Unseen(f"{self.name} runs in a container, where it is not asked")
        if self.kind not in (POSTGRESQL, MARIADB):
            raise Unseen(f"{self.name} takes no statements")
        try:
            if self.kind == MARIADB:
                return _ask_mariadb(self, statement)
            return _ask_postgresql(self, statement, database or "postgres")
        except Unseen as unseen:  # without the command, which holds the statement
            raise Unseen(f"{self.name} could not be asked: {str(unseen).rpartition(_AFTER_COMMAND)[2]}") from None

    def ask_named(self, statement: str) -> list[dict[str, str]]:
        """What ask yields, by the names of the columns; MariaDB alone. Raises Unseen."""
        rows = self.ask(_NAMED + statement)
        return [dict(zip(rows[0], row)) for row in rows[1:]]

    def paths(self) -> dict[str, list[str]]:
        """Where its files are, by role (data, tablespace, wal, binlog, temporary, log), as the server calls them.

        Raises Unseen.
        """
        from . import database_files  # needed by those only who ask where files are

        return {role: sorted({place.path for place in places}) for role, places in database_files.by_role(self).items()}


@dataclass(frozen=True)
class Stranger:
    """A program that keeps data, and that is not judged. source: where it was seen."""

    name: str
    source: str


def servers(host: Host) -> list[Server]:
    """The database servers that run, start at boot, or left data where they would find it. Raises Unseen."""
    return host.once("database servers", lambda: list(_servers(host)))


def strangers(host: Host) -> list[Stranger]:
    """Programs that run or start at boot, that keep data, and that nobody here can judge. Raises Unseen."""
    return host.once("strange databases", lambda: list(_strangers(host)))


# -- finding them -----------------------------------------------------------------------------------------------------


def _servers(host: Host) -> Iterator[Server]:
    found: list[Server] = []
    processes = host.processes()
    pids = {process.pid: process for process in processes}
    for process in processes:
        kind = _kind(process)
        parent = pids.get(process.parent)
        if kind and not _is_sentinel(process) and not (parent and _kind(parent) == kind):
            found.append(_running(host, kind, process, processes))
    yield from found
    yield from _stopped_clusters(host, found)
    for unit, (kind, title, programs) in _UNITS.items():
        if any(server.unit == unit or (server.kind == kind and not server.contained) for server in found):
            continue
        if any(host.stat(path) for path in programs):
            found += (stopped := list(_stopped(host, kind, title, unit)))
            yield from stopped


def program(process: Process) -> str:
    """The name of the file that a process runs."""
    return os.path.basename(process.program) or process.name


def _kind(process: Process) -> str:
    """Which kind of server a process is, '' for none; Debian's redis-server is a link to another program."""
    return PROGRAMS.get(program(process), "") or PROGRAMS.get(process.name, "")


def _is_sentinel(process: Process) -> bool:
    return "--sentinel" in process.argv or "redis-sentinel" in process.argv[0] or "valkey-sentinel" in process.argv[0]


def _running(host: Host, kind: str, process: Process, processes: Sequence[Process]) -> Server:
    family = [process.pid]
    for other in processes:  # by pid: a child may come before its parent only where pids were used up, hence twice
        if other.parent in family and other.pid not in family:
            family.append(other.pid)
    last = process.cgroup.rpartition("/")[2]
    unit = last if last.endswith(".service") and not process.contained else ""
    seen = mounts.view(host, process.pid)
    directory = _working_directory(process.pid)
    if kind != REDIS and not holds_data(host, kind, seen.here(directory)):
        raise Unseen(f"process {process.pid} ({process.name}) is not in a data directory: it starts, or is not known")
    port, socket, title = 0, "", TITLES[kind]
    if kind == POSTGRESQL:
        lines = _lines(host, seen.here(f"{directory}/postmaster.pid"))
        port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else 0
        socket = f"{lines[4]}/.s.PGSQL.{port}" if len(lines) > 4 and lines[4].startswith("/") else ""
        instance = re.search(r"postgresql@([^-]+)-(.+)\.service$", unit)
        title = f"PostgreSQL {'/'.join(instance.groups()) if instance else directory}"
    else:
        ports = sorted({one.port for one in host.listeners() if process.pid in one.pids and one.protocol[:3] == "tcp"})
        port = ports[0] if ports else 0
        if kind == MARIADB:
            socket = next((path for path in unix_sockets(host, process.pid) if path.startswith("/")), "")
            title = "MySQL" if not _is_mariadb(host, process) else title
            title += "" if unit in ("mariadb.service", "mysql.service") else f" in {directory}"
        else:
            title = "Valkey" if process.name.startswith("valkey") else title
            title += "" if port == 6379 else f" on :{port}" if port else f" in {directory}"
    if process.contained:
        title += " in a container"
    return Server(
        host=host,
        kind=kind,
        name=_QUOTE.sub("?", title),
        pids=tuple(family),
        unit=unit,
        data_directory=directory,
        port=port,
        source=f"process {process.pid} ({process.name})",
        starts=_starts(host, unit),
        contained=process.contained or bool(re.search(r"docker|podman|libpod|lxc|containerd|kubepods", process.cgroup)),
        socket=socket,
    )


def _working_directory(pid: int) -> str:
    """A server's working directory, which all of these make their data directory. Raises Unseen."""
    try:
        return os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
    except OSError as error:
        raise Unseen(f"/proc/{pid}/cwd cannot be read: {os.strerror(error.errno or 0)}") from None


def _is_mariadb(host: Host, process: Process) -> bool:
    return program(process) == "mariadbd" or "mariadb" in process.program or host.stat("/usr/sbin/mariadbd") is not None


def _lines(host: Host, path: str) -> list[str]:
    try:
        return host.read(path).splitlines()
    except Unseen:
        return []


def unix_sockets(host: Host, pid: int) -> list[str]:
    """The paths of the Unix sockets that a process listens on. Raises Unseen."""
    paths = {}
    for line in _lines(host, "/proc/net/unix")[1:]:
        fields = line.split()
        if len(fields) == 8 and fields[3] == "00010000":  # listens
            paths[fields[6]] = fields[7]
    found = []
    for name in host.names(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in paths:
            found.append(paths[target[8:-1]])
    return sorted(found)


def _stopped_clusters(host: Host, running: Sequence[Server]) -> Iterator[Server]:
    """Clusters of Debian's PostgreSQL that do not run now."""
    directories = {server.data_directory for server in running if not server.contained}
    for path in host.glob("/etc/postgresql/*/*/postgresql.conf"):
        version, name = path.split("/")[3:5]
        values = settings(host.read(path))
        directory = host.real(values.get("data_directory", f"/var/lib/postgresql/{version}/{name}"))
        if directory in directories:
            continue
        unit = f"postgresql@{version}-{name}.service"
        starts = _starts(host, unit)
        if starts is False and not holds_data(host, POSTGRESQL, directory):
            continue
        yield Server(host, POSTGRESQL, f"PostgreSQL {version}/{name}", (), unit, directory, 0, path, starts=starts)


def _starts(host: Host, unit: str) -> bool | None:
    """Whether a server's unit starts at boot; None where that cannot be told."""
    if not unit:
        return None
    starts = units.starts_at_boot(host, unit)
    cluster = re.search(r"postgresql@([^-]+)-(.+)\.service$", unit)
    if starts is False and cluster:  # a generator of Debian's makes postgresql.service start these
        lines = _lines(host, f"/etc/postgresql/{'/'.join(cluster.groups())}/start.conf")
        how = [line.strip() for line in lines if line[:1].isalpha()]
        return units.starts_at_boot(host, "postgresql.service") if (how or ["auto"])[0] == "auto" else False
    return starts


def settings(text: str) -> dict[str, str]:
    """The settings of a text like postgresql.conf; of those given twice, the last."""
    found = {}
    for line in text.splitlines():
        setting = re.match(r"\s*([A-Za-z_.]+)\s*(?:=|\s)\s*(?:'((?:[^']|'')*)'|([^\s#']+))", line)
        if setting:
            found[setting.group(1).lower()] = (setting.group(2) or setting.group(3) or "").replace("''", "'")
    return found


def _stopped(host: Host, kind: str, title: str, unit: str) -> Iterator[Server]:
    """A server that is installed and does not run: where it starts at boot, or where its data lies."""
    if kind == MARIADB:
        options = defaults(host)
        directory = options.get("datadir", "/var/lib/mysql")
        source = "my_print_defaults --mysqld"
    else:
        short = unit.partition("-")[0]
        source = f"/etc/{short}/{short}.conf"
        dirs = [line.split(None, 1)[1].strip("\"' ") for line in _lines(host, source) if re.match(r"dir\s+\S", line)]
        directory = dirs[-1] if dirs else f"/var/lib/{short}"
    directory = host.real(directory)
    starts = units.starts_at_boot(host, unit)
    if starts is not False or holds_data(host, kind, directory):
        yield Server(host, kind, title, (), unit, directory, 0, source, starts=starts)


def holds_data(host: Host, kind: str, directory: str) -> bool:
    """Whether the files of a server of that kind are in a directory. Raises Unseen."""
    return any(host.stat(f"{directory}/{mark}") is not None for mark in MARKS[kind])


def defaults(host: Host) -> dict[str, str]:
    """The options that MariaDB's files give its server, '-' in names made '_'. Raises Unseen."""
    found = {}
    for line in host.run("my_print_defaults", "--mysqld").stdout.splitlines():
        name, _equals, value = line.lstrip("-").partition("=")
        found[name.replace("-", "_")] = value
    return found


def _strangers(host: Host) -> Iterator[Stranger]:
    seen: dict[str, str] = {}
    for process in host.processes():
        name = program(process)
        arguments = " ".join(process.argv).lower()
        title = _STRANGERS.get(name, "")
        for word, told in _STRANGE_ARGUMENTS.get(name, {}).items():
            title = told if word in arguments else title
        if title:
            seen.setdefault(title, f"process {process.pid} ({name})")
    for unit, title in _STRANGE_UNITS.items():
        if title not in seen and units.starts_at_boot(host, unit) is not False:
            seen[title] = unit
    for title, source in seen.items():
        yield Stranger(title, source)


# -- asking them ------------------------------------------------------------------------------------------------------


def _databases(server: Server) -> list[str]:
    if server.kind == REDIS:
        return []
    if server.kind == MARIADB:
        return sorted(
            row[0]
            for row in server.ask("SELECT schema_name FROM information_schema.schemata")
            if row[0].lower() not in server.system_databases
        )
    rows = server.ask("SELECT datname FROM pg_database WHERE NOT (datistemplate AND datname LIKE 'template_')")
    used = server.ask(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
        "('r', 'm', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
    )
    left_out = server.system_databases | ({"postgres"} if used == [["0"]] else set())
    return sorted(row[0] for row in rows if row[0] not in left_out)


def _ask_postgresql(server: Server, statement: str, database: str) -> list[list[str]]:
    status = server.host.stat(f"/proc/{server.pids[0]}")
    if status is None or not server.socket:
        raise Unseen(f"{server.name} has no Unix socket to ask it by")
    user = _user(status.st_uid)
    named = re.sub(r"([\\'\s])", r"\\\1", database)
    where = f"host={os.path.dirname(server.socket)} port={server.port} dbname={named} user={user} connect_timeout=5"
    result = server.host.run(
        "setpriv", f"--reuid={user}", f"--regid={status.st_gid}", "--init-groups",
        _psql(server), "--no-psqlrc", "--no-password", "--no-align", "--tuples-only", "--quiet",
        "--field-separator=\x1f", "--record-separator=\x1e", "--command", statement,
        f"{where} options='{_READ_ONLY}'", timeout=_ASKING_S,
    )  # fmt: skip
    return [row.split("\x1f") for row in result.stdout.rstrip("\n\x1e").split("\x1e") if row]


def _psql(server: Server) -> str:
    """The client that came with the server: Debian's own 'psql' is a script that takes longer than the question."""
    program = next((one.program for one in server.host.processes() if one.pid == server.pids[0]), "")
    beside = os.path.join(os.path.dirname(program), "psql")
    return beside if program and server.host.stat(beside) is not None else "psql"


def _user(uid: int) -> str:
    """The account whose processes are uid's; it is the server's first superuser as well. Raises Unseen."""
    import pwd  # not on every system that imports this

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise Unseen(f"nobody has the user id {uid}, which the server runs as") from None


def _ask_mariadb(server: Server, statement: str) -> list[list[str]]:
    if not server.socket:
        raise Unseen(f"{server.name} has no Unix socket to ask it by")
    client = "mariadb" if server.host.has("mariadb") else "mysql"
    reason = Unseen(f"{server.name} could not be asked")
    for path in _DEFAULTS:
        if path and server.host.stat(path) is None:
            continue
        try:
            result = server.host.run(
                client, f"--defaults-file={path}" if path else "--no-defaults", "--protocol=socket",
                f"--socket={server.socket}", *(() if path else ("--user=root",)), "--batch",
                *(() if statement.startswith(_NAMED) else ("--skip-column-names",)), "--disable-tee",
                "--connect-timeout=5", "--init-command=SET SESSION TRANSACTION READ ONLY",
                "--database=", "--execute", statement, timeout=_ASKING_S,
            )  # fmt: skip
        except Unseen as unseen:
            reason = unseen
            if "denied" not in str(unseen):
                break
            continue
        return [[_unescaped(part) for part in line.split("\t")] for line in result.stdout.splitlines()]
    raise reason


_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def _unescaped(text: str) -> str:
    """A field as it was before --batch escaped it."""
    return re.sub(r"\\([nt0\\])", lambda found: _ESCAPES[found.group(1)], text)
