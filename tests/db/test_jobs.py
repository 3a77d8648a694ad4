"""Jobs: stored in the transaction of their effects, and run at least once, even if a worker dies."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import procrastinate.schema
import pytest

from evently import jobs
from evently.db import Database, DatabaseOptions
from evently.jobs import RETRY, Job, Task
from tests.support.sales_desk import until


class Notebook:
    """A task that records its arguments, and fails as often as ordered."""

    def __init__(self, failures: int = 0) -> None:
        self.pages: list[str] = []
        self.failures = failures

    async def write(self, page: str) -> None:
        self.pages.append(page)
        if len(self.pages) <= self.failures:
            raise ValueError("out of ink")


async def defer(db: Database, *deferred: Job) -> None:
    async with db.transaction() as tx:
        await jobs.defer(tx, deferred)


async def states(db: Database) -> list[str]:
    rows = await db.fetch("SELECT status::text FROM procrastinate_jobs WHERE task_name = 'write' ORDER BY id")
    return [row["status"] for row in rows]


@asynccontextmanager
async def working(url: str, tasks: Mapping[str, Task]) -> AsyncIterator[None]:
    async with jobs.working(DatabaseOptions(url), tasks):
        yield


async def test_a_job_exists_only_if_its_transaction_commits(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the transaction that fails
        async with db.transaction() as tx:
            await jobs.defer(tx, [Job("write", {"page": "never"})])
            raise ZeroDivisionError
    assert await states(db) == []
    await defer(db, Job("write", {"page": "one"}), Job("write", {"page": "two"}))
    assert await states(db) == ["todo", "todo"]
    await defer(db)
    assert len(await states(db)) == 2


async def test_jobs_are_done(db: Database, database_url: str) -> None:
    notebook = Notebook()
    await defer(db, *[Job("write", {"page": str(number)}) for number in range(50)])
    async with working(database_url, {"write": notebook.write}):
        await until(lambda: all_in(db, "succeeded"))
    assert sorted(notebook.pages, key=int) == [str(number) for number in range(50)]


async def test_jobs_of_one_lock_run_one_after_the_other(db: Database, database_url: str) -> None:
    running = most = 0

    async def count(page: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await db.fetch("SELECT 1")
        running -= 1

    await defer(db, *[Job("write", {"page": str(number)}, lock="notebook") for number in range(4)])
    async with working(database_url, {"write": count}):
        await until(lambda: all_in(db, "succeeded"))
    assert most == 1


async def test_a_job_that_fails_is_tried_again_later(db: Database, database_url: str) -> None:
    notebook = Notebook(failures=1)
    await defer(db, Job("write", {"page": "one"}))
    async with working(database_url, {"write": notebook.write}):
        await until(
            lambda: db.fetch_value(
                "SELECT status = 'todo' AND attempts = 1 AND scheduled_at > now()"
                " FROM procrastinate_jobs WHERE task_name = 'write'"
            )
        )
        await until(lambda: all_in(db, "succeeded"))
    assert notebook.pages == ["one", "one"]


async def test_a_job_that_always_fails_is_given_up_and_kept(db: Database, database_url: str) -> None:
    notebook = Notebook(failures=1_000)
    await defer(db, Job("write", {"page": "one"}))
    async with db.transaction() as tx:
        await tx.execute("UPDATE procrastinate_jobs SET attempts = $1", RETRY.max_attempts)
    async with working(database_url, {"write": notebook.write}):
        await until(lambda: all_in(db, "failed"))
    assert notebook.pages == ["one"]


async def test_a_job_of_a_dead_worker_is_retried_by_another(db: Database, database_url: str) -> None:
    notebook = Notebook()
    await defer(db, Job("write", {"page": "one"}))
    async with db.transaction() as tx:
        await tx.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
        )
        await tx.execute(
            "UPDATE procrastinate_jobs"
            " SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
        )
    async with working(database_url, {"write": notebook.write}):
        await until(lambda: all_in(db, "succeeded"))
    assert notebook.pages == ["one"]


async def test_a_worker_that_is_stopped_puts_its_job_back(db: Database, database_url: str) -> None:
    begun = asyncio.Event()

    async def endless(page: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    await defer(db, Job("write", {"page": "one"}))
    async with working(database_url, {"write": endless}):
        await begun.wait()
    assert await states(db) == ["todo"]
    assert await db.fetch_value("SELECT count(*) FROM procrastinate_workers") == 0


async def test_losing_the_database_is_survived(db: Database, database_url: str) -> None:
    notebook = Notebook()
    await defer(db, Job("write", {"page": "one"}))
    async with working(database_url, {"write": notebook.write}):
        await until(lambda: all_in(db, "succeeded"))
        for page in ("two", "three"):
            await db.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await defer(db, Job("write", {"page": page}))
            await until(lambda: all_in(db, "succeeded"))
    assert notebook.pages == ["one", "two", "three"]


async def all_in(db: Database, state: str) -> bool:
    return set(await states(db)) == {state}


def test_the_schema_is_that_of_revision_0002() -> None:
    """When this fails, procrastinate has changed its schema.

    Add a revision that runs its new migrations, then change the hash here.
    """
    found = hashlib.sha256(procrastinate.schema.SchemaManager.get_schema().encode()).hexdigest()
    assert found == "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"
