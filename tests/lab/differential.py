"""Random configurations of nginx and Apache: what the reader says is logged where, against what really is.

Runs on a host that has the server, as root, with the collection in PYTHONPATH:
    differential.py nginx|apache FIRST_SEED COUNT
Each seed is one configuration; every place in it is asked, and all logs are looked at after each request. Prints each
difference, and last how many configurations and requests there were.
"""

from __future__ import annotations

import contextlib
import glob
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.privacy.hosting.plugins.module_utils._host import Host
from ansible_collections.privacy.hosting.plugins.module_utils._services import virtualhost, web
from ansible_collections.privacy.hosting.plugins.module_utils._services.virtualhost import AccessLog, Place

BASE = Path("/run/differential")
PORT = 18080
SITES = [f"site{number}.example" for number in range(3)]
TRACE = "TRACE"  # asked for in place of a path
# logs beside those in BASE that a configuration without any directive writes
DEFAULT_LOGS = [path for path in ("/var/log/nginx/access.log",) if os.path.exists(path)]


@dataclass(frozen=True)
class Request:
    """One request. mark: stands in all that it sends; source: the address that it comes from."""

    site: str
    target: str
    mark: str
    source: str

    def send(self) -> int:
        """Send it; the status of the answer."""
        method, target = (TRACE, f"/page{self.mark}") if self.target == TRACE else ("GET", self.marked)
        text = (
            f"{method} {target} HTTP/1.1\r\nHost: {self.site}\r\nUser-Agent: agent{self.mark}\r\n"
            f"Referer: http://referer{self.mark}.example/x?{self.mark}q=1\r\n"
            "Max-Forwards: 0\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", PORT), 5, (self.source, 0)) as sock:
            sock.sendall(text.encode())
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        return int(answer.split()[1])

    @property
    def marked(self) -> str:
        """The target with the mark in its query string."""
        return self.target.replace("?", f"?{self.mark}q=1&", 1)

    def shown(self, line: str, status: int) -> set[str]:
        """What of it a line of a log holds."""
        path = f"/page{self.mark}" if self.target == TRACE else self.target.partition("?")[0]
        signs = {
            "domain": self.site in line,
            "path": path in line,
            virtualhost.QUERY: f"{self.mark}q=1" in line,
            "user_agent": f"agent{self.mark}" in line,
            "client_ip": self.source in line,
            "method": ("TRACE" if self.target == TRACE else "GET") in line,
            "status": str(status) in line.replace('"', " ").split(),
            "referer": f"referer{self.mark}" in line,
        }
        return {name for name, there in signs.items() if there}


# -- random configurations --------------------------------------------------------------------------------------


