"""How a new event is sold: pools, ticket types, conditions, seating, and the rules between them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently.catalogue import EventTerms
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.ids import NO_ID
from evently.kit.money import CURRENCIES
from evently.kit.shapes import Instant, copy_fields, items
from evently.kit.visible import fold_name
from evently.organizing.conditions import ConditionsDraft, check_conditions, conditions_of
from evently.organizing.names import check_names
from evently.organizing.payable import explain
from evently.organizing.pools import Capacity, NewPool
from evently.organizing.ticket_types import (
    NewTicketType,
    check_add_on,
    check_ticket_type,
    check_zone,
    ticket_type_terms,
)
from evently.organizing.zones import SeatingDraft, check_zone_names
from evently.sales.reads import find_problem_ticket
from evently.sales.terms import POOLS_MAX, Conditions, PoolTerms, TicketTypeTerms

TICKET_TYPES_AT_ONCE_MAX: Final = 50  # of a new event: more than a page can show
_ONLY_POOL: Final = "Admission"  # the name of the pool that `capacity` makes
_TYPES: Final = [{"name": "Regular", "price": {"amount": 2500, "currency": "EUR"}}, {"name": "Child"}]

Currency = Annotated[
    str,
    msgspec.Meta(description="ISO 4217.", examples=["EUR"], extra_json_schema={"pattern": "^[A-Z]{3}$"}),
]
OnSaleAt = Annotated[Instant | None, msgspec.Meta(description="Default: now.")]
OffSaleAt = Annotated[Instant | None, msgspec.Meta(description="Default: the start of the event.")]
OnlyCapacity = Annotated[Capacity | None, msgspec.Meta(examples=[500])]
NewPools = Annotated[tuple[NewPool, ...], items(POOLS_MAX)]
NewTicketTypes = Annotated[tuple[NewTicketType, ...], items(TICKET_TYPES_AT_ONCE_MAX, [_TYPES])]


class SaleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a new event is sold: by default from now until its start.

    `capacity` makes one pool for all ticket types without seats. Without `conditions` it is sold as at a
    box office: paid at the door, cancelled freely until the start.
    """

    currency: Currency
    on_sale_at: OnSaleAt = None
    off_sale_at: OffSaleAt = None
    capacity: OnlyCapacity = None
    pools: NewPools = ()
    ticket_types: NewTicketTypes = ()
    conditions: ConditionsDraft | Conditions | None = None
    seating: SeatingDraft | None = None


