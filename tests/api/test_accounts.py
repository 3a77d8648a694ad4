"""Accounts over HTTP: registration, login, refresh, logout; my account; users for admins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest
from msgspec.structs import replace

from evently.kit.ids import new_id, parse_id, show_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms
from evently.sales.terms import Conditions, RefundWindow
from tests.api.test_bookings_money import hold, move, pay
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import sale_terms

PASSWORD: Final = "nine lively herons wade"
OTHER: Final = "eleven quiet owls blink"
ADA: Final = {"email": "ada@example.org", "name": "Ada Lovelace", "password": PASSWORD}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def sign_up(
    office: BoxOffice, email: str = "ada@example.org", name: str = "Ada Lovelace"
) -> dict[str, Any]:
    registered = await office.client.post(
        "/v1/auth/register", json={"email": email, "name": name, "password": PASSWORD}
    )
    assert registered.status_code == 202, registered.text
    return await log_in(office, email)


async def log_in(
    office: BoxOffice, email: str = "ada@example.org", password: str = PASSWORD
) -> dict[str, Any]:
    answer = await office.client.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def administrator(office: BoxOffice) -> dict[str, str]:
    person, _ = await office.context.accounts.create_admin("root@example.org", "Root")
    return office.as_person(person.person_id, "admin")


# Register, log in, refresh, log out -------------------------------------------------------------------------


async def test_register_log_in_and_look(office: BoxOffice) -> None:
    registered = await office.client.post("/v1/auth/register", json=ADA)
    assert (registered.status_code, registered.json()) == (202, {"status": "accepted"})
    answer = await office.client.post(
        "/v1/auth/login", json={"email": " ADA@example.org", "password": PASSWORD}
    )
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "person"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    me = await office.client.get("/v1/me", headers=bearer(tokens))
    assert me.json() == tokens["person"]
    assert me.json().keys() == {"id", "email", "name", "role", "created_at", "email_verified_at"}
    assert (me.headers["etag"], me.headers["cache-control"]) == ('"1"', "no-store")
    unchanged = await office.client.get("/v1/me", headers=bearer(tokens) | {"If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_registering_a_taken_email_is_answered_alike(office: BoxOffice) -> None:
    first = await office.client.post("/v1/auth/register", json=ADA)
    second = await office.client.post("/v1/auth/register", json=ADA | {"name": "Eve", "password": OTHER})
    assert (first.status_code, first.content) == (second.status_code, second.content)
    ignored = {"x-request-id", "ratelimit", "date"}
    assert {name for name in first.headers if name not in ignored} == {
        name for name in second.headers if name not in ignored
    }
    assert (await log_in(office))["person"]["name"] == "Ada Lovelace"


async def test_all_that_is_wrong_is_said_at_once(office: BoxOffice) -> None:
    answer = await office.client.post(
        "/v1/auth/register", json={"email": "nobody", "name": "", "password": "short"}
    )
    assert problem_of(answer, 422) == "invalid"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/email", "/name", "/password"]
    answer = await office.client.post("/v1/auth/register", json={"email": 1, "role": "admin"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/email",
        "/name",
        "/password",
        "/role",
    }


@pytest.mark.parametrize(
    "field", ["role", "is_admin", "id", "person_id", "version", "created_at", "password_hash", "erased_at"]
)
async def test_nobody_assigns_what_the_server_owns(office: BoxOffice, field: str) -> None:
    assert (
        problem_of(await office.client.post("/v1/auth/register", json=ADA | {field: "admin"}), 422)
        == "invalid"
    )
    headers = office.as_buyer() | {"If-Match": "*"}
    assert (
        problem_of(
            await office.client.patch("/v1/me", json={"name": "Ada", field: "admin"}, headers=headers), 422
        )
        == "invalid"
    )


async def test_wrong_and_unknown_are_refused_alike(office: BoxOffice) -> None:
    await office.client.post("/v1/auth/register", json=ADA)
    said = []
    for email in ("ada@example.org", "nobody@example.org"):
        answer = await office.client.post("/v1/auth/login", json={"email": email, "password": OTHER})
        assert problem_of(answer, 401) == "wrong-credentials"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        body = answer.json()
        del body["request_id"]
        said.append(body)
    assert said[0] == said[1]


async def test_guessing_is_told_when_to_come_back(office: BoxOffice) -> None:
    await office.client.post("/v1/auth/register", json=ADA)
    wrong = {"email": ADA["email"], "password": OTHER}
    for _ in range(10):
        assert problem_of(await office.client.post("/v1/auth/login", json=wrong), 401) == "wrong-credentials"
    answer = await office.client.post("/v1/auth/login", json=wrong)
    assert problem_of(answer, 429) == "too-many-attempts"
    assert 800 < int(answer.headers["retry-after"]) <= 900


async def test_an_old_token_does_not_keep_anybody_from_logging_in(office: BoxOffice) -> None:
    await office.client.post("/v1/auth/register", json=ADA)
    answer = await office.client.post(
        "/v1/auth/login",
        json={"email": ADA["email"], "password": PASSWORD},
        headers={"Authorization": "Bearer old"},
    )
    assert answer.status_code == 200


async def test_refreshing_and_reuse(office: BoxOffice) -> None:
    tokens = await sign_up(office)
    answers = await asyncio.gather(
        *[
            office.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
            for _ in range(10)
        ]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    renewed = answers[0].json()
    assert (await office.client.get("/v1/me", headers=bearer(renewed))).status_code == 200
    again = await office.client.post("/v1/auth/refresh", json={"refresh_token": renewed["refresh_token"]})
    assert again.status_code == 200
    stolen = await office.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert problem_of(stolen, 401) == "refresh-token-reused"
    assert problem_of(await office.client.get("/v1/me", headers=bearer(again.json())), 401) == "token-invalid"


async def test_kinds_of_tokens_are_exclusive(office: BoxOffice) -> None:
    tokens = await sign_up(office)
    as_access = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert problem_of(await office.client.get("/v1/me", headers=as_access), 401) == "token-invalid"
    as_refresh = {"refresh_token": tokens["access_token"]}
    assert (
        problem_of(await office.client.post("/v1/auth/refresh", json=as_refresh), 401)
        == "refresh-token-invalid"
    )


async def test_logging_out(office: BoxOffice) -> None:
    tokens, other = await sign_up(office), await log_in(office)
    answer = await office.client.post("/v1/auth/logout", headers=bearer(tokens))
    assert (answer.status_code, answer.content) == (204, b"")
    assert problem_of(await office.client.get("/v1/me", headers=bearer(tokens)), 401) == "token-invalid"
    refreshed = await office.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert problem_of(refreshed, 401) == "refresh-token-invalid"
    third = await log_in(office)
    assert (
        await office.client.post("/v1/auth/logout?everywhere=true", headers=bearer(other))
    ).status_code == 204
    assert problem_of(await office.client.get("/v1/me", headers=bearer(third)), 401) == "token-invalid"


# My account -------------------------------------------------------------------------------------------------


async def test_editing_my_name_takes_the_version(office: BoxOffice) -> None:
    headers = bearer(await sign_up(office))
    assert (
        problem_of(await office.client.patch("/v1/me", json={"name": "Ada"}, headers=headers), 428)
        == "if-match-missing"
    )
    edited = await office.client.patch(
        "/v1/me", json={"name": "  Ada   King "}, headers=headers | {"If-Match": '"1"'}
    )
    assert (edited.json()["name"], edited.headers["etag"]) == ("Ada King", '"2"')
    assert (
        problem_of(
            await office.client.patch("/v1/me", json={"name": "Eve"}, headers=headers | {"If-Match": '"1"'}),
            412,
        )
        == "stale"
    )
    nothing = await office.client.patch("/v1/me", json={}, headers=headers | {"If-Match": '"2"'})
    assert (nothing.status_code, nothing.headers["etag"]) == (200, '"2"')
    wrong = await office.client.patch(
        "/v1/me", json={"name": "\u0007"}, headers=headers | {"If-Match": '"2"'}
    )
    assert problem_of(wrong, 422) == "invalid"


async def test_changing_my_password(office: BoxOffice) -> None:
    tokens, other = await sign_up(office), await log_in(office)
    body = {"current_password": OTHER, "new_password": OTHER}
    assert (
        problem_of(await office.client.post("/v1/me/password", json=body, headers=bearer(tokens)), 403)
        == "wrong-password"
    )
    body = {"current_password": PASSWORD, "new_password": "ada lovelace ada"}
    assert (
        problem_of(await office.client.post("/v1/me/password", json=body, headers=bearer(tokens)), 422)
        == "invalid"
    )
    body = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await office.client.post("/v1/me/password", json=body, headers=bearer(tokens))).status_code == 204
    assert (await office.client.get("/v1/me", headers=bearer(tokens))).status_code == 200
    assert problem_of(await office.client.get("/v1/me", headers=bearer(other)), 401) == "token-invalid"
    await log_in(office, password=OTHER)


async def test_deleting_my_account(office: BoxOffice) -> None:
    tokens = await sign_up(office)
    assert (
        problem_of(await office.client.request("DELETE", "/v1/me", headers=bearer(tokens)), 415)
        == "unsupported-media-type"
    )
    wrong = await office.client.request("DELETE", "/v1/me", json={"password": OTHER}, headers=bearer(tokens))
    assert problem_of(wrong, 403) == "wrong-password"
    gone = await office.client.request(
        "DELETE", "/v1/me", json={"password": PASSWORD}, headers=bearer(tokens)
    )
    assert gone.status_code == 204
    assert problem_of(await office.client.get("/v1/me", headers=bearer(tokens)), 401) == "token-invalid"
    again = await office.client.post("/v1/auth/login", json={"email": ADA["email"], "password": PASSWORD})
    assert problem_of(again, 401) == "wrong-credentials"


async def test_an_account_ends_with_its_claims_settled(office: BoxOffice) -> None:
    terms = SaleTerms(
        currency="EUR",
        capacity=9,
        ticket_types=(NewTicketType(name="Regular", price=Money(2500, "EUR"), per_booking_max=10),),
        conditions=Conditions(payment="online"),
    )
    event, gratis = await office.open_event(terms=terms), await office.open_event(price=Money(0, "EUR"))
    ada, others = bearer(await sign_up(office)), office.as_buyer()
    url = f"/v1/events/{show_id('evt', event.event_id)}"
    held = (await office.book(event, ada, 3)).json()
    rest = (await office.book(event, others, 6)).json()
    tickets = (await office.book(gratis, ada, 2)).json()
    waiting = {"ticket_type_id": rest["tickets"][0]["ticket_type_id"], "quantity": 6}
    await office.post(f"{url}/waitlist", ada, **waiting)
    second = (await office.post(f"{url}/waitlist", office.as_buyer(), **waiting)).json()

    async def close(query: str = "") -> httpx2.Response:
        body = {"password": PASSWORD}
        return await office.client.request("DELETE", f"/v1/me{query}", json=body, headers=ada)

    refused = await close()
    assert problem_of(refused, 409) == "tickets-ahead"
    said = refused.json()
    ahead = {"id": tickets["id"], "tickets": 2, "refund": {"amount": 0, "currency": "EUR"}}
    assert (said["bookings"], said["tickets"]) == ([ahead], 2)
    assert said["detail"] == f"2 valid tickets would be lost. Their bookings: {tickets['id']}."
    assert problem_of(await close("?confirm=yes"), 422) == "invalid"
    assert (await office.client.get(f"/v1/bookings/{held['id']}", headers=ada)).json()["state"] == "held"
    assert (await close("?confirm=cancel_tickets")).status_code == 204

    manager = await office.as_member("manager")
    states = {
        row["id"]: row["state"]
        for each in (event, gratis)
        for row in (
            await office.client.get(f"/v1/events/{show_id('evt', each.event_id)}/bookings", headers=manager)
        ).json()["data"]
    }
    ended = (states[held["id"]], states[rest["id"]], states[tickets["id"]])
    assert ended == ("cancelled", "held", "cancelled")
    line = (await office.client.get(f"{url}/waitlist", headers=manager)).json()["data"]
    assert [entry["id"] for entry in line] == [second["id"]]
    other = f"/v1/events/{show_id('evt', gratis.event_id)}/waitlist/{second['id']}"
    missing = await office.client.delete(other, headers=manager)
    assert problem_of(missing, 404) == "waitlist-entry-not-found"
    gone = await office.client.delete(f"{url}/waitlist/{second['id']}", headers=manager)
    assert (gone.json()["state"], gone.json()["reason"]) == ("withdrawn", "cancelled")


async def test_closing_an_account_says_what_is_refunded_for_each_booking(office: BoxOffice) -> None:
    """Of paid tickets, also when the event has moved, or when some were used; none when it is too late."""
    windows = (RefundWindow(24, 5_000),)
    paid_half = Conditions(payment="online", refund_windows=windows, give_back_days=0)
    moved_terms = Conditions(payment="online", refund_windows=(), give_back_days=14)
    too_late = Conditions(payment="online", cancel_hours_before=24 * 60)
    events = [
        await office.open_event(terms=replace(sale_terms(), conditions=each))
        for each in (paid_half, moved_terms, too_late, Conditions())
    ]
    ada = bearer(await sign_up(office))
    booked = [await pay(office, await hold(office, event, ada, 2), ada) for event in events[:3]]
    booked.append((await office.book(events[3], ada, 3)).json())
    await move(office, events[1], starts_at=events[1].starts_at + timedelta(minutes=1))
    async with office.context.database.transaction() as tx:
        for one in (booked[0], booked[3]):
            used = parse_id("tkt", one["tickets"][0]["id"])
            await tx.execute("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", used)

    async def close(query: str = "") -> httpx2.Response:
        body = {"password": PASSWORD}
        return await office.client.request("DELETE", f"/v1/me{query}", json=body, headers=ada)

    def shown(one: Any, tickets: int, refund: int | None) -> dict[str, Any]:
        return {
            "id": one["id"],
            "tickets": tickets,
            "refund": None if refund is None else {"amount": refund, "currency": "EUR"},
        }

    refused = await close()
    assert problem_of(refused, 409) == "tickets-ahead"
    assert refused.json()["bookings"] == [
        shown(booked[0], 1, 1250),
        shown(booked[1], 2, 5000),
        shown(booked[2], 2, None),
        shown(booked[3], 2, 0),
    ]
    assert (await close("?confirm=cancel_tickets")).status_code == 204
    refunded = [
        tuple(row)
        for row in await office.context.database.fetch(
            "SELECT refunded_minor, state FROM bookings ORDER BY booking_id"
        )
    ]
    assert refunded == [(1250, "confirmed"), (5000, "cancelled"), (0, "confirmed"), (0, "confirmed")]
    states = [
        tuple(row)
        for row in await office.context.database.fetch(
            "SELECT state, count(*) FROM tickets GROUP BY state ORDER BY state"
        )
    ]
    assert states == [("used", 2), ("valid", 2), ("void", 5)], "valid: those of the third booking"


async def test_my_account_needs_me(office: BoxOffice) -> None:
    for method, path in (
        ("GET", "/v1/me"),
        ("PATCH", "/v1/me"),
        ("DELETE", "/v1/me"),
        ("POST", "/v1/me/password"),
        ("POST", "/v1/auth/logout"),
    ):
        assert problem_of(await office.client.request(method, path), 401) == "unauthenticated"
        for wrong in ("Bearer x", "Bearer ", f"Bearer {'x' * 5000}", "Basic YTpi"):
            refused = await office.client.request(method, path, headers={"Authorization": wrong})
            assert problem_of(refused, 401) in {"unauthenticated", "token-invalid"}


# People, for administrators ---------------------------------------------------------------------------------


async def test_administrators_list_search_and_look(office: BoxOffice) -> None:
    root = await administrator(office)
    for number in range(3):
        await office.context.accounts.register(
            f"p{number}@example.org", f"Person {number}", PASSWORD, "192.0.2.1"
        )
    page = await office.client.get("/v1/admin/users?limit=2", headers=root)
    assert [user["email"] for user in page.json()["data"]] == ["p2@example.org", "p1@example.org"]
    assert page.json()["data"][0].keys() == {
        "id", "email", "name", "role", "created_at", "erased_at", "locked_at",
    }  # fmt: skip
    assert 'rel="next"' in page.headers["link"]
    rest = await office.client.get(
        f"/v1/admin/users?limit=100&after={page.json()['next_cursor']}", headers=root
    )
    assert rest.json()["next_cursor"] is None
    found = (await office.client.get("/v1/admin/users", params={"q": "PERSON 1"}, headers=root)).json()[
        "data"
    ]
    assert [user["email"] for user in found] == ["p1@example.org"]
    one = await office.client.get(f"/v1/admin/users/{found[0]['id']}", headers=root)
    assert (one.json(), one.headers["etag"]) == (found[0], '"1"')
    for q in ("%", "_", "' OR 1=1", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "x" * 254):
        assert (await office.client.get("/v1/admin/users", params={"q": q}, headers=root)).status_code == 200
    assert (
        problem_of(await office.client.get("/v1/admin/users", params={"q": "x" * 255}, headers=root), 422)
        == "invalid"
    )
    assert (
        problem_of(await office.client.get("/v1/admin/users", params={"q": "\x00"}, headers=root), 422)
        == "invalid"
    )


async def test_a_role_counts_at_once(office: BoxOffice) -> None:
    root, tokens = await administrator(office), await sign_up(office)
    path = f"/v1/admin/users/{tokens['person']['id']}"
    assert (
        problem_of(
            await office.client.patch(path, json={"role": "admin", "reason": "Joins us"}, headers=root), 428
        )
        == "if-match-missing"
    )
    assert (
        problem_of(
            await office.client.patch(path, json={"role": "god"}, headers=root | {"If-Match": "*"}), 422
        )
        == "invalid"
    )
    promoted = await office.client.patch(
        path, json={"role": "admin", "reason": "Joins us"}, headers=root | {"If-Match": '"1"'}
    )
    assert (promoted.json()["role"], promoted.headers["etag"]) == ("admin", '"2"')
    assert problem_of(await office.client.get("/v1/me", headers=bearer(tokens)), 401) == "token-invalid"
    again = await log_in(office)
    assert (await office.client.get("/v1/admin/users", headers=bearer(again))).status_code == 200
    deposed = await office.client.patch(
        path, json={"role": "buyer", "reason": "Leaves"}, headers=root | {"If-Match": '"2"'}
    )
    assert deposed.status_code == 200
    assert (
        problem_of(await office.client.get("/v1/admin/users", headers=bearer(again)), 401) == "token-invalid"
    )


async def test_there_is_always_an_administrator(office: BoxOffice) -> None:
    person, _ = await office.context.accounts.create_admin("root@example.org", "Root")
    root = office.as_person(person.person_id, "admin") | {"If-Match": "*"}
    path = f"/v1/admin/users/{show_id('per', person.person_id)}"
    assert (
        problem_of(
            await office.client.patch(path, json={"role": "buyer", "reason": "Leaves"}, headers=root), 409
        )
        == "last-admin"
    )


async def test_administration_is_for_administrators(office: BoxOffice) -> None:
    nobody = show_id("per", new_id())
    owner = await office.as_member("owner")
    for method, path in (
        ("GET", "/v1/admin/users"),
        ("GET", f"/v1/admin/users/{nobody}"),
        ("PATCH", f"/v1/admin/users/{nobody}"),
    ):
        assert problem_of(await office.client.request(method, path), 401) == "unauthenticated"
        for headers in (office.as_buyer(), owner):
            assert (
                problem_of(
                    await office.client.request(method, path, json={"role": "admin"}, headers=headers), 403
                )
                == "forbidden"
            )
    root = await administrator(office)
    for unknown in (nobody, "per_x", show_id("org", new_id())):
        assert (
            problem_of(await office.client.get(f"/v1/admin/users/{unknown}", headers=root), 404)
            == "not-found"
        )
