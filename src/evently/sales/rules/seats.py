"""The rules of an event's seats: its copy of a seat map, its zones, blocked seats. Pure."""

from __future__ import annotations

from evently.sales import facts
from evently.sales.commands.seats import BlockSeats, PutSeating, UnblockSeats
from evently.sales.outcomes import Done, No, Outcome, SalesRefusal
from evently.sales.rules.moves import claim_seat, clear_claim
from evently.sales.rules.state import Batch, Sale
from evently.sales.terms import Seating
from evently.seating import Hall, SeatState, plan_of


def put_seating(sale: Sale, batch: Batch, command: PutSeating) -> Outcome:
    """Give the event its seats, or other zones."""
    seating, hall = command.seating, sale.hall
    missing = {terms.zone for terms in sale.ticket_types.values() if terms.zone is not None} - set(
        seating.zones
    )
    if missing:
        return No(SalesRefusal.SEATS_IN_USE, "zones_sold", {"zones": sorted(missing)})
    if hall is None or hall.plan.digest != seating.digest:
        if hall is not None and (sale.state != "closed" or hall.has_claims()):
            return No(SalesRefusal.SEATS_IN_USE, "map")
        sale.hall = Hall(plan_of(seating.layout, seating.digest), seating.zones, seating.zone_of, (), ())
    else:
        if _changes_zone_of_taken(hall, seating):
            return No(SalesRefusal.SEATS_IN_USE, "zone")
        hall.rezone(seating.zones, seating.zone_of)
        batch.serve_waitlist = True  # a zone has more seats, or fewer are left to set aside
    batch.seating_put = seating
    batch.facts.append(facts.SeatingPut(seating.digest, seating.zones, seating.zone_of))
    return Done()


def _changes_zone_of_taken(hall: Hall, seating: Seating) -> bool:
    def zone_after(number: int) -> str | None:
        index = seating.zone_of[number]
        return seating.zones[index] if index < len(seating.zones) else None

    return any(
        state == SeatState.TAKEN and hall.zone_of_seat(number) != zone_after(number)
        for number, state in enumerate(hall.states())
    )


def block_seats(sale: Sale, batch: Batch, command: BlockSeats) -> Outcome:
    """Take free seats off the sale. Blocked seats stay blocked."""
    numbers = _numbers(sale, command.seats)
    if isinstance(numbers, No):
        return numbers
    assert sale.hall is not None, "the seats are known"
    states = sale.hall.states()
    if taken := [number for number in numbers if states[number] == SeatState.TAKEN]:
        return No(SalesRefusal.SEAT_TAKEN, "seat", {"seat_id": sale.hall.plan.ids[taken[0]]})
    free = [number for number in numbers if states[number] != SeatState.BLOCKED]
    if not free:
        return Done()
    sale.hall.block(free)
    for number in free:
        claim_seat(batch, number, None, was_taken=False)
    batch.serve_waitlist = True  # fewer units are left to set aside
    batch.facts.append(facts.SeatsBlocked(tuple(free)))
    return Done()


def unblock_seats(sale: Sale, batch: Batch, command: UnblockSeats) -> Outcome:
    """Put blocked seats back on sale."""
    numbers = _numbers(sale, command.seats)
    if isinstance(numbers, No):
        return numbers
    assert sale.hall is not None, "the seats are known"
    states = sale.hall.states()
    blocked = [number for number in numbers if states[number] == SeatState.BLOCKED]
    if not blocked:
        return Done()
    sale.hall.unblock(blocked)
    for number in blocked:
        clear_claim(batch, number)
    batch.serve_waitlist = True
    batch.facts.append(facts.SeatsUnblocked(tuple(blocked)))
    return Done()


def _numbers(sale: Sale, seat_ids: tuple[str, ...]) -> list[int] | No:
    if sale.hall is None:
        return No(SalesRefusal.NOT_SEATED)
    numbers = sale.hall.plan.numbers
    for seat_id in seat_ids:
        if seat_id not in numbers:
            return No(SalesRefusal.UNKNOWN_SEAT, "seat", {"seat_id": seat_id})
    return sorted({numbers[seat_id] for seat_id in seat_ids})
