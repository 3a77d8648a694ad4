"""Waiting rooms on a real database: the draw, turns, two processes, races, and what the audit sees."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from evently import sales, waitingroom
from evently.audit import examine, inspect
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales import Engine
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import CancelSale, ChangeSale, PutPool, PutTicketType
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.outcomes import Booked, Listed, No, Outcome, SalesRefusal
from evently.sales.terms import PoolTerms, TicketTypeTerms
from evently.waitingroom import (
    Entry,
    Place,
    Wait,
    WaitingRoomRefusal,
    WaitingRooms,
    WaitingRoomTerms,
    next_poll,
    put_room,
)
from tests.support.catalogue import sale_terms
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import open_engine
from tests.support.stored import check_stored

SECRET = b"a secret of the tests"
HOUR = timedelta(hours=1)


class _RolledBack(Exception):
    pass


class Room:
    """The waiting room of an event, as one process knows it."""

    def __init__(self, desk: SalesDesk, event: Event, engine: Engine, type_id: UUID) -> None:
        self.desk = desk
        self.event = event
        self.engine = engine
        self.type_id = type_id
        self.rooms = WaitingRooms(desk.db, engine, SECRET, desk.clock)

    def move(self, **ahead: float) -> None:
        """Move the clock; what was remembered is as old as that."""
        self.desk.clock.move(**ahead)
        self.forget()

    def forget(self) -> None:
        """Forget what was read a moment ago."""
        self.rooms.forget_room(self.event.event_id)
        self.engine._glances.forget(self.event.event_id)

    async def enter(self, person_id: UUID | None = None) -> Entry:
        return await self.rooms.enter(self.event.event_id, person_id or new_id())

    async def fill(self, people: int) -> list[Entry]:
        """Open the waiting room, let people enter, and begin the sale."""
        self.move(hours=1)
        entries = [await self.enter() for _ in range(people)]
        self.move(hours=1)
        return entries

    async def place(self, entry: Entry) -> Place:
        token = self.rooms.sign_place(entry)
        found = self.rooms.read_place(token, self.event.event_id)
        return await self.rooms.find_place(found, await self.rooms.get_room(self.event.event_id))

    async def places(self, entries: list[Entry]) -> list[Place]:
        return await asyncio.gather(*[self.place(entry) for entry in entries])

    async def book(self, entry: Entry, place: Place | None = None, units: int = 1) -> Outcome:
        """Book as the web does: an admission that is verified, or none."""
        token = place.admission.token if place and place.admission else None
        admitted = self.rooms.admits(token, self.event.event_id, entry.person_id)
        line = BookingLine(self.type_id, units)
        return await self.engine.submit(
            PlaceBooking(self.event.event_id, entry.person_id, (line,), admitted=admitted)
        )


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked in the end, and whose audit is clean."""
    async with open_sales_desk(db) as opened:
        yield opened
    await check_stored(db)


async def marked(desk: SalesDesk, capacity: int = 100, **terms: Any) -> Room:
    """Put an event on sale in two hours, behind a waiting room that opens an hour before."""
    clock = desk.clock
    event = await desk.event(sale_terms(capacity=capacity, per_booking_max=10))
    sale = await sales.reads.find_sale(desk.db, event.event_id)
    await desk.change(ChangeSale(event.event_id, clock() + 2 * HOUR, sale.off_sale_at))
    async with desk.db.transaction() as tx:
        await put_room(tx, event.event_id, WaitingRoomTerms(**terms), clock())
    (type_id,) = (await desk.types(event)).values()
    return Room(desk, event, desk.engine, type_id)


async def breaches(db: Database) -> list[str]:
    """Return the codes of the invariants that do not hold. Times of tests are long past."""
    return [each.code for each in await inspect(db) if each.count and each.code not in ("I9", "I12")]


