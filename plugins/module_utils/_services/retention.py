# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rotates a log, and what destroys its files: logrotate's rules and other cleaners, brought together.

PRIVATE to the collection.
"""

from __future__ import annotations

import glob as globbing
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .._host import Host
from . import logfamilies, logfile, logrotate
from .cleaners import Cleaner, LogrotateRun, cleaners, logrotate_runs, of_script
from .logfamilies import Family
from .logrotate import Stanza


@dataclass(frozen=True)
class Rotation:
    """What rotates a log: a stanza and what runs it; hindrance: why it does not after all."""

    log: str
    run: LogrotateRun
    stanza: Stanza
    hindrance: str

    @property
    def words(self) -> str:
        rules = self.stanza.rules
        words = [f"rotate {rules.rotate}", rules.criterion]
        words += [f"maxage {rules.maxage}"] if rules.maxage else []
        words += [f"{key} {getattr(rules, key)}" for key in ("size", "maxsize", "minsize") if self._says(key)]
        return ", ".join([*words, *([] if rules.ifempty else ["notifempty"])])

    def _says(self, key: str) -> bool:
        return bool(self.stanza.rules.criterion == "size") if key == "size" else bool(getattr(self.stanza.rules, key))

    @property
    def every_days(self) -> float:
        """The most days that lines stay in a log that is written to."""
        rules = self.stanza.rules
        slow = rules.criterion == "size" or rules.minsize or rules.leaves_lines
        return math.inf if slow else max(logrotate.INTERVALS[rules.criterion][1], self.run.job.every_days)


def written_paths(family: Family) -> list[str]:
    """The paths that servers write to: the log, or what its pattern matched and is no archive."""
    if not globbing.has_magic(family.log):
        return [family.log]
    return [piece.path for piece in family.pieces if logfamilies.base_path(piece.path) == piece.path] or [family.log]


def rotations(host: Host, family: Family) -> list[Rotation]:
    """Everything that rotates a family's log, what really runs first."""
    found = []
    for run in logrotate_runs(host):
        configuration = logrotate.configuration(host, *run.paths)
        for log in written_paths(family):
            there = host.stat(log) is not None
            stanza = configuration.stanza_of(log) if there else configuration.stanza_to_be(log)
            stanza = stanza or _by_another_name(host, configuration, log)
            if stanza is not None:
                stanza = logrotate.forced(stanza) if run.forced else stanza
                found.append(Rotation(log, run, stanza, logrotate.hindrance(host, stanza, log)))
    return sorted(found, key=lambda rotation: (bool(rotation.run.job.faults), bool(rotation.hindrance)))


def _by_another_name(host: Host, configuration: logrotate.Configuration, log: str) -> Stanza | None:
    """The stanza that handles a log under another path, where a directory above it is a link."""
    if host.stat(log) is None or os.path.islink(log):
        return None
    files = [(file, stanza) for stanza in configuration.stanzas for file in stanza.files if not os.path.islink(file)]
    key = ("logrotate's files without links", configuration.paths)
    return host.once(key, lambda: {host.real(file): stanza for file, stanza in files}).get(host.real(log))


def all_cleaners(host: Host) -> list[Cleaner]:
    """Everything that destroys by itself, scripts of logrotate's stanzas included."""
    return host.once("all cleaners", lambda: [*cleaners(host), *_stanza_scripts(host)])


def _stanza_scripts(host: Host) -> Iterator[Cleaner]:
    for run in logrotate_runs(host):
        for stanza in logrotate.configuration(host, *run.paths).stanzas:
            for name, text in stanza.rules.scripts.items():
                yield from of_script(text, run.job, stanza.source(name))


def future_archives(found_rotations: Sequence[Rotation]) -> list[str]:
    """Paths that archives of a log will have."""
    return [logrotate.future_archive(rotation.stanza.rules, rotation.log) for rotation in found_rotations[:1]]


def is_dated(family: Family) -> bool:
    """Whether the server itself begins a new file every now and then."""
    written = written_paths(family)[0]
    return globbing.has_magic(family.log) and (logfile.date_in_name(written) is not None or "*" in family.log)
