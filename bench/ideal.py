"""What this machine could book at best behind this server: requests that are only answered, rows only copied.

    answers_per_second   requests of bookings to an empty handler, answered with the bytes of a booking
    copies_per_second    the rows of bookings that were made, copied into the same tables, 100 in a commit

Each uses all cores by itself, and a booking needs both: together they allow 1 / (1/answers + 1/copies). No
rule, no limit, no identification, no statement and no parameter is in it, so it cannot be reached.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from bench.echo import EchoedAnswer
from bench.load import CREATED, bookings
from bench.processor import cores_of_machine
from bench.stage import OnSale, Stage
from evently.db import Database, DatabaseOptions
from evently.rehearsal.driver import HttpClient, Target
from evently.rehearsal.loops import closed_loop
from evently.rehearsal.plan import run
from evently.rehearsal.server import own_server

BOOKINGS_PER_COMMIT: Final = 100
_OF_BOOKINGS: Final = ("bookings", "tickets", "idempotency_keys", "ledger")  # tables, parents first
_OWN_HEADERS: Final = {b"date", b"content-length", b"transfer-encoding", b"connection"}
_numbers: Final = itertools.count()


class Piece(NamedTuple):
    """Rows of a table, as PostgreSQL copies them."""

    table: str
    columns: list[str]
    rows: bytes


def ideal_per_second(answers_per_second: float, copies_per_second: float) -> float:
    """Return the bookings per second that both together allow."""
    return 1 / (1 / answers_per_second + 1 / copies_per_second)


def answers_per_second(stage: Stage, sale: OnSale, directory: Path, clients: int, seconds: float) -> float:
    """Measure an empty handler with a process per core: the requests of bookings, the bytes of an answer."""
    answer = run(_answer_of(stage, sale))
    file = directory / f"answer-{next(_numbers)}.json"
    file.write_bytes(msgspec.json.encode(answer))
    arguments = ("-m", "bench.echo", str(file), str(cores_of_machine()))
    with own_server(directory, {}, arguments) as server:
        target = Target.parse(server.url)
        run(closed_loop(target, clients, bookings(stage, [sale]), seconds / 3))  # warm up
        done = run(closed_loop(target, clients, bookings(stage, [sale]), seconds))
    return done.per_second(CREATED)


def copies_per_second(stage: Stage, sale: OnSale, copy_url: str) -> float:
    """Copy the rows of an event's bookings into a database that has the event without them."""
    return run(_copy(stage, sale.event_id, copy_url))


async def _answer_of(stage: Stage, sale: OnSale) -> EchoedAnswer:
    client = HttpClient(stage.target, 1)
    reply = await client.exchange(bookings(stage, [sale])() or b"")
    client.close()
    assert reply.status == CREATED, reply
    headers = [(name.lower(), value) for name, value in reply.headers if name.lower() not in _OWN_HEADERS]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    return EchoedAnswer(reply.status, headers, reply.body)


async def _copy(stage: Stage, event_id: UUID, copy_url: str) -> float:
    source = await Database.open(DatabaseOptions(stage.database_url))
    copy = await Database.open(DatabaseOptions(copy_url))
    reader: Any = await source.connect()
    writers: list[Any] = [await copy.connect() for _ in range(cores_of_machine())]
    try:
        since = await writers[0].fetchval("SELECT max(seq) FROM journal WHERE event_id = $1", event_id)
        count, batches = await _read(reader, event_id, since)
        left = iter(batches)
        began = time.perf_counter()
        await asyncio.gather(*[_write(writer, left) for writer in writers])
        seconds = time.perf_counter() - began
        written = await writers[0].fetchval("SELECT count(*) FROM bookings WHERE event_id = $1", event_id)
        assert written == count, "every booking is copied"
    finally:
        for connection in (reader, *writers):
            await connection.close()
        await source.close()
        await copy.close()
    return count / seconds


async def _read(reader: Any, event_id: UUID, since: int) -> tuple[int, list[list[Piece]]]:
    """Return how many bookings there are, and the rows of each commit: of bookings, and of the journal."""
    ids = [
        row[0]
        for row in await reader.fetch(
            "SELECT booking_id FROM bookings WHERE event_id = $1 ORDER BY booking_id", event_id
        )
    ]
    groups = list(_in_groups(ids))
    last = await reader.fetchval("SELECT max(seq) FROM journal WHERE event_id = $1", event_id)
    batches = []
    for number, group in enumerate(groups):
        pieces = [
            await _piece(reader, table, "event_id = $1 AND booking_id = ANY($2)", event_id, group)
            for table in _OF_BOOKINGS
        ]
        first, end = (since + 1 + (last - since) * each // len(groups) for each in (number, number + 1))
        rows = "event_id = $1 AND seq >= $2 AND seq < $3"
        batches.append([*pieces, await _piece(reader, "journal", rows, event_id, first, end)])
    return len(ids), batches


def _in_groups(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), BOOKINGS_PER_COMMIT):
        yield ids[start : start + BOOKINGS_PER_COMMIT]


async def _piece(reader: Any, table: str, condition: str, *values: Any) -> Piece:
    columns = [
        row[0]
        for row in await reader.fetch(
            "SELECT column_name::text FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' "
            "ORDER BY ordinal_position",
            table,
        )
    ]
    rows = io.BytesIO()
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}"  # noqa: S608  # our own names
    await reader.copy_from_query(query, *values, output=rows, format="binary")
    return Piece(table, columns, rows.getvalue())


async def _write(writer: Any, left: Iterator[list[Piece]]) -> None:
    for pieces in left:
        async with writer.transaction():
            for piece in pieces:
                await writer.copy_to_table(
                    piece.table, source=io.BytesIO(piece.rows), columns=piece.columns, format="binary"
                )
