# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup, complete: whether every database and every named directory is whole in the newest snapshots.

PRIVATE to the collection.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import dumps, mounts, restic
from .._services.backup_jobs import UNKNOWN, Call
from .._services.database_servers import MARIADB, POSTGRESQL, REDIS, Server
from .._services.dumps import Dump
from .._services.restic import Node, Repository, Snapshot, moment
from .data_backup_case import NAME, SKEW, Case, Set, made, some
from .data_backup_where import is_off_host

MOST = 96 << 20  # bytes of dumps that are read from one set; of larger ones only the begin
FILES = 20_000  # of a named directory that are compared with the snapshot

# -- what is in the newest snapshots ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inside:
    """The newest snapshot of a set, and what is in it."""

    set: Set
    snapshot: Snapshot
    nodes: tuple[Node, ...] = field(repr=False)

    @property
    def source(self) -> str:
        return f"restic ls {self.snapshot.id[:8]} ({self.set.repository})"


def insides(case: Case) -> list[Inside]:
    """The newest snapshot of each set that goes to another machine; of all sets, if none does. Raises Unseen."""
    return case.host.once("newest snapshots", lambda: _insides(case))


def _insides(case: Case) -> list[Inside]:
    sets = list(case.sets())
    away = [one for one in sets if is_off_host(case.host, one.repository)]
    newest: dict[tuple[str, str], tuple[Set, Snapshot]] = {}
    for one in away or sets:
        for paths in {snapshot.paths for snapshot in one.snapshots} if not one.sure else {None}:
            candidates = [s for s in one.snapshots if paths in (None, s.paths) and s.time <= case.host.now + SKEW]
            latest = max(candidates, key=made, default=None)
            if latest is not None and (one.sure or made(latest) >= case.limit()):
                newest[one.repository.location, latest.id] = (one, latest)
    questions: dict[Any, Any] = {}
    for key, (one, snapshot) in newest.items():
        questions[key] = lambda one=one, snapshot=snapshot: one.repository.nodes(case.host, snapshot)
    told = restic.at_once(questions)
    found = []
    for key, (one, snapshot) in newest.items():
        nodes = told[key]
        if isinstance(nodes, Unseen):
            raise nodes
        found.append(Inside(one, snapshot, tuple(nodes)))
    return found


# -- databases --------------------------------------------------------------------------------------------------------


