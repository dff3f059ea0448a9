# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How backups leave the host: restic's repositories, and the other programs in jobs that copy to other machines.

SSH is judged by the settings that ssh itself tells (ssh -G, with the very options of the job). No secret of a job is
read into what is told.

PRIVATE to the collection.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .._host import Host, Unseen
from . import backup_jobs
from .backup_jobs import UNKNOWN, Call, Command
from .outgoing import Outgoing, stays_here, unknown

BACKUP = "backup"
_HTTPS_STORES = ("azure", "b2", "gs")  # of restic: they know no other way
# of rclone: remotes that know no other way than https
_HTTPS_REMOTES = frozenset(
    [
        "azureblob", "b2", "box", "drive", "dropbox", "google cloud storage", "jottacloud", "mega", "onedrive",
        "pcloud", "protondrive", "yandex",
    ]
)  # fmt: skip
_WRAPPING_REMOTES = ("alias", "cache", "chunker", "compress", "crypt", "hasher")
_COPYING = ("lsyncd", "csync2", "syncthing", "rclone")  # that run all the time
_SSH_VALUED = "BbcDEeFIiJLlmOopPQRSWw"
_NETWORK_FILE_SYSTEMS = re.compile(r"(nfs4?|cifs|smb3|9p|ceph|glusterfs|lustre|fuse\.\S+)")


def sent(host: Host) -> list[Outgoing]:
    """Every way by which backups leave the host. Raises Unseen."""
    return host.once("backups sent", lambda: list(_sent(host)))


def _sent(host: Host) -> Iterator[Outgoing]:
    found = backup_jobs.found(host)
    yield from _restic(host, found)
    judged = set()
    for command in found.commands:
        name = os.path.basename(command.words[0])
        judged.add((backup_jobs.OTHERS.get(name, name), command.source))
        yield from _command(host, name, command)
    others = [one for one in found.others if one not in judged]
    for process in host.processes():
        name = os.path.basename(process.program)
        serves = name == "rclone" and "serve" in process.argv
        if name in _COPYING and not process.contained and not serves:
            others.append((name, f"process {name}"))
    for name, source in others:
        yield unknown(BACKUP, name, f"where {name} sends backups, and how, is not judged", source)
    for source in found.unread:
        yield unknown(BACKUP, source, f"what {source} sends is not understood", source)


def _restic(host: Host, found: backup_jobs.Found) -> Iterator[Outgoing]:
    """What restic sends, of jobs that are not switched off; each repository once for each way to it."""
    from . import jobs

    active = {job.name for job in jobs.jobs(host)}
    calls = [call for call in found.calls if call.job.name in active]
    ways: dict[tuple[object, ...], tuple[Call, str]] = {}
    for call in calls:
        for place in _places(host, call):
            key = (place, call.user, call.values("option"), "insecure-tls" in call.flags)
            ways.setdefault(key, (call, place))
    for call, place in ways.values():
        yield from _repository(host, call, place)


def _plain(program: str, target: str, source: str, how: str, port: str = "") -> Outgoing:
    mend = f"{source}: send it over SSH or https."
    return Outgoing(
        BACKUP, program, target, port, False, f"{program} sends in plain ({how})",
        False, f"{program} sends in plain ({how}), so nobody is verified", source, mend, mend, label=program,
    )  # fmt: skip


def _over_tls(program: str, target: str, source: str, port: str = "", lax: str = "") -> Outgoing:
    """Over https or the like. lax: the option that takes the check of the other's certificate away."""
    return Outgoing(
        BACKUP, program, target, port, True, f"{program} sends over TLS",
        not lax, f"{lax} takes the check of the certificate away" if lax else "certificate and name are checked",
        source, "", f"{source}: take {lax} away." if lax else "", label=program,
    )  # fmt: skip


# -- restic -----------------------------------------------------------------------------------------------------------


def _places(host: Host, call: Call) -> Iterator[str]:
    """The repositories that a call speaks with; '' for one that is not understood. Raises Unseen."""
    from .restic import location

    if call.command not in ("help", "version", "cache", "generate", "self-update", "features", "options"):
        yield location(host, call)
    for other in call.values("from-repo"):
        yield "" if UNKNOWN in other else other


