"""A full disk, a frozen database, a wrong clock: trouble that is reported within two seconds, and ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from evently.db import Database, DatabaseOptions
from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.db.migrations import migrate
from evently.db.probing import PROBE_SECONDS_MAX
from evently.kit.clock import utc_now
from evently.kit.errors import Trouble, Unavailable
from evently.kit.ids import show_id
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.postgres import scratch_directory
from tests.support.serving import children_of

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="stops processes the Linux way"),
]

# Load balancers wait for two seconds or more. Tests share the processors: what counts is that nobody waits
# for the driver, which never gives up
READY_SECONDS_MAX = 20.0
DISK_MEGABYTES = 192
BOOKINGS_MAX = 2_000  # far more than fit into the pages that a new database has


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Yield a directory on a file system of its own, which can be filled."""
    with scratch_directory() as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "tmpfs", str(directory)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root may mount a small file system")
        try:
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def own_postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    options = EmbeddedOptions(data_directory=directory / "data", settings={"max_wal_size": "64MB"})
    with EmbeddedPostgres(options) as postgres:
        migrate(postgres.url)
        yield postgres


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of a server, as a hung disk does."""
    assert postgres._process is not None
    pids = [postgres._process.pid, *children_of(postgres._process.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def within(seconds_max: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds_max


async def readiness(office: BoxOffice) -> Any:
    """Return what /readyz answers once its memory of the last answer has expired."""
    await asyncio.sleep(0.6)  # longer than a probe's answer is remembered
    with within(READY_SECONDS_MAX):
        return await office.client.get("/readyz")


def poisoned() -> float:
    return REGISTRY.get_sample_value("evently_batches_total", {"result": "poison"}) or 0.0


async def test_a_full_disk_is_trouble_and_readiness_says_so(small_disk: Path) -> None:
    with own_postgres(small_disk) as postgres:
        async with open_box_office(postgres.url) as office:
            event = await office.open_event(capacity=1_000_000, per_booking_max=10)
            buyer, before = office.as_buyer(), poisoned()
            assert (await office.book(event, buyer, 10)).status_code == 201
            await until_ready(office)
            filler = small_disk / "filler"
            fill(filler)
            refused = await book_until_refused(office, event)
            assert problem_of(refused, 503) == "database-unavailable"
            assert refused.headers["retry-after"] == "2"
            assert "no disk space" in refused.json()["detail"]
            ready = await readiness(office)
            assert (ready.status_code, ready.json()["checks"]["database"]["status"]) == (503, "fail")
            assert (await office.client.get("/livez")).status_code == 200
            assert poisoned() == before, "no command is to blame"
            filler.unlink()
            assert (await office.book(event, office.as_buyer(), 10)).status_code == 201
            await until_ready(office)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            with suppress(OSError):  # no space left on the device
                while True:
                    file.write(bytes(size))


async def book_until_refused(office: BoxOffice, event: Any) -> Any:
    for _ in range(BOOKINGS_MAX):
        answer = await office.book(event, office.as_buyer(), 10)
        if answer.status_code != 201:
            return answer
    raise AssertionError("the disk is not full")


@pytest_asyncio.fixture
async def frosty() -> AsyncIterator[tuple[EmbeddedPostgres, BoxOffice]]:
    """Yield a server that can be frozen, and an installation on it."""
    with scratch_directory() as directory, own_postgres(directory) as postgres:
        async with open_box_office(postgres.url) as office:
            yield postgres, office


async def test_a_frozen_database_is_told_within_two_seconds(
    frosty: tuple[EmbeddedPostgres, BoxOffice],
) -> None:
    postgres, office = frosty
    assert PROBE_SECONDS_MAX < 2
    await until_ready(office)
    with frozen(postgres):
        for _ in range(3):
            ready = await readiness(office)
            assert (ready.status_code, ready.headers["retry-after"]) == (503, "2")
        assert "did not answer within" in ready.json()["checks"]["database"]["output"]
    await until_ready(office)


async def until_ready(office: BoxOffice) -> None:
    async with asyncio.timeout(60):
        while (await readiness(office)).status_code != 200:
            pass


async def until_it_answers(database: Database) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(Trouble):
                assert await database.fetch_value("SELECT 1") == 1
                return


async def test_reads_give_up_without_the_driver(frosty: tuple[EmbeddedPostgres, BoxOffice]) -> None:
    """The driver cancels a statement and waits for an answer, which a frozen server does not give."""
    postgres, _ = frosty
    database = await Database.open(DatabaseOptions(postgres.url, read_seconds_max=1.0))
    await until_it_answers(database)
    with frozen(postgres), within(20), pytest.raises(Unavailable):
        await database.fetch_value("SELECT 1")
    await until_it_answers(database)
    with frozen(postgres), within(20), pytest.raises(Unavailable):
        await read_in_transaction(database)
    reading = asyncio.create_task(database.fetch_value("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.1)
    with frozen(postgres), within(20):
        reading.cancel()  # its client has left; its connection must come back to the pool
        with pytest.raises(asyncio.CancelledError):
            await reading
    await until_it_answers(database)
    await database.close()


async def read_in_transaction(database: Database) -> None:
    async with database.transaction(1.0) as tx:
        await tx.fetchval("SELECT 1")


class Wrong:
    """A clock that can be set wrong."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@pytest.mark.parametrize("ahead", [timedelta(seconds=7_200), timedelta(seconds=-3), timedelta(days=400)])
