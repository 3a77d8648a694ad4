"""What the pages of an on-sale cost: statements and bytes. Their speed is measured by `make bench`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.kit.ids import show_id
from evently.kit.memory import Memory
from evently.sales.terms import Conditions
from evently.web.pages import rendering
from tests.api.test_attendees import set_names
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.statements import statements_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BoxOffice]:
    """Yield a box office that forgets nothing by the clock, however slow this machine is."""
    defaults = Memory.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "monotonic", lambda: 0.0)
    async with open_box_office(database_url, pool_connections_max=1) as opened:
        yield opened


@pytest.mark.parametrize(
    ("payment", "names", "statements"),
    [
        ("door", "not_asked", 1),
        ("online", "not_asked", 2),
        ("door", "optional", 2),
        ("online", "optional", 3),
    ],
)
async def test_the_page_of_a_booking_reads_the_booking_alone(
    office: BoxOffice, payment: str, names: str, statements: int
) -> None:
    conditions = Conditions(payment="online" if payment == "online" else "door", hold_seconds=600)
    event = await office.open_event(terms=sold_under(conditions, 50))
    await set_names(office, event, attendee_names=names)
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    await buyer.send(f"/events/{show_id('evt', event.event_id)}/bookings", {type_id: "3", "key": "one"})
    assert buyer.path.startswith("/bookings/"), buyer.text
    with statements_of(office.context.database) as sent:
        await asyncio.gather(*[buyer.client.get(buyer.path) for _ in range(20)])
    of_event = ("FROM events", "FROM ticket_types", "BEGIN", "COMMIT")  # at most four times a second
    rest = [each for each in sent if not any(part in each for part in of_event)]
    assert rest, "a booking comes from the database, not from memory"
    assert len(rest) < 20 * statements / 2, "buyers who look at the same moment share their reads"
    office.context.booked_events._memory.forget_all()
    with statements_of(office.context.database) as sent:
        assert (await buyer.client.get(buyer.path)).status_code == 200
    rest = [each for each in sent if not any(part in each for part in of_event)]
    assert len(rest) == statements, rest
    assert len(sent) == statements + 4, "and the event with the names of its ticket types, in one snapshot"


async def test_the_page_of_a_choice_reads_nothing_for_its_reader_alone(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 50))
    type_id, address = await office.ticket_type(event), f"/events/{show_id('evt', event.event_id)}/book"
    first, second, visitor = (Visitor(office, office.as_buyer()) for _ in range(3))
    await first.read(f"{address}?{type_id}=2")
    with statements_of(office.context.database) as sent:
        await second.read(f"{address}?{type_id}=3")
        await visitor.read(f"{address}?{type_id}=1")
    assert (second.status, visitor.status) == (200, 200)
    assert "Hold for 10 minutes and pay" in second.text
    assert sent == []


async def test_a_refused_choice_is_shown_as_it_is_now(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    type_id, address = await office.ticket_type(event), f"/events/{show_id('evt', event.event_id)}"
    late = Visitor(office, office.as_buyer())
    await late.read(f"{address}/book?{type_id}=4")
    await office.place(event, office.as_buyer(), {"ticket_type_id": type_id, "quantity": 3})
    await late.submit(f"{address}/bookings")
    assert late.status == 409
    assert "There are 2 left" in late.text


async def test_bookings_that_are_alike_share_a_rendering_and_nothing_else(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = count_renderings(monkeypatch)
    event = await office.open_event(terms=sold_under(Conditions(payment="door"), 50))
    await set_names(office, event, attendee_names="optional")
    type_id = await office.ticket_type(event)
    pages = []
    for number, quantity in enumerate((2, 2, 2, 3)):
        buyer = Visitor(office, office.as_buyer())
        form = {type_id: str(quantity), "key": f"k{number}"}
        await buyer.send(f"/events/{show_id('evt', event.event_id)}/bookings", form)
        pages.append(buyer)
    assert len(rendered) == 2, "two tickets, and three tickets"
    ids = [set(re.findall(r"(?:bkg|tkt)_\w{26}", page.text)) for page in pages]
    assert [len(each) for each in ids] == [3, 3, 3, 4], "the booking and its tickets"
    assert len(set.union(*ids)) == 13, "nobody sees an id of another"
    for page in pages:
        assert page.path.rpartition("/")[2] in page.text
        assert not re.search(r"own[0-9a-f]{24}", page.text), "no mark is left"
        alone = await page.client.get(page.path)
        assert alone.text == page.text
    references = {found[1] for page in pages if (found := re.search(r"Booking ([\w-]+)<", page.text))}
    assert len(references) == len(pages)


async def test_a_page_with_a_name_on_it_is_nobody_elses(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = count_renderings(monkeypatch)
    event = await office.open_event(terms=sold_under(Conditions(payment="door"), 50))
    await set_names(office, event, attendee_names="optional")
    type_id = await office.ticket_type(event)
    first, second = [Visitor(office, await as_named_buyer(office, name)) for name in ("Ada", "Bob")]
    for buyer, key in ((first, "one"), (second, "two")):
        form = {type_id: "1", "key": key}
        await buyer.send(f"/events/{show_id('evt', event.event_id)}/bookings", form)
    field = re.search(r"name_tkt_\w+", first.text)
    assert field is not None
    await first.send(f"{first.path}/names", {field[0]: "Ada Lovelace"})
    assert "Ada Lovelace" in first.text
    rendered.clear()
    await second.read(second.path)
    assert "Ada Lovelace" not in second.text
    await first.read(first.path)
    await first.read(first.path)
    assert "Ada Lovelace" in first.text
    assert len(rendered) == 2, "that page is rendered each time; the other one was kept"
    assert "Ada" not in str([each for each, _, _ in office.context.alike._stored.values()])


def count_renderings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every rendering of a page is added."""
    rendered: list[str] = []
    render_text = rendering._text

    def text(template: str, *given: Any) -> str:
        if template == "booking.html":
            rendered.append(template)
        return render_text(template, *given)

    monkeypatch.setattr(rendering, "_text", text)
    return rendered
