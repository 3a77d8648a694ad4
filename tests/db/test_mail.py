"""The outbox: what is stored, sent, put off, expired and forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from evently.db import Database
from evently.kit.ids import new_id
from evently.mail import mailbox
from evently.reactions import EFFECTS
from evently.reactions.relay import Relay
from tests.support.mail import make_mail
from tests.support.sales_desk import SalesDesk, open_sales_desk


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


async def make_person(db: Database, email: str, name: str = "Robin Roe") -> UUID:
    person_id = new_id()
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO people (person_id, email, name, role, version, created_at) "
            "VALUES ($1, $2, $3, 'buyer', 1, now())",
            person_id,
            email,
            name,
        )
    return person_id


async def test_a_booking_becomes_one_message(db: Database, desk: SalesDesk) -> None:
    robin = await make_person(db, "robin@evently.example")
    event = await desk.event()
    await desk.book(event, 2, buyer=robin)
    await desk.book(event, 1)  # of a person without an address
    relay = Relay(db, desk.clock, EFFECTS)
    while await db.fetch_value("SELECT count(*) FROM journal WHERE delivered_at IS NULL"):
        await relay.run_once()
    mail = make_mail(db, desk.clock, mailbox=True)
    assert await mail.run_once() == 1.0
    assert await mail.run_once() == 1.0
    (shown,) = (await mailbox.list_shown(db, "robin@", 10, None)).data
    assert shown.subject == "Your tickets: Jazz by night, 1 July"
    assert "Wednesday, 1 July 2026, 14:00 to 17:00" in shown.text
    assert "2 × Regular" in shown.text
    assert "Your booking is confirmed" in shown.html
    assert (await mailbox.list_shown(db, "klara@", 10, None)).data == []
