"""Names on tickets with real connections: who waits for whom, and what is never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from evently import attendees
from evently.accounts import people
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.sales.nouns import Booking
from tests.support.catalogue import until_somebody_waits
from tests.support.sales_desk import SalesDesk, open_sales_desk


@pytest.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


async def add_person(db: Database, desk: SalesDesk) -> UUID:
    person_id = new_id()
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO people (person_id, email, name, role, version, created_at) "
            "VALUES ($1, $2, 'Ada', 'buyer', 1, $3)",
            person_id,
            f"{person_id}@evently.example",
            desk.clock(),
        )
    return person_id


async def booked(db: Database, desk: SalesDesk) -> tuple[Event, Booking, UUID]:
    event, buyer_id = await desk.event(), await add_person(db, desk)
    return event, await desk.book(event, 2, buyer=buyer_id), buyer_id


async def give(
    db: Database, desk: SalesDesk, event: Event, booking: Booking, names: dict[UUID, str | None]
) -> dict[UUID, attendees.TicketName]:
    async with db.transaction() as tx:
        return await attendees.put_names(tx, event, booking, names, desk.clock())


async def test_no_name_survives_the_erasure_of_who_gives_it_at_that_moment(
    db: Database, desk: SalesDesk
) -> None:
    event, booking, buyer_id = await booked(db, desk)
    first, second = [ticket.ticket_id for ticket in booking.tickets]
    await give(db, desk, event, booking, {first: "Grace"})
    async with db.transaction() as tx:
        await people.lock_person(tx, buyer_id)
        late = asyncio.ensure_future(give(db, desk, event, booking, {second: "Linus"}))
        await until_somebody_waits(db)  # the name waits for the erasure
        await people.erase_person(tx, buyer_id, desk.clock())
        await attendees.forget_person(tx, buyer_id)
    with pytest.raises(Refused) as refused:
        await late
    assert refused.value.refusal is CommonRefusal.NOT_FOUND
    assert await db.fetch_value("SELECT count(*) FROM attendee_names") == 0


async def test_two_changes_at_once_take_turns_and_both_are_counted(db: Database, desk: SalesDesk) -> None:
    event, booking, _ = await booked(db, desk)
    ticket_id = booking.tickets[0].ticket_id
    seen: list[int] = []

    async def change(number: int) -> None:
        async with db.transaction() as tx:
            names: dict[UUID, str | None] = {ticket_id: f"Grace {number}"}
            await attendees.put_names(tx, event, booking, names, desk.clock(), seen.append)

    await asyncio.gather(*[change(number) for number in range(6)])
    assert sorted(seen) == [0, 1, 2, 3, 4, 5], "each has seen the version before its own"
    found = await attendees.find_names(db, booking)
    assert found[ticket_id].version == 6


async def test_giving_a_name_does_not_wait_for_the_sale_of_the_event(db: Database, desk: SalesDesk) -> None:
    event, booking, _ = await booked(db, desk)
    async with db.transaction() as tx:
        await tx.execute("SELECT 1 FROM sales WHERE event_id = $1 FOR NO KEY UPDATE", event.event_id)
        await tx.execute("UPDATE tickets SET state = state WHERE event_id = $1", event.event_id)
        given = give(db, desk, event, booking, {booking.tickets[0].ticket_id: "Grace"})
        assert len(await asyncio.wait_for(given, 60)) == 1


async def test_a_name_is_written_all_or_none_and_only_when_it_changes(db: Database, desk: SalesDesk) -> None:
    event, booking, _ = await booked(db, desk)
    first, second = [ticket.ticket_id for ticket in booking.tickets]
    await give(db, desk, event, booking, {first: "Grace", second: "Linus"})
    again = await give(db, desk, event, booking, {first: "Grace", second: None})
    assert (again[first].version, again[second].version, again[second].name) == (1, 2, None)
    booking = await desk.cancel(booking, second)
    with pytest.raises(Refused) as refused:
        await give(db, desk, event, booking, {first: "Edsger", second: "Edsger"})
    assert refused.value.reason == "void"
    assert (await attendees.find_names(db, booking))[first].name == "Grace"


async def test_the_list_of_attendees_reads_along_the_key_of_tickets(db: Database, desk: SalesDesk) -> None:
    event, booking, _ = await booked(db, desk)
    for _ in range(5):
        await desk.book(event, 4)
    names = {booking.tickets[0].ticket_id: "Grace"}
    await give(db, desk, event, booking, dict(names))
    after, found = None, []
    while True:
        page = await attendees.list_attendees(db, event.event_id, 3, after)
        found += page.data
        if (after := page.next_cursor) is None:
            break
    assert len(found) == 22
    assert [each.ticket_id for each in found] == sorted(each.ticket_id for each in found)
    assert {each.ticket_id: each.name for each in found if each.name} == names
    exported = [each async for part in attendees.export_attendees(db, event.event_id) for each in part]
    assert exported == found
    assert event.names_end_at == event.starts_at
    assert timedelta(0) < event.names_end_at - desk.clock()
