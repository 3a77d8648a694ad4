"""Paying: what becomes of a hold, by the till, the rows and the gateway's own journal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from evently.db import Database
from evently.kit.errors import Refused
from tests.paying import Desk, open_desk


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[Desk]:
    async with open_desk(db) as opened:
        yield opened


async def test_a_hold_that_is_paid_is_confirmed_and_then_captured(desk: Desk) -> None:
    held = await desk.hold()
    paid = await desk.try_to_pay(held)
    assert (paid.payment.state, paid.replayed) == ("confirmed", False)
    await desk.checkout.quiet()
    assert (await desk.look(paid.payment)).state == "captured"
    booking = await desk.booking_now(held)
    assert (booking.state, booking.payment_id, booking.paid_minor) == ("confirmed", paid.payment.payment_id, 5000)
    assert booking.captured_at is not None
    assert await desk.effects(paid.payment) == ["authorised", "captured"]
