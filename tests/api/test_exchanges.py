"""Tickets that get other seats, and tickets that are sent again, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from evently.audit import inspect
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.mail import outbox
from tests.api.test_transfers import Somebody, letters, somebody, told
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


class Call(NamedTuple):
    """A booking of two seats whose buyer has called."""

    event: Event
    buyer: Somebody
    desk: dict[str, str]
    booking: Any
    path: str

    @property
    def tickets(self) -> list[str]:
        return [each["id"] for each in self.booking["tickets"]]


async def call(office: BoxOffice) -> Call:
    event, buyer = await office.open_hall(), await somebody(office, "Mina <b>Ito</b>")
    types = await office.types(event)
    line = {"ticket_type_id": types["Stalls"], "seats": ["S-A-1", "S-A-2"]}
    sent = buyer.headers | {"Idempotency-Key": "booked"}
    booked = await office.place(event, sent, line)
    assert booked.status_code == 201, booked.text
    path = f"/v1/events/{show_id('evt', event.event_id)}/bookings/{booked.json()['id']}"
    return Call(event, buyer, await office.as_member("manager"), booked.json(), path)


async def exchange(office: BoxOffice, made: Call, *pairs: tuple[int, str], **headers: str) -> Any:
    seats = [{"ticket_id": made.tickets[number], "seat": seat} for number, seat in pairs]
    return await office.client.post(
        f"{made.path}/exchange",
        json={"seats": seats},
        headers=made.desk | {name.replace("_", "-"): value for name, value in headers.items()},
    )


async def test_the_seats_change_for_everybody_and_the_old_codes_are_void(office: BoxOffice) -> None:
    made = await call(office)
    answer = await exchange(office, made, (0, "S-A-4"), Idempotency_Key="k")
    assert answer.status_code == 200, answer.text
    assert [each["seat"]["id"] for each in answer.json()["tickets"]] == ["S-A-4", "S-A-2"]
    assert [each["code"] for each in answer.json()["tickets"]] == [None, None], "no code for organizers"
    again = await exchange(office, made, (0, "S-A-4"), Idempotency_Key="k")
    assert (again.json(), again.headers["idempotent-replayed"]) == (answer.json(), "true")
    mine = (await office.client.get(f"/v1/bookings/{made.booking['id']}", headers=made.buyer.headers)).json()
    assert mine["tickets"][0]["code"] not in (None, made.booking["tickets"][0]["code"])
    assert mine["tickets"][1]["code"] == made.booking["tickets"][1]["code"]
    assert mine["total"] == made.booking["total"]
    event_path = made.path.rsplit("/", 2)[0]
    door = await office.as_member("door")
    scans = [
        {"id": str(uuid4()), "code": each["code"], "scanned_at": utc_now().isoformat()}
        for each in (made.booking["tickets"][0], mine["tickets"][0])
    ]
    scanned = await office.client.post(f"{event_path}/scans", json={"scans": scans}, headers=door)
    assert scanned.status_code == 200, scanned.text
    assert [each["result"] for each in scanned.json()["data"]] == ["passed_on", "accepted"]
    assert found(await inspect(office.context.database)) == {}
    proof = await office.client.get(f"{event_path}/proof", headers=made.desk)
    assert proof.json()["consistent"] is True
    replay = await office.place(
        made.event,
        made.buyer.headers | {"Idempotency-Key": "booked"},
        {
            "ticket_type_id": made.booking["tickets"][0]["ticket_type_id"],
            "seats": ["S-A-1", "S-A-2"],
        },
    )
    assert replay.json() == made.booking, "a repeated request gets what it got"


async def test_the_map_shows_the_exchange(office: BoxOffice) -> None:
    made = await call(office)

    async def taken() -> tuple[int, set[str]]:
        board = await office.context.boards.get_board(made.event.event_id)
        ids = board.hall.plan.ids
        return board.seq, {seat for seat, state in zip(ids, board.states(), strict=True) if state == "1"}

    seq, before = await taken()
    assert before == {"S-A-1", "S-A-2"}
    await exchange(office, made, (0, "S-A-4"), (1, "S-A-1"))
    while (await taken())[0] == seq:  # a board may be a quarter of a second old
        await asyncio.sleep(0)
    assert (await taken())[1] == {"S-A-1", "S-A-4"}
    board = await office.context.boards.get_board(made.event.event_id)
    changes = {board.hall.plan.ids[number]: state for number, state in board.changes_since(seq) or ()}
    assert changes == {"S-A-1": "1", "S-A-2": "0", "S-A-4": "1"}, "what streams send"


async def test_what_is_refused(office: BoxOffice) -> None:
    made = await call(office)
    other = await call(office)
    assert problem_of(await exchange(office, made, (0, "S-A-2")), 409) == "seat-taken"
    assert problem_of(await exchange(office, made, (0, "B-A-1")), 422) == "seat-of-another-zone"
    assert problem_of(await exchange(office, made, (0, "nowhere")), 422) == "unknown-seat"
    twice = await exchange(office, made, (0, "S-A-4"), (0, "S-A-4"))
    assert problem_of(twice, 422) == "invalid"
    assert {each["pointer"] for each in twice.json()["errors"]} == {"/seats/1/ticket_id", "/seats/1/seat"}
    foreign = await exchange(office, made._replace(booking=other.booking), (0, "S-A-4"))
    assert problem_of(foreign, 422) == "unknown-ticket"
    lost = await exchange(office, made._replace(path=made.path[:-4] + "0000"), (0, "S-A-4"))
    assert problem_of(lost, 404) == "booking-not-found"
    for headers, status in ((await office.as_member("door"), 403), (made.buyer.headers, 403)):
        assert (await exchange(office, made._replace(desk=headers), (0, "S-A-4"))).status_code == status
    held = await office.context.database.fetch_value(
        "SELECT count(*) FROM seat_claims WHERE event_id = $1", made.event.event_id
    )
    assert held == 2


async def test_the_buyer_and_the_holder_get_new_tickets(office: BoxOffice) -> None:
    made, friend = await call(office), await somebody(office, "Zoë")
    offered = await office.client.post(
        f"/v1/tickets/{made.tickets[1]}/transfers", json={"email": friend.email}, headers=made.buyer.headers
    )
    accepted = await office.client.post(
        f"/v1/transfers/{offered.json()['id']}/accept", headers=friend.headers
    )
    assert accepted.status_code == 200
    answer = await exchange(office, made, (0, "S-A-3"), (1, "S-A-4"))
    assert answer.status_code == 200, answer.text
    assert (await told(office, made.buyer))[-1] == "seats_changed"
    assert (await told(office, friend))[-1] == "seats_changed"
    assert (await letters(office, friend.email))[-1] == "seats_changed"
    while await office.context.mail.run_once() < 0.5:
        pass
    await office.context.mail.run_once()
    mails = await office.context.database.fetch(
        "SELECT address, state, answer, rendered FROM mail_messages WHERE kind = 'seats_changed'"
    )
    assert {each["address"] for each in mails} == {made.buyer.email, friend.email}
    assert {each["state"] for each in mails} == {"sent"}
    for each in mails:
        assert b"application/pdf" in each["rendered"]
        assert b"New seats" in each["rendered"]
    alone = await exchange(office, made, (1, "S-A-5"))
    assert alone.status_code == 200
    assert (await told(office, friend)).count("seats_changed") == 2
    assert (await told(office, made.buyer)).count("seats_changed") == 1, "their seat is as before"
    assert found(await inspect(office.context.database)) == {}


async def test_tickets_are_sent_again_to_the_buyer_alone_and_not_without_end(office: BoxOffice) -> None:
    made = await call(office)
    for _ in range(outbox.RESENT_MAX):
        answer = await office.client.post(f"{made.path}/resend", headers=made.desk)
        assert (answer.status_code, answer.json()) == (202, {"address": made.buyer.email})
    refused = await office.client.post(f"{made.path}/resend", headers=made.desk)
    assert problem_of(refused, 429) == "resent-too-often"
    door = await office.client.post(f"{made.path}/resend", headers=await office.as_member("door"))
    assert problem_of(door, 429) == "resent-too-often"
    stranger = await office.client.post(f"{made.path}/resend", headers=made.buyer.headers)
    assert stranger.status_code == 403
    while await office.context.mail.run_once() < 0.5:
        pass
    await office.context.mail.run_once()
    rows = await office.context.database.fetch(
        "SELECT address, state, rendered FROM mail_messages WHERE kind = 'tickets_resent'"
    )
    assert [(each["address"], each["state"]) for each in rows] == [(made.buyer.email, "sent")] * 5
    assert b"application/pdf" in rows[0]["rendered"]
    await office.context.database.fetch(
        "UPDATE mail_messages SET created_at = created_at - $1::interval WHERE kind = 'tickets_resent'",
        timedelta(days=1, seconds=1),
    )
    assert (await office.client.post(f"{made.path}/resend", headers=made.desk)).status_code == 202
    await office.post(f"{made.path}/cancel", made.desk)
    gone = await office.client.post(f"{made.path}/resend", headers=made.desk)
    assert problem_of(gone, 409) == "no-valid-ticket"


async def test_nothing_is_sent_to_a_closed_account(office: BoxOffice) -> None:
    made = await call(office)
    await office.context.database.fetch(
        "UPDATE people SET email = NULL, name = 'erased', erased_at = now() WHERE person_id = $1",
        made.buyer.person_id,
    )
    answer = await office.client.post(f"{made.path}/resend", headers=made.desk)
    assert problem_of(answer, 409) == "no-address"
