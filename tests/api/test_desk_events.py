"""An event at the desk, from a form to a published sale, as a browser without script uses it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import escape

import pytest

from evently import organizing
from evently.catalogue import find_events
from evently.kit.clock import utc_now
from evently.kit.ids import find_id, show_id
from evently.organizing import ConditionsChanges, EventChanges
from evently.sales.reads import find_sale
from evently.sales.terms import RefundWindow
from evently.web.pages.organize.starting_points import STARTING_POINTS
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of, open_desk
from tests.support.forms import form_of
from tests.support.visitor import Visitor

NEXT_YEAR = f"{utc_now().year + 1}-05-20"
NEW = "/organize/events/new"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def _new_organizer(office: BoxOffice) -> tuple[Visitor, str]:
    organizer_id = await make_organizer(office.context.database, "Seven Lighthouses")
    return Visitor(office, await office.as_member("owner", organizer_id)), show_id("org", organizer_id)


async def test_a_first_event_with_a_new_venue_in_one_form(office: BoxOffice) -> None:
    visitor, organizer = await _new_organizer(office)
    await visitor.read(f"/organize/{organizer}")
    assert f"{NEW}?organizer={organizer}" in visitor.text
    await visitor.read(NEW)
    assert visitor.heading() == "New event", "the only organizer of a person need not be named"
    await visitor.submit(
        NEW,
        title="Fog & Brass",
        starts_day=NEXT_YEAR,
        starts_clock="8 pm",
        venue="new",
        venue_name="Pier 7",
        venue_address="Pier 7, Hamburg",
        venue_city="Hamburg",
        venue_country="US",
        currency="EUR",
        payment="online",
        price_1="29,90",
        places_1="1,200",
        type_2="Child",
        places_2="50",
    )
    assert visitor.status == 422, "clocks in the USA differ, and no zone is named like the city"
    assert "Choose the time zone" in visitor.text
    zones = re.findall(r'<option value="(\w+/\w+)"', visitor.text)
    assert zones[0] == "America/New_York", "those of the country come first"
    assert visitor.form(NEW)["price_1"] == "29,90"
    await visitor.submit(
        NEW,
        venue="new",
        venue_address="Pier 7, Hamburg",
        venue_country="DE",
        currency="EUR",
        payment="online",
    )
    assert visitor.heading() == "Fog & Brass", visitor.text
    event_id = find_id("evt", visitor.path.rpartition("/")[2])
    assert event_id is not None
    event = (await find_events(office.context.database, [event_id]))[event_id]
    assert (event.state, event.city, event.time_zone) == ("draft", "Hamburg", "Europe/Berlin")
    assert f"{event.starts_at_local:%Y-%m-%d %H:%M}" == f"{NEXT_YEAR} 20:00"
    assert event.ends_at - event.starts_at == timedelta(hours=3)
    sale = await find_sale(office.context.database, event_id)
    sold = {
        terms.name: (terms.price_minor, sale.pools[terms.pool_ids[0]].capacity)
        for terms in sale.ticket_types.values()
    }
    assert sold == {"Regular": (2990, 1200), "Child": (0, 50)}
    assert sale.conditions_now()[1].payment == "online"


@pytest.mark.parametrize("begin", STARTING_POINTS)
async def test_a_first_event_from_a_starting_point_needs_only_its_own_words(
    office: BoxOffice, begin: str
) -> None:
    visitor, organizer = await _new_organizer(office)
    await visitor.read(f"{NEW}?organizer={organizer}")
    address = f"{NEW}?organizer={organizer}&begin={begin}"
    assert f'href="{escape(address)}"' in visitor.text, "a link, so it works without script"
    assert "Or like an event that you have" not in visitor.text, "there is none yet"
    await visitor.read(address)
    start = STARTING_POINTS[begin]
    assert visitor.form(NEW)["type_1"] == start.types[0].name
    typed = {
        "title": "The first one",
        "starts_day": NEXT_YEAR,
        "venue_name": "Pier 7",
        "venue_address": "Pier 7, Linz",
        "venue_city": "Linz",
        "venue_country": "AT",
    }
    await visitor.send(NEW, form_of(visitor.text, NEW) | typed)
    assert visitor.heading() == "The first one", visitor.text
    event_id = find_id("evt", visitor.path.rpartition("/")[2])
    assert event_id is not None
    event = (await find_events(office.context.database, [event_id]))[event_id]
    assert (f"{event.starts_at_local:%H:%M}", f"{event.ends_at_local:%H:%M}") == (start.starts, start.ends)
    assert event.category is start.category
    sale = await find_sale(office.context.database, event_id)
    sold = [
        (terms.name, terms.price_minor // 100, sale.pools[terms.pool_ids[0]].capacity)
        for terms in sorted(sale.ticket_types.values(), key=lambda each: each.position)
    ]
    assert sold == [tuple(each) for each in start.types]
    await visitor.submit(f"{visitor.path}/publish")
    assert "On sale" in visitor.text


async def test_the_form_offers_the_events_that_there_are_and_ignores_unknown_words(office: BoxOffice) -> None:
    events = [await office.open_event() for _ in range(6)]
    await office.context.database.fetch("UPDATE events SET title = '<i>Night</i>'")
    desk = await open_desk(office)
    await desk.visitor.read(f"{NEW}?begin=circus")
    assert desk.visitor.form(NEW)["type_1"] == "Regular"
    for event in (*events[2:], desk.event):
        assert f'href="{address_of(event)}/copy"' in desk.visitor.text
    assert f"{address_of(events[0])}/copy" not in desk.visitor.text, "the newest five"
    assert "<bdi>&lt;i&gt;Night&lt;/i&gt;</bdi>" in desk.visitor.text
    await desk.visitor.read(f"{address_of(events[5])}/copy")
    assert desk.visitor.heading() == "Copy this event"
    await desk.visitor.read(NEW)
    await desk.visitor.submit(NEW, title="")
    assert "Begin with" not in desk.visitor.text, "a link there would lose what was typed"


@pytest.mark.parametrize(("currency", "price"), [("EUR", "25.00"), ("JPY", "2500"), ("KWD", "25.000")])
def test_a_starting_point_has_plausible_prices_in_any_currency(currency: str, price: str) -> None:
    assert dict(STARTING_POINTS["concert"].fields(currency))["price_2"] == price
    assert dict(STARTING_POINTS["free"].fields(currency))["price_1"] == "", "free"


async def test_every_error_of_a_new_event_at_once_and_nothing_is_lost(office: BoxOffice) -> None:
    visitor, _ = await _new_organizer(office)
    await visitor.read(NEW)
    typed = {
        "starts_day": "tomorrow",
        "starts_clock": "25:00",
        "price_1": "cheap",
        "places_1": "many",
        "type_2": "regular",
        "venue_city": "Hamburg",
        "description": "<b>Two sets</b>",
        "venue_country": "DE",
        "currency": "EUR",
    }
    await visitor.submit(NEW, **typed)
    assert visitor.status == 422
    for field in ("title", "starts_day", "starts_clock", "price_1", "places_1", "places_2", "venue_name"):
        assert f'id="{field}-wrong"' in visitor.text, field
    form = visitor.form(NEW)
    assert {name: form[name] for name in typed if name in form} == {
        name: value for name, value in typed.items() if name in form
    }
    assert "&lt;b&gt;Two sets&lt;/b&gt;</textarea>" in visitor.text
    assert await office.context.database.fetch_value("SELECT count(*) FROM events") == 0
    assert await office.context.database.fetch_value("SELECT count(*) FROM venues") == 1, (
        "none was left behind"
    )
    await visitor.submit(NEW, **typed, more="yes")
    assert 'name="type_6"' in visitor.text, "more rows, and what was typed stays"
    assert visitor.form(NEW)["price_1"] == "cheap"


async def test_a_form_that_is_sent_twice_makes_one_draft(office: BoxOffice) -> None:
    desk = await open_desk(office)
    await desk.visitor.read(NEW)
    venue = show_id("ven", office.venue.venue_id)
    sent = {"title": "Twice", "starts_day": NEXT_YEAR, "places_1": "5", "currency": "EUR", "venue": venue}
    fields = desk.visitor.form(NEW) | sent
    await desk.visitor.send(NEW, fields)
    first = desk.visitor.path
    await desk.visitor.send(NEW, fields)
    assert desk.visitor.path == first
    count = "SELECT count(*) FROM events WHERE title = 'Twice'"
    assert await office.context.database.fetch_value(count) == 1


async def test_a_draft_says_what_is_missing_as_the_api_does_and_is_published(office: BoxOffice) -> None:
    desk = await open_desk(office)
    draft = await office.open_event(publish=False)
    path = f"/v1/events/{show_id('evt', draft.event_id)}"
    types = (await office.client.get(f"{path}/ticket-types", headers=desk.headers)).json()["data"]
    etag = (await office.client.get(path, headers=desk.headers)).headers["etag"]
    await office.client.delete(
        f"{path}/ticket-types/{types[0]['id']}", headers=desk.headers | {"if-match": etag}
    )
    checked = (await office.client.get(f"{path}/publishing-check", headers=desk.headers)).json()
    assert [each["code"] for each in checked["obstacles"]] == ["nothing-to-sell"]
    visitor = desk.visitor
    assert checked["obstacles"][0]["detail"] in await visitor.read(address_of(draft))
    await visitor.submit(f"{address_of(draft)}/publish")
    assert visitor.status == 409
    assert "It was not published." in visitor.text
    await office.post(f"{path}/ticket-types", desk.headers, name="Regular")
    checked = (await office.client.get(f"{path}/publishing-check", headers=desk.headers)).json()
    assert checked == {"obstacles": []}
    await visitor.submit(f"{address_of(draft)}/publish")
    assert visitor.path == address_of(draft)
    assert "It is published." in visitor.text
    shown = re.search(r'id="buyers-address"[^>]*value="(http[^"]*)"', visitor.text)
    assert shown is not None, "with its host, to be copied"
    assert "QR code with the address of the event" in visitor.text
    event_page = shown[1].partition("/events/")[2]
    await Visitor(office).read(f"/events/{event_page}")
    assert "Page for buyers" in visitor.text
    assert (await office.client.get(path)).status_code == 200, "everybody sees it"


async def test_a_draft_is_seen_as_a_buyer_will_see_it(office: BoxOffice) -> None:
    desk = await open_desk(office)
    draft = await office.open_event(publish=False)
    await desk.visitor.read(f"/events/{show_id('evt', draft.event_id)}")
    assert "This is a draft" in desk.visitor.text
    assert address_of(draft) in desk.visitor.text, "and a way back"
    stranger = Visitor(office, office.as_buyer())
    await stranger.read(f"/events/{show_id('evt', draft.event_id)}")
    assert stranger.status == 404


async def test_at_the_door_nobody_makes_or_publishes_events(office: BoxOffice) -> None:
    desk = await open_desk(office, "door")
    draft = await office.open_event(publish=False)
    organizer = show_id("org", office.venue.organizer_id)
    assert "New event" not in await desk.visitor.read(desk.home)
    await desk.visitor.read(f"{NEW}?organizer={organizer}")
    assert desk.visitor.status == 403
    assert "Publish it" not in await desk.visitor.read(address_of(draft))
    await desk.visitor.send(f"{address_of(draft)}/publish", {})
    assert desk.visitor.status == 403
    path = f"/v1/events/{show_id('evt', draft.event_id)}/publishing-check"
    assert problem_of(await office.client.get(path, headers=desk.headers), 403) == "forbidden"


async def _edit_form(visitor: Visitor, address: str, **typed: str) -> None:
    """Send the form of the page that was read, as a browser would, with its text areas and choices."""
    fields = form_of(visitor.text, address) | typed
    await visitor.send(address, fields)


async def test_two_editors_see_both_versions_and_one_decides(office: BoxOffice) -> None:
    desk = await open_desk(office)
    edit = f"{desk.address}/edit"
    first, second = desk.visitor, Visitor(office, await office.as_member("manager"))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    await first.read(edit)
    await second.read(edit)
    await _edit_form(first, edit, title="Jazz by day", tags="jazz, tea")
    assert "It is saved" in first.text, first.text
    await _edit_form(second, edit, title="Jazz by dawn")
    assert second.status == 412
    assert second.heading() == "Another editor was first"
    assert '<span dir="auto">Member</span> changed this at' in second.text
    assert "Jazz by day" in second.text
    assert "Jazz by dawn" in second.text
    assert "jazz, tea" in second.text, "every field in which the two differ"
    event = (await find_events(office.context.database, [desk.event.event_id]))[desk.event.event_id]
    assert event.title == "Jazz by day", "nothing is saved before the editor decides"
    await second.submit(edit)
    assert "It is saved" in second.text
    event = (await find_events(office.context.database, [desk.event.event_id]))[desk.event.event_id]
    assert (event.title, event.tags) == ("Jazz by dawn", ("jazz", "live"))


async def test_who_was_first_is_named_only_where_it_is_known(office: BoxOffice) -> None:
    desk = await open_desk(office)
    edit, path = f"{desk.address}/edit", f"/v1/events/{show_id('evt', desk.event.event_id)}"
    stale = Visitor(office, desk.headers)
    await stale.read(edit)
    await desk.visitor.read(edit)
    await _edit_form(desk.visitor, edit, title="Jazz by day")
    await _edit_form(stale, edit, title="Jazz by dawn", version="1")
    assert "you, in another window," in stale.text
    other = await office.as_member("manager")
    etag = (await office.client.get(path, headers=other)).headers["etag"]
    same = await office.client.patch(path, json={"title": "Jazz by day"}, headers=other | {"if-match": etag})
    assert same.headers["etag"] == etag, "nothing changed, so nobody did"
    await _edit_form(stale, edit, title="Jazz by dawn", version="1")
    assert "you, in another window," in stale.text
    await office.client.patch(path, json={"title": "Jazz at noon"}, headers=other | {"if-match": etag})
    await _edit_form(stale, edit, title="Jazz by dawn", version="1")
    assert '<span dir="auto">Member</span> changed this at' in stale.text
    await office.context.database.fetch("UPDATE people SET name = '<b>Eve</b>' WHERE name = 'Member'")
    await _edit_form(stale, edit, title="Jazz by dawn", version="1")
    assert "&lt;b&gt;Eve&lt;/b&gt;" in stale.text
    await office.context.database.fetch("UPDATE events SET changed_by = NULL")
    await _edit_form(stale, edit, title="Jazz by dawn", version="1")
    assert "While you were editing, this was changed, at" in stale.text


async def test_a_move_says_what_it_means_before_it_is_made(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10)
    await office.book(desk.event, office.as_buyer(), 2)
    edit = f"{desk.address}/edit"
    await desk.visitor.read(edit)
    before = form_of(desk.visitor.text, edit)
    await _edit_form(
        desk.visitor, edit, starts_day=NEXT_YEAR, ends_day=NEXT_YEAR, starts_clock="19.30", ends_clock="23h"
    )
    assert desk.visitor.heading() == "Move it?"
    assert "1 booking" in desk.visitor.text
    assert "For 14 days" in desk.visitor.text
    await desk.visitor.read(edit)
    assert form_of(desk.visitor.text, edit) == before, "nothing is changed yet"
    await _edit_form(desk.visitor, edit, starts_day=NEXT_YEAR, ends_day="2020-01-01")
    assert desk.visitor.status == 422, "what is wrong is said before anything is asked"
    await desk.visitor.read(edit)
    await _edit_form(
        desk.visitor, edit, starts_day=NEXT_YEAR, ends_day=NEXT_YEAR, starts_clock="19.30", ends_clock="23h"
    )
    await desk.visitor.submit(edit)
    assert "It is saved" in desk.visitor.text
    event = (await find_events(office.context.database, [desk.event.event_id]))[desk.event.event_id]
    assert f"{event.starts_at_local:%Y-%m-%d %H:%M}" == f"{NEXT_YEAR} 19:30"


async def test_a_draft_is_given_a_beginning_of_its_sale_and_then_a_waiting_room(office: BoxOffice) -> None:
    desk = await open_desk(office)
    draft = await office.open_event(publish=False)
    edit, room = f"{address_of(draft)}/edit", f"{address_of(draft)}/waiting-room"
    preview = f"/events/{show_id('evt', draft.event_id)}"
    assert "On sale as soon as it is published" in await desk.visitor.read(preview)
    assert f'href="{edit}#sale"' in await desk.visitor.read(room)
    shown = form_of(await desk.visitor.read(edit), edit)
    assert [shown[f"{end}_sale_{part}"] for end in ("on", "off") for part in ("day", "clock")] == [""] * 4
    await _edit_form(desk.visitor, edit, on_sale_day="2020-01-01", off_sale_day=shown["starts_day"])
    assert desk.visitor.status == 422
    assert desk.visitor.text.count("Enter the time, too.") == 4, "in the summary and at both fields"
    await desk.visitor.read(edit)
    begins = (utc_now() + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
    await _edit_form(desk.visitor, edit, on_sale_day=f"{begins:%Y-%m-%d}", on_sale_clock="10:00")
    assert "It is saved" in desk.visitor.text
    sale = await find_sale(office.context.database, draft.event_id)
    assert f"{sale.on_sale_at.astimezone(draft.place.zone):%Y-%m-%d %H:%M}" == f"{begins:%Y-%m-%d} 10:00"
    assert "as soon as it is published" not in await desk.visitor.read(preview)
    assert "Put one before the sale" in await desk.visitor.read(room)
    await desk.visitor.read(edit)
    await _edit_form(desk.visitor, edit, off_sale_day="2020-01-01", off_sale_clock="10:00")
    assert desk.visitor.status == 422
    assert 'href="#off_sale_day"' in desk.visitor.text, "the sale would end before it begins"


async def test_ticket_types_are_added_changed_and_retired(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10)
    await office.book(desk.event, office.as_buyer(), 4)
    visitor, address = desk.visitor, f"{desk.address}/tickets"
    await visitor.read(f"{address}/new")
    await _edit_form(visitor, f"{address}/new", name="", price="x", pool="own", places="")
    assert visitor.status == 422
    for field in ("name", "price", "places"):
        assert f'id="{field}-wrong"' in visitor.text
    await _edit_form(
        visitor, f"{address}/new", name="Balcony", price="12,50", tax="7", pool="own", places="30"
    )
    assert visitor.path == address, visitor.text
    assert "Balcony" in visitor.text
    types = await office.types(desk.event)
    regular = f"{address}/{types['Regular']}"
    await visitor.read(regular)
    await _edit_form(visitor, regular, price="27.50", on_day="2020-01-01", on_clock="10", hidden="yes")
    assert visitor.path == address
    sale = await find_sale(office.context.database, desk.event.event_id)
    changed = {terms.name: terms for terms in sale.ticket_types.values()}
    assert (changed["Regular"].price_minor, changed["Regular"].hidden) == (2750, True)
    assert changed["Balcony"].tax_basis_points == 700
    pool = show_id("pol", changed["Regular"].pool_ids[0])
    await visitor.submit(f"{address}/pools/{pool}", **{f"places_{pool}": "3"})
    assert visitor.status == 409
    assert f'id="places_{pool}-wrong"' in visitor.text, "four are sold already"
    await visitor.submit(f"{address}/pools/{pool}", **{f"places_{pool}": "40"})
    assert "The number of places is saved" in visitor.text
    await visitor.read(regular)
    await visitor.submit(f"{regular}/retire")
    assert "No longer sold (1)" in visitor.text


async def test_codes_are_added_changed_and_retired(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10)
    visitor, address = desk.visitor, f"{desk.address}/codes"
    await visitor.read(address)
    await _edit_form(visitor, address, code="not a code!", kind="percent", value="120")
    assert visitor.status == 422
    assert 'id="code-wrong"' in visitor.text
    assert 'id="value-wrong"' in visitor.text
    await _edit_form(visitor, address, code="spring", kind="percent", value="12,5 %", uses_max="100")
    assert "SPRING" in visitor.text
    assert "12.5 % off each ticket" in visitor.text
    found = re.search(rf'href="({address}/prm_\w+)"', visitor.text)
    assert found is not None
    await visitor.read(found[1])
    await _edit_form(visitor, found[1], value="20", until_day=NEXT_YEAR, until_clock="midday")
    assert 'id="until_clock-wrong"' in visitor.text
    await _edit_form(visitor, found[1], value="20", until_day="", until_clock="")
    assert "20 % off each ticket" in visitor.text
    await _edit_form(visitor, address, code="Spring", kind="fixed", value="3")
    assert visitor.status == 409, "the name is taken"
    await visitor.read(found[1])
    await visitor.submit(f"{found[1]}/retire")
    assert "No longer accepted (1)" in visitor.text


async def test_terms_are_for_later_bookings_and_say_what_buyers_read(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10)
    visitor, address = desk.visitor, f"{desk.address}/terms"
    await visitor.read(address)
    await _edit_form(
        visitor,
        address,
        payment="online",
        hold_minutes="15",
        fee_fixed="1",
        fee_share="2,5",
        hours_1="2 weeks",
        share_1="100",
        hours_2="400",
        share_2="50",
    )
    assert visitor.status == 422
    assert 'id="hours_2-wrong"' in visitor.text, "a window that ends before the one above it"
    await _edit_form(visitor, address, hours_2="soon")
    assert "such as 14 days or 36 hours" in visitor.text
    assert 'value="soon"' in visitor.text
    await _edit_form(visitor, address, hours_2="2 days")
    assert "The terms are saved" in visitor.text, visitor.text
    assert "50 % of what you paid" in visitor.text
    _, conditions = (await find_sale(office.context.database, desk.event.event_id)).conditions_now()
    assert (conditions.payment, conditions.hold_seconds) == ("online", 900)
    assert (conditions.fees.fixed_minor, conditions.fees.basis_points) == (100, 250)
    await _edit_form(visitor, f"{address}/names", attendee_names="required", names_hours_before="1 day")
    form = visitor.form(address)
    assert (form["hours_1"], form["hours_2"], form["cancel_hours_before"]) == ("14 days", "2 days", "0")
    assert [each.hours_before for each in conditions.refund_windows] == [336, 48]
    event = (await find_events(office.context.database, [desk.event.event_id]))[desk.event.event_id]
    assert (event.attendee_names, event.names_hours_before) == ("required", 24)
    assert f'href="{desk.address}/door#settings"' in visitor.text, "times at the door have one page"
    assert "opens" not in visitor.text


@pytest.mark.parametrize("tab", ["edit", "tickets", "tickets/new", "codes", "terms", "copy", "cancel"])
async def test_at_the_door_nobody_sees_codes_prices_or_terms(office: BoxOffice, tab: str) -> None:
    desk = await open_desk(office, "door")
    await desk.visitor.read(f"{desk.address}/{tab}")
    assert desk.visitor.status == 403
    assert f"{desk.address}/{tab}" not in await desk.visitor.read(desk.address)


@pytest.mark.parametrize("tab", ["edit", "tickets", "tickets/new", "codes", "terms", "copy", "cancel"])
async def test_names_with_markup_are_text_everywhere(office: BoxOffice, tab: str) -> None:
    bad = "<script>alert(1)</script>\"'"
    desk = await open_desk(office, name=bad)
    async with office.context.database.transaction() as tx:
        await organizing.change_event(tx, desk.event.event_id, EventChanges(title=bad), utc_now())
    text = await desk.visitor.read(f"{desk.address}/{tab}")
    assert desk.visitor.status == 200
    assert "<script>alert" not in text
    assert "\"'" not in text


async def test_cancelling_says_first_what_happens_to_the_money(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=10)
    await office.book(desk.event, office.as_buyer(), 2)
    visitor, address = desk.visitor, f"{desk.address}/cancel"
    await visitor.read(address)
    assert "Nothing is cancelled yet" in visitor.text
    assert re.search(r"Bookings that are cancelled[^<]*</dt><dd>1</dd>", visitor.text)
    assert re.search(r"at the door[^<]*</dt><dd>€\u00a050.00</dd>", visitor.text)
    found = await find_events(office.context.database, [desk.event.event_id])
    assert found[desk.event.event_id].state == "published"
    await _edit_form(visitor, address, keep_door_money="yes")
    assert visitor.path == desk.address
    assert "This event is cancelled." in visitor.text
    assert "1 of 1 booking is still to be cancelled" in visitor.text
    await visitor.send(address, {})
    assert visitor.path == desk.address, "safe to repeat"
    assert "See how far it is" in await visitor.read(address)
    for tab in ("edit", "terms"):
        assert "cannot change any more" in await visitor.read(f"{desk.address}/{tab}")


async def test_a_draft_is_deleted_unless_it_was_changed_meanwhile(office: BoxOffice) -> None:
    desk = await open_desk(office)
    draft = await office.open_event(publish=False)
    address = f"{address_of(draft)}/cancel"
    await desk.visitor.read(address)
    old = form_of(desk.visitor.text, f"{address_of(draft)}/delete")
    async with office.context.database.transaction() as tx:
        await organizing.change_event(tx, draft.event_id, EventChanges(title="Kept"), utc_now())
    await desk.visitor.send(f"{address_of(draft)}/delete", old)
    assert desk.visitor.status == 412
    assert "is not deleted" in desk.visitor.text
    await desk.visitor.submit(f"{address_of(draft)}/delete")
    assert desk.visitor.path == desk.home
    await desk.visitor.read(address_of(draft))
    assert desk.visitor.status == 404
    await desk.visitor.send(f"{desk.address}/delete", {"version": str(desk.event.version)})
    assert desk.visitor.status == 409, "what is published is cancelled, never deleted"


async def test_an_event_is_used_again_on_another_day(office: BoxOffice) -> None:
    desk = await open_desk(office, capacity=7)
    address = f"{desk.address}/copy"
    await desk.visitor.read(address)
    assert form_of(desk.visitor.text, address)["title"] == desk.event.title
    await _edit_form(desk.visitor, address, title="")
    assert desk.visitor.status == 422
    assert 'id="title-wrong"' in desk.visitor.text
    assert 'id="starts_day-wrong"' in desk.visitor.text
    await _edit_form(desk.visitor, address, title="Encore", starts_day="2020-01-01", starts_clock="8 pm")
    assert desk.visitor.status == 422
    await _edit_form(desk.visitor, address, title="Encore", starts_day=NEXT_YEAR, starts_clock="8 pm")
    assert desk.visitor.heading() == "Encore"
    assert "Before you publish it" in desk.visitor.text
    assert "of 7" in desk.visitor.text


async def test_saving_terms_changes_only_what_was_touched(office: BoxOffice) -> None:
    """A form shows whole minutes and four refund windows; the API knows seconds and ten windows."""
    desk = await open_desk(office, capacity=10)
    windows = tuple(
        RefundWindow(hours, 1_000 * share)
        for hours, share in zip(range(99, 93, -1), range(9, 3, -1), strict=True)
    )
    exact = ConditionsChanges(payment="online", hold_seconds=95, offer_seconds=5_000, refund_windows=windows)
    async with office.context.database.transaction() as tx:
        await organizing.change_conditions(tx, desk.event.event_id, exact, utc_now())
    address = f"{desk.address}/terms"
    await desk.visitor.read(address)
    assert "more refund windows" in desk.visitor.text
    await _edit_form(desk.visitor, address, give_back_days="7")
    assert "The terms are saved" in desk.visitor.text
    _, now = (await find_sale(office.context.database, desk.event.event_id)).conditions_now()
    assert (now.give_back_days, now.hold_seconds, now.offer_seconds) == (7, 95, 5_000)
    assert now.refund_windows == windows
    await _edit_form(desk.visitor, address, share_1="100", hold_minutes="3")
    _, now = (await find_sale(office.context.database, desk.event.event_id)).conditions_now()
    assert (now.hold_seconds, len(now.refund_windows)) == (180, 4)
