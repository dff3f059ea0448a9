# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""data_backup, where: on which machine the backups lie, who can open them, and what this host could do to them.

PRIVATE to the collection.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from .._finding import CONFIGURED, ERROR, FAIL, NOT_APPLICABLE, PASS, Finding
from .._host import Host, Unseen
from .._measure import Question
from .._services import backup_store, mounts
from .._services.addresses import is_address, own_addresses
from .._services.restic import Repository
from .data_backup_case import HARDEN, NAME, Case, some

# -- off_host ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a repository lies. here: on this host, None where that cannot be told; words: what was seen.

    machine: the name or address of the other machine; '' for a service of which only the name is known.
    """

    here: bool | None
    words: str
    machine: str = ""


def check_elsewhere(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether backups go to another machine, encrypted."""
    case = Case(host, question, option)
    nothing = case.none("elsewhere")
    if nothing is not None:
        yield nothing
        return
    places = {repository: place_of(host, repository) for repository in case.repositories()}
    away = any(place.here is False for place in places.values())
    for repository, place in places.items():
        source = repository.calls[0].source
        more = {
            "expected": "a repository on another machine, encrypted",
            "remedy": f"Back up to another machine: name it in {NAME}_repository or {NAME}_store, and run: {HARDEN}",
        }
        if "insecure-no-password" in repository.calls[0].flags:
            seen = "--insecure-no-password: everybody who gets hold of it can read it"
            yield case.finding("elsewhere", str(repository), FAIL, seen, source, **more, proof=CONFIGURED)
        elif place.here is None:
            yield case.finding("elsewhere", str(repository), ERROR, place.words, source, **more)
        elif place.here and away:
            seen = f"{place.words}; another one lies on another machine"
            yield case.finding("elsewhere", str(repository), NOT_APPLICABLE, seen, source)
        else:
            status = FAIL if place.here else PASS
            seen = place.words + ("" if place.here else ", and restic encrypts what it sends")
            yield case.finding("elsewhere", str(repository), status, seen, source, **more, proof=CONFIGURED)


def is_off_host(host: Host, repository: Repository) -> bool:
    """Whether a repository is known to lie on another machine."""
    try:
        return place_of(host, repository).here is False
    except Unseen:
        return False


def place_of(host: Host, repository: Repository) -> Place:
    """Where a repository lies. Raises Unseen."""
    return host.once(("place", repository.location, repository.scheme), lambda: _place_of(host, repository))


def _place_of(host: Host, repository: Repository) -> Place:
    rest = repository.location.partition(":")[2]
    if repository.scheme == "local":
        return _of_path(host, repository.location)
    if repository.scheme == "sftp":
        return _of_ssh(host, repository, rest)
    if repository.scheme == "rest":
        return _of_machine(host, _host_of_url(rest))
    if repository.scheme == "rclone":
        return _of_rclone(host, repository, rest)
    if repository.scheme in ("s3", "swift", "b2", "azure", "gs"):
        machine = _host_of_url(rest) if repository.scheme == "s3" else ""
        return _of_machine(host, machine) if machine else Place(False, f"it lies with a service ({repository.scheme})")
    return Place(None, f"where a repository of the kind '{repository.scheme}' lies is not known")


_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "fuse.sshfs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "9p",
    "davfs",
    "fuse.s3fs",
)


def _of_path(host: Host, path: str) -> Place:
    if not path.startswith("/"):
        return Place(None, "it is a relative path, and from where is not known")
    real = host.real(path)
    mounted = mounts.view(host).mount_of(real)
    mount = mounts.on_demand(host, real, mounted, re.compile("|".join(map(re.escape, _NETWORK))))
    if mount.type == "autofs" or mount is not mounted:
        return Place(None, f"what is mounted at {mount.point} on demand is not known")
    if mount.type in _NETWORK:
        machine = re.split(r":|//|/", mount.source.lstrip("/"))[0].rpartition("@")[2]
        place = _of_machine(host, machine)
        return Place(
            place.here, f"it lies on {mount.type} of another machine" if place.here is False else place.words, machine
        )
    if mount.type.startswith("fuse") and mount.type != "fuseblk":
        return Place(None, f"it lies on {mount.type}, and where that puts it is not known")
    return Place(True, "it lies on a file system of this host")


def _of_ssh(host: Host, repository: Repository, rest: str) -> Place:
    command = repository.options().get("sftp.command")
    if command:
        return _of_ssh_command(host, repository, command)
    match = re.match(r"//(?:[^/@]*@)?(\[[^]]+\]|[^/:]+)", rest) or re.match(r"(?:[^:@]*@)?(\[[^]]+\]|[^:]+):", rest)
    if not match:
        return Place(None, "its address is not understood")
    return _of_ssh_host(host, repository, ["ssh", match[1].strip("[]")])


