"""Lists of a person cost the same number of statements, however much is in them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evently.kit.ids import show_id
from evently.sales.terms import Conditions
from tests.api.test_attendees import set_names
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.statements import statements_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, pool_connections_max=1) as opened:
        yield opened


async def statements_for(office: BoxOffice, visitor: Visitor, address: str) -> int:
    """Return how many statements a page takes; none is remembered from a moment ago."""
    office.context.waitlist_positions._snapshots.forget_all()
    with statements_of(office.context.database) as sent:
        assert (await visitor.client.get(address)).status_code == 200
    return len(sent)


@pytest.mark.parametrize("address", ["/me/tickets", "/me/tickets/offline"])
async def test_the_tickets_of_a_person(office: BoxOffice, address: str) -> None:
    session = office.as_buyer()
    buyer, counts = Visitor(office, session), []
    for number in range(4):
        event = await office.open_event(terms=sold_under(Conditions(payment="door"), 50))
        await set_names(office, event, attendee_names="optional")
        await office.book(event, session, quantity=number + 1)
        counts.append(await statements_for(office, buyer, address))
    assert counts == counts[:1] * 4, counts
    assert counts[0] <= 25, counts


async def test_the_waitlist_of_a_person(office: BoxOffice) -> None:
    session, counts = office.as_buyer(), []
    buyer = Visitor(office, session)
    left = []
    for _ in range(4):
        event = await office.open_event(capacity=1)
        await office.book(event, office.as_buyer())
        type_id = await office.ticket_type(event)
        path = f"/events/{show_id('evt', event.event_id)}/waitlist"
        await buyer.send(path, {"type": type_id, "quantity": "1", "key": "one"})
        assert buyer.path == "/me/waitlist"
        left.append(buyer.text.split('action="/waitlist/')[1].split("/")[0])
        counts.append(await statements_for(office, buyer, "/me/waitlist"))
    each = counts[1] - counts[0]
    assert each <= 4, "the line of each ticket type that the reader waits for is read, for everybody"
    assert [count - counts[0] for count in counts] == [0, each, 2 * each, 3 * each]
    with statements_of(office.context.database) as sent:
        for _ in range(3):
            await buyer.client.get("/me/waitlist")
    assert len(sent) < 3 * counts[0], "and remembered for a second"
    counts = []
    for entry in left:
        await buyer.send(f"/waitlist/{entry}/leave", {})
    for _ in left:
        counts.append(await statements_for(office, buyer, "/me/waitlist"))
    assert counts[0] <= 8, "what is over takes as many statements as one entry"
