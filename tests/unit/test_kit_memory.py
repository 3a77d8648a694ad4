"""The memory of recent values, and each of its users."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

import pytest

from evently.accounts.keys import KEY_PREFIX, KeyRing, checksum_of
from evently.accounts.members import Roles
from evently.db import Database
from evently.kit.errors import Unavailable
from evently.kit.ids import new_id
from evently.kit.memory import Memory
from evently.sales.engine import Engine
from evently.sales.lanes import EngineOptions
from evently.sales.nouns import WaitlistEntry
from evently.sales.reads.seats import SeatBoards
from evently.sales.reads.waitlist import WaitlistPositions
from evently.web.edge.memory import create_response_memory

NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
ID: Final = new_id()


class Shelf:
    """Counts the reads of each key; a read takes a second. `memory` keeps two values for ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reads: list[str] = []
        self.trouble = False
        self.memory: Memory[str, tuple[str, int]] = Memory(10.0, 2, monotonic=lambda: self.now)

    async def get(self, key: str) -> tuple[str, int]:
        return await self.memory.get(key, lambda: self.read(key))

    async def read(self, key: str) -> tuple[str, int]:
        self.reads.append(key)
        number = len(self.reads)
        await asyncio.sleep(0)
        self.now += 1
        if self.trouble:
            raise Unavailable("dark")
        return key, number

    async def begin(self, key: str) -> asyncio.Task[tuple[str, int]]:
        """Return a caller for whom a read has begun."""
        caller = asyncio.create_task(self.get(key))
        await until(lambda: key in self.reads)
        return caller


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0)


async def test_one_read_serves_all_concurrent_callers() -> None:
    shelf = Shelf()
    assert await asyncio.gather(*[shelf.get("a") for _ in range(5)]) == [("a", 1)] * 5
    assert await shelf.get("a") == ("a", 1)


async def test_the_age_of_a_value_counts_from_the_beginning_of_its_read() -> None:
    shelf = Shelf()
    await shelf.get("a")
    shelf.now = 9.9
    assert await shelf.get("a") == ("a", 1)
    shelf.now = 10.0  # the read ended at 1
    assert shelf.memory.find("a") is None
    assert shelf.memory.find_stale("a") == ("a", 1)
    assert await shelf.get("a") == ("a", 2)


async def test_a_missing_value_is_a_value_too() -> None:
    memory: Memory[str, int | None] = Memory(10.0, 2)
    reads = 0

    async def read() -> int | None:
        nonlocal reads
        reads += 1
        return None

    assert [await memory.get("a", read) for _ in range(3)] == [None] * 3
    assert reads == 1


async def test_callers_who_reject_one_value_share_one_new_read() -> None:
    shelf = Shelf()
    seen = await shelf.get("a")

    async def reject_and_get() -> tuple[str, int]:
        shelf.memory.forget_value("a", seen)
        return await shelf.get("a")

    assert await asyncio.gather(*[reject_and_get() for _ in range(5)]) == [("a", 2)] * 5
    assert await reject_and_get() == ("a", 2)


@pytest.mark.parametrize("forget", [lambda memory: memory.forget("a"), lambda memory: memory.forget_all()])
async def test_a_value_that_is_forgotten_during_its_read_is_not_stored(
    forget: Callable[[Memory[str, Any]], None],
) -> None:
    shelf = Shelf()
    caller = await shelf.begin("a")
    forget(shelf.memory)
    again = asyncio.create_task(shelf.get("a"))
    assert [await caller, await again] == [("a", 1), ("a", 2)]
    assert shelf.memory.find("a") == ("a", 2)
    forget(shelf.memory)
    assert shelf.memory.find_stale("a") is None


async def test_a_read_does_not_replace_a_value_that_was_put_after_it_began() -> None:
    shelf = Shelf()
    caller = await shelf.begin("a")
    shelf.memory.put("a", ("put", 0))
    assert await caller == ("a", 1)
    assert await shelf.get("a") == ("put", 0)
    shelf.now = 10.0  # put at 0
    assert await shelf.get("a") == ("a", 2)


