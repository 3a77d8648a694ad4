"""Copies of events: a draft that sells the same on another date, and what rehearsals sell.

A copy has the texts, venue, pools, ticket types, seats, questions and conditions of the original; its times
move with the start, on the clocks at the venue. It has no bookings, promo codes, names or scans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently import catalogue, questions
from evently.catalogue import StartsAt, Title, instant_of, wall_time_of
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.ids import new_id
from evently.kit.shapes import WallTime
from evently.organizing.edits import Edited, write_version
from evently.organizing.events import terms_of
from evently.sales import carry_out
from evently.sales.commands.sale_terms import SetUpSale
from evently.sales.reads import Sale, read_sale, read_seating, without_lone_add_ons
from evently.sales.terms import PoolTerms, TicketTypeTerms


class EventCopy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different in the copy of an event. The start is an instant, or a time on the venue's clocks."""

    title: Title | UnsetType = UNSET
    starts_at: StartsAt | None = None
    starts_at_local: WallTime | None = None


async def copy_event(
    tx: Connection, event_id: UUID, copy: EventCopy, now: datetime, *, series_id: UUID | None = None
) -> Edited:
    """Create a draft like this event, in any state, that starts at another time. `series_id`: the copy's.

    The end, the end of the sale, the windows of ticket types and the time until which names can be changed
    stay as far from the start, on the clocks at the venue. The sale begins when that of the original does,
    or at once. Refuses `not-found` and `invalid`.
    """
    original = await catalogue.lock_event(tx, event_id)
    venue = await catalogue.share_venue(tx, original.venue_id, original.organizer_id)
    assert venue is not None, "a venue with events stays"
    sale, zone = await read_sale(tx, event_id), venue.place.zone
    complaints = Complaints()
    complaints.check("", copy)
    terms = replace(
        terms_of(original),
        title=original.title if copy.title is UNSET else copy.title,
        starts_at=copy.starts_at,
        starts_at_local=copy.starts_at_local,
    )
    catalogue.check_event(complaints, terms)
    starts_at = catalogue.check_start(complaints, terms, zone, now)
    complaints.refuse_if_any()
    assert starts_at is not None, "it was complained about"

    def moved(moment: datetime) -> datetime:
        return _moved(moment, original.starts_at, starts_at, zone)

    ends_at = moved(original.ends_at)
    off_sale_at = min(moved(sale.off_sale_at), ends_at)
    if off_sale_at <= now:
        off_sale_at = starts_at
    on_sale_at = sale.on_sale_at if now < sale.on_sale_at < off_sale_at else now
    # After this point the copy must be created.
    made = new_id()
    until = terms.names_until
    terms = replace(
        terms,
        starts_at=starts_at,
        starts_at_local=None,
        ends_at=ends_at,
        ends_at_local=None,
        names_until=None if until is None else min(moved(until), ends_at),
    )
    await catalogue.insert_event(tx, made, terms, venue.place, sale.currency, now, series_id=series_id)
    command = await set_up_copy(tx, sale, made, (on_sale_at, off_sale_at), moved=moved)
    edited = await write_version(tx, (await carry_out(tx, command, now)).sale, now, versions=0)
    sold = [each.ticket_type_id for each in types_to_copy(sale)]
    types = dict(zip(sold, [each.ticket_type_id for each in command.ticket_types], strict=True))
    await questions.copy_questions(tx, event_id, made, types, now)
    return edited


async def set_up_copy(
    tx: Connection,
    sale: Sale,
    copy_id: UUID,
    window: tuple[datetime, datetime],
    *,
    capacities: Callable[[Sequence[int]], Sequence[int]] | None = None,
    moved: Callable[[datetime], datetime] | None = None,
    add_ons: bool = True,
) -> SetUpSale:
    """Return the command that sets up a copy of a sale: seats, conditions, pools, ticket types that are sold.

    `capacities`: those of the copy's pools, from the original's. `moved`: an instant of the copy, from one of
    the original; None: its ticket types are on sale as long as the event. `add_ons`: whether it has them.
    """
    sold = [terms for terms in types_to_copy(sale) if add_ons or not terms.needed_ids]
    drawn_on = {pool_id for terms in sold for pool_id in terms.pool_ids}
    pools = [pool for pool in sale.pools.values() if pool.pool_id in drawn_on]
    units = [pool.capacity for pool in pools]
    ids = {pool.pool_id: new_id() for pool in pools}
    version, conditions = sale.conditions_now()
    return SetUpSale(
        copy_id,
        sale.currency,
        *window,
        tuple(
            PoolTerms(ids[pool.pool_id], pool.name, capacity)
            for pool, capacity in zip(pools, capacities(units) if capacities else units, strict=True)
        ),
        _copy_types(sold, ids, moved),
        conditions if version else None,
        await read_seating(tx, sale.event_id),
    )


def types_to_copy(sale: Sale) -> list[TicketTypeTerms]:
    """Return the ticket types that a copy has: those that are sold, and add-ons of these."""
    return without_lone_add_ons([terms for terms in sale.ticket_types.values() if not terms.retired])


def _copy_types(
    types: Sequence[TicketTypeTerms],
    pool_ids: dict[UUID, UUID],
    moved: Callable[[datetime], datetime] | None,
) -> tuple[TicketTypeTerms, ...]:
    ids = {terms.ticket_type_id: new_id() for terms in types}

    def copied(terms: TicketTypeTerms) -> TicketTypeTerms:
        on_sale_at, off_sale_at = (
            None if moved is None or moment is None else moved(moment)
            for moment in (terms.on_sale_at, terms.off_sale_at)
        )
        return replace(
            terms,
            ticket_type_id=ids[terms.ticket_type_id],
            pool_ids=tuple(pool_ids[pool_id] for pool_id in terms.pool_ids),
            needed_ids=tuple(ids[type_id] for type_id in terms.needed_ids if type_id in ids),
            on_sale_at=on_sale_at,
            off_sale_at=off_sale_at,
        )

    return tuple(map(copied, types))


def _moved(moment: datetime, before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that is as far from one start as a moment is from another, on the clocks of a zone.

    When the clocks skip what they would have to show: as far in seconds.
    """
    distance = wall_time_of(moment, zone) - wall_time_of(before, zone)
    found = instant_of(wall_time_of(after, zone) + distance, zone)
    return (after + (moment - before)).astimezone(UTC) if found is None else found
