"""Names on tickets over HTTP: the organizer's setting, giving and changing, lists, erasure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from evently import attendees
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, instant, open_box_office, problem_of
from tests.support.issued import texts_of

DAY = timedelta(days=1)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def set_names(office: BoxOffice, event: Event, **changes: Any) -> httpx2.Response:
    """Change the setting of an event as its organizer does."""
    path, owner = f"/v1/events/{show_id('evt', event.event_id)}", await office.as_member("owner")
    etag = (await office.client.get(path, headers=owner)).headers["etag"]
    changed = await office.client.patch(path, json=changes, headers=owner | {"if-match": etag})
    office.context.booked_events._memory.forget_all()  # pages of bookings show it a moment later
    return changed


async def booked(
    office: BoxOffice, quantity: int = 2, **setting: Any
) -> tuple[Event, dict[str, str], list[str], str]:
    """Return an event under a setting, a buyer, and the ids of the tickets and of the booking."""
    event = await office.open_event(capacity=100, per_booking_max=100)
    if setting:
        assert (await set_names(office, event, **setting)).status_code == 200
    buyer = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, buyer, quantity)).json()
    return event, buyer, [ticket["id"] for ticket in booking["tickets"]], booking["id"]


async def give(
    office: BoxOffice, buyer: dict[str, str], ticket_id: str, name: Any, version: str = "*"
) -> httpx2.Response:
    return await office.client.patch(
        f"/v1/tickets/{ticket_id}", json={"attendee_name": name}, headers=buyer | {"if-match": version}
    )


async def test_a_buyer_gives_changes_and_takes_back_a_name(office: BoxOffice) -> None:
    _, buyer, (first, second), booking_id = await booked(office)
    path = f"/v1/tickets/{first}"
    before = await office.client.get(path, headers=buyer)
    assert (before.json()["attendee_name"], before.headers["etag"]) == (None, '"0"')
    assert instant(before.json()["attendee_name_until"]) == instant(before.json()["event"]["starts_at"])
    missing = await office.client.patch(path, json={"attendee_name": "Grace"}, headers=buyer)
    assert problem_of(missing, 428) == "if-match-missing"
    given = await give(office, buyer, first, "  Grace  Hopper ", '"0"')
    assert given.status_code == 200, given.text
    assert (given.json()["attendee_name"], given.headers["etag"]) == ("Grace Hopper", '"1"')
    assert given.json() == (await office.client.get(path, headers=buyer)).json()
    assert problem_of(await give(office, buyer, first, "Linus", '"0"'), 412) == "stale"
    same = await give(office, buyer, first, "Grace Hopper", '"1"')
    assert same.headers["etag"] == '"1"', "nothing was changed"
    taken = await give(office, buyer, first, None, '"1"')
    assert (taken.json()["attendee_name"], taken.headers["etag"]) == (None, '"2"')
    assert (await give(office, buyer, first, "Grace", '"2"')).status_code == 200
    untouched = await office.client.patch(path, json={}, headers=buyer | {"if-match": '"3"'})
    assert (untouched.status_code, untouched.json()["attendee_name"]) == (200, "Grace")
    said = (await office.client.get(f"/v1/bookings/{booking_id}/tickets", headers=buyer)).json()["data"]
    assert [(each["id"], each["attendee_name"]) for each in said] == [(first, "Grace"), (second, None)]


async def test_only_the_buyer_gives_names(office: BoxOffice) -> None:
    event, buyer, (first, _), booking_id = await booked(office)
    await give(office, buyer, first, "Grace Hopper")
    stranger, owner = await as_named_buyer(office, "Mallory"), await office.as_member("owner")
    for headers in (stranger, owner):
        assert problem_of(await give(office, headers, first, "Mallory"), 404) == "ticket-not-found"
        listed = await office.client.get(f"/v1/bookings/{booking_id}/tickets", headers=headers)
        assert problem_of(listed, 404) == "booking-not-found"
    anonymous = await office.client.patch(f"/v1/tickets/{first}", json={"attendee_name": "Mallory"})
    assert anonymous.status_code == 401
    path = f"/v1/events/{show_id('evt', event.event_id)}/tickets/{first}"
    assert (await office.client.get(path, headers=owner)).json()["attendee_name"] == "Grace Hopper"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "blank"),
        (" \u3000 ", "blank"),
        ("N" * 201, "name-length"),
        ("Grace\u0000Hopper", "nul-character"),
        ("Grace\rHopper", "control-characters"),
        ("Grace\u202eHopper", "direction-characters"),
        ("Grace\u2029Hopper", "line-separators"),
    ],
)
async def test_a_wrong_name_is_refused_and_the_old_one_stays(office: BoxOffice, name: str, code: str) -> None:
    _, buyer, (first, _), _ = await booked(office)
    await give(office, buyer, first, "Grace Hopper")
    answer = await give(office, buyer, first, name)
    assert problem_of(answer, 422) == "invalid"
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/attendee_name", code)]
    said = (await office.client.get(f"/v1/tickets/{first}", headers=buyer)).json()
    assert said["attendee_name"] == "Grace Hopper"


async def test_the_organizer_sets_whether_and_until_when(office: BoxOffice) -> None:
    event = await office.open_event()
    path = f"/v1/events/{show_id('evt', event.event_id)}"
    said = (await office.client.get(path)).json()
    assert (said["attendee_names"], said["names_hours_before"], said["names_until"]) == ("optional", 0, None)
    until = (event.starts_at - DAY).isoformat()
    changed = await set_names(office, event, attendee_names="required", names_until=until)
    assert changed.status_code == 200
    assert changed.json()["attendee_names"] == "required"
    assert instant(changed.json()["names_until"]) == event.starts_at - DAY
    owner = await office.as_member("owner")
    stale = await office.client.patch(
        path, json={"attendee_names": "optional"}, headers=owner | {"if-match": '"1"'}
    )
    assert problem_of(stale, 412) == "stale"
    for wrong, pointer, code in (
        ({"attendee_names": "sometimes"}, "/attendee_names", "not-as-expected"),
        ({"names_hours_before": -1}, "/names_hours_before", "out-of-range"),
        ({"names_hours_before": 8_785}, "/names_hours_before", "out-of-range"),
        ({"names_until": (event.ends_at + DAY).isoformat()}, "/names_until", "after-the-event"),
        ({"names_until": "0001-01-01T00:00:00Z"}, "/names_until", "too-far-away"),
    ):
        answer = await set_names(office, event, **wrong)
        assert problem_of(answer, 422) == "invalid", wrong
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [(pointer, code)]
    back = await set_names(office, event, names_until=None, names_hours_before=48)
    assert (back.json()["names_until"], back.json()["names_hours_before"]) == (None, 48)
    # The end of the event comes before the instant of the organizer: it ends the changes of names
    await set_names(office, event, names_until=event.ends_at.isoformat())
    earlier = (event.ends_at - timedelta(hours=1)).isoformat()
    assert (await set_names(office, event, ends_at=earlier)).status_code == 200


async def test_a_new_event_has_a_setting(office: BoxOffice) -> None:
    starts_at = utc_now() + 30 * DAY
    body = {
        "organizer_id": show_id("org", office.venue.organizer_id),
        "venue_id": show_id("ven", office.venue.venue_id),
        "title": "Named",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + DAY / 8).isoformat(),
        "currency": "EUR",
        "attendee_names": "not_asked",
        "names_hours_before": 6,
    }
    owner = await office.as_member("owner")
    made = await office.client.post("/v1/events", json=body, headers=owner)
    assert made.status_code == 201, made.text
    assert (made.json()["attendee_names"], made.json()["names_hours_before"]) == ("not_asked", 6)
    body["names_until"] = (starts_at + DAY).isoformat()
    refused = await office.client.post("/v1/events", json=body, headers=owner)
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/names_until"]


async def test_after_the_time_a_change_is_refused_with_the_time(office: BoxOffice) -> None:
    until = (utc_now() - timedelta(minutes=1)).replace(microsecond=0)
    event, buyer, (first, _), _ = await booked(office)
    await give(office, buyer, first, "Grace Hopper")
    await set_names(office, event, names_until=until.isoformat())
    answer = await give(office, buyer, first, "Linus")
    assert problem_of(answer, 409) == "name-fixed"
    assert instant(answer.json()["until"]) == until
    assert answer.json()["detail"] == f"Names could be changed until {until:%Y-%m-%d %H:%M} UTC."
    said = (await office.client.get(f"/v1/tickets/{first}", headers=buyer)).json()
    assert (said["attendee_name"], said["attendee_name_until"]) == ("Grace Hopper", None)


async def test_names_that_are_not_asked_for_are_not_given_and_not_shown(office: BoxOffice) -> None:
    event, buyer, (first, _), _ = await booked(office)
    await give(office, buyer, first, "Grace Hopper")
    await set_names(office, event, attendee_names="not_asked")
    assert problem_of(await give(office, buyer, first, "Linus"), 409) == "names-not-asked"
    said = (await office.client.get(f"/v1/tickets/{first}", headers=buyer)).json()
    assert (said["attendee_name"], said["attendee_name_until"]) == (None, None)
    owner = await office.as_member("owner")
    path = f"/v1/events/{show_id('evt', event.event_id)}/attendees"
    assert "Grace" not in (await office.client.get(path, headers=owner)).text


async def test_the_name_on_a_ticket_that_admits_nobody_cannot_be_changed(office: BoxOffice) -> None:
    event, buyer, (first, second), booking_id = await booked(office)
    await office.client.post(f"/v1/bookings/{booking_id}/cancel", json={"ticket_ids": [first]}, headers=buyer)
    answer = await give(office, buyer, first, "Grace")
    assert problem_of(answer, 409) == "name-fixed"
    assert answer.json()["detail"] == "This ticket is void."
    await office.client.post(
        f"/v1/events/{show_id('evt', event.event_id)}/cancel", headers=await office.as_member("owner")
    )
    answer = await give(office, buyer, second, "Grace")
    assert problem_of(answer, 409) == "name-fixed"


async def test_the_name_stands_on_the_pdf_and_changes_its_tag(office: BoxOffice) -> None:
    _, buyer, (first, second), booking_id = await booked(office)
    path = f"/v1/bookings/{booking_id}/tickets.pdf"
    before = await office.client.get(path, headers=buyer)
    assert "Booked by" in texts_of(before.content)[0]
    for ticket_id, name in ((first, "Grace Hopper"), (second, "Жанна <script>#emph[x]")):
        assert (await give(office, buyer, ticket_id, name)).status_code == 200
    after = await office.client.get(path, headers=buyer | {"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    pages = texts_of(after.content)
    assert "Grace Hopper" in pages[0]
    assert "Ada Lovelace" in pages[0], "who booked stays on it"
    assert "Жанна <script>#emph[x]" in pages[1]
    assert "Grace" not in pages[1]


async def test_the_organizer_lists_and_exports_attendees(office: BoxOffice) -> None:
    event, buyer, (first, second, third), booking_id = await booked(office, 3)
    await give(office, buyer, first, '=HYPERLINK("x")')
    await give(office, buyer, third, "Grace; Hopper")
    other = await as_named_buyer(office, "Bob")
    (fourth,) = [each["id"] for each in (await office.book(event, other)).json()["tickets"]]
    await office.client.post(f"/v1/bookings/{booking_id}/cancel", json={"ticket_ids": [third]}, headers=buyer)
    path, door = f"/v1/events/{show_id('evt', event.event_id)}/attendees", await office.as_member("door")
    listed = (await office.client.get(path, headers=door)).json()["data"]
    assert [(each["ticket_id"], each["attendee_name"], each["buyer_name"]) for each in listed] == [
        (first, '=HYPERLINK("x")', "Ada Lovelace"),
        (second, None, "Ada Lovelace"),
        (fourth, None, "Bob"),
    ]
    assert listed[0]["booking_id"] == booking_id
    assert listed[0]["ticket_type_name"] == "Regular"
    unnamed = (await office.client.get(f"{path}?named=false&limit=1", headers=door)).json()
    assert [each["ticket_id"] for each in unnamed["data"]] == [second]
    rest = await office.client.get(f"{path}?named=false&limit=1&after={unnamed['next_cursor']}", headers=door)
    assert [each["ticket_id"] for each in rest.json()["data"]] == [fourth]
    named = (await office.client.get(f"{path}?named=true", headers=door)).json()["data"]
    assert [each["ticket_id"] for each in named] == [first]
    assert problem_of(await office.client.get(path, headers=buyer), 403) == "forbidden"

    manager = await office.as_member("manager")
    file = await office.client.get(f"{path}.csv", headers=manager)
    assert file.status_code == 200
    assert file.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [(row["ticket_id"], row["attendee_name"]) for row in rows] == [
        (first, '\'=HYPERLINK("x")'),
        (second, ""),
        (fourth, ""),
    ]
    assert rows[0]["buyer_name"] == "Ada Lovelace"
    assert problem_of(await office.client.get(f"{path}.csv", headers=door), 403) == "forbidden"
    nobody = await office.open_event()
    empty = await office.client.get(
        f"/v1/events/{show_id('evt', nobody.event_id)}/attendees.csv?byte_order_mark=false", headers=manager
    )
    assert empty.content.startswith(b"reference,booking_id,ticket_id,")
    assert empty.content.count(b"\r\n") == 1


async def test_names_are_in_no_journal_and_no_log(
    office: BoxOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    _, buyer, (first, _), _ = await booked(office)
    await give(office, buyer, first, "Unforgettable Q. Name")
    await give(office, buyer, first, "Unforgettable\u202eName")
    await office.deliver()
    database = office.context.database
    rows = await database.fetch("SELECT facts FROM journal")
    assert rows
    assert not any(b"Unforgettable" in bytes(row["facts"]) for row in rows)
    written = capsys.readouterr()
    assert "Unforgettable" not in written.out + written.err


async def test_a_name_ends_when_its_ticket_gets_another_buyer(office: BoxOffice) -> None:
    event, buyer, (first, _), booking_id = await booked(office)
    await give(office, buyer, first, "Grace Hopper")
    database, other = office.context.database, await as_named_buyer(office, "Bob")
    bob = (await office.client.get("/v1/me", headers=other)).json()["id"]
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE bookings SET buyer_id = $1 WHERE booking_id = $2",
            parse_id("per", bob),
            parse_id("bkg", booking_id),
        )
    said = (await office.client.get(f"/v1/tickets/{first}", headers=other)).json()
    assert said["attendee_name"] is None, "the name that another buyer gave does not count"
    door = await office.as_member("door")
    path = f"/v1/events/{show_id('evt', event.event_id)}/attendees"
    assert "Grace" not in (await office.client.get(path, headers=door)).text
    assert (await give(office, other, first, "Bob", '"0"')).json()["attendee_name"] == "Bob"
    async with database.transaction() as tx:
        await attendees.clear_names(tx, [event.event_id], [parse_id("tkt", first)])
    said = (await office.client.get(f"/v1/tickets/{first}", headers=other)).json()
    assert said["attendee_name"] == "Bob", "the name of the holder stays"
    async with database.transaction() as tx:
        await tx.execute("UPDATE bookings SET buyer_id = $1", new_id())
        for _ in range(2):
            await attendees.clear_names(tx, [event.event_id], [parse_id("tkt", first)])
    assert await database.fetch_value("SELECT count(*) FROM attendee_names") == 0


async def test_names_leave_with_the_account_of_who_gave_them(office: BoxOffice) -> None:
    event = await office.open_event()
    accounts = office.context.accounts
    await accounts.register("ada@example.org", "Ada Lovelace", "nine lively herons wade", None)
    login = {"email": "ada@example.org", "password": "nine lively herons wade"}
    tokens = (await office.client.post("/v1/auth/login", json=login)).json()
    buyer = {"Authorization": f"Bearer {tokens['access_token']}"}
    booking = (await office.book(event, buyer, 1)).json()
    ticket_id = booking["tickets"][0]["id"]
    assert (await give(office, buyer, ticket_id, "Grace Hopper")).status_code == 200
    closed = await office.client.request(
        "DELETE",
        "/v1/me?confirm=lose_tickets",
        content=json.dumps({"password": login["password"]}),
        headers=buyer | {"content-type": "application/json"},
    )
    assert closed.status_code == 204, closed.text
    database = office.context.database
    assert await database.fetch_value("SELECT count(*) FROM attendee_names") == 0
    door = await office.as_member("door")
    path = f"/v1/events/{show_id('evt', event.event_id)}/attendees"
    (listed,) = (await office.client.get(path, headers=door)).json()["data"]
    assert (listed["ticket_id"], listed["attendee_name"], listed["buyer_name"]) == (ticket_id, None, None)
    late = await give(office, buyer, ticket_id, "Grace Hopper")
    assert late.status_code in (401, 404), "nobody writes names after the erasure"
    assert await database.fetch_value("SELECT count(*) FROM attendee_names") == 0
