"""The dates of an event at the desk, as a browser without script uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from evently.catalogue import get_event
from evently.kit.clock import utc_now
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import open_desk

YEAR = utc_now().year + 1


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def test_an_event_is_repeated_published_and_cancelled(office: BoxOffice) -> None:
    desk = await open_desk(office)
    dates = f"{desk.address}/dates"
    await desk.visitor.read(desk.address)
    assert f'href="{dates}"' in desk.visitor.text
    await desk.visitor.read(dates)
    text = await desk.visitor.submit(dates, every="week", count="4", do="show")
    assert "There would be these 4 dates" in text
    assert text.count(">New<") == 3
    assert (await get_event(office.context.database, desk.event.event_id)).series_id is None
    text = await desk.visitor.submit(dates, every="week", count="4", do="make")
    assert "The dates are there, as drafts" in text
    assert text.count(">Draft<") == 3
    text = await desk.visitor.send(f"{dates}/publish", {})
    assert "3 dates are published." in text
    assert text.count(">Published<") == 4
    text = await desk.visitor.send(f"{dates}/texts", {})
    assert "4 dates are changed." in text
    text = await desk.visitor.send(f"{dates}/cancel", {})
    assert "4 dates are cancelled for good" in text
    assert desk.visitor.form(f"{dates}/cancel") == {"confirmed": "yes"}
    text = await desk.visitor.submit(f"{dates}/cancel")
    assert "4 dates are cancelled." in text
    assert text.count(">Cancelled<") == 4


async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(office: BoxOffice) -> None:
    desk = await open_desk(office)
    dates = f"{desk.address}/dates"

    async def wrong(**typed: str) -> str:
        await desk.visitor.read(dates)
        text = await desk.visitor.submit(dates, **{"do": "make"} | typed)
        assert desk.visitor.page is not None
        assert desk.visitor.page.status_code == 422
        return text

    assert "Enter how many dates there are" in await wrong(every="week", count="1")
    assert "Enter a whole number" in await wrong(every="week", count="many")
    assert "Is not a rule of RFC 5545" in await wrong(every="rule", rule="every Friday")
    assert 'value="every Friday"' in desk.visitor.text
    assert "Enter a rule such as" in await wrong(every="rule", rule="")
    text = await wrong(every="hand", days=f"{YEAR}-05-21 20:00\nnext week <b>")
    assert "“next week &lt;b&gt;” is no date" in text
    assert f"{YEAR}-05-21 20:00" in text
    assert "Must be in the future" in await wrong(every="hand", days="2020-05-21 8 pm")
    assert "Write 1 to 100 dates" in await wrong(every="hand", days="")
    text = await desk.visitor.submit(dates, every="hand", days=f"{YEAR}-05-21, 8 pm", do="make")
    assert "21 May" in text


async def test_only_managers_see_and_change_dates(office: BoxOffice) -> None:
    door = await open_desk(office, "door")
    await door.visitor.read(f"{door.address}/dates")
    assert door.visitor.page is not None
    assert door.visitor.page.status_code == 403
    await door.visitor.send(f"{door.address}/dates", {"every": "week", "count": "3"})
    assert door.visitor.page.status_code == 403
    manager = await open_desk(office, "manager")
    await manager.visitor.send(f"{manager.address}/dates/cancel", {"confirmed": "yes"})
    assert manager.visitor.page is not None
    assert manager.visitor.page.status_code == 404, "an event of its own has no other dates"
