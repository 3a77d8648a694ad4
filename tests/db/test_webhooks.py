"""Webhooks: what is stored, sent, signed and tried again; order, pauses, isolation; crashes lose nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from evently.catalogue import Event
from evently.db import Database
from evently.kit.ids import reference_of, show_id
from evently.webhooks import Webhooks
from tests.support.mail import deliver
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.webhooks import Program, make_webhooks, open_program, register, send_all


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    async with open_program() as opened:
        yield opened


@pytest_asyncio.fixture
async def sender(db: Database, desk: SalesDesk) -> AsyncIterator[Webhooks]:
    made = make_webhooks(db, desk.clock)
    yield made
    await made.stop()


async def states(db: Database) -> dict[str, int]:
    rows = await db.fetch("SELECT state, count(*) AS messages FROM webhook_deliveries GROUP BY state")
    return {row["state"]: row["messages"] for row in rows}


async def booked(db: Database, desk: SalesDesk, event: Event, times: int = 1, **more: Any) -> list[Any]:
    bookings = [await desk.book(event, 2, **more) for _ in range(times)]
    await deliver(db, desk.clock)
    return bookings


async def test_a_confirmed_booking_is_sent_signed_and_once(
    db: Database, desk: SalesDesk, program: Program, sender: Webhooks
) -> None:
    event = await desk.event()
    await deliver(db, desk.clock)
    _, secret = await register(
        db, event.organizer_id, program.address, desk.clock(), "booking.confirmed", "booking.cancelled"
    )
    (booking,) = await booked(db, desk, event)
    await db.fetch("UPDATE journal SET delivered_at = NULL WHERE seq > 1")  # delivered twice, stored once
    await deliver(db, desk.clock)
    await send_all(sender)
    (got,) = program.got
    body = program.verify(got, secret, desk.clock())
    assert body == {
        "type": "booking.confirmed",
        "timestamp": body["timestamp"],
        "data": {
            "event_id": show_id("evt", event.event_id),
            "seq": body["data"]["seq"],
            "url": f"/v1/events/{show_id('evt', event.event_id)}/bookings/"
            f"{show_id('bkg', booking.booking_id)}/story",
            "booking_id": show_id("bkg", booking.booking_id),
            "reference": reference_of(booking.booking_id),
            "state": "confirmed",
            "ticket_ids": [show_id("tkt", ticket.ticket_id) for ticket in booking.tickets],
            "total": {"amount": 2 * booking.tickets[0].price_minor, "currency": "EUR"},
        },
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Evently/")
    assert await states(db) == {"delivered": 1}
    row = await db.fetch_row("SELECT number, status, answer, milliseconds FROM webhook_attempts")
    assert row is not None
    assert (row["number"], row["status"], row["answer"]) == (1, 204, "")
    assert 0 <= row["milliseconds"] < 10_000
