# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a database server keeps its files: as it says itself, as its directories show, and as it holds them open.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._finding import CONFIGURED, RUNNING
from .._host import Host, Unseen
from . import database_servers as servers
from .database_servers import MARIADB, POSTGRESQL, REDIS, Server
from .mounts import View

DATA, TABLESPACE, WAL, BINLOG, TEMPORARY, LOG = "data", "tablespace", "wal", "binlog", "temporary", "log"
_LINKED_TABLE = ".isl"  # holds the path of a table of InnoDB's that lies elsewhere
_WRITING = 0o3  # of a descriptor's flags: for writing, for both
_VARIABLES = (
    "datadir", "tmpdir", "slave_load_tmpdir", "innodb_tmpdir", "innodb_data_home_dir", "innodb_log_group_home_dir",
    "innodb_undo_directory", "innodb_data_file_path", "innodb_temp_data_file_path", "aria_log_dir_path", "log_bin",
    "log_bin_basename", "relay_log_basename", "general_log", "general_log_file", "slow_query_log",
    "slow_query_log_file", "log_output", "innodb_encrypt_tables", "ssl_cert",
)  # fmt: skip
_DIRECTORIES = {  # variables of MariaDB's that name directories -> role
    "datadir": DATA,
    "innodb_data_home_dir": DATA,
    "innodb_undo_directory": DATA,
    "innodb_log_group_home_dir": WAL,
    "aria_log_dir_path": WAL,
    "tmpdir": TEMPORARY,
    "slave_load_tmpdir": TEMPORARY,
    "innodb_tmpdir": TEMPORARY,
}
_DEFAULTS = {"tmpdir": "/tmp", "innodb_log_group_home_dir": "."}  # noqa: S108  MariaDB's own
_QUERY_LOGS = {"general_log": "general_log_file", "slow_query_log": "slow_query_log_file"}


@dataclass(frozen=True)
class Place:
    """A path that a server keeps files at. proof: RUNNING, or CONFIGURED where only its files say so."""

    role: str
    path: str
    source: str
    proof: str = RUNNING


@dataclass(frozen=True)
class OpenFile:
    """A file that a server has open for writing, or its working directory. numbers: of its device, 'major:minor'."""

    path: str
    numbers: str
    source: str


def by_role(server: Server) -> dict[str, list[Place]]:
    """A server's places by role. Raises Unseen."""
    found: dict[str, list[Place]] = {}
    for place in places(server):
        found.setdefault(place.role, []).append(place)
    return found


def places(server: Server) -> list[Place]:
    """Where a server keeps its files, links followed. Raises Unseen."""
    return server.host.once(("places", server.name, server.pids), lambda: list(dict.fromkeys(_places(server))))


def _places(server: Server) -> Iterator[Place]:
    view = server.view()
    proof = RUNNING if server.running else CONFIGURED
    readers = {POSTGRESQL: _of_postgresql, MARIADB: _of_mariadb}
    for place in readers.get(server.kind, _of_redis)(server, view):
        yield Place(place.role, view.real(place.path), place.source, place.proof if server.running else proof)


def unclear(server: Server) -> list[tuple[str, str, str]]:
    """What a server is set to write where nobody can tell: role, what, source."""
    if server.kind != POSTGRESQL or not server.running:
        return []
    try:
        settings = postgresql_settings(server)
    except Unseen as unseen:
        return [(WAL, f"where it archives and logs to is not known: {unseen}", server.source)]
    if settings.get("archive_mode", "off") == "off" or _archives(settings):
        return []
    return [(WAL, "where archive_command copies its log to is not understood", "archive_command")]


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgresql_settings(server: Server) -> Mapping[str, str]:
    """Settings in effect that tell where it writes. Raises Unseen."""
    rows = server.ask(
        "SELECT name, setting FROM pg_settings WHERE name IN ('log_directory', 'logging_collector', 'log_statement', "
        "'log_min_duration_statement', 'archive_mode', 'archive_command', 'archive_library', 'data_directory')"
    )
    return {row[0]: row[1] for row in rows if len(row) == 2}


def _of_postgresql(server: Server, view: View) -> Iterator[Place]:
    data, source = server.data_directory, server.source
    if server.running:
        source = f"{server.source}: its working directory"
    yield Place(DATA, data, source)
    yield Place(TEMPORARY, f"{data}/base/pgsql_tmp", source)
    yield Place(WAL, f"{data}/pg_wal", source)
    for path in _inside(server.host, view, data, ("", "/base", "/global")):
        yield Place(WAL if path == f"{data}/pg_wal" else DATA, path, path)
    for name in server.host.names(view.here(f"{data}/pg_tblspc")):
        link = f"{data}/pg_tblspc/{name}"
        yield Place(TABLESPACE, link, link)
        yield Place(TEMPORARY, f"{link}/pgsql_tmp", link)
    yield from _postgresql_configured(server)
    if server.running:
        try:
            settings = postgresql_settings(server)
        except Unseen:
            return  # unclear() tells; directories and links tell of all the rest
        for directory in _archives(settings):
            yield Place(WAL, directory, "archive_command")
        if settings.get("log_statement") != "none" or settings.get("log_min_duration_statement", "-1") != "-1":
            yield from _postgresql_logs(server, settings)


