"""Ticket types of an event: add, change, retire. Each verb leaves a new version of the event.

A field of a ticket type stands here twice, in `TicketTypeDraft` and in `TicketTypeChanges`; everything else
copies fields by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import Seen, whichever_version
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.ids import PoolReference, TicketTypeReference, new_id
from evently.kit.money import Money
from evently.kit.shapes import Instant, copy_fields, fields_set, items, number, text
from evently.kit.visible import fold_name
from evently.organizing.edits import Added, Edited, edit_sale, get_part, lock_for_edit
from evently.organizing.names import PartName, check_new_name
from evently.organizing.payable import check_payable
from evently.organizing.windows import check_window, utc
from evently.organizing.zones import ZoneName
from evently.sales import carry_out
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.commands.sale_terms import PutPool, PutTicketType, RetireTicketType
from evently.sales.reads import Sale
from evently.sales.terms import POOLS_MAX, TICKET_TYPES_MAX, BasisPoints, PoolTerms, TicketTypeTerms

DESCRIPTION_CHARACTERS_MAX: Final = 2_000  # fifty descriptions of this length still fit into a request
PER_BUYER_MAX: Final = 10_000  # a limit above it limits nobody
POSITION_MAX: Final = 1_000
PER_BOOKING_DEFAULT: Final = 10

TypeDescription = Annotated[
    str,
    text(DESCRIPTION_CHARACTERS_MAX, "Standing, in front of the stage.", blank=True, lines=True),
]
PerBooking = Annotated[int, number(1, UNITS_MAX, 10)]
PerBuyer = Annotated[int, number(1, PER_BUYER_MAX, 4)]
Position = Annotated[int, number(1, POSITION_MAX, 1)]
PoolNames = Annotated[tuple[str, ...], items(POOLS_MAX, [["Hall"]])]
PoolIds = Annotated[tuple[PoolReference, ...], items(POOLS_MAX, [["pol_01m7y4ef72ev2sxmcnxfse27zp"]])]
NeededNames = Annotated[
    tuple[str, ...],
    items(
        TICKET_TYPES_MAX,
        [[]],
        "An add-on: sold only together with a ticket of one of these types. None: sold by itself.",
    ),
]
NeededIds = Annotated[
    tuple[TicketTypeReference, ...],
    items(
        TICKET_TYPES_MAX,
        [[]],
        "An add-on: sold only together with a ticket of one of these types. None: sold by itself.",
    ),
]
PerNeeded = Annotated[
    int, number(1, UNITS_MAX, 1, "Of an add-on: so many for each ticket that it needs, in one booking.")
]


class Tax(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tax in basis points of the price, included in the price or added to it."""

    basis_points: BasisPoints
    included: bool = True


class TicketTypeDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new ticket type. Without a price it is free; without a window it is on sale as long as the event.

    `zone`: each ticket has a seat of this price zone. `hidden`: the ticket type is not shown, and is sold
    only with a promo code that names it. `per_needed_max`: of an add-on; null: no limit.
    """

    name: PartName
    description: TypeDescription = ""
    price: Money | None = None
    on_sale_at: Instant | None = None
    off_sale_at: Instant | None = None
    per_booking_max: PerBooking = PER_BOOKING_DEFAULT
    per_buyer_max: PerBuyer | None = None
    zone: ZoneName | None = None
    tax: Tax | None = None
    hidden: bool = False
    per_needed_max: PerNeeded | None = None


class NewTicketType(TicketTypeDraft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ticket type of a new event.

    `pools` names the pools of which each ticket takes a unit. It can be left out if the event has one pool.

    It can also be left out with a zone: the pool then has the zone's name and as many units as the zone has
    seats, and is created unless the event has a pool of this name.

    `needs` makes it an add-on, such as parking: it names other ticket types of the event.
    """

    pools: PoolNames = ()
    needs: NeededNames = ()


