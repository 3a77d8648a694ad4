"""The textbook techniques must be honest: none of them oversells, loses a booking or answers a key twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bench.baselines import TECHNIQUES, Baseline
from evently.catalogue import Event
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.outcomes import Booked, No, Outcome, SalesRefusal
from evently.sales.reads import find_sale
from tests.support.catalogue import make_event, make_organizer, make_venue, sale_terms


@pytest.fixture(params=sorted(TECHNIQUES))
async def engine(request: pytest.FixtureRequest, db: Database) -> AsyncIterator[Baseline]:
    made = TECHNIQUES[request.param](db, utc_now)
    await made.start()
    yield made
    await made.stop()


async def on_sale(db: Database, capacity: int) -> Event:
    venue = await make_venue(db, await make_organizer(db))
    now = utc_now()
    return await make_event(
        db,
        venue,
        sale_terms(capacity=capacity),
        now=now,
        starts_at=now + timedelta(days=30),
        ends_at=now + timedelta(days=30, hours=3),
    )


async def command(
    db: Database, event: Event, units: int = 1, key: str | None = None, fingerprint: bytes = b"1"
) -> PlaceBooking:
    kind = next(iter((await find_sale(db, event.event_id)).ticket_types))
    return PlaceBooking(
        event.event_id,
        new_id(),
        (BookingLine(kind, units),),
        key=key or str(new_id()),
        fingerprint=fingerprint,
    )


def kind_of(outcome: Outcome) -> str:
    return outcome.refusal.value if isinstance(outcome, No) else type(outcome).__name__


async def test_nobody_is_oversold(engine: Baseline, db: Database) -> None:
    event = await on_sale(db, 50)
    commands = [await command(db, event, 1 + number % 2) for number in range(60)]
    outcomes = await asyncio.gather(*[engine.submit(each) for each in commands])
    units = sum(len(outcome.booking.tickets) for outcome in outcomes if isinstance(outcome, Booked))
    assert units >= 49
    row = await db.fetch_row("SELECT sold, capacity FROM pools WHERE event_id = $1", event.event_id)
    assert row is not None
    assert row["sold"] == units <= row["capacity"]
    assert (
        await db.fetch_value(
            "SELECT count(*) FROM tickets WHERE event_id = $1 AND state = 'valid'", event.event_id
        )
        == units
    )
    told = {outcome.booking.booking_id for outcome in outcomes if isinstance(outcome, Booked)}
    for table in ("bookings", "idempotency_keys"):
        assert {
            found["booking_id"]
            for found in await db.fetch(f"SELECT booking_id FROM {table} WHERE event_id = $1", event.event_id)
        } == told
    assert {kind_of(outcome) for outcome in outcomes} == {"Booked", "sold-out"}


async def test_refusals(engine: Baseline, db: Database) -> None:
    event = await on_sale(db, 100)
    assert kind_of(await engine.submit(await command(db, event, 11))) == SalesRefusal.OVER_BOOKING_LIMIT


async def test_a_key_is_answered_once(db: Database) -> None:
    engine = TECHNIQUES["conditional"](db, utc_now)
    event = await on_sale(db, 100)
    asked = await command(db, event, key="k")
    outcomes = await asyncio.gather(*[engine.submit(asked) for _ in range(10)])
    assert Counter(outcome.replayed for outcome in outcomes if isinstance(outcome, Booked)) == {
        False: 1,
        True: 9,
    }
    assert len({outcome.booking.booking_id for outcome in outcomes if isinstance(outcome, Booked)}) == 1
