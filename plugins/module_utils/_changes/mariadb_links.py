# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links changes in MariaDB: a drop-in that has it take TLS alone over TCP.

It reads its files at a start only; what can be changed while it runs is told to it besides. It refuses plain TCP as a
whole, the host's own too: programs on the host go on by the Unix socket.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace

from .._change import LIMITS, ChangeError, Transaction, Validation
from .._host import Host, Process, Unseen
from .._services import tls_clients
from .._services.database_servers import MARIADB, Server, defaults, servers
from .._services.plain_clients import ABSENT, ANSWERED, SILENT, ask_mariadb
from . import link_certificate
from .link_edits import HEADER, Wanted, doors, is_reached, refuse_to_cut_off, settled

_OLDEST = (10, 5, 2)  # the first with require_secure_transport
_VERIFYING = (11, 4)  # the first whose clients verify what they are not told to
_OWN = "/etc/mysql/mariadb.conf.d/zz-privacy-hosting-links.cnf"  # behind those that begin with a number
_FILES = ("/etc/mysql/*.cnf", "/etc/mysql/conf.d/*.cnf", "/etc/mysql/mariadb.conf.d/*.cnf")
_REQUIRED = "require_secure_transport"
_GOOD_VERSIONS = "TLSv1.2,TLSv1.3"
_VARIABLES = ("version", "have_ssl", "tls_version", "ssl_cert", "ssl_key", _REQUIRED, "performance_schema")
_ACCESSES = ("--no-defaults --user=root", "--defaults-file=/root/.my.cnf", "--defaults-file=/etc/mysql/debian.cnf")
# who is connected by TCP; a program's address stands before the last colon
_CLIENTS = "SELECT id, host, user FROM information_schema.processlist WHERE host LIKE '%:%' AND id <> connection_id()"
_BY_TLS = (
    "SELECT t.processlist_id FROM performance_schema.threads t JOIN performance_schema.status_by_thread s "
    "ON s.thread_id = t.thread_id WHERE s.variable_name = 'Ssl_version' AND s.variable_value <> ''"
)
_TLS_ONLY = "SELECT user FROM mysql.user GROUP BY user HAVING sum(ssl_type = '') = 0"
_TIME_WAIT = "06"
_CLIENT_SSL = 0x0800


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for MariaDB. Yields what an administrator must know. Raises Unseen, ChangeError."""
    if MARIADB not in wanted.accepts:
        return
    found = [server for server in servers(host) if server.kind == MARIADB]
    for server in found:
        if server.contained or not server.running:
            why = "runs in a container" if server.contained else "does not run"
            yield f"{server.name} {why}, and was left as it is"
        elif is_reached(host, server.pids):
            if len(found) > 1:
                raise ChangeError(f"{len(found)} MariaDB servers are here; only one can be set up, and none was")
            yield from _plan(host, transaction, wanted, server)


def _plan(host: Host, transaction: Transaction, wanted: Wanted, server: Server) -> Iterator[str]:
    now = _variables(server)
    _refuse_strangers(host, server, now)
    text = host.read(_OWN) if host.stat(_OWN) is not None else ""
    own = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    pair = _pair(host, wanted, now, own)
    if pair is not None and now["have_ssl"] == "YES" and not _is_trusted(transaction, now, pair):
        yield (
            f"{server.name} keeps the certificate that it makes for itself: this host does not trust the authority of "
            f"{pair.certificate}, so its own programs would not connect; see update-ca-certificates"
        )
        pair = None
    settings = _settings(host, transaction, server, now, own, pair)
    open_now = _open_now(host, server, now)
    if now[_REQUIRED] != "ON":
        remedy = "have those clients use TLS, and programs on the host the Unix socket, first"
        certain = "plain" if now["have_ssl"] != "YES" else "possibly plain"
        refuse_to_cut_off(wanted, server.name, open_now, remedy, f"{certain} connection")
    restart = _needs_restart(now, settings)
    if restart and not wanted.restart:
        raise ChangeError(
            f"{server.name} takes up {restart} at a restart only, so nothing was changed there: set "
            "encrypted_links_restart: true for a moment when its connections may end"
        )
    if restart:
        _refuse_unproven_files(host, server)
    if not settings:
        return
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    transaction.write(_OWN, f"{HEADER}[mariadbd]\n{lines}", 0o644)
    if not transaction.changed and now[_REQUIRED] == "ON":
        return
    if not transaction.changed:
        raise ChangeError(
            f"{server.name} does not require TLS although {_OWN} says so: somebody switched it off while it runs; "
            f"'SET GLOBAL {_REQUIRED} = ON'"
        )
    _prove(host, transaction, server, settings, bool(restart))


def _variables(server: Server) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    return {row[0]: row[1] for row in server.ask(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({names})")}


def _version(now: Mapping[str, str]) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", now.get("version", ""))
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def _refuse_strangers(host: Host, server: Server, now: Mapping[str, str]) -> None:
    """Raises ChangeError for what is no MariaDB as Debian sets it up."""
    if "MySQL" in server.name or _version(now) < _OLDEST:
        raise ChangeError(f"{server.name} {now.get('version', '')}: only MariaDB from 10.5.2 on is known")
    process: Process = next(one for one in host.processes() if one.pid == server.pids[0])
    files = [word for word in process.argv if word.startswith(("--defaults-file", "--no-defaults"))]
    if files or not server.unit or host.stat(os.path.dirname(_OWN)) is None:
        why = files[0] if files else "no unit of systemd" if not server.unit else f"no {os.path.dirname(_OWN)}"
        raise ChangeError(f"{server.name} is not set up as Debian does it ({why}); it was left as it is")


# -- what it shall be -------------------------------------------------------------------------------------------------


def _settings(
    host: Host,
    transaction: Transaction,
    server: Server,
    now: Mapping[str, str],
    own: Mapping[str, str],
    pair: link_certificate.Pair | None,
) -> dict[str, str]:
    """The settings of the drop-in, those that it has already among them."""
    found = dict(own)
    if now[_REQUIRED] != "ON" or not _is_on(defaults(host).get(_REQUIRED)):
        found[_REQUIRED] = "ON"
    if {part.strip() for part in now["tls_version"].split(",")} - set(_GOOD_VERSIONS.split(",")):
        found["tls_version"] = _GOOD_VERSIONS
    if pair is not None:
        reload = f'mariadb {_access(transaction, server)} --socket={server.socket} --execute="FLUSH SSL"'
        pair = link_certificate.for_service(host, transaction, pair, "mariadb", _user(host, server), reload)
        found["ssl_cert"], found["ssl_key"] = pair.certificate, pair.key
    elif now["have_ssl"] != "YES":
        raise ChangeError(
            f"{server.name} has no TLS and no certificate for it: set encrypted_links_certificate and "
            "encrypted_links_key to files on the host"
        )
    return found


def _pair(host: Host, wanted: Wanted, now: Mapping[str, str], own: Mapping[str, str]) -> link_certificate.Pair | None:
    """The certificate that it gets, None where it keeps its own: for one that it has a restart is not asked for."""
    pair = link_certificate.given(wanted)
    none = not now["ssl_cert"] or "ssl_cert" in own or link_certificate.is_placeholder(host, now["ssl_cert"])
    return pair if none and (now["have_ssl"] != "YES" or wanted.restart or "ssl_cert" in own) else None


def _is_trusted(transaction: Transaction, now: Mapping[str, str], pair: link_certificate.Pair) -> bool:
    """Whether the host's own programs will connect: from 11.4 on they verify certificates, also over the socket."""
    if _version(now) < _VERIFYING:
        return True
    verify = ("openssl", "verify", "-CApath", "/etc/ssl/certs", "-untrusted", pair.certificate, pair.certificate)
    return transaction.call(verify).rc == 0


