# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log lines that leave the host, and those that it receives: by rsyslog, syslog-ng, systemd-journal-upload and -remote,
web servers and others, as configured, with whether that is what runs.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .._finding import Layer
from .._host import Host, Process, Unseen
from .loaded import loaded
from .outgoing import Outgoing, unknown
from .units import starts_at_boot
from .virtualhost import Directive

SYSLOG = "syslog"
# programs that ship log lines and whose configuration is not read, with their units
SHIPPERS: Mapping[str, str] = {
    "vector": "vector.service", "fluent-bit": "fluent-bit.service", "td-agent-bit": "td-agent-bit.service",
    "fluentd": "fluentd.service", "td-agent": "td-agent.service", "filebeat": "filebeat.service",
    "journalbeat": "journalbeat.service", "elastic-agent": "elastic-agent.service", "logstash": "logstash.service",
    "promtail": "promtail.service", "alloy": "alloy.service", "grafana-agent": "grafana-agent.service",
    "otelcol": "otelcol.service", "otelcol-contrib": "otelcol-contrib.service", "nxlog": "nxlog.service",
    "splunkd": "Splunkd.service", "wazuh-agentd": "wazuh-agent.service", "ossec-agentd": "",
    "syslogd": "inetutils-syslogd.service", "metalog": "metalog.service",
    "systemd-netlogd": "systemd-netlogd.service",
}  # fmt: skip
_TLS_DRIVERS = ("gtls", "ossl", "mbedtls")
_WEAK_PRIORITY = re.compile(r"(?<![-!])\b(NULL|ANON|EXPORT|ARCFOUR|VERS-SSL)", re.IGNORECASE)


def running_as(host: Host, *programs: str) -> list[Process]:
    """The processes of some programs on the host itself, by the names of their files."""
    found = [one for one in host.processes() if os.path.basename(one.program) in programs]
    return [one for one in found if not one.contained]


def forwards(host: Host) -> list[Outgoing]:
    """Every way by which log lines leave the host. Raises Unseen."""
    return host.once("log forwards", lambda: list(_forwards(host)))


def _forwards(host: Host) -> Iterator[Outgoing]:
    if running_as(host, "rsyslogd") or starts_at_boot(host, "rsyslog.service") is not False:
        yield from _rsyslog(host)
    if running_as(host, "syslog-ng") or starts_at_boot(host, "syslog-ng.service") is not False:
        yield from _syslog_ng(host)
    yield from _journal(host)
    yield from _upload(host)
    yield from _web(host)
    yield from _haproxy(host)
    yield from _shippers(host)


# -- rsyslog ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Object:
    """An object of rsyslog's configuration: action, input, module or global, with its parameters in small letters."""

    kind: str
    values: Mapping[str, str]
    source: str

    def of(self, *names: str) -> str:
        """The value of a parameter that has several names; '' where it is not set."""
        return next((self.values[name] for name in names if name in self.values), "")


@dataclass
class Rsyslog:
    """What rsyslog is configured to send and receive.

    objects: in their order; sent: ways of the old syntax; directives: those of the old syntax that set something up,
    the last of each name; unclear: what cannot be followed, with where.
    """

    objects: list[Object] = field(default_factory=list)
    old: list[tuple[str, Mapping[str, str], str]] = field(default_factory=list)
    inputs: list[tuple[str, str, Mapping[str, str], str]] = field(default_factory=list)
    directives: dict[str, str] = field(default_factory=dict)
    unclear: list[tuple[str, str]] = field(default_factory=list)

    @property
    def driver(self) -> str:
        """The stream driver where none is named: of global(), else of an old directive."""
        return self._default("defaultnetstreamdriver")

    @property
    def authority(self) -> str:
        """The file of authorities where none is named."""
        return self._default("defaultnetstreamdrivercafile")

    def _default(self, name: str) -> str:
        told = [one.values[name] for one in self.objects if one.kind == "global" and name in one.values]
        return told[-1] if told else self.directives.get(name, "")


