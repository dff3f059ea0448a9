# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which directories of database servers are moved to the encrypted volume, and what keeps the servers waiting for it.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from .._change import Caller, ChangeError, call
from .._host import Host
from .._services import block_devices, database_servers, mounts
from .._services.database_servers import MARIADB, POSTGRESQL, REDIS, TITLES, Server
from .disk_move import Group, Place
from .disk_unlock import MOUNTED

OLD = ".unencrypted"  # what a directory's name ends in once its encrypted copy took its place

# what belongs to the servers of one kind, and moves as a whole: clusters that are made later lie there too
_HOMES = {POSTGRESQL: "/var/lib/postgresql", MARIADB: "/var/lib/mysql", REDIS: "/var/lib/redis"}
_COVERED_BY = {"data": "data", "tablespace": "data", "wal": "logs", "binlog": "logs", "log": "logs"}
_SHARED = frozenset(
    [
        *("/", "/boot", "/dev", "/etc", "/home", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/sys"),
        *("/usr", "/usr/local", "/var", "/var/backups", "/var/lib", "/var/log", "/var/spool"),
        *("/tmp", "/var/tmp"),  # noqa: S108  they are refused
    ]
)
_PLAIN = re.compile(r"/[A-Za-z0-9/._+@-]+$")
_TEMPORARY = f"{MOUNTED}/mariadb-temporary"
_TEMPORARY_FILE = "/etc/mysql/mariadb.conf.d/zz-privacy-hosting-temporary.cnf"
_ARMOUR = "/sys/kernel/security/apparmor/profiles"
DUMPS = "dumps of databases"

_DROP_IN = """# Made by privacy.hosting, role disk_encryption: without the encrypted volume the server does not start.
[Unit]
RequiresMountsFor={}
{}
"""
_TMPDIR = f"""# Made by privacy.hosting, role disk_encryption: what is sorted on disk lies on the encrypted volume, too.
[mysqld]
tmpdir = {_TEMPORARY}
"""


@dataclass(frozen=True)
class Wanted:
    """What is to be moved. servers: kinds, or 'all'; covers: parts of servers; run: the name of this run."""

    servers: Collection[str]
    covers: Collection[str]
    dump_paths: Sequence[str]
    run: str


@dataclass
class Planner:
    """Finds what is to be moved. moved: the paths that were moved by earlier runs."""

    host: Host
    wanted: Wanted
    moved: Collection[str]
    run: Caller = call
    warnings: list[str] = field(default_factory=list)

    def groups(self) -> list[Group]:
        """What is to be moved, in groups. Raises ChangeError where something cannot be, and Unseen."""
        found = []
        for kind in (POSTGRESQL, MARIADB, REDIS):
            if {kind, "all"} & set(self.wanted.servers):
                group = self._group(kind)
                if group:
                    found.append(group)
        dumps = self._dumps()
        return [*found, dumps] if dumps else found

    # -- servers ----------------------------------------------------------------------------------------------

    def _group(self, kind: str) -> Group | None:
        servers = [server for server in database_servers.servers(self.host) if server.kind == kind]
        own = [server for server in servers if not server.contained]
        self.warnings += [f"{server.name} is not moved" for server in servers if server.contained]
        if not own:
            return None
        running = [server for server in own if self._is_to_be_asked(server)]
        paths = [path for server in running for path in self._paths(server)]
        places = self._places(kind, paths)
        directories, files = self._temporary(running) if kind == MARIADB else ({}, {})
        if not places and not files:
            return None
        units = [unit for server in running for unit in (*self._sockets(server.unit), server.unit)]
        everywhere = sorted({place.path for place in places} | {path for path in self.moved if self._is_of(path, kind)})
        needed = everywhere or [MOUNTED]
        return Group(
            name=" and ".join(server.name for server in running),
            run=self.wanted.run,
            units=tuple(dict.fromkeys(units)),
            ask=tuple(_asking(server) for server in running if server.kind != REDIS),
            places=tuple(places),
            fstab=tuple(f"{place.copy} {place.path} none bind,noauto,nofail 0 0" for place in places),
            files={**files, **{_drop_in_path(server.unit): _drop_in(needed) for server in running}},
            directories=directories,
        )

    def _is_to_be_asked(self, server: Server) -> bool:
        """Whether a server runs. One that stays stopped moves along with its neighbours. Raises ChangeError."""
        if server.running and server.unit:
            return True
        if server.running:
            raise ChangeError(f"{server.name} is no unit of systemd, and cannot be stopped and started; make it one")
        if server.starts is not False and not self._was_moved(server.data_directory):
            raise ChangeError(
                f"{server.name} ({server.unit}) does not run, so that it cannot be told where all of its files are; "
                "start it, or disable it"
            )
        return False

    def _was_moved(self, path: str) -> bool:
        return any(_is_below(path, moved) for moved in self.moved)

    def _is_of(self, path: str, kind: str) -> bool:
        return _is_below(path, _HOMES[kind])

    def _paths(self, server: Server) -> Iterator[str]:
        for role, paths in server.paths().items():
            covered = _COVERED_BY.get(role)
            if covered in self.wanted.covers or (covered and role == "data"):
                yield from (os.path.realpath(path) for path in paths)

    def _sockets(self, unit: str) -> list[str]:
        """The sockets that would start a unit."""
        told = self.run(("systemctl", "show", "--property=TriggeredBy", "--value", unit)).stdout.split()
        return [name for name in told if name.endswith(".socket")]

    def _temporary(self, servers: Sequence[Server]) -> tuple[dict[str, tuple[str, int]], dict[str, str]]:
        """MariaDB's temporary directory, where it is one that others use, too: a directory and a file."""
        outside = [
            path
            for server in servers
            for path in map(os.path.realpath, server.paths().get("temporary", ()))
            if not self._was_moved(path) and not _is_below(path, MOUNTED) and not _is_below(path, _HOMES[MARIADB])
        ]
        on_disk = [path for path in outside if not self._is_safe(path)]
        if "temporary" not in self.wanted.covers or not on_disk:
            return {}, {}
        if _is_confined("mariadbd", "mysqld"):
            self.warnings.append(
                f"AppArmor confines MariaDB, so that its temporary files stay in {on_disk[0]}; allow it {_TEMPORARY}/ "
                "and set tmpdir"
            )
            return {}, {}
        owner = os.stat(servers[0].data_directory)
        return {_TEMPORARY: (f"{owner.st_uid}:{owner.st_gid}", 0o700)}, {_TEMPORARY_FILE: _TMPDIR}

    # -- dumps ------------------------------------------------------------------------------------------------

    def _dumps(self) -> Group | None:
        if "dumps" not in self.wanted.covers:
            return None
        paths = [os.path.realpath(path) for path in self.wanted.dump_paths if os.path.exists(path)]
        places = self._places("", paths)
        if not places:
            return None
        lines = tuple(f"{place.copy} {place.path} none bind,noauto,nofail 0 0" for place in places)
        return Group(DUMPS, self.wanted.run, (), (), tuple(places), lines, {}, {})

    # -- places -----------------------------------------------------------------------------------------------

    def _places(self, kind: str, paths: Sequence[str]) -> list[Place]:
        """The directories that are moved, the uppermost ones. Raises ChangeError."""
        tops = []
        for path in paths:
            home = _HOMES.get(kind, "")
            top = home if home and _is_below(path, home) else path if os.path.isdir(path) else os.path.dirname(path)
            if not self._was_moved(path) and not _is_below(path, MOUNTED) and not self._is_safe(path):
                tops.append(top)
        uppermost = [top for top in sorted(set(tops)) if not any(top != one and _is_below(top, one) for one in tops)]
        return [self._place(top) for top in uppermost]

    def _place(self, path: str) -> Place:
        old = path + OLD
        if path in _SHARED:
            raise ChangeError(f"{path} is not the server's alone, and is not moved; give it a directory below that")
        if not _PLAIN.match(path):
            raise ChangeError(f"{path!r} has characters that /etc/fstab does not take well; rename it first")
        if os.path.islink(path) or not os.path.isdir(path):
            raise ChangeError(f"{path} is no directory")
        if os.path.lexists(old):
            raise ChangeError(f"{old} is in the way; an old copy would be kept there")
        seen = mounts.view(self.host)
        inside = [mount.point for mount in seen.mounts if _is_below(mount.point, path)]
        if inside:
            raise ChangeError(
                f"{inside[0]} is a file system of its own, which is not moved; encrypt its device, or move its files "
                "to the disk that the rest lies on"
            )
        return Place(path, f"{MOUNTED}{path}", old)

    def _is_safe(self, path: str) -> bool:
        """Whether a path needs no move: it lies on an encrypted device, or in memory."""
        view = mounts.view(self.host)
        in_memory = view.mount_of(os.path.realpath(path)).type in ("tmpfs", "ramfs")
        return in_memory or block_devices.of_path(self.host, view, os.path.realpath(path)).good is True


def size_of(places: Sequence[Place]) -> int:
    """The bytes that directories take on the disk."""
    total = 0
    for place in places:
        for folder, _directories, names in os.walk(place.path):
            for name in [".", *names]:
                try:
                    info = os.lstat(os.path.join(folder, name))
                except FileNotFoundError:
                    continue
                total += max(info.st_blocks * 512, info.st_size)
    return total


def is_encrypted(path: str) -> bool:
    """Whether every disk below a path is reached through dm-crypt."""
    numbers = os.stat(path).st_dev if not path.startswith("/dev/") else os.stat(path).st_rdev
    return _crosses_crypt(f"/sys/dev/block/{os.major(numbers)}:{os.minor(numbers)}")


def _crosses_crypt(device: str) -> bool:
    try:
        with open(f"{device}/dm/uuid", encoding="ascii", errors="replace") as stream:
            if stream.read().startswith("CRYPT-"):
                return True
    except OSError:
        pass
    below = sorted(os.listdir(f"{device}/slaves")) if os.path.isdir(f"{device}/slaves") else []
    return bool(below) and all(_crosses_crypt(f"/sys/class/block/{name}") for name in below)


# -- texts ------------------------------------------------------------------------------------------------------


def _drop_in_path(unit: str) -> str:
    """Of a template's instance: for all of them, for their data lie in one directory."""
    name, at, _instance = unit.partition("@")
    return f"/etc/systemd/system/{f'{name}@.service' if at else unit}.d/privacy-hosting-encrypted.conf"


def _drop_in(paths: Sequence[str]) -> str:
    return _DROP_IN.format(" ".join(paths), "\n".join(f"AssertPathIsMountPoint={path}" for path in paths))


def _asking(server: Server) -> tuple[tuple[str, ...], ...]:
    """Commands that list a server's databases, of which one is enough."""
    if server.kind == POSTGRESQL:
        owner = os.stat(server.data_directory)
        argv = (
            "setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups",
            "psql", "--no-psqlrc", "--no-password", "--no-align", "--tuples-only", "--quiet",
            "--command", "SELECT datname FROM pg_database ORDER BY 1",
            f"host={os.path.dirname(server.socket)} port={server.port} dbname=postgres connect_timeout=30",
        )  # fmt: skip
        return (argv,)
    client = "mariadb" if server.host.has("mariadb") else "mysql"
    files = ("--no-defaults", "--defaults-file=/root/.my.cnf", "--defaults-file=/etc/mysql/debian.cnf")
    statement = (
        "SELECT table_schema, table_name, engine FROM information_schema.tables WHERE table_schema NOT IN "
        "('information_schema', 'performance_schema') ORDER BY 1, 2"
    )
    tail = ("--protocol=socket", f"--socket={server.socket}", "--user=root", "--batch", "--skip-column-names",
            "--connect-timeout=30", "--execute", statement)  # fmt: skip
    return tuple((client, file, *tail) for file in files)


def _is_confined(*programs: str) -> bool:
    """Whether AppArmor enforces a profile of one of these programs."""
    try:
        with open(_ARMOUR, encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return False
    return any(line.endswith("(enforce)") and any(program in line for program in programs) for line in lines)


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def titles(kinds: Collection[str]) -> str:
    """Kinds of servers as people call them."""
    return ", ".join(TITLES.get(kind, kind) for kind in kinds)
