"""What Stripe does not take is refused when it is set, published, quoted, booked and paid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms
from evently.sales.terms import Conditions
from tests.api.test_catalogue import Headers, code_of, event_body, make, pointers, seen
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.fake_stripe import KEY, SECRET, fake_stripe

# On sale since before Stripe was the gateway
CHEAP = SaleTerms(
    currency="EUR",
    capacity=10,
    ticket_types=(NewTicketType(name="Cheap", price=Money(30, "EUR")),),
    conditions=Conditions("online"),
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with (
        fake_stripe() as stripe,
        open_box_office(
            shared_database_url,
            gateway="stripe",
            stripe_key=KEY,
            stripe_webhook_secret=SECRET,
            stripe_api_base=stripe.url,
        ) as opened,
    ):
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(office: BoxOffice) -> Headers:
    return await office.as_member("manager")


def priced(amount: int, currency: str = "EUR", **more: Any) -> dict[str, Any]:
    return {"name": "Regular", "price": {"amount": amount, "currency": currency}, **more}


async def online(office: BoxOffice, manager: Headers, **changes: Any) -> httpx2.Response:
    return await make(office, manager, conditions={"payment": "online"}, **changes)


async def test_a_price_below_the_least_is_refused_when_it_is_set(office: BoxOffice, manager: Headers) -> None:
    body = event_body(
        office, conditions={"payment": "online"}, ticket_types=[priced(2500), priced(30, name="B")]
    )
    refused = await office.client.post("/v1/events", json=body, headers=manager)
    assert pointers(refused) == {"/ticket_types/1/price"}
    assert refused.json()["errors"][0]["detail"] == (
        "A ticket “B” would cost 0.30 EUR. The payment gateway takes at least 0.50 EUR."
    )
    draft = await online(office, manager, publish=False)
    where = draft.headers["location"]
    added = await office.client.post(f"{where}/ticket-types", json=priced(30, name="C"), headers=manager)
    assert pointers(added) == {"/price"}
    mine = f"{where}/ticket-types/{draft.json()['ticket_types'][0]['id']}"
    changed = await office.client.patch(
        mine, json={"price": {"amount": 49, "currency": "EUR"}}, headers=seen(draft, manager)
    )
    assert pointers(changed) == {"/price"}


async def test_what_is_paid_at_the_door_has_no_limits_until_it_is_paid_online(
    office: BoxOffice, manager: Headers
) -> None:
    draft = await make(
        office, manager, publish=False, conditions={"payment": "door"}, ticket_types=[priced(30)]
    )
    assert draft.status_code == 201, draft.text
    where = draft.headers["location"]
    changed = await office.client.patch(
        f"{where}/conditions", json={"payment": "online"}, headers=seen(draft, manager)
    )
    assert pointers(changed) == {"/payment"}
    fees = {"fees": {"fixed": {"amount": 20, "currency": "EUR"}}, "payment": "online"}
    changed = await office.client.patch(f"{where}/conditions", json=fees, headers=seen(draft, manager))
    assert changed.status_code == 200, changed.text
    cheaper = await office.client.patch(
        f"{where}/conditions", json={"fees": None}, headers=seen(changed, manager)
    )
    assert pointers(cheaper) == {"/fees"}


async def test_a_price_that_another_gateway_took_is_refused_at_publishing(
    office: BoxOffice, manager: Headers
) -> None:
    draft = await office.open_event(publish=False, terms=CHEAP)
    refused = await office.client.post(
        f"/v1/events/{show_id('evt', draft.event_id)}/publish", headers=manager
    )
    assert code_of(refused, 409) == "amount-not-payable"
    assert "would cost 0.30 EUR" in refused.json()["detail"]


async def test_a_code_that_leaves_too_little_is_refused_when_it_is_made(
    office: BoxOffice, manager: Headers
) -> None:
    event = await online(office, manager)
    where = event.headers["location"]
    for body, pointer in (
        ({"kind": "percent", "basis_points": 9900}, "/basis_points"),
        ({"kind": "fixed", "amount": {"amount": 2460, "currency": "EUR"}}, "/amount"),
    ):
        made = await office.client.post(f"{where}/promo-codes", json={"code": "N", **body}, headers=manager)
        assert pointers(made) == {pointer}
        assert "with the code N" in made.json()["errors"][0]["detail"]
    made = await office.client.post(
        f"{where}/promo-codes",
        json={"code": "ALL", "kind": "percent", "basis_points": 10_000},
        headers=manager,
    )
    assert made.status_code == 201, made.text
    promo = made.headers["location"]
    changed = await office.client.patch(promo, json={"basis_points": 9900}, headers=seen(made, manager))
    assert pointers(changed) == {"/basis_points"}


async def promo(office: BoxOffice, manager: Headers, where: str, **said: Any) -> httpx2.Response:
    return await office.client.post(f"{where}/promo-codes", json=said, headers=manager)


async def test_an_amount_off_the_booking_that_leaves_too_little_is_refused_by_the_quote(
    office: BoxOffice, manager: Headers
) -> None:
    event = await online(office, manager, ticket_types=[priced(2500)])
    where, headers = event.headers["location"], office.as_buyer()
    amount = {"amount": 2480, "currency": "EUR"}
    made = await promo(office, manager, where, code="N", kind="fixed_per_booking", amount=amount)
    assert made.status_code == 201, "it leaves enough of two tickets"
    type_id = event.json()["ticket_types"][0]["id"]
    for quantity, status in ((1, 409), (2, 200)):
        body = {"lines": [{"ticket_type_id": type_id, "quantity": quantity}], "promo_code": "N"}
        quote = await office.client.post(f"{where}/quote", json=body, headers=headers)
        assert quote.status_code == status, quote.text
        placed = await office.client.post(f"{where}/bookings", json=body, headers=headers)
        assert placed.status_code == (201 if status == 200 else status)
        if status == 409:
            assert code_of(quote, 409) == code_of(placed, 409) == "amount-not-payable"
            assert quote.json()["detail"] == "0.20 EUR cannot be paid online: at least 0.50 EUR."


async def test_an_amount_off_the_booking_is_split_in_the_units_of_the_gateway(
    office: BoxOffice, manager: Headers
) -> None:
    event = await online(office, manager, ticket_types=[priced(10_000, "KWD")], currency="KWD")
    where, headers = event.headers["location"], office.as_buyer()
    inexact = {"amount": 1001, "currency": "KWD"}
    refused = await promo(office, manager, where, code="N", kind="fixed_per_booking", amount=inexact)
    assert pointers(refused) == {"/amount"}
    amount = {"amount": 1000, "currency": "KWD"}
    made = await promo(office, manager, where, code="N", kind="fixed_per_booking", amount=amount)
    assert made.status_code == 201, made.text
    body = {
        "lines": [{"ticket_type_id": event.json()["ticket_types"][0]["id"], "quantity": 3}],
        "promo_code": "N",
    }
    placed = await office.client.post(f"{where}/bookings", json=body, headers=headers)
    assert placed.status_code == 201, placed.text
    assert [each["discount"]["amount"] for each in placed.json()["tickets"]] == [340, 330, 330]
    half = {"refund_windows": [{"hours_before": 0, "basis_points": 5000}], "payment": "online"}
    conditions = await office.client.get(f"{where}/conditions", headers=manager)
    changed = await office.client.patch(f"{where}/conditions", json=half, headers=seen(conditions, manager))
    assert changed.status_code == 200, changed.text
    for path in ("quote", "bookings"):
        answer = await office.client.post(f"{where}/{path}", json=body, headers=headers)
        assert code_of(answer, 409) == "amount-not-payable", "half of 9.670 cannot be paid back"
        assert answer.json()["detail"] == "4.835 KWD cannot be paid online: only multiples of 0.010 KWD."


async def test_a_code_that_leaves_too_little_of_an_offer_leaves_it_open(
    office: BoxOffice, manager: Headers
) -> None:
    event = await online(office, manager, capacity=1, ticket_types=[priced(2500)])
    where, holder, ann = event.headers["location"], office.as_buyer(), office.as_buyer()
    amount = {"amount": 2480, "currency": "EUR"}
    await promo(office, manager, where, code="N", kind="fixed_per_booking", amount=amount)
    type_id = event.json()["ticket_types"][0]["id"]
    lines = [{"ticket_type_id": type_id, "quantity": 1}]
    held = await office.client.post(f"{where}/bookings", json={"lines": lines}, headers=holder)
    entry = await office.post(f"{where}/waitlist", ann, ticket_type_id=type_id, quantity=1)
    await office.post(f"/v1/bookings/{held.json()['id']}/cancel", holder)
    accept = f"/v1/waitlist/{entry.json()['id']}/accept"
    refused = await office.post(accept, ann, promo_code="N")
    assert code_of(refused, 409) == "amount-not-payable"
    assert refused.json()["detail"] == "0.20 EUR cannot be paid online: at least 0.50 EUR."
    shown = await office.client.get(f"/v1/waitlist/{entry.json()['id']}", headers=ann)
    assert shown.json()["state"] == "offered"
    taken = await office.post(accept, ann)
    assert (taken.status_code, taken.json()["total"]["amount"]) == (200, 2500)


async def test_a_sum_that_the_gateway_does_not_take_is_refused_before_there_is_a_hold(
    office: BoxOffice, manager: Headers
) -> None:
    event = await online(office, manager, capacity=50, ticket_types=[priced(20_000_000)])
    where, headers = event.headers["location"], office.as_buyer()
    lines = [{"ticket_type_id": event.json()["ticket_types"][0]["id"], "quantity": 6}]
    for path in ("quote", "bookings"):
        refused = await office.client.post(f"{where}/{path}", json={"lines": lines}, headers=headers)
        assert code_of(refused, 409) == "amount-not-payable"
        assert refused.json()["detail"] == "1,200,000.00 EUR cannot be paid online: at most 999,999.99 EUR."
    lines[0]["quantity"] = 4
    placed = await office.client.post(f"{where}/bookings", json={"lines": lines}, headers=headers)
    assert (placed.status_code, placed.json()["state"]) == (201, "held")


async def test_a_hold_of_which_too_little_is_left_is_not_sent_to_the_gateway(office: BoxOffice) -> None:
    event, headers = await office.open_event(terms=CHEAP), office.as_buyer()
    assert code_of(await office.book(event, headers, 1), 409) == "amount-not-payable"
    held = (await office.book(event, headers, 2)).json()
    assert held["state"] == "held"
    one = {"ticket_ids": [held["tickets"][0]["id"]]}
    cancelled = await office.post(f"/v1/bookings/{held['id']}/cancel", headers, **one)
    assert cancelled.status_code == 200, cancelled.text
    paid = await office.post(f"/v1/bookings/{held['id']}/payments", headers)
    assert code_of(paid, 409) == "amount-not-payable"
    assert paid.json()["detail"] == "0.30 EUR cannot be paid online: at least 0.50 EUR."