class Nginx:
    """Three sites with locations, locations in them and conditions, each with logs of its own or none."""

    FORMATS: Mapping[str, str] = {
        "full": '$host $remote_addr [$time_iso8601] "$request" $status "$http_user_agent" "$http_referer"',
        "path": '$http_host $remote_addr [$time_local] "$request_method $path" $status "$http_user_agent"',
        "uri": "$server_name $time_iso8601 $request_method $uri $status $args",
        "masked": '$host $masked $msec "$request_uri" "$http_user_agent"',
        "pages": '$page "$agent" $status',
        "none": "$connection $bytes_sent",
    }
    MAPS = r"""
    map $request_uri $path { ~^(?<p>[^?]*) $p; }
    map $remote_addr $masked { ~^(?<net>\d+\.\d+\.\d+)\. $net.0; default 0.0.0.0; }
    map $http_referer $page { "" "-"; ~^(?<r>[^?]*) $r; }
    map $http_user_agent $agent { default $http_user_agent; ~*robot robot; }
    map $http_user_agent $person { default 1; ~*agent 0; }
    map $http_user_agent $everybody { default 1; ~*agent yes; }
    """
    CONDITIONS = ("", "", " if=$person", " if=$everybody")
    PLACES: Mapping[str, str] = {
        "/page": "location /",
        "/exact": "location = /exact",
        "/a/x": "location /a/",
        "/a/b/x": "location /a/ > location /a/b/",
        "/x.php": r"location ~ \.php$",
    }

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.count = 0

    def logs(self) -> str:
        """The access_log directives of one level."""
        kind = self.rng.choice(["none", "none", "one", "one", "two", "off", "off and one", "null", "host"])
        special = {"null": "/dev/null", "host": f"{BASE}/host.$host.log {self.rng.choice(list(self.FORMATS))}"}
        lines = [special[kind]] if kind in special else []
        for _number in range({"one": 1, "two": 2, "off and one": 1}.get(kind, 0)):
            self.count += 1
            name = self.rng.choice([f"{self.count}.log", "shared.log"])
            how = self.rng.choice(["", *self.FORMATS])
            lines.append(f"{BASE}/{name} {how}" + (self.rng.choice(self.CONDITIONS) if how else ""))
        if kind.startswith("off"):
            lines.insert(self.rng.randint(0, len(lines)), "off")
        return "".join(f"access_log {line};\n" for line in lines)

    def location(self, match: str, inner: str = "") -> str:
        condition = f'if ($arg_deep) {{\n{self.logs()} return 202 "x"; }}\n'
        return f'location {match} {{\n{self.logs()}{condition}{inner} return 200 "x"; }}\n'

    def write(self) -> Path:
        """Write a configuration; its main file."""
        (BASE / "conf.d").mkdir()
        for site in SITES:
            locations = [self.location(match) for match in ("/", "= /exact", r"~ \.php$")]
            locations.append(self.location("/a/", self.location("/a/b/")))
            server = f"listen {PORT};\nserver_name {site};\n{self.logs()}{''.join(locations)}"
            (BASE / "conf.d" / f"{site}.conf").write_text(f"server {{\n{server}}}\n")
        formats = "".join(f"log_format {name} '{text}';\n" for name, text in self.FORMATS.items())
        path = BASE / "nginx.conf"
        path.write_text(
            f"user root;\npid {BASE}/pid;\nerror_log {BASE}/error.log;\nevents {{}}\n"
            f"http {{\n{self.MAPS}{formats}{self.logs()}include conf.d/*.conf;\n}}\n"
        )
        return path

    def targets(self) -> Iterator[tuple[str, str]]:
        """What to ask for, each with the place that must answer it."""
        for path, place in self.PLACES.items():
            yield f"{path}?q=1", place
            yield f"{path}?deep=1", f"{place} > if ($arg_deep)"
        yield TRACE, "server"

    def start(self, path: Path) -> None:
        subprocess.run(["nginx", "-c", path, "-e", BASE / "error.log"], check=True)


