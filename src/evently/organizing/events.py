"""Events: create, change, publish, cancel, delete. draft -> published -> cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from evently import catalogue
from evently.catalogue import (
    AttendeeNames,
    CatalogueRefusal,
    Category,
    Description,
    EndsAt,
    Event,
    EventTerms,
    ImageUrl,
    NamesHoursBefore,
    NamesUntil,
    Seen,
    StartsAt,
    Tags,
    Title,
    VenueCopy,
    VenueId,
    whichever_version,
)
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.kit.shapes import Instant, WallTime, copy_fields, fields_set
from evently.organizing.conditions import ConditionsDraft, conditions_of
from evently.organizing.edits import (
    Edited,
    edit_sale,
    edit_times,
    lock_for_edit,
    write_version,
)
from evently.organizing.maps import copy_map
from evently.organizing.pictures import is_there
from evently.organizing.publishing import list_obstacles
from evently.organizing.terms import SaleTerms, check_sale, pools_of, ticket_types_of
from evently.organizing.windows import check_window
from evently.organizing.zones import seats_by_zone
from evently.sales import carry_out
from evently.sales.commands.sale_terms import CancelSale, OpenSale, SetUpSale
from evently.sales.reads import Sale, read_sale
from evently.sales.terms import Seating


class EventChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of an event. A sale window of null: from now, or until the start.

    Local times are those of the venue that is named here, or else of the event's venue. At a venue in another
    time zone, a start or end that is not named stays on the clocks, and becomes another instant.
    """

    venue_id: VenueId | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    starts_at: StartsAt | UnsetType = UNSET
    starts_at_local: WallTime | UnsetType = UNSET
    ends_at: EndsAt | UnsetType = UNSET
    ends_at_local: WallTime | UnsetType = UNSET
    on_sale_at: Instant | UnsetType | None = UNSET
    off_sale_at: Instant | UnsetType | None = UNSET
    attendee_names: AttendeeNames | UnsetType = UNSET
    names_hours_before: NamesHoursBefore | UnsetType = UNSET
    names_until: NamesUntil | UnsetType | None = UNSET


async def create_event(
    tx: Connection,
    organizer_id: UUID,
    terms: EventTerms,
    sale: SaleTerms,
    now: datetime,
    *,
    event_id: UUID | None = None,
    sandbox: bool = False,
    denominations: Denominations = iso_denomination,
) -> Edited:
    """Create a draft with its pools, ticket types, seats and conditions.

    Refuses `invalid` with every wrong field.
    """
    complaints = Complaints()
    venue = await catalogue.share_venue(tx, terms.venue_id, organizer_id)
    complaints.check("", terms)
    catalogue.check_event(complaints, terms)
    check_sale(complaints, sale, denominations)
    times = window = seating = None
    if venue is None:
        complaints.about("/venue_id", "unknown-venue")
    else:
        times = catalogue.check_times(complaints, terms, venue.place.zone, now)
        if sale.seating is not None:
            seating = await copy_map(tx, complaints, "/seating", sale.seating, terms.venue_id)
    if times is not None:
        window = _check_window(complaints, sale.on_sale_at or now, sale.off_sale_at or times[0], times[1])
        catalogue.check_names_until(complaints, terms, times[1])
    if not await is_there(tx, terms.image_url, now):
        complaints.about("/image_url", "no-such-picture")
    complaints.refuse_if_any()
    assert venue is not None, "it was complained about"
    assert times is not None, "they were complained about"
    assert window is not None, "it was complained about"
    # After this point the event must be created.
    made = event_id or new_id()
    await catalogue.insert_event(
        tx, made, _at(terms, *times), venue.place, sale.currency, now, sandbox=sandbox
    )
    set_up = await carry_out(tx, _set_up(made, sale, window, seating), now)
    return await write_version(tx, set_up.sale, now, versions=0)


