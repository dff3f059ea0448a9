# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role encrypted_links changes in PostgreSQL: rules that let other machines in, and settings of TLS.

pg_hba.conf has no drop-in: words of it are edited in place. Settings go into a drop-in. Both are read back as the
server itself understands them, before it is told to load them.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._change import LIMITS, ChangeError, Transaction
from .._host import Host, Unseen
from .._services import tls_clients
from .._services.database_servers import POSTGRESQL, Server, servers
from .._services.plain_clients import ANSWERED, REFUSED, ask_postgresql
from . import link_certificate
from .link_edits import HEADER, Wanted, doors, is_reached, network, refuse_to_cut_off, settled, within

_OLDEST = 120000  # the first with ssl_min_protocol_version
_OWN = "zz-privacy-hosting-links.conf"  # behind those that begin with a number
_SETTINGS = ("ssl", "ssl_cert_file", "ssl_key_file", "ssl_min_protocol_version")
_ASKED = (
    "SELECT name, setting FROM pg_settings WHERE name IN ('ssl', 'ssl_cert_file', 'ssl_key_file', "
    "'ssl_min_protocol_version', 'config_file', 'hba_file', 'data_directory', 'server_version_num')"
)
_WEAK = ("", "TLSv1", "TLSv1.1")
_SNAKEOIL = link_certificate.Pair("/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key")
_ALL_LOOPBACK, _LOOPBACK = ("127.0.0.0/8", "::1/128"), ("127.0.0.1/32", "::1/128")
_OF_THE_HOST = ("samehost", "localhost")
_FIELD = r'(?:"[^"]*"|[^\s",#])+(?:,\s*(?:"[^"]*"|[^\s",#])+)*'
_RULE = re.compile(
    rf"(?P<before>\s*)(?P<type>host|hostnogssenc)(?P<gap>\s+)(?P<who>{_FIELD}\s+{_FIELD}\s+)"
    rf"(?P<address>{_FIELD})(?P<mask>\s+[0-9a-fA-F.:]+(?=\s))?(?P<rest>\s+\S.*)"
)
_RULES = (
    "SELECT {}, line_number, type, database::text, user_name::text, coalesce(address, ''), coalesce(netmask, ''), "
    "coalesce(auth_method, ''), coalesce(error, '') FROM pg_hba_file_rules ORDER BY {}"
)
_PLAIN = (
    "SELECT host(a.client_addr), count(*) FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid) "
    "LEFT JOIN pg_stat_gssapi g USING (pid) WHERE a.client_addr IS NOT NULL AND NOT coalesce(s.ssl, false) "
    "AND NOT coalesce(g.encrypted, false) GROUP BY 1"
)


