"""The waitlist over HTTP: join, wait, accept or decline an offer; and its notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from evently.kit.money import Money
from evently.organizing import AddedTicketType, EventChanges, NewTicketType, SaleTerms
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.reads.waitlist import estimate_of
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice, instant, open_box_office, problem_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


class Waitlist:
    """The waitlist of an event whose tickets are all booked by one buyer, the holder."""

    def __init__(
        self, office: BoxOffice, event: Event, holder: dict[str, str], booking: Any, type_id: str
    ) -> None:
        self.office = office
        self.event = event
        self.holder = holder
        self.booking = booking
        self.type_id = type_id
        self.url = f"/v1/events/{show_id('evt', event.event_id)}/waitlist"

    async def join(self, buyer: dict[str, str], quantity: int = 1) -> Any:
        joined = await self.office.post(self.url, buyer, ticket_type_id=self.type_id, quantity=quantity)
        assert joined.status_code == 201, joined.text
        return joined.json()

    async def get(self, entry: Any, buyer: dict[str, str]) -> Any:
        shown = await self.office.client.get(f"/v1/waitlist/{entry['id']}", headers=buyer)
        assert shown.status_code == 200, shown.text
        return shown.json()

    async def release(self, tickets: int) -> None:
        """Cancel so many tickets of the holder."""
        valid = [ticket["id"] for ticket in self.booking["tickets"] if ticket["state"] == "valid"]
        cancelled = await self.office.post(
            f"/v1/bookings/{self.booking['id']}/cancel", self.holder, ticket_ids=valid[:tickets]
        )
        self.booking = cancelled.json()

    async def act(self, entry: Any, verb: str, buyer: dict[str, str]) -> httpx2.Response:
        return await self.office.post(f"/v1/waitlist/{entry['id']}/{verb}", buyer)


async def sold_out(
    office: BoxOffice, capacity: int = 4, payment: Any = "door", **ticket_type: Any
) -> Waitlist:
    said: dict[str, Any] = {"name": "Regular", "price": Money(2500, "EUR"), "per_booking_max": 10}
    terms = SaleTerms(
        currency="EUR",
        capacity=capacity,
        ticket_types=(NewTicketType(**{**said, **ticket_type}),),
        conditions=Conditions(payment=payment, offer_seconds=1800),
    )
    event, holder = await office.open_event(terms=terms), office.as_buyer()
    booked = (await office.book(event, holder, capacity)).json()
    if payment == "online":
        await pay(office, booked, holder)
        booked = (await office.client.get(f"/v1/bookings/{booked['id']}", headers=holder)).json()
    assert booked["state"] == "confirmed"
    return Waitlist(office, event, holder, booked, booked["tickets"][0]["ticket_type_id"])


async def pay(office: BoxOffice, booking: Any, buyer: dict[str, str]) -> None:
    paid = await office.post(f"/v1/bookings/{booking['id']}/payments", buyer, method="succeeds")
    assert paid.status_code == 201, paid.text
    await office.context.checkout.wait_until_idle()


async def told(office: BoxOffice, buyer: dict[str, str], **query: Any) -> list[Any]:
    await office.deliver()
    page = await office.client.get("/v1/me/notifications", params=query, headers=buyer)
    assert page.status_code == 200, page.text
    notifications: list[Any] = page.json()["data"]
    return notifications


async def add_promo(office: BoxOffice, waitlist: Waitlist, **said: Any) -> None:
    async with office.context.database.transaction() as tx:
        draft = organizing.PromoDraft(**said)
        await organizing.add_promo_code(tx, waitlist.event.event_id, draft, office.context.clock())


async def test_a_promo_code_is_applied_when_an_offer_is_accepted(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office), office.as_buyer()
    await add_promo(office, waitlist, code="HALF", kind="percent", basis_points=5_000)
    await add_promo(office, waitlist, code="GONE", kind="percent", basis_points=1, until_at=utc_now())
    entry = await waitlist.join(ann, 2)
    await waitlist.release(2)
    where = f"/v1/waitlist/{entry['id']}/accept"
    for code, status, refusal in (
        ("NONE", 422, "unknown-promo-code"),
        ("GONE", 409, "promo-code-not-valid"),
    ):
        refused = await office.post(where, ann, promo_code=code)
        assert problem_of(refused, status) == refusal
        assert (await waitlist.get(entry, ann))["state"] == "offered"
    assert (await office.post(where, ann, promo="HALF")).status_code == 422
    for _ in range(2):  # harmless to repeat
        taken = await office.post(where, ann, promo_code="half")
        assert (taken.status_code, taken.json()["state"]) == (200, "confirmed"), taken.text
        assert taken.json()["total"]["amount"] == 2500
        assert [ticket["discount"]["amount"] for ticket in taken.json()["tickets"]] == [1250, 1250]
    assert (await office.client.post(where, headers=ann)).json() == taken.json(), "no body is fine"
    shown = await office.client.get(f"/v1/bookings/{taken.json()['id']}", headers=ann)
    assert shown.json() == {**shown.json(), **taken.json()}
    other = await office.post(where, ann, promo_code="GONE")
    assert problem_of(other, 409) == "not-offered"
    assert other.json()["detail"] == "The offer was accepted before, without this promo code."


async def test_a_code_unlocks_the_waitlist_of_a_hidden_ticket_type(office: BoxOffice) -> None:
    waitlist, ann, bob = await sold_out(office, payment="online"), office.as_buyer(), office.as_buyer()
    event_id = waitlist.event.event_id
    async with office.context.database.transaction() as tx:
        draft = AddedTicketType(name="Crew", price=Money(1000, "EUR"), hidden=True)
        added = await organizing.add_ticket_type(tx, event_id, draft, office.context.clock())
    crew = show_id("tty", added.part_id)
    await add_promo(
        office,
        waitlist,
        code="CREW",
        kind="percent",
        basis_points=5_000,
        ticket_type_ids=(added.part_id,),
        uses_max=1,
    )
    said = {"ticket_type_id": crew, "quantity": 1}
    for code, refusal in (
        (None, "unknown-ticket-type"),
        ("NONE", "unknown-promo-code"),
        ("", "invalid"),
    ):
        refused = await office.post(
            waitlist.url, ann, **said, **({} if code is None else {"promo_code": code})
        )
        assert problem_of(refused, 422) == refusal
    joined = [await office.post(waitlist.url, buyer, **said, promo_code="crew") for buyer in (ann, bob)]
    assert [each.status_code for each in joined] == [201, 201]
    await waitlist.release(2)
    offers = [await waitlist.get(each.json(), buyer) for each, buyer in zip(joined, (ann, bob), strict=True)]
    assert [each["state"] for each in offers] == ["offered", "offered"]
    early = await office.post(f"/v1/bookings/{offers[0]['booking_id']}/payments", ann, method="succeeds")
    assert problem_of(early, 409) == "not-offered"
    assert "Accept the offer first" in early.json()["detail"]
    taken = await office.post(f"/v1/waitlist/{offers[0]['id']}/accept", ann)
    assert (taken.status_code, taken.json()["total"]["amount"]) == (200, 500), taken.text
    await pay(office, taken.json(), ann)
    late = await office.post(f"/v1/waitlist/{offers[1]['id']}/accept", bob)
    assert problem_of(late, 409) == "promo-code-used-up"


async def test_a_discounted_offer_is_paid_at_the_lower_price(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office, payment="online"), office.as_buyer()
    amount = Money(1000, "EUR")
    await add_promo(office, waitlist, code="TEN", kind="fixed_per_booking", amount=amount)
    entry = await waitlist.join(ann, 3)
    await waitlist.release(3)
    taken = await office.post(f"/v1/waitlist/{entry['id']}/accept", ann, promo_code="TEN")
    assert (taken.json()["state"], taken.json()["total"]["amount"]) == ("held", 6500)
    await pay(office, taken.json(), ann)
    paid = await office.client.get(f"/v1/bookings/{taken.json()['id']}", headers=ann)
    assert (paid.json()["state"], paid.json()["total"]["amount"]) == ("confirmed", 6500)
    mine = {ticket["id"]: ticket["total"]["amount"] for ticket in paid.json()["tickets"]}
    assert sorted(mine.values()) == [2166, 2167, 2167]
    given = min(mine, key=mine.__getitem__)
    back = await office.post(f"/v1/bookings/{paid.json()['id']}/cancel", ann, ticket_ids=[given])
    assert back.json()["refunded"]["amount"] == 2166, back.text


# Waiting ----------------------------------------------------------------------------------------------------


async def test_joining_says_where_one_stands(office: BoxOffice) -> None:
    waitlist, ann, bob = await sold_out(office), office.as_buyer(), office.as_buyer()
    first, second = await waitlist.join(ann, 3), await waitlist.join(bob, 2)
    assert first["id"].startswith("wle_")
    assert (first["state"], first["reason"], first["booking_id"], first["quantity"]) == (
        "waiting",
        None,
        None,
        3,
    )
    stands = await waitlist.get(second, bob)
    assert (stands["position"], stands["units_ahead"], stands["estimate"], stands["offer_expires_at"]) == (
        2,
        3,
        None,
        None,
    )
    mine = (await office.client.get("/v1/me/waitlist", headers=bob)).json()
    assert mine == {"data": [second], "next_cursor": None}


async def test_a_key_joins_once(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office), office.as_buyer() | {"Idempotency-Key": "mine"}
    first = await office.post(waitlist.url, ann, ticket_type_id=waitlist.type_id, quantity=1)
    again = await office.post(waitlist.url, ann, ticket_type_id=waitlist.type_id, quantity=1)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert again.headers["location"] == f"/v1/waitlist/{first.json()['id']}"
    assert (
        problem_of(await office.post(waitlist.url, ann, ticket_type_id=waitlist.type_id, quantity=2), 422)
        == "key-reused"
    )


async def test_who_cannot_join(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office, per_buyer_max=5), office.as_buyer()
    await waitlist.join(ann)
    assert (
        problem_of(await office.post(waitlist.url, ann, ticket_type_id=waitlist.type_id, quantity=1), 409)
        == "already-waiting"
    )
    bob = office.as_buyer()
    assert (
        problem_of(await office.post(waitlist.url, bob, ticket_type_id=waitlist.type_id, quantity=11), 409)
        == "over-booking-limit"
    )
    assert (
        problem_of(await office.post(waitlist.url, bob, ticket_type_id=waitlist.type_id, quantity=6), 409)
        == "over-buyer-limit"
    )
    unknown = show_id("tty", new_id())
    assert (
        problem_of(await office.post(waitlist.url, bob, ticket_type_id=unknown, quantity=1), 422)
        == "unknown-ticket-type"
    )
    odd = await office.post(waitlist.url, bob, ticket_type_id="tty_x", quantity=1)
    assert [error["pointer"] for error in odd.json()["errors"]] == ["/ticket_type_id"]
    for quantity in (0, -1, 101, "1", None):
        assert (
            problem_of(
                await office.post(waitlist.url, bob, ticket_type_id=waitlist.type_id, quantity=quantity), 422
            )
            == "invalid"
        )
    missing = f"/v1/events/{show_id('evt', new_id())}/waitlist"
    assert (
        problem_of(await office.post(missing, bob, ticket_type_id=waitlist.type_id, quantity=1), 404)
        == "event-not-found"
    )
    draft = await office.open_event(publish=False)
    hidden = await office.post(
        f"/v1/events/{show_id('evt', draft.event_id)}/waitlist",
        bob,
        ticket_type_id=waitlist.type_id,
        quantity=1,
    )
    assert problem_of(hidden, 404) == "event-not-found"
    assert (
        problem_of(await office.post(waitlist.url, {}, ticket_type_id=waitlist.type_id, quantity=1), 401)
        == "unauthenticated"
    )
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, waitlist.event.event_id, utc_now())
    assert (
        problem_of(await office.post(waitlist.url, bob, ticket_type_id=waitlist.type_id, quantity=1), 409)
        == "event-cancelled"
    )


async def test_leaving(office: BoxOffice) -> None:
    hall, ann = await office.open_hall(), office.as_buyer()
    types, url = await office.types(hall), f"/v1/events/{show_id('evt', hall.event_id)}/waitlist"
    for name, units in (("Stalls", 10), ("Stalls", 2), ("Balcony", 4)):
        await office.place(hall, office.as_buyer(), {"ticket_type_id": types[name], "quantity": units})
    entries = [
        (await office.post(url, ann, ticket_type_id=types[name], quantity=1)).json()
        for name in ("Stalls", "Balcony", "Child")
    ]
    one = await office.client.delete(url, params={"ticket_type_id": types["Balcony"]}, headers=ann)
    assert [(each["id"], each["state"], each["reason"]) for each in one.json()["data"]] == [
        (entries[1]["id"], "withdrawn", "left")
    ]
    assert len((await office.client.get("/v1/me/waitlist?kind=live", headers=ann)).json()["data"]) == 2
    all_of_them = await office.client.delete(url, headers=ann)
    assert {each["id"] for each in all_of_them.json()["data"]} == {entries[0]["id"], entries[2]["id"]}
    assert (await office.client.delete(url, headers=ann)).json() == {"data": []}, "safe to repeat"
    assert (await office.client.get("/v1/me/waitlist?kind=live", headers=ann)).json()["data"] == []
    found, page_url = [], "/v1/me/waitlist?limit=2"
    while page_url:
        page = await office.client.get(page_url, headers=ann)
        found += [each["id"] for each in page.json()["data"]]
        page_url = page.links["next"]["url"] if "next" in page.links else ""
    assert found == [each["id"] for each in reversed(entries)]
    assert problem_of(await office.client.delete(f"{url}?ticket_type_id=x", headers=ann), 422) == "invalid"
    assert problem_of(await office.client.get("/v1/me/waitlist?kind=x", headers=ann), 422) == "invalid"


# Offers -----------------------------------------------------------------------------------------------------


async def test_what_falls_free_is_offered_in_order_and_nobody_snipes(office: BoxOffice) -> None:
    waitlist, ann, bob = await sold_out(office), office.as_buyer(), office.as_buyer()
    group, single = await waitlist.join(ann, 3), await waitlist.join(bob, 1)
    await waitlist.release(1)
    assert (await waitlist.get(group, ann))["state"] == "waiting", "a group keeps its position"
    offered = await waitlist.get(single, bob)
    assert (offered["state"], offered["position"]) == ("offered", None)
    assert (
        timedelta(seconds=1790)
        < instant(offered["offer_expires_at"]) - instant(offered["offered_at"])
        <= timedelta(seconds=1800)
    )
    await waitlist.release(2)
    assert problem_of(await office.book(waitlist.event, office.as_buyer()), 409) == "sold-out"
    stands = await waitlist.get(group, ann)
    assert (stands["state"], stands["position"]) == ("waiting", 1)
    assert stands["estimate"]["units_per_day"] == 24.0, "one unit was offered within the first hour"
    await waitlist.release(1)
    assert (await waitlist.get(group, ann))["state"] == "offered"


async def test_an_offer_at_the_door_is_confirmed_when_it_is_accepted(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office), office.as_buyer()
    entry = await waitlist.join(ann, 2)
    assert problem_of(await waitlist.act(entry, "accept", ann), 409) == "not-offered"
    await waitlist.release(2)
    booking_id = (await waitlist.get(entry, ann))["booking_id"]
    offer = (await office.client.get(f"/v1/bookings/{booking_id}", headers=ann)).json()
    assert (offer["state"], offer["payment"], offer["waitlist_entry_id"]) == ("held", "door", entry["id"])
    assert [
        booking["payment"]
        for booking in (await office.client.get("/v1/me/bookings", headers=ann)).json()["data"]
    ] == ["door"]
    stranger = office.as_buyer()
    for verb in ("accept", "decline"):
        assert problem_of(await waitlist.act(entry, verb, stranger), 404) == "waitlist-entry-not-found"
    assert (
        problem_of(await office.client.get(f"/v1/waitlist/{entry['id']}", headers=stranger), 404)
        == "waitlist-entry-not-found"
    )
    accepted = await asyncio.gather(*[waitlist.act(entry, "accept", ann) for _ in range(3)])
    assert {answer.json()["state"] for answer in accepted} == {"confirmed"}
    assert {answer.json()["id"] for answer in accepted} == {booking_id}
    assert problem_of(await waitlist.act(entry, "decline", ann), 409) == "not-offered"
    assert (await waitlist.get(entry, ann))["state"] == "fulfilled"


async def test_an_offer_online_becomes_a_hold_to_be_paid(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office, payment="online"), office.as_buyer()
    entry = await waitlist.join(ann)
    await waitlist.release(1)
    booking_id = (await waitlist.get(entry, ann))["booking_id"]
    assert problem_of(await office.post(f"/v1/bookings/{booking_id}/extend", ann), 409) == "already-extended"
    accepted = (await waitlist.act(entry, "accept", ann)).json()
    assert (accepted["id"], accepted["state"], accepted["payment"], accepted["payment_state"]) == (
        booking_id,
        "held",
        "online",
        "due",
    )
    await pay(office, accepted, ann)
    assert (await office.client.get(f"/v1/bookings/{booking_id}", headers=ann)).json()["state"] == "confirmed"


async def test_declining_asks_the_next(office: BoxOffice) -> None:
    waitlist, ann, bob = await sold_out(office), office.as_buyer(), office.as_buyer()
    first, second = await waitlist.join(ann), await waitlist.join(bob)
    await waitlist.release(1)
    declined = await waitlist.act(first, "decline", ann)
    assert (declined.json()["state"], declined.json()["reason"]) == ("withdrawn", "declined")
    assert (await waitlist.act(first, "decline", ann)).json() == declined.json(), "safe to repeat"
    assert problem_of(await waitlist.act(first, "accept", ann), 409) == "offer-expired"
    assert (await waitlist.get(second, bob))["state"] == "offered"
    assert [each["kind"] for each in await told(office, ann)] == ["offer_made"], (
        "a buyer gets no notification of their own action"
    )


async def test_an_offer_that_lapses_is_passed_on(office: BoxOffice) -> None:
    waitlist, ann, bob = await sold_out(office), office.as_buyer(), office.as_buyer()
    first, second = await waitlist.join(ann), await waitlist.join(bob)
    await waitlist.release(1)
    await lapse(office, waitlist, first, ann)
    gone = await waitlist.get(first, ann)
    assert (gone["state"], gone["reason"], gone["offer_expires_at"]) == ("withdrawn", "lapsed", None)
    assert problem_of(await waitlist.act(first, "accept", ann), 409) == "offer-expired"
    assert (await waitlist.get(second, bob))["state"] == "offered"
    assert [each["kind"] for each in await told(office, ann)] == ["offer_lapsed", "offer_made"]
    assert [each["waitlist_entry_id"] for each in await told(office, bob)] == [second["id"]]


async def lapse(office: BoxOffice, waitlist: Waitlist, entry: Any, buyer: dict[str, str]) -> None:
    """Wait until an offer expires, and run a batch that withdraws its entry."""
    booking_id = (await waitlist.get(entry, buyer))["booking_id"]
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE bookings SET expires_at = placed_at WHERE booking_id = $1", parse_id("bkg", booking_id)
        )
        # The engine keeps the sale in memory; a change of its window makes it read the sale again.
        window = EventChanges(off_sale_at=waitlist.event.starts_at + timedelta(hours=1))
        await organizing.change_event(tx, waitlist.event.event_id, window, utc_now())
    await office.context.engine.submit(WakeSale(waitlist.event.event_id))


async def test_a_returned_ticket_is_its_holders_until_it_is_taken(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office, payment="online"), office.as_buyer()
    entry, ticket = await waitlist.join(ann), waitlist.booking["tickets"][0]["id"]
    returned = await office.post(
        f"/v1/bookings/{waitlist.booking['id']}/return", waitlist.holder, ticket_ids=[ticket]
    )
    assert returned.status_code == 200, returned.text
    assert (await waitlist.get(entry, ann))["state"] == "offered"
    keep = await office.post(
        f"/v1/bookings/{waitlist.booking['id']}/keep", waitlist.holder, ticket_ids=[ticket]
    )
    assert problem_of(keep, 409) == "not-returnable"
    accepted = (await waitlist.act(entry, "accept", ann)).json()
    held = (await office.client.get(f"/v1/bookings/{waitlist.booking['id']}", headers=waitlist.holder)).json()
    assert held["tickets"][0]["state"] == "valid"
    await pay(office, accepted, ann)
    after = (
        await office.client.get(f"/v1/bookings/{waitlist.booking['id']}", headers=waitlist.holder)
    ).json()
    assert [each["state"] for each in after["tickets"]] == ["void", "valid", "valid", "valid"]
    assert after["refunded"]["amount"] == 2500
    assert [each["kind"] for each in await told(office, waitlist.holder)] == [
        "return_taken",
        "booking_confirmed",
    ]
    await office.context.checkout.pay_back(
        waitlist.event.event_id, parse_id("rfd", after["refunds"][0]["id"])
    )
    latest = (await told(office, waitlist.holder))[0]
    assert (latest["kind"], latest["refund_id"]) == ("refund_paid", after["refunds"][0]["id"])


# The organizer ----------------------------------------------------------------------------------------------


async def test_the_organizer_sees_the_line(office: BoxOffice) -> None:
    waitlist, door, ann = await sold_out(office), await office.as_member("door"), office.as_buyer()
    entries = [
        await waitlist.join(buyer, quantity)
        for buyer, quantity in ((ann, 3), (office.as_buyer(), 2), (office.as_buyer(), 1))
    ]
    await waitlist.release(1)
    found, url = [], f"{waitlist.url}?limit=2&ticket_type_id={waitlist.type_id}"
    while url:
        page = await office.client.get(url, headers=door)
        found += page.json()["data"]
        url = page.links["next"]["url"] if "next" in page.links else ""
    assert [(each["id"], each["state"]) for each in found] == [
        (entries[0]["id"], "waiting"),
        (entries[1]["id"], "waiting"),
        (entries[2]["id"], "offered"),
    ]
    assert all(each["buyer_id"].startswith("per_") for each in found)
    (depth,) = (await office.client.get(f"{waitlist.url}/depth", headers=door)).json()["data"]
    assert depth == {
        "ticket_type_id": waitlist.type_id,
        "waiting_entries": 2,
        "waiting_units": 5,
        "offered_entries": 1,
        "offered_units": 1,
        "fulfilled_entries": 0,
        "withdrawn_entries": 0,
        "set_aside_units": 0,
    }
    for path in (waitlist.url, f"{waitlist.url}/depth"):
        assert problem_of(await office.client.get(path, headers=ann), 403) == "forbidden"
        assert problem_of(await office.client.get(path), 401) == "unauthenticated"


# What people are told ---------------------------------------------------------------------------------------


async def test_people_are_told_once_and_say_that_they_have_read_it(office: BoxOffice) -> None:
    event, ann = await office.open_event(capacity=5), office.as_buyer()
    booked = (await office.book(event, ann, 2)).json()
    await office.post(f"/v1/bookings/{booked['id']}/cancel", ann, ticket_ids=[booked["tickets"][0]["id"]])
    await office.post(f"/v1/bookings/{booked['id']}/cancel", ann)
    notifications = await told(office, ann)
    assert [each["kind"] for each in notifications] == [
        "booking_cancelled",
        "tickets_cancelled",
        "booking_confirmed",
    ]
    assert {each["booking_id"] for each in notifications} == {booked["id"]}
    async with office.context.database.transaction() as tx:  # as if they had not been delivered
        await tx.execute("UPDATE journal SET delivered_at = NULL WHERE event_id = $1", event.event_id)
    assert await told(office, ann) == notifications
    url = f"/v1/me/notifications/{notifications[0]['id']}/read"
    assert problem_of(await office.post(url, office.as_buyer()), 404) == "not-found"
    read = await office.post(url, ann)
    assert read.json() == notifications[0] | {"read_at": read.json()["read_at"]}
    assert (await office.post(url, ann)).json() == read.json()
    assert [each["kind"] for each in await told(office, ann, unread=True)] == [
        "tickets_cancelled",
        "booking_confirmed",
    ]
    page = await office.client.get("/v1/me/notifications?limit=1", headers=ann)
    rest = await office.client.get(page.links["next"]["url"], headers=ann)
    assert rest.json()["data"] == notifications[1:2]
    assert problem_of(await office.post("/v1/me/notifications/ntf_x/read", ann), 404) == "not-found"
    assert problem_of(await office.client.get("/v1/me/notifications"), 401) == "unauthenticated"


async def test_whoever_leaves_is_told_nothing_any_more(office: BoxOffice) -> None:
    client, event = office.client, await office.open_event(capacity=5)
    account = {"email": "leaving@example.org", "name": "Leaving", "password": "a good long passphrase 1"}
    assert (await client.post("/v1/auth/register", json=account)).status_code == 202
    login = (
        await client.post("/v1/auth/login", json={"email": account["email"], "password": account["password"]})
    ).json()
    leaving = {"Authorization": f"Bearer {login['access_token']}"}
    booked = (await office.book(event, leaving)).json()
    assert len(await told(office, leaving)) == 1
    gone = await client.request(
        "DELETE",
        "/v1/me",
        params={"confirm": "lose_tickets"},
        json={"password": account["password"]},
        headers=leaving,
    )
    assert gone.status_code == 204, gone.text
    manager = await office.as_member("manager")
    await office.post(f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booked['id']}/cancel", manager)
    await office.deliver()
    person = parse_id("per", booked["buyer_id"])
    assert (
        await office.context.database.fetch_value(
            "SELECT count(*) FROM notifications WHERE person_id = $1", person
        )
        == 0
    )


# How long it takes ------------------------------------------------------------------------------------------


async def test_estimates_are_honest() -> None:
    begun, end = NOW - timedelta(days=9), NOW + timedelta(days=10)
    assert estimate_of(0, NOW - timedelta(days=3), 1, begun, end, NOW) is None, (
        "without released tickets there is no estimate"
    )
    steady = estimate_of(6, NOW - timedelta(days=3), 4, begun, end, NOW)
    assert steady is not None
    assert (steady.units_per_day, steady.expected_at, steady.in_time) == (2.0, NOW + timedelta(days=2), True)
    late = estimate_of(1, NOW - timedelta(days=14), 2, begun, end, NOW)
    assert late is not None
    assert (late.expected_at, late.in_time) == (NOW + timedelta(days=28), False)
    rash = estimate_of(1, NOW - timedelta(seconds=1), 1, begun, end, NOW)
    assert rash is not None
    assert rash.expected_at == NOW + timedelta(hours=1)
    assert estimate_of(6, NOW - timedelta(days=3), 4, begun, NOW, NOW) is None, (
        "no offers after the sale has ended"
    )
    again = estimate_of(6, NOW - timedelta(days=3), 4, NOW + timedelta(days=5), end, NOW)
    assert again is not None
    assert again.expected_at == NOW + timedelta(days=7), "no offers before the sale begins"