def _postgresql_configured(server: Server) -> Iterator[Place]:
    """The data directory that Debian's files name, which the server uses from its next start on."""
    unit = re.search(r"postgresql@([^-]+)-(.+)\.service$", server.unit)
    path = f"/etc/postgresql/{'/'.join(unit.groups())}/postgresql.conf" if unit and not server.contained else ""
    if path and server.host.stat(path) is not None:
        named = servers.settings(server.host.read(path)).get("data_directory", "")
        if named and server.host.real(named) != server.data_directory:
            yield Place(DATA, named, path, CONFIGURED)


def _archives(settings: Mapping[str, str]) -> list[str]:
    """The directories of this host that archive_command copies to, as far as it is understood."""
    if settings.get("archive_mode", "off") == "off" or settings.get("archive_library"):
        return []
    return [
        found.rstrip("/") for found in re.findall(r"(?:^|[\s'\"=])(/[^\s'\"%$;|&]*)%f", settings["archive_command"])
    ]


def _postgresql_logs(server: Server, settings: Mapping[str, str]) -> Iterator[Place]:
    """Where queries are logged to."""
    if settings.get("logging_collector") == "on":
        directory = settings.get("log_directory", "log")
        directory = directory if directory.startswith("/") else f"{server.data_directory}/{directory}"
        yield Place(LOG, directory, "log_directory")
        return
    for one in open_files(server):
        if one.path.startswith("/var/log/"):
            yield Place(LOG, one.path, one.source)


# -- MariaDB ----------------------------------------------------------------------------------------------------------


def mariadb_variables(server: Server) -> Mapping[str, str]:
    """Variables in effect that tell where it writes; of one that does not run, those in its files. Raises Unseen."""
    if not server.running:
        return servers.defaults(server.host)
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    return {
        row[0]: row[1] for row in server.ask(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})") if len(row) == 2
    }


def _of_mariadb(server: Server, view: View) -> Iterator[Place]:
    variables = mariadb_variables(server)
    data = server.data_directory
    yield Place(DATA, data, server.source)
    yield from _mariadb_places(variables, data, "SHOW GLOBAL VARIABLES" if server.running else server.source, RUNNING)
    for path in _inside(server.host, view, data, ("",)):
        yield Place(DATA, path, path)
    for name in server.host.names(view.here(data)):
        directory = f"{data}/{name}"
        for entry in server.host.names(view.here(directory)):
            if entry.endswith(_LINKED_TABLE):
                path = f"{directory}/{entry}"
                yield Place(DATA, server.host.read(view.here(path)).strip(), path)
            elif os.path.islink(view.here(f"{directory}/{entry}")):
                yield Place(DATA, f"{directory}/{entry}", f"{directory}/{entry}")
    if server.running and not server.contained and server.unit in ("mariadb.service", "mysql.service"):
        yield from _mariadb_configured(server, variables, data)


def _mariadb_configured(server: Server, running: Mapping[str, str], data: str) -> Iterator[Place]:
    """What its files name otherwise than it runs with, which it uses from its next start on."""
    try:
        named = servers.defaults(server.host)
    except Unseen:
        return
    changed = {
        name: value
        for name, value in named.items()
        if name in _DIRECTORIES and value.rstrip("/") != running.get(name, "").rstrip("/")
    }
    if named.get("log_bin", "").startswith("/") and named["log_bin"] != running.get("log_bin_basename"):
        changed["log_bin_basename"] = named["log_bin"]
    yield from _mariadb_places(changed, data, "my_print_defaults --mysqld", CONFIGURED)


