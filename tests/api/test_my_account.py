"""The account page as a browser without script uses it, and the same over the API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any, Final

import pytest

from evently.accounts.codes import ByCode
from evently.kit.ids import show_id
from tests.api.test_signing_in import read_mail, wrong
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import Visitor

PASSWORD: Final = "nine lively herons wade"
OTHER: Final = "eleven quiet owls blink"
ADA: Final = "ada@example.org"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    """Yield a box office whose e-mails the mailbox of the demo shows."""
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def by_password(office: BoxOffice, email: str = ADA) -> Visitor:
    """Return a visitor who has registered with a password and logged in."""
    await office.context.accounts.register(email, "Ada Lovelace", PASSWORD, None)
    visitor = Visitor(office)
    await visitor.send("/login", {"email": email, "password": PASSWORD})
    assert visitor.path == "/me/tickets"
    return visitor


async def by_code(office: BoxOffice, email: str = ADA) -> Visitor:
    """Return a visitor who has logged in with a code, and has no password."""
    visitor = Visitor(office)
    await visitor.send("/login/send", {"email": email, "name": "Ada Lovelace"})
    code, _, _ = await read_mail(office, email)
    await visitor.submit("/login/code", code=code)
    assert visitor.path == "/me/tickets"
    return visitor


def token(visitor: Visitor) -> dict[str, str]:
    value = visitor.client.cookies.get("evently") or ""
    return {"Authorization": f"Bearer {value.partition('.')[2]}"}


async def test_a_name_is_changed_and_a_wrong_one_stays_in_its_field(office: BoxOffice) -> None:
    visitor = await by_password(office)
    await visitor.read("/me")
    assert visitor.form("/me/name")["name"] == "Ada Lovelace"
    await visitor.submit("/me/name", name="A" * 300)
    assert visitor.status == 422
    assert visitor.form("/me/name")["name"] == "A" * 300
    await visitor.submit("/me/name", name=" Ada  King ")
    assert "Your name is saved" in visitor.text
    assert visitor.form("/me/name")["name"] == "Ada King"


async def test_an_address_is_confirmed_and_the_password_stays(office: BoxOffice) -> None:
    visitor = await by_password(office)
    await visitor.read("/me")
    assert "Not confirmed" in visitor.text
    await visitor.submit("/me/verify/send")
    assert visitor.path == "/me/verify"
    code, _, _ = await read_mail(office, ADA)
    await visitor.submit("/me/verify", code=wrong(code))
    assert visitor.status == 422
    assert "Tries left" in visitor.text
    await visitor.submit("/me/verify", code=code)
    assert visitor.path == "/me"
    assert "Your e-mail is confirmed" in visitor.text
    again = Visitor(office)
    await again.send("/login", {"email": ADA, "password": PASSWORD})
    assert again.path == "/me/tickets", "the password is still the password"


async def test_a_code_for_another_address_confirms_nothing(office: BoxOffice) -> None:
    visitor = await by_password(office)
    await visitor.send("/logout", {})
    await visitor.send("/login/send", {"email": "other@example.org", "name": "Other"})
    code, _, _ = await read_mail(office, "other@example.org")
    await visitor.send("/login", {"email": ADA, "password": PASSWORD})
    await visitor.send("/me/verify", {"code": code})
    assert visitor.status == 422
    me = (await office.client.get("/v1/me", headers=token(visitor))).json()
    assert me["email_verified_at"] is None


async def test_a_password_is_changed_with_every_error_at_its_field(office: BoxOffice) -> None:
    visitor, elsewhere = await by_password(office), Visitor(office)
    await elsewhere.send("/login", {"email": ADA, "password": PASSWORD})
    await visitor.read("/me")
    for current, new, field in (
        ("", "", "current_password"),
        ("wrong", OTHER, "current_password"),
        (PASSWORD, "short", "new_password"),
    ):
        await visitor.submit("/me/password", current_password=current, new_password=new)
        assert visitor.status == 422
        assert f'id="{field}-wrong"' in visitor.text
    await visitor.submit("/me/password", current_password=PASSWORD, new_password=OTHER)
    assert "Your password is changed" in visitor.text
    await elsewhere.read("/me")
    assert elsewhere.path == "/login"


async def test_log_ins_are_listed_and_ended_one_by_one_or_all(office: BoxOffice) -> None:
    here = await by_password(office)
    others = [Visitor(office) for _ in range(3)]
    for each in others:
        await each.send("/login", {"email": ADA, "password": PASSWORD})
    text = await here.read("/me")
    ends = re.findall(r'action="(/me/sessions/ses_[^"]*/end)"', text)
    assert len(ends) == 3, "the one of this browser has no such button"
    await here.send(ends[0], {})
    await here.send(ends[0], {})
    assert "These log-ins have ended" in here.text
    stranger = await by_password(office, "mallory@example.org")
    await stranger.send(ends[1], {})
    assert stranger.status == 404
    open_ones = [each for each in others if await _is_in(each)]
    assert len(open_ones) == 2
    await here.read("/me")
    await here.submit("/me/sessions/end")
    assert not [each for each in others if await _is_in(each)]
    assert await _is_in(here)


async def _is_in(visitor: Visitor) -> bool:
    await visitor.read("/me")
    return visitor.path == "/me"


async def test_sessions_over_the_api(office: BoxOffice) -> None:
    here, there = await by_password(office), Visitor(office)
    await there.send("/login", {"email": ADA, "password": PASSWORD})
    listed = (await office.client.get("/v1/me/sessions", headers=token(here))).json()["data"]
    assert [each["current"] for each in listed] == [False, True]
    assert all(each["in_browser"] for each in listed)
    path = f"/v1/me/sessions/{listed[0]['id']}"
    assert (await office.client.delete(path, headers=office.as_buyer())).status_code == 404
    for _ in range(2):
        assert (await office.client.delete(path, headers=token(here))).status_code == 204
    assert (await office.client.get("/v1/me", headers=token(there))).status_code == 401


async def test_the_export_has_what_is_stored_and_no_secret(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    visitor = await by_code(office)
    booked = (await office.book(event, token(visitor), 2)).json()
    await office.deliver()
    answer = await visitor.client.get("/me/export")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    assert found["person"]["email"] == ADA
    assert [each["id"] for each in found["bookings"]] == [booked["id"]]
    assert [each["id"] for each in found["bookings"][0]["tickets"]] == [
        each["id"] for each in booked["tickets"]
    ]
    assert [each["kind"] for each in found["notifications"]] == ["booking_confirmed"]
    assert len(found["sessions"]) == 1
    for secret in ("argon2", "evb_", "code_hash", "secret"):
        assert secret not in answer.text
    anonymous = Visitor(office)
    await anonymous.read("/me/export")
    assert anonymous.path == "/login"


async def test_an_account_with_a_password_is_deleted_after_a_choice_about_its_tickets(
    office: BoxOffice,
) -> None:
    event = await office.open_event(capacity=10)
    visitor = await by_password(office)
    booked = (await office.book(event, token(visitor), 2)).json()
    await visitor.read("/me/delete")
    assert f'href="/bookings/{booked["id"]}"' in visitor.text
    await visitor.send("/me/delete", {"password": ""})
    assert visitor.status == 422
    await visitor.send("/me/delete", {"password": "wrong " + PASSWORD, "confirm": "cancel_tickets"})
    assert 'id="password-wrong"' in visitor.text
    await visitor.send("/me/delete", {"password": PASSWORD})
    assert "Choose what becomes of them" in visitor.text
    await visitor.send("/me/delete", {"password": PASSWORD, "confirm": "cancel_tickets"})
    assert visitor.heading() == "Your account is deleted"
    await visitor.read("/me")
    assert visitor.path == "/login"
    state = await office.context.database.fetch_value("SELECT state FROM bookings")
    assert state == "cancelled"


async def test_an_account_without_a_password_is_deleted_with_a_code(office: BoxOffice) -> None:
    visitor = await by_code(office)
    await visitor.read("/me")
    assert "You have none, and need none" in unescape(visitor.text)
    await visitor.read("/me/delete")
    assert 'formaction="/me/delete/send"' in visitor.text
    await visitor.send("/me/delete/send", {})
    code, _, _ = await read_mail(office, ADA)
    await visitor.submit("/me/delete", code=wrong(code))
    assert visitor.status == 422
    assert "Tries left" in visitor.text
    assert (await office.client.get("/v1/me", headers=token(visitor))).status_code == 200
    await visitor.submit("/me/delete", code=code)
    assert visitor.heading() == "Your account is deleted"
    stored = "SELECT count(*) FROM people WHERE email = $1"
    assert await office.context.database.fetch_value(stored, ADA) == 0


async def test_a_code_of_another_address_deletes_nothing(office: BoxOffice) -> None:
    visitor = await by_code(office)
    sent = (await office.client.post("/v1/auth/code", json={"email": "mallory@example.org"})).json()
    code, _, _ = await read_mail(office, "mallory@example.org")
    for body, status in (
        ({"receipt": sent["receipt"], "code": code}, 401),
        ({"password": PASSWORD}, 403),
        ({}, 422),
        ({"receipt": sent["receipt"]}, 422),
    ):
        answer = await office.client.request("DELETE", "/v1/me", json=body, headers=token(visitor))
        assert answer.status_code == status, answer.text
    sent = (await office.client.post("/v1/auth/code", json={"email": ADA})).json()
    code, _, _ = await read_mail(office, ADA)
    body = {"receipt": sent["receipt"], "code": code}
    answer = await office.client.request("DELETE", "/v1/me", json=body, headers=token(visitor))
    assert answer.status_code == 204, answer.text


async def test_the_address_is_verified_over_the_api(office: BoxOffice) -> None:
    visitor = await by_password(office)
    sent = (await office.client.post("/v1/auth/code", json={"email": ADA})).json()
    code, _, _ = await read_mail(office, ADA)
    body = {"receipt": sent["receipt"], "code": code}
    answer = await office.client.post("/v1/me/verify-email", json=body, headers=token(visitor))
    assert answer.status_code == 200, answer.text
    assert answer.json()["email_verified_at"] is not None
    given = ByCode(sent["receipt"], code)
    assert (await office.context.accounts.login_with_code(given, None, None)).person.name == "Ada Lovelace"


async def test_the_page_of_an_account_without_mail_offers_nothing_that_needs_it(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        visitor = await by_password(office)
        text = await visitor.read("/me")
        assert visitor.path == "/me"
        for path in ("/forgot", "/me/verify"):
            assert f'"{path}' not in text
        await visitor.send("/me/verify/send", {})
        assert visitor.status == 409
        await visitor.read("/me/delete")
        await visitor.send("/me/delete", {"password": PASSWORD})
        assert visitor.heading() == "Your account is deleted"


async def test_a_reset_from_the_account_chooses_the_first_password(office: BoxOffice) -> None:
    visitor = await by_code(office)
    await visitor.read("/forgot?next=/me")
    await visitor.submit("/forgot", email=ADA)
    code, _, _ = await read_mail(office, ADA)
    await visitor.submit("/reset", code=code, password=PASSWORD)
    assert visitor.path == "/me"
    assert "Change the password" in visitor.text
    assert show_id("per", (await office.context.accounts.login(ADA, PASSWORD, None)).person.person_id)
