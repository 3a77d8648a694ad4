"""Applies organizers' facts to the replayed sale: window, pools, ticket types, conditions, codes, seating."""

from __future__ import annotations

from evently.sales import facts
from evently.sales.replay.money import DOOR_KEPT, HAS_PROMOS
from evently.sales.replay.state import (
    Contradiction,
    ReplayedPool,
    ReplayedPromo,
    ReplayedSale,
    ReplayedSeatBlock,
)
from evently.sales.terms import Rescheduling

HAS_CONDITIONS, HAS_SEATING, HAS_RESCHEDULINGS, HAS_SEAT_BLOCKS = 1, 2, 32, 256  # of `sales.extras`


def set_up(sale: ReplayedSale, fact: facts.SaleSetUp) -> None:
    """Create the sale, closed."""
    if sale.state:
        raise Contradiction("the sale was set up twice")
    sale.state, sale.currency = "closed", fact.currency
    sale.on_sale_at, sale.off_sale_at = fact.on_sale_at, fact.off_sale_at


def change(sale: ReplayedSale, fact: facts.SaleChanged) -> None:
    """Change the sale window."""
    if sale.waiting_room is not None and fact.on_sale_at != sale.on_sale_at:
        raise Contradiction("the sale got another beginning behind a waiting room")
    sale.on_sale_at, sale.off_sale_at = fact.on_sale_at, fact.off_sale_at


def reschedule(sale: ReplayedSale, fact: facts.EventRescheduled) -> None:
    """Add a change of the time or place of the event."""
    if sale.state != "open":
        raise Contradiction(f"the event was rescheduled while its sale was {sale.state}")
    sale.reschedulings.append(
        Rescheduling(sale.now(), fact.starts_before, fact.starts_at, fact.place_changed)
    )
    sale.extras |= HAS_RESCHEDULINGS


def open_(sale: ReplayedSale, _fact: facts.SaleOpened) -> None:
    """Open the sale."""
    sale.state = "open"


def cancel(sale: ReplayedSale, fact: facts.SaleCancelled) -> None:
    """Cancel the sale."""
    sale.state = "cancelled"
    sale.extras |= DOOR_KEPT * fact.door_kept
    sale.cancellation_reason = fact.reason


def put_pool(sale: ReplayedSale, fact: facts.PoolPut) -> None:
    """Add or change a pool."""
    pool = sale.pools.setdefault(fact.pool_id, ReplayedPool(fact.pool_id, fact.name, fact.capacity))
    pool.name, pool.capacity = fact.name, fact.capacity
    pool.check()


def remove_pool(sale: ReplayedSale, fact: facts.PoolRemoved) -> None:
    """Remove a pool."""
    if sale.pools.pop(fact.pool_id).taken():
        raise Contradiction(f"pool {fact.pool_id} was removed with units taken")


def put_type(sale: ReplayedSale, fact: facts.TicketTypePut) -> None:
    """Add or change a ticket type."""
    sale.types[fact.ticket_type_id] = fact


def retire_type(sale: ReplayedSale, fact: facts.TicketTypeRetired) -> None:
    """Retire a ticket type."""
    sale.retired.add(fact.ticket_type_id)


def put_conditions(sale: ReplayedSale, fact: facts.ConditionsPut) -> None:
    """Add a version of the conditions."""
    if fact.version != len(sale.conditions) + 1:
        raise Contradiction(f"conditions {fact.version} follow {len(sale.conditions)}")
    sale.conditions[fact.version] = fact.conditions
    sale.extras |= HAS_CONDITIONS


def put_promo(sale: ReplayedSale, fact: facts.PromoCodePut) -> None:
    """Add or change a promo code."""
    promo = sale.promos.setdefault(fact.promo.promo_id, ReplayedPromo(fact.promo))
    promo.terms = fact.promo
    sale.extras |= HAS_PROMOS


def put_seating(sale: ReplayedSale, fact: facts.SeatingPut) -> None:
    """Set the seating."""
    if sale.seating is not None and sale.seating[0] != fact.digest and sale.seats:
        raise Contradiction("the seat map changed while seats were taken")
    sale.seating = (fact.digest, fact.zones, fact.zone_of)
    sale.extras |= HAS_SEATING


def block_seats(sale: ReplayedSale, fact: facts.SeatsBlocked) -> None:
    """Block seats, perhaps as a block with a name, or as more seats of it."""
    for number in fact.seats:
        sale.take_seat(number, None)
    if fact.block_id is None:
        return
    block = sale.seat_blocks.setdefault(fact.block_id, ReplayedSeatBlock(fact.name, fact.until, sale.now()))
    if (block.name, block.until) != (fact.name, fact.until):
        raise Contradiction(f"block {fact.block_id} is {block.name!r} until {block.until}")
    block.seats.update(fact.seats)
    sale.extras |= HAS_SEAT_BLOCKS


def unblock_seats(sale: ReplayedSale, fact: facts.SeatsUnblocked) -> None:
    """Unblock seats."""
    for number in fact.seats:
        if sale.seats.pop(number) is not None:
            raise Contradiction(f"seat {number} was not blocked")
    unblocked = set(fact.seats)
    for block_id, block in list(sale.seat_blocks.items()):
        block.seats -= unblocked
        if not block.seats:
            del sale.seat_blocks[block_id]


def change_seat_block(sale: ReplayedSale, fact: facts.SeatBlockChanged) -> None:
    """Give a block another name, or another end."""
    block = sale.seat_blocks[fact.block_id]
    block.name, block.until = fact.name, fact.until
