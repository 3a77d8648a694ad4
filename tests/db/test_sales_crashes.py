"""`kill -9` of PostgreSQL and of selling processes under load, compared with the clients' own journals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from evently.catalogue import Event
from evently.db import Database
from evently.db.embedded import EmbeddedPostgres
from evently.kit.clock import utc_now
from evently.kit.errors import OutcomeUnknown
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales.reads import find_sale
from tests.support.booking_clients import CRASH_POINTS, ClientJournal, run_clients
from tests.support.catalogue import make_event, make_organizer, make_venue
from tests.support.network_faults import kill_postgres, own_postgres
from tests.support.row_checks import check_client_journals, check_rows
from tests.support.selling import DEADLINE_SECONDS, database_at, eventually, open_engine, place, say

ROOT: Final = Path(__file__).parents[2]
PROCESS_SECONDS_MAX: Final = 90.0
TERMS: Final = SaleTerms(
    currency="EUR",
    pools=(NewPool("hall", 1300), NewPool("balcony", 300)),
    ticket_types=(
        NewTicketType(name="floor", pools=("hall",)),
        NewTicketType(name="view", pools=("hall", "balcony"), per_buyer_max=10),
    ),
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server that this module kills."""
    with own_postgres() as server:
        yield server


async def put_on_sale(db: Database) -> tuple[Event, list[UUID]]:
    """An event on sale by the real clock, and its ticket types."""
    now = utc_now()
    venue = await make_venue(db, await make_organizer(db))
    starts_at = now + timedelta(days=1)
    event = await make_event(
        db, venue, TERMS, now=now, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3)
    )
    return event, list((await find_sale(db, event.event_id)).ticket_types)


async def test_postgres_is_killed_and_what_was_acknowledged_is_there(
    postgres: EmbeddedPostgres, tmp_path: Path, *, prove: bool
) -> None:
    kills = 100 if prove else 3
    journals = [ClientJournal(tmp_path / f"journal-{number}") for number in range(2)]
    async with database_at(postgres.url) as db:
        event, types = await put_on_sale(db)
        async with (
            open_engine(postgres.url, utc_now) as one,
            open_engine(postgres.url, utc_now, batch_commands_max=5) as two,
        ):
            living = [
                asyncio.create_task(run_clients(engine, event.event_id, types, journal, number, kills * 150))
                for number, (engine, journal) in enumerate(zip((one, two), journals, strict=True))
            ]
            for kill in range(1, kills + 1):
                await eventually(
                    lambda least=kill * 100: (  # type: ignore[misc]
                        _requests(journals) >= least or living[0].done() or living[1].done()
                    )
                )
                kill_postgres(postgres)
                postgres.start()
            await asyncio.gather(*living)
        await check_rows(db)
        await check_client_journals(db, [journal.entries for journal in journals])
    assert any(entry.trouble for journal in journals for entry in journal.entries)


async def test_a_commit_that_no_standby_confirmed_is_not_acknowledged(postgres: EmbeddedPostgres) -> None:
    """Nor is its replay: an answer from a read would acknowledge what a failover may lose."""
    async with database_at(postgres.url) as db:
        event, types = await put_on_sale(db)
        request = place(event, types[0], 2, key="k")
        async with open_engine(postgres.url, utc_now) as engine:
            await tell(db, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            for _ in range(2):
                asked = asyncio.create_task(engine.submit(request))
                await until_somebody_waits_for_the_standby(db)
                assert not asked.done()
                assert await db.fetch_value(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                )
                with pytest.raises(OutcomeUnknown):
                    await asked
            await tell(db, "ALTER SYSTEM RESET synchronous_standby_names")
            assert say(await engine.submit(request)) == "confirmed again"
            assert await db.fetch_value("SELECT replays FROM idempotency_keys WHERE key = 'k'") == 2
        await check_rows(db)


def _requests(journals: list[ClientJournal]) -> int:
    return sum(journal.requests() for journal in journals)


async def tell(db: Database, statement: str) -> None:
    """Change a setting of the whole server, now."""
    connection = await db.connect()
    await connection.execute(statement)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def until_somebody_waits_for_the_standby(db: Database) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await db.fetch_value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"):
            await asyncio.sleep(0.005)


# Processes that are killed ----------------------------------------------------------------------------------


async def test_three_processes_sell_and_are_killed(
    db: Database, database_url: str, tmp_path: Path, *, prove: bool
) -> None:
    """One dies at each marked point in turn, one whenever it happens, one lives.

    The next process continues the journal.
    """
    event, _ = await put_on_sale(db)
    lives, requests = (50, 20_000) if prove else (1, 500)

    def process(slot: int, crash_at: str = "") -> Awaitable[asyncio.subprocess.Process]:
        path = tmp_path / f"journal-{slot}"
        arguments = (database_url, str(path), str(event.event_id), str(slot), str(requests), crash_at)
        return asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.booking_clients", *arguments, cwd=ROOT, env=environment()
        )

    async def die_at_each_point() -> None:
        for crash_at in CRASH_POINTS * lives:
            assert await (await process(0, crash_at)).wait() == -signal.SIGKILL
        assert await (await process(0)).wait() == 0

    async def die_whenever() -> None:
        for life in range(1, lives + 1):
            victim = await process(1)
            size = life * requests * 400 // (lives + 1)  # bytes: less than what the journal will be
            await eventually(lambda least=size: journal_bytes(tmp_path / "journal-1") > least)  # type: ignore[misc]
            victim.kill()
            assert await victim.wait() == -signal.SIGKILL
        assert await (await process(1)).wait() == 0

    async def live() -> None:
        assert await (await process(2)).wait() == 0

    async with asyncio.timeout(None if prove else PROCESS_SECONDS_MAX):
        await asyncio.gather(die_at_each_point(), die_whenever(), live())
    await check_rows(db)
    await check_client_journals(
        db, [ClientJournal(tmp_path / f"journal-{slot}").entries for slot in range(3)]
    )


def journal_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
