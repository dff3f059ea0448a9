# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a measure is: a table of options, and apart from it the checks that hold a host against them.

The controller reads tables (_measures/), the audited host runs checks (_checks/).

PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._option import Option

if TYPE_CHECKING:
    from ._finding import Finding
    from ._host import Host


@dataclass(frozen=True)
class Measure:
    """A technical means that keeps promises.

    title: what it is about, by language; why: why it matters to a reader of the report, by language.
    """

    name: str
    title: Mapping[str, str]
    why: Mapping[str, str]
    options: tuple[Option, ...]

    def option(self, name: str) -> Option:
        """The option of that name. Raises KeyError."""
        return {option.name: option for option in self.options}[name]


@dataclass(frozen=True)
class Question:
    """What one promise asks about one measure on one host.

    asked: the options that the promise sets; findings are made for the judged ones among them, and only for those.
    settings: every option of the table: the promise's value, else the host's variable, else the default.
    own_sites: names of the provider's own sites; probe: whether probes may be made.
    """

    asked: Mapping[str, Any]
    settings: Mapping[str, Any]
    own_sites: Sequence[str] = ()
    probe: bool = True


@dataclass(frozen=True)
class Check:
    """One question about a host: a function that answers for one option of a promise."""

    name: str
    options: tuple[str, ...]  # judged when any of these is asked; called once per asked option
    run: Callable[[Host, Question, str], Iterable[Finding]]
