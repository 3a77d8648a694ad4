"""Mail over HTTP: choices, refusing a topic with one click, the mailbox of the demo, health."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
import pytest_asyncio
from markupsafe import escape

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.mail.unsubscribing import Unsubscriptions
from tests.support.box_office import SECRET, BoxOffice, open_box_office, problem_of
from tests.support.mail import add_person
from tests.support.visitor import Visitor

ROBIN = "robin@evently.example"
CHOICES = "/v1/me/notification-choices"
ANY_ID = "msg_01m8j14vgqehjswrytjh1tkfty"


@pytest_asyncio.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def demo(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True, public_url="https://tickets.example") as opened:
        yield opened


async def wishes(office: BoxOffice, headers: dict[str, str]) -> dict[str, bool]:
    found = (await office.client.get(CHOICES, headers=headers)).json()
    return {each["topic"]: each["channels"]["email"] for each in found["topics"]}


async def test_a_person_chooses_what_comes_by_email(office: BoxOffice) -> None:
    robin = office.as_person(await add_person(office.context.database, ROBIN))
    found = (await office.client.get(CHOICES, headers=robin)).json()
    assert found["email"] == {"address": ROBIN, "sending": False, "bounced_at": None, "bounce": None}
    assert [each["topic"] for each in found["topics"] if each["required"]] == ["tickets"]
    assert set((await wishes(office, robin)).values()) == {True}
    for _ in range(2):
        put = await office.client.put(f"{CHOICES}/waitlist", json={"email": False}, headers=robin)
        assert put.status_code == 200
    assert await wishes(office, robin) == {
        "tickets": True,
        "changes": True,
        "waitlist": False,
        "reminders": True,
    }
    await office.client.put(f"{CHOICES}/waitlist", json={"email": True}, headers=robin)
    assert set((await wishes(office, robin)).values()) == {True}


async def test_tickets_cannot_be_refused(office: BoxOffice) -> None:
    robin = office.as_person(await add_person(office.context.database, ROBIN))
    put = await office.client.put(f"{CHOICES}/tickets", json={"email": False}, headers=robin)
    assert problem_of(put, 409) == "topic-required"
    kept = await office.client.put(f"{CHOICES}/tickets", json={"email": True}, headers=robin)
    assert kept.status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/weather", {"email": False}, 404, "not-found"),
        ("/waitlist", {}, 422, "invalid"),
        ("/waitlist", {"email": "no"}, 422, "invalid"),
        ("/waitlist", {"email": False, "push": "no"}, 422, "invalid"),
        ("/waitlist", {"email": False, "fax": True}, 422, "invalid"),
    ],
)
async def test_wrong_choices_are_refused(
    office: BoxOffice, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    robin = office.as_person(await add_person(office.context.database, ROBIN))
    put = await office.client.put(CHOICES + path, json=body, headers=robin)
    assert problem_of(put, status) == code
    assert problem_of(await office.client.put(CHOICES + path, json=body), 401) == "unauthenticated"


async def test_a_bounced_address_is_shown(office: BoxOffice) -> None:
    database = office.context.database
    robin = office.as_person(await add_person(database, ROBIN))
    await database.fetch("INSERT INTO mail_bounces VALUES ($1, $2, '550 No such user')", ROBIN, utc_now())
    found = (await office.client.get(CHOICES, headers=robin)).json()["email"]
    assert found["bounce"] == "550 No such user"
    assert found["bounced_at"] is not None


async def test_one_click_refuses_a_topic_without_a_login(office: BoxOffice) -> None:
    """RFC 8058: the mail reader's server posts, without cookies and without an origin."""
    person_id = await add_person(office.context.database, ROBIN)
    robin = office.as_person(person_id)
    url = f"/unsubscribe/{Unsubscriptions(SECRET.encode()).token_of(person_id, 'reminders')}"
    page = await office.client.get(url)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "No more e-mails about events on the day before?" in page.text
    assert set((await wishes(office, robin)).values()) == {True}  # opening the link changes nothing
    for _ in range(2):
        done = await office.client.post(
            url,
            content=b"List-Unsubscribe=One-Click",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert (done.status_code, "You get no more e-mails" in done.text) == (200, True)
    assert [topic for topic, wanted in (await wishes(office, robin)).items() if not wanted] == ["reminders"]


async def test_a_forged_token_refuses_nothing(office: BoxOffice) -> None:
    person_id = await add_person(office.context.database, ROBIN)
    forged = Unsubscriptions(bytes(32)).token_of(person_id, "reminders")
    for token in (forged, "x", forged.replace("reminders", "tickets")):
        assert (await office.client.get(f"/unsubscribe/{token}")).status_code == 404
        assert (await office.client.post(f"/unsubscribe/{token}")).status_code == 404
    assert set((await wishes(office, office.as_person(person_id))).values()) == {True}


async def sign_in(office: BoxOffice) -> None:
    """Register Robin, and keep the session in the cookie of the client."""
    password = "nine lively herons wade"
    await office.post("/v1/auth/register", {}, email=ROBIN, name="Robin", password=password)
    same = {"sec-fetch-site": "same-origin"}
    form = {"email": ROBIN, "password": password}
    assert (await office.client.post("/login", data=form, headers=same)).status_code == 303


async def test_a_page_has_the_choices(office: BoxOffice) -> None:
    path, same = "/me/notifications", {"sec-fetch-site": "same-origin"}
    assert (await office.client.get(path)).status_code in (302, 303)  # to the log-in and back
    await sign_in(office)
    page = await office.client.get(path)
    assert page.text.count(" checked") == 4
    assert "sends no e-mail at present" in page.text
    saved = await office.client.post(path, data={"topic": ["waitlist", "unheard"]}, headers=same)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path}?saved=yes")
    page = await office.client.get(saved.headers["location"])
    assert "Saved." in page.text
    assert re.findall(r'value="(\w+)" checked', page.text) == ["tickets", "waitlist"]
    forged = await office.client.post(path, data={}, headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403
    await office.context.database.fetch(
        "INSERT INTO mail_bounces VALUES ($1, $2, '550 <No> user')", ROBIN, utc_now()
    )
    assert "550 &lt;No&gt; user" in (await office.client.get(path)).text


async def test_the_mailbox_exists_in_the_demo_alone(office: BoxOffice) -> None:
    for path in ("", f"/{ANY_ID}", f"/{ANY_ID}/html", f"/{ANY_ID}/attachments/0"):
        assert (await office.client.get(f"/demo/mail{path}")).status_code == 404
    assert "/demo/mail" not in (await office.client.get("/")).text
    health = (await office.client.get("/health")).json()
    assert health["checks"]["mail"]["status"] == "warn"
    assert "EVENTLY_SMTP_URL" in health["checks"]["mail"]["output"]


async def test_the_mailbox_shows_what_people_get(demo: BoxOffice) -> None:
    robin = await add_person(demo.context.database, ROBIN, "Robin <b>Roe</b>")
    event = await demo.open_event()
    booking = (await demo.book(event, demo.as_person(robin), 2)).json()
    assert 'href="/demo/mail"' in (await demo.client.get("/")).text
    assert "No messages yet" in (await demo.client.get("/demo/mail")).text
    await demo.deliver()
    await demo.context.mail.run_once()
    listed = await demo.client.get("/demo/mail?to=robin")
    assert "Your tickets: Jazz by night" in listed.text
    assert "No message to an address with “klara”" in (await demo.client.get("/demo/mail?to=klara")).text
    (path,) = set(re.findall(r"/demo/mail/msg_\w+", listed.text))
    shown = await demo.client.get(path)
    assert "<b>Roe" not in shown.text
    assert f"https://tickets.example/bookings/{booking['id']}" in shown.text
    framed = await demo.client.get(f"{path}/html")
    assert framed.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-scripts" not in framed.headers["content-security-policy"]
    assert "allow-same-origin" not in framed.headers["content-security-policy"]
    assert booking["reference"] in framed.text
    assert '<base target="_top">' in framed.text
    assert "_blank" not in framed.text
    pdf = await demo.client.get(f"{path}/attachments/0")
    assert (pdf.content[:5], pdf.headers["content-type"]) == (b"%PDF-", "application/pdf")
    assert f"tickets-{booking['reference']}.pdf" in pdf.headers["content-disposition"]
    calendar = await demo.client.get(f"{path}/attachments/1")
    assert f"UID:{booking['id']}@evently" in calendar.text
    for number in ("2", "x", "-1", "99999"):
        assert (await demo.client.get(f"{path}/attachments/{number}")).status_code == 404
    health = (await demo.client.get("/health")).json()
    assert health["checks"]["mail"]["status"] == "pass"


@pytest_asyncio.fixture
async def shop(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def sentence_of(shop: BoxOffice, buyer: Visitor, booking_id: str) -> str:
    """Return what the page of a booking says of the e-mail with its tickets, as plain text."""
    shop.context.alike.forget_all()
    text = await buyer.read(f"/bookings/{booking_id}")
    assert buyer.heading() == "You are going"
    said = re.findall(r"<p[^>]*>((?:(?!</p>).)*<bdi class=\"strong\">.*?)</p>", text, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", said[0])).split()) if said else ""


async def test_the_page_of_a_booking_says_what_became_of_its_mail(shop: BoxOffice) -> None:
    people = ("o'neil&co@evently.example", ROBIN)
    event = await shop.open_event(capacity=10)
    buyers = []
    for address in people:
        person = shop.as_person(await add_person(shop.context.database, address))
        buyers.append((address, Visitor(shop, person), (await shop.book(event, person, 1)).json()["id"]))
    for _, buyer, booking_id in buyers:
        assert await sentence_of(shop, buyer, booking_id) == "", "no message is stored yet"
    await shop.deliver()
    for address, buyer, booking_id in buyers:
        said = await sentence_of(shop, buyer, booking_id)
        assert said == f"We are sending the tickets to {address}."
    await shop.context.mail.run_once()
    for address, buyer, booking_id in buyers:
        assert await sentence_of(shop, buyer, booking_id) == f"We sent the tickets to {address}."
        again = await buyer.read(f"/bookings/{booking_id}")
        assert str(escape(address)) in again, "a page that both share has the address of each"
        assert "&co@" not in again
    for state, words in (
        ("bounced", "o'neil&co@evently.example refuses our e-mail. Your tickets are valid without it"),
        ("failed", "We could not send the tickets to o'neil&co@evently.example. Your tickets are valid"),
        ("expired", "We could not send the tickets to o'neil&co@evently.example. Your tickets are valid"),
        ("dropped", ""),
    ):
        await shop.context.database.fetch(
            "UPDATE mail_messages SET state = $1 WHERE address = $2", state, people[0]
        )
        said = await sentence_of(shop, buyers[0][1], buyers[0][2])
        assert said.startswith(words)
        assert bool(said) == bool(words)
    assert await sentence_of(shop, buyers[1][1], buyers[1][2]) == f"We sent the tickets to {ROBIN}."
    manager = await shop.as_member("manager")
    path = f"/v1/events/{show_id('evt', event.event_id)}/bookings/{buyers[0][2]}/resend"
    assert (await shop.post(path, manager)).status_code in (200, 202)
    said = await sentence_of(shop, buyers[0][1], buyers[0][2])
    assert said == f"We are sending the tickets to {people[0]}.", "the newest message counts"


async def test_without_a_mail_server_the_page_of_a_booking_says_nothing_of_mail(office: BoxOffice) -> None:
    person = office.as_person(await add_person(office.context.database, ROBIN))
    booking = (await office.book(await office.open_event(), person, 1)).json()
    await office.deliver()
    text = await Visitor(office, person).read(f"/bookings/{booking['id']}")
    assert ROBIN not in text


async def test_closing_an_account_forgets_its_mail(demo: BoxOffice) -> None:
    password = "nine lively herons wade"
    await demo.post("/v1/auth/register", {}, email=ROBIN, name="Robin", password=password)
    tokens = (await demo.post("/v1/auth/login", {}, email=ROBIN, password=password)).json()
    robin = {"Authorization": f"Bearer {tokens['access_token']}"}
    booking = (await demo.book(await demo.open_event(), robin)).json()
    await demo.deliver()
    await demo.context.mail.run_once()
    await demo.client.put(f"{CHOICES}/changes", json={"email": False}, headers=robin)
    closed = await demo.client.request(
        "DELETE", "/v1/me?confirm=lose_tickets", json={"password": password}, headers=robin
    )
    assert closed.status_code == 204, closed.text
    assert booking["state"] == "confirmed"
    for table in ("mail_messages", "notification_choices"):
        assert await demo.context.database.fetch_value(f"SELECT count(*) FROM {table}") == 0
