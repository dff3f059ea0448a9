# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of an OVH account as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ovh
short_description: Servers of an OVH account
version_added: 0.1.0
author:
  - the privacy.hosting authors (!UNKNOWN)
description:
  - Lists the dedicated servers, virtual private servers (VPS) and public cloud instances of an OVH account by its API.
  - The name of the inventory file must end in C(ovh.yml) or C(ovh.yaml).
  - Nothing is left out silently. Where a part of the API refuses or fails, the inventory fails as a whole and stops
    the run, whatever C(any_unparsed_is_failed) says; see O(partial).
  - Every host is in the group C(ovh) and in one of C(ovh_dedicated), C(ovh_vps) and C(ovh_cloud). Hosts that are set
    to the rescue system are in C(ovh_rescue) too, those whose service has expired in C(ovh_expired).
requirements:
  - ovh (Python package, 1.2.0 or newer)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
notes:
  - The credentials need to read only. The page C(docs/ovh.md) of the collection tells how to get them.
  - A host's variables are C(ovh_kind) (V(dedicated), V(vps), V(cloud)), C(ovh_id), C(ovh_name), C(ovh_display_name),
    C(ovh_project), C(ovh_project_name), C(ovh_datacenter), C(ovh_region), C(ovh_zone), C(ovh_offer), C(ovh_os),
    C(ovh_image_user), C(ovh_state), C(ovh_power_state), C(ovh_boot_mode), C(ovh_rescue), C(ovh_ipv4), C(ovh_ipv6),
    C(ovh_private_ips), C(ovh_ips), C(ovh_reverse), C(ovh_expiry), C(ovh_service_status), C(ovh_tags),
    C(ovh_incomplete), C(ovh_supplier), C(ovh_endpoint) and C(ovh_asked_at).
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices: [privacy.hosting.ovh]
  endpoint:
    description:
      - The API to ask, for instance V(ovh-eu), V(ovh-ca), V(ovh-us), V(soyoustart-eu) or V(kimsufi-eu).
      - Without it, that of the configuration file of python-ovh, else V(ovh-eu).
    type: str
    env:
      - name: OVH_ENDPOINT
  application_key:
    description:
      - The application key, to which belong O(application_secret) and O(consumer_key).
      - What is not given here is looked for in the environment, and then in the configuration file.
      - Instead of these three, O(client_id) and O(client_secret) may be given.
    type: str
    env:
      - name: OVH_APPLICATION_KEY
  application_secret:
    description: The application secret. Keep it in a vault, the environment or the configuration file.
    type: str
    env:
      - name: OVH_APPLICATION_SECRET
  consumer_key:
    description: The consumer key, which has the rights and a validity. Keep it as O(application_secret).
    type: str
    env:
      - name: OVH_CONSUMER_KEY
  client_id:
    description: The OAuth2 client id of a service account. For V(ovh-eu), V(ovh-ca) and V(ovh-us) only.
    type: str
    env:
      - name: OVH_CLIENT_ID
  client_secret:
    description: The OAuth2 client secret of a service account. Keep it as O(application_secret).
    type: str
    env:
      - name: OVH_CLIENT_SECRET
  config_file:
    description:
      - A configuration file of python-ovh.
      - It is read after C(/etc/ovh.conf), C(~/.ovh.conf) and C(./ovh.conf), which are always read.
    type: path
  kinds:
    description: Which kinds of servers to list. The credentials need no rights for the others.
    type: list
    elements: str
    choices: [dedicated, vps, cloud]
    default: [dedicated, vps, cloud]
  projects:
    description: The ids of the public cloud projects whose instances to list. Without it, those of all projects.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Jinja2 conditions on a host's variables. A host for which one of them is true is left out.
      - A condition that cannot be evaluated is an error.
    type: list
    elements: str
    default: []
  hostname:
    description:
      - Which name a host gets in the inventory.
      - V(name) is the name of the service (C(ns1.ip-203-0-113.eu), C(vps-1.vps.ovh.net)) or of the instance.
      - V(display_name) is the name given in the control panel, where there is one.
      - Characters other than letters, digits, dots, hyphens and underscores become hyphens. Where hosts would get the
        same name, the beginning of their ids is added to it.
    type: str
    choices: [name, display_name]
    default: name
  address:
    description:
      - What C(ansible_host) is made of; the first that a server has.
      - V(reverse) is the name of its address in the DNS; instances have none here.
      - An instance without any gets an address that does not exist, for its name may be another machine's.
    type: list
    elements: str
    choices: [ipv4, ipv6, reverse, private_ipv4]
    default: [ipv4, ipv6, private_ipv4]
  threads:
    description: How many requests are made at the same time. V(10) is what python-ovh keeps connections for.
    type: int
    default: 10
  timeout:
    description: Seconds after which a request has failed.
    type: float
    default: 30
  rate_limit_wait:
    description: Seconds that a run may wait in all, when OVH limits the rate of requests and says to wait.
    type: float
    default: 120
  partial:
    description:
      - Whether an inventory is better than none where a part of the API refuses or fails.
      - Servers of which nothing can be read are then in the group C(ovh_incomplete), lists that cannot be read are left
        out, and warnings name both. Such an inventory is not cached.
    type: bool
    default: false
