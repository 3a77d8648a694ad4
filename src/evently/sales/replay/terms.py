"""What an organizer says about selling, told by the journal: the sale, its pools and ticket types, conditions, codes, the seating."""

from __future__ import annotations

from evently.sales import facts as fact
from evently.sales.replay.money import HAS_PROMOS
from evently.sales.replay.state import Contradiction, ReplayedPool, ReplayedPromo, ReplayedSale

HAS_CONDITIONS, HAS_SEATING = 1, 2  # of `sales.extras`


def set_up(told: ReplayedSale, happened: fact.SaleSetUp) -> None:
    """The sale came to be, closed."""
    if told.state:
        raise Contradiction("the sale was set up twice")
    told.state, told.currency = "closed", happened.currency
    told.on_sale_at, told.off_sale_at = happened.on_sale_at, happened.off_sale_at


def change(told: ReplayedSale, happened: fact.SaleChanged) -> None:
    """The sale window changed."""
    told.on_sale_at, told.off_sale_at = happened.on_sale_at, happened.off_sale_at


def open_(told: ReplayedSale, _happened: fact.SaleOpened) -> None:
    """The event was published."""
    told.state = "open"


def cancel(told: ReplayedSale, _happened: fact.SaleCancelled) -> None:
    """The event was cancelled."""
    told.state = "cancelled"


def put_pool(told: ReplayedSale, happened: fact.PoolPut) -> None:
    """A pool came to be, or changed."""
    pool = told.pools.setdefault(
        happened.pool_id, ReplayedPool(happened.pool_id, happened.name, happened.capacity)
    )
    pool.name, pool.capacity = happened.name, happened.capacity
    pool.check()


def remove_pool(told: ReplayedSale, happened: fact.PoolRemoved) -> None:
    """A pool is gone."""
    if told.pools.pop(happened.pool_id).taken():
        raise Contradiction(f"pool {happened.pool_id} was removed with units taken")


def put_type(told: ReplayedSale, happened: fact.TicketTypePut) -> None:
    """A ticket type came to be, or changed."""
    told.types[happened.ticket_type_id] = happened


def retire_type(told: ReplayedSale, happened: fact.TicketTypeRetired) -> None:
    """A ticket type is no longer sold."""
    told.retired.add(happened.ticket_type_id)


def put_conditions(told: ReplayedSale, happened: fact.ConditionsPut) -> None:
    """Bookings from now on are made under these conditions."""
    if happened.version != len(told.conditions) + 1:
        raise Contradiction(f"conditions {happened.version} follow {len(told.conditions)}")
    told.conditions[happened.version] = happened.conditions
    told.extras |= HAS_CONDITIONS


def put_promo(told: ReplayedSale, happened: fact.PromoCodePut) -> None:
    """A promo code came to be, or changed."""
    promo = told.promos.setdefault(happened.promo.promo_id, ReplayedPromo(happened.promo))
    promo.terms = happened.promo
    told.extras |= HAS_PROMOS


def put_seating(told: ReplayedSale, happened: fact.SeatingPut) -> None:
    """The event's seats and zones are these."""
    if told.seating is not None and told.seating[0] != happened.digest and told.seats:
        raise Contradiction("the map has changed under seats that were taken")
    told.seating = (happened.digest, happened.zones, happened.zone_of)
    told.extras |= HAS_SEATING


def block_seats(told: ReplayedSale, happened: fact.SeatsBlocked) -> None:
    """Seats were taken off the sale."""
    for number in happened.seats:
        told.take_seat(number, None)


def unblock_seats(told: ReplayedSale, happened: fact.SeatsUnblocked) -> None:
    """Seats are sold again."""
    for number in happened.seats:
        if told.seats.pop(number) is not None:
            raise Contradiction(f"seat {number} was not blocked")
