"""Streams of real processes: two workers tell the same, a quiet stream stays open, and readers come back."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from evently.catalogue import Event
from evently.cli.serving import GRACE_SECONDS
from evently.realtime.hub import PING_SECONDS
from evently.web.edge.connections import HEAD_SECONDS_MAX, UNREAD_SECONDS_MAX
from tests.support.box_office import SECRET, BoxOffice, open_box_office
from tests.support.proxies import free_port
from tests.support.reading import Follower, Heard, following_all, streaming
from tests.support.serving import serving, until
from tests.support.streams import applied
from tests.support.streams import until as soon

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the Linux way"),
]
READERS = 24
STREAMS = 12  # more than two workers share by chance alone


async def test_two_workers_tell_what_either_sells_and_stopping_ends_all_at_once(
    shared_database_url: str,
) -> None:
    settings = {"database_url": shared_database_url, "secret": SECRET, "access_log": "false"}
    with serving("--workers", "2", **settings) as server:
        until(lambda: server.starts() == 2, "both serve")
        async with AsyncExitStack() as stack:
            office = await stack.enter_async_context(open_box_office(shared_database_url))
            event = await office.open_event(capacity=100)
            streams = [
                await stack.enter_async_context(streaming(server.url, event, socket=number % 2 == 1))
                for number in range(STREAMS)
            ]
            await sells(office, event, streams)
            quiet = max(HEAD_SECONDS_MAX, UNREAD_SECONDS_MAX) + 6
            await asyncio.sleep(quiet)  # longer than a connection may be silent
            await soon(lambda: all(each.pings for each in streams), "a ping")
            await sells(office, event, streams)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            await soon(lambda: all(each.ended for each in streams), "all have ended")
            assert time.monotonic() - began < GRACE_SECONDS / 2, "nobody waited for the grace"
            assert {each.messages[-1].data["reason"] for each in streams} == {"stopping"}
            assert [each.code for each in streams] == [None, 1012] * (STREAMS // 2)
            waits = {each.retry for each in streams[::2]}
            assert len(waits) > 1, "they do not come back at the same moment; two may by chance"
            server.process.wait(60)
            assert "Traceback" not in server.log()
            assert "Cancel" not in server.log()


async def sells(office: BoxOffice, event: Event, streams: list[Heard]) -> None:
    """Sell a ticket in this process, which every reader of the server hears before the next ping."""
    heard = [len(each.messages) for each in streams]
    assert (await office.book(event, office.as_buyer())).status_code == 201
    async with asyncio.timeout(PING_SECONDS / 2):
        await soon(
            lambda: all(len(each.messages) > before for each, before in zip(streams, heard, strict=True)),
            "all hear",
        )
    left = {each.messages[-1].data["ticket_types"][0]["available"] for each in streams}
    assert len(left) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_readers_continue_when_the_server_starts_again(
    shared_database_url: str, number: signal.Signals
) -> None:
    """They come back one after the other, and miss nothing, not even what was sold meanwhile."""
    settings = {"database_url": shared_database_url, "secret": SECRET, "access_log": "false"}
    arguments = ("--workers", "1", "--port", str(free_port()))
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(open_box_office(shared_database_url))
        event = await office.open_hall()
        types = await office.types(event)

        async def take(*seats: str) -> None:
            line = {"ticket_type_id": types["Stalls"], "quantity": len(seats), "seats": list(seats)}
            assert (await office.place(event, office.as_buyer(), line)).status_code == 201

        with serving(*arguments, **settings) as server:
            readers = [Follower(server.url, event, socket=turn % 2 == 1) for turn in range(READERS)]
            await stack.enter_async_context(following_all(readers))
            await take("S-A-1")
            await soon(lambda: all(seats_of(each)[:2] == "10" for each in readers), "the first seat")
            ended_at = asyncio.get_running_loop().time()
            await asyncio.to_thread(server.stop, number)
        await take("S-A-2", "S-A-3")
        with serving(*arguments, **settings):
            await soon(lambda: all(seats_of(each)[:4] == "1110" for each in readers), "what they missed")
            await take("S-A-4")
            await soon(lambda: all(seats_of(each)[:5] == "11110" for each in readers), "and what comes then")
        tries = [at - ended_at for each in readers for at in each.opened_at if at > ended_at]
        counts = Counter(int(at * 4) for at in tries)
        print(f"{len(tries)} tries, {counts.most_common(3)} in the busiest quarters of a second")
        assert min(tries) > 0.9
        assert max(counts.values()) <= READERS / 2, "not all in the same moment"


def seats_of(reader: Follower) -> str:
    """Return the states of the seats as a reader knows them."""
    return str(applied(reader.messages)["seats"]["states"])