def _repository(host: Host, call: Call, place: str) -> Iterator[Outgoing]:
    scheme, _colon, rest = place.partition(":")
    lax = "--insecure-tls" if "insecure-tls" in call.flags else ""
    options = dict(word.partition("=")[::2] for word in call.values("option"))
    if not place:
        yield unknown(BACKUP, "restic", "which repository restic is told is not understood", call.source)
    elif place.startswith("/") or scheme == "local" or not _colon:
        yield from _directory(host, rest if scheme == "local" else place, "restic", call.source)
    elif scheme == "sftp":
        yield _sftp(host, call, rest, options)
    elif scheme == "rclone":
        yield from _by_rclone(host, call, rest, options)
    elif scheme == "rest":
        yield _by_url("restic", rest, call.source, lax)
    elif scheme == "s3":
        yield _by_url("restic", rest if "://" in rest else f"https://{rest}", call.source, lax)
    elif scheme in _HTTPS_STORES:
        yield _over_tls("restic", scheme, call.source, lax=lax)
    else:
        yield unknown(BACKUP, f"restic, {scheme}", f"how restic sends to {scheme} is not judged", call.source)


def _by_url(program: str, url: str, source: str, lax: str = "") -> Outgoing:
    """What goes to a URL. User names and passwords in it are told nobody."""
    match = re.match(r"(\w+)://(?:[^/@]*@)?(\[[^\]]+\]|[^/:?#]+)(?::(\d+))?", url)
    if not match or UNKNOWN in url:
        return unknown(BACKUP, program, f"where {program} sends to is not understood", source)
    scheme, target, port = match[1].lower(), match[2].strip("[]"), match[3] or ""
    if scheme in ("https", "davs", "webdavs"):
        return _over_tls(program, target, source, port, lax)
    if scheme in ("http", "ftp", "webdav", "dav", "rsync", "tftp"):
        return _plain(program, target, source, f"{scheme}://", port)
    return unknown(BACKUP, program, f"how {program} sends by {scheme}:// is not judged", source, target)


def _directory(host: Host, path: str, program: str, source: str) -> Iterator[Outgoing]:
    """A directory of the host, which may be another machine's."""
    from . import mounts

    if not path.startswith("/") or UNKNOWN in path:
        return
    real = host.real(path)
    below = [one for one in mounts.view(host).mounts if f"{real}/".startswith(one.point.rstrip("/") + "/")]
    if not below:
        return
    longest = max(len(one.point) for one in below)
    top = [one for one in below if len(one.point) == longest][-1]  # the last one lies on it
    mount = mounts.on_demand(host, real, top, _NETWORK_FILE_SYSTEMS)
    if mount.type == "autofs" or (mount is not top and top.type != "autofs"):
        why = f"what is mounted at {mount.point} on demand is not known"
        yield unknown(BACKUP, f"{program}, {mount.point}", why, source)
        return
    if not _NETWORK_FILE_SYSTEMS.fullmatch(mount.type):
        return
    target = re.sub(r"^//([^/]+)/.*|^(\[[^\]]+\]|[^:/]+):.*", lambda m: m[1] or m[2], mount.source).strip("[]")
    where = f"{program}, {mount.point}"
    options = mount.options
    if mount.type.startswith("nfs"):
        if options.get("sec") == "krb5p" or options.get("xprtsec") in ("tls", "mtls"):
            told = _over_tls(program, target, source)
            how = "sec=krb5p" if options.get("sec") == "krb5p" else f"xprtsec={options['xprtsec']}"
            yield replace(told, why=f"{mount.point} is NFS with {how}", verified_why=f"{how} verifies the server")
        else:
            yield _plain(program, target, source, f"{mount.point} is NFS without sec=krb5p or xprtsec")
    else:
        yield unknown(BACKUP, where, f"whether {mount.type} at {mount.point} encrypts is not judged", source, target)


# -- SSH --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ssh:
    """A call of ssh: its options, and the host that it names."""

    options: tuple[str, ...]
    host: str


