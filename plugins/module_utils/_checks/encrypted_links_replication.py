# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: whether databases replicate over encrypted connections, and make sure from whom.

Who fetches changes from this host is let in by what the checks of 'accepts' judge; here it counts how it is connected.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, RUNNING, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import database_links, database_servers, ldap
from .._services.addresses import is_address, own_addresses, resolved, shortened
from .._services.database_servers import MARIADB, POSTGRESQL, REDIS, Server
from .encrypted_links_doors import NAME, finding, tunnelled

_SENDS, _VERIFIED = "sends", "peer_verified"
_EXPECTED = {
    _SENDS: "changes are replicated over encrypted connections only",
    _VERIFIED: "the other's certificate is checked against an authority and its name",
}
_NO_NAME = "checks the other's certificate against an authority, and no name"


@dataclass(frozen=True)
class Link:
    """A way by which changes come or go. encrypted, verified: as layers; verified None where the other connects."""

    subject: str
    encrypted: Layer
    verified: Layer | None
    remedy: str = ""


def check_replication(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """How each database server replicates."""
    if "replication" not in question.settings[_SENDS]:
        return
    found = False
    for link in _links(host, question):
        layer = link.encrypted if option == _SENDS else link.verified
        if layer is None:
            continue
        found = True
        yield finding("replication", option, link.subject, [layer], link.remedy, _EXPECTED[option])
    for subject, what, source in _unread(host):
        found = True
        remedy = "attest how it replicates"
        yield Finding(NAME, "replication", option, subject, ERROR, "", _EXPECTED[option], what, source, remedy)
    if not found:
        what = "no database server here fetches changes from another machine" + (
            ", and none is fetched from over a connection that could be seen" if option == _SENDS else ""
        )
        yield Finding(NAME, "replication", option, "replication", NOT_APPLICABLE, "", _EXPECTED[option], what, "")


def _links(host: Host, question: Question) -> Iterator[Link]:
    readers: Mapping[str, Callable[[Host, Question, Server], Iterator[Link]]] = {
        POSTGRESQL: _postgresql, MARIADB: _mariadb, REDIS: _redis,
    }  # fmt: skip
    for server in database_servers.servers(host):
        if server.running and not server.contained:
            try:
                yield from readers[server.kind](host, question, server)
            except Unseen as unseen:
                layer = Layer(RUNNING, None, str(unseen), server.source)
                yield Link(server.name, layer, layer, "let root ask it on its Unix socket")
    for process in ldap.servers(host):
        if not process.contained:
            try:
                yield from _directory(host, question, ldap.directory(host, process))
            except Unseen as unseen:
                layer = Layer(CONFIGURED, None, str(unseen), f"process {process.pid} (slapd)")
                yield Link("OpenLDAP", layer, layer)


def _unread(host: Host) -> Iterator[tuple[str, str, str]]:
    """Servers of which nobody here can tell how they replicate."""
    for server in database_servers.servers(host):
        if server.contained:
            yield server.name, "it runs in a container: how it replicates is not judged", server.source
        elif not server.running and server.starts is not False:
            yield server.name, "it does not run now, and starts at boot: it cannot be asked", server.source
    for stranger in database_servers.strangers(host):
        if stranger.name != "OpenLDAP":
            yield stranger.name, f"{stranger.name}: how it replicates is not known to us", stranger.source


def _elsewhere(host: Host, question: Question, place: str) -> bool:
    """Whether a name or address is another machine's, not reached through an encrypted tunnel. Raises Unseen."""
    if not place or place.startswith(("/", "@")) or place.lower() == "localhost":
        return False
    own = set(own_addresses(host))
    if is_address(place):
        way = tunnelled(host, question, place)
        return place not in own and not ipaddress.ip_address(place).is_loopback and not (way is not None and way.good)
    found = resolved([place])
    return place not in found or not set(found[place]) <= own


def _place(place: str) -> str:
    return shortened(place) if is_address(place) else re.sub(r"[^\x21-\x7e]", "?", place)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

_PG_REMEDY = (
    "write sslmode=verify-full, sslrootcert=… and, as host, the name of the other's certificate where it connects"
)
_LOCAL_TOOLS = ("test", "[", "cp", "mv", "true", "ln", "gzip", "zstd", "lz4", "xz", "install", "mkdir", "cat", ":")


def _postgresql(host: Host, question: Question, server: Server) -> Iterator[Link]:
    settings = database_links.postgresql_settings(server)
    ((standby,),) = server.ask("SELECT pg_is_in_recovery()")
    if standby == "t" and settings.get("primary_conninfo"):
        yield from _fetches(host, question, f"{server.name}: standby", settings["primary_conninfo"], "primary_conninfo")
    for name, told in database_links.subscriptions(server):
        shown = re.sub(r"[^\x20-\x7e]", "?", name)
        yield from _fetches(host, question, f"{server.name}: subscription {shown}", told, "pg_subscription")
    plain = [
        address
        for address, fetches in database_links.postgresql_plain_sessions(server)
        if fetches and _elsewhere(host, question, address)
    ]
    for address in dict.fromkeys(plain):
        what = "fetches changes over a connection that is not encrypted"
        layer = Layer(OBSERVED, False, f"{shortened(address)} {what}", "pg_stat_ssl")
        remedy = "let pg_hba.conf refuse it plainly (hostssl), and end its connection"
        yield Link(f"{server.name}: to {shortened(address)}", layer, None, remedy)
    for address in dict.fromkeys(database_links.postgresql_fetchers(server)):
        if address not in plain and _elsewhere(host, question, address):
            layer = Layer(OBSERVED, True, f"{shortened(address)} fetches changes over TLS", "pg_stat_ssl")
            yield Link(f"{server.name}: to {shortened(address)}", layer, None)
    if settings.get("archive_mode", "off") != "off":
        yield from _archives(server, settings)


def _fetches(host: Host, question: Question, subject: str, text: str, source: str) -> Iterator[Link]:
    """How a server fetches from another, by its connection string."""
    told = database_links.conninfo(text)
    places = [one for one in (told.get("hostaddr") or told.get("host") or "").split(",") if one]
    if "service" in told:
        layer = Layer(RUNNING, None, "it connects by a service file, which is not read", source)
        yield Link(subject, layer, layer, _PG_REMEDY)
        return
    foreign = [one for one in places if _elsewhere(host, question, one)]
    if not foreign:
        return
    mode = told.get("sslmode") or ("verify-full" if told.get("sslrootcert") == "system" else "prefer")
    subject = f"{subject} from {', '.join(dict.fromkeys(map(_place, foreign)))}"
    if told.get("gssencmode") == "require":
        layer = Layer(RUNNING, True, "gssencmode is require", source)
        peer = Layer(RUNNING, None, "the other is verified by Kerberos, which is not judged", source)
        yield Link(subject, layer, peer)
        return
    good = mode in ("require", "verify-ca", "verify-full")
    said = f"sslmode is {mode}" + ("" if "sslmode" in told else ", as none is set")
    encrypted = Layer(RUNNING, good, said if good else f"{said}: without TLS it goes on in plain", source)
    if mode == "verify-ca":
        said += f": it {_NO_NAME}"
    yield Link(subject, encrypted, Layer(RUNNING, mode == "verify-full", said, source), _PG_REMEDY)


def _archives(server: Server, settings: Mapping[str, str]) -> Iterator[Link]:
    """Where the server hands its log to another program, which may send it on."""
    command, library = settings.get("archive_command", ""), settings.get("archive_library", "")
    if not library and command in ("", "(disabled)"):
        return
    programs = [library] if library else _programs(command)
    odd = [one for one in map(os.path.basename, programs) if one not in _LOCAL_TOOLS and one != "basic_archive"]
    if odd:
        what = f"archive_command hands changes to {odd[0]}: whether and how it sends them is not judged"
        layer = Layer(RUNNING, None, re.sub(r"[^\x20-\x7e]", "?", what), "archive_command")
        yield Link(f"{server.name}: archive", layer, layer, "attest how it sends them")


def _programs(command: str) -> list[str]:
    """The programs that a simple shell command runs."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return ["a command"]
    if re.search(r"[`$]", command):
        return ["a command"]
    found, first = [], True
    for word in words:
        if word in ("&&", "||", ";", "|", "(", ")"):
            first = True
        elif first and word != "!":
            found.append(word)
            first = False
    return found


# -- MariaDB and MySQL ------------------------------------------------------------------------------------------------


def _mariadb(host: Host, question: Question, server: Server) -> Iterator[Link]:
    variables = database_links.mariadb_variables(server)
    ours = "mariadb" in variables.get("version", "").lower()
    for row in server.ask_named("SHOW ALL SLAVES STATUS" if ours else "SHOW REPLICA STATUS"):
        yield from _replica(host, question, server, row)
    fetching = server.ask("SELECT count(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
    if fetching and fetching[0][0] != "0":
        required = variables.get("require_secure_transport", "").upper() in ("ON", "1")
        what = f"{fetching[0][0]} replicas are connected, and require_secure_transport is {'ON' if required else 'OFF'}"
        what += "" if required else ": whether they use TLS is not told"
        layer = Layer(RUNNING, True if required else None, what, "SHOW PROCESSLIST")
        yield Link(f"{server.name}: to replicas", layer, None, "set require_secure_transport = ON")
    if variables.get("wsrep_on", "OFF").upper() == "ON" and variables.get("wsrep_cluster_address", "") not in (
        "",
        "gcomm://",
    ):
        yield _galera(server, variables)


def _replica(host: Host, question: Question, server: Server, row: Mapping[str, str]) -> Iterator[Link]:
    told = {name.lower().replace("source_", "master_"): value for name, value in row.items()}
    place = told.get("master_host", "")
    if not _elsewhere(host, question, place):
        return
    name = told.get("connection_name") or told.get("channel_name") or ""
    subject = f"{server.name}: replica{f' {name}' if name else ''} from {_place(place)}"
    allowed, verifies = told.get("master_ssl_allowed", ""), told.get("master_ssl_verify_server_cert", "")
    source = "SHOW ALL SLAVES STATUS"
    if not allowed:
        layer = Layer(RUNNING, None, "whether it asks for TLS is not told", source)
        yield Link(subject, layer, layer)
        return
    encrypted = Layer(RUNNING, allowed == "Yes", f"MASTER_SSL is {allowed}", source)
    checked = allowed == "Yes" and verifies == "Yes"
    seen = f"MASTER_SSL is {allowed}, MASTER_SSL_VERIFY_SERVER_CERT {verifies or 'not told'}"
    remedy = "CHANGE MASTER TO MASTER_SSL=1, MASTER_SSL_CA='…', MASTER_SSL_VERIFY_SERVER_CERT=1, after STOP SLAVE"
    yield Link(subject, encrypted, Layer(RUNNING, checked, seen, source), remedy)


def _galera(server: Server, variables: Mapping[str, str]) -> Link:
    """Galera between the nodes of a cluster, and what copies a whole node."""
    options = dict(re.findall(r"\s*([\w.]+)\s*=\s*([^;]*)", variables.get("wsrep_provider_options", "")))
    on = options.get("socket.ssl", "NO").strip().upper() in ("YES", "1", "TRUE", "ON")
    method = variables.get("wsrep_sst_method", "")
    source = "SHOW VARIABLES LIKE 'wsrep%'"
    if not on:
        encrypted = Layer(RUNNING, False, "socket.ssl of wsrep_provider_options is not on", source)
    else:
        what = f"socket.ssl is on; how {method or 'a whole copy'} (wsrep_sst_method) is sent is not judged"
        encrypted = Layer(RUNNING, None, what, source)
    verified = Layer(RUNNING, False, f"Galera {_NO_NAME}" if on else encrypted.seen, source)
    remedy = "set socket.ssl_key, socket.ssl_cert and socket.ssl_ca in wsrep_provider_options, and encrypt in [sst]"
    return Link(f"{server.name}: Galera", encrypted, verified, remedy)


# -- Redis ------------------------------------------------------------------------------------------------------------


def _redis(host: Host, question: Question, server: Server) -> Iterator[Link]:
    try:
        values, source = database_links.redis_running(server), "CONFIG GET"
    except Unseen:
        values, sources, files = database_links.redis_configured(server)
        source = sources.get("replicaof", files[0])
    proof = RUNNING if source == "CONFIG GET" else CONFIGURED
    if proof == CONFIGURED and not values["replicaof"]:  # it may have been told since
        layer = Layer(RUNNING, None, "it does not tell whether it copies another", server.source)
        yield Link(server.name, layer, layer, "let root ask it")
    place = values["replicaof"].split(" ")[0]
    tls = values["tls-replication"] == "yes"
    remedy = "set tls-replication yes, or carry it through an encrypted tunnel and name that in encrypted_links_tunnels"
    if values["replicaof"] and _elsewhere(host, question, place):
        encrypted = Layer(proof, tls, f"tls-replication is {'yes' if tls else 'no'}", source)
        verified = Layer(proof, False, f"Redis {_NO_NAME}" if tls else encrypted.seen, source)
        yield Link(f"{server.name}: replica from {_place(place)}", encrypted, verified, remedy)
    if values["cluster-enabled"] == "yes":
        good = values["tls-cluster"] == "yes"
        encrypted = Layer(proof, good, f"tls-cluster is {'yes' if good else 'no'}", source)
        verified = Layer(proof, False, f"Redis {_NO_NAME}" if good else encrypted.seen, source)
        yield Link(f"{server.name}: cluster", encrypted, verified, "set tls-cluster yes and tls-replication yes")


# -- OpenLDAP ---------------------------------------------------------------------------------------------------------


def _directory(host: Host, question: Question, told: ldap.Directory) -> Iterator[Link]:
    for copy in [one for database in told.databases for one in database.copies]:
        link = _copied(host, question, copy, told.files)
        if link is not None:
            yield link


def _copied(host: Host, question: Question, copy: Mapping[str, str], files: Sequence[str]) -> Link | None:
    provider = re.match(r"(ldaps?)://([^/:]+|\[[^\]]*\])", copy.get("provider", ""))
    if not provider:
        if copy.get("provider", "").startswith("ldapi:"):
            return None
        layer = Layer(CONFIGURED, None, "the provider of a syncrepl setting is not understood", files[0])
        return Link("OpenLDAP: syncrepl", layer, layer)
    place = provider[2].strip("[]")
    if not _elsewhere(host, question, place):
        return None
    begins = copy.get("starttls", "")
    tls = provider[1] == "ldaps" or begins == "critical"
    how = "ldaps" if provider[1] == "ldaps" else f"starttls={begins or 'no'}"
    encrypted = Layer(CONFIGURED, tls, how if tls else f"{how}: it goes on in plain", files[0])
    checks = copy.get("tls_reqcert", "demand")
    verified = Layer(CONFIGURED, tls and checks in ("demand", "hard"), f"{how}, tls_reqcert={checks}", files[0])
    remedy = "write provider=ldaps://… or starttls=critical, and tls_reqcert=demand, into olcSyncrepl"
    return Link(f"OpenLDAP: syncrepl from {_place(place)}", encrypted, verified, remedy)