class NewEvent(EventTerms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new event.

    Start and end are instants, or times on the clocks at the venue. `capacity` makes one pool for all
    ticket types.
    """

    currency: Currency
    on_sale_at: OnSaleAt = None
    off_sale_at: OffSaleAt = None
    capacity: OnlyCapacity = None
    pools: NewPools = ()
    ticket_types: NewTicketTypes = ()
    conditions: ConditionsDraft = ConditionsDraft()
    seating: SeatingDraft | None = None

    @property
    def event(self) -> EventTerms:
        """What people read about the event."""
        return copy_fields(EventTerms, self)

    @property
    def sale(self) -> SaleTerms:
        """How it is sold."""
        return copy_fields(SaleTerms, self)


def check_sale(
    complaints: Complaints, terms: SaleTerms, denominations: Denominations = iso_denomination
) -> None:
    """Note what is wrong with how a new event is sold.

    Its window is not checked here, for it depends on the event's times, and its seats, for they depend on
    the map.
    """
    complaints.check("", terms)
    if terms.currency not in CURRENCIES:
        complaints.about("/currency", "not-a-currency")
    _check_capacity(complaints, terms)
    zones = [] if terms.seating is None else [zone.name for zone in terms.seating.zones]
    for index, ticket_type in enumerate(terms.ticket_types):
        check_ticket_type(complaints, f"/ticket_types/{index}", ticket_type, terms.currency)
        _check_pool_names(complaints, f"/ticket_types/{index}/pools", ticket_type, terms)
        check_zone(complaints, f"/ticket_types/{index}/zone", ticket_type.zone, zones)
        _check_needed(complaints, f"/ticket_types/{index}", ticket_type, terms)
    check_names(complaints, "/pools", [pool.name for pool in terms.pools])
    check_names(complaints, "/ticket_types", [ticket_type.name for ticket_type in terms.ticket_types])
    _check_payable(complaints, terms, denominations)
    if isinstance(terms.conditions, ConditionsDraft):
        check_conditions(complaints, "/conditions", terms.conditions, terms.currency)
    if terms.seating is not None:
        check_zone_names(complaints, "/seating", terms.seating.zones)


def pools_of(terms: SaleTerms, seats: Mapping[str, int], ids: Iterable[UUID]) -> list[PoolTerms]:
    """Return the pools of a new event without complaints. `seats`: how many each zone has.

    A zone of which a ticket type names no pool gets a pool of its name, with as many units as it has seats.
    """
    pools = [*_named_pools(terms)]
    named = {fold_name(pool.name) for pool in pools}
    wanted = {
        fold_name(draft.zone) for draft in terms.ticket_types if draft.zone is not None and not draft.pools
    }
    pools += [NewPool(zone, count) for zone, count in seats.items() if fold_name(zone) in wanted - named]
    return [PoolTerms(pool_id, pool.name, pool.capacity) for pool_id, pool in zip(ids, pools, strict=False)]


def ticket_types_of(
    terms: SaleTerms, pools: Sequence[PoolTerms], seats: Mapping[str, int], ids: Iterable[UUID]
) -> list[TicketTypeTerms]:
    """Return the ticket types of a new event without complaints, in the order in which they were given."""
    by_name = {fold_name(pool.name): pool.pool_id for pool in pools}
    only_pool = [by_name[fold_name(pool.name)] for pool in _named_pools(terms)[:1]]
    zones = {fold_name(zone): zone for zone in seats}

    def pool_ids(draft: NewTicketType) -> list[UUID]:
        if draft.pools:
            return [by_name[fold_name(name)] for name in draft.pools]
        return only_pool if draft.zone is None else [by_name[fold_name(draft.zone)]]

    drafts = [
        draft if draft.zone is None else replace(draft, zone=zones[fold_name(draft.zone)])
        for draft in terms.ticket_types
    ]
    named = list(zip(drafts, ids, strict=False))
    type_ids = {fold_name(draft.name): type_id for draft, type_id in named}
    return [
        ticket_type_terms(
            draft,
            type_id,
            position=position,
            pool_ids=pool_ids(draft),
            needed_ids=[type_ids[fold_name(name)] for name in draft.needs],
        )
        for position, (draft, type_id) in enumerate(named, start=1)
    ]


def _check_payable(complaints: Complaints, terms: SaleTerms, denominations: Denominations) -> None:
    """Note the ticket types that the gateway would not take."""
    conditions = terms.conditions or Conditions()
    if isinstance(conditions, ConditionsDraft):
        conditions = conditions_of(conditions)
    for index, draft in enumerate(terms.ticket_types):
        sold = ticket_type_terms(draft, NO_ID, position=1, pool_ids=())
        found = find_problem_ticket(denominations(terms.currency), conditions, [sold], [None])
        if found is not None:
            complaints.add(f"/ticket_types/{index}/price", explain(found, terms.currency))


def _check_capacity(complaints: Complaints, terms: SaleTerms) -> None:
    """Note whether there are pools for the ticket types without seats."""
    if terms.capacity is not None and terms.pools:
        complaints.about("/capacity", "capacity-or-pools")
    unseated = [draft for draft in terms.ticket_types if draft.zone is None]
    if unseated and terms.capacity is None and not terms.pools:
        complaints.about("/capacity", "capacity-missing")


def _named_pools(terms: SaleTerms) -> tuple[NewPool, ...]:
    """Return the pools that ticket types can name, or that of `capacity`."""
    return terms.pools if terms.capacity is None else (NewPool(_ONLY_POOL, terms.capacity),)


def _check_needed(complaints: Complaints, pointer: str, draft: NewTicketType, terms: SaleTerms) -> None:
    """Note what an add-on cannot need: another name than those of the event, itself, an add-on."""
    check_add_on(complaints, pointer, draft, is_add_on=bool(draft.needs))
    types = {fold_name(each.name): each for each in terms.ticket_types}
    for index, name in enumerate(draft.needs):
        needed = types.get(fold_name(name))
        if needed is None or needed is draft:
            complaints.about(f"{pointer}/needs/{index}", "unknown-ticket-type-name")
        elif needed.needs:
            complaints.about(f"{pointer}/needs/{index}", "needs-an-add-on")


def _check_pool_names(complaints: Complaints, pointer: str, draft: NewTicketType, terms: SaleTerms) -> None:
    if not draft.pools and len(terms.pools) > 1 and draft.zone is None:
        complaints.about(pointer, "pools-not-named")
    names = {fold_name(pool.name) for pool in _named_pools(terms)}
    for index, name in enumerate(draft.pools):
        if fold_name(name) not in names:
            complaints.about(f"{pointer}/{index}", "unknown-pool-name")