def _is_on(value: str | None) -> bool:
    """Whether a setting of a file is on; one that is only named is."""
    return value is not None and value.lower() in ("", "on", "1", "true")


def _needs_restart(now: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """What of the settings a server that runs cannot take up, '' for nothing."""
    if "ssl_cert" in settings and (settings["ssl_cert"] != now["ssl_cert"] or now["have_ssl"] != "YES"):
        return "its certificate"
    if settings.get("tls_version", now["tls_version"]) != now["tls_version"]:
        return "the versions of TLS"
    return ""


def _refuse_unproven_files(host: Host, server: Server) -> None:
    """Raises ChangeError where files changed since the server began: whether it begins by them is not known."""
    began = next(one.started for one in host.processes() if one.pid == server.pids[0]).timestamp()
    for path in (path for pattern in _FILES for path in host.glob(pattern) if path != _OWN):
        status = host.stat(path)
        if status is not None and status.st_mtime > began:
            raise ChangeError(
                f"{path} was changed since {server.name} was started, so it is not known whether it would start again; "
                f"nothing was changed there: restart it by hand first (systemctl restart {server.unit})"
            )


def _user(host: Host, server: Server) -> str:
    import pwd

    status = host.stat(f"/proc/{server.pids[0]}")
    if status is None:
        raise Unseen(f"{server.name} ended meanwhile")
    return pwd.getpwuid(status.st_uid).pw_name


# -- who would be cut off ---------------------------------------------------------------------------------------------


def _open_now(host: Host, server: Server, now: Mapping[str, str]) -> dict[str, int]:
    """The number of connections by TCP that are not known to be encrypted, by address.

    Of programs on the host those of the last minute count, too: many connect for a moment only, and are refused also.
    """
    encrypted = {row[0] for row in server.ask(_BY_TLS)} if now.get("performance_schema") == "ON" else set()
    by_tls_only = {row[0] for row in server.ask(_TLS_ONLY)}
    found: dict[str, int] = {}
    for number, client, user in server.ask(_CLIENTS):
        if number not in encrypted and user not in by_tls_only:
            address = client.rpartition(":")[0]
            found[address] = found.get(address, 0) + 1
    ended = _ended_on_loopback(host, server.port)
    if ended:
        found["127.0.0.1"] = found.get("127.0.0.1", 0) + ended
    return found


def _ended_on_loopback(host: Host, port: int) -> int:
    """How many connections over loopback ended in the last minute."""
    count = 0
    for path, loopback in (("/proc/net/tcp", "0100007F"), ("/proc/net/tcp6", "0" * 24 + "01000000")):
        with open(path, encoding="ascii") as stream:
            for line in stream.read().splitlines()[1:]:
                words = line.split()
                ends = (words[1], words[2])
                count += words[3] == _TIME_WAIT and f"{loopback}:{port:04X}" in ends
    return count


# -- that it is so ----------------------------------------------------------------------------------------------------


def _access(transaction: Transaction, server: Server) -> str:
    """How root logs in. Raises ChangeError."""
    for access in _ACCESSES:
        argv = ("mariadb", *access.split(), f"--socket={server.socket}", "--execute=SELECT 1")
        if transaction.call(argv).rc == 0:
            return access
    raise ChangeError(f"{server.name} does not let root log in by its socket; it was left as it is")


def _load(server: Server, access: str) -> tuple[str, ...]:
    """A command that has a server which runs go by what its files say."""
    client = f"mariadb {access} --socket={shlex.quote(server.socket)}"
    script = (
        f"systemctl is-active --quiet {server.unit} || exit 0; wanted=OFF; my_print_defaults --mysqld | "
        "grep -E '^--require[-_]secure[-_]transport(=|$)' | tail -n 1 | grep -Eiq '(=on|=1|=true|transport)$' && "
        f'wanted=ON; {client} --execute="SET GLOBAL {_REQUIRED} = $wanted"'
    )
    return ("sh", "-c", script)


def _prove(host: Host, transaction: Transaction, server: Server, settings: Mapping[str, str], restart: bool) -> None:
    places = doors(host, server.pids)[:2]
    before = {} if transaction.check else {door: ask_mariadb(*door).answer for door in places}
    transaction.validations.append(Validation(("mariadbd", "--verbose", "--help"), unless_before=True))
    transaction.judges.append(lambda: _not_read(settings))
    if restart:
        transaction.loads.append(("systemctl", "restart", server.unit))
    else:
        transaction.loads.append(_load(server, _access(transaction, server)))

    def proof() -> str:
        return settled(lambda: _not_so(server, settings, before))

    transaction.proofs.append(proof)


def _not_read(settings: Mapping[str, str]) -> str:
    """What a server that starts now would go by otherwise, '' if nothing."""
    found = defaults(Host(LIMITS))
    for key, value in settings.items():
        if found.get(key) != value:
            return f"MariaDB's files end with '{key} = {found.get(key, '')}', which wins over {_OWN}; take it away"
    return ""


def _not_so(server: Server, settings: Mapping[str, str], before: Mapping[tuple[str, int], str]) -> str:
    """Why the server does not do what it was told, '' if it does."""
    host = Host(LIMITS)
    new = next((one for one in servers(host) if one.kind == MARIADB and one.running), None)
    if new is None:
        return f"{server.name} does not run"
    try:
        now = _variables(replace(new, host=host))
    except Unseen as unseen:
        return str(unseen)
    if now[_REQUIRED] != "ON" or now["have_ssl"] != "YES":
        return f"{server.name} has '{_REQUIRED} = {now[_REQUIRED]}' and 'have_ssl = {now['have_ssl']}' after the change"
    for key in ("ssl_cert", "tls_version"):
        if key in settings and now[key] != settings[key]:
            return f"{server.name} has '{key} = {now[key]}' after the change"
    for (address, port), answer in before.items():
        plain = ask_mariadb(address, port).answer
        if plain == ANSWERED:
            return f"{server.name} still answers plain connections on :{port}"
        if plain in (ABSENT, SILENT) and answer not in (ABSENT, SILENT):
            return f"{server.name} does not answer on :{port} any more"
        if not _offers_tls(address, port):
            return f"{server.name} does not speak TLS 1.2 or newer on :{port}"
    return ""


def _offers_tls(address: str, port: int) -> bool:
    """Whether TLS begins; true where the server turns this host away before that can be seen."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            greeting = connection.recv(4096)
            if greeting[4:5] == b"\xff":
                return True
            flags = _CLIENT_SSL | 0x00000200 | 0x00008000
            body = struct.pack("<IIB23x", flags, 1 << 16, 45)
            connection.sendall(struct.pack("<I", len(body))[:3] + b"\1" + body)
            with tls_clients.of_today().wrap_socket(connection) as encrypted:
                login = body + b"privacy-hosting-check\0\0"
                encrypted.sendall(struct.pack("<I", len(login))[:3] + b"\2" + login)
                return bool(encrypted.recv(4096))
    except OSError:
        return False
