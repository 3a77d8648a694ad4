"""Every named statement is executed with made-up values, and rolled back.

That it can be prepared says less: functions fail on values, and a plan for any values (the sixth one) may be
another one than the plan for these. Both texts are executed: the one for a server, and the one for a cluster.
With `--cluster` this runs on that cluster.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from evently.db import Database, Query, load_queries
from evently.kit.clock import utc_now
from tests.support.sql import SOURCE, sql_files

RUNS: Final = 7  # PostgreSQL makes five plans for the given values, and then one for any
ONE, OTHER = uuid4(), uuid4()
MADE_UP: Final[dict[str, Any]] = {
    "uuid": uuid4(),
    "text": "{}",  # an array, JSON and a word
    "varchar": "x",
    "bytea": b"\0" * 64,
    "bool": True,
    "int2": 1,
    "int4": 1,
    "int8": 1,
    "float8": 1.0,
    "numeric": 1,
    "timestamptz": utc_now(),
    "interval": timedelta(seconds=1),
    "tsquery": "jazz",
}
# What has a meaning beyond its type
NAMED: Final[dict[str, Any]] = {
    "time_zone": "Europe/Berlin",
    "search": "jazz",
    "query": "jazz",
    "idle_max": "10s",
}
# What a constraint says. Rows that a cluster inserts from a query have a general error with the same words;
# and the library of jobs does not know the job
REFUSES: Final = re.compile("violates|duplicate key|Job was not found")


@pytest_asyncio.fixture
async def connection(shared_db: Database) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Yield a connection that prepares anew for each test."""
    opened = await shared_db.connect()
    yield opened
    await opened.close()


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(SOURCE)))
async def test_every_statement_runs_with_made_up_values(
    path: Path, connection: asyncpg.Connection[Any]
) -> None:
    module = ".".join(("evently", *path.relative_to(SOURCE).with_suffix("").parts))
    for query in load_queries(module):
        for text in dict.fromkeys((query.text, query.routed)):
            for events in ([ONE], [ONE, OTHER]):
                await execute(connection, query, text, events)


async def test_a_statement_that_fails_on_its_values_is_noticed(connection: asyncpg.Connection[Any]) -> None:
    bad = Query("bad", "SELECT 1 / (:limit::integer - 1)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await execute(connection, bad, bad.text, [ONE])
    with pytest.raises(asyncpg.UndefinedColumnError):
        await execute(
            connection, Query("worse", "SELECT nothing FROM sales"), "SELECT nothing FROM sales", [ONE]
        )


async def execute(
    connection: asyncpg.Connection[Any], query: Query, text: str, events: Sequence[UUID]
) -> None:
    """Execute a statement as often as it takes to get every kind of plan."""
    prepared = await connection.prepare(text)
    values = [
        made_up(name, each.name, events)
        for name, each in zip(query.parameters, prepared.get_parameters(), strict=True)
    ]
    for _ in range(RUNS):
        transaction = connection.transaction()
        await transaction.start()
        try:
            await prepared.fetch(*values)
        except asyncpg.PostgresError as exc:
            if not REFUSES.search(str(exc)):
                exc.add_note(f"{query.name}: {text}")
                raise
        finally:
            await transaction.rollback()


def made_up(name: str, kind: str, events: Sequence[UUID]) -> Any:
    """Return a value for a parameter; in an array one for each event."""
    if kind.endswith("[]"):
        element = kind.removesuffix("[]")
        if element == "uuid" and "event" in name:
            return list(events)
        return [uuid4() if element == "uuid" else made_up(name, element, events) for _ in events]
    if kind == "uuid" and "event" in name:
        return events[0]
    return NAMED.get(name, MADE_UP[kind])
