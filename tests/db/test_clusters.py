"""What is different on a cluster: locks event by event, statements that name their events twice, the audit.

The database is a plain one that says it is a cluster (tests/support/clusters.py), so every statement is the
one that a cluster gets. What a cluster does with it was not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from evently import audit
from evently.audit import Finding, inspect
from evently.db import Database, DatabaseOptions, Query, lock_by_event, placement
from evently.sales import Engine
from evently.sales.commands import Command
from evently.sales.store import sql as store
from tests.support.clusters import add_stand_ins, as_before
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import all_at_once, one_batch, open_engine, place, tally


@pytest_asyncio.fixture
async def spread_db(database_url: str) -> AsyncIterator[Database]:
    """Yield the open database of this test, which says that it is one of a cluster."""
    add_stand_ins(database_url)
    with as_before():
        database = await Database.open(DatabaseOptions(url=database_url))
        yield database
        await database.close()


@pytest_asyncio.fixture
async def desk(spread_db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk on it, with one lane; its rows are checked at the end."""
    async with open_sales_desk(spread_db, lanes=1) as opened:
        yield opened
    await check_rows(spread_db)


async def places(desk: SalesDesk, events: int, bookings: int) -> tuple[list[Any], list[Command]]:
    """Return some events, and commands that book tickets of them in turn."""
    made = [await desk.event() for _ in range(events)]
    types = [(await desk.types(event))["Regular"] for event in made]
    return made, [
        place(made[number % events], types[number % events], key=f"k{number}") for number in range(bookings)
    ]


async def found(db: Database) -> dict[str, Finding]:
    """Return what the audit finds, but for I12: no relay runs here."""
    return {each.code: each for each in await inspect(db) if each.count and each.code != "I12"}


async def test_a_plain_database_is_no_cluster(db: Database) -> None:
    with as_before():
        placement.is_spread = True
        fresh = await Database.open(db.options)
        assert await fresh.fetch_value("SELECT 1") == 1
        await fresh.close()
        assert not placement.is_spread


async def test_a_statement_has_a_text_for_each() -> None:
    query = Query(
        "move",
        """
        UPDATE a SET b = 1 FROM unnest(:event_ids) AS c (d)
        WHERE a.d = c.d /* routed: AND a.d = ANY(:event_ids) */;
        """,
    )
    with as_before():
        placement.is_spread = False
        assert query(event_ids=[])[0].endswith("WHERE a.d = c.d")
        placement.is_spread = True
        assert query(event_ids=[])[0].endswith("WHERE a.d = c.d AND a.d = ANY($1)")


async def test_a_batch_of_many_events_locks_them_one_by_one_in_key_order(desk: SalesDesk) -> None:
    events, commands = await places(desk, events=5, bookings=40)
    lane: Any = desk.engine._lanes[0]
    assert tally(await one_batch(desk.db, events[0], desk.engine, commands[:1])) == {"confirmed": 1}
    sent: list[tuple[str, list[Any]]] = []
    with lane._connection.query_logger(lambda record: sent.append((record.query, list(record.args)))):
        assert tally(await one_batch(desk.db, events[0], desk.engine, commands[1:])) == {"confirmed": 39}
    locked = [arguments[0] for query, arguments in sent if query == store.lock_sales.text]
    assert locked[-5:] == [[event_id] for event_id in sorted(event.event_id for event in events)]
    written = [query for query, _ in sent if query.startswith("WITH heads AS")]
    assert written[-1:] == [store.write_batch.routed], "one batch wrote all of them"


async def test_two_processes_lock_the_same_events_without_a_circle(
    desk: SalesDesk, database_url: str
) -> None:
    _, commands = await places(desk, events=6, bookings=240)
    async with (
        open_engine(database_url, desk.clock, batch_commands_max=12) as one,
        open_engine(database_url, desk.clock, batch_commands_max=12) as other,
    ):
        engines: list[Engine] = [one, other, desk.engine]
        assert tally(await all_at_once(engines, commands)) == {"confirmed": 240}
        assert tally(await all_at_once(engines, commands)) == {"confirmed again": 240}


