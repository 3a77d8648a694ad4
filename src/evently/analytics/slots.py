"""Days and hours as they are on the wall: a day of 23 hours when the clocks change, an hour from a quarter past in Kathmandu. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from evently.analytics.nouns import Granularity, Range, Slot, quarter_of
from evently.kit.errors import FieldError, Invalid

SLOTS_MAX: Final = 1_000  # more points than a screen is wide: almost three years of days, six weeks of hours
_QUARTER: Final = timedelta(minutes=15)


def round_outwards(from_at: datetime | None, to_at: datetime | None) -> Range:
    """Return the range of whole quarters of an hour that covers what was asked for."""
    return Range(
        None if from_at is None else quarter_of(from_at.astimezone(UTC)),
        None if to_at is None else quarter_of(to_at.astimezone(UTC) + _QUARTER - timedelta(microseconds=1)),
    )


def slots_of(from_at: datetime, to_at: datetime, zone: ZoneInfo, granularity: Granularity) -> list[Slot]:
    """Return the days or hours of a zone that cover a range, without a gap. Refuses more than SLOTS_MAX."""
    slots: list[Slot] = []
    start = _start_of_day(from_at.astimezone(zone))
    while start < to_at:
        end = _next_day(start, zone) if granularity == "day" else _next_hour(start, zone)
        if end > from_at:
            slots.append(Slot(start, end, start.astimezone(zone)))
        if len(slots) > SLOTS_MAX:
            raise Invalid(
                [FieldError("?from", f"There are more than {SLOTS_MAX} {granularity}s from there to `to`.")]
            )
        start = end
    return slots


def _start_of_day(local: datetime) -> datetime:
    """Return when a local day begins.

    A midnight that the clocks skip is the instant at which they do; of two midnights it is the first.
    """
    return datetime.combine(local.date(), time(), local.tzinfo).astimezone(UTC)


def _next_day(start: datetime, zone: ZoneInfo) -> datetime:
    return _start_of_day(start.astimezone(zone) + timedelta(days=1))


def _next_hour(start: datetime, zone: ZoneInfo) -> datetime:
    """Return when the next hour begins: clocks change at full hours, so what is left of this one is left in truth as well."""
    return start + timedelta(minutes=60 - start.astimezone(zone).minute)
