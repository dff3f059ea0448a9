# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of measures: typed, declared once, read by specs, defaults, docs, register and checks.

PRIVATE to the collection.
"""

from __future__ import annotations

import calendar
import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_UNITS = {"year": "years", "month": "months", "week": "weeks", "day": "days", "hour": "hours"}
_PERIOD_PART = re.compile(r"(\d+)\s+(year|month|week|day|hour)s?")


@dataclass(frozen=True)
class Period:
    """A length of time as people write it: '2 years', '6 months', '14 days', '1 year 6 months'.

    Years and months are those of the calendar: 2 years before 2026-03-01 is 2024-03-01.
    """

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0

    @classmethod
    def parse(cls, value: object) -> Period:
        """The period that a text names. Raises ValueError with one line that says what would be right."""
        text = str(value).strip().lower()
        parts = _PERIOD_PART.findall(text)
        rest = re.sub(r"[\s,]|\band\b", "", _PERIOD_PART.sub("", text))
        if isinstance(value, (bool, int, float)) or not parts or rest:
            raise ValueError(f"{value!r} is no period; write it like '2 years', '6 months' or '14 days'")
        amounts: dict[str, int] = {}
        for number, unit in parts:
            if _UNITS[unit] in amounts:
                raise ValueError(f"{value!r} names {_UNITS[unit]} twice")
            amounts[_UNITS[unit]] = int(number)
        if not any(amounts.values()):
            raise ValueError(f"{value!r} is no time at all; the shortest period is '1 hour'")
        return cls(**amounts)

    def before(self, moment: dt.datetime) -> dt.datetime:
        """The moment that lies this period before another."""
        return self._from(moment, -1)

    def after(self, moment: dt.datetime) -> dt.datetime:
        """The moment that lies this period after another."""
        return self._from(moment, 1)

    def _from(self, moment: dt.datetime, sign: int) -> dt.datetime:
        month = moment.year * 12 + moment.month - 1 + sign * (self.years * 12 + self.months)
        year, month = divmod(month, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        moved = moment.replace(year=year, month=month + 1, day=day)
        return moved + sign * dt.timedelta(weeks=self.weeks, days=self.days, hours=self.hours)

    @property
    def max_days(self) -> int:
        """The most whole days that it can last (2 years: 731), for tools that count in days."""
        months = self.years * 12 + self.months
        whole_years, rest = divmod(months, 12)
        days = whole_years * 365 + (whole_years + 3) // 4 + _MOST_DAYS_IN_MONTHS[rest]
        return days + self.weeks * 7 + self.days + -(-self.hours // 24)

    def __str__(self) -> str:
        amounts = [(getattr(self, plural), unit) for unit, plural in _UNITS.items()]
        return " ".join(f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in amounts if number)


# the most days that so many months in a row can have (July and August: 62)
_MOST_DAYS_IN_MONTHS = (0, 31, 62, 92, 123, 153, 184, 215, 245, 276, 306, 337)


def _period(value: object, option: Option) -> str:
    return str(Period.parse(value))


def _choice(value: object, option: Option) -> str:
    if not isinstance(value, str) or value not in option.choices:
        raise ValueError(f"{value!r} is not one of {', '.join(option.choices)}")
    return str(value)


def _list(value: object, option: Option) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is not a list of names; write it like [{', '.join(option.choices or ('a', 'b'))}]")
    unknown = [item for item in value if option.choices and item not in option.choices]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(option.choices)}")
    return sorted(set(map(str, value)), key=option.choices.index) if option.choices else [str(item) for item in value]


def _bool(value: object, option: Option) -> bool:
    if value in ("true", "false"):  # as -e name=true gives it
        return value == "true"
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return bool(value)


def _networks(value: object, option: Option) -> list[str]:
    try:
        return [str(ipaddress.ip_network(item, strict=False)) for item in _list(value, option)]
    except ValueError as error:
        raise ValueError(f"{error}; write addresses or networks like [192.0.2.10, 2001:db8::/32]") from None


def _date(value: object, option: Option) -> str:
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise ValueError(f"{value!r} is no date; write it like 2026-01-31") from None


def _secret(value: object, option: Option) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("it is no line of text")  # and is not quoted
    return value.strip()


def _text(value: object, option: Option) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{value!r} is no line of text; write it like '{option.example}'")
    return value.strip()


_PARSERS: Mapping[str, Callable[[object, Option], Any]] = {
    "period": _period,
    "choice": _choice,
    "list": _list,
    "bool": _bool,
    "networks": _networks,
    "date": _date,
    "text": _text,
    "hosts": _list,
    "secret": _secret,
}
# how a type stands in an Ansible argument spec
SPEC_TYPES = {
    "period": "str",
    "choice": "str",
    "list": "list",
    "bool": "bool",
    "networks": "list",
    "date": "str",
    "text": "str",
    "hosts": "list",
    "secret": "str",
}


@dataclass(frozen=True)
class Option:
    """One thing about a measure that a promise or an inventory sets.

    ``judged``: findings are made for it when a promise sets it; the others only direct the judging or the role.
    ``promisable``: a promise may set it; the others are facts about a host and stand in the inventory as
    ``<measure>_<name>``.
    ``stricter``: how two promises on one option combine for the role: 'union' (of lists), 'true', 'shorter', 'longer',
    'first' (the earlier choice), or '' where neither is stricter, which makes differing values an error.
    ``type``: that of 'hosts' names hosts of the inventory that keep their part of the same promises; the audit leaves
    out those that it does not hold against them. One of type 'secret' is for the role alone: no promise sets it, and no
    host is sent it for an audit. ``part``: of 'hosts', the judged options that they answer for; all, if it is empty.
    """

    name: str
    type: str
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()
    judged: bool = True
    promisable: bool = True
    stricter: str = ""
    part: tuple[str, ...] = ()
    example: str = field(default="", compare=False)

    def parse(self, value: object) -> Any:
        """The value in its one normal form, of plain JSON types. Raises ValueError with one line."""
        return _PARSERS[self.type](value, self)
