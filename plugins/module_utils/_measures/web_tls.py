# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_tls: what visitors send and see goes over connections that nobody else can read.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="level",
        type="choice",
        choices=("good", "sufficient"),
        default="sufficient",
        stricter="first",
        help="The level of NCSC-NL's IT Security Guidelines for TLS (2025-05) that every protocol version, cipher "
        "suite, key exchange and certificate must reach which a virtual host accepts, at each of its addresses. 'good' "
        "leaves TLS 1.3 with 256-bit suites and post-quantum key exchange alone, which most visitors of 2026 cannot "
        "all speak. What the guidelines phase out is 'sufficient' to neither.",
        example="sufficient",
    ),
    Option(
        name="certificate",
        type="bool",
        default=True,
        stricter="true",
        help="Whether each virtual host shows a certificate that visitors' browsers trust: its chain leads to a "
        "trusted root, it bears the names that the virtual host answers to, its dates are good, and something renews "
        "it. Where an ACME client renews it, it is broken once less than a sixth of its lifetime is left, for such "
        "clients renew with a third left; where nothing does, it is unproven from 30 days before its end, and broken "
        "from 7 days before it.",
        example="true",
    ),
    Option(
        name="redirect",
        type="bool",
        default=True,
        stricter="true",
        help="Whether plain http does nothing but send visitors to https, of the same name first.",
        example="true",
    ),
    Option(
        name="hsts",
        type="period",
        default="1 year",
        stricter="longer",
        help="How long browsers are told to come back over https only (Strict-Transport-Security: max-age), at least, "
        "on every answer over https: error pages and places with headers of their own too. A year counts as 31536000 "
        "seconds, as NCSC-NL and internet.nl ask.",
        example="1 year",
    ),
    Option(
        name="cookies",
        type="bool",
        default=True,
        stricter="true",
        help="Whether cookies that the web server sets, or that own sites are seen to set, are marked Secure.",
        example="true",
    ),
    Option(
        name="forms",
        type="bool",
        default=True,
        stricter="true",
        help="Whether every form on own sites stands on a page that is only shown over https, and is sent to https. "
        "The sites that the register names (scope.own_sites) are read page by page, within bounds.",
        example="true",
    ),
    Option(
        name="scope",
        type="choice",
        choices=("all", "own"),
        default="all",
        judged=False,
        stricter="first",
        help="Which virtual hosts are meant: all of the host, or only those of the register's own_sites.",
        example="own",
    ),
    Option(
        name="sites",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Names of the virtual hosts whose files the role may edit, or [all]. Others are left as they are, and the "
        "report says what would have to change.",
        example="[example.nl, panel.example.nl]",
    ),
    Option(
        name="certificates",
        type="choice",
        choices=("acme", "own"),
        default="acme",
        judged=False,
        promisable=False,
        help="Where the role takes certificates from: 'acme' has certbot obtain and renew them, 'own' leaves each "
        "virtual host the certificate that its files name.",
        example="own",
    ),
    Option(
        name="acme_directory",
        type="text",
        default="https://acme-v02.api.letsencrypt.org/directory",
        judged=False,
        promisable=False,
        help="The address of the authority's ACME directory.",
        example="https://acme.example.net/directory",
    ),
    Option(
        name="acme_email",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The address that the ACME account is registered with; without one if empty.",
        example="hostmaster@example.nl",
    ),
    Option(
        name="acme_ca",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="A file on the host with the authorities (PEM) that certify the ACME server itself, where those of the "
        "system do not: an authority inside one's own network.",
        example="/etc/ssl/certs/acme-server.pem",
    ),
    Option(
        name="authorities",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="A file on the host with authorities (PEM) that visitors trust besides the system's, where sites are for "
        "people whose machines have an authority of their own. Role and audit take them into account.",
        example="/etc/ssl/certs/company.pem",
    ),
    Option(
        name="terminators",
        type="hosts",
        default=[],
        judged=False,
        promisable=False,
        help="Inventory hosts that end visitors' TLS connections for this host and ask it in their stead. What "
        "visitors get is then judged on those hosts, which must be audited for the same promises. The sites' names "
        "must lead to them: to their ansible_host, or to the addresses that follow a name.",
        example="[front1, front2 203.0.113.9 2001:db8::9]",
    ),
)

MEASURE = Measure(
    name="web_tls",
    title={"en": "Encrypted connections to websites", "nl": "Versleutelde verbindingen met websites"},
    why={
        "en": "What visitors read, and what they fill in on forms, travels over networks of others. Encryption keeps "
        "it from being read or changed on the way, and the certificate shows that it arrives at the right site.",
        "nl": "Wat bezoekers lezen en wat zij op formulieren invullen, reist over netwerken van anderen. Versleuteling "
        "voorkomt dat het onderweg wordt gelezen of veranderd, en het certificaat toont dat het bij de juiste site "
        "aankomt.",
    },
    options=OPTIONS,
)