async def test_a_process_with_a_wrong_clock_sells_nothing_until_it_is_right(
    database_url: str, ahead: timedelta
) -> None:
    async with open_box_office(database_url) as office:
        event, buyer, clock = await office.open_event(), office.as_buyer(), Wrong()
        ticket_type = await office.ticket_type(event)
        office.context.probe.clock.unchecked = clock
        clock.ahead = ahead
        engine = office.context.engine
        for lane in engine._lanes:
            lane._drop()  # as a lost connection: the next one compares
        refused = await office.book(event, buyer, ticket_type=ticket_type)
        assert problem_of(refused, 503) == "wrong-clock"
        assert refused.headers["retry-after"] == "5"
        ready = await readiness(office)
        check = ready.json()["checks"]["clock"]
        assert (ready.status_code, check["status"]) == (503, "fail")
        assert check["observed"] == pytest.approx(ahead.total_seconds(), abs=1.0)
        assert REGISTRY.get_sample_value("evently_clock_seconds_off") == pytest.approx(
            abs(ahead.total_seconds()), abs=1.0
        )
        draft = show_id("evt", event.event_id)
        manager = await office.as_member("manager")
        edit = await office.client.post(f"/v1/events/{draft}/cancel", headers=manager)
        assert problem_of(edit, 503) == "wrong-clock"
        assert await office.context.database.fetch_value("SELECT count(*) FROM bookings") == 0
        head_at = await office.context.database.fetch_value("SELECT max(head_at) FROM sales")
        assert head_at <= utc_now()
        clock.ahead = timedelta()
        await until_ready(office)
        assert (await office.book(event, buyer)).status_code == 201


@pytest.mark.parametrize("ahead", [timedelta(seconds=90), timedelta(seconds=-90)])
async def test_a_clock_that_is_set_while_it_sells_is_noticed_before_anything_is_written(
    database_url: str, ahead: timedelta
) -> None:
    """Neither a new connection nor the next comparison is needed; both would come too late."""
    async with open_box_office(database_url) as office:
        event, clock = await office.open_event(), Wrong()
        office.context.probe.clock.unchecked = clock
        assert (await office.book(event, office.as_buyer())).status_code == 201
        rows = "SELECT count(*) FROM journal"
        before = await office.context.database.fetch_value(rows)
        ticket_type = await office.ticket_type(event)
        clock.ahead = ahead
        refused = await office.book(event, office.as_buyer(), ticket_type=ticket_type)
        assert problem_of(refused, 503) == "wrong-clock"
        (seconds,) = re.findall(r"wrong by ([0-9.]+) seconds", refused.json()["detail"])
        assert float(seconds) == pytest.approx(90, abs=2)
        assert await office.context.database.fetch_value(rows) == before
        clock.ahead = timedelta()
        await until_ready(office)
        assert (await office.book(event, office.as_buyer())).status_code == 201


async def test_a_clock_that_is_nearly_right_sells(database_url: str) -> None:
    async with open_box_office(database_url) as office:
        event, clock = await office.open_event(), Wrong()
        office.context.probe.clock.unchecked = clock
        clock.ahead = timedelta(seconds=1.5)
        for lane in office.context.engine._lanes:
            lane._drop()
        assert (await office.book(event, office.as_buyer())).status_code == 201
        await until_ready(office)


async def test_a_jump_is_noticed_without_a_new_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is repeated: a process recovers, and notices that its clock was set wrong."""
    monkeypatch.setattr("evently.db.probing.COMPARE_SECONDS", 0.05)
    async with open_box_office(database_url) as office:
        probe, clock = office.context.probe, Wrong()
        probe.clock.unchecked = clock
        for ahead, right in ((-10, False), (0, True)):
            clock.ahead = timedelta(seconds=ahead)
            async with asyncio.timeout(60):
                while probe.clock.is_right != right:
                    await asyncio.sleep(0.05)
