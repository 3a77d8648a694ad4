from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from evently import catalogue, organizing
from evently.catalogue import (
    CatalogueRefusal,
    Category,
    EventSearch,
    Sort,
    VenueChanges,
    VenueTerms,
    search_for,
)
from evently.db import Database
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.sales import carry_out
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.reads import (
    find_sale,
    list_sale_summaries,
    price_from,
    public_types,
    read_sale,
    state_of_sale,
)
from evently.seating import add_seat_map
from tests.support.box_office import HALL
from tests.support.catalogue import (
    NOW,
    make_event,
    make_organizer,
    make_venue,
    sale_terms,
    until_somebody_waits,
)


async def test_a_venue_is_made_found_and_listed(db: Database) -> None:
    organizer_id = await make_organizer(db)
    venues = [await make_venue(db, organizer_id) for _ in range(3)]
    assert await catalogue.get_venue(db, venues[0].venue_id) == venues[0]
    first = await catalogue.list_venues(db, organizer_id, 2, None)
    second = await catalogue.list_venues(db, organizer_id, 2, first.next_cursor)
    assert first.data + second.data == list(reversed(venues))
    assert second.next_cursor is None
    with pytest.raises(Refused) as refused:
        await catalogue.get_venue(db, new_id())
    assert refused.value.refusal == CommonRefusal.NOT_FOUND


async def test_a_venue_is_refused_with_everything_that_is_wrong(db: Database) -> None:
    organizer_id = await make_organizer(db)
    with pytest.raises(Invalid) as refused:
        await make_venue(db, organizer_id, VenueTerms(" ", "a\x00", "!!", "XX", "Mars/Base"))
    assert {error.pointer for error in refused.value.errors} == {
        "/name",
        "/address",
        "/city",
        "/country",
        "/time_zone",
    }


async def test_renaming_a_venue_renames_it_on_its_events(db: Database) -> None:
    organizer_id = await make_organizer(db)
    venue = await make_venue(db, organizer_id)
    event = await make_event(db, venue)
    elsewhere = await make_event(db, await make_venue(db, organizer_id))
    async with db.transaction() as tx:
        await organizing.change_venue(
            tx,
            venue.venue_id,
            VenueChanges(name="Säälchen", city="Potsdam"),
            NOW,
        )
    renamed = await catalogue.get_event(db, event.event_id)
    assert (renamed.venue_name, renamed.city, renamed.version) == ("Säälchen", "Potsdam", event.version + 1)
    assert (await catalogue.get_event(db, elsewhere.event_id)).venue_name == "Tempodrom"
    assert await found(db, "saalchen potsdam") == [event.event_id]
    assert event.event_id not in await found(db, "tempodrom")