async def breaches_after(db: Database, change: str) -> set[str]:
    """Return the codes of the invariants that do not hold after a change, which is rolled back."""
    try:
        async with db.transaction() as tx:
            await tx.execute(change)
            found = {each.code for each in await examine(tx) if each.count}
            raise _RolledBack
    except _RolledBack:
        return found


async def test_everybody_on_the_list_gets_the_position_that_anybody_can_compute(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60)
    promised = await waitingroom.find_room(desk.db, room.event.event_id, desk.clock())
    assert promised is not None
    room.move(hours=1)
    entries = [await room.enter() for _ in range(30)]
    assert {place.state for place in await room.places(entries)} == {"entered"}
    room.move(hours=1)
    late = [await room.enter() for _ in range(3)]
    places = await room.places([*entries, *late])
    assert sorted(place.position or 0 for place in places) == list(range(1, 34))
    assert [place.position for place in places[30:]] == [31, 32, 33]
    drawn = await waitingroom.find_room(desk.db, room.event.event_id, desk.clock())
    assert drawn is not None
    assert hashlib.sha256(drawn.seed).digest() == promised.seed_hash
    listed = "".join(sorted(entry.entry_id.hex for entry in entries))
    list_hash = hashlib.sha256(listed.encode()).hexdigest()
    ranked = sorted(
        entries,
        key=lambda entry: hmac.digest(drawn.seed, (entry.entry_id.hex + list_hash).encode(), "sha256"),
    )
    assert [place.position for place in await room.places(ranked)] == list(range(1, 31))
    assert await waitingroom.list_entries(desk.db, room.event.event_id, UUID(int=0), 100) == sorted(
        entry.entry_id.hex for entry in entries
    )
    assert not await breaches(desk.db)


async def test_people_are_admitted_in_order_book_and_nobody_else_does(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60)
    entries = await room.fill(5)
    before = await room.places(entries)
    assert {place.state for place in before} == {"waiting"}
    assert sorted(place.ahead or 0 for place in before) == [0, 1, 2, 3, 4]
    for entry in entries:
        refused = await room.book(entry)
        assert isinstance(refused, No)
        assert refused.refusal is SalesRefusal.NOT_ADMITTED
    room.move(seconds=2)
    after = await room.places(entries)
    assert [place.state for place in sorted(after, key=lambda place: place.position or 0)] == [
        "admitted", "admitted", "waiting", "waiting", "waiting",
    ]  # fmt: skip
    for entry, place in zip(entries, after, strict=True):
        outcome = await room.book(entry, place)
        assert isinstance(outcome, Booked) == (place.state == "admitted")
    first = next(place for place in after if place.state == "admitted")
    stranger = await room.enter()
    assert isinstance(await room.book(stranger, first), No), "an admission is for one person"
    room.move(minutes=10)
    assert isinstance(await room.book(entries[after.index(first)], first), No), "and for ten minutes"
    assert not await breaches(desk.db)


async def test_a_place_is_kept_for_ten_minutes_and_then_there_is_a_new_one_at_the_end(
    desk: SalesDesk,
) -> None:
    room = await marked(desk, per_minute=60)
    room.move(hours=1)
    person_id = new_id()
    entry = await room.enter(person_id)
    assert await room.enter(person_id) == entry
    room.move(hours=1)
    await room.place(entry)
    room.move(seconds=1, minutes=9, milliseconds=59_000)
    kept = await room.place(entry)
    assert kept.state == "admitted", "the turn came nine minutes ago, and nobody was there"
    again = await room.enter(person_id)
    assert again.entry_id == entry.entry_id
    room.move(minutes=10)
    assert (await room.place(entry)).state == "passed"
    anew = await room.enter(person_id)
    assert anew.entry_id != entry.entry_id
    assert anew.late_number == 1
    room.move(seconds=1)
    assert (await room.place(anew)).state == "admitted"
    missed = await room.enter()
    room.move(minutes=11)
    assert (await room.place(missed)).state == "passed"
    assert (await room.enter(missed.person_id)).late_number == 3
    assert not await breaches(desk.db)


