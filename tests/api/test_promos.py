"""Promo codes over HTTP: made, used, changed, retired; what is wrong with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from evently.kit.ids import new_id, show_id
from tests.api.test_catalogue import Headers, code_of, in_days, make, pointers, seen
from tests.support.box_office import BoxOffice, open_box_office

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEN = {"code": "spring-27", "kind": "percent", "basis_points": 1000}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def door(office: BoxOffice) -> Headers:
    """Add the door's member before any request, because memberships are remembered for half a second."""
    return await office.as_member("door")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(office: BoxOffice) -> Headers:
    return await office.as_member("manager")


def euros(amount: int, currency: str = "EUR") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


async def use(office: BoxOffice, where: str, type_id: str, code: str) -> httpx2.Response:
    body = {"lines": [{"ticket_type_id": type_id, "quantity": 2}], "promo_code": code}
    return await office.client.post(f"{where}/bookings", json=body, headers=office.as_buyer())


async def test_a_promo_code_from_making_to_retiring(office: BoxOffice, manager: Headers) -> None:
    event = await make(office, manager)
    where, type_id = event.headers["location"], event.json()["ticket_types"][0]["id"]
    made = await office.client.post(
        f"{where}/promo-codes", json={**TEN, "budget": euros(5000), "uses_max": 9}, headers=manager
    )
    assert made.status_code == 201, made.text
    assert (made.json()["code"], made.json()["uses"], made.json()["spent"]) == ("SPRING-27", 0, euros(0))
    promo = made.headers["location"]
    assert promo == f"{where}/promo-codes/{made.json()['id']}"
    assert (await use(office, where, type_id, "Spring-27")).status_code == 201
    found = await office.client.get(promo, headers=manager)
    assert found.json() == {**made.json(), "uses": 1, "spent": euros(500)}
    lowered = await office.client.patch(promo, json={"budget": euros(499)}, headers=seen(found, manager))
    assert code_of(lowered, 409) == "promo-code-limit-too-low"
    changed = await office.client.patch(
        promo, json={"code": "SUMMER", "basis_points": 2000, "budget": None}, headers=seen(found, manager)
    )
    assert changed.json() == {**found.json(), "code": "SUMMER", "basis_points": 2000, "budget": None}
    assert (
        code_of(await office.client.patch(promo, json={"code": "x"}, headers=seen(found, manager)), 412)
        == "stale"
    )
    assert (
        code_of(await office.client.patch(promo, json={"code": "x"}, headers=manager), 428)
        == "if-match-missing"
    )
    assert code_of(await use(office, where, type_id, "SPRING-27"), 422) == "unknown-promo-code"
    for _ in range(2):  # harmless to repeat
        retired = await office.client.post(f"{promo}/retire", headers=manager)
        assert retired.json() == {**changed.json(), "retired": True}
    refused = await use(office, where, type_id, "SUMMER")
    assert refused.json()["code"] in ("unknown-promo-code", "promo-code-not-valid")
    page = await office.client.get(f"{where}/promo-codes", headers=manager)
    assert page.json()["data"] == [retired.json()]


