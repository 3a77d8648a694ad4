"""The pages for buyers over HTTP, as a browser without script uses them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from evently.kit.ids import parse_id, show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales.terms import Conditions, Fees, RefundWindow
from evently.web.application import FACES, PAGES
from evently.web.edge.assets import asset_address
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import sale_terms
from tests.support.paying import sold_under
from tests.support.visitor import HOST, Visitor

ONLINE = Conditions(payment="online", hold_seconds=600)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


class Inline(HTMLParser):
    """Collects what the policy of pages forbids: scripts, styles and handlers inside a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (
            tag == "script" and "src" not in names and names.get("type") != "application/ld+json"
        ):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]


async def test_the_home_page_shows_what_is_on_and_a_fresh_platform_says_so(office: BoxOffice) -> None:
    visitor = Visitor(office)
    assert "Nothing is on sale yet" in await visitor.read("/")
    event = await office.open_event(capacity=10)
    draft = await office.open_event(publish=False)
    office.context.memory.forget_all()
    text = await visitor.read("/")
    assert event.title in text
    assert show_id("evt", draft.event_id) not in text
    assert visitor.heading() == "What’s on"


async def test_filters_stay_in_the_address_and_can_be_dropped_one_by_one(office: BoxOffice) -> None:
    await office.open_event(capacity=10)
    visitor = Visitor(office)
    text = await visitor.read("/events?q=celo&city=Berlin&unknown=1")
    assert "Nothing for “celo”" in text
    assert 'href="/events?city=Berlin"' in text
    assert 'href="/events?q=celo"' in text


