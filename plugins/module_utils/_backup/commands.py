# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running other programs, as root or as less; and restic among them.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import math
import os
import pwd
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from .settings import CACHE, Settings, Trouble

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOCKED = "already locked"
_AGAIN = re.compile(r"returned error, retrying after \S+: (?:\w+: )?(.*)")  # restic goes on so for a quarter of an hour
_LOOK_S = 0.1
_LOCKED_S, _LOCKED_TRIES = 60.0, 60  # a store that removes snapshots holds its lock for so long, at most


@dataclass(frozen=True)
class Done:
    """What a program came to."""

    rc: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Its last line of complaint."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        telling = [
            line for line in lines if line.lower().startswith(("fatal", "error", "pg_dump: error", "psql: error"))
        ]
        last = (telling or lines or [f"exit code {self.rc}"])[-1]
        again = _AGAIN.search(last)
        return (again[1] if again else last)[:300]


def run(
    argv: Sequence[str],
    *,
    account: str = "",
    stdin: IO[bytes] | bytes | None = None,
    stdout: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tries: int = 0,
) -> Done:
    """Run a program to its end, as root or as an account without any of root's rights. Raises Trouble if it is absent.

    stdin: a file, or what to send; stdout: a file that takes the output; timeout: seconds, after which it is killed;
    tries: a restic that only reads is killed, too, when it has failed so many times and would try again; 0 is never.
    """
    if tries and isinstance(stdin, bytes):
        return _run_while_hopeful(argv, tries, stdin, timeout, env=clean(account, environment), **identity(account))
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {}
    if isinstance(stdin, bytes):
        given = {"input": stdin}
    elif stdin is not None:
        given = {"stdin": stdin}
    try:
        done = subprocess.run(
            list(argv),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean(account, environment),
            cwd="/",
            check=False,
            timeout=timeout,
            **given,
            **identity(account),
        )
    except FileNotFoundError:
        raise Trouble(f"the program {argv[0]} is not on the host") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"{argv[0]} did not end within {timeout:.0f} s") from None
    return Done(
        done.returncode, (done.stdout or b"").decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def _run_while_hopeful(argv: Sequence[str], tries: int, stdin: bytes, timeout: float | None, **given: Any) -> Done:
    """Run a program until it has announced so many tries, or for so many seconds. Raises Trouble if it is absent."""
    with tempfile.TemporaryFile() as sent, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sent.write(stdin)
        sent.seek(0)
        try:
            process = subprocess.Popen(list(argv), stdin=sent, stdout=out, stderr=err, cwd="/", **given)
        except FileNotFoundError:
            raise Trouble(f"the program {argv[0]} is not on the host") from None
        end = time.monotonic() + timeout if timeout else math.inf
        while process.poll() is None:
            if len(_AGAIN.findall(_written(err))) >= tries or time.monotonic() > end:
                process.kill()
            time.sleep(_LOOK_S)
        if process.returncode < 0 and not _AGAIN.search(_written(err)):
            raise Trouble(f"{argv[0]} did not end within {timeout or 0:.0f} s")
        return Done(process.returncode, _written(out), _written(err))


def _written(file: IO[bytes]) -> str:
    """What a program wrote to a file so far; nothing moves the place where it goes on."""
    return os.pread(file.fileno(), 1 << 20, 0).decode("utf-8", "replace")


def clean(account: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program: nothing that somebody left in ours."""
    home = pwd.getpwnam(account).pw_dir if account else "/root"
    return {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": home, **(more or {})}


def identity(account: str) -> dict[str, Any]:
    """How subprocess gives up root's rights for an account's. Raises Trouble."""
    if not account:
        return {}
    try:
        known = pwd.getpwnam(account)
    except KeyError:
        raise Trouble(f"the account {account} is not on the host; run harden again") from None
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


def needed(done: Done, what: str) -> Done:
    """What a program came to, which must be good. Raises Trouble saying what could not be done."""
    if done.rc != 0:
        raise Trouble(f"{what}: {done.complaint}")
    return done


def told_of(done: Done) -> Done:
    """What restic came to, without the line that restic 0.14 prints where it reads a password from its input."""
    first, _end, rest = done.out.partition("\n")
    return replace(done, out=rest) if first == "reading repository password from stdin" else done


class Restic:
    """restic with one repository.

    account, password: on a store it runs as the account that owns the files, and reads the password from its input.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        account: str = "",
        password: str = "",
        runner: Callable[..., Done] = run,
    ) -> None:
        self._arguments, self._environment, self._account, self._password = arguments, environment, account, password
        self._run = runner

    @classmethod
    def of_host(cls, settings: Settings, runner: Callable[..., Done] = run) -> Restic:
        """As a host that is backed up reaches its repository. Raises Trouble."""
        return cls(arguments(settings), environment(settings), runner=runner)

    @classmethod
    def of_store(cls, path: str, account: str, password: str, runner: Callable[..., Done] = run) -> Restic:
        """As a store reaches a repository of its own."""
        return cls(["--no-cache", "-r", path], None, account, password, runner)

    def __call__(self, *words: str) -> Done:
        """Run restic to its end; one that finds the repository locked is tried again for an hour."""
        given = (self._password + "\n").encode() if self._password else None
        for _again in range(_LOCKED_TRIES):
            done = self._run(
                ["restic", *self._arguments, *words],
                account=self._account,
                stdin=given,
                environment=self._environment,
            )
            if done.rc == 0 or _LOCKED not in done.err:
                break
            time.sleep(_LOCKED_S)
        return told_of(done)

    def needed(self, what: str, *words: str) -> Done:
        """The same, where it must be good. Raises Trouble."""
        return needed(self(*words), what)

    def json(self, what: str, *words: str) -> Any:
        """What restic prints as JSON: one value, or of several lines the list of them. Raises Trouble."""
        text = self.needed(what, *words, "--json").out
        try:
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            try:
                return json.loads(text)
            except ValueError:
                raise Trouble(f"{what}: restic printed no JSON") from None
        return lines[0] if len(lines) == 1 else lines

    def snapshots(self, *words: str) -> list[dict[str, Any]]:
        """All snapshots that some words choose. Raises Trouble."""
        found = self.json("the snapshots cannot be listed", "snapshots", "--no-lock", *words)
        return found if isinstance(found, list) else [found] if found else []

    def identity(self) -> str:
        """The identity of the repository, which it keeps for ever. Raises Trouble."""
        return str(json.loads(self.needed("the repository cannot be opened", "cat", "config", "--no-lock").out)["id"])


def arguments(settings: Settings) -> list[str]:
    """What restic is told of a host's repository on every call; no secret among it."""
    options = [word for option in settings.options for word in ("-o", option)]
    return [*options, "-r", settings.repository, "--password-file", settings.password_file]


def environment(settings: Settings) -> dict[str, str]:
    """What restic finds in its environment. Raises Trouble."""
    told = {"RESTIC_CACHE_DIR": CACHE, "TMPDIR": CACHE}
    if settings.environment_file:
        try:
            with open(settings.environment_file, encoding="utf-8") as stream:
                pairs = [line.rstrip("\n").partition("=") for line in stream if "=" in line]
        except OSError as error:
            raise Trouble(f"{settings.environment_file}: {os.strerror(error.errno or 0)}") from None
        told.update({name: value for name, _equals, value in pairs})
    return told
