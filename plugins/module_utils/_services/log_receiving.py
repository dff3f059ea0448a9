# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets by which a host takes log lines from other machines, and whether they speak TLS alone.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._finding import OBSERVED, Layer
from .._host import Host, Listener, Unseen
from . import log_forwarding
from .addresses import own_addresses
from .listeners import KNOWN, reachable
from .loaded import loaded
from .log_forwarding import Object, Rsyslog
from .units import starts_at_boot

JOURNAL = "systemd-journal-remote"
JOURNAL_PORT = 19532
# what leaves out the versions that GnuTLS still has by default
_NEWER = 'leave TLS 1.0 and 1.1 out (gnutlsPriorityString="NORMAL:-VERS-TLS1.0:-VERS-TLS1.1").'
_PORTS = (514, 601, 1514, 5044, 5140, 6514, 12201, 24224, JOURNAL_PORT)  # by custom of those who take lines
UNPROBED = Layer(OBSERVED, None, "probes are switched off (audit_probe)")


@dataclass(frozen=True)
class Door:
    """A socket that other machines can reach. tls: it speaks TLS alone, None where that cannot be told.

    by_systemd: systemd holds it, and starts the program on the first connection.
    """

    program: str
    protocol: str
    address: str
    port: int
    tls: bool | None
    why: str
    source: str
    mend: str = ""
    running: Layer | None = None
    by_systemd: bool = False

    @property
    def subject(self) -> str:
        """What a report calls it."""
        return f"syslog :{self.port}/{self.protocol.rstrip('6')} ({self.program})"


def doors(host: Host) -> list[Door]:
    """The sockets that other machines can reach of all that takes log lines; one for each port. Raises Unseen."""
    found: dict[tuple[str, str, int, str], Door] = {}
    programs = {process.pid: os.path.basename(process.program) for process in host.processes()}
    for listener in filter(reachable, host.listeners()):
        for program in sorted({programs.get(pid, "") for pid in listener.pids} or {""}):
            door = _door(host, program, listener)
            if door is not None:
                place = "" if door.address in ("0.0.0.0", "::") else door.address  # noqa: S104  a comparison
                found.setdefault((program, listener.protocol.rstrip("6"), listener.port, place), door)
    return [*found.values(), *_at_boot(host)]


def _door(host: Host, program: str, listener: Listener) -> Door | None:
    tcp = listener.protocol.startswith("tcp")
    if program == "rsyslogd":
        # what it sends by UDP from has a port of its own, which is no door
        told = _rsyslog(host, listener)
        return told if told is not None or tcp else None
    if program == "syslog-ng":
        return _syslog_ng(host, listener)
    journal = program == JOURNAL or (program == "systemd" and listener.port == JOURNAL_PORT)
    if journal and tcp:
        return _journal(host, listener)
    if listener.port in _PORTS and (program in log_forwarding.SHIPPERS or program not in KNOWN):
        program = program or "a process that cannot be seen"
        return _of(program, listener, None, f"how {program} takes lines is not judged", f"socket of {program}")
    return None


def _of(program: str, listener: Listener, tls: bool | None, why: str, source: str, mend: str = "") -> Door:
    return Door(program, listener.protocol, listener.address, listener.port, tls, why, source, mend)


# -- rsyslog ----------------------------------------------------------------------------------------------------------


def _rsyslog(host: Host, listener: Listener) -> Door | None:
    name = "rsyslog"
    try:
        told, running = log_forwarding.rsyslog(host), log_forwarding.rsyslog_running(host)
    except Unseen as unseen:
        return _of(name, listener, None, str(unseen), "rsyslog")
    tcp = listener.protocol.startswith("tcp")
    inputs = [one for one in _inputs(told) if one[1] == str(listener.port) and (one[0] != "imudp") == tcp]
    if (
        not inputs
        and not tcp
        and not told.unclear
        and all(port for kind, port, *_rest in _inputs(told) if kind == "imudp")
    ):
        return None  # by which omfwd sends
    if not inputs:
        why = "which of its inputs listens there cannot be told"
        return _of(name, listener, None, why, f"socket of {name}")
    judged = [_input(told, kind, values) for kind, _port, values, _source in inputs]
    tls, why, mend = min(judged, key=lambda one: (False, None, True).index(one[0]))
    source = inputs[judged.index((tls, why, mend))][3]
    return Door(
        name, listener.protocol, listener.address, listener.port, tls, why, source, f"{source}: {mend}" if mend else "",
        running,
    )  # fmt: skip


