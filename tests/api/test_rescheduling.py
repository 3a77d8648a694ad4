"""A change of time or place over HTTP reaches each buyer once: journal, relay, job, notification."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import pytest

from evently import catalogue
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice, instant, open_box_office
from tests.support.catalogue import BERLIN
from tests.support.forms import form_of
from tests.support.sales_desk import until
from tests.support.visitor import Visitor

KIND: Final = "event_rescheduled"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    """The whole process, with its relay and its jobs."""
    async with open_box_office(database_url, background=True) as opened:
        yield opened


async def told(office: BoxOffice, buyer: dict[str, str]) -> Counter[str]:
    """Return how often a buyer was told of another time or place, by booking."""
    page = (await office.client.get("/v1/me/notifications?limit=100", headers=buyer)).json()
    return Counter(each["booking_id"] for each in page["data"] if each["kind"] == KIND)


async def patch(office: BoxOffice, event: Event, manager: dict[str, str], **said: Any) -> dict[str, Any]:
    """Change the event as its manager, and wait until everything that follows has happened."""
    url = f"/v1/events/{show_id('evt', event.event_id)}"
    seen = (await office.client.get(url, headers=manager)).headers["etag"]
    answer = await office.client.patch(url, json=said, headers=manager | {"If-Match": seen})
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()

    async def all_is_done() -> bool:
        database = office.context.database
        undelivered = await database.fetch_value("SELECT count(*) FROM journal WHERE delivered_at IS NULL")
        jobs = await database.fetch(
            "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'notify_buyers'"
        )
        return not undelivered and all(job["status"] == "succeeded" for job in jobs)

    await until(all_is_done)
    return changed


async def test_each_buyer_is_told_once_of_each_change(office: BoxOffice) -> None:
    event, manager = await office.open_event(capacity=20), await office.as_member("manager")
    ada, bob, gone, late = (office.as_buyer() for _ in range(4))
    first, second, other, cancelled = [
        (await office.book(event, buyer, 2)).json()["id"] for buyer in (ada, ada, bob, gone)
    ]
    assert (await office.post(f"/v1/bookings/{cancelled}/cancel", gone)).status_code == 200

    await patch(office, event, manager, title="Only another title")
    assert not await told(office, ada)
    # A minute later on the poster is another time
    starts_at = event.starts_at + timedelta(minutes=1)
    moved = await patch(office, event, manager, starts_at=starts_at.isoformat())
    assert instant(moved["starts_at"]) == starts_at
    assert await told(office, ada) == {first: 1, second: 1}
    assert await told(office, bob) == {other: 1}
    assert not await told(office, gone)

    latest = (await office.book(event, late)).json()["id"]
    async with office.context.database.transaction() as tx:
        venue = await catalogue.create_venue(tx, event.organizer_id, BERLIN, utc_now())
    await patch(office, event, manager, venue_id=show_id("ven", venue.venue_id))
    assert await told(office, ada) == {first: 2, second: 2}
    assert await told(office, bob) == {other: 2}
    assert await told(office, late) == {latest: 1}
    quote = (await office.client.get(f"/v1/bookings/{latest}/cancellation-quote", headers=late)).json()
    assert instant(quote["give_back_until"]) > utc_now() + timedelta(days=13)
    # The same again changes nothing, and nobody is told
    before = await office.context.database.fetch_value("SELECT count(*) FROM notifications")
    await patch(
        office, event, manager, venue_id=show_id("ven", venue.venue_id), starts_at=starts_at.isoformat()
    )
    await patch(office, event, manager, ends_at=(starts_at + timedelta(hours=5)).isoformat())
    assert await office.context.database.fetch_value("SELECT count(*) FROM notifications") == before
    assert not await told(office, gone)


async def test_the_buyers_at_a_venue_are_told_when_its_time_zone_is_corrected(office: BoxOffice) -> None:
    event, manager = await office.open_event(capacity=20), await office.as_member("manager")
    buyer = office.as_buyer()
    booked = (await office.book(event, buyer)).json()["id"]
    url = f"/v1/venues/{show_id('ven', event.venue_id)}"
    seen = (await office.client.get(url, headers=manager)).headers["etag"]
    for zone, times in (("Europe/Paris", 0), ("Europe/London", 1)):
        answer = await office.client.patch(
            f"{url}?dry_run=false", json={"time_zone": zone}, headers=manager | {"If-Match": seen}
        )
        assert answer.status_code == 200, answer.text
        seen = answer.headers["etag"]
        assert len(answer.json()["moves"]) == times, "in Paris the clocks show what they show in Berlin"

        async def is_told(times: int = times) -> bool:
            return await told(office, buyer) == Counter({booked: times} if times else {})

        await until(is_told)


async def test_the_page_of_a_venue_says_that_buyers_are_told_and_they_are(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=20), office.as_buyer()
    booked = (await office.book(event, buyer)).json()["id"]
    member = Visitor(office, await office.as_member("manager"))
    venue = f"/organize/venues/{show_id('ven', event.venue_id)}"
    await member.read(venue)
    await member.send(venue, form_of(member.text, venue) | {"time_zone": "America/New_York"})
    assert "Their buyers are told." in member.text
    assert not await told(office, buyer), "nothing has happened yet"
    await member.submit(venue)

    async def is_told() -> bool:
        return await told(office, buyer) == Counter({booked: 1})

    await until(is_told)
    assert "There is a new time" in await Visitor(office, buyer).read(f"/bookings/{booked}")