async def test_an_amount_off_the_booking_is_split_over_its_tickets(
    office: BoxOffice, manager: Headers
) -> None:
    types = [
        {"name": "Regular", "price": euros(1000)},
        {"name": "Kid", "price": euros(500)},
        {"name": "Lap", "price": euros(0)},
    ]
    event = await make(office, manager, ticket_types=types)
    where, buyer = event.headers["location"], office.as_buyer()
    regular, kid, lap = [each["id"] for each in event.json()["ticket_types"]]
    body = {"code": "TEN", "kind": "fixed_per_booking", "amount": euros(1000)}
    made = await office.client.post(f"{where}/promo-codes", json=body, headers=manager)
    assert made.status_code == 201, made.text
    assert (made.json()["kind"], made.json()["amount"]) == ("fixed_per_booking", euros(1000))
    lines = [
        {"ticket_type_id": kid, "quantity": 3},
        {"ticket_type_id": regular, "quantity": 1},
        {"ticket_type_id": lap, "quantity": 1},
    ]
    for some in (lines, lines[::-1]):
        asked = {"lines": some, "promo_code": "ten"}
        quote = await office.client.post(f"{where}/quote", json=asked, headers=buyer)
        assert quote.status_code == 200, quote.text
        quoted = [
            (each["ticket_type_id"], each["quantity"], each["discount"]["amount"], each["line_total"])
            for each in quote.json()["lines"]
        ]
        assert sorted(quoted) == sorted(
            [
                (kid, 3, 200, euros(900)),
                (regular, 1, 400, euros(600)),
                (lap, 1, 0, euros(0)),
            ]
        )
        assert (quote.json()["discount"], quote.json()["total"]) == (euros(1000), euros(1500))
        placed = await office.client.post(f"{where}/bookings", json=asked, headers=buyer)
        assert placed.json()["total"] == euros(1500)
    asked = {"lines": [{"ticket_type_id": regular, "quantity": 3}], "promo_code": "TEN"}
    quote = await office.client.post(f"{where}/quote", json=asked, headers=buyer)
    assert [(each["quantity"], each["discount"], each["total"]) for each in quote.json()["lines"]] == [
        (1, euros(334), euros(666)),
        (2, euros(333), euros(667)),
    ]
    placed = await office.client.post(f"{where}/bookings", json=asked, headers=buyer)
    assert [each["discount"] for each in placed.json()["tickets"]] == [euros(334), euros(333), euros(333)]
    free = {"lines": [{"ticket_type_id": kid, "quantity": 1}], "promo_code": "TEN"}
    placed = await office.client.post(f"{where}/bookings", json=free, headers=buyer)
    assert placed.json()["total"] == euros(0), "never more than the tickets cost"
    shown = await office.client.get(made.headers["location"], headers=manager)
    assert (shown.json()["uses"], shown.json()["spent"]) == (4, euros(3500))


async def test_an_unlocking_code_sells_what_is_hidden(office: BoxOffice, manager: Headers) -> None:
    types = [{"name": "Regular"}, {"name": "Members", "hidden": True}]
    event = await make(office, manager, ticket_types=types)
    where = event.headers["location"]
    page = (await office.client.get(f"{where}/ticket-types", headers=manager)).json()["data"]
    body = {"code": "MEMBERS", "kind": "unlock", "ticket_type_ids": [page[1]["id"]]}
    assert (await office.client.post(f"{where}/promo-codes", json=body, headers=manager)).status_code == 201
    assert (await use(office, where, page[1]["id"], "members")).status_code == 201
    line = {"lines": [{"ticket_type_id": page[1]["id"], "quantity": 1}]}
    without = await office.client.post(f"{where}/bookings", json=line, headers=office.as_buyer())
    assert code_of(without, 422) == "unknown-ticket-type"


