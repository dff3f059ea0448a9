# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which database servers run on this host, how they are asked, and which databases they hold at this moment.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
from collections.abc import Container, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from .commands import Done, clean, identity, needed, run
from .settings import RESTORE_ACCOUNT, Trouble

POSTGRESQL, MARIADB, REDIS = "postgresql", "mariadb", "redis"

_PROGRAMS = {
    "postgres": POSTGRESQL,
    "postmaster": POSTGRESQL,
    "mariadbd": MARIADB,
    "mysqld": MARIADB,
    "redis-server": REDIS,
    "valkey-server": REDIS,
}
# of which no dump is made here: a host with one of them is not backed up without saying so
_OTHERS = {"mongod": "mongodb", "slapd": "openldap", "influxd": "influxdb", "couchdb": "couchdb"}
_SYSTEM = {MARIADB: {"information_schema", "performance_schema", "sys", "mysql"}}
_ACCEPTS = 0x10000  # of a unix socket's flags in /proc/net/unix: it listens
_PG_SOCKET = re.compile(r".*/\.s\.PGSQL\.(\d+)")


@dataclass(frozen=True)
class Server:
    """A database server that runs. name: by which its dumps are filed; at: its socket (its port, of Redis).

    account: as which it is asked; programs: the directory of its own programs, '' for those of the path.
    """

    kind: str
    name: str
    at: str
    account: str = ""
    programs: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        path = os.path.join(self.programs, name)
        return path if self.programs and os.path.exists(path) else name

    # -- PostgreSQL -------------------------------------------------------------------------------------------

    @property
    def place(self) -> list[str]:
        """How PostgreSQL's programs are told where the server is."""
        directory, name = os.path.split(self.at)
        return ["-h", directory, "-p", name.rpartition(".")[2], "-U", self.account]

    def reach(self, database: str) -> list[str]:
        """How they are told which database is meant."""
        return ["-w", *self.place, "-d", connection(database)]

    def psql(self, database: str) -> list[str]:
        """The command that asks a database."""
        return [self.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *self.reach(database)]

    # -- MariaDB ----------------------------------------------------------------------------------------------

    def client(self, *names: str) -> list[str]:
        """The command of a client program of MariaDB, by the first of its names that is there."""
        return [first_program(*names), f"--socket={self.at}"]


