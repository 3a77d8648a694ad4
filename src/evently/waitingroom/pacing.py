"""The arithmetic of admissions: whose turn has come, and when. Pure, in whole microseconds.

A pace admits so many people in a minute, from an instant and a position on, until the next pace. So every
process computes the same turn of a position, without any state that they share but the paces.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

# For so long, a place is kept after its turn has come, and an admission is valid after it was given out
KEPT: Final = timedelta(minutes=10)
_MINUTE: Final = 60_000_000  # microseconds
_MICROSECOND: Final = timedelta(microseconds=1)
# A new pace begins only where it is faster or slower by this factor, so that paces stay few
_CHANGE_MIN: Final = 1.25
# The engine gets this much time to recover before people are admitted faster again
_RECOVERY: Final = timedelta(seconds=10)


class Pace(NamedTuple):
    """From `from_at` on, when the turn of the positions through `admitted_through` had come."""

    number: int
    from_at: datetime
    admitted_through: int
    per_minute: int

    def admitted_at(self, now: datetime) -> int:
        """Return the last position whose turn has come, if this pace lasts."""
        return (
            self.admitted_through + max(0, (now - self.from_at) // _MICROSECOND) * self.per_minute // _MINUTE
        )

    def turn_of(self, position: int) -> datetime | None:
        """Return when the turn of a position comes, if this pace lasts."""
        if not self.per_minute:
            return None
        after = position - self.admitted_through
        return self.from_at + -(-after * _MINUTE // self.per_minute) * _MICROSECOND


class Paces:
    """The last paces of a waiting room, in their order."""

    __slots__ = ("_through", "paces")

    def __init__(self, paces: Sequence[Pace]) -> None:
        self.paces = tuple(paces)
        self._through = [pace.admitted_through for pace in paces]

    @property
    def now(self) -> Pace:
        """The pace that lasts."""
        return self.paces[-1]

    def __bool__(self) -> bool:
        return bool(self.paces)

    def turn_of(self, position: int) -> datetime | None:
        """Return when the turn of a position came or comes; None: nobody is admitted now.

        The turn of a position from before these paces came when the first of them began, or earlier.
        """
        index = bisect_left(self._through, position) - 1
        if index < 0:
            return self.paces[0].from_at
        return self.paces[index].turn_of(position)


class Wait(NamedTuple):
    """How long a person is likely to wait, in seconds; `latest`: None where everything may be sold before."""

    soonest: int
    latest: int | None


def likely_wait(seconds: float, ahead: int, left: int, pace: int, per_minute: int) -> Wait:
    """Return how long a person waits who would wait so many seconds at the pace of now.

    At the soonest, the pace becomes what it may be, and nobody who is before buys; at the latest, the pace
    stays, and each of them takes a ticket. As the tickets become fewer, so do the people that are admitted in
    a minute.
    """
    assert pace > 0, "nobody is admitted now"
    soonest = seconds * pace / max(pace, min(per_minute, left))
    if ahead >= left:
        return Wait(math.floor(soonest), None)
    evenly = min(ahead, max(0, left - pace))  # people who are admitted before the tickets slow it down
    slowly = math.log((left - evenly) / (left - ahead))
    latest = max(seconds, 60 * (evenly / pace + slowly))
    return Wait(math.floor(soonest), math.ceil(latest))


def wanted_pace(now: datetime, last: Pace, per_minute: int, left: int, *, overloaded: bool) -> int | None:
    """Return another pace that is right now, or None.

    At most what the organizer set; in a minute at most as many people as there are tickets left; half as many
    as before while the engine has too much to do, and at most twice as many when it has recovered.
    """
    wanted = min(per_minute, left)
    if overloaded:
        wanted = min(wanted, max(1, last.per_minute // 2))
    elif last.per_minute and wanted > last.per_minute:
        if now - last.from_at < _RECOVERY:
            return None
        wanted = min(wanted, last.per_minute * 2)
    if wanted == last.per_minute:
        return None
    low, high = sorted((wanted, last.per_minute))
    return wanted if not low or high >= low * _CHANGE_MIN or wanted == per_minute else None
