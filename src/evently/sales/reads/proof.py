"""The proof of one event: its rows, counted, beside a replay of its journal.

`evently audit` compares row by row.

Its cost grows with what the event has sold (replay/__init__.py). Large events are replayed in parts, reading
the journal once for each part of the bookings, so that memory has a limit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from evently.db import REPORT_SECONDS_MAX, Connection, Database, load_queries
from evently.sales.facts import NO_HASH, chain, decode_facts
from evently.sales.journal_files import FilesOfJournal, JournalFileBroken
from evently.sales.reads.journal import list_journal_files
from evently.sales.reads.sale import read_sale
from evently.sales.replay import Contradiction, Replay
from evently.sales.rules.state import Pool, Sale

sql: Final = load_queries(__name__)

BOOKINGS_REPLAYED_MAX: Final = 50_000  # at a time: up to 125 MB of a process that also serves requests
_ACCOUNTS: Final = ("buyer", "door", "gateway", "organizer", "tax", "fees", "refunds")
_CLAIMS_READ: Final = 5_000  # at a time
_JOURNAL_ROWS_READ: Final = 100  # at a time: a few megabytes at the most
_BOOKINGS_SUMMED: Final = 1_000  # before the event loop may run other tasks


class Figure(msgspec.Struct, frozen=True):
    """The number of rows of a kind in a state: stored, and recomputed by the replay.

    `kind`: bookings, tickets (by the state of their booking, or void), seats, waitlist_entries, refunds.
    """

    kind: str
    state: str
    stored: int
    recomputed: int


class Balance(msgspec.Struct, frozen=True):
    """The debits of a ledger account less its credits. The balances of all accounts add up to zero."""

    account: str
    stored_minor: int
    recomputed_minor: int


class Proof(msgspec.Struct, frozen=True):
    """What is stored beside what the replay recomputed.

    `differences` are sentences; none means that both agree.
    """

    seq: int
    head_hash: bytes
    currency: str
    differences: list[str]
    stored: list[Pool]
    recomputed: list[Pool]
    figures: list[Figure]
    balances: list[Balance]


async def prove(database: Database, event_id: UUID) -> Proof:
    """Replay an event's whole journal and compare the result with the rows, both at one instant."""
    async with database.snapshot(REPORT_SECONDS_MAX, hash_joins=True) as snapshot:
        sale = await read_sale(snapshot, event_id)
        files = partial(
            FilesOfJournal, database.options.archive, await list_journal_files(snapshot, event_id)
        )
        parts = 1 + await snapshot.fetchval(*sql.count_bookings(event_id=event_id)) // BOOKINGS_REPLAYED_MAX
        replay, differences = Replay((0, parts)), list[str]()
        await _replay_journal(snapshot, sale, replay, differences, files())
        counts, accounts = _count_whole(replay), Counter[str]()
        await _count_part(replay, counts, accounts)
        replay.bookings.clear()
        for part in range(1, 1 if differences else parts):
            another = Replay((part, parts))
            await _replay_journal(snapshot, sale, another, differences, files())
            await _count_part(another, counts, accounts)
        figures = await _figures(snapshot, event_id, counts)
        balances = await _balances(snapshot, event_id, accounts)
        claims = {
            row["seat_number"]: row["ticket_id"]
            async for row in snapshot.cursor(*sql.list_claims(event_id=event_id), prefetch=_CLAIMS_READ)
        }
    stored = sorted(sale.pools.values(), key=lambda pool: pool.pool_id)
    recomputed = [
        Pool(*[getattr(pool, name) for name in Pool.__slots__]) for _, pool in sorted(replay.pools.items())
    ]
    differences += _differing_pools(stored, recomputed)
    differences += [
        f"{each.kind} {each.state}: {each.stored}, not {each.recomputed}"
        for each in figures
        if each.stored != each.recomputed
    ]
    differences += _differing_seats(claims, replay.seats)
    differences += [
        f"the account {each.account} has {each.stored_minor}, not {each.recomputed_minor}"
        for each in balances
        if each.stored_minor != each.recomputed_minor
    ]
    return Proof(sale.seq, sale.head_hash, sale.currency, differences, stored, recomputed, figures, balances)


