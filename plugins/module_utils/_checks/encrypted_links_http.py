# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links, http: HTTP services beside the virtual hosts of nginx and Apache, virtual hosts that are named as
APIs, and programs that exchange data with other machines in a way of their own.

What speaks neither TLS nor HTTP is told as unknown: nobody can say of it whether it is encrypted.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, OBSERVED, PASS, RUNNING, Finding, Layer
from .._host import Host, Listener, Process, Unseen
from .._measure import Question
from .._services.listeners import KNOWN, reachable
from .._services.tunnels import through
from .encrypted_links_sent import finding, weighed

if TYPE_CHECKING:
    from .._services.spoken import Spoken
    from .._services.virtualhost import WebServer
    from .._services.web_security import PlainAnswer

CHECK = "http"
_EXPECTED = "programs of other machines get nothing but TLS, version 1.2 or newer"
_UNPROBED = "probes are switched off (audit_probe)"
# kinds of programs that other checks judge, or that do not exchange such data: by the kind of listeners.KNOWN
_ELSEWHERE = frozenset(["web", "remote login", "mail", "names", "clock", "network", "logs"])
_DATABASES_OF_NOBODY = frozenset(["memcached", "mongod"])  # which no check of databases judges
_HARMLESS = frozenset(["rpcbind", "rpc.statd", "rpc.mountd", "fail2ban-server", "qemu-ga", "nmbd"])
_FTP = frozenset(["vsftpd", "proftpd", "pure-ftpd"])
_ALWAYS_PLAIN: Mapping[str, str] = {"rsync": "its own protocol, which knows no encryption"}
# programs that end visitors' connections; what they show at the web's own ports is judged by web_tls
_FRONTS = frozenset(["angie", "caddy", "envoy", "h2o", "haproxy", "hitch", "lighttpd", "traefik", "varnishd"])
_WEB_PORTS = (80, 443)
_SYSTEMD_ELSEWHERE = (22, 111, 19532)
_KERNEL: Mapping[int, str] = {2049: "NFS"}


@dataclass(frozen=True)
class _Door:
    """A socket that other machines can reach, and whose program no other check knows. program: '' where unseen."""

    program: str
    address: str
    port: int

    @property
    def name(self) -> str:
        return self.program or "(a process that cannot be seen)"


def check_http(host: Host, question: Question, option: str) -> Iterable[Finding]:
    """Whether HTTP services refuse plain connections from other machines."""
    if "http" not in question.asked["accepts"]:
        return
    # both families of addresses of one port come to the same, as a rule
    findings = dict.fromkeys([*_of_doors(host, question, option), *_of_apis(host, question, option)])
    yield from findings
    if not findings:
        yield finding(
            CHECK, option, CHECK, NOT_APPLICABLE, source="listening sockets",
            observed="every program that other machines can reach is known, and none of them serves HTTP beside the "
            "virtual hosts of nginx and Apache",
        )  # fmt: skip


# -- sockets ----------------------------------------------------------------------------------------------------------


def _doors(host: Host) -> list[_Door]:
    """The sockets to judge; of those of one program and port one. Raises Unseen."""
    processes = {process.pid: process for process in host.processes()}
    found: dict[tuple[str, int, str], _Door] = {}
    for listener in sorted(host.listeners(), key=lambda one: one.protocol):
        if listener.protocol.startswith("tcp") and reachable(listener):
            for program in _strangers(host, listener, processes):
                everywhere = listener.address in ("0.0.0.0", "::")  # noqa: S104  a comparison
                key = (program, listener.port, "" if everywhere else listener.address)
                found.setdefault(key, _Door(program, listener.address, listener.port))
    return list(found.values())


def _strangers(host: Host, listener: Listener, processes: Mapping[int, Process]) -> Iterator[str]:
    holders = [processes[pid] for pid in listener.pids if pid in processes]
    programs = {os.path.basename(process.program) or process.name for process in holders}
    if not programs:
        yield _KERNEL.get(listener.port, "")
    if programs == {"systemd"}:
        if listener.port not in _SYSTEMD_ELSEWHERE:
            yield "systemd"
        return
    for program in sorted(programs - {"systemd"}):
        kind = KNOWN.get(program, "")
        of_databases = kind == "databases" and program not in _DATABASES_OF_NOBODY
        elsewhere = kind in _ELSEWHERE or of_databases or program in _HARMLESS
        if not elsewhere or (kind == "web" and not _is_site(host, program, listener)):
            yield program


def _is_site(host: Host, program: str, listener: Listener) -> bool:
    """Whether virtual hosts of nginx or Apache listen there, which web_tls judges; its stream servers are not."""
    from .._services.web import web_servers

    name = "nginx" if program == "nginx" else "apache"
    return any(
        listen.port == listener.port for server in web_servers(host) if server.name == name
        for vhost in server.vhosts for listen in vhost.listens
    )  # fmt: skip