class Apache:
    """Three sites and a main server with logs, conditions, macros, and formats that get another meaning."""

    FORMATS: Mapping[str, str] = {
        "full": r"%V %a %t \"%r\" %>s \"%{User-Agent}i\" \"%{Referer}i\"",
        "path": r"%{Host}i %h %{%F_%T}t \"%m %U\" %s \"%{user-agent}i\"",
        "own": r"%v %{c}a %{sec}t %U%q",
        "some": r"%!404{Referer}i %404,200{User-Agent}i %m",
        "none": r"%l %u %b",
    }
    MODULES = ("mpm_event", "authz_core", "setenvif", "alias", "macro", "dir")
    CONDITIONS = ("", "", "", " env=!pictures", " env=!nothing", " env=pictures")
    AROUND = ("", "", "", "IfDefine YES", "IfDefine !YES", "IfModule mod_alias.c", "IfModule !alias_module")

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.count = 0

    def log(self, verbs: Sequence[str]) -> str:
        """One directive that makes a log, in a condition or not."""
        self.count += 1
        name = self.rng.choice([f"{BASE}/{self.count}.log", f"{BASE}/shared.log", "${WHERE}/defined.log"])
        how = self.rng.choice([*self.FORMATS, "late", '"%h literal %U"', "undefined"])
        verb = self.rng.choice([*verbs, "pipe"])
        line = f"{verb} {name} {how}{self.rng.choice(self.CONDITIONS)}"
        if verb == "TransferLog":
            line = f"{verb} {name}"
        if verb == "pipe":
            line = f'CustomLog "|/usr/bin/rotatelogs -t {BASE}/piped{self.count}.log 86400" {how}'
        around = self.rng.choice(self.AROUND)
        return f"<{around}>\n{line}\n</{around.partition(' ')[0]}>\n" if around else f"{line}\n"

    def logs(self, *more: str) -> str:
        """The logs of the main server or a site, and what may change their meaning."""
        verbs = ("CustomLog", "CustomLog", "TransferLog", *more)
        text = "".join(self.log(verbs) for _number in range(self.rng.choice([0, 0, 1, 1, 2, 3])))
        changes = {
            r'LogFormat "%U transferred by %h"': 0.2,
            r'LogFormat "%{User-Agent}i late %U" late': 0.3,
            f"Use Logged {BASE}/macro{self.count}.log full": 0.2,
            "UseCanonicalName On": 0.2,
        }
        return text + "".join(f"{line}\n" for line, chance in changes.items() if self.rng.random() < chance)

    def write(self) -> Path:
        """Write a configuration; its main file."""
        (BASE / "sites").mkdir()
        for site in SITES:
            inside = f"ServerName {site}\n{self.logs()}"
            (BASE / "sites" / f"{site}.conf").write_text(f"<VirtualHost *:{PORT}>\n{inside}</VirtualHost>\n")
        (BASE / "late.conf").write_text(r'LogFormat "late %m \"%{Referer}i\"" late' + "\n")
        formats = "".join(f'LogFormat "{text}" {name}\n' for name, text in self.FORMATS.items())
        folder = "/usr/lib/apache2/modules"
        modules = "".join(f"LoadModule {name}_module {folder}/mod_{name}.so\n" for name in self.MODULES)
        path = BASE / "apache.conf"
        path.write_text(
            f"ServerRoot {BASE}\nPidFile {BASE}/pid\nErrorLog {BASE}/error.log\nListen {PORT}\n"
            f"ServerName main.example\nDefaultRuntimeDir {BASE}\n"
            f"Mutex file:{BASE} default\n{modules}Define WHERE {BASE}\nDefine YES\n"
            "TraceEnable On\n<Macro Logged $file %format>\nCustomLog $file %format\n</Macro>\n"
            f'SetEnvIf Request_URI "^/page" pictures\n{formats}{self.logs("GlobalLog")}'
            f"IncludeOptional sites/*.conf\nIncludeOptional nowhere/*.conf\nInclude late.conf\n{self.logs('GlobalLog')}"
        )
        return path

    def targets(self) -> Iterator[tuple[str, str]]:
        """What to ask for, each with the place that must answer it."""
        for target in ("/page?q=1", "/other?q=2", TRACE):
            yield target, "server"

    def start(self, path: Path) -> None:
        subprocess.run(["apache2", "-f", path, "-k", "start"], check=True)


MAKERS = {"nginx": Nginx, "apache": Apache}


# -- comparing --------------------------------------------------------------------------------------------------


