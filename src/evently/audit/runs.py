"""Audits that administrators ask for: a job, one at a time, in a process of its own, for a limited time.

request_run     write down that an audit is asked for, with its job
run             the job: audit, and write the result
list_runs, find_run
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec
import structlog

from evently import jobs
from evently.audit.findings import Finding
from evently.db import Connection, Database, Record, load_queries
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refusal, Refused
from evently.kit.ids import new_id, parse_id, show_id

sql: Final = load_queries(__name__)

TASK: Final = "run_audit"
RUN_SECONDS_MAX: Final = 1_800.0  # a million bookings take some minutes beside a running sale
FORGOTTEN_AFTER: Final = timedelta(hours=3)  # more than the attempts of its job take
_log = structlog.get_logger(__name__)

RunState: TypeAlias = Literal["waiting", "running", "done", "failed"]


class AuditRefusal(Refusal):
    """Every refusal of this package."""

    AUDIT_RUNNING = "audit-running"


class AuditRun(msgspec.Struct, frozen=True):
    """An audit. `findings`: one for each invariant, once it is done. `failure`: why there are none."""

    run_id: UUID
    requested_by: UUID
    requested_at: datetime
    state: RunState
    started_at: datetime | None
    finished_at: datetime | None
    findings: list[Finding]
    failure: str

    @property
    def breaches(self) -> int:
        """How many breaches were found."""
        return sum(finding.count for finding in self.findings)


async def request_run(tx: Connection, requested_by: UUID, now: datetime) -> UUID:
    """Write down that an audit is asked for, with its job; return its id. Refuses `audit-running`.

    Callers take turns: acts of administrators are written down one after the other.
    """
    if await tx.fetchval(*sql.find_running(since=now - FORGOTTEN_AFTER)) is not None:
        raise Refused(AuditRefusal.AUDIT_RUNNING)
    run_id = new_id()
    await tx.execute(*sql.add_run(run_id=run_id, requested_by=requested_by, now=now))
    await jobs.defer(tx, [Job(TASK, {"run_id": show_id("aud", run_id)}, lock="audit")])
    return run_id


async def run(database: Database, clock: Clock, run_id: str) -> None:
    """Audit the whole database, and write the result. Harmless to repeat."""
    found = parse_id("aud", run_id)
    async with database.transaction() as tx:
        if await tx.fetchval(*sql.start_run(run_id=found, now=clock())) is None:
            return
    findings, failure = await _audit_apart(database)
    async with database.transaction() as tx:
        await tx.execute(
            *sql.finish_run(
                run_id=found,
                state="failed" if findings is None else "done",
                now=clock(),
                findings="" if findings is None else msgspec.json.encode(findings).decode(),
                failure=failure,
            )
        )


async def list_runs(database: Database, limit: int, after: str | None) -> Page[AuditRun]:
    """Return a page of audits, the newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_runs(after=position, limit=limit + 1))
    runs = [_run(row) for row in rows[:limit]]
    return Page(runs, write_cursor((runs[-1].run_id,)) if len(rows) > limit else None)


async def find_run(database: Database, run_id: UUID) -> AuditRun:
    """Return an audit. Refuses `not-found`."""
    row = await database.fetch_row(*sql.find_run(run_id=run_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "audit")
    return _run(row)


async def _audit_apart(database: Database) -> tuple[list[Finding] | None, str]:
    """Audit in a process of its own, which ends with this one; return the findings, or why there are none."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "evently.audit",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            said, wrong = await process.communicate(msgspec.json.encode(database.options))
    except TimeoutError:
        return None, f"It was not done after {RUN_SECONDS_MAX / 60:.0f} minutes."
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = wrong.decode(errors="replace").strip().rpartition("\n")[2]
        _log.error("audit failed", returncode=process.returncode, cause=last)
        # The log alone has the cause: it may contain the address of the database
        return None, "Its process failed. The log says why."
    return msgspec.json.decode(said, type=list[Finding]), ""


def _run(row: Record) -> AuditRun:
    findings = msgspec.json.decode(row["findings"], type=list[Finding]) if row["findings"] else []
    return AuditRun(**{**row, "findings": findings})
