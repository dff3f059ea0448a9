# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption, swap: where the host puts the memory of database servers, now and from its next start on.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from .._finding import CONFIGURED, NOT_APPLICABLE, RUNNING, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import block_devices, crypttab, database_servers
from .._services.block_devices import Protection
from .disk_encryption_places import FSTAB, NAME, crypt_layers, finding

_EXPECTED = "swap on devices that are encrypted, or none"
_REMEDY = f"have it encrypted with a random key at each start, or switched off: {NAME}_swap: encrypt, or off"
_BY_TAG = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/run/systemd/generator")


def check_swap(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """All that the host swaps to now, and what it is set to swap to at its next start."""
    if "swap" not in question.asked[option] or not _has_servers(host):
        return
    active = block_devices.swaps(host)
    for path in active:
        told = _told(host, path)
        layers = [Layer(RUNNING, told.good, f"{path}: {told.seen}", told.source)]
        yield finding("swap", option, path, _EXPECTED, [*layers, *crypt_layers(host, [told])], _REMEDY)
    known = {host.real(path) for path in active}
    named = [(path, source) for path, source in _configured(host) if host.real(path) not in known]
    for path, source in named:
        told = _named(host, path)
        layers = [Layer(CONFIGURED, told.good, f"from the next start on, {path}: {told.seen}", source)]
        yield finding("swap", option, path, _EXPECTED, layers, _REMEDY)
    if not active and not named:
        what = "the host swaps to nothing, and is not set to"
        yield Finding(NAME, "swap", option, "swap", NOT_APPLICABLE, "", _EXPECTED, what, "/proc/swaps")


def _has_servers(host: Host) -> bool:
    return bool(database_servers.servers(host) or database_servers.strangers(host))


def _told(host: Host, path: str) -> Protection:
    try:
        return block_devices.of_swap(host, path)
    except Unseen as unseen:
        return Protection(None, str(unseen), "")


def _configured(host: Host) -> Iterator[tuple[str, str]]:
    """What fstab and units name as swap, each with where it stands. Raises Unseen."""
    if host.stat(FSTAB) is not None:
        for number, line in enumerate(host.read(FSTAB).splitlines(), 1):
            fields = line.split()
            if len(fields) > 2 and fields[2] == "swap" and not fields[0].startswith("#"):
                options = fields[3].split(",") if len(fields) > 3 else []
                if "noauto" not in options:
                    yield _device(fields[0]), f"{FSTAB}:{number}"
    for directory in _UNITS[:2]:
        for name in host.names(directory):
            if name.endswith(".swap"):
                yield from _unit(host, f"{directory}/{name}")


def _unit(host: Host, path: str) -> Iterator[tuple[str, str]]:
    if host.stat(path) is None or host.real(path) == "/dev/null":
        return
    for number, line in enumerate(host.read(path).splitlines(), 1):
        what = re.match(r"\s*What\s*=\s*(\S+)", line)
        if what:
            yield _device(what.group(1)), f"{path}:{number}"


def _device(field: str) -> str:
    """The path of a device as fstab names it."""
    tag, equals, value = field.partition("=")
    return f"/dev/disk/{_BY_TAG[tag]}/{value.strip(chr(34))}" if equals and tag in _BY_TAG else field


def _named(host: Host, path: str) -> Protection:
    """What swap that is not used now would lie on."""
    if host.stat(path) is not None:
        return _told(host, path)
    name = os.path.basename(path)
    for entry in crypttab.entries(host):
        if path == f"/dev/mapper/{name}" and entry.name == name:
            cipher = entry.options.get("cipher", "aes-xts-plain64")
            good = block_devices.is_real(cipher)
            return Protection(good, f"crypttab makes it ({cipher})", entry.source)
    return Protection(None, "it is not there now", "")
