"""Questions to buyers over HTTP: what organizers ask, what buyers answer, who reads it, what remains."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from evently import questions
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import parse_id, show_id
from evently.sales.terms import Conditions
from tests.api.test_tickets import as_named_buyer
from tests.api.test_transfers import accepted, set_stage
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import make_organizer
from tests.support.paying import sold_under

FOOD = {
    "kind": "choice",
    "asked_per": "ticket",
    "label": "What should we cook for you?",
    "choices": ["Vegetarian", "Vegan", "Fish"],
    "required": True,
    "at_door": True,
}
RULES = {"kind": "consent", "label": "I accept the house rules", "hint": "No glass.", "required": True}
AGE = {"kind": "number", "label": "How old is the youngest?", "smallest": 0, "largest": 120}
ARRIVAL = {"kind": "date", "label": "When do you arrive?"}
NOTE = {"kind": "text", "label": "What should we know?"}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def ask(office: BoxOffice, event: Event, **question: Any) -> Any:
    """Add a question as the manager of an event does."""
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions"
    added = await office.client.post(path, json=question, headers=await office.as_member("manager"))
    assert added.status_code == 201, added.text
    return added.json()


async def sold_online(office: BoxOffice, capacity: int = 50) -> Event:
    return await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), capacity))


async def answer(
    office: BoxOffice, buyer: dict[str, str], booking: Any, *answers: dict[str, Any]
) -> httpx2.Response:
    path = f"/v1/bookings/{booking['id']}/answers"
    return await office.client.patch(path, json={"answers": list(answers)}, headers=buyer)


async def asked(office: BoxOffice, buyer: dict[str, str], booking: Any) -> Any:
    return (await office.client.get(f"/v1/bookings/{booking['id']}/answers", headers=buyer)).json()


async def test_questions_are_answered_while_the_tickets_are_held_and_then_it_is_paid(
    office: BoxOffice,
) -> None:
    event, buyer = await sold_online(office), await as_named_buyer(office, "Ada Lovelace")
    food, rules, age = [await ask(office, event, **each) for each in (FOOD, RULES, AGE)]
    booking = (await office.book(event, buyer, 2)).json()
    first, second = [ticket["id"] for ticket in booking["tickets"]]
    said = await asked(office, buyer, booking)
    assert said["missing"] == 3, "each ticket's food, and the consent"
    assert [(each["question_id"], each["ticket_id"]) for each in said["data"]] == [
        (rules["id"], None),
        (age["id"], None),
        (food["id"], first),
        (food["id"], second),
    ]
    pay = f"/v1/bookings/{booking['id']}/payments"
    refused = await office.post(pay, buyer, method="succeeds")
    assert problem_of(refused, 409) == "answers-missing"
    assert refused.json()["missing"] == 3
    given = await answer(
        office,
        buyer,
        booking,
        {"question_id": food["id"], "ticket_id": first, "answer": "Vegan"},
        {"question_id": rules["id"], "answer": "yes", "wording": 1},
        {"question_id": age["id"], "answer": " 7,50 "},
    )
    assert given.status_code == 200, given.text
    assert given.json() == await asked(office, buyer, booking)
    assert [each["answer"] for each in given.json()["data"]] == ["yes", "7.5", "Vegan", None]
    assert problem_of(await office.post(pay, buyer, method="succeeds"), 409) == "answers-missing"
    await answer(office, buyer, booking, {"question_id": food["id"], "ticket_id": second, "answer": "Fish"})
    paid = await office.post(pay, buyer, method="succeeds")
    assert paid.status_code == 201, paid.text
    assert paid.json()["state"] in ("confirmed", "captured")
    again = await office.client.post(pay, json={"method": "succeeds"}, headers=buyer)
    assert problem_of(again, 409) == "already-confirmed"
    taken = await answer(office, buyer, booking, {"question_id": age["id"], "answer": None})
    assert [each["answer"] for each in taken.json()["data"]] == ["yes", None, "Vegan", "Fish"]


async def test_a_question_without_payment_stays_open_and_is_for_its_ticket_types(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    type_id = await office.ticket_type(event)
    await ask(office, event, **NOTE, required=True, ticket_type_ids=[type_id])
    other = await office.open_event()
    path = f"/v1/events/{show_id('evt', other.event_id)}/questions"
    wrong = await office.post(path, await office.as_member("manager"), **NOTE, ticket_type_ids=[type_id])
    assert [(each["pointer"], each["code"]) for each in wrong.json()["errors"]] == [
        ("/ticket_type_ids/0", "unknown-ticket-type")
    ]
    booking = (await office.book(event, buyer, 1)).json()
    assert booking["state"] == "confirmed", "nothing is paid online: nothing can wait for the answer"
    said = await asked(office, buyer, booking)
    assert (said["missing"], len(said["data"])) == (1, 1)
    assert said["answerable_until"] is not None
    unasked = (await office.book(other, buyer, 1)).json()
    nothing = {
        "booking_id": unasked["id"],
        "event_id": show_id("evt", other.event_id),
        "missing": 0,
        "answerable_until": None,
        "data": [],
    }
    assert await asked(office, buyer, unasked) == nothing


@pytest.mark.parametrize(
    ("question", "text", "stored", "code"),
    [
        (FOOD, "Fish", "Fish", ""),
        (FOOD, " Fish\n", "Fish", ""),
        (FOOD, "fish", None, "not-a-choice"),
        (FOOD, "Meat", None, "not-a-choice"),
        (AGE, "0", "0", ""),
        (AGE, "1 2", "12", ""),
        (AGE, "\u22120,0", "0", ""),
        (AGE, "12.500", "12.5", ""),
        (AGE, "120.000001", None, "out-of-range"),
        (AGE, "-1", None, "out-of-range"),
        (AGE, "1e3", None, "not-a-number"),
        (AGE, "twelve", None, "not-a-number"),
        (AGE, "\u0661\u0662", None, "not-a-number"),
        (AGE, "9" * 400, None, "not-a-number"),
        (ARRIVAL, "2027-05-20", "2027-05-20", ""),
        (ARRIVAL, "20.5.2027", "2027-05-20", ""),
        (ARRIVAL, "2027-02-30", None, "no-such-day"),
        (ARRIVAL, "0000-01-01", None, "no-such-day"),
        (ARRIVAL, "1066-10-14", None, "year-out-of-range"),
        (ARRIVAL, "05/06/2027", None, "not-a-date"),
        (ARRIVAL, "tomorrow", None, "not-a-date"),
        (NOTE, "  a\r\nb  ", "a\nb", ""),
        (NOTE, "x" * 1_000, "x" * 1_000, ""),
        (NOTE, "x" * 1_001, None, "too-many-characters"),
        (NOTE, "\u200b", None, "blank"),
        (NOTE, "a\u202eb", None, "direction-characters"),
        (NOTE, "a\x07b", None, "control-characters"),
        (RULES, "on", "yes", ""),
        (RULES, "perhaps", None, "not-a-consent"),
    ],
)
async def test_which_answers_fit_which_question(
    office: BoxOffice, question: dict[str, Any], text: str, stored: str | None, code: str
) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    added = await ask(office, event, **question)
    booking = (await office.book(event, buyer, 1)).json()
    ticket = {"ticket_id": booking["tickets"][0]["id"]} if question.get("asked_per") == "ticket" else {}
    given = await answer(
        office, buyer, booking, {"question_id": added["id"], "answer": text, "wording": 1, **ticket}
    )
    if code:
        assert problem_of(given, 422) == "invalid"
        found = [(each["pointer"], each["code"]) for each in given.json()["errors"]]
        assert found == [("/answers/0/answer", code)]
    else:
        assert given.json()["data"][0]["answer"] == stored
    assert (await asked(office, buyer, booking))["data"][0]["answer"] == stored


async def test_all_wrong_answers_are_named_at_once_and_none_is_stored(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    food, age = await ask(office, event, **FOOD), await ask(office, event, **AGE)
    rules = await ask(office, event, **RULES)
    booking = (await office.book(event, buyer, 1)).json()
    elsewhere = (await office.book(event, buyer, 1)).json()["tickets"][0]["id"]
    given = await answer(
        office,
        buyer,
        booking,
        {"question_id": food["id"], "ticket_id": elsewhere, "answer": "Fish"},
        {"question_id": age["id"], "answer": "old"},
        {"question_id": rules["id"], "answer": "yes"},
        {"question_id": "qst_nothing", "answer": "yes"},
        {"question_id": age["id"], "answer": "7"},
        {"question_id": food["id"], "answer": "Fish"},
    )
    assert problem_of(given, 422) == "invalid"
    assert {(each["pointer"], each["code"]) for each in given.json()["errors"]} == {
        ("/answers/0/question_id", "not-asked"),
        ("/answers/1/answer", "not-a-number"),
        ("/answers/2/answer", "wording-missing"),
        ("/answers/3/question_id", "not-asked"),
        ("/answers/4/question_id", "given-twice"),
        ("/answers/5/question_id", "not-asked"),
    }
    assert all(each["answer"] is None for each in (await asked(office, buyer, booking))["data"])


async def test_wrong_questions_are_refused_with_every_error(office: BoxOffice) -> None:
    event, manager = await office.open_event(), await office.as_member("manager")
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions"
    for wrong, errors in (
        ({"kind": "text", "label": "  "}, {("/label", "blank")}),
        ({"kind": "text", "label": "x" * 301}, {("/label", "too-many-characters")}),
        ({"kind": "choice", "label": "Size"}, {("/choices", "choices-missing")}),
        ({"kind": "choice", "label": "Size", "choices": ["S"]}, {("/choices", "choices-missing")}),
        (
            {"kind": "choice", "label": "Size", "choices": ["S", " s ", ""]},
            {("/choices/1", "given-twice"), ("/choices/2", "blank")},
        ),
        ({"kind": "text", "label": "Size", "choices": ["S", "M"]}, {("/choices", "choices-of-choice-only")}),
        ({"kind": "date", "label": "When", "largest": 3}, {("/largest", "bounds-of-number-only")}),
        ({"kind": "number", "label": "Age", "smallest": 9, "largest": 3}, {("/largest", "below-smallest")}),
        ({"kind": "number", "label": "Age", "smallest": 10**13}, {("/smallest", "out-of-range")}),
        ({"kind": "text", "label": "Age", "ticket_type_ids": []}, {("/ticket_type_ids", "no-ticket-types")}),
    ):
        answered = await office.client.post(path, json=wrong, headers=manager)
        assert problem_of(answered, 422) == "invalid", wrong
        assert {(each["pointer"], each["code"]) for each in answered.json()["errors"]} == errors
    for _ in range(20):
        await ask(office, event, **NOTE)
    assert problem_of(await office.post(path, manager, **NOTE), 409) == "too-many-parts"


async def test_who_may_ask_and_who_may_read(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    question = await ask(office, event, **NOTE)
    booking = (await office.book(event, buyer, 1)).json()
    await answer(office, buyer, booking, {"question_id": question["id"], "answer": "A wheelchair"})
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions"
    read = f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booking['id']}/answers"
    door, manager = await office.as_member("door"), await office.as_member("manager")
    elsewhere = await office.as_member("owner", await make_organizer(office.context.database, "Others"))
    for headers in (door, buyer, elsewhere):
        assert problem_of(await office.client.post(path, json=NOTE, headers=headers), 403) == "forbidden"
        assert problem_of(await office.client.get(path, headers=headers), 403) == "forbidden"
        assert problem_of(await office.client.get(read, headers=headers), 403) == "forbidden"
    listed = (await office.client.get(path, headers=manager)).json()["data"]
    assert [(each["id"], each["answers"]) for each in listed] == [(question["id"], 1)]
    (given,) = (await office.client.get(read, headers=manager)).json()["data"]
    assert (given["label"], given["answer"]) == (NOTE["label"], "A wheelchair")
    mine = f"/v1/bookings/{booking['id']}/answers"
    for headers in (manager, await as_named_buyer(office, "Ada Lovelace")):
        assert problem_of(await office.client.get(mine, headers=headers), 404) == "booking-not-found"
        sent = await office.client.patch(mine, json={"answers": []}, headers=headers)
        assert problem_of(sent, 404) == "booking-not-found"


async def test_other_words_of_a_consent_are_another_consent(office: BoxOffice) -> None:
    event, buyer = await sold_online(office), await as_named_buyer(office, "Ada Lovelace")
    rules = await ask(office, event, **RULES)
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions/{rules['id']}"
    manager = await office.as_member("manager")
    booking = (await office.book(event, buyer, 1)).json()
    agreed = {"question_id": rules["id"], "answer": "yes", "wording": 1}
    await answer(office, buyer, booking, agreed)
    missing = await office.client.patch(path, json={"hint": "No glass, no dogs."}, headers=manager)
    assert problem_of(missing, 428) == "if-match-missing"
    etag = (await office.client.get(path, headers=manager)).headers["etag"]
    changed = await office.client.patch(
        path, json={"hint": "No glass, no dogs."}, headers=manager | {"if-match": etag}
    )
    assert (changed.status_code, changed.json()["wording"]) == (200, 2)
    stale = await office.client.patch(path, json={"label": "x"}, headers=manager | {"if-match": etag})
    assert problem_of(stale, 412) == "stale"
    (said,) = (await asked(office, buyer, booking))["data"]
    assert (said["answer"], said["asked_again"], said["hint"]) == (None, True, "No glass, no dogs.")
    paying = await office.post(f"/v1/bookings/{booking['id']}/payments", buyer, method="succeeds")
    assert problem_of(paying, 409) == "answers-missing"
    late = await answer(office, buyer, booking, agreed)
    assert [each["code"] for each in late.json()["errors"]] == ["question-changed"], "they saw other words"
    read = f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booking['id']}/answers"
    (kept,) = (await office.client.get(read, headers=manager)).json()["data"]
    assert (kept["hint"], kept["reworded"]) == ("No glass.", True), "as it was shown"
    await answer(office, buyer, booking, agreed | {"wording": 2})
    (kept,) = (await office.client.get(read, headers=manager)).json()["data"]
    assert (kept["hint"], kept["reworded"]) == ("No glass, no dogs.", False)
    paid = await office.post(f"/v1/bookings/{booking['id']}/payments", buyer, method="succeeds")
    assert paid.status_code == 201


async def test_a_changed_question_keeps_its_answers(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    food = await ask(office, event, **FOOD)
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions/{food['id']}"
    manager = await office.as_member("manager") | {"if-match": "*"}
    booking = (await office.book(event, buyer, 2)).json()
    first, second = [ticket["id"] for ticket in booking["tickets"]]
    await answer(office, buyer, booking, {"question_id": food["id"], "ticket_id": first, "answer": "Fish"})
    fewer = {"choices": ["Vegetarian", "Vegan"], "label": "What do you eat?"}
    assert (await office.client.patch(path, json=fewer, headers=manager)).status_code == 200
    for fixed in ({"kind": "text"}, {"asked_per": "booking"}):
        refused = await office.client.patch(path, json=fixed, headers=manager)
        assert problem_of(refused, 422) == "invalid"
    said = (await asked(office, buyer, booking))["data"]
    assert [each["answer"] for each in said] == ["Fish", None], "it was given when there was fish"
    late = await answer(
        office, buyer, booking, {"question_id": food["id"], "ticket_id": second, "answer": "Fish"}
    )
    assert [each["code"] for each in late.json()["errors"]] == ["not-a-choice"]
    await office.client.patch(path, json={"retired": True}, headers=manager)
    assert (await asked(office, buyer, booking))["data"] == []
    exported = await export(office, event)
    assert [row["What do you eat?"] for row in exported] == ["Fish", ""], "its answers are not lost"
    assert (await office.client.delete(path, headers=manager)).status_code == 204
    assert problem_of(await office.client.get(path, headers=manager), 404) == "not-found"
    assert await office.context.database.fetch_value("SELECT count(*) FROM question_answers") == 0
    assert "What do you eat?" not in (await export(office, event))[0]


async def export(office: BoxOffice, event: Event) -> list[dict[str, str]]:
    path = f"/v1/events/{show_id('evt', event.event_id)}/attendees.csv?byte_order_mark=false"
    answered = await office.client.get(path, headers=await office.as_member("manager"))
    assert answered.status_code == 200, answered.text
    return list(csv.DictReader(io.StringIO(answered.text)))


async def test_the_export_has_a_column_for_each_question_and_no_formula(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    food, note = await ask(office, event, **FOOD), await ask(office, event, **(NOTE | {"label": "=1+1"}))
    rules = await ask(office, event, **RULES)
    booking = (await office.book(event, buyer, 2)).json()
    first = booking["tickets"][0]["id"]
    await answer(
        office,
        buyer,
        booking,
        {"question_id": food["id"], "ticket_id": first, "answer": "Fish"},
        {"question_id": note["id"], "answer": '=HYPERLINK("http://x")'},
        {"question_id": rules["id"], "answer": "yes", "wording": 1},
    )
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions/{rules['id']}"
    await office.client.patch(
        path, json={"hint": "No cats."}, headers=await office.as_member("manager") | {"if-match": "*"}
    )
    rows = await export(office, event)
    assert [row[FOOD["label"]] for row in rows] == ["Fish", ""]  # type: ignore[index]
    assert [row["'=1+1"] for row in rows] == ['\'=HYPERLINK("http://x")'] * 2
    assert [row[RULES["label"]] for row in rows] == ["yes (to an earlier wording)"] * 2  # type: ignore[index]


async def test_answers_close_when_the_booking_ends_or_the_event_begins(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    note = await ask(office, event, **NOTE)
    booking = (await office.book(event, buyer, 1)).json()
    given = {"question_id": note["id"], "answer": "Late"}
    await office.context.database.fetch(
        "UPDATE events SET starts_at = $1, ends_at = $2", utc_now(), event.ends_at
    )
    said = await answer(office, buyer, booking, given)
    assert problem_of(said, 409) == "answers-closed"
    assert "until" in said.json()
    assert (await asked(office, buyer, booking))["answerable_until"] is None
    await office.context.database.fetch("UPDATE events SET starts_at = $1", event.starts_at)
    assert (await answer(office, buyer, booking, given)).status_code == 200
    await office.post(f"/v1/bookings/{booking['id']}/cancel", buyer)
    same = await answer(office, buyer, booking, given)
    assert [each["code"] for each in same.json()["errors"]] == ["not-asked"], "no ticket is left to ask about"


async def test_a_ticket_that_is_passed_on_is_answered_by_its_new_holder(office: BoxOffice) -> None:
    stage = await set_stage(office)
    event_id = parse_id("evt", stage.booking["event_id"])
    path = f"/v1/events/{stage.booking['event_id']}/questions"
    food = (await office.post(path, await office.as_member("manager"), **FOOD)).json()
    first, second = [ticket["id"] for ticket in stage.booking["tickets"]]
    for ticket in (first, second):
        given = {"question_id": food["id"], "ticket_id": ticket, "answer": "Fish"}
        await answer(office, stage.giver.headers, stage.booking, given)
    await accepted(office, stage)
    kept = [parse_id("tkt", first), parse_id("tkt", second)]
    seen = await questions.find_door_answers(office.context.database, event_id, kept)
    assert [[each.answer for each in seen[ticket]] for ticket in kept] == [[], ["Fish"]], "at once"
    await office.deliver()
    assert await office.context.database.fetch_value("SELECT count(*) FROM question_answers") == 1
    mine = f"/v1/tickets/{first}/answers"
    said = (await office.client.get(mine, headers=stage.receiver.headers)).json()
    assert [(each["ticket_id"], each["answer"]) for each in said["data"]] == [(first, None)]
    body = {"answers": [{"question_id": food["id"], "ticket_id": first, "answer": "Vegan"}]}
    done = await office.client.patch(mine, json=body, headers=stage.receiver.headers)
    assert done.json()["data"][0]["answer"] == "Vegan"
    refused = await office.client.patch(mine, json=body, headers=stage.giver.headers)
    assert [each["code"] for each in refused.json()["errors"]] == ["not-asked"], "it is theirs no more"
    seen = await questions.find_door_answers(office.context.database, event_id, kept)
    assert [[each.answer for each in seen[ticket]] for ticket in kept] == [["Vegan"], ["Fish"]]


async def test_the_door_sees_only_what_the_organizer_shows_there(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    note, phone = await ask(office, event, **NOTE, at_door=True), await ask(office, event, **NOTE)
    booking = (await office.book(event, buyer, 2)).json()
    for question, text in ((note, "Wheelchair"), (phone, "Secret")):
        await answer(office, buyer, booking, {"question_id": question["id"], "answer": text})
    tickets = [parse_id("tkt", ticket["id"]) for ticket in booking["tickets"]]
    seen = await questions.find_door_answers(office.context.database, event.event_id, tickets)
    assert [[each.answer for each in seen[ticket]] for ticket in tickets] == [["Wheelchair"]] * 2
    assert await questions.find_door_answers(office.context.database, event.event_id, []) == {}


async def test_a_copy_of_an_event_asks_the_same_without_answers(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    type_id = await office.ticket_type(event)
    food, note = await ask(office, event, **FOOD, ticket_type_ids=[type_id]), await ask(office, event, **NOTE)
    gone = await ask(office, event, **AGE)
    manager, path = await office.as_member("manager"), f"/v1/events/{show_id('evt', event.event_id)}"
    retired = await office.client.patch(
        f"{path}/questions/{gone['id']}", json={"retired": True}, headers=manager | {"if-match": "*"}
    )
    assert retired.status_code == 200
    booking = (await office.book(event, buyer, 1)).json()
    await answer(office, buyer, booking, {"question_id": note["id"], "answer": "Late"})
    starts_at = (event.starts_at + timedelta(days=7)).isoformat()
    copied = await office.client.post(f"{path}/copies", json={"starts_at": starts_at}, headers=manager)
    assert copied.status_code == 201, copied.text
    where = f"/v1/events/{copied.json()['id']}/questions"
    listed = (await office.client.get(where, headers=manager)).json()["data"]
    assert [(each["label"], each["answers"]) for each in listed] == [(FOOD["label"], 0), (NOTE["label"], 0)]
    assert listed[0]["id"] != food["id"]
    (its_type,) = listed[0]["ticket_type_ids"]
    assert its_type != type_id, "the ticket type of the copy"
    assert its_type == copied.json()["ticket_types"][0]["id"]
