# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing a host so that it can be put back: transactions over files, links and systemd units.

A transaction keeps a copy of everything that it will replace, and a manifest, before it changes anything. It
then writes every new file beside its target, links every old one aside, renames, lets the services' own test
commands judge the result, and reloads. What a test command refuses is put back by renaming, which takes no room
on the disk; what fails later, from the copies. A transaction that was cut off is put back by the next one.

    /var/lib/privacy-hosting/undo/<run>/<nn>-<name>/manifest.json   what was there, and what we made of it
                                                   /<n>             the content that was there
                                                   /open            stands while the transaction is not complete

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat as statmode
import subprocess
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NoReturn

from ._host import Limits, Result, Unseen

UNDO = "/var/lib/privacy-hosting/undo"

ABSENT, FILE, LINK, DIRECTORY = "absent", "file", "link", "directory"

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_COMMAND_S = 60.0
_RESTART_S = 1200.0  # a large database takes its time to end, and to begin
_LOCK_S = 60.0
_SETTLE_S = 1.0
# what cannot be told to read its settings anew; it keeps its open streams and loses no line when it is restarted
_RESTARTED = frozenset(["systemd-journald"])
# Beside every file that changes, on the same file system: a directory, since logrotate reads hidden files, and hidden,
# since nginx includes all that are not.
_BESIDE = ".privacy-hosting"
_STAGED, _ASIDE = "new", "old"
_COMPLAINT = re.compile(r"\b(emerg|error|syntax|invalid|cannot|failed|refused)\b", re.IGNORECASE)
_SUMMARY = re.compile(r"test failed$|^Action '|^The Apache error log may")

Caller = Callable[[Sequence[str]], Result]


class ChangeError(Exception):
    """A change that could not be made and was put back; the text is one line."""