"""

EXAMPLES = r"""
# inventories/example/ovh.yml: all servers, with credentials from the environment or ovh.conf
plugin: privacy.hosting.ovh

---
# with a vault, a cache of ten minutes, groups by data centre and image, and the image's own user to log in as
plugin: privacy.hosting.ovh
endpoint: ovh-eu
application_key: 7kbG7Bk7S9Nt7ZSV
application_secret: "{{ lookup('ansible.builtin.file', '/run/secrets/ovh-application') }}"
consumer_key: "{{ lookup('ansible.builtin.file', '/run/secrets/ovh-consumer') }}"
strict: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ovh-inventory
cache_timeout: 600
exclude:
  - ovh_service_status == 'expired'
  - ovh_tags.owner | default('') == 'customer'
keyed_groups:
  - prefix: datacenter
    key: ovh_datacenter or ovh_region
groups:
  web: ovh_name is match('web')
compose:
  ansible_user: ovh_image_user or (ovh_os or '') is search('(?i)ubuntu') | ternary('ubuntu', 'debian')
"""

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ..plugin_utils._ovh import CREDENTIALS, Access, OvhError, connect
from ..plugin_utils._ovh_servers import EXPIRED, FIELDS, Reader, Server

SUPPLIER = "OVH"
PREFIX = "ovh_"
GROUPS: dict[str, Callable[[Server], bool]] = {
    "ovh_dedicated": lambda server: server["kind"] == "dedicated",
    "ovh_vps": lambda server: server["kind"] == "vps",
    "ovh_cloud": lambda server: server["kind"] == "cloud",
    "ovh_rescue": lambda server: server["rescue"],
    "ovh_expired": lambda server: server["service_status"] == EXPIRED,
    "ovh_incomplete": lambda server: server["incomplete"],
}

# Names that mean something else in an inventory.
RESERVED = {"all", "localhost", "ungrouped", "ovh", *GROUPS}

NAMED_AT_MOST = 10  # hosts in one warning


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts from the API, or from the cache."""

    NAME = "privacy.hosting.ovh"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("ovh.yml", "ovh.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        # To Ansible a source that fails is worth a warning: the run would go on without these servers.
        as_set, constants.INVENTORY_ANY_UNPARSED_IS_FAILED = constants.INVENTORY_ANY_UNPARSED_IS_FAILED, True
        try:
            self._populate(self._data(path, cache))
        except (AnsibleError, OvhError) as error:
            raise AnsibleParserError(" ".join(str(error).split())) from None
        constants.INVENTORY_ANY_UNPARSED_IS_FAILED = as_set

    def _data(self, path: str, cache: bool) -> dict[str, Any]:
        """What the API tells, with its time; from the cache where that may be and is there."""
        cached = self.get_option("cache")
        if not cached:
            return self._ask()
        asked = {name: self.get_option(name) for name in ("endpoint", "kinds", "projects", "config_file")}
        asked |= {name: self._credential(name) for name in ("application_key", "client_id")}
        asked["reverse"] = self._wants_reverse()
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        key = f"{self.get_cache_key(path)}_{digest[:12]}"
        if cache:
            try:
                return dict(self._cache[key])
            except KeyError:
                pass
        data = self._ask()
        if not data["troubles"]:
            self._cache[key] = data
        return data

    def _ask(self) -> dict[str, Any]:
        """What the API tells. Raises OvhError."""
        kinds = self.get_option("kinds")
        access = Access(
            endpoint=self.get_option("endpoint"),
            credentials={name: self._credential(name) for name in CREDENTIALS},
            config_file=self.get_option("config_file"),
            timeout=self.get_option("timeout"),
            patience=self.get_option("rate_limit_wait"),
        )
        api = connect(access, kinds)
        threads = max(1, self.get_option("threads"))
        reader = Reader(api, threads, partial=self.get_option("partial"), reverse=self._wants_reverse())
        now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        servers = reader.servers(kinds, self.get_option("projects"))
        return {"endpoint": api.endpoint, "asked_at": now, "servers": servers, "troubles": reader.troubles}

    def _credential(self, name: str) -> str:
        return str(self.templar.template(self.get_option(name)) or "")

    def _wants_reverse(self) -> bool:
        return "reverse" in self.get_option("address")

    def _populate(self, data: dict[str, Any]) -> None:
        """Add hosts, groups and variables. Raises AnsibleError for an expression that fails, under strict."""
        self.inventory.add_group("ovh")
        for group in GROUPS:
            self.inventory.add_group(group)
            self.inventory.add_child("ovh", group)
        added = []
        for host, server in _named(data["servers"], display=self.get_option("hostname") == "display_name"):
            variables = self._variables(server, data)
            if not self._excluded(host, variables):
                self._add(host, server, variables)
                added.append((host, server))
        self._warn(added, data["troubles"])

    def _variables(self, server: Server, data: dict[str, Any]) -> dict[str, Any]:
        about = {name: server.get(name, default) for name, default in FIELDS.items()}
        about |= {"supplier": SUPPLIER, "endpoint": data["endpoint"], "asked_at": data["asked_at"]}
        variables = {f"{PREFIX}{name}": value for name, value in about.items()}
        return variables | {"ansible_host": _address(server, self.get_option("address"))}

    def _excluded(self, host: str, variables: dict[str, Any]) -> bool:
        self.templar.available_variables = variables
        for condition in self.get_option("exclude"):
            try:
                if self.templar.evaluate_conditional(condition):
                    return True
            except AnsibleError as error:
                raise AnsibleParserError(f"exclude: {condition!r} cannot be evaluated for {host}: {error}") from None
        return False

    def _add(self, host: str, server: Server, variables: dict[str, Any]) -> None:
        self.inventory.add_host(host, group="ovh")
        for group, belongs in GROUPS.items():
            if belongs(server):
                self.inventory.add_child(group, host)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)

    def _warn(self, added: Sequence[tuple[str, Server]], troubles: Sequence[str]) -> None:
        """Say what an audit or a play would be mistaken about."""
        rescue = [host for host, server in added if server["rescue"]]
        if rescue:
            self.display.warning(
                f"{_some(rescue)}: set to OVH's rescue system. What answers there is not the server's own system, and "
                f"says nothing about it; leave it out with --limit '!ovh_rescue'"
            )
        lost = [host for host, server in added if server["kind"] == "cloud" and not server["ips"]]
        if lost:
            self.display.warning(f"{_some(lost)}: OVH tells no address, so it cannot be reached")
        if troubles:
            more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
            self.display.warning(f"the inventory of OVH is incomplete, as 'partial' allows: {troubles[0]}{more}")


