"""Moves the facts of journals of events that ended long ago to files, and back.

    list_archivable   events that are over, with nothing left to do
    archive_event     write the file, then remove the facts from the database
    restore_event     the other way round; the file stays
    archive_old, restore_journal   the same, for the command line

What stays in the database: the number, the instant, the hash and the delivery of each row. So the next row
chains on, every statement about rows works, and each row of a file is compared with a hash that is not in it.
The file is complete, flushed and read again before the one transaction that removes the facts: a crash at any
moment leaves the facts in the database, or in a file that the database names.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from evently.db import REPORT_SECONDS_MAX, Connection, Database, DatabaseOptions, load_queries
from evently.kit.clock import utc_now
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import show_id
from evently.sales.facts import NO_HASH
from evently.sales.journal_files import (
    FORMAT,
    FileRow,
    Heading,
    JournalFile,
    JournalWriter,
    read_rows,
    remove_unfinished,
)
from evently.sales.reads import list_journal_files

sql: Final = load_queries(__name__)

_WRITTEN_AT_ONCE: Final = 200  # rows: a few megabytes at most
_RESTORED_AT_ONCE: Final = 500


async def archive_old(options: DatabaseOptions, age: timedelta) -> list[JournalFile]:
    """Archive the events that ended, and changed for the last time, so long ago; one process at a time."""
    assert options.archive is not None, "the command says where"
    database = await Database.open(options)
    try:
        with _locked(options.archive):
            now = utc_now()
            event_ids = await list_archivable(database, now - age)
            files = [await archive_event(database, options.archive, each, now) for each in event_ids]
    finally:
        await database.close()
    return [file for file in files if file is not None]


async def restore_journal(options: DatabaseOptions, event_id: UUID) -> int:
    """Restore the journal of an event; return the number of its rows."""
    database = await Database.open(options)
    try:
        return await restore_event(database, event_id)
    finally:
        await database.close()


async def list_archivable(database: Database, ended_before: datetime) -> list[UUID]:
    """Return the events that ended before an instant, have not changed since, and have facts to archive.

    Facts that are not delivered yet, holds and refunds that are not settled keep an event.
    """
    rows = await database.fetch(*sql.list_archivable(ended_before=ended_before))
    return [row["event_id"] for row in rows]


async def archive_event(
    database: Database, directory: str, event_id: UUID, now: datetime
) -> JournalFile | None:
    """Move the facts of an event to a file. None: there are none, or another process has moved them."""
    async with database.snapshot(REPORT_SECONDS_MAX) as snapshot:
        found = await snapshot.fetchrow(*sql.find_facts(event_id=event_id))
        if found is None or found["first_seq"] is None:
            return None
        first, last = found["first_seq"], found["last_seq"]
        before = await snapshot.fetchval(*sql.find_hash(event_id=event_id, seq=first - 1)) or NO_HASH
        shown = show_id("evt", event_id)
        name = f"{shown}-{first}-{last}.journal.gz"
        heading = Heading(FORMAT, shown, first, last, before.hex())
        rows, size, digest = await _write(
            snapshot, JournalWriter(directory, name, heading), heading, event_id
        )
    file = JournalFile(event_id, first, last, name, size, digest, now)
    # As it is on the disk
    read = await asyncio.to_thread(lambda: sum(1 for _ in read_rows(directory, file)))
    assert read == rows, "the file has each row"
    async with database.transaction(REPORT_SECONDS_MAX) as tx:
        await tx.fetchval(*sql.lock_sale(event_id=event_id))
        removed = await tx.fetch(*sql.remove_facts(event_id=event_id, first_seq=first, last_seq=last))
        if len(removed) != rows:
            if removed:
                raise AssertionError("rows of a journal never change")
            return None
        await tx.execute(
            *sql.add_file(
                event_id=event_id,
                first_seq=first,
                last_seq=last,
                name=name,
                size=size,
                digest=digest,
                now=now,
            )
        )
    return file


async def restore_event(database: Database, event_id: UUID) -> int:
    """Read the facts of an event back from its files; return how many rows got theirs.

    Refuses `not-found` where there is nothing to restore; raises JournalFileBroken.
    """
    async with database.transaction(REPORT_SECONDS_MAX) as tx:
        await tx.fetchval(*sql.lock_sale(event_id=event_id))
        files = await list_journal_files(tx, event_id)
        if not files:
            raise Refused(CommonRefusal.NOT_FOUND, "event")
        restored = 0
        for file in files:
            restored += await _restore(tx, database.options.archive, file)
        await tx.execute(*sql.remove_files(event_id=event_id))
    return restored


async def _restore(tx: Connection, directory: str | None, file: JournalFile) -> int:
    rows, restored = read_rows(directory, file), 0
    while some := await asyncio.to_thread(lambda: list(islice(rows, _RESTORED_AT_ONCE))):
        # Each row has the hash that the database has of it
        put = await tx.fetch(
            *sql.put_facts(
                event_id=file.event_id,
                seqs=[row.seq for row in some],
                hashes=[row.hash for row in some],
                facts=[row.facts for row in some],
            )
        )
        assert len(put) == len(some), f"the file {file.name} is of this journal"
        restored += len(put)
    return restored


async def _write(
    snapshot: Connection, writer: JournalWriter, heading: Heading, event_id: UUID
) -> tuple[int, int, bytes]:
    """Write the rows that the heading names; return their number, and the size and digest of the file."""
    rows, some = 0, list[FileRow]()
    try:
        async for row in snapshot.cursor(
            *sql.read_facts(event_id=event_id, first_seq=heading.first_seq, last_seq=heading.last_seq),
            prefetch=_WRITTEN_AT_ONCE,
        ):
            some.append(FileRow(row["seq"], row["at"], row["hash"], row["facts"]))
            rows += 1
            if len(some) == _WRITTEN_AT_ONCE:
                await asyncio.to_thread(writer.add, some)
                some = []
        await asyncio.to_thread(writer.add, some)
        return rows, *await asyncio.to_thread(writer.finish)
    finally:
        writer.close()


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold the directory for one process, and remove what one that was killed has not finished."""
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        remove_unfinished(directory)
        yield
    finally:
        os.close(descriptor)