@dataclass(frozen=True)
class _Rule:
    """A rule of pg_hba.conf, as the server reads it. address: '' of a Unix socket, else a network, a name or a word."""

    file: str
    line: int
    kind: str
    database: str
    user: str
    address: str
    mask: str
    method: str
    error: str

    @property
    def source(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def place(self) -> str:
        """Its network as '192.0.2.0/24', else the word that it has for it."""
        found = network(self.address, self.mask)
        return str(found) if found is not None else self.address

    def lets_in_plain(self, kept: Collection[str]) -> bool:
        """Whether other machines get in without TLS by it. kept: networks that may."""
        plain = self.kind in ("host", "hostnossl", "hostnogssenc") and self.method != "reject"
        return plain and self.place not in _OF_THE_HOST and not within(self.place, (*_ALL_LOOPBACK, *kept))

    def holds(self, place: str) -> bool:
        """Whether its addresses include a network."""
        return self.address in ("all", "samenet") or within(place, [self.place])


def plan(host: Host, transaction: Transaction, wanted: Wanted) -> Iterator[str]:
    """Fill the transaction for every PostgreSQL. Yields what an administrator must know. Raises Unseen, ChangeError."""
    if POSTGRESQL not in wanted.accepts:
        return
    for server in servers(host):
        if server.kind != POSTGRESQL:
            continue
        if server.contained or not server.running:
            why = "runs in a container" if server.contained else "does not run"
            yield f"{server.name} {why}, and was left as it is"
        elif is_reached(host, server.pids):
            _plan(host, transaction, wanted, server)


def _plan(host: Host, transaction: Transaction, wanted: Wanted, server: Server) -> None:
    now = {row[0]: row[1] for row in server.ask(_ASKED)}
    if int(now.get("server_version_num", 0)) < _OLDEST:
        raise ChangeError(f"{server.name}: only PostgreSQL 12 and newer are known; it was left as it is")
    if not server.unit:
        raise ChangeError(f"{server.name} runs in no unit of systemd that could be reloaded; it was left as it is")
    rules = _rules(server, now)
    plain = _plain_rules(server, rules, wanted)
    own = _drop_in(host, now)
    settings = _settings(host, transaction, wanted, server, now, own)
    if plain:
        refuse_to_cut_off(
            wanted, server.name, _open_now(server, wanted), "have those clients use TLS (sslmode=require) first"
        )
    for file in dict.fromkeys(rule.file for rule in plain):
        transaction.write(file, _edited(transaction, file, plain, rules, wanted))
    if settings and own:
        text = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
        transaction.write(own, HEADER + text, 0o644)
    elif settings:
        lines = ", ".join(f"{key} = '{value}'" for key, value in settings.items())
        raise ChangeError(f"{now['config_file']} has no include_dir for a file of ours: write there {lines}")
    if not transaction.changed:
        return
    _prove(host, transaction, wanted, server, now, settings, own, any(rule.place in _OF_THE_HOST for rule in rules))


# -- rules ------------------------------------------------------------------------------------------------------------


def _rules(server: Server, now: Mapping[str, str]) -> list[_Rule]:
    """The rules as its files have them now. Raises Unseen, ChangeError: a fault in them."""
    several = int(now["server_version_num"]) >= 160000  # it can include other files
    rows = server.ask(_RULES.format("file_name", "rule_number") if several else _RULES.format("''", "line_number"))
    found = [_Rule(row[0] or now["hba_file"], int(row[1]), *row[2:9]) for row in rows]
    for rule in found:
        if rule.error and "SSL is disabled" not in rule.error:  # no fault, and not so any more once it is on
            raise ChangeError(f"{rule.source}: {server.name} does not understand this rule: {rule.error}")
    return found


def _plain_rules(server: Server, rules: Sequence[_Rule], wanted: Wanted) -> list[_Rule]:
    """The rules to edit. Raises ChangeError for one whose edit would be a guess."""
    found = [rule for rule in rules if rule.lets_in_plain(wanted.tunnels)]
    for rule in found:
        if rule.kind == "hostnossl":
            raise ChangeError(
                f"{rule.source}: 'hostnossl' lets other machines in without TLS alone; take that line of {server.name} "
                "away, or write 'hostssl' there"
            )
        if rule.method == "gss":
            raise ChangeError(
                f"{rule.source}: this rule of {server.name} may be for clients that Kerberos encrypts; write it as "
                "'hostssl', and once more as 'hostgssenc'"
            )
    return found


def _edited(transaction: Transaction, file: str, plain: Sequence[_Rule], rules: Sequence[_Rule], wanted: Wanted) -> str:
    """A file of rules with 'hostssl' for 'host' where other machines may come in. Raises ChangeError."""
    lines = transaction.look(os.path.realpath(file)).data.decode("utf-8", "surrogateescape").split("\n")
    for rule in sorted((rule for rule in plain if rule.file == file), key=lambda rule: -rule.line):
        match = _RULE.fullmatch(lines[rule.line - 1]) if rule.line <= len(lines) else None
        if match is None or lines[rule.line - 1].endswith("\\"):
            raise ChangeError(f"{rule.source}: this rule is not written in a way that can be edited; write 'hostssl'")
        gap = match["gap"]
        added = len("hostssl") - len(match["type"])
        gap = gap[added:] if 0 < added < len(gap) and not gap.strip(" ") else gap
        rest = f"{match['address']}{match['mask'] or ''}{match['rest']}"
        lines[rule.line - 1] = f"{match['before']}hostssl{gap}{match['who']}{rest}"
        lines[rule.line - 1 : rule.line - 1] = [
            f"{match['before']}{match['type']}{match['gap']}{match['who']}{place}{match['rest']}"
            for place in _kept_plain(rule, rules, wanted)
        ]
    return "\n".join(lines)


def _kept_plain(rule: _Rule, rules: Sequence[_Rule], wanted: Wanted) -> Iterator[str]:
    """What a rule let in that may go on without TLS, and that no rule before it decides about."""
    places = [*_LOOPBACK, *(str(one) for one in map(network, wanted.tunnels) if one is not None)]
    earlier = rules[: rules.index(rule)]
    for place in places:
        if rule.address == "samenet" and place not in _LOOPBACK:
            continue
        if rule.holds(place) and not any(one.holds(place) and _decides(one, rule) for one in earlier):
            yield place


def _decides(earlier: _Rule, rule: _Rule) -> bool:
    """Whether a rule leaves a later one none of its plain connections, as far as databases and users go."""
    databases = earlier.database in (rule.database, "{all}") and (
        earlier.database == rule.database or "replication" not in rule.database
    )
    return earlier.kind in ("host", "hostnossl") and databases and earlier.user in (rule.user, "{all}")


def _open_now(server: Server, wanted: Wanted) -> dict[str, int]:
    """The number of plain connections that come over the network, by address."""
    kept = (*_ALL_LOOPBACK, *wanted.tunnels)
    return {row[0]: int(row[1]) for row in server.ask(_PLAIN) if not within(row[0], kept)}


# -- settings ---------------------------------------------------------------------------------------------------------


def _drop_in(host: Host, now: Mapping[str, str]) -> str:
    """The file of our own that the main file includes, '' where it includes no directory."""
    found = re.findall(r"^\s*include_dir\s*=?\s*'([^']+)'", host.read(now["config_file"]), re.MULTILINE)
    directories = [os.path.join(os.path.dirname(now["config_file"]), name) for name in found]
    return f"{directories[-1]}/{_OWN}" if directories and host.stat(directories[-1]) is not None else ""


def _settings(
    host: Host, transaction: Transaction, wanted: Wanted, server: Server, now: Mapping[str, str], own: str
) -> dict[str, str]:
    """The settings of the drop-in: those that are not as they shall be, and those that it has already."""
    text = host.read(own) if own and host.stat(own) is not None else ""
    found = dict(re.findall(r"^(\w+) = '([^']*)'$", text, re.MULTILINE))
    if now["ssl"] != "on":
        found["ssl"] = "on"
    if now["ssl_min_protocol_version"] in _WEAK:
        found["ssl_min_protocol_version"] = "TLSv1.2"
    pair = _pair(host, transaction, wanted, server, now, found)
    if pair is not None:
        found["ssl_cert_file"], found["ssl_key_file"] = pair.certificate, pair.key
    return {key: found[key] for key in _SETTINGS if key in found}


def _pair(
    host: Host,
    transaction: Transaction,
    wanted: Wanted,
    server: Server,
    now: Mapping[str, str],
    found: Mapping[str, str],
) -> link_certificate.Pair | None:
    """The certificate that it gets, None where it keeps its own. Raises ChangeError where there is none."""
    present = os.path.join(now["data_directory"], now["ssl_cert_file"])
    there = host.stat(present) is not None
    pair = link_certificate.given(wanted)
    if pair is not None and ("ssl_cert_file" in found or not there or link_certificate.is_placeholder(host, present)):
        name = "postgresql-" + re.sub(r"\W+", "-", server.name.rpartition(" ")[2]).strip("-")
        user = pwd.getpwuid(os.stat(now["data_directory"]).st_uid).pw_name
        reload = f"systemctl reload {server.unit}"
        return link_certificate.for_service(host, transaction, pair, name, user, reload)
    if there:
        return None
    if host.stat(_SNAKEOIL.certificate) is not None:
        return _SNAKEOIL
    raise ChangeError(
        f"{server.name} has no certificate ({present}): set encrypted_links_certificate and encrypted_links_key"
    )


# -- that it is so ----------------------------------------------------------------------------------------------------


def _prove(
    host: Host,
    transaction: Transaction,
    wanted: Wanted,
    server: Server,
    now: Mapping[str, str],
    settings: Mapping[str, str],
    own: str,
    exempt: bool,
) -> None:
    """Have the server read the files before it loads them, and try a connection when it has.

    exempt: a rule is for the host itself, from which it is tried.
    """

    def judged(judge: Callable[[Server], str]) -> Callable[[], str]:
        def asked() -> str:
            try:
                return judge(replace(server, host=Host(LIMITS)))  # what was asked before the change is not asked again
            except (ChangeError, Unseen) as error:
                return str(error)

        return asked

    places = [door for door in doors(host, server.pids) if not within(door[0], wanted.tunnels)][:2]
    before = {} if transaction.check else {door: ask_postgresql(*door).answer for door in places}
    transaction.judges.append(judged(lambda new: _not_read(new, now, wanted, settings, own)))
    transaction.reloads.append(server.unit)
    transaction.proofs.append(judged(lambda new: settled(lambda: _not_so(server.name, before, exempt))))


def _not_read(server: Server, now: Mapping[str, str], wanted: Wanted, settings: Mapping[str, str], own: str) -> str:
    """What the server reads in its files that is not as it shall be, '' if nothing."""
    left = [rule for rule in _rules(server, now) if rule.lets_in_plain(wanted.tunnels)]
    if left:
        return f"{left[0].source} still lets other machines in without TLS"
    rows = server.ask("SELECT name, setting, sourcefile, sourceline, coalesce(error, '') FROM pg_file_settings")
    last = {row[0]: row for row in rows}
    for key, value in settings.items():
        row = last.get(key, [key, "", own, "0", "it is not read"])
        if row[4]:
            return f"{row[2]}:{row[3]}: {server.name} does not take '{key}': {row[4]}"
        if row[1] != value:
            how = f"'ALTER SYSTEM RESET {key}'" if row[2].endswith(".auto.conf") else "take that line away"
            return f"{row[2]}:{row[3]}: '{key} = {row[1]}' wins over {own}; {how}"
    return ""


def _not_so(name: str, before: Mapping[tuple[str, int], str], exempt: bool) -> str:
    """Why a connection to the host's own addresses is not refused in plain, or gets no TLS; '' if all is well."""
    for (address, port), answer in before.items():
        now = ask_postgresql(address, port)
        if now.answer == ANSWERED and not exempt:
            return f"{name}: {now.seen}, after the change too"
        if answer == ANSWERED and now.answer not in (ANSWERED, REFUSED):
            return f"{name}: a client that was answered before the change gets no answer with TLS now ({now.seen})"
        if not _speaks_tls(address, port):
            return f"{name} does not speak TLS 1.2 or newer on :{port}"
    return ""


def _speaks_tls(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(struct.pack("!II", 8, 80877103))
            if connection.recv(1) != b"S":
                return False
            with tls_clients.of_today().wrap_socket(connection):
                return True
    except OSError:
        return False