async def test_a_page_has_nothing_inline_and_keeps_to_its_policy(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    buyer = Visitor(office, office.as_buyer())
    held = (await office.book(event, office.as_buyer())).json()
    assert held["state"] == "held"
    address = f"/events/{show_id('evt', event.event_id)}"
    for path in ("/", "/events", address, f"{address}/book", "/me/tickets", "/nothing", "/accessibility"):
        text = await buyer.read(path)
        parser = Inline()
        parser.feed(text)
        assert parser.found == [], path
        assert buyer.page is not None
        assert "default-src 'none'" in buyer.page.headers["content-security-policy"]
        assert "unsafe" not in buyer.page.headers["content-security-policy"]
        buyer.heading()


async def test_the_price_of_a_ticket_has_every_fee_from_the_first_page_to_the_last(office: BoxOffice) -> None:
    conditions = Conditions(payment="online", hold_seconds=600, fees=Fees(150, 500, tax_basis_points=1_900))
    event = await office.open_event(terms=sold_under(conditions, 10))
    type_id = await office.ticket_type(event)
    buyer = Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    in_list = re.search(r"from <b>([^<]*)</b>", await buyer.read("/"))
    assert in_list is not None
    on_page = re.search(r'class="price figures">([^<]*)<', await buyer.read(address))
    choice = await buyer.read(f"{address}/book?{type_id}=1")
    assert re.findall(r"of this, (?:fees|tax)</span><span>([^<]*)<", choice) == ["€\u00a02.75", "€\u00a00.44"]
    chosen = re.search(r'class="total"><span>Total</span><span>([^<]*)<', choice)
    assert on_page is not None
    assert chosen is not None
    await buyer.submit(f"{address}/bookings")
    assert buyer.path.startswith("/bookings/bkg_")
    due = re.search(r"Pay (€[^<]*)</button>", buyer.text)
    assert due
    booking = (await office.client.get(f"/v1{buyer.path}", headers=_api(buyer))).json()
    figures = f"€\u00a0{booking['total']['amount'] / 100:.2f}"
    assert in_list[1] == on_page[1].strip() == chosen[1] == due[1] == figures


async def test_a_visitor_chooses_logs_in_and_the_choice_is_still_there(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    type_id = await office.ticket_type(event)
    address = f"/events/{show_id('evt', event.event_id)}"
    visitor = Visitor(office)
    await visitor.read(address)
    assert "key" not in visitor.form(f"{address}/bookings"), "a page that is kept holds no key"
    await visitor.submit(f"{address}/bookings", **{type_id: "2"})
    assert visitor.path == f"{address}/book"
    assert "nothing is held yet" in visitor.text
    login = re.search(r'href="(/signup\?next=[^"]*)"', visitor.text)
    assert login
    await visitor.read(login[1].replace("&amp;", "&"))
    password = "a long enough pass phrase"
    await visitor.submit("/signup", name="Zoë", email="zoe@evently.example", password=password)
    assert visitor.path == "/login"
    await visitor.submit("/login", email="zoe@evently.example", password="something else entirely")
    assert visitor.status == 422
    assert "do not belong together" in visitor.text
    assert visitor.form("/login")["email"] == "zoe@evently.example", "nothing typed is lost"
    await visitor.submit("/login", email="Zoe@Evently.example", password=password)
    assert visitor.path == f"{address}/book"
    await visitor.submit(f"{address}/bookings")
    assert visitor.heading() == "You are going"
    shown = re.findall(r'href="(/tickets/tkt_[^"/]*)"', visitor.text)
    assert len(shown) == 2
    pdf = re.search(r'href="([^"]*tickets\.pdf)"', visitor.text)
    assert pdf
    await visitor.read(shown[0])
    assert 'role="img"' in visitor.text
    assert f'href="{shown[1]}"' in visitor.text, "the next ticket is one tap away"
    document = await visitor.client.get(pdf[1])
    assert document.content.startswith(b"%PDF-")
    stranger = Visitor(office, office.as_buyer())
    for path in (shown[0], pdf[1]):
        await stranger.read(path)
        assert stranger.status == 404


async def test_a_form_that_is_sent_twice_books_once(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(address)
    fields = buyer.form(f"{address}/bookings") | {type_id: "2"}
    await buyer.send(f"{address}/bookings", fields)
    first = buyer.path
    await buyer.send(f"{address}/bookings", fields)
    assert buyer.path == first
    await buyer.send(f"{address}/bookings", fields | {type_id: "3"})
    assert buyer.status == 422, "another choice under the same key is refused, not booked"


async def test_what_another_site_sends_is_refused_and_the_cookie_is_nothing_to_the_api(
    office: BoxOffice,
) -> None:
    event = await office.open_event(capacity=10)
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    for site in ("cross-site", "same-site", "none"):
        await buyer.send(f"{address}/bookings", {type_id: "1", "key": "abc"}, site=site)
        assert buyer.status == 403, site
    form = {"content-type": "application/x-www-form-urlencoded"}
    for origin, status in ((None, 403), ("https://evil.example", 403), (HOST, 303)):
        headers = form | ({} if origin is None else {"origin": origin})
        answer = await buyer.client.post(f"{address}/bookings", content=f"{type_id}=1", headers=headers)
        assert answer.status_code == status, origin
    assert (await buyer.client.get("/v1/me/bookings")).status_code == 401


async def test_a_buyer_pays_on_the_page_of_the_gateway_and_comes_back(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(address)
    await buyer.submit(f"{address}/bookings", **{type_id: "2"})
    booking = buyer.path
    assert buyer.heading() == "Pay for 2 tickets"
    await buyer.submit(f"{booking}/extend")
    assert "I need more time" not in buyer.text
    await buyer.submit(f"{booking}/pay")
    assert buyer.path.startswith("/pay/"), buyer.text
    gateway = buyer.path
    await buyer.read(booking)
    assert "One more step" in buyer.text, "Back from the gateway: the hold, and the way on"
    await buyer.send(gateway, {"answer": "no"})
    await buyer.read(booking)
    assert "Your bank said no" in buyer.text
    await buyer.submit(f"{booking}/pay")
    await buyer.send(buyer.path, {"answer": "yes"})
    await buyer.read(booking)
    assert buyer.heading() == "You are going"
    assert f'href="{booking}"' in await buyer.read("/me/tickets")


async def test_some_tickets_are_cancelled_with_the_refund_that_was_quoted(office: BoxOffice) -> None:
    windows = (RefundWindow(48, 5000),)
    event = await office.open_event(
        terms=sold_under(Conditions(payment="online", hold_seconds=600, refund_windows=windows), 5)
    )
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    assert "you get back 50 % of what you paid" in await buyer.read(address)
    await buyer.submit(f"{address}/bookings", **{type_id: "2"})
    booking = buyer.path
    await buyer.submit(f"{booking}/pay")
    await buyer.send(buyer.path, {"answer": "yes"})
    await buyer.read(f"{booking}/cancel")
    tickets = re.findall(r'name="ticket" value="(tkt_[^"]*)"', buyer.text)
    assert len(tickets) == 2
    await buyer.submit(f"{booking}/cancel")
    assert buyer.status == 422
    assert "Choose at least one ticket" in buyer.text
    fields = buyer.form(f"{booking}/cancel") | {"ticket": tickets[0]}
    await buyer.send(f"{booking}/cancel", fields)
    assert buyer.path == booking
    await buyer.send(f"{booking}/cancel", fields)
    assert buyer.path == booking, "the same form again changes nothing"
    said = (await office.client.get(f"/v1{booking}", headers=_api(buyer))).json()
    assert [ticket["state"] for ticket in said["tickets"]].count("void") == 1
    assert said["refunded"]["amount"] * 2 == said["total"]["amount"]


async def test_sold_out_says_how_many_are_left_and_takes_them(office: BoxOffice) -> None:
    event = await office.open_event(capacity=3)
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    await office.book(event, office.as_buyer(), 1)
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(f"{address}/book?{type_id}=3")
    await buyer.submit(f"{address}/bookings")
    assert buyer.status == 409
    assert "There are 2 left" in buyer.text
    assert "Take 2" in buyer.text
    await office.book(event, office.as_buyer(), 2)
    office.context.memory.forget_all()
    await buyer.read(f"{address}/book?{type_id}=2")
    await buyer.submit(f"{address}/bookings")
    assert buyer.status == 409
    assert "Join the waitlist" in buyer.text


@pytest.mark.parametrize("value", ["-1", "1.5", "abc", "999999", "1e3", "²"])
async def test_a_quantity_that_is_none_is_refused_with_a_page(office: BoxOffice, value: str) -> None:
    event = await office.open_event(capacity=3)
    type_id, buyer = await office.ticket_type(event), Visitor(office, office.as_buyer())
    await buyer.send(f"/events/{show_id('evt', event.event_id)}/bookings", {type_id: value, "key": "k"})
    assert buyer.status in {409, 422}, buyer.text
    buyer.heading()


async def test_pages_of_one_person_are_not_there_for_others(office: BoxOffice) -> None:
    event = await office.open_event(capacity=3)
    booking = (await office.book(event, office.as_buyer())).json()["id"]
    stranger, visitor = Visitor(office, office.as_buyer()), Visitor(office)
    for path in (f"/bookings/{booking}", f"/bookings/{booking}/cancel"):
        await stranger.read(path)
        assert (stranger.status, stranger.heading()) == (404, "Not there")
        await visitor.read(path)
        assert visitor.path == "/login"
    draft = await office.open_event(publish=False)
    address = f"/events/{show_id('evt', draft.event_id)}"
    for reader in (stranger, visitor):
        await reader.read(address)
        assert reader.status == 404
    member = Visitor(office, await office.as_member("door"))
    assert "This is a draft" in await member.read(address)


async def test_trouble_is_a_page_for_people_and_a_problem_for_programs(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.read("/nothing/here")
    assert (visitor.status, visitor.heading()) == (404, "Not there")
    answer = await office.client.get("/v1/nothing", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await office.client.get("/nothing")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_way_back_after_a_log_in_stays_on_this_site(office: BoxOffice) -> None:
    person = office.as_buyer()
    for text in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\x00",
    ):
        answer = await Visitor(office, person).client.get("/login", params={"next": text})
        if answer.status_code == 303:
            assert answer.headers["location"] == "/me/tickets", text
        else:
            assert answer.status_code == 422, text


async def test_a_session_whose_token_expired_goes_on_and_an_ended_one_is_forgotten(office: BoxOffice) -> None:
    accounts = office.context.accounts
    await accounts.register("may@evently.example", "May", "a long enough pass phrase", "192.0.2.1")
    grant = await accounts.login(
        "may@evently.example", "a long enough pass phrase", "192.0.2.1", in_browser=True
    )
    visitor = Visitor(office)
    visitor.client.cookies.set("evently", f"{grant.refresh_token}.expired", domain="evently.test")
    await visitor.read("/me/tickets")
    assert visitor.heading() == "My tickets"
    assert visitor.page is not None
    kept = visitor.page.headers["set-cookie"]
    assert kept.startswith(f"evently={grant.refresh_token}.ey")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(kept.split("; "))
    claims = accounts.tokens.verify_access(grant.access_token)
    await accounts.logout(claims.person_id, claims.session_id, everywhere=False)
    await visitor.read("/me/tickets")
    assert visitor.path == "/login"
    with pytest.raises(Exception, match="refresh-token-invalid"):
        await accounts.refresh(grant.refresh_token)


@pytest.mark.parametrize("verb", ["cancel", "return"])
async def test_ticked_tickets_stay_ticked_when_the_session_ends(office: BoxOffice, verb: str) -> None:
    event, session = await office.open_event(capacity=5), office.as_buyer()
    booking = (await office.book(event, session, quantity=3)).json()
    first, second, third = [each["id"] for each in booking["tickets"]]
    address, visitor = f"/bookings/{booking['id']}/cancel", Visitor(office)
    sent = [("ticket", first), ("ticket", third), ("ticket", "tkt_none&next=//evil.example"), ("key", "k")]
    await visitor.send(f"/bookings/{booking['id']}/{verb}", sent)
    assert visitor.path == "/login"
    found = re.search(r'name="next" value="([^"]*)"', visitor.text)
    assert found
    here = unescape(found[1])
    assert here == f"{address}?ticket={first}&ticket={third}"
    buyer = Visitor(office, session)
    await buyer.read(here)
    ticked = set(re.findall(r'value="(tkt_[^"]*)" checked', buyer.text))
    assert ticked == {first, third}
    assert second in buyer.text
    await buyer.send(address, [("ticket", each) for each in sorted(ticked)] + [("key", "k")])
    assert buyer.path == f"/bookings/{booking['id']}"
    assert buyer.text.count("(cancelled)") == 2


async def test_over_https_the_cookie_is_bound_to_the_host(database_url: str) -> None:
    async with open_box_office(database_url, public_url="https://evently.test") as office:
        accounts = office.context.accounts
        await accounts.register("may@evently.example", "May", "a long enough pass phrase", "192.0.2.1")
        visitor = Visitor(office)
        answer = await visitor.client.post(
            "/login",
            content="email=may@evently.example&password=a+long+enough+pass+phrase",
            headers={"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 303
        assert answer.headers["set-cookie"].startswith("__Host-evently=evb_")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["cache-control"] == "no-store"


async def test_search_engines_read_the_event_and_a_title_cannot_leave_its_script(office: BoxOffice) -> None:
    event = await office.open_event(capacity=3)
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE events SET title = $2, description = $3 WHERE event_id = $1",
            event.event_id,
            "</script><script>alert(1)</script>",
            "<b>&</b>",
        )
    text = await Visitor(office).read(f"/events/{show_id('evt', event.event_id)}")
    assert "<script>alert" not in text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    assert found
    said = json.loads(found[1])
    assert said["name"] == "</script><script>alert(1)</script>"
    assert said["offers"][0]["priceCurrency"] == "EUR"


async def test_a_public_page_is_kept_compressed_for_everybody(office: BoxOffice) -> None:
    event = await office.open_event(capacity=3)
    address, visitor = f"/events/{show_id('evt', event.event_id)}", Visitor(office)
    await visitor.read(address, **{"accept-encoding": "br"})
    assert visitor.page is not None
    assert visitor.page.headers["content-encoding"] == "br"
    assert visitor.page.headers["cache-control"] == "public, max-age=1"
    again = await visitor.client.get(address, headers={"if-none-match": visitor.page.headers["etag"]})
    assert again.status_code == 304
    for name in ("content-security-policy", "vary", "cache-control"):
        assert again.headers[name] == visitor.page.headers[name], (
            "the browser keeps these for the page it has"
        )
    await Visitor(office, office.as_buyer()).read(address)
    person = Visitor(office, office.as_buyer())
    await person.read(address)
    assert person.page is not None
    assert person.page.headers["cache-control"] == "no-store", "it holds a key"


async def test_files_are_kept_for_ever_under_their_version(office: BoxOffice) -> None:
    client = office.client
    answer = await client.get(asset_address("evently.css"))
    assert "immutable" in answer.headers["cache-control"]
    other = await client.get("/static/000000000000/evently.css")
    assert (other.content, other.headers["cache-control"]) == (answer.content, "no-cache")
    assert (await client.get("/static/evently.css")).status_code == 200


async def test_the_theme_that_was_chosen_is_there_with_the_first_byte(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.read("/")
    assert "data-theme" not in visitor.text
    await visitor.submit("/theme", theme="dark")
    assert visitor.path == "/"
    assert '<html lang="en" data-theme="dark">' in visitor.text


def test_every_page_is_marked_as_one_and_no_route_of_the_api_is() -> None:
    for room in PAGES:
        for route in room.routes:
            assert not route.path.startswith("/v1")
            assert not route.include_in_schema
    for face in FACES:
        assert not [route.path for route in face.routes if route.is_page]
    for room in PAGES:
        for route in room.routes:
            if route.is_page and route.method == "POST":
                assert route.reads_body or route.body is not None, route.path


async def test_free_events_are_free_in_every_currency(office: BoxOffice) -> None:
    paid = await office.open_event(capacity=3)
    free = await office.open_event(terms=sale_terms(3, price=Money(0, "EUR")), starts_in=timedelta(days=9))
    text = await Visitor(office).read("/events?free=on")
    assert show_id("evt", free.event_id) in text
    assert show_id("evt", paid.event_id) not in text


def _api(visitor: Visitor) -> dict[str, str]:
    """Return the header with which the same person uses the API."""
    value = visitor.client.cookies.get("evently")
    assert value is not None
    return {"Authorization": f"Bearer {value.partition('.')[2]}"}


async def test_seats_are_chosen_in_two_sections_and_one_is_taken_meanwhile(office: BoxOffice) -> None:
    event = await office.open_hall(payment="online")
    types, buyer = await office.types(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(f"{address}/seats")
    sections = [
        unescape(each) for each in re.findall(rf'href="({address}/seats\?section=[^"#]*)', buyer.text)
    ]
    assert len(sections) == 2, buyer.text
    await buyer.read(sections[0])
    stalls = f"{types['Stalls']}:S-A-1"
    assert f'value="{stalls}"' in buyer.text
    await buyer.read(f"{sections[1]}&seat={stalls}")
    stays = rf'<input form="choice" type="checkbox" name="seat" value="{stalls}" checked>'
    assert stays in buyer.text, "a seat of another section stays chosen"
    balcony = f"{types['Balcony']}:B-A-2"
    await buyer.read(f"{address}/book?seat={stalls}&seat={balcony}")
    assert "Stalls, row A, seat 1" in buyer.text
    assert "Child, €\u00a020.00" in buyer.text, "a seat of two ticket types can be the other one"
    child = f"{types['Child']}:S-A-1"
    await buyer.read(f"{address}/book?seat={child}&seat={balcony}")
    assert "€\u00a050.00" in buyer.text
    fields = [("seat", child), ("seat", balcony), ("key", "k1")]
    await office.place(event, office.as_buyer(), {"ticket_type_id": types["Stalls"], "seats": ["S-A-1"]})
    await buyer.send(f"{address}/bookings", fields)
    assert buyer.status == 409
    assert "Stalls, row A, seat 1 was taken a moment ago" in buyer.text
    assert "Your other seats are still chosen" in buyer.text
    await buyer.send(f"{address}/bookings", [("seat", balcony), ("key", "k2")])
    assert buyer.heading() == "Pay for 1 ticket"
    assert "Balcony, row A, seat 2" in buyer.text


async def test_the_best_seats_are_found_without_a_map(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door")
    types, buyer = await office.types(event), Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(f"{address}/book?{types['Stalls']}=2&section=Stalls&{types['Floor']}=1")
    await buyer.submit(f"{address}/bookings")
    assert buyer.heading() == "You are going"
    assert buyer.text.count("Stalls, row A, seat") == 6, "on each ticket, at its name, in the summary"
    await buyer.read(f"{address}/book?{types['Stalls']}=1&section=Nowhere")
    await buyer.submit(f"{address}/bookings")
    assert buyer.status in {409, 422}
    buyer.heading()


async def test_a_promo_code_unlocks_tickets_on_the_page(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    owner, event_id = await office.as_member("owner"), show_id("evt", event.event_id)
    hidden = {"name": "Friends", "price": {"amount": 500, "currency": "EUR"}, "hidden": True}
    made = await office.post(f"/v1/events/{event_id}/ticket-types", owner, **hidden)
    assert made.status_code == 201, made.text
    code = {"code": "FRIENDS", "kind": "unlock", "ticket_type_ids": [made.json()["id"]]}
    assert (await office.post(f"/v1/events/{event_id}/promo-codes", owner, **code)).status_code == 201
    buyer = Visitor(office, office.as_buyer())
    assert "Friends" not in await buyer.read(f"/events/{event_id}")
    assert "Friends" in await buyer.read(f"/events/{event_id}?code=friends")
    await buyer.submit(f"/events/{event_id}/bookings", **{made.json()["id"]: "1"})
    assert buyer.heading() == "You are going"
    assert "Friends" in await buyer.read(f"/events/{event_id}/an-old-title?code=friends")
    await buyer.read(f"/events/{event_id}?code=nonsense")
    assert buyer.status == 422
    assert 'id="code-wrong"' in buyer.text
    visitor = Visitor(office)
    assert "Friends" in await visitor.read(f"/events/{event_id}?code=FRIENDS")
    assert visitor.page is not None
    assert visitor.page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("state", ["not yet", "ended", "cancelled", "sold out"])
async def test_each_state_of_an_event_has_its_page(office: BoxOffice, state: str) -> None:
    event = await office.open_event(capacity=1)
    type_id, owner = await office.ticket_type(event), await office.as_member("owner")
    event_id = show_id("evt", event.event_id)
    change = {"not yet": "on_sale_at = now() + interval '2 days'", "ended": "off_sale_at = now()"}
    if state == "cancelled":
        await office.post(f"/v1/events/{event_id}/cancel", owner)
    elif state == "sold out":
        await office.book(event, office.as_buyer())
    else:
        async with office.context.database.transaction() as tx:
            await tx.execute(f"UPDATE sales SET {change[state]} WHERE event_id = $1", event.event_id)
    office.context.memory.forget_all()
    visitor = Visitor(office, office.as_buyer())
    said = {
        "not yet": "The sale opens on",
        "ended": "The sale ended on",
        "cancelled": "This event is cancelled",
        "sold out": "Join the waitlist",
    }
    assert said[state] in await visitor.read(f"/events/{event_id}")
    assert ">Book</button>" not in visitor.text
    await visitor.send(f"/events/{event_id}/bookings", {type_id: "1", "key": "k"})
    assert visitor.status in {409, 422}, visitor.text
    assert 'role="alert"' in visitor.text


async def test_a_session_that_ends_in_a_checkout_leads_back_to_the_booking(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    type_id, session = await office.ticket_type(event), office.as_buyer()
    buyer = Visitor(office, session)
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(f"{address}/book?{type_id}=1")
    await buyer.submit(f"{address}/bookings")
    booking = buyer.path
    kept = buyer.client.cookies["evently"]
    buyer.client.cookies.clear()
    await buyer.submit(f"{booking}/pay")
    assert buyer.path == "/login"
    assert buyer.page is not None
    assert buyer.page.url.params["next"] == booking
    buyer.client.cookies.set("evently", kept, domain="evently.test")
    await buyer.read(f"/login?next={booking}")
    assert buyer.heading() == "Pay for 1 ticket", "logged in, the hold is where it was"


async def test_tickets_are_offered_to_the_waitlist_only_while_nobody_else_can_book(office: BoxOffice) -> None:
    event, session = await office.open_event(capacity=4), office.as_buyer()
    booking = (await office.book(event, session, quantity=2)).json()
    address, buyer = f"/bookings/{booking['id']}", Visitor(office, session)
    text = await buyer.read(f"{address}/cancel")
    assert "formaction" not in text
    assert "waitlist" not in text.partition("<form")[2].partition("</form>")[0], (
        "nobody waits: not a word of it"
    )
    tickets = [each["id"] for each in booking["tickets"]]
    await buyer.send(f"{address}/return", {"ticket": tickets[0]})
    assert buyer.status == 409, "and it is the rule that decides"
    other = (await office.book(event, office.as_buyer(), quantity=2)).json()
    text = await buyer.read(f"{address}/cancel")
    assert f'formaction="{address}/return"' in text
    assert "still on sale" not in text
    await buyer.send(f"{address}/return", {"ticket": tickets[0]})
    assert buyer.path == address
    assert "Offered to the waitlist" in buyer.text
    text = await buyer.read(f"{address}/cancel")
    assert "Offered to the waitlist now" in text
    assert f'formaction="{address}/return"' in text, "the other ticket"
    await buyer.send(f"{address}/return", {"ticket": tickets[1]})
    text = await buyer.read(f"{address}/cancel")
    assert "formaction" not in text
    assert "cannot go to the waitlist" not in text, "both are there already"
    assert other["state"] == "confirmed"


async def test_of_two_ticket_types_the_page_says_which_tickets_the_waitlist_gets(office: BoxOffice) -> None:
    types = tuple(
        NewTicketType(name=name, price=Money(0, "EUR"), pools=(name,)) for name in ("Stalls", "Balcony")
    )
    event = await office.open_event(
        terms=SaleTerms(
            currency="EUR", pools=(NewPool("Stalls", 1), NewPool("Balcony", 5)), ticket_types=types
        )
    )
    ids, session = await office.types(event), office.as_buyer()
    lines = [{"ticket_type_id": ids[name], "quantity": 1} for name in ("Stalls", "Balcony")]
    booking = (await office.place(event, session, *lines)).json()
    buyer = Visitor(office, session)
    text = await buyer.read(f"/bookings/{booking['id']}/cancel")
    assert text.count("so nobody waits for this one: you can only cancel it") == 1
    assert text.index("nobody waits") > text.index("Balcony") > text.index("Stalls")
    assert "formaction" in text
    await office.context.database.fetch(
        "UPDATE sales SET on_sale_at = now() - interval '2 days', off_sale_at = now() - interval '1 day' "
        "WHERE event_id = $1",
        event.event_id,
    )
    text = await buyer.read(f"/bookings/{booking['id']}/cancel")
    assert "formaction" not in text
    assert "They cannot go to the waitlist: the sale has ended." in text


async def _open_with_codes(office: BoxOffice, *codes: dict[str, Any]) -> tuple[str, str]:
    """Return the id of an event with tickets of EUR 25 and these promo codes, and of its ticket type."""
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    owner, event_id = await office.as_member("owner"), show_id("evt", event.event_id)
    for code in codes:
        made = await office.post(f"/v1/events/{event_id}/promo-codes", owner, **code)
        assert made.status_code == 201, made.text
    return event_id, await office.ticket_type(event)


async def test_a_promo_code_keeps_the_choice_and_shows_its_price_before_the_log_in(office: BoxOffice) -> None:
    half = {"code": "HALF", "kind": "percent", "basis_points": 5000, "per_buyer_max": 1}
    event_id, type_id = await _open_with_codes(office, half)
    visitor = Visitor(office)
    await visitor.read(f"/events/{event_id}")
    assert "<s " not in visitor.text
    fields = visitor.form(f"/events/{event_id}/bookings") | {type_id: "2", "code": "half", "apply": "code"}
    await visitor.send(f"/events/{event_id}/bookings", fields)
    assert visitor.path == f"/events/{event_id}"
    assert visitor.form(f"/events/{event_id}/bookings") == {type_id: "2", "code": "half"}
    price = re.search(r'<p class="price figures">(.*?)</p>', visitor.text, re.DOTALL)
    assert price is not None
    said = re.sub("<[^>]*>", "", price[1]).replace("\u00a0", " ")
    assert said == "Without the code € 25.00, with it € 12.50"
    assert "Each person can use it once. We check that when you have logged in." in visitor.text
    assert visitor.page is not None
    assert visitor.page.headers["cache-control"] == "no-store"
    await visitor.submit(f"/events/{event_id}/bookings")
    assert visitor.path == f"/events/{event_id}/book"
    text = visitor.text.replace("\u00a0", " ")
    assert "Promo code HALF</span><span>− € 25.00" in text
    assert "<span>Total</span><span>€ 25.00</span>" in text
    back = re.search(r'href="([^"]*)">Change the choice', visitor.text)
    assert back is not None
    await visitor.read(unescape(back[1]))
    assert visitor.form(f"/events/{event_id}/bookings") == {type_id: "2", "code": "half"}
    next_address = urlencode({"next": f"/events/{event_id}/book?{type_id}=2&code=half"})
    text = (await visitor.read(f"/login?{next_address}")).replace("\u00a0", " ")
    assert "<span>Total</span><span>€ 25.00</span>" in text, "beside the log-in, too"
    await visitor.read(f"/events/{event_id}")
    assert "<s " not in visitor.text, "the kept page has nobody's code"
    assert visitor.form(f"/events/{event_id}/bookings") == {type_id: "0", "code": ""}


async def test_a_promo_code_on_the_booking_says_so_and_a_wrong_one_keeps_the_choice(
    office: BoxOffice,
) -> None:
    five = {"code": "FIVE", "kind": "fixed_per_booking", "amount": {"amount": 500, "currency": "EUR"}}
    event_id, type_id = await _open_with_codes(office, five)
    visitor = Visitor(office, office.as_buyer())
    text = await visitor.read(f"/events/{event_id}?{type_id}=3&code=five")
    assert "The code FIVE takes €\u00a05.00 off the booking" in text
    assert "<s " not in text, "what one ticket gets of it depends on the others"
    assert visitor.form(f"/events/{event_id}/bookings")[type_id] == "3"
    await visitor.read(f"/events/{event_id}?{type_id}=3&code=nonsense")
    assert visitor.status == 422
    assert visitor.form(f"/events/{event_id}/bookings")[type_id] == "3"
    for junk in ("x", "-1", "99999", "\u0663"):
        await visitor.read(f"/events/{event_id}?{urlencode({type_id: junk})}")
        assert visitor.form(f"/events/{event_id}/bookings")[type_id] == "0", junk
    await visitor.read(f"/events/{event_id}?{type_id}=4000")
    most = int(visitor.form(f"/events/{event_id}/bookings")[type_id])
    assert 0 < most <= 5, "as many as there are"


async def test_a_booking_says_what_it_is_for_what_was_cancelled_and_numbers_tickets_alike(
    office: BoxOffice,
) -> None:
    event, session = await office.open_event(capacity=4), office.as_buyer()
    booking = (await office.book(event, session, quantity=3)).json()
    address, buyer = f"/bookings/{booking['id']}", Visitor(office, session)
    await buyer.read(address)
    head = buyer.text.partition("</h1>")[2].partition("<section")[0]
    assert event.title in head
    assert event.place.venue_name in head
    assert "Cancelled:" not in buyer.text
    first, second, third = [each["id"] for each in booking["tickets"]]
    await buyer.send(f"{address}/cancel", {"ticket": first, "key": "k"})
    assert buyer.path == address
    assert '<div class="note" role="status"><p>Cancelled: 1 ticket.</p></div>' in buyer.text
    for number, ticket in ((2, second), (3, third)):
        assert f"Ticket {number} of 3" in await buyer.read(f"/tickets/{ticket}")
        assert f"Ticket {number} of 3" in await buyer.read(address)
    assert "Ticket 1 of" not in buyer.text
    code = re.search(r'<p class="code small">([^<]*)</p>', await buyer.read(f"/tickets/{second}"))
    assert code is not None
    assert re.fullmatch(r"\S{4}( \S{4})*( \S{1,4})?", code[1])


async def test_where_tickets_were_used_only_the_others_can_be_cancelled(office: BoxOffice) -> None:
    event, session = await office.open_event(capacity=4), office.as_buyer()
    booking = (await office.book(event, session, quantity=2)).json()
    address, buyer = f"/bookings/{booking['id']}", Visitor(office, session)
    used, other = [parse_id("tkt", each["id"]) for each in booking["tickets"]]
    database = office.context.database
    await database.fetch("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", used)
    office.context.memory.forget_all()
    assert "Cancel or return tickets" in await buyer.read(address)
    text = await buyer.read(f"{address}/cancel")
    assert show_id("tkt", other) in text, "the other one can still be cancelled"
    assert show_id("tkt", used) not in text
    await database.fetch("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", other)
    office.context.memory.forget_all()
    text = await buyer.read(address)
    assert "Cancel or return tickets" not in text
    assert "The tickets were used at the door, so nothing can be cancelled any more." in text
    text = await buyer.read(f"{address}/cancel")
    assert "Cancel the chosen tickets" not in text
    assert "These tickets were used at the door" in text
    desk = Visitor(office, await office.as_member("owner"))
    await desk.read(f"/organize/events/{show_id('evt', event.event_id)}{address}")
    assert "See what cancelling pays back" not in desk.text
    assert "The tickets were used at the door" in desk.text


async def test_a_description_has_paragraphs_however_a_browser_ends_its_lines(office: BoxOffice) -> None:
    event = await office.open_event(capacity=1)
    await office.context.database.fetch(
        "UPDATE events SET description = $2 WHERE event_id = $1",
        event.event_id,
        "One\r\ntwo.\r\n\r\n<b>Three</b>.\r\n \r\n\r\nFour.\n\nFive.",
    )
    office.context.memory.forget_all()
    text = await Visitor(office).read(f"/events/{show_id('evt', event.event_id)}")
    about = text.partition("<h2>About</h2>")[2].partition("</section>")[0]
    assert re.findall("<p[^>]*>(.*?)</p>", about, re.DOTALL) == [
        "One\r\ntwo.",
        "&lt;b&gt;Three&lt;/b&gt;.",
        "Four.",
        "Five.",
    ]
