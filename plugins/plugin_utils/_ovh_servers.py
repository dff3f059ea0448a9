# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which servers an OVH account has, and what is known of each: plain data, fit for a cache.

What is kept of the API's answers is named here, field by field: they also hold what nobody else is to see, such as
the password of an instance's rescue system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from ipaddress import ip_interface
from typing import Any
from urllib.parse import quote

from ._ovh import Api, ExpiredError, OvhError, RefusedError

Server = dict[str, Any]

# What a host's variables tell of any server, in the order of the documentation; None or empty where unknown.
FIELDS: Mapping[str, Any] = {
    "kind": "",
    "id": "",
    "name": "",
    "display_name": None,
    "project": None,
    "project_name": None,
    "datacenter": None,
    "region": None,
    "zone": None,
    "offer": None,
    "os": None,
    "image_user": None,
    "state": None,
    "power_state": None,
    "boot_mode": "unknown",
    "rescue": False,
    "ipv4": None,
    "ipv6": None,
    "private_ips": [],
    "ips": [],
    "reverse": None,
    "expiry": None,
    "service_status": None,
    "tags": {},
    "incomplete": False,
}

# cloud.instance.InstanceStatusEnum: on the way to the rescue system, in it, and on the way back.
INSTANCE_RESCUE = ("RESCUE", "RESCUED", "RESCUING", "UNRESCUING")

EXPIRED = "expired"