def _inputs(told: Rsyslog) -> list[tuple[str, str, Object, str]]:
    """Every input that listens: kind, port, its settings, and where it stands."""
    found: list[tuple[str, str, Object, str]] = []
    for one in told.objects:
        if one.kind == "input":
            ports = re.findall(r"[\w]+", one.of("port")) or [""]
            found += [(one.of("type").lower(), port, one, one.source) for port in ports]
    for kind, port, directives, source in told.inputs:
        found.append((kind, port, Object("old", directives, source), source))
    return [(kind, {"syslog": "514", "syslog-tls": "6514"}.get(port, port), one, at) for kind, port, one, at in found]


def _input(told: Rsyslog, kind: str, values: Object) -> tuple[bool | None, str, str]:
    """Whether an input takes TLS alone, in words, and what would be right."""
    if kind in ("imudp", "imptcp"):
        mend = 'take lines by imtcp with StreamDriver.Name="gtls" StreamDriver.Mode="1" instead.'
        return False, f"{kind} takes lines in plain, the only way that it knows", mend
    if kind == "imrelp":
        mend = 'set tls="on" with tls.caCert, tls.myCert, tls.myPrivKey and tls.authMode="name".'
        on = values.of("tls").lower() == "on"
        return (True, "imrelp takes TLS alone", _NEWER) if on else (False, "imrelp takes lines without TLS", mend)
    if kind != "imtcp":
        return None, f"{kind or 'an input without a type'} is not judged", ""
    mend = 'set StreamDriver.Name="gtls" StreamDriver.Mode="1" at module(load="imtcp" …).'
    if values.kind == "old":
        mode = values.of("inputtcpserverstreamdrivermode")
        driver = told.driver
    else:
        module: Mapping[str, str] = next(
            (one.values for one in told.objects if one.kind == "module" and one.of("load").lower() == "imtcp"), {}
        )
        mode = values.of("streamdriver.mode") or module.get("streamdriver.mode", "")
        driver = values.of("streamdriver.name") or module.get("streamdriver.name", "") or told.driver
    if mode in ("", "0"):
        return False, "imtcp takes lines without TLS (StreamDriver.Mode is 0)", mend
    if mode == "1" and driver in ("gtls", "ossl", "mbedtls"):
        return True, f"imtcp takes TLS alone (stream driver {driver}, mode 1)", _NEWER
    return None, f"stream driver {driver or 'ptcp'} with mode {mode} is not judged", mend


def _at_boot(host: Host) -> list[Door]:
    """What rsyslog would listen at, where it does not run but starts at boot. Raises Unseen."""
    if log_forwarding.running_as(host, "rsyslogd") or starts_at_boot(host, "rsyslog.service") is False:
        return []
    told = log_forwarding.rsyslog(host)
    found = []
    for kind, port, values, source in _inputs(told):
        address = values.of("address") or "0.0.0.0"  # noqa: S104  a comparison
        if kind in ("imtcp", "imudp", "imptcp", "imrelp") and not address.startswith("127.") and address != "::1":
            tls, why, mend = _input(told, kind, values)
            protocol = "udp" if kind == "imudp" else "tcp"
            number = int(port) if port.isdigit() else 0
            why = f"it does not run, but starts at boot: {why}"
            # what is not there cannot be asked, and what it will load may change until then
            found.append(Door("rsyslog", protocol, address, number, tls and None, why, source, f"{source}: {mend}"))
    return found


# -- others -----------------------------------------------------------------------------------------------------------


