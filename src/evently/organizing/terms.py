"""What an organizer says about selling an event, before the till knows of it; and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently.catalogue import NAME_CHARACTERS_MAX, Complaints, is_within_reach
from evently.kit.money import CURRENCIES, Money
from evently.organizing.conditions import check_conditions, check_fee_currency
from evently.organizing.zones import SeatingDraft, check_zone_names, same
from evently.sales.commands import UNITS_MAX
from evently.sales.reads import Sale
from evently.sales.terms import CAPACITY_MAX, POOLS_MAX, WHOLE, Conditions, PoolTerms, TicketTypeTerms

TICKET_TYPES_AT_ONCE_MAX: Final = 50  # of a new event: more than a page can show
TICKET_TYPE_DESCRIPTION_MAX: Final = 2_000  # characters: fifty of them still fit into a request
PER_BUYER_MAX: Final = 10_000  # a limit above it limits nobody
POSITION_MAX: Final = 1_000
_ONLY_POOL: Final = "Admission"  # the name of the pool that `capacity` makes


class NewPool(msgspec.Struct, frozen=True):
    """A pool of a new event."""

    name: str
    capacity: int


class TicketTypeDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a ticket type, its pools aside.

    Without a price it is free; without a zone it admits without a seat.
    """

    name: str
    description: str = ""
    price: Money | None = None
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    per_booking_max: int = 10
    per_buyer_max: int | None = None
    zone: str | None = None
    tax_basis_points: int = 0
    tax_included: bool = True
    hidden: bool = False


class NewTicketType(TicketTypeDraft, frozen=True, kw_only=True):
    """A ticket type of a new event.

    It names its pools, unless there is one; or unless it has a zone, which has a pool of its own.
    """

    pools: tuple[str, ...] = ()


class SaleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a new event is sold: from now until its start unless said otherwise.

    `capacity` makes one pool for all ticket types without seats. Without `conditions` it is sold like at a box office: paid at the door,
    cancelled freely until the start. `fee_currency`: in which the fee was said.
    """

    currency: str
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    capacity: int | None = None
    pools: tuple[NewPool, ...] = ()
    ticket_types: tuple[NewTicketType, ...] = ()
    conditions: Conditions | None = None
    fee_currency: str | None = None
    seating: SeatingDraft | None = None


class WindowChanges(msgspec.Struct, frozen=True):
    """A sale window said anew: None means from now, or until the start; what is unset stays, and an end at the start moves with it."""

    on_sale_at: datetime | UnsetType | None = UNSET
    off_sale_at: datetime | UnsetType | None = UNSET


class PoolChanges(msgspec.Struct, frozen=True):
    """A pool said anew; what is unset stays."""

    name: str | UnsetType = UNSET
    capacity: int | UnsetType = UNSET


class TicketTypeChanges(msgspec.Struct, frozen=True):
    """A ticket type said anew; what is unset stays. A price is that of later bookings."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    price: Money | UnsetType | None = UNSET
    on_sale_at: datetime | UnsetType | None = UNSET
    off_sale_at: datetime | UnsetType | None = UNSET
    per_booking_max: int | UnsetType = UNSET
    per_buyer_max: int | UnsetType | None = UNSET
    zone: str | UnsetType | None = UNSET
    tax_basis_points: int | UnsetType = UNSET
    tax_included: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    position: int | UnsetType = UNSET
    pool_ids: tuple[UUID, ...] | UnsetType = UNSET


def check_sale(complaints: Complaints, terms: SaleTerms) -> None:
    """Note what is wrong with how a new event is to be sold; its window aside, which needs the event's times, and its seats: the map."""
    if terms.currency not in CURRENCIES:
        complaints.about("/currency", "Must be a currency code of ISO 4217, such as EUR.")
    _check_pools(complaints, terms)
    for place, ticket_type in enumerate(terms.ticket_types):
        check_ticket_type(complaints, f"/ticket_types/{place}", ticket_type, terms.currency)
        _check_pool_names(complaints, f"/ticket_types/{place}/pools", ticket_type, terms)
        check_zone(complaints, f"/ticket_types/{place}/zone", ticket_type.zone, zone_names(terms.seating))
    _check_names(complaints, "/pools", [pool.name for pool in terms.pools])
    _check_names(complaints, "/ticket_types", [ticket_type.name for ticket_type in terms.ticket_types])
    if terms.conditions is not None:
        check_conditions(complaints, "/conditions", terms.conditions)
        check_fee_currency(complaints, "/conditions", terms.fee_currency, terms.currency)
    if terms.seating is not None:
        check_zone_names(complaints, "/seating", terms.seating.zones)


