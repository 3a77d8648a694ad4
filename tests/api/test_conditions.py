"""Conditions of sale over HTTP: defaults, the buyers' view, versions; tax, and hidden ticket types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.test_catalogue import Headers, code_of, event_body, make, pointers, seen
from tests.support.box_office import BoxOffice, open_box_office

pytestmark = pytest.mark.asyncio(loop_scope="module")
FEES = {
    "fixed": {"amount": 150, "currency": "EUR"},
    "basis_points": 500,
    "paid_by": "buyer",
    "tax_basis_points": 1_900,
}
WINDOWS = [{"hours_before": 336, "basis_points": 10_000}, {"hours_before": 48, "basis_points": 5_000}]


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


async def place(office: BoxOffice, where: str, event: dict[str, Any]) -> dict[str, Any]:
    body = {"lines": [{"ticket_type_id": event["ticket_types"][0]["id"], "quantity": 1}]}
    booked = await office.client.post(f"{where}/bookings", json=body, headers=office.as_buyer())
    assert booked.status_code == 201, booked.text
    placed: dict[str, Any] = booked.json()
    return placed


async def test_tickets_are_paid_online_unless_told(office: BoxOffice, manager: Headers) -> None:
    event = await make(office, manager, conditions=...)
    assert event.json()["conditions"] == {
        "payment": "online",
        "hold_seconds": 600,
        "fees": None,
        "refund_windows": [{"hours_before": 0, "basis_points": 10_000}],
        "cancel_hours_before": 0,
        "fee_kept": False,
        "orphans_forbidden": False,
        "holds_per_buyer_max": 2,
        "held_units_per_buyer_max": 20,
        "give_back_days": 14,
    }
    assert (await place(office, event.headers["location"], event.json()))["state"] == "held"


async def test_conditions_change_for_later_bookings(office: BoxOffice, manager: Headers) -> None:
    event = await make(office, manager)
    where = event.headers["location"]
    assert (await place(office, where, event.json()))["state"] == "confirmed"
    first = await office.client.get(f"{where}/conditions", headers=manager)
    assert (first.json()["version"], first.json()["payment"], first.json()["offer_seconds"]) == (
        1,
        "door",
        3600,
    )
    said = {
        "payment": "online",
        "hold_seconds": 120,
        "fees": FEES,
        "refund_windows": WINDOWS,
        "fee_kept": True,
    }
    changed = await office.client.patch(f"{where}/conditions", json=said, headers=seen(first, manager))
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in said} == said
    assert changed.json()["version"] == 2
    assert (await office.client.get(where)).json()["conditions"]["fees"] == FEES
    assert (await place(office, where, event.json()))["state"] == "held"
    stale = await office.client.patch(f"{where}/conditions", json=said, headers=seen(first, manager))
    assert code_of(stale, 412) == "stale"
    assert (
        code_of(await office.client.patch(f"{where}/conditions", json=said, headers=manager), 428)
        == "if-match-missing"
    )
    nothing = await office.client.patch(f"{where}/conditions", json=said, headers=seen(changed, manager))
    assert (nothing.json(), nothing.headers["etag"]) == (changed.json(), changed.headers["etag"])
    ours = await office.client.patch(
        f"{where}/conditions", json={"fees": {"paid_by": "organizer"}}, headers=seen(changed, manager)
    )
    assert ours.json()["fees"] == {**FEES, "paid_by": "organizer"}, "merged"
    assert (await office.client.get(where)).json()["conditions"]["fees"] is None, (
        "what the organizer pays is not the buyers' business"
    )
    own = await office.client.patch(
        f"{where}/conditions", json={"fees": {"tax_basis_points": None}}, headers=seen(ours, manager)
    )
    assert own.json()["fees"] == {**FEES, "paid_by": "organizer", "tax_basis_points": None}, "the type's rate"
    none = await office.client.patch(f"{where}/conditions", json={"fees": None}, headers=seen(own, manager))
    assert none.json()["fees"] == {
        "fixed": {"amount": 0, "currency": "EUR"},
        "basis_points": 0,
        "paid_by": "buyer",
        "tax_basis_points": None,
    }
    taxed = await office.client.patch(
        f"{where}/conditions", json={"fees": {"tax_basis_points": 700}}, headers=seen(none, manager)
    )
    assert taxed.json()["fees"]["tax_basis_points"] == 700
    assert (await office.client.get(where)).json()["conditions"]["fees"] is None, "there is no fee"


WRONG: dict[str, Any] = {
    "hold_seconds": 3601,
    "offer_seconds": 0,
    "fees": {"fixed": {"amount": 1, "currency": "USD"}, "basis_points": 10_001, "tax_basis_points": -1},
    "cancel_hours_before": -1,
    "refund_windows": [
        {"hours_before": 48, "basis_points": 10_001},
        {"hours_before": 48, "basis_points": 5_000},
        {"hours_before": -1, "basis_points": 6_000},
    ],
}
WRONG_AT = {
    "/hold_seconds",
    "/offer_seconds",
    "/fees/fixed/currency",
    "/fees/basis_points",
    "/fees/tax_basis_points",
    "/cancel_hours_before",
    "/refund_windows/0/basis_points",
    "/refund_windows/1/hours_before",
    "/refund_windows/2/hours_before",
    "/refund_windows/2/basis_points",
}


async def test_everything_wrong_with_conditions_is_said_at_once(office: BoxOffice, manager: Headers) -> None:
    body = event_body(office, conditions=WRONG)
    answer = await office.client.post("/v1/events", json=body, headers=manager)
    assert pointers(answer) == {f"/conditions{pointer}" for pointer in WRONG_AT}
    where = (await make(office, manager)).headers["location"]
    patched = await office.client.patch(
        f"{where}/conditions", json=WRONG, headers={**manager, "If-Match": "*"}
    )
    assert pointers(patched) == WRONG_AT
    shapeless = {
        "payment": "barter",
        "fees": {"fixed": {"amount": -1, "currency": "EUR"}, "paid_by": "nobody"},
        "x": 1,
    }
    patched = await office.client.patch(
        f"{where}/conditions", json=shapeless, headers={**manager, "If-Match": "*"}
    )
    assert pointers(patched) == {"/payment", "/fees/fixed/amount", "/fees/paid_by", "/x"}
    many = [{"hours_before": 20 - number, "basis_points": 0} for number in range(11)]
    patched = await office.client.patch(
        f"{where}/conditions", json={"refund_windows": many}, headers={**manager, "If-Match": "*"}
    )
    assert pointers(patched) == {"/refund_windows"}


async def test_who_may_look_and_change(office: BoxOffice, manager: Headers, door: Headers) -> None:
    where = (await make(office, manager)).headers["location"]
    assert (await office.client.get(f"{where}/conditions", headers=door)).status_code == 200
    assert (
        code_of(await office.client.get(f"{where}/conditions", headers=office.as_buyer()), 403) == "forbidden"
    )
    change = await office.client.patch(f"{where}/conditions", json={}, headers={**door, "If-Match": "*"})
    assert code_of(change, 403) == "forbidden"


async def test_tax_and_hidden_ticket_types(office: BoxOffice, manager: Headers) -> None:
    types = [
        {"name": "Regular", "price": {"amount": 2000, "currency": "EUR"}, "tax": {"basis_points": 700}},
        {"name": "Members", "price": {"amount": 500, "currency": "EUR"}, "hidden": True},
    ]
    event = await make(office, manager, ticket_types=types)
    where = event.headers["location"]
    assert [(each["name"], each["tax"]) for each in event.json()["ticket_types"]] == [
        ("Regular", {"basis_points": 700, "included": True})
    ]
    assert event.json()["price_from"]["amount"] == 2000
    page = (await office.client.get(f"{where}/ticket-types", headers=manager)).json()["data"]
    assert {each["name"]: each["hidden"] for each in page} == {"Regular": False, "Members": True}
    hidden = f"{where}/ticket-types/{page[1]['id']}"
    said = {"hidden": False, "tax": {"basis_points": 1900, "included": False}}
    patched = await office.client.patch(hidden, json=said, headers=seen(event, manager))
    assert (patched.json()["hidden"], patched.json()["tax"]) == (
        False,
        {"basis_points": 1900, "included": False},
    )
    assert len((await office.client.get(where)).json()["ticket_types"]) == 2
    untaxed = await office.client.patch(hidden, json={"tax": None}, headers=seen(patched, manager))
    assert untaxed.json()["tax"] is None
    wrong = await office.client.patch(
        hidden, json={"tax": {"basis_points": 10_001}, "zone": "x"}, headers=seen(untaxed, manager)
    )
    assert pointers(wrong) == {"/tax/basis_points", "/zone"}