class AddedTicketType(TicketTypeDraft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new ticket type. `pool_ids`: each ticket takes a unit of these; optional if there is one pool."""

    pool_ids: PoolIds = ()
    needed_ids: NeededIds = ()


class TicketTypeChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a ticket type. A price of null makes it free; a new price is for later bookings.

    The pools of a ticket type cannot change once the event is published, and it cannot become an add-on then.
    """

    name: PartName | UnsetType = UNSET
    description: TypeDescription | UnsetType = UNSET
    price: Money | UnsetType | None = UNSET
    on_sale_at: Instant | UnsetType | None = UNSET
    off_sale_at: Instant | UnsetType | None = UNSET
    per_booking_max: PerBooking | UnsetType = UNSET
    per_buyer_max: PerBuyer | UnsetType | None = UNSET
    zone: ZoneName | UnsetType | None = UNSET
    tax: Tax | UnsetType | None = UNSET
    hidden: bool | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    pool_ids: PoolIds | UnsetType = UNSET
    needed_ids: NeededIds | UnsetType = UNSET
    per_needed_max: PerNeeded | UnsetType | None = UNSET


async def add_ticket_type(
    tx: Connection,
    event_id: UUID,
    draft: AddedTicketType,
    now: datetime,
    denominations: Denominations = iso_denomination,
) -> Added:
    """Add a ticket type to an event, the last on its page.

    Without pools it draws on the only pool; with a zone, on the pool of the zone's name, which is created
    unless the event has it.
    """
    _, sale = await lock_for_edit(tx, event_id)
    zone, zone_pool = _find_zone(sale, draft.zone)
    pool_ids = draft.pool_ids
    if not pool_ids and zone_pool is not None:
        pool_ids = (zone_pool.pool_id,)
        if zone_pool.pool_id not in sale.pools:
            _, sale = await carry_out(tx, PutPool(event_id, zone_pool), now, known=sale)
    elif not pool_ids and len(sale.pools) == 1:
        pool_ids = tuple(sale.pools)
    last = max((terms.position for terms in sale.ticket_types.values()), default=0)
    complaints = Complaints()
    complaints.check("", draft)
    _check_in_sale(complaints, draft, pool_ids, sale, _visible_names(sale))
    _check_needed(complaints, draft, draft.needed_ids, sale, None)
    complaints.refuse_if_any()
    made = ticket_type_terms(
        replace(draft, zone=zone),
        new_id(),
        position=min(last + 1, POSITION_MAX),
        pool_ids=pool_ids,
        needed_ids=draft.needed_ids,
    )
    check_payable(complaints, "/price", denominations, sale, ticket_types=[made])
    complaints.refuse_if_any()
    return Added(*await edit_sale(tx, sale, PutTicketType(event_id, made), now), made.ticket_type_id)


async def change_ticket_type(
    tx: Connection,
    event_id: UUID,
    ticket_type_id: UUID,
    changes: TicketTypeChanges,
    now: datetime,
    seen: Seen = whichever_version,
    denominations: Denominations = iso_denomination,
) -> Edited:
    """Change a ticket type for later bookings.

    Refuses `pool-in-use` for other pools once the event is published. What is sold by itself no more needs no
    limit: without `needed_ids`, `per_needed_max` falls away.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    before = get_part(sale.ticket_types, ticket_type_id)
    changed = fields_set(changes)
    placed = {
        "position": changed.pop("position", before.position),
        "pool_ids": changed.pop("pool_ids", before.pool_ids),
        "needed_ids": changed.pop("needed_ids", before.needed_ids),
    }
    draft = replace(_draft_of(before, sale.currency), **changed)
    if not placed["needed_ids"] and "per_needed_max" not in changed:
        draft = replace(draft, per_needed_max=None)
    complaints = Complaints()
    complaints.check("", changes)
    _check_in_sale(complaints, draft, placed["pool_ids"], sale, _visible_names(sale, ticket_type_id))
    _check_needed(complaints, draft, placed["needed_ids"], sale, before)
    complaints.refuse_if_any()
    zone, _ = _find_zone(sale, draft.zone)
    after = ticket_type_terms(replace(draft, zone=zone), ticket_type_id, **placed, retired=before.retired)
    if after == before:
        return Edited(event, sale)
    if (after.price_minor, after.tax_basis_points, after.tax_included) != (
        before.price_minor,
        before.tax_basis_points,
        before.tax_included,
    ):
        check_payable(
            complaints,
            "/tax" if changes.price is UNSET else "/price",
            denominations,
            sale,
            ticket_types=[after],
        )
        complaints.refuse_if_any()
    return await edit_sale(tx, sale, PutTicketType(event_id, after), now)


async def retire_ticket_type(
    tx: Connection, event_id: UUID, ticket_type_id: UUID, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Stop selling a ticket type for good; its tickets stay valid. Safe to repeat."""
    event, sale = await lock_for_edit(tx, event_id, seen)
    if get_part(sale.ticket_types, ticket_type_id).retired:
        return Edited(event, sale)
    return await edit_sale(tx, sale, RetireTicketType(event_id, ticket_type_id), now)


def check_ticket_type(complaints: Complaints, pointer: str, draft: TicketTypeDraft, currency: str) -> None:
    """Note the rules that a ticket type breaks by itself; `TicketTypeDraft` has the limits."""
    if draft.price is not None and draft.price.currency != currency:
        complaints.about(f"{pointer}/price/currency", "another-currency", currency=currency)
    check_window(complaints, pointer, draft.on_sale_at, draft.off_sale_at)


def check_add_on(complaints: Complaints, pointer: str, draft: TicketTypeDraft, *, is_add_on: bool) -> None:
    """Note what an add-on, or what no add-on, cannot have."""
    if is_add_on and draft.zone is not None:
        complaints.about(f"{pointer}/zone", "seats-of-add-on")
    if not is_add_on and draft.per_needed_max is not None:
        complaints.about(f"{pointer}/per_needed_max", "only-of-add-on")


def check_zone(complaints: Complaints, pointer: str, zone: str | None, zones: Iterable[str]) -> None:
    """Note that a ticket type names a zone that the seating does not have."""
    if zone is not None and fold_name(zone) not in set(map(fold_name, zones)):
        complaints.about(pointer, "unknown-zone")


def ticket_type_terms(
    draft: TicketTypeDraft,
    ticket_type_id: UUID,
    *,
    position: int,
    pool_ids: Sequence[UUID],
    needed_ids: Sequence[UUID] = (),
    retired: bool = False,
) -> TicketTypeTerms:
    """Return a ticket type without complaints as sales takes it."""
    tax = draft.tax or Tax(0)
    return copy_fields(
        TicketTypeTerms,
        draft,
        ticket_type_id=ticket_type_id,
        position=position,
        price_minor=0 if draft.price is None else draft.price.amount,
        pool_ids=tuple(dict.fromkeys(pool_ids)),
        needed_ids=tuple(dict.fromkeys(needed_ids)),
        on_sale_at=utc(draft.on_sale_at),
        off_sale_at=utc(draft.off_sale_at),
        retired=retired,
        tax_basis_points=tax.basis_points,
        tax_included=tax.included,
    )


def _draft_of(terms: TicketTypeTerms, currency: str) -> TicketTypeDraft:
    """Return a ticket type of a sale as an organizer describes it."""
    return copy_fields(
        TicketTypeDraft,
        terms,
        price=Money(terms.price_minor, currency),
        tax=Tax(terms.tax_basis_points, terms.tax_included),
    )


def _find_zone(sale: Sale, zone: str | None) -> tuple[str | None, PoolTerms | None]:
    """Return a zone's name as the seating has it, and the pool of its name, which may not exist yet."""
    if sale.hall is None or zone is None:
        return zone, None
    for index, name in enumerate(sale.hall.zones):
        if fold_name(name) == fold_name(zone):
            pool = next(
                (pool for pool in sale.pools.values() if fold_name(pool.name) == fold_name(name)), None
            )
            if pool is not None:
                return name, PoolTerms(pool.pool_id, pool.name, pool.capacity)
            return name, PoolTerms(new_id(), name, sale.hall.zone_of.count(index))
    return zone, None


def _check_in_sale(
    complaints: Complaints,
    draft: TicketTypeDraft,
    pool_ids: Sequence[UUID],
    sale: Sale,
    other_names: Sequence[str],
) -> None:
    """Note the rules that a ticket type breaks in its sale."""
    check_ticket_type(complaints, "", draft, sale.currency)
    check_new_name(complaints, draft.name, other_names)
    if not pool_ids:
        complaints.about("/pool_ids", "pool-missing")
    for index, pool_id in enumerate(pool_ids):
        if pool_id not in sale.pools:
            complaints.about(f"/pool_ids/{index}", "unknown-pool")
    check_zone(complaints, "/zone", draft.zone, () if sale.hall is None else sale.hall.zones)


def _check_needed(
    complaints: Complaints,
    draft: TicketTypeDraft,
    needed_ids: Sequence[UUID],
    sale: Sale,
    before: TicketTypeTerms | None,
) -> None:
    """Note what keeps a ticket type from needing others. `before`: as it is; None: it is new."""
    check_add_on(complaints, "", draft, is_add_on=bool(needed_ids))
    for index, type_id in enumerate(needed_ids):
        terms = sale.ticket_types.get(type_id)
        if terms is None or terms is before:
            complaints.about(f"/needed_ids/{index}", "unknown-ticket-type")
        elif terms.needed_ids:
            complaints.about(f"/needed_ids/{index}", "needs-an-add-on")
    if not needed_ids or before is None:
        return
    if any(before.ticket_type_id in other.needed_ids for other in sale.ticket_types.values()):
        complaints.about("/needed_ids", "needed-itself")
    if sale.state != "closed" and not before.needed_ids:
        complaints.about("/needed_ids", "sold-by-itself")


def _visible_names(sale: Sale, except_id: UUID | None = None) -> list[str]:
    """Return the names of the other ticket types that are not retired."""
    return [
        terms.name
        for terms in sale.ticket_types.values()
        if not terms.retired and terms.ticket_type_id != except_id
    ]