def _of_ssh_command(host: Host, repository: Repository, command: str) -> Place:
    """Where a command line of ssh leads to."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words or os.path.basename(words[0]) != "ssh":
        return Place(None, "the command that leads to it is not understood")
    kept, queue = ["ssh"], words[1:]
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            return _of_ssh_host(host, repository, [*kept, word])
        kept.append(word)
        if len(word) == 2 and word[1] in "BbcDEeFIiJLlmOoPpQRSWw" and queue:
            kept.append(queue.pop(0))
    return Place(None, "the command that leads to it names no machine")


def _of_ssh_host(host: Host, repository: Repository, words: list[str]) -> Place:
    """Where ssh would go, by its own configuration."""
    user = repository.calls[0].user
    argv = [words[0], "-G", *words[1:]]
    if user != "root":
        argv = ["setpriv", f"--reuid={user}", "--clear-groups", *argv]
    home = repository.calls[0].environment.get("HOME", "/root")
    told = dict(line.partition(" ")[::2] for line in host.run(*argv, env={"HOME": home}).stdout.splitlines())
    if told.get("proxycommand", "none") != "none" and "nc " not in told["proxycommand"]:
        return Place(None, "a ProxyCommand leads to it, and where that goes is not known")
    return _of_machine(host, told.get("hostname", words[-1]), told.get("port", "22"))


def _of_rclone(host: Host, repository: Repository, rest: str) -> Place:
    program = repository.options().get("rclone.program", "rclone")
    if re.match(r"(\S*/)?ssh\s", program):
        return _of_ssh_command(host, repository, program)
    if os.path.basename(program.split()[0]) != "rclone":
        return Place(None, "the program that leads to it is not understood")
    return _of_remote(host, repository, rest.partition(":")[0], rest.partition(":")[2])


def _of_remote(host: Host, repository: Repository, name: str, path: str, depth: int = 0) -> Place:
    """Where a remote of rclone's lies, by its configuration; secrets in it are not looked at."""
    environment = repository.calls[0].environment
    home = environment.get("HOME", "/root")
    file = (
        environment.get("RCLONE_CONFIG")
        or f"{environment.get('XDG_CONFIG_HOME') or home + '/.config'}/rclone/rclone.conf"
    )
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(host.read(file) if host.stat(file) is not None else "")
        remote = dict(parser[name]) if parser.has_section(name) else {}
    except configparser.Error:
        remote = {}
    upper = re.sub(r"\W", "_", name).upper()
    for key in ("type", "host", "remote", "endpoint", "url"):
        remote[key] = environment.get(f"RCLONE_CONFIG_{upper}_{key.upper()}") or remote.get(key, "")
    kind = remote["type"]
    if kind in ("crypt", "alias", "chunker", "compress") and depth < 3:
        inner, _colon, below = remote["remote"].partition(":")
        return _of_remote(host, repository, inner, below, depth + 1) if _colon else _of_path(host, remote["remote"])
    if kind == "local":
        return _of_path(host, path)
    if kind in ("sftp", "ftp", "smb"):
        return _of_machine(host, remote["host"])
    if kind in ("s3", "webdav", "http"):
        machine = _host_of_url(remote["endpoint"] or remote["url"])
        return _of_machine(host, machine) if machine else Place(False, f"it lies with a service ({kind})")
    if kind:
        return Place(False, f"it lies with a service ({kind})")
    return Place(None, "rclone's configuration does not say where it lies")


def _host_of_url(text: str) -> str:
    match = re.match(r"(?:\w+://)?(?:[^/@]*@)?(\[[^]]+\]|[^/:]+)", text)
    return match[1].strip("[]") if match else ""


def _of_machine(host: Host, machine: str, port: str = "") -> Place:
    """Whether a machine is this host."""
    if not machine:
        return Place(None, "which machine it lies on is not known")
    name = _addressless(machine)
    addresses = addresses_of(host, machine)
    if not addresses:
        return Place(None, f"the name {name} leads nowhere")
    own = set(own_addresses(host))
    if any(address in own or _is_loopback(address) for address in addresses):
        tunnel = _tunnel(host, addresses, port)
        if tunnel:
            return Place(None, f"it is reached by way of {tunnel} on this host, and where that leads is not known")
        return Place(True, f"{name} is this host", machine)
    return Place(False, f"it lies on another machine ({name})", machine)