def call(argv: Sequence[str], told: str = "", limit_s: float = 0) -> Result:
    """Run a command, at most limit_s seconds. told: what it reads from its standard input, such as a secret.

    A command that is absent or too slow gives exit code 127 or 124.
    """
    limit_s = limit_s or (_RESTART_S if tuple(argv[:2]) == ("systemctl", "restart") else _COMMAND_S)
    try:
        done = subprocess.run(
            list(argv),
            input=told.encode(),
            capture_output=True,
            env=_ENVIRONMENT,
            cwd="/",
            timeout=limit_s,
            check=False,
        )
    except FileNotFoundError:
        return Result(tuple(argv), 127, "", f"the command {argv[0]} is not on the host")
    except subprocess.TimeoutExpired:
        return Result(tuple(argv), 124, "", f"it did not end within {limit_s:.0f} s")
    return Result(
        tuple(argv), done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


# -- what stands at a path ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """What is, or shall be, at a path. mode: permission bits; target: of a link; sha256: of a file's content."""

    kind: str = ABSENT
    mode: int = 0
    uid: int = 0
    gid: int = 0
    target: str = ""
    sha256: str = ""
    data: bytes = field(default=b"", repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The node without its content, as plain JSON types."""
        return {key: value for key, value in asdict(self).items() if key != "data"}

    def as_text(self, brief: bool = False) -> str:
        """The node as a diff shows it; brief: without the content."""
        if self.kind == FILE and brief:
            return f"{self.data.count(10)} lines with the SHA-256 {self.sha256}\n"
        if self.kind == FILE:
            return self.data.decode("utf-8", "replace")
        return {LINK: f"link to {self.target}\n", DIRECTORY: "directory\n"}.get(self.kind, "")


def look(path: str) -> Node:
    """What stands at a path now, links not followed. Raises ChangeError for a device, pipe or socket."""
    try:
        info = os.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Node()
        raise ChangeError(_told(error)) from None
    owner = (statmode.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
    if statmode.S_ISLNK(info.st_mode):
        return Node(LINK, 0, info.st_uid, info.st_gid, target=os.readlink(path))
    if statmode.S_ISDIR(info.st_mode):
        return Node(DIRECTORY, *owner)
    if not statmode.S_ISREG(info.st_mode):
        raise ChangeError(f"{path} is neither a file, a link nor a directory")
    with open(path, "rb") as stream:
        data = stream.read()
    return Node(FILE, *owner, sha256=hashlib.sha256(data).hexdigest(), data=data)


@dataclass(frozen=True)
class PathChange:
    """A path, what is there and what shall be. brief: a diff does not show the content (of a program)."""

    path: str
    before: Node
    after: Node
    brief: bool = False

    def diff(self) -> dict[str, str]:
        """The change as Ansible shows it under --diff.

        Of a file that was there only the lines that change: those beside them may hold passwords and keys.
        """
        before, after = self.before.as_text(self.brief), self.after.as_text(self.brief)
        if self.before.kind == self.after.kind == FILE and before != after:
            return {"prepared": _changed_lines(before, after, self.path)}
        return {
            "before": before,
            "after": after,
            "before_header": self.path,
            "after_header": self.path + ("" if self.after.kind != ABSENT else " (removed)"),
        }


def _changed_lines(before: str, after: str, path: str) -> str:
    """A diff without the lines around what changes."""
    old, new = (text.replace("\r", "\\r").split("\n") for text in (before, after))
    names = (f"before: {path}", f"after: {path}")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm="", n=0)) + "\n"


# -- systemd units --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitState:
    """enabled: as `systemctl is-enabled` says it, '' for a unit that does not exist; active: it runs."""

    enabled: str
    active: bool

    def __str__(self) -> str:
        return f"{self.enabled or 'absent'}, {'active' if self.active else 'inactive'}"


@dataclass(frozen=True)
class UnitChange:
    """A systemd unit, the state that it has and the one that it shall have."""

    name: str
    before: UnitState
    after: UnitState

    def diff(self) -> dict[str, str]:
        """The change as Ansible shows it under --diff."""
        header = f"systemd unit {self.name}"
        return {
            "before": f"{self.before}\n",
            "after": f"{self.after}\n",
            "before_header": header,
            "after_header": header,
        }


def unit_state(name: str, run: Caller = call) -> UnitState:
    """The state of a unit now."""
    enabled = run(("systemctl", "is-enabled", name)).stdout.strip()
    active = run(("systemctl", "is-active", name)).rc == 0
    return UnitState("" if enabled == "not-found" else enabled, active)


def set_unit(name: str, wanted: UnitState, run: Caller = call) -> None:
    """Give a unit a state. Raises ChangeError."""
    now = unit_state(name, run)
    steps: list[tuple[str, ...]] = []
    if now.enabled.startswith("masked") and not wanted.enabled.startswith("masked"):
        steps.append(("unmask",))
    if now.active and not wanted.active:
        steps.append(("stop",))
    if wanted.enabled.startswith("masked"):
        steps.append(("mask",))
    elif wanted.enabled == "enabled" and now.enabled != "enabled":
        steps.append(("enable",))
    elif now.enabled == "enabled":
        steps.append(("disable",))
    if wanted.active and not now.active:
        steps.append(("start",))
    for step in steps:
        result = run(("systemctl", *step, name))
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")


# -- commands that judge --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Validation:
    """A command that must succeed after a change.

    unless_before: complaints that it already had before the change do not count (a host's own old faults).
    """

    argv: tuple[str, ...]
    unless_before: bool = False


def complaint(result: Result, known: Container[str] = ()) -> str:
    """What a command complained of, in one line. known: complaints, without their numbers, that it always had."""
    lines = [line for line in _complaints(result) if _unnumbered(line) not in known]
    return "; ".join(lines[:2]) if lines else result.complaint


def _complaints(result: Result) -> list[str]:
    lines = [line.strip() for line in (result.stderr + "\n" + result.stdout).splitlines()]
    found = [index for index, line in enumerate(lines) if _COMPLAINT.search(line) and not _SUMMARY.search(line)]
    # Apache says where in one line, and what in the next
    return [f"{lines[i]} {lines[i + 1]}" if lines[i].endswith(":") and i + 1 < len(lines) else lines[i] for i in found]


def _unnumbered(line: str) -> str:
    """A complaint without line numbers, processes and times, by which it is known again."""
    return re.sub(r"\d+", "", line)


def _faults(validation: Validation, run: Caller, known: Collection[str] = ()) -> tuple[set[str], str]:
    """The complaints of a command without their numbers, and the one line to show of those that are not known.

    Both empty: it is content.
    """
    result = run(validation.argv)
    if result.rc == 0:
        return set(), ""
    faults = set(map(_unnumbered, _complaints(result))) or {result.complaint}
    return faults, f"'{result.command}' says: {complaint(result, known)}"


# -- transactions ---------------------------------------------------------------------------------------------


class Transaction:
    """Changes of a host that are made together, or not at all.

    run: groups the transactions that undo puts back together, a time like 2026-01-31T12:00:00Z.
    Make it before reading what is to be changed: it first puts back what was cut off (``recovered`` names it).
    In check mode nothing is touched; ``changed`` and ``diff`` tell what would be done.
    validations: commands that judge what was written; judges: called after them; reloads: units to reload then; loads:
    commands that make a service that has no reload go by its files, run after those, also when they are put back;
    proofs: called when all are reloaded. A judge or a proof says what is wrong now, '' if nothing is.
    undoes: it puts its run back; units then change before the files that they need go.
    """

    def __init__(
        self,
        run: str,
        name: str,
        check: bool = False,
        root: str = UNDO,
        caller: Caller = call,
        undoes: bool = False,
    ) -> None:
        self.run, self.name, self.check, self.root = run, name, check, root
        self.validations: list[Validation] = []
        self.reloads: list[str] = []
        self.loads: list[tuple[str, ...]] = []
        self.judges: list[Callable[[], str]] = []
        self.proofs: list[Callable[[], str]] = []
        self.call, self._undoes = caller, undoes
        self._paths: dict[str, PathChange] = {}
        self._units: dict[str, UnitChange] = {}
        self._lock: int | None = None
        self._place = ""
        self._reloading = False
        self._refused: Validation | None = None
        self.recovered: list[str] = []
        if os.path.isdir(root):
            if not check:
                self._take_lock()
            self.recovered = _recover(root, check, caller)

    # -- what shall be ----------------------------------------------------------------------------------------

    def look(self, path: str) -> Node:
        """What stands at a path, or will by this transaction."""
        return self._paths[path].after if path in self._paths else look(path)

    def write(self, path: str, content: str | bytes, mode: int | None = None, brief: bool = False) -> None:
        """A file with this content. A link is followed. An existing file keeps its owner, and its mode unless given.

        brief: a diff does not show the content.
        """
        path = os.path.realpath(path)
        now = self.look(path)
        if now.kind == DIRECTORY:
            raise ChangeError(f"{path} is a directory, a file was expected")
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        kept = now if now.kind == FILE else Node(FILE, 0o644, os.geteuid(), os.getegid())
        self.put(
            path,
            replace(
                kept,
                mode=kept.mode if mode is None else mode,
                sha256=hashlib.sha256(data).hexdigest(),
                data=data,
            ),
            brief,
        )

    def link(self, path: str, target: str) -> None:
        """A symbolic link. Raises ChangeError where something else than a link stands."""
        now = self.look(path)
        if now.kind not in (ABSENT, LINK):
            raise ChangeError(f"{path} is a {now.kind}, a link to {target} was expected")
        if now.target != target:
            self.put(path, Node(LINK, 0, os.geteuid(), os.getegid(), target=target))

    def directory(self, path: str, mode: int = 0o755) -> None:
        """A directory; one that exists is left as it is."""
        if self.look(os.path.realpath(path)).kind == ABSENT:
            self.put(path, Node(DIRECTORY, mode, os.geteuid(), os.getegid()))

    def put(self, path: str, after: Node, brief: bool = False) -> None:
        """A path as it shall be; what is so already is no change."""
        before = self._paths[path].before if path in self._paths else look(path)
        self._paths.pop(path, None)
        if before != after:
            self._paths[path] = PathChange(path, before, after, brief)

    def unit(self, name: str, wanted: UnitState) -> None:
        """A systemd unit in this state. A unit that a file of this transaction brings counts as absent before."""
        before = self._units[name].before if name in self._units else unit_state(name, self.call)
        self._units.pop(name, None)
        if before != wanted:
            self._units[name] = UnitChange(name, before, wanted)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._paths or self._units)

    @property
    def told_recovery(self) -> str:
        """What was put back of a run that was cut off, in a sentence; '' where there was none."""
        if not self.recovered:
            return ""
        verb = "will be" if self.check else "was"
        return f"an earlier run was cut off; its half {verb} put back: {', '.join(self.recovered)}"

    @property
    def changes(self) -> list[str]:
        """The paths and units that change."""
        return [*self._paths, *self._units]

    def diff(self) -> list[dict[str, str]]:
        """All changes, as Ansible shows them under --diff."""
        paths = [change.diff() for change in self._paths.values()]
        return paths + [change.diff() for change in self._units.values()]

    # -- making it so -----------------------------------------------------------------------------------------

    def commit(self) -> bool:
        """Make the changes, unless there are none or this is check mode. True: something was changed.

        Raises ChangeError when it failed; all is then as it was before.
        """
        if not self.changed or self.check:
            return self.changed
        faults_before = {v: _faults(v, self.call)[0] for v in self.validations if v.unless_before}
        place = self._keep()
        manifest = _manifest(place)
        try:
            self._apply(faults_before)
        except BaseException as error:
            _put_back(manifest, self.call, reload=self._reloading)
            _forget(place)
            if isinstance(error, (ChangeError, OSError)):
                told = error if isinstance(error, ChangeError) else _told(error)
                raise ChangeError(f"{told}; all was put back{self._before_too()}") from None
            raise
        os.unlink(os.path.join(place, "open"))
        self._place = place
        return True

    def revoke(self) -> None:
        """Put back what commit() made, as if it had never been. Raises ChangeError naming what cannot be."""
        if self._place:
            self._take_lock()
            _put_back(_manifest(self._place), self.call, reload=True)
            _forget(self._place)
            self._place = ""

    def _before_too(self) -> str:
        """What to add to an error when the host itself was at fault."""
        if self._refused is None or self._refused.unless_before or not _faults(self._refused, self.call)[0]:
            return ""
        return f" ('{' '.join(self._refused.argv)}' fails without our change, too)"

    def _keep(self) -> str:
        """Copy what is to be replaced, with the manifest, in one step. The directory. Raises ChangeError."""
        partial = os.path.join(self.root, ".partial")
        try:
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            self._take_lock()
            shutil.rmtree(partial, ignore_errors=True)
            os.mkdir(partial, 0o700)
            changes = list(self._paths.values())
            for number, change in enumerate(changes):
                if change.before.kind == FILE:
                    _write_new(os.path.join(partial, str(number)), change.before.data, 0o600)
            _write_new(os.path.join(partial, "manifest.json"), self._manifest_text(changes), 0o600)
            _write_new(os.path.join(partial, "open"), b"", 0o600)
            _sync_directory(partial)
            return self._move_in(partial)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise ChangeError(f"{_told(error, self.root)}; nothing was changed") from None

    def _move_in(self, partial: str) -> str:
        if not self._undoes and any(other > self.run for other in runs(self.root)):  # a time from a cache of facts
            self.run = now()
        directory = os.path.join(self.root, self.run)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        last = max((int(name[:2]) for name in os.listdir(directory)), default=0)
        place = os.path.join(directory, f"{last + 1:02d}-{self.name}")
        os.rename(partial, place)
        _sync_directory(directory)
        _sync_directory(self.root)
        return place

    def _manifest_text(self, changes: Sequence[PathChange]) -> bytes:
        manifest = {
            "schema": 1,
            "name": self.name,
            "paths": [
                {"path": change.path, "before": change.before.as_dict(), "after": change.after.as_dict()}
                for change in changes
            ],
            "units": [asdict(change) for change in self._units.values()],
            "undoes": self._undoes,
            "validations": [asdict(validation) for validation in self.validations],
            "reloads": self.reloads,
            "loads": self.loads,
        }
        return json.dumps(manifest, indent=1).encode() + b"\n"

    def _apply(self, faults_before: Mapping[Validation, set[str]]) -> None:
        if self._undoes:
            self._set_units()
        self._place_files()
        for validation in self.validations:
            known = faults_before.get(validation, set())
            faults, told = _faults(validation, self.call, known)
            if faults - known:
                self._refused = validation
                raise ChangeError(told)
        _ask(self.judges)
        _daemon_reload(self._paths, self.call)
        if not self._undoes:
            self._set_units()
        self._tidy()
        self._reloading = True
        _reload(self.reloads, self.call)
        _load(self.loads, self.call)
        _ask(self.proofs)

    def _place_files(self) -> None:
        """Write all beside their targets first, so that a full disk shows before anything has changed."""
        changes = list(self._paths.values())
        for change in changes:
            _prepare(change)
        for change in changes:
            if change.before.kind in (FILE, LINK):
                _make_room(change.path)
                _unlink(_beside(change.path, _ASIDE))
                os.link(change.path, _beside(change.path, _ASIDE), follow_symlinks=False)
        for change in changes:
            if change.after.kind in (FILE, LINK):
                os.replace(_beside(change.path, _STAGED), change.path)
        for change in changes:
            if change.after.kind == ABSENT and change.before.kind != DIRECTORY:
                _unlink(change.path)
        for directory in {os.path.dirname(change.path) for change in changes}:
            _sync_directory(directory)

    def _tidy(self) -> None:
        """Remove what stands aside, and directories that go.

        Before the reload: a directory that changes later looks like a configuration that was not loaded.
        """
        for path in self._paths:
            _unlink(_beside(path, _ASIDE))
        _remove_room(self._paths)
        for change in sorted(self._paths.values(), key=lambda change: -len(change.path)):
            if change.before.kind == DIRECTORY and change.after.kind == ABSENT:
                with contextlib.suppress(OSError):  # somebody put something into it meanwhile
                    os.rmdir(change.path)

    def _set_units(self) -> None:
        for unit in self._units.values():
            set_unit(unit.name, unit.after, self.call)

    def _take_lock(self) -> None:
        """Only one transaction at a time on a host. Raises ChangeError after a minute of waiting."""
        if self._lock is not None:
            return
        self._lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        end = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > end:
                    raise ChangeError(f"another run has been changing this host for {_LOCK_S:.0f} s") from None
                time.sleep(0.2)

    def close(self) -> None:
        """Let other transactions in. The end of the process does it, too."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


# -- modules that change hosts ----------------------------------------------------------------------------------

CHANGE_SPEC: dict[str, Any] = {"run": {"type": "str"}}


# An audit must end soon; a change must see everything, on a host with a million logs too.
LIMITS = Limits(total_s=900.0, names=5_000_000)


@dataclass
class Planned:
    """What a module returns besides what every change returns.

    warnings: one line each; afterwards: called when the transaction is complete (in check mode: when it was told);
    returns more of the result: 'changed', 'diff', 'warnings' and what the module itself documents.
    """

    result: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    afterwards: Callable[[], dict[str, Any]] | None = None


def change_host(module: Any, name: str, plan: Callable[[Transaction], Planned]) -> NoReturn:
    """Run a module (an AnsibleModule) that makes one transaction. plan fills it; it may raise ChangeError or Unseen."""
    _need_root(module, name)
    try:
        with contextlib.closing(Transaction(module.params["run"] or now(), name, module.check_mode)) as transaction:
            planned = plan(transaction)
            result = _made(transaction, planned)
    except (ChangeError, Unseen) as error:
        module.fail_json(msg=str(error))
    for line in [transaction.told_recovery] if transaction.recovered else []:
        module.warn(line)
    for line in planned.warnings:
        module.warn(line)
    exit_told(module, result)


def change_parts(module: Any, name: str, parts: Iterable[Callable[[Transaction], Planned]]) -> NoReturn:
    """Run a module that makes a transaction for each part of a host, such as a service, all in one run.

    A part that cannot be changed holds back no other one; the module fails when all were tried.
    """
    _need_root(module, name)
    run = module.params["run"] or now()
    result: dict[str, Any] = {"changed": False, "changes": [], "diff": [], "run": run}
    failures = []
    for plan in parts:
        try:
            with contextlib.closing(Transaction(run, name, module.check_mode)) as transaction:
                planned = plan(transaction)
                made = _made(transaction, planned)
        except (ChangeError, Unseen) as error:
            failures.append(str(error))
            continue
        for line in [transaction.told_recovery] * bool(transaction.recovered) + planned.warnings:
            module.warn(line)
        result.update({key: result[key] + made.pop(key) for key in ("changes", "diff")})
        run = result["run"] = made.pop("run")
        made["changed"] = result["changed"] or made["changed"]
        result.update(made)
    if failures:
        result.pop("diff")
        module.fail_json(msg="; ".join(dict.fromkeys(failures)), **result)
    exit_told(module, result)


def _need_root(module: Any, name: str) -> None:
    if os.geteuid() != 0:
        module.fail_json(msg=f"{name} needs root rights on the host: log in as root, or give --become")


def exit_told(module: Any, result: dict[str, Any]) -> NoReturn:
    """End a module. Whole files of services, which may hold secrets, leave the host only where --diff asks for them."""
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)
    raise AssertionError("a module ends by exit_json or fail_json")


def _made(transaction: Transaction, planned: Planned) -> dict[str, Any]:
    """Make what was planned; the result that the module returns."""
    result = {"changes": transaction.changes, "diff": transaction.diff(), **planned.result}
    result["changed"] = transaction.commit() or bool(transaction.recovered)
    result["run"] = transaction.run
    if planned.afterwards:
        more = planned.afterwards()
        planned.warnings += more.pop("warnings")
        result.update(more, changed=result["changed"] or more["changed"], diff=result["diff"] + more["diff"])
    return result


def now() -> str:
    """The name of a run that begins now."""
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- putting back ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """A transaction as it was written down. place: its directory."""

    place: str
    name: str
    paths: tuple[PathChange, ...]
    units: tuple[UnitChange, ...]
    undoes: bool
    validations: tuple[Validation, ...]
    reloads: tuple[str, ...]
    loads: tuple[tuple[str, ...], ...]


def runs(root: str = UNDO) -> list[str]:
    """The runs that changed this host, oldest first."""
    try:
        return sorted(name for name in os.listdir(root) if not name.startswith("."))
    except OSError:
        return []


def transactions(run: str, root: str = UNDO) -> Iterator[Manifest]:
    """The transactions of a run that were completed, in order."""
    directory = os.path.join(root, run)
    for name in sorted(os.listdir(directory)):
        if not os.path.exists(os.path.join(directory, name, "open")):
            yield _manifest(os.path.join(directory, name))


def _manifest(place: str) -> Manifest:
    try:
        with open(os.path.join(place, "manifest.json"), encoding="utf-8") as stream:
            raw = json.load(stream)
        paths = []
        for number, item in enumerate(raw["paths"]):
            before = Node(**item["before"])
            if before.kind == FILE:
                with open(os.path.join(place, str(number)), "rb") as kept:
                    before = replace(before, data=kept.read())
            paths.append(PathChange(item["path"], before, Node(**item["after"])))
        units = [UnitChange(u["name"], UnitState(**u["before"]), UnitState(**u["after"])) for u in raw["units"]]
        validations = [Validation(tuple(v["argv"]), v["unless_before"]) for v in raw["validations"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChangeError(f"{place}/manifest.json cannot be read: {error}") from None
    loads = tuple(map(tuple, raw.get("loads", ())))
    return Manifest(
        place, raw["name"], tuple(paths), tuple(units), raw["undoes"], tuple(validations), tuple(raw["reloads"]), loads
    )


def _recover(root: str, check: bool, run: Caller) -> list[str]:
    """Put back transactions that were cut off; the paths and units of which. In check mode, only tell."""
    found: list[str] = []
    for name in runs(root):
        directory = os.path.join(root, name)
        for place in sorted(os.path.join(directory, entry) for entry in os.listdir(directory)):
            if not os.path.exists(os.path.join(place, "open")):
                continue
            manifest = _manifest(place)
            found += [change.path for change in manifest.paths] + [unit.name for unit in manifest.units]
            if not check:
                _put_back(manifest, run, reload=True)
                _forget(place)
    return found


def _forget(place: str) -> None:
    """Remove what was written down of a transaction that was put back."""
    shutil.rmtree(place)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(place))


def _put_back(manifest: Manifest, run: Caller, reload: bool) -> None:
    """The host as it was before a transaction, wherever that was cut off. Raises ChangeError naming what is not.

    reload: the services may have loaded what is put back here.
    """
    troubles: list[str] = []
    if not manifest.undoes:
        _reset_units(manifest, run, troubles)
    for change in reversed(manifest.paths):
        try:
            _put_back_path(change)
            _remove_room([change.path])
        except OSError as error:
            troubles.append(_told(error))
    try:
        _daemon_reload([change.path for change in manifest.paths], run)
        if reload and not any(_faults(validation, run)[0] for validation in manifest.validations):
            _reload(manifest.reloads, run)
            _load(manifest.loads, run)
    except ChangeError as error:
        troubles.append(str(error))
    if manifest.undoes:
        _reset_units(manifest, run, troubles)
    if troubles:
        raise ChangeError(
            f"not all could be put back: {'; '.join(troubles)}; what was there is kept in {manifest.place}"
        )


def _reset_units(manifest: Manifest, run: Caller, troubles: list[str]) -> None:
    for unit in manifest.units:
        try:
            set_unit(unit.name, unit.before, run)
        except ChangeError as error:
            troubles.append(str(error))


def _put_back_path(change: PathChange) -> None:
    _unlink(_beside(change.path, _STAGED))
    aside = _beside(change.path, _ASIDE)
    if os.path.lexists(aside):
        os.replace(aside, change.path)
        _unlink(aside)  # renaming a link to the same file does nothing
        return
    now = look(change.path)
    if change.before.kind == ABSENT and now.kind == change.after.kind == DIRECTORY:
        with contextlib.suppress(OSError):  # somebody put something into it meanwhile
            os.rmdir(change.path)
    elif now == change.before or now != change.after:
        return  # never changed, or changed by somebody else since
    elif change.before.kind == ABSENT:
        _unlink(change.path)
    elif change.before.kind == DIRECTORY:
        _make_directory(change.path, change.before)
    else:
        _stage(PathChange(change.path, now, change.before))
        os.replace(_beside(change.path, _STAGED), change.path)


@dataclass(frozen=True)
class Undone:
    """What undo does with a run ('' where none has changed the host).

    earlier: runs before it, the last one first; left: paths and units that somebody changed since, which stay as they
    are; names: of its transactions.
    """

    run: str
    transaction: Transaction
    earlier: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def plan_undo(wanted: str = "last", check: bool = False, root: str = UNDO, caller: Caller = call) -> Undone:
    """The transaction that puts back what nobody changed since a run. Commit it to do so.

    wanted: a run, or 'last'. Raises ChangeError for a run that is not known.
    """
    undo = Transaction("", "undo", check=check, root=root, caller=caller, undoes=True)
    known = [run for run in runs(root) if any(transactions(run, root))]
    if wanted != "last" and wanted not in known:
        raise ChangeError(f"no run {wanted} has changed this host; those that did: {', '.join(known) or 'none'}")
    if not known:
        return Undone("", undo)
    undo.run = known[-1] if wanted == "last" else wanted
    manifests = [item for item in transactions(undo.run, root) if item.name != undo.name]
    left: list[str] = []
    for manifest in reversed(manifests):
        left += _plan_to_put_back(manifest, undo)
    undo.validations = [validation for validation in undo.validations if _will_be_there(validation.argv[0], undo)]
    earlier = tuple(run for run in reversed(known) if run < undo.run)
    return Undone(undo.run, undo, earlier, tuple(dict.fromkeys(left)), tuple(dict.fromkeys(i.name for i in manifests)))


def _plan_to_put_back(manifest: Manifest, undo: Transaction) -> Iterator[str]:
    """Add a transaction's state before to one that undoes it. Yields what somebody changed since."""
    for unit in reversed(manifest.units):
        now = unit_state(unit.name, undo.call)
        if now == unit.after:
            undo.unit(unit.name, unit.before)
        elif now != unit.before:
            yield unit.name
    for change in reversed(manifest.paths):
        node = undo.look(change.path)
        if node == change.after and not _holds_others(change, undo):
            undo.put(change.path, change.before)
        elif node != change.before:
            yield change.path
    undo.validations += [v for v in manifest.validations if v not in undo.validations]
    undo.reloads += [unit for unit in manifest.reloads if unit not in undo.reloads]
    undo.loads += [argv for argv in manifest.loads if argv not in undo.loads]


def _will_be_there(command: str, undo: Transaction) -> bool:
    """Whether a command is on the host, and not of ours and about to go."""
    found = shutil.which(command, path=_ENVIRONMENT["PATH"])
    return found is not None and undo.look(found).kind != ABSENT


def _holds_others(change: PathChange, undo: Transaction) -> bool:
    """Whether a directory that we made holds what this undo does not remove."""
    if change.after.kind != DIRECTORY:
        return False
    names = [os.path.join(change.path, name) for name in os.listdir(change.path)]
    return any(undo.look(name).kind != ABSENT for name in names)


# -- small steps ----------------------------------------------------------------------------------------------


def _ask(judges: Iterable[Callable[[], str]]) -> None:
    """Raises ChangeError with what the first one says that is not content."""
    told = next(filter(None, (judge() for judge in judges)), "")
    if told:
        raise ChangeError(told)


def _prepare(change: PathChange) -> None:
    """All of a change that nobody sees yet, and new directories. Raises ChangeError when it changed meanwhile."""
    if look(change.path) != change.before:
        raise ChangeError(f"{change.path} was changed by somebody else in this moment")
    if change.after.kind == DIRECTORY:
        _make_directory(change.path, change.after)
    elif change.after.kind != ABSENT:
        _stage(change)


def _stage(change: PathChange) -> None:
    """Write what a path shall be beside it, with its owner, mode and extended attributes (SELinux, ACL)."""
    staged, after = _beside(change.path, _STAGED), change.after
    _make_room(change.path)
    _unlink(staged)
    if after.kind == LINK:
        os.symlink(after.target, staged)
    else:
        _write_new(
            staged, after.data, 0o600, like=after, attributes_of=change.path if change.before.kind == FILE else ""
        )


def _write_new(path: str, data: bytes, mode: int, like: Node | None = None, attributes_of: str = "") -> None:
    """A new file; all by its descriptor, since whoever owns the directory can put another file in its place."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream, _named(path):
        stream.write(data)
        if like is not None:
            os.fchown(descriptor, like.uid, like.gid)
            os.fchmod(descriptor, like.mode)
        for attribute in os.listxattr(attributes_of, follow_symlinks=False) if attributes_of else ():
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, attribute, os.getxattr(attributes_of, attribute, follow_symlinks=False))
        stream.flush()
        os.fsync(descriptor)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Errors of a descriptor say which file it was."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def _beside(path: str, which: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, _BESIDE, f"{which}-{name}")


def _make_room(path: str) -> None:
    """Raises ChangeError where somebody else made a link or a directory of its name, to lead us elsewhere."""
    room = os.path.join(os.path.dirname(path), _BESIDE)
    with contextlib.suppress(FileExistsError):
        os.mkdir(room, 0o700)
    status = os.lstat(room)
    if not statmode.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ChangeError(f"{room} is not a directory of our own; remove it, or see who made it")


def _remove_room(paths: Iterable[str]) -> None:
    for directory in {os.path.dirname(path) for path in paths}:
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(directory, _BESIDE))


def _make_directory(path: str, node: Node) -> None:
    os.mkdir(path, 0o700)
    os.chown(path, node.uid, node.gid)
    os.chmod(path, node.mode)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _daemon_reload(paths: Iterable[str], run: Caller) -> None:
    units = [path for path in paths if path.startswith("/etc/systemd/")]
    if not units:
        return
    result = run(("systemctl", "daemon-reload"))
    if result.rc != 0:
        raise ChangeError(f"'{result.command}' failed: {complaint(result)}")
    for path in units:
        if not os.path.lexists(path):  # else one that failed once would be listed as failed for ever
            run(("systemctl", "reset-failed", os.path.basename(path)))


def _reload(units: Sequence[str], run: Caller) -> None:
    """Reload the units that run, and see that they still do. Raises ChangeError."""
    for unit in units:
        if run(("systemctl", "is-active", unit)).rc != 0:
            continue
        result = run(("systemctl", "restart" if unit in _RESTARTED else "reload", unit))
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end:
            if run(("systemctl", "is-active", unit)).rc != 0:
                raise ChangeError(f"{unit} ended when it was reloaded")
            time.sleep(_SETTLE_S / 4)


def _load(commands: Iterable[tuple[str, ...]], run: Caller) -> None:
    """Raises ChangeError."""
    for argv in commands:
        result = run(argv)
        if result.rc != 0:
            raise ChangeError(f"'{result.command}' failed: {complaint(result)}")


def _told(error: OSError, where: str = "the disk") -> str:
    return f"{error.filename or where}: {os.strerror(error.errno or 0)}"
