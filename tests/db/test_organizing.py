from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from evently import catalogue, organizing
from evently.catalogue import (
    CatalogueRefusal,
    Event,
    EventSearch,
    Venue,
    VenueChanges,
    VenueTerms,
    search_for,
)
from evently.db import Connection, Database
from evently.kit.errors import CommonRefusal, Invalid, Refusal, Refused
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import (
    Added,
    AddedTicketType,
    ConditionsChanges,
    Edited,
    EventChanges,
    FeesChanges,
    NewPool,
    NewTicketType,
    PoolChanges,
    SaleTerms,
    SeatingDraft,
    TicketTypeChanges,
    ZoneDraft,
)
from evently.sales import carry_out
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.facts import decode_facts
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, find_sale, list_journal, list_sale_summaries
from evently.sales.terms import Conditions, Fees, RefundWindow
from evently.seating import add_seat_map
from tests.support.box_office import HALL
from tests.support.catalogue import (
    NOW,
    event_terms,
    make_event,
    make_organizer,
    make_venue,
    sale_terms,
    until_somebody_waits,
)


class StaleVersion(Exception):
    pass


def only(version: int) -> Callable[[int], None]:
    def seen(now: int) -> None:
        if now != version:
            raise StaleVersion

    return seen


@pytest.fixture
async def venue(db: Database) -> Venue:
    return await make_venue(db, await make_organizer(db))