def addresses_of(host: Host, machine: str) -> tuple[str, ...]:
    """The addresses that a name leads to."""
    if is_address(machine):
        return (machine,)

    def look_up() -> tuple[str, ...]:
        import socket

        try:
            return tuple(sorted({str(one[4][0]) for one in socket.getaddrinfo(machine, 22, type=socket.SOCK_STREAM)}))
        except (OSError, UnicodeError):
            return ()

    return host.once(("leads to", machine), look_up)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _tunnel(host: Host, addresses: tuple[str, ...], port: str) -> str:
    """A program that listens on this host only to lead elsewhere; '' where there is none at that port."""
    if not port.isdigit():
        return ""
    names = {process.pid: process.name for process in host.processes()}
    for listener in host.listeners():
        if listener.port == int(port):
            for pid in listener.pids:
                if names.get(pid) in ("ssh", "stunnel", "stunnel4", "haproxy", "socat", "autossh", "cloudflared"):
                    return names[pid]
    return ""


def _addressless(machine: str) -> str:
    """A machine as it may stand in a report."""
    from .._services.addresses import shortened

    return shortened(machine) if is_address(machine) else re.sub(r"[^\w.-]", "?", machine)


# -- second_key -------------------------------------------------------------------------------------------------------


def check_keys(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether more than one key opens each repository."""
    case = Case(host, question, option)
    nothing = case.none("keys")
    if nothing is not None:
        yield nothing
        return
    case.ask_all()
    for repository in case.repositories():
        number = repository.keys(host)
        seen = "1 key opens it" if number == 1 else f"{number} keys open it"
        yield case.finding(
            "keys", str(repository), PASS if number > 1 else FAIL, seen, f"restic key list ({repository})",
            expected="2 keys at least",
            remedy=f"Add one that is kept elsewhere: restic key add; or set {NAME}_recovery_password and run: {HARDEN}",
        )  # fmt: skip


# -- append_only ------------------------------------------------------------------------------------------------------


def check_append_only(host: Host, question: Question, option: str) -> Iterator[Finding]:
    """Whether the host can remove or rewrite its backups, as the machine that holds them tells."""
    case = Case(host, question, option)
    served = list(_served(case))
    yield from served
    nothing = case.none("append_only")
    if nothing is not None:
        if not served or nothing.status == FAIL:
            yield nothing
        return
    for repository in case.repositories():
        yield _append_only_of(case, repository)


def _append_only_of(case: Case, repository: Repository) -> Finding:
    place = place_of(case.host, repository)
    source = repository.calls[0].source
    more = {
        "expected": "this host cannot remove or rewrite its backups",
        "remedy": f"Let the machine that holds them take additions only, name it in {NAME}_store, and audit it too.",
    }
    if place.here:
        seen = "they lie on this host itself"
        return case.finding("append_only", str(repository), FAIL, seen, source, **more, proof=CONFIGURED)
    if place.machine:
        addresses = set(addresses_of(case.host, place.machine)) | {place.machine}
        for item in case.question.settings["store"]:
            name, *known = item.split()
            reached = {address for one in known for address in (addresses_of(case.host, one) or (one,))}
            if addresses & (reached | set(known)) or place.machine == name:
                seen = f"what this host may do there is judged on {name}"
                return case.finding("append_only", str(repository), NOT_APPLICABLE, seen, f"{NAME}_store")
    told = {
        "sftp": "over SFTP files can be removed, unless that machine sees to it",
        "rest": "whether rest-server runs there with --append-only only that machine can tell",
        "rclone": "whether rclone serves it there with --append-only only that machine can tell",
    }
    seen = told.get(repository.scheme, "what the key of this host may do there only that service can tell")
    named = case.question.settings["store"]
    if named:
        seen += f"; it does not lie on {some([item.split()[0] for item in named])}"
    return case.finding("append_only", str(repository), ERROR, seen, source, **more)


def _served(case: Case) -> Iterator[Finding]:
    """On a machine that holds repositories: what their clients may do. Each way to each of them is judged."""
    clients = [item.split()[0] for item in case.question.settings["clients"]]
    ways = backup_store.ways(case.host)
    expected = "clients can add backups, and remove or rewrite none"
    remedy = (
        'Give the key restrict,command="rclone serve restic --stdio --append-only DIRECTORY" in authorized_keys, '
        "and the account no other way to log in."
    )
    for way in ways:
        status = {True: PASS, False: FAIL, None: ERROR}[way.append_only]
        yield case.finding(
            "append_only",
            way.subject,
            status,
            way.words,
            way.source,
            expected=expected,
            remedy=remedy,
            proof=CONFIGURED,
        )
    if clients and not ways:
        seen = f"no way is known by which {some(clients)} could put backups here"
        yield case.finding("append_only", "this host", ERROR, seen, f"{NAME}_clients", expected=expected)
