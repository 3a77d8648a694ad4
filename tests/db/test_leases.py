"""Leases: their holders, and what a lease protects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from evently.db import Database
from evently.db.leases import end_lease, take_lease
from evently.kit.errors import Unavailable
from evently.kit.ids import new_id
from tests.support.catalogue import until_somebody_waits

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LASTS = timedelta(seconds=10)
ME, YOU = new_id(), new_id()


async def taken(db: Database, holder: UUID, seconds_later: float = 0.0, lasts: timedelta = LASTS) -> bool:
    async with db.transaction() as tx:
        return await take_lease(tx, "relay", holder, NOW + timedelta(seconds=seconds_later), lasts)


async def test_one_of_many_has_it(db: Database) -> None:
    assert sum(await asyncio.gather(*[taken(db, new_id()) for _ in range(8)])) == 1


async def test_whoever_comes_back_in_time_keeps_it(db: Database) -> None:
    for seconds in (0, 9, 18, 27):
        assert await taken(db, ME, seconds)
        assert not await taken(db, YOU, seconds + 9.999)


async def test_an_expired_one_goes_to_whoever_asks_next(db: Database) -> None:
    assert await taken(db, ME)
    assert await taken(db, YOU, 10)
    assert not await taken(db, ME, 10)


async def test_one_that_is_given_back_is_free_at_once(db: Database) -> None:
    assert await taken(db, ME)
    for holder in (YOU, ME):  # another holder cannot end it
        assert not await taken(db, new_id())
        async with db.transaction() as tx:
            await end_lease(tx, "relay", holder)
    assert await taken(db, YOU)


async def test_one_that_a_wrong_clock_took_holds_nobody_up(db: Database) -> None:
    """A process takes it with a clock that is a year ahead; whether that process lives does not matter."""
    assert await taken(db, ME, 365 * 86_400)
    assert await taken(db, YOU)
    assert not await taken(db, ME, 1), "its clock is right again"
    assert not await taken(db, new_id(), -9), "a clock that is somewhat behind is no reason"


async def test_two_names_are_two_leases(db: Database) -> None:
    assert await taken(db, ME)
    async with db.transaction() as tx:
        assert await take_lease(tx, "another", YOU, NOW, LASTS)


async def test_nobody_takes_it_while_the_holder_works_under_it(db: Database) -> None:
    assert await taken(db, ME)
    async with db.transaction() as tx:
        assert await take_lease(tx, "relay", ME, NOW, LASTS)
        waiting = asyncio.create_task(taken(db, YOU, 15))  # by this clock it has expired
        await until_somebody_waits(db)
        assert not waiting.done()
    assert await waiting


async def test_a_holder_that_was_cut_off_does_not_keep_it(db: Database) -> None:
    """A holder that stops in its transaction loses its connection; the server ends it."""
    with pytest.raises(Unavailable):  # noqa: PT012  # the end of the block is the point
        async with db.transaction() as tx:
            assert await take_lease(tx, "relay", ME, NOW, timedelta(seconds=0.2))
            cut_off = asyncio.Event()
            tx.add_termination_listener(lambda _: cut_off.set())
            assert await taken(
                db, YOU, seconds_later=1
            )  # waits for the row, and gets it before this block ends
            async with asyncio.timeout(60):
                await cut_off.wait()
    async with db.transaction() as tx:
        assert (
            await tx.fetchval("SHOW idle_in_transaction_session_timeout") == "0"
        )  # other transactions have no such timeout