async def test_two_processes_draw_the_same_order_once(desk: SalesDesk, database_url: str) -> None:
    room = await marked(desk, capacity=10_000, per_minute=6_000)
    room.move(hours=1)
    entries = list(await asyncio.gather(*[room.enter() for _ in range(50)]))
    async with open_engine(database_url, desk.clock) as engine:
        other = Room(desk, room.event, engine, room.type_id)
        room.move(hours=1)
        one, two, late = await asyncio.gather(
            room.places(entries),
            other.places(entries),
            asyncio.gather(*[each.enter() for each in (room, other) * 10]),
        )
        assert one == two
        assert sorted(entry.late_number or 0 for entry in late) == list(range(1, 21))
        desk.clock.move(seconds=1)
        for each in (room, other):
            each.rooms.forget_room(room.event.event_id)
        admitted = await asyncio.gather(room.places(entries), other.places(entries))
        assert {place.state for place in [*admitted[0], *admitted[1]]} == {"admitted"}
        # A token of one process is valid in the other, whose lane knows that the sale has a waiting room
        outcome = await other.book(entries[0], admitted[0][0])
        assert isinstance(outcome, Booked)
        assert isinstance(await other.book(entries[0]), No)
    assert not await breaches(desk.db)


async def test_who_enters_while_the_list_closes_is_on_it_or_late_and_never_lost(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60)
    room.move(hours=1)
    before = [asyncio.create_task(room.enter()) for _ in range(40)]
    await asyncio.sleep(0)
    room.move(hours=1)
    entries = await asyncio.gather(*before, *[room.enter() for _ in range(40)])
    places = await room.places(list(entries))
    assert sorted(place.position or 0 for place in places) == list(range(1, 81))
    assert not await breaches(desk.db)


async def test_the_order_waits_for_the_public_value(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60, public_source="The number that the notary draws")
    event_id, clock = room.event.event_id, desk.clock

    async def draw(value: str) -> None:
        async with desk.db.transaction() as tx:
            await waitingroom.put_public_value(tx, event_id, value, clock())
        room.rooms.forget_room(event_id)

    room.move(hours=1)
    entries = [await room.enter() for _ in range(10)]
    with pytest.raises(Refused, match="public-value-not-wanted: open"):
        await draw("31")
    room.move(hours=1, minutes=5)
    assert {place.state for place in await room.places(entries)} == {"drawing"}
    closed = await waitingroom.find_room(desk.db, event_id, clock())
    assert closed is not None
    assert closed.list_hash is not None
    suffix = f"{closed.list_hash.hex()}31"
    late = await room.enter()
    await draw(" 31 ")
    await draw("31")
    with pytest.raises(Refused, match="public-value-not-wanted: drawn"):
        await draw("32")
    room.move(seconds=11)
    places = await room.places([*entries, late])
    assert places[-1].position == 11
    ranked = sorted(
        entries,
        key=lambda entry: hmac.digest(
            closed.seed,
            (entry.entry_id.hex + suffix).encode(),
            "sha256",
        ),
    )
    assert [place.position for place in await room.places(ranked)] == list(range(1, 11))
    assert not await breaches(desk.db)


async def test_nobody_is_admitted_when_nothing_is_left(desk: SalesDesk) -> None:
    room = await marked(desk, capacity=2, per_minute=60)
    entries = await room.fill(4)
    await room.places(entries)
    room.move(minutes=1)
    places = sorted(
        zip(await room.places(entries), entries, strict=True), key=lambda each: each[0].position or 0
    )
    # Two tickets are left, so two people a minute
    assert [place.state for place, _ in places] == ["admitted", "admitted", "waiting", "waiting"]
    for place, entry in places[:2]:
        assert isinstance(await room.book(entry, place), Booked)
    room.move(seconds=1)
    await room.rooms.get_room(room.event.event_id)
    room.move(minutes=5)
    now = await room.rooms.get_room(room.event.event_id)
    assert now.sold_out
    waiting = await room.place(places[2][1])
    assert (waiting.state, waiting.turn_at) == ("waiting", None)
    # Who waits may join the waitlist now
    join = JoinWaitlist(room.event.event_id, entries[0].person_id, room.type_id, 1)
    assert isinstance(await room.engine.submit(join), Listed)
    assert not await breaches(desk.db)


