"""The rules of what an organizer sets about a sale: window, pools, types, conditions, promo codes. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from evently.kit.shapes import copy_fields
from evently.sales import facts
from evently.sales.commands.sale_terms import (
    CancelSale,
    ChangeSale,
    OpenSale,
    PutConditions,
    PutPool,
    PutPromoCode,
    PutTicketType,
    RemovePool,
    RescheduleEvent,
    RetirePromoCode,
    RetireTicketType,
    SetUpSale,
    WakeSale,
)
from evently.sales.commands.seats import PutSeating
from evently.sales.outcomes import Done, No, Outcome, SalesRefusal
from evently.sales.rules import offers, seats
from evently.sales.rules.add_ons import not_an_add_on
from evently.sales.rules.state import DOOR_KEPT, Batch, Pool, Promo, Sale
from evently.sales.terms import (
    CONDITIONS_MAX,
    POOLS_MAX,
    PROMO_CODES_MAX,
    RESCHEDULINGS_MAX,
    TICKET_TYPES_MAX,
    PoolTerms,
    Rescheduling,
)


def set_up(sale: Sale | None, batch: Batch, command: SetUpSale) -> tuple[Sale, Outcome]:
    """Create the sale of a new event, closed."""
    assert sale is None, "an event has one sale"
    made = Sale(
        event_id=command.event_id,
        state="closed",
        currency=command.currency,
        on_sale_at=command.on_sale_at,
        off_sale_at=command.off_sale_at,
        seq=0,
        head_hash=facts.NO_HASH,
        head_at=batch.now,
    )
    batch.created = True
    batch.facts.append(facts.SaleSetUp(command.currency, command.on_sale_at, command.off_sale_at))
    parts: list[Outcome] = []
    if command.conditions is not None:
        parts.append(put_conditions(made, batch, PutConditions(command.event_id, command.conditions)))
    if command.seating is not None:
        parts.append(seats.put_seating(made, batch, PutSeating(command.event_id, command.seating)))
    parts += [put_pool(made, batch, PutPool(command.event_id, pool)) for pool in command.pools]
    # First those that others need
    types = sorted(command.ticket_types, key=lambda terms: bool(terms.needed_ids))
    parts += [put_type(made, batch, PutTicketType(command.event_id, terms)) for terms in types]
    for outcome in parts:
        if isinstance(outcome, No):
            return made, outcome
    order = [terms.ticket_type_id for terms in command.ticket_types]
    made.ticket_types = {type_id: made.ticket_types[type_id] for type_id in order}
    return made, Done()


def run_batch(_sale: Sale, _batch: Batch, _command: WakeSale) -> Outcome:
    """Succeed; the command exists to start a batch."""
    return Done()


def change_sale(sale: Sale, batch: Batch, command: ChangeSale) -> Outcome:
    """Change the sale window."""
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if sale.has_waiting_room and command.on_sale_at != sale.on_sale_at:
        return No(SalesRefusal.WAITING_ROOM_FIXED, "on_sale_at")  # its list closes then: that was promised
    sale.on_sale_at, sale.off_sale_at = command.on_sale_at, command.off_sale_at
    batch.terms_changed = True
    batch.serve_waitlist = True  # the waitlist is served within the window only
    batch.facts.append(facts.SaleChanged(command.on_sale_at, command.off_sale_at))
    return Done()


def reschedule(sale: Sale, batch: Batch, command: RescheduleEvent) -> Outcome:
    """Record another start or place of the event, from which deadlines of earlier bookings are counted."""
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if sale.state == "closed":
        return Done()  # nobody has booked: nothing was promised
    if len(sale.reschedulings) >= RESCHEDULINGS_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "reschedulings", {"count_max": RESCHEDULINGS_MAX})
    starts_before, starts_at = command.starts_before, command.starts_at
    sale.reschedulings.append(Rescheduling(batch.now, starts_before, starts_at, command.place_changed))
    batch.rescheduled += 1
    batch.facts.append(facts.EventRescheduled(starts_before, starts_at, command.place_changed))
    return Done()


def open_sale(sale: Sale, batch: Batch, _command: OpenSale) -> Outcome:
    """Open the sale: it sells within its window."""
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if sale.state == "open":
        return Done()
    if all(terms.retired or terms.needed_ids for terms in sale.ticket_types.values()):
        return No(SalesRefusal.NOTHING_TO_SELL)
    sale.state = "open"
    batch.terms_changed = True
    batch.facts.append(facts.SaleOpened())
    return Done()


def cancel_sale(sale: Sale, batch: Batch, command: CancelSale) -> Outcome:
    """Cancel the sale for good and withdraw all waiting entries."""
    if sale.state == "cancelled":
        return Done()
    sale.state = "cancelled"
    batch.terms_changed = True
    sale.extras |= DOOR_KEPT * command.keeps_door
    batch.facts.append(facts.SaleCancelled(command.keeps_door, command.reason))
    offers.withdraw_all(sale, batch, "cancelled")
    return Done()


def put_pool(sale: Sale, batch: Batch, command: PutPool) -> Outcome:
    """Add a pool or change it."""
    terms = command.pool
    pool = sale.pools.get(terms.pool_id)
    if pool is None and len(sale.pools) >= POOLS_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "pools", {"count_max": POOLS_MAX})
    if pool is not None and terms.capacity < pool.held + pool.sold:
        return No(SalesRefusal.CAPACITY_TAKEN, "pool", {"taken": pool.held + pool.sold, "pool": pool.name})
    # After this point the pool must be put.
    if pool is not None:
        offers.release_set_asides(sale, batch, pool, pool.taken() - terms.capacity)
    sale.pools[terms.pool_id] = _changed_pool(pool, terms)
    batch.pools_put.add(terms.pool_id)
    batch.serve_waitlist = True
    batch.facts.append(facts.PoolPut(terms.pool_id, terms.name, terms.capacity))
    return Done()


def _changed_pool(pool: Pool | None, terms: PoolTerms) -> Pool:
    if pool is None:
        return Pool(terms.pool_id, terms.name, terms.capacity)
    return Pool(pool.pool_id, terms.name, terms.capacity, pool.held, pool.sold, pool.set_aside)


def remove_pool(sale: Sale, batch: Batch, command: RemovePool) -> Outcome:
    """Remove a pool that no ticket type draws on."""
    if command.pool_id not in sale.pools:
        return No(SalesRefusal.UNKNOWN_POOL)
    if any(command.pool_id in terms.pool_ids for terms in sale.ticket_types.values()):
        return No(SalesRefusal.POOL_IN_USE)
    del sale.pools[command.pool_id]
    batch.pools_removed.append(command.pool_id)
    batch.facts.append(facts.PoolRemoved(command.pool_id))
    return Done()


def put_type(sale: Sale, batch: Batch, command: PutTicketType) -> Outcome:
    """Add a ticket type or change it."""
    earlier = sale.ticket_types.get(command.ticket_type.ticket_type_id)
    # A retired ticket type stays retired
    terms = replace(command.ticket_type, retired=earlier is not None and earlier.retired)
    assert len(set(terms.pool_ids)) == len(terms.pool_ids), "a unit takes one unit of each of its pools"
    assert terms.per_needed_max is None or terms.needed_ids, "only an add-on has a limit for each needed one"
    if earlier is None and len(sale.ticket_types) >= TICKET_TYPES_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "ticket_types", {"count_max": TICKET_TYPES_MAX})
    if not sale.pools.keys() >= set(terms.pool_ids):
        return No(SalesRefusal.UNKNOWN_POOL)
    if terms.zone is not None and (sale.hall is None or terms.zone not in sale.hall.zones):
        return No(SalesRefusal.NOT_SEATED, "zone", {"zone": terms.zone})
    if (
        earlier is not None
        and sale.state != "closed"
        and (set(earlier.pool_ids), earlier.zone) != (set(terms.pool_ids), terms.zone)
    ):
        return No(
            SalesRefusal.POOL_IN_USE,
            "may_have_sold",
        )
    if no := not_an_add_on(sale, terms):
        return no
    sale.ticket_types[terms.ticket_type_id] = terms
    batch.types_changed.add(terms.ticket_type_id)
    batch.serve_waitlist = True  # its window may have changed
    batch.facts.append(copy_fields(facts.TicketTypePut, terms))
    return Done()


def retire_type(sale: Sale, batch: Batch, command: RetireTicketType) -> Outcome:
    """Stop selling a ticket type and withdraw the entries that wait for it."""
    terms = sale.ticket_types.get(command.ticket_type_id)
    if terms is None:
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if terms.retired:
        return Done()
    sale.ticket_types[terms.ticket_type_id] = replace(terms, retired=True)
    batch.types_changed.add(terms.ticket_type_id)
    batch.facts.append(facts.TicketTypeRetired(terms.ticket_type_id))
    offers.withdraw_all(sale, batch, "cancelled", terms.ticket_type_id)
    return Done()


# Conditions and promo codes ---------------------------------------------------------------------------------


def put_conditions(sale: Sale, batch: Batch, command: PutConditions) -> Outcome:
    """Change the conditions for bookings from now on. Equal conditions are no new version."""
    version, before = sale.conditions_now()
    if version and before == command.conditions:
        return Done()
    if version >= CONDITIONS_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "conditions", {"count_max": CONDITIONS_MAX})
    sale.conditions[version + 1] = command.conditions
    batch.conditions_put.append(version + 1)
    batch.facts.append(facts.ConditionsPut(version + 1, command.conditions))
    return Done()


def put_promo_code(sale: Sale, batch: Batch, command: PutPromoCode) -> Outcome:
    """Add a promo code or change it."""
    terms = command.promo
    earlier = sale.promo(terms.promo_id)
    namesake = sale.promos.get(terms.code)
    if namesake is not None and namesake is not earlier:
        return No(SalesRefusal.PROMO_CODE_TAKEN)
    if earlier is None and len(sale.promos) >= PROMO_CODES_MAX:
        return No(SalesRefusal.TOO_MANY_PARTS, "promo_codes", {"count_max": PROMO_CODES_MAX})
    if not sale.ticket_types.keys() >= set(terms.ticket_type_ids):
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    promo = Promo(terms) if earlier is None else Promo(terms, earlier.uses, earlier.spent_minor)
    if terms.uses_max is not None and terms.uses_max < promo.uses:
        return No(SalesRefusal.PROMO_CODE_LIMIT_TOO_LOW, "uses", {"uses": promo.uses})
    if terms.budget_minor is not None and terms.budget_minor < promo.spent_minor:
        return No(SalesRefusal.PROMO_CODE_LIMIT_TOO_LOW, "budget", {"spent_minor": promo.spent_minor})
    if earlier is not None:
        del sale.promos[earlier.terms.code]
    sale.promos[terms.code] = promo
    batch.promos_put.add(terms.promo_id)
    batch.facts.append(facts.PromoCodePut(terms))
    return Done()


def retire_promo_code(sale: Sale, batch: Batch, command: RetirePromoCode) -> Outcome:
    """Stop accepting a promo code."""
    promo = sale.promo(command.promo_id)
    if promo is None:
        return No(SalesRefusal.UNKNOWN_PROMO_CODE)
    if promo.terms.retired:
        return Done()
    return put_promo_code(sale, batch, PutPromoCode(command.event_id, replace(promo.terms, retired=True)))
