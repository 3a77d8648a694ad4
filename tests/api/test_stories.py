"""The story of a booking in words, and names that an organizer changes, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import get_args
from uuid import uuid4

import pytest

from evently.audit import inspect
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.reactions.tasks import cancel_bookings
from evently.sales import facts
from evently.web import stories
from tests.api.test_exchanges import Call, call, exchange
from tests.api.test_transfers import somebody
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.paying import ONLINE, sold_under


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def told(office: BoxOffice, made: Call) -> list[str]:
    answer = await office.client.get(f"{made.path}/story", headers=made.desk)
    assert answer.status_code == 200, answer.text
    return [each["text"] for each in answer.json()["steps"]]


async def test_the_story_of_a_booking(office: BoxOffice) -> None:
    made, friend = await call(office), await somebody(office, "Grace Hopper")
    other = await office.place(
        made.event,
        friend.headers,
        {"ticket_type_id": made.booking["tickets"][0]["ticket_type_id"], "seats": ["S-A-5"]},
    )
    assert other.status_code == 201
    assert (await exchange(office, made, (0, "S-A-4"))).status_code == 200
    offered = await office.client.post(
        f"/v1/tickets/{made.tickets[1]}/transfers", json={"email": friend.email}, headers=made.buyer.headers
    )
    await office.client.post(f"/v1/transfers/{offered.json()['id']}/accept", headers=friend.headers)
    await office.post(f"{made.path}/cancel", made.desk, ticket_ids=[made.tickets[0]])
    steps = await told(office, made)
    assert steps[0] == "Booked: 2 × Stalls."
    before, after = (made.booking["tickets"][0]["seat"]["label"], "seat 4")
    assert steps[1].startswith(f"Member changed seats: {before} → ")
    assert after in steps[1]
    assert steps[2].startswith("Ticket 2: Mina <b>Ito</b> offered it to another person, until ")
    assert steps[3] == "Grace Hopper accepted the ticket. Its earlier code is void."
    assert (
        steps[4] == "Tickets were cancelled by the organizer (Member): 1 × Stalls. Evently pays nothing back."
    )
    assert len(steps) == 5, "nothing of the other booking"
    for headers, status in ((await office.as_member("door"), 403), (made.buyer.headers, 403)):
        answer = await office.client.get(f"{made.path}/story", headers=headers)
        assert answer.status_code == status
    foreign = made.path.replace(made.booking["id"], other.json()["id"]).replace(
        show_id("evt", made.event.event_id), show_id("evt", (await office.open_event()).event_id)
    )
    lost = await office.client.get(f"{foreign}/story", headers=made.desk)
    assert problem_of(lost, 404) == "booking-not-found"


def test_each_fact_about_a_booking_has_a_sentence_or_is_told_by_another() -> None:
    about = {kind for kind in get_args(facts.Fact) if "booking_id" in kind.__struct_fields__}
    bookkeeping = {facts.TicketUnbound, facts.OfferMade}  # the cancellation and the hold beside them say it
    source = stories.__loader__.get_source(stories.__name__)  # type: ignore[union-attr]
    silent = {kind for kind in about if f"facts.{kind.__name__}" not in source}
    assert silent == bookkeeping


async def test_an_organizer_changes_a_name(office: BoxOffice) -> None:
    made = await call(office)
    path = f"{made.path.rsplit('/', 2)[0]}/tickets/{made.tickets[0]}/name"
    answer = await office.client.put(path, json={"attendee_name": "  Søren   K "}, headers=made.desk)
    assert answer.status_code == 200, answer.text
    assert answer.json()["attendee_name"] == "Søren K"
    mine = await office.client.get(f"/v1/tickets/{made.tickets[0]}", headers=made.buyer.headers)
    assert mine.json()["attendee_name"] == "Søren K"
    await office.context.database.fetch(
        "UPDATE events SET names_until = now() - interval '1 day' WHERE event_id = $1", made.event.event_id
    )
    late = await office.client.put(path, json={"attendee_name": "Mina"}, headers=made.desk)
    assert late.status_code == 200, "the deadline is the buyer's"
    wrong = await office.client.put(path, json={"attendee_name": " "}, headers=made.desk)
    assert problem_of(wrong, 422) == "invalid"
    gone = await office.client.put(path, json={"attendee_name": None}, headers=made.desk)
    assert gone.json()["attendee_name"] is None
    door = await office.client.put(path, json={"attendee_name": "X"}, headers=await office.as_member("door"))
    assert door.status_code == 403
    await office.post(f"{made.path}/cancel", made.desk)
    void = await office.client.put(path, json={"attendee_name": "X"}, headers=made.desk)
    assert problem_of(void, 409) == "name-fixed"


# Who, why, to whom ------------------------------------------------------------------------------------------


async def sold_online(office: BoxOffice, capacity: int = 5) -> tuple[Event, str]:
    """Return an event that is paid online with the promo code HALF, and the path of its bookings."""
    event = await office.open_event(terms=sold_under(ONLINE, capacity))
    path = f"/v1/events/{show_id('evt', event.event_id)}"
    code = {"code": "HALF", "kind": "percent", "basis_points": 5000}
    made = await office.post(f"{path}/promo-codes", await office.as_member("owner"), **code)
    assert made.status_code == 201, made.text
    return event, f"{path}/bookings"


async def read_texts(office: BoxOffice, path: str, booking_id: str) -> list[tuple[str, str]]:
    answer = await office.client.get(f"{path}/{booking_id}/story", headers=await office.as_member("manager"))
    assert answer.status_code == 200, answer.text
    return [(each["kind"], each["text"].replace("\u00a0", " ")) for each in answer.json()["steps"]]


async def test_the_promo_code_and_payments_that_did_not_go_through(office: BoxOffice) -> None:
    event, path = await sold_online(office)
    buyer = await somebody(office)
    line = {"ticket_type_id": await office.ticket_type(event), "quantity": 1}
    booking = (await office.place(event, buyer.headers, line, promo_code="half")).json()
    pay = f"/v1/bookings/{booking['id']}/payments"
    for method in ("expired", "succeeds"):
        await office.client.post(pay, json={"method": method}, headers=buyer.headers)
        await office.context.checkout.wait_until_idle()
    steps = await read_texts(office, path, booking["id"])
    assert steps[0][1].endswith("1 × Regular with the promo code HALF."), steps
    assert steps[1] == (
        "PaymentDeclined",
        "A payment of 12.50 EUR did not go through. The buyer read: “This card has expired.”",
    )
    assert steps[2][0] == "HoldConfirmed"
    assert steps[2][1].startswith("Paid 12.50 EUR")


async def test_who_cancelled_and_why(office: BoxOffice) -> None:
    event, path = await sold_online(office, 20)
    buyer, manager = await somebody(office), await office.as_member("manager")
    bookings = []
    for _ in range(4):
        booking = (await office.book(event, buyer.headers, 2)).json()
        await office.post(f"/v1/bookings/{booking['id']}/payments", buyer.headers, method="succeeds")
        await office.context.checkout.wait_until_idle()
        bookings.append(booking)
    by_buyer, by_organizer, with_event, held = bookings[0], bookings[1], bookings[2], None
    await office.post(f"/v1/bookings/{by_buyer['id']}/cancel", buyer.headers)
    first = by_organizer["tickets"][0]["id"]
    answer = await office.post(f"{path}/{by_organizer['id']}/cancel", manager, ticket_ids=[first])
    assert answer.status_code == 200, answer.text
    held = (await office.book(event, (other := await somebody(office)).headers, 1)).json()
    await office.post(f"/v1/bookings/{held['id']}/cancel", other.headers)
    await cancel_bookings(office.context.database, office.context.engine, event.event_id)
    texts = {
        name: [text for kind, text in await read_texts(office, path, each["id"]) if "Cancelled" in kind]
        for name, each in (
            ("buyer", by_buyer), ("organizer", by_organizer), ("event", with_event), ("held", held),
        )
    }  # fmt: skip
    assert texts["buyer"][0].startswith("The booking was cancelled by the buyer: 2 × Regular.")
    assert texts["organizer"][0].startswith("Tickets were cancelled by the organizer (Member): 1 × Regular.")
    assert texts["organizer"][1].startswith("The booking was cancelled because the event was cancelled: 1 ×")
    assert texts["event"][0].startswith("The booking was cancelled because the event was cancelled: 2 ×")
    assert texts["held"] == ["The hold was cancelled by the buyer."]
    assert found(await inspect(office.context.database)) == {}


def test_a_journal_of_before_does_not_say_who_cancelled() -> None:
    stored = (
        b'[{"type":"BookingCancelled","booking_id":"00000000-0000-0000-0000-000000000001","was":"held",'
        b'"tickets":[]}]'
    )
    (fact,) = facts.decode_facts(stored)
    assert isinstance(fact, facts.BookingCancelled)
    assert (fact.by, fact.person_id) == ("", None)
    assert facts.decode_facts(facts.encode_facts([fact])) == [fact]
    assert b"person_id" not in facts.encode_facts([fact]), "a replay hashes what was stored"


async def test_tickets_that_were_sent_again_and_a_check_in_that_was_undone(office: BoxOffice) -> None:
    made = await call(office)
    sent = await office.post(f"{made.path}/resend", made.desk)
    assert sent.status_code in (200, 202), sent.text
    event_path, door = made.path.rsplit("/", 2)[0], await office.as_member("door")
    scan_id = str(uuid4())
    scan = {"id": scan_id, "code": made.booking["tickets"][0]["code"], "scanned_at": utc_now().isoformat()}
    await office.post(f"{event_path}/scans", door, scans=[scan])
    undone = await office.post(f"{event_path}/scans/{scan_id}/undo", door, reason="The <b>friend’s</b>.")
    assert undone.status_code == 200, undone.text
    steps = await told(office, made)
    assert steps[1:] == [
        "The tickets were sent to the buyer once more.",
        "Ticket 1: checked in at the door.",
        "Ticket 1: the check-in was undone by Member: “The <b>friend’s</b>.”",
    ]


async def test_to_whom_the_waitlist_offered_a_ticket_and_who_took_it(office: BoxOffice) -> None:
    event, path = await sold_online(office, 1)
    giver, taker = await somebody(office, "Giver"), await somebody(office, "Taker")
    booking = (await office.book(event, giver.headers, 1)).json()
    await office.post(f"/v1/bookings/{booking['id']}/payments", giver.headers, method="succeeds")
    await office.context.checkout.wait_until_idle()
    joined = await office.post(
        f"{path.removesuffix('/bookings')}/waitlist",
        taker.headers,
        ticket_type_id=await office.ticket_type(event),
        quantity=1,
    )
    assert joined.status_code == 201, joined.text
    ticket = booking["tickets"][0]["id"]
    returned = await office.post(f"/v1/bookings/{booking['id']}/return", giver.headers, ticket_ids=[ticket])
    assert returned.status_code == 200, returned.text
    accepted = (await office.post(f"/v1/waitlist/{joined.json()['id']}/accept", taker.headers)).json()
    await office.post(f"/v1/bookings/{accepted['id']}/payments", taker.headers, method="succeeds")
    await office.context.checkout.wait_until_idle()
    steps = [text for _, text in await read_texts(office, path, booking["id"])]
    assert steps[3] == "Ticket 1: offered to the waitlist by the buyer.", steps
    assert steps[4].startswith("Ticket 1: offered to Taker from the waitlist, until "), steps
    assert steps[5].startswith("The booking was cancelled because the waitlist took them: 1 × Regular."), (
        steps
    )
    others = [text for _, text in await read_texts(office, path, accepted["id"])]
    assert others[0].startswith("Offered to Taker from the waitlist until "), others
