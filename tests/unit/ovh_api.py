# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OVH API on loopback: a proxy that plays eu.api.ovh.com itself, over TLS, to an unaltered python-ovh.

It checks what python-ovh sends as the API's documentation says: application, time stamp, consumer key and signature,
or an OAuth2 token; then the rights of whoever asks. The forms of its answers are those of the published schemas.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections import Counter
from fnmatch import fnmatchcase
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

API_HOST = "eu.api.ovh.com"
TOKEN_HOST = "www.ovh.com"  # noqa: S105

APPLICATION_KEY = "7kbG7Bk7S9Nt7ZSV"
APPLICATION_SECRET = "EXEgWIz07P0HYwtQDs7cNIqCiQaWSuHF"  # noqa: S105
CONSUMER_KEY = "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1"
CLIENT_ID = "EU.0f0f0f0f0f0f0f0f"
CLIENT_SECRET = "b3c1e8f0a9d2476f8e5b4c3d2a1f0e9d"  # noqa: S105
SECRETS = (APPLICATION_SECRET, CONSUMER_KEY, CLIENT_SECRET)

# What the API tells and nobody is to see; looked for in all output.
CANARIES = {
    "rescueMail": "canary-rescue-mail@customer.example",
    "rescueSshKey": "ssh-ed25519 AAAAcanaryRescueKey",
    "rescuePassword": "canary-rescue-password",
    "sshKey": "ssh-ed25519 AAAAcanaryInstanceKey",
    "contactAdmin": "canary12345-ovh",
}

# The API takes a request for old when its time stamp is further off than this, in seconds.
TIME_WINDOW = 30

Answer = tuple[int, Any, dict[str, Any]]  # status, content, headers; a header may be made as it is sent


def refusal(status: int, code: str, message: str) -> Answer:
    body = {"errorCode": code, "httpCode": f"{status} Refused", "message": message}
    return status, body, {"X-OVH-QUERYID": "EU.ext-1.65f0.1234.canary"}