def _ssh_call(words: Sequence[str]) -> _Ssh | None:
    """What a command line of ssh names; None where that is not understood."""
    options: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            continue
        if not word.startswith("-") or word == "-":
            return _Ssh(tuple(options), word) if UNKNOWN not in " ".join((word, *options)) else None
        options.append(word)
        letters = word[1:]
        valued = next((at for at, letter in enumerate(letters) if letter in _SSH_VALUED), None)
        if valued == len(letters) - 1 and queue:
            options.append(queue.pop(0))
    return _Ssh(tuple(options), "") if options else None


def _by_ssh(
    host: Host, program: str, words: Sequence[str], target: str, user: str, environment: Mapping[str, str], source: str
) -> Outgoing:
    """What goes through ssh. words: of ssh, without its name, which may hold the target."""
    call = _ssh_call(words)
    named = target or (call.host if call else "")
    if (words and call is None) or not named or UNKNOWN in named:
        return unknown(BACKUP, program, f"which SSH connection {program} uses is not understood", source)
    options = call.options if call else ()
    try:
        settings = _ssh_settings(host, options, named, user, environment)
    except Unseen as unseen:
        return unknown(BACKUP, program, str(unseen), source, named.rpartition("@")[2])
    real = settings.get("hostname", named.rpartition("@")[2])
    verified, why = _host_key(host, settings, real)
    mend = f"{source}: let ssh check the key of the server (StrictHostKeyChecking yes, and the key in known_hosts)."
    return Outgoing(
        BACKUP, program, real, settings.get("port", "22"), True, f"{program} sends over SSH", verified, why, source,
        "", "" if verified else mend,
    )  # fmt: skip