async def test_add_ons_and_tickets_of_later_are_nothing_to_wait_for(desk: SalesDesk) -> None:
    """Parking lots are left, and the late show begins to sell tomorrow: nobody is admitted to nothing."""
    room = await marked(desk, capacity=2, per_minute=60)
    event_id = room.event.event_id
    lots, tomorrow = PoolTerms(new_id(), "Lots", 50), PoolTerms(new_id(), "Late show", 50)
    parking = TicketTypeTerms(
        new_id(), "Parking", "", 1, 500, 10, (lots.pool_id,), needed_ids=(room.type_id,)
    )
    late = TicketTypeTerms(
        new_id(), "Late", "", 2, 500, 10, (tomorrow.pool_id,), on_sale_at=desk.clock() + 26 * HOUR
    )
    await desk.change(
        *[PutPool(event_id, pool) for pool in (lots, tomorrow)],
        *[PutTicketType(event_id, terms) for terms in (parking, late)],
    )
    entries = await room.fill(3)
    assert (await room.rooms.get_room(event_id)).left == 2
    room.move(seconds=90)
    places = await room.places(entries)
    first = next(number for number, place in enumerate(places) if place.state == "admitted")
    assert isinstance(await room.book(entries[first], places[first], units=2), Booked)
    room.move(seconds=1)
    now = await room.rooms.get_room(event_id)
    assert (now.left, now.sold_out) == (0, True)
    room.move(hours=23, minutes=59)
    assert (await room.rooms.get_room(event_id)).left == 50
    assert not await breaches(desk.db)


async def test_there_is_nothing_to_wait_for_after_the_end(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60)
    cancelled = await marked(desk, per_minute=60)
    desk.clock.move(hours=1)
    entry, other = await room.enter(), await cancelled.enter()
    desk.clock.move(hours=1)
    await desk.change(CancelSale(cancelled.event.event_id))
    desk.clock.now = (await sales.reads.find_sale(desk.db, room.event.event_id)).off_sale_at
    for each, place, refusal in (
        (room, entry, SalesRefusal.SALE_ENDED),
        (cancelled, other, SalesRefusal.EVENT_CANCELLED),
    ):
        each.forget()
        with pytest.raises(Refused, match=refusal):
            await each.place(place)
        with pytest.raises(Refused, match=refusal):
            await each.enter()


async def test_a_process_that_begins_in_the_middle_says_the_same(desk: SalesDesk, database_url: str) -> None:
    """The admission lasts as long as before, and a place has the same position and the same turn."""
    room = await marked(desk, per_minute=60)
    entries = await room.fill(6)
    await room.places(entries)
    room.move(seconds=3)
    before = await room.places(entries)
    assert [place.state for place in before].count("admitted") == 3
    room.move(minutes=8)
    async with open_engine(database_url, desk.clock) as engine:
        begun = Room(desk, room.event, engine, room.type_id)
        after = await begun.places(entries)
    for old, new in zip(before, after, strict=True):
        assert (new.position, new.turn_at) == (old.position, old.turn_at)
        if old.admission is not None:
            assert new.admission == old.admission
    assert not await breaches(desk.db)


