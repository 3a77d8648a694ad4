"""What an organizer says about selling an event, before the till knows of it; and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently.catalogue import NAME_CHARACTERS_MAX, Complaints, is_within_reach
from evently.kit.money import CURRENCIES, Money
from evently.sales import CAPACITY_MAX, POOLS_MAX, UNITS_MAX, PoolTerms, Sale, TicketTypeTerms

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
    """What is said about a ticket type, its pools aside. Without a price it is free."""

    name: str
    description: str = ""
    price: Money | None = None
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    per_booking_max: int = 10
    per_buyer_max: int | None = None


class NewTicketType(TicketTypeDraft, frozen=True, kw_only=True):
    """A ticket type of a new event. It names its pools; with one pool there is nothing to name."""

    pools: tuple[str, ...] = ()


class SaleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a new event is sold: from now until its start unless said otherwise. `capacity` makes one pool for all ticket types."""

    currency: str
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    capacity: int | None = None
    pools: tuple[NewPool, ...] = ()
    ticket_types: tuple[NewTicketType, ...] = ()


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
    position: int | UnsetType = UNSET
    pool_ids: tuple[UUID, ...] | UnsetType = UNSET


def check_sale(complaints: Complaints, terms: SaleTerms) -> None:
    """Note what is wrong with how a new event is to be sold, its window aside: that needs the event's times."""
    if terms.currency not in CURRENCIES:
        complaints.about("/currency", "Must be a currency code of ISO 4217, such as EUR.")
    _check_pools(complaints, terms)
    for place, ticket_type in enumerate(terms.ticket_types):
        check_ticket_type(complaints, f"/ticket_types/{place}", ticket_type, terms.currency)
        _check_pool_names(complaints, f"/ticket_types/{place}/pools", ticket_type, terms)
    _check_names(complaints, "/pools", [pool.name for pool in terms.pools])
    _check_names(complaints, "/ticket_types", [ticket_type.name for ticket_type in terms.ticket_types])


def check_ticket_type(complaints: Complaints, pointer: str, draft: TicketTypeDraft, currency: str) -> None:
    """Note what is wrong with a ticket type."""
    complaints.about_text(f"{pointer}/name", draft.name, NAME_CHARACTERS_MAX)
    complaints.about_text(f"{pointer}/description", draft.description, TICKET_TYPE_DESCRIPTION_MAX, lines=True, blank=True)
    if draft.price is not None and draft.price.currency != currency:
        complaints.about(f"{pointer}/price/currency", f"The event is sold in {currency}.")
    complaints.about_number(f"{pointer}/per_booking_max", draft.per_booking_max, 1, UNITS_MAX)
    complaints.about_number(f"{pointer}/per_buyer_max", draft.per_buyer_max, 1, PER_BUYER_MAX)
    check_window(complaints, pointer, draft.on_sale_at, draft.off_sale_at)


def check_pool(complaints: Complaints, pointer: str, name: str, capacity: int) -> None:
    """Note what is wrong with a pool."""
    complaints.about_text(f"{pointer}/name", name, NAME_CHARACTERS_MAX)
    complaints.about_number(f"{pointer}/capacity", capacity, 0, CAPACITY_MAX)


def check_window(complaints: Complaints, pointer: str, on_sale_at: datetime | None, off_sale_at: datetime | None) -> None:
    """Note what is wrong with a sale window, an end of which may be open."""
    for name, moment in (("on_sale_at", on_sale_at), ("off_sale_at", off_sale_at)):
        if moment is not None and not is_within_reach(moment):
            complaints.about(f"{pointer}/{name}", "Is too far away.")
    if on_sale_at is not None and off_sale_at is not None and off_sale_at <= on_sale_at:
        complaints.about(f"{pointer}/off_sale_at", "Must be after on_sale_at.")


def check_new_name(complaints: Complaints, name: str, others: Iterable[str]) -> None:
    """Note that a name is taken: people tell pools and ticket types apart by their names."""
    if _same(name) in {_same(other) for other in others}:
        complaints.about("/name", "This name is taken.")


def pools_of(terms: SaleTerms, ids: Iterable[UUID]) -> list[PoolTerms]:
    """Return the pools of a new event, which has no complaints."""
    pools = terms.pools if terms.capacity is None else (NewPool(_ONLY_POOL, terms.capacity),)
    return [PoolTerms(pool_id, pool.name, pool.capacity) for pool_id, pool in zip(ids, pools, strict=False)]


def ticket_types_of(terms: SaleTerms, pools: Sequence[PoolTerms], ids: Iterable[UUID]) -> list[TicketTypeTerms]:
    """Return the ticket types of a new event, which has no complaints, in the order they were given."""
    by_name = {_same(pool.name): pool.pool_id for pool in pools}
    every = tuple(by_name.values())
    return [
        terms_of(ticket_type_id, draft, position, tuple(dict.fromkeys(by_name[_same(name)] for name in draft.pools)) or every)
        for position, (ticket_type_id, draft) in enumerate(zip(ids, terms.ticket_types, strict=False), start=1)
    ]


def terms_of(ticket_type_id: UUID, draft: TicketTypeDraft, position: int, pool_ids: tuple[UUID, ...]) -> TicketTypeTerms:
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
    if terms.ticket_types and terms.capacity is None and not terms.pools:
        complaints.about("/capacity", "Ticket types draw on pools: give capacity, or pools.")
    if len(terms.pools) > POOLS_MAX:
        complaints.about("/pools", f"Must have at most {POOLS_MAX} items.")
    if len(terms.ticket_types) > TICKET_TYPES_AT_ONCE_MAX:
        complaints.about("/ticket_types", f"Must have at most {TICKET_TYPES_AT_ONCE_MAX} items.")
    complaints.about_number("/capacity", terms.capacity, 0, CAPACITY_MAX)
    for place, pool in enumerate(terms.pools):
        check_pool(complaints, f"/pools/{place}", pool.name, pool.capacity)


def _check_pool_names(complaints: Complaints, pointer: str, draft: NewTicketType, terms: SaleTerms) -> None:
    if not draft.pools and len(terms.pools) > 1:
        complaints.about(pointer, "Name the pools that this ticket type draws on.")
    names = {_same(pool.name) for pool in terms.pools} if terms.capacity is None else {_same(_ONLY_POOL)}
    for place, name in enumerate(draft.pools):
        if _same(name) not in names:
            complaints.about(f"{pointer}/{place}", "There is no pool of this name.")


def _check_names(complaints: Complaints, pointer: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for place, name in enumerate(map(_same, names)):
        if name in seen:
            complaints.about(f"{pointer}/{place}/name", "This name is taken.")
        seen.add(name)


def _same(name: str) -> str:
    return " ".join(name.split()).casefold()
