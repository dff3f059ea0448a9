# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Throwaway database servers into which a restore test loads dumps.

They run as an account that owns nothing else, in a network of their own that leads nowhere, and are reached by a socket
in a private directory. What a customer put into a database (functions, commands of a client) can do no more there.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from .commands import Done, clean, identity, needed, run
from .dumps import COUNT_ROWS, TABLES, Dump, count_rows, quoted
from .servers import connection, first_program
from .settings import RESTORE_ACCOUNT, Trouble

_READY_S = 120.0
_STOP_S = 60.0
_ALONE = ("unshare", "--net", "--")  # taken before root's rights are given up
_SMALL_PG = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=10", "max_wal_size=256MB",
             "autovacuum=off", "listen_addresses=", "max_parallel_workers=0", "jit=off")  # fmt: skip
_SMALL_MARIADB = ("--skip-networking", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0",
                  "--innodb-flush-method=fsync", "--key-buffer-size=8M", "--max-connections=10", "--skip-log-bin",
                  "--event-scheduler=OFF", "--max-allowed-packet=1G", "--skip-name-resolve",
                  "--local-infile=0")  # fmt: skip
_PG_ROWS = f"SELECT coalesce(sum(({COUNT_ROWS})[1]::text::int8), 0) {TABLES}"


def _confined(argv: Sequence[str]) -> list[str]:
    """A command as the throwaway account runs it, without a network."""
    known = pwd.getpwnam(RESTORE_ACCOUNT)
    return [
        *_ALONE, "setpriv", f"--reuid={known.pw_uid}", f"--regid={known.pw_gid}", "--clear-groups", "--inh-caps=-all",
        "--bounding-set=-all", "--no-new-privs", "--", *argv,
    ]  # fmt: skip


def call(argv: Sequence[str], what: str, **given: Any) -> Done:
    """Run a command, confined. Raises Trouble."""
    return needed(run(_confined(argv), environment={"HOME": "/nonexistent"}, **given), what)