def check_databases(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether a whole dump of each database is in the newest snapshot."""
    case = Case(host, question, option)
    nothing = case.none("databases")
    if nothing is not None:
        yield nothing
        return
    servers = case.servers()
    if not servers:
        case.nothing_to_keep()  # which a server that nobody knows rules out
        if not case.directories:
            seen = "it has no database server, and no directory is named"
            yield case.finding("databases", "this host", NOT_APPLICABLE, seen, "processes, units")
        return
    found = insides(case)
    read = _dumps(case, found)
    for server in servers:
        yield from _of_server(case, server, servers, found, read)
    left_out = [name for name in case.question.settings["left_out"] if not name.startswith("/")]
    if left_out:
        seen = f"the inventory says that {some(left_out)} need not be in backups"
        yield case.finding("databases", "left out", NOT_APPLICABLE, seen, f"{NAME}_left_out")


def _of_server(
    case: Case, server: Server, servers: Sequence[Server], found: Sequence[Inside], read: Sequence[_Read]
) -> Iterator[Finding]:
    if case.is_left_out(server.kind):
        return
    expected = "a whole dump in the newest snapshot"
    try:
        names = _names(server)
    except Unseen as unseen:
        seen = f"which databases it has is not known: {unseen}"
        yield case.finding("databases", server.name, ERROR, seen, server.source, expected=expected)
        return
    if not names:
        yield case.finding("databases", server.name, NOT_APPLICABLE, "it holds no database", server.source)
    for name in names:
        label = f"{server.kind}/{name}" if name else server.kind
        if not case.is_left_out(label):
            alike = [other for other in servers if other.kind == server.kind]
            yield _of_database(case, server, name, label, len(alike) > 1, found, read)


def _names(server: Server) -> list[str]:
    """The databases of a server; Redis has one without a name, if it holds keys. Raises Unseen."""
    if server.kind != REDIS:
        return server.databases()
    if not server.running or server.contained:
        raise Unseen(f"{server.name} does not run here, and cannot be asked")
    where = ("-s", server.socket) if server.socket else ("-p", str(server.port))
    told = server.host.run("valkey-cli" if server.host.has("valkey-cli") else "redis-cli", *where, "INFO", "keyspace")
    # one that asks for a password is taken to hold something
    empty = "# Keyspace" in told.stdout and not re.search(r"^db\d+:keys=[1-9]", told.stdout, re.MULTILINE)
    return [] if empty else [""]


@dataclass(frozen=True)
class _Read:
    """A dump in a snapshot. piped: restic itself saw to it that what wrote it ended well."""

    inside: Inside
    node: Node
    dump: Dump
    piped: bool = False


def _of_database(
    case: Case, server: Server, name: str, label: str, several: bool, found: Sequence[Inside], read: Sequence[_Read]
) -> Finding:
    expected = "a whole dump in the newest snapshot"
    remedy = f"Dump {label} before each backup, and let a dump that fails stop the backup."
    matches = [(one, sure) for one in read for sure in [_is_of(one, server, name, several)] if sure is not False]
    sure = [one for one, certain in matches if certain]
    if sure:
        layers = [_verdict(case, one, label) for one in sure]
        layers = [layer for layer in layers if layer.good is not True] + _with_all_tables(server, name, sure, layers)
        best = next((layer for layer in layers if layer.good), None)
        best = best or next((layer for layer in layers if layer.good is None), layers[0])
        # one whole and recent dump is enough, whatever else lies beside it
        return case.weighed("databases", label, [best], expected=expected, remedy=remedy)
    source = found[0].source if found else "restic snapshots"
    if matches:
        seen = f"whether {matches[0][0].node.path} is a dump of it cannot be told"
        return case.finding("databases", label, ERROR, seen, source, expected=expected, remedy=remedy)
    since = _created(server, name)
    newest = max((made(one.snapshot) for one in found), default=case.limit())
    if since is not None and since > newest and since >= case.limit():
        seen = f"it was made on {since:%Y-%m-%d %H:%M} UTC, after the newest snapshot, and is in no backup yet"
        return case.finding("databases", label, ERROR, seen, source, expected=expected)
    if case.unjudged():
        seen = f"no dump of it is in the newest snapshot; {case.unjudged()}"
        return case.finding("databases", label, ERROR, seen, source, expected=expected, remedy=remedy)
    physical = next((kind for one in found for kind in [_physical(one)] if kind), "")
    if physical:
        seen = f"no dump of it is in the newest snapshot, but {physical}, which is not judged"
        return case.finding("databases", label, ERROR, seen, source, expected=expected, remedy=remedy)
    copied = any(_below(node.path, server.data_directory) for one in found for node in one.nodes)
    seen = "no dump of it is in the newest snapshot" if found else "there is no snapshot"
    seen += ", only the files of the running server, which do not fit each other" if copied else ""
    return case.finding("databases", label, FAIL, seen, source, expected=expected, remedy=remedy)


# tables that pg_dump and mariadb-dump make: those of extensions come with these
_TABLES = {
    POSTGRESQL: "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
    "('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM "
    "pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')",
    MARIADB: "SELECT count(*) FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = ",
}


def _with_all_tables(server: Server, name: str, read: Sequence[_Read], layers: Sequence[Layer]) -> list[Layer]:
    """The good ones of layers; where a dump makes fewer tables than there are, whether it holds all cannot be told."""
    found = []
    for one, layer in zip(read, layers):
        if not layer.good:
            continue
        there = 0 if one.dump.tables is None else _tables(server, name)
        if one.dump.tables is not None and one.dump.tables < there:
            seen = f"{layer.seen}, but makes {one.dump.tables} tables, where there are {there} now"
            layer = Layer(OBSERVED, None, seen, layer.source)  # noqa: PLW2901  the same one, with a doubt
        found.append(layer)
    return found


def _tables(server: Server, name: str) -> int:
    """How many tables a database has; 0 where that cannot be told."""
    statement = _TABLES.get(server.kind, "")
    if not statement:
        return 0
    if server.kind == MARIADB:
        quoted = name.replace("\\", "\\\\").replace("'", "''")
        statement += f"'{quoted}'"
    try:
        rows = server.ask(statement, name)
        return int(rows[0][0])
    except (Unseen, IndexError, ValueError):
        return 0


def _verdict(case: Case, one: _Read, label: str) -> Layer:
    """What a dump of a database is worth."""
    source = f"{one.node.path} in {one.inside.snapshot.id[:8]} ({one.inside.set.repository})"
    dump, changed = one.dump, one.node.changed
    if dump.whole is False:
        return Layer(OBSERVED, False, f"its dump is not whole: {dump.reason}", source)
    if dump.rows is False:
        return Layer(OBSERVED, False, "its dump holds tables, but no rows", source)
    if changed is not None and changed < case.limit():
        return Layer(OBSERVED, False, f"its dump is of {changed:%Y-%m-%d %H:%M} UTC", source)
    if made(one.inside.snapshot) < case.limit():
        return Layer(
            OBSERVED, False, f"the newest snapshot with its dump is of {made(one.inside.snapshot):%Y-%m-%d}", source
        )
    size = f"its dump has {max(1, dump.size >> 10)} KiB"
    if dump.whole or one.piped:
        return Layer(OBSERVED, True, f"{size} and is whole", source)
    tested = _restored(case, one.inside.set.repository, label)
    if tested is not None:
        return Layer(
            OBSERVED, True, f"{size}; {dump.reason}, but a restore test on {tested:%Y-%m-%d} loaded one", source
        )
    return Layer(OBSERVED, None, f"{size}; whether it is whole cannot be told: {dump.reason}", source)


def _restored(case: Case, repository: Repository, label: str) -> dt.datetime | None:
    """When a restore test last loaded a database well, if that is not long ago."""
    bound = case.period("restored").before(case.host.now)
    for run, _path in case.records("restore-test"):
        ended = moment(run.get("ended"))
        fits = run.get("ok") is True and run.get("repository_id") == repository.identity(case.host)
        loaded = any(
            isinstance(one, dict) and f"{one.get('kind')}/{one.get('name')}" == label and one.get("ok") is not False
            for one in run.get("databases") or ()
        )
        if fits and loaded and ended is not None and bound <= ended <= case.host.now + SKEW:
            return ended
    return None


def _created(server: Server, name: str) -> dt.datetime | None:
    """When a database was made; None where that cannot be told."""
    try:
        if server.kind == POSTGRESQL:
            quoted = name.replace("'", "''")
            rows = server.ask(f"SELECT oid FROM pg_database WHERE datname = '{quoted}'")  # noqa: S608  a quoted name
            path = f"{server.data_directory}/base/{rows[0][0]}/PG_VERSION" if rows else ""
        elif server.kind == MARIADB:
            path = f"{server.data_directory}/{name}/db.opt"
        else:
            path = ""
        status = server.host.stat(path) if path else None
    except Unseen:
        return None
    return dt.datetime.fromtimestamp(status.st_mtime, dt.timezone.utc) if status is not None else None


# copies of a server's files that are made so that they fit each other, by a file in them
_PHYSICAL = {
    "backup_manifest": "a base backup of PostgreSQL",
    "xtrabackup_checkpoints": "a copy by XtraBackup",
    "mariadb_backup_checkpoints": "a copy by mariadb-backup",
    "backup.info": "a repository of pgBackRest or barman",
}


def _physical(inside: Inside) -> str:
    return next(
        (_PHYSICAL[name] for node in inside.nodes for name in [os.path.basename(node.path)] if name in _PHYSICAL), ""
    )


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


# -- dumps in snapshots -----------------------------------------------------------------------------------------------


def _dumps(case: Case, found: Sequence[Inside]) -> list[_Read]:
    """All dumps in the newest snapshots, as far as they can be read. Raises Unseen."""
    names: set[str] = set()
    directories = []
    for server in case.servers():
        directories.append(server.data_directory)
        try:
            names |= set(server.databases())
        except Unseen:
            continue  # told where the server is judged
    questions: dict[Any, Any] = {}
    for place, inside in enumerate(found):
        nodes = [node for node in inside.nodes if _may_be_dump(node, names, inside, directories)]
        for number, batch in enumerate(_batches(nodes, inside)):
            questions[place, number] = lambda inside=inside, batch=batch: _read(case.host, inside, batch)
    read: list[_Read] = []
    for answer in restic.at_once(questions).values():
        if isinstance(answer, Unseen):
            raise answer
        read += answer
    return read


def _may_be_dump(node: Node, names: set[str], inside: Inside, directories: Sequence[str]) -> bool:
    if node.kind != "file" or any(
        _below(node.path, directory) and not node.path.endswith(".rdb") for directory in directories
    ):
        return False
    name = os.path.basename(node.path)
    return bool(dumps.NAME.search(name)) or name in names or "stdin" in inside.set.call.flags


def _batches(nodes: Sequence[Node], inside: Inside) -> Iterator[list[Node]]:
    """Files that are read together: one directory with little else in it, else each for itself."""
    small = [node for node in nodes if node.size]
    if len(small) > 1:
        top = os.path.commonpath([os.path.dirname(node.inside) for node in small])
        if top != "/" and sum(node.size for node in inside.nodes if _below(node.inside, top)) <= MOST:
            yield list(nodes)
            return
    for node in nodes[:50]:
        yield [node]


def _read(host: Host, inside: Inside, nodes: Sequence[Node]) -> list[_Read]:
    """What some files of a snapshot are. Raises Unseen."""
    repository, snapshot = inside.set.repository, inside.snapshot
    piped = "stdin-from-command" in inside.set.call.flags
    filled = [node for node in nodes if node.size]
    told = {node.inside: dumps.Reader(node.path, 0).told() for node in nodes if not node.size}
    if len(filled) > 1:
        wanted = {node.inside for node in filled}
        tar = dumps.TarReader(wanted.__contains__, MOST)
        top = os.path.commonpath([os.path.dirname(node.inside) for node in filled])
        repository.feed(host, tar.take, "dump", snapshot.id, top)
        told.update({dump.path: dump for dump in tar.found})
    for node in filled if len(filled) == 1 else ():
        reader = dumps.Reader(node.path, node.size)
        most = node.size if node.size <= MOST else dumps.HEAD

        def take(piece: bytes, reader: dumps.Reader = reader, most: int = most) -> bool:
            reader.take(piece)
            return reader.seen < most

        repository.feed(host, take, "dump", snapshot.id, node.inside)
        told[node.inside] = reader.told()
    unread = Dump("", 0, reason="it was not read")
    return [_Read(inside, node, told.get(node.inside, unread), piped) for node in nodes]


_AFFIXES = frozenset(
    word
    for words in (
        "backup backups daily database databases db dump dumps full hourly latest mariadb mysql mysqldump nightly pg",
        "pgdump pgsql postgres postgresql psql sql weekly",
    )
    for word in words.split()
)
_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d[-_.]?\d\d[-_.]?\d\d(?:[-_.T]?\d\d[-_.:]?\d\d(?:[-_.:]?\d\d)?Z?)?(?!\d)", re.IGNORECASE
)


def _is_of(one: _Read, server: Server, name: str, several: bool) -> bool | None:
    """Whether a dump is of a database; None where it may be."""
    dump = one.dump
    if dump.kind and dump.kind != server.kind:
        return False
    if server.kind == REDIS:
        return dump.kind == REDIS
    if several and not _names_server(one.node.path, server):
        # a dump of the other server may bear the same name
        return None if name in dump.databases or _stem(one.node.path) == name.lower() else False
    if dump.databases or dump.every:
        return name in dump.databases
    stem = _stem(one.node.path)
    if stem == name.lower():
        # a file that is empty, or of a kind that is not read, is known by its name and where it lies
        kinds = {"postgresql": POSTGRESQL, "mariadb": MARIADB, "mysql": MARIADB}
        above = next((kinds[part] for part in one.node.path.lower().split("/") if part in kinds), server.kind)
        return above == server.kind
    return None if re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", stem) and not dump.kind else False


def _names_server(path: str, server: Server) -> bool:
    tokens = {part.lower() for part in re.split(r"[/ ]", server.name) if part} - {
        "postgresql",
        "mariadb",
        "mysql",
        "in",
    }
    joined = "-".join(part for part in re.split(r"[/ ]", server.name.lower())[1:])
    parts = set(path.lower().split("/"))
    return bool(joined and joined in parts) or (bool(tokens) and tokens <= parts)


def _stem(path: str) -> str:
    """The name in a dump's file name: without endings, dates, and words like backup."""
    name = unquote(os.path.basename(path)).lower()
    while True:
        shorter = re.sub(
            r"\.(gz|xz|bz2|zst|lz4|zip|gpg|age|sql|dump|dmp|pgdump|pg_dump|psql|mysql|bak|custom|backup|pgsql)$",
            "",
            name,
        )
        if shorter == name:
            break
        name = shorter
    name = _DATE.sub("", name).strip("-_.")
    parts = re.split(r"([-_.])", name)
    while len(parts) > 2 and (parts[0] in _AFFIXES or not parts[0]):
        parts = parts[2:]
    while len(parts) > 2 and (parts[-1] in _AFFIXES or not parts[-1]):
        parts = parts[:-2]
    return "".join(parts)


# -- directories ------------------------------------------------------------------------------------------------------


def check_directories(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether each named directory is in the newest snapshot, and nothing of it is left out."""
    case = Case(host, question, option)
    if case.none("directories") is not None or not case.directories:
        return
    found = insides(case)
    for directory in case.directories:
        yield _of_directory(case, directory, found)
    left_out = [name for name in question.settings["left_out"] if name.startswith("/")]
    if left_out:
        seen = f"the inventory says that {some(left_out)} need not be in backups"
        yield case.finding("directories", "left out", NOT_APPLICABLE, seen, f"{NAME}_left_out")


def _of_directory(case: Case, directory: str, found: Sequence[Inside]) -> Finding:
    expected = "all of it in the newest snapshot"
    remedy = f"Let the backup hold all of {directory}, or name what need not be in it in {NAME}_left_out."
    if case.host.stat(directory) is None:
        seen = f"{directory} is not on the host"
        return case.finding("directories", directory, ERROR, seen, f"{NAME}_directories", expected=expected)
    real = case.host.real(directory)
    holding = [
        one
        for one in found
        if any(_below(real, path) or _below(path, real) for path in one.snapshot.paths)
        or any(_below(node.path, real) for node in one.nodes)
    ]
    if not holding:
        source = found[0].source if found else "restic snapshots"
        seen = "it is in no newest snapshot" + (f"; {case.unjudged()}" if case.unjudged() else "")
        status = ERROR if case.unjudged() else FAIL
        return case.finding("directories", directory, status, seen, source, expected=expected, remedy=remedy)
    layers = [layer for layer in [_late(case, holding), _partial(case, holding)] if layer is not None]
    layers += list(_excluded(case, real, holding))
    layers.append(_compared(case, real, holding))
    doubts = [layer for layer in layers if layer.good is None]
    if doubts and all(layer.good is not False for layer in layers):
        seen = "; ".join(layer.seen for layer in doubts)
        return case.finding("directories", directory, ERROR, seen, doubts[0].source, expected=expected, remedy=remedy)
    bad = [layer for layer in layers if layer.good is False]
    # what shows why is told before what shows that
    layers = [*bad[:1], *bad[1:]] if bad else layers
    return case.weighed("directories", directory, layers, expected=expected, remedy=remedy)


def _late(case: Case, holding: Sequence[Inside]) -> Layer | None:
    newest = max(holding, key=lambda one: made(one.snapshot))
    if made(newest.snapshot) >= case.limit():
        return None
    return Layer(OBSERVED, False, f"the newest snapshot with it is of {made(newest.snapshot):%Y-%m-%d}", newest.source)


def _partial(case: Case, holding: Sequence[Inside]) -> Layer | None:
    """A run that ended badly after it made its snapshot may have passed over files that it could not read."""
    failed = [one.set.call.job for one in holding if one.set.call.job.failed]
    if not failed:
        return None
    return Layer(OBSERVED, None, f"{failed[0].result}; whether it passed over files cannot be told", failed[0].source)


def _compared(case: Case, directory: str, holding: Sequence[Inside]) -> Layer:
    """The files of a directory, as far as they are older than the snapshot, against those in it."""
    there = {node.path for one in holding for node in one.nodes}
    before = min(made(one.snapshot) for one in holding)
    missing: list[str] = []
    seen = 0
    waiting = [directory]
    while waiting and seen <= FILES:
        current = waiting.pop(0)
        for name in case.host.names(current):
            path = f"{current.rstrip('/')}/{name}"
            seen += 1
            if case.is_left_out(path):
                continue
            status = _status(path)
            if status is None or status.st_ctime >= before.timestamp():
                continue
            if path not in there:
                missing.append(path)
            elif _is_directory(status):
                waiting.append(path)
    source = holding[0].source
    if missing:
        pattern = _pattern_for(case, missing[0], holding)
        why = f", left out by '{pattern[0]}'" if pattern else ""
        return Layer(
            OBSERVED,
            False,
            f"{len(missing)} files or directories in it are missing{why}",
            pattern[1] if pattern else source,
        )
    if waiting:
        return Layer(OBSERVED, True, f"the first {seen} files and directories of it are inside", source)
    return Layer(OBSERVED, True, f"{seen} files and directories of it are inside", source)


def _status(path: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    import stat

    return (
        status if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode) else None
    )


def _is_directory(status: os.stat_result) -> bool:
    import stat

    return stat.S_ISDIR(status.st_mode)


# -- what is left out -------------------------------------------------------------------------------------------------


def _patterns(case: Case, call: Call) -> Iterator[tuple[str, str]]:
    """The patterns by which a call leaves out files, each with where it stands. Raises Unseen."""
    for flag in ("exclude", "iexclude"):
        for pattern in call.values(flag):
            yield pattern, call.source
    for flag in ("exclude-file", "iexclude-file"):
        for path in call.values(flag):
            if UNKNOWN in path or not path.startswith("/"):
                yield UNKNOWN, call.source
                continue
            for number, line in enumerate(case.host.read(path).splitlines(), 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield line.strip(), f"{path}:{number}"


def _excluded(case: Case, directory: str, holding: Sequence[Inside]) -> Iterator[Layer]:
    """Patterns and switches that may leave out a part of a directory, also where they match nothing yet."""
    for one in holding:
        call = one.set.call
        for pattern, source in _patterns(case, call):
            if case.is_left_out(pattern) or pattern.startswith("!"):
                continue
            if pattern == UNKNOWN:
                yield Layer(CONFIGURED, None, "what is left out of it cannot be told", source)
            elif may_reach(pattern, directory) and _finds(case, directory, pattern) is None:
                yield Layer(CONFIGURED, None, f"'{pattern}' may leave out a part of it", source)
        for switch in ("exclude-if-present", "exclude-larger-than"):
            if switch in call.flags:
                yield Layer(CONFIGURED, None, f"--{switch} may leave out a part of it", call.source)
        if "one-file-system" in call.flags:
            yield from _mounted(case, directory, one)


def _mounted(case: Case, directory: str, one: Inside) -> Iterator[Layer]:
    """File systems below a directory that --one-file-system leaves out."""
    below = {mount.point for mount in mounts.view(case.host).mounts if mount.point != directory}
    for point in sorted(point for point in below if _below(point, directory) and not case.is_left_out(point)):
        if point not in one.snapshot.paths:
            yield Layer(
                CONFIGURED, False, f"--one-file-system leaves out {point}, which is mounted in it", one.set.call.source
            )


def may_reach(pattern: str, directory: str) -> bool:
    """Whether a pattern of restic's may match something in a directory, or the directory, or one above it."""
    if not pattern.startswith("/"):
        return True
    parts, wanted = pattern.rstrip("/").split("/")[1:], directory.split("/")[1:]
    for part, name in zip(parts, wanted):
        if part == "**":
            return True
        if not fnmatch.fnmatch(name.lower(), part.lower()):
            return False
    return True


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern of restic's leaves out a path, itself or something above it; case is not regarded."""
    parts = [part for part in pattern.lower().rstrip("/").split("/") if part]
    names = [part for part in path.lower().split("/") if part]
    starts = [0] if pattern.startswith("/") else range(len(names))
    return any(_fits(parts, names[start:]) for start in starts)


def _fits(parts: Sequence[str], names: Sequence[str]) -> bool:
    if not parts:
        return True
    if parts[0] == "**":
        return any(_fits(parts[1:], names[at:]) for at in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(parts[1:], names[1:])


def _pattern_for(case: Case, path: str, holding: Sequence[Inside]) -> tuple[str, str] | None:
    """The pattern that leaves out a path, and where it stands."""
    for one in holding:
        for pattern, source in _patterns(case, one.set.call):
            if pattern != UNKNOWN and matches(pattern, path):
                return pattern, source
    return None


def _finds(case: Case, directory: str, pattern: str) -> bool | None:
    """Whether a pattern matches something in a directory now; None where there is too much to look at."""
    waiting, seen = [directory], 0
    while waiting:
        current = waiting.pop(0)
        for name in case.host.names(current):
            path = f"{current.rstrip('/')}/{name}"
            seen += 1
            if seen > FILES:
                return None
            status = _status(path)
            if status is not None and matches(pattern, path) and not case.is_left_out(path):
                return True
            if status is not None and _is_directory(status):
                waiting.append(path)
    return False
