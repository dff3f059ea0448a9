# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: what is the same for all doors at which databases and directories let other machines in.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .._finding import CONFIGURED, ERROR, OBSERVED, Finding, Layer, weigh
from .._host import Host, Listener, Process
from .._measure import Question
from .._services import database_servers, listeners, plain_clients
from .._services.addresses import own_addresses, shortened

NAME = "encrypted_links"
TITLES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis", "ldap": "LDAP"}
EXPECTED = "a plain connection from another machine is refused"

# Programs that stand in front of a service, or that are one by another name, and that are not read.
_FRONTS: Mapping[str, str] = {
    program: kind
    for kind, programs in {
        "postgresql": "pgbouncer pgpool odyssey pgcat pgagroal supavisor cockroach yb-tserver questdb edb-postgres",
        "mariadb": "proxysql maxscale mysqlrouter tidb-server ndb_mgmd ndbd ndbmtd garbd searchd manticore-searchd",
        "redis": "keydb-server dragonfly kvrocks garnet redict-server nutcracker predixy memurai redis-sentinel "
        "valkey-sentinel",
        "ldap": "slapd lloadd ns-slapd samba glauth kanidmd lldap ldap-proxy apacheds",
    }.items()
    for program in programs.split()
}
# Programs that hand connections on, to whatever they were told.
_FORWARDERS = (
    "haproxy", "stunnel", "stunnel4", "socat", "ghostunnel", "hitch", "traefik", "envoy", "nginx", "angie",
    "rinetd", "redir", "xinetd", "inetd", "tlsproxy", "docker-proxy", "rootlessport", "systemd-socket-proxyd",
    "passt", "pasta", "slirp4netns", "conmon", "gost", "frps", "frpc",
)  # fmt: skip
_WEB_PORTS = (80, 443)
_SYSTEM_PORTS = {22, 111, 2049}  # sshd's and what systemd and the kernel listen for themselves
_ASKED = 12  # listeners of programs that nobody knows, that are asked which service they are


def finding(
    check: str, option: str, subject: str, layers: Sequence[Layer], remedy: str = "", expected: str = EXPECTED
) -> Finding:
    """What layers come to: bad in one fails; a setting that could not be seen is an error, whatever was observed.

    An observation that could not be made is only told.
    """
    unclear = [layer for layer in layers if layer.good is None and layer.proof != OBSERVED]
    bad = any(layer.good is False for layer in layers)
    status, proof, observed, source = weigh(unclear if unclear and not bad else layers)
    return Finding(
        NAME, check, option, subject, status, proof, expected, observed, source, "" if status == "pass" else remedy
    )


def unclear(check: str, option: str, subject: str, why: str, source: str = "", remedy: str = "") -> Finding:
    """A finding that tells why it cannot be told."""
    return Finding(NAME, check, option, subject, ERROR, "", EXPECTED, why, source, remedy)


def asked_at(host: Host, listener: Listener) -> str:
    """An address of the host itself, not loopback, at which a socket answers; '' where it has none. Raises Unseen."""
    address = ipaddress.ip_address(listener.address)
    if not address.is_unspecified:
        return "" if address.is_link_local else listener.address
    own = [one for one in map(ipaddress.ip_address, own_addresses(host)) if not one.is_loopback]
    fitting = [one for one in own if one.version == 4 or listener.protocol.endswith("6")]
    same = [one for one in fitting if one.version == address.version]
    return next((str(one) for one in same or fitting), "")


def observed(
    host: Host, question: Question, kind: str, listener: Listener, base: str = ""
) -> plain_clients.Plain | None:
    """What a socket answers to a plain client on this host; None where none may be or can be tried. Raises Unseen."""
    address = asked_at(host, listener) if question.probe else ""
    if not address:
        return None
    if base:
        return host.once(
            ("plain", kind, address, listener.port, base),
            lambda: plain_clients.ask_ldap(address, listener.port, base),
        )
    client = plain_clients.CLIENTS[kind]
    return host.once(("plain", kind, address, listener.port), lambda: client(address, listener.port))


def as_layer(told: plain_clients.Plain | None, denied: bool | None = None) -> Layer:
    """An observation as a layer. denied: what it means that the client was turned away for another reason."""
    if told is None:
        return Layer(OBSERVED, None, "no plain connection was tried")
    good = {plain_clients.REFUSED: True, plain_clients.ANSWERED: False, plain_clients.DENIED: denied}.get(told.answer)
    return Layer(OBSERVED, good, told.seen, "a plain connection from the host to its own address")


def at(listener: Listener) -> str:
    """A socket as a subject tells it: ':5432', or with its address where that is not all of the host's."""
    address = ipaddress.ip_address(listener.address)
    if address.is_unspecified:
        return f":{listener.port}"
    where = shortened(listener.address)
    return f"{f'[{where}]' if address.version == 6 else where}:{listener.port}"


def ports(found: Iterable[Listener]) -> str:
    """The ports of some sockets, each once: ':5432, :5433'."""
    return ", ".join(dict.fromkeys(at(one) for one in found))


