"""Local time at a venue: IANA time zones, wall times, and daylight saving.

The start and end that an organizer means are wall times: they stay when the zone becomes another one.

A wall time that the clocks skip (in the night when they go forward) does not exist and is refused. A wall
time that they show twice (in the night when they go back) means the first, as in RFC 5545, 3.3.5; to mean the
second, send the instant. A wall time taken from an instant remembers which of the two it is (`fold`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

Moment: TypeAlias = datetime  # with an offset: an instant; without: wall time at the venue

# Inside these bounds no calculation with offsets and days overflows, and the database can store the result.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_OFFSET_MAX: Final = timedelta(days=2)


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the time zones of the IANA database, without its placeholder."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()) - {"Factory"}


def is_within_reach(moment: Moment) -> bool:
    """Return whether calculations with a moment cannot overflow."""
    plain = moment.replace(tzinfo=UTC)
    return EARLIEST + _OFFSET_MAX <= plain <= LATEST - _OFFSET_MAX


def instant_of(moment: Moment, zone: ZoneInfo) -> datetime | None:
    """Return the instant in UTC; None for a wall time that the clocks of the zone skip."""
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    instant = moment.replace(tzinfo=zone).astimezone(UTC)
    return instant if wall_time_of(instant, zone) == moment else None


def wall_time_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall time, without an offset."""
    return instant.astimezone(zone).replace(tzinfo=None)


def is_plain(instant: datetime, zone: ZoneInfo) -> bool:
    """Return whether the wall time alone means this instant: false for the second of two equal hours."""
    return wall_time_of(instant, zone).fold == 0


def keep_wall_times(
    starts_at: datetime, ends_at: datetime, zone: ZoneInfo, other: ZoneInfo
) -> tuple[datetime, datetime]:
    """Return the instants at which the clocks of another zone show what those of the first show.

    For a wall time that the clocks of the other zone skip: as long after the change as it is after the start
    of the gap. An end that would not be after the start keeps its distance from it.
    """
    new_start, new_end = (
        wall_time_of(instant, zone).replace(tzinfo=other).astimezone(UTC) for instant in (starts_at, ends_at)
    )
    return new_start, new_end if new_end > new_start else new_start + (ends_at - starts_at)
