"""Commits that wait: a synchronous standby has stopped, or the disk stands still.

PostgreSQL waits for its standby without a limit, and so does every transaction that wants a row of this one.
So when a commit has waited for COMMIT_SECONDS_MAX, its caller is told (`CommitsWait`), and from then on
nothing that writes is begun in this process, until a commit of our own has been confirmed. One connection
tries that, so that no more sessions wait in the server, however long it lasts.

Nothing is taken back: a commit that waits is valid as soon as the standby has it. The pool cancels the wait,
not the commit (PostgreSQL then shows rows that no standby has yet, and the caller knows no outcome); a lane
of the sales engine waits on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from prometheus_client import Gauge

from evently.db.queries import load_queries
from evently.kit.errors import CommitsWait, Trouble

sql: Final = load_queries(__name__)

# A flush takes milliseconds; on a disk that stands still for a moment, a second. A buyer hears within five
COMMIT_SECONDS_MAX: Final = 3.0
CHECK_SECONDS_MAX: Final = 1.0  # for a commit that only finds out whether commits wait
CHECK_PAUSE_SECONDS: Final = 1.0  # between two of those
# Then the trial begins again on a new connection: the old one may lead to a server that has silently gone
TRIAL_SECONDS_MAX: Final = 10.0
_CLOSE_SECONDS_MAX: Final = 2.0
# Whatever the driver raises: the server is away, or does not do its work. Others will notice and say so
_ERRORS: Final = (
    Trouble,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_waiting = Gauge(
    "evently_commits_waiting",
    "Processes in which commits wait for a standby or a disk.",
    multiprocess_mode="livesum",
)
_log: Final = structlog.get_logger(__name__)

Connect: TypeAlias = "Callable[[], Awaitable[asyncpg.Connection[Any]]]"


class Commits:
    """Whether commits of this process wait. `connect` opens a connection for the trial."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._trial: asyncio.Task[None] | None = None
        self._checked_at = -CHECK_PAUSE_SECONDS
        self.waiting = False

    def refuse(self) -> None:
        """Raise `CommitsWait` while commits wait: what begins now would only wait, too."""
        if self.waiting:
            raise CommitsWait("waits")

    def note_wait(self) -> None:
        """Refuse what would write, until a commit of our own is confirmed."""
        if not self.waiting:
            self.waiting = True
            _waiting.set(1)
            _log.error("commits wait: a standby or the disk does not confirm them")
        self._try()

    async def check(self) -> bool:
        """Return whether commits wait, found out with one of our own."""
        now = time.monotonic()
        if not self.waiting and now - self._checked_at >= CHECK_PAUSE_SECONDS:
            self._checked_at = now
            if not (await asyncio.wait({self._try()}, timeout=CHECK_SECONDS_MAX))[0]:
                self.note_wait()
        return self.waiting

    async def close(self) -> None:
        """End the trial."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.wait({self._trial})

    def _try(self) -> asyncio.Task[None]:
        if self._trial is None:
            self._trial = asyncio.create_task(self._run_trial(), name="commits")
        return self._trial

    async def _run_trial(self) -> None:
        try:
            while not await self._commit_something():
                pass
        except _ERRORS as exc:
            _log.warning("commits could not be tried", cause=repr(exc))
        finally:
            self._trial = None
            if self.waiting:
                self.waiting = False
                _waiting.set(0)
                _log.info("commits are tried again")

    async def _commit_something(self) -> bool:
        """Commit on a new connection. Return False if that takes too long; the driver cancels it then."""
        connection = await self._connect()
        try:
            await connection.execute(*sql.write_log_record(), timeout=TRIAL_SECONDS_MAX)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            with suppress(*_ERRORS):
                await connection.close(timeout=_CLOSE_SECONDS_MAX)