async def change_event(
    tx: Connection,
    event_id: UUID,
    changes: EventChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Change what people read about an event, its venue and times, or its sale window.

    A start that moves must be in the future. A start or end that is not said is a wall time: at a venue in
    another time zone the clocks show the same.

    Refuses `not-found`, `event-cancelled`, `invalid`. `seen` gets the version and may refuse it (If-Match).
    """
    # Lock the new venue before the event: a change of a venue locks the venue before its events, too.
    moving_to = None if changes.venue_id is UNSET else changes.venue_id
    venue = None if moving_to is None else await _share_venue_for(tx, event_id, moving_to)
    event, sale = await lock_for_edit(tx, event_id, seen)
    complaints = Complaints()
    if moving_to is not None and venue is None:
        complaints.about("/venue_id", "unknown-venue")
    place = event.place if venue is None else venue
    terms, (on_sale_at, off_sale_at) = _check_changes(complaints, event, changes, sale, place, now)
    if terms.image_url != event.image_url and not await is_there(tx, terms.image_url, now):
        complaints.about("/image_url", "no-such-picture")
    complaints.refuse_if_any()
    # After this point the change must succeed.
    if terms != terms_of(event) or place != event.place:
        await catalogue.update_event(tx, event_id, terms, place, event.series_id)
    elif (on_sale_at, off_sale_at) == (sale.on_sale_at, sale.off_sale_at):
        return Edited(event, sale)
    assert terms.starts_at is not None, "the times were checked"
    after = replace(event, venue_id=place.venue_id, starts_at=terms.starts_at)
    return await edit_times(tx, event, sale, after, (on_sale_at, off_sale_at), now)


async def publish_event(
    tx: Connection,
    event_id: UUID,
    now: datetime,
    denominations: Denominations = iso_denomination,
    *,
    paid_online: bool = True,
) -> Edited:
    """Publish a draft and open its sale. Safe to repeat.

    `paid_online`: whether this installation takes payments online. Refuses `started-already`,
    `nothing-to-sell`, `no-gateway` and `amount-not-payable`.
    """
    event, sale = await lock_for_edit(tx, event_id)
    if event.state == "published":
        return Edited(event, sale)
    if obstacles := list_obstacles(event, sale, now, denominations, paid_online=paid_online):
        raise obstacles[0]
    await catalogue.mark_published(tx, event_id, now)
    return await edit_sale(tx, sale, OpenSale(event_id), now)


async def cancel_event(
    tx: Connection, event_id: UUID, now: datetime, *, keeps_door: bool = False, reason: str = ""
) -> Edited:
    """Cancel a published event and close its sale for good. Safe to repeat: the first reason stays.

    A job cancels its bookings. `keeps_door`: the organizer keeps what was paid at the door. `reason`: what
    buyers read.

    Also after its end: what did not take place is paid back. Refuses `still-a-draft`.
    """
    event = await catalogue.lock_event(tx, event_id)
    sale = await read_sale(tx, event_id)
    if event.state == "cancelled":
        return Edited(event, sale)
    if event.state == "draft":
        raise Refused(CatalogueRefusal.STILL_A_DRAFT)
    await catalogue.mark_cancelled(tx, event_id, now, reason)
    return await edit_sale(tx, sale, CancelSale(event_id, keeps_door, reason), now)


async def delete_event(tx: Connection, event_id: UUID, seen: Seen = whichever_version) -> None:
    """Delete a draft. Refuses `not-a-draft`: a published event is cancelled, never deleted."""
    event = await catalogue.lock_event(tx, event_id)
    seen(event.version)
    if event.state != "draft":
        raise Refused(CatalogueRefusal.NOT_A_DRAFT)
    await catalogue.delete_event(tx, event_id)


def terms_of(event: Event) -> EventTerms:
    """Return an event as its organizer describes it, with start and end as instants."""
    return copy_fields(EventTerms, event, starts_at_local=None, ends_at_local=None)


def _set_up(
    event_id: UUID, terms: SaleTerms, window: tuple[datetime, datetime], seating: Seating | None
) -> SetUpSale:
    """Return the command that sets up the sale of a new event without complaints."""
    seats = {} if seating is None else seats_by_zone(seating)
    pools = tuple(pools_of(terms, seats, _ids()))
    ticket_types = tuple(ticket_types_of(terms, pools, seats, _ids()))
    conditions = terms.conditions
    if isinstance(conditions, ConditionsDraft):
        conditions = conditions_of(conditions)
    return SetUpSale(event_id, terms.currency, *window, pools, ticket_types, conditions, seating)


async def _share_venue_for(tx: Connection, event_id: UUID, venue_id: UUID) -> VenueCopy | None:
    """Return the venue to which an event moves, locked. None unless the organizer of the event owns it.

    An event never changes its organizer, so it can be read before it is locked.
    """
    event = (await catalogue.find_events(tx, [event_id])).get(event_id)
    venue = None if event is None else await catalogue.share_venue(tx, venue_id, event.organizer_id)
    return None if venue is None else venue.place


def _check_changes(
    complaints: Complaints,
    event: Event,
    changes: EventChanges,
    sale: Sale,
    place: VenueCopy,
    now: datetime,
) -> tuple[EventTerms, tuple[datetime, datetime]]:
    """Return the terms of an event and its sale window after the changes; note what is wrong with them."""
    complaints.check("", changes)
    terms = _changed(event, changes, place)
    catalogue.check_event(complaints, terms)
    said = changes.starts_at is not UNSET or changes.starts_at_local is not UNSET
    moved = said or (place.time_zone != event.time_zone and event.starts_at > now)
    times = catalogue.check_times(complaints, terms, place.zone, now, in_future=moved)
    if times is None:
        return terms, (sale.on_sale_at, sale.off_sale_at)
    starts_at, ends_at = times
    if changes.names_until is not UNSET:  # else an event that ends earlier ends the changes of names
        catalogue.check_names_until(complaints, terms, ends_at)
    follows = follow(sale.off_sale_at, event, starts_at, ends_at)
    on_sale_at = sale.on_sale_at if changes.on_sale_at is UNSET else changes.on_sale_at or now
    off_sale_at = follows if changes.off_sale_at is UNSET else changes.off_sale_at or starts_at
    return _at(terms, *times), _check_window(complaints, on_sale_at, off_sale_at, ends_at) or (
        sale.on_sale_at,
        sale.off_sale_at,
    )


def _changed(event: Event, changes: EventChanges, place: VenueCopy) -> EventTerms:
    """Return the terms of an event after the changes. A local time alone replaces the instant.

    In another time zone, the local time of what was not said does.
    """
    changed = {
        name: value for name, value in fields_set(changes).items() if name in EventTerms.__struct_fields__
    }
    for field in ("starts_at", "ends_at"):
        if f"{field}_local" in changed:
            changed.setdefault(field, None)
        elif field not in changed and place.time_zone != event.time_zone:
            changed |= {field: None, f"{field}_local": getattr(event, f"{field}_local")}
    return replace(terms_of(event), **changed)


def follow(off_sale_at: datetime, event: Event, starts_at: datetime, ends_at: datetime) -> datetime:
    """Return the end of a sale after its event moves: at the start or end of the event, if it was there."""
    if off_sale_at == event.starts_at:
        return starts_at
    return ends_at if off_sale_at == event.ends_at else off_sale_at


def _check_window(
    complaints: Complaints, on_sale_at: datetime, off_sale_at: datetime, ends_at: datetime
) -> tuple[datetime, datetime] | None:
    """Return a sale window in UTC, or note what is wrong with it."""
    before = len(complaints.errors)
    check_window(complaints, "", on_sale_at, off_sale_at)
    if off_sale_at > ends_at:
        complaints.about("/off_sale_at", "after-the-event")
    return (
        None if len(complaints.errors) > before else (on_sale_at.astimezone(UTC), off_sale_at.astimezone(UTC))
    )


def _at(terms: EventTerms, starts_at: datetime, ends_at: datetime) -> EventTerms:
    return replace(terms, starts_at=starts_at, starts_at_local=None, ends_at=ends_at, ends_at_local=None)


def _ids() -> Iterator[UUID]:
    while True:
        yield new_id()