def _mariadb_places(variables: Mapping[str, str], data: str, source: str, proof: str) -> Iterator[Place]:
    def place(role: str, path: str, name: str) -> Place:
        return Place(role, os.path.normpath(os.path.join(data, path)), f"{source}: {name}", proof)

    for name, role in _DIRECTORIES.items():
        told = variables.get(name) or (_DEFAULTS.get(name, "") if proof == RUNNING else "")
        yield from (place(role, directory, name) for directory in told.split(":") if directory)
    home = variables.get("innodb_data_home_dir", "")
    for name, role, base in (
        ("innodb_data_file_path", DATA, home),
        ("innodb_temp_data_file_path", TEMPORARY, ""),
    ):
        for part in filter(None, variables.get(name, "").split(";")):
            yield place(role, os.path.dirname(os.path.join(base, part.partition(":")[0])), name)
    for name in ("log_bin_basename", "relay_log_basename"):
        if variables.get(name):
            yield place(BINLOG, os.path.dirname(variables[name]), name)
    for switch, name in _QUERY_LOGS.items():
        if variables.get(switch, "OFF").upper() in ("ON", "1") and "FILE" in variables.get("log_output", "FILE"):
            yield place(LOG, variables.get(name, "."), name)


# -- Redis ------------------------------------------------------------------------------------------------------------


def stores_nothing(server: Server) -> bool:
    """Whether Redis is set to keep all in memory, and has left nothing on disk; False where it does not say.

    Raises Unseen. A password that it wants is not tried.
    """
    if server.kind != REDIS or not server.running or server.contained or not server.port:
        return False
    if servers.holds_data(server.host, REDIS, server.data_directory):
        return False
    try:
        said = [server.host.run("redis-cli", "-p", str(server.port), "CONFIG", "GET", name).stdout.split("\n")[:2]
                for name in ("save", "appendonly")]  # fmt: skip
    except Unseen:
        return False
    return said == [["save", ""], ["appendonly", "no"]]


def _of_redis(server: Server, view: View) -> Iterator[Place]:
    data = server.data_directory
    if stores_nothing(server):
        return
    yield Place(DATA, data, f"{server.source}: its working directory" if server.running else server.source)
    yield Place(TEMPORARY, data, server.source)
    for path in _inside(server.host, view, data, ("",)):
        yield Place(DATA, path, path)
    for name in server.host.names(view.here(data)):
        if name.startswith("appendonly"):
            yield Place(WAL, f"{data}/{name}", f"{data}/{name}")


# -- what lies inside, and what is open -------------------------------------------------------------------------------


def _inside(host: Host, view: View, directory: str, below: Sequence[str]) -> Iterator[str]:
    """What lies elsewhere, of what is inside a directory: mounts and links."""
    for mount in view.below(view.real(directory)):
        yield mount.point
    for part in below:
        for name in host.names(view.here(f"{directory}{part}")):
            path = f"{directory}{part}/{name}"
            if os.path.islink(view.here(path)):
                yield path


def open_files(server: Server) -> list[OpenFile]:
    """The files that a server's processes have open for writing, and its working directory. Raises Unseen."""
    return server.host.once(("open for writing", server.pids), lambda: list(_open_files(server)))


def _open_files(server: Server) -> Iterator[OpenFile]:
    seen = set()
    for pid in server.pids:
        directory = f"/proc/{pid}"
        found = [*_for_writing(server.host, directory)]
        if not stores_nothing(server):
            found.insert(0, f"{directory}/cwd")
        for link in found:
            one = _open_file(link)
            if one is not None and (one.path, one.numbers) not in seen:
                seen.add((one.path, one.numbers))
                yield one


def _for_writing(host: Host, directory: str) -> Iterable[str]:
    for name in host.names(f"{directory}/fd"):
        try:
            with open(f"{directory}/fdinfo/{name}", encoding="ascii") as stream:
                flags = re.search(r"^flags:\s*([0-7]+)", stream.read(), re.MULTILINE)
        except OSError:
            continue  # closed meanwhile
        if flags and int(flags.group(1), 8) & _WRITING:
            yield f"{directory}/fd/{name}"


def _open_file(link: str) -> OpenFile | None:
    """What a link of /proc leads to; None for what is no file, or in memory alone."""
    try:
        path, status = os.readlink(link), os.stat(link)
    except OSError:
        return None
    if not path.startswith("/") or path.startswith(("/dev/", "/memfd:", "/SYSV", "/[", "/proc/", "/sys/")):
        return None
    if status.st_mode & 0o170000 not in (0o100000, 0o040000):
        return None
    return OpenFile(path, f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}", link)


def role_of(server: Server, path: str) -> str:
    """The role of a file that a server has open, by its path."""
    if path.endswith(" (deleted)") and not path.startswith(server.data_directory + "/"):
        return TEMPORARY  # nobody could find it again: it is made to be thrown away
    if "/pgsql_tmp" in path or os.path.basename(path).startswith(("#sql", "ibtmp")):
        return TEMPORARY
    if path.startswith(("/var/log/", "/run/log/")):
        return LOG
    if "/pg_wal/" in path or os.path.basename(path).startswith(("ib_logfile", "aria_log.", "appendonly")):
        return WAL
    return DATA
