#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encrypted_links
short_description: Refuse plain connections of other machines to databases and mail servers
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Has PostgreSQL, MariaDB, Dovecot and Postfix refuse what other machines send without TLS 1.2 or newer, and Postfix
    make sure who its relay is. Each service by itself; one that fails its proof is put back and holds back no other.
  - Only what other machines can reach is changed. Unix sockets stay as they are, and so does the loopback interface,
    except at MariaDB, which cannot tell it from others.
  - It changes no service to which other machines have plain connections open, unless O(cut_off) says so.
  - Redis is left as it is; a warning names the lines. What is not there is not installed. A host that a control panel
    runs is left as it is.
options:
  accepts:
    description: Which services refuse a plain connection from another machine. Those not in O(changes) are left.
    type: list
    elements: str
    required: true
  sends:
    description: What the host sends over encrypted connections only. Here V(relay) alone is changed.
    type: list
    elements: str
    default: []
  peer_verified:
    description: Whether the host makes sure whom it sends to.
    type: bool
    default: true
  changes:
    description: Which services may be changed.
    type: list
    elements: str
    choices: [postgresql, mariadb, redis, dovecot, postfix]
    required: true
  tunnels:
    description: Networks whose plain connections stay allowed, since an encrypted tunnel carries them.
    type: list
    elements: str
    default: []
  cut_off:
    description: Whether a service is changed to which other machines have plain connections open.
    type: bool
    default: false
  restart:
    description: Whether MariaDB may be restarted where it takes up TLS by no other way.
    type: bool
    default: false
  certificate:
    description: A file with the certificate of a service that has none of its own, or Debian's placeholder.
    type: str
    default: ""
  key:
    description: The file with its private key.
    type: str
    default: ""
  authority:
    description: A file with the certificates of authorities by which the relay is verified; by default the system's.
    type: str
    default: ""
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Refuse plain connections to PostgreSQL
  privacy.hosting.encrypted_links:
    accepts: [postgresql]
    changes: [postgresql]
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/postgresql/17/main/pg_hba.conf]
panel:
  description: The control panel that runs the host.
  returned: when one does
  type: str
  sample: Plesk
run:
  description: The run that the change belongs to.
  returned: always
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, change_parts
from ..module_utils._changes.encrypted_links import parts
from ..module_utils._changes.link_edits import Wanted

SERVICES = ("postgresql", "mariadb", "redis", "dovecot", "postfix")

SPEC = {
    **CHANGE_SPEC,
    "accepts": {"type": "list", "elements": "str", "required": True},
    "sends": {"type": "list", "elements": "str", "default": []},
    "peer_verified": {"type": "bool", "default": True},
    "changes": {"type": "list", "elements": "str", "choices": list(SERVICES), "required": True},
    "tunnels": {"type": "list", "elements": "str", "default": []},
    "cut_off": {"type": "bool", "default": False},
    "restart": {"type": "bool", "default": False},
    "certificate": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": False},
    "authority": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = {key: value for key, value in module.params.items() if key != "run"}
    accepts, sends = frozenset(params.pop("accepts")), frozenset(params.pop("sends"))
    change_parts(module, "encrypted_links", parts(Wanted(accepts=accepts, sends=sends, **params)))


if __name__ == "__main__":
    main()
