"""The audit: checks all invariants of the database. Every benchmark and every rehearsal ends with one.

    audit(options, event)             open the database, audit it, close it: for the command line
    inspect(database, event_id)       audit an open database
    examine(snapshot, event_id)       audit through a connection in a REPEATABLE READ transaction
    show(findings)                    the findings as a table for the terminal

The audit may run while tickets are being sold: it reads one snapshot of the whole database (REPEATABLE READ,
read only) and takes no lock. Set-based statements find breaches (breaches.sql, money.sql,
waiting_rooms.sql). Then each event's journal is replayed from empty and compared with the rows
(comparison.py): one event at a time, the largest ones in several parts, because each replayed booking takes
memory.

On a cluster, no snapshot spans the nodes, and statements may see different instants. Each check is about rows
of one event, which are on one node; so an event with a breach is examined again until nothing has changed
during the examination, and only what is found then is a finding.

The audit must never use the code that it checks: the rules, the engine, the counting of the roll-ups.
docs/proof.md lists the columns that it does not compare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from rich.table import Table

from evently.audit.comparison import compare_events
from evently.audit.findings import EXAMPLES_MAX, TITLES, Finding, Tally
from evently.db import (
    REPORT_SECONDS_MAX,
    Connection,
    Database,
    DatabaseOptions,
    Query,
    load_queries,
    placement,
)
from evently.kit.ids import parse_id
from evently.sales.reads import count_journal_files, find_sale

sql: Final = load_queries("evently.audit.breaches")
money: Final = load_queries("evently.audit.money")
waiting_rooms: Final = load_queries("evently.audit.waiting_rooms")

__all__ = ["EXAMPLES_MAX", "TITLES", "Finding", "audit", "examine", "inspect", "show"]

HOLD_GRACE: Final = timedelta(seconds=5)  # the sweeper runs every second; five allow for a busy one
# Between an effect at the gateway and its record in the sale: a failed job is retried within this time.
CHECKOUT_GRACE: Final = timedelta(minutes=5)
# A process learns the new pace of a waiting room up to a quarter of a second late, and clocks differ
ROOM_GRACE: Final = timedelta(seconds=1)
# On a cluster: at most so many breaches of a kind have their events examined again, each at most so often
_SUSPECTS_MAX: Final = 1_000
_AT_REST_TRIES: Final = 5
_AT_REST_PAUSE_SECONDS: Final = 1.0
# An admission lasts ten minutes; a booking that was sent in time may wait for a batch
ADMISSION_KEPT: Final = timedelta(minutes=10, seconds=30)


async def audit(options: DatabaseOptions, event: str | None = None) -> list[Finding]:
    """Audit a database, or one event of it (`evt_...`); refuses an event that does not exist."""
    event_id = None if event is None else parse_id("evt", event)
    database = await Database.open(options)
    try:
        if event_id is not None:
            await find_sale(database, event_id)
        return await inspect(database, event_id, seconds_max=None)
    finally:
        await database.close()


async def inspect(
    database: Database, event_id: UUID | None = None, seconds_max: float | None = REPORT_SECONDS_MAX
) -> list[Finding]:
    """Return a finding for every invariant, with count 0 where it holds, from one snapshot.

    `seconds_max`: None lets it take as long as it needs, which are minutes for each million bookings.
    """
    archive = database.options.archive
    async with database.snapshot(seconds_max, hash_joins=True) as snapshot:
        tallies = await _tally(snapshot, event_id, archive)
        notes = await _notes(snapshot, event_id)
    if placement.is_spread:
        tallies = await _examine_again(database, tallies, seconds_max)
    return _findings(tallies, notes)


async def examine(
    snapshot: Connection, event_id: UUID | None = None, archive: str | None = None
) -> list[Finding]:
    """Return a finding for every invariant; the connection is in a REPEATABLE READ transaction.

    `archive`: the directory of archived journals. Without it, an event with such a journal is a breach.
    """
    return _findings(await _tally(snapshot, event_id, archive), await _notes(snapshot, event_id))


def show(findings: list[Finding]) -> Table:
    """Return the findings as a table for the terminal."""
    table = Table("", "breaches", "invariant", box=None, pad_edge=False)
    for finding in findings:
        style = "green" if finding.count == 0 else "bold red"
        table.add_row(
            finding.code,
            f"[{style}]{finding.count:,}[/]",
            "\n".join([finding.title, *map(_escaped, filter(None, [finding.note, *finding.examples]))]),
        )
    return table


async def _tally(snapshot: Connection, event_id: UUID | None, archive: str | None) -> dict[str, Tally]:
    tallies = {code: Tally() for code in TITLES}
    for code, query in _SET_BASED:
        await _run(snapshot, query, event_id, tallies[code])
    await compare_events(snapshot, event_id, tallies, archive)
    return tallies


async def _notes(snapshot: Connection, event_id: UUID | None) -> dict[str, str]:
    return {"I11": _from_files(await count_journal_files(snapshot, event_id))}


def _findings(tallies: Mapping[str, Tally], notes: Mapping[str, str]) -> list[Finding]:
    return [
        Finding(code, title, tallies[code].count, tallies[code].examples, notes.get(code, ""))
        for code, title in TITLES.items()
    ]


async def _examine_again(
    database: Database, tallies: Mapping[str, Tally], seconds_max: float | None
) -> dict[str, Tally]:
    """Examine the events with breaches again, each at rest; return what is still found.

    On a cluster, statements see different instants: what one of them has read, the next one may find changed.
    What was too much to list stays as it was counted.
    """
    again = {code: Tally() for code in TITLES}
    for event_id in sorted(set[UUID]().union(*[tally.event_ids for tally in tallies.values()])):
        for code, found in (await _examine_at_rest(database, event_id, seconds_max)).items():
            again[code].count += found.count
            again[code].examples = [*again[code].examples, *found.examples][:EXAMPLES_MAX]
    for code, tally in tallies.items():
        again[code].count += tally.unlisted
    return again


async def _examine_at_rest(database: Database, event_id: UUID, seconds_max: float | None) -> dict[str, Tally]:
    """Examine an event until neither its journal nor its figures have changed during the examination.

    Everything that is compared of an event is on one node, and changes with its journal, or with what the
    relay has counted of it. After `_AT_REST_TRIES`, the findings say that they were seen while it changed.
    """
    for attempt in range(_AT_REST_TRIES):
        await asyncio.sleep(attempt * _AT_REST_PAUSE_SECONDS)
        async with database.snapshot(seconds_max, hash_joins=True) as snapshot:
            before = await _read_head(snapshot, event_id)
            tallies = await _tally(snapshot, event_id, database.options.archive)
            if before == await _read_head(snapshot, event_id):
                return tallies
    for tally in tallies.values():
        tally.examples = [f"{example} (seen while it changed: audit it again)" for example in tally.examples]
    return tallies


async def _read_head(snapshot: Connection, event_id: UUID) -> tuple[object, ...] | None:
    row = await snapshot.fetchrow(*sql.read_head(event_id=event_id))
    return None if row is None else tuple(row)


_SET_BASED: Final = (
    ("I1", sql.find_oversold_pools),
    ("I2", sql.find_miscounted_pools),
    ("I5", sql.find_wrong_tickets),
    ("I5", sql.find_wrong_seats),
    ("I5", sql.find_wrong_codes),
    ("I6", sql.find_wrong_answers),
    ("I7", money.find_wrong_payments),
    ("I7", money.find_wrong_refunds),
    ("I8", money.find_wrong_postings),
    ("I9", sql.find_stale_holds),
    ("I11", sql.find_wrong_events),
    ("I12", money.find_miscounted_money),
    ("I13", sql.find_wrong_check_ins),
    ("I14", waiting_rooms.find_wrong_admissions),
)
_TIMES: Final[Mapping[Query, Mapping[str, timedelta]]] = {
    sql.find_stale_holds: {"grace": HOLD_GRACE},
    money.find_wrong_payments: {"grace": CHECKOUT_GRACE},
    money.find_wrong_refunds: {"grace": CHECKOUT_GRACE},
    waiting_rooms.find_wrong_admissions: {"grace": ROOM_GRACE, "kept": ADMISSION_KEPT},
}


async def _run(snapshot: Connection, query: Query, event_id: UUID | None, tally: Tally) -> None:
    listed_max = _SUSPECTS_MAX if placement.is_spread else EXAMPLES_MAX
    values: dict[str, object] = {"event_id": event_id, "examples_max": listed_max}
    values |= _TIMES.get(query, {})
    rows = await snapshot.fetch(*query(**values))
    for row in rows:
        tally.add(row["event_id"], row["what"], total=0)
    total = rows[0]["total"] if rows else 0
    tally.count += total
    tally.unlisted += total - len(rows)


def _from_files(events: int) -> str:
    if not events:
        return ""
    return f"The journal of {events:,} {'event' if events == 1 else 'events'} was read from files."


def _escaped(text: str) -> str:
    return "  " + text.replace("[", r"\[")
