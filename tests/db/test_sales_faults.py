"""Faults between an engine and its server: nothing is lost or done twice, and the engine recovers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from evently.db import Database, DatabaseOptions
from evently.kit.errors import Busy, OutcomeUnknown, Trouble, Unavailable
from tests.support.booking_clients import ClientJournal, run_clients
from tests.support.catalogue import sale_terms, until_somebody_waits
from tests.support.network_faults import DELIVERED_FAULTS, SILENT_FAULTS, Fault, Proxy, proxy_to
from tests.support.row_checks import check_client_journals, check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import (
    ask_again,
    eventually,
    held_up,
    open_engine,
    place,
    say,
    tally,
)


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked at the end."""
    async with open_sales_desk(db) as opened:
        yield opened
    await check_rows(db)


@pytest_asyncio.fixture
async def wire(external_database_url: str) -> AsyncIterator[Proxy]:
    async with proxy_to(external_database_url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def far(external_database_url: str) -> AsyncIterator[SalesDesk]:
    """A desk with a wire of its own; `wire` is the engine's."""
    async with AsyncExitStack() as stack:
        database = await Database.open(DatabaseOptions(external_database_url))
        stack.push_async_callback(database.close)
        desk = await stack.enter_async_context(open_sales_desk(database))
        yield desk
        await check_rows(database)


async def count_bookings(db: Database) -> int:
    count: int = await db.fetch_value("SELECT count(*) FROM bookings")
    return count


# Stopping ---------------------------------------------------------------------------------------------------


async def test_stopping_answers_everything_that_waits(desk: SalesDesk, database_url: str) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with open_engine(database_url, desk.clock, batch_commands_max=10) as engine:
        async with held_up(desk.db, event):
            waiting = [asyncio.create_task(engine.submit(place(event, regular))) for _ in range(55)]
            await until_somebody_waits(desk.db)
            stopping = asyncio.create_task(engine.stop())
            await eventually(lambda: all(lane._stopping for lane in engine._lanes))
            with pytest.raises(Busy):
                await engine.submit(place(event, regular))
            assert not stopping.done()
        await stopping
        assert tally(await asyncio.gather(*waiting)) == {"confirmed": 55}


async def test_stopping_does_not_need_a_server(far: SalesDesk, wire: Proxy) -> None:
    event = await far.event()
    async with open_engine(wire.url, far.clock) as engine:
        assert say(await engine.submit(place(event, (await far.types(event))["Regular"]))) == "confirmed"
        await wire.stop()


# A connection that dies before the commit -------------------------------------------------------------------


@pytest.mark.parametrize("blow", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_batch_that_is_shot_down_leaves_nothing(desk: SalesDesk, blow: str) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with held_up(desk.db, event):
        waiting = [
            asyncio.create_task(desk.engine.submit(place(event, regular, key=f"k{number}")))
            for number in range(3)
        ]
        await until_somebody_waits(desk.db)
        await desk.db.fetch(
            f"SELECT {blow}(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
            "datname = current_database()"
        )
        with pytest.raises(Unavailable):
            await waiting[0]
    outcomes = await asyncio.gather(*waiting[1:], return_exceptions=True)
    done = sum(say(outcome) == "confirmed" for outcome in outcomes)
    assert await count_bookings(desk.db) == done
    assert say(await desk.engine.submit(place(event, regular, key="k0"))) == "confirmed"


async def test_a_server_that_turns_read_only_is_left(desk: SalesDesk) -> None:
    """An old primary that comes back as a standby: the driver's connection is alive, and no good."""
    event = await desk.event()
    await desk.book(event)
    for lane in desk.engine._lanes:
        if lane._connection is not None:
            await lane._connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(Unavailable):
        await desk.book(event)
    await desk.book(event)
    assert await count_bookings(desk.db) == 2


async def test_whoever_waits_for_a_server_that_is_away_is_told_at_once(far: SalesDesk, wire: Proxy) -> None:
    event = await far.event()
    regular = (await far.types(event))["Regular"]
    async with open_engine(wire.url, far.clock, batch_commands_max=1) as engine:
        await wire.stop()
        outcomes = await asyncio.gather(
            *[engine.submit(place(event, regular)) for _ in range(500)], return_exceptions=True
        )
        assert tally(outcomes) == {"Unavailable": 500}


# A wire that breaks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [b"BEGIN", b"FOR NO KEY UPDATE", b"INSERT INTO journal"])
@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.SHUTDOWN_NOTICE])
async def test_a_wire_cut_before_the_commit_leaves_nothing(
    far: SalesDesk, wire: Proxy, message: bytes, fault: Fault
) -> None:
    event = await far.event()
    request = place(event, (await far.types(event))["Regular"], 2, key="k")
    async with open_engine(wire.url, far.clock) as engine:
        wire.break_at(message, fault)
        with pytest.raises(Trouble):
            await engine.submit(request)
        assert await count_bookings(far.db) == 0
        assert say(await engine.submit(request)) == "confirmed"
        assert wire.broken == 1


