"""Background work, stored as rows: deferred in the caller's transaction, done later by whichever process is free.

Procrastinate keeps the rows, the retries and the schedule; it brings its own driver and its own small pool. A
job runs at least once, so every job must be harmless to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
import structlog
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from prometheus_client import Counter

from evently.db import Connection, DatabaseOptions, load_queries

sql: Final = load_queries(__name__)

# Jobs here are not urgent to the second; polling spares every process a listening connection
POLL_SECONDS: Final = 1.0
CONCURRENCY: Final = 2  # jobs of one process at a time: they share it with the booking path
CONNECTIONS_MAX: Final = 3
CONNECT_SECONDS_MAX: Final = 3.0  # a process that stops must not wait long for a database that is away
STALLED_SECONDS: Final = 60  # a worker that has not been heard of for so long is dead
KEPT_HOURS: Final = 72  # finished jobs are kept for whoever wants to know
# Waits of 2, 4, 8, ... seconds: twelve attempts are a little more than two hours of trouble.
RETRY: Final = RetryStrategy(max_attempts=12, exponential_wait=2)

_log: Final = structlog.get_logger(__name__)
_attempts = Counter("evently_job_attempts", "Attempts at jobs by task and result.", ["task", "result"])

Task = Callable[..., Awaitable[None]]


class Job(msgspec.Struct, frozen=True):
    """What to do: a task's name and its arguments. Jobs of one `lock` run one after the other."""

    task: str
    arguments: dict[str, str]
    lock: str | None = None


async def defer(tx: Connection, jobs: Sequence[Job]) -> None:
    """Store jobs; they are done after the caller's commit."""
    if jobs:
        await tx.execute(
            *sql.defer(
                tasks=[job.task for job in jobs],
                locks=[job.lock for job in jobs],
                arguments=[msgspec.json.encode(job.arguments).decode() for job in jobs],
            )
        )


@asynccontextmanager
async def working(
    options: DatabaseOptions, tasks: Mapping[str, Task], periodic: Mapping[str, Task]
) -> AsyncIterator[None]:
    """Work on jobs for as long as the block lasts. `tasks` by name; `periodic` by cron expression."""
    app = _build(options, tasks, periodic)
    stopping = asyncio.Event()
    worker = asyncio.create_task(_work(app, stopping), name="jobs")
    try:
        yield
    finally:
        stopping.set()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def _build(options: DatabaseOptions, tasks: Mapping[str, Task], periodic: Mapping[str, Task]) -> App:
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
    for cron, task in periodic.items():
        app.periodic(cron=cron)(app.task(name=task.__name__, retry=RETRY)(_at(_counted(task.__name__, task))))
    app.periodic(cron="* * * * *")(app.task(name="retry_stalled_jobs", pass_context=True)(_retry_stalled))
    app.periodic(cron="17 * * * *")(
        app.task(name="forget_finished_jobs", pass_context=True)(_forget_finished)
    )
    return app


async def _work(app: App, stopping: asyncio.Event) -> None:
    """Run the worker, again and again when the database goes away.

    Cancelled while it is away, the library fails instead of ending.
    """
    while not stopping.is_set():
        try:
            async with app.open_async():
                await app.run_worker_async(
                    concurrency=CONCURRENCY,
                    fetch_job_polling_interval=POLL_SECONDS,
                    listen_notify=False,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=2,
                    stalled_worker_timeout=STALLED_SECONDS,
                )
        except Exception as exc:  # noqa: BLE001  # an outermost loop: the library raises whatever its driver does
            _log.warning("jobs_interrupted", cause=repr(exc))
        await asyncio.sleep(POLL_SECONDS)


def _counted(name: str, task: Task) -> Task:
    async def run(**arguments: str) -> None:
        try:
            await task(**arguments)
        except BaseException:
            _attempts.labels(name, "failed").inc()
            raise
        _attempts.labels(name, "done").inc()

    return run


def _at(task: Task) -> Callable[[int], Awaitable[None]]:
    async def run(timestamp: int) -> None:  # noqa: ARG001  # when the schedule meant it
        await task()

    return run


async def _retry_stalled(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Give the jobs of dead workers to the living."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await manager.retry_job(job)


async def _forget_finished(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    await context.app.job_manager.delete_old_jobs(nb_hours=KEPT_HOURS)