async def test_rows_that_others_have_locked_are_skipped_event_by_event(desk: SalesDesk) -> None:
    events = sorted([(await desk.event()).event_id for _ in range(3)])
    other = await desk.db.connect()
    async with other.transaction():
        await lock_by_event(other, store.lock_sales, events[1:2])
        rows = await lock_by_event(desk.db, store.find_unlocked, events)
    await other.close()
    assert [row["event_id"] for row in rows] == [events[0], events[2]]


async def test_a_lock_waits_for_its_turn_in_the_middle(desk: SalesDesk) -> None:
    """The later event is not locked before the earlier one: that would be the wrong order."""
    first, second = sorted([(await desk.event()).event_id for _ in range(2)])
    holder, waiter, reader = [await desk.db.connect() for _ in range(3)]
    async with holder.transaction():
        await lock_by_event(holder, store.lock_sales, [first])

        async def lock_both() -> list[UUID]:
            async with waiter.transaction():
                return [
                    row["event_id"] for row in await lock_by_event(waiter, store.lock_sales, [second, first])
                ]

        waiting = asyncio.create_task(lock_both())
        pid = waiter.get_server_pid()
        while not await reader.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):
            await asyncio.sleep(0.005)
        assert [row["event_id"] for row in await lock_by_event(reader, store.find_unlocked, [second])] == [
            second
        ]
    assert await waiting == [first, second]
    for connection in (holder, waiter, reader):
        await connection.close()


# The audit --------------------------------------------------------------------------------------------------


async def test_the_audit_reports_a_breach_that_is_there(desk: SalesDesk) -> None:
    events, commands = await places(desk, events=2, bookings=4)
    await all_at_once([desk.engine], commands)
    await desk.db.fetch("UPDATE pools SET sold = sold + 1 WHERE event_id = $1", events[1].event_id)
    breaches = await found(desk.db)
    assert breaches["I2"].count == 1
    assert "seen while it changed" not in breaches["I2"].examples[0]
    await desk.db.fetch("UPDATE pools SET sold = sold - 1 WHERE event_id = $1", events[1].event_id)


async def test_the_audit_looks_again_at_what_was_not_at_rest(
    desk: SalesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look sees a pool between two of its states; the second one sees nothing wrong."""
    events, commands = await places(desk, events=2, bookings=4)
    await all_at_once([desk.engine], commands)
    event_id = events[0].event_id
    looks: list[UUID | None] = []
    tally_once = audit._tally

    async def torn(snapshot: Any, which: UUID | None, archive: str | None) -> Any:
        tallies = await tally_once(snapshot, which, archive)
        if not looks:
            tallies["I2"].add(event_id, "pool x counts 1 sold; the tickets are 0 sold")
        looks.append(which)
        return tallies

    monkeypatch.setattr(audit, "_tally", torn)
    assert await found(desk.db) == {}
    assert looks[0] is None
    assert event_id in looks[1:]


async def test_what_never_rests_is_reported_as_such(desk: SalesDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    events, commands = await places(desk, events=1, bookings=8)
    left = iter(commands)
    tally_once = audit._tally

    async def busy(snapshot: Any, which: UUID | None, archive: str | None) -> Any:
        await desk.engine.submit(next(left))
        tallies = await tally_once(snapshot, which, archive)
        tallies["I2"].add(events[0].event_id, "torn")
        return tallies

    # On a cluster, each statement sees its own instant; on a plain server, only another transaction does
    async def head_now(*_: object) -> object:
        return await desk.db.fetch_row(*audit.sql.read_head(event_id=events[0].event_id))

    monkeypatch.setattr(audit, "_tally", busy)
    monkeypatch.setattr(audit, "_read_head", head_now)
    monkeypatch.setattr(audit, "_AT_REST_PAUSE_SECONDS", 0.0)
    breaches = await found(desk.db)
    assert breaches["I2"].examples[0].endswith("torn (seen while it changed: audit it again)")
    assert next(left, None) is not None, "it gave up"
