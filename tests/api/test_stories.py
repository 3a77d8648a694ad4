"""The story of a booking in words, and names that an organizer changes, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from evently.kit.ids import show_id
from evently.sales import facts
from evently.web import stories
from tests.api.test_exchanges import Call, call, exchange
from tests.api.test_transfers import somebody
from tests.support.box_office import BoxOffice, open_box_office, problem_of


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
    assert steps[4] == "Tickets were cancelled: 1 × Stalls. Evently pays nothing back."
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
