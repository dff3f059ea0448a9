# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""disk_encryption: every disk that database servers write to is reached through encryption only.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence

from .._finding import CONFIGURED, ERROR, NOT_APPLICABLE, OBSERVED, Finding, Layer
from .._host import Host, Unseen
from .._measure import Check, Question
from .._services import block_devices, covered, database_files, database_servers, listeners, mounts
from .._services.block_devices import Protection
from .._services.database_files import BINLOG, DATA, LOG, TABLESPACE, TEMPORARY, WAL, OpenFile, Place
from .._services.database_servers import MARIADB, Server
from .disk_encryption_dumps import check_dumps
from .disk_encryption_keys import check_keys
from .disk_encryption_places import NAME, REMEDY, crypt_layers, finding, unmounted
from .disk_encryption_swap import check_swap

PARTS = {"data": (DATA, TABLESPACE), "logs": (WAL, BINLOG, LOG), "temporary": (TEMPORARY,)}
# programs in front of web sites, which keep no data
_NO_DATABASES = ("angie", "caddy", "envoy", "h2o", "haproxy", "hitch", "lighttpd", "traefik", "varnishd")
# where copies of data directories are left, as patterns of directories
_OLD_PLACES = (
    "/var/lib/*", "/var/lib/*/*", "/var/lib/postgresql*/*/*", "/var/backups/*", "/var/backups/*/*", "/srv/*",
    "/srv/*/*", "/root/*", "/home/*", "/home/*/*", "/opt/*", "/mnt/*", "/mnt/*/*", "/data/*", "/backup*/*", "/*",
)  # fmt: skip
_MOVED = "/var/lib/privacy-hosting/disk-encryption/moved.json"


# -- what there is to judge -------------------------------------------------------------------------------------------