_OBJECT = re.compile(r"\b(action|input|module|global)\s*\(", re.IGNORECASE)
_VALUE = re.compile(r"""([\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|`[^`]*`|[^\s)]+)""")
_OLD_SENT = re.compile(r"(?:^|[\s;{&])(@@?)(?:\([^)\s]*\))?(\[[^\]\s]+\]|[^\s;:(){}@\[]+)(?::(\w+))?")
_OLD_MODULE = re.compile(r"(?:^|[\s;{&]):om(\w+):([^\s;]*)")
_OLD_SIGNS = {  # how an action begins that names no module: which one it means
    "mysql": re.compile(r"(?:^|[\s;{&])>[^\s=,]+,"),
    "shell": re.compile(r"(?:^|[\s;{&])\^[^\s]"),
}
_LOCAL_OUTPUTS = frozenset(
    ["omfile", "omusrmsg", "omjournal", "omuxsock", "ompipe", "omstdout", "omdiscard", "omruleset", "omtesting"]
)
_NO_OUTPUT = re.compile(r"(mm|fm|pm|sm)\w+")


def rsyslog(host: Host) -> Rsyslog:
    """What rsyslog's files say. Raises Unseen."""
    return host.once("rsyslog links", lambda: _read_rsyslog(host))


def _read_rsyslog(host: Host) -> Rsyslog:
    from . import rsyslog_rules

    found = Rsyslog()
    commented = False
    for rule in rsyslog_rules.rules(host):
        text, commented = _without_comments(rule.text, commented)
        directive = re.match(r"\$(\w+)\s+(.*)", text)
        if directive:
            _old_directive(found, directive[1].lower(), directive[2].strip().strip('"'), rule.source)
            continue
        if re.match(r"include\s*\(|\$includeconfig", text, re.IGNORECASE):
            found.unclear.append(("what it includes was not followed", rule.source))
        if re.match(r"(template|lookup_table|parser|timezone)\s*\(", text):
            continue
        rest = _objects(text, rule.source, found)
        bare = re.sub(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", '""', rest)
        for sign, target, port in _OLD_SENT.findall(bare):
            setup = {"protocol": "tcp" if sign == "@@" else "udp", "target": target, "port": port, **found.directives}
            found.old.append(("fwd", setup, rule.source))
            if sign == "@@":  # whether it is for the next action too cannot be told
                for name in ("actionsendstreamdriverpermittedpeer", "actionsendstreamdriverauthmode"):
                    if name in found.directives:
                        found.directives[name] = "?"
        for module, rest in _OLD_MODULE.findall(bare):
            found.old.append((module, {"target": rest, **found.directives}, rule.source))
        found.old += [(module, {}, rule.source) for module, sign in _OLD_SIGNS.items() if sign.search(bare)]
    return found


def _without_comments(text: str, inside: bool) -> tuple[str, bool]:
    """A statement without what stands between /* and */, and whether such a comment goes on behind it."""
    kept: list[str] = []
    quote, place = "", 0
    while place < len(text):
        pair = text[place : place + 2]
        if inside:
            inside = pair != "*/"
            place += 1 if inside else 2
            continue
        if not quote and pair == "/*":
            inside = True
            place += 2
            continue
        char = text[place]
        if char in "\"'" and quote in ("", char):
            quote = "" if quote else char
        kept.append(char)
        place += 1
    return "".join(kept).strip(), inside


def _old_directive(found: Rsyslog, name: str, value: str, source: str) -> None:
    if name == "resetconfigvariables":
        found.directives = {key: told for key, told in found.directives.items() if key.startswith("default")}
    elif name in ("inputtcpserverrun", "udpserverrun", "inputrelpserverrun", "inputptcpserverrun"):
        kind = {"i": "imtcp", "u": "imudp"}[name[0]] if name in ("inputtcpserverrun", "udpserverrun") else ""
        kind = kind or ("imrelp" if "relp" in name else "imptcp")
        found.inputs.append((kind, value, dict(found.directives), source))
    else:
        found.directives[name] = value


def _objects(text: str, source: str, found: Rsyslog) -> str:
    """Take the objects out of a statement; what is left of it."""
    kept: list[str] = []
    place = 0
    while True:
        match = _OBJECT.search(text, place)
        if not match:
            return "".join([*kept, text[place:]])
        kept.append(text[place : match.start()])
        end = _closing(text, match.end())
        values = {name.lower(): _bare(value) for name, value in _VALUE.findall(text[match.end() : end])}
        found.objects.append(Object(match[1].lower(), values, source))
        place = end + 1


def _closing(text: str, place: int) -> int:
    """Where the bracket closes that was opened before a place."""
    depth, quote = 1, ""
    for at in range(place, len(text)):
        char = text[at]
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        else:
            depth += {"(": 1, ")": -1}.get(char, 0)
            if not depth:
                return at
    return len(text)


def _bare(value: str) -> str:
    return value[1:-1] if value[:1] in "\"'" and value[-1:] == value[:1] else value


def rsyslog_running(host: Host) -> Layer | None:
    """Whether rsyslog works by its files, which it reads when it starts; None where it does not run. Raises Unseen."""
    from . import rsyslog_rules

    processes = running_as(host, "rsyslogd")
    if not processes:
        return None
    for process in processes:
        for word, following in zip(process.argv, [*process.argv[1:], ""]):
            if word.startswith("-f") and (word[2:] or following) != rsyslog_rules.MAIN:
                raise Unseen(f"rsyslogd (process {process.pid}) reads another file than {rsyslog_rules.MAIN}")
    files = rsyslog_rules.files(host)
    return loaded(host, min(one.started for one in processes), files, {os.path.dirname(path) for path in files[1:]})


def _rsyslog(host: Host) -> Iterator[Outgoing]:
    try:
        told, running = rsyslog(host), rsyslog_running(host)
    except Unseen as unseen:
        yield unknown(SYSLOG, "rsyslog", str(unseen), "rsyslog")
        return
    for why, source in told.unclear:
        yield unknown(SYSLOG, "rsyslog", why, source)
    for kind, values, source in told.old:
        for one in _old_output(host, told, kind, values, source):
            yield replace(one, running=running)
    for action in told.objects:
        if action.kind == "action":
            for one in _output(host, told, action):
                yield replace(one, running=running)


def _old_output(host: Host, told: Rsyslog, kind: str, values: Mapping[str, str], source: str) -> Iterator[Outgoing]:
    """What an action of the old syntax sends."""
    if kind == "fwd":
        sent = _forward(
            values["target"].strip("[]"), values["port"] or "514", values["protocol"], source,
            driver=values.get("actionsendstreamdriver") or told.driver,
            mode=values.get("actionsendstreamdrivermode", ""), auth=values.get("actionsendstreamdriverauthmode", ""),
            peers=values.get("actionsendstreamdriverpermittedpeer", ""), authority=told.authority,
        )  # fmt: skip
        yield _with_authority(host, sent, told.authority)
    elif kind == "relp":
        target, _colon, port = values["target"].rpartition(":")
        yield _plain("rsyslog", (target or port).strip("[]"), port if target else "514", source, "by RELP without TLS")
    elif f"om{kind}" not in _LOCAL_OUTPUTS:
        yield unknown(SYSLOG, f"rsyslog, om{kind}", f"where om{kind} sends lines, and how, is not judged", source)


def _output(host: Host, told: Rsyslog, action: Object) -> Iterator[Outgoing]:
    """What one action sends."""
    kind = action.of("type").lower()
    targets = re.findall(r"[\"']([^\"']+)[\"']", action.of("target")) or [action.of("target")]
    if kind in _LOCAL_OUTPUTS or _NO_OUTPUT.fullmatch(kind):
        return
    if kind == "omfwd":
        for target in targets:
            authority = action.of("streamdriver.cafile") or told.authority
            sent = _forward(
                target.strip("[]"), action.of("port") or "514", action.of("protocol").lower() or "udp", action.source,
                driver=action.of("streamdriver", "streamdriver.name") or told.driver,
                mode=action.of("streamdrivermode", "streamdriver.mode"),
                auth=action.of("streamdriverauthmode", "streamdriver.authmode"),
                peers=action.of("streamdriverpermittedpeers", "streamdriver.permittedpeers"),
                authority=authority, expired=action.of("streamdriver.permitexpiredcerts"),
                priority=action.of("gnutlsprioritystring"),
            )  # fmt: skip
            yield _with_authority(host, sent, authority)
    elif kind == "omrelp":
        yield _relp(action)
    elif kind in ("omelasticsearch", "omhttp"):
        yield from _by_http(action, kind)
    elif kind == "omudpspoof":
        yield _plain("rsyslog", action.of("target"), action.of("port") or "514", action.source, "by UDP")
    elif kind == "ommail":
        why = "by SMTP without TLS, the only way that ommail knows"
        yield _plain("rsyslog", action.of("server"), action.of("port") or "25", action.source, why)
    elif kind in ("ommysql", "ompgsql") and action.of("server") in ("localhost", "127.0.0.1", "::1"):
        return
    else:
        name = kind or "an action without a type"
        yield unknown(SYSLOG, f"rsyslog, {name}", f"how {name} sends lines is not judged", action.source)


def _with_authority(host: Host, one: Outgoing, authority: str) -> Outgoing:
    """The same, unless the file by which the other is verified is not there."""
    if not one.verified or not authority.startswith("/") or host.stat(authority) is not None:
        return one
    return replace(one, verified=None, verified_why=f"{authority}, by which the other is verified, is not there")


def _plain(program: str, target: str, port: str, source: str, how: str, mend: str = "") -> Outgoing:
    """Lines that go unencrypted."""
    mend = (
        mend
        or f'{source}: send them by TLS (protocol="tcp" StreamDriver="gtls" StreamDriverMode="1" '
        'StreamDriverAuthMode="x509/name").'
    )
    return Outgoing(
        SYSLOG, program, target, port, False, f"{program} sends lines in plain ({how})",
        False, f"{program} sends lines in plain ({how}), so nobody is verified", source, mend, mend,
    )  # fmt: skip


def _forward(
    target: str, port: str, protocol: str, source: str, *, driver: str, mode: str, auth: str, peers: str,
    authority: str, expired: str = "", priority: str = "",
) -> Outgoing:  # fmt: skip
    """What omfwd sends."""
    name = "rsyslog"
    if not target or "`" in target + port:
        return unknown(SYSLOG, name, "the target of omfwd is not understood", source)
    if protocol == "udp":
        return _plain(name, target, port, source, "by UDP")
    if protocol != "tcp":
        return unknown(SYSLOG, name, f"the protocol {protocol} of omfwd is not judged", source, target)
    if mode in ("", "0"):
        how = (
            "by TCP without TLS" if driver not in _TLS_DRIVERS else f"StreamDriver {driver}, but StreamDriverMode is 0"
        )
        return _plain(name, target, port, source, how)
    if driver not in _TLS_DRIVERS or mode != "1":
        why = f"StreamDriver {driver or 'ptcp'} with StreamDriverMode {mode} is not judged"
        return unknown(SYSLOG, name, why, source, target)
    if _WEAK_PRIORITY.search(priority):
        return unknown(SYSLOG, name, "which ciphers gnutlsPriorityString lets through is not judged", source, target)
    verified, why = _verified(auth.lower(), peers, authority, expired)
    mend = f'{source}: set StreamDriverAuthMode="x509/name" and StreamDriverPermittedPeers to the name of the other.'
    return Outgoing(
        SYSLOG, name, target, port, True, f"rsyslog sends lines by TLS (StreamDriver {driver}, mode 1)",
        verified, why, source, "", "" if verified else mend,
    )  # fmt: skip


def _verified(auth: str, peers: str, authority: str, expired: str) -> tuple[bool | None, str]:
    """Whether a stream driver makes sure whom it speaks with; it expects the target's name where no peer is named."""
    if auth == "anon":
        return False, "StreamDriverAuthMode is anon: nobody is verified"
    if auth == "x509/certvalid":
        return False, "StreamDriverAuthMode is x509/certvalid: any certificate of the authority is taken"
    if auth == "x509/fingerprint":
        return (
            (True, "the certificate's fingerprint is compared") if peers not in ("", "?") else (None, "no fingerprint")
        )
    if auth not in ("", "x509/name"):
        return None, f"StreamDriverAuthMode {auth} is not understood"
    if peers.strip("[]\"' ") == "*":
        return False, "StreamDriverPermittedPeers is *: any certificate of the authority is taken"
    if not authority:
        return (
            None,
            "the certificate's name is compared, but no file of authorities is set (DefaultNetstreamDriverCAFile)",
        )
    if expired.lower() not in ("", "off"):
        return None, "the certificate's name is compared, but one that has ended may be let pass"
    return True, f"the certificate is checked against {authority} and the name of the other"


def _relp(action: Object) -> Outgoing:
    target, port = action.of("target"), action.of("port") or "514"
    if action.of("tls").lower() != "on":
        mend = f'{action.source}: set tls="on", tls.caCert, tls.authMode="name" and tls.permittedPeer.'
        return _plain("rsyslog", target, port, action.source, "by RELP without TLS", mend)
    if _WEAK_PRIORITY.search(action.of("tls.prioritystring")):
        return unknown(SYSLOG, "rsyslog", "which ciphers tls.priorityString lets through is not judged", action.source)
    auth, peers = action.of("tls.authmode").lower(), action.of("tls.permittedpeer")
    if auth in ("name", "fingerprint") and peers and (auth == "fingerprint" or action.of("tls.cacert")):
        verified: bool | None = True
        why = f"tls.authMode is {auth}, and tls.permittedPeer names the other"
    elif auth == "certvalid" or not action.of("tls.cacert"):
        verified, why = False, "any certificate is taken" if not auth else "any certificate of the authority is taken"
    else:
        verified, why = None, "whom tls.authMode and tls.permittedPeer let pass is not understood"
    mend = f'{action.source}: set tls.caCert, tls.authMode="name" and tls.permittedPeer to the name of the other.'
    return Outgoing(
        SYSLOG, "rsyslog", target, port, True, "rsyslog sends lines by RELP with TLS", verified, why, action.source,
        "", "" if verified else mend,
    )  # fmt: skip


def _by_http(action: Object, kind: str) -> Iterator[Outgoing]:
    """What goes to an Elasticsearch or another HTTP service."""
    servers = re.findall(r"[\"']([^\"']+)[\"']", action.of("server")) or [action.of("server") or "localhost"]
    default = action.of("usehttps").lower() or ("on" if kind == "omhttp" else "off")
    for server in servers:
        scheme, _colon, rest = server.rpartition("://")
        target, port = re.sub(r":\d+$", "", rest.split("/")[0]), action.of("serverport") or ""
        if (scheme or ("https" if default == "on" else "http")).lower() != "https":
            mend = f'{action.source}: set useHttps="on".'
            yield _plain(f"rsyslog ({kind})", target, port, action.source, "by HTTP", mend)
            continue
        open_to_all = [one for one in ("allowunsignedcerts", "skipverifyhost") if action.of(one).lower() == "on"]
        yield Outgoing(
            SYSLOG, "rsyslog", target, port, True, f"{kind} sends lines by https",
            not open_to_all, f"{open_to_all[0]} is on" if open_to_all else "certificate and name are checked",
            action.source, "", f"{action.source}: take {open_to_all[0]} away." if open_to_all else "",
        )  # fmt: skip


# -- syslog-ng --------------------------------------------------------------------------------------------------------

_NG_MAIN = "/etc/syslog-ng/syslog-ng.conf"
_NG_LOCAL = frozenset(["file", "pipe", "unix-stream", "unix-dgram", "usertty", "internal", "pseudofile"])
_NG_PLAIN = frozenset(["tcp", "udp", "tcp6", "udp6"])


def syslog_ng_text(host: Host) -> str:
    """syslog-ng's configuration, files that it includes in their places, comments left out. Raises Unseen."""
    return host.once("syslog-ng", lambda: _ng_text(host, _NG_MAIN, 0))


def _ng_text(host: Host, path: str, depth: int) -> str:
    if depth > 8:
        raise Unseen(f"{path} is included too deep")

    def included(match: re.Match[str]) -> str:
        name = match[1]
        if name == "scl.conf":
            return ""  # definitions that come with it; what uses them is not understood anyway
        pattern = name if name.startswith("/") else f"{os.path.dirname(_NG_MAIN)}/{name}"
        pattern = pattern if re.search(r"[*?\[]", pattern) or "." in os.path.basename(pattern) else f"{pattern}/*.conf"
        return "\n".join(_ng_text(host, one, depth + 1) for one in host.glob(pattern))

    text = re.sub(r"(?m)(^|\s)#.*$", "", host.read(path))
    return re.sub(r"(?m)^\s*@include\s+[\"']?([^\"'\s]+)[\"']?", included, text)


def ng_drivers(text: str, block: str) -> Iterator[tuple[str, str]]:
    """The drivers in all blocks of one kind (destination, source): name, and what stands in its brackets."""
    for match in re.finditer(rf"\b{block}\b[^{{;]*\{{", text):
        end, depth = match.end(), 1
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        inside, place = text[match.end() : end - 1], 0
        while (driver := re.compile(r"([\w-]+)\s*\(").search(inside, place)) is not None:
            close = _closing(inside, driver.end())
            yield driver[1].replace("_", "-").lower(), inside[driver.end() : close]
            place = close + 1


def _syslog_ng(host: Host) -> Iterator[Outgoing]:
    name = "syslog-ng"
    try:
        text = syslog_ng_text(host)
    except Unseen as unseen:
        yield unknown(SYSLOG, name, str(unseen), _NG_MAIN)
        return
    running = _ng_running(host)
    for driver, inside in ng_drivers(text, "destination"):
        if driver not in _NG_LOCAL:
            yield replace(_ng_sent(driver, inside), running=running)


def _ng_running(host: Host) -> Layer | None:
    processes = running_as(host, "syslog-ng")
    if not processes:
        return None
    files = [_NG_MAIN, *host.glob(f"{os.path.dirname(_NG_MAIN)}/conf.d/*.conf")]
    return loaded(host, min(one.started for one in processes), files, [f"{os.path.dirname(_NG_MAIN)}/conf.d"])


def _ng_sent(driver: str, inside: str) -> Outgoing:
    name = "syslog-ng"
    target = (re.match(r"\s*[\"']?([^\"'\s)]+)", inside) or ["", ""])[1]
    port = (re.search(r"\bport\s*\(\s*[\"']?(\w+)", inside) or ["", "514"])[1]
    transport = (re.search(r"\btransport\s*\(\s*[\"']?([\w-]+)", inside) or ["", "tcp"])[1].lower()
    mend = f'{_NG_MAIN}: send them with transport("tls") and tls(ca-file(…) peer-verify(required-trusted)).'
    if driver in _NG_PLAIN and "tls" not in inside:
        return _plain(name, target, port, _NG_MAIN, f"{driver}()", mend)
    if driver not in ("network", "syslog"):
        return unknown(
            SYSLOG, f"{name}, {driver}()", f"how {driver}() of syslog-ng sends lines is not judged", _NG_MAIN
        )
    if transport in ("tcp", "udp"):
        return _plain(name, target, port, _NG_MAIN, f"{driver}() by {transport}", mend)
    if transport != "tls":
        return unknown(SYSLOG, name, f"transport({transport}) of syslog-ng is not judged", _NG_MAIN, target)
    peer = (re.search(r"\bpeer[-_]verify\s*\(\s*[\"']?([\w-]+)", inside) or ["", "required-trusted"])[1].lower()
    authority = re.search(r"\bca[-_](file|dir)\s*\(", inside)
    verified = False if peer not in ("required-trusted", "yes", "on") else True if authority else None
    why = f"peer-verify({peer}) with an authority" if authority else f"peer-verify({peer}) without ca-file or ca-dir"
    return Outgoing(
        SYSLOG, name, target, port, True, f"syslog-ng sends lines by TLS ({driver}())", verified, why, _NG_MAIN,
        "", "" if verified else mend,
    )  # fmt: skip


# -- systemd's journal ------------------------------------------------------------------------------------------------

_DIRECTORIES = ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd")  # weakest first
_TRUSTED = "/etc/ssl/ca/trusted.pem"


def systemd_settings(host: Host, name: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The keys of a file of systemd's and its drop-ins: key -> (value, 'file:line'), and the files. Raises Unseen."""
    main = [path for d in reversed(_DIRECTORIES) if host.stat(path := f"{d}/{name}") is not None][:1]
    drop_ins: dict[str, str] = {}
    for directory in _DIRECTORIES:
        for one in host.names(f"{directory}/{name}.d"):
            if one.endswith(".conf"):
                drop_ins[one] = f"{directory}/{name}.d/{one}"
    files = [*main, *(drop_ins[one] for one in sorted(drop_ins))]
    found: dict[str, tuple[str, str]] = {}
    for path in files:
        for number, line in enumerate(host.read(path).splitlines(), 1):
            match = re.fullmatch(r"\s*([A-Za-z]+)\s*=\s*(.*?)\s*", line)
            if match:
                found[match[1]] = (match[2], f"{path}:{number}")
    return found, files


def _journal(host: Host) -> Iterator[Outgoing]:
    """What journald itself sends to a socket (systemd 256 and later)."""
    from . import journald

    value, source = journald.settings(host).get("ForwardToSocket", ("", ""))
    if value and not value.startswith(("/", "vsock", "@")):
        target, _colon, port = value.rpartition(":")
        yield _plain("journald", target.strip("[]"), port, source, "ForwardToSocket", f"{source}: take the line away.")


def unit_words(host: Host, unit: str, program: str) -> list[str] | None:
    """The words by which a program runs, or would be started by its unit; None where neither. Raises Unseen."""
    processes = running_as(host, program)
    if processes:
        return list(processes[0].argv)
    if starts_at_boot(host, unit) is False:
        return None
    shown = host.run("systemctl", "show", unit, "-p", "ExecStart", "-p", "LoadState").stdout
    if "LoadState=not-found" in shown or "LoadState=masked" in shown:
        return None
    match = re.search(r"argv\[\]=(.*?) ;", shown)
    if not match:
        raise Unseen(f"what {unit} would start cannot be told")
    return match[1].split()


def word_values(words: Iterable[str], *names: str) -> list[str]:
    """The values of an option in a command line, by its long or short names."""
    found, waiting = [], False
    for word in words:
        if waiting:
            found.append(word)
        waiting = word in names
        found += [word[len(name) + 1 :] for name in names if word.startswith(f"{name}=")]
    return found


def _upload(host: Host) -> Iterator[Outgoing]:
    name, unit = "systemd-journal-upload", "systemd-journal-upload.service"
    words = unit_words(host, unit, name)
    if words is None:
        return
    settings, files = systemd_settings(host, "journal-upload.conf")
    url, source = settings.get("URL", ("", unit))
    given = word_values(words, "--url", "-u")
    url, source = (given[-1], unit) if given else (url, source)
    if not url:
        return  # it does not start without
    trust, trust_source = settings.get("TrustedCertificateFile", (_TRUSTED, source))
    given = word_values(words, "--trust")
    trust, trust_source = (given[-1], unit) if given else (trust or _TRUSTED, trust_source)
    processes = running_as(host, name)
    running = loaded(host, min(one.started for one in processes), files, ()) if processes else None
    scheme, _colon, rest = url.rpartition("://")
    where = re.match(r"(?:[^/@]*@)?(\[[^\]]+\]|[^/:]+)(?::(\d+))?", rest)
    target, port = (where[1].strip("[]"), where[2] or "19532") if where else ("", "")
    if scheme == "http":
        mend = f"{source}: write 'URL=https://…', and restart systemd-journal-upload."
        yield replace(_plain(name, target, port, source, "URL=http://…", mend), running=running)
    elif scheme in ("https", "") and target:
        open_to_all = trust in ("-", "all")
        absent = not open_to_all and host.stat(trust) is None
        why = (
            f"TrustedCertificateFile={trust}: nobody is verified" if open_to_all
            else f"{trust}, by which the other is verified, is not there" if absent
            else f"the certificate is checked against {trust} and the name of the other"
        )  # fmt: skip
        yield Outgoing(
            SYSLOG, name, target, port, True, f"{name} sends lines by https", None if absent else not open_to_all, why,
            trust_source if open_to_all else source, "",
            f"{trust_source}: name the file with the authority of the other." if open_to_all or absent else "", running,
        )  # fmt: skip
    else:
        yield unknown(SYSLOG, name, "the URL that it sends to is not understood", source)


# -- others -----------------------------------------------------------------------------------------------------------


def _web(host: Host) -> Iterator[Outgoing]:
    """Lines that web servers hand to another machine themselves."""
    from .web import web_servers

    for server in web_servers(host):
        for directive in _every(server.config):
            if server.name == "nginx" and directive.name in ("access_log", "error_log"):
                yield from _nginx(directive.args, directive.source, server.running if server.pid else None)
            elif server.name == "apache" and directive.name.lower() in (
                "customlog",
                "errorlog",
                "globallog",
                "transferlog",
            ):
                yield from _apache_pipe(directive.args, directive.source)


def _every(directives: Iterable[Directive]) -> Iterator[Directive]:
    for directive in directives:
        yield directive
        yield from _every(directive.block or ())


def _nginx(args: tuple[str, ...], source: str, running: Layer | None) -> Iterator[Outgoing]:
    match = re.match(r"syslog:.*?\bserver=([^,]+)", args[0] if args else "")
    if match and not match[1].startswith("unix:"):
        where = re.match(r"(\[[^\]]+\]|[^:]+)(?::(\d+))?", match[1])
        target, port = (where[1].strip("[]"), where[2] or "514") if where else (match[1], "")
        mend = f"{source}: write to a file or to unix:/dev/log, and let the host's own syslog send by TLS."
        yield replace(
            _plain("nginx", target, port, source, "by UDP, the only way that it knows", mend), running=running
        )


def _apache_pipe(args: tuple[str, ...], source: str) -> Iterator[Outgoing]:
    command = next((word for word in args if word.startswith("|")), "")
    if re.search(r"\blogger\b.*\s(-n|--server)\b", command):
        target = (re.search(r"(?:-n|--server)[\s=]+(\S+)", command) or ["", ""])[1]
        mend = f"{source}: write to a file or to the host's own syslog, and let that send by TLS."
        yield _plain("Apache", target, "514", source, "by logger", mend)
    elif re.search(r"\b(nc|ncat|netcat|socat|openssl|ssh)\b", command):
        yield unknown(SYSLOG, "Apache", "how the program that it hands its log to sends it on is not judged", source)


def _haproxy(host: Host) -> Iterator[Outgoing]:
    path = "/etc/haproxy/haproxy.cfg"
    if not (running_as(host, "haproxy") or starts_at_boot(host, "haproxy.service")) or host.stat(path) is None:
        return
    for number, line in enumerate(host.read(path).splitlines(), 1):
        match = re.match(r"\s*log\s+(?!global\b|stdout\b|stderr\b|/|unix@|fd@)(\S+)", line)
        if not match:
            continue
        source = f"{path}:{number}"
        where = re.fullmatch(r"(?:udp@|udp4@|udp6@|ipv4@|ipv6@)?([^@$%]+?)(?::(\d+))?", match[1])
        if where:
            mend = f"{source}: write to /dev/log, and let the host's own syslog send by TLS."
            yield _plain("haproxy", where[1].strip("[]"), where[2] or "514", source, "by UDP", mend)
        else:
            yield unknown(
                SYSLOG, "haproxy", f"how it sends lines to {match[1].partition('@')[0]} is not judged", source
            )


def _shippers(host: Host) -> Iterator[Outgoing]:
    """Programs that ship lines by rules of their own."""
    seen: dict[str, str] = {}
    for process in host.processes():
        name = os.path.basename(process.program)
        if name in SHIPPERS:
            seen.setdefault(name, "in a container" if process.contained else "process")
        elif process.contained and name in ("rsyslogd", "syslog-ng"):
            seen.setdefault(name, "in a container")
        elif name in ("ruby", "java") and re.search(r"\b(fluentd|td-agent|logstash)\b", " ".join(process.argv)):
            seen.setdefault("fluentd" if "java" not in name else "logstash", "process")
    for name, unit in SHIPPERS.items():
        if unit and name not in seen and starts_at_boot(host, unit):
            seen[name] = unit
    for name, where in seen.items():
        yield unknown(SYSLOG, name, f"where {name} sends lines, and how, is not judged", f"{name} ({where})")
    if any(os.path.basename(one.program) == "auditd" for one in host.processes()):
        yield from _audit(host)


def _audit(host: Host) -> Iterator[Outgoing]:
    """Records of the kernel's audit that auditd hands to another machine."""
    plugin, path = "/etc/audit/plugins.d/au-remote.conf", "/etc/audit/audisp-remote.conf"
    if host.stat(plugin) is None or not re.search(r"(?m)^\s*active\s*=\s*yes", host.read(plugin)):
        return
    text = host.read(path)
    told = dict(re.findall(r"(?m)^\s*(\w+)\s*=\s*(\S*)\s*$", text))
    if told.get("enable_krb5", "no") == "no" and told.get("transport", "tcp").lower() == "tcp":
        mend = f"{path}: let rsyslog send the records by TLS instead."
        yield _plain("auditd", told.get("remote_server", ""), told.get("port", "60"), path, "audisp-remote", mend)
    else:
        yield unknown(SYSLOG, "auditd", "how audisp-remote sends records is not judged", path)
