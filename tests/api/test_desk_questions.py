"""The desk: questions to buyers, added, changed and deleted as a browser without script does it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from evently.web.pages.organize import questions as desk_questions
from tests.api.test_checkin import Door
from tests.api.test_questions import answer
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import open_desk
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def test_a_question_is_added_changed_and_deleted_with_its_answers(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager")
    address, visitor = f"{desk.address}/questions", desk.visitor
    await visitor.read(address)
    assert "Nothing is asked" in visitor.text
    typed = {"label": "What do you eat?", "choices": "Fish\n\nfish\nVegan"}
    await visitor.submit(address, **typed, smallest="old", kind="")
    assert visitor.status == 422
    assert "Choose what kind of answer you want." in visitor.text
    assert "Enter a whole number, or nothing." in visitor.text
    assert "Fish\n\nfish\nVegan</textarea>" in visitor.text.replace("\r", ""), "nothing typed is lost"
    typed |= {"kind": "choice"}
    await visitor.submit(address, **typed, asked_per="ticket", smallest="")
    assert visitor.status == 422
    assert "Line 2: given more than once." in visitor.text
    await visitor.submit(address, **typed | {"choices": "Fish\r\nVegan"}, asked_per="ticket", required="yes")
    assert "The question is added." in visitor.text
    assert "Fish, Vegan" in visitor.text
    (one,) = set(re.findall(rf'href="({address}/qst_\w+)"', visitor.text))
    buyer = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(desk.event, buyer, 2)).json()
    given = {"question_id": one.rsplit("/", 1)[1], "ticket_id": booking["tickets"][0]["id"], "answer": "Fish"}
    assert (await answer(office, buyer, booking, given)).status_code == 200
    await visitor.read(one)
    assert "1 answer so far" in visitor.text
    stale = visitor.form(one) | {"label": "What would you eat?", "choices": "Vegan\nSoup"}
    await visitor.submit(one, label="What will you eat?", choices="Vegan\nSoup", required="yes")
    assert "The question is changed." in visitor.text
    other = Visitor(office, await office.as_member("manager"))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    await other.send(one, stale)
    assert other.status == 412
    assert '<span dir="auto">Member</span> changed this at <time' in other.text
    assert "What will you eat?" in other.text
    assert "What would you eat?" in other.text, "what was typed"
    assert '<th scope="row">Required</th>' in other.text, "a box that differs, too"
    assert '<th scope="row">Choices</th>' not in other.text, "what is alike is not listed"
    await other.send(f"{one}/delete", {"version": "1"})
    assert other.status == 412
    assert 'Nothing is deleted yet: <span dir="auto">Member</span> changed this question at' in other.text
    await other.send(one, stale)
    await other.submit(one)
    assert "The question is changed." in other.text
    await visitor.read(one)
    assert "What would you eat?" in visitor.text, "saved again, it is kept"
    await visitor.read(f"{one}/delete")
    assert "1 answer is" in visitor.text
    await visitor.submit(f"{one}/delete")
    assert "The question is deleted, with its answers." in visitor.text
    assert await office.context.database.fetch_value("SELECT count(*) FROM question_answers") == 0
    assert (await visitor.client.get(one)).status_code == 404


async def test_answers_are_read_counted_and_exported(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_questions, "ANSWERS_SHOWN", 2)
    desk = await open_desk(office, "manager")
    visitor, questions = desk.visitor, f"{desk.address}/questions"
    await visitor.read(questions)
    await visitor.submit(
        questions, label="Meal", choices="Fish\nVegan\nSoup", kind="choice", asked_per="ticket"
    )
    (one,) = set(re.findall(rf'href="({questions}/qst_\w+)"', visitor.text))
    buyer = await as_named_buyer(office, "Ada <Lovelace>")
    booking = (await office.book(desk.event, buyer, 3)).json()
    for ticket, meal in zip(booking["tickets"], ("Fish", "Vegan", "Fish"), strict=True):
        given = {"question_id": one.rsplit("/", 1)[1], "ticket_id": ticket["id"], "answer": meal}
        assert (await answer(office, buyer, booking, given)).status_code == 200
    await visitor.read(one)
    assert re.findall(r'<dt dir="auto">(\w+)</dt><dd>(\d)</dd>', visitor.text) == [
        ("Fish", "2"),
        ("Vegan", "1"),
        ("Soup", "0"),
    ]
    answers = r'<th scope="row"><span dir="auto">(\w+)</span>'
    assert re.findall(answers, visitor.text) == ["Fish", "Vegan"], "the newest first"
    assert "Ada &lt;Lovelace&gt;" in visitor.text
    (older,) = re.findall(r'href="(\?after=[^"]*)"', visitor.text)
    await visitor.read(f"{one}{older}")
    assert re.findall(answers, visitor.text) == ["Fish"]
    await visitor.read(f"{desk.address}/bookings/{booking['id']}")
    assert visitor.text.count("Meal <span") == 3
    await visitor.read(f"{desk.address}/bookings")
    for name, part in (("attendees", "Meal"), ("bookings", "buyer_email")):
        assert f'href="{desk.address}/{name}.csv"' in visitor.text
        file = await visitor.client.get(f"{desk.address}/{name}.csv")
        assert file.headers["content-type"].startswith("text/csv")
        assert part in file.text
        assert "Ada <Lovelace>" in file.text
    door = await open_desk(office, "door")
    for name in ("attendees", "bookings"):
        assert (await door.visitor.client.get(f"{door.address}/{name}.csv")).status_code == 403


async def test_a_used_ticket_says_when_and_is_undone_at_the_desk(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager")
    booking = (await office.book(desk.event, await as_named_buyer(office, "Ada Lovelace"), 2)).json()
    door = Door(office, desk.event, booking["tickets"], await office.as_member("door"))
    assert await door.results(door.attempt(0, gate="West gate")) == ["accepted"]
    office.context.accounts.roles.forget(office.venue.organizer_id)
    page = f"{desk.address}/bookings/{booking['id']}"
    await desk.visitor.read(page)
    assert re.search(
        r"in <time [^>]*>[^<]*</time>, <span dir=\"auto\">West gate</span>, by", desk.visitor.text
    )
    undo = f"{page}/undone"
    stale = desk.visitor.form(undo)
    await desk.visitor.submit(undo, reason=" ")
    assert desk.visitor.status == 422
    await desk.visitor.submit(undo, reason="her friend's ticket")
    assert "That check-in is undone." in desk.visitor.text
    assert f'action="{undo}"' not in desk.visitor.text
    await desk.visitor.send(undo, stale | {"reason": "again"})
    assert desk.visitor.status == 409
    assert await door.results(door.attempt(0)) == ["accepted"]
    guard = Visitor(office, door.guard)
    await guard.send(undo, stale | {"reason": " "})
    assert guard.status == 403, "the page has money"


async def test_fields_of_other_kinds_do_not_count(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager")
    address = f"{desk.address}/questions"
    await desk.visitor.read(address)
    assert desk.visitor.form(address)["kind"] == "text"
    await desk.visitor.submit(address, label="Anything else?", choices="Fish", smallest="old")
    assert "The question is added." in desk.visitor.text
    assert "A text" in desk.visitor.text


async def test_door_members_and_strangers_do_not_ask(office: BoxOffice) -> None:
    desk = await open_desk(office, "door")
    await desk.visitor.read(f"{desk.address}/questions")
    assert desk.visitor.status == 403
    await desk.visitor.send(f"{desk.address}/questions", {"kind": "text", "label": "Who?"})
    assert desk.visitor.status == 403
    stranger = Visitor(office, office.as_buyer())
    await stranger.read(f"{desk.address}/questions")
    assert stranger.status == 404
