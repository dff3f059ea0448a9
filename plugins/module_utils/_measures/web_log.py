# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""web_log: what web servers record of each request.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="fields",
        type="list",
        choices=("domain", "path", "user_agent", "client_ip", "time", "method", "status", "referer"),
        default=["domain", "path", "user_agent", "client_ip", "time", "method", "status"],
        stricter="union",
        help="What the access log holds of every request. The domain counts as held where the log holds the name that "
        "the visitor asked for, or where one file belongs to one virtual host with one name.",
        example="[domain, path, user_agent, client_ip]",
    ),
    Option(
        name="query_string",
        type="choice",
        choices=("dropped", "logged"),
        default="dropped",
        stricter="first",
        help="Whether query strings may stand in the access log. They often hold personal data, and no statement says "
        "that they are recorded: 'dropped' goes beyond the text. The referer holds query strings too.",
        example="dropped",
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
        name="trusted_proxies",
        type="networks",
        default=[],
        judged=False,
        promisable=False,
        help="The addresses of front proxies that may say for whom they ask. The visitor's address is believed from "
        "these only; none where visitors reach the host directly.",
        example="[192.0.2.10, 2001:db8:1::/64]",
    ),
)

MEASURE = Measure(
    name="web_log",
    title={"en": "What the web server records", "nl": "Wat de webserver vastlegt"},
    why={
        "en": "The record of page views is what a data leak is investigated with. What is missing from it cannot be "
        "found again; what it holds too much of can itself leak.",
        "nl": "Met het overzicht van paginaweergaven wordt een datalek onderzocht. Wat daarin ontbreekt, is later niet "
        "meer te vinden; wat er te veel in staat, kan zelf uitlekken.",
    },
    options=OPTIONS,
)
