"""Ways out of a choice that would leave a single available seat alone: move by one seat, or take it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from evently.seating.hall import Hall

_STEPS: Final = (1, -1)


class Mended(NamedTuple):
    """The orphans of a choice, and two choices that leave none; None where there is no such choice.

    `moved` has as many seats, of the same zones; `extended` has the orphans, too.
    """

    orphans: tuple[int, ...]
    moved: tuple[int, ...] | None
    extended: tuple[int, ...] | None


def mend(hall: Hall, numbers: Sequence[int]) -> Mended | None:
    """Return how to choose without leaving orphans; None if these seats leave none that can be avoided."""
    chosen = set(numbers)
    orphans = hall.orphans_of(chosen)
    if not orphans:
        return None
    return Mended(orphans, _moved(hall, chosen, orphans), _extended(hall, chosen, orphans))


def _moved(hall: Hall, chosen: set[int], orphans: Sequence[int]) -> tuple[int, ...] | None:
    """Move the runs beside the orphans by one seat, all in one direction: first towards the first orphan."""
    for step in _STEPS if orphans[0] - 1 in chosen else _STEPS[::-1]:
        moving = {number for orphan in orphans for side in _STEPS for number in _run(chosen, orphan, side)}
        moved = (chosen - moving) | {number + step for number in moving}
        if len(moved) == len(chosen) and _fits(hall, chosen, moved):
            return tuple(sorted(moved))
    return None


def _run(chosen: set[int], orphan: int, side: int) -> list[int]:
    """Return the chosen seats side by side that begin beside an orphan."""
    run, number = [], orphan + side
    while number in chosen:
        run.append(number)
        number += side
    return run


def _extended(hall: Hall, chosen: set[int], orphans: Sequence[int]) -> tuple[int, ...] | None:
    more = chosen.union(orphans)
    if not _all_available(hall, more) or hall.leaves_orphan(more):
        return None
    return tuple(sorted(more))


def _fits(hall: Hall, before: set[int], after: set[int]) -> bool:
    """Return whether other seats are available, in the same rows and zones, and leave no orphan."""
    if not _all_available(hall, after):
        return False
    return _where(hall, before) == _where(hall, after) and not hall.leaves_orphan(after)


def _all_available(hall: Hall, numbers: set[int]) -> bool:
    return all(0 <= number < hall.plan.size and hall.is_available(number) for number in numbers)


def _where(hall: Hall, numbers: set[int]) -> list[tuple[int, int]]:
    """Return the row and the zone of each seat, sorted."""
    return sorted((hall.plan.row_of_seat[number], hall.zone_of[number]) for number in numbers)
