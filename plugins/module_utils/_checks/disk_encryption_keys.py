# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption, keys: that what opens the encrypted devices does not lie in clear beside them.

No key is read, and no passphrase is tried.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .._finding import CONFIGURED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Question
from .._services import block_devices, crypttab, database_files, database_servers, jobs, mounts
from .._services.addresses import is_address, leads_here, shortened
from .._services.block_devices import Device, Protection
from .._services.crypttab import Entry
from .disk_encryption_places import finding

_EXPECTED = "no key that opens it in clear on an unencrypted file system"
_REMEDY = "remove the key from the host and its slot from the header, and open the device by hand or by a tang server"
_INITRAMFS = "/etc/cryptsetup-initramfs/conf-hook"
# Debian's keyscripts that hold no key themselves
_ASKING = ("decrypt_keyctl", "decrypt_derived", "decrypt_gnupg", "decrypt_gnupg-sc", "decrypt_opensc", "decrypt_ssl")
_TOKENS = {
    "systemd-tpm2": "the host's own TPM opens it: whoever takes the whole machine has the key",
    "systemd-fido2": "a FIDO2 token opens it",
    "systemd-pkcs11": "a smart card opens it",
    "systemd-recovery": "a recovery key opens it, which the header does not hold",
    "luks2-keyring": "a key in the kernel's memory opens it",
}
_OPENS = re.compile(r"\b(?:cryptsetup|systemd-cryptsetup)\b.*\b(?:open|luksOpen|plainOpen|create|attach|luksAddKey)\b")
_KEY_FILE = re.compile(
    r"(?:--key-file[=\s]\s*|(?<!\S)-d\s*|--master-key-file[=\s]\s*|(?<!<)<(?!<)\s*)([\"']?)([^\s\"';|&<>]+)\1"
)
_GIVEN = re.compile(
    r"\b(?:echo|printf)\b[^|]*\|\s*(?:\S*sudo\s+)?\S*cryptsetup|cryptsetup[^|;]*<<<|cryptsetup[^|;]*<<-?\s*['\"]?\w"
)
_CAT = re.compile(
    r"\b(?:cat|head|tail|base64|xxd|openssl|gpg|age)\b[^|]*?(/[^\s\"'|;]+)[^|]*\|\s*(?:\S*sudo\s+)?\S*cryptsetup"
)
_SCRIPTS = (
    "/etc/systemd/system/*.service", "/etc/systemd/system/*.service.d/*.conf", "/etc/rc.local", "/etc/init.d/*",
    "/usr/local/sbin/*", "/usr/local/bin/*", "/root/*.sh", "/root/bin/*", "/opt/*.sh", "/opt/*/*.sh", "/opt/bin/*",
    "/etc/initramfs-tools/scripts/*/*", "/etc/network/if-up.d/*", "/root/.bash_history",
)  # fmt: skip
_SCRIPT_BYTES = 256 << 10


