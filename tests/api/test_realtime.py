"""Streams of events: a snapshot, what changes, how a reader continues, and how streams end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import pytest_asyncio

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.realtime import HubOptions
from evently.realtime.hub import PING_SECONDS
from evently.web.application import create_asgi
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.streams import Message, Stream, applied, following, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


def address(event: Event, query: str = "") -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/stream{query}"


def opened(office: BoxOffice, event: Event, query: str = "", **more: Any) -> Any:
    return following(office.asgi, address(event, query), **more)


async def availability(office: BoxOffice, event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = (
        await office.client.get(f"/v1/events/{show_id('evt', event.event_id)}/availability")
    ).json()
    return shown


@pytest.fixture(params=[False, True], ids=["events", "websocket"])
def socket(request: pytest.FixtureRequest) -> bool:
    """Return whether streams are opened over WebSocket."""
    return bool(request.param)


async def agrees(office: BoxOffice, event: Event, stream: Stream) -> None:
    """Check that a reader of the whole stream knows what the availability says."""
    known = applied(stream.messages)
    shown = await availability(office, event)
    assert list(known["ticket_types"].values()) == shown.pop("ticket_types")
    assert {name: known[name] for name in shown} == shown


async def test_an_event_stream_is_sent_as_it_is(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    async with opened(office, event, accept_encoding="br, gzip") as stream:
        await stream.has(1)
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "no-store" in stream.headers["cache-control"]
        assert "content-encoding" not in stream.headers
        assert stream.retry is not None


async def test_a_snapshot_then_what_others_book(office: BoxOffice, *, socket: bool) -> None:
    event = await office.open_event(capacity=5)
    async with opened(office, event, socket=socket) as stream:
        (first,) = await stream.has(1)
        assert first.name == "snapshot"
        assert first.id == str(first.data["seq"])
        assert first.data["seats"] is None
        await agrees(office, event, stream)
        async with asyncio.timeout(PING_SECONDS / 2):  # by itself, and not with the next ping
            assert (await office.book(event, office.as_buyer(), 2)).status_code == 201
            _, changes = await stream.has(2)
        assert changes.name == "changes"
        assert int(changes.id) > int(first.id)
        assert [each["available"] for each in changes.data["ticket_types"]] == [3]
        await agrees(office, event, stream)
        assert (await office.book(event, office.as_buyer(), 3)).status_code == 201
        sold_out = (await stream.has(3))[-1]
        assert sold_out.data["state"] == "sold_out"
        assert sold_out.data["ticket_types"][0]["state"] == "sold_out"


async def test_only_what_changes_is_told(office: BoxOffice, *, socket: bool) -> None:
    event = await office.open_hall()
    types = await office.types(event)
    async with opened(office, event, socket=socket) as stream:
        (first,) = await stream.has(1)
        assert first.data["seats"]["states"] == "0" * 16
        await office.place(
            event, office.as_buyer(), {"ticket_type_id": types["Balcony"], "quantity": 1, "seats": ["B-A-2"]}
        )
        changes = (await stream.has(2))[-1]
        assert changes.data["seats"] == [[13, "1"]]
        assert [each["ticket_type_id"] for each in changes.data["ticket_types"]] == [types["Balcony"]]
        await agrees(office, event, stream)
    async with opened(office, event, "?seats=false", socket=socket) as stream:
        (first,) = await stream.has(1)
        assert first.data["seats"] is None


async def test_a_reader_who_comes_back_continues(office: BoxOffice, *, socket: bool) -> None:
    event = await office.open_hall()
    types = await office.types(event)

    async def take(*seats: str) -> None:
        line = {"ticket_type_id": types["Stalls"], "quantity": len(seats), "seats": list(seats)}
        assert (await office.place(event, office.as_buyer(), line)).status_code == 201

    async with opened(office, event, socket=socket) as stream:
        await stream.has(1)
    last = stream.messages[-1].id
    await take("S-A-1")
    await take("S-B-6", "S-B-5")
    async with opened(office, event, last_event_id=last, socket=socket) as again:
        taken = "1000000000110000"
        await until(
            lambda: applied(stream.messages + again.messages)["seats"]["states"] == taken, "all are told"
        )
        assert {each.name for each in again.messages} == {"changes"}
        assert len(again.messages[0].data["ticket_types"]) == 4, "a clock may have changed any of them"
        stream.messages += again.messages
        await agrees(office, event, stream)
    async with opened(office, event, f"?since={last}", socket=socket) as since:
        (changes,) = await since.has(1)
        assert changes.data["seats"] == [[0, "1"], [10, "1"], [11, "1"]]
    async with opened(office, event, last_event_id=changes.id, socket=socket) as nothing:
        assert (await nothing.has(1))[0].data["seats"] == []
    for unknown in ("0", str(10**18), "a", "-1"):
        async with opened(office, event, last_event_id=unknown) as new:
            assert (await new.has(1))[0].name == "snapshot", unknown


async def test_who_reads_too_slowly_is_dropped_and_continues(office: BoxOffice, *, socket: bool) -> None:
    event = await office.open_event(capacity=50)
    async with opened(office, event, socket=socket) as slow, opened(office, event) as quick:
        await slow.has(1)
        await quick.has(1)
        slow.blocked = True
        await office.book(event, office.as_buyer())
        await quick.has(2)
        slow.blocked = False
        slow.unblocked.set()
        await slow.ends()
        assert len(slow.messages) == 1
        assert slow.closed == (1013 if socket else None)
        async with opened(office, event, f"?since={slow.messages[-1].id}", socket=socket) as again:
            await again.has(1)
            slow.messages += again.messages
            assert again.messages[0].name == "changes"
            await agrees(office, event, slow)
        await office.book(event, office.as_buyer())
        await quick.has(3)


async def test_a_cancelled_event_ends_its_streams(office: BoxOffice, *, socket: bool) -> None:
    event = await office.open_event()
    async with opened(office, event, socket=socket) as stream:
        await stream.has(1)
        async with office.context.database.transaction() as tx:
            await organizing.cancel_event(tx, event.event_id, utc_now())
        messages = await stream.ends()
        assert [each.name for each in messages] == ["snapshot", "changes", "end"]
        assert messages[1].data["state"] == "cancelled"
        assert messages[2].data == {"type": "end", "reason": "cancelled"}
        if socket:
            assert stream.closed == 1000
        else:
            assert stream.retry == 600_000, "a browser that knows no better asks rarely"
    async with opened(office, event, socket=socket) as late:
        assert [each.name for each in await late.ends()] == ["snapshot", "end"]


async def test_drafts_and_unknown_events_have_no_stream(office: BoxOffice) -> None:
    draft = await office.open_event(publish=False)
    assert problem_of(await office.client.get(address(draft)), 404) == "event-not-found"
    nothing = f"/v1/events/{show_id('evt', new_id())}/stream"
    assert problem_of(await office.client.get(nothing), 404) == "event-not-found"
    for place in (address(draft), nothing):
        async with following(office.asgi, place, socket=True) as refused:
            assert (refused.status, refused.headers["content-type"]) == (404, "application/problem+json")
            assert json.loads(refused.body)["code"] == "event-not-found"
    assert office.context.hub.streams == 0


async def test_a_websocket_takes_no_messages(office: BoxOffice) -> None:
    event = await office.open_event()
    async with opened(office, event, socket=True) as stream:
        await stream.has(1)
        stream.say('{"since":0}')
        await stream.ends()
        assert stream.closed == 1008
    await until(lambda: office.context.hub.streams == 0, "its place is free again")


async def test_pages_of_other_sites_open_no_websocket(office: BoxOffice) -> None:
    event, options = await office.open_event(), office.context.options
    own, other = "https://evently.example", "https://other.example"
    async with opened(office, event, socket=True, origin=own) as stream:
        await stream.has(1)
    for origin in (other, "null", "https://evently.example.other.example"):
        async with opened(office, event, socket=True, origin=origin) as refused:
            assert refused.status == 403
            assert json.loads(refused.body)["code"] == "origin-not-allowed"
    for allowed in ((other,), ("*",)):
        wide = replace(office.context, options=msgspec.structs.replace(options, cors_origins=allowed))
        async with following(create_asgi(wide), address(event), socket=True, origin=other) as stream:
            await stream.has(1)


async def test_a_websocket_at_another_address_gets_its_response(office: BoxOffice) -> None:
    for place, status in (("/livez", 200), ("/v1/nothing", 404), ("/v1/me", 401), ("/", 200)):
        async with following(office.asgi, place, socket=True) as refused:
            assert refused.status == status, place


async def test_head_and_old_clients_get_an_answer_that_ends(office: BoxOffice) -> None:
    event = await office.open_event()
    head = await office.client.head(address(event))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream"
    async with opened(office, event, version="1.0") as stream:
        (first,) = await stream.ends()
        assert first.name == "snapshot"
        assert int(stream.headers["content-length"]) > 100


async def test_streams_have_limits(office: BoxOffice) -> None:
    event, hub = await office.open_event(), office.context.hub
    whole = hub.options
    hub.options = HubOptions(streams_per_address_max=2)
    try:
        async with opened(office, event) as one, opened(office, event, socket=True) as two:
            await one.has(1)
            await two.has(1)
            for socket in (False, True):
                async with opened(office, event, socket=socket) as refused:
                    assert refused.status == 429
                    assert refused.headers["retry-after"] == "60"
            hub.options = HubOptions(streams_max=2)
            for socket in (False, True):
                async with opened(office, event, socket=socket) as refused:
                    assert refused.status == 503
            assert hub.streams == 2
    finally:
        hub.options = whole
    await until(lambda: hub.streams == 0, "all places are free again")
    async with opened(office, event) as stream:
        await stream.has(1)


async def test_messages_are_what_asyncapi_describes(office: BoxOffice, *, socket: bool) -> None:
    document = (await office.client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    event = await office.open_hall()
    types = await office.types(event)
    async with opened(office, event, socket=socket) as stream:
        await stream.has(1)
        line = {"ticket_type_id": types["Stalls"], "quantity": 1}
        assert (await office.place(event, office.as_buyer(), line)).status_code == 201
        await stream.has(2)
        await office.context.hub.ping()
        await until(lambda: stream.pings > 0, "a ping")
        async with office.context.database.transaction() as tx:
            await organizing.cancel_event(tx, event.event_id, utc_now())
        messages = [*await stream.ends(), Message("ping", "", {"type": "ping"})]
    channel = document["channels"]["eventStream"]
    assert channel["address"].format(event_id="x") == "/v1/events/x/stream"
    described_messages = [document["components"]["messages"][name] for name in channel["messages"]]
    by_name = {each["name"]: each for each in described_messages}
    assert {each.name for each in messages} == set(by_name)
    for message in messages:
        schema = {**by_name[message.name]["payload"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(message.data)
    assert len(channel["messages"]) == len(document["operations"]["streamEvent"]["messages"]) == 4
    queried = channel["bindings"]["ws"]["query"]["properties"]
    described = (await office.client.get("/openapi.json")).json()["paths"]["/v1/events/{event_id}/stream"]
    assert set(queried) == {each["name"] for each in described["get"]["parameters"] if each["in"] == "query"}
