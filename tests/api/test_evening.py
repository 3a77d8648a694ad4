"""The evening of an on-sale over HTTP: the figures now, their stream, sources, and who may read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently import analytics, organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.sales.terms import Conditions
from evently.web.evening import EveningStream
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import make_organizer, sale_terms
from tests.support.streams import Stream, following
from tests.support.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


def address(event: Event, rest: str = "") -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/analytics/evening{rest}"


async def evening(office: BoxOffice, event: Event, headers: dict[str, str]) -> dict[str, Any]:
    """Return the figures as they are now, not as they were within this second."""
    office.context.evenings._memory.forget(event.event_id)
    answer = await office.client.get(address(event), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown: dict[str, Any] = answer.json()
    return shown


def picked(shown: dict[str, Any], *names: str) -> list[Any]:
    return [shown[name] for name in names]


COUNTERS = ("capacity", "sold", "held", "left", "available")


async def test_the_figures_of_a_sale(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(capacity=10)
    before = await evening(office, event, manager)
    assert before["state"] == "on_sale"
    assert picked(before, *COUNTERS) == [10, 0, 0, 10, 10]
    assert before["forecast"] == {
        "outlook": "cannot_say",
        "earliest_at": None,
        "middle_at": None,
        "latest_at": None,
        "chance": None,
        "reason": "too_few",
    }
    assert (await office.book(event, office.as_buyer(), 4)).status_code == 201
    counted_late = await evening(office, event, manager)
    assert picked(counted_late, *COUNTERS) == [10, 4, 0, 6, 6], "counters are never late"
    assert counted_late["engine"]["journal_rows_behind"] == 1 + before["engine"]["journal_rows_behind"]
    await office.deliver()
    counted = await evening(office, event, manager)
    assert picked(counted, "bookings", "tickets", "today", "gross_minor") == [1, 4, 4, 10_000]
    assert counted["seq"] == counted["counted_seq"]
    assert [tickets for _, tickets in counted["minutes"]] == [4]
    assert counted["engine"]["journal_rows_behind"] == 0


async def test_holds_and_their_conversion(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(terms=replace(sale_terms(capacity=10), conditions=Conditions("online")))
    buyer = office.as_buyer()
    booked = (await office.book(event, buyer, 4)).json()
    await office.deliver()
    held = await evening(office, event, manager)
    assert picked(held, *COUNTERS) == [10, 0, 4, 10, 6]
    assert held["holds"] == {
        "placed": 1,
        "confirmed": 0,
        "expired": 0,
        "cancelled": 0,
        "held": 1,
        "rate": None,
    }
    cancelled = await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer)
    assert cancelled.status_code == 200, cancelled.text
    await office.deliver()
    ended = await evening(office, event, manager)
    assert picked(ended["holds"], "placed", "cancelled", "held", "rate") == [1, 1, 0, 0.0]
    assert picked(ended, *COUNTERS) == [10, 0, 0, 10, 10]


async def test_the_states_of_a_sale(office: BoxOffice) -> None:
    manager, now = await office.as_member("manager"), utc_now()
    draft = await office.open_event(publish=False)
    assert (await evening(office, draft, manager))["state"] == "draft"
    later = await office.open_event(terms=replace(sale_terms(), on_sale_at=now + timedelta(days=1)))
    assert (await evening(office, later, manager))["state"] == "not_yet_on_sale"
    full = await office.open_event(capacity=2)
    assert (await office.book(full, office.as_buyer(), 2)).status_code == 201
    shown = await evening(office, full, manager)
    assert (shown["state"], shown["forecast"]["outlook"]) == ("sold_out", "sold_out")
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, full.event_id, now)
    assert (await evening(office, full, manager))["state"] == "cancelled"


async def test_who_may_read_it(office: BoxOffice) -> None:
    event = await office.open_event()
    stranger = await office.as_member("owner", await make_organizer(office.context.database))
    for rest in ("", "/stream"):
        where = address(event, rest)
        assert problem_of(await office.client.get(where), 401) == "unauthenticated"
        for headers in (await office.as_member("door"), office.as_buyer(), stranger):
            assert problem_of(await office.client.get(where, headers=headers), 403) == "forbidden"
    draft = await office.open_event(publish=False)
    assert (await office.client.get(address(draft), headers=stranger)).status_code == 404


# The stream -------------------------------------------------------------------------------------------------


def opened(office: BoxOffice, event: Event, headers: dict[str, str]) -> Any:
    return following(office.asgi, address(event, "/stream"), authorization=headers["Authorization"])


async def until_sold(stream: Stream, sold: int) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            if stream.messages and stream.messages[-1].data["sold"] == sold:
                found: dict[str, Any] = stream.messages[-1].data
                return found
            await asyncio.sleep(0.02)


async def test_the_stream_follows_the_sale(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(capacity=50)
    async with opened(office, event, manager) as stream:
        (first,) = (await stream.has(1))[:1]
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert (first.name, first.data["sold"]) == ("evening", 0)
        for sold in (3, 6):
            assert (await office.book(event, office.as_buyer(), 3)).status_code == 201
            await office.deliver()
            said = await until_sold(stream, sold)
            assert picked(said, *COUNTERS) == [50, sold, 0, 50 - sold, 50 - sold]
        assert [int(each.id) for each in stream.messages] == sorted(int(each.id) for each in stream.messages)


async def test_readers_share_one_read(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(capacity=50)
    reads = 0
    read = analytics.evening.read_evening

    async def counting(*arguments: Any, **named: Any) -> analytics.Evening:
        nonlocal reads
        reads += 1
        return await read(*arguments, **named)

    ticks = 0.0  # seconds on the clock of what is remembered: a slow machine opens three streams in many
    monkeypatch.setattr(analytics.evening, "read_evening", counting)
    monkeypatch.setattr(office.context.evenings._memory, "_monotonic", lambda: ticks)
    async with (
        opened(office, event, manager) as one,
        opened(office, event, manager) as two,
        opened(office, event, manager) as three,
    ):
        for stream in (one, two, three):
            await stream.has(1)
        assert reads == 1
        assert (await office.book(event, office.as_buyer(), 1)).status_code == 201
        ticks += 2 * analytics.evening.EVENING_SECONDS
        for stream in (one, two, three):
            await until_sold(stream, 1)
        assert reads == 2, "one read a second, whoever watches"


async def test_a_stream_ends_so_that_its_reader_is_checked_again(office: BoxOffice) -> None:
    event = await office.open_event()
    clock = [0.0]
    first = await office.context.evenings.get(event.event_id)
    made = EveningStream(office.context, event.event_id, first, seconds_max=600, monotonic=lambda: clock[0])
    stream = Stream()
    stream.headers = {"content-type": "text/event-stream"}
    stays = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(made._follow(stays, stream.send))
    await stream.has(1)
    clock[0] = 601.0
    async with asyncio.timeout(60):
        await task
    assert not stays.done()


async def test_a_server_that_stops_ends_the_stream(database_url: str) -> None:
    async with open_box_office(database_url) as own:
        manager = await own.as_member("manager")
        event = await own.open_event()
        async with opened(own, event, manager) as stream:
            await stream.has(1)
            own.context.hub.stop()
            await stream.ends()


async def test_streams_of_evenings_count_among_all_streams(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event()
    hub = office.context.hub
    before = hub.streams
    async with opened(office, event, manager) as stream:
        await stream.has(1)
        assert hub.streams == before + 1
    assert hub.streams == before


# Sources ----------------------------------------------------------------------------------------------------


async def sources(office: BoxOffice, event: Event, headers: dict[str, str]) -> dict[str, Any]:
    await office.deliver()
    where = f"/v1/events/{show_id('evt', event.event_id)}/analytics/sources"
    answer = await office.client.get(where, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each.pop("via"): each for each in answer.json()["sources"]}


async def test_a_booking_over_the_api_names_its_source(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(capacity=10)
    line = {"ticket_type_id": await office.ticket_type(event), "quantity": 2}
    assert (await office.place(event, office.as_buyer(), line, via="Radio-Eins")).status_code == 201
    assert (await office.place(event, office.as_buyer(), line)).status_code == 201
    found = await sources(office, event, manager)
    assert picked(found.pop("radio-eins"), "placed", "bookings", "tickets") == [1, 1, 2]
    assert found == {}
    for wrong in ("", "a b", "tim@example.org", "x" * 41):
        answer = await office.place(event, office.as_buyer(), line, via=wrong)
        assert answer.status_code == 422, wrong


async def test_a_campaign_link_is_kept_for_the_visit_and_the_event_only(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event, other = await office.open_event(capacity=10), await office.open_event(capacity=10)
    visitor = Visitor(office, office.as_buyer())
    page = f"/events/{show_id('evt', event.event_id)}"
    await visitor.read(f"{page}?via=Poster&utm_source=x")
    assert visitor.page is not None
    (cookie,) = [each for each in visitor.page.headers.get_list("set-cookie") if each.startswith("via=")]
    parts = cookie.split("; ")
    assert parts[0] == "via=poster"
    assert {"HttpOnly", "SameSite=Lax", f"Path={page}"} <= set(parts)
    assert not any(part.startswith(("Max-Age", "Expires")) for part in parts), "it ends with the visit"
    assert visitor.page.headers["cache-control"] == "no-store"
    for each in (event, other):
        where = f"/events/{show_id('evt', each.event_id)}"
        await visitor.read(where)
        await visitor.submit(f"{where}/bookings", **{await office.ticket_type(each): "2"})
        assert visitor.heading() == "You are going"
    assert picked((await sources(office, event, manager))["poster"], "bookings", "tickets") == [1, 2]
    assert await sources(office, other, manager) == {}


@pytest.mark.parametrize("via", ["%3Cscript%3E", "a%20b", "(other)", "x" * 41, "x" * 1_000])
async def test_a_link_with_another_word_sets_no_cookie(office: BoxOffice, via: str) -> None:
    event = await office.open_event()
    visitor = Visitor(office)
    await visitor.read(f"/events/{show_id('evt', event.event_id)}?via={via}")
    assert visitor.status == 200
    assert visitor.page is not None
    assert not any(each.startswith("via=") for each in visitor.page.headers.get_list("set-cookie"))


async def test_a_forged_cookie_is_no_source(office: BoxOffice) -> None:
    manager = await office.as_member("manager")
    event = await office.open_event(capacity=10)
    visitor = Visitor(office, office.as_buyer())
    visitor.client.cookies.set("via", "a%22b", domain="evently.test")
    page = f"/events/{show_id('evt', event.event_id)}"
    await visitor.read(page)
    await visitor.submit(f"{page}/bookings", **{await office.ticket_type(event): "1"})
    assert visitor.heading() == "You are going"
    assert await sources(office, event, manager) == {}