async def test_many_events_are_renamed_page_by_page(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evently.catalogue.events._COPY_PAGE", 2)
    venue = await make_venue(db, await make_organizer(db))
    events = [await make_event(db, venue) for _ in range(5)]
    async with db.transaction() as tx:
        await organizing.change_venue(tx, venue.venue_id, VenueChanges(name="New"), NOW)
    assert {
        event.venue_name for event in (await catalogue.find_events(db, [e.event_id for e in events])).values()
    } == {"New"}


async def test_another_time_zone_of_a_venue_keeps_the_hours_on_the_poster(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    changes = VenueChanges(time_zone="Europe/Paris")
    async with db.transaction() as tx:
        venue = (await organizing.change_venue(tx, venue.venue_id, changes, NOW)).venue
    assert (venue.time_zone, venue.version) == ("Europe/Paris", 2)  # no events: nothing to see first
    event, cancelled, past = [await make_event(db, venue) for _ in range(3)]
    async with db.transaction() as tx:
        await catalogue.mark_published(tx, cancelled.event_id, NOW)
        await catalogue.mark_cancelled(tx, cancelled.event_id, NOW)
        await tx.execute(
            "UPDATE events SET starts_at = $2, ends_at = $3 WHERE event_id = $1",
            past.event_id,
            NOW - timedelta(days=9),
            NOW - timedelta(days=8),
        )
    past = await catalogue.get_event(db, past.event_id)
    changes = VenueChanges(time_zone="Europe/London")
    with pytest.raises(Refused) as refused:
        async with db.transaction() as tx:
            await organizing.change_venue(tx, venue.venue_id, changes, NOW)
    assert refused.value.refusal == CatalogueRefusal.VENUE_IN_USE
    hour = timedelta(hours=1)
    async with db.transaction() as tx:
        seen = await organizing.change_venue(tx, venue.venue_id, changes, NOW, dry_run=True)
    assert [(move.event, move.starts_at, move.ends_at) for move in seen.moves] == [
        (event, event.starts_at + hour, event.ends_at + hour)
    ]
    assert await catalogue.get_event(db, event.event_id) == event
    assert await catalogue.get_venue(db, venue.venue_id) == venue
    async with db.transaction() as tx:
        done = await organizing.change_venue(tx, venue.venue_id, changes, NOW, dry_run=False)
    assert done.moves == seen.moves
    assert (done.venue.time_zone, done.venue.version) == ("Europe/London", 3)
    for before in (event, cancelled, past):
        after = await catalogue.get_event(db, before.event_id)
        assert (after.starts_at_local, after.ends_at_local) == (before.starts_at_local, before.ends_at_local)
        assert after.starts_at == before.starts_at + hour
    assert (await find_sale(db, event.event_id)).off_sale_at == event.starts_at + hour


async def test_the_zone_of_a_venue_with_very_many_events_stays(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evently.organizing.venues.EVENTS_MOVED_MAX", 2)
    venue = await make_venue(db, await make_organizer(db))
    for _ in range(3):
        await make_event(db, venue)
    with pytest.raises(Refused) as refused:
        async with db.transaction() as tx:
            await organizing.change_venue(
                tx, venue.venue_id, VenueChanges(time_zone="Europe/London"), NOW, dry_run=False
            )
    assert (refused.value.refusal, refused.value.reason) == (CatalogueRefusal.VENUE_IN_USE, "too_many")


async def test_an_event_made_while_its_venue_is_renamed_has_the_new_name(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    async with db.transaction() as tx:
        await organizing.change_venue(tx, venue.venue_id, VenueChanges(name="New"), NOW)
        making = asyncio.create_task(make_event(db, venue))
        await until_somebody_waits(db)
    assert (await making).venue_name == "New"


async def test_browsing_shows_what_has_not_ended_and_is_published(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    running = await make_event(
        db, venue, starts_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(hours=5)
    )
    coming = await make_event(db, venue)
    await make_event(db, venue, publish=False)
    async with db.transaction() as tx:
        terms = (await make_event(db, venue)).event_id
        await organizing.cancel_event(tx, terms, NOW)
    assert await ids(db, EventSearch(), now=NOW + timedelta(hours=2)) == [running.event_id, coming.event_id]
    assert await ids(db, EventSearch(), now=NOW + timedelta(hours=6)) == [coming.event_id]
    assert await ids(db, EventSearch(ends_after=NOW), now=NOW + timedelta(hours=6)) == [
        running.event_id,
        coming.event_id,
    ]
    assert await ids(db, EventSearch(starts_before=coming.starts_at), now=NOW) == [running.event_id]


async def test_a_range_finds_what_takes_place_in_it(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    day = timedelta(days=1)
    exhibition = await make_event(db, venue, starts_at=NOW + day, ends_at=NOW + 21 * day)
    concert = await make_event(db, venue, starts_at=NOW + 10 * day, ends_at=NOW + 10.1 * day)
    longest = await make_event(db, venue, starts_at=NOW + 12 * day, ends_at=NOW + 43 * day)
    for first, last, expected in (
        (5.0, 6.0, [exhibition]),
        (5.0, None, [exhibition, concert, longest]),
        (10.0, 11.0, [exhibition, concert]),
        (10.05, 10.05, [exhibition, concert]),  # at one instant
        (10.1, 10.2, [exhibition]),  # the end is excluded
        (0.0, 1.0, []),  # and so is the start
        (42.9, 60.0, [longest]),
        (43.0, 60.0, []),
        (0.0, 10.0, [exhibition]),
    ):
        wish = EventSearch(
            ends_after=NOW + first * day, starts_before=None if last is None else NOW + last * day
        )
        for sort in (Sort.SOONEST, Sort.LATEST, Sort.NEWEST):
            found_now = await ids(db, replace(wish, sort=sort), now=NOW + 50 * day)
            assert sorted(found_now) == sorted(each.event_id for each in expected), (first, last, sort)


async def test_an_event_of_31_days_has_an_hour_more_when_the_clocks_go_back(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    october = await make_event(
        db,
        venue,
        starts_at=datetime(2026, 10, 1, 18, tzinfo=UTC),
        ends_at=datetime(2026, 11, 1, 19, tzinfo=UTC),
    )
    assert (october.starts_at_local.hour, october.ends_at_local.hour) == (20, 20)
    last_half_hour = EventSearch(ends_after=october.ends_at - timedelta(minutes=30))
    assert await ids(db, last_half_hour, now=NOW) == [october.event_id]


async def test_words_are_found_without_accents_and_while_they_are_typed(db: Database) -> None:
    organizer_id = await make_organizer(db)
    zurich = VenueTerms("Kaufleuten", "Pelikanplatz 18", "Zürich", "CH", "Europe/Zurich")
    event = await make_event(
        db,
        await make_venue(db, organizer_id, zurich),
        title="Noël à la française",
        description="Crème brûlée",
    )
    await make_event(db, await make_venue(db, organizer_id), title="Something else")
    for typed in ("noel", "NOËL fran", "zuri", "creme brulee", "kaufleuten", "Zürich noël"):
        assert await found(db, typed) == [event.event_id], typed
    for typed in ("noe zurich x", "fran noel2", "ranca"):
        assert await found(db, typed) == [], typed


async def test_what_people_type_is_found_where_it_stands_in_every_script(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    titles = {
        title: (await make_event(db, venue, title=title)).event_id
        for title in (
            *("東京の夜", "京都市東山区の夜", "パリ祭", "ハリ治療", "ババの家", "งานเทศกาลดนตรีไทย"),
            *("서울재즈콘서트", "संगीत की रात", "सगति", "мой город", "мои песни", "ქართული მუსიკა"),
        )
    }
    for typed, expected in {
        "東京": ["東京の夜"],
        "京都": ["京都市東山区の夜"],
        "夜": ["東京の夜", "京都市東山区の夜"],
        "パリ": ["パリ祭"],
        "ﾊﾟﾘ": ["パリ祭"],
        "ハリ": ["ハリ治療"],
        "ハハ": [],
        "ババ": ["ババの家"],
        "ดนตรี": ["งานเทศกาลดนตรีไทย"],
        "เทศกาล": ["งานเทศกาลดนตรีไทย"],
        "ดนตร": ["งานเทศกาลดนตรีไทย"],
        "ตนดรี": [],
        "재즈": ["서울재즈콘서트"],
        "재즈코": ["서울재즈콘서트"],
        "संगीत": ["संगीत की रात"],
        "мой": ["мой город"],
        "мои": ["мои песни"],
        "მუსიკ": ["ქართული მუსიკა"],
    }.items():
        assert await found(db, typed) == [titles[title] for title in expected], typed
    wish = EventSearch(search_for("東京", [("city", "Berlin")]), Sort.RELEVANCE)
    assert await ids(db, wish) == [titles["東京の夜"]]


async def test_words_of_an_older_form_are_made_again_in_steps(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evently.catalogue.events.INDEXED_MAX", 2)
    venue = await make_venue(db, await make_organizer(db))
    events = [await make_event(db, venue, title="東京", publish=number != 1) for number in range(3)]
    indexed = "SELECT event_id, search::text, version FROM events ORDER BY event_id"
    before = await db.fetch(indexed)
    await db.fetch("UPDATE events SET words_version = 1, search = array_to_tsvector(ARRAY['東', '京'])")
    assert await found(db, "東京") == []
    async with db.transaction() as tx:  # an organizer is editing one of them
        await tx.fetch("SELECT FROM events WHERE event_id = $1 FOR UPDATE", events[0].event_id)
        assert await catalogue.remake_words(db)
        assert await catalogue.remake_words(db)
        assert not await catalogue.remake_words(db)
    assert not await catalogue.remake_words(db)
    assert await db.fetch(indexed) == before
    assert await found(db, "東京") == [events[0].event_id, events[2].event_id]


async def test_facets_narrow_exactly(db: Database) -> None:
    organizer_id, other_id = await make_organizer(db), await make_organizer(db)
    event = await make_event(
        db, await make_venue(db, organizer_id), tags=("Late Night", "jazz"), category=Category.COMEDY
    )
    other = await make_event(db, await make_venue(db, other_id), tags=("late",), category=Category.MUSIC)
    for facets, expected in (
        ([("tag", "late night")], [event]),
        ([("tag", "LATE-night"), ("tag", "jazz")], [event]),
        ([("tag", "late")], [other]),
        ([("category", "comedy")], [event]),
        ([("city", "BERLIN")], [event, other]),
        ([("city", "Ber")], []),
        ([("organizer", other_id.hex)], [other]),
        ([("organizer", other_id.hex), ("category", "comedy")], []),
    ):
        assert await ids(db, EventSearch(search_for("", facets))) == [each.event_id for each in expected], (
            facets
        )


async def test_relevance_puts_titles_first(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    in_text = await make_event(
        db, venue, title="Evening", description="Jazz in the garden", starts_at=NOW + timedelta(days=1)
    )
    half = await make_event(
        db, venue, title="Jazz evening", description="in the garden", starts_at=NOW + timedelta(days=2)
    )
    whole = await make_event(db, venue, title="Jazz in the garden", starts_at=NOW + timedelta(days=3))
    wish = EventSearch(search_for("jazz garden", []), Sort.RELEVANCE)
    assert await ids(db, wish) == [each.event_id for each in (whole, half, in_text)]
    assert await pages(db, wish, 1) == [[whole.event_id], [half.event_id], [in_text.event_id]]


@pytest.mark.parametrize("sort", [Sort.SOONEST, Sort.LATEST, Sort.NEWEST, Sort.RELEVANCE])
async def test_pages_neither_repeat_nor_skip_while_events_come(db: Database, sort: Sort) -> None:
    venue = await make_venue(db, await make_organizer(db))
    there = {
        (await make_event(db, venue, starts_at=NOW + timedelta(days=day))).event_id
        for day in (1, 1, 1, 2, 3, 4, 5)
    }
    wish = EventSearch(search_for("jazz", []), sort)
    seen: list[UUID] = []
    after = None
    while True:
        page = await catalogue.browse(db, list_sale_summaries, wish, NOW, 2, after)
        seen += [card.event.event_id for card in page.data]
        for day in (1, 3, 9):
            await make_event(db, venue, starts_at=NOW + timedelta(days=day), now=NOW - timedelta(days=1))
        if page.next_cursor is None or len(seen) > 60:
            break
        after = page.next_cursor
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


async def test_a_cursor_of_another_order_is_refused(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    for _ in range(2):
        await make_event(db, venue)
    cursor = (await catalogue.browse(db, list_sale_summaries, EventSearch(), NOW, 1)).next_cursor
    for wish, after in (
        (EventSearch(sort=Sort.NEWEST), cursor),
        (EventSearch(), "nonsense"),
        (EventSearch(), ""),
    ):
        with pytest.raises(Invalid):
            await catalogue.browse(db, list_sale_summaries, wish, NOW, 1, after)


async def test_available_means_bookable_now(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    open_ = await make_event(db, venue)
    later = await make_event(db, venue, sale_terms(on_sale_at=NOW + timedelta(days=1)))
    ended = await make_event(db, venue, sale_terms(off_sale_at=NOW + timedelta(minutes=1)))
    full = await make_event(db, venue, sale_terms(capacity=2))
    await book_all(db, full.event_id, 2)
    now = NOW + timedelta(minutes=2)
    assert await ids(db, EventSearch(available=True), now=now) == [open_.event_id]
    assert set(await ids(db, EventSearch(available=False), now=now)) == {
        later.event_id,
        ended.event_id,
        full.event_id,
    }
    assert await ids(db, EventSearch(available=True), now=NOW + timedelta(days=2)) == [
        open_.event_id,
        later.event_id,
    ]


async def test_an_event_has_seats_while_a_public_ticket_type_has(db: Database) -> None:
    place = await make_venue(db, await make_organizer(db))
    async with db.transaction() as tx:
        hall = await add_seat_map(tx, place.organizer_id, place.venue_id, HALL, NOW)
    seats = NewTicketType(name="Stalls", price=Money(4000, "EUR"), zone="Stalls")
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Floor", 50),),
        ticket_types=(seats, NewTicketType(name="Floor", price=Money(2500, "EUR"), pools=("Floor",))),
        seating=SeatingDraft(seat_map_id=hall.seat_map_id, zones=(ZoneDraft(name="Stalls"),)),
    )
    seated, plain = await make_event(db, place, terms), await make_event(db, place)
    assert await ids(db, EventSearch(seated=True)) == [seated.event_id]
    assert await ids(db, EventSearch(seated=False)) == [plain.event_id]
    async with db.transaction() as tx:
        sale = await read_sale(tx, seated.event_id)
        (type_id,) = (each.ticket_type_id for each in sale.ticket_types.values() if each.zone)
        await organizing.retire_ticket_type(tx, seated.event_id, type_id, NOW)
    assert await ids(db, EventSearch(seated=True)) == [], "its seats are not sold any more"


async def test_a_price_counts_while_it_can_be_paid(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    event = await make_event(db, venue)
    async with db.transaction() as tx:
        early = organizing.AddedTicketType(
            name="Early", price=Money(1000, "EUR"), off_sale_at=NOW + timedelta(days=1)
        )
        await organizing.add_ticket_type(tx, event.event_id, early, NOW)
    cheap, dear = EventSearch(price_max=Money(1000, "EUR")), EventSearch(price_max=Money(2500, "EUR"))
    assert await ids(db, cheap) == [event.event_id]
    assert await ids(db, cheap, now=NOW + timedelta(days=2)) == []
    assert await ids(db, dear, now=NOW + timedelta(days=2)) == [event.event_id]
    assert await ids(db, EventSearch(price_max=Money(9900, "USD"))) == []
    assert await ids(db, EventSearch(price_max=Money(999, "EUR"))) == []


async def test_price_and_availability_are_true_of_one_ticket_type(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    event = await make_event(db, venue, sale_terms(price=Money(2500, "EUR"), capacity=5))
    async with db.transaction() as tx:
        sold_out = await organizing.add_pool(tx, event.event_id, organizing.NewPool("Early", 0), NOW)
        early = organizing.AddedTicketType(
            name="Early", price=Money(1000, "EUR"), pool_ids=(sold_out.part_id,)
        )
        await organizing.add_ticket_type(tx, event.event_id, early, NOW)
    page = await catalogue.browse(db, list_sale_summaries, EventSearch(), NOW, 10)
    assert [(card.price_from_minor, card.available) for card in page.data] == [(2500, True)]
    for available in (True, None):
        cheap = EventSearch(price_max=Money(1000, "EUR"), available=available)
        assert await ids(db, cheap) == []
        assert await ids(db, replace(cheap, price_max=Money(2500, "EUR"))) == [event.event_id]


async def test_a_list_never_shows_the_price_of_a_hidden_ticket_type(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    event = await make_event(
        db, venue, sale_terms(price=Money(5000, "EUR"), off_sale_at=NOW + timedelta(days=1))
    )
    async with db.transaction() as tx:
        hidden = organizing.AddedTicketType(name="Members", price=Money(700, "EUR"), hidden=True)
        await organizing.add_ticket_type(tx, event.event_id, hidden, NOW)
    for now in (NOW, NOW + timedelta(days=2)):  # the public ticket type has ended by then
        page = await catalogue.browse(db, list_sale_summaries, EventSearch(), now, 10)
        assert [card.price_from_minor for card in page.data] == [5000]
        assert await ids(db, EventSearch(price_max=Money(700, "EUR")), now=now) == []
    assert await db.fetch_value("SELECT price_from_minor FROM events") == 5000


async def test_lists_and_pages_agree(db: Database) -> None:
    """What a list shows of a sale is what the event's page shows, whatever its windows and its state are."""
    venue = await make_venue(db, await make_organizer(db))
    day = timedelta(days=1)
    windows = (None, NOW + day, NOW + 3 * day)
    for first_from, first_until, second_from in itertools.product(windows, windows, windows):
        if first_from is not None and first_until is not None and first_from >= first_until:
            continue
        types = (
            NewTicketType(name="A", price=Money(100, "EUR"), on_sale_at=first_from, off_sale_at=first_until),
            NewTicketType(name="B", price=Money(200, "EUR"), on_sale_at=second_from),
            NewTicketType(name="C", price=Money(50, "EUR"), hidden=True),
        )
        terms = replace(sale_terms(), ticket_types=types, off_sale_at=NOW + 5 * day)
        event = await make_event(db, venue, terms, publish=first_until is None or second_from is None)
        if first_until is None and second_from is not None:
            async with db.transaction() as tx:
                await organizing.cancel_event(tx, event.event_id, NOW)
    for days in (0, 1, 2, 3, 4, 5):
        now = NOW + days * day
        page = await catalogue.list_events_of_organizer(
            db, list_sale_summaries, venue.organizer_id, None, now, 50
        )
        assert len(page.data) == 18
        for card in page.data:
            sale = await find_sale(db, card.event.event_id)
            types_shown = public_types(sale)
            units = [(each, sale.available_at(each, now)) for each in types_shown]
            assert card.price_from_minor == price_from(sale, units, now)
            assert card.available == (state_of_sale(sale, units, now) == "on_sale")


async def test_a_page_looks_at_so_many_candidates_and_no_more(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["evently.catalogue.browse"], "CANDIDATES_MAX", 4)
    venue = await make_venue(db, await make_organizer(db))
    for _ in range(9):
        await make_event(db, venue, sale_terms(capacity=0))
    last = await make_event(db, venue, starts_at=NOW + timedelta(days=40), ends_at=NOW + timedelta(days=41))
    assert await pages(db, EventSearch(available=True), 1) == [[], [], [last.event_id]]


async def test_an_organizers_own_list_has_drafts(db: Database) -> None:
    organizer_id = await make_organizer(db)
    venue = await make_venue(db, organizer_id)
    draft, published = await make_event(db, venue, publish=False), await make_event(db, venue)
    await make_event(db, await make_venue(db, await make_organizer(db)))
    page = await catalogue.list_events_of_organizer(db, list_sale_summaries, organizer_id, None, NOW, 1)
    rest = await catalogue.list_events_of_organizer(
        db, list_sale_summaries, organizer_id, None, NOW, 1, page.next_cursor
    )
    assert [card.event.event_id for card in page.data + rest.data] == [published.event_id, draft.event_id]
    assert (rest.data[0].price_from_minor, rest.data[0].available, rest.next_cursor) == (2500, False, None)
    drafts = await catalogue.list_events_of_organizer(db, list_sale_summaries, organizer_id, "draft", NOW, 5)
    assert [card.event for card in drafts.data] == [draft]
    assert (
        len((await catalogue.list_events_of_organizer(db, list_sale_summaries, None, None, NOW, 5)).data) == 3
    )


async def found(db: Database, typed: str) -> list[UUID]:
    return await ids(db, EventSearch(search_for(typed, [])))


async def ids(db: Database, wish: EventSearch, now: datetime = NOW) -> list[UUID]:
    return [
        card.event.event_id for card in (await catalogue.browse(db, list_sale_summaries, wish, now, 50)).data
    ]


async def pages(db: Database, wish: EventSearch, limit: int) -> list[list[UUID]]:
    found: list[list[UUID]] = []
    after = None
    while True:
        page = await catalogue.browse(db, list_sale_summaries, wish, NOW, limit, after)
        found.append([card.event.event_id for card in page.data])
        if page.next_cursor is None:
            return found
        after = page.next_cursor


async def book_all(db: Database, event_id: UUID, units: int) -> None:
    async with db.transaction() as tx:
        (ticket_type_id,) = (await read_sale(tx, event_id)).ticket_types
        await carry_out(tx, PlaceBooking(event_id, new_id(), (BookingLine(ticket_type_id, units),)), NOW)