async def test_whoever_names_a_code_sees_what_it_unlocks_and_no_cache_does(
    office: BoxOffice, manager: Headers
) -> None:
    types = [
        {"name": "Regular", "price": euros(500)},
        {"name": "Members", "hidden": True, "price": euros(100)},
        {"name": "Crew", "hidden": True},
    ]
    event = await make(office, manager, ticket_types=types)
    where = event.headers["location"]
    regular, members, _ = [
        each["id"]
        for each in (await office.client.get(f"{where}/ticket-types", headers=manager)).json()["data"]
    ]
    body = {"code": "MEMBERS", "kind": "unlock", "ticket_type_ids": [members]}
    assert (await office.client.post(f"{where}/promo-codes", json=body, headers=manager)).status_code == 201
    before = await office.client.get(where)
    assert ([each["id"] for each in before.json()["ticket_types"]], before.headers["cache-control"]) == (
        [regular],
        "public, max-age=1",
    )
    for headers in ({}, office.as_buyer()):
        shown = await office.client.get(where, params={"promo_code": " members "}, headers=headers)
        assert shown.headers["cache-control"] == "private, no-store"
        assert "etag" not in shown.headers
        assert {**shown.json(), "ticket_types": None, "price_from": None} == {
            **before.json(),
            "ticket_types": None,
            "price_from": None,
        }
        assert [(each["id"], each["state"], each["available"]) for each in shown.json()["ticket_types"]] == [
            (regular, "on_sale", 100),
            (members, "on_sale", 100),
        ]
        assert shown.json()["price_from"] == euros(100)
        left = await office.client.get(
            f"{where}/availability", params={"promo_code": "Members"}, headers=headers
        )
        assert left.headers["cache-control"] == "private, no-store"
        assert [(each["ticket_type_id"], each["available"]) for each in left.json()["ticket_types"]] == [
            (regular, 100),
            (members, 100),
        ]
    assert (await use(office, where, members, "members")).status_code == 201
    again = await office.client.get(f"{where}/availability", params={"promo_code": "members"})
    assert [each["available"] for each in again.json()["ticket_types"]] == [98, 98]
    after = await office.client.get(where)
    assert [each["id"] for each in after.json()["ticket_types"]] == [regular], "nobody else sees it"
    assert [
        each["ticket_type_id"]
        for each in (await office.client.get(f"{where}/availability")).json()["ticket_types"]
    ] == [regular]


async def test_a_code_that_is_none_is_refused_as_it_is_when_booking(
    office: BoxOffice, manager: Headers
) -> None:
    event = await make(office, manager)
    where, type_id = event.headers["location"], event.json()["ticket_types"][0]["id"]
    codes: tuple[dict[str, Any], ...] = (
        {"code": "LATER", "from_at": in_days(1)},
        {"code": "ONCE", "uses_max": 1},
        {"code": "MINE", "per_buyer_max": 1},
    )
    for promo in codes:
        assert (
            await office.client.post(f"{where}/promo-codes", json={**TEN, **promo}, headers=manager)
        ).status_code == 201
    assert (await use(office, where, type_id, "once")).status_code == 201
    buyer = office.as_buyer()
    body = {"lines": [{"ticket_type_id": type_id, "quantity": 1}], "promo_code": "mine"}
    assert (await office.client.post(f"{where}/bookings", json=body, headers=buyer)).status_code == 201
    for code, status, refusal in (
        ("NEVER", 422, "unknown-promo-code"),
        ("LATER", 409, "promo-code-not-valid"),
        ("ONCE", 409, "promo-code-used-up"),
        ("MINE", 409, "promo-code-used-up"),
    ):
        quoted = await office.client.post(f"{where}/quote", json={"promo_code": code}, headers=buyer)
        for url in (where, f"{where}/availability"):
            answer = await office.client.get(url, params={"promo_code": code}, headers=buyer)
            assert code_of(answer, status) == code_of(quoted, status) == refusal
            assert answer.json()["detail"] == quoted.json()["detail"]
    assert (await office.client.get(where, params={"promo_code": "mine"})).status_code == 200, (
        "nobody we know has not used it"
    )
    assert pointers(await office.client.get(where, params={"promo_code": "x" * 200})) == {"?promo_code"}
    draft = (await make(office, manager, publish=False)).headers["location"]
    for url in (draft, f"{draft}/availability"):
        assert code_of(await office.client.get(url, params={"promo_code": "x"}), 404) == "event-not-found"


async def test_codes_are_not_guessed(office: BoxOffice, manager: Headers) -> None:
    where, buyer = (await make(office, manager)).headers["location"], office.as_buyer()
    for number in range(40):
        url = where if number % 2 else f"{where}/availability"
        answer = await office.client.get(url, params={"promo_code": f"C{number}"}, headers=buyer)
        if answer.status_code == 429:
            break
    assert number == 30
    assert code_of(answer, 429) == "rate-limited"
    assert (await office.client.get(where, headers=buyer)).status_code == 200


