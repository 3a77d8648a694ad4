"""What differs between two versions of a seat map, seat by seat. Pure.

A seat is known by its id: tickets and price zones name it so.
"""

from __future__ import annotations

from math import hypot
from typing import Final, NamedTuple

from evently.seating.seatmap import Seat, SeatMap

MOVED_METRES_MIN: Final = 0.05  # less is a rounding


class MapDifference(NamedTuple):
    """How many seats differ. `relabelled`: their section, row or label, as tickets print them, is another."""

    added: int
    removed: int
    moved: int
    relabelled: int
    other_kind: int

    def __bool__(self) -> bool:
        """Return whether anything about seats differs."""
        return any(self)


def compare(before: SeatMap, after: SeatMap) -> MapDifference:
    """Return what differs."""
    old, new = _printed(before), _printed(after)
    both = old.keys() & new.keys()
    return MapDifference(
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        moved=sum(_distance(old[each][1], new[each][1]) >= MOVED_METRES_MIN for each in both),
        relabelled=sum(old[each][0] != new[each][0] for each in both),
        other_kind=sum(old[each][1].kind != new[each][1].kind for each in both),
    )


def _printed(seat_map: SeatMap) -> dict[str, tuple[tuple[str, str, str], Seat]]:
    return {
        seat.id: ((section.name, row.printed(), seat.label), seat)
        for section in seat_map.sections
        for row in section.rows
        for seat in row.seats
    }


def _distance(one: Seat, other: Seat) -> float:
    return hypot(one.x - other.x, one.y - other.y)
