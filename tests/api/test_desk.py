"""The frame of the desk: who comes in, what each role sees, the first organizer of a person."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evently.accounts import Person
from evently.accounts.people import add_person
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.web.application import all_routes
from evently.web.pages.organize.desk import PLACES, TABS
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of, home_of, open_desk
from tests.support.visitor import Visitor

EVENT = "/organize/events/{event_id}"
ORGANIZER = "/organize/{organizer_id}"
IN_HEADER = '<a class="wide-only" href="/organize">Organizers</a>'


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def _person(office: BoxOffice, email: str = "ada@evently.example") -> Visitor:
    """Return the browser of a person with an account."""
    person = Person(new_id(), email, "Ada", "buyer", 1, utc_now(), None)
    async with office.context.database.transaction() as tx:
        assert await add_person(tx, person, None)
    return Visitor(office, office.as_person(person.person_id))


async def test_a_person_becomes_an_organizer(office: BoxOffice) -> None:
    person = await _person(office)
    await person.read("/organize")
    assert person.heading() == "Become an organizer"
    assert person.form("/organize")["contact_email"] == "ada@evently.example"
    await person.submit("/organize", name=" ", contact_email="nonsense")
    assert person.status == 422
    assert person.text.count('aria-invalid="true"') == 2, "both at once"
    assert person.form("/organize")["contact_email"] == "nonsense", "nothing typed is lost"
    await person.submit("/organize", name="Klangwerk & Söhne", contact_email="hello@klangwerk.example")
    assert person.path.startswith("/organize/org_")
    assert person.heading() == "Klangwerk & Söhne"
    assert "Three steps to your first event" in person.text
    home = person.path
    await person.read("/organize")
    assert person.path == home, "the only organizer of a person is opened at once"
    await person.read("/organize?choose=yes")
    assert home in person.text
    await person.submit("/organize", name="Second")
    await person.read("/organize")
    assert person.heading() == "Organizers", "with two, the person chooses"
    assert len(re.findall(r'href="/organize/org_\w+"', person.text)) == 2


async def test_the_home_shows_what_is_ahead_and_how_full_it_is(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10, starts_in=timedelta(days=40))
    await office.book(desk.event, office.as_buyer(), 4)
    draft = await office.open_event(publish=False, starts_in=timedelta(days=3))
    await office.open_event(publish=False, starts_in=timedelta(days=50))
    await office.deliver()
    text = await desk.visitor.read(desk.home)
    assert "<b>4</b> of 10" in text
    assert text.index(address_of(draft)) < text.index(desk.address), "the soonest first"
    assert text.count("is still a draft") == 1, "only the draft that starts soon needs a person"
    assert "4 tickets" in text, "sold today"
    assert "€\u00a0100.00" in text


@pytest.mark.parametrize("role", ["owner", "manager", "door"])
async def test_each_role_sees_what_the_api_lets_it_see(office: BoxOffice, role: str) -> None:
    desk = await open_desk(office, role, capacity=10)
    await office.book(desk.event, office.as_buyer(), 4)
    await office.deliver()
    home, path = await desk.visitor.read(desk.home), desk.home.removeprefix("/organize/")
    assert desk.visitor.status == 200
    report = await office.client.get(f"/v1/organizers/{path}/analytics", headers=desk.headers)
    assert (report.status_code == 200) == ("Tickets sold today" in home)
    assert "<b>4</b> of 10" in home
    await desk.visitor.read(desk.address)
    assert desk.visitor.status == 200


async def test_strangers_find_nothing_and_visitors_log_in_first(office: BoxOffice) -> None:
    event, draft = await office.open_event(), await office.open_event(publish=False)
    elsewhere = await make_organizer(office.context.database)
    stranger = Visitor(office, await office.as_member("owner", elsewhere))
    for path in (home_of(office), address_of(event), address_of(draft), "/organize/org_nonsense"):
        assert "Not there" in await stranger.read(path)
        assert stranger.status == 404, path
        visitor = Visitor(office)
        await visitor.read(path)
        assert visitor.path == "/login"
        assert visitor.form("/login")["next"] == path
    admin = Visitor(office, office.as_person(new_id(), "admin"))
    await admin.read(address_of(draft))
    assert admin.status == 200


def test_a_tab_asks_for_the_role_of_its_page() -> None:
    """No link leads to a page that refuses its reader, and none is kept from those who may open it."""
    routes = {route.path: route for route in all_routes() if route.is_page and route.method == "GET"}
    for groups, address in ((TABS, EVENT), (PLACES, ORGANIZER)):
        for tab in [tab for group in groups for tab in group.tabs]:
            route = routes[f"{address}/{tab.path}" if tab.path else address]
            assert (route.policy.who, route.policy.role) == ("organizer", tab.role), route.path


async def test_everybody_finds_the_way_to_the_desk(office: BoxOffice) -> None:
    desk = await open_desk(office)
    assert "Organizer’s desk" in await desk.visitor.read("/me")
    event_page = f"/events/{show_id('evt', desk.event.event_id)}"
    person = await _person(office)
    mine = await person.read("/me")
    assert mine.index("Become an organizer") < mine.index("Delete my account")
    assert IN_HEADER in mine
    visitor = Visitor(office)
    for path in ("/", "/events", event_page, "/login", "/signup"):
        assert "Sell tickets" in await visitor.read(path)
        assert IN_HEADER not in visitor.text
        assert "organize.css" not in visitor.text
    assert 'href="/signup?next=/organize"' in visitor.text
    assert "first event" in await visitor.read("/signup?next=/organize")
    assert IN_HEADER not in await desk.visitor.read("/"), "a page that is kept is the same for all"
    assert "Sell tickets" not in await desk.visitor.read(desk.address), "they are there already"


async def test_the_menu_begins_with_the_event_and_marks_each_page_once(office: BoxOffice) -> None:
    desk = await open_desk(office)
    text = await desk.visitor.read(desk.address)
    places = [text.index(each) for each in (">Door<", ">Bookings<", "rail-places", ">Venues<")]
    assert places == sorted(places)
    for tab in [tab for group in TABS for tab in group.tabs]:
        await desk.visitor.read(f"{desk.address}/{tab.path}".rstrip("/"))
        marked = re.findall(r'aria-current="page">([^<]*)</a>', desk.visitor.text)
        assert marked == [tab.name], tab.path


async def test_a_venue_without_events_and_a_second_page(office: BoxOffice) -> None:
    desk = await open_desk(office, starts_in=timedelta(days=90))
    for _ in range(50):
        await office.open_event(publish=False, starts_in=timedelta(days=60))
    assert desk.address not in await desk.visitor.read(desk.home)
    later = re.search(r'href="([^"]*\?after=[^"]*)"', desk.visitor.text)
    assert later is not None
    assert desk.address in await desk.visitor.read(later[1])
