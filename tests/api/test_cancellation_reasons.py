"""Why something was cancelled: the organizer says it, the buyer reads it, the journal keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.audit import inspect
from evently.kit.ids import show_id
from evently.reactions.tasks import cancel_bookings
from evently.sales import facts
from tests.api.test_stories import read_texts
from tests.api.test_transfers import Somebody, somebody
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.desk import address_of
from tests.support.mail import Post, make_mail
from tests.support.visitor import Visitor

WHY = "The <b>pillar</b> of the hall\n is  being repaired."
READ = "The <b>pillar</b> of the hall is being repaired."
ON_PAGES = "The &lt;b&gt;pillar&lt;/b&gt; of the hall is being repaired."


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def stage(office: BoxOffice) -> tuple[Any, str, Somebody, Any, dict[str, str]]:
    """Return an event, its path in the API, a buyer, their booking of two tickets, and a manager."""
    event, buyer = await office.open_event(), await somebody(office)
    booking = (await office.book(event, buyer.headers, 2)).json()
    path = f"/v1/events/{show_id('evt', event.event_id)}"
    return event, path, buyer, booking, await office.as_member("manager")


async def letters(office: BoxOffice) -> list[str]:
    """Deliver every fact, send every message, and return the texts of all that were sent."""
    await office.deliver()
    post = Post()
    await make_mail(office.context.database, office.context.clock, transport=post).run_once()
    return [post.text_of(number) for number in range(len(post.sent))]


async def test_each_cancellation_of_a_booking_has_its_own_reason(office: BoxOffice) -> None:
    event, path, buyer, booking, manager = await stage(office)
    await letters(office)
    first, _ = (each["id"] for each in booking["tickets"])
    cancel = f"{path}/bookings/{booking['id']}/cancel"
    answer = await office.post(cancel, manager, ticket_ids=[first], reason=READ)
    assert answer.status_code == 200, answer.text
    (letter,) = await letters(office)
    assert f"The organizer writes: “{READ}”" in letter
    await office.post(f"/v1/bookings/{booking['id']}/cancel", buyer.headers)
    (letter,) = await letters(office)
    assert "All tickets of this booking are void." in letter
    assert "writes" not in letter, "the buyer cancelled the rest"
    page = await Visitor(office, buyer.headers).read(f"/bookings/{booking['id']}")
    assert page.count(f'The organizer writes: “<span dir="auto">{ON_PAGES}</span>”') == 1
    texts = [text for kind, text in await read_texts(office, f"{path}/bookings", booking["id"])]
    assert texts[1].endswith(f" The reason: “{READ}”")
    assert "reason" not in texts[2]
    assert found(await inspect(office.context.database)) == {}
    await office.context.database.fetch("UPDATE cancellation_reasons SET reason = 'Another one.'")
    assert set(found(await inspect(office.context.database))) == {"I11"}
    assert event is not None


async def test_buyers_read_why_an_event_is_cancelled(office: BoxOffice) -> None:
    event, path, buyer, booking, manager = await stage(office)
    await letters(office)
    answer = await office.post(f"{path}/cancel", manager, reason=READ)
    assert answer.json()["cancellation_reason"] == READ
    again = await office.post(f"{path}/cancel", manager, reason="Another one.")
    assert again.json()["cancellation_reason"] == READ, "the first reason stays"
    await cancel_bookings(office.context.database, office.context.engine, event.event_id)
    (letter,) = await letters(office)
    assert f"The organizer writes: “{READ}”" in letter
    said = f'The organizer writes: “<span dir="auto">{ON_PAGES}</span>”'
    reader = Visitor(office, buyer.headers)
    assert (await reader.read(f"/bookings/{booking['id']}")).count(said) == 1
    assert (await reader.read(f"/events/{show_id('evt', event.event_id)}/x")).count(said) == 1
    texts = [text for kind, text in await read_texts(office, f"{path}/bookings", booking["id"])]
    assert texts[-1].endswith(f" The reason: “{READ}”")
    assert found(await inspect(office.context.database)) == {}
    await office.context.database.fetch("UPDATE events SET cancellation_reason = NULL")
    assert set(found(await inspect(office.context.database))) == {"I11"}


@pytest.mark.parametrize(
    ("reason", "code"), [("x" * 501, "too-many-characters"), (" ", "blank"), ("a\x00b", "nul-character")]
)
async def test_what_is_no_reason(office: BoxOffice, reason: str, code: str) -> None:
    _, path, _, booking, manager = await stage(office)
    for address in (f"{path}/bookings/{booking['id']}/cancel", f"{path}/cancel"):
        answer = await office.post(address, manager, reason=reason)
        assert problem_of(answer, 422) == "invalid"
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/reason", code)]
    silent = await office.post(f"{path}/cancel", manager)
    assert silent.json()["cancellation_reason"] is None, "it is optional"


async def test_the_desk_asks_why_a_booking_is_cancelled(office: BoxOffice) -> None:
    event, _, buyer, booking, manager = await stage(office)
    desk, address = Visitor(office, manager), f"{address_of(event)}/bookings/{booking['id']}/cancel"
    await desk.read(address)
    await desk.submit(address, reason="x" * 501)
    assert desk.status == 422
    assert "x" * 501 in desk.text, "nothing typed is lost"
    await desk.submit(address, reason=WHY)
    assert "The tickets are cancelled." in desk.text
    assert f"The reason: “{ON_PAGES}”" in desk.text
    assert ON_PAGES in await Visitor(office, buyer.headers).read(f"/bookings/{booking['id']}")


async def test_the_desk_asks_why_an_event_is_cancelled(office: BoxOffice) -> None:
    event, _, buyer, booking, manager = await stage(office)
    desk, address = Visitor(office, manager), f"{address_of(event)}/cancel"
    await desk.read(address)
    await desk.submit(address, reason="x" * 501)
    assert desk.status == 422
    await desk.submit(address, reason=WHY)
    assert f'Buyers read: “<span dir="auto">{ON_PAGES}</span>”' in desk.text
    assert ON_PAGES in await Visitor(office, buyer.headers).read(f"/bookings/{booking['id']}")


def test_a_journal_of_before_has_no_reason() -> None:
    stored = b'[{"type":"SaleCancelled"}]'
    (fact,) = facts.decode_facts(stored)
    assert isinstance(fact, facts.SaleCancelled)
    assert fact.reason == ""
    assert facts.encode_facts([fact]) == stored, "a replay hashes what was stored"
