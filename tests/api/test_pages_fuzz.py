"""Every page with every kind of reader, and with any path, query and form. New pages are included."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx2
import pytest
import pytest_asyncio

from evently.config import Config
from evently.kit.ids import new_id, show_id
from evently.web.application import all_routes
from evently.web.edge.routing import Route
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = [route for route in all_routes() if route.is_page]
UNLIMITED = {name: 0 for name in Config.__struct_fields__ if name.startswith("rate_")}
STREAMS = {"/organize/events/{event_id}/evening"}  # they stay open, so only their head is read
REQUESTS = 30
MARKUP = ("<script>alert", '" onload="alert')
TEXTS = (
    "",
    "0",
    "-1",
    "9" * 30,
    "²",
    "//[",
    "//evil.example",
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "{{ 7 * 7 }}",
    "{title}",
    "\x00",
    "\x7f\u202e\u2028",
    "\r\nset-cookie: evently=evil",
    "春" * 90,
    "a" * 3_000,
    "2026-13-45",
    "9999-12-31",
    "0001-01-01",
    "tty_00000000000000000000000000:S-A-1",
)
FIELDS = (
    *("seat", "ticket", "code", "key", "quantity", "email", "password", "name", "theme", "next", "type"),
    *("accessible", "section", "answer", "q", "from", "to", "after", "city", "category", "tag"),
)


class Stage(NamedTuple):
    """What pages can be about; `values` fills in the parameters of paths."""

    office: BoxOffice
    buyer: dict[str, str]
    member: dict[str, str]
    values: dict[str, list[str]]
    fields: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(shared_database_url: str) -> AsyncIterator[Stage]:
    async with open_box_office(shared_database_url, **UNLIMITED) as office:
        event, hall, draft = (
            await office.open_event(capacity=50),
            await office.open_hall(),
            await office.open_event(publish=False),
        )
        buyer, member = office.as_buyer(), await office.as_member("owner")
        booked = (await office.book(event, buyer, 2)).json()
        types = [*(await office.types(event)).values(), *(await office.types(hall)).values()]
        values = {
            "event_id": [show_id("evt", each.event_id) for each in (event, hall, draft)],
            "booking_id": [booked["id"]],
            "ticket_id": [ticket["id"] for ticket in booked["tickets"]],
            "entry_id": [show_id("wle", new_id())],
            "organizer_id": [show_id("org", office.venue.organizer_id)],
        }
        yield Stage(office, buyer, member, values, [*types, *(f"{each}:S-A-1" for each in types)])


def path_of(route: Route, values: dict[str, list[str]], chance: random.Random | None = None) -> str:
    """Return an address of a page, about what is there; with chance, sometimes about nonsense."""
    parts = []
    for part in route.path.split("/"):
        name = part.strip("{}").partition(":")[0]
        known = values.get(name, ["unknown"])
        if not part.startswith("{"):
            parts.append(part)
        elif chance is None or chance.random() < 0.7:
            parts.append((chance or random).choice(known))
        else:
            parts.append(quote(chance.choice(TEXTS), safe="") or "none")
    return "/".join(parts)


def pairs_of(stage: Stage, chance: random.Random) -> list[tuple[str, str]]:
    """Return fields, known and unknown ones, with values of every kind."""
    names, values = (*FIELDS, *stage.fields), (*TEXTS, *stage.fields, "1", "2", "on")
    return [(chance.choice(names), chance.choice(values)) for _ in range(chance.randint(0, 8))]


async def send(visitor: Visitor, route: Route, address: str, body: bytes, site: str) -> httpx2.Response:
    headers = visitor.headers | {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": site,
    }
    return await visitor.client.request(
        "HEAD" if route.path in STREAMS else route.method,
        address,
        headers=headers,
        content=None if route.method == "GET" else body,
    )


@pytest.mark.parametrize("route", PAGES, ids=lambda route: f"{route.method} {route.path}")
async def test_no_page_breaks_and_none_repeats_markup(stage: Stage, route: Route) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(REQUESTS):
        visitor = Visitor(stage.office, chance.choice([None, stage.buyer, stage.member]))
        address = path_of(route, stage.values, chance)
        query = urlencode(pairs_of(stage, chance))[:7_000]
        body = urlencode(pairs_of(stage, chance)).encode()
        if chance.random() < 0.1:
            query, body = "%", chance.randbytes(200)
        answer = await send(visitor, route, f"{address}?{query}", body, "same-origin")
        case = (answer.status_code, route.method, address, query, body)
        assert answer.status_code < 500, case
        if not answer.headers.get("content-type", "").startswith("application/json"):  # no browser renders it
            assert not any(text in answer.text for text in MARKUP), case
        cookies = answer.headers.get_list("set-cookie")
        assert not any("evil" in cookie for cookie in cookies), case
        if answer.status_code == 303:
            location = answer.headers["location"]
            assert location.startswith("/"), case
            assert not location.startswith("//"), case
        elif answer.headers["content-type"].startswith("text/html"):
            assert "script-src 'self'" in answer.headers["content-security-policy"], case
            assert "<h1" in answer.text or route.path in STREAMS, case
        else:
            assert answer.headers["x-content-type-options"] == "nosniff", case


@pytest.mark.parametrize("route", PAGES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_page_of_one_person_asks_who_reads_it(stage: Stage, route: Route) -> None:
    address = path_of(route, stage.values)
    stranger = Visitor(stage.office)
    answer = await send(stranger, route, address, b"", "same-origin")
    if route.policy.who == "public":
        assert answer.status_code != 401
    else:
        assert answer.headers["location"].startswith("/login?next=")
    if route.policy.who != "public" and any(name in route.path for name in ("{booking_id}", "{ticket_id}")):
        other = Visitor(stage.office, stage.office.as_buyer())
        assert (await send(other, route, address, b"", "same-origin")).status_code == 404


@pytest.mark.parametrize(
    "route", [each for each in PAGES if each.method != "GET"], ids=lambda route: route.path
)
async def test_no_form_is_taken_from_another_site(stage: Stage, route: Route) -> None:
    buyer = Visitor(stage.office, stage.buyer)
    for site in ("cross-site", "same-site", "none"):
        answer = await send(buyer, route, path_of(route, stage.values), b"", site)
        assert answer.status_code == 403, site
