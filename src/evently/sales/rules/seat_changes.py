"""What facts change about the seats of an event: brings an older `Hall` up to date from the journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evently.sales import facts
from evently.seating import Hall, SeatState


class SeatChange(NamedTuple):
    """Seats that changed together, and their states before and after."""

    before: SeatState
    after: SeatState
    seats: tuple[int, ...]


def seat_changes(applied: Iterable[facts.Fact]) -> Iterator[SeatChange]:
    """Yield the seat changes of facts, in order."""
    free, taken, blocked = SeatState.AVAILABLE, SeatState.TAKEN, SeatState.BLOCKED
    for each in applied:
        match each:
            case facts.BookingConfirmed() if each.seats:
                yield SeatChange(free, taken, tuple([number for number in each.seats if number >= 0]))
            case facts.BookingHeld() if each.seats:
                replaces = each.replaces or (None,) * len(each.seats)
                own = [
                    number
                    for number, replaced in zip(each.seats, replaces, strict=True)
                    if number >= 0 and replaced is None
                ]
                yield SeatChange(free, taken, tuple(own))
            case facts.HoldExpired() | facts.BookingCancelled() | facts.TicketsCancelled() if each.freed:
                yield SeatChange(taken, free, each.freed)
            case facts.TicketUnbound() if each.seat is not None:
                yield SeatChange(free, taken, (each.seat,))
            case facts.TicketsExchanged():
                yield SeatChange(taken, free, each.freed)
                yield SeatChange(free, taken, each.seats)
            case facts.SeatsBlocked():
                yield SeatChange(free, blocked, each.seats)
            case facts.SeatsUnblocked():
                yield SeatChange(blocked, free, each.seats)


def changes_seating(applied: Iterable[facts.Fact]) -> bool:
    """Return whether facts changed the seating itself, so that it must be loaded again."""
    return any(isinstance(each, facts.SeatingPut) for each in applied)


def apply_facts(hall: Hall, applied: Iterable[facts.Fact]) -> None:
    """Bring a hall to the state after the facts."""
    for before, after, seats in seat_changes(applied):
        hall.change(seats, before, after)
