"""The database accepts just the states of the types; revision 0011 fills in how bookings are paid."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any, Final, get_args

import msgspec
import pytest
import pytest_asyncio

from evently.db import Database
from evently.kit.ids import new_id
from evently.sales import states
from evently.sales.commands.bookings import BookingLine, ConfirmBooking, PlaceBooking
from evently.sales.commands.sale_terms import CancelSale, PutConditions, PutTicketType
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.outcomes import Booked
from evently.sales.rules.state import DOOR_KEPT
from evently.sales.terms import Conditions, TicketTypeTerms
from tests.support.catalogue import sale_terms
from tests.support.sales_desk import SalesDesk, booking, open_sales_desk

CONSTRAINTS: Final = {
    "sales_state_ck": states.SaleState,
    "bookings_state_ck": states.BookingState,
    "bookings_payment_ck": states.BookingPayment,
    "tickets_state_ck": states.TicketState,
    "waitlist_entries_state_ck": states.EntryState,
    "transfers_state_ck": states.TransferState,
}


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest.mark.parametrize(("name", "type_"), CONSTRAINTS.items())
async def test_the_database_accepts_the_states_of_the_type(
    name: str, type_: Any, shared_db: Database
) -> None:
    definition = await shared_db.fetch_value(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", name
    )
    assert set(re.findall(r"'(\w+)'::text", definition)) == set(get_args(type_))


async def sell(desk: SalesDesk) -> None:
    """Leave bookings that are paid at the door, online, and not at all; held, confirmed, offered."""
    door = await desk.event(sale_terms(capacity=10))
    await desk.book(door, 2, key="door", fingerprint=b"door")
    await desk.change(PutConditions(door.event_id, Conditions("door", fees=Conditions().fees)))
    await desk.book(door)
    online = await desk.event(sale_terms(capacity=10))
    await desk.change(PutConditions(online.event_id, Conditions("online")))
    (type_id,) = (await desk.types(online)).values()
    pool_ids = tuple(
        row["pool_id"]
        for row in await desk.db.fetch("SELECT pool_id FROM pools WHERE event_id = $1", online.event_id)
    )
    free = TicketTypeTerms(new_id(), "Free", "", 2, 0, 10, pool_ids)
    await desk.change(PutTicketType(online.event_id, free))
    held = await desk.book(online, key="held", fingerprint=b"held")
    await desk.book(online)
    await desk.engine.submit(ConfirmBooking(held.event_id, held.booking_id, new_id(), held.total_minor()))
    line = BookingLine(free.ticket_type_id, 1)
    booking(await desk.engine.submit(PlaceBooking(online.event_id, new_id(), (line,))))
    await desk.engine.submit(JoinWaitlist(online.event_id, new_id(), type_id, 2))


async def payments(db: Database) -> dict[object, str]:
    return {
        row["booking_id"]: row["payment"]
        for row in await db.fetch("SELECT booking_id, payment FROM bookings")
    }


async def test_the_revision_fills_in_how_bookings_are_paid(db: Database, desk: SalesDesk) -> None:
    await sell(desk)
    before = await payments(db)
    assert set(before.values()) == {"online", "door", "none"}
    revision = files("evently.db.migrations.versions").joinpath("0011_booking_payment.sql")
    async with db.transaction() as tx:
        await tx.execute("ALTER TABLE bookings DROP COLUMN payment")
        await tx.execute(revision.read_text(encoding="utf-8"))
    assert await payments(db) == before


async def test_the_revision_reads_from_the_journal_who_keeps_what_was_paid_at_the_door(
    db: Database, desk: SalesDesk
) -> None:
    for keeps_door in (True, False):
        event = await desk.event()
        await desk.change(CancelSale(event.event_id, keeps_door))
    before = await db.fetch("SELECT event_id, extras FROM sales ORDER BY event_id")
    assert sorted([row["extras"] & DOOR_KEPT for row in before]) == [0, DOOR_KEPT]
    revision = files("evently.db.migrations.versions").joinpath("0025_door_kept.sql")
    async with db.transaction() as tx:
        await tx.execute("UPDATE sales SET extras = extras & ~$1::integer", DOOR_KEPT)
        await tx.execute(revision.read_text(encoding="utf-8"))
    assert await db.fetch("SELECT event_id, extras FROM sales ORDER BY event_id") == before


async def test_an_answer_from_before_the_revision_says_how_its_booking_is_paid(
    db: Database, desk: SalesDesk
) -> None:
    """Its stored outcome has no such field; a repeated request gets it all the same."""
    await sell(desk)
    for key, event_id, buyer_id, answer in await db.fetch(
        "SELECT key, event_id, actor_id, answer FROM idempotency_keys"
    ):
        stored = msgspec.msgpack.decode(answer)
        expected = stored.pop("payment")
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE idempotency_keys SET answer = $1 WHERE event_id = $2 AND key = $3",
                msgspec.msgpack.encode(stored),
                event_id,
                key,
            )
        line = BookingLine(new_id(), 1)
        again = PlaceBooking(event_id, buyer_id, (line,), key=key, fingerprint=key.encode())
        outcome = await desk.engine.submit(again)
        assert isinstance(outcome, Booked)
        assert outcome.replayed
        assert outcome.booking.payment == expected
