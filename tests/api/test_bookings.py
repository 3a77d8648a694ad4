"""Bookings over HTTP: the answers to buyers, organizers and others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.sales import carry_out
from evently.sales.commands.sale_terms import PutTicketType
from evently.sales.reads import find_sale
from evently.sales.reads import proof as proving
from evently.sales.terms import Conditions
from evently.web.edge.compression import SMALLEST_BYTES
from tests.support.box_office import BoxOffice, instant, open_box_office, problem_of
from tests.support.catalogue import make_organizer, sale_terms


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def more(booking: Any) -> dict[str, Any]:
    """Return the fields that a booking has in addition when it is read by itself."""
    return {
        "refunds": [],
        "latest_payment": None,
        "cancellation_quote": f"/v1/bookings/{booking['id']}/cancellation-quote",
    }


async def test_a_booking_is_answered_with_everything_one_needs(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=10), office.as_buyer()
    booked = await office.book(event, buyer, 2)
    assert booked.status_code == 201, booked.text
    said = booked.json()
    assert booked.headers["location"] == f"/v1/bookings/{said['id']}"
    assert booked.headers["cache-control"] == "no-store"
    assert len(booked.content) < SMALLEST_BYTES, (
        "a crowd receives it, and compressing it would take longer than booking"
    )
    assert said["state"] == "confirmed"
    assert said["payment"] == "door"
    assert said["amount_due"] == said["total"] == {"amount": 5000, "currency": "EUR"}
    assert said["reference"].replace("-", "").lower() == said["id"][-8:]
    assert len({ticket["code"] for ticket in said["tickets"]}) == 2
    assert all(len(ticket["code"]) == 42 for ticket in said["tickets"])
    assert instant(said["placed_at"]).tzinfo is not None
    again = await office.client.get(booked.headers["location"], headers=buyer)
    assert again.json() == said | more(said)


async def test_free_tickets_are_free(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10, price=Money(0, "EUR"))
    said = (await office.book(event, office.as_buyer())).json()
    assert said["payment"] == "none"
    assert said["amount_due"]["amount"] == 0


async def test_a_key_makes_a_request_safe_to_repeat(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=10), office.as_buyer()
    answers = await asyncio.gather(*[office.book(event, buyer, 2, key="one wish") for _ in range(5)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sorted(answer.headers.get("idempotent-replayed", "") for answer in answers) == [
        "",
        "true",
        "true",
        "true",
        "true",
    ]
    assert problem_of(await office.book(event, buyer, 3, key="one wish"), 422) == "key-reused"
    quoted = await office.book(event, buyer, 2, key='"one wish"')
    assert quoted.headers["idempotent-replayed"] == "true"
    other = await office.book(event, office.as_buyer(), 2, key="one wish")
    assert other.json()["id"] != answers[0].json()["id"], "a key belongs to its actor"


async def test_a_replay_shows_the_booking_as_it_was_answered(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=10), office.as_buyer()
    booked = await office.book(event, buyer, key="k")
    await office.client.post(f"/v1/bookings/{booked.json()['id']}/cancel", json={}, headers=buyer)
    replayed = await office.book(event, buyer, key="k")
    assert replayed.content == booked.content
    assert (await office.client.get(booked.headers["location"], headers=buyer)).json()["state"] == "cancelled"


async def test_a_refused_key_may_succeed_later(office: BoxOffice) -> None:
    event, first, second = await office.open_event(capacity=1), office.as_buyer(), office.as_buyer()
    booked = (await office.book(event, first)).json()
    assert problem_of(await office.book(event, second, key="k"), 409) == "sold-out"
    await office.client.post(f"/v1/bookings/{booked['id']}/cancel", json={}, headers=first)
    assert (await office.book(event, second, key="k")).status_code == 201


async def test_all_that_is_wrong_is_said_at_once(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=10), office.as_buyer()
    type_id = await office.ticket_type(event)
    url = f"/v1/events/{show_id('evt', event.event_id)}/bookings"
    lines = [
        {"ticket_type_id": type_id, "quantity": 0},
        {"quantity": "2"},
        {"ticket_type_id": 7, "quantity": 1.5, "price": 1},
        {"ticket_type_id": "tty_x", "quantity": 1},
    ]
    wrong = await office.client.post(url, json={"lines": lines, "buyer_id": "per_x"}, headers=buyer)
    assert problem_of(wrong, 422) == "invalid"
    assert {error["pointer"] for error in wrong.json()["errors"]} == {
        "/lines/0/quantity",
        "/lines/1/quantity",
        "/lines/1/ticket_type_id",
        "/lines/2/ticket_type_id",
        "/lines/2/quantity",
        "/lines/2/price",
        "/lines/3/ticket_type_id",
        "/buyer_id",
    }
    details = {error["pointer"]: error["detail"] for error in wrong.json()["errors"]}
    assert details["/lines/2/ticket_type_id"] == "Expected a string, got an integer."
    assert wrong.json()["detail"].startswith("Several fields are wrong; the first is /lines/0/")
    assert details["/lines/3/ticket_type_id"] == "Is not an id of the form tty_…"
    twice = [
        {"ticket_type_id": type_id, "quantity": 1},
        {"ticket_type_id": type_id, "quantity": 1},
        {"ticket_type_id": type_id, "quantity": 1},
    ]
    repeated = await office.client.post(url, json={"lines": twice}, headers=buyer)
    assert [error["pointer"] for error in repeated.json()["errors"]] == [
        "/lines/1/ticket_type_id",
        "/lines/2/ticket_type_id",
    ]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"lines": []}', "application/json", 422),
        (b'{"lines": null}', "application/json", 422),
        (b'{"lines": [{"ticket_type_id": "a\\u0000", "quantity": 1}]}', "application/json", 422),
        (b'{"lines": [{"ticket_type_id": "x", "quantity": 1e400}]}', "application/json", 422),
        (b'{"lines": [{"ticket_type_id": "x", "quantity": 99999999999999999999}]}', "application/json", 422),
        (b'{"lines": [{"ticket_type_id": "x", "quantity": NaN}]}', "application/json", 400),
        (b"lines=1", "application/x-www-form-urlencoded", 415),
        (b" " * 300_000, "application/json", 413),
    ],
)
async def test_hostile_bodies_get_their_answer(
    office: BoxOffice, body: bytes, media_type: str, status: int
) -> None:
    url = f"/v1/events/{show_id('evt', new_id())}/bookings"
    response = await office.client.post(
        url, content=body, headers=office.as_buyer() | {"Content-Type": media_type}
    )
    problem_of(response, status)


@pytest.mark.parametrize("key", ["", "a" * 256, "with\ttab", "Ümlaut", '""'])
async def test_a_key_that_is_none(office: BoxOffice, key: str) -> None:
    event = await office.open_event(capacity=10)
    body = {"lines": [{"ticket_type_id": await office.ticket_type(event), "quantity": 1}]}
    headers = [
        (b"authorization", office.as_buyer()["Authorization"].encode()),
        (b"idempotency-key", key.encode("latin-1")),
    ]
    response = await office.client.post(
        f"/v1/events/{show_id('evt', event.event_id)}/bookings", json=body, headers=headers
    )
    assert problem_of(response, 422) == "invalid"
    assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"


async def test_the_world_says_no(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    limited = await office.open_event(capacity=10, per_booking_max=3, per_buyer_max=4)
    assert problem_of(await office.book(limited, buyer, 4), 409) == "over-booking-limit"
    assert (await office.book(limited, buyer, 3)).status_code == 201
    assert problem_of(await office.book(limited, buyer, 2), 409) == "over-buyer-limit"
    assert (await office.book(limited, buyer, 1)).status_code == 201
    small = await office.open_event(capacity=1)
    assert problem_of(await office.book(small, buyer, 2), 409) == "sold-out"
    unknown = {"lines": [{"ticket_type_id": await office.ticket_type(limited), "quantity": 1}]}
    response = await office.client.post(
        f"/v1/events/{show_id('evt', small.event_id)}/bookings", json=unknown, headers=buyer
    )
    assert problem_of(response, 422) == "unknown-ticket-type"
    missing = await office.client.post(
        f"/v1/events/{show_id('evt', new_id())}/bookings", json=unknown, headers=buyer
    )
    assert problem_of(missing, 404) == "event-not-found"
    assert (
        problem_of(
            await office.client.post("/v1/events/evt_nonsense/bookings", json=unknown, headers=buyer), 404
        )
        == "not-found"
    )
    anonymous = await office.client.post(
        f"/v1/events/{show_id('evt', small.event_id)}/bookings", json=unknown
    )
    assert problem_of(anonymous, 401) == "unauthenticated"
    assert anonymous.headers["www-authenticate"].startswith("Bearer")


async def test_two_hundred_requests_of_one_buyer_cannot_pass_the_limit(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=500, per_buyer_max=7), office.as_buyer()
    url = f"/v1/events/{show_id('evt', event.event_id)}/bookings"
    body = {"lines": [{"ticket_type_id": await office.ticket_type(event), "quantity": 1}]}
    office.context.limits._limits.pop("bookings")
    answers = await asyncio.gather(*[office.client.post(url, json=body, headers=buyer) for _ in range(200)])
    assert sum(answer.status_code == 201 for answer in answers) == 7
    assert {problem_of(answer, 409) for answer in answers if answer.status_code != 201} == {
        "over-buyer-limit"
    }


async def test_cancelling_whole_and_in_part(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=5), office.as_buyer()
    booked = (await office.book(event, buyer, 3)).json()
    url = f"/v1/bookings/{booked['id']}/cancel"
    first, second, _ = (ticket["id"] for ticket in booked["tickets"])
    part = await office.client.post(url, json={"ticket_ids": [first]}, headers=buyer)
    assert [ticket["state"] for ticket in part.json()["tickets"]] == ["void", "valid", "valid"]
    assert part.json()["amount_due"]["amount"] == 5000
    assert part.json()["state"] == "confirmed"
    assert (
        problem_of(await office.client.post(url, json={"ticket_ids": [first, second]}, headers=buyer), 409)
        == "already-cancelled"
    )
    stranger = show_id("tkt", new_id())
    assert (
        problem_of(await office.client.post(url, json={"ticket_ids": [stranger]}, headers=buyer), 422)
        == "unknown-ticket"
    )
    assert (
        problem_of(await office.client.post(url, json={"ticket_ids": ["tkt_x"]}, headers=buyer), 422)
        == "invalid"
    )
    both = await asyncio.gather(*[office.client.post(url, json={}, headers=buyer) for _ in range(2)])
    assert sorted(answer.status_code for answer in both) == [200, 409]
    page = (await office.client.get(f"/v1/events/{show_id('evt', event.event_id)}/availability")).json()
    assert page["ticket_types"][0]["available"] == 5, "no unit was released twice"


async def test_a_cancellation_can_be_repeated_with_its_key(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=5), office.as_buyer()
    booked = (await office.book(event, buyer)).json()
    url, headers = f"/v1/bookings/{booked['id']}/cancel", buyer | {"Idempotency-Key": "c"}
    first = await office.client.post(url, json={}, headers=headers)
    again = await office.client.post(url, json={}, headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"


async def test_after_the_start_only_the_organizer_cancels(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=5), office.as_buyer()
    booked = (await office.book(event, buyer)).json()
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE events SET starts_at = created_at")
    assert (
        problem_of(
            await office.client.post(f"/v1/bookings/{booked['id']}/cancel", json={}, headers=buyer), 409
        )
        == "too-late-to-cancel"
    )
    manager = await office.as_member("manager")
    organizers = f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booked['id']}/cancel"
    assert (await office.client.post(organizers, json={}, headers=manager)).json()["state"] == "cancelled"


async def test_only_the_buyer_sees_the_codes_of_tickets(office: BoxOffice) -> None:
    event, buyer, door = (
        await office.open_event(capacity=5),
        office.as_buyer(),
        await office.as_member("door"),
    )
    booked = (await office.book(event, buyer)).json()
    url = f"/v1/events/{show_id('evt', event.event_id)}/bookings"
    listed = (await office.client.get(url, headers=door)).json()["data"][0]
    one = (await office.client.get(f"{url}/{booked['id']}", headers=door)).json()
    mine = (await office.client.get(f"/v1/bookings/{booked['id']}", headers=buyer)).json()
    assert [each["tickets"][0]["code"] for each in (listed, one)] == [None, None]
    assert len(mine["tickets"][0]["code"]) == 42


async def test_bookings_are_their_buyers_and_their_organizers(office: BoxOffice) -> None:
    event, other_event, buyer = (
        await office.open_event(capacity=5),
        await office.open_event(capacity=5),
        office.as_buyer(),
    )
    booked = (await office.book(event, buyer)).json()
    mine, theirs = (
        f"/v1/bookings/{booked['id']}",
        f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booked['id']}",
    )
    stranger, door, manager = (
        office.as_buyer(),
        await office.as_member("door"),
        await office.as_member("manager"),
    )
    foreign = await office.as_member(
        "owner", await make_organizer(office.context.database, "Other organizer")
    )
    assert problem_of(await office.client.get(mine, headers=stranger), 404) == "booking-not-found"
    assert (
        problem_of(await office.client.post(f"{mine}/cancel", json={}, headers=stranger), 404)
        == "booking-not-found"
    )
    assert problem_of(await office.client.get(theirs, headers=stranger), 403) == "forbidden"
    assert problem_of(await office.client.get(theirs, headers=foreign), 403) == "forbidden"
    assert problem_of(await office.client.post(f"{theirs}/cancel", json={}, headers=door), 403) == "forbidden"
    assert (
        problem_of(await office.client.post(f"{theirs}/cancel", json={}, headers=foreign), 403) == "forbidden"
    )
    without_codes = {"tickets": [ticket | {"code": None} for ticket in booked["tickets"]]}
    assert (await office.client.get(theirs, headers=door)).json() == booked | more(booked) | without_codes
    nested = f"/v1/events/{show_id('evt', other_event.event_id)}/bookings/{booked['id']}"
    assert problem_of(await office.client.get(nested, headers=manager), 404) == "booking-not-found"
    assert (
        problem_of(await office.client.post(f"{nested}/cancel", json={}, headers=manager), 404)
        == "booking-not-found"
    )
    assert (await office.client.get(mine, headers=buyer)).json()["state"] == "confirmed", (
        "nobody did anything"
    )


async def test_my_history(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=100), office.as_buyer()
    over = await office.open_event(capacity=100)
    placed = [(await office.book(event, buyer)).json()["id"] for _ in range(5)]
    past = (await office.book(over, buyer)).json()["id"]
    await office.client.post(f"/v1/bookings/{placed[0]}/cancel", json={}, headers=buyer)
    async with office.context.database.transaction() as tx:
        await tx.execute(
            """
            UPDATE events SET starts_at = starts_at - interval '1 year', ends_at = ends_at - interval '1 year'
            WHERE event_id = $1
            """,
            over.event_id,
        )
    kinds = {
        kind: (await office.client.get(f"/v1/me/bookings?kind={kind}", headers=buyer)).json()
        for kind in ("upcoming", "past", "cancelled", "all")
    }
    shown = {kind: [booking["id"] for booking in page["data"]] for kind, page in kinds.items()}
    assert shown == {
        "upcoming": placed[:0:-1],
        "past": [past],
        "cancelled": placed[:1],
        "all": [past, *placed[::-1]],
    }
    found, url = [], "/v1/me/bookings?limit=4"
    while url:
        page = await office.client.get(url, headers=buyer)
        found += [booking["id"] for booking in page.json()["data"]]
        url = page.links["next"]["url"] if "next" in page.links else ""
    assert found == [past, *placed[::-1]]
    assert (
        problem_of(
            await office.client.get("/v1/me/bookings?kind=odd&limit=0&after=nonsense", headers=buyer), 422
        )
        == "invalid"
    )
    assert (await office.client.get("/v1/me/bookings", headers=office.as_buyer())).json() == {
        "data": [],
        "next_cursor": None,
    }


async def test_availability_is_shown_and_cached_no_longer_than_true(office: BoxOffice) -> None:
    event, buyer = await office.open_event(capacity=2), office.as_buyer()
    url = f"/v1/events/{show_id('evt', event.event_id)}/availability"
    first = await office.client.get(url)
    assert first.json()["state"] == "on_sale"
    assert first.json()["ticket_types"][0]["available"] == 2
    unchanged = await office.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    await office.book(event, buyer, 2)
    after = await office.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["state"] == "sold_out"
    draft = await office.open_event(capacity=2, publish=False)
    assert (
        problem_of(await office.client.get(f"/v1/events/{show_id('evt', draft.event_id)}/availability"), 404)
        == "event-not-found"
    )


async def test_availability_says_when_the_clock_releases_units(office: BoxOffice) -> None:
    """Of holds, of offers, and of units that are set aside until the sale of their ticket type ends."""
    terms = replace(sale_terms(capacity=4), conditions=Conditions("online", offer_seconds=3_000))
    event = await office.open_event(terms=terms)
    event_id, buyer, group, patient = event.event_id, *[office.as_buyer() for _ in range(3)]
    url = f"/v1/events/{show_id('evt', event_id)}"
    early_ends = utc_now() + timedelta(hours=1)
    (regular,) = (await find_sale(office.context.database, event_id)).ticket_types.values()
    early = replace(regular, ticket_type_id=new_id(), name="Early", price_minor=0, off_sale_at=early_ends)
    async with office.context.database.transaction() as tx:
        await carry_out(tx, PutTicketType(event_id, early), utc_now())
    early_id = show_id("tty", early.ticket_type_id)

    async def releases(stale: str | None = None) -> tuple[datetime | None, datetime | None, str]:
        """Return the next releases of the event and of `Early`, and the tag. It differs from a stale one."""
        office.context.engine._glances.forget(event_id)
        answer = await office.client.get(f"{url}/availability", headers={"If-None-Match": stale or '"none"'})
        assert answer.status_code == 200
        by_type = {each["ticket_type_id"]: each["next_release_at"] for each in answer.json()["ticket_types"]}
        first, its = answer.json()["next_release_at"], by_type[early_id]
        at = [None if each is None else instant(each) for each in (first, its)]
        return at[0], at[1], answer.headers["etag"]

    async def post(path: str, headers: dict[str, str], **body: Any) -> dict[str, Any]:
        answer = await office.post(path, headers, **body)
        assert answer.status_code < 300, answer.text
        return cast("dict[str, Any]", answer.json())

    nothing = await releases()
    assert nothing[:2] == (None, None)
    held = (await office.book(event, buyer, 1)).json()
    holding = await releases(nothing[2])
    assert holding[:2] == (instant(held["expires_at"]), instant(held["expires_at"]))
    extended = await post(f"/v1/bookings/{held['id']}/extend", buyer)
    assert (await releases(holding[2]))[0] == instant(extended["expires_at"]) > instant(held["expires_at"])
    lines = [{"ticket_type_id": early_id, "quantity": 3}]
    taken = await post(f"{url}/bookings", group, lines=lines)
    assert taken["state"] == "confirmed"
    await post(f"/v1/bookings/{held['id']}/cancel", buyer)
    waiting = {"ticket_type_id": early_id, "quantity": 1}
    joined = await post(f"{url}/waitlist", buyer, **waiting)
    offered = (await office.client.get(f"/v1/waitlist/{joined['id']}", headers=buyer)).json()
    assert offered["state"] == "offered"
    offering = await releases()
    assert offering[:2] == (instant(offered["offer_expires_at"]),) * 2
    await post(f"/v1/waitlist/{offered['id']}/accept", buyer)
    assert (await releases(offering[2]))[:2] == (None, None)
    await post(f"{url}/waitlist", patient, ticket_type_id=early_id, quantity=2)
    await post(f"/v1/bookings/{taken['id']}/cancel", group, ticket_ids=[taken["tickets"][0]["id"]])
    aside = await releases()
    assert aside[:2] == (early_ends, None), "and then `Early` is not sold any more"


async def test_the_journal_proves_the_counters(office: BoxOffice) -> None:
    event, buyer, manager = (
        await office.open_event(capacity=9),
        office.as_buyer(),
        await office.as_member("manager"),
    )
    booked = (await office.book(event, buyer, 3)).json()
    await office.client.post(
        f"/v1/bookings/{booked['id']}/cancel",
        json={"ticket_ids": [booked["tickets"][0]["id"]]},
        headers=buyer,
    )
    base = f"/v1/events/{show_id('evt', event.event_id)}"
    proof = (await office.client.get(f"{base}/proof", headers=manager)).json()
    assert proof["consistent"] is True
    assert proof["stored"] == proof["recomputed"]
    assert proof["stored"][0]["sold"] == 2
    assert {(each["kind"], each["state"]): each["stored"] for each in proof["figures"]} == {
        ("bookings", "confirmed"): 1,
        ("tickets", "confirmed"): 2,
        ("tickets", "void"): 1,
    }
    assert sum(each["stored"] for each in proof["balances"]) == 0
    assert all(each["stored"] == each["recomputed"] for each in proof["figures"] + proof["balances"])
    rows, url = [], f"{base}/journal?limit=1"
    while url:
        page = await office.client.get(url, headers=manager)
        rows += page.json()["data"]
        url = page.links["next"]["url"] if "next" in page.links else ""
    head = bytes(32)
    for number, row in enumerate(rows, start=1):
        assert row["seq"] == number
        head = hashlib.sha256(head + row["facts_text"].encode()).digest()
        assert row["hash"] == head.hex()
    assert proof["head_hash"] == head.hex()
    assert (
        problem_of(await office.client.get(f"{base}/journal", headers=await office.as_member("door")), 403)
        == "forbidden"
    )


async def test_tampering_shows(office: BoxOffice) -> None:
    event, manager = await office.open_event(capacity=9), await office.as_member("manager")
    await office.book(event, office.as_buyer(), 3)
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE pools SET sold = 2")
    proof = (
        await office.client.get(f"/v1/events/{show_id('evt', event.event_id)}/proof", headers=manager)
    ).json()
    assert proof["consistent"] is False
    assert proof["differences"] == ["pool 'Admission' differs"]
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE pools SET sold = 3")
        await tx.execute(
            """
            UPDATE tickets SET state = 'void'
            WHERE ticket_id = (SELECT min(ticket_id::text)::uuid FROM tickets)
            """
        )
        await tx.execute("UPDATE ledger SET amount_minor = amount_minor + 1 WHERE credit = 'organizer'")
        await tx.execute("INSERT INTO seat_claims SELECT event_id, 7, NULL FROM sales")
    proof = (
        await office.client.get(f"/v1/events/{show_id('evt', event.event_id)}/proof", headers=manager)
    ).json()
    organizer, whole = (
        next(each for each in proof["balances"] if each["account"] == name) for name in ("organizer", "door")
    )
    assert organizer["stored"] - organizer["recomputed"] == -1 == whole["recomputed"] - whole["stored"]
    assert proof["differences"] == [
        "seats blocked: 1, not 0",
        "tickets confirmed: 2, not 3",
        "tickets void: 1, not 0",
        "seats have another owner: 1",
        f"the account door has {whole['stored']}, not {whole['recomputed']}",
        f"the account organizer has {organizer['stored']}, not {organizer['recomputed']}",
    ]


async def test_a_large_event_is_proven_in_parts(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    event, manager = await office.open_event(capacity=20), await office.as_member("manager")
    for _ in range(7):
        await office.book(event, office.as_buyer(), 2)
    url = f"/v1/events/{show_id('evt', event.event_id)}/proof"
    whole = (await office.client.get(url, headers=manager)).json()
    monkeypatch.setattr(proving, "BOOKINGS_REPLAYED_MAX", 2)
    assert (await office.client.get(url, headers=manager)).json() == whole
    assert whole["consistent"] is True
    assert {each["kind"]: each["stored"] for each in whole["figures"]} == {"bookings": 7, "tickets": 14}
