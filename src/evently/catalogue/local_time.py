"""Time as it is where an event takes place: IANA zones, wall time, and what daylight saving does to it.

A wall time that the clocks skip (the night they go forward) does not exist and is refused. One that they show
twice (the night they go back) means the first, as in RFC 5545, 3.3.5; whoever means the second gives the
instant.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

Moment: TypeAlias = datetime  # with an offset: an instant; without: wall time at the venue

# What every calculation with offsets and days survives, and the database too.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_OFFSET_MAX: Final = timedelta(days=2)


@cache
def time_zones() -> frozenset[str]:
    """Return the names that are time zones: those of the IANA database, without its placeholder."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()) - {"Factory"}


def is_within_reach(moment: Moment) -> bool:
    """Return whether a moment can be calculated with at all."""
    plain = moment.replace(tzinfo=UTC)
    return EARLIEST + _OFFSET_MAX <= plain <= LATEST - _OFFSET_MAX


def instant_of(moment: Moment, zone: ZoneInfo) -> datetime | None:
    """Return the instant, in UTC; None for a wall time that the clocks of the zone skip."""
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    instant = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return instant if wall_time_of(instant, zone) == moment else None


def wall_time_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks on the wall show, without an offset."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