def check_ticket_type(complaints: Complaints, pointer: str, draft: TicketTypeDraft, currency: str) -> None:
    """Note what is wrong with a ticket type."""
    complaints.about_text(f"{pointer}/name", draft.name, NAME_CHARACTERS_MAX)
    complaints.about_text(
        f"{pointer}/description", draft.description, TICKET_TYPE_DESCRIPTION_MAX, lines=True, blank=True
    )
    if draft.price is not None and draft.price.currency != currency:
        complaints.about(f"{pointer}/price/currency", f"The event is sold in {currency}.")
    complaints.about_number(f"{pointer}/per_booking_max", draft.per_booking_max, 1, UNITS_MAX)
    complaints.about_number(f"{pointer}/per_buyer_max", draft.per_buyer_max, 1, PER_BUYER_MAX)
    complaints.about_number(f"{pointer}/tax/basis_points", draft.tax_basis_points, 0, WHOLE)
    check_window(complaints, pointer, draft.on_sale_at, draft.off_sale_at)


def check_zone(complaints: Complaints, pointer: str, zone: str | None, zones: Iterable[str]) -> None:
    """Note that a ticket type names a zone that there is not."""
    if zone is not None and same(zone) not in {same(name) for name in zones}:
        complaints.about(pointer, "The seating has no zone of this name.")


def check_pool(complaints: Complaints, pointer: str, name: str, capacity: int) -> None:
    """Note what is wrong with a pool."""
    complaints.about_text(f"{pointer}/name", name, NAME_CHARACTERS_MAX)
    complaints.about_number(f"{pointer}/capacity", capacity, 0, CAPACITY_MAX)


def check_window(
    complaints: Complaints, pointer: str, on_sale_at: datetime | None, off_sale_at: datetime | None
) -> None:
    """Note what is wrong with a sale window, an end of which may be open."""
    check_instants(complaints, pointer, on_sale_at=on_sale_at, off_sale_at=off_sale_at)


def check_instants(complaints: Complaints, pointer: str, **ends: datetime | None) -> None:
    """Note what is wrong with the two ends of a window, by name, either of which may be open."""
    (first_name, first), (last_name, last) = ends.items()
    for name, moment in ends.items():
        if moment is not None and not is_within_reach(moment):
            complaints.about(f"{pointer}/{name}", "Is too far away.")
    if first is not None and last is not None and last <= first:
        complaints.about(f"{pointer}/{last_name}", f"Must be after {first_name}.")


def check_new_name(complaints: Complaints, name: str, others: Iterable[str]) -> None:
    """Note that a name is taken: people tell pools and ticket types apart by their names."""
    if same(name) in {same(other) for other in others}:
        complaints.about("/name", "This name is taken.")


def pools_of(terms: SaleTerms, seats: Mapping[str, int], ids: Iterable[UUID]) -> list[PoolTerms]:
    """Return the pools of a new event, which has no complaints. `seats`: how many each zone has.

    A zone from which a ticket type sells without naming a pool gets one of its name, with as many units as it
    has seats.
    """
    pools = [*_said_pools(terms)]
    named = {same(pool.name) for pool in pools}
    wanted = {same(draft.zone) for draft in terms.ticket_types if draft.zone is not None and not draft.pools}
    pools += [NewPool(zone, count) for zone, count in seats.items() if same(zone) in wanted - named]
    return [PoolTerms(pool_id, pool.name, pool.capacity) for pool_id, pool in zip(ids, pools, strict=False)]


def ticket_types_of(
    terms: SaleTerms, pools: Sequence[PoolTerms], seats: Mapping[str, int], ids: Iterable[UUID]
) -> list[TicketTypeTerms]:
    """Return the ticket types of a new event, which has no complaints, in the order they were given."""
    by_name = {same(pool.name): pool.pool_id for pool in pools}
    only = tuple(by_name[same(pool.name)] for pool in _said_pools(terms)[:1])
    zones = {same(zone): zone for zone in seats}

    def made(ticket_type_id: UUID, draft: NewTicketType, position: int) -> TicketTypeTerms:
        zone = None if draft.zone is None else zones[same(draft.zone)]
        unsaid = only if zone is None else (by_name[same(zone)],) if not draft.pools else ()
        pool_ids = tuple(dict.fromkeys(by_name[same(name)] for name in draft.pools)) or unsaid
        return replace(terms_of(ticket_type_id, draft, position, pool_ids), zone=zone)

    return [
        made(ticket_type_id, draft, position)
        for position, (ticket_type_id, draft) in enumerate(
            zip(ids, terms.ticket_types, strict=False), start=1
        )
    ]


