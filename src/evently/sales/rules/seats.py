"""The rules of an event's seats: its copy of a seat map, its zones, blocked seats. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from evently.sales import facts
from evently.sales.commands.seats import BlockSeats, ChangeSeatBlock, PutSeating, UnblockSeats
from evently.sales.outcomes import Done, No, Outcome, SalesRefusal
from evently.sales.rules.moves import claim_seat, clear_claim
from evently.sales.rules.state import Batch, Sale, SeatBlock
from evently.sales.terms import SEAT_BLOCKS_MAX, SeatBlockTerms, Seating
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
    terms = command.block
    if terms is not None and (refused := _not_as_block(sale, terms.block_id, numbers, free)) is not None:
        return refused
    if not free:
        return Done()
    # After this point the seats must be blocked.
    sale.hall.block(free)
    for number in free:
        claim_seat(batch, number, None, was_taken=False)
    batch.serve_waitlist = True  # fewer units are left to set aside
    if terms is None:
        batch.facts.append(facts.SeatsBlocked(tuple(free)))
    else:
        terms = _add_to_block(sale, batch, terms, free)
        batch.facts.append(facts.SeatsBlocked(tuple(free), terms.block_id, terms.name, terms.until))
    return Done()


def _not_as_block(sale: Sale, block_id: UUID, numbers: Sequence[int], available: Sequence[int]) -> No | None:
    """Refuse seats for a block with a name that are blocked otherwise: whose they are must stay clear."""
    assert sale.hall is not None, "the seats are known"
    block = sale.seat_blocks.get(block_id)
    own = set() if block is None else block.seats
    if other := [number for number in numbers if number not in own and number not in set(available)]:
        return No(SalesRefusal.SEAT_TAKEN, "blocked", {"seat_id": sale.hall.plan.ids[other[0]]})
    if block is None and len(sale.seat_blocks) >= SEAT_BLOCKS_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "seat_blocks", {"count_max": SEAT_BLOCKS_MAX})
    return None


def _add_to_block(sale: Sale, batch: Batch, terms: SeatBlockTerms, numbers: Sequence[int]) -> SeatBlockTerms:
    """Add blocked seats to a block, which may be new; return its terms, which stay if there is one."""
    block = sale.seat_blocks.setdefault(terms.block_id, SeatBlock(terms, batch.now, set()))
    block.seats.update(numbers)
    _note_block(sale, batch, terms.block_id)
    return block.terms


def _note_block(sale: Sale, batch: Batch, block_id: UUID) -> None:
    batch.seat_blocks_changed.add(block_id)
    ends = [block.terms.until for block in sale.seat_blocks.values() if block.terms.until is not None]
    sale.next_unblock_at = min(ends, default=None)


def change_seat_block(sale: Sale, batch: Batch, command: ChangeSeatBlock) -> Outcome:
    """Give a block another name, or another end."""
    terms = command.block
    block = sale.seat_blocks.get(terms.block_id)
    if block is None:
        return No(SalesRefusal.UNKNOWN_SEAT_BLOCK)
    if block.terms == terms:
        return Done()
    block.terms = terms
    _note_block(sale, batch, terms.block_id)
    batch.facts.append(facts.SeatBlockChanged(terms.block_id, terms.name, terms.until))
    return Done()


def unblock_seats(sale: Sale, batch: Batch, command: UnblockSeats) -> Outcome:
    """Put blocked seats back on sale."""
    numbers = _numbers(sale, command.seats)
    if isinstance(numbers, No):
        return numbers
    assert sale.hall is not None, "the seats are known"
    states = sale.hall.states()
    blocked = [number for number in numbers if states[number] == SeatState.BLOCKED]
    if blocked:
        _unblock(sale, batch, blocked)
    return Done()


def unblock_due(sale: Sale, batch: Batch) -> None:
    """Unblock the seats of the blocks that have ended."""
    if sale.next_unblock_at is None or sale.next_unblock_at > batch.now:
        return
    due = [
        number
        for block in sale.seat_blocks.values()
        if block.terms.until is not None and block.terms.until <= batch.now
        for number in block.seats
    ]
    _unblock(sale, batch, sorted(due))


def _unblock(sale: Sale, batch: Batch, numbers: Sequence[int]) -> None:
    assert sale.hall is not None, "the seats are known"
    sale.hall.unblock(numbers)
    for number in numbers:
        clear_claim(batch, number)
    unblocked = set(numbers)
    for block_id, block in list(sale.seat_blocks.items()):
        if block.seats.isdisjoint(unblocked):
            continue
        block.seats -= unblocked
        if not block.seats:
            del sale.seat_blocks[block_id]
        _note_block(sale, batch, block_id)
    batch.serve_waitlist = True
    batch.facts.append(facts.SeatsUnblocked(tuple(numbers)))


def _numbers(sale: Sale, seat_ids: tuple[str, ...]) -> list[int] | No:
    if sale.hall is None:
        return No(SalesRefusal.NOT_SEATED)
    numbers = sale.hall.plan.numbers
    for seat_id in seat_ids:
        if seat_id not in numbers:
            return No(SalesRefusal.UNKNOWN_SEAT, "seat", {"seat_id": seat_id})
    return sorted({numbers[seat_id] for seat_id in seat_ids})