@pytest.mark.parametrize("fault", [*SILENT_FAULTS, Fault.CUT_BEFORE, Fault.CUT_AFTER])
async def test_a_wire_that_breaks_at_the_commit_leaves_a_question_that_the_key_answers(
    far: SalesDesk, wire: Proxy, fault: Fault
) -> None:
    event = await far.event()
    request = place(event, (await far.types(event))["Regular"], 2, key="k")
    async with open_engine(wire.url, far.clock, batch_seconds_max=2.0, silence_seconds_max=1.0) as engine:
        await ask_again(engine, place(event, (await far.types(event))["Regular"]))  # connected, prepared
        wire.break_at(b"COMMIT", fault)
        with pytest.raises(OutcomeUnknown):
            await engine.submit(request)
        assert say(await ask_again(engine, request)) == (
            "confirmed again" if fault in DELIVERED_FAULTS else "confirmed"
        )
    assert await far.db.fetch_value("SELECT count(*) FROM tickets") == 3


async def test_a_silent_wire_is_dropped_and_holds_nobody_up(far: SalesDesk, wire: Proxy) -> None:
    """The server does not notice that the client hung up, and releases the event's lock by itself."""
    event = await far.event()
    regular = (await far.types(event))["Regular"]
    async with open_engine(wire.url, far.clock, batch_seconds_max=1.0, silence_seconds_max=0.5) as engine:
        wire.break_at(b"INSERT INTO journal", Fault.SILENT_BEFORE)
        with pytest.raises(Unavailable):
            await engine.submit(place(event, regular))
        assert say(await ask_again(far.engine, place(event, regular, key="k"))) == "confirmed"
    assert await count_bookings(far.db) == 1


async def test_a_dripping_wire_only_drips(far: SalesDesk, wire: Proxy) -> None:
    event = await far.event()
    regular = (await far.types(event))["Regular"]
    wire.splits_bytes = True
    async with open_engine(wire.url, far.clock) as engine:
        assert tally(await asyncio.gather(*[engine.submit(place(event, regular)) for _ in range(3)])) == {
            "confirmed": 3
        }


async def test_a_wire_that_keeps_breaking(
    far: SalesDesk, wire: Proxy, tmp_path: Path, *, prove: bool
) -> None:
    event = await far.event(sale_terms(capacity=100))
    types = list((await far.types(event)).values())
    draw, journal = random.Random(5), ClientJournal(tmp_path / "journal")
    breaks = 1000 if prove else 10
    async with open_engine(wire.url, far.clock, batch_commands_max=5) as engine:
        living = asyncio.create_task(run_clients(engine, event.event_id, types, journal, 5, breaks * 40))
        while not living.done() and wire.broken < breaks:
            wire.break_at(
                draw.choice([b"COMMIT", b"COMMIT", b"ROLLBACK", b"BEGIN"]),
                draw.choice([Fault.CUT_BEFORE, Fault.CUT_AFTER]),
            )
            broken = wire.broken
            await eventually(lambda before=broken: wire.broken > before or living.done())  # type: ignore[misc]
        await living
    assert wire.broken >= breaks
    assert any(entry.trouble == "OutcomeUnknown" for entry in journal.entries)
    await check_client_journals(far.db, [journal.entries])
