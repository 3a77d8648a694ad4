"""The organizer's questions on the page of a booking, as a browser without script uses it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest

from evently.catalogue import Event
from evently.kit.ids import show_id
from evently.sales.terms import Conditions
from tests.api.test_pages_names import HOSTILE, plain
from tests.api.test_questions import AGE, ARRIVAL, FOOD, NOTE, RULES, answer, ask, asked
from tests.api.test_tickets import as_named_buyer
from tests.api.test_transfers import accepted, set_stage
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def held(
    office: BoxOffice, *wanted: dict[str, Any], quantity: int = 2
) -> tuple[Event, list[Any], Visitor, dict[str, str], Any]:
    """Return an event with questions, its buyer as a visitor and over the API, and what the buyer holds."""
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 50))
    added = [await ask(office, event, **each) for each in wanted]
    buyer = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, buyer, quantity)).json()
    return event, added, Visitor(office, buyer), buyer, booking


async def test_all_questions_are_answered_with_the_button_that_pays(office: BoxOffice) -> None:
    _, (food, rules, age, arrival, note), visitor, buyer, booking = await held(
        office, FOOD, RULES, AGE, ARRIVAL, NOTE
    )
    address = f"/bookings/{booking['id']}"
    first, second = [f"{food['id']}_{ticket['id']}" for ticket in booking["tickets"]]
    page = await visitor.read(address)
    assert "Questions of the organizer" in page
    assert page.count('type="radio"') == 6
    assert f'formaction="{address}/answers"' in page, "the answers can be saved without paying"
    await visitor.submit(f"{address}/pay", **{age["id"]: "old", note["id"]: "By train"})
    assert visitor.status == 422
    said = plain(visitor.text)
    assert "“I accept the house rules”: you need to agree to this to pay." in said
    for number in (1, 2):
        wrong = f"Ticket {number}, “What should we cook for you?”: this needs an answer."
        assert said.count(wrong) == 2, "in the summary, and at the field"
    assert "“How old is the youngest?”: is not a number." in said
    for field in (first, second, rules["id"], age["id"]):
        assert f'href="#{field}"' in visitor.text
        assert f'id="{field}"' in visitor.text
    assert "By train</textarea>" in visitor.text, "nothing typed is lost"
    assert 'value="old"' in visitor.text
    assert "<title>Error: " in visitor.text
    assert all(each["answer"] is None for each in (await asked(office, buyer, booking))["data"])
    typed = {
        first: "Fish",
        second: "Vegan",
        rules["id"]: "yes",
        arrival["id"]: "2027-05-20",
        note["id"]: "a\nb",
    }
    await visitor.submit(f"{address}/pay", **typed | {age["id"]: "7"})
    assert visitor.path.startswith("/pay/"), "the page of the gateway"
    given = (await asked(office, buyer, booking))["data"]
    assert [each["answer"] for each in given] == ["yes", "7", "2027-05-20", "a\nb", "Fish", "Vegan"]


async def test_answers_are_saved_without_paying_and_a_later_page_has_them(office: BoxOffice) -> None:
    _, (food, rules), visitor, buyer, booking = await held(office, FOOD, RULES, quantity=1)
    address, field = f"/bookings/{booking['id']}", f"{food['id']}_{booking['tickets'][0]['id']}"
    await visitor.read(address)
    fields = visitor.form(f"{address}/pay")
    assert not {rules["id"], field} & fields.keys(), "nothing is chosen for the buyer"
    await visitor.send(f"{address}/answers", fields | {field: "Vegan"})
    assert (visitor.status, visitor.path) == (200, address)
    assert "Your answers are saved." in visitor.text
    assert 'value="Vegan" checked' in visitor.text
    assert [each["answer"] for each in (await asked(office, buyer, booking))["data"]] == [None, "Vegan"]
    await visitor.send(f"{address}/answers", fields | {field: "Vegan", rules["id"]: "yes"})
    await visitor.send(f"{address}/answers", fields | {field: "Vegan"})
    assert [each["answer"] for each in (await asked(office, buyer, booking))["data"]] == [None, "Vegan"], (
        "a box without its tick takes the consent back"
    )


async def test_a_question_that_changed_meanwhile_is_said_at_its_field(office: BoxOffice) -> None:
    event, (rules, note), visitor, buyer, booking = await held(office, RULES, NOTE, quantity=1)
    address = f"/bookings/{booking['id']}"
    await visitor.read(address)
    fields = visitor.form(f"{address}/pay") | {rules["id"]: "yes", note["id"]: "Late"}
    path = f"/v1/events/{show_id('evt', event.event_id)}/questions/{rules['id']}"
    manager = await office.as_member("manager") | {"if-match": "*"}
    await office.client.patch(path, json={"hint": "No glass, no dogs."}, headers=manager)
    await visitor.send(f"{address}/pay", fields)
    assert visitor.status == 422
    assert "the organizer has changed this question. Read it again" in visitor.text
    assert "No glass, no dogs." in visitor.text
    assert "Late</textarea>" in visitor.text
    assert all(each["answer"] is None for each in (await asked(office, buyer, booking))["data"])
    await visitor.submit(f"{address}/pay", **{rules["id"]: "yes", note["id"]: "Late"})
    assert visitor.path.startswith("/pay/")


async def test_without_payment_questions_are_an_open_task(office: BoxOffice) -> None:
    event = await office.open_event()
    food = await ask(office, event, **FOOD)
    buyer = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, buyer, 2)).json()
    visitor, address = Visitor(office, buyer), f"/bookings/{booking['id']}"
    assert "2 answers are missing" in await visitor.read(address)
    first, second = [f"{food['id']}_{ticket['id']}" for ticket in booking["tickets"]]
    fields = visitor.form(f"{address}/answers")
    await visitor.send(f"{address}/answers", fields | {first: "Fish", second: ""})
    assert visitor.status == 200, "one now, the other when it is known"
    assert "1 answer is missing" in visitor.text
    await office.context.database.fetch("UPDATE events SET starts_at = created_at, ends_at = ends_at")
    office.context.booked_events._memory.forget_all()
    await visitor.send(f"{address}/answers", fields | {first: "Vegan", second: ""})
    assert visitor.status == 409
    assert "Nothing was saved." in visitor.text
    assert "Answers can no longer be changed." in visitor.text
    assert "Fish" in plain(visitor.text)


async def test_hostile_questions_and_answers_are_text(office: BoxOffice) -> None:
    hostile = HOSTILE.replace("\u00a0", " ")
    _, (note, size), visitor, buyer, booking = await held(
        office,
        NOTE | {"label": hostile, "hint": hostile},
        {"kind": "choice", "label": "Size", "choices": [hostile, "S"]},
        quantity=1,
    )
    address = f"/bookings/{booking['id']}"
    await answer(
        office,
        buyer,
        booking,
        {"question_id": note["id"], "answer": hostile},
        {"question_id": size["id"], "answer": hostile},
    )
    page = await visitor.read(address)
    assert "<script>alert" not in page
    assert 'style="x"' not in page
    assert unescape(page).count(hostile) >= 4, "label, hint, answer and choice, as text"
    await visitor.submit(f"{address}/pay", **{note["id"]: f"</textarea>{hostile}", size["id"]: hostile})
    assert visitor.path.startswith("/pay/")
    await visitor.read(address)
    assert not re.search(r"<textarea[^>]*></textarea><script", visitor.text)
    assert "<script>alert" not in visitor.text


async def test_who_got_a_ticket_answers_on_its_page(office: BoxOffice) -> None:
    stage = await set_stage(office)
    path = f"/v1/events/{stage.booking['event_id']}/questions"
    food = (await office.post(path, await office.as_member("manager"), **FOOD)).json()
    await accepted(office, stage)
    office.context.questions._memory.forget_all()
    ticket = stage.ticket["id"]
    visitor, field = Visitor(office, stage.receiver.headers), f"{food['id']}_{ticket}"
    assert "Questions of the organizer" in await visitor.read(f"/tickets/{ticket}")
    fields = visitor.form(f"/tickets/{ticket}/answers")
    await visitor.send(f"/tickets/{ticket}/answers", fields | {field: "Meat"})
    assert visitor.status == 422
    assert "choose one of the choices" in visitor.text
    await visitor.send(f"/tickets/{ticket}/answers", fields | {field: "Vegan"})
    assert "Your answers are saved." in visitor.text
    assert 'value="Vegan" checked' in visitor.text
    giver = Visitor(office, stage.giver.headers)
    assert field not in await giver.read(f"/bookings/{stage.booking['id']}"), "it is not theirs to answer"


async def test_the_person_exports_the_answers_and_takes_them_along(office: BoxOffice) -> None:
    _, (rules, note), visitor, buyer, booking = await held(office, RULES, NOTE, quantity=1)
    await answer(
        office,
        buyer,
        booking,
        {"question_id": rules["id"], "answer": "yes", "wording": 1},
        {"question_id": note["id"], "answer": "Late"},
    )
    told = (await visitor.client.get("/me/export", headers=visitor.headers)).json()["answers"]
    assert [(each["question"], each["explanation"], each["answer"]) for each in told] == [
        (RULES["label"], "No glass.", "yes"),
        (NOTE["label"], "", "Late"),
    ]
