"""Finding an event on the pages: filters, the month, the picture of an event for other sites."""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from unittest.mock import patch

import pytest

from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.errors import Busy
from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.sales.terms import Conditions, Fees
from evently.web.pages.poster_picture import draw_picture
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import sale_terms
from tests.support.paying import sold_under
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def shown(event: Event) -> str:
    return show_id("evt", event.event_id)


async def test_events_with_seats_are_found_and_the_filter_can_be_dropped(office: BoxOffice) -> None:
    hall, plain = await office.open_hall(), await office.open_event(capacity=5)
    visitor = Visitor(office)
    text = await visitor.read("/events?seated=on&q=jazz")
    assert shown(hall) in text
    assert shown(plain) not in text
    assert 'href="/events?q=jazz"' in text
    api = (await office.client.get("/v1/events?seated=true")).json()["data"]
    assert [(each["id"], each["seated"]) for each in api] == [(shown(hall), True)]


async def test_the_highest_price_is_that_with_every_fee(office: BoxOffice) -> None:
    fees = Conditions(payment="online", hold_seconds=600, fees=Fees(150, 0))
    dearer = await office.open_event(terms=sold_under(fees, 10))  # 25.00 and 1.50
    other = await office.open_event(terms=sale_terms(5, price=Money(2_500, "EUR")))
    visitor = Visitor(office)
    text = await visitor.read("/events?price_max=25,00&currency=EUR")
    assert shown(other) in text
    assert shown(dearer) not in text, "a buyer pays 26.50 for it"
    assert "up to €\u00a025.00" in text
    assert 'value="25"' in text
    assert shown(dearer) in await visitor.read("/events?price_max=26.50&currency=EUR")
    assert shown(other) in await visitor.read("/events?price_max=cheap&currency=EUR")
    assert "Nothing with these filters" in await visitor.read("/events?price_max=25&currency=USD")


async def test_a_month_shows_its_days_and_keeps_the_filters(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    first = event.starts_at_local.date().replace(day=1)
    visitor = Visitor(office)
    text = await visitor.read(f"/events?view=month&month={first:%Y-%m}&q=jazz")
    day = re.search(rf'<li class="day" data-day="{event.starts_at_local:%Y-%m-%d}">.*?</li>', text, re.DOTALL)
    assert day
    assert shown(event) in day[0]
    assert f"{event.starts_at_local:%H:%M}" in day[0]
    assert len(re.findall(r'<li class="day[ "]', text)) in (28, 29, 30, 31)
    assert f'data-day="{first}"' in text
    following = (first + timedelta(days=31)).replace(day=1)
    links = [unescape(each) for each in re.findall(r'rel="nofollow" href="([^"]*)"', text)]
    assert f"/events?q=jazz&view=month&month={following:%Y-%m}" in links
    assert 'href="/events?q=jazz"' in text, "the way back to the list"
    form = visitor.form("/events")
    assert form["view"] == "month"
    assert form["month"] == f"{first:%Y-%m}"
    empty = await visitor.read(f"/events?view=month&month={first:%Y-%m}&price_max=1&currency=EUR")
    assert "with these filters" in empty
    assert shown(event) not in empty


async def test_a_month_that_does_not_exist_is_this_one(office: BoxOffice) -> None:
    visitor = Visitor(office)
    for month in ("2026-13", "9999-99", "soon", ""):
        text = await visitor.read(f"/events?view=month&month={month}")
        assert f"Nothing in {utc_now():%B %Y}" in text


async def test_a_platform_that_is_full_says_so(office: BoxOffice) -> None:
    visitor = Visitor(office)
    for busy in (Busy(), Busy("connections")):
        with patch("evently.catalogue.browse", side_effect=busy):
            await visitor.read("/")
        assert visitor.status == 503
        assert visitor.heading() == "We are full, and have done nothing"
        assert visitor.page is not None
        assert visitor.page.headers["refresh"] == "1"


async def test_an_event_has_a_picture_for_other_sites(office: BoxOffice) -> None:
    event, draft = await office.open_event(capacity=5), await office.open_event(publish=False)
    text = await Visitor(office).read(f"/events/{shown(event)}")
    found = re.search(r'property="og:image" content="([^"]*)"', text)
    assert found
    answer = await office.client.get(found[1])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", answer.content[16:24]) == (1_200, 630)
    assert answer.content == draw_picture(event.event_id), "the same event has the same picture"
    tag = answer.headers["etag"]
    assert (await office.client.get(found[1], headers={"if-none-match": tag})).status_code == 304
    for unknown in (shown(draft), show_id("evt", new_id())):
        assert (await office.client.get(f"/events/{unknown}/poster.png")).status_code == 404


async def test_the_picture_of_the_organizer_goes_before_ours(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE events SET image_url = $2 WHERE event_id = $1", event.event_id, "https://p.example/a.jpg"
        )
    text = await Visitor(office).read(f"/events/{shown(event)}")
    assert 'property="og:image" content="https://p.example/a.jpg"' in text
    assert "poster.png" not in text


async def test_times_name_the_zone_of_the_venue(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    text = await Visitor(office).read(f"/events/{shown(event)}")
    assert 'data-zone="Europe/Berlin"' in text
    assert "time in Berlin" in text
