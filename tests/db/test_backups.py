"""Backups: made while tickets are sold, and restored to any moment, with a clean audit."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest

from evently.audit import inspect
from evently.db import Database, DatabaseOptions
from evently.db.embedded import (
    BackupRefused,
    EmbeddedOptions,
    EmbeddedPostgres,
    back_up,
    programs_for_backups,
    prune,
    restore,
)
from evently.db.examining import read_log_copies
from evently.db.migrations import migrate
from evently.kit.clock import utc_now
from evently.sales.outcomes import Booked
from evently.sales.reads import find_sale
from tests.support.catalogue import make_event, make_organizer, make_venue, sale_terms
from tests.support.postgres import scratch_directory
from tests.support.selling import open_engine, place
from tests.support.serving import evently

CAPACITY: Final = 100_000
pytestmark = pytest.mark.timeout(300)  # three servers start, and one history is replayed


@dataclass
class Sold:
    """A data directory whose disk is lost, its backups, and what was answered before two moments."""

    place: Path
    moment: datetime
    before: set[str] = field(default_factory=set)
    all: set[str] = field(default_factory=set)
    during_the_copy: int = 0

    @property
    def backups(self) -> Path:
        return self.place / "backups"


@pytest.fixture(scope="module")
def sold() -> Iterator[Sold]:
    """Sell, back up meanwhile, sell more, and lose the disk."""
    with scratch_directory() as directory:
        found = Sold(directory, utc_now())
        options = EmbeddedOptions(data_directory=directory / "data", backups=found.backups)
        with EmbeddedPostgres(options) as postgres:
            migrate(postgres.url)
            asyncio.run(sell_and_back_up(postgres.url, found))
        shutil.rmtree(directory / "data")
        yield found


async def sell_and_back_up(url: str, found: Sold) -> None:
    database = await Database.open(DatabaseOptions(url))
    now = utc_now()
    venue = await make_venue(database, await make_organizer(database))
    starts_at = now + timedelta(days=1)
    event = await make_event(
        database,
        venue,
        sale_terms(CAPACITY),
        now=now,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
    )
    [ticket_type] = (await find_sale(database, event.event_id)).ticket_types
    async with open_engine(url, utc_now) as engine:

        async def sell(stop: asyncio.Event) -> int:
            answered = 0
            while not stop.is_set():
                outcome = await engine.submit(place(event, ticket_type))
                assert isinstance(outcome, Booked)
                found.all.add(str(outcome.booking.booking_id))
                answered += 1
            return answered

        stop = asyncio.Event()
        selling = [asyncio.ensure_future(sell(stop)) for _ in range(8)]
        programs = programs_for_backups(None)
        await asyncio.to_thread(back_up, url, programs, found.backups, found.place / "data")
        found.during_the_copy = len(found.all)
        await asyncio.sleep(0.2)
        stop.set()
        await asyncio.gather(*selling)
        found.before = set(found.all)
        await asyncio.sleep(0.01)  # between two commits
        found.moment = utc_now()
        await asyncio.sleep(0.01)
        for _ in range(20):
            outcome = await engine.submit(place(event, ticket_type))
            assert isinstance(outcome, Booked)
            found.all.add(str(outcome.booking.booking_id))
    await database.close()


def bookings_in(data: Path) -> set[str]:
    """Serve a restored data directory, audit it, and return its bookings."""

    async def examine(url: str) -> set[str]:
        database = await Database.open(DatabaseOptions(url))
        try:
            assert [finding for finding in await inspect(database) if finding.count] == []
            return {str(row[0]) for row in await database.fetch("SELECT booking_id FROM bookings")}
        finally:
            await database.close()

    with EmbeddedPostgres(EmbeddedOptions(data_directory=data)) as postgres:
        return asyncio.run(examine(postgres.url))


def test_after_the_loss_of_a_disk_every_archived_booking_is_there(sold: Sold) -> None:
    assert sold.during_the_copy > 0, "tickets were sold while the copy was made"
    copy, last = restore(sold.backups, sold.place / "end", None, None)
    assert copy.parent == sold.backups / "base"
    assert last is not None
    assert abs(datetime.fromisoformat(last) - sold.moment) < timedelta(minutes=5), "it is said up to when"
    assert bookings_in(sold.place / "end") == sold.all


def test_a_moment_is_restored_exactly(sold: Sold) -> None:
    restore(sold.backups, sold.place / "then", sold.moment, None)
    assert bookings_in(sold.place / "then") == sold.before
    assert sold.before < sold.all


def test_moments_without_a_backup_are_refused(sold: Sold) -> None:
    with pytest.raises(BackupRefused, match=r"The oldest backup .* was complete at .*, after that moment"):
        restore(sold.backups, sold.place / "early", sold.moment - timedelta(days=1), None)
    with pytest.raises(Exception, match="recovery ended before configured recovery target was reached"):
        restore(sold.backups, sold.place / "late", sold.moment + timedelta(days=1), None)
    assert not (sold.place / "early").exists()
    assert not (sold.place / "late").exists(), "nothing half-restored stays"


def test_a_directory_that_is_used_is_refused(sold: Sold) -> None:
    (sold.place / "used").mkdir()
    (sold.place / "used" / "precious").touch()
    with pytest.raises(BackupRefused, match="is not empty"):
        restore(sold.backups, sold.place / "used", None, None)
    assert (sold.place / "used" / "precious").exists()


def test_a_damaged_log_is_no_silent_loss(sold: Sold) -> None:
    """PostgreSQL takes a segment that it cannot read for the end of the log."""
    shutil.copytree(sold.backups, sold.place / "damaged")
    owner = (sold.backups / "wal").stat()
    for path in [sold.place / "damaged/wal", *(sold.place / "damaged/wal").iterdir()]:
        os.chown(path, owner.st_uid, owner.st_gid)
    segments = sorted((sold.place / "damaged" / "wal").glob("*[0-9A-F].gz"))
    segments[-1].write_bytes(segments[-1].read_bytes()[:100])
    with pytest.raises(BackupRefused, match=f"cannot be read to its end, segment {segments[-1].stem}"):
        restore(sold.place / "damaged", sold.place / "short", None, None)
    assert not (sold.place / "short").exists()


def test_logs_of_two_servers_never_mix(sold: Sold) -> None:
    options = EmbeddedOptions(data_directory=sold.place / "other", backups=sold.backups)
    with pytest.raises(BackupRefused, match="has the backups of another data directory"):
        EmbeddedPostgres(options).start()


def test_old_copies_are_removed_with_the_log_that_only_they_needed() -> None:
    """By the commands: stopped, then while another process serves the directory."""
    with scratch_directory() as directory:
        data, backups = directory / "data", directory / "it's 100% safe"
        first = evently("backup", str(backups), "--data", str(data))
        assert (first.returncode, first.stderr) == (0, "")
        assert "is a verified copy" in first.stdout
        with EmbeddedPostgres(EmbeddedOptions(data_directory=data, backups=backups)) as postgres:
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
                connection.execute("SELECT pg_switch_wal()")
            old = {path.name for path in (backups / "wal").iterdir()}
            second = evently("backup", "--keep", "1", data=str(data), backups=str(backups))
            assert "1 older ones were removed" in second.stdout, second.stderr
        assert len(list((backups / "base").iterdir())) == 1
        assert old - {path.name for path in (backups / "wal").iterdir()}, "the log before the copy is gone"
        done = evently("restore", str(backups), "--data", str(directory / "new"))
        assert (done.returncode, done.stderr) == (0, "")
        assert "Next: evently audit" in done.stdout
        with (
            EmbeddedPostgres(EmbeddedOptions(data_directory=directory / "new")) as postgres,
            psycopg.connect(postgres.url) as connection,
        ):
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
        assert prune(programs_for_backups(None), backups, 5) == 0


def test_a_log_that_cannot_be_archived_is_noticed_until_it_can() -> None:
    with scratch_directory() as directory:
        backups = directory / "backups"
        with EmbeddedPostgres(EmbeddedOptions(data_directory=directory / "data", backups=backups)) as server:
            away = (backups / "wal").rename(backups / "away")
            asyncio.run(copy_log(server.url, fails=True))
            away.rename(backups / "wal")
            asyncio.run(copy_log(server.url, fails=False))
        assert list((backups / "wal").glob("*.gz")) != []


async def copy_log(url: str, *, fails: bool) -> None:
    """Write a part of the log, and wait until archiving it fails, or works again."""
    database = await Database.open(DatabaseOptions(url))
    try:
        await database.fetch("SELECT pg_logical_emit_message(true, 'test', 'written'), pg_switch_wal()")
        async with asyncio.timeout(60):
            while True:
                found = await read_log_copies(database)
                assert found.is_on
                tried = found.copied_at is not None or found.failed_at is not None
                if tried and (found.stopped_at is not None) == fails:
                    return
                await asyncio.sleep(0.1)
    finally:
        await database.close()
