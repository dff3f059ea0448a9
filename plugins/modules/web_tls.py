#!/usr/bin/python
# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: web_tls
short_description: Serve websites over https, and only there
version_added: 0.1.0
author:
  - the privacy.hosting authors (@privacy-hosting)
description:
  - Has nginx and Apache offer the protocols, cipher suites and key exchanges of NCSC-NL's guidelines, by a file of our
    own where that takes effect, else by the smallest edits in place.
  - Brings the virtual hosts that O(sites) names over https, in steps that each prove themselves. Plain http is only
    redirected once https answers, with a trusted certificate, for every name. A site that fails a step is put back,
    and named in a warning.
  - A web server that is not there is not installed. A host that a control panel runs is left as it is.
options:
  part:
    description:
      - V(servers) changes what web servers offer to everybody. V(sites) brings sites over https.
      - Between them, a play can install certbot where RV(needs_certbot) says so.
    type: str
    choices: [servers, sites]
    required: true
  level:
    description: The level of NCSC-NL's guidelines for TLS that everything offered must reach.
    type: str
    choices: [good, sufficient]
    default: sufficient
  certificate:
    description: Whether sites get a certificate that browsers trust.
    type: bool
    default: true
  redirect:
    description: Whether plain http is redirected to https.
    type: bool
    default: true
  hsts:
    description: How long browsers are told to come back over https only. A year counts as 365 days.
    type: str
    default: 1 year
  cookies:
    description: Whether cookies that the web server sets, or passes on, are marked Secure.
    type: bool
    default: true
  only_sites:
    description: Names of the sites that are meant. Without it, all are.
    type: list
    elements: str
  sites:
    description: Names of the virtual hosts whose own files may be edited, or V(all).
    type: list
    elements: str
    default: []
  certificates:
    description:
      - V(acme) has certbot obtain and renew certificates, which agrees to the terms of the authority's.
      - V(own) leaves each virtual host the certificate that its files name.
    type: str
    choices: [acme, own]
    default: acme
  acme_directory:
    description: The address of the authority's ACME directory.
    type: str
    default: https://acme-v02.api.letsencrypt.org/directory
  acme_email:
    description: The address that the ACME account is registered with.
    type: str
    default: ""
  acme_ca:
    description: A file with the authorities that certify the ACME server itself, where those of the system do not.
    type: str
    default: ""
  authorities:
    description: A file with authorities that visitors trust besides the system's.
    type: str
    default: ""
extends_documentation_fragment:
  - privacy.hosting._change
"""

EXAMPLES = r"""
- name: Offer only secure TLS
  privacy.hosting.web_tls:
    part: servers

- name: Serve two sites over https, and only there
  privacy.hosting.web_tls:
    part: sites
    sites: [example.nl, www.example.nl]
    acme_email: hostmaster@example.nl
"""

RETURN = r"""
changes:
  description: The paths and units that were changed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/conf.d/privacy-hosting-tls.conf, /etc/nginx/sites-available/example.nl]
needs_certbot:
  description: Whether a site needs a certificate, and certbot is not there.
  returned: success, with O(part=servers)
  type: bool
  sample: false
panel:
  description: The control panel that runs the host.
  returned: when one does
  type: str
  sample: Plesk
run:
  description: The run that the change belongs to.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
"""

import datetime as dt

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._change import CHANGE_SPEC, LIMITS, ChangeError, Planned, Transaction, change_host
from ..module_utils._changes.sites import Wanted
from ..module_utils._changes.web_tls import plan_servers, plan_sites
from ..module_utils._host import Host
from ..module_utils._option import Period

SPEC = {
    **CHANGE_SPEC,
    "part": {"type": "str", "choices": ["servers", "sites"], "required": True},
    "level": {"type": "str", "choices": ["good", "sufficient"], "default": "sufficient"},
    "certificate": {"type": "bool", "default": True},
    "redirect": {"type": "bool", "default": True},
    "hsts": {"type": "str", "default": "1 year"},
    "cookies": {"type": "bool", "default": True},
    "only_sites": {"type": "list", "elements": "str"},
    "sites": {"type": "list", "elements": "str", "default": []},
    "certificates": {"type": "str", "choices": ["acme", "own"], "default": "acme"},
    "acme_directory": {"type": "str", "default": "https://acme-v02.api.letsencrypt.org/directory"},
    "acme_email": {"type": "str", "default": ""},
    "acme_ca": {"type": "str", "default": ""},
    "authorities": {"type": "str", "default": ""},
}

_NON_LEAP = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)  # a year from here has 365 days


def _seconds(period: str) -> int:
    """Raises ChangeError."""
    try:
        return int((Period.parse(period).after(_NON_LEAP) - _NON_LEAP).total_seconds())
    except ValueError as error:
        raise ChangeError(f"hsts: {error}") from None


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params

    def planned(transaction: Transaction) -> Planned:
        wanted = Wanted(
            level=params["level"],
            certificate=params["certificate"],
            redirect=params["redirect"],
            hsts_s=_seconds(params["hsts"]),
            cookies=params["cookies"],
            only=params["only_sites"],
            sites=params["sites"],
            certificates=params["certificates"],
            directory=params["acme_directory"],
            email=params["acme_email"],
            acme_ca=params["acme_ca"],
            authorities=params["authorities"],
        )
        plan = plan_servers if params["part"] == "servers" else plan_sites
        return plan(Host(LIMITS), transaction, wanted)

    change_host(module, "web_tls", planned)


if __name__ == "__main__":
    main()
