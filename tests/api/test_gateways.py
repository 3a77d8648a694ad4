"""An installation without a named payment gateway sells nothing that is paid online, and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest_asyncio

from evently import organizing
from evently.catalogue import Event
from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.paying import ONLINE, sold_under

ONLINE_TERMS = sold_under(ONLINE)


@pytest_asyncio.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    """Open an installation as `serve` without `--demo` and without EVENTLY_GATEWAY starts it."""
    async with open_box_office(database_url, gateway=None) as opened:
        yield opened


async def manager_of(office: BoxOffice, organizer_id: UUID) -> dict[str, str]:
    """Return the headers of the organizer's owner: a process remembers the members for a moment."""
    owner = await office.context.database.fetch_value(
        "SELECT person_id FROM organizer_members WHERE organizer_id = $1 AND role = 'owner'", organizer_id
    )
    return await office.as_member("owner", organizer_id) if owner is None else office.as_person(owner)


async def send(office: BoxOffice, event: Event, method: str, path: str, body: Any = None) -> Any:
    """Send a request of the organizer's manager about an event, with the event's present version."""
    address = f"/v1/events/{show_id('evt', event.event_id)}"
    manager = await manager_of(office, event.organizer_id)
    shown = await office.client.get(f"{address}/conditions", headers=manager)
    assert shown.status_code == 200, shown.text
    etag = shown.headers["etag"]
    return await office.client.request(
        method, f"{address}{path}", json=body, headers=manager | {"If-Match": etag}
    )


async def check_of(office: BoxOffice) -> dict[str, str]:
    found: dict[str, str] = (await office.client.get("/health")).json()["checks"]["gateway"]
    return found


async def test_an_event_that_is_paid_online_stays_a_draft(office: BoxOffice) -> None:
    draft = await office.open_event(terms=ONLINE_TERMS, publish=False)
    refused = await send(office, draft, "POST", "/publish")
    assert problem_of(refused, 409) == "no-gateway"
    assert "Ask the operator" in refused.json()["detail"]
    changed = await send(office, draft, "PATCH", "/conditions", {"hold_seconds": 300})
    assert changed.status_code == 200, changed.text
    assert (changed.status_code, changed.json()["payment"]) == (200, "online")
    await send(office, draft, "PATCH", "/conditions", {"payment": "door"})
    assert (await send(office, draft, "POST", "/publish")).json()["state"] == "published"
    assert (await office.book(draft, office.as_buyer())).json()["state"] == "confirmed"


async def test_a_published_event_does_not_become_one_that_is_paid_online(office: BoxOffice) -> None:
    event = await office.open_event()
    refused = await send(office, event, "PATCH", "/conditions", {"payment": "online"})
    assert problem_of(refused, 409) == "no-gateway"
    assert (await send(office, event, "GET", "/conditions")).json()["payment"] == "door"
    free = await office.open_event(terms=sold_under(ONLINE), publish=False)
    ((name, type_id),) = (await office.types(free)).items()
    await send(office, free, "PATCH", f"/ticket-types/{type_id}", {"price": None})
    assert (await send(office, free, "POST", "/publish")).status_code == 200
    price = {"price": {"amount": 100, "currency": "EUR"}}
    refused = await send(office, free, "PATCH", f"/ticket-types/{type_id}", price)
    assert problem_of(refused, 409) == "no-gateway"
    refused = await send(office, free, "POST", "/ticket-types", {"name": f"{name} 2", **price})
    assert problem_of(refused, 409) == "no-gateway"
    assert (await office.book(free, office.as_buyer())).json()["state"] == "confirmed"


async def test_nothing_is_held_that_nothing_can_pay(office: BoxOffice) -> None:
    """An installation whose gateway is named no longer, by mistake."""
    event = await office.open_event(terms=ONLINE_TERMS)
    refused = await office.book(event, office.as_buyer())
    assert problem_of(refused, 409) == "no-gateway"
    assert await office.context.database.fetch_value("SELECT count(*) FROM bookings") == 0
    check = await check_of(office)
    assert (check["status"], check["observed"]) == ("warn", "none")
    assert "EVENTLY_GATEWAY" in check["output"]


async def test_an_offer_that_nothing_can_pay_is_accepted_when_a_code_makes_it_free(office: BoxOffice) -> None:
    event, ann = await office.open_event(terms=ONLINE_TERMS), office.as_buyer()
    ((_, type_id),) = (await office.types(event)).items()
    async with office.context.database.transaction() as tx:
        draft = organizing.PromoDraft(code="GUEST", kind="percent", basis_points=10_000)
        await organizing.add_promo_code(tx, event.event_id, draft, office.context.clock())
    address = f"/v1/events/{show_id('evt', event.event_id)}/waitlist"
    entry = (await office.post(address, ann, ticket_type_id=type_id, quantity=1)).json()
    accept = f"/v1/waitlist/{entry['id']}/accept"
    assert problem_of(await office.post(accept, ann), 409) == "no-gateway"
    for _ in range(2):
        taken = await office.post(accept, ann, promo_code="GUEST")
        assert (taken.status_code, taken.json()["state"]) == (200, "confirmed"), taken.text


async def test_no_rehearsal_is_paid_with_nothing(office: BoxOffice) -> None:
    manager = await manager_of(office, office.venue.organizer_id)
    address = f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/sandboxes"
    body = {"buyers": 1, "places": 10, "hold_seconds": 60}
    assert problem_of(await office.client.post(address, json=body, headers=manager), 409) == "no-gateway"
    copied = await office.open_event(terms=ONLINE_TERMS, publish=False)
    refused = await send(office, copied, "POST", "/sandboxes", {"buyers": 1})
    assert problem_of(refused, 409) == "no-gateway"


async def test_a_sale_that_runs_with_the_demo_gateway_does_not_break(database_url: str) -> None:
    """The demo gateway was the default: a restart without it ends no sale, and begins none."""
    async with open_box_office(database_url) as before:
        event = await before.open_event(terms=ONLINE_TERMS)
        buyer, late = before.as_buyer(), before.as_buyer()
        held = (await before.book(event, late)).json()
        paid = (await before.book(event, buyer)).json()
        answer = await before.client.post(
            f"/v1/bookings/{paid['id']}/payments", json={"method": "succeeds"}, headers=buyer
        )
        assert answer.status_code == 201
        check = await check_of(before)
        assert (check["status"], check["observed"], "no real money" in check["output"]) == (
            "pass",
            "demo",
            True,
        )
    async with open_box_office(database_url, gateway=None) as after:
        answer = await after.client.post(
            f"/v1/bookings/{held['id']}/payments", json={"method": "succeeds"}, headers=late
        )
        assert (answer.status_code, answer.json()["state"]) == (201, "confirmed")
        assert (await after.book(event, after.as_buyer())).json()["state"] == "held"
        cancelled = await after.client.post(f"/v1/bookings/{paid['id']}/cancel", json={}, headers=buyer)
        assert cancelled.status_code == 200, cancelled.text
        await after.context.checkout.wait_until_idle()
        draft = await after.open_event(terms=ONLINE_TERMS, publish=False)
        assert problem_of(await send(after, draft, "POST", "/publish"), 409) == "no-gateway"
        check = await check_of(after)
        assert (check["status"], check["observed"]) == ("warn", "demo")
        assert "on sale still use it" in check["output"]
    async with open_box_office(database_url, gateway="door") as named:
        assert (await send(named, draft, "POST", "/publish")).status_code == 200
        await named.context.checkout.resume_due()
        await named.context.checkout.wait_until_idle()
        assert (await check_of(named))["status"] == "pass"
