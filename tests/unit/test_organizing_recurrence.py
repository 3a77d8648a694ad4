"""The dates of a series by a rule, from RFC 5545's examples and what people type."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.organizing.recurrence import DATES_MAX, BadRuleError, dates_by

FRIDAY = datetime(2027, 5, 7, 20, 0)  # noqa: DTZ001 - a wall time


def days(rule: str, first: datetime = FRIDAY) -> list[str]:
    return [f"{date:%a %d %b %H:%M}" for date in dates_by(rule, first)]


def test_rules() -> None:
    assert days("FREQ=WEEKLY;COUNT=3") == ["Fri 07 May 20:00", "Fri 14 May 20:00", "Fri 21 May 20:00"]
    assert days("RRULE:FREQ=WEEKLY;BYDAY=FR,SA;COUNT=3;") == [
        "Fri 07 May 20:00",
        "Sat 08 May 20:00",
        "Fri 14 May 20:00",
    ]
    assert days("freq=daily;interval=10;until=20270527") == [
        "Fri 07 May 20:00",
        "Mon 17 May 20:00",
        "Thu 27 May 20:00",
    ]
    assert days("FREQ=DAILY;UNTIL=20270508T195959") == ["Fri 07 May 20:00"]
    assert days("FREQ=MONTHLY;BYDAY=-1SU;COUNT=3") == [
        "Fri 07 May 20:00",  # the event itself, which the rule does not name
        "Sun 30 May 20:00",
        "Sun 27 Jun 20:00",
    ]
    assert days("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3") == [
        "Fri 07 May 20:00",
        "Mon 31 May 20:00",
        "Sat 31 Jul 20:00",
    ]
    assert days("FREQ=YEARLY;COUNT=2")[1] == "Sun 07 May 20:00"
    assert days("FREQ=WEEKLY;COUNT=1") == ["Fri 07 May 20:00"]


def test_a_rule_that_names_no_date_ends() -> None:
    assert days("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5") == ["Fri 07 May 20:00"]


def test_at_most_one_date_more_than_allowed() -> None:
    assert len(dates_by("FREQ=DAILY;COUNT=999", FRIDAY)) == DATES_MAX + 1
    assert len(dates_by("FREQ=DAILY;UNTIL=99991231", FRIDAY)) == DATES_MAX + 1


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "weekly",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;COUNT=3;UNTIL=20270601",
        "FREQ=SECONDLY;COUNT=3",
        "FREQ=WEEKLY;COUNT=0",
        "FREQ=WEEKLY;INTERVAL=0;COUNT=3",
        "FREQ=WEEKLY;INTERVAL=1000000;COUNT=3",
        "FREQ=WEEKLY;COUNT=3;BYHOUR=1",
        "FREQ=WEEKLY;COUNT=3;COUNT=4",
        "FREQ=WEEKLY;UNTIL=20271399",
        "FREQ=WEEKLY;UNTIL=20270601T000000Z",
        "FREQ=WEEKLY;COUNT=3;BYDAY=XX",
        "FREQ=WEEKLY;COUNT=3\nDTSTART:19700101T000000",
        "FREQ=MONTHLY;BYSETPOS=2;COUNT=3",
    ],
)
def test_bad_rules(rule: str) -> None:
    with pytest.raises(BadRuleError):
        dates_by(rule, FRIDAY)


PARTS = st.sampled_from(
    """FREQ=DAILY FREQ=MONTHLY FREQ=YEARLY FREQ=WEEKLY INTERVAL=2 INTERVAL=99 COUNT=4 COUNT=999 UNTIL=20280101
    UNTIL=00010101 UNTIL=99991231 BYDAY=1MO BYDAY=-5SU,TU BYMONTHDAY=-31 BYMONTHDAY=30 BYMONTH=2 BYMONTH=12,1
    BYSETPOS=-9 WKST=SU BYDAY=+1FR""".split()
)
EARLIEST, LATEST = datetime(1971, 1, 1), datetime(8000, 1, 1)  # noqa: DTZ001 - wall times


@given(st.lists(PARTS | st.text(max_size=12), max_size=6), st.datetimes(EARLIEST, LATEST))
def test_all_that_is_typed_gives_dates_or_is_refused(parts: list[str], first: datetime) -> None:
    try:
        dates = dates_by(";".join(parts), first)
    except BadRuleError:
        return
    assert dates[0] == first
    assert dates == sorted(set(dates))
    assert len(dates) <= DATES_MAX + 1
    assert {date.time() for date in dates} <= {first.time(), first.replace(microsecond=0).time()}
    assert dates[-1] <= first + timedelta(days=366 * 5)
