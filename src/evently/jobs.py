"""Jobs: background work, stored as rows in the caller's transaction, run later by any free process.

    defer(tx, jobs)          store jobs; they run after the caller's commit
    list_failed, retry       jobs whose attempts are used up; one more attempt at one
    working(options, tasks)  run jobs while the block lasts

Procrastinate keeps the rows and retries them; it brings its own driver and its own small pool. A job runs at
least once, so every job must be harmless to repeat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import msgspec
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from prometheus_client import Counter

from evently.db import Connection, Database, DatabaseOptions, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refusal, Refused
from evently.kit.repeating import repeating

sql: Final = load_queries(__name__)

# No job is urgent to the second. Polling spares each process a connection that listens.
POLL_SECONDS: Final = 1.0
CONCURRENCY: Final = 2  # jobs of one process at a time: they share the process with the booking path
CONNECTIONS_MAX: Final = 3
CONNECT_SECONDS_MAX: Final = 3.0  # a process that stops must not wait long for a database that is away
STALLED_SECONDS: Final = 60  # a worker without a heartbeat for this long is dead
KEPT_HOURS: Final = 72  # finished jobs are kept this long, so that a person can read them
# Waits of 2, 4, 8, ... seconds: twelve attempts are a little more than two hours of trouble.
RETRY: Final = RetryStrategy(max_attempts=12, exponential_wait=2)

_attempts = Counter("evently_job_attempts", "Attempts at jobs by task and result.", ["task", "result"])

Task = Callable[..., Awaitable[None]]


class StoredJob(msgspec.Struct, frozen=True):
    """A job whose attempts are used up. `failed_at`: of the last one."""

    job_id: int
    task: str
    arguments: dict[str, str]
    attempts: int
    failed_at: datetime | None


class JobsRefusal(Refusal):
    """Every refusal of this module."""

    JOB_NOT_FAILED = "job-not-failed"


class JobCounts(msgspec.Struct, frozen=True):
    """How many jobs wait or run, since when the oldest that is due waits, and how many have failed."""

    waiting: int
    due_since: datetime | None
    failed: int


class Job(msgspec.Struct, frozen=True):
    """A task's name and its arguments. Jobs with the same `lock` run one after the other."""

    task: str
    arguments: dict[str, str]
    lock: str | None = None


async def defer(tx: Connection, jobs: Sequence[Job]) -> None:
    """Store jobs. They run after the caller's commit."""
    if jobs:
        await tx.execute(
            *sql.defer(
                tasks=[job.task for job in jobs],
                locks=[job.lock for job in jobs],
                arguments=[msgspec.json.encode(job.arguments).decode() for job in jobs],
            )
        )


async def list_failed(database: Database, limit: int, after: str | None) -> Page[StoredJob]:
    """Return a page of the jobs whose attempts are used up, the newest first."""
    position = None if after is None else read_cursor(after, tuple[int])[0]
    rows = await database.fetch(*sql.list_failed(after=position, limit=limit + 1))
    found = [
        StoredJob(
            row["id"],
            row["task_name"],
            msgspec.json.decode(row["args"], type=dict[str, str]),
            row["attempts"],
            row["failed_at"],
        )
        for row in rows[:limit]
    ]
    return Page(found, write_cursor((found[-1].job_id,)) if len(rows) > limit else None)


async def retry(tx: Connection, job_id: int, now: datetime) -> None:
    """Attempt a failed job once more. Refuses `job-not-failed`."""
    if await tx.fetchval(*sql.lock_failed(job_id=job_id)) is None:
        raise Refused(JobsRefusal.JOB_NOT_FAILED)
    await tx.execute(*sql.retry(job_id=job_id, now=now))


async def count_jobs(database: Database, now: datetime) -> JobCounts:
    """Count the jobs that wait, and those that have failed."""
    row = await database.fetch_row(*sql.count_jobs(now=now))
    assert row is not None, "a count is one row"
    return JobCounts(row["waiting"], row["due_since"], row["failed"])


@asynccontextmanager
async def working(options: DatabaseOptions, tasks: Mapping[str, Task]) -> AsyncIterator[None]:
    """Run jobs while the block lasts. `tasks` by name."""
    app = _build(options, tasks)

    async def work() -> float:
        async with app.open_async():
            await app.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=POLL_SECONDS,
                listen_notify=False,
                install_signal_handlers=False,
                shutdown_graceful_timeout=2,
                stalled_worker_timeout=STALLED_SECONDS,
            )
        return POLL_SECONDS

    # The worker ends when the database goes away, with whatever exception its driver raises.
    async with repeating("jobs", work, failed_seconds=POLL_SECONDS, expected=(Exception,)):
        yield


def _build(options: DatabaseOptions, tasks: Mapping[str, Task]) -> App:
    connection = {"prepare_threshold": None, "target_session_attrs": "read-write"}
    app = App(
        connector=PsycopgConnector(
            conninfo=options.url,
            kwargs=connection,
            min_size=0,
            max_size=CONNECTIONS_MAX,
            timeout=CONNECT_SECONDS_MAX,
        )
    )
    for name, task in tasks.items():
        app.task(name=name, retry=RETRY)(_counted(name, task))
    app.periodic(cron="* * * * *")(app.task(name="retry_stalled_jobs", pass_context=True)(_retry_stalled))
    app.periodic(cron="17 * * * *")(
        app.task(name="forget_finished_jobs", pass_context=True)(_forget_finished)
    )
    return app


def _counted(name: str, task: Task) -> Task:
    async def run(**arguments: str) -> None:
        try:
            await task(**arguments)
        except BaseException:
            _attempts.labels(name, "failed").inc()
            raise
        _attempts.labels(name, "done").inc()

    return run


async def _retry_stalled(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Retry the jobs of dead workers."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await manager.retry_job(job)


async def _forget_finished(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    await context.app.job_manager.delete_old_jobs(nb_hours=KEPT_HOURS)
