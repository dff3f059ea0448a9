# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a register promises about an option, for the defaults of roles. promised.yml documents it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._measures import MEASURES
from ..plugin_utils._register import StatementError, suggest
from ..plugin_utils._statement import demands, strictest


def promised(
    statement: Any, measure: str, option: str | None = None, host: str | None = None, groups: Iterable[str] = ()
) -> Any:
    """The strictest value promised for an option, else its default; without an option, whether any is promised."""
    if measure not in MEASURES:
        raise AnsibleFilterError(f"promised: no measure {measure!r}; {suggest(measure, MEASURES)}")
    known = {entry.name: entry for entry in MEASURES[measure].options}
    if option is not None and option not in known:
        raise AnsibleFilterError(f"promised: no option {measure}.{option}; {suggest(option, known)}")
    try:
        told = [promise.measures.get(measure, {}) for promise in demands(statement, measure, host, groups)]
    except StatementError as error:
        more = f" (and {len(error.messages) - 1} more)" if len(error.messages) > 1 else ""
        raise AnsibleFilterError(f"{error.messages[0]}{more}") from None
    if option is None:
        return any(told)
    value = strictest(known[option], told)
    return known[option].default if value is None else value


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"promised": promised}