async def run(db: Database, verb: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
    """Run a verb in its own transaction; of an edit, return the event, and the id of a part that it added."""
    async with db.transaction() as tx:
        answer = await verb(tx, *arguments, **options)
    if isinstance(answer, Added):
        return answer.event, answer.part_id
    return answer.event if isinstance(answer, Edited) else answer


async def refusal_of(
    db: Database, verb: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any
) -> Refusal:
    with pytest.raises(Refused) as refused:
        await run(db, verb, *arguments, **options)
    return refused.value.refusal


async def wrong_fields(db: Database, verb: Callable[..., Awaitable[Any]], *arguments: Any) -> set[str]:
    with pytest.raises(Invalid) as refused:
        await run(db, verb, *arguments)
    return {error.pointer for error in refused.value.errors}


async def change(db: Database, event: Event, now: datetime = NOW, **changes: Any) -> Event:
    changed: Event = await run(db, organizing.change_event, event.event_id, EventChanges(**changes), now)
    return changed


async def facts_of(db: Database, event: Event) -> list[str]:
    return [
        type(fact).__name__
        for row in (await list_journal(db, event.event_id, 100, None)).data
        for fact in decode_facts(row.facts)
    ]


async def book(tx: Connection, event_id: UUID, ticket_type_id: UUID, units: int) -> None:
    await carry_out(tx, PlaceBooking(event_id, new_id(), (BookingLine(ticket_type_id, units),)), NOW)


def by_name(sale: Sale) -> dict[str, UUID]:
    return {terms.name: terms.ticket_type_id for terms in sale.ticket_types.values()} | {
        pool.name: pool.pool_id for pool in sale.pools.values()
    }


# Making -----------------------------------------------------------------------------------------------------


async def test_the_short_form_makes_one_pool(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue, sale_terms(500), publish=False)
    assert (event.state, event.version, event.venue_name, event.time_zone) == (
        "draft",
        1,
        "Tempodrom",
        "Europe/Berlin",
    )
    sale = await find_sale(db, event.event_id)
    assert (sale.state, sale.currency, sale.on_sale_at, sale.off_sale_at) == (
        "closed",
        "EUR",
        NOW,
        event.starts_at,
    )
    ((pool_id, pool),) = sale.pools.items()
    assert (pool.name, pool.capacity) == ("Admission", 500)
    assert [
        (terms.name, terms.price_minor, terms.position, terms.pool_ids)
        for terms in sale.ticket_types.values()
    ] == [("Regular", 2500, 1, (pool_id,))]
    assert await facts_of(db, event) == ["SaleSetUp", "PoolPut", "TicketTypePut"]


async def test_the_long_form_names_its_pools(db: Database, venue: Venue) -> None:
    terms = SaleTerms(
        currency="EUR",
        on_sale_at=NOW + timedelta(days=1),
        off_sale_at=NOW + timedelta(days=2),
        pools=(NewPool("Hall", 500), NewPool("Early bird", 100)),
        ticket_types=(
            NewTicketType(name="Early", pools=("hall", "Early  Bird"), per_buyer_max=4),
            NewTicketType(name="Regular", price=Money(3000, "EUR"), pools=("Hall", "Hall")),
        ),
    )
    event = await make_event(db, venue, terms)
    sale = await find_sale(db, event.event_id)
    pools = by_name(sale)
    early, regular = sale.ticket_types.values()
    assert (early.pool_ids, early.price_minor, early.per_buyer_max) == (
        (pools["Hall"], pools["Early bird"]),
        0,
        4,
    )
    assert regular.pool_ids == (pools["Hall"],)
    assert (sale.on_sale_at, sale.off_sale_at, sale.state) == (
        NOW + timedelta(days=1),
        NOW + timedelta(days=2),
        "open",
    )


async def test_local_times_are_the_venues(db: Database, venue: Venue) -> None:
    starts, ends = datetime(2026, 7, 1, 20, 0), datetime(2026, 7, 1, 23, 0)  # noqa: DTZ001  # wall time at the venue
    event = await make_event(db, venue, starts_at=starts, ends_at=ends)
    assert (event.starts_at, event.starts_at_local) == (datetime(2026, 7, 1, 18, 0, tzinfo=UTC), starts)
    tokyo = VenueTerms("Blue Note", "Minami-Aoyama", "Tokyo", "JP", "Asia/Tokyo")
    there = await make_venue(db, venue.organizer_id, tokyo)
    moved = await change(db, event, venue_id=there.venue_id)
    assert (moved.starts_at, moved.starts_at_local, moved.city) == (
        datetime(2026, 7, 1, 11, 0, tzinfo=UTC),
        starts,
        "Tokyo",
    )
    later = starts + timedelta(hours=1)
    again = await change(db, moved, starts_at=later)
    assert again.starts_at == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


async def test_everything_wrong_with_a_new_event_is_said_at_once(db: Database, venue: Venue) -> None:
    terms = event_terms(venue.venue_id, title=" ", image_url="http://x.example", starts_at=NOW, ends_at=NOW)
    sale = SaleTerms(
        currency="XXX",
        capacity=5,
        pools=(NewPool("A", 1), NewPool("a ", 1), NewPool("", 1)),
        ticket_types=(
            NewTicketType(name="A", pools=("B",)),
            NewTicketType(name="a", price=Money(1, "USD"), pools=("A",), on_sale_at=NOW, off_sale_at=NOW),
            NewTicketType(name="\n"),
        ),
    )
    assert await wrong_fields(db, organizing.create_event, venue.organizer_id, terms, sale, NOW) == {
        "/title",
        "/image_url",
        "/starts_at",
        "/ends_at",
        "/currency",
        "/capacity",
        "/pools/1/name",
        "/pools/2/name",
        "/ticket_types/0/pools/0",
        "/ticket_types/1/name",
        "/ticket_types/1/price/currency",
        "/ticket_types/1/pools/0",
        "/ticket_types/1/off_sale_at",
        "/ticket_types/2/name",
        "/ticket_types/2/pools",
    }
    assert await db.fetch_value("SELECT count(*) FROM events") == 0


async def test_a_venue_of_somebody_else_is_no_venue(db: Database, venue: Venue) -> None:
    other = await make_organizer(db)
    terms = event_terms(venue.venue_id)
    assert await wrong_fields(db, organizing.create_event, other, terms, sale_terms(), NOW) == {"/venue_id"}
    event = await make_event(db, await make_venue(db, other))
    assert await wrong_fields(
        db, organizing.change_event, event.event_id, EventChanges(venue_id=venue.venue_id), NOW
    ) == {"/venue_id"}
    assert await wrong_fields(
        db, organizing.change_event, event.event_id, EventChanges(venue_id=new_id(), title=""), NOW
    ) == {
        "/venue_id",
        "/title",
    }


# Changing ---------------------------------------------------------------------------------------------------


async def test_changes_leave_a_new_version_and_no_change_leaves_none(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    later = NOW + timedelta(hours=1)
    changed = await change(db, event, title="Quintet", tags=("swing",), now=later)
    assert (changed.title, changed.tags, changed.version, changed.changed_at) == (
        "Quintet",
        ("swing",),
        event.version + 1,
        later,
    )
    assert changed.description == event.description
    assert await change(db, changed, title="Quintet") == changed
    assert await wrong_fields(db, organizing.change_event, event.event_id, EventChanges(title=""), NOW) == {
        "/title"
    }
    page = await catalogue.browse(
        db, list_sale_summaries, EventSearch(search_for("quintet", [("tag", "swing")])), NOW, 10
    )
    assert [card.event for card in page.data] == [changed]
    assert "SaleChanged" not in await facts_of(db, event)


async def test_an_editor_must_have_seen_the_version(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    for verb, arguments in (
        (organizing.change_event, (EventChanges(title="x"), NOW)),
        (organizing.change_pool, (new_id(), PoolChanges(name="x"), NOW)),
        (organizing.remove_pool, (new_id(), NOW)),
        (organizing.change_ticket_type, (new_id(), TicketTypeChanges(name="x"), NOW)),
        (organizing.retire_ticket_type, (new_id(), NOW)),
        (organizing.delete_event, ()),
    ):
        with pytest.raises(StaleVersion):
            await run(db, verb, event.event_id, *arguments, seen=only(event.version - 1))
    with pytest.raises(StaleVersion):
        await run(db, organizing.change_venue, venue.venue_id, VenueChanges(name="x"), NOW, seen=only(9))


async def test_an_event_keeps_its_hours_at_a_venue_in_another_time_zone(db: Database, venue: Venue) -> None:
    terms = VenueTerms("Roundhouse", "Chalk Farm Road", "London", "GB", "Europe/London")
    london = await make_venue(db, venue.organizer_id, terms)
    event = await make_event(db, venue)
    moved = await change(db, event, venue_id=london.venue_id)
    assert (moved.starts_at_local, moved.ends_at_local) == (event.starts_at_local, event.ends_at_local)
    assert moved.starts_at == event.starts_at + timedelta(hours=1)
    assert (await find_sale(db, event.event_id)).off_sale_at == moved.starts_at
    # What is said is meant; the rest stays on the clocks
    back = await change(db, moved, venue_id=venue.venue_id, starts_at=moved.starts_at)
    assert (back.starts_at, back.ends_at) == (moved.starts_at, event.ends_at)
    soon = await make_event(db, london)
    just_before = soon.starts_at - timedelta(minutes=30)  # in Berlin it would have begun
    assert await wrong_fields(
        db, organizing.change_event, soon.event_id, EventChanges(venue_id=venue.venue_id), just_before
    ) == {"/starts_at_local"}


async def test_the_sale_window_follows_the_start_unless_it_was_said(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    start = event.starts_at + timedelta(days=1)
    moved = await change(db, event, starts_at=start, ends_at=start + timedelta(hours=3))
    assert (await find_sale(db, event.event_id)).off_sale_at == start
    opens, closes = NOW + timedelta(days=1), NOW + timedelta(days=2)
    await change(db, moved, on_sale_at=opens, off_sale_at=closes)
    again = await change(db, moved, starts_at=event.starts_at)
    sale = await find_sale(db, event.event_id)
    assert (sale.on_sale_at, sale.off_sale_at) == (opens, closes)
    await change(db, again, on_sale_at=None, off_sale_at=None, now=NOW + timedelta(hours=1))
    sale = await find_sale(db, event.event_id)
    assert (sale.on_sale_at, sale.off_sale_at) == (NOW + timedelta(hours=1), event.starts_at)
    assert (await facts_of(db, event)).count("SaleChanged") == 3


@pytest.mark.parametrize(
    ("window", "pointers"),
    [
        (EventChanges(off_sale_at=NOW), {"/off_sale_at"}),
        (EventChanges(on_sale_at=NOW + timedelta(days=30)), {"/off_sale_at"}),
        (EventChanges(off_sale_at=NOW + timedelta(days=31)), {"/off_sale_at"}),
        (
            EventChanges(on_sale_at=datetime.fromisoformat("9999-12-31T23:59:59-12:00")),
            {"/on_sale_at", "/off_sale_at"},
        ),
    ],
)
async def test_a_sale_window_must_make_sense(
    db: Database, venue: Venue, window: EventChanges, pointers: set[str]
) -> None:
    event = await make_event(db, venue)
    assert await wrong_fields(db, organizing.change_event, event.event_id, window, NOW) == pointers


async def test_a_start_moves_into_the_future_only(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    past = EventChanges(starts_at=NOW - timedelta(hours=1))
    assert "/starts_at" in await wrong_fields(db, organizing.change_event, event.event_id, past, NOW)
    afterwards = event.ends_at + timedelta(days=1)
    assert (
        await change(db, event, now=afterwards, description="It was wonderful.")
    ).description == "It was wonderful."


# States -----------------------------------------------------------------------------------------------------


async def test_publishing_opens_the_sale_once(db: Database, venue: Venue) -> None:
    draft = await make_event(db, venue, publish=False)
    event = await run(db, organizing.publish_event, draft.event_id, NOW)
    assert (event.state, event.published_at, event.version) == ("published", NOW, 2)
    assert await run(db, organizing.publish_event, draft.event_id, NOW + timedelta(hours=1)) == event
    assert (await facts_of(db, event)).count("SaleOpened") == 1


async def test_what_cannot_be_published(db: Database, venue: Venue) -> None:
    draft = await make_event(db, venue, publish=False)
    assert (
        await refusal_of(db, organizing.publish_event, draft.event_id, draft.starts_at)
        == CatalogueRefusal.STARTED_ALREADY
    )
    empty = await make_event(db, venue, SaleTerms(currency="EUR"), publish=False)
    assert await refusal_of(db, organizing.publish_event, empty.event_id, NOW) == SalesRefusal.NOTHING_TO_SELL
    assert (await catalogue.get_event(db, empty.event_id)).state == "draft"
    cancelled = await make_event(db, venue)
    await run(db, organizing.cancel_event, cancelled.event_id, NOW)
    assert (
        await refusal_of(db, organizing.publish_event, cancelled.event_id, NOW)
        == SalesRefusal.EVENT_CANCELLED
    )
    assert await refusal_of(db, organizing.publish_event, new_id(), NOW) == CommonRefusal.NOT_FOUND


async def test_cancelling_is_for_good(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    (ticket_type_id,) = (await find_sale(db, event.event_id)).ticket_types
    await run(db, book, event.event_id, ticket_type_id, 2)
    cancelled = await run(db, organizing.cancel_event, event.event_id, NOW)
    assert (cancelled.state, cancelled.cancelled_at, cancelled.version) == (
        "cancelled",
        NOW,
        event.version + 1,
    )
    assert await run(db, organizing.cancel_event, event.event_id, NOW) == cancelled
    assert (await find_sale(db, event.event_id)).state == "cancelled"
    for verb, arguments in (
        (organizing.change_event, (EventChanges(title="x"), NOW)),
        (organizing.add_pool, (NewPool("x", 1), NOW)),
        (organizing.add_ticket_type, (AddedTicketType(name="x"), NOW)),
        (organizing.retire_ticket_type, (ticket_type_id, NOW)),
    ):
        assert await refusal_of(db, verb, event.event_id, *arguments) == SalesRefusal.EVENT_CANCELLED


async def test_what_cannot_be_cancelled(db: Database, venue: Venue) -> None:
    draft = await make_event(db, venue, publish=False)
    assert (
        await refusal_of(db, organizing.cancel_event, draft.event_id, NOW) == CatalogueRefusal.STILL_A_DRAFT
    )
    late = await make_event(db, venue)
    assert (await run(db, organizing.cancel_event, late.event_id, late.ends_at)).state == "cancelled"


async def test_only_a_draft_is_erased(db: Database, venue: Venue) -> None:
    draft, event = await make_event(db, venue, publish=False), await make_event(db, venue)
    await run(db, organizing.delete_event, draft.event_id)
    for table in ("events", "sales", "pools", "ticket_types", "journal"):
        assert await db.fetch_value(f"SELECT count(*) FROM {table} WHERE event_id = $1", draft.event_id) == 0
    assert await refusal_of(db, organizing.delete_event, event.event_id) == CatalogueRefusal.NOT_A_DRAFT
    assert await refusal_of(db, organizing.delete_event, draft.event_id) == CommonRefusal.NOT_FOUND


# Pools and ticket types -------------------------------------------------------------------------------------


async def test_a_pool_goes_no_lower_than_what_is_taken(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue, sale_terms(10))
    sale = await find_sale(db, event.event_id)
    (pool_id,), (ticket_type_id,) = sale.pools, sale.ticket_types
    await run(db, book, event.event_id, ticket_type_id, 4)
    arguments = (event.event_id, pool_id, PoolChanges(capacity=3), NOW)
    assert await refusal_of(db, organizing.change_pool, *arguments) == SalesRefusal.CAPACITY_TAKEN
    lowered = await run(db, organizing.change_pool, event.event_id, pool_id, PoolChanges("Floor", 4), NOW)
    assert lowered.version == event.version + 1
    pool = (await find_sale(db, event.event_id)).pools[pool_id]
    assert (pool.name, pool.capacity, pool.sold) == ("Floor", 4, 4)
    assert (
        await run(db, organizing.change_pool, event.event_id, pool_id, PoolChanges("Floor", 4), NOW)
        == lowered
    )


async def test_pools_are_added_and_removed(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    changed, pool_id = await run(db, organizing.add_pool, event.event_id, NewPool("Balcony", 20), NOW)
    assert changed.version == event.version + 1
    assert await wrong_fields(db, organizing.add_pool, event.event_id, NewPool("balcony ", 20), NOW) == {
        "/name"
    }
    (used, _) = (await find_sale(db, event.event_id)).pools
    assert await refusal_of(db, organizing.remove_pool, event.event_id, used, NOW) == SalesRefusal.POOL_IN_USE
    await run(db, organizing.remove_pool, event.event_id, pool_id, NOW)
    assert list((await find_sale(db, event.event_id)).pools) == [used]
    for pool in (pool_id, new_id()):
        assert (
            await refusal_of(db, organizing.remove_pool, event.event_id, pool, NOW) == CommonRefusal.NOT_FOUND
        )
        assert (
            await refusal_of(db, organizing.change_pool, event.event_id, pool, PoolChanges(), NOW)
            == CommonRefusal.NOT_FOUND
        )


async def test_a_ticket_type_is_added_last_and_draws_on_the_only_pool(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    draft = AddedTicketType(name="Reduced", price=Money(1500, "EUR"), per_buyer_max=2)
    changed, ticket_type_id = await run(db, organizing.add_ticket_type, event.event_id, draft, NOW)
    sale = await find_sale(db, event.event_id)
    terms = sale.ticket_types[ticket_type_id]
    assert (terms.position, terms.pool_ids, terms.price_minor, changed.version) == (
        2,
        tuple(sale.pools),
        1500,
        event.version + 1,
    )
    page = await catalogue.browse(db, list_sale_summaries, EventSearch(), NOW, 1)
    assert page.data[0].price_from_minor == 1500
    wrong = AddedTicketType(name="regular", price=Money(1, "USD"), pool_ids=(new_id(),))
    assert await wrong_fields(db, organizing.add_ticket_type, event.event_id, wrong, NOW) == {
        "/name",
        "/price/currency",
        "/pool_ids/0",
    }
    await run(db, organizing.add_pool, event.event_id, NewPool("Second", 1), NOW)
    assert await wrong_fields(
        db, organizing.add_ticket_type, event.event_id, replace(draft, name="x"), NOW
    ) == {"/pool_ids"}


async def test_a_new_price_is_that_of_later_bookings(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    (ticket_type_id,) = (await find_sale(db, event.event_id)).ticket_types
    await run(db, book, event.event_id, ticket_type_id, 1)
    changes = TicketTypeChanges(price=Money(9900, "EUR"), position=7, per_buyer_max=None, on_sale_at=None)
    await run(db, organizing.change_ticket_type, event.event_id, ticket_type_id, changes, NOW)
    await run(db, book, event.event_id, ticket_type_id, 1)
    assert [row[0] for row in await db.fetch("SELECT price_minor FROM tickets ORDER BY ticket_id")] == [
        2500,
        9900,
    ]
    free = await run(
        db, organizing.change_ticket_type, event.event_id, ticket_type_id, TicketTypeChanges(price=None), NOW
    )
    terms = (await find_sale(db, event.event_id)).ticket_types[ticket_type_id]
    assert (terms.price_minor, terms.position, terms.name) == (0, 7, "Regular")
    assert (
        await run(
            db,
            organizing.change_ticket_type,
            event.event_id,
            ticket_type_id,
            TicketTypeChanges(price=None),
            NOW,
        )
        == free
    )


async def test_the_pools_of_a_published_ticket_type_stay(db: Database, venue: Venue) -> None:
    draft, event = await make_event(db, venue, publish=False), await make_event(db, venue)
    for each, refused in ((draft, False), (event, True)):
        _, pool_id = await run(db, organizing.add_pool, each.event_id, NewPool("Other", 5), NOW)
        (ticket_type_id,) = (await find_sale(db, each.event_id)).ticket_types
        arguments = (each.event_id, ticket_type_id, TicketTypeChanges(pool_ids=(pool_id,)), NOW)
        if refused:
            assert await refusal_of(db, organizing.change_ticket_type, *arguments) == SalesRefusal.POOL_IN_USE
        else:
            await run(db, organizing.change_ticket_type, *arguments)
            assert (await find_sale(db, each.event_id)).ticket_types[ticket_type_id].pool_ids == (pool_id,)


async def test_a_retired_ticket_type_leaves_its_name_and_its_price(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    await run(db, organizing.add_ticket_type, event.event_id, AddedTicketType(name="Free"), NOW)
    types = by_name(await find_sale(db, event.event_id))
    retired = await run(db, organizing.retire_ticket_type, event.event_id, types["Free"], NOW)
    assert await run(db, organizing.retire_ticket_type, event.event_id, types["Free"], NOW) == retired
    await run(
        db,
        organizing.add_ticket_type,
        event.event_id,
        AddedTicketType(name="Free", price=Money(100, "EUR")),
        NOW,
    )
    assert (await catalogue.browse(db, list_sale_summaries, EventSearch(), NOW, 1)).data[
        0
    ].price_from_minor == 100
    assert (
        await refusal_of(db, organizing.retire_ticket_type, event.event_id, new_id(), NOW)
        == CommonRefusal.NOT_FOUND
    )


# Races ------------------------------------------------------------------------------------------------------


async def one_after_the_other(
    db: Database,
    first: Callable[[Connection], Awaitable[Any]],
    second: Callable[[Connection], Awaitable[Any]],
) -> Any:
    """Run two verbs at once: the second begins, and waits, while the first is not committed.

    Returns what the second gave or refused.
    """

    async def begin() -> Any:
        async with db.transaction() as tx:
            return await second(tx)

    async with db.transaction() as tx:
        await first(tx)
        waiting = asyncio.create_task(begin())
        await until_somebody_waits(db)
    return (await asyncio.gather(waiting, return_exceptions=True))[0]


async def test_two_cancellations_at_once_cancel_once(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)

    async def cancel(tx: Connection) -> Edited:
        return await organizing.cancel_event(tx, event.event_id, NOW)

    second = (await one_after_the_other(db, cancel, cancel)).event
    assert (second.state, second.version) == ("cancelled", event.version + 1)
    assert (await facts_of(db, event)).count("SaleCancelled") == 1


async def test_an_edit_that_comes_second_must_have_seen_the_first(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)

    async def edit(tx: Connection) -> Edited:
        return await organizing.change_event(
            tx, event.event_id, EventChanges(title=str(new_id())), NOW, only(event.version)
        )

    assert isinstance(await one_after_the_other(db, edit, edit), StaleVersion)


async def test_publishing_and_deleting_at_once(db: Database, venue: Venue) -> None:
    for publish_first in (True, False):
        draft = await make_event(db, venue, publish=False)

        async def publish(tx: Connection, event_id: UUID = draft.event_id) -> Edited:
            return await organizing.publish_event(tx, event_id, NOW)

        async def delete(tx: Connection, event_id: UUID = draft.event_id) -> None:
            await organizing.delete_event(tx, event_id)

        second = await one_after_the_other(db, *((publish, delete) if publish_first else (delete, publish)))
        assert isinstance(second, Refused)
        assert second.refusal == (CatalogueRefusal.NOT_A_DRAFT if publish_first else CommonRefusal.NOT_FOUND)


async def test_cancelling_and_editing_at_once(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)

    async def cancel(tx: Connection) -> Edited:
        return await organizing.cancel_event(tx, event.event_id, NOW)

    async def add(tx: Connection) -> Any:
        return await organizing.add_pool(tx, event.event_id, NewPool("Late", 1), NOW)

    second = await one_after_the_other(db, cancel, add)
    assert isinstance(second, Refused)
    assert second.refusal == SalesRefusal.EVENT_CANCELLED


async def test_renaming_venues_while_events_move_between_them(db: Database, venue: Venue) -> None:
    other = await make_venue(db, venue.organizer_id)
    events = [await make_event(db, each) for each in (venue, other) for _ in range(3)]

    async def rename(place: Venue, name: str) -> None:
        await run(
            db,
            organizing.change_venue,
            place.venue_id,
            VenueChanges(name=name),
            NOW,
        )

    async def move(event: Event, place: Venue) -> None:
        await change(db, event, venue_id=place.venue_id)

    for turn in range(4):
        names = {venue.venue_id: f"A{turn}", other.venue_id: f"B{turn}"}
        await asyncio.gather(
            *[rename(place, names[place.venue_id]) for place in (venue, other)],
            *[move(event, (venue, other)[(place + turn) % 2]) for place, event in enumerate(events)],
        )
        found = await catalogue.find_events(db, [event.event_id for event in events])
        assert all(event.venue_name == names[event.venue_id] for event in found.values())


# Seats, conditions, promo codes -----------------------------------------------------------------------------


async def test_a_box_office_unless_told(db: Database, venue: Venue) -> None:
    sale = await find_sale(db, (await make_event(db, venue)).event_id)
    assert sale.conditions_now() == (0, Conditions())
    told = await make_event(
        db, venue, replace(sale_terms(), conditions=Conditions("online", hold_seconds=60))
    )
    assert (await find_sale(db, told.event_id)).conditions_now() == (1, Conditions("online", hold_seconds=60))


async def test_conditions_are_put_anew_only_when_they_change(db: Database, venue: Venue) -> None:
    event = await make_event(db, venue)
    changes = ConditionsChanges(
        fees=FeesChanges(fixed=Money(100, "EUR")), refund_windows=(RefundWindow(24, 5_000),)
    )
    changed = await run(db, organizing.change_conditions, event.event_id, changes, NOW)
    assert await run(db, organizing.change_conditions, event.event_id, changes, NOW) == changed
    expected = Conditions(fees=Fees(100), refund_windows=(RefundWindow(24, 5_000),))
    assert (await find_sale(db, event.event_id)).conditions_now() == (1, expected)
    wrong = ConditionsChanges(fees=FeesChanges(fixed=Money(100, "USD")), hold_seconds=0)
    assert await wrong_fields(db, organizing.change_conditions, event.event_id, wrong, NOW) == {
        "/fees/fixed/currency",
        "/hold_seconds",
    }


async def test_a_zone_has_a_pool_of_its_own_or_one_that_is_named(db: Database, venue: Venue) -> None:
    added = await run(db, add_seat_map, venue.organizer_id, venue.venue_id, HALL, NOW)
    seating = SeatingDraft(
        seat_map_id=added.seat_map_id,
        zones=(ZoneDraft(name="Stalls", sections=("Stalls",)), ZoneDraft(name="Rest")),
    )
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("All seats", 10),),
        ticket_types=(
            NewTicketType(name="Stalls", zone="stalls", pools=("All seats",)),
            NewTicketType(name="Rest", zone="Rest"),
        ),
        seating=seating,
    )
    event = await make_event(db, venue, terms)
    sale = await find_sale(db, event.event_id)
    assert {pool.name: pool.capacity for pool in sale.pools.values()} == {"All seats": 10, "Rest": 4}
    assert {terms.name: (terms.zone, sale.available(terms)) for terms in sale.ticket_types.values()} == {
        "Stalls": ("Stalls", 10),
        "Rest": ("Rest", 4),
    }
    async with db.transaction() as tx:
        copy, copied = await organizing.copy_for_rehearsal(tx, event.event_id, None, NOW)
    assert copied.hall is not None
    assert copied.hall.plan.digest == added.digest
    assert copy.event_id != event.event_id
