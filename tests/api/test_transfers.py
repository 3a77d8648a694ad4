"""Tickets that are passed on, over HTTP: who sees which code, who may do what, and what is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from evently import notifications, organizing, sales
from evently.audit import inspect
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from evently.reactions.tasks import cancel_bookings, release_due
from evently.web import passing
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.visitor import Visitor


class Somebody(NamedTuple):
    """A person with an address."""

    person_id: UUID
    email: str
    headers: dict[str, str]


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def somebody(
    office: BoxOffice, name: str = "Zoë Okafor", *, verified: bool = True, email: str | None = None
) -> Somebody:
    person_id = new_id()
    email = email or f"{person_id}@evently.example"
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO people (person_id, email, name, role, version, created_at, email_verified_at) "
            "VALUES ($1, $2, $3, 'buyer', 1, $4, $5)",
            person_id,
            email,
            name,
            utc_now(),
            utc_now() if verified else None,
        )
    return Somebody(person_id, email, office.as_person(person_id))


class Stage(NamedTuple):
    """A booking of two tickets, and who is about to get the first of them."""

    giver: Somebody
    receiver: Somebody
    booking: Any
    ticket: Any
    path: str  # of the first ticket


async def set_stage(office: BoxOffice, **sale: Any) -> Stage:
    giver, receiver = await somebody(office, "Mina Ito"), await somebody(office)
    event = await office.open_event(**{"capacity": 100, **sale})
    booking = (await office.book(event, giver.headers, 2)).json()
    ticket = booking["tickets"][0]
    return Stage(giver, receiver, booking, ticket, f"/v1/tickets/{ticket['id']}")


async def offer(office: BoxOffice, stage: Stage, **headers: str) -> Any:
    answer = await office.client.post(
        f"{stage.path}/transfers",
        json={"email": stage.receiver.email.upper()},
        headers=stage.giver.headers | headers,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def accepted(office: BoxOffice, stage: Stage) -> Any:
    transfer = await offer(office, stage)
    path = f"/v1/transfers/{transfer['id']}/accept"
    answer = await office.client.post(path, headers=stage.receiver.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_receiver_gets_another_code_and_the_old_one_is_void(office: BoxOffice) -> None:
    stage = await set_stage(office)
    transfer = await offer(office, stage)
    assert (transfer["state"], transfer["role"], transfer["email"]) == (
        "offered",
        "giver",
        stage.receiver.email,
    )
    path = f"/v1/transfers/{transfer['id']}"
    seen = (await office.client.get(path, headers=stage.receiver.headers)).json()
    assert (seen["role"], seen["giver_name"], seen["ticket_type_name"]) == ("receiver", "Mina Ito", "Regular")
    before = await office.client.get(stage.path, headers=stage.receiver.headers)
    assert problem_of(before, 404) == "ticket-not-found"
    done = (await office.client.post(f"{path}/accept", headers=stage.receiver.headers)).json()
    assert (done["state"], done["email"]) == ("accepted", stage.receiver.email)
    again = await office.client.post(f"{path}/accept", headers=stage.receiver.headers)
    assert again.json() == done

    mine = (await office.client.get(stage.path, headers=stage.receiver.headers)).json()
    assert mine["code"] not in (None, stage.ticket["code"])
    assert mine["code"][:26] == stage.ticket["code"][:26], "the ticket is the same"
    assert (mine["passed_on"], mine["number"], mine["tickets_of_booking"]) == (True, 1, 2)
    theirs = (await office.client.get(stage.path, headers=stage.giver.headers)).json()
    assert (theirs["code"], theirs["passed_on"]) == (None, True)
    qr = await office.client.get(f"{stage.path}/qr.svg", headers=stage.giver.headers)
    assert problem_of(qr, 409) == "no-valid-ticket"
    booking = (
        await office.client.get(f"/v1/bookings/{stage.booking['id']}", headers=stage.giver.headers)
    ).json()
    assert [each["code"] for each in booking["tickets"]] == [None, stage.booking["tickets"][1]["code"]]
    assert [each["passed_on"] for each in booking["tickets"]] == [True, False]
    other = f"/v1/tickets/{stage.booking['tickets'][1]['id']}"
    hidden = await office.client.get(other, headers=stage.receiver.headers)
    assert problem_of(hidden, 404) == "ticket-not-found"
    for path in (mine["qr_url"], mine["pdf_url"], mine["calendar_url"]):
        assert (await office.client.get(path, headers=stage.receiver.headers)).status_code == 200
    kept = await office.context.database.fetch(
        "SELECT secret FROM void_codes WHERE ticket_id = $1", parse_id("tkt", stage.ticket["id"])
    )
    assert len(kept) == 1
    assert found(await inspect(office.context.database)) == {}


async def test_what_browsers_keep_for_the_hall_follows_the_ticket(office: BoxOffice) -> None:
    stage = await set_stage(office)
    first, second = (each["id"] for each in stage.booking["tickets"])

    async def kept(headers: dict[str, str]) -> list[str]:
        answer = await Visitor(office, headers).client.get("/me/tickets/offline")
        return [each["address"].removeprefix("/tickets/") for each in answer.json()["tickets"]]

    assert await kept(stage.giver.headers) == [first, second]
    assert await kept(stage.receiver.headers) == []
    await accepted(office, stage)
    assert await kept(stage.giver.headers) == [second]
    assert await kept(stage.receiver.headers) == [first]


async def test_only_the_person_who_reads_the_address_accepts(office: BoxOffice) -> None:
    stage = await set_stage(office)
    transfer = await offer(office, stage)
    path = f"/v1/transfers/{transfer['id']}"
    stranger = await somebody(office)
    for verb in ("", "/accept", "/decline", "/withdraw"):
        send = office.client.post if verb else office.client.get
        assert problem_of(await send(f"{path}{verb}", headers=stranger.headers), 404) == "transfer-not-found"
    giver = await office.client.post(f"{path}/accept", headers=stage.giver.headers)
    assert problem_of(giver, 409) == "not-transferable"
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE people SET email_verified_at = NULL WHERE person_id = $1", stage.receiver.person_id
        )
    for verb in ("accept", "decline"):
        refused = await office.client.post(f"{path}/{verb}", headers=stage.receiver.headers)
        assert problem_of(refused, 403) == "email-not-verified"
    mine = (await office.client.get("/v1/me/transfers", headers=stage.receiver.headers)).json()
    assert mine["data"] == []


async def test_an_offer_is_declined_or_taken_back(office: BoxOffice) -> None:
    stage = await set_stage(office)
    first = await offer(office, stage)
    path = f"/v1/transfers/{first['id']}"
    for _ in range(2):
        declined = await office.client.post(f"{path}/decline", headers=stage.receiver.headers)
        assert declined.json()["state"] == "declined"
    refused = await office.client.post(f"{path}/accept", headers=stage.receiver.headers)
    assert problem_of(refused, 409) == "transfer-ended"
    assert "declined" in refused.json()["detail"]
    second = await offer(office, stage)
    path = f"/v1/transfers/{second['id']}"
    for _ in range(2):
        withdrawn = await office.client.post(f"{path}/withdraw", headers=stage.giver.headers)
        assert withdrawn.json()["state"] == "withdrawn"
    mine = (await office.client.get("/v1/me/transfers?limit=1", headers=stage.giver.headers)).json()
    assert [each["state"] for each in mine["data"]] == ["withdrawn"]
    more = await office.client.get(
        f"/v1/me/transfers?after={mine['next_cursor']}", headers=stage.receiver.headers
    )
    assert [(each["state"], each["role"]) for each in more.json()["data"]] == [("declined", "receiver")]
    theirs = (await office.client.get(stage.path, headers=stage.giver.headers)).json()
    assert theirs["code"] == stage.ticket["code"]


async def test_a_repeated_offer_is_one_offer_and_one_e_mail(office: BoxOffice) -> None:
    stage = await set_stage(office)
    first = await offer(office, stage, **{"Idempotency-Key": "once"})
    again = await offer(office, stage, **{"Idempotency-Key": "once"})
    other = await offer(office, stage)
    assert first == again == other
    elsewhere = await office.client.post(
        f"{stage.path}/transfers",
        json={"email": "ada@evently.example"},
        headers=stage.giver.headers | {"Idempotency-Key": "once"},
    )
    assert problem_of(elsewhere, 422) == "key-reused"
    elsewhere = await office.client.post(
        f"{stage.path}/transfers", json={"email": "ada@evently.example"}, headers=stage.giver.headers
    )
    assert problem_of(elsewhere, 409) == "not-transferable"
    assert len(await office.context.database.fetch("SELECT FROM transfers")) == 1


async def test_what_is_wrong_with_an_offer(office: BoxOffice) -> None:
    stage = await set_stage(office)

    async def ask(email: str, headers: dict[str, str], path: str = stage.path) -> Any:
        return await office.client.post(f"{path}/transfers", json={"email": email}, headers=headers)

    assert problem_of(await ask("nonsense", stage.giver.headers), 422) == "invalid"
    assert problem_of(await ask(stage.giver.email, stage.giver.headers), 409) == "not-transferable"
    assert problem_of(await ask("a@evently.example", stage.receiver.headers), 404) == "ticket-not-found"
    unknown = f"/v1/tickets/{show_id('tkt', new_id())}"
    assert problem_of(await ask("a@evently.example", stage.giver.headers, unknown), 404) == "ticket-not-found"
    await accepted(office, stage)
    assert problem_of(await ask("a@evently.example", stage.giver.headers), 409) == "ticket-passed-on"
    back = await office.client.post(f"{stage.path}/give-back", headers=stage.giver.headers)
    assert problem_of(back, 409) == "not-transferable"


async def test_a_buyer_cancels_only_what_they_hold(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    path = f"/v1/bookings/{stage.booking['id']}"
    whole = await office.client.post(f"{path}/cancel", json={}, headers=stage.giver.headers)
    assert problem_of(whole, 409) == "ticket-passed-on"
    assert "Name the other tickets" in whole.json()["detail"]
    quote = await office.client.get(f"{path}/cancellation-quote", headers=stage.giver.headers)
    assert problem_of(quote, 409) == "ticket-passed-on"
    ids = {"ticket_ids": [stage.ticket["id"]]}
    named = await office.client.post(f"{path}/cancel", json=ids, headers=stage.giver.headers)
    assert problem_of(named, 409) == "ticket-passed-on"
    foreign = await office.client.post(f"{path}/cancel", json=ids, headers=stage.receiver.headers)
    assert problem_of(foreign, 404) == "booking-not-found"

    given = await office.client.post(f"{stage.path}/give-back", headers=stage.receiver.headers)
    assert given.status_code == 204
    gone = await office.client.get(stage.path, headers=stage.receiver.headers)
    assert problem_of(gone, 404) == "ticket-not-found"
    back = (await office.client.get(stage.path, headers=stage.giver.headers)).json()
    assert back["code"] not in (None, stage.ticket["code"])
    whole = await office.client.post(f"{path}/cancel", json={}, headers=stage.giver.headers)
    assert whole.json()["state"] == "cancelled"
    assert found(await inspect(office.context.database)) == {}


async def test_a_stored_answer_keeps_the_old_code_and_the_audit_accepts_it(office: BoxOffice) -> None:
    giver, receiver = await somebody(office), await somebody(office)
    event = await office.open_event(capacity=10)
    booking = (await office.book(event, giver.headers, 1, key="k")).json()
    ticket = booking["tickets"][0]
    stage = Stage(giver, receiver, booking, ticket, f"/v1/tickets/{ticket['id']}")
    await accepted(office, stage)
    again = await office.book(event, giver.headers, 1, key="k")
    assert again.json() == booking, "the answer of then, with the code of then, which is void"
    assert found(await inspect(office.context.database)) == {}


async def test_limits_per_buyer_hold(office: BoxOffice) -> None:
    stage = await set_stage(office, per_buyer_max=2)
    event_path = f"/v1/events/{stage.booking['event_id']}/bookings"
    line = {"ticket_type_id": stage.ticket["ticket_type_id"], "quantity": 2}
    await accepted(office, stage)
    more = await office.client.post(
        event_path, json={"lines": [line | {"quantity": 1}]}, headers=stage.giver.headers
    )
    assert problem_of(more, 409) == "over-buyer-limit", "who passes on buys no more"
    two = await office.client.post(event_path, json={"lines": [line]}, headers=stage.receiver.headers)
    assert problem_of(two, 409) == "over-buyer-limit"
    one = await office.client.post(
        event_path, json={"lines": [line | {"quantity": 1}]}, headers=stage.receiver.headers
    )
    assert one.status_code == 201
    other = Stage(
        stage.giver,
        stage.receiver,
        stage.booking,
        stage.booking["tickets"][1],
        f"/v1/tickets/{stage.booking['tickets'][1]['id']}",
    )
    transfer = await offer(office, other)
    refused = await office.client.post(
        f"/v1/transfers/{transfer['id']}/accept", headers=stage.receiver.headers
    )
    assert problem_of(refused, 409) == "over-buyer-limit"


async def test_strangers_get_only_so_many_e_mails(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await set_stage(office)
    monkeypatch.setattr(passing, "OF_TICKET_MAX", 2)
    for number in range(2):
        transfer = await offer(office, stage, **{"Idempotency-Key": f"k{number}"})
        await office.client.post(f"/v1/transfers/{transfer['id']}/withdraw", headers=stage.giver.headers)
    body = {"email": stage.receiver.email}
    refused = await office.client.post(f"{stage.path}/transfers", json=body, headers=stage.giver.headers)
    assert problem_of(refused, 429) == "too-many-transfers"
    assert "2 times" in refused.json()["detail"]
    repeated = await offer(office, stage, **{"Idempotency-Key": "k1"})
    assert repeated["state"] == "withdrawn", "a request that is repeated gets its answer"
    second = f"/v1/tickets/{stage.booking['tickets'][1]['id']}/transfers"
    monkeypatch.setattr(passing, "TO_ADDRESS_MAX", 2)
    refused = await office.client.post(second, json=body, headers=stage.giver.headers)
    assert "This address" in refused.json()["detail"]
    monkeypatch.setattr(passing, "BY_GIVER_MAX", 2)
    refused = await office.client.post(
        second, json={"email": "ada@evently.example"}, headers=stage.giver.headers
    )
    assert "in one day" in refused.json()["detail"]


async def test_without_e_mail_nothing_is_offered(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        stage = await set_stage(office)
        body = {"email": stage.receiver.email}
        refused = await office.client.post(f"{stage.path}/transfers", json=body, headers=stage.giver.headers)
        assert problem_of(refused, 409) == "no-mail"


async def test_a_closed_account_gives_back_what_it_received(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    second = f"/v1/tickets/{stage.booking['tickets'][1]['id']}/transfers"
    third = await somebody(office)
    other = await office.open_event(capacity=10)
    own = (await office.book(other, stage.receiver.headers, 1)).json()["tickets"][0]
    path = f"/v1/tickets/{own['id']}/transfers"
    await office.client.post(path, json={"email": third.email}, headers=stage.receiver.headers)
    await office.client.post(second, json={"email": third.email}, headers=stage.giver.headers)
    context = office.context
    await sales.leaving.end_claims(
        context.database, context.engine, stage.receiver.person_id, utc_now(), cancel_tickets=True
    )
    rows = await context.database.fetch("SELECT giver_id, state, address FROM transfers")
    states = {(row["giver_id"], row["state"]) for row in rows}
    assert states == {
        (stage.giver.person_id, "accepted"),
        (stage.receiver.person_id, "withdrawn"),
        (stage.giver.person_id, "offered"),
    }
    assert {row["state"] for row in rows if row["address"] is not None} == {"offered"}
    back = (await office.client.get(stage.path, headers=stage.giver.headers)).json()
    assert back["code"] not in (None, stage.ticket["code"])
    assert back["passed_on"] is False
    gone = (await office.client.get(f"/v1/tickets/{own['id']}", headers=stage.receiver.headers)).json()
    assert gone["state"] == "void"
    assert found(await inspect(context.database)) == {}


async def test_a_buyer_who_leaves_loses_only_what_they_hold(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    context = office.context
    async with context.database.transaction() as tx:
        (ahead,) = await sales.reads.list_tickets_ahead(tx, stage.giver.person_id, utc_now())
    assert ahead.tickets == 1
    await sales.leaving.end_claims(
        context.database, context.engine, stage.giver.person_id, utc_now(), cancel_tickets=True
    )
    kept = (await office.client.get(stage.path, headers=stage.receiver.headers)).json()
    assert kept["state"] == "valid"
    assert kept["code"] is not None


async def test_the_clock_ends_offers_and_forgets_addresses(office: BoxOffice, database_url: str) -> None:
    stage = await set_stage(office)
    await offer(office, stage)
    context = office.context
    async with context.database.transaction() as tx:
        await tx.execute(
            "UPDATE transfers SET offered_at = offered_at - interval '8 days', "
            "expires_at = expires_at - interval '8 days'"
        )
    async with open_box_office(database_url) as other:  # a process that does not have the sale in memory
        assert await release_due(other.context.database, other.context.engine, other.context.clock) == 1
        assert await release_due(other.context.database, other.context.engine, other.context.clock) == 0
    row = await context.database.fetch_row("SELECT state, address FROM transfers")
    assert row is not None
    assert (row["state"], row["address"]) == ("expired", stage.receiver.email)
    await sales.leaving.forget_addresses(context.database, utc_now() + timedelta(days=31))
    assert await context.database.fetch_value("SELECT address FROM transfers") is None


async def told(office: BoxOffice, person: Somebody) -> list[str]:
    """Return the kinds of the notifications of a person, oldest first."""
    await office.deliver()
    page = (await office.client.get("/v1/me/notifications", headers=person.headers)).json()
    return [each["kind"] for each in reversed(page["data"])]


async def letters(office: BoxOffice, address: str) -> list[str]:
    """Send what is due, and return the kinds of the messages to an address, oldest first."""
    await office.deliver()
    await office.context.mail.run_once()
    rows = await office.context.database.fetch(
        "SELECT kind FROM mail_messages WHERE address = $1 AND state = 'sent' ORDER BY message_id", address
    )
    return [row["kind"] for row in rows]


async def test_each_step_is_told_to_whom_it_concerns(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await told(office, stage.giver)
    await accepted(office, stage)
    assert await told(office, stage.giver) == ["booking_confirmed", "transfer_accepted"]
    assert await told(office, stage.receiver) == ["ticket_received"]
    assert await letters(office, stage.receiver.email) == ["ticket_received"], "the offer has ended"
    await office.client.post(f"{stage.path}/give-back", headers=stage.receiver.headers)
    assert (await told(office, stage.giver))[2:] == ["ticket_given_back"]
    transfer = await offer(office, stage)
    assert (await letters(office, stage.receiver.email))[1:] == ["ticket_offered"]
    await office.client.post(f"/v1/transfers/{transfer['id']}/decline", headers=stage.receiver.headers)
    assert (await told(office, stage.giver))[3:] == ["transfer_declined"]
    assert (await letters(office, stage.giver.email))[1:] == [
        "transfer_accepted",
        "ticket_given_back",
        "transfer_declined",
    ]


async def test_an_address_without_an_account_gets_an_e_mail_and_no_more_than_one(office: BoxOffice) -> None:
    stage = await set_stage(office)
    body = {"email": "nobody@evently.example"}
    for _ in range(2):
        await office.client.post(f"{stage.path}/transfers", json=body, headers=stage.giver.headers)
    assert await letters(office, body["email"]) == ["ticket_offered"]
    raw = await office.context.database.fetch_value(
        "SELECT rendered FROM mail_messages WHERE address = $1", body["email"]
    )
    assert b"/transfers/trf_" in raw
    assert b"Mina Ito" in raw


async def test_the_holder_hears_of_a_cancelled_event_and_the_buyer_gets_the_money(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    await office.deliver()
    event_id = parse_id("evt", stage.booking["event_id"])
    await sales_cancel(office, event_id)
    assert (await told(office, stage.receiver))[1:] == ["ticket_lost"]
    assert (await told(office, stage.giver))[-1] == "booking_cancelled"
    assert (await letters(office, stage.receiver.email))[-1] == "ticket_lost"


async def sales_cancel(office: BoxOffice, event_id: UUID) -> None:
    """Cancel an event with its bookings, as its organizer and the job do."""
    context = office.context
    async with context.database.transaction() as tx:
        await organizing.cancel_event(tx, event_id, utc_now())
    await cancel_bookings(context.database, context.engine, event_id)


async def test_holders_are_reminded_and_told_of_another_time(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    await office.deliver()
    context, event_id = office.context, parse_id("evt", stage.booking["event_id"])
    booking_id = parse_id("bkg", stage.booking["id"])
    for _ in range(2):
        async with context.database.transaction() as tx:
            starts_at = utc_now() + timedelta(days=30)
            await notifications.add_for_bookings(
                tx, event_id, 1, "event_rescheduled", utc_now(), [booking_id]
            )
            await notifications.add_reminders(
                tx, event_id, starts_at.replace(microsecond=0), utc_now(), [booking_id]
            )
    assert (await told(office, stage.receiver))[1:3] == ["event_rescheduled", "event_reminder"]
    assert "event_reminder" in await told(office, stage.giver), "one ticket is still theirs"


async def test_a_name_on_a_ticket_ends_with_its_holder(office: BoxOffice) -> None:
    stage = await set_stage(office)

    async def name(person: Somebody, text: str) -> Any:
        tag = (await office.client.get(stage.path, headers=person.headers)).headers["etag"]
        return await office.client.patch(
            stage.path, json={"attendee_name": text}, headers=person.headers | {"if-match": tag}
        )

    assert (await name(stage.giver, "Grace Hopper")).status_code == 200
    await accepted(office, stage)
    mine = (await office.client.get(stage.path, headers=stage.receiver.headers)).json()
    assert mine["attendee_name"] is None
    await office.deliver()
    assert await office.context.database.fetch("SELECT FROM attendee_names") == []
    assert (await name(stage.receiver, "Ada Lovelace")).json()["attendee_name"] == "Ada Lovelace"
    assert problem_of(await name(stage.giver, "Grace Hopper"), 409) == "name-fixed"
    theirs = (await office.client.get(stage.path, headers=stage.giver.headers)).json()
    assert theirs["attendee_name"] is None, "the name of another person is not shown"
