"""The receivers of docs/webhooks.md, as they stand there: each verifies what it gets, and refuses others."""

from __future__ import annotations

import pytest

from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import reference_of
from evently.webhooks import Caller
from evently.webhooks.secrets import sign
from tests.support.mail import deliver
from tests.support.sales_desk import open_sales_desk
from tests.support.webhooks import (
    LOOPBACK,
    NODE,
    make_webhooks,
    receiver_code,
    receiving,
    register,
    reserved_port,
    send_all,
)


@pytest.mark.parametrize(
    "language",
    ["python", pytest.param("js", marks=pytest.mark.skipif(NODE is None, reason="node is not installed"))],
)
async def test_a_receiver_gets_a_booking_once_and_refuses_what_is_not_signed(
    db: Database, language: str
) -> None:
    assert 20 <= len(receiver_code(language).splitlines()) <= 40, "thirty lines"
    with reserved_port() as port:
        async with open_sales_desk(db) as desk:
            event = await desk.event()
            await deliver(db, desk.clock)
            address = f"http://127.0.0.1:{port}/"
            _, secret = await register(db, event.organizer_id, address, desk.clock(), "booking.confirmed")
            async with receiving(language, secret, port) as process:
                booking = await desk.book(event)
                await deliver(db, desk.clock)
                sender = make_webhooks(db, utc_now)  # receivers compare the time
                for _ in range(2):
                    await send_all(sender)
                    await db.fetch("UPDATE webhook_deliveries SET state = 'pending', finished_at = NULL")
                await sender.stop()
                answers = await db.fetch("SELECT status FROM webhook_attempts ORDER BY number")
                assert [row["status"] for row in answers] == [204, 204]
                caller = Caller(LOOPBACK)
                forged = sign([bytes(32)], "whd_forged", utc_now(), "{}")
                assert (await caller.send(address, forged, b"{}")).status == 401
                await caller.close()
                process.kill()
                assert process.stdout is not None
                printed = (await process.stdout.read()).decode()
            assert printed == f"booking.confirmed {reference_of(booking.booking_id)}\n", "once"