def _check_servers(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """That each program that keeps data is known."""
    expected = "database servers that can be judged"
    servers, strangers = database_servers.servers(host), database_servers.strangers(host)
    for stranger in strangers:
        yield Finding(
            NAME, "servers", option, stranger.name, ERROR, "", expected,
            f"{stranger.name}: where it keeps its files is not known to us", stranger.source,
            "attest on which devices its data, logs and temporary files lie",
        )  # fmt: skip
    unknown = [one for one in listeners.unknown_listeners(host) if one.program not in _NO_DATABASES]
    for listener in unknown:
        yield Finding(
            NAME, "servers", option, listener.program, ERROR, "", expected,
            f"{listener}: whether it is a database server is not known", "",
            "attest whether it keeps data, and on which devices",
        )  # fmt: skip
    if not servers and not strangers and not unknown:
        what = "no database server runs, starts at boot or left data, and nothing unknown listens"
        yield Finding(NAME, "servers", option, "database servers", NOT_APPLICABLE, "", expected, what, "")


# -- servers' files ---------------------------------------------------------------------------------------------------


def _check_files(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Where each server's files lie: as it is set, and as it holds them open."""
    for server in database_servers.servers(host):
        for part in [part for part in PARTS if part in question.asked[option]]:
            yield _part(host, server, part, option)


def _part(host: Host, server: Server, part: str, option: str) -> Finding:
    subject, expected = f"{server.name}: {part}", "on devices that are encrypted with a real cipher"
    layers: list[Layer] = []
    unseen = ""
    protections: list[Protection] = []
    for told in _layers(host, server, part):
        if isinstance(told, str):
            unseen = unseen or told
            continue
        layers.append(told[0])
        protections.append(told[1])
    if not any(layer.good is False for layer in layers):
        unseen = unseen or next((layer.seen for layer in layers if layer.good is None), "")
        if unseen:
            return finding("files", option, subject, expected, [Layer(CONFIGURED, None, unseen)])
        if not layers:
            what = f"{server.name} keeps none"
            return Finding(NAME, "files", option, subject, NOT_APPLICABLE, "", expected, what, server.source)
    layers += crypt_layers(host, protections)
    return finding("files", option, subject, expected, layers, REMEDY)


def _layers(host: Host, server: Server, part: str) -> Iterator[tuple[Layer, Protection] | str]:
    """What is seen of a part of a server, or in words what could not be."""
    if not server.running and not database_servers.holds_data(host, server.kind, server.data_directory):
        yield (
            f"{server.data_directory} holds no database now, and the server does not run; if it lies on a device that "
            "has to be opened first, open it"
        )
        return
    places: list[Place] = []
    try:
        places = [place for place in database_files.places(server) if place.role in PARTS[part]]
        yield from (what for role, what, _source in database_files.unclear(server) if role in PARTS[part])
    except Unseen as unseen:
        yield str(unseen)
        if server.data_directory and part == "data":
            places = [Place(DATA, server.data_directory, server.source)]
    by_text: dict[tuple[str, str, bool | None, str], tuple[list[str], Protection]] = {}
    for place in places:
        told = _softened(server, part, _protection(host, server, place))
        key = (place.proof, told.seen, told.good, place.source if told.good is False else "")
        by_text.setdefault(key, ([], told))[0].append(place.path)
    for (proof, seen, good, source), (paths, told) in by_text.items():
        where = ", ".join(dict.fromkeys(paths))
        late = "" if proof != CONFIGURED or not server.running else " from its next start on"
        bare = unmounted(host, paths[0]) if good is False else ""
        yield Layer(proof, good, f"{where}{late}: {seen}{bare}", source or told.source), told
    if server.running:
        yield from _open(host, server, part)


def _protection(host: Host, server: Server, place: Place) -> Protection:
    try:
        return block_devices.of_path(host, server.view(), place.path)
    except Unseen as unseen:
        return Protection(None, str(unseen), place.source)


def _softened(server: Server, part: str, told: Protection) -> Protection:
    """Tables that MariaDB encrypts itself are not in clear, and not all that is promised either."""
    if told.good is not False or server.kind != MARIADB or part != "data":
        return told
    try:
        itself = database_files.mariadb_variables(server).get("innodb_encrypt_tables", "OFF").upper()
    except Unseen:
        return told
    if itself in ("OFF", "0"):
        return told
    what = (
        "MariaDB encrypts tables itself (innodb_encrypt_tables); whether all, and where their keys lie, is not judged"
    )
    return Protection(None, f"{told.seen}; {what}", told.source)


def _open(host: Host, server: Server, part: str) -> Iterator[tuple[Layer, Protection] | str]:
    """What the files that a server holds open lie on."""
    places: list[Place] = []
    with contextlib.suppress(Unseen):  # told already
        places = database_files.places(server)
    try:
        roles = {one: _role(server, places, one) for one in database_files.open_files(server)}
    except Unseen as unseen:
        yield str(unseen)
        return
    files = [one for one, role in roles.items() if role in PARTS[part]]
    told: dict[Protection, list[OpenFile]] = {}
    for one in files:
        told.setdefault(_softened(server, part, _of_open(host, server, one)), []).append(one)
    for protection, those in told.items():
        first = those[0].path.removesuffix(" (deleted)")
        what = f"{first} and {len(those) - 1} more, open" if len(those) > 1 else f"{first}, open"
        yield Layer(OBSERVED, protection.good, f"{what}: {protection.seen}", those[0].source), protection


def _role(server: Server, places: Sequence[Place], one: OpenFile) -> str:
    """The role of an open file: that of a place of its own that it lies in, else by its name. '' for no data."""
    inside = [
        place
        for place in places
        if place.role != DATA
        and one.path.startswith(place.path)
        and not server.data_directory.startswith(place.path.rstrip("/"))
    ]
    role = max(inside, key=lambda place: len(place.path)).role if inside else database_files.role_of(server, one.path)
    # what a server tells of itself in a log is no data, unless it is set to log queries there
    return "" if role == LOG and not inside else role


def _of_open(host: Host, server: Server, one: OpenFile) -> Protection:
    """What an open file lies on: by the device that the kernel gives for it, not by its path."""
    try:
        if block_devices.container(host):
            return block_devices.of_path(host, server.view(), one.path)
        device = block_devices.picture(host).numbered(one.numbers)
        if device is not None:
            return block_devices.of_device(host, device.name)
        for mount in reversed(server.view().mounts):
            if mount.numbers == one.numbers:
                return block_devices.of_mount(host, mount)
        return block_devices.of_path(host, server.view(), one.path.removesuffix(" (deleted)"))
    except Unseen as unseen:
        return Protection(None, str(unseen), one.source)


# -- copies that were left --------------------------------------------------------------------------------------------


def _check_copies(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Data directories that no server uses: what was copied to an encrypted device and stayed behind."""
    if "data" not in question.asked[option]:
        return
    used = set()
    for server in database_servers.servers(host):
        used.add(host.real(server.data_directory))
    expected = "no copy of databases' files on devices that are not encrypted"
    for server in database_servers.servers(host):
        yield from _hidden(host, server, option, expected)
    for directory in sorted({*_data_directories(host), *_left_by_harden(host)}):
        if host.real(directory) in used or any(host.real(directory).startswith(f"{one}/") for one in used):
            continue
        told = block_devices.of_path(host, mounts.view(host), directory)
        if told.good is not True:
            layer = Layer(OBSERVED, told.good, f"{directory} holds a copy of a database: {told.seen}", directory)
            remedy = (
                f"remove {directory} once it is not needed any more ({NAME}_old_copy: remove, for what harden copied)"
            )
            yield finding("copies", option, directory, expected, [layer], remedy)


def _hidden(host: Host, server: Server, option: str, expected: str) -> Iterator[Finding]:
    """What was there before the encrypted file system was mounted over it, where debugfs can look below (ext4)."""
    for below in covered.below(host, mounts.view(host), server.data_directory):
        told = block_devices.of_mount(host, below.mount)
        if told.good is True:
            continue
        for mark in database_servers.MARKS[server.kind]:
            if covered.exists(host, below, mark):
                what = f"below what is mounted at {below.point} lies an older copy of {server.name}: {told.seen}"
                layer = Layer(OBSERVED, told.good, what, f"debugfs {below.device}")
                remedy = f"stop {server.name}, unmount {below.point}, and remove what is there then; mount it again"
                yield finding("copies", option, f"{server.name}: below {below.point}", expected, [layer], remedy)
                break


def _data_directories(host: Host) -> list[str]:
    """Directories, in the usual places, that hold the files of a database server. Raises Unseen."""
    marks = ("PG_VERSION", "ibdata1", "aria_log_control")
    found = {os.path.dirname(path) for place in _OLD_PLACES for mark in marks for path in host.glob(f"{place}/{mark}")}
    return sorted(path for path in found if not _inside_another(path, found))


def _left_by_harden(host: Host) -> list[str]:
    """What harden copied to an encrypted device and has not removed since. Raises Unseen."""
    if host.stat(_MOVED) is None:
        return []
    try:
        told = [str(one["old"]) for one in json.loads(host.read(_MOVED))]
    except (ValueError, TypeError, KeyError):
        raise Unseen(f"{_MOVED} was not understood") from None
    return [path for path in told if host.stat(path) is not None]


def _inside_another(path: str, directories: Iterable[str]) -> bool:
    return any(path.startswith(f"{other}/") for other in directories)


CHECKS: Sequence[Check] = (
    Check("servers", ("covers", "key_apart"), _check_servers),
    Check("files", ("covers",), _check_files),
    Check("copies", ("covers",), _check_copies),
    Check("dumps", ("covers",), check_dumps),
    Check("swap", ("covers",), check_swap),
    Check("keys", ("key_apart",), check_keys),
)
