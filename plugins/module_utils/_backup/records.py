# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the last runs came to, in files that an audit and an administrator read: names and counts, nobody's data.

PRIVATE to the collection.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .settings import SCHEMA, STATE, Trouble

_BEHIND = dt.timedelta(hours=1)  # by how much a clock may be put back


@dataclass
class Run:
    """One run of a program. told: what this kind of run has to say besides."""

    kind: str
    begun: dt.datetime
    told: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""

    def as_dict(self, ended: dt.datetime) -> dict[str, Any]:
        """The run as plain JSON types."""
        return {
            "kind": self.kind,
            "begun": stamp(self.begun),
            "ended": stamp(ended),
            "ok": not self.trouble,
            "trouble": self.trouble,
            **self.told,
        }


def now() -> dt.datetime:
    """The moment, by this host's clock."""
    return dt.datetime.now(dt.timezone.utc)


def stamp(moment: dt.datetime) -> str:
    """A moment as records hold it."""
    return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> dt.datetime:
    """The moment of a record, or of a snapshot with its fractions of a second. Raises ValueError."""
    whole, _dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    return dt.datetime.fromisoformat((whole + zone).replace("Z", "+00:00")).astimezone(dt.timezone.utc)


def read(name: str, directory: str = "") -> dict[str, Any]:
    """The record of that name: 'last' and 'last_good', each None where there is none."""
    with (
        contextlib.suppress(OSError, ValueError),
        open(f"{directory or STATE}/{name}.json", encoding="utf-8") as stream,
    ):
        record = json.load(stream)
        if isinstance(record, dict):
            return record
    return {"last": None, "last_good": None}


def write(name: str, run: dict[str, Any], directory: str = "") -> None:
    """Put a run into its record, whole or not at all. Raises OSError."""
    record = {"schema": SCHEMA, "last": run, "last_good": run if run["ok"] else read(name, directory).get("last_good")}
    path = f"{directory or STATE}/{name}.json"
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(f"{path}.new", path)


def see_that_the_clock_goes_on(last: dict[str, Any] | None, at: dt.datetime) -> None:
    """Raises Trouble where the clock is behind a run that was: what it would date now is not to be believed."""
    if last and at < moment(last["ended"]) - _BEHIND:
        raise Trouble(f"the clock says {stamp(at)}, and the run before ended at {last['ended']}: set the clock")


@contextlib.contextmanager
def alone(name: str, directory: str = "") -> Iterator[None]:
    """Only one run of a kind at a time. Raises Trouble."""
    descriptor = os.open(f"{directory or STATE}/.{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Trouble(f"another {name} is running") from None
    finally:
        os.close(descriptor)
