"""Tickets over HTTP: who sees a code, what is printed, what is void."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from evently.mail.files import Files
from evently.mail.nouns import Message, Notified
from evently.mail.reading import Reader
from evently.sales.commands.bookings import UNITS_MAX
from tests.support.box_office import BoxOffice, instant, open_box_office, problem_of
from tests.support.catalogue import make_organizer
from tests.support.certificates import make_wallet_files
from tests.support.issued import codes_of, texts_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def as_named_buyer(office: BoxOffice, name: str) -> dict[str, str]:
    person_id = new_id()
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO people (person_id, email, name, role, version, created_at) VALUES "
            "($1, $2, $3, 'buyer', 1, $4)",
            person_id,
            f"{person_id}@evently.example",
            name,
            utc_now(),
        )
    return office.as_person(person_id)


async def booked(office: BoxOffice, buyer: dict[str, str], quantity: int = 2) -> tuple[Event, Any]:
    event = await office.open_event(capacity=100, per_booking_max=100)
    return event, (await office.book(event, buyer, quantity)).json()


async def test_a_ticket_is_shown_with_all_that_is_printed_on_it(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    event, booking = await booked(office, buyer)
    ticket = booking["tickets"][1]
    answer = await office.client.get(f"/v1/tickets/{ticket['id']}", headers=buyer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert said["code"] == ticket["code"]
    assert said["booking_id"] == booking["id"]
    assert (said["number"], said["tickets_of_booking"], said["reference"]) == (2, 2, booking["reference"])
    assert said["ticket_type_name"] == "Regular"
    assert said["total"] == said["amount_due"] == ticket["total"], "it is paid at the door"
    assert said["event"]["title"] == event.title
    assert instant(said["event"]["starts_at"]) == event.starts_at
    assert said["event"]["organizer_name"] == "Klangwerk"
    assert said["venue"]["city"] == "Berlin"
    for link in (said["qr_url"], said["pdf_url"]):
        assert (await office.client.get(link, headers=buyer)).status_code == 200


async def test_only_the_buyer_sees_a_code(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    event, booking = await booked(office, buyer, 1)
    ticket_id = booking["tickets"][0]["id"]
    strangers = [
        office.as_buyer(),
        await office.as_member("owner"),
        await office.as_member("owner", await make_organizer(office.context.database)),
        office.as_person(new_id(), "admin"),
    ]
    for headers in strangers:
        for path in (f"/v1/tickets/{ticket_id}", f"/v1/tickets/{ticket_id}/qr.svg"):
            assert problem_of(await office.client.get(path, headers=headers), 404) == "ticket-not-found"
        pdf = await office.client.get(f"/v1/bookings/{booking['id']}/tickets.pdf", headers=headers)
        assert problem_of(pdf, 404) == "booking-not-found"
    unknown = await office.client.get(f"/v1/tickets/{show_id('tkt', new_id())}", headers=buyer)
    assert problem_of(unknown, 404) == "ticket-not-found"
    assert (await office.client.get(f"/v1/tickets/{ticket_id}")).status_code == 401

    path = f"/v1/events/{show_id('evt', event.event_id)}/tickets/{ticket_id}"
    said = (await office.client.get(path, headers=await office.as_member("door"))).json()
    assert said["id"] == ticket_id
    assert [said["code"], said["qr_url"], said["pdf_url"]] == [None, None, None]
    other = await office.open_event()
    path = f"/v1/events/{show_id('evt', other.event_id)}/tickets/{ticket_id}"
    found = await office.client.get(path, headers=await office.as_member("door"))
    assert problem_of(found, 404) == "ticket-not-found"


async def test_the_pdf_has_a_page_for_each_ticket(office: BoxOffice) -> None:
    buyer = await as_named_buyer(office, "Ada Lovelace")
    _, booking = await booked(office, buyer)
    path = f"/v1/bookings/{booking['id']}/tickets.pdf"
    answer = await office.client.get(path, headers=buyer | {"accept-encoding": "br"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-disposition"] == f'inline; filename="tickets-{booking["reference"]}.pdf"'
    assert "content-encoding" not in answer.headers, "a PDF is compressed already"
    assert [codes_of(answer.content, page) for page in range(2)] == [
        [ticket["code"]] for ticket in booking["tickets"]
    ]
    assert "Ada Lovelace" in texts_of(answer.content)[0]
    again = await office.client.get(path, headers=buyer | {"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_a_change_of_the_event_changes_the_pdf(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    event, booking = await booked(office, buyer)
    path = f"/v1/bookings/{booking['id']}/tickets.pdf"
    before = await office.client.get(path, headers=buyer)
    shown, owner = show_id("evt", event.event_id), await office.as_member("owner")
    etag = (await office.client.get(f"/v1/events/{shown}", headers=owner)).headers["etag"]
    patched = await office.client.patch(
        f"/v1/events/{shown}", json={"title": "Blues by day"}, headers=owner | {"if-match": etag}
    )
    assert patched.status_code == 200, patched.text
    after = await office.client.get(path, headers=buyer | {"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert "Blues by day" in texts_of(after.content)[0]


async def test_the_qr_code_is_private_and_revalidated(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    _, booking = await booked(office, buyer)
    path = f"/v1/tickets/{booking['tickets'][0]['id']}/qr.svg"
    answer = await office.client.get(path, headers=buyer)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "<title>Ticket 1 of 2, Jazz by night</title>" in answer.text
    again = await office.client.get(path, headers=buyer | {"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_a_seat_is_printed_with_its_label(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(payment="door"), office.as_buyer()
    types = await office.types(event)
    answer = await office.place(event, buyer, {"ticket_type_id": types["Balcony"], "seats": ["B-A-2"]})
    assert answer.status_code == 201, answer.text
    booking = answer.json()
    said = (await office.client.get(f"/v1/tickets/{booking['tickets'][0]['id']}", headers=buyer)).json()
    assert said["seat_label"] == booking["tickets"][0]["seat"]["label"]
    pdf = await office.client.get(said["pdf_url"], headers=buyer)
    assert said["seat_label"] in texts_of(pdf.content)[0]


async def test_a_hold_has_no_ticket_yet(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(payment="online"), office.as_buyer()
    types = await office.types(event)
    booking = (await office.place(event, buyer, {"ticket_type_id": types["Floor"], "quantity": 1})).json()
    assert booking["state"] == "held"
    ticket_id = booking["tickets"][0]["id"]
    said = (await office.client.get(f"/v1/tickets/{ticket_id}", headers=buyer)).json()
    assert [said["code"], said["qr_url"], said["pdf_url"]] == [None, None, None]
    for path in (f"/v1/tickets/{ticket_id}/qr.svg", f"/v1/bookings/{booking['id']}/tickets.pdf"):
        refused = await office.client.get(path, headers=buyer)
        assert problem_of(refused, 409) == "no-valid-ticket"
        assert "not confirmed yet" in refused.json()["detail"]


async def test_void_tickets_say_so(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    _, booking = await booked(office, buyer, 3)
    cancelled, kept, _ = booking["tickets"]
    cancel = f"/v1/bookings/{booking['id']}/cancel"
    await office.post(cancel, buyer, ticket_ids=[cancelled["id"]])
    said = (await office.client.get(f"/v1/tickets/{cancelled['id']}", headers=buyer)).json()
    assert (said["state"], said["code"]) == ("void", None)
    refused = await office.client.get(f"/v1/tickets/{cancelled['id']}/qr.svg", headers=buyer)
    assert problem_of(refused, 409) == "no-valid-ticket"
    assert refused.json()["detail"] == "This ticket is void."
    pdf = f"/v1/bookings/{booking['id']}/tickets.pdf"
    pages = (await office.client.get(pdf, headers=buyer)).content
    assert codes_of(pages) == [kept["code"]]
    assert "2 of 3; 1 cancelled" in texts_of(pages)[0]
    await office.post(cancel, buyer)
    refused = await office.client.get(pdf, headers=buyer)
    assert problem_of(refused, 409) == "no-valid-ticket"
    assert refused.json()["detail"] == "All tickets of the booking are void."


async def test_a_cancelled_event_has_no_tickets(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    event, booking = await booked(office, buyer)
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, event.event_id, utc_now())
    refused = await office.client.get(f"/v1/bookings/{booking['id']}/tickets.pdf", headers=buyer)
    assert problem_of(refused, 409) == "no-valid-ticket"
    assert "The event was cancelled" in refused.json()["detail"]


async def test_an_account_that_was_closed_leaves_no_name(office: BoxOffice) -> None:
    buyer = await as_named_buyer(office, "Ada Lovelace")
    _, booking = await booked(office, buyer)
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE people SET name = 'erased', email = NULL, erased_at = $2 WHERE person_id = $1",
            parse_id("per", booking["buyer_id"]),
            utc_now(),
        )
    pages = (await office.client.get(f"/v1/bookings/{booking['id']}/tickets.pdf", headers=buyer)).content
    assert "erased" not in texts_of(pages)[0]
    assert "Booked by" not in texts_of(pages)[0]


async def test_the_largest_booking_is_printed(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    _, booking = await booked(office, buyer, UNITS_MAX)
    answer = await office.client.get(f"/v1/bookings/{booking['id']}/tickets.pdf", headers=buyer)
    assert len(texts_of(answer.content)) == UNITS_MAX
    assert codes_of(answer.content, UNITS_MAX - 1) == [booking["tickets"][-1]["code"]]


async def test_past_events_keep_their_tickets(office: BoxOffice) -> None:
    event = await office.open_event(starts_in=timedelta(hours=1))
    buyer = office.as_buyer()
    booking = (await office.book(event, buyer)).json()
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE events SET starts_at = starts_at - interval '1 day', "
            "ends_at = ends_at - interval '1 day' WHERE event_id = $1",
            event.event_id,
        )
    answer = await office.client.get(f"/v1/bookings/{booking['id']}/tickets.pdf", headers=buyer)
    assert answer.status_code == 200


def entry_of(calendar: bytes) -> Any:
    (entry,) = icalendar.Calendar.from_ical(calendar).walk("VEVENT")
    return entry


async def test_a_booking_goes_into_a_calendar(database_url: str) -> None:
    async with open_box_office(database_url, public_url="https://tickets.example") as office:
        buyer = office.as_buyer()
        event, booking = await booked(office, buyer)
        path = f"/v1/bookings/{booking['id']}/calendar.ics"
        answer = await office.client.get(path, headers=buyer)
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        entry = entry_of(answer.content)
        assert entry["url"] == f"https://tickets.example/bookings/{booking['id']}"
        assert entry.decoded("dtstart") == event.starts_at.replace(microsecond=0)
        unchanged = await office.client.get(path, headers=buyer | {"if-none-match": answer.headers["etag"]})
        assert unchanged.status_code == 304
        await office.post(f"/v1/bookings/{booking['id']}/cancel", buyer)
        after = entry_of((await office.client.get(path, headers=buyer)).content)
        assert (after["uid"], after["status"]) == (entry["uid"], "CANCELLED")
        assert after["sequence"] > entry["sequence"]
        stranger = await office.client.get(path, headers=office.as_buyer())
        assert problem_of(stranger, 404) == "booking-not-found"


async def test_wallets_are_offered_where_they_are_configured(database_url: str, tmp_path: Path) -> None:
    files = make_wallet_files(tmp_path)
    settings = {name: getattr(files, name) for name in files.__struct_fields__}
    async with open_box_office(database_url, **settings) as office:
        buyer = office.as_buyer()
        _, booking = await booked(office, buyer)
        void, ticket = booking["tickets"]
        await office.post(f"/v1/bookings/{booking['id']}/cancel", buyer, ticket_ids=[void["id"]])
        said = (await office.client.get(f"/v1/tickets/{ticket['id']}", headers=buyer)).json()
        offered = await office.client.get(said["wallet_url"], headers=buyer)
        assert offered.headers["cache-control"] == "no-store"
        assert offered.json()["google_url"].startswith("https://pay.google.com/gp/v/save/")
        archive = await office.client.get(offered.json()["apple_url"], headers=buyer)
        assert archive.headers["content-type"] == "application/vnd.apple.pkpass"
        packed = zipfile.ZipFile(io.BytesIO(archive.content))
        assert json.loads(packed.read("pass.json"))["barcodes"][0]["message"] == ticket["code"]
        for path in (said["wallet_url"], offered.json()["apple_url"]):
            stranger = await office.client.get(path, headers=office.as_buyer())
            assert problem_of(stranger, 404) == "ticket-not-found"
            gone = await office.client.get(path.replace(ticket["id"], void["id"]), headers=buyer)
            assert problem_of(gone, 409) == "no-valid-ticket"


async def test_the_page_of_a_ticket_offers_the_wallets_that_are_configured(
    database_url: str, tmp_path: Path
) -> None:
    files = make_wallet_files(tmp_path)
    settings = {name: getattr(files, name) for name in files.__struct_fields__}
    async with open_box_office(database_url, **settings) as office:
        session = office.as_buyer()
        _, booking = await booked(office, session)
        void, ticket = booking["tickets"]
        await office.post(f"/v1/bookings/{booking['id']}/cancel", session, ticket_ids=[void["id"]])
        buyer, address = Visitor(office, session), f"/tickets/{ticket['id']}"
        text = await buyer.read(address)
        assert f'href="{address}/apple.pkpass">Add to Apple Wallet</a>' in text
        assert f'href="{address}/google-wallet">Add to Google Wallet</a>' in text
        archive = await buyer.client.get(f"{address}/apple.pkpass")
        assert archive.headers["content-type"] == "application/vnd.apple.pkpass"
        assert archive.headers["cache-control"] == "no-store"
        packed = zipfile.ZipFile(io.BytesIO(archive.content))
        assert json.loads(packed.read("pass.json"))["barcodes"][0]["message"] == ticket["code"]
        saved = await buyer.client.get(f"{address}/google-wallet")
        assert (saved.status_code, saved.headers["cache-control"]) == (303, "no-store")
        assert saved.headers["location"].startswith("https://pay.google.com/gp/v/save/")
        assert "Wallet" not in await buyer.read(f"/tickets/{void['id']}")
        stranger = Visitor(office, office.as_buyer())
        for more in ("apple.pkpass", "google-wallet"):
            assert (await buyer.client.get(f"/tickets/{void['id']}/{more}")).status_code == 409
            assert (await stranger.client.get(f"{address}/{more}")).status_code == 404
            assert (
                (await Visitor(office).client.get(f"{address}/{more}"))
                .headers["location"]
                .startswith("/login?next=")
            )


async def test_the_page_of_a_ticket_offers_no_wallet_after_the_end_of_the_certificate(
    database_url: str, tmp_path: Path
) -> None:
    files = make_wallet_files(tmp_path, days=(-30, -1))
    settings = {name: getattr(files, name) for name in ("apple_certificate", "apple_key", "apple_authority")}
    async with open_box_office(database_url, **settings) as office:
        session = office.as_buyer()
        _, booking = await booked(office, session, 1)
        buyer, address = Visitor(office, session), f"/tickets/{booking['tickets'][0]['id']}"
        assert "Wallet" not in await buyer.read(address)
        assert (await buyer.client.get(f"{address}/apple.pkpass")).status_code == 404


async def test_without_certificates_there_is_no_wallet(office: BoxOffice) -> None:
    buyer = office.as_buyer()
    _, booking = await booked(office, buyer, 1)
    path = f"/v1/tickets/{booking['tickets'][0]['id']}"
    assert (await office.client.get(path, headers=buyer)).json()["wallet_url"] is None
    for more in ("/wallet", "/wallet/apple.pkpass"):
        assert problem_of(await office.client.get(path + more, headers=buyer), 404) == "no-wallet"
    visitor, page = Visitor(office, buyer), path.removeprefix("/v1")
    assert "Wallet" not in await visitor.read(page)
    for more in ("/apple.pkpass", "/google-wallet"):
        assert (await visitor.client.get(page + more)).status_code == 404


async def test_the_tickets_to_keep_are_those_that_admit(office: BoxOffice) -> None:
    session = office.as_buyer()
    _, booking = await booked(office, session, 3)
    _, other = await booked(office, session, 1)
    buyer, path = Visitor(office, session), "/me/tickets/offline"

    async def kept() -> dict[str, str]:
        answer = await buyer.client.get(path)
        assert answer.headers["cache-control"] == "no-store"
        return {each["address"]: each["version"] for each in answer.json()["tickets"]}

    first = await kept()
    assert set(first) == {f"/tickets/{each['id']}" for each in (*booking["tickets"], *other["tickets"])}
    void = booking["tickets"][0]["id"]
    await office.post(f"/v1/bookings/{booking['id']}/cancel", session, ticket_ids=[void])
    later = await kept()
    assert set(first) - set(later) == {f"/tickets/{void}"}
    assert all(later[address] == first[address] for address in later)
    await office.context.database.fetch("UPDATE events SET title = 'Other', version = version + 1")
    assert all(version != first[address] for address, version in (await kept()).items())
    stranger = await Visitor(office, office.as_buyer()).client.get(path)
    assert stranger.json()["tickets"] == []
    assert (await Visitor(office).client.get(path)).headers["location"].startswith("/login")


async def test_the_service_worker_is_the_same_until_the_next_release(office: BoxOffice) -> None:
    answer = await office.client.get("/service-worker.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == "default-src 'none'; connect-src 'self'"
    again = await office.client.get("/service-worker.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    first = json.loads(answer.text.split("\n")[0].removeprefix("const RELEASE = ").removesuffix(";"))
    assert first["files"], "the files of the release"
    for address in first["files"]:
        assert (await office.client.get(address)).headers["cache-control"].endswith("immutable")


async def test_the_calendar_entry_of_a_booking_is_one_file_wherever_it_comes_from(database_url: str) -> None:
    base = "http://tickets.example"
    async with open_box_office(database_url, public_url=base) as office:
        buyer = await as_named_buyer(office, "Ada Lovelace")
        event, booking = await booked(office, buyer)
        found = await office.client.get(f"/v1/bookings/{booking['id']}/calendar.ics", headers=buyer)
        visitor = Visitor(office, buyer)
        page = await visitor.read(f"/bookings/{booking['id']}")
        assert f'href="/bookings/{booking["id"]}/calendar.ics"' in page
        assert f'href="/bookings/{booking["id"]}/calendar.ics"' in await visitor.read(
            f"/tickets/{booking['tickets'][0]['id']}"
        )
        await visitor.read(f"/bookings/{booking['id']}/calendar.ics")
        assert visitor.page is not None
        assert visitor.page.headers["content-type"] == found.headers["content-type"]
        now, database = utc_now(), office.context.database
        about = Notified(event.event_id, parse_id("bkg", booking["id"]))
        message = Message(
            new_id(), "booking_confirmed", parse_id("per", booking["buyer_id"]), "ada@b.example", about,
            now, now, 1, bounced=False,
        )  # fmt: skip
        story = await Reader(database).read(message.kind, about, now)
        attached = await Files(database, office.context.printer, base).attach(message, story)
        entry = next(each for each in attached if each.media_type == "text/calendar")
        assert entry.content == visitor.page.content == found.content
        assert f"UID:{booking['id']}@evently" in entry.content.decode()
        assert f"URL:{base}/bookings/{booking['id']}" in entry.content.decode().replace("\r\n ", "")
        stranger = Visitor(office, await as_named_buyer(office, "Mallory"))
        await stranger.read(f"/bookings/{booking['id']}/calendar.ics")
        assert stranger.status == 404
