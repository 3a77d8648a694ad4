"""Codes by e-mail over HTTP: the API, and the pages as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from evently.accounts.codes import REQUESTS_MAX, TRIES_MAX
from evently.kit.ids import show_id
from evently.mail import mailbox
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import HOST, Visitor

PASSWORD: Final = "nine lively herons wade"
ADA: Final = "ada@example.org"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    """Yield a box office whose e-mails the mailbox of the demo shows."""
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def read_mail(office: BoxOffice, address: str) -> tuple[str, str, str]:
    """Return the code and the link of the latest message to an address, and its text."""
    while await office.context.mail.run_once() == 0:
        pass
    page = await mailbox.list_shown(office.context.database, address, 1, None)
    assert page.data, f"no message to {address}"
    text = page.data[0].text.replace("\r\n", "\n")
    code, link = re.search(r"^ {4}(\d{6})$", text, re.MULTILINE), re.search(r"https?://\S+link=\S+", text)
    assert code, text
    assert link, text
    parts = urlsplit(link[0])
    return code[1], f"{parts.path}?{parts.query}", text


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def problem_of(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    problem: dict[str, Any] = response.json()
    return problem


# The API ----------------------------------------------------------------------------------------------------


async def test_a_code_logs_in_over_the_api(office: BoxOffice) -> None:
    sent = await office.client.post("/v1/auth/code", json={"email": ADA, "name": "Ada"})
    assert sent.status_code == 202, sent.text
    assert sent.json().keys() == {"status", "receipt", "expires_in"}
    assert sent.headers["cache-control"] == "no-store"
    code, _, _ = await read_mail(office, ADA)
    body = {"receipt": sent.json()["receipt"], "code": wrong(code)}
    problem = problem_of(await office.client.post("/v1/auth/code/login", json=body), 401)
    assert (problem["code"], problem["tries_left"]) == ("wrong-code", TRIES_MAX - 1)
    answer = await office.client.post("/v1/auth/code/login", json=body | {"code": f" {code[:3]} {code[3:]} "})
    assert answer.status_code == 200, answer.text
    assert answer.json()["person"]["name"] == "Ada"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    me = (await office.client.get("/v1/me", headers=headers)).json()
    assert me["email"] == ADA
    assert me["email_verified_at"] is not None


async def test_a_new_account_needs_a_name_which_may_come_with_the_code(office: BoxOffice) -> None:
    sent = (await office.client.post("/v1/auth/code", json={"email": ADA})).json()
    code, _, _ = await read_mail(office, ADA)
    body = {"receipt": sent["receipt"], "code": code}
    problem = problem_of(await office.client.post("/v1/auth/code/login", json=body), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/name"]
    answer = await office.client.post("/v1/auth/code/login", json=body | {"name": "Ada"})
    assert answer.status_code == 200, answer.text


async def test_a_new_password_over_the_api_ends_the_other_sessions(office: BoxOffice) -> None:
    await office.client.post(
        "/v1/auth/register", json={"email": ADA, "name": "Ada", "password": "eleven quiet owls blink"}
    )
    old = await office.client.post(
        "/v1/auth/login", json={"email": ADA, "password": "eleven quiet owls blink"}
    )
    sent = (await office.client.post("/v1/auth/reset", json={"email": ADA})).json()
    code, _, text = await read_mail(office, ADA)
    assert "30 minutes" in text
    body = {"receipt": sent["receipt"], "code": code, "new_password": "short"}
    problem = problem_of(await office.client.post("/v1/auth/reset/password", json=body), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/new_password"]
    body["new_password"] = PASSWORD
    assert (await office.client.post("/v1/auth/reset/password", json=body)).status_code == 200
    headers = {"Authorization": f"Bearer {old.json()['access_token']}"}
    assert (await office.client.get("/v1/me", headers=headers)).status_code == 401
    login = await office.client.post("/v1/auth/login", json={"email": ADA, "password": PASSWORD})
    assert login.status_code == 200


@pytest.mark.parametrize("path", ["/v1/auth/code", "/v1/auth/reset"])
async def test_known_and_unknown_addresses_get_the_same_answer(office: BoxOffice, path: str) -> None:
    await office.client.post("/v1/auth/register", json={"email": ADA, "name": "Ada", "password": PASSWORD})
    answers = [await office.client.post(path, json={"email": email}) for email in (ADA, "nobody@example.org")]
    known, unknown = [answer.json() | {"receipt": ""} for answer in answers]
    assert known == unknown
    assert answers[0].status_code == answers[1].status_code == 202
    assert len(answers[0].content) == len(answers[1].content)
    assert answers[0].headers.keys() == answers[1].headers.keys()
    texts = [(await read_mail(office, email))[2] for email in (ADA, "nobody@example.org")]
    for text, email in zip(texts, (ADA, "nobody@example.org"), strict=True):
        assert email in text
    shapes = [re.sub(r"\d{6}|evl_\w+|[a-z]+@example\.org|\s+", " ", text) for text in texts]
    assert shapes[0] == shapes[1]


async def test_too_many_codes_for_an_address_are_refused_alike(office: BoxOffice) -> None:
    for _ in range(REQUESTS_MAX):
        assert (await office.client.post("/v1/auth/code", json={"email": ADA})).status_code == 202
    refused = await office.client.post("/v1/auth/code", json={"email": ADA})
    assert problem_of(refused, 429)["code"] == "too-many-codes"
    assert int(refused.headers["retry-after"]) > 0


async def test_without_mail_nothing_is_offered_that_needs_it(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        login = {"receipt": "x", "code": "123456"}
        for path, body in (
            ("/v1/auth/code", {"email": ADA}),
            ("/v1/auth/code/login", login),
            ("/v1/auth/reset", {"email": ADA}),
            ("/v1/auth/reset/password", login | {"new_password": PASSWORD}),
        ):
            assert problem_of(await office.client.post(path, json=body), 409)["code"] == "no-mail"
        assert await office.context.database.fetch_value("SELECT count(*) FROM mail_messages") == 0
        visitor = Visitor(office)
        for path in ("/login", "/signup"):
            text = await visitor.read(path)
            assert "code" not in unescape(re.sub(r"<[^>]*>", "", text)).lower()
            assert 'name="password"' in text
        for path in ("/login/code", "/login/link", "/forgot", "/reset"):
            await visitor.read(path)
            assert visitor.status == 409 or visitor.path == "/login", path
        await visitor.send("/login/send", {"email": ADA})
        assert visitor.status == 409


# Pages ------------------------------------------------------------------------------------------------------


async def test_an_empty_field_is_called_missing(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.read("/signup?next=/me/tickets")
    await visitor.submit("/login/send", name="", email="")
    assert visitor.status == 422
    assert visitor.text.count("Enter your name.") == 2, "in the summary and at the field"
    assert visitor.text.count("Enter your e-mail address.") == 2
    await visitor.submit("/login/send", name="Ada", email="ada")
    assert "Enter your" not in visitor.text, "a wrong address is not a missing one"
    assert "e-mail address" in visitor.text


async def test_a_visitor_enters_a_code_and_is_where_they_wanted_to_be(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.read("/login?next=/me/tickets")
    await visitor.submit("/login/send", email="Ada@example.org")
    assert (visitor.path, visitor.heading()) == ("/login/code", "Enter the code")
    assert 'autocomplete="one-time-code"' in visitor.text
    assert 'inputmode="numeric"' in visitor.text
    assert ADA in visitor.text
    code, _, _ = await read_mail(office, ADA)
    for typed, said in (
        ("", "Enter the six digits"),
        ("12345", "A code has six digits"),
        ("abcdef", "A code has six digits"),
        (wrong(code), f"Tries left: {TRIES_MAX - 1}"),
    ):
        await visitor.submit("/login/code", code=typed)
        assert visitor.status == 422
        assert said in visitor.text
        assert 'aria-invalid="true"' in visitor.text
    await visitor.submit("/login/code", code=f"{code[:3]} {code[3:]}")
    assert (visitor.status, visitor.heading()) == (200, "You are new here. What is your name?")
    assert "There is a problem" not in visitor.text, "nothing was wrong"
    assert "Send another code" not in visitor.text
    assert visitor.form("/login/code")["code"] == f"{code[:3]} {code[3:]}", "nothing typed is lost"
    await visitor.submit("/login/code", name=" ")
    assert (visitor.status, visitor.heading()) == (422, "You are new here. What is your name?")
    assert 'id="name-wrong"' in visitor.text
    await visitor.submit("/login/code", name="Ada Lovelace")
    assert visitor.path == "/me/tickets"
    await visitor.read("/login/code")
    assert visitor.path == "/me/tickets", "Back does not ask again"


async def test_a_code_is_of_no_use_in_another_browser(office: BoxOffice) -> None:
    victim, attacker = Visitor(office), Visitor(office)
    await victim.read("/login")
    await attacker.send("/login/send", {"email": ADA, "name": "Mallory"})
    code, _, _ = await read_mail(office, ADA)
    await victim.send("/login/code", {"code": code})
    assert victim.status == 422
    assert "requested elsewhere" in victim.text
    await attacker.submit("/login/code", code=code)
    assert attacker.path == "/me/tickets", "who has the browser and the code logs in"


async def test_a_link_asks_before_it_logs_in_so_that_scanners_do_not_use_it_up(office: BoxOffice) -> None:
    phone = Visitor(office)
    await phone.send("/login/send", {"email": ADA, "name": "Ada", "next": "/me/waitlist"})
    _, link, _ = await read_mail(office, ADA)
    for _ in range(3):  # scanners
        answer = await phone.client.get(link, follow_redirects=True)
        assert answer.status_code == 200
    other = Visitor(office)
    await other.read(link)
    assert other.heading() == "Log in here?"
    assert ADA in other.text
    fields = other.form("/login/link")
    await other.submit("/login/link")
    assert other.path == "/me/waitlist"
    await other.send("/login/link", fields)
    assert other.path == "/me/waitlist", "a second press of the button"
    late = Visitor(office)
    await late.read(link)
    assert late.heading() == "This link no longer works"
    await late.send("/login/link", fields)
    assert late.heading() == "This link no longer works"


async def test_no_link_leads_to_another_site(office: BoxOffice) -> None:
    visitor = Visitor(office)
    for bad in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        await visitor.send("/login/send", {"email": ADA, "name": "Ada", "next": bad})
        code, link, text = await read_mail(office, ADA)
        assert "evil" not in text
        await visitor.read(f"{link}&next={quote(bad)}")
        answer = await visitor.client.post(
            "/login/code",
            content=f"code={code}&next={quote(bad)}",
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "sec-fetch-site": "same-origin",
            },
        )
        assert answer.headers["location"] == "/me/tickets"
        visitor = Visitor(office)


async def test_a_forgotten_password_is_replaced_with_the_code_or_with_the_link(office: BoxOffice) -> None:
    await office.context.accounts.register(ADA, "Ada", "eleven quiet owls blink", None)
    for number, by_link in enumerate((False, True)):
        visitor = Visitor(office)
        await visitor.send("/login", {"way": "password", "email": ADA, "next": "/me/waitlist"})
        forgot = re.search(r'href="(/forgot[^"]*)"', visitor.text)
        assert forgot
        await visitor.read(unescape(forgot[1]))
        await visitor.submit("/forgot", email=ADA)
        assert visitor.path == "/reset"
        code, link, _ = await read_mail(office, ADA)
        if by_link:
            visitor = Visitor(office)
            await visitor.read(link)
            code = ""
        await visitor.submit("/reset", code=code, password="ada")
        assert visitor.status == 422
        assert "at least 15 characters" in visitor.text
        await visitor.submit("/reset", code=code, password=f"{PASSWORD} {number}")
        assert visitor.path == "/me/waitlist", visitor.text
        again = Visitor(office)
        await again.send("/login", {"email": ADA, "password": f"{PASSWORD} {number}"})
        assert again.path == "/me/tickets"


async def test_a_forgotten_password_of_an_address_without_an_account_makes_one(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.send("/forgot", {"email": ADA})
    code, _, _ = await read_mail(office, ADA)
    await visitor.submit("/reset", code=code, password=PASSWORD)
    assert visitor.status == 422
    await visitor.submit("/reset", code=code, password=PASSWORD, name="Ada")
    assert visitor.path == "/me/tickets"


async def test_after_five_tries_the_page_offers_another_code(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.send("/login/send", {"email": ADA, "name": "Ada"})
    code, _, _ = await read_mail(office, ADA)
    for _ in range(TRIES_MAX):
        await visitor.submit("/login/code", code=wrong(code))
    assert "Ask for another one" in visitor.text
    await visitor.submit("/login/code", code=code)
    assert visitor.status == 422
    await visitor.submit("/login/send")
    fresh, _, _ = await read_mail(office, ADA)
    await visitor.submit("/login/code", code=fresh)
    assert visitor.path == "/me/tickets"


async def test_the_cookie_of_a_request_is_kept_from_scripts_and_bound_to_the_host(database_url: str) -> None:
    async with open_box_office(
        database_url, demo=True, public_url="https://tickets.example", mail_from="a@tickets.example"
    ) as office:
        visitor = Visitor(office)
        answer = await visitor.client.post(
            "/login/send",
            content=f"email={ADA}",
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "sec-fetch-site": "same-origin",
            },
        )
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-evently-code=evc_")
        for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=1800"):
            assert part in cookie


async def test_a_visitor_books_with_name_and_e_mail(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    type_id, visitor = await office.ticket_type(event), Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}"
    await visitor.read(address)
    await visitor.submit(f"{address}/bookings", **{type_id: "2"})
    assert visitor.path == f"{address}/book"
    await visitor.submit("/login/send", name="Zoë Okafor", email="zoe@example.org")
    assert visitor.path == "/login/code"
    assert event.title in visitor.text, "what was chosen stays in view"
    code, link, _ = await read_mail(office, "zoe@example.org")
    assert "next=" in link
    await visitor.submit("/login/code", code=code)
    assert visitor.path == f"{address}/book"
    assert f"{HOST}{address}/book?{type_id}=2" == str(visitor.page and visitor.page.url)
    await visitor.submit(f"{address}/bookings")
    assert visitor.heading() == "You are going"