async def test_the_least_recently_used_value_is_evicted() -> None:
    shelf = Shelf()
    for key in ("a", "b", "a", "c", "a", "b"):
        await shelf.get(key)
    assert shelf.reads == ["a", "b", "c", "b"]


async def test_bytes_are_counted_down_when_values_go() -> None:
    memory: Memory[str, bytes] = Memory(10.0, 100, bytes_max=10, size_of=len)
    for value in (b"12345", b"1234567", b"123"):
        memory.put("a", value)
    memory.put("b", b"1234567")
    assert memory.find("a") == b"123", "3 + 7 bytes are not too many"
    memory.forget("b")
    memory.put("c", b"12345678")
    assert memory.find("a") is None
    memory.forget_all()
    memory.put("d", b"1234567890")
    assert memory.find("d") is not None
    memory.put("e", b"12345678901")
    assert memory.find("d") is memory.find("e") is None, "a value larger than the memory is not kept"


async def test_trouble_is_raised_for_all_callers_and_stored_for_none() -> None:
    shelf = Shelf()
    shelf.trouble = True
    raised = await asyncio.gather(*[shelf.get("a") for _ in range(3)], return_exceptions=True)
    assert [type(each) for each in raised] == [Unavailable] * 3
    shelf.trouble = False
    assert await shelf.get("a") == ("a", 2)


async def test_a_cancelled_caller_does_not_cancel_the_read_of_the_others() -> None:
    shelf = Shelf()
    impatient = asyncio.create_task(shelf.get("a"))
    patient = asyncio.create_task(shelf.get("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == ("a", 1)
    with pytest.raises(asyncio.CancelledError):
        await impatient


class DarkDatabase:
    """Fails at every statement, as soon as `fail` is set."""

    def __init__(self) -> None:
        self.asked = False
        self.fail = asyncio.Event()

    async def fetch(self, *_arguments: object) -> list[object]:
        self.asked = True
        await self.fail.wait()
        raise Unavailable("dark")

    fetch_row = fetch_value = fetch

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[DarkDatabase]:
        await self.fetch()
        yield self


def engine(database: Database) -> Awaitable[object]:
    return Engine(database, EngineOptions(lanes=0), lambda: NOW, new_id).get_glance(ID)


def seat_boards(database: Database) -> Awaitable[object]:
    return SeatBoards(database).get_board(ID)


def waitlist_positions(database: Database) -> Awaitable[object]:
    entry = WaitlistEntry(
        event_id=ID,
        entry_id=ID,
        buyer_id=ID,
        ticket_type_id=ID,
        quantity=1,
        state="waiting",
        reason="",
        joined_at=NOW,
        joined_seq=1,
    )
    return WaitlistPositions(database, lambda: NOW).get_position(entry)


def roles(database: Database) -> Awaitable[object]:
    return Roles().find_role(database, ID, ID)


def key_ring(database: Database) -> Awaitable[object]:
    body = KEY_PREFIX + "0" * 52
    return KeyRing().find_key(database, body + checksum_of(body), NOW)


def answers(database: Database) -> Awaitable[object]:
    return create_response_memory().get("a", cast("Callable[[], Awaitable[Any]]", database.fetch))


@pytest.mark.parametrize("ask", [engine, seat_boards, waitlist_positions, roles, key_ring, answers])
async def test_a_read_that_fails_after_all_callers_are_gone_is_no_unhandled_exception(
    ask: Callable[[Database], Awaitable[object]],
) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    database = DarkDatabase()
    caller = asyncio.ensure_future(ask(cast("Database", database)))
    await until(lambda: database.asked)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    before = asyncio.all_tasks()
    database.fail.set()
    await until(lambda: len(asyncio.all_tasks()) < len(before))
    gc.collect()
    await asyncio.sleep(0)
    assert unhandled == []
