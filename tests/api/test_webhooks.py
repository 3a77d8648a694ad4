"""Webhooks over HTTP: registering, secrets, rights, the log, sending again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from evently.accounts.keys import create_key
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.webhooks import Program, open_program, send_all

SOME = ["booking.confirmed", "event.changed"]
PUBLIC = "https://shop.evently-tests.org/hooks"


@pytest_asyncio.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, webhook_networks="127.0.0.0/8") as opened:
        yield opened


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    async with open_program() as opened:
        yield opened


def address_of(office: BoxOffice) -> str:
    return f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/webhooks"


async def key_with(office: BoxOffice, *scopes: str) -> dict[str, str]:
    async with office.context.database.transaction() as tx:
        _, text = await create_key(
            tx, office.venue.organizer_id, "a shop", frozenset(scopes), new_id(), utc_now()
        )
    return {"Authorization": f"Bearer {text}"}


async def registered(office: BoxOffice, headers: dict[str, str], address: str, **more: Any) -> Any:
    body = {"address": address, "kinds": SOME, **more}
    answer = await office.post(address_of(office), headers, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_program_gets_a_booking_and_its_owner_reads_what_came_back(
    office: BoxOffice, program: Program
) -> None:
    owner = await office.as_member("owner")
    made = await registered(office, owner, program.address, description="Our shop")
    assert made["secret"].startswith("whsec_")
    event = await office.open_event(capacity=20)
    booking = (await office.book(event, office.as_buyer(), 2)).json()
    await office.deliver()
    await send_all(office.context.webhooks)
    (got,) = program.got
    body = program.verify(got, made["secret"], utc_now())
    assert (body["type"], body["data"]["booking_id"]) == ("booking.confirmed", booking["id"])
    assert "person" not in body["data"]
    story = await office.client.get(body["data"]["url"], headers=owner)
    assert story.status_code == 200, "the link in a message leads somewhere"
    one = f"{address_of(office)}/{made['id']}"
    shown = (await office.client.get(one, headers=owner)).json()
    assert shown == {key: value for key, value in made.items() if key != "secret"}
    (delivery,) = (await office.client.get(f"{one}/deliveries", headers=owner)).json()["data"]
    assert (delivery["id"], delivery["state"], delivery["status"]) == (got.message_id, "delivered", 200)
    whole = (await office.client.get(f"{one}/deliveries/{delivery['id']}", headers=owner)).json()
    assert whole["body"].encode() == got.raw
    assert [(each["number"], each["status"]) for each in whole["answers"]] == [(1, 200)]
    again = await office.post(f"{one}/deliveries/{delivery['id']}/send-again", owner)
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    await send_all(office.context.webhooks)
    assert [each.message_id for each in program.got] == [got.message_id] * 2


async def test_the_test_message_and_the_rotation(office: BoxOffice, program: Program) -> None:
    owner = await office.as_member("owner")
    made = await registered(office, owner, program.address)
    one = f"{address_of(office)}/{made['id']}"
    sent = await office.post(f"{one}/test", owner)
    assert sent.status_code == 201
    assert (await office.client.get(sent.headers["location"], headers=owner)).json()["kind"] == "webhook.test"
    rotated = (await office.post(f"{one}/rotate", owner, overlap_hours=1)).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["earlier_until"] is not None
    await send_all(office.context.webhooks)
    (got,) = program.got
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    for secret in (made["secret"], rotated["secret"]):
        program.verify(got, secret, utc_now())
    refused = await office.post(f"{one}/rotate", owner)
    assert (refused.status_code, refused.json()["code"]) == (409, "rotated-already")
    wrong = await office.post(f"{one}/rotate", owner, overlap_hours=1000)
    assert wrong.status_code == 422
    await office.context.database.fetch(
        "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at > now()"
    )
    await office.post(f"{one}/test", owner)
    await send_all(office.context.webhooks)
    program.verify(program.got[1], rotated["secret"], utc_now())
    assert len(program.got[1].headers["webhook-signature"].split(" ")) == 1


async def test_keys_are_sent_no_more_than_they_may_read(office: BoxOffice) -> None:
    lone, reader = (
        await key_with(office, "webhooks:write"),
        await key_with(office, "webhooks:write", "bookings:read"),
    )
    address = address_of(office)
    body = {"address": "https://127.0.0.1/x", "kinds": ["event.changed"]}
    assert (await office.post(address, lone, **body)).status_code == 201
    for more in ({"kinds": SOME}, {"personal_data": True}):
        refused = await office.post(address, lone, **body | more)
        assert (refused.status_code, refused.json()["scope"]) == (403, "bookings:read")
        assert (await office.post(address, reader, **body | more)).status_code == 201
    mine = (await office.client.get(address, headers=reader)).json()["data"][0]
    headers = lone | {"If-Match": "*"}
    refused = await office.client.patch(f"{address}/{mine['id']}", json={"description": "x"}, headers=headers)
    assert refused.status_code == 403
    for role in ("manager", "door"):
        assert (await office.post(address, await office.as_member(role), **body)).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "ftp://shop.evently-tests.org/"},
        {"address": "https://user@shop.evently-tests.org/"},
        {"address": "https://shop.evently-tests.org/#part"},
        {"address": ""},
        {"kinds": []},
        {"kinds": ["booking.read"]},
        {"description": "x" * 201},
        {"description": "a\u202eb"},
        {"surprise": 1},
    ],
)
async def test_what_cannot_be_registered(office: BoxOffice, wrong: dict[str, Any]) -> None:
    body = {"address": PUBLIC, "kinds": SOME} | wrong
    assert (await office.post(address_of(office), await office.as_member("owner"), **body)).status_code == 422


async def test_without_allowed_networks_only_public_addresses_are_registered(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        owner = await office.as_member("owner")
        for address in (
            "https://127.0.0.1/x",
            "http://shop.evently-tests.org/",
            "https://localhost/",
            "https://shop.evently-tests.org:8443/x",
        ):
            answer = await office.post(address_of(office), owner, address=address, kinds=SOME)
            assert answer.status_code == 422, address
        await registered(office, owner, PUBLIC)


async def test_it_is_changed_paused_resumed_and_removed(office: BoxOffice, program: Program) -> None:
    owner = await office.as_member("owner")
    made = await registered(office, owner, program.address)
    one = f"{address_of(office)}/{made['id']}"
    assert (await office.client.patch(one, json={}, headers=owner)).status_code == 428
    first = owner | {"If-Match": (await office.client.get(one, headers=owner)).headers["etag"]}
    changed = await office.client.patch(one, json={"kinds": ["booking.confirmed"]}, headers=first)
    assert changed.json()["kinds"] == ["booking.confirmed"]
    assert (await office.client.patch(one, json={}, headers=first)).status_code == 412
    assert (await office.post(f"{one}/pause", owner)).json()["paused_because"] == "by_hand"
    event = await office.open_event(capacity=20)
    await office.book(event, office.as_buyer())
    await office.deliver()
    await send_all(office.context.webhooks)
    assert program.got == []
    waits = (await office.client.get(one, headers=owner)).json()
    assert waits["waiting"] == 1
    assert waits["waiting_since"] is not None
    (delivery,) = (await office.client.get(f"{one}/deliveries?state=pending", headers=owner)).json()["data"]
    assert (await office.post(f"{one}/resume", owner)).json()["paused_at"] is None
    await send_all(office.context.webhooks)
    assert program.kinds == ["booking.confirmed"]
    skip = f"{one}/deliveries/{delivery['id']}/skip"
    refused = await office.post(skip, owner)
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery-not-pending")
    since = delivery["created_at"]
    many = await office.post(f"{one}/send-again", owner, **{"from": since})
    assert many.json() == {"deliveries": 1}
    await office.client.post(skip, headers=owner)
    assert (await office.post(f"{one}/send-again", owner, **{"from": since, "to": since})).status_code == 422
    assert (await office.client.delete(one, headers=owner)).status_code == 204
    assert (await office.client.get(one, headers=owner)).status_code == 404
    assert (await office.post(f"{one}/test", owner)).status_code == 404
    stranger = await registered(office, owner, program.address)
    nothing = f"{address_of(office)}/{stranger['id']}/deliveries/{delivery['id']}"
    assert (await office.client.get(nothing, headers=owner)).status_code == 404