def _ssh_settings(
    host: Host, options: Sequence[str], target: str, user: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """The settings that ssh says it would use. Raises Unseen."""
    argv = ["ssh", "-G", *options, target]
    if user != "root":
        argv = ["setpriv", f"--reuid={user}", "--init-groups", f"--regid={_group(user)}", *argv]
    home = environment.get("HOME", "")
    result = host.run(*argv, env={"HOME": home} if home else None, ok=tuple(range(256)))
    if result.rc != 0:
        raise Unseen("ssh does not tell which settings it uses (ssh -G)")
    return {key.lower(): value for key, _blank, value in (x.partition(" ") for x in result.stdout.splitlines())}


def _group(user: str) -> str:
    import pwd  # not on every system that imports this

    try:
        return str(pwd.getpwnam(user).pw_gid)
    except KeyError:
        raise Unseen(f"there is no account {user}, as which a job should run") from None


def _host_key(host: Host, settings: Mapping[str, str], target: str) -> tuple[bool | None, str]:
    """Whether ssh makes sure that it speaks with the right server, in words."""
    strict = settings.get("stricthostkeychecking", "ask")
    files = [*settings.get("userknownhostsfile", "").split(), *settings.get("globalknownhostsfile", "").split()]
    real = [path for path in files if path not in ("/dev/null", "none")]
    nowhere = settings.get("userknownhostsfile", "").split() in (["/dev/null"], ["none"])
    if strict in ("no", "off", "false"):
        return False, "StrictHostKeyChecking is no: the key of any server is taken"
    if settings.get("verifyhostkeydns", "false") not in ("no", "false", "ask") or (
        settings.get("knownhostscommand", "none") != "none"
    ):
        return None, "how ssh knows the key of the server is not judged (VerifyHostKeyDNS, KnownHostsCommand)"
    if strict == "accept-new" or nowhere:
        known = _known(host, settings, target, real)
        if strict == "accept-new" and nowhere and not known:
            return False, "UserKnownHostsFile is /dev/null and StrictHostKeyChecking accept-new: any key is taken"
        if not known:
            return None, f"the key of the server is not known yet (StrictHostKeyChecking {strict})"
    if strict not in ("yes", "true", "ask", "accept-new"):
        return None, f"StrictHostKeyChecking {strict} is not understood"
    return True, f"ssh compares the server's key with the known one (StrictHostKeyChecking {strict})"


def _known(host: Host, settings: Mapping[str, str], target: str, files: Sequence[str]) -> bool:
    """Whether a file of known keys has the server's."""
    name, port = settings.get("hostkeyalias") or target, settings.get("port", "22")
    asked = name if port == "22" or settings.get("hostkeyalias") else f"[{name}]:{port}"
    there = [path for path in files if path.startswith("/") and host.stat(path) is not None]
    return any(host.run("ssh-keygen", "-F", asked, "-f", path, ok=(0, 1)).rc == 0 for path in there)


def _sftp(host: Host, call: Call, rest: str, options: Mapping[str, str]) -> Outgoing:
    """restic's own way: it starts ssh."""
    match = re.match(r"(?://)?((?:[^@/]+@)?(?:\[[^\]]+\]|[^/:]+))(?::(\d+)(?=/))?", rest)
    target, port = (match[1], match[2]) if match else ("", None)
    words = ["-p", port] if port and rest.startswith("//") else []
    if "sftp.command" in options:
        told = shlex.split(options["sftp.command"])
        if not told or os.path.basename(told[0]) != "ssh":
            return unknown(BACKUP, "restic", "how sftp.command sends is not judged", call.source)
        return _by_ssh(host, "restic", told[1:], "", call.user, call.environment, call.source)
    words += shlex.split(options.get("sftp.args", ""))
    return _by_ssh(host, "restic", words, target, call.user, call.environment, call.source)


# -- rclone -----------------------------------------------------------------------------------------------------------


def _by_rclone(host: Host, call: Call, rest: str, options: Mapping[str, str]) -> Iterator[Outgoing]:
    """restic by way of rclone, or of rclone at the other end of an SSH connection."""
    program = shlex.split(options.get("rclone.program", "rclone"))
    name = os.path.basename(program[0]) if program else ""
    if name == "ssh":
        yield _by_ssh(host, "restic", program[1:], "", call.user, call.environment, call.source)
    elif name == "rclone":
        words = [*program[1:], *shlex.split(options.get("rclone.args", ""))]
        yield from _remote(host, rest, words, call.environment, call.source)
    else:
        yield unknown(BACKUP, "restic", f"how {name} sends is not judged (rclone.program)", call.source)


def _remote(
    host: Host, place: str, words: Sequence[str], environment: Mapping[str, str], source: str, depth: int = 0
) -> Iterator[Outgoing]:
    """What rclone sends to 'remote:path', by the kind of the remote."""
    name, colon, path = place.partition(":")
    if not colon or "/" in name:
        yield from _directory(host, place, "rclone", source)
        return
    settings = _remote_settings(host, name, words, environment)
    kind = settings.get("type", "")
    lax = "--no-check-certificate" if "--no-check-certificate" in words else ""
    lax = lax or ("RCLONE_NO_CHECK_CERTIFICATE" if environment.get("RCLONE_NO_CHECK_CERTIFICATE") else "")
    told = f"rclone, {name}"
    if kind in _WRAPPING_REMOTES and depth < 4 and settings.get("remote"):
        yield from _remote(host, settings["remote"], words, environment, source, depth + 1)
    elif kind == "local":
        yield from _directory(host, path, "rclone", source)
    elif kind in _HTTPS_REMOTES:
        yield _over_tls(told, kind, source, lax=lax)
    elif kind == "s3":
        endpoint = settings.get("endpoint", "") or "s3.amazonaws.com"
        yield _by_url(told, endpoint if "://" in endpoint else f"https://{endpoint}", source, lax)
    elif kind in ("webdav", "http"):
        yield _by_url(told, settings.get("url", ""), source, lax)
    elif kind == "ftp":
        target, port = settings.get("host", ""), settings.get("port", "")
        if "true" in (settings.get("tls"), settings.get("explicit_tls")):
            lax = lax or ("no_check_certificate" if settings.get("no_check_certificate") == "true" else "")
            yield _over_tls(told, target, source, port, lax)
        else:
            yield _plain(told, target, source, "FTP without TLS", port)
    elif kind == "sftp":
        yield _rclone_sftp(told, settings, source)
    else:
        yield unknown(BACKUP, told, f"how rclone sends to a remote of type {kind or '(unknown)'} is not judged", source)


def _rclone_sftp(program: str, settings: Mapping[str, str], source: str) -> Outgoing:
    """rclone takes the key of any server, unless it is told of a file of known ones."""
    known = settings.get("known_hosts_file", "")
    verified: bool | None = None if settings.get("ssh") else bool(known)
    why = (
        "which program speaks SSH for rclone is not judged" if settings.get("ssh")
        else f"the server's key is compared with {known}" if known
        else "no known_hosts_file is set: rclone takes the key of any server"
    )  # fmt: skip
    mend = f"rclone config: set known_hosts_file for {program.partition(', ')[2]}."
    return Outgoing(
        BACKUP, program, settings.get("host", ""), settings.get("port", "22"), True, "rclone sends over SSH",
        verified, why, source, "", "" if verified else mend, label=program,
    )  # fmt: skip


_PUBLIC_SETTINGS = frozenset(
    "type remote endpoint url host port tls explicit_tls no_check_certificate known_hosts_file ssh".split()  # noqa: SIM905
)


def _remote_settings(host: Host, name: str, words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What rclone is told of a remote, secrets left out; nothing where that cannot be told."""
    home = environment.get("HOME", "/root")
    given = [word.partition("=")[2] for word in words if word.startswith("--config=")]
    given += [following for word, following in zip(words, words[1:]) if word == "--config"]
    tried = [*given, environment.get("RCLONE_CONFIG", ""), f"{home}/.config/rclone/rclone.conf", f"{home}/.rclone.conf"]
    path = next((one for one in tried if one.startswith("/") and (given or host.stat(one) is not None)), "")
    found: dict[str, str] = {}
    if path:
        section = ""
        for line in host.read(path).splitlines():
            head = re.fullmatch(r"\s*\[(.+)\]\s*", line)
            section = head[1] if head else section
            key, equals, value = line.partition("=")
            if equals and section == name and key.strip() in _PUBLIC_SETTINGS:
                found[key.strip()] = value.strip()
    prefix = f"RCLONE_CONFIG_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_"
    for key, value in environment.items():
        if key.startswith(prefix) and key[len(prefix) :].lower() in _PUBLIC_SETTINGS:
            found[key[len(prefix) :].lower()] = value
    return found


# -- other programs ---------------------------------------------------------------------------------------------------


def _command(host: Host, name: str, command: Command) -> Iterator[Outgoing]:
    """What a call of another program sends."""
    judge = _JUDGES.get(name)
    try:
        if judge is not None:
            yield from judge(host, command)
        elif name in backup_jobs.OTHERS:
            name = backup_jobs.OTHERS[name]
            yield unknown(BACKUP, name, f"where {name} sends backups, and how, is not judged", command.source)
    except (ValueError, IndexError):
        yield unknown(BACKUP, name, f"what {name} is told is not understood", command.source)


def _arguments(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


_RSYNC_VALUED = (
    "--exclude", "--include", "--exclude-from", "--include-from", "--files-from", "--filter", "-f", "--log-file",
    "--password-file", "--bwlimit", "--backup-dir", "--link-dest", "--compare-dest", "--copy-dest", "--port", "--chmod",
    "--chown", "--suffix", "--timeout", "--contimeout", "--max-size", "--min-size", "--rsync-path", "--partial-dir",
)  # fmt: skip


_RSYNC_SHELL = r"-[^\W\d_BfMT]*?e=?"  # -e with its value in one word, behind letters that take none


def _rsync_shell(words: Sequence[str], shell: str) -> str:
    """The program that rsync is told to reach another machine with."""
    for word, following in zip(words, [*words[1:], ""]):
        if word.startswith("--rsh="):
            shell = word[6:]
        elif re.fullmatch(r"-[a-zA-Z]*e|--rsh", word):
            shell = following
        elif re.match(_RSYNC_SHELL, word):
            shell = re.sub(_RSYNC_SHELL, "", word, count=1)
    return shell


def _rsync(host: Host, command: Command) -> Iterator[Outgoing]:
    words = command.words[1:]
    shell = _rsync_shell(words, command.environment.get("RSYNC_RSH", "ssh"))
    valued = [after for word, after in zip(words, words[1:]) if word in _RSYNC_VALUED]
    places = [word for word in _arguments(words) if word != shell and word not in valued]
    for place in places:
        if re.match(r"rsync://|[^/\s]+::", place):
            target = re.sub(r"^rsync://", "", place)
            yield _plain("rsync", re.split(r"[:/]", target.rpartition("@")[2])[0], command.source, "its own protocol")
        elif re.match(r"[^/\s]+:", place):
            told = shlex.split(shell)
            if not told or os.path.basename(told[0]) != "ssh":
                yield unknown(BACKUP, "rsync", "how the program given with -e sends is not judged", command.source)
            else:
                target = place.partition(":")[0]
                yield _by_ssh(host, "rsync", told[1:], target, command.user, command.environment, command.source)
    if places and not any(re.match(r"rsync://|[^/\s]+:", place) for place in places):
        yield from _directory(host, places[-1], "rsync", command.source)
        if any(UNKNOWN in place for place in places):
            yield unknown(BACKUP, "rsync", "where rsync copies to is not understood", command.source)


def _scp(host: Host, command: Command) -> Iterator[Outgoing]:
    name = os.path.basename(command.words[0])
    options: list[str] = []
    targets: list[str] = []
    queue = list(command.words[1:])
    while queue:
        word = queue.pop(0)
        if word.startswith("-"):
            options.append(word)
            if word[-1] in "bcDFiJloPRSX" and len(word) == 2 and queue:
                options.append(queue.pop(0))
        elif name == "sftp" or re.match(r"[^/]+:|scp://", word):
            targets.append(re.sub(r"^\w+://", "", word).partition(":")[0])
    # what means something else to ssh
    kept = [
        x for x, before in zip(options, ["", *options]) if x[:2] in ("-F", "-i", "-o") or before in ("-F", "-i", "-o")
    ]
    for target in dict.fromkeys(targets):
        yield _by_ssh(host, name, kept, target, command.user, command.environment, command.source)


def _ssh(host: Host, command: Command) -> Iterator[Outgoing]:
    yield _by_ssh(host, "ssh", command.words[1:], "", command.user, command.environment, command.source)


def _sshpass(host: Host, command: Command) -> Iterator[Outgoing]:
    for place, word in enumerate(command.words):
        name = os.path.basename(word)
        if place and name in ("ssh", "scp", "sftp", "rsync"):
            yield from _command(host, name, replace(command, words=command.words[place:]))
            return
    yield unknown(BACKUP, "sshpass", "what sshpass starts is not understood", command.source)


def _rclone(host: Host, command: Command) -> Iterator[Outgoing]:
    words = command.words[1:]
    places = _arguments(words)
    if places and places[0] in ("copy", "copyto", "sync", "bisync", "move", "moveto", "rcat", "mount"):
        for place in places[1:3]:
            if UNKNOWN in place:
                yield unknown(BACKUP, "rclone", "where rclone copies to is not understood", command.source)
            elif ":" in place.partition("/")[0]:
                yield from _remote(host, place, words, command.environment, command.source)


_LFTP_FILES = ("/etc/lftp.conf", "{}/.lftprc", "{}/.lftp/rc", "{}/.config/lftp/rc")  # that it obeys first


def _lftp(host: Host, command: Command) -> Iterator[Outgoing]:
    home = command.environment.get("HOME", "/root")
    files = [path for path in (one.format(home) for one in _LFTP_FILES) if host.stat(path) is not None]
    lines = [line for path in files for line in host.read(path).splitlines() if re.match(r"\s*set\s+\S*ssl", line)]
    text = "; ".join([*lines, " ".join(command.words)])
    if not _arguments(command.words[1:]) or "-f" in command.words:
        yield unknown(BACKUP, "lftp", "what lftp is told by a file or its input is not judged", command.source)
        return
    url = re.search(r"\b(ftps?|sftp|fish|https?|hftp)://(?:[^/@\s]*@)?([^/:\s,'\"]+)", text)
    target = url[2] if url else ""
    forced = any(re.match("yes|true|on|1", one) for one in re.findall(r"ssl-force\s+(\w+)", text)[-1:])
    lax = "ssl:verify-certificate no" if re.search(r"verify-certificate\S*\s+(no|false|off|0)", text) else ""
    if url and url[1] in ("sftp", "fish"):
        yield unknown(BACKUP, "lftp", "whether lftp knows the server's key is not judged", command.source, target)
    elif forced or (url and url[1] in ("ftps", "https")):
        yield _over_tls("lftp", target, command.source, lax=lax)
    else:
        yield _plain("lftp", target, command.source, "FTP, where TLS is not enforced")


def _ftp(_host: Host, command: Command) -> Iterator[Outgoing]:
    name = os.path.basename(command.words[0])
    places = _arguments(command.words[1:])
    target = re.sub(r"^ftp://(?:[^/@]*@)?|[/:].*$", "", places[0]) if places else ""
    yield _plain(name, target, command.source, "FTP")


_UNCHECKED = re.compile(r"-[0-9afgGiIjlLMnNOpqRsSvVZ#:]*k")  # behind other letters that take no value


def _curl(_host: Host, command: Command) -> Iterator[Outgoing]:
    words = command.words[1:]
    uploads = any(
        re.fullmatch(r"-[a-zA-Z]*[TF]|-[TF].+|--(upload-file|form|data-binary)(=.*)?", word) for word in words
    )
    urls = [word for word in words if re.match(r"\w+://", word)]
    lax = next((word for word in words if word == "--insecure" or _UNCHECKED.match(word)), "")
    for url in urls if uploads else ():
        if url.startswith("ftp://") and "--ssl-reqd" in words:
            yield replace(_by_url("curl", url.replace("ftp://", "https://", 1), command.source, lax), port="")
        elif url.startswith("ftps://"):
            yield _by_url("curl", url.replace("ftps://", "https://", 1), command.source, lax)
        else:
            yield _by_url("curl", url, command.source, lax)
    if uploads and not urls:
        yield unknown(BACKUP, "curl", "where curl sends to is not understood", command.source)


def _netcat(host: Host, command: Command) -> Iterator[Outgoing]:
    name = os.path.basename(command.words[0])
    places = _arguments(command.words[1:])
    if command.fed and places and not any(re.match(r"-\w*[zl]", word) for word in command.words[1:]):
        if any("ssl" in word.lower() for word in command.words) or name == "socat":
            yield unknown(BACKUP, name, f"how {name} sends is not judged", command.source)
        elif not stays_here(host, places[0]):
            yield _plain(name, places[0], command.source, "a bare connection")


def _has_plain_endpoint(host: Host, environment: Mapping[str, str]) -> bool:
    """Whether the variables or the file of the AWS CLI name an endpoint in plain."""
    told = [environment.get("AWS_ENDPOINT_URL_S3", ""), environment.get("AWS_ENDPOINT_URL", "")]
    path = environment.get("AWS_CONFIG_FILE") or f"{environment.get('HOME', '/root')}/.aws/config"
    if path.startswith("/") and host.stat(path) is not None:
        told += re.findall(r"(?m)^\s*endpoint_url\s*=\s*(\S+)", host.read(path))
    return any(url.lower().startswith("http:") for url in told)


def _s3(host: Host, command: Command) -> Iterator[Outgoing]:
    name = os.path.basename(command.words[0])
    words = command.words[1:]
    copies = {"cp", "sync", "mv", "put", "mirror", "pipe", "rsync"} & set(words)
    if not copies:
        return
    lax = next((w for w in words if w in ("--no-verify-ssl", "--no-check-certificate", "--insecure")), "")
    url = next((w.partition("=")[2] for w in words if w.startswith(("--endpoint-url=", "--host="))), "")
    url = url or next((b for a, b in zip(words, words[1:]) if a in ("--endpoint-url", "--host")), "")
    url = url or (command.environment.get("S3_ENDPOINT_URL", "") if name == "s5cmd" else "")
    if name in ("s3cmd", "mc"):
        if "--no-ssl" in words:
            yield _plain(name, "", command.source, "--no-ssl")
        else:
            yield unknown(BACKUP, name, f"how {name} sends is not judged", command.source)
    elif url:
        yield _by_url(name, url, command.source, lax)
    elif name == "aws" and _has_plain_endpoint(host, command.environment):
        # releases before 2.13, such as that of Debian 12, pass over it
        yield unknown(BACKUP, name, "an endpoint in plain is set; whether aws heeds it is not judged", command.source)
    else:
        yield _over_tls(name, "", command.source, lax=lax)


def _borg(host: Host, command: Command) -> Iterator[Outgoing]:
    words = command.words[1:]
    environment = command.environment
    shell = environment.get("BORG_RSH", "ssh")
    for word, following in zip(words, [*words[1:], ""]):
        if word.startswith("--rsh"):
            shell = word.partition("=")[2] or following
    given = [word.partition("::")[0] for word in _arguments(words) if "::" in word]
    given += [b for a, b in zip(words, words[1:]) if a in ("-r", "--repo")]
    given += [word[7:] for word in words if word.startswith("--repo=")]
    given += [word for word in _arguments(words) if re.match(r"ssh://|[^/\s:]+@[^/:\s]+:", word)]
    places = [place or environment.get("BORG_REPO", "") for place in given]
    place = next((one for one in places if one), environment.get("BORG_REPO", ""))
    if not place or UNKNOWN in place:
        yield unknown(BACKUP, "Borg", "which repository borg is told is not understood", command.source)
        return
    match = re.match(r"ssh://([^/:]+)(?::(\d+))?/|([^/:]+):", place)
    if not match:
        yield from _directory(host, place, "Borg", command.source)
        return
    told = shlex.split(shell)
    if not told or os.path.basename(told[0]) != "ssh":
        yield unknown(BACKUP, "Borg", "how the program given with --rsh sends is not judged", command.source)
        return
    more = ["-p", match[2]] if match[2] else []
    target = match[1] or match[3]
    yield _by_ssh(host, "Borg", [*told[1:], *more], target, command.user, environment, command.source)


def _duplicity(host: Host, command: Command) -> Iterator[Outgoing]:
    words = command.words[1:]
    options = next((word.partition("=")[2] for word in words if word.startswith("--ssh-options=")), "")
    urls = [word for word in _arguments(words) if re.match(r"[\w+]+://", word)]
    for url in urls:
        scheme, _colon, rest = url.partition("://")
        target = re.split(r"[:/]", rest.rpartition("@")[2])[0]
        if scheme in ("scp", "sftp", "ssh", "rsync", "pexpect+sftp", "pexpect+scp"):
            told = _by_ssh(
                host, "duplicity", shlex.split(options), target, command.user, command.environment, command.source
            )  # fmt: skip
            if told.verified and not scheme.startswith(("pexpect", "rsync")):
                told = replace(
                    told, verified=None, verified_why="whether duplicity knows the server's key is not judged"
                )
            yield told
        elif scheme in ("b2", "gs", "azure", "s3", "boto3+s3", "webdavs", "dropbox", "gdrive"):
            yield _over_tls("duplicity", target if scheme == "webdavs" else scheme, command.source)
        elif scheme == "file":
            yield from _directory(host, f"/{rest.lstrip('/')}", "duplicity", command.source)
        else:
            yield _by_url("duplicity", url, command.source)
    if not urls:
        yield unknown(BACKUP, "duplicity", "where duplicity sends to is not understood", command.source)


_JUDGES: Mapping[str, Callable[[Host, Command], Iterator[Outgoing]]] = {
    "rsync": _rsync, "scp": _scp, "sftp": _scp, "ssh": _ssh, "sshpass": _sshpass, "rclone": _rclone, "lftp": _lftp,
    "ftp": _ftp, "tnftp": _ftp, "ncftpput": _ftp, "wput": _ftp, "curl": _curl, "nc": _netcat, "ncat": _netcat,
    "netcat": _netcat, "socat": _netcat, "aws": _s3, "s5cmd": _s3, "gsutil": _s3, "s3cmd": _s3, "mc": _s3,
    "borg": _borg, "duplicity": _duplicity,
}  # fmt: skip
