# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: whether PostgreSQL, MariaDB and Redis refuse plain connections of other machines.

PRIVATE to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Union

from .._finding import CONFIGURED, NOT_APPLICABLE, OBSERVED, RUNNING, Finding, Layer
from .._host import Host, Listener, Unseen
from .._measure import Question
from .._services import database_links, database_servers
from .._services.addresses import is_address, own_addresses, resolved, shortened
from .._services.database_links import Account, Rule
from .._services.database_servers import MARIADB, POSTGRESQL, REDIS, Server
from .._services.loaded import loaded
from .encrypted_links_doors import (
    EXPECTED,
    NAME,
    TITLES,
    as_layer,
    finding,
    observed,
    others,
    ports,
    tunnelled,
    unclear,
)

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_OLD = ("TLSv1", "TLSv1.0", "TLSv1.1", "SSLv3", "SSLv2")  # NCSC-NL, TLS guidelines 2025-05: to be phased out, or worse
_TLS = "TLS {} and newer are accepted"


def check_postgresql(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That PostgreSQL's rules let nobody in from elsewhere without TLS."""
    yield from _check(host, question, option, POSTGRESQL, _postgresql)


def check_mariadb(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That MariaDB, or each account that can come from elsewhere, needs TLS."""
    yield from _check(host, question, option, MARIADB, _mariadb)


def check_redis(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That Redis has no plain port that other machines can use."""
    yield from _check(host, question, option, REDIS, _redis)


def _check(
    host: Host,
    question: Question,
    option: str,
    kind: str,
    judge: Callable[[Host, Question, Server, Sequence[Listener]], tuple[list[Layer], str]],
) -> Iterator[Finding]:
    if kind not in question.asked[option]:
        return
    found = False
    servers = [one for one in database_servers.servers(host) if one.kind == kind]
    for server in servers:
        for one in _server(host, question, option, server, judge):
            found = True
            yield one
    for one in others(host, question, kind, [pid for server in servers for pid in server.pids], option):
        found = True
        yield one
    if not found:
        what = f"no {TITLES[kind]} listens here, and nothing at the network that could be one"
        yield Finding(NAME, kind, option, TITLES[kind], NOT_APPLICABLE, "", EXPECTED, what, "listening sockets")


def _server(
    host: Host,
    question: Question,
    option: str,
    server: Server,
    judge: Callable[[Host, Question, Server, Sequence[Listener]], tuple[list[Layer], str]],
) -> Iterator[Finding]:
    kind = server.kind
    if server.contained:
        what = "it runs in a container: which connections reach it there is not judged"
        yield unclear(kind, option, server.name, what, server.source, "attest whether it refuses plain connections")
        return
    if not server.running:
        if server.starts is not False:
            what = "it does not run now, and starts at boot: what it would accept cannot be asked"
            yield unclear(kind, option, server.name, what, server.source, "start it, or disable its unit")
        return
    doors = database_links.doors(server)
    try:
        waiting = database_links.waiting_listeners(server) if kind == POSTGRESQL and not doors else ""
    except Unseen:
        waiting = ""  # who is not asked by others is not asked either
    if not doors:
        if waiting:
            what = "listen_addresses was changed: from its next start on other machines may reach it"
            yield unclear(kind, option, server.name, what, "pg_file_settings", "restart it, and audit again")
            return
        what = "only the host itself reaches it: it listens on loopback or Unix sockets alone"
        yield Finding(NAME, kind, option, server.name, NOT_APPLICABLE, "", EXPECTED, what, "listening sockets")
        return
    subject = f"{server.name} {ports(doors)}"
    try:
        ways = [tunnelled(host, question, one.address) for one in doors]
        inside = [way for way in ways if way is not None]
        if len(inside) == len(doors):
            yield finding(kind, option, subject, inside, "let it listen at the tunnel's own address alone")
            return
        layers, remedy = judge(host, question, server, doors)
        yield finding(kind, option, subject, [*layers, *(way for way in inside if not way.good)], remedy)
    except Unseen as unseen:
        layers, remedy = [Layer(RUNNING, None, str(unseen), server.source)], "let root ask it on its Unix socket"
        told = [as_layer(observed(host, question, kind, one)) for one in doors] if kind == REDIS else []
        yield finding(kind, option, subject, [*layers, *(one for one in told if one.good is False)], remedy)


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

_PLAIN_KINDS = ("host", "hostnossl", "hostnogssenc")  # rules that match a connection without encryption
_KEYWORDS = ("all", "replication", "sameuser", "samerole", "samegroup")
_EVERYWHERE: list[Network] = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
_NO_TLS = "hostssl record cannot match because SSL is disabled"


def _postgresql(host: Host, question: Question, server: Server, doors: Sequence[Listener]) -> tuple[list[Layer], str]:
    settings = database_links.postgresql_settings(server)
    hba_file = settings.get("hba_file", "")
    rules = database_links.postgresql_rules(server, hba_file)
    layers = list(_rule_layers(host, question, server, doors, rules, hba_file))
    layers += _plain_sessions(host, question, server)
    encrypted = any(rule.kind in ("host", "hostssl", "hostnogssenc") and _foreign(rule) for rule in rules)
    if encrypted and settings.get("ssl") == "on":
        layers += _postgresql_tls(host, settings)
    for door in doors:
        told = as_layer(observed(host, question, POSTGRESQL, door))
        if told.good is False and _for_itself(host, rules):
            told = Layer(OBSERVED, None, "the host's own address has a rule of its own, and was let in by it")
        layers.append(told)
    remedy = (
        f"write hostssl for host in the rules of other machines in {hba_file}, set ssl = on, and reload; plain "
        "sessions that are open stay so until they end"
    )
    return layers, remedy


def _rule_layers(
    host: Host, question: Question, server: Server, doors: Sequence[Listener], rules: Sequence[Rule], hba_file: str
) -> Iterator[Layer]:
    """What the rules come to: bad where one lets another machine in without encryption."""
    broken = [rule for rule in rules if rule.error and rule.error != _NO_TLS]
    if broken:
        what = f"the server does not understand {len(broken)} lines, and keeps the rules that it loaded before"
        yield Layer(RUNNING, None, what, broken[0].source)
        return
    quoted = _quoted(host, rules, hba_file)
    bad = False
    rejecting: list[Rule] = []
    for rule in rules:
        if rule.kind not in _PLAIN_KINDS:
            continue
        if rule.method == "reject":
            rejecting.append(rule)
            continue
        told = _reaches(host, question, rule, rejecting, doors)
        if told is None:
            continue
        bad = bad or told.good is False
        yield told
    if bad:
        return
    if quoted:
        yield Layer(CONFIGURED, None, "a rule names a user or database that is called like a keyword", quoted)
        return
    yield Layer(CONFIGURED, True, f"none of {len(rules)} rules lets other machines in without encryption", hba_file)
    told = database_links.rules_loaded(server, rules, hba_file)
    shown = Layer(RUNNING, told.good, f"the rules were {told.seen}" if told.good else told.seen, told.source)
    yield shown


def _quoted(host: Host, rules: Sequence[Rule], hba_file: str) -> str:
    """The line in which a keyword is quoted and so is a name, which the server does not tell; '' for none."""
    for path in dict.fromkeys([hba_file, *(rule.file for rule in rules)]):
        for number, line in enumerate(host.read(path).splitlines(), 1):
            if re.search(rf"^[^#]*\"({'|'.join(_KEYWORDS)})\"", line):
                return f"{path}:{number}"
    return ""


def _for_itself(host: Host, rules: Iterable[Rule]) -> bool:
    """Whether a rule lets the host's own addresses in without encryption, as which a plain client here comes."""
    own = [one for one in _own(host) if one.num_addresses == 1]
    for rule in rules:
        networks = _networks(rule)
        plain = rule.kind in _PLAIN_KINDS and rule.method != "reject"
        named = rule.address == "samehost" or networks is None
        if plain and (named or any(_without([one], networks or []) == [] for one in own)):
            return True
    return False


def _foreign(rule: Rule) -> bool:
    """Whether a rule may be about other machines."""
    return rule.method != "reject" and rule.address not in ("127.0.0.1", "::1", "samehost", "localhost")


def _reaches(
    host: Host, question: Question, rule: Rule, rejecting: Sequence[Rule], doors: Sequence[Listener]
) -> Layer | None:
    """A layer for a rule by which another machine gets in plainly, or may; None where it lets none in."""
    what = f"a {rule.kind} rule lets {_who(rule)} in without encryption ({rule.method})"
    left, unsure = _left(rule, rejecting)
    left = [one for one in _without(left, _own(host)) if one.version in _families(doors)]
    left, unseen = _outside_tunnels(host, question, left)
    if not left and not unseen:
        return None
    if _networks(rule) is None:
        return _by_name(host, rule, what)
    if not left:
        return Layer(CONFIGURED, None, f"{what}; {unseen}", rule.source)
    return Layer(CONFIGURED, None if unsure else False, f"{what}{f'; {unsure}' if unsure else ''}", rule.source)


def _left(rule: Rule, rejecting: Iterable[Rule]) -> tuple[list[Network], str]:
    """The addresses of a rule that earlier ones do not reject for all its users and databases; and what is unclear."""
    named = _networks(rule)
    left, unsure = _EVERYWHERE if named is None else named, ""
    for earlier in rejecting:
        rejected, covers = _networks(earlier), _covers(earlier, rule)
        if rejected is None:
            unsure = f"{earlier.source} rejects by a name, whose reach is not known"
        elif covers:
            left = _without(left, rejected)
        elif covers is None and _without(left, rejected) != left:
            unsure = f"{earlier.source} rejects users or databases by a pattern, whose reach is not known"
    return left, unsure


def _outside_tunnels(host: Host, question: Question, left: Sequence[Network]) -> tuple[list[Network], str]:
    """What of networks lies in no tunnel's; and why that of others, where their tunnel is not seen. Raises Unseen."""
    outside, unseen = list(left), ""
    for network in question.settings.get("tunnels") or []:
        way = tunnelled(host, question, network)
        if way is None:
            continue
        inside = [one for one in outside if _within(one, network)]
        if way.good:
            outside = _without(outside, [ipaddress.ip_network(network, strict=False)])
        elif inside:
            outside, unseen = [one for one in outside if one not in inside], way.seen
    return outside, unseen


def _who(rule: Rule) -> str:
    """Whom a rule is about, in words without whole addresses."""
    if rule.address in ("all", "samenet"):
        return "every address" if rule.address == "all" else "every machine of the host's networks"
    if not is_address(rule.address):
        return "machines by name"
    networks = _networks(rule) or []
    length = networks[0].prefixlen if networks else 0
    return "every address" if length == 0 else f"{shortened(rule.address)}{f'/{length}' if length < 32 else ''}"


def _networks(rule: Rule) -> list[Network] | None:
    """The addresses that a rule is about; None where it names a host."""
    if rule.address == "samehost":
        return []
    if rule.address in ("all", "samenet"):  # of the latter, a part; which, nobody here has to know
        return _EVERYWHERE
    if not is_address(rule.address):
        return None
    mask = rule.netmask or rule.address
    whole = ipaddress.ip_address(mask)
    length = bin(int(whole)).count("1") if rule.netmask else whole.max_prefixlen
    return [ipaddress.ip_network(f"{rule.address}/{length}", strict=False)]


def _by_name(host: Host, rule: Rule, what: str) -> Layer | None:
    if rule.address.startswith("."):
        return Layer(CONFIGURED, False, what, rule.source)
    found = resolved([rule.address])
    if rule.address not in found:
        return Layer(CONFIGURED, None, f"{what}; whom that is cannot be told now", rule.source)
    own = set(own_addresses(host))
    return None if set(found[rule.address]) <= own else Layer(CONFIGURED, False, what, rule.source)


def _own(host: Host) -> list[Network]:
    """The addresses that no other machine has: loopback's, and the host's own."""
    loopback = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    return [*loopback, *(ipaddress.ip_network(one) for one in own_addresses(host))]


def _families(doors: Iterable[Listener]) -> set[int]:
    """The versions of IP in which sockets are reached; PostgreSQL's of IPv6 take no IPv4."""
    return {ipaddress.ip_address(one.address).version for one in doors}


def _within(inner: Network, outer: str) -> bool:
    around = ipaddress.ip_network(outer, strict=False)
    return inner.version == around.version and inner.subnet_of(around)  # type: ignore[arg-type]


def _without(networks: Iterable[Network], removed: Iterable[Network]) -> list[Network]:
    """What is left of networks without others."""
    left = list(networks)
    for gone in removed:
        kept: list[Network] = []
        for one in left:
            if one.version != gone.version or not one.overlaps(gone):
                kept.append(one)
            elif one != gone and gone.subnet_of(one):  # type: ignore[arg-type]
                kept += one.address_exclude(gone)  # type: ignore[arg-type]
        left = kept
    return left


def _covers(earlier: Rule, later: Rule) -> bool | None:
    """Whether an earlier rule takes all users and databases of a later one; None where that cannot be told."""
    databases = _takes(earlier.databases, later.databases, whole="all", apart="replication")
    users = _takes(earlier.users, later.users, whole="all", apart="")
    if databases and users:
        return True
    return None if databases is not False and users is not False else False


def _takes(taken: Sequence[str], wanted: Sequence[str], whole: str, apart: str) -> bool | None:
    rest = [one for one in wanted if one not in taken and not (whole in taken and one != apart)]
    if not rest:
        return True
    patterns = any(one[:1] in "+/" or one in _KEYWORDS[2:] for one in taken)
    return None if patterns and whole not in rest else False


def _plain_sessions(host: Host, question: Question, server: Server) -> Iterator[Layer]:
    """Sessions of other machines that are open and not encrypted."""
    own = _own(host)
    foreign = []
    for address, _fetches in database_links.postgresql_plain_sessions(server):
        one = ipaddress.ip_network(address)
        way = tunnelled(host, question, address)
        if _without([one], own) and not (way is not None and way.good):
            foreign.append(address)
    if foreign:
        shown = ", ".join(sorted({shortened(one) for one in foreign})[:3])
        what = f"{len(foreign)} open sessions of other machines are not encrypted ({shown})"
        yield Layer(OBSERVED, False, what, "pg_stat_ssl")


def _postgresql_tls(host: Host, settings: Mapping[str, str]) -> Iterator[Layer]:
    least = settings.get("ssl_min_protocol_version", "")
    if least in ("TLSv1.2", "TLSv1.3"):
        yield Layer(RUNNING, True, _TLS.format(least[4:]), "SHOW ssl_min_protocol_version")
    elif least:
        yield Layer(RUNNING, False, _TLS.format(least[4:]), "SHOW ssl_min_protocol_version")
    else:
        yield Layer(RUNNING, None, "the oldest TLS that it accepts is not set", "SHOW ssl_min_protocol_version")
    yield from _ciphers(host, settings.get("ssl_ciphers", ""), "SHOW ssl_ciphers")


def _ciphers(host: Host, ciphers: str, source: str) -> Iterator[Layer]:
    try:
        plain = database_links.null_ciphers(host, ciphers)
    except Unseen as unseen:
        yield Layer(RUNNING, None, f"whether all its ciphers encrypt cannot be told: {unseen}", source)
        return
    if plain:
        yield Layer(RUNNING, False, f"ciphers that do not encrypt are accepted ({', '.join(plain[:3])})", source)


# -- MariaDB and MySQL ------------------------------------------------------------------------------------------------

# Ways to log in that never send the password itself over a plain connection. What is not in here may: the server then
# refuses the account when the password has been sent.
_HIDING = (
    "mysql_native_password", "ed25519", "parsec", "caching_sha2_password", "sha256_password", "unix_socket",
    "auth_socket", "gssapi", "auth_gssapi", "mysql_old_password",
)  # fmt: skip
_SOCKET_ONLY = {"unix_socket", "auth_socket"}
_MARIADB_REMEDY = (
    "set require_secure_transport = ON under [mysqld], with a certificate (ssl_cert, ssl_key), and restart; plain "
    "connections that are open stay so until they end"
)


def _mariadb(host: Host, question: Question, server: Server, doors: Sequence[Listener]) -> tuple[list[Layer], str]:
    variables = database_links.mariadb_variables(server)
    required = variables.get("require_secure_transport", "").upper() in ("ON", "1")
    layers = list(_mariadb_ports(variables, doors))  # no plain login is tried: it counts those, and locks out by them
    if required:
        layers.append(Layer(RUNNING, True, "require_secure_transport is ON", "SHOW VARIABLES"))
        if not database_links.switched_on(server, "require_secure_transport"):
            what = "its files do not set require_secure_transport: from its next start on it is OFF"
            layers.append(Layer(CONFIGURED, False, what, "my_print_defaults --mysqld"))
        layers += _open_passwords(host, question, server, variables)
        layers += _older_sessions(host, question, server)
    else:
        layers += _by_account(host, question, server, variables)
    layers += _mariadb_tls(host, variables)
    return layers, _MARIADB_REMEDY


def _mariadb_ports(variables: Mapping[str, str], doors: Sequence[Listener]) -> Iterator[Layer]:
    """Sockets that are none of those at which it speaks the protocol that require_secure_transport is about."""
    known = {variables.get(name, "0") for name in ("port", "extra_port", "admin_port")}
    galera = {"4567", "4568", "4444"} if variables.get("wsrep_on", "OFF").upper() == "ON" else set()  # see replication
    for door in doors:
        if str(door.port) not in known | galera:
            what = f"what answers on port {door.port} is not judged"
            if str(door.port) == variables.get("mysqlx_port"):
                what = f"the X protocol answers on port {door.port}, which is not judged"
            yield Layer(RUNNING, None, what, "listening sockets")


def _older_sessions(host: Host, question: Question, server: Server) -> Iterator[Layer]:
    """Sessions of other machines that may have begun before TLS was needed: MariaDB does not tell which use it."""
    if database_links.mariadb_began(server).good:
        return
    own = set(own_addresses(host))
    foreign = []
    for place in database_links.mariadb_sessions(server):
        way = tunnelled(host, question, place)
        found = (place,) if is_address(place) else resolved([place]).get(place, ("",))
        inside = all(one in own or one.startswith("127.") or one == "::1" for one in found)
        if not inside and not (way is not None and way.good):
            foreign.append(place)
    if foreign:
        what = f"{len(foreign)} sessions of other machines are open, and may have begun before it was set"
        yield Layer(RUNNING, None, f"{what}: whether they use TLS is not told", "SHOW PROCESSLIST")


def _by_account(host: Host, question: Question, server: Server, variables: Mapping[str, str]) -> Iterator[Layer]:
    """What accounts come to, where the server as a whole does not need TLS."""
    if variables.get("skip_grant_tables", "OFF").upper() == "ON":
        yield Layer(RUNNING, False, "skip_grant_tables is ON: everybody is let in", "SHOW VARIABLES")
        return
    version = variables.get("version", "")
    found = database_links.accounts(server, version)
    foreign = [one for one in found if _from_elsewhere(host, question, one, variables)]
    plain = [one for one in foreign if one.tls not in ("ANY", "X509", "SPECIFIED")]
    off = "require_secure_transport is OFF"
    if plain:
        shown = ", ".join(sorted({_shown(one) for one in plain})[:3])
        what = f"{off}, and {len(plain)} accounts may come from other machines without TLS ({shown})"
        yield Layer(RUNNING, False, what, "mysql.user")
        return
    yield from _open_passwords(host, question, server, variables)
    what = f"{off}, and each of {len(foreign)} accounts for other machines has REQUIRE SSL or more"
    yield Layer(RUNNING, True, what if foreign else "no account may come from another machine", "mysql.user")


def _open_passwords(host: Host, question: Question, server: Server, variables: Mapping[str, str]) -> Iterator[Layer]:
    """Accounts whose passwords would travel in clear before the server refuses."""
    found = database_links.accounts(server, variables.get("version", ""))
    for one in found:
        odd = [plugin for plugin in one.plugins if plugin and plugin not in _HIDING]
        if odd and _from_elsewhere(host, question, one, variables):
            what = f"{_shown(one)} logs in by {odd[0]}, which may send its password before it is refused"
            yield Layer(RUNNING, None, what, "mysql.user")
            return


def _shown(account: Account) -> str:
    place = account.host if not re.search(r"\d+\.\d+\.\d+|:", account.host) else "…"
    return re.sub(r"[^\x20-\x7e]", "?", f"'{account.user}'@'{place}'")


def _from_elsewhere(host: Host, question: Question, account: Account, variables: Mapping[str, str]) -> bool:
    """Whether an account may log in from another machine. Raises Unseen."""
    if set(account.plugins) <= _SOCKET_ONLY:
        return False
    place = account.host
    if place.lower() == "localhost" or place.startswith("127.") or place == "::1":
        return False
    network = _account_network(place)
    if network is not None:
        way = tunnelled(host, question, str(network))
        return bool(_without([network], _own(host))) and not (way is not None and way.good)
    # without a host, it may come from everywhere
    if not place or "%" in place or "_" in place or ":" in place or re.match(r"[\d.]+", place):
        return True
    if variables.get("skip_name_resolve", "OFF").upper() == "ON":
        return False  # names are never looked up
    found = resolved([place])
    return place not in found or not set(found[place]) <= set(own_addresses(host))


def _account_network(place: str) -> Network | None:
    """The addresses that the host of an account stands for: '10.8.0.%', '10.8.0.0/255.255.255.0', an address."""
    whole = re.fullmatch(r"((?:\d+\.){1,3})%", place)
    if whole:
        numbers = whole[1].rstrip(".").split(".")
        place = f"{'.'.join([*numbers, '0', '0', '0'][:4])}/{8 * len(numbers)}"
    try:
        return ipaddress.ip_network(place, strict=False)
    except ValueError:
        return None


def _mariadb_tls(host: Host, variables: Mapping[str, str]) -> Iterator[Layer]:
    if variables.get("have_ssl", "YES").upper() != "YES" and "mariadb" in variables.get("version", "").lower():
        return  # nobody from elsewhere gets in at all
    versions = [one.strip() for one in variables.get("tls_version", "").split(",") if one.strip()]
    old = [one for one in versions if one in _OLD]
    if old:
        yield Layer(RUNNING, False, f"{old[0].replace('v', ' ')} is accepted", "SHOW VARIABLES LIKE 'tls_version'")
    elif not versions:
        yield Layer(RUNNING, None, "which TLS it accepts is not told", "SHOW VARIABLES LIKE 'tls_version'")
    yield from _ciphers(host, variables.get("ssl_cipher", ""), "SHOW VARIABLES LIKE 'ssl_cipher'")


# -- Redis ------------------------------------------------------------------------------------------------------------

_REDIS_REMEDY = (
    "set port 0 and tls-port 6379 with a certificate (tls-cert-file, tls-key-file), or bind to loopback, and restart"
)


def _redis(host: Host, question: Question, server: Server, doors: Sequence[Listener]) -> tuple[list[Layer], str]:
    told = [observed(host, question, REDIS, door) for door in doors]
    layers: list[Layer] = []
    running: dict[str, str] | None = None
    try:
        running = dict(database_links.redis_running(server))
        layers += _redis_doors(host, running, doors, told, RUNNING, "CONFIG GET")
    except Unseen as unseen:
        layers.append(Layer(OBSERVED, None, str(unseen), "CONFIG GET"))
    try:
        configured, sources, files = database_links.redis_configured(server)
        if running is None or any(running[name] != configured[name] for name in ("port", "tls-port", "tls-cluster")):
            layers += _redis_doors(host, dict(configured), doors, told, CONFIGURED, sources.get("port", files[0]))
        if running is None:
            process = next(one for one in host.processes() if one.pid == server.pids[0])
            layers.append(loaded(host, process.started, files, ()))
    except Unseen as unseen:
        layers.append(Layer(CONFIGURED if running is None else OBSERVED, None, str(unseen), server.source))
    layers += [as_layer(one, denied=True if _protected(running) else None) for one in told]
    return layers, _REDIS_REMEDY


def _protected(running: dict[str, str] | None) -> bool:
    return running is not None and running["protected-mode"] == "yes"


def _redis_doors(
    host: Host, values: dict[str, str], doors: Sequence[Listener], told: Sequence[object], proof: str, source: str
) -> Iterator[Layer]:
    """What the directives say of each socket."""
    answers = [getattr(one, "answer", "") for one in told]
    plain, tls = values["port"], values["tls-port"]
    late = "" if proof == RUNNING else "its file: "
    bus = values["cluster-port"] if values["cluster-port"] != "0" else str(10000 + int(tls if plain == "0" else plain))
    for door, answer in zip(doors, answers):
        port = str(door.port)
        if port == tls:
            yield Layer(proof, True, f"{late}port {port} speaks TLS alone", source)
        elif port == plain and answer == "denied" and values["protected-mode"] == "yes":
            what = f"{late}port {port} is plain, and protected mode refuses all but the host itself"
            yield Layer(proof, True, what, source)
        elif port == plain:
            yield Layer(proof, False, f"{late}port {port} is plain", source)
        elif port == bus and values["cluster-enabled"] == "yes":
            good = values["tls-cluster"] == "yes"
            yield Layer(proof, good, f"{late}the cluster's port {port} is {'TLS' if good else 'plain'}", source)
        elif proof == RUNNING:
            yield Layer(proof, None, f"what answers on port {port} is not judged", source)
    if proof == CONFIGURED and plain != "0" and plain not in [str(door.port) for door in doors]:
        yield Layer(proof, False, f"{late}port {plain} is plain, from its next start on", source)
    if any(str(door.port) == tls for door in doors):
        old = [one for one in values["tls-protocols"].split() if one in _OLD]
        if old:
            yield Layer(proof, False, f"{late}{old[0].replace('v', ' ')} is accepted", source)
        yield from _ciphers(host, values["tls-ciphers"], source)
