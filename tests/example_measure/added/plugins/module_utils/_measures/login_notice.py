# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""login_notice: what whoever logs in is told before.

PRIVATE to the collection.
"""

from __future__ import annotations

from .._measure import Measure
from .._option import Option

OPTIONS = (
    Option(
        name="words",
        type="list",
        default=["recorded"],
        stricter="union",
        help="Words that sshd shows, in a notice, to everybody who connects and before he logs in.",
        example="[recorded]",
    ),
    Option(
        name="lines",
        type="list",
        default=["Logins to this server are recorded."],
        judged=False,
        promisable=False,
        help="The lines of the notice that the role installs. They must hold the words.",
        example="[Logins to this server are recorded and kept for a year.]",
    ),
)

MEASURE = Measure(
    name="login_notice",
    title={"en": "What is told before a login", "nl": "Wat voor het inloggen wordt gemeld"},
    why={
        "en": "Whoever logs in has a right to know beforehand that it is recorded.",
        "nl": "Wie inlogt, heeft er recht op vooraf te weten dat dat wordt vastgelegd.",
    },
    options=OPTIONS,
)
