"""Events: make, change, publish, cancel, erase. draft -> published -> cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from evently import catalogue
from evently.catalogue import (
    CatalogueRefusal,
    Complaints,
    Event,
    EventChanges,
    EventTerms,
    Seen,
    VenueCopy,
    whichever_version,
)
from evently.db import Connection
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.organizing.edits import Edited, edit_sale, lock_for_edit, write_version
from evently.organizing.maps import copy_map
from evently.organizing.terms import (
    SaleTerms,
    WindowChanges,
    check_sale,
    check_window,
    given,
    pools_of,
    ticket_types_of,
)
from evently.organizing.zones import seats_by_zone
from evently.sales import carry_out
from evently.sales.commands import CancelSale, ChangeSale, OpenSale, SetUpSale
from evently.sales.reads import Sale, read_sale

_NO_SUCH_VENUE = "There is no such venue of this organizer."


async def create_event(
    tx: Connection,
    organizer_id: UUID,
    terms: EventTerms,
    sale: SaleTerms,
    now: datetime,
    *,
    event_id: UUID | None = None,
    sandbox: bool = False,
) -> Edited:
    """Make a draft with its pools, ticket types, seats and conditions.

    Refuses `invalid` with every wrong field.
    """
    complaints = Complaints()
    venue = await catalogue.share_venue(tx, terms.venue_id, organizer_id)
    catalogue.check_event(complaints, terms)
    check_sale(complaints, sale)
    times = window = seating = None
    if venue is None:
        complaints.about("/venue_id", _NO_SUCH_VENUE)
    else:
        times = catalogue.check_times(complaints, terms.starts_at, terms.ends_at, venue.place.zone, now)
        if sale.seating is not None:
            seating = await copy_map(tx, complaints, "/seating", sale.seating, terms.venue_id)
    if times is not None:
        window = _check_window(complaints, sale.on_sale_at or now, sale.off_sale_at or times[0], times[1])
    complaints.refuse_if_any()
    assert venue is not None, "it was complained about"
    assert times is not None, "they were complained about"
    assert window is not None, "it was complained about"
    # After this point the event must come to be.
    made = event_id or new_id()
    await catalogue.insert_event(
        tx, made, _at(terms, *times), venue.place, sale.currency, now, sandbox=sandbox
    )
    seats = {} if seating is None else seats_by_zone(seating)
    pools = tuple(pools_of(sale, seats, _ids()))
    ticket_types = tuple(ticket_types_of(sale, pools, seats, _ids()))
    set_up = await carry_out(
        tx, SetUpSale(made, sale.currency, *window, pools, ticket_types, sale.conditions, seating), now
    )
    return await write_version(tx, set_up.sale, now, versions=0)


async def change_event(
    tx: Connection,
    event_id: UUID,
    changes: EventChanges,
    window: WindowChanges,
    now: datetime,
    seen: Seen = whichever_version,
) -> Edited:
    """Change what an event says, where and when it takes place, when it is sold.

    A start that moves must be in the future.

    Refuses `not-found`, `event-cancelled`, `invalid`, and whatever `seen` refuses.
    """
    # The new venue before the event: whoever renames a venue takes it before its events, too.
    moving_to = None if changes.venue_id is UNSET else changes.venue_id
    venue = None if moving_to is None else await _share_venue_for(tx, event_id, moving_to)
    event, sale = await lock_for_edit(tx, event_id, seen)
    complaints = Complaints()
    if moving_to is not None and venue is None:
        complaints.about("/venue_id", _NO_SUCH_VENUE)
    place = event.place if venue is None else venue
    terms, (on_sale_at, off_sale_at) = _check_changes(complaints, event, changes, sale, window, place, now)
    complaints.refuse_if_any()
    # After this point the change must succeed.
    if terms != _terms_of(event) or place != event.place:
        await catalogue.update_event(tx, event_id, terms, place)
    elif (on_sale_at, off_sale_at) == (sale.on_sale_at, sale.off_sale_at):
        return Edited(event, sale)
    if (on_sale_at, off_sale_at) != (sale.on_sale_at, sale.off_sale_at):
        return await edit_sale(tx, sale, ChangeSale(event_id, on_sale_at, off_sale_at), now)
    return await write_version(tx, sale, now)


async def publish_event(tx: Connection, event_id: UUID, now: datetime) -> Edited:
    """Show a draft to everybody and open its sale; harmless when it is published.

    Refuses `started-already` and `nothing-to-sell`.
    """
    event, sale = await lock_for_edit(tx, event_id)
    if event.state == "published":
        return Edited(event, sale)
    if event.starts_at <= now:
        raise Refused(CatalogueRefusal.STARTED_ALREADY)
    await catalogue.mark_published(tx, event_id, now)
    return await edit_sale(tx, sale, OpenSale(event_id), now)


async def cancel_event(tx: Connection, event_id: UUID, now: datetime) -> Edited:
    """Call a published event off and close its sale for good; harmless when it is cancelled.

    Its bookings are cancelled by a job.

    Refuses `still-a-draft` and `ended-already`.
    """
    event = await catalogue.lock_event(tx, event_id)
    sale = await read_sale(tx, event_id)
    if event.state == "cancelled":
        return Edited(event, sale)
    if event.state == "draft":
        raise Refused(CatalogueRefusal.STILL_A_DRAFT)
    if event.ends_at <= now:
        raise Refused(CatalogueRefusal.ENDED_ALREADY)
    await catalogue.mark_cancelled(tx, event_id, now)
    return await edit_sale(tx, sale, CancelSale(event_id), now)


async def delete_event(tx: Connection, event_id: UUID, seen: Seen = whichever_version) -> None:
    """Erase a draft. Refuses `not-a-draft`: what was published is cancelled, never erased."""
    event = await catalogue.lock_event(tx, event_id)
    seen(event.version)
    if event.state != "draft":
        raise Refused(CatalogueRefusal.NOT_A_DRAFT)
    await catalogue.delete_event(tx, event_id)


async def _share_venue_for(tx: Connection, event_id: UUID, venue_id: UUID) -> VenueCopy | None:
    """Return where an event is to move, for which its organizer must own the venue.

    An event never changes its organizer.
    """
    event = (await catalogue.find_events(tx, [event_id])).get(event_id)
    venue = None if event is None else await catalogue.share_venue(tx, venue_id, event.organizer_id)
    return None if venue is None else venue.place


def _check_changes(
    complaints: Complaints,
    event: Event,
    changes: EventChanges,
    sale: Sale,
    window: WindowChanges,
    place: VenueCopy,
    now: datetime,
) -> tuple[EventTerms, tuple[datetime, datetime]]:
    """Return what the event says and its sale window after the changes; or note what is wrong with them."""
    terms = replace(_terms_of(event), **given(changes))
    catalogue.check_event(complaints, terms)
    moved = changes.starts_at is not UNSET
    times = catalogue.check_times(
        complaints, terms.starts_at, terms.ends_at, place.zone, now, in_future=moved
    )
    if times is None:
        return terms, (sale.on_sale_at, sale.off_sale_at)
    starts_at, ends_at = times
    until_start = starts_at if sale.off_sale_at == event.starts_at else sale.off_sale_at
    on_sale_at = sale.on_sale_at if window.on_sale_at is UNSET else window.on_sale_at or now
    off_sale_at = until_start if window.off_sale_at is UNSET else window.off_sale_at or starts_at
    return _at(terms, *times), _check_window(complaints, on_sale_at, off_sale_at, ends_at) or (
        sale.on_sale_at,
        sale.off_sale_at,
    )


def _check_window(
    complaints: Complaints, on_sale_at: datetime, off_sale_at: datetime, ends_at: datetime
) -> tuple[datetime, datetime] | None:
    """Return a sale window in UTC, or note what is wrong with it."""
    before = len(complaints.errors)
    check_window(complaints, "", on_sale_at, off_sale_at)
    if off_sale_at > ends_at:
        complaints.about("/off_sale_at", "Must not be after the end of the event.")
    return (
        None if len(complaints.errors) > before else (on_sale_at.astimezone(UTC), off_sale_at.astimezone(UTC))
    )


def _terms_of(event: Event) -> EventTerms:
    return EventTerms(**{name: getattr(event, name) for name in EventTerms.__struct_fields__})


def _at(terms: EventTerms, starts_at: datetime, ends_at: datetime) -> EventTerms:
    return replace(terms, starts_at=starts_at, ends_at=ends_at)


def _ids() -> Iterator[UUID]:
    while True:
        yield new_id()
