# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""encrypted_links: programs that exchange data with other machines do so over encrypted connections only.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

_ACCEPTS = ("postgresql", "mariadb", "redis", "ldap", "imap", "pop3", "managesieve", "submission", "syslog", "http")
_SENDS = ("replication", "relay", "syslog", "backup")

OPTIONS = (
    Option(
        name="accepts",
        type="list",
        choices=_ACCEPTS,
        default=list(_ACCEPTS),
        stricter="union",
        help="Which services refuse a plain connection from another machine; STARTTLS has to be enforced, not only "
        "offered. submission is every door at which a program may log in to send mail, port 25 too. http is every HTTP "
        "service but the virtual hosts of nginx and Apache, which web_tls judges; 'apis' adds some of those. What only "
        "the host itself can reach is not applicable.",
        example="[postgresql, mariadb]",
    ),
    Option(
        name="sends",
        type="list",
        choices=_SENDS,
        default=list(_SENDS),
        stricter="union",
        help="What the host itself sends to other machines over encrypted connections only: changes that it replicates "
        "from or to other databases, mail that it hands to a relay, log lines, backups.",
        example="[replication, relay]",
    ),
    Option(
        name="peer_verified",
        type="bool",
        default=True,
        stricter="true",
        help="Whether the host makes sure whom it sends to: it checks the other's certificate against an authority "
        "and its name, or its SSH key against a known one. Of all that 'sends' tells.",
        example="true",
    ),
    Option(
        name="apis",
        type="list",
        default=[],
        judged=False,
        promisable=False,
        help="Virtual hosts of nginx or Apache through which programs exchange data, by name; they must not answer a "
        "plain request with anything but a refusal, as programs do not follow a redirection before they have sent.",
        example="[api.example.nl]",
    ),
    Option(
        name="tunnels",
        type="networks",
        default=[],
        judged=False,
        promisable=False,
        help="Networks whose traffic an encrypted tunnel of the host carries (WireGuard, IPsec). A plain connection is "
        "let pass there where the host's own interface shows such a tunnel; elsewhere it stays unproven.",
        example="[10.8.0.0/24]",
    ),
    Option(
        name="observes",
        type="hosts",
        part=("accepts",),
        default=[],
        judged=False,
        promisable=False,
        help="Inventory hosts at which this host tries plain connections to the services that 'accepts' tells, as "
        "made-up users. They must be audited for the same promise. What comes of it stands with this host.",
        example="[data1]",
    ),
    Option(
        name="changes",
        type="list",
        choices=("postgresql", "mariadb", "redis", "dovecot", "postfix"),
        default=["postgresql", "mariadb", "redis", "dovecot", "postfix"],
        judged=False,
        promisable=False,
        help="Which services the role may set up; of others the report says what to do.",
        example="[postgresql]",
    ),
    Option(
        name="cut_off",
        type="bool",
        default=False,
        judged=False,
        promisable=False,
        help="Whether the role may refuse plain connections while other machines have some open. Without it, it stops "
        "there and names their number by service.",
        example="true",
    ),
    Option(
        name="restart",
        type="bool",
        default=False,
        judged=False,
        promisable=False,
        help="Whether the role may restart a database server that takes up TLS by no other way (MariaDB); its "
        "connections end then. Without it, it stops there.",
        example="true",
    ),
    Option(
        name="certificate",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="A file on the host with the certificate, and those between it and its authority, that a service gets "
        "which has none of its own.",
        example="/etc/ssl/private/db1.example.nl.pem",
    ),
    Option(
        name="key",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="The file with that certificate's private key.",
        example="/etc/ssl/private/db1.example.nl.key",
    ),
    Option(
        name="authority",
        type="text",
        default="",
        judged=False,
        promisable=False,
        help="A file on the host with the certificates of the authorities by which it verifies its peers, where those "
        "are not the system's.",
        example="/etc/ssl/certs/own-authority.pem",
    ),
)

MEASURE = Measure(
    name="encrypted_links",
    title={"nl": "Versleutelde verbindingen tussen programma's", "en": "Encrypted links between programs"},
    why={
        "nl": "Programma's op verschillende servers wisselen uw gegevens met elkaar uit. Wie ergens onderweg meekijkt, "
        "mag daar niets aan hebben, en wie zich voor de ander uitgeeft, mag niets krijgen. Daarom wordt een "
        "onversleutelde verbinding geweigerd, en gaat de server na met wie hij spreekt.",
        "en": "Programs on several servers exchange your data with each other. Whoever listens on the way must gain "
        "nothing by it, and whoever poses as the other must get nothing. That is why a plain connection is refused, "
        "and why the server makes sure whom it speaks with.",
    },
    options=OPTIONS,
)