def connection(database: str) -> str:
    """A database's name for -d of PostgreSQL's programs, which would take some names for connection strings."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


def first_program(*names: str) -> str:
    """The first of these programs that is on the host; the first at all where none is."""
    places = clean("")["PATH"].split(":")
    return next((name for name in names if any(os.access(f"{place}/{name}", os.X_OK) for place in places)), names[0])


def query(server: Server, sql: str, database: str = "postgres") -> list[str]:
    """The lines that a server answers. Raises Trouble."""
    if server.kind == POSTGRESQL:
        argv, account = [*server.psql(database), "-c", f"SET search_path = ''; {sql}"], server.account
        return needed(run(argv, account=account), f"{server} cannot be asked").out.splitlines()
    argv = [*server.client("mariadb", "mysql"), "-N", "-B"]
    return needed(run(argv, stdin=sql.encode()), f"{server} cannot be asked").out.splitlines()


# -- which are there --------------------------------------------------------------------------------------------------


def servers(left_out: Container[str] = ()) -> list[Server]:
    """All database servers that run, but for kinds that are left out.

    Raises Trouble for one that cannot be asked or dumped, or should run and does not.
    """
    found: list[Server] = []
    for pid, program in _running():
        kind = _OTHERS.get(program) or _PROGRAMS[program]
        if kind in left_out:
            continue
        if program in _OTHERS:
            raise Trouble(
                f"{kind} runs here (process {pid}), of which no dump is made: put one into a directory that is backed "
                f"up, and name {kind} in data_backup_left_out"
            )
        server = _server(pid, kind)
        if server not in found:
            found.append(server)
    for kind, told in _stopped({server.kind for server in found}):
        if kind not in left_out:
            raise Trouble(told)
    return sorted(found, key=str)


def _running() -> Iterator[tuple[int, str]]:
    """Process and program of each database server, not of its children, nor of our own throwaway ones."""
    ours = -1
    with contextlib.suppress(KeyError):
        ours = pwd.getpwnam(RESTORE_ACCOUNT).pw_uid
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                name, _bracket, rest = stream.read().partition("(")[2].rpartition(")")
            uid = os.stat(f"/proc/{pid}").st_uid
            parent = _name(int(rest.split()[1]))
        except (OSError, IndexError, ValueError):
            continue  # it ended
        known = name in _PROGRAMS or name in _OTHERS
        if known and name != parent and uid != ours:
            yield pid, name


def _name(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()
    return ""


def _server(pid: int, kind: str) -> Server:
    """The server that a process is. Raises Trouble."""
    sockets = list(_sockets(pid))
    if kind == POSTGRESQL:
        sockets = [path for path in sockets if _PG_SOCKET.fullmatch(path)]
        return _postgresql(sockets[0]) if sockets else _mute(pid, kind)
    if kind == MARIADB:
        sockets = [path for path in sockets if not path.endswith("x.sock")]  # mysqlx speaks another protocol
        return _mariadb(sockets[0]) if sockets else _mute(pid, kind)
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        title = stream.read().decode("utf-8", "replace").replace("\0", " ").split()
    port = title[1].rpartition(":")[2] if len(title) > 1 else ""
    if port.isdigit() and port != "0":
        return Server(REDIS, port, sockets[0] if sockets else port)
    return Server(REDIS, "socket", sockets[0]) if sockets else _mute(pid, kind)


def _mute(pid: int, kind: str) -> Server:
    raise Trouble(
        f"a server of {kind} runs (process {pid}) that listens on no socket of this host, in a container perhaps: its "
        "databases cannot be dumped here"
    )


def _sockets(pid: int) -> Iterator[str]:
    """The unix sockets on which a process listens."""
    listening: dict[str, str] = {}
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as stream:
        for line in list(stream)[1:]:
            words = line.rstrip("\n").split(maxsplit=7)
            if len(words) == 8 and int(words[3], 16) & _ACCEPTS and words[7].startswith("/"):
                listening[words[6]] = words[7]
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            inode = target[len("socket:[") : -1] if target.startswith("socket:[") else ""
            if inode in listening and os.path.exists(listening[inode]):
                yield listening[inode]


def _postgresql(socket: str) -> Server:
    account = pwd.getpwuid(os.stat(socket).st_uid).pw_name
    told = query(
        Server(POSTGRESQL, "at " + socket, socket, account),
        "SELECT current_setting('data_directory'); SELECT current_setting('server_version_num')",
    )
    if len(told) != 2:
        raise Trouble(f"PostgreSQL at {socket} does not tell its data directory")
    major = int(told[1]) // 10000
    debian = re.fullmatch(r"/var/lib/postgresql/([^/]+)/([^/]+)", told[0])
    name = f"{debian[1]}-{debian[2]}" if debian else filed(told[0].strip("/"))
    return Server(POSTGRESQL, name, socket, account, f"/usr/lib/postgresql/{major}/bin")


def _mariadb(socket: str) -> Server:
    told = query(Server(MARIADB, "at " + socket, socket), "SELECT @@datadir")
    return Server(MARIADB, filed(told[0].strip("/").replace("/", "-")), socket)


def _stopped(running: Container[str]) -> Iterator[tuple[str, str]]:
    """What should run, and does not: its databases would be missing from a backup that says nothing."""
    if os.path.exists("/usr/bin/pg_lsclusters"):
        for line in run(["pg_lsclusters", "--no-header"]).out.splitlines():
            version, cluster, _port, status = line.split()[:4]
            if status.startswith("down") and _starts_at_boot(version, cluster):
                told = f"the PostgreSQL cluster {version}/{cluster} is {status}: its databases cannot be dumped"
                yield POSTGRESQL, told
    for unit, kind in (("mariadb", MARIADB), ("mysql", MARIADB)):
        if kind not in running and run(["systemctl", "is-enabled", f"{unit}.service"]).out.strip() == "enabled":
            yield kind, f"{unit}.service is enabled and does not run: its databases cannot be dumped"


def _starts_at_boot(version: str, cluster: str) -> bool:
    with (
        contextlib.suppress(OSError),
        open(f"/etc/postgresql/{version}/{cluster}/start.conf", encoding="utf-8") as file,
    ):
        lines = [line.partition("#")[0].strip() for line in file]
        return "auto" in lines
    return True


# -- which databases they hold ----------------------------------------------------------------------------------------


def databases(server: Server) -> list[str]:
    """The names of a server's databases; not those that every server has. Raises Trouble."""
    if server.kind == POSTGRESQL:
        told = query(
            server,
            "SELECT encode(convert_to(datname, 'UTF8'), 'hex') FROM pg_database WHERE NOT datistemplate ORDER BY 1",
        )
    elif server.kind == MARIADB:
        told = query(server, "SELECT HEX(schema_name) FROM information_schema.schemata ORDER BY 1")
    else:
        return ["all"]
    names = [bytes.fromhex(line).decode("utf-8", "surrogateescape") for line in told]
    return [name for name in names if name not in _SYSTEM.get(server.kind, ())]


def size(server: Server) -> int:
    """How many bytes its databases take, about. Raises Trouble."""
    if server.kind == POSTGRESQL:
        told = query(server, "SELECT sum(pg_database_size(oid))::int8 FROM pg_database")
    elif server.kind == MARIADB:
        told = query(server, "SELECT CAST(COALESCE(SUM(data_length), 0) AS UNSIGNED) FROM information_schema.tables")
    else:
        return 0
    return int(told[0])


def filed(name: str) -> str:
    """A name as that of a file."""
    return quote(name, safe="").replace(".", "%2E") if name.startswith(".") else quote(name, safe="")


class Session:
    """A connection to a database of PostgreSQL that stays open, so that all it asks is asked of one moment."""

    def __init__(self, server: Server, database: str) -> None:
        self._told = f"the database {database} of {server} cannot be asked"
        self._process = subprocess.Popen(
            server.psql(database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean(server.account),
            cwd="/",
            **identity(server.account),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, sql: str) -> str:
        """The one line that it answers. Raises Trouble."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Trouble(self._told)
        try:
            stdin.write(f"{sql};\n".encode())
            stdin.flush()
        except BrokenPipeError:
            pass
        line: bytes = stdout.readline()
        if not line:
            _out, errors = self._process.communicate()
            raise Trouble(f"{self._told}: {Done(1, '', errors.decode('utf-8', 'replace')).complaint}")
        return line.decode("utf-8", "surrogateescape").rstrip("\n")
