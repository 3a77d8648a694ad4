"""Attacks on the account pages and the codes, as they were tried by hand on a running server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import pytest

from evently.accounts.codes import REQUESTS_MAX
from tests.api.test_passkeys import ORIGIN, add, enter
from tests.api.test_signing_in import read_mail, wrong
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.passkeys import Device
from tests.support.visitor import HOST, Visitor

PASSWORD: Final = "nine lively herons wade"
ADA: Final = "ada@example.org"
FORM: Final = "application/x-www-form-urlencoded"
BODIES: Final = {
    FORM: "name=Evil",
    "text/plain": "name=Evil",
    "application/json": '{"name": "Evil"}',
    "multipart/form-data; boundary=x": "--x\r\ncontent-disposition: form-data;name=a\r\n\r\nEvil\r\n--x--",
}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True, rate_login=0) as opened:
        yield opened


async def logged_in(office: BoxOffice) -> Visitor:
    await office.context.accounts.register(ADA, "Ada Lovelace", PASSWORD, None)
    visitor = Visitor(office)
    await visitor.send("/login", {"email": ADA, "password": PASSWORD})
    return visitor


async def post(visitor: Visitor, address: str, body: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await visitor.client.post(address, content=body, headers=named)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(
    "said",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": HOST},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": f"{HOST}.evil.example"},
        {"referer": f"{HOST}/me"},
        {},
    ],
    ids=str,
)
async def test_another_site_changes_nothing_with_any_kind_of_form(
    office: BoxOffice, kind: str, said: dict[str, str]
) -> None:
    visitor = await logged_in(office)
    for address in ("/me/name", "/me/email", "/me/passkeys", "/me/delete", "/logout"):
        answer = await post(visitor, address, BODIES[kind], content_type=kind, **said)
        assert answer.status_code == 403, address
    await visitor.read("/me")
    assert visitor.form("/me/name")["name"] == "Ada Lovelace"


async def test_a_page_of_ours_sends_only_forms(office: BoxOffice) -> None:
    visitor = await logged_in(office)
    for kind, body in BODIES.items():
        if kind != FORM:
            answer = await post(visitor, "/me/name", body, content_type=kind, sec_fetch_site="same-origin")
            assert answer.status_code == 415
    assert (await visitor.client.get("/me/name?name=Evil")).status_code == 405


async def test_a_session_that_was_planted_is_replaced_by_the_login(office: BoxOffice) -> None:
    await office.context.accounts.register(ADA, "Ada Lovelace", PASSWORD, None)
    planted = "evb_planted.token"
    answer = await Visitor(office).client.post(
        "/login",
        content=urlencode({"email": ADA, "password": PASSWORD}),
        headers={"content-type": FORM, "sec-fetch-site": "same-origin", "cookie": f"evently={planted}"},
    )
    last = [line for line in answer.headers.get_list("set-cookie") if line.startswith("evently=")][-1]
    assert re.match(r"evently=evb_[0-9a-z]{50,}\.ey", last), "the last one counts"


async def test_the_host_of_a_request_is_in_no_message_and_on_no_page(office: BoxOffice) -> None:
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    await office.client.post("/v1/auth/code", json={"email": ADA}, headers=headers)
    await office.client.post("/v1/auth/reset", json={"email": "b@example.org"}, headers=headers)
    for address in (ADA, "b@example.org"):
        assert "evil" not in (await read_mail(office, address))[2]
    for path in ("/login", "/signup", "/forgot", "/login/kept"):
        answer = await office.client.get(path, headers=headers | {"accept": "text/html"})
        assert "evil" not in answer.text


async def test_a_stranger_who_registered_first_keeps_nothing(office: BoxOffice) -> None:
    body = {"email": ADA, "name": "Mallory", "password": PASSWORD}
    await office.client.post("/v1/auth/register", json=body)
    tokens = (await office.client.post("/v1/auth/login", json={"email": ADA, "password": PASSWORD})).json()
    stranger, device = {"Authorization": f"Bearer {tokens['access_token']}"}, Device(ORIGIN)
    assert (await add(office, stranger, device)).status_code == 201
    sent = await office.client.post("/v1/me/email", headers=stranger, json={"email": "eve@example.org"})
    owner = Visitor(office)
    await owner.send("/login/send", {"email": ADA})
    await owner.submit("/login/code", code=(await read_mail(office, ADA))[0])
    assert owner.path == "/me/tickets"
    late: dict[str, Any] = {"receipt": sent.json()["receipt"], "code": "123456"}
    for answer in (
        await office.client.get("/v1/me", headers=stranger),
        await office.client.post("/v1/me/email/confirm", headers=stranger, json=late),
        await office.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}),
        await office.client.post("/v1/auth/login", json={"email": ADA, "password": PASSWORD}),
        await enter(office, device),
    ):
        assert answer.status_code == 401, answer.text


async def test_a_code_is_neither_guessed_nor_used_in_a_second_browser(office: BoxOffice) -> None:
    here, there = Visitor(office), Visitor(office)
    await there.read("/login")
    await here.send("/login/send", {"email": ADA, "name": "Ada"})
    code, _, _ = await read_mail(office, ADA)
    await there.send("/login/code", {"code": code})
    assert (there.status, there.heading()) == (422, "Log in")
    for _ in range(6):
        await here.send("/login/code", {"code": wrong(code)})
    await here.send("/login/code", {"code": code})
    assert here.status == 422
    sent = 0
    for _ in range(REQUESTS_MAX + 3):
        visitor = Visitor(office)
        await visitor.send("/login/send", {"email": ADA, "name": "Ada"})
        sent += visitor.path == "/login/code"
    assert sent == REQUESTS_MAX - 1, "new browsers are no new tries"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a" * 5_000 + "@example.org"),
        ("email", "a@" + "b." * 2_000 + "example"),
        ("name", "\u202e" * 200),
        ("name", "x" * 100_000),
        ("next", "/" + "x" * 9_000),
        ("next", "//" + "x" * 9_000),
    ],
)
async def test_long_values_are_errors_at_their_fields_and_lead_to_pages(
    office: BoxOffice, field: str, value: str
) -> None:
    visitor = Visitor(office)
    await visitor.read("/login")
    await visitor.send("/login/send", {"email": ADA, "name": "Ada", field: value})
    if field == "next":
        assert (visitor.status, visitor.path) == (200, "/login/code"), "the way is dropped, not the code"
    else:
        assert visitor.status == 422
        assert f'id="{field}-wrong"' in visitor.text


async def test_a_long_choice_is_still_there_after_the_login(office: BoxOffice) -> None:
    visitor = Visitor(office)
    seats = [("seat", f"tty_01m7y4ef72ev2sxmcnxfse27zp:stalls-row-{number}") for number in range(100)]
    address = f"/events/evt_01m7y4ef72ev2sxmcnxfse27zp/book?{urlencode(seats)}"
    await visitor.read(f"/login?{urlencode({'next': address})}")
    assert visitor.status == 200
    assert visitor.form("/login/send")["next"] == address


async def test_a_passkey_shortens_no_code_by_e_mail(office: BoxOffice) -> None:
    visitor = Visitor(office)
    await visitor.send("/forgot", {"email": ADA})
    before = visitor.client.cookies.get("evently-code")
    answer = await visitor.client.post("/login/passkey/options", headers={"sec-fetch-site": "same-origin"})
    assert f"evently-code={before}" in answer.headers["set-cookie"]
    assert "Max-Age=1800" in answer.headers["set-cookie"]