def _syslog_ng(host: Host, listener: Listener) -> Door | None:
    name, source = "syslog-ng", "/etc/syslog-ng/syslog-ng.conf"
    try:
        drivers = list(log_forwarding.ng_drivers(log_forwarding.syslog_ng_text(host), "source"))
    except Unseen as unseen:
        return _of(name, listener, None, str(unseen), source)
    tcp = listener.protocol.startswith("tcp")
    defaults = {"network": "514", "syslog": "601", "tcp": "514", "udp": "514", "tcp6": "514", "udp6": "514"}
    judged: list[bool | None] = []
    for driver, inside in drivers:
        port = (re.search(r"\bport\s*\(\s*[\"']?(\w+)", inside) or ["", defaults.get(driver, "")])[1]
        transport = (re.search(r"\btransport\s*\(\s*[\"']?([\w-]+)", inside) or ["", "tcp"])[1].lower()
        if port == str(listener.port) and driver in defaults and (transport == "udp" or "udp" in driver) != tcp:
            judged.append(transport == "tls" if driver in ("network", "syslog") and transport in ("tls", "tcp", "udp")
                          else False if "tls" not in inside else None)  # fmt: skip
    if not judged:
        return _of(name, listener, None, "which of its sources listens there cannot be told", source) if tcp else None
    tls = False if False in judged else None if None in judged else True
    mend = f'{source}: take lines by network(transport("tls") tls(…)) alone.'
    why = "syslog-ng takes TLS alone" if tls else "syslog-ng takes lines without TLS" if tls is False else "not judged"
    return _of(name, listener, tls, why, source, "" if tls else mend)


def _journal(host: Host, listener: Listener) -> Door:
    unit = f"{JOURNAL}.service"
    processes = log_forwarding.running_as(host, JOURNAL)
    try:
        words = list(processes[0].argv) if processes else _started_by_socket(host, unit)
    except Unseen as unseen:
        return _of(JOURNAL, listener, None, str(unseen), unit)
    http = log_forwarding.word_values(words, "--listen-http")
    https = log_forwarding.word_values(words, "--listen-https")
    raw = log_forwarding.word_values(words, "--listen-raw")
    if http or raw:
        mend = f"systemctl edit {unit}: give it --listen-https=-3 alone, and restart it."
        return _of(JOURNAL, listener, False, "it takes lines by plain HTTP (--listen-http)" if http else
                   "it takes lines in plain (--listen-raw)", unit, mend)  # fmt: skip
    if https:
        _settings, files = log_forwarding.systemd_settings(host, "journal-remote.conf")
        running = loaded(host, min(one.started for one in processes), files, ()) if processes else None
        told = _of(JOURNAL, listener, True, "it takes lines by https alone (--listen-https)", unit)
        return replace(told, running=running, by_systemd=not processes)
    return _of(JOURNAL, listener, None, "how it takes lines cannot be told", unit)


def _started_by_socket(host: Host, unit: str) -> list[str]:
    shown = host.run("systemctl", "show", unit, "-p", "ExecStart").stdout
    match = re.search(r"argv\[\]=(.*?) ;", shown)
    if not match:
        raise Unseen(f"what {unit} would start cannot be told")
    return match[1].split()


# -- handshakes -------------------------------------------------------------------------------------------------------


def handshake(host: Host, door: Door) -> Layer:
    """What a handshake at a socket of the host shows: TLS of which versions."""
    from .tls_endpoint import NO_TLS, endpoint
    from .tls_messages import TLS1_2, TLS1_3

    if door.by_systemd:
        return Layer(OBSERVED, None, "the first connection would start the service, so none was made")
    try:
        address = _own_address(host, door)
    except Unseen as unseen:
        return Layer(OBSERVED, None, str(unseen))
    told = endpoint(host, address, door.port, None)
    source = f"handshake at port {door.port}"
    if told.unseen == NO_TLS:
        return Layer(OBSERVED, False, "it does not speak TLS", source)
    if told.unseen:
        return Layer(OBSERVED, None, told.unseen, source)
    old = [protocol for protocol in told.accepted if protocol not in (TLS1_2, TLS1_3)]
    if old:
        return Layer(OBSERVED, False, f"it accepts {' and '.join(old)} too", source)
    return Layer(OBSERVED, True, f"it accepts {' and '.join(told.accepted)} alone", source)


def _own_address(host: Host, door: Door) -> str:
    """An address at which a socket of the host answers."""
    if door.address not in ("0.0.0.0", "::"):  # noqa: S104  a comparison
        return door.address
    own = [one for one in own_addresses(host) if (":" in one) == (door.address == "::")] or own_addresses(host)
    if not own:
        raise Unseen("the host has no address to ask it at")
    return own[0]