async def test_codes_are_unique_and_listed_page_by_page(office: BoxOffice, manager: Headers) -> None:
    where = (await make(office, manager)).headers["location"]
    for number in range(3):
        body = {"code": f"CODE{number}", "kind": "fixed", "amount": euros(500)}
        assert (
            await office.client.post(f"{where}/promo-codes", json=body, headers=manager)
        ).status_code == 201
    again = await office.client.post(f"{where}/promo-codes", json={**TEN, "code": "code1"}, headers=manager)
    assert code_of(again, 409) == "promo-code-taken"
    first = await office.client.get(f"{where}/promo-codes", params={"limit": 2}, headers=manager)
    rest = await office.client.get(
        f"{where}/promo-codes", params={"limit": 2, "after": first.json()["next_cursor"]}, headers=manager
    )
    assert [each["code"] for each in first.json()["data"] + rest.json()["data"]] == [
        "CODE0",
        "CODE1",
        "CODE2",
    ]
    assert rest.json()["next_cursor"] is None
    assert pointers(
        await office.client.get(f"{where}/promo-codes", params={"after": "x"}, headers=manager)
    ) == {"?after"}


async def test_everything_wrong_with_a_promo_code_is_said_at_once(
    office: BoxOffice, manager: Headers
) -> None:
    where = (await make(office, manager)).headers["location"]
    common = {
        "code": "two words",
        "ticket_type_ids": ["tty_x", show_id("tty", new_id())],
        "uses_max": 0,
        "per_buyer_max": 0,
        "budget": euros(1, "USD"),
        "from_at": in_days(2),
        "until_at": in_days(1),
    }
    wrong = {
        "/code",
        "/ticket_type_ids/0",
        "/ticket_type_ids/1",
        "/uses_max",
        "/per_buyer_max",
        "/budget/currency",
        "/until_at",
    }
    for kind, expected in (
        ({"kind": "percent", "basis_points": 10_001}, {"/basis_points"}),
        ({"kind": "percent", "basis_points": 0, "amount": euros(1)}, {"/basis_points", "/amount"}),
        ({"kind": "percent"}, {"/basis_points"}),
        ({"kind": "fixed", "basis_points": 1}, {"/basis_points", "/amount"}),
        ({"kind": "fixed", "amount": euros(0, "USD")}, {"/amount/amount", "/amount/currency"}),
        ({"kind": "fixed", "amount": euros(2**31)}, {"/amount/amount"}),
        ({"kind": "fixed_per_booking", "basis_points": 1}, {"/basis_points", "/amount"}),
        ({"kind": "fixed_per_booking", "amount": euros(2**31)}, {"/amount/amount"}),
    ):
        answer = await office.client.post(f"{where}/promo-codes", json={**common, **kind}, headers=manager)
        assert pointers(answer) == wrong | expected, kind
    empty = await office.client.post(
        f"{where}/promo-codes", json={"code": "X", "kind": "unlock"}, headers=manager
    )
    assert pointers(empty) == {"/ticket_type_ids"}
    shapeless = {"code": 1, "kind": "gift", "budget": {"amount": -1, "currency": "EUR"}, "x": 1}
    answer = await office.client.post(f"{where}/promo-codes", json=shapeless, headers=manager)
    assert pointers(answer) == {"/code", "/kind", "/budget/amount", "/x"}


async def test_codes_are_for_managers(office: BoxOffice, manager: Headers, door: Headers) -> None:
    where = (await make(office, manager)).headers["location"]
    assert code_of(await office.client.get(f"{where}/promo-codes", headers=door), 403) == "forbidden"
    assert (
        code_of(await office.client.post(f"{where}/promo-codes", json=TEN, headers=door), 403) == "forbidden"
    )
    assert (
        code_of(await office.client.get(f"{where}/promo-codes", headers=office.as_buyer()), 403)
        == "forbidden"
    )
    absent = f"{where}/promo-codes/{show_id('prm', new_id())}"
    assert code_of(await office.client.get(absent, headers=manager), 404) == "not-found"
    assert code_of(await office.client.post(f"{absent}/retire", headers=manager), 404) == "not-found"
