"""Days and hours of a time zone. Pure.

A day has 23 hours when the clocks change; in Kathmandu, an hour begins at a quarter past of a UTC hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from evently.analytics.nouns import Granularity, Range, Slot, quarter_of
from evently.kit.errors import FieldError, Invalid

# More points than a screen can show: almost three years of days, or six weeks of hours
SLOTS_MAX: Final = 1_000
_QUARTER: Final = timedelta(minutes=15)


def round_outwards(from_at: datetime | None, to_at: datetime | None) -> Range:
    """Return the smallest range of whole quarters of an hour that covers two instants."""
    return Range(
        None if from_at is None else quarter_of(from_at.astimezone(UTC)),
        None if to_at is None else quarter_of(to_at.astimezone(UTC) + _QUARTER - timedelta(microseconds=1)),
    )


def slots_of(from_at: datetime, to_at: datetime, zone: ZoneInfo, granularity: Granularity) -> list[Slot]:
    """Return the days or hours of a zone that cover a range, without gaps. Refuses more than SLOTS_MAX."""
    slots: list[Slot] = []
    start = _start_of_day(from_at.astimezone(zone))
    while start < to_at:
        end = _next_day(start, zone) if granularity == "day" else _next_hour(start, zone)
        if end > from_at:
            slots.append(Slot(start, end, start.astimezone(zone)))
        if len(slots) > SLOTS_MAX:
            raise Invalid(
                [FieldError("?from", "too-many-slots", {"slots_max": SLOTS_MAX, "granularity": granularity})]
            )
        start = end
    return slots


def _start_of_day(local: datetime) -> datetime:
    """Return the start of a local day.

    If the clocks skip midnight, the day starts when they do; of two midnights, at the first.
    """
    return datetime.combine(local.date(), time(), local.tzinfo).astimezone(UTC)


def _next_day(start: datetime, zone: ZoneInfo) -> datetime:
    return _start_of_day(start.astimezone(zone) + timedelta(days=1))


def _next_hour(start: datetime, zone: ZoneInfo) -> datetime:
    """Return the start of the next hour. Clocks change at full hours and never skip a part of one."""
    return start + timedelta(minutes=60 - start.astimezone(zone).minute)
