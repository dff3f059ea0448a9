# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run's directory: which files it holds, what they are called, and how they get there.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, TextIO

from .record import SCHEMA

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_TAKEN = ("index", "fleet")


class Names:
    """File names for hosts: the host's own where it is safe on any file system, else a safe one with a digest."""

    def __init__(self) -> None:
        self._used = set(_TAKEN)

    def of(self, host: str) -> str:
        """A name that no other host got, also where upper and lower case are the same."""
        safe = bool(_SAFE.fullmatch(host)) and not host.endswith((".", ".json", ".html"))
        name = host if safe and host.lower() not in self._used else self._made(host)
        self._used.add(name.lower())
        return name

    @staticmethod
    def _made(host: str) -> str:
        """A safe name that shows what can be shown of the host's."""
        digest = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return f"{_UNSAFE.sub('-', host).strip('.-')[:60] or 'host'}-{digest}"


@contextlib.contextmanager
def appearing(path: Path, mode: int = 0o600) -> Iterator[TextIO]:
    """A file to write that appears under its name once it is whole, and not at all where that fails. Raises OSError."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Directory:
    """The directory of one run, mode 0700; its files appear whole or not at all, mode 0600."""

    def __init__(self, path: Path) -> None:
        """Make it where it is not there. Raises OSError."""
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)

    def write(self, name: str, text: str) -> None:
        """Write one file and put it in place by renaming. Raises OSError."""
        with appearing(self.path / name) as file:
            file.write(text)

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one file of JSON. Raises OSError."""
        self.write(name, json_lines(content))

    def drop_stale(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Remove the pages of hosts that an earlier report in this very directory had and this one has not."""
        stale = {host["file"] for host in before["hosts"]} - {host["file"] for host in now["hosts"]}
        for name in stale:
            if name and _SAFE.fullmatch(name):
                (self.path / f"{name}.html").unlink(missing_ok=True)
                (self.path / f"{name}.json").unlink(missing_ok=True)


def json_lines(content: Mapping[str, Any]) -> str:
    """JSON with a line for each key, and for each member of a list: to be read, compared, and made fast."""
    return "{\n" + ",\n".join(f" {_json(key)}: {_json_value(value)}" for key, value in content.items()) + "\n}\n"


def _json_value(value: Any) -> str:
    """A value of the outermost mapping."""
    listed = isinstance(value, list) and bool(value)
    return "[\n  " + ",\n  ".join(map(_json, value)) + "\n ]" if listed else _json(value)


def _json(value: Any) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_fleet(path: Path) -> dict[str, Any] | None:
    """The fleet.json in a directory; None where there is none that can be used."""
    try:
        fleet = json.loads((path / "fleet.json").read_text(encoding="utf-8"))
        usable = fleet["schema"] == SCHEMA and isinstance(fleet["partial"], bool)
        rows = all({"name", "file", "verdicts"} <= host.keys() for host in fleet["hosts"])
        told = [fleet["made_at"], fleet["run"], fleet["statement"]["provider"], fleet["statement"]["title"]]
        return fleet if usable and rows and all(isinstance(text, str) for text in told) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Past:
    """A run that lies beside this one: what the first lines of its fleet.json tell. The rest is read when asked for."""

    path: Path
    made_at: str
    partial: bool
    provider: str
    title: str

    def about(self, statement: Mapping[str, Any]) -> bool:
        """Whether it is about the same statement."""
        return (self.provider, self.title) == (statement["provider"], statement["title"])

    def read(self) -> dict[str, Any] | None:
        """The whole of it; None where it cannot be used."""
        return read_fleet(self.path)


def past_beside(path: Path) -> list[Past]:
    """The runs in this run's directory and in those beside it, newest first."""
    try:
        beside = [entry for entry in path.parent.iterdir() if entry.is_dir()]
    except OSError:
        beside = []
    return sorted(filter(None, map(_past, beside)), key=lambda past: past.made_at, reverse=True)


def _past(path: Path) -> Past | None:
    """The beginning of a fleet.json, which is small however many hosts it has; None where it cannot be used."""
    try:
        head = _beginning(path / "fleet.json")
        usable = head["schema"] == SCHEMA and isinstance(head["partial"], bool)
        told = [head["made_at"], head["statement"]["provider"], head["statement"]["title"]]
        if not usable or not all(isinstance(text, str) for text in told):
            return None
        return Past(path, told[0], head["partial"], told[1], told[2])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _beginning(path: Path) -> Any:
    """What stands before the hosts in a fleet.json as json_lines writes it; all of one that was written otherwise."""
    with path.open(encoding="utf-8") as file:
        text = "".join(takewhile(lambda line: not line.startswith(' "hosts":'), file)).rstrip()
    return json.loads(f"{text[:-1]}}}" if text.endswith(",") else text)