async def test_an_admission_is_for_ten_minutes_and_not_for_one_booking(desk: SalesDesk) -> None:
    room = await marked(desk, per_minute=60)
    room.move(hours=1)
    entry = await room.enter()
    room.move(hours=1)
    await room.place(entry)
    room.move(seconds=1)
    place = await room.place(entry)
    assert place.admission is not None
    for _ in range(2):
        assert isinstance(await room.book(entry, place), Booked)
    room.move(minutes=10)
    late = await room.book(entry, place)
    assert isinstance(late, No)
    assert late.refusal is SalesRefusal.NOT_ADMITTED
    assert (await room.place(entry)).state == "passed"
    assert not await breaches(desk.db)


async def test_people_are_admitted_again_when_the_organizer_adds_tickets(desk: SalesDesk) -> None:
    room = await marked(desk, capacity=1, per_minute=60)
    event_id = room.event.event_id
    (pool,) = (await sales.reads.find_sale(desk.db, event_id)).pools.values()
    entries = await room.fill(3)
    await room.places(entries)
    room.move(minutes=1)
    places = await room.places(entries)
    first = next(number for number, place in enumerate(places) if place.state == "admitted")
    assert isinstance(await room.book(entries[first], places[first]), Booked)
    room.move(minutes=5)
    assert (await room.rooms.get_room(event_id)).sold_out
    await desk.change(PutPool(event_id, PoolTerms(pool.pool_id, pool.name, 41)))
    room.move(seconds=1)
    assert (await room.rooms.get_room(event_id)).left == 40
    room.move(seconds=10)
    assert {place.state for place in await room.places(entries)} == {"admitted"}
    assert not await breaches(desk.db)


async def test_people_are_told_how_long_and_when_to_ask_again(desk: SalesDesk) -> None:
    room = await marked(desk, capacity=20, per_minute=10)
    room.move(hours=1)
    entries = [await room.enter() for _ in range(30)]
    now = await room.rooms.get_room(room.event.event_id)
    asks = [next_poll(await room.place(entry), now, entry.entry_id, desk.clock()) for entry in entries]
    assert set(asks) == {30}
    room.move(minutes=59, seconds=50)
    now = await room.rooms.get_room(room.event.event_id)
    asks = [next_poll(await room.place(entry), now, entry.entry_id, desk.clock()) for entry in entries]
    assert set(asks) <= {10, 11}, "when the sale begins, and not all at once"
    room.move(seconds=10)
    places = sorted(await room.places(entries), key=lambda place: place.position or 0)
    assert [place.wait and place.wait.soonest for place in places[:3]] == [6, 12, 18]
    assert places[19].wait == Wait(120, 199)
    assert places[20].wait == Wait(126, None), "everything may be sold before"
    now = await room.rooms.get_room(room.event.event_id)
    asks = [next_poll(place, now, entries[0].entry_id, desk.clock()) for place in places]
    assert asks == sorted(asks)
    assert (asks[0], asks[-1]) == (2, 30)


async def test_the_waitlist_is_no_way_around_the_waiting_room(desk: SalesDesk) -> None:
    room = await marked(desk)
    join = JoinWaitlist(room.event.event_id, new_id(), room.type_id, 1)
    for hours in (0, 1, 1, 1):
        room.move(hours=hours)
        outcome = await room.engine.submit(join)
        assert isinstance(outcome, No)
        assert outcome.refusal is SalesRefusal.NOT_ADMITTED


async def test_turns_that_nobody_took_do_not_come_all_at_once(desk: SalesDesk) -> None:
    room = await marked(desk, capacity=10_000, per_minute=60)
    room.move(hours=2)
    await room.rooms.get_room(room.event.event_id)
    room.move(hours=2)
    entries = list(await asyncio.gather(*[room.enter() for _ in range(100)]))
    room.move(seconds=1)
    states = [place.state for place in await room.places(entries)]
    assert 1 <= states.count("admitted") <= 12
    assert not await breaches(desk.db)