def tunnelled(host: Host, question: Question, place: str) -> Layer | None:
    """A layer for a socket or network that lies in a tunnel's; None where it lies in none. Raises Unseen."""
    named = question.settings.get("tunnels") or []
    if not named:
        return None
    from .._services.tunnels import through

    way = through(host, named, place)
    if way is None:
        return None
    return Layer(CONFIGURED, True if way.good else None, f"reached through a tunnel: {way.why}", "ip route")


# -- other programs that may be such a door ----------------------------------------------------------------------------


def others(host: Host, question: Question, kind: str, known: Iterable[int], option: str) -> Iterator[Finding]:
    """Programs at the network that are such a service, or could be, and that are not read. known: pids judged already.

    What nobody knows is asked which service it is, where probes may be made. Raises Unseen.
    """
    processes = {process.pid: process for process in host.processes()}
    done = {*known, *(pid for server in database_servers.servers(host) for pid in server.pids)}
    tried = 0
    for listener in host.listeners():
        if not listener.protocol.startswith("tcp") or not listeners.reachable(listener) or done & set(listener.pids):
            continue
        program = _suspect(kind, listener, [processes[pid] for pid in listener.pids if pid in processes])
        if not program:
            continue
        tried += 1
        ask = observed if _FRONTS.get(program) == kind and kind != "mariadb" else _asked
        told = ask(host, question, kind, listener) if tried <= _ASKED else None
        if told is not None and told.answer == plain_clients.OTHER:
            continue
        if told is not None and told.answer == plain_clients.REFUSED and _FRONTS.get(program) != kind:
            continue  # nothing but TLS is answered there
        subject = f"{TITLES[kind]} {at(listener)}"
        if told is not None and told.answer == plain_clients.ANSWERED and not _has_rules(host, listener):
            layer = Layer(OBSERVED, False, f"{program}: {told.seen}", as_layer(told).source)
            yield finding(kind, option, subject, [layer], f"let {program} refuse what is not encrypted")
            continue
        seen = f" ({told.seen})" if told is not None else ""
        yield unclear(
            kind, option, subject, f"{program} listens there, and how it is set up is not read{seen}",
            f"the socket of {program}",
            f"attest whether {program} refuses plain connections, or let it listen to the host only",
        )  # fmt: skip


def _asked(host: Host, question: Question, kind: str, listener: Listener) -> plain_clients.Plain | None:
    """What a program that is not read answers; first of all, whether it is MariaDB, as that locks out who stammers."""
    address = asked_at(host, listener) if question.probe else ""
    if not address:
        return None
    greets = host.once(("mariadb?", address, listener.port), lambda: plain_clients.is_mariadb(address, listener.port))
    if greets and kind == "mariadb":
        return plain_clients.Plain(plain_clients.DENIED, "MariaDB or MySQL greets there")
    spoken = (
        "mariadb"
        if greets
        else host.once(("spoken", address, listener.port), lambda: _spoken(host, question, listener))
    )
    if spoken != kind and (spoken or kind == "mariadb"):
        return plain_clients.Plain(plain_clients.OTHER, "something else answers there")
    return observed(host, question, kind, listener)


def _spoken(host: Host, question: Question, listener: Listener) -> str:
    """Which of the others a program turns out to be, by an answer that no other service gives; '' for none of them."""
    for kind in ("redis", "ldap", "postgresql"):  # the last one's words leave others waiting for more
        told = observed(host, question, kind, listener)
        if told is None or told.answer == plain_clients.REFUSED:  # nothing but TLS, whatever is inside
            return ""
        if told.answer in (plain_clients.ANSWERED, plain_clients.DENIED):
            return kind
    return ""


def _has_rules(host: Host, listener: Listener) -> bool:
    """Whether a program lets addresses in by rules of its own: then the host's own may be a special one."""
    for process in host.processes():
        if process.pid in listener.pids:
            files = [word for word in process.argv[1:] if word.endswith((".ini", ".conf", ".toml"))]
            return any("hba" in host.read(file) for file in files if host.stat(file) is not None)
    return False


def _suspect(kind: str, listener: Listener, holders: Sequence[Process]) -> str:
    """The program at a socket where it could be a service of that kind without being known as one, else ''."""
    if not holders:
        return "" if listener.port in _SYSTEM_PORTS else "a process that cannot be seen"
    for process in holders:
        program = os.path.basename(process.program) or process.name
        sentinel = "--sentinel" in process.argv or program.endswith("-sentinel") or "[sentinel]" in process.argv[0]
        if kind == "redis" and sentinel:
            return "redis-sentinel"
        if _FRONTS.get(program) == kind:
            return program
        if program in _FORWARDERS and listener.port not in _WEB_PORTS:
            return program
        if program == "systemd" and listener.port not in _SYSTEM_PORTS:
            return "systemd (a socket unit)"
        if program not in listeners.KNOWN and program not in _FRONTS and program != "systemd":
            return program if program not in ("caddy", "lighttpd", "varnishd", "h2o") else ""
    return ""