def _named(servers: Iterable[Server], display: bool) -> list[tuple[str, Server]]:
    """Servers with their names in the inventory, which are unique: two hosts of one name would be one host."""
    servers = list(servers)
    plain = [_clean((display and server["display_name"]) or server["name"]) for server in servers]
    for length in (8, None):
        shared = Counter(plain)
        plain = [
            f"{name}-{_clean(server['id'])[:length]}" if shared[name] > 1 or name in RESERVED else name
            for name, server in zip(plain, servers, strict=True)
        ]
    return list(zip(plain, servers, strict=True))


def _clean(name: str) -> str:
    """A name without what host patterns, files and terminals take for something else."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("-.") or "unnamed"


def _address(server: Server, wanted: Iterable[str]) -> str:
    """Where to log in. An instance's name is none: on the user's network it may be another machine."""
    private = next((ip for ip in server["private_ips"] if ":" not in ip), None)
    known = {"ipv4": server["ipv4"], "ipv6": server["ipv6"], "reverse": server["reverse"], "private_ipv4": private}
    otherwise = f"{server['id']}.no-address.invalid" if server["kind"] == "cloud" else server["id"]
    return next((str(known[name]) for name in wanted if known[name]), otherwise)


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - NAMED_AT_MOST} more" if len(hosts) > NAMED_AT_MOST else ""
    return ", ".join(hosts[:NAMED_AT_MOST]) + more
