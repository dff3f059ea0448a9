# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository of restic with the keys that shall open it: made where there is none, never replaced.

PRIVATE to the collection.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .._backup.commands import Done, run, told_of
from .._backup.settings import Trouble
from .._change import ChangeError

_WRONG = "wrong password or no key found"
# restic asks 'Is there a repository?' also where a key is wrong or a bucket is not there
_ABSENT = re.compile(
    r"repository does not exist|unable to open config file: .*(no such file or directory|specified key does not exist)"
)
_TRIES = 3  # of the first question to a repository, in some seconds: somebody waits for what is wrong with a key
SHORTEST = 16  # characters of the recovery password: it may be tried by whoever gets hold of the repository


@dataclass(frozen=True)
class Key:
    """Who opens a repository. name: as it stands in the list of keys."""

    name: str
    password: str = field(repr=False)


class Repository:
    """A repository, by whichever password. account: that owns its files, where they lie on this machine."""

    def __init__(
        self,
        arguments: Sequence[str],
        account: str = "",
        environment: Mapping[str, str] | None = None,
        runner: Callable[..., Done] = run,
    ) -> None:
        self._arguments, self._account, self._environment, self._run = arguments, account, environment, runner

    def call(self, password: str, *words: str, tries: int = 0) -> Done:
        """Run restic with a password, which it reads from its input. Raises ChangeError where there is no restic.

        tries: after how many it is ended, if it only reads; 0 is never.
        """
        try:
            done = self._run(
                ["restic", "--no-cache", *self._arguments, *words],
                account=self._account,
                stdin=f"{password}\n".encode(),
                environment=self._environment,
                timeout=120,
                tries=tries,
            )
        except Trouble as error:
            raise ChangeError(str(error)) from None
        return told_of(done)

    def identity(self, password: str) -> str:
        """Its identity, '' where the password opens nothing, None-like 'absent' where there is none.

        Raises ChangeError where it cannot be told.
        """
        done = self.call(password, "cat", "config", "--no-lock", tries=_TRIES)
        if done.rc == 0:
            return str(json.loads(done.out[done.out.index("{") :])["id"])
        if _WRONG in done.err:
            return ""
        if _ABSENT.search(done.err):
            return ABSENT
        raise ChangeError(f"the repository cannot be opened: {done.complaint}")

    def make(self, password: str) -> None:
        """Raises ChangeError."""
        done = self.call(password, "init")
        if done.rc != 0:
            raise ChangeError(f"the repository cannot be made: {done.complaint}")

    def add(self, by: str, key: Key) -> None:
        """Let another password open it. Raises ChangeError."""
        place = tempfile.mkdtemp(prefix="privacy-hosting-", dir="/run")
        try:
            path = os.path.join(place, "new")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
                stream.write(f"{key.password}\n")
            if self._account:
                owner = pwd.getpwnam(self._account)
                for one in (path, place):
                    os.chown(one, owner.pw_uid, owner.pw_gid)
            host, _at, user = key.name.rpartition("@")[::-1] if "@" in key.name else ("", "", key.name)
            named = ["--user", user, "--host", host or "privacy.hosting"]
            done = self.call(by, "key", "add", "--new-password-file", path, *named)
        finally:
            shutil.rmtree(place)
        if done.rc != 0:
            raise ChangeError(f"a key cannot be added to the repository: {done.complaint}")


ABSENT = "absent"


def ensure(
    repository: Repository, recovery: Key, others: Sequence[Key], known: str, check: bool
) -> tuple[str, list[str]]:
    """See that the repository is there and that all these passwords open it.

    known: the identity that it had before, '' where nobody noted one. Returns its identity, 'absent' in check mode
    where it would be made, and what was changed in lines. Raises ChangeError, and then made nothing.
    """
    told: list[str] = []
    identity = repository.identity(recovery.password)
    if identity == ABSENT:
        if known:
            raise ChangeError(
                f"the repository {known[:8]} of the backups before is not there any more; see where it went"
            )
        told.append("a repository, with the key of " + recovery.name)
        if check:
            return ABSENT, told + [f"a key of {key.name}" for key in others]
        repository.make(recovery.password)
        identity = repository.identity(recovery.password)
    elif not identity:
        identity, by = _opened(repository, others)
        told.append(f"a key of {recovery.name}")
        if not check:
            repository.add(by, recovery)
    if known and identity != known:
        raise ChangeError(
            f"the repository is {identity[:8]}, and that of the backups before was {known[:8]}: see who replaced it"
        )
    for key in others:
        if not repository.identity(key.password):
            told.append(f"a key of {key.name}")
            if not check:
                repository.add(recovery.password, key)
    return identity, told


def _opened(repository: Repository, keys: Sequence[Key]) -> tuple[str, str]:
    """The identity of a repository by the first of these passwords that opens it, and that. Raises ChangeError."""
    for key in keys:
        identity = repository.identity(key.password)
        if identity:
            return identity, key.password
    raise ChangeError(
        "neither data_backup_recovery_password nor a key of the role opens the repository: give the password that did"
    )