async def test_what_was_promised_cannot_be_changed(desk: SalesDesk) -> None:
    room = await marked(desk)
    event_id, clock, terms = room.event.event_id, desk.clock, WaitingRoomTerms()
    sale = await sales.reads.find_sale(desk.db, event_id)

    async def change(new: WaitingRoomTerms) -> None:
        async with desk.db.transaction() as tx:
            await put_room(tx, event_id, new, clock())

    with pytest.raises(Refused, match="waiting-room-fixed: on_sale_at"):
        await desk.change(ChangeSale(event_id, clock() + HOUR, sale.off_sale_at))
    await desk.change(ChangeSale(event_id, sale.on_sale_at, sale.off_sale_at + HOUR))
    await change(WaitingRoomTerms(opens_minutes_before=30))
    await change(terms)
    room.move(hours=1)
    with pytest.raises(Refused, match="waiting-room-fixed: open"):
        await change(WaitingRoomTerms(opens_minutes_before=30))
    with pytest.raises(Refused, match="waiting-room-fixed: open"):
        await change(WaitingRoomTerms(public_source="another"))
    with pytest.raises(Refused, match="waiting-room-fixed: open"):
        async with desk.db.transaction() as tx:
            await waitingroom.remove_room(tx, event_id, clock())
    await change(WaitingRoomTerms(per_minute=5))
    room.rooms.forget_room(event_id)
    found = await room.rooms.find_room(event_id)
    assert found is not None
    assert (found.per_minute, found.version) == (5, 4)
    other = await desk.event()
    with pytest.raises(Refused, match="waiting-room-fixed: begun"):
        async with desk.db.transaction() as tx:
            await put_room(tx, other.event_id, terms, clock())
    assert not await breaches(desk.db)


async def test_a_waiting_room_that_was_removed_is_gone(desk: SalesDesk) -> None:
    room = await marked(desk)
    async with desk.db.transaction() as tx:
        await waitingroom.remove_room(tx, room.event.event_id, desk.clock())
    room.move(hours=2)
    with pytest.raises(Refused, match="no-waiting-room"):
        await room.enter()
    outcome = await room.engine.submit(
        PlaceBooking(room.event.event_id, new_id(), (BookingLine(room.type_id, 1),))
    )
    assert isinstance(outcome, Booked)
    assert not await breaches(desk.db)


async def test_nobody_enters_before_it_opens(desk: SalesDesk) -> None:
    room = await marked(desk)
    with pytest.raises(Refused) as refused:
        await room.enter()
    assert refused.value.refusal is WaitingRoomRefusal.NOT_OPEN


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE waiting_room_entries SET position = 99 WHERE position = 1",
        "UPDATE waiting_room_entries SET admitted_at = admitted_at - interval '3 s' WHERE position = 2",
        "UPDATE waiting_room_entries SET admitted_at = NULL, position = NULL WHERE position IS NOT NULL",
        "UPDATE waiting_room_entries SET entry_id = gen_random_uuid() WHERE late_number IS NULL",
        "UPDATE waiting_room_entries SET late_number = 7 WHERE late_number = 1",
        "UPDATE waiting_room_entries SET late_number = 2 WHERE late_number IS NULL AND position = 1",
        "UPDATE waiting_rooms SET public_source = 'drand', public_value = '7'",
        "UPDATE waiting_rooms SET seed = sha256('7'), seed_hash = sha256(sha256('7'))",
        "UPDATE waiting_rooms SET list_hash = sha256(list_hash)",
        "UPDATE waiting_rooms SET listed = listed - 1",
        "DELETE FROM waiting_rooms",
    ],
)
async def test_the_audit_sees_what_cannot_be(desk: SalesDesk, change: str) -> None:
    room = await marked(desk, per_minute=60)
    entries = await room.fill(3)
    await room.places(entries)
    await room.enter()
    room.move(seconds=3)
    for entry, place in zip(entries, await room.places(entries), strict=True):
        assert isinstance(await room.book(entry, place), Booked)
    assert not await breaches(desk.db)
    found = await breaches_after(desk.db, change)
    assert found - {"I9", "I12"} == {"I14"}
