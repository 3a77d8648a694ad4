"""The evening of an on-sale at the desk, without script: who sees it, and what it says in each state."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently import organizing
from evently.analytics import Forecast
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, SeatChoice
from evently.sales.terms import Conditions
from evently.web.evening import EveningView, show_evening
from evently.web.pages.organize.live import _outlook
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import make_organizer, sale_terms
from tests.support.desk import address_of, open_desk
from tests.support.streams import following
from tests.support.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


def figure(text: str, place: str) -> str:
    found = re.search(rf'data-evening="{place}">([^<]*)<', text)
    assert found, f"the page has no {place}"
    return found[1]


async def read(office: BoxOffice, visitor: Visitor, event: Event) -> str:
    office.context.evenings._memory.forget(event.event_id)
    return await visitor.read(address_of(event))


async def test_a_manager_sees_the_sale(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", capacity=50)
    await office.book(desk.event, office.as_buyer(), 4)
    await office.deliver()
    text = await read(office, desk.visitor, desk.event)
    assert desk.visitor.status == 200
    assert [figure(text, place) for place in ("sold", "sold-of", "left", "today", "until")] == [
        "4",
        "of 50 sold",
        "46",
        "4",
        "Too early to say",
    ]
    assert "100.00" in figure(text, "money")
    assert 'class="curve-line"' in text, "the curve stands there without script"


async def test_a_place_that_two_pools_count_is_one_place(office: BoxOffice) -> None:
    """A hundred early birds in a hall of five hundred are five hundred places, and four tickets are four."""
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Hall", 500), NewPool("Early", 100)),
        ticket_types=(
            NewTicketType(name="Early bird", price=Money(1500, "EUR"), pools=("Hall", "Early")),
            NewTicketType(name="Regular", price=Money(2500, "EUR"), pools=("Hall",)),
        ),
    )
    desk = await open_desk(office, "manager", terms=terms)
    await office.book(desk.event, office.as_buyer(), 4)
    await office.deliver()
    text = await read(office, desk.visitor, desk.event)
    assert [figure(text, place) for place in ("sold", "sold-of", "left")] == ["4", "of 500 sold", "496"]


async def test_add_ons_are_not_places_and_keep_no_sale_open(office: BoxOffice) -> None:
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Hall", 3), NewPool("Soup", 40)),
        ticket_types=(
            NewTicketType(name="Standing", price=Money(1200, "EUR"), pools=("Hall",)),
            NewTicketType(name="Soup", price=Money(400, "EUR"), pools=("Soup",), needs=("Standing",)),
        ),
    )
    desk = await open_desk(office, "manager", terms=terms)
    types = await office.types(desk.event)
    lines = [
        {"ticket_type_id": types[name], "quantity": quantity}
        for name, quantity in (("Standing", 2), ("Soup", 1))
    ]
    await office.place(desk.event, office.as_buyer(), *lines)
    await office.deliver()
    text = await read(office, desk.visitor, desk.event)
    assert [figure(text, place) for place in ("sold", "sold-of", "left")] == ["2", "of 3 sold", "1"]
    await office.book(desk.event, office.as_buyer(), 1, ticket_type=types["Standing"])
    await office.deliver()
    text = await read(office, desk.visitor, desk.event)
    assert [figure(text, place) for place in ("left", "until")] == ["0", "Sold out"]


async def test_blocked_seats_are_named_beside_what_is_left(office: BoxOffice) -> None:
    desk, hall = await open_desk(office, "manager"), await office.open_hall()
    async with office.context.database.transaction() as tx:
        await organizing.block_seats(tx, hall.event_id, SeatChoice(rows=("Stalls/A",)), utc_now())
    text = await read(office, desk.visitor, hall)
    assert [figure(text, place) for place in ("sold-of", "left", "left-note")] == [
        "of 66 sold",
        "60",
        "none of them held; 6 places not for sale",
    ]


async def test_the_door_sees_no_money(office: BoxOffice) -> None:
    desk = await open_desk(office, "door", capacity=50)
    text = await read(office, desk.visitor, desk.event)
    assert desk.visitor.status == 200
    assert "data-evening" not in text
    assert "Revenue" not in text
    for rest in ("/evening", "/analytics", "/waitlist"):
        await desk.visitor.read(f"{desk.address}{rest}")
        assert desk.visitor.status in (403, 404)


async def test_an_event_of_others_is_not_there(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager")
    other = await office.as_member("owner", await make_organizer(office.context.database))
    draft = await office.open_event(publish=False)
    for event in (desk.event, draft):
        visitor = Visitor(office, other)
        for rest in ("", "/evening"):
            await visitor.read(f"{address_of(event)}{rest}")
            assert visitor.status in (403, 404)
            assert "data-evening" not in visitor.text


async def test_what_it_says_in_each_state(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", capacity=2)
    await office.book(desk.event, office.as_buyer(), 2)
    assert figure(await read(office, desk.visitor, desk.event), "until") == "Sold out"
    draft = await office.open_event(publish=False)
    assert "data-evening" not in await read(office, desk.visitor, draft), "a draft has its checklist"
    later = await office.open_event(terms=replace(sale_terms(), on_sale_at=utc_now() + timedelta(days=1)))
    assert figure(await read(office, desk.visitor, later), "until") == "Not yet"
    held = await office.open_event(terms=replace(sale_terms(capacity=2), conditions=Conditions("online")))
    await office.book(held, office.as_buyer(), 2)
    text = await read(office, desk.visitor, held)
    assert figure(text, "until") == "All taken", "tickets that are only held are not sold"
    assert figure(text, "left-note") == "2 of them held, not paid yet"
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, desk.event.event_id, utc_now())
    text = await read(office, desk.visitor, desk.event)
    assert figure(text, "until") == "Cancelled"
    assert "1 of 1 booking is still to be cancelled." in text
    assert "<progress" in text


async def test_the_stream_of_the_page_has_its_words(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", capacity=50)
    token = desk.headers["Authorization"].removeprefix("Bearer ")
    async with following(
        office.asgi, f"{desk.address}/evening", cookie=f"evently=evb_unknown.{token}"
    ) as stream:
        first = (await stream.has(1))[0].data
        assert first["texts"]["sold-of"] == "of 50 sold"
        await office.book(desk.event, office.as_buyer(), 3)
        second = (await stream.has(2))[1].data
        assert second["texts"]["sold"] == "3"
        assert second["sold_percent"] == 6.0
    async with following(office.asgi, f"{desk.address}/evening") as stranger:
        assert stranger.status in (303, 401)


# The other pages --------------------------------------------------------------------------------------------


async def test_the_figures_in_depth(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", capacity=50)
    line = {"ticket_type_id": await office.ticket_type(desk.event), "quantity": 3}
    booked = await office.place(desk.event, office.as_buyer(), line, via="poster")
    assert booked.status_code == 201
    await office.deliver()
    text = await desk.visitor.read(f"{desk.address}/analytics")
    assert desk.visitor.status == 200
    assert re.search(r'<th scope="row">poster</th>', text)
    assert "1 booking was confirmed at once" in text
    assert text.count('class="heat-4"') == 1, "one hour has all the tickets"
    assert "<title>Figures: " in text
    assert 'aria-current="page">Figures' in text


async def test_the_seats_as_they_were_sold(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager")
    hall = await office.open_hall()
    types = await office.types(hall)
    line = {"ticket_type_id": types["Stalls"], "quantity": 3}
    child = {"ticket_type_id": types["Child"], "quantity": 2}
    assert (await office.place(hall, office.as_buyer(), line, child)).status_code == 201
    text = await desk.visitor.read(f"{address_of(hall)}/analytics")
    assert desk.visitor.status == 200
    label = re.search(r'<svg class="hall"[^>]*aria-label="([^"]*)"', text)
    assert label
    assert "11 free" in label[1]
    assert len(re.findall(r'<path class="seat-[123]"', text)) == 2, "two prices"
    assert "Section" in text


async def test_the_waitlist_at_the_desk(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", capacity=1)
    text = await desk.visitor.read(f"{desk.address}/waitlist")
    assert "Nobody has waited yet" in text
    await office.book(desk.event, office.as_buyer(), 1)
    joined = await office.post(
        f"/v1/events/{desk.address.rpartition('/')[2]}/waitlist",
        office.as_buyer(),
        ticket_type_id=await office.ticket_type(desk.event),
        quantity=1,
    )
    assert joined.status_code == 201, joined.text
    text = await desk.visitor.read(f"{desk.address}/waitlist")
    assert "Waits" in text
    assert "(1 ticket)" in text


# The words of the forecast ----------------------------------------------------------------------------------


NOW = datetime(2026, 6, 5, 18, 0, tzinfo=UTC)  # 20:00 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")


async def view_of(office: BoxOffice, **changes: Any) -> EveningView:
    event = await office.open_event()
    evening = await office.context.evenings.get(event.event_id)
    view = show_evening(evening, office.context)
    ends = NOW + timedelta(days=90)
    return replace(view, **({"at": NOW, "off_sale_at": ends, "state": "on_sale"} | changes))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ((10, 20, 40), "20:10 to 20:40"),
        ((10, 10, 10), "20:10 to 20:11"),
        ((200, 250, 400), "23:15 to Sat 02:45"),
        ((6_000, 9_000, 20_000), "10 Jun to 19 Jun"),
    ],
)
async def test_a_forecast_is_a_range_and_no_more_precise_than_it_is(
    office: BoxOffice, after: tuple[int, int, int], said: str
) -> None:
    earliest, middle, latest = (NOW + timedelta(minutes=each) for each in after)
    forecast = Forecast("likely", earliest, middle, latest, 0.97)
    when, how_sure = _outlook(await view_of(office), forecast, BERLIN)
    assert when == said
    assert how_sure == "Sold out in this range in four of five cases."


async def test_a_range_without_an_end_says_how_likely_it_is(office: BoxOffice) -> None:
    view = await view_of(office, off_sale_at=NOW + timedelta(hours=4))
    forecast = Forecast("possible", NOW + timedelta(hours=1), None, None, 0.62)
    assert _outlook(view, forecast, BERLIN) == (
        "21:00 or later",
        "If at all: in 6 of 10 cases before the sale ends.",
    )
    when, _ = _outlook(view, Forecast("unlikely", chance=0.02), BERLIN)
    assert when == "Not sold out"
    for reason in ("too_few", "too_short"):
        when, why = _outlook(view, Forecast("cannot_say", reason=reason), BERLIN)
        assert (when, bool(why)) == ("Too early to say", True)
