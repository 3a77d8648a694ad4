"""Booking seats over HTTP: named, best available, with a standing floor, and every refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.support.box_office import BoxOffice, open_box_office, problem_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


def seats_of(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 201, answer.text
    return [ticket["seat"]["id"] for ticket in answer.json()["tickets"]]


def wrong(answer: httpx2.Response) -> set[str]:
    assert problem_of(answer, 422) == "invalid"
    return {error["pointer"] for error in answer.json()["errors"]}


async def test_seats_that_are_named(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), office.as_buyer()
    types = await office.types(event)
    booked = await office.place(
        event, buyer, {"ticket_type_id": types["Stalls"], "seats": ["S-A-2", "S-A-1"]}
    )
    assert sorted(seats_of(booked)) == ["S-A-1", "S-A-2"]
    assert (
        "row A" in booked.json()["tickets"][0]["seat"]["label"]
        or "A" in booked.json()["tickets"][0]["seat"]["label"]
    )
    assert booked.json()["amount_due"]["amount"] == 8000
    shown = await office.client.get(booked.headers["location"], headers=buyer)
    assert shown.json()["tickets"] == booked.json()["tickets"]
    again = await office.place(
        event,
        office.as_buyer(),
        {"ticket_type_id": types["Stalls"], "seats": ["S-A-3", "S-A-2"], "quantity": 2},
    )
    assert problem_of(again, 409) == "seat-taken"
    assert "S-A-2" in again.json()["detail"]
    third = await office.place(
        event, office.as_buyer(), {"ticket_type_id": types["Child"], "seats": ["S-A-3"]}
    )
    assert seats_of(third) == ["S-A-3"], "the refused request took no seat"


async def test_a_cancelled_seat_is_free_at_once(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), office.as_buyer()
    line = {"ticket_type_id": (await office.types(event))["Balcony"], "seats": ["B-A-1", "B-A-2"]}
    booked = (await office.place(event, buyer, line)).json()
    first = booked["tickets"][0]
    await office.post(f"/v1/bookings/{booked['id']}/cancel", buyer, ticket_ids=[first["id"]])
    assert seats_of(await office.place(event, buyer, {**line, "seats": [first["seat"]["id"]]})) == [
        first["seat"]["id"]
    ]


async def test_best_available_and_a_standing_floor_in_one_booking(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), office.as_buyer()
    types = await office.types(event)
    booked = await office.place(
        event,
        buyer,
        {"ticket_type_id": types["Stalls"], "quantity": 2},
        {"ticket_type_id": types["Child"], "quantity": 2},
        {"ticket_type_id": types["Floor"], "quantity": 3},
    )
    assert booked.status_code == 201, booked.text
    seats = [ticket["seat"] for ticket in booked.json()["tickets"]]
    assert sum(seat is None for seat in seats) == 3
    chosen = sorted(seat["id"] for seat in seats if seat is not None)
    assert len({seat[:3] for seat in chosen}) == 1, "the family sits in one row"
    numbers = [int(seat[-1]) for seat in chosen]
    assert numbers == list(range(numbers[0], numbers[0] + 4)), "side by side"
    in_section = await office.place(
        event, buyer, {"ticket_type_id": types["Balcony"], "quantity": 1, "section": "Balcony"}
    )
    assert seats_of(in_section)[0].startswith("B-")


async def test_many_who_want_the_best_all_get_different_seats(office: BoxOffice) -> None:
    event = await office.open_hall()
    line = {"ticket_type_id": (await office.types(event))["Stalls"], "quantity": 2}
    answers = await asyncio.gather(*[office.place(event, office.as_buyer(), line) for _ in range(8)])
    booked = [seat for answer in answers if answer.status_code == 201 for seat in seats_of(answer)]
    assert len(booked) == len(set(booked)) == 12
    assert [problem_of(answer, 409) for answer in answers if answer.status_code != 201] == ["sold-out"] * 2


async def test_one_seat_of_many_who_name_it(office: BoxOffice) -> None:
    event = await office.open_hall()
    line = {"ticket_type_id": (await office.types(event))["Stalls"], "seats": ["S-B-3"]}
    answers = await asyncio.gather(*[office.place(event, office.as_buyer(), line) for _ in range(10)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ({"type": "Stalls", "seats": ["S-Z-9"]}, 422, "unknown-seat"),
        ({"type": "Stalls", "seats": [" "]}, 422, "unknown-seat"),
        ({"type": "Stalls", "quantity": 1, "section": "Nowhere"}, 422, "unknown-seat"),
        ({"type": "Stalls", "seats": ["B-A-1"]}, 422, "seat-of-another-zone"),
        ({"type": "Balcony", "seats": ["B-A-1", "S-A-1"]}, 422, "seat-of-another-zone"),
        ({"type": "Floor", "seats": ["S-A-1"]}, 422, "not-seated"),
        ({"type": "Floor", "quantity": 1, "section": "Stalls"}, 422, "not-seated"),
        ({"type": "Floor", "quantity": 2, "accessible": 1}, 422, "not-seated"),
        ({"type": "Stalls", "quantity": 10, "section": "Balcony"}, 409, "sold-out"),
        ({"type": "Balcony", "quantity": 5}, 409, "sold-out"),
    ],
)
async def test_seats_that_cannot_be_had(
    office: BoxOffice, line: dict[str, Any], status: int, code: str
) -> None:
    event = await office.open_hall()
    types = await office.types(event)
    named = {name: value for name, value in line.items() if name != "type"} | {
        "ticket_type_id": types[line["type"]]
    }
    assert problem_of(await office.place(event, office.as_buyer(), named), status) == code
    everything = await office.place(
        event, office.as_buyer(), {"ticket_type_id": types["Balcony"], "quantity": 4}
    )
    assert len(seats_of(everything)) == 4, "a refused booking took no seat"


async def test_lines_that_make_no_sense(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), office.as_buyer()
    types = await office.types(event)
    stalls, child = types["Stalls"], types["Child"]
    twice = await office.place(
        event,
        buyer,
        {"ticket_type_id": stalls, "seats": ["S-A-1", "S-A-1"]},
        {"ticket_type_id": child, "seats": ["S-A-2", "S-A-1"]},
    )
    assert wrong(twice) == {"/lines/0/seats/1", "/lines/1/seats/1"}
    odd = await office.place(
        event,
        buyer,
        {"ticket_type_id": stalls, "seats": ["S-A-1"], "quantity": 2, "section": "Stalls", "accessible": 1},
        {"ticket_type_id": child},
        {"ticket_type_id": types["Balcony"], "quantity": 1, "accessible": 2},
    )
    assert wrong(odd) == {
        "/lines/0/quantity",
        "/lines/0/section",
        "/lines/0/accessible",
        "/lines/1/quantity",
        "/lines/2/accessible",
    }
    empty = await office.place(
        event,
        buyer,
        {"ticket_type_id": stalls, "seats": []},
        {"ticket_type_id": child, "seats": [""], "quantity": 0},
        {"ticket_type_id": types["Balcony"], "quantity": -1, "accessible": -1, "section": ""},
        {"ticket_type_id": types["Floor"], "seats": [7]},
    )
    assert wrong(empty) == {
        "/lines/0/seats",
        "/lines/1/seats/0",
        "/lines/1/quantity",
        "/lines/2/quantity",
        "/lines/2/accessible",
        "/lines/2/section",
        "/lines/3/seats/0",
    }
    many = await office.place(
        event, buyer, {"ticket_type_id": stalls, "seats": [f"S-{number}" for number in range(101)]}
    )
    assert wrong(many) == {"/lines/0/seats"}


async def test_seats_and_ticket_types_of_another_event(office: BoxOffice) -> None:
    hall, other = await office.open_hall(), await office.open_hall()
    plain = await office.open_event(capacity=10)
    buyer, theirs = office.as_buyer(), (await office.types(other))["Stalls"]
    assert (
        problem_of(await office.place(hall, buyer, {"ticket_type_id": theirs, "seats": ["S-A-1"]}), 422)
        == "unknown-ticket-type"
    )
    regular = (await office.types(plain))["Regular"]
    assert (
        problem_of(await office.place(plain, buyer, {"ticket_type_id": regular, "seats": ["S-A-1"]}), 422)
        == "not-seated"
    )
    mixed = await office.place(
        hall,
        buyer,
        {"ticket_type_id": (await office.types(hall))["Stalls"], "seats": ["S-A-1"]},
        {"ticket_type_id": regular, "quantity": 1},
    )
    assert problem_of(mixed, 422) == "unknown-ticket-type"


async def test_a_single_seat_left_over_where_that_is_forbidden(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(orphans_forbidden=True), office.as_buyer()
    balcony = (await office.types(event))["Balcony"]
    lonely = await office.place(event, buyer, {"ticket_type_id": balcony, "seats": ["B-A-2", "B-A-3"]})
    assert problem_of(lonely, 409) == "orphan-seat"
    assert (
        len(
            seats_of(
                await office.place(event, buyer, {"ticket_type_id": balcony, "seats": ["B-A-1", "B-A-2"]})
            )
        )
        == 2
    )


async def test_a_key_makes_seats_safe_to_ask_for_again(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), office.as_buyer() | {"Idempotency-Key": "row A"}
    line = {"ticket_type_id": (await office.types(event))["Stalls"], "seats": ["S-A-1"]}
    first, again = await office.place(event, buyer, line), await office.place(event, buyer, line)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.content == again.content
    assert problem_of(await office.place(event, buyer, {**line, "seats": ["S-A-2"]}), 422) == "key-reused"
