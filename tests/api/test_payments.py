"""Paying over HTTP: a hold becomes a booking, refunds, webhooks, the page of the demo gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.sales import Conditions
from tests.box_office import BoxOffice, open_box_office
from tests.catalogue import event_terms
from tests.paying import ONLINE, sold_under

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


class Buyer:
    """Somebody who holds tickets of an event that is paid online."""

    def __init__(self, office: BoxOffice, headers: dict[str, str], event: Event, booking: dict[str, Any]) -> None:
        self.office = office
        self.headers = headers
        self.event = event
        self.booking = booking

    async def pay(self, key: str | None = None, **body: Any) -> Any:
        sent = self.headers | ({"Idempotency-Key": key} if key else {})
        answer = await self.office.client.post(f"/v1/bookings/{self.booking['id']}/payments", json=body, headers=sent)
        await self.office.context.checkout.quiet()
        return answer

    async def look(self, path: str) -> Any:
        return await self.office.client.get(path, headers=self.headers)


async def online_event(office: BoxOffice, conditions: Conditions = ONLINE) -> Event:
    now = utc_now()
    terms = event_terms(office.venue.venue_id, starts_at=now + timedelta(days=30), ends_at=now + timedelta(days=30, hours=3))
    async with office.context.database.transaction() as tx:
        event = await organizing.create_event(tx, office.venue.organizer_id, terms, sold_under(conditions), now)
        return await organizing.publish_event(tx, event.event_id, now)


async def buyer_of(office: BoxOffice, quantity: int = 2, event: Event | None = None) -> Buyer:
    event = event or await online_event(office)
    headers = office.as_buyer()
    booking = await office.book(event, headers, quantity)
    assert booking.status_code == 201, booking.text
    assert booking.json()["state"] == "held"
    return Buyer(office, headers, event, booking.json())


async def test_a_hold_is_paid(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    answer = await buyer.pay(method="succeeds")
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert (paid["state"], paid["amount"]) == ("confirmed", {"amount": 5000, "currency": "EUR"})
    assert answer.headers["location"] == f"/v1/payments/{paid['id']}"
    looked = (await buyer.look(answer.headers["location"])).json()
    assert (looked["state"], looked["id"]) == ("captured", paid["id"])
    assert (await buyer.look(f"/v1/bookings/{buyer.booking['id']}")).json()["state"] == "confirmed"
