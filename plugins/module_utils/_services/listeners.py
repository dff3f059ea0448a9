# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which service each listening socket belongs to, and which of them nobody here knows.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._host import Host, Listener, Process

WEB = "web"
# Programs that serve no web sites to visitors, by the name of their file, and those whose configuration we read. What
# can serve web pages and is not read (caddy, haproxy, node, …) must not be in here.
KNOWN: Mapping[str, str] = {
    program: kind
    for kind, programs in {
        WEB: "nginx apache2 httpd",
        "remote login": "sshd sshd-session sshd-auth dropbear",
        "mail": "master smtpd exim exim4 sendmail sendmail-mta dovecot imap-login pop3-login managesieve-login lmtp "
        "submission-login opendkim opendmarc spamd clamd freshclam postgrey policyd-spf postsrsd milter-greylist",
        "names": "named unbound nsd knotd kresd pdns_server pdns_recursor dnsmasq systemd-resolved avahi-daemon",
        "clock": "chronyd ntpd ntpsec systemd-timesyncd openntpd",
        "network": "systemd-networkd dhclient dhcpcd NetworkManager charon openvpn keepalived bird frr radvd",
        "databases": "mysqld mariadbd postgres redis-server valkey-server memcached mongod slapd ns-slapd pgbouncer "
        "redis-check-rdb valkey-check-rdb",  # what Debian's servers are links to
        "files": "rpcbind rpc.statd rpc.mountd rpc.nfsd nfsd smbd nmbd winbindd rsync vsftpd proftpd pure-ftpd",
        "logs": "rsyslogd syslog-ng systemd-journal-remote auditd",
        "watching": "zabbix_agentd zabbix_agent2 munin-node nrpe snmpd collectd prometheus-node-exporter node_exporter "
        "fail2ban-server qemu-ga",
        "backup": "bacula-fd bareos-fd borg burp",
    }.items()
    for program in programs.split()
}
# what systemd itself listens for, to start the service on the first connection
_SYSTEMD_PORTS = {22: "remote login", 111: "files", 19532: "logs"}
_KERNEL_PORTS = {2049: "files"}
_WEB_UDP_PORTS = (80, 443)
# programs that serve web pages: known by name even where they listen out of our sight, in a container
_WEB_PROGRAMS = frozenset(["angie", "caddy", "envoy", "h2o", "haproxy", "hitch", "lighttpd", "traefik", "varnishd"])


@dataclass(frozen=True)
class UnknownListener:
    """A program that listens to the network, and that we do not know. where: ':443, :80', or a container."""

    program: str
    where: str

    def __str__(self) -> str:
        return f"unknown listener {self.program} on {self.where}"


def unknown_listeners(host: Host) -> list[UnknownListener]:
    """Programs that listen to more than the host itself and belong to no service that we know. Raises Unseen."""
    return host.once("unknown_listeners", lambda: list(_unknown(host)))


def unread_web_servers(host: Host) -> list[tuple[str, Listener]]:
    """The sockets that other machines can reach of programs that serve web pages, and that we do not read.

    Each with the program's name. Raises Unseen.
    """
    processes = {process.pid: process for process in host.processes()}
    found = []
    for listener in host.listeners():
        programs = {_program(processes[pid]) for pid in listener.pids if pid in processes}
        if listener.protocol.startswith("tcp") and reachable(listener):
            found += [(program, listener) for program in sorted(programs & _WEB_PROGRAMS)]
    return found


def reachable(listener: Listener) -> bool:
    """Whether a socket listens to more than the host itself."""
    return not ipaddress.ip_address(listener.address).is_loopback


def unknown_sockets(host: Host) -> Iterator[tuple[str, Listener]]:
    """The sockets that such programs hold, each with the program's name. Raises Unseen."""
    processes = {process.pid: process for process in host.processes()}
    for listener in filter(reachable, host.listeners()):
        if listener.protocol.startswith("udp") and listener.port not in _WEB_UDP_PORTS:
            continue
        for program in _strangers(listener, (processes[pid] for pid in listener.pids if pid in processes)):
            yield program, listener


def _unknown(host: Host) -> Iterator[UnknownListener]:
    processes = {process.pid: process for process in host.processes()}
    ports: dict[str, set[int]] = {}
    for program, listener in unknown_sockets(host):
        ports.setdefault(program, set()).add(listener.port)
    for program in sorted(ports):
        yield UnknownListener(program, ", ".join(f":{port}" for port in sorted(ports[program])))
    contained = {_program(process) for process in processes.values() if process.contained}
    for program in sorted(contained & _WEB_PROGRAMS - set(ports)):
        yield UnknownListener(program, "a container's ports")


def _strangers(listener: Listener, holders: Iterable[Process]) -> Iterator[str]:
    """The unknown ones among the programs that hold a socket."""
    programs = {_program(process) for process in holders}
    if not programs and listener.port not in _KERNEL_PORTS:
        yield "(a process that cannot be seen)"
    if programs == {"systemd"} and listener.port not in _SYSTEMD_PORTS:
        yield "systemd (a socket unit)"
    yield from sorted(program for program in programs if program not in KNOWN and program != "systemd")


def _program(process: Process) -> str:
    """The name of the file that a process runs; scripts are their interpreter's."""
    return os.path.basename(process.program) or process.name