class Logs:
    """All logs, and how much of them was seen."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.gained()

    def gained(self) -> dict[str, list[str]]:
        """The lines that each log gained since it was last looked at."""
        found = {}
        for path in (*glob.glob(f"{BASE}/*.log"), *DEFAULT_LOGS):
            lines = Path(path).read_text(errors="replace").splitlines()
            more, self.seen[path] = lines[self.seen.get(path, 0) :], len(lines)
            if more and not path.endswith("/error.log"):
                found[path] = more
        return found

    def gained_within(self, seconds: float) -> dict[str, list[str]]:
        """The lines that each log gains, until the time is over."""
        end = time.monotonic() + seconds
        found = self.gained()
        while time.monotonic() < end:
            time.sleep(0.005)
            for path, lines in self.gained().items():
                found.setdefault(path, []).extend(lines)
        return found


def differences(place: Place, got: Mapping[str, Sequence[str]], request: Request, status: int) -> Iterator[str]:
    """What the reader said of a place, and a request to it showed otherwise."""
    said: dict[str, list[AccessLog]] = {}
    for log in place.logs:
        if log.kind in (virtualhost.FILE, virtualhost.PIPE):
            said.setdefault(log.path.replace("$host", request.site), []).append(log)
    for path in set(got) - set(said):
        yield f"{path}: {len(got[path])} lines, and none was said"
    for path, logs in said.items():
        lines = got.get(path, ())
        least, most = sum(log.always is True for log in logs), len(logs)
        if not least <= len(lines) <= most:
            yield f"{path}: {len(lines)} lines, and {least} to {most} were said"
        if len(lines) == len(logs) == 1:
            yield from (f"{path}: {what}" for what in wrong_fields(logs[0], path, request, lines[0], status))


def wrong_fields(log: AccessLog, path: str, request: Request, line: str, status: int) -> Iterator[str]:
    """What a line lacks or holds otherwise than the reader said of its log."""
    seen = request.shown(line, status)
    said = log.fields - {"time", virtualhost.REWRITTEN}
    if request.target == TRACE:
        said -= {virtualhost.QUERY}
    if log.host_names == virtualhost.OWN or log.path != path:
        said -= {"domain"}
    may = log.fields | log.unclear | ({"path"} if virtualhost.REWRITTEN in log.fields else set())
    for what, fields in (("lacks", said - seen), ("holds", seen - may)):
        if fields:
            yield f"it {what} {sorted(fields)}: {line!r} by {log.format_text!r}"


def compare(kind: str, seed: int) -> tuple[int, list[str]]:
    """One configuration: how many requests were made, and all differences."""
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.mkdir()
    maker = MAKERS[kind](random.Random(seed))
    maker.start(maker.write())
    found: list[str] = []
    asked = 0
    try:
        pid = running()
        (server,) = [one for one in web.web_servers(Host()) if one.pid == pid]
        found += server.problems if server.running.good else [server.running.seen]
        logs = Logs()
        for number, vhost in enumerate(server.vhosts):
            places = {place.context: place for place in vhost.places}
            for turn, (target, context) in enumerate(maker.targets()):
                place = places[context]
                mark, source = f"m{seed}x{turn}x{number}", f"127.1.{number + 1}.{turn + 2}"
                request = Request(vhost.label, target, mark, source)
                status = request.send()
                asked += 1
                got = logs.gained_within(0.25 if any(log.kind == virtualhost.PIPE for log in place.logs) else 0.02)
                wrong = differences(place, got, request, status)
                found += [f"seed {seed}, {vhost.label}{target} ({context}): {one}" for one in wrong]
    finally:
        stop()
    return asked, found


def running() -> int:
    """The pid of the server, once it has written it."""
    end = time.monotonic() + 10
    while not (BASE / "pid").exists() or not (BASE / "pid").read_text().strip():
        if time.monotonic() > end:
            raise SystemExit((BASE / "error.log").read_text())
        time.sleep(0.01)
    return int((BASE / "pid").read_text())


def stop() -> None:
    """End the server, and wait for its end; in a container of our own it becomes our child."""
    pid = running()
    os.kill(pid, 15)
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.01)


def main(kind: str, first: str, count: str) -> int:
    asked = 0
    found: list[str] = []
    for seed in range(int(first), int(first) + int(count)):
        more, wrong = compare(kind, seed)
        asked += more
        found += wrong
    shutil.rmtree(BASE)
    print(*found, f"{count} configurations, {asked} requests, {len(found)} differences", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
