"""The calendar of a month: which events take place on each of its days, at their venues. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from evently.catalogue import EventCard

# More do not fit into a cell; the others are on the page of the day
_ENTRIES_MAX: Final = 4
# A night that ends early in the morning belongs to the day on which it began
_NIGHT_ENDS: Final = time(6)
# How far the links lead, in months: search engines would follow them for ever
_BACK_MAX: Final = 12
_AHEAD_MAX: Final = 36
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Entry(NamedTuple):
    """An event on one of its days. `time`: its start, if it starts on this day."""

    card: EventCard
    starts_at: datetime | None  # at the venue
    over: bool


class Day(NamedTuple):
    """A day of the month. `hidden`: how many events more there are than `entries`."""

    day: date
    entries: list[Entry]
    hidden: int


class Month(NamedTuple):
    """A month. `first_column`: on which day of the week it begins, Monday is 1."""

    first: date
    first_column: int
    days: list[Day]
    before: date | None
    after: date | None


def read_month(text: str, now: datetime) -> date:
    """Return the first day of a month that an address names, such as `2026-12`; by default, of this month."""
    present = now.date().replace(day=1)
    found = _MONTH.fullmatch(text.strip())
    if found is None:
        return present
    first = date(max(1, int(found[1])), int(found[2]), 1)
    return first if -_BACK_MAX <= _months_between(present, first) <= _AHEAD_MAX else present


def next_month(first: date) -> date:
    """Return the first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)


def month_of(first: date, cards: Sequence[EventCard], now: datetime) -> Month:
    """Return the month that begins on a day, with the events that take place in it, soonest first."""
    length = calendar.monthrange(first.year, first.month)[1]
    days = [first + timedelta(days=number) for number in range(length)]
    found: dict[date, list[Entry]] = {day: [] for day in days}
    for card in cards:
        starts, last = card.event.starts_at_local, _last_day(card.event.starts_at_local, card)
        for day in days:
            if starts.date() <= day <= last:
                begins = starts if starts.date() == day else None
                found[day].append(Entry(card, begins, card.event.ends_at <= now))
    present = now.date().replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    after = next_month(first)
    return Month(
        first,
        first.isoweekday(),
        [_show_day(day, entries) for day, entries in found.items()],
        before if _months_between(present, before) >= -_BACK_MAX else None,
        after if _months_between(present, after) <= _AHEAD_MAX else None,
    )


def _show_day(day: date, entries: list[Entry]) -> Day:
    # What began on another day comes last: what begins is the news
    entries.sort(key=lambda each: (each.starts_at is None, each.starts_at or each.card.event.starts_at_local))
    return Day(day, entries[:_ENTRIES_MAX], max(0, len(entries) - _ENTRIES_MAX))


def _last_day(starts: datetime, card: EventCard) -> date:
    ends = card.event.ends_at_local
    last = ends.date() - timedelta(days=1) if ends.time() <= _NIGHT_ENDS else ends.date()
    return max(starts.date(), last)


def _months_between(first: date, other: date) -> int:
    return 12 * (other.year - first.year) + other.month - first.month
