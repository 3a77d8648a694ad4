"""Payments over HTTP: paying for a hold, refunds, webhooks, the page of the demo gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.payments import PaymentOptions
from evently.sales.facts import SaleCancelled, decode_facts
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import event_terms
from tests.support.paying import ONLINE, sold_under

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


class Buyer:
    """A buyer who holds tickets of an event that is paid online."""

    def __init__(
        self, office: BoxOffice, headers: dict[str, str], event: Event, booking: dict[str, Any]
    ) -> None:
        self.office = office
        self.headers = headers
        self.event = event
        self.booking = booking

    async def pay(self, key: str | None = None, **body: Any) -> Any:
        sent = self.headers | ({"Idempotency-Key": key} if key else {})
        answer = await self.office.client.post(
            f"/v1/bookings/{self.booking['id']}/payments", json=body, headers=sent
        )
        await self.office.context.checkout.wait_until_idle()
        return answer

    async def look(self, path: str) -> Any:
        return await self.office.client.get(path, headers=self.headers)


async def online_event(office: BoxOffice, conditions: Conditions = ONLINE) -> Event:
    now = utc_now()
    terms = event_terms(
        office.venue.venue_id, starts_at=now + timedelta(days=30), ends_at=now + timedelta(days=30, hours=3)
    )
    async with office.context.database.transaction() as tx:
        event, _ = await organizing.create_event(
            tx, office.venue.organizer_id, terms, sold_under(conditions), now
        )
        return (await organizing.publish_event(tx, event.event_id, now)).event


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
    listed = (await buyer.look(f"/v1/bookings/{buyer.booking['id']}/payments")).json()
    assert [each["id"] for each in listed["data"]] == [paid["id"]]
    again = await buyer.pay(method="succeeds")
    assert (again.status_code, again.json()["code"]) == (409, "already-confirmed")


async def test_a_key_makes_paying_safe_to_repeat(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    first = await buyer.pay(key="one", method="4242 4242 4242 4242")
    again = await buyer.pay(key='"one"', method="4242424242424242")
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    other = await buyer.pay(key="one", method="declined")
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    rows = await office.context.database.fetch(
        "SELECT method, fingerprint FROM payments WHERE booking_id IS NOT NULL"
    )
    assert not any("4242" in (row["method"] or "") for row in rows), "card numbers are not stored"


async def test_a_card_is_declined_and_another_one_pays(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    declined = (await buyer.pay(method="4000000000000002")).json()
    assert (declined["state"], declined["failure"]["code"]) == ("declined", "card_declined")
    assert declined["failure"]["message"]
    assert (await buyer.look(f"/v1/bookings/{buyer.booking['id']}")).json()["state"] == "held"
    paid = (await buyer.pay(method="4242424242424242")).json()
    assert (paid["state"], paid["attempt"]) == ("confirmed", 2)


async def test_a_waiting_payment_shows_the_next_action(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    waiting = (await buyer.pay(method="late")).json()
    assert waiting["state"] == "waiting"
    assert "keep your tickets" in waiting["message"]
    other = await buyer.pay(method="succeeds")
    assert (other.status_code, other.json()["code"], other.json()["payment_id"]) == (
        409,
        "payment-pending",
        waiting["id"],
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"method": ""}, "/method"),
        ({"method": 4242}, "/method"),
        ({"card": "4242"}, "/card"),
        ({"hosted": True}, "/return_url"),
        ({"return_url": "javascript:alert(1)"}, "/return_url"),
        ({"return_url": "https://a b"}, "/return_url"),
    ],
)
async def test_bad_wishes_are_refused(office: BoxOffice, body: dict[str, Any], pointer: str) -> None:
    buyer = await buyer_of(office)
    answer = await buyer.pay(**body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await buyer.look(f"/v1/bookings/{buyer.booking['id']}/payments")).json() == {"data": []}


async def test_a_buyer_cannot_see_or_pay_the_booking_of_another(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    stranger = Buyer(office, office.as_buyer(), buyer.event, buyer.booking)
    assert (
        (await stranger.pay(method="succeeds")).status_code,
        (await buyer.pay(method="declined")).status_code,
    ) == (404, 201)
    payment = (await buyer.look(f"/v1/bookings/{buyer.booking['id']}/payments")).json()["data"][0]
    for path in (
        f"/v1/payments/{payment['id']}",
        f"/v1/bookings/{buyer.booking['id']}/payments",
        "/v1/payments/pay_nonsense",
    ):
        assert (await stranger.look(path)).status_code == 404, path
    assert (await office.client.get(f"/v1/payments/{payment['id']}")).status_code == 401


async def test_the_page_of_the_demo_gateway(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    asked = (await buyer.pay(hosted=True, return_url='https://shop.example/?a="><script>')).json()
    assert (asked["state"], asked["next_action"]["kind"]) == ("action_needed", "redirect")
    url = asked["next_action"]["url"]
    page = await office.client.get(url)
    assert (page.status_code, page.headers["content-type"], page.headers["cache-control"]) == (
        200,
        "text/html; charset=utf-8",
        "no-store",
    )
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
    assert "50.00 EUR" in page.text
    for said in ({"answer": "perhaps"}, {}):
        assert 'value="yes"' in (await office.client.post(url, follow_redirects=True, data=said)).text
    done = await office.client.post(url, follow_redirects=True, data={"answer": "yes"})
    assert "Paid. Thank you!" in done.text
    assert "<script>" not in done.text
    assert 'href="https://shop.example/?a=&#34;&gt;&lt;script&gt;"' in done.text
    await office.context.checkout.wait_until_idle()
    assert (await buyer.look(f"/v1/payments/{asked['id']}")).json()["state"] == "captured"
    assert (
        "Paid. Thank you!"
        in (await office.client.post(url, follow_redirects=True, data={"answer": "no"})).text
    ), "said twice, it changes nothing"


async def test_the_default_url_of_the_demo_page_is_the_page(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    asked = (await buyer.pay(method="asks")).json()
    reference = asked["next_action"]["url"].rsplit("/", 1)[1]
    page = await office.client.get(f"{PaymentOptions().demo_page_url}/{reference}")
    assert (page.status_code, "50.00 EUR" in page.text) == (200, True)


async def test_a_no_on_the_page_is_a_no(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    asked = (await buyer.pay(method="asks")).json()
    assert (
        "Declined"
        in (
            await office.client.post(
                asked["next_action"]["url"], follow_redirects=True, data={"answer": "no"}
            )
        ).text
    )
    declined = (await buyer.look(f"/v1/payments/{asked['id']}")).json()
    assert (declined["state"], declined["failure"]["code"]) == ("declined", "not_confirmed")
    assert (await office.client.get("/pay/nothing")).status_code == 404


async def test_an_owner_settles_a_refund_that_was_paid_back_outside(office: BoxOffice) -> None:
    manager, owner = await office.as_member("manager"), await office.as_member("owner")
    buyer = await buyer_of(office)
    await buyer.pay(method="refund-fails")
    event_id = show_id("evt", buyer.event.event_id)
    preview = await office.client.get(f"/v1/events/{event_id}/cancellation-preview", headers=manager)
    assert (preview.json()["bookings"], preview.json()["to_refund"]["amount"]) == (1, 5000)
    await office.post(f"/v1/events/{event_id}/bookings/{buyer.booking['id']}/cancel", manager)
    (row,) = await office.context.database.fetch(
        "SELECT refund_id FROM refunds WHERE event_id = $1", buyer.event.event_id
    )
    await office.context.checkout.pay_back(buyer.event.event_id, row["refund_id"])
    settle = f"/v1/events/{event_id}/refunds/{show_id('rfd', row['refund_id'])}/settle"
    assert (await office.post(settle, manager, reason="In cash.")).status_code == 403
    assert (await office.post(settle, owner)).status_code == 422
    settled = await office.post(settle, owner, reason="In cash.")
    assert (settled.status_code, settled.json()["state"]) == (200, "settled"), settled.text
    assert settled.json()["failure"] == {"code": "settled-by-hand", "message": "In cash."}
    again = await office.post(settle, owner, reason="In cash.")
    assert (again.json(), again.headers["idempotent-replayed"]) == (settled.json(), "true")


async def test_an_organizer_sees_what_cancelling_a_booking_does_and_may_keep_door_money(
    office: BoxOffice,
) -> None:
    manager = await office.as_member("manager")
    event, headers = await online_event(office, Conditions("door")), office.as_buyer()
    at_door = Buyer(office, headers, event, (await office.book(event, headers, 2)).json())
    online = await buyer_of(office)
    await online.pay(method="succeeds")

    def path(buyer: Buyer, last: str) -> str:
        return f"/v1/events/{show_id('evt', buyer.event.event_id)}/bookings/{buyer.booking['id']}/{last}"

    async def preview(buyer: Buyer, tickets: list[str] | None = None) -> tuple[Any, ...]:
        params = {"ticket_ids": tickets} if tickets else {}
        seen = await office.client.get(path(buyer, "cancellation-preview"), params=params, headers=manager)
        assert seen.status_code == 200, seen.text
        view = seen.json()
        sums = [view[name]["amount"] for name in ("to_refund", "refunded", "at_door")]
        return (len(view["ticket_ids"]), view["whole"], *sums)

    async def door_balance() -> int:
        balance: int = await office.context.database.fetch_value(
            "SELECT coalesce(sum(CASE debit WHEN 'door' THEN amount_minor ELSE -amount_minor END), 0)::bigint"
            " FROM ledger WHERE event_id = $1 AND 'door' IN (debit, credit)",
            at_door.event.event_id,
        )
        return balance

    first = at_door.booking["tickets"][0]["id"]
    assert await preview(at_door) == (2, True, 0, 0, 5000)
    assert await preview(at_door, [first]) == (1, False, 0, 0, 2500)
    assert await preview(online) == (2, True, 5000, 0, 0)
    kept = await office.post(path(at_door, "cancel"), manager, ticket_ids=[first], keep_door_money=True)
    assert (kept.status_code, await door_balance()) == (200, 5000), kept.text
    assert await preview(at_door) == (1, True, 0, 0, 2500)
    await office.post(path(at_door, "cancel"), manager)
    assert await door_balance() == 2500
    gone = await office.client.get(path(at_door, "cancellation-preview"), headers=manager)
    assert (gone.status_code, gone.json()["code"]) == (409, "already-cancelled")
    captured = await office.post(path(online, "cancel"), manager, keep_door_money=True)
    assert captured.json()["refunded"]["amount"] == 5000, "captured money is never kept"
    other = path(online, "cancellation-preview").replace(
        show_id("evt", online.event.event_id), show_id("evt", at_door.event.event_id)
    )
    assert (await office.client.get(other, headers=manager)).status_code == 404
    event_id = show_id("evt", at_door.event.event_id)
    refused = await office.client.post(f"/v1/events/{event_id}/cancel?keep_door_money=x", headers=manager)
    assert refused.status_code == 422
    await office.client.post(f"/v1/events/{event_id}/cancel?keep_door_money=true", headers=manager)
    stored = await office.context.database.fetch_value(
        "SELECT facts FROM journal WHERE event_id = $1 ORDER BY seq DESC LIMIT 1", at_door.event.event_id
    )
    assert SaleCancelled(door_kept=True) in decode_facts(stored)
    pays_back = await online_event(office, Conditions("door"))
    booked = Buyer(office, headers, pays_back, (await office.book(pays_back, headers)).json())
    await office.client.post(f"/v1/events/{show_id('evt', pays_back.event_id)}/cancel", headers=manager)
    refused = await office.post(path(booked, "cancel"), manager, keep_door_money=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "event-cancelled")
    assert refused.json()["detail"].endswith("none of it can be kept.")


async def test_refunds_and_the_cancellation_of_an_event_for_its_organizer(office: BoxOffice) -> None:
    buyer = await buyer_of(office)
    await buyer.pay(method="refund-fails")
    manager, event_id = await office.as_member("manager"), show_id("evt", buyer.event.event_id)
    before = (await office.client.get(f"/v1/events/{event_id}/cancellation", headers=manager)).json()
    assert (before["state"], before["bookings_left"]) == ("not_cancelled", 1)
    cancelled = await office.client.post(
        f"/v1/events/{event_id}/bookings/{buyer.booking['id']}/cancel", json={}, headers=manager
    )
    assert cancelled.status_code == 200, cancelled.text
    (refund_id,) = [
        row["refund_id"]
        for row in await office.context.database.fetch(
            "SELECT refund_id FROM refunds WHERE event_id = $1 AND settled_at IS NULL", buyer.event.event_id
        )
    ]
    await office.context.checkout.pay_back(buyer.event.event_id, refund_id)
    listed = (await office.client.get(f"/v1/events/{event_id}/refunds?state=failed", headers=manager)).json()
    (failed,) = listed["data"]
    assert (failed["id"], failed["state"], failed["failure"]["code"]) == (
        show_id("rfd", refund_id),
        "failed",
        "card_refused",
    )
    retry = f"/v1/events/{event_id}/refunds/{failed['id']}/retry"
    assert (await office.client.post(retry, headers=buyer.headers)).status_code == 403
    retried = (await office.client.post(retry, headers=manager)).json()
    assert (retried["state"], retried["attempt"]) == ("asking", 2)
    again = await office.client.post(retry, headers=manager)
    assert (again.status_code, again.json()["code"]) == (409, "refund-not-failed")
    await office.context.checkout.pay_back(buyer.event.event_id, refund_id)
    listed = (await office.client.get(f"/v1/events/{event_id}/refunds", headers=manager)).json()
    assert [each["state"] for each in listed["data"]] == ["settled"]
    unknown = await office.client.post(
        f"/v1/events/{event_id}/refunds/{show_id('rfd', refund_id)[:-1]}0/retry", headers=manager
    )
    assert unknown.status_code in {404, 409}


async def test_webhooks_of_gateways_that_are_not_here_or_do_not_speak(office: BoxOffice) -> None:
    assert (await office.client.post("/v1/gateways/stripe/webhooks", content=b"{}")).json()[
        "code"
    ] == "unknown-gateway"
    forged = await office.client.post(
        "/v1/gateways/demo/webhooks", content=b"{}", headers={"content-type": "application/json"}
    )
    assert (forged.status_code, forged.json()["code"]) == (400, "webhook-forged")
