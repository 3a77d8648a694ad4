"""Commits that wait for a standby: callers are told in time, and no sessions pile up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from evently.db import Database, DatabaseOptions, Probe
from evently.db.embedded import EmbeddedPostgres
from evently.db.probing import CheckedClock, write_something
from evently.kit.clock import utc_now
from evently.kit.errors import CommitsWait
from evently.sales.reads import find_sale
from tests.support.catalogue import make_event, make_organizer, make_venue
from tests.support.network_faults import own_postgres
from tests.support.row_checks import check_rows
from tests.support.selling import DEADLINE_SECONDS, database_at, open_engine, place, say

SECONDS_MAX = 0.3  # of a commit here
COUNT_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
WRITE = "SELECT pg_logical_emit_message(true, 'tests', 'something')"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with own_postgres() as server:
        yield server


@asynccontextmanager
async def without_a_standby(db: Database) -> AsyncIterator[None]:
    """Make every commit wait for a standby that is not there."""
    connection = await db.connect()
    await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await connection.execute("SELECT pg_reload_conf()")
    while await connection.fetchval("SHOW synchronous_standby_names") != "nobody":
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        await connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()


async def write(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(WRITE)


async def until(db: Database, *, waiting: bool) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while db.commits.waiting is not waiting:
            await asyncio.sleep(0.01)


async def until_waiting(db: Database, sessions: set[int]) -> None:
    """Wait until so many sessions wait for the standby."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await db.fetch_value(COUNT_WAITING) not in sessions:
            await asyncio.sleep(0.02)


async def test_a_transaction_that_waits_is_told_and_leaves_no_session(postgres: EmbeddedPostgres) -> None:
    async with database_at(postgres.url, commit_seconds_max=SECONDS_MAX) as db:
        await write(db)
        async with without_a_standby(db):
            with pytest.raises(CommitsWait) as told:
                await write(db)
            assert told.value.reason == "sent"
            began = time.monotonic()
            for _ in range(50):  # more than there are connections
                with pytest.raises(CommitsWait):
                    await write(db)
            assert time.monotonic() - began < 50 * SECONDS_MAX, "nothing is begun any more"
            assert await db.fetch_value("SELECT 1") == 1
            await until_waiting(db, {1})  # the trial alone
        await until(db, waiting=False)
        await write(db)


async def test_a_lane_waits_on_with_one_session_and_its_buyers_are_told(postgres: EmbeddedPostgres) -> None:
    async with database_at(postgres.url, commit_seconds_max=SECONDS_MAX) as db:
        now = utc_now()
        venue = await make_venue(db, await make_organizer(db))
        event = await make_event(
            db, venue, now=now, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=1, hours=2)
        )
        (regular,) = (await find_sale(db, event.event_id)).ticket_types
        options = {"commit_seconds_max": SECONDS_MAX, "batch_seconds_max": 1.0}
        async with (
            open_engine(postgres.url, utc_now, **options) as one,
            open_engine(postgres.url, utc_now, **options) as other,
        ):
            requests = [place(event, regular, key=f"k{number}") for number in range(20)]
            async with without_a_standby(db):
                began = time.monotonic()
                outcomes = await asyncio.gather(
                    *[(one, other)[number % 2].submit(each) for number, each in enumerate(requests)],
                    return_exceptions=True,
                )
                assert {type(outcome) for outcome in outcomes} == {CommitsWait}
                assert time.monotonic() - began < DEADLINE_SECONDS
                with pytest.raises(CommitsWait, match="waits"):
                    await one.submit(requests[0])
                await asyncio.sleep(1.5)  # longer than a batch may take
                # A lane of one engine, and the trials of both: the other's lane waits for no lock any more
                await until_waiting(db, {2, 3})
            async with asyncio.timeout(DEADLINE_SECONDS):
                for number, each in enumerate(requests):
                    while True:
                        try:
                            said = say(await (one, other)[number % 2].submit(each))
                            break
                        except CommitsWait:
                            await asyncio.sleep(0.02)
                    assert said in {"confirmed", "confirmed again"}
        assert await db.fetch_value("SELECT count(*) FROM bookings") == len(requests)
        await until_waiting(db, {0})
        await check_rows(db)


async def test_a_probe_does_not_pile_up_commits(postgres: EmbeddedPostgres) -> None:
    async with database_at(postgres.url, commit_seconds_max=SECONDS_MAX) as db:
        clock = CheckedClock(utc_now)
        async with (
            Probe.open(DatabaseOptions(postgres.url), clock, db.commits) as probe,
            without_a_standby(db),
        ):
            for number in range(3):
                with pytest.raises(CommitsWait):
                    await probe.ask(f"question {number}", write_something)
            await probe.compare()
            assert clock.is_right
            await until_waiting(db, {1})
        await until(db, waiting=False)
