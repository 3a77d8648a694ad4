"""What pages do with input that was made to do harm."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from evently import organizing
from evently.accounts.organizers import edit_organizer
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.web.pages import seats
from evently.web.pages.rendering import safe_next
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import event_terms, sale_terms
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def titled(office: BoxOffice, title: str, **more: Any) -> Event:
    """Publish an event with this title."""
    now = utc_now()
    starts_at = now + timedelta(days=30)
    said = event_terms(
        office.venue.venue_id,
        title=title,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
        **more,
    )
    async with office.context.database.transaction() as tx:
        event, _ = await organizing.create_event(
            tx, office.venue.organizer_id, said, sale_terms(capacity=10), now
        )
        return (await organizing.publish_event(tx, event.event_id, now)).event


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "/\\evil.example",
        "//[",
        "/[//]",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\t/evil.example",
        "\x00/",
        "",
        "/\n/evil.example",
    ],
)
def test_an_address_to_go_on_to_is_on_this_site(text: str) -> None:
    assert safe_next(text, "/home") in ("/home", "/[//]")


async def test_an_old_address_leads_to_a_title_in_any_script(office: BoxOffice) -> None:
    event = await titled(office, "春の夜 Ночь")
    visitor = Visitor(office)
    await visitor.read(f"/events/{show_id('evt', event.event_id)}/old")
    assert visitor.status == 200
    assert visitor.heading() == "春の夜 Ночь"


async def test_where_to_go_on_may_have_any_letters_and_no_line_of_its_own(office: BoxOffice) -> None:
    visitor = Visitor(office)
    for text, expected in (
        ("/events/春?q=ü", "/events/%E6%98%A5?q=%C3%BC"),
        ("/a%20b", "/a%20b"),
        ("/\r\nset-cookie: a=b", "/"),
        ("//[", "/"),
    ):
        response = await visitor.client.post(
            "/theme",
            content=urlencode({"theme": "dark", "next": text}),
            headers={"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"},
        )
        assert (response.status_code, response.headers["location"]) == (303, expected)


async def test_nobody_writes_into_the_page_that_is_kept_for_others(office: BoxOffice) -> None:
    event = await titled(office, "Some Night")
    visitor = Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}"
    for _ in range(2):  # the second answer may come from memory
        wrong = await visitor.client.get(f"{address}/pay-at-evil.example")
        assert (wrong.status_code, wrong.headers["location"]) == (303, f"{address}/some-night")
    assert "evil" not in await visitor.read(f"{address}/some-night")
    office.context.memory.forget_all()
    await visitor.client.get("//evil.example//..//")
    await visitor.client.get("http://evently.test//")
    assert visitor.form("/theme")["next"] == f"{address}/some-night"


async def test_promo_codes_are_not_guessed_by_booking(database_url: str) -> None:
    async with open_box_office(database_url, rate_promo_codes=2) as office:
        event = await titled(office, "Secret Sale")
        buyer = Visitor(office, office.as_buyer())
        address = f"/events/{show_id('evt', event.event_id)}"
        type_id = await office.ticket_type(event)
        said = []
        for number in range(4):
            await buyer.send(
                f"{address}/bookings", {type_id: "1", "code": f"GUESS{number}", "key": f"key-{number}"}
            )
            said.append((buyer.status, buyer.heading()))
        assert said[2:] == [(429, "Too many tries from here")] * 2  # the page does not look at the code


async def test_a_page_of_seats_repeats_only_seats_of_the_hall(office: BoxOffice) -> None:
    event = await office.open_hall()
    stalls = (await office.types(event))["Stalls"]
    visitor = Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}/seats"
    known = [("seat", f"{stalls}:S-A-1")]
    others = [("seat", f"nonsense-{number}") for number in range(400)]
    many = [("seat", f"x{number}:S-A-2") for number in range(400)]
    text = await visitor.read(f"{address}?{urlencode(known + others)}")
    assert "nonsense" not in text
    assert f'value="{stalls}:S-A-1" checked' in text
    assert (await visitor.read(f"{address}?{urlencode(many)}")).count("x399") == 0


async def test_a_large_page_of_seats_is_the_same_as_one_made_at_once(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await office.open_hall()
    visitor = Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}/seats?section=Stalls"
    at_once, threads = await visitor.read(address), set()
    draw = seats._draw

    def watched(*given: Any) -> Any:
        threads.add(threading.current_thread())
        return draw(*given)

    monkeypatch.setattr(seats, "_draw", watched)
    monkeypatch.setattr(seats, "_AT_ONCE_MAX", 10)
    assert await visitor.read(address) == at_once
    assert threads.isdisjoint({threading.main_thread()})


async def test_forged_sessions_ask_the_database_no_more_often_than_readers_may(database_url: str) -> None:
    async with open_box_office(database_url, rate_reads=3) as office:
        visitor, asked = Visitor(office), []
        accounts = office.context.accounts
        renew = accounts.continue_in_browser

        async def counted(secret: str) -> Any:
            asked.append(secret)
            return await renew(secret)

        accounts.continue_in_browser = counted  # type: ignore[method-assign]
        statuses = []
        for number in range(6):
            visitor.client.cookies.clear()
            cookie = f"evently=evb_{number}.nonsense"
            statuses.append(
                (await visitor.client.get("/accessibility", headers={"cookie": cookie})).status_code
            )
        assert statuses[-1] == 429
        assert len(asked) <= 3


async def test_the_link_to_an_organizer_writes_to_nobody_else(office: BoxOffice) -> None:
    event = await office.open_event()
    email = "help?bcc=all&subject=pay@evently.example"
    async with office.context.database.transaction() as tx:
        await edit_organizer(tx, event.organizer_id, "Friends & <b>Co</b>", email)
    text = await Visitor(office).read(f"/events/{show_id('evt', event.event_id)}")
    assert 'href="mailto:help%3Fbcc%3Dall%26subject%3Dpay@evently.example"' in text
    assert "<b>Co</b>" not in text
