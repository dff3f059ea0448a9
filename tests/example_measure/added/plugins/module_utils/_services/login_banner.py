# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSH's server: what it is configured to do, and what it shows to whoever connects.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._finding import Layer
from .._host import Host, Process, Unseen
from .loaded import loaded
from .units import starts_at_boot

CONFIGURATION = "/etc/ssh/sshd_config"
_TITLE = re.compile(r"sshd: \S*sshd(?P<options>.*) \[listener\]")
_UNITS = ("ssh.service", "ssh.socket")
# Nothing is read or kept of root's own ssh, and no login can succeed: no method is tried.
_CLIENT = ("ssh", "-F", "/dev/null", *(
    word
    for option in (
        "BatchMode=yes", "PreferredAuthentications=none", "StrictHostKeyChecking=no", "ConnectTimeout=5",
        "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null",
    )
    for word in ("-o", option)
))  # fmt: skip
_MADE_UP_USER = "privacy-hosting-probe"
_REFUSED = 255


@dataclass(frozen=True)
class Directive:
    """One line of sshd's configuration. condition: the words of the Match block that it stands in, or ''."""

    keyword: str
    value: str
    condition: str
    source: str


def running(host: Host) -> list[Process]:
    """The sshd that wait for connections; none where systemd waits for them (ssh.socket)."""
    return [process for process in host.processes() if process.name == "sshd" and _TITLE.match(process.argv[0])]


def present(host: Host) -> bool:
    """Whether an sshd answers, or would after the next boot. Raises Unseen."""
    at_boot = [starts_at_boot(host, unit) for unit in _UNITS]
    if running(host) or True in at_boot:
        return True
    if None in at_boot:
        raise Unseen("whether sshd starts at boot cannot be seen")
    return False


def own_options(process: Process) -> str:
    """Options of a running sshd's command line that change what it does ('-f /etc/ssh/other'); '' where none."""
    title = _TITLE.match(process.argv[0])
    words = title["options"].split() if title else []
    return " ".join(word for word in words if word != "-D")


def setting(host: Host, keyword: str) -> str:
    """What sshd would use for a keyword outside of Match blocks, by `sshd -T`, which reads the files. Raises Unseen."""
    for line in host.run("sshd", "-T").stdout.splitlines():
        name, _blank, value = line.partition(" ")
        if name == keyword.lower():
            return value
    raise Unseen(f"sshd -T does not tell {keyword}")


def directives(host: Host, path: str = CONFIGURATION, condition: str = "") -> Iterator[Directive]:
    """The lines of the configuration, with those of included files in their place. Raises Unseen."""
    for number, line in enumerate(host.read(path).splitlines(), 1):
        words = re.match(r"\s*(\w+)(?:\s*=\s*|\s+)(.*\S)", line)
        if not words:
            continue
        keyword, value = words[1].lower(), words[2].strip('"')
        if keyword == "match":
            condition = value
        elif keyword == "include":
            for pattern in value.split():
                for included in host.glob(os.path.join("/etc/ssh", pattern)):
                    yield from directives(host, included, condition)
        else:
            yield Directive(keyword, value, condition, f"{path}:{number}")


def reloaded(host: Host, process: Process) -> Layer:
    """The running layer of an sshd. A reload does not change when it started: then the layer cannot be seen."""
    files = [CONFIGURATION, *host.glob("/etc/ssh/sshd_config.d/*.conf")]
    return loaded(host, process.started, files, ["/etc/ssh/sshd_config.d"])


def shown_at_connection(host: Host) -> str:
    """What sshd shows on this host to a made-up user before it refuses him. Raises Unseen."""
    port = setting(host, "port")
    told = host.run(*_CLIENT, "-p", port, f"{_MADE_UP_USER}@{_address(host)}", "true", ok=(_REFUSED,))
    if "Permission denied" not in told.stderr:
        raise Unseen(f"no connection to sshd on port {port}: {told.complaint}")
    return told.stderr


def _address(host: Host) -> str:
    """An address on which sshd listens."""
    listens = setting(host, "listenaddress").rpartition(":")[0].strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listens, listens)  # noqa: S104