def _of_doors(host: Host, question: Question, option: str) -> Iterator[Finding]:
    doors = _doors(host)
    if not doors:
        return
    from .._services import spoken as speech

    places: dict[_Door, tuple[str, int]] = {}
    for door in doors:
        # who connects to a socket of systemd starts its service
        if question.probe and door.program != "systemd" and door.program not in _KERNEL.values():
            places[door] = (speech.own_address(host, door.address), door.port)
    asked = speech.spoken(host, list(places.values())) if places else {}
    for door in doors:
        way = through(host, question.settings["tunnels"], door.address)
        place = places.get(door)
        told = asked.get(place) if place else None
        unread = _unread(host, door)
        if unread:
            good, why, mend = unread
        else:
            good, why, mend = _verdict(door, place, told) if place and told else _unasked(door, question)
        status, proof = {True: (PASS, OBSERVED), False: (FAIL, OBSERVED), None: (ERROR, "")}[good]
        if not good and way is not None:
            status, proof = (PASS, RUNNING) if way.good else (ERROR, "")
            why, mend = f"{why}; {way.why}", "" if way.good else "Bring the tunnel up that the inventory names."
        yield finding(
            CHECK, option, _subject(door), status, proof=proof, expected=_EXPECTED, observed=why, remedy=mend,
            source=f"socket of {door.name}, port {door.port}",
        )  # fmt: skip


def _unread(host: Host, door: _Door) -> tuple[bool | None, str, str] | None:
    """A socket of nginx or Apache of which nobody can say whether a virtual host listens there."""
    if KNOWN.get(door.program) != "web":
        return None
    from .._services.web import web_servers

    problems = [problem for server in web_servers(host) for problem in server.problems]
    return (None, problems[0], f"Mend what {door.name} complains of, and reload it.") if problems else None


def _subject(door: _Door) -> str:
    known = door.program in KNOWN or door.program in _KERNEL.values()
    other = known and KNOWN.get(door.program) not in ("web", "watching")
    return f"{'other' if other else 'http'}: {door.name} :{door.port}"


def _unasked(door: _Door, question: Question) -> tuple[bool | None, str, str]:
    """A socket that was not asked what it speaks."""
    why = "it was not asked what it speaks" if question.probe else _UNPROBED
    return None, f"unknown listener {door.name} on :{door.port}: {why}", _inside(door)


def _inside(door: _Door) -> str:
    return f"Let {door.name} listen on 127.0.0.1 alone, or speak TLS alone."


def _verdict(door: _Door, place: tuple[str, int], told: Spoken) -> tuple[bool | None, str, str]:
    """Whether nothing but TLS is spoken at a socket, in words, and what would be right."""
    if door.program in _ALWAYS_PLAIN:
        return False, f"{door.name} speaks {_ALWAYS_PLAIN[door.program]}", f"Let {door.name} listen on 127.0.0.1."
    if door.program in _FTP:
        return _ftp(door.name, place)
    if told.tls:
        return _over_tls(door, told)
    if told.http or told.first == "HTTP/2":
        return _over_http(door, told)
    return _without_either(door, told)


def _over_http(door: _Door, told: Spoken) -> tuple[bool | None, str, str]:
    if told.refuses:
        return True, f"{door.name} refuses a plain request (status {told.http})", ""
    if door.program in _FRONTS and door.port in _WEB_PORTS:
        # what is answered for a name is not what is answered for an address
        if 300 <= told.http < 400:
            return True, f"{door.name} sends visitors on (status {told.http}); web_tls judges where to", ""
        return None, f"what {door.name} serves in plain, and for which names, is not judged", _inside(door)
    how = f"plain HTTP (status {told.http})" if told.http else "HTTP/2 without TLS"
    return False, f"{door.name} answers {how}", _inside(door)


def _without_either(door: _Door, told: Spoken) -> tuple[bool | None, str, str]:
    """A socket that speaks neither TLS nor HTTP."""
    name = door.name
    if told.first == "MariaDB":
        return None, f"{name} speaks as MariaDB does: whether it refuses what is not encrypted is not judged", ""
    if told.first == "SSH":
        return True, f"{name} speaks SSH, which is encrypted", ""
    if name in ("memcached", "mongod") and not told.unseen:
        return False, f"{name} serves without TLS", _inside(door)
    if name in KNOWN or name in _KERNEL.values():
        return None, f"whether {name} refuses what is not encrypted is not judged", _inside(door)
    unseen = f" ({told.unseen})" if told.unseen else ""
    return None, f"unknown listener {name} on :{door.port} speaks neither TLS nor HTTP{unseen}", _inside(door)


def _ftp(name: str, place: tuple[str, int]) -> tuple[bool | None, str, str]:
    from .._services.spoken import ftp_lets_log_in

    mend = f"Let {name} demand TLS for logins and data, or use SFTP."
    lets_in = ftp_lets_log_in(*place)
    if lets_in is None:
        return None, f"whether {name} refuses logins without TLS cannot be told", mend
    if lets_in:
        return False, f"{name} asks for a password without TLS", mend
    return True, f"{name} refuses logins without TLS", ""