@contextlib.contextmanager
def private(directory: str) -> Iterator[str]:
    """A new directory of the throwaway account, removed afterwards with all in it. Raises Trouble."""
    shutil.rmtree(directory, ignore_errors=True)
    owner = identity(RESTORE_ACCOUNT)
    os.mkdir(directory, 0o700)
    os.chown(directory, owner["user"], owner["group"])
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _running(argv: Sequence[str], ready: Sequence[str], directory: str, what: str) -> Iterator[None]:
    """A server that runs meanwhile. ready: a command that succeeds once it answers. Raises Trouble."""
    with open(os.path.join(directory, "log"), "wb") as log:
        process = subprocess.Popen(
            _confined(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=clean("", {"HOME": directory}),
        )
    try:
        end = time.monotonic() + _READY_S
        while run(_confined(ready)).rc != 0:
            if process.poll() is not None or time.monotonic() > end:
                raise Trouble(f"{what} does not start: {_last_line(os.path.join(directory, 'log'))}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = [line.strip() for line in stream if line.strip()]
    telling = [line for line in lines if "ERROR" in line or "FATAL" in line]
    return (telling or lines or ["it says nothing"])[-1][:200]


# -- PostgreSQL -------------------------------------------------------------------------------------------------------


def postgresql(dumps: str, wanted: Sequence[Dump], directory: str) -> Iterator[tuple[Dump, int]]:
    """Load each dump into a throwaway cluster of its own version; yields its rows as counted there. Raises Trouble."""
    first = wanted[0]
    programs = _programs_of(first.server)
    what = "the throwaway cluster of PostgreSQL"
    data = os.path.join(directory, "data")
    call(
        [f"{programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        what,
    )
    settings = [word for setting in (*_SMALL_PG, f"unix_socket_directories={directory}") for word in ("-c", setting)]
    reach = ["-h", directory, "-U", "postgres"]
    with _running([f"{programs}/postgres", "-D", data, *settings], [f"{programs}/pg_isready", *reach], directory, what):
        psql = [f"{programs}/psql", "-XAtqw", *reach, "-d", "postgres"]
        roles = os.path.join(dumps, "postgresql", first.server, "roles.sql")
        with open(roles, "rb") as file:  # complains of the role postgres, which is there
            call(psql, f"the roles of {first.server}", stdin=file)
        for dump in wanted:
            told = f"{dump.name} of PostgreSQL {dump.server} cannot be restored"
            # with its own encoding and owner; a new cluster has a database of that one name
            into = ["-d", "postgres"] if dump.name == "postgres" else ["--create", "-d", "postgres"]
            restore = [f"{programs}/pg_restore", "-w", "--exit-on-error", "--no-tablespaces", "--no-subscriptions"]
            with open(os.path.join(dumps, dump.file), "rb") as file:
                call([*restore, *reach, *into], told, stdin=file)
            count = f"SET search_path = ''; {_PG_ROWS}"
            rows = call([f"{programs}/psql", "-XAtqw", *reach, "-d", connection(dump.name), "-c", count], told).out
            if dump.name != "postgres":
                call([f"{programs}/dropdb", *reach, "--", dump.name], told)
            yield dump, int(rows)


def _programs_of(server: str) -> str:
    """The directory of the programs of a cluster's version, else of the newest one that is here. Raises Trouble."""
    places = "/usr/lib/postgresql"
    versions = sorted(filter(str.isdigit, os.listdir(places)), key=int) if os.path.isdir(places) else []
    version = server.partition("-")[0]
    if not versions:
        raise Trouble("PostgreSQL's programs are not in /usr/lib/postgresql, so no dump of it can be tried")
    return f"{places}/{version if version in versions else versions[-1]}/bin"


# -- MariaDB ----------------------------------------------------------------------------------------------------------


def mariadb(dumps: str, wanted: Sequence[Dump], directory: str) -> Iterator[tuple[Dump, int]]:
    """Load each dump into a throwaway server; yields its rows as counted there. Raises Trouble."""
    what = "the throwaway server of MariaDB"
    data, socket = os.path.join(directory, "data"), os.path.join(directory, "s")
    install = first_program("mariadb-install-db", "mysql_install_db")
    call(
        [install, "--no-defaults", f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal"],
        what,
    )
    client = [first_program("mariadb", "mysql"), "--no-defaults", f"--socket={socket}", "-u", "root"]
    server = [first_program("mariadbd", "mysqld"), "--no-defaults", f"--datadir={data}", f"--socket={socket}",
              f"--tmpdir={directory}",
              f"--pid-file={directory}/pid", f"--secure-file-priv={directory}", *_SMALL_MARIADB]  # fmt: skip
    with _running(server, [*client, "-e", "SELECT 1"], directory, what):
        for dump in wanted:
            told = f"{dump.name} of MariaDB {dump.server} cannot be restored"
            with open(os.path.join(dumps, dump.file), "rb") as file:
                call([*client, "--binary-mode", "--max-allowed-packet=1G"], told, stdin=file)
            counts = count_rows(dump.name, dump.tables)
            rows = call([*client, "-N", "-B"], told, stdin="\n".join(counts).encode()).out if counts else ""
            call([*client, "-e", f"DROP DATABASE {quoted(dump.name)}"], told)
            yield dump, sum(map(int, rows.split()))


# -- Redis ------------------------------------------------------------------------------------------------------------


def redis(dumps: str, wanted: Sequence[Dump], directory: str) -> Iterator[tuple[Dump, int]]:
    """Let Redis read each dump, as it does at its start; yields the keys. Raises Trouble."""
    checker = first_program("redis-check-rdb", "valkey-check-rdb")
    for dump in wanted:
        # a throwaway server would drop what expired since, so the file is read by what reads it alone
        copy = os.path.join(directory, "copy.rdb")
        shutil.copyfile(os.path.join(dumps, dump.file), copy)
        os.chmod(copy, 0o644)
        told = call([checker, copy], f"the dump of Redis {dump.server} cannot be read").out
        keys = re.search(r"(\d+) keys read", told)
        yield dump, int(keys[1]) if keys else -1


LOADERS = {"postgresql": postgresql, "mariadb": mariadb, "redis": redis}