class Reader:
    """Reads the servers of an account; ``troubles`` tells what was left out, where that is allowed (``partial``)."""

    def __init__(self, api: Api, threads: int, partial: bool, reverse: bool) -> None:
        self.troubles: list[str] = []
        self._api = api
        self._threads = threads
        self._partial = partial
        self._reverse = reverse

    def servers(self, kinds: Iterable[str], projects: Sequence[str]) -> list[Server]:
        """All servers of these kinds, by kind and name. Raises OvhError where one of them cannot be read."""
        kinds = list(kinds)
        names = {kind: self._listed(f"/{path}") for kind, path in _LISTS.items() if kind in kinds}
        if "cloud" in kinds:
            names["cloud"] = list(projects) or self._listed("/cloud/project")
        # The first answer comes before there are threads: with it python-ovh gets a token, or the API's time.
        first, rest = names.get("cloud", [])[:1], names.pop("cloud", [])[1:]
        instances = [self._instances(project) for project in first]
        with ThreadPoolExecutor(self._threads) as pool:
            instances += self._each(pool, self._instances, [(project,) for project in rest])
            jobs: list[tuple[str, str, Any]] = [(kind, name, None) for kind in names for name in names[kind]]
            jobs += [("cloud", instance["id"], instance) for listed in instances for instance in listed or []]
            found: list[Server] = self._each(pool, self._server, jobs)
        return sorted(found, key=lambda server: (server["kind"], server["name"], server["id"]))

    def _each(self, pool: ThreadPoolExecutor, call: Callable[..., Any], jobs: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of all jobs in order. The first failure ends the others, and is raised."""
        futures = [pool.submit(call, *job) for job in jobs]
        done, _pending = wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future in done and future.exception():
                pool.shutdown(cancel_futures=True)
                raise future.exception() or OvhError("")
        return [future.result() for future in futures]

    def _listed(self, path: str) -> list[str]:
        """Names from the API; with leave to be partial, none where they cannot be had."""
        return [str(name) for name in self._tolerated(self._api.get, path) or []]

    def _tolerated(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except RefusedError:
            raise
        except OvhError as error:
            if not self._partial:
                raise
            self.troubles.append(str(error))
            return None

    def _instances(self, project: str) -> list[dict[str, Any]] | None:
        """The instances of a project as listed, with what is known of the project."""
        instances: list[dict[str, Any]] | None = self._tolerated(self._instances_of, project)
        return instances

    def _instances_of(self, project: str) -> list[dict[str, Any]]:
        path = f"/cloud/project/{quote(project, safe='')}"
        about = self._api.get(path)
        listed = self._api.get(f"{path}/instance")
        if not listed:
            return []
        known = {"project": project, "project_name": about.get("description"), **self._service(path)}
        return [{"id": instance["id"], "name": instance["name"], "known": known} for instance in listed]

    def _server(self, kind: str, name: str, instance: Mapping[str, Any] | None) -> Server:
        """One server; with leave to be partial, what little is known where the API does not tell."""
        server = {**FIELDS, "kind": kind, "id": name, "name": name}
        if instance is not None:
            server |= {"name": instance["name"], **instance["known"]}
        try:
            return server | _READ[kind](self, server)
        except ExpiredError:
            return server | {"service_status": EXPIRED}
        except RefusedError:
            raise
        except OvhError as error:
            if not self._partial:
                raise
            self.troubles.append(f"{server['name']}: {error}")
            return server | {"incomplete": True}

    def _service(self, path: str) -> dict[str, Any]:
        about = self._api.get_any(f"{path}/serviceInfos") or {}
        return {"expiry": about.get("expiration"), "service_status": about.get("status")}

    def _dedicated(self, server: Server) -> dict[str, Any]:
        path = f"/dedicated/server/{quote(server['id'], safe='')}"
        about = self._api.get(path)
        ips = [str(ip) for ip in self._api.get(f"{path}/ips")]
        boot_id = about.get("bootId")
        boot = self._api.get_any(f"{path}/boot/{boot_id}") or {} if boot_id else {}
        mode = boot.get("bootType") or FIELDS["boot_mode"]
        return {
            "display_name": _display_name(about),
            "datacenter": about.get("datacenter"),
            "region": about.get("region"),
            "zone": about.get("availabilityZone"),
            "offer": about.get("commercialRange"),
            "os": about.get("os"),
            "state": about.get("state"),
            "power_state": about.get("powerState"),
            "boot_mode": mode,
            "rescue": mode == "rescue",
            "ipv4": about.get("ip"),
            # OVH configures the first address of the first block.
            "ipv6": next((_address(ip) for ip in ips if ":" in ip), None),
            "ips": ips,
            "reverse": _host_name(about.get("reverse")),
            "tags": _tags(about),
            **self._service(path),
        }

    def _vps(self, server: Server) -> dict[str, Any]:
        path = f"/vps/{quote(server['id'], safe='')}"
        about = self._api.get(path)
        ips = [str(ip) for ip in self._api.get(f"{path}/ips")]
        ipv4 = self._primary(path, [ip for ip in ips if ":" not in ip])
        ipv6 = self._primary(path, [ip for ip in ips if ":" in ip])
        datacenter = self._api.get_any(f"{path}/datacenter") or {}
        image = self._api.get_any(f"{path}/images/current") or {}
        address = ipv4 or ipv6
        reverse = self._ip(path, address).get("reverse") if self._reverse and address else None
        model = about.get("model") or {}
        return {
            "display_name": about.get("displayName") or _display_name(about),
            "datacenter": datacenter.get("name"),
            "region": datacenter.get("longName"),
            "zone": about.get("zone"),
            "offer": model.get("name") or model.get("offer"),
            "os": image.get("name"),
            "state": about.get("state"),
            "boot_mode": about.get("netbootMode") or FIELDS["boot_mode"],
            "rescue": about.get("netbootMode") == "rescue" or about.get("state") == "rescued",
            "ipv4": ipv4,
            "ipv6": ipv6,
            "ips": ips,
            "reverse": _host_name(reverse),
            "tags": _tags(about),
            **self._service(path),
        }

    def _ip(self, path: str, address: str) -> Mapping[str, Any]:
        return self._api.get_any(f"{path}/ips/{quote(address, safe='')}") or {}

    def _primary(self, path: str, addresses: Sequence[str]) -> str | None:
        """The server's own address among those that were added to it."""
        if len(addresses) < 2:
            return addresses[0] if addresses else None
        return next((ip for ip in addresses if self._ip(path, ip).get("type") == "primary"), addresses[0])

    def _instance(self, server: Server) -> dict[str, Any]:
        path = f"/cloud/project/{quote(server['project'], safe='')}/instance/{quote(server['id'], safe='')}"
        about = self._api.get(path)
        image = about.get("image") or {}
        rescue = about.get("status") in INSTANCE_RESCUE
        addresses = about.get("ipAddresses") or []
        public = [entry for entry in addresses if entry.get("type") == "public"]
        return {
            "display_name": about.get("name"),
            "region": about.get("region"),
            "zone": about.get("availabilityZone"),
            "offer": (about.get("flavor") or {}).get("name"),
            "os": image.get("name"),
            "image_user": image.get("user"),
            "state": about.get("status"),
            "boot_mode": "rescue" if rescue else "local",
            "rescue": rescue,
            "ipv4": next((entry["ip"] for entry in public if entry.get("version") == 4), None),
            "ipv6": next((entry["ip"] for entry in public if entry.get("version") == 6), None),
            "private_ips": [entry["ip"] for entry in addresses if entry.get("type") == "private"],
            "ips": [entry["ip"] for entry in addresses],
        }


# Where kinds are listed that are not in projects.
_LISTS = {"dedicated": "dedicated/server", "vps": "vps"}
_READ: Mapping[str, Callable[[Reader, Server], dict[str, Any]]] = {
    "dedicated": Reader._dedicated,
    "vps": Reader._vps,
    "cloud": Reader._instance,
}


def _display_name(about: Mapping[str, Any]) -> Any:
    return (about.get("iam") or {}).get("displayName")


def _tags(about: Mapping[str, Any]) -> dict[str, str]:
    return dict((about.get("iam") or {}).get("tags") or {})


def _host_name(reverse: Any) -> str | None:
    """A name from the DNS, which ends in a dot there."""
    return str(reverse).rstrip(".") or None if reverse else None


def _address(block: str) -> str:
    return str(ip_interface(block).ip)