def check_keys(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """For each encrypted device that something of a database lies on: what opens it."""
    if not database_servers.servers(host):
        return
    crypts = _crypts(host)
    if not crypts:
        layer = Layer(CONFIGURED, None, "no encrypted device holds anything of a database server")
        yield finding("keys", option, "encrypted devices", _EXPECTED, [layer])
    for name in crypts:
        if name.startswith("zfs:"):
            yield finding("keys", option, name[4:], _EXPECTED, [_zfs(host, name[4:])], _REMEDY)
            continue
        device = block_devices.picture(host).devices[name]
        layers = [*_layers(host, device), *_scripted(host, device)]
        yield finding("keys", option, device.title, _EXPECTED, layers, _REMEDY)


def _crypts(host: Host) -> list[str]:
    """The names of encrypted devices that hold anything of a database server, or swap."""
    told: list[Protection] = []
    for server in database_servers.servers(host):
        paths = [server.data_directory]
        with contextlib.suppress(Unseen):  # the check of files tells so
            paths += [place.path for place in database_files.places(server)]
        told += [_told(host, path, server.view()) for path in dict.fromkeys(paths)]
    told += [block_devices.of_swap(host, path) for path in block_devices.swaps(host)]
    return list(dict.fromkeys(name for one in told for name in one.crypts))


def _told(host: Host, path: str, view: mounts.View | None = None) -> Protection:
    try:
        return block_devices.of_path(host, view or mounts.view(host), path)
    except Unseen as unseen:
        return Protection(None, str(unseen), "")


# -- crypttab ---------------------------------------------------------------------------------------------------------


def _layers(host: Host, device: Device) -> Iterator[Layer]:
    """What opens a device: crypttab, a key that lies ready, tokens in its header."""
    below = block_devices.underlying(host, [device.name])
    entries = [entry for entry in crypttab.entries(host) if _is_of(host, entry, device, below)]
    for entry in entries:
        yield from _of_entry(host, entry)
    for title in dict.fromkeys([device.dm_name, *(entry.name for entry in entries)]):
        waiting = crypttab.waiting_key(host, title)
        if waiting:
            yield _of_key(host, waiting, waiting)
    if not entries:
        yield Layer(CONFIGURED, True, f"{crypttab.PATH} does not name it", crypttab.PATH)
    for one in below:
        yield from _of_header(host, one)


def _is_of(host: Host, entry: Entry, device: Device, below: Iterable[Device]) -> bool:
    """Whether a line of crypttab is about a device: by its name, or by what it lies on."""
    if entry.name == device.dm_name:
        return True
    tag, equals, value = entry.device.partition("=")
    value = value.strip('"')
    if equals and tag == "UUID":
        return device.dm_uuid.split("-")[2:3] == [value.replace("-", "").lower()]
    names = {one.name for one in below}
    if equals:
        value = value.lower() if tag == "PARTUUID" else value  # labels keep their capitals
        return os.path.basename(host.real(f"/dev/disk/by-{tag.lower()}/{value}")) in names
    return os.path.basename(host.real(entry.device)) in names


def _of_entry(host: Host, entry: Entry) -> Iterator[Layer]:
    script = entry.options.get("keyscript", "")
    if script:
        known = os.path.basename(script) in _ASKING
        what = f"{os.path.basename(script)} gives its key"
        yield Layer(CONFIGURED, known or None, what if known else f"{what}, which is not understood", entry.source)
        if known and os.path.basename(script) in ("decrypt_gnupg", "decrypt_ssl", "decrypt_keyctl", "decrypt_derived"):
            return
    if "tpm2-device" in entry.options:
        yield Layer(CONFIGURED, True, _TOKENS["systemd-tpm2"], entry.source)
    path = entry.key
    if not path:
        if not script:
            yield Layer(CONFIGURED, True, f"{crypttab.PATH} names no key for it", entry.source)
    elif path in crypttab.RANDOM:
        yield Layer(CONFIGURED, True, "a random key at each start", entry.source)
    elif ":" in path or not path.startswith("/"):
        yield Layer(CONFIGURED, None, "its key lies on another device, which is not there to be judged", entry.source)
    else:
        yield _of_key(host, path, entry.source)
        yield from _in_initramfs(host, path, entry)


def _of_key(host: Host, path: str, source: str) -> Layer:
    """Whether a key lies in clear, by where its file lies."""
    if path in ("/dev/zero", "/dev/null", "/dev/full"):
        return Layer(CONFIGURED, False, f"its key comes from {path}: everybody has it", source)
    if path.startswith("/dev/") and not path.startswith("/dev/shm/"):  # noqa: S108
        return Layer(CONFIGURED, None, f"its key lies on {path}, which is not judged", source)
    told = _told(host, path)
    if host.stat(path) is None:
        if told.good is not True:
            return Layer(CONFIGURED, None, f"its key {path} is not there now; where it is kept is not known", source)
        return Layer(CONFIGURED, True, f"its key {path} is not there now", source)
    return Layer(CONFIGURED, told.good, f"its key lies in {path}: {told.seen}", source)


def _in_initramfs(host: Host, path: str, entry: Entry) -> Iterator[Layer]:
    """A key that is copied into the initramfs, which lies in /boot."""
    if host.stat(_INITRAMFS) is None:
        return
    for number, line in enumerate(host.read(_INITRAMFS).splitlines(), 1):
        pattern = re.match(r"\s*KEYFILE_PATTERN\s*=\s*[\"']?([^\"'\s]+)", line)
        if pattern and any(fnmatch.fnmatch(path, one) for one in pattern.group(1).split(":")):
            told = _told(host, "/boot")
            yield Layer(
                CONFIGURED, told.good, f"its key {path} is copied into the initramfs: {told.seen}",
                f"{_INITRAMFS}:{number}",
            )  # fmt: skip


# -- headers ----------------------------------------------------------------------------------------------------------


def _of_header(host: Host, device: Device) -> Iterator[Layer]:
    path = f"/dev/{device.name}"
    try:
        header = crypttab.header(host, path)
    except Unseen as unseen:
        yield Layer(CONFIGURED, None, str(unseen))
        return
    if header.unseen:
        yield Layer(CONFIGURED, None, f"the header of {device.title}: {header.unseen}", path)
    for token in header.tokens:
        yield from _of_token(host, token, f"header of {device.title}")


def _of_token(host: Host, token: Mapping[str, Any], source: str) -> Iterator[Layer]:
    kind = str(token.get("type", ""))
    if kind == "clevis":
        try:
            pin, settings = crypttab.clevis_pin(token)
        except Unseen as unseen:
            yield Layer(CONFIGURED, None, str(unseen), source)
            return
        yield _of_pin(host, pin, settings, source)
    elif kind in _TOKENS:
        loose = kind == "systemd-tpm2" and not token.get("tpm2-pcrs") and not token.get("tpm2_pubkey_pcrs")
        yield Layer(CONFIGURED, True, _TOKENS[kind] + (", whatever it starts" if loose else ""), source)
    else:
        yield Layer(CONFIGURED, None, f"a token of the kind {kind[:40]!r} is not known", source)


def _of_pin(host: Host, pin: str, settings: Mapping[str, Any], source: str) -> Layer:
    if pin == "null":
        return Layer(CONFIGURED, False, "Clevis opens it by its pin 'null': the key stands in the header", source)
    if pin == "tpm2":
        return Layer(CONFIGURED, True, f"Clevis: {_TOKENS['systemd-tpm2']}", source)
    if pin == "sss":
        return _of_parts(host, settings, source)
    if pin != "tang":
        return Layer(CONFIGURED, None, f"the pin {pin[:40]!r} of Clevis is not known", source)
    url = str(settings.get("url", ""))
    try:
        server = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        server = ""
    if not server:
        return Layer(CONFIGURED, None, "Clevis opens it by a tang server whose address is not understood", source)
    told = f"Clevis opens it by the tang server {shortened(server) if is_address(server) else server}"
    here = leads_here(host, server)
    if here is None:
        return Layer(CONFIGURED, None, f"{told}, a name that leads nowhere from here", source)
    return Layer(CONFIGURED, not here, f"{told}, {'which is this host' if here else 'another machine'}", source)


def _of_parts(host: Host, settings: Mapping[str, Any], source: str) -> Layer:
    """What opens by some of several parts: in clear where so many of them are."""
    needed = settings.get("t")
    layers = [_of_pin(host, pin, inner, source) for pin, inner in settings["parts"]]
    if not isinstance(needed, int) or not 0 < needed <= len(layers):
        return Layer(CONFIGURED, None, "Clevis opens it by parts, of how many is not understood", source)
    clear, unknown = (sum(layer.good is verdict for layer in layers) for verdict in (False, None))
    good = False if clear >= needed else None if clear + unknown >= needed else True
    parts = "; ".join(dict.fromkeys(layer.seen for layer in layers))
    return Layer(CONFIGURED, good, f"Clevis: {needed} of {len(layers)} parts opens it: {parts}", source)


# -- ZFS --------------------------------------------------------------------------------------------------------------


def _zfs(host: Host, dataset: str) -> Layer:
    source = f"zfs get keylocation {dataset}"
    try:
        location = host.run("zfs", "get", "-H", "-o", "value", "keylocation", dataset).stdout.strip()
    except Unseen as unseen:
        return Layer(CONFIGURED, None, str(unseen), source)
    if location.startswith("file://"):
        return _of_key(host, location[7:], source)
    good = True if location == "prompt" or location.startswith("https://") else None
    return Layer(CONFIGURED, good, f"its key comes from {location.partition('?')[0][:60]}", source)


# -- scripts ----------------------------------------------------------------------------------------------------------


def _scripted(host: Host, device: Device) -> Iterator[Layer]:
    """What scripts and units of the host give cryptsetup as a key for a device."""
    for line, path, source in host.once("lines that open devices", lambda: list(_opening_lines(host))):
        named = _names(host, line, device)
        for layer in _of_line(host, line, path, source) if named is not False else ():
            unsure = named is None and layer.good is False
            yield Layer(layer.proof, None, f"{layer.seen}; for which device is not clear", source) if unsure else layer


def _opening_lines(host: Host) -> Iterator[tuple[str, str, str]]:
    """Lines of scripts that open encrypted devices, with the script and 'file:line'."""
    for text, path in _texts(host):
        for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
            if not line.lstrip().startswith("#") and "crypt" in line and _OPENS.search(line):
                yield line, path, f"{path}:{number}"


def _names(host: Host, line: str, device: Device) -> bool | None:
    """Whether a line of a script names a device; None where it leaves that to variables."""
    below = {one.name for one in block_devices.underlying(host, [device.name])}
    words = [word.strip("\"'") for word in re.split(r"[\s=;|&]+", line)]
    luks = re.match(r"CRYPT-LUKS\d-([0-9a-f]{32})-", device.dm_uuid)
    identity = luks.group(1) if luks else "-"
    for word in words:
        if word == device.dm_name or identity in word.replace("-", "").lower():
            return True
        if word.startswith("/dev/") and os.path.basename(host.real(word)) in below:
            return True
    return None if "$" in line else False


def _texts(host: Host) -> Iterator[tuple[str, str]]:
    seen = set()
    for pattern in _SCRIPTS:
        for path in host.glob(pattern):
            status = host.stat(path)
            real = host.real(path)
            if (
                status is None
                or status.st_size > _SCRIPT_BYTES
                or real in seen
                or status.st_mode & 0o170000 != 0o100000
            ):
                continue
            seen.add(real)
            try:
                text = host.read(path)
            except Unseen:
                continue
            if "\0" not in text:
                yield text, path
    for job in jobs.jobs(host):
        if job.source not in seen:
            yield job.text, job.command.rpartition(":")[0] or job.source


def _of_line(host: Host, line: str, path: str, source: str) -> Iterator[Layer]:
    """What a line of a script gives cryptsetup; the line itself is never told."""
    if _GIVEN.search(line):
        given = re.search(r"\b(?:echo|printf)\b([^|]*)\|", line)
        if given and "$" in given.group(1):
            yield Layer(CONFIGURED, None, f"{path} gives cryptsetup a key from a variable", source)
            return
        told = _told(host, path)
        yield Layer(CONFIGURED, told.good, f"a passphrase stands in {path}: {told.seen}", source)
        return
    keys = [key for _quote, key in _KEY_FILE.findall(line)] + _CAT.findall(line)
    for key in keys:
        if key in ("-", "/dev/stdin", "/dev/tty", "/dev/null") or key in crypttab.RANDOM:
            continue
        if not key.startswith("/"):
            yield Layer(CONFIGURED, None, f"{path} gives cryptsetup a key that is not understood", source)
        elif host.stat(key) is not None:
            yield _of_key(host, key, source)
