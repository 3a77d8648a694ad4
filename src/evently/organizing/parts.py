"""The parts of an event's sale: pools, ticket types, conditions.

Each verb leaves a new version of the event.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from evently.catalogue import Complaints, Seen, whichever_version
from evently.db import Connection
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.organizing.conditions import (
    ConditionsChanges,
    changed_conditions,
    check_conditions,
    check_fee_currency,
    fee_currency_of,
)
from evently.organizing.edits import Added, Edited, edit_sale, lock_for_edit
from evently.organizing.terms import (
    POSITION_MAX,
    NewPool,
    PoolChanges,
    TicketTypeChanges,
    TicketTypeDraft,
    check_new_name,
    check_pool,
    check_pool_ids,
    check_ticket_type,
    check_zone,
    draft_of,
    given,
    terms_of,
)
from evently.organizing.zones import same
from evently.sales import carry_out
from evently.sales.commands import (
    PutConditions,
    PutPool,
    PutTicketType,
    RemovePool,
    RetireTicketType,
)
from evently.sales.reads import Sale
from evently.sales.terms import PoolTerms

Part = TypeVar("Part")


async def add_pool(tx: Connection, event_id: UUID, pool: NewPool, now: datetime) -> Added:
    """Give an event one more pool."""
    _, sale = await lock_for_edit(tx, event_id)
    made = PoolTerms(new_id(), pool.name, pool.capacity)
    _check_pool(made, sale)
    return Added(*await edit_sale(tx, sale, PutPool(event_id, made), now), made.pool_id)


async def change_pool(
    tx: Connection,
    event_id: UUID,
    pool_id: UUID,
    changes: PoolChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Rename a pool, raise its capacity, or lower it to no less than what is taken.

    Refuses `capacity-taken`.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    pool = _part(sale.pools, pool_id)
    before = PoolTerms(pool_id, pool.name, pool.capacity)
    after = replace(before, **given(changes))
    _check_pool(after, sale)
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutPool(event_id, after), now)


async def remove_pool(
    tx: Connection, event_id: UUID, pool_id: UUID, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Take away a pool that no ticket type draws on. Refuses `pool-in-use`."""
    _, sale = await lock_for_edit(tx, event_id, seen)
    _part(sale.pools, pool_id)
    return await edit_sale(tx, sale, RemovePool(event_id, pool_id), now)


async def add_ticket_type(
    tx: Connection, event_id: UUID, draft: TicketTypeDraft, pool_ids: tuple[UUID, ...], now: datetime
) -> Added:
    """Give an event one more ticket type, the last on its page. With one pool it need not be named.

    With a zone it need not be named either: it is the one of the zone's name, made here when there is none.
    """
    _, sale = await lock_for_edit(tx, event_id)
    draft, zone_pool = _in_zone(sale, draft)
    if not pool_ids and zone_pool is not None:
        pool_ids = (zone_pool.pool_id,)
        if zone_pool.pool_id not in sale.pools:
            _, sale = await carry_out(tx, PutPool(event_id, zone_pool), now, known=sale)
    elif not pool_ids and len(sale.pools) == 1:
        pool_ids = tuple(sale.pools)
    position = min(max((terms.position for terms in sale.ticket_types.values()), default=0) + 1, POSITION_MAX)
    _check_ticket_type(draft, position, pool_ids, sale, _names(sale))
    made = terms_of(new_id(), draft, position, tuple(dict.fromkeys(pool_ids)))
    return Added(*await edit_sale(tx, sale, PutTicketType(event_id, made), now), made.ticket_type_id)


async def change_ticket_type(
    tx: Connection,
    event_id: UUID,
    ticket_type_id: UUID,
    changes: TicketTypeChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Change a ticket type.

    Its price is that of later bookings; its pools stay once the event is published (`pool-in-use`).
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    before = _part(sale.ticket_types, ticket_type_id)
    said = given(changes)
    position, pool_ids = said.pop("position", before.position), said.pop("pool_ids", before.pool_ids)
    draft, _ = _in_zone(sale, replace(draft_of(before, sale.currency), **said))
    _check_ticket_type(draft, position, pool_ids, sale, _names(sale, ticket_type_id))
    after = replace(
        terms_of(ticket_type_id, draft, position, tuple(dict.fromkeys(pool_ids))), retired=before.retired
    )
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutTicketType(event_id, after), now)


async def retire_ticket_type(
    tx: Connection, event_id: UUID, ticket_type_id: UUID, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Stop selling a ticket type for good; its tickets stay valid."""
    event, sale = await lock_for_edit(tx, event_id, seen)
    if _part(sale.ticket_types, ticket_type_id).retired:
        return Edited(event, sale)
    return await edit_sale(tx, sale, RetireTicketType(event_id, ticket_type_id), now)


async def change_conditions(
    tx: Connection, event_id: UUID, changes: ConditionsChanges, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Sell under other conditions from now on; bookings that were made keep theirs."""
    event, sale = await lock_for_edit(tx, event_id, seen)
    _, before = sale.conditions_now()
    after = changed_conditions(before, changes)
    complaints = Complaints()
    check_conditions(complaints, "", after)
    check_fee_currency(complaints, "", fee_currency_of(changes), sale.currency)
    complaints.refuse_if_any()
    if after == before:
        return Edited(event, sale)
    return await edit_sale(tx, sale, PutConditions(event_id, after), now)


def _in_zone(sale: Sale, draft: TicketTypeDraft) -> tuple[TicketTypeDraft, PoolTerms | None]:
    """Return a ticket type with the name of its zone as the seating has it, and that zone's own pool, which may be new."""
    if sale.hall is None or draft.zone is None:
        return draft, None
    for index, zone in enumerate(sale.hall.zones):
        if same(zone) == same(draft.zone):
            pool = next((pool for pool in sale.pools.values() if same(pool.name) == same(zone)), None)
            made = PoolTerms(new_id(), zone, sale.hall.zone_of.count(index))
            return replace(draft, zone=zone), made if pool is None else PoolTerms(
                pool.pool_id, pool.name, pool.capacity
            )
    return draft, None


def _check_pool(pool: PoolTerms, sale: Sale) -> None:
    complaints = Complaints()
    check_pool(complaints, "", pool.name, pool.capacity)
    check_new_name(
        complaints, pool.name, [other.name for other in sale.pools.values() if other.pool_id != pool.pool_id]
    )
    complaints.refuse_if_any()


def _check_ticket_type(
    draft: TicketTypeDraft, position: int, pool_ids: tuple[UUID, ...], sale: Sale, other_names: list[str]
) -> None:
    complaints = Complaints()
    complaints.about_number("/position", position, 1, POSITION_MAX)
    check_ticket_type(complaints, "", draft, sale.currency)
    check_new_name(complaints, draft.name, other_names)
    check_pool_ids(complaints, pool_ids, sale)
    check_zone(complaints, "/zone", draft.zone, () if sale.hall is None else sale.hall.zones)
    complaints.refuse_if_any()


def _part(parts: dict[UUID, Part], part_id: UUID) -> Part:
    part = parts.get(part_id)
    if part is None:
        raise Refused(CommonRefusal.NOT_FOUND, "part")
    return part


def _names(sale: Sale, besides: UUID | None = None) -> list[str]:
    """Return the names of the other ticket types that people can still see."""
    return [
        terms.name
        for terms in sale.ticket_types.values()
        if not terms.retired and terms.ticket_type_id != besides
    ]