def _over_tls(door: _Door, told: Spoken) -> tuple[bool | None, str, str]:
    """A socket that speaks TLS: that must be all, and of a version that is still good."""
    name = door.name
    if told.old:
        return False, f"{name} accepts {' and '.join(told.old)} too", f"Let {name} accept TLS 1.2 and newer alone."
    if name == "mongod":
        return None, "whether mongod serves without TLS too is not judged (net.tls.mode)", ""
    if told.refuses or (not told.http and not told.first):
        return True, f"{name} speaks TLS alone: a plain request is refused", ""
    return False, f"{name} speaks TLS, and answers plain requests too", f"Let {name} refuse what is not encrypted."


# -- virtual hosts ----------------------------------------------------------------------------------------------------


def _of_apis(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Virtual hosts of nginx and Apache that programs use."""
    names = [str(name).lower() for name in question.settings["apis"]]
    if not names:
        return
    from .._services.virtualhost import covers
    from .._services.web import web_servers

    servers = web_servers(host)
    for name in names:
        known = [one for one in servers if any(covers(x, name) for vhost in one.vhosts for x in vhost.names)]
        if not known:
            yield finding(
                CHECK, option, f"http: {name}", ERROR, expected=_API, source="encrypted_links_apis",
                observed="no virtual host of nginx or Apache has this name",
                remedy="Name a virtual host of this host in encrypted_links_apis, as it is configured.",
            )  # fmt: skip
        for server in known:
            for problem in server.problems:
                yield finding(
                    CHECK, option, f"http: {name} ({server.name})", ERROR, expected=_API, observed=problem,
                    source=problem.partition(": ")[0], remedy=f"Mend what {server.name} complains of.",
                )  # fmt: skip
        if known:
            # any server at a plain port answers for every name
            yield from _api(host, question, option, name, [one for one in servers if one.vhosts])


_API = "a plain request for an API is refused, and not sent on"


def _api(host: Host, question: Question, option: str, name: str, servers: Iterable[WebServer]) -> Iterator[Finding]:
    """What a plain request for the name of an API gets, at each plain port of each web server."""
    from .._services.web_security import owner, security, sockets

    found = False
    for server in servers:
        plain = {
            (at.listen.address, at.listen.port): at for vhost in server.vhosts for at in sockets(server, vhost)
            if not at.tls and not at.inside and at.listen.port
        }  # fmt: skip
        for at in plain.values():
            vhost = owner(server, at.listen, name)
            if vhost is None:
                continue
            found = True
            told = [one for one in security(host, server, vhost).plain if not one.challenge]
            meant = [one for one in told if not one.names or name in one.names]
            layers = [_said(meant, vhost.source)]
            if server.pid:
                layers.append(server.running)
            if question.probe and server.pid and layers[0].good:
                layers.append(_asked(host, at.listen.address, at.listen.port, name))
            subject = f"http: {name} ({server.name}, port {at.listen.port})"
            mend = f"{layers[0].source or vhost.source}: let it refuse what comes in plain (nginx: 'return 403;')."
            yield weighed(CHECK, option, subject, layers, expected=_API, remedy=mend)
    if not found:
        yield finding(
            CHECK, option, f"http: {name}", PASS, proof=CONFIGURED, expected=_API, source="listening sockets",
            observed="no web server that is known takes plain connections from other machines",
        )  # fmt: skip


def _said(answers: Sequence[PlainAnswer], source: str) -> Layer:
    """What the files say of plain requests: all places have to refuse."""
    from .._services.web_security import ANSWERS, REDIRECTS, REFUSES

    words = {ANSWERS: "answers it", REDIRECTS: "sends it on, after it was sent"}
    bad = [one for one in answers if one.does in words]
    if bad:
        return Layer(CONFIGURED, False, f"{bad[0].context} {words[bad[0].does]}", bad[0].source)
    if not answers or any(one.does != REFUSES for one in answers):
        return Layer(CONFIGURED, None, "what it does with a plain request is not understood", source)
    return Layer(CONFIGURED, True, "every place refuses plain requests", answers[0].source)


def _asked(host: Host, address: str, port: int, name: str) -> Layer:
    """What a plain request gets that was made."""
    from .._services import spoken as speech

    if not re.fullmatch(r"[\w.-]+", name):
        return Layer(OBSERVED, None, "its name cannot be asked for")
    try:
        status = speech.request(speech.own_address(host, address), port, name)
    except Unseen as unseen:
        return Layer(OBSERVED, None, str(unseen))
    source = f"request at port {port}"
    if status is None:
        return Layer(OBSERVED, None, "a plain request got no answer in time", source)
    if status == 0:
        return Layer(OBSERVED, True, "the connection is closed without an answer", source)
    if status in (400, 403, 404, 410, 421, 426):
        return Layer(OBSERVED, True, f"a plain request is refused (status {status})", source)
    if status >= 500 or status == 405:
        return Layer(OBSERVED, None, f"a plain request got the status {status}, which tells nothing", source)
    return Layer(OBSERVED, False, f"a plain request is answered (status {status})", source)