def zone_names(seating: SeatingDraft | None) -> list[str]:
    """Return the names of the zones that an event is to have."""
    return [] if seating is None else [zone.name for zone in seating.zones]


def terms_of(
    ticket_type_id: UUID, draft: TicketTypeDraft, position: int, pool_ids: tuple[UUID, ...]
) -> TicketTypeTerms:
    """Return a ticket type as the till takes it."""
    return TicketTypeTerms(
        ticket_type_id,
        draft.name,
        draft.description,
        position,
        0 if draft.price is None else draft.price.amount,
        draft.per_booking_max,
        pool_ids,
        draft.per_buyer_max,
        utc(draft.on_sale_at),
        utc(draft.off_sale_at),
        zone=draft.zone,
        tax_basis_points=draft.tax_basis_points,
        tax_included=draft.tax_included,
        hidden=draft.hidden,
    )


def draft_of(terms: TicketTypeTerms, currency: str) -> TicketTypeDraft:
    """Return what the till knows about a ticket type as an organizer says it."""
    return TicketTypeDraft(
        name=terms.name,
        description=terms.description,
        price=Money(terms.price_minor, currency),
        on_sale_at=terms.on_sale_at,
        off_sale_at=terms.off_sale_at,
        per_booking_max=terms.per_booking_max,
        per_buyer_max=terms.per_buyer_max,
        zone=terms.zone,
        tax_basis_points=terms.tax_basis_points,
        tax_included=terms.tax_included,
        hidden=terms.hidden,
    )


def check_pool_ids(complaints: Complaints, pool_ids: Sequence[UUID], sale: Sale) -> None:
    """Note which pools a ticket type names that the event does not have."""
    if not pool_ids:
        complaints.about("/pool_ids", "A ticket type draws on at least one pool.")
    for place, pool_id in enumerate(pool_ids):
        if pool_id not in sale.pools:
            complaints.about(f"/pool_ids/{place}", "There is no such pool.")


def given(changes: msgspec.Struct) -> dict[str, Any]:
    """Return what is said in changes, by field."""
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}


def utc(moment: datetime | None) -> datetime | None:
    """Return an instant in UTC."""
    return None if moment is None else moment.astimezone(UTC)


def _check_pools(complaints: Complaints, terms: SaleTerms) -> None:
    if terms.capacity is not None and terms.pools:
        complaints.about("/capacity", "Give capacity or pools, not both.")
    unseated = [draft for draft in terms.ticket_types if draft.zone is None]
    if unseated and terms.capacity is None and not terms.pools:
        complaints.about("/capacity", "Ticket types draw on pools: give capacity, or pools.")
    if len(terms.pools) > POOLS_MAX:
        complaints.about("/pools", f"Must have at most {POOLS_MAX} items.")
    if len(terms.ticket_types) > TICKET_TYPES_AT_ONCE_MAX:
        complaints.about("/ticket_types", f"Must have at most {TICKET_TYPES_AT_ONCE_MAX} items.")
    complaints.about_number("/capacity", terms.capacity, 0, CAPACITY_MAX)
    for place, pool in enumerate(terms.pools):
        check_pool(complaints, f"/pools/{place}", pool.name, pool.capacity)


def _said_pools(terms: SaleTerms) -> tuple[NewPool, ...]:
    return terms.pools if terms.capacity is None else (NewPool(_ONLY_POOL, terms.capacity),)


def _check_pool_names(complaints: Complaints, pointer: str, draft: NewTicketType, terms: SaleTerms) -> None:
    if not draft.pools and len(terms.pools) > 1 and draft.zone is None:
        complaints.about(pointer, "Name the pools that this ticket type draws on.")
    names = {same(pool.name) for pool in terms.pools} if terms.capacity is None else {same(_ONLY_POOL)}
    for place, name in enumerate(draft.pools):
        if same(name) not in names:
            complaints.about(f"{pointer}/{place}", "There is no pool of this name.")


def _check_names(complaints: Complaints, pointer: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for place, name in enumerate(map(same, names)):
        if name in seen:
            complaints.about(f"{pointer}/{place}/name", "This name is taken.")
        seen.add(name)
