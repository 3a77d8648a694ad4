"""Local time at a venue: IANA time zones, wall times, and daylight saving.

A wall time that the clocks skip (in the night when they go forward) does not exist and is refused. A wall
time that they show twice (in the night when they go back) means the first, as in RFC 5545, 3.3.5; to mean the
second, send the instant.
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
    instant = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return instant if wall_time_of(instant, zone) == moment else None


def wall_time_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall time, without an offset."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