class OvhApi:
    """The API, its accounts and its services; what a test changes of it holds for the next request."""

    def __init__(self) -> None:
        self.services: dict[str, Any] = {}  # what GET answers, by path
        self.rights = ["/*"]
        self.credential = "validated"  # of the consumer key: validated, expired, or unknown
        self.clock = 0.0  # seconds that its clock is ahead of ours
        self.instead: dict[str, list[Answer]] = {}  # answers of a path before its own; the last stays
        # "*": of all paths, "token": of the service for tokens
        self.delay = 0.0  # seconds that an answer takes
        self.asked: Counter[str] = Counter()
        self.asked_at: list[tuple[str, float]] = []
        self.tokens: list[str] = []
        self.at_once = self.most_at_once = 0
        self.faults: list[str] = []  # what a client did that python-ovh does not
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client believe that this is the API."""
        proxy = f"http://127.0.0.1:{self._server.server_port}"
        return {"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": str(_certificate() / "cert")}

    def pause(self, path: str) -> float:
        """Seconds between the first request for a path and the last."""
        times = [when for target, when in self.asked_at if target == f"/1.0{path}"]
        return times[-1] - times[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, host: str, method: str, target: str, headers: Any, body: bytes) -> Answer:
        """What the API answers to a request. Counts how many it has under way."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.asked[target] += 1
            self.asked_at.append((target, time.monotonic()))
        try:
            time.sleep(self.delay)
            if host == TOKEN_HOST:
                return self._token(method, target, headers, body)
            return self._api(method, target, headers)
        finally:
            with self._lock:
                self.at_once -= 1

    def _api(self, method: str, target: str, headers: Any) -> Answer:
        if not target.startswith("/1.0/") or method != "GET":
            self.faults.append(f"{method} {target}")
            return refusal(404, "NOT_FOUND", "Got an invalid (or empty) URL")
        path = urllib.parse.unquote(target.removeprefix("/1.0"))
        if path == "/auth/time":
            return 200, int(time.time() + self.clock), {}
        refused = self._authenticated(method, target, headers) or self._planned(path)
        if refused:
            return refused
        if not any(fnmatchcase(path, right) for right in self.rights):
            if "Authorization" in headers:
                return self._not_by_policy(path)
            return refusal(403, "NOT_GRANTED_CALL", "This call has not been granted")
        if path not in self.services:
            return refusal(404, "RESOURCE_NOT_FOUND", "The requested object (serviceName) does not exist")
        return 200, self.services[path], {}

    def _planned(self, path: str) -> Answer | None:
        with self._lock:
            planned = self.instead.get(path) or (path.startswith("/") and self.instead.get("*"))
            if not planned:
                return None
            return planned.pop(0) if len(planned) > 1 else planned[0]

    def _authenticated(self, method: str, target: str, headers: Any) -> Answer | None:
        """Nothing if the request is signed, or has a token."""
        if "Authorization" in headers:
            if headers["Authorization"].removeprefix("Bearer ") in self.tokens:
                return None
            return refusal(401, "INVALID_ACCESS_TOKEN", "This session is invalid")
        if headers.get("X-Ovh-Application") != APPLICATION_KEY:
            return refusal(403, "INVALID_KEY", "This application key is invalid")
        stamp = headers.get("X-Ovh-Timestamp", "0")
        if abs(int(stamp) - time.time() - self.clock) > TIME_WINDOW:
            return refusal(400, "QUERY_TIME_OUT", "Query out of time")
        if headers.get("X-Ovh-Consumer") != CONSUMER_KEY or self.credential == "unknown":
            return refusal(403, "NOT_CREDENTIAL", "This credential does not exist")
        if self.credential == "expired":
            return refusal(403, "INVALID_CREDENTIAL", "This credential is not valid")
        signed = "+".join([APPLICATION_SECRET, CONSUMER_KEY, method, f"https://{API_HOST}{target}", "", stamp])
        if headers.get("X-Ovh-Signature") != "$1$" + hashlib.sha1(signed.encode()).hexdigest():  # noqa: S324
            return refusal(400, "INVALID_SIGNATURE", "Invalid signature")
        return None

    def _not_by_policy(self, path: str) -> Answer:
        kind = {"dedicated": "dedicatedServer", "vps": "vps", "cloud": "publicCloudProject"}[path.split("/")[1]]
        details = {"unauthorizedActionsByAuthentication": "", "unauthorizedActionsByIAM": f"{kind}:apiovh:get"}
        message = "User not granted for this request"
        return 403, {"class": "Client::Forbidden", "message": message, "details": details}, {}

    def _token(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        planned = self._planned("token")
        if planned:
            return planned
        form = urllib.parse.parse_qs(body.decode())
        if (method, target, form.get("grant_type")) != ("POST", "/auth/oauth2/token", ["client_credentials"]):
            self.faults.append(f"{method} {target} {form.get('grant_type')}")
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if headers.get("Authorization") != f"Basic {expected}":
            return 401, {"error": "invalid_client", "error_description": f"no {headers.get('Authorization')}"}, {}
        self.tokens.append(f"token-{len(self.tokens)}-of-{TOKEN_HOST}")
        return 200, {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3599, "scope": "all"}, {}

    # What an account has, in the forms of the schemas of /dedicated/server, /vps and /cloud.

    def add_dedicated(self, name: str, ip: str, **changes: Any) -> None:
        about = {
            "name": name, "ip": ip, "reverse": f"{name}.", "datacenter": "gra3", "region": "eu-west-gra",
            "availabilityZone": "eu-west-gra-a", "commercialRange": "advance-1", "os": "debian12_64", "state": "ok",
            "powerState": "poweron", "bootId": 1, "bootScript": None, "monitoring": True, "rack": "G310A05",
            "rescueMail": CANARIES["rescueMail"], "rescueSshKey": CANARIES["rescueSshKey"], "serverId": 1234,
            "iam": {"id": "0", "displayName": None, "urn": f"urn:v1:eu:resource:dedicatedServer:{name}", "tags": None},
        }  # fmt: skip
        self._list("/dedicated/server", name)
        path = f"/dedicated/server/{name}"
        self.services[path] = about | changes
        self.services[f"{path}/ips"] = [f"{ip}/32", "198.51.100.16/29", "2001:db8:1:2::/64"]
        self.services[f"{path}/boot/1"] = _boot(1, "harddisk", "Boot from hard drive (no netboot)")
        self.services[f"{path}/boot/1122"] = _boot(1122, "rescue", "Customer rescue system (Linux)")
        self._expires(path)

    def add_vps(self, name: str, ips: list[str], **changes: Any) -> None:
        about = {
            "name": name, "displayName": None, "cluster": "cluster_1", "zone": "Region OpenStack: os-gra7",
            "zoneType": "region", "state": "running", "netbootMode": "local", "offerType": "ssd", "vcore": 2,
            "memoryLimit": 4096, "keymap": None, "monitoringIpBlocks": [], "slaMonitoring": False,
            "model": {"name": "vps-comfort-4-8-160", "offer": "VPS vps2020-comfort-4-8-160", "version": "2019v1",
                      "disk": 160, "memory": 8192, "vcore": 4, "maximumAdditionnalIp": 16},
            "iam": {"id": "1", "displayName": name, "urn": f"urn:v1:eu:resource:vps:{name}", "tags": {"role": "mail"}},
        }  # fmt: skip
        self._list("/vps", name)
        path = f"/vps/{name}"
        self.services[path] = about | changes
        self.services[f"{path}/ips"] = ips
        for number, ip in enumerate(ips):
            self.services[f"{path}/ips/{ip}"] = {
                "ipAddress": ip, "version": "v6" if ":" in ip else "v4", "gateway": None, "geolocation": "fr",
                "type": "additional" if number == 0 and len(ips) > 2 else "primary", "macAddress": None,
                "reverse": f"mx{number}.example.",
            }  # fmt: skip
        self.services[f"{path}/datacenter"] = {"name": "gra", "longName": "Gravelines", "country": "fr"}
        self.services[f"{path}/images/current"] = {"id": "45b2f222", "name": "Debian 12"}
        self._expires(path)

    def add_project(self, project: str, description: str) -> None:
        self._list("/cloud/project", project)
        path = f"/cloud/project/{project}"
        self.services[path] = {
            "project_id": project, "projectName": description, "description": description, "status": "ok",
            "planCode": "project.2018", "unleash": True, "creationDate": "2024-01-05T10:00:00Z",
        }  # fmt: skip
        self.services[f"{path}/instance"] = []
        self._expires(path)

    def add_instance(
        self, project: str, identity: str, name: str, addresses: list[tuple[str, str]], **changes: Any
    ) -> None:
        listed = {
            "id": identity, "name": name, "region": "GRA11", "status": "ACTIVE", "created": "2025-02-03T04:05:06Z",
            "ipAddresses": [
                {"ip": ip, "type": kind, "version": 6 if ":" in ip else 4, "networkId": "n", "gatewayIp": None}
                for ip, kind in addresses
            ],
            "planCode": "b3-8.consumption", "operationIds": [], "monthlyBilling": None, "availabilityZone": None,
        } | changes  # fmt: skip
        path = f"/cloud/project/{project}/instance"
        self.services[path].append(listed | {"flavorId": "f", "imageId": "i", "sshKeyId": "s"})
        self.services[f"{path}/{identity}"] = listed | {
            "flavor": {"id": "f", "name": "b3-8", "ram": 8192, "vcpus": 2, "disk": 50, "osType": "linux"},
            "image": {"id": "i", "name": "Ubuntu 24.04", "type": "linux", "user": "ubuntu", "status": "active"},
            "sshKey": {"id": "s", "name": "staff", "publicKey": CANARIES["sshKey"]},
            "rescuePassword": CANARIES["rescuePassword"] if "RESCUE" in listed["status"] else None,
        }

    def _list(self, path: str, name: str) -> None:
        self.services.setdefault(path, []).append(name)

    def _expires(self, path: str) -> None:
        self.services[f"{path}/serviceInfos"] = {
            "serviceId": 1, "domain": path.rpartition("/")[2], "status": "ok", "creation": "2024-01-05",
            "expiration": "2027-01-05", "contactAdmin": CANARIES["contactAdmin"], "engagedUpTo": None,
            "renew": {"automatic": True, "deleteAtExpiration": False, "forced": False, "period": 1},
        }  # fmt: skip


def _boot(identity: int, kind: str, description: str) -> dict[str, Any]:
    return {"bootId": identity, "bootType": kind, "description": description, "kernel": kind}


def _handler(api: OvhApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """A proxy that goes on as the host itself once the client believes to have reached it."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer is written in two parts, and the second would wait
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path.partition(":")[0]
            self.send_response(200)
            self.end_headers()
            self.close_connection = False  # asked for in HTTP/1.0, which would end here
            self.connection = _context().wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb", self.rbufsize)
            self.wfile = self.connection.makefile("wb", 0)

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content, headers = api.answer(self.host, self.command, self.path, self.headers, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            headers = {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}
            for name, value in headers.items():
                self.send_header(name, value() if callable(value) else value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_DELETE = do_GET

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Handler


@lru_cache(maxsize=1)
def _certificate() -> Path:
    """A directory with a key, and a certificate of the names that it stands for."""
    directory = Path(mkdtemp(prefix="privacy-hosting-ovh"))
    names = ",".join(f"DNS:{name}" for name in (API_HOST, TOKEN_HOST))
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=test", "-addext", f"subjectAltName={names}", "-days", "2",
            "-keyout", str(directory / "key"), "-out", str(directory / "cert"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return directory


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate() / "cert", _certificate() / "key")
    return context