async def _replay_journal(
    snapshot: Connection, sale: Sale, replay: Replay, differences: list[str], files: FilesOfJournal
) -> None:
    """Apply the journal to a replay, up to the row where it breaks."""
    try:
        await _replay_rows(snapshot, sale, replay, differences, files)
    except JournalFileBroken as broken:
        differences.append(str(broken))


async def _replay_rows(
    snapshot: Connection, sale: Sale, replay: Replay, differences: list[str], files: FilesOfJournal
) -> None:
    hash_before, seq = NO_HASH, 0
    rows = snapshot.cursor(*sql.read_journal(event_id=sale.event_id), prefetch=_JOURNAL_ROWS_READ)
    async for row, stored in files.complete(rows):
        seq += 1
        if row["seq"] != seq or row["hash"] != chain(hash_before, stored):
            differences.append(f"the chain breaks at row {row['seq']}")
            return
        hash_before = row["hash"]
        try:
            replay.add(row["at"], decode_facts(stored))
        except (Contradiction, msgspec.MsgspecError) as exc:
            differences.append(f"row {seq} cannot have happened: {exc}")
            return
        await asyncio.sleep(0)  # let other tasks run
    if (seq, hash_before) != (sale.seq, sale.head_hash):
        differences.append(f"the journal ends at row {seq}, the sale at {sale.seq}")


def _count_whole(replay: Replay) -> Counter[tuple[str, str]]:
    """Count the rows that every part of a replay knows."""
    counts = Counter[tuple[str, str]]()
    counts.update(("seats", "blocked" if owner is None else "taken") for owner in replay.seats.values())
    counts.update(("waitlist_entries", entry.state) for entry in replay.entries.values())
    counts.update(
        ("refunds", "settled" if refund.settled else "decided") for refund in replay.refunds.values()
    )
    counts.update(
        ("outside_refunds", "current" if refund.reversed_at is None else "reversed")
        for refund in replay.outside.values()
    )
    return counts


async def _count_part(replay: Replay, counts: Counter[tuple[str, str]], accounts: Counter[str]) -> None:
    """Count the bookings of one part and their tickets, and sum their postings."""
    for place, booking in enumerate(replay.bookings.values()):
        counts["bookings", booking.state] += 1
        counts["tickets", booking.state] += len(booking.tickets)
        counts["tickets", "void"] += len(booking.voided)
        for _, debit, credit, amount_minor in booking.postings:
            accounts[debit] += amount_minor
            accounts[credit] -= amount_minor
        if place % _BOOKINGS_SUMMED == 0:
            await asyncio.sleep(0)


async def _figures(snapshot: Connection, event_id: UUID, counts: Counter[tuple[str, str]]) -> list[Figure]:
    stored = {
        (kind, state): number
        for kind, state, number in await snapshot.fetch(*sql.count_rows(event_id=event_id))
    }
    places = sorted(stored.keys() | {place for place, number in counts.items() if number})
    return [Figure(kind, state, stored.get((kind, state), 0), counts[kind, state]) for kind, state in places]


async def _balances(snapshot: Connection, event_id: UUID, accounts: Counter[str]) -> list[Balance]:
    stored = {
        row["account"]: row["balance_minor"]
        for row in await snapshot.fetch(*sql.sum_ledger(event_id=event_id))
    }
    return [Balance(account, stored.get(account, 0), accounts[account]) for account in _ACCOUNTS]


def _differing_pools(stored: list[Pool], recomputed: list[Pool]) -> Iterator[str]:
    for pool, replayed in zip(stored, recomputed, strict=False):
        if pool != replayed:
            yield f"pool {pool.name!r} differs"
    if len(stored) != len(recomputed):
        yield "there are other pools"


def _differing_seats(stored: dict[int, UUID | None], recomputed: dict[int, UUID | None]) -> Iterator[str]:
    others = [
        seat
        for seat in stored.keys() | recomputed.keys()
        if stored.get(seat, seat) != recomputed.get(seat, seat)
    ]
    if others:
        yield f"seats have another owner: {len(others)}"
