"""Random histories through the store: the rows equal the rules' decisions, and every later lane reads them.

The machine and the model of tests/unit/test_sales_model.py, on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from evently import organizing
from evently.db import Connection, Database, DatabaseOptions
from tests.support.catalogue import event_terms, make_organizer, make_venue, sale_terms
from tests.support.rows import Rows
from tests.support.stored import StoredRows
from tests.support.stories import EVENT, NOON
from tests.unit.test_sales_model import AnyHistory

EXAMPLES: Final = 30
EXAMPLES_TO_PROVE: Final = 2_000


@pytest.fixture
def stored(database_url: str) -> Iterator[tuple[asyncio.AbstractEventLoop, Connection]]:
    """A connection, and the loop that it belongs to; there is an event, whose sale is to be made."""
    with asyncio.Runner() as runner:
        database = runner.run(Database.open(DatabaseOptions(database_url)))
        runner.run(_make_event(database))
        connection = runner.run(database.connect())
        yield runner.get_loop(), connection
        runner.run(connection.close())
        runner.run(database.close())


async def _make_event(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    async with db.transaction() as tx:
        await organizing.create_event(
            tx, venue.organizer_id, event_terms(venue.venue_id), sale_terms(), NOON, event_id=EVENT
        )


@pytest.mark.timeout(600)  # thirty histories take two minutes where others need the processors
def test_any_history_is_stored(stored: tuple[asyncio.AbstractEventLoop, Connection], *, prove: bool) -> None:
    loop, connection = stored

    class StoredHistory(AnyHistory):
        def make_rows(self, *, remember: bool) -> Rows:
            loop.run_until_complete(connection.execute("TRUNCATE sales CASCADE"))
            return StoredRows(loop, connection, EVENT, lanes=1 if remember else 3)

    examples = EXAMPLES_TO_PROVE if prove else EXAMPLES
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        StoredHistory,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=checks,
            phases=[
                Phase.generate
            ],  # shrinking takes minutes here, and what fails is told by the model's own test
            print_blob=True,
        ),
    )
