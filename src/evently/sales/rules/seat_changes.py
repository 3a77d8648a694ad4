"""What facts do to the seats of an event: how whoever has an older state of them in memory follows the journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evently.sales import facts as fact
from evently.seating import Hall


class SeatChange(NamedTuple):
    """Seats that came into a state: free, taken or blocked."""

    state: str
    seats: tuple[int, ...]


def seat_changes(facts: Iterable[fact.Fact]) -> Iterator[SeatChange]:
    """Yield what facts did to seats, in order."""
    for each in facts:
        match each:
            case fact.BookingConfirmed() if each.seats:
                yield SeatChange("taken", tuple([number for number in each.seats if number >= 0]))
            case fact.BookingHeld() if each.seats:
                stands_for = each.replaces or (None,) * len(each.seats)
                taken = [
                    number
                    for number, other in zip(each.seats, stands_for, strict=True)
                    if number >= 0 and other is None
                ]
                yield SeatChange("taken", tuple(taken))
            case fact.HoldExpired() | fact.BookingCancelled() | fact.TicketsCancelled() if each.freed:
                yield SeatChange("free", each.freed)
            case fact.TicketUnbound() if each.seat is not None:
                yield SeatChange("taken", (each.seat,))
            case fact.SeatsBlocked():
                yield SeatChange("blocked", each.seats)
            case fact.SeatsUnblocked():
                yield SeatChange("unblocked", each.seats)


def changes_seating(facts: Iterable[fact.Fact]) -> bool:
    """Return whether facts did more to the seating than to states of seats: then it is to be loaded anew."""
    return any(isinstance(each, fact.SeatingPut) for each in facts)


def follow(hall: Hall, facts: Iterable[fact.Fact]) -> None:
    """Let a hall be as it is after the facts."""
    moves = {"taken": hall.take, "free": hall.release, "blocked": hall.block, "unblocked": hall.unblock}
    for change in seat_changes(facts):
        moves[change.state](change.seats)
