# Copyright (c) 2026 the privacy.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import functools

import pytest

from ansible_collections.privacy.hosting.plugins.module_utils._option import Option, Period

day = functools.partial(dt.datetime, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "normal", "days"),
    [
        ("2 years", "2 years", 731),
        ("1 year", "1 year", 366),
        ("4 years", "4 years", 1461),
        ("7 years", "7 years", 2557),
        ("6 months", "6 months", 184),
        ("1 month", "1 month", 31),
        ("18 months", "18 months", 550),
        ("14 days", "14 days", 14),
        ("2 Weeks", "2 weeks", 14),
        ("36 hours", "36 hours", 2),
        ("1 year and 6 months", "1 year 6 months", 550),
    ],
)
def test_a_period_is_read_as_people_write_it(text: str, normal: str, days: int) -> None:
    period = Period.parse(text)
    assert str(period) == normal
    assert period.max_days == days
    assert Period.parse(str(period)) == period


def test_no_stretch_of_the_calendar_is_longer_than_the_most_days() -> None:
    starts = [day(2023, 1, 1) + dt.timedelta(days=number) for number in range(1500)]
    for text in ("1 month", "2 months", "6 months", "1 year", "13 months", "2 years", "3 years", "4 years", "7 years"):
        period = Period.parse(text)
        assert max((start - period.before(start)).days for start in starts) <= period.max_days, text


def test_years_are_those_of_the_calendar() -> None:
    assert Period.parse("2 years").before(day(2026, 3, 1)) == day(2024, 3, 1)
    assert Period.parse("1 year").before(day(2024, 2, 29)) == day(2023, 2, 28)
    assert Period.parse("1 month 1 day").before(day(2026, 3, 31)) == day(2026, 2, 27)


@pytest.mark.parametrize(
    "bad", ["two years", "", "2", 2, True, None, "0 days", "2 years 3 years", "-1 days", "2 years ago"]
)
def test_what_is_no_period_is_refused_in_one_line(bad: object) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        Period.parse(bad)


FIELDS = Option("fields", "list", "", choices=("domain", "path", "time"))


@pytest.mark.parametrize(
    ("option", "value", "normal"),
    [
        (FIELDS, ["time", "domain", "time"], ["domain", "time"]),
        (Option("web", "period", ""), "24 months", "24 months"),
        (Option("scope", "choice", "", choices=("all", "own")), "own", "own"),
        (Option("on", "bool", ""), False, False),
        (Option("proxies", "networks", ""), ["192.0.2.7", "2001:db8::1/32"], ["192.0.2.7/32", "2001:db8::/32"]),
        (Option("since", "date", ""), dt.date(2026, 1, 5), "2026-01-05"),
        (Option("email", "text", ""), " noc@example.nl ", "noc@example.nl"),
        (Option("others", "hosts", ""), ["front1"], ["front1"]),
        (Option("password", "secret", ""), " a b ", "a b"),
    ],
)
def test_values_have_one_normal_form(option: Option, value: object, normal: object) -> None:
    assert option.parse(value) == normal
    assert option.parse(option.parse(value)) == normal


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        (FIELDS, ["domain", "browser"], "'browser' is not one of domain, path, time"),
        (FIELDS, "domain", "'domain' is not a list of names; write it like [domain, path, time]"),
        (Option("on", "bool", ""), "yes", "'yes' is neither true nor false"),
        (Option("since", "date", ""), "5 January", "'5 January' is no date; write it like 2026-01-31"),
        (
            Option("email", "text", "", example="noc@example.nl"),
            "a\nb",
            "'a\\nb' is no line of text; write it like 'noc@example.nl'",
        ),
        (Option("scope", "choice", "", choices=("all", "own")), "mine", "'mine' is not one of all, own"),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(option: Option, value: object, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        option.parse(value)
    assert str(caught.value) == told


def test_a_wrong_secret_is_not_quoted() -> None:
    with pytest.raises(ValueError, match=r"\Ait is no line of text\Z"):
        Option("password", "secret", "").parse("a\nb")


def test_a_wrong_network_is_told() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.300.*write addresses or networks like"):
        Option("proxies", "networks", "").parse(["192.0.2.300"])


def test_true_and_false_from_the_command_line_are_taken() -> None:
    assert Option("on", "bool", "").parse("true") is True
    assert Option("on", "bool", "").parse("false") is False
