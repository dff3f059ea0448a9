# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What opens encrypted devices: /etc/crypttab, and what a LUKS2 header says of its keys. No key is ever read.

PRIVATE to the collection.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._host import Host, Unseen

PATH = "/etc/crypttab"
# where systemd looks for a key by the name of the device, if crypttab names none
KEY_DIRECTORIES = ("/etc/cryptsetup-keys.d", "/run/cryptsetup-keys.d")
RANDOM = ("/dev/urandom", "/dev/random", "/dev/hwrng")
_HEADER_BYTES = 65536  # LUKS2's first header is 16 KiB, unless it was made larger
_MAGIC = "LUKS"


@dataclass(frozen=True)
class Entry:
    """A line of crypttab. key: its third field, '' for none; source: 'file:line'."""

    name: str
    device: str
    key: str
    options: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Header:
    """What the header of a device says. version: 1 or 2, 0 where it has none; tokens: LUKS2's, as they stand."""

    version: int
    tokens: tuple[Mapping[str, Any], ...] = ()
    unseen: str = ""


def entries(host: Host) -> list[Entry]:
    """The lines of crypttab; none where there is no such file. Raises Unseen."""
    if host.stat(PATH) is None:
        return []
    return parse(host.read(PATH))


def parse(text: str) -> list[Entry]:
    """The lines of a text like /etc/crypttab."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        key = fields[2] if len(fields) > 2 and fields[2] not in ("none", "-") else ""
        options = dict(one.partition("=")[::2] for one in (fields[3] if len(fields) > 3 else "").split(","))
        found.append(Entry(fields[0], fields[1], key, options, f"{PATH}:{number}"))
    return found


def header(host: Host, device: str) -> Header:
    """What the header of a device says, read from its first bytes. Raises Unseen."""
    text = host.run("dd", f"if={device}", f"bs={_HEADER_BYTES}", "count=1", "status=none").stdout
    return parse_header(text)


def parse_header(text: str) -> Header:
    """What the first bytes of a device say, of which those that are no text were replaced."""
    if not text.startswith(_MAGIC):
        return Header(0)
    # the version is a number of two bytes, after a magic of six of which two are no text; LUKS1 has its cipher next
    if re.match(r".{2,8}\x00\x01", text[4:14], re.DOTALL):
        return Header(1)
    start = text.find('{"')
    if start < 0:
        return Header(2, unseen="its metadata was not found")
    try:
        metadata, _end = json.JSONDecoder().raw_decode(text[start:])
        tokens = metadata.get("tokens", {})
        return Header(2, tuple(tokens[name] for name in sorted(tokens)))
    except (ValueError, AttributeError, TypeError):
        return Header(2, unseen="its metadata was not understood")


def clevis_pin(token: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The pin of a token of Clevis, with what it is set to. Raises Unseen.

    A shared secret's settings are 't', how many parts open it, and 'parts', which are pins with their settings.
    """
    jwe = token.get("jwe")
    head = jwe.get("protected") if isinstance(jwe, Mapping) else str(jwe or "").partition(".")[0]
    return _pin(str(head or ""), 0)


def _pin(head: str, depth: int) -> tuple[str, Mapping[str, Any]]:
    try:
        clevis = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["clevis"]
        pin = str(clevis["pin"])
        settings = clevis.get(pin, {})
        if pin != "sss":
            return pin, dict(settings)
        if depth > 4:
            raise Unseen("shared secrets of Clevis lie in each other too deeply")
        parts = [_pin(str(part).partition(".")[0], depth + 1) for part in settings["jwe"]]
        return pin, {"t": settings.get("t"), "parts": parts}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise Unseen("a token of Clevis was not understood") from None


def waiting_key(host: Host, name: str) -> str:
    """The key file that systemd takes by itself for a device of that name, '' for none. Raises Unseen."""
    for directory in KEY_DIRECTORIES:
        path = os.path.join(directory, f"{name}.key")
        if host.stat(path) is not None:
            return path
    return ""
